#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""usage: gcovr --json-summary ... | folders.py

Print the summary gcovr writes for machines as a table of folders.
"""
import collections
import json
import os
import sys

KINDS = ("line", "branch")


def row(name, counts):
    cells = [f"{counts[kind, 'covered']:6} of {counts[kind, 'total']:6}  "
             f"{100 * counts[kind, 'covered'] / max(counts[kind, 'total'], 1):5.1f} %"
             for kind in KINDS]
    return "   ".join([f"{name:20}", *cells])


def main():
    folders, everything = collections.defaultdict(collections.Counter), collections.Counter()
    for file in json.load(sys.stdin)["files"]:
        counts = {(kind, part): file[f"{kind}_{part}"] for kind in KINDS for part in ("covered", "total")}
        folders[os.path.dirname(file["filename"])].update(counts)
        everything.update(counts)
    if not folders:
        print("no file was executed")
        return 1
    print(f"{'folder':20}   {'lines':23}   branches")
    for name in sorted(folders):
        print(row(name, folders[name]))
    print(row("all", everything))
    return 0


if __name__ == "__main__":
    sys.exit(main())
