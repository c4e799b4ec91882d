# SPDX-License-Identifier: BSD-3-Clause
"""Live migration of a guest that pings and receives a file, before the switch-over and across it."""

from functools import partial

from harness.guest import Guest, Nic, Software
from harness.peers import Port

from harness.process import Failure, wait_for

from .base import RECEIVED, Link, Scenario, check, transfer_finish, transfer_start
from .iommu import BEHIND_IOMMU
from .pair import KINDS, MODERN

PINGS = "/tmp/pings"
FAST = {"max_bandwidth": 1 << 30, "downtime_limit": 2000}
SLOW = {"max_bandwidth": 1 << 22, "downtime_limit": 1}  # not done before the file is there


class Migration(Scenario):
    """From one QEMU and port to another QEMU and port on the same switch.

    QEMU 7.2 without KVM forgets the adapter interrupt an s390x guest has not taken yet, after
    which there is never another one: so there the file comes while memory is copied and writes
    are logged, is compared at the target, and nothing is to happen at the switch-over itself.
    """

    seconds = 110

    @check("migrate.{}", ["split", "packed"])
    def x86(self, ring):
        """Pings go on, the file arrives whole."""
        self.migrate(*KINDS[ring], "amd64", ring)

    @check("migrate.iommu")
    def iommu(self):
        """A guest behind an IOMMU: what is written is logged by its physical address."""
        self.migrate(BEHIND_IOMMU, 1, "amd64", "iommu", Software(iommu="strict"))

    @check("migrate.s390x")
    def s390x(self):
        """The file arrives whole while memory is copied; everything works at the target."""
        self.migrate({}, 1, "s390x", "s390x")

    # pylint: disable-next=too-many-arguments, too-many-locals
    def migrate(self, options, queues, arch, tag, software=Software()):
        """One move."""
        paths = [self.path(f"{name}{tag}") for name in ("fix", "src", "dst")]
        with_iommu = software.iommu is not None
        switch = self.backend([Port(path, **{"iommu-support": int(with_iommu)}) for path in paths])
        fixed = Nic("52:54:00:04:00:01", paths[0], queues,
                    options=MODERN if with_iommu else options)
        moving = Nic("52:54:00:04:00:02", paths[1], queues, options=options)
        moved = Nic(moving.mac, paths[2], queues, options=options)
        a = self.own(Guest(f"fixed-{tag}", self.workdir, [fixed], arch)).start()
        b = self.own(Guest(f"source-{tag}", self.workdir, [moving], arch,
                           software=software)).start()
        a.wait_ready()
        b.wait_ready()
        link = Link(self, (a, fixed), (b, moving)).connect()
        link.ping_sizes((64, 8900))
        b.background(f"ping -i 0.02 {link.addresses[0]} >{PINGS} 2>&1")
        transfer_start(a, b, link.addresses[0])
        if arch == "s390x":
            c = self.move(b, moved, f"target-{tag}", partial(fall_silent, b))
            transfer_finish(a, c)
        else:
            c = self.move(b, moved, f"target-{tag}")
            transfer_finish(a, c)
            ping_on(c, [a, c, switch])
        link.ends = (a, fixed), (c, moved)
        link.exchange()
        self.close()

    def move(self, source, nic, name, first=None):
        """Migrate, and switch over when what has to come first has; the guest at its target."""
        uri = f"unix:{self.workdir}/{name}.migration"
        target = self.own(Guest(name, self.workdir, [nic], source.arch, incoming=uri,
                                software=source.software)).start()
        source.qmp("migrate-set-parameters", **(SLOW if first else FAST))
        source.qmp("migrate", uri=uri)
        if first:
            first()
            if migrated(source):
                raise Failure("the migration was over before the file was there")
            source.qmp("migrate-set-parameters", **FAST)
        wait_for("migration", lambda: migrated(source), 180, alive=[source, target])
        wait_for("target to run", lambda: target.qmp("query-status")["status"] == "running", 60,
                 alive=[target])
        self.disown(source)
        target.names = dict(source.names)
        return target


class PostCopy(Scenario):
    """The guest runs at its target before its memory has come; pages come when they are needed."""

    seconds = 100

    @check("migrate.postcopy-{}", ["split", "packed"])
    def x86(self, ring):
        """Pings go on while pages are missing, a file that came meanwhile is whole."""
        options, queues = KINDS[ring]
        paths = [self.path(name) for name in ("fix", "src", "dst")]
        switch = self.backend([Port(path, **{"postcopy-support": 1}) for path in paths])
        fixed = Nic("52:54:00:04:00:01", paths[0], queues, options=options)
        moving = Nic("52:54:00:04:00:02", paths[1], queues, options=options)
        moved = Nic(moving.mac, paths[2], queues, options=options)
        a = self.own(Guest("fixed", self.workdir, [fixed])).start()
        b = self.own(Guest("source", self.workdir, [moving])).start()
        a.wait_ready()
        b.wait_ready()
        link = Link(self, (a, fixed), (b, moving)).connect()
        link.ping_sizes((64, 8900))
        b.background(f"ping -i 0.02 {link.addresses[0]} >{PINGS} 2>&1")
        c = post_copy_begin(self, b, moved)
        ping_on(c, [a, c, switch])
        transfer_start(a, c, link.addresses[0])
        said = switch.command("show port 2 negotiation")
        if post_copied(b):
            raise Failure("all memory was there before it was needed")
        remark = next(line.strip() for line in said.splitlines() if "post-copy:" in line)
        b.qmp("migrate-set-parameters", max_postcopy_bandwidth=FAST["max_bandwidth"])
        wait_for("the rest of the memory", lambda: post_copied(b), 180, alive=[b, c, switch])
        transfer_finish(a, c)
        self.disown(b)
        wait_for("the end of post-copy",
                 lambda: "post-copy:" not in switch.command("show port 2 negotiation"), 60)
        link.ends = (a, fixed), (c, moved)
        link.exchange()
        self.close()
        return remark


def post_copy_begin(scenario, source, nic):
    """Start at the target while the source has most of the memory; the guest there."""
    uri = f"unix:{scenario.workdir}/target.migration"
    target = scenario.own(Guest("target", scenario.workdir, [nic], incoming="defer")).start()
    for guest in (target, source):
        guest.qmp("migrate-set-capabilities",
                  capabilities=[{"capability": "postcopy-ram", "state": True}])
    target.qmp("migrate-incoming", uri=uri)
    source.qmp("migrate-set-parameters", max_bandwidth=SLOW["max_bandwidth"],
               max_postcopy_bandwidth=SLOW["max_bandwidth"])
    source.qmp("migrate", uri=uri)
    wait_for("the first pages", lambda: pages_sent(source) > 1000, 60, alive=[source, target])
    source.qmp("migrate-start-postcopy")
    wait_for("target to run", lambda: target.qmp("query-status")["status"] == "running", 60,
             alive=[source, target])
    target.names = dict(source.names)
    return target


def pages_sent(guest):
    """Pages of memory the outgoing migration has copied."""
    return guest.qmp("query-migrate").get("ram", {}).get("normal", 0)


def post_copied(guest):
    """All memory has left the source."""
    status = guest.qmp("query-migrate").get("status")
    if status not in ("active", "device", "postcopy-active", "completed"):
        raise Failure(f"migration {status}: {guest.log_tail()}")
    return status == "completed"


def migrated(guest):
    """The outgoing migration is complete."""
    status = guest.qmp("query-migrate").get("status")
    if status in ("failed", "cancelled"):
        raise Failure(f"migration {status}: {guest.log_tail()}")
    return status == "completed"


def fall_silent(guest):
    """When it has its file."""
    wait_for("the file", lambda: guest.run(f"[ -f {RECEIVED}.done ]")[0] == 0, 120, alive=[guest])
    guest.sh("killall ping")


def ping_on(guest, alive):
    """The pings go on after the move."""
    before = replies(guest)
    wait_for("pings after the move", lambda: replies(guest) > before + 10, 60, alive=alive)
    guest.sh("killall ping")


def replies(guest):
    """Echo replies so far."""

    return int(guest.sh(f"grep -c 'bytes from' {PINGS} || true"))
