# SPDX-License-Identifier: BSD-3-Clause
"""A vhost-user front-end that says what tests want, right or wrong."""

import array
import os
import socket
import struct
import time

GET_FEATURES, SET_FEATURES, SET_OWNER, RESET_OWNER, SET_MEM_TABLE = 1, 2, 3, 4, 5
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE = 8, 9, 10
SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR = 12, 13, 14
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, SET_VRING_ENABLE, SEND_RARP = 15, 16, 18, 19

VERSION, NEED_REPLY = 1, 8
VERSION_1, PROTOCOL_FEATURES = 1 << 32, 1 << 30
RARP, REPLY_ACK = 1 << 2, 1 << 3

MEMORY = 1 << 20
UVA = 0x7000_0000_0000  # where we claim to have the memory
RING = 256
# offsets in the memory: per queue descriptors, available and used ring
AREA = 0x4000
BUFFER = 0x80000  # one for all frames: a header and zeros


class Frontend:
    """One connection. Sends what it is told, right or wrong."""

    size = MEMORY
    gpa = 0  # where the guest has it

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(path))  # waits while the back-end has others to accept
        self.sock.settimeout(10)
        self.memory = os.memfd_create("guest", os.MFD_CLOEXEC)
        os.ftruncate(self.memory, self.size)
        self.kicks = []
        self.messages = 0  # sent
        self.sent = None  # available index of queue 1

    def send(self, request, payload=b"", fds=(), flags=VERSION):
        """One message; nothing is waited for."""
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.sock.sendmsg([struct.pack("=III", request, flags, len(payload)) + payload], ancillary)
        self.messages += 1

    def receive(self):
        """The payload of one reply."""
        return self.take(struct.unpack("=III", self.take(12))[2])

    def take(self, length):
        """The next bytes, fewer at the end. MSG_WAITALL waits for nothing on a socket with a timeout."""
        got = b""
        while len(got) < length and (part := self.sock.recv(length - len(got))):
            got += part
        return got

    def ask(self, request):
        """A u64 the back-end answers with."""
        self.send(request)
        return struct.unpack("=Q", self.receive())[0]

    def ring(self, queue):
        """Set one split ring up and start it."""
        base = queue * AREA
        self.send(SET_VRING_NUM, struct.pack("=II", queue, RING))
        self.send(SET_VRING_BASE, struct.pack("=II", queue, 0))
        self.send(SET_VRING_ADDR, struct.pack("=IIQQQQ", queue, 0, UVA + base, UVA + base + 0x2000,
                                              UVA + base + 0x1000, 0))
        for request in (SET_VRING_KICK, SET_VRING_CALL):
            fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self.send(request, struct.pack("=Q", queue), [fd])
            self.kicks.append(fd)
        self.send(SET_VRING_ENABLE, struct.pack("=II", queue, 1))

    def negotiate(self, features=VERSION_1 | PROTOCOL_FEATURES, protocol=REPLY_ACK):
        """Features, memory and one queue pair, as a modern guest unless other features are told."""
        self.ask(GET_FEATURES)
        self.ask(GET_PROTOCOL_FEATURES)
        self.send(SET_PROTOCOL_FEATURES, struct.pack("=Q", protocol))
        self.send(SET_OWNER)
        self.send(SET_FEATURES, struct.pack("=Q", features))
        self.send(SET_MEM_TABLE, struct.pack("=IIQQQQ", 1, 0, self.gpa, self.size, UVA, 0),
                  [self.memory])
        for queue in (0, 1):
            self.ring(queue)
        self.ask(GET_FEATURES)  # everything before it has been dealt with

    def kick(self):
        """Notify every queue."""
        for fd in self.kicks:
            os.eventfd_write(fd, 1)

    def burst(self, frames):
        """Transmit @frames short ones on queue 1, of the ring's size at most, when it is empty."""
        if self.sent is None:
            self.sent = 0
            for slot in range(RING):
                self.write(AREA + 16 * slot, struct.pack("<QIHH", BUFFER, 76, 0, 0))
                self.write(AREA + 0x1000 + 4 + 2 * slot, struct.pack("<H", slot))
        deadline = time.monotonic() + 30
        while struct.unpack("<H", os.pread(self.memory, 2, AREA + 0x2002))[0] != self.sent:
            if time.monotonic() > deadline:
                raise TimeoutError("frames stay in the ring")
        self.sent = (self.sent + frames) % (1 << 16)
        self.write(AREA + 0x1002, struct.pack("<H", self.sent))

    def write(self, offset, data):
        """Change the guest's memory."""
        os.pwrite(self.memory, data, offset)

    def closed_by_peer(self):
        """The back-end has ended the connection."""
        try:
            while self.sock.recv(4096):
                pass
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True

    def close(self):
        """End it."""
        self.sock.close()
        for fd in (self.memory, *self.kicks):
            os.close(fd)
