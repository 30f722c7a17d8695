"""The overlay driver: a MAC whose frames travel inside UDP datagrams. Pure.

    VNIC ── mac ── OverlayDevice ──tx──► target ──► plugin header ──► Mux ──► UnderlaySocket
                        ▲                                              │
                        └──rx── by virtual network id ◄── decap ◄──────┘

* `device`    one overlay: its flags, its start and stop as a MAC provider, transmit and receive
* `driver`    the list of overlays and the control ioctls on /dev/dld (CREATE … STATUS)
* `prop`      what describes a property; `properties` are those of an overlay, behind PROPINFO, GETPROP, SETPROP
* `transmit`  the per-frame path out: decisions made once per start, batches of datagrams
* `target`    where frames go: the target protocol and its point-to-point form
* `cache`     the dynamic form: destinations by MAC address; `entry` one of them, and the frames parked while it is asked for
* `lookup`    the queue of destinations nobody knows yet, and those who wait for it
* `control`   /dev/overlay: handles and the target ioctls
* `mux`       underlay sockets, shared by overlays of one address; the path in
* `plugin`    the contract of an encapsulation plugin and the registry; `plugins.vxlan` is one
* `fm`        degraded and restored
* `drops`     a name for every way a frame can get lost

Ownership: the driver owns devices; a device owns its plugin instance and its target, and borrows a mux from start to stop. The
socket is open exactly while the device's MAC is started (KRN-I8).
"""
