# Stored overlays that cannot be brought up: why, one by one and all at once; the good one comes up.
# file etc/dladm/datalink.conf datalink/lacking.conf
$ svcadm restart -s datalink-management
[0]
$ dladm up-overlay empty0
2| dladm: warning: failed to retrieve persistent configuration for empty0: object not found
2| dladm: could not bring up overlay 'empty0': operation failed
[1]
$ dladm up-overlay nocap0
2| dladm: warning: failed to retrieve persistent configuration for nocap0: object not found
2| dladm: could not bring up overlay 'nocap0': operation failed
[1]
$ dladm up-overlay many0
2| dladm: warning: failed to retrieve persistent configuration for many0: too many elements specified
2| dladm: could not bring up overlay 'many0': operation failed
[1]
$ dladm up-overlay nvgre0
2| dladm: warning: failed to create overlay device nvgre0: object not found
2| dladm: could not bring up overlay 'nvgre0': operation failed
[1]
$ dladm up-overlay odd0
2| dladm: warning: failed to set property vxlan/odd
2| dladm: warning: failed to set properties for overlay device odd0: object not found
2| dladm: could not bring up overlay 'odd0': operation failed
[1]
$ dladm up-overlay search0
2| dladm: warning: failed to set varpd prop: direct/dest_port
2|
2| dladm: warning: failed to set properties for overlay device search0: permission denied
2| dladm: could not bring up overlay 'search0': operation failed
[1]
$ dladm up-overlay nodest0
2| dladm: warning: failed to activate varpd instance: Resource temporarily unavailable
2| dladm: warning: unset required property: direct/dest_port
2| dladm: warning: failed to set properties for overlay device nodest0: try again later
2| dladm: could not bring up overlay 'nodest0': operation failed
[1]
$ dladm up-overlay
2| dladm: warning: failed to retrieve persistent configuration for empty0: object not found
2| dladm: warning: failed to retrieve persistent configuration for nocap0: object not found
2| dladm: warning: failed to retrieve persistent configuration for many0: too many elements specified
2| dladm: warning: failed to create overlay device nvgre0: object not found
2| dladm: warning: failed to set property vxlan/odd
2| dladm: warning: failed to set properties for overlay device odd0: object not found
2| dladm: warning: failed to set varpd prop: direct/dest_port
2|
2| dladm: warning: failed to set properties for overlay device search0: permission denied
2| dladm: warning: failed to activate varpd instance: Resource temporarily unavailable
2| dladm: warning: unset required property: direct/dest_port
2| dladm: warning: failed to set properties for overlay device nodest0: try again later
2| dladm: could not bring overlays up: operation failed
[1]
$ dladm show-overlay -f
LINK                STATUS  DETAILS
good0               ONLINE  -
[0]
