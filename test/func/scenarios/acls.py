# SPDX-License-Identifier: BSD-3-Clause
"""Access control lists: which IP packets a port may send, or is sent. Scapy makes the frames."""

import json

from harness.process import Failure

from .base import Link, check, transfer_finish, transfer_start
from .packets import Packets, TwoKernels
from .wires import HOSTS

A, B = HOSTS[:2]
ONE, TWO, ONE6, TWO6 = "192.0.2.5", "198.51.100.9", "2001:db8::5", "2001:db8:1::9"
MANY = 64  # rules, enough to be made into a trie


class Acls(Packets):
    """Lists at port 0, which sends, or at port 1, which is sent."""

    cpus, seconds = 0.2, 6

    def counters(self, port, direction):
        """Frames by rule, "default" for the rest, as JSON has them."""
        report = json.loads(self.switch.command(f"show acl {port} json"))[direction]
        counts = {seq: rule["frames"] for seq, rule in report["rules"].items()}
        return {**counts, "default": report["default"]["frames"]}

    def cases(self, reason):
        """Frames and what becomes of them under the rules of settings()."""
        s = self.scapy
        v4, v6 = s.IP(src=ONE, dst=TWO), s.IPv6(src=ONE6, dst=TWO6)
        web, dns = s.TCP(sport=5000, dport=80), s.UDP(sport=5000, dport=53)
        first, later = s.fragment(v4 / dns / s.Raw(bytes(48)), fragsize=24)[:2]
        return ((self.ether(v4, web), None), (self.ether(v4, s.TCP(sport=5, dport=443)), None),
                (self.ether(v4, s.TCP(sport=5, dport=444)), reason),
                (self.ether(v4, dns), reason), (self.ether(v6, dns), None),
                (self.ether(s.Dot1Q(vlan=5), v4, web), None),
                (self.ether(s.Dot1Q(vlan=5), v4, dns), reason),
                (self.ether(v6, s.IPv6ExtHdrHopByHop(), dns), None),
                (self.ether(v6, s.TCP(dport=80)), reason),
                (self.ether(s.IP(src=TWO, dst=ONE), web), reason),
                (self.ether(first), reason), (self.ether(later), None),
                (self.ether(s.ARP(op=1, hwsrc=A, psrc=ONE, pdst=TWO)), None),
                (self.ether(v4, dns)[:36], f"{reason}_hidden"))

    def settings(self, port, direction):
        """A list of each kind of rule."""
        acl = f"set port {port} acl {direction}"
        return (f"{acl} add seq 20 allow proto tcp src 192.0.2.0/24 dport 80-443",
                f"{acl} add seq 10 drop proto udp src {ONE} dport 53",
                f"{acl} add allow ip6 proto udp dst 2001:db8:1::/64 sport 5000 dport 53",
                f"{acl} add allow ip proto udp fragments",
                f"{acl} default drop")

    @check("acl.in")
    def incoming(self):
        """Rules for what a port sends, and their counters."""
        self.introduce(*self.settings(0, "in"))
        self.sent(*self.cases("rx_acl"))
        if self.counters(0, "in") != {"10": 3, "20": 3, "30": 2, "40": 1, "default": 3}:
            raise Failure(f"{self.counters(0, 'in')}")
        for word in ("rx_acl 6", "rx_acl_hidden 1"):
            if word not in self.switch.command("why port 0"):
                raise Failure(f"why: {self.switch.command('why port 0')}")
        self.say("set port 0 acl in off")
        self.sent((self.ether(self.scapy.IP(src=TWO, dst=ONE)), None))

    @check("acl.out")
    def outgoing(self):
        """The same rules for what a port is sent."""
        self.introduce(*self.settings(1, "out"))
        self.sent(*self.cases("tx_acl"))
        if self.counters(1, "out") != {"10": 3, "20": 3, "30": 2, "40": 1, "default": 3}:
            raise Failure(f"{self.counters(1, 'out')}")
        if "tx_acl 6" not in self.switch.command("why port 1"):
            raise Failure(f"why: {self.switch.command('why port 1')}")
        self.say("set port 1 acl out off")
        self.sent((self.ether(self.scapy.IP(src=TWO, dst=ONE)), None))

    @check("acl.many")
    def many(self):
        """A list as long as it may be is in force at once and stays, also when it is a trie."""
        s = self.scapy
        self.introduce(*(f"set port 0 acl in add drop proto udp src 10.{i}.0.0/16 dport {1000 + 7 * i}-60000"
                         for i in range(MANY)))
        for _ in range(3):
            self.sent(*((self.ether(s.IP(src=f"10.{i}.3.4", dst=TWO), s.UDP(sport=9, dport=port)), reason)
                        for i in (0, 31, MANY - 1)
                        for port, reason in ((1000 + 7 * i, "rx_acl"), (999 + 7 * i, None))))
        answer = self.switch.command("set port 0 acl in add drop")
        if f"has {MANY} rules" not in answer:
            raise Failure(answer)
        self.say("set port 0 acl in off")

    @check("acl.commands")
    def commands(self):
        """Rules are shown with numbers, replaced by them; errors name the wrong word."""
        acl = "set port 0 acl in"
        self.introduce(f"{acl} add drop proto udp", f"{acl} add seq 5 allow dport 53",
                       f"{acl} add seq 10 drop proto tcp")
        said = self.switch.command("show acl 0")
        rules = [line.split("  ")[-1] for line in said.splitlines()[1:]]
        if rules != ["seq 5 allow dport 53", "seq 10 drop proto tcp", "default allow"]:
            raise Failure(said)
        for line, expected in (
                (f"{acl} add seq 5", "expected allow, allow-related or drop"),
                (f"{acl} add drop prot udp", "'prot': expected proto, src"),
                (f"{acl} add drop src 10.0.0.1/8", "'10.0.0.1/8': expected an address"),
                (f"{acl} add drop proto icmp dport 5", "expected a protocol that has port numbers"),
                (f"{acl} add drop src ::1 dst 10.0.0.1", "expected addresses of one family"),
                (f"{acl} del 7", "has no rule 7"),
                ("set port 0 acl both off", "'both'")):
            answer = self.switch.command(line)
            if expected not in answer:
                raise Failure(f"{line}: {answer}")
        self.say(f"{acl} add seq 65530 drop")
        if "say \"seq\"" not in self.switch.command(f"{acl} add drop"):
            raise Failure("a number behind the last one")
        self.say(f"{acl} del 5", f"{acl} del 10", f"{acl} default drop")
        answer = self.switch.command("why port 0")
        if "acl lets nothing in" not in answer:
            raise Failure(f"why: {answer}")
        self.say(f"{acl} off")


class Kernels(TwoKernels):
    """Stations whose kernels speak TCP."""

    @check("acl.kernels")
    def kernels(self):
        """A guest may be pinged and fetch, but not be connected to: large frames, too."""
        link = Link(self, *zip(self.spaces, self.taps))
        mine, theirs = link.addresses
        acl = "set port 1 acl"
        for words in (f"out add allow ip proto icmp dst {theirs}",
                      f"out add allow proto tcp sport 80 dst {theirs}", "out default drop",
                      f"in add allow src {theirs} dst {mine}", "in default drop"):
            answer = self.switch.command(f"{acl} {words}")
            if answer:
                raise Failure(f"{words}: {answer}")
        with link:
            link.ping_sizes((64, 1400))
            transfer_start(self.spaces[0], self.spaces[1], mine)
            transfer_finish(self.spaces[0], self.spaces[1])
            status, said = self.spaces[0].run(f"wget -q -T 3 -O /dev/null http://{theirs}/init")
            if status == 0:
                raise Failure(f"a connection that is not allowed: {said}")
        drops = self.switch.command("show drops 1")
        if "tx_acl" not in drops:
            raise Failure(f"nothing was dropped: {drops}")
