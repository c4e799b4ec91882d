# SPDX-License-Identifier: BSD-3-Clause
"""IGMP and MLD snooping, with the kernel's multicast sockets in namespaces behind taps."""

import json
import socket
import struct

from harness import images, namespace
from harness.namespace import Namespace, device
from harness.peers import EthdevPort
from harness.process import Failure, wait_for
from harness.wire import Wire, address, network_of

from .base import Scenario, check

GROUP4, GROUP6 = "239.5.5.5", "ff15::5:5"
MAC4, MAC6 = "01:00:5e:05:05:05", "33:33:00:05:00:05"
UDP = 5555
DATA = b"to those who want it"


class Snooping(Scenario):
    """A sender, a receiver, and one that has joined nothing."""

    cpus, seconds = 0.3, 30

    def __init__(self, workdir):
        super().__init__(workdir)
        self.spaces, self.bystander = [], None

    def setup(self):
        namespace.require()
        images.get("amd64")
        self.spaces = [self.own(Namespace(f"n{i}", self.workdir)).start() for i in range(3)]
        devices = [device() for _ in self.spaces]
        self.backend([EthdevPort("net_tap", iface=dev) for dev in devices])
        for i, (space, dev) in enumerate(zip(self.spaces, devices)):
            space.take_tap(dev, "tap")
            space.sh(f"ip addr add 192.0.2.{i + 1}/24 dev tap; ip link set tap up")
            space.sh("ip route add 224.0.0.0/4 dev tap; ip -6 route add ff15::/16 dev tap || true")
        with network_of(self.spaces[2]):
            self.bystander = Wire("tap")
        for command in ("set snooping 0 on", "set snooping 0 unknown off"):
            self.switch.command(command)

    def close(self):
        if self.bystander is not None:
            self.bystander.close()
        super().close()

    def groups(self):
        """(port, group) of all members."""
        entries = json.loads(self.switch.command("show snooping groups json"))
        return {(entry["port"], entry["group"]) for entry in entries if "group" in entry}

    def joined(self, group):
        """A socket of the receiver that has joined."""
        ip6 = ":" in group
        with network_of(self.spaces[1]):
            sock = socket.socket(socket.AF_INET6 if ip6 else socket.AF_INET, socket.SOCK_DGRAM)
            index = socket.if_nametoindex("tap")
        sock.bind(("", UDP))
        if ip6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                            socket.inet_pton(socket.AF_INET6, group) + struct.pack("=I", index))
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                            socket.inet_aton(group) + struct.pack("=4xI", index))
        sock.settimeout(1)
        return sock

    def send(self, group):
        """Data from the sender."""
        ip6 = ":" in group
        with network_of(self.spaces[0]):
            sock = socket.socket(socket.AF_INET6 if ip6 else socket.AF_INET, socket.SOCK_DGRAM)
            index = socket.if_nametoindex("tap")
        with sock:
            if ip6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 5)
            else:
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 5)
            sock.sendto(DATA, (group, UDP, 0, index) if ip6 else (group, UDP))

    def arrives(self, group, sock):
        """Data that is sent now."""
        self.send(group)
        try:
            data = sock.recv(100)
        except TimeoutError:
            return False
        if data != DATA:
            raise Failure(f"{data} came in place of {DATA}")
        return True

    def follow(self, group, mac):
        """One that joins gets it, no other one does; once it has left it is forgotten."""
        with self.joined(group) as sock:
            wait_for(f"{group} to be learned", lambda: (1, group) in self.groups(), 15)
            self.bystander.receive()
            # workers know of it a moment after the table does
            wait_for(f"data for {group}", lambda: self.arrives(group, sock), 15)
            strays = [data for data in self.bystander.receive() if data[:6] == address(mac)]
            if strays:
                raise Failure(f"data for {group} came to one that has not joined")
        wait_for(f"{group} to be forgotten", lambda: (1, group) not in self.groups(), 15)

    @check("snooping.igmp")
    def igmp(self):
        """Version 3, and the older ones."""
        for version in (0, 2, 1):
            self.spaces[1].sh(f"echo {version} >/proc/sys/net/ipv4/conf/tap/force_igmp_version")
            if version == 1:
                # version 1 has no message for that
                self.switch.command("set snooping 0 off")
                self.switch.command("set snooping 0 on")
                with self.joined(GROUP4):
                    wait_for("version 1", lambda: (1, GROUP4) in self.groups(), 15)
            else:
                self.follow(GROUP4, MAC4)

    @check("snooping.mld")
    def mld(self):
        """Both versions."""
        for version in (0, 1):
            self.spaces[1].sh(f"echo {version} >/proc/sys/net/ipv6/conf/tap/force_mld_version")
            self.follow(GROUP6, MAC6)

    @check("snooping.querier")
    def querier(self):
        """The switch asks, and hears again of what it has forgotten."""
        self.switch.command("set snooping 0 off")
        with self.joined(GROUP4):
            self.bystander.receive()
            self.switch.command("set snooping 0 on")
            wait_for("the answer to its query", lambda: (1, GROUP4) in self.groups(), 30)
        queries = [data for data in self.bystander.receive()
                   if data[:6] == address("01:00:5e:00:00:01") and data[38] == 0x11]
        if not queries:
            raise Failure("no query came")
