# create-vnic -p: resource properties fail without a warning, every other property with one; nothing is left behind.
$ dladm create-etherstub stub0
[0]
$ dladm create-vnic -l stub0 -p mtu=9000,priority=x v0
2| dladm: vnic creation over stub0 failed: invalid value
[1]
$ dladm create-vnic -l stub0 -p mtu=9001,frob=1 v0
2| dladm: warning: failed to set property mtu: invalid argument
2| dladm: vnic creation over stub0 failed: invalid argument
[1]
$ dladm create-vnic -t -l stub0 -p frob=1,mtu=9001 v0
2| dladm: warning: failed to set property frob: object not found
2| dladm: vnic creation over stub0 failed: object not found
[1]
$ dladm create-vnic -l stub0 -p zone=nope v0
2| dladm: warning: failed to set property zone: change cannot be persistent
2| dladm: vnic creation over stub0 failed: change cannot be persistent
[1]
$ dladm show-link -p -o link
stub0
[0]
$ etherspan zone create web
[0]
$ dladm create-vnic -t -l stub0 -m 2:8:20:1:2:3 -p mtu=1500,protection=mac-nospoof,zone=web v0
[0]
$ dladm show-vnic -o link,over,zone
LINK         OVER         ZONE
v0           stub0        web
[0]
$ dladm show-vnic -z web -p -o link,macaddress
v0:2\:8\:20\:1\:2\:3
[0]
$ dladm show-vnic -z other
[0]
$ dladm delete-vnic -z other v0
2| dladm: invalid link name 'v0'
[1]
$ dladm show-linkprop -c -o value -p mtu,protection,zone v0
1500
mac-nospoof
web
[0]
$ dladm delete-vnic -z web v0
[0]
$ etherspan zone delete web
[0]
$ dladm delete-etherstub stub0
[0]
