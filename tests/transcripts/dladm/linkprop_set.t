# Link properties in force and in datalink.conf: what -t means, what is refused, what comes back.
# fact: DLM-Q30 DLM-Q41
$ dladm create-etherstub stub0
[0]
$ dladm create-vnic -l stub0 -m 2:8:20:1:2:3 -p maxbw=100M,priority=low vnic0
[0]
$ dladm set-linkprop -p allowed-ips=10.0.0.0/24,10.1.0.1,protection=ip-nospoof vnic0
[0]
$ dladm set-linkprop -t -p maxbw=50 vnic0
[0]
$ dladm show-linkprop -c -o property,value -p maxbw,priority,protection,allowed-ips vnic0
maxbw:   50
priority:low
protection:ip-nospoof
allowed-ips:10.0.0.0/24,10.1.0.1/32
[0]
$ dladm show-linkprop -P -c -o property,value -p maxbw,priority,protection,allowed-ips,mtu vnic0
maxbw:100M
priority:low
protection:ip-nospoof
allowed-ips:10.0.0.0/24,10.1.0.1
mtu:--
[0]
$ dladm delete-vnic -t vnic0
[0]
$ dladm up-vnic vnic0
[0]
$ dladm show-linkprop -c -o property,value -p maxbw,priority,protection,allowed-ips vnic0
maxbw:  100
priority:low
protection:ip-nospoof
allowed-ips:10.0.0.0/24,10.1.0.1/32
[0]
$ dladm set-linkprop -p priority=x,maxbw=200 vnic0
2| dladm: warning: link property 'priority' must be one of: low,medium,high
[0]
$ dladm set-linkprop -p maxbw=300,priority=x vnic0
2| dladm: warning: link property 'priority' must be one of: low,medium,high
[1]
$ dladm set-linkprop -p maxbw=1 vnic0
2| dladm: warning: cannot set link property 'maxbw' on 'vnic0': minimum value for maxbw is 1200K
[1]
$ dladm set-linkprop -p allowed-ips=10.0.0.1/24 vnic0
2| dladm: warning: cannot set link property 'allowed-ips' on 'vnic0': invalid IP address
[1]
$ dladm set-linkprop -p mtu=9001 vnic0
2| dladm: warning: cannot set link property 'mtu' on 'vnic0': invalid argument
[1]
$ dladm set-linkprop -p mtu=8999 stub0
2| dladm: warning: cannot set link property 'mtu' on 'stub0': link busy
[1]
$ dladm set-linkprop -p state=down vnic0
2| dladm: warning: cannot set link property 'state' on 'vnic0': read-only property
[1]
$ dladm set-linkprop -p zone=web vnic0
2| dladm: warning: cannot set link property 'zone' on 'vnic0': change cannot be persistent
[1]
$ dladm set-linkprop -p frob=1 vnic0
2| dladm: warning: invalid link property 'frob'
[1]
$ dladm set-linkprop -p maxbw vnic0
2| dladm: warning: no value specified for 'maxbw'
[1]
$ dladm reset-linkprop -p mtu=9000 vnic0
2| dladm: invalid link properties specified
[1]
$ dladm reset-linkprop -p maxbw,allowed-ips vnic0
[0]
$ dladm show-linkprop -P -c -o property,value -p maxbw,priority,protection,allowed-ips vnic0
maxbw:--
priority:low
protection:ip-nospoof
allowed-ips:--
[0]
$ dladm delete-vnic vnic0
[0]
$ dladm delete-etherstub stub0
[0]
