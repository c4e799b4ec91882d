# SPDX-License-Identifier: BSD-3-Clause
"""Many migrations of a guest whose memory is compared, and many that fail.

The guest is the load generator: its driver's writes are seen by page protection, those of the switch
by the dirty log only, and before each switch-over both memories are compared."""

import pathlib
import re
import signal

from harness.peers import Switch
from harness.process import Process, Skip, wait_for

from .base import check
from .upgrade import Upgradable, expect

MOVES, FAILURES = 50, 100
KILLS = 10
PATIENCE = 300  # seconds, on a machine that does other things beside: an idle one takes ten


class Migrations(Upgradable):
    """A guest at port 0, or at port 2 when it has been migrated; at port 1 another."""

    # the generator polls, and so does the worker: each migration waits for both to have a processor
    cpus, seconds = 2, 30

    def setup(self):
        self.generator = pathlib.Path(Switch.program).parents[1] / "test/perf/vqgen"
        if not self.generator.exists():
            raise Skip("the load generator is not beside the switch")
        self.start_switch(3)

    def load(self, layout, *options):
        """Numbered and filled frames both ways."""
        load = self.own(Process(f"load-{layout}-{len(options)}", [
            self.generator, "--mode", "verify", "--layout", layout, "--bidir", "--rate", "20000",
            "--burst", "16", "--window", "200", "--nap", "100", "--frame", "imix", "--warmup", "0",
            "--duration", "36000", "--timeout", "60", "--migrate", self.paths[2], *options,
            *self.paths[:2]], self.workdir))
        load.spawn()
        return load

    def result(self, load):
        """Its account of migrations, when it has ended as it should."""
        status = load.wait_exit(PATIENCE)
        expect(status == 0, f"exit status {status}: {load.log_tail()}")
        self.disown(load)
        moved = re.search(r"^migrations (.*)$", load.log(), re.M)[1]
        account = {name: int(n) for name, n in re.findall(r"(\w+)=(\d+)", moved)}
        expect(account["differed"] == 0, moved)
        lost = re.search(r" lost=(\d+)", load.log())[1]
        return account, f"{moved}, {lost} frames lost on the way"

    @check("migrate.many.{}", ("split", "packed", "be"))
    def check_many(self, layout):
        """There and back, and twice as often not; the guest goes on wherever it is, memory is the same."""
        load = self.load(layout, "--moves", MOVES, "--failures", FAILURES)
        account, remark = self.result(load)
        expect(account["moved"] == MOVES and account["failed"] == FAILURES, remark)
        return remark

    def received(self, load):
        """Frames it has received so far."""
        lines = len(re.findall("^progress", load.log(), re.M))
        load.child.send_signal(signal.SIGUSR1)
        return int(wait_for("an account", lambda: re.findall(
            r"^progress received=(\d+) .*\n", load.log(), re.M)[lines:], 60, alive=[load])[0])

    @check("migrate.killed.{}", ("split", "packed"))
    def check_killed(self, layout):
        """The switch is killed wherever it is: no write without its mark, no frame twice or changed."""
        load = self.load(layout, "--moves", 1000000, "--reconnect", "--ring", 1024)
        wait_for("frames", lambda: "frames come through" in load.log(), 60, alive=[load])
        for _ in range(KILLS):
            seen = self.received(load)
            wait_for("frames", lambda s=seen: self.received(load) > s + 500, 60, alive=[load])
            self.switch.kill()
            self.switch.spawn()
        seen = self.received(load)
        wait_for("frames", lambda: self.received(load) > seen + 500, 60, alive=[load])
        self.connect()
        load.child.send_signal(signal.SIGTERM)
        account, remark = self.result(load)
        expect(account["moved"] > 0, remark)
        return f"{KILLS} times: {remark}"
