# SPDX-License-Identifier: BSD-3-Clause
"""At the limit of open files: who comes is refused, who is there goes on."""

import os
import resource
import socket
import struct

from harness import frontend as vhu
from harness import peers
from harness.control import Control
from harness.frontend import Frontend
from harness.peers import Port
from harness.process import Failure, wait_for

from .base import Scenario, check

PORTS = 12


def expect(condition, what):
    """A check within a check."""
    if not condition:
        raise Failure(what)


class Descriptors(Scenario):
    """Port 0 has a front-end that runs; others use up the descriptors."""

    cpus, seconds = 0.1, 10

    def setup(self):
        self.control, self.metrics = self.workdir / "control", self.workdir / "metrics"
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(str(self.path("notify")))
        self.manager.settimeout(30)
        os.environ.update(NOTIFY_SOCKET=str(self.path("notify")), WATCHDOG_USEC="1000000")
        ports = [Port(self.path(f"p{i}"), queues=8) for i in range(PORTS)]
        try:
            self.switch = self.own(peers.backend("switch", self.workdir, ports, extra=(
                f"--control={self.control}", f"--metrics=unix:{self.metrics}"))).start()
        finally:
            del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]
        self.operator = Control(self.control)
        self.running = Frontend(self.path("p0"))
        self.running.negotiate()
        self.switch.wait_link(0)

    def close(self):
        super().close()
        self.manager.close()

    def is_managed(self):
        """The watchdog is fed; what the operator sets outlives a crash, and can be saved."""
        self.manager.setblocking(False)
        try:
            while True:
                self.manager.recv(100)
        except BlockingIOError:
            pass
        self.manager.settimeout(30)
        expect(self.manager.recv(100) == b"WATCHDOG=1", "something else for the service manager")
        expect(self.operator.ask("set fdb age 77")[0], "a command")
        kept = (self.workdir / "state" / "running.vqs").read_text()
        expect("set fdb age 77\n" in kept, f"not kept: {self.switch.log_tail()}")
        done, said = self.operator.ask(f"save config {self.workdir}/saved")
        expect(done, said)

    def open_fds(self):
        """The numbers of the switch's descriptors."""
        return [int(name) for name in os.listdir(f"/proc/{self.switch.child.pid}/fd")]

    def limit(self, more):
        """Room for @more descriptors above the highest that is open."""
        n, pid = max(self.open_fds()) + 1 + more, self.switch.child.pid
        hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (n, hard))

    def fill(self):
        """Front-ends that set up rings until one of them is turned away."""
        found = []
        for i in range(1, PORTS):
            other = Frontend(self.path(f"p{i}"))
            found.append(other)
            try:
                other.negotiate()
                for queue in range(2, 16):
                    fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
                    for request in (vhu.SET_VRING_KICK, vhu.SET_VRING_CALL):
                        other.send(request, struct.pack("=Q", queue), [fd])
                    os.close(fd)
                    other.ask(vhu.GET_FEATURES)
            except (OSError, struct.error):
                return found
        raise Failure("the limit was not reached")

    def goes_on(self):
        """The running front-end exchanges eventfds, and its rings run on."""
        for i in range(40):
            fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self.running.send(vhu.SET_VRING_CALL, struct.pack("=Q", i % 2), [fd])
            os.close(fd)
            self.running.ask(vhu.GET_FEATURES)
        expect(self.switch.link_up(0), "the running port is down")

    def refused(self, path):
        """A new client is told at once, by the end of the connection."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as new:
            new.settimeout(30)
            new.connect(str(path))
            try:
                return new.recv(1) == b""
            except ConnectionError:
                return True
            except TimeoutError:
                return False

    @check("descriptors.exhausted")
    def check_exhausted(self):
        """All listeners refuse, the running session goes on, and all is well when there is room."""
        self.limit(more=60)
        others = self.fill()
        self.goes_on()
        # the last ones, by what needs no session: connections that stay
        kept = []
        for _ in range(40):
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            client.connect(str(self.control))
            kept.append(client)
        wait_for("a refusal", lambda: "a connection was refused" in self.switch.log(), 30,
                 alive=[self.switch])
        for path in (self.path(f"p{PORTS - 1}"), self.control, self.metrics):
            for _ in range(3):
                expect(self.refused(path), f"a connection to {path} waits")
        self.goes_on()
        self.is_managed()
        for client in kept:
            client.close()
        for other in others:
            other.close()
        wait_for("the others to be gone", lambda: len(self.open_fds()) < 120, 30, alive=[self.switch])
        wait_for("room", lambda: not self.refused_now(), 30, alive=[self.switch])
        last = Frontend(self.path(f"p{PORTS - 1}"))
        last.negotiate()
        self.switch.wait_link(PORTS - 1)
        last.close()
        self.goes_on()

    @check("descriptors.lowered")
    def check_lowered(self):
        """The limit is lowered to what is open: the running session goes on, others are refused."""
        self.limit(more=0)
        self.goes_on()
        clients = []
        for path in (self.path("p1"), self.control, self.metrics) * 8:
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            client.connect(str(path))
            clients.append(client)
            self.goes_on()
        for line in (f"save config {self.workdir}/lowered", f"capture start all {self.workdir}/cap",
                     f"port attach net_vhost90,iface={self.workdir}/p90", "capture stop"):
            self.operator.ask(line)
            self.goes_on()
        self.is_managed()
        for client in clients:
            client.close()
        hard = resource.prlimit(self.switch.child.pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(self.switch.child.pid, resource.RLIMIT_NOFILE, (hard, hard))
        self.goes_on()

    def refused_now(self):
        """The control socket does not answer."""
        try:
            control = Control(self.control)
            done, _ = control.ask("show worker")
            control.close()
            return not done
        except (Failure, OSError):
            return True
