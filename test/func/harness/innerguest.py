# SPDX-License-Identifier: BSD-3-Clause
"""A guest of a guest: QEMU runs in a machine that is emulated itself."""

import base64
import shlex

from .guest import Guest
from .process import Failure

PATIENCE = 1200  # seconds until it is up
LOOK = 20        # seconds the outer machine looks for more at once


class Pipe:
    """Lines to and from a QEMU in the machine, by pipes there."""

    def __init__(self, machine, path):
        self.machine = machine
        self.path = path
        self.taken = 0
        self.pending = b""

    def send(self, text):
        """One line."""
        self.machine.sh(f"echo {shlex.quote(text)} >{self.path}.in")

    def _more(self):
        """Bytes that have come since."""
        log = f"{self.path}.log"
        out = self.machine.sh(
            f"more() {{ [ $(stat -c %s {log}) -gt {self.taken} ]; }}; wait_for {LOOK} more; "
            f"tail -c +{self.taken + 1} {log} | base64", 10 * LOOK)
        return base64.b64decode(out)

    def line(self, deadline):
        """The next line, None when the deadline passes."""
        while b"\n" not in self.pending:
            if deadline.passed():
                return None
            data = self._more()
            if not data and self.machine.run(f"[ -f {self.path}.ended ]")[0] == 0:
                raise EOFError
            self.taken += len(data)
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode("utf-8", "replace").rstrip("\r")

    def close(self):
        """It ends with the machine."""


class InnerGuest(Guest):
    """It is told what to do by way of the machine it runs in, and ends with that."""

    def __init__(self, machine, name, nics, **kw):
        super().__init__(name, "/tmp", nics, **kw)
        self.machine = machine
        self.base = f"/tmp/{name}"

    def _channels(self):
        return ["-chardev", f"pipe,id=agent,path={self.base}"]

    def start(self):
        """Start QEMU; the guest boots meanwhile."""
        self.agent = Pipe(self.machine, self.base)
        self.argv = self._arguments()
        self.machine.sh(f"mkfifo {self.base}.in {self.base}.out; touch {self.base}.log")
        self.machine.background(f"cat {self.base}.out >{self.base}.log")
        self.machine.background(f"{shlex.join(self.argv)} >{self.base}.qemu 2>&1; "
                                f"touch {self.base}.ended")
        return self

    def wait_ready(self, seconds=PATIENCE):
        """Until the guest is up."""
        return super().wait_ready(seconds)

    def alive(self):
        """QEMU runs."""
        return self.machine.run(f"[ ! -f {self.base}.ended ]")[0] == 0

    def wait_exit(self, seconds=30):
        """It ends by itself, or with the machine."""

    def check_alive(self):
        """Fails when it has ended."""
        if not self.alive():
            raise Failure(f"{self.name} ended: {self.log_tail()}")

    def log_tail(self, lines=4):
        """The last lines of QEMU's output in one line."""
        return self.machine.run(f"tail -n {lines} {self.base}.qemu")[1]

    def console_tail(self):
        """The last kernel messages."""
        return self.machine.run(f"tail -n 5 {self.console_path}")[1]

    def close(self):
        """It ends with the machine."""
