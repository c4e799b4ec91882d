# SPDX-License-Identifier: BSD-3-Clause
"""Everything at once: two workers, front-ends that lie, commands and clients, no two in step.

In an ordinary build it shows that frames stay accounted for; in a build with ThreadSanitizer the
switch reports each pair of accesses that no order is between, and ends with a status of its own.
"""

import os
import re
import struct
import threading

from harness import frontend as vhu
from harness.frontend import Frontend
from harness.peers import Port, VirtioUser
from harness.process import Failure, wait_for

from .base import Scenario, check
from .telemetry import Client

FLOWGEN = "00:01:02:03:04:05"  # testpmd's flowgen sends there, from a neighbouring address
VICTIM, HERE, THERE = 0, 1, 2
ROUNDS = 2
TX = vhu.AREA  # rings of queue 1, where a guest sends; the available ring follows at 0x1000

# pairs that leave nothing behind, and what only looks
COMMANDS = (
    *(f"show port {what} all" for what in ("stats", "xstats", "info", "summary")),
    *(f"show {what}" for what in ("worker", "fdb", "config", "fwd stats all", "drops all",
                                  "limits all", "vlan", "mirror", "switch json", "fdb json",
                                  "worker json")),
    "why port all", f"show rxq info {HERE} 0", f"show port {HERE} negotiation",
    "clear fwd stats all",
    f"mirror add {HERE} to {VICTIM}", "show mirror", f"mirror del {HERE}",
    f"set port {HERE} rate pps 100000", f"set port {HERE} rate pps off",
    f"set port {THERE} storm pps 10", f"set port {THERE} storm off",
    f"set port {THERE} source-lock on", f"set port {THERE} source-lock off",
    f"set port {HERE} vlan access 7", f"set port {HERE} vlan off",
    f"set port {THERE} domain 3", f"set port {THERE} domain 0",
    f"set port {THERE} isolated on", f"set port {THERE} isolated off",
    f"set port {HERE} learning off", f"set port {HERE} learning on",
    f"set port {HERE} fdb-limit 1", f"set port {HERE} fdb-limit 0",
    "set fdb limit 2", "set fdb limit 65536", "set fdb age 1", "set fdb age 300", "clear fdb",
    f"fdb add {FLOWGEN} 0 {HERE}", f"fdb del {FLOWGEN} 0",
    "set worker stages on", "show worker", "clear worker", "set worker stages off",
    "set record-burst-stats on", "show fwd stats all", "set record-burst-stats off",
    "set burst 1", "set burst 32", "stop", "start",
    "stop", "set fwd csum", "start", "stop", "set fwd switch", "start",
    f"port stop {THERE}", f"port start {THERE}",
    f"port quiesce {HERE}", f"port resume {HERE}",
    f"port stop {VICTIM}", f"port start {VICTIM}",
    "set worker rebalance 1", "show worker",
    f"set port {HERE} rxq 0 worker 1", f"set port {HERE} rxq 0 worker 0",
    f"set port {HERE} rxq 0 worker any",
    # rules enough for a trie, which a thread of its own makes while workers look
    *(f"set port {port} acl {way} add seq {seq} {rule}"
      for seq in range(1, 20) for port, way, rule in (
          (HERE, "in", f"drop proto udp dst 10.{seq}.0.0/16 dport {seq}-99"),
          (THERE, "out", f"allow src 2001:db8:{seq}::/48"))),
    "show acl all", "show acl all json",
    f"set port {HERE} acl in add seq 3 drop proto tcp", f"set port {HERE} acl in del 5",
    f"set port {THERE} acl out default drop", f"set port {THERE} acl out default allow",
    f"set port {HERE} acl in default allow-related", f"set port {THERE} acl out default allow-related",
    "show conntrack", "show conntrack port all json", f"set port {HERE} conntrack limit 200",
    "clear conntrack port all", "set conntrack limit 300",
    f"set port {HERE} acl in off", f"set port {THERE} acl out off",
    f"set port {HERE} guard add 198.18.0.0/15", f"set port {HERE} guard off",
    "set snooping 0 on", "set snooping 0 unknown off", "show snooping", "show snooping groups json",
    f"set port {HERE} snooping router always", f"set port {HERE} snooping limit 1",
    f"set port {HERE} snooping router auto", "set snooping 0 off",
    f"set port {HERE} vlan access 7", f"set port {HERE} vlan qinq 88a8", f"set port {HERE} vlan off",
    f"mirror add {HERE} to {VICTIM}", f"mirror filter {HERE} mac {FLOWGEN}",
    f"mirror filter {HERE} ip 198.18.0.0/15", "show mirror json", f"mirror filter {HERE} off",
    f"mirror del {HERE}",
    "set group-fwd-mask 0x4000", "set group-fwd-mask 0",
    f"set port {HERE} lldp on", f"set port {HERE} lldp off",
    f"set port {THERE} egress-rate pps 100000", f"set port {THERE} egress-rate pps off",
    "sflow add 127.0.0.1 port 9", "set sflow rate 1", "show sflow json", "sflow del 127.0.0.1",
    "port add 7 domain 0 net_null7", "set port 7 domain 5", "port detach 7",
)
PATHS = ("/vqswitch/info", "/vqswitch/fdb", *((f"/vqswitch/{noun}", number)
                                              for noun in ("port", "worker") for number in (0, 1)),
         ("/vqswitch/queue", HERE, "rx", 0), ("/vqswitch/queue", THERE, "tx", 1))


def checked(header, at):
    """The header with the Internet checksum of itself at that place."""
    total = sum(struct.unpack(f">{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return header[:at] + struct.pack(">H", total ^ 0xffff) + header[at + 2:]


def truncate(bad):
    """The memory disappears while its frames are looked at."""
    os.ftruncate(bad.memory, 4096)


def endless(bad):
    """A chain that ends where it begins, and one beyond the memory."""
    bad.write(TX, struct.pack("<QIHH", 0, 64, 1, 0) + struct.pack("<QIHH", 1 << 60, 1500, 0, 0))
    bad.write(TX + 0x1000, struct.pack("<HHHH", 0, 2, 0, 1))


def too_far(bad):
    """More available than the ring has."""
    bad.write(TX + 0x1000, struct.pack("<HH", 0, 0x8000))


def send(bad, frame):
    """This frame and no other one."""
    bad.write(0x8000, bytes(12) + frame)
    bad.write(TX, struct.pack("<QIHH", 0x8000, 12 + len(frame), 0, 0))
    bad.write(TX + 0x1000, struct.pack("<HHH", 0, 1, 0))


def joins(bad):
    """A report of IGMP: 239.1.2.3 has a member here."""
    report = bytes.fromhex("1600" "0000" "ef010203")
    ip = bytes.fromhex("46c00020" "00000000" "01020000" "c0000209" "ef010203" "94040000")
    send(bad, bytes.fromhex("01005e010203" "020000000009" "0800") + checked(ip, 10)
         + checked(report, 2) + bytes(14))


def sends(bad):
    """A broadcast frame of its own."""
    send(bad, b"\xff" * 6 + bytes.fromhex("020000000009") + bytes(48))


def restarts(bad):
    """Rings that go on and off, announcements, other features."""
    for _ in range(20):
        for on in (0, 1):
            bad.send(vhu.SET_VRING_ENABLE, struct.pack("=II", 1, on))
        bad.send(vhu.SEND_RARP, bytes.fromhex("0200000000070000"))
    bad.send(vhu.RESET_OWNER)


ATTACKS = (truncate, endless, too_far, sends, joins, restarts)


class Repeated(threading.Thread):
    """A thread that repeats one thing until it is told to stop."""

    def __init__(self, action):
        super().__init__(daemon=True)
        self.action = action
        self.over = threading.Event()
        self.done = 0
        self.problem = None

    def run(self):
        try:
            while not self.over.is_set():
                self.action(self.done)
                self.done += 1
        except Exception as e:  # pylint: disable=broad-exception-caught
            self.problem = e

    def finish(self):
        """Stop; how often it was done."""
        self.over.set()
        self.join(60)
        if self.problem is not None or self.is_alive():
            raise Failure(f"{self.action.__name__} number {self.done}: {self.problem!r}")
        return self.done


class Races(Scenario):
    """Port 0 is attacked; at port 1 a guest sends to another one at port 2, which answers."""

    cpus, seconds, on_demand = 2, 30, True

    def setup(self):
        sockets = [self.path(name) for name in ("victim", "here", "there")]
        self.backend([Port(sockets[VICTIM]), Port(sockets[HERE], queues=2),
                      Port(sockets[THERE], queues=2)], workers=2, telemetry=True)
        self.victim = sockets[VICTIM]
        self.peers = [self.own(VirtioUser(name, self.workdir, sockets[port],
                                          f"{VirtioUser.PATHS[path]},queues=2", mac,
                                          ["--rxq=2", "--txq=2", "--flowgen-flows=64"])).start()
                      for name, port, path, mac in (
                          ("here", HERE, "mergeable", "02:00:00:00:00:01"),
                          ("there", THERE, "packed_mergeable", FLOWGEN))]
        for peer, mode in zip(self.peers, ("flowgen", "macswap")):
            peer.command(f"set fwd {mode}")
        for peer in self.peers:
            peer.command("start")
        self.client = Client(self.switch.prefix)

    def attack(self, number):
        """One session, which ends in any way."""
        try:
            bad = Frontend(self.victim)
        except ConnectionError:
            return
        try:
            bad.negotiate(protocol=vhu.REPLY_ACK | vhu.RARP)
            ATTACKS[number % len(ATTACKS)](bad)
            bad.kick()
            bad.ask(vhu.GET_FEATURES)
        except (ConnectionError, struct.error):
            pass  # the switch had enough of it, as it may
        finally:
            bad.close()

    def watch(self, number):
        """One question of a monitor."""
        path = PATHS[number % len(PATHS)]
        self.client.ask(*((path,) if isinstance(path, str) else path))

    def moving(self):
        """Frames still come back to the one who sends."""
        before = self.peers[0].packets()[0]
        wait_for("frames that come back", lambda: self.peers[0].packets()[0] > before, 60,
                 alive=[self.switch, *self.peers])

    def races_reported(self):
        """Reports of ThreadSanitizer in one line each; none in other builds."""
        return re.findall(r"SUMMARY: ThreadSanitizer: (.*)", self.switch.log())

    @check("races.all")
    def all(self):
        """No race is reported, every frame accounted for, and frames still arrive."""
        self.moving()
        threads = [Repeated(self.attack), Repeated(self.watch)]
        for thread in threads:
            thread.start()
        for number in range(ROUNDS):
            for command in (*COMMANDS, f"capture start all {self.workdir}/{number}.pcapng count 50",
                            "show capture", "capture stop"):
                answer = self.switch.command(command, 60)
                if "Bad arguments" in answer or "Command not found" in answer:
                    raise Failure(f"{command}: {answer}")
            self.moving()
        sessions, questions = (thread.finish() for thread in threads)
        for peer in self.peers:
            peer.command("stop")
        self.switch.check_accounts(announced=True)
        status = self.switch.quit(60)
        found = self.races_reported()
        if found or status != 0:
            raise Failure(f"exit status {status}, {len(found)} reports: {'; '.join(found[:8])}")
        if sessions < ROUNDS * len(ATTACKS) or questions < ROUNDS * len(PATHS):
            raise Failure(f"only {sessions} sessions and {questions} questions")
        return f"{sessions} sessions, {questions} questions"
