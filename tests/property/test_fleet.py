"""A fleet in memory: what has to hold of it holds, the checks find what is broken, and one seed is one run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from etherspan.testing.fleet import TENANTS, Fleet, guest_mac, label, read_label
from kernel_sim.overlay.mux import Mux

ETHERSPAN = Path(sys.executable).parent / "etherspan"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_small_fleet_keeps_its_promises(seed: int) -> None:
    fleet = Fleet(12, seed)
    fleet.run(300)
    fleet.finish()
    assert len(fleet.delivered) > 300


def test_much_is_lost_and_nobody_gets_what_is_anothers() -> None:
    fleet = Fleet(6, 7, loss=0.15, duplication=0.1, reordering=0.2, corruption=0.1)
    fleet.run(300)
    fleet.finish()
    assert len(fleet.delivered) > 200


def test_a_seed_is_a_run_whatever_the_order_of_hashes() -> None:
    found = []
    for hash_seed, seed in (("0", 5), ("4711", 5), ("0", 6)):
        argv = [ETHERSPAN, "sim", "--hosts", "5", "--steps", "120", "--seed", str(seed), "--json"]
        env = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout)["hash"])
    assert found[0] == found[1] != found[2]


def test_a_leak_between_tenants_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    classify = Mux._classify
    count = 0

    def leaky(self: Mux, datagram: memoryview) -> object:
        nonlocal count
        count += 1
        if count % 50 == 0 and len(self._devices) == len(TENANTS):
            other = bytearray(datagram[:8])
            other[4:7] = (sum(TENANTS) - int.from_bytes(other[4:7], "big")).to_bytes(3, "big")
            return classify(self, memoryview(bytes(other) + bytes(datagram[8:])))
        return classify(self, datagram)

    monkeypatch.setattr(Mux, "_classify", leaky)
    fleet = Fleet(4, 1, loss=0, corruption=0)
    with pytest.raises(AssertionError, match=r"step \d+, .*frame \d+ of tenant 10\d reached g10\dx"):
        fleet.run(1000)
    fleet.world.close()


def test_labels_tell_damage() -> None:
    frame = guest_mac(1) + guest_mac(2) + b"\x88\xb5" + label(101, 7, 60)
    assert read_label(frame) == (101, 7)
    for at in range(14, len(frame)):
        assert read_label(frame[:at] + bytes((frame[at] ^ 1,)) + frame[at + 1 :]) is None


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", range(1, 101))
def test_a_large_fleet(seed: int) -> None:
    fleet = Fleet(1000, seed)
    fleet.run(100)
    fleet.finish()
