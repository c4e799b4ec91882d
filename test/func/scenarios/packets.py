# SPDX-License-Identifier: BSD-3-Clause
"""Which packets a port may send or is sent: scapy makes them, or two kernels."""

from harness import namespace
from harness.namespace import Namespace, device
from harness.peers import EthdevPort
from harness.wire import frame

from .base import Scenario
from .sums import scapy
from .wires import HOSTS, Wires

A, B = HOSTS[:2]


class Packets(Wires):
    """Scapy's frames go from port 0 to port 1 or are dropped."""

    PORTS = 2

    def setup(self):
        self.scapy = scapy()
        super().setup()

    def introduce(self, *commands):
        """Both have sent a frame; then the commands are given."""
        self.reset()
        self.exchange([(0, frame(A)), (1, frame(B))], {0: [frame(B)], 1: [frame(A)]})
        self.learned(A, B)
        self.say(*commands)

    def ether(self, *layers, src=A):
        """A frame from A, or another address, to B."""
        packet = self.scapy.Ether(src=src, dst=B)
        for layer in layers:
            packet = packet / layer
        return bytes(packet)

    def sent(self, *cases):
        """Each (frame, reason or None) alone."""
        for data, reason in cases:
            self.exchange([(0, data)], {} if reason else {1: [data]}, [reason] if reason else [])


class TwoKernels(Scenario):
    """Stations whose kernels send."""

    cpus, seconds = 0.1, 10
    WORKERS = 1

    def setup(self):
        namespace.require()
        devices = [device(), device()]
        self.spaces = [self.own(Namespace(name, self.workdir)).start() for name in ("n0", "n1")]
        self.backend([EthdevPort("net_tap", iface=dev) for dev in devices], workers=self.WORKERS)
        self.taps = [space.take_tap(dev, "tap") for space, dev in zip(self.spaces, devices)]
