#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# usage: python.sh [FILE...]
# pylint with .pylintrc on every Python program, or on FILEs.
. "$(dirname "$0")/common.sh"
need pylint
if [ $# -gt 0 ]; then
    files=("$@")
else
    own '*'
    scripts=()
    for f in "${files[@]}"; do
        first=
        IFS= read -r first <"$f" 2>/dev/null || true
        case $f:$first in
        *.py:* | *:'#!'*python3) scripts+=("$f") ;;
        esac
    done
    files=("${scripts[@]}")
fi
pylint --rcfile=.pylintrc "${files[@]}"
echo "${#files[@]} files"
