# SPDX-License-Identifier: BSD-3-Clause
"""A guest whose network cards are behind a virtual IOMMU."""

import dataclasses
import itertools

from harness.guest import Guest, Nic, Software
from harness.peers import Port
from harness.process import Failure

from .base import Check, Link, Scenario, check
from .pair import MODERN

RINGS = {"split": {}, "packed": {"packed": "on"}, "split.nomrg": {"mrg_rxbuf": "off"}}
BEHIND_IOMMU = MODERN | {"iommu_platform": "on"}
LATER = Software("10", "trixie")
# rings of 512 and more have several pages, which lie apart in memory
EVERY_CARD = tuple(itertools.product(("split", "packed"), (256, 512, 1024), ("on", "off")))


class Iommu(Scenario):
    """Guest a is behind intel-iommu and unmaps every buffer at once, guest b is not.

    A back-end that drops the frame which missed the IOTLB never gets a ping of seven
    fragments across.
    """

    seconds = 50

    def setup(self):
        ports = {}
        for index, (ring, options) in enumerate(RINGS.items()):
            for side, base in (("a", BEHIND_IOMMU | {"ats": "on"}), ("b", MODERN)):
                path = self.path(f"{side}{index}")
                mac = f"52:54:00:03:{ord(side):02x}:{index:02x}"
                ports[side, ring] = Nic(mac, path, options=base | options)
        self.nics = ports
        self.backend([Port(nic.path, **{"iommu-support": 1}) for nic in ports.values()])
        self.a, self.b = (
            self.own(Guest(side, self.workdir, [n for (s, _), n in ports.items() if s == side],
                           software=Software(iommu="strict" if side == "a" else None))).start()
            for side in "ab")
        for guest in (self.a, self.b):
            guest.wait_ready()

    @check("iommu.{}", RINGS)
    def exchange(self, ring):
        """Full traffic. Without mergeable buffers each for a 64 KiB frame is 19 pages."""
        with Link(self, (self.a, self.nics["a", ring]), (self.b, self.nics["b", ring])) as link:
            link.exchange()


class Behind(Scenario):
    """Guest a has cards of several kinds behind intel-iommu, guest b one card that is not.

    Full traffic between each and that one, no frame dropped but for want of buffers. How the
    guest uses its IOMMU, whether the device has address translation services, and which QEMU it
    is decide which invalidations a back-end hears of: of each page, of everything every 10 ms, or
    of nearly none (lazy without ats in QEMU before 8.0).
    """

    cpus = 1.5
    prefix = "iommu"
    mode = "strict"
    software = Software()
    cards = ()

    @classmethod
    def checks(cls):
        return {f"{cls.prefix}.qemu-{cls.software.qemu or 'installed'}.{cls.mode}."
                f"{ring}.{size}.ats-{ats}": Check(cls.exchange, (ring, size, ats))
                for ring, size, ats in cls.cards}

    def setup(self):
        self.nics = {}
        for index, (ring, size, ats) in enumerate(self.cards):
            options = BEHIND_IOMMU | RINGS[ring] | {
                "ats": ats, "rx_queue_size": size, "tx_queue_size": size}
            self.nics[ring, size, ats] = Nic(f"52:54:00:03:01:{index:02x}",
                                             self.path(f"a{index}"), options=options)
        self.peer = Nic("52:54:00:03:02:00", self.path("b"), options=MODERN)
        cards = list(self.nics.values())
        self.backend([Port(nic.path, **{"iommu-support": 1}) for nic in [*cards, self.peer]])
        self.a = self.own(Guest("a", self.workdir, cards, software=dataclasses.replace(
            self.software, iommu=self.mode))).start()
        self.b = self.own(Guest("b", self.workdir, [self.peer])).start()
        self.a.wait_ready()
        self.b.wait_ready()

    def drops(self, port):
        """Frames of a port that were dropped, by reason; TCP may fill the ring of a slow guest."""
        return {name: n for name, n in self.switch.xstats(port).items()
                if "_drop_" in name and "_no_buffer_" not in name and n}

    def exchange(self, ring, size, ats):
        """Full traffic with one of the cards."""
        card = ring, size, ats
        ends = (self.a, self.nics[card]), (self.b, self.peer)
        port = list(self.nics).index(card)
        with Link(self, *ends) as link:
            before = self.drops(port), self.drops(len(self.nics))
            link.exchange()
            after = self.drops(port), self.drops(len(self.nics))
        if before != after:
            raise Failure(f"frames were dropped: {after}, before {before}")


class Lazy(Behind):
    """Invalidations of everything, with ats; of nearly nothing, without, in QEMU before 8.0."""
    mode = "lazy"
    seconds = 120
    cards = (("split", 256, "off"), ("packed", 512, "off"), ("split", 1024, "on"))


class LazyLater(Behind):
    """Another QEMU and another Linux."""
    mode = "lazy"
    seconds = 120
    software = LATER
    cards = (("split", 1024, "off"), ("packed", 256, "on"))


class PassThrough(Behind):
    """Translations one to one."""
    mode = "pt"
    seconds = 60
    cards = (("packed", 1024, "on"),)


def _matrix():
    """A scenario for each QEMU and use of the IOMMU, with every kind of card."""
    for software, mode in itertools.product((Software(), LATER), ("strict", "lazy", "pt")):
        name = f"Matrix{software.qemu or ''}{mode.title()}"
        yield name, type(name, (Behind,), {
            "__doc__": Behind.__doc__, "__module__": __name__, "prefix": "iommu-matrix",
            "seconds": 500, "on_demand": True, "mode": mode, "software": software,
            "cards": EVERY_CARD})


globals().update(_matrix())
