# SPDX-License-Identifier: BSD-3-Clause
"""Tiny guests out of Debian packages: a stock kernel, static busybox, our init."""

import hashlib
import itertools
import lzma
import pathlib
import shutil
import subprocess

from .debs import Apt, DebError, cache_dir, locked

INIT = pathlib.Path(__file__).parent.parent / "guest" / "init"

# arch: the package that depends on the current kernel, and the modules in loading order
ARCHS = {
    "amd64": ("linux-image-cloud-amd64", [
        "virtio", "virtio_ring", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci",
        "failover", "net_failover", "virtio_net"]),
    "s390x": ("linux-image-s390x", ["failover", "net_failover", "virtio_net"]),
}


def get(arch, codename=None):
    """(kernel, initrd) for an architecture, made when they are missing or outdated."""
    root = cache_dir() / (f"{arch}-{codename}" if codename else arch)
    root.mkdir(parents=True, exist_ok=True)
    with locked(root / "lock"):
        if not (root / "kernel").exists():
            _fetch(arch, root, codename)
        wanted = hashlib.sha256(INIT.read_bytes() + repr(ARCHS[arch]).encode()).hexdigest()
        stamp = root / "initrd.stamp"
        if not stamp.exists() or stamp.read_text() != wanted:
            _make_initrd(arch, root)
            stamp.write_text(wanted)
    return root / "kernel", root / "initrd"


def _fetch(arch, root, codename):
    """Download and unpack kernel and busybox into root."""
    apt = Apt(arch, root, codename)
    meta = ARCHS[arch][0]
    kernel = [name for name in apt.depends(meta) if name.startswith("linux-image-")]
    if not kernel:
        raise DebError(f"{meta}: depends on no kernel")
    files = root / "files"
    apt.unpack([kernel[0], "busybox-static"], files)
    shutil.copy(_one(files, "boot/vmlinuz-*"), root / "kernel.new")
    (root / "kernel.new").rename(root / "kernel")


def _one(files, pattern):
    """The file of that name; newer releases have everything below usr/."""
    for found in itertools.chain(files.glob(pattern), files.glob(f"usr/{pattern}")):
        return found
    raise DebError(f"no {pattern} in the packages")


def busybox(arch):
    """Path of a static busybox."""
    return _one(cache_dir() / arch / "files", "bin/busybox")


def _unpacked(module):
    """Contents of a kernel module, which may be compressed."""
    data = module.read_bytes()
    return lzma.decompress(data) if module.suffix == ".xz" else data


def _make_initrd(arch, root):
    tree = root / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    for sub in ("bin", "modules"):
        (tree / sub).mkdir(parents=True)
    shutil.copy(_one(root / "files", "bin/busybox"), tree / "bin/busybox")
    (tree / "bin/sh").symlink_to("busybox")
    shutil.copy(INIT, tree / "init")
    order = []
    for module in ARCHS[arch][1]:
        for top in ("lib", "usr/lib"):
            for found in root.glob(f"files/{top}/modules/*/kernel/**/{module}.ko*"):
                (tree / "modules" / f"{module}.ko").write_bytes(_unpacked(found))
                order.append(f"{module}.ko")
    (tree / "modules/order").write_text("".join(f"{name}\n" for name in order), "ascii")
    names = "\n".join(str(p.relative_to(tree)) for p in sorted(tree.rglob("*")))
    with open(root / "initrd", "wb") as out:
        done = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=tree,
                              input=names.encode(), stdout=out, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise DebError(f"cpio: {done.stderr.decode().strip()}")
