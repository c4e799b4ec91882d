# SPDX-License-Identifier: BSD-3-Clause
"""Frames moved by DPDK's own mlx5 driver on a simulated ConnectX-6 Dx, and back."""

from harness.mlx5sim import FIRST, SECOND, Cards, SwitchWithCards
from harness.peers import Port
from harness.process import wait_for

from .base import check
from .vdpa import MOVES, InCircles, datapath


class OnCard(InCircles):
    """One guest whose frames return to it: through the port, or on the card's wire."""

    seconds = 60
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
