# SPDX-License-Identifier: BSD-3-Clause
"""The os-vif plugin, called by the real os_vif as Nova calls it."""

import json
import os
import pathlib
import select
import shutil
import subprocess

from harness.control import Control
from harness.debs import Apt, DebError, cache_dir, locked
from harness.frontend import Frontend
from harness.peers import Switch
from harness.process import Failure, Process, Skip, patience, wait_for

from .base import Scenario, check
from .page import expect

FILES = pathlib.Path(__file__).parents[3] / "config" / "os-vif"
NOVA = pathlib.Path(__file__).parents[1] / "harness" / "osvif.py"
VIF = {"id": "dc065497-3c8d-4f44-8fb4-e1d33c16a536", "address": "22:52:25:62:e2:aa", "plugin": "vhostuser_fp",
       "vif_name": "nicdc065497-3c", "mode": "client"}
INSTANCE = "0a1b2c3d-0000-4000-8000-000000000001"
BLUE = "b82c1929-051e-481d-8110-4669916c7915"
RED = "b82c1929-051e-481d-8110-4669916c7916"
OTHER = "b82c1929-051e-481d-8110-4669916c7917"
NAME = f"net_vhost_nova_{VIF['id']}"
# part of a VIF: refused, and no port is made
HOSTILE = (
    {"path": "/run/a,client=1"},
    {"path": "/run/a\nport detach 0"},
    {"path": "relative"},
    {"network": {"id": OTHER}},
    # names that tenants choose are no places
    {"network": {"id": OTHER, "label": BLUE}},
    {"network": {"id": OTHER, "label": "vqblue"}},
    {"class": "VIFBridge"},
)


def library():
    """os_vif and all it needs of Python, unpacked beside the system."""
    root = cache_dir() / "python3-os-vif"
    root.mkdir(parents=True, exist_ok=True)
    try:
        with locked(root / "lock"):
            if not (root / "complete").exists():
                apt = Apt("amd64", root)
                names = [name for name in apt.closure("python3-os-vif") if name.startswith("python3-")]
                apt.unpack(names, root / "files")
                (root / "complete").touch()
    except DebError as e:
        raise Skip(f"python3-os-vif cannot be fetched: {e}") from e
    return root / "files/usr/lib/python3/dist-packages"


class OsVif(Scenario):
    """A switch without ports, and a compute node's settings."""

    cpus, seconds = 0.5, 30

    def setup(self):
        self.site = self.workdir / "site"
        info = self.site / "vif_plug_vqswitch-0.dist-info"
        info.mkdir(parents=True)
        shutil.copy(FILES / "vif_plug_vqswitch.py", self.site)
        shutil.copy(FILES / "entry_points.txt", info)
        text = (FILES / "METADATA.in").read_text("ascii")
        (info / "METADATA").write_text(text.replace("@version@", "0"), "ascii")
        config = self.workdir / "nova.conf"
        lines = "\n".join([f"control = {self.workdir}/state/control",
                           f"networks = {BLUE}:5/10,{RED}:6,vqblue:5/11"])
        config.write_text(f"[os_vif_vhostuser_fp]\n{lines}\n[os_vif_vqswitch]\n{lines}\n", "ascii")
        (self.workdir / "bin").mkdir()
        folders = [self.workdir / "bin", pathlib.Path(Switch.program).parent, os.environ["PATH"]]
        environment = {"PYTHONPATH": f"{self.site}:{library()}", "PATH": ":".join(map(str, folders))}
        self.backend([])
        self.compute = self.own(Process("nova", ["/usr/bin/python3", NOVA, config], self.workdir))
        self.compute.spawn(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                           env=os.environ | environment)

    def nova(self, operation, options=None, **vif):
        """The answer of the small Nova."""
        values = VIF | {"path": str(self.path("vif")), "network": {"id": BLUE}} | vif
        self.compute.child.stdin.write(json.dumps(
            {"operation": operation, "options": options or {}, "vif": values, "instance": INSTANCE}) + "\n")
        self.compute.child.stdin.flush()
        if not select.select([self.compute.child.stdout], [], [], 120 * patience())[0]:
            raise Failure(f"{operation}: no answer")
        line = self.compute.child.stdout.readline()
        if not line:
            self.compute.check_alive()
        return json.loads(line)

    def plug(self, **vif):
        """Plug a VIF; its port."""
        said = self.nova("plug", **vif)
        expect(not said, said)
        return self.port()

    def port(self):
        """The VIF's port, None: there is none."""
        control = Control(self.workdir / "state" / "control")
        ports = json.loads(control.ask("show port info all json")[1])
        control.close()
        return next((port for port in ports if port["name"] == NAME), None)

    def config(self):
        """The words behind "set port N" of its port."""
        start = f"set port {self.port()['id']} "
        lines = self.switch.command("show config").lower().splitlines()
        return [line.removeprefix(start) for line in lines if line.startswith(start)]

    @check("recipes.os-vif.plug")
    def life(self):
        """Both names of the plugin are there; a port comes, is found again and goes."""
        plugins = self.nova("describe")
        expect(plugins["vhostuser_fp"] == plugins["vqswitch"] == ["VIFVHostUser"], plugins)
        for name in ("vhostuser_fp", "vqswitch"):
            port = self.plug(plugin=name, network={"id": BLUE, "mtu": 1400})
            expect((port["domain"], port["mtu"], port["mac"].lower()) == (5, 1400, VIF["address"]), port)
            expect(port["vhost"]["socket"] == str(self.path("vif")), port)
            expect("vlan access 10" in self.config(), self.config())
            expect(f"vm={INSTANCE}" in self.switch.command("show config"), "no vm=")
            guest = Frontend(self.path("vif"))
            guest.negotiate()
            wait_for("a guest", lambda: self.port()["vhost"]["connected"], 30, alive=[self.switch])
            # Nova itself was started again
            again = self.plug(plugin=name, network={"id": BLUE, "mtu": 1400})
            expect(again["id"] == port["id"] and again["vhost"]["connected"], again)
            guest.close()
            for _ in range(2):
                said = self.nova("unplug", plugin=name)
                expect(not said and self.port() is None, said)
            expect(not self.path("vif").exists(), "the socket is left")

    @check("recipes.os-vif.at-once")
    def at_once(self):
        """A port is told its network by the call that makes it: a machine that runs connects at once."""
        log, program = self.workdir / "calls", pathlib.Path(Switch.program).parent / "vqsctl"
        wrapper = self.workdir / "bin" / "vqsctl"
        wrapper.write_text("#!/bin/sh\n{ echo \"$@\"; tee /dev/fd/3; echo end; } 3>&1 >>"
                           f"{log} | {program} \"$@\"\n", "ascii")
        wrapper.chmod(0o755)
        self.plug()
        wrapper.unlink()
        calls = [call for call in log.read_text("ascii").split("end\n") if "port attach" in call]
        expect(len(calls) == 1 and all(f"set port {NAME} {word}\n" in calls[0]
                                       for word in ("domain 5", "vlan access 10")), log.read_text("ascii"))
        expect(f"port attach domain 5 vlan 10 {NAME}," in calls[0], calls[0])
        self.nova("unplug")

    @check("recipes.os-vif.networks")
    def networks(self):
        """A VIF is where the settings say, by network, by bridge or by the VLAN that Nova tells."""
        vlan = {"should_provide_vlan": True, "vlan": 20}
        for vif, domain, words in (
                ({"network": {"id": RED}}, 6, []),
                ({"network": {"id": OTHER}, "bridge_name": "vqblue"}, 5, ["vlan access 11"]),
                ({"network": {"id": OTHER} | vlan}, 0, ["vlan access 20"])):
            port = self.plug(**vif)
            expect(port["domain"] == domain, port)
            expect([word for word in self.config() if word.startswith("vlan")] == words, self.config())
        # the same VIF with another socket, as after a migration that came back
        port = self.plug(path=str(self.path("other")), mode="server")
        expect(port["vhost"]["socket"] == str(self.path("other")) and not self.path("other").exists(), port)
        self.nova("unplug")

    @check("recipes.os-vif.guests")
    def guests(self):
        """Guests may be bound to the addresses of their VIF; a port that cannot have all is not made."""
        options = {"source_lock": True, "guard": True, "queues": 4}
        said = self.nova("plug", options, network={"id": BLUE, "ips": ["192.0.2.7", "2001:db8::7"]})
        expect(not said, said)
        for word in (f"source-lock {VIF['address']}", f"guard add 192.0.2.7 {VIF['address']}",
                     f"guard add 2001:db8::7 {VIF['address']}", "guard dhcp on"):
            expect(word in self.config(), f"{word}: {self.config()}")
        expect("queues=4" in self.switch.command("show config"), "queues")
        self.nova("unplug")
        many = [f"192.0.2.{n}" for n in range(1, 70)]
        said = self.nova("plug", options, network={"id": BLUE, "ips": many})
        expect("PlugException" in said.get("error", "") and self.port() is None, said)

    @check("recipes.os-vif.again")
    def again(self):
        """A VIF that is plugged again has the addresses and settings of a new one, and no others."""
        def plugged(options, *ips, **vif):
            said = self.nova("plug", options, network={"id": BLUE, "ips": list(ips)}, **vif)
            expect(not said, said)
            return sorted(word for word in self.config() if word.startswith(("guard", "source-lock")))

        on = {"guard": True}
        first = plugged(on | {"source_lock": True}, "192.0.2.7", "2001:db8::7")
        expect(len(first) == 6, first)
        for options, ips, mac in ((on, ("192.0.2.8", "2001:db8::7"), None),
                                  (on, ("192.0.2.8",), "22:52:25:62:e2:ab"),
                                  (on, (), None), ({}, ("192.0.2.9",), None),
                                  (on, tuple(f"192.0.2.{n}" for n in range(1, 65)), None),
                                  (on, tuple(f"192.0.2.{n}" for n in range(65, 129)), None),
                                  ({"source_lock": True}, (), None)):
            vif = {"address": mac} if mac else {}
            found = plugged(options, *ips, **vif)
            expect(self.port()["mac"].lower() == (mac or VIF["address"]), f"{options} {ips}")
            self.nova("unplug")
            expect(found == plugged(options, *ips, **vif), f"{options} {ips}: {found}")
            # the next one begins with the address of the others
            plugged(on | {"source_lock": True}, "192.0.2.7", "2001:db8::7")
        self.nova("unplug")

    @check("recipes.os-vif.hostile")
    def hostile(self):
        """No value of a VIF becomes a command or an argument of a port."""
        self.plug()
        self.nova("unplug")
        for vif in HOSTILE:
            said = self.nova("plug", **vif)
            expect("PlugException" in said.get("error", "") and self.port() is None, f"{vif}: {said}")
        for option in ({"socket_mode": "0660,owner=0"}, {"networks": {BLUE: "5 10"}},
                       {"networks": {BLUE: "4096"}}, {"control": "/run/a b"}):
            said = self.nova("plug", option)
            expect("PlugException" in said.get("error", "") and self.port() is None, f"{option}: {said}")
