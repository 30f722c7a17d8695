"""The target cache of a kernel against `CacheModel`: overlays, MAC addresses, handles, frames, control and time in any order."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from etherspan.testing.cache.check import CacheCheck
from etherspan.testing.cache.overlay import point
from etherspan.testing.cache.twin import CacheTwin
from kernel_sim.sys.codec import Point

MACS = [bytes.fromhex(one) for one in ("020820000001", "020820000002", "01005e000001", "ffffffffffff")]
POINTS = [point("10.0.0.2"), point("10.0.0.3", 0)]
CONTROL = ["associate", "associate", "stop", "start", "start", "start", "delete", "degrade", "disassociate"]

macs = st.sampled_from([*MACS[:1] * 4, *MACS])
slots = st.sampled_from([0, 0, 0, 1])
picks = st.integers(0, 5)
names = st.sampled_from(["varpd", "varpd", "varpd", "reader0", "reader1"])
answers = st.sampled_from([*POINTS, None])
sizes = st.sampled_from([60, 60, 60, 1400, 40000, "fits", "just not", 140000])
GOOD = [
    b"\x08\x00" + bytes(46),
    b"\x05\xdc" + bytes(46),
    b"\x05\xdd" + bytes(46),
    b"\x81\x00\x00\x07\x86\xdd" + bytes(40),
    b"\x81\x00\xe0\x00\x00\x20" + bytes(40),
    b"\x81\x00\x00\x07\x05\xdd" + bytes(40),
]
BAD = [b"\x81\x00\x10\x07\x08\x00" + bytes(40), b"\x81\x00\x00\x07"]
rests = st.sampled_from([*GOOD, *BAD * 4, b""])
"""What follows the addresses of a frame: of the bad ones LOOKUP cannot say anything, the last has no header at all."""


class TargetCache(RuleBasedStateMachine):
    """One host, two overlays at a time, four MAC addresses, varpd and two readers."""

    def __init__(self) -> None:
        super().__init__()
        self.twin = CacheTwin()
        self.check = CacheCheck(self.twin)

    @initialize()
    def begin(self) -> None:
        self.twin.open("varpd")
        for slot in (0, 1):
            self.twin.create(slot, None)
            self.twin.create_vnic(slot)

    @rule(slot=slots, op=st.sampled_from(CONTROL), flag=st.booleans(), to=st.sampled_from([None, None, POINTS[0]]))
    def control(self, slot: int, op: str, *, flag: bool, to: Point | None) -> None:
        """What changes an overlay as a whole, in one rule, so that it does not crowd out what happens in one."""
        if op == "associate":
            self.twin.associate(slot, to)
        elif op == "disassociate":
            self.twin.disassociate(slot)
        elif op == "stop":
            self.twin.delete_vnic(slot)
        elif op == "degrade":
            self.twin.degrade_or_restore(slot, wanted=flag)
        elif op == "delete":
            self.twin.delete(slot)
            if flag:
                self.twin.create(slot, None)
        else:
            self.twin.create(slot, to)
            self.twin.create_vnic(slot)

    @rule(seconds=st.sampled_from([0.25, 0.5, 1.0]))
    def time_passes(self, seconds: float) -> None:
        self.twin.time_passes(seconds)

    # ------------------------------------------------------------------ frames

    @rule(slot=slots, chain=st.lists(st.tuples(macs, st.sampled_from([60, 60, 1400])), min_size=1, max_size=6))
    def send_chain(self, slot: int, chain: list[tuple[bytes, int]]) -> None:
        self.twin.send_chain(slot, chain)

    @rule(slot=slots, mac=macs, size=sizes)
    def send_one(self, slot: int, mac: bytes, size: int | str) -> None:
        self.twin.send_one(slot, mac, size)

    @rule(slot=slots, mac=macs, size=st.sampled_from([1000, 9000, 60000]), last=st.sampled_from([1, 700, 1348]))
    def send_run(self, slot: int, mac: bytes, size: int, last: int) -> None:
        self.twin.send_run(slot, mac, size, last)

    @rule(slot=slots, mac=macs, rest=rests, pick=st.none() | picks)
    def resend(self, slot: int, mac: bytes, rest: bytes, pick: int | None) -> None:
        self.twin.resend(slot, mac, rest, pick)

    @rule(slot=slots, mac=macs, pick=st.none() | picks)
    def inject(self, slot: int, mac: bytes, pick: int | None) -> None:
        self.twin.inject(slot, mac, pick)

    # ------------------------------------------------------------------ handles and lookups

    @rule(name=names, wanted=st.sampled_from(["open", "closed", "closed and open"]))
    def open_or_close(self, name: str, wanted: str) -> None:
        if wanted != "open":
            self.twin.close(name)
        if wanted != "closed":
            self.twin.open(name)

    @rule(name=names, wait=st.sampled_from([False, False, True]))
    def lookup(self, name: str, *, wait: bool) -> None:
        if wait or self.twin.model.queue:
            self.twin.lookup(name)

    @rule(pick=picks, to=st.sampled_from([*POINTS, None, None, None, None]))
    def answer(self, pick: int, to: Point | None) -> None:
        if to is None:
            self.twin.drop(pick)
        else:
            self.twin.respond(pick, to)

    @rule(pick=picks, room=st.sampled_from([0, 13, 60, 200000]))
    def pkt(self, pick: int, room: int) -> None:
        self.twin.pkt(pick, room)

    @rule(pick=picks)
    def answer_what_is_not_outstanding(self, pick: int) -> None:
        self.twin.answer_what_is_not_outstanding(pick)

    # ------------------------------------------------------------------ the cache

    @rule(slot=slots, mac=macs, to=answers, op=st.sampled_from(["set", "set", "remove", "remove", "flush"]))
    def cache_change(self, slot: int, mac: bytes, to: Point | None, op: str) -> None:
        if op == "set":
            self.twin.cache_set(slot, mac, to)
        elif op == "remove":
            self.twin.cache_remove(slot, mac)
        else:
            self.twin.cache_flush(slot)

    @rule(slot=slots, mac=macs)
    def cache_get(self, slot: int, mac: bytes) -> None:
        self.twin.cache_get(slot, mac)

    @rule(slot=slots, chunk=st.sampled_from([1, 1, 2, 500]))
    def walk_begins(self, slot: int, chunk: int) -> None:
        self.twin.walk_begins(slot, chunk)

    @precondition(lambda self: self.twin.walks)
    @rule()
    def walk_goes_on(self) -> None:
        self.twin.walk_goes_on()

    # ------------------------------------------------------------------ what always holds

    @invariant()
    def kernel_and_model_agree(self) -> None:
        self.check()

    def teardown(self) -> None:
        self.twin.end()


TargetCache.TestCase.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)


@pytest.mark.fact(
    "KRN-I12", "KRN-I13", "KRN-I14", "KRN-I15", "KRN-I16", "KRN-I17", "KRN-I18", "KRN-I20", "KRN-I21", "KRN-I22"
)
@pytest.mark.fact("KRN-Q1", "KRN-Q11", "KRN-Q15", "KRN-Q20")
class TestTargetCache(TargetCache.TestCase):  # type: ignore[valid-type, misc]
    """Runs the machine."""
