# Field lists (-o) that cannot be used, or only in part.
$ dladm create-etherstub -t stub0
[0]
$ dladm show-link -o link,foo,class
LINK        CLASS
stub0       etherstub
2| dladm: warning: ignoring unknown output field: `foo'
[0]
$ dladm show-link -o foo,link,bar
LINK
stub0
2| dladm: warning: ignoring unknown output fields: `foo' `bar'
[0]
$ dladm show-link -p -o link,foo
2| dladm: unknown output field: `foo'
[1]
$ dladm show-link -p -o foo,link,bar
2| dladm: unknown output fields: `foo' `bar'
[1]
$ dladm show-link -o foo,bar
2| dladm: no valid output fields
[1]
$ dladm show-link -p -o foo
2| dladm: no valid output fields
[1]
$ dladm show-link -p
2| dladm: -p requires -o
[1]
$ dladm show-link -p -o all
2| dladm: "-o all" is invalid with -p
[1]
$ dladm show-phys -p
2| dladm: -p requires -o
[1]
$ dladm show-phys -p -o all
2| dladm: "-o all" is invalid with -p
[1]
$ dladm show-overlay -p
2| dladm: output fields must be specified in parsable mode
[1]
$ dladm show-vnic -p
2| dladm: output fields must be specified in parsable mode
[1]
$ dladm show-etherstub -p
2| dladm: output fields must be specified in parsable mode
[1]
$ dladm show-linkprop -c stub0
2| dladm: output fields must be specified in parsable mode
[1]
$ dladm show-overlay -f -p -o ''
2| dladm: output fields must be specified in parsable mode
[1]
$ dladm show-overlay -p -o all
2| dladm: output field `all' invalid in parsable mode
[1]
$ dladm show-overlay -t -p -o all
2| dladm: output field `all' invalid in parsable mode
[1]
$ dladm show-vnic -p -o all
2| dladm: output field `all' invalid in parsable mode
[1]
$ dladm show-etherstub -p -o all
2| dladm: output field `all' invalid in parsable mode
[1]
$ dladm show-linkprop -c stub0 -o all
2| dladm: output field `all' invalid in parsable mode
[1]
$ dladm show-overlay -f -o link,status,details,link
2| dladm: Not enough space
[1]
$ dladm show-overlay -o ''
2| dladm: Not enough space
[1]
$ dladm show-link -o all
LINK        CLASS     MTU    STATE    BRIDGE     OVER
stub0       etherstub 9000   up       --         --
[0]
$ dladm show-link -o OVER,Link,link
OVER                          LINK        LINK
--                            stub0       stub0
[0]
