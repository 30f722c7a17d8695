"""The layouts of ioctl arguments, declared with construct: one declaration to read, to document and to test against.

`LAYOUTS` has one declaration for each codec class of `sys.codec`, by its name. Clients and servers use the codecs; nothing on a
running path imports this package. Fields carry the names of the codec's fields and hold what lies in memory: a text fills its
room with NULs, and sizes and counts that a codec derives from another field appear as fields of their own.
"""

from __future__ import annotations

from kernel_sim.sys.layout import dld, overlay, resource, target, vnic

LAYOUTS = {**overlay.LAYOUTS, **target.LAYOUTS, **vnic.LAYOUTS, **dld.LAYOUTS, **resource.LAYOUTS}
