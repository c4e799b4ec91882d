# SPDX-License-Identifier: BSD-3-Clause
"""A switch with tunnels goes on in another process.

Two namespaces: the near one has the switch, two taps of it (u0 is its underlay, t0 is a guest) and
a bridge from u0 to the far one, which has the kernel's VTEP. The kernel's part of the underlay is a
veth pair with a neighbour that was set: the end of a tap's queue is not the end of that."""

import contextlib
import re
import socket
import subprocess

from harness import namespace
from harness.namespace import Namespace, device
from harness.process import Failure, Process, wait_for
from harness.successor import READY, REFUSED, Successor

from .base import check
from .upgrade import Upgradable, expect

VNI, DOMAIN, MTU = 100, 5, 1450
NEAR, FAR, ABSENT, FORMER = (f"10.99.0.{host}" for host in (1, 3, 4, 2))
GUEST, STATION = "192.168.77.1", "192.168.77.3"
PING_MS, PINGS = 10, "/tmp/pings"
UPGRADES = 4


class UpgradeTunnels(Upgradable):
    """A VNI with a list of VTEPs: one is the kernel's, one does not answer."""

    COMMANDS = ("show config", "show fdb", "show vxlan", "show vxlan vni", "show vxlan vtep",
                "show vxlan fdb")
    COUNTS = re.compile(rf"(?m)^({VNI} +[\d.]+ +\d+ +\d+)((?: +\d+){{3}})")

    cpus, seconds = 0.5, 40

    def setup(self):
        namespace.require()
        self.near, self.far = (self.own(Namespace(name, self.workdir)).start()
                               for name in ("near", "far"))
        for space in (self.near, self.far):
            space.sh("cd /proc/sys/net; echo 1 >ipv6/conf/default/disable_ipv6; "
                     "echo 1 >ipv6/conf/all/disable_ipv6")
        self.start_switch(0, devices=[f"net_tap{i},iface={name}"
                                      for i, name in enumerate(("u0", "t0"))],
                          enter=self.near.enter(),
                          extra=(f"--metrics=unix:{self.workdir}/metrics",))
        self.make_wire()
        self.make_far()
        self.ask(f"set port 1 domain {DOMAIN}")
        self.join()
        wait_for("the way to the VTEP", lambda: re.search(
            rf"{re.escape(FAR)} .* up$", self.ask("show vxlan vtep"), re.M), 30)
        self.far.sh(f"ping -q -c 1 -W 10 {GUEST}")

    @staticmethod
    def on(space, line):
        """Run a program of the host in the network of a namespace."""
        done = subprocess.run([*space.enter(), *line.split()], capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            raise Failure(f"{space.name}: {line}: {done.stderr.strip()}")
        return done.stdout

    def make_wire(self):
        """From the underlay's tap to the far namespace; addresses of the near one."""
        for name in ("u0", "t0"):
            self.near.card(name)
        dev = device()
        self.near.veth(dev, "w0")
        far = self.far.take(dev, "f0").mac
        for line in ("link add br0 type bridge mcast_snooping 0", "link set u0 master br0 up",
                     "link set w0 master br0 up", "link set br0 up",
                     "link add d0 type veth peer name d1", "link set d0 up", "link set d1 up",
                     f"addr add {NEAR}/24 dev d0", f"neigh add {FAR} lladdr {far} dev d0",
                     f"link set t0 mtu {MTU} up", f"addr add {GUEST}/24 dev t0"):
            self.on(self.near, f"ip {line}")

    def make_far(self):
        """The kernel's VTEP, and a station behind it: a bridge that says nothing of itself."""
        near = self.near.card("d0").mac
        for line in ("link set f0 up", f"addr add {FAR}/24 dev f0",
                     f"neigh add {NEAR} lladdr {near} dev f0", "link add br1 type bridge mcast_snooping 0",
                     f"link add vx type vxlan id {VNI} local {FAR} dstport 4789",
                     f"link set vx master br1 mtu {MTU} up", f"addr add {STATION}/24 dev br1",
                     "link set br1 up"):
            self.on(self.far, f"ip {line}")
        self.on(self.far, f"bridge fdb append 00:00:00:00:00:00 dev vx dst {NEAR}")

    def join(self):
        """VTEPs whose ports have numbers in another order than in the list."""
        self.ask(f"vxlan add vx local {NEAR} underlay 0")
        for vteps in (f"{FORMER},{FAR}", f"{FAR},{ABSENT}"):
            self.ask(f"vxlan vni {VNI} domain {DOMAIN} flood {vteps}")

    def facts(self):
        """All that is to be equal before and after, without what time and frames add."""
        asked = {command: self.ask(command) for command in self.COMMANDS}
        asked["show fdb"] = re.sub(r" +\d+s( +\d+)$", r" AGE\1", asked["show fdb"], flags=re.M)
        asked["show vxlan vtep"] = re.sub(self.COUNTS, r"\1 ", asked["show vxlan vtep"])
        # tables have an order of their own
        return {command: said.splitlines() if command == "show config" else
                sorted(said.splitlines()) for command, said in asked.items()}

    def counts(self):
        """Of frames of each VTEP."""
        return [int(n) for found in re.finditer(self.COUNTS, self.ask("show vxlan vtep"))
                for n in found[2].split()]

    def numbers(self):
        """Of the VTEPs' ports."""
        return re.findall(rf"^{VNI} +[\d.]+ +(\d+) ", self.ask("show vxlan vtep"), re.M)

    def wait_facts(self, before):
        """Until all is as it was; a next hop that is not there takes the kernel a while."""
        try:
            wait_for("equal facts", lambda: self.facts() == before, 30)
        except Failure:
            now = self.facts()
            lines = [(name, set(before[name]) ^ set(now[name])) for name in before]
            raise Failure(f"only before, or after: {[line for line in lines if line[1]]}") from None

    def begin_pings(self):
        """From the far station to the guest."""
        self.far.sh(f": >{PINGS}")
        self.far.background(f"ping -i {PING_MS / 1000} {GUEST} >{PINGS} 2>&1")

    def answered(self):
        """Numbers of pings."""
        return [int(n) for n in re.findall(r"seq=(\d+) ttl=\d+ time=\S+ ms$",
                                           self.far.sh(f"cat {PINGS}"), re.M)]

    def wait_pings(self, n):
        """Until that many more were answered."""
        before = len(self.answered())
        wait_for("pings", lambda: len(self.answered()) >= before + n, 30)

    def no_hop(self):
        """Frames to the VTEP that is there which had no way."""
        port = re.search(rf"{re.escape(FAR)} +(\d+) ", self.ask("show vxlan vtep"))[1]
        return re.findall(r"drop_tx_no_hop_packets: (\d+)", self.ask(f"show port xstats {port}"))

    @check("upgrade.tunnels.pings")
    def check_pings(self):
        """Pings through a tunnel lose nothing but what comes to the taps while they are away."""
        self.begin_pings()
        self.wait_pings(10)
        before, no_hop, stops = self.facts(), self.no_hop(), []
        for _ in range(UPGRADES):
            stops.append(self.upgraded(self.ask("upgrade")))
            self.wait_pings(20)
            expect(self.no_hop() == no_hop, "frames had no way")
        now = self.facts()
        for name in ("show config", "show fdb", "show vxlan", "show vxlan fdb"):
            expect(now[name] == before[name], f"{name}: {before[name]}, {now[name]}")
        self.far.sh("killall ping")
        seen = self.answered()
        expect(sorted(set(seen)) == seen, f"out of order, or twice: {seen}")
        lost = seen[-1] - seen[0] + 1 - len(seen)
        most = sum(ms / PING_MS + 2 for ms in stops)
        expect(lost <= most, f"{lost} pings were lost while taps were away for {stops} ms")
        return (f"{lost} of {seen[-1] + 1} pings lost; stood still for "
                f"{', '.join(f'{ms:.1f}' for ms in stops)} ms")

    @check("upgrade.tunnels.equal")
    def check_equal(self):
        """Ports' numbers, addresses behind VTEPs, counters: all as before, each time."""
        expect(self.numbers() == ["1025", "1024"], f"numbers: {self.numbers()}")
        before = self.facts()
        expect(sum(FAR in line for line in before["show vxlan fdb"]) == 1,
               f"the station: {before['show vxlan fdb']}")
        for _ in range(2):
            counts = self.counts()
            self.upgraded(self.ask("upgrade"))
            expect(all(now >= was for now, was in zip(self.counts(), counts)),
                   f"counters {self.counts()} after {counts}")
            self.wait_facts(before)
        self.far.sh(f"ping -q -c 1 -W 10 {GUEST}")

    @check("upgrade.tunnels.refused")
    def check_refused(self):
        """A successor that ends in the stop: tunnels go on here."""
        self.begin_pings()
        self.wait_pings(10)
        no_hop = self.no_hop()
        with contextlib.closing(Successor(self.control_path)) as new:
            new.receive()
            new.say(READY)
            new.receive()
            new.say(REFUSED, b"not today")
            expect(new.receive() is None, "it was told something")
        wait_for("its reason in the log", lambda: "not today" in self.switch.log(), 30,
                 alive=[self.switch])
        self.wait_pings(10)
        self.far.sh("killall ping")
        expect(self.no_hop() == no_hop, "frames had no way")


class UpgradeEvpn(UpgradeTunnels):
    """A VNI that joined EVPN; the test writes to the kernel's tables as a routing daemon does."""

    COMMANDS = (*UpgradeTunnels.COMMANDS, "show vxlan neigh")
    TAP, VXLAN, BRIDGE = (f"{name}{VNI}" for name in ("vqt", "vqx", "vqb"))

    def join(self):
        """The far VTEP and its station are told."""
        self.ask(f"vxlan add vx local {NEAR} underlay 0")
        self.ask(f"vxlan vni {VNI} domain {DOMAIN} evpn")
        wait_for("kernel devices", lambda: "is being" not in self.ask(f"why vni {VNI}") and
                 "no other host" in self.ask(f"why vni {VNI}"), 30)
        self.station = self.far.card("br1").mac
        self.announce(self.station, STATION)
        self.on(self.near, f"bridge fdb append 00:00:00:00:00:00 dev {self.VXLAN} dst {FAR} self")

    def announce(self, mac, ip):
        """As for a route of type 2 of the far VTEP."""
        self.on(self.near, f"bridge fdb replace {mac} dev {self.VXLAN} dst {FAR} self")
        self.on(self.near, f"bridge fdb replace {mac} dev {self.VXLAN} master extern_learn")
        self.on(self.near, f"ip neigh replace {ip} lladdr {mac} dev {self.BRIDGE} extern_learn "
                           "nud noarp")

    def withdraw(self, mac, ip):
        """The opposite."""
        self.on(self.near, f"bridge fdb del {mac} dev {self.VXLAN} dst {FAR} self")
        self.on(self.near, f"bridge fdb del {mac} dev {self.VXLAN} master")
        self.on(self.near, f"ip neigh del {ip} dev {self.BRIDGE}")

    def devices(self):
        """The kernel's word about the devices: numbers, and how often a carrier went."""
        return [self.near.sh(f"cat /sys/class/net/{dev}/{fact}")
                for dev in (self.TAP, self.VXLAN, self.BRIDGE)
                for fact in ("ifindex", "carrier", "carrier_down_count")]

    def watch(self):
        """Begin to note what changes in the kernel's tables."""
        log = self.workdir / "monitor"
        with log.open("wb") as out:
            monitor = self.own(Process("monitor", [*self.near.enter(), "ip", "monitor", "neigh"],
                                       self.workdir))
            monitor.spawn(stdout=out)
        entry = f"02:00:00:00:00:78 dev {self.VXLAN} master"

        def noted():
            """It begins a while after its start."""
            self.on(self.near, f"bridge fdb replace {entry} extern_learn")
            self.on(self.near, f"bridge fdb del {entry}")
            return "00:78" in log.read_text("ascii")
        wait_for("the first change", noted, 30, alive=[monitor])
        return monitor, log

    @check("upgrade.evpn.pings")
    def check_pings(self):
        """Pings through a tunnel whose VTEP was told go on."""
        return super().check_pings()

    @check("upgrade.evpn.equal")
    def check_equal(self):
        """Numbers, addresses and counters as before; the kernel has all addresses all the time."""
        guest = self.near.card("t0").mac
        wait_for("the guest's address", lambda: guest in
                 self.on(self.near, f"bridge fdb show dev {self.TAP}"), 10)
        wait_for("the IP addresses", lambda: all(
            ip in self.ask("show vxlan neigh") for ip in (GUEST, STATION)), 10)
        before, kernel = self.facts(), self.devices()
        monitor, log = self.watch()
        for _ in range(2):
            dumps = self.dumps()
            self.upgraded(self.ask("upgrade"))
            wait_for("a new dump", lambda n=dumps: self.dumps() > n, 30)
            self.wait_facts(before)
        expect(self.devices() == kernel, f"devices: {kernel}, {self.devices()}")
        self.far.sh(f"ping -q -c 1 -W 10 {GUEST}")
        self.disown(monitor)
        gone = [line for line in log.read_text("ascii").splitlines()
                if line.startswith("Deleted") and (guest in line or self.station in line)
                and "vq" in line]
        expect(not gone, f"withdrawn meanwhile: {gone}")

    def dumps(self):
        """Of the kernel's tables so far."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30)
            s.connect(str(self.workdir / "metrics"))
            s.sendall(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
            page = b"".join(iter(lambda: s.recv(65536), b"")).decode("ascii")
        return int(re.search(r"^vqswitch_evpn_dumps_total (\d+)$", page, re.M)[1])

    @check("upgrade.evpn.repaired")
    def check_repaired(self):
        """The difference is made up for when the tables change while no process reads them."""
        gone, new = "02:00:00:00:00:79", "02:00:00:00:00:7a"
        self.announce(gone, "192.168.77.79")
        wait_for("the address", lambda: gone in self.ask("show fdb").lower(), 10)
        with contextlib.closing(Successor(self.control_path)) as stand_in:
            stand_in.receive()
            stand_in.say(READY)
            stand_in.receive()
            self.withdraw(gone, "192.168.77.79")
            self.announce(new, "192.168.77.80")
            stand_in.say(REFUSED, b"not today")
        self.upgraded(self.ask("upgrade"))
        wait_for("the difference", lambda: gone not in self.ask("show fdb").lower() and
                 new in self.ask("show fdb").lower(), 30)
        expect("192.168.77.79" not in self.ask("show vxlan neigh"), "an IP address is left")
        expect("192.168.77.80" in self.ask("show vxlan neigh"), "an IP address is missing")

    @check("upgrade.evpn.refused")
    def check_refused(self):
        """A successor that ends in the stop leaves the devices."""
        kernel = self.devices()
        super().check_refused()
        expect(self.devices() == kernel, f"devices: {kernel}, {self.devices()}")
