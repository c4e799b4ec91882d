# SPDX-License-Identifier: BSD-3-Clause
"""Frames moved by DPDK's own mlx5 driver on a simulated ConnectX-6 Dx, and back."""

import re

from harness.guest import Guest, Nic
from harness.mlx5sim import FIRST, SECOND, Cards, SwitchWithCards
from harness.peers import Port, VirtioUser
from harness.process import Failure, wait_for

from .base import PING_SIZES, Link, Scenario, check, transfer_finish, transfer_start
from .pair import LEGACY, MODERN
from .vdpa import BURSTS, FRAMES, MACS, MOVES, InCircles, datapath, rebind

# calls and commands at the start of a device, and how many of them are made to fail in turn
CALLS = {"reg_mr": 1, "mkey": 1, "umem": 2, "cq": 2, "subscribe": 2, "qp": 2, "rst2init": 2,
         "init2rtr": 2, "rtr2rts": 2, "counters": 1, "virtq": 2, "modify_virtq": 2, "rqt": 1,
         "matcher": 1, "tir": 1, "action": 1, "rule": 1}


class OnCard(InCircles):
    """One guest whose frames return to it: through the port, or on the card's wire."""

    seconds = 120
    device = FIRST

    def setup(self):
        self.cards = Cards(self.workdir)
        super().setup()

    def start(self):
        self.switch = self.own(SwitchWithCards(
            "switch", self.workdir, [Port(self.socket, client=1, vdpa=FIRST)],
            cards=self.cards, probe=(FIRST, SECOND))).start()
        for command in ("stop", "set topology loop", "set fwd io", "start"):
            self.switch.command(command)
        self.order("wire back")

    def peer(self, path):
        """Hardware is offered to it: a guest that negotiates more than that cannot go there."""
        self.switch.command("port 0 offload")
        return super().peer(path)

    def order(self, *orders):
        """To the first card."""
        self.cards.order(self.switch, *(f"{FIRST} {order}" for order in orders))

    def moved(self, who):
        """Wait until that moves the frames; a device begins when its session is prepared."""
        wait_for(who, lambda: datapath(self.switch).startswith(who), 30, alive=[self.switch])

    def move(self, command):
        """Offload or reclaim."""
        self.switch.command(f"port 0 {command}")
        self.moved(FIRST if command == "offload" else "software")

    @check("mlx5.moves")
    def card_moves(self):
        """There and back under traffic: no frame more, no frame less."""
        peer = self.peer("mergeable")
        self.circulate(peer)
        for _ in range(MOVES):
            self.move("offload")
            self.moves_on(peer)
            self.move("reclaim")
        self.moves_on(peer)
        self.count(peer)
        self.disown(peer)

    @check("mlx5.refused.{}", CALLS)
    def refused(self, call):
        """A command or call fails at the start: software goes on, and the next attempt succeeds.

        After a failed start any message would have DPDK start the device anew, without queues.
        """
        peer = self.peer("mergeable")
        self.circulate(peer)
        self.move("reclaim")
        if call == "counters":  # they are made once, and stay as long as the card
            self.detach()
            self.attach()
        for before in range(CALLS[call]):
            self.order(f"fail {call} {before} 1")
            self.switch.command("port 0 offload")
            wait_for(f"software after {call}", lambda: " serve " in datapath(self.switch), 30,
                     alive=[peer, self.switch])
            self.moves_on(peer)
            self.order(f"fail {call} 0 0")
            self.move("offload")
            self.moves_on(peer)
            self.move("reclaim")
        self.count(peer)
        self.disown(peer)

    @check("mlx5.gone")
    def gone(self):
        """The card is gone while it has the rings: the driver's answer is 0, the rings are not."""
        peer = self.peer("mergeable")
        self.circulate(peer)
        for _ in range(5):
            self.move("offload")
            self.moves_on(peer)
            self.order("gone on")
            self.move("reclaim")
            self.moves_on(peer)
            self.order("gone off")
        self.count(peer)
        self.disown(peer)

    @check("mlx5.fetched")
    def fetched(self):
        """The card tells positions that it has fetched to, beyond those that it has used."""
        peer = self.peer("mergeable")
        self.circulate(peer)
        self.order("fetched on")
        for _ in range(MOVES // 4):
            self.move("offload")
            self.moves_on(peer)
            self.move("reclaim")
        self.moves_on(peer)
        self.order("fetched off")
        self.count(peer)
        self.disown(peer)

    @check("mlx5.error.queue{}", (0, 1))
    def error(self, queue):
        """A queue fails three times: the driver makes it again. Once more, and it gives it up."""
        peer = self.peer("mergeable")
        self.circulate(peer)
        self.move("offload")
        for _ in range(3):
            self.order(f"error {queue}")
            self.moves_on(peer)
            if not datapath(self.switch).startswith(FIRST):
                raise Failure(f"not in hardware any more: {datapath(self.switch)}")
        for _ in range(2):  # a machine may be so slow that the first is long past
            self.order(f"error {queue}")
        wait_for("software after errors", lambda: "ceased to serve" in datapath(self.switch), 30,
                 alive=[peer, self.switch])
        self.moves_on(peer)
        self.move("offload")
        self.moves_on(peer)
        self.move("reclaim")
        self.count(peer)
        self.disown(peer)

    @check("mlx5.killed.{}", ("offload", "reclaim"))
    def killed_card(self, command):
        """kill -9 while either moves the frames: the next start takes over from the rings."""
        peer = self.peer("mergeable")
        self.circulate(peer)
        self.move(command)
        self.moves_on(peer)
        self.disown(self.switch)
        self.start()
        self.switch.wait_link(0)
        self.moves_on(peer)
        self.move("offload")
        self.moves_on(peer)
        self.move("reclaim")
        self.moves_on(peer)
        self.disown(peer)
        self.spoiled = True

    @check("mlx5.quit")
    def quit_on_card(self):
        """The program ends while the card has a guest's rings, after failures and another plugging.

        A sanitizer then looks for memory that the program or DPDK's driver has lost.
        """
        peer = self.peer("mergeable")
        self.circulate(peer)
        self.move("reclaim")
        self.order("fail virtq 1 1")
        self.switch.command("port 0 offload")
        wait_for("a failed start", lambda: " serve " in datapath(self.switch), 30,
                 alive=[peer, self.switch])
        self.order("fail virtq 0 0")
        self.move("offload")
        self.order("error 0")
        self.moves_on(peer)
        self.detach()
        self.attach()
        self.moved(FIRST)
        self.moves_on(peer)
        self.quits()

    @check("mlx5.plug")
    def plug(self):
        """The card goes and comes under traffic; its counters are there and say so."""
        peer = self.peer("mergeable")
        self.circulate(peer)
        self.move("offload")
        for _ in range(3):
            self.moves_on(peer)
            self.counts()
            self.detach()
            self.moved("software")
            self.moves_on(peer)
            self.attach()
            self.moved(FIRST)
        self.moves_on(peer)
        self.move("reclaim")
        self.count(peer)
        self.disown(peer)

    @check("mlx5.unplugged-in-moves")
    def unplugged_in_moves(self):
        """The card goes while its rings are on the way to it, or from it: no frame more or less."""
        peer = self.peer("mergeable")
        self.circulate(peer)
        self.move("reclaim")
        for state in ("", "prepares", "starts"):
            self.switch.command("port 0 offload")
            self.seen(state)
            self.detach()
            self.moved("software")
            self.moves_on(peer)
            self.switch.command("port 0 reclaim")  # until the wire leads back
            self.attach()
            self.move("offload")
            self.switch.command("port 0 reclaim")
            self.detach()
            self.moved("software")
            self.moves_on(peer)
            self.attach()
        self.count(peer)
        self.disown(peer)

    def seen(self, state):
        """Until the card is in that state, or in a later one: it may be past it between two looks."""
        states = ("prepares", "ready", "starts", "runs")
        later = states[states.index(state):] if state else ("",)
        wait_for(state, lambda: re.search(
            rf"^{FIRST} \(rte_vdpa\): .*({'|'.join(later)})", self.switch.command("show vdpa"), re.M),
            30, alive=[self.switch])

    def counts(self):
        """The card's counter grows; on a busy machine it may give the rings up and take them again."""
        seen = set()

        def grows():
            seen.update(self.counter())
            return len(seen) > 1

        wait_for("two numbers of descriptors", grows, 30, alive=[self.switch])

    def detach(self):
        """The card goes. On a busy machine librte_vhost may need longer than the command waits."""
        def gone():
            return "repeat the command" not in self.switch.command(f"vdpa detach {FIRST}")
        wait_for(f"{FIRST} to go", gone, 30, alive=[self.switch])

    def attach(self):
        """The card comes, and its wire leads back."""
        said = self.switch.command(f"vdpa attach {FIRST},class=vdpa")
        if said.strip():
            raise Failure(f"vdpa attach: {said}")
        self.order("wire back")

    def counter(self):
        """Descriptors of the sending ring that the card has completed; nothing while it starts."""
        return re.findall(r"queue 1: completed.desc\w* (\d+)", self.switch.command("show vdpa"))


class ThroughUplink(Scenario):
    """A guest whose frames the card moves, and one in software, which reaches it by the uplink.

    In place of a representor there is a port whose frames another function of the card sends to its
    wire, and the other way round: a testpmd is between the two. It has port 3 in that function.
    """

    seconds = 60
    UPLINK, INSIDE = 2, 3

    def setup(self):
        self.cards = Cards(self.workdir)
        self.sockets = [self.path(name) for name in ("a", "b", "uplink", "inside")]
        options = ({"vdpa": FIRST, "uplink": self.UPLINK}, {}, {},
                   {"vdpa": SECOND, "hw": "require"})
        self.switch = self.own(SwitchWithCards(
            "switch", self.workdir, [Port(path, **more) for path, more in
                                     zip(self.sockets, options)],
            cards=self.cards, probe=(FIRST, SECOND))).start()
        self.switch.command(f"set port {self.INSIDE} domain 9")
        self.represent()

    def represent(self):
        """The representor."""
        ends = [f"mac=02:00:00:00:00:1{port},path={self.sockets[port]},"
                f"{VirtioUser.PATHS['mergeable']}" for port in (self.UPLINK, self.INSIDE)]
        between = VirtioUser("between", self.workdir, self.sockets[self.UPLINK], "", "",
                             ["--forward-mode=io"])
        at = between.argv.index("--vdev")
        between.argv[at:at + 2] = [word for index, end in enumerate(ends)
                                   for word in ("--vdev", f"net_virtio_user{index},{end}")]
        self.own(between).start()
        between.command("start")
        for port in (self.UPLINK, self.INSIDE):
            self.switch.wait_link(port)
        self.moved(self.INSIDE, SECOND)

    def moved(self, port, who):
        """Wait until that moves the port's frames."""
        wait_for(f"{who} at port {port}", lambda: datapath(self.switch, port).startswith(who), 60,
                 alive=[self.switch])

    def exchange(self, here, there, times):
        """As many frames as there and back before, and then so many more."""
        here.command("stop")
        here.command(f"start tx_first {BURSTS}")
        total = (times * FRAMES, times * FRAMES)
        wait_for(f"{total[0]} frames there and back",
                 lambda: here.packets() == there.packets() == total, 60,
                 alive=[here, there, self.switch])

    @check("mlx5.uplink")
    def uplink(self):
        """Each frame arrives and comes back, wherever the first guest is."""
        here, there = (self.own(VirtioUser(
            name, self.workdir, self.sockets[i], VirtioUser.PATHS["mergeable"], MACS[i],
            [f"--eth-peer=0,{MACS[1 - i]}"])).start() for i, name in enumerate(("here", "there")))
        for port in (0, 1):
            self.switch.wait_link(port)
        there.command("set fwd macswap")
        there.command("start")
        here.command("set fwd rxonly")
        for times, (command, who) in enumerate(
                3 * (("offload", FIRST), ("reclaim", "software")), 1):
            self.switch.command(f"port 0 {command}")
            self.moved(0, who)
            self.exchange(here, there, times)
        for peer in (here, there):
            self.disown(peer)


class OnCards(Scenario):
    """QEMU guests whose rings move to functions of a card and back while files go both ways."""

    seconds = 75
    # page-per-vq: the guest rings the card's doorbell page itself
    KINDS = {"split": MODERN, "pages": MODERN | {"page-per-vq": "on"}, "legacy": LEGACY}
    ADDRESSES = tuple(f"0000:3b:00.{function}" for function in range(2, 8))

    def setup(self):
        self.cards = Cards(self.workdir, self.ADDRESSES)
        self.nics, ports = ({}, {}), []
        for index, (kind, options) in enumerate(self.KINDS.items()):
            for side in (0, 1):
                path = self.path(f"{'ab'[side]}{index}")
                self.nics[side][kind] = Nic(f"52:54:00:05:{side:02x}:{index:02x}", path,
                                            options=options)
                ports.append(Port(path, vdpa=self.ADDRESSES[len(ports)]))
        self.switch = self.own(SwitchWithCards("switch", self.workdir, ports, cards=self.cards,
                                               probe=self.ADDRESSES)).start()
        self.a, self.b = (
            self.own(Guest(name, self.workdir, list(self.nics[side].values()), cpus=2)).start()
            for side, name in enumerate("ab"))
        for guest in (self.a, self.b):
            guest.wait_ready()

    def link(self, kind):
        """The network cards of that kind; frames in hardware are in no account of the switch."""
        return Link(self, (self.a, self.nics[0][kind]), (self.b, self.nics[1][kind]),
                    accounts=False)

    def move(self, kind, command):
        """Both ports of a kind: they reach each other on the card or in the switch, not across."""
        first = 2 * list(self.KINDS).index(kind)
        for port in (first, first + 1):
            self.switch.command(f"port {port} {command}")
        for port in (first, first + 1):
            who = self.ADDRESSES[port] if command == "offload" else "software"
            wait_for(f"{who} at port {port}", lambda p=port, w=who: datapath(
                self.switch, p).startswith(w), 60, alive=[self.switch])

    def check_doorbells(self, wanted):
        """QEMU has mapped the card's doorbells for its guest, or has none left."""
        wait_for(f"doorbells: {wanted}", lambda: ("host-notifier" in self.a.qmp(
            "human-monitor-command", command_line="info mtree")) == wanted, 60, alive=[self.a])

    @check("mlx5.guests.{}", KINDS)
    def guests(self, kind):
        """A file each way while both ports move, then pings of every size in hardware."""
        with self.link(kind) as link:
            for receiver, sender, address in link.directions():
                transfer_start(sender, receiver, address)
                for _ in range(5):
                    self.move(kind, "reclaim")
                    self.move(kind, "offload")
                transfer_finish(sender, receiver)
            link.ping_sizes([size for size in PING_SIZES if size <= 1472])
            if kind == "pages":  # the others' device has none
                self.check_doorbells(True)
            self.move(kind, "reclaim")
            if kind == "pages":
                self.check_doorbells(False)
            link.ping_sizes([64])
            self.move(kind, "offload")

    @check("mlx5.guests-rebind")
    def rebound(self):
        """The driver leaves a device that the card serves and comes back."""
        self.move("split", "offload")
        rebind(self.b, self.nics[1]["split"])
        with self.link("split") as link:
            link.ping_sizes([64, 1400])

    @check("mlx5.guests-reboot")
    def reboot(self):
        """The guest begins anew while hardware has its rings."""
        self.b.reboot()
        with self.link("split") as link:
            link.ping_sizes([64, 1400])

    @check("mlx5.guests-killed")
    def killed(self):
        """QEMU is killed while hardware serves its guest: the card is free for the next one."""
        for kind in self.KINDS:
            self.move(kind, "offload")
        self.b.kill()
        for port in (1, 3, 5):
            wait_for(f"port {port} without a guest", lambda p=port: "no front-end" in
                     self.switch.command(f"why port {p}"), 30, alive=[self.switch])
            wait_for("a free card", lambda p=port: f"net_vhost{p}" not in
                     self.switch.command("show vdpa"), 30, alive=[self.switch])
        self.spoiled = True
