# An unknown subcommand gets the whole usage; one that exists elsewhere gets a line of its own.
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
$ dladm create-aggr -l net0 aggr0
2| dladm: subcommand 'create-aggr' is not part of etherspan, which has no link aggregations; 'dladm help' lists what it has
[1]
$ dladm show-wifi
2| dladm: subcommand 'show-wifi' is not part of etherspan, which has no WiFi links; 'dladm help' lists what it has
[1]
$ dladm show-usage -f /var/log/net.log
2| dladm: subcommand 'show-usage' is not part of etherspan, which has no accounting; 'dladm help' lists what it has
[1]
# Options that cannot be taken.
$ dladm show-link -x
2| dladm: unrecognized option '-x'
2| usage:     show-link        [-pP] [-o <field>,..] [-s [-i <interval>]] [<link>]
2|
[1]
$ dladm show-link --statistics --interval
2| dladm: option '-i' requires a value
2| usage:     show-link        [-pP] [-o <field>,..] [-s [-i <interval>]] [<link>]
2|
[1]
$ dladm show-overlay --pars
2| dladm: unrecognized option ''
2| usage:     show-overlay     [-f | -t] [[-p] -o <field>,...] [<overlay>]
2|
[1]
$ dladm show-phys --persistent=yes
2| dladm: option '-P' requires a value
2| usage:     show-phys        [-m | -H | -P] [[-p] [-o <field>[,...]] [<link>]
2|
[1]
$ dladm delete-vnic --root-dir
2| dladm: option '-R' requires a value
2| usage:     delete-vnic      [-t] <vnic-link>
[1]
