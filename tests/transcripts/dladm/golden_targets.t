# Where an overlay sends frames, when it was told by hand.
# file etc/overlays/map.json two-hosts.json
$ dladm create-overlay -e vxlan -s files -v 7957669 -p vxlan/listen_ip=127.0.0.1,files/config=/etc/overlays/map.json sdc_overlay7957669
[0]
$ dladm modify-overlay -s 90:b8:d0:1f:d0:2a=10.0.1.5:4789 sdc_overlay7957669
[0]
$ dladm modify-overlay -s 2:8:20:a:b:c=[fd00:88::5]:4789 sdc_overlay7957669
[0]
$ dladm show-overlay -t sdc_overlay7957669
LINK                TARGET            DESTINATION
sdc_overlay7957669  2:8:20:a:b:c      fd00:88::5:4789
sdc_overlay7957669  90:b8:d0:1f:d0:2a 10.0.1.5:4789
[0]
