# SPDX-License-Identifier: BSD-3-Clause
"""Every message of a front-end, 10,000 times: neighbours lose nothing, control answers others."""

import contextlib
import os
import pathlib
import re
import select
import signal
import socket
import struct
import threading
import time

from harness import frontend as vhu
from harness import peers
from harness.frontend import Frontend
from harness.peers import Port
from harness.process import Failure, Process, Skip, wait_for

from .base import Scenario, check

WIRE = pathlib.Path(__file__).parents[3] / "lib/vhost_user/wire.h"
# requests, as the table of the protocol has them: one that is added there is in the test
REQUESTS = {name: int(number) for number, name in
            re.findall(r"X\((\d+), (\w+)\)", WIRE.read_text("utf-8").split("enum vhu_request")[0])}
TIMES = 10000
SESSIONS = 200  # for a message that ends each
PROTOCOL = sum(1 << bit for bit in (0, 1, 2, 3, 4, 5, 6, 9, 11, 12, 13, 15, 16, 19))
REGION = struct.pack("=QQQQ", 0, vhu.MEMORY, vhu.UVA, 0)
SECOND = struct.pack("=QQQQ", 1 << 30, 1 << 20, vhu.UVA + (1 << 30), 0)
U64 = struct.Struct("=Q").pack
PAIR = struct.Struct("=II").pack


def memory():
    """A second memory of the guest."""
    fd = os.memfd_create("more", os.MFD_CLOEXEC)
    os.ftruncate(fd, 1 << 20)
    return fd


def event():
    """An eventfd."""
    return os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)


def channel():
    """A socket whose other end is closed."""
    ours, theirs = socket.socketpair()
    ours.close()
    return theirs.detach()


def pipe():
    """An end of a pipe whose other end is closed."""
    reader, writer = os.pipe()
    os.close(writer)
    return reader


def address(used):
    """SET_VRING_ADDR of queue 0."""
    return struct.pack("=IIQQQQ", 0, 0, vhu.UVA, vhu.UVA + used, vhu.UVA + 0x1000, 0)


# payloads and makers of descriptors, sent in turn; others are sent U64(0) and no descriptor
RECIPES = {
    "SET_FEATURES": [(U64(vhu.VERSION_1 | vhu.PROTOCOL_FEATURES),), (U64(vhu.VERSION_1),)],
    "SET_PROTOCOL_FEATURES": [(U64(PROTOCOL),)],
    "GET_FEATURES": [(b"",)], "GET_PROTOCOL_FEATURES": [(b"",)], "GET_QUEUE_NUM": [(b"",)],
    "SET_OWNER": [(b"",)], "RESET_OWNER": [(b"",)], "RESET_DEVICE": [(b"",)],
    "GET_MAX_MEM_SLOTS": [(b"",)], "GET_STATUS": [(b"",)], "CHECK_DEVICE_STATE": [(b"",)],
    "SET_MEM_TABLE": [(PAIR(1, 0) + REGION, "memory"), (PAIR(2, 0) + REGION + SECOND, "memory",
                                                          memory)],
    "ADD_MEM_REG": [(U64(0) + SECOND, memory)],
    "REM_MEM_REG": [(U64(0) + SECOND,), (U64(0) + SECOND, memory)],
    "SET_LOG_BASE": [(struct.pack("=QQ", 1 << 16, 0), memory)],
    "SET_LOG_FD": [(b"", event)],
    "SET_VRING_NUM": [(PAIR(0, vhu.RING),), (PAIR(0, 128),)],
    "SET_VRING_ADDR": [(address(0x2000),), (address(0x3000),)],
    "SET_VRING_BASE": [(PAIR(0, 0),)],
    "GET_VRING_BASE": [(PAIR(0, 0),)],
    "SET_VRING_KICK": [(U64(0), event), (U64(0x100),), (U64(0), pipe)],
    "SET_VRING_CALL": [(U64(0), event), (U64(0x100),), (U64(0), pipe)],
    "SET_VRING_ERR": [(U64(0), event), (U64(0x100),), (U64(0), pipe)],
    "SET_VRING_ENABLE": [(PAIR(0, 0),), (PAIR(0, 1),)],
    "SEND_RARP": [(bytes.fromhex("020000000007").ljust(8, b"\0"),)],
    "NET_SET_MTU": [(U64(1500),), (U64(9000),)],
    "SET_BACKEND_REQ_FD": [(b"", channel)],
    "IOTLB_MSG": [(struct.pack("=QQQBB6x", 0x1000 * i, 0x1000, vhu.UVA, 3, kind),)
                  for i in range(50) for kind in (2, 3)],
    "SET_VRING_ENDIAN": [(PAIR(0, 0),), (PAIR(0, 1),)],
    "GET_CONFIG": [(struct.pack("=III", 0, 12, 0) + bytes(12),)],
    "SET_CONFIG": [(struct.pack("=III", 0, 6, 1) + bytes(6),)],
    "GET_INFLIGHT_FD": [(struct.pack("=QQHH4x", 0, 0, 2, vhu.RING),)],
    "SET_INFLIGHT_FD": [(struct.pack("=QQHH4x", 4096, 0, 2, vhu.RING), memory)],
    "SET_STATUS": [(U64(0),), (U64(15),)],
    "SET_DEVICE_STATE_FD": [(PAIR(0, 0), pipe), (PAIR(1, 0), pipe)],
}


def session(path, protocol=vhu.REPLY_ACK):
    """A front-end whose rings run; the one before it may not be gone yet."""
    def connect():
        end = Frontend(path)
        try:
            end.negotiate(protocol=protocol)
        except (ConnectionError, struct.error):  # it was turned away
            end.close()
            return None
        return end
    return wait_for("a session", connect)


class Victim:
    """A front-end at a port of its own: control answers it, however busy others keep it."""

    def __init__(self, path):
        self.end = session(path)
        self.longest, self.stop = 0, False
        self.thread = threading.Thread(target=self.ask)
        self.thread.start()

    def ask(self):
        """Until it is told to stop."""
        while not self.stop:
            start = time.monotonic()
            self.end.ask(vhu.GET_FEATURES)
            self.longest = max(self.longest, time.monotonic() - start)
            time.sleep(0.002)

    def close(self):
        """The longest time without an answer."""
        self.stop = True
        self.thread.join()
        self.end.close()
        return self.longest


class Storm(Scenario):
    """Port 0 is attacked while frames go from port 1 to port 2, and port 3 asks."""

    cpus, seconds = 1, 180
    on_demand = True

    def setup(self):
        generator = pathlib.Path(peers.Switch.program).parents[1] / "test/perf/vqgen"
        if not generator.exists():
            raise Skip("the load generator is not beside the switch")
        self.sockets = [self.path(name) for name in ("attacked", "from", "to", "asks")]
        self.switch = self.own(peers.backend("switch", self.workdir, [
            Port(path) for path in self.sockets])).start()
        self.words = [generator, "--mode", "verify", "--rate", "5000", "--burst", "16",
                      "--window", "200", "--nap", "100", "--duration", "3600", *self.sockets[1:3]]
        self.load = self.victim = None

    def __enter__(self):
        """The neighbours are there."""
        before = self.frames()
        self.load = self.own(Process("load", self.words, self.workdir))
        self.load.spawn()
        wait_for("the neighbours' frames", lambda: self.frames() > before + 100, alive=[self.load])
        self.victim = Victim(self.sockets[3])
        return self

    def __exit__(self, kind, *_):
        longest = self.victim.close()
        self.load.kill(signal.SIGTERM)
        self.disown(self.load)
        if kind is None:
            self.judge(longest)

    def frames(self):
        """How many the neighbour has got."""
        return self.switch.xstats(2).get("tx_good_packets", 0)

    def judge(self, longest):
        """Nothing was lost."""
        result = dict(word.split("=") for word in
                      self.load.log().rsplit("result ", 1)[-1].split() if "=" in word)
        if "lost" not in result:
            raise Failure(f"the load ended without a result: {self.load.log_tail()}")
        print(f"{result['received']} frames, {result['lost']} lost, longest time without one "
              f"{int(result['gap_us']) / 1000:.1f} ms, without an answer {longest * 1000:.1f} ms")
        if int(result["lost"]) or int(result["corrupt"]) or int(result["received"]) < 100:
            raise Failure(f"the neighbour's frames: {result}")

    @check("storm.message.{}", tuple(sorted(REQUESTS)) + ("unknown",))
    def message(self, name):
        """It, half of them with a reply asked for."""
        with self:
            for flags in (vhu.VERSION, vhu.VERSION | vhu.NEED_REPLY):
                self.repeat(REQUESTS.get(name, 77), RECIPES.get(name, [(U64(0),)]), flags)

    def repeat(self, request, variants, flags):
        """In several sessions if it takes them: some messages end one."""
        made = [(v[0], v[1:]) for v in variants]
        done = 0
        while done < TIMES // 2:
            bad = session(self.sockets[0], PROTOCOL)
            fds = {make: make() for _, makers in made for make in makers if make != "memory"}
            sent = self.send_many(
                bad, request, [(payload, [fds.get(make, bad.memory) for make in makers])
                               for payload, makers in made], flags, TIMES // 2 - done)
            done += max(sent, TIMES // SESSIONS)
            bad.close()
            for fd in fds.values():
                os.close(fd)

    @staticmethod
    def send_many(bad, request, messages, flags, count):
        """Replies are taken, not looked at. How many were sent."""
        bad.sock.setblocking(False)
        ended = select.poll()
        ended.register(bad.sock, select.POLLIN | select.POLLOUT | select.POLLRDHUP)
        sent = 0
        while sent < count:
            events = ended.poll(10000)[0][1]
            try:
                if events & select.POLLIN and not bad.sock.recv(65536):
                    break
                if events & select.POLLOUT:
                    bad.send(request, *messages[sent % len(messages)], flags)
                    sent += 1
                elif events & (select.POLLHUP | select.POLLRDHUP | select.POLLERR):
                    break
            except BlockingIOError:
                pass
            except ConnectionError:
                break
        return max(sent, 1)

    @check("storm.connections")
    def connections(self):
        """Connect, say something or nothing, and go."""
        with self:
            for i in range(TIMES):
                bad = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                with contextlib.suppress(ConnectionError):
                    bad.connect(str(self.sockets[0]))
                    if i % 2:
                        bad.sendall(struct.pack("=III", vhu.GET_FEATURES, vhu.VERSION, 0))
                bad.close()
