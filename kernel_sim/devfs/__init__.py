"""The device nodes of the simulated kernel: sockets below ROOT/dev that turn messages into calls of the kernel.

server    connections, the framing of `kernel_sim.dev.framing`, back-pressure; knows no command
dld       /dev/dld, the control node of data links
overlay   /dev/overlay, varpd's conversation with the overlay driver
kstat     /dev/kstat, statistics
nodes     all of them at their places, with their permissions
"""
