# SPDX-License-Identifier: BSD-3-Clause
"""As many ports as DTS asks for."""

import contextlib
import resource

from harness import dts, peers
from harness.frontend import Frontend

from harness.peers import Port

from harness.process import Failure, Skip

from .base import check
from .virtio_user import ThereAndBack

PORTS = 1023
SILENT = 200  # connected guests that say nothing
FDS = 16384   # a dozen for each port


class Scale(ThereAndBack):
    """1023 ports, made while no more than the customary 1024 files may be open."""

    seconds = 40

    def setup(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < FDS:
            raise Skip(f"no process may have {FDS} open files")
        resource.setrlimit(resource.RLIMIT_NOFILE, (FDS, hard))
        paths = [self.workdir / f"{i}.s" for i in range(PORTS)]
        self.sockets = [paths[0], paths[-1]]
        self.silent = paths[1:1 + SILENT]
        self.switch = self.own(peers.backend("switch", self.workdir, [Port(p) for p in paths]))
        self.switch.argv[:0] = ["prlimit", "--nofile=1024:"]
        self.switch.start()

    @check("scale.shown")
    def shown(self):
        """Each port is in each table, with an address of its own."""
        infos = dts.info_blocks(self.switch.command("show port info all").replace("\n", "\r\n"))
        values = [dts.fields(dts.PORT_INFO, block) for block in infos]
        if [value[0] for value in values] != [str(port) for port in range(PORTS)]:
            raise Failure(f"{len(infos)} blocks of show port info all")
        if len({value[1] for value in values}) != PORTS:
            raise Failure("ports have one address")
        stats = dts.stats_blocks(self.switch.command("show port stats all").replace("\n", "\r\n"))
        if len(stats) != PORTS:
            raise Failure(f"{len(stats)} blocks of show port stats all")
        out = self.switch.command("show port summary all")
        if f"Number of available ports: {PORTS}" not in out:
            raise Failure(f"show port summary all: {out[:200]!r}")

    @check("scale.traffic")
    def traffic(self):
        """First and last port exchange frames, every one counted, beside guests that are silent."""
        with contextlib.ExitStack() as stack:
            for path in self.silent:
                frontend = Frontend(path)
                stack.callback(frontend.close)
                frontend.negotiate()
            self.loop("packed_mergeable")
        if self.switch.quit() != 0:
            raise Failure("exit status of quit")
        self.spoiled = True
