# SPDX-License-Identifier: BSD-3-Clause
"""vhost-vdpa: the switch is the driver of a device of the kernel it runs on."""

from harness.hostguest import HostGuest
from harness.process import Failure, wait_for

from .base import Link, Scenario, check
from .vduse import Card, GuestSwitch

DEVICE = "net_vhost_vdpa0,path=/dev/vhost-vdpa-0"


class VhostVdpa(Scenario):
    """Frames between two namespaces of the guest pass a VDUSE device and its driver, both ours.

    Domain 1 is the interface of n0 and the device's server, domain 2 the device's driver and the
    interface of n1: all of one switch.
    """

    seconds = 80

    def setup(self):
        self.machine = self.own(HostGuest("host", self.workdir))
        self.machine.start()
        self.machine.wait_ready()
        self.machine.load("vduse", "virtio_vdpa", "vhost", "irqbypass", "vhost_vdpa")
        self.spaces = [self.machine.space(name) for name in ("n0", "n1")]
        self.cards = [Card("eth0"), Card("eth0")]
        ports = [f"net_vhost{i},iface=/dev/vduse/v{i},mac=02:00:00:00:00:1{i},netns=n{i},"
                 "ifname=eth0" for i in range(2)]
        self.switch = GuestSwitch(self.machine,
                                  [*ports, "net_vhost2,iface=/dev/vduse/v2,attach=vhost,"
                                   "mac=02:00:00:00:00:12,mtu=1500", DEVICE])
        self.begin()

    def begin(self):
        """The switch, with both domains; namespaces have their interfaces."""
        self.switch.begin()
        for port in ("net_vhost1", "net_vhost_vdpa0"):
            self.switch.command(f"set port {port} domain 2")
        for space in self.spaces:
            wait_for(f"eth0 in {space.name}", lambda s=space: s.run("ip link show eth0")[0] == 0,
                     300, alive=[self.machine], pause=0.2)
            space.sh("tc qdisc replace dev eth0 root pfifo limit 1000")

    def wait_runs(self):
        """Until the port has its device."""
        wait_for("the device", lambda: "nothing keeps it" in self.switch.command(
            "why port net_vhost_vdpa0"), 100, alive=[self.machine], pause=0.3)

    def link(self, **more):
        """Both ends addressed."""
        return Link(self, *zip(self.spaces, self.cards), **more)

    @check("vhost-vdpa.port")
    def port(self):
        """Pings of all sizes and a file each way."""
        self.wait_runs()
        with self.link() as link:
            link.exchange()
        told = self.switch.command("show port net_vhost_vdpa0 negotiation")
        if "mergeable" not in told or "split rings" not in told:
            raise Failure(told)

    @check("vhost-vdpa.packed")
    def packed(self):
        """The same through packed rings; more queue pairs than the device has are none."""
        self.switch.command("port detach net_vhost_vdpa0")
        self.switch.command(f"port attach {DEVICE},packed=1,queues=2")
        self.switch.command("set port net_vhost_vdpa0 domain 2")
        self.switch.ports[-1] = f"{DEVICE},packed=1,queues=2"
        self.wait_runs()
        with self.link() as link:
            link.exchange()
        told = self.switch.command("show port net_vhost_vdpa0 negotiation")
        if "packed rings" not in told or "1 queue pair (the device has one queue pair)" not in told:
            raise Failure(told)
        told = self.switch.command("why port net_vhost_vdpa0")
        if "Queue pairs: 1 of 2: the device has one queue pair" not in told:
            raise Failure(told)

    @check("vhost-vdpa.comes-and-goes")
    def comes_and_goes(self):
        """The device leaves the bus and comes back; the port says so and goes on."""
        self.wait_runs()
        self.machine.sh("vdpa dev del v2", 200)
        wait_for("a port without its device", lambda: "nothing keeps it" not in
                 self.switch.command("why port net_vhost_vdpa0"), 60, alive=[self.machine])
        self.machine.sh("vdpa dev add name v2 mgmtdev vduse && d=/sys/bus/vdpa/devices/v2 && "
                        "echo vhost_vdpa >$d/driver_override && "
                        "( [ ! -e $d/driver ] || echo v2 >$d/driver/unbind ) && "
                        "echo v2 >/sys/bus/vdpa/drivers_probe")
        self.wait_runs()
        with self.link() as link:
            link.ping_sizes((64, 1400))

    @check("vhost-vdpa.refused")
    def refused(self):
        """Each thing that is missing is said in one line."""
        for argument, says in (
                ("packed=1", "path=/dev/vhost-vdpa-N is missing"),
                ("path=/dev/null", "expected a device node"),
                ("path=/dev/vhost-vdpa-0,packed=2", "expected 0 or 1"),
                ("path=/dev/vhost-vdpa-0,queues=17", "expected 1 to 16"),
                ("path=/dev/vhost-vdpa-0,tso=1", "unknown key")):
            _, out = self.machine.run(f"{self.switch.ctl} port attach net_vhost_vdpa9,{argument}")
            if says not in out:
                raise Failure(f"{argument}: {out}")
        self.switch.command("port attach net_vhost_vdpa9,path=/dev/vhost-vdpa-0")
        wait_for("busy", lambda: "busy" in self.switch.command("why port net_vhost_vdpa9"), 30,
                 alive=[self.machine])
        self.switch.command("port detach net_vhost_vdpa9")
