# SPDX-License-Identifier: BSD-3-Clause
"""Tunnels between hosts: a namespace each, two with a switch and one with the kernel's VXLAN device.

Each host has its part of the underlay, u0, and a card of the network that the tunnels carry: that
of a host with a switch is a tap of it, the third one's is its bridge.
"""

import json
import re
import shutil
import socket
import subprocess
import sys
import time

from harness import namespace, peers
from harness.frr import Frr
from harness.namespace import Namespace, device
from harness.peers import EthdevPort
from harness.process import Failure, Skip, wait_for

from .base import FILE_MB, Link, Scenario, check

VNI = 100
DOMAIN = 5
INNER_MTU = 1450
PING_MS, PINGS = 10, "/tmp/pings"
# bytes of a ping: a frame of the smallest size to one that fills the underlay's MTU
SIZES = (18, 64, 511, 1024, 1422)
APART_ROUNDS = 20
# frames to all from an interface, as fast as they can be sent
FLOODER = """
import socket, sys
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
link.bind((sys.argv[1], 0))
frame = bytes.fromhex("ffffffffffff020000000001" + "88b5") + bytes(46)
while True:
    try:
        link.send(frame)
    except OSError:
        pass
"""


def vtep(host):
    """The address of a host in the underlay."""
    return f"10.99.0.{host + 1}"


class Hosts(Scenario):
    """Three hosts on one underlay, which is a bridge in a namespace of its own."""

    seconds = 40
    prefix = 24
    inner_mtu = INNER_MTU
    sizes = SIZES
    address_options = ()
    below = "0"      # port under the tunnels
    card_port = "1"  # that of the card

    @staticmethod
    def vtep(host):
        """The address of a host in the underlay."""
        return vtep(host)

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
        self.guests = list(self.spaces)
        self.cards = [self.take_card(host) for host in range(2)]
        self.cards.append(self.start_kernel_vtep(2))
        self.join_network()

    def join_network(self):
        """Have each switch know the VTEPs of the others."""
        for host, switch in enumerate(self.switches):
            others = ",".join(self.vtep(other) for other in range(3) if other != host)
            for line in (f"set port {self.card_port} domain {DOMAIN}",
                         f"vxlan add vx local {self.vtep(host)} underlay {self.below}",
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
        self.on(space, "ip", "link", "set", "u0", "up")
        self.give_address(host, space)
        return space

    def give_address(self, host, space, dev="u0"):
        """The host's address in the underlay to one of its interfaces."""
        self.on(space, "ip", "addr", "add", f"{self.vtep(host)}/{self.prefix}", "dev", dev,
                *self.address_options)

    def start_switch(self, host):
        """A switch in the network of a host."""
        workdir = self.workdir / f"host{host}.run"
        workdir.mkdir(exist_ok=True)
        switch = peers.backend(f"switch{host}", workdir, self.ports_at_start(), memory=256,
                               extra=["--metrics", f"unix:{workdir}/metrics"])
        switch.argv = [*self.spaces[host].enter(), *switch.argv]
        return self.own(switch).start()

    @staticmethod
    def ports_at_start():
        """The underlay's, the card's, and others."""
        return [EthdevPort("net_af_packet", iface="u0"), EthdevPort("net_tap", iface="t0")]

    def start_kernel_vtep(self, host):
        """The kernel's VXLAN device behind a bridge; the bridge's card."""
        space = self.spaces[host]
        self.on(space, "ip", "link", "add", "br1", "type", "bridge")
        self.on(space, "ip", "link", "add", "vx", "type", "vxlan", "id", VNI, "local",
                self.vtep(host), "dstport", 4789)
        self.on(space, "ip", "link", "set", "vx", "master", "br1", "mtu", self.inner_mtu, "up")
        for other in range(host):
            self.on(space, "bridge", "fdb", "append", "00:00:00:00:00:00", "dev", "vx", "dst",
                    self.vtep(other))
        return space.card("br1")

    def take_card(self, host):
        """The card of a host with a switch, in the namespace in self.guests."""
        return self.spaces[host].card("t0")

    def link(self, one, other):
        """The cards of two hosts."""
        return Link(self, (self.guests[one], self.cards[one]),
                    (self.guests[other], self.cards[other]), mtu=self.inner_mtu, accounts=False)

    def vteps(self, host):
        """The VTEPs in the report of a switch, by address."""
        report = json.loads(self.switches[host].command("show vxlan json"))
        (tunnel,) = report["tunnels"]
        (vni,) = tunnel["vnis"]
        return {one["vtep"]: one for one in vni["vteps"]}

    def dropped(self, reason):
        """Frames that the first host's switch has dropped for a reason."""
        return sum(map(int, re.findall(rf"_drop_{reason}_packets: (\d+)",
                                       self.switches[0].command("show port xstats all"))))

    @check("vxlan.{0}.to.{1}", each=((0, 1), (0, 2), (1, 2)))
    def exchange(self, one, other):
        """Pings up to the full MTU and 20 MB each way between two hosts."""
        with self.link(one, other) as link:
            link.ping_sizes(self.sizes)
            link.transfer_both(FILE_MB)

    @check("vxlan.unicast")
    def unicast(self):
        """Frames to a learned address go to its VTEP alone."""
        with self.link(0, 1) as link:
            link.ping_sizes((64,))
            before = self.vteps(0)
            link.ping_sizes((64,) * 10)
            after = self.vteps(0)
        sent = {ip: after[ip]["tx_frames"] - before[ip]["tx_frames"] for ip in after}
        if sent[self.vtep(1)] < 60 or sent[self.vtep(2)] > 20:
            raise Failure(f"frames sent by VTEP: {sent}")

    @check("vxlan.mtu")
    def mtu(self):
        """A frame one byte too long is dropped for its own reason, and why."""
        with self.link(0, 1) as link:
            self.spaces[0].set_address(self.cards[0], f"{link.addresses[0]}/24",
                                       self.inner_mtu + 1)
            before = self.dropped("tx_mtu")
            self.spaces[0].run(
                f"ping -q -c 3 -W 1 -s {self.inner_mtu - 27} {link.addresses[1]}")
        if self.dropped("tx_mtu") == before:
            raise Failure("no frame was dropped as tx_mtu")

    @check("vxlan.stranger")
    def stranger(self):
        """The kernel's VTEP is taken off the list: its frames are refused from then on."""
        self.spoiled = True
        self.tell(self.switches[0], f"vxlan vni {VNI} domain {DOMAIN} flood {self.vtep(1)}")
        before = self.dropped("rx_vtep")
        with self.link(0, 2) as link:
            status, out = self.spaces[2].run(f"ping -q -c 3 -W 1 {link.addresses[0]}")
        if status == 0:
            raise Failure(f"a ping got through: {out}")
        if self.dropped("rx_vtep") == before:
            raise Failure("no frame was dropped as rx_vtep")

    @check("vxlan.no.route")
    def no_route(self):
        """Without its way a VNI says why, and works again with it."""
        self.spoiled = True
        self.on(self.spaces[0], "ip", "addr", "del", f"{self.vtep(0)}/24", "dev", "u0")
        wait_for("reason", lambda: "no route" in self.switches[0].command(f"why vni {VNI}"), 30)
        self.on(self.spaces[0], "ip", "addr", "add", f"{self.vtep(0)}/24", "dev", "u0")
        with self.link(0, 1) as link:
            wait_for("way", lambda: "nothing keeps" in
                     self.switches[0].command(f"why vni {VNI}"), 30)
            link.ping_sizes((64,))

    def wait_why(self, *parts):
        """Until all of these are in the reason against the first host's VNI."""
        switch = self.switches[0]
        wait_for(f"reason: {', '.join(parts)}", lambda: all(
            part in switch.command(f"why vni {VNI}") for part in parts), 60, alive=[switch])

    @check("vxlan.why")
    def why(self):
        """A VTEP that does not answer and a way of a smaller MTU are named, each with its VTEP."""
        self.spoiled = True
        self.tell(self.switches[0], f"vxlan vni {VNI} domain {DOMAIN} flood {self.vtep(77)}")
        self.wait_why(self.vtep(77), "does not answer")
        self.tell(self.switches[0], f"vxlan vni {VNI} domain {DOMAIN} flood {self.vtep(1)}")
        self.wait_why("nothing keeps")
        route = (f"{self.vtep(1)}/32", "dev", "u0", "mtu")
        self.on(self.spaces[0], "ip", "route", "add", *route, "1400")
        self.wait_why(self.vtep(1), "1350 bytes", "MTU", "1450")
        port = self.vteps(0)[self.vtep(1)]["port"]
        said = self.switches[0].command(f"why port {port}")
        if "1350 bytes do not fit the MTU" not in said:
            raise Failure(f"why port {port}: {said}")
        self.on(self.spaces[0], "ip", "route", "replace", *route, "48")
        self.wait_why("no room")
        self.on(self.spaces[0], "ip", "route", "del", f"{self.vtep(1)}/32")
        self.wait_why("nothing keeps")

    def scrape(self, host):
        """The metrics of a switch."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30)
            s.connect(str(self.workdir / f"host{host}.run" / "metrics"))
            s.sendall(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
            return b"".join(iter(lambda: s.recv(65536), b"")).decode().splitlines()

    @check("vxlan.metrics")
    def metrics(self):
        """There are some of each VTEP and VNI."""
        port = f'{{port="vx.{VNI}.{self.vtep(1)}"'
        lines = self.scrape(0)
        for line in (f'vqswitch_tunnel_info{port},tunnel="vx",vni="{VNI}",vtep="{self.vtep(1)}"}} 1',
                     f"vqswitch_tunnel_frame_most_bytes{port}}} {self.inner_mtu + 14}",
                     f"vqswitch_port_link_up{port}}} 1",
                     f'vqswitch_vni_vteps{{vni="{VNI}"}} 2',
                     f'vqswitch_vni_mtu_bytes{{vni="{VNI}"}} {self.inner_mtu}',
                     "vqswitch_evpn_refused_total 0"):
            if line not in lines:
                raise Failure(f"no '{line}' in {[one for one in lines if line.split('{')[0] in one]}")

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


class KernelPortHosts(Hosts):
    """
    The same hosts; where there is a switch the kernel is behind a port of it, k0, with the address.
    Their part of the underlay stands for a card that is under DPDK: the kernel has no address there.
    """

    def give_address(self, host, space, dev="u0"):
        """That of a host with a switch has to wait for it."""
        if host == 2 or dev != "u0":
            super().give_address(host, space, dev)

    @staticmethod
    def ports_at_start():
        """The kernel's, in the domain of the underlay."""
        return [*Hosts.ports_at_start(), EthdevPort("net_tap", iface="k0")]

    def start_switch(self, host):
        """A switch that connects the kernel of its host."""
        switch = super().start_switch(host)
        space = self.spaces[host]
        wait_for("k0", lambda: "k0" in self.on(space, "ip", "-o", "link"), 30, alive=[switch])
        self.on(space, "ip", "link", "set", "k0", "up")
        self.give_address(host, space, "k0")
        return switch

    @check("vxlan.kernel.port.{0}.to.{1}", each=((0, 1), (0, 2)))
    def exchange(self, one, other):
        """Pings up to the full MTU and 20 MB each way between two hosts."""
        super().exchange(one, other)

    @check("vxlan.kernel.port.underlay")
    def underlay(self):
        """The kernels reach each other, as routing daemons do, beside tunnel frames."""
        before = self.vteps(0)[self.vtep(1)]["tx_frames"]
        for one, other in ((0, 1), (0, 2), (2, 1)):
            status, out = self.spaces[one].run(f"ping -q -c 3 -W 10 {self.vtep(other)}")
            if status != 0:
                raise Failure(f"from {one} to {other}: {out}")
        after = self.vteps(0)[self.vtep(1)]["tx_frames"]
        if after - before > 20:
            raise Failure(f"{after - before} frames in the tunnel")


class KernelUnderlayHosts(Hosts):
    """The same hosts; the switch makes the port below its tunnel itself."""

    below, card_port = "kernel", "0"

    @staticmethod
    def ports_at_start():
        """The card's."""
        return [EthdevPort("net_tap", iface="t0")]

    @check("vxlan.underlay.kernel.{0}.to.{1}", each=((0, 1), (0, 2)))
    def exchange(self, one, other):
        """Pings up to the full MTU and 20 MB each way between two hosts."""
        super().exchange(one, other)

    @check("vxlan.underlay.kernel.config")
    def config(self):
        """The port is apart from guests, and there once; an address elsewhere is refused."""
        switch = self.switches[0]
        lines = switch.command("show config").splitlines()
        for line in ("port add 1 domain 4095 net_af_packet_u0,iface=u0", "set port 1 learning off",
                     f"vxlan add vx local {self.vtep(0)} underlay 1 dstport 4789"):
            if line not in lines:
                raise Failure(f"show config has no '{line}': {lines}")
        self.tell(switch, f"vxlan add vx local {self.vtep(0)} underlay kernel")
        self.tell(switch, f"vxlan add two local {self.vtep(0)} underlay kernel dstport 8472")
        for address, reason in (("192.0.2.1", "no interface of this host has the address"),
                                (self.lonely(), "is an address of lo")):
            said = switch.command(f"vxlan add three local {address} underlay kernel")
            if reason not in said:
                raise Failure(f"{address}: {said}")
        if "Invalid port" not in switch.command("show port info 2"):
            raise Failure("there is one port more")
        if "nothing keeps" not in switch.command("why port 1"):
            raise Failure(switch.command("why port 1"))
        self.tell(switch, "vxlan del two")

    @check("vxlan.underlay.kernel.apart")
    def apart(self):
        """No frame of a guest in domain 0 gets below while the port is made, however often."""
        switch, space = self.switches[0], self.spaces[0]
        self.on(space, "ip", "link", "add", "w0", "type", "veth", "peer", "name", "w1")
        self.on(space, "ip", "addr", "add", "10.97.0.1/24", "dev", "w0")
        for dev in ("w0", "w1"):
            self.on(space, "ip", "link", "set", dev, "up")
        self.tell(switch, "port add 2 net_tap9,iface=g0")
        wait_for("g0", lambda: "g0" in self.on(space, "ip", "-o", "link"), 30, alive=[switch])
        self.on(space, "ip", "link", "set", "g0", "up")
        with subprocess.Popen([*space.enter(), sys.executable, "-c", FLOODER, "g0"]) as flooder:
            try:
                wait_for("frames of the guest", lambda: self.frames(2, "rx"), 30, alive=[switch])
                sent = sum(self.make_below(switch, "10.97.0.1") for _ in range(APART_ROUNDS))
            finally:
                flooder.kill()
        switch.command("port detach 2")
        if sent != 0:
            raise Failure(f"{sent} frames got below")
        return f"{APART_ROUNDS} times"

    def make_below(self, switch, address):
        """Make a tunnel over the kernel's card and remove it; the frames its port has sent."""
        self.tell(switch, f"vxlan add gone local {address} underlay kernel")
        sent = self.frames(3, "tx")
        self.tell(switch, "vxlan del gone")
        switch.command("port detach 3")
        return sent

    def frames(self, port, way):
        """The frames a port has received or sent."""
        out = self.switches[0].command(f"show port stats {port}")
        return int(re.search(rf"{way.upper()}-packets: *(\d+)", out)[1])

    def lonely(self):
        """An address of the loopback interface that others can have, too."""
        self.on(self.spaces[0], "ip", "addr", "add", "10.98.0.1/32", "dev", "lo")
        return "10.98.0.1"


class Ipv6Hosts(Hosts):
    """The same hosts on an underlay of IPv6."""

    prefix = 64
    inner_mtu = INNER_MTU - 20
    sizes = (18, 64, 511, 1024, 1402)
    address_options = ("nodad",)

    @staticmethod
    def vtep(host):
        """The address of a host in the underlay."""
        return f"2001:db8:99::{host + 1}"

    @check("vxlan.ipv6.{0}.to.{1}", each=((0, 1), (0, 2)))
    def exchange(self, one, other):
        """Pings up to the full MTU and 20 MB each way between two hosts."""
        super().exchange(one, other)

    @check("vxlan.ipv6.mtu")
    def mtu(self):
        """A frame one byte too long is dropped for its own reason, and why."""
        super().mtu()


class EvpnHosts(Hosts):
    """The same hosts, whose VTEPs and addresses come by BGP from FRR on each."""

    seconds = 60
    frr = None  # the version: that of this machine's release

    BGP = """frr defaults datacenter
router bgp 65000
 bgp router-id {own}
 no bgp default ipv4-unicast
 timers bgp 3 9
{neighbours}
 address-family l2vpn evpn
{active}
  advertise-all-vni
 exit-address-family
"""

    def join_network(self):
        self.on(self.spaces[2], "ip", "link", "set", "vx", "type", "bridge_slave", "learning",
                "off")
        self.routers = [self.start_router(host) for host in range(3)]
        for host in range(2):
            self.join_evpn(host)
        self.wait_joined()

    def join_evpn(self, host):
        """Have a switch join."""
        for line in (f"set port {self.card_port} domain {DOMAIN}",
                     f"vxlan add vx local {self.vtep(host)} underlay {self.below}",
                     f"vxlan vni {VNI} domain {DOMAIN} evpn"):
            self.tell(self.switches[host], line)

    def take_card(self, host):
        """A namespace of its own: bgpd takes no route to an address that a card beside it has."""
        self.guests[host] = self.own(Namespace(f"guest{host}", self.workdir)).start()
        return self.give_card(host)

    def give_card(self, host):
        """The tap of a switch to the namespace of its guest."""
        self.spaces[host].card("t0")
        self.on(self.spaces[host], "ip", "link", "set", "t0", "netns", self.guests[host].pid())
        return self.guests[host].card("t0")

    def start_router(self, host):
        """FRR on a host."""
        others = [self.vtep(other) for other in range(3) if other != host]
        neighbours = "\n".join(f" neighbor {ip} remote-as 65000\n neighbor {ip} timers connect 1"
                               for ip in others)
        active = "\n".join(f"  neighbor {ip} activate" for ip in others)
        config = self.BGP.format(own=self.vtep(host), neighbours=neighbours, active=active)
        return self.own(Frr(self.spaces[host], self.workdir, config, self.frr)).start()

    def wait_joined(self):
        """Until each switch has the VTEPs of both others and can reach them."""
        for host, switch in enumerate(self.switches):
            wait_for(f"VTEPs of host {host}", lambda h=host: len(self.vteps(h)) == 2, 60,
                     alive=[*self.switches, *self.routers])
            wait_for(f"VNI of host {host}", lambda s=switch: "nothing keeps" in
                     s.command(f"why vni {VNI}"), 30, alive=[switch])

    def start_kernel_vtep(self, host):
        """The kernel's VXLAN device, whose table FRR fills in."""
        space = self.spaces[host]
        self.on(space, "ip", "link", "add", "br1", "type", "bridge")
        self.on(space, "ip", "link", "add", "vx", "type", "vxlan", "id", VNI, "local",
                self.vtep(host), "dstport", 4789, "nolearning")
        self.on(space, "ip", "link", "set", "vx", "master", "br1", "mtu", self.inner_mtu, "up")
        self.on(space, "ip", "link", "set", "br1", "up")
        return space.card("br1")

    @check("vxlan.evpn.{0}.to.{1}", each=((0, 1), (0, 2), (1, 2)))
    def exchange(self, one, other):
        """Pings up to the full MTU and 20 MB each way between two hosts."""
        with self.link(one, other) as link:
            link.ping_sizes(self.sizes)
            link.transfer_both(FILE_MB)

    def place(self, host, mac):
        """Whether an address is EVPN's, and its port, in a switch's table; None: it is unknown."""
        fdb = json.loads(self.switches[host].command("show fdb json"))
        found = [e for e in fdb["addresses"]
                 if (e["mac"].lower(), e["domain"]) == (mac.lower(), DOMAIN)]
        return (found[0].get("extern", False), found[0]["port"]) if found else None

    def kernel_vtep_of(self, mac):
        """The VTEP in the table of the third host's kernel, None if there is none."""
        table = self.on(self.spaces[2], "bridge", "fdb", "show", "dev", "vx")
        found = re.search(rf"(?im)^{mac} dst (\S+)", table)
        return found and found.group(1)

    def ports(self, host):
        """Numbers of the ports that stand for VTEPs, by address."""
        return {ip: one["port"] for ip, one in self.vteps(host).items()}

    @check("vxlan.evpn.addresses")
    def addresses(self):
        """Each address is learned at its host and told to the two others, kernels included."""
        with self.link(0, 1) as link:
            link.ping_sizes((64,))
            macs = [self.cards[host].mac for host in range(2)]
            for host, mac in enumerate(macs):
                other = 1 - host
                wait_for(f"address of host {host} at host {other}",
                         lambda h=host, o=other, m=mac:
                         self.place(o, m) == (True, self.ports(o)[self.vtep(h)]), 30)
                wait_for(f"address of host {host} at the kernel's VTEP",
                         lambda h=host, m=mac: self.kernel_vtep_of(m) == self.vtep(h), 30)
                if self.place(host, mac) != (False, 1):
                    raise Failure(f"at its own host: {self.place(host, mac)}")

    @check("vxlan.evpn.unicast")
    def unicast(self):
        """Frames to an address that was told go to its VTEP alone, the first one included."""
        with self.link(0, 1) as link:
            link.ping_sizes((64,))
            wait_for("address", lambda: self.place(0, self.cards[1].mac), 30)
            self.guests[0].sh(f"arp -s {link.addresses[1]} {self.cards[1].mac}")
            before = self.vteps(0)[self.vtep(2)]["tx_frames"]
            link.ping_sizes((64,) * 10)
            flooded = self.vteps(0)[self.vtep(2)]["tx_frames"] - before
            self.guests[0].sh(f"arp -d {link.addresses[1]}")
        if flooded > 20:
            raise Failure(f"{flooded} frames went to the other VTEP as well")

    @check("vxlan.evpn.moved")
    def moved(self):
        """An address moves from host to host and back; the third host follows, which pings it."""
        self.spoiled = True
        mac, ip = "02:00:00:00:aa:01", "192.168.77.1"
        self.spaces[2].set_address(self.cards[2], "192.168.77.3/24", self.inner_mtu)
        self.ping_on(2, ip)
        own = [self.guests[host].sh("cat /sys/class/net/t0/address") for host in range(2)]
        for round_ in range(4):
            here, there = round_ % 2, 1 - round_ % 2
            self.on(self.guests[there], "ip", "addr", "flush", "dev", "t0")
            self.on(self.guests[there], "ip", "link", "set", "t0", "address", own[there])
            self.on(self.guests[here], "ip", "link", "set", "t0", "address", mac, "mtu", self.inner_mtu,
                    "up")
            self.on(self.guests[here], "ip", "addr", "add", f"{ip}/24", "dev", "t0")
            wait_for(f"ping after move {round_}", lambda h=here: self.guests[h].run(
                "ping -q -c 1 -W 1 192.168.77.3")[0] == 0, 30)
            wait_for(f"third host after move {round_}",
                     lambda h=here: self.kernel_vtep_of(mac) == self.vtep(h), 30)
            wait_for(f"former host after move {round_}",
                     lambda h=here, t=there: self.place(t, mac) == (
                         True, self.ports(t)[self.vtep(h)]), 30)
            answered = len(self.pings_of(2))
            wait_for(f"pings after move {round_}", lambda n=answered:
                     len(self.pings_of(2)) > n + 10, 30)
        return self.gaps(2)

    def ping_on(self, host, address):
        """Begin to ping an address from a host."""
        self.guests[host].sh(f": >{PINGS}")
        self.guests[host].background(f"ping -i {PING_MS / 1000} {address} >{PINGS} 2>&1")

    def pings_of(self, host):
        """Numbers of those that were answered."""
        return [int(n) for n in
                re.findall(r"seq=(\d+) ttl=\d+ time=\S+ ms$", self.guests[host].sh(f"cat {PINGS}"), re.M)]

    def gaps(self, host):
        """End them; a remark: the longest gaps, and the numbers before and behind each."""
        self.guests[host].sh("killall ping")
        seen = self.pings_of(host)
        if sorted(set(seen)) != seen:
            raise Failure(f"answers out of order, or twice: {seen}")
        found = sorted(((now - then, then, now) for then, now in zip(seen, seen[1:]) if now - then > 1),
                       reverse=True)[:4]
        longest = ", ".join(f"{(n - 1) * PING_MS} ms ({then} to {now})" for n, then, now in found)
        return f"{len(seen)} of {seen[-1] + 1} pings answered; longest gaps: {longest or 'none'}"

    def restart_switch(self, host):
        """Another one in place of a switch that was killed; it joins with the same guest."""
        self.disown(self.switches[host])
        self.switches[host] = self.start_switch(host)
        self.switch = self.switches[0]
        self.cards[host] = self.give_card(host)
        self.join_evpn(host)

    @check("vxlan.evpn.killed")
    def killed(self):
        """The addresses of a switch that is killed are withdrawn, and told again by the next."""
        self.spoiled = True
        with self.link(1, 2) as link:
            link.ping_sizes((64,))
            mac = self.cards[1].mac
            wait_for("address", lambda: self.kernel_vtep_of(mac) == self.vtep(1), 30)
        self.switches[1].kill()
        since = time.monotonic()
        wait_for("withdrawal", lambda: self.kernel_vtep_of(mac) is None, 30)
        seconds = time.monotonic() - since
        devices = self.on(self.spaces[1], "ip", "link")
        if f"vqx{VNI}:" not in devices or f"vqb{VNI}:" not in devices:
            raise Failure(f"devices for the next one: {devices}")
        self.restart_switch(1)
        self.wait_joined()
        with self.link(1, 2) as link:
            link.ping_sizes((64,))
            wait_for("address of the next one", lambda: self.kernel_vtep_of(self.cards[1].mac) ==
                     self.vtep(1), 30)
        return f"withdrawn {seconds:.1f} s after the end"

    @check("vxlan.evpn.{0}.killed", each=("router", "zebra"))
    def router_killed(self, what):
        """The others forget a host whose FRR ends, and one daemon takes the others along; with the
        next start all is as it was."""
        self.spoiled = True
        with self.link(0, 1) as link:
            link.ping_sizes((64,))
            mac = self.cards[0].mac
            wait_for("address", lambda: self.kernel_vtep_of(mac) == self.vtep(0), 30)
            if what == "zebra":
                self.routers[0].kill_daemon(what)
                wait_for("end of the others", lambda: not self.routers[0].alive(), 30)
            else:
                self.routers[0].kill()
            wait_for("withdrawal", lambda: self.vtep(0) not in self.vteps(1), 30)
            self.disown(self.routers[0])
            self.routers[0] = self.start_router(0)
            self.wait_joined()
            link.ping_sizes((64,))
            wait_for("address again", lambda: self.kernel_vtep_of(mac) == self.vtep(0) and
                     self.place(1, mac) == (True, self.ports(1)[self.vtep(0)]), 30)

    @check("vxlan.evpn.why")
    def why(self):
        """Kernel devices that do not work are named, and that no other host announces the VNI."""
        self.spoiled = True
        for state, back, reason in (("down", "up", "is down"),
                                    ("carrier off", "carrier on", "has no carrier")):
            tap = f"vqt{VNI}"
            self.on(self.spaces[0], "ip", "link", "set", tap, *state.split())
            self.wait_why(tap, reason)
            self.on(self.spaces[0], "ip", "link", "set", tap, *back.split())
            self.wait_why("nothing keeps")
        for router in self.routers[1:]:
            router.kill()
        self.wait_why("no other host announces")

    @check("vxlan.evpn.config")
    def config(self):
        """show config joins again; the end of a VNI takes the kernel's devices away."""
        switch = self.switches[0]
        lines = [line for line in switch.command("show config").splitlines() if "vxlan" in line]
        if len(lines) != 2 or not lines[1].endswith(" evpn"):
            raise Failure(f"show config: {lines}")
        for line in lines:
            self.tell(switch, line)
        refused = switch.command(f"vxlan vni {VNI} domain {DOMAIN} flood {self.vtep(1)}")
        if "joined EVPN" not in refused:
            raise Failure(f"a list for a VNI that joined: {refused}")
        for line in ("vxlan vni 7 domain 6 vlan 9 evpn", "vxlan vni 8 on vx domain 6 vlan 10 evpn"):
            self.tell(switch, line)
            wait_for(line, lambda n=line.split()[2]: f"vqx{n}:" in
                     self.on(self.spaces[0], "ip", "link"), 30)
            if " ".join(line.replace(" on vx", "").split()[3:]) not in switch.command("show config"):
                raise Failure(f"show config has no {line}")
        self.tell(switch, "vxlan vni 7 off")
        self.tell(switch, "vxlan del vx")
        wait_for("end of the devices", lambda: "vqx" not in
                 self.on(self.spaces[0], "ip", "link"), 30)
        for line in lines:
            self.tell(switch, line)
        self.wait_joined()
        with self.link(0, 1) as link:
            link.ping_sizes((64,))


class LaterEvpnHosts(EvpnHosts):
    """The same hosts with the FRR of Debian 13."""

    frr = "10.3"

    @check("vxlan.evpn.frr-10.{0}.to.{1}", each=((0, 1), (0, 2)))
    def exchange(self, one, other):
        """As with the other."""
        super().exchange(one, other)

    @check("vxlan.evpn.frr-10.moved")
    def moved(self):
        """As with the other."""
        return super().moved()

    @check("vxlan.evpn.frr-10.{0}.killed", each=("router", "zebra"))
    def router_killed(self, what):
        """As with the other."""
        super().router_killed(what)
