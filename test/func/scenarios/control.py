# SPDX-License-Identifier: BSD-3-Clause
"""Clients of the control socket that hold it up, or try to."""

import contextlib
import json
import os
import pathlib
import signal
import socket

from harness import peers
from harness.control import Control
from harness.peers import Port
from harness.process import Deadline, Failure, wait_for

from .base import Scenario, check

CLIENTS = 32  # the most there can be
CROWD = 1000
ADDRESSES = 3000
LINES = 130  # of a client, in one read of the switch's
TURNS_BEFORE = 2  # of them, before another client's


def expect(condition, what):
    """Fail with that text unless the condition holds."""
    if not condition:
        raise Failure(what)


class ControlClients(Scenario):
    """One port; an operator who was there first."""

    cpus, seconds = 0.1, 40

    def setup(self):
        self.control = self.workdir / "control"
        self.switch = self.own(peers.backend("switch", self.workdir, [Port(self.path("p0"))],
                                             extra=(f"--control={self.control}",))).start()
        self.operator = Control(self.control)
        self.still_answers()

    def still_answers(self):
        """The operator, who says nothing between two commands, has not been cut."""
        done, said = self.operator.ask("show port summary all")
        expect(done and "net_vhost0" in said, f"the operator: {said}")

    def client(self):
        """A client that has connected."""
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.connect(str(self.control))
        client.settimeout(0.5)
        return client

    def has_room(self):
        """Whether one more client is answered."""
        client = Control(self.control)
        try:
            return client.ask("show port summary all")[0]
        except (BrokenPipeError, ConnectionResetError):
            return False
        finally:
            client.close()

    @staticmethod
    def is_cut(client, data=b""):
        """Whether the switch has closed the connection, on which @p data was to be sent next."""
        try:
            client.send(data)
            with contextlib.suppress(socket.timeout, BlockingIOError):
                return client.recv(1) == b""
        except (BrokenPipeError, ConnectionResetError):
            return True
        return False

    def expect_cut(self, client, what, data=b""):
        """It is closed when its time is up, also while it goes on sending @p data."""
        deadline = Deadline(60)
        while not self.is_cut(client, data):
            expect(not deadline.passed(), f"{what}: may take any time")
        self.still_answers()

    @check("control.half-line")
    def half_line(self):
        """A line has to be complete in time, also when another byte of it comes now and then."""
        silent = self.client()
        with self.client() as client:
            client.send(b"show port ")
            self.expect_cut(client, "half a line", b"x")
        with silent:
            silent.settimeout(30)
            silent.sendall(b"show port summary all\n")
            expect(b"net_vhost0" in silent.recv(65536), "a client that has not begun was cut")

    @check("control.unread")
    def unread(self):
        """An answer has to be read in time: the memory it takes is the switch's."""
        with self.client() as client:
            client.settimeout(5)
            # on a busy machine the time may be up before all of it is sent
            with contextlib.suppress(socket.timeout, BrokenPipeError, ConnectionResetError):
                for _ in range(1000):
                    client.sendall(b"help\n" * 100)
            client.settimeout(0.5)
            deadline = Deadline(60)
            # what was sent may still be read; a send fails as soon as the connection is shut
            while True:
                try:
                    client.send(b"\n")
                except (BrokenPipeError, ConnectionResetError):
                    break
                except socket.timeout:
                    expect(not deadline.passed(), "unread answers: may stay for any time")
        self.still_answers()

    @check("control.crowd")
    def crowd(self):
        """More clients than there can be are told so; there is room again when some are gone."""
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(self.client()) for _ in range(CROWD)]
            refused = 0
            for client in clients[-100:]:
                client.settimeout(30)
                answer = client.recv(200)
                expect(b"has its 32 clients" in answer and answer.endswith(b"\0" + b"1"), answer)
                refused += 1
            self.still_answers()
            print(f"{CROWD} clients, of the last 100 {refused} refused")
        wait_for("room", self.has_room, 30, alive=[self.switch])

    def stands_still(self):
        """Each thread is stopped."""
        tasks = pathlib.Path(f"/proc/{self.switch.child.pid}/task").iterdir()
        return all((task / "stat").read_text().rpartition(")")[2].split()[0] == "T"
                   for task in tasks)

    @contextlib.contextmanager
    def standing_still(self):
        """All that is sent to the switch meanwhile has come when it looks again."""
        self.switch.child.send_signal(signal.SIGSTOP)
        try:
            wait_for("the switch to stand still", self.stands_still)
            yield
        finally:
            self.switch.child.send_signal(signal.SIGCONT)

    @check("control.in-turn")
    def in_turn(self):
        """Lines that came at once wait for each other: a client with one is answered behind one."""
        client = Control(self.control)
        client.ask("show fdb")  # it is there
        with self.standing_still():
            client.socket.sendall(b"".join(b"fdb add 02:00:00:00:00:%02x 0 0\n" % i
                                           for i in range(LINES)))
            self.operator.socket.sendall(b"show fdb\n")
        client.socket.settimeout(30)
        answers = 0
        while answers < LINES:
            got = client.socket.recv(65536)
            expect(got, f"the connection ended behind {answers} answers")
            answers += got.count(b"\0")
        client.close()
        said = self.operator.answer("show fdb")[1]
        before = said.count("02:00:00:00:00:")
        expect(before <= TURNS_BEFORE, said)
        print(f"{before} of {LINES} lines were before another client's")

    def last_words(self, line):
        """The answer to one who says nothing more, and shuts down that direction at once."""
        with self.client() as client:
            client.settimeout(30)
            client.sendall(line.encode() + b"\n")
            client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(65536), b"")).decode()

    @check("control.large-answers")
    def large_answers(self):
        """Others do not wait until a large one is made: another client deletes the last address."""
        lines = self.workdir / "addresses"
        lines.write_text("".join(f"fdb add 02:00:00:01:{i >> 8:02x}:{i & 255:02x} 0 0\n"
                                 for i in range(ADDRESSES)), "ascii")
        expect(*self.operator.ask(f"load {lines}"))
        last = f"02:00:00:01:{ADDRESSES - 1 >> 8:02x}:{ADDRESSES - 1 & 255:02x}"
        client = Control(self.control)
        for line in ("show fdb", "show fdb json"):
            expect(last in client.ask(line)[1].lower(), f"{line} without {last}")
            with self.standing_still():
                client.socket.sendall(f"{line}\n".encode())
                self.operator.socket.sendall(f"fdb del {last} 0\n".encode())
            done, said = client.answer(line)
            expect(done and said.count("02:00:00:01:") == ADDRESSES - 1 and last not in said,
                   f"{line}: {said[-300:]}")
            expect(*self.operator.answer("fdb del"))
            expect(*self.operator.ask(f"fdb add {last} 0 0"))
        json.loads(client.ask("show fdb json")[1])
        said = self.last_words("show fdb json")
        expect(said.count("02:00:00:01:") == ADDRESSES and said.endswith("\0" "0"), said[-300:])
        with self.client() as gone:
            gone.sendall(b"show fdb json\n")
        client.close()
        self.still_answers()

    @check("control.pipe")
    def pipe(self):
        """A file of commands that is a pipe without a writer is refused, control does not wait for one."""
        path = self.workdir / "pipe"
        os.mkfifo(path)
        done, said = self.operator.ask(f"load {path}")
        expect(not done and str(path) in said, said)
        self.still_answers()

    @check("control.long-line")
    def long_line(self):
        """A line of a mebibyte ends the connection, not the switch."""
        with self.client() as client, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.settimeout(30)
            client.sendall(b"x" * (1 << 20))
            raise Failure("a line of any length is taken")
        self.still_answers()
