"""A slice of the fuzzing, without its engine: what it has kept, and some thousand random changes of it."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.fuzz.reach import ROOT, corpus, measure
from tests.fuzz.targets import TARGETS

CHANGES = 1500
HANG_SECONDS = 1.0


def changed(kept: list[bytes], count: int) -> Iterator[bytes]:
    """Bytes changed, put in, taken out, parts doubled, two joined."""
    chance = random.Random(20261127)
    for _ in range(count):
        data = bytearray(chance.choice(kept))
        for _ in range(chance.randint(1, 4)):
            at = chance.randint(0, len(data))
            what = chance.randrange(5)
            if what == 0 and at < len(data):
                data[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
            elif what == 1:
                data[at:at] = chance.randbytes(chance.randint(1, 8))
            elif what == 2:
                del data[at : at + chance.randint(1, 16)]
            elif what == 3:
                data[at:at] = data[at : at + chance.randint(1, 32)]
            else:
                data[at:] = chance.choice(kept)[at:]
        yield bytes(data[:4096])


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_kept_and_changes_of_it(name: str) -> None:
    kept = corpus(name)
    for data in [*kept, *changed(kept, CHANGES)]:
        begun = time.perf_counter()
        try:
            TARGETS[name](data)
        except Exception as error:
            raise AssertionError(f"{name} on {data.hex()}") from error
        assert time.perf_counter() - begun < HANG_SECONDS, f"{name} hangs on {data.hex()}"


def test_what_is_kept_takes_nine_of_ten_branches() -> None:
    # in a process of its own: what measures branches may be at work in this one
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.reach"], cwd=ROOT, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == len(TARGETS)


def test_what_names_no_code_is_a_fault() -> None:
    unknown = replace(TARGETS["door"], reaches=("libvarpd/door_codec.py:Walk.no_such",))
    with pytest.raises(AssertionError, match="names nothing"):
        measure(unknown, corpus("door"))
