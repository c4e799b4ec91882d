# SPDX-License-Identifier: BSD-3-Clause
"""Limits on frames of ports (rates, storms, addresses) and to them. Times are bounds only."""

import time

from harness.peers import EthdevPort, Port, VirtioUser
from harness.process import Failure, wait_for
from harness.wire import BROADCAST, frame

from .base import Scenario, check
from .wires import HOSTS, Wires

A, B, C = HOSTS[:3]
AT_ONCE = 32  # frames any rate lets through
COUNT = 200


class Limits(Wires):
    """A at port 0 sends, B at port 1 is its peer, the others receive floods."""

    cpus, seconds = 0.2, 5
    PORTS = 3

    def introduce(self):
        """Both have spoken."""
        self.reset()
        self.exchange([(0, frame(A)), (1, frame(B))],
                      {0: [frame(B)], 1: [frame(A)], 2: [frame(A), frame(B)]})
        self.learned(A, B)

    def flow(self, sent, reason, least, rate):
        """Send; what arrived, after checking that the rest, not more than it must, was dropped."""
        start = time.monotonic()
        got, drops = self.run_through([(0, data) for data in sent])
        most = least + rate * (time.monotonic() - start) + 1
        passed = len(sent) - drops[reason]
        if set(drops) - {reason} or not least <= passed <= most:
            raise Failure(f"{passed} of {len(sent)} passed, not {least} to {most:.0f}: {dict(drops)}")
        return got, passed

    @check("limits.rate")
    def rate(self):
        """Frames per second."""
        self.introduce()
        self.say("set port 0 rate pps 10")
        sent = [frame(A, B, text=f"{i}") for i in range(COUNT)]
        got, passed = self.flow(sent, "rx_rate", AT_ONCE, 10)
        if got[1][:AT_ONCE] != sent[:AT_ONCE] or len(got[1]) != passed:
            raise Failure(f"{len(got[1])} frames arrived, {passed} passed")
        self.say("set port 0 rate pps off")
        self.exchange([(0, data) for data in sent], {1: sent})

    @check("limits.bits")
    def bits(self):
        """Bits per second: the length counts."""
        self.introduce()
        self.say("set port 0 rate bps 100000")
        sent = [frame(A, B, text=f"{i}", size=1514) for i in range(COUNT)]
        got, passed = self.flow(sent, "rx_rate", 1, 100000 / (8 * 1514))
        if got[1][0] != sent[0] or len(got[1]) != passed:
            raise Failure(f"{len(got[1])} frames arrived, {passed} passed")

    @check("limits.egress")
    def egress(self):
        """Frames to a port, of any kind; another port that receives the same gets all."""
        self.introduce()
        self.say("set port 1 egress-rate pps 10")
        sent = [frame(A, B, text=f"{i}") for i in range(COUNT)]
        got, passed = self.flow(sent, "tx_rate", AT_ONCE, 10)
        if got[1][:AT_ONCE] != sent[:AT_ONCE] or len(got[1]) != passed:
            raise Failure(f"{len(got[1])} frames arrived, {passed} passed")
        to_all = [frame(A, BROADCAST, text=f"{i}") for i in range(COUNT)]
        got, _ = self.run_through([(0, data) for data in to_all])
        if got[2] != to_all or len(got[1]) >= COUNT // 2:
            raise Failure(f"{len(got[1])} of {COUNT} broadcasts at port 1, {len(got[2])} at port 2")
        self.say("set port 1 egress-rate pps off", "set port 1 egress-rate bps 100000")
        long = [frame(A, B, text=f"{i}", size=1514) for i in range(COUNT)]
        got, passed = self.flow(long, "tx_rate", 1, 100000 / (8 * 1514))
        if got[1][0] != long[0] or len(got[1]) != passed:
            raise Failure(f"{len(got[1])} frames arrived, {passed} passed")
        self.say("set port 1 egress-rate bps off")
        self.exchange([(0, data) for data in sent], {1: sent})

    @check("limits.storm")
    def storm(self):
        """Broadcasts and multicasts are held back, frames to one host are not."""
        self.introduce()
        self.say("set port 0 storm pps 1")
        to_all = [frame(A, dst, text=f"{i}") for i in range(COUNT // 2)
                  for dst in (BROADCAST, "01:00:5e:00:00:01")]
        to_one = [frame(A, B, text=f"{i}") for i in range(COUNT)]
        got, passed = self.flow([d for pair in zip(to_all, to_one) for d in pair], "rx_storm",
                                AT_ONCE + COUNT, 1)
        flooded = passed - len(to_one)
        if [d for d in got[1] if d in to_one] != to_one or \
                (len(got[1]), len(got[2])) != (passed, flooded):
            raise Failure(f"{flooded} broadcasts passed: {len(got[1])}, {len(got[2])} arrived")

    @check("limits.source")
    def source(self):
        """One address, the first or those that were named."""
        self.introduce()
        self.say("set port 0 source-lock on")
        forged, own = frame(C, B), frame(A, B)
        self.exchange([(0, own), (0, forged), (0, own)], {1: [own] * 2}, ["rx_locked"])
        answer = self.switch.command("show limits 0").lower()
        if A not in answer:
            raise Failure(f"locked to {A}: {answer}")
        self.say(f"set port 0 source-lock {C}")
        self.exchange([(0, own), (0, forged), (0, frame(B, A))], {1: [own, forged]}, ["rx_locked"])
        self.say("set port 0 source-lock off")
        self.exchange([(0, frame(HOSTS[5], B)), (0, own)], {1: [frame(HOSTS[5], B), own]})


class Flood(Scenario):
    """A guest's driver that sends as fast as it can."""

    cpus, seconds = 0.3, 5

    def setup(self):
        path = self.path("guest")
        # one that never stops sending would leave the accounts no moment of balance
        self.backend([Port(path), EthdevPort("net_null", **{"no-rx": 1})])
        self.guest = self.own(VirtioUser("guest", self.workdir, path,
                                         VirtioUser.PATHS["packed_mergeable"], A)).start()
        self.switch.wait_link(0)

    @check("limits.virtio")
    def virtio(self):
        """Nearly all of it is dropped for its rate; the rest arrives."""
        rate = 1000
        self.switch.command(f"set port 0 rate pps {rate}")
        before, start = self.switch.all_xstats(), time.monotonic()
        for command in ("set fwd txonly", "start"):
            self.guest.command(command)
        wait_for("ten times the rate",
                 lambda: self.switch.xstats(0)["rx_good_packets"] > 10 * rate, alive=[self.guest])
        self.guest.command("stop")
        self.switch.check_accounts()
        most = AT_ONCE + rate * (time.monotonic() - start) + 1
        after = self.switch.all_xstats()
        passed = after[1]["tx_good_packets"] - before[1]["tx_good_packets"]
        if not AT_ONCE <= passed <= most:
            raise Failure(f"{passed} frames passed, not {AT_ONCE} to {most:.0f}")
