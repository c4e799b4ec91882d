# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Sourced by the lint scripts, each of which works alone and from any directory.
# Exit status: 0 fine, 1 something to mend, 77 the tool is not installed (meson: skipped).
set -euo pipefail
lint=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$lint/../.."

# need TOOL - the test is skipped without it
need() {
    command -v "$1" >/dev/null || {
        echo "$1 is not installed"
        exit 77
    }
}

# own PATTERN... - our files into the array `files`
own() {
    mapfile -t files < <("$lint/files.sh" "$@")
    [ "${#files[@]}" -gt 0 ] || {
        echo "no files match: $*"
        exit 1
    }
}
