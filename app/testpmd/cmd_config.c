/* SPDX-License-Identifier: BSD-3-Clause */
/* "set" of what testpmd has, too. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "list.h"
#include "cli/cli.h"
#include "fwd.h"
#include "log_level.h"
#include "base/log.h"
#include "base/parse.h"
#include "show/running_config.h"
#include "switch/modes.h"
#include "switch/publish.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"

#define LIST_MAX DP_PORTS_MAX
#define STOP_FIRST "Please stop forwarding first"
#define TXPKT_MIN 42 /* Ethernet, IPv4 and UDP headers */

/* --- modes --- */

static void
set_mode(struct cmd *c, bool retry)
{
	fwd_set_mode(c->app, fwd_mode_by_name(cmd_str(c, 2)));
	c->app->fwd->retry = retry;
	fwd_set_watch(c->app);
	cmd_print(c, "Set %s packet forwarding mode%s\n", cmd_str(c, 2),
		  retry ? " with retry" : "");
}

static void
cmd_set_fwd(struct cmd *c)
{
	set_mode(c, false);
}

static void
cmd_set_fwd_retry(struct cmd *c)
{
	set_mode(c, true);
}

static void
cmd_set_topology(struct cmd *c)
{
	c->app->sw.topology = (enum sw_topology)cmd_choice(c, 2, OPT_TOPOLOGIES);
	sw_publish(&c->app->sw);
}

/* --- numbers --- */

static void
set_nbport(struct cmd *c, uint32_t n)
{
	uint16_t list[DP_PORTS_MAX], have;

	c->app->sw.listed = false;
	have = fwd_ports(c->app, list);
	if (n > have) {
		cmd_fail(c, "nb fwd ports %u > %u (number of configured ports) - ignored\n", n,
			 have);
		return;
	}
	sw_list_ports(&c->app->sw, list, (uint16_t)n);
	cmd_print(c, "Number of forwarding ports set to %u\n", n);
	fwd_setup(c->app, c->out);
	sw_publish(&c->app->sw);
}

static void
set_nbcore(struct cmd *c, uint32_t n)
{
	if (cmd_must_stop(c, STOP_FIRST))
		return;
	if (n > c->app->fwd->ncores) {
		cmd_fail(c, "nb fwd cores %u > %u (max. number of configured lcores) - ignored\n",
			 n, c->app->fwd->ncores);
		return;
	}
	if (n == 0) { /* the switch takes 0 for all */
		cmd_fail(c, "nb fwd cores 0 < 1 - ignored\n");
		return;
	}
	fwd_set_cores(c->app, n);
	cmd_print(c, "Number of forwarding cores set to %u\n", n);
}

static void
set_burst(struct cmd *c, uint32_t n)
{
	if (n > OPT_BURST_MAX) {
		cmd_fail(c, "nb pkt per burst: %u > %u (maximum packet per burst)  ignored\n", n,
			 OPT_BURST_MAX);
		return;
	}
	fwd_set_burst(c->app, n);
	cmd_print(c, "Number of packets per burst set to %u\n", n);
}

static void
set_verbose(struct cmd *c, uint32_t n)
{
	cmd_print(c, "Change verbose level from %u to %u\n", c->app->fwd->verbose, n);
	c->app->fwd->verbose = n;
	fwd_set_watch(c->app);
}

static void
cmd_set_number(struct cmd *c)
{
	static void (*const set[])(struct cmd * c, uint32_t n) = {
		set_nbport,
		set_nbcore,
		set_burst,
		set_verbose,
	};

	set[cmd_choice(c, 1, RTE_DIM(set))](c, (uint32_t)cmd_num(c, 2));
}

static void
cmd_set_retry(struct cmd *c)
{
	c->app->fwd->retry_us = (uint32_t)cmd_num(c, 4);
	c->app->fwd->retry_num = (uint32_t)cmd_num(c, 6);
	fwd_set_watch(c->app);
}

/* --- lists and masks --- */

static bool
all_differ(struct cmd *c, const char *what, const uint32_t *ids, int n)
{
	for (int i = 0; i < n; i++) {
		for (int j = i + 1; j < n; j++) {
			if (ids[i] != ids[j])
				continue;
			cmd_fail(c, "duplicated %s %u at index %d and %d\n", what, ids[i], i, j);
			return false;
		}
	}
	return true;
}

static void
use_ports(struct cmd *c, const uint32_t *ids, int n)
{
	uint16_t list[LIST_MAX];

	if (!all_differ(c, "port", ids, n))
		return;
	for (int i = 0; i < n; i++) {
		if (app_port(c->app, ids[i]) == NULL) {
			cmd_fail(c, "Invalid port %u\n", ids[i]);
			return;
		}
		list[i] = (uint16_t)ids[i];
	}
	fwd_set_ports(c->app, list, (uint16_t)n, c->out);
}

static void
use_cores(struct cmd *c, const uint32_t *ids, int n)
{
	uint32_t before;

	if (cmd_must_stop(c, STOP_FIRST))
		return;
	if (!all_differ(c, "core", ids, n))
		return;
	before = c->app->fwd->nb_cores;
	if (fwd_list_cores(c->app, ids, (uint32_t)n, c->out) < 0)
		c->failed = true;
	else if (before != (uint32_t)n)
		cmd_print(c,
			  "previous number of forwarding cores %u - changed to number of "
			  "configured cores "
			  "%d\n",
			  before, n);
}

static void
cmd_set_list(struct cmd *c)
{
	uint32_t ids[LIST_MAX];
	bool ports = cmd_on(c, 1);
	const struct list_kind k = {.max = UINT16_MAX,
				    .ranges = true,
				    .names = ports ? &c->app->sw : NULL};
	int n = list_parse(c->words->rest, &k, ids, LIST_MAX);

	if (n < 0)
		cmd_bad_argument(c, c->words->rest,
				 ports ? "ports by number or name, such as 0,4-7,net_vhost9"
				       : "numbers and ranges of them, such as 0,4-7");
	else if (ports)
		use_ports(c, ids, n);
	else
		use_cores(c, ids, n);
}

static void
cmd_set_mask(struct cmd *c)
{
	uint64_t mask = cmd_num(c, 2);
	bool ports = cmd_on(c, 1);
	uint32_t ids[64];
	int n = 0;

	for (uint32_t i = 0; i < 64; i++)
		if (mask >> i & 1)
			ids[n++] = i;
	if (n == 0)
		cmd_fail(c, "Invalid NULL mask of %s\n", ports ? "ports" : "cores");
	else if (ports)
		use_ports(c, ids, n);
	else
		use_cores(c, ids, n);
}

/* --- generated frames --- */

static void
cmd_set_txpkts(struct cmd *c)
{
	const struct options *o = &c->app->opt;
	uint32_t list[OPT_TXPKTS_MAX], total = 0;
	int n = list_parse(cmd_str(c, 2), &list_of_numbers, list, OPT_TXPKTS_MAX);

	for (int i = 0; i < n; i++) {
		if (list[i] > o->mbuf_size) {
			cmd_fail(c, "length[%d]=%u > mbuf_data_size=%u - give up\n", i, list[i],
				 o->mbuf_size);
			return;
		}
		total += list[i];
	}
	if (n < 0) {
		cmd_bad_argument(c, cmd_str(c, 2), "lengths of segments, such as 64,128");
		return;
	}
	if (total < TXPKT_MIN) {
		cmd_fail(c, "total packet length=%u < %u - give up\n", total, TXPKT_MIN);
		return;
	}
	fwd_set_frame(c->app, list, (uint32_t)n);
}

static void
cmd_set_txsplit(struct cmd *c)
{
	static const char *const words[] = {"off", "on", "rand"};
	unsigned int i = cmd_choice(c, 2, RTE_DIM(words));

	c->app->fwd->txsplit = words[i];
	c->app->sw.gen.random = i == RTE_DIM(words) - 1;
	sw_publish(&c->app->sw);
}

static void
cmd_set_txtimes(struct cmd *c)
{
	uint32_t list[2];

	if (list_parse(cmd_str(c, 2), &list_of_numbers, list, 2) != 2)
		cmd_bad_argument(c, cmd_str(c, 2), "two numbers, such as 10,0");
	else
		memcpy(c->app->fwd->txtimes, list, sizeof(list));
}

/* --- ports --- */

static void
cmd_set_eth_peer(struct cmd *c)
{
	struct port *p = cmd_port(c, 2);

	if (p == NULL)
		return;
	p->eth_peer = c->words->w[3].mac;
	sw_publish(&c->app->sw);
}

/* A port without the operation filters nothing, and cannot be told to. */
static int
set_rx_filter(int (*op)(struct port *p, bool on), struct port *p, bool on)
{
	if (op != NULL)
		return op(p, on);
	return on ? 0 : -ENOTSUP;
}

static void
set_promisc(struct cmd *c, struct port *p)
{
	bool on = cmd_on(c, 3);
	int ret = set_rx_filter(p->ops->set_promisc, p, on);

	if (ret < 0)
		cmd_print(c, "Error during %s promiscuous mode for port %u: %s\n",
			  on ? "enabling" : "disabling", p->id, strerror(-ret));
}

static void
set_allmulti(struct cmd *c, struct port *p)
{
	bool on = cmd_on(c, 3);
	int ret = set_rx_filter(p->ops->set_allmulti, p, on);

	if (ret < 0)
		cmd_print(c, "Error during %s all-multicast mode for port %u: %s\n",
			  on ? "enabling" : "disabling", p->id, strerror(-ret));
}

static void
cmd_set_promisc(struct cmd *c)
{
	cmd_each_port(c, 2, set_promisc);
}

static void
cmd_set_allmulti(struct cmd *c)
{
	cmd_each_port(c, 2, set_allmulti);
}

/* Operations of "mac_addr", in the order of its syntax. */
enum { MAC_ADD, MAC_REMOVE, MAC_SET, MAC_OPS };

static void
cmd_mac_addr(struct cmd *c)
{
	struct port *p = cmd_port(c, 2);
	int ret = -ENOTSUP;

	if (p == NULL)
		return;
	if (cmd_choice(c, 1, MAC_OPS) == MAC_SET && p->ops->set_mac != NULL)
		ret = p->ops->set_mac(p, &c->words->w[3].mac);
	if (ret < 0)
		cmd_fail(c, "mac_addr_cmd error: (%s)\n", strerror(-ret));
}

/* --- switches of the program --- */

static void
cmd_set_record_cycles(struct cmd *c)
{
	c->app->opt.record_core_cycles = cmd_on(c, 2);
}

static void
cmd_set_record_bursts(struct cmd *c)
{
	c->app->opt.record_burst_stats = cmd_on(c, 2);
	fwd_set_watch(c->app);
}

static void
cmd_set_hide_zero(struct cmd *c)
{
	c->app->hide_zero = cmd_on(c, 2);
}

/* A guest's link is its front-end's: no command sets it. */
static void
set_link(struct cmd *c, bool up)
{
	struct port *p = cmd_port(c, 3);

	if (p == NULL || (p->ops->set_link != NULL && p->ops->set_link(p, up) == 0))
		return;
	cmd_fail(c, "\nSet link %s fail.\n", up ? "up" : "down");
}

static void
cmd_set_link_up(struct cmd *c)
{
	set_link(c, true);
}

static void
cmd_set_link_down(struct cmd *c)
{
	set_link(c, false);
}

static void
cmd_set_link_check(struct cmd *c)
{
	c->app->fwd->no_link_check = !cmd_on(c, 2);
}

static void
cmd_set_log(struct cmd *c)
{
	const char *type = cmd_str(c, 2);
	uint32_t level = (uint32_t)cmd_num(c, 3);

	if (log_level_set(type, level) < 0)
		cmd_fail(c, "Set log %s %u failed\n", type, level);
}

static void
cmd_set_default(struct cmd *c)
{
	c->app->sw.listed = false;
	fwd_setup(c->app, c->out);
	fwd_set_cores(c->app, c->app->fwd->ncores);
}

/* --- show config --- */

static void
print_list(FILE *out, const char *command, const uint32_t *list, uint32_t n)
{
	fputs(command, out);
	for (uint32_t i = 0; i < n; i++)
		fprintf(out, "%c%u", i == 0 ? ' ' : ',', list[i]);
	fputc('\n', out);
}

static void
print_ranges(FILE *out, const char *command, const uint32_t *list, uint32_t n)
{
	fprintf(out, "%s ", command);
	list_print(out, list, n);
	fputc('\n', out);
}

static void
port_running(const struct app *app, const struct port *p, FILE *out)
{
	struct rte_ether_addr peer = fwd_default_peer(p);

	if (!rte_is_same_ether_addr(&peer, &p->eth_peer))
		fprintf(out, "set eth-peer %u " RTE_ETHER_ADDR_PRT_FMT "\n", p->id,
			RTE_ETHER_ADDR_BYTES(&p->eth_peer));
}

static void
list_running(const struct sw *s, FILE *out)
{
	uint32_t list[DP_PORTS_MAX], n = 0;

	/* ends of tunnels join the list when their VNI makes them */
	for (uint16_t i = 0; i < s->nlist; i++)
		if (!s->port[s->list[i]]->tunnel)
			list[n++] = s->list[i];
	if (s->listed && n == 0)
		fputs("set nbport 0\n", out);
	else if (s->listed)
		print_ranges(out, "set portlist", list, n);
}

/* A list that is as good as none depends on the lcores there are less. */
static void
cores_running(const struct app *app, FILE *out)
{
	const struct fwd *f = app->fwd;
	uint32_t list[DP_WORKERS_MAX];

	for (uint32_t i = 0; i < f->ncores; i++)
		list[i] = app->worker[f->core[i]]->lcore;
	if (f->ncores != app->nworkers)
		print_ranges(out, "set corelist", list, f->ncores);
	fprintf(out, "set nbcore %u\n", f->nb_cores);
}

void
config_running(const struct app *app, FILE *out)
{
	const struct fwd *f = app->fwd;

	fprintf(out, "set fwd %s%s\n", f->mode->name, f->retry ? " retry" : "");
	fprintf(out, "set burst tx delay %u retry %u\n", f->retry_us, f->retry_num);
	fprintf(out, "set topology %s\n", options_topologies[app->sw.topology]);
	fprintf(out, "set burst %u\nset verbose %u\n", f->burst, f->verbose);
	cores_running(app, out);
	print_list(out, "set txpkts", app->opt.txpkts, app->opt.ntxpkts);
	fprintf(out, "set txsplit %s\n", f->txsplit);
	print_list(out, "set txtimes", f->txtimes, RTE_DIM(f->txtimes));
	fprintf(out, "set link_check %s\n", f->no_link_check ? "off" : "on");
	fprintf(out, "set record-core-cycles %s\n", app->opt.record_core_cycles ? "on" : "off");
	fprintf(out, "set xstats-hide-zero %s\n", app->hide_zero ? "on" : "off");
	fprintf(out, "set record-burst-stats %s\n", app->opt.record_burst_stats ? "on" : "off");
	log_level_print(out);
	running_each_port(app, out, port_running);
	list_running(&app->sw, out);
}

static const struct cli_row rows[] = {
	{"set fwd (mode)", cmd_set_fwd, "Set packet forwarding mode."},
	{"set fwd (mode) retry", cmd_set_fwd_retry, "Set packet forwarding mode, with retry."},
	{"set topology (paired|chained|loop)", cmd_set_topology,
	 "Set who a port's peer is in modes that forward between pairs of ports."},
	{"set default", cmd_set_default, "Reset forwarding to the default configuration."},
	{"set (nbport|nbcore|burst|verbose) (num)", cmd_set_number,
	 "Set number of ports, of cores, of packets per burst, or the debug verbosity level."},
	{"set burst tx delay (num) retry (num)", cmd_set_retry,
	 "Set the transmit delay time and number of retries, effective when retry is enabled."},
	{"set (portlist|corelist) (a[,b-c]*)", cmd_set_list,
	 "Set the list of forwarding ports or cores."},
	{"set (portmask|coremask) (mask)", cmd_set_mask,
	 "Set the forwarding ports or cores hexadecimal mask."},
	{"set txpkts (x[,y]*)", cmd_set_txpkts,
	 "Set the length of each segment of TXONLY packets."},
	{"set txsplit (off|on|rand)", cmd_set_txsplit, "Set the split policy for the TX packets."},
	{"set txtimes (x[,y]*)", cmd_set_txtimes,
	 "Set the scheduling on timestamps timings for the TXONLY mode."},
	{"set (rxpkts|rxoffs|rxhdrs) (x[,y]*)", cmd_reply,
	 "Set how packets are split on receiving; no port does that.", ""},
	{"set eth-peer (port_id) (XX:XX:XX:XX:XX:XX)", cmd_set_eth_peer,
	 "Set the peer address for certain port."},
	{"set promisc (port_id|all) (on|off)", cmd_set_promisc,
	 "Set the promiscuous mode on port_id, or all."},
	{"set allmulti (port_id|all) (on|off)", cmd_set_allmulti,
	 "Set the allmulti mode on port_id, or all."},
	{"mac_addr (add|remove|set) (port_id) (XX:XX:XX:XX:XX:XX)", cmd_mac_addr,
	 "Add, remove or set the MAC address of port_id."},
	{"mcast_addr add (port_id) (XX:XX:XX:XX:XX:XX)", cmd_refuse,
	 "Add a multicast MAC address on port_id.",
	 "rte_eth_dev_set_mc_addr_list(port=$2, nb=1) failed. diag=-95\n"},
	{"mcast_addr remove (port_id) (XX:XX:XX:XX:XX:XX)", cmd_refuse,
	 "Remove a multicast MAC address from port_id.",
	 "multicast address not filtered by port $2\n"},
	{"set link-up port (port_id)", cmd_set_link_up, "Set link up for a port."},
	{"set link-down port (port_id)", cmd_set_link_down, "Set link down for a port."},
	{"set link_check (on|off)", cmd_set_link_check,
	 "Whether link states are mentioned when ports start and stop."},
	{"set record-core-cycles (on|off)", cmd_set_record_cycles,
	 "Set the option to enable measurement of CPU cycles."},
	{"set record-burst-stats (on|off)", cmd_set_record_bursts,
	 "Set the option to enable display of RX and TX bursts."},
	{"set xstats-hide-zero (on|off)", cmd_set_hide_zero,
	 "Set the option to hide the zero values for xstats display."},
	{"set flush_rx (on|off)", cmd_reply,
	 "Flush or don't flush RX streams before forwarding; guests keep their frames.", ""},
	{"set log (name) (level)", cmd_set_log,
	 "Set the log level, 0 to 8 or by name (debug, info, notice, warning, error...): of a "
	 "type, or "
	 "global."},
};

const struct cli_section cli_config = {
	.name = "config",
	.title = "Configuration:",
	.summary = "Configuration information.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
