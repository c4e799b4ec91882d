# SPDX-License-Identifier: BSD-3-Clause
"""A running switch that is asked to hand over, played by the test."""

import contextlib
import socket
import struct

from .successor import HEADER, MAGIC

ALIVE = 10
RECORD = struct.Struct("<HBBI")  # type, flags, descriptors, bytes of the data


class Predecessor:
    """A switch that hands over, played by the test."""

    def __init__(self, path):
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(path))
        self.listening.listen()
        self.listening.settimeout(60)
        self.sock = None

    def accept(self):
        """A process asks to take over, and may."""
        control = self.listening.accept()[0]
        _, fds, _, _ = socket.recv_fds(control, 100, 1)
        self.sock = socket.socket(fileno=fds[0])
        self.sock.settimeout(60)
        control.sendall(b"\0" + b"0")
        control.close()

    def send(self, data, fds, length=None, nfds=None):
        """A blob; its header may say something else."""
        self.sock.sendall(HEADER.pack(MAGIC, 1, 0, len(data) if length is None else length,
                                      len(fds) if nfds is None else nfds))
        with contextlib.suppress(BrokenPipeError):
            socket.send_fds(self.sock, [data[:8]], fds)
            self.sock.sendall(data[8:])

    def hear(self):
        """Type and text of the next answer that is no keepalive; (None, ""): there is none."""
        kind, data = ALIVE, b""
        while kind == ALIVE:
            try:
                header = self.sock.recv(HEADER.size, socket.MSG_WAITALL)
                data = self.sock.recv(HEADER.unpack(header)[3], socket.MSG_WAITALL)
            except (ConnectionError, struct.error):
                return None, ""
            kind, _, _, length = RECORD.unpack_from(data)
        return kind, data[RECORD.size:RECORD.size + length].decode()

    def close(self):
        """It is gone."""
        self.listening.close()
        if self.sock is not None:
            self.sock.close()
