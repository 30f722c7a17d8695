# Published with OmniOS change 709: dladm alone shows the links.
# nic vioif0
$ dladm create-overlay -e vxlan -s direct -p vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.2,direct/dest_port=4789 -v 23 ov0
[0]
$ dladm create-vnic -l ov0 vnic0
[0]
$ dladm
LINK        CLASS     MTU    STATE    BRIDGE     OVER
vioif0      phys      1500   up       --         --
ov0         overlay   1400   up       --         --
vnic0       vnic      1400   up       --         ov0
[0]
