# SPDX-License-Identifier: BSD-3-Clause
"""Kernels on both sides: namespaces of the host behind tap and veth devices, and a guest."""

from harness import images, namespace
from harness.guest import Guest, Nic
from harness.namespace import Namespace, device

from harness.peers import EthdevPort, Port
from harness.process import Failure

from .base import PING_SIZES, Link, Scenario, check
from .pair import CSUM, GUEST_TSO4, HOST_TSO4, MODERN

class Netns(Scenario):
    """Two namespaces, each with a tap and a veth, and one guest."""

    seconds = 60

    def setup(self):
        namespace.require()
        images.get("amd64")
        self.spaces = [self.own(Namespace(name, self.workdir)).start() for name in ("n0", "n1")]
        veths = [device(), device()]
        taps = [device(), device()]
        # the devices go with the namespaces their peers are in, the taps with the switch
        self.veths = [space.veth(dev, "veth") for space, dev in zip(self.spaces, veths)]
        self.nic = Nic("52:54:00:05:00:00", self.path("guest"), options=MODERN)
        self.backend([*(EthdevPort("net_tap", iface=dev) for dev in taps),
                      *(EthdevPort("net_af_packet", iface=dev) for dev in veths),
                      Port(self.nic.path)])
        self.taps = [space.take_tap(dev, "tap") for space, dev in zip(self.spaces, taps)]
        self.guest = None

    @check("netns.tap")
    def tap(self):
        """Between taps."""
        with Link(self, *zip(self.spaces, self.taps)) as link:
            link.exchange()

    @staticmethod
    def exchange_unfragmented(link):
        """The driver has the kernel put fragments together (PACKET_FANOUT_FLAG_DEFRAG), to frames
        longer than any MTU; so none are sent."""
        link.ping_sizes([size for size in PING_SIZES if size <= 1472])
        link.transfer_both()

    @check("netns.veth")
    def veth(self):
        """Between veth devices, which af_packet sockets read and write."""
        with Link(self, *zip(self.spaces, self.veths)) as link:
            self.exchange_unfragmented(link)

    @check("netns.tap.to.veth")
    def tap_to_veth(self):
        """Between unlike devices."""
        with Link(self, (self.spaces[0], self.taps[0]), (self.spaces[1], self.veths[1])) as link:
            self.exchange_unfragmented(link)

    @check("netns.tap.to.guest")
    def tap_to_guest(self):
        """The guest leaves checksum and segmentation to the switch, the tap asks for both."""
        self.boot()
        with Link(self, (self.spaces[0], self.taps[0]), (self.guest, self.nic)) as link:
            link.exchange()

    @check("netns.veth.to.guest")
    def veth_to_guest(self):
        """The same with a device that has no offloads: the switch does it in software."""
        self.boot()
        with Link(self, (self.spaces[1], self.veths[1]), (self.guest, self.nic)) as link:
            self.exchange_unfragmented(link)

    def boot(self):
        """The guest, with all offloads negotiated."""
        if self.guest is None:
            self.guest = self.own(Guest("guest", self.workdir, [self.nic])).start()
            self.guest.wait_ready()
        missing = {CSUM, GUEST_TSO4, HOST_TSO4} - self.guest.features(self.nic)
        if missing:
            raise Failure(f"feature bits {missing} are not negotiated")

    @check("netns.idle")
    def idle(self):
        """A switch that must look at its ports by itself still leaves the CPU alone."""
        share = self.switch.cpu_share(2)
        if share > 0.2:
            raise Failure(f"an idle switch uses {share:.0%} of a CPU")

    @check("netns.attach")
    def attach(self):
        """A device that comes and goes while the switch runs, and comes again."""
        for _ in range(2):
            dev = device()
            out = self.switch.command(f"port attach net_tap9,iface={dev}")
            if "is attached" not in out:
                raise Failure(f"port attach: {out}")
            card = self.spaces[1].take_tap(dev, "tap9")
            # what a port counted ends with it: no accounts
            with Link(self, (self.spaces[0], self.taps[0]), (self.spaces[1], card),
                      accounts=False) as link:
                link.exchange()
            port = len(self.switch.ports)
            for command in (f"port stop {port}", f"port detach {port}"):
                self.switch.command(command)
            if self.spaces[1].run("[ -e /sys/class/net/tap9 ]")[0] == 0:
                raise Failure("the tap is still there after its port was detached")
