# SPDX-License-Identifier: BSD-3-Clause
"""Connection tracking: what rules with allow-related let through, by two kernels and by scapy."""

import json

from harness.process import Failure, wait_for

from .base import Link, check, transfer_finish, transfer_start
from .packets import Packets, TwoKernels
from .wires import HOSTS

A, B = HOSTS[:2]
ONE, TWO = "192.0.2.5", "198.51.100.9"
CLOSED = ("set port {0} acl in default allow-related", "set port {0} acl out default drop")
# a machine that is busy may take longer than connections last
PATIENT = tuple(f"set conntrack timeout {name} 3000" for name in ("tcp-new", "tcp-closed", "udp-new", "icmp"))


class Connections(Packets):
    """The guest of port 0 may open anything, port 1 nothing."""

    cpus, seconds = 0.2, 6

    def back(self, *layers, ok):
        """A frame from port 1 to the guest, which passes or not."""
        packet = self.scapy.Ether(src=B, dst=A)
        for layer in layers:
            packet = packet / layer
        data = bytes(packet)
        self.exchange([(1, data)], {0: [data]} if ok else {}, [] if ok else ["tx_acl"])

    def connections(self):
        """Those of port 0, as JSON has them."""
        return json.loads(self.switch.command("show conntrack port 0 json"))["connections"]

    @check("conntrack.frames")
    def frames(self):
        """Answers pass, other packets do not, and ICMP errors about a connection do."""
        s = self.scapy
        self.introduce(*PATIENT, *(line.format(0) for line in CLOSED))
        there, back = s.IP(src=ONE, dst=TWO), s.IP(src=TWO, dst=ONE)
        self.back(back, s.UDP(sport=53, dport=5000), ok=False)
        self.sent((self.ether(there, s.UDP(sport=5000, dport=53)), None))
        self.back(back, s.UDP(sport=53, dport=5000), ok=True)
        self.back(back, s.UDP(sport=53, dport=5001), ok=False)
        error = s.IP(src="203.0.113.1", dst=ONE) / s.ICMP(type=3, code=4)
        self.back(error, there, s.UDP(sport=5000, dport=53), ok=True)
        self.back(error, there, s.UDP(sport=5000, dport=54), ok=False)
        self.sent((self.ether(there, s.TCP(sport=7, dport=80, flags="S")), None),
                  (self.ether(there, s.TCP(sport=7, dport=80, flags="SF")), "rx_ct_invalid"))
        self.back(back, s.TCP(sport=80, dport=7, flags="S"), ok=False)
        self.back(back, s.TCP(sport=80, dport=7, flags="SA"), ok=True)
        self.sent((self.ether(s.IPv6(src="2001:db8::5", dst="2001:db8::9"),
                              s.ICMPv6EchoRequest(id=9)), None))
        found = {(c["proto"], c["state"], c["opened"]) for c in self.connections()}
        if found != {("udp", "established", "in"), ("tcp", "answered", "in"), ("icmp6", "new", "in")}:
            raise Failure(f"{self.connections()}")
        said = self.switch.command("show conntrack port 0")
        for words in (f"{ONE}:5000 -> {TWO}:53", "2001:db8::5 -> 2001:db8::9"):
            if words not in said:
                raise Failure(said)
        if "rx_ct_invalid 1" not in self.switch.command("why port 0"):
            raise Failure(self.switch.command("why port 0"))
        self.say("clear conntrack port 0")
        self.back(back, s.UDP(sport=53, dport=5000), ok=False)
        if self.connections():
            raise Failure(f"{self.connections()}")

    @check("conntrack.limit")
    def limit(self):
        """A port has no more connections than it may, and says so."""
        s = self.scapy
        self.introduce(*PATIENT, *(line.format(0) for line in CLOSED), "set port 0 conntrack limit 2")
        for port in (7, 8):
            self.sent((self.ether(s.IP(src=ONE, dst=TWO), s.UDP(sport=port, dport=53)), None))
            self.back(s.IP(src=TWO, dst=ONE), s.UDP(sport=53, dport=port), ok=True)
        self.sent((self.ether(s.IP(src=ONE, dst=TWO), s.UDP(sport=9, dport=53)), "rx_ct_full"))
        numbers = json.loads(self.switch.command("show conntrack json"))["ports"][0]
        if (numbers["entries"], numbers["limit"], numbers["full"]) != (2, 2, 1):
            raise Failure(f"{numbers}")
        for line, expected in (("set port 0 conntrack limit 0", "1 to 262144"),
                               ("set conntrack limit 0", "1 to 16777216"),
                               ("set conntrack timeout icmp 0", "1 to 604800"),
                               ("set conntrack timeout sctp 5", "'sctp'")):
            answer = self.switch.command(line)
            if expected not in answer:
                raise Failure(f"{line}: {answer}")
        self.say("set conntrack timeout udp-established 1")
        self.back(s.IP(src=TWO, dst=ONE), s.UDP(sport=53, dport=7), ok=True)
        wait_for("the connection's end",
                 lambda: all(c["guest"]["port"] != 7 for c in self.connections()), 30)
        self.back(s.IP(src=TWO, dst=ONE), s.UDP(sport=53, dport=7), ok=False)
        self.say("set conntrack timeout udp-established 180")


class Stations(TwoKernels):
    """Kernels that speak TCP, at ports 0 and 1."""

    def guest_opens(self):
        """The guest is at port 1."""
        link = Link(self, *zip(self.spaces, self.taps))
        mine, theirs = link.addresses
        for words in (*PATIENT, *CLOSED):
            answer = self.switch.command(words.format(1))
            if answer:
                raise Failure(f"{words}: {answer}")
        with link:
            status, said = self.spaces[0].run(f"ping -c 1 -W 1 {theirs}")
            if status == 0:
                raise Failure(f"a ping that is not allowed: {said}")
            self.spaces[1].sh(f"ping -c 3 -i 0.1 -w 60 -W 60 {mine}")
            transfer_start(self.spaces[0], self.spaces[1], mine)
            transfer_finish(self.spaces[0], self.spaces[1])
            status, said = self.spaces[0].run(f"wget -q -T 3 -O /dev/null http://{theirs}/init")
            if status == 0:
                raise Failure(f"a connection that is not allowed: {said}")
            answer = self.switch.command("set port 1 acl out add allow-related proto tcp dport 80")
            if answer:
                raise Failure(answer)
            transfer_start(self.spaces[1], self.spaces[0], theirs)
            transfer_finish(self.spaces[1], self.spaces[0])
        opened = {(c["proto"], c["opened"]) for c in json.loads(
            self.switch.command("show conntrack port 1 json"))["connections"]}
        if not {("icmp", "in"), ("tcp", "in"), ("tcp", "out")} <= opened:
            raise Failure(f"connections: {opened}")


class Kernels(Stations):
    """One worker has both directions."""

    @check("conntrack.kernels")
    def kernels(self):
        """A guest fetches and pings, but is neither connected to nor pinged."""
        self.guest_opens()


class Workers(Stations):
    """Each direction has another worker."""

    WORKERS = 2

    @check("conntrack.workers")
    def workers(self):
        """One worker lets in answers to packets that the other one has let out."""
        for port in (0, 1):
            answer = self.switch.command(f"set port {port} rxq 0 worker {port}")
            if answer:
                raise Failure(answer)
        queues = [worker["queues"] for worker in json.loads(self.switch.command("show worker json"))]
        if queues != [["0/0"], ["1/0"]]:
            raise Failure(f"{queues}")
        self.guest_opens()
