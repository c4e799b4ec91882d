# SPDX-License-Identifier: BSD-3-Clause
"""The configuration on disk: saved, checked, run again, and kept for the start after a crash."""

import os
import signal

from harness.process import Process, wait_for

from .arguments import Arguments, expect
from .base import check

SETTINGS = ("set port 0 vlan access 5", "set port 0 rate pps 1000", "set fwd mac", "stop",
            "set fdb age 20", "port config mtu 0 1400")


class Config(Arguments):
    """Each check starts the program it needs."""

    cpus, seconds = 0.3, 15

    def setup(self):
        super().setup()
        self.numbers = {}

    def started(self, *options, state, ports=2):
        """(process, client) of a switch; the command line is the same for the same arguments."""
        home = self.workdir / state
        home.mkdir(exist_ok=True)
        self.runs = self.numbers.setdefault(state, 10 * (1 + len(self.numbers)))
        return self.controlled(*options, f"--state-dir={home}", ports=ports)

    def crash(self, process):
        """Kill it with -9."""
        process.kill()
        self.disown(process)

    @staticmethod
    def config(control):
        """Output of "show config"."""
        done, said = control.ask("show config")
        expect(done, said)
        return said

    def command_file(self, text, name="commands.vqs"):
        """Path of a file with that text."""
        path = self.workdir / name
        path.write_text(text, encoding="utf-8")
        return path

    # --- a crash ---

    @check("config.restored")
    def check_restored(self):
        """Settings, a port more and a port less are there again after kill -9, each time."""
        process, control = self.started(state="restored")
        for line in (*SETTINGS, f"port add 7 net_vhost7,iface={self.workdir}/seven",
                     "port detach 1"):
            done, said = control.ask(line)
            expect(done, f"{line}: {said}")
        before = self.config(control)
        for _ in range(2):
            self.crash(process)
            process, control = self.started(state="restored")
            expect(self.config(control) == before, f"{before}\nbecame\n{self.config(control)}")
        expect("restored from" in process.log(), process.log_tail())

    @check("config.each_answer_is_kept")
    def check_each_answer(self):
        """A command that was answered alone outlives a kill -9 right behind the answer."""
        for i, line in enumerate(SETTINGS):
            process, control = self.started(state=f"each{i}")
            before = self.config(control)
            expect(control.ask(line)[0], line)
            changed = self.config(control)
            expect(changed != before, f"{line} changes nothing")
            self.crash(process)
            process, control = self.started(state=f"each{i}")
            expect(self.config(control) == changed, f"{line} is lost")
            self.crash(process)

    @check("config.restored_states")
    def check_restored_states(self):
        """So are what the operator has frozen, queues of devices, and forwarding itself."""
        path = self.command_file("set fdb age 7\n", "no-start.vqs")
        ports = [f"net_vhost{i},iface={self.workdir}/states.{i}" for i in range(2)] + ["net_null0"]
        process, control = self.started(f"--cmdline-file={path}", state="states", ports=ports)
        expect(self.config(control).endswith("start\n"), self.config(control))
        self.crash(process)
        process, control = self.started(f"--cmdline-file={path}", state="states", ports=ports)
        expect(self.config(control).endswith("start\n"), "forwarding is off after a crash")
        for line in ("port stop all", "port config all rxd 512", "port start all", "port quiesce 0",
                     "port state 1 stop"):
            done, said = control.ask(line)
            expect(done, f"{line}: {said}")
        before = self.config(control)
        expect("port quiesce 0\n" in before and "port state 1 stop\n" in before and
               "port config all rxd 512\n" in before, before)
        self.crash(process)
        process, control = self.started(f"--cmdline-file={path}", state="states", ports=ports)
        expect(self.config(control) == before, f"{before}\nbecame\n{self.config(control)}")

    @check("config.restored_behind.{}", ("save", "reload"))
    def check_restored_behind(self, what):
        """A command file that was saved, or edited and run again, is the one they belong to."""
        path = self.command_file("set fdb age 7\n", f"behind-{what}.vqs")
        process, control = self.started(f"--cmdline-file={path}", state=f"behind-{what}")
        if what == "save":
            expect(control.ask("save config")[0], "save")
        else:
            path.write_text("set fdb age 8\n", encoding="utf-8")
            process.child.send_signal(signal.SIGHUP)
            wait_for("the new age", lambda: "set fdb age 8\n" in self.config(control),
                     alive=[process])
        expect(control.ask("set port 0 vlan access 5")[0], "vlan")
        before = self.config(control)
        self.crash(process)
        process, control = self.started(f"--cmdline-file={path}", state=f"behind-{what}")
        expect(self.config(control) == before, f"{before}\nbecame\n{self.config(control)}")

    @check("config.not_restored.{}", ("other_arguments", "other_file", "other_link", "in_order", "no_keep"))
    def check_not_restored(self, why):
        """Another command line or command file is what the operator wants now."""
        path = self.command_file("set fdb age 77\n", f"{why}.vqs")
        if why == "other_link":
            link = self.workdir / "link.vqs"
            link.symlink_to(path)
            path = link
        options = [f"--cmdline-file={path}", *(["--no-keep"] if why == "no_keep" else [])]
        process, control = self.started(*options, state=why)
        first = self.config(control)
        expect(control.ask("set port 0 vlan access 5")[0], "vlan")
        if why == "in_order":
            process.kill(signal.SIGTERM)
            self.disown(process)
            expect(not (self.workdir / why / "running.vqs").exists(), "the file is still there")
        else:
            self.crash(process)
        if why == "other_arguments":
            options.append("--idle-us=7")
        elif why in ("other_file", "other_link"):
            path.write_text("set fdb age 77\n# changed\n", encoding="utf-8")
        _, control = self.started(*options, state=why)
        expect(self.config(control) == first, self.config(control))

    @check("config.restore_fails")
    def check_restore_fails(self):
        """Settings that cannot be restored end the start; --no-keep is the way out, as it says."""
        process, control = self.started(state="fails")
        expect(control.ask("set port 0 vlan access 5")[0], "vlan")
        self.crash(process)
        kept = self.workdir / "fails" / "running.vqs"
        kept.write_text(kept.read_text().replace("access 5", "access 5000"), encoding="utf-8")
        self.runs = self.numbers["fails"]
        argv = self.argv(f"--state-dir={self.workdir}/fails", ports=2)
        argv.append(f"--control={self.workdir}/control{self.runs}")
        text = kept.read_text()
        for attempt in range(2):  # the first one must leave all of it to the second
            process = self.own(Process(f"fails{attempt}", argv, self.workdir))
            process.spawn()
            status, said = process.wait_exit(), process.log()
            expect(status == 1 and "access 5000" in said and "--no-keep" in said,
                   f"{status}: {said}")
            expect(kept.read_text() == text, "the settings have changed")
        process = self.own(Process("way-out", [*argv, "--no-keep"], self.workdir))
        process.spawn()
        wait_for("a start without them", lambda: not kept.exists(), alive=[process])

    @check("config.hostile_file.{}", ("truncated", "nul", "directory", "link", "fifo"))
    def check_hostile_file(self, kind):
        """Something else in its place does no harm."""
        home = self.workdir / f"hostile-{kind}"
        home.mkdir(exist_ok=True)
        path = home / "running.vqs"
        if kind == "truncated":
            path.write_text("# for the comm", encoding="utf-8")
        elif kind == "nul":
            path.write_bytes(b"# for\0")
        elif kind == "directory":
            path.mkdir()
        elif kind == "link":
            path.symlink_to("/dev/zero")
        else:
            os.mkfifo(path)
        _, control = self.started(state=home.name)
        expect(control.ask("set port 0 vlan access 5")[0], "vlan")

    @check("config.two_switches")
    def check_two_switches(self):
        """The second one with a state directory leaves the first one's settings alone."""
        _, control = self.started(state="two")
        expect(control.ask("set fdb age 33")[0], "age")
        kept = (self.workdir / "two" / "running.vqs").read_text()
        self.runs = 1000
        second, other = self.controlled(f"--state-dir={self.workdir}/two", ports=1)
        expect(other.ask("set fdb age 44")[0], "age")
        second.kill(signal.SIGTERM)
        self.disown(second)
        expect((self.workdir / "two" / "running.vqs").read_text() == kept, "overwritten")

    # --- a file of the operator's ---

    @check("config.save")
    def check_save(self):
        """The saved file makes the switch again; a failure leaves the old file, and says why."""
        path = self.command_file("set fdb age 77\n", "saved.vqs")
        path.chmod(0o604)
        process, control = self.started(f"--cmdline-file={path}", state="save")
        expect(control.ask("set port 0 vlan access 5")[0], "vlan")
        done, said = control.ask("save config")
        before = self.config(control)
        expect(done and str(path) in said and path.read_text() == before, said)
        expect(path.stat().st_mode & 0o777 == 0o604, f"mode {path.stat().st_mode:o}")
        done, said = control.ask(f"save config {self.workdir}/nosuch/file")
        expect(not done and "nosuch/file" in said and "No such file" in said, said)
        done, said = control.ask(f"save config {self.workdir}")
        expect(not done and str(self.workdir) in said, said)
        expect(not [n for n in os.listdir(self.workdir) if n.startswith("saved.vqs.")], "left over")
        done, said = control.ask("save config /dev/null")
        expect(not done and "/dev/null" in said and not os.path.isfile("/dev/null"), said)
        link = self.workdir / "to-saved"
        link.symlink_to(path)
        path.write_text("", encoding="utf-8")
        expect(control.ask(f"save config {link}")[0] and link.is_symlink(), "the link")
        expect(path.read_text() == before, path.read_text())
        process.kill(signal.SIGTERM)
        self.disown(process)
        _, control = self.started(f"--cmdline-file={path}", state="save")
        expect(self.config(control) == before, self.config(control))

    @check("config.save_needs_a_name")
    def check_save_needs_a_name(self):
        """Without a command file the file has to be named."""
        _, control = self.started(state="name")
        done, said = control.ask("save config")
        expect(not done and "--cmdline-file" in said and "save config FILE" in said, said)

    @check("config.wrong_line")
    def check_wrong_line(self):
        """A command file with a line that fails ends the start, and each such line is named."""
        path = self.command_file("set fdb age 7\nset fdb aeg 7\nset port 9 vlan access 5\n")
        status, said = self.ended(f"--cmdline-file={path}", ports=1)
        expect(status == 1, f"status {status}")
        expect(f"{path}:2: failed: set fdb aeg 7" in said, said[-400:])
        expect(f"{path}:3: failed: set port 9 vlan" in said, said[-400:])

    @check("config.check")
    def check_check(self):
        """--check names every wrong line, and touches nothing, beside the running switch."""
        good = self.command_file("port add 4 net_vhost4,iface=/nosuch/four\nport add 5 net_tap5,iface=x\n"
                                 "set port 4 vlan access 5\nset port 5 rate pps 9\nstart\n"
                                 f"capture start 0 {self.workdir}/none\nsave config\n", "good.vqs")
        text = good.read_text()
        self.started(state="beside")
        self.runs = self.numbers["beside"]
        status, said = self.ended("--check", f"--cmdline-file={good}",
                                  f"--state-dir={self.workdir}/checked", ports=2)
        expect(status == 0 and said.endswith("The configuration is valid\n"), f"{status}: {said}")
        expect(good.read_text() == text and not (self.workdir / "none").exists() and
               not (self.workdir / "checked").exists(), "something was written")
        # a saved file of a switch with a device, by number and by name, and a tunnel over it
        ports = [f"net_vhost0,iface={self.workdir}/saved0", "net_null7,copy=1"]
        _, control = self.started(state="tocheck", ports=ports)
        for line in ("set port net_null7 vlan access 9", "set port 1 rate pps 5", "set port 1 domain 3",
                     "vxlan add vx local 192.0.2.1 underlay net_null7",
                     "vxlan vni 7 domain 0 flood 192.0.2.2", f"save config {self.workdir}/full.vqs"):
            done, said = control.ask(line)
            expect(done, f"{line}: {said}")
        for given in (ports, []):
            self.runs = 3000
            status, said = self.ended("--check", f"--cmdline-file={self.workdir}/full.vqs", ports=given)
            expect(status == 0 and "is valid" in said, f"{status}: {said}")
        bad = self.command_file("set fdb aeg 7\n" * 20 + "port add 4 net_vhost4,ifcae=x\n"
                                "set port 4 vlan access 5\nset fdb age 7\n", "bad.vqs")
        status, said = self.ended("--check", f"--cmdline-file={bad}", ports=2)
        expect(status == 1 and "is valid" not in said, f"{status}: {said}")
        named = [int(line.split(":")[1]) for line in said.splitlines()
                 if line.startswith(f"{bad}:")]
        expect(named == list(range(1, 23)), f"{named}: {said}")
        status, said = self.ended("--check", ports=["net_vhost0,iface=x,queues=0"])
        expect(status == 1 and "queues" in said, f"{status}: {said}")

    @check("config.reload")
    def check_reload(self):
        """SIGHUP runs the command file again, and ends nothing."""
        path = self.command_file("set fdb age 7\n", "reload.vqs")
        process, control = self.started(f"--cmdline-file={path}", state="reload")
        for text, age in (("set fdb age 8\n", 8), ("set fdb age nine\nset fdb age 10\n", 10)):
            path.write_text(text, encoding="utf-8")
            process.child.send_signal(signal.SIGHUP)
            wait_for("the new age", lambda a=age: f"set fdb age {a}\n" in self.config(control),
                     alive=[process])
        expect("set fdb age nine" in process.log(), process.log_tail())
