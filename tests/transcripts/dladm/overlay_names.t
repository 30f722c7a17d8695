# Names and vnetids are unique; what is in use is not deleted; what is not an overlay is not shown as one.
# fact: DLM-Q33
$ dladm create-overlay -v 23 -e vxlan -s direct -p vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.1,direct/dest_port=4789 demo0
[0]
$ dladm create-overlay -v 24 -e vxlan -s direct -p vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.1,direct/dest_port=4789 demo0
2| dladm: overlay creation failed: object already exists
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.1,direct/dest_port=4789 demo1
2| dladm: overlay creation failed: object already exists
[1]
$ dladm create-etherstub stub0
[0]
$ dladm show-overlay nope0
2| dladm: warning: failed to find nope0: object not found
[1]
$ dladm show-overlay stub0
2| dladm: warning: stub0 is not an overlay
[1]
$ dladm show-overlay -t stub0
2| dladm: warning: stub0 is not an overlay
[1]
$ dladm show-overlay -f stub0
2| dladm: datalink stub0 is not an overlay device
2|
[1]
$ dladm show-overlay -p
2| dladm: output fields must be specified in parsable mode
[1]
$ dladm show-overlay -f -o link,foo
LINK
demo0
2| dladm: warning: ignoring unknown output field: `foo'
[0]
$ dladm show-overlay -x
2| dladm: unrecognized option '-x'
2| usage:     show-overlay     [-f | -t] [[-p] -o <field>,...] [<overlay>]
2|
[1]
$ dladm create-vnic -l demo0 -m 2:8:20:1:2:3 vnic0
[0]
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
$ dladm show-vnic
LINK         OVER         SPEED    MACADDRESS        MACADDRTYPE         VID
vnic0        demo0        0        2:8:20:1:2:3      fixed               0
[0]
$ dladm show-link
LINK        CLASS     MTU    STATE    BRIDGE     OVER
demo0       overlay   1400   up       --         --
stub0       etherstub 9000   up       --         --
vnic0       vnic      1400   up       --         demo0
[0]
$ dladm show-link -P
LINK        CLASS     BRIDGE     OVER
demo0       overlay   --         --
stub0       etherstub --         --
vnic0       vnic      --         demo0
[0]
$ dladm up-overlay nope0
2| dladm: could not bring up overlay 'nope0': object not found
[1]
$ dladm up-overlay demo0
2| dladm: warning: failed to create overlay device demo0: object already exists
2| dladm: could not bring up overlay 'demo0': operation failed
[1]
$ dladm delete-vnic vnic0
[0]
$ dladm delete-overlay demo0
[0]
$ dladm delete-etherstub stub0
[0]
$ dladm show-link -P
[0]
