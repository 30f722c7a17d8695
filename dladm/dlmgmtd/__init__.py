"""Link management: the map between link names and link ids, and what is stored about persistent links.

* `table` holds the links in memory: ids, names, flags, the rule for the next id (pure).
* `datalink_conf` reads and writes the line format of `datalink.conf` and of the active cache (pure).
* `service` answers requests and keeps table, files and the simulated kernel's names in step; `store` is the files, `names` the
  kernel.
* `daemon` is the program: it loads, pushes, listens and follows the physical links.
* `protocol` is what travels on the door; `client` is the other end of it.

A link exists while it has a flag: ACTIVE (it is there now; recorded in the volatile cache, gone after a boot) or PERSIST (it comes
back at boot). Every link's name is known to the kernel before the client that made it gets its answer.
"""
