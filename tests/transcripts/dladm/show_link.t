# show-link, active and stored, and bare dladm.
$ dladm create-overlay -e vxlan -s direct -p vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.2,direct/dest_port=4789 -v 23 sdc_overlay7957669
[0]
$ dladm create-vnic -l sdc_overlay7957669 foo0
[0]
$ dladm create-etherstub -t stub0
[0]
$ dladm show-link
LINK        CLASS     MTU    STATE    BRIDGE     OVER
sdc_overlay7957669 overlay 1400 up    --         --
foo0        vnic      1400   up       --         sdc_overlay7957669
stub0       etherstub 9000   up       --         --
[0]
$ dladm
LINK        CLASS     MTU    STATE    BRIDGE     OVER
sdc_overlay7957669 overlay 1400 up    --         --
foo0        vnic      1400   up       --         sdc_overlay7957669
stub0       etherstub 9000   up       --         --
[0]
$ dladm show-link -P
LINK        CLASS     BRIDGE     OVER
sdc_overlay7957669 overlay --    --
foo0        vnic      --         sdc_overlay7957669
[0]
$ dladm show-link -p -o link,over,mtu
sdc_overlay7957669::1400
foo0:sdc_overlay7957669:1400
stub0::9000
[0]
$ dladm show-link -o zone,link stub0
ZONE                LINK
--                  stub0
[0]
$ dladm show-link -P stub0
2| dladm: link stub0 is a temporary link: invalid argument
[1]
$ dladm delete-vnic -t foo0
[0]
$ dladm show-link foo0
2| dladm: link foo0 is temporarily removed: invalid argument
[1]
$ dladm show-link nope0
2| dladm: link nope0 is not valid: object not found
[1]
$ dladm show-link -p
2| dladm: -p requires -o
[1]
$ dladm show-link -p -o all
2| dladm: "-o all" is invalid with -p
[1]
$ dladm show-link -i 1
2| dladm: the option -i can be used only with -s
[1]
$ dladm show-link -s -i 1s
2| dladm: invalid interval value '1s'
[1]
$ dladm show-link -s -P
2| dladm: the option -P cannot be used with -s
[1]
$ dladm show-link -s -s
2| dladm: the option -s cannot be specified more than once
[1]
$ dladm show-link -s -o link,ierrors,oerrors
LINK           IERRORS   OERRORS
sdc_overlay7957669 0     0
stub0          0         0
[0]
$ dladm create-vnic -t -l stub0 vnic0
[0]
$ dladm show-vnic -s -l stub0
stub0	ipackets  rbytes      opackets  obytes          %ipkts  %opkts
Total	0         0           0         0          ␠
vnic0	0         0           0         0           	-	-
[0]
$ dladm show-vnic -s -l sdc_overlay7957669
2| dladm: device sdc_overlay7957669 has no vnics
[1]
