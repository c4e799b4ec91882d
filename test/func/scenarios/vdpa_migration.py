# SPDX-License-Identifier: BSD-3-Clause
"""Live migration of a guest whose frames hardware moves, here and there."""

import re

from harness.guest import Guest, Nic
from harness.peers import EthdevPort, Port
from harness.process import Failure, wait_for

from .base import Link, check, transfer_finish, transfer_start
from .migration import PINGS, SLOW, Migration, migrated, ping_on
from .pair import MODERN
from .vdpa import datapath

LOG_ALL = 1 << 26
LOGGED = "a migration has writes logged"
SOURCE, TARGET, UPLINK = 1, 2, 3  # ports


class VdpaMigration(Migration):
    """From one simulated device to another one. A second guest is in software, by the uplink."""

    seconds = 100

    def start(self, migrate):
        """The switch, a guest in software and one in hardware that ping each other."""
        paths = [self.path(f"{name}-{migrate}") for name in ("fix", "src", "dst")]
        self.backend([Port(paths[0]), *(
            Port(path, vdpa=f"sim{i}", uplink=UPLINK, migrate=migrate)
            for i, path in enumerate(paths[1:]))] + [EthdevPort("net_ring_w")])
        for device in ("sim0", "sim1"):
            self.switch.command(f"set vdpa {device} wire w{UPLINK}")
            if migrate == "device":
                self.give_log(device)
        here, moving, moved = (Nic(f"52:54:00:06:00:0{host}", path, options=MODERN)
                               for host, path in zip((1, 2, 2), paths))
        a, b = (self.own(Guest(f"{name}-{migrate}", self.workdir, [nic])).start()
                for name, nic in (("fixed", here), ("source", moving)))
        a.wait_ready()
        b.wait_ready()
        self.moves(SOURCE, "sim0")
        link = Link(self, (a, here), (b, moving), accounts=False).connect()
        link.ping_sizes((64, 1400))
        b.background(f"ping -i 0.02 {link.addresses[0]} >{PINGS} 2>&1")
        return link, moved

    def give_log(self, device):
        """It can log its writes."""
        told = self.switch.command("show vdpa")
        features = int(re.search(rf"{device}\b.*?features (0x[0-9a-f]+)", told, re.S)[1], 16)
        self.switch.command(f"set vdpa {device} features {features | LOG_ALL:#x}")

    def moves(self, port, who, *words):
        """Wait until it moves the port's frames, and for the words beside it."""
        try:
            wait_for(f"{who} at port {port}", lambda: (told := datapath(self.switch, port))
                     .startswith(who) and all(word in told for word in words), 60,
                     alive=[self.switch])
        except Failure as e:
            raise Failure(f"{e}: {datapath(self.switch, port)}") from e

    def logs(self):
        """Wait until the front-end has writes logged."""
        wait_for("a dirty log", lambda: re.search(
            "VHOST_F_LOG_ALL *in effect", self.switch.command(f"show port {SOURCE} negotiation")),
            60, alive=[self.switch])

    @check("vdpa.migrate.{}", ("software", "device"))
    def hardware(self, migrate):
        """The arrival of LOG_ALL brings the rings to software, unless the device has a log."""
        def pre_copy():
            self.logs()
            if migrate == "software":
                self.moves(SOURCE, "software", LOGGED)
            elif not datapath(self.switch, SOURCE).startswith("sim0"):
                raise Failure(datapath(self.switch, SOURCE))

        link, moved = self.start(migrate)
        (a, here), (b, _) = link.ends
        transfer_start(a, b, link.addresses[0])
        c = self.move(b, moved, f"target-{migrate}", pre_copy)
        self.moves(TARGET, "sim1")
        transfer_finish(a, c)
        ping_on(c, [a, c, self.switch])
        link.ends = (a, here), (c, moved)
        link.exchange()
        self.moves(TARGET, "sim1")
        self.close()

    @check("vdpa.migrate.cancelled")
    def cancelled(self):
        """Nothing comes of it: hardware has the rings again."""
        link, moved = self.start("software")
        _, (b, _) = link.ends
        uri = f"unix:{self.workdir}/cancelled.migration"
        self.own(Guest("nowhere", self.workdir, [moved], b.arch, incoming=uri)).start()
        b.qmp("migrate-set-parameters", **SLOW)
        b.qmp("migrate", uri=uri)
        self.moves(SOURCE, "software", LOGGED)
        if migrated(b):
            raise Failure("the migration was over before it was cancelled")
        b.qmp("migrate_cancel")
        self.moves(SOURCE, "sim0")
        link.exchange()
        self.close()
