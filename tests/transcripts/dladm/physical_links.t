# A physical link is the machine's: shown, and nothing is built on it.
# nic net0
$ dladm show-link
LINK        CLASS     MTU    STATE    BRIDGE     OVER
net0        phys      1500   up       --         --
[0]
$ dladm show-link -P
[0]
$ dladm create-vnic -t -l net0 v0
2| dladm: vnic creation over net0 failed: operation not supported
[1]
$ dladm create-overlay -e vxlan -s direct -v 23 net0
2| dladm: overlay creation failed: object already exists
[1]
$ dladm delete-overlay net0
2| dladm: failed to delete net0: invalid argument
[1]
