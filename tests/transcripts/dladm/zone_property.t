# The link property zone: never stored, so always with -t.
$ etherspan zone create web
[0]
$ dladm create-etherstub -t stub0
[0]
$ dladm create-vnic -t -l stub0 -p zone=web v0
[0]
$ dladm show-linkprop -p zone v0
LINK         PROPERTY        PERM VALUE          DEFAULT        POSSIBLE
v0           zone            rw   web            --             --␠
[0]
$ dladm show-linkprop -c -o value -p zone v0
web
[0]
$ dladm set-linkprop -p zone=web v0
[0]
$ dladm set-linkprop -t -p zone=nosuch v0
2| dladm: warning: cannot set link property 'zone' on 'v0': invalid value
[1]
$ dladm reset-linkprop -t -p zone v0
[0]
$ dladm show-linkprop -c -o value -p zone v0

[0]
$ dladm set-linkprop v0
2| dladm: link property must be specified
[1]
$ dladm delete-vnic v0
[0]
$ dladm delete-etherstub stub0
[0]
$ etherspan zone delete web
[0]
