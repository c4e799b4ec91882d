# SPDX-License-Identifier: BSD-3-Clause
"""podman of Debian, unpacked beside the system: a container runtime with the library of CNI."""

import json
import os
import pathlib
import shutil
import subprocess

from . import images
from .debs import Apt, DebError, cache_dir, locked
from .process import Failure, Process, Skip, patience, wait_for

PACKAGES = ("podman", "conmon", "crun", "containernetworking-plugins", "golang-github-containers-common",
            "golang-github-containers-image", "libassuan0", "libcap2", "libdevmapper1.02.1", "libglib2.0-0",
            "libgpg-error0", "libgpgme11", "libip4tc2", "libseccomp2", "libsubid4", "libsystemd0", "libyajl2")
# a host without control groups, whose state is the test's
SPACE = """mount --bind {run} /run && mount --bind {lib} /var/lib && mount -t tmpfs none /sys/fs/cgroup &&
mkdir -p /run/netns && echo ready && while sleep 1; do :; done"""
CONTAINERS = """[containers]
cgroups = "disabled"
cgroupns = "host"
seccomp_profile = "unconfined"
apparmor_profile = "unconfined"
pids_limit = 0
log_driver = "k8s-file"
[network]
network_backend = "cni"
cni_plugin_dirs = ["{top}/plugins"]
network_config_dir = "{top}/networks"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
conmon_path = ["{top}/conmon"]
runtime = "crun"
tmp_dir = "{top}/run/libpod"
static_dir = "{top}/root/libpod"
[engine.runtimes]
crun = ["{top}/crun"]
"""
STORAGE = '[storage]\ndriver = "vfs"\ngraphroot = "{top}/root"\nrunroot = "{top}/runroot"\n'


def _unpacked():
    root = cache_dir() / "podman"
    root.mkdir(parents=True, exist_ok=True)
    try:
        with locked(root / "lock"):
            if not (root / "complete").exists():
                apt = Apt("amd64", root)
                apt.unpack([name for name in apt.closure("podman") if name in PACKAGES], root / "files")
                (root / "complete").touch()
    except DebError as e:
        raise Skip(f"podman cannot be fetched: {e}") from e
    return root / "files"


class Podman(Process):
    """A host of its own for containers, as long as it runs."""

    def __init__(self, workdir, plugin):
        if os.geteuid() != 0:
            raise Skip("needs root")
        self.files, self.top = _unpacked(), pathlib.Path(workdir) / "podman"
        for name in ("run", "lib", "networks", "plugins",
                     *(f"rootfs/{one}" for one in ("bin", "dev", "etc", "proc", "run", "sys", "tmp"))):
            (self.top / name).mkdir(parents=True)
        images.get("amd64")  # has the busybox
        shutil.copy(images.busybox("amd64"), self.top / "rootfs/bin/busybox")
        shutil.copy(plugin, self.top / "plugins/vqswitch")
        (self.top / "plugins/host-local").symlink_to(self.files / "usr/lib/cni/host-local")
        (self.top / "containers.conf").write_text(CONTAINERS.format(top=self.top), "ascii")
        (self.top / "storage.conf").write_text(STORAGE.format(top=self.top), "ascii")
        self.libraries = next(self.files.glob("usr/lib/*/libyajl.so.2")).parent
        for name in ("conmon", "crun"):
            script, program = self.top / name, self.files / "usr/bin" / name
            script.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={self.libraries} exec {program} "$@"\n', "ascii")
            script.chmod(0o755)
        space = SPACE.format(run=self.top / "run", lib=self.top / "lib")
        super().__init__("containers", ["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL",
                                        "--mount-proc", "sh", "-c", space], workdir)

    def start(self):
        """Make the host. Skips when this podman does without CNI."""
        self.spawn()
        wait_for("namespaces for containers", lambda: "\nready" in self.log(), 30, alive=[self])
        children = pathlib.Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children")
        self.init = children.read_text("ascii").split()[0]
        version = self.sh("version", "--format", "{{.Client.Version}}")
        if int(version.split(".")[0]) > 4:
            raise Skip(f"podman {version} knows no CNI")
        return self

    def network(self, name, *plugins):
        """A list of plugins, as one writes it to /etc/cni/net.d."""
        text = json.dumps({"cniVersion": "1.0.0", "name": name, "plugins": plugins})
        (self.top / "networks" / f"{name}.conflist").write_text(text, "ascii")

    def run(self, *words):
        """(exit status, output) of podman."""
        done = subprocess.run(
            ["nsenter", "-t", self.init, "-m", "-p", self.files / "usr/bin/podman", *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False, timeout=120 * patience(),
            env={"CONTAINERS_CONF": str(self.top / "containers.conf"), "PATH": os.environ["PATH"],
                 "CONTAINERS_STORAGE_CONF": str(self.top / "storage.conf"),
                 "LD_LIBRARY_PATH": str(self.libraries)})
        return done.returncode, done.stdout.strip()

    def sh(self, *words):
        """Its output; fails when it does."""
        status, out = self.run(*words)
        if status != 0:
            raise Failure(f"podman {' '.join(words)}: {out}")
        return out

    def container(self, name, network, *words):
        """(exit status, the container's ID or the complaint) of one that sleeps."""
        files = str(os.sysconf("SC_OPEN_MAX"))
        return self.run("run", "--detach", "--name", name, "--network", network, "--ulimit",
                        f"nofile={files}:{files}", "--ulimit", "nproc=1000:1000", *words,
                        "--rootfs", str(self.top / "rootfs"), "/bin/busybox", "sleep", "1000")
