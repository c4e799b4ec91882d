# SPDX-License-Identifier: BSD-3-Clause
"""os-vif plugin: ports of a running vqswitch for the virtual machines of OpenStack's Nova.

Nova hands VIFs of the type vhostuser to the plugin "vhostuser_fp" when Neutron's binding details have
vhostuser_fp_plug; "vqswitch" is the same plugin for those who name it themselves. The options are in
the groups os_vif_vhostuser_fp and os_vif_vqswitch of nova.conf. doc/cloud.md tells how they are set.
"""

import ipaddress
import json
import re

from os_vif import objects, plugin
from oslo_concurrency import processutils
from oslo_config import cfg

PREFIX = "net_vhost_nova_"
# no value that is put into a command has another form
PATH = re.compile(r"(/[A-Za-z0-9_.~+@:-]+)+", re.A)
MAC = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}")
UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
PLACE = re.compile(r"(\d{1,4})(?:/(\d{1,4}))?", re.A)
MODE = re.compile(r"0?[0-7]{3}")
LINE = re.compile(r"[!-~]+( [!-~]+)*")


def matching(expression, value, name):
    """The value as a string, if all of it is of that form."""
    if expression.fullmatch(str(value)) is None:
        raise ValueError(f"{name}: {str(value)!r}")
    return str(value)


def field(thing, name):
    """A field of a versioned object, None when it is not set."""
    return getattr(thing, name) if thing is not None and thing.obj_attr_is_set(name) else None


class VqswitchPlugin(plugin.PluginBase):
    """VIFVHostUser of both modes."""

    CONFIG_OPTS = (
        cfg.StrOpt("control", default="/run/vqswitch/control", help="control socket of the switch"),
        cfg.DictOpt("networks", default={},
                    help="domain or domain/vlan by UUID of a Neutron network or name of a bridge"),
        cfg.StrOpt("socket_mode", default="0660", help="permissions of sockets that the switch makes"),
        cfg.IntOpt("queues", default=1, min=1, max=128, help="queue pairs that ports offer"),
        cfg.BoolOpt("source_lock", default=False, help="guests may send from their VIF's address only"),
        cfg.BoolOpt("guard", default=False, help="guests may use the fixed IP addresses of their VIF only"),
    )
    name = "vqswitch"

    @classmethod
    def load(cls, plugin_name):
        """The plugin under one of its names."""
        loaded = super().load(plugin_name)
        loaded.name = plugin_name
        return loaded

    def describe(self):
        """VIFs it takes, as Nova tells Neutron."""
        profiles = [objects.host_info.HostPortProfileInfo(
            profile_object_name=profile.__name__, min_version="1.0", max_version="1.1")
            for profile in (objects.vif.VIFPortProfileFPBridge,)]
        return objects.host_info.HostPluginInfo(plugin_name=self.name, vif_info=[
            objects.host_info.HostVIFInfo(vif_object_name=objects.vif.VIFVHostUser.__name__,
                                          min_version="1.0", max_version="1.1",
                                          supported_port_profiles=profiles)])

    def _run(self, *lines):
        """The output of commands. One that the switch refuses raises ProcessExecutionError."""
        control = matching(PATH, self.config.control, "control")
        for line in lines:
            matching(LINE, line, "command")
        return processutils.execute("vqsctl", "-s", control, process_input="\n".join(lines) + "\n")[0]

    def _port(self, name):
        """A port, None: the switch has none of that name."""
        ports = json.loads(self._run("show port info all json"))
        return next((port for port in ports if port["name"] == name), None)

    def _place(self, vif):
        """(domain, VLAN or None). A network that no setting names has no place in the switch."""
        network = field(vif, "network")
        bridge = field(field(vif, "port_profile"), "bridge_name") \
            if isinstance(field(vif, "port_profile"), objects.vif.VIFPortProfileFPBridge) else None
        for key in (field(network, "id"), bridge):
            if key in self.config.networks:
                text = matching(PLACE, self.config.networks[key], f"networks: {key}")
                domain, _, vlan = text.partition("/")
                return int(domain), int(vlan) if vlan else None
        if field(network, "should_provide_vlan") and field(network, "vlan"):
            return 0, int(network.vlan)
        raise ValueError(f"network {field(network, 'id')} is not in the option networks")

    def _devargs(self, vif, name):
        """The device argument of the port. The mode of a VIF is QEMU's."""
        keys = {"iface": matching(PATH, vif.path, "path"), "queues": int(self.config.queues),
                "mode": matching(MODE, self.config.socket_mode, "socket_mode")}
        if vif.mode == "server":
            keys["client"] = 1
        if field(vif, "address"):
            keys["mac"] = matching(MAC, vif.address, "address")
        if field(field(vif, "network"), "mtu"):
            keys["mtu"] = int(vif.network.mtu)
        return name + "".join(f",{key}={value}" for key, value in keys.items())

    def _settings(self, vif):
        """The words behind "set port N"."""
        domain, vlan = self._place(vif)
        words = [f"domain {domain}", "vlan off" if vlan is None else f"vlan access {vlan}"]
        mac = field(vif, "address") and matching(MAC, vif.address, "address")
        if self.config.source_lock and mac:
            words.append(f"source-lock {mac}")
        if self.config.guard and mac:
            subnets = field(field(vif, "network"), "subnets")
            ips = [ip.address for subnet in subnets.objects for ip in subnet.ips.objects] if subnets else []
            words += [f"guard add {ipaddress.ip_interface(str(ip)).ip} {mac}" for ip in ips]
            words += ["guard dhcp on", "guard ra on"]
        return words

    def _taken_back(self, port, words):
        """The words that take from a port what a new one with those words would not have."""
        start = f"set port {port['id']} "
        has = [line[len(start):].lower() for line in self._run("show config").splitlines()
               if line.startswith(start)]
        pairs = [word for word in has if word.startswith("guard add ")]
        old = [word.split()[2] for word in pairs if word not in [wanted.lower() for wanted in words]]
        off = [] if any(word.startswith("source-lock ") for word in words) else ["source-lock off"]
        if not any(word.startswith("guard ") for word in words):
            return off + ["guard off"]
        addresses = any(word.startswith("guard add ") for word in words)
        # without an address that check would let nothing pass
        return off + [f"guard del {address}" for address in dict.fromkeys(old)] + \
            [f"guard addresses {'on' if addresses else 'off'}"]

    @staticmethod
    def _is_another(port, vif):
        """Whether the port has what no command changes in another way than the VIF."""
        mac = field(vif, "address")
        return port["vhost"]["socket"] != vif.path or bool(mac) and port["mac"].lower() != mac.lower()

    def plug(self, vif, instance_info):
        """Make the port, before QEMU is started. Nova does it again after a restart of its own."""
        if not isinstance(vif, objects.vif.VIFVHostUser):
            raise ValueError(f"{type(vif).__name__}: only VIFVHostUser is supported")
        name = PREFIX + matching(UUID, vif.id, "id")
        devargs, words = self._devargs(vif, name), self._settings(vif)
        vm = f",vm={matching(UUID, instance_info.uuid, 'uuid')}"
        port = self._port(name)
        if port is not None and self._is_another(port, vif):
            self._run(f"port detach {name}")
            port = None
        if port is not None:
            words = self._taken_back(port, words) + words
        # in one go: its machine may run, and until the last one the port is in another network
        place = "".join(f"{word.replace(' access', '')} " for word in words[:2] if word != "vlan off")
        lines = [f"port attach {place}{devargs}{vm}"] if port is None else []
        try:
            self._run(*lines, *(f"set port {name} {word}" for word in words))
        except processutils.ProcessExecutionError:
            if port is None and self._port(name) is not None:  # not that of a machine that runs
                self._run(f"port detach {name}")
            raise

    def unplug(self, vif, instance_info):  # pylint: disable=unused-argument
        """Remove the port, if it is there."""
        name = PREFIX + matching(UUID, vif.id, "id")
        if self._port(name) is not None:
            self._run(f"port detach {name}")
