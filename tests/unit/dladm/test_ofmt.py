"""Tables: every rule of DLM 4, against outputs that real systems printed and the sheet's golden ones."""

from __future__ import annotations

import pytest

from dladm.ofmt import Column, FieldError, Formatter, Mode, broken, select, split_parsable

Record = tuple[str | None, ...]


def columns(**widths: int) -> tuple[Column[Record], ...]:
    def cell(place: int) -> Column[Record]:
        name, width = list(widths.items())[place]
        return Column(name, width, lambda record: record[place])

    return tuple(cell(place) for place in range(len(widths)))


HEALTH = columns(LINK=20, STATUS=8, DETAILS=52)
TARGET = columns(LINK=20, TARGET=18, DESTINATION=42)
PROPERTY = columns(LINK=19, PROPERTY=19, PERM=5, REQ=4, VALUE=11, DEFAULT=10, POSSIBLE=10)
LINK = columns(LINK=12, CLASS=10, MTU=7, STATE=9, BRIDGE=11, OVER=30)
VNIC = columns(LINK=13, OVER=13, SPEED=9, MACADDRESS=18, MACADDRTYPE=20, VID=7)
LINKPROP = columns(LINK=13, PROPERTY=16, PERM=5, VALUE=15, DEFAULT=15, POSSIBLE=20)
A_B = columns(A=4, B=4)


def output(cols: tuple[Column[Record], ...], *records: Record, mode: Mode = Mode.TABLE, rows: int = 0) -> str:
    lines = Formatter(cols, mode, rows=rows)
    return "".join(line + "\n" for record in records for line in lines.lines(record))


def test_published_show_overlay_f_of_triton() -> None:
    old = columns(LINK=14, STATUS=8, DETAILS=52)
    assert output(old, ("sdc_overlay4694778", "ONLINE", "-"), ("sdc_overlay7957669", "ONLINE", "-")) == (
        "LINK          STATUS  DETAILS\nsdc_overlay4694778 ONLINE -\nsdc_overlay7957669 ONLINE -\n"
    )


def test_published_show_link_of_omnios() -> None:
    assert output(
        LINK,
        ("vioif0", "phys", "1400", "up", "", ""),
        ("ov0", "overlay", "1400", "up", "", ""),
        ("vnic0", "vnic", "1400", "up", "", "ov0"),
    ) == (
        "LINK        CLASS     MTU    STATE    BRIDGE     OVER\n"
        "vioif0      phys      1400   up       --         --\n"
        "ov0         overlay   1400   up       --         --\n"
        "vnic0       vnic      1400   up       --         ov0\n"
    )


def test_published_show_vnic_of_oxide() -> None:
    assert output(
        VNIC,
        ("fake_external0", "fake_external_stub0", "0", "2:8:20:6b:10:d4", "random", "0"),
        ("bootstrap0", "bootstrap_stub0", "0", "2:8:20:c3:de:a4", "random", "0"),
    ) == (
        "LINK         OVER         SPEED    MACADDRESS        MACADDRTYPE         VID\n"
        "fake_external0 fake_external_stub0 0 2:8:20:6b:10:d4 random              0\n"
        "bootstrap0   bootstrap_stub0 0     2:8:20:c3:de:a4   random              0\n"
    )


def test_a_long_link_name_pushes_and_the_line_catches_up() -> None:
    assert output(
        LINK,
        ("sdc_overlay7957669", "overlay", "1400", "up", "", ""),
        ("foo0", "vnic", "1400", "up", "", "sdc_overlay7957669"),
    ) == (
        "LINK        CLASS     MTU    STATE    BRIDGE     OVER\n"
        "sdc_overlay7957669 overlay 1400 up    --         --\n"
        "foo0        vnic      1400   up       --         sdc_overlay7957669\n"
    )


def test_golden_show_overlay() -> None:
    assert output(
        PROPERTY,
        ("demo0", "mtu", "rw", "-", "1400", "1400", "576-8900"),
        ("demo0", "vxlan/listen_ip", "rw", "y", "10.88.88.69", "--", "--"),
        ("demo0", "search", "r-", "-", "direct", "--", "direct,files,svp"),
        ("demo0", "direct/dest_port", "rw", "y", "4789", "--", "1-65535"),
        ("sdc_overlay4385087", "svp/host", "rw", "y", "portolan.coal.joyent.us", "--", "--"),
        mode=Mode.WRAP,
    ) == (
        "LINK               PROPERTY           PERM REQ VALUE      DEFAULT   POSSIBLE\n"
        "demo0              mtu                rw   -   1400       1400      576-8900\n"
        "demo0              vxlan/listen_ip    rw   y   10.88.88.69 --       --\n"
        "demo0              search             r-   -   direct     --        direct,\n"
        "                                                                    files,svp\n"
        "demo0              direct/dest_port   rw   y   4789       --        1-65535\n"
        "sdc_overlay4385087 svp/host           rw   y   portolan.coal.joyent.us -- --\n"
    )


def test_golden_degraded_overlay() -> None:
    assert output(
        HEALTH,
        ("demo0", "ONLINE", "-"),
        ("sdc_overlay7957669", "DEGRADED", "cannot reach any remote peers"),
        mode=Mode.WRAP,
    ) == (
        "LINK                STATUS  DETAILS\n"
        "demo0               ONLINE  -\n"
        "sdc_overlay7957669  DEGRADED cannot reach any remote peers\n"
    )


def test_golden_targets() -> None:
    assert output(
        TARGET,
        ("sdc_overlay7957669", "2:8:20:a:b:c", "fd00:88::5:4789"),
        ("sdc_overlay7957669", "90:b8:d0:1f:d0:2a", "10.0.1.5:4789"),
    ) == (
        "LINK                TARGET            DESTINATION\n"
        "sdc_overlay7957669  2:8:20:a:b:c      fd00:88::5:4789\n"
        "sdc_overlay7957669  90:b8:d0:1f:d0:2a 10.0.1.5:4789\n"
    )


def test_golden_show_linkprop_wraps_two_columns() -> None:
    protections = "mac-nospoof,restricted,ip-nospoof,dhcp-nospoof "
    assert output(
        LINKPROP,
        ("vnic0", "mtu", "rw", "1400", "1400", "576-1400 "),
        ("vnic0", "protection", "rw", "--", "--", protections),
        ("vnic0", "promisc-filtered", "rw", "on", "on", "off,on "),
        ("vnic0", "allowed-ips", "rw", "10.0.0.5/32,10.0.0.6/32", "--", "-- "),
        mode=Mode.WRAP,
    ).splitlines() == [
        "LINK         PROPERTY        PERM VALUE          DEFAULT        POSSIBLE",
        "vnic0        mtu             rw   1400           1400           576-1400 ",
        "vnic0        protection      rw   --             --             mac-nospoof,",
        "                                                                restricted,",
        "                                                                ip-nospoof,",
        "                                                                dhcp-nospoof ",
        "vnic0        promisc-filtered rw  on             on             off,on ",
        "vnic0        allowed-ips     rw   10.0.0.5/32,   --             -- ",
        "                                  10.0.0.6/32" + 19 * " ",
    ]


def test_parsable_output_escapes_where_there_are_several_fields() -> None:
    record = ("*:*:*:*:*:*", "10.88.88.70:4789")
    assert output(A_B, record, mode=Mode.PARSABLE) == "*\\:*\\:*\\:*\\:*\\:*:10.88.88.70\\:4789\n"
    assert output(A_B[1:], record, mode=Mode.PARSABLE) == "10.88.88.70:4789\n"
    assert output(A_B, ("a\\b", "c"), mode=Mode.PARSABLE) == "a\\\\b:c\n"


def test_parsable_output_has_no_header_no_wrapping_and_empty_cells() -> None:
    assert output(A_B, ("", "a,b,c,d"), (None, "--"), mode=Mode.PARSABLE) == ":a,b,c,d\n?:--\n"


def test_an_empty_cell_is_dashes_and_an_unknown_one_a_question_mark() -> None:
    assert output(A_B, ("", None)) == "A   B\n--  ?\n"


@pytest.mark.fact("DLM-Q26")
def test_piped_output_repeats_the_header_after_every_23_records() -> None:
    lines = output(A_B, *(("x", "y"),) * 70).splitlines()
    assert [place for place, line in enumerate(lines) if line == "A   B"] == [0, 24, 48, 72]


@pytest.mark.fact("DLM-Q26")
def test_a_terminal_repeats_the_header_once_a_screen() -> None:
    lines = output(A_B, *(("x", "y"),) * 10, rows=5).splitlines()
    assert [place for place, line in enumerate(lines) if line == "A   B"] == [0, 5, 10]


def test_continuation_lines_do_not_count_for_the_header() -> None:
    lines = output(columns(A=2), *(("a,b",),) * 5, mode=Mode.WRAP, rows=5).splitlines()
    assert lines == ["A", "a,", "b", "a,", "b", "a,", "b", "a,", "b", "A", "a,", "b"]


def test_every_column_that_breaks_goes_on_below_and_the_others_are_blank() -> None:
    cols = columns(A=4, B=3, C=4, D=3)
    assert output(cols, ("a,b,c", "x", "aa,bb,cc", "1,2,3"), mode=Mode.WRAP).splitlines() == [
        "A   B  C   D",
        "a,b, x aa, 1,2,",
        "c      bb, 3",
        "       cc  ",
    ]


def test_nothing_and_unknown_stand_on_the_first_line_of_a_wrapped_record_only() -> None:
    assert output(columns(A=4, B=4, C=1), ("", None, "a,b"), mode=Mode.WRAP).splitlines() == [
        "A   B   C",
        "--  ?   a,",
        "        b",
    ]


def test_a_cell_of_129_pieces_stays_whole_beside_one_that_breaks() -> None:
    many = ",".join("x" * 129)
    assert output(columns(A=4, B=1), (many, "a,b"), mode=Mode.WRAP).splitlines() == [
        "A   B",
        f"{many} a,",
        "    b",
    ]


def test_the_debt_of_a_line_is_not_the_debt_of_the_next() -> None:
    cols = columns(A=3, B=3, C=3)
    assert output(cols, ("abcdefgh", "x", "y"), ("a", "b", "c")).splitlines()[1:] == ["abcdefgh x y", "a  b  c"]
    assert output(cols, ("abcdefgh,i", "x", "y"), mode=Mode.WRAP).splitlines()[1:] == ["abcdefgh, x y", "i     "]


def test_a_short_cell_pays_back_a_part_of_the_debt() -> None:
    cols = columns(A=2, B=8, C=4, D=4, E=1)
    assert output(cols, ("abcdefgh", "x", "y", "z", "e")) == "A B       C   D   E\nabcdefgh x y  z   e\n"


def test_blanks_at_the_end_of_a_cell_are_kept() -> None:
    assert output(A_B, ("a", "b "), ("c ", "d")) == "A   B\na   b \nc   d\n"


def test_no_records_print_nothing() -> None:
    assert output(LINK) == ""


def test_a_cell_that_just_fills_its_column_takes_a_blank_more() -> None:
    assert output(columns(A=4, B=4, C=4), ("abcd", "e", "f")) == "A   B   C\nabcd e  f\n"


def test_a_debt_larger_than_a_column_moves_on_to_the_next() -> None:
    cols = columns(A=2, B=2, C=6, D=1)
    assert output(cols, ("abcdef", "x", "y", "z")) == "A B C     D\nabcdef x y z\n"


@pytest.mark.parametrize(
    ("cell", "width", "lines"),
    [
        ("direct,files,svp", 10, ["direct,", "files,svp"]),
        ("direct,files,svp", 12, ["direct,files,", "svp"]),
        ("a,b", 1, ["a,", "b"]),
        ("a,b", 3, ["a,b"]),
        ("averylongpiece,b", 4, ["averylongpiece,", "b"]),
        ("a,,b,", 10, ["a,b"]),
        ("without any comma", 4, ["without any comma"]),
        (",", 4, [","]),
        (",,", 4, [",,"]),
        (",a", 4, ["a"]),
        ("x", 0, ["x"]),
        ("a,b", 2, ["a,", "b"]),
        ("aa,b", 4, ["aa,b"]),
        ("x," * 129, 4, ["x," * 129]),
        ("x," * 128, 1, ["x,"] * 127 + ["x"]),
        (",x" * 128 + ",,", 1, ["x,"] * 127 + ["x"]),
    ],
)
def test_a_cell_breaks_after_commas_only(cell: str, width: int, lines: list[str]) -> None:
    assert broken(cell, width) == lines


def names(fields: str | None, *, parsable: bool = False) -> list[str]:
    return [column.name for column in select(LINK, fields, parsable=parsable).columns]


def test_fields_come_in_the_order_given_in_any_case_and_as_often() -> None:
    assert names("over,Link,OVER") == ["OVER", "LINK", "OVER"]


def test_empty_names_of_a_list_vanish() -> None:
    assert names(",over,,link,") == ["OVER", "LINK"]
    assert names(",over,,link,", parsable=True) == ["OVER", "LINK"]


def test_as_many_names_as_columns_are_not_too_many() -> None:
    assert names("link," * 6) == ["LINK"] * 6


@pytest.mark.parametrize("fields", [None, "all", "ALL"])
def test_without_a_list_every_column_is_shown(fields: str | None) -> None:
    assert len(names(fields)) == 6


def test_unknown_fields_are_warned_of_for_people() -> None:
    one = select(LINK, "link,foo", parsable=False)
    assert [column.name for column in one.columns] == ["LINK"]
    assert one.warning == "ignoring unknown output field: `foo'"
    assert select(LINK, "foo,link,foo", parsable=False).warning == "ignoring unknown output fields: `foo' `foo'"
    assert select(LINK, "all,link", parsable=False).warning == "ignoring unknown output field: `all'"
    assert select(LINK, "foo,link,b%dr", parsable=False).warning == "ignoring unknown output fields: `foo' `b%dr'"


@pytest.mark.fact("DLM-Q38")
def test_a_percent_sign_in_a_field_name_is_printed() -> None:
    assert select(LINK, "link,%s%n", parsable=False).warning == "ignoring unknown output field: `%s%n'"


@pytest.mark.parametrize(
    ("fields", "parsable", "message"),
    [
        ("link,foo", True, "unknown output field: `foo'"),
        ("a,link,b", True, "unknown output fields: `a' `b'"),
        ("a,b", True, "no valid output fields"),
        ("a,b", False, "no valid output fields"),
        (None, True, "output fields must be specified in parsable mode"),
        ("", True, "output fields must be specified in parsable mode"),
        ("all", True, "output field `all' invalid in parsable mode"),
        ("All", True, "output field `all' invalid in parsable mode"),
        ("all,", True, "no valid output fields"),
        ("all,", False, "no valid output fields"),
        ("all,link", True, "unknown output field: `all'"),
        (" link", False, "no valid output fields"),
        ("", False, "Not enough space"),
        (",", False, "no valid output fields"),
        (",", True, "no valid output fields"),
        ("link," * 7, False, "Not enough space"),
        ("link," * 7, True, "Not enough space"),
        ("foo," * 7, False, "Not enough space"),
    ],
)
def test_field_lists_that_cannot_be_used(fields: str | None, parsable: bool, message: str) -> None:
    with pytest.raises(FieldError) as refused:
        select(LINK, fields, parsable=parsable)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ("", [""]),
        ("a", ["a"]),
        ("a:b", ["a", "b"]),
        (":", ["", ""]),
        ("a::b:", ["a", "", "b", ""]),
        (r"*\:*\:*\:*\:*\:*:10.88.88.70\:4789", ["*:*:*:*:*:*", "10.88.88.70:4789"]),
        (r"a\\:b", ["a\\", "b"]),
        (r"a\\\:b", ["a\\:b"]),
        (r"\n:\\", ["n", "\\"]),
    ],
)
def test_a_line_of_parsable_output_is_split_at_what_is_not_protected(line: str, cells: list[str]) -> None:
    assert split_parsable(line) == cells


@pytest.mark.parametrize("line", ["\\", "a:b\\", r"a\\\\" + "\\"])
def test_a_line_that_was_cut_within_a_protected_character_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="ends in a backslash"):
        split_parsable(line)
