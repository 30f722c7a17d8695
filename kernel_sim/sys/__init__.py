"""The shared "headers": constants, errno, Ethernet, the VXLAN codec and the codecs of ioctl arguments. Pure."""
