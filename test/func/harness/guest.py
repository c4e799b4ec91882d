# SPDX-License-Identifier: BSD-3-Clause
"""A virtual machine: QEMU, the agent in it, and what tests ask of both."""

import dataclasses
import json
import pathlib

from . import images, qemu
from .process import Deadline, Failure
from .system import COMMAND, Channel, System


@dataclasses.dataclass
class Nic:
    """One network card of a guest and the vhost-user socket behind it."""
    mac: str
    path: pathlib.Path
    queues: int = 1
    server: bool = False    # QEMU listens, the switch connects
    reconnect: int = 0      # seconds between QEMU's attempts when it is the client
    options: dict = dataclasses.field(default_factory=dict)  # of the -device

    def backend(self, index):
        """-chardev and -netdev arguments."""
        chardev = f"socket,id=chr{index},path={self.path}"
        if self.server:
            chardev += ",server=on,wait=off"
        elif self.reconnect:
            chardev += f",reconnect={self.reconnect}"
        netdev = f"vhost-user,id=net{index},chardev=chr{index}"
        if self.queues > 1:
            netdev += f",queues={self.queues}"
        return ["-chardev", chardev, "-netdev", netdev]

    def device(self, index, model):
        """-device arguments."""
        options = dict(self.options)
        if self.queues > 1:
            options["mq"] = "on"
        words = []
        if options.get("ats") == "on":
            # QEMU gives address translation services to cards behind a port only
            words = ["-device", f"pcie-root-port,id=port{index},chassis={index + 1}"]
            options["bus"] = f"port{index}"
        tail = "".join(f",{key}={value}" for key, value in options.items())
        return [*words, "-device", f"{model},netdev=net{index},id=nic{index},mac={self.mac}{tail}"]


@dataclasses.dataclass
class Machine:
    """Differences between architectures."""
    qemu: str
    arguments: list
    consoles: list  # device arguments: kernel messages, agent
    cmdline: str
    nic: str


X86_CMDLINE = ("console=ttyS0 agent=ttyS1 mitigations=off clocksource=acpi_pm tsc=unstable "
               "no_timer_check cryptomgr.notests")

MACHINES = {
    "amd64": Machine(
        "qemu-system-x86_64", ["-machine", "q35,accel=tcg,memory-backend=m", "-cpu", "max"],
        ["-serial", "chardev:console", "-serial", "chardev:agent"],
        X86_CMDLINE,
        # MSI-X with a vhost-user back-end crashes QEMU 7.2 without KVM
        "virtio-net-pci,vectors=0,romfile="),
    # cmpxchg16b of QEMU 7.2 leaves flags that newer kernels stumble over
    "vdpa": Machine(
        "qemu-system-x86_64",
        ["-machine", "q35,accel=tcg,memory-backend=m", "-cpu", "max,cx16=off"],
        ["-serial", "chardev:console", "-serial", "chardev:agent"],
        X86_CMDLINE,
        "virtio-net-pci,vectors=0,romfile="),
    "s390x": Machine(
        "qemu-system-s390x", ["-machine", "s390-ccw-virtio,accel=tcg,memory-backend=m"],
        ["-device", "sclplmconsole,chardev=console", "-device", "sclpconsole,chardev=agent"],
        "console=ttyS0 agent=ttysclp0", "virtio-net-ccw"),
}


# How a guest uses its IOMMU: it unmaps every buffer at once; now and then all of them together
# (Linux's default); or its devices see its memory as it is.
IOMMU_MODES = {
    None: "",
    "strict": " intel_iommu=on iommu.strict=1",
    "lazy": " intel_iommu=on",
    "pt": " intel_iommu=on iommu=pt",
}


@dataclasses.dataclass
class Software:
    """A QEMU, the Debian release of the guest's kernel, its use of an IOMMU.

    None: those of this machine, no IOMMU.
    """
    qemu: str | None = None
    kernel: str | None = None
    iommu: str | None = None  # one of IOMMU_MODES


class Guest(System):
    """One QEMU process. start() returns once QEMU runs, wait_ready() once the agent answers."""

    def __init__(self, name, workdir, nics, arch="amd64", memory=384, cpus=1,
                 incoming=None, software=Software()):
        self.arch = arch
        self.nics = nics
        self.console_path = pathlib.Path(workdir) / f"{name}.console"
        self.qmp_channel = None
        self.options = (memory, cpus, incoming)
        self.software = software
        super().__init__(name, [], workdir)

    def _arguments(self):
        memory, cpus, incoming = self.options
        machine = MACHINES[self.arch]
        kernel, initrd = images.get(self.arch, self.software.kernel)
        cmdline = (f"{machine.cmdline} rdinit=/{images.IMAGES[self.arch].first} quiet panic=-1 "
                   "nokaslr ipv6.disable=1 net.ifnames=0")
        argv = [*qemu.command(machine.qemu, self.software.qemu), "-name", self.name,
                "-nodefaults", "-no-user-config", "-display", "none", *machine.arguments,
                # room for a second CPU: for a machine that can never have one QEMU leaves out
                # memory barriers and translates atomic operations to plain ones, so the guest
                # now and then misses what its devices do at the same moment
                "-smp", f"{cpus},maxcpus={max(cpus, 2)}", "-m", f"{memory}M",
                "-object", f"memory-backend-memfd,id=m,size={memory}M,share=on",
                "-kernel", kernel, "-initrd", initrd,
                "-append", cmdline + IOMMU_MODES[self.software.iommu],
                "-chardev", f"file,id=console,path={self.console_path},append=on",
                *self._channels(), *machine.consoles]
        if self.software.iommu:
            argv += ["-device", "intel-iommu,intremap=off,device-iotlb=on"]
        argv += self._devices()
        for index, nic in enumerate(self.nics):
            argv += nic.backend(index) + nic.device(index, machine.nic)
        if incoming:
            argv += ["-incoming", incoming]
        return [str(word) for word in argv]

    def _channels(self):
        """Arguments for the ways to its shell and to QEMU's monitor."""
        return ["-chardev", f"socket,id=agent,fd={self.agent.theirs.fileno()}",
                "-chardev", f"socket,id=qmp,fd={self.qmp_channel.theirs.fileno()}",
                "-mon", "chardev=qmp,mode=control"]

    def _devices(self):
        """Arguments for what only some guests have."""
        return []

    def start(self):
        """Start QEMU; the guest boots meanwhile."""
        self.agent, self.qmp_channel = Channel(), Channel()
        self.argv = self._arguments()
        fds = (self.agent.theirs.fileno(), self.qmp_channel.theirs.fileno())
        self.spawn(pass_fds=fds)
        self.agent.started()
        self.qmp_channel.started()
        self._qmp_receive(lambda m: "QMP" in m, Deadline(COMMAND))
        self.qmp("qmp_capabilities")
        return self

    def console_tail(self):
        """The last kernel messages."""
        if not self.console_path.exists():
            return ""
        text = self.console_path.read_text("utf-8", "replace")
        return " | ".join(text.strip().splitlines()[-5:])

    # --- QEMU's monitor ---

    def qmp(self, command, seconds=COMMAND, **arguments):
        """Execute a QMP command; its return value. Events meanwhile are dropped."""
        message = {"execute": command}
        if arguments:
            message["arguments"] = {k.replace("_", "-"): v for k, v in arguments.items()}
        self.qmp_channel.send(json.dumps(message))
        answer = self._qmp_receive(lambda m: "return" in m or "error" in m, Deadline(seconds))
        if "error" in answer:
            raise Failure(f"{self.name}: {command}: {answer['error']['desc']}")
        return answer["return"]

    def _qmp_receive(self, wanted, deadline):
        while True:
            try:
                line = self.qmp_channel.line(deadline)
            except (EOFError, ConnectionError) as e:
                self.wait_exit()
                raise Failure(f"{self.name} is gone: {self.log_tail()}") from e
            if line is None:
                raise Failure(f"{self.name}: QEMU's monitor does not answer")
            message = json.loads(line)
            if wanted(message):
                return message

    # --- network cards ---

    def features(self, nic):
        """Feature bits the guest's driver negotiated for a card."""
        bits = self.sh(f"cat /sys/class/net/{self.nic_name(nic)}/device/features")
        return {bit for bit, set_ in enumerate(bits) if set_ == "1"}

    def reboot(self):
        """Reboot from inside and wait for the agent."""
        self.agent.send("0 reboot -f")
        self.wait_ready()

    def close(self):
        super().close()
        if self.qmp_channel is not None:
            self.qmp_channel.close()
