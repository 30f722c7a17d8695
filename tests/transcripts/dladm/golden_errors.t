# Everything the reference's table of errors has, row by row.
# file etc/overlays/map.json two-hosts.json
$ dladm create-overlay
2| dladm: missing required virtual network id
[1]
$ dladm create-overlay -v 23
2| dladm: missing required encapsulation plugin
[1]
$ dladm create-overlay -v 23 -e vxlan
2| dladm: missing required search plugin
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct
2| dladm: missing device name
[1]
$ dladm create-overlay -v x -e vxlan -s direct demo0
2| dladm: couldn't parse virtual networkd id: x
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct demo
2| dladm: invalid link name 'demo'
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p vxlan/listen_ip= demo0
2| dladm: invalid overlay property
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -e
2| dladm: option '-e' requires a value
2| usage:     create-overlay   [-t] -e <encap> -s <search> -v <vnetid>
2| 		     [ -p <prop>=<value>[,...]] <overlay>
[1]
# A name and a network id that are taken.
$ dladm create-overlay -e vxlan -s direct -p vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.2,direct/dest_port=4789 -v 23 demo0
[0]
$ dladm create-overlay -v 23 -e vxlan -s direct -v 24 demo0
2| dladm: overlay creation failed: object already exists
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct demo1
2| dladm: overlay creation failed: object already exists
[1]
$ dladm delete-overlay demo0
[0]
$ dladm create-overlay -v 23 -e nvgre -s direct demo0
2| dladm: overlay creation failed: object not found
[1]
$ dladm create-overlay -v 16777216 -e vxlan -s direct demo0
2| dladm: overlay creation failed: invalid argument
[1]
$ dladm create-overlay -v 23 -e vxlan -s nosuch demo0
2| dladm: warning: failed to create varpd instance: No such file or directory
2| dladm: overlay creation failed: object not found
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p bogus=1 demo0
2| dladm: warning: failed to set property bogus
2| dladm: overlay creation failed: object not found
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p mtu=9000 demo0
2| dladm: warning: failed to set property mtu
2| dladm: overlay creation failed: invalid argument
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p encap=vxlan demo0
2| dladm: warning: failed to set property encap
2| dladm: overlay creation failed: permission denied
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p vxlan/listen_ip=junk demo0
2| dladm: warning: failed to set property vxlan/listen_ip
2| dladm: overlay creation failed: invalid argument
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p direct/dest_ip=junk demo0
2| dladm: warning: failed to set varpd prop: direct/dest_ip
2|
2| dladm: overlay creation failed: permission denied
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p direct/foo=1 demo0
2| dladm: warning: failed to set varpd prop: direct/foo
2|
2| dladm: overlay creation failed: I/O error
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.2 demo0
2| dladm: warning: failed to activate varpd instance: Resource temporarily unavailable
2| dladm: warning: unset required property: direct/dest_port
2| dladm: overlay creation failed: try again later
[1]
$ dladm create-overlay -v 23 -e vxlan -s files -p vxlan/listen_ip=127.0.0.1,files/config=/etc/overlays/none.json demo0
2| dladm: warning: failed to activate varpd instance: No such file or directory
2| dladm: overlay creation failed: object not found
[1]
# Links to go wrong with: overlays of both kinds, an etherstub, a VNIC.
$ dladm create-overlay -e vxlan -s direct -p vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.2,direct/dest_port=4789 -v 23 demo0
[0]
$ dladm create-overlay -e vxlan -s files -v 24 -p vxlan/listen_ip=127.0.0.1,files/config=/etc/overlays/map.json ov0
[0]
$ dladm create-etherstub stub0
[0]
$ dladm create-vnic -l demo0 vnic0
[0]
$ dladm show-overlay nope0
2| dladm: warning: failed to find nope0: object not found
[1]
$ dladm show-overlay stub0
2| dladm: warning: stub0 is not an overlay
[1]
$ dladm show-overlay -f stub0
2| dladm: datalink stub0 is not an overlay device
2|
[1]
$ dladm show-overlay -p
2| dladm: output fields must be specified in parsable mode
[1]
$ dladm show-overlay -o link,foo demo0
LINK
demo0
demo0
demo0
demo0
demo0
demo0
demo0
demo0
demo0
2| dladm: warning: ignoring unknown output field: `foo'
[0]
$ dladm show-overlay -x
2| dladm: unrecognized option '-x'
2| usage:     show-overlay     [-f | -t] [[-p] -o <field>,...] [<overlay>]
2|
[1]
$ dladm modify-overlay demo0
2| dladm: need to specify one of -d, -f, or -s
[1]
$ dladm modify-overlay -d 0:1:2:3:4:5 -f demo0
2| dladm: only one of -d, -f, or -s may be used
[1]
$ dladm modify-overlay -f -f demo0
2| dladm: the option -f cannot be specified more than once
[1]
$ dladm modify-overlay -d zz demo0
2| dladm: invalid mac address: zz
2|
[1]
$ dladm modify-overlay -f
2| dladm: missing required overlay device
2|
[1]
$ dladm modify-overlay -f demo0
2| dladm: failed to flush target cache for overlay demo0: operation not supported
[1]
$ dladm modify-overlay -d 0:1:2:3:4:5 ov0
2| dladm: failed to flush target (null) from overlay target cache ov0: object not found
[1]
$ dladm delete-overlay demo0
2| dladm: failed to delete demo0: link busy
[1]
$ dladm delete-overlay vnic0
2| dladm: failed to delete vnic0: invalid argument
[1]
$ dladm delete-overlay nope0
2| dladm: failed to delete nope0: object not found
[1]
$ dladm delete-overlay -x
2| dladm: unrecognized option '-x'
2| usage:     delete-overlay   [-t] <overlay>
[1]
$ dladm up-overlay nope0
2| dladm: could not bring up overlay 'nope0': object not found
[1]
$ dladm up-overlay ov0
2| dladm: warning: failed to create overlay device ov0: object already exists
2| dladm: could not bring up overlay 'ov0': operation failed
[1]
$ dladm set-linkprop -p mtu=1300 demo0
2| dladm: warning: cannot set link property 'mtu' on 'demo0': link busy
[1]
$ dladm set-linkprop -p priority=x vnic0
2| dladm: warning: link property 'priority' must be one of: low,medium,high
[1]
$ dladm delete-vnic vnic0
[0]
$ dladm delete-overlay demo0
[0]
$ dladm create-overlay -t -e vxlan -s direct -p vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.2,direct/dest_port=4789 -v 23 demo0
[0]
$ dladm create-vnic -l demo0 v0
2| dladm: vnic creation over demo0 failed: can't create persistent object on top of temporary object
[1]
$ dladm create-vnic -t -l demo0 -p mtu=1500 v0
2| dladm: warning: failed to set property mtu: invalid argument
2| dladm: vnic creation over demo0 failed: invalid argument
[1]
$ dladm create-vnic -t -l demo0 -p priority=x v0
2| dladm: vnic creation over demo0 failed: invalid value
[1]
$ dladm frob
2| dladm: unknown subcommand 'frob'
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
