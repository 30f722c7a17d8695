# The properties of varpd: edited, refreshed, read back; what cannot be done; and a directory that is not there.
$ svcprop varpd
varpd/include_path astring /usr/lib/varpd
[0]
$ svccfg -s varpd setprop varpd/include_path = astring: "/opt/plugins"
[0]
$ svccfg -s network/varpd:default addpropvalue varpd/include_path /usr/lib/varpd
[0]
$ svccfg -s varpd listprop varpd/include_path
varpd/include_path  astring  /opt/plugins /usr/lib/varpd
[0]
$ svcprop -p varpd/include_path varpd
/usr/lib/varpd
[0]
$ svcprop -c -p varpd/include_path varpd
/opt/plugins /usr/lib/varpd
[0]
$ svcadm refresh varpd
[0]
$ svcprop -p varpd varpd
varpd/include_path astring /opt/plugins /usr/lib/varpd
[0]
$ svccfg -s varpd delpropvalue varpd/include_path /usr/lib/varpd
[0]
$ svccfg -s varpd setprop varpd/note = count: 3
[0]
$ svccfg -s varpd listprop varpd
varpd/include_path  astring  /opt/plugins
varpd/note          count    3
[0]
$ svccfg -s varpd delprop varpd/note
[0]
$ svccfg -s varpd refresh
[0]
$ svcadm enable -s varpd
2| svcadm: Instance "svc:/network/varpd:default" is in maintenance; see svcs -x svc:/network/varpd:default
[3]
$ svcs -H -o state,fmri varpd
maintenance    svc:/network/varpd:default
[0]
$ svccfg -s varpd setprop varpd/include_path = astring: /usr/lib/varpd
[0]
$ svcadm refresh varpd
[0]
$ svcadm clear -s varpd
[0]
$ svcs -H -o state varpd
online
[0]
$ svccfg -s nothing listprop
2| svccfg: Pattern 'nothing' doesn't match any instances or services.
[1]
$ svccfg setprop varpd/include_path = /x
2| svccfg: setprop: select a service first, with -s or select.
[1]
$ svccfg -s varpd setprop other/thing = astring: x
2| svccfg: No such property group "other".
[1]
$ svccfg -s varpd setprop varpd/new = x
2| svccfg: "varpd/new" is new: give its type, as in varpd/new = astring: VALUE.
[1]
$ svccfg -s varpd setprop varpd/new = count: x
2| svccfg: Invalid argument: "x" is not a legal count
[1]
$ svccfg -s varpd setprop varpd/new = blob: x
2| svccfg: Invalid argument: unknown type "blob"; there are: astring, boolean, count, fmri, host, hostname, integer, time, uri, ustring
[1]
$ svccfg -s varpd setprop varpd/include_path /x
2| svccfg: Syntax error; the form is: setprop GROUP/NAME = [TYPE:] VALUE | (VALUE ...).
[1]
$ svccfg -s varpd delprop varpd/none
2| svccfg: No such property "varpd/none".
[1]
$ svccfg -s varpd import manifest.xml
2| svccfg: import is not part of etherspan, whose services are fixed; there are: select, setprop, addpropvalue, delpropvalue, delprop, listprop, refresh.
[1]
$ svccfg -s datalink-management listprop
2| svccfg: No such file or directory: svc:/network/datalink-management:default has no properties
[1]
$ svccfg -f /nowhere/script
2| svccfg: cannot read /nowhere/script: No such file or directory
[1]
$ svcprop -p varpd/none varpd
2| svcprop: Couldn't find property 'varpd/none' for instance 'svc:/network/varpd:default'
[1]
$ svcprop nothing
2| svcprop: Pattern 'nothing' doesn't match any entities
[1]
$ svcprop
2| Usage: svcprop [-c] [-p pg[/name]] service ...
[2]
