# SPDX-License-Identifier: BSD-3-Clause
"""Eventfds of a guest that are long to signal, or play with who signals them: one port pays."""

import os
import re
import select
import struct
import subprocess
import sys
import time

from harness import frontend as vhu
from harness.frontend import Frontend
from harness.process import Deadline, Failure, wait_for

from .base import check
from .storm import Storm

# empties and fills eventfds and makes them blocking
PLAYER = """
import os, sys
fds = [int(fd) for fd in sys.argv[1:]]
while True:
    for fd in fds:
        os.set_blocking(fd, False)
        try:
            os.eventfd_read(fd)
            os.eventfd_write(fd, (1 << 64) - 2)
        except BlockingIOError:
            pass
        os.set_blocking(fd, True)
"""
# waits for an eventfd in as many epoll sets as there are descriptors for
CROWD = """
import os, select, sys, time
fd = int(sys.argv[1])
copies = [os.dup(fd) for _ in range(300)]
sets = [select.epoll() for _ in range(300)]
for epoll in sets:
    for copy in copies:
        epoll.register(copy, select.EPOLLIN)
print("gathered", flush=True)
sys.stdin.read()
"""
CROWDS = 3  # processes
FULL = (1 << 64) - 2
ROUNDS = 1000
EXCHANGES, EXCHANGES_MIN, EXCHANGE_SECONDS = 20000, 100, 4
PILE_MAX = 1000  # descriptors of the switch: those that wait to be signalled, or closed, with them


def u64(value, fd=None):
    """The arguments of a message about a ring's eventfd, or with none."""
    return struct.pack("=Q", value), [fd] if fd is not None else []


# messages that have control signal an eventfd, by their number
EXCHANGED = {
    "call": lambda i, fd: (vhu.SET_VRING_CALL, *u64(i % 2, fd)),
    "taken-away": lambda i, fd: (vhu.SET_VRING_CALL, *(u64(1, fd) if i % 2 else u64(0x101))),
    "error": lambda i, fd: (vhu.SET_VRING_ERR, *u64(1, fd)),
}


class Eventfds(Storm):
    """Port 0 has the eventfds."""

    cpus, seconds = 0.7, 30

    def connect(self):
        """An attacker whose rings run."""
        bad = Frontend(self.sockets[0])
        bad.negotiate()
        self.switch.wait_link(0)
        return bad

    def interrupt(self, bad, times):
        """Have the worker interrupt the guest that often, for a burst each time."""
        for _ in range(times):
            bad.burst(4)

    def interrupts_left(self):
        """How many of port 0 another thread has made."""
        said = self.switch.command("show port info 0")
        return int(re.search(r"Interrupts made by another thread: (\d+)", said)[1])

    def players(self, fds):
        """Processes that play with them."""
        return [subprocess.Popen([sys.executable, "-c", PLAYER, *map(str, fds)], pass_fds=fds)
                for _ in range(2)]

    def gather(self, fd):
        """Processes that wait for it, hundreds of thousands of times."""
        crowds = [subprocess.Popen([sys.executable, "-c", CROWD, str(fd)], pass_fds=[fd],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                  for _ in range(CROWDS)]
        for crowd in crowds:
            if crowd.stdout.readline() != b"gathered\n":
                raise Failure("the crowd does not gather")
        return crowds

    def set_words(self, bad, fd, *requests):
        """It is the eventfd of both rings for these."""
        for queue in (0, 1):
            for request in requests:
                bad.send(request, struct.pack("=Q", queue), [fd])
        bad.ask(vhu.GET_FEATURES)

    def break_ring(self, bad):
        """The one that transmits, by an index that cannot be true."""
        bad.write(vhu.AREA + 0x1002, struct.pack("<H", 0x8000 + (bad.sent or 0) & 0xffff))
        wait_for("the ring to break", lambda: not self.switch.link_up(0), 30,
                 alive=[self.switch])

    @check("eventfds.played-with")
    def played_with(self):
        """Two processes empty and fill them, and make them blocking, all the time."""
        fds = [os.eventfd(0, os.EFD_CLOEXEC) for _ in range(2)]
        bad = self.connect()
        players = self.players(fds)
        try:
            with self.unharmed() as remark:
                for queue, fd in enumerate(fds):
                    bad.send(vhu.SET_VRING_CALL, struct.pack("=Q", queue), [fd])
                self.interrupt(bad, ROUNDS)
                for i in range(ROUNDS):  # control signals each
                    bad.send(vhu.SET_VRING_CALL, struct.pack("=Q", i % 2), [fds[i % 2]])
                bad.ask(vhu.GET_FEATURES)
        finally:
            for player in players:
                player.kill()
                player.wait()
            for fd in fds:
                os.close(fd)
        bad.close()
        return remark[0]

    @check("eventfds.full")
    def full(self):
        """Hundreds, full and blocking: signalled by control, and the last ones by a worker, too."""
        fds = [os.eventfd(0, os.EFD_CLOEXEC) for _ in range(300)]
        bad = self.connect()
        with self.unharmed() as remark:
            for fd in fds:
                os.eventfd_write(fd, FULL)
                for queue in (0, 1):
                    bad.send(vhu.SET_VRING_CALL, struct.pack("=Q", queue), [fd])
                os.set_blocking(fd, True)
            bad.ask(vhu.GET_FEATURES)
            self.interrupt(bad, ROUNDS)
            self.break_ring(bad)
            for fd in fds:  # its error is told at once
                bad.send(vhu.SET_VRING_ERR, struct.pack("=Q", 1), [fd])
                os.set_blocking(fd, True)
            bad.ask(vhu.GET_FEATURES)
        bad.close()
        for fd in fds:
            os.close(fd)
        return remark[0]

    @check("eventfds.crowded-{}", ("before", "afterwards"))
    def crowded(self, when):
        """One for all, waited for 270,000 times: before it is passed, or when it proved quick."""
        fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        bad, crowds = self.connect(), []
        try:
            with self.unharmed() as remark:
                if when == "before":
                    crowds = self.gather(fd)
                self.set_words(bad, fd, vhu.SET_VRING_CALL, vhu.SET_VRING_ERR, vhu.SET_VRING_KICK)
                self.interrupt(bad, ROUNDS)
                if when == "afterwards":
                    crowds = self.gather(fd)
                before = self.interrupts_left()
                self.interrupt(bad, ROUNDS)
                for _ in range(20):
                    os.eventfd_read(fd)
                    bad.burst(1)
                    wait_for("the interrupt", lambda: select.select([fd], [], [], 0)[0], 30,
                             alive=[self.switch])
                for _ in range(200):  # control signals, too: each once to the old and the new
                    bad.send(vhu.SET_VRING_CALL, struct.pack("=Q", 1), [fd])
                bad.ask(vhu.GET_FEATURES)
                left = self.interrupts_left() - before
                if left == 0:
                    raise Failure("workers made all interrupts")
        finally:
            for crowd in crowds:
                crowd.kill()
                crowd.wait()
            os.close(fd)
        bad.close()
        return f"{left} interrupts left to another thread; {remark[0]}"

    def exchange(self, bad, fd, message):
        """Send messages with a slow eventfd; the most descriptors there were, and how many were sent."""
        most, sent, end, deadline = 0, 0, time.monotonic() + EXCHANGE_SECONDS, Deadline(60)
        bad.sock.setblocking(False)
        while sent < EXCHANGES and (time.monotonic() < end or
                                    sent < EXCHANGES_MIN and not deadline.passed()):
            try:
                bad.send(*message(sent, fd))
                sent += 1
            except BlockingIOError:
                time.sleep(0.01)
            if sent % 16 == 0:
                most = max(most, len(os.listdir(f"/proc/{self.switch.child.pid}/fd")))
        return most, sent

    @check("eventfds.exchanged-{}", tuple(EXCHANGED))
    def exchanged(self, how):
        """Thousands of a crowd's, each in place of the one before: few wait to be signalled."""
        fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        bad, crowds = self.connect(), self.gather(fd)
        try:
            with self.unharmed() as remark:
                if how == "error":
                    self.break_ring(bad)
                most, sent = self.exchange(bad, fd, EXCHANGED[how])
        finally:
            for crowd in crowds:
                crowd.kill()
                crowd.wait()
            os.close(fd)
        bad.close()
        if sent < EXCHANGES_MIN or most > PILE_MAX:
            raise Failure(f"{sent} messages, {most} descriptors")
        return f"{sent} messages, {most} descriptors; {remark[0]}"
