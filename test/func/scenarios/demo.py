# SPDX-License-Identifier: BSD-3-Clause
"""The demonstration of `run --demo`."""

import pathlib
import subprocess
import sys

from harness.peers import Port
from harness.process import Failure

from .base import Scenario, check

DEMO = pathlib.Path(__file__).parent.parent / "demo"


class Demo(Scenario):
    """The demo's own account of it."""

    seconds = 25

    @check("demo")
    def demo(self):
        """Two guests meet."""
        paths = [self.path(name) for name in ("vm0", "vm1")]
        self.backend([Port(path) for path in paths])
        done = subprocess.run([sys.executable, DEMO, *paths], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
        if done.returncode != 0 or "everything arrived" not in done.stdout:
            raise Failure(f"the demo ended with {done.returncode}: {done.stdout.strip()}")
