# SPDX-License-Identifier: BSD-3-Clause
"""Taps whose frames this process sends and receives, every one of them accounted for."""

from collections import Counter

from harness import peers, wire
from harness.peers import EthdevPort
from harness.process import Failure, wait_for
from harness.wire import Wire

from .base import Scenario

HOSTS = [f"02:00:00:00:00:{number:02x}" for number in range(1, 9)]


def short(frames):
    """Frames for a message: what differs is in front."""
    return [data[:32].hex() for data in frames]


class Wires(Scenario):
    """A switch in a network of its own: nothing is sent there but by a check."""

    PORTS = 4

    def __init__(self, workdir):
        super().__init__(workdir)
        self.wires = []

    def setup(self):
        wire.require()
        names = [f"w{number}" for number in range(self.PORTS)]
        self.switch = self.own(peers.backend("switch", self.workdir, [
            EthdevPort("net_tap", iface=name) for name in names]))
        self.switch.argv = wire.quiet_network(self.switch.argv)
        self.switch.start()
        with wire.network_of(self.switch):
            self.wires = [Wire(name) for name in names]

    def close(self):
        for end in self.wires:
            end.close()
        super().close()

    def say(self, *commands):
        """Commands that have nothing to answer."""
        for command in commands:
            answer = self.switch.command(command)
            if answer:
                raise Failure(f"{command}: {answer}")

    def reset(self):
        """Ports without any settings, and no learned address."""
        for port in range(self.PORTS):
            self.say(*(f"set port {port} {words}" for words in (
                "domain 0", "vlan off", "rate pps off", "rate bps off",
                "egress-rate pps off", "egress-rate bps off", "storm off",
                "source-lock off", "guard off", "acl in off",
                "acl out off")), f"mirror del {port}")
        self.switch.command("clear fdb")

    def learned(self, *hosts):
        """Until the switch knows where these are."""
        def known():
            text = self.switch.command("show fdb").lower()
            return all(host in text for host in hosts)
        wait_for("addresses", known, 10, alive=[self.switch])

    def counted(self):
        """(frames taken by port, frames handed out by port, drops by reason)"""
        taken, handed, drops = Counter(), Counter(), Counter()
        for port, stats in self.switch.all_xstats().items():
            taken[port] = stats["rx_good_packets"]
            handed[port] = stats["tx_good_packets"]
            for name, value in stats.items():
                if "_drop_" in name:
                    drops[name.split("_drop_")[1].removesuffix("_packets")] += value
        return taken, handed, drops

    def run_through(self, sent):
        """Send [(port, frame)] and wait until all is settled: (frames by port, drops by reason)."""
        before = self.counted()
        for end in self.wires:
            end.receive()
        for port, data in sent:
            self.wires[port].send(data)
        for port, count in Counter(port for port, _ in sent).items():
            wait_for(f"{count} frames of port {port}",
                     lambda p=port, n=count: self.counted()[0][p] - before[0][p] >= n,
                     alive=[self.switch])
        self.switch.check_accounts()
        after = self.counted()
        return self.arrived(after[1] - before[1]), after[2] - before[2]

    def arrived(self, handed):
        """Frames handed out are there, or will be in a moment."""
        got = [[] for _ in self.wires]

        def complete():
            for port, end in enumerate(self.wires):
                got[port] += end.receive()
            return all(len(got[port]) >= handed[port] for port in range(self.PORTS))
        wait_for("frames handed to taps", complete, alive=[self.switch])
        return got

    def exchange(self, sent, expected, drops=()):
        """Exactly these frames arrive, {port: [frame]}, and others are dropped, [reason]."""
        got, dropped = self.run_through(sent)
        for port, frames in enumerate(got):
            if sorted(frames) != sorted(expected.get(port, [])):
                raise Failure(f"port {port} was sent {short(frames)}, "
                              f"not {short(expected.get(port, []))}")
        if dropped != Counter(drops):
            raise Failure(f"dropped {dict(dropped)}, not {dict(Counter(drops))}")
