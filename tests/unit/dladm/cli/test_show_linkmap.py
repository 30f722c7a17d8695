"""show-linkmap (DLM 5.5): every link id, active or stored."""

from __future__ import annotations

from typing import Any


def test_every_name_with_its_id_class_medium_and_flags(host: Any) -> None:
    host.add_phys("net0")
    host.demo(name="sdc_overlay7957669")
    host.ok("create-vnic -l sdc_overlay7957669 vnic0")
    host.ok("create-etherstub -t stub0")
    host.ok("delete-vnic -t vnic0")
    assert host.ok("show-linkmap") == (
        "NAME          LINKID  CLASS       MEDIA                 FLAGS\n"
        "net0               1  phys        Ethernet                  1\n"
        "sdc_overlay7957669       2  overlay     Ethernet                  3\n"
        "vnic0              3  vnic        Ethernet                  2\n"
        "stub0              4  etherstub   Ethernet                  1\n"
    )


def test_without_links_there_is_the_header(host: Any) -> None:
    assert host.ok("show-linkmap") == "NAME          LINKID  CLASS       MEDIA                 FLAGS\n"


def test_it_takes_no_argument(host: Any) -> None:
    for words in ("net0", "-x", "-p -o name", "--"):
        assert host.fails(f"show-linkmap {words}") == "dladm: invalid arguments\n"
