# SPDX-License-Identifier: BSD-3-Clause
"""Copies of frames: captures, read back without the switch's help, and mirrors."""

from collections import Counter
from contextlib import closing

from harness import pcapng

from harness.process import Failure, Skip, wait_for
from harness.wire import BROADCAST, frame

from .base import check
from .wires import HOSTS, Wires

A, B, C = HOSTS[:3]
SIZES = (60, 61, 64, 127, 1000, 1514)


def to_and_fro():
    """[(port, frame)]: A at port 0 and B at port 1 talk in frames of many sizes."""
    return [(port, frame(src, dst, text=f"{size} bytes", size=size)) for size in SIZES
            for port, src, dst in ((0, A, B), (1, B, A))]


class Copies(Wires):
    """A at port 0, B at port 1; port 2 is a third host, port 3 looks on."""

    cpus, seconds = 0.5, 20

    def introduce(self):
        """A and B have spoken."""
        self.reset()
        self.say("set port 3 domain 3")
        self.exchange([(0, frame(A)), (1, frame(B))],
                      {0: [frame(B)], 1: [frame(A)], 2: [frame(A), frame(B)]})
        self.learned(A, B)

    def stop(self):
        """The capture is complete."""
        answer = self.switch.command("capture stop")
        if "lost: 0\n" not in answer or ": ended\n" not in answer:
            raise Failure(f"capture stop: {answer}")
        return answer

    @staticmethod
    def compare(path, expected):
        """The file has these frames, [(port, direction, frame)], and scapy reads the same."""
        frames = pcapng.read(path)
        got = Counter((f.interface, f.direction, f.data) for f in frames)
        want = Counter((f"port{port}", direction, data) for port, direction, data in expected)
        if got != want:
            raise Failure(f"{path.name}: too many {list(got - want)}, missing {list(want - got)}")
        if any(f.length != len(f.data) for f in frames):
            raise Failure(f"{path.name}: whole frames are said to be longer")
        try:
            # pylint: disable-next=import-outside-toplevel
            from scapy.utils import RawPcapNgReader
        except ImportError as e:
            raise Skip("needs python3-scapy") from e
        with closing(RawPcapNgReader(str(path))) as reader:
            if [bytes(data) for data, _ in reader] != [f.data for f in frames]:
                raise Failure(f"{path.name}: scapy reads other frames")

    @check("capture.all")
    def capture_all(self):
        """Every frame where it comes in and wherever it goes out."""
        self.introduce()
        path = self.workdir / "all.pcapng"
        self.say(f"capture start all {path}")
        sent = to_and_fro() + [(0, frame(C, A)), (2, frame(C))]
        expected = [(port, "in", data) for port, data in sent]
        expected += [(1 - port, "out", data) for port, data in to_and_fro()]
        expected += [(port, "out", frame(C)) for port in (0, 1)]
        self.exchange(sent, {0: [d for p, d in to_and_fro() if p == 1] + [frame(C)],
                             1: [d for p, d in to_and_fro() if p == 0] + [frame(C)]},
                      ["rx_same_port"])
        self.stop()
        self.compare(path, expected)

    @check("capture.port")
    def capture_port(self):
        """One port's, in both directions, beside traffic that is none of its business."""
        self.introduce()
        path = self.workdir / "port.pcapng"
        self.say(f"capture start 1 {path}")
        self.run_through(to_and_fro() + [(2, frame(C, A))])
        self.stop()
        self.compare(path, [(1, "out" if port == 0 else "in", data)
                            for port, data in to_and_fro()])
        self.run_through(to_and_fro())  # nothing is written any more
        self.compare(path, [(1, "out" if port == 0 else "in", data)
                            for port, data in to_and_fro()])

    @check("capture.snaplen")
    def capture_snaplen(self):
        """The beginning of each frame, and how long it was."""
        self.introduce()
        path = self.workdir / "snaplen.pcapng"
        self.say(f"capture start 0 {path} snaplen 80")
        self.run_through(to_and_fro())
        self.stop()
        got = Counter((f.length, f.data) for f in pcapng.read(path))
        if got != Counter((len(data), data[:80]) for _, data in to_and_fro()):
            raise Failure(f"{list(got)}")

    @check("capture.count")
    def capture_count(self):
        """It ends by itself; another one can be started at once."""
        self.introduce()
        path = self.workdir / "count.pcapng"
        self.say(f"capture start all {path} count 5")
        self.run_through(to_and_fro())
        wait_for("end of the capture",
                 lambda: ": ended\nFrames: 5," in self.switch.command("show capture"),
                 10, alive=[self.switch])
        if len(pcapng.read(path)) != 5:
            raise Failure(f"{len(pcapng.read(path))} frames in the file")
        self.say(f"capture start all {path}")
        answer = self.switch.command(f"capture start all {path}")
        if "busy" not in answer:
            raise Failure(f"a second capture: {answer}")
        self.stop()

    @check("capture.vlan")
    def capture_vlan(self):
        """Frames are written as they are on the port: with the trunk's tag, without the other's."""
        self.introduce()
        self.say("set port 0 vlan access 10", "set port 1 vlan trunk 10,11")
        path = self.workdir / "vlan.pcapng"
        self.say(f"capture start all {path}")
        self.exchange([(0, frame(A)), (1, frame(B, BROADCAST, 10)), (1, frame(B, BROADCAST, 12))],
                      {0: [frame(B)], 1: [frame(A, BROADCAST, 10)]}, ["rx_vlan"])
        self.stop()
        self.compare(path, [
            (0, "in", frame(A)), (1, "out", frame(A, BROADCAST, 10)),
            (1, "in", frame(B, BROADCAST, 10)), (0, "out", frame(B)),
            (1, "in", frame(B, BROADCAST, 12))])

    @check("mirror.port")
    def mirror_port(self):
        """Frames from and to port 1, before anything is decided about it, until it is undone."""
        self.introduce()
        self.say("mirror add 1 to 3", f"set port 1 source-lock {B}")
        there = [d for p, d in to_and_fro() if p == 0]
        back = [d for p, d in to_and_fro() if p == 1]
        self.exchange(to_and_fro() + [(1, frame(C, A)), (2, frame(C, A))],
                      {0: back + [frame(C, A)], 1: there, 3: there + back + [frame(C, A)]},
                      ["rx_locked"])
        self.say("mirror del 1")
        self.exchange(to_and_fro(), {0: back, 1: there})

    @check("mirror.loop")
    def mirror_loop(self):
        """Two ports mirrored to each other; what the onlooker itself sends does not come back."""
        self.introduce()
        self.say("mirror add 0 to 3", "mirror add 3 to 0")
        self.exchange([(0, frame(A, B)), (3, frame(C))],
                      {0: [frame(C)], 1: [frame(A, B)], 3: [frame(A, B)]}, ["rx_no_egress"])
