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
# how many warnings of other people's headers were not shown is of no interest
printf '%s\n' "${files[@]}" |
    xargs -P "$(nproc)" -n 1 clang-tidy-14 -quiet -p "$build" \
        2> >(grep -Ev '^[0-9]+ warnings? generated\.$' >&2)
echo "${#files[@]} files"
