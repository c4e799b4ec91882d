# SPDX-License-Identifier: BSD-3-Clause
"""Debian packages unpacked beside the system instead of installed into it.

They come through apt with a state directory of its own, so that a foreign
architecture can be fetched without telling the host's dpkg about it, and a
daemon without having it started. Packages that were fetched are kept; a second run needs
no network.
"""

import contextlib
import fcntl
import os
import pathlib
import shutil
import subprocess

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class DebError(Exception):
    """Not to be had: why."""


def release():
    """Codename of the Debian whose packages are fetched: this system's."""
    with open("/etc/os-release", encoding="utf-8") as f:
        values = dict(line.rstrip().split("=", 1) for line in f if "=" in line)
    name = os.environ.get("VQS_TEST_RELEASE") or values.get("VERSION_CODENAME", "").strip('"')
    if not name:
        raise DebError("this system does not say which Debian it is (VQS_TEST_RELEASE)")
    return name


def cache_dir():
    """Folder of fetched packages and images, outside the repository."""
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    if os.geteuid() == 0:
        base = "/var/cache"
    named = os.environ.get("VQS_TEST_CACHE") or pathlib.Path(base) / "vqswitch-test"
    return pathlib.Path(named) / release()


@contextlib.contextmanager
def locked(path):
    with open(path, "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(argv, **kw):
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **kw)
    if done.returncode != 0:
        raise DebError(f"{' '.join(argv[:2])}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _mirror():
    """The mirror this machine gets the release from."""
    for line in run(["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)",
                      "Created-By: Packages"]).splitlines():
        codename, component, uri = line.split(maxsplit=2)
        if (codename, component) == (release(), "main"):
            return uri
    raise DebError(f"apt has no source for Debian {release()} main")


def _apt_options(arch, root, suite):
    state = root / "apt"
    for sub in ("state/lists/partial", "cache/archives/partial"):
        (state / sub).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    sources = state / "sources.list"
    sources.write_text(f"deb [signed-by={KEYRING}] {_mirror()} {suite} main\n", "ascii")
    settings = {
        "Dir::State": state / "state", "Dir::State::status": state / "status",
        "Dir::Cache": state / "cache", "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null", "APT::Architecture": arch,
        "APT::Architectures::": arch, "APT::Sandbox::User": "root",
        "Acquire::Languages": "none", "Acquire::Retries": "3",
    }
    return [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]


class Apt:
    """apt for one architecture and suite, as long as packages are fetched."""

    def __init__(self, arch, root, suite=None):
        self.state = root / "apt"
        self.options = _apt_options(arch, root, suite or release())
        run(["apt-get", *self.options, "-q", "update"])

    def depends(self, package):
        """The packages a package depends on."""
        lines = run(["apt-cache", *self.options, "depends", package]).splitlines()
        return [line.split()[1] for line in lines if "Depends: " in line]

    def closure(self, package):
        """A package and everything it needs on a system that has nothing."""
        plan = run(["apt-get", *self.options, "-q", "-s", "--no-install-recommends", "install",
                    package])
        return [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]

    def unpack(self, packages, where):
        """Download packages and make where the tree of their files."""
        debs = self.state / "debs"
        shutil.rmtree(debs, ignore_errors=True)
        debs.mkdir()
        run(["apt-get", *self.options, "-q", "download", *packages], cwd=debs)
        shutil.rmtree(where, ignore_errors=True)
        for deb in debs.iterdir():
            run(["dpkg-deb", "-x", str(deb), str(where)])
        shutil.rmtree(self.state)
