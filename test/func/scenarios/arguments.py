# SPDX-License-Identifier: BSD-3-Clause
"""Arguments of commands and options: both ends of each, and texts of any kind."""

import json
import os
import pty
import random
import re
import subprocess

from harness import dts
from harness.control import Control
from harness.peers import Switch, eal
from harness.process import Failure, Process, wait_for

from .base import Scenario, check

# a value that is fine, and the ends of the type; None: text
ARGUMENTS = {
    "port_id": ("0", 0, 65535), "port_id|all": ("0", 0, 65535), "queue_id": ("0", 0, 65535),
    "desc_id": ("0", 0, 65535), "size": ("64", 0, 65535), "num": ("3", 0, 2**32 - 1),
    "bursts": ("1", 0, 10000), "value": ("2", 0, 2**32 - 1), "rate": ("1000", 1, 2**64 - 1),
    "length": ("200", 0, 65535), "bytes": ("100", 1, 65535), "frames": ("9", 1, 2**64 - 1),
    "seconds": ("0", 0, 2**32 - 1), "vlan_id": ("5", 0, 65535), "vlan": ("5", 1, 4094),
    "domain": ("0", 0, 4095), "mask": ("0x1", 0, 2**64 - 1), "level": ("5", 0, 8),
    "x[,y]*": ("64", None, None), "x[,y]*|all|vm=NAME": ("0", None, None),
    "a[,b-c]*": ("0", None, None), "XX:XX:XX:XX:XX:XX": ("52:54:00:00:00:01", None, None),
    "mode": ("switch", None, None), "section|all": ("all", None, None),
    "name": ("x", None, None), "file": ("/nosuch/file", None, None),
    "ident": ("net_vhost9", None, None), "path": ("/nosuch/file", None, None),
    "address": ("192.0.2.1", None, None), "vtep[,vtep]*": ("192.0.2.2", None, None),
    "udp_port": ("4789", 1, 65535), "vni": ("5", 1, 2**24 - 1),
    "address[/length]": ("192.0.2.1", None, None), "version": ("0", 0, 2**32 - 1), "seq": ("5", 1, 65535),
    "rule": ("allow", None, None), "name|all": ("all", None, None), "address|auto": ("auto", None, None),
}
GARBAGE = ("-1", "1x", "1.5", "0x", "+1", str(2**64), str(10**30), "''", "1,2")
# any word is one
TEXTS = ("x[,y]*", "x[,y]*|all|vm=NAME", "name", "name|all", "file", "address", "address|auto",
         "address[/length]")
RESTS = ("a[,b-c]*", "ident", "path", "rule", "vtep[,vtep]*")  # and any words
# that act on what the next ones need, or end the program
NOT_TRIED = ("quit", "port detach (port_id)", "port close (port_id|all)")
# lists and texts: none is one number that testpmd takes as nothing
LISTS = ("set txpkts", "set txtimes", "set portlist", "set corelist", "vlan set stripq",
         "set port 0 vlan trunk")
BAD_LISTS = ("", ",", "1,", ",1", "-1", "1-", "3-1", "1--2", "+1", "4294967296", str(2**64),
             str(10**30), "1,x", " -18446744073709551615", "0, -18446744073709551615")


def expect(condition, what):
    """A check within a check."""
    if not condition:
        raise Failure(what)


class Arguments(Scenario):
    """Each check starts the program it needs."""

    cpus, seconds = 0.3, 60

    def setup(self):
        self.runs = 0
        self.testpmd = self.workdir / "dpdk-testpmd"
        if not self.testpmd.exists():
            self.testpmd.symlink_to(Switch.program)

    def argv(self, *options, program=None, ports=0):
        """A command line with idle ports, given as their number or as --vdev arguments."""
        self.runs += 1
        if isinstance(ports, int):
            ports = [f"net_vhost{i},iface={self.workdir}/{self.runs}.{i}.sock,queues=1" for i in range(ports)]
        return [str(program or Switch.program), *eal(f"arg{os.getpid()}.{self.runs}", 2, "128"),
                *(word for port in ports for word in ("--vdev", port)), "--", *options]

    def controlled(self, *options, **kw):
        """(process, client of its control socket)"""
        argv = self.argv(*options, **kw)
        path = self.workdir / f"control{self.runs}"
        process = self.own(Process(f"switch{self.runs}", [*argv, f"--control={path}"], self.workdir))
        process.spawn()
        found = []

        def connected():
            try:
                found.append(Control(path))
            except OSError:  # the file is there before a process listens
                return False
            return True

        wait_for("control socket", connected, 60, alive=[process])
        return process, found[0]

    def ended(self, *options, **kw):
        """Run to its end: (status, output)."""
        result = subprocess.run(self.argv("--no-control", *options, **kw), stdin=subprocess.DEVNULL,
                                timeout=60, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return result.returncode, result.stdout.decode("utf-8", "replace")

    # --- numbers ---

    @staticmethod
    def lines():
        """(syntax, words, i, name) for each argument i of each command; words are fine but for it."""
        said = subprocess.run([Switch.program, "--", "--print-commands"], check=True, timeout=60,
                              stdout=subprocess.PIPE).stdout.decode()
        for syntax in re.findall(r"^- `(.*)`$", said, re.M):
            if syntax in NOT_TRIED:
                continue
            names = [w[1:-1] if w.startswith("(") else "" for w in syntax.split()]
            words = [w if not name else ARGUMENTS[name][0] if name in ARGUMENTS else name.split("|")[0]
                     for w, name in zip(syntax.split(), names)]
            for i, name in enumerate(names):
                if name in ARGUMENTS:
                    yield syntax, words, i, name

    @check("arguments.numbers")
    def check_numbers(self):
        """Both ends of each number of each command are answered, what lies outside is refused."""
        _, control = self.controlled("--forward-mode=switch", ports=2)
        wrong, tried = [], 0
        for syntax, words, i, name in self.lines():
            first, last = ARGUMENTS[name][1:]
            if first is None:
                continue
            # waiting is for what is there: it would take its time
            ends = [first] if name == "seconds" else [first, last]
            outside = [str(last + 1), *GARBAGE] + ([str(first - 1)] if first > 0 else [])
            for value, fine in [(str(v), True) for v in ends] + [(v, False) for v in outside]:
                if not fine and syntax.startswith("port (port_id)") and name == "queue_id":
                    continue
                line = " ".join(value if j == i else word for j, word in enumerate(words))
                if line.startswith("wait ") and name != "seconds" and "(seconds)" not in syntax:
                    continue
                done, said = control.ask(line)
                tried += 1
                if not fine and (done or not said):
                    wrong.append(f"{line!r} is taken: {said!r}")
                if fine and not done and not said:
                    wrong.append(f"{line!r} is refused without an answer")
        expect(tried > 1000, f"only {tried} lines were tried")
        expect(not wrong, f"{len(wrong)} of {tried}: {wrong[:8]}")
        done, said = control.ask("show port summary all")
        expect(done and "Number of available ports: 2" in said, f"afterwards: {said}")

    # --- mistyped lines ---

    @staticmethod
    def rows():
        """[(words of the syntax, words that are fine)] of every command"""
        said = subprocess.run([Switch.program, "--", "--print-commands"], check=True, timeout=60,
                              stdout=subprocess.PIPE).stdout.decode()
        found = []
        for syntax in re.findall(r"^- `(.*)`$", said, re.M):
            # a word is a choice between itself and itself: "vlan" is not "(vlan)"
            names = [w[1:-1] if w.startswith("(") else f"{w}|{w}" for w in syntax.split()]
            found.append((names, [ARGUMENTS[n][0] if n in ARGUMENTS else n.split("|")[0] for n in names]))
        return found

    @staticmethod
    def takes(names, words):
        """Whether the first words of a command can be those, by its syntax."""
        for name, word in zip(names, words):
            if name in RESTS:
                return True
            if name == "mode":
                name = "switch|mac|io"
            if name not in TEXTS and word == "nosuchword":
                return False
            if name not in ARGUMENTS and word not in name.split("|"):
                return False
            if name in ARGUMENTS and name not in TEXTS and not (
                    name.endswith("all") and word == "all") and word[0] not in "0123456789":
                return False
        return True

    @check("arguments.mistyped")
    def check_mistyped(self):
        """A wrong word, a missing one and one too many are named in every command, and what was meant."""
        _, control = self.controlled(ports=2)
        rows, wrong, tried = self.rows(), [], 0

        def refused(words, beginning, expected):
            nonlocal tried
            tried += 1
            done, said = control.ask(" ".join(words))
            if done or not said.startswith(beginning) or not all(e in said for e in expected):
                wrong.append(f"{' '.join(words)!r}: {said!r}, not {beginning!r} with {expected}")

        def takers(words):
            return [names for names, _ in rows if self.takes(names, words)]

        for names, words in rows:
            for i, name in enumerate(names):
                before = " ".join(words[:i])
                expected = [] if i == 0 or name in ("mode", "section|all") else [
                    "ort" if name.startswith("port_id") else "level" if name == "level" else
                    "Ethernet" if name.startswith("XX") else name] if name in ARGUMENTS else name.split("|")
                if not any(len(n) > i for n in takers([*words[:i], "nosuchword"])):
                    refused([*words[:i], "nosuchword", *words[i + 1:]],
                            f"Bad arguments: 'nosuchword' behind \"{before}\": " if i > 0
                            else "Command not found: 'nosuchword'", expected)
                if i > 0 and not any(len(n) == i or n[-1] in RESTS and len(n) < i
                                     for n in takers(words[:i])):
                    refused(words[:i], f"Bad arguments: \"{before}\" is not complete: expected ", expected)
            more = [*words, "nosuchword"]
            if not any(len(n) > len(words) or n[-1] in RESTS for n in takers(more)):
                refused(more, f"Bad arguments: 'nosuchword' behind \"{' '.join(words)}\": ", ["the end"])
        expect(tried > 1000, f"only {tried} lines were tried")
        expect(not wrong, f"{len(wrong)} of {tried}: {wrong[:12]}")
        for line, said in (("shoow port info 0", "Command not found: 'shoow'; did you mean 'show'?\n"),
                           ("zzz", "Command not found: 'zzz'; \"help\" lists the commands\n"),
                           ("show prot info 0", None), ("show port info 0 jsn", None),
                           ("  set  port 0 domaim 3", None), ("why port 0 # all", "Port 0 (net_vhost0): ")):
            _, answer = control.ask(line)
            expect(said is not None or "did you mean" in answer, f"{line}: {answer!r}")
            expect(said is None or answer.startswith(said), f"{line}: {answer!r}")

    @check("arguments.port_names")
    def check_port_names(self):
        """A port by name is the same as by number, in every command and in lists."""
        _, control = self.controlled(ports=2)
        wrong, tried = [], 0
        for names, words in self.rows():
            ids = [i for i, name in enumerate(names) if name.startswith("port_id")]
            if not ids or names[0].startswith("wait") or names[1].startswith(("detach", "close")):
                continue
            named = [f"net_vhost{word}" if i in ids else word for i, word in enumerate(words)]
            answers = [control.ask(" ".join(w)) for w in (words, named, words)]
            tried += 1
            # a command that is done already may say something else
            if answers[1] not in (answers[0], answers[2]):
                wrong.append(f"{' '.join(named)}: {answers}")
        expect(tried > 50, f"only {tried} commands")
        expect(not wrong, f"{len(wrong)} of {tried}: {wrong[:5]}")
        for line, status, said in (
                ("why port net_vhost1", True, "Port 1 (net_vhost1): "),
                ("why port net_vhost", False, "Bad arguments: 'net_vhost' behind"),
                ("why port net_vhost11", False, "Bad arguments: 'net_vhost11' behind"),
                ("port state net_vhost1,0", True, "Port 1: stop\nPort 0: stop\n"),
                ("port state 0-1", True, "Port 0: stop\nPort 1: stop\n"),
                ("port state net_vhost2", False, "'net_vhost2' names no port"),
                ("set portlist net_vhost1,0", True, ""),
                ("set portlist net_vhost1,nosuch", False, "Bad arguments: 'net_vhost1,nosuch': ")):
            done, answer = control.ask(line)
            expect(done == status and answer.startswith(said), f"{line}: {done}, {answer!r}")
        expect("set portlist 1,0\n" in control.ask("show config")[1], "portlist")

    @check("arguments.last_port")
    def check_last_port(self):
        """The last number a port can have is not all ports."""
        _, control = self.controlled(ports=2)
        for line in ("port stop 65535", "port start 65535", "port close 65535", "port reset 65535",
                     "show port stats 65535", "show port info 65535 json", "show drops 65535",
                     "show drops 65535 json", "clear port stats 65535", "clear port xstats 65535",
                     "set promisc 65535 on", "set allmulti 65535 on", "why port 65535",
                     "show limits 65535", "port config 65535 rss x", "port detach 65535",
                     f"capture start 65535 {self.workdir}/none", "wait port 65535 down",
                     "port config 65535 speed 1000 duplex full"):
            done, said = control.ask(line)
            expect(not done and "65535" in said, f"{line}: {said!r}")
        done, said = control.ask("show port summary all")
        expect("Number of available ports: 2" in said and not (self.workdir / "none").exists(), said)

    @check("arguments.cores")
    def check_cores(self):
        """Cores that there are not are named, also when they are more than there are."""
        _, control = self.controlled(ports=2)
        for line, reason in (("set corelist 0", "main lcore"), ("set corelist 0-2", "main lcore"),
                             ("set corelist 1,0", "main lcore"), ("set corelist 1-70", "lcore 2 not enabled"),
                             ("set coremask 0xffffffffffffffff", "main lcore"),
                             ("set coremask 0xfffffffffffffffe", "lcore 2 not enabled"),
                             ("set corelist 1-64", "lcore 2 not enabled"), ("set corelist 1,1", "")):
            done, said = control.ask(line)
            expect(not done and said and reason in said, f"{line}: {said!r}")

    @check("arguments.zero")
    def check_zero(self):
        """0 is a number like others where it means nothing of its own."""
        _, control = self.controlled(ports=2)
        done, said = control.ask("wait port 0 up 0", 10)
        expect((done, said) == (False, "Port 0 is down after 0 s\n"), f"wait: {said!r}")
        expect(control.ask("wait port 0 down 0") == (True, "Port 0 is down\n"), "wait down")
        done, said = control.ask("wait state 0 running 0", 10)
        expect((done, said) == (False, "After 0 s:\nPort 0: stop\n"), f"wait state: {said!r}")
        for line in (f"capture start 0 {self.workdir}/none count 0",
                     f"capture start 0 {self.workdir}/none snaplen 0", "set port 0 rate pps 0",
                     "set port 0 storm pps 0", "set port 0 vlan access 0", "set fdb limit 0",
                     "set nbcore 0", "set portmask 0", "set coremask 0", "port config all rxd 0"):
            done, said = control.ask(line)
            expect(not done and said, f"{line}: {said!r}")
        expect(control.ask("set port 0 vlan trunk 3")[0], "trunk")
        expect(not control.ask("set port 0 vlan native 0")[0], "native 0")

    @check("arguments.lists")
    def check_lists(self):
        """Lists of numbers: wrong ones are refused, options and commands take the same ones."""
        _, control = self.controlled(ports=2)
        before = control.ask("show config")
        for command in LISTS:
            for value in BAD_LISTS:
                done, said = control.ask(f"{command} {value}")
                expect(not done and said, f"{command} {value!r}: {said!r}")
                expect(said != "Bad arguments\n", f"{command} {value!r} is refused without a reason")
        expect(control.ask("show config") == before, "something has changed")
        for value, ports in (("1,0", "1,0"), ("0-1", "0-1"), ("net_vhost1,0", "1,0")):
            _, control = self.controlled(f"--portlist={value}", ports=2)
            expect(f"set portlist {ports}\n" in control.ask("show config")[1], f"--portlist={value}")

    # --- texts ---

    CHARACTERS = "abc.-_" "# \t\n\r\\\"'`$;&|<>()*?!~^%@:+" "\x01\x07\x1b\x7f" "\\x23" "\u00e9"

    def legal_port(self, rng, index):
        """A --vdev argument with a path and the name of a VM of any characters kvargs takes."""
        def text(n):
            return "".join(rng.choice(self.CHARACTERS) for _ in range(n))
        # a path keeps within its 107 bytes
        path = f"{self.workdir}/{self.runs}.{index}{text(6)}"
        return f"net_vhost{index},iface={path},vm=v{text(20)},queues=1"

    @check("arguments.replay")
    def check_replay(self):
        """The output of "show config" makes the same switch, with any texts in it."""
        rng = random.Random(20)
        for _ in range(3):
            ports = [self.legal_port(rng, i) for i in range(8)]
            process, control = self.controlled(ports=ports)
            done, config = control.ask("show config")
            expect(done and config.isascii(), f"{config!r}")
            saved = self.workdir / "saved"
            saved.write_text(config, "ascii")
            done, said = control.ask(f"load {saved}")
            expect(done, f"loaded where it came from: {said}")
            expect(control.ask("show config")[1] == config, "it has changed something")
            process.kill()
            self.disown(process)
            process, control = self.controlled(f"--cmdline-file={saved}")
            wait_for("file", lambda p=process: "Read CLI commands" in p.log(), 30, alive=[process])
            again = control.ask("show config")[1]
            expect(again == config, f"{config}\n---\n{again}")
            for port in ports:
                path = port.split(",iface=")[1].split(",vm=")[0]
                expect(os.path.exists(path), f"no socket {path!r}")
            process.kill()
            self.disown(process)

    DISPLAYS = ("show port info 0", "show device info all", "why port 0", "show port 0 negotiation",
                "show port summary all", "show capture", "show port info 0 json",
                "show port 0 negotiation json")

    @check("arguments.displays")
    def check_displays(self):
        """A path of any bytes breaks no display, and JSON has all of it."""
        _, control = self.controlled()
        for escaped, tail in (("\\x0a\\x23\\\\\\x20\\x1b\\xc3\\xa9", "\n#\\ \x1b\u00e9"),
                              ("\\xff\\x1b", "\\xff\\x1b")):
            done, said = control.ask(f"port add 0 net_vhost0,iface={self.workdir}/d{escaped},queues=1")
            expect(done, said)
            control.ask(f"capture start 0 {self.workdir}/c\\x1b\\x0a")
            for line in self.DISPLAYS:
                done, said = control.ask(line)
                expect(done and not re.search("[\x00-\x08\x0b-\x1f]", said), f"{line}: {said!r}")
            socket = json.loads(control.ask("show port info 0 json")[1])["vhost"]["socket"]
            expect(socket == f"{self.workdir}/d{tail}", f"{socket!r}")
            for line in ("capture stop", "port detach 0"):
                expect(control.ask(line)[0], line)

    @check("arguments.names")
    def check_names(self):
        """A name of a port that would break lines and tables is refused."""
        for name in ("net_vhost0 x", "net_vhost0\nx", "net_vhost\x1b0"):
            status, out = self.ended(ports=[f"{name},iface={self.workdir}/n.sock"])
            expect(status == 1 and "not a device name" in out, f"{name!r}: {out}")

    @check("arguments.long_texts")
    def check_long_texts(self):
        """The reason stands on the line however long the text is that is refused."""
        _, control = self.controlled()
        for n in (200, 300, 900, 3000):
            for text, reason in (
                    (f"net_vhost0,iface=x,nosuchkey{'k' * n}=1", "unknown key"),
                    (f"net_vhost0,iface=x,mtu={'9' * n}", "expected 68 to 65535"),
                    (f"net_vhost0,iface=/{'p' * n}", "expected the path of a socket"),
                    (f"net_vhost0,vm=x,queues=1,{'k' * n}", "unknown key"),
                    (f"net_nosuch0,x={'y' * n}", "no such device"),
                    (f"net_vhost{'0' * n}", "is not a device name")):
                for command in ("port attach", "port add 7"):
                    done, said = control.ask(f"{command} {text}")
                    expect(not done and re.search(f"{reason}|too long", said), f"{command} {text}: {said}")
        for option in ("--forward-mode", "--portlist", "--burst", "--socket-owner", "--metrics"):
            status, out = self.ended(f"{option}={'x' * 900}", ports=1)
            said = [line for line in out.splitlines() if line.startswith("vqswitch: " + option)]
            expect(status == 1 and len(said) == 1 and not said[0].endswith("xxx"), f"{option}: {out}")

    # --- files ---

    @check("arguments.files")
    def check_files(self):
        """A directory, a line that is too long or not text: an error, and the rest is obeyed."""
        _, control = self.controlled()
        done, said = control.ask(f"load {self.workdir}")
        expect(not done and "Is a directory" in said, f"a directory: {said!r}")
        path = self.workdir / "lines"
        path.write_bytes(b"set burst 7\n" + b"set burst 8".ljust(8200, b" ")
                         + b"\nset bur\0st 9\nset verbose 1")
        done, said = control.ask(f"load {path}")
        expect(not done and "set to 7" in said and "set to 8" not in said, said)
        expect("Change verbose level from 0 to 1" in said, f"the last line: {said}")
        expect("set burst 7\n" in control.ask("show config")[1], "burst")
        path.write_bytes(b"set burst 9\r\nset burst 10\rset burst 11\rset burst 12\n\r\n")
        done, said = control.ask(f"load {path}")
        expect(not done and "set to 9" in said and "carriage return" in said, said)
        done, said = control.ask("set burst 13\rset burst 14")
        expect(not done and "carriage return" in said, said)
        expect("set burst 9\n" in control.ask("show config")[1], "burst")

    @check("arguments.peers_file")
    def check_peers_file(self):
        """--eth-peers-configfile: as many lines as there is room for, and no more."""
        path = self.workdir / "peers"
        for lines, good in ((64, True), (65, False), (1000, False)):
            path.write_text("".join(f"02:00:00:00:00:{i % 256:02x}\n" for i in range(lines)), "ascii")
            status, out = self.ended("-i", f"--eth-peers-configfile={path}")
            expect((status == 0) == good, f"{lines} lines: {status} {out}")
        path.write_text("02:00:00:00:00:01" + " " * 100 + "\n", "ascii")
        for bad in (path, self.workdir):
            status, out = self.ended("-i", f"--eth-peers-configfile={bad}")
            expect(status == 1 and "not a valid value" in out, f"{bad}: {status} {out}")
        status, out = self.ended("-i", *(65 * ["--eth-peer=1,02:00:00:00:00:01"]))
        expect(status == 1, f"65 times --eth-peer: {out}")

    OPTIONS = ("--burst", "--rxq", "--txq", "--rxd", "--txd", "--rxfreet", "--nb-cores", "--nb-ports",
               "--coremask", "--portmask", "--mbcache", "--max-pkt-len", "--fdb-limit", "--fdb-age",
               "--fdb-port-limit", "--idle-us", "--stats-period", "--total-num-mbufs",
               "--flowgen-flows", "--portlist", "--txpkts")

    @check("arguments.options")
    def check_options(self):
        """Options take numbers, and nothing that strtoul() would make one of."""
        for option in self.OPTIONS:
            for value in ("", "-1", " 1", "1x", str(2**64), " -18446744073709551615"):
                status, out = self.ended(f"{option}={value}", ports=2)
                said = [line for line in out.splitlines() if line.startswith("vqswitch: " + option)]
                expect(status == 1 and len(said) == 1, f"{option}={value!r}: {status} {out}")
        for option in ("--coremask=0", "--portmask=0", "--rxd=65536", "--txd=65536",
                       "--stats-period=4294968", "--portlist=0,0"):
            status, out = self.ended(option, ports=2)
            expect(status == 1, f"{option}: {status} {out}")

    @check("arguments.start")
    def check_start(self):
        """--version; a command file that is missing or a directory keeps the switch from starting."""
        status, out = self.ended("--version")
        expect(status == 0 and re.fullmatch(r"vqswitch \d+\.\d+\.\d+\n", out), f"--version: {out!r}")
        alone = subprocess.run([Switch.program, "--version"], stdout=subprocess.PIPE, check=False)
        expect(alone.returncode == 0 and alone.stdout.decode() == out, f"alone: {alone}")
        for path, reason in ((self.workdir / "none", "No such file"), (self.workdir, "Is a directory")):
            status, out = self.ended(f"--cmdline-file={path}", ports=1)
            said = [line for line in out.splitlines() if line.startswith("vqswitch: --cmdline-file")]
            expect(status == 1 and len(said) == 1 and reason in said[0], f"{path}: {status} {out}")
            expect("start packet forwarding" not in out, f"{path}: it forwards")

    # --- without a prompt ---

    @check("arguments.enter")
    def check_enter(self):
        """Under testpmd's name, without -i and with a terminal, Enter ends it."""
        shell = self.own(dts.Terminal(f"enter{self.runs}", self.workdir)).start()
        shell.type(" ".join(f"'{w}'" for w in self.argv("--no-control", program=self.testpmd, ports=1))
                   + "\n")
        shell.read_until("Press enter to exit\r\n", 60, step=1)
        shell.type("\n")
        shell.read_until("Bye...\r\n" + dts.SHELL_PROMPT + " ", 30)

    @check("arguments.foreign-terminal")
    def check_foreign_terminal(self):
        """One that is not its session's, which has no background, ends it all the same."""
        ours, its = pty.openpty()
        program = self.own(Process("foreign", self.argv("--no-control", program=self.testpmd, ports=1),
                                   self.workdir))
        program.spawn(stdin=its, start_new_session=True)
        os.close(its)
        try:
            wait_for("the program", lambda: "Press enter to exit" in program.log(), 60, alive=[program])
            os.write(ours, b"\n")
            wait_for("its end", lambda: program.child.poll() is not None, 30)
        finally:
            os.close(ours)

    @check("arguments.background")
    def check_background(self):
        """There, what is typed is for the shell: it neither ends nor stops the program."""
        shell = self.own(dts.Terminal(f"background{self.runs}", self.workdir)).start()
        shell.type(" ".join(f"'{w}'" for w in self.argv("--no-control", program=self.testpmd, ports=1))
                   + " &\n")
        shell.read_until("Press enter to exit\r\n", 60, step=1)
        for i in range(5):
            shell.type(f"echo heard-$(({i} + 1))\n")
            shell.read_until(f"heard-{i + 1}\r\n" + dts.SHELL_PROMPT + " ", 30)
        shell.type("jobs\n")
        jobs = shell.read_until(" &\r\n" + dts.SHELL_PROMPT + " ", 30)
        expect("Running" in jobs, jobs)
        shell.type("fg\n")
        shell.read_until("'--no-control'\r\n", 30, step=1)
        shell.type("\n")
        shell.read_until("Bye...\r\n" + dts.SHELL_PROMPT + " ", 30)
