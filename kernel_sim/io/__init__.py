"""The simulated kernel's surroundings on Linux: the only modules that know epoll, TAP devices, UDP sockets and netlink.

    loop        one epoll loop with timers; implements `ddi.Clock`
    tun, tap    a VNIC's port is a TAP device; implements `ddi.Port` and `ddi.PortFactory`
    zones       zones are network namespaces: find them, act inside one
    udp         implements `ddi.Underlay`; srcport holds the sockets that only lend their port to outgoing datagrams
    netlink     the machine's own Ethernet interfaces; implements `ddi.PhysLinks`; rtnl reads rtnetlink messages, ethtool speeds
    entropy     implements `ddi.Random`

Everything runs in callbacks of one loop in one thread. Descriptors are non-blocking and drained in bounded batches; an event is a
hint, and a callback must not mind when there is nothing to do. Errors of the machine become `KernelError` here and nowhere else.
"""
