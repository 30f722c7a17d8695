# The table of destinations, corrected by hand; and everything modify-overlay refuses, in the order it tests.
# fact: DLM-Q9 DLM-Q10 DLM-Q11 DLM-Q12 DLM-Q13 DLM-Q17
# file etc/overlays/two-hosts.json two-hosts.json
$ dladm modify-overlay demo0
2| dladm: need to specify one of -d, -f, or -s
[1]
$ dladm modify-overlay -d 0:1:2:3:4:5 -f demo0
2| dladm: only one of -d, -f, or -s may be used
[1]
$ dladm modify-overlay -f -f demo0
2| dladm: the option -f cannot be specified more than once
[1]
$ dladm modify-overlay -d zz demo0
2| dladm: invalid mac address: zz
2|
[1]
$ dladm modify-overlay -d 0:1:2:3:4:5zzz demo0
2| dladm: invalid mac address: 0:1:2:3:4:5zzz
2|
[1]
$ dladm modify-overlay -s 0:1:2:3:4:5 demo0
2| dladm: malformed value, expected mac=dest, got: 0:1:2:3:4:5
2|
[1]
$ dladm modify-overlay -f
2| dladm: missing required overlay device
2|
[1]
$ dladm modify-overlay -f demo0 demo1
2| dladm: only one overlay device may be specified
2|
[1]
$ dladm modify-overlay -f demo0
2| dladm: failed to find overlay demo0: object not found
[1]
$ dladm modify-overlay demo0 -s
2| dladm: option '-s' requires a value
2| usage:     modify-overlay   -d mac | -f | -s mac=ip:port <overlay>
[1]
$ dladm modify-overlay --flush demo0 -x
2| dladm: unrecognized option '-x'
2| usage:     modify-overlay   -d mac | -f | -s mac=ip:port <overlay>
[1]
$ dladm create-overlay -e vxlan -s direct -v 24 -p vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.1,direct/dest_port=4789 demo0
[0]
$ dladm modify-overlay -f demo0
2| dladm: failed to flush target cache for overlay demo0: operation not supported
[1]
$ dladm modify-overlay -d 0:1:2:3:4:5 demo0
2| dladm: failed to flush target (null) from overlay target cache demo0: operation not supported
[1]
$ dladm modify-overlay -s 0:1:2:3:4:5=10.0.0.5:4789 demo0
2| dladm: failed to set target (null) for overlay target cache demo0: operation not supported
[1]
$ dladm create-overlay -e vxlan -s files -v 23 -p vxlan/listen_ip=127.0.0.1,files/config=/etc/overlays/two-hosts.json ov0
[0]
$ dladm modify-overlay -d 0:1:2:3:4:5 ov0
2| dladm: failed to flush target (null) from overlay target cache ov0: object not found
[1]
$ dladm modify-overlay -s 2:8:20:0:0:3=10.0.0.5 ov0
2| dladm: failed to set target (null) for overlay target cache ov0: invalid argument
[1]
$ dladm modify-overlay -s 2:8:20:0:0:3=10.0.0.5:12x ov0
2| dladm: failed to set target (null) for overlay target cache ov0: invalid argument
[1]
$ dladm modify-overlay -s 90:b8:d0:1f:d0:2a=10.0.1.5:4789 ov0
[0]
$ dladm modify-overlay -s 02:08:20:0A:0B:0C=[fd00:88::5]:4789 ov0
[0]
$ dladm modify-overlay --set-entry 2:8:20:a:b:d=fd00:88::6:4790 ov0
[0]
$ dladm modify-overlay -s 2:8:20:a:b:e=DROP ov0
[0]
$ dladm show-overlay -t ov0
LINK                TARGET            DESTINATION
ov0                 2:8:20:a:b:c      fd00:88::5:4789
ov0                 2:8:20:a:b:d      fd00:88::6:4790
ov0                 2:8:20:a:b:e      drop
ov0                 90:b8:d0:1f:d0:2a 10.0.1.5:4789
[0]
$ dladm modify-overlay -s 2:8:20:a:b:e=10.0.1.6:4789 ov0
[0]
$ dladm modify-overlay --delete-entry=2:8:20:a:b:c ov0
[0]
$ dladm modify-overlay -d 2:8:20:a:b:c ov0
[0]
$ dladm show-overlay -t -p -o target,destination ov0
2\:8\:20\:a\:b\:d:fd00\:88\:\:6\:4790
2\:8\:20\:a\:b\:e:10.0.1.6\:4789
90\:b8\:d0\:1f\:d0\:2a:10.0.1.5\:4789
[0]
$ dladm modify-overlay --flush-table ov0
[0]
$ dladm show-overlay -t
LINK                TARGET            DESTINATION
demo0               *:*:*:*:*:*       127.0.0.1:4789
[0]
$ dladm create-etherstub stub0
[0]
$ dladm modify-overlay -f stub0
2| dladm: failed to flush target cache for overlay stub0: object not found
[1]
$ svcadm disable -s varpd
[0]
$ dladm modify-overlay -f ov0
2| dladm: failed to flush target cache for overlay ov0: object not found
[1]
$ dladm show-overlay -t ov0
[0]
