# What show-link, show-phys, show-linkmap and rename-link say.
# nic igb0
$ dladm create-etherstub -t stub0
[0]
$ dladm create-etherstub stub1
[0]
$ dladm delete-etherstub -t stub1
[0]
$ dladm show-link nope0
2| dladm: link nope0 is not valid: object not found
[1]
$ dladm show-link abcdefghijklmnopqrstuvwxyz012345
2| dladm: link name too long
[1]
$ dladm show-link -P stub0
2| dladm: link stub0 is a temporary link: invalid argument
[1]
$ dladm show-link stub1
2| dladm: link stub1 is temporarily removed: invalid argument
[1]
$ dladm show-link -p -p
2| dladm: the option -p cannot be specified more than once
[1]
$ dladm show-link -P -P
2| dladm: the option -P cannot be specified more than once
[1]
$ dladm show-link -s -i 1 -i 1
2| dladm: the option -i cannot be specified more than once
[1]
$ dladm show-phys nope0
2| dladm: link nope0 is not valid: object not found
[1]
$ dladm show-phys stub0
2| dladm: failed to show physical link stub0: invalid argument
[1]
$ dladm show-phys -P igb0
2| dladm: failed to show physical link igb0: object not found
[1]
$ dladm show-linkmap igb0
2| dladm: invalid arguments
[1]
$ dladm show-linkmap -x
2| dladm: invalid arguments
[1]
$ dladm rename-link
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
$ dladm rename-link nope0 stub2
2| dladm: rename operation failed: object not found
[1]
$ dladm rename-link stub0 stub1
2| dladm: rename operation failed: object already exists
[1]
$ dladm rename-link stub0 stub
2| dladm: rename operation failed: invalid argument
[1]
$ etherspan zone create web
[0]
$ dladm create-vnic -t -l stub0 -p zone=web v0
[0]
$ dladm rename-link v0 v1
2| dladm: rename operation failed: link busy
[1]
$ dladm delete-vnic v0
[0]
$ etherspan zone delete web
[0]
