# SPDX-License-Identifier: BSD-3-Clause
"""Tiny guests out of Debian packages: a stock kernel, static busybox, our init.

Packages come through apt with a state directory of its own, so that a foreign
architecture can be fetched without telling the host's dpkg about it. What was
fetched is kept; a second run needs no network.
"""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess

RELEASE = "bookworm"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
INIT = pathlib.Path(__file__).parent.parent / "guest" / "init"

# arch: the package that depends on the current kernel, and the modules in loading order
ARCHS = {
    "amd64": ("linux-image-cloud-amd64", [
        "virtio", "virtio_ring", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci",
        "failover", "net_failover", "virtio_net"]),
    "s390x": ("linux-image-s390x", ["failover", "net_failover", "virtio_net"]),
}


class ImageError(Exception):
    """No image: why."""


def cache_dir():
    """Where fetched packages and images are kept, outside the repository."""
    named = os.environ.get("VQS_TEST_CACHE")
    if named:
        return pathlib.Path(named)
    if os.geteuid() == 0:
        return pathlib.Path("/var/cache/vqswitch-test")
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "vqswitch-test"


def get(arch):
    """(kernel, initrd) for an architecture, made when they are missing or outdated."""
    root = cache_dir() / arch
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root / "lock"):
        if not (root / "kernel").exists():
            _fetch(arch, root)
        wanted = hashlib.sha256(INIT.read_bytes() + repr(ARCHS[arch]).encode()).hexdigest()
        stamp = root / "initrd.stamp"
        if not stamp.exists() or stamp.read_text() != wanted:
            _make_initrd(arch, root)
            stamp.write_text(wanted)
    return root / "kernel", root / "initrd"


@contextlib.contextmanager
def _locked(path):
    with open(path, "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(argv, **kw):
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **kw)
    if done.returncode != 0:
        raise ImageError(f"{' '.join(argv[:2])}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _mirror():
    """Where this machine gets the release from."""
    for line in _run(["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)",
                      "Created-By: Packages"]).splitlines():
        release, component, uri = line.split(maxsplit=2)
        if (release, component) == (RELEASE, "main"):
            return uri
    raise ImageError(f"apt has no source for Debian {RELEASE} main")


def _apt_options(arch, root):
    state = root / "apt"
    for sub in ("state/lists/partial", "cache/archives/partial"):
        (state / sub).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    sources = state / "sources.list"
    sources.write_text(f"deb [signed-by={KEYRING}] {_mirror()} {RELEASE} main\n", "ascii")
    settings = {
        "Dir::State": state / "state", "Dir::State::status": state / "status",
        "Dir::Cache": state / "cache", "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null", "APT::Architecture": arch,
        "APT::Architectures::": arch, "APT::Sandbox::User": "root",
        "Acquire::Languages": "none", "Acquire::Retries": "3",
    }
    return [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]


def _fetch(arch, root):
    """Download and unpack kernel and busybox into root."""
    options = _apt_options(arch, root)
    meta = ARCHS[arch][0]
    _run(["apt-get", *options, "-q", "update"])
    kernel = [line.split()[1] for line in _run(["apt-cache", *options, "depends", meta]).splitlines()
              if "Depends: linux-image-" in line]
    if not kernel:
        raise ImageError(f"{meta}: depends on no kernel")
    debs = root / "debs"
    shutil.rmtree(debs, ignore_errors=True)
    debs.mkdir()
    _run(["apt-get", *options, "-q", "download", kernel[0], "busybox-static"], cwd=debs)
    files = root / "files"
    shutil.rmtree(files, ignore_errors=True)
    for deb in debs.iterdir():
        _run(["dpkg-deb", "-x", str(deb), str(files)])
    shutil.rmtree(debs)
    shutil.rmtree(root / "apt")
    shutil.copy(next(files.glob("boot/vmlinuz-*")), root / "kernel.new")
    (root / "kernel.new").rename(root / "kernel")


def _make_initrd(arch, root):
    tree = root / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    for sub in ("bin", "modules"):
        (tree / sub).mkdir(parents=True)
    shutil.copy(root / "files/bin/busybox", tree / "bin/busybox")
    (tree / "bin/sh").symlink_to("busybox")
    shutil.copy(INIT, tree / "init")
    order = []
    for module in ARCHS[arch][1]:
        for found in root.glob(f"files/lib/modules/*/kernel/**/{module}.ko*"):
            shutil.copy(found, tree / "modules" / found.name)
            order.append(found.name)
    (tree / "modules/order").write_text("".join(f"{name}\n" for name in order), "ascii")
    names = "\n".join(str(p.relative_to(tree)) for p in sorted(tree.rglob("*")))
    with open(root / "initrd", "wb") as out:
        done = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=tree,
                              input=names.encode(), stdout=out, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise ImageError(f"cpio: {done.stderr.decode().strip()}")
