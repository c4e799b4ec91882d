# SPDX-License-Identifier: BSD-3-Clause
"""dpdk-testpmd as driver, in all ten of its virtio-user paths."""

from functools import partial

from harness.peers import Port, VirtioUser
from harness.process import Failure, wait_for

from .base import Scenario

BURSTS, BURST = 4, 32
SIZES = (64, 1518)
MACS = ("02:00:00:00:00:01", "02:00:00:00:00:02")
ENOUGH = 20_000  # frames back at the sender: many times round the ring


class ThereAndBack(Scenario):
    """One peer sends a known number of frames, the other one sends them back."""

    @classmethod
    def checks(cls):
        return {f"virtio-user.{path}": partial(cls.loop, path=path) for path in VirtioUser.PATHS}

    def setup(self):
        self.sockets = [self.path("a"), self.path("b")]
        self.backend([Port(path) for path in self.sockets])

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
                     lambda h=here, t=there: h.packets() == t.packets() == (frames, frames), 30,
                     alive=[here, there, self.switch])
            self.switch.check_accounts()
            for peer in (here, there):
                self.disown(peer)

    def peers(self, path, size):
        """Both testpmds, running."""
        for index, name in enumerate(("here", "there")):
            peer = VirtioUser(f"{name}-{path}-{size}", self.workdir, self.sockets[index],
                              VirtioUser.PATHS[path], MACS[index],
                              [f"--eth-peer=0,{MACS[1 - index]}"])
            yield self.own(peer).start()


class Loopback(Scenario):
    """As the DTS loopback suites: one port; what it sends comes back to it, without end."""

    @classmethod
    def checks(cls):
        return {f"loopback.{path}": partial(cls.loop, path=path) for path in VirtioUser.PATHS}

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

    def loop(self, path):
        """Both sizes; the port restarted; single-frame bursts."""
        peer = self.own(VirtioUser(f"vu-{path}", self.workdir, self.socket,
                                   VirtioUser.PATHS[path], MACS[0],
                                   ["--txd=1024", "--rxd=1024"])).start()
        peer.command("set fwd mac")
        self.switch.wait_link(0)
        for size in SIZES:
            peer.command(f"set txpkts {size}")
            self.frames_return(peer, lambda: peer.command("start tx_first 32"), self.switch)
        self.switch.check_accounts()
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
