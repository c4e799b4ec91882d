# SPDX-License-Identifier: BSD-3-Clause
"""VLANs: frames with and without tags, and kernels that do not know of any."""

from harness import namespace

from harness.namespace import Namespace

from harness.peers import EthdevPort

from harness.process import Failure

from harness.wire import BROADCAST, Wire, frame

from .base import Link, Scenario, check
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
