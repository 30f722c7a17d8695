"""kstat(8): the statistics of a host's simulated kernel.

    selector   which statistics are wanted: globs and regular expressions                pure
    reader     asking /dev/kstat for them, in as few calls as it takes
    output     the forms they are printed in                                             pure
    command    options, operands, intervals

The sets are named module:instance:name, with class `net` (what illumos has, KRN 6.13) and `drops` (what it does not count, KRN-Q25).
"""

from etherspan.kstat.command import main
from etherspan.kstat.reader import chain, entries
from etherspan.kstat.selector import Pattern

__all__ = ["Pattern", "chain", "entries", "main"]
