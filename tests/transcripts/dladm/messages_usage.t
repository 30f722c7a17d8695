# The usage text, and what is said of words that are no option.
$ dladm help
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
[0]
$ dladm Show-link
2| dladm: unknown subcommand 'Show-link'
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
$ dladm modify-vnic v0
2| dladm: unknown subcommand 'modify-vnic'
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
$ dladm rename-link -q
2| dladm: unrecognized option '-q'
2| usage:     rename-link      <oldlink> <newlink>
[1]
$ dladm show-link -q
2| dladm: unrecognized option '-q'
2| usage:     show-link        [-pP] [-o <field>,..] [-s [-i <interval>]] [<link>]
2|
[1]
$ dladm set-linkprop -q
2| dladm: unrecognized option '-q'
2| usage:     set-linkprop     [-t] -p <prop>=<value>[,...] <name>
[1]
$ dladm reset-linkprop -q
2| dladm: unrecognized option '-q'
2| usage:     reset-linkprop   [-t] [-p <prop>,...] <name>
[1]
$ dladm show-linkprop -q
2| dladm: unrecognized option '-q'
2| usage:     show-linkprop    [-cP] [-o <field>,...] [-p <prop>,...] <name>
2|
[1]
$ dladm show-phys -q
2| dladm: unrecognized option '-q'
2| usage:     show-phys        [-m | -H | -P] [[-p] [-o <field>[,...]] [<link>]
2|
[1]
$ dladm create-vnic -q
2| dladm: unrecognized option '-q'
2| usage:     create-vnic      [-t] -l <link> [-m <value> | auto |
2| 		     {factory [-n <slot-id>]} | {random [-r <prefix>]} |
2| 		     {vrrp -V <vrid> -A {inet | inet6}} [-v <vid> [-f]]
2| 		     [-p <prop>=<value>[,...]] <vnic-link>
[1]
$ dladm delete-vnic -q
2| dladm: unrecognized option '-q'
2| usage:     delete-vnic      [-t] <vnic-link>
[1]
$ dladm show-vnic -q
2| dladm: unrecognized option '-q'
2| usage:     show-vnic        [-pP] [-l <link>] [-s [-i <interval>]] [<link>]
2|
[1]
$ dladm create-etherstub -q
2| dladm: unrecognized option '-q'
2| usage:     create-etherstub [-t] <link>
[1]
$ dladm delete-etherstub -q
2| dladm: unrecognized option '-q'
2| usage:     delete-etherstub [-t] <link>
[1]
$ dladm show-etherstub -q
2| dladm: unrecognized option '-q'
2| usage:     show-etherstub   [-t] [<link>]
2|
[1]
$ dladm create-overlay -q
2| dladm: unrecognized option '-q'
2| usage:     create-overlay   [-t] -e <encap> -s <search> -v <vnetid>
2| 		     [ -p <prop>=<value>[,...]] <overlay>
[1]
$ dladm delete-overlay -q
2| dladm: unrecognized option '-q'
2| usage:     delete-overlay   [-t] <overlay>
[1]
$ dladm modify-overlay -q
2| dladm: unrecognized option '-q'
2| usage:     modify-overlay   -d mac | -f | -s mac=ip:port <overlay>
[1]
$ dladm show-overlay -q
2| dladm: unrecognized option '-q'
2| usage:     show-overlay     [-f | -t] [[-p] -o <field>,...] [<overlay>]
2|
[1]
$ dladm rename-link -R
2| dladm: option '-R' requires a value
2| usage:     rename-link      <oldlink> <newlink>
[1]
$ dladm show-link -o
2| dladm: option '-o' requires a value
2| usage:     show-link        [-pP] [-o <field>,..] [-s [-i <interval>]] [<link>]
2|
[1]
$ dladm set-linkprop -p
2| dladm: option '-p' requires a value
2| usage:     set-linkprop     [-t] -p <prop>=<value>[,...] <name>
[1]
$ dladm reset-linkprop -p
2| dladm: option '-p' requires a value
2| usage:     reset-linkprop   [-t] [-p <prop>,...] <name>
[1]
$ dladm show-phys -o
2| dladm: option '-o' requires a value
2| usage:     show-phys        [-m | -H | -P] [[-p] [-o <field>[,...]] [<link>]
2|
[1]
$ dladm show-vnic -l
2| dladm: option '-l' requires a value
2| usage:     show-vnic        [-pP] [-l <link>] [-s [-i <interval>]] [<link>]
2|
[1]
$ dladm delete-etherstub -R
2| dladm: option '-R' requires a value
2| usage:     delete-etherstub [-t] <link>
[1]
$ dladm show-etherstub -o
2| dladm: option '-o' requires a value
2| usage:     show-etherstub   [-t] [<link>]
2|
[1]
$ dladm show-overlay --fma=x
2| dladm: option '-f' requires a value
2| usage:     show-overlay     [-f | -t] [[-p] -o <field>,...] [<overlay>]
2|
[1]
$ dladm show-link --frob
2| dladm: unrecognized option ''
2| usage:     show-link        [-pP] [-o <field>,..] [-s [-i <interval>]] [<link>]
2|
[1]
$ dladm show-overlay --pars
2| dladm: unrecognized option ''
2| usage:     show-overlay     [-f | -t] [[-p] -o <field>,...] [<overlay>]
2|
[1]
