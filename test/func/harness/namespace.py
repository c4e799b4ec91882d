# SPDX-License-Identifier: BSD-3-Clause
"""Network namespaces of the host: the host's own kernel as a peer of the switch."""

import ctypes
import dataclasses
import fcntl
import itertools
import os
import pathlib
import shutil
import socket
import struct
import subprocess

from . import images
from .process import Failure, Skip, wait_for
from .system import Channel, System

SIOCETHTOOL = 0x8946
ETHTOOL_STXCSUM = 0x17


# device names on the host are seen by all processes on it
_serial = itertools.count()


def device():
    """A name no other run uses."""
    return f"vqt{os.getpid()}{chr(ord('a') + next(_serial) % 26)}"


@dataclasses.dataclass
class Card:
    """An interface of a namespace."""
    mac: str


def require():
    """Skip where namespaces and taps cannot be made."""
    if os.geteuid() != 0:
        raise Skip("needs root")
    for tool in ("ip", "unshare"):
        if shutil.which(tool) is None:
            raise Skip(f"needs {tool}")
    if not os.path.exists("/dev/net/tun"):
        raise Skip("needs /dev/net/tun")


def ip(*words):
    """Run ip(8) on the host."""
    done = subprocess.run(["ip", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"ip {' '.join(map(str, words))}: {done.stderr.strip()}")


def finish_checksums(dev):
    """Have the kernel finish checksums before frames leave by a device of the host.

    Between veth devices it does not; af_packet then reads frames with half a checksum, and
    the DPDK driver has no way to say so.
    """
    value = ctypes.create_string_buffer(struct.pack("II", ETHTOOL_STXCSUM, 0))
    with socket.socket() as s:
        fcntl.ioctl(s, SIOCETHTOOL,
                    struct.pack("16sP16x", dev.encode(), ctypes.addressof(value)))


class Namespace(System):
    """Processes with a network and a root directory of their own; ends with its first process."""

    def __init__(self, name, workdir):
        self.root = pathlib.Path(workdir) / f"{name}.root"
        super().__init__(name, [
            "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--root", self.root,
            "/bin/busybox", "sh", "/init"], workdir)

    def start(self):
        """Make it."""
        images.get("amd64")
        (self.root / "bin").mkdir(parents=True)
        shutil.copy(images.busybox("amd64"), self.root / "bin")
        shutil.copy(images.INIT, self.root / "init")
        shutil.copy(images.INIT.with_name("functions"), self.root / "functions")
        self.agent = Channel()
        end = self.agent.theirs
        self.spawn(stdin=end, stdout=end, env={"NAMESPACE": "1", "PATH": "/bin"})
        self.agent.started()
        return self.wait_ready()

    def pid(self):
        """Of the first process in it."""
        path = pathlib.Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children")
        return path.read_text("ascii").split()[0]

    def enter(self):
        """Words in front of a command of the host that is to run in the network here."""
        return ["nsenter", f"--net=/proc/{self.pid()}/ns/net"]

    def card(self, name, seconds=30):
        """A device that another process makes here."""
        wait_for(f"device {name} of {self.name}",
                 lambda: self.run(f"[ -e /sys/class/net/{name} ]")[0] == 0, seconds)
        return Card(self.sh(f"cat /sys/class/net/{name}/address"))

    def take(self, dev, name):
        """Move a device of the host here, under that name; the card."""
        mac = pathlib.Path(f"/sys/class/net/{dev}/address").read_text("ascii").strip()
        ip("link", "set", dev, "netns", self.pid(), "name", name)
        return Card(mac)

    def take_tap(self, dev, name, seconds=30):
        """The same for a tap that another process is about to make."""
        wait_for(f"device {dev}", lambda: os.path.exists(f"/sys/class/net/{dev}"), seconds)
        return self.take(dev, name)

    def veth(self, dev, name):
        """A veth pair from dev on the host to a card here."""
        peer = f"{dev}p"
        ip("link", "add", dev, "type", "veth", "peer", "name", peer)
        finish_checksums(peer)
        ip("link", "set", dev, "up")
        return self.take(peer, name)

    def close(self):
        super().close()
        # what is mounted below is mounted in the namespace only
        shutil.rmtree(self.root, ignore_errors=True)
