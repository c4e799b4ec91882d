# SPDX-License-Identifier: BSD-3-Clause
"""VLANs: frames with and without tags, and kernels that do not know of any."""

from harness import namespace

from harness.namespace import Namespace

from harness.peers import EthdevPort

from harness.process import Failure, wait_for

from harness.wire import BROADCAST, Wire, frame

from .base import Link, Scenario, check
from .ethdev import write_pcap
from .netns import device
from .wires import HOSTS, Wires

A, B, C, D = HOSTS[:4]
PRIORITY = 5 << 13


class Vlans(Wires):
    """Access ports of two VLANs, a trunk of both with a native third, and a port without."""

    cpus, seconds = 0.1, 10

    def configure(self):
        """The same for every check."""
        self.reset()
        self.say("set port 0 vlan access 10", "set port 1 vlan access 20",
                 "set port 2 vlan trunk 10,20", "set port 2 vlan native 30")

    @check("vlan.tags")
    def tags(self):
        """The ports a broadcast goes to, with which tag, or why it goes nowhere."""
        self.configure()
        for port, tags, expected, drops in (
                (0, [], {2: [10]}, []),
                (1, [], {2: [20]}, []),
                (2, [10], {0: []}, []),
                (2, [20], {1: []}, []),
                (2, [PRIORITY | 10], {0: []}, []),
                (0, [PRIORITY], {2: [PRIORITY | 10]}, []),
                (0, [10], {}, ["rx_vlan"]),
                (2, [11], {}, ["rx_vlan"]),
                (2, [10, 20], {}, ["rx_vlan"]),
                (2, [], {}, ["rx_no_egress"]),
                (3, [], {}, ["rx_no_egress"])):
            for size in (64, 1500):
                self.exchange([(port, frame(A, BROADCAST, *tags, size=size))],
                              {out: [frame(A, BROADCAST, *tags, size=size)]
                               for out, tags in expected.items()}, drops)
        self.say("set port 1 vlan access 30")
        self.exchange([(1, frame(A))], {2: [frame(A)]})
        self.say("set port 2 vlan native off")
        self.exchange([(1, frame(A))], {}, ["rx_no_egress"])
        self.exchange([(2, frame(A))], {}, ["rx_vlan"])

    @check("vlan.learning")
    def learning(self):
        """One address in two VLANs is in two places; what is known is not flooded."""
        self.configure()
        self.say("set port 3 vlan access 10")
        self.exchange([(0, frame(C)), (1, frame(C)), (2, frame(D, BROADCAST, 10))],
                      {0: [frame(D)], 2: [frame(C, BROADCAST, 10), frame(C, BROADCAST, 20)],
                       3: [frame(C), frame(D)]})
        self.learned(C, D)
        self.exchange([(2, frame(D, C, 10)), (2, frame(D, C, 20))],
                      {0: [frame(D, C)], 1: [frame(D, C)]})
        self.exchange([(0, frame(C, D)), (3, frame(B, C))],
                      {0: [frame(B, C)], 2: [frame(C, D, 10)]})

    @check("vlan.why")
    def why(self):
        """A port is told when no other port shares its VLAN."""
        self.configure()
        for command, said in (("set port 2 vlan trunk 10", "in one of its VLANs"),
                              ("set port 1 vlan off", "nothing keeps it"),
                              ("set port 3 vlan access 10", "the other ports of its domain"),
                              ("set port 2 vlan trunk 20", "the other ports of its domain")):
            self.say(command)
            answer = self.switch.command("why port 1")
            if said not in answer:
                raise Failure(f"{command}: {answer}")


class Kernels(Scenario):
    """Two namespaces, and a trunk that ends in this process."""

    cpus, seconds = 0.1, 10

    def __init__(self, workdir):
        super().__init__(workdir)
        self.trunk = None

    def setup(self):
        namespace.require()
        devices = [device() for _ in range(3)]
        self.spaces = [self.own(Namespace(name, self.workdir)).start() for name in ("n0", "n1")]
        self.backend([EthdevPort("net_tap", iface=dev) for dev in devices])
        self.taps = [space.take_tap(dev, "tap") for space, dev in zip(self.spaces, devices)]
        self.trunk = Wire(devices[2])

    def close(self):
        if self.trunk is not None:
            self.trunk.close()
        super().close()

    @check("vlan.kernels")
    def kernels(self):
        """They reach each other in one VLAN and not from one to another; the trunk sees tags."""
        for command in ("set port 0 vlan access 10", "set port 1 vlan access 10",
                        "set port 2 vlan trunk 10,20"):
            self.switch.command(command)
        with Link(self, *zip(self.spaces, self.taps)) as link:
            link.ping_sizes((64, 1472, 2000))
            link.transfer_both()
            self.switch.command("set port 1 vlan access 20")
            if self.spaces[0].run(f"ping -c 1 -W 1 {link.addresses[1]}")[0] == 0:
                raise Failure("a ping got from one VLAN into another")
        macs = [bytes.fromhex(tap.mac.replace(":", "")) for tap in self.taps]
        seen = {data[12:16].hex() for data in self.trunk.receive() if data[6:12] in macs}
        if not {"8100000a", "81000014"} >= seen or "8100000a" not in seen:
            raise Failure(f"behind the addresses on the trunk: {seen}")


class Births(Wires):
    """Ports of devices that have frames before there is a command to tell them where they belong."""

    cpus, seconds = 0.1, 10
    PORTS = 2
    FRAMES = 200

    def device(self, number):
        """A device that has frames from the first moment on."""
        path = self.workdir / f"{number}.pcap"
        write_pcap(path, [frame(A)] * self.FRAMES)
        return f"net_pcap{number},rx_pcap={path},tx_pcap={self.workdir}/{number}.out"

    def born(self, port, words):
        """A port made so; the frames it had and those that arrived at ports 0 and 1."""
        before = self.counted()
        self.switch.command(words)
        wait_for("frames", lambda: self.counted()[0][port] == self.FRAMES, 30, alive=[self.switch])
        self.switch.check_accounts()  # a worker may be on its way from one counter to the next
        after = self.counted()
        return [after[1][other] - before[1][other] for other in (0, 1)]

    @check("vlan.births")
    def births(self):
        """A port that is added to a domain or VLAN sends no frame elsewhere."""
        self.reset()
        self.say("set port 1 domain 7", "set port 1 vlan access 9")
        for port, words, expected in (
                (2, "port add 2", [self.FRAMES, 0]),
                (3, "port add 3 domain 8", [0, 0]),
                (4, "port attach domain 7", [0, 0]),
                (5, "port add 5 domain 7 vlan 9", [0, self.FRAMES]),
                (6, "port attach domain 7 vlan 9", [0, self.FRAMES]),
                (7, "port attach domain 7 vlan 10", [0, 0])):
            got = self.born(port, f"{words} {self.device(port)}")
            if got != expected:
                raise Failure(f"{words}: {got} frames arrived, not {expected}")
        self.switch.command(f"port add 8 stopped {self.device(8)}")
        self.say("set port 8 domain 7", "set port 8 vlan access 9")
        if self.counted()[0][8] != 0:
            raise Failure("a port that was added stopped takes frames")
        if self.born(8, "port start 8") != [0, self.FRAMES]:
            raise Failure("a port that was added stopped sends elsewhere")
        for port in range(2, 9):
            self.switch.command(f"port detach {port}")


class ReservedGroups(Wires):
    """802.1Q 8.6.3: what is for the ends of a link stays on it, however it comes."""

    cpus, seconds = 0.1, 10
    WAYS = (  # settings of ports 0 and 1, tags, type of the first
        ((), (), 0x8100),
        ((), (PRIORITY,), 0x8100),
        ((), (10, 20), 0x88a8),
        (("vlan trunk 10",), (10,), 0x8100),
        (("vlan trunk 10", "vlan native 10"), (), 0x8100),
        (("vlan trunk 10", "vlan qinq 88a8"), (10, 20), 0x88a8),
        (("vlan access 10", "vlan qinq 8100"), (20,), 0x8100),
        (("guard on", "acl in default drop", "rate pps 1000000"), (), 0x8100),
    )

    @staticmethod
    def to_groups(tags, kind):
        """A frame to each of 01:80:c2:00:00:00 to 2f."""
        frames = [frame(A, f"01:80:c2:00:00:{last:02x}", *tags) for last in range(0x30)]
        return [data[:12] + kind.to_bytes(2, "big") + data[14:] if tags else data for data in frames]

    @check("vlan.reserved")
    def reserved(self):
        """They are dropped, their sources learned; others pass, and those that may."""
        for words, tags, kind in self.WAYS:
            self.reset()
            self.say("set port 2 domain 9", "set port 3 domain 9",
                     *(f"set port {port} {word}" for word in words for port in (0, 1)))
            frames = self.to_groups(tags, kind)
            self.exchange([(0, data) for data in frames], {1: frames[16:]}, ["rx_reserved"] * 16)
            self.learned(A)
            self.say("set port 0 group-fwd-mask 0x4000")
            self.exchange([(0, data) for data in frames], {1: frames[14:15] + frames[16:]},
                          ["rx_reserved"] * 15)
            self.say("set port 0 group-fwd-mask 0")

    @check("vlan.reserved.mirror")
    def mirrored(self):
        """A mirror shows them, but for MAC control: it would stop the other end of that link."""
        self.reset()
        self.say("set port 2 domain 9", "set port 3 domain 8", "mirror add 0 to 3")
        frames = self.to_groups((), 0)
        self.exchange([(0, data) for data in frames],
                      {1: frames[16:], 3: frames[:1] + frames[2:]}, ["rx_reserved"] * 16)
