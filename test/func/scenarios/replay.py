# SPDX-License-Identifier: BSD-3-Clause
"""Recordings of sessions: made, printed, played again.

test/recordings has those of front-ends; `test/func/run 'recordings.*'` makes them anew.
"""

import json
import os
import pathlib
import re
import shutil
import socket
import stat
import struct
import subprocess

from harness.frontend import GET_FEATURES, GET_PROTOCOL_FEATURES, SET_FEATURES, SET_OWNER, Frontend
from harness.guest import Guest, Nic, Software
from harness.peers import Port, Switch, VirtioUser
from harness.process import Failure, Skip, wait_for

from .base import Scenario, check
from .migration import FAST, post_copied, post_copy_begin
from .postcopy import END, FRAME, PAGEFAULT, Arriving

RECORDINGS = pathlib.Path(__file__).parents[2] / "recordings"
# name: options of the port
SHIPPED = {"qemu": {}, "qemu-mq": {"queues": 2}, "qemu-10": {}, "virtio-user": {}, "virtio-user-packed": {},
           "harness": {}, "postcopy": {"postcopy-support": 1}, "qemu-postcopy": {"postcopy-support": 1}}
DISCONNECT = 3  # a record
MANY = 1000  # messages, more than the kernel keeps for a socket
MAC = "02:00:00:00:00:01"


def beside(program):
    """A program built with the switch."""
    return pathlib.Path(Switch.program).parent / program


def run(program, *words):
    """(exit status, output)."""
    done = subprocess.run([beside(program), *map(str, words)], capture_output=True, text=True,
                          timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def expect(condition, message):
    """Fail with the message unless the condition holds."""
    if not condition:
        raise Failure(message)


def left_by_frontend(data):
    """The same recording, in which the back-end has not ended the session."""
    at, out = 16, data[:16]
    while at < len(data):
        kind, length = struct.unpack_from("<H2xI", data, at)
        record = data[at:at + 8 + (length + 7) // 8 * 8]
        at += len(record)
        if kind == DISCONNECT:
            text = b"the peer closed the connection"
            record = (struct.pack("<H2xI", kind, 8 + len(text)) + record[8:16] + text
                      + bytes(-len(text) % 8))
        out += record
    return out


def own_session(path):
    """A session of the tests' front-end that ends with a message that is refused."""
    peer = Frontend(path)
    peer.negotiate()
    peer.send(SET_FEATURES, (1 << 63).to_bytes(8, "little"))
    expect(peer.closed_by_peer(), "a wrong feature bit was accepted")
    peer.close()


def require_postcopy(path):
    """Skip unless the port offers it."""
    peer = Frontend(path)
    offered = peer.ask(GET_PROTOCOL_FEATURES)
    peer.close()
    if not offered & PAGEFAULT:
        raise Skip("there is no userfaultfd here")


def arriving_session(path):
    """The same whose memory comes when it is needed, and stays to the end of post-copy."""
    peer = Arriving(path)
    peer.arrive()
    peer.serve_up_to(FRAME)
    peer.serve(FRAME)
    wait_for("the frame", lambda: peer.taken() == 1)
    peer.send(END)
    expect(peer.receive() == bytes(8), "POSTCOPY_END was refused")
    peer.close()


class Replay(Scenario):
    """A port without a recording, at which the recordings are played."""

    seconds = 20

    def port(self, recording=None, **options):
        """A switch with one port; the path of its socket."""
        path = self.path("port")
        if recording is not None:
            options["record"] = recording
        self.backend([Port(path, **options)])
        return path

    def end(self):
        """No switch, and all is written."""
        self.switch.quit()
        self.disown(self.switch)

    @check("replay.{}", SHIPPED)
    def shipped(self, name):
        """The answers are those of the day it was recorded."""
        path = self.port(**SHIPPED[name])
        if "postcopy-support" in SHIPPED[name]:
            require_postcopy(path)
        status, out = run("vqreplay", RECORDINGS / f"{name}.rec", path)
        expect(status == 0, f"vqreplay: {status}: {out}")
        self.end()
        return out.strip()

    @check("replay.differs")
    def differs(self):
        """Another answer, none, and an end are noticed."""
        recording = RECORDINGS / "harness.rec"
        path = self.port(packed=0)
        status, out = run("vqreplay", recording, path)
        expect(status == 1 and "GET_FEATURES: the answer is another one" in out, f"{status}: {out}")
        self.end()
        status, out = run("vqreplay", recording, path)
        expect(status == 2 and "port.sock" in out, f"no back-end: {status}: {out}")
        path = self.port()
        whole = recording.read_bytes()
        cut = self.workdir / "cut.rec"
        cut.write_bytes(whole[:-20])
        status, out = run("vqreplay", cut, path)
        expect(status == 2 and "cut off" in out, f"a part of a file: {status}: {out}")
        cut.write_bytes(left_by_frontend(whole))
        status, out = run("vqreplay", cut, path)
        expect(status == 1 and "the back-end has ended the connection" in out, f"end: {status}: {out}")
        self.end()

    @check("replay.not_read")
    def not_read(self):
        """A back-end that does not read is given up, and so is one that does not accept."""
        recording = self.workdir / "many.rec"
        peer = Frontend(self.port(recording))
        for _ in range(MANY):
            peer.send(SET_OWNER)
        peer.ask(GET_FEATURES)
        peer.close()
        self.end()
        path = self.workdir / "silent.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
            silent.bind(str(path))
            silent.listen()
            status, out = run("vqreplay", recording, path)
        expect(status == 1 and "the back-end has not read it in time" in out, f"{status}: {out}")

    @check("replay.record")
    def record(self):
        """A session is in the file, for its owner alone; facts and settings name it."""
        recording = self.workdir / "own.rec"
        path = self.port(recording)
        own_session(path)
        facts = json.loads(self.switch.command("show port info 0 json"))
        expect(str(recording) in json.dumps(facts), f"JSON: {facts}")
        info = self.switch.command("show port info 0")
        expect('"record_full": 0' in json.dumps(facts), f"JSON: {facts}")
        expect(re.search(rf"Recorded in: {recording}, \d+ bytes, records lost: 0", info), info)
        expect(f"record={recording}" in self.switch.command("show config"), "show config")
        self.end()
        mode = stat.S_IMODE(os.stat(recording).st_mode)
        expect(mode == 0o600, f"mode {mode:o}")
        status, out = run("vqsctl", "decode", recording)
        expect(status == 0, f"decode: {status}: {out}")
        for text in ("-> GET_FEATURES", "<- GET_FEATURES 0x", "SET_MEM_TABLE regions=1",
                     "fd=memory,0x100000", "SET_VRING_KICK ring=1 fd=eventfd",
                     "refused (22): feature bits that were not offered", "disconnected: ", "end: "):
            expect(text in out, f"decode: no '{text}' in {out}")
        path = self.port()
        status, out = run("vqreplay", recording, path)
        expect(status == 0, f"vqreplay: {status}: {out}")
        self.end()

    @check("replay.refused")
    def refused(self):
        """A port whose file cannot be made is not made; --check makes none."""
        self.port()
        precious = self.workdir / "precious"
        precious.write_text("text", "ascii")
        link = self.workdir / "link"
        link.symlink_to(precious)
        for file, reason in ((precious, "no recording"), (link, "symbolic link"),
                             ("relative", "expected the absolute path"),
                             (self.workdir / "none" / "x", "No such file")):
            out = self.switch.command(f"port attach net_vhost7,iface={self.path('x')},record={file}")
            expect(reason in out, f"{file}: {out}")
        out = self.switch.command(f"port attach net_vhost7,iface={self.path('x')},record-max=5")
        expect("record-max=5 needs record=FILE" in out, out)
        expect(precious.read_text("ascii") == "text", "a file that is no recording was changed")
        self.end()


class Recordings(Scenario):
    """Makes the files of test/recordings."""

    on_demand = True
    seconds = 100

    def keep(self, name, session, *others):
        """Record what session(path) says to a port; others: paths of further ports."""
        file, path = self.workdir / f"{name}.rec", self.path("port")
        self.backend([Port(path, record=file, **SHIPPED[name]),
                      *[Port(other, **SHIPPED[name]) for other in others]])
        session(path)
        self.switch.quit()
        self.disown(self.switch)
        RECORDINGS.mkdir(exist_ok=True)
        shutil.copyfile(file, RECORDINGS / f"{name}.rec")
        return f"{file.stat().st_size} bytes"

    def gone(self, peer):
        """The peer has left, and the switch knows."""
        self.disown(peer)
        wait_for("the end of the session", lambda: not self.switch.link_up(0), 60)

    @check("recordings.harness")
    def harness(self):
        """The tests' own front-end, with a message that is refused."""
        return self.keep("harness", own_session)

    @check("recordings.postcopy")
    def postcopy(self):
        """The tests' own front-end, after a migration whose memory comes later."""
        return self.keep("postcopy", arriving_session)

    @check("recordings.{}", ("virtio-user", "virtio-user-packed"))
    def virtio_user(self, name):
        """dpdk-testpmd as the driver."""
        options = VirtioUser.PATHS["packed_mergeable" if "packed" in name else "mergeable"]

        def session(path):
            peer = self.own(VirtioUser("user", self.workdir, path, options, MAC)).start()
            self.switch.wait_link(0)
            peer.quit()
            self.gone(peer)
        return self.keep(name, session)

    @check("recordings.{}", ("qemu", "qemu-mq", "qemu-10"))
    def qemu(self, name):
        """QEMU and its guest."""
        queues = SHIPPED[name].get("queues", 1)
        software = Software("10", "trixie") if name == "qemu-10" else Software()

        def session(path):
            nic = Nic(MAC, path, queues, options={"disable-legacy": "on"})
            guest = self.own(Guest("guest", self.workdir, [nic], software=software)).start()
            self.switch.wait_link(0)
            self.gone(guest)
        return self.keep(name, session)

    @check("recordings.qemu-postcopy")
    def qemu_postcopy(self):
        """QEMU as the target of a migration; its source is at another port."""
        at_source = self.path("source")

        def session(path):
            nics = [Nic(MAC, where, options={"disable-legacy": "on"}) for where in (at_source, path)]
            source = self.own(Guest("source", self.workdir, nics[:1])).start()
            source.wait_ready()
            target = post_copy_begin(self, source, nics[1])
            source.qmp("migrate-set-parameters", max_postcopy_bandwidth=FAST["max_bandwidth"])
            wait_for("the rest of the memory", lambda: post_copied(source), 180,
                     alive=[source, target])
            self.disown(source)
            wait_for("the end of post-copy", lambda: "post-copy:" not in self.switch.command(
                "show port 0 negotiation"), 60)
            self.gone(target)
        return self.keep("qemu-postcopy", session, at_source)
