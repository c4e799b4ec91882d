#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# usage: format.sh [--fix]
# C sources look as clang-format 14 and .clang-format want them; --fix rewrites those that do not.
. "$(dirname "$0")/common.sh"
# another version would have it otherwise
need clang-format-14
own '*.[ch]'
if [ "${1-}" = --fix ]; then
    exec clang-format-14 -i "${files[@]}"
fi
clang-format-14 --dry-run -Werror "${files[@]}"
