# Links in force, the case of a name that is too long; and one property of one link for a script.
$ dladm create-overlay -e vxlan -s direct -p vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.2,direct/dest_port=4789 -v 7957669 sdc_overlay7957669
[0]
$ dladm create-vnic -l sdc_overlay7957669 foo0
[0]
$ dladm create-etherstub stub0
[0]
$ dladm show-link
LINK        CLASS     MTU    STATE    BRIDGE     OVER
sdc_overlay7957669 overlay 1400 up    --         --
foo0        vnic      1400   up       --         sdc_overlay7957669
stub0       etherstub 9000   up       --         --
[0]
