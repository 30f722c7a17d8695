"""The snoop command: frames of a link or a file, decoded for people.

* `packet`   a captured frame
* `files`    snoop (RFC 1761), pcap and pcapng files
* `live`     links of a host, through /dev/net/snoop, and interfaces of the machine
* `decode`   what is in a frame, layer by layer
* `show`     how that is printed
* `expr`     which frames are wanted
* `command`  options
"""
