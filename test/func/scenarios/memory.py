# SPDX-License-Identifier: BSD-3-Clause
"""Memory that its owner cuts, lets grow again or punches holes into: one port pays, others do not."""

import ctypes
import mmap
import os
import struct

from harness import frontend as vhu
from harness.frontend import Frontend
from harness.process import Failure, Skip, wait_for

from .base import check
from .hostile import Hostile

REGIONS, HUGE = 7, 1 << 21  # besides the one of the rings; bytes of each, a huge page
PUNCH_HOLE = 3
SLOTS = 256  # as a session is told
IOTLB_MSG, GET_MAX_MEM_SLOTS, ADD_MEM_REG = 22, 36, 37
CONFIGURE_MEM_SLOTS, ACCESS_PLATFORM = 1 << 15, 1 << 33
READ_WRITE, UPDATE = 3, 2
SET_LOG_BASE, LOG_SHMFD, LOG_ALL, RING_LOG = 6, 1 << 1, 1 << 26, 1
LIBC = ctypes.CDLL(None, use_errno=True)


def punch(fd, offset, size):
    """The file loses these pages and keeps its length."""
    if LIBC.fallocate(fd, PUNCH_HOLE, ctypes.c_long(offset), ctypes.c_long(size)) != 0:
        raise OSError(ctypes.get_errno(), "fallocate")


class Guest(Frontend):
    """Its frames lie in regions other than its rings."""

    def __init__(self, path, flags=0):
        super().__init__(path)
        self.regions = [os.memfd_create("region", os.MFD_CLOEXEC | flags) for _ in range(REGIONS)]
        for fd in self.regions:
            os.ftruncate(fd, HUGE)

    def start(self, **options):
        """Rings that run, the frames of the second one spread over all regions."""
        self.negotiate(**options)
        table = struct.pack("=IIQQQQ", 1 + REGIONS, 0, 0, vhu.MEMORY, vhu.UVA, 0)
        for i in range(1, 1 + REGIONS):
            table += struct.pack("=QQQQ", i << 30, HUGE, vhu.UVA + (i << 30), 0)
        self.send(vhu.SET_MEM_TABLE, table, [self.memory, *self.regions])
        self.ask(vhu.GET_FEATURES)
        if options.get("features", 0) & ACCESS_PLATFORM:
            self.translate()
        self.burst(1)
        for slot in range(vhu.RING):
            self.write(vhu.AREA + 16 * slot, struct.pack(
                "<QIHH", (slot % REGIONS + 1 << 30) + 4096 * slot, 76, 0, 0))
        self.burst(vhu.RING)

    def translate(self):
        """The guest's IOMMU maps all regions to themselves, and the rings where they are set."""
        for address, size, at in ((0, vhu.MEMORY, vhu.UVA), (vhu.UVA, vhu.MEMORY, vhu.UVA),
                                  *((i << 30, HUGE, vhu.UVA + (i << 30))
                                    for i in range(1, 1 + REGIONS))):
            self.send(IOTLB_MSG, struct.pack("=QQQBB6x", address, size, at, READ_WRITE, UPDATE))
        self.ask(vhu.GET_FEATURES)

    def touch(self):
        """Frames in all regions, when those before were taken: more than the ring has were a lie."""
        if os.pread(self.memory, 2, vhu.AREA + 0x2002) == struct.pack("<H", self.sent):
            self.sent = (self.sent + 64) % (1 << 16)
            self.write(vhu.AREA + 0x1002, struct.pack("<H", self.sent))
        self.kick()

    def cut(self, size):
        """All regions but that of the rings."""
        for fd in self.regions:
            os.ftruncate(fd, size)

    def close(self):
        super().close()
        for fd in self.regions:
            os.close(fd)


def cut_and_grown(guest):
    """Over and over; what was lost does not come back."""
    guest.touch()
    for _ in range(200):
        guest.cut(0)
        guest.cut(HUGE)


def cut_bit_by_bit(guest):
    """From the end: each access finds the next page missing."""
    for size in range(HUGE // 2, -1, -4096):
        guest.cut(size)
        guest.touch()


def cut_rings(guest):
    """The rings, not what lies in them."""
    os.ftruncate(guest.memory, 0)


def cut_and_asked(guest):
    """Control reads the rings, too."""
    os.ftruncate(guest.memory, 0)
    for queue in (0, 1):
        guest.send(vhu.SET_VRING_ADDR, struct.pack(
            "=IIQQQQ", queue, 0, vhu.UVA, vhu.UVA + 0x2000, vhu.UVA + 0x1000, 0))
        guest.send(vhu.SET_VRING_NUM, struct.pack("=II", queue, vhu.RING))
    guest.ask(vhu.GET_FEATURES)


CUTS = {
    "to-nothing": lambda guest: guest.cut(0),
    "to-a-page": lambda guest: guest.cut(4096),
    "to-a-quarter": lambda guest: guest.cut(HUGE // 4),
    "inside-a-page": lambda guest: guest.cut(4096 + 100),
    "and-grown": cut_and_grown,
    "bit-by-bit": cut_bit_by_bit,
    "rings": cut_rings,
    "and-asked": cut_and_asked,
}


class Memory(Hostile):
    """Port 0, or others with it, is attacked while frames circulate at port 1."""

    cpus, seconds = 0.3, 60
    FURTHER = 3

    def mappings(self):
        """How many the switch has."""
        with open(f"/proc/{self.switch.child.pid}/maps", encoding="utf-8") as maps:
            return sum(1 for _ in maps)

    def attack(self, guest, act, stops, again=False):
        """Act, and what it must not cost: more than a mapping a region, frames of the neighbour.

        Once, or again until the port stops.
        """
        drops, before = self.neighbour_drops(), self.mappings()
        act(guest)
        if stops:
            def stopped():
                if again:
                    act(guest)
                guest.touch()
                return "guest memory is gone" in self.switch.command("why port 0")
            wait_for("the port to stop", stopped, 30, alive=[self.switch])
        for _ in range(100):
            guest.touch()
        self.unharmed_but_connected(guest)
        more, lost = self.mappings() - before, self.neighbour_drops() - drops
        print(f"{more} mappings more, {lost} frames lost")
        # each region in two parts at most; threads that close things have stacks
        if more > 1 + REGIONS + 16 or lost != 0:
            raise Failure(f"{more} mappings more, the neighbour lost {lost} frames")
        guest.close()
        self.unharmed()

    @check("memory.cut-{}", tuple(CUTS))
    def cut(self, how):
        """The files are shorter than what was mapped."""
        guest = Guest(self.victim)
        guest.start()
        self.switch.wait_link(0)
        # frames may all have been sent while the file was whole
        self.attack(guest, CUTS[how], True, again=how == "and-grown")

    @check("memory.cut-iommu-{}", tuple(CUTS))
    def cut_translated(self, how):
        """The same behind an IOMMU: translations lead into memory that is gone."""
        guest = Guest(self.victim)
        guest.start(features=vhu.VERSION_1 | vhu.PROTOCOL_FEATURES | ACCESS_PLATFORM)
        self.switch.wait_link(0)
        # frames may all have been sent while the file was whole
        self.attack(guest, CUTS[how], True, again=how == "and-grown")

    @check("memory.together")
    def together(self):
        """Several ports at once, in all the ways there are."""
        guests, ids = [Guest(path) for path in self.victims], [0, *range(2, 2 + self.FURTHER)]
        drops, before = self.neighbour_drops(), self.mappings()
        for guest, port in zip(guests, ids):
            guest.start()
            self.switch.wait_link(port)
        for i, act in enumerate(CUTS.values()):
            act(guests[i % len(guests)])
        for guest, port in zip(guests, ids):
            def stopped(guest=guest, port=port):
                guest.touch()
                return "guest memory is gone" in self.switch.command(f"why port {port}")
            wait_for(f"port {port} to stop", stopped, 30, alive=[self.switch])
        for guest in guests:
            self.unharmed_but_connected(guest)
        more, lost = self.mappings() - before, self.neighbour_drops() - drops
        print(f"{more} mappings more, {lost} frames lost")
        if more > len(guests) * 2 * (1 + REGIONS) + 16 or lost != 0:
            raise Failure(f"{more} mappings more, the neighbour lost {lost} frames")
        for guest in guests:
            guest.close()
        self.unharmed()

    @check("memory.slots")
    def slots(self):
        """As many regions as a session may have, and one more, which is refused; then they go."""
        guest, refused = Guest(self.victim), 0
        before = self.mappings()
        guest.negotiate(protocol=vhu.REPLY_ACK | CONFIGURE_MEM_SLOTS)
        self.switch.wait_link(0)
        if guest.ask(GET_MAX_MEM_SLOTS) != SLOTS:
            raise Failure("the number of slots is another one")
        for i in range(1, SLOTS + 10):  # the rings' is there
            region = struct.pack("=QQQQQ", 0, i << 30, 4096, vhu.UVA + (i << 30), 0)
            guest.send(ADD_MEM_REG, region, [guest.regions[0]], vhu.VERSION | vhu.NEED_REPLY)
            if struct.unpack("=Q", guest.receive())[0] != 0:
                refused += 1
            elif i >= SLOTS:
                raise Failure(f"region {i + 1} was taken")
        if refused != 10:
            raise Failure(f"{refused} regions were refused")
        guest.burst(vhu.RING)
        self.unharmed_but_connected(guest)
        more = self.mappings() - before
        guest.close()
        self.unharmed()
        wait_for("the mappings to go", lambda: self.mappings() <= before + 16, 30,
                 alive=[self.switch])
        if more > SLOTS + 16:
            raise Failure(f"{more} mappings for {SLOTS} regions")
        return f"{more} mappings for {SLOTS} regions"

    @check("memory.holes")
    def holes(self):
        """Pages that are taken away come again, empty: nothing stops."""
        guest = Guest(self.victim)
        guest.start()
        self.switch.wait_link(0)

        def act(guest):
            for i in range(200):
                for fd in guest.regions:
                    punch(fd, 4096 * i, 4096)
                    punch(fd, 0, HUGE)
                guest.burst(64)
        self.attack(guest, act, False)

    @check("memory.log")
    def log(self):
        """A dirty log is cut while it is written to."""
        guest = Guest(self.victim)
        guest.start(protocol=vhu.REPLY_ACK | LOG_SHMFD)
        self.switch.wait_link(0)
        fd, size = os.memfd_create("log", os.MFD_CLOEXEC), 1 << 18
        os.ftruncate(fd, size)
        guest.send(SET_LOG_BASE, struct.pack("=QQ", size, 0), [fd])
        guest.receive()
        guest.send(vhu.SET_FEATURES, struct.pack(
            "=Q", vhu.VERSION_1 | vhu.PROTOCOL_FEATURES | LOG_ALL))
        base = vhu.UVA + vhu.AREA
        guest.send(vhu.SET_VRING_ADDR, struct.pack(
            "=IIQQQQ", 1, RING_LOG, base, base + 0x2000, base + 0x1000, vhu.AREA + 0x2000))
        guest.ask(vhu.GET_FEATURES)
        guest.burst(64)
        if not any(os.pread(fd, 4096, 0)):
            raise Failure("no page was logged")
        self.attack(guest, lambda _: os.ftruncate(fd, 0), True)
        os.close(fd)

    @check("memory.huge-pages")
    def huge_pages(self):
        """There is no page for a hole: the port stops."""
        try:
            guest = Guest(self.victim, os.MFD_HUGETLB)
            for fd in guest.regions:
                with mmap.mmap(fd, HUGE) as pages:
                    pages[0] = 0
        except OSError as e:
            raise Skip("needs huge pages") from e
        guest.start()
        self.switch.wait_link(0)
        taken = os.memfd_create("taken", os.MFD_CLOEXEC | os.MFD_HUGETLB)
        size = 0

        def act(guest):
            nonlocal size
            for fd in guest.regions:
                punch(fd, 0, HUGE)
            while LIBC.fallocate(taken, 0, ctypes.c_long(size), ctypes.c_long(HUGE)) == 0:
                size += HUGE
        try:
            # again: other programs give pages back
            self.attack(guest, act, True, again=True)
        finally:
            os.close(taken)
