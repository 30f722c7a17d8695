"""datalink.conf: the line format, and what happens to lines that nobody can read."""

from __future__ import annotations

import pytest

from dladm.dlmgmtd.datalink_conf import LINE_MAX, LinkFile, format_line
from dladm.dlmgmtd.protocol import ConfType, ConfValue
from kernel_sim.sys.errno import Errno, KernelError

VNIC = (
    "vnic0\tclass=int,8;media=int,4;linkover=string,ov0;maddrtype=int,1;vrid=int,0;vraf=int,0;"
    "macaddr=string,2:8:20:a:b:c;mtu=string,1300;"
)
OVERLAY = (
    "ov0\tclass=int,512;media=int,4;vnetid=int,23;encap=string,vxlan;search=string,direct;"
    "vxlan/listen_ip=string,10.88.88.69;direct/dest_ip=string,10.88.88.70;direct/dest_port=string,4789;"
)


def read(*lines: str) -> LinkFile:
    return LinkFile.parse("".join(f"{line}\n" for line in lines).encode())


def attributes(**texts: str) -> dict[str, ConfValue]:
    return {key: ConfValue.of_string(text) for key, text in texts.items()}


@pytest.mark.parametrize("line", [VNIC, OVERLAY])
def test_the_published_examples_are_read_and_written_back_byte_for_byte(line: str) -> None:
    (entry,) = read(line).entries()
    assert format_line(entry.name, entry.attributes) == line


def test_attributes_have_types_and_keep_their_order() -> None:
    (entry,) = read(OVERLAY).entries()
    assert entry.name == "ov0"
    assert list(entry.attributes)[:5] == ["class", "media", "vnetid", "encap", "search"]
    assert entry.attributes["vnetid"] == ConfValue(ConfType.INT, "23")
    assert entry.attributes["vnetid"].number() == 23
    assert entry.attributes["vxlan/listen_ip"] == ConfValue(ConfType.STRING, "10.88.88.69")


def test_only_the_first_comma_separates_the_type_from_the_value() -> None:
    (entry,) = read("v0\tallowed-ips=string,10.0.0.1,10.0.0.2;").entries()
    assert entry.attributes["allowed-ips"].text == "10.0.0.1,10.0.0.2"


@pytest.mark.parametrize("blank", [" ", "\t", "\r"])
def test_a_blank_among_the_attributes_ends_the_line_on_reading(blank: str) -> None:
    (entry,) = read(f"v0\tclass=int,8;a=string,one{blank}two;b=string,three;").entries()
    assert {key: value.text for key, value in entry.attributes.items()} == {"class": "8", "a": "one"}


def test_blanks_before_the_name_and_around_the_gap_do_not_count() -> None:
    (entry,) = read("  v0  \t class=int,8;").entries()
    assert (entry.name, entry.attributes["class"].text) == ("v0", "8")


def test_a_value_that_is_empty_counts_as_not_given() -> None:
    (entry,) = read("v0\tclass=int,8;a=string,;").entries()
    assert list(entry.attributes) == ["class"]


def test_the_last_semicolon_may_be_missing() -> None:
    (entry,) = read("v0\tclass=int,8").entries()
    assert entry.attributes["class"].text == "8"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("v0\tclass=int,8;a=string,b=c;", "the value 'b=c' holds a '='"),
        ("v0\tclass=int,8;a=text,b;", "unexpected 'text,b;' at column 18"),
        ("v0\tclass=int,eight;", "class: 'eight' is no number"),
        ("v0\tup=boolean,perhaps;", "up: 'perhaps' is neither true nor false"),
        ("v0\tclass", "unexpected 'class' at column 4"),
        ("v0\tclass=", "it ends inside an attribute"),
        ("v0\tclass=int", "unexpected 'int' at column 10"),
        (";", "unexpected ';' at column 1"),
    ],
)
def test_an_unreadable_line_is_reported_with_its_number_and_the_reason(line: str, reason: str) -> None:
    file = read("# links", VNIC, line)
    assert [str(one) for one in file.problems] == [f"line 3: {reason}"]
    assert [one.name for one in file.entries()] == ["vnic0"]


@pytest.mark.fact("DLM-Q44")
def test_an_unreadable_line_neither_stops_the_load_nor_is_lost_by_an_update() -> None:
    bad = "broken0\tclass=int,8;note=string,a=b;"
    file = read(OVERLAY, bad, VNIC)
    assert [one.name for one in file.entries()] == ["ov0", "vnic0"]
    updated = file.remove("ov0").put("new0", attributes(over="x0")).render().decode()
    assert updated.splitlines() == [bad, VNIC, "new0\tover=string,x0;"]


def test_a_second_line_of_a_link_is_reported_and_kept() -> None:
    file = read(VNIC, OVERLAY, "vnic0\tclass=int,8;")
    assert [str(one) for one in file.problems] == ["line 3: vnic0 is on line 1 already"]
    assert file.render().decode().splitlines()[2] == "vnic0\tclass=int,8;"


def test_comments_empty_lines_and_untouched_lines_keep_their_bytes() -> None:
    raw = b"# a comment\n\n   # another\nv0 \t class=int,8;; \xff\nw0\tclass=int,8;\n"
    file = LinkFile.parse(raw)
    assert file.render() == raw
    assert file.put("w0", attributes(a="b")).render() == raw.replace(b"w0\tclass=int,8;", b"w0\ta=string,b;")


def test_a_last_line_without_newline_gets_one() -> None:
    assert LinkFile.parse(b"v0\tclass=int,8;").render() == b"v0\tclass=int,8;\n"


def test_a_changed_line_stays_in_place_and_a_new_one_goes_to_the_end() -> None:
    file = read("a0\tx=string,1;", "b0\tx=string,1;").put("a0", attributes(x="2")).put("c0", attributes(x="3"))
    assert file.render().decode().splitlines() == ["a0\tx=string,2;", "b0\tx=string,1;", "c0\tx=string,3;"]


def test_empty_values_are_not_written() -> None:
    assert format_line("v0", attributes(a="", b="x")) == "v0\tb=string,x;"
    assert LinkFile().put("v0", attributes(a="", b="x")).get("v0") == attributes(b="x")


@pytest.mark.parametrize("text", ["a;b", "a=b", "a b", "a\tb", "a\nb", "a\0b"])
def test_a_value_that_the_format_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(KernelError) as refused:
        format_line("v0", attributes(note=text))
    assert refused.value.errno is Errno.EINVAL
    assert "note of v0" in refused.value.detail


@pytest.mark.parametrize("key", ["", "a=b", "a b", "a,b", "k" * 32])
def test_a_key_that_the_format_cannot_hold_is_refused(key: str) -> None:
    with pytest.raises(KernelError) as refused:
        format_line("v0", attributes(**{key: "x"}))
    assert refused.value.errno is Errno.EINVAL


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(KernelError) as refused:
        format_line("v0", {"mtu": ConfValue(ConfType.INT, "many")})
    assert refused.value.errno is Errno.EINVAL


def test_a_line_has_at_most_1023_bytes_with_its_newline() -> None:
    fixed = len("v0\ta=string,;") + 1
    assert len(format_line("v0", attributes(a="x" * (LINE_MAX - fixed)))) == LINE_MAX - 1
    with pytest.raises(KernelError) as refused:
        format_line("v0", attributes(a="x" * (LINE_MAX - fixed + 1)))
    assert refused.value.errno is Errno.ENOSPC


def test_an_existing_line_that_is_too_long_is_read_and_stays() -> None:
    line = "v0\ta=string," + "x" * 2000 + ";"
    file = read(line)
    assert file.get("v0") is not None
    assert file.put("w0", attributes(a="b")).render().decode().splitlines()[0] == line


def test_a_rename_reaches_the_lines_that_refer_to_the_link() -> None:
    file = read(OVERLAY, VNIC, "vnic1\tlinkover=string,ov00;").rename("ov0", "new7", "linkover")
    first, second, third = file.render().decode().splitlines()
    assert first == OVERLAY.replace("ov0\t", "new7\t")
    assert second == VNIC.replace("linkover=string,ov0;", "linkover=string,new7;")
    assert third == "vnic1\tlinkover=string,ov00;"


def test_only_an_int_has_a_number() -> None:
    with pytest.raises(KernelError) as refused:
        ConfValue.of_string("7").number()
    assert refused.value.errno is Errno.EINVAL
