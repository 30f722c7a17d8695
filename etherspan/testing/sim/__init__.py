"""The world in memory: hosts as objects of one process, on a virtual clock.

* `world`     `SimWorld`: hosts, the network between them and its faults, the trace
* `loop`      the clock, and the event loop of everything
* `host`      one host: the real kernel, `daemons` (dlmgmtd, varpd, svc.startd's stand-in `restarter`), each a `process` of its own
* `devices`   what clients open, nodes and doors; `rootfs` the files below its root
* `events`, `hostview`  what can be seen of it all, as a trace
"""
