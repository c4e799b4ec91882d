# SPDX-License-Identifier: BSD-3-Clause
"""The CNI plugin, called as container runtimes call it."""

import importlib.util
import json
import os
import pathlib
import pwd
import re
import shutil
import socket
import stat
import subprocess
import tempfile

from harness.control import Control
from harness.guest import Guest, Nic
from harness.peers import Switch, VirtioUser
from harness.podman import Podman
from harness.process import Failure, patience, wait_for
from harness.runtime import DEVICE_INFO, PLUGIN, Refusal, Runtime
from harness.system import wait_carrier

from .base import Scenario, check
from .page import expect
from .recipes import unpacked
from .user import USER, require_root

DOCUMENT = pathlib.Path(__file__).parents[3] / "doc" / "cloud.md"
VERSIONS = ("0.4.0", "1.0.0", "1.1.0")
ONE, TWO = "1f4c3e0b9a", "2b7d"  # containers
LONG = "c" * 64  # as long as containerd's, too long for the folders of tests
STEAL = "net1\nport detach 0"
# (environment, part of the configuration, code): each is refused and changes nothing
HOSTILE = (
    ({"CNI_CONTAINERID": ""}, {}, 4),
    ({"CNI_CONTAINERID": "../one"}, {}, 4),
    ({"CNI_CONTAINERID": ".."}, {}, 4),
    ({"CNI_CONTAINERID": "a/b"}, {}, 4),
    ({"CNI_CONTAINERID": "a\nport detach 0"}, {}, 4),
    ({"CNI_CONTAINERID": "a,client=1"}, {}, 4),
    ({"CNI_CONTAINERID": LONG}, {}, 7),
    ({"CNI_IFNAME": ""}, {}, 4),
    ({"CNI_IFNAME": ".."}, {}, 4),
    ({"CNI_IFNAME": "../net1"}, {}, 4),
    ({"CNI_IFNAME": STEAL}, {}, 4),
    ({"CNI_IFNAME": "sixteen-letters-"}, {}, 4),
    ({"CNI_NETNS": ""}, {}, 4),
    ({"CNI_ARGS": "MAC=02:00:00:00:00:01,client=1"}, {}, 7),
    ({"CNI_ARGS": "K8S_POD_UID=../x"}, {"folderName": "pod"}, 4),
    ({}, {"name": STEAL}, 7),
    ({}, {"name": ["blue"]}, 7),
    ({}, {"vlna": 10}, 2),
    ({}, {"domain": "5\nport detach 0"}, 7),
    ({}, {"domain": True}, 7),
    ({}, {"domain": 4096}, 7),
    ({}, {"vlan": "10"}, 7),
    ({}, {"vlan": 4095}, 7),
    ({}, {"vlan": {"access": 1, "trunk": "2"}}, 7),
    ({}, {"vlan": {"trunk": "1\nport detach 0"}}, 7),
    ({}, {"vlan": {"trunk": "20-10"}}, 7),
    ({}, {"vlan": {"native": 1}}, 7),
    ({}, {"mac": "02:00:00:00:00:01,client=1"}, 7),
    ({}, {"mac": "01:00:00:00:00:01"}, 7),
    ({}, {"queues": 0}, 7),
    ({}, {"queues": "1,client=1"}, 7),
    ({}, {"format": "any,client=1"}, 7),
    ({}, {"socketMode": "4777"}, 7),
    ({}, {"group": "no such group"}, 7),
    ({}, {"rate": {"pps": "1\n"}}, 7),
    ({}, {"folder": "/run/../etc"}, 7),
    ({}, {"folder": "run"}, 7),
    ({}, {"folder": "/run/a,client=1"}, 7),
    ({}, {"folder": "/run/a b"}, 7),
    ({}, {"control": "/run/a\nb"}, 7),
    ({}, {"ipam": {"type": "../ipam"}}, 7),
    ({}, {"ipam": {"type": "no-such-plugin"}}, 4),
    ({}, {"ipam": "host-local"}, 7),
    ({}, {"runtimeConfig": {"mac": "02:00:00:00:00:01\n"}}, 7),
    ({}, {"runtimeConfig": {"CNIDeviceInfoFile": "/etc/passwd"}}, 7),
    ({}, {"runtimeConfig": {"CNIDeviceInfoFile": f"{DEVICE_INFO}/../x"}}, 7),
    ({}, {"runtimeConfig": {"CNIDeviceInfoFile": f"{DEVICE_INFO}/a\n"}}, 7),
)
ALL = {"domain": 7, "vlan": {"trunk": "20,10-12,13", "native": 20}, "queues": 2, "mtu": 9000,
       "isolated": True, "sourceLock": True, "guard": True, "rate": {"pps": 5000, "bps": 1_000_000_000},
       "storm": 50, "egressRate": {"bps": 1_000_000}, "packed": False, "format": "modern-only"}
DEVARGS = ("client=1", "queues=2", "mtu=9000", "packed=0", "format=modern-only", "vlan trunk 10-13,20")
# of ALL: a setting that an operator changes, and back
CHANGES = (("isolated off", "isolated on"), ("vlan native off", "vlan native 20"),
           ("rate pps 4999", "rate pps 5000"), ("egress-rate bps off", "egress-rate bps 1000000"),
           ("storm off", "storm pps 50"), ("guard dhcp off", "guard dhcp on"), ("domain 8", "domain 7"))


def refused(code, function, *args, **kw):
    """Fails unless the plugin refuses that with this code; its sentence."""
    try:
        function(*args, **kw)
    except Refusal as e:
        expect(e.code == code, f"code {code} was expected: {e}")
        return str(e)
    raise Failure(f"{function.__name__} {args} {kw} is not refused")


class Cni(Scenario):
    """A switch without ports, and networks that are configured for it."""

    cpus, seconds = 0.5, 60

    def setup(self):
        self.backend([])
        self.folder, self.state = self.workdir / "f", self.workdir / "state"

    def network(self, version="1.1.0", **keys):
        """A runtime with that network."""
        places = {"control": str(self.state / "control"), "folder": str(self.folder)}
        return Runtime(self.workdir, places | keys, version)

    def ports(self):
        """{socket: port}"""
        control = Control(self.state / "control")
        ports = json.loads(control.ask("show port info all json")[1])
        control.close()
        return {port["vhost"]["socket"]: port for port in ports}

    def left(self):
        """Ports, and all files that the plugin has made."""
        files = [p for p in (self.workdir / "run").rglob("*") if not p.is_dir()]
        return sorted([*self.ports(), *map(str, files), *map(str, self.folder.rglob("*"))])

    def expect_nothing(self):
        """ADD has left nothing, or DEL."""
        expect(not self.left(), f"left: {self.left()}")

    @check("recipes.cni.versions")
    def versions(self):
        """The versions of the specification, and the commands that each has."""
        net = self.network()
        said = net.call("VERSION", {"cniVersion": "1.0.0"})
        expect(said == {"cniVersion": "1.0.0", "supportedVersions": list(VERSIONS)}, said)
        net.call("STATUS", net.conf)
        refused(51, net.call, "STATUS", net.conf | {"control": str(self.workdir / "none")})
        for version in (None, "0.3.1", "2.0.0"):
            refused(1, net.call, "DEL", net.conf | {"cniVersion": version})
        for command in ("STATUS", "GC"):
            refused(1, net.call, command, net.conf | {"cniVersion": "1.0.0"})
        refused(4, net.call, "LIST", net.conf)
        for text in (b"{", b"[]", b"[" * 100_000, b"\xff"):
            refused(6, net.call, "ADD", text)

    @check("recipes.cni.attach.{}", VERSIONS)
    def attach(self, version):
        """Two containers come and go; the result, the port, its file and its folder are right."""
        net = self.network(version, vlan=10, domain=5, mtu=1400, group=os.getgid(), podFolder="/run/vhost")
        results = [net.add(ONE), net.add(TWO, args="IgnoreUnknown=1;MAC=02:00:00:00:00:AA")]
        expect(results[1]["interfaces"][0]["mac"] == "02:00:00:00:00:aa", results[1])
        expect(results[0]["interfaces"][0].keys() - {"name", "mac", "sandbox"} ==
               ({"socketPath", "mtu"} if version == "1.1.0" else set()), results[0])
        for container, result in zip((ONE, TWO), results):
            self.attached(container, result)
            expect(net.device_info(container) == {"type": "vhost-user", "version": "1.1.0", "vhost-user": {
                "mode": "client", "path": "/run/vhost/net1.sock"}}, net.device_info(container))
            net.check(container)
        refused(101, net.add, ONE)
        net.check(ONE)
        self.switch.command(f"set port {self.ports()[self.socket(ONE)]['id']} vlan access 11")
        refused(102, net.check, ONE)
        net.delete(ONE)
        refused(102, net.check, ONE, prevResult=results[0])
        net.check(TWO)
        net.delete(ONE)
        net.delete(TWO)
        self.expect_nothing()

    def socket(self, container, ifname="net1"):
        """The path of its socket."""
        return str(self.folder / container / f"{ifname}.sock")

    def attached(self, container, result):
        """The port has what the network says, and others have no way to its socket."""
        port = self.ports()[self.socket(container)]
        mine = result["interfaces"][0]
        expect(port["mac"].lower() == mine["mac"] and port["domain"] == 5 and port["mtu"] == 1400, port)
        expect(f"set port {port['id']} vlan access 10" in self.switch.command("show config"), "no VLAN")
        expect(mine["sandbox"] == f"/run/netns/{container}" and mine["name"] == "net1", mine)
        expect(mine.get("socketPath") in (None, self.socket(container)), mine)
        folder = self.folder / container
        expect(stat.S_IMODE(folder.stat().st_mode) == 0o2750, oct(folder.stat().st_mode))
        expect(stat.S_IMODE((folder / "net1.sock").stat().st_mode) == 0o660, "mode of the socket")
        told = json.loads((folder / f"configData-{container}-net1.json").read_text("utf-8"))
        expect(told["config"]["vhost"] == {"mode": "client", "socketfile": "net1.sock"}, told)

    @check("recipes.cni.settings")
    def settings(self):
        """All keys of a configuration reach the switch, and CHECK finds each that was changed."""
        net = self.network(**ALL, listens="pod")
        net.add(ONE)
        net.check(ONE)
        expect(net.device_info(ONE)["vhost-user"] == {"mode": "server", "path": self.socket(ONE)},
               net.device_info(ONE))
        expect(stat.S_IMODE((self.folder / ONE).stat().st_mode) == 0o2770, "mode of the folder")
        port = self.ports()[self.socket(ONE)]["id"]
        config = self.switch.command("show config")
        for words in DEVARGS:
            expect(words in config, f"{words}: {config}")
        for command, back in CHANGES:
            self.switch.command(f"set port {port} {command}")
            refused(102, net.check, ONE)
            self.switch.command(f"set port {port} {back}")
            net.check(ONE)
        net.delete(ONE)
        self.expect_nothing()

    @check("recipes.cni.hostile")
    def hostile(self):
        """No name and no value becomes a command, an argument of a port or a path elsewhere."""
        net = self.network()
        net.add(ONE)
        before = self.left()
        for environment, keys, code in HOSTILE:
            good = {"CNI_CONTAINERID": TWO, "CNI_IFNAME": "net1", "CNI_NETNS": "/run/netns/x"}
            for command in ("ADD", "DEL"):
                try:
                    net.call(command, net.conf | keys, **(good | environment))
                    expect(command == "DEL", f"{command} takes {environment} {keys}")
                except Refusal as e:
                    expect(e.code == code, f"{command} {environment} {keys}: {e}")
                expect(self.left() == before, f"{command} {environment} {keys}: {self.left()}")
        net.delete(ONE)

    @check("recipes.cni.links")
    def links(self):
        """Symbolic links, and folders of others, lead nowhere."""
        net, away = self.network(), self.workdir / "away"
        shutil.rmtree(self.folder, ignore_errors=True)
        away.mkdir()
        (away / "net1.sock").touch()
        self.folder.symlink_to(away)
        refused(7, net.add, ONE)
        self.folder.unlink()
        self.folder.mkdir(mode=0o700)
        (self.folder / ONE).symlink_to(away)
        refused(5, net.add, ONE)
        net.delete(ONE)
        net.collect()
        expect(sorted(p.name for p in away.iterdir()) == ["net1.sock"], "a link was followed")
        (self.folder / ONE).unlink()
        (self.folder / TWO).mkdir()  # not a container's
        (self.folder / TWO / "file").touch()
        net.delete(TWO)
        net.collect()
        expect((self.folder / TWO / "file").exists(), "a folder that is not ours was removed")
        (self.folder / TWO / "file").unlink()
        (self.folder / TWO).rmdir()
        self.folder.chmod(0o777)
        refused(7, net.add, ONE)
        shutil.rmtree(away)
        self.folder.chmod(0o755)
        self.expect_nothing()

    @check("recipes.cni.middle")
    def middle(self):
        """An ADD that fails at any step leaves nothing, and releases the address."""
        net = self.network(guard=True, ipam={"type": "some"})
        log = self.workdir / "ipam.log"
        addresses = [{"address": f"192.0.2.{n}/24", "version": "4"} for n in range(1, 66)]
        answers = (('{"code": 11, "msg": "none is free"}', 1, 11), ("[", 0, 6),
                   (json.dumps({"ips": [{"address": "192.0.2.1\nquit"}]}), 0, 6),
                   (json.dumps({"ips": addresses}), 0, 100))  # more than a guard has room for
        for text, status, code in answers:
            net.delegate("some", f"echo $CNI_COMMAND >>{log}\n[ $CNI_COMMAND = ADD ] || exit 0\n"
                                 f"cat <<'end'\n{text}\nend\nexit {status}\n")
            refused(code, net.add, ONE)
            self.expect_nothing()
            expect(log.read_text("ascii").split() == ["ADD", "DEL"], log.read_text("ascii"))
            log.unlink()
        net.delegate("some", "cat >/dev/null\n")
        file = net.run / DEVICE_INFO.removeprefix("/run/") / f"{ONE}-net1"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text('{"type": "pci"}', "ascii")
        refused(101, net.add, ONE)
        expect(file.exists() and not self.ports() and not list(self.folder.iterdir()), self.left())
        file.unlink()
        net.add(ONE)
        net.check(ONE)
        net.delete(ONE)
        self.expect_nothing()

    @check("recipes.cni.collect")
    def collect(self):
        """GC removes what is not valid in its network, and nothing else."""
        blue, red = self.network(), self.network(name="red")
        for container in (ONE, TWO):
            blue.add(container)
            red.add(container, "net2")
        blue.add(ONE, "net3")
        refused(7, blue.call, "GC", blue.conf)
        blue.collect((ONE, "net3"))
        expect(sorted(self.ports()) == sorted([self.socket(ONE, "net3"), self.socket(ONE, "net2"),
                                               self.socket(TWO, "net2")]), self.left())
        red.collect()
        expect(sorted(self.ports()) == [self.socket(ONE, "net3")], self.left())
        expect([p.name for p in self.folder.iterdir()] == [ONE], self.left())
        blue.check(ONE, "net3")
        # what an ADD has left that was killed: a folder without a port
        blue.delete(ONE, "net3")
        (self.folder / TWO).mkdir()
        (self.folder / TWO / "configData-x.json").write_text(json.dumps(
            {"name": "blue", "containerId": TWO, "ifName": "net1"}), "ascii")
        red.collect()
        expect((self.folder / TWO).exists(), "GC of another network removes it")
        blue.collect()
        expect(not (self.folder / TWO).exists(), "GC leaves the folder")
        shutil.rmtree(blue.run)  # Multus removes its own files
        self.expect_nothing()

    @check("recipes.cni.sandboxes")
    def sandboxes(self):
        """Two sandboxes of a pod have the same folder: neither one's end takes the other's socket."""
        net, pod = self.network(folderName="pod"), "K8S_POD_UID=0f1e-22"
        net.add(ONE, args=pod)
        refused(100, net.add, TWO, args=pod)
        expect(stat.S_ISSOCK(os.stat(self.socket("0f1e-22")).st_mode), "the refused one took the socket")
        net.check(ONE, args=pod)
        # as after a crash between the two steps of a DEL
        self.switch.command(f"port detach {self.ports()[self.socket('0f1e-22')]['name']}")
        net.add(TWO, args=pod)
        net.delete(ONE, args=pod)
        net.check(TWO, args=pod)
        net.delete(TWO, args=pod)
        self.expect_nothing()

    @check("recipes.cni.litter")
    def litter(self):
        """A pod that may write to its folder leaves nothing there, also when it removes our files."""
        net = self.network(listens="pod")
        net.add(ONE)
        net.add(ONE, "net2")
        for file in (self.folder / ONE).glob("configData-*"):
            file.unlink()
        (self.folder / ONE / "large").touch()
        net.delete(ONE)
        net.check(ONE, "net2")
        expect((self.folder / ONE / "large").exists(), "the folder is another interface's, too")
        net.delete(ONE, "net2")
        self.expect_nothing()

    @check("recipes.cni.manifests")
    def manifests(self):
        """The configurations of doc/cloud.md are taken as they are, its table has all keys and defaults."""
        text = DOCUMENT.read_text("utf-8")
        blocks = re.findall(r"```json\n(.*?)```", text, re.S)
        blocks += re.findall(r"config: \|\n((?: {4}.*\n)+)", text)
        confs = [json.loads(block) for block in blocks]
        expect(len(confs) == 2, blocks)
        for conf in (conf.get("plugins", [conf])[0] for conf in confs):
            conf.pop("group")  # of the host's
            net = self.network("1.0.0", **conf)
            net.add(ONE, args="K8S_POD_UID=0f1e-22")
            name = ONE if "folderName" not in conf else "0f1e-22"
            expect(list(self.ports()) == [self.socket(name)], self.ports())
            net.check(ONE, args="K8S_POD_UID=0f1e-22")
            net.delete(ONE, args="K8S_POD_UID=0f1e-22")
        self.expect_nothing()
        spec = importlib.util.spec_from_file_location("plugin", PLUGIN)
        plugin = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(plugin)
        rows = re.findall(r"^\| (`[^|]*) \| *([^|]*?) *\|", text.split("### Rights")[0], re.M)
        told = {key: default.strip("`") for keys, default in rows for key in re.findall(r"`(\w+)`", keys)}
        expect(told.keys() == plugin.KEYS.keys() | {"ipam"}, told.keys() ^ plugin.KEYS.keys())
        expect({key: told[key] for key in plugin.DEFAULTS if key != "queues"} ==
               {key: str(value) for key, value in plugin.DEFAULTS.items() if key != "queues"}, told)

    @check("recipes.cni.restart")
    def restart(self):
        """The port of a switch that was killed is kept and can be deleted; so can what one has left
        that was ended."""
        net = self.network(vlan=10)
        for container in (ONE, TWO):
            net.add(container)
        self.disown(self.switch)
        refused(11, net.add, "3c")
        refused(11, net.delete, ONE)
        refused(51, net.call, "STATUS", net.conf)
        expect((self.folder / ONE).is_dir(), "the switch needs the folder to start again")
        self.backend([])
        for container in (ONE, TWO):
            net.check(container)
        net.delete(ONE)
        net.check(TWO)
        self.switch.quit()
        self.disown(self.switch)
        net.delete(TWO)
        self.backend([])
        self.expect_nothing()

    @check("recipes.cni.ipam")
    def ipam(self):
        """Addresses are host-local's, the guard lets them through, and they are free afterwards."""
        plugins = unpacked("containernetworking-plugins") / "usr/lib/cni"
        data = self.workdir / "addresses"
        net = self.network("1.0.0", guard=True, ipam={
            "type": "host-local", "dataDir": str(data), "ranges": [[{"subnet": "192.0.2.0/24"}],
                                                                   [{"subnet": "2001:db8::/64"}]]})
        (net.plugins / "host-local").symlink_to(plugins / "host-local")
        result = net.add(ONE)
        expect([ip["address"] for ip in result["ips"]] == ["192.0.2.2/24", "2001:db8::2/64"], result)
        expect(all(ip["interface"] == 0 for ip in result["ips"]), result)
        config = self.switch.command("show config")
        for address in ("192.0.2.2", "2001:db8::2"):
            expect(f"guard add {address} {result['interfaces'][0]['mac']}" in config.lower(), config)
        net.check(ONE)
        # one address more is a drift, too
        self.switch.command("set port 0 guard add 192.0.2.77")
        refused(102, net.check, ONE)
        self.switch.command("set port 0 guard del 192.0.2.77")
        net.check(ONE)
        expect((data / "blue" / "192.0.2.2").exists(), "host-local's file")
        net.delete(ONE)
        expect(not (data / "blue" / "192.0.2.2").exists(), "the address is still reserved")
        self.expect_nothing()


# as a user and group by number: connect to a socket
CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
QEMU, MINE, OTHERS = 64001, 64002, 64003


class CniUser(Cni):
    """A switch without any privilege, and the plugin of root."""

    seconds = 10

    def setup(self):
        require_root()
        # others cannot enter the one that is given
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="vqs-cni."))
        self.directory.chmod(0o711)
        self.folder, self.state = self.directory / "f", self.directory / "state"
        shutil.copy(Switch.program, self.directory / "vqswitch")
        user = pwd.getpwnam(USER)
        os.chown(self.directory, user.pw_uid, -1)
        self.start()

    def start(self):
        """The switch, as that user."""
        self.switch = self.own(Switch("switch", self.directory, []))
        self.switch.log_path = self.workdir / "switch.log"
        self.switch.argv[:1] = ["setpriv", f"--reuid={USER}", "--regid=nogroup", "--clear-groups",
                                "--inh-caps=-all", "--bounding-set=-all",
                                "env", f"XDG_RUNTIME_DIR={self.directory}", str(self.directory / "vqswitch")]
        self.switch.start()

    def close(self):
        super().close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def connects(self, group):
        """Whether the QEMU of a pod can connect, by its group."""
        words = ["setpriv", f"--reuid={QEMU}", f"--regid={group}", "--clear-groups", "--inh-caps=-all",
                 "/usr/bin/python3", "-c", CONNECT, self.socket(ONE)]
        return subprocess.run(words, stderr=subprocess.DEVNULL, check=False).returncode == 0

    @check("recipes.cni.user")
    def access(self):
        """The pod's group may connect to its socket, before and after a crash of the switch; no other may."""
        net = self.network(group=MINE)
        net.add(ONE)
        for again in (False, True):
            if again:
                self.disown(self.switch)
                self.start()
                net.check(ONE)
            made = os.stat(self.socket(ONE))
            expect((pwd.getpwuid(made.st_uid).pw_name, made.st_gid, stat.S_IMODE(made.st_mode)) ==
                   (USER, MINE, 0o660), made)
            expect(self.connects(MINE), "the pod's QEMU cannot connect")
            expect(not self.connects(OTHERS), "another group can connect")
        net.delete(ONE)
        expect(not list(self.folder.iterdir()), "the folder is left")

    @check("recipes.cni.stolen")
    def stolen(self):
        """A pod that listens cannot have the switch connect to another pod's socket."""
        net = self.network(listens="pod", group=MINE)
        net.add(ONE)
        net.add(TWO)
        os.symlink(self.socket(ONE), self.socket(TWO))
        os.lchown(self.socket(TWO), QEMU, MINE)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.socket(ONE))
            os.chmod(self.socket(ONE), 0o777)
            wait_for("a word about the link", lambda: "another user's symbolic link" in self.switch.command(
                "show log"), 30, alive=[self.switch])
            listener.listen()
            listener.settimeout(30 * patience())
            listener.accept()[0].close()  # of the port whose socket it is
            ports = self.ports()
            expect(ports[self.socket(TWO)]["vhost"]["connections"] == 0, ports)
        net.delete(TWO)
        expect(os.path.exists(self.socket(ONE)), "the link was followed")
        net.delete(ONE)
        expect(not list(self.folder.iterdir()), "a folder is left")


class CniGuest(Cni):
    """Two pods: QEMU in one, testpmd in the other."""

    cpus, seconds = 1.2, 45

    @check("recipes.cni.guest")
    def guest(self):
        """They connect where their device information files say, and are in the VLAN of their network."""
        net, other = self.network(vlan=10), self.network(name="red", vlan=11)
        results = {container: net.add(container) for container in (ONE, TWO)}
        other.add("3c")
        paths = {container: net.device_info(container)["vhost-user"]["path"] for container in (ONE, TWO)}
        nic = Nic(results[ONE]["interfaces"][0]["mac"], paths[ONE], reconnect=1)
        guest = self.own(Guest("pod", self.workdir, [nic])).start()
        mac = results[TWO]["interfaces"][0]["mac"]
        peer = self.own(VirtioUser("peer", self.workdir, paths[TWO], "queues=1", mac)).start()
        peer.command("set fwd icmpecho")
        peer.command("start")
        guest.wait_ready()
        guest.set_address(nic, "192.0.2.1/24")
        wait_carrier(guest, nic)
        guest.sh("ping -c 3 -w 60 192.0.2.2")
        table = self.switch.command("show fdb").lower()
        expect(all(result["interfaces"][0]["mac"] in table for result in results.values()), table)
        net.check(ONE)
        port = self.ports()[self.socket("3c")]
        expect(port["link_up"] == 0 and port["fdb_entries"] == 0, port)
        # the pod is deleted while its guest runs
        net.delete(ONE)
        wait_for("a guest without a link", lambda: guest.run(
            f"[ $(cat /sys/class/net/{guest.nic_name(nic)}/carrier) = 0 ]")[0] == 0, 30, alive=[guest])
        net.delete(TWO)
        other.delete("3c")
        self.expect_nothing()


class CniPodman(Cni):
    """A runtime with the library of CNI, which knows nothing of vhost-user."""

    seconds = 20

    def setup(self):
        super().setup()
        # containers' IDs are long, paths of sockets short
        self.short = pathlib.Path(tempfile.mkdtemp(prefix="vqc."))
        self.folder = self.short / "f"

    def close(self):
        super().close()
        shutil.rmtree(self.short, ignore_errors=True)

    @check("recipes.cni.podman")
    def podman(self):
        """Containers of podman come and go with their ports."""
        host = self.own(Podman(self.workdir, PLUGIN)).start()
        host.network("blue", {
            "type": "vqswitch", "control": str(self.state / "control"), "folder": str(self.folder),
            "folderName": "container", "vlan": 10, "guard": True, "capabilities": {"mac": True},
            "ipam": {"type": "host-local", "subnet": "192.0.2.0/24", "dataDir": f"{host.top}/addresses"}})
        status, one = host.container("one", "blue")
        expect(status == 0, one)
        status, two = host.container("two", "blue", "--mac-address", "02:00:00:00:00:bb")
        expect(status == 0, two)
        ports = self.ports()
        expect(sorted(ports) == sorted(self.socket(name, "eth0") for name in (one, two)), ports)
        config = self.switch.command("show config").lower()
        for name, address in ((one, "192.0.2.2"), (two, "192.0.2.3")):
            port = ports[self.socket(name, "eth0")]
            told = json.loads(host.sh("inspect", name))[0]["NetworkSettings"]["Networks"]["blue"]
            expect((told["MacAddress"], told["IPAddress"]) == (port["mac"].lower(), address), told)
            expect(f"set port {port['id']} vlan access 10" in config, config)
            expect(f"set port {port['id']} guard add {address} {told['MacAddress']}" in config, config)
        expect(ports[self.socket(two, "eth0")]["mac"].lower() == "02:00:00:00:00:bb", ports)
        host.sh("rm", "--force", "--time", "0", "one")
        expect(list(self.ports()) == [self.socket(two, "eth0")], self.ports())
        expect([p.name for p in self.folder.iterdir()] == [two], "folders")
        self.switch.quit()
        self.disown(self.switch)
        status, said = host.container("three", "blue")
        expect(status != 0 and "The switch does not run" in said, said)
        host.sh("rm", "--force", "--time", "0", "two")
        expect(not list(self.folder.iterdir()), "a folder is left")
        left = [p.name for p in (host.top / "addresses/blue").iterdir() if p.name.startswith("192.")]
        expect(not left, f"addresses are left: {left}")
