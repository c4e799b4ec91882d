# SPDX-License-Identifier: BSD-3-Clause
"""Guards: which addresses, servers and routers may be behind a port. Scapy makes the frames."""

import json

from harness.process import Failure, wait_for

from .base import Link, check
from .packets import Packets, TwoKernels
from .wires import HOSTS

A, B, C = HOSTS[:3]
MINE, OTHERS, MINE6, OTHERS6 = "192.0.2.5", "192.0.2.9", "2001:db8::5", "2001:db8::9"
LINK_LOCAL = "fe80::ff:fe00:1"  # of A


class Guards(Packets):
    """A station at port 0 with an address of each kind, one without a guard at port 1."""

    cpus, seconds = 0.2, 5

    @check("guard.addresses")
    def addresses(self):
        """IP, ARP and neighbour discovery from and for the port's own addresses."""
        s = self.scapy
        self.introduce(f"set port 0 guard add {MINE}", f"set port 0 guard add {MINE6} {A}")
        udp, tag = s.UDP(sport=7, dport=7), s.Dot1Q(vlan=5)
        target = s.ICMPv6NDOptDstLLAddr
        source = s.ICMPv6NDOptSrcLLAddr
        self.sent(
            (self.ether(s.IP(src=MINE, dst=OTHERS), udp), None),
            (self.ether(s.IP(src=OTHERS, dst=MINE), udp), "rx_guard"),
            (self.ether(tag, s.IP(src=OTHERS, dst=MINE), udp), "rx_guard"),
            (self.ether(tag, s.IP(src=MINE, dst=OTHERS), udp), None),
            (self.ether(s.ARP(op=2, hwsrc=A, psrc=MINE, pdst=OTHERS)), None),
            (self.ether(s.ARP(op=2, hwsrc=A, psrc=OTHERS, pdst=MINE)), "rx_guard"),
            (self.ether(s.ARP(op=2, hwsrc=C, psrc=MINE, pdst=OTHERS)), "rx_guard"),
            (self.ether(s.ARP(op=1, hwsrc=A, psrc="0.0.0.0", pdst=MINE)), None),
            (self.ether(s.IPv6(src=MINE6, dst=OTHERS6), udp), None),
            (self.ether(s.IPv6(src=MINE6, dst=OTHERS6), udp, src=C), "rx_guard"),
            (self.ether(s.IPv6(src=LINK_LOCAL, dst=OTHERS6), udp), None),
            (self.ether(s.IPv6(src=OTHERS6, dst=MINE6), s.IPv6ExtHdrHopByHop(), udp), "rx_guard"),
            (self.ether(s.IPv6(src="::", dst="ff02::1"), s.ICMPv6ND_NS(tgt=MINE6)), None),
            (self.ether(s.IPv6(src="::", dst="ff02::1"), s.ICMPv6ND_NS(tgt=OTHERS6)), "rx_guard"),
            (self.ether(s.IPv6(src=MINE6, dst="ff02::1"), s.ICMPv6ND_NS(tgt=OTHERS6),
                        source(lladdr=A)), None),
            (self.ether(s.IPv6(src=MINE6, dst="ff02::1"), s.ICMPv6ND_NA(tgt=MINE6),
                        target(lladdr=A)), None),
            (self.ether(s.IPv6(src=MINE6, dst="ff02::1"), s.ICMPv6ND_NA(tgt=OTHERS6),
                        target(lladdr=A)), "rx_guard"),
            (self.ether(s.IPv6(src=MINE6, dst="ff02::1"), s.ICMPv6ND_NA(tgt=MINE6),
                        target(lladdr=C)), "rx_guard"))
        self.say(f"set port 0 guard del {MINE}")
        self.sent((self.ether(s.IP(src=MINE, dst=OTHERS), udp), "rx_guard"))
        self.say("set port 0 guard off")
        self.sent((self.ether(s.IP(src=OTHERS, dst=MINE), udp), None))

    @check("guard.servers")
    def servers(self):
        """DHCP servers and routers are trusted by name only; their clients always get through."""
        s = self.scapy
        self.introduce(f"set port 0 guard add {MINE}")
        offer = self.ether(s.IP(src=MINE, dst="255.255.255.255"), s.UDP(sport=67, dport=68),
                           s.BOOTP(op=2), s.DHCP(options=[("message-type", "offer"), "end"]))
        discover = self.ether(s.IP(src="0.0.0.0", dst="255.255.255.255"), s.UDP(sport=68, dport=67),
                              s.BOOTP(), s.DHCP(options=[("message-type", "discover"), "end"]))
        link_local = s.IPv6(src=LINK_LOCAL, dst="ff02::1")
        advertise = self.ether(link_local, s.UDP(sport=547, dport=546), s.DHCP6_Advertise())
        solicit = self.ether(link_local, s.UDP(sport=546, dport=547), s.DHCP6_Solicit())
        router = self.ether(link_local, s.ICMPv6ND_RA(), s.ICMPv6NDOptSrcLLAddr(lladdr=A))
        hidden = self.ether(link_local, s.IPv6ExtHdrDestOpt(options=[s.PadN(optdata=b"." * 120)]),
                            s.ICMPv6ND_RA())
        redirect = self.ether(s.IP(src=MINE, dst=OTHERS), s.ICMP(type=5))
        self.sent((discover, None), (solicit, None),
                  (offer, "rx_guard_dhcp"), (advertise, "rx_guard_dhcp"),
                  (router, "rx_guard_ra"), (hidden, "rx_guard_ra"), (redirect, "rx_guard_ra"))
        self.say("set port 0 guard dhcp off")
        self.sent((offer, None), (advertise, None), (router, "rx_guard_ra"))
        self.say("set port 0 guard dhcp on", "set port 0 guard ra off")
        self.sent((offer, "rx_guard_dhcp"), (router, None), (hidden, None), (redirect, None))
        self.say("set port 0 guard off", "set port 0 guard dhcp on")
        self.sent((self.ether(s.IP(src=OTHERS, dst=MINE)), None), (offer, "rx_guard_dhcp"))

    @check("guard.hidden")
    def hidden(self):
        """Frames whose headers cannot be seen."""
        s = self.scapy
        self.introduce("set port 0 guard ra on")
        router = bytes(s.IPv6(src=LINK_LOCAL, dst="ff02::1") / s.ICMPv6ND_RA())
        fragment = s.IPv6(src=LINK_LOCAL, dst="ff02::1") / s.IPv6ExtHdrFragment(nh=60, m=1)
        tags = s.Dot1Q(vlan=0) / s.Dot1Q(vlan=0)
        self.sent(
            (self.ether(fragment, s.Raw(b"\x3a\x07" + bytes(6))), "rx_guard_hidden"),
            (self.ether(tags, s.Dot1Q(vlan=0, type=0x86dd), s.Raw(router)), "rx_guard_hidden"),
            (self.ether(tags, s.IPv6(router)), "rx_guard_ra"),
            (bytes(s.Dot3(src=A, dst=B) / s.LLC(dsap=0xaa, ssap=0xaa, ctrl=3)
                   / s.SNAP(OUI=0, code=0x86dd) / s.Raw(router)), "rx_guard_hidden"),
            (self.ether(s.IPv6(router))[:44], "rx_guard_hidden"))

    @check("guard.commands")
    def commands(self):
        """A guard is shown in words and for programs; errors name the wrong word."""
        self.introduce(f"set port 0 guard add {MINE}", "set port 0 guard add 10.0.0.0/8",
                       f"set port 0 guard add {MINE6} {A}", "set port 0 guard ra off")
        for command in ("addresses off", "dhcp off", "ra off", "add 192.0.2.99"):
            self.switch.command(f"set port 0 guard {command}")
        report = json.loads(self.switch.command("show guard 0 json"))
        if report["addresses"] or report["dhcp"] or report["ra"]:
            raise Failure(f"an address more turns checks on: {report}")
        for command in ("del 192.0.2.99", "addresses on", "dhcp on"):
            self.switch.command(f"set port 0 guard {command}")
        said = self.switch.command("show guard 0").lower()
        for word in (MINE, "10.0.0.0/8", f"{MINE6} {A}"):
            if word not in said:
                raise Failure(f"{word}: {said}")
        report = json.loads(self.switch.command("show guard 0 json"))
        if (report["addresses"], report["dhcp"], report["ra"]) != (True, True, False) \
                or report["pairs"][0] != {"address": MINE} \
                or [pair.get("mac", "").lower() for pair in report["pairs"]] != ["", "", A]:
            raise Failure(f"{report}")
        for line, expected in (
                ("set port 0 guard add 10.0.0.5/8", "'10.0.0.5/8': expected an address"),
                ("set port 0 guard add ff02::1", "'ff02::1': expected an address"),
                ("set port 0 guard add guest", "'guest': expected an address"),
                ("set port 0 guard add 10.0.0.7 01:00:00:00:00:00", "Invalid argument"),
                ("set port 0 guard del 10.0.0.7", "does not have 10.0.0.7"),
                ("set port 0 guard maybe", "'maybe'")):
            answer = self.switch.command(line)
            if expected not in answer:
                raise Failure(f"{line}: {answer}")
        data = self.ether(self.scapy.IP(src=OTHERS, dst=MINE))
        self.sent((data, "rx_guard"))
        answer = self.switch.command("why port 0")
        if "rx_guard 1" not in answer:
            raise Failure(f"why: {answer}")
        for pair in (MINE, "10.0.0.0/8", MINE6):
            self.say(f"set port 0 guard del {pair}")
        answer = self.switch.command("why port 0")
        if "no address to let through" not in answer:
            raise Failure(f"why: {answer}")


class Kernels(TwoKernels):
    """Stations whose kernels find each other, IPv6 included."""

    @check("guard.kernels")
    def kernels(self):
        """They reach each other by addresses of theirs and by none they take."""
        link = Link(self, *zip(self.spaces, self.taps))
        for port, address in enumerate(link.addresses):
            self.switch.command(f"set port {port} guard add {address} {self.taps[port].mac}")
        with link:
            link.ping_sizes((64, 1472, 20000))
            link.transfer_both()
            # the kernel asks whether its link-local address is another's, then answers for it
            wait_for("ping of a link-local address", lambda: self.spaces[0].run(
                f"ping -6 -c 1 -W 1 -I tap {self.link_local(1)}")[0] == 0, 30)
            self.spaces[0].sh("ip addr add 10.255.255.5/24 dev tap; "
                              "ip route add 10.255.254.0/24 dev tap src 10.255.255.5")
            self.spaces[1].sh("ip addr add 10.255.254.5/24 dev tap; "
                              "ip route add 10.255.255.0/24 dev tap src 10.255.254.5")
            if self.spaces[0].run("ping -c 1 -W 1 10.255.254.5")[0] == 0:
                raise Failure("a ping from an address that is not let through")
            self.switch.command("set port 0 guard add 10.255.255.0/24")
            self.switch.command("set port 1 guard add 10.255.254.5")
            wait_for("ping from an address that is", lambda: self.spaces[0].run(
                "ping -c 1 -W 1 10.255.254.5")[0] == 0, 30)
        drops = self.switch.command("show drops 0")
        if "rx_guard" not in drops:
            raise Failure(f"nothing was dropped: {drops}")

    def link_local(self, port):
        """The address a kernel makes of the MAC address."""
        mac = bytes.fromhex(self.taps[port].mac.replace(":", ""))
        host = bytes([mac[0] ^ 2]) + mac[1:3] + b"\xff\xfe" + mac[3:]
        return "fe80::" + ":".join(host[i:i + 2].hex() for i in range(0, 8, 2))
