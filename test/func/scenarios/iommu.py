# SPDX-License-Identifier: BSD-3-Clause
"""A guest whose network cards are behind a virtual IOMMU."""

from harness.guest import Guest, Nic
from harness.peers import Port

from .base import Link, Scenario, check
from .pair import MODERN

RINGS = {"split": {}, "packed": {"packed": "on"}, "split.nomrg": {"mrg_rxbuf": "off"}}
BEHIND_IOMMU = MODERN | {"iommu_platform": "on", "ats": "on"}


class Iommu(Scenario):
    """Guest a is behind intel-iommu and unmaps every buffer at once, guest b is not.

    A back-end that drops the frame which missed the IOTLB never gets a ping of seven
    fragments across.
    """

    seconds = 50

    def setup(self):
        ports = {}
        for index, (ring, options) in enumerate(RINGS.items()):
            for side, base in (("a", BEHIND_IOMMU), ("b", MODERN)):
                path = self.path(f"{side}{index}")
                mac = f"52:54:00:03:{ord(side):02x}:{index:02x}"
                ports[side, ring] = Nic(mac, path, options=base | options)
        self.nics = ports
        self.backend([Port(nic.path, **{"iommu-support": 1}) for nic in ports.values()])
        self.a, self.b = (
            self.own(Guest(side, self.workdir, [n for (s, _), n in ports.items() if s == side],
                           iommu="strict" if side == "a" else None)).start()
            for side in "ab")
        for guest in (self.a, self.b):
            guest.wait_ready()

    @check("iommu.{}", RINGS)
    def exchange(self, ring):
        """Full traffic. Without mergeable buffers each for a 64 KiB frame is 19 pages."""
        with Link(self, (self.a, self.nics["a", ring]), (self.b, self.nics["b", ring])) as link:
            link.exchange()
