# An overlay rule of a real fleet (erigones), used as SmartOS uses it at a zone's boot: is it there? make it; is it there now?
# file opt/custom/overlays/second1_overlay.json two-hosts.json
$ dladm show-overlay second123
2| dladm: warning: failed to find second123: object not found
[1]
$ dladm create-overlay -e vxlan -p vxlan/listen_ip=0.0.0.0,vxlan/listen_port=4790 -s files -p files/config=/opt/custom/overlays/second1_overlay.json -p mtu=1400 -v 23 second123
[0]
$ dladm show-overlay second123
LINK               PROPERTY           PERM REQ VALUE      DEFAULT   POSSIBLE
second123          mtu                rw   -   1400       1400      576-8900
second123          vnetid             rw   -   23         --        --
second123          encap              r-   -   vxlan      --        vxlan
second123          varpd/id           r-   -   1          --        --
second123          vxlan/listen_ip    rw   y   0.0.0.0    --        --
second123          vxlan/listen_port  rw   y   4790       4789      1-65535
second123          search             r-   -   files      --        direct,
                                                                    files,svp
second123          files/config       rw   y   /opt/custom/overlays/second1_overlay.json -- --
[0]
$ dladm create-vnic -t -l second123 -m 2:8:20:0:0:1 -p mtu=1400 net0
[0]
$ dladm show-link -o link,class,mtu,over
LINK        CLASS     MTU    OVER
second123   overlay   1400   --
net0        vnic      1400   second123
[0]
