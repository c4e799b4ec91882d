# SPDX-License-Identifier: BSD-3-Clause
"""Tiny guests out of Debian packages: a stock kernel, static busybox, our init."""

import dataclasses
import hashlib
import itertools
import lzma
import pathlib
import shutil
import subprocess
import time

from .debs import Apt, DebError, cache_dir, locked, release

GUEST = pathlib.Path(__file__).parent.parent / "guest"
INIT = GUEST / "init"


@dataclasses.dataclass
class Image:
    """The package that depends on a kernel, and the modules of it in loading order."""
    package: str
    modules: list
    later: list = dataclasses.field(default_factory=list)  # the tests load these
    arch: str = "amd64"
    suites: dict = dataclasses.field(default_factory=dict)  # by release, where it is another
    first: str = "init"  # the script that the kernel starts


IMAGES = {
    "amd64": Image("linux-image-cloud-amd64", [
        "virtio", "virtio_ring", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci",
        "failover", "net_failover", "virtio_net"]),
    "s390x": Image("linux-image-s390x", ["failover", "net_failover", "virtio_net"], arch="s390x"),
    # a kernel with VDUSE, for programs of the host
    "vdpa": Image("linux-image-cloud-amd64", [
        "overlay", "failover", "net_failover", "virtio_net", "tun", "veth", "vdpa",
        "vhost_iotlb"],
        later=["vduse", "virtio_vdpa", "vhost", "irqbypass", "vhost_vdpa", "tls", "bonding"],
        suites={"bookworm": "bookworm-backports"}, first="first"),
}


def get(name, codename=None):
    """(kernel, initrd) of an image, made when they are missing or outdated.

    The kernel is that of release codename, or of the one the image names for this release.
    """
    image = IMAGES[name]
    if name != image.arch or codename:
        get(image.arch)  # has the busybox
    root = cache_dir() / (f"{name}-{codename}" if codename else name)
    root.mkdir(parents=True, exist_ok=True)
    with locked(root / "lock"):
        if not (root / "kernel").exists():
            _fetch(image, root, codename or image.suites.get(release(), release()))
        scripts = b"".join(path.read_bytes() for path in sorted(GUEST.iterdir()))
        wanted = hashlib.sha256(scripts + repr(image).encode()).hexdigest()
        # other versions of these scripts may be at work on the same machine
        initrd = root / f"initrd-{wanted[:16]}"
        if not initrd.exists():
            _remove_old(root)
            _make_initrd(image, root)
            (root / "initrd.new").rename(initrd)
        initrd.touch()
    return root / "kernel", initrd


def _remove_old(root):
    """Initrds no guest was started with since yesterday."""
    for one in root.glob("initrd*"):
        if one.stat().st_mtime < time.time() - 86400:
            one.unlink()


def _fetch(image, root, suite):
    """Download and unpack the kernel, and busybox from the release, into root."""
    apt = Apt(image.arch, root, suite)
    packages = [name for name in apt.depends(image.package) if name.startswith("linux-image-")][:1]
    if not packages:
        raise DebError(f"{image.package}: depends on no kernel")
    if suite == release():
        packages.append("busybox-static")
    files = root / "files"
    apt.unpack(packages, files)
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


def _make_initrd(image, root):
    tree = root / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    for sub in ("bin", "modules"):
        (tree / sub).mkdir(parents=True)
    shutil.copy(busybox(image.arch), tree / "bin/busybox")
    (tree / "bin/sh").symlink_to("busybox")
    for script in GUEST.iterdir():
        shutil.copy(script, tree / script.name)
    order = []
    for module in image.modules + image.later:
        for top in ("lib", "usr/lib"):
            for found in root.glob(f"files/{top}/modules/*/kernel/**/{module}.ko*"):
                (tree / "modules" / f"{module}.ko").write_bytes(_unpacked(found))
                if module in image.modules:
                    order.append(f"{module}.ko")
    (tree / "modules/order").write_text("".join(f"{name}\n" for name in order), "ascii")
    names = "\n".join(str(p.relative_to(tree)) for p in sorted(tree.rglob("*")))
    with open(root / "initrd.new", "wb") as out:
        done = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=tree,
                              input=names.encode(), stdout=out, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise DebError(f"cpio: {done.stderr.decode().strip()}")
