# SPDX-License-Identifier: BSD-3-Clause
"""Random frames from a guest that leaves checksums and segmentation to the switch, to receivers of
all kinds: each gets, byte for byte, what harness.frames says is right.
"""

import os
import random
import struct

from harness import frames, peers, wire
from harness.peers import EthdevPort, Port
from harness.process import Failure, wait_for
from harness.station import MRG_RXBUF, Station

from .base import Scenario, check

CSUM, HOST_TSO4, HOST_TSO6, HOST_ECN, HOST_UFO, HOST_USO = (1 << bit for bit in (
    0, 11, 12, 13, 14, 56))
GUEST_CSUM, GUEST_TSO4, GUEST_TSO6, GUEST_ECN, GUEST_UFO, GUEST_USO4, GUEST_USO6 = (
    1 << bit for bit in (1, 7, 8, 9, 10, 54, 55))
SENDER = CSUM | HOST_TSO4 | HOST_TSO6 | HOST_ECN | HOST_UFO | HOST_USO
ALL = GUEST_CSUM | GUEST_TSO4 | GUEST_TSO6 | GUEST_ECN | GUEST_UFO | GUEST_USO4 | GUEST_USO6
TSO = GUEST_CSUM | GUEST_TSO4 | GUEST_TSO6
BIG = 66000  # a buffer for any frame
# name: features, bytes of a buffer, descriptors of one
RECEIVERS = {
    "plain": (0, 2048, 1),
    "plain, in parts": (0, 2048, 3),
    "mergeable": (MRG_RXBUF, 333, 1),
    "checksums": (GUEST_CSUM, 2048, 2),
    "tso": (TSO, BIG, 3),
    "all": (ALL | MRG_RXBUF, 4096, 1),
}
DATA_VALID = 2
HEADERS_MOST = 1024  # longest that are segmented
SEGMENT_MOST = 1400  # bytes of an IP packet's payload that fits everywhere
FRAMES = 1500


def mac(index):
    """Of a receiver."""
    return bytes([2, 0, 0, 0, 1, index])


class Case:
    """A frame, and what is to be done with it."""

    def __init__(self, rng, dst):
        kind = rng.choice(["sum", "segment", "segment", "segment, summed", "fragment", "finished"])
        self.frame = frames.Frame(rng, dst, 12000 if kind.startswith("seg") else 1000)
        f = self.frame
        if kind == "fragment" and (f.tcp or f.ends.fragment_header):
            kind = "sum"
        if kind == "segment, summed" and not f.ends.known:
            kind = "segment"
        if f.headers > HEADERS_MOST:
            f.payload = f.payload[:100]
            kind = "sum"
        if kind in ("sum", "finished") and f.headers + len(f.payload) > SEGMENT_MOST:
            f.payload = f.payload[:max(0, SEGMENT_MOST - f.headers)]
        self.kind = kind
        room = max(8, SEGMENT_MOST - f.headers)
        # not so many that a receiver's ring could not hold them
        self.size = rng.randint(max(8, min(room, len(f.payload) // 60 + 1)), room)
        flags = 0 if kind in ("segment, summed", "finished") else frames.NEEDS_CSUM
        self.flags = flags
        self.data = f.partial() if flags else f.whole()
        gso_type = {"fragment": frames.GSO_UDP}.get(kind, f.gso_type()) \
            if kind not in ("sum", "finished") else 0
        hdr_len = rng.choice([None, 0, f.headers, 14]) if gso_type else rng.choice([0, f.headers])
        self.header = f.header(gso_type, self.size if gso_type else 0, flags,
                               None if hdr_len is None else min(hdr_len, len(self.data)))
        self.gso_type = gso_type
        self.cuts = [rng.randrange(1, 200) for _ in range(rng.choice([0, 0, 1, 4, 20]))]
        self.cuts += [12] * rng.randrange(2)

    def need(self):
        """Features a receiver has to have to be sent the frame as it is; None: none is."""
        f = self.frame
        if self.kind == "sum":
            return GUEST_CSUM
        if not self.flags:
            return None
        if self.kind == "fragment":
            return GUEST_CSUM | GUEST_UFO
        if not f.tcp:
            return GUEST_CSUM | (GUEST_USO4 if f.version == frames.IPV4 else GUEST_USO6)
        ecn = GUEST_ECN if self.gso_type & frames.GSO_ECN else 0
        return GUEST_CSUM | ecn | (GUEST_TSO4 if f.version == frames.IPV4 else GUEST_TSO6)

    def is_one(self):
        """Whether there is nothing to cut: it is no frame to be cut, whatever its header says."""
        udp = 8 if self.kind == "fragment" else 0
        return self.gso_type != 0 and len(self.frame.payload) + udp <= self.size

    def expected(self, features):
        """[(virtio-net header without number of buffers, frame)] that such a receiver is sent.

        None instead of a list: fragments, of which there are several right ones.
        """
        f, need = self.frame, self.need()
        none = bytes(10)
        if self.kind == "finished" or (self.is_one() and not self.flags):
            return [(none, self.data)]
        if self.is_one():
            return [(f.header(hdr_len=f.headers)[:10], self.data) if features & GUEST_CSUM
                    else (none, f.whole())]
        if need is not None and need & ~features == 0:
            header = self.header
            if self.gso_type:
                header = f.header(self.gso_type, self.size, self.flags)
            return [(header[:10], self.data)]
        if self.kind == "sum":
            return [(none, f.whole())]
        if self.kind == "fragment":
            return None
        partial = bool(features & GUEST_CSUM)
        header = f.header()[:10] if partial else none
        return [(header, data) for data in f.segments(self.size, partial)]

    def count(self, features):
        """How many frames such a receiver is sent."""
        expected = self.expected(features)
        if expected is not None:
            return len(expected)
        size = self.size // 8 * 8
        return -(-(len(self.frame.payload) + 8) // size)


def reassembled(case, got):
    """The datagram of these fragments; their headers are looked at."""
    f = case.frame
    hdr_len = f.start + (0 if f.version == frames.IPV4 else 8)
    data, ids = b"", set()
    for i, (_, text) in enumerate(got):
        more = i < len(got) - 1
        off = len(data)
        part = text[hdr_len:]
        data += part
        if f.version == frames.IPV4:
            word = off // 8 | (0x2000 if more else 0)
            right = f.l2 + f.ip(len(part), 0, word)
        else:
            field, number = struct.unpack("!HI", text[f.start + 2:f.start + 8])
            ids.add(number)
            if field != off | more or len(ids) != 1 or text[f.start] != frames.UDP:
                raise Failure(f"fragment header {text[f.start:f.start + 8].hex()}")
            right = None
        if right is not None and text[:hdr_len] != right:
            raise Failure(f"fragment {i}: {text[:hdr_len].hex()} instead of {right.hex()}")
        if more and len(part) != case.size // 8 * 8:
            raise Failure(f"fragment {i} of {len(part)} bytes")
    return data


class Blob:
    """A frame of an unknown type, with a checksum of any bytes anywhere in it."""

    def __init__(self, rng, dst):
        length = rng.randint(16, 1400)
        start = rng.randint(14, length - 2)
        offset = rng.randrange(length - start - 1)
        text = dst + b"\x02" + rng.randbytes(5) + rng.choice([
            b"\x88\xb5", b"\x86\xdd" + rng.randbytes(1), b"\x08\0" + rng.randbytes(1), b"\x08\0\x45"])
        self.kind = f"blob of {length}, start {start}, offset {offset}"
        self.data = (text + rng.randbytes(length))[:length]
        self.header = struct.pack("<BBHHHHH", 1, 0, 0, 0, start, offset, 0)
        at = start + offset
        self.summed = self.data[:at] + struct.pack("!H", frames.checksum(self.data[start:])) \
            + self.data[at + 2:]
        self.cuts = [rng.randrange(1, 200) for _ in range(rng.choice([0, 0, 1, 4, 20]))]

    def expected(self, features):
        """As Case.expected()."""
        if features & GUEST_CSUM:
            return [(self.header[:10], self.data)]
        return [(bytes(10), self.summed)]

    def count(self, _features):
        """One frame is one."""
        return 1


class RandomSums(Scenario):
    """A sender, receivers that take different offloads, and a tap."""

    seconds = 15

    def __init__(self, workdir):
        super().__init__(workdir)
        self.wire = self.sender = None
        self.stations = {}

    def setup(self):
        wire.require()
        paths = [self.path(f"guest{i}") for i in range(len(RECEIVERS) + 1)]
        self.switch = self.own(peers.backend("switch", self.workdir, [
            EthdevPort("net_tap", iface="w0"), *(Port(path) for path in paths)]))
        self.switch.argv = wire.quiet_network(self.switch.argv)
        self.switch.start()
        with wire.network_of(self.switch):
            self.wire = wire.Wire("w0")
        self.sender = Station(paths[0], SENDER)
        for (name, (features, buffer, parts)), path in zip(RECEIVERS.items(), paths[1:]):
            self.stations[name] = Station(path, features, buffer=buffer, parts=parts)
        for port in range(1, len(paths) + 1):
            self.switch.wait_link(port)
        for i in range(len(RECEIVERS) + 1):  # the tap is number 0, as its port
            port = 0 if i == 0 else i + 1
            self.switch.command(f"fdb add {mac(i).hex(':')} 0 {port}")

    def close(self):
        for end in (self.wire, self.sender, *self.stations.values()):
            if end is not None:
                end.close()
        super().close()

    def look(self, case, features, got):
        """Compare the frames that came with the right ones."""
        expected = case.expected(features)
        if expected is None:
            whole = case.frame.whole()
            data = reassembled(case, got)
            if data != whole[case.frame.start:]:
                raise Failure(f"datagram {data.hex()} instead of {whole[case.frame.start:].hex()}")
            return
        for i, ((header, data), right) in enumerate(zip(got, expected)):
            if data != right[1]:
                raise Failure(f"frame {i} of {len(expected)}: {data.hex()}, not {right[1].hex()}")
            if header is not None and header != right[0]:
                raise Failure(f"header {i}: {header.hex()}, not {right[0].hex()}")

    def received(self, name):
        """[(header, frame)] that have come there."""
        if name == "tap":
            return [(None, data) for data in self.wire.receive()]
        station = self.stations[name]
        frames_ = station.arrived()
        for header, _ in frames_:
            if not station.mergeable and header[10:] != b"\1\0":
                raise Failure(f"{name}: number of buffers {header[10:].hex()}")
        return [(header[:10], data) for header, data in frames_]

    def one(self, rng):
        """Send a random frame and look at it wherever it is to come out."""
        names = ["tap", *RECEIVERS]
        target = rng.randrange(len(names) + 1)
        flooded = target == len(names)
        make = rng.choice([Case, Case, Case, Blob])
        case = make(rng, b"\xff" * 6 if flooded else mac(target))
        where = names if flooded else [names[target]]
        features = {name: 0 if name == "tap" else self.stations[name].features for name in where}
        got = {name: [] for name in where}
        self.sender.transmit(case.header, case.data, case.cuts)

        def complete():
            for name in where:
                got[name] += self.received(name)
            return self.sender.is_sent() and all(
                len(got[name]) >= case.count(features[name]) for name in where)
        try:
            wait_for("frames", complete, 10, alive=[self.switch], pause=0.001)
            for name in where:
                self.look(case, features[name], got[name])
        except Failure as e:
            counts = {name: (len(got[name]), case.count(features[name])) for name in where}
            raise Failure(f"{case.kind}, header {case.header.hex()}, cuts {case.cuts}, to {counts}: "
                          f"{e}; sent {case.data[:300].hex()}") from e

    def one_in(self, rng):
        """A random frame from the tap, whose checksum may be wrong, to all."""
        f = frames.Frame(rng, b"\xff" * 6, 1000)
        f.payload = f.payload[:max(0, SEGMENT_MOST - f.headers)]
        sent = f.whole()
        wrong = rng.random() < 0.3
        if wrong:
            at = rng.randrange(f.start, len(sent))
            sent = sent[:at] + bytes([sent[at] ^ rng.randint(1, 255)]) + sent[at + 1:]
        elif not f.tcp and rng.random() < 0.3:
            sent = sent[:f.field] + bytes(2) + sent[f.field + 2:]
            wrong = True  # nothing says that it is right
        got = {name: [] for name in RECEIVERS}
        self.wire.send(sent)

        def complete():
            for name in RECEIVERS:
                got[name] += self.received(name)
            return all(got.values())
        wait_for(f"{sent.hex()} from the tap", complete, 10, alive=[self.switch], pause=0.001)
        for name, list_ in got.items():
            header, data = list_[0]
            may = {bytes(10)}
            if not wrong and self.stations[name].features & GUEST_CSUM:
                may |= {bytes([DATA_VALID]) + bytes(9)}
            if len(list_) != 1 or data != sent or header not in may:
                raise Failure(f"{name}: {len(list_)} frames, {header.hex()} {data.hex()} "
                              f"instead of {sent.hex()}, wrong {wrong}")

    def many(self, one):
        """One frame after the other by @one; the seed."""
        seed = os.environ.get("VQS_TEST_SEED", os.urandom(4).hex())
        rng = random.Random(seed)
        for i in range(FRAMES):
            try:
                one(rng)
            except Failure as e:
                raise Failure(f"VQS_TEST_SEED={seed}, frame {i}: {e}") from e
        return f"seed {seed}"

    @check("sums.random-in")
    def random_in(self):
        """Frames from a device arrive as they are; no wrong checksum is called right."""
        seed = self.many(self.one_in)
        self.switch.check_accounts()
        return seed

    @check("sums.random")
    def random(self):
        """Each frame arrives as it has to, wherever it goes."""
        seed = self.many(self.one)
        for name in ("tap", *RECEIVERS):
            if self.received(name):
                raise Failure(f"{name} has more frames")
        self.switch.check_accounts()
        return seed
