"""Wraps for what the kernel is given (`kernel_sim.ddi`), over Linux and in memory alike. Pure.

* `capture`   hands every frame of ports and every datagram of an underlay to a callback
* `faults`    loses, duplicates, reorders, corrupts, delays them, or cuts the way altogether
* `port`      what both do with a port that they leave as it is

A wrap is itself a `PortFactory` or an `Underlay`, so they nest; the kernel knows nothing of them.
"""
