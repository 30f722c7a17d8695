# The statistics of links: selected in every way, listed, and what cannot be.
$ dladm create-etherstub stub0
[0]
$ dladm create-vnic -l stub0 vnic0
[0]
$ kstat -p -m link -n vnic0 -s 'o*'
link:0:vnic0:obytes	0
link:0:vnic0:obytes64	0
link:0:vnic0:oerrors	0
link:0:vnic0:opackets	0
link:0:vnic0:opackets64	0
[0]
$ kstat -p 'link:0:/^(vnic|stub)0$/:ifspeed' etherspan:0:vnic0:rx_over_maxbw
link:0:stub0:ifspeed	0
link:0:vnic0:ifspeed	0
etherspan:0:vnic0:rx_over_maxbw	0
[0]
$ kstat -l vnic0:0:mac_tx_swlane0
vnic0:0:mac_tx_swlane0:blockcnt
vnic0:0:mac_tx_swlane0:class
vnic0:0:mac_tx_swlane0:crtime
vnic0:0:mac_tx_swlane0:obytes
vnic0:0:mac_tx_swlane0:oerrors
vnic0:0:mac_tx_swlane0:opackets
vnic0:0:mac_tx_swlane0:snaptime
vnic0:0:mac_tx_swlane0:txsdrops
vnic0:0:mac_tx_swlane0:unblockcnt
[0]
$ kstat -C -c drops -n vnic0 -s 'tx_vlan*'
etherspan:0:vnic0:tx_vlan_tagged:0
[0]
$ kstat -m link -n vnic0 -s zonename
module: link                            instance: 0    ␠
name:   vnic0                           class:    net
	zonename                        global

[0]
$ kstat -p vnic0:0:mac_misc_stat:ipspoofed 1 2
vnic0:0:mac_misc_stat:ipspoofed	0

vnic0:0:mac_misc_stat:ipspoofed	0
[0]
$ kstat -q -n vnic0
[0]
$ kstat -q -n nothing
[1]
$ kstat link 0
2| Interval must be an integer >= 1
2| Usage:
2| kstat [ -Cjlpq ] [ -T d|u ] [ -c class ]
2|       [ -m module ] [ -i instance ] [ -n name ] [ -s statistic ]
2|       [ interval [ count ] ]
2| kstat [ -Cjlpq ] [ -T d|u ] [ -c class ]
2|       [ module[:instance[:name[:statistic]]] ... ]
2|       [ interval [ count ] ]
[2]
