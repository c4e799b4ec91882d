# SPDX-License-Identifier: BSD-3-Clause
"""The switch under test and dpdk-testpmd, as vhost back-end and as virtio-user."""

import os
import re

from .process import Failure, PromptProgram, wait_for

# a worker and control may share CPUs: every lcore may run on all of them
CPUS = sorted(os.sched_getaffinity(0))


def lcores(count):
    """--lcores argument for that many threads, none pinned."""
    span = ",".join(str(cpu) for cpu in CPUS)
    return ",".join(f"{lcore}@({span})" for lcore in range(count))


def eal(prefix, cores, memory):
    """EAL arguments that need no huge pages and share nothing with other processes."""
    return ["--lcores", lcores(cores), "--no-huge", "-m", memory, "--no-pci", "--no-telemetry",
            f"--file-prefix={prefix}"]


def xstats_of(text):
    """{port: {name: value}} of the answer to "show port xstats"."""
    parts = re.split(r"NIC extended statistics for port (\d+)", text)
    return {int(port): {name: int(value) for name, value in re.findall(r"^(\w+): (\d+)$", values, re.M)}
            for port, values in zip(parts[1::2], parts[2::2])}


class Port:
    """A vhost port of a back-end: its socket and its vdev options."""

    def __init__(self, path, **options):
        self.path = path
        self.options = options

    def vdev(self, index):
        """Argument of --vdev."""
        tail = "".join(f",{key}={value}" for key, value in self.options.items())
        return f"net_vhost{index},iface={self.path}{tail}"


class EthdevPort:
    """A port on another DPDK driver: "net_tap", iface="tap0"."""

    def __init__(self, driver, **options):
        self.driver = driver
        self.options = options

    def vdev(self, index):
        """Argument of --vdev."""
        tail = "".join(f",{key}={value}" for key, value in self.options.items())
        return f"{self.driver}{index}{tail}"


class VhostBackend(PromptProgram):
    """Common parts of the switch and testpmd: a command line and commands."""

    program = prompt = None
    arguments = []

    def __init__(self, name, workdir, ports, workers=1, memory=512, telemetry=False, extra=()):
        vdevs = [word for index, port in enumerate(ports) for word in ("--vdev", port.vdev(index))]
        self.prefix = f"{name}-{os.getpid()}"
        words = eal(self.prefix, 1 + workers, memory)
        if telemetry:
            words.remove("--no-telemetry")
        super().__init__(name, [self.program, *words, *vdevs, "--", "-i", *self.arguments, *extra],
                         workdir, self.prompt)
        self.ports = ports

    def link_up(self, port):
        """The port has a running peer."""
        return "Link status: up" in self.command(f"show port info {port}")

    def wait_link(self, port, seconds=60):
        """Until the port has a running peer."""
        wait_for(f"{self.name}: link of port {port}", lambda: self.link_up(port), seconds)

    def xstats(self, port):
        """Extended statistics of a port by name."""
        return next(iter(self.all_xstats(port).values()), {})

    def all_xstats(self, ports="all"):
        """The same of all ports, by port."""
        return xstats_of(self.command(f"show port xstats {ports}"))


    def check_accounts(self):
        """Fails when a frame is unaccounted for, where the program keeps such accounts."""


class TestpmdVhost(VhostBackend):
    """dpdk-testpmd passing frames between ports 0-1, 2-3, ... as a stand-in and for comparison."""

    program, prompt = "dpdk-testpmd", "testpmd> "
    arguments = ["--forward-mode=io", "-a", "--no-flush-rx", "--total-num-mbufs=20000",
                 "--mbuf-size=2176"]

    def __init__(self, name, workdir, ports, **kw):
        # all ports have the same number of queues there; without tso=1 it offers no segmentation
        queues = max(port.options.get("queues", 1) for port in ports)
        super().__init__(name, workdir, [
            Port(port.path, **(port.options | {"queues": queues, "tso": 1})) for port in ports], **kw)
        self.argv += [f"--rxq={queues}", f"--txq={queues}"]


class Switch(VhostBackend):
    """vqswitch."""

    program, prompt = "vqswitch", "vqswitch> "
    emulated = program  # that an emulated processor can run
    arguments = ["-a"]

    def __init__(self, name, workdir, ports, **kw):
        super().__init__(name, workdir, ports, **kw)
        self.argv.append(f"--state-dir={workdir}/state")

    def check_accounts(self, announced=False):
        """Received = handed on - replicated + drops, for every queue, and handed on = offered.

        The last not when guests were announced, whose frames come from no queue.
        """
        problem = "never looked"

        def balanced():
            nonlocal problem
            problem = self._imbalance(announced)
            return not problem

        try:
            # a frame may be on its way while we look
            wait_for("balance", balanced, 10, alive=[self])
        except Failure as e:
            raise Failure(f"frames unaccounted for: {problem}") from e

    def _imbalance(self, announced):
        handed_on = offered = 0
        for port, xstats in self.all_xstats().items():
            queues = {}
            for name, value in xstats.items():
                found = re.fullmatch(r"([rt]x)_q(\d+)_(\w+)_packets", name)
                if found:
                    queues.setdefault((found[1], found[2]), {})[found[3]] = value
            for (direction, index), s in queues.items():
                drops = sum(n for name, n in s.items() if name.startswith("drop_"))
                where = f"port {port} {direction} queue {index}: {s}"
                if direction == "rx" and s["good"] != s["offered"] - s["replicated"] + drops:
                    return where
                if direction == "tx" and s["offered"] != s["good"] + drops:
                    return where
                handed_on += s["offered"] if direction == "rx" else 0
                offered += s["offered"] if direction == "tx" else 0
        if handed_on == 0 or (handed_on != offered and not announced):
            return f"{handed_on} frames handed on by rx queues, {offered} offered to tx queues"
        return ""


BACKENDS = {"vqswitch": Switch, "testpmd": TestpmdVhost}
_backend = Switch  # pylint: disable=invalid-name


def select_backend(name, program, emulated):
    """Which back-end the scenarios use, and where the switch is."""
    global _backend  # pylint: disable=global-statement
    Switch.program = os.path.abspath(program)
    Switch.emulated = os.path.abspath(emulated)
    _backend = BACKENDS[name]


def backend(*args, **kw):
    """A back-end of the kind under test."""
    return _backend(*args, **kw)


class VirtioUser(PromptProgram):
    """dpdk-testpmd as the driver of a vhost-user device, without a virtual machine."""

    # the ten paths of the DTS loopback suites; the driver picks its code by these options
    PATHS = {
        "inorder_mergeable": "in_order=1,mrg_rxbuf=1",
        "inorder_nonmergeable": "in_order=1,mrg_rxbuf=0",
        "mergeable": "in_order=0,mrg_rxbuf=1",
        "nonmergeable": "in_order=0,mrg_rxbuf=0",
        "vectorized": "in_order=0,mrg_rxbuf=0,vectorized=1",
        "packed_inorder_mergeable": "packed_vq=1,in_order=1,mrg_rxbuf=1",
        "packed_inorder_nonmergeable": "packed_vq=1,in_order=1,mrg_rxbuf=0",
        "packed_mergeable": "packed_vq=1,in_order=0,mrg_rxbuf=1",
        "packed_nonmergeable": "packed_vq=1,in_order=0,mrg_rxbuf=0",
        "packed_vectorized": "packed_vq=1,in_order=1,mrg_rxbuf=0,vectorized=1",
    }

    def __init__(self, name, workdir, path, options, mac, arguments=()):
        super().__init__(name, [
            "dpdk-testpmd", *eal(f"{name}-{os.getpid()}", 2, 512), "--force-max-simd-bitwidth=512",
            "--vdev", f"net_virtio_user0,mac={mac},path={path},{options}",
            "--", "-i", "--total-num-mbufs=20000", *arguments], workdir, "testpmd> ")

    def packets(self):
        """(received, sent) since the start."""
        out = self.command("show port stats 0")
        found = re.search(r"RX-packets: *(\d+).*?TX-packets: *(\d+)", out, re.S)
        if not found:
            raise Failure(f"{self.name}: no statistics in {out!r}")
        return int(found[1]), int(found[2])
