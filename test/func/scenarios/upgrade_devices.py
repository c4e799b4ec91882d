# SPDX-License-Identifier: BSD-3-Clause
"""Ports on devices that only one process can have go on in another process."""

import contextlib
import os
import pathlib
import re
import socket
import struct
import subprocess

from harness import namespace
from harness.peers import Switch
from harness.process import wait_for
from harness.successor import READY, REFUSED, Successor

from .base import check
from .ethdev import member_key
from .upgrade import FRAMES, Station, Upgradable, expect

KIND = 0x88b5  # of frames: local experiments
GUEST, HOST = bytes((2, 0, 0, 0, 0, 1)), bytes((2, 0, 0, 0, 0, 0x99))
RELEASED = 11  # type of a record


class Wire:
    """The host's end of a device: numbered frames to the guest, and those of the guest."""

    def __init__(self, dev):
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(KIND))
        self.sock.bind((dev, KIND))
        self.sock.setblocking(False)
        self.number = self.expected = 0

    def transmit(self, n):
        """The next numbers."""
        for number in range(self.number, self.number + n):
            self.sock.send((GUEST + HOST + struct.pack(">H", KIND)
                            + struct.pack("<Q", number)).ljust(64, b"\0"))
        self.number += n

    def collect(self):
        """Look at what has come; each number is the one after the last."""
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, address = self.sock.recvfrom(2048)
                if address[2] == socket.PACKET_OUTGOING or frame[6:12] != GUEST:
                    continue
                number = struct.unpack_from("<Q", frame, 14)[0]
                expect(number == self.expected, f"frame {number} after {self.expected - 1}")
                self.expected += 1

    def close(self):
        """It is gone."""
        self.sock.close()

    @staticmethod
    def alive():
        """For a scenario that owns it."""
        return True


class Links:
    """Pairs of veth devices of the host."""

    def __init__(self, n):
        self.devices = [namespace.device() for _ in range(n)]
        for dev in self.devices:
            namespace.ip("link", "add", dev, "type", "veth", "peer", "name", f"{dev}p")
            for end in (dev, f"{dev}p"):
                namespace.ip("link", "set", end, "up")

    def close(self):
        """Both ends of each."""
        for dev in self.devices:
            subprocess.run(["ip", "link", "del", dev], check=False, capture_output=True)

    @staticmethod
    def alive():
        """For a scenario that owns it."""
        return True


class Devices(Upgradable):
    """A guest and the host's end of a device."""

    cpus, seconds = 0.5, 40

    def start(self, wire_dev, *devices):
        """The switch and both ends; the device is there once the switch runs."""
        self.start_switch(1, devices=devices)
        self.connect_ends(wire_dev)

    def connect_ends(self, wire_dev):
        """The guest, and the host's end."""
        self.guest = Station(self.paths[0], GUEST, HOST)
        self.wire = self.own(Wire(wire_dev))

    def exchange(self):
        """Frames go both ways."""
        for here, there in ((self.guest, self.wire), (self.wire, self.guest)):
            here.transmit(FRAMES)
            wait_for("every frame in its order", lambda h=here, t=there: (
                t.collect(), t.expected == h.number)[1], 30, pause=0.001)

    def facts(self):
        """Everything that is to be equal before and after."""
        info = re.findall(r"(MAC address|Devargs|Promiscuous mode|MTU): (.*)",
                          self.ask("show port info 1"))
        return {"config": self.ask("show config"), "info": info}

    def counted(self):
        """Frames in and out of the device's port."""
        found = re.search(r"RX-packets: (\d+).*?TX-packets: (\d+)",
                          self.ask("show port stats 1"), re.S)
        return int(found[1]), int(found[2])

    def goes_on(self):
        """An upgrade; how long each device was away."""
        before, counted = self.facts(), self.counted()
        said = self.ask("upgrade")
        self.upgraded(said)
        expect(all(now >= was for now, was in zip(self.counted(), counted)),
               f"counters {self.counted()} after {counted}")
        for name, text in self.facts().items():
            expect(text == before[name], f"{name} before and after: {before[name]!r}, {text!r}")
        self.exchange()
        return re.findall(r"without its device for ([\d.]+) ms", said)


class UpgradeTap(Devices):
    """A tap, which the kernel is not to notice."""

    def setup(self):
        namespace.require()
        self.dev = namespace.device()
        self.start_switch(1, devices=[f"net_tap0,iface={self.dev}"])
        self.ask("port config mtu 1 1400")  # which takes the interface down for a moment
        self.connect_ends(self.dev)
        namespace.ip("link", "set", self.dev, "up")
        namespace.ip("address", "add", "fd00:b588::1/64", "dev", self.dev, "nodad")
        namespace.ip("address", "add", "198.18.77.1/24", "dev", self.dev)
        namespace.ip("route", "add", "198.18.78.0/24", "via", "198.18.77.2")
        self.exchange()

    def kernel(self):
        """Its facts about the interface, other than counters."""
        words = [subprocess.run(["ip", "-o", *args], capture_output=True, text=True,
                                check=True).stdout
                 for args in (("link", "show", self.dev), ("address", "show", self.dev),
                              ("route", "show", "dev", self.dev))]
        words += sorted(os.listdir(f"/sys/class/net/{self.dev}/queues"))
        text = re.sub(r"state \w+|<[\w,-]+>|mode \w+|tentative", "", "".join(words))
        return re.sub(" +", " ", text)

    @check("upgrade.tap")
    def check_tap(self):
        """Addresses and routes of the interface stay, with settings made at run time."""
        self.ask("set allmulti 1 on")
        before = self.kernel()
        times = [ms for _ in range(3) for ms in self.goes_on()]
        expect(self.kernel() == before, f"before {before}, after {self.kernel()}")
        expect(len(times) == 3, times)
        return f"without its device for {', '.join(times)} ms"

    @check("upgrade.tap.refused")
    def check_refused(self):
        """A successor that cannot open it: the tap is as it was."""
        before, kernel = self.facts(), self.kernel()
        log = self.switch.log()
        with contextlib.closing(Successor(self.control_path)) as new:
            for _ in range(2):
                new.receive()
                new.say(READY)
            expect(b"1" in new.receive(), "the port is not named")
            new.say(REFUSED, b"no such thing")
            expect(new.receive() is None, "it was told something")
        wait_for("its reason in the log", lambda: re.search(
            r"could not take the ports over: no such thing; port 1 \(net_tap0\) has its device "
            r"again, opened within [\d.]+ ms", self.switch.log()[len(log):]), 30,
            alive=[self.switch])
        expect(self.kernel() == kernel, f"before {kernel}, after {self.kernel()}")
        expect(self.facts() == before, f"before {before}, after {self.facts()}")
        self.exchange()


    @check("upgrade.tap.moved")
    def check_moved(self):
        """An interface that is a container's now, or has another name, stays what it is."""
        other = f"{self.dev}n"
        namespace.ip("netns", "add", other)
        try:
            namespace.ip("link", "set", self.dev, "netns", other)
            self.spoiled = True
            said = self.ask("upgrade", done=False)
            expect("its interface is in another network namespace" in said, said)
            namespace.ip("-n", other, "link", "set", self.dev, "netns", "1")
        finally:
            namespace.ip("netns", "del", other)
        namespace.ip("link", "set", self.dev, "down")
        namespace.ip("link", "set", self.dev, "name", other)
        said = self.ask("upgrade", done=False)
        expect("its interface has another name than its argument says" in said, said)


class UpgradePacket(Devices):
    """An interface of the host by packet sockets."""

    def setup(self):
        namespace.require()
        self.links = self.own(Links(1))
        self.dev = self.links.devices[0]
        self.start(self.dev, f"net_af_packet0,iface={self.dev}p")
        self.exchange()

    def without_rights(self):
        """A program that may do all but use packet sockets."""
        script = self.workdir / "unable"
        script.write_text("#!/bin/sh\nexec setpriv --bounding-set -net_raw "
                          f"{pathlib.Path(Switch.program).absolute()} \"$@\"\n", "ascii")
        script.chmod(0o755)
        return script

    @check("upgrade.af_packet")
    def check_packet(self):
        """Frames go on after each of some upgrades."""
        times = [ms for _ in range(3) for ms in self.goes_on()]
        expect(len(times) == 3, times)
        return f"without its device for {', '.join(times)} ms"

    @check("upgrade.af_packet.unable")
    def check_unable(self):
        """A new program that cannot open the device: the old one opens it again and goes on."""
        before = self.facts()
        said = self.ask(f"upgrade {self.without_rights()}", done=False)
        expect(re.match(r"Not upgraded: the new program could not take the ports over: "
                        r"port 1 \(net_af_packet0\): net_af_packet0,iface=\w+ cannot be opened: .*"
                        r"; port 1 \(net_af_packet0\) has its device again, opened within [\d.]+ "
                        r"ms\n$", said), said)
        expect(self.facts() == before, f"before {before}, after {self.facts()}")
        self.exchange()
        self.goes_on()
        return said.rsplit(";", 1)[1].strip()


class UpgradeBond(Devices):
    """A bond of two interfaces of the host, which sends by both and receives by either."""

    def setup(self):
        namespace.require()
        self.links = self.own(Links(2))
        devs = self.links.devices
        members = [f"net_af_packet{i},iface={dev}p" for i, dev in enumerate(devs)]
        keys = "".join(f",{member_key()}=net_af_packet{i}" for i in range(2))
        self.start(devs[0], *members, f"net_bonding0,mode=3{keys}")
        self.exchange()

    @check("upgrade.bond")
    def check_bond(self):
        """Its members are closed and opened with it."""
        times = [ms for _ in range(2) for ms in self.goes_on()]
        expect(len(times) == 2, times)
        return f"without its device for {', '.join(times)} ms"

    @check("upgrade.bond.lost")
    def check_lost(self):
        """A bond that neither process can open is lost; the rest goes on, and upgrades without it."""
        namespace.ip("link", "del", self.links.devices[1])
        self.spoiled = True
        said = self.ask("upgrade", done=False)
        expect(re.search(r"could not take the ports over: port 1 \(net_bonding0\): "
                         r"net_af_packet1,iface=\w+ cannot be opened: .*; port 1 \(net_bonding0\) "
                         r"has lost its device: net_af_packet1,iface=\w+ cannot be opened: ", said),
               said)
        expect("could not be opened again" in self.ask("why port 1"), "why")
        self.ask("port detach 1")
        self.upgraded(self.ask("upgrade"))


class UpgradeOthers(Devices):
    """Devices without another end."""

    def setup(self):
        namespace.require()
        self.links = self.own(Links(2))
        self.dev = self.links.devices[0]
        self.start(self.dev, f"net_pcap0,iface={self.dev}p", "net_ring0", "net_null0,no-rx=1")
        for port in (2, 3):  # a ring returns what it is sent
            self.ask(f"set port {port} domain {port}")
        self.exchange()

    @check("upgrade.devices")
    def check_devices(self):
        """net_pcap of an interface, net_ring and net_null: each says how long it was away."""
        times = self.goes_on()
        expect(len(times) == 3, times)
        return f"without their devices for {', '.join(times)} ms"

    @check("upgrade.devices.file")
    def check_file(self):
        """A file of net_pcap would be written anew: refused, and with the port gone done."""
        out = self.workdir / "out.pcap"
        dev = self.links.devices[1]
        self.ask(f"port attach net_pcap1,rx_iface={dev}p,tx_pcap={out}")
        said = self.ask("upgrade", done=False)
        expect("port 4 (net_pcap1): a file of net_pcap would begin anew" in said, said)
        self.ask("port detach 4")
        self.goes_on()
