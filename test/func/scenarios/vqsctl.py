# SPDX-License-Identifier: BSD-3-Clause
"""vqsctl at a terminal and on a host with several switches."""

import os
import pathlib
import subprocess

from harness import dts, namespace
from harness.peers import Switch
from harness.process import Process, wait_for

from .base import check
from .cli import Cli, expect


class Vqsctl(Cli):
    """Each check starts what it needs."""

    cpus, seconds = 0.2, 20

    @check("vqsctl.find")
    def check_find(self):
        """The switch that runs is found wherever its socket is; of several none is taken."""
        namespace.require()
        script = self.workdir / "find.sh"
        script.write_text("""set -eu
mount -t tmpfs run /run; cd "$1"; shift; unset XDG_RUNTIME_DIR VQSWITCH_CONTROL
none=$($CTL show worker 2>&1) && exit 3
start() { name=$1; shift; mkdir -p "$name"; "$@" >"$name.log" 2>&1 & pid=$!
    until $CTL -s "$name/control" help >/dev/null 2>&1; do kill -0 $pid || exit 4; sleep 0.1; done; }
start elsewhere "$@" --file-prefix=a -- --state-dir=elsewhere
$CTL show worker
start /run/vqswitch-b "$@" --file-prefix=b -- --state-dir /run/vqswitch-b
several=$($CTL show worker 2>&1) && exit 5
printf '%s\\n' "$none" "$several"
$CTL -s elsewhere/control quit >/dev/null
kill -0 $pid && until $CTL show config >/dev/null 2>&1; do sleep 0.1; done
""", "ascii")
        argv = self.argv(program=Switch.program, ports=0)
        argv = [word for word in argv[:argv.index("--")] if not word.startswith("--file-prefix")]
        out = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", script,
             self.workdir, *argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
            env=os.environ | {"CTL": f"{pathlib.Path(Switch.program).parent}/vqsctl"}, text=True,
            check=False)
        for said in ("Queues (port/queue)", "vqsctl: no switch answers", "vqsctl: several switches run",
                     f"vqsctl -s {self.workdir}/elsewhere/control ", "vqsctl -s /run/vqswitch-b/control "):
            expect(out.returncode == 0 and said in out.stdout, f"{said!r}: {out.returncode}, {out.stdout}")

    @check("vqsctl.prompt")
    def check_vqsctl_prompt(self):
        """At a terminal TAB completes commands and ports, and lines come back."""
        control = self.workdir / "control"
        argv = self.argv("-a", program=Switch.program)
        argv[argv.index("--no-control")] = f"--control={control}"
        switch = self.own(Process("prompted", argv, self.workdir))
        switch.spawn()
        wait_for("control socket", control.exists, 60, alive=[switch])
        # the second one has the history of the first
        for typed in (b"show port summ\tnet_vhost1\n", b"\x10\n"):
            shell = self.own(dts.Shell("history", self.workdir)).start()
            os.write(shell.master, (f"HOME={self.workdir} TERM=dumb {pathlib.Path(Switch.program).parent}"
                                    f"/vqsctl -s {control}\n").encode())
            self.read_until(shell, b"vqswitch> ")
            os.write(shell.master, typed)
            self.read_until(shell, b"Number of available ports: 2")
            self.read_until(shell, b"vqswitch> ")
            os.write(shell.master, b"\x04")
            self.read_until(shell, f"{dts.SHELL_PROMPT} ".encode())
            self.disown(shell)
        path = self.workdir / "here.vqs"
        path.write_text("set burst 6\n", "ascii")
        done = subprocess.run([pathlib.Path(Switch.program).parent.resolve() / "vqsctl", "-s", control,
                               "load", "here.vqs"], cwd=self.workdir, stdout=subprocess.PIPE, check=False)
        expect(done.returncode == 0 and b"set to 6" in done.stdout, f"a relative path: {done.stdout}")
