# SPDX-License-Identifier: BSD-3-Clause
"""dpdk-testpmd as driver, in all ten of its virtio-user paths."""

import re

from harness.peers import Port, Switch, VirtioUser
from harness.process import Failure, wait_for

from .base import Scenario, check

BURSTS, BURST = 4, 32
SIZES = (64, 1518)
MACS = ("02:00:00:00:00:01", "02:00:00:00:00:02")
ENOUGH = 20_000  # frames back at the sender: many times round the ring
SMALL, LARGE = 200, 8  # frames that wait in a ring of 256; large ones take up to 5 descriptors
QUEUES = 8
RESTARTS = 100


class ThereAndBack(Scenario):
    """One peer sends a known number of frames, the other one sends them back."""

    seconds = 100

    def setup(self):
        self.sockets = [self.path("a"), self.path("b")]
        self.backend([Port(path) for path in self.sockets])

    @check("virtio-user.{}", VirtioUser.PATHS)
    def loop(self, path):
        """Every frame arrives and comes back."""
        for size in SIZES:
            here, there = self.peers(path, size)
            there.command("set fwd macswap")
            there.command("start")
            here.command(f"set txpkts {size}")
            here.command("set fwd rxonly")
            here.command(f"start tx_first {BURSTS}")
            frames = BURSTS * BURST
            wait_for(f"{frames} frames of {size} bytes there and back",
                     lambda h=here, t=there, n=frames: h.packets() == t.packets() == (n, n), 30,
                     alive=[here, there, self.switch])
            self.switch.check_accounts()
            if size == SIZES[-1]:
                self.hold_back(here, there, "mrg_rxbuf=1" in VirtioUser.PATHS[path])
            for peer in (here, there):
                self.disown(peer)
            self.forgotten()

    def forgotten(self):
        """Addresses of guests that are gone may turn up anywhere: they are not kept."""
        if isinstance(self.switch, Switch):
            wait_for("an empty table", lambda: "Entries: 0" in self.switch.command("show fdb"), 10,
                     alive=[self.switch])

    def hold_back(self, here, there, mergeable):
        """As DTS's vm2vm suites: what waits in the ring while the switch is stopped is not lost."""
        for program in (here, there, self.switch):
            program.command("stop")
        there.command("set fwd rxonly")
        # a core that polls may write back the count it has read before
        there.command("clear port stats all")
        there.command("start")
        too_big = self.dropped("tx_too_big")
        here.command("set burst 1")
        for frames, lengths in ((SMALL, "64"), (LARGE, "2000,2000,2000,2000")):
            here.command(f"set txpkts {lengths}")
            here.command(f"start tx_first {frames}")
            here.command("stop")
        self.switch.command("start")
        expected = SMALL + LARGE * mergeable
        wait_for(f"{expected} frames that were held back",
                 lambda: there.packets()[0] == expected, 30, alive=[here, there, self.switch])
        self.switch.check_accounts()
        if self.dropped("tx_too_big") - too_big != LARGE * (not mergeable):
            raise Failure("frames larger than a buffer were not counted")

    def dropped(self, reason):
        """Frames to the second port that were dropped for that reason."""
        name = f"tx_q0_drop_{reason}_packets"
        return self.switch.xstats(1).get(name, 0)

    def peers(self, path, size):
        """Both testpmds, running."""
        return [self.own(VirtioUser(f"{name}-{path}-{size}", self.workdir, self.sockets[index],
                                    VirtioUser.PATHS[path], MACS[index],
                                    [f"--eth-peer=0,{MACS[1 - index]}"])).start()
                for index, name in enumerate(("here", "there"))]


class Loopback(Scenario):
    """As the DTS loopback suites: one port; what it sends comes back to it, without end."""

    seconds = 90

    def setup(self):
        self.socket = self.path("loop")
        self.backend([Port(self.socket)])
        for command in ("stop", "set fwd mac"):
            self.switch.command(command)

    def frames_return(self, peer, first, then):
        """Frames circulate between both sides once the first of them begins with a burst."""
        then.command("start")
        before = peer.packets()
        # a frame that finds no free buffer on either side is gone: the circle may run dry
        for last in (False, False, True):
            first()
            try:
                wait_for(f"{ENOUGH} frames", lambda: all(
                    now - was > ENOUGH for now, was in zip(peer.packets(), before)), 10,
                    alive=[peer, self.switch])
                break
            except Failure:
                if last:
                    raise
                for program in (peer, self.switch):
                    program.command("stop")
                then.command("start")
        out = self.switch.command("stop")
        peer.command("stop")
        if "RX-packets" not in out:
            raise Failure(f"no forward statistics in the answer to stop: {out!r}")
        return out

    def peer(self, path, queues=1):
        """A testpmd that reflects frames, connected."""
        peer = self.own(VirtioUser(f"vu-{path}-{queues}", self.workdir, self.socket,
                                   f"{VirtioUser.PATHS[path]},queues={queues}", MACS[0],
                                   ["--txd=1024", "--rxd=1024", f"--rxq={queues}",
                                    f"--txq={queues}"])).start()
        peer.command("set fwd mac")
        self.switch.wait_link(0)
        return peer

    def both_sizes(self, peer):
        """Frames of each size circulate; the last answer to "stop"."""
        for size in SIZES:
            peer.command(f"set txpkts {size}")
            out = self.frames_return(peer, lambda: peer.command("start tx_first 32"), self.switch)
        self.switch.check_accounts()
        return out

    @check("loopback.{}", VirtioUser.PATHS)
    def loop(self, path):
        """Both sizes; the port restarted; single-frame bursts."""
        peer = self.peer(path)
        self.both_sizes(peer)
        self.spoiled = True  # for accounts: what follows begins with a frame no queue received
        for command in ("port stop 0", "clear port stats all", "port start all"):
            self.switch.command(command)
        self.switch.wait_link(0)
        self.switch.command("set burst 1")
        self.frames_return(peer, lambda: self.switch.command("start tx_first 1"), peer)
        self.switch.command("set burst 32")
        status = peer.quit()
        if status != 0:
            raise Failure(f"testpmd ended with {status}: {peer.log_tail()}")
        self.disown(peer)


class Restarts(Loopback):
    """As DTS's port-restart suite: a port stopped and started a hundred times under traffic."""

    seconds = 40

    @check("restarts.{}", ["mergeable", "packed_inorder_nonmergeable"])
    def restarts(self, path):
        """The rate falls to zero, the link stays up, frames circulate again."""
        peer = self.peer(path)
        peer.command("start")
        self.switch.command("set burst 1")
        for _ in range(RESTARTS):
            self.switch.command("port stop 0")
            self.switch.command("show port stats 0")
            rate = re.search(r"Rx-pps: +(\d+)", self.switch.command("show port stats 0"))
            if rate is None or rate[1] != "0":
                raise Failure(f"frames arrive at a stopped port: {rate}")
            for command in ("clear port stats all", "port start all"):
                self.switch.command(command)
            if "down" in self.switch.command("show port info all"):
                raise Failure("the link is down after a restart")
            before = peer.packets()
            self.switch.command("start tx_first 1")
            wait_for("frames after a restart", lambda b=before: all(
                now - was > 100 for now, was in zip(peer.packets(), b)), 10,
                alive=[peer, self.switch])
            self.switch.command("stop")
        self.switch.command("set burst 32")
        self.disown(peer)


class LoopbackQueues(Loopback):
    """As DTS's multi-queue suite: every queue pair carries frames, each back to where it was."""

    seconds = 60

    def setup(self):
        self.socket = self.path("loop")
        self.backend([Port(self.socket, queues=QUEUES)])
        for command in ("stop", "set fwd mac"):
            self.switch.command(command)

    @check(f"loopback-{QUEUES}q.{{}}", VirtioUser.PATHS)
    def loop(self, path):
        """Both sizes."""
        peer = self.peer(path, QUEUES)
        out = self.both_sizes(peer)
        counts = re.findall(r"RX Port= 0/Queue= (\d+) -> TX Port= 0/Queue= \1 .*\n"
                            r" +RX-packets: (\d+) +TX-packets: (\d+)", out)
        if [int(queue) for queue, *frames in counts if "0" not in frames] != list(range(QUEUES)):
            raise Failure(f"not every queue carried frames: {counts}")
        self.disown(peer)
