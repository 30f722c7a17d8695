# The golden create of the reference, and the three views of it.
# fact: DLM-Q24
$ dladm create-overlay -e vxlan -s direct -p vxlan/listen_ip=10.88.88.69 -p direct/dest_ip=10.88.88.70 -p direct/dest_port=4789 -v 23 demo0
[0]
$ dladm show-overlay demo0
LINK               PROPERTY           PERM REQ VALUE      DEFAULT   POSSIBLE
demo0              mtu                rw   -   1400       1400      576-8900
demo0              vnetid             rw   -   23         --        --
demo0              encap              r-   -   vxlan      --        vxlan
demo0              varpd/id           r-   -   1          --        --
demo0              vxlan/listen_ip    rw   y   10.88.88.69 --       --
demo0              vxlan/listen_port  rw   y   4789       4789      1-65535
demo0              search             r-   -   direct     --        direct,
                                                                    files,svp
demo0              direct/dest_ip     rw   y   10.88.88.70 --       --
demo0              direct/dest_port   rw   y   4789       --        1-65535
[0]
$ dladm show-overlay -t demo0
LINK                TARGET            DESTINATION
demo0               *:*:*:*:*:*       10.88.88.70:4789
[0]
$ dladm show-overlay -f
LINK                STATUS  DETAILS
demo0               ONLINE  -
[0]
$ dladm show-overlay -p -o property,value demo0
mtu:1400
vnetid:23
encap:vxlan
varpd/id:1
vxlan/listen_ip:10.88.88.69
vxlan/listen_port:4789
search:direct
direct/dest_ip:10.88.88.70
direct/dest_port:4789
[0]
$ dladm show-overlay -t -p -o target,destination demo0
*\:*\:*\:*\:*\:*:10.88.88.70\:4789
[0]
$ dladm show-overlay -t -p -o destination demo0
10.88.88.70:4789
[0]
$ dladm show-link
LINK        CLASS     MTU    STATE    BRIDGE     OVER
demo0       overlay   1400   up       --         --
[0]
$ dladm delete-overlay demo0
[0]
$ dladm show-overlay
[0]
$ dladm show-overlay -f
[0]
