# A link keeps its id under a new name, and what lies over it follows.
# nic net0
$ dladm create-overlay -e vxlan -s direct -p vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.2,direct/dest_port=4789 -v 23 ov0
[0]
$ dladm create-vnic -l ov0 vnic0
[0]
$ dladm rename-link ov0 wan0
[0]
$ dladm rename-link vnic0 sdc_customer_net0
[0]
$ dladm show-link
LINK        CLASS     MTU    STATE    BRIDGE     OVER
net0        phys      1500   up       --         --
wan0        overlay   1400   up       --         --
sdc_customer_net0 vnic 1400  up       --         wan0
[0]
$ dladm show-link -P
LINK        CLASS     BRIDGE     OVER
wan0        overlay   --         --
sdc_customer_net0 vnic --        wan0
[0]
$ dladm show-linkmap
NAME          LINKID  CLASS       MEDIA                 FLAGS
net0               1  phys        Ethernet                  1
wan0               2  overlay     Ethernet                  3
sdc_customer_net0       3  vnic        Ethernet                  3
[0]
$ dladm show-overlay -f
LINK                STATUS  DETAILS
wan0                ONLINE  -
[0]
$ dladm rename-link ov0 wan1
2| dladm: rename operation failed: object not found
[1]
$ dladm rename-link wan0 sdc_customer_net0
2| dladm: rename operation failed: object already exists
[1]
$ dladm rename-link wan0 wan
2| dladm: rename operation failed: invalid argument
[1]
# The machine's own interfaces keep their names.
$ dladm rename-link net0 igb0
2| dladm: rename operation failed: invalid argument
[1]
# A VNIC of a zone is busy, unless the zone is named as on SmartOS.
$ etherspan zone create web
[0]
$ dladm set-linkprop -t -p zone=web sdc_customer_net0
[0]
$ dladm rename-link sdc_customer_net0 net1
2| dladm: rename operation failed: link busy
[1]
$ dladm rename-link -z web sdc_customer_net0 net1
[0]
$ dladm show-link -z web -p -o link,over,zone
net1:wan0:web
[0]
$ dladm delete-vnic net1
[0]
$ etherspan zone delete web
[0]
