"""Labs: several emulated hosts, their zones and Linux VXLAN endpoints on one machine, from one file.

`file.py` reads the file into the values of `model.py`. `up.py` makes the lab: a namespace for a switch (a bridge), one for each
host and VTEP with an interface `net0` on that switch, then it boots the hosts, runs their dladm lines and makes their zones.
Everything it is about to make is first written to the lab's journal (`journal.py`), and `down.py` undoes the journal from its
end, so that a lab whose `up` was killed at any instant can be taken down like any other. `run.py` runs programs in it.
"""
