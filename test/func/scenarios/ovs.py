# SPDX-License-Identifier: BSD-3-Clause
"""Open vSwitch as a peer: its DPDK port drives one of ours through virtio-user."""

import os
import subprocess

from harness import namespace, openvswitch
from harness.debs import DebError

from harness.namespace import Namespace

from harness.peers import EthdevPort, Port
from harness.process import Failure, Process, Skip, wait_for

from .base import PING_SIZES, Link, Scenario, check
from .netns import device


class WithOvs(Scenario):
    """Daemons of OVS with DPDK, and a bridge."""

    def require_ovs(self):
        """Skipped without OVS."""
        try:
            self.files = openvswitch.get()
        except DebError as why:
            raise Skip(f"no Open vSwitch: {why}") from why
        self.bridge = device()

    def daemon(self, name, program, *arguments):
        """A daemon of OVS that keeps its files to itself."""
        process = self.own(Process(name, [program, *arguments], self.workdir))
        process.spawn(env=self.environment)
        return process

    def vsctl(self, *words):
        """Change the configuration; waits until it is in force."""
        done = subprocess.run([self.files.vsctl, "--timeout=30", f"--db=unix:{self.database}", *words],
                              capture_output=True, text=True, check=False, env=self.environment)
        if done.returncode != 0 or done.stderr:
            raise Failure(f"ovs-vsctl {' '.join(words)}: {done.stderr.strip()}")

    def start_ovs(self, *config):
        """A bridge without ports; config: further settings of all."""
        self.database = self.workdir / "db.sock"
        self.environment = dict(os.environ, OVS_RUNDIR=str(self.workdir),
                                OVS_DBDIR=str(self.workdir), OVS_LOGDIR=str(self.workdir))
        subprocess.run([self.files.tool, "create", self.workdir / "conf.db", self.files.schema], check=True,
                       capture_output=True, env=self.environment)
        server = self.daemon("ovsdb-server", self.files.server, self.workdir / "conf.db",
                             f"--remote=punix:{self.database}")
        wait_for("the database", self.database.exists, alive=[server])
        # it adds --in-memory, which excludes --no-huge, unless it finds --legacy-mem
        extra = f"--no-huge --legacy-mem -m 512 --no-pci --no-telemetry --file-prefix={self.bridge}"
        self.vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".",
                   "other_config:dpdk-init=true", f"other_config:dpdk-extra={extra}",
                   "other_config:per-port-memory=true", *config)
        self.daemon("ovs-vswitchd", self.files.vswitchd, f"unix:{self.database}")
        self.vsctl("add-br", self.bridge, "--", "set", "bridge", self.bridge, "datapath_type=netdev")


class Ovs(WithOvs):
    """A namespace behind OVS, another one behind the switch."""

    seconds = 40

    def setup(self):
        namespace.require()
        self.require_ovs()
        self.spaces = [self.own(Namespace(name, self.workdir)).start() for name in ("o0", "o1")]
        veth, tap = device(), device()
        self.backend([Port(self.path("split")), Port(self.path("packed")),
                      EthdevPort("net_tap", iface=tap)])
        self.cards = [self.spaces[0].veth(veth, "veth"), self.spaces[1].take_tap(tap, "tap")]
        self.start_ovs()
        self.vsctl("add-port", self.bridge, veth)

    def connect(self, number, name, options):
        """Ping and transfer through a port OVS makes for it."""
        port = f"vu{number}"
        self.vsctl("add-port", self.bridge, port, "--", "set", "Interface", port, "type=dpdk",
                   f"options:dpdk-devargs=net_virtio_user{number},path={self.path(name)}{options}")
        self.switch.wait_link(number)
        with Link(self, *zip(self.spaces, self.cards)) as link:
            link.ping_sizes([size for size in PING_SIZES if size <= 1472])
            link.transfer_both()
        # OVS itself loses a frame when it goes from one port to another
        self.spoiled = True

    @check("ovs.split")
    def split(self):
        """Split rings."""
        self.connect(0, "split", "")

    @check("ovs.packed")
    def packed(self):
        """Packed rings."""
        self.connect(1, "packed", ",packed_vq=1")
