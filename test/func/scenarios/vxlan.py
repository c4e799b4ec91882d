# SPDX-License-Identifier: BSD-3-Clause
"""Tunnels between hosts: a namespace each, two with a switch and one with the kernel's VXLAN device.

Each host has its part of the underlay, u0, and a card of the network that the tunnels carry: that
of a host with a switch is a tap of it, the third one's is its bridge.
"""

import json
import re
import shutil
import subprocess

from harness import namespace, peers
from harness.namespace import Namespace, device
from harness.peers import EthdevPort
from harness.process import Failure, Skip, wait_for

from .base import Link, Scenario, check

VNI = 100
DOMAIN = 5
INNER_MTU = 1450
# bytes of a ping: a frame of the smallest size to one that fills the underlay's MTU
SIZES = (18, 64, 511, 1024, 1422)


def vtep(host):
    """The address of a host in the underlay."""
    return f"10.99.0.{host + 1}"


class Hosts(Scenario):
    """Three hosts on one underlay, which is a bridge in a namespace of its own."""

    seconds = 40

    def setup(self):
        namespace.require()
        if shutil.which("bridge") is None:
            raise Skip("needs bridge")
        self.wire = self.own(Namespace("wire", self.workdir)).start()
        self.on(self.wire, "ip", "link", "add", "br0", "type", "bridge")
        self.on(self.wire, "ip", "link", "set", "br0", "up")
        self.spaces = [self.join(host) for host in range(3)]
        self.switches = [self.start_switch(host) for host in range(2)]
        self.switch = self.switches[0]
        self.cards = [self.spaces[host].card("t0") for host in range(2)]
        self.cards.append(self.start_kernel_vtep(2))
        for host, switch in enumerate(self.switches):
            others = ",".join(vtep(other) for other in range(3) if other != host)
            for line in (f"set port 1 domain {DOMAIN}",
                         f"vxlan add vx local {vtep(host)} underlay 0",
                         f"vxlan vni {VNI} domain {DOMAIN} flood {others}"):
                self.tell(switch, line)
            wait_for(f"VNI of host {host}", lambda s=switch: "nothing keeps" in
                     s.command(f"why vni {VNI}"), 30, alive=[switch])

    @staticmethod
    def on(space, *words):
        """Run a program of the host in the network of a namespace."""
        done = subprocess.run([*space.enter(), *map(str, words)], capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            raise Failure(f"{space.name}: {' '.join(map(str, words))}: {done.stderr.strip()}")
        return done.stdout

    @staticmethod
    def tell(switch, line):
        """A command that prints nothing unless it is refused."""
        out = switch.command(line).strip()
        if out:
            raise Failure(f"{switch.name}: '{line}': {out}")

    def join(self, host):
        """A host with its address in the underlay."""
        space = self.own(Namespace(f"host{host}", self.workdir)).start()
        dev = device()
        space.veth(dev, "u0")
        self.wire.take(dev, f"v{host}")
        self.on(self.wire, "ip", "link", "set", f"v{host}", "master", "br0", "up")
        self.on(space, "ip", "addr", "add", f"{vtep(host)}/24", "dev", "u0")
        self.on(space, "ip", "link", "set", "u0", "up")
        return space

    def start_switch(self, host):
        """A switch in the network of a host."""
        workdir = self.workdir / f"host{host}.run"
        workdir.mkdir()
        switch = peers.backend(f"switch{host}", workdir,
                               [EthdevPort("net_af_packet", iface="u0"),
                                EthdevPort("net_tap", iface="t0")], memory=256)
        switch.argv = [*self.spaces[host].enter(), *switch.argv]
        return self.own(switch).start()

    def start_kernel_vtep(self, host):
        """The kernel's VXLAN device behind a bridge; the bridge's card."""
        space = self.spaces[host]
        self.on(space, "ip", "link", "add", "br1", "type", "bridge")
        self.on(space, "ip", "link", "add", "vx", "type", "vxlan", "id", VNI, "local", vtep(host),
                "dstport", 4789)
        self.on(space, "ip", "link", "set", "vx", "master", "br1", "mtu", INNER_MTU, "up")
        for other in range(host):
            self.on(space, "bridge", "fdb", "append", "00:00:00:00:00:00", "dev", "vx", "dst",
                    vtep(other))
        return space.card("br1")

    def link(self, one, other):
        """The cards of two hosts."""
        return Link(self, (self.spaces[one], self.cards[one]),
                    (self.spaces[other], self.cards[other]), mtu=INNER_MTU, accounts=False)

    def vteps(self, host):
        """The VTEPs in the report of a switch, by address."""
        report = json.loads(self.switches[host].command("show vxlan json"))
        (tunnel,) = report["tunnels"]
        (vni,) = tunnel["vnis"]
        return {one["vtep"]: one for one in vni["vteps"]}

    @check("vxlan.{0}.to.{1}", each=((0, 1), (0, 2), (1, 2)))
    def exchange(self, one, other):
        """Pings up to the full MTU and 20 MB each way between two hosts."""
        with self.link(one, other) as link:
            link.ping_sizes(SIZES)
            link.transfer_both()

    @check("vxlan.unicast")
    def unicast(self):
        """Frames to a learned address go to its VTEP alone."""
        with self.link(0, 1) as link:
            link.ping_sizes((64,))
            before = self.vteps(0)
            link.ping_sizes((64,) * 10)
            after = self.vteps(0)
        sent = {ip: after[ip]["tx_frames"] - before[ip]["tx_frames"] for ip in after}
        if sent[vtep(1)] < 60 or sent[vtep(2)] > 20:
            raise Failure(f"frames sent by VTEP: {sent}")

    @check("vxlan.mtu")
    def mtu(self):
        """A frame one byte too long is dropped for its own reason, and why."""
        with self.link(0, 1) as link:
            self.spaces[0].set_address(self.cards[0], f"{link.addresses[0]}/24", INNER_MTU + 1)
            self.spaces[0].run(f"ping -q -c 3 -W 1 -s 1423 {link.addresses[1]}")
        dropped = self.switches[0].command("show port xstats all")
        if not re.search(r"tx_q0_drop_tx_mtu_packets: [1-9]", dropped):
            raise Failure("no frame was dropped as tx_mtu")

    @check("vxlan.stranger")
    def stranger(self):
        """The kernel's VTEP is taken off the list: its frames are refused from then on."""
        self.spoiled = True
        self.tell(self.switches[0], f"vxlan vni {VNI} domain {DOMAIN} flood {vtep(1)}")
        with self.link(0, 2) as link:
            status, out = self.spaces[2].run(f"ping -q -c 3 -W 1 {link.addresses[0]}")
        if status == 0:
            raise Failure(f"a ping got through: {out}")
        if not re.search(r"rx_q0_drop_rx_vtep_packets: [1-9]",
                         self.switches[0].command("show port xstats 0")):
            raise Failure("no frame was dropped as rx_vtep")

    @check("vxlan.no.route")
    def no_route(self):
        """Without its way a VNI says why, and works again with it."""
        self.spoiled = True
        self.on(self.spaces[0], "ip", "addr", "del", f"{vtep(0)}/24", "dev", "u0")
        wait_for("reason", lambda: "no route" in self.switches[0].command(f"why vni {VNI}"), 30)
        self.on(self.spaces[0], "ip", "addr", "add", f"{vtep(0)}/24", "dev", "u0")
        with self.link(0, 1) as link:
            wait_for("way", lambda: "nothing keeps" in
                     self.switches[0].command(f"why vni {VNI}"), 30)
            link.ping_sizes((64,))

    @check("vxlan.config")
    def config(self):
        """show config makes the same tunnels again, and changes nothing where it came from."""
        switch = self.switches[0]
        lines = [line for line in switch.command("show config").splitlines() if "vxlan" in line]
        if len(lines) != 2:
            raise Failure(f"show config: {lines}")
        before = self.vteps(0)
        for line in lines:
            self.tell(switch, line)
        if self.vteps(0).keys() != before.keys():
            raise Failure("loading it changed the VTEPs")
        self.tell(switch, "vxlan del vx")
        if switch.command("show port info 1024").find("Invalid port") < 0:
            raise Failure("a VTEP's port is left")
        for line in lines:
            self.tell(switch, line)
        with self.link(0, 1) as link:
            wait_for("way", lambda: "nothing keeps" in switch.command(f"why vni {VNI}"), 30)
            link.ping_sizes((64,))
