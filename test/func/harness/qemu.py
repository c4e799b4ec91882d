# SPDX-License-Identifier: BSD-3-Clause
"""The QEMUs guests run in: the one that is installed, and a later one unpacked beside it."""

from .debs import Apt, DebError, cache_dir, locked, release
from .process import Skip

# version of QEMU: the Debian release that has it
CODENAMES = {"10": "trixie"}


def command(binary, version=None):
    """The words that start a QEMU. Skips when the mirror does not have it."""
    if version is None or CODENAMES[version] == release():
        return [binary]
    try:
        files = _unpacked(CODENAMES[version])
    except DebError as e:
        raise Skip(f"QEMU {version} cannot be fetched: {e}") from e
    # with the C library of its own release, which may be newer than this machine's
    libraries = next(files.glob("usr/lib/*/libc.so.6")).parent
    words = [next(files.glob("usr/lib64/ld-linux-*")), "--library-path", libraries,
             files / "usr/bin" / binary]
    for data in ("qemu", "seabios"):
        words += ["-L", files / "usr/share" / data]
    return words


def _unpacked(codename):
    root = cache_dir() / f"qemu-{codename}"
    root.mkdir(parents=True, exist_ok=True)
    with locked(root / "lock"):
        if not (root / "complete").exists():
            apt = Apt("amd64", root, codename)
            apt.unpack(apt.closure("qemu-system-x86"), root / "files")
            (root / "complete").touch()
    return root / "files"
