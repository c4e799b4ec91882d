#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# usage: files.sh PATTERN...
# The project's own files whose names match a PATTERN, relative to its root, one per line.
# Build directories are left out; git is not asked, so it works in an unpacked archive, too.
set -euo pipefail
cd "$(dirname "$0")/../.."
names=()
for pattern in "$@"; do
    names+=(-o -name "$pattern")
done
find . \( -path './build*' -o -name .git -o -name .cache -o -name __pycache__ \) -prune -o \
    -type f \( "${names[@]:1}" \) -print | sed 's|^\./||' | LC_ALL=C sort
