#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""usage: test_results.py

How results are told: a test that passes at the second attempt is FLAKY, counted and named at the
end, by every runner; checks are listed without the libraries that only running them needs.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "func"))

# pylint: disable=wrong-import-position
from harness import schedule
from harness.process import Failure


class Unsteady:
    """A scenario with a check that passes from its second attempt on."""
    cpus, seconds, attempts = 1, 1, 0

    class Check:
        """As the decorator of real scenarios makes them."""

        def __init__(self, name):
            self.name = name

        def run(self, scenario):
            """unsteady fails in the first scenario, never fails in each, steady in none."""
            if self.name == "never" or self.name == "unsteady" and scenario.number == 1:
                raise Failure(f"attempt {scenario.number}")

    def __init__(self, _workdir):
        Unsteady.attempts += 1
        self.number, self.spoiled = Unsteady.attempts, False

    @classmethod
    def checks(cls):
        """{name: check}"""
        return {name: cls.Check(name) for name in ("unsteady", "steady", "never")}

    def setup(self):
        """Starts nothing."""

    def intact(self):
        """Whether its processes can go on."""
        return not self.spoiled

    def autopsy(self):
        """Adds nothing to a failure."""
        return ""

    def close(self):
        """Ends nothing."""


def run(argv, **kw):
    """x; it must end with status 0."""
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True, **kw).stdout


class Results(unittest.TestCase):
    """Of meson, of scenarios, of ./check."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()  # pylint: disable=consider-using-with
        self.addCleanup(self.folder.cleanup)

    def log(self, name, **results):
        """A log as meson writes it."""
        path = pathlib.Path(self.folder.name, name)
        path.write_text("".join(json.dumps({"name": f"p:unit / {test}", "result": result,
                                            "duration": 1, "stdout": f"output of {test}"}) + "\n"
                                for test, result in results.items()), encoding="utf-8")
        return path

    def test_meson(self):
        """The second log is that of the tests that failed."""
        first = self.log("1", good="OK", bad="FAIL", slow="TIMEOUT")
        again = self.log("2", bad="FAIL", slow="OK")
        self.assertEqual(run([HERE / "results.py", "--failed", first]), "bad\nslow\n")
        lines = run([HERE / "results.py", "unit.x", first, again]).splitlines()
        self.assertEqual([line for line in lines if not line.startswith(" ")], [
            "PASS unit.x.good (1.0 s)", "FAIL unit.x.bad (1.0 s) fail",
            "FLAKY unit.x.slow the first attempt failed: timeout", "PASS unit.x.slow (1.0 s)"])

    def test_scenarios(self):
        """A check that failed is repeated with new processes."""
        Unsteady.attempts = 0
        bench = schedule.Bench(Unsteady, pathlib.Path(self.folder.name))
        results = [bench.run(name) for name in ("unsteady", "steady", "never")]
        self.assertEqual([(r.verdict, r.flaky) for r in results],
                         [("PASS", "attempt 1"), ("PASS", ""), ("FAIL", "")])
        self.assertEqual(results[2].reason, "attempt 2 -- and again: attempt 3")

    def test_usage(self):
        """A scenario's process says how much of the cores it used."""
        bench = schedule.Bench(Unsteady, pathlib.Path(self.folder.name))
        *results, usage = schedule.run_all([(bench, ["steady"])], 1)
        self.assertEqual([r.verdict for r in results], ["PASS"])
        self.assertIn("planned with cpus 1, seconds 1", str(usage))

    def test_check(self):
        """The last lines of ./check, by its own functions."""
        script = """
            eval "$(sed -n '/^tally() {/,/^}/p; /^finish() {/,/^}/p' check)"
            passed=0 failed=0 skipped=0 flaky=() work=
            shopt -s lastpipe
            printf '%s\\n' 'PASS a (1 s)' 'FLAKY b the first attempt failed: x' 'PASS b (1 s)' |
                tally >/dev/null
            finish"""
        self.assertEqual(run(["bash", "-c", script], cwd=HERE.parent).splitlines(), [
            "1 flaky, passed at the second attempt: b", "2 passed, 0 failed"])

    def check(self, *lines):
        """x by functions of ./check, that build and unpack nothing."""
        script = f"""
            set -uo pipefail
            eval "$(sed -n '/^[a-z_]*() {{/,/^}}/p' check | sed '/^main() {{/,/^}}/d')"
            logs={self.folder.name} state={self.folder.name} work=/dev/null
            unpack() {{ :; }}
            need_build() {{ :; }}
            """
        return run(["bash", "-c", script + "\n".join(lines)], cwd=HERE.parent).splitlines()

    def test_check_long(self):
        """The ends of many logs are one text."""
        lines = self.check("printf 'FAIL a (1 s)\\n%0300000d\\n' 0 | emit")
        self.assertEqual(lines, ["FAIL a (1 s)", "0" * 300000])

    def test_check_ends(self):
        """The process of one track is killed: what it did not tell is missed."""
        lines = self.check("suite() { echo PASS $1 | emit; }", "func() { kill -9 $BASHPID; }", "suites func")
        self.assertIn("PASS func", lines)
        self.assertIn("FAIL guests (0 s) it did not come to its end", lines)
        self.assertEqual([line for line in lines if line.startswith("FAIL")], [lines[-1]])

    def test_check_unpacked(self):
        """A process that goes on when other systems are unpacked is not waited for."""
        lines = self.check("unpack() { sleep 600 & echo $! >$logs/pid; }",
                           "suite() { unpacked; echo PASS $1 | emit; }", "suites arm64",
                           "kill $(<$logs/pid)")
        self.assertIn("PASS arm64", lines)

    def test_list(self):
        """Names of checks, on a machine without scapy."""
        pathlib.Path(self.folder.name, "scapy.py").write_text("raise ImportError\n", encoding="utf-8")
        names = run([HERE / "func" / "run", "--list"],
                    env={**os.environ, "PYTHONPATH": self.folder.name}).split()
        self.assertIn("x86.split", names)
        self.assertEqual(len(names), len(set(names)))


if __name__ == "__main__":
    unittest.main()
