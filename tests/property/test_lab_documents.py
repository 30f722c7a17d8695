"""Any TOML at all is either a lab, or refused with key paths that are in the document."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from etherspan.lab.file import read_lab
from etherspan.lab.model import Lab
from etherspan.schema import At, Invalid, path_text

GOOD: dict[str, Any] = {
    "underlay": {"subnet": "10.88.88.0/24", "mtu": 1500},
    "hosts": {"portolan.lab": ["10.88.88.5"]},
    "host": {
        "cn0": {
            "address": "10.88.88.69",
            "dladm": ["create-vnic -l demo0 vnic0"],
            "files": {"etc/x": "x"},
            "zone": {"web": {"nic": {"vnic0": {"address": ["10.5.5.2/24"], "routes": {"10.6.0.0/16": "10.5.5.1"}}}}},
        }
    },
    "vtep": {
        "l0": {
            "address": "10.88.88.71",
            "vnetid": 23,
            "mac": "02:00:00:00:00:71",
            "inner": ["10.5.5.9/24"],
            "flood": ["10.88.88.69"],
            "fdb": {"02:00:00:00:00:01": "10.88.88.69"},
            "neigh": {"10.5.5.2": "02:00:00:00:00:01"},
            "learning": False,
        }
    },
}

words = st.one_of(
    st.sampled_from(
        ["10.88.88.69", "fd00::1/64", "10.0.0.0/8", "02:00:00:00:00:01", "cn0", "vnic0", "", "a'b", "::%1", "/"]
    ),
    st.text(max_size=12),
)
scalars = st.one_of(words, st.integers(), st.booleans(), st.floats(), st.dates(), st.datetimes(), st.times())
keys = st.one_of(
    st.sampled_from(
        ["underlay", "subnet", "mtu", "hosts", "host", "address", "dladm", "zone", "nic", "vnic0", "vtep", "fdb"]
    ),
    words,
)
values = st.recursive(
    scalars, lambda v: st.one_of(st.lists(v, max_size=3), st.dictionaries(keys, v, max_size=4)), max_leaves=12
)


def exists(document: object, path: tuple[str | int, ...]) -> bool:
    for part in path:
        try:
            document = document[part]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def check(document: dict[str, Any]) -> None:
    try:
        lab = read_lab(At(document))
    except Invalid as error:
        assert error.problems
        for problem in error.problems:
            missing = problem.message.startswith("is missing") or problem.message.endswith("it needs 1280")
            assert exists(document, problem.path[:-1] if missing else problem.path), problem
            assert str(problem) == f"{path_text(problem.path)}: {problem.message}"
    else:
        assert isinstance(lab, Lab)
        assert lab.nodes


@given(st.dictionaries(keys, values, max_size=6))
def test_random_documents(document: dict[str, Any]) -> None:
    check(document)


def spots(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for key, item in value.items():
            found += spots(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += spots(item, (*path, index))
    return found


def copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


@given(st.sampled_from(spots(GOOD)), values)
def test_a_good_document_with_one_value_changed(path: tuple[str | int, ...], value: object) -> None:
    document = copied(GOOD)
    place = document
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    check(document)


@given(st.sampled_from(spots(GOOD)), words)
def test_a_good_document_with_one_key_renamed(path: tuple[str | int, ...], name: str) -> None:
    document = copied(GOOD)
    place = document
    for part in path[:-1]:
        place = place[part]
    if isinstance(place, dict):
        place[name] = place.pop(path[-1])
    check(document)
