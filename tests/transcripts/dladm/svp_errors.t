# What svp does not take, and what it cannot do without.
$ dladm create-overlay -t -e vxlan -s svp -v 23 -p vxlan/listen_ip=127.0.0.1 demo0
2| dladm: warning: failed to activate varpd instance: Resource temporarily unavailable
2| dladm: warning: unset required property: svp/host
2| dladm: warning: unset required property: svp/underlay_ip
2| dladm: overlay creation failed: try again later
[1]
$ dladm create-overlay -t -e vxlan -s svp -v 23 -p vxlan/listen_ip=127.0.0.1,svp/host=portolan.lab demo0
2| dladm: warning: failed to activate varpd instance: Resource temporarily unavailable
2| dladm: warning: unset required property: svp/underlay_ip
2| dladm: overlay creation failed: try again later
[1]
$ dladm create-overlay -t -e vxlan -s svp -v 23 -p vxlan/listen_ip=127.0.0.1,svp/host=portolan.lab,svp/underlay_ip=224.0.0.1 demo0
2| dladm: warning: failed to set varpd prop: svp/underlay_ip
2| 
2| dladm: overlay creation failed: permission denied
[1]
$ dladm create-overlay -t -e vxlan -s svp -v 23 -p vxlan/listen_ip=127.0.0.1,svp/host=portolan.lab,svp/underlay_ip=127.0.0.1,svp/port=0 demo0
2| dladm: warning: failed to set varpd prop: svp/port
2| 
2| dladm: overlay creation failed: permission denied
[1]
$ dladm create-overlay -t -e vxlan -s svp -v 23 -p vxlan/listen_ip=127.0.0.1,svp/host=portolan.lab,svp/underlay_ip=127.0.0.1,svp/underlay_port=65536 demo0
2| dladm: warning: failed to set varpd prop: svp/underlay_port
2| 
2| dladm: overlay creation failed: permission denied
[1]
$ dladm create-overlay -t -e vxlan -s svp -v 23 -p vxlan/listen_ip=127.0.0.1,svp/host=portolan.lab,svp/underlay_ip=127.0.0.1,svp/dcid=1 demo0
2| dladm: warning: failed to set varpd prop: svp/dcid
2| 
2| dladm: overlay creation failed: I/O error
[1]
$ dladm create-overlay -t -e vxlan -s svp -v 23 -p vxlan/listen_ip=127.0.0.1,svp/host=portolan.lab,svp/underlay_ip=10.0.0.224 demo0
[0]
$ dladm show-overlay -p -o value demo0
1400
23
vxlan
1
127.0.0.1
4789
svp
portolan.lab
1296
10.0.0.224
1339
[0]
