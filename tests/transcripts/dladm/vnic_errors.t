# VNICs over overlays: what starts, what is refused.
$ dladm create-overlay -t -v 23 -e vxlan -s direct -p vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.1,direct/dest_port=4789 demo0
[0]
$ dladm create-vnic -l demo0 v0
2| dladm: vnic creation over demo0 failed: can't create persistent object on top of temporary object
[1]
$ dladm create-vnic -t -l demo0 v0
[0]
$ dladm show-vnic -p -o macaddress v0
<MAC>
[0]
$ dladm delete-etherstub v0
2| dladm: 'v0' is not an etherstub
[1]
$ dladm delete-vnic nope0
2| dladm: invalid link name 'nope0'
[1]
$ dladm delete-vnic -t v0
[0]
$ dladm delete-overlay demo0
[0]
