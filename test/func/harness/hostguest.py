# SPDX-License-Identifier: BSD-3-Clause
"""A virtual machine with another kernel than the host's that runs the host's programs.

The host's root directory is shared with it read-only; what is written there stays in the
guest's memory.
"""

import os
import pathlib
import shlex
import shutil

from .guest import Guest, Software
from .process import Failure, Process, Skip, wait_for
from .system import COMMAND

VIRTIOFSD = ("/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd")


def _virtiofsd():
    for path in (*VIRTIOFSD, shutil.which("virtiofsd")):
        if path and os.access(path, os.X_OK):
            return path
    raise Skip("needs virtiofsd")


class HostGuest(Guest):
    """Its agent is a shell with the host's programs and kernel modules in /modules.

    One that nests runs a QEMU itself. Compiled code of that has cmpxchg16b, which only later ones
    emulate right.
    """

    def __init__(self, name, workdir, memory=1536, nests=False):
        self.nests = nests
        self.socket = pathlib.Path(workdir) / f"{name}.fs"
        self.server = Process(f"{name}.virtiofsd", [], workdir)
        super().__init__(name, workdir, [], arch="vdpa", memory=memory, cpus=2,
                         software=Software("10") if nests else Software())

    def _arguments(self):
        argv = super()._arguments()
        return [word.replace(",cx16=off", "") for word in argv] if self.nests else argv

    def start(self):
        """Start QEMU; the guest boots meanwhile."""
        if os.geteuid() != 0:
            raise Skip("needs root")
        self.server.argv = [_virtiofsd(), f"--socket-path={self.socket}", "-o",
                            "source=/,sandbox=chroot,cache=always,no_posix_lock"]
        self.server.spawn()
        wait_for("virtiofsd", self.socket.exists, 30, alive=[self.server])
        return super().start()

    def _devices(self):
        return ["-chardev", f"socket,id=fs,path={self.socket}",
                "-device", "vhost-user-fs-pci,chardev=fs,tag=host,vectors=0"]

    def load(self, *modules):
        """Load kernel modules."""
        for module in modules:
            self.sh(f"/bin/busybox insmod /modules/{module}.ko")

    def space(self, name):
        """A network namespace of that name."""
        self.sh(f"ip netns add {name} && ip -n {name} link set lo up")
        space = Space(self, name)
        space.background("busybox httpd -f -h /")
        return space

    def close(self):
        super().close()
        self.server.close()


class Space:
    """A network namespace of a guest, to be used like a system."""

    def __init__(self, guest, name):
        self.guest = guest
        self.name = name

    def alive(self):
        """The guest runs."""
        return self.guest.alive()

    def check_alive(self):
        """Fails when the guest has ended."""
        self.guest.check_alive()

    def run(self, command, seconds=COMMAND):
        """(status, output) of one line of shell in it."""
        words = shlex.quote(f". /functions; {command}")
        return self.guest.run(f"ip netns exec {self.name} sh -c {words}", seconds)

    def sh(self, command, seconds=COMMAND, check=True):
        """The same; fails on a status other than 0 if check."""
        status, out = self.run(command, seconds)
        if check and status != 0:
            raise Failure(f"{self.name}: '{command}' gave status {status}: {out}")
        return out

    def background(self, command):
        """Begin something that goes on by itself."""
        self.sh(f"( ({command}) >/dev/null 2>&1 & )")

    def nic_name(self, nic):
        """Name of a card's interface."""
        return nic.name

    def set_address(self, nic, address, mtu=1500):
        """Give the card this one address."""
        self.sh(f"ip addr flush dev {nic.name} && ip link set {nic.name} mtu {mtu} up && "
                f"ip addr add {address} dev {nic.name}")

    def clear_address(self, nic):
        """Take the card's addresses away."""
        self.sh(f"ip addr flush dev {nic.name}")
