# SPDX-License-Identifier: BSD-3-Clause
"""A program driven as DPDK's test suite (DTS) drives dpdk-testpmd, and what it parses.

A shell on a terminal of 80x24; the program is started in it like any command. Each command is sent
with two newlines, and the answer ends with the first line that ends with the prompt - which is the
echo of the second newline behind a prompt. Some time later the shell must be usable again.
"""

import fcntl
import os
import re
import select
import struct
import subprocess
import termios

from .process import Deadline, Failure, Process

SHELL_PROMPT = "shell-prompt#"


class Terminal(Process):
    """bash on a pseudo-terminal, read and written as raw bytes."""

    def __init__(self, name, workdir):
        super().__init__(name, ["bash", "--norc", "--noprofile", "--noediting", "-i"], workdir)
        self.master = -1

    def start(self):
        """Start the shell and wait for its prompt."""
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        # a terminal of its own, which ^C and job control need
        self.spawn(stdin=slave, stdout=slave, stderr=subprocess.STDOUT, start_new_session=True,
                   preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
                   env=dict(os.environ, PS1=SHELL_PROMPT + " ", TERM="vt100", HISTFILE=""))
        os.close(slave)
        self.read_until(SHELL_PROMPT + " ")
        return self

    def type(self, text):
        """As if typed."""
        os.write(self.master, text.encode())

    def read_until(self, end, seconds=30, step=4096):
        """All output up to where it ends with that text, CR kept; with step 1, where it comes first."""
        return self._read(lambda got: got.endswith(end.encode()), repr(end), seconds, step)

    def read_line_ending(self, end, seconds=30):
        """All output up to the first whole line that ends with that text, as DTS reads it."""
        def complete(got):
            return any(line.rstrip().endswith(end.encode()) for line in got.split(b"\n")[:-1])
        return self._read(complete, f"line ending with {end!r}", seconds, step=1)

    def _read(self, complete, what, seconds, step=4096):
        deadline, got = Deadline(seconds), b""
        while not complete(got):
            if not select.select([self.master], [], [], deadline.left())[0]:
                raise Failure(f"{self.name}: no {what} within {seconds:g} s, last: {got[-200:]!r}")
            got += os.read(self.master, step)
        with open(self.log_path, "ab") as log:
            log.write(got)
        return got.decode("utf-8", "replace")

    def close(self):
        super().close()
        if self.master >= 0:
            os.close(self.master)
            self.master = -1


class Shell(Terminal):
    """DTS's testpmd shell."""

    prompt = "testpmd>"

    def launch(self, command):
        """Start the program; its banner."""
        self.type(f"{command}\n\n")
        return self.read_line_ending(self.prompt, 60)

    def command(self, text):
        """Everything up to the prompt behind the command, echo included, CR kept."""
        self.type(f"{text}\n\n")
        return self.read_line_ending(self.prompt)

    def quit(self):
        """Leave the program; what it printed last. The shell must answer afterwards."""
        self.type("quit\n\n")
        out = self.read_line_ending("Bye...")
        # not the text it is typed as, which is echoed
        self.type("echo exit status $((0+$?)).\n")
        self.read_until("exit status 0.\r\n" + SHELL_PROMPT + " ")
        return out


# --- what DTS makes of the output: fields it cannot do without ---

PORT_INFO = [
    r"Infos for port (\d+)", r"MAC address: (([0-9A-F]{2}:){5}[0-9A-F]{2})", r"Device name: (\S+)",
    r"Driver name: (\S+)", r"Connect to socket: (\d+)", r"memory allocation on the socket: (\d+)",
    r"Link status: (up|down)", r"Link speed: (.*)\r", r"Link duplex: (full-duplex)",
    r"Autoneg status: (\w+)", r"MTU: (\d+)", r"Promiscuous mode: (enabled|disabled)",
    r"Allmulticast mode: (enabled|disabled)", r"Maximum number of MAC addresses: (\d+)",
    r"Maximum number of MAC addresses of hash filtering: (\d+)",
    r"VLAN offload: \r\n  strip (?:on|off), filter (?:on|off), extend (?:on|off), qinq strip (on|off)",
    r"Minimum size of RX buffer: (\d+)", r"Maximum configurable length of RX packet: (\d+)",
    r"Maximum configurable size of LRO aggregated packet: (\d+)",
    r"Current number of RX queues: (\d+)", r"Max possible RX queues: (\d+)",
    r"Max possible number of RXDs per queue: (\d+)", r"Min possible number of RXDs per queue: (\d+)",
    r"RXDs number alignment: (\d+)",
    r"Current number of TX queues: (\d+)", r"Max possible TX queues: (\d+)",
    r"Max possible number of TXDs per queue: (\d+)", r"Min possible number of TXDs per queue: (\d+)",
    r"TXDs number alignment: (\d+)", r"Max segment number per packet: (\d+)",
    r"Max segment number per MTU/TSO: (\d+)", r"Device capabilities: (0x[\dA-Fa-f]+)",
]

PORT_STATS = [
    r"NIC statistics for port (\d+)", r"RX-packets:\s+(\d+)", r"RX-missed:\s+(\d+)",
    r"RX-bytes:\s+(\d+)", r"RX-errors:\s+(\d+)", r"RX-nombuf:\s+(\d+)", r"TX-packets:\s+(\d+)",
    r"TX-errors:\s+(\d+)", r"TX-bytes:\s+(\d+)", r"Rx-pps:\s+(\d+)", r"Rx-bps:\s+(\d+)",
    r"Tx-pps:\s+(\d+)", r"Tx-bps:\s+(\d+)",
]


def fields(patterns, text):
    """The values, in the order of the patterns; every one must be there."""
    values = []
    for pattern in patterns:
        found = re.search(pattern, text)
        if not found:
            raise Failure(f"no {pattern!r} in {text!r}")
        values.append(found[1])
    return values


def info_blocks(text):
    """Blocks of "show port info all"; no empty line inside, one between them."""
    return [b[0] for b in re.finditer(r"\*{21}.*?[\r\n]{4}", text + "\r\n", re.S)]


def stats_blocks(text):
    """Blocks of "show port stats all", framed by lines of #."""
    return [b[1] for b in re.finditer(r"(^  #*.+#*$[^#]+)^  #*\r$", text, re.M)]
