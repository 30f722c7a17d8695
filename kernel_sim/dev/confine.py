"""What a daemon gives up for good once it runs: capabilities, system calls it has no use for, places to write to.

A daemon that somebody has taken over shall not be able to start programs, mount, load code into the kernel, or look into other processes;
and varpd and portolan shall write nowhere but in their own folders. Linux's means are a seccomp filter and Landlock; both last until
the process ends, and what it may start inherits them. Where the machine has one of them not, there is one defence less: `able` says which.

There is no well-kept library that brings both without a compiler, hence the few calls by ctypes.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable
from typing import Final

CAP_NET_ADMIN: Final = 12
CAP_SYS_ADMIN: Final = 21

_PR_SET_SECCOMP: Final = 22
_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
_CAPABILITY_VERSION_3: Final = 0x20080522
_CAPABILITIES: Final = 64

_SECCOMP_MODE_FILTER: Final = 2
_RET_ALLOW: Final = 0x7FFF0000
_RET_EPERM: Final = 0x00050000 | errno.EPERM
_RET_KILL_PROCESS: Final = 0x80000000
_LOAD_WORD: Final = 0x20
_JUMP_EQUAL: Final = 0x15
_JUMP_AT_LEAST: Final = 0x35
_RETURN: Final = 0x06
_NUMBER_AT: Final = 0
_ARCH_AT: Final = 4
_X32: Final = 0x40000000
"""On x86_64, numbers from here on are those of another calling convention."""

SETNS: Final = "setns"
_NEWER: Final = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "pidfd_getfd": 438,
    "mount_setattr": 442,
}
"""Of all architectures alike."""
_CALLS: Final = {
    # name               x86_64  aarch64
    "execve": (59, 221),
    "execveat": (322, 281),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    SETNS: (308, 268),
    "unshare": (272, 97),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "mknodat": (259, 33),
    "acct": (163, 89),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "quotactl": (179, 60),
    "personality": (135, 92),
    "setuid": (105, 146),
    "setgid": (106, 144),
    "setreuid": (113, 145),
    "setregid": (114, 143),
    "setgroups": (116, 159),
    "setresuid": (117, 147),
    "setresgid": (119, 149),
    "setfsuid": (122, 151),
    "setfsgid": (123, 152),
    "capset": (126, 91),
}
FORBIDDEN: Final = frozenset(_CALLS) | frozenset(_NEWER)
"""Calls that no daemon makes once it runs, but for the kernel, which enters the namespaces of zones."""
_ARCHITECTURES: Final = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""What seccomp calls a machine, and its column above."""

_LANDLOCK_CREATE: Final = 444
_LANDLOCK_ADD: Final = 445
_LANDLOCK_RESTRICT: Final = 446
_LANDLOCK_VERSION: Final = 1
_LANDLOCK_PATH_BENEATH: Final = 1
_WRITE_FILE: Final = 1 << 1
_REMOVE_DIR: Final = 1 << 4
_REMOVE_FILE: Final = 1 << 5
_MAKE: Final = 0b1111111 << 6
"""Character device, directory, regular file, socket, FIFO, block device, symbolic link."""
_REFER: Final = 1 << 13
_TRUNCATE: Final = 1 << 14
_SINCE: Final = {2: _REFER, 3: _TRUNCATE}

_libc: Final = ctypes.CDLL(None, use_errno=True)


def able() -> dict[str, bool]:
    """Which of seccomp and Landlock this machine has."""
    return {"seccomp": _has_seccomp(), "Landlock": _landlock_version() > 0}


def _has_seccomp() -> bool:
    # a filter at no address: EFAULT where there are filters, EINVAL where not
    result = _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, None, 0, 0)
    return platform.machine() in _ARCHITECTURES and result != 0 and ctypes.get_errno() == errno.EFAULT


def _landlock_version() -> int:
    return max(int(_libc.syscall(_LANDLOCK_CREATE, None, 0, _LANDLOCK_VERSION)), 0)


def keep_capabilities(kept: Iterable[int]) -> None:
    """Have these capabilities at most, and gain none by starting a program. Errors: `OSError`."""
    wanted = sum(1 << number for number in kept)
    present = _capabilities() & wanted
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _check(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
    for number in range(_CAPABILITIES):
        if not wanted >> number & 1 and _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0):
            break  # no such capability, or no right to take it out of the bounding set, which no_new_privs makes idle
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    low, high = present & 0xFFFFFFFF, present >> 32
    _check(_libc.capset(header, (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)))


def _capabilities() -> int:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()
    _check(_libc.capget(header, data))
    return int(data[1] | data[4] << 32)


def forbid_calls(*, but: Iterable[str] = ()) -> bool:
    """Refuse the calls in `FORBIDDEN` with EPERM from now on, but for some. False where there is no seccomp. Errors: `OSError`."""
    found = _ARCHITECTURES.get(platform.machine())
    if found is None or not _has_seccomp():
        return False
    architecture, column = found
    numbers = sorted({*_NEWER.values(), *(row[column] for name, row in _CALLS.items() if name not in set(but))})
    program = _program(architecture, numbers)
    memory = ctypes.create_string_buffer(program)
    header = ctypes.create_string_buffer(struct.pack("@HxxxxxxQ", len(program) // 8, ctypes.addressof(memory)))
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _check(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0))
    return True


def _program(architecture: int, numbers: list[int]) -> bytes:
    """The filter: instructions of 8 bytes (code, jump if true, jump if false, operand)."""
    count = len(numbers)
    rows = [
        (_LOAD_WORD, 0, 0, _ARCH_AT),
        (_JUMP_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _RET_KILL_PROCESS),
        (_LOAD_WORD, 0, 0, _NUMBER_AT),
        (_JUMP_AT_LEAST, count + 1, 0, _X32),
        *((_JUMP_EQUAL, count - at, 0, number) for at, number in enumerate(numbers)),
        (_RETURN, 0, 0, _RET_ALLOW),
        (_RETURN, 0, 0, _RET_EPERM),
    ]
    return b"".join(struct.pack("=HBBI", *row) for row in rows)


def write_below(folders: Iterable[int]) -> bool:
    """Write, make and remove files nowhere but below these folders (descriptors). False where there is no Landlock. Errors: `OSError`."""
    version = _landlock_version()
    if not version:
        return False
    rights = _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE
    rights |= sum(right for since, right in _SINCE.items() if version >= since)
    attributes = ctypes.create_string_buffer(struct.pack("=Q", rights), 8)
    ruleset = _check_fd(_libc.syscall(_LANDLOCK_CREATE, attributes, 8, 0))
    try:
        for folder in folders:
            rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, folder), 12)
            _check(_libc.syscall(_LANDLOCK_ADD, ruleset, _LANDLOCK_PATH_BENEATH, rule, 0))
        _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _check(_libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0))
    finally:
        os.close(ruleset)
    return True


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _check_fd(result: int) -> int:
    if result < 0:
        _check(result)
    return result
