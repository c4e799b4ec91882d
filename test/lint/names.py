#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""usage: names.py

Names that documents give in backticks exist: `function()` is defined or declared in C files of
ours, `struct name` too, and a path below one of our folders is there. The same goes for the
functions and files of the walks in doc/architecture.md, of which there are five, and it names every folder
with C files. No name in C has
a part the field has another word for. A function that a header declares has a user in another file
than the one that defines it.
"""
import glob
import os
import re
import sys
from collections import Counter

from tree import own_files, report

DOCUMENTS = ("*.md",)
QUOTED = re.compile(r"`([^`\n]+)`")
FUNCTION = re.compile(r"\b([a-z]\w+)\(\)")
STRUCT = re.compile(r"\b(?:struct|enum) (\w+)")
PATH = re.compile(r"^(?:\./)?((?:lib|drivers|app|test|doc|config)/[\w./*\[\]-]*[\w\]*])")
ARCHITECTURE = "doc/architecture.md"
WALKS = ("First walk: a frame", "Second walk: a message", "Third walk: a port's life",
         "Fourth walk: a publication", "Fifth walk: a command")
# parts of names, and the field's word for each
DIALECT = {"turn": "iteration", "turns": "iterations", "lively": "active",
           "whoever": "who it is", "wheel": "state machine", "brought": "migrated",
           "undecided": "deferred", "piece": "segment, or part", "pieces": "segments, or parts",
           "paid": "theoretical arrival time, or name the time", "quiet": "idle"}
NO_NAME = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)
# names of other projects, and of the system
FOREIGN = re.compile(r"^(rte_|eventfd|main$|open|poll|read|write|recv|send|mmap|munmap|epoll)")


def known_names():
    text = []
    for name in own_files("*.[ch]"):
        with open(name, encoding="utf-8") as f:
            text.append(f.read())
    text = "\n".join(text)
    return (set(re.findall(r"\b([a-z]\w+)\(", text)),
            set(re.findall(r"\b(?:struct|enum) (\w+) \{", text)))


def fault(quoted, functions, structs):
    for name in FUNCTION.findall(quoted):
        if name not in functions and not FOREIGN.match(name):
            return f"there is no function {name}()"
    for name in STRUCT.findall(quoted):
        if name not in structs and not FOREIGN.match(name) and not name.startswith(("virtio", "vhost")):
            return f"there is no struct or enum {name}"
    path = PATH.match(quoted)
    # one in capitals stands for many; a program has the name of its source
    if path and not re.search("[A-Z]{2}", path.group(1)) and not glob.glob(path.group(1) + "*"):
        return f"there is no {path.group(1)}"
    return None


def walk_faults(functions, structs):
    """(line, what) of the walks: blocks of code of ARCHITECTURE."""
    with open(ARCHITECTURE, encoding="utf-8") as f:
        lines = f.read().split("\n")
    for walk in WALKS:
        if f"## {walk}" not in lines:
            yield 1, f"there is no walk '{walk}'"
    fenced = False
    for n, line in enumerate(lines, 1):
        fenced ^= line.startswith("```")
        for word in re.split(r"[\s,:;]+", line) if fenced else ():
            what = fault(word.strip("()") if "/" in word else word, functions, structs)
            if what:
                yield n, what


def room_faults():
    """(line, what) of folders that ARCHITECTURE does not name."""
    with open(ARCHITECTURE, encoding="utf-8") as f:
        named = {word.rstrip("/") for word in QUOTED.findall(f.read())}
    for folder in sorted({os.path.dirname(name) for name in own_files("*.[ch]")} - {"test"}):
        if folder not in named:
            yield 1, f"there is no word about {folder}"


def dialect_faults():
    """(file, line, what) of names in C."""
    for name in own_files("*.[ch]"):
        with open(name, encoding="utf-8") as f:
            text = NO_NAME.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), f.read())
        for m in re.finditer(r"\b[A-Za-z]\w*", text):
            for part in set(m.group().lower().split("_")) & DIALECT.keys():
                yield name, text.count("\n", 0, m.start()) + 1, f"{m.group()}: say {DIALECT[part]}"


def declared(text):
    """Functions a header declares, without those it defines."""
    return re.findall(r"^(?!static |typedef |extern |else )[a-z][\w \t\n*]*?\b([a-z]\w+)\([^;{}]*\)"
                      r"[^;{}]*;", text, re.M)


def unused_faults():
    """(file, line, what) of functions of headers that only the file which defines them calls."""
    texts = {}
    for name in own_files("*.[ch]"):
        with open(name, encoding="utf-8") as f:
            texts[name] = NO_NAME.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), f.read())
    words = {name: Counter(re.findall(r"\b[a-z]\w+", text)) for name, text in texts.items()}
    for header, text in texts.items():
        if not header.endswith(".h") or not header.startswith(("lib/", "drivers/", "app/")):
            continue
        for function in declared(text):
            users = [name for name, of_file in words.items() if function in of_file and
                     name != header and not re.search(rf"^{function}\(", texts[name], re.M)]
            if not users and words[header][function] == 1:
                line = text[:re.search(rf"\b{function}\(", text).start()].count("\n") + 1
                yield header, line, f"{function}() is used by no other file: static, or not at all"


def main():
    documents, found, n = own_files(*DOCUMENTS), [], 0
    functions, structs = known_names()
    for name in documents:
        with open(name, encoding="utf-8") as f:
            for line_no, line in enumerate(f, 1):
                for quoted in QUOTED.findall(line):
                    n += 1
                    what = fault(quoted, functions, structs)
                    if what:
                        found.append(f"{name}:{line_no}: {what}")
    found += [f"{ARCHITECTURE}:{line}: {what}" for line, what in walk_faults(functions, structs)]
    found += [f"{ARCHITECTURE}:{line}: {what}" for line, what in room_faults()]
    found += [f"{name}:{line}: {what}" for name, line, what in dialect_faults()]
    found += [f"{name}:{line}: {what}" for name, line, what in unused_faults()]
    return report(found, f"{n} quoted names in {len(documents)} documents")


if __name__ == "__main__":
    sys.exit(main())
