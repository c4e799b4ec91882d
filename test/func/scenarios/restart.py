# SPDX-License-Identifier: BSD-3-Clause
"""The switch is killed with -9 and started again under guests that keep running."""

from harness.guest import Guest, Nic
from harness.peers import Port

from harness.process import wait_for

from .base import RECEIVED, Link, Scenario, check, transfer_finish, transfer_start
from .pair import KINDS
from .vdpa import datapath

MB = 1 << 20


class Restart(Scenario):
    """Either side may be the socket's server; no guest may need a nudge, no byte may be lost."""

    seconds = 110
    KINDS = (("server", "split"), ("server", "packed"), ("server", "split.mq"),
             ("server", "packed.mq"), ("client", "split"), ("client", "packed"))
    accounts = True  # the switch counts all frames

    def setup(self):
        self.nics, self.ports = ({}, {}), []
        for index, key in enumerate(self.KINDS):
            options, queues = KINDS[key[1]]
            switch_listens = key[0] == "server"
            for side in (0, 1):
                path = self.path(f"{'ab'[side]}{index}")
                self.nics[side][key] = Nic(f"52:54:00:02:{side:02x}:{index:02x}", path, queues,
                                           server=not switch_listens, reconnect=1, options=options)
                self.ports.append(self.port(path, queues=queues,
                                            client=int(not switch_listens)))
        self.backend(self.ports)
        self.a, self.b = (
            self.own(Guest(name, self.workdir, list(nics.values()), cpus=2)).start()
            for name, nics in zip("ab", self.nics))
        for guest in (self.a, self.b):
            guest.wait_ready()

    def port(self, path, **options):
        """The next port."""
        return Port(path, **options)

    def kill_switch(self):
        """Kill it and start it at once with the same command line."""
        self.disown(self.switch)
        self.backend(self.ports)

    def wait_links(self):
        """Until all guests' cards are back. A card that serves no file may come later than the
        one whose file has arrived, and a frame for it is dropped until then."""
        for port in range(len(self.ports)):
            self.switch.wait_link(port)

    @check("restart.{}.{}", KINDS)
    def survives(self, *key):
        """Kill it in the middle of a file; the file arrives whole, and pings go on."""
        self.wait_links()
        with Link(self, (self.a, self.nics[0][key]), (self.b, self.nics[1][key]),
                  accounts=self.accounts) as link:
            link.ping_sizes((64, 2000))
            for receiver, sender, address in link.directions():
                transfer_start(sender, receiver, address)
                wait_for("the first megabyte", lambda r=receiver: received(r) > MB, 60,
                         alive=[self.a, self.b])
                self.kill_switch()
                transfer_finish(sender, receiver)
            link.ping_sizes()


class RestartInHardware(Restart):
    """The same while simulated devices have the rings, whose positions end with the program: the
    next one finds them in the rings."""

    KINDS = (("server", "split"), ("server", "packed"))
    accounts = False

    def port(self, path, **options):
        return super().port(path, vdpa=f"sim{len(self.ports)}", **options)

    @check("restart.hardware.{}.{}", KINDS)
    def survives(self, *key):
        """Before and after it devices move the frames."""
        self.wait_hardware()
        super().survives(*key)
        self.wait_hardware()

    def wait_hardware(self):
        """Until all ports are in hardware."""
        self.wait_links()
        for port in range(len(self.ports)):
            wait_for(f"sim{port}", lambda p=port: datapath(self.switch, p).startswith("sim"), 60,
                     alive=[self.switch])


def received(guest):
    """Bytes of the file that are there."""

    return int(guest.sh(f"stat -c %s {RECEIVED} 2>/dev/null || echo 0"))
