# What create-overlay says: its words judged from left to right, then as a whole, then what cannot be made or stored.
# While the options are read.
$ dladm create-overlay -v x -q
2| dladm: couldn't parse virtual networkd id: x
[1]
$ dladm create-overlay -q -v x
2| dladm: unrecognized option '-q'
2| usage:     create-overlay   [-t] -e <encap> -s <search> -v <vnetid>
2| 		     [ -p <prop>=<value>[,...]] <overlay>
[1]
$ dladm create-overlay --bogus
2| dladm: unrecognized option ''
2| usage:     create-overlay   [-t] -e <encap> -s <search> -v <vnetid>
2| 		     [ -p <prop>=<value>[,...]] <overlay>
[1]
$ dladm create-overlay --vnetid
2| dladm: option '-v' requires a value
2| usage:     create-overlay   [-t] -e <encap> -s <search> -v <vnetid>
2| 		     [ -p <prop>=<value>[,...]] <overlay>
[1]
$ dladm create-overlay -v 0x17
2| dladm: couldn't parse virtual networkd id: 0x17
[1]
$ dladm create-overlay -v '23 '
2| dladm: couldn't parse virtual networkd id: 23␠
[1]
$ dladm create-overlay -v 4294967296
2| dladm: virtual networkd id too large: 4294967296
[1]
$ dladm create-overlay -p a=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx -p yy
2| dladm: property list too long 'a=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx,y'
[1]
# As a whole.
$ dladm create-overlay -e vxlan -s direct demo0
2| dladm: missing required virtual network id
[1]
$ dladm create-overlay -v 23 -s direct demo0
2| dladm: missing required encapsulation plugin
[1]
$ dladm create-overlay -v 23 -e vxlan demo0
2| dladm: missing required search plugin
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct demo0 demo1
2| dladm: missing device name
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct abcdefghijklmnopqrstuvwxyz012345
2| dladm: link name too long 'abcdefghijklmnopqrstuvwxyz012345'
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct ov01
2| dladm: invalid link name 'ov01'
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct ov-1
2| dladm: invalid link name 'ov-1'
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct 0ov1
2| dladm: invalid link name '0ov1'
[1]
$ dladm create-overlay -v 23 -e abcdefghijklmnopqrstuvwxyz012345 -s direct demo0
2| dladm: encapsulation plugin name too long 'abcdefghijklmnopqrstuvwxyz012345'
[1]
$ dladm create-overlay -v 23 -e vxlan -s abcdefghijklmnopqrstuvwxyz012345 demo0
2| dladm: search plugin name too long 'abcdefghijklmnopqrstuvwxyz012345'
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p '' demo0
2| dladm: invalid overlay property
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p =1 demo0
2| dladm: invalid overlay property
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p a=1,,b=2 demo0
2| dladm: invalid overlay property
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400,mtu=1400 demo0
2| dladm: invalid overlay property
[1]
# What the kernel does not make.
$ dladm create-overlay -v 23 -e a/b -s direct demo0
2| dladm: overlay creation failed: invalid argument
[1]
$ dladm create-overlay -v 23 -e '' -s direct demo0
2| dladm: overlay creation failed: invalid argument
[1]
$ dladm create-overlay -v -1 -e vxlan -s direct demo0
2| dladm: overlay creation failed: invalid argument
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p a=1=2 demo0
2| dladm: warning: failed to set property a
2| dladm: overlay creation failed: invalid argument
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p mtu=1300,1400 demo0
2| dladm: warning: failed to set property mtu
2| dladm: overlay creation failed: invalid argument
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p mtu=1400x demo0
2| dladm: warning: failed to set property mtu
2| dladm: overlay creation failed: invalid argument
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p search=direct demo0
2| dladm: warning: failed to set property search
2| dladm: overlay creation failed: object not found
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p varpd/id=1 demo0
2| dladm: warning: failed to set property varpd/id
2| dladm: overlay creation failed: permission denied
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p vxlan/listen_ip=239.0.0.1 demo0
2| dladm: warning: failed to set property vxlan/listen_ip
2| dladm: overlay creation failed: invalid argument
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p vxlan/listen_port=0 demo0
2| dladm: warning: failed to set property vxlan/listen_port
2| dladm: overlay creation failed: invalid argument
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p vnetid=16777215 demo0
2| dladm: warning: failed to set property vnetid
2| dladm: overlay creation failed: invalid argument
[1]
# What varpd does not take.
$ dladm create-overlay -v 23 -e vxlan -s direct -p direct/dest_port=0 demo0
2| dladm: warning: failed to set varpd prop: direct/dest_port
2|
2| dladm: overlay creation failed: permission denied
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p direct/dest_port=1,2 demo0
2| dladm: warning: failed to set varpd prop: direct/dest_port
2|
2| dladm: overlay creation failed: permission denied
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p vxlan/listen_ip=127.0.0.1,direct/dest_ip=0.0.0.0,direct/dest_port=1 demo0
2| dladm: warning: failed to activate varpd instance: Invalid argument
2| dladm: overlay creation failed: invalid argument
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p vxlan/listen_ip=127.0.0.1 demo0
2| dladm: warning: failed to activate varpd instance: Resource temporarily unavailable
2| dladm: warning: unset required property: direct/dest_ip
2| dladm: warning: unset required property: direct/dest_port
2| dladm: overlay creation failed: try again later
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p direct/dest_ip=127.0.0.2,direct/dest_port=4789 demo0
2| dladm: warning: failed to activate device: Invalid argument
2| dladm: warning: unset required property: vxlan/listen_ip
2| dladm: warning: failed to get varpd props for overlay demo0, varpd id 1: ok
2| dladm: overlay creation failed: invalid argument
[1]
# What datalink.conf cannot hold: a blank, a semicolon. With -t nothing is stored.
$ dladm create-overlay -v 23 -e vxlan -s direct -p 'mtu= 1300' demo0
2| dladm: warning: failed to persistently set property mtu
2| dladm: overlay creation failed: invalid argument
[1]
$ dladm create-overlay -v 23 -e vxlan -s files -p 'files/config=/etc/overlays/a;b.json' demo0
2| dladm: warning: failed to persistently set varpd prop: files/config
2|
2| dladm: overlay creation failed: invalid argument
[1]
# Nothing of all this is left.
$ dladm show-linkmap
NAME          LINKID  CLASS       MEDIA                 FLAGS
[0]
$ dladm create-overlay -v 23 -e vxlan -s direct -t -p 'mtu= 1300',vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.2,direct/dest_port=4789 demo0
[0]
$ dladm show-link -p -o link,mtu
demo0:1300
[0]
