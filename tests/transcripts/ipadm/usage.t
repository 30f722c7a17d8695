$ ipadm help
2| usage:  ipadm <subcommand> <args> ...
2| 	create-if	[-t] <interface>
2| 	create-ip	[-t] <interface>
2| 	delete-if	<interface>
2|
2| 	delete-ip	<interface>
2|
2| 	disable-if	-t <interface>
2| 	enable-if	-t <interface>
2| 	show-if		[[-p] -o <field>,...] [<interface>]
2|
2| 	create-addr	[-t] -T static [-d] -a{local|remote}=addr[/prefixlen]
2| 			<addrobj>
2| 	create-addr	[-t] -T dhcp [-w <seconds> | forever]
2| 			[-1] [-h <hostname>] <addrobj>
2| 	create-addr	[-t] -T addrconf [-i interface-id]
2| 			[-p {stateful|stateless}={yes|no}] <addrobj>
2| 	delete-addr	[-r] <addrobj>
2| 	show-addr	[[-p] -o <field>,...] [<addrobj>]
2| 	refresh-addr	[-i] <addrobj>
2| 	down-addr	[-t] <addrobj>
2| 	up-addr		[-t] <addrobj>
2| 	disable-addr	-t <addrobj>
2| 	enable-addr	-t <addrobj>
2|
[0]
$ ipadm create-if
2| ipadm: usage: 	create-if	[-t] <interface>
[1]
$ ipadm create-if -x vnic0
2| ipadm: unrecognized option '-x'
2| usage: 	create-if	[-t] <interface>
[1]
$ ipadm up-addr
2| ipadm: Usage: 	up-addr		[-t] <addrobj>
[1]
$ ipadm create-addr -T
2| ipadm: option '-T' requires a value
2| usage: 	create-addr	[-t] -T static [-d] -a{local|remote}=addr[/prefixlen]
2| 			<addrobj>
2| 	create-addr	[-t] -T dhcp [-w <seconds> | forever]
2| 			[-1] [-h <hostname>] <addrobj>
2| 	create-addr	[-t] -T addrconf [-i interface-id]
2| 			[-p {stateful|stateless}={yes|no}] <addrobj>
[1]
# An option string without its leading colon.
$ ipadm show-addr -o
2| ipadm: unrecognized option '-o'
2| usage: 	show-addr	[[-p] -o <field>,...] [<addrobj>]
[1]
$ ipadm show-addr lo0/v4 lo0/v6
2| ipadm: Usage: 	show-addr	[[-p] -o <field>,...] [<addrobj>]
[1]
$ ipadm show-if lo0 lo1
2| ipadm: Usage: 	show-if		[[-p] -o <field>,...] [<interface>]
2|
[1]
$ ipadm set-prop -p forwarding=on ipv4
2| ipadm: subcommand 'set-prop' is not part of etherspan, which has no properties of protocols (Linux's are set by sysctl); 'ipadm help' lists what it has
[1]
$ ipadm create-ipmp ipmp0
2| ipadm: subcommand 'create-ipmp' is not part of etherspan, which has no IP multipathing; 'ipadm help' lists what it has
[1]
