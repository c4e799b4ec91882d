# SPDX-License-Identifier: BSD-3-Clause
"""A device of the kernel's moves a guest's frames: in a virtual machine whose kernel has VDUSE."""

import pathlib
import re

from harness.hostguest import HostGuest
from harness.peers import Switch
from harness.process import Failure, wait_for

from .base import Scenario, check
from .vduse import HARNESS, GuestSwitch

NODE = "/dev/vhost-vdpa-0"
MOVES = 100
MOVES_S = 150  # an emulated machine has time for so many as this gives
LOOP = "-a --forward-mode=io --port-topology=loop"
LOAD = "/tmp/load"
FAULTS = ("duplicated", "reordered", "late", "corrupt", "stray", "bad_header")
MODULES = ("vduse", "vhost", "irqbypass", "vhost_vdpa")


class Load:
    """Guests of a switch that runs in a machine, vqgen: frames are numbered and filled, and each
    byte of those that come is looked at."""

    def __init__(self, switch, options, *sockets):
        self.switch = switch
        self.machine = machine = switch.guest
        vqgen = pathlib.Path(Switch.emulated).parents[1] / "test/perf/vqgen"
        program = (f"echo $$ >{LOAD}.pid && exec {vqgen} --mode verify --nap 200 --reconnect "
                   f"--frame 64,590,1514 --rate 2000 --burst 16 --timeout 120 --duration 36000 "
                   f"{options} {' '.join(sockets)}")
        machine.sh(f"rm -f {LOAD}*; touch {LOAD}")
        machine.background(f"sh -c '{program}' >{LOAD} 2>&1; echo $? >{LOAD}.status; "
                           f"mv {LOAD}.status {LOAD}.done")
        if machine.run(f"wait_for 120 grep -q 'frames come through' {LOAD}", 150)[0] != 0:
            raise self.failure(machine.sh(f"cat {LOAD}"))

    def failure(self, what):
        """It, and what the switch has to say."""
        port, log = self.switch.command("why port 0"), self.switch.log()
        return Failure(f"{what}: {port}: {log}")

    def move(self, times, seconds):
        """(times, longest ms without a frame) of moves of port 0 to the device and back."""
        status, told = self.machine.run(
            f"python3 {HARNESS / 'move_port.py'} {self.switch.run}/control {NODE} "
            f"$(cat {LOAD}.pid) {LOAD} {times} {seconds} 2>&1", seconds + 120)
        if status != 0:
            raise self.failure(told)
        return [int(word) for word in told.split()]

    def received(self):
        """Frames until now."""
        accounts = f"grep -c ^progress {LOAD}"
        told = self.machine.sh(
            f"n=$({accounts}); kill -USR1 $(cat {LOAD}.pid); "
            f'more() {{ [ "$({accounts})" -gt "$n" ]; }}; wait_for 60 more; tail -n 1 {LOAD}')
        return int(re.search(r"received=(\d+)", told)[1])

    def goes_on(self):
        """More frames come than can have been on their way."""
        before = self.received()
        try:
            wait_for("frames", lambda: self.received() > before + 200, 100, alive=[self.machine])
        except Failure as e:
            raise self.failure(e) from e

    def end(self, lost=True):
        """Its results: frames have come once and in their order, and none is lost if that counts."""
        self.machine.sh(f"kill -TERM $(cat {LOAD}.pid); wait_for 60 [ -f {LOAD}.done ]")
        told = self.machine.sh(f"tail -n 3 {LOAD}")
        seen = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", told)}
        if (self.machine.sh(f"cat {LOAD}.done") != "0" or any(seen[name] for name in FAULTS)
                or (lost and seen["lost"])):
            raise Failure(told)
        return seen

    def kill(self):
        """It is killed."""
        self.machine.sh(f"kill -KILL $(cat {LOAD}.pid); wait_for 60 [ -f {LOAD}.done ]")


class Machine(Scenario):
    """Parts the scenarios have in common."""

    def setup(self):
        self.machine = self.own(HostGuest("host", self.workdir))
        self.machine.start()
        self.machine.wait_ready()
        self.machine.load(*MODULES)

    def datapath(self, who, switch=None, seconds=60):
        """Wait until it moves the frames of port 0."""
        switch = switch or self.switch
        told = ""

        def there():
            nonlocal told
            told = switch.command("why port 0")
            return f"datapath: {who}" in told

        try:
            wait_for(who, there, seconds, alive=[self.machine], pause=0.2)
        except Failure as e:
            raise Failure(f"{e}: {told}: {switch.log()}") from e
        return told

    def move(self, command, who):
        """Port 0 goes there."""
        self.switch.command(f"port 0 {command}")
        self.datapath(who)


class VhostVdpaEngine(Machine):
    """A guest whose frames return to it: by workers, or by a device of the kernel's.

    The device is a VDUSE device of another switch, which returns its frames, too.
    """

    seconds = 240

    def setup(self):
        super().setup()
        self.card = GuestSwitch(self.machine, ["net_vhost0,iface=/dev/vduse/v0,attach=vhost"],
                                "card", LOOP)
        self.card.begin()
        self.machine.sh(f"wait_for 60 [ -c {NODE} ]")
        self.switch = GuestSwitch(self.machine, self.ports("never"), "vqs", LOOP)
        self.switch.begin()

    @staticmethod
    def ports(hw):
        """Of the switch with the guest."""
        return [f"net_vhost0,iface=/run/guest.sock,vdpa={NODE},hw={hw}"]

    def load(self, memory=""):
        """The guest."""
        return Load(self.switch, f"--pattern ring --window 64 {memory}", "/run/guest.sock")

    @check("vhost-vdpa.engine.moves")
    def moves(self):
        """There and back under traffic."""
        load = self.load()
        times, gap = load.move(MOVES, MOVES_S)
        return (f"{times} times, {load.end()['received']} frames, {gap} ms without one at the "
                "longest")

    @check("vhost-vdpa.engine.interrupts")
    def interrupts(self):
        """A guest that sleeps until each frame is back, while it moves: no interrupt is lost."""
        self.machine.sh("rm -f /tmp/sleepy*")
        self.machine.background(f"python3 {HARNESS / 'sleepy_guest.py'} /run/guest.sock /tmp/sleepy "
                                ">/tmp/sleepy.log 2>&1; touch /tmp/sleepy.done")
        self.machine.sh("wait_for 60 [ -f /tmp/sleepy.begun ]")
        for _ in range(10):
            self.move("offload", NODE)
            self.move("reclaim", "software")
        self.machine.sh("touch /tmp/sleepy; wait_for 60 [ -f /tmp/sleepy.done ]")
        told = self.machine.sh("cat /tmp/sleepy.log")
        if not told.isdecimal():
            raise Failure(f"{told}: {self.switch.log()}")
        return f"{told} frames"

    @check("vhost-vdpa.engine.needs-software")
    def needs_software(self):
        """Work that only workers do brings the frames back to them; nothing is lost."""
        load = self.load()
        self.move("offload", NODE)
        for command, why, undo in (
                ("set port 0 rate pps 100000000", "has limits", "set port 0 rate pps off"),
                ("port quiesce 0", "quiesced", "port resume 0"),
                ("port stop 0", "the port is stopped", "port start 0"),
                ("stop", "forwarding is stopped", "start")):
            self.switch.command(command)
            try:
                wait_for(why, lambda w=why: w in self.switch.command("why port 0"), 60,
                         alive=[self.machine])
            except Failure as e:
                raise Failure(f"{e} in {self.switch.command('why port 0')}") from e
            self.switch.command(undo)
            self.datapath(NODE)
            load.goes_on()
        self.move("reclaim", "software")
        load.end()

    @check("vhost-vdpa.engine.killed.{}", ("offload", "reclaim"))
    def killed(self, command):
        """kill -9 while either moves the frames: the next start takes over from the rings."""
        who, hw = {"offload": (NODE, "prefer"), "reclaim": ("software", "never")}[command]
        load = self.load()
        self.move(command, who)
        load.goes_on()
        self.switch.kill()
        self.switch.ports = self.ports(hw)
        self.switch.begin()
        self.datapath(who)
        load.goes_on()
        load.move(1, 60)
        load.end()

    @check("vhost-vdpa.engine.server-killed")
    def server_killed(self):
        """kill -9 of the device's server and a new one: its frames wait, or software has them."""
        load = self.load()
        self.move("offload", NODE)
        load.goes_on()
        self.card.kill()
        self.card.begin()
        load.goes_on()
        load.move(1, 60)
        load.end()

    @check("vhost-vdpa.engine.comes-and-goes")
    def comes_and_goes(self):
        """The device leaves the bus and comes back: software has the frames meanwhile."""
        load = self.load()
        self.move("offload", NODE)
        load.goes_on()
        self.machine.sh("vdpa dev del v0")
        self.datapath("software")
        load.goes_on()
        self.machine.sh(f"vdpa dev add name v0 mgmtdev vduse && wait_for 60 [ -c {NODE} ]")
        self.datapath(NODE)
        load.goes_on()
        self.move("reclaim", "software")
        load.end()

    @check("vhost-vdpa.engine.guests")
    def guests(self):
        """A guest that is killed while the device has its rings; the next one has huge pages."""
        self.machine.sh("echo 40 >/proc/sys/vm/nr_hugepages")
        first = self.load()
        self.move("offload", NODE)
        first.kill()
        load = self.load("--huge")
        self.datapath(NODE)
        load.goes_on()
        load.end()
        self.switch.command("port 0 reclaim")


class VhostVdpaUplink(Machine):
    """A guest in hardware and one in software talk through the uplink.

    The device is the switch's own: the kernel asks the process that waits for its answer.
    """

    cpus, seconds = 0.7, 70

    def setup(self):
        super().setup()
        self.switch = GuestSwitch(self.machine, [
            f"net_vhost0,iface=/run/a.sock,vdpa={NODE},hw=never,uplink=net_vhost2",
            "net_vhost1,iface=/run/b.sock", "net_vhost2,iface=/dev/vduse/v2,attach=vhost"])
        self.switch.begin()
        self.machine.sh(f"wait_for 60 [ -c {NODE} ]")

    @check("vhost-vdpa.uplink.from")
    def sends(self):
        """Frames from the guest that moves."""
        load = Load(self.switch, "--window 64", "/run/a.sock", "/run/b.sock")
        times, gap = load.move(MOVES // 4, MOVES_S // 4)
        return f"{times} times, {load.end()['received']} frames, {gap} ms without one at the longest"

    @check("vhost-vdpa.uplink.to")
    def receives(self):
        """Frames to it: those that come while its rings change hands are dropped, none twice."""
        load = Load(self.switch, "", "/run/b.sock", "/run/a.sock")
        times, gap = load.move(MOVES // 4, MOVES_S // 4)
        seen = load.end(lost=False)
        return (f"{times} times, {seen['received']} frames, {seen['lost']} lost, {gap} ms without "
                "one at the longest")


class VhostVdpaShadow(Machine):
    """Guests that the device cannot serve as they are: their port and the device's are joined.

    The device is a VDUSE device of another switch, which returns its frames.
    """

    seconds = 150
    FORMATS = {"legacy-be": "--layout be", "legacy-le": "--legacy", "modern": "--layout packed"}

    def setup(self):
        super().setup()
        self.card = GuestSwitch(self.machine, ["net_vhost0,iface=/dev/vduse/v0,attach=vhost,"
                                               "mtu=1500"], "card", LOOP)
        self.card.begin()
        self.machine.sh(f"wait_for 60 [ -c {NODE} ]")
        self.switch = GuestSwitch(self.machine, [
            "net_vhost0,iface=/run/guest.sock,shadow=net_vhost_vdpa0",
            f"net_vhost_vdpa0,path={NODE}", "net_vhost1,iface=/run/other.sock"])
        self.switch.begin()

    def load(self, form, window="--window 64"):
        """A guest of that format whose frames come back; lost ones stay in its window."""
        return Load(self.switch, f"--pattern ring {window} {self.FORMATS[form]}",
                    "/run/guest.sock")

    def said(self, *words):
        """Fails unless port 0 says all of them; what it says."""
        told = self.switch.command("why port 0")
        for word in words:
            if word not in told:
                raise Failure(f"{word!r} is not in {told}")
        return told

    @check("vhost-vdpa.shadow.{}", FORMATS)
    def shadow(self, form):
        """Frames go through the device and come back; format and cost of a frame are told."""
        load = self.load(form)
        for _ in range(5):
            load.goes_on()
        told = self.said(f"guest: {form}, device: modern", "nothing keeps it")
        costs = re.findall(r"(from|to) the guest: \d+ frames, ([\d.]+) cycles per frame", told)
        facts = self.switch.command("show port info 0 json")
        if len(costs) != 2 or f'"shadow_format": "{form}"' not in facts:
            raise Failure(f"{told}{facts}")
        seen = load.end()
        return f"{seen['received']} frames; cycles per frame " + ", ".join(
            f"{cycles} {way} the guest" for way, cycles in costs)

    @check("vhost-vdpa.shadow.comes-and-goes")
    def comes_and_goes(self):
        """The device leaves the bus, which the port says, and comes back."""
        load = self.load("legacy-be", window="")
        self.machine.sh("vdpa dev del v0")
        wait_for("a reason", lambda: "its device, port 1" in self.switch.command("why port 0"), 60,
                 alive=[self.machine])
        self.machine.sh(f"vdpa dev add name v0 mgmtdev vduse && wait_for 60 [ -c {NODE} ]")
        load.goes_on()
        load.end(lost=False)

    @check("vhost-vdpa.shadow.killed")
    def killed(self):
        """kill -9: the next start has the device anew and goes on with the guest's rings."""
        load = self.load("legacy-be", window="")
        load.goes_on()
        self.switch.kill()
        self.switch.begin()
        load.goes_on()
        load.end(lost=False)

    @check("vhost-vdpa.shadow.refused")
    def refused(self):
        """A second guest of the same device, and a port without a device: each says so."""
        self.switch.command("port attach net_vhost2,iface=/run/c.sock,shadow=1")
        load = Load(self.switch, "--blind", "/run/c.sock", "/run/other.sock")
        for argument, says in (("shadow=1", "is that of port 0's guest"),
                               ("shadow=2", "is the driver of no device"),
                               ("shadow=nothing", "is not there")):
            self.switch.command("port detach net_vhost2")
            self.switch.command(f"port attach net_vhost2,iface=/run/c.sock,{argument}")
            wait_for(says, lambda w=says: w in self.switch.command("why port net_vhost2"), 60,
                     alive=[self.machine])
        load.kill()
        self.switch.command("port detach net_vhost2")
