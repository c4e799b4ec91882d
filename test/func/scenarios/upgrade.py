# SPDX-License-Identifier: BSD-3-Clause
"""A running switch goes on in another process, and guests do not notice; or it goes on itself."""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import time

from harness.control import Control
from harness.frontend import AREA, RING, Frontend
from harness.guest import Guest, Nic
from harness.peers import Port, Switch, VirtioUser, eal
from harness.predecessor import Predecessor
from harness.process import Failure, Process, wait_for
from harness.successor import READY, REFUSED, Successor

from .base import Link, Scenario, check, transfer_finish, transfer_start
from .pair import KINDS
from .restart import received

UPGRADES = 6
FRAMES = 64     # that circulate, or wait to be acknowledged
LENGTH = 12 + 64
TX, RX = 1, 0   # rings of a queue pair


def expect(condition, what):
    """Fail with that text unless the condition holds."""
    if not condition:
        raise Failure(what)


class Station(Frontend):
    """A guest that numbers what it sends and looks at the numbers of what it gets."""

    def __init__(self, path, mac, peer):
        super().__init__(path)
        self.mac, self.peer = mac, peer
        self.number = self.seen = self.expected = self.posted = 0
        self.negotiate()
        for slot in range(RING):
            for ring, flags in ((TX, 0), (RX, 2)):
                self.write(ring * AREA + 16 * slot, struct.pack(
                    "<QIHH", self.buffer(ring, slot), LENGTH, flags, 0))
                self.write(ring * AREA + 0x1004 + 2 * slot, struct.pack("<H", slot))
        self.post(RING - 1)

    @staticmethod
    def buffer(ring, slot):
        """Its offset in the memory."""
        return 0x20000 + (ring * RING + slot) * 128

    def used(self, ring):
        """The used index."""
        return struct.unpack("<H", os.pread(self.memory, 2, ring * AREA + 0x2002))[0]

    def say(self, frame):
        """A frame without a number."""
        self.write(self.buffer(TX, self.number % RING), (bytes(12) + frame).ljust(LENGTH, b"\0"))
        self.number += 1
        self.write(TX * AREA + 0x1002, struct.pack("<H", self.number & 0xffff))
        self.kick()

    def post(self, n):
        """Give the device that many more receive buffers."""
        self.posted += n
        self.write(RX * AREA + 0x1002, struct.pack("<H", self.posted & 0xffff))

    def transmit(self, n):
        """The next numbers."""
        for number in range(self.number, self.number + n):
            frame = bytes(12) + self.peer + self.mac + struct.pack("<HQ", 0xb588, number)
            self.write(self.buffer(TX, number % RING), frame.ljust(LENGTH, b"\0"))
        self.number += n
        self.write(TX * AREA + 0x1002, struct.pack("<H", self.number & 0xffff))
        self.kick()

    def collect(self):
        """Look at what has come; each number is the one after the last."""
        came = (self.used(RX) - self.seen) & 0xffff
        for i in range(self.seen, self.seen + came):
            slot = struct.unpack("<I", os.pread(
                self.memory, 4, RX * AREA + 0x2004 + 8 * (i % RING)))[0]
            frame = os.pread(self.memory, LENGTH, self.buffer(RX, slot))
            kind, number = struct.unpack_from("<HQ", frame, 24)
            if kind == 0xb588:
                expect(number == self.expected, f"frame {number} after {self.expected - 1}")
                self.expected += 1
        self.seen += came
        if came:
            self.post(came)
            self.kick()
        return came


class Upgradable(Scenario):
    """A switch without a prompt, as a service is."""

    def start_switch(self, ports, extra=(), control=None, devices=(), options=None, enter=(), **kw):
        """Its process, and a client of its control socket; kw as for Popen.

        The devices follow its vhost-user ports, which all have the options. The words of enter
        stand in front of the program.
        """
        self.paths = [self.path(f"p{i}") for i in range(ports)]
        vdevs = [word for i, path in enumerate(self.paths)
                 for word in ("--vdev", Port(path, **(options or {})).vdev(i))]
        vdevs += [word for device in devices for word in ("--vdev", device)]
        self.control_path = control or self.workdir / "state" / "control"
        self.began = time.time()
        self.argv = [*enter, Switch.program, *eal(f"upgrade-{os.getpid()}", 2, 256), *vdevs, "--",
                     f"--state-dir={self.workdir}/state", *extra]
        self.switch = self.own(Process("switch", self.argv, self.workdir))
        self.switch.spawn(**kw)
        wait_for("its sockets", lambda: all(p.exists() for p in self.paths), alive=[self.switch])
        self.connect()
        self.pid = self.switch.child.pid

    def connect(self):
        """A client of the process that has the control socket."""
        def client():
            try:
                return Control(self.control_path)
            except OSError:
                return None
        self.control = wait_for("the control socket", client)

    def ask(self, command, done=True):
        """Its answer."""
        ok, said = self.control.ask(command, 60)
        expect(ok == done, f"{command}: {said}")
        return said

    def upgraded(self, said):
        """Go on with the new process; how long ports stood still."""
        found = re.fullmatch(r"Upgraded: process (\d+) has taken over from process (\d+), ports stood "
                             r"still for ([\d.]+) ms(; port .* ms)?\n", said)
        expect(found and int(found[2]) == self.pid, f"not an upgrade of {self.pid}: {said!r}")
        old, self.pid = self.pid, int(found[1])
        wait_for("the end of the old process", lambda: not running(old))
        self.control.close()
        self.connect()
        peer = self.control.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        expect(struct.unpack("3i", peer)[0] == self.pid, "another process answers")
        files = pathlib.Path(f"/run/dpdk/vqswitch-{old}")  # or of another one with this number, once
        expect(not files.exists() or files.stat().st_mtime < self.began, "files of EAL are left behind")
        return float(found[3])

    def close(self):
        """The process in charge may be none of our children."""
        if getattr(self, "control", None) is not None and running(self.pid):
            os.kill(self.pid, signal.SIGKILL)
            # what it has of the host is free for a second attempt only then
            with contextlib.suppress(Failure):
                wait_for("its end", lambda: not running(self.pid))
        super().close()


def running(pid):
    """Whether there is such a process, other than as a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Upgrade(Upgradable):
    """Two ports."""

    cpus, seconds = 1, 60

    def setup(self):
        self.start_switch(2)
        self.one, self.two = (Station(self.paths[i], bytes((2, 0, 0, 0, 0, i + 1)),
                                      bytes((2, 0, 0, 0, 0, 2 - i))) for i in (0, 1))
        self.exchange(2)

    def exchange(self, rounds):
        """Numbered frames both ways, no more on their way than there are buffers."""
        for _ in range(rounds):
            for here, there in ((self.one, self.two), (self.two, self.one)):
                here.transmit(FRAMES)
                wait_for("every frame in its order", lambda h=here, t=there: (
                    t.collect(), t.expected == h.number)[1], 60, pause=0.001)

    def facts(self):
        """Everything that is to be equal before and after."""
        fdb = re.sub(r" +\d+s( +\d+)$", r" AGE\1", self.ask("show fdb"), flags=re.M)
        fdb = sorted(fdb.splitlines())  # those of the configuration may come first
        stats = re.sub(r"Throughput.*?#", "#", self.ask("show port stats all"), flags=re.S)
        return {"config": self.ask("show config"), "fdb": fdb, "stats": stats,
                "xstats": self.ask("show port xstats all")}

    def unchanged(self, before):
        """Frames still go both ways, and nothing else has changed."""
        for name, text in self.facts().items():
            expect(text == before[name], f"{name} before and after: {before[name]!r}, {text!r}")
        self.exchange(1)

    @check("upgrade.sequence")
    def check_sequence(self):
        """Frames on their way during many upgrades arrive, each once and in order."""
        stops = []
        for _ in range(UPGRADES):
            before = self.facts()
            waiting = self.control
            waiting.socket.sendall(b"upgrade\n")
            self.upgraded_under_traffic(stops)
            after = self.facts()
            expect(after["config"] == before["config"], f"config: {after['config']}")
            expect(after["fdb"] == before["fdb"], f"fdb: {before['fdb']}, {after['fdb']}")
        return f"stood still for {', '.join(f'{ms:.1f}' for ms in stops)} ms"

    def upgraded_under_traffic(self, stops):
        """Send and receive until the answer is there."""
        self.control.socket.setblocking(False)
        said, rounds = b"", 0
        while b"\0" not in said[:-1]:
            self.exchange(1)
            rounds += 1
            try:
                said += self.control.socket.recv(4096)
            except BlockingIOError:
                pass
        expect(said[-1:] == b"1" or b"Upgraded" in said, said)
        stops.append(self.upgraded(said[:-2].decode()))
        expect(rounds > 1, "no frame was sent meanwhile")
        self.exchange(1)

    @check("upgrade.equal")
    def check_equal(self):
        """Settings, addresses with their ages, counters and limits are those they were."""
        for command in ("port config mtu 0 1400", "set port 1 rate pps 100000", "set fdb age 600",
                        "set port 0 source-lock on", "fdb add 02:00:00:00:00:77 0 1"):
            self.ask(command)
        self.exchange(1)
        before = self.facts()
        self.upgraded(self.ask("upgrade"))
        self.unchanged(before)

    @check("upgrade.by-hand")
    def check_by_hand(self):
        """A process that was started beside it takes over; half a message is read on."""
        self.one.sock.sendall(struct.pack("=II", 1, 1))  # GET_FEATURES without its size
        before = self.facts()
        new = self.own(Process("by-hand", [*self.argv, f"--upgrade-from={self.control_path}"],
                               self.workdir))
        new.spawn()
        wait_for("the end of the old process", lambda: not running(self.pid), 60, alive=[new])
        self.pid = new.child.pid
        self.control.close()
        self.connect()
        self.one.sock.sendall(struct.pack("=I", 0))
        expect(len(self.one.receive()) == 8, "the message was not answered")
        self.unchanged(before)

    @check("upgrade.refused.{}", ("false", "missing", "sleeper"))
    def check_program(self, kind):
        """A program that ends, that is not there, or that does not ask: nothing changes."""
        script = self.workdir / "sleeper.sh"
        script.write_text("#!/bin/sh\nexec sleep 100\n", "ascii")
        script.chmod(0o755)
        program, why = {
            "false": ("/bin/false", "ended with status 1"),
            "missing": ("/no/such/program", "cannot be started: No such file or directory"),
            "sleeper": (str(script), "has asked for nothing within 10 s"),
        }[kind]
        before = self.facts()
        said = self.ask(f"upgrade {program}", done=False)
        expect(said.startswith("Not upgraded: ") and why in said and said.count("\n") == 1, said)
        expect(running(self.pid), "it has ended")
        self.unchanged(before)

    @check("upgrade.starved.{}", (60, 200))
    def check_starved(self, megabytes):
        """A successor that has too little memory; the next is asked when this one has ended."""
        script = self.workdir / f"starved{megabytes}.sh"
        script.write_text(f'#!/bin/sh\nulimit -v {megabytes << 10}\nexec {Switch.program} "$@"\n',
                          "ascii")
        script.chmod(0o755)
        before = self.facts()
        said = self.ask(f"upgrade {script}", done=False)
        expect(re.fullmatch("Not upgraded: the new program (did not get ready|ended).*\n", said), said)
        expect(running(self.pid), "it has ended")
        self.unchanged(before)
        wait_for("its end", lambda: "under way" not in self.ask("upgrade /no/such", done=False), 60)
        return said.strip()

    @check("upgrade.stopped")
    def check_stopped(self):
        """A successor that is stopped in the stop is given up; woken up, it ends."""
        before, log, path = self.facts(), self.switch.log(), self.path("between")
        process = self.own(Process("stopped", [*self.argv, f"--upgrade-from={path}"], self.workdir))
        with contextlib.closing(Successor(self.control_path)) as new, \
                contextlib.closing(Predecessor(path)) as old:
            process.spawn()
            old.accept()
            old.send(new.receive(), new.fds)
            expect(old.hear()[0] == READY, process.log_tail())
            os.kill(process.child.pid, signal.SIGSTOP)
            new.say(READY)
            known = len(new.fds)
            old.send(new.receive(), new.fds[known:])
            expect(new.receive() is None, "it was told something")
        wait_for("that it is given up", lambda: "it does not answer" in self.switch.log()[len(log):],
                 60, alive=[self.switch])
        self.unchanged(before)
        os.kill(process.child.pid, signal.SIGCONT)
        expect(process.wait_exit(60) == 1, "its exit status")
        self.disown(process)
        self.exchange(1)

    @check("upgrade.successor.{}", ("silent", "refuses", "garbage", "gone", "refuses-first"))
    def check_successor(self, kind):
        """One that fails in the stop, whatever way: rings go on where they stood."""
        before = self.facts()
        log = self.switch.log()
        with contextlib.closing(Successor(self.control_path)) as new:
            expect(b"port add 0" in new.receive(), "there is no configuration")
            if kind == "refuses-first":
                new.say(REFUSED, b"not\x1b[2J today")
            else:
                new.say(READY)
                expect(len(new.receive()) > 1000, "there is no state")
            if kind == "refuses":
                new.say(REFUSED, b"not\x1b[2J today")
            elif kind == "garbage":
                new.sock.sendall(bytes(range(256)))
            elif kind == "gone":
                new.close()
                new.fds = []
            else:
                expect(new.receive() is None, "it was told something")
        why = {"silent": "could not take the ports over: it does not answer",
               "refuses": "could not take the ports over: not?[2J today",
               "garbage": "could not take the ports over: ",
               "gone": "could not take the ports over: it has ended",
               "refuses-first": "did not get ready: not?[2J today"}[kind]
        wait_for("its reason in the log", lambda: why in self.switch.log()[len(log):], 30,
                 alive=[self.switch])
        self.unchanged(before)

    @check("upgrade.version")
    def check_version(self):
        """Another version of the sequence is refused, and so is one without a socket."""
        before = self.facts()
        said = self.ask("take over 1", done=False)
        expect("passes a socket" in said, said)
        self.unchanged(before)


class UpgradeGuests(Upgradable):
    """Two real guests with cards of two kinds."""

    cpus, seconds = 2, 100
    KINDS = ("split", "packed")

    def setup(self):
        self.start_switch(2 * len(self.KINDS))
        self.nics = ({}, {})
        for index, kind in enumerate(self.KINDS):
            options, queues = KINDS[kind]
            for side in (0, 1):
                self.nics[side][kind] = Nic(f"52:54:00:09:{side:02x}:{index:02x}",
                                            self.paths[2 * index + side], queues, options=options)
        self.guests = [self.own(Guest(name, self.workdir, list(nics.values()))).start()
                       for name, nics in zip("ab", self.nics)]
        for guest in self.guests:
            guest.wait_ready()

    @check("upgrade.guest.{}", KINDS)
    def check_guest(self, kind):
        """A file arrives whole, both ways, though the process is replaced half-way."""
        stops = []
        ends = ((guest, nics[kind]) for guest, nics in zip(self.guests, self.nics))
        with Link(self, *ends, accounts=False) as link:
            link.ping_sizes((64, 2000))
            for receiver, sender, address in link.directions():
                transfer_start(sender, receiver, address)
                wait_for("the first megabyte", lambda r=receiver: received(r) > 1 << 20, 60,
                         alive=self.guests)
                stops.append(self.upgraded(self.ask("upgrade")))
                transfer_finish(sender, receiver)
            link.ping_sizes()
        return f"stood still for {', '.join(f'{ms:.1f}' for ms in stops)} ms"


class UpgradeVlans(Upgradable):
    """Two ports, each in a VLAN; the configuration has them in the other order."""

    cpus, seconds = 0.3, 10

    def setup(self):
        self.start_switch(2)
        self.guests = [Station(self.paths[i], bytes((2, 0, 0, 0, 0, i + 1)),
                               bytes((2, 0, 0, 0, 0, 9))) for i in (0, 1)]

    @check("upgrade.vlans")
    def check_vlans(self):
        """Addresses stay in the VLAN where they were learned."""
        self.ask("set port 1 vlan access 20")
        self.ask("set port 0 vlan access 10")
        for guest in self.guests:
            guest.transmit(1)
        wait_for("both addresses", lambda: "Entries: 2" in self.ask("show fdb"))
        before = self.places()
        self.upgraded(self.ask("upgrade"))
        expect(self.places() == before, f"before {before}, after {self.places()}")

    @check("upgrade.multicast")
    def check_multicast(self):
        """Groups stay where they were joined, and routers, though no host is asked again."""
        for command in ("set port 0 vlan access 10", "set snooping 0 querier off",
                        "set snooping 0 on"):
            self.ask(command)
        known = [(10, 0, "239.1.2.3"), (10, 0, None)]
        # a report of IGMP version 2, and a general query of a router
        self.say("239.1.2.3", "1600f8faef010203")
        self.say("224.0.0.1", "1164ee9b00000000")
        wait_for("group and router", lambda: sorted(self.groups(), key=str) == known)
        self.upgraded(self.ask("upgrade"))
        expect(sorted(self.groups(), key=str) == known, f"after it: {self.groups()}")
        # this router was the only one, and ends
        self.say("224.0.0.106", "3200cdff00000000")
        wait_for("the end of the router", lambda: self.groups() == known[:1])

    def say(self, to, message):
        """A message of IGMP from 192.0.2.1, by the guest at port 0."""
        address = socket.inet_aton(to)
        header = bytes.fromhex("46c00020000000000102" "0000" "c0000201") + address + b"\x94\4\0\0"
        total = sum(struct.unpack(">12H", header))
        total = ~((total & 0xffff) + (total >> 16)) & 0xffff
        packet = header[:10] + struct.pack(">H", total) + header[12:] + bytes.fromhex(message)
        mac = b"\1\0\x5e" + bytes((address[1] & 0x7f,)) + address[2:]
        self.guests[0].say(mac + self.guests[0].mac + b"\x08\0" + packet)

    def groups(self):
        """VLAN, port and group of each entry; None for a router."""
        return [(entry["vlan"], entry["port"], entry.get("group"))
                for entry in json.loads(self.ask("show snooping groups json"))]

    def places(self):
        """Address, domain, VLAN and port of each entry."""
        return re.findall(r"^(02:\S+) +(\d+) +(\S+) +(\d+)", self.ask("show fdb"), re.M)


class UpgradeLetsGo(Upgradable):
    """The end of the old process, whose successor does nothing."""

    cpus, seconds = 0.3, 10

    def setup(self):
        self.start_switch(1)
        self.guest = Station(self.paths[0], bytes((2, 0, 0, 0, 0, 1)), bytes((2, 0, 0, 0, 0, 2)))

    @check("upgrade.lets-go.{}", ("ready", "gone", "stopped"))
    def check_lets_go(self, kind):
        """After the last word it touches no ring, though frames wait there, and ends."""
        with contextlib.closing(Successor(self.control_path)) as new:
            new.receive()
            new.say(READY)
            new.receive()
            self.guest.transmit(FRAMES)
            before = self.memory()
            new.say(READY)
            expect(new.receive() is not None, "it does not hand over")
            if kind == "stopped":
                before = self.stop_and_go(before)
            if kind == "gone":
                new.sock.close()
            else:
                new.say(READY)
            expect(self.switch.wait_exit(30) == (kind == "gone"), "its exit status")
            expect(("cannot be taken back, but it has ended" in self.switch.log())
                   == (kind == "gone"), self.switch.log())
            expect(self.memory() == before, "it has written to the guest's memory")
            expect(all(p.exists() for p in (*self.paths, self.control_path)),
                   "it has removed a socket")
            self.guest.sock.settimeout(0.1)
            with contextlib.suppress(TimeoutError):
                expect(self.guest.sock.recv(1), "it has closed a guest's connection")
        self.spoiled = True

    def stop_and_go(self, before):
        """The old process is stopped where it has handed over; more frames, before it goes on."""
        os.kill(self.pid, signal.SIGSTOP)
        expect(self.memory() == before, "it has written to the guest's memory until it was stopped")
        self.guest.transmit(FRAMES)
        before = self.memory()
        os.kill(self.pid, signal.SIGCONT)
        return before

    def memory(self):
        """A sum of the guest's rings and buffers."""
        return hashlib.sha256(os.pread(self.guest.memory, 1 << 20, 0)).hexdigest()


class UpgradeService(Upgradable):
    """Started by a service manager; other users may connect to its control socket."""

    cpus, seconds = 0.3, 10

    def setup(self):
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(str(self.path("notify")))
        self.manager.settimeout(30)
        self.open = self.workdir / "open"
        self.open.mkdir()
        self.open.chmod(0o777)
        self.start_switch(1, (f"--control={self.open}/c", "--control-mode=0666"), self.open / "c",
                          env=os.environ | {"NOTIFY_SOCKET": str(self.path("notify")),
                                            "WATCHDOG_USEC": "1000000"})
        self.told("READY=1")

    def told(self, *texts):
        """The manager hears these in any order, among others: both processes tell it something."""
        missing = list(texts)

        def heard():
            text = self.manager.recv(100).decode()
            if text in missing:
                missing.remove(text)
            return not missing

        wait_for(" and ".join(texts), heard)

    @check("upgrade.service")
    def check_service(self):
        """The manager is told the new main process, which feeds the watchdog."""
        self.upgraded(self.ask("upgrade"))
        self.told(f"MAINPID={self.pid}", "READY=1")
        self.told("WATCHDOG=1")

    @check("upgrade.reload")
    def check_reload(self):
        """The unit's commands for a reload, which are to end well."""
        unit = (pathlib.Path(__file__).parents[3] / "config/systemd/vqswitch.service.in").read_text(
            "ascii")
        lines = re.findall("^ExecReload=(.*)", unit, re.M)
        expect(len(lines) == 2, lines)
        for line in lines:
            for name, value in (("@bindir@/", f"{pathlib.Path(Switch.program).absolute().parent}/"),
                                ("/run/vqswitch@of@/control", str(self.control_path)),
                                ("$MAINPID", str(self.pid))):
                line = line.replace(name, value)
            done = subprocess.run(line.split(), capture_output=True, text=True, timeout=60,
                                  check=False)
            expect(done.returncode == 0, f"{line}: {done.stderr}")
        self.upgraded(done.stdout)
        self.told(f"MAINPID={self.pid}", "READY=1")

    @check("upgrade.owner")
    def check_owner(self):
        """Another user may give commands here, but not get the memory of guests."""
        script = """import socket
s = socket.socket(socket.AF_UNIX)
s.connect("c")
for line in ("show port summary all", "upgrade", "upgrade /bin/true", "take over 1"):
    s.sendall(line.encode() + b"\\n")
    got = b""
    while b"\\0" not in got[:-1]:
        got += s.recv(4096)
    print(got)
"""
        said = subprocess.run(
            ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--",
             "/usr/bin/python3", "-c", script], cwd=self.open, capture_output=True, text=True,
            timeout=60, check=True).stdout.splitlines()
        expect(said[0].endswith("\\x000'") and len(said) == 4, said)
        expect(all("Refused: only the user" in line and line.endswith("\\x001'")
                   for line in said[1:]), said)
        expect(running(self.pid), "it has ended")


class UpgradeDrivers(Upgradable):
    """dpdk-testpmd as driver of both ports, all kinds of rings."""

    cpus, seconds = 2, 90

    def setup(self):
        self.start_switch(2)

    @check("upgrade.virtio-user.{}", ("mergeable", "vectorized", "packed_mergeable",
                                      "packed_vectorized"))
    def check_drivers(self, path):
        """Frames that circulate between both are neither lost nor doubled by upgrades."""
        macs = ("02:00:00:00:00:01", "02:00:00:00:00:02")
        peers = [self.own(VirtioUser(f"{name}-{path}", self.workdir, self.paths[i],
                                     VirtioUser.PATHS[path], macs[i],
                                     [f"--eth-peer=0,{macs[1 - i]}"])).start()
                 for i, name in enumerate(("here", "there"))]
        here, there = peers
        self.ask("clear port stats all")
        there.command("set fwd macswap")
        there.command("start")
        here.command("set fwd macswap")
        here.command("start tx_first 2")
        stops = []
        for _ in range(3):
            was = here.packets()[0]
            stops.append(self.upgraded(self.ask("upgrade")))
            wait_for("frames that circulate", lambda n=was: here.packets()[0] > n + 1000, 60,
                     alive=peers)
        here.command("stop")
        here.command("set fwd rxonly")
        here.command("start")
        wait_for("the last frames", lambda: self.balanced(peers), 30, alive=peers)
        for peer in peers:
            self.disown(peer)
        return f"stood still for {', '.join(f'{ms:.1f}' for ms in stops)} ms"

    def balanced(self, peers):
        """The switch has counted what drivers sent and got, and no drop."""
        stats = re.findall(r"RX-packets: (\d+).*?TX-packets: (\d+)",
                           self.ask("show port stats all"), re.S)
        counted = [(int(tx), int(rx)) for rx, tx in stats]
        dropped = sum(int(n) for n in re.findall(r"drop_\w+: (\d+)",
                                                 self.ask("show port xstats all")))
        return counted == [peer.packets() for peer in peers] and dropped == 0
