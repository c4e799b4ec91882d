# SPDX-License-Identifier: BSD-3-Clause
"""How far two CPUs are from each other, which on a virtual machine changes, and every figure with it."""

import pathlib
import statistics
import subprocess

NEAR_NS = 120  # one-way; near is about 60, far about 260


def distance(build, one, other):
    """One-way latency of a cache line between two CPUs, ns."""
    tool = str(pathlib.Path(build) / "test" / "perf" / "coredist")
    out = subprocess.run([tool, str(one), str(other)], check=True, capture_output=True, text=True,
                         timeout=60)
    return float(out.stdout)


def core_class(before, after):
    """The class of a sample by the distances before and after it; "mixed" is of no use."""
    near = [d < NEAR_NS for d in (before, after)]
    return "mixed" if near[0] != near[1] else "near" if near[0] else "far"


def spread(values):
    """Median, least, most and how many."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values),
            "n": len(values)}
