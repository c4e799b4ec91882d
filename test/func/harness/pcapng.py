# SPDX-License-Identifier: BSD-3-Clause
"""Reading a pcapng file, from its specification and nothing of the switch's."""

import dataclasses
import struct

from .process import Failure

SECTION, INTERFACE, STATISTICS, PACKET = 0x0A0D0D0A, 1, 5, 6
BYTE_ORDER = 0x1A2B3C4D
END, IF_NAME, EPB_FLAGS = 0, 2, 2
DIRECTIONS = {1: "in", 2: "out"}


@dataclasses.dataclass(frozen=True)
class Captured:
    """A frame of the file."""
    interface: str
    direction: str
    length: int  # on the wire
    data: bytes


def blocks(data):
    """(type, body) of each; both lengths of a block agree."""
    at = 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if length % 4 or length < 12 or at + length > len(data) or \
                struct.unpack_from("<I", data, at + length - 4)[0] != length:
            raise Failure(f"a damaged block of {length} bytes at {at}")
        yield kind, data[at + 8:at + length - 4]
        at += length


def options(body):
    """{code: value}"""
    found, at = {}, 0
    while at < len(body):
        code, length = struct.unpack_from("<HH", body, at)
        if code == END:
            break
        found[code] = body[at + 4:at + 4 + length]
        at += 4 + (length + 3) // 4 * 4
    return found


def packet(body, names):
    """An enhanced packet block."""
    interface, _, _, captured, length = struct.unpack_from("<IIIII", body)
    flags = options(body[20 + (captured + 3) // 4 * 4:])[EPB_FLAGS]
    return Captured(names[interface], DIRECTIONS[struct.unpack("<I", flags)[0] & 3], length,
                    body[20:20 + captured])


def read(path):
    """The frames of a complete file."""
    names, frames = [], []
    for number, (kind, body) in enumerate(blocks(path.read_bytes())):
        if (number == 0) != (kind == SECTION):
            raise Failure(f"block {number} is of type {kind:#x}")
        if kind == SECTION and struct.unpack_from("<I", body)[0] != BYTE_ORDER:
            raise Failure("not little-endian")
        if kind == INTERFACE:
            names.append(options(body[8:])[IF_NAME].decode())
        elif kind == PACKET:
            frames.append(packet(body, names))
    return frames
