# SPDX-License-Identifier: BSD-3-Clause
"""How compare starts the switches it measures."""

import os
import pathlib
import re
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "func"))

# pylint: disable=wrong-import-position
from harness.frontend import Frontend


# The network of a host: its VTEP, and the next hop of the other one.
LOCAL, REMOTE = "192.0.2.1", "192.0.2.2"
NEXT_HOP = "02:00:00:00:00:42"
HOST = ["unshare", "-n", "sh", "-c",
        f"""set -e; ip link add u0 type veth peer name u1; ip link set u1 up
        ip addr add {LOCAL}/24 dev u0; ip link set u0 up
        ip neigh add {REMOTE} lladdr {NEXT_HOP} dev u0 nud permanent; exec "$@" """, "sh"]
OWN_MAC = "02:00:00:00:00:41"  # of the host's end, where that can be chosen
VNI = 100
GUESTS = ("02:00:00:00:00:00", "02:00:01:00:00:00")  # addresses of vqgen's first two


class Failed(Exception):
    """A sample that could not be taken."""


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def udp(src, dst, addresses, ports, payload, checksum=True):
    """An Ethernet frame with a datagram; @p checksum: whether UDP has one, a wrong one."""
    length = 8 + len(payload)
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + length, 0, 0x4000, 64, 17, 0,
                         *map(socket.inet_aton, addresses))
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xffff) + (total >> 16)
    header = header[:10] + struct.pack("!H", ~((total & 0xffff) + (total >> 16)) & 0xffff) + \
        header[12:]
    return (dst + src + b"\x08\0" + header +
            struct.pack("!HHHH", *ports, length, 0xffff * checksum) + payload)


class Peer:
    """A switch between two vhost-user ports. Subclasses say how to start it."""

    server = False  # vqgen listens

    def __init__(self, args, directory, case):
        self.args = args
        self.dir = directory
        self.case = case
        self.guests = 0 if case.nulls else 1 if case.device else case.ports
        self.tap = f"cmp{os.getpid()}"
        self.procs = []
        self.silent = []

    def socket(self, i):
        return str(self.dir / f"port{i}")

    def sockets(self):
        return [self.socket(i) for i in range(self.guests)]

    def log(self, command):
        return self.dir / f"{pathlib.Path(command[0]).name}.log"

    def spawn(self, command, env=None):
        """Start a program; its standard input never ends and its output goes to a file."""
        with open(self.log(command), "w", encoding="utf8") as log:
            proc = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log,
                                    stderr=subprocess.STDOUT, env=env)
        self.procs.append(proc)

    def await_file(self, path):
        end = time.monotonic() + 60
        while not os.path.exists(path):
            if time.monotonic() > end or any(p.poll() is not None for p in self.procs):
                raise Failed(f"{type(self).__name__} did not start, see {self.dir}")
            time.sleep(0.05)

    def started(self):
        """Wait until it serves, and have the kernel send back what comes out of a tap device."""
        for path in self.sockets():
            self.await_file(path)
        if "tap" not in self.case.device:
            return
        self.await_file(f"/sys/class/net/{self.tap}")
        for words in ("qdisc add dev {} ingress",
                      "filter add dev {0} parent ffff: protocol all u32 match u32 0 0"
                      " action mirred egress redirect dev {0}"):
            subprocess.run(["tc", *words.format(self.tap).split()], check=True)

    def silence(self, first):
        """Guests behind the ports from the given one on, which say nothing."""
        for path in self.sockets()[first:]:
            self.silent.append(Frontend(path))
            self.silent[-1].negotiate()

    def stop(self):
        for guest in self.silent:
            guest.close()
        self.silent = []
        for proc in reversed(self.procs):
            proc.terminate()
            proc.send_signal(signal.SIGCONT)
            try:
                proc.wait(10)
            except subprocess.TimeoutExpired:
                proc.kill()
                proc.wait()
            proc.stdin.close()
        self.procs = []

    def workers(self):
        return self.case.nulls // 2 or 1

    def eal(self, prefix):
        cpus = (self.args.switch_cpu, self.args.client_cpu)
        lcores = [f"0@{cpus[0]}"] + [f"{i + 1}@{cpus[i]}" for i in range(self.workers())]
        return ["--lcores", ",".join(lcores), "--no-huge", "-m", "1024", "--no-pci",
                "--no-telemetry", f"--file-prefix=compare-{prefix}-{os.getpid()}"]

    def in_host(self, *words):
        """Run a program in the network of the switch."""
        subprocess.run(["nsenter", "-t", str(self.procs[-1].pid), "-n", *words], check=True,
                       capture_output=True)

    def await_in_host(self, script):
        end = time.monotonic() + 60
        while True:
            try:
                self.in_host("sh", "-c", script)
                return
            except subprocess.CalledProcessError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def capture(self, size, src, dst, tunnel_dst):
        """A file with a frame for the first guest; in the tunnel it is to that address."""
        frame = udp(mac(src), mac(dst), ("10.0.0.2", "10.0.0.1"), (2000, 1000), bytes(size - 42))
        if not self.case.plain:
            vxlan = struct.pack("!BxxxI", 8, VNI << 8)
            frame = udp(mac(NEXT_HOP), mac(tunnel_dst), (REMOTE, LOCAL), (50000, 4789),
                        vxlan + frame, checksum=False)
        path = self.dir / "frames.pcap"
        path.write_bytes(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1) +
                         struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)
        return path

    def tunnel_device(self, tunnel_dst):
        """It takes all it is sent; on the way in it has frames to the first guest without end."""
        if self.case.way == "out":
            return "net_null0,no-rx=1"
        path = self.capture(int(self.case.options.split()[-1]), GUESTS[1], GUESTS[0], tunnel_dst)
        return f"net_pcap0,rx_pcap={path},infinite_rx=1"

    def vdevs(self):
        vdevs = [f"--vdev=net_vhost{i},iface={s},queues={self.case.queues},tso=1"
                 for i, s in enumerate(self.sockets())]
        vdevs += [f"--vdev=net_null{i}" for i in range(self.case.nulls)]
        return vdevs + [f"--vdev={self.case.device.format(tap=self.tap)}"] * bool(self.case.device)

    def options(self):
        """Those that mean the same to testpmd and to us."""
        return [f"--nb-cores={self.workers()}"] + ["--stats-period=1"] * bool(self.case.nulls)

    def cpu_seconds(self):
        """CPU time the switch has used."""
        total = 0
        for proc in self.procs:
            fields = pathlib.Path(f"/proc/{proc.pid}/stat").read_text(encoding="utf8")
            total += sum(map(int, fields.rsplit(")", 1)[1].split()[11:13]))
        return total / os.sysconf("SC_CLK_TCK")

    def own_rate(self):
        """Frames a second by its own counters, sum of all ports; median of the last seconds."""
        log = self.log(self.procs[0].args)
        time.sleep(self.args.duration + 5)
        self.stop()  # or what is printed is still in its memory
        text = log.read_text(encoding="utf8")
        rates = [int(x) for x in re.findall(r"Rx-pps:\s+(\d+)", text)]
        n = self.case.nulls
        sums = [sum(rates[i:i + n]) for i in range(0, len(rates) - n + 1, n)]
        sums = [x for x in sums if x != 0]  # the first are from before it forwards
        if len(sums) < 2:
            raise Failed(f"no statistics, see {self.dir}")
        return statistics.median(sums[1:])


class Vqswitch(Peer):
    def start(self):
        build = pathlib.Path(self.args.build)
        poll = [] if self.case.sleeps else ["--poll"]
        # frames without addresses, or with the guest's own: nothing to learn
        mode = ["--forward-mode=io"] if self.case.nulls or self.case.device else []
        # 100 000 addresses of each of two guests
        table = ["--fdb-limit=262144"] if "--macs" in self.case.options else []
        if self.case.way:
            self.start_tunnel(build)
            return
        self.spawn([str(build / "app" / "vqswitch"), *self.eal("vqswitch"), *self.vdevs(), "--",
                    *poll, *mode, *table, *self.options(), f"--state-dir={self.dir}"])
        self.started()


    def start_tunnel(self, build):
        """The second guest never says anything where it is; it has its address elsewhere."""
        lines = ["set port 1 domain 9"]
        if self.case.plain:
            lines.append(f"fdb add {GUESTS[1]} 0 2")
        else:
            lines += ["set port 0 domain 5", f"vxlan add vx local {LOCAL} underlay 2",
                      f"vxlan vni {VNI} domain 5 evpn"]
        (self.dir / "commands").write_text("\n".join(lines) + "\n", encoding="utf8")
        self.spawn([*HOST, str(build / "app" / "vqswitch"), *self.eal("vqswitch"), *self.vdevs(),
                    f"--vdev={self.tunnel_device(OWN_MAC)}", "--", "--poll",
                    f"--cmdline-file={self.dir}/commands", *self.options(),
                    f"--state-dir={self.dir}"])
        self.started()
        if not self.case.plain:
            self.tell_routes()

    def tell_routes(self):
        """As a routing daemon does."""
        device = f"vqx{VNI}"
        self.await_in_host(f"ip -br link show dev {device} up | grep -q {device}")
        for words in (f"append 00:00:00:00:00:00 dev {device} dst {REMOTE} self permanent",
                      f"add {GUESTS[1]} dev {device} dst {REMOTE} self extern_learn",
                      f"add {GUESTS[1]} dev {device} master extern_learn"):
            self.in_host("bridge", "fdb", *words.split())


class Testpmd(Peer):
    def start(self):
        self.spawn([self.args.testpmd, *self.eal("testpmd"), *self.vdevs(), "--",
                    "--forward-mode=io", *self.options(), "--total-num-mbufs=16384",
                    "--txd=1024", "--rxd=1024"])
        self.started()


class Limit(Peer):
    """Ring work and one copy, nothing else."""

    def start(self):
        build = pathlib.Path(self.args.build)
        sleep = ["--sleep"] if self.case.sleeps else []
        self.spawn([str(build / "test" / "perf" / "onecopy"), "--cpu", str(self.args.switch_cpu),
                    *sleep, *self.sockets()])
        self.started()

    def busy_cycles(self):
        """Its own cycles for a frame; told at its end."""
        text = (self.dir / "onecopy.log").read_text(encoding="utf8")
        return float(re.search(r"busy_cycles=([\d.]+)", text)[1])


class Ovs(Peer):
    server = True

    def vsctl(self, *words):
        subprocess.run(["ovs-vsctl", "--timeout=60", f"--db=unix:{self.dir}/db.sock", *words],
                       check=True, capture_output=True, env=self.env)

    def start(self):
        self.env = dict(os.environ, OVS_RUNDIR=str(self.dir), OVS_DBDIR=str(self.dir),
                        OVS_LOGDIR=str(self.dir))
        subprocess.run(["ovsdb-tool", "create", f"{self.dir}/conf.db", self.args.ovs_schema],
                       check=True, capture_output=True)
        self.spawn(["ovsdb-server", f"{self.dir}/conf.db",
                    f"--remote=punix:{self.dir}/db.sock"], self.env)
        self.await_file(self.dir / "db.sock")
        cpu = self.args.switch_cpu
        # OVS adds --in-memory, which excludes --no-huge, unless it finds --legacy-mem
        extra = ("--no-huge --legacy-mem -m 1024 --no-pci --no-telemetry "
                 f"--file-prefix=compare-ovs-{os.getpid()}")
        self.vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".",
                   "other_config:dpdk-init=true", f"other_config:dpdk-extra={extra}",
                   f"other_config:pmd-cpu-mask={1 << cpu:#x}",
                   f"other_config:dpdk-lcore-mask={1 << cpu:#x}",
                   # or it wants 262144 mbufs at once
                   "other_config:per-port-memory=true",
                   "other_config:userspace-tso-enable=true")
        self.spawn([*HOST * bool(self.case.way), self.args.ovs, f"unix:{self.dir}/db.sock"],
                   self.env)
        if self.case.way:
            self.start_tunnel()
            return
        # it drops what is longer than its MTU
        mtu = ["mtu_request=9000"] if "--frame 9000" in self.case.options else []
        ports = []
        for i in range(self.guests):
            ports += ["--", "add-port", "br0", f"port{i}", "--", "set", "Interface", f"port{i}",
                      "type=dpdkvhostuserclient", f"options:vhost-server-path={self.socket(i)}",
                      *mtu]
        self.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", *ports)

    def appctl(self, *words):
        subprocess.run(["ovs-appctl", "-t", str(next(self.dir.glob("ovs-vswitchd*.ctl"))), *words],
                       check=True, capture_output=True, env=self.env)

    def start_tunnel(self):
        """The device is in a bridge of its own, whose port has the host's address."""
        guest = "br0" if self.case.plain else "br1"
        ports = []
        for i, bridge in ((0, guest), (1, "br2")):
            ports += ["--", "add-port", bridge, f"port{i}", "--", "set", "Interface", f"port{i}",
                      "type=dpdkvhostuserclient", f"options:vhost-server-path={self.socket(i)}"]
        if not self.case.plain:
            ports += ["--", "add-port", "br1", "vx", "--", "set", "Interface", "vx", "type=vxlan",
                      f"options:remote_ip={REMOTE}", f"options:key={VNI}"]
        for name in ("br0", "br1", "br2"):
            self.vsctl("add-br", name, "--", "set", "bridge", name, "datapath_type=netdev")
        self.vsctl("set", "bridge", "br0", f'other-config:hwaddr="{OWN_MAC}"')
        self.vsctl(*ports[1:])
        self.in_host("ip", "addr", "del", f"{LOCAL}/24", "dev", "u0")
        self.in_host("ip", "addr", "add", f"{LOCAL}/24", "dev", "br0")
        self.in_host("ip", "link", "set", "br0", "up")
        self.vsctl("add-port", "br0", "phy", "--", "set", "Interface", "phy", "type=dpdk",
                   f"options:dpdk-devargs={self.tunnel_device(OWN_MAC)}")
        if self.case.plain:
            self.appctl("fdb/add", "br0", "phy", "0", GUESTS[1])
        else:
            self.appctl("ovs/route/add", f"{LOCAL}/24", "br0")
            self.appctl("tnl/neigh/set", "br0", REMOTE, NEXT_HOP)
            self.appctl("fdb/add", "br0", "phy", "0", NEXT_HOP)
            self.appctl("fdb/add", "br1", "vx", "0", GUESTS[1])

    def silence(self, first):
        """It connects: programs have to listen, and are stopped once they are connected."""
        command = [str(pathlib.Path(self.args.build) / "test" / "perf" / "vqgen"), "--server",
                   "--cpu", str(self.args.client_cpu), "--timeout", "60", "--rate", "1", "--duration", "3600"]
        self.spawn(command + self.sockets()[first:])
        time.sleep(2 + self.guests / 16)
        if self.procs[-1].poll() is not None:
            raise Failed(f"silent guests did not start, see {self.dir}")
        self.procs[-1].send_signal(signal.SIGSTOP)


PEERS = {"vqswitch": Vqswitch, "testpmd": Testpmd, "ovs": Ovs, "limit": Limit}
