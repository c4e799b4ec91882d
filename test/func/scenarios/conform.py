# SPDX-License-Identifier: BSD-3-Clause
"""vqconform, the test of back-ends against the specifications.

Of the switch each group of checks has to pass. Results of other back-ends are printed, not judged.
"""

import collections
import pathlib
import re
import subprocess
from concurrent import futures

from harness.peers import Port, TestpmdVhost
from harness.process import Failure

from .base import Scenario, check
from .ovs import WithOvs
from .replay import beside, require_postcopy

GROUPS = ("negotiate", "order", "format", "ring", "chain", "event", "reset", "reconnect", "log",
          "inflight", "fault")
# groups about what a port has with an option only
OPTIONAL = {"iommu": "iommu-support", "postcopy": "postcopy-support"}
# what the switch does not offer
SKIPPED = {"negotiate.config-space", "negotiate.mtu"}
DOCUMENT = pathlib.Path(__file__).parents[3] / "doc" / "conformance.md"
TABLE = "<!-- made by test/func/run conformance.table -->\n"
PEERS = ("vqswitch", "testpmd", "ovs")
PARAGRAPHS = {}  # by check, in the order of checks
RESULT = re.compile(r"(ok|not ok) (\d+) - (\S+) # (.*)")

Result = collections.namedtuple("Result", "name verdict text")  # verdict: PASS, FAIL, SKIP


def parse(tap):
    """The results of a run, [Result], and whether it came to its end."""
    results, plan, why = [], None, {}
    for line in tap.splitlines():
        found = RESULT.fullmatch(line)
        if line.startswith("1.."):
            plan = int(line[3:])
        elif found and found[4].startswith("SKIP "):
            results.append(Result(found[3], "SKIP", found[4].removeprefix("SKIP ")))
        elif found:
            results.append(Result(found[3], "PASS" if found[1] == "ok" else "FAIL", found[4]))
        elif line.startswith("# "):
            name, _, text = line[2:].partition(": ")
            why[name] = text
    results = [r._replace(text=why.get(r.name, r.text)) for r in results]
    return results, plan == len(results)


def conform(*words, seconds=600):
    """Run vqconform: [Result]. Fails unless it comes to its end."""
    done = subprocess.run([beside("vqconform"), *map(str, words)], capture_output=True, text=True,
                          timeout=seconds, check=False)
    results, whole = parse(done.stdout)
    if not whole:
        raise Failure(f"vqconform: {done.returncode}: {(done.stdout + done.stderr)[-600:]}")
    return results


def remark(results):
    """How many, and which failed."""
    count = collections.Counter(r.verdict for r in results)
    failed = " ".join(r.name for r in results if r.verdict == "FAIL")
    return (f"{count['PASS']} passed, {count['FAIL']} failed, {count['SKIP']} not offered"
            + (f"; failed: {failed}" if failed else ""))


def all_pass(scenario, group):
    """Every check of a group passes at the switch; those that are skipped are known."""
    results = conform("--settle=0", "--hostile", f"--check={group}.*",
                      scenario.path("here"), scenario.path("there"))
    failed = [f"{r.name}: {r.text}" for r in results if r.verdict == "FAIL"]
    if failed:
        raise Failure("; ".join(failed))
    skipped = {r.name for r in results if r.verdict == "SKIP"}
    if skipped != {name for name in SKIPPED if name.startswith(f"{group}.")}:
        raise Failure(f"skipped: {' '.join(sorted(skipped))}")
    return f"{len(results) - len(skipped)} checks"


class Conform(Scenario):
    """The switch."""

    seconds = 30

    def setup(self):
        self.backend([Port(self.path("here")), Port(self.path("there"))])

    @check("conform.{}", GROUPS)
    def group(self, group):
        """Of what every port has."""
        return all_pass(self, group)


class ConformOptional(Scenario):
    """The switch with an option."""

    cpus, seconds = 0.3, 15

    @check("conform.{}", OPTIONAL)
    def group(self, group):
        """Of what ports have with it."""
        option = {OPTIONAL[group]: 1}
        self.backend([Port(self.path(name), **option) for name in ("here", "there")])
        if group == "postcopy":
            require_postcopy(self.path("here"))
        remarks = all_pass(self, group)
        self.switch.quit()
        self.disown(self.switch)
        return remarks


FEW = "--check=format.*"


class Peers(WithOvs):
    """Results of each back-end; options are those of vhost ports."""

    def of_vqswitch(self, *words, **options):
        """The results of the switch."""
        ports = [Port(self.path("here"), **options), Port(self.path("there"), **options)]
        self.backend(ports)
        return conform("--settle=0", *words, *[port.path for port in ports])

    def of_testpmd(self, *words, **options):
        """Those of dpdk-testpmd with two vhost ports."""
        ports = [Port(self.path("pmd-here"), **options), Port(self.path("pmd-there"), **options)]
        self.own(TestpmdVhost("testpmd", self.workdir, ports)).start()
        return conform("--settle=150", *words, *[port.path for port in ports])

    def of_ovs(self, *words, **options):
        """Those of Open vSwitch with two vhost ports in a bridge, which connect to the sockets."""
        self.require_ovs()
        self.start_ovs(*[f"other_config:vhost-{option}=true" for option in options])
        paths = [self.path("ovs-here"), self.path("ovs-there")]
        for number, path in enumerate(paths):
            port = f"vhost{number}"
            self.vsctl("add-port", self.bridge, port, "--", "set", "Interface", port,
                       "type=dpdkvhostuserclient", f"options:vhost-server-path={path}")
        return conform("--listen", *words, *paths, seconds=1200)


class ConformTestpmd(Peers):
    """Printed, not judged."""

    cpus, seconds = 1, 30

    @check("conform.testpmd")
    def testpmd(self):
        """A group of them: conformance.table takes minutes for all."""
        return remark(self.of_testpmd(FEW))


class ConformOvs(Peers):
    """Printed, not judged."""

    cpus, seconds = 1, 60  # it tries to connect once a second

    @check("conform.ovs")
    def ovs(self):
        """As testpmd."""
        return remark(self.of_ovs(FEW))


class Table:
    """The table in the document: rows by check, notes by check and back-end."""

    WORDS = {"PASS": "yes", "FAIL": "**no**", "SKIP": "-"}
    HEAD = ["", "| check | paragraph | vqswitch | testpmd | Open vSwitch |", "|---|---|---|---|---|"]

    def __init__(self):
        self.before, _, text = DOCUMENT.read_text("utf-8").partition(TABLE)
        self.rows = {row[1]: row[0] for row in re.finditer(r"\| `(\S+)` \|.*", text)}
        self.notes = {(note[1], note[2]): note[0]
                      for note in re.finditer(r"\* `(\S+)`, (\w+): .*", text)}

    def take(self, by_peer):
        """In place of older results of these checks."""
        for name, paragraph in PARAGRAPHS.items():
            found = {peer: by_peer[peer][name] for peer in PEERS if name in by_peer[peer]}
            if len(found) < len(PEERS):
                continue
            self.rows[name] = (f"| `{name}` | {paragraph} | "
                               + " | ".join(self.WORDS[r.verdict] for r in found.values()) + " |")
            for peer, result in found.items():
                self.notes.pop((name, peer), None)
                if result.verdict == "FAIL":
                    self.notes[name, peer] = f"* `{name}`, {peer}: {result.text}"

    def write(self):
        """In the order of the checks."""
        rows = [self.rows[name] for name in PARAGRAPHS if name in self.rows]
        notes = [self.notes[name, peer] for name in PARAGRAPHS for peer in PEERS
                 if (name, peer) in self.notes]
        lines = [*self.HEAD, *rows, "", "## Failed checks", "", *notes, ""]
        DOCUMENT.write_text(self.before + TABLE + "\n".join(lines), "utf-8")


class Conformance(Peers):
    """Makes the table of doc/conformance.md."""

    on_demand = True
    cpus, seconds = 2, 400

    def tabulate(self, *words, **options):
        """Run all back-ends at once; their results are in the table then."""
        PARAGRAPHS.update(line.split(None, 1) for line in subprocess.run(
            [beside("vqconform"), "--list"], capture_output=True, text=True, check=True,
            timeout=60).stdout.splitlines())
        with futures.ThreadPoolExecutor() as pool:
            runs = {peer: pool.submit(getattr(self, f"of_{peer}"), *words, **options)
                    for peer in PEERS}
        by_peer = {peer: {r.name: r for r in run.result()} for peer, run in runs.items()}
        table = Table()
        table.take(by_peer)
        table.write()
        return "; ".join(f"{peer}: {remark(results.values())}" for peer, results in by_peer.items())

    @check("conformance.table")
    def table(self):
        """All checks but the hostile ones, with ports as they are by default."""
        return self.tabulate(*[f"--check={group}.*" for group in GROUPS])

    @check("conformance.optional")
    def optional(self):
        """Those of what ports have with options only."""
        return self.tabulate(*[f"--check={group}.*" for group in OPTIONAL],
                             **dict.fromkeys(OPTIONAL.values(), 1))
