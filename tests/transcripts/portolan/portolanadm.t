# A fleet under portolanadm: nodes, mappings and the events that each change leaves, routes, and what cannot be.
# fact: SVP-I22 SVP-Q10 SVP-I25
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db node add 00000000-0000-4000-8000-00000000000A 172.16.5.1
[0]
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db node add 00000000-0000-4000-8000-00000000000b fd00:16::2 4790
[0]
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db node list
UUID                                 UNDERLAY                  PORT
00000000-0000-4000-8000-00000000000a 172.16.5.1                4789
00000000-0000-4000-8000-00000000000b fd00:16::2                4790
[0]
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db node list -p -o underlay,port
172.16.5.1:4789
fd00\:16\:\:2:4790
[0]
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db node list --json
{"schema": "etherspan.portolanadm.node-list.v1", "nodes": [{"uuid": "00000000-0000-4000-8000-00000000000a", "underlay": "172.16.5.1", "port": 4789}, {"uuid": "00000000-0000-4000-8000-00000000000b", "underlay": "fd00:16::2", "port": 4790}]}
[0]
# virtual network 0 is one like any other; a MAC address may have short groups; the first guest's node is told of it
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db mapping add --vnet 0 --mac 2:8:20:0:0:1 --ip 10.55.55.1 --cn 00000000-0000-4000-8000-00000000000a --vlan 7
1 event
[0]
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db mapping add --vnet 0 --mac 2:8:20:0:0:1 --ip FD55:0:0:0::1 --cn 00000000-0000-4000-8000-00000000000A
1 event
[0]
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db mapping add --vnet 0 --mac 2:8:20:0:0:2 --ip ::ffff:10.55.55.2 --cn 00000000-0000-4000-8000-00000000000b
2 events
[0]
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db mapping list
VNET     MAC               IP                        VLAN CN                                   ROUTER DELETED
0        02:08:20:00:00:01 10.55.55.1                7    00000000-0000-4000-8000-00000000000a --     --
0        02:08:20:00:00:01 fd55::1                   0    00000000-0000-4000-8000-00000000000a --     --
0        02:08:20:00:00:02 10.55.55.2                0    00000000-0000-4000-8000-00000000000b --     --
[0]
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db log list -o cn,type,vnet,target
CN                                   TYPE  VNET     TARGET
00000000-0000-4000-8000-00000000000a VL3   0        10.55.55.1
00000000-0000-4000-8000-00000000000a VL3   0        fd55::1
00000000-0000-4000-8000-00000000000a VL3   0        10.55.55.2
00000000-0000-4000-8000-00000000000b VL3   0        10.55.55.2
[0]
# a move: VL3 for each address and then VL2, to both nodes
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db mapping move --vnet 0 --mac 2:8:20:0:0:1 --cn 00000000-0000-4000-8000-00000000000b
6 events
[0]
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db mapping list -p -o ip,vlan,cn
10.55.55.2:0:00000000-0000-4000-8000-00000000000b
10.55.55.1:7:00000000-0000-4000-8000-00000000000b
fd55\:\:1:0:00000000-0000-4000-8000-00000000000b
[0]
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db log list --cn 00000000-0000-4000-8000-00000000000a -p -o type,target
VL3:10.55.55.1
VL3:fd55\:\:1
VL3:10.55.55.2
VL3:10.55.55.1
VL3:fd55\:\:1
VL2:02\:08\:20\:00\:00\:01
[0]
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db mapping remove --vnet 0 --mac 2:8:20:0:0:1 --ip 10.55.55.1
1 event
[0]
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db mapping list --vnet 0 --cn 00000000-0000-4000-8000-00000000000B -p -o ip,deleted
10.55.55.2:--
fd55\:\:1:--
10.55.55.1:yes
[0]
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db route add --vnet 0 --vlan 7 --subnet 10.55.55.0/24 --far-dc 2 --far-vnet 99 --far-subnet 10.33.7.0/24 --router-mac 2:8:20:ff:0:2
1 event
[0]
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db route list
VNET     VLAN SUBNET                    DC   FARVNET  FARVLAN FARSUBNET                 ROUTERMAC         DELETED
0        7    10.55.55.0/24             2    99       0       10.33.7.0/24              02:08:20:ff:00:02 --
[0]
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db route remove --vnet 0 --vlan 7 --subnet 10.55.55.0/24 --far-subnet ::ffff:10.33.7.0/120
1 event
[0]
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db check
[0]
# what cannot be
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db route remove --vnet 0 --vlan 7 --subnet 10.55.55.0/24 --far-subnet 10.33.7.0/24
2| portolanadm: virtual network 0 has no such route
[1]
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db mapping add --vnet 0 --mac 2:8:20:0:0:2 --ip 10.55.55.3 --cn 00000000-0000-4000-8000-00000000000a
2| portolanadm: 02:08:20:00:00:02 is on node 00000000-0000-4000-8000-00000000000b, not 00000000-0000-4000-8000-00000000000a: move it first
[1]
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db mapping move --vnet 1 --mac 2:8:20:0:0:2 --cn 00000000-0000-4000-8000-00000000000a
2| portolanadm: virtual network 1 has no mapping of 02:08:20:00:00:02
[1]
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db node remove 00000000-0000-4000-8000-00000000000c
2| portolanadm: there is no compute node 00000000-0000-4000-8000-00000000000c
[1]
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db mapping add --vnet 4294967296 --mac 2:8:20:0:0:2 --ip 10.55.55.3 --cn 00000000-0000-4000-8000-00000000000a
2| Usage: portolanadm mapping add [OPTIONS]
2| Try 'portolanadm mapping add --help' for help.
2|
2| Error: Invalid value for '--vnet': 4294967296 is not in the range 0<=x<=4294967295.
[2]
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db mapping add --vnet 0 --mac 2:8:20:0:0 --ip 10.55.55.3 --cn 00000000-0000-4000-8000-00000000000a
2| Usage: portolanadm mapping add [OPTIONS]
2| Try 'portolanadm mapping add --help' for help.
2|
2| Error: Invalid value for '--mac': '2:8:20:0:0' is no MAC address
[2]
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db log rm 7d4cbe3a
2| Usage: portolanadm log rm [OPTIONS] UUID...
2| Try 'portolanadm log rm --help' for help.
2|
2| Error: Invalid value for 'UUID...': '7d4cbe3a' is no UUID
[2]
$ portolanadm --store sqlite:///$ROOT/var/tmp/portolanadm.db node list -p
2| portolanadm: -p requires -o
[1]
