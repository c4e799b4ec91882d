# SPDX-License-Identifier: BSD-3-Clause
"""A bond of DPDK's that speaks LACP (802.1AX), with the other end of its links in this process."""

import os
import struct

from harness import namespace, wire
from harness.peers import Switch, eal
from harness.process import Failure, PromptProgram, wait_for

from .base import Scenario, check
from .ethdev import member_key
from .upgrade_devices import Links

SLOW = 0x8809
GROUP = bytes.fromhex("0180c2000002")
PARTNER = bytes.fromhex("0200000000aa")
ACTIVE, SHORT, TOGETHER, IN_SYNC, COLLECTING, DISTRIBUTING = (1 << bit for bit in range(6))
UP = IN_SYNC | COLLECTING | DISTRIBUTING
ACTOR, STATE = slice(18, 36), 32  # of a frame: the sender without its reserved bytes, its state
OTHER_SYSTEM = slice(40, 46)  # the partner as the sender knows it
FRAMES = 100


def is_lacp(frame):
    """Whether it is an LACPDU."""
    return frame[12:15] == struct.pack(">HB", SLOW, 1) and len(frame) >= 124


class End:
    """The partner's end of a link."""

    def __init__(self, device, number):
        self.wire = wire.Wire(device)
        self.number = number
        self.heard = []  # LACPDUs of the bond
        self.echoed = 0

    def answer(self):
        """To the last LACPDU: this end is ready for frames."""
        own = struct.pack(">H6sHHHB3x", 0x8000, PARTNER, 1, 0x80, self.number,
                          ACTIVE | SHORT | TOGETHER | UP)
        self.wire.send(GROUP + PARTNER + struct.pack(">HBB", SLOW, 1, 1)
                       + bytes((1, 20)) + own + bytes((2, 20)) + self.heard[-1][ACTOR]
                       + bytes((3, 16)) + bytes(14) + bytes(52))

    def listen(self):
        """Answer what has come."""
        new = self.wire.receive()
        pdus = [frame for frame in new if is_lacp(frame)]
        self.echoed += sum(frame[:6] == PARTNER for frame in new)
        self.heard += pdus
        if pdus:
            self.answer()

    def agreed(self):
        """Whether the bond collects and distributes, and knows this partner."""
        self.listen()
        return bool(self.heard) and self.heard[-1][STATE] & UP == UP and \
            self.heard[-1][OTHER_SYSTEM] == PARTNER


class Lacp(Scenario):
    """A bond of two links, each frame of which goes back."""

    cpus, seconds = 0.3, 30

    def setup(self):
        namespace.require()
        self.links = self.own(Links(2))
        key = member_key()
        vdevs = [f"net_af_packet{i},iface={dev}p" for i, dev in enumerate(self.links.devices)]
        vdevs.append("net_bonding0,mode=4" + "".join(f",{key}=net_af_packet{i}" for i in range(2)))
        argv = [Switch.program, *eal(f"lacp-{os.getpid()}", 2, 256),
                *(word for vdev in vdevs for word in ("--vdev", vdev)), "--", "-i", "--no-control",
                "--forward-mode=io", "--port-topology=loop"]
        self.switch = self.own(PromptProgram("lacp", argv, self.workdir, "vqswitch> ")).start()
        self.ends = [End(dev, i + 1) for i, dev in enumerate(self.links.devices)]

    @check("ethdev.lacp")
    def partner(self):
        """Without a frame to send the bond agrees with its partner, and then has frames go both ways."""
        self.switch.command("start")
        wait_for("an agreement on both links", lambda: sum(end.agreed() for end in self.ends) == 2, 120,
                 alive=[self.switch])
        for end in self.ends:
            for number in range(FRAMES):
                end.wire.send(wire.frame("02:00:00:00:00:aa", "02:00:00:00:00:aa", text=f"{number}"))

        def echoes():
            for end in self.ends:
                end.listen()
            return sum(end.echoed for end in self.ends)

        wait_for("the frames", lambda: echoes() >= 2 * FRAMES, 60, alive=[self.switch])
        if self.switch.quit() != 0:
            raise Failure("exit status of quit")
        self.spoiled = True
        return f"{[len(end.heard) for end in self.ends]} LACPDUs, {echoes()} frames"
