# SPDX-License-Identifier: BSD-3-Clause
"""The far ends of taps: frames as they are, from and to this process."""

import contextlib
import ctypes
import os
import socket
import struct

from .process import Skip

ETH_P_ALL = 3
SO_RCVBUFFORCE = 33
SOL_PACKET, PACKET_AUXDATA = 263, 8
TP_STATUS_VLAN_VALID = 1 << 4
BUFFER = 16 << 20
VLAN, EXPERIMENTAL = 0x8100, 0x88b5
BROADCAST = "ff:ff:ff:ff:ff:ff"


def require():
    """Skip where taps cannot be made."""
    if os.geteuid() != 0:
        raise Skip("needs root")
    if not os.path.exists("/dev/net/tun"):
        raise Skip("needs /dev/net/tun")


def quiet_network(argv):
    """The command line in a network of its own, whose devices send nothing by themselves."""
    return ["unshare", "--net", "sh", "-c",
            'f=/proc/sys/net/ipv6/conf/default/disable_ipv6; [ ! -e $f ] || echo 1 >$f; exec "$@"',
            "sh", *argv]


@contextlib.contextmanager
def network_of(process):
    """Sockets made meanwhile are in that process's network."""
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(fd):
        if libc.setns(fd, 0) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    with (open("/proc/self/ns/net", "rb") as ours,
          open(f"/proc/{process.child.pid}/ns/net", "rb") as theirs):
        enter(theirs.fileno())
        try:
            yield
        finally:
            enter(ours.fileno())


def address(text):
    """Its bytes."""
    return bytes.fromhex(text.replace(":", ""))


# pylint: disable-next=keyword-arg-before-vararg
def frame(src, dst=BROADCAST, *tags, text="", size=64):
    """An Ethernet frame, with VLAN tags from the outside in; size without them."""
    headers = b"".join(struct.pack("!HH", VLAN, tci) for tci in tags)
    data = (struct.pack("!H", EXPERIMENTAL) + text.encode()).ljust(size - 12, b".")
    return address(dst) + address(src) + headers + data


def with_tag(data, ancillary):
    """The kernel keeps the outer tag beside the frame."""
    for level, kind, body in ancillary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _, _, _, _, tci, kind = struct.unpack("=IIIHHHH", body[:20])
            if status & TP_STATUS_VLAN_VALID:
                return data[:12] + struct.pack("!HH", kind or VLAN, tci) + data[12:]
    return data


class Wire:
    """A tap in the network this process is in."""

    def __init__(self, dev):
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.sock.bind((dev, ETH_P_ALL))

    def send(self, data):
        """One frame to the switch."""
        self.sock.send(data)

    def receive(self):
        """The frames from the switch that are there."""
        frames = []
        while True:
            try:
                data, ancillary, _, sender = self.sock.recvmsg(65536, 256, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return frames
            if sender[2] != socket.PACKET_OUTGOING:
                frames.append(with_tag(data, ancillary))

    def close(self):
        """Leave the tap alone."""
        self.sock.close()
