# Published in a support bundle of Oxide: show-vnic with names that are too long for OVER.
# file etc/dladm/datalink.conf datalink/support-bundle.conf
$ svcadm restart -s datalink-management
[0]
$ dladm up-vnic
[0]
$ dladm show-vnic
LINK         OVER         SPEED    MACADDRESS        MACADDRTYPE         VID
fake_external0 fake_external_stub0 0 2:8:20:6b:10:d4 random              0
bootstrap0   bootstrap_stub0 0     2:8:20:c3:de:a4   random              0
[0]
