# SPDX-License-Identifier: BSD-3-Clause
"""Big-endian guests: modern ones, whose rings are little-endian, and legacy ones, whose are not."""

from harness.guest import Guest, Nic
from harness.peers import Port, TestpmdVhost
from harness.process import Failure, wait_for

from .base import Link, Scenario, check
from .pair import KINDS

X86_KINDS = {kind: KINDS[kind] for kind in ("split", "packed", "split.nomrg", "split.mq", "legacy",
                                            "notso")}
# max_revision=0: the guest gets no further than the legacy interface
LEGACY, MODERN = {"max_revision": 0}, {"max_revision": 2}
# kind: device options, queue pairs
S390X_KINDS = {
    "legacy": (LEGACY, 1),
    "legacy.nomrg": (LEGACY | {"mrg_rxbuf": "off"}, 1),
    "modern": (MODERN, 1),
    "packed": (MODERN | {"packed": "on"}, 1),
    "modern.nomrg": (MODERN | {"mrg_rxbuf": "off"}, 1),
    "modern.mq": (MODERN, 2),
}
VERSION_1 = 32
REFUSAL = "vhost-user trying to send unhandled ioctl"


class S390x(Scenario):
    """Two s390x guests and an x86 one, a card of each kind, everything to everything that differs."""

    seconds = 110
    PAIRS = (
        [("modern", "x86.split"), ("packed", "x86.packed"), ("modern.nomrg", "x86.split.nomrg"),
         ("modern.mq", "x86.split.mq"), ("modern", "x86.notso"), ("modern", "x86.legacy"),
         ("modern", "s390x.legacy")]
        + [(legacy, peer) for legacy in ("legacy", "legacy.nomrg")
           for peer in (f"s390x.{legacy}", "x86.split", "x86.packed", "x86.legacy", "x86.notso")])

    def setup(self):
        self.ends = {}
        ports, guests = [], []
        for number, (name, arch, kinds) in enumerate((
                ("s", "s390x", S390X_KINDS),
                ("s2", "s390x", {k: S390X_KINDS[k] for k in ("legacy", "legacy.nomrg")}),
                ("x", "amd64", X86_KINDS))):
            nics = {}
            for index, (kind, (options, queues)) in enumerate(kinds.items()):
                path = self.path(f"{name}{index}")
                nics[kind] = Nic(f"52:54:00:01:{number:02x}:{index:02x}", path, queues,
                                 options=options)
                ports.append(Port(path, queues=queues))
            guest = Guest(name, self.workdir, list(nics.values()), arch=arch)
            guests.append(guest)
            prefix = {"s": "", "s2": "s390x.", "x": "x86."}[name]
            self.ends |= {prefix + kind: (guest, nic) for kind, nic in nics.items()}
        self.backend(ports)
        for guest in guests:
            self.own(guest).start()
        for guest in guests:
            guest.wait_ready()

    @check("s390x.{}.to.{}", PAIRS)
    def pair(self, one, two):
        """Full traffic between two ends."""
        for end in (one, two):
            guest, nic = self.ends[end]
            modern = VERSION_1 in guest.features(nic)
            if modern == ("legacy" in end):
                raise Failure(f"{end}: VERSION_1 is {'' if modern else 'not '}negotiated")
        with Link(self, self.ends[one], self.ends[two]) as link:
            link.exchange()
            for end in (one, two):
                self.check_format(end)

    def check_format(self, end):
        """The switch knows what it deals with, and says how it knows."""
        legacy = "legacy-le" if end.startswith("x86") else "legacy-be"
        wanted = legacy if "legacy" in end else "modern"
        paths = [port.path for port in self.switch.ports]
        port = paths.index(self.ends[end][1].path)
        out = self.switch.command(f"show port {port} negotiation")
        how = {"modern": "VIRTIO_F_VERSION_1 was acked",
               "legacy-be": "no VERSION_1, byte order stated by the front-end",
               "legacy-le": "no VERSION_1 and no byte order stated: the host's"}[wanted]
        if f"format {wanted}: {how}" not in out:
            raise Failure(f"{end} is not {wanted} because of {how!r}: {out}")


class Refusal(Scenario):
    """Why this matters: QEMU does not start vhost for such a guest on dpdk-testpmd."""

    cpus, seconds = 0.5, 10

    @check("s390x.legacy.refused-by-testpmd")
    def refused(self):
        """QEMU's own words, and no link on the testpmd side."""
        path = self.path("t")
        testpmd = self.own(TestpmdVhost("testpmd", self.workdir, [Port(path)])).start()
        guest = self.own(Guest("s", self.workdir, [
            Nic("52:54:00:01:00:00", path, options=LEGACY)], arch="s390x")).start()
        guest.wait_ready()
        nic = guest.nics[0]
        guest.set_address(nic, "10.0.0.1/24")
        wait_for("QEMU's refusal", lambda: REFUSAL in guest.log(), 60, alive=[guest, testpmd])
