#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""usage: tidy_one.py BUILDDIR FILE

clang-tidy on FILE, unless the same text was found clean before. A text is the same if it is the
same after preprocessing, macros included, and so are the flags, the checks, the version of the
tool, and all lines with NOLINT. BUILDDIR/tidy-cache has one empty file for each clean text.
"""
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys

from tree import own_files

TOOL = "clang-tidy-14"
CLANG = "clang-14"
# The analyzer's effort grows with the square of a function's paths and is most of the time of all
# checks: functions of the product get a quarter of the default's states, tests no paths through
# the functions they call. VQS_TIDY=deep lifts both limits.
PRODUCT_DEPTH = "max-nodes=50000"
TEST_DEPTH = "mode=shallow"


def command(build, name):
    """(directory, flags) by which BUILDDIR compiles the file."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as db:
        for unit in json.load(db):
            if os.path.realpath(os.path.join(unit["directory"], unit["file"])) == name:
                argv = [a for a in shlex.split(unit["command"]) if a != "ccache"][1:]
                return unit["directory"], flags_of(argv, unit["file"])
    return os.getcwd(), []


def flags_of(argv, source):
    """Without the names of files, and what makes no difference to the text."""
    flags, skip = [], False
    for arg in argv:
        if skip or arg in ("-c", "-MD", source):
            skip = False
        elif arg in ("-o", "-MF", "-MQ"):
            skip = True
        else:
            flags.append(arg)
    return flags


def depth(name):
    """Arguments that limit the analyzer's effort on the file."""
    if os.environ.get("VQS_TIDY") == "deep":
        return []
    limit = TEST_DEPTH if os.path.relpath(name).startswith("test/") else PRODUCT_DEPTH
    return ["--extra-arg=" + arg for arg in ("-Xclang", "-analyzer-config", "-Xclang", limit)]


def exempted():
    """All lines that switch checks off: comments are gone after preprocessing."""
    for name in own_files("*.[ch]"):
        with open(name, encoding="utf-8") as f:
            for line in f:
                if "NOLINT" in line:
                    yield name + line


def key(build, name):
    """Names the text; None: it cannot be told."""
    directory, flags = command(build, name)
    text = subprocess.run([CLANG, "-E", "-P", "-dD", "-w", *flags, name], cwd=directory, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    version = subprocess.run([TOOL, "--version"], check=False, stdout=subprocess.PIPE).stdout
    if text.returncode != 0:
        return None
    parts = [version, pathlib.Path(".clang-tidy").read_bytes(), " ".join(flags + depth(name)).encode(),
             text.stdout, "".join(exempted()).encode()]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def main():
    build, name = sys.argv[1], os.path.realpath(sys.argv[2])
    known = key(build, name)
    clean = pathlib.Path(build, "tidy-cache", known) if known else None
    if clean and clean.exists():
        clean.touch()  # in use: old ones may be deleted
        return 0
    run = subprocess.run([TOOL, "-quiet", "-p", build, *depth(name), name], check=False,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    errors = [line for line in run.stderr.splitlines() if "generated." not in line]
    sys.stdout.write(run.stdout + "".join(line + "\n" for line in errors))
    if clean and run.returncode == 0 and not run.stdout and not errors:
        clean.parent.mkdir(exist_ok=True)
        clean.touch()
    return run.returncode


if __name__ == "__main__":
    sys.exit(main())
