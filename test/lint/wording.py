#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""usage: wording.py [FOLDER...]

Comments and documents in plain technical English: no sentence begins with What, Who, Where or So
many, and none has a word of test/lint/dialect. In the folders named, else in all.
"""
import io
import os
import re
import sys
import tokenize

from tree import LINT, own_files, report

# "." stands for the files of the project's root
FOLDERS = [".", "app", "config", "doc", "drivers", "lib", "test"]
BEGINNING = re.compile(r"(?:^|[.:;?!]\s+|\*\*\s*|\)\s+)(What|Who|Where|So many)\b(?!')")
C_COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)
HASH = re.compile(r"(?:^|\s)#(?!!)(.*)")


def dialect():
    """[(expression, advice)]"""
    with open(os.path.join(LINT, "dialect"), encoding="utf-8") as f:
        rows = (line.rsplit("|", 1) for line in f if line.strip() and not line.startswith("#"))
        return [(re.compile(r"\b(?:" + words.strip() + ")", re.I), advice.strip())
                for words, advice in rows]


def c_comments(text):
    """(line, text) of comments, and of strings that are sentences: what a program says."""
    for m in C_COMMENT.finditer(text):
        line = text.count("\n", 0, m.start()) + 1
        if m.group().startswith("/"):
            yield line, re.sub(r"^/\*+|\*/$|^//+", "", m.group())
        elif m.group().count(" ") > 1:
            yield line, m.group().strip('"')


def python_comments(text):
    """(line, text) of comments and of strings that stand alone in a line."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("#")
        elif token.type == tokenize.STRING and token.line.strip().startswith(('"""', "r\"\"\"")):
            yield token.start[0], token.string.strip('"')


def hash_comments(text):
    for n, line in enumerate(text.split("\n"), 1):
        m = HASH.search(line)
        if m:
            yield n, m.group(1)


def paragraphs(text):
    """(line, text) of a document, without what is quoted or indented as code."""
    fenced = False
    for n, line in enumerate(text.split("\n"), 1):
        fenced ^= line.startswith("```")
        if not fenced and not line.startswith(("    ", "```")):
            yield n, re.sub(r"`[^`]*`", "``", line)


def reader(name, text):
    """The function that finds what people read, by the kind of the file; None: not text of ours."""
    ending = os.path.splitext(name)[1]
    first = text.split("\n", 1)[0]
    if ending in (".c", ".h"):
        return c_comments
    if ending == ".py" or first.startswith("#!") and "python" in first:
        return python_comments
    if ending == ".md":
        return paragraphs
    if ending in (".sh", ".vqs") or os.path.basename(name) == "meson.build" or first.startswith("#!"):
        return hash_comments
    return None


def faults(name, text, words):
    """(line, fault) of a file."""
    find = reader(name, text)
    for start, said in find(text) if find else ():
        for n, line in enumerate(said.split("\n"), start):
            line = re.sub(r"^[\s*#>|-]+", "", line)
            begins = BEGINNING.search(line)
            if begins and (begins.start() > 0 or n == start):
                yield n, f"a sentence begins with {begins.group(1)}: name it"
            for expression, advice in words:
                m = expression.search(line)
                if m:
                    yield n, f"'{m.group().strip()}': {advice}"


def is_in(name, folders):
    here = os.path.dirname(name)
    return any(here == "" if folder == "." else name.startswith(folder + "/") for folder in folders)


def main():
    folders = sys.argv[1:] or FOLDERS
    words, found, n = dialect(), [], 0
    for name in own_files("*"):
        if not is_in(name, folders) or name.endswith("/dialect"):
            continue
        try:
            with open(name, encoding="utf-8") as f:
                text = f.read()
        except UnicodeDecodeError:
            continue
        n += 1
        found += [f"{name}:{line}: {what}" for line, what in faults(name, text, words)]
    return report(found, f"{n} files in {', '.join(folders)}")


if __name__ == "__main__":
    sys.exit(main())
