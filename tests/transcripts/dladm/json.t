# Output as JSON: one object a line, docs/json-output.md.
# nic net0
$ dladm create-etherstub stub0
[0]
$ dladm create-vnic -t -l stub0 vnic0
[0]
$ dladm show-link --json
{"schema": "etherspan.dladm.show-link.v1", "links": [{"link": "net0", "class": "phys", "mtu": 1500, "state": "up", "bridge": null, "over": null, "zone": null}, {"link": "stub0", "class": "etherstub", "mtu": 9000, "state": "up", "bridge": null, "over": null, "zone": null}, {"link": "vnic0", "class": "vnic", "mtu": 9000, "state": "up", "bridge": null, "over": "stub0", "zone": null}]}
[0]
$ dladm show-link -P -o link,class --json
{"schema": "etherspan.dladm.show-link.v1", "links": [{"link": "stub0", "class": "etherstub"}]}
[0]
$ dladm show-overlay -t --json
{"schema": "etherspan.dladm.show-overlay-targets.v1", "targets": []}
[0]
$ dladm show-linkmap --json
{"schema": "etherspan.dladm.show-linkmap.v1", "links": [{"name": "net0", "linkid": 1, "class": "phys", "media": "Ethernet", "flags": 1}, {"name": "stub0", "linkid": 2, "class": "etherstub", "media": "Ethernet", "flags": 3}, {"name": "vnic0", "linkid": 3, "class": "vnic", "media": "Ethernet", "flags": 1}]}
[0]
$ dladm show-vnic --json nope0
2| dladm: invalid vnic name 'nope0': object not found
[1]
$ dladm show-linkprop --json -c -o value
2| dladm: the option --json cannot be used with -c
[1]
