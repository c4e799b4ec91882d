# SPDX-License-Identifier: BSD-3-Clause
"""vqsctl at a terminal and on a host with several switches."""

import os
import pathlib
import signal
import subprocess

from harness import dts, namespace, pcapng
from harness.control import Control
from harness.peers import Switch
from harness.process import Process, wait_for

from .base import check
from .cli import Cli, expect


class Vqsctl(Cli):
    """Each check starts what it needs."""

    cpus, seconds = 0.2, 20

    @check("vqsctl.find")
    def check_find(self):
        """The switch that runs is found wherever its socket is; of several none is taken.

        A process of another user that has the name and options of a switch is none.
        """
        namespace.require()
        script = self.workdir / "find.sh"
        script.write_text("""set -eu
mount -t tmpfs run /run; cd "$1"; shift; unset XDG_RUNTIME_DIR VQSWITCH_CONTROL
none=$($CTL show worker 2>&1) && exit 3
start() { name=$1; shift; mkdir -p "$name"; "$@" >"$name.log" 2>&1 & pid=$!
    until $CTL -s "$name/control" help >/dev/null 2>&1; do kill -0 $pid || exit 4; sleep 0.1; done; }
start elsewhere "$@" --file-prefix=a -- --state-dir=elsewhere
mkdir /run/other; cp /bin/sh /run/other/vqswitch
python3 -c 'import socket, time
s = socket.socket(socket.AF_UNIX); s.bind("/run/other/s"); s.listen(); time.sleep(999)' &
setpriv --reuid 65534 --clear-groups /run/other/vqswitch -c 'sleep 999; :' sh --control=/run/other/s &
until [ -S /run/other/s ] && grep -qs =/run/other/s "/proc/$!/cmdline"; do kill -0 $!; sleep 0.1; done
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

    def frames_of(self, data):
        """How many frames a pcapng stream has; fails when a block is not whole."""
        path = self.workdir / "stream.pcapng"
        path.write_bytes(data)
        return len(pcapng.read(path))

    @check("vqsctl.capture")
    def check_capture(self):
        """Frames come to standard output and into a FIFO while they are sent; no reader holds up."""
        control = self.workdir / "captured.control"
        argv = self.argv("--forward-mode=io", program=Switch.program, ports=0)
        argv[argv.index("--no-control")] = f"--control={control}"
        argv[1:1] = ["--vdev=net_null0,size=64", "--vdev=net_null1,size=64"]
        switch = self.own(Process("captured", argv, self.workdir))
        switch.spawn()
        wait_for("control socket", control.exists, 60, alive=[switch])
        ctl = [pathlib.Path(Switch.program).parent / "vqsctl", "-s", control]

        def ask(*words):
            done = subprocess.run([*ctl, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=60, check=False)
            return done.returncode, done.stdout

        def ended():
            return b": ended" in ask("show", "capture")[1]

        wait_for("answers", lambda: ask("help")[0] == 0, 30, alive=[switch])
        done = subprocess.run([*ctl, "capture", "0", "count", "50"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60, check=False)
        expect(done.returncode == 0 and self.frames_of(done.stdout) == 50, f"50 frames: {done.stderr}")
        expect(b"Capture of port 0 to a client: ended" in done.stderr, f"said: {done.stderr}")
        # a reader that ends, and one that does not read
        for reader in ("head -c 4096 >/dev/null", "setpriv --pdeathsig KILL sleep 3600"):
            running = self.own(Process("running", ["sh", "-c", f"{ctl[0]} -s {control} capture all | "
                                                   f"{reader}"], self.workdir))
            running.spawn()
            wait_for("a capture", lambda: b"a client" in ask("show", "capture")[1], 30)
            if "sleep" in reader:
                wait_for("losses", lambda: b"lost: 0" not in ask("show", "capture")[1], 60)
                expect(ask("capture", "stop")[0] == 0 and ended(), "stop")
                running.kill()
            else:
                wait_for("its end", ended, 30)
            self.disown(running)
        fifo = self.workdir / "fifo"
        os.mkfifo(fifo)
        expect(b"Refused: No such device" in ask("capture", "start", "0", fifo)[1], "without a reader")
        with subprocess.Popen(["cat", fifo], stdout=subprocess.PIPE) as reader:
            wait_for("the reader", lambda: ask("capture", "start", "0", fifo, "count", "9")[0] == 0)
            expect(self.frames_of(reader.stdout.read()) == 9, "frames in the FIFO")
        expect("passes a pipe or socket" in Control(control).ask("capture live 0")[1], "no descriptor")
        expect(ask("capture", "7") == (1, b"Invalid port 7\n"), "no such port")
        expect(switch.kill(signal.SIGTERM) == 0, "exit status")
