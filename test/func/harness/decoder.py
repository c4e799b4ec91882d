# SPDX-License-Identifier: BSD-3-Clause
"""Wireshark's decoders, unpacked beside this machine's packages."""

import json
import shutil
import struct
import subprocess

from .debs import Apt, DebError, cache_dir, locked, release
from .process import Failure, Skip

LINKTYPE_IPV4 = 228


def _tree():
    """The files of tshark. Skips without them."""
    if shutil.which("chroot") is None:
        raise Skip("needs chroot")
    root = cache_dir() / f"tshark-{release()}"
    root.mkdir(parents=True, exist_ok=True)
    try:
        with locked(root / "lock"):
            if not (root / "complete").exists():
                apt = Apt("amd64", root)
                apt.unpack(apt.closure("tshark"), root / "files")
                for name in ("bin", "lib", "lib64", "sbin"):
                    if not (root / "files" / name).exists():
                        (root / "files" / name).symlink_to(f"usr/{name}")
                (root / "complete").touch()
    except DebError as e:
        raise Skip(f"tshark cannot be fetched: {e}") from e
    return root / "files"


def _ipv4(data, udp_port):
    """A packet with data in a UDP datagram; its checksums are not looked at."""
    udp = struct.pack("!4H", udp_port, udp_port, 8 + len(data), 0) + data
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                       b"\xc0\0\2\1", b"\xc0\0\2\2") + udp


def fields(workdir, datagrams, udp_port, names):
    """For each datagram to that port: {name: [values]} as tshark reads them."""
    root = _tree()
    capture = bytearray(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, LINKTYPE_IPV4))
    for data in datagrams:
        packet = _ipv4(data, udp_port)
        capture += struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet
    path = workdir / "decoded.pcap"
    path.write_bytes(capture)
    with open(path, "rb") as source:
        done = subprocess.run(
            ["chroot", root, "/usr/bin/tshark", "-r", "-", "-T", "json",
             *(word for name in names for word in ("-e", name))],
            stdin=source, capture_output=True, env={"HOME": "/", "PATH": "/usr/sbin:/usr/bin"},
            check=False)
    if done.returncode != 0:
        raise Failure(f"tshark: {done.stderr.decode()[-500:]}")
    return [{name: packet["_source"]["layers"].get(name, []) for name in names}
            for packet in json.loads(done.stdout)]
