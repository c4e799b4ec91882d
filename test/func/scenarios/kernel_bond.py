# SPDX-License-Identifier: BSD-3-Clause
"""A bond of DPDK's whose partner is one of Linux, both in the emulated guest whose kernel has bonds."""

import re
import time

from harness.process import Failure, wait_for

from .ethdev import member_key
from .vduse import GuestSwitch

LINKS = 2
NEAR, FAR = "10.96.0.1", "10.96.0.2"
PINGS = 10
PATIENCE = 180  # seconds, on an emulated processor
IN_SYNC, COLLECTING, DISTRIBUTING = 8, 16, 32
UP = IN_SYNC | COLLECTING | DISTRIBUTING
# Linux's end of each link and its bond, in a namespace; a station behind the switch in another
SETUP = ("ip netns add partner", "ip netns add station",
         "ip link add vqs type veth peer name eth0 netns station",
         "ip -n partner link add bond0 type bond mode 802.3ad miimon 100 lacp_rate fast",
         *(line for i in range(LINKS) for line in (
             f"ip link add vql{i} type veth peer name k{i} netns partner",
             f"ip -n partner link set k{i} master bond0",
             f"ip -n partner link set k{i} up",
             f"ip link set vql{i} up")),
         "ip link set vqs up",
         f"ip -n station addr add {NEAR}/24 dev eth0", "ip -n station link set eth0 up",
         f"ip -n partner addr add {FAR}/24 dev bond0", "ip -n partner link set bond0 up")


class KernelBond:
    """The switch with both ports, the bond and that of the station. Use in a with statement."""

    def __init__(self, machine):
        self.machine = machine
        key = member_key()
        devices = [f"net_af_packet{i},iface=vql{i}" for i in range(LINKS)]
        bond = "net_bonding0,mode=4" + "".join(f",{key}=net_af_packet{i}" for i in range(LINKS))
        self.switch = GuestSwitch(machine, [*devices, bond, f"net_af_packet{LINKS},iface=vqs"], "bond")

    def __enter__(self):
        if self.machine.run("grep -q ^bonding /proc/modules")[0] != 0:
            self.machine.load("tls")
            self.machine.sh("insmod /modules/bonding.ko max_bonds=0")
        self.machine.sh(" && ".join(SETUP))
        self.switch.begin()
        return self

    def __exit__(self, *_):
        self.switch.kill()
        self.machine.sh("ip netns del partner; ip netns del station")

    def state(self):
        """The kernel's account of its bond."""
        return self.machine.sh("ip netns exec partner cat /proc/net/bonding/bond0")

    def joined(self):
        """Links in the aggregator whose other ends say that they collect and distribute."""
        text = self.state()
        active = re.search(r"Active Aggregator Info:\s+Aggregator ID: (\d+)", text)
        links = text.split("Slave Interface: ")[1:]
        return [link.split()[0] for link in links
                if active and f"Aggregator ID: {active[1]}\n" in link
                and "MII Status: up" in link and self.partner_state(link) & UP == UP]

    @staticmethod
    def partner_state(link):
        """Of a link, as the switch has told it; 0: it has not."""
        found = re.search(r"details partner lacp pdu:.*?port state: (\d+)", link, re.S)
        return int(found[1]) if found and "00:00:00:00:00:00" not in link[found.start():] else 0

    def wait_joined(self, *links):
        """Until these are the links that carry frames; seconds it has taken."""
        begun = time.monotonic()
        try:
            wait_for(f"{links} of the bond", lambda: tuple(self.joined()) == links, PATIENCE,
                     alive=[self.machine], pause=0.2)
        except Failure as e:
            raise Failure(f"{e}: {self.state()} {self.switch.log()}") from e
        return time.monotonic() - begun

    def ping(self):
        """Across the bond: all pings of a row are answered; one end may have dropped the first ones."""
        self.machine.sh("all_come() { ip netns exec station ping -q -c "
                        f"{PINGS} -i 0.05 -w 60 {FAR} | grep -q ' 0% packet loss'; }}; "
                        f"wait_for {PATIENCE} all_come", PATIENCE + 120)

    def fail_links(self):
        """All links carry frames, and each does alone while the other one is down."""
        both = [f"k{i}" for i in range(LINKS)]
        took = [self.wait_joined(*both)]
        self.ping()
        for down in both:
            self.machine.sh(f"ip -n partner link set {down} down")
            took.append(self.wait_joined(*(link for link in both if link != down)))
            self.ping()
            self.machine.sh(f"ip -n partner link set {down} up")
            took.append(self.wait_joined(*both))
            self.ping()
        return "seconds until links are in the bond and out of it: " + \
            ", ".join(f"{one:.1f}" for one in took)
