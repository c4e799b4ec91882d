#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# usage: cppcheck.sh
# cppcheck on all C files. It does not see DPDK's headers: unknown macros are its business.
. "$(dirname "$0")/common.sh"
need cppcheck
own '*.c'
cppcheck --quiet --std=c11 --language=c -j "$(nproc)" --error-exitcode=1 --inline-suppr \
    --enable=warning,performance,portability \
    --suppress=missingInclude --suppress=missingIncludeSystem \
    --suppress=unknownMacro --suppress=nullPointerRedundantCheck \
    -I lib -I drivers "${files[@]}"
