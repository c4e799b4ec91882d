# SPDX-License-Identifier: BSD-3-Clause
"""Many upgrades, many ports, and guests of other kinds."""

import os
import pathlib
import re
import resource
import signal
import statistics
import struct
import time

from harness.frontend import AREA, Frontend
from harness.guest import Guest, Nic, Software
from harness.peers import Switch
from harness.process import Process, Skip, wait_for

from .base import Link, check, transfer_finish, transfer_start
from .iommu import BEHIND_IOMMU
from .migration import FAST, SLOW, migrated
from .pair import KINDS, MODERN
from .restart import received
from .s390x import LEGACY
from .upgrade import Upgradable, expect

UPGRADES = 100
PORTS = 256
STOP_MS = 50  # for them, if nothing else wants the processor
TRIES = 5


def times(stops):
    """A line about them."""
    return (f"{len(stops)} upgrades stood still for {statistics.median(stops):.1f} ms (median), "
            f"{max(stops):.1f} ms (most): {' '.join(f'{ms:.1f}' for ms in stops)}")


class UpgradeMany(Upgradable):
    """Two guests whose frames are numbered and filled; each byte of those that come is compared."""

    cpus, seconds = 2, 150  # the workers of both processes poll, and no account has the successor

    def setup(self):
        self.generator = pathlib.Path(Switch.program).parents[1] / "test/perf/vqgen"
        if not self.generator.exists():
            raise Skip("the load generator is not beside the switch")
        self.start_switch(2)

    def account(self, load):
        """Its counters so far."""
        before = len(re.findall("^progress", load.log(), re.M))
        load.child.send_signal(signal.SIGUSR1)
        line = wait_for("an account", lambda: re.findall(
            r"^progress (.*)\n", load.log(), re.M)[before:], 60, alive=[load])[0]
        return {name: int(value) for name, value in (one.split("=") for one in line.split())}

    @check("upgrade.hundred.{}", ("split", "packed", "be"))
    def check_hundred(self, layout):
        """Frames both ways are neither lost, doubled nor changed; "be" is legacy big-endian."""
        load = self.own(Process(f"load-{layout}", [
            self.generator, "--mode", "verify", "--layout", layout, "--bidir", "--rate", "20000",
            "--burst", "16", "--window", "200", "--nap", "100", "--duration", "36000",
            *self.paths], self.workdir))
        load.spawn()
        wait_for("frames", lambda: "frames come through" in load.log(), 60, alive=[load])
        stops = [self.upgraded(self.ask("upgrade")) for _ in range(UPGRADES)]
        seen = self.account(load)["received"]
        wait_for("frames after the last one", lambda: (
            time.sleep(0.1), self.account(load)["received"] > seen + 1000)[1], 60, alive=[load])
        faults = {name: n for name, n in self.account(load).items()
                  if n != 0 and name not in ("received", "gap_us")}
        expect(not faults, f"frames {faults}")
        self.disown(load)
        return times(stops)


class UpgradeManyPorts(Upgradable):
    """A guest at each of many ports."""

    cpus, seconds = 1, 60

    def setup(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 16 * PORTS)), hard))
        self.start_switch(PORTS)
        self.guests = []
        for path in self.paths:
            self.guests.append(Frontend(path))
            self.guests[-1].negotiate()

    @check("upgrade.ports")
    def check_ports(self):
        """All of them go on, and stand still for no longer than is said, once in a few times."""
        stops = []
        while not stops or (min(stops) > STOP_MS and len(stops) < TRIES):
            stops.append(self.upgraded(self.ask("upgrade")))
        expect(self.ask("show port stats all").count("NIC statistics") == PORTS,
               "not all ports are there")
        for guest in self.guests:
            guest.burst(1)
            guest.kick()
            guest.ask(1)
        for guest in self.guests:
            wait_for("a frame to be taken", lambda g=guest: struct.unpack(
                "<H", os.pread(g.memory, 2, AREA + 0x2002))[0] == 1)
        return f"{PORTS} ports: {times(stops)}"


class UpgradeOtherGuests(Upgradable):
    """Two real guests of other kinds than two of the same."""

    cpus, seconds = 1, 25

    def transfer(self, ends, upgrades):
        """A file arrives whole both ways, with upgrades on the way; how long each stood still."""
        stops = []
        with Link(self, *ends, accounts=False) as link:
            link.ping_sizes((64, 2000))
            for receiver, sender, address in link.directions():
                transfer_start(sender, receiver, address)
                wait_for("the first megabyte", lambda r=receiver: received(r) > 1 << 20, 60,
                         alive=[end[0] for end in ends])
                stops += [self.upgraded(self.ask("upgrade")) for _ in range(upgrades)]
                transfer_finish(sender, receiver)
            link.ping_sizes()
        return stops


class UpgradeBigEndian(UpgradeOtherGuests):
    """An x86 guest and a legacy s390x guest, whose rings are big-endian."""

    @check("upgrade.s390x")
    def check_s390x(self):
        """TCP between them goes on over many upgrades."""
        self.start_switch(2)
        nics = [Nic(f"52:54:00:0a:00:0{i}", path, options=options)
                for i, (path, options) in enumerate(zip(self.paths, (KINDS["split"][0], LEGACY)))]
        guests = [self.own(Guest(f"g{i}", self.workdir, [nic], arch)).start()
                  for i, (nic, arch) in enumerate(zip(nics, ("amd64", "s390x")))]
        for guest in guests:
            guest.wait_ready()
        return times(self.transfer(list(zip(guests, nics)), 10))


class UpgradeBehindIommu(UpgradeOtherGuests):
    """A guest behind an IOMMU, whose translations come and go, and a plain one."""

    @check("upgrade.iommu")
    def check_iommu(self):
        """Translations go on with the new process, and so does TCP."""
        self.start_switch(2, options={"iommu-support": 1})
        nics = [Nic(f"52:54:00:0b:00:0{i}", path, options=options)
                for i, (path, options) in enumerate(zip(self.paths, (BEHIND_IOMMU, MODERN)))]
        software = (Software(iommu="strict"), Software())
        guests = [self.own(Guest(f"g{i}", self.workdir, [nic], software=soft)).start()
                  for i, (nic, soft) in enumerate(zip(nics, software))]
        for guest in guests:
            guest.wait_ready()
        return times(self.transfer(list(zip(guests, nics)), 10))


class UpgradeMigration(UpgradeOtherGuests):
    """A guest that is migrated, and one that sends it a file."""

    @check("upgrade.migration")
    def check_migration(self):
        """In the middle of the pre-copy: what is written afterwards is logged by the new process."""
        self.start_switch(3)
        nics = [Nic(f"52:54:00:0c:00:0{i}", path, options=MODERN)
                for i, path in enumerate(self.paths[:2])]
        moved = Nic(nics[1].mac, self.paths[2], options=MODERN)
        fixed, source = [self.own(Guest(name, self.workdir, [nic])).start()
                         for name, nic in zip(("fixed", "source"), nics)]
        for guest in (fixed, source):
            guest.wait_ready()
        link = Link(self, (fixed, nics[0]), (source, nics[1])).connect()
        link.ping_sizes((64,))
        uri = f"unix:{self.workdir}/migration"
        target = self.own(Guest("target", self.workdir, [moved], incoming=uri)).start()
        source.qmp("migrate-set-parameters", **SLOW)
        source.qmp("migrate", uri=uri)
        wait_for("the log of writes", lambda: source.qmp("query-migrate").get("status") == "active",
                 60, alive=[source, target])
        transfer_start(fixed, source, link.addresses[0])
        wait_for("the first megabyte", lambda: received(source) > 1 << 20, 60, alive=[source])
        stops = [self.upgraded(self.ask("upgrade")) for _ in range(3)]
        expect(not migrated(source), "the migration was over before")
        source.qmp("migrate-set-parameters", **FAST)
        wait_for("migration", lambda: migrated(source), 180, alive=[source, target])
        wait_for("target to run", lambda: target.qmp("query-status")["status"] == "running", 60,
                 alive=[target])
        self.disown(source)
        target.names = dict(source.names)
        transfer_finish(fixed, target)
        link.ends = (fixed, nics[0]), (target, moved)
        link.exchange()
        return times(stops)
