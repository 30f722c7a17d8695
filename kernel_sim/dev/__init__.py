"""How processes of a host reach the simulated kernel and each other: paths, sockets, message framing, clients.

A device node or door is an AF_UNIX SOCK_SEQPACKET socket below the host's root. `client` opens one from any process; the
kernel's side is `kernel_sim.devfs`. Imports `kernel_sim.sys` and nothing else of the project.
"""
