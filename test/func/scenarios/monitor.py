# SPDX-License-Identifier: BSD-3-Clause
"""Events are told to those who follow them, in order; a client that does not read loses them and is told."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess

from harness.control import Control
from harness.frontend import BUFFER, Frontend
from harness.peers import Switch
from harness.process import Process, wait_for

from .arguments import Arguments, expect
from .base import check

MAC = "02:00:00:00:00:01"
CLIENTS = 31  # of the control socket, beside that of start()
CHANGES = 2500  # of one address, too many for a queue and what the kernel keeps for it
KEPT_UP = 100  # changes after which the one that reads has seen all
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z "


def whole(process):
    """The lines a process has written; the last one may still be on its way."""
    text = process.log()
    return text[:text.rfind("\n") + 1]


def source(frontend):
    """One frame of MAC."""
    address = bytes.fromhex(MAC.replace(":", ""))
    frontend.write(BUFFER, bytes(12) + b"\xff" * 6 + address + struct.pack(">H", 0x88b5))
    frontend.burst(1)
    frontend.kick()


def stamps(text):
    """When each change of an address was told, of whole lines."""
    return re.findall(rf"^({STAMP})(?:static|forgotten) .*\n", text, re.M)


def all_stamps(text):
    """When each event was told, of whole lines: the log's too, which a busy machine adds to."""
    return re.findall(rf"^({STAMP}).*\n", text, re.M)


class Monitor(Arguments):
    """Each check starts what it needs."""

    cpus, seconds = 0.3, 15

    def start(self):
        """(switch, control, its path, two ports' sockets), forwarding."""
        switch, control = self.controlled("-a", "--forward-mode=switch", ports=2)
        path = self.workdir / f"control{self.runs}"
        return switch, control, path, [self.workdir / f"{self.runs}.{i}.sock" for i in (0, 1)]

    def follower(self, path, *words):
        """vqsctl monitor, which follows already."""
        vqsctl = pathlib.Path(Switch.program).resolve().parent / "vqsctl"
        # a log of its own: that of an earlier check has events, too
        process = self.own(Process(f"follow{self.runs}.{len(words)}",
                                   [vqsctl, "-s", path, "monitor", *words], self.workdir))
        process.spawn()

        def follows():
            control = Control(path)
            control.ask(f"fdb add {MAC} 0 0")
            control.ask(f"fdb del {MAC} 0")
            control.close()
            return "forgotten" in process.log()

        wait_for("the first events", follows, 30, alive=[process])
        return process

    def told(self, process):
        """The events of a follower as objects."""
        return [json.loads(line) for line in whole(process).splitlines() if line.startswith("{")]

    @check("monitor.events")
    def check_events(self):
        """Ports, connections, negotiations, links, addresses and refusals, as lines and as JSON."""
        switch, control, path, sockets = self.start()
        lines, objects = self.follower(path), self.follower(path, "json")
        before = len(self.told(objects))
        guests = [Frontend(sockets[0]), Frontend(sockets[1])]
        for guest in guests:
            guest.negotiate()
        source(guests[0])
        wait_for("learned", lambda: control.ask("show fdb")[1].count(MAC) == 1, 30, alive=[switch])
        source(guests[1])
        wait_for("moved", lambda: '"moved"' in objects.log(), 30, alive=[switch])
        guests[1].send(99)
        guests[1].closed_by_peer()
        guests[0].close()
        expect(control.ask("port attach net_vhost7,iface=" + str(self.workdir / "late.sock"))[0], "attach")
        expect(control.ask("port detach net_vhost7")[0], "detach")
        wait_for("the last one", lambda: "port-removed" in whole(objects) and "port-removed" in whole(lines),
                 30, alive=[switch])
        events = self.told(objects)[before:]
        short = [(e["event"], e.get("name"), e.get("up", e.get("mac"))) for e in events]
        for port in ("net_vhost0", "net_vhost1"):
            found = [e for e, name, _ in short if name == port and e in ("connected", "negotiated", "link")]
            expect(found[0] == "connected" and "negotiated" in found and found.count("link") >= 1,
                   f"{port}: {short}")
            expect(("link", port, True) in short, f"link of {port}: {short}")
        order = [(e, name) for e, name, _ in short if e in ("learned", "moved")]
        expect(order == [("learned", "net_vhost0"), ("moved", "net_vhost1")], f"addresses: {short}")
        for wanted in (("disconnected", "net_vhost0", None), ("link", "net_vhost0", False),
                       ("port-added", "net_vhost7", None), ("port-removed", "net_vhost7", None)):
            expect(wanted in short, f"{wanted}: {short}")
        agreed = [e for e in events if e["event"] == "negotiated"][-1]
        expect(int(agreed["features"], 16) >> 32 & 1, f"features: {agreed}")
        expect(any(e["event"] == "log" and e["level"] == "warning" for e in events), f"log: {short}")
        expect(all(re.fullmatch(STAMP.strip(), e["time"]) for e in events), "time stamps")
        for wanted in (f"moved mac={MAC} domain=0 port=1", "link port=0 name=net_vhost0 up=true",
                       "port-added port=2 name=net_vhost7"):
            expect(re.search(f"^{STAMP}{wanted}", lines.log(), re.M), f"{wanted!r}: {lines.log()}")
        # the log has the same lines, and a file of commands cannot follow
        expect("net_vhost1: link up" in control.ask("show log")[1], "show log")
        (self.workdir / "follow.vqs").write_text("monitor\n", "ascii")
        expect(not control.ask(f"load {self.workdir}/follow.vqs")[0], "followed by a file")
        return f"{len(events)} events"

    @check("monitor.many")
    def check_many(self):
        """As many as may connect try to follow: the operator can still give commands."""
        switch, control, path, _ = self.start()

        def answer(client):
            control.ask(f"fdb add {MAC} 0 0")
            control.ask(f"fdb del {MAC} 0")
            with contextlib.suppress(BlockingIOError):
                return client.recv(1 << 16)
            return b""

        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                       for _ in range(CLIENTS)]
            for client in clients:
                client.connect(str(path))
                client.sendall(b"monitor\nshow log\n")
                client.setblocking(False)
                # an event, if it follows
                said = wait_for("an answer", lambda c=client: answer(c), 30, alive=[switch])
                if b"As many clients follow" in said:
                    break
            expect(b"As many clients follow" in said, "all of them follow")
            with contextlib.closing(Control(path)) as operator:
                expect(operator.ask("show fdb")[0], "no command is taken")

    @check("monitor.slow")
    def check_slow(self):
        """One a client that does not read loses events, is told how many, and holds up no one else."""
        switch, control, path, _ = self.start()
        quick = self.follower(path)
        slow = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        slow.connect(str(path))
        slow.sendall(b"monitor\n")
        for change in range(CHANGES):
            control.ask(f"fdb add {MAC} 0 0")
            control.ask(f"fdb del {MAC} 0")
            if change % KEPT_UP == 0:  # on a busy machine the quick one has no processor at times
                wait_for("the quick one", lambda n=change: len(stamps(quick.log())) >= 2 * n, 60,
                         alive=[switch])
        wait_for("all of them", lambda: len(stamps(quick.log())) >= 2 * CHANGES, 60, alive=[switch])
        expect("lost" not in quick.log(), "the quick one has lost some")
        text = self.told_at_last(switch, control, slow)
        told = all_stamps(text)
        text = text[:text.rindex(told[-1])]  # a loss is told before what follows it
        lost = sum(int(n) for n in re.findall(r"^lost events=(\d+)$", text, re.M))
        # what the slow one was told and what it lost is what the quick one was told meanwhile
        expect(lost > 1000, f"lost: {lost}")
        wait_for("the same event", lambda: told[-1] in all_stamps(quick.log()), 30, alive=[switch])
        # by their order: a line of the log is stamped before it is told, by its own thread perhaps
        order = all_stamps(quick.log())
        meanwhile = len(order) - order[::-1].index(told[-1]) - order.index(told[0])
        expect(len(told) + lost == meanwhile, f"told {len(told)}, lost {lost}, of {meanwhile}")
        expect(switch.kill(signal.SIGTERM) == 0, "exit status")
        return f"{lost} of {meanwhile} events lost"

    def told_at_last(self, switch, control, slow):
        """All that a client reads that has not read so far, to a loss and an event after it."""
        slow.setblocking(False)
        text = b""

        def read():
            nonlocal text
            control.ask(f"fdb add {MAC} 0 0")
            control.ask(f"fdb del {MAC} 0")
            with contextlib.suppress(BlockingIOError):
                text += slow.recv(1 << 20)
            return re.search(rb"^lost events=.*\n.*\n", text, re.M)

        wait_for("the loss", read, 60, alive=[switch])
        slow.close()
        return text.decode()

    @check("monitor.pager")
    def check_pager(self):
        """vqsctl does not keep what a program behind it does not read: that is lost as well."""
        switch, control, path, _ = self.start()
        vqsctl = pathlib.Path(Switch.program).resolve().parent / "vqsctl"
        with contextlib.ExitStack() as stack:
            pager = stack.enter_context(subprocess.Popen([vqsctl, "-s", path, "monitor"],
                                                         stdout=subprocess.PIPE))
            stack.callback(pager.kill)
            pipe = pager.stdout.fileno()
            os.set_blocking(pipe, False)
            text = b""

            def change(n):
                for _ in range(n):
                    control.ask(f"fdb add {MAC} 0 0")
                    control.ask(f"fdb del {MAC} 0")

            def told(pattern):
                nonlocal text
                change(1)
                with contextlib.suppress(BlockingIOError):
                    text += os.read(pipe, 1 << 20)
                return re.search(pattern, text, re.M)

            wait_for("the first events", lambda: told(rb"forgotten"), 30, alive=[switch])
            change(CHANGES)
            wait_for("the loss", lambda: told(rb"^lost events=\d+\n"), 30, alive=[switch])
        return re.search(rb"^lost .*", text, re.M)[0].decode()

    @check("monitor.upgrade")
    def check_upgrade(self):
        """An upgrade is told, and vqsctl follows the process that goes on; a failed one is told, too."""
        _, control, path, _ = self.start()
        follower = self.follower(path, "json")
        expect(not control.ask("upgrade /bin/false", 60)[0], "an upgrade to /bin/false")
        expect(control.ask("upgrade", 60)[0], "upgrade")

        def goes_on():
            again = Control(path)
            again.ask(f"fdb add {MAC} 0 0")
            again.ask(f"fdb del {MAC} 0")
            again.close()
            kinds = [e.get("stage", e["event"]) for e in self.told(follower)]
            return "done" in kinds and "forgotten" in kinds[kinds.index("done"):]

        wait_for("events of the next process", goes_on, 30, alive=[follower])
        stages = [e["stage"] for e in self.told(follower) if e["event"] == "upgrade"]
        expect(stages == ["failed", "begun", "done"], f"stages: {stages}")
        last = Control(path)
        last.ask("quit")
        last.close()
        expect(follower.wait_exit(30) == 2, "the end of the switch")

    @check("monitor.control-bytes")
    def check_control_bytes(self):
        """A port's name does nothing to the terminal of one who follows."""
        _, control, path, _ = self.start()
        lines = self.follower(path)
        expect(control.ask("port attach net_null\x1b[2J")[0], "attach")
        wait_for("the event", lambda: "net_null" in whole(lines), 30)
        expect("name=\"net_null\\u001B[2J\"" in lines.log() and "\x1b" not in lines.log(), lines.log())
