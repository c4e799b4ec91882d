# SPDX-License-Identifier: BSD-3-Clause
"""Paths of the programs of Open vSwitch with DPDK.

Installed, its packages start daemons; so unless they are installed already, they are
only unpacked. The libraries they need are installed like everything else.
"""

import pathlib
import platform
from collections import namedtuple

from .debs import Apt, cache_dir, locked

PACKAGES = ["openvswitch-common", "openvswitch-switch", "openvswitch-switch-dpdk"]
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}
FILES = {
    "vswitchd": "usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk",
    "vsctl": "usr/bin/ovs-vsctl",
    "server": "usr/sbin/ovsdb-server",
    "tool": "usr/bin/ovsdb-tool",
    "schema": "usr/share/openvswitch/vswitch.ovsschema",
}

Files = namedtuple("Files", FILES)


def _under(root):
    return Files(**{name: root / path for name, path in FILES.items()})


def _complete(files):
    return all(path.exists() for path in files)


def get():
    """The files, fetched when they are not there."""
    files = _under(pathlib.Path("/"))
    if _complete(files):
        return files
    root = cache_dir() / "openvswitch"
    root.mkdir(parents=True, exist_ok=True)
    files = _under(root / "files")
    with locked(root / "lock"):
        if not _complete(files):
            Apt(ARCH.get(platform.machine(), platform.machine()), root).unpack(
                PACKAGES, root / "files")
    return files
