# SPDX-License-Identifier: BSD-3-Clause
"""The cases compare measures, and their targets."""

import dataclasses

OURS = "vqswitch"
SWITCHES = (OURS, "testpmd", "ovs")
MEASURED = (*SWITCHES, "limit")
NO_OVS = (OURS, "testpmd")  # what OVS does not serve, or what says nothing new about it
ALONE = (OURS,)


@dataclasses.dataclass(frozen=True)
class Case:
    """Options of vqgen, and what the switch is besides two ports with guests."""

    options: str
    main: bool = False  # of the headline table: more rounds
    ports: int = 2      # all but the busy ones have guests that say nothing
    busy: int = 2
    device: str = ""    # other end of the only guest: gives back what it gets, or makes its own
    queues: int = 1     # pairs of a port
    nulls: int = 0      # instead of guests so many net_null, and half as many workers
    sleeps: bool = False  # the switch is in its default mode, not told to poll
    kind: str = "mpps"  # "mpps", "both" (what the guest sends counts, too), "ns" (p50), "cpu" (%)
    peers: tuple = SWITCHES
    by_name: bool = False  # not by default
    way: str = ""  # "out" or "in" of a VXLAN tunnel, over a device that takes all it gets
    plain: bool = False  # the same way without the tunnel


CASES = {
    "split-64": Case("--frame 64", main=True, peers=MEASURED),
    "split-1518": Case("--frame 1518", main=True, peers=MEASURED),
    "packed-64": Case("--layout packed --frame 64", main=True, peers=MEASURED),
    "packed-1518": Case("--layout packed --frame 1518", main=True, peers=MEASURED),
    "packed-in-order-64": Case("--layout packed --in-order --frame 64"),
    "packed-indirect-64": Case("--layout packed --indirect --frame 64", peers=NO_OVS),
    "packed-event-idx-64": Case("--layout packed --event-idx --frame 64", peers=NO_OVS),
    "split-touch-64": Case("--mode touch --frame 64"),
    "split-100k-macs-64": Case("--mode touch --macs 100000 --frame 64"),
    "split-1000-macs-64": Case("--mode touch --macs 1000 --frame 64"),
    "split-9000": Case("--frame 9000 --rx-buf 9216"),
    "split-tso": Case("--tso 65000 --rx-buf 66000"),
    "split-imix": Case("--frame imix", by_name=True),
    "split-no-mrg-64": Case("--no-mrg --frame 64", peers=NO_OVS),
    "split-indirect-64": Case("--indirect --frame 64", peers=NO_OVS),
    "split-header-alone-64": Case("--indirect --hdr-alone --frame 64", peers=NO_OVS),
    "packed-header-alone-64": Case("--layout packed --indirect --hdr-alone --frame 64",
                                   peers=NO_OVS),
    **{f"queues-{n}-64": Case(f"--frame 64 --queues {n} --flows {16 * n}", queues=n, peers=NO_OVS)
       for n in (2, 4, 8)},
    # testpmd: 32 ports at most
    **{f"pairs-32-burst-{n}-64": Case(f"--frame 64 --burst {n}", ports=64, busy=64,
                                      peers=(OURS, "ovs")) for n in (1, 2, 4, 32)},
    "split-in-order-64": Case("--in-order --frame 64", peers=NO_OVS),
    "split-event-idx-64": Case("--event-idx --frame 64", peers=NO_OVS),
    "split-legacy-64": Case("--legacy --frame 64", peers=NO_OVS),
    "big-endian-64": Case("--layout be --frame 64", peers=ALONE),
    "split-1024-64": Case("--ring 1024 --frame 64", peers=NO_OVS),
    "split-4096-64": Case("--ring 4096 --frame 64", peers=NO_OVS),
    "ports-16-64": Case("--frame 64", ports=16),
    "ports-64-64": Case("--frame 64", ports=64, peers=(OURS, "ovs")),  # testpmd: 32 at most
    "ports-1025-64": Case("--frame 64", ports=1025, peers=ALONE),
    "net-ring-64": Case("--pattern ring --frame 64", device="net_ring0", peers=NO_OVS),
    "net-null-64": Case("--pattern ring --frame 64 --blind", device="net_null0", kind="both",
                        peers=NO_OVS),
    "net-tap-64": Case("--pattern ring --frame 64", device="net_tap0,iface={tap}", peers=NO_OVS),
    **{f"tunnel-{way}-{plain}{size}":
       Case(f"--blind {rate}--frame {size}", way=way, plain=bool(plain), kind=kind,
            peers=(OURS, "ovs"), by_name=True)
       for size in (64, 1450) for plain in ("plain-", "")
       for way, rate, kind in (("out", "", "both"), ("in", "--rate 1 ", "mpps"))},
    "workers-1": Case("", nulls=2, peers=NO_OVS),
    "workers-2": Case("", nulls=4, peers=NO_OVS),
    "latency": Case("--mode latency --rate 10000", kind="ns", peers=MEASURED),
    "latency-wakeup": Case("--mode latency --rate 100", sleeps=True, kind="ns",
                           peers=(OURS, "limit")),
    "idle": Case("--rate 1", ports=4, sleeps=True, kind="cpu"),
}

RENAMED = {"ethdev-64": "net-ring-64"}  # in samples of earlier versions
DEFAULT = [name for name, case in CASES.items() if not case.by_name]
UNITS = {"mpps": "Mpps", "both": "Mpps in+out", "ns": "ns p50", "cpu": "% CPU"}


@dataclasses.dataclass(frozen=True)
class Target:
    """At least `need` times what another is; without another, at most `need`."""

    case: str
    need: float
    peer: str = ""   # of the same case, "best": the best of the other switches
    other: str = ""  # another case, of ours unless a peer is named, too
    cycles: bool = False  # not the rate: cycles of the switch's core, in turns with frames


TARGETS = [
    Target("split-64", 2.7, "testpmd"),
    Target("packed-64", 1.9, "testpmd"),
    Target("split-1518", 2.4, "testpmd"),
    Target("packed-1518", 2.4, "testpmd"),
    *[Target(name, 3, "ovs") for name, case in CASES.items() if case.main],
    Target("split-64", 0.5, "limit"),
    Target("packed-64", 0.5, "limit"),
    Target("split-1518", 0.75, "limit"),
    Target("packed-1518", 0.75, "limit"),
    # at 64 bytes the client does not keep up with the limit
    *[Target(case, 0.5, "limit", cycles=True) for case in ("split-64", "packed-64")],
    Target("split-9000", 1.5, "best"),
    Target("split-tso", 1.5, "best"),
    *[Target(f"split-{n}-macs-64", 0.75, other="split-touch-64") for n in ("1000", "100k")],
    *[Target(f"queues-{n}-64", 0.9, other="split-64") for n in (2, 4, 8)],
    # cycles of a frame at most 1.5 times
    *[Target(f"split-{how}-64", 1 / 1.5, other="split-64")
      for how in ("indirect", "header-alone")],
    *[Target(f"packed-{how}-64", 1 / 1.5, other="packed-64")
      for how in ("indirect", "header-alone")],
    *[Target(f"pairs-32-burst-{n}-64", 1 / 1.5, other="pairs-32-burst-32-64")
      for n in (1, 2, 4)],
    Target("latency", 1, "testpmd"),
    Target("latency-wakeup", 50000),
    Target("latency-wakeup", 0.9, "limit"),  # which sleeps as we do: the rest is the machine's
    Target("idle", 1),
    *[Target(case, 1.3, "testpmd") for case in (
        "split-touch-64", "split-1000-macs-64", "split-100k-macs-64", "queues-2-64", "queues-4-64",
        "queues-8-64", "split-header-alone-64", "packed-header-alone-64", "split-indirect-64",
        "split-in-order-64", "split-event-idx-64", "split-no-mrg-64", "split-legacy-64",
        "split-1024-64", "split-4096-64", "packed-in-order-64",
        "packed-indirect-64", "packed-event-idx-64")],
    # testpmd does not serve such guests: what it does for those of the host's byte order
    Target("big-endian-64", 1, "testpmd", "split-legacy-64"),
    Target("net-ring-64", 1.3, "testpmd"),
    Target("net-null-64", 1.3, "testpmd"),
    Target("net-tap-64", 1.3, "testpmd"),
    Target("ports-16-64", 0.9, other="split-64"),
    Target("ports-64-64", 0.9, other="split-64"),
    Target("ports-1025-64", 0.8, other="split-64"),
    *[Target(f"tunnel-{way}-{size}", 3, "ovs") for size in (64, 1450) for way in ("out", "in")],
    Target("workers-2", 1.8, other="workers-1"),
]
