# SPDX-License-Identifier: BSD-3-Clause
"""A virtual machine: QEMU, the agent in it, and what tests ask of both."""

import dataclasses
import json
import pathlib
import select
import socket

from . import images
from .process import Deadline, Failure, Process, wait_for

BOOT = 240     # seconds a guest may take to boot on a busy machine
COMMAND = 120  # and a command in it


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
        tail = "".join(f",{key}={value}" for key, value in options.items())
        return ["-device", f"{model},netdev=net{index},id=nic{index},mac={self.mac}{tail}"]


@dataclasses.dataclass
class Machine:
    """What differs between architectures."""
    qemu: str
    arguments: list
    consoles: list  # device arguments: kernel messages, agent
    cmdline: str
    nic: str


MACHINES = {
    "amd64": Machine(
        "qemu-system-x86_64", ["-machine", "q35,accel=tcg,memory-backend=m", "-cpu", "max"],
        ["-serial", "chardev:console", "-serial", "chardev:agent"],
        "console=ttyS0 agent=ttyS1 mitigations=off clocksource=acpi_pm tsc=unstable",
        # MSI-X with a vhost-user back-end crashes QEMU 7.2 without KVM
        "virtio-net-pci,vectors=0,romfile="),
    "s390x": Machine(
        "qemu-system-s390x", ["-machine", "s390-ccw-virtio,accel=tcg,memory-backend=m"],
        ["-device", "sclplmconsole,chardev=console", "-device", "sclpconsole,chardev=agent"],
        "console=ttyS0 agent=ttysclp0", "virtio-net-ccw"),
}


class Channel:
    """Lines to and from a QEMU character device, over a socket pair QEMU inherits."""

    def __init__(self):
        self.ours, self.theirs = socket.socketpair()
        self.pending = b""

    def started(self):
        """QEMU has its end; only then does its death end our reads."""
        self.theirs.close()

    def send(self, text):
        """One line."""
        self.ours.sendall(text.encode() + b"\n")

    def line(self, deadline):
        """The next line, None when the deadline passes. EOFError at the end."""
        while b"\n" not in self.pending:
            if not select.select([self.ours], [], [], deadline.left())[0]:
                return None
            data = self.ours.recv(65536)
            if not data:
                raise EOFError
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode("utf-8", "replace").rstrip("\r")

    def close(self):
        """Both ends."""
        self.ours.close()
        self.theirs.close()


class Guest(Process):
    """One QEMU process. start() returns once QEMU runs, wait_ready() once the agent answers."""

    # pylint: disable-next=too-many-arguments,too-many-positional-arguments
    def __init__(self, name, workdir, nics, arch="amd64", memory=256, cpus=1, iommu=False,
                 incoming=None):
        self.arch = arch
        self.nics = nics
        self.console_path = pathlib.Path(workdir) / f"{name}.console"
        self.boots = []
        self.names = {}
        self.next_id = 0
        self.agent = self.qmp_channel = None
        self.options = (memory, cpus, iommu, incoming)
        super().__init__(name, [], workdir)

    def _arguments(self):
        memory, cpus, iommu, incoming = self.options
        machine = MACHINES[self.arch]
        kernel, initrd = images.get(self.arch)
        cmdline = f"{machine.cmdline} quiet panic=-1 nokaslr ipv6.disable=1 net.ifnames=0"
        argv = [machine.qemu, "-name", self.name, "-nodefaults", "-no-user-config",
                "-display", "none", *machine.arguments,
                "-smp", cpus, "-m", f"{memory}M",
                "-object", f"memory-backend-memfd,id=m,size={memory}M,share=on",
                "-kernel", kernel, "-initrd", initrd,
                "-append", cmdline + (" intel_iommu=on iommu.strict=1" if iommu else ""),
                "-chardev", f"file,id=console,path={self.console_path},append=on",
                "-chardev", f"socket,id=agent,fd={self.agent.theirs.fileno()}",
                "-chardev", f"socket,id=qmp,fd={self.qmp_channel.theirs.fileno()}",
                "-mon", "chardev=qmp,mode=control", *machine.consoles]
        if iommu:
            argv += ["-device", "intel-iommu,intremap=on,device-iotlb=on"]
            argv[argv.index("-machine") + 1] += ",kernel-irqchip=split"
        for index, nic in enumerate(self.nics):
            argv += nic.backend(index) + nic.device(index, machine.nic)
        if incoming:
            argv += ["-incoming", incoming]
        return [str(word) for word in argv]

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

    def wait_ready(self, seconds=BOOT):
        """Until the agent announces one more boot."""
        deadline = Deadline(seconds)
        while True:
            line = self._agent_line(deadline, "no agent")
            if line.startswith("@@ready "):
                self.boots.append(line.split()[1])
                self.names.clear()
                return self

    def sh(self, command, seconds=COMMAND, check=True):
        """Run one line of shell in the guest; what it printed. Fails on a status other than 0 if check."""
        status, out = self.run(command, seconds)
        if check and status != 0:
            raise Failure(f"{self.name}: '{command}' gave status {status}: {out}")
        return out

    def run(self, command, seconds=COMMAND):
        """(status, output) of one line of shell."""
        self.next_id += 1
        key = f"@@{self.next_id}"
        deadline = Deadline(seconds)
        out = []
        try:
            self.agent.send(f"{self.next_id} {command}")
        except ConnectionError as e:
            raise Failure(f"{self.name} is gone: {self.log_tail()}") from e
        while True:
            line = self._agent_line(deadline, f"'{command}' gave no answer")
            if line == f"{key} begin":
                out = []
            elif line.startswith(f"{key} end "):
                return int(line.split()[2]), "\n".join(out).strip()
            else:
                out.append(line)

    def _agent_line(self, deadline, complaint):
        try:
            line = self.agent.line(deadline)
        except (EOFError, ConnectionError) as e:
            self.wait_exit()
            raise Failure(f"{self.name} is gone ({complaint}): {self.log_tail()}") from e
        if line is None:
            raise Failure(f"{self.name}: {complaint} in time; console: {self.console_tail()}")
        return line

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

    def nic_name(self, nic):
        """Name of the guest's interface for a card."""
        if nic.mac not in self.names:
            self.names[nic.mac] = self.sh(f"nic {nic.mac}")
        return self.names[nic.mac]

    def features(self, nic):
        """Feature bits the guest's driver negotiated for a card."""
        bits = self.sh(f"cat /sys/class/net/{self.nic_name(nic)}/device/features")
        return {bit for bit, set_ in enumerate(bits) if set_ == "1"}

    def set_address(self, nic, address, mtu=1500):
        """Give the card this one address."""
        dev = self.nic_name(nic)
        self.sh(f"ip addr flush dev {dev} && ip link set {dev} mtu {mtu} up && "
                f"ip addr add {address} dev {dev}")

    def clear_address(self, nic):
        """Take the card's addresses away."""
        self.sh(f"ip addr flush dev {self.nic_name(nic)}")

    def reboot(self):
        """Reboot from inside and wait for the agent."""
        self.agent.send("0 reboot -f")
        self.wait_ready()

    def close(self):
        super().close()
        for channel in (self.agent, self.qmp_channel):
            if channel is not None:
                channel.close()


def wait_carrier(guest, nic, seconds=60):
    """Until the card of the guest, which is up, has a link."""
    dev = guest.nic_name(nic)
    wait_for(f"link of {dev} in {guest.name}",
             lambda: guest.run(f"[ $(cat /sys/class/net/{dev}/carrier) = 1 ]")[0] == 0,
             seconds, alive=[guest])
