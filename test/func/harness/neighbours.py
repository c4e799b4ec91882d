# SPDX-License-Identifier: BSD-3-Clause
"""ARP and neighbour discovery, as frames."""

import ipaddress
import struct

BROADCAST = "ff:ff:ff:ff:ff:ff"
ARP, IPV6, ICMPV6, HOPS = 0x0806, 0x86dd, 58, 255
REQUEST, REPLY = 1, 2
SOLICIT, ADVERT = 135, 136
SOURCE_OPTION, TARGET_OPTION = 1, 2


def mac_bytes(text):
    """Of "02:00:00:00:00:01"."""
    return bytes.fromhex(text.replace(":", ""))


def ip_bytes(text):
    """Of an address of either family."""
    return ipaddress.ip_address(text).packed


def ethernet(src, dst, kind, payload):
    """A frame of at least the smallest size."""
    return (mac_bytes(dst) + mac_bytes(src) + struct.pack("!H", kind) + payload).ljust(60, b"\0")


def arp(src, sender, target, dst=BROADCAST, code=REQUEST):
    """ARP of a station, which says that it has address sender."""
    return ethernet(src, dst, ARP, struct.pack("!HHBBH", 1, 0x0800, 6, 4, code) + mac_bytes(src) +
                    ip_bytes(sender) + bytes(6) + ip_bytes(target))


def checksum(data):
    """As IP has it."""
    words = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    words = (words & 0xffff) + (words >> 16)
    return ~(words + (words >> 16)) & 0xffff


def icmpv6(src, dst, addresses, message):
    """A frame from the first to the second of addresses."""
    ends = b"".join(ip_bytes(one) for one in addresses)
    total = checksum(ends + struct.pack("!II", len(message), ICMPV6) + message)
    message = message[:2] + struct.pack("!H", total) + message[4:]
    return ethernet(src, dst, IPV6, struct.pack("!IHBB", 6 << 28, len(message), ICMPV6, HOPS) +
                    ends + message)


def solicit(src, sender, target):
    """A neighbour solicitation to the group of the target; sender "::" makes it a probe."""
    tail = ip_bytes(target)[-3:]
    group = f"ff02::1:ff{tail[0]:02x}:{tail[1]:02x}{tail[2]:02x}"
    option = b"" if sender == "::" else bytes((SOURCE_OPTION, 1)) + mac_bytes(src)
    return icmpv6(src, "33:33:ff:" + ":".join(f"{byte:02x}" for byte in tail), (sender, group),
                  bytes((SOLICIT, 0, 0, 0)) + bytes(4) + ip_bytes(target) + option)


def answer_of(frame):
    """(station, address) that an ARP reply or an advertisement tells; None: it is neither."""
    (kind,) = struct.unpack("!H", frame[12:14])
    if kind == ARP and frame[20:22] == struct.pack("!H", REPLY):
        return frame[22:28].hex(":"), str(ipaddress.ip_address(frame[28:32]))
    if kind == IPV6 and frame[20] == ICMPV6 and frame[54] == ADVERT:
        return frame[80:86].hex(":"), str(ipaddress.ip_address(frame[62:78]))
    return None
