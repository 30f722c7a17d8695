"""Doors that speak JSON, dlmgmtd's and the restarter's: the messages, the client's end, the server's end."""
