# SPDX-License-Identifier: BSD-3-Clause
"""A small Nova: plugs VIFs as lines of standard input tell, with the real os_vif.

usage: osvif.py CONFIG-FILE

A line is an object: operation (plug, unplug, describe), options that differ from those of the file, vif
and instance. The answer is a line: {}, an error, or the plugins that there are.
"""

import json
import sys

import os_vif
from os_vif import objects
from oslo_config import cfg

GROUPS = ("os_vif_vhostuser_fp", "os_vif_vqswitch")


def vif_of(values):
    """A VIF as nova/network/os_vif_util.py makes it of Neutron's port."""
    fields = dict(values)
    network = fields.pop("network")
    ips = objects.fixed_ip.FixedIPList(
        objects=[objects.fixed_ip.FixedIP(address=ip) for ip in network.pop("ips", [])])
    subnets = objects.subnet.SubnetList(objects=[objects.subnet.Subnet(ips=ips)])
    if "bridge_name" in fields:
        fields["port_profile"] = objects.vif.VIFPortProfileFPBridge(bridge_name=fields.pop("bridge_name"))
    kind = getattr(objects.vif, fields.pop("class", "VIFVHostUser"))
    return kind(network=objects.network.Network(subnets=subnets, **network), **fields)


def obey(line):
    """The answer to a line."""
    told = json.loads(line)
    if told["operation"] == "describe":
        plugins = os_vif.host_info().plugin_info
        return {one.plugin_name: [vif.vif_object_name for vif in one.vif_info] for one in plugins}
    for group in GROUPS:
        for name, value in told["options"].items():
            cfg.CONF.set_override(name, value, group)
    try:
        instance = objects.instance_info.InstanceInfo(uuid=told["instance"], name="vm")
        getattr(os_vif, told["operation"])(vif_of(told["vif"]), instance)
        return {}
    except Exception as e:  # pylint: disable=broad-exception-caught
        return {"error": f"{type(e).__name__}: {e}"}
    finally:
        for group in GROUPS:
            for name in told["options"]:
                cfg.CONF.clear_override(name, group)


def main():
    """Serve until the end of standard input."""
    cfg.CONF([], project="nova", default_config_files=sys.argv[1:])
    os_vif.initialize()
    for line in sys.stdin:
        print(json.dumps(obey(line)), flush=True)


if __name__ == "__main__":
    main()
