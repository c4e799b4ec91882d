# SPDX-License-Identifier: BSD-3-Clause
"""A real big-endian guest is given a modern device of the kernel's by a shadow of its rings."""

import re

from harness.guest import Nic
from harness.hostguest import HostGuest
from harness.innerguest import InnerGuest
from harness.process import Failure

from .base import Link, Scenario, check
from .s390x import LEGACY, VERSION_1
from .vduse import Card, GuestSwitch
from .vhost_vdpa_engine import MODULES, NODE

MEMORY = 2048  # MiB of the machine in which the guest is a process
SIZES = (64, 511, 1400)


class VhostVdpaS390x(Scenario):
    """Linux for s390x under QEMU, inside an emulated machine whose kernel has the device.

    The device is a VDUSE device of another switch, which has an interface in a namespace, too.
    """

    cpus, seconds, on_demand = 0.7, 600, True

    def setup(self):
        self.machine = self.own(HostGuest("host", self.workdir, memory=MEMORY, nests=True))
        self.machine.start()
        self.machine.wait_ready()
        self.machine.load("vduse", "virtio_vdpa", *MODULES[1:])
        self.space = self.machine.space("n0")
        self.card = GuestSwitch(self.machine, [
            "net_vhost0,iface=/dev/vduse/v0,attach=vhost,mtu=1500",
            "net_vhost1,iface=/dev/vduse/v1,mac=02:00:00:00:00:11,netns=n0,ifname=eth0"], "card")
        self.card.begin()
        self.machine.sh(f"wait_for 60 [ -c {NODE} ]")
        self.switch = GuestSwitch(self.machine, [
            "net_vhost0,iface=/run/guest.sock,shadow=net_vhost_vdpa0",
            f"net_vhost_vdpa0,path={NODE}"])
        self.switch.begin()
        self.nic = Nic("52:54:00:07:00:01", "/run/guest.sock", options=LEGACY)
        self.guest = InnerGuest(self.machine, "s390x", [self.nic], arch="s390x", memory=256)
        self.guest.start()
        self.guest.wait_ready()

    @check("nested.shadow-s390x")
    def shadow(self):
        """Pings and a file each way; format and cost of a frame are told."""
        if VERSION_1 in self.guest.features(self.nic):
            raise Failure("VERSION_1 is negotiated")
        with Link(self, (self.guest, self.nic), (self.space, Card("eth0")), accounts=False) as link:
            link.ping_sizes(SIZES)
            link.transfer_both(1)
        told = self.switch.command("why port 0")
        costs = re.findall(r"(from|to) the guest: \d+ frames, ([\d.]+) cycles per frame", told)
        if "guest: legacy-be, device: modern" not in told or len(costs) != 2:
            raise Failure(told)
        return "cycles per frame " + ", ".join(f"{cycles} {way} the guest" for way, cycles in costs)
