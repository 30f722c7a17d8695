r"""The GLDv3 mac layer: data links, their clients, and the switching between them. Pure.

    consumer (TAP)          consumer (TAP)                 sniffer
         | Port                  |                            |
    MacClient "vnic0"       MacClient "vnic1"            promiscuous callback
         \_______________   _____/ ________________________/
                        Mac  (the lower MAC: an overlay, an etherstub)
                         |
                    MacProvider  (start, stop, tx; calls Mac.receive)

* `provider`  what a driver gives when it registers a MAC
* `mac`       a MAC: its users, MTU, link state, clients; the way in from the wire
* `client`    a user of a MAC: address, groups, sniffers
* `datapath`  the client's transmit and receive stages of KRN 6.5 and 6.6
* `secondary` the further addresses of a VNIC, each one more client
* `resource`  resource properties: what is accepted, how changes are merged
* `enforce`   what they do to a client: `protect`, link protection, and `bandwidth`, the limit of each direction
* `flow`      who gets a frame: unicast flows, broadcast and multicast groups
* `promisc`   copies for sniffers
* `stat`      counters, named drops, kstats
* `watch`     who is told which frames were dropped
* `vlan`      VLAN tags
* `hw_emul`   checksums, cutting of runs, coalescing; `_hw` does the computing

The unit that moves is a chain of messages; a message is a frame or a run of frames (`kernel_sim.sys.message`). Local delivery
hands the same message objects on: nobody changes a message that was given to him.

Which of the ways through the code a client's frames take is worked out when clients come and go, never per frame: one active
client on a MAC means no switching at all (KRN-Q32, KRN-Q36), two or more mean a look into the flow table.

Everything runs on one loop and every call returns at once, so the perimeters and reference counts of the original have no
counterpart here; link notifications arrive before the control call that caused them returns.
"""
