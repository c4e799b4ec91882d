#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""usage: patient_ping.py ADDRESS FILE

Ping until FILE exists, then wait for all answers, however late; print "SENT RECEIVED". Once some
have come, FILE.begun exists. No more than LIMIT are on the way, so that no queue overflows."""

import os
import pathlib
import select
import socket
import struct
import sys
import time

INTERVAL = 0.05
LIMIT = 50  # a socket has room for 90 frames in buffers of a page
PATIENCE = 60  # seconds without any answer


def checksum(data):
    """Of an ICMP message of even length."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def request(number):
    """An echo request."""
    head = struct.Struct("!BBHHH")
    ident = os.getpid() & 0xffff
    text = b"patient."
    return head.pack(8, 0, checksum(head.pack(8, 0, 0, ident, number) + text), ident, number) + text


def answered(sock):
    """Number of the request that a message answers, or None."""
    data = sock.recv(2048)
    kind, _, _, ident, number = struct.unpack_from("!BBHHH", data, (data[0] & 15) * 4)
    return number if kind == 0 and ident == os.getpid() & 0xffff else None


def main():
    """Command line."""
    address, stop = sys.argv[1], pathlib.Path(sys.argv[2])
    begun = pathlib.Path(f"{stop}.begun")
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    sent, waiting, heard = 0, set(), time.monotonic()
    due = heard
    while waiting or not stop.exists():
        if not stop.exists() and len(waiting) < LIMIT and time.monotonic() >= due:
            due = time.monotonic() + INTERVAL
            sock.sendto(request(sent), (address, 0))
            waiting.add(sent)
            sent += 1
        if select.select([sock], [], [], INTERVAL)[0]:
            waiting.discard(answered(sock))
            heard = time.monotonic()
        elif waiting and stop.exists() and time.monotonic() - heard > PATIENCE:
            break
        if sent - len(waiting) > 5 and not begun.exists():
            begun.touch()
    print(sent, sent - len(waiting))


if __name__ == "__main__":
    main()
