"""FMRIs as people type them, and the client of the restarter's door."""

from __future__ import annotations

import pytest

from dladm.doors import message
from dladm.libscf.client import WAIT_SLICE, Scf, matches, resolve
from dladm.libscf.protocol import DLMGMTD, RESTARTER, VARPD, Op, ServiceInfo, State, decode_request
from kernel_sim.sys.errno import Errno, KernelError

ALL = [DLMGMTD, VARPD, RESTARTER]


@pytest.mark.parametrize(
    "pattern",
    [
        "svc:/network/varpd:default",
        "svc:/network/varpd",
        "/network/varpd:default",
        "network/varpd:default",
        "network/varpd",
        "varpd",
        "varpd:default",
        "svc://localhost/network/varpd:default",
        "*varpd*",
        "network/varpd*",
    ],
)
def test_varpd_is_meant(pattern: str) -> None:
    assert resolve(pattern, ALL) == [VARPD]


@pytest.mark.parametrize(
    "pattern", ["", "arpd", "network", "network/varpd:other", "svc:/varpd", "varpd:", "svc:/", ":"]
)
def test_nothing_is_meant(pattern: str) -> None:
    assert resolve(pattern, ALL) == []


def test_a_pattern_may_mean_several() -> None:
    assert resolve("default", ALL) == ALL
    assert resolve("network/*", ALL) == [DLMGMTD, VARPD]
    assert matches("restarter", RESTARTER)


def info(fmri: str, state: State = State.ONLINE) -> ServiceInfo:
    return ServiceInfo(fmri, state, "", 1.5, True, (7, 8), 2, "", "a service", "var/svc/log/x.log")


class Restarter:
    """A system whose door answers as a restarter would; records what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Op, dict[str, object]]] = []
        self.waits = [(False, "offline"), (True, "online")]

    def connect(self, path: str) -> Restarter:
        return self

    def wait(self, seconds: float) -> None:
        raise AssertionError("nothing is to be waited for")

    def call(self, raw: bytes) -> bytes:
        op, fields = decode_request(raw)
        self.asked.append((op, fields))
        if op is Op.LIST:
            return message.encode_reply({"services": [info(one).to_json() for one in ALL]})
        if op is Op.WAIT:
            met, state = self.waits.pop(0)
            return message.encode_reply({"met": met, "state": state})
        return message.encode_reply({})

    def close(self) -> None:
        """Nothing."""


def test_the_services_arrive_as_they_were_sent() -> None:
    with Scf(Restarter()) as scf:
        assert scf.list() == [info(one) for one in ALL]
        assert scf.info("varpd").pid == 7
        assert scf.state("varpd") == "online"


@pytest.mark.parametrize(("fmri", "errno"), [("nothing", Errno.ENOENT), ("default", Errno.EEXIST)])
def test_one_instance_has_to_be_meant(fmri: str, errno: Errno) -> None:
    with Scf(Restarter()) as scf, pytest.raises(KernelError) as refused:
        scf.enable(fmri)
    assert refused.value.errno is errno


def test_requests_name_the_whole_fmri() -> None:
    restarter = Restarter()
    with Scf(restarter) as scf:
        scf.enable("varpd")
        scf.disable("varpd", temporary=True)
        scf.restart("varpd")
        scf.refresh("varpd")
        scf.clear("varpd")
    assert [one for one in restarter.asked if one[0] is not Op.LIST] == [
        (Op.ENABLE, {"fmri": VARPD, "temporary": False}),
        (Op.DISABLE, {"fmri": VARPD, "temporary": True}),
        (Op.RESTART, {"fmri": VARPD}),
        (Op.REFRESH, {"fmri": VARPD}),
        (Op.CLEAR, {"fmri": VARPD}),
    ]


def test_a_long_wait_is_asked_for_in_slices() -> None:
    restarter = Restarter()
    with Scf(restarter) as scf:
        assert scf.wait("varpd", {State.ONLINE}, WAIT_SLICE + 5) is State.ONLINE
    assert [fields["seconds"] for op, fields in restarter.asked if op is Op.WAIT] == [WAIT_SLICE, 5.0]


def test_a_wait_ends_with_the_state_it_ended_in() -> None:
    restarter = Restarter()
    with Scf(restarter) as scf:
        assert scf.wait("varpd", {State.ONLINE}, 1.0) is State.OFFLINE


@pytest.mark.parametrize(
    ("raw", "errno"),
    [
        (b'{"op":"fly"}', Errno.ENOTSUP),
        (b'{"op":{}}', Errno.ENOTSUP),
        (b'{"op":"restart"}', Errno.EINVAL),
        (b'{"op":"restart","fmri":1}', Errno.EINVAL),
        (b'{"op":"wait","fmri":"x","states":[],"seconds":true}', Errno.EINVAL),
        (b'{"op":"list","fmri":"x"}', Errno.EINVAL),
    ],
)
def test_a_request_with_the_wrong_fields_is_refused(raw: bytes, errno: Errno) -> None:
    with pytest.raises(KernelError) as refused:
        decode_request(raw)
    assert refused.value.errno is errno
