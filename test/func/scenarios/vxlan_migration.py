# SPDX-License-Identifier: BSD-3-Clause
"""Live migration of a guest from one host with EVPN to another, seen from the third."""

import re

from harness.guest import Guest, Nic
from harness.peers import EthdevPort, Port
from harness import peers
from harness.process import Failure, wait_for

from .base import Link, check, transfer_finish, transfer_start
from .migration import FAST, migrated
from .vxlan import INNER_MTU, EvpnHosts, vtep

MAC = "52:54:00:0b:00:01"
INTERVAL_MS = 20
PINGS = "/tmp/pings"


class EvpnMigration(EvpnHosts):
    """The three hosts; the first two have a port for a virtual machine each."""

    seconds = 120

    def start_switch(self, host):
        """A switch whose second port is a vhost-user socket."""
        workdir = self.workdir / f"host{host}.run"
        workdir.mkdir()
        switch = peers.backend(f"switch{host}", workdir,
                               [EthdevPort("net_af_packet", iface="u0"),
                                Port(self.path(f"vm{host}"))], memory=256)
        switch.argv = [*self.spaces[host].enter(), *switch.argv]
        return self.own(switch).start()

    def take_card(self, host):
        """The guest has it."""
        return None

    def wait_joined(self):
        """The VTEPs are there; the guest is not."""
        for host in range(2):
            wait_for(f"VTEPs of host {host}", lambda h=host: len(self.vteps(h)) == 2, 60,
                     alive=[*self.switches, *self.routers])

    def nic(self, host):
        """The guest's card at a host."""
        return Nic(MAC, self.path(f"vm{host}"), 1)

    def settled_at(self, host):
        """Whether all three hosts have the guest's address at this one."""
        other = 1 - host
        return self.place(host, MAC) == (False, 1) and self.kernel_vtep_of(MAC) == vtep(host) and \
            self.place(other, MAC) == (True, self.ports(other)[vtep(host)])

    @check("vxlan.evpn.migrated")
    def migrated(self):
        """A guest moves under pings and a transfer; frames to it follow, the file is whole."""
        fixed = (self.guests[2], self.cards[2])
        source = self.own(Guest("source", self.workdir, [self.nic(0)])).start()
        source.wait_ready()
        link = Link(self, fixed, (source, source.nics[0]), mtu=INNER_MTU, accounts=False).connect()
        link.ping_sizes((64, 1422))
        wait_for("address at host 0", lambda: self.settled_at(0), 30)
        self.guests[2].background(
            f"ping -i {INTERVAL_MS / 1000} {link.addresses[1]} >{PINGS} 2>&1")
        transfer_start(self.guests[2], source, link.addresses[0])
        target = self.move(source)
        wait_for("address at host 1", lambda: self.settled_at(1), 30)
        transfer_finish(self.guests[2], target)
        self.guests[2].sh("killall ping")
        link.ends = fixed, (target, target.nics[0])
        link.exchange()
        return self.outage()

    def move(self, source):
        """The guest at its target."""
        uri = f"unix:{self.workdir}/migration"
        target = self.own(Guest("target", self.workdir, [self.nic(1)], incoming=uri)).start()
        source.qmp("migrate-set-parameters", **FAST)
        source.qmp("migrate", uri=uri)
        wait_for("migration", lambda: migrated(source), 180, alive=[source, target])
        wait_for("target to run", lambda: target.qmp("query-status")["status"] == "running", 60,
                 alive=[target])
        self.disown(source)
        target.names = dict(source.names)
        return target

    def outage(self):
        """The longest run of pings without an answer, as a remark."""
        seen = [int(n) for n in re.findall(r"seq=(\d+)", self.guests[2].sh(f"cat {PINGS}"))]
        if len(seen) < 2:
            raise Failure("no pings were answered")
        longest = max(now - then for then, now in zip(seen, seen[1:]))
        return f"{len(seen)} pings answered, at most {longest - 1} lost in a row at {INTERVAL_MS} ms"
