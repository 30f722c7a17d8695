"""The compiled data path of TAPs and sockets, where it could be built (`fast.c`); `kernel_sim.io.fastpath` is what uses it."""
