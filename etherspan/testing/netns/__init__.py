"""The world on this machine: hosts in network namespaces, over real TAPs and UDP sockets.

* `world`       `NetnsWorld`, over the machinery of labs
* `port`        the consumer's side of a VNIC as a packet socket, with nothing else on the link
* `plugindist`  search plugins under test, made known to a varpd that is another process
"""
