"""Overlays of the `files` plugin: what create-overlay says of their file, and what show-overlay shows (DLM 2.5, 3.3, 7.3)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from dladm.libdladm import overlay_target
from dladm.libdladm.handle import Dladm
from kernel_sim.sys.codec import CacheEntry, Point

MAP = "etc/overlays/map.json"
VIEW = "show-overlay -p -o property,value,default,possible"


def lines(*texts: str) -> str:
    return "".join(f"dladm: {text}\n" for text in texts)


# ---------------------------------------------------------------------- create-overlay


def test_a_files_overlay_shows_its_file_as_it_was_typed(world_host: Any) -> None:
    world_host.create()
    assert world_host.ok("show-overlay ov0").splitlines()[-3:] == [
        "ov0                search             r-   -   files      --        direct,",
        "                                                                    files,svp",
        "ov0                files/config       rw   y   /etc/overlays/map.json -- --",
    ]


@pytest.mark.parametrize(
    ("path", "content", "errno", "status"),
    [
        ("/etc/overlays/none.json", None, "No such file or directory", "object not found"),
        ("/etc/overlays", None, "Is a directory", "operation failed"),
        ("/bad.json", "", "Invalid argument", "invalid argument"),
        ("/bad.json", "{", "Protocol error", "operation failed"),
        (
            "/bad.json",
            '{"2:0:0:0:0:1": {"ip": "10.0.0.1", "port": 1.5}}',
            "Operation not supported",
            "operation not supported",
        ),
        ("/bad.json", '{"zz": {"ip": "10.0.0.1", "port": 1}}', "Invalid argument", "invalid argument"),
    ],
)
def test_a_file_that_cannot_be_used_fails_the_create_and_leaves_nothing(
    world_host: Any, path: str, content: str | None, errno: str, status: str
) -> None:
    if content is not None:
        world_host.inner.write(path.lstrip("/"), content)
    done = world_host.create(path=path)
    assert (done.out, done.err, done.status) == (
        "",
        lines(f"warning: failed to activate varpd instance: {errno}", f"overlay creation failed: {status}"),
        1,
    )
    assert world_host.ok("show-link -p -o link,class") == "net0:phys\n"
    assert world_host.ok("show-link -P -p -o link") == ""
    assert world_host.create(path="/" + MAP).status == 0


def test_a_file_that_varpd_may_not_read_is_denied(world_host: Any) -> None:
    world_host.inner.write("secret.json", "{}", mode=0o600)
    assert world_host.create(path="/secret.json").err == lines(
        "warning: failed to activate varpd instance: Permission denied", "overlay creation failed: permission denied"
    )


def test_the_file_is_required(world_host: Any) -> None:
    assert world_host.fails("create-overlay -e vxlan -s files -v 23 -p vxlan/listen_ip=10.88.88.69 ov0") == lines(
        "warning: failed to activate varpd instance: Resource temporarily unavailable",
        "warning: unset required property: files/config",
        "overlay creation failed: try again later",
    )


@pytest.mark.fact("DLM-Q4", "DLM-Q5")
def test_properties_that_files_does_not_have(world_host: Any) -> None:
    assert world_host.fails(
        "create-overlay -e vxlan -s files -v 23 -p vxlan/listen_ip=10.88.88.69,files/foo=1 ov0"
    ) == lines("warning: failed to set varpd prop: files/foo\n", "overlay creation failed: I/O error")


def test_a_stored_files_overlay_comes_back_at_boot(world_host: Any) -> None:
    world_host.create()
    before = world_host.ok(f"{VIEW} ov0")
    world_host.inner.kill("kernel")
    assert world_host.ok(f"{VIEW} ov0") == before


# ---------------------------------------------------------------------- show-overlay -t


def test_a_dynamic_table_is_shown_in_order_of_mac_addresses_without_brackets(world_host: Any) -> None:
    world_host.create(name="sdc_overlay7957669", vnetid=7957669)
    for entry in ("90:b8:d0:1f:d0:2a=10.0.1.5:4789", "2:8:20:a:b:c=[fd00:88::5]:4789"):
        world_host.ok(f"modify-overlay -s {entry} sdc_overlay7957669")
    assert world_host.ok("show-overlay -t") == (
        "LINK                TARGET            DESTINATION\n"
        "sdc_overlay7957669  2:8:20:a:b:c      fd00:88::5:4789\n"
        "sdc_overlay7957669  90:b8:d0:1f:d0:2a 10.0.1.5:4789\n"
    )


@pytest.mark.fact("DLM-Q13")
def test_a_drop_entry_is_labelled_also_when_it_had_a_destination(world_host: Any) -> None:
    world_host.create()
    for entry in ("2:0:0:0:0:1=drop", "2:0:0:0:0:2=10.0.0.5:4789", "2:0:0:0:0:2=drop"):
        world_host.ok(f"modify-overlay -s {entry} ov0")
    assert world_host.ok("show-overlay -t -p -o destination") == "drop\ndrop\n"


def test_tables_of_several_overlays_come_one_after_the_other(world_host: Any) -> None:
    world_host.create(name="b0", vnetid=1)
    world_host.create(name="a0", vnetid=2)
    world_host.ok("modify-overlay -s 2:0:0:0:0:2=10.0.0.2:1 a0")
    world_host.ok("modify-overlay -s 2:0:0:0:0:1=10.0.0.1:1 a0")
    world_host.ok("modify-overlay -s 2:0:0:0:0:3=10.0.0.3:1 b0")
    rows = "link,destination"
    assert world_host.ok(f"show-overlay -t -p -o {rows}") == "b0:10.0.0.3\\:1\na0:10.0.0.1\\:1\na0:10.0.0.2\\:1\n"
    assert world_host.ok(f"show-overlay --target -p -o {rows} b0") == "b0:10.0.0.3\\:1\n"


def test_an_empty_table_and_lookups_that_wait_show_nothing(world_host: Any) -> None:
    world_host.create()
    assert world_host.ok("show-overlay -t") == ""
    world_host.ok("create-vnic -l ov0 -m 2:0:0:0:0:1 vnic0")
    world_host.inner.port("vnic0").send(bytes.fromhex("020000000002020000000001") + b"\x88\xb5" + bytes(46))
    assert world_host.ok("show-overlay -t") == ""


@pytest.mark.fact("DLM-Q7")
def test_a_table_that_cannot_be_had_is_no_failure(world_host: Any) -> None:
    world_host.create()
    world_host.ok("modify-overlay -s 2:0:0:0:0:2=10.0.0.2:1 ov0")
    assert world_host.ok("show-overlay -t -p -o destination ov0") == "10.0.0.2:1\n"
    world_host.inner.svcadm("disable varpd")
    assert world_host.ok("show-overlay -t ov0") == ""


def test_ten_thousand_targets_are_shown_in_order_in_two_seconds(world_host: Any) -> None:
    world_host.create()
    macs = [(0x020000000000 + i * 7919 % 10007).to_bytes(6) for i in range(10_000)]
    with Dladm(world_host.system) as handle, handle.varpd() as varpd:
        linkid = handle.dlmgmt.name2info("ov0").linkid
        instance = varpd.instance_lookup(linkid)
        for mac in macs:
            point = Point(ip=bytes(10) + b"\xff\xff" + mac[2:], port=4789)
            varpd.instance_cache_set(instance, CacheEntry(mac, point=point))
        begun = time.perf_counter()
        shown = world_host.ok("show-overlay -t -p -o target,destination ov0")
        assert time.perf_counter() - begun < 2
        assert len(shown.splitlines()) == len(macs)
        assert [one.mac for one in overlay_target.targets(handle, linkid)] == sorted(macs)


# ---------------------------------------------------------------------- show-overlay -f


def test_a_file_that_has_gone_bad_degrades_its_overlay_with_the_reason(world_host: Any) -> None:
    world_host.create(name="ov0")
    world_host.inner.write("good.json", "{}")
    world_host.create(name="ov1", vnetid=24, path="/good.json")
    world_host.inner.write(MAP, "{ ]")
    world_host.inner.svcadm("refresh varpd")
    world_host.world.advance(0.1)
    rows = world_host.ok("show-overlay -f -p -o link,status,details").splitlines()
    assert rows[0].startswith("ov0:DEGRADED:/etc/overlays/map.json")
    assert rows[1] == "ov1:ONLINE:-"
    world_host.inner.write(MAP, "{}")
    world_host.inner.svcadm("refresh varpd")
    world_host.world.advance(0.1)
    assert world_host.ok("show-overlay -f -p -o status ov0") == "ONLINE\n"
