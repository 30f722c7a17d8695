# What create-addr says of its words, before it looks at anything.
$ ipadm create-addr -T static -a 10.0.0.1/24
2| ipadm: Invalid arguments
2| usage: 	create-addr	[-t] -T static [-d] -a{local|remote}=addr[/prefixlen]
2| 			<addrobj>
2| 	create-addr	[-t] -T dhcp [-w <seconds> | forever]
2| 			[-1] [-h <hostname>] <addrobj>
2| 	create-addr	[-t] -T addrconf [-i interface-id]
2| 			[-p {stateful|stateless}={yes|no}] <addrobj>
[1]
$ ipadm create-addr -T static -a 10.0.0.1/24 vnic0
2| ipadm: invalid address object name: vnic0
2| usage: 	create-addr	[-t] -T static [-d] -a{local|remote}=addr[/prefixlen]
2| 			<addrobj>
2| 	create-addr	[-t] -T dhcp [-w <seconds> | forever]
2| 			[-1] [-h <hostname>] <addrobj>
2| 	create-addr	[-t] -T addrconf [-i interface-id]
2| 			[-p {stateful|stateless}={yes|no}] <addrobj>
[1]
$ ipadm create-addr -T static -w 5 -a 10.0.0.1/24 vnic0/v4
2| ipadm: Invalid arguments for type static
2| usage: 	create-addr	[-t] -T static [-d] -a{local|remote}=addr[/prefixlen]
2| 			<addrobj>
2| 	create-addr	[-t] -T dhcp [-w <seconds> | forever]
2| 			[-1] [-h <hostname>] <addrobj>
2| 	create-addr	[-t] -T addrconf [-i interface-id]
2| 			[-p {stateful|stateless}={yes|no}] <addrobj>
[1]
$ ipadm create-addr -T manual -a 10.0.0.1/24 vnic0/v4
2| ipadm: Invalid address type manual
[1]
$ ipadm create-addr -T dhcp vnic0/v4
2| ipadm: addresses of type dhcp are not part of etherspan; use -T static or -T addrconf
[1]
$ ipadm create-addr -T static -a 10.0.0.1/24 vnic0/4v
2| ipadm: Error in creating address object: Invalid argument provided
[1]
$ ipadm create-addr -T static -a 10.0.0.1/24 vnic/v4
2| ipadm: Error in creating address object: Invalid argument provided
[1]
$ ipadm create-addr -T static -a 10.0.0.256/24 vnic0/v4
2| ipadm: Error in setting local address: Invalid address
[1]
$ ipadm create-addr -T static -a 10.0.0.1/33 vnic0/v4
2| ipadm: Error in setting local address: Invalid argument provided
[1]
$ ipadm create-addr -T static -a 10.0.0.1/x vnic0/v4
2| ipadm: Error in setting local address: Invalid argument provided
[1]
$ ipadm create-addr -T static -a local=10.0.0.1,local=10.0.0.2 vnic0/v4
2| ipadm: Multiple local addresses provided
[1]
$ ipadm create-addr -T static -a local=10.0.0.1,remote=10.0.0.2/24 vnic0/v4
2| ipadm: Error in setting remote address: Invalid address
[1]
$ ipadm create-addr -T static -a local=10.0.0.1,remote=10.0.0.2 vnic0/v4
2| ipadm: Could not create address: Invalid argument provided
[1]
$ ipadm create-addr -T static -a 0.0.0.0 vnic0/v4
2| ipadm: Could not create address: Invalid address
[1]
$ ipadm create-addr -T static -a 10.0.0.255/24 vnic0/v4
2| ipadm: Could not create address: Can't assign requested address
[1]
$ ipadm create-addr -T static -a 10.0.0.1/24 vnic0/v4
2| ipadm: Could not create address: Could not open DLPI link
[1]
$ ipadm create-addr -T static -a 10.0.0.1/24 lo0/v4
2| ipadm: Could not create address: Persistent operation on temporary object
[1]
$ ipadm create-addr -T addrconf -i ::1 vnic0/v6
2| ipadm: Error in setting interface ID: Invalid argument provided
[1]
$ ipadm create-addr -T addrconf -p stateless=maybe vnic0/v6
2| ipadm: Invalid argument
[1]
$ ipadm create-addr -T addrconf -p stateless=yes,stateless=no vnic0/v6
2| ipadm: Duplicate option
[1]
$ ipadm create-addr -T addrconf lo0/v6
2| ipadm: Could not create address: Operation not supported
[1]
$ ipadm show-addr lo0
2| ipadm: Invalid address object name provided
[1]
$ ipadm show-addr -p
2| ipadm: -p requires -o
[1]
$ ipadm show-addr -p --json -o addr
2| ipadm: the option --json cannot be used with -p
[1]
$ ipadm show-addr -p -o all
2| ipadm: output field `all' invalid in parsable mode
[1]
$ ipadm show-addr -p -o colour
2| ipadm: no valid output fields
[1]
$ ipadm show-addr -o addr,colour lo0/v4
ADDR
127.0.0.1/8
2| ipadm: warning: ignoring unknown output field: `colour'
[0]
