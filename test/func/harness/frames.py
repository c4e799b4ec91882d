# SPDX-License-Identifier: BSD-3-Clause
"""Random frames, whole and as a guest hands them over that leaves work to the switch.

All bytes are made here, by the RFCs: neither the switch nor a library says which are right.
"""

import struct

TCP, UDP, HOP, ROUTING, FRAGMENT, AH, DSTOPTS = 6, 17, 0, 43, 44, 51, 60
NEEDS_CSUM = 1
GSO_TCPV4, GSO_UDP, GSO_TCPV6, GSO_UDP_L4, GSO_ECN = 1, 3, 4, 5, 0x80
CWR, PSH, FIN = 0x80, 0x08, 0x01
TAGS = (0x8100, 0x88a8)
IPV4, IPV6 = 0x0800, 0x86dd


def ones(data):
    """Ones' complement sum of 16-bit words."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return total


def checksum(data):
    """Value of a checksum's field, of TCP and UDP."""
    return (ones(data) ^ 0xffff) or 0xffff


class Ends:
    """The two ends of a flow, and what the IP header says instead."""

    def __init__(self, rng, size):
        self.src, self.dst = (bytes([0x20]) + rng.randbytes(size - 1) for _ in "sd")
        self.header_src, self.header_dst = self.src, self.dst
        self.known = True   # the final destination can be read from the frame
        self.plain = True   # no extension header, no source route on its way

    def pseudo(self, proto, length):
        """The pseudo header."""
        return self.src + self.dst + struct.pack("!IHH", length, 0, proto)


# --- IPv6 extension headers: functions that return all but the number of the next header ---

def padded_options(text):
    """Options to a multiple of 8 bytes, less the two of number and length."""
    missing = -(len(text) + 2) % 8
    if missing == 1:
        text += b"\0"
    elif missing:
        text += bytes([1, missing - 2]) + bytes(missing - 2)
    return bytes([(len(text) + 2) // 8 - 1]) + text


def options(rng, ends, home):
    """Destination or hop-by-hop options; with a home address, the source is not the header's."""
    parts = [rng.choice([b"\0", b"\x01\x00", b"\x01\x04" + bytes(4), b"\x05\x02\0\0",
                         b"\x1e" + bytes([9]) + rng.randbytes(9),
                         b"\x01\xc8" + bytes(200)]) for _ in range(rng.randrange(4))]
    if home:
        ends.header_src = b"\x20" + rng.randbytes(15)
        parts.append(b"\xc9\x10" + ends.src)
    rng.shuffle(parts)
    return padded_options(b"".join(parts))


def route_list(rng, ends, kind):
    """Types 0 and 2: addresses in the order they are visited."""
    hops = [b"\x20" + rng.randbytes(15) for _ in range(1 if kind == 2 else rng.randint(1, 6))]
    left = rng.randint(0, len(hops))
    if left:
        hops[-1] = ends.dst
        ends.header_dst = b"\x20" + rng.randbytes(15)
    body = b"".join(hops)
    return struct.pack("!BBBI", len(body) // 8, kind, left, 0) + body


def route_segments(rng, ends, _):
    """Type 4: in reverse order, and perhaps TLVs; the first may be missing in the list."""
    hops = [b"\x20" + rng.randbytes(15) for _ in range(rng.randint(1, 6))]
    left = rng.randint(0, len(hops))
    if left:
        hops[0] = ends.dst
        ends.header_dst = b"\x20" + rng.randbytes(15)
    tlvs = rng.choice([b"", b"", b"\x04\x06" + bytes(6), b"\0" * 8])
    body = b"".join(hops) + tlvs
    return struct.pack("!BBBBBH", len(body) // 8, 4, left, len(hops) - 1, rng.choice([0, 0x20]),
                       rng.randrange(1 << 16)) + body


def route_compressed(rng, ends, _):
    """Type 3: without the first bytes, which are those of the header's destination."""
    inner, last = rng.randrange(16), rng.randrange(16)
    ends.header_dst = ends.dst[:max(inner, last)] + rng.randbytes(16 - max(inner, last))
    left = rng.randint(1, 4)
    body = b"".join(rng.randbytes(16 - inner) for _ in range(left - 1 + rng.randrange(2)))
    body += ends.dst[last:]
    pad = -len(body) % 8
    return struct.pack("!BBBBBH", (len(body) + pad) // 8, 3, left, inner << 4 | last, pad << 4, 0) \
        + body + bytes(pad)


def route_unknown(rng, ends, _):
    """A type of an experiment."""
    left = rng.choice([0, 0, 3])
    if left:
        ends.header_dst = b"\x20" + rng.randbytes(15)
        ends.known = False
    return struct.pack("!BBBI", 1, 253, left, 0) + rng.randbytes(8)


ROUTES = ((route_list, 0), (route_list, 2), (route_segments, 4), (route_compressed, 3),
          (route_unknown, 253))


def extensions(rng, ends):
    """[(number, bytes behind the number of the next)]"""
    chain, routed, home = [], False, False
    if rng.random() < 0.3:
        chain.append((HOP, options(rng, ends, False)))
    for _ in range(rng.choice([0, 0, 1, 1, 2, 3])):
        kind = rng.choice([ROUTING, ROUTING, DSTOPTS, AH, FRAGMENT])
        if kind == ROUTING and not routed:
            routed = True
            make, number = rng.choice(ROUTES)
            chain.append((kind, make(rng, ends, number)))
        elif kind == DSTOPTS:
            with_home = not home and rng.random() < 0.4
            home = home or with_home
            chain.append((kind, options(rng, ends, with_home)))
        elif kind == AH:
            chain.append((kind, bytes([4, 0, 0]) + rng.randbytes(20)))
        elif kind == FRAGMENT and all(number != FRAGMENT for number, _ in chain):
            chain.append((kind, bytes([0, 0, rng.choice([0, 6])]) + rng.randbytes(4)))
    return chain


def ipv6(rng, proto):
    """(ends, function of the length behind it that returns the headers)"""
    ends = Ends(rng, 16)
    chain = extensions(rng, ends)
    ends.plain = not chain
    ends.fragment_header = any(number == FRAGMENT for number, _ in chain)
    numbers = [number for number, _ in chain] + [proto]
    body = b"".join(bytes([after]) + text for (_, text), after in zip(chain, numbers[1:]))
    first = struct.pack("!I", 6 << 28 | rng.randrange(1 << 28))
    hops = rng.randint(1, 255)

    def headers(length, _index):
        return first + struct.pack("!HBB", len(body) + length, numbers[0], hops) \
            + ends.header_src + ends.header_dst + body
    return ends, headers


# --- IPv4 ---

def source_route(rng, ends):
    """A loose or strict route; its pointer is behind it when it has been gone."""
    count = rng.randint(1, 4)
    hops = [b"\x0a" + rng.randbytes(3) for _ in range(count)]
    at = rng.randint(0, count)
    if at < count:
        hops[-1] = ends.dst
        ends.header_dst = b"\x0a" + rng.randbytes(3)
        ends.plain = False
    return bytes([rng.choice([131, 137]), 3 + 4 * count, 4 + 4 * at]) + b"".join(hops)


def ipv4_options(rng, ends):
    """To a multiple of 4 bytes, 40 at most."""
    parts = [rng.choice([b"\x01", b"\x94\x04\0\0", b"\x07\x07\x04" + bytes(4),
                         b"\x44\x08\x05\0" + bytes(4), b"\x1e\x05" + rng.randbytes(3)])
             for _ in range(rng.choice([0, 0, 1, 2]))]
    if rng.random() < 0.3:
        parts.append(source_route(rng, ends))
    rng.shuffle(parts)
    text = b"".join(parts)
    if len(text) < 28 and rng.random() < 0.3:
        text += b"\0\x83\x07\x04" + rng.randbytes(4)  # behind the end of the list
    return text + bytes(-len(text) % 4)


def ipv4(rng, proto):
    """As ipv6()."""
    ends = Ends(rng, 4)
    ends.src, ends.dst = b"\x0a" + ends.src[1:], b"\x0a" + ends.dst[1:]
    ends.header_src, ends.header_dst = ends.src, ends.dst
    ends.fragment_header = False
    text = ipv4_options(rng, ends)
    number, tos, ttl = rng.randrange(1 << 16), rng.randrange(256), rng.randint(1, 255)
    flags = rng.choice([0, 0x4000])

    def headers(length, index, fragment=None):
        size = 20 + len(text)
        head = struct.pack("!BBHHHBBH", 0x40 | size // 4, tos, size + length,
                           (number + index) & 0xffff, flags if fragment is None else fragment, ttl,
                           proto, 0) + ends.header_src + ends.header_dst + text
        return head[:10] + struct.pack("!H", ones(head) ^ 0xffff) + head[12:]
    return ends, headers


class Frame:
    """TCP or UDP behind any headers."""

    def __init__(self, rng, dst, most):
        self.tcp = rng.random() < 0.5
        self.proto = TCP if self.tcp else UDP
        self.version = rng.choice([IPV4, IPV6])
        self.ends, self.ip = (ipv4 if self.version == IPV4 else ipv6)(rng, self.proto)
        tags = b"".join(struct.pack("!HH", rng.choice(TAGS), rng.randrange(1 << 16))
                        for _ in range(rng.choice([0, 0, 1, 2])))
        self.l2 = dst + b"\x02" + rng.randbytes(5) + tags + struct.pack("!H", self.version)
        self.payload = rng.randbytes(rng.choice([0, 1, 2, rng.randrange(most), most - 1]))
        self.ports = rng.randbytes(4)
        self.seq, self.middle = rng.randrange(1 << 32), rng.randbytes(4)
        self.flags = rng.choice([0x10, 0x18, 0x19, 0x98, 0xd1, 0x11, 0x90])
        self.tail = rng.randbytes(2)  # TCP's window
        self.tcp_options = rng.randbytes(4 * rng.randrange(11))
        self.start = len(self.l2) + len(self.ip(0, 0))
        self.l4_len = 20 + len(self.tcp_options) if self.tcp else 8
        self.field = self.start + (16 if self.tcp else 6)
        self.headers = self.start + self.l4_len

    def l4(self, payload, seq, flags):
        """TCP or UDP with its payload, and a checksum of 0."""
        if self.tcp:
            head = self.ports + struct.pack("!I", (self.seq + seq) & 0xffffffff) + self.middle \
                + bytes([self.l4_len << 2 & 0xf0, flags]) + self.tail + bytes(4) + self.tcp_options
        else:
            head = self.ports + struct.pack("!HH", self.l4_len + len(payload), 0)
        return head + payload

    def make(self, payload, index=0, seq=0, flags=None, partial=False):
        """A segment: number index of all, with its payload."""
        body = self.l4(payload, seq, self.flags if flags is None else flags)
        pseudo = self.ends.pseudo(self.proto, len(body))
        total = ones(pseudo) if partial else checksum(pseudo + body)
        at = self.field - self.start
        return self.l2 + self.ip(len(body), index) + body[:at] + struct.pack("!H", total) \
            + body[at + 2:]

    def whole(self):
        """With a right checksum."""
        return self.make(self.payload)

    def partial(self):
        """With that of the pseudo header."""
        return self.make(self.payload, partial=True)

    def segments(self, size, partial):
        """Of TSO or USO."""
        cuts = range(0, max(len(self.payload), 1), size)
        for index, off in enumerate(cuts):
            flags = self.flags
            if index != 0:
                flags &= ~CWR
            if index != len(cuts) - 1:
                flags &= ~(PSH | FIN)
            yield self.make(self.payload[off:off + size], index, off, flags, partial)

    def gso_type(self):
        """Of virtio-net."""
        if not self.tcp:
            return GSO_UDP_L4
        ecn = GSO_ECN if self.flags & CWR else 0
        return ecn | (GSO_TCPV4 if self.version == IPV4 else GSO_TCPV6)

    def header(self, gso_type=0, gso_size=0, flags=NEEDS_CSUM, hdr_len=None):
        """The virtio-net header of a modern guest."""
        start, offset = (self.start, self.field - self.start) if flags else (0, 0)
        if hdr_len is None:
            hdr_len = self.headers if gso_type else 0
        return struct.pack("<BBHHHHH", flags, gso_type, hdr_len, gso_size, start, offset, 0)
