#!/usr/bin/python3 -I
# SPDX-License-Identifier: BSD-3-Clause
"""Network binding of KubeVirt: vhost-user interfaces in the XML of a virtual machine.

KubeVirt's sidecar shim runs it as onDefineDomain, with the machine as JSON and its domain as XML, and
takes its output as the domain. Interfaces whose binding has the name "vqswitch" (or that of
VQSWITCH_BINDING) get the sockets that the device plugin has mounted below VQSWITCH_MOUNT, in their order.
"""

import argparse
import json
import os
import sys
import xml.etree.ElementTree as ET


def interfaces_of(machine, binding):
    """The interfaces of that binding."""
    found = machine["spec"]["domain"]["devices"].get("interfaces") or []
    return [one for one in found if (one.get("binding") or {}).get("name") == binding]


def child(parent, tag, **attributes):
    """The element of that tag, made if there is none, with these attributes."""
    found = parent.find(tag)
    found = ET.SubElement(parent, tag) if found is None else found
    found.attrib.update(attributes)
    return found


def add_interface(devices, interface, path):
    """A vhost-user interface, which QEMU connects again when the switch was restarted."""
    new = ET.SubElement(devices, "interface", type="vhostuser")
    if interface.get("macAddress"):
        ET.SubElement(new, "mac", address=interface["macAddress"])
    source = ET.SubElement(new, "source", type="unix", path=path, mode="client")
    ET.SubElement(source, "reconnect", enabled="yes", timeout="1")
    ET.SubElement(new, "model", type="virtio-non-transitional")
    ET.SubElement(new, "alias", name=f"ua-{interface['name']}")


def share_memory(domain):
    """The switch maps the machine's memory."""
    child(child(domain, "memoryBacking"), "access", mode="shared")
    if domain.find("memoryBacking/hugepages") is None:
        child(child(domain, "memoryBacking"), "source", type="memfd")
    for cell in domain.iterfind("cpu/numa/cell"):
        cell.set("memAccess", "shared")


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--vmi", required=True, type=json.loads)
    parser.add_argument("--domain", required=True, type=ET.fromstring)
    args = parser.parse_args()
    mount = os.environ.get("VQSWITCH_MOUNT", "/run/vhost")
    interfaces = interfaces_of(args.vmi, os.environ.get("VQSWITCH_BINDING", "vqswitch"))
    for number, interface in enumerate(interfaces):
        add_interface(child(args.domain, "devices"), interface, f"{mount}/{number}/vhost.sock")
    if interfaces:
        share_memory(args.domain)
    sys.stdout.write(ET.tostring(args.domain, encoding="unicode"))


if __name__ == "__main__":
    main()
