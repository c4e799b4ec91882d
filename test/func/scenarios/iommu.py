# SPDX-License-Identifier: BSD-3-Clause
"""Guests whose network cards are behind a virtual IOMMU."""

import dataclasses
import itertools
import re
from typing import NamedTuple

from harness.guest import Guest, Nic, Software
from harness.peers import Port
from harness.process import Failure, Skip

from .base import FILE_MB, Check, Link, Scenario, check
from .pair import MODERN, PACKED

RINGS = {"split": {}, "packed": {"packed": "on"}}
SIZES = (256, 512, 1024)
BEHIND_IOMMU = MODERN | {"iommu_platform": "on"}
NO_MERGEABLE = {"mrg_rxbuf": "off"}
QEMUS = {"installed": Software(), "10": Software("10", "trixie")}
ACCESS_PLATFORM = 33
# how a guest uses its IOMMU, and what its kernel says of it
MODES = {"strict": "DMA", "lazy": "DMA-FQ", "pt": "identity"}
ATS_CAPABILITY = 0xf


class Card(NamedTuple):
    """A network card behind an IOMMU. A ring of 512 or more has pages that lie apart in memory."""
    qemu: str
    mode: str
    ring: str
    size: int
    ats: str

    def __str__(self):
        return f"qemu-{self.qemu}.{self.mode}.{self.ring}.{self.size}.ats-{self.ats}"

    def options(self):
        """Of QEMU's device."""
        return BEHIND_IOMMU | RINGS[self.ring] | {
            "ats": self.ats, "rx_queue_size": self.size, "tx_queue_size": self.size}


# QEMU 10 gives a card on a vhost-user back-end rings of 1024 entries whatever its options say.
REFUSED_SIZE = 256
MADE_SIZES = {"installed": SIZES, "10": (1024,)}


def pairs(qemu):
    """Every card of one QEMU, in pairs of cards of two guests, which use their IOMMUs in other ways.

    Each with ATS has a peer of another kind without.
    """
    kinds = list(itertools.product(RINGS, MADE_SIZES[qemu]))
    far = len(kinds) // 2 + len(kinds) // 6
    modes = list(MODES)
    for mode, other in zip(modes, modes[1:] + modes[:1]):
        for kind, peer in zip(kinds, kinds[far:] + kinds[:far]):
            yield Card(qemu, mode, *kind, "on"), Card(qemu, other, *peer, "off")


def unavailable(qemu):
    """Cards this QEMU cannot make."""
    return [Card(*values) for values in itertools.product([qemu], MODES, RINGS, SIZES, ("on", "off"))
            if values[3] not in MADE_SIZES[qemu]]


# Those of their cards that have ATS name the pairs that always run.
SELECTED = {
    "installed": {("strict", "split", 256), ("strict", "split", 1024), ("pt", "split", 512),
                  ("pt", "packed", 256)},
    "10": {("strict", "split", 1024), ("lazy", "split", 1024)},
}


def selected(qemu):
    """The fewest pairs in which, with those of the other QEMU, every two properties that a card can
    have come together."""
    return [(one, other) for one, other in pairs(qemu) if one[1:4] in SELECTED[qemu]]


def _values(cards):
    """Every two values of two properties that one of the cards has."""
    return {(i, j, card[i], card[j]) for card in cards
            for i, j in itertools.combinations(range(len(Card._fields)), 2)}


def _cards(choose):
    return [card for qemu in QEMUS for pair in choose(qemu) for card in pair]


assert len({*_cards(pairs), *unavailable("10")}) == 72
assert _values(_cards(selected)) == _values(_cards(pairs))


class Behind(Scenario):
    """A guest for each way to use an IOMMU, between them pairs of cards.

    Full traffic between the two of a pair, which is a check for each of them; no frame is dropped
    but for want of buffers. How the guest uses its IOMMU, whether the device has address
    translation services, and which QEMU it is decide which invalidations a back-end is told of: of
    each page, of everything every 10 ms, or of nearly none (lazy without ats in QEMU before 8.0).
    """

    cpus = 1.5
    seconds = 45
    prefix = "iommu"
    qemu = "installed"
    pairs = ()

    @classmethod
    def checks(cls):
        return {f"{cls.prefix}.{card}": Check(cls.exchange, (pair, card))
                for pair in cls.pairs for card in pair} | super().checks()

    def setup(self):
        self.done = set()
        self.nics, self.ports = {}, []
        cards = [card for pair in self.pairs for card in pair]
        for index, card in enumerate(cards):
            self.add_nic(card, card.options(), index)
        self.more_nics()
        self.backend([Port(nic.path, **{"iommu-support": 1}) for nic in self.ports])
        self.guests = {mode: self.guest(mode, mode, [nic for card, nic in self.nics.items()
                                                     if card.mode == mode]) for mode in MODES}
        self.more_guests()
        for guest in self.guests.values():
            guest.wait_ready()

    def add_nic(self, card, options, index):
        """The card's Nic, and its port in the switch."""
        self.nics[card] = Nic(f"52:54:00:03:01:{index:02x}", self.path(f"c{index}"),
                              options=options)
        self.ports.append(self.nics[card])

    def more_nics(self):
        """Other cards of these guests, and of other guests."""

    def more_guests(self):
        """Other guests."""

    def guest(self, name, mode, nics):
        """One, started."""
        software = dataclasses.replace(QEMUS[self.qemu], iommu=mode)
        return self.own(Guest(name, self.workdir, nics, software=software)).start()

    def drops(self):
        """Frames that were dropped, by reason; TCP may fill the ring of a slow guest."""
        return {(port, name): n for port, xstats in self.switch.all_xstats().items()
                for name, n in xstats.items()
                if "_drop_" in name and "_no_buffer_" not in name and n}

    def exchange(self, pair, card):
        """Full traffic with a card of another guest behind an IOMMU, by which both are checked."""
        self.confirm(card)
        if pair in self.done:
            return f"by the traffic of {pair[0]}"
        self.traffic(*((self.guests[one.mode], self.nics[one]) for one in pair))
        self.done.add(pair)
        return ""

    def traffic(self, one, other):
        """All of it between two (guest, nic)."""
        with Link(self, one, other) as link:
            before = self.drops()
            link.exchange(FILE_MB)  # translations come and go as the file does
            after = self.drops()
        if before != after:
            raise Failure(f"frames were dropped: {after}, before {before}")

    def sizes(self, nic):
        """Of the card's rings."""
        said = self.switch.command(f"show port {self.ports.index(nic)} negotiation")
        return [int(size) for size in re.findall(r"queue [01] .*, size (\d+)", said)]

    def confirm(self, card):
        """The card is what its name says."""
        guest, nic = self.guests[card.mode], self.nics[card]
        features = guest.features(nic)
        bus = f"/sys/class/net/{guest.nic_name(nic)}/device/../"
        found = {
            "behind an IOMMU": ACCESS_PLATFORM in features,
            "ring": "packed" if PACKED in features else "split",
            "sizes": self.sizes(nic),
            "use": guest.sh(f"cat {bus}iommu_group/type"),
            "ats": "on" if has_ats(guest.sh(f"od -An -v -tx4 {bus}config")) else "off",
        }
        wanted = {"behind an IOMMU": True, "ring": card.ring, "sizes": [card.size] * 2,
                  "use": MODES[card.mode], "ats": card.ats}
        if found == wanted | {"sizes": [1024, 1024]} != wanted:
            raise Skip("this QEMU makes rings of 1024 entries whatever it is told")
        if found != wanted:
            raise Failure(f"the card is not {wanted} but {found}")


def has_ats(config):
    """Whether a device whose configuration space, in words, this is has translation services."""
    words = [int(word, 16) for word in config.split()]
    at = 0x100
    while 0 < at // 4 < len(words) and words[at // 4] & 0xffff != ATS_CAPABILITY:
        at = words[at // 4] >> 20
    return 0 < at // 4 < len(words)


class Selected(Behind):
    """Guests behind an IOMMU, with QEMU and Linux of this system."""

    pairs = selected("installed")

    def more_nics(self):
        self.nomrg = Card("installed", "strict", "split", 256, "on nomrg")
        self.add_nic(self.nomrg, BEHIND_IOMMU | {"ats": "on"} | NO_MERGEABLE, 0xf0)
        self.plain = Nic("52:54:00:03:02:00", self.path("plain"), options=MODERN)
        self.ports.append(self.plain)

    def more_guests(self):
        self.guests["plain"] = self.guest("plain", None, [self.plain])

    @check("iommu.split.nomrg.to.plain")
    def without_mergeable(self):
        """Full traffic with a guest that has no IOMMU. A buffer for a 64 KiB frame is 19 pages."""
        self.traffic((self.guests["strict"], self.nics[self.nomrg]),
                     (self.guests["plain"], self.plain))


class SelectedLater(Behind):
    """Guests behind an IOMMU, with another QEMU and another Linux."""

    qemu = "10"
    pairs = selected("10")


class Matrix(Behind):
    """Every card behind an IOMMU, with QEMU and Linux of this system."""

    prefix = "iommu-matrix"
    seconds = 160
    on_demand = True
    pairs = tuple(pairs("installed"))


class MatrixLater(Matrix):
    """Every card behind an IOMMU, with another QEMU and another Linux."""

    seconds = 60
    qemu = "10"
    pairs = tuple(pairs("10"))

    @classmethod
    def checks(cls):
        return super().checks() | {f"{cls.prefix}.{card}": Check(cls.not_made, ())
                                   for card in unavailable(cls.qemu)}

    def more_nics(self):
        self.refused = Card(self.qemu, "strict", "split", REFUSED_SIZE, "on")
        self.add_nic(self.refused, self.refused.options(), 0xf0)

    def not_made(self):
        """QEMU makes another card."""
        sizes = self.sizes(self.nics[self.refused])
        if sizes == [REFUSED_SIZE] * 2:
            raise Failure("QEMU makes such a card: test it")
        raise Skip(f"QEMU {self.qemu} makes rings of {sizes[0]} entries whatever its options say")
