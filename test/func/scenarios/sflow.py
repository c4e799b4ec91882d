# SPDX-License-Identifier: BSD-3-Clause
"""Samples for sFlow collectors: counted here, and read by Wireshark's decoder."""

import json
import socket
import struct
import subprocess
import time
from collections import Counter

from harness import decoder, wire
from harness.process import Failure, wait_for
from harness.wire import frame

from .base import check
from .wires import HOSTS, Wires

A, B = HOSTS[:2]


def words(data, at, count):
    return struct.unpack_from(f"!{count}I", data, at)


def samples_of(datagram):
    """[(kind, sequence, source, body)] and the number of the datagram."""
    version, family = words(datagram, 0, 2)
    if (version, family) != (5, 1):
        raise Failure(f"version {version}, address of kind {family}")
    _, number, _, count = words(datagram, 12, 4)
    found, at = [], 28
    for _ in range(count):
        kind, length, sequence, source = words(datagram, at, 4)
        found.append((kind, sequence, source, datagram[at + 16:at + 8 + length]))
        at += 8 + length
    if at != len(datagram):
        raise Failure(f"{len(datagram) - at} bytes behind the samples")
    return found, number


class Sflow(Wires):
    """Frames of taps, and a collector in the switch's network."""

    cpus, seconds = 0.3, 30

    def setup(self):
        super().setup()
        pid = str(self.switch.child.pid)
        subprocess.run(["nsenter", "--net", f"--target={pid}", "ip", "link", "set", "lo", "up"],
                       check=True)
        with wire.network_of(self.switch):
            self.collector = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.collector.bind(("127.0.0.1", 0))
        self.collector.setblocking(False)
        self.udp_port = self.collector.getsockname()[1]
        self.say("set port 3 sflow off", "set sflow rate 1", "set sflow interval 1")

    def close(self):
        if hasattr(self, "collector"):
            self.collector.close()
        super().close()

    def datagrams(self):
        """All that are there."""
        got = []
        while True:
            try:
                got.append(self.collector.recv(65536))
            except BlockingIOError:
                return got

    def collect(self, done):
        """Datagrams until done(all of them) says so."""
        got = []

        def enough():
            got.extend(self.datagrams())
            return done(got)
        wait_for("datagrams", enough, 20, alive=[self.switch])
        return got

    @check("sflow.frames")
    def frames(self):
        """With a rate of one each frame is a sample, with its port, length and first bytes."""
        self.say("set sflow header 64", f"sflow add 127.0.0.1 port {self.udp_port}")
        sent = [(port, frame(src, dst, text=f"{size} {port}", size=size))
                for size in (60, 64, 65, 1514) for port, src, dst in ((0, A, B), (1, B, A))]
        self.run_through([*sent, (3, frame(HOSTS[3], A))])

        def flows(got):
            return [s for data in got for s in samples_of(data)[0] if s[0] == 1]
        got = self.collect(lambda got: len(flows(got)) >= len(sent))
        found = Counter()
        for _, _, source, body in flows(got):
            rate, pool, drops, into, _, records = words(body, 0, 6)
            kind, _, protocol, length, stripped, header = words(body, 24, 6)
            if (rate, drops, records, kind, protocol, stripped) != (1, 0, 1, 1, 1, 4) or \
               into != source or pool < 1:
                raise Failure(f"a sample of {words(body, 0, 12)}")
            found[(source - 1, length - 4, body[48:48 + header])] += 1
        if found != Counter((port, len(data), data[:64]) for port, data in sent):
            raise Failure(f"samples of {found}")
        numbers = [samples_of(data)[1] for data in got]
        if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
            raise Failure(f"datagrams {numbers}")
        self.say("sflow del 127.0.0.1")
        self.datagrams()
        self.run_through(sent)
        time.sleep(0.3)
        if flows(self.datagrams()) or "nothing is sampled" not in self.switch.command("show sflow"):
            raise Failure(f"after its end: {self.switch.command('show sflow')}")

    @check("sflow.decoded")
    def decoded(self):
        """Wireshark reads frames, counters and names as the switch has them."""
        self.say("set sflow header 128", f"sflow add 127.0.0.1 port {self.udp_port}")
        self.run_through([(0, frame(A, B, text="decoded", size=1000))])
        got = self.collect(lambda got: {1, 2, 3} <= {
            s[2] for data in got for s in samples_of(data)[0] if s[0] == 2} and any(
            s[0] == 1 for data in got for s in samples_of(data)[0]))
        self.say("sflow del 127.0.0.1")
        read = decoder.fields(self.workdir, got, 6343, [
            "sflow_245.header.frame_length", "sflow_245.sampletype", "sflow_245.ifindex",
            "sflow_245.ifinpkt", "_ws.malformed", "_ws.expert.message"])
        if any(line["_ws.malformed"] or line["_ws.expert.message"] for line in read):
            raise Failure(f"malformed: {read}")
        lengths = {n for line in read for n in line["sflow_245.header.frame_length"]}
        ports = {n for line in read for n in line["sflow_245.ifindex"]}
        if "1004" not in lengths or ports != {"1", "2", "3"}:
            raise Failure(f"frames of {lengths} bytes, interfaces {ports}")

    @check("sflow.interval")
    def interval(self):
        """A shorter interval of counters is in force at once, after a long one, too."""
        def counters(got):
            return {s[2] for data in got for s in samples_of(data)[0] if s[0] == 2}
        self.say(f"sflow add 127.0.0.1 port {self.udp_port}")
        self.collect(lambda got: counters(got) == {1, 2, 3})
        self.say("set sflow interval 86400")
        time.sleep(1.5)  # in which nothing need happen
        self.datagrams()
        self.say("set sflow interval 1")
        self.collect(lambda got: counters(got) == {1, 2, 3})
        self.say("sflow del 127.0.0.1")

    @check("sflow.addresses")
    def addresses(self):
        """No number is an address, and none is written in another base."""
        for text in ("1", "0x7f000001", "127.1", "127.0.0.01", "127.0.0.0x1", "0.0.0.0", "::",
                     "224.0.0.1", "ff02::1", "fe80::1%nosuch", "localhost", "127.0.0.1:9", "[::1]"):
            for line in (f"sflow add {text}", f"sflow del {text}", f"set sflow agent {text}"):
                said = self.switch.command(line)
                if "must be" not in said:
                    raise Failure(f"{line}: {said!r}")

    @check("sflow.gone")
    def gone(self):
        """A collector that is not there, or has no route, is counted and does no harm."""
        self.say("sflow add 127.0.0.1 port 9", "sflow add 192.0.2.1")
        state = json.loads(self.switch.command("show sflow json"))
        if [c["error"] for c in state["collectors"]] != [None, "Network is unreachable"]:
            raise Failure(f"collectors {state}")
        wait_for("errors", lambda: all(
            c["failed"] > 0 for c in json.loads(self.switch.command("show sflow json"))
            ["collectors"]), 20, alive=[self.switch])
        text = self.switch.command("show config")
        for line in ("sflow add 127.0.0.1 port 9", "sflow add 192.0.2.1 port 6343",
                     "set port 3 sflow off", "set sflow rate 1"):
            if f"{line}\n" not in text:
                raise Failure(f"show config has no '{line}'")
        self.say("sflow del 127.0.0.1", "sflow del 192.0.2.1")
