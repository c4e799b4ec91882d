# SPDX-License-Identifier: BSD-3-Clause
"""Port states of a VM whose frames hardware moves: stopped rings are left alone, to the last byte."""

import os
import struct
import threading
import time

from harness.frontend import AREA, BUFFER, RING, Frontend
from harness.mlx5sim import FIRST, SECOND, Cards, SwitchWithCards
from harness.peers import Port
from harness.process import Failure, wait_for

from .base import Scenario, check
from .states import STILL, expect
from .vdpa import datapath

BUFFERS = RING // 2  # frames that wait for the device at any moment
WRITE = 2            # a descriptor the device writes to
DRIVER, DEVICE = 0x1000, 0x2000  # areas of a ring
RECEIVED, ROOM = 0x90000, 256    # where received frames go


class Busy(Frontend):
    """A guest that always has frames to send, and buffers for those that come back."""

    gpa = 1 << 20  # no ring at address 0, which the mlx5 driver takes for none

    def __init__(self, path):
        super().__init__(path)
        for slot in range(RING):
            self.write(16 * slot, struct.pack("<QIHH", self.gpa + RECEIVED + ROOM * slot, ROOM,
                                              WRITE, 0))
            self.write(AREA + 16 * slot, struct.pack("<QIHH", self.gpa + BUFFER, 76, 0, 0))
            for queue in (0, 1):
                self.write(queue * AREA + DRIVER + 4 + 2 * slot, struct.pack("<H", slot))
        self.negotiate()
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self._offer)
        self.thread.start()

    def used(self):
        """Indices to which both rings were used."""
        return tuple(struct.unpack("<H", os.pread(self.memory, 2, queue * AREA + DEVICE + 2))[0]
                     for queue in (0, 1))

    def _offer(self):
        while not self.ends.wait(0.001):
            for queue, used in enumerate(self.used()):
                self.write(queue * AREA + DRIVER + 2, struct.pack("<H", (used + BUFFERS) % (1 << 16)))
            self.kick()

    def kick(self):
        """Notify the device of both queues, not ourselves."""
        for fd in self.kicks[::2]:
            os.eventfd_write(fd, 1)

    def contents(self):
        """All that the device may write."""
        return os.pread(self.memory, self.size, RECEIVED) + b"".join(
            os.pread(self.memory, AREA - DEVICE, queue * AREA + DEVICE) for queue in (0, 1))

    def close(self):
        """End it."""
        self.ends.set()
        self.thread.join()
        super().close()


class Group(Scenario):
    """Two ports of one VM, each with a device; what they send comes back."""

    cpus, seconds = 0.3, 8
    DEVICES = ("sim0", "sim1")

    def setup(self):
        self.sockets = [self.path("a"), self.path("b")]
        self.start([Port(path, vdpa=device, vm="web")
                    for path, device in zip(self.sockets, self.DEVICES)])

    def start(self, ports):
        """The switch."""
        self.backend(ports)
        for device in self.DEVICES:
            self.switch.command(f"set vdpa {device} wire back")

    def in_hardware(self, guests):
        """Both ports are, and frames go round."""
        for port, device in enumerate(self.DEVICES):
            wait_for(device, lambda p=port, d=device: datapath(self.switch, p).startswith(d), 60,
                     alive=[self.switch])
        self.go_on(guests)

    def go_on(self, guests):
        """Both rings of both are used."""
        for guest in guests:
            before = guest.used()
            wait_for("frames both ways", lambda g=guest, b=before: all(
                now != then for now, then in zip(g.used(), b)), 60, alive=[self.switch])

    def stand_still(self, guests):
        """Nothing is written from now on: the command has returned."""
        before = [guest.contents() for guest in guests]
        time.sleep(STILL)
        if [guest.contents() for guest in guests] != before:
            raise Failure("a ring that has stopped was written to")
        if "moves the frames" in (told := self.switch.command("show vdpa")):
            raise Failure(told)

    def drive(self, guests):
        """From hardware to each state in which frames stand still, and back to hardware."""
        for command, state, back in (("quiesce vm=web", "running-p2p", "resume vm=web"),
                                     ("state vm=web stop", "stop", "state vm=web running"),
                                     ("quiesce 0,1", "running-p2p", "resume all")):
            expect(self.switch.command(f"port {command}"),
                   *(f"Port {port}: {state}\n" for port in (0, 1)))
            self.stand_still(guests)
            for port in (0, 1):  # the operator's other word is not heard while it stands still
                self.switch.command(f"port {port} offload")
            self.stand_still(guests)
            expect(self.switch.command(f"port {back}"),
                   *(f"Port {port}: running\n" for port in (0, 1)))
            self.in_hardware(guests)

    def states(self):
        """All ports of the VM."""
        guests = [Busy(path) for path in self.sockets]
        try:
            self.in_hardware(guests)
            self.drive(guests)
        finally:
            for guest in guests:
                guest.close()

    @check("vdpa.group")
    def group(self):
        """Simulated devices hold no copy in flight when the command returns."""
        self.states()


class GroupOnCards(Group):
    """The same with DPDK's mlx5 driver, on simulated cards."""

    DEVICES = (FIRST, SECOND)

    def start(self, ports):
        self.cards = Cards(self.workdir)
        self.switch = self.own(SwitchWithCards("switch", self.workdir, ports, cards=self.cards,
                                               probe=self.DEVICES)).start()
        self.cards.order(self.switch, *(f"{device} wire back" for device in self.DEVICES))

    @check("mlx5.group")
    def group_on_cards(self):
        """A card's driver has answered that it stopped when the command returns."""
        self.states()
