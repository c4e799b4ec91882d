# SPDX-License-Identifier: BSD-3-Clause
"""Two x86 guests with one network card of every kind each."""

from harness.guest import Guest, Nic
from harness.peers import Port

from harness.process import Failure

from .base import Link, Scenario, check

NO_TSO = {key: "off" for key in ("host_tso4", "host_tso6", "guest_tso4", "guest_tso6", "host_ecn",
                                 "guest_ecn", "guest_ufo", "host_ufo")}
NO_CSUM = {"csum": "off", "guest_csum": "off", "gso": "off"} | NO_TSO
MODERN = {"disable-legacy": "on"}
LEGACY = {"disable-legacy": "off", "disable-modern": "on"}

# kind: device options, queue pairs
KINDS = {
    "split": (MODERN, 1),
    "packed": (MODERN | {"packed": "on"}, 1),
    "split.nomrg": (MODERN | {"mrg_rxbuf": "off"}, 1),
    "packed.nomrg": (MODERN | {"packed": "on", "mrg_rxbuf": "off"}, 1),
    "split.mq": (MODERN, 2),
    "packed.mq": (MODERN | {"packed": "on"}, 2),
    "notso": (MODERN | NO_TSO, 1),
    "nocsum": (MODERN | NO_CSUM, 1),
    "noindirect": (MODERN | {"indirect_desc": "off", "event_idx": "off"}, 1),
    "legacy": (LEGACY, 1),
    "legacy.nomrg": (LEGACY | {"mrg_rxbuf": "off"}, 1),
}

# feature bits that tell the kinds apart
CSUM, GUEST_TSO4, HOST_TSO4, MRG_RXBUF, MQ, INDIRECT, VERSION_1, PACKED = 0, 7, 11, 15, 22, 28, 32, 34


def expected(options, queues):
    """{bit: must be negotiated} for a card with these options."""
    return {
        CSUM: options.get("csum") != "off", GUEST_TSO4: options.get("guest_tso4") != "off",
        HOST_TSO4: options.get("host_tso4") != "off", MRG_RXBUF: options.get("mrg_rxbuf") != "off",
        MQ: queues > 1, INDIRECT: options.get("indirect_desc") != "off",
        VERSION_1: options.get("disable-modern") != "on", PACKED: options.get("packed") == "on",
    }


def check_features(guest, nic):
    """The driver negotiated what the card's options say."""
    features = guest.features(nic)
    for bit, wanted in expected(nic.options, nic.queues).items():
        if (bit in features) != wanted:
            raise Failure(f"{guest.name}: feature bit {bit} is {'not ' if wanted else ''}negotiated "
                          f"(has {sorted(features)})")


def pair_nics(scenario, kinds, **common):
    """({kind: Nic} of guest a, the same of guest b, ports in the order a, b, a, b, ...)."""
    nics, ports = ({}, {}), []
    for index, (kind, (options, queues)) in enumerate(kinds.items()):
        for side in (0, 1):
            path = scenario.path(f"{'ab'[side]}{index}")
            mac = f"52:54:00:00:{side:02x}:{index:02x}"
            nics[side][kind] = Nic(mac, path, queues, options=options, **common)
            ports.append(Port(path, queues=queues))
    return nics[0], nics[1], ports


class X86Pair(Scenario):
    """Every kind to its like, unlike kinds, and what may happen to a guest while the switch runs."""

    seconds = 130
    MIXED = (("split", "packed"), ("split", "notso"), ("packed", "nocsum"), ("legacy", "packed"),
             ("split.nomrg", "legacy.nomrg"), ("split.mq", "legacy"), ("packed.mq", "noindirect"))

    def setup(self):
        self.a_nics, self.b_nics, ports = pair_nics(self, KINDS)
        self.backend(ports)
        self.a, self.b = (
            self.own(Guest(name, self.workdir, list(nics.values()), cpus=2)).start()
            for name, nics in (("a", self.a_nics), ("b", self.b_nics)))
        for guest in (self.a, self.b):
            guest.wait_ready()

    def link(self, one, two, **kw):
        """Guest a's card of one kind with guest b's card of another."""
        return Link(self, (self.a, self.a_nics[one]), (self.b, self.b_nics[two]), **kw)

    @check("x86.{}", KINDS)
    def like(self, kind):
        """Between cards of the same kind."""
        check_features(self.a, self.a_nics[kind])
        check_features(self.b, self.b_nics[kind])
        with self.link(kind, kind) as link:
            link.exchange()

    @check("x86.{}.to.{}", MIXED)
    def unlike(self, one, two):
        """Between cards of different kinds: the switch converts."""
        with self.link(one, two) as link:
            link.exchange()

    @check("x86.jumbo")
    def jumbo(self):
        """Frames of 9000 bytes that are not fragmented."""
        for kind in ("split", "packed", "legacy"):
            with self.link(kind, kind, mtu=9000) as link:
                link.exchange()

    @check("x86.rebind")
    def rebind(self):
        """The driver leaves the device and comes back."""
        for kind in ("split", "packed", "legacy"):
            nic = self.b_nics[kind]
            device = self.b.sh(f"basename $(readlink /sys/class/net/{self.b.nic_name(nic)}/device)")
            driver = "/sys/bus/virtio/drivers/virtio_net"
            self.b.sh(f"echo {device} >{driver}/unbind && echo {device} >{driver}/bind")
            self.b.names.clear()
            with self.link(kind, kind) as link:
                link.exchange()

    def after_restart(self):
        """Traffic on the cards whose rings differ most."""
        for kind in ("split", "packed", "split.mq", "legacy"):
            with self.link(kind, kind) as link:
                link.exchange()

    @check("x86.reboot")
    def reboot(self):
        """The guest reboots, QEMU stays."""
        self.b.reboot()
        self.after_restart()

    @check("x86.qemu-killed")
    def qemu_killed(self):
        """QEMU is killed with traffic on its rings; another one takes its place."""
        link = self.link("split", "split").connect()
        self.a.background(f"ping -i 0.01 -s 1000 -q {link.addresses[1]}")
        self.b.kill()
        self.a.sh("killall ping")
        self.disown(self.b)
        self.b = self.own(Guest("b2", self.workdir, list(self.b_nics.values()), cpus=2)).start()
        self.b.wait_ready()
        self.after_restart()
