#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# usage: shell.sh
# Runs shellcheck on every script: *.sh and whatever starts with a shell's name.
. "$(dirname "$0")/common.sh"
need shellcheck
own '*'
scripts=()
for f in "${files[@]}"; do
    first=
    IFS= read -r first <"$f" 2>/dev/null || true
    case $f:$first in
    *.sh:* | *:'#!'*/bash | *:'#!'*/sh | *:'#!'*'env bash' | *:'# shellcheck shell='*)
        scripts+=("$f")
        ;;
    esac
done
shellcheck -x --source-path=SCRIPTDIR "${scripts[@]}"
echo "${#scripts[@]} scripts"
