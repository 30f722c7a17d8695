"""illumos numbers and texts, and the way in from Linux numbers."""

from __future__ import annotations

import errno as host

import pytest

from kernel_sim.sys.errno import Errno, KernelError, from_host, strerror

NUMBERS_UNLIKE_LINUX = {
    "ENOTSUP": 48,
    "EOVERFLOW": 79,
    "ENOTEMPTY": 93,
    "EMSGSIZE": 97,
    "EADDRINUSE": 125,
    "EADDRNOTAVAIL": 126,
    "ENOBUFS": 132,
    "EALREADY": 149,
}
NUMBERS_LIKE_LINUX = [
    "EPERM",
    "ENOENT",
    "EINTR",
    "ENXIO",
    "E2BIG",
    "EBADF",
    "EAGAIN",
    "ENOMEM",
    "EACCES",
    "EFAULT",
    "EBUSY",
    "EEXIST",
    "EINVAL",
    "ENOTTY",
    "ENOSPC",
    "ERANGE",
    "ETIME",
]
TEXTS = {
    "EPERM": "Not owner",
    "ENOENT": "No such file or directory",
    "EIO": "I/O error",
    "ENXIO": "No such device or address",
    "EBADF": "Bad file number",
    "EAGAIN": "Resource temporarily unavailable",
    "ENOMEM": "Not enough space",
    "EACCES": "Permission denied",
    "EBUSY": "Device busy",
    "EEXIST": "File exists",
    "EINVAL": "Invalid argument",
    "ENOTSUP": "Operation not supported",
    "EOVERFLOW": "Value too large for defined data type",
    "EADDRNOTAVAIL": "Cannot assign requested address",
    "EADDRINUSE": "Address already in use",
    "ETIMEDOUT": "Connection timed out",
    "ECONNREFUSED": "Connection refused",
}


@pytest.mark.parametrize(("name", "number"), NUMBERS_UNLIKE_LINUX.items())
def test_numbers_that_differ_from_linux_are_those_of_illumos(name: str, number: int) -> None:
    assert Errno[name] == number


@pytest.mark.parametrize("name", NUMBERS_LIKE_LINUX)
def test_the_common_numbers_are_the_same_on_both(name: str) -> None:
    assert Errno[name] == getattr(host, name)


@pytest.mark.parametrize(("name", "text"), TEXTS.items())
def test_strerror_prints_the_illumos_text(name: str, text: str) -> None:
    assert strerror(Errno[name]) == text


def test_every_errno_has_a_text_of_its_own() -> None:
    assert len({strerror(member) for member in Errno}) == len(Errno)


@pytest.mark.parametrize("number", [0, -1, 75, 9999])
def test_a_number_illumos_does_not_have_is_an_unknown_error(number: int) -> None:
    assert strerror(number) == "Unknown error"


def test_a_linux_number_becomes_the_illumos_number_of_the_same_name() -> None:
    both = [member for member in Errno if hasattr(host, member.name)]
    assert len(both) > 80
    for member in both:
        if member is not Errno.EOPNOTSUPP:  # one number with ENOTSUP on Linux
            assert from_host(getattr(host, member.name)) is member
    assert from_host(host.EOPNOTSUPP) is Errno.ENOTSUP


@pytest.mark.parametrize("number", [None, 0, 9999, host.EKEYREVOKED])
def test_a_linux_number_without_a_name_on_illumos_is_an_io_error(number: int | None) -> None:
    assert from_host(number) is Errno.EIO


def test_a_received_number_that_illumos_does_not_have_is_an_io_error() -> None:
    assert Errno.of(126) is Errno.EADDRNOTAVAIL
    assert Errno.of(4711) is Errno.EIO


def test_a_kernel_error_prints_its_text_and_then_what_it_was_about() -> None:
    assert str(KernelError(Errno.EPERM)) == "Not owner"
    refused = KernelError(Errno.EBUSY, "ov0 has VNICs", argument=b"x")
    assert str(refused) == "Device busy: ov0 has VNICs"
    assert (refused.errno, refused.detail, refused.argument) == (Errno.EBUSY, "ov0 has VNICs", b"x")


def test_a_failed_call_to_the_machine_becomes_a_kernel_error() -> None:
    refused = KernelError.from_os(OSError(host.EADDRNOTAVAIL, "x"), "bind")
    assert (refused.errno, refused.detail) == (Errno.EADDRNOTAVAIL, "bind")
