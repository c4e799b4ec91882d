# SPDX-License-Identifier: BSD-3-Clause
"""The recipes of doc/vduse.md, as they are written, in a guest whose kernel has VDUSE."""

import json
import re
import shlex

from harness.hostguest import HostGuest
from harness.process import Failure, Skip, wait_for

from .base import Scenario, check
from .kernel_bond import KernelBond
from .recipes import ROOT, unpacked
from .vduse import GuestSwitch

try:
    import yaml
except ImportError:
    yaml = None

TEXT = (ROOT / "doc/vduse.md").read_text("utf-8")
LOADED = 1 << 20  # bytes that the virtual machine's firmware loads
FOLDER = "/tmp/net"  # of a small boot server
LEASE = ("start 10.97.0.9", "end 10.97.0.9", "interface vqs7", f"lease_file {FOLDER}/leases",
         f"pidfile {FOLDER}/pid", "opt subnet 255.255.255.0", "opt router 10.97.0.7",
         f"boot_file http://10.97.0.7{FOLDER}/script")
SCRIPT = ("#!ipxe", f"imgfetch http://10.97.0.7{FOLDER}/image || exit", ":again", "sleep 1",
          "goto again")


def block(title, number=0):
    """A block of the recipe of that title."""
    part = re.search(rf"^### {title}\n(.*?)(?=^##)", TEXT, re.M | re.S)
    blocks = re.findall(r"^```\w*\n(.*?)^```", part[1] if part else "", re.M | re.S)
    if len(blocks) <= number:
        raise Failure(f"doc/vduse.md has no such block: {title} {number}")
    return blocks[number]


def commands(title, number=0):
    """The same as one line of shell, which ends with the first command that fails."""
    return " && ".join(block(title, number).replace("\\\n", " ").splitlines())


class VduseRecipes(Scenario):
    """A switch with a port for the guest's own stack."""

    seconds = 135

    def setup(self):
        self.machine = self.own(HostGuest("host", self.workdir, memory=2048))
        self.machine.start()
        self.machine.wait_ready()
        self.machine.load("vduse", "virtio_vdpa", "vhost", "irqbypass", "vhost_vdpa")
        self.machine.background("busybox httpd -f -h /")
        self.switch = GuestSwitch(self.machine, [])
        self.switch.begin()
        self.sh(commands("The host's own stack"))

    def sh(self, line, seconds=120):
        """The output of commands that find vqsctl and the switch."""
        return self.machine.sh(f"export VQSWITCH_CONTROL={self.switch.run}/control "
                               f"PATH={self.switch.tools}:$PATH; {line}", seconds)

    def pings(self, address):
        """It answers the host."""
        self.sh(f"wait_for 60 ping -q -c 1 -w 2 {address}; "
                f"ping -q -c 5 -i 0.1 -w 30 {address} | grep -q ' 0% packet loss'")

    @check("vduse.recipes.container")
    def container(self):
        """A namespace, and that of a process that runs."""
        self.sh(commands("A container"))
        self.pings("10.97.0.8")
        self.sh("unshare -n sleep 1000 >/dev/null 2>&1 & PID=$!; sleep 1; "
                + commands("A container", 1))
        self.sh("ip -n app link set eth0 up")
        self.sh("vqsctl port detach net_vhost8 && vqsctl port detach net_vhost10")

    def boot_server(self):
        """The firmware of a virtual machine has a server to ask."""
        texts = " && ".join(f"printf '%s\\n' {' '.join(map(shlex.quote, lines))} >{FOLDER}/{name}"
                            for name, lines in (("conf", LEASE), ("script", SCRIPT)))
        self.sh(f"mkdir -p {FOLDER} && {texts} && touch {FOLDER}/leases && "
                f"head -c {LOADED} /dev/urandom >{FOLDER}/image")
        self.machine.background(f"busybox udhcpd -f {FOLDER}/conf")

    def received(self):
        """Bytes that the virtual machine has been sent."""
        stats = self.sh("vqsctl show port stats net_vhost9")
        return int(re.search(r"TX-packets: .*TX-bytes: +(\d+)", stats)[1])

    @check("vduse.recipes.machine")
    def virtual_machine(self):
        """QEMU's firmware gets an address, loads a file and answers; also from the next process."""
        self.boot_server()
        self.sh(commands("A virtual machine"))
        self.machine.background(f"{commands('A virtual machine', 1)} >{FOLDER}/qemu.log 2>&1")
        try:
            wait_for("the file", lambda: self.received() > LOADED, 240, alive=[self.machine],
                     pause=1)
        except Failure as e:
            raise Failure(f"{e}: {self.sh(f'cat {FOLDER}/qemu.log')} "
                          f"{self.sh('vqsctl show port net_vhost9 negotiation | tail -n 20')}") from e
        self.pings("10.97.0.9")
        stood = self.switch.upgrade()
        self.pings("10.97.0.9")
        self.sh("busybox killall qemu-system-x86_64")
        wait_for("its end", lambda: json.loads(self.sh(
            "vqsctl show port net_vhost9 negotiation json"))["vhost"]["vduse_state"] == "not in use",
                 60, alive=[self.machine], pause=0.2)
        self.sh("vqsctl port detach net_vhost9")
        return f"ports stood still for {stood} ms"

    def plugin(self, what, config):
        """Run the plugin that the manifest names, as a node of Kubernetes does."""
        folder = unpacked("containernetworking-plugins") / "usr/lib/cni"
        text = shlex.quote(json.dumps(config))
        return self.sh(f"printf '%s' {text} | CNI_COMMAND={what} CNI_CONTAINERID=pod1 "
                       "CNI_NETNS=/run/netns/pod1 CNI_IFNAME=net1 "
                       f"CNI_PATH={folder} {folder}/{config['type']}")

    @check("vduse.recipes.kubernetes")
    def kubernetes(self):
        """The manifest is one, and the plugin that it names moves the interface into a pod."""
        if yaml is None:
            raise Skip("needs python3-yaml")
        network, pod = yaml.safe_load_all(block("Kubernetes", 1))
        config = json.loads(network["spec"]["config"])
        name = network["metadata"]["name"]
        if pod["metadata"]["annotations"]["k8s.v1.cni.cncf.io/networks"] != name \
                or config["name"] != name:
            raise Failure(f"not of one network: {network}, {pod}")
        self.sh(commands("Kubernetes"))
        self.sh("ip netns add pod1")
        self.plugin("ADD", config)
        self.pings("10.97.0.11")
        self.plugin("DEL", config)
        self.sh(f"wait_for 30 ip link show dev {config['device']}")
        self.sh("vqsctl port detach net_vhost11")

    @check("vduse.recipes.another")
    def another(self):
        """A device that another program puts on the bus, and takes off it."""
        self.sh("vqsctl port attach net_vhost12,iface=/dev/vduse/other,attach=none && "
                "vdpa dev add name other mgmtdev vduse && "
                "wait_for 30 sh -c 'ls /sys/bus/vdpa/devices/other/virtio*/net' && "
                "vdpa dev del other && vqsctl port detach net_vhost12 && "
                "wait_for 30 sh -c '! ls /dev/vduse/other'")

    @check("ethdev.lacp.kernel")
    def kernel_bond(self):
        """A bond of the switch and one of the kernel agree, and lose one link after the other."""
        with KernelBond(self.machine) as bond:
            return bond.fail_links()
