# Stored links, and a VNIC with two allowed addresses.
$ dladm create-overlay -e vxlan -s direct -p vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.2,direct/dest_port=4789 -v 23 ov0
[0]
$ dladm create-vnic -l ov0 -p allowed-ips=10.0.0.5,10.0.0.6 vnic0
[0]
$ dladm show-link -P
LINK        CLASS     BRIDGE     OVER
ov0         overlay   --         --
vnic0       vnic      --         ov0
[0]
$ dladm show-linkprop -c -o value -p mtu ov0
1400
[0]
$ dladm show-linkprop -p mtu,protection,promisc-filtered,allowed-ips vnic0
LINK         PROPERTY        PERM VALUE          DEFAULT        POSSIBLE
vnic0        mtu             rw   1400           1400           576-1400␠
vnic0        protection      rw   --             --             mac-nospoof,
                                                                restricted,
                                                                ip-nospoof,
                                                                dhcp-nospoof␠
vnic0        promisc-filtered rw  on             on             off,on␠
vnic0        allowed-ips     rw   10.0.0.5/32,   --             --␠
                                  10.0.0.6/32                  ␠
[0]
