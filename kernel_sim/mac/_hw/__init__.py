"""The computing behind `kernel_sim.mac.hw_emul`: Python here, a compiled module `_fast` with the same three functions where built.

* `ones`      one's complement sums
* `segment`   finishing checksums, cutting runs
* `headers`   where the parts of a TCP or UDP frame are
* `coalesce`  frames of one flow become a run
* `python`    the three functions together
"""
