#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""usage: hold_thread.py PID NAME FILE

Hold the first thread of a process with NAME in its name until FILE exists, then let it go on.
FILE.held exists once it is held, which is when it does not sleep in the kernel."""

import ctypes
import os
import pathlib
import sys
import time

PTRACE_CONT, PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 7, 17, 0x4206, 0x4207
WALL = 0x40000000  # also threads


def main():
    """Command line."""
    pid, name, file = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    task = next(task for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
                if name in (task / "comm").read_text())
    libc = ctypes.CDLL(None, use_errno=True)

    def ptrace(request):
        if libc.ptrace(request, int(task.name), None, None) != 0:
            sys.exit(os.strerror(ctypes.get_errno()))

    def hold():
        ptrace(PTRACE_INTERRUPT)
        os.waitpid(int(task.name), WALL)
        return (task / "syscall").read_text().startswith("-1 ")

    ptrace(PTRACE_SEIZE)
    while not hold():
        ptrace(PTRACE_CONT)
        time.sleep(0.003)
    pathlib.Path(f"{file}.held").touch()
    while not file.exists():
        time.sleep(0.02)
    ptrace(PTRACE_DETACH)


if __name__ == "__main__":
    main()
