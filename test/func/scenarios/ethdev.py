# SPDX-License-Identifier: BSD-3-Clause
"""Ports on DPDK's drivers: what goes in at one end of a device comes out at the other.

net_pcap is at both ends of every check: frames of a file go in, and those that come out are written
to one. net_tap and net_af_packet are with the namespaces, net_null with telemetry.
"""

import os
import pathlib
import re
import struct
import subprocess

from harness import namespace, wire
from harness.peers import Switch, eal
from harness.process import Failure, PromptProgram, Skip, wait_for

from .base import Scenario, check

FRAMES = 200
FILE_HEADER = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)


def member_key():
    """The word for members in the argument of a bond, in the DPDK that is installed."""
    version = subprocess.run(["pkg-config", "--modversion", "libdpdk"], stdout=subprocess.PIPE,
                             text=True, check=True).stdout.split(".")
    return "slave" if [int(part) for part in version[:2]] < [23, 11] else "member"


def make_frames():
    """UDP of all sizes up to 300 bytes and several flows."""
    headers = bytes.fromhex("020000000001" "020000000002" "0800" "4500004000000000" "4011" "0000"
                            "c6120001" "c6120002")
    return [(headers + struct.pack(">HHHH", 1000 + i % 16, 9, 44, 0)
             + bytes(i % 251 for i in range(i))).ljust(64, b"\0") for i in range(FRAMES)]


def checksum(data):
    """Of the Internet's protocols, over whole data with its checksum: 0 when that is right."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def tcp_frame(payload):
    """A TCP segment whose checksums are wrong."""
    tcp = struct.pack(">HHIIBBHHH", 1000, 80, 7000, 9000, 5 << 4, 0x10, 500, 0xbad, 0)
    addresses = bytes.fromhex("c6120001" "c6120002")
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp) + len(payload), 1, 0, 64, 6, 0xbad)
    return bytes.fromhex("020000000001" "020000000002" "0800") + ip + addresses + tcp + payload


def check_tcp(frame):
    """(sequence number, payload) of a frame whose checksums are right."""
    ip, segment = frame[14:34], frame[34:]
    pseudo = ip[12:20] + struct.pack(">HH", 6, len(segment))
    if checksum(ip) != 0 or checksum(pseudo + segment) != 0:
        raise Failure(f"wrong checksum: {frame.hex()}")
    return struct.unpack_from(">I", segment, 4)[0], segment[20:]


def write_pcap(path, frames):
    """A capture file."""
    path.write_bytes(FILE_HEADER + b"".join(struct.pack("<IIII", 0, 0, len(f), len(f)) + f
                                            for f in frames))


def read_pcap(path):
    """The frames of one."""
    data, offset, frames = path.read_bytes(), len(FILE_HEADER), []
    while offset < len(data):
        size = struct.unpack_from("<I", data, offset + 8)[0]
        offset += 16
        frames.append(data[offset:offset + size])
        offset += size
    return frames


class Ethdev(Scenario):
    """Each check starts what it needs."""

    cpus, seconds = 0.1, 20

    def setup(self):
        self.frames = make_frames()
        self.out = self.workdir / "out.pcap"
        write_pcap(self.workdir / "in.pcap", self.frames)
        write_pcap(self.workdir / "empty.pcap", [])
        self.source = (f"net_pcap0,rx_pcap={self.workdir}/in.pcap,"
                       f"tx_pcap={self.workdir}/back.pcap")
        self.sink = f"net_pcap1,rx_pcap={self.workdir}/empty.pcap,tx_pcap={self.out}"

    def switch_of(self, name, vdevs, *options):
        """A switch with these devices, stopped, as wires between them."""
        words = [word for vdev in vdevs for word in ("--vdev", vdev)]
        argv = [Switch.program, *eal(f"{name}-{os.getpid()}", 2, 256), *words, "--", "-i",
                "--no-control", "--forward-mode=io", *options]
        return self.own(PromptProgram(name, argv, self.workdir, "vqswitch> ")).start()

    @staticmethod
    def wait_up(program, port, up=True):
        """Until a port has its peer, or has lost it."""
        state = f"Link status: {'up' if up else 'down'}"
        wait_for(f"{program.name}: {state} of port {port}",
                 lambda: state in program.command(f"show port info {port}"), 30)

    def collect(self, program, port, count):
        """The frames sent to the file, once there are so many."""
        def sent():
            text = program.command(f"show port stats {port}")
            return int(text.split("TX-packets:")[1].split()[0]) >= count

        wait_for("frames", sent, 30)
        if program.quit() != 0:
            raise Failure("exit status of quit")
        self.disown(program)
        return read_pcap(self.out)

    def arrived(self, program, port, others=False):
        """All frames have been sent to the file, in order and nothing else unless @others may be."""
        frames = self.collect(program, port, FRAMES)
        if others:
            frames = [frame for frame in frames if frame in self.frames]
        if frames != self.frames:
            raise Failure(f"{len(frames)} frames arrived, other than were sent")

    @check("ethdev.ring")
    def ring(self):
        """Frames sent to a ring are received from it."""
        program = self.switch_of("ring", [self.source, "net_ring0", self.sink],
                                 "--port-topology=chained")
        program.command("start")
        self.arrived(program, 2)

    @check("ethdev.memif")
    def memif(self):
        """Shared memory, here within one process; its link is its peer's."""
        # the driver's client cannot be before its server
        ends = [f"net_memif{i},role={role},socket-abstract=no,socket={self.workdir}/memif,id=0"
                for i, role in enumerate(("server", "client"))]
        program = self.switch_of("memif", [ends[0], self.sink, self.source, ends[1]])
        for port in (0, 3):
            self.wait_up(program, port)
        program.command("start")
        self.arrived(program, 1)

    @check("ethdev.virtio_user")
    def virtio_user(self):
        """A virtio driver as a port: the front-end of another switch."""
        socket = self.path("virtio")
        near = self.switch_of("near", [self.source, f"net_vhost1,iface={socket},queues=2"])
        far = self.switch_of("far", [f"net_virtio_user0,path={socket},queues=2", self.sink])
        self.wait_up(near, 1)
        info = far.command("show port info 0")
        if "Max possible RX queues: 2" not in info:
            raise Failure(f"not two queues: {info}")
        far.command("start")
        near.command("start")
        self.arrived(far, 1)
        self.wait_up(near, 1, False)

    @check("ethdev.af_xdp")
    def af_xdp(self):
        """Sockets of the kernel's fast path, on both ends of a veth pair."""
        namespace.require()
        devices = [f"vqx{os.getpid()}{end}" for end in "ab"]
        namespace.ip("link", "add", devices[0], "type", "veth", "peer", "name", devices[1])
        try:
            for device in devices:
                namespace.ip("link", "set", device, "up")
            try:
                program = self.switch_of("xdp", [
                    self.source, *(f"net_af_xdp{i},iface={d}" for i, d in enumerate(devices)),
                    self.sink])
            except Failure as e:
                raise Skip(f"no AF_XDP sockets here: {e}") from e
            program.command("start")
            self.arrived(program, 3, others=True)  # the kernel looks for neighbours
        finally:
            namespace.ip("link", "del", devices[0])

    @check("ethdev.csum")
    def csum(self):
        """Mode csum repairs sums, and cuts what is longer than it is told."""
        payload = bytes(i % 251 for i in range(1000))
        write_pcap(self.workdir / "tcp.pcap", [tcp_frame(payload)])
        program = self.switch_of("csum", [f"net_pcap0,rx_pcap={self.workdir}/tcp.pcap", self.sink])
        for command in ("set fwd csum", "set gso segsz 354", "set port 1 gso on", "start"):
            program.command(command)
        segments = [check_tcp(frame) for frame in self.collect(program, 1, 4)]
        if segments != [(7000 + at, payload[at:at + 300]) for at in (0, 300, 600, 900)]:
            raise Failure(f"cut otherwise: {[(seq, len(data)) for seq, data in segments]}")

    @check("ethdev.settings")
    def settings(self):
        """A port's settings are set for its device: as the kernel sees it, a tap."""
        namespace.require()
        device = f"vqs{os.getpid()}"
        sys = pathlib.Path("/sys/class/net") / device
        program = self.switch_of("settings", [f"net_tap0,iface={device}"], "--rxq=2", "--txq=2")

        def flag(bit):
            return int((sys / "flags").read_text("ascii"), 16) & bit != 0

        if "Current number of RX queues: 2" not in program.command("show port info 0"):
            raise Failure("not two queues")
        for command, seen in (
                ("port config mtu 0 1400", lambda: (sys / "mtu").read_text("ascii") == "1400\n"),
                ("mac_addr set 0 02:00:00:00:00:99",
                 lambda: (sys / "address").read_text("ascii") == "02:00:00:00:00:99\n"),
                ("set promisc 0 off", lambda: not flag(0x100)),
                ("set promisc 0 on", lambda: flag(0x100)),
                ("set allmulti 0 on", lambda: flag(0x200)),
                ("set link-down port 0", lambda: not flag(1)),
                ("set link-up port 0", lambda: flag(1))):
            said = program.command(command)
            if said or not seen():
                raise Failure(f"{command}: {said!r}, without effect on the device")
        self.disown(program)

    @check("ethdev.bond")
    def bond(self):
        """Members of a bond are no ports, and none becomes one; the bond's frames are theirs."""
        namespace.require()
        devices = [namespace.device() for _ in range(2)]
        bond = "net_bonding0,mode=1" + "".join(f",{member_key()}=net_tap{i}" for i in range(2))
        program = self.switch_of("bond", [
            *(f"net_tap{i},iface={dev}" for i, dev in enumerate(devices)), bond, self.sink])
        names = re.findall(r"^\d+ +\S+ +(\S+)", program.command("show port summary all"), re.M)
        if names != ["net_bonding0", "net_pcap1"]:
            raise Failure(f"ports: {names}")
        if " 0/0 1/0\n" not in program.command("show worker"):
            raise Failure(f"queues: {program.command('show worker')}")
        program.command("start")
        end = wire.Wire(devices[0])
        for frame in self.frames:
            end.send(frame)
        end.close()
        self.arrived(program, 1, others=True)

    @check("ethdev.bond.refused")
    def bond_refused(self):
        """A bond of ports, or of nothing, is refused; the switch goes on."""
        program = self.switch_of("refused", ["net_ring0"])
        for bond, said in ((f"net_bonding0,mode=1,{member_key()}=net_ring0", "net_ring0 is port 0"),
                           ("net_bonding1,mode=1", "Failed to attach port net_bonding1")):
            answer = program.command(f"port attach {bond}")
            if said not in answer:
                raise Failure(f"{bond}: {answer}")
        if "Number of available ports: 1" not in program.command("show port summary all"):
            raise Failure("not one port")
