# SPDX-License-Identifier: BSD-3-Clause
"""Files for programs beside the switch, checked by those programs' own tools."""

import pathlib
import re
import shutil
import subprocess

from harness.debs import Apt, DebError, cache_dir, locked
from harness.peers import EthdevPort, Port
from harness.process import Failure, Skip

from .base import Scenario, check
from .page import expect, fetch, free_port

ROOT = pathlib.Path(__file__).parents[3]
# the rest of a domain that the parts in the README are of
DOMAIN = """<domain type='kvm'><name>vm0</name><memory unit='MiB'>512</memory>{0}
<os><type>hvm</type></os><devices>{1}</devices></domain>"""
ALERTS = ROOT / "config" / "alerts.yml"


def unpacked(package):
    """The files of a package, unpacked beside the system. Skips when it cannot be fetched."""
    root = cache_dir() / package
    root.mkdir(parents=True, exist_ok=True)
    try:
        with locked(root / "lock"):
            if not (root / "complete").exists():
                Apt("amd64", root).unpack([package], root / "files")
                (root / "complete").touch()
    except DebError as e:
        raise Skip(f"{package} cannot be fetched: {e}") from e
    return root / "files"


def promtool(*words, text=None):
    """The output of promtool; fails when it finds anything wrong."""
    tool = unpacked("prometheus") / "usr/bin/promtool"
    done = subprocess.run([tool, *words], input=text, stdout=subprocess.PIPE, timeout=120,
                          stderr=subprocess.STDOUT, check=False, text=True)
    if done.returncode != 0:
        raise Failure(f"promtool {' '.join(map(str, words))}: {done.stdout}")
    return done.stdout


class Recipes(Scenario):
    """A switch with metrics."""

    cpus, seconds = 0.5, 15

    def setup(self):
        self.port = free_port()
        self.backend([EthdevPort("net_null", size=64), Port(self.path("vhost"))],
                     extra=["--metrics", f"127.0.0.1:{self.port}"])

    @check("recipes.metrics")
    def metrics(self):
        """promtool has nothing to say against the names and types of metrics."""
        _, _, text = fetch(self.port, "/metrics", headers={"Accept": "text/plain"})
        expect("vqswitch_forwarding{" in text, "no metrics")
        said = promtool("check", "metrics", text=text)
        expect(not said.strip(), f"promtool: {said}")

    @check("recipes.alerts")
    def alerts(self):
        """Each alert comes when it should, and is about metrics and reasons that there are."""
        promtool("check", "rules", ALERTS)
        promtool("test", "rules", ROOT / "test" / "func" / "data" / "alerts.yml")
        _, _, text = fetch(self.port, "/metrics", headers={"Accept": "text/plain"})
        rules = ALERTS.read_text("utf-8")
        expressions = re.sub(r"^ *(summary|description):.*$", "", rules, flags=re.M)
        for name in set(re.findall(r"\bvqswitch_\w+", expressions)):
            expect(re.search(rf"^{name}[{{ ]", text, re.M), f"no such metric: {name}")
        for reasons in re.findall(r'reason=~?"([^"]+)"', expressions):
            for reason in reasons.split("|"):
                expect(f'reason="{reason}"' in text, f"no such reason: {reason}")
        tested = (ROOT / "test" / "func" / "data" / "alerts.yml").read_text("utf-8")
        for alert in re.findall(r"alert: (\w+)", rules):
            expect(f'alertname="{alert}"' in tested, f"{alert} is not tested")

    @check("recipes.libvirt")
    def libvirt(self):
        """The XML of the README is a domain's by libvirt's schema, as virt-xml-validate applies it."""
        if shutil.which("xmllint") is None:
            raise Skip("needs xmllint (libxml2-utils)")
        readme = (ROOT / "README.md").read_text("utf-8")
        parts = re.search(r"```xml\n(.*?)\n\.\.\.\n(.*?)```", readme, re.S).groups()
        schema = unpacked("libvirt0") / "usr/share/libvirt/schemas/domain.rng"
        for text, status in ((DOMAIN.format(*parts), 0),
                             (DOMAIN.format(*parts).replace("mode='client'", "mode='clientx'"), 3)):
            done = subprocess.run(["xmllint", "--noout", "--relaxng", schema, "-"], input=text, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
            expect(done.returncode == status, f"xmllint: {done.returncode}, {done.stdout}")
