#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# usage: spelling.sh
# codespell on everything that people read; words it does not know are in test/lint/words.
. "$(dirname "$0")/common.sh"
need codespell
own '*.[ch]' '*.md' '*.sh' '*.py' '*.vqs' '*.[1-9]' meson.build meson_options.txt run check
codespell --ignore-words test/lint/words "${files[@]}"
