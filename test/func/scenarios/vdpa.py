# SPDX-License-Identifier: BSD-3-Clause
"""Frames that hardware moves: simulated devices take a guest's rings and give them back."""

from harness.frontend import Frontend
from harness.guest import Guest, Nic
from harness.peers import EthdevPort, Port, VirtioUser
from harness.process import Failure, wait_for

from . import pair
from .base import Link, Scenario, check, transfer_finish, transfer_start

MACS = ("02:00:00:00:00:01", "02:00:00:00:00:02")
BURSTS, BURST = 3, 32  # they fit a ring of 256 with room to spare
FRAMES = BURSTS * BURST
MOVES = 100
# the fault, and why the port is in software then; None: it is not
FAULTS = (("refuse", "refuses the ring"), ("halfway", "half-way"), ("stall", "stalled"),
          ("index", None), ("interrupt", None), ("vanish", "the device is gone"))


def datapath(switch, port=0):
    """The engine that moves the port's frames, and the reasons after it."""
    out = switch.command(f"why port {port}")
    return out[out.index("datapath: ") + len("datapath: "):]


def rebind(guest, nic):
    """The card's driver leaves it and comes back."""
    device = guest.sh(f"basename $(readlink /sys/class/net/{guest.nic_name(nic)}/device)")
    driver = "/sys/bus/virtio/drivers/virtio_net"
    guest.sh(f"echo {device} >{driver}/unbind && echo {device} >{driver}/bind")
    guest.names.clear()


class InCircles(Scenario):
    """One guest whose frames return to it: through the port, or on a wire that leads back."""

    seconds = 35

    def setup(self):
        self.socket = self.path("loop")
        self.start()

    def start(self):
        """The switch; port 0 is its own peer."""
        self.backend([Port(self.socket, client=1, vdpa="sim0", hw="never")])
        for command in ("stop", "set topology loop", "set fwd io", "set vdpa sim0 wire back",
                        "start"):
            self.switch.command(command)

    def peer(self, path):
        """A testpmd that reflects frames; it is the server, so the switch may be started again."""
        self.socket.unlink(missing_ok=True)  # of the peer before
        peer = self.own(VirtioUser(f"vu-{path}", self.workdir, self.socket,
                                   f"{VirtioUser.PATHS[path]},server=1", MACS[0])).start()
        self.switch.wait_link(0)
        return peer

    def circulate(self, peer):
        """A number of frames that stays the same goes round."""
        peer.command("set fwd io")
        peer.command(f"start tx_first {BURSTS}")
        self.moves_on(peer)

    def moves_on(self, peer):
        """Frames go round."""
        before = peer.packets()[0]
        wait_for("frames that go round", lambda: peer.packets()[0] > before + 10 * FRAMES, 30,
                 alive=[peer, self.switch])

    def count(self, peer):
        """How many there are: the peer keeps all that come in."""
        peer.command("stop")
        peer.command("set fwd rxonly")
        peer.command("clear port stats all")
        peer.command("start")
        wait_for(f"{FRAMES} frames", lambda: peer.packets()[0] >= FRAMES, 30,
                 alive=[peer, self.switch])
        peer.command("stop")
        if peer.packets()[0] != FRAMES:
            raise Failure(f"{FRAMES} frames have become {peer.packets()[0]}")

    @check("vdpa.moves.{}", ("mergeable", "inorder_mergeable", "packed_mergeable"))
    def moves(self, path):
        """There and back under traffic: no frame more, no frame less."""
        peer = self.peer(path)
        self.circulate(peer)
        for _ in range(MOVES):
            for command, who in (("offload", "sim0"), ("reclaim", "software")):
                self.switch.command(f"port 0 {command}")
                if not datapath(self.switch).startswith(who):
                    raise Failure(f"after {command}: {datapath(self.switch)}")
        self.moves_on(peer)
        self.count(peer)
        self.disown(peer)

    @check("vdpa.fault.{}", FAULTS)
    def fault(self, fault, why):
        """The port goes on in software, or in hardware when that can be; then it goes back."""
        peer = self.peer("mergeable")
        self.circulate(peer)
        self.switch.command("port 0 offload")
        self.moves_on(peer)
        self.switch.command(f"set vdpa sim0 fault {fault}")
        if fault in ("refuse", "halfway"):
            self.switch.command("port 0 reclaim")
            self.switch.command("port 0 offload")
        if why is not None:
            wait_for(f"software after {fault}", lambda: datapath(self.switch).startswith(
                "software"), 30, alive=[peer, self.switch])
            if why not in datapath(self.switch):
                raise Failure(f"{why!r} is not said: {datapath(self.switch)}")
        self.moves_on(peer)
        self.switch.command("port 0 reclaim")
        self.moves_on(peer)
        self.switch.command("set vdpa sim0 fault none")
        self.switch.command("port 0 offload")
        self.moves_on(peer)
        if not datapath(self.switch).startswith("sim0"):
            raise Failure(f"not in hardware again: {datapath(self.switch)}")
        self.switch.command("port 0 reclaim")
        self.disown(peer)

    def runs(self, who):
        """Fails when another moves the frames."""
        if not datapath(self.switch).startswith(who):
            raise Failure(f"not {who}: {datapath(self.switch)}")

    @check("vdpa.killed.{}", ("offload", "reclaim"))
    def killed(self, command):
        """kill -9 while either moves the frames: the next start takes over from the rings."""
        who = {"offload": "sim0", "reclaim": "software"}[command]
        peer = self.peer("mergeable")
        self.circulate(peer)
        self.switch.command(f"port 0 {command}")
        self.moves_on(peer)
        self.runs(who)
        self.disown(self.switch)
        self.start()
        self.switch.wait_link(0)
        self.moves_on(peer)
        self.runs(who)
        self.switch.command("port 0 offload")
        self.moves_on(peer)
        self.runs("sim0")
        self.disown(peer)
        self.spoiled = True

    def quits(self):
        """The switch ends in order while hardware has the rings; a sanitizer finds no leak then."""
        status = self.switch.quit()
        self.spoiled = True
        if status != 0:
            raise Failure(f"exit status {status}: {self.switch.log()[-2000:]}")

    @check("vdpa.quit")
    def quit(self):
        """The program ends while a device has a guest's rings."""
        peer = self.peer("mergeable")
        self.circulate(peer)
        self.switch.command("port 0 offload")
        self.moves_on(peer)
        self.runs("sim0")
        self.quits()

    @check("vdpa.needs-software")
    def needs_software(self):
        """Work that only workers do brings the frames back to them, and says so."""
        peer = self.peer("mergeable")
        self.circulate(peer)
        self.switch.command("port 0 offload")
        for command, why, undo in (
                ("set port 0 rate pps 100000000", "has limits", "set port 0 rate pps off"),
                ("stop", "forwarding is stopped", "start"),
                ("port quiesce 0", None, "port resume 0"),
                ("port stop 0", "the port is stopped", "port start 0")):
            self.switch.command(command)
            if why is not None:
                wait_for(why, lambda w=why: w in datapath(self.switch), 10)
            self.switch.command(undo)
            wait_for("hardware", lambda: datapath(self.switch).startswith("sim0"), 10)
            self.moves_on(peer)
        self.switch.command("port 0 reclaim")
        self.disown(peer)


class OnTheWire(Scenario):
    """Two guests: both in hardware on one wire, or one in software behind the wire's uplink."""

    seconds = 30

    def setup(self):
        self.sockets = [self.path("a"), self.path("b")]
        self.backend([Port(path, vdpa=f"sim{i}", uplink=2)
                      for i, path in enumerate(self.sockets)] + [EthdevPort("net_ring_w")])
        for device in ("sim0", "sim1"):
            self.switch.command(f"set vdpa {device} wire w2")

    @check("vdpa.wire.{}{}", (("offload", "offload"), ("offload", "reclaim"),
                              ("reclaim", "offload"), ("reclaim", "reclaim")))
    def wire(self, *commands):
        """Every frame arrives and comes back."""
        here, there = (self.own(VirtioUser(
            name, self.workdir, self.sockets[i], VirtioUser.PATHS["mergeable"], MACS[i],
            [f"--eth-peer=0,{MACS[1 - i]}"])).start() for i, name in enumerate(("here", "there")))
        for port, command in enumerate(commands):
            self.switch.wait_link(port)
            self.switch.command(f"port {port} {command}")
        there.command("set fwd macswap")
        there.command("start")
        here.command("set fwd rxonly")
        here.command(f"start tx_first {BURSTS}")
        wait_for(f"{FRAMES} frames there and back",
                 lambda: here.packets() == there.packets() == (FRAMES, FRAMES), 30,
                 alive=[here, there, self.switch])
        self.swap(here, there, commands)
        for peer in (here, there):
            self.disown(peer)

    @check("vdpa.uplink-needs-software")
    def uplink_needs_software(self):
        """Rules of the uplink are not passed by: its guests' frames go through it in software."""
        guest = self.own(VirtioUser("guest", self.workdir, self.sockets[0],
                                    VirtioUser.PATHS["mergeable"], MACS[0])).start()
        self.switch.wait_link(0)
        self.switch.command("port 0 offload")
        for command, why, undo in (
                ("set port 2 rate pps 1000000", "its uplink has limits", "rate pps off"),
                ("set port 2 storm pps 1000000", "its uplink has limits", "storm off"),
                ("set port 2 source-lock on", "its uplink has limits", "source-lock off"),
                ("set port 2 egress-rate pps 1000000", "its uplink has limits",
                 "egress-rate pps off"),
                ("set port 2 guard add 192.0.2.1", "its uplink has a guard", "guard off"),
                ("set port 2 acl in add drop ip", "its uplink has an acl", "acl in off"),
                ("set port 2 acl out add drop ip", "its uplink has an acl", "acl out off")):
            self.switch.command(command)
            wait_for(why, lambda w=why: w in datapath(self.switch), 10)
            self.switch.command(f"set port 2 {undo}")
            wait_for("hardware", lambda: datapath(self.switch).startswith("sim0"), 10)
        self.switch.command("mirror add 2 to 1")
        wait_for("software", lambda: "its uplink is mirrored" in datapath(self.switch), 10)
        self.switch.command("mirror del 2")
        wait_for("hardware", lambda: datapath(self.switch).startswith("sim0"), 10)
        self.switch.command("port 0 reclaim")
        self.disown(guest)

    @check("vdpa.uplink-goes")
    def uplink_goes(self):
        """The uplink of two guests in hardware stops, leaves and comes back: so do their rings."""
        here, there = guests = [Frontend(path) for path in self.sockets]
        for port, guest in enumerate(guests):
            guest.negotiate()
            self.switch.command(f"port {port} offload")
            self.wait_path(port, f"sim{port}, uplink port 2")
        for command, why, undo in (
                ("port stop 2", "its uplink is stopped", "port start 2"),
                ("set portlist 0,1", "its uplink is stopped or does not", "set portlist 0,1,2"),
                ("set port 2 domain 7", "its uplink is in another domain", "set port 2 domain 0"),
                ("port detach 2", "there is no port of its uplink's name",
                 "port attach net_ring_w2")):
            self.switch.command(command)
            for port in (0, 1):
                self.wait_path(port, "software", why)
            self.switch.command(undo)
            for port in (0, 1):
                self.wait_path(port, f"sim{port}, uplink port 2")
        self.switch.command(f"port attach net_vhost9,iface={self.path('c')},vdpa=sim9,uplink=1")
        behind = Frontend(self.path("c"))
        behind.negotiate()
        self.wait_path("net_vhost9", "software", "its uplink has vDPA devices itself")
        self.switch.command("port detach net_vhost9")
        for guest in (here, there, behind):
            guest.close()

    def wait_path(self, port, *words):
        """Until that is said of the way of its frames."""
        wait_for(f"{words} of port {port}", lambda: all(
            word in datapath(self.switch, port) for word in words), 30, alive=[self.switch])

    def swap(self, here, there, commands):
        """Both change hands: addresses are found where the guests are now."""
        for port, command in enumerate(commands):
            self.switch.command(f"port {port} {'reclaim' if command == 'offload' else 'offload'}")
        here.command("stop")
        here.command(f"start tx_first {BURSTS}")
        wait_for(f"{2 * FRAMES} frames there and back",
                 lambda: here.packets() == there.packets() == (2 * FRAMES, 2 * FRAMES), 30,
                 alive=[here, there, self.switch])


class UnderGuests(Scenario):
    """QEMU guests whose rings move to a simulated device and back while files go both ways."""

    seconds = 120
    KINDS = {"split": pair.MODERN, "packed": pair.MODERN | {"packed": "on"},
             "legacy": pair.LEGACY}

    def setup(self):
        nics, ports = ({}, {}), []
        for index, (kind, options) in enumerate(self.KINDS.items()):
            for side in (0, 1):
                path = self.path(f"{'ab'[side]}{index}")
                nics[side][kind] = Nic(f"52:54:00:03:{side:02x}:{index:02x}", path,
                                       options=options)
                ports.append(Port(path, vdpa=f"sim{len(ports)}", uplink="net_ring_w6", hw="never"))
        self.backend(ports + [EthdevPort("net_ring_w")])
        for port in range(len(ports)):
            self.switch.command(f"set vdpa sim{port} wire w6")
        self.nics = nics
        self.a, self.b = (
            self.own(Guest(name, self.workdir, list(nics[side].values()), cpus=2)).start()
            for side, name in enumerate("ab"))
        for guest in (self.a, self.b):
            guest.wait_ready()

    def link(self, kind):
        """The cards of that kind; frames in hardware are in no account of the switch."""
        return Link(self, (self.a, self.nics[0][kind]), (self.b, self.nics[1][kind]),
                    accounts=False)

    def ports(self, kind):
        """Numbers of the two ports."""
        first = 2 * list(self.KINDS).index(kind)
        return first, first + 1

    def move(self, kind, command):
        """Both ports of a kind."""
        for port in self.ports(kind):
            self.switch.command(f"port {port} {command}")
            who = datapath(self.switch, port)
            if who.startswith("sim") != (command == "offload"):
                raise Failure(f"port {port} after {command}: {who}")

    @check("vdpa.guests.{}", KINDS)
    def guests(self, kind):
        """A file each way while both ports move, then pings of every size in hardware."""
        with self.link(kind) as link:
            for receiver, sender, address in link.directions():
                transfer_start(sender, receiver, address)
                for _ in range(MOVES // 2):
                    self.move(kind, "offload")
                    self.move(kind, "reclaim")
                transfer_finish(sender, receiver)
            self.move(kind, "offload")
            link.ping_sizes()
            self.move(kind, "reclaim")

    @check("vdpa.guests-rebind")
    def rebind(self):
        """The driver leaves a device that hardware serves and comes back."""
        self.move("split", "offload")
        rebind(self.b, self.nics[1]["split"])
        with self.link("split") as link:
            link.exchange()
        self.move("split", "reclaim")

    @check("vdpa.guests-reboot")
    def reboot(self):
        """The guest begins anew while hardware has its rings, split and packed ones."""
        for kind in ("split", "packed"):
            self.move(kind, "offload")
        self.b.reboot()
        for kind in ("split", "packed"):
            with self.link(kind) as link:
                link.ping_sizes((64, 1400))
            self.move(kind, "reclaim")

    @check("vdpa.guests-killed")
    def killed(self):
        """QEMU is killed while hardware serves its guest: the port is free for the next one."""
        self.move("split", "offload")
        self.b.kill()
        wait_for("a free device", lambda: "runs, moves the frames of net_vhost1" not in
                 self.switch.command("show vdpa"), 10, alive=[self.switch])
        self.spoiled = True
