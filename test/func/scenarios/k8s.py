# SPDX-License-Identifier: BSD-3-Clause
"""The device plugin of Kubernetes, with a stand-in for the kubelet, and the binding of KubeVirt."""

import json
import os
import pathlib
import re
import select
import shutil
import stat
import subprocess
import xml.etree.ElementTree as ET

from harness.debs import Apt, DebError, cache_dir, locked
from harness.frontend import Frontend
from harness.peers import Switch
from harness.process import Failure, Process, Skip, patience, wait_for

from .base import Scenario, check
from .page import expect
from .recipes import unpacked

FILES = pathlib.Path(__file__).parents[3] / "config" / "k8s"
KUBELET = pathlib.Path(__file__).parents[1] / "harness" / "kubelet.py"
RESOURCE = "vqswitch.io/blue"
# what the modules of grpcio need besides a usual system
NEEDED = re.compile(r"python3-(protobuf|grpcio|six)$|lib(grpc|protobuf|absl|re2|cares|c-ares|upb|utf8)")
DOMAIN = """<domain type='kvm'><name>vm</name>
<memory unit='b'>1073741824</memory>
<os><type arch='x86_64' machine='q35'>hvm</type></os><vcpu>2</vcpu><cpu mode='host-model'>{numa}</cpu>{memory}
<devices><interface type='ethernet'><mac address='02:00:00:00:00:09'/></interface></devices></domain>"""
NUMA = "<numa><cell id='0' cpus='0-1' memory='1048576' unit='KiB'/></numa>"
HUGE = "<memoryBacking><hugepages/></memoryBacking>"


def library():
    """Python's gRPC and protobuf, unpacked beside the system."""
    root = cache_dir() / "python3-grpcio"
    root.mkdir(parents=True, exist_ok=True)
    try:
        with locked(root / "lock"):
            if not (root / "complete").exists():
                apt = Apt("amd64", root)
                names = {name for package in ("python3-grpcio", "python3-protobuf")
                         for name in apt.closure(package) if NEEDED.match(name)}
                apt.unpack(sorted(names), root / "files")
                (root / "complete").touch()
    except DebError as e:
        raise Skip(f"python3-grpcio cannot be fetched: {e}") from e
    return root / "files/usr/lib"


class K8s(Scenario):
    """A switch without ports, a node's kubelet and the plugin."""

    cpus, seconds = 0.5, 20

    def setup(self):
        self.sockets, self.folder = self.workdir / "kubelet", self.workdir / "k8s"
        self.sockets.mkdir()
        self.control = self.workdir / "state" / "control"
        path = f"{pathlib.Path(Switch.program).parent}:{os.environ['PATH']}"
        lib = library()
        self.environment = os.environ | {"PATH": path, "LD_LIBRARY_PATH": f"{lib}/x86_64-linux-gnu",
                                         "PYTHONPATH": str(lib / "python3/dist-packages")}
        self.backend([])
        words = ["/usr/bin/python3", KUBELET, self.sockets]
        self.kubelet = self.own(Process("kubelet", words, self.workdir))
        self.kubelet.spawn(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=self.environment)
        self.plugin = self.start_plugin()

    def start_plugin(self):
        """The plugin, with short intervals."""
        words = ["/usr/bin/python3", FILES / "device_plugin.py", "--resource", RESOURCE, "--count", 3,
                 "--control", self.control, "--folder", self.folder, "--kubelet", self.sockets,
                 "--group", os.getgid(), "--queues", 2, "--domain", 7, "--vlan", "access 10", "--isolated",
                 "--interval", 0.2]
        plugin = self.own(Process("plugin", words, self.workdir))
        plugin.spawn(env=self.environment)
        return plugin

    def ask(self, operation, **more):
        """The answer of the kubelet."""
        line = json.dumps({"operation": operation, "resource": RESOURCE} | more)
        self.kubelet.child.stdin.write(line + "\n")
        self.kubelet.child.stdin.flush()
        if not select.select([self.kubelet.child.stdout], [], [], 120 * patience())[0]:
            raise Failure(f"{operation}: no answer")
        line = self.kubelet.child.stdout.readline()
        if not line:
            self.kubelet.check_alive()
        return json.loads(line)

    def wait_health(self, health, count=3):
        """Until the kubelet knows all devices, which are that."""
        wanted = {f"blue-{n}": health for n in range(count)}
        wait_for(f"{count} devices {health}",
                 lambda: self.ask("devices").get(RESOURCE, [None, None])[1] == wanted, 60,
                 alive=[self.kubelet, self.plugin], pause=0.1)

    def config(self, port):
        """The words behind "set port N"."""
        start = f"set port {port} "
        return [line.removeprefix(start) for line in self.switch.command("show config").splitlines()
                if line.startswith(start)]

    @check("recipes.k8s.device")
    def device(self):
        """A container gets folders; a guest connects through one; a device given again is made anew."""
        self.wait_health("Healthy")
        first, second = self.ask("allocate", ids=[["blue-1", "blue-0"], []])
        expect(second == {}, second)
        mounts = [{"container_path": f"/run/vhost/{n}", "host_path": f"{self.folder}/blue-{1 - n}",
                   "read_only": True} for n in range(2)]
        expect(first["mounts"] == mounts, first)
        expect(first["envs"] == [{"key": "VQSWITCH_BLUE", "value":
                                  "/run/vhost/0/vhost.sock,/run/vhost/1/vhost.sock"}], first)
        folder = self.folder / "blue-1"
        expect(stat.S_IMODE(folder.stat().st_mode) == 0o2750, oct(folder.stat().st_mode))
        expect({"domain 7", "vlan access 10", "isolated on"} <= set(self.config(0)), self.config(0))
        guest = Frontend(folder / "vhost.sock")
        guest.negotiate()
        before = folder.stat().st_ino
        old = os.open(folder, os.O_RDONLY)  # as a pod that still has it mounted
        self.ask("allocate", ids=[["blue-1"]])
        expect(not os.listdir(old) and folder.stat().st_ino != before, "the old folder leads somewhere")
        os.close(old)
        guest.close()
        again = Frontend(folder / "vhost.sock")
        again.negotiate()
        again.close()

    @check("recipes.k8s.refused")
    def refused(self):
        """An unknown device, and one whose port cannot be made: nothing is left of it."""
        self.wait_health("Healthy")
        for ids in (["blue-3"], ["blue-2", "../x"], ["blue-0,client=1"]):
            said = self.ask("allocate", ids=[ids])
            expect("there is no device" in said.get("error", ""), said)
        elsewhere, away = self.workdir / "elsewhere", self.workdir / "away"
        elsewhere.mkdir()
        self.ask("allocate", ids=[["blue-2"]])
        for place in (self.folder, self.folder / "blue-2"):
            place.rename(away)
            place.symlink_to(elsewhere)
            said = self.ask("allocate", ids=[["blue-2"]])
            expect("error" in said and not list(elsewhere.iterdir()), said)
            place.unlink()
            away.rename(place)
        self.folder.chmod(0o777)
        said = self.ask("allocate", ids=[["blue-2"]])
        expect("others may write" in said.get("error", ""), said)
        self.folder.chmod(0o755)
        expect(self.ask("allocate", ids=[["blue-2"]])[0]["mounts"], "no device afterwards")

    @check("recipes.k8s.restarts")
    def restarts(self):
        """The kubelet, the plugin and the switch end and come again; health is the switch's."""
        self.wait_health("Healthy")
        self.ask("restart")
        self.wait_health("Healthy")
        self.disown(self.plugin)
        self.plugin = self.start_plugin()
        self.wait_health("Healthy")
        self.switch.kill()
        self.wait_health("Unhealthy")
        said = self.ask("allocate", ids=[["blue-0"]])
        expect(said.get("code") == "UNAVAILABLE", said)
        self.disown(self.switch)
        self.backend([])
        self.wait_health("Healthy")
        expect(self.ask("allocate", ids=[["blue-0"]])[0]["mounts"], "no device afterwards")

    @check("recipes.k8s.kubevirt")
    def kubevirt(self):
        """The binding adds an interface for each of its own; libvirt's schema knows the result."""
        if shutil.which("xmllint") is None:
            raise Skip("needs xmllint (libxml2-utils)")
        schema = unpacked("libvirt0") / "usr/share/libvirt/schemas/domain.rng"
        interfaces = [{"name": "default", "masquerade": {}},
                      {"name": "blue", "binding": {"name": "vqswitch"}, "macAddress": "02:00:00:00:00:01"},
                      {"name": "red", "binding": {"name": "vqswitch"}},
                      {"name": "x", "binding": {"name": "another"}}]
        for numa, memory in (("", ""), (NUMA, ""), (NUMA, HUGE)):
            vmi = {"spec": {"domain": {"devices": {"interfaces": interfaces}}}}
            text = self.define(vmi, DOMAIN.format(numa=numa, memory=memory))
            done = subprocess.run(["xmllint", "--noout", "--relaxng", schema, "-"], input=text, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
            expect(done.returncode == 0, f"{done.stdout} {text}")
            domain = ET.fromstring(text)
            found = [(one.find("source").get("path"), one.find("mac") is not None)
                     for one in domain.iterfind("devices/interface[@type='vhostuser']")]
            expect(found == [("/run/vhost/0/vhost.sock", True), ("/run/vhost/1/vhost.sock", False)], found)
            expect(domain.find("memoryBacking/access").get("mode") == "shared", text)
            expect((domain.find("memoryBacking/source") is None) == bool(memory), text)
        text = DOMAIN.format(numa="", memory="")
        same = self.define({"spec": {"domain": {"devices": {}}}}, text)
        expect(ET.canonicalize(same) == ET.canonicalize(text), same)

    @staticmethod
    def define(vmi, domain):
        """The domain, as KubeVirt's shim has it made."""
        done = subprocess.run([FILES / "on_define_domain.py", "--vmi", json.dumps(vmi), "--domain", domain],
                              stdout=subprocess.PIPE, text=True, check=False, timeout=60)
        expect(done.returncode == 0, done)
        return done.stdout
