#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""usage: log.py

Every log line that a peer, a guest or a client can cause passes a bucket (log_peer()). In the files
that run on their behalf a plain log line stands only where OWN says whose act it reports, and
nothing is written past the log.
"""
import re
import sys

from tree import own_files, report

# files that run on behalf of others: all but what reads the command line, and programs of the operator's
OTHERS = re.compile(r"^(lib/(?!base/log)|drivers/|"
                    r"app/(?!main\.c|vqsctl/|vqreplay/|vqconform/|testpmd/))")
PLAIN = re.compile(r"\blog_(err|warn|notice|info|debug)\(|\blog_write\(")
PAST = re.compile(r"\b(RTE_LOG|rte_log|perror|printf|puts|vprintf|syslog)\(|"
                  r"\b(fprintf|fputs)\(std(err|out)\b|\bfputs\([^;]*, std(err|out)\)")
# (file, text of the line): why no peer can repeat it
OWN = {
    ("lib/vdev/vdev.c", "no ring state is kept"): "the operator makes a port",
    ("lib/base/record.c", "has reached its limit"): "once for a recording",
    ("lib/base/record.c", "nothing is recorded"): "once for a recording, at an upgrade",
    ("drivers/virtio/port.c", "ring state is not kept"): "the operator makes a port",
    ("lib/switch/sw_capture.c", "c->path"): "the operator's capture has ended",
    ("lib/switch/capture_handover.c", "cannot go on"): "once for a capture, at an upgrade",
    ("lib/switch/dataplane.c", "wake a worker"): "the kernel refuses an eventfd of ours",
    ("lib/switch/dataplane_worker.c", "eventfd"): "once, when workers are made",
    ("lib/switch/dataplane_worker.c", "epoll_wait"): "the kernel refuses a descriptor of ours",
    ("lib/gmem/file.c", "F_SEAL_SHRINK"): "once in the life of the process",
    ("drivers/ethdev/dev.c", "offloads"): "the operator configures a device",
    ("drivers/ethdev/dev.c", "device has only"): "the operator configures a device",
    ("drivers/ethdev/handover.c", "MAC address"): "the operator upgrades the switch",
    ("drivers/ethdev/dev.c", "device does not"): "the operator starts or stops a device",
    ("drivers/ethdev/port.c", "device was removed"): "once in the life of a port",
    ("drivers/ethdev/port.c", "not promiscuous"): "the operator makes a port",
    ("drivers/vdpa/rte/kind.c", "does not stop"): "once for a device, when the process ends",
    ("lib/vduse/bus.c", "vdpa bus"): "the operator makes a port",
    ("lib/vduse/bus.c", "b->err"): "the operator makes a port",
    ("lib/vduse/transport.c", "is there already"): "the operator makes a port",
    ("lib/vduse/transport.c", "v->bus_error"): "the operator makes a port",
    ("lib/vduse/transport.c", "v->path"): "once in the life of a port",
    ("app/kept_config.c", "a loss of power"): "the disk fails",
    ("app/kept_config.c", "of another command line"): "once, when the program starts",
    ("app/kept_config.c", "not kept for a crash"): "once, when the program starts",
    ("app/upgrade.c", "u->result);"): "once, when the program ends",
}


def statements(text):
    """(line number, statement) of every call that may write a line."""
    for m in re.finditer(PLAIN.pattern + "|" + PAST.pattern, text):
        begin = text.rfind("\n", 0, m.start()) + 1
        yield text.count("\n", 0, m.start()) + 1, text[begin:text.find(";", m.start()) + 1]


def main():
    found, used, n = [], set(), 0
    for name in own_files("*.[ch]"):
        if not OTHERS.match(name):
            continue
        n += 1
        with open(name, encoding="utf-8") as f:
            text = f.read()
        for line, statement in statements(text):
            keys = [key for key in OWN if key[0] == name and key[1] in statement]
            used.update(keys)
            if not keys:
                found.append(f"{name}:{line}: within no bucket: use log_peer(), or say in OWN of "
                             f"test/lint/log.py whose act it reports")
    found += [f"test/lint/log.py: {key} of OWN is not there any more" for key in OWN if key not in used]
    return report(found, f"{n} files that run on behalf of others")


if __name__ == "__main__":
    sys.exit(main())
