# SPDX-License-Identifier: BSD-3-Clause
"""A successor reads records of other versions, and of a predecessor that is out of its mind."""

import contextlib
import dataclasses
import os
import struct

from harness.predecessor import RECORD, Predecessor
from harness.process import Process, wait_for
from harness.successor import READY, REFUSED, Successor

from .base import check
from .upgrade import Station, Upgradable, expect

MUST_KNOW = 1
UNKNOWN = (0xf0, 0x11f, 0x1f0, 0x2f0, 0x3f0)  # of the program, switch, port, device, session
HELLO, PORT, DEVICE, COUNTERS = 1, 5, 0x200, 0x206


@dataclasses.dataclass
class Record:
    """One, with the descriptors that come along."""
    kind: int
    flags: int
    data: bytes
    fds: list


def split(data, fds):
    """The records of a blob."""
    records, at, fds = [], 0, list(fds)
    while at < len(data):
        kind, flags, nfds, length = RECORD.unpack_from(data, at)
        at += RECORD.size
        records.append(Record(kind, flags, data[at:at + length], fds[:nfds]))
        fds = fds[nfds:]
        at += (length + 7) // 8 * 8
    return records


def join(records):
    """The blob of them: bytes and descriptors."""
    data = b"".join(RECORD.pack(r.kind, r.flags, len(r.fds), len(r.data))
                    + r.data.ljust((len(r.data) + 7) // 8 * 8, b"\0") for r in records)
    return data, [fd for r in records for fd in r.fds]


def with_unknown(records, flags):
    """Records that no version has, before each but the first one of a part."""
    found = records[:1]
    for record in records[1:]:
        kind = next(unknown for unknown in UNKNOWN if unknown > record.kind)
        found += [Record(kind, flags, b"\xff" * 24, []), record]
    return found


class UpgradeRecords(Upgradable):
    """A switch whose records are changed on the way to another process."""

    cpus, seconds = 0.5, 30

    def setup(self):
        self.start_switch(1)
        self.guest = Station(self.paths[0], bytes((2, 0, 0, 0, 0, 1)), bytes((2, 0, 0, 0, 0, 2)))
        self.guest.transmit(1)

    def parts(self, new):
        """Both parts of what the switch hands over, which then goes on."""
        log, parts = self.switch.log(), []
        for _ in range(2):
            before = len(new.fds)
            data = new.receive()
            parts.append(split(data, new.fds[before:]))
            new.say(READY if len(parts) == 1 else REFUSED, b"" if len(parts) == 1 else b"thanks")
        wait_for("that it goes on", lambda: "thanks" in self.switch.log()[len(log):], 30,
                 alive=[self.switch])
        return parts

    def told(self, change):
        """Answers of a successor to both parts, as change(part, records) makes blobs of them."""
        path = self.path("predecessor")
        path.unlink(missing_ok=True)
        answers = []
        with contextlib.closing(Successor(self.control_path)) as new, \
                contextlib.closing(Predecessor(path)) as old:
            parts = self.parts(new)
            process = self.own(Process("new", [*self.argv, f"--upgrade-from={path}"],
                                       self.workdir))
            process.spawn()
            old.accept()
            for number, records in enumerate(parts):
                old.send(*change(number, records))
                answers.append(old.hear())
                if answers[-1][0] != READY:
                    break
        expect(process.wait_exit(60) == 1, "its exit status")
        self.disown(process)
        os.kill(self.pid, 0)
        return answers

    @check("upgrade.records.{}", ("same", "unknown", "longer", "uncounted"))
    def check_taken(self, kind):
        """Records of a newer version, longer ones and missing counters do no harm."""
        def change(number, records):
            if kind == "unknown":
                records = with_unknown(records, 0)
            elif kind == "longer":
                for record in records:
                    record.data += bytes(16) if record.kind in (DEVICE, HELLO) else b""
            elif kind == "uncounted" and number == 1:
                records = [r for r in records if r.kind != COUNTERS]
            return join(records)

        answers = self.told(change)
        expect([answer[0] for answer in answers] == [READY, READY], answers)

    @check("upgrade.records.needed.{}", (0, 1))
    def check_needed(self, part):
        """A record that its reader has to know and does not: refused with a reason."""
        answers = self.told(lambda number, records: join(
            with_unknown(records, MUST_KNOW) if number == part else records))
        expect(len(answers) == part + 1 and answers[part][0] == REFUSED
               and "not known here" in answers[part][1], answers)

    @check("upgrade.records.damaged.{}", ("version", "cut", "end", "order", "port", "length", "fds",
                                          "record"))
    def check_damaged(self, kind):
        """Cut, out of order, of impossible lengths: refused, and no process is harmed."""
        def change(number, records):
            if kind == "version":
                records[0].data = struct.pack("<I", 99) + records[0].data[4:]
            if kind == "version" or number == 0:
                return join(records)
            data, fds = join(records)
            return {
                "cut": lambda: join(records[:len(records) // 2]),
                "end": lambda: join(records[:-1]),
                "order": lambda: join(records[::-1]),
                "port": lambda: join([r if r.kind != PORT else dataclasses.replace(
                    r, data=b"\xff" * 4) for r in records]),
                "length": lambda: (data, fds, 0xffffffff),
                "fds": lambda: (data, fds, None, 0xffffffff),
                "record": lambda: (data[:4] + b"\xff" * 4 + data[8:], fds),
            }[kind]()

        answers = self.told(change)
        expect(answers[-1][0] in (REFUSED, None), answers)
        expect(len(answers) == (1 if kind == "version" else 2), answers)
        return answers[-1][1]
