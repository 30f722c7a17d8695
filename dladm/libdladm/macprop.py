"""Properties that the mac layer keeps of a link, by their numbers (KRN 6.11, 6.12)."""

from __future__ import annotations

from dladm.libdladm.handle import Dladm
from dladm.libdladm.status import DladmError
from kernel_sim.sys.codec import DldMacprop, PropValue, macprop_read, macprop_value
from kernel_sim.sys.dld import DLDIOC_GETMACPROP, DLDIOC_SETMACPROP, MacProp, MacPropFlag
from kernel_sim.sys.errno import KernelError


def get(handle: Dladm, linkid: int, num: MacProp, flags: MacPropFlag = MacPropFlag.CURRENT) -> PropValue:
    """A property that the mac layer keeps: its current value, or its default. Errors: `DladmError` NOTFOUND, NOTSUP."""
    try:
        reply = handle.ioctl(DLDIOC_GETMACPROP, DldMacprop(flags, linkid, num).pack())
        return macprop_read(num, DldMacprop.unpack(reply).value)
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
