# VNICs over overlays, one of whose names is too long for OVER; an address chosen at random and one that was given.
# file etc/dladm/datalink.conf datalink/two-vnics.conf
$ svcadm restart -s datalink-management
[0]
$ dladm up-overlay
[0]
$ dladm up-vnic
[0]
$ dladm show-vnic
LINK         OVER         SPEED    MACADDRESS        MACADDRTYPE         VID
foo0         demo0        0        2:8:20:6b:10:d4   random              0
net1         sdc_overlay7957669 0  90:b8:d0:1f:d0:2a fixed               0
[0]
