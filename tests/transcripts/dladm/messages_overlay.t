# What delete-overlay, modify-overlay, show-overlay and up-overlay say.
# file etc/overlays/map.json two-hosts.json
$ dladm create-overlay -e vxlan -s direct -p vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.2,direct/dest_port=4789 -v 23 demo0
[0]
$ dladm create-overlay -e vxlan -s files -v 24 -p vxlan/listen_ip=127.0.0.1,files/config=/etc/overlays/map.json ov0
[0]
$ dladm create-etherstub -t stub0
[0]
# delete-overlay
$ dladm delete-overlay
2| usage:  dladm <subcommand> <args> ...
2|     rename-link      <oldlink> <newlink>
2|     show-link        [-pP] [-o <field>,..] [-s [-i <interval>]] [<link>]
2|
2|     set-linkprop     [-t] -p <prop>=<value>[,...] <name>
2|     reset-linkprop   [-t] [-p <prop>,...] <name>
2|     show-linkprop    [-cP] [-o <field>,...] [-p <prop>,...] <name>
2|
2|     show-phys        [-m | -H | -P] [[-p] [-o <field>[,...]] [<link>]
2|
2|     create-vnic      [-t] -l <link> [-m <value> | auto |
2| 		     {factory [-n <slot-id>]} | {random [-r <prefix>]} |
2| 		     {vrrp -V <vrid> -A {inet | inet6}} [-v <vid> [-f]]
2| 		     [-p <prop>=<value>[,...]] <vnic-link>
2|     delete-vnic      [-t] <vnic-link>
2|     show-vnic        [-pP] [-l <link>] [-s [-i <interval>]] [<link>]
2|
2|     create-etherstub [-t] <link>
2|     delete-etherstub [-t] <link>
2|     show-etherstub   [-t] [<link>]
2|
2|     create-overlay   [-t] -e <encap> -s <search> -v <vnetid>
2| 		     [ -p <prop>=<value>[,...]] <overlay>
2|     delete-overlay   [-t] <overlay>
2|     modify-overlay   -d mac | -f | -s mac=ip:port <overlay>
2|     show-overlay     [-f | -t] [[-p] -o <field>,...] [<overlay>]
2|
[1]
$ dladm delete-overlay stub0
2| dladm: failed to delete stub0: invalid argument
[1]
# modify-overlay
$ dladm modify-overlay -d 0:1:2:3:4:5 -d zz
2| dladm: the option -d cannot be specified more than once
[1]
$ dladm modify-overlay -s 0:1:2:3:4:5=drop -s x
2| dladm: the option -s cannot be specified more than once
[1]
$ dladm modify-overlay -s zz=drop
2| dladm: invalid mac address: zz
2|
[1]
$ dladm modify-overlay -s 0:1:2:3:4:5 ov0
2| dladm: malformed value, expected mac=dest, got: 0:1:2:3:4:5
2|
[1]
$ dladm modify-overlay -f ov0 ov1
2| dladm: only one overlay device may be specified
2|
[1]
$ dladm modify-overlay -f nope0
2| dladm: failed to find overlay nope0: object not found
[1]
$ dladm modify-overlay ov0 -d
2| dladm: option '-d' requires a value
2| usage:     modify-overlay   -d mac | -f | -s mac=ip:port <overlay>
[1]
$ dladm modify-overlay -s 0:1:2:3:4:5=10.0.0.5 ov0
2| dladm: failed to set target (null) for overlay target cache ov0: invalid argument
[1]
$ dladm modify-overlay -s 0:1:2:3:4:5=junk:4789 ov0
2| dladm: failed to set target (null) for overlay target cache ov0: invalid argument
[1]
$ dladm modify-overlay -s 0:1:2:3:4:5=10.0.0.5:0 ov0
2| dladm: failed to set target (null) for overlay target cache ov0: invalid argument
[1]
$ dladm modify-overlay -s 0:1:2:3:4:5=10.0.0.5:70000 ov0
2| dladm: failed to set target (null) for overlay target cache ov0: invalid argument
[1]
$ dladm modify-overlay -s 0:1:2:3:4:5=10.0.0.5:x ov0
2| dladm: failed to set target (null) for overlay target cache ov0: invalid argument
[1]
$ dladm modify-overlay -s 0:1:2:3:4:5=10.0.0.5: ov0
2| dladm: failed to set target (null) for overlay target cache ov0: invalid argument
[1]
$ dladm modify-overlay -f stub0
2| dladm: failed to flush target cache for overlay stub0: object not found
[1]
$ dladm modify-overlay -d 0:1:2:3:4:5 stub0
2| dladm: failed to flush target (null) from overlay target cache stub0: object not found
[1]
$ dladm modify-overlay -s 0:1:2:3:4:5=drop stub0
2| dladm: failed to set target (null) for overlay target cache stub0: object not found
[1]
$ dladm modify-overlay -f demo0
2| dladm: failed to flush target cache for overlay demo0: operation not supported
[1]
$ dladm modify-overlay -d 0:1:2:3:4:5 demo0
2| dladm: failed to flush target (null) from overlay target cache demo0: operation not supported
[1]
$ dladm modify-overlay -s 0:1:2:3:4:5=drop demo0
2| dladm: failed to set target (null) for overlay target cache demo0: operation not supported
[1]
# show-overlay
$ dladm show-overlay -t stub0
2| dladm: warning: stub0 is not an overlay
[1]
$ dladm show-overlay -f -p -o link nope0 demo0 ov0
demo0
ov0
2| dladm: warning: failed to find nope0: object not found
[1]
$ dladm show-overlay -p -o property stub0 demo0
mtu
vnetid
encap
varpd/id
vxlan/listen_ip
vxlan/listen_port
search
direct/dest_ip
direct/dest_port
2| dladm: warning: stub0 is not an overlay
[1]
$ dladm show-overlay -f stub0 demo0
2| dladm: datalink stub0 is not an overlay device
2|
[1]
# What is only stored has neither properties nor health, and nothing to say where frames go.
$ dladm delete-overlay -t ov0
[0]
$ dladm show-overlay ov0
2| dladm: warning: failed to get overlay properties for overlay ov0: No such file or directory
[1]
$ dladm show-overlay -f ov0
2| dladm: failed to obtain device status for ov0: object not found
[1]
$ dladm show-overlay -t ov0
[0]
$ dladm show-overlay -f
LINK                STATUS  DETAILS
demo0               ONLINE  -
[0]
# up-overlay
$ dladm up-overlay demo0 ov0
2| usage:  dladm <subcommand> <args> ...
2|     rename-link      <oldlink> <newlink>
2|     show-link        [-pP] [-o <field>,..] [-s [-i <interval>]] [<link>]
2|
2|     set-linkprop     [-t] -p <prop>=<value>[,...] <name>
2|     reset-linkprop   [-t] [-p <prop>,...] <name>
2|     show-linkprop    [-cP] [-o <field>,...] [-p <prop>,...] <name>
2|
2|     show-phys        [-m | -H | -P] [[-p] [-o <field>[,...]] [<link>]
2|
2|     create-vnic      [-t] -l <link> [-m <value> | auto |
2| 		     {factory [-n <slot-id>]} | {random [-r <prefix>]} |
2| 		     {vrrp -V <vrid> -A {inet | inet6}} [-v <vid> [-f]]
2| 		     [-p <prop>=<value>[,...]] <vnic-link>
2|     delete-vnic      [-t] <vnic-link>
2|     show-vnic        [-pP] [-l <link>] [-s [-i <interval>]] [<link>]
2|
2|     create-etherstub [-t] <link>
2|     delete-etherstub [-t] <link>
2|     show-etherstub   [-t] [<link>]
2|
2|     create-overlay   [-t] -e <encap> -s <search> -v <vnetid>
2| 		     [ -p <prop>=<value>[,...]] <overlay>
2|     delete-overlay   [-t] <overlay>
2|     modify-overlay   -d mac | -f | -s mac=ip:port <overlay>
2|     show-overlay     [-f | -t] [[-p] -o <field>,...] [<overlay>]
2|
[1]
$ dladm up-overlay -t
2| dladm: could not bring up overlay '-t': object not found
[1]
$ dladm up-overlay stub0
2| dladm: warning: stub0 is not an overlay
2| dladm: could not bring up overlay 'stub0': operation failed
[1]
$ dladm up-overlay
2| dladm: warning: failed to create overlay device demo0: object already exists
2| dladm: could not bring overlays up: operation failed
[1]
$ dladm show-overlay -f -p -o link
demo0
ov0
[0]
