"""datalink.conf holds whatever it is given, and gives it back."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from dladm.dlmgmtd.datalink_conf import LinkFile, format_line
from dladm.dlmgmtd.protocol import ConfType, ConfValue
from kernel_sim.sys.errno import KernelError

NAMES = st.from_regex(r"[a-z_.]{1,5}[0-9]", fullmatch=True)
KEYS = st.from_regex(r"[a-z/-]{1,12}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=30).filter(
    lambda text: text and not re.search(r"[;=\s\0]", text)
)
VALUES = st.one_of(
    st.builds(ConfValue, st.just(ConfType.STRING), TEXTS),
    st.integers(-(1 << 63), (1 << 63) - 1).map(ConfValue.of_int),
    st.sampled_from([ConfValue(ConfType.BOOLEAN, "true"), ConfValue(ConfType.BOOLEAN, "false")]),
)
ATTRIBUTES = st.dictionaries(KEYS, VALUES, max_size=6)
LINES = st.one_of(
    st.builds(lambda name, attrs: format_line(name, attrs).encode(), NAMES, ATTRIBUTES),
    st.binary(max_size=40).map(lambda raw: raw.replace(b"\n", b"")),
    st.text("ab0\t =;,#stringlo", max_size=30).map(str.encode),
)
FILES = st.lists(LINES, max_size=8).map(lambda lines: b"".join(line + b"\n" for line in lines))


@given(FILES)
def test_any_file_is_read_and_written_back_as_it_was(raw: bytes) -> None:
    assert LinkFile.parse(raw).render() == raw


@given(FILES)
def test_every_line_is_a_link_a_remark_or_a_problem(raw: bytes) -> None:
    file = LinkFile.parse(raw)
    lines = raw.decode("utf-8", "surrogateescape").split("\n")[:-1]
    remarks = [line for line in lines if not line.strip() or line.lstrip().startswith("#")]
    assert len(file.entries()) + len(file.problems) + len(remarks) == len(lines)


@given(NAMES, ATTRIBUTES)
def test_what_is_written_is_read_again(name: str, attributes: dict[str, ConfValue]) -> None:
    (entry,) = LinkFile.parse(format_line(name, attributes).encode() + b"\n").entries()
    assert entry.name == name
    assert list(entry.attributes.items()) == list(attributes.items())


@given(FILES, NAMES, ATTRIBUTES)
def test_a_change_touches_no_other_line(raw: bytes, name: str, attributes: dict[str, ConfValue]) -> None:
    file = LinkFile.parse(raw)
    changed = file.put(name, attributes)
    assert changed.get(name) == attributes
    before, after = raw.split(b"\n")[:-1], changed.render().split(b"\n")[:-1]
    if file.get(name) is None:
        assert after[:-1] == before
    else:
        assert len(after) == len(before)
        assert sum(one != other for one, other in zip(before, after, strict=True)) <= 1
    removed = changed.remove(name)
    assert removed.get(name) is None
    assert removed.entries() == [one for one in file.entries() if one.name != name]


@given(FILES, NAMES, KEYS, st.text(max_size=20))
def test_a_value_is_stored_faithfully_or_refused(raw: bytes, name: str, key: str, text: str) -> None:
    try:
        written = LinkFile.parse(raw).put(name, {key: ConfValue.of_string(text)}).render()
    except KernelError:
        assert re.search(r"[;=\s\0]", text)
        return
    stored = LinkFile.parse(written).get(name)
    assert stored == ({key: ConfValue.of_string(text)} if text else {})
