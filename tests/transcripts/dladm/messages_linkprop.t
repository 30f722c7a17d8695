# What show-linkprop, set-linkprop, reset-linkprop and init-linkprop say.
$ dladm create-etherstub stub0
[0]
$ dladm create-vnic -l stub0 v0
[0]
# show-linkprop
$ dladm show-linkprop nope0
2| dladm: link nope0 is not valid: object not found
[1]
$ dladm show-linkprop -p mtu=1 v0
2| dladm: invalid link properties specified
[1]
$ dladm show-linkprop -p , v0
2| dladm: invalid link properties specified
[1]
$ dladm show-linkprop -p
2| dladm: option '-p' requires a value
2| usage:     show-linkprop    [-cP] [-o <field>,...] [-p <prop>,...] <name>
2|
[1]
$ dladm show-linkprop -c -o property,perm,value,default,possible -p frob v0
frob:?:?:?:?
2| dladm: warning: cannot get link property 'frob' for v0: object not found
[1]
# set-linkprop
$ dladm set-linkprop
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
$ dladm set-linkprop -p mtu= v0
2| dladm: invalid link properties specified
[1]
$ dladm set-linkprop v0
2| dladm: link property must be specified
[1]
$ dladm set-linkprop -p a=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx v0
2| dladm: property list too long 'a=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'
[1]
$ dladm set-linkprop -p mtu=1 nope0
2| dladm: link nope0 is not valid: object not found
[1]
$ dladm set-linkprop -p mtu v0
2| dladm: warning: no value specified for 'mtu'
[1]
$ dladm set-linkprop -p frob=1 v0
2| dladm: warning: invalid link property 'frob'
[1]
$ dladm set-linkprop -p priority=x v0
2| dladm: warning: link property 'priority' must be one of: low,medium,high
[1]
$ dladm set-linkprop -p protection=x v0
2| dladm: warning: link property 'protection' must be one of: mac-nospoof,restricted,ip-nospoof,dhcp-nospoof
[1]
$ dladm set-linkprop -p promisc-filtered=x v0
2| dladm: warning: link property 'promisc-filtered' must be one of: off,on
[1]
$ dladm set-linkprop -p tagmode=x v0
2| dladm: warning: link property 'tagmode' must be one of: normal,vlanonly
[1]
$ dladm set-linkprop -p allow-all-dhcp-cids=x v0
2| dladm: warning: link property 'allow-all-dhcp-cids' must be one of: false,true
[1]
$ dladm set-linkprop -p dynamic-methods=x v0
2| dladm: warning: link property 'dynamic-methods' must be one of: dhcpv4,dhcpv6,slaac,addrconf
[1]
$ dladm set-linkprop -p mtu=9001 v0
2| dladm: warning: cannot set link property 'mtu' on 'v0': invalid argument
[1]
$ dladm set-linkprop -p mtu=junk v0
2| dladm: warning: cannot set link property 'mtu' on 'v0': invalid argument
[1]
$ dladm set-linkprop -p mtu=8999 stub0
2| dladm: warning: cannot set link property 'mtu' on 'stub0': link busy
[1]
$ dladm set-linkprop -p mtu=9001 stub0
2| dladm: warning: cannot set link property 'mtu' on 'stub0': invalid argument
[1]
$ dladm set-linkprop -p zone=web v0
2| dladm: warning: cannot set link property 'zone' on 'v0': change cannot be persistent
[1]
$ dladm set-linkprop -p state=down v0
2| dladm: warning: cannot set link property 'state' on 'v0': read-only property
[1]
$ dladm set-linkprop -p maxbw=1199K v0
2| dladm: warning: cannot set link property 'maxbw' on 'v0': minimum value for maxbw is 1200K
[1]
$ dladm set-linkprop -p allowed-ips=10.0.0.1/24 v0
2| dladm: warning: cannot set link property 'allowed-ips' on 'v0': invalid IP address
[1]
$ dladm set-linkprop -p allowed-ips=0.0.0.0 v0
2| dladm: warning: cannot set link property 'allowed-ips' on 'v0': invalid IP address
[1]
$ dladm set-linkprop -p secondary-macs=2:8:20:0:1:0,2:8:20:0:1:1,2:8:20:0:1:2,2:8:20:0:1:3,2:8:20:0:1:4,2:8:20:0:1:5,2:8:20:0:1:6,2:8:20:0:1:7,2:8:20:0:1:8,2:8:20:0:1:9,2:8:20:0:1:a,2:8:20:0:1:b,2:8:20:0:1:c,2:8:20:0:1:d,2:8:20:0:1:e,2:8:20:0:1:f,2:8:20:0:1:10,2:8:20:0:1:11,2:8:20:0:1:12,2:8:20:0:1:13,2:8:20:0:1:14,2:8:20:0:1:15,2:8:20:0:1:16,2:8:20:0:1:17,2:8:20:0:1:18,2:8:20:0:1:19,2:8:20:0:1:1a,2:8:20:0:1:1b,2:8:20:0:1:1c,2:8:20:0:1:1d,2:8:20:0:1:1e,2:8:20:0:1:1f v0
2| dladm: warning: cannot set link property 'secondary-macs' on 'v0': invalid number of values
[1]
$ dladm set-linkprop -p forward=1 v0
2| dladm: warning: cannot set link property 'forward' on 'v0': invalid argument
[1]
$ dladm set-linkprop -p maxbw=1,frob=1,mtu=9000 v0
2| dladm: warning: cannot set link property 'maxbw' on 'v0': minimum value for maxbw is 1200K
2| dladm: warning: invalid link property 'frob'
[0]
# reset-linkprop
$ dladm reset-linkprop -p mtu=9000 v0
2| dladm: invalid link properties specified
[1]
$ dladm reset-linkprop nope0
2| dladm: link nope0 is not valid: object not found
[1]
$ dladm reset-linkprop -p state v0
2| dladm: warning: cannot reset link property 'state' on 'v0': read-only property
[1]
$ dladm reset-linkprop -p frob v0
2| dladm: warning: invalid link property 'frob'
[1]
$ dladm reset-linkprop v0
2| dladm: warning: cannot reset link property 'zone' on 'v0': change cannot be persistent
2| dladm: warning: cannot reset link property 'rxrings' on 'v0': invalid argument
2| dladm: warning: cannot reset link property 'txrings' on 'v0': invalid argument
[1]
$ dladm reset-linkprop -t v0
2| dladm: warning: cannot reset link property 'rxrings' on 'v0': invalid argument
2| dladm: warning: cannot reset link property 'txrings' on 'v0': invalid argument
[1]
# init-linkprop
$ dladm init-linkprop nope0
2| dladm: link nope0 is not valid: object not found
[1]
$ dladm init-linkprop -x
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
