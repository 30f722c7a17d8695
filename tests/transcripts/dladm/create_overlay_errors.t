# Everything create-overlay refuses, in the order it tests.
# fact: DLM-Q1 DLM-Q3 DLM-Q4 DLM-Q5 DLM-Q39 DLM-Q43
$ dladm create-overlay
2| dladm: missing required virtual network id
[1]
$ dladm create-overlay -v 23
2| dladm: missing required encapsulation plugin
[1]
$ dladm create-overlay -v 23 -e vxlan
2| dladm: missing required search plugin
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct
2| dladm: missing device name
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct demo0 demo1
2| dladm: missing device name
[1]
$ dladm create-overlay -v x -e vxlan -s direct demo0
2| dladm: couldn't parse virtual networkd id: x
[1]
$ dladm create-overlay -v '' -e vxlan -s direct demo0
2| dladm: couldn't parse virtual networkd id:␠
[1]
$ dladm create-overlay -v 4294967296 -e vxlan -s direct demo0
2| dladm: virtual networkd id too large: 4294967296
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct demo
2| dladm: invalid link name 'demo'
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct abcdefghijklmnopqrstuvwxyzabcdefgh0
2| dladm: link name too long 'abcdefghijklmnopqrstuvwxyzabcdefgh0'
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p vxlan/listen_ip= demo0
2| dladm: invalid overlay property
[1]
$ dladm create-overlay -v 23 -s direct demo0 -e
2| dladm: option '-e' requires a value
2| usage:     create-overlay   [-t] -e <encap> -s <search> -v <vnetid>
2| 		     [ -p <prop>=<value>[,...]] <overlay>
[1]
$ dladm create-overlay -v 23 -e nvgre -s direct demo0
2| dladm: overlay creation failed: object not found
[1]
$ dladm create-overlay -v 16777216 -e vxlan -s direct demo0
2| dladm: overlay creation failed: invalid argument
[1]
$ dladm create-overlay -v 4294967295 -e vxlan -s direct demo0
2| dladm: overlay creation failed: invalid argument
[1]
$ dladm create-overlay -v 23 -e vxlan -s nosuch demo0
2| dladm: warning: failed to create varpd instance: No such file or directory
2| dladm: overlay creation failed: object not found
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p bogus=1 demo0
2| dladm: warning: failed to set property bogus
2| dladm: overlay creation failed: object not found
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p mtu=9000 demo0
2| dladm: warning: failed to set property mtu
2| dladm: overlay creation failed: invalid argument
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p encap=vxlan demo0
2| dladm: warning: failed to set property encap
2| dladm: overlay creation failed: permission denied
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p vxlan/listen_ip=junk demo0
2| dladm: warning: failed to set property vxlan/listen_ip
2| dladm: overlay creation failed: invalid argument
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p vxlan/listen_ip=10.1.1.1,vxlan/listen_ip=10.1.1.2,direct/dest_ip=junk demo0
2| dladm: warning: failed to set varpd prop: direct/dest_ip
2|
2| dladm: overlay creation failed: permission denied
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p direct/foo=1 demo0
2| dladm: warning: failed to set varpd prop: direct/foo
2|
2| dladm: overlay creation failed: I/O error
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p vxlan/listen_ip=10.1.1.1,direct/dest_ip=10.1.1.2 demo0
2| dladm: warning: failed to activate varpd instance: Resource temporarily unavailable
2| dladm: warning: unset required property: direct/dest_port
2| dladm: overlay creation failed: try again later
[1]
$ dladm create-overlay -v 23 -e vxlan -s direct -p direct/dest_ip=10.1.1.2,direct/dest_port=4789 demo0
2| dladm: warning: failed to activate device: Invalid argument
2| dladm: warning: unset required property: vxlan/listen_ip
2| dladm: warning: failed to get varpd props for overlay demo0, varpd id 1: ok
2| dladm: overlay creation failed: invalid argument
[1]
$ dladm show-link
[0]
$ dladm show-link -P
[0]
