# SPDX-License-Identifier: BSD-3-Clause
"""A client of the switch's control socket."""

import socket

from .process import Deadline, Failure


class Control:
    """Sends command lines, one at a time."""

    def __init__(self, path):
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(self.path)

    def ask(self, line, seconds=30):
        """(done, what was printed)"""
        text = line if isinstance(line, bytes) else line.encode()
        self.socket.sendall(text + b"\n")
        return self.answer(line, seconds)

    def answer(self, line, seconds=30):
        """The same for a line that was sent."""
        deadline, got = Deadline(seconds), b""
        while b"\0" not in got[:-1]:
            self.socket.settimeout(max(deadline.left(), 0.01))
            try:
                part = self.socket.recv(65536)
            except TimeoutError as e:
                raise Failure(f"{line!r} is not answered within {seconds:g} s") from e
            if not part:
                raise Failure(f"{line!r} ends the connection")
            got += part
        answer, status = got.split(b"\0")
        return status == b"0", answer.decode("utf-8", "surrogateescape")

    def close(self):
        """The switch forgets the client."""
        self.socket.close()
