# SPDX-License-Identifier: BSD-3-Clause
"""A process that asks to take over a running switch, played by the test.

As a program: python3 -m harness.successor CONTROL
It takes over as far as the stop, and leaves: the switch goes on."""

import array
import contextlib
import os
import socket
import struct
import sys

from .control import Control
from .process import Failure

HEADER = struct.Struct("<IHHII")  # of a blob: magic, version, 0, bytes, descriptors
MAGIC = 0x42535156
READY, REFUSED = 6, 7  # types of records


class Successor:
    """A process that asks to take over, played by the test, which may say anything."""

    def __init__(self, control):
        self.sock, theirs = socket.socketpair()
        self.sock.settimeout(30)
        with contextlib.closing(Control(control)) as asked:
            asked.socket.sendmsg([b"take over "], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                                   array.array("i", [theirs.fileno()]))])
            theirs.close()
            done, said = asked.ask("1")
        if not done:
            raise Failure(said)
        self.fds = []

    def receive(self):
        """The bytes of a blob; None: the other end is closed."""
        header = self.take(HEADER.size)
        return None if header is None else self.take(HEADER.unpack(header)[3])

    def take(self, length):
        """That many bytes; descriptors are kept."""
        got = b""
        while len(got) < length:
            part, fds, _, _ = socket.recv_fds(self.sock, length - len(got), 253)
            self.fds += fds
            if not part:
                return None
            got += part
        return got

    def say(self, kind, text=b""):
        """Send a blob of one record."""
        record = struct.pack("<HBBI", kind, 1, 0, len(text)) + text + bytes(-len(text) % 8)
        self.sock.sendall(HEADER.pack(MAGIC, 1, 0, len(record), 0) + record)

    def close(self):
        """It is gone, with all it was given."""
        self.sock.close()
        for fd in self.fds:
            os.close(fd)


def main():
    """Command line."""
    with contextlib.closing(Successor(sys.argv[1])) as new:
        if new.receive() is None:
            sys.exit("there is no configuration")
        new.say(READY)
        if new.receive() is None:
            sys.exit("there is no state")


if __name__ == "__main__":
    main()
