# SPDX-License-Identifier: BSD-3-Clause
"""Port states, and what the switch says of a port that passes no traffic."""

import re
import struct
import threading
import time

from harness import frontend as vhu
from harness import peers

from harness.frontend import Frontend

from harness.peers import Port, VirtioUser
from harness.process import Failure, wait_for

from .base import Scenario, check

MAC = "00:01:02:03:04:07"
STILL = 0.2  # seconds in which thousands of frames would have passed


def expect(out, *texts):
    """Every one of these was said."""
    for text in texts:
        if text not in out:
            raise Failure(f"expected {text!r} in {out!r}")


class States(Scenario):
    """Port 0 is spoken to by hand, frames circulate at port 1; both are of one VM."""

    cpus, seconds = 0.3, 10

    def setup(self):
        self.hand, self.busy = self.path("hand"), self.path("busy")
        self.switch = self.own(peers.backend("switch", self.workdir, [
            Port(path, vm="web") for path in (self.hand, self.busy)]))
        self.switch.argv.append("--port-topology=loop")  # each port gets its own frames back
        self.switch.start()
        for command in ("stop", "set fwd macswap", "start"):
            self.switch.command(command)
        self.peer = self.own(VirtioUser("busy", self.workdir, self.busy,
                                        VirtioUser.PATHS["mergeable"], MAC)).start()
        self.switch.wait_link(1)
        for command in ("set fwd mac", "start tx_first 8"):
            self.peer.command(command)

    def said(self, *texts, port=0):
        """The answer of "why" about a port."""
        expect(self.switch.command(f"why port {port}"), *texts)

    def connected(self):
        """A front-end at port 0 that has got as far as its connection."""
        front = Frontend(self.hand)
        front.ask(vhu.GET_FEATURES)
        return front

    @check("states.why")
    def why(self):
        """From no peer at all to frames that pass, one reason after another."""
        self.said("Port 0 (net_vhost0): no front-end is connected to", str(self.hand))
        front = self.connected()
        self.said("has not set up a queue yet")
        front.send(vhu.SET_VRING_ENABLE, struct.pack("=II", 0, 1))
        front.ask(vhu.GET_FEATURES)
        self.said("no features were acked")
        front.negotiate()
        self.switch.wait_link(0)
        self.said("nothing keeps it from passing traffic")
        self.said("Port 1 (net_vhost1): nothing", port="all")
        front.send(vhu.SET_VRING_ENABLE, struct.pack("=II", 0, 0))
        front.ask(vhu.GET_FEATURES)
        self.said("queue 0 is disabled by the front-end")
        for command, reason, undo in (
                ("port stop 0", "the port is stopped", "port start 0"),
                ("set portlist 1", "not among those that forward", "set portlist 0,1"),
                ("port quiesce 0", "quiesced by the operator", "port resume 0"),
                ("port state 0 stop", "stopped by the operator", "port state 0 running")):
            self.switch.command(command)
            self.said(reason)
            self.switch.command(undo)
        self.switch.command("stop")
        self.said("forwarding is stopped", port=1)
        self.switch.command("start")
        front.close()
        self.said("the last connection ended")
        expect(self.switch.command("why port 9"), "Invalid port 9")

    @check("states.why-format")
    def why_format(self):
        """A guest the port's policy does not allow: told to it, logged and explained."""
        self.switch.command("set port 0 format modern-only")
        front = self.connected()
        front.negotiate(features=vhu.PROTOCOL_FEATURES)
        reason = "the port's policy does not allow a little-endian legacy guest"
        self.said("queue 0: " + reason)
        expect(self.switch.log(), "cannot start: " + reason)
        self.switch.command("set port 0 format auto")
        self.switch.wait_link(0)
        front.close()

    @check("states.quiesce")
    def quiesce(self):
        """All ports of the VM stand still when the command returns, and go on where they stood."""
        for command, state, other in (("quiesce vm=web", "running-p2p", "running"),
                                      ("state 0,1 stop", "stop", "running-p2p")):
            before = self.peer.packets()
            wait_for("frames", lambda b=before: self.peer.packets() > b, alive=[self.peer])
            expect(self.switch.command(f"port {command}"), f"Port 1: {state}\n")
            still = self.switch.xstats(1)
            time.sleep(STILL)
            if self.switch.xstats(1) != still:
                raise Failure("a quiesced port counts frames")
            expect(self.switch.command("port state all"), f"Port 1: {state}\n")
            expect(self.switch.command(f"port state 1 {other}"), f"Port 1: {other}\n")
            expect(self.switch.command("port resume 0,1"), "Port 1: running\n")
        before = self.peer.packets()
        wait_for("frames", lambda: self.peer.packets() > before, alive=[self.peer])

    @check("states.wait")
    def wait(self):
        """A command goes on until the guest at port 0 runs, and until the VM stands still."""
        front = self.connected()
        starts = threading.Timer(STILL, front.negotiate)
        starts.start()
        expect(self.switch.command("wait state vm=web running"),
               "Port 0: running\nPort 1: running\n")
        starts.join()
        leaves = threading.Timer(STILL, front.close)
        leaves.start()
        expect(self.switch.command("wait state 0 stop"), "Port 0: stop\n")
        leaves.join()

    @check("states.refused")
    def refused(self):
        """Refusals: another kind of port, no port, a state no port can be driven to."""
        for command, answer in (
                ("port quiesce 7", "Port 7 has no states"),
                ("port quiesce vm=nosuch", "'vm=nosuch' names no port with states"),
                ("port quiesce 1,", "names no port with states"),
                ("port state 1 pre-copy", "Refused, no state has changed"),
                ("port state 1 nosuch", "Bad arguments")):
            expect(self.switch.command(command), answer)
        expect(self.switch.command("port state 1"), "Port 1: running\n")

    @check("states.negotiation")
    def negotiation(self):
        """The agreement with a real front-end, and what became of the rest."""
        out = self.switch.command("show port 1 negotiation")
        expect(out, "Port 1 (net_vhost1): nothing", f"socket {self.busy} (server), connected",
               "state running, the operator wants running", "DRIVER_OK",
               "format policy any, format bit acked: none",
               "queue 0 (the guest receives): running, enabled, size 256",
               "format modern: VIRTIO_F_VERSION_1 was acked", "SET_VRING_KICK")
        for bit, fate in (("VIRTIO_F_VERSION_1", "in effect"),
                          ("VIRTIO_F_RING_PACKED", "offered, dropped by the front-end or the guest"),
                          ("VIRTIO_NET_F_CTRL_VQ", "not offered: the front-end's own"),
                          ("CROSS_ENDIAN", "offered, dropped by the front-end")):
            if not re.search(rf" {bit} +{re.escape(fate)}", out):
                raise Failure(f"{bit} is not {fate!r}: {out}")
