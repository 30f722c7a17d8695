# The machine's interfaces: never persistent, without rings to give away.
# nic net0
$ dladm show-phys
LINK         MEDIA                STATE      SPEED  DUPLEX    DEVICE
net0         Ethernet             up         10000  full      net0
[0]
$ dladm show-phys -p -o link,state,device net0
net0:up:net0
[0]
$ dladm show-phys -m -o link,slot,inuse,client
LINK         SLOT     INUSE CLIENT
net0         primary  yes  net0
[0]
$ dladm show-phys -H
[0]
$ dladm show-phys -P
[0]
$ dladm show-phys -P net0
2| dladm: failed to show physical link net0: object not found
[1]
$ dladm create-etherstub -t stub0
[0]
$ dladm show-phys stub0
2| dladm: failed to show physical link stub0: invalid argument
[1]
$ dladm show-phys -p
2| dladm: -p requires -o
[1]
$ dladm show-phys -m -H
2| dladm: -m cannot combine with -H
[1]
$ dladm show-phys -m -P
2| dladm: -m not compatible with -P
[1]
