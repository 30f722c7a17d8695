"""show-phys (DLM 5.5): the machine's own interfaces."""

from __future__ import annotations

from typing import Any

import pytest

from kernel_sim.ddi import PhysLink
from kernel_sim.sys.dld import LinkDuplex
from kernel_sim.sys.errno import Errno
from kernel_sim.sys.es import ES_PHYS_LIST


@pytest.fixture
def machine(world_host: Any) -> Any:
    """A host with two interfaces, one of them down, and an etherstub."""
    phys = world_host.inner.inner._phys
    phys.set(
        PhysLink(2, "net0", bytes.fromhex("0208200a0b0c"), 9000, up=True, speed=10000, duplex=LinkDuplex.FULL),
        PhysLink(3, "igb12", bytes.fromhex("001b21000001"), 1500, up=False),
    )
    world_host.ok("create-etherstub -t stub0")
    return world_host


def test_state_speed_and_duplex_of_every_interface(machine: Any) -> None:
    assert machine.ok("show-phys") == (
        "LINK         MEDIA                STATE      SPEED  DUPLEX    DEVICE\n"
        "net0         Ethernet             up         10000  full      net0\n"
        "igb12        Ethernet             down       0      unknown   igb12\n"
    )
    assert machine.ok("show-phys -o all") == machine.ok("show-phys")
    assert machine.ok("show-phys igb12").splitlines()[1:] == machine.ok("show-phys").splitlines()[2:]


def test_one_line_a_link_for_scripts(machine: Any) -> None:
    assert machine.ok("show-phys -p -o device,media,speed") == "net0:Ethernet:10000\nigb12:Ethernet:0\n"
    assert machine.ok("show-phys -p -o link,flags net0") == "net0:\n"


def test_their_addresses_and_who_uses_them(machine: Any) -> None:
    assert machine.ok("show-phys -m") == (
        "LINK         SLOT     ADDRESS            INUSE CLIENT\n"
        "net0         primary  2:8:20:a:b:c       yes  net0\n"
        "igb12        primary  0:1b:21:0:0:1      no   --\n"
    )
    assert machine.ok("show-phys -m -p -o address,inuse net0") == "2\\:8\\:20\\:a\\:b\\:c:yes\n"


def test_no_ring_of_theirs_is_the_kernel_s_to_give(machine: Any) -> None:
    assert machine.ok("show-phys -H") == ""
    assert machine.ok("show-phys -H net0") == ""


def test_none_is_persistent(machine: Any) -> None:
    assert machine.ok("show-phys -P") == ""
    assert machine.fails("show-phys -P net0") == "dladm: failed to show physical link net0: object not found\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("-p", "-p requires -o"),
        ("-p -o ALL", '"-o all" is invalid with -p'),
        ("-m -H", "-m cannot combine with -H"),
        ("-m -P", "-m not compatible with -P"),
        ("-p -p -o link", "the option -p cannot be specified more than once"),
        ("-P -P", "the option -P cannot be specified more than once"),
        ("-o frob", "no valid output fields"),
        ("-p -o link,frob", "unknown output field: `frob'"),
        ("-p -o link,slot", "unknown output field: `slot'"),
        ("nope0", "link nope0 is not valid: object not found"),
        ("stub0", "failed to show physical link stub0: invalid argument"),
        ("-m stub0", "failed to show physical link stub0: invalid argument"),
        ("-H stub0", "failed to show physical link stub0: invalid argument"),
    ],
)
def test_what_is_refused(machine: Any, words: str, message: str) -> None:
    assert machine.fails(f"show-phys {words}") == f"dladm: {message}\n"


def test_two_operands_give_the_usage(machine: Any) -> None:
    assert machine.fails("show-phys net0 igb12").startswith("usage:  dladm")


def test_an_interface_that_has_just_gone_is_passed_over_unless_it_is_asked_for(host: Any) -> None:
    host.add_phys("gone0")
    host.add_phys("net0")
    assert host.ok("show-phys -p -o link") == "net0\n"
    assert host.fails("show-phys gone0") == "dladm: failed to show physical link gone0: object not found\n"


def test_a_kernel_that_does_not_tell(host: Any) -> None:
    host.add_phys("net0")
    host.dld.refuse[ES_PHYS_LIST] = Errno.EPERM
    assert host.fails("show-phys net0") == "dladm: failed to show physical link net0: permission denied\n"
