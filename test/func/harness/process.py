# SPDX-License-Identifier: BSD-3-Clause
"""Programs under test and how to wait for them: for events, with a deadline, never for a time."""

import contextlib
import os
import pathlib
import pty
import select
import signal
import subprocess
import time

# one factor for slow machines
PATIENCE = float(os.environ.get("VQS_TEST_PATIENCE", "1"))
MOST_PATIENCE = 10  # times that, for one on which many threads want every core


def patience():
    """The factor for this moment: as many times longer as there are threads that want a core."""
    return PATIENCE * min(max(os.getloadavg()[0] / os.cpu_count(), 1), MOST_PATIENCE)


class Failure(Exception):
    """An expectation was not met."""


class Skip(Exception):
    """The machine lacks something this check needs."""


class Deadline:
    """A moment after which waiting ends."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.start = time.monotonic()
        self.factor = patience()

    def left(self):
        """Seconds that remain, 0 when it has passed. Grows when the machine becomes busy."""
        self.factor = max(self.factor, patience())
        return max(0.0, self.start + self.seconds * self.factor - time.monotonic())

    def passed(self):
        """No time remains."""
        return self.left() == 0.0


def wait_for(what, condition, seconds=30, alive=(), pause=0.02):
    """Until condition() is true; its value. Fails at once when a process it depends on ends."""
    deadline = Deadline(seconds)
    while True:
        value = condition()
        if value:
            return value
        for process in alive:
            process.check_alive()
        if deadline.passed():
            raise Failure(f"{what}: not within {seconds:g} s")
        time.sleep(pause)


class Process:
    """A child that ends with us, its output in a log file."""

    def __init__(self, name, argv, workdir):
        self.name = name
        self.argv = [str(word) for word in argv]
        self.log_path = pathlib.Path(workdir) / f"{name}.log"
        self.child = None

    def spawn(self, **kw):
        """Start it; kw as for Popen. Output goes to the log unless kw says otherwise."""
        with open(self.log_path, "ab") as log:
            log.write((" ".join(self.argv) + "\n").encode())
            log.flush()
            kw.setdefault("stdin", subprocess.DEVNULL)
            kw.setdefault("stdout", log)
            kw.setdefault("stderr", log)
            self.child = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *self.argv], **kw)

    def alive(self):
        """It runs."""
        return self.child is not None and self.child.poll() is None

    def check_alive(self):
        """Fails with the end of the log when it has ended."""
        if not self.alive():
            status = "not started" if self.child is None else f"exit status {self.child.returncode}"
            raise Failure(f"{self.name} ended ({status}): {self.log_tail()}")

    def log(self):
        """Everything it has printed."""
        return self.log_path.read_text("utf-8", "replace") if self.log_path.exists() else ""

    def log_tail(self, lines=4):
        """The last lines of its output in one line."""
        return " | ".join(self.log().strip().splitlines()[1:][-lines:])[-600:] or "(no output)"

    def _cpu_seconds(self):
        """CPU time of all its threads so far."""
        fields = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text("ascii").rsplit(")", 1)[1]
        return sum(map(int, fields.split()[11:13])) / os.sysconf("SC_CLK_TCK")

    def cpu_share(self, seconds):
        """Part of one CPU it uses during that time."""
        before, start = self._cpu_seconds(), time.monotonic()
        time.sleep(seconds)
        return (self._cpu_seconds() - before) / (time.monotonic() - start)

    def kill(self, sig=signal.SIGKILL, seconds=30):
        """Send a signal and wait for the end; exit status."""
        if self.alive():
            self.child.send_signal(sig)
        return self.wait_exit(seconds)

    def wait_exit(self, seconds=30):
        """Exit status."""
        if self.child is None:
            return 0
        try:
            return self.child.wait(seconds * patience())
        except subprocess.TimeoutExpired as e:
            raise Failure(f"{self.name} still runs after {seconds:g} s") from e

    def close(self):
        """End it, whatever its state."""
        if self.child is not None:
            with contextlib.suppress(Failure):
                self.kill()


class PromptProgram(Process):
    """A program with a command prompt, driven over a pseudo-terminal as a person would."""

    def __init__(self, name, argv, workdir, prompt):
        super().__init__(name, argv, workdir)
        self.prompt = prompt.encode()
        self.master = -1

    def start(self, seconds=60):
        """Start it and wait for the first prompt."""
        self.master, slave = pty.openpty()
        try:
            self.spawn(stdin=slave, stdout=slave, start_new_session=True)
        finally:
            os.close(slave)
        self._until_prompt(seconds)
        return self

    def command(self, text, seconds=30):
        """Send one command; what it printed, without echo and prompt."""
        self.check_alive()
        os.write(self.master, text.encode() + b"\n")
        out = self._until_prompt(seconds)
        return out.split("\n", 1)[1] if "\n" in out else ""

    def kill(self, sig=signal.SIGKILL, seconds=30):
        status = super().kill(sig, seconds)
        self._close_master()
        return status

    def quit(self, seconds=30):
        """Leave it by its own command; exit status."""
        os.write(self.master, b"quit\n")
        deadline = Deadline(seconds)
        with contextlib.suppress(OSError):  # EIO: the other side is closed
            while self._readable(deadline) and os.read(self.master, 4096):
                pass
        status = self.wait_exit(seconds)
        self._close_master()
        return status

    def _close_master(self):
        if self.master >= 0:
            os.close(self.master)
            self.master = -1

    def _readable(self, deadline):
        poll = select.poll()  # select() ends at descriptor 1023
        poll.register(self.master, select.POLLIN)
        return bool(poll.poll(deadline.left() * 1000))

    def _until_prompt(self, seconds):
        deadline = Deadline(seconds)
        got = b""
        while not got.endswith(self.prompt):
            if not self._readable(deadline):
                raise Failure(f"{self.name}: no prompt within {seconds:g} s, last: {got[-200:]!r}")
            try:
                got += os.read(self.master, 65536)
            except OSError as e:
                self.child.wait()
                raise Failure(f"{self.name} ended ({self.child.returncode}): {self.log_tail()}") from e
        with open(self.log_path, "ab") as log:
            log.write(got)
        return got[:-len(self.prompt)].decode("utf-8", "replace").replace("\r", "")
