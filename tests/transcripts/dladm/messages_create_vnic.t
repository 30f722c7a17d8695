# What create-vnic says: its words judged from left to right, then as a whole, then what cannot be made.
$ dladm create-etherstub stub0
[0]
# While the options are read.
$ dladm create-vnic -l abcdefghijklmnopqrstuvwxyz012345
2| dladm: link name too long
[1]
$ dladm create-vnic -m random -m auto
2| dladm: cannot specify -m option twice
[1]
$ dladm create-vnic -m fixed
2| dladm: 'fixed' is not a valid MAC address
[1]
$ dladm create-vnic -m 2:8:xx
2| dladm: invalid MAC address
[1]
$ dladm create-vnic -n x
2| dladm: invalid slot number
[1]
$ dladm create-vnic -p a=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
2| dladm: property list too long 'a=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'
[1]
$ dladm create-vnic -V 256
2| dladm: invalid VRRP identifier '256'
[1]
$ dladm create-vnic -A inet4
2| dladm: invalid address family 'inet4'
[1]
$ dladm create-vnic -v 2 -v 3
2| dladm: the option -v cannot be specified more than once
[1]
$ dladm create-vnic -v 4095
2| dladm: invalid VLAN identifier '4095'
[1]
$ dladm create-vnic -v 0
2| dladm: invalid VLAN identifier '0'
[1]
$ dladm create-vnic -H
2| dladm: unrecognized option '-H'
2| usage:     create-vnic      [-t] -l <link> [-m <value> | auto |
2| 		     {factory [-n <slot-id>]} | {random [-r <prefix>]} |
2| 		     {vrrp -V <vrid> -A {inet | inet6}} [-v <vid> [-f]]
2| 		     [-p <prop>=<value>[,...]] <vnic-link>
[1]
$ dladm create-vnic --dev=stub0
2| dladm: unrecognized option ''
2| usage:     create-vnic      [-t] -l <link> [-m <value> | auto |
2| 		     {factory [-n <slot-id>]} | {random [-r <prefix>]} |
2| 		     {vrrp -V <vrid> -A {inet | inet6}} [-v <vid> [-f]]
2| 		     [-p <prop>=<value>[,...]] <vnic-link>
[1]
$ dladm create-vnic --cpus 1
2| dladm: unrecognized option ''
2| usage:     create-vnic      [-t] -l <link> [-m <value> | auto |
2| 		     {factory [-n <slot-id>]} | {random [-r <prefix>]} |
2| 		     {vrrp -V <vrid> -A {inet | inet6}} [-v <vid> [-f]]
2| 		     [-p <prop>=<value>[,...]] <vnic-link>
[1]
$ dladm create-vnic --bw-limit 1
2| dladm: unrecognized option ''
2| usage:     create-vnic      [-t] -l <link> [-m <value> | auto |
2| 		     {factory [-n <slot-id>]} | {random [-r <prefix>]} |
2| 		     {vrrp -V <vrid> -A {inet | inet6}} [-v <vid> [-f]]
2| 		     [-p <prop>=<value>[,...]] <vnic-link>
[1]
$ dladm create-vnic -t -l
2| dladm: option '-l' requires a value
2| usage:     create-vnic      [-t] -l <link> [-m <value> | auto |
2| 		     {factory [-n <slot-id>]} | {random [-r <prefix>]} |
2| 		     {vrrp -V <vrid> -A {inet | inet6}} [-v <vid> [-f]]
2| 		     [-p <prop>=<value>[,...]] <vnic-link>
[1]
# As a whole.
$ dladm create-vnic -l stub0 -f v0
2| dladm: -f option can only be used with -v
[1]
$ dladm create-vnic v0
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
$ dladm create-vnic -l stub0 -m vrrp -V 1 v0
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
$ dladm create-vnic -l stub0 abcdefghijklmnopqrstuvwxyz012345
2| dladm: link name too long 'abcdefghijklmnopqrstuvwxyz012345'
[1]
$ dladm create-vnic -l stub0 vnic
2| dladm: invalid link name 'vnic'
[1]
$ dladm create-vnic -l nope0 v0
2| dladm: invalid link name 'nope0'
[1]
$ dladm create-vnic -l stub0 -p zone= v0
2| dladm: invalid vnic property
[1]
# What cannot be made.
$ dladm create-vnic -l stub0 stub0
2| dladm: vnic creation over stub0 failed: object already exists
[1]
$ dladm create-vnic -l stub0 -m 2:8:20:1:2:3 v0
[0]
$ dladm create-vnic -l v0 v1
2| dladm: vnic creation over v0 failed: invalid argument
[1]
$ dladm create-vnic -l stub0 -m 2:8:20:1:2:3 v1
2| dladm: vnic creation over stub0 failed: MAC address is already in use
[1]
$ dladm create-vnic -l stub0 -m 1:2:3:4:5:6 v1
2| dladm: vnic creation over stub0 failed: invalid MAC address value
[1]
$ dladm create-vnic -l stub0 -m 2:2:2:2:2:2:2:2:2:2:2:2:2:2:2:2:2:2:2:2:2 v1
2| dladm: vnic creation over stub0 failed: invalid MAC address length
[1]
$ dladm create-vnic -l stub0 -m factory v1
2| dladm: vnic creation over stub0 failed: factory MAC address slots not supported
[1]
$ dladm create-vnic -l stub0 -m random -r 2:8:20:1:2:3 v1
2| dladm: vnic creation over stub0 failed: Invalid MAC address prefix length
[1]
$ dladm create-vnic -l stub0 -v 1 v1
2| dladm: VLAN over 'stub0' may not use default_tag ID (see dladm(8))
[1]
$ dladm create-etherstub -t stub1
[0]
$ dladm create-vnic -l stub1 v1
2| dladm: vnic creation over stub1 failed: can't create persistent object on top of temporary object
[1]
$ dladm create-overlay -t -e vxlan -s direct -v 23 -p vxlan/listen_ip=192.0.2.1,direct/dest_ip=127.0.0.2,direct/dest_port=4789 ov0
[0]
$ dladm create-vnic -t -l ov0 v1
2| dladm: vnic creation over ov0 failed: operation failed
[1]
# Properties of the link's resources go in at creation, every other one after it, with a warning of its own.
$ dladm create-vnic -l stub0 -p mtu=9000,maxbw=1 v1
2| dladm: vnic creation over stub0 failed: minimum value for maxbw is 1200K
[1]
$ dladm create-vnic -l stub0 -p mtu=9000,priority=x v1
2| dladm: vnic creation over stub0 failed: invalid value
[1]
$ dladm create-vnic -l stub0 -p mtu=9000,protection=x v1
2| dladm: vnic creation over stub0 failed: invalid value
[1]
$ dladm create-vnic -l stub0 -p mtu=9000,allowed-ips=10.0.0.1/24 v1
2| dladm: vnic creation over stub0 failed: invalid IP address
[1]
$ dladm create-vnic -l stub0 -p mtu=9000,allowed-ips=0.0.0.0 v1
2| dladm: vnic creation over stub0 failed: invalid IP address
[1]
$ dladm create-vnic -l stub0 -p mtu=9000,allowed-ips=10.0.0.1,10.0.0.1 v1
2| dladm: vnic creation over stub0 failed: invalid argument
[1]
$ dladm create-vnic -l stub0 -p mtu=9000,pool=a,b v1
2| dladm: vnic creation over stub0 failed: invalid number of values
[1]
$ dladm create-vnic -l stub0 -p mtu=9001 v1
2| dladm: warning: failed to set property mtu: invalid argument
2| dladm: vnic creation over stub0 failed: invalid argument
[1]
$ dladm create-vnic -l stub0 -p mtu=junk v1
2| dladm: warning: failed to set property mtu: invalid argument
2| dladm: vnic creation over stub0 failed: invalid argument
[1]
$ dladm create-vnic -l stub0 -p frob=1 v1
2| dladm: warning: failed to set property frob: object not found
2| dladm: vnic creation over stub0 failed: object not found
[1]
$ dladm create-vnic -l stub0 -p state=up v1
2| dladm: warning: failed to set property state: read-only property
2| dladm: vnic creation over stub0 failed: read-only property
[1]
$ dladm create-vnic -l stub0 -p zone=web v1
2| dladm: warning: failed to set property zone: change cannot be persistent
2| dladm: vnic creation over stub0 failed: change cannot be persistent
[1]
$ dladm create-vnic -l stub0 -p promisc-filtered=x v1
2| dladm: warning: failed to set property promisc-filtered: invalid value
2| dladm: vnic creation over stub0 failed: invalid value
[1]
# Nothing of all this is left.
$ dladm show-link -p -o link
stub0
v0
stub1
ov0
[0]
$ dladm show-link -P -p -o link
stub0
v0
[0]
