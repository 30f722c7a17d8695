"""snoop: what it makes of frames and files; tshark has to see the same."""

from __future__ import annotations

import io
import shutil
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etherspan.errors import EtherspanError
from etherspan.snoop import command, decode, expr, files
from etherspan.snoop.packet import Packet
from kernel_sim.sys.snoop import Way
from libvarpd.plugins.svp import layout

CAPTURES = sorted((Path(__file__).parents[3] / "fixtures" / "captures").iterdir())
MIXED = Path(__file__).parents[3] / "fixtures" / "captures" / "mixed.pcapng"
NAMES = {
    "ETHER": "eth",
    "VLAN": "vlan",
    "IP": "ip",
    "IPv6": "ipv6",
    "ARP": "arp",
    "ICMP": "icmp",
    "ICMPv6": "icmpv6",
    "UDP": "udp",
    "TCP": "tcp",
    "DHCP": "dhcp",
    "VXLAN": "vxlan",
}
"""What tshark calls the layers. It knows no SVP: that is data to it."""


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    decode.load()


def run(*argv: object) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = command.main([str(one) for one in argv])
    return status, out.getvalue(), err.getvalue()


def tshark(path: Path, *fields: str) -> list[list[str]]:
    argv = ["tshark", "-r", str(path), "-o", "ip.defragment:FALSE", "-T", "fields", "-E", "separator=|"]
    argv += [part for field in fields for part in ("-e", field)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    return [line.split("|") for line in done.stdout.splitlines()]


# ---------------------------------------------------------------------- stacks


@pytest.mark.skipif(shutil.which("tshark") is None, reason="no tshark")
@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_every_packet_of_the_fixtures_has_the_stack_that_tshark_sees(path: Path) -> None:
    seen = [row[0].split(":") for row in tshark(path, "frame.protocols")]
    packets = list(files.read(path))
    assert len(packets) == len(seen) > 10
    for number, (packet, theirs) in enumerate(zip(packets, seen, strict=True), 1):
        ours = [NAMES[layer.name] for layer in decode.decode(packet.data, packet.size) if layer.name in NAMES]
        known = [name for name in theirs if name in NAMES.values()]
        if "icmp" in known or "icmpv6" in known:  # an error quotes the packet it is about; that is part of it here
            at = max(i for i, name in enumerate(known) if name.startswith("icmp"))
            known = known[: at + 1]
        assert ours == known, f"{path.name}, packet {number}"


@pytest.mark.skipif(shutil.which("tshark") is None, reason="no tshark")
@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_times_sizes_and_networks_are_those_of_tshark(path: Path) -> None:
    rows = tshark(path, "frame.time_epoch", "frame.len", "vxlan.vni")
    for packet, (time, size, vni) in zip(files.read(path), rows, strict=True):
        assert abs(packet.time - int(float(time) * 1e9)) < 2000
        assert packet.size == int(size)
        found = [str(one.values["vnetid"]) for one in decode.decode(packet.data) if one.name == "VXLAN"]
        assert ",".join(found) == vni


def test_svp_is_read_by_the_projects_codec() -> None:
    (path,) = (one for one in CAPTURES if one.name == "svp.pcapng")
    layers = [layer for packet in files.read(path) for layer in decode.decode(packet.data) if layer.name == "SVP"]
    summaries = {layer.summary.split(" ID=")[0] for layer in layers}
    assert {"SVP V=2 OP=5(SVP_R_VL3_REQ)", "SVP V=2 OP=6(SVP_R_VL3_ACK)", "SVP V=2 OP=9(SVP_R_LOG_REQ)"} <= summaries
    fields = dict(next(layer for layer in layers if "VL3_ACK" in layer.summary).fields)
    assert fields["Status"] == "0 (OK)"
    assert fields["Address"].startswith("10.88.88.")


@pytest.mark.fact("SVP-Q28")
def test_messages_of_one_segment_are_told_apart_and_part_of_one_is_data() -> None:
    ping = layout.MESSAGE.build({"version": 1, "op": 1, "id": 7, "body": b""})
    pong = layout.MESSAGE.build({"version": 1, "op": 2, "id": 7, "body": b""})
    assert [one.summary for one in decode._svp(ping + pong + ping[:9])] == [
        "SVP V=1 OP=1(SVP_R_PING) ID=7 SIZE=0",
        "SVP V=1 OP=2(SVP_R_PONG) ID=7 SIZE=0",
    ]
    (bad,) = decode._svp(ping[:-1] + bytes((ping[-1] ^ 1,)))
    assert bad.summary.endswith(" BAD CRC")
    assert list(decode._svp(ping[5:])) == []


@given(data=st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_some_frame(data: bytes) -> None:
    assert decode.decode(data)[0].name == "ETHER"


STARTS = [
    bytes.fromhex("020820000002020820000001") + start
    for start in (
        bytes.fromhex("0806"),
        bytes.fromhex("8100"),
        bytes.fromhex("0800") + bytes.fromhex("45000060000000004001"),
        bytes.fromhex("0800") + bytes.fromhex("4500006000000000401100000a3737010a37370200430044"),
        bytes.fromhex("0800") + bytes.fromhex("4500006000000000400600000a3737010a37370205100050"),
        bytes.fromhex("0800") + bytes.fromhex("4500006000000000401100000a3737010a373702c00112b50040000008"),
        *(bytes.fromhex("86dd6000000000403a40") + bytes(32) + bytes((kind,)) for kind in range(256)),
        *(bytes.fromhex("86dd600000000040") + bytes((header, 64)) + bytes(32) for header in (0, 43, 44, 60, 6, 17, 59)),
    )
]


@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=120))
@settings(max_examples=1500, deadline=None)
def test_any_bytes_behind_the_start_of_a_header_are_some_frame(start: bytes, rest: bytes) -> None:
    layers = decode.decode(start + rest)
    assert layers[0].name == "ETHER"
    assert expr.compile_words(["not", "host", "10.0.0.9"])(layers, 60)


@given(body=st.binary(max_size=80), op=st.integers(0, 20), at=st.integers(0, 120))
@settings(max_examples=200, deadline=None)
def test_any_bytes_behind_an_svp_header_are_told(body: bytes, op: int, at: int) -> None:
    message = layout.MESSAGE.build({"version": 1, "op": op, "id": 1, "body": body})[: at or None]
    assert all(layer.name == "SVP" for layer in decode._svp(message))


# ---------------------------------------------------------------------- files

PACKETS = st.lists(
    st.builds(
        Packet,
        time=st.integers(0, 2**32 - 1).map(lambda seconds: seconds * 10**9 + 123_456_000),
        size=st.integers(60, 9000),
        data=st.binary(min_size=14, max_size=60),
        way=st.sampled_from(Way),
        reason=st.sampled_from(("", "tx_lookup_drop")),
    ),
    max_size=5,
)


@given(packets=PACKETS, suffix=st.sampled_from((".snoop", ".pcapng")))
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, packets: list[Packet], suffix: str
) -> None:
    path = tmp_path_factory.mktemp("files") / f"x{suffix}"
    with files.create(path, "vnic0") as writer:
        for packet in packets:
            writer.write(packet)
    again = list(files.read(path))
    assert [(one.time, one.size, one.data) for one in again] == [(one.time, one.size, one.data) for one in packets]


@pytest.mark.skipif(shutil.which("tshark") is None, reason="no tshark")
def test_tshark_reads_ways_and_reasons(tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    with files.create(path, "vnic0") as writer:
        for packet in files.read(MIXED):
            writer.write(Packet(packet.time, packet.size, packet.data, Way.OUT, "tx_lookup_drop"))
    rows = tshark(path, "frame.interface_name", "frame.packet_flags_direction", "frame.comment")
    assert {(name, int(way, 0), said) for name, way, said in rows} == {("vnic0", 2, "dropped: tx_lookup_drop")}


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_a_file_that_is_cut_short_is_told_and_nothing_else_happens(path: Path, tmp_path: Path) -> None:
    whole = path.read_bytes()
    for size in (0, 3, 8, 15, 30, len(whole) // 2 + 1, len(whole) - 1):
        (tmp_path / "cut").write_bytes(whole[:size])
        try:
            list(files.read(tmp_path / "cut"))
        except EtherspanError as error:
            assert str(tmp_path / "cut") in str(error)


@given(
    damage=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=8),
    which=st.integers(0, 2),
)
@settings(max_examples=100, deadline=None)
def test_a_damaged_file_is_told(
    tmp_path_factory: pytest.TempPathFactory, damage: list[tuple[int, int]], which: int
) -> None:
    data = bytearray(CAPTURES[which % len(CAPTURES)].read_bytes())
    for at, value in damage:
        data[at % len(data)] = value
    path = tmp_path_factory.mktemp("damaged") / "x"
    path.write_bytes(data)
    try:
        for packet in files.read(path):
            decode.decode(packet.data, packet.size)
    except EtherspanError as error:
        assert str(path) in str(error)


# ---------------------------------------------------------------------- expressions


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ("dhcp", [1, 2]),
        ("udp and not dhcp", [5, 8, 10, 11]),
        ("tcp", [3, 13]),
        ("tcp or arp", [3, 12, 13]),
        ("tcp, arp", [3, 12, 13]),
        ("vlan", [3]),
        ("vlan-id 7", [3]),
        ("vlan-id 9", [11]),
        ("vxlan-id 23", [10, 11]),
        ("vxlan-id 24", []),
        ("port 80", [3, 13]),
        ("dst port 80", [3]),
        ("from 10.55.55.2", [2]),
        ("to host 10.55.55.1", [2]),
        ("10.55.55.2 udp", [2, 5, 10, 11]),
        ("ip6", [8, 9]),
        ("net fd55::/64 and icmp6", [9]),
        ("broadcast", [1, 12]),
        ("multicast", [1, 12]),
        ("ether 2:8:20:0:0:2 arp", []),
        ("ethertype 0x806", [12]),
        ("greater 1000", [5, 6]),
        ("( tcp or arp ) and not port 80", [12]),
        ("(tcp or arp) ! broadcast", [3, 13]),
        ("less 45", [7, 12]),
        ("svp", []),
    ],
)
def test_expressions(words: str, numbers: list[int]) -> None:
    wanted = expr.compile_words(words.split())
    found = [
        number
        for number, packet in enumerate(files.read(MIXED), 1)
        if wanted(decode.decode(packet.data, packet.size), packet.size)
    ]
    assert found == numbers


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("tcp and", "the expression ends where a primitive is expected"),
        ("( tcp", "the expression ends where ')' is expected"),
        ("tcp )", "')' is not expected there in the expression 'tcp )'"),
        ("port http", "'http' is no number"),
        ("net 10.0.0.0/40", "'10.0.0.0/40' is no network; write it as address/length"),
        ("somewhere", "'somewhere' is neither a primitive nor an address; see 'etherspan man snoop'"),
        ("from", "the expression ends where an address, 'port' or 'net' is expected"),
    ],
)
def test_a_bad_expression_is_told(words: str, said: str) -> None:
    assert run("-i", MIXED, *words.split()) == (1, "", f"snoop: {said}\n")


# ---------------------------------------------------------------------- the command


def test_a_line_a_packet() -> None:
    status, out, err = run("-i", MIXED, "-p", "10,12", "-t", "r")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        " 10    0.00000       10.55.55.1 -> 10.55.55.2       VXLAN VNI=23 TCP D=80 S=2000 Rst Seq=0 Len=0 Win=8192",
        " 11    0.00100       10.55.55.1 -> 10.55.55.2       VXLAN VNI=23 UDP D=2 S=1 LEN=14",
        " 12    0.00200       10.55.55.1 -> (broadcast)      ARP C Who is 10.55.55.2, 10.55.55.2 ?",
    ]


def test_all_fields_and_bytes() -> None:
    status, out, err = run("-i", MIXED, "-v", "-x", "0,16", "-c", 1, "vxlan-id", 23)
    assert (status, err) == (0, "")
    assert out.count(" ----- Ether Header -----") == 2
    assert "VXLAN:  VXLAN Network Identifier = 23\n" in out
    assert out.endswith("       0: 0208 2000 0002 0208 2000 0001 0800 4500    .. ..... .....E.\n\n")


def test_packets_are_saved(tmp_path: Path) -> None:
    assert run("-i", MIXED, "-o", tmp_path / "x.snoop", "tcp") == (0, "", "2 packets captured\n")
    assert run("-i", MIXED, "-q", "-o", tmp_path / "y.snoop", "tcp") == (0, "", "")
    assert [one.data for one in files.read(tmp_path / "x.snoop")] == [
        one.data for number, one in enumerate(files.read(MIXED), 1) if number in (3, 13)
    ]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ((), "neither a link (-d) nor a file (-i) is given"),
        (("-d", "vnic0", "-i", "x"), "-d and -i do not go together: a link or a file"),
        (("-c", "0", "-d", "vnic0"), "-c 0: a number from 1 to 2147483647 is expected"),
        (("-t", "x", "-d", "vnic0"), "-t x: r (since the first packet), a (time of day) or d (since the one before)"),
        (("-x", "a", "-d", "vnic0"), "-x a: a number from 0 to 2147483647 is expected"),
        (("-Z",), "option -Z not recognized"),
    ],
)
def test_a_wrong_call_is_told_with_its_usage(argv: tuple[str, ...], said: str) -> None:
    assert run(*argv) == (2, "", f"snoop: {said}\n{command.USAGE}")


def test_files_that_are_none(tmp_path: Path) -> None:
    assert run("-i", tmp_path / "absent") == (1, "", f"snoop: {tmp_path}/absent: No such file or directory\n")
    (tmp_path / "text").write_text("no capture")
    assert run("-i", tmp_path / "text") == (1, "", f"snoop: {tmp_path}/text is neither a snoop, pcap nor pcapng file\n")
    assert run("-i", MIXED, "-o", tmp_path / "no" / "x")[0] == 1
