# SPDX-License-Identifier: BSD-3-Clause
"""A guest of one split ring each way that sends and receives frames in buffers of any sizes."""

import mmap
import struct

from . import frontend as vhu

MRG_RXBUF = 1 << 15
HEADER = 12
NEXT, WRITE = 1, 2
AVAIL, USED = 0x1000, 0x2000
SEND_AT = 0x10000       # the frame that is sent
RECEIVE_AT = 0x100000


class Station(vhu.Frontend):
    """One frame at a time is sent; whatever comes is received."""

    size = 32 << 20

    def __init__(self, path, features, *, buffer=None, parts=1):
        super().__init__(path)
        self.map = mmap.mmap(self.memory, self.size)
        self.words = memoryview(self.map).cast("H")  # each is read and written at once
        offered = self.ask(vhu.GET_FEATURES)
        self.features = (features | vhu.VERSION_1 | vhu.PROTOCOL_FEATURES) & offered
        self.mergeable = bool(self.features & MRG_RXBUF)
        self.buffer = buffer or (600 if self.mergeable else 2048)
        self.parts = parts  # descriptors of a buffer
        self.slots = vhu.RING // parts
        self.next = self.posted = self.taken = 0
        self.negotiate(self.features)
        self.post(min(self.slots, (self.size - RECEIVE_AT) // self.buffer))

    def word(self, offset):
        """A 16-bit word of the memory."""
        return self.words[offset // 2]

    def post(self, count):
        """Offer so many buffers, each @parts descriptors."""
        self.slots = count
        part = self.buffer // self.parts
        for slot in range(count):
            at = RECEIVE_AT + slot * self.buffer
            for i in range(self.parts):
                head, more = slot * self.parts + i, i < self.parts - 1
                length = part if more else self.buffer - part * i
                struct.pack_into("<QIHH", self.map, 16 * head, at + part * i, length,
                                 WRITE | (NEXT if more else 0), head + 1 if more else 0)
            self.offer(slot)
        self.publish()

    def offer(self, slot):
        """Make a buffer available again."""
        struct.pack_into("<H", self.map, AVAIL + 4 + 2 * (self.posted % vhu.RING), slot * self.parts)
        self.posted = (self.posted + 1) & 0xffff

    def publish(self):
        """Show what was offered."""
        self.words[(AVAIL + 2) // 2] = self.posted
        self.kick()

    def next_used(self):
        """(slot, bytes) of the next used buffer."""
        head, length = struct.unpack_from("<II", self.map, USED + 4 + 8 * (self.taken % vhu.RING))
        self.taken = (self.taken + 1) & 0xffff
        return head // self.parts, length

    def content(self, slot, length):
        """The bytes that were written to a buffer."""
        at = RECEIVE_AT + slot * self.buffer
        return self.map[at:at + length]

    def arrived(self):
        """[(virtio-net header, frame)] of those that are there."""
        frames = []
        end = self.word(USED + 2)
        while self.taken != end:
            slots = [self.next_used()]
            at = RECEIVE_AT + slots[0][0] * self.buffer
            count, = struct.unpack_from("<H", self.map, at + 10)
            slots += [self.next_used() for _ in range(count - 1)]
            text = b"".join(self.content(slot, length) for slot, length in slots)
            frames.append((text[:HEADER], text[HEADER:]))
            for slot, _ in slots:
                self.offer(slot)
        if frames:
            self.publish()
        return frames

    def transmit(self, header, data, cuts=()):
        """One frame, its bytes cut at these offsets into descriptors, from the ring's first on."""
        text = header + data
        edges = [0, *sorted({c for c in cuts if 0 < c < len(text)}), len(text)]
        base = vhu.AREA
        self.map[SEND_AT:SEND_AT + len(text)] = text
        for i, (start, end) in enumerate(zip(edges, edges[1:])):
            more = i < len(edges) - 2
            struct.pack_into("<QIHH", self.map, base + 16 * i, SEND_AT + start, end - start,
                             NEXT if more else 0, i + 1 if more else 0)
        struct.pack_into("<H", self.map, base + AVAIL + 4 + 2 * (self.next % vhu.RING), 0)
        self.next = (self.next + 1) & 0xffff
        self.words[(base + AVAIL + 2) // 2] = self.next
        self.kick()

    def is_sent(self):
        """The switch has given the frame back."""
        return self.word(vhu.AREA + USED + 2) == self.next

    def close(self):
        self.words.release()
        self.map.close()
        super().close()
