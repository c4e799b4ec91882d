# SPDX-License-Identifier: BSD-3-Clause
"""A hostile front-end: its own port pays, other ports notice nothing."""

import os
import struct
import time
from functools import partial

from harness import frontend as vhu
from harness import peers
from harness.frontend import Frontend
from harness.peers import Port, VirtioUser
from harness.process import Failure, wait_for

from .base import Scenario, check

MAC = "00:01:02:03:04:06"

def open_fds(process):
    """Number of descriptors a process has open."""
    return len(os.listdir(f"/proc/{process.child.pid}/fd"))


class Hostile(Scenario):
    """Port 0 is attacked while frames circulate at port 1."""

    cpus, seconds = 0.4, 15
    FURTHER = 0  # ports that are attacked, too, from port 2 on

    def setup(self):
        self.victim, self.neighbour = self.path("victim"), self.path("neighbour")
        self.victims = [self.victim] + [self.path(f"victim{i}") for i in range(self.FURTHER)]
        self.switch = self.own(peers.backend("switch", self.workdir, [
            Port(path) for path in (self.victim, self.neighbour, *self.victims[1:])]))
        self.switch.argv.append("--port-topology=loop")  # each port gets its own frames back
        self.switch.start()
        for command in ("stop", "set fwd macswap", "start"):
            self.switch.command(command)
        self.peer = self.own(VirtioUser("neighbour", self.workdir, self.neighbour,
                                        VirtioUser.PATHS["mergeable"], MAC)).start()
        self.switch.wait_link(1)
        for command in ("set fwd mac", "start tx_first 8"):
            self.peer.command(command)
        self.settled = open_fds(self.switch)

    def unharmed(self):
        """The neighbour's frames still go round, and the port takes a decent front-end again."""
        before = self.peer.packets()
        wait_for("the neighbour's frames", lambda: all(
            now > then for now, then in zip(self.peer.packets(), before)), 30,
            alive=[self.switch, self.peer])
        decent = Frontend(self.victim)
        decent.negotiate()
        self.switch.wait_link(0)
        decent.close()
        wait_for("the descriptors to be closed", lambda: open_fds(self.switch) <= self.settled, 30,
                 alive=[self.switch])

    @check("hostile.truncate")
    def truncate(self):
        """The memory disappears under rings that run."""
        for size in (0, 4096, vhu.AREA):
            bad = Frontend(self.victim)
            bad.negotiate()
            self.switch.wait_link(0)
            os.ftruncate(bad.memory, size)
            for _ in range(100):
                bad.kick()
            self.unharmed_but_connected(bad)
            bad.close()
        self.unharmed()

    def unharmed_but_connected(self, bad):
        """The neighbour's frames go round while the attacker is still there."""
        before = self.peer.packets()
        bad.kick()
        wait_for("the neighbour's frames", lambda: all(
            now > then for now, then in zip(self.peer.packets(), before)), 30,
            alive=[self.switch, self.peer])

    @check("hostile.ring-lies")
    def ring_lies(self):
        """Indices and descriptors that cannot be true."""
        tx = vhu.AREA  # of queue 1: descriptors; the available ring follows at 0x1000
        one = struct.pack("<HHH", 0, 1, 0)  # the first descriptor is available
        broken, dropped = self.ring_stopped, self.chain_dropped
        for available, descriptor, noticed in (
                # index a ring ahead, head beyond the table
                (struct.pack("<HH", 0, 0x8000), b"", broken),
                (struct.pack("<HHH", 0, 1, 0xffff), b"", broken),
                # buffer outside memory, endless chain, length of 4 GiB
                (one, struct.pack("<QIHH", 1 << 60, 1500, 0, 0), dropped),
                (one, struct.pack("<QIHH", 0, 64, 1, 0), dropped),
                (one, struct.pack("<QIHH", 0, 0xffffffff, 0, 0), dropped)):
            before = self.bad_chains()
            bad = Frontend(self.victim)
            bad.write(tx, descriptor)
            bad.negotiate()
            self.switch.wait_link(0)
            bad.write(tx + 0x1000, available)
            bad.kick()
            wait_for("the lie to be noticed", partial(noticed, before), 30, alive=[self.switch])
            self.unharmed_but_connected(bad)
            bad.close()
        self.unharmed()

    def bad_chains(self):
        """Chains of port 0 that were malformed."""
        return self.switch.xstats(0).get("rx_q0_drop_rx_bad_chain_packets", 0)

    def ring_stopped(self, _):
        """The ring that lied runs no more."""
        return not self.switch.link_up(0)

    def chain_dropped(self, before):
        """The chain was given back and counted, once; the ring runs on."""
        return self.bad_chains() == before + 1 and self.switch.link_up(0)

    @check("hostile.garbage")
    def garbage(self):
        """Bytes that are no messages, and messages that are no requests."""
        for junk in (os.urandom(4096), b"\xff" * 12, struct.pack("=III", 2, 1, 0xffffffff),
                     struct.pack("=III", 0, 1, 0), struct.pack("=III", 2, 0x2, 8) + b"x" * 8):
            bad = Frontend(self.victim)
            bad.sock.sendall(junk)
            bad.close()
            self.unharmed()

    @check("hostile.half-message")
    def half_message(self):
        """A header whose payload never comes costs that connection, after a deadline, nothing else."""
        bad = Frontend(self.victim)
        bad.sock.sendall(struct.pack("=III", vhu.SET_FEATURES, vhu.VERSION, 8) + b"half")
        if not bad.closed_by_peer():
            raise Failure("half a message kept the connection for 10 s")
        bad.close()
        self.unharmed()

    @check("hostile.second-connection")
    def second_connection(self):
        """One front-end a socket: another one is turned away and the first keeps its port."""
        first = Frontend(self.victim)
        first.negotiate()
        self.switch.wait_link(0)
        second = Frontend(self.victim)
        if not second.closed_by_peer():
            raise Failure("a second front-end was not turned away within 10 s")
        second.close()
        if not self.switch.link_up(0):
            raise Failure("the second front-end took the first one's port down")
        first.close()
        self.unharmed()

    @check("hostile.repeated")
    def repeated(self):
        """Messages that stop, start and announce, without end: the neighbour loses nothing."""
        station = bytes.fromhex("020000000007").ljust(8, b"\0")
        address = [vhu.UVA + offset for offset in (0, 0x2000, 0x1000)]
        for request, payloads in (
                (vhu.SEND_RARP, (station,)),
                (vhu.SET_VRING_ENABLE, (struct.pack("=II", 0, 0), struct.pack("=II", 0, 1))),
                (vhu.SET_FEATURES, (struct.pack("=Q", vhu.VERSION_1 | vhu.PROTOCOL_FEATURES),)),
                (vhu.SET_VRING_NUM, (struct.pack("=II", 0, vhu.RING),)),
                (vhu.SET_VRING_BASE, (struct.pack("=II", 0, 0),)),
                (vhu.SET_VRING_ADDR, (struct.pack("=IIQQQQ", 0, 0, *address, 0),)),
                (vhu.RESET_OWNER, (b"",))):
            bad = Frontend(self.victim)
            bad.negotiate(protocol=vhu.REPLY_ACK | vhu.RARP)
            self.switch.wait_link(0)
            before, gap = self.neighbour_drops(), 0
            for _ in range(20):
                for i in range(500):
                    bad.send(request, payloads[i % len(payloads)])
                gap = max(gap, self.progress())
            bad.ask(vhu.GET_FEATURES)
            lost = self.neighbour_drops() - before
            print(f"message {request} 10000 times: {lost} frames lost, progress within {gap:.3f} s")
            if lost != 0:
                raise Failure(f"message {request} cost the neighbour {lost} frames")
            bad.close()
        self.unharmed()

    def neighbour_drops(self):
        """Frames from and to port 1 that were dropped."""
        return sum(value for name, value in self.switch.xstats(1).items() if "_drop_" in name)

    def progress(self):
        """Seconds until the neighbour has got more frames."""
        start, before = time.monotonic(), self.peer.packets()[0]
        wait_for("the neighbour's frames", lambda: self.peer.packets()[0] > before, 30,
                 alive=[self.switch, self.peer])
        return time.monotonic() - start

    @check("hostile.descriptors")
    def descriptors(self):
        """As many descriptors as a message can carry, with every kind of request."""
        for request in range(64):
            bad = Frontend(self.victim)
            fds = [os.dup(0) for _ in range(8)]
            bad.send(request, b"\0" * 8, fds)
            for fd in fds:
                os.close(fd)
            bad.close()
        self.unharmed()

    def said(self):
        """Log lines so far."""
        return [line for line in self.switch.log().splitlines() if "vqswitch: " in line]

    def speaks(self):
        """The bucket has a line left for a session."""
        before = len(self.said())
        self.unharmed()
        return len(self.said()) > before

    @check("hostile.log")
    def log_lines(self):
        """Connections, links that go up and down, messages that are refused: lines within a bucket."""
        wait_for("a line, after the checks before", self.speaks, 30, alive=[self.switch])
        begin, before = time.monotonic(), len(self.said())
        for _ in range(100):
            bad = Frontend(self.victim)
            bad.negotiate()
            for on in (0, 1) * 5:
                for queue in (0, 1):
                    bad.send(vhu.SET_VRING_ENABLE, struct.pack("=II", queue, on))
            bad.ask(vhu.GET_FEATURES)
            bad.send(vhu.SET_VRING_NUM, struct.pack("=II", 0, 3))
            bad.close()
        self.unharmed()
        self.switch.command("show config fwd")  # the log has all that was printed before it
        said = self.said()[before:]
        # a line and how many were left out, ten at once and one a second
        allowed = 2 * (10 + int(time.monotonic() - begin) + 1)
        if len(said) > allowed:
            raise Failure(f"{len(said)} lines where {allowed} are allowed, as {said[-3:]}")
