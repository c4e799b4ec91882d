# SPDX-License-Identifier: BSD-3-Clause
"""VDUSE: the switch runs inside a guest whose kernel has it, and that kernel is its peer."""

import json
import pathlib
import re
from collections import namedtuple

from harness.hostguest import HostGuest
from harness.peers import Switch, xstats_of
from harness.process import Failure, wait_for

from .base import FILE_MB, RECEIVED, Link, Scenario, check, transfer_finish, transfer_start

Card = namedtuple("Card", "name")
UPGRADES = 3
PATIENCE = 180  # seconds
WORKER = "-worker"  # in the name of the thread of the one that polls
NETDEVS = "/sys/bus/vdpa/devices/{}/virtio*/net"
HARNESS = pathlib.Path(__file__).parent.parent / "harness"
PING = HARNESS / "patient_ping.py"
HOLD = HARNESS / "hold_thread.py"
TESTPMD = ("tail -f /dev/null | nice -n 19 dpdk-testpmd --lcores 0@0,1@0 -m 64 --no-pci "
           "--no-telemetry --file-prefix=driver --single-file-segments --iova-mode=va "
           "--vdev=net_virtio_user0,path=/dev/vhost-vdpa-0,queues=1,mac=02:00:00:00:00:18 -- "
           "--forward-mode=icmpecho --total-num-mbufs=2048 -a")


class GuestSwitch:
    """vqswitch in a guest, driven through its control socket."""

    def __init__(self, guest, ports, name="vqs", options="-a"):
        self.guest = guest
        self.ports = ports  # of its command line
        self.name = name
        self.options = options
        self.starts = 0
        self.run = f"/run/{name}"
        self.tools = pathlib.Path(Switch.emulated).parent
        self.ctl = f"{self.tools}/vqsctl -s {self.run}/control"
        self.said = ""

    def begin(self):
        """Start it; it answers commands when this returns."""
        vdevs = " ".join(f"--vdev {port}" for port in self.ports)
        self.starts += 1
        # the same words each time: it keeps its settings for those
        program = (f"echo $$ >{self.run}/pid && cd / && exec {Switch.emulated} --lcores 0@0,1@1 "
                   f"--no-huge -m 128 --no-pci --no-telemetry --file-prefix={self.name} {vdevs} "
                   f"-- {self.options} --state-dir={self.run}")
        self.guest.background(f"mkdir -p {self.run} && sh -c '{program}' >>/tmp/{self.name}.log "
                              f"2>&1 </dev/null; touch {self.run}/ended.{self.starts}")
        wait_for("the switch", self.answers, 300, alive=[self.guest], pause=0.5)

    def answers(self):
        """Whether it answers a command; fails when it has ended."""
        if self.guest.run(f"[ -f {self.run}/ended.{self.starts} ]")[0] == 0:
            raise Failure(f"the switch has ended: {self.log()}")
        return self.guest.run(f"{self.ctl} show port info all")[0] == 0

    def command(self, text):
        """The answer to a command."""
        return self.guest.sh(f"{self.ctl} {text}")

    def all_xstats(self):
        """Extended statistics of all ports, by port."""
        return xstats_of(self.command("show port xstats all"))

    def pid(self):
        """Its process."""
        return self.guest.sh(f"cat {self.run}/pid")

    def upgraded(self):
        """Ask for an upgrade; False: its program was too slow, or is not gone yet."""
        status, self.said = self.guest.run(f"{self.ctl} upgrade")
        return status == 0 or not any(
            why in self.said for why in ("did not get ready: it does not answer", "is under way"))

    def upgrade(self):
        """Have a new process take over; milliseconds for which ports stood still.

        One that an emulated processor is too slow for, beside others, is given up and tried again.
        """
        wait_for("a successor", self.upgraded, PATIENCE, alive=[self.guest], pause=1)
        found = re.search(r"process (\d+) has taken over from process (\d+), "
                          r"ports stood still for ([\d.]+) ms", self.said)
        if not found or found[2] != self.pid():
            raise Failure(f"{self.said}: {self.log()}")
        self.starts += 1
        self.guest.sh(f"echo {found[1]} >{self.run}/pid")
        self.guest.background(f"while grep -q '^State:.[^Z]' /proc/{found[1]}/status; do "
                              f"sleep 0.1; done; touch {self.run}/ended.{self.starts}")
        return float(found[3])

    def upgrade_in_vain(self):
        """Have a process take over that leaves in the stop."""
        self.guest.sh(f"cd {HARNESS.parent} && python3 -m harness.successor {self.run}/control")
        if "it has ended; this process goes on" not in self.log():
            raise Failure(self.log())

    def kill(self):
        """Kill it."""
        self.guest.sh(f"kill -KILL {self.pid()}; "
                      f"wait_for 60 [ -f {self.run}/ended.{self.starts} ]")

    def log(self):
        """The end of its log."""
        return self.guest.run(f"tail -n 12 /tmp/{self.name}.log")[1]

    def check_accounts(self):
        """Frames between two ports in the guest's own kernel come and go while one looks."""


class TapLink(Link):
    """A namespace and the guest itself, which are addressed already."""

    def __init__(self, machine, space):  # pylint: disable=super-init-not-called
        self.ends = ((machine, None), (space, None))
        self.addresses = ("10.99.0.1", "10.99.0.2")
        self.accounts = False


class Vduse(Scenario):
    """Two devices, each a network interface in a namespace of the guest."""

    seconds = 400

    def setup(self):
        self.machine = self.own(HostGuest("host", self.workdir))
        self.machine.start()
        self.machine.wait_ready()
        self.machine.load("vduse", "virtio_vdpa")
        self.spaces = [self.machine.space(name) for name in ("n0", "n1")]
        self.cards = [Card("eth0"), Card("eth0")]
        self.switch = None
        self.layout = None

    def ports(self, **more):
        """Arguments of both ports; one asks for more queue pairs than its kernel has."""
        options = "".join(f",{key}={value}" for key, value in more.items())
        return [f"net_vhost{i},iface=/dev/vduse/v{i},mac=02:00:00:00:00:1{i},mtu=1500,netns=n{i},"
                f"ifname=eth0,queues={1 + 3 * i}{options}" for i in range(2)]

    def serve(self, layout="split", indices=True):
        """The switch with both devices, of that ring layout, attached."""
        if self.layout == (layout, indices):
            return
        ports = self.ports(**{"packed": int(layout == "packed"), "event-idx": int(indices)})
        if self.switch is None:
            self.switch = GuestSwitch(self.machine, ports)
            self.switch.begin()
        else:
            # without that the devices stay as they are; both commands return at once
            for i, port in enumerate(ports):
                self.switch.command(f"port detach net_vhost{i}")
                self.switch.command(f"port attach {port}")
            self.switch.ports = ports
        self.layout = (layout, indices)
        self.wait_cards()

    def wait_cards(self):
        """Until both interfaces are where they belong."""
        for space in self.spaces:
            try:
                wait_for(f"eth0 in {space.name}", lambda s=space: s.run("ip link show eth0")[0] == 0,
                         300, alive=[self.machine], pause=0.2)
            except Failure as e:
                raise Failure(f"{e}: {self.switch.log()}") from e
            # the kernel's own queue discipline drops what waits long for a switch that starts
            space.sh("tc qdisc replace dev eth0 root pfifo limit 1000")

    def link(self, **more):
        """Both ends addressed."""
        return Link(self, *zip(self.spaces, self.cards), **more)

    def traffic(self, layout):
        """Pings of all sizes and a file each way; the driver has the ring layout it was offered."""
        self.serve(layout)
        bits = self.spaces[0].sh("cat /sys/class/net/eth0/device/features")
        if (bits[34] == "1") != (layout == "packed"):
            raise Failure(f"features {bits}")
        with self.link() as link:
            link.exchange(FILE_MB)

    @check("vduse.split")
    def split(self):
        """Split rings."""
        self.traffic("split")

    def counts(self):
        """(interrupts, frames both ways) of both ports."""
        about = [json.loads(self.switch.command(f"show port net_vhost{i} negotiation json"))["vhost"]
                 for i in range(2)]
        stats = self.switch.command("show port stats all")
        return (sum(one["interrupts_left"] for one in about),
                sum(int(n) for n in re.findall(r"[RT]X-packets: (\d+)", stats)))

    @check("vduse.interrupts.{}", ("split", "packed"))
    def interrupts(self, layout):
        """Each is an ioctl: fewer than there are frames, with event indices and without."""
        rates = {}
        for indices in (True, False):
            self.serve(layout, indices)
            bits = self.spaces[0].sh("cat /sys/class/net/eth0/device/features")
            if (bits[29] == "1") != indices:
                raise Failure(f"features {bits}")
            before = self.counts()
            with self.link() as link:
                link.transfer_both()
            made, frames = (now - was for now, was in zip(self.counts(), before))
            if not 0 < made < frames:
                raise Failure(f"{made} interrupts for {frames} frames")
            rates[indices] = f"{made / frames:.2f} of {frames}"
        return (f"interrupts for each frame: with event indices {rates[True]}, "
                f"without {rates[False]}")

    @check("vduse.link")
    def link_state(self):
        """A port that is taken out has no carrier; the driver is told of both."""
        self.serve()
        with self.link() as link:
            link.ping_sizes((64,))
            for command, carrier in (("quiesce", "0"), ("resume", "1")):
                self.switch.command(f"port {command} 0")
                wait_for(f"carrier {carrier}",
                         lambda c=carrier: self.spaces[0].sh("cat /sys/class/net/eth0/carrier",
                                                             check=False) == c,
                         30, alive=[self.machine])
            link.ping_sizes((64,))

    def bind(self, how):
        """Bind v0's driver, or unbind it."""
        self.machine.sh("basename /sys/bus/vdpa/devices/v0/virtio* "
                        f">/sys/bus/virtio/drivers/virtio_net/{how}")

    def bind_again(self):
        """Unbind v0's driver and bind it; its interface is where it belongs afterwards."""
        self.bind("unbind")
        self.bind("bind")
        self.take_interface()

    def take_interface(self):
        """The interface of v0, which is new, becomes eth0 in its namespace."""
        self.machine.sh(f"n=$(basename {NETDEVS.format('v0')}/*) && "
                        "ip link set $n netns n0 name eth0")

    @check("vduse.config")
    def config(self):
        """The driver has the port's address and MTU; new ones when it is bound again."""
        self.serve()
        for mac in ("02:00:00:00:00:20", "02:00:00:00:00:10"):
            self.switch.command(f"mac_addr set 0 {mac}")
            told = self.machine.sh("vdpa dev config show v0")
            if f"mac {mac}" not in told:
                raise Failure(f"the device has no address {mac}: {told}")
            self.bind_again()
            if (is_now := self.spaces[0].sh("cat /sys/class/net/eth0/address")) != mac:
                raise Failure(f"address {is_now}")
        for mtu in (1400, 1500):
            self.switch.command(f"port config mtu 0 {mtu}")
            self.bind_again()
            if (is_now := self.spaces[0].sh("cat /sys/class/net/eth0/mtu")) != str(mtu):
                raise Failure(f"MTU {is_now}")
            with self.link(mtu=mtu) as link:
                link.ping_sizes((mtu - 28, 4000))

    @check("vduse.tap")
    def tap(self):
        """A device and a tap of another driver: two ways into the guest's kernel."""
        self.serve()
        self.switch.command("port attach net_tap9,iface=vqstap")
        self.machine.sh("ip addr add 10.99.0.1/24 dev vqstap && ip link set vqstap up")
        self.spaces[0].sh("ip addr add 10.99.0.2/24 dev eth0 && ip link set eth0 up")
        link = TapLink(self.machine, self.spaces[0])
        link.ping_sizes((64, 1400, 8900))
        link.transfer_both(FILE_MB)
        self.switch.command("port detach net_tap9")
        self.spaces[0].sh("ip addr flush dev eth0")

    @check("vduse.bus")
    def bus(self):
        """Taken off the bus and put there, unbound and bound: each time with a working interface."""
        self.serve()
        with self.link() as link:
            link.ping_sizes((64,))
        for _ in range(20):
            self.machine.sh("vdpa dev del v0 && vdpa dev add name v0 mgmtdev vduse")
        self.take_interface()
        with self.link() as link:
            link.ping_sizes((64,))
        self.bind_again()
        with self.link() as link:
            link.ping_sizes((64,))

    @check("vduse.held")
    def held(self):
        """A driver that leaves has its answer while a worker is held that control waits for."""
        self.serve()
        before = self.answered_late()
        for _ in range(10):
            if self.leave_held():
                break
        else:
            raise Failure("control did not wait for a worker that was held")
        if self.answered_late() == before:
            raise Failure("control was waited for")
        with self.link() as link:
            link.ping_sizes((64,))

    def answered_late(self):
        """Requests that were answered without control."""
        return json.loads(self.switch.command("show port net_vhost0 negotiation json"))[
            "vhost"]["vduse_answered_late"]

    def leave_held(self):
        """Have v0's driver leave and come back; whether control had to wait meanwhile."""
        self.machine.sh("rm -f /tmp/go*")
        with self.link(accounts=False) as link:
            sender, _, address = link.directions()[0]
            sender.background(f"ping -q -i 0.002 {address}")
            self.machine.sh(f"python3 {HOLD} {self.switch.pid()} {WORKER} /tmp/go & "
                            "wait_for 60 [ -f /tmp/go.held ]")
            self.bind("unbind")
            waits = not self.switch_answers()
            self.machine.sh("touch /tmp/go; busybox killall ping; true")
            self.bind("bind")
            self.take_interface()
        return waits

    def switch_answers(self):
        """Whether it answers a command within a second."""
        return self.machine.run(f"timeout 1 {self.switch.ctl} show port info 0")[0] == 0

    @check("vduse.vhost")
    def vhost(self):
        """A device and a driver in a program, by way of vhost_vdpa, over a restart of the switch."""
        self.serve()
        self.refused_later("attach=vhost", "the kernel module vhost_vdpa is not loaded")
        self.machine.load("vhost", "irqbypass", "vhost_vdpa")
        self.machine.sh("echo 64 >/proc/sys/vm/nr_hugepages; mkdir -p /dev/huge && "
                        "mount -t hugetlbfs huge /dev/huge")
        self.switch.command("port attach net_vhost8,iface=/dev/vduse/v8,attach=vhost")
        self.machine.sh("wait_for 60 [ -c /dev/vhost-vdpa-0 ]")
        self.machine.background(f"{TESTPMD} >/tmp/driver.log 2>&1")
        self.ping_driver()
        self.switch.upgrade_in_vain()
        self.ping_driver()
        self.switch.upgrade()
        self.ping_driver()
        self.replace_switch()  # which keeps its ports
        self.ping_driver()
        self.machine.sh("busybox killall -INT dpdk-testpmd; while busybox pidof dpdk-testpmd "
                        ">/dev/null; do busybox usleep 20000; done")
        told = self.switch.command("show port net_vhost8 negotiation")
        if "GET_VQ_STATE" not in told or ": refused" in told or "not in use" not in told:
            raise Failure(told)
        self.switch.command("port detach net_vhost8")

    def ping_driver(self):
        """Pings that the program answers."""
        try:
            self.spaces[0].sh("ip addr replace 10.98.0.1/24 dev eth0 && ip link set eth0 up; "
                              "wait_for 60 ping -q -c 1 -w 2 10.98.0.9; "
                              "for size in 64 1000 1472; do ping -q -c 3 -i 0.01 -w 30 -s $size "
                              "10.98.0.9 | grep -q ' 0% packet loss' || exit 1; done")
        except Failure as e:
            driver = self.machine.run("tail -n 5 /tmp/driver.log")[1]
            raise Failure(f"{e}: {driver} {self.switch.log()}") from e
        self.spaces[0].sh("ip addr flush dev eth0")

    def replace_switch(self):
        """Killed, and started again."""
        self.switch.kill()
        self.switch.begin()

    def losses(self):
        """Counters of lost frames: of both kernels and of the switch."""
        kernel = " ".join(space.sh("tc -s qdisc show dev eth0 | grep -i sent;"
                                   "ip -s link show eth0 | tail -n 5") for space in self.spaces)
        return f"{kernel} {self.switch.command('show drops all')}"

    def under_ping(self, layout, act):
        """Do that under a ping: the interfaces stay, nothing is lost."""
        self.serve(layout)
        with self.link() as link:
            sender, _, address = link.directions()[0]
            sender.sh("rm -f /tmp/stop* /tmp/pings*")
            sender.background(f"python3 {PING} {address} /tmp/stop >/tmp/pings 2>&1; "
                              "touch /tmp/pings.done")
            sender.sh("wait_for 60 [ -f /tmp/stop.begun ]")
            act()
            sender.sh("touch /tmp/stop; wait_for 150 [ -f /tmp/pings.done ]", 200)
            sent, received = sender.sh("cat /tmp/pings").split()
            if sent != received or int(sent) < 10:
                raise Failure(f"{sent} sent, {received} received: {self.losses()}")

    @check("vduse.restart.split")
    def restart_split(self):
        """Split rings."""
        self.under_ping("split", self.replace_switch)

    def upgrades(self, layout):
        """Handed over under a ping: in vain, and to a process that gives it to the next one."""
        stops = []

        def act():
            before = self.totals()
            for _ in range(UPGRADES):
                self.switch.upgrade_in_vain()
                stops.append(self.switch.upgrade())
            after = self.totals()
            if any(after[key] < was for key, was in before.items()):
                raise Failure(f"before: {before}, after: {after}")

        self.under_ping(layout, act)
        return f"ports stood still for {min(stops)} to {max(stops)} ms"

    def totals(self):
        """Counters of v0's port, none of which goes back."""
        about = json.loads(self.switch.command("show port net_vhost0 negotiation json"))["vhost"]
        return {key: about[key] for key in ("connects", "messages", "vduse_answered_late",
                                            "vduse_regions_mapped") if key in about}

    @check("vduse.upgrade.split")
    def upgrade_split(self):
        """Split rings."""
        return self.upgrades("split")

    @check("vduse.upgrade.pending")
    def upgrade_pending(self):
        """A driver that is asking meanwhile has its answer, from one process or the other."""
        self.serve()
        for _ in range(3):
            self.machine.sh("rm -f /tmp/bound")
            self.machine.background("d=$(basename /sys/bus/vdpa/devices/v0/virtio*); "
                                    "cd /sys/bus/virtio/drivers/virtio_net; for n in 1 2 3 4 5; do "
                                    "echo $d >unbind; echo $d >bind; done; touch /tmp/bound")
            self.switch.upgrade()
            self.machine.sh("wait_for 60 [ -f /tmp/bound ]")
            self.take_interface()
        with self.link() as link:
            link.ping_sizes((64,))

    @check("vduse.given-up")
    def given_up(self):
        """Requests that nothing answers for long: the kernel gives the device up, and it is made anew."""
        self.serve()
        self.machine.sh("echo 1 >/sys/class/vduse/v0/msg_timeout")
        self.switch.kill()
        self.bind("unbind")
        self.switch.begin()
        self.wait_cards()
        if self.machine.sh("cat /sys/class/vduse/v0/msg_timeout") == "1":
            raise Failure("it is the same device")
        with self.link() as link:
            link.ping_sizes((64, 1400))

    @check("vduse.refused")
    def refused(self):
        """Each thing that is missing is said in one line; so is the kernel's refusal of a control queue."""
        self.serve()
        for command, says in (
                ("why port net_vhost1", "Queue pairs: 1 of 4: "),
                ("show port net_vhost1 negotiation", "1 queue pair, 1 in use ("),
                ("show port net_vhost1 negotiation json", '"vduse_queue_pairs": 1')):
            out = self.switch.command(command)
            if says not in out:
                raise Failure(f"{command}: {out}")
        for argument, says in (
                ("iface=/dev/vduse/x,queues=129", "1 to 128 queue pairs"),
                ("iface=/dev/vduse/control", "not the name of a VDUSE device"),
                ("iface=/run/x,ifname=eth0", "keys of a VDUSE device")):
            _, out = self.machine.run(f"{self.switch.ctl} port attach net_vhost9,{argument}")
            if says not in out:
                raise Failure(f"{argument}: {out}")
        self.refused_later("netns=nowhere", "network namespace nowhere: No such file")

    def refused_later(self, keys, says):
        """The vdpa bus takes such a device, and then something is missing."""
        self.switch.command(f"port attach net_vhost9,iface=/dev/vduse/v9,{keys}")
        wait_for(f"'{says}' about {keys}",
                 lambda: says in self.switch.command("show port net_vhost9 negotiation"),
                 60, alive=[self.machine], pause=0.2)
        self.switch.command("port detach net_vhost9")

    @check("vduse.unprivileged")
    def unprivileged(self):
        """A switch without permission, or without the capability, says so and ends."""
        for privileges, says in (
                ("--reuid=65534 --regid=65534 --clear-groups", "/dev/vduse/control: Permission denied"),
                ("--bounding-set=-net_admin --inh-caps=-net_admin", "CAP_NET_ADMIN is missing")):
            status, out = self.machine.run(
                f"XDG_RUNTIME_DIR=/tmp setpriv {privileges} {Switch.emulated} --no-huge -m 64 --no-pci "
                "--no-telemetry --file-prefix=other --vdev net_vhost0,iface=/dev/vduse/x "
                "-- -a --total-num-mbufs=2048")
            if status == 0 or says not in out:
                raise Failure(f"{privileges}: status {status}: {out}")

    @check("vduse.packed")
    def packed(self):
        """Packed rings."""
        self.traffic("packed")

    @check("vduse.restart.packed")
    def restart_packed(self):
        """Packed rings."""
        self.under_ping("packed", self.replace_switch)

    @check("vduse.upgrade.packed")
    def upgrade_packed(self):
        """Packed rings."""
        return self.upgrades("packed")

    @check("vduse.restart.file")
    def restart_under_load(self):
        """The same under a file: it arrives, as it was."""
        self.under_load(self.replace_switch)

    @check("vduse.upgrade.file")
    def upgrade_under_load(self):
        """Handed over under a file."""
        self.under_load(self.switch.upgrade)

    def under_load(self, act):
        """Do that under a file: it arrives, as it was."""
        self.serve("packed")
        with self.link() as link:
            receiver, sender, address = link.directions()[0]
            transfer_start(sender, receiver, address)
            wait_for("the first megabyte",
                     lambda: int(receiver.sh(f"stat -c %s {RECEIVED} 2>/dev/null || echo 0")) > 1e6,
                     60, alive=[self.machine])
            act()
            transfer_finish(sender, receiver)
