# SPDX-License-Identifier: BSD-3-Clause
"""The command line: what dpdk-testpmd's users and scripts know of it, to the byte."""

import difflib
import json
import os
import pathlib
import re
import select
import signal
import struct
import subprocess

from harness import dts
from harness.peers import Switch, VirtioUser, eal
from harness.process import Deadline, Failure, Process, PromptProgram, wait_for

from .base import Scenario, check

DATA = pathlib.Path(__file__).parent.parent / "data"
CONFIG = pathlib.Path(__file__).parents[3] / "config"


def transcript(name="testpmd-idle.txt"):
    """[(command, output)] of dpdk-testpmd."""
    text = re.sub(r"^#[^\n]*\n", "", (DATA / name).read_text("utf-8"), flags=re.M)
    return [tuple(part.split("\n", 1)) for part in re.split(r"^> ", text, flags=re.M)[1:]]


def expect(condition, what):
    """A check within a check."""
    if not condition:
        raise Failure(what)


class Cli(Scenario):
    """Each check starts the program anew, under the name it needs."""

    cpus, seconds = 0.3, 60
    # words after "--", exit status of dpdk-testpmd 22.11 (reasons differ, the status does not)
    OPTIONS = {
        "--no-such-option": 1, "stray": 1, "--nb-cores=0": 1, "--nb-cores=2": 1, "--rxq=9": 1,
        "--rxd=0": 1, "--mbuf-size=0": 1, "--total-num-mbufs=1024": 1, "--portmask=zz": 1,
        "--nb-ports=9": 1, "--port-topology=ring": 1, "--eth-peer=0,zz": 1, "--mask-event=nosuch": 1,
        "--burst=0": 1, "--burst=513": 1, "--max-pkt-len=20": 1, "--help": 0,
    }
    # accepted, alone or together
    ACCEPTED = """--nb-cores=1 --rxq=1 --txq=1 --rxd=1024 --txd=1024 --burst=64 --no-flush-rx --rss-ip
        --enable-hw-vlan-strip --tx-offloads=0x0 --total-num-mbufs=4096 --mbuf-size=2048,4096
        --port-topology=loop --mask-event=intr_lsc --print-event=all --eth-peer=0,52:54:00:00:00:01
        --portlist=0 --portmask=0x1 --nb-ports=1 --txpkts=64,128 --no-lsc-interrupt --no-rmv-interrupt
        --no-numa --numa --socket-num=0 --max-pkt-len=9600 --mbcache=64 --mp-alloc=native
        --record-core-cycles --record-burst-stats --display-xstats=rx_good_packets
        --tx-ip=1.1.1.1,2.2.2.2 --tx-udp=1000,2000 --txonly-multi-flow --num-procs=1 --proc-id=0
        --coremask=0x2 --disable-rss --hot-plug --no-mlockall --latencystats=1 --bitrate-stats=1
        --geneve-parsed-port=6081 --disable-link-check --rss-udp --rxfreet=32""".split()

    # refused by dpdk-testpmd
    WORKS = ("show config", "mac_addr set 0 00:11:22:33:44:66")

    def setup(self):
        self.testpmd = self.workdir / "dpdk-testpmd"
        if not self.testpmd.exists():
            self.testpmd.symlink_to(Switch.program)
        self.runs = 0

    def argv(self, *options, program=None, ports=2, queues=1):
        """A command line with idle ports."""
        self.runs += 1
        vdevs = [f"--vdev=net_vhost{i},iface={self.workdir}/{i}.sock,queues={queues}"
                 for i in range(ports)]
        return [str(program or self.testpmd), *eal(f"cli{os.getpid()}.{self.runs}", 2, "128"), *vdevs,
                "--", "--no-control", *options]

    def program(self, *options, prompt="testpmd> ", **kw):
        """The program at its first prompt."""
        argv = self.argv("-i", *options, **kw)
        return self.own(PromptProgram(f"cli{self.runs}", argv, self.workdir, prompt)).start()

    def shell(self, kind=dts.Shell):
        """A shell on a terminal."""
        self.runs += 1
        return self.own(kind(f"shell{self.runs}", self.workdir)).start()

    def leave(self, program):
        """quit, exit status 0."""
        expect(program.quit() == 0, "exit status of quit")
        self.disown(program)

    def ended(self, *options, **kw):
        """Run to its end: (status, output)."""
        result = subprocess.run(self.argv(*options, **kw), stdin=subprocess.DEVNULL, timeout=60,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return result.returncode, result.stdout.decode()

    # --- testpmd's answers ---

    @check("cli.transcript")
    def check_transcript(self):
        """Every answer as dpdk-testpmd gives it."""
        program = self.program("--nb-cores=1", "--txd=1024", "--rxd=1024", "--total-num-mbufs=16384")
        wrong = []
        for command, expected in transcript():
            if command in self.WORKS:
                continue
            command, expected = (t.replace("DIR", str(self.workdir)) for t in (command, expected))
            got = re.sub(r"^vqswitch: .*\n", "", program.command(command), flags=re.M)
            if got != expected:
                wrong.append(command)
                with open(program.log_path, "a", encoding="utf-8") as log:
                    log.writelines(difflib.ndiff(expected.splitlines(True), got.splitlines(True)))
        self.leave(program)
        expect(not wrong, f"{len(wrong)} answers differ, see the log: {wrong[:5]}")

    @check("cli.loopback")
    def check_loopback(self):
        """With traffic: every line as dpdk-testpmd prints it, but for the numbers."""
        argv = self.argv("-i", "--nb-cores=1", "--rxq=2", "--txq=2", "--rxd=1024", "--txd=1024", ports=0)
        vdev = f"--vdev=net_vhost0,iface={self.workdir}/tr2-0.sock,queues=2,client=0"
        argv.insert(argv.index("--"), vdev)
        program = self.own(PromptProgram("loopback", argv, self.workdir, "testpmd> ")).start()
        peer = self.own(VirtioUser("peer", self.workdir, f"{self.workdir}/tr2-0.sock",
                                   VirtioUser.PATHS["mergeable"] + ",queues=2", "00:01:02:03:04:05",
                                   ["--rxq=2", "--txq=2"])).start()
        peer.command("set fwd mac")
        peer.command("start")
        wait_for("link", lambda: "Link status: up" in program.command("show port info 0"))
        wrong = []
        for command, expected in transcript("testpmd-loopback.txt"):
            expected = expected.replace("DIR", str(self.workdir))
            got = re.sub(r"^ *[RT]X-bursts : .*\n", "", program.command(command), flags=re.M)
            shapes = [re.sub(r" +(?=\n)", "", re.sub(r" +", " ", re.sub(r"\d+", "0", text)))
                      for text in (expected, got)]
            if shapes[0] != shapes[1]:
                wrong.append(command)
                with open(program.log_path, "a", encoding="utf-8") as log:
                    log.writelines(difflib.ndiff(*(s.splitlines(True) for s in shapes)))
            if command.startswith("start"):
                wait_for("frames", lambda: self.moves(program), 10)
        self.disown(peer)
        self.leave(program)
        expect(not wrong, f"{len(wrong)} answers differ, see the log: {wrong[:5]}")

    @staticmethod
    def moves(program):
        """Both queues have been used since \"start\", or it does not forward."""
        return program.command("show fwd stats all").count("Forward Stats for RX Port= 0") == 2

    @check("cli.understood")
    def check_understood(self):
        """No command testpmd's users know is unknown; none ends the program."""
        program = self.program("--nb-cores=1")
        commands = (DATA / "testpmd-commands.txt").read_text("ascii").splitlines()[1:]
        unknown = [c for c in commands
                   if re.match("Command not found|Bad arguments|Ambiguous", program.command(c))]
        expect(not unknown, f"not understood: {unknown}")
        self.leave(program)

    # --- the way DTS talks ---

    @check("cli.dts")
    def check_dts(self):
        """A session as DTS has it, parsed as DTS parses it."""
        shell = self.shell()
        shell.launch(" ".join(f"'{w}'" for w in self.argv("-i", "--port-topology=paired",
                                                          "--mask-event=intr_lsc")))
        values = dts.fields(dts.PORT_INFO, shell.command("show port info 0"))
        expect(values[:2] == ["0", "56:48:4F:53:54:00"], f"port info: {values}")
        blocks = dts.info_blocks(shell.command("show port info all"))
        expect([dts.fields(dts.PORT_INFO, b)[0] for b in blocks] == ["0", "1"], f"blocks: {blocks}")
        blocks = dts.stats_blocks(shell.command("show port stats all"))
        expect([dts.fields(dts.PORT_STATS, b)[0] for b in blocks] == ["0", "1"], f"blocks: {blocks}")
        expect(shell.command("show port info 7").split("\n")[1].startswith("Invalid port"), "port 7")
        shell.command("start")
        expect("Packet forwarding already started" in shell.command("start"), "second start")
        expect("Done." in shell.command("stop"), "stop")
        expect("Packet forwarding not started" in shell.command("stop"), "second stop")
        expect("Change verbose level" in shell.command("set verbose 1"), "verbose")
        for command in ("port stop all", "port start all"):
            out = shell.command(command).replace("\r", "")
            expect(out.rsplit("testpmd>", 1)[0].strip().endswith("Done"), f"{command}: {out!r}")
        expect(shell.command("show device info all").lower().count("device name:") == 2, "devices")
        expect("NIC statistics for port 1 cleared" in shell.command("clear port stats all"), "clear")
        shell.command("port stop all")
        out = shell.command("port close all")
        expect(all(f"Port {i} is closed" in out for i in (0, 1)), f"close: {out!r}")
        shell.quit()

    @check("cli.typeahead")
    def check_typeahead(self):
        """Input typed before the first prompt is obeyed, not flushed."""
        shell = self.shell(dts.Terminal)
        shell.type(" ".join(f"'{w}'" for w in self.argv("-i"))
                   + "\nshow port summary all\nquit\n")
        out = shell.read_until("Bye...\r\n" + dts.SHELL_PROMPT + " ", 60)
        expect("testpmd> show port summary all\r\r\n" "Number of available ports: 2\r\n" in out,
               f"typed ahead: {out!r}")

    @check("cli.echo")
    def check_echo(self):
        """A newline is echoed when it is obeyed; lines end with CR LF; nothing else is printed.

        The echo itself has two CRs: one is the editor's, one the terminal's.
        """
        shell = self.shell()
        shell.launch(" ".join(f"'{w}'" for w in self.argv("-i")))
        shell.read_until("testpmd> ")
        shell.type("set burst 4\n\n")
        out = shell.read_until("testpmd> \r\r\ntestpmd> ")
        expect(out == "set burst 4\r\r\n" "Number of packets per burst set to 4\r\n"
                      "testpmd> \r\r\ntestpmd> ", f"stream: {out!r}")
        shell.quit()

    @check("cli.editing")
    def check_editing(self):
        """Completion, help on TAB, ^C, history, CR for LF, blanks."""
        shell = self.shell()
        shell.launch(" ".join(f"'{w}'" for w in self.argv("-i")))
        shell.type("show por\t summ\t0\n")
        shell.read_until("net_vhost      down     10 Gbps\r\ntestpmd> ")
        shell.type("set fwd \t\t")
        shell.read_until(" macswap [Mul-choice STRING]: set fwd (mode)\r\r\n", step=1)
        shell.read_until("testpmd> set fwd \x1b[0K")
        shell.type("\x03stop\r")
        shell.read_until("Packet forwarding not started\r\ntestpmd> ")
        shell.type("set bur\x03  set   burst   8  \n")
        shell.read_until("packets per burst set to 8\r\ntestpmd> ")
        shell.type("set burst 9\n\x1b[A\x1b[A\n")
        shell.read_until("set to 9\r\ntestpmd> ", step=1)
        shell.read_until("set to 8\r\ntestpmd> ")
        shell.quit()

    @check("cli.eof")
    def check_eof(self):
        """The end of the input ends the program: ^D, a pipe, a file, /dev/null."""
        shell = self.shell(dts.Terminal)
        shell.type(" ".join(f"'{w}'" for w in self.argv("-i")) + "\n")
        shell.read_until("testpmd> ", 60)
        shell.type("\x04")
        shell.read_until("Bye...\r\n" + dts.SHELL_PROMPT + " ")
        status, out = self.ended("-i")
        expect((status, out.splitlines()[-1]) == (0, "Bye..."), f"/dev/null: {status} {out!r}")
        commands = self.workdir / "commands"
        commands.write_text("show port summary all\nquit\n", "ascii")
        with open(commands, "rb") as f:
            out = subprocess.run(self.argv("-i"), stdin=f, timeout=60, check=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
        expect("Number of available ports: 2" in out, f"commands from a file: {out!r}")

    # --- without a prompt ---

    def daemon(self, *options, **kw):
        """The program without a prompt and without input, forwarding."""
        argv = self.argv(*options, **kw)
        process = self.own(Process(f"daemon{self.runs}", argv, self.workdir))
        process.spawn()
        wait_for("start", lambda: "start packet forwarding" in process.log(), 60, alive=[process])
        return process

    @check("cli.signals")
    def check_signals(self):
        """SIGINT, SIGTERM and SIGHUP end it cleanly: exit status 0, sockets removed."""
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            process = self.daemon()
            expect((self.workdir / "0.sock").exists(), "no socket")
            expect(process.kill(signal.Signals[name]) == 0, f"{name}: exit status")
            expect(process.log().endswith("\nBye...\n"), f"{name}: {process.log_tail()}")
            expect(not (self.workdir / "0.sock").exists(), f"{name}: the socket is left")
            self.disown(process)

    @check("cli.unattended")
    def check_unattended(self):
        """The end of the input does not end it when it has no prompt."""
        process = self.daemon(program=Switch.program)
        wait_for("ports", (self.workdir / "1.sock").exists, alive=[process])
        process.check_alive()
        expect(process.kill(signal.SIGTERM) == 0, "exit status")
        self.disown(process)

    # --- options ---

    @check("cli.options")
    def check_options(self):
        """Every option of dpdk-testpmd is accepted."""
        program = self.program(*self.ACCEPTED)
        expect("packets/burst=64" in program.command("show config rxtx"), "--burst")
        expect("peer=52:54:00:00:00:01" in program.command("show config fwd"), "--eth-peer")
        self.leave(program)
        program = self.program("--auto-start")
        expect("already started" in program.command("start"), "--auto-start")
        self.leave(program)

    @check("cli.bad_options")
    def check_bad_options(self):
        """One clear line and testpmd's exit status."""
        for option, expected in self.OPTIONS.items():
            status, out = self.ended("-i", option)
            said = [line for line in out.splitlines() if line.startswith("dpdk-testpmd: ")]
            expect(status == expected, f"{option}: exit status {status}: {out!r}")
            expect(status == 0 or len(said) == 1, f"{option}: {out!r}")

    @check("cli.bad_devices")
    def check_bad_devices(self):
        """A device argument or socket that cannot be used: one clear line, exit status 1."""
        argv = self.argv("-i", ports=0)
        dash = argv.index("--")
        for device in ("net_vhost0", "net_vhost0,iface=", "net_vhost0,iface=x,nosuchkey=1",
                       "net_vhost0,iface=x,queues=0", "net_vhost0,iface=x,client=2",
                       "net_vhost0,iface=x,dmas=[txq0@0000:00:04.0]",
                       f"net_vhost0,iface={self.workdir}/no/such/dir.sock",
                       f"net_vhost0,iface={self.workdir}"):
            result = subprocess.run(argv[:dash] + ["--vdev", device] + argv[dash:], timeout=60,
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, check=False)
            said = [line for line in result.stdout.decode().splitlines()
                    if line.startswith("dpdk-testpmd: ")]
            expect((result.returncode, len(said)) == (1, 1), f"{device}: {result}")

    # --- commands ---

    @check("cli.command_file")
    def check_command_file(self):
        """--cmdline-file runs before the prompt; what fails is named with its line."""
        commands = self.workdir / "commands"
        commands.write_text("# comment\nset burst 16\nnonsense\nset verbose 1", "ascii")
        program = self.program(f"--cmdline-file={commands}")
        expect("packets/burst=16" in program.command("show config rxtx"), "burst")
        expect("from 1 to 2" in program.command("set verbose 2"), "a last line without newline")
        expect(f"{commands}:3: " in program.log(), "no complaint about line 3")
        self.leave(program)

    @check("cli.examples")
    def check_examples(self):
        """Each file in config/ loads, twice without a change, and does what it is for."""
        means = {"guests.vqs": "Number of available ports: 4", "loopback.vqs": "available ports: 1",
                 "vqswitch.vqs": "available ports: 0", "watched.vqs": "available ports: 4"}
        found = sorted(CONFIG.glob("*.vqs"))
        expect([path.name for path in found] == sorted(means), f"examples: {found}")
        for path in found:
            text = path.read_text("ascii").replace("/run/vqswitch", str(self.workdir))
            text = text.replace("/tmp/vhost-net", f"{self.workdir}/vhost-net")
            if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
                text = text.replace("net_tap0,iface=vqswitch", "net_null0")
            text = text.replace("iface=vqswitch", f"iface=vq{os.getpid()}")
            commands = self.workdir / path.name
            commands.write_text(text, "ascii")
            argv = self.argv("-i", f"--cmdline-file={commands}", program=Switch.program, ports=0)
            program = self.own(PromptProgram(path.stem, argv, self.workdir, "vqswitch> ")).start()
            expect(f"{commands}:" not in program.log(), f"{path.name}: see {program.log_path}")
            expect(means[path.name] in program.command("show port summary all"), path.name)
            before = program.command("show config")
            out = program.command(f"load {commands}")
            expect(f"{commands}:" not in out, f"{path.name}, loaded again: {out}")
            again = program.command("show config")
            expect(again == before, f"{path.name}: {''.join(difflib.ndiff([before], [again]))}")
            expect("\nstart\n" in again, f"{path.name} does not forward")
            self.leave(program)

    @check("cli.own_commands")
    def check_own_commands(self):
        """Under its own name: another prompt, the switch as default, its own commands."""
        program = self.program(prompt="vqswitch> ", program=Switch.program)
        expect("switch packet forwarding" in program.command("show config fwd"), "default mode")
        expect("Entries: 0" in program.command("show fdb"), "show fdb")
        expect("Reason" in program.command("show drops all"), "show drops")
        expect(re.search(r"^0 +\d+ ", program.command("show worker"), re.M), "show worker")
        expect("help switch" in program.command("help"), "help")
        expect("show drops (port_id|all)" in program.command("help switch"), "help of a section")
        self.leave(program)

    @check("cli.json")
    def check_json(self):
        """show ... json is JSON and says what the text says."""
        program = self.program(prompt="vqswitch> ", program=Switch.program)

        def ask(command):
            return json.loads(program.command(command + " json"))

        expect([p["id"] for p in ask("show port stats all")] == [0, 1], "ports")
        expect(ask("show port info 1")["vhost"]["socket"] == f"{self.workdir}/1.sock", "socket")
        expect(ask("show port xstats 0")["rx_queues"][0]["frames"] == 0, "queues")
        expect(ask("show drops all") == [{"id": i, "name": f"net_vhost{i}", "drops": {}}
                                         for i in (0, 1)], "drops")
        program.command("fdb add 52:54:00:00:00:01 0 1")
        expect(ask("show fdb")["addresses"] == [
            {"mac": "52:54:00:00:00:01", "domain": 0, "port": 1, "static": 1, "age": 0, "moves": 0}],
               "addresses")
        expect("iterations" in ask("show worker")[0], "worker")
        expect(ask("show switch")["mode"] == "switch", "mode")
        expect(ask("show port 0 negotiation")["vhost"]["connected"] == 0, "negotiation")
        self.leave(program)

    # what "show config" has to bring back; DIR is a directory
    SETTINGS = """set portlist 0-2; set burst 8; set port 1 domain 7; set port 1 isolated on
        set group-fwd-mask 0x4000; set port 1 group-fwd-mask 4; set port 0 learning off
        port add 5 net_vhost7,iface=DIR/7.sock,queues=2,mode=0640; port attach net_null0
        fdb add 52:54:00:00:00:01 7 1; fdb add 52:54:00:00:00:02 0 5; set fdb age 17
        set fdb limit 1000; set port 5 fdb-limit 3; port stop 1; set port 0 format legacy-le
        set eth-peer 1 52:54:00:00:00:09; set fwd mac retry; set burst tx delay 3 retry 5
        set topology chained; set txpkts 64,128; port config mtu 0 9000; csum set udp hw 0
        csum parse-tunnel on 5; set port 0 gso on; set gso segsz 1000; set port 1 gro on
        tso set 1400 1; set txsplit rand
        set record-core-cycles on; set record-burst-stats on; start"""

    def port_there_already(self, program):
        """"port add" of the device a port has, in whatever words, and of others."""
        for words, answer in (
                (f"mode=640,queues=2,iface={self.workdir}/7.sock", ""),
                (f"client=0,mode=0640,iface={self.workdir}/7.sock,queues=0x2,format=any", ""),
                (f"iface={self.workdir}/7.sock,queues=2,mode=0600", "Port 5 is net_vhost7\n"),
                (f"iface={self.workdir}/7.sock,queues=3,mode=0640", "Port 5 is net_vhost7\n"),
                ("iface", "Port 5 is net_vhost7\n")):
            out = program.command(f"port add 5 net_vhost7,{words}")
            expect(out == answer, f"port add of {words}: {out!r}")
        expect(program.command("port add 3 net_null0") == "", "an ethdev")
        out = program.command("port add 3 net_null0,copy=1")
        expect(out == "Port 3 is net_null0\n", f"another ethdev: {out!r}")

    @check("cli.show_config")
    def check_show_config(self):
        """It makes the same switch again; where it came from it changes nothing."""
        options = {"prompt": "vqswitch> ", "program": Switch.program}
        program = self.program(ports=3, **options)
        for command in re.split(r"\s*[;\n]\s*", self.SETTINGS):
            program.command(command.replace("DIR", str(self.workdir)))
        config = program.command("show config")
        for line in ("set portlist 0-2,5,3", "port stop 1", "fdb add 52:54:00:00:00:02 0 5", "start"):
            expect(f"\n{line}\n" in config, f"no {line!r} in {config}")
        self.port_there_already(program)
        saved = self.workdir / "saved"
        saved.write_text(config, "ascii")
        for run in ("twice", "anew"):
            out = program.command(f"load {saved}")
            expect("Read CLI commands from" in out, f"loaded {run}: {out}")
            again = program.command("show config")
            expect(again == config, f"{run}: {''.join(difflib.ndiff([config], [again]))}")
            self.leave(program)
            if run == "twice":
                program = self.program(ports=0, **options)

    @check("cli.attach")
    def check_attach(self):
        """Ports come and go while it forwards."""
        program = self.program("-a", prompt="vqswitch> ", program=Switch.program)
        path = self.workdir / "attached.sock"
        for _ in range(3):
            out = program.command(f"port attach net_vhost7,iface={path},queues=2")
            expect("Port 2 is attached. Now total ports is 3" in out, out)
            expect(path.exists(), "no socket")
            expect("Max possible RX queues: 2" in program.command("show port info 2"), "queues")
            out = program.command("port detach 2")
            expect("Now total ports is 2" in out and not path.exists(), out)
        expect("Failed to attach" in program.command("port attach net_vhost7,iface=/no/such/dir/x"),
               "a socket that cannot be")
        expect("Failed to attach" in program.command(f"port attach net_vhost0,iface={path}"),
               "a name twice")
        self.leave(program)

    # --- what takes time ---

    @check("cli.wait")
    def check_wait(self):
        """Waiting ends by itself or by ^C; what is typed meanwhile is obeyed afterwards."""
        program = self.program(prompt="vqswitch> ", program=Switch.program)
        expect(program.command("wait port 0 down") == "Port 0 is down\n", "no need to wait")
        expect(program.command("wait port 0 up 1").endswith("Port 0 is down after 1 s\n"), "time")
        os.write(program.master, b"wait port 1 up\n")
        self.read_until(program, b".")  # the first second
        os.write(program.master, b"set burst 7\n\x03")
        out = self.read_until(program, b"set to 7\r\nvqswitch> ")
        expect(b"Interrupted\r\nvqswitch> set burst 7\r" in out, f"interrupted: {out!r}")
        self.capture_run(program)
        self.wait_state(program)
        path = self.workdir / "wait"
        path.write_text("wait port 0 up\n", "ascii")
        expect("cannot wait" in program.command(f"load {path}"), "a file")
        self.leave(program)

    def capture_run(self, program):
        """A capture in the foreground shows how far it is and ends by ^C; the prompt comes back."""
        path = self.workdir / "run.pcapng"
        os.write(program.master, f"capture run all {path}\n".encode())
        self.read_until(program, b"\r1 s, frames: 0, bytes: 0, lost: 0")
        os.write(program.master, b"\x03")
        out = self.read_until(program, b"vqswitch> ").decode()
        expect(out.startswith(f"\r\nCapture of all ports to {path}: ended\r\n"
                              "Frames: 0, bytes: 0, lost: 0\r\n"), f"capture run: {out!r}")
        expect(path.stat().st_size > 0, "nothing in the file")
        out = program.command("capture run all /nosuch/file")
        expect(out == "Refused: No such file or directory\n", f"a file that cannot be: {out!r}")

    def wait_state(self, program):
        """The state of ports, in time or not."""
        expect(program.command("wait state all stop") == "Port 0: stop\nPort 1: stop\n", "no need")
        out = program.command("wait state 1 running 1")
        expect(out.endswith("After 1 s:\nPort 1: stop\n"), f"time: {out!r}")
        out = program.command("wait state 7 running")
        expect(out == "Port 7 has no states\n", f"no such port: {out!r}")
        os.write(program.master, b"wait state all running\n")
        self.read_until(program, b"\r1 s, port 0: stop, 2 of 2 to go")
        os.write(program.master, b"\x03")
        self.read_until(program, b"\r\nInterrupted\r\nvqswitch> ")

    def capture_until_killed(self, ctl, ask):
        """A capture that vqsctl runs ends with it."""
        path = self.workdir / "ctl.pcapng"
        running = self.own(Process("running", [*ctl, "capture", "run", "0", path], self.workdir))
        running.spawn()
        for state in ("running", "ended"):
            wait_for(f"capture {state}", lambda s=state: f": {s}\n" in ask("show", "capture")[1], 10)
            running.kill(signal.SIGINT)

    @staticmethod
    def read_until(program, end, times=1, seconds=30):
        """Output of a program at a terminal up to where that text comes the n-th time."""
        got, deadline = b"", Deadline(seconds)
        while not got.endswith(end) or got.count(end) < times:
            if not select.select([program.master], [], [], deadline.left())[0]:
                raise Failure(f"no {end!r}, last: {got[-200:]!r}")
            got += os.read(program.master, 1)
        return got

    @check("cli.vqsctl")
    def check_vqsctl(self):
        """The client of the control socket: answers, exit statuses, waiting, several at once."""
        control = self.workdir / "control"
        argv = self.argv("-a", program=Switch.program)
        argv[argv.index("--no-control")] = f"--control={control}"
        switch = self.own(Process("controlled", argv, self.workdir))
        switch.spawn()
        wait_for("control socket", control.exists, 60, alive=[switch])
        ctl = [pathlib.Path(Switch.program).parent / "vqsctl", "-s", control]

        def ask(*words, **kw):
            done = subprocess.run([*ctl, *words], stdout=subprocess.PIPE, timeout=60, check=False,
                                  **kw)
            return done.returncode, done.stdout.decode()

        wait_for("answers", lambda: ask("show", "worker")[0] == 0, 30, alive=[switch])
        expect(ask("set", "burst", "9") == (0, "Number of packets per burst set to 9\n"), "set")
        expect(ask("nonsense") == (1, "Command not found: 'nonsense'; \"help\" lists the commands\n"),
               "nonsense")
        path = self.workdir / "a#b c"
        path.write_text("set burst 5\n", "ascii")
        status, out = ask("load", path)
        expect(status == 0 and "set to 5" in out, f"a path with # and a blank: {out}")
        status, out = ask(input=b"show config fwd\nport stop 7\nset burst 8\n")
        expect(status == 1 and "Invalid port 7" in out and "set to 8" in out, f"input: {out}")
        expect(ask("wait", "port", "0", "down") == (0, "Port 0 is down\n"), "wait")
        expect(ask("wait", "port", "0", "up", "1") == (1, "Port 0 is down after 1 s\n"), "no peer")
        waiting = self.own(Process("waiting", [*ctl, "wait", "port", "1", "up"], self.workdir))
        waiting.spawn()
        expect(ask("set", "burst", "7")[0] == 0, "somebody waits")
        expect(waiting.alive(), "does not wait")
        waiting.kill()
        self.capture_until_killed(ctl, ask)
        status, out = ask("port", "detach", "1")
        expect(status == 0 and "Device is detached" in out, f"detach: {out}")
        expect(switch.kill(signal.SIGTERM) == 0, "exit status")

    @check("cli.completion")
    def check_completion(self):
        """bash completes options and commands."""
        scripts = CONFIG / "bash-completion"
        for line, expected in (("vqsctl show port inf", "info"), ("vqsctl -s x set fdb a", "age"),
                               ("vqsctl to", "top"), ("vqsctl -s x top -b -o d", "drops"),
                               ("vqswitch -l 0 -- --fdb-a", "--fdb-age="),
                               ("vqswitch --fil", "--file-prefix="),
                               ("vqconform --hos", "--hostile"),
                               ("vqconform -c format.legacy-m", "format.legacy-mergeable")):
            words = line.split()
            script = (f"PATH={pathlib.Path(Switch.program).resolve().parent}:$PATH; . {scripts}/{words[0]};"
                      f" COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; compopt() {{ :; }};"
                      f" _{words[0]}; echo \"${{COMPREPLY[*]}}\"")
            out = subprocess.run(["bash", "-c", script], stdout=subprocess.PIPE, check=True, timeout=60)
            expect(out.stdout.decode().strip() == expected, f"{line}: {out.stdout!r}")
        # a port that is named as a command of the shell, which must not run in the operator's
        bin_dir = self.workdir / "named"
        bin_dir.mkdir()
        (bin_dir / "vqsctl").write_text("#!/bin/sh\necho 'net_tap0$(touch ran)'\n", "ascii")
        (bin_dir / "vqsctl").chmod(0o755)
        script = (f"cd {bin_dir}; PATH={bin_dir}:$PATH; . {scripts.resolve()}/vqsctl; COMP_CWORD=3;"
                  " COMP_WORDS=(vqsctl show port net_); _vqsctl; echo \"${COMPREPLY[*]}\"")
        out = subprocess.run(["bash", "-c", script], stdout=subprocess.PIPE, check=True, timeout=60)
        expect(out.stdout == b"net_tap0\\$\\(touch\\ ran\\)\n", f"a port's name: {out.stdout!r}")
        expect(not (bin_dir / "ran").exists(), "a port's name was run")

    def capture(self, frames):
        """A capture file of short UDP frames."""
        frame = bytes.fromhex("020000000001" "020000000002" "0800" "45000032" "00000000" "4011" "0000"
                              "c6120001" "c6120002" "00090009" "001e0000").ljust(64, b"\0")
        path = self.workdir / "frames.pcap"
        path.write_bytes(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)
                         + struct.pack("<IIII", 0, 0, len(frame), len(frame)).join([b""] + frames * [frame]))
        return path

    @check("cli.watch")
    def check_watch(self):
        """Frames described and bursts counted, as testpmd prints them."""
        program = self.program("--nb-cores=1")
        for command in (f"port attach net_pcap0,rx_pcap={self.capture(9)}", "port start 2",
                        "set portlist 2", "set burst 4", "set verbose 1",
                        "set record-burst-stats on"):
            program.command(command)
        os.write(program.master, b"start\n")
        text = self.read_until(program, b"OUTER_L4_CKSUM_UNKNOWN \r\n", 9).decode().replace("\r", "")
        os.write(program.master, b"stop\n")
        out = self.read_until(program, b"Done.\r\ntestpmd> ").decode().replace("\r", "")
        expect(re.search(r"^(testpmd> )?port 2/queue 0: received 4 packets\n"
                         r"  src=02:00:00:00:00:02 - dst=02:00:00:00:00:01 - pool=mb_pool_0 - "
                         r"type=0x0800 - length=64 - nb_segs=1 - sw ptype: L2_ETHER L3_IPV4 L4_UDP  - "
                         r"l2_len=14 - l3_len=20 - l4_len=8 - Receive queue=0x0\n"
                         r"  ol_flags: RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN "
                         r"RTE_MBUF_F_RX_OUTER_L4_CKSUM_UNKNOWN \n", text, re.M), "no description")
        expect(re.search(r"^  RX-bursts : \d+ \[\d+% of 0 pkts \+ \d+% of 4 pkts \+ \d+% of 1 pkts\]$",
                         out, re.M), f"RX-bursts: {out}")
        expect("  TX-bursts : 3 [0% of 0 pkts + 66% of 4 pkts + 34% of 1 pkts]\n" in out,
               f"TX-bursts: {out}")
        self.leave(program)

    @check("cli.settings")
    def check_settings(self):
        """Settings can be seen; lists are checked."""
        argv = self.argv("-i", "--coremask=0x2", program=Switch.program)
        argv[argv.index("--lcores") + 1] = "(0-2)@0"
        program = self.own(PromptProgram("settings", argv, self.workdir, "vqswitch> ")).start()
        for command, expected in (
                ("show config cores", r"lcores:  1$"),
                ("set corelist 2", r"^$"), ("show config cores", r"lcores:  2$"),
                ("set corelist 2,1", r"previous number of forwarding cores 1 - changed to number of "
                                     r"configured cores 2$"),
                ("show config cores", r"lcores:  2  1$"),
                ("show config fwd", r"(?s)Logical Core 2 .*Logical Core 1 "),
                ("set nbcore 3", r"nb fwd cores 3 > 2 "), ("set corelist 0", "main lcore"),
                ("set corelist 1-2", r"^$"), ("set portlist 1-0", "Bad arguments"),
                ("set portlist 1,", "Bad arguments"), ("set portlist 1,0 ", r"^$"),
                ("set corelist 5", r"lcore 5 not enabled"), ("set corelist 1,1", "duplicated core 1"),
                ("set portlist 1,0,1", r"duplicated port 1 at index 0 and 2"),
                ("vlan set stripq on 1,3", r"port_pi=1, queue_id=3, on=1\) failed diag=-95"),
                ("vlan set stripq off 7,0", r"Invalid port 7"),
                ("set xstats-hide-zero on", r"^$"),
                ("show port xstats 0", r"\A###### NIC extended statistics for port 0 \n\Z"),
                ("csum mac-swap off 1", r"^$"), ("show config", r"\ncsum mac-swap off 1\n"),
                ("help json", r"show fdb json")):
            out = program.command(command)
            expect(re.search(expected, out, re.M), f"{command}: {out!r}")
        self.leave(program)

    # what dpdk-testpmd 22.11 answers, on a vhost port; the transcripts have it without these
    OFFLOADS = """
        csum set udp hw 0|Please stop port 0 first
        start|.*
        set port 0 gro off|Before enable/disable GRO, please stop forwarding first
        set port 0 gso on|before enabling GSO, please stop forwarding first
        set port 0 gso off|before disabling GSO, please stop forwarding first
        set gso segsz 200|Before setting GSO segsz, please first stop forwarding
        set gro flush 2|Before change flush interval for GRO, please stop forwarding first.
        stop|.*
        port stop all|.*
        tunnel_tso set 1000 0|Error: port=0 don't support tunnel TSO offloads.
        tunnel_tso show 0|Error: port=0 don't support tunnel TSO offloads.
        tunnel_tso set 0 0|TSO for tunneled packets is disabled
        tso set 1000 0|Error: TSO is not supported by port 0
        set port 0 gro on|
        set port 0 gro on|Port 0 has enabled GRO. Please disable GRO first
        set port 0 gro off|
        set port 0 gro off|Port 0 has disabled GRO
        set gro flush 9|The flushing cycle be in the range of 1 to 4. Revert to the default value 1.
        set gso segsz 10|gso_size should be larger than 55. Please input a legal value
        set gso segsz 100|"""

    @check("cli.offloads")
    def check_offloads(self):
        """Settings of mode csum, and when they may be made."""
        program = self.program()
        for line in self.OFFLOADS.strip().splitlines():
            command, expected = line.strip().split("|")
            out = program.command(command)
            expect(expected == ".*" or out.strip() == expected, f"{command}: {out!r}")
        self.leave(program)

    @check("cli.reference")
    def check_reference(self):
        """doc/cli.md is what the program says of its commands."""
        said = subprocess.run([Switch.program, "--", "--print-commands"], check=True, timeout=60,
                              stdout=subprocess.PIPE).stdout.decode()
        reference = pathlib.Path(__file__).parents[3] / "doc" / "cli.md"
        expect(reference.read_text("utf-8") == said,
               "doc/cli.md is out of date: vqswitch -- --print-commands >doc/cli.md")
