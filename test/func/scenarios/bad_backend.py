# SPDX-License-Identifier: BSD-3-Clause
"""Back-ends that are out to spoil vqreplay and vqconform: both end in time, and say what failed."""

import array
import contextlib
import os
import socket
import struct
import subprocess
import threading

from harness import frontend as vhu
from harness.process import Failure

from .base import Scenario, check
from .conform import parse
from .replay import RECORDINGS, beside

HEADER = struct.Struct("=III")
U64 = struct.Struct("=Q").pack
SET_BACKEND_REQ_FD, GET_QUEUE_NUM, CONFIG_CHANGE = 21, 17, 2
REPLY = vhu.VERSION | 4
FEATURES = vhu.VERSION_1 | vhu.PROTOCOL_FEATURES
PROTOCOL = 1 << 0 | vhu.REPLY_ACK | 1 << 5 | 1 << 8 | 1 << 12  # MQ, BACKEND_REQ, PAGEFAULT, INFLIGHT_SHMFD
ANSWERS = {vhu.GET_FEATURES: FEATURES, vhu.GET_PROTOCOL_FEATURES: PROTOCOL, GET_QUEUE_NUM: 1}
MANY = 253  # descriptors, as many as the kernel lets pass
DESCRIPTORS = 48  # that a program may have: one that keeps those of answers runs out
SECONDS = 120


class Session:
    """One connection, answered as a back-end would."""

    def __init__(self, sock, stop):
        self.sock, self.stop = sock, stop
        self.channel = None

    def serve(self):
        """Until an end."""
        with contextlib.suppress(OSError, struct.error), self.sock:
            while not self.stop.is_set():
                data, ancillary, _, _ = self.sock.recvmsg(HEADER.size, socket.CMSG_SPACE(64))
                request, flags, size = HEADER.unpack(data)
                if size:
                    self.sock.recv(size)
                fds = array.array("i")
                for _, _, part in ancillary:
                    fds.frombytes(part)
                self.message(request, flags, fds)

    def message(self, request, flags, fds):
        """One of them; its descriptors are closed, but the channel's."""
        if request == SET_BACKEND_REQ_FD and fds:
            self.channel = socket.socket(fileno=fds.pop())
        for fd in fds:
            os.close(fd)
        if request in ANSWERS:
            self.answer(request, U64(ANSWERS[request]))
        elif flags & vhu.NEED_REPLY:
            self.answer(request, U64(0))

    def answer(self, request, payload):
        """As it should be."""
        self.sock.sendall(HEADER.pack(request, REPLY, len(payload)) + payload)


class Silent(Session):
    """It answers nothing."""

    def answer(self, request, payload):
        pass


class Trickle(Session):
    """An answer that comes byte by byte and has no end soon."""

    def answer(self, request, payload):
        for byte in HEADER.pack(request, REPLY, 4096) + bytes(4096):
            self.sock.sendall(bytes([byte]))
            self.stop.wait(0.5)


class Huge(Session):
    """An answer that says to be longer than any."""

    def answer(self, request, payload):
        self.sock.sendall(HEADER.pack(request, REPLY, 0xffffffff) + payload)


class Short(Session):
    """Answers of another size."""

    def answer(self, request, payload):
        super().answer(request, payload[:3])


class Twice(Session):
    """Each answer comes again."""

    def answer(self, request, payload):
        super().answer(request, payload)
        super().answer(request, payload)


class Other(Session):
    """Answers to what was not asked."""

    def answer(self, request, payload):
        super().answer(request + 1, payload)


class Descriptors(Session):
    """As many descriptors with each answer as the kernel lets pass."""

    def answer(self, request, payload):
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [self.sock.fileno()] * MANY))]
        self.sock.sendmsg([HEADER.pack(request, REPLY, len(payload)) + payload], rights)


class Channel(Session):
    """It never reads the answers to its own requests, of which there is no end, and says nothing else."""

    def answer(self, request, payload):
        while request == SET_BACKEND_REQ_FD and not self.stop.is_set():
            self.channel.sendall(HEADER.pack(CONFIG_CHANGE, vhu.VERSION | vhu.NEED_REPLY, 0) * 64)
        super().answer(request, payload)


BAD = (Silent, Trickle, Huge, Short, Twice, Other, Descriptors, Channel)
CHECKS = ("negotiate.features", "negotiate.reply-ack", "order.as-qemu", "iommu.unasked", "inflight.get",
          "postcopy.advise")


class Server:
    """Accepts all connections."""

    def __init__(self, path, kind):
        self.kind, self.stop = kind, threading.Event()
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path.unlink(missing_ok=True)  # of the attempt before
        self.sock.bind(str(path))
        self.sock.listen(64)
        self.sock.settimeout(0.2)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        """Each in a thread."""
        with self.sock:
            while not self.stop.is_set():
                with contextlib.suppress(TimeoutError):
                    peer, _ = self.sock.accept()
                    peer.settimeout(SECONDS)
                    threading.Thread(target=self.kind(peer, self.stop).serve, daemon=True).start()

    def close(self):
        """No more."""
        self.stop.set()


class BadBackend(Scenario):
    """All kinds at once: most of the time goes by in waiting."""

    cpus, seconds = 0.5, 40

    def run_all(self, program, *words):
        """{kind: (exit status, output)} of the program at each of them."""
        servers, running, done = [], {}, {}
        try:
            for kind in BAD:
                path = self.path(f"{program}-{kind.__name__}")
                servers.append(Server(path, kind))
                running[kind] = subprocess.Popen(
                    ["prlimit", f"--nofile={DESCRIPTORS}", "--", beside(program), *map(str, words), path],
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            for kind, child in running.items():
                out, _ = child.communicate(timeout=SECONDS)
                done[kind] = child.returncode, out
        except subprocess.TimeoutExpired as late:
            raise Failure(f"{program} does not end") from late
        finally:
            for child in running.values():
                child.kill()
                child.wait()
            for server in servers:
                server.close()
        return done

    @check("bad_backend.replay")
    def replay(self):
        """vqreplay finds answers that differ."""
        for kind, (status, out) in self.run_all("vqreplay", RECORDINGS / "qemu.rec").items():
            if status != 1 or " differences" not in out:
                raise Failure(f"{kind.__name__}: {status}: {out}")

    @check("bad_backend.conform")
    def conform(self):
        """vqconform comes to the end of its plan."""
        words = [word for name in CHECKS for word in ("-c", name)]
        for kind, (status, out) in self.run_all("vqconform", "-t", 1000, *words).items():
            results, whole = parse(out)
            if status not in (0, 1) or not whole:
                raise Failure(f"{kind.__name__}: {status}: {out}")
            if kind is not Twice and not any(r.verdict == "FAIL" for r in results):
                raise Failure(f"{kind.__name__}: {out}")
