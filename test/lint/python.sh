#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# usage: python.sh [FILE...]
# pylint with .pylintrc on every Python program, or on FILEs. Programs that were found clean together
# are not looked at again until one of them, .pylintrc or a tool changes.
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
texts=$({ pylint --version && sha256sum .pylintrc "${files[@]}"; } | sha256sum)
clean=${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/vqswitch-lint/python.${texts%% *}
if [ ! -e "$clean" ]; then
    pylint --rcfile=.pylintrc "${files[@]}"
    mkdir -p "${clean%/*}" && touch "$clean"
fi
echo "${#files[@]} files"
