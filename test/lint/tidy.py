#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""usage: tidy.py BUILDDIR [FILE...]

clang-tidy with the checks of .clang-tidy on every C file BUILDDIR compiles, or on FILEs, as many at
a time as there are processors. Each is read with the headers it includes itself, also in a build
that precompiles them: one that includes too little does not compile here.

A text that was found clean is not looked at again. A text is the same if it is the same after
preprocessing, macros included, and so are the flags, the checks, the version of the tool, and all
lines with NOLINT. BUILDDIR/tidy-cache has one empty file for each clean text. Exit status: 0 fine,
1 something to mend, 77 the tool is not installed (meson: skipped).
"""
import hashlib
import json
import os
import pathlib
import platform
import shlex
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from tree import SKIPPED, own_files

# other versions find other things
TOOL = "clang-tidy-14"
CLANG = "clang-14"
# The analyzer's effort grows with the square of a function's paths and is most of the time of all
# checks: functions of the product get a quarter of the default's states, tests no paths through
# the functions they call. VQS_TIDY=deep lifts both limits.
PRODUCT_DEPTH = "max-nodes=50000"
TEST_DEPTH = "mode=shallow"
# DPDK's headers include the intrinsics of all instructions that the processor has: 1.5 MB in each
# file with AVX-512, of which none is used here. __SCE__ has clang's headers include no others than
# those of -march, which makes no file of ours another text.
MACHINE = ["-march=x86-64-v3", "-D__SCE__"]
KEPT_S = 30 * 24 * 3600  # texts that no run has met for so long are forgotten


def output_of(*command, cwd=None):
    """Its standard output; None: it failed."""
    run = subprocess.run(command, cwd=cwd, check=False, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL)
    return run.stdout if run.returncode == 0 else None


def flags_of(command, source):
    """The flags without the compiler, the names of files and the header that is precompiled, for a
    machine that has fewer instructions than this one may have. They are gcc's, and mean the same."""
    flags, argv = [], iter(arg for arg in shlex.split(command) if arg != "ccache")
    next(argv)
    for arg in argv:
        if arg in ("-o", "-MF", "-MQ"):
            next(argv)
        elif arg == "-include":
            name = next(argv)
            flags += [arg, name] if os.path.basename(name) != "precompiled.h" else []
        elif arg not in ("-c", "-MD", "-Wno-invalid-pch", source):
            flags.append(arg)
    if "-march=native" in flags and platform.machine() == "x86_64":
        flags += MACHINE
    return flags


def units(build):
    """{name: (directory, flags)} of what BUILDDIR compiles of this folder."""
    root, found = os.getcwd() + os.sep, {}
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as db:
        for unit in json.load(db):
            name = os.path.realpath(os.path.join(unit["directory"], unit["file"]))
            if name.startswith(root) and name.endswith(".c") and name not in found:
                found[name] = unit["directory"], flags_of(unit["command"], unit["file"])
    return found


def depth(name):
    """Flags that limit the analyzer's effort on the file."""
    if os.environ.get("VQS_TIDY") == "deep":
        return []
    limit = TEST_DEPTH if os.path.relpath(name).startswith("test/") else PRODUCT_DEPTH
    return ["-Xclang", "-analyzer-config", "-Xclang", limit]


def exempted():
    """All lines that switch checks off: comments are gone after preprocessing."""
    for name in own_files("*.[ch]"):
        with open(name, encoding="utf-8") as f:
            for line in f:
                if "NOLINT" in line:
                    yield name + line


class Tidy:
    """The tool and the texts it knows."""

    def __init__(self, build):
        self.cache = pathlib.Path(build, "tidy-cache")
        self.cache.mkdir(exist_ok=True)
        self.units = units(build)
        # the same for all texts
        self.parts = [output_of(TOOL, "--version"), pathlib.Path(".clang-tidy").read_bytes(),
                      "".join(exempted()).encode()]

    def key(self, directory, flags, name):
        """Names the text; None: it cannot be told."""
        text = output_of(CLANG, "-E", "-P", "-dD", "-w", *flags, name, cwd=directory)
        if text is None:
            return None
        parts = [*self.parts, " ".join(flags).encode(), text]
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()

    def look(self, name):
        """The faults of a file, as the tool prints them."""
        directory, flags = self.units.get(name, (os.getcwd(), []))
        flags = flags + depth(name)
        key = self.key(directory, flags, name)
        clean = self.cache / key if key else None
        if clean and clean.exists():
            clean.touch()  # in use
            return ""
        run = subprocess.run([TOOL, "-quiet", name, "--", *flags], cwd=directory, check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        errors = [line + "\n" for line in run.stderr.splitlines() if "generated." not in line]
        told = run.stdout + "".join(errors)
        if run.returncode != 0 and not told:
            told = f"{name}: {TOOL} ended with {run.returncode}\n"
        if clean and not told:
            clean.touch()
        return told

    def forget(self):
        """Delete what is not in use."""
        for text in self.cache.iterdir():
            if text.stat().st_mtime < time.time() - KEPT_S:
                text.unlink(missing_ok=True)


def main():
    if len(sys.argv) < 2:
        print(__doc__)
        return 1
    for tool in (TOOL, CLANG):
        if not shutil.which(tool):
            print(f"{tool} is not installed")
            return SKIPPED
    build, names = os.path.realpath(sys.argv[1]), [os.path.realpath(n) for n in sys.argv[2:]]
    own_files("check")  # the project's folder is the current one now
    tidy = Tidy(build)
    names = names or list(tidy.units)
    names.sort(key=os.path.getsize, reverse=True)  # those that take longest first
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        faults = [told for told in pool.map(tidy.look, names) if told]
    sys.stdout.write("".join(faults))
    tidy.forget()
    print(f"{len(names)} files, {len(faults)} with faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
