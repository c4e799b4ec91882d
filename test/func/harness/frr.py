# SPDX-License-Identifier: BSD-3-Clause
"""FRR's zebra and bgpd, unpacked beside this machine's packages, in a namespace of their own."""

import os
import pathlib
import shutil
import signal
import subprocess

from .debs import Apt, DebError, cache_dir, locked, release
from .process import Failure, Process, Skip, wait_for

# version of FRR: the Debian release that has it
CODENAMES = {"8.4": "bookworm", "10.3": "trixie"}

# Everything the daemons write lies in file systems of their own.
START = """
set -e
root=$1 conf=$2 more=$3
for dir in proc dev run etc var tmp; do mkdir -p "$root/$dir"; done
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
for dir in run etc var tmp; do mount -t tmpfs none "$root/$dir"; done
mkdir -p "$root/etc/frr" "$root/run/frr" "$root/var/run/frr" "$root/var/tmp/frr" \
    "$root/var/lib/frr"
echo 'root:x:0:0::/:/bin/sh
frr:x:0:0::/:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:
frr:x:0:
frrvty:x:0:' >"$root/etc/group"
cp "$conf" "$root/etc/frr/bgpd.conf"
: >"$root/etc/frr/vtysh.conf"
mkdir "$root/etc/pam.d"
for what in auth account; do echo "$what sufficient pam_permit.so"; done >"$root/etc/pam.d/frr"
cd /
start() { chroot "$root" "/usr/lib/frr/$1" -A 127.0.0.1 --log stdout "${@:2}" & }
[ ! -e "$root/usr/lib/frr/mgmtd" ] || start mgmtd
start zebra -s 90000000
# a daemon that does not find it tries again after 10 s, and takes neighbours for far ones meanwhile
until [ -S "$root/run/frr/zserv.api" ] || [ -S "$root/var/run/frr/zserv.api" ]; do sleep 0.1; done
for daemon in $more; do start "$daemon"; done
start bgpd -p 179 -f /etc/frr/bgpd.conf
wait -n
"""


def _unpacked(codename):
    root = cache_dir() / f"frr-{codename}"
    root.mkdir(parents=True, exist_ok=True)
    with locked(root / "lock"):
        if not (root / "complete").exists():
            apt = Apt("amd64", root, codename)
            apt.unpack(apt.closure("frr"), root / "files")
            # Debian 13 has them by a script of base-files
            for name in ("bin", "lib", "lib64", "sbin"):
                if not (root / "files" / name).exists():
                    (root / "files" / name).symlink_to(f"usr/{name}")
            (root / "complete").touch()
    return root / "files"


def tree(version=None):
    """The files of a version, by default that of this machine's release. Skips without it."""
    codename = CODENAMES[version] if version else release()
    if shutil.which("chroot") is None:
        raise Skip("needs chroot")
    try:
        return _unpacked(codename)
    except DebError as e:
        raise Skip(f"FRR of {codename} cannot be fetched: {e}") from e


class Frr(Process):
    """The daemons of one host."""

    def __init__(self, space, workdir, config, version=None, more=""):
        """more: daemons besides bgpd, in one word."""
        self.root = tree(version)
        conf = pathlib.Path(workdir) / f"{space.name}.bgpd.conf"
        conf.write_text(config, "ascii")
        self.space = space
        super().__init__(f"{space.name}.frr", [
            *space.enter(), "unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c",
            START, "frr", self.root, conf, more], workdir)

    def start(self):
        """Start them and wait until they answer."""
        self.spawn()
        wait_for(f"FRR of {self.space.name}", lambda: self._pids() and
                 self.vtysh("show version")[0] == 0, 60, alive=[self])
        return self

    def _pids(self):
        """Of the first process in its namespace, once there is one."""
        path = pathlib.Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children")
        return path.read_text("ascii").split()

    def kill_daemon(self, name):
        """Kill one of them without warning; the others end, too, as watchfrr has it."""
        (first,) = self._pids()
        children = pathlib.Path(f"/proc/{first}/task/{first}/children").read_text("ascii").split()
        (pid,) = [int(pid) for pid in children
                  if pathlib.Path(f"/proc/{pid}/comm").read_text("ascii").strip() == name]
        os.kill(pid, signal.SIGKILL)

    def vtysh(self, line):
        """(status, output) of a command of FRR's shell."""
        done = subprocess.run(
            ["nsenter", "--mount", "--net", f"--target={self._pids()[0]}", "chroot", str(self.root),
             "/usr/bin/vtysh", "-c", line], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout or done.stderr

    def show(self, line):
        """The output of a command that succeeds."""
        status, out = self.vtysh(line)
        if status != 0:
            raise Failure(f"{self.name}: '{line}' gave status {status}: {out}")
        return out
