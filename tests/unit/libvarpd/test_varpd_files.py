"""The search plugin `files` by itself: its property, its answers, its file being read and read again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from kernel_sim.sys.codec import Point, TargLookup
from kernel_sim.sys.errno import Errno
from kernel_sim.sys.ethernet import BROADCAST, ETHERTYPE_ARP, ETHERTYPE_IP, ETHERTYPE_IPV6
from kernel_sim.sys.overlay_common import Dest, PropPerm, PropType
from kernel_sim.sys.overlay_target import TargMode
from libvarpd.errors import VarpdError
from libvarpd.hostfiles import RootFiles
from libvarpd.nvpair import NvList
from libvarpd.plugin import DROP, Drop
from libvarpd.plugins.files import CONFIG, COUNTERS, Files
from libvarpd.prop import V4_MAPPED, Properties, PropInfo
from libvarpd.state import StateRecord

T = TypeVar("T")
BOTH = Dest.IP | Dest.PORT
PATH = "/etc/overlays/map.json"
ONE = bytes.fromhex("020000000001")
TWO = bytes.fromhex("020000000002")
STRANGER = bytes.fromhex("020000000009")
SOLICITED_NODE = bytes.fromhex("3333ff000001")
DOCUMENT = {
    "2:0:0:0:0:1": {"ip": "192.0.2.1", "port": 4789, "arp": "10.1.0.1", "ndp": "fd00::1", "dhcp-proxy": "2:0:0:0:0:2"},
    "2:0:0:0:0:2": {"ip": "192.0.2.2", "port": 4789, "arp": "10.1.0.2"},
}


def to(last: int) -> Point:
    return Point(ip=V4_MAPPED + bytes([192, 0, 2, last]), port=4789)


class FakeProvider:
    """A host with `files`, by path; an errno stands for a file that cannot be read. `told` are the upcalls, in order."""

    vnetid = 23

    def __init__(self) -> None:
        self.files: dict[str, bytes | Errno] = {PATH: json.dumps(DOCUMENT).encode()}
        self.told: list[tuple[str, Any]] = []
        self.warnings: list[str] = []

    def read_file(self, path: str) -> bytes:
        found = self.files.get(path, Errno.ENOENT)
        if isinstance(found, Errno):
            raise VarpdError(found, f"{path}: {found.name}")
        return found

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def inject_varp(self, mac: bytes, target: Point | None) -> None:
        assert target is None
        self.told.append(("forget", mac))

    def degrade(self, text: str) -> None:
        self.told.append(("degrade", text))

    def restore(self) -> None:
        self.told.append(("restore", None))


class FakeQuery:
    """A question; `proxies` are those that were asked for."""

    def __init__(self, dst: bytes, sap: int = ETHERTYPE_IP, src: bytes = ONE, vlan: int = 0) -> None:
        self.request = TargLookup(reqid=1, hdrsize=14, pktsize=64, srcaddr=src, dstaddr=dst, sap=sap, vlan=vlan)
        self.proxies: list[str] = []

    def __getattr__(self, name: str) -> Callable[[], Coroutine[Any, Any, Drop]]:
        async def proxy() -> Drop:
            self.proxies.append(name)
            return DROP

        return proxy


def result(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine that never waits returns."""
    with pytest.raises(StopIteration) as end:
        work.send(None)
    found: T = end.value.value
    return found


def refusal(act: Callable[..., object], *args: object) -> Errno:
    with pytest.raises(VarpdError) as refused:
        act(*args)
    return refused.value.errno


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider()


def configured(provider: Any, path: str = PATH) -> Files:
    made = Files.create(provider, BOTH)
    made.setprop(CONFIG, path.encode() + b"\0")
    return made


@pytest.fixture
def files(provider: FakeProvider) -> Files:
    """A started instance."""
    made = configured(provider)
    made.start()
    return made


def ask(plugin: Files, query: FakeQuery) -> tuple[Point | Drop, list[str]]:
    return result(plugin.lookup(query)), query.proxies  # type: ignore[arg-type]


# ---------------------------------------------------------------------- life and property


@pytest.mark.fact("VPD-Q10")
@pytest.mark.parametrize("dest", [Dest.NONE, Dest.PORT, Dest.ETHERNET, Dest.ETHERNET | BOTH, Dest(8), Dest(10)])
def test_only_destinations_with_an_address_and_perhaps_a_port_are_supported(dest: Dest, provider: Any) -> None:
    assert refusal(Files.create, provider, dest) is Errno.ENOTSUP
    assert refusal(Files.restore, provider, dest, NvList()) is Errno.EINVAL
    for good in (Dest.IP, BOTH):
        assert Files.create(provider, good).nprops() == 1


@pytest.mark.fact("VPD-I34")
def test_it_has_one_property_and_an_instance_of_it_two(provider: Any) -> None:
    made = Files.create(provider, BOTH)
    assert (Files.name, Files.mode) == ("files", TargMode.DYNAMIC)
    assert made.propinfo(0) == PropInfo("files/config", PropType.STRING, PropPerm.RRW)
    properties = Properties("files", made, lambda: ["direct", "files"])
    assert properties.count() == 2
    assert properties.find(CONFIG) == 1


def test_an_unset_path_is_empty_and_other_names_are_unknown(provider: Any) -> None:
    made = Files.create(provider, BOTH)
    assert made.getprop(CONFIG) == b""
    assert refusal(made.getprop, "files/other") is Errno.EINVAL
    assert refusal(made.setprop, "files/other", b"x\0") is Errno.EINVAL


@pytest.mark.fact("VPD-Q37", "VPD-I31")
def test_a_path_is_stored_up_to_its_first_nul(provider: Any) -> None:
    made = Files.create(provider, BOTH)
    made.setprop(CONFIG, b"/etc/a\0/etc/b\0junk")
    assert made.getprop(CONFIG) == b"/etc/a\0"


def test_a_path_without_a_nul_loses_the_byte_in_its_place(provider: Any) -> None:
    made = Files.create(provider, BOTH)
    made.setprop(CONFIG, b"x" * 256)
    assert made.getprop(CONFIG) == b"x" * 255 + b"\0"


@pytest.mark.fact("VPD-B43")
def test_a_value_of_no_bytes_is_invalid_and_the_path_stays(provider: Any) -> None:
    made = configured(provider)
    assert refusal(made.setprop, CONFIG, b"") is Errno.EINVAL
    assert made.getprop(CONFIG) == PATH.encode() + b"\0"


@pytest.mark.fact("VPD-B15")
def test_without_a_path_it_does_not_start(provider: Any) -> None:
    assert refusal(Files.create(provider, BOTH).start) is Errno.EAGAIN


@pytest.mark.fact("VPD-B18")
@pytest.mark.parametrize("errno", [Errno.ENOENT, Errno.EACCES])
def test_a_file_that_cannot_be_read_does_not_start(errno: Errno, provider: FakeProvider) -> None:
    provider.files[PATH] = errno
    made = configured(provider)
    assert refusal(made.start) is errno
    provider.files[PATH] = b"{}"
    made.start()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Any]:
    """A provider whose files are below a folder."""
    root = os.open(tmp_path, os.O_RDONLY)
    yield SimpleNamespace(read_file=RootFiles(root, root, str(tmp_path)).read)
    os.close(root)


@pytest.mark.fact("VPD-B18", "VPD-B19", "VPD-Q5")
def test_a_missing_an_empty_file_and_a_directory_are_refused_each_in_its_way(host: Any, tmp_path: Path) -> None:
    (tmp_path / "empty.json").touch()
    (tmp_path / "folder").mkdir()
    for name, errno in (("none.json", Errno.ENOENT), ("empty.json", Errno.EINVAL), ("folder", Errno.EISDIR)):
        for path in (f"/{name}", name, f"{tmp_path}/{name}"):
            with pytest.raises(VarpdError) as refused:
                configured(host, path).start()
            assert refused.value.errno is errno
            assert path in refused.value.detail


@pytest.mark.fact("VPD-B20", "VPD-Q5")
def test_a_refusal_names_the_file_and_the_place(provider: FakeProvider) -> None:
    provider.files[PATH] = b'{\n "2:0:0:0:0:1": {,}\n}'
    with pytest.raises(VarpdError) as refused:
        configured(provider).start()
    assert refused.value.errno is Errno.EPROTO
    assert refused.value.detail.startswith(f"{PATH}: line 2, column 18: ")


# ---------------------------------------------------------------------- state files


@pytest.mark.fact("VPD-Q21")
def test_it_saves_the_path_and_two_zeros_and_nothing_without_a_path(files: Files, provider: Any) -> None:
    ask(files, FakeQuery(STRANGER))
    result(files.arp(FakeQuery(BROADCAST), bytes(4)))  # type: ignore[arg-type]
    assert [(name, value) for name, _, value in files.save()] == [(CONFIG, PATH), *((name, 0) for name in COUNTERS)]
    assert COUNTERS == ("files/vaf_nmisses", "files/vaf_narp")
    assert len(Files.create(provider, BOTH).save()) == 0


@pytest.mark.fact("VPD-Q21")
def test_a_state_file_is_the_originals_byte_for_byte(provider: Any) -> None:
    saved = configured(provider, "/etc/overlay/net1.json").save()
    data = StateRecord(4, 9, 6, 2, "files", saved).encode()
    assert len(data) == 424
    assert data[8:24].hex() == hashlib.md5(data[24:]).hexdigest() == "efa3b478114b1db66451467bd3c622cd"


def test_what_was_saved_is_restored_and_reads_the_file_afresh(files: Files, provider: FakeProvider) -> None:
    provider.files[PATH] = b'{"2:0:0:0:0:9": {"ip": "192.0.2.9", "port": 4789}}'
    restored = Files.restore(provider, BOTH, files.save())  # type: ignore[arg-type]
    assert restored.save() == files.save()
    restored.start()
    assert ask(restored, FakeQuery(STRANGER)) == (to(9), [])


@pytest.mark.fact("VPD-B58")
def test_counters_may_be_missing_and_what_they_are_does_not_matter(provider: Any) -> None:
    saved = NvList()
    saved.add_string(CONFIG, PATH)
    assert Files.restore(provider, BOTH, saved).getprop(CONFIG) == PATH.encode() + b"\0"
    saved.add_uint64(COUNTERS[0], 7)
    saved.add_string(COUNTERS[1], "eight")
    assert Files.restore(provider, BOTH, saved).getprop(CONFIG) == PATH.encode() + b"\0"
    assert Files.restore(provider, BOTH, NvList()).getprop(CONFIG) == b""


def test_a_path_of_any_bytes_survives(provider: Any) -> None:
    made = Files.create(provider, BOTH)
    made.setprop(CONFIG, b"/etc/\xff\xc3\xa9\n\0")
    assert made.getprop(CONFIG) == b"/etc/\xff\xc3\xa9\n\0"
    assert Files.restore(provider, BOTH, made.save()).getprop(CONFIG) == made.getprop(CONFIG)


# ---------------------------------------------------------------------- lookups


def test_a_frame_to_a_known_mac_address_goes_where_its_entry_says(files: Files) -> None:
    for sap in (ETHERTYPE_IP, ETHERTYPE_IPV6, 0x88B5):
        for vlan in (0, 7):
            assert ask(files, FakeQuery(TWO, sap, vlan=vlan)) == (to(2), [])
    assert ask(files, FakeQuery(STRANGER)) == (DROP, [])


@pytest.mark.fact("VPD-Q15")
def test_the_mac_address_of_a_destination_is_zero(files: Files) -> None:
    found, _ = ask(files, FakeQuery(TWO))
    assert isinstance(found, Point)
    assert found.mac == bytes(6)


@pytest.mark.parametrize("dst", [BROADCAST, TWO, STRANGER])
def test_arp_to_any_address_is_for_the_proxy(files: Files, dst: bytes) -> None:
    assert ask(files, FakeQuery(dst, ETHERTYPE_ARP, src=STRANGER)) == (DROP, ["proxy_arp"])


def test_ipv6_multicast_is_for_the_neighbour_discovery_proxy(files: Files) -> None:
    assert ask(files, FakeQuery(SOLICITED_NODE, ETHERTYPE_IPV6)) == (DROP, ["proxy_ndp"])
    assert ask(files, FakeQuery(SOLICITED_NODE, ETHERTYPE_IP)) == (DROP, [])
    assert ask(files, FakeQuery(b"\x33" + SOLICITED_NODE[:5], ETHERTYPE_IPV6)) == (DROP, ["proxy_ndp"])
    assert ask(files, FakeQuery(b"\x33\x32" + bytes(4), ETHERTYPE_IPV6)) == (DROP, [])


@pytest.mark.fact("VPD-B31")
def test_ipv4_broadcasts_are_for_the_dhcp_proxy_if_their_sender_has_a_server(
    files: Files, provider: FakeProvider
) -> None:
    assert ask(files, FakeQuery(BROADCAST, src=ONE)) == (DROP, ["proxy_dhcp"])
    for without in (TWO, STRANGER):
        assert ask(files, FakeQuery(BROADCAST, src=without)) == (DROP, [])
    provider.files[PATH] = b'{"2:0:0:0:0:1": {"dhcp-proxy": "xyz"}}'
    files.refresh()
    assert ask(files, FakeQuery(BROADCAST, src=ONE)) == (DROP, [])


@pytest.mark.fact("VPD-B32")
def test_unicast_ipv4_is_never_for_the_dhcp_proxy(files: Files) -> None:
    assert ask(files, FakeQuery(TWO, ETHERTYPE_IP, src=ONE)) == (to(2), [])


@pytest.mark.parametrize("dst", [BROADCAST, bytes.fromhex("01005e000001"), bytes.fromhex("0180c2000000")])
def test_what_else_is_for_many_goes_nowhere(files: Files, dst: bytes) -> None:
    assert ask(files, FakeQuery(dst, 0x88B5)) == (DROP, [])


def test_the_proxies_are_told_who_has_an_address(files: Files) -> None:
    def owner(address: bytes) -> bytes | Drop:
        return result(files.arp(FakeQuery(BROADCAST), address))  # type: ignore[arg-type]

    assert owner(bytes([10, 1, 0, 2])) == TWO
    assert owner(bytes.fromhex("fd00") + bytes(13) + b"\1") == ONE
    for nobody in (bytes([10, 1, 0, 3]), V4_MAPPED + bytes([10, 1, 0, 2]), b""):
        assert owner(nobody) == DROP


def test_the_proxies_are_told_the_dhcp_server_of_the_sender(files: Files) -> None:
    assert result(files.dhcp(FakeQuery(BROADCAST, src=ONE))) == TWO  # type: ignore[arg-type]
    assert result(files.dhcp(FakeQuery(BROADCAST, src=TWO))) == DROP  # type: ignore[arg-type]


def test_once_stopped_it_knows_nobody(files: Files) -> None:
    files.stop()
    assert ask(files, FakeQuery(TWO)) == (DROP, [])
    assert result(files.arp(FakeQuery(BROADCAST), bytes([10, 1, 0, 2]))) == DROP  # type: ignore[arg-type]
    files.destroy()


# ---------------------------------------------------------------------- refresh


def rewrite(provider: FakeProvider, **hosts: dict[str, Any] | None) -> None:
    """Replace entries: `h1={…}`, or take them out: `h1=None`."""
    document = {**DOCUMENT, **{f"2:0:0:0:0:{name[1:]}": fields for name, fields in hosts.items()}}
    text = json.dumps({mac: fields for mac, fields in document.items() if fields is not None})
    provider.files[PATH] = text.encode()


def test_a_file_that_has_not_changed_changes_nothing(files: Files, provider: FakeProvider) -> None:
    files.refresh()
    provider.files[PATH] = json.dumps(DOCUMENT, indent=2).encode()
    files.refresh()
    assert provider.told == []
    assert ask(files, FakeQuery(TWO)) == (to(2), [])


def test_moved_and_removed_destinations_are_forgotten_and_no_others(files: Files, provider: FakeProvider) -> None:
    rewrite(provider, h2={"ip": "192.0.2.7", "port": 4789}, h3={"ip": "192.0.2.3", "port": 4789})
    files.refresh()
    assert provider.told == [("forget", TWO)]
    assert ask(files, FakeQuery(TWO)) == (to(7), [])
    rewrite(provider, h1=None, h2={"ip": "192.0.2.7", "port": 4789, "arp": "10.1.0.9"})
    files.refresh()
    assert provider.told[1:] == [("forget", ONE), ("forget", bytes.fromhex("020000000003"))]
    assert ask(files, FakeQuery(ONE)) == (DROP, [])
    assert result(files.arp(FakeQuery(BROADCAST), bytes([10, 1, 0, 9]))) == TWO  # type: ignore[arg-type]


def test_the_new_table_is_in_force_before_anything_is_forgotten(files: Files, provider: FakeProvider) -> None:
    seen: list[object] = []
    provider.inject_varp = lambda mac, target: seen.append(ask(files, FakeQuery(mac))[0])  # type: ignore[method-assign]
    rewrite(provider, h1={"ip": "192.0.2.8", "port": 4789}, h2=None)
    files.refresh()
    assert seen == [to(8), DROP]


@pytest.mark.parametrize(
    ("content", "errno", "reason"),
    [
        (b'{\n "2:0:0:0:0:1": {,}\n}', Errno.EPROTO, f"{PATH}: line 2, column 18: "),
        (b'{"zz": {}}', Errno.EINVAL, f'{PATH}: key "zz" is not the MAC address of one host'),
        (b"", Errno.EINVAL, f"{PATH}: the file is empty"),
        (Errno.ENOENT, Errno.ENOENT, f"{PATH}: ENOENT"),
        (Errno.EACCES, Errno.EACCES, f"{PATH}: EACCES"),
    ],
)
def test_a_bad_file_leaves_the_table_in_force_and_degrades_the_overlay(
    content: bytes | Errno, errno: Errno, reason: str, files: Files, provider: FakeProvider
) -> None:
    provider.files[PATH] = content
    assert refusal(files.refresh) is errno
    [(upcall, text)] = provider.told
    assert upcall == "degrade"
    assert text.startswith(reason)
    assert ask(files, FakeQuery(TWO)) == (to(2), [])


def test_the_next_good_file_restores_the_overlay_once(files: Files, provider: FakeProvider) -> None:
    provider.files[PATH] = b"{"
    refusal(files.refresh)
    rewrite(provider, h2=None)
    files.refresh()
    files.refresh()
    assert provider.told[1:] == [("forget", TWO), ("restore", None)]


def test_the_file_in_force_coming_back_restores_the_overlay(files: Files, provider: FakeProvider) -> None:
    before = provider.files[PATH]
    provider.files[PATH] = Errno.ENOENT
    refusal(files.refresh)
    provider.files[PATH] = before
    files.refresh()
    assert provider.told[1:] == [("restore", None)]


def test_before_start_and_after_stop_a_refresh_does_nothing(provider: FakeProvider) -> None:
    made = configured(provider)
    provider.files[PATH] = b"{"
    made.refresh()
    Files.create(provider, BOTH).refresh()  # type: ignore[arg-type]
    provider.files[PATH] = b"{}"
    made.start()
    made.stop()
    provider.files[PATH] = b"{"
    made.refresh()
    assert provider.told == []


@pytest.mark.parametrize("path", ["/" + "p" * 200, "/" + "\u00e9" * 120, "/\udcff" * 80, "/" + "p" * 253])
def test_a_reason_fits_and_says_what_is_wrong_however_long_the_path_is(path: str, provider: FakeProvider) -> None:
    provider.files[path] = b"{}"
    made = Files.create(provider, BOTH)  # type: ignore[arg-type]
    made.setprop(CONFIG, path.encode("utf-8", "surrogateescape") + b"\0")
    made.start()
    for content, ending in (
        (b'{"2:0:0:0:0:1":\n []}', "an array, where an object is wanted"),
        (Errno.EACCES, "EACCES"),
    ):
        provider.files[path] = content
        refusal(made.refresh)
        text = provider.told[-1][1]
        assert len(text.encode()) <= 255
        assert text.endswith(ending)
        assert text.encode().startswith((b"/", b"..."))


# ---------------------------------------------------------------------- what a person should know


def test_fields_of_no_use_are_named_in_the_log_and_the_file_is_taken(provider: FakeProvider) -> None:
    document = {
        "2:0:0:0:0:1": {
            "ip": "10.0.0.999",
            "port": 70000,
            "arp": "fd00::1",
            "ndp": 7,
            "dhcp-proxy": "ff:ff:ff:ff:ff:ff",
        },
        "2:0:0:0:0:2": {"ip": "10.0.0.2"},
        "2:0:0:0:0:3": {"arp": "10.0.0.3"},
    }
    provider.files[PATH] = json.dumps(document).encode()
    made = Files.create(provider, BOTH)  # type: ignore[arg-type]
    made.setprop(CONFIG, PATH.encode() + b"\0")
    made.start()
    assert provider.warnings == [
        f'{PATH}: 2:0:0:0:0:1.ip: "10.0.0.999" is no IP address',
        f'{PATH}: 2:0:0:0:0:1.arp: "fd00::1" is no IPv4 address',
        f"{PATH}: 2:0:0:0:0:1.ndp: 7 is no IPv6 address",
        f'{PATH}: 2:0:0:0:0:1.dhcp-proxy: "ff:ff:ff:ff:ff:ff" is not the MAC address of one host',
        f"{PATH}: 2:0:0:0:0:1.port: 70000 is no number within 1..65535",
        f"{PATH}: 2:0:0:0:0:2: there is no port, so its ip is of no use",
    ]
    assert provider.told == []


def test_of_many_fields_of_no_use_the_log_names_some(provider: FakeProvider) -> None:
    provider.files[PATH] = json.dumps({f"2:0:0:0:0:{n:x}": {"ndp": "x"} for n in range(100)}).encode()
    made = Files.create(provider, BOTH)  # type: ignore[arg-type]
    made.setprop(CONFIG, PATH.encode() + b"\0")
    made.start()
    assert len(provider.warnings) == 21
    assert provider.warnings[-1] == f"{PATH}: 80 more of these"


@pytest.mark.parametrize("content", [b"{", Errno.ENOENT, Errno.EACCES])
def test_a_restored_instance_starts_with_a_bad_file_degraded_and_empty(
    content: bytes | Errno, provider: FakeProvider
) -> None:
    saved = NvList()
    saved.add_string(CONFIG, PATH)
    provider.files[PATH] = content
    made = Files.restore(provider, BOTH, saved)  # type: ignore[arg-type]
    made.start()
    [(operation, reason)] = provider.told
    assert operation == "degrade"
    assert PATH in reason
    assert [PATH in text for text in provider.warnings] == [True]
    assert result(made.lookup(FakeQuery(TWO))) is DROP  # type: ignore[arg-type]
    provider.files[PATH] = json.dumps(DOCUMENT).encode()
    made.refresh()
    assert provider.told[1:] == [("restore", None)]
    assert isinstance(result(made.lookup(FakeQuery(TWO))), Point)  # type: ignore[arg-type]


def test_an_instance_that_was_stopped_and_is_started_again_refuses_a_bad_file(provider: FakeProvider) -> None:
    saved = NvList()
    saved.add_string(CONFIG, PATH)
    made = Files.restore(provider, BOTH, saved)  # type: ignore[arg-type]
    made.start()
    made.stop()
    provider.files[PATH] = b"{"
    assert refusal(made.start) is Errno.EPROTO
