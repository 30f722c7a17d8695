"""Instance ids and the tables of instances."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from kernel_sim.sys.errno import Errno
from libvarpd.errors import VarpdError, VarpdPanic
from libvarpd.instances import ID_MAX, IdSpace, InstanceTable


def test_ids_rise_and_a_freed_one_is_not_used_again_before_the_end() -> None:
    ids = IdSpace()
    assert [ids.allocate() for _ in range(3)] == [1, 2, 3]
    ids.free(2)
    assert ids.allocate() == 4


def test_after_the_last_id_the_free_ones_from_the_start_follow() -> None:
    ids = IdSpace(1, 4)
    assert [ids.allocate() for _ in range(4)] == [1, 2, 3, 4]
    ids.free(3)
    ids.free(1)
    assert [ids.allocate(), ids.allocate()] == [1, 3]


def test_running_out_of_ids_is_a_panic() -> None:
    ids = IdSpace(1, 2)
    ids.allocate()
    ids.claim(2)
    with pytest.raises(VarpdPanic):
        ids.allocate()


def test_a_claimed_id_is_passed_over_and_does_not_move_the_order() -> None:
    ids = IdSpace()
    ids.claim(2)
    assert [ids.allocate(), ids.allocate()] == [1, 3]


@pytest.mark.parametrize("wanted", [0, 2147483647, 2**32 + 5, 2**40, 2**64 - 1, 7])
def test_an_id_out_of_range_or_taken_cannot_be_claimed(wanted: int) -> None:
    ids = IdSpace()
    ids.claim(7)
    with pytest.raises(VarpdError) as refused:
        ids.claim(wanted)
    assert refused.value.errno is Errno.EINVAL
    ids.claim(ID_MAX)
    assert ID_MAX == 2147483646


@dataclass(frozen=True)
class Thing:
    id: int
    linkid: int


def test_what_is_added_is_found_by_id_and_by_link_until_it_is_removed() -> None:
    table: InstanceTable[Thing] = InstanceTable()
    one, two = Thing(1, 10), Thing(2, 20)
    table.add(one)
    table.add(two)
    assert (table.find(1), table.get(2), table.by_link(20), list(table), len(table)) == (one, two, two, [one, two], 2)
    table.remove(one)
    assert (table.get(1), table.has_link(10), table.has_link(20)) == (None, False, True)
    for find, missing in ((table.find, 1), (table.by_link, 10)):
        with pytest.raises(VarpdError) as refused:
            find(missing)
        assert refused.value.errno is Errno.ENOENT


def test_a_link_has_one_instance() -> None:
    table: InstanceTable[Thing] = InstanceTable()
    table.add(Thing(1, 10))
    with pytest.raises(VarpdError) as refused:
        table.add(Thing(2, 10))
    assert refused.value.errno is Errno.EEXIST
    assert list(table) == [Thing(1, 10)]
