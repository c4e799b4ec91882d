# SPDX-License-Identifier: BSD-3-Clause
"""Common parts of the lint scripts written in Python."""
import os
import subprocess

LINT = os.path.dirname(os.path.abspath(__file__))
SKIPPED = 77


def own_files(*patterns):
    """Our files whose names match; the current directory becomes the project's root."""
    os.chdir(os.path.join(LINT, "..", ".."))
    out = subprocess.run([os.path.join(LINT, "files.sh"), *patterns], check=True, text=True,
                         stdout=subprocess.PIPE)
    return out.stdout.split("\n")[:-1]


def report(found, checked):
    """Print what was found and what was looked at; the exit status."""
    for fault in found:
        print(fault)
    print(f"{checked}, {len(found)} faults")
    return 1 if found else 0
