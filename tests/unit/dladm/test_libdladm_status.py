"""Statuses and link names (DLM 1.5, 1.6)."""

from __future__ import annotations

import pytest

from dladm.libdladm.linkname import is_valid
from dladm.libdladm.status import DladmError, Status, from_errno
from kernel_sim.sys.errno import Errno, KernelError


@pytest.mark.parametrize(
    ("errno", "text"),
    [
        (0, "ok"),
        (Errno.EINVAL, "invalid argument"),
        (Errno.EEXIST, "object already exists"),
        (Errno.ENOENT, "object not found"),
        (Errno.ENOSPC, "buffer size too small"),
        (Errno.ENOMEM, "insufficient memory"),
        (Errno.ENOTSUP, "operation not supported"),
        (Errno.ENETDOWN, "link notification is not supported"),
        (Errno.EACCES, "permission denied"),
        (Errno.EPERM, "permission denied"),
        (Errno.EIO, "I/O error"),
        (Errno.EBUSY, "link busy"),
        (Errno.EAGAIN, "try again later"),
        (Errno.ENOTEMPTY, "link still has flows"),
        (Errno.EOPNOTSUPP, "flow(s) with incompatible attributes exists"),
        (Errno.EALREADY, "a flow with identical attributes exists"),
        (Errno.EADDRINUSE, "address already in use"),
        (Errno.EBADF, "operation failed"),
        (Errno.ENXIO, "operation failed"),
        (Errno.ERANGE, "operation failed"),
        (Errno.EADDRNOTAVAIL, "operation failed"),
        (4711, "operation failed"),
    ],
)
def test_every_errno_has_its_status(errno: int, text: str) -> None:
    assert from_errno(errno).text == text


def test_the_first_sixteen_statuses_have_the_original_s_numbers() -> None:
    names = """OK BADARG FAILED TOOSMALL NOTSUP NOTFOUND BADVAL NOMEM EXIST LINKINVAL PROPRDONLY BADVALCNT DBNOTFOUND DENIED
    IOERR TEMPONLY"""
    assert [Status(number).name for number in range(16)] == names.split()


def test_every_status_has_a_text_of_its_own() -> None:
    assert len({status.text for status in Status}) == len(Status)


def test_an_error_carries_its_status_and_its_list() -> None:
    error = DladmError.of(KernelError(Errno.EBUSY), ["one", "two\n"])
    assert (error.status, error.entries, str(error)) == (Status.LINKBUSY, ("one", "two\n"), "link busy")


@pytest.mark.parametrize(
    "name", ["ov0", "sdc_overlay4385087", "a.b_1", "v10", "v100", "_0", ".1", "a101", "a0b1", "A" * 30 + "0"]
)
def test_names_that_are_accepted(name: str) -> None:
    assert is_valid(name)


@pytest.mark.parametrize(
    "name", ["ov", "0ov1", "ov01", "ov00", "ov-1", "", "1", "a" * 31 + "0", "ov0\n", "ov 0", "ü0", "a\u0661"]
)
def test_names_that_are_refused(name: str) -> None:
    assert not is_valid(name)
