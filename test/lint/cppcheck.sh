#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# usage: cppcheck.sh
# cppcheck on all C files. Of the system's headers it sees only the lists: macros it has to know.
. "$(dirname "$0")/common.sh"
need cppcheck
own '*.c'
cppcheck --quiet --std=c11 --language=c -j "$(nproc)" --error-exitcode=1 --inline-suppr \
    --enable=warning,performance,portability \
    --suppress=missingInclude --suppress=missingIncludeSystem \
    --suppress=unknownMacro --suppress=nullPointerRedundantCheck \
    --include="/usr/include/$(gcc -print-multiarch)/sys/queue.h" -I lib -I drivers "${files[@]}"
