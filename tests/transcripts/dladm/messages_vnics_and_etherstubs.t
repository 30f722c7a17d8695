# What the other commands about VNICs and etherstubs say.
$ dladm create-etherstub stub0
[0]
$ dladm create-vnic -l stub0 v0
[0]
$ dladm create-overlay -t -e vxlan -s direct -p vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.2,direct/dest_port=4789 -v 23 ov0
[0]
# delete-vnic, delete-etherstub
$ dladm delete-vnic nope0
2| dladm: invalid link name 'nope0'
[1]
$ dladm delete-etherstub nope0
2| dladm: invalid link name 'nope0'
[1]
$ dladm delete-vnic stub0
2| dladm: 'stub0' is not a vnic
[1]
$ dladm delete-etherstub v0
2| dladm: 'v0' is not an etherstub
[1]
$ dladm delete-vnic ov0
2| dladm: vnic deletion failed: invalid argument
[1]
$ dladm delete-etherstub stub0
2| dladm: vnic deletion failed: link busy
[1]
$ dladm delete-vnic -x v0
2| dladm: unrecognized option '-x'
2| usage:     delete-vnic      [-t] <vnic-link>
[1]
$ dladm delete-vnic -t v0
[0]
$ dladm delete-vnic -t v0
2| dladm: vnic deletion failed: object not found
[1]
# up-vnic
$ dladm up-vnic nope0
2| dladm: could not bring up vnic 'nope0': object not found
[1]
$ dladm up-vnic v0
[0]
$ dladm up-vnic v0
2| dladm: could not bring up vnic 'v0': object already exists
[1]
$ dladm up-vnic
2| dladm: could not bring up vnic 'stub0': object already exists
2| dladm: could not bring up vnic 'v0': object already exists
[0]
# show-vnic
$ dladm show-vnic nope0
2| dladm: invalid vnic name 'nope0': object not found
[1]
$ dladm show-vnic -l nope0
2| dladm: invalid link name 'nope0': object not found
[1]
$ dladm show-vnic -l abcdefghijklmnopqrstuvwxyz012345
2| dladm: link name too long
[1]
$ dladm show-vnic ov0
2| dladm: failed to show vnic 'ov0': object not found
[1]
$ dladm show-vnic stub0
[0]
$ dladm show-vnic -P ov0
2| dladm: failed to show vnic 'ov0': object not found
[1]
$ dladm show-vnic -x
2| dladm: unrecognized option '-x'
2| usage:     show-vnic        [-pP] [-l <link>] [-s [-i <interval>]] [<link>]
2|
[1]
$ dladm show-vnic -i 1
2| dladm: the option -i can be used only with -s
[1]
$ dladm show-vnic -s -i 0
2| dladm: invalid interval value '0'
[1]
# create-etherstub, show-etherstub
$ dladm create-etherstub abcdefghijklmnopqrstuvwxyz012345
2| dladm: link name too long 'abcdefghijklmnopqrstuvwxyz012345'
[1]
$ dladm create-etherstub stub
2| dladm: invalid link name 'stub'
[1]
$ dladm create-etherstub stub0
2| dladm: etherstub creation failed: object already exists
[1]
$ dladm create-etherstub -R
2| dladm: unrecognized option '-R'
2| usage:     create-etherstub [-t] <link>
[1]
$ dladm show-etherstub -l stub0
2| dladm: option not supported for this command
[1]
$ dladm show-etherstub -t
2| dladm: unrecognized option '-t'
2| usage:     show-etherstub   [-t] [<link>]
2|
[1]
$ dladm show-etherstub nope0
2| dladm: invalid vnic name 'nope0': object not found
[1]
$ dladm show-etherstub ov0
2| dladm: failed to show vnic 'ov0': object not found
[1]
