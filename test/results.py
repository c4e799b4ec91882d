#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""usage: results.py PREFIX FILE

Print FILE, a test log meson wrote for machines (meson-logs/*.json), one line per test:
"PASS|FAIL|SKIP PREFIX.name (seconds)". The end of what a failed test printed follows, indented.
"""
import json
import sys

VERDICTS = {"OK": "PASS", "EXPECTEDFAIL": "PASS", "SKIP": "SKIP"}
TAIL = 30


def show(prefix, test):
    verdict = VERDICTS.get(test["result"], "FAIL")
    name = test["name"].rsplit(" / ", 1)[-1]
    reason = "" if verdict == "PASS" else f" {test['result'].lower()}"
    print(f"{verdict} {prefix}.{name} ({test['duration']:.1f} s){reason}")
    if verdict != "PASS":
        output = (test.get("stdout") or "") + (test.get("stderr") or "")
        for line in output.splitlines()[-TAIL:]:
            print(f"    {line}")


def main():
    prefix, path = sys.argv[1:]
    with open(path, encoding="utf-8") as log:
        for line in log:
            show(prefix, json.loads(line))


if __name__ == "__main__":
    main()
