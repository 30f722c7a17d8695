"""Properties that the mac layer keeps of a link, by their numbers (KRN 6.11 to 6.14)."""

from __future__ import annotations

from dladm.libdladm.handle import Dladm
from dladm.libdladm.status import DladmError
from kernel_sim.sys.codec import DldMacprop, PropRange, PropValue, macprop_read, macprop_value
from kernel_sim.sys.dld import DLDIOC_GETMACPROP, DLDIOC_SETMACPROP, MacProp, MacPropFlag, MacPropPerm
from kernel_sim.sys.errno import KernelError


def ask(
    handle: Dladm, linkid: int, num: MacProp, flags: MacPropFlag = MacPropFlag.CURRENT
) -> tuple[PropValue, MacPropPerm]:
    """A property's value, current or default, and what may be done with it. Errors: `DladmError` NOTFOUND, NOTSUP."""
    try:
        reply = DldMacprop.unpack(handle.ioctl(DLDIOC_GETMACPROP, DldMacprop(flags, linkid, num).pack()))
        return macprop_read(num, reply.value), MacPropPerm(reply.perm)
    except KernelError as error:
        raise DladmError.of(error) from error


def get(handle: Dladm, linkid: int, num: MacProp, flags: MacPropFlag = MacPropFlag.CURRENT) -> PropValue:
    """A property's value, current or default. Errors: `DladmError` NOTFOUND, NOTSUP."""
    return ask(handle, linkid, num, flags)[0]


def permission(handle: Dladm, linkid: int, num: MacProp) -> MacPropPerm:
    """What may be done with a property, also one that has no value. Errors: `DladmError` NOTFOUND, NOTSUP."""
    try:
        reply = handle.ioctl(DLDIOC_GETMACPROP, DldMacprop(MacPropFlag.CURRENT, linkid, num).pack())
    except KernelError as error:
        raise DladmError.of(error) from error
    return MacPropPerm(DldMacprop.unpack(reply).perm)


def possible(handle: Dladm, linkid: int, num: MacProp) -> PropRange:
    """The values that a property may take. Errors: `DladmError` NOTFOUND, NOTSUP."""
    try:
        reply = handle.ioctl(DLDIOC_GETMACPROP, DldMacprop(MacPropFlag.POSSIBLE, linkid, num).pack())
        return PropRange.unpack(DldMacprop.unpack(reply).value)
    except KernelError as error:
        raise DladmError.of(error) from error


def number(handle: Dladm, linkid: int, num: MacProp) -> int:
    """The current value of a property that is a number. Errors: as `get`."""
    value = get(handle, linkid, num)
    assert isinstance(value, int)
    return value


def set(  # noqa: A001 - the ioctl's word
    handle: Dladm, linkid: int, num: MacProp, value: PropValue
) -> None:
    """Set a property that the mac layer keeps. Errors: `KernelError`."""
    argument = DldMacprop(MacPropFlag.CURRENT, linkid, num, value=macprop_value(num, value))
    handle.ioctl(DLDIOC_SETMACPROP, argument.pack())
