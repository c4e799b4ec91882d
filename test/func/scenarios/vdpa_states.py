# SPDX-License-Identifier: BSD-3-Clause
"""A VM whose frames hardware moves: port states, what its front-end changes, ports that are closed."""

import os
import struct
import threading
import time

from harness import frontend as vhu
from harness.control import Control
from harness.frontend import AREA, BUFFER, RING, UVA, Frontend
from harness.mlx5sim import FIRST, SECOND, Cards, SwitchWithCards
from harness.peers import Port
from harness.process import Failure, wait_for

from .base import Scenario, check
from .states import STILL, expect
from .vdpa import datapath

BUFFERS = RING // 2  # frames that wait for the device at any moment
WRITE = 2            # a descriptor the device writes to
DRIVER, DEVICE = 0x1000, 0x2000  # areas of a ring
RECEIVED, ROOM = 0x90000, 256    # where received frames go
NET_SET_MTU, MTU, NET_MTU = 20, 1 << 3, 1 << 4  # message, feature, protocol feature
TURNS = 25


class Busy(Frontend):
    """A guest that always has frames to send, and buffers for those that come back."""

    gpa = 1 << 20  # no ring at address 0, which the mlx5 driver takes for none

    def __init__(self, path):
        super().__init__(path)
        self.old = []
        for slot in range(RING):
            self.write(16 * slot, struct.pack("<QIHH", self.gpa + RECEIVED + ROOM * slot, ROOM,
                                              WRITE, 0))
            self.write(AREA + 16 * slot, struct.pack("<QIHH", self.gpa + BUFFER, 76, 0, 0))
            for queue in (0, 1):
                self.write(queue * AREA + DRIVER + 4 + 2 * slot, struct.pack("<H", slot))
        self.negotiate(vhu.VERSION_1 | vhu.PROTOCOL_FEATURES | MTU, vhu.REPLY_ACK | NET_MTU)
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self._offer)
        self.thread.start()

    def used(self):
        """Indices to which both rings were used."""
        return tuple(struct.unpack("<H", os.pread(self.memory, 2, queue * AREA + DEVICE + 2))[0]
                     for queue in (0, 1))

    def _offer(self):
        while not self.ends.wait(0.001):
            for queue, used in enumerate(self.used()):
                self.write(queue * AREA + DRIVER + 2, struct.pack("<H", (used + BUFFERS) % (1 << 16)))
            self.kick()

    def kick(self):
        """Notify the device of both queues, not ourselves."""
        for fd in self.kicks[::2]:
            os.eventfd_write(fd, 1)

    def change_fd(self, request, queue):
        """Another eventfd for a ring; the last one of that kind is closed later."""
        fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.send(request, struct.pack("=Q", queue), [fd])
        if request != vhu.SET_VRING_ERR:
            at = 2 * queue + (request == vhu.SET_VRING_CALL)
            self.kicks[at], fd = fd, self.kicks[at]
        self.old.append(fd)

    def change_memory(self, *sizes):
        """A memory table of regions of these sizes, one behind another."""
        table, at = struct.pack("=II", len(sizes), 0), 0
        for size in sizes:
            table += struct.pack("=QQQQ", self.gpa + at, size, UVA + at, at)
            at += size
        self.send(vhu.SET_MEM_TABLE, table, [self.memory] * len(sizes))

    def changes(self):
        """(name, function) of each thing a front-end may change while it runs."""
        for queue in (0, 1):
            for name in ("CALL", "KICK", "ERR"):
                yield f"{name} of {queue}", lambda n=name, q=queue: self.change_fd(
                    getattr(vhu, f"SET_VRING_{n}"), q)
            yield f"disabled {queue}", lambda q=queue: [
                self.send(vhu.SET_VRING_ENABLE, struct.pack("=II", q, on)) for on in (0, 1)]
        yield "the same memory", lambda: self.change_memory(self.size)
        yield "two regions", lambda: self.change_memory(self.size // 2, self.size // 2)
        yield "one region", lambda: self.change_memory(self.size)
        yield "MTU", lambda: self.send(NET_SET_MTU, struct.pack("=Q", 1400))

    def contents(self):
        """All that the device may write."""
        return os.pread(self.memory, self.size, RECEIVED) + b"".join(
            os.pread(self.memory, AREA - DEVICE, queue * AREA + DEVICE) for queue in (0, 1))

    def close(self):
        """End it."""
        self.ends.set()
        self.thread.join()
        super().close()
        for fd in self.old:
            os.close(fd)


class Group(Scenario):
    """Two ports of one VM, each with a device; what they send comes back."""

    cpus, seconds = 0.3, 8
    DEVICES = ("sim0", "sim1")

    def setup(self):
        self.sockets = [self.path("a"), self.path("b")]
        self.start([Port(path, vdpa=device, vm="web", mtu=1500)
                    for path, device in zip(self.sockets, self.DEVICES)])

    def start(self, ports):
        """The switch."""
        self.backend(ports)
        for device in self.DEVICES:
            self.switch.command(f"set vdpa {device} wire back")

    def in_hardware(self, guests):
        """Both ports are, and frames go round."""
        for port, device in enumerate(self.DEVICES):
            wait_for(device, lambda p=port, d=device: datapath(self.switch, p).startswith(d), 60,
                     alive=[self.switch])
        self.go_on(guests)

    def go_on(self, guests):
        """Both rings of both are used."""
        for guest in guests:
            before = guest.used()
            wait_for("frames both ways", lambda g=guest, b=before: all(
                now != then for now, then in zip(g.used(), b)), 60, alive=[self.switch])

    def stand_still(self, guests):
        """Nothing is written from now on: the command has returned."""
        before = [guest.contents() for guest in guests]
        time.sleep(STILL)
        if [guest.contents() for guest in guests] != before:
            raise Failure("a ring that has stopped was written to")
        if "moves the frames" in (told := self.switch.command("show vdpa")):
            raise Failure(told)

    def drive(self, guests):
        """From hardware to each state in which frames stand still, and back to hardware."""
        for command, state, back in (("quiesce vm=web", "running-p2p", "resume vm=web"),
                                     ("state vm=web stop", "stop", "state vm=web running"),
                                     ("quiesce 0,1", "running-p2p", "resume all")):
            expect(self.switch.command(f"port {command}"),
                   *(f"Port {port}: {state}\n" for port in (0, 1)))
            self.stand_still(guests)
            for port in (0, 1):  # the operator's other word is not heard while it stands still
                self.switch.command(f"port {port} offload")
            self.stand_still(guests)
            expect(self.switch.command(f"port {back}"),
                   *(f"Port {port}: running\n" for port in (0, 1)))
            self.in_hardware(guests)

    def with_guests(self, does):
        """Guests of all ports in hardware."""
        guests = [Busy(path) for path in self.sockets]
        try:
            self.in_hardware(guests)
            does(guests)
        finally:
            for guest in guests:
                guest.close()

    def change(self, guests):
        """Each change, while hardware has the rings."""
        for name, does in guests[0].changes():
            try:
                does()
                guests[0].ask(vhu.GET_FEATURES)
                self.in_hardware(guests)
            except (Failure, OSError) as e:
                raise Failure(f"{name}: {e}: {self.switch.log()[-1000:]}") from e

    def hurry(self, guests):
        """Two clients give and take the same port without waiting for each other."""
        def loop(order, failed):
            client = Control(self.workdir / "state" / "control")
            try:
                for word in order:
                    client.ask(f"port 0 {word}")
            except (Failure, OSError) as e:
                failed.append(e)
            finally:
                client.close()

        failed = []
        clients = [threading.Thread(target=loop, args=(order, failed)) for order in (
            TURNS * ["offload", "reclaim"], TURNS * ["reclaim", "offload", "offload"])]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        if failed:
            raise Failure(failed[0])
        self.switch.command("port 0 offload")
        self.in_hardware(guests)

    def close_port(self, guests):
        """Port 0 is detached while it prepares, runs and releases; the next one has the device."""
        argument = self.switch.ports[0].vdev(0)
        for orders in (["offload"], ["reclaim"], ["reclaim", "offload"], ["offload", "reclaim"]):
            for order in orders:
                self.switch.command(f"port 0 {order}")
            self.switch.command("port detach 0")
            guests[0].close()
            self.switch.command(f"port attach {argument}")
            guests[0] = Busy(self.sockets[0])
            self.in_hardware(guests)

    @check("vdpa.group")
    def group(self):
        """Simulated devices hold no copy in flight when the command returns."""
        self.with_guests(self.drive)

    @check("vdpa.changes")
    def changes(self):
        """Eventfds, memory, MTU and enabled rings change while hardware has them; frames go on."""
        self.with_guests(self.change)

    @check("vdpa.two-clients")
    def two_clients(self):
        """One offloads while another one reclaims, and the other way round; frames go on."""
        self.with_guests(self.hurry)

    @check("vdpa.closed")
    def closed(self):
        """A port that is closed in a hand-over leaves its device to the next one."""
        self.with_guests(self.close_port)


class GroupOnCards(Group):
    """The same with DPDK's mlx5 driver, on simulated cards."""

    DEVICES = (FIRST, SECOND)

    def start(self, ports):
        self.cards = Cards(self.workdir)
        self.switch = self.own(SwitchWithCards("switch", self.workdir, ports, cards=self.cards,
                                               probe=self.DEVICES)).start()
        self.cards.order(self.switch, *(f"{device} wire back" for device in self.DEVICES))

    @check("mlx5.group")
    def group_on_cards(self):
        """A card's driver has answered that it stopped when the command returns."""
        self.with_guests(self.drive)

    @check("mlx5.changes")
    def changes_on_cards(self):
        """The same; its driver cannot set the MTU, says so in the log and does the rest."""
        self.with_guests(self.change)
        if "MTU cannot be set" not in self.switch.log():
            raise Failure("nothing is said of the MTU")

    @check("mlx5.two-clients")
    def two_clients_on_cards(self):
        """The same."""
        self.with_guests(self.hurry)

    @check("mlx5.closed")
    def closed_on_cards(self):
        """The same."""
        self.with_guests(self.close_port)
