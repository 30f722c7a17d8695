"""What `lab watch` makes of two looks at a host."""

from __future__ import annotations

from etherspan.lab.watch import HEADING, Sample, line, rows


def counts(packets: int, octets: int) -> dict[str, int]:
    return {"ipackets64": packets, "opackets64": 2 * packets, "rbytes64": octets, "obytes64": 0}


def test_rates_are_of_the_time_between_and_the_worst_reason_is_named() -> None:
    before = Sample(10.0, {"vnic0": counts(100, 1000)}, {"vnic0:a": 5, "vnic0:b": 0, "vnic10:a": 0})
    after = Sample(12.0, {"vnic0": counts(300, 1_001_000)}, {"vnic0:a": 7, "vnic0:b": 8, "vnic10:a": 9})
    assert list(rows(before, after)) == [("vnic0", "100", "200", "4.00", "0.00", "5", "b")]


def test_a_link_that_is_new_or_starts_anew_has_no_rate() -> None:
    after = Sample(12.0, {"vnic0": counts(300, 1_001_000)}, {"vnic0:a": 7})
    assert list(rows(Sample(10.0), after)) == [("vnic0", "0", "0", "0.00", "0.00", "0", "")]


def test_lines_fit_eighty_columns() -> None:
    text = line(("v" * 18, "9999999", "9999999", "99999.99", "99999.99", "999999", "tx"))
    assert len(text) <= 80
    assert len(line(HEADING)) <= 80
    assert "\x1b" not in text
