"""`ipadm`: IP interfaces and addresses of a host and of its zones (IPA, docs/reference/ipadm.md).

An *IP interface* is a link of the zone the command runs in, once it is plumbed: here, a VNIC's TAP or the host's own Ethernet interface
that has been brought up, and `lo0`, which is Linux's `lo`. An *address object* `net0/v4` names an address on one.

    status.py       results and their texts                                                   pure
    names.py        names of interfaces and address objects, addresses as they are typed      pure
    conf.py         ipadm.conf: lines kept as they are, read, added, taken away               pure
    objects.py      what ipadm made since the last boot: the volatile map                     pure
    view.py         stored + made + what Linux has = what show-if and show-addr print         pure
    store.py        the two files and their lock
    netstack.py     links, addresses and settings of one namespace, over netlink
    place.py        which zone this is, and the namespace to act in
    library.py      the operations
    boot.py         the stored configuration of each zone, applied at boot
    cli.py          the command; table.py its rows, show.py its tables

A zone has no file system of its own here, so ROOT/etc/ipadm/ipadm.conf holds the lines of all zones: those of a zone carry
`_zone=NAME`, those without belong to the host itself.
"""

from __future__ import annotations

from typing import Final

IPADM_CONF: Final = "etc/ipadm/ipadm.conf"
"""Path of the stored configuration below a host's root."""
