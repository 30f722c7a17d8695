# An etherstub and an overlay cannot be plumbed: the mac layer's ENXIO, in ipadm's words.
# fact: KRN-Q39
$ dladm create-etherstub stub0
[0]
$ dladm create-vnic -l stub0 vnic0
[0]
$ dladm create-vnic -t -l stub0 tmp0
[0]
$ dladm create-overlay -t -v 23 -e vxlan -s direct -p vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.1,direct/dest_port=4789 ov0
[0]
$ ipadm create-if stub0
2| ipadm: Could not create stub0 : Interface does not exist
[1]
$ ipadm create-if ov0
2| ipadm: Could not create ov0 : Persistent operation on temporary object
[1]
$ ipadm create-if -t ov0
2| ipadm: Could not create ov0 : Interface does not exist
[1]
$ ipadm create-addr -T static -a 10.0.0.1/24 stub0/v4
2| ipadm: Could not create address: Interface does not exist
[1]
$ ipadm create-addr -t -T static -a 10.0.0.1/24 ov0/v4
2| ipadm: Could not create address: Interface does not exist
[1]
$ ipadm show-if stub0
2| ipadm: Could not get interface(s): Interface does not exist
[1]
$ ipadm create-if vnic1
2| ipadm: Could not create vnic1 : Could not open DLPI link
[1]
$ ipadm create-if vnic01
2| ipadm: Could not create vnic01 : Invalid argument provided
[1]
$ ipadm create-if vnic0:1
2| ipadm: Could not create vnic0:1 : Invalid argument provided
[1]
$ ipadm show-if vnic0
2| ipadm: Could not get interface(s): Interface does not exist
[1]
$ ipadm create-if vnic0
[0]
$ ipadm create-if vnic0
2| ipadm: Could not create vnic0 : Interface already exists
[1]
$ ipadm create-ip tmp0
2| ipadm: Could not create tmp0 : Persistent operation on temporary object
[1]
$ ipadm create-ip -t tmp0
[0]
$ ipadm show-if
IFNAME     CLASS     STATE    CURRENT      PERSISTENT
lo0        VIRTUAL   ok       -m-v------46 ---
vnic0      IP        down     bm--------46 -46
tmp0       IP        down     bm--------46 ---
[0]
$ ipadm show-if -p -o persistent,ifname
---:lo0
-46:vnic0
---:tmp0
[0]
$ ipadm show-if -o state vnic0
STATE
down
[0]
$ ipadm show-if --json vnic0
{"schema": "etherspan.ipadm.show-if.v1", "interfaces": [{"ifname": "vnic0", "class": "IP", "state": "down", "current": "bm--------46", "persistent": "-46"}]}
[0]
$ ipadm disable-if vnic0
2| ipadm: persistent operation not supported for disable-if
[1]
$ ipadm disable-if -t vnic0
[0]
$ ipadm show-if vnic0
IFNAME     CLASS     STATE    CURRENT      PERSISTENT
vnic0      IP        disabled ------------ -46
[0]
$ ipadm disable-if -t vnic0
2| ipadm: Could not disable vnic0: Interface does not exist
[1]
$ ipadm create-if vnic0
2| ipadm: Could not create vnic0 : Operation not supported on disabled object
[1]
$ ipadm create-addr -T static -a 10.0.0.1/24 vnic0/v4
2| ipadm: Could not create address: Operation not supported on disabled object
[1]
$ ipadm enable-if vnic0
2| ipadm: persistent operation not supported for enable-if
[1]
$ ipadm enable-if -t vnic0
[0]
$ ipadm enable-if -t vnic0
2| ipadm: Could not enable vnic0 : Interface already exists
[1]
$ ipadm enable-if -t vnic1
2| ipadm: Could not enable vnic1 : Object not found
[1]
$ ipadm delete-if vnic0
[0]
$ ipadm delete-ip tmp0
[0]
$ ipadm delete-if vnic0
2| ipadm: Could not delete vnic0: Interface does not exist
[1]
$ ipadm delete-if lo0
2| ipadm: Could not delete lo0: Interface already in use
[1]
$ ipadm delete-if -t vnic0
2| ipadm: Usage: 	delete-if	<interface>
2|
[1]
