$ dladm create-etherstub stub0
[0]
$ dladm create-vnic -l stub0 vnic0
[0]
$ dladm create-vnic -l stub0 vnic1
[0]
$ ipadm create-addr -T static -a 10.0.0.1/24 vnic0/v4
[0]
$ ipadm create-addr -T static -a local=192.168.7.7 vnic0/classful
[0]
$ ipadm create-addr -T static -d -a 10.0.9.9/32 vnic0/idle
[0]
$ ipadm create-addr -T addrconf -i ::5:6:7:8/64 -p stateful=no vnic0/v6
[0]
$ ipadm create-addr -t -T static -a fd00::1/64 vnic1/v6
[0]
$ ipadm
ADDROBJ           TYPE     STATE        ADDR
lo0/v4            static   ok           127.0.0.1/8
vnic0/v4          static   ok           10.0.0.1/24
vnic0/classful    static   ok           192.168.7.7/24
vnic0/idle        static   down         10.0.9.9/32
lo0/v6            static   ok           ::1/128
vnic0/v6          addrconf ok           fe80::5:6:7:8%vnic0/10
vnic1/v6          static   ok           fd00::1/64
[0]
$ ipadm show-addr -o all vnic0/v4
ADDROBJ           TYPE     STATE        CURRENT PERSISTENT ADDR
vnic0/v4          static   ok           U----   U--        10.0.0.1/24
[0]
$ ipadm show-addr -p -o addrobj,persistent,addr vnic1/
vnic1/v6:---:fd00\:\:1/64
[0]
$ ipadm show-addr --json vnic0/idle
{"schema": "etherspan.ipadm.show-addr.v1", "addrs": [{"addrobj": "vnic0/idle", "type": "static", "state": "down", "current": "-----", "persistent": "---", "addr": "10.0.9.9/32"}]}
[0]
$ ipadm show-if
IFNAME     CLASS     STATE    CURRENT      PERSISTENT
lo0        VIRTUAL   ok       -m-v------46 ---
vnic0      IP        ok       bm--------46 -46
vnic1      IP        ok       bm--------46 ---
[0]
# Names and addresses that are taken.
$ ipadm create-addr -T static -a 10.0.0.2/24 vnic0/v4
2| ipadm: Could not create address: Address object already exists
[1]
$ ipadm create-addr -T static -a 10.0.0.1/8 vnic0/other
2| ipadm: Could not create address: Can't assign requested address
[1]
$ ipadm create-addr -T addrconf vnic0/again
2| ipadm: Could not create address: Addrconf already in progress
[1]
$ ipadm create-addr -T static -a 10.0.0.3/24 vnic1/v4
2| ipadm: Could not create address: Persistent operation on temporary object
[1]
# Up and down.
$ ipadm up-addr vnic0/idle
[0]
$ ipadm down-addr -t vnic0/v4
[0]
$ ipadm show-addr -o addrobj,state,current,persistent vnic0/
ADDROBJ           STATE        CURRENT PERSISTENT
vnic0/v4          down         -----   U--
vnic0/classful    ok           U----   U--
vnic0/idle        ok           U----   U--
vnic0/v6          ok           U----   U--
[0]
$ ipadm up-addr vnic1/v6
2| ipadm: Could not mark the address up: Persistent operation on temporary object
[1]
$ ipadm down-addr vnic0/v6
2| ipadm: Could not mark the address down: Operation not supported
[1]
$ ipadm down-addr vnic0/none
2| ipadm: Could not mark the address down: Object not found
[1]
$ ipadm refresh-addr vnic0/classful
[0]
$ ipadm refresh-addr vnic0/v6
2| ipadm: could not refresh address Operation not supported
[1]
# Disabled, enabled, deleted.
$ ipadm disable-addr vnic0/v4
2| ipadm: persistent operation not supported for disable-addr
[1]
$ ipadm disable-addr -t vnic0/v4
[0]
$ ipadm disable-addr -t vnic0/v4
2| ipadm: could not disable address: Object not found
[1]
$ ipadm up-addr vnic0/v4
2| ipadm: Could not mark the address up: Operation not supported on disabled object
[1]
$ ipadm show-addr vnic0/v4
ADDROBJ           TYPE     STATE        ADDR
vnic0/v4          static   disabled     10.0.0.1/24
[0]
$ ipadm enable-addr vnic0/v4
2| ipadm: persistent operation not supported for enable-addr
[1]
$ ipadm enable-addr -t vnic0/v4
[0]
$ ipadm enable-addr -t vnic0/v4
2| ipadm: could not enable address: Address object already exists
[1]
$ ipadm delete-addr -r vnic0/v4
2| ipadm: could not delete address: Operation not supported
[1]
$ ipadm delete-addr vnic0/v4
[0]
$ ipadm delete-addr vnic0/v4
2| ipadm: could not delete address: Object not found
[1]
$ ipadm show-addr vnic0/v4
2| ipadm: Could not get address: Object not found
[1]
$ ipadm disable-if -t vnic0
[0]
$ ipadm show-addr
ADDROBJ           TYPE     STATE        ADDR
lo0/v4            static   ok           127.0.0.1/8
lo0/v6            static   ok           ::1/128
vnic1/v6          static   ok           fd00::1/64
vnic0/classful    static   disabled     192.168.7.7
vnic0/idle        static   disabled     10.0.9.9/32
vnic0/v6          addrconf disabled     ::5:6:7:8/64
[0]
$ ipadm delete-if vnic0
[0]
$ ipadm delete-if vnic1
[0]
$ ipadm show-addr vnic0/
2| ipadm: Could not get address: Interface does not exist
[1]
