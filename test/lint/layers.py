#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""usage: layers.py

Includes point one way. The folders of lib/ in the order meson.build lists them, each may include
the ones before it; then drivers/, which do not include each other; then app/. Nothing includes
app/ or test/ but itself. Headers of lib/ and drivers/ are written "folder/file.h", those of app/
and test/ by their bare names.
"""
import os
import re
import sys

from tree import own_files, report

TEST_FOLDERS = ("test", "test/lib", "test/unit")  # whose headers other tests use
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def lib_order():
    with open("meson.build", encoding="utf-8") as f:
        words = re.search(r"^lib_dirs = \[(.*?)\]", f.read(), re.M | re.S).group(1)
    return re.findall(r"'(\w+)'", words)


def rank(folder, order):
    """Where a folder stands: it may include what stands lower."""
    top, _, rest = folder.partition("/")
    if top == "lib":
        return order.index(rest.split("/")[0]) if rest.split("/")[0] in order else None
    return {"drivers": len(order), "app": len(order) + 1, "test": len(order) + 2}.get(top)


def target(name, included):
    """The file an #include of @name means, or None."""
    here = os.path.dirname(name)
    for folder in (here, "lib", "drivers", "app", *TEST_FOLDERS):
        path = os.path.normpath(os.path.join(folder, included))
        if os.path.exists(path):
            return path
    return None


def fault(name, included, order):
    here, path = os.path.dirname(name), target(name, included)
    if path is None:
        return f'"{included}" is no file of ours: use <> for others'
    there = os.path.dirname(path)
    if there.startswith(("lib/", "drivers/")) and "/" not in included:
        return f'write "{os.path.basename(there)}/{included}"'
    if there == here:
        return None
    ours, theirs = rank(here, order), rank(there, order)
    if ours is None or theirs is None:
        return f"{there if theirs is None else here} has no place in lib_dirs of meson.build"
    if theirs > ours or (theirs == ours and here.startswith(("lib/", "drivers/"))):
        return f"{here} may not include {path}"
    return None


def main():
    files = own_files("*.[ch]")
    order = lib_order()
    found, n = [], 0
    for name in files:
        with open(name, encoding="utf-8") as f:
            for line_no, line in enumerate(f, 1):
                m = INCLUDE.match(line)
                if m is None:
                    continue
                n += 1
                what = fault(name, m.group(1), order)
                if what is not None:
                    found.append(f"{name}:{line_no}: {what}")
    return report(found, f"{n} includes in {len(files)} files")


if __name__ == "__main__":
    sys.exit(main())
