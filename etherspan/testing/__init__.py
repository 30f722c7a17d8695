"""Worlds to test in: the simulated kernel over networks, ports and clocks that exist in memory only."""
