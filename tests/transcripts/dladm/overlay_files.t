# An overlay that asks a file for its destinations, and files that cannot be used.
# file etc/overlays/two-hosts.json two-hosts.json
# file etc/overlays/bad.json bad-comma.json
$ dladm create-overlay -e vxlan -s files -v 23 -p vxlan/listen_ip=127.0.0.1,files/config=/etc/overlays/none.json ov0
2| dladm: warning: failed to activate varpd instance: No such file or directory
2| dladm: overlay creation failed: object not found
[1]
$ dladm create-overlay -e vxlan -s files -v 23 -p vxlan/listen_ip=127.0.0.1,files/config=/etc/overlays ov0
2| dladm: warning: failed to activate varpd instance: Is a directory
2| dladm: overlay creation failed: operation failed
[1]
$ dladm create-overlay -e vxlan -s files -v 23 -p vxlan/listen_ip=127.0.0.1,files/config=/etc/overlays/bad.json ov0
2| dladm: warning: failed to activate varpd instance: Protocol error
2| dladm: overlay creation failed: operation failed
[1]
$ dladm create-overlay -e vxlan -s files -v 23 -p vxlan/listen_ip=127.0.0.1 ov0
2| dladm: warning: failed to activate varpd instance: Resource temporarily unavailable
2| dladm: warning: unset required property: files/config
2| dladm: overlay creation failed: try again later
[1]
$ dladm show-link -P
[0]
$ dladm create-overlay -e vxlan -s files -v 23 -p vxlan/listen_ip=127.0.0.1,files/config=/etc/overlays/two-hosts.json ov0
[0]
$ dladm create-overlay -e vxlan -s files -v 24 -p vxlan/listen_ip=127.0.0.1,files/config=$ROOT/etc/overlays/two-hosts.json ov1
[0]
$ dladm show-overlay ov0
LINK               PROPERTY           PERM REQ VALUE      DEFAULT   POSSIBLE
ov0                mtu                rw   -   1400       1400      576-8900
ov0                vnetid             rw   -   23         --        --
ov0                encap              r-   -   vxlan      --        vxlan
ov0                varpd/id           r-   -   1          --        --
ov0                vxlan/listen_ip    rw   y   127.0.0.1  --        --
ov0                vxlan/listen_port  rw   y   4789       4789      1-65535
ov0                search             r-   -   files      --        direct,
                                                                    files,svp
ov0                files/config       rw   y   /etc/overlays/two-hosts.json -- --
[0]
$ dladm show-overlay -p -o value ov1
1400
24
vxlan
2
127.0.0.1
4789
files
<ROOT>/etc/overlays/two-hosts.json
[0]
$ dladm show-overlay -t ov0
[0]
$ dladm show-overlay -f
LINK                STATUS  DETAILS
ov0                 ONLINE  -
ov1                 ONLINE  -
[0]
