# Every property of a VNIC as people see it; names that a link does not have; stored values.
# fact: DLM-Q31 DLM-Q26
$ dladm create-etherstub -t stub0
[0]
$ dladm create-vnic -t -l stub0 v0
[0]
$ dladm show-linkprop v0
LINK         PROPERTY        PERM VALUE          DEFAULT        POSSIBLE
v0           zone            rw   --             --             --␠
v0           state           r-   up             up             up,down␠
v0           mtu             rw   9000           9000           576-9000␠
v0           secondary-macs  rw   --             --             --␠
v0           maxbw           rw   --             --             --␠
v0           cpus            rw   --             --             --␠
v0           cpus-effective  r-   --             --             --␠
v0           pool            rw   --             --             --␠
v0           pool-effective  r-   --             --             --␠
v0           priority        rw   high           high           low,medium,high␠
v0           tagmode         rw   vlanonly       vlanonly       normal,vlanonly␠
v0           protection      rw   --             --             mac-nospoof,
                                                                restricted,
                                                                ip-nospoof,
                                                                dhcp-nospoof␠
v0           dynamic-methods rw   --             --             dhcpv4,dhcpv6,slaac,
                                                                addrconf␠
v0           promisc-filtered rw  on             on             off,on␠
v0           allowed-ips     rw   --             --             --␠
v0           allowed-dhcp-cids rw --             --             --␠
v0           allow-all-dhcp-cids rw false        false          false,true␠
v0           rxrings         rw   --             --             --␠
v0           rxrings-effective r- --             --             --␠
v0           txrings         rw   --             --             --␠
v0           txrings-effective r- --             --             --␠
v0           txrings-available r- 0              --             --␠
v0           rxrings-available r- 0              --             --␠
LINK         PROPERTY        PERM VALUE          DEFAULT        POSSIBLE
v0           rxhwclnt-available r- 0             --             --␠
v0           txhwclnt-available r- 0             --             --␠
[0]
$ dladm show-linkprop -p frob,mtu v0
2| dladm: warning: cannot get link property 'frob' for v0: object not found
LINK         PROPERTY        PERM VALUE          DEFAULT        POSSIBLE
v0           frob            ?    ?              ?              ?
v0           mtu             rw   9000           9000           576-9000␠
[1]
$ dladm show-linkprop -p forward v0
2| dladm: warning: cannot get link property 'forward' for v0: invalid argument
LINK         PROPERTY        PERM VALUE          DEFAULT        POSSIBLE
v0           forward         ?    ?              ?              ?
[1]
$ dladm show-linkprop -P v0
[0]
$ dladm show-linkprop -c -o link,value,default,possible -p mtu
stub0:9000:1500:576-9000
v0:9000:9000:576-9000
[0]
$ dladm show-linkprop -p mtu nope0
2| dladm: link nope0 is not valid: object not found
[1]
$ dladm show-linkprop -p mtu=1 v0
2| dladm: invalid link properties specified
[1]
$ dladm show-linkprop -c v0
2| dladm: output fields must be specified in parsable mode
[1]
$ dladm delete-vnic v0
[0]
$ dladm delete-etherstub stub0
[0]
