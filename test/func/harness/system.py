# SPDX-License-Identifier: BSD-3-Clause
"""A Linux system with an agent (guest/init) that obeys lines of shell, and its network cards."""

import select
import socket

from .process import Deadline, Failure, Process, wait_for

BOOT = 240     # seconds it may take to come up on a busy machine
COMMAND = 120  # and a command in it


class Channel:
    """Lines to and from a QEMU character device, over a socket pair QEMU inherits."""

    def __init__(self):
        self.ours, self.theirs = socket.socketpair()
        self.pending = b""

    def started(self):
        """QEMU has its end; only then does its death end our reads."""
        self.theirs.close()

    def send(self, text):
        """One line."""
        self.ours.sendall(text.encode() + b"\n")

    def line(self, deadline):
        """The next line, None when the deadline passes. EOFError at the end."""
        while b"\n" not in self.pending:
            if not select.select([self.ours], [], [], deadline.left())[0]:
                return None
            data = self.ours.recv(65536)
            if not data:
                raise EOFError
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode("utf-8", "replace").rstrip("\r")

    def close(self):
        """Both ends."""
        self.ours.close()
        self.theirs.close()


class System(Process):
    """A machine or namespace that runs an agent. A card is anything with the attribute mac."""

    def __init__(self, name, argv, workdir):
        super().__init__(name, argv, workdir)
        self.boots = []
        self.names = {}
        self.next_id = 0
        self.agent = None

    def wait_ready(self, seconds=BOOT):
        """Until the agent announces one more boot."""
        deadline = Deadline(seconds)
        while True:
            line = self._agent_line(deadline, "no agent")
            if line.startswith("@@ready "):
                self.boots.append(line.split()[1])
                self.names.clear()
                return self

    def sh(self, command, seconds=COMMAND, check=True):
        """Run one line of shell there; what it printed. Fails on a status other than 0 if check."""
        status, out = self.run(command, seconds)
        if check and status != 0:
            raise Failure(f"{self.name}: '{command}' gave status {status}: {out}")
        return out

    def background(self, command):
        """Begin something that goes on by itself. It must not be a child of the agent: sh forgets
        what it has of a line when a child's end interrupts it."""
        self.sh(f"( ({command}) >/dev/null 2>&1 & )")

    def run(self, command, seconds=COMMAND):
        """(status, output) of one line of shell."""
        self.next_id += 1
        key = f"@@{self.next_id}"
        deadline = Deadline(seconds)
        out = []
        try:
            self.agent.send(f"{self.next_id} {command}")
        except ConnectionError as e:
            raise Failure(f"{self.name} is gone: {self.log_tail()}") from e
        while True:
            line = self._agent_line(deadline, f"'{command}' gave no answer")
            if line == f"{key} begin":
                out = []
            elif line.startswith(f"{key} end "):
                return int(line.split()[2]), "\n".join(out).strip()
            else:
                out.append(line)

    def _agent_line(self, deadline, complaint):
        try:
            line = self.agent.line(deadline)
        except (EOFError, ConnectionError) as e:
            self.wait_exit()
            raise Failure(f"{self.name} is gone ({complaint}): {self.log_tail()}") from e
        if line is None:
            raise Failure(f"{self.name}: {complaint} in time; console: {self.console_tail()}")
        return line

    def console_tail(self):
        """The last kernel messages."""
        return ""

    # --- network cards ---

    def nic_name(self, nic):
        """Name of a card's interface."""
        if nic.mac not in self.names:
            self.names[nic.mac] = self.sh(f"nic {nic.mac}")
        return self.names[nic.mac]

    def set_address(self, nic, address, mtu=1500):
        """Give the card this one address."""
        dev = self.nic_name(nic)
        self.sh(f"ip addr flush dev {dev} && ip link set {dev} mtu {mtu} up && "
                f"ip addr add {address} dev {dev}")

    def clear_address(self, nic):
        """Take the card's addresses away."""
        self.sh(f"ip addr flush dev {self.nic_name(nic)}")

    def close(self):
        super().close()
        if self.agent is not None:
            self.agent.close()


def wait_carrier(system, nic, seconds=60):
    """Until the card, which is up, has a link."""
    dev = system.nic_name(nic)
    wait_for(f"link of {dev} in {system.name}",
             lambda: system.run(f"[ $(cat /sys/class/net/{dev}/carrier) = 1 ]")[0] == 0,
             seconds, alive=[system])
