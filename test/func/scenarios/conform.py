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
from .replay import beside

GROUPS = ("negotiate", "order", "format", "ring", "chain", "event", "reset", "reconnect", "log",
          "fault")
# what the switch does not offer
SKIPPED = {"negotiate.config-space", "negotiate.mtu"}
DOCUMENT = pathlib.Path(__file__).parents[3] / "doc" / "conformance.md"
TABLE = "<!-- made by test/func/run conformance.table -->\n"
PEERS = ("vqswitch", "testpmd", "ovs")
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


class Conform(Scenario):
    """The switch."""

    seconds = 30

    def setup(self):
        self.backend([Port(self.path("here")), Port(self.path("there"))])

    @check("conform.{}", GROUPS)
    def group(self, group):
        """Every check of a group passes; those that are skipped are known."""
        results = conform("--settle=0", "--hostile", f"--check={group}.*",
                          self.path("here"), self.path("there"))
        failed = [f"{r.name}: {r.text}" for r in results if r.verdict == "FAIL"]
        if failed:
            raise Failure("; ".join(failed))
        skipped = {r.name for r in results if r.verdict == "SKIP"}
        if skipped != {name for name in SKIPPED if name.startswith(f"{group}.")}:
            raise Failure(f"skipped: {' '.join(sorted(skipped))}")
        return f"{len(results) - len(skipped)} checks"


FEW = "--check=format.*"


class Peers(WithOvs):
    """Results of each back-end."""

    def of_vqswitch(self):
        """The results of the switch."""
        ports = [Port(self.path("here")), Port(self.path("there"))]
        self.backend(ports)
        return conform("--settle=0", *[port.path for port in ports])

    def of_testpmd(self, *words):
        """Those of dpdk-testpmd with two vhost ports."""
        ports = [Port(self.path("pmd-here")), Port(self.path("pmd-there"))]
        self.own(TestpmdVhost("testpmd", self.workdir, ports)).start()
        return conform(*words, *[port.path for port in ports])

    def of_ovs(self, *words):
        """Those of Open vSwitch with two vhost ports in a bridge, which connect to the sockets."""
        self.require_ovs()
        self.start_ovs()
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


class Conformance(Peers):
    """Makes the table of doc/conformance.md."""

    on_demand = True
    cpus, seconds = 2, 400

    @check("conformance.table")
    def table(self):
        """All checks but the hostile ones, all back-ends."""
        with futures.ThreadPoolExecutor() as pool:
            runs = {peer: pool.submit(getattr(self, f"of_{peer}")) for peer in PEERS}
        by_peer = {peer: {r.name: r for r in run.result()} for peer, run in runs.items()}
        paragraphs = dict(line.split(None, 1) for line in subprocess.run(
            [beside("vqconform"), "--list"], capture_output=True, text=True, check=True,
            timeout=60).stdout.splitlines())
        words = {"PASS": "yes", "FAIL": "**no**", "SKIP": "-"}
        lines = ["| check | paragraph | vqswitch | testpmd | Open vSwitch |", "|---|---|---|---|---|"]
        notes = []
        for name, paragraph in paragraphs.items():
            found = [by_peer[peer][name] for peer in PEERS]
            lines.append(f"| `{name}` | {paragraph} | "
                         + " | ".join(words[r.verdict] for r in found) + " |")
            notes += [f"* `{name}`, {peer}: {r.text}" for peer, r in zip(PEERS, found)
                      if r.verdict == "FAIL"]
        text = DOCUMENT.read_text("utf-8").split(TABLE)[0]
        lines += ["", "## Failed checks", "", *notes, ""]
        DOCUMENT.write_text(text + TABLE + "\n".join(["", *lines]), "utf-8")
        return "; ".join(f"{peer}: {remark(results.values())}" for peer, results in by_peer.items())
