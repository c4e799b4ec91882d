#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""usage: text.py

Every source file names its licence; no file has trailing or mixed white space, a missing last
newline, a line too long, or a note to ourselves. The first comment of each C file of lib/switch begins with
the threads that run it. Nothing that patch(1) or a merge left is in the tree.
"""
import re
import sys

from tree import own_files, report

SOURCES = ("*.[ch]", "*.py", "*.sh", "meson.build", "run", "check", "vqsctl")
TEXTS = ("*.md", "*.vqs", "*.[1-9]", "meson_options.txt", ".clang-*", ".editorconfig")
COLUMNS = {".c": 100, ".h": 100, ".py": 110, ".sh": 110}
NOTE = re.compile(r"\b(TODO|FIXME|XXX)\b")  # text.py: the list itself


LEFT = ("*.orig", "*.rej", "*~")
ROLE = re.compile(rb"(/| )\* Runs on: \w+")
ROLES = "lib/switch/"  # control runs some of it, workers the rest


def line_faults(name, line):
    suffix = name[name.rfind("."):]
    if line != line.rstrip():
        yield "white space at the end of the line"
    if suffix in (".c", ".h") and re.match(r"\t* {8}", line):
        yield "indented with spaces"
    if suffix in (".py", ".sh") and line.startswith("\t"):
        yield "indented with tabs"
    if len(line.expandtabs(8)) > COLUMNS.get(suffix, sys.maxsize):
        yield f"longer than {COLUMNS[suffix]} columns"
    if NOTE.search(line) and not line.endswith("text.py: the list itself"):
        yield "an unfinished thought: finish it or open an issue"


def faults(name, source):
    with open(name, "rb") as f:
        data = f.read()
    if source and b"SPDX-License-Identifier: BSD-3-Clause" not in b"\n".join(data.split(b"\n")[:3]):
        yield 1, "no SPDX line in the first three"
    if name.startswith(ROLES) and name.endswith((".c", ".h")) and not any(
            ROLE.match(line) for line in data.split(b"\n")[1:3]):
        yield 2, 'the first comment does not begin with "Runs on: " and the threads that do'
    if data and not data.endswith(b"\n"):
        yield data.count(b"\n") + 1, "no newline at the end of the file"
    if data.endswith(b"\n\n"):
        yield data.count(b"\n"), "empty lines at the end of the file"
    for n, line in enumerate(data.decode("utf-8").split("\n"), 1):
        for fault in line_faults(name, line):
            yield n, fault


def main():
    sources = own_files(*SOURCES)
    found = []
    for name in sources + own_files(*TEXTS):
        found += [f"{name}:{n}: {fault}" for n, fault in faults(name, name in sources)]
    found += [f"{name}:1: left by a patch or a merge" for name in own_files(*LEFT)]
    return report(found, f"{len(sources)} source files")


if __name__ == "__main__":
    sys.exit(main())
