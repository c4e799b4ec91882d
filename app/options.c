/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include <rte_common.h>
#include <rte_mbuf.h>

#include "base/parse.h"
#include "kinds.h"
#include "list.h"
#include "switch/fdb.h"
#include "switch/sw.h"

enum opt_kind {
	OPT_FLAG,    /* sets a bool */
	OPT_U32,     /* a number within min..max */
	OPT_HEX,     /* a 64-bit mask */
	OPT_STRING,  /* keeps the argument */
	OPT_CALL,    /* parsed by a function */
	OPT_NOTHING, /* testpmd's, without a meaning here: accepted */
	OPT_NOTHING_ARG,
};

struct opt_row {
	const char *name;
	enum opt_kind kind;
	size_t where; /* offset in struct options */
	uint32_t min, max;
	int (*call)(struct options *o, const char *value);
	const char *arg;  /* name of the argument in --help */
	const char *help; /* NULL: not listed */
};

/* --- values that need more than a number --- */

static int
call_txpkts(struct options *o, const char *value)
{
	int n = list_parse(value, &list_of_numbers, o->txpkts, OPT_TXPKTS_MAX);

	if (n < 0)
		return n;
	o->ntxpkts = (uint32_t)n;
	return 0;
}

static int
call_mbuf_size(struct options *o, const char *value)
{
	uint32_t sizes[8];

	if (list_parse(value, &list_of_numbers, sizes, RTE_DIM(sizes)) < 0 || sizes[0] == 0 ||
	    sizes[0] > UINT16_MAX)
		return -EINVAL;
	o->mbuf_size = sizes[0];
	return 0;
}

const char *const options_topologies[OPT_TOPOLOGIES] = {
	[SW_PAIRED] = "paired",
	[SW_CHAINED] = "chained",
	[SW_LOOP] = "loop",
};

static int
call_topology(struct options *o, const char *value)
{
	for (uint32_t i = 0; i < OPT_TOPOLOGIES; i++) {
		if (strcmp(value, options_topologies[i]) == 0) {
			o->topology = i;
			return 0;
		}
	}
	return -EINVAL;
}

static int
add_peer(struct options *o, uint64_t port, const char *mac)
{
	struct opt_peer *p = &o->peer[o->npeers];

	if (o->npeers == OPT_PEERS_MAX || port >= DP_PORTS_MAX ||
	    rte_ether_unformat_addr(mac, &p->mac) != 0)
		return -EINVAL;
	p->port = (uint16_t)port;
	o->npeers++;
	return 0;
}

static int
call_eth_peer(struct options *o, const char *value)
{
	const char *end;
	uint64_t port;

	if (!parse_number(value, 10, UINT16_MAX, &port, &end) || *end != ',')
		return -EINVAL;
	return add_peer(o, port, end + 1);
}

/* One address a line, for port 0 and the following ones. */
static int
call_eth_peers(struct options *o, const char *path)
{
	FILE *f = fopen(path, "re");
	char line[64];
	int ret = 0;

	if (f == NULL)
		return -EINVAL;
	for (uint16_t port = 0; ret == 0 && fgets(line, sizeof(line), f) != NULL; port++) {
		line[strcspn(line, "\r\n")] = '\0';
		ret = add_peer(o, port, line);
	}
	if (ferror(f)) /* a directory */
		ret = -EINVAL;
	fclose(f);
	return ret;
}

static int
call_tx_ip(struct options *o, const char *value)
{
	char src[INET_ADDRSTRLEN];
	const char *comma = strchr(value, ',');
	struct in_addr from, to;

	if (comma == NULL || (size_t)(comma - value) >= sizeof(src))
		return -EINVAL;
	strlcpy(src, value, (size_t)(comma - value) + 1);
	if (inet_pton(AF_INET, src, &from) != 1 || inet_pton(AF_INET, comma + 1, &to) != 1)
		return -EINVAL;
	o->tx_flow.src = ntohl(from.s_addr);
	o->tx_flow.dst = ntohl(to.s_addr);
	return 0;
}

/* One port is for both ends. */
static int
call_tx_udp(struct options *o, const char *value)
{
	uint32_t port[2];
	int n = list_parse(value, &list_of_numbers, port, RTE_DIM(port));

	if (n == 1)
		port[1] = port[0];
	if (n < 1 || port[0] > UINT16_MAX || port[1] > UINT16_MAX)
		return -EINVAL;
	o->tx_flow.sport = (uint16_t)port[0];
	o->tx_flow.dport = (uint16_t)port[1];
	return 0;
}

/* A name testpmd knows is fine, whether or not there is such an event here. */
static int
call_event(struct options *o, const char *value)
{
	static const char *const events[] = {
		"unknown",        "intr_lsc",         "queue_state",     "intr_reset",
		"vf_mbox",        "macsec",           "intr_rmv",        "flow_aged",
		"err_recovering", "recovery_success", "recovery_failed", "all",
	};

	for (size_t i = 0; i < RTE_DIM(events); i++) {
		if (strcmp(value, events[i]) == 0)
			return 0;
	}
	return -EINVAL;
}

static int
call_socket_mode(struct options *o, const char *value)
{
	return parse_mode(value, &o->socket_mode);
}

static int
call_control_mode(struct options *o, const char *value)
{
	return parse_mode(value, &o->control_mode);
}

static int
call_socket_owner(struct options *o, const char *value)
{
	return parse_user(value, &o->socket_owner);
}

static int
call_socket_group(struct options *o, const char *value)
{
	return parse_group(value, &o->socket_group);
}

/* --- the table --- */

/* clang-format off */
#define AT(field) offsetof(struct options, field)
#define FLAG(name, field, help) {name, OPT_FLAG, AT(field), 0, 0, NULL, NULL, help}
#define NUM(name, field, min, max, help) {name, OPT_U32, AT(field), min, max, NULL, "N", help}
#define HEX(name, field, min, help) {name, OPT_HEX, AT(field), min, 0, NULL, "MASK", help}
#define STR(name, field, arg, help) {name, OPT_STRING, AT(field), 0, 0, NULL, arg, help}
#define CALL(name, fn, arg, help) {name, OPT_CALL, 0, 0, 0, fn, arg, help}
#define NOP(name) {name, OPT_NOTHING, 0, 0, 0, NULL, NULL, NULL}
#define NOP_ARG(name) {name, OPT_NOTHING_ARG, 0, 0, 0, NULL, "X", NULL}

static const struct opt_row rows[] = {
	FLAG("help", help, "show this text and exit"),
	FLAG("version", version, "print the version and exit"),
	FLAG("print-commands", print_commands, "print the reference of all commands and exit"),
	FLAG("interactive", interactive, "prompt for commands and wait for 'start' (-i)"),
	FLAG("auto-start", auto_start, "start forwarding at once, also with a prompt (-a)"),
	FLAG("tx-first", tx_first, "start by sending a burst from every port"),
	STR("cmdline-file", cmdline_file, "FILE", "run the commands in FILE first"),
	NUM("stats-period", stats_period, 0, UINT32_MAX / 1000,
	    "show statistics every N seconds (without a prompt)"),
	STR("forward-mode", forward_mode, "MODE", "forwarding mode"),
	CALL("port-topology", call_topology, "T",
	    "paired, chained or loop, for modes that forward between pairs"),
	NUM("nb-cores", nb_cores, 1, UINT32_MAX, "workers that forward; default all"),
	NUM("nb-ports", nb_ports, 1, UINT32_MAX, "ports that take part; default all"),
	HEX("coremask", coremask, 1, "lcores that forward"),
	HEX("portmask", portmask, 1, "ports that take part"),
	STR("portlist", portlist, "LIST", "ports that take part, in this order: 0,4-7,NAME"),
	NUM("burst", burst, 1, OPT_BURST_MAX, "frames per burst"),
	NUM("rxq", rxq, 0, OPT_QUEUES_MAX, "RX queues of a port; default what it has"),
	NUM("txq", txq, 0, OPT_QUEUES_MAX, "TX queues of a port; default what it has"),
	NUM("rxd", rxd, 1, UINT16_MAX, "descriptors of an RX ring (a guest decides this itself)"),
	NUM("txd", txd, 1, UINT16_MAX, "descriptors of a TX ring"),
	NUM("rxfreet", rxfreet, 0, UINT16_MAX, "RX free threshold"),
	NUM("txfreet", txfreet, 0, UINT16_MAX, "TX free threshold"),
	NUM("txrst", txrst, 0, UINT16_MAX, "TX RS bit threshold"),
	CALL("txpkts", call_txpkts, "X[,Y]", "segment lengths of generated frames"),
	CALL("eth-peer", call_eth_peer, "P,MAC",
	    "destination address of frames that leave port P (mode mac)"),
	CALL("eth-peers-configfile", call_eth_peers, "FILE", "the same, a line for each port"),
	CALL("tx-ip", call_tx_ip, "SRC,DST", "addresses of frames of mode txonly"),
	CALL("tx-udp", call_tx_udp, "SRC[,DST]", "UDP ports of frames of mode txonly"),
	FLAG("txonly-multi-flow", txonly_multi_flow, "count up their source address"),
	NUM("flowgen-flows", flowgen_flows, 1, UINT32_MAX, "flows mode flowgen makes"),
	NUM("max-pkt-len", max_pkt_len, OPT_LEN_MIN, OPT_LEN_MAX, "longest frame"),
	HEX("rx-offloads", rx_offloads, 0, "RX offloads to report as configured"),
	HEX("tx-offloads", tx_offloads, 0, "TX offloads to report as configured"),
	NUM("total-num-mbufs", total_num_mbufs, 1025, UINT32_MAX,
	    "mbufs, for what a borrowed view cannot do"),
	CALL("mbuf-size", call_mbuf_size, "N", "data room of an mbuf"),
	NUM("mbcache", mbcache, 0, RTE_MEMPOOL_CACHE_MAX_SIZE, "mbufs cached per lcore"),
	FLAG("disable-device-start", disable_device_start,
	    "leave ports stopped until 'port start'"),
	FLAG("disable-link-check", disable_link_check,
	    "do not mention link states when ports change"),
	FLAG("record-core-cycles", record_core_cycles, "measure cycles per packet"),
	FLAG("record-burst-stats", record_burst_stats, "record how full bursts are"),
	CALL("mask-event", call_event, "EVENT", "do not report an event"),
	CALL("print-event", call_event, "EVENT", "report an event"),

	FLAG("poll", poll, "workers never sleep"),
	NUM("idle-us", idle_us, 0, 1000000,
	    "microseconds a worker polls idle queues before it sleeps"),
	NUM("fdb-limit", fdb_limit, 1, OPT_FDB_MAX, "addresses learned in total"),
	NUM("fdb-port-limit", fdb_port_limit, 0, OPT_FDB_MAX,
	    "addresses learned per port, 0: no limit"),
	NUM("fdb-age", fdb_age, 0, OPT_AGE_MAX,
	    "seconds until an unused address is forgotten, 0: never"),
	STR("state-dir", state_dir, "DIR",
	    "where ring state survives a crash; default /run/vqswitch"),
	FLAG("check", check,
	     "run the command file on ports of no device or socket, say what fails, and exit"),
	STR("upgrade-from", upgrade_from, "SOCKET",
	    "take over from the switch with this control socket ('upgrade' does it)"),
	FLAG("no-keep", no_keep,
	     "neither keep settings for a start after a crash nor restore them"),
	STR("control", control, "PATH",
	    "socket vqsctl talks to; default 'control' in the state directory"),
	CALL("control-mode", call_control_mode, "MODE",
	    "permissions of the control socket; default 0600"),
	FLAG("no-control", no_control, "no control socket"),
	STR("metrics", metrics, "WHERE",
	    "serve OpenMetrics text, and a page for browsers, at unix:PATH or 127.0.0.1:PORT"),
	CALL("socket-mode", call_socket_mode, "MODE", "permissions of vhost-user sockets"),
	CALL("socket-owner", call_socket_owner, "USER", "owner of vhost-user sockets"),
	CALL("socket-group", call_socket_group, "GROUP", "group of vhost-user sockets"),

	NOP("numa"), NOP("no-numa"), NOP_ARG("socket-num"), NOP_ARG("port-numa-config"),
	NOP_ARG("ring-numa-config"), NOP_ARG("num-procs"), NOP_ARG("proc-id"), NOP("no-flush-rx"),
	NOP("no-lsc-interrupt"), NOP("no-rmv-interrupt"),
	NOP("disable-crc-strip"), NOP("enable-scatter"), NOP("enable-lro"), NOP("enable-rx-cksum"),
	NOP("enable-rx-timestamp"), NOP("enable-hw-vlan"), NOP("enable-hw-vlan-filter"),
	NOP("enable-hw-vlan-strip"), NOP("enable-hw-vlan-extend"), NOP("enable-hw-qinq-strip"),
	NOP("enable-drop-en"), NOP("disable-rss"), NOP("rss-ip"), NOP("rss-udp"),
	NOP("rss-level-inner"), NOP("rss-level-outer"), NOP_ARG("hairpinq"),
	NOP_ARG("hairpin-mode"),
	NOP_ARG("max-lro-pkt-size"), NOP_ARG("flowgen-clones"),
	NOP_ARG("rxpt"), NOP_ARG("rxht"), NOP_ARG("rxwt"),
	NOP_ARG("txpt"),
	NOP_ARG("txht"), NOP_ARG("txwt"), NOP_ARG("rxoffs"), NOP_ARG("rxpkts"), NOP_ARG("rxhdrs"),
	NOP("multi-rx-mempool"),
	NOP_ARG("eth-link-speed"), NOP_ARG("rxq-share"), NOP_ARG("bitrate-stats"),
	NOP_ARG("latencystats"), NOP("flow-isolate-all"), NOP("hot-plug"),
	NOP_ARG("vxlan-gpe-port"),
	NOP_ARG("geneve-parsed-port"), NOP("mlockall"), NOP("no-mlockall"), NOP_ARG("mp-alloc"),
	NOP_ARG("display-xstats"), NOP_ARG("noisy-tx-sw-buffer-size"),
	NOP_ARG("noisy-tx-sw-buffer-flushtime"), NOP_ARG("noisy-lkup-memory"),
	NOP_ARG("noisy-lkup-num-writes"), NOP_ARG("noisy-lkup-num-reads"),
	NOP_ARG("noisy-lkup-num-reads-writes"), NOP("no-iova-contig"), NOP_ARG("rx-mq-mode"),
};
/* clang-format on */

static bool
takes_argument(enum opt_kind kind)
{
	return kind != OPT_FLAG && kind != OPT_NOTHING;
}

static int
parse_option(const char *text, int base, uint64_t min, uint64_t max, uint64_t *out)
{
	return parse_whole(text, base, min, max, out) ? 0 : -EINVAL;
}

static int
apply(struct options *o, const struct opt_row *r, const char *value)
{
	uint8_t *where = (uint8_t *)o + r->where;
	uint64_t v = 0;

	switch (r->kind) {
	case OPT_FLAG:
		*(bool *)where = true;
		return 0;
	case OPT_U32:
		if (parse_option(value, 10, r->min, r->max, &v) < 0)
			return -EINVAL;
		*(uint32_t *)(void *)where = (uint32_t)v;
		return 0;
	case OPT_HEX:
		return parse_option(value, 16, r->min, UINT64_MAX, (uint64_t *)(void *)where);
	case OPT_STRING:
		*(const char **)(void *)where = value;
		return 0;
	case OPT_CALL:
		return r->call(o, value);
	case OPT_NOTHING:
	case OPT_NOTHING_ARG:
		break;
	}
	return 0;
}

/* --- parsing --- */

static void
bad_value(const struct opt_row *r, const char *value, char *err, size_t errlen)
{
	if (r->kind == OPT_U32 && r->max != UINT32_MAX)
		snprintf(err, errlen, "--%s=%.512s: must be between %u and %u", r->name, value,
			 r->min, r->max);
	else if (r->kind == OPT_U32)
		snprintf(err, errlen, "--%s=%.512s: must be a number, %u or more", r->name, value,
			 r->min);
	else
		snprintf(err, errlen, "--%s=%.512s: not a valid value", r->name, value);
}

static void
fill_getopt(struct option *opts)
{
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		opts[i] = (struct option){
			.name = rows[i].name,
			.has_arg = takes_argument(rows[i].kind) ? required_argument : no_argument,
			.val = (int)i + 256, /* beyond the characters */
		};
	}
}

static int
parse_one(struct options *o, int c, char **argv, char *err, size_t errlen)
{
	const struct opt_row *r;

	switch (c) {
	case 'i':
		o->interactive = true;
		return 0;
	case 'a':
		o->auto_start = true;
		return 0;
	case 'h':
		o->help = true;
		return 0;
	case ':':
		snprintf(err, errlen, "option '%.512s' needs a value", argv[optind - 1]);
		return -EINVAL;
	case '?':
		snprintf(err, errlen, "unknown option '%.512s'", argv[optind - 1]);
		return -EINVAL;
	}
	r = &rows[c - 256];
	if (apply(o, r, optarg) == 0)
		return 0;
	bad_value(r, optarg, err, errlen);
	return -EINVAL;
}

int
options_parse(struct options *o, int argc, char **argv, char *err, size_t errlen)
{
	struct option opts[RTE_DIM(rows) + 1] = {0};
	int c, ret;

	fill_getopt(opts);
	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":iah", opts, NULL)) != -1) {
		ret = parse_one(o, c, argv, err, errlen);
		if (ret < 0)
			return ret;
	}
	if (optind < argc) {
		snprintf(err, errlen, "stray argument '%.512s'", argv[optind]);
		return -EINVAL;
	}
	return 0;
}

void
options_init(struct options *o)
{
	*o = (struct options){
		.burst = 32,
		.rxq = OPT_UNSET,
		.txq = OPT_UNSET,
		.ntxpkts = 1,
		.txpkts = {64},
		.tx_flow = FWD_GEN_FLOW,
		.flowgen_flows = FWD_GEN_FLOWS,
		.total_num_mbufs = 16384,
		.mbuf_size = RTE_MBUF_DEFAULT_BUF_SIZE,
		.mbcache = 250,
		.idle_us = 100,
		.fdb_limit = FDB_LIMIT_DEFAULT,
		.fdb_age = FDB_AGEING_DEFAULT,
		.control_mode = 0600,
		.socket_owner = (uid_t)-1,
		.socket_group = (gid_t)-1,
	};
}

void
options_usage(FILE *out, const char *prog)
{
	fprintf(out,
		"Usage: %s [EAL options] [--vdev=net_vhostN,iface=PATH[,queues=N][,client=1]...] "
		"-- "
		"[options]\n\n",
		prog);
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		char name[64];

		if (rows[i].help == NULL)
			continue;
		snprintf(name, sizeof(name), "--%s%s%s", rows[i].name,
			 rows[i].arg != NULL ? "=" : "", rows[i].arg != NULL ? rows[i].arg : "");
		fprintf(out, "  %-26s %s\n", name, rows[i].help);
	}
	fprintf(out, "\nPorts, of --vdev and \"port attach\":\n");
	kinds_usage(out);
	fprintf(out, "\nEvery other option of dpdk-testpmd is accepted and without effect.\n");
}
