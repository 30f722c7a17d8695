"""The destination grammar against the rules in words, and what is shown against what can be set."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from dladm.destination import Destination, parse_destination
from dladm.grammar import GrammarError
from dladm.libdladm.overlay_target import Target, destination_entry
from kernel_sim.sys.codec import CacheEntry, Point
from kernel_sim.sys.ethernet import ZERO_MAC
from kernel_sim.sys.overlay_common import DEST_IP_PORT, DEST_MASK, Dest

TEXT = st.text(st.one_of(st.sampled_from("a1.:,[]"), st.characters()), max_size=20)
NEEDS = st.integers(1, DEST_MASK).map(Dest)
MACS = st.binary(min_size=6, max_size=6)
IPS = st.one_of(
    st.binary(min_size=16, max_size=16), st.binary(min_size=4, max_size=4).map(lambda ip: bytes(10) + b"\xff\xff" + ip)
)


def by_words(text: str) -> Destination | None:
    """What vxlan makes of a text: `drop`, `[` what has a colon `]:port`, or anything up to the last colon and the port after it."""
    if text.lower() == "drop" and text.isascii():
        return Destination(drop=True)
    found = re.fullmatch(r"\[([^][,]*:[^][,]*)\]:(.+)", text, re.DOTALL) or re.fullmatch(r"(.+):(.+)", text, re.DOTALL)
    if found is None:
        return None
    ip, port = found.groups()
    plain = not set(ip + port) & set("[],") and ":" not in port and port.lower() != "drop"
    return Destination(ip=ip, port=port) if plain else None


@given(st.one_of(TEXT, st.sampled_from(["drop", "DROP", "a:drop"])))
def test_any_text_is_parsed_as_the_words_say(text: str) -> None:
    try:
        assert parse_destination(text, DEST_IP_PORT) == by_words(text)
    except GrammarError:
        assert by_words(text) is None


@given(TEXT, NEEDS)
def test_a_destination_has_the_parts_that_are_needed_and_no_others(text: str, needs: Dest) -> None:
    try:
        found = parse_destination(text, needs)
    except GrammarError:
        return
    present = Dest.NONE
    for part, flag in ((found.mac, Dest.ETHERNET), (found.ip, Dest.IP), (found.port, Dest.PORT)):
        present |= flag if part else Dest.NONE
    assert found.drop or present == needs or (needs == Dest.ETHERNET and text == "")


@given(MACS, NEEDS, MACS, IPS, st.integers(1, 65535))
def test_what_is_shown_of_an_entry_sets_that_entry(mac: bytes, needs: Dest, to: bytes, ip: bytes, port: int) -> None:
    point = Point(
        to if needs & Dest.ETHERNET else ZERO_MAC,
        ip if needs & Dest.IP else bytes(16),
        port if needs & Dest.PORT else 0,
    )
    entry = CacheEntry(mac, point=point)
    assert destination_entry(mac, Target(mac, needs, entry).destination, needs) == entry
