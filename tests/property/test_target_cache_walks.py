"""The target cache of a kernel against `CacheModel` in random walks of fixed seeds: every operation is likely, every walk the same.

The state machine beside this finds what is rare and makes it short; this finds what is common, each time.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from etherspan.testing.cache.check import CacheCheck
from etherspan.testing.cache.model import Lookup
from etherspan.testing.cache.overlay import point
from etherspan.testing.cache.twin import CacheTwin

EPISODES, STEPS = 150, 90
MACS = [bytes.fromhex(one) for one in ("020820000001", "020820000002", "01005e000001", "ffffffffffff")]
POINTS = [point("10.0.0.2"), point("10.0.0.3", 0)]
GOOD = [b"\x08\x00" + bytes(46), b"\x05\xdd" + bytes(46), b"\x81\x00\xe0\x07\x86\xdd" + bytes(40)]
BAD = [b"\x81\x00\x10\x07\x08\x00" + bytes(40), b"\x81\x00\x00\x07"]


class Walker:
    """Draws what to do next. Half of all lookups are asked for only when there is something to look up."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.twin = CacheTwin()
        self.check = CacheCheck(self.twin)
        self.twin.open("varpd")
        for slot in (0, 1):
            self.twin.create(slot, None)
            self.twin.create_vnic(slot)

    def step(self) -> None:
        operations, weights = zip(*OPERATIONS.items(), strict=True)
        (operation,) = self.random.choices(operations, weights)
        operation(self)
        self.check()

    @property
    def slot(self) -> int:
        return self.random.choice((0, 0, 0, 1))

    @property
    def mac(self) -> bytes:
        return self.random.choice((*MACS[:1] * 3, *MACS))

    @property
    def pick(self) -> int:
        return self.random.randrange(6)

    def chain(self) -> None:
        sizes = [(self.mac, self.random.choice((60, 60, 1400))) for _ in range(self.random.randint(1, 5))]
        self.twin.send_chain(self.slot, sizes)

    def one(self) -> None:
        size = self.random.choice((60, 60, 1400, 40000, "fits", "just not", 140000))
        self.twin.send_one(self.slot, self.mac, size)

    def run(self) -> None:
        size, last = self.random.choice((1000, 9000, 60000)), self.random.choice((1, 700, 1348))
        self.twin.send_run(self.slot, self.mac, size, last)

    def resend(self) -> None:
        rest = self.random.choice((*GOOD, *BAD * 2, b""))
        self.twin.resend(self.slot, self.mac, rest, self.random.choice((None, self.pick)))

    def inject(self) -> None:
        self.twin.inject(self.slot, self.mac, self.random.choice((None, self.pick)))

    def lookup(self) -> None:
        if self.twin.model.queue or self.random.random() < 0.3:
            self.twin.lookup(self.random.choice(("varpd", "varpd", "varpd", "reader0")))

    def answer(self) -> None:
        if self.random.random() < 0.6:
            self.twin.drop(self.pick)
        else:
            self.twin.respond(self.pick, self.random.choice(POINTS))

    def pkt(self) -> None:
        self.twin.pkt(self.pick, self.random.choice((0, 13, 60, 200000)))

    def answer_wrongly(self) -> None:
        self.twin.answer_what_is_not_outstanding(self.pick)

    def change(self) -> None:
        what = self.random.randrange(7)
        if what < 3:
            self.twin.cache_set(self.slot, self.mac, self.random.choice((*POINTS, None)))
        elif what < 6:
            self.twin.cache_remove(self.slot, self.mac)
        else:
            self.twin.cache_flush(self.slot)

    def get(self) -> None:
        self.twin.cache_get(self.slot, self.mac)

    def walk(self) -> None:
        if self.twin.walks:
            self.twin.walk_goes_on()
        else:
            self.twin.walk_begins(self.slot, self.random.choice((1, 1, 2, 500)))

    def handles(self) -> None:
        name = self.random.choice(("varpd", "reader0", "reader0"))
        if self.random.random() < 0.4:
            self.twin.close(name)
        self.twin.open(name)
        self.twin.open("varpd")

    def associate(self) -> None:
        self.twin.associate(self.slot, self.random.choice((None, None, POINTS[0])))

    def disassociate(self) -> None:
        slot = self.slot
        self.twin.disassociate(slot)
        self.twin.cache_get(slot, self.mac)
        if self.random.random() < 0.7:
            self.twin.associate(slot, None)

    def stop_or_start(self) -> None:
        if self.random.random() < 0.3:
            self.twin.delete_vnic(self.slot)
        else:
            self.make(self.slot)

    def delete(self) -> None:
        self.twin.delete(self.slot)
        self.make(self.slot)

    def make(self, slot: int) -> None:
        self.twin.create(slot, None)
        self.twin.create_vnic(slot)

    def degrade(self) -> None:
        self.twin.degrade_or_restore(self.slot, wanted=self.random.random() < 0.7)

    def time(self) -> None:
        self.twin.time_passes(self.random.choice((0.25, 0.5, 1.0)))


OPERATIONS: dict[Callable[[Walker], None], int] = {
    Walker.chain: 6,
    Walker.one: 5,
    Walker.run: 3,
    Walker.resend: 8,
    Walker.inject: 2,
    Walker.lookup: 14,
    Walker.answer: 10,
    Walker.pkt: 3,
    Walker.answer_wrongly: 3,
    Walker.change: 9,
    Walker.get: 4,
    Walker.walk: 6,
    Walker.handles: 3,
    Walker.associate: 2,
    Walker.disassociate: 1,
    Walker.stop_or_start: 4,
    Walker.delete: 2,
    Walker.degrade: 1,
    Walker.time: 4,
}


@pytest.mark.fact("KRN-I12", "KRN-I13", "KRN-I14", "KRN-I15", "KRN-I16", "KRN-I17", "KRN-I18", "KRN-I19", "KRN-I20")
@pytest.mark.fact("KRN-I21", "KRN-I22", "KRN-I23", "KRN-I24", "KRN-I32")
@pytest.mark.fact(
    "KRN-Q1", "KRN-Q9", "KRN-Q11", "KRN-Q12", "KRN-Q13", "KRN-Q14", "KRN-Q15", "KRN-Q18", "KRN-Q20", "KRN-Q26"
)
def test_kernel_and_model_agree_after_every_step_of_a_random_walk() -> None:
    met: set[str] = set()
    told: list[Lookup] = []
    for seed in range(EPISODES):
        walker = Walker(seed)
        for _ in range(STEPS):
            walker.step()
            told += [said for said, _ in walker.twin.lookups]
        walker.twin.end()
        met |= {reason for one in walker.twin.all for reason, count in one.said.drops.items() if count}
    assert met == {
        "tx_not_started",
        "tx_target_drop",
        "tx_no_header",
        "tx_pending_full",
        "tx_lookup_drop",
        "tx_bad_header",
        "tx_overlay_deleted",
        "tx_too_big",
        "tx_chain_abandoned",
    }
    assert any(said.late for said in told)
    assert any(said.closed for said in told)
