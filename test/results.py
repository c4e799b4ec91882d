#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""usage: results.py PREFIX FILE [SECOND]
       results.py --failed FILE

Print FILE, a test log meson wrote for machines (meson-logs/*.json), one line per test:
"PASS|FAIL|SKIP PREFIX.name (seconds)". The end of what a failed test printed follows, indented.
SECOND is the log of another run of the tests that failed, if there was one: those that passed then
are reported as "FLAKY PREFIX.name" and counted as passed. --failed prints the names of the others.
"""
import json
import os
import sys

VERDICTS = {"OK": "PASS", "EXPECTEDFAIL": "PASS", "SKIP": "SKIP"}
TAIL = 30


def tests(path):
    """{name: test} of a log; a log that was not written has none."""
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as log:
        found = map(json.loads, log)
        return {test["name"].rsplit(" / ", 1)[-1]: test for test in found}


def verdict(test):
    return VERDICTS.get(test["result"], "FAIL")


def show(name, test):
    reason = "" if verdict(test) == "PASS" else f" {test['result'].lower()}"
    print(f"{verdict(test)} {name} ({test['duration']:.1f} s){reason}")
    if verdict(test) != "PASS":
        print_tail(test)


def print_tail(test):
    output = (test.get("stdout") or "") + (test.get("stderr") or "")
    for line in output.splitlines()[-TAIL:]:
        print(f"    {line}")


def main():
    if sys.argv[1] == "--failed":
        print("".join(f"{name}\n" for name, test in tests(sys.argv[2]).items()
                      if verdict(test) == "FAIL"), end="")
        return 0
    prefix, first = sys.argv[1], tests(sys.argv[2])
    second = tests(sys.argv[3]) if len(sys.argv) > 3 else {}
    for name, test in first.items():
        again = second.get(name)
        if again is not None and verdict(again) == "PASS":
            print(f"FLAKY {prefix}.{name} the first attempt failed: {test['result'].lower()}")
            print_tail(test)
            test = again
        show(f"{prefix}.{name}", test)
    return 0 if first else 1


if __name__ == "__main__":
    sys.exit(main())
