#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# usage: tidy.sh BUILDDIR [FILE...]
# clang-tidy with the checks of .clang-tidy on every C file BUILDDIR compiles, or on FILEs.
[ $# -ge 1 ] || {
    sed -n '3,4s/^# //p' "$0"
    exit 1
}
build=$(cd "$1" && pwd)
shift
. "$(dirname "$0")/common.sh"
# other versions find other things
need clang-tidy-14
need clang-14
need python3

# The flags are gcc's; -march=native means the same machine to both.
sources() {
    python3 - "$build" <<'END'
import json, os, sys
root = os.getcwd() + os.sep
with open(os.path.join(sys.argv[1], "compile_commands.json"), encoding="utf-8") as db:
    units = {os.path.realpath(os.path.join(u["directory"], u["file"])) for u in json.load(db)}
print(*sorted(u for u in units if u.endswith(".c") and u.startswith(root)), sep="\n")
END
}

if [ $# -gt 0 ]; then
    files=("$@")
else
    mapfile -t files < <(sources)
fi
# a file that was found clean is not looked at again until its text changes
printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -n 1 "$lint/tidy_one.py" "$build"
# texts that no run has met for a month
find "$build/tidy-cache" -type f -mtime +30 -delete 2>/dev/null || true
echo "${#files[@]} files"
