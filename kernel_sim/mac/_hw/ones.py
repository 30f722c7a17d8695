"""One's complement sums of 16-bit words (RFC 1071), by arithmetic on big integers.

Bytes read as one big-endian number are congruent to the sum of their 16-bit words modulo 65535, since 65536 leaves 1. So a sum is one
`int.from_bytes` and one remainder; long numbers are first folded in halves, which is faster than a long division.

Sums here are residues: 0 stands for the sums 0 and 0xffff alike. That loses nothing: the words of a real packet are never all zero, so
a residue of 0 is always the sum 0xffff.
"""

from __future__ import annotations

from typing import Final

from kernel_sim.sys.message import Buffer

MODULUS: Final = 0xFFFF
UDP_STUFF: Final = 6
"""Where a UDP header has its checksum; the only protocol here whose 0 means "none"."""

_LARGEST_FOLD: Final = 19
_FOLDS: Final = tuple(
    tuple((1 << bits, (1 << (1 << bits)) - 1) for bits in range(min(size + 2, _LARGEST_FOLD), 10, -1))
    for size in range(_LARGEST_FOLD + 1)
)
"""By bit length of the byte count: the places to fold at, from the largest, each with its mask. All are multiples of 16 bits."""


def ones_sum(data: Buffer) -> int:
    """The sum of big-endian words, modulo 65535; an odd last byte is the upper half of a word."""
    size = len(data)
    number = int.from_bytes(data, "big")
    if size & 1:
        number <<= 8
    if size > 256:
        for bits, mask in _FOLDS[min(size.bit_length(), _LARGEST_FOLD)]:
            number = (number & mask) + (number >> bits)
    return number % MODULUS


def checksum(total: int) -> int:
    """The checksum field that belongs to a sum of everything else."""
    return -total % MODULUS


def udp_checksum(total: int) -> int:
    """The same for UDP, where 0 means that there is none and 0xffff is sent instead."""
    return -total % MODULUS or MODULUS


def folded(total: int) -> int:
    """A sum as it stands in the checksum field of an unfinished packet: 1..0xffff."""
    return total % MODULUS or MODULUS
