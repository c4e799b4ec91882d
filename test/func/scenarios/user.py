# SPDX-License-Identifier: BSD-3-Clause
"""Users: the one that runs the switch, and the owners of its sockets."""

import grp
import os
import pathlib
import pwd
import shutil
import stat
import tempfile

from harness.peers import Port, Switch
from harness.process import Failure, Skip

from .base import Scenario, check
from .virtio_user import ThereAndBack

USER, GROUP = "nobody", "nogroup"


def require_root():
    """Only root can become another user."""
    if os.geteuid() != 0:
        raise Skip("needs root")


def access_of(path):
    """(mode, owner, group)"""
    status = path.stat()
    return (stat.S_IMODE(status.st_mode), pwd.getpwuid(status.st_uid).pw_name,
            grp.getgrgid(status.st_gid).gr_name)


class Sockets(Scenario):
    """Sockets are given away by root: to whom the command line says, or the port's own arguments."""

    cpus, seconds = 0.2, 5

    def setup(self):
        require_root()
        self.switch = self.own(Switch("switch", self.workdir, [Port(self.path("a"))], extra=[
            "--socket-mode=0660", f"--socket-owner={USER}", f"--socket-group={GROUP}"])).start()

    @check("user.sockets_given_away")
    def given_away(self):
        """At the start and later."""
        mine = self.path("b")
        self.switch.command(f"port attach net_vhost1,iface={mine},mode=0604,owner=0,group=root")
        for path, expected in ((self.path("a"), (0o660, USER, GROUP)), (mine, (0o604, "root", "root"))):
            if access_of(path) != expected:
                raise Failure(f"{path.name}: {access_of(path)}")


class OrdinaryUser(ThereAndBack):
    """The switch without any privilege, in a directory it owns."""

    seconds = 15

    def __init__(self, workdir):
        super().__init__(workdir)
        # others cannot enter the one that is given
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="vqs-user."))

    def setup(self):
        require_root()
        program = self.directory / "vqswitch"
        shutil.copy(Switch.program, program)
        os.chown(self.directory, pwd.getpwnam(USER).pw_uid, -1)
        self.sockets = [self.directory / name for name in ("a", "b")]
        self.switch = self.own(Switch("switch", self.directory, [Port(p) for p in self.sockets]))
        self.switch.log_path = self.workdir / "switch.log"
        self.switch.argv[:1] = ["setpriv", f"--reuid={USER}", f"--regid={GROUP}", "--clear-groups",
                                "--inh-caps=-all", "--bounding-set=-all",
                                "env", f"XDG_RUNTIME_DIR={self.directory}", str(program)]
        self.switch.start()

    def close(self):
        super().close()
        shutil.rmtree(self.directory, ignore_errors=True)

    @check("user.ordinary_traffic")
    def traffic(self):
        """Every frame arrives and comes back."""
        self.loop("mergeable")

    @check("user.ordinary_sockets")
    def access(self):
        """Modes are given; what needs a privilege is refused and leaves nothing."""
        for number, option, mode in ((10, "", 0o600), (11, ",mode=0666", 0o666)):
            path = self.directory / str(number)
            out = self.switch.command(f"port attach net_vhost{number},iface={path}{option}")
            if "is attached" not in out or access_of(path) != (mode, USER, GROUP):
                raise Failure(f"{option}: {out!r}")
        out = self.switch.command(f"port attach net_vhost12,iface={self.directory}/12,owner=root")
        if "cannot be given its owner" not in out:
            raise Failure(f"an owner it cannot give: {out!r}")
        if (self.directory / "12").exists():
            raise Failure("the socket it could not give away is left")
