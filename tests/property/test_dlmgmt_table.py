"""The table of links against a small model: two dicts and the rule for the next id."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from dladm.dlmgmtd.protocol import ALL_FLAGS
from dladm.dlmgmtd.table import LinkTable
from kernel_sim.sys.dld import DL_ETHER, DatalinkClass, DatalinkFlag
from kernel_sim.sys.errno import Errno, KernelError

HIGHEST = 6
NAMES = st.sampled_from([f"{letter}{digit}" for letter in "ab" for digit in range(5)])
FLAGS = st.sampled_from([DatalinkFlag.ACTIVE, DatalinkFlag.PERSIST, ALL_FLAGS])


class LinkTableMachine(RuleBasedStateMachine):
    ids = Bundle("ids")

    @initialize()
    def begin(self) -> None:
        self.table = LinkTable(highest=HIGHEST)
        self.names: dict[int, str] = {}
        self.flags: dict[int, DatalinkFlag] = {}
        self.last = 0

    def expected_id(self) -> int | None:
        order = [*range(self.last + 1, HIGHEST + 1), *range(1, self.last + 1)]
        return next((one for one in order if one not in self.names), None)

    @rule(target=ids, name=NAMES, flags=FLAGS)
    def create(self, name: str, flags: DatalinkFlag) -> int:
        expected = self.expected_id()
        try:
            change = self.table.create(name, DatalinkClass.VNIC, DL_ETHER, flags)
        except KernelError as error:
            assert error.errno is (Errno.EEXIST if name in self.names.values() else Errno.ENOSPC)
            assert name in self.names.values() or expected is None
            return 0
        assert name not in self.names.values()
        self.table.apply(change)
        assert change.after is not None
        assert change.after.linkid == expected
        self.last = change.after.linkid
        self.names[self.last] = name
        self.flags[self.last] = flags
        return self.last

    @rule(linkid=ids, flags=FLAGS)
    def add_flags(self, linkid: int, flags: DatalinkFlag) -> None:
        if linkid in self.names:
            self.table.apply(self.table.flagged(linkid, flags))
            self.flags[linkid] |= flags

    @rule(linkid=consumes(ids), flags=FLAGS)
    def take_flags(self, linkid: int, flags: DatalinkFlag) -> None:
        if linkid not in self.names or not self.flags[linkid] & flags:
            try:
                self.table.unflagged(linkid, flags)
            except KernelError as error:
                assert error.errno is Errno.ENOENT
            else:
                raise AssertionError("flags were taken that are not there")
            return
        self.table.apply(self.table.unflagged(linkid, flags))
        self.flags[linkid] &= ~flags
        if not self.flags[linkid]:
            del self.flags[linkid], self.names[linkid]

    @rule(linkid=ids, name=NAMES)
    def rename(self, linkid: int, name: str) -> None:
        if linkid in self.names and name not in self.names.values():
            self.table.apply(self.table.renamed(linkid, name))
            self.names[linkid] = name

    @rule(linkid=ids, flags=FLAGS)
    def plan_and_give_up(self, linkid: int, flags: DatalinkFlag) -> None:
        if linkid in self.names and self.flags[linkid] & flags:
            self.table.unflagged(linkid, flags)

    @rule(after=st.integers(0, HIGHEST), flags=FLAGS)
    def walk(self, after: int, flags: DatalinkFlag) -> None:
        found = [one.linkid for one in self.table.walk(~0, int(flags), after)]
        assert found == [one for one in sorted(self.names) if one > after and self.flags[one] & flags]

    @invariant()
    def agrees_with_the_model(self) -> None:
        assert {one.linkid: one.name for one in self.table} == self.names
        assert [one.linkid for one in self.table] == sorted(self.names)
        assert {one.linkid: one.flags for one in self.table} == self.flags
        assert all(self.table.find(name).linkid == linkid for linkid, name in self.names.items())


TestLinkTable = LinkTableMachine.TestCase
