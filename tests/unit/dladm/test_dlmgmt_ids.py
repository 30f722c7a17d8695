"""The table of link names and ids."""

from __future__ import annotations

import pytest

from dladm.dlmgmtd.protocol import ALL_FLAGS, LinkInfo
from dladm.dlmgmtd.table import Change, LinkTable
from kernel_sim.sys.dld import DL_ETHER, DatalinkClass, DatalinkFlag
from kernel_sim.sys.errno import Errno, KernelError

VNIC = DatalinkClass.VNIC


def add(table: LinkTable, name: str, flags: DatalinkFlag = ALL_FLAGS, link_class: DatalinkClass = VNIC) -> int:
    change = table.create(name, link_class, DL_ETHER, flags)
    table.apply(change)
    assert change.after is not None
    return change.after.linkid


def drop(table: LinkTable, linkid: int) -> None:
    table.apply(table.unflagged(linkid, ALL_FLAGS))


def refusal(error: pytest.ExceptionInfo[KernelError]) -> Errno:
    return error.value.errno


def test_ids_begin_at_1_and_rise() -> None:
    table = LinkTable()
    assert [add(table, f"v{n}") for n in range(3)] == [1, 2, 3]


def test_a_freed_id_is_not_given_again_before_the_ids_wrap() -> None:
    table = LinkTable(highest=4)
    ids = [add(table, f"v{n}") for n in range(3)]
    drop(table, ids[0])
    assert [add(table, "w0"), add(table, "w1")] == [4, 1]
    with pytest.raises(KernelError) as refused:
        add(table, "w2")
    assert refusal(refused) is Errno.ENOSPC


def test_a_new_table_begins_to_count_at_1_but_skips_ids_in_use() -> None:
    table = LinkTable()
    table.adopt(LinkInfo(2, "kept0", VNIC, DL_ETHER, DatalinkFlag.ACTIVE))
    assert [add(table, "a0"), add(table, "b0")] == [1, 3]


def test_a_planned_link_that_is_not_applied_takes_no_id() -> None:
    table = LinkTable()
    table.create("v0", VNIC, DL_ETHER, ALL_FLAGS)
    assert len(table) == 0
    assert add(table, "w0") == 1


def test_names_are_unique_over_the_host_even_in_zones() -> None:
    table = LinkTable()
    table.apply(table.zoned(add(table, "v0"), "web"))
    with pytest.raises(KernelError) as refused:
        add(table, "v0")
    assert refusal(refused) is Errno.EEXIST


@pytest.mark.parametrize("name", ["", "v", "0v1", "v01", "v-1", "v 1", "v" * 31 + "1", "ü0"])
def test_a_name_that_the_rule_forbids_is_refused(name: str) -> None:
    with pytest.raises(KernelError) as refused:
        LinkTable().create(name, VNIC, DL_ETHER, ALL_FLAGS)
    assert refusal(refused) is Errno.EINVAL


@pytest.mark.parametrize("flags", [0, 4, 7, -1])
def test_flags_are_active_persist_or_both(flags: int) -> None:
    with pytest.raises(KernelError) as refused:
        LinkTable().create("v0", VNIC, DL_ETHER, flags)
    assert refusal(refused) is Errno.EINVAL


@pytest.mark.parametrize("link_class", [0, 3, 0x400])
def test_a_class_is_one_of_the_known_ones(link_class: int) -> None:
    with pytest.raises(KernelError) as refused:
        LinkTable().create("v0", link_class, DL_ETHER, ALL_FLAGS)
    assert refusal(refused) is Errno.EINVAL


def test_a_link_goes_with_its_last_flag() -> None:
    table = LinkTable()
    linkid = add(table, "v0")
    table.apply(table.unflagged(linkid, DatalinkFlag.ACTIVE))
    assert table.get(linkid).flags == DatalinkFlag.PERSIST
    table.apply(table.unflagged(linkid, ALL_FLAGS))
    with pytest.raises(KernelError) as refused:
        table.find("v0")
    assert refusal(refused) is Errno.ENOENT


def test_taking_flags_that_a_link_has_not_is_an_error() -> None:
    table = LinkTable()
    linkid = add(table, "v0", DatalinkFlag.PERSIST)
    with pytest.raises(KernelError) as refused:
        table.unflagged(linkid, DatalinkFlag.ACTIVE)
    assert refusal(refused) is Errno.ENOENT
    assert "v0 is not active" in refused.value.detail


def test_a_walk_filters_by_class_and_flag_and_goes_by_id() -> None:
    table = LinkTable()
    add(table, "v0", DatalinkFlag.PERSIST)
    add(table, "o0", link_class=DatalinkClass.OVERLAY)
    add(table, "v1", DatalinkFlag.ACTIVE)
    add(table, "e0", link_class=DatalinkClass.ETHERSTUB)
    classes = DatalinkClass.VNIC | DatalinkClass.OVERLAY
    assert [one.name for one in table.walk(classes, ALL_FLAGS)] == ["v0", "o0", "v1"]
    assert [one.name for one in table.walk(classes, DatalinkFlag.ACTIVE)] == ["o0", "v1"]
    assert [one.name for one in table.walk(classes, ALL_FLAGS, after=2)] == ["v1"]


def test_a_rename_keeps_the_id_and_frees_the_old_name() -> None:
    table = LinkTable()
    linkid = add(table, "v0")
    add(table, "w0")
    with pytest.raises(KernelError) as refused:
        table.renamed(linkid, "w0")
    assert refusal(refused) is Errno.EEXIST
    table.apply(table.renamed(linkid, "x0"))
    assert table.find("x0").linkid == linkid
    assert not table.has_name("v0")


def test_the_reverse_of_a_change_leads_back() -> None:
    table = LinkTable()
    linkid = add(table, "v0")
    before = table.get(linkid)
    change = table.unflagged(linkid, ALL_FLAGS)
    table.apply(change)
    assert (change.linkid, change.reverse) == (linkid, Change(None, before))
    table.apply(change.reverse)
    assert table.get(linkid) == before
