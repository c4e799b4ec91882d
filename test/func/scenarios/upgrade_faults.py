# SPDX-License-Identifier: BSD-3-Clause
"""An upgrade when something is amiss: one guest does not hold up all, and want is said by name."""

import contextlib
import fcntl
import json
import os
import re
import resource
import struct

from harness.control import Control
from harness.frontend import MEMORY, PROTOCOL_FEATURES, VERSION_1, Frontend
from harness.process import Process, wait_for
from harness.successor import READY, REFUSED, Successor

from .base import check
from .postcopy import END, FRAME, Arriving
from .upgrade import FRAMES, Station, Upgradable, expect, running

F_SEAL_FUTURE_WRITE = 0x10
MAC = 1 << 5  # feature of a device
SECTION, INTERFACE, PACKET, STATISTICS = 0x0a0d0d0a, 1, 6, 5  # blocks of pcapng


def blocks_of(data):
    """The types of a pcapng file's blocks, each of which is whole."""
    kinds, at = [], 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        expect(length >= 12 and at + length <= len(data)
               and struct.unpack_from("<I", data, at + length - 4)[0] == length, f"block at {at}")
        kinds.append(kind)
        at += length
    return kinds


class UpgradeFaults(Upgradable):
    """Two guests and a third port."""

    cpus, seconds = 0.5, 20

    def setup(self):
        self.start_switch(3)
        self.guests = [Station(self.paths[i], bytes((2, 0, 0, 0, 0, i + 1)),
                               bytes((2, 0, 0, 0, 0, 2 - i))) for i in (0, 1)]
        self.exchange()

    def exchange(self):
        """Frames go both ways."""
        for here, there in (self.guests, reversed(self.guests)):
            here.transmit(FRAMES)
            wait_for("every frame in its order", lambda h=here, t=there: (
                t.collect(), t.expected == h.number)[1], 30, pause=0.001)

    @check("upgrade.withdrawn.{}", ("truncated", "sealed"))
    def check_withdrawn(self, kind):
        """A front-end that takes its memory back loses its port, and no other notices."""
        hostile = Frontend(self.paths[2])
        os.close(hostile.memory)
        hostile.memory = os.memfd_create("guest", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(hostile.memory, MEMORY)
        hostile.negotiate()
        if kind == "sealed":
            fcntl.fcntl(hostile.memory, fcntl.F_ADD_SEALS, F_SEAL_FUTURE_WRITE)
        else:
            os.ftruncate(hostile.memory, 0)
        self.upgraded(self.ask("upgrade"))
        self.exchange()
        wait_for("what is wrong with its port", lambda: "guest memory is gone" in
                 self.ask("why port 2"), 10)
        hostile.close()
        wait_for("that it has left", lambda: "no front-end" in self.ask("why port 2"), 10)

    @check("upgrade.mac")
    def check_mac(self):
        """An address that was set at run time goes along, with the feature that a guest has with it."""
        self.ask("mac_addr set 2 02:00:00:00:00:66")
        guest = Frontend(self.paths[2])
        guest.negotiate(VERSION_1 | PROTOCOL_FEATURES | MAC)
        self.upgraded(self.ask("upgrade"))
        expect("02:00:00:00:00:66" in self.ask("show port info 2"), "another address")
        guest.close()

    @check("upgrade.descriptors")
    def check_descriptors(self):
        """Without descriptors it is not done, for that reason, and ports go on."""
        was = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)
        with contextlib.closing(Successor(self.control_path)) as new:
            new.receive()
            highest = max(int(fd) for fd in os.listdir(f"/proc/{self.pid}/fd"))
            resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (highest + 1, was[1]))
            new.say(READY)
            expect(new.receive() is None, "it has sent its ports")
        wait_for("the reason in the log", lambda: "this process has no file descriptor left" in
                 self.switch.log(), 30, alive=[self.switch])
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, was)
        self.exchange()
        self.upgraded(self.ask("upgrade"))
        self.exchange()

    @check("upgrade.capture")
    def check_capture(self):
        """A capture into a file goes on in each successor: all frames, and nothing half-written."""
        file = self.workdir / "all.pcapng"
        self.ask(f"capture start 0 {file}")
        self.exchange()
        for _ in range(2):
            self.upgraded(self.ask("upgrade"))
            self.exchange()
        said = self.ask("capture stop")
        expect(f"Frames: {6 * FRAMES}, " in said and "lost: 0" in said, said)
        blocks = blocks_of(file.read_bytes())
        expect([blocks.count(kind) for kind in (SECTION, INTERFACE, PACKET, STATISTICS)]
               == [1, 1, 6 * FRAMES, 1], f"blocks: {blocks}")
        self.upgraded(self.ask("upgrade"))
        expect(self.ask("show capture") == said, "the end of it is forgotten")

    @check("upgrade.capture.failed")
    def check_capture_failed(self):
        """It goes on where it was when the new process does not take over."""
        file = self.workdir / "all.pcapng"
        self.ask(f"capture start 0 {file}")
        with contextlib.closing(Successor(self.control_path)) as new:
            new.receive()
            new.say(READY)
            new.receive()
            new.say(REFUSED, b"not today")
        self.exchange()
        said = self.ask("capture stop")
        expect(f"Frames: {2 * FRAMES}, " in said and "lost: 0" in said, said)
        expect(blocks_of(file.read_bytes()).count(PACKET) == 2 * FRAMES, "frames of the file")

    @check("upgrade.capture.refused")
    def check_capture_refused(self):
        """Not while a client waits for its end, or a pipe's reader reads; each is said in a line."""
        client = Control(self.control_path)
        client.socket.sendall(f"capture run 0 {self.workdir}/run.pcapng\n".encode())
        wait_for("the capture", lambda: "running" in self.ask("show capture"), 10)
        said = self.ask("upgrade", done=False)
        expect("for a client that waits for its end" in said and said.count("\n") == 1, said)
        client.close()
        wait_for("its end", lambda: "ended" in self.ask("show capture"), 10)
        fifo = self.workdir / "fifo"
        os.mkfifo(fifo)
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        self.ask(f"capture start 0 {fifo}")
        said = self.ask("upgrade", done=False)
        expect("a capture into a pipe cannot go on: end it first" in said, said)
        self.ask("capture stop")
        os.close(reader)
        self.upgraded(self.ask("upgrade"))
        self.exchange()

    def by_hand(self, *options):
        """A successor started with other options; whether it has taken over."""
        new = self.own(Process("by-hand", [*self.argv, f"--upgrade-from={self.control_path}",
                                           *options], self.workdir))
        new.spawn()
        wait_for("the end of either", lambda: not running(self.pid) or not new.alive(), 60)
        if running(self.pid):
            self.disown(new)
            return False
        self.pid = new.child.pid
        self.control.close()
        self.connect()
        return True

    @check("upgrade.no-keep")
    def check_no_keep(self):
        """A successor with --no-keep that fails leaves the kept settings of the old process."""
        kept = self.workdir / "state" / "running.vqs"
        self.ask("set fdb age 600")
        before = kept.read_text("ascii")
        expect("set fdb age 600" in before, before)
        expect(not self.by_hand("--no-keep", "--metrics=/no/such/folder/s"), "it has taken over")
        expect(kept.read_text("ascii") == before, "the settings have changed")
        expect(self.by_hand("--no-keep"), "it has not taken over")
        self.spoiled = True
        wait_for("that the settings are no longer kept", lambda: not kept.exists(), 10)
        self.exchange()

    @check("upgrade.kept")
    def check_kept(self):
        """Kept settings are of the same command line, wherever the option is in it."""
        kept = self.workdir / "state" / "running.vqs"
        self.ask("set fdb age 600")
        before = re.sub(r"^#.*", "", kept.read_text("ascii"), flags=re.M)
        head = kept.read_text("ascii").split("\n", 1)[0]
        self.argv.insert(self.argv.index("--") + 1, f"--upgrade-from={self.control_path}")
        new = self.own(Process("first-word", self.argv, self.workdir))
        new.spawn()
        wait_for("the end of the old process", lambda: not running(self.pid), 60, alive=[new])
        self.pid = new.child.pid
        self.control.close()
        self.connect()
        wait_for("kept settings", lambda: kept.exists() and
                 kept.read_text("ascii").split("\n", 1)[0] == head, 10)
        expect(re.sub(r"^#.*", "", kept.read_text("ascii"), flags=re.M) == before, "settings")
        self.spoiled = True


class UpgradePostCopy(Upgradable):
    """A guest that runs while its memory is still at its source."""

    cpus, seconds = 0.2, 5

    def setup(self):
        self.start_switch(1, options={"postcopy-support": 1})

    def counters(self):
        """Those of post-copy."""
        facts = json.loads(self.ask("show port info 0 json"))
        return {name: value for name, value in next(
            part for part in facts.values() if isinstance(part, dict) and "postcopy_stalls" in part
        ).items() if name.startswith("postcopy_")}

    @check("upgrade.postcopy")
    def check_postcopy(self):
        """Refused in a line while pages are absent; later its counters stay."""
        guest = Arriving(self.paths[0])
        guest.arrive()
        guest.serve_up_to(FRAME)
        said = self.ask("upgrade", done=False)
        expect("a post-copy migration is under way" in said and said.count("\n") == 1, said)
        guest.serve(FRAME)
        wait_for("the frame", lambda: guest.taken() == 1)
        guest.send(END)
        expect(guest.receive() == bytes(8), "POSTCOPY_END was refused")
        before = self.counters()
        expect(before["postcopy_pages_asked"] and before["postcopy_stalls"], f"{before}")
        self.upgraded(self.ask("upgrade"))
        expect(self.counters() == before, f"before {before}, after {self.counters()}")
        guest.close()
        return said.strip()
