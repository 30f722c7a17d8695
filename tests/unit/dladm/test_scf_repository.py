"""Properties of services: two versions of them, and a file that keeps both."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dladm.libscf.protocol import DLMGMTD, VARPD
from dladm.libscf.repository import INCLUDE_PATH, MANIFEST, Property, Repository
from kernel_sim.sys.errno import Errno, KernelError

NAMES = st.sampled_from([INCLUDE_PATH, "varpd/note", "varpd/other"])
WANTED = st.builds(
    Property, st.sampled_from(["astring", "fmri"]), st.lists(st.text(max_size=8), max_size=3).map(tuple)
) | st.builds(Property, st.just("count"), st.lists(st.integers(0, 99).map(str), max_size=2).map(tuple))


def refusal(call: Callable[[], object]) -> Errno:
    with pytest.raises(KernelError) as refused:
        call()
    return refused.value.errno


def test_a_host_without_a_file_has_the_properties_of_the_manifest() -> None:
    for running in (False, True):
        assert Repository.parse(b"").properties(VARPD, running=running) == MANIFEST[VARPD]


def test_an_edit_counts_for_the_running_version_from_a_refresh_on() -> None:
    wanted = Property("astring", ("/a", "/b"))
    edited = Repository().with_property(VARPD, INCLUDE_PATH, wanted)
    assert edited.properties(VARPD)[INCLUDE_PATH] == wanted
    assert edited.properties(VARPD, running=True) == MANIFEST[VARPD]
    assert edited.refreshed(VARPD).properties(VARPD, running=True)[INCLUDE_PATH] == wanted
    assert edited.refreshed(DLMGMTD) == edited


def test_a_deleted_property_is_gone_and_its_group_can_be_set_again() -> None:
    bare = Repository().without_property(VARPD, INCLUDE_PATH)
    assert bare.properties(VARPD) == {}
    assert refusal(lambda: bare.without_property(VARPD, INCLUDE_PATH)) is Errno.ENOENT
    assert bare.with_property(VARPD, "varpd/x", Property("astring", ())).properties(VARPD).keys() == {"varpd/x"}


@pytest.mark.parametrize(
    ("name", "kind", "value", "errno"),
    [
        ("other/x", "astring", "v", Errno.ENOENT),
        ("varpd", "astring", "v", Errno.ENOENT),
        ("varpd/a/b", "astring", "v", Errno.ENOENT),
        ("varpd/x", "blob", "v", Errno.EINVAL),
        ("varpd/x", "boolean", "yes", Errno.EINVAL),
        ("varpd/x", "count", "-1", Errno.EINVAL),
        ("varpd/x", "integer", "1.5", Errno.EINVAL),
        ("varpd/x", "time", "soon", Errno.EINVAL),
    ],
)
def test_what_cannot_be_set_is_refused(name: str, kind: str, value: str, errno: Errno) -> None:
    assert refusal(lambda: Repository().with_property(VARPD, name, Property(kind, (value,)))) is errno


def test_other_services_have_no_properties() -> None:
    assert refusal(lambda: Repository().properties(DLMGMTD)) is Errno.ENOENT


@given(st.lists(st.tuples(NAMES, WANTED, st.booleans()), max_size=6))
def test_the_file_gives_back_what_was_kept(edits: list[tuple[str, Property, bool]]) -> None:
    made = Repository()
    for name, wanted, refresh in edits:
        made = made.with_property(VARPD, name, wanted)
        made = made.refreshed(VARPD) if refresh else made
    assert Repository.parse(made.render()) == made


@pytest.mark.parametrize(
    "raw",
    [b"{", b"[]", b'{"a": 1}', b'{"a": {"current": {"varpd/x": 1}}}', b'{"a": {"current": []}}', b"\xff", b"null"],
)
def test_a_damaged_file_is_refused_as_such(raw: bytes) -> None:
    assert refusal(lambda: Repository.parse(raw)) is Errno.EINVAL
