# Overlays that listen on one port of different addresses: the first VNIC binds the socket, and the wildcard address has them all.
$ dladm create-overlay -e vxlan -s direct -v 1 -p vxlan/listen_ip=0.0.0.0,direct/dest_ip=127.0.0.2,direct/dest_port=4789 ov0
[0]
$ dladm create-overlay -e vxlan -s direct -v 2 -p vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.2,direct/dest_port=4789 ov1
[0]
$ dladm create-vnic -l ov0 vnic0
[0]
$ dladm create-vnic -l ov1 vnic1
2| dladm: vnic creation over ov1 failed: address already in use
[1]
$ dladm show-link -p -o link
ov0
ov1
vnic0
[0]
$ dladm delete-vnic vnic0
[0]
$ dladm create-vnic -l ov1 vnic1
[0]
