#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""usage: layers.py

Includes go where ALLOWED says and nowhere else. Headers of lib/, drivers/ and the rooms
of app/ are written "folder/file.h" from outside, others by their bare names.

No files include each other in a circle. A header and the .c of its name count as one; so does a
circle that leads over others. Inside a folder two pairs may know each other (PAIRS).

Headers have the arrays by port id in BY_PORT and no others: a port's things lie in the port.

The program (app/) asks a port through its ops; it never looks which ops, that is which kind, it has.
"""
import collections
import fnmatch
import os
import re
import sys

from tree import own_files, report

# folder: those it may include, besides itself. Folders below one of these follow its row.
ALLOWED = {
    "lib/base": [],
    "lib/nl": ["lib/base"],
    "lib/evpn": ["lib/nl", "lib/base"],
    "lib/gmem": ["lib/base"],
    "lib/pkt": ["lib/base"],
    "lib/virtq": ["lib/pkt", "lib/gmem", "lib/base"],
    "lib/vdev": ["lib/virtq", "lib/pkt", "lib/gmem", "lib/base"],
    "lib/vhost_user": ["lib/vdev", "lib/gmem", "lib/base"],
    "lib/vduse": ["lib/vdev", "lib/virtq", "lib/gmem", "lib/base"],
    "lib/switch": ["lib/pkt", "lib/base"],
    "lib/sflow": [],
    "drivers/virtio": ["drivers/vdpa", "lib"],  # hardware that takes over from the workers
    "drivers/uplink": ["drivers/ethdev", "drivers/vdpa", "lib"],
    "drivers/vhost_vdpa": ["drivers/vdpa", "lib"],
    "drivers/vdpa/kernel": ["drivers/vdpa", "lib"],
    "drivers/vdpa/rte": ["drivers/vdpa", "lib"],
    "drivers/vdpa/sim": ["drivers/vdpa", "lib"],
    "drivers": ["lib"],
    "app/vqconform": ["lib/vhost_user", "lib/virtq", "lib/gmem", "lib/base"],
    "app": ["lib/switch", "lib/sflow", "lib/base"],  # kinds of ports: see EXCEPTIONS
    "test/fuzz": ["app", "drivers", "lib"],  # the whole program
    "test": ["drivers", "lib"],
}
# (file or folder, pattern of headers): one step aside each, with its reason
EXCEPTIONS = [
    # devices that are no ports: hardware that ports may have move their frames
    ("app/cli/cmd_vdpa.c", "vdpa/vdpa.h"),
    ("app/show/json.c", "vdpa/vdpa.h"),
    ("app/show/metrics.c", "vdpa/vdpa.h"),
    # tunnels are more than ports: commands, display and telemetry know their VNIs
    ("app/", "vxlan/vxlan.h"),
    # the front-end of tests and of the traffic generator has a driver's rings
    ("lib/vhost_user/frontend", "virtq/fmt.h"),
    ("lib/vhost_user/frontend", "virtq/driver.h"),
    # recordings are printed by a program without DPDK
    ("app/vqsctl/fields.c", "vhost_user/wire.h"),
    ("app/vqreplay/", "vhost_user/wire.h"),
    # the other side of a userfaultfd that vqreplay plays
    ("test/unit/test_replay_pages.c", "*vqreplay/pages.h"),
    # main() starts what there is once per process
    ("app/main.c", "gmem/sigbus.h"),
    ("app/main.c", "gmem/reaper.h"),
    ("app/main.c", "virtq/isa.h"),
    ("app/main.c", "vdpa/vdpa.h"),
    # what a queue counts is shown as it is
    ("app/show/counters.h", "pkt/pktq.h"),
    # its counters go to another version of the program by their names
    ("app/successor.c", "pkt/legend.h"),
    ("app/upgrade.c", "pkt/legend.h"),
    # the table of kinds of ports, and nothing else of a driver
    ("app/kinds.c", "*/kind.h"),
]
# (header, member): arrays by port id, each with its reason
BY_PORT = {
    ("lib/switch/sw.h", "port"),  # the one such index
    ("lib/switch/sw.h", "list"),  # ids in an order
    ("app/testpmd/fwd.h", "ports"),  # ids in an order
    # entries, lookups and requests of the FDB, and what listens to it, have nothing but the id
    ("lib/switch/fdb_table.h", "port"),
    ("lib/switch/fdb_table.h", "share"),
    ("drivers/vxlan/internal.h", "held_back"),
    ("drivers/vxlan/neigh_table.h", "port"),
    ("drivers/vxlan/neigh_table.h", "waiting"),
    ("lib/switch/snoop_ring.h", "waiting"),
}
MEMBER = re.compile(r"(\w+)\[DP_PORTS_MAX\]")
PAIRS = 2  # inside one folder
TEST_FOLDERS = ("test", "test/unit")  # whose headers other tests use
KIND = re.compile(r"\bops\s*[!=]=(?!\s*(?:NULL|&cmdline_))|[!=]=\s*&(?!cmdline_)\w+_ops\b"
                  r"|\bkind\b[^;]*strcmp|strcmp[^;]*->kind\b")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def target(name, included):
    """The file an #include of @name means, or None."""
    here = os.path.dirname(name)
    for folder in (here, "lib", "drivers", "app", *TEST_FOLDERS):
        path = os.path.normpath(os.path.join(folder, included))
        if os.path.exists(path):
            return path
    return None


def includes(name):
    """[(line number, text between the quotes)]"""
    with open(name, encoding="utf-8") as f:
        found = ((n, INCLUDE.match(line)) for n, line in enumerate(f, 1))
        return [(n, m.group(1)) for n, m in found if m]


def is_in(folder, parent):
    return folder == parent or folder.startswith(parent + "/")


def row(folder):
    """The folder of ALLOWED it follows, or None."""
    return next((known for known in ALLOWED if is_in(folder, known)), None)


def allowed(name, included, here, there):
    """One includes the other, or is an exception."""
    ours, theirs = row(here), row(there)
    if ours == theirs and (ours != "drivers" or here == there):
        return True
    return (any(is_in(there, folder) for folder in ALLOWED[ours])
            or any(name.startswith(who) and fnmatch.fnmatch(included, what)
                   for who, what in EXCEPTIONS))


def fault(name, included):
    here, path = os.path.dirname(name), target(name, included)
    if path is None:
        return f'"{included}" is no file of ours: use <> for others'
    there = os.path.dirname(path)
    if there == here and there.startswith("app/"):
        return None if "/" not in included else f'write "{os.path.basename(included)}"'
    if there.startswith(("lib/", "drivers/", "app/")) and "/" not in included:
        return f'write "{os.path.basename(there)}/{included}"'
    missing = next((folder for folder in (here, there) if row(folder) is None), None)
    if missing:
        return f"{missing} has no row in the table ALLOWED of test/lint/layers.py"
    if not allowed(name, included, here, there):
        return f"{here} may not include {path} (see ALLOWED in test/lint/layers.py)"
    return None


def kind_faults(files):
    for name in files:
        if not name.startswith("app/"):
            continue
        with open(name, encoding="utf-8") as f:
            for n, line in enumerate(f, 1):
                if KIND.search(line):
                    yield f"{name}:{n}: asks which kind of port it has: make it a member of port_ops"


def array_faults(files):
    for name in files:
        if not name.endswith(".h") or name.startswith("test/"):
            continue
        with open(name, encoding="utf-8") as f:
            for n, line in enumerate(f, 1):
                for member in MEMBER.findall(line):
                    if (name, member) not in BY_PORT:
                        yield f"{name}:{n}: {member} is by port id: make it a member of the port"


def unit(name):
    """A header and its .c are one."""
    return os.path.splitext(name)[0]


def graph(files):
    """{unit: those it includes}"""
    edges = collections.defaultdict(set)
    for name in files:
        for _, included in includes(name):
            path = target(name, included)
            if path is not None and unit(path) != unit(name):
                edges[unit(name)].add(unit(path))
    return edges


def reachable(edges, start):
    seen, todo = set(), [start]
    while todo:
        for following in edges[todo.pop()] - seen:
            seen.add(following)
            todo.append(following)
    return seen


def circles(edges):
    """Sets of units each of which includes all others in the end."""
    reach = {name: reachable(edges, name) for name in list(edges)}
    found = {frozenset(other for other in reach[name] if name in reach.get(other, ()))
             for name in reach if name in reach[name]}
    return sorted(found, key=sorted)


def circle_faults(files):
    pairs = collections.Counter()
    for circle in circles(graph(files)):
        folders = {os.path.dirname(name) for name in circle}
        text = f"{min(circle)}: includes itself by way of {', '.join(sorted(circle)[1:])}"
        if len(folders) > 1:
            yield text + ": other folders"
        elif len(circle) == 2:
            pairs[min(folders)] += 1
            if pairs[min(folders)] > PAIRS:
                yield text + f": more than {PAIRS} pairs in this folder"
        else:
            yield text


def main():
    files = own_files("*.[ch]")
    found, n = [], 0
    for name in files:
        for line, included in includes(name):
            n += 1
            what = fault(name, included)
            if what is not None:
                found.append(f"{name}:{line}: {what}")
    found += kind_faults(files)
    found += array_faults(files)
    found += circle_faults(files)
    return report(found, f"{n} includes in {len(files)} files")


if __name__ == "__main__":
    sys.exit(main())
