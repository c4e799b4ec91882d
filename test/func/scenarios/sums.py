# SPDX-License-Identifier: BSD-3-Clause
"""Checksums and segmentation a guest leaves to the switch, whatever headers its frames have.

The guest is this process. Scapy makes the frames and looks at the ones that come out of a tap, so
that what is right is not for the switch to say.
"""

import importlib
import os
import struct

from harness import frontend as vhu
from harness import peers, wire
from harness.frontend import Frontend
from harness.peers import EthdevPort, Port
from harness.process import Failure, Skip, wait_for

from .base import Scenario, check

CSUM, HOST_TSO4, HOST_TSO6, HOST_USO = 1 << 0, 1 << 11, 1 << 12, 1 << 56
NEEDS_CSUM = 1
TCPV4, UDP, TCPV6, UDP_L4 = 1, 3, 4, 5
BUFFERS = 0x10000  # where frames are in the memory
A, B, HOP, HOME = "2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4"


def scapy():
    """Its layers."""
    try:
        importlib.import_module("scapy.layers.inet6")
    except ImportError as e:
        raise Skip("needs python3-scapy") from e
    return importlib.import_module("scapy.all")


def chains(s):
    """{name: IP and what is between it and TCP or UDP}"""
    six, four = s.IPv6(src=A, dst=B), s.IP(src="198.18.0.1", dst="198.18.0.2", id=7)
    hop = s.IPv6ExtHdrHopByHop(options=[s.RouterAlert()])
    pad = s.IPv6ExtHdrDestOpt(options=[s.PadN(optdata=bytes(12))])
    home = s.IPv6ExtHdrDestOpt(options=[s.HAO(hoa=HOME)])
    srh = s.IPv6ExtHdrSegmentRouting(addresses=[HOP, B], segleft=1, lastentry=1)
    return {
        "IPv4": four,
        "IPv4 with a source route": s.IP(
            src="198.18.0.1", dst="198.18.0.2", id=7,
            options=[s.IPOption_LSRR(pointer=4, routers=["198.18.0.3", "198.18.0.4"])]),
        "IPv4 with options": s.IP(src="198.18.0.1", dst="198.18.0.2", id=7,
                                  options=[s.IPOption_Router_Alert()]),
        "IPv6": six,
        "hop-by-hop": six / hop,
        "destination options": six / pad,
        "several options": six / hop / pad / pad,
        "routing type 0": six / s.IPv6ExtHdrRouting(addresses=[B, HOP], segleft=2),
        "routing type 0, at its end": six / s.IPv6ExtHdrRouting(addresses=[B, HOP], segleft=0),
        "routing type 2": six / s.IPv6ExtHdrRouting(type=2, addresses=[HOME], segleft=1),
        "routing type 4": six / srh,
        "routing type 4 of ten segments": six / s.IPv6ExtHdrSegmentRouting(
            addresses=[HOP] + [B] * 9, segleft=9, lastentry=9),
        "routing type 4, at its end": six / s.IPv6ExtHdrSegmentRouting(
            addresses=[HOP, B], segleft=0, lastentry=1),
        "all of them": six / hop / pad / srh / pad,
        "home address": six / home,
        "home address and route": six / srh / home,
        "home address, then a route": six / home / srh,
        "hop-by-hop with many pads": six / s.IPv6ExtHdrHopByHop(
            options=[s.Pad1()] * 3 + [s.PadN(optdata=bytes(200))]),
        "routing type 2, at its end": six / s.IPv6ExtHdrRouting(type=2, addresses=[HOME], segleft=0),
        "routing type 4 with a TLV": six / s.IPv6ExtHdrSegmentRouting(
            addresses=[B, HOP], segleft=1, lastentry=1,
            tlv_objects=[s.IPv6ExtHdrSegmentRoutingTLVPadN()]),
        "two routes, one at its end": six / s.IPv6ExtHdrRouting(addresses=[HOP], segleft=0) / srh,
        "fragment header before a route": six / s.IPv6ExtHdrFragment() / srh,
        "IPv4 with a strict route": s.IP(
            src="198.18.0.1", dst="198.18.0.2", id=7,
            options=[s.IPOption_NOP(), s.IPOption_SSRR(pointer=4, routers=["198.18.0.3"])]),
        "IPv4 with a recorded route": s.IP(
            src="198.18.0.1", dst="198.18.0.2", id=7,
            options=[s.IPOption_RR(pointer=4, routers=["0.0.0.0", "0.0.0.0"])]),
        "IPv4 whose numbers wrap": s.IP(src="198.18.0.1", dst="198.18.0.2", id=65534),
        "IPv4, ECN and DF": s.IP(src="198.18.0.1", dst="198.18.0.2", id=7, tos=3, flags="DF"),
        "one fragment": six / s.IPv6ExtHdrFragment(),
        "one fragment behind a route": six / srh / s.IPv6ExtHdrFragment(),
    }


def ones(data):
    """Ones' complement sum."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return total


class Unfinished:
    """A frame whose sums are right, and as a guest hands it over that does not make them."""

    def __init__(self, s, tags, chain, l4, payload):
        packet = s.Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
        for tag in tags:
            packet = packet / s.Dot1Q(vlan=tag)
        self.tcp = l4 is s.TCP
        l4_header = l4(sport=1000, dport=9, **({"flags": "PA", "seq": 100} if self.tcp else {}))
        self.whole = bytes(packet / chain / l4_header / payload)
        self.start = len(bytes(packet / chain))
        self.headers = len(self.whole) - len(payload)
        self.field = self.start + (16 if self.tcp else 6)

    def pseudo(self):
        """The pseudo header's sum is what is missing between the data and its checksum."""
        total = (ones(self.whole[self.start:]) ^ 0xffff) + 0xffff
        return (total & 0xffff) + (total >> 16)

    def partial(self):
        """As it is handed over."""
        return self.whole[:self.field] + struct.pack("!H", self.pseudo()) \
            + self.whole[self.field + 2:]

    def is_right(self, data):
        """Whether a segment of it has the right checksum: its length only is another one."""
        less = len(self.whole) - len(data)
        total = ones(data[self.start:]) + self.pseudo() + (less ^ 0xffff)
        return ones(struct.pack("!I", total)) == 0xffff

    def header(self, gso_type=0, gso_size=0, flags=NEEDS_CSUM):
        """The virtio-net header of a modern guest."""
        start, offset = (self.start, self.field - self.start) if flags else (0, 0)
        return struct.pack("<BBHHHHH", flags, gso_type, self.headers if gso_type else 0, gso_size,
                           start, offset, 0)


class Sums(Scenario):
    """A guest and a tap, and no others."""

    seconds = 20

    def __init__(self, workdir):
        super().__init__(workdir)
        self.wire = self.guest = None
        self.sent = 0

    def setup(self):
        wire.require()
        self.scapy = scapy()
        path = self.path("guest")
        self.switch = self.own(peers.backend("switch", self.workdir, [
            EthdevPort("net_tap", iface="w0"), Port(path)]))
        self.switch.argv = wire.quiet_network(self.switch.argv)
        self.switch.start()
        with wire.network_of(self.switch):
            self.wire = wire.Wire("w0")
        self.guest = Frontend(path)
        self.guest.negotiate(vhu.VERSION_1 | vhu.PROTOCOL_FEATURES | CSUM | HOST_TSO4 | HOST_TSO6
                             | HOST_USO)
        self.switch.wait_link(1)

    def close(self):
        for end in (self.wire, self.guest):
            if end is not None:
                end.close()
        super().close()

    def transmit(self, header, data):
        """One frame in one descriptor of the transmit ring."""
        slot = self.sent % vhu.RING
        self.guest.write(BUFFERS, header + data)
        self.guest.write(vhu.AREA + 16 * slot, struct.pack(
            "<QIHH", BUFFERS, len(header) + len(data), 0, 0))
        self.guest.write(vhu.AREA + 0x1000 + 4 + 2 * slot, struct.pack("<H", slot))
        self.sent += 1
        self.guest.write(vhu.AREA + 0x1000 + 2, struct.pack("<H", self.sent & 0xffff))
        self.guest.kick()

    def used(self):
        """Frames the switch has given back."""
        return struct.unpack("<H", os.pread(self.guest.memory, 2, vhu.AREA + 0x2000 + 2))[0]

    def pass_through(self, header, data, count):
        """The frames that come out of the tap after one was sent, count of them, in order."""
        got = []
        self.wire.receive()
        self.transmit(header, data)

        def complete():
            got.extend(self.wire.receive())
            return len(got) >= count and self.used() == self.sent & 0xffff
        wait_for(f"{count} frames", complete, 20, alive=[self.switch])
        if len(got) != count:
            raise Failure(f"{len(got)} frames instead of {count}")
        return got

    def look(self, name, frame, data):
        """Its checksum is right, and scapy has the same lengths and header checksum."""
        if not frame.is_right(data):
            raise Failure(f"{name}: wrong checksum: {data.hex()}")
        packet = self.scapy.Ether(data)
        for layer, field in ((self.scapy.IP, "chksum"), (self.scapy.IP, "len"),
                             (self.scapy.IPv6, "plen"), (self.scapy.UDP, "len")):
            if layer in packet:
                packet[layer].delfieldval(field)
        if bytes(packet) != data:
            raise Failure(f"{name}: {data.hex()} instead of {bytes(packet).hex()}")

    def frames(self, payload):
        """(name, frame) of all there are."""
        s = self.scapy
        for name, chain in chains(s).items():
            for l4 in (s.TCP, s.UDP):
                for tags in ((), (5,), (5, 6)):
                    tagged = f" with {len(tags)} tags" if tags else ""
                    yield (f"{name}, {l4.__name__}{tagged}",
                           Unfinished(s, tags, chain, l4, payload))

    @check("sums.completed")
    def completed(self):
        """The checksum is left to the switch, which has a device that knows plain headers only."""
        for name, frame in self.frames(bytes(range(101))):
            got = self.pass_through(frame.header(), frame.partial(), 1)[0]
            if got != frame.whole:
                raise Failure(f"{name}: {got.hex()} instead of {frame.whole.hex()}")
        self.switch.check_accounts()

    def cut(self, payload, size, flags):
        """Segments have what the frame had, and everything else is right."""
        for name, frame in self.frames(payload):
            kind = UDP_L4 if not frame.tcp else TCPV4 if name.startswith("IPv4") else TCPV6
            data = frame.partial() if flags else frame.whole
            count = -(-len(payload) // size)
            got = self.pass_through(frame.header(kind, size, flags), data, count)
            if b"".join(segment[frame.headers:] for segment in got) != payload:
                raise Failure(f"{name}: other data")
            for segment in got:
                self.look(name, frame, segment)
        self.switch.check_accounts()

    @check("sums.segmented")
    def segmented(self):
        """Segmentation, too."""
        self.cut(bytes(n % 251 for n in range(5001)), 1000, NEEDS_CSUM)

    @check("sums.segmented-without-csum")
    def segmented_without_csum(self):
        """Segmentation of a frame whose checksum the sender did make."""
        self.cut(bytes(n % 251 for n in range(2999)), 1000, 0)

    @check("sums.many-segments")
    def many_segments(self):
        """More segments than any portion has, in order."""
        s = self.scapy
        payload = bytes(n % 251 for n in range(40000))
        for chain, kind in ((s.IP(src="198.18.0.1", dst="198.18.0.2", id=7), TCPV4),
                            (s.IPv6(src=A, dst=B), TCPV6)):
            frame = Unfinished(s, (), chain, s.TCP, payload)
            got = self.pass_through(frame.header(kind, 36), frame.partial(), -(-40000 // 36))
            if b"".join(segment[frame.headers:] for segment in got) != payload:
                raise Failure("other data")
            for segment in got:
                self.look("many", frame, segment)
        self.switch.check_accounts()
