#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""usage: move_port.py SOCKET DEVICE PID LOG TIMES SECONDS

Move port 0 of the switch with that control socket to DEVICE and back, TIMES times but no longer than
SECONDS, each time until vqgen, which is process PID and writes to LOG, has received ENOUGH frames
more. Print how often that was, and the longest time in ms without a frame."""

import os
import pathlib
import re
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

# pylint: disable=wrong-import-position
from harness.control import Control
from harness.process import wait_for

ENOUGH = 200  # more than are on their way


class Load:
    """A vqgen."""

    def __init__(self, pid, log):
        self.pid = pid
        self.log = pathlib.Path(log)
        self.gap_us = 0

    def accounts(self):
        """Those it has given."""
        return re.findall(r"^progress received=(\d+) gap_us=(\d+) .*\n", self.log.read_text("ascii"),
                          re.M)

    def received(self):
        """Frames until now."""
        before = len(self.accounts())
        os.kill(self.pid, signal.SIGUSR1)
        received, gap = wait_for("an account", lambda: self.accounts()[before:], 60, pause=0.01)[-1]
        self.gap_us = max(self.gap_us, int(gap))
        return int(received)

    def goes_on(self):
        """Enough frames arrive."""
        enough = self.received() + ENOUGH
        wait_for(f"{ENOUGH} frames", lambda: self.received() >= enough, 60, pause=0.02)


def move(control, command, who):
    """Until the port is where it is to be."""
    control.ask(f"port 0 {command}")
    wait_for(f"the port in {who}", lambda: f"datapath: {who}" in control.ask("why port 0")[1], 60,
             pause=0.01)


def main():
    """Command line."""
    device, times, moves = sys.argv[2], int(sys.argv[5]), 0
    control, load = Control(sys.argv[1]), Load(int(sys.argv[3]), sys.argv[4])
    end = time.monotonic() + int(sys.argv[6])
    while moves < times and time.monotonic() < end:
        for command, who in (("offload", device), ("reclaim", "software")):
            move(control, command, who)
            load.goes_on()
        moves += 1
    print(moves, load.gap_us // 1000)


if __name__ == "__main__":
    main()
