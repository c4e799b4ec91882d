# SPDX-License-Identifier: BSD-3-Clause
"""The archive for a bug report has what a reader needs, and nothing of a guest's."""

import contextlib
import io
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tarfile
import threading
import time

from harness.frontend import BUFFER, Frontend
from harness.peers import Switch
from harness.process import patience, wait_for

from .arguments import Arguments, expect
from .base import check

MAC = bytes.fromhex("020000abcdef")
SECRET = b"the guest's own text"  # in its memory, and in a frame
FILES = {"machine.txt", "cpuinfo", "meminfo", "os-release", "process-limits", "process-status",
         "switch.json", "config.vqs", "why.txt", "ports.json", "counters.json", "drops.json",
         "workers.json", "log.txt", "port-0.txt", "port-1.txt"}


def folders():
    """Those of reports that are being made, and of some that were killed."""
    return set(pathlib.Path("/tmp").glob("vqsctl-report-*"))


def folder_of(pid):
    """The folder that process has open, None: it has none."""
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a program that starts closes what it opens
            found = re.match("/tmp/vqsctl-report-[^/]+", os.readlink(link))
            if found:
                return pathlib.Path(found[0])
    return None


class OneByOne:
    """Stands between a client and a switch, and passes one line on at a time."""

    PAUSE = 0.1  # before a line that came with another one

    def __init__(self, path, switch):
        self.path, self.switch = path, str(switch)
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(path))
        self.server.listen(1)
        self.together = []  # lines that a client did not wait with
        self.threads = [threading.Thread(target=self.serve)]
        self.threads[0].start()

    def serve(self):
        """The only client, until it is gone."""
        client, _ = self.server.accept()
        with client, socket.socket(socket.AF_UNIX) as switch:
            switch.connect(self.switch)
            self.threads.append(threading.Thread(target=self.answer, args=(switch, client)))
            self.threads[1].start()
            while data := client.recv(65536):
                lines = data.splitlines(True)
                self.together += lines[1:]
                for line in lines:
                    switch.sendall(line)
                    time.sleep(self.PAUSE if len(lines) > 1 else 0)
            switch.shutdown(socket.SHUT_RDWR)
            self.threads[1].join()

    @staticmethod
    def answer(switch, client):
        """The words of the switch, as they come."""
        with contextlib.suppress(OSError):
            while data := switch.recv(65536):
                client.sendall(data)

    def close(self):
        """Wait for the client's end."""
        self.threads[0].join(30 * patience())
        self.server.close()


class Report(Arguments):
    """One switch with a guest whose front-end was refused something."""

    cpus, seconds = 0.2, 10

    def report(self, *words, control=None):
        """(exit status, standard output, standard error) of vqsctl report."""
        vqsctl = pathlib.Path(Switch.program).resolve().parent / "vqsctl"
        control = control or self.workdir / f"control{self.runs}"
        done = subprocess.run([vqsctl, "-s", control, "report", *words],
                              cwd=self.workdir, capture_output=True, timeout=60 * patience(), check=False)
        return done.returncode, done.stdout, done.stderr.decode()

    @check("report.content")
    def check_content(self):
        """Its files are there and say what happened; no frame, memory or learned address is."""
        before = folders()
        _, control = self.controlled("-a", "--forward-mode=switch", ports=2)
        path = self.workdir / f"{self.runs}.0.sock"
        wait_for("the port", path.exists, 30)
        guest = Frontend(path)
        guest.negotiate()
        guest.write(BUFFER, bytes(12) + b"\xff" * 6 + MAC + b"\x88\xb5" + SECRET)
        guest.burst(1)
        guest.kick()
        wait_for("the address", lambda: "02:00:00:AB:CD:EF" in control.ask("show fdb")[1].upper(), 30)
        guest.send(99)
        wait_for("the refusal", lambda: "(99) refused" in control.ask("show log")[1], 30)
        status, said, errors = self.report("archive.tar.gz")
        expect((status, said) == (0, b"archive.tar.gz\n"), f"{status}, {said}, {errors}")
        expect(os.stat(self.workdir / "archive.tar.gz").st_mode & 0o777 == 0o600, "its mode")
        with tarfile.open(self.workdir / "archive.tar.gz") as archive:
            files = {m.name.split("/")[1]: archive.extractfile(m).read()
                     for m in archive.getmembers() if m.isfile()}
            expect(len({m.name.split("/")[0] for m in archive.getmembers()} - {"."}) == 1,
                   f"it is not unpacked into a directory of its own: {archive.getnames()}")
            expect(all(m.uid == m.gid == 0 for m in archive.getmembers()), "owners")
        expect(FILES <= set(files), f"missing: {FILES - set(files)}")
        for name, wanted in (("switch.json", b'"version"'), ("config.vqs", b"net_vhost1"),
                             ("port-0.txt", b"(99) refused"), ("port-0.txt", b"SET_MEM_TABLE"),
                             ("port-0.txt", b"link up"), ("port-1.txt", b"no front-end is connected"),
                             ("log.txt", b"front-end connected"), ("machine.txt", b"Linux")):
            expect(wanted in files[name], f"{wanted} in {name}: {files[name][:2000]}")
        expect(b"refused" not in files["port-1.txt"].split(b"--- log ---")[1], "lines of another port")
        for name in ("switch.json", "ports.json", "counters.json", "drops.json", "workers.json"):
            json.loads(files[name])
        for name, text in files.items():
            for secret in (SECRET, MAC, b"02:00:00:ab:cd:ef"):
                expect(secret not in text.lower(), f"{secret} is in {name}")
        expect(folders() <= before, f"files left behind: {folders() - before}")
        guest.close()
        return f"{len(files)} files, {os.stat(self.workdir / 'archive.tar.gz').st_size} bytes"

    @check("report.one_by_one")
    def check_one_by_one(self):
        """No answer is taken for that to another line, however far apart they come."""
        _, control = self.controlled(ports=1)
        between = OneByOne(self.workdir / "between", self.workdir / f"control{self.runs}")
        status, _, errors = self.report("slow.tar.gz", control=between.path)
        between.close()
        expect(status == 0 and not between.together, f"{status}, {errors}, sent at once: {between.together}")
        with tarfile.open(self.workdir / "slow.tar.gz") as archive:
            files = {m.name.split("/")[1]: archive.extractfile(m).read()
                     for m in archive.getmembers() if m.isfile()}
        for name, lines in (("snooping.txt", ("show snooping", "show snooping groups")),
                            ("sflow.txt", ("show sflow",)), ("capture.txt", ("show capture",))):
            wanted = "".join(control.ask(line)[1] for line in lines).encode()
            expect(files[name] == wanted, f"{name}: {files[name][:500]}, not {wanted}")

    @check("report.refused")
    def check_refused(self):
        """A file that is there is not replaced; it goes to a pipe, or to a name of its own."""
        self.controlled(ports=1)
        kept = self.workdir / "kept"
        kept.write_bytes(b"mine")
        status, _, errors = self.report("kept")
        expect(status == 2 and "File exists" in errors and kept.read_bytes() == b"mine", errors)
        expect(self.report("a", "b")[0] == 2, "two names")
        expect(self.report("none/such")[0] == 2, "no such directory")
        status, archive, errors = self.report("-")
        with tarfile.open(fileobj=io.BytesIO(archive)) as piped:
            expect(status == 0 and any(n.endswith("/switch.json") for n in piped.getnames()), errors)
        status, said, errors = self.report()
        expect(status == 0 and said.startswith(b"vqswitch-report-20"), errors)
        expect((self.workdir / said.decode().strip()).stat().st_size > 1000, "its own name")

    @check("report.interrupted.{}", ("INT", "TERM", "HUP"))
    def check_interrupted(self, name):
        """Ended while the switch does not answer: nothing is left behind."""
        switch, control = self.controlled(ports=1)
        control.close()
        archive = self.workdir / f"interrupted-{name}"
        vqsctl = pathlib.Path(Switch.program).resolve().parent / "vqsctl"
        os.kill(switch.child.pid, signal.SIGSTOP)
        with subprocess.Popen([vqsctl, "-s", self.workdir / f"control{self.runs}", "report", archive],
                              env=os.environ | {"LC_ALL": "C"}, stderr=subprocess.DEVNULL) as report:
            try:
                files = wait_for("its files", lambda: folder_of(report.pid), 30)
                report.send_signal(getattr(signal, f"SIG{name}"))
                status = report.wait(30 * patience())
            finally:
                report.kill()  # the end of "with" waits for it
        os.kill(switch.child.pid, signal.SIGCONT)
        expect(status == -getattr(signal, f"SIG{name}"), f"its status is {status}")
        expect(not archive.exists(), "the archive is left behind")
        expect(not files.exists(), "files are left behind")
