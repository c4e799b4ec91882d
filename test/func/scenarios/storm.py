# SPDX-License-Identifier: BSD-3-Clause
"""Every message of a front-end, 10,000 times: neighbours lose nothing, control answers others."""

import contextlib
import ctypes
import multiprocessing
import os
import pathlib
import re
import select
import signal
import socket
import struct
import time
from typing import NamedTuple

from harness import frontend as vhu
from harness import peers
from harness.frontend import Frontend
from harness.peers import Port
from harness.process import Failure, Process, Skip, wait_for
from harness.schedule import PR_SET_PDEATHSIG

from .base import Scenario, check

WIRE = pathlib.Path(__file__).parents[3] / "lib/vhost_user/wire.h"
# requests, as the table of the protocol has them: one that is added there is in the test
REQUESTS = {name: int(number) for number, name in
            re.findall(r"X\((\d+), (\w+)\)", WIRE.read_text("utf-8").split("enum vhu_request")[0])}
TIMES = 10000
SESSIONS = 100  # for a message that ends each; it is sent with a reply asked for, after that
CHANGES = 1000  # of the configuration
BATCH = 16  # messages sent before their replies are read
PROTOCOL = (1 << 20) - 1  # bits of the specification that a session takes if they are offered
PAIRS = 4
UNKNOWN = 77
REGION = struct.pack("=QQQQ", 0, vhu.MEMORY, vhu.UVA, 0)
SECOND = struct.pack("=QQQQ", 1 << 30, 1 << 20, vhu.UVA + (1 << 30), 0)
U64 = struct.Struct("=Q").pack
PAIR = struct.Struct("=II").pack
MODERN = vhu.VERSION_1 | vhu.PROTOCOL_FEATURES
ACCESS_PLATFORM = 1 << 33


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


KEPT = []  # ends of channels, which are not read unless a check does


def unread():
    """A socket whose other end stays open."""
    ours, theirs = socket.socketpair()
    KEPT.append(ours)
    return theirs.detach()


def pipe():
    """An end of a pipe whose other end is closed."""
    reader, writer = os.pipe()
    os.close(writer)
    return reader


def guest(bad):
    """The memory of the session; it is not made here."""
    return bad.memory


class Step(NamedTuple):
    """A message: its number, its payload and the makers of its descriptors."""
    request: int
    payload: bytes = b""
    fds: tuple = ()


def step(name, payload, *fds):
    """One of that name."""
    return Step(REQUESTS[name], payload, fds)


def address(used, queue=0):
    """SET_VRING_ADDR."""
    base = vhu.UVA + queue * vhu.AREA
    return step("SET_VRING_ADDR", struct.pack("=IIQQQQ", queue, 0, base, base + used,
                                              base + 0x1000, 0))


def ring(queue, number=vhu.RING):
    """Messages that start a ring that GET_VRING_BASE stopped, as QEMU does."""
    return [step("SET_VRING_NUM", PAIR(queue, number)), step("SET_VRING_BASE", PAIR(queue, 0)),
            address(0x2000, queue), step("SET_VRING_KICK", U64(queue), event),
            step("SET_VRING_CALL", U64(queue), event), step("SET_VRING_ENABLE", PAIR(queue, 1))]


def word(name):
    """SET_VRING_KICK and its like: an eventfd, none, and what is no eventfd."""
    return [step(name, U64(0), event), step(name, U64(0x100)), step(name, U64(0), pipe)]


def plain(name, *payloads):
    """Without descriptors."""
    return [step(name, payload) for payload in payloads or (b"",)]


REGIONS = [step("ADD_MEM_REG", U64(0) + SECOND, memory), step("REM_MEM_REG", U64(0) + SECOND),
           step("ADD_MEM_REG", U64(0) + SECOND, memory),
           step("REM_MEM_REG", U64(0) + SECOND, memory)]
# the message, with others if it does nothing a second time; those that are not here are sent U64(0)
RECIPES = {
    "SET_FEATURES": plain("SET_FEATURES", U64(MODERN), U64(vhu.VERSION_1)),
    "SET_PROTOCOL_FEATURES": plain("SET_PROTOCOL_FEATURES", U64(vhu.REPLY_ACK), U64(0)),
    "SET_MEM_TABLE": [step("SET_MEM_TABLE", PAIR(1, 0) + REGION, guest),
                      step("SET_MEM_TABLE", PAIR(2, 0) + REGION + SECOND, guest, memory)],
    "ADD_MEM_REG": REGIONS, "REM_MEM_REG": REGIONS,
    "SET_LOG_BASE": [step("SET_LOG_BASE", struct.pack("=QQ", 1 << 16, 0), memory)],
    "SET_LOG_FD": [step("SET_LOG_FD", b"", event)],
    "SET_VRING_NUM": plain("SET_VRING_NUM", PAIR(0, vhu.RING), PAIR(0, 128)),
    "SET_VRING_ADDR": [address(0x2000), address(0x3000)],
    "SET_VRING_BASE": plain("SET_VRING_BASE", PAIR(0, 0), PAIR(0, 7)),
    "GET_VRING_BASE": [step("GET_VRING_BASE", PAIR(0, 0)), step("SET_VRING_KICK", U64(0), event)],
    "SET_VRING_KICK": word("SET_VRING_KICK"),
    "SET_VRING_CALL": word("SET_VRING_CALL"),
    "SET_VRING_ERR": word("SET_VRING_ERR"),
    "SET_VRING_ENABLE": plain("SET_VRING_ENABLE", PAIR(0, 0), PAIR(0, 1)),
    "SEND_RARP": plain("SEND_RARP", *(bytes([2, 0, 0, 0, i, 7, 0, 0]) for i in range(100))),
    "NET_SET_MTU": plain("NET_SET_MTU", U64(1500), U64(9000)),
    "SET_BACKEND_REQ_FD": [step("SET_BACKEND_REQ_FD", b"", channel)],
    "IOTLB_MSG": [step("IOTLB_MSG", struct.pack("=QQQBB6x", 0x1000 * i, 0x1000, vhu.UVA, 3, kind))
                  for i in range(50) for kind in (2, 3)],
    "SET_VRING_ENDIAN": plain("SET_VRING_ENDIAN", PAIR(0, 0), PAIR(0, 1)),
    "GET_CONFIG": plain("GET_CONFIG", struct.pack("=III", 0, 12, 0) + bytes(12)),
    "SET_CONFIG": plain("SET_CONFIG", struct.pack("=III", 0, 6, 1) + bytes(6)),
    "GET_INFLIGHT_FD": plain("GET_INFLIGHT_FD", struct.pack("=QQHH4x", 0, 0, 2, vhu.RING)),
    "SET_INFLIGHT_FD": [step("SET_INFLIGHT_FD", struct.pack("=QQHH4x", 1 << 16, 0, 2, vhu.RING),
                             memory)],
    "SET_STATUS": plain("SET_STATUS", U64(0), U64(15)),
    "SET_DEVICE_STATE_FD": [step("SET_DEVICE_STATE_FD", PAIR(0, 0), pipe),
                            step("SET_DEVICE_STATE_FD", PAIR(1, 0), pipe)],
    "unknown": [Step(UNKNOWN, U64(0))],
} | {name: plain(name) for name in (
    "GET_FEATURES", "GET_PROTOCOL_FEATURES", "GET_QUEUE_NUM", "SET_OWNER", "RESET_OWNER",
    "RESET_DEVICE", "GET_MAX_MEM_SLOTS", "GET_STATUS", "CHECK_DEVICE_STATE")}
# several messages in turn
SEQUENCES = {
    "restarts": [message for queue in (0, 1)
                 for message in (step("GET_VRING_BASE", PAIR(queue, 0)), *ring(queue))],
    "resets": [step("SET_STATUS", U64(0)), step("SET_FEATURES", U64(MODERN)), *ring(0), *ring(1),
               step("SET_STATUS", U64(15))],
    "pairs": [step("SET_VRING_ENABLE", PAIR(queue, on))
              for on in (0, 1) for queue in range(2 * PAIRS)],
    "descriptors": [step("SET_OWNER", b"", memory, event, pipe, channel, memory, event, pipe,
                         channel)],
    # a byte each, over and over, then all of them at once taken back
    "tiny-translations": [step("IOTLB_MSG", struct.pack("=QQQBB6x", 2 * i, 1, vhu.UVA + i, 3, 2))
                          for i in range(1999)] +
                         [step("IOTLB_MSG", struct.pack("=QQQBB6x", 0, 1 << 32, 0, 3, 3))],
}
# refused, each ends its session: no answer of theirs says so
ENDS = {"POSTCOPY_ADVISE"}
FEATURES = {name: MODERN | ACCESS_PLATFORM for name in ("IOTLB_MSG", "tiny-translations")}


class Flood:
    """Messages in turn, over one session of an attacker's."""

    def __init__(self, path, steps, features, protocol):
        self.end = Frontend(path)
        self.end.negotiate(features, protocol)
        self.steps = steps
        self.fds = {make: make() for one in steps for make in one.fds if make is not guest}
        self.replies, self.pending = 0, b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end.close()
        for fd in self.fds.values():
            os.close(fd)
        while KEPT:
            KEPT.pop().close()

    def batch(self, start, count, flags):
        """Those from the start'th on, in as few writes as possible."""
        together = b""
        for i in range(start, start + count):
            one = self.steps[i % len(self.steps)]
            message = struct.pack("=III", one.request, flags, len(one.payload)) + one.payload
            if not one.fds:
                together += message
                continue
            if together:
                self.end.sock.sendall(together)
            together = b""
            socket.send_fds(self.end.sock, [message],
                            [self.fds.get(make, self.end.memory) for make in one.fds])
        if together:
            self.end.sock.sendall(together)

    def read(self):
        """Replies, at least one. False: the session has ended."""
        got = self.end.sock.recv(65536)
        self.pending += got
        while len(self.pending) >= 12:
            size = 12 + struct.unpack_from("=I", self.pending, 8)[0]
            if len(self.pending) < size:
                break
            self.replies += 1
            self.pending = self.pending[size:]
        return bool(got)

    def answered(self, count):
        """Send count messages, each of which must be answered."""
        for start in range(0, count, BATCH):
            end = min(start + BATCH, count)
            self.batch(start, end - start, vhu.VERSION | vhu.NEED_REPLY)
            while self.replies < end:
                if not self.read():
                    raise Failure(f"the session ended after {self.replies} replies")

    def unanswered(self, count):
        """Send count messages, or as many as the session survives."""
        ready = select.poll()
        ready.register(self.end.sock, select.POLLIN)
        with contextlib.suppress(ConnectionError):
            for start in range(0, count, BATCH):
                self.batch(start, min(BATCH, count - start), vhu.VERSION)
                if ready.poll(0) and not self.read():
                    break
        with contextlib.suppress(OSError):
            self.end.sock.shutdown(socket.SHUT_WR)
            while self.read():
                pass


def ask(path, reports):
    """A front-end that asks all the time; when it is told to, it says how long it waited."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    end, longest = Frontend(path), 0
    end.negotiate()
    with contextlib.suppress(ConnectionError, struct.error):  # the switch has ended
        while True:
            start = time.monotonic()
            end.ask(vhu.GET_FEATURES)
            longest = max(longest, time.monotonic() - start)
            if reports.poll(0.002):
                reports.recv()
                reports.send(longest)
                longest = 0


class Neighbours:
    """Two guests with traffic, and a front-end that asks."""

    def __init__(self, scenario, sender, receiver, asking):
        generator = pathlib.Path(peers.Switch.program).parents[1] / "test/perf/vqgen"
        if not generator.exists():
            raise Skip("the load generator is not beside the switch")
        self.load = scenario.own(Process("load", [
            generator, "--mode", "verify", "--rate", "5000", "--burst", "16", "--window", "200",
            "--nap", "100", "--duration", "36000", sender, receiver], scenario.workdir))
        self.load.spawn()
        self.reports, theirs = multiprocessing.Pipe()
        self.asking = multiprocessing.Process(target=ask, args=(asking, theirs), daemon=True)
        self.asking.start()
        theirs.close()
        # it knows the signal from then on
        wait_for("the neighbours' frames", lambda: "frames come through" in self.load.log(),
                 alive=[self.load])

    def lines(self):
        """Accounts the load has given."""
        return re.findall(r"^progress (.*)\n", self.load.log(), re.M)

    def lap(self):
        """The account of the load, and the longest wait for an answer since the last time."""
        before = len(self.lines())
        self.load.child.send_signal(signal.SIGUSR1)
        line = wait_for("the neighbours' account", lambda: self.lines()[before:],
                        alive=[self.load], pause=0.002)[0]
        seen = {name: int(value) for name, value in
                (one.split("=") for one in line.split())}
        self.reports.send(None)
        if not self.reports.poll(60):
            raise Failure("control does not answer the other front-end")
        return seen, self.reports.recv()


class Storm(Scenario):
    """Port 0 is attacked while frames go from port 1 to port 2, and port 3 asks."""

    cpus, seconds = 0.4, 60
    OPTIONS = {"queues": PAIRS, "config": 1, "device-state": 1}  # of port 0

    def setup(self):
        self.sockets = [self.path(name) for name in ("attacked", "from", "to", "asks")]
        self.switch = self.own(peers.backend("switch", self.workdir, [
            Port(path, **(self.OPTIONS if path == self.sockets[0] else {}))
            for path in self.sockets]))
        self.control = self.workdir / "control"
        self.switch.argv.append(f"--control={self.control}")
        self.switch.start()
        self.protocol = PROTOCOL & self.offered()
        self.neighbours = Neighbours(self, *self.sockets[1:])

    def offered(self):
        """Protocol features of the attacked port."""
        end = Frontend(self.sockets[0])
        bits = end.ask(vhu.GET_PROTOCOL_FEATURES)
        end.close()
        return bits

    def count(self):
        """Messages the attacked port has had, and refused ones."""
        text = self.switch.command("show port info 0")
        return [int(re.search(rf"{what}: (\d+)", text)[1]) for what in ("messages", "refused")]

    def kept_waiting(self):
        """Milliseconds for which control and the worker had work and no CPU, since they started."""
        found = {}
        for task in pathlib.Path(f"/proc/{self.switch.child.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that ends
                name = (task / "comm").read_text().strip()
                if "worker" in name or task.name == str(self.switch.child.pid):
                    found[name] = int((task / "schedstat").read_text().split()[1]) / 1e6
        return found

    @contextlib.contextmanager
    def unharmed(self):
        """The neighbours notice nothing. The list has a remark about it, afterwards."""
        remark = []
        before = self.neighbours.lap()[0]
        start, counted, waited = time.monotonic(), self.count(), self.kept_waiting()
        yield remark
        seconds = time.monotonic() - start
        waited = ", ".join(f"{name} {now - waited[name]:.1f} ms"
                           for name, now in self.kept_waiting().items())
        after, longest = self.neighbours.lap()
        messages, refused = (now - then for now, then in zip(self.count(), counted))
        remark.append(f"{messages} messages in {seconds:.2f} s, {refused} of them refused; "
                      f"{after['received'] - before['received']} frames, longest time without one "
                      f"{after['gap_us'] / 1000:.1f} ms, without an answer {longest * 1000:.1f} ms; "
                      f"without a CPU in all: {waited}")
        if any(after[name] for name in ("lost", "corrupt", "duplicated", "reordered", "late")):
            raise Failure(f"the neighbours' frames: {after}")

    def session(self, steps, name=""):
        """The attacker's."""
        return Flood(self.sockets[0], steps, FEATURES.get(name, MODERN), self.protocol)

    def without_replies(self, steps, name, count):
        """How many of count messages the switch has had in SESSIONS sessions at most."""
        handled, sessions = 0, 0
        while handled < count and sessions < SESSIONS:
            before = self.count()[0]
            with self.session(steps, name) as flood:
                flood.unanswered(count - handled)
                handled += self.count()[0] - before - flood.end.messages
            sessions += 1
        return handled

    @check("storm.message.{}", tuple(sorted(REQUESTS)) + ("unknown",))
    def message(self, name):
        """It, half of them with a reply asked for; more if it ends its session without."""
        steps = RECIPES.get(name) or plain(name, U64(0))
        own = sum(one.request == REQUESTS.get(name, UNKNOWN) for one in steps)
        count = TIMES * len(steps) // own
        with self.unharmed() as remark:
            handled = self.without_replies(steps, name, count // 2)
            if name not in ENDS:
                with self.session(steps, name) as flood:
                    flood.answered(count - handled)
        return remark[0]

    @check("storm.sequence.{}", tuple(SEQUENCES))
    def sequence(self, name):
        """Several messages in turn, each of which is answered."""
        with self.unharmed() as remark, self.session(SEQUENCES[name], name) as flood:
            flood.answered(TIMES)
        return remark[0]

    @check("storm.config-changes.{}", ("read", "unread"))
    def config_changes(self, how):
        """The operator changes the MTU again and again: the front-end is told, or does not read."""
        told = 0
        with self.unharmed() as remark, \
                self.session([step("SET_BACKEND_REQ_FD", b"", unread)]) as flood:
            flood.answered(1)
            ours = KEPT[0]
            for i in range(CHANGES):
                self.switch.command(f"port config mtu 0 {1400 + i % 2}")
                while how == "read" and select.select([ours], [], [], 0)[0]:
                    told += len(ours.recv(65536)) // 12
            while select.select([ours], [], [], 0.2)[0]:
                told += len(ours.recv(65536)) // 12
            flood.answered(1)
        if told == 0 or told != CHANGES and how == "read":
            raise Failure(f"{told} of {CHANGES} changes were told")
        return f"{told} changes were told; {remark[0]}"

    @check("storm.connections")
    def connections(self):
        """Connect, ask something or nothing, and go."""
        question = struct.pack("=III", vhu.GET_FEATURES, vhu.VERSION, 0)
        with self.unharmed() as remark:
            for i in range(TIMES):
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as bad:
                    bad.connect(str(self.sockets[0]))
                    if i % 2 == 0:
                        continue
                    bad.sendall(question)
                    if len(bad.recv(20)) != 20:
                        raise Failure(f"connection {i} was not answered")
        return remark[0]

    @check("storm.kicks")
    def kicks(self):
        """Of rings with nothing in them."""
        with self.unharmed() as remark, self.session([]) as flood:
            for _ in range(TIMES):
                flood.end.kick()
        return remark[0]


# lines of a client that go on for ever, each with what takes it back
SETTINGS = {
    "domain": ("set port 0 domain 7", "set port 0 domain 0"),
    "vlan": ("set port 0 vlan trunk 1-4094", "set port 0 vlan off"),
    "acl": tuple(f"set port 0 acl in add seq {i} drop proto udp dst 10.0.0.{i} dport {i}-99"
                 for i in range(1, 20)) + ("set port 0 acl in off",),
    "guard": ("set port 0 guard add 192.0.2.0/24", "set port 0 guard off"),
    "snooping": ("set snooping 0 on", "set snooping 0 off"),
    "mirror": ("mirror add 0 to 3", "mirror filter 0 vlan 7", "mirror del 0"),
    "rate": ("set port 0 rate pps 7", "set port 0 egress-rate pps 7", "set port 0 rate pps off",
             "set port 0 egress-rate pps off"),
    "sflow": ("sflow add 127.0.0.1 port 9", "set sflow rate 7", "set sflow rate 8",
              "sflow del 127.0.0.1 port 9"),
    "fdb": ("fdb add 02:00:00:00:00:99 0 0", "fdb del 02:00:00:00:00:99 0", "clear fdb",
            "set fdb age 3", "set fdb age 300"),
    "rebalance": ("set worker rebalance 1", "set worker rebalance 0", "set worker stages on",
                  "set worker stages off"),
    "lldp": ("set port 0 lldp on", "set port 0 lldp off"),
    "quiesce": ("port quiesce 0", "port resume 0"),
    "stop": ("port stop 0", "port start 0"),
    "ports": ("port add 9 domain 3 net_vhost9,iface=DIR/nine", "port detach 9"),
    "shows": ("show config", "show port info all", "show port xstats all json", "show fdb json"),
    "wrong": ("set port 0 vlan trunk 5000", "no such command", "\x1b[2J\x7f\xff", "show port info 999"),
}


class Clients(Storm):
    """The same traffic while a client of a socket for operators goes on and on."""

    cpus, seconds, on_demand = 0.6, 120, True

    def lines(self, name):
        """The commands that are sent over and over."""
        return [line.replace("DIR", str(self.workdir)).encode("latin-1") + b"\n"
                for line in SETTINGS[name]]

    @check("storm.client.{}", tuple(SETTINGS))
    def client(self, name):
        """Commands without end, answers read as they come."""
        lines = self.lines(name)
        with self.unharmed() as remark, \
                socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as end:
            end.connect(str(self.control))
            end.settimeout(60)
            sent = answers = 0
            while answers < TIMES:
                while sent < TIMES and sent - answers < 200:
                    end.sendall(b"".join(lines[(sent + i) % len(lines)] for i in range(100)))
                    sent += 100
                answers += end.recv(65536).count(b"\0")
        return remark[0]
