# SPDX-License-Identifier: BSD-3-Clause
"""IP addresses of guests between hosts with EVPN: who has them, and who answers for them.

Frames are made here and sent into the guests' cards, whose network sends nothing by itself, so that
the numbers of outer frames are exact.
"""

import json
import socket
import time

from harness import neighbours, wire
from harness.process import Failure, wait_for

from .base import check
from .vxlan import EvpnHosts, vtep

FAR, FAR_IP, FAR_IP6 = "02:00:00:00:0b:01", "192.168.88.2", "2001:db8:88::2"
NEAR, NEAR_IP, NEAR_IP6 = "02:00:00:00:0a:01", "192.168.88.1", "2001:db8:88::1"
BESIDE, BESIDE_IP = "02:00:00:00:0a:02", "192.168.88.3"
TIMES = 10


class EvpnNeighbours(EvpnHosts):
    """The three hosts; stations of the first two are frames of this process."""

    def take_card(self, host):
        """One that is silent: no addresses, no IPv6."""
        card = super().take_card(host)
        self.on(self.guests[host], "sh", "-c",
                "echo 1 >/proc/sys/net/ipv6/conf/t0/disable_ipv6; ip link set t0 arp off up")
        with wire.network_of(self.guests[host]):
            link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(wire.ETH_P_ALL))
        link.bind(("t0", wire.ETH_P_ALL))
        link.settimeout(0.2)
        self.links = getattr(self, "links", []) + [link]
        return card

    def close(self):
        for link in getattr(self, "links", []):
            link.close()
        super().close()

    def neighbour(self, host, ip):
        """An entry of "show vxlan neigh", {} without."""
        report = json.loads(self.switches[host].command("show vxlan neigh json"))
        found = [one for one in report["neighbours"] if one["ip"] == ip]
        return found[0] if found else {}

    def announce(self):
        """Have each switch know the stations of both."""
        self.links[0].send(neighbours.arp(NEAR, NEAR_IP, NEAR_IP))
        self.links[0].send(neighbours.solicit(NEAR, NEAR_IP6, "2001:db8:88::99"))
        self.links[1].send(neighbours.arp(FAR, FAR_IP, FAR_IP))
        self.links[1].send(neighbours.solicit(FAR, FAR_IP6, "2001:db8:88::99"))
        for host, ip, mac in ((0, FAR_IP, FAR), (0, FAR_IP6, FAR), (1, NEAR_IP, NEAR),
                              (1, NEAR_IP6, NEAR)):
            other = vtep(1 - host)
            wait_for(f"{ip} at host {host}", lambda h=host, i=ip, m=mac, o=other: (
                self.neighbour(h, i).get("mac", "").lower(),
                self.neighbour(h, i).get("vtep")) == (m, o), 30)
        for host, ip in ((0, NEAR_IP), (0, NEAR_IP6), (1, FAR_IP), (1, FAR_IP6)):
            if not self.neighbour(host, ip).get("announced"):
                raise Failure(f"{ip} is not announced at its own host: {self.neighbour(host, ip)}")

    def sent(self):
        """Outer frames so far, to each of the others."""
        vteps = self.vteps(0)
        return vteps[vtep(1)]["tx_frames"], vteps[vtep(2)]["tx_frames"]

    def cost(self, frame):
        """Outer frames to each of the others, and answers, for one such frame."""
        before = self.sent()
        self.answers(0)
        for _ in range(TIMES):
            self.links[0].send(frame)
        # frames of a port stay in order
        self.links[0].send(neighbours.ethernet(NEAR, FAR, 0x88b5, b"end"))
        wait_for("the last frame", lambda: self.sent()[0] >= before[0] + 1 and self.is_done(), 30)
        one, other = (now - then for now, then in zip(self.sent(), before))
        answers = self.answers(0)
        return (one - 1) / TIMES, other / TIMES, len(answers) / TIMES, set(answers)

    def is_done(self):
        """Whether the last frame has come out at the other host."""
        end = time.monotonic() + 1
        while time.monotonic() < end:
            try:
                if self.links[1].recv(2048)[12:14] == b"\x88\xb5":
                    return True
            except TimeoutError:
                return False
        return False

    def answers(self, host):
        """(station, address) of each answer that has come since."""
        found = []
        while True:
            try:
                answer = neighbours.answer_of(self.links[host].recv(2048))
            except TimeoutError:
                return found
            if answer:
                found.append(answer)

    @check("vxlan.evpn.neighbours")
    def neighbours(self):
        """Requests for known addresses never leave the host; all others go once to each VTEP."""
        self.announce()
        station = (NEAR, NEAR_IP)
        known = (
            ("ARP", neighbours.arp(*station, FAR_IP), (FAR, FAR_IP)),
            ("solicitation", neighbours.solicit(NEAR, NEAR_IP6, FAR_IP6), (FAR, FAR_IP6)),
        )
        for name, frame, answer in known:
            cost = self.cost(frame)
            if cost != (0, 0, 1, {answer}):
                raise Failure(f"{name} for a known address: {cost}")
        flooded = (
            ("unknown address", neighbours.arp(*station, "192.168.88.77")),
            ("probe", neighbours.arp(NEAR, "0.0.0.0", FAR_IP)),
            ("announcement", neighbours.arp(*station, NEAR_IP)),
            ("probe of IPv6", neighbours.solicit(NEAR, "::", FAR_IP6)),
            ("unknown address of IPv6", neighbours.solicit(NEAR, NEAR_IP6, "2001:db8:88::77")),
            ("broadcast", neighbours.ethernet(NEAR, neighbours.BROADCAST, 0x88b6, b"")),
            ("unknown unicast", neighbours.ethernet(NEAR, "02:00:00:00:0f:0f", 0x88b6, b"")),
        )
        for name, frame in flooded:
            cost = self.cost(frame)
            if cost != (1, 1, 0, set()):
                raise Failure(f"{name}: frames to the two others, and answers: {cost}")
        cost = self.cost(neighbours.arp(*station, FAR_IP, dst=FAR))
        if cost != (1, 0, 0, set()):
            raise Failure(f"request to one station: {cost}")
        answered = json.loads(self.switches[0].command("show vxlan vni json"))["vnis"][0]
        if (answered["answered_arp"], answered["answered_nd"]) != (TIMES, TIMES):
            raise Failure(f"counters of answers: {answered}")

    @check("vxlan.evpn.neighbours.move")
    def moved_neighbour(self):
        """An IP address that appears at the other host is that one's for all, and back."""
        self.announce()
        for here in (1, 0, 1):
            self.links[here].send(neighbours.arp(BESIDE, BESIDE_IP, BESIDE_IP))
            wait_for(f"its own host {here}", lambda h=here:
                     self.neighbour(h, BESIDE_IP).get("announced"), 30)
            wait_for(f"the other host than {here}", lambda h=here:
                     self.neighbour(1 - h, BESIDE_IP).get("vtep") == vtep(h), 30)
        self.switches[1].command("fdb del 02:00:00:00:0a:02 5")
        wait_for("withdrawal", lambda: not self.neighbour(0, BESIDE_IP), 30)
