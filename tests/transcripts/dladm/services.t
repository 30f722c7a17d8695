# varpd is on while there is an overlay and off otherwise; the doors say who is missing.
# fact: DLM-Q6 DLM-Q7 DLM-Q8
$ svcs -H -o state,fmri varpd
disabled       svc:/network/varpd:default
[0]
$ dladm create-overlay -t -v 23 -e vxlan -s direct -p vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.1,direct/dest_port=4789 ov0
[0]
$ svcs -H -o state,fmri varpd
online         svc:/network/varpd:default
[0]
$ svcadm disable -s varpd
[0]
$ dladm show-overlay -p -o property,value ov0
mtu:1400
vnetid:23
encap:vxlan
varpd/id:1
vxlan/listen_ip:127.0.0.1
vxlan/listen_port:4789
2| dladm: warning: failed to get varpd props for overlay ov0, varpd id 1: ok
[1]
$ dladm show-overlay -t ov0
[0]
$ dladm show-overlay -f ov0
LINK                STATUS  DETAILS
ov0                 ONLINE  -
[0]
$ svcadm enable -s varpd
[0]
$ dladm show-overlay -t -p -o destination ov0
127.0.0.1:4789
[0]
$ dladm delete-overlay ov0
[0]
$ svcs -H -o state varpd
disabled
[0]
$ svcs nosuch
2| svcs: Pattern 'nosuch' doesn't match any instances
[1]
$ svcadm enable nosuch
2| svcadm: Pattern 'nosuch' doesn't match any instances
[1]
