# SPDX-License-Identifier: BSD-3-Clause
"""vqsctl top: rates of ports and load of workers, as text and on a screen."""

import os
import pathlib
import re
import subprocess

from harness import dts
from harness.peers import EthdevPort, Port, Switch
from harness.process import Failure

from .base import Scenario, check

HOSTILE = "net_null\x1b[2J\x9b"


def expect(condition, what):
    """Fail with that text unless the condition holds."""
    if not condition:
        raise Failure(what)


class Top(Scenario):
    """Two null devices, one with a name that a terminal would obey, and a vhost port."""

    cpus, seconds = 0.5, 20

    def setup(self):
        self.backend([EthdevPort("net_null", size=64), EthdevPort(HOSTILE, size=64),
                      Port(self.path("vhost"))], extra=["--control", self.path("control")])
        self.ctl = [str(pathlib.Path(Switch.program).parent / "vqsctl"), "-s",
                    str(self.path("control"))]

    def top(self, *words):
        """(exit status, output, errors)"""
        done = subprocess.run([*self.ctl, "top", *map(str, words)], capture_output=True, timeout=120,
                              stdin=subprocess.DEVNULL, check=False)
        return done.returncode, done.stdout.decode("ascii"), done.stderr.decode()

    @check("top.text")
    def text(self):
        """Without a terminal one look, with rates; -n more of them; an order of the ports."""
        status, out, _ = self.top("0.5")
        ports = re.findall(r"^ +(\d+) (\S+) +(up|down) +(\S+)", out, re.M)
        expect(status == 0 and [(p[0], p[2]) for p in ports] == [("0", "up"), ("1", "up"), ("2", "down")],
               f"{status}: {out}")
        expect(ports[0][3] not in ("0", "") and ports[2][3] == "0", f"rates: {out}")
        expect("rx_bad_source" in out and "net_null?[2J" in out, f"reason, name: {out!r}")
        expect(re.search(r"^ +0 +\d+ +[1-9]\d*% +\S+ .*0/0 1/0", out, re.M), f"load of the worker: {out}")
        status, out, _ = self.top("-b", "-n", 3, "-o", "drops", "0.1")
        expect(status == 0 and out.count("vqswitch ") == 3, f"three times: {out}")
        expect(all(ids[-1] == "2" for ids in [re.findall(r"^ +(\d+) net_", part, re.M)
                                              for part in out.split("\n\nvqswitch ")]), f"order: {out}")

    @check("top.misused")
    def misused(self):
        """The word that is wrong is named, with those that are taken."""
        for words, said in (((0,), "'0'"), (("x",), "'x'"), (("3601",), "'3601'"), (("nan",), "'nan'"),
                            (("1e1",), "'1e1'"), (("1", "2"), "'2'"), (("-n", "0"), "'0'"),
                            (("-n", "-1"), "'-1'"), (("-n", "99999999999999999999"), "'999999"),
                            (("-o", "age"), "'age'"), (("-z",), "'-z'"), (("-n",), "'-n'")):
            status, out, err = self.top(*words)
            expect(status == 2 and not out and said in err and "expected" in err, f"{words}: {status} {err}")

    @check("top.screen")
    def screen(self):
        """At a terminal it takes keys, says which there are, and leaves the terminal as it was."""
        shell = self.own(dts.Shell("top", self.workdir)).start()
        os.write(shell.master, f"TERM=xterm {' '.join(self.ctl)} top 0.5\n".encode())
        shell.read_until("net_null0", step=1)
        shell.read_until("q quit", step=1)
        os.write(shell.master, b"d")
        shell.read_until("drops)", step=1)
        os.write(shell.master, b"q")
        shell.read_until("\x1b[?1049l", step=1)  # the screen of before
        shell.read_until(dts.SHELL_PROMPT, step=1)
        self.disown(shell)

    @check("top.gone")
    def gone(self):
        """When the switch ends, so does it, with a word about that."""
        child = subprocess.Popen([*self.ctl, "top", "-b", "0.1"], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        try:
            child.stdout.readline()
            self.switch.quit()
            _, err = child.communicate(timeout=60)
        finally:
            child.kill()
            child.wait()
        expect(child.returncode == 2 and b"vqsctl: " in err, f"{child.returncode}: {err}")
        self.spoiled = True
