# An overlay of a real fleet, whose server is not there: that is no reason not to make it.
# fact: DLM-Q22
$ dladm create-overlay -e vxlan -s direct -p vxlan/listen_ip=10.88.88.69 -p direct/dest_ip=10.88.88.70 -p direct/dest_port=4789 -v 23 -t demo0
[0]
$ dladm create-overlay -e vxlan -s svp -v 4385087 -p vxlan/listen_ip=192.168.100.10,svp/host=portolan.coal.joyent.us,svp/underlay_ip=192.168.100.10,svp/underlay_port=4789 sdc_overlay4385087
[0]
$ dladm show-overlay sdc_overlay4385087
LINK               PROPERTY           PERM REQ VALUE      DEFAULT   POSSIBLE
sdc_overlay4385087 mtu                rw   -   1400       1400      576-8900
sdc_overlay4385087 vnetid             rw   -   4385087    --        --
sdc_overlay4385087 encap              r-   -   vxlan      --        vxlan
sdc_overlay4385087 varpd/id           r-   -   2          --        --
sdc_overlay4385087 vxlan/listen_ip    rw   y   192.168.100.10 --    --
sdc_overlay4385087 vxlan/listen_port  rw   y   4789       4789      1-65535
sdc_overlay4385087 search             r-   -   svp        --        direct,
                                                                    files,svp
sdc_overlay4385087 svp/host           rw   y   portolan.coal.joyent.us -- --
sdc_overlay4385087 svp/port           rw   y   1296       1296      1-65535
sdc_overlay4385087 svp/underlay_ip    rw   y   192.168.100.10 --    --
sdc_overlay4385087 svp/underlay_port  rw   y   4789       1339      1-65535
[0]
