# SPDX-License-Identifier: BSD-3-Clause
"""Hosts with EVPN when much changes, or a sender lies: forged frames, many addresses and VTEPs,
routes that change; and the recipes of doc/evpn.md."""

import json
import pathlib
import re
import socket
import struct
import time

from harness import neighbours, wire
from harness.frr import Frr
from harness.process import Failure, wait_for

from .base import check
from .vxlan import VNI, EvpnHosts, Ipv6Hosts

MANY = 10000
FEW = 20  # stations there are besides
FORGED = 20
STATION = "02:00:00:00:0e:66"
ZERO = "00:00:00:00:00:00"


def address(number):
    """A station's, by number."""
    return f"02:00:00:01:{number >> 8:02x}:{number & 0xff:02x}"


class EvpnTrials(EvpnHosts):
    """The three hosts."""

    seconds = 120

    def batch(self, host, tool, lines):
        """Commands of ip or bridge, all at once."""
        path = self.workdir / f"{tool}.batch"
        path.write_text("\n".join(lines) + "\n", "ascii")
        self.on(self.spaces[host], tool, "-batch", path)

    def outer(self, source, vni, flags=8):
        """A tunnel frame of the third host to the first one, with a broadcast inside."""
        inner = neighbours.ethernet(STATION, neighbours.BROADCAST, 0x88b7, b"forged")
        load = struct.pack("!B3xI", flags, vni << 8) + inner
        load = struct.pack("!HHHH", 50000, 4789, 8 + len(load), 0) + load
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(load), 0, 0x4000, 64, 17, 0) + \
            neighbours.ip_bytes(source) + neighbours.ip_bytes(self.vtep(0))
        ip = ip[:10] + struct.pack("!H", neighbours.checksum(ip)) + ip[12:]
        ends = [self.spaces[host].sh("cat /sys/class/net/u0/address").strip() for host in (2, 0)]
        return neighbours.ethernet(*ends, 0x0800, ip + load)

    @check("vxlan.evpn.spoofed")
    def spoofed(self):
        """Frames of no VTEP, of no VNI and without one are dropped, each for its own reason."""
        forged = (("rx_vtep", self.outer("10.99.0.77", VNI)),
                  ("rx_vni", self.outer(self.vtep(2), VNI + 1)),
                  ("rx_outer", self.outer(self.vtep(2), VNI, 0)))
        with wire.network_of(self.spaces[2]):
            link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        with link:
            link.bind(("u0", 0))
            for reason, frame in forged:
                before = self.dropped(reason)
                for _ in range(FORGED):
                    link.send(frame)
                wait_for(f"{reason} of {FORGED} frames",
                         lambda r=reason, b=before: self.dropped(r) == b + FORGED, 30)
            if self.place(0, STATION) is not None:
                raise Failure("an address was learned from a forged frame")
            # the same frame of a VTEP: what is refused above is refused for its reason alone
            received = self.vteps(0)[self.vtep(2)]["rx_frames"]
            link.send(self.outer(self.vtep(2), VNI))
            wait_for("one that is not forged", lambda:
                     self.vteps(0)[self.vtep(2)]["rx_frames"] > received, 30)

    def elsewhere(self, host):
        """Addresses of other hosts that a switch knows."""
        report = json.loads(self.switches[host].command("show vxlan vni json"))
        return report["vnis"][0]["addresses_elsewhere"]

    def kernel_macs(self):
        """Addresses that the third host's kernel has of others."""
        table = self.on(self.spaces[2], "bridge", "fdb", "show", "dev", "vx")
        return sum(" dst " in line and ZERO not in line for line in table.splitlines())

    @check("vxlan.evpn.many")
    def many(self):
        """10,000 addresses appear at a kernel's VTEP and go, and as many at a switch."""
        self.spoiled = True
        self.on(self.spaces[2], "ip", "link", "add", "d0", "type", "veth", "peer", "name", "d1")
        self.on(self.spaces[2], "ip", "link", "set", "d1", "up")
        self.on(self.spaces[2], "ip", "link", "set", "d0", "master", "br1", "up")
        times = []
        for verb, done in (("add", lambda n: n >= MANY), ("del", lambda n: n <= FEW)):
            since = time.monotonic()
            self.batch(2, "bridge", [f"fdb {verb} {address(n)} dev d0 master" + " dynamic" * (verb == "add")
                                     for n in range(MANY)])
            for host in range(2):
                wait_for(f"{verb} at host {host}", lambda h=host, d=done: d(self.elsewhere(h)), 60)
            times.append(time.monotonic() - since)
        path = self.workdir / "static"
        for verb, done in (("add", lambda n: n >= MANY), ("del", lambda n: n <= FEW)):
            since = time.monotonic()
            path.write_text("\n".join(
                f"fdb {verb} {address(n)} 5" + f" {self.card_port}" * (verb == "add")
                for n in range(MANY)) + "\n", "ascii")
            self.switches[0].command(f"load {path}")
            wait_for(f"{verb} at the kernel's VTEP", lambda d=done: d(self.kernel_macs()), 60)
            times.append(time.monotonic() - since)
        return "there and gone, of a kernel and of a switch: " + \
            ", ".join(f"{t:.1f} s" for t in times)

    @check("vxlan.evpn.vteps.many")
    def many_vteps(self):
        """300 VTEPs come and go three times; pings to another are not lost."""
        self.spoiled = True
        with self.link(0, 1) as link:
            link.ping_sizes((64,))
            self.ping_on(0, link.addresses[1])
            for _ in range(3):
                for verb in ("append", "del"):
                    self.batch(0, "bridge", [
                        f"fdb {verb} {ZERO} dev vqx{VNI} dst 10.99.{1 + n // 250}.{1 + n % 250} self"
                        f"{' permanent' * (verb == 'append')}" for n in range(300)])
                    wait_for(f"{verb} of VTEPs", lambda v=verb: len(self.vteps(0)) == (
                        302 if v == "append" else 2), 60, alive=self.switches)
            remark = self.gaps(0)
            link.ping_sizes((64,))
        return remark

    @check("vxlan.evpn.rerouted")
    def rerouted(self):
        """The route to a VTEP leads by another host and back, under pings: frames follow."""
        self.spoiled = True
        gateway = self.spaces[2]
        self.on(gateway, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward; "
                "echo 0 | tee /proc/sys/net/ipv4/conf/*/send_redirects")
        with self.link(0, 1) as link:
            link.ping_sizes((64,))
            self.ping_on(0, link.addresses[1])
            for _ in range(5):
                before = self.forwarded(gateway)
                self.on(self.spaces[0], "ip", "route", "replace", f"{self.vtep(1)}/32", "via",
                        self.vtep(2))
                wait_for("frames by the other host", lambda n=before:
                         self.forwarded(gateway) > n + 10, 30)
                self.on(self.spaces[0], "ip", "route", "del", f"{self.vtep(1)}/32")
                wait_for("frames past it", lambda: not self.grows(gateway), 30)
            remark = self.gaps(0)
            link.ping_sizes((64,))
        return remark

    def forwarded(self, space):
        """Packets that a host has forwarded for others."""
        names, values = [line.split() for line in self.on(space, "cat", "/proc/net/snmp").splitlines()
                         if line.startswith("Ip:")]
        return int(values[names.index("ForwDatagrams")])

    def grows(self, space):
        """Whether it forwards while some pings are sent."""
        before, answered = self.forwarded(space), len(self.pings_of(0))
        wait_for("pings", lambda: len(self.pings_of(0)) > answered + 10, 30)
        return self.forwarded(space) != before


def recipe(part):
    """The configuration of FRR in the document that has this line."""
    text = (pathlib.Path(__file__).parents[3] / "doc" / "evpn.md").read_text("utf8")
    found = [block for block in re.findall(r"(?s)```\n(.*?)```", text) if part in block]
    if len(found) != 1:
        raise Failure(f"doc/evpn.md has '{part}' in {len(found)} places")
    return found[0]


class TwoHosts(EvpnHosts):
    """The hosts of the document's first recipe, and addresses of it; the third one has no part."""

    @staticmethod
    def vtep(host):
        """The address of a host in the document."""
        return f"192.0.2.{host + 1}"

    def join_network(self):
        config = recipe("frr defaults datacenter")
        swapped = re.sub(r"192\.0\.2\.([12])", lambda m: f"192.0.2.{3 - int(m[1])}", config)
        self.routers = [self.own(Frr(self.spaces[host], self.workdir, text)).start()
                        for host, text in enumerate((config, swapped))]
        for host in range(2):
            self.join_evpn(host)
        for host in range(2):
            wait_for(f"VTEP of host {host}", lambda h=host:
                     list(self.vteps(h)) == [self.vtep(1 - h)], 60, alive=self.routers)

    @check("vxlan.evpn.recipe.two")
    def two(self):
        """They exchange frames and addresses."""
        with self.link(0, 1) as link:
            link.ping_sizes(self.sizes)
            for host, mac in enumerate(card.mac for card in self.cards[:2]):
                wait_for(f"address of host {host}", lambda h=1 - host, m=mac:
                         self.place(h, m) == (True, self.ports(h)[self.vtep(1 - h)]), 30)


class FabricHosts(TwoHosts):
    """Three hosts that know two route reflectors only, as the document has it."""

    def join_network(self):
        self.on(self.spaces[2], "ip", "link", "set", "vx", "type", "bridge_slave", "learning", "off")
        self.reflectors = [self.start_reflector(number) for number in (101, 102)]
        config = recipe("neighbor 192.0.2.101 peer-group rr")
        self.routers = [self.own(Frr(self.spaces[host], self.workdir,
                                     config.replace("router-id 192.0.2.1\n",
                                                    f"router-id {self.vtep(host)}\n"), more="bfdd")).start()
                        for host in range(3)]
        for host in range(2):
            self.join_evpn(host)
        self.wait_joined()

    def start_reflector(self, number):
        """It has no part in the network of guests."""
        space = self.join(number - 1)
        config = recipe("bgp cluster-id").replace("router-id 192.0.2.101", f"router-id 192.0.2.{number}")
        return self.own(Frr(space, self.workdir, config, more="bfdd")).start()

    @staticmethod
    def sessions(router):
        """The state of each of a host's sessions of BFD."""
        return [peer["status"] for peer in json.loads(router.show("show bfd peers json"))]

    @check("vxlan.evpn.recipe.fabric")
    def fabric(self):
        """All know each other; the end of a reflector changes nothing."""
        with self.link(0, 1) as link:
            link.ping_sizes((64,))
            self.spoiled = True
            for router in self.routers:
                wait_for("sessions of BFD", lambda r=router: self.sessions(r) == ["up", "up"], 60)
            self.reflectors[1].kill()
            wait_for("end of its session", lambda: self.sessions(self.routers[0]) != ["up", "up"], 60)
            self.wait_joined()
            link.ping_sizes((64,))

    @check("vxlan.evpn.recipe.bfd")
    def bfd(self):
        """A host that is gone is withdrawn long before the end of BGP's hold time."""
        self.spoiled = True
        wait_for("sessions of BFD", lambda: self.sessions(self.routers[1]) == ["up", "up"], 60)
        since = time.monotonic()
        self.on(self.wire, "ip", "link", "set", "v1", "down")
        wait_for("withdrawal", lambda: self.vtep(1) not in self.vteps(0), 60)
        return f"withdrawn {time.monotonic() - since:.1f} s after it was gone"


class Ipv6EvpnHosts(Ipv6Hosts):
    """
    Hosts on an underlay of IPv6 with EVPN. FRR has that from 10.6 on, Debian has none: its messages
    to the kernel are made here.
    """

    def join_network(self):
        for host, switch in enumerate(self.switches):
            for line in (f"set port {self.card_port} domain 5",
                         f"vxlan add vx local {self.vtep(host)} underlay {self.below}",
                         f"vxlan vni {VNI} domain 5 evpn"):
                self.tell(switch, line)
        for host, switch in enumerate(self.switches):
            device = f"vqx{VNI}"
            wait_for("devices", lambda h=host: "state" in self.on(
                self.spaces[h], "sh", "-c", f"ip link show dev vqt{VNI} master vqb{VNI} || :"), 30)
            for other in range(3):
                if other != host:
                    self.fdb(host, "append", ZERO, "dev", device, "dst", self.vtep(other), "self",
                             "permanent")
            wait_for(f"VNI of host {host}", lambda s=switch: "nothing keeps" in
                     s.command(f"why vni {VNI}"), 30, alive=[switch])

    def fdb(self, host, *words):
        """Change a table of a host's kernel."""
        self.on(self.spaces[host], "bridge", "fdb", *words)

    @check("vxlan.evpn.ipv6.{0}.to.{1}", each=((0, 1), (0, 2)))
    def exchange(self, one, other):
        """Pings up to the full MTU and 20 MB each way between two hosts."""
        macs = [card.mac for card in self.cards]
        for host in range(2):
            for far in range(3):
                if far == host:
                    continue
                self.fdb(host, "replace", macs[far], "dev", f"vqx{VNI}", "dst", self.vtep(far), "self",
                         "extern_learn")
                self.fdb(host, "replace", macs[far], "dev", f"vqx{VNI}", "master", "extern_learn")
        super().exchange(one, other)

    @check("vxlan.evpn.ipv6.announced")
    def announced(self):
        """The address of a guest is in the kernel's table, for a routing daemon to take."""
        with self.link(0, 1) as link:
            link.ping_sizes((64,))
            wait_for("address", lambda: self.cards[0].mac in self.on(
                self.spaces[0], "bridge", "fdb", "show", "dev", f"vqt{VNI}"), 30)
