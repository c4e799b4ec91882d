#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""usage: shape.py

No function over 80 lines (C, with tests), none of the C files or scripts over 800. Prints the
medians, so that a drift is seen before the limit is reached.
"""
import json
import shutil
import statistics
import subprocess
import sys

from tree import SKIPPED, own_files, report

FUNCTION_LINES = 80
FILE_LINES = 800


def functions(files):
    """(file, line, name, length) of every C function, signature to closing brace."""
    cmd = ["ctags", "--languages=C", "--langmap=C:.c.h", "--kinds-C=f", "--fields=+ne",
           "--output-format=json", "-L", "-", "-f", "-"]
    out = subprocess.run(cmd, input="\n".join(files), check=True, text=True, stdout=subprocess.PIPE)
    for line in out.stdout.splitlines():
        tag = json.loads(line)
        if "end" in tag:
            yield tag["path"], tag["line"], tag["name"], tag["end"] - tag["line"] + 1


def file_length(name):
    with open(name, encoding="utf-8") as f:
        return sum(1 for _ in f)


def main():
    if shutil.which("ctags") is None:
        print("ctags is not installed")
        return SKIPPED
    c_files = own_files("*.[ch]")
    lengths = {name: file_length(name) for name in c_files + own_files("*.py", "*.sh")}
    funcs = list(functions(c_files))
    found = [f"{path}:{line}: {name}() has {n} lines, more than {FUNCTION_LINES}"
             for path, line, name, n in funcs if n > FUNCTION_LINES]
    found += [f"{name}:{n}: the file has {n} lines, more than {FILE_LINES}"
              for name, n in lengths.items() if n > FILE_LINES]
    sizes = sorted(n for *_, n in funcs)
    return report(found, f"{len(funcs)} functions, median {statistics.median(sizes):.0f} lines, "
                         f"p95 {sizes[len(sizes) * 95 // 100]}, longest {sizes[-1]}; "
                         f"{len(lengths)} files, median {statistics.median(lengths.values()):.0f} "
                         f"lines, longest {max(lengths.values())}")


if __name__ == "__main__":
    sys.exit(main())
