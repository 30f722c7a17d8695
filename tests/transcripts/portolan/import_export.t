# Whole stores in and out: every row as it stands, in its order, or a message that names the row.
# fact: SVP-B23 SVP-I25
# file var/tmp/fleet.json portolan/fleet.json
# file var/tmp/bad.json portolan/bad.json
# file var/tmp/inconsistent.json portolan/inconsistent.json
$ portolanadm --store sqlite:///$ROOT/var/tmp/import_export.db import $ROOT/var/tmp/fleet.json
3 compute nodes, 6 mappings, 1 route, 3 events
[0]
$ portolanadm --store sqlite:///$ROOT/var/tmp/import_export.db export -
{
"compute_nodes": [
 {"uuid": "00000000-0000-4000-8000-000000000001", "underlay_ip": "172.16.5.1", "underlay_port": 4789},
 {"uuid": "00000000-0000-4000-8000-000000000002", "underlay_ip": "172.16.5.2", "underlay_port": 4790},
 {"uuid": "00000000-0000-4000-8000-000000000003", "underlay_ip": "fd00:16::3", "underlay_port": 4789}
],
"mappings": [
 {"vnet_id": 23, "mac": "02:08:20:00:00:01", "ip": "10.55.55.1", "cn": "00000000-0000-4000-8000-000000000001", "vlan": 4},
 {"vnet_id": 23, "mac": "02:08:20:00:00:01", "ip": "fd55::1", "cn": "00000000-0000-4000-8000-000000000001", "vlan": 4},
 {"vnet_id": 23, "mac": "02:08:20:00:00:02", "ip": "10.55.55.2", "cn": "00000000-0000-4000-8000-000000000002"},
 {"vnet_id": 23, "mac": "02:08:20:00:00:03", "ip": "10.55.55.3", "cn": "00000000-0000-4000-8000-000000000003", "deleted": true},
 {"vnet_id": 99, "mac": "02:08:20:00:00:99", "ip": "10.33.7.9", "cn": "00000000-0000-4000-8000-000000000003"},
 {"vnet_id": 99, "mac": "02:08:20:ff:00:99", "ip": "10.33.7.1", "cn": "00000000-0000-4000-8000-000000000003", "router": true}
],
"routes": [
 {"vnet_id": 23, "vlan": 4, "subnet": "10.55.55.0/24", "far_dc": 2, "far_vnet_id": 99, "far_vlan": 0, "far_subnet": "10.33.7.0/24", "router_mac": "02:08:20:ff:00:02"}
],
"events": [
 {"uuid": "7d4cbe3a-20c1-4f0b-9d3e-0123456789ab", "cn": "00000000-0000-4000-8000-000000000001", "type": "VL2", "vnet_id": 23, "mac": "02:08:20:00:00:03"},
 {"uuid": "e2b7f4d0-5a1c-4c3e-8f7a-ba9876543210", "cn": "00000000-0000-4000-8000-000000000001", "type": "VL3", "vnet_id": 23, "ip": "10.55.55.2"},
 {"uuid": "0b5c2f1e-7a6d-4b3c-9e8f-1122334455aa", "cn": "00000000-0000-4000-8000-000000000002", "type": "ROUTE", "vnet_id": 23, "vlan": 4, "subnet": "10.55.55.0/24", "far_dc": 2, "far_vnet_id": 99, "far_vlan": 0, "far_subnet": "10.33.7.0/24"}
]
}
[0]
$ portolanadm --store sqlite:///$ROOT/var/tmp/import_export.db check
[0]
# nothing of a file with a bad row is taken, whatever comes before it
$ portolanadm --store sqlite:///$ROOT/var/tmp/import_export.db import $ROOT/var/tmp/bad.json
2| portolanadm: <ROOT>/var/tmp/bad.json: mappings, row 2: ip: '10.55.55.256' is no IP address
[1]
$ portolanadm --store sqlite:///$ROOT/var/tmp/import_export.db node list -p -o uuid
00000000-0000-4000-8000-000000000001
00000000-0000-4000-8000-000000000002
00000000-0000-4000-8000-000000000003
[0]
$ portolanadm --store sqlite:///$ROOT/var/tmp/import_export.db import $ROOT/var/tmp/fleet.json
2| portolanadm: <ROOT>/var/tmp/fleet.json: events, row 1: uuid 7d4cbe3a-20c1-4f0b-9d3e-0123456789ab: the store has an event with it
[1]
$ portolanadm --store sqlite:///$ROOT/var/tmp/import_export.db import $ROOT/var/tmp/none.json
2| portolanadm: <ROOT>/var/tmp/none.json: No such file or directory
[1]
# a file is added to what is there
$ portolanadm --store sqlite:///$ROOT/var/tmp/import_export.db import $ROOT/var/tmp/inconsistent.json
1 compute node, 2 mappings, 0 routes, 1 event
[0]
$ portolanadm --store sqlite:///$ROOT/var/tmp/import_export.db check
compute nodes 00000000-0000-4000-8000-000000000001, 00000000-0000-4000-8000-000000000005 have one underlay address, 172.16.5.1: none of them gets its events
virtual network 23: 02:08:20:00:00:06 with 10.55.55.6 is on node 00000000-0000-4000-8000-00000000000f, which is unknown: it is answered as not found
virtual network 23: 02:08:20:00:00:01 is on nodes 00000000-0000-4000-8000-000000000001, 00000000-0000-4000-8000-000000000002: the mapping written last counts
event 11111111-2222-4333-8444-555555555555 is for node 00000000-0000-4000-8000-00000000000f, which is unknown: nobody will ever take it
[1]
$ portolanadm --store sqlite:///$ROOT/var/tmp/import_export.db mapping list -p -o ip,cn --vnet 23
10.55.55.1:00000000-0000-4000-8000-000000000001
fd55\:\:1:00000000-0000-4000-8000-000000000001
10.55.55.2:00000000-0000-4000-8000-000000000002
10.55.55.3:00000000-0000-4000-8000-000000000003
10.55.55.11:00000000-0000-4000-8000-000000000002
10.55.55.6:00000000-0000-4000-8000-00000000000f
[0]
$ portolanadm --store sqlite:///$ROOT/var/tmp/import_export.db log rm 11111111-2222-4333-8444-555555555555 E2B7F4D0-5A1C-4C3E-8F7A-BA9876543210
[0]
$ portolanadm --store sqlite:///$ROOT/var/tmp/import_export.db log list
UUID                                 CN                                   TYPE  VNET     TARGET
7d4cbe3a-20c1-4f0b-9d3e-0123456789ab 00000000-0000-4000-8000-000000000001 VL2   23       02:08:20:00:00:03
0b5c2f1e-7a6d-4b3c-9e8f-1122334455aa 00000000-0000-4000-8000-000000000002 ROUTE 23       10.55.55.0/24 10.33.7.0/24
[0]
