"""The computing behind `kernel_sim.mac.hw_emul`: bytes in, bytes out, no system calls.

* `ones`      one's complement sums
* `segment`   finishing checksums, cutting runs
* `headers`   where the parts of a TCP or UDP frame are
* `coalesce`  frames of one flow become a run
* `compiled`  the same by `helper.c`, in one call a run or batch; `plain` is what stands in for it where there is no compiler
"""
