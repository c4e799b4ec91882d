# SPDX-License-Identifier: BSD-3-Clause
"""A guest whose memory has not arrived: a page that is missing holds up its own ring alone."""

import array
import ctypes
import fcntl
import mmap
import os
import pathlib
import socket
import struct
import time

from harness import frontend as vhu
from harness.frontend import Frontend
from harness.process import Failure, Skip, wait_for

from .base import check
from .memory import punch
from .storm import Storm

PAGEFAULT, ADVISE, LISTEN, END = 1 << 8, 28, 29, 30
PAGE = mmap.PAGESIZE
UFFDIO_COPY, FAULT = 0xC028AA03, 0x12
FRAME = vhu.BUFFER // PAGE  # the page of the frame it sends
SESSIONS = 30


class Arriving(Frontend):
    """It has a frame to send, and its memory is still at the source."""

    def __init__(self, path):
        super().__init__(path)
        self.burst(1)
        self.image = mmap.mmap(-1, vhu.MEMORY)
        self.image[:] = os.pread(self.memory, vhu.MEMORY, 0)
        self.image_at = ctypes.addressof(ctypes.c_char.from_buffer(self.image))
        punch(self.memory, 0, vhu.MEMORY)
        self.uffd = self.address = None

    def receive_fd(self):
        """The descriptor of an answer without a payload."""
        _, ancillary, _, _ = self.sock.recvmsg(12, socket.CMSG_SPACE(4))
        fds = array.array("i")
        fds.frombytes(ancillary[0][2])
        return fds[0]

    def arrive(self):
        """Everything up to rings that want to start."""
        self.ask(vhu.GET_FEATURES)
        if not self.ask(vhu.GET_PROTOCOL_FEATURES) & PAGEFAULT:
            raise Skip("there is no userfaultfd here")
        self.send(vhu.SET_PROTOCOL_FEATURES, struct.pack("=Q", vhu.REPLY_ACK | PAGEFAULT))
        self.send(vhu.SET_OWNER)
        self.send(vhu.SET_FEATURES, struct.pack("=Q", vhu.VERSION_1 | vhu.PROTOCOL_FEATURES))
        self.send(ADVISE)
        self.uffd = self.receive_fd()
        self.send(LISTEN, flags=vhu.VERSION | vhu.NEED_REPLY)
        if self.receive() != bytes(8):
            raise Failure("POSTCOPY_LISTEN was refused")
        self.send(vhu.SET_MEM_TABLE, struct.pack("=IIQQQQ", 1, 0, 0, vhu.MEMORY, vhu.UVA, 0),
                  [self.memory])
        self.address = struct.unpack("=IIQQQQ", self.receive())[4]
        self.send(vhu.SET_MEM_TABLE, bytes(8))
        for queue in (0, 1):
            self.ring(queue)
        self.ask(vhu.GET_FEATURES)

    def fault(self):
        """The page of the next fault, or None."""
        try:
            message = os.read(self.uffd, 32)
        except BlockingIOError:
            return None
        event, address = struct.unpack("=B15xQ8x", message)
        if event != FAULT:
            raise Failure(f"event {event} of the userfaultfd")
        return (address - self.address) // PAGE

    def serve(self, page):
        """Copy a page."""
        fcntl.ioctl(self.uffd, UFFDIO_COPY, struct.pack(
            "=QQQQq", self.address + page * PAGE, self.image_at + page * PAGE, PAGE, 0, 0))

    def serve_up_to(self, last):
        """Copy those that are needed, and not the last one."""
        def served():
            page = self.fault()
            if page is not None and page != last:
                self.serve(page)
            return page == last
        wait_for(f"a fault of page {last}", served, pause=0.001)

    def taken(self):
        """Frames the switch has given back."""
        return struct.unpack("<H", os.pread(self.memory, 2, vhu.AREA + 0x2002))[0]

    def close(self):
        super().close()
        if self.uffd is not None:
            os.close(self.uffd)
        self.uffd = None


class PostCopyHeld(Storm):
    """At port 0, while frames go from port 1 to port 2, and port 3 asks."""

    cpus, seconds = 0.4, 20
    OPTIONS = {"postcopy-support": 1}

    def pagers(self):
        """Processes of the switch that touch pages."""
        children = pathlib.Path(f"/proc/{self.switch.child.pid}/task").glob("*/children")
        return sum(len(one.read_text().split()) for one in children)

    @check("postcopy.withheld")
    def withheld(self):
        """The page of its frame comes a second late."""
        guest = Arriving(self.sockets[0])
        with self.unharmed() as remark:
            guest.arrive()
            guest.serve_up_to(FRAME)
            time.sleep(1)
            if guest.taken() != 0:
                raise Failure("a frame was taken from a page that is not there")
            guest.serve(FRAME)
            wait_for("the frame", lambda: guest.taken() == 1)
            guest.send(END)
            if guest.receive() != bytes(8):
                raise Failure("POSTCOPY_END was refused")
        guest.close()
        wait_for("the process to end", lambda: self.pagers() == 0)
        return remark[0]

    @check("postcopy.never")
    def never(self):
        """Front-ends leave with pages they never brought."""
        with self.unharmed() as remark:
            for _ in range(SESSIONS):
                guest = Arriving(self.sockets[0])
                guest.arrive()
                guest.serve_up_to(FRAME)
                guest.close()
            wait_for("the processes to end", lambda: self.pagers() == 0)
        return remark[0]
