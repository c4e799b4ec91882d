#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""usage: embed.py OUTPUT FILE...

Write C that has the files as struct page_file (page.h). index.html is the path "/".
"""
import pathlib
import sys

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


def main():
    output, *files = map(pathlib.Path, sys.argv[1:])
    text, rows = ['/* Made by embed.py. */', '#include "page/page.h"', ""], []
    for number, file in enumerate(files):
        data = file.read_bytes()
        text += [f"static const unsigned char file{number}[] = {{"]
        text += [",".join(map(str, data[i:i + 24])) + "," for i in range(0, len(data), 24)]
        text += ["};", ""]
        path = "/" if file.name == "index.html" else f"/{file.name}"
        rows += [f'\t{{"{path}", "{TYPES[file.suffix]}", file{number}, sizeof(file{number})}},']
    text += ["const struct page_file page_files[] = {", *rows, "\t{0},", "};", ""]
    output.write_text("\n".join(text), "ascii")


main()
