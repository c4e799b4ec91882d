#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""usage: sleepy_guest.py SOCKET FILE

A guest that sends a frame, sleeps until the interrupt that says it has come back, and sends the next,
until FILE exists. Print how many came. A frame or interrupt that does not come in PATIENCE seconds ends
it with status 1. FILE.begun exists after the first."""

import os
import pathlib
import select
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

# pylint: disable=wrong-import-position
from harness.frontend import AREA, BUFFER, RING, Frontend

PATIENCE = 20
RECEIVED = BUFFER + 0x8000  # the buffer for it
HEADER, LENGTH = 12, 76
WRITE = 2  # a descriptor the device writes to
DRIVER, DEVICE = 0x1000, 0x2000  # areas of a ring


class Guest:
    """One frame is on its way at most."""

    def __init__(self, path):
        self.end = Frontend(path)
        self.end.negotiate()
        self.kick = [self.end.kicks[0], self.end.kicks[2]]
        self.call = self.end.kicks[1]

    def offer(self, queue, number, address, length, flags):
        """The next buffer of a ring."""
        base, slot = queue * AREA, number % RING
        self.end.write(base + 16 * slot, struct.pack("<QIHH", address, length, flags, 0))
        self.end.write(base + DRIVER + 4 + 2 * slot, struct.pack("<H", slot))
        self.end.write(base + DRIVER + 2, struct.pack("<H", (number + 1) & 0xffff))
        os.eventfd_write(self.kick[queue], 1)

    def used(self):
        """Frames that have come, modulo 65536."""
        return struct.unpack("<H", os.pread(self.end.memory, 2, DEVICE + 2))[0]

    def send(self, number):
        """Send a frame and sleep until it is back. An interrupt may come without a frame."""
        ethernet = b"\xff" * 6 + b"\x02\0\0\0\0\x01" + b"\x88\xb5"
        frame = bytes(HEADER) + ethernet + struct.pack("<Q", number)
        self.end.write(BUFFER, frame.ljust(LENGTH, b"\0"))
        self.offer(0, number, RECEIVED, 2048, WRITE)
        self.offer(1, number, BUFFER, LENGTH, 0)
        while self.used() != (number + 1) & 0xffff:
            if not select.select([self.call], [], [], PATIENCE)[0]:
                sys.exit(f"frame {number}: no interrupt, {self.used()} frames have come")
            os.eventfd_read(self.call)
        if os.pread(self.end.memory, len(frame), RECEIVED)[HEADER:] != frame[HEADER:]:
            sys.exit(f"frame {number} is another one")


def main():
    """Command line."""
    guest, stop, number = Guest(sys.argv[1]), pathlib.Path(sys.argv[2]), 0
    while not stop.exists():
        guest.send(number)
        if number == 0:
            pathlib.Path(f"{stop}.begun").touch()
        number += 1
    print(number)


if __name__ == "__main__":
    main()
