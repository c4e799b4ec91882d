# SPDX-License-Identifier: BSD-3-Clause
"""Common parts of scenarios: the life of their processes, and traffic with proof that it was right."""

import collections
import itertools
import re
from typing import Callable, NamedTuple

from harness import peers

from harness.system import wait_carrier

from harness.process import Failure

# payload bytes of a ping: around the header, the MTU, two and more fragments, the largest asked for
PING_SIZES = (64, 65, 128, 511, 1024, 1400, 1472, 1473, 2000, 2952, 4096, 8000, 8900)
PING_ATTEMPTS = 3  # of a size of which one was lost and the switch had it or found no buffer
FULL = "tx_no_buffer"
FILE_MB = 20  # of a file on whose way something happens
# of one that passes: 5500 frames without offloads or buffers for large frames, more than 20 rings of
# 256; 128 large frames, which with pings and acknowledgements are more than such a ring
SHORT_MB = 8
SUM = "sha512sum"  # an emulated 64-bit processor needs half the time of sha256sum for it
RECEIVED = "/tmp/received"


class Check(NamedTuple):
    """A method of a scenario and what it is called with."""
    method: Callable
    arguments: tuple

    def run(self, scenario):
        """Raises when something is wrong; may return a remark."""
        return self.method(scenario, *self.arguments)


def check(name, each=((),)):
    """Make a method of a scenario a check of that name.

    With each, one check for every item of it: the item, or its members when it is a tuple, is
    formatted into the name and passed to the method.
    """
    def mark(method):
        items = [item if isinstance(item, tuple) else (item,) for item in each]
        method.made_checks = {name.format(*item): Check(method, item) for item in items}
        return method
    return mark


class Scenario:
    """Checks that share what setup() builds."""

    cpus = 1       # cores it keeps busy while it runs
    seconds = 20   # it takes on an idle machine, roughly
    on_demand = False  # its checks run only when a pattern names them

    def __init__(self, workdir):
        self.workdir = workdir
        self.processes = []
        self.switch = None
        self.spoiled = False
        self.subnets = itertools.count(1)

    @classmethod
    def checks(cls):
        """{name: Check}, in the order they are written; those of its bases are not among them."""
        return {name: one for member in vars(cls).values()
                for name, one in getattr(member, "made_checks", {}).items()}

    def setup(self):
        """Start what the checks need."""

    def own(self, process):
        """Take care of its end."""
        self.processes.append(process)
        return process

    def disown(self, process):
        """It is ended for good."""
        process.close()
        self.processes.remove(process)

    def intact(self):
        """The next check may use what runs."""
        return not self.spoiled and all(p.alive() for p in self.processes)

    def autopsy(self):
        """Processes that ended without being asked to, for the report of a failed check."""
        return "".join(f"; {p.name} has ended: {p.log_tail()}"
                       for p in self.processes if not p.alive())

    def close(self):
        """End everything, the youngest first."""
        for process in reversed(self.processes):
            process.close()
        self.processes.clear()

    def path(self, name):
        """A socket path of that name."""
        return self.workdir / f"{name}.sock"

    def backend(self, ports, **options):
        """The switch with these ports, started."""
        self.switch = self.own(peers.backend("switch", self.workdir, ports, **options)).start()
        return self.switch

    def address_pair(self):
        """Two addresses of a network that is not in use."""
        net = next(self.subnets)
        return f"10.{net >> 8}.{net & 255}.1", f"10.{net >> 8}.{net & 255}.2"


class Link:
    """Two network cards of guests, addressed to reach each other. Use in a with statement."""

    def __init__(self, scenario, one, two, *, mtu=1500, accounts=True):
        self.scenario = scenario
        self.ends = (one, two)
        self.mtu = mtu
        self.accounts = accounts
        self.addresses = scenario.address_pair()

    def __enter__(self):
        return self.connect()

    def connect(self):
        """Addresses on both ends, and a carrier."""
        for (guest, nic), address in zip(self.ends, self.addresses):
            guest.set_address(nic, f"{address}/24", self.mtu)
            wait_carrier(guest, nic)
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            for guest, nic in self.ends:
                guest.clear_address(nic)
            if self.accounts:
                self.scenario.switch.check_accounts()

    def directions(self):
        """(guest, peer, address of the peer) both ways."""
        (one, _), (two, _) = self.ends
        return (one, two, self.addresses[1]), (two, one, self.addresses[0])

    def drops(self):
        """Frames that the switch has dropped, by the counter's name; None: they cannot be known."""
        drops = collections.Counter()
        if not self.accounts or not hasattr(self.scenario.switch, "all_xstats"):
            return None
        for xstats in self.scenario.switch.all_xstats().values():
            for name, value in xstats.items():
                if "_drop_" in name:
                    drops[re.sub(r"^[rt]x_q\d+_drop_", "", name)] += value
        return +drops

    def ping_sizes(self, sizes=PING_SIZES):
        """Every size both ways, nothing lost by the switch."""
        for guest, _, address in self.directions():
            left = list(sizes)
            for _ in range(PING_ATTEMPTS):
                before = self.drops()
                status, said = guest.run(" ".join(f"""
                    for size in {' '.join(map(str, left))}; do
                        said=$(ping -q -c 3 -i 0.01 -w 60 -W 60 -s $size {address} 2>&1);
                        case "$said" in
                            *" 0% packet loss"*) ;;
                            *) echo $size: $said; break;;
                        esac;
                    done; [ "${{said%% 0% packet loss*}}" != "$said" ]""".split()))
                if status == 0:
                    break
                drops = self.drops() - before if before is not None else None
                # a guest that gets no processor has no memory or no buffer for a large frame
                if drops is None or any(not name.startswith(FULL) for name in drops):
                    raise Failure(f"ping {address}, bytes {said.strip()}; dropped: {drops}")
                left = left[left.index(int(said.split(":", maxsplit=1)[0])):]
            else:
                raise Failure(f"ping {address}, bytes {said.strip()}, three times; dropped: {drops}")

    def transfer_both(self, megabytes=SHORT_MB):
        """A file each way, equal checksums."""
        for receiver, sender, address in self.directions():
            transfer_start(sender, receiver, address, megabytes)
            transfer_finish(sender, receiver, megabytes=megabytes)

    def exchange(self, megabytes=SHORT_MB):
        """The full traffic check."""
        self.ping_sizes()
        self.transfer_both(megabytes)


def file_name(megabytes):
    """The guest's random file of that size."""
    return f"/tmp/file{megabytes}"


def file_sum(guest, megabytes):
    """Checksum of a random file as it was made, which is now when there is none."""
    name = file_name(megabytes)
    return guest.sh(f"[ -f {name}.sum ] || {{ dd if=/dev/urandom of={name} bs=1M count={megabytes} "
                    f"2>/dev/null && {SUM} <{name} >{name}.sum; }}; cat {name}.sum").split()[0]


def transfer_start(sender, receiver, address, megabytes=FILE_MB):
    """The receiver begins to fetch a file of the sender's, which is at that address."""
    file_sum(sender, megabytes)
    receiver.sh(f"rm -f {RECEIVED}*")
    receiver.background(
        f"wget -q -O {RECEIVED} http://{address}{file_name(megabytes)} 2>{RECEIVED}.err; "
        f"echo $? >{RECEIVED}.status; mv {RECEIVED}.status {RECEIVED}.done")


def transfer_finish(sender, receiver, seconds=120, megabytes=FILE_MB):
    """Wait for the file and compare."""
    done, _ = receiver.run(f"wait_for {seconds} [ -f {RECEIVED}.done ]", seconds * 2)
    size = receiver.sh(f"stat -c %s {RECEIVED} || true")
    if done != 0:
        raise Failure(f"{receiver.name} received {size} bytes and no more within {seconds} s")
    if receiver.sh(f"cat {RECEIVED}.done") != "0":
        raise Failure(f"{receiver.name} received {size} bytes, then: "
                      + receiver.sh(f"cat {RECEIVED}.err"))
    got = receiver.sh(f"{SUM} <{RECEIVED}; rm -f {RECEIVED}*").split()[0]
    if got != file_sum(sender, megabytes):
        raise Failure(f"{receiver.name} received {size} bytes, not what {sender.name} sent")
