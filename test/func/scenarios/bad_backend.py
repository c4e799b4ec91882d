# SPDX-License-Identifier: BSD-3-Clause
"""Back-ends that are out to spoil vqreplay and vqconform: both end in time, and say what failed."""

import array
import contextlib
import os
import socket
import struct
import subprocess
import threading
from concurrent import futures

from harness import frontend as vhu
from harness.process import Failure

from .base import Scenario, check
from .conform import parse
from .replay import RECORDINGS, beside, run

HEADER = struct.Struct("=III")
U64 = struct.Struct("=Q").pack
SET_BACKEND_REQ_FD, GET_QUEUE_NUM, GET_INFLIGHT_FD, CONFIG_CHANGE = 21, 17, 31, 2
REPLY = vhu.VERSION | 4
FEATURES = vhu.VERSION_1 | vhu.PROTOCOL_FEATURES
PROTOCOL = 1 << 0 | vhu.REPLY_ACK | 1 << 5 | 1 << 8 | 1 << 12  # MQ, BACKEND_REQ, PAGEFAULT, INFLIGHT_SHMFD
ANSWERS = {vhu.GET_FEATURES: FEATURES, vhu.GET_PROTOCOL_FEATURES: PROTOCOL, GET_QUEUE_NUM: 1}
MANY = 253  # descriptors, as many as the kernel lets pass
CONNECT, MESSAGE = 2, 4  # records
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


class Wrapped(Session):
    """An area for buffers in flight whose end is before its beginning."""

    def message(self, request, flags, fds):
        if request != GET_INFLIGHT_FD:
            super().message(request, flags, fds)
            return
        area = os.memfd_create("area")
        os.ftruncate(area, 1 << 20)
        payload = struct.pack("=QQHH4x", (1 << 64) - (1 << 40) + 4096, 1 << 40, 2, 256)
        socket.send_fds(self.sock, [HEADER.pack(request, REPLY, len(payload)) + payload], [area])
        os.close(area)


BAD = (Silent, Trickle, Huge, Short, Twice, Other, Descriptors, Channel, Wrapped)
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


def records(data):
    """The head of a recording, and its records."""
    at, out = 16, []
    while at < len(data):
        end = at + 8 + (struct.unpack_from("<I", data, at + 4)[0] + 7) // 8 * 8
        out.append(data[at:end])
        at = end
    return data[:16], out


def spoiled(data):
    """{name: the recording in that state}."""
    head, parts = records(data)
    first = next(i for i, part in enumerate(parts) if part[0] == MESSAGE)
    found = {f"cut at {at}": data[:at] for at in range(0, len(data), 211)}
    found["other version"] = data[:8] + b"\2\0" + data[10:]
    found["reversed"] = head + b"".join(reversed(parts))
    found["no connect"] = head + b"".join(part for part in parts if part[0] != CONNECT)
    found["odd ones only"] = head + b"".join(parts[1::2])
    for offset, size in ((4, 4), (18, 1), (19, 1), (20, 4), (24, 4), (28, 4)):
        wrong = parts[first][:offset] + b"\xff" * size + parts[first][offset + size:]
        found[f"wrong at {offset}"] = head + b"".join([*parts[:first], wrong, *parts[first + 1:]])
    return found


class BadBackend(Scenario):
    """All kinds at once: most of the time goes by in waiting."""

    cpus, seconds = 0.1, 40

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
            if kind is Wrapped and "the area ends behind its file" not in out:
                raise Failure(out)

    @check("bad_backend.recordings")
    def recordings(self):
        """vqreplay and decode read what is no recording any more, and end by themselves."""
        path = self.path("good")
        server = Server(path, Session)
        files = {}
        for name, data in spoiled((RECORDINGS / "harness.rec").read_bytes()).items():
            files[name] = self.workdir / f"{len(files)}.rec"
            files[name].write_bytes(data)
        with futures.ThreadPoolExecutor(8) as pool:
            runs = {(name, program): pool.submit(run, program, *words)
                    for name, file in files.items()
                    for program, words in (("vqsctl", ("decode", file)), ("vqreplay", (file, path)))}
        server.close()
        for what, one in runs.items():
            status, out = one.result()
            if not 0 <= status <= 2:
                raise Failure(f"{what}: {status}: {out[-300:]}")
        return f"{len(runs)} runs"
