"""The search plugin `svp`: a server is asked where each MAC address and each guest address is (SVP).

    plugin       what varpd knows: properties, life, lookups                       libvarpd_svp.c
      └ loop     sockets, resolver and the tick, over asyncio                      svp_loop.c, svp_timer.c
          └ remote     a server by its name: connections, reasons to be degraded   svp_remote.c
              ├ host       its name's addresses                                    svp_host.c
              ├ conn       one connection, its queries                             svp_conn.c
              └ shootdown  the log: what to forget and to announce                 svp_shootdown.c
                  └ query, wire, messages                                          svp_crc.c, libvarpd_svp_prot.h

All below `loop` is sans-I/O: it is told of seconds, bytes and addresses, and tells in turn what to connect, send and close. What a state
machine does is a table, `TRANSITIONS`, in the module it belongs to.
"""
