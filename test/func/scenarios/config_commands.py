# SPDX-License-Identifier: BSD-3-Clause
"""Every command says whether it is configuration: then "show config" has it, and it replays."""

import re
import subprocess

from harness.peers import Switch
from harness.process import wait_for

from .arguments import Arguments, expect
from .base import check

# Ports 0 and 1: vhost, 1 with a simulated device; 2: net_null; 3: net_tap.
# In this order, each on top of those before it: "show config" changes with every line.
SETTINGS = (
    ("port add (port_id) (ident)", "port add 9 net_null9,size=128"),
    ("port attach (ident)", "port attach net_null4,copy=1"),
    ("port attach domain (domain) (ident)", "port attach domain 4095 net_null5"),
    ("port attach domain (domain) vlan (vlan) (ident)", "port attach domain 0 vlan 4094 net_null6"),
    ("port add (port_id) domain (domain) (ident)", "port add 16 domain 3 net_null16"),
    ("port add (port_id) domain (domain) (ident)", "port add 16 domain 4 net_null16"),
    ("port add (port_id) domain (domain) vlan (vlan) (ident)",
     "port add 16 domain 4 vlan 1 net_null16"),
    ("port add (port_id) domain (domain) vlan (vlan) (ident)",
     "port add 17 domain 4 vlan 1 net_null17"),
    ("port add (port_id) stopped (ident)", "port add 18 stopped net_null18"),
    ("port detach (port_id)", "port detach net_null5"),
    ("port detach (port_id)", "port detach net_null6"),
    ("port detach (port_id)", "port detach 16"),
    ("port detach (port_id)", "port detach 17"),
    ("port detach (port_id)", "port detach 18"),
    ("port detach (port_id)", "port detach 4"),
    ("port close (port_id|all)", "port close 9"),
    ("port add (port_id) (ident)", "port add 7 net_null7"),
    ("port add (port_id) (ident)", "port add 8 net_ring_w8"),
    ("stop", "stop"),
    ("port stop (port_id|all)", "port stop 0"),
    ("port start (port_id|all)", "port start 0"),
    ("port stop (port_id|all)", "port stop all"),
    ("port config all (rxq|txq|rxd|txd|rxfreet|txfreet|txrst) (value)", "port config all rxd 512"),
    ("port config all max-pkt-len (value)", "port config all max-pkt-len 1400"),
    ("port config all burst (value)", "port config all burst 17"),
    ("set (nbport|nbcore|burst|verbose) (num)", "set burst 19"),
    ("set (nbport|nbcore|burst|verbose) (num)", "set verbose 1"),
    ("set (nbport|nbcore|burst|verbose) (num)", "set nbcore 1"),
    ("set (portlist|corelist) (a[,b-c]*)", "set portlist 3,0"),
    ("set (nbport|nbcore|burst|verbose) (num)", "set nbport 1"),
    ("set (portmask|coremask) (mask)", "set portmask 0x9"),
    ("set (portmask|coremask) (mask)", "set coremask 0x2"),
    ("set default", "set default"),
    ("set fwd (mode) retry", "set fwd mac retry"),
    ("set fwd (mode)", "set fwd mac"),
    ("set topology (paired|chained|loop)", "set topology loop"),
    ("set burst tx delay (num) retry (num)", "set burst tx delay 5 retry 6"),
    ("set txpkts (x[,y]*)", "set txpkts 64,100"),
    ("set txsplit (off|on|rand)", "set txsplit rand"),
    ("set txtimes (x[,y]*)", "set txtimes 10,1"),
    ("set eth-peer (port_id) (XX:XX:XX:XX:XX:XX)", "set eth-peer 0 52:54:00:00:00:09"),
    ("set promisc (port_id|all) (on|off)", "set promisc 3 off"),
    ("set allmulti (port_id|all) (on|off)", "set allmulti 3 on"),
    ("mac_addr (add|remove|set) (port_id) (XX:XX:XX:XX:XX:XX)", "mac_addr set 3 52:54:00:00:00:03"),
    ("mac_addr (add|remove|set) (port_id) (XX:XX:XX:XX:XX:XX)", "mac_addr set 0 52:54:00:00:00:04"),
    ("set link-down port (port_id)", "set link-down port 3"),
    ("set link-up port (port_id)", "set link-up port 3"),
    ("set link-down port (port_id)", "set link-down port 3"),
    ("set link_check (on|off)", "set link_check off"),
    ("set record-core-cycles (on|off)", "set record-core-cycles on"),
    ("set record-burst-stats (on|off)", "set record-burst-stats on"),
    ("set xstats-hide-zero (on|off)", "set xstats-hide-zero on"),
    ("set log (name) (level)", "set log lib.e\\x23* 7"),
    ("set log (name) (level)", "set log lib.eal debug"),
    ("port config mtu (port_id) (value)", "port config mtu 0 1400"),
    ("port config mtu (port_id) (value)", "port config mtu 3 1300"),
    ("csum set (ip|udp|tcp|sctp|outer-ip|outer-udp) (hw|sw) (port_id)", "csum set udp hw 3"),
    ("csum parse-tunnel (on|off) (port_id)", "csum parse-tunnel on 0"),
    ("csum mac-swap (on|off) (port_id)", "csum mac-swap off 0"),
    ("tso set (length) (port_id)", "tso set 800 0"),
    ("set port (port_id) gso (on|off)", "set port 0 gso on"),
    ("set gso segsz (length)", "set gso segsz 1400"),
    ("set port (port_id) gro (on|off)", "set port 0 gro on"),
    ("set gro flush (num)", "set gro flush 3"),
    ("set port (port_id) domain (domain)", "set port 3 domain 4095"),
    ("set port (port_id) isolated (on|off)", "set port 0 isolated on"),
    ("set port (port_id) learning (on|off)", "set port 0 learning off"),
    ("set group-fwd-mask (mask)", "set group-fwd-mask 0x4000"),
    ("set port (port_id) group-fwd-mask (mask)", "set port 0 group-fwd-mask 0x8"),
    ("set port (port_id) format (any|modern-only|legacy-le|legacy-be|auto)",
     "set port 0 format legacy-be"),
    ("set fdb (limit|port-limit|age) (num)", "set fdb limit 5000"),
    ("set fdb (limit|port-limit|age) (num)", "set fdb port-limit 100"),
    ("set fdb (limit|port-limit|age) (num)", "set fdb age 7"),
    ("set port (port_id) fdb-limit (num)", "set port 0 fdb-limit 9"),
    ("set worker stages (on|off)", "set worker stages on"),
    ("set worker rebalance (num)", "set worker rebalance 600"),
    ("set port (port_id) vlan access (vlan)", "set port 0 vlan access 5"),
    ("set port (port_id) vlan off", "set port 0 vlan off"),
    ("set port (port_id) vlan access (vlan)", "set port 0 vlan access 5"),
    ("set port (port_id) vlan trunk (x[,y]*)", "set port 1 vlan trunk 3-5,9"),
    ("set port (port_id) vlan native (vlan)", "set port 1 vlan native 9"),
    ("set port (port_id) vlan native off", "set port 1 vlan native off"),
    ("set port (port_id) vlan native (vlan)", "set port 1 vlan native 8"),
    ("set port (port_id) vlan qinq (off|8100|88a8)", "set port 1 vlan qinq 88a8"),
    ("fdb add (XX:XX:XX:XX:XX:XX) (domain) (port_id)", "fdb add 52:54:00:00:00:21 0 2"),
    ("fdb del (XX:XX:XX:XX:XX:XX) (domain)", "fdb del 52:54:00:00:00:21 0"),
    ("fdb add (XX:XX:XX:XX:XX:XX) (domain) (port_id)", "fdb add 52:54:00:00:00:22 0 2"),
    ("fdb add (XX:XX:XX:XX:XX:XX) (domain) (port_id) vlan (vlan)",
     "fdb add 52:54:00:00:00:23 0 0 vlan 5"),
    ("fdb del (XX:XX:XX:XX:XX:XX) (domain) vlan (vlan)", "fdb del 52:54:00:00:00:23 0 vlan 5"),
    ("fdb add (XX:XX:XX:XX:XX:XX) (domain) (port_id) vlan (vlan)",
     "fdb add 52:54:00:00:00:24 0 0 vlan 5"),
    ("set fdb (limit|port-limit|age) (num)", "set fdb limit 1"),  # fewer than there are
    ("vxlan add (name) local (address) underlay (port_id)",
     "vxlan add v\\x23\\\\ local 192.0.2.1 underlay 3"),
    ("vxlan del (name)", "vxlan del v\\x23\\\\"),
    ("vxlan add (name) local (address) underlay (port_id) dstport (udp_port)",
     "vxlan add v\\x23\\\\ local 2001:db8::1 underlay 3 dstport 8472"),
    ("vxlan vni (vni) domain (domain) flood (vtep[,vtep]*)",
     "vxlan vni 5 domain 0 flood 2001:db8::2,2001:db8::3"),
    ("vxlan vni (vni) off", "vxlan vni 5 off"),
    ("vxlan vni (vni) domain (domain) vlan (vlan) flood (vtep[,vtep]*)",
     "vxlan vni 16777215 domain 0 vlan 4094 flood 2001:db8::2"),
    ("vxlan vni (vni) on (name) domain (domain) flood (vtep[,vtep]*)",
     "vxlan vni 6 on v\\x23\\\\ domain 6 flood 2001:db8::4"),
    ("vxlan vni (vni) on (name) domain (domain) vlan (vlan) flood (vtep[,vtep]*)",
     "vxlan vni 7 on v\\x23\\\\ domain 6 vlan 9 flood 2001:db8::5"),
    ("set port (port_id) rate (pps|bps) (rate)", "set port 0 rate pps 1000"),
    ("set port (port_id) rate (pps|bps) off", "set port 0 rate pps off"),
    ("set port (port_id) rate (pps|bps) (rate)", "set port 0 rate bps 1000000007"),
    ("set port (port_id) egress-rate (pps|bps) (rate)", "set port 0 egress-rate bps 2000000"),
    ("set port (port_id) egress-rate (pps|bps) off", "set port 0 egress-rate bps off"),
    ("set port (port_id) egress-rate (pps|bps) (rate)", "set port 0 egress-rate pps 70000"),
    ("set port (port_id) storm pps (rate)", "set port 0 storm pps 10"),
    ("set port (port_id) storm off", "set port 0 storm off"),
    ("set port (port_id) storm pps (rate)", "set port 0 storm pps 11"),
    ("set port (port_id) source-lock (on|off)", "set port 0 source-lock on"),
    ("set port (port_id) source-lock (XX:XX:XX:XX:XX:XX)",
     "set port 0 source-lock 52:54:00:00:00:31"),
    ("mirror filter (port_id) vlan (vlan)", "mirror filter 0 vlan 9"),
    ("mirror filter (port_id) off", "mirror filter 0 off"),
    ("mirror filter (port_id) vlan (vlan)", "mirror filter 0 vlan 10"),
    ("mirror filter (port_id) mac (XX:XX:XX:XX:XX:XX)", "mirror filter 0 mac 52:54:00:00:00:31"),
    ("mirror filter (port_id) ip (address[/length])", "mirror filter 1 ip 10.0.0.0/8"),
    ("set port (port_id) lldp (on|off)", "set port 0 lldp on"),
    ("set snooping (domain) (on|off)", "set snooping 0 on"),
    ("set snooping (domain) (querier|unknown|fast-leave) (on|off)", "set snooping 0 querier off"),
    ("set snooping (domain) (querier|unknown|fast-leave) (on|off)", "set snooping 3 unknown off"),
    ("set snooping (domain) (querier|unknown|fast-leave) (on|off)",
     "set snooping 4 fast-leave on"),
    ("set snooping (domain) interval (seconds)", "set snooping 0 interval 60"),
    ("set snooping (domain) limit (num)", "set snooping 0 limit 1000"),
    ("set snooping (domain) address (address)", "set snooping 0 address 192.0.2.77"),
    ("set port (port_id) snooping router (auto|always|never)",
     "set port 0 snooping router always"),
    ("set port (port_id) snooping router (auto|always|never)",
     "set port 1 snooping router never"),
    ("set port (port_id) snooping limit (num)", "set port 0 snooping limit 12"),
    ("set port (port_id) guard (on|off)", "set port 0 guard on"),
    ("set port (port_id) guard (on|off)", "set port 0 guard off"),
    ("set port (port_id) guard (addresses|dhcp|ra) (on|off)", "set port 1 guard ra on"),
    ("set port (port_id) guard add (address[/length])", "set port 0 guard add 10.0.0.0/8"),
    ("set port (port_id) guard add (address[/length])", "set port 0 guard add 2001:db8::7"),
    ("set port (port_id) guard add (address[/length]) (XX:XX:XX:XX:XX:XX)",
     "set port 0 guard add 192.0.2.7 52:54:00:00:00:31"),
    ("set port (port_id) guard del (address[/length])", "set port 0 guard del 10.0.0.0/8"),
    ("set port (port_id) guard (addresses|dhcp|ra) (on|off)", "set port 0 guard dhcp off"),
    ("set port (port_id) acl (in|out) add (rule)",
     "set port 0 acl in add seq 7 drop ip proto tcp src 10.0.0.0/8 dport 22-23"),
    ("set port (port_id) acl (in|out) add (rule)", "set port 0 acl in add allow proto udp fragments"),
    ("set port (port_id) acl (in|out) add (rule)", "set port 0 acl in add seq 3 drop src ::1 sport 9"),
    ("set port (port_id) acl (in|out) add (rule)", "set port 0 acl in add seq 3 drop src ::2 sport 9"),
    ("set port (port_id) acl (in|out) add (rule)", "set port 1 acl out add allow"),
    ("set port (port_id) acl (in|out) off", "set port 1 acl out off"),
    ("set port (port_id) acl (in|out) del (seq)", "set port 0 acl in del 17"),
    ("set port (port_id) acl (in|out) default (allow|allow-related|drop)",
     "set port 0 acl out default drop"),
    ("set port (port_id) acl (in|out) default (allow|allow-related|drop)",
     "set port 0 acl in default allow-related"),
    ("set port (port_id) acl (in|out) add (rule)",
     "set port 0 acl out add allow-related ip proto tcp dport 22"),
    ("set port (port_id) conntrack limit (num)", "set port 0 conntrack limit 500"),
    ("set conntrack limit (num)", "set conntrack limit 2000"),
    ("set conntrack timeout "
     "(tcp-new|tcp-established|tcp-closing|tcp-closed|udp-new|udp-established|icmp) (seconds)",
     "set conntrack timeout udp-new 31"),
    ("mirror add (port_id) to (port_id)", "mirror add 0 to 2"),
    ("mirror del (port_id)", "mirror del 0"),
    ("mirror add (port_id) to (port_id)", "mirror add 1 to 2"),
    ("set sflow (rate|interval|header) (num)", "set sflow rate 400"),
    ("set sflow (rate|interval|header) (num)", "set sflow interval 0"),
    ("set sflow (rate|interval|header) (num)", "set sflow header 64"),
    ("set sflow agent (address|auto)", "set sflow agent 2001:db8::5"),
    ("set port (port_id) sflow (on|off)", "set port 1 sflow off"),
    ("sflow add (address)", "sflow add 127.0.0.1"),
    ("sflow add (address) port (udp_port)", "sflow add 127.0.0.1 port 9"),
    ("sflow del (address)", "sflow del 127.0.0.1"),
    ("sflow add (address) port (udp_port)", "sflow add ::1 port 9"),
    ("set vdpa (name) (wire|fault|features|pairs|regions) (name)", "set vdpa sim0 pairs 2"),
    ("port (port_id) reclaim", "port 1 reclaim"),
    ("port (port_id) offload", "port 1 offload"),
    ("set port (port_id) hw (prefer|require|never)", "set port 1 hw require"),
    ("set port (port_id) rxq (queue_id) worker (num)", "set port 0 rxq 0 worker 0"),
    ("set port (port_id) rxq (queue_id) worker any", "set port 0 rxq 0 worker any"),
    ("port start (port_id|all)", "port start 3"),
    ("port quiesce (x[,y]*|all|vm=NAME)", "port quiesce 1"),
    ("port resume (x[,y]*|all|vm=NAME)", "port resume 1"),
    ("port state (x[,y]*|all|vm=NAME) "
     "(stop|running|running-p2p|pre-copy|pre-copy-p2p|stop-copy|resuming)", "port state 1 stop"),
    ("start", "start"),
)

# Settings of the kernel, too, which it takes a network of its own to try: vxlan.evpn.config and
# vxlan.underlay.kernel.config do.
KERNEL_SETTINGS = (
    "vxlan add (name) local (address) underlay kernel",
    "vxlan add (name) local (address) underlay kernel dstport (udp_port)",
    "vxlan vni (vni) domain (domain) evpn", "vxlan vni (vni) domain (domain) vlan (vlan) evpn",
    "vxlan vni (vni) on (name) domain (domain) evpn",
    "vxlan vni (vni) on (name) domain (domain) vlan (vlan) evpn",
)

# They change what is displayed or moved for once, or another file: not what the switch is.
NO_SETTINGS = (
    "start tx_first", "start tx_first (bursts)", "quit", "load (path)", "save config", "save config (path)",
    "clear port (info|stats|xstats) (port_id|all)", "clear fwd stats all", "clear fdb",
    "clear worker", "clear conntrack port (port_id|all)",
    "port reset (port_id|all)", "capture stop",
    "capture (start|run) (port_id|all) (file)", "capture (start|run) (port_id|all) (file) snaplen (bytes)",
    "capture (start|run) (port_id|all) (file) count (frames)",
    "capture (start|run) (port_id|all) (file) snaplen (bytes) count (frames)",
    "capture live (port_id|all)", "capture live (port_id|all) snaplen (bytes)",
    "capture live (port_id|all) count (frames)", "capture live (port_id|all) snaplen (bytes) count (frames)",
    # another process, with the same settings
    "upgrade", "upgrade (path)", "take over (version)",
    # follows
    "monitor", "monitor json",
    # DPDK's devices, as on the command line of EAL
    "vdpa attach (ident)", "vdpa detach (name)",
    # answered as testpmd does, without effect, or refused by every kind of port
    "set (rxpkts|rxoffs|rxhdrs) (x[,y]*)", "set flush_rx (on|off)",
    "mcast_addr add (port_id) (XX:XX:XX:XX:XX:XX)", "mcast_addr remove (port_id) (XX:XX:XX:XX:XX:XX)",
    "port config (port_id) (rxq|txq) (queue_id) ring_size (value)",
    "port (port_id) (rxq|txq) (queue_id) setup", "port (port_id) (rxq|txq) (queue_id) (start|stop)",
    "port (port_id) (rxq|txq) (queue_id) deferred_start (on|off)",
    "port config (port_id) (rx_offload|tx_offload) (name) (on|off)",
    "port (port_id) rxq (queue_id) rx_offload (name) (on|off)",
    "port (port_id) txq (queue_id) tx_offload (name) (on|off)",
    "port config (port_id|all) speed (name) duplex (half|full|auto)",
    "port config (port_id|all) rss (name)",
    "tunnel_tso set (length) (port_id)", "vlan set (strip|filter|qinq_strip|extend) (on|off) (port_id)",
    "vlan set stripq (on|off) (x[,y]*)", "rx_vlan (add|rm) (vlan_id) (port_id)",
    "tx_vlan set (port_id) (vlan_id)", "tx_vlan reset (port_id)",
    "flow (create|validate) (port_id) (ident)", "flow (list|flush) (port_id)",
    "rx_vxlan_port (add|rm) (num) (port_id)",
)
DISPLAYS = re.compile(r"(show|help|why|wait|csum show|tso show|tunnel_tso show) ?|\(dump_|"
                      r"port state \(x\[,y\]\*\|all\|vm=NAME\)$")


class ConfigCommands(Arguments):
    """Each check starts the program it needs."""

    cpus, seconds = 0.3, 20

    @check("config.every_command")
    def check_every_command(self):
        """A command is a setting with a line that changes "show config", or said to be none."""
        said = subprocess.run([Switch.program, "--", "--print-commands"], check=True, timeout=60,
                              stdout=subprocess.PIPE).stdout.decode()
        known = {syntax for syntax, _ in SETTINGS} | {*NO_SETTINGS, *KERNEL_SETTINGS}
        there = re.findall(r"^- `(.*)`$", said, re.M)
        unsaid = [s for s in there if s not in known and not DISPLAYS.match(s)]
        expect(not unsaid, f"neither a setting nor said to be none: {unsaid}")
        expect(not known - set(there), f"commands that are not there: {known - set(there)}")

    @check("config.growing_file")
    def check_growing_file(self):
        """A file that grows faster than it is read is loaded as it was, a device is no file."""
        process, control = self.controlled(ports=["net_null0", "net_null1"])
        capture = self.workdir / "grows.pcapng"
        for line in ("start", f"capture start 0 {capture}"):
            done, said = control.ask(line)
            expect(done, f"{line}: {said}")
        wait_for("frames", lambda: capture.exists() and capture.stat().st_size > 10000, 30,
                 alive=[process])
        done, said = control.ask(f"load {capture}")
        expect(not done and "failed:" in said, f"a capture is no commands: {said[:200]}")
        done, said = control.ask("load /dev/zero")
        expect(not done and "Failed to create" in said, f"/dev/zero: {said[:200]}")
        huge = self.workdir / "huge"
        with open(huge, "wb") as f:
            f.truncate(5 << 20)
        done, said = control.ask(f"load {huge}")
        expect(not done and "has more than 4194304 bytes" in said, f"5 MiB: {said[:200]}")

    def ports(self, tag):
        """Device arguments of four kinds of ports."""
        return [f"net_vhost0,iface={self.workdir}/{tag}0,queues=2",
                f"net_vhost1,iface={self.workdir}/{tag}1,queues=1,vdpa=sim0", "net_null2",
                f"net_tap3,iface=cfg{tag}"]

    @check("config.every_setting")
    def check_every_setting(self):
        """Each setting is in "show config", which replays, where it is and elsewhere, and by --check."""
        process, control = self.controlled("--forward-mode=switch", ports=self.ports("a"))
        config = control.ask("show config")[1]
        for _, line in SETTINGS:
            done, said = control.ask(line)
            expect(done, f"{line}: {said}")
            before, config = config, control.ask("show config")[1]
            # a number that is the only one there is
            expect(config != before or line.startswith(("set nbcore", "set coremask")),
                   f"{line} changes nothing in {config}")
        self.look_at_places(config)
        saved = self.command_file(config)
        done, said = control.ask(f"load {saved}")
        expect(done, f"loaded where it came from: {said}")
        expect(control.ask("show config")[1] == config, "it has changed something")
        process.kill()
        self.disown(process)
        status, said = self.ended("--check", f"--cmdline-file={saved}")
        expect(status == 0 and "is valid" in said, f"--check: {said}")
        process, control = self.controlled(f"--cmdline-file={saved}")
        wait_for("file", lambda: "Read CLI commands" in process.log(), 30, alive=[process])
        again = control.ask("show config")[1]
        expect(again == config, f"{config}\n---\n{again}")

    @staticmethod
    def look_at_places(config):
        """Ports are added where they belong, so that a replay lets no frame pass to others meanwhile."""
        for port, domain in re.findall(r"^set port (\d+) domain (\d+)$", config, re.M):
            expect(f"port add {port} domain {domain} " in config, f"port {port} in {config}")
        access = re.findall(r"^set port (\d+) vlan access (\d+)$", config, re.M)
        for port, vlan in access:
            expect(re.search(rf"^port add {port} domain \d+ vlan {vlan} ", config, re.M),
                   f"port {port} in {config}")
        expect(access, "no access port")

    def command_file(self, text):
        """Path of a file with that text."""
        path = self.workdir / "saved.vqs"
        path.write_text(text, encoding="utf-8")
        return path
