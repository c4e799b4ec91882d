/* SPDX-License-Identifier: BSD-3-Clause */
/* "show" and "clear" of what testpmd has, too. */
#include <errno.h>
#include <string.h>

#include "app.h"
#include "show/show.h"
#include "cli/cli.h"
#include "fwd.h"
#include "show/facts.h"
#include "show/running_config.h"

/* --- ports --- */

static void
one_info(struct cmd *c, struct port *p)
{
	show_port_info(c->app, p, c->out);
}

static void
one_stats(struct cmd *c, struct port *p)
{
	show_port_stats(c->app, p, c->out);
}

static void
one_xstats(struct cmd *c, struct port *p)
{
	show_port_xstats(c->app, p, c->out);
}

static void
one_summary(struct cmd *c, struct port *p)
{
	show_port_summary(c->app, p, c->out);
}

static void
cmd_show_port(struct cmd *c)
{
	static void (*const show[])(struct cmd * c, struct port * p) = {
		one_info,
		one_stats,
		one_summary,
		one_xstats,
	};
	unsigned int i = cmd_choice(c, 2, RTE_DIM(show));

	if (show[i] == one_summary)
		show_port_summary_head(c->app, c->out);
	if (!cmd_each_port(c, 3, show[i]))
		show_valid_ports(c->app, c->out);
}

static void
clear_stats(struct cmd *c, struct port *p)
{
	baseline_take(&p->cleared, p);
	cmd_print(c, "\n  NIC statistics for port %u cleared\n", p->id);
}

static void
clear_xstats(struct cmd *c, struct port *p)
{
	baseline_take(&p->cleared, p);
}

static void
clear_nothing(struct cmd *c, struct port *p)
{
}

static void
cmd_clear_port(struct cmd *c)
{
	static void (*const clear[])(struct cmd * c, struct port * p) = {
		clear_nothing,
		clear_stats,
		clear_xstats,
	};

	if (!cmd_each_port(c, 3, clear[cmd_choice(c, 2, RTE_DIM(clear))]))
		show_valid_ports(c->app, c->out);
}

/* --- forwarding --- */

static void
cmd_show_fwd_stats(struct cmd *c)
{
	fwd_show_stats(c->app, c->out);
}

static void
cmd_clear_fwd_stats(struct cmd *c)
{
	fwd_clear_stats(c->app);
}

static void
show_txpkts(struct app *app, FILE *out)
{
	const struct options *o = &app->opt;

	fprintf(out, "Number of segments: %u\nSegment sizes: ", o->ntxpkts);
	for (uint32_t i = 0; i < o->ntxpkts; i++)
		fprintf(out, "%s%u", i > 0 ? "," : "", o->txpkts[i]);
	fprintf(out, "\nSplit packet: %s\n", app->fwd->txsplit);
}

static void
show_rxtx(struct app *app, FILE *out)
{
	fwd_show_rxtx(app, out);
}

static void
show_cores(struct app *app, FILE *out)
{
	fwd_show_cores(app, out);
}

static void
show_txtimes(struct app *app, FILE *out)
{
	fprintf(out, "Interburst gap: %u\nIntraburst gap: %u\n", app->fwd->txtimes[0],
		app->fwd->txtimes[1]);
}

static void
show_no_segments(struct app *app, FILE *out)
{
	fputs("Number of segments: 0\n", out);
}

static void
show_no_offsets(struct app *app, FILE *out)
{
	fputs("Number of offsets: 0\n", out);
}

static void
cmd_show_config(struct cmd *c)
{
	static void (*const show[])(struct app * app, FILE * out) = {
		show_rxtx,        show_cores,       fwd_show_config, show_no_offsets,
		show_no_segments, show_no_segments, show_txpkts,     show_txtimes,
	};

	show[cmd_choice(c, 2, RTE_DIM(show))](c->app, c->out);
}

static void
cmd_show_running(struct cmd *c)
{
	running_print(c->app, c->out);
}

/* --- devices and queues --- */

static void
cmd_show_device(struct cmd *c)
{
	const char *name = cmd_str(c, 3);

	for (uint16_t id = 0; id < c->app->sw.nports; id++) {
		const struct port *p = c->app->sw.port[id];

		if (p != NULL && (cmd_instead(c, 3) || strcmp(name, p->name) == 0))
			show_device(c->app, p, c->out);
	}
}

static void
cmd_show_offload(struct cmd *c)
{
	const struct port *p = cmd_port(c, 2);
	bool tx = !cmd_on(c, 3);

	if (p == NULL)
		return;
	if (cmd_on(c, 4))
		show_offload_capabilities(c->app, p, tx, c->out);
	else
		show_offload_configuration(c->app, p, tx, c->out);
}

static int
show_queue(struct cmd *c, const struct port *p, bool tx, uint16_t q)
{
	struct port_queue_info info;
	int ret = p->ops->queue_info != NULL ? p->ops->queue_info(p, tx, q, &info) : -ENOTSUP;

	if (ret != 0)
		return ret;
	cmd_print(c,
		  "\n********************* Infos for port %-2u, %s queue %-2u "
		  "*********************",
		  p->id, tx ? "TX" : "RX", q);
	if (!tx)
		cmd_print(c, "\nMempool: %s", info.pool != NULL ? info.pool : "NULL");
	cmd_print(c, "\n%s deferred start: off\n%s queue state: %s\n", tx ? "TX" : "RX",
		  tx ? "Tx" : "Rx", p->started ? "started" : "stopped");
	if (!tx)
		cmd_print(c, "RX scattered packets: %s\n", info.scattered ? "on" : "off");
	cmd_print(c, "Number of %s: %u\n\n", tx ? "TXDs" : "RXDs", info.ndesc);
	return 0;
}

static void
cmd_show_queue(struct cmd *c)
{
	const struct port *p = cmd_port(c, 3);
	bool tx = !cmd_on(c, 1);
	uint16_t q = (uint16_t)cmd_num(c, 4);
	struct port_facts f;
	int ret = -EINVAL;

	if (p == NULL)
		return;
	facts_get(c->app, p, &f);
	if (q >= (tx ? f.ntx : f.nrx))
		cmd_print(c, "Invalid %s queue_id=%u\n", tx ? "Tx" : "Rx", q);
	else
		ret = show_queue(c, p, tx, q);
	if (ret != 0)
		cmd_print(c,
			  "Failed to retrieve information for port: %u, %s queue: %u\n"
			  "error desc: %s(%d)\n",
			  p->id, tx ? "TX" : "RX", q, strerror(-ret), ret);
}

static void
cmd_show_macs(struct cmd *c)
{
	const struct port *p = cmd_port(c, 2);

	if (p == NULL)
		return;
	if (!cmd_on(c, 3)) {
		cmd_print(c, "Number of Multicast MAC address added: 0\n");
		return;
	}
	cmd_print(c, "Number of MAC address added: 1\n  " RTE_ETHER_ADDR_PRT_FMT "\n",
		  RTE_ETHER_ADDR_BYTES(&p->mac));
}

static const struct cli_row rows[] = {
	{"show port (info|stats|summary|xstats) (port_id|all)", cmd_show_port,
	 "Display information for port_id, or all."},
	{"clear port (info|stats|xstats) (port_id|all)", cmd_clear_port,
	 "Clear information for port_id, or all."},
	{"show (rxq|txq) info (port_id) (queue_id)", cmd_show_queue,
	 "Display information for configured RX/TX queue."},
	{"show config (rxtx|cores|fwd|rxoffs|rxpkts|rxhdrs|txpkts|txtimes)", cmd_show_config,
	 "Display the given configuration."},
	{"show config", cmd_show_running,
	 "Display everything that is set, as commands that make this switch again."},
	{"show fwd stats all", cmd_show_fwd_stats, "Display statistics for all fwd engines."},
	{"clear fwd stats all", cmd_clear_fwd_stats, "Clear statistics for all fwd engines."},
	{"show port (port_id) (rx_offload|tx_offload) (capabilities|configuration)",
	 cmd_show_offload, "List offloading capabilities or configuration of a port."},
	{"show device info (name|all)", cmd_show_device,
	 "Show general information about devices probed, by name or all."},
	{"show port (port_id) (macs|mcast_macs)", cmd_show_macs,
	 "Display list of mac addresses added to port."},
	{"show port (port_id) (rxq|txq) (queue_id) desc (desc_id) status", cmd_refuse,
	 "Show status of rx|tx descriptor.", "Invalid input: queue id = $4, desc id = $6\n"},
	{"show port (port_id) rxq (queue_id) desc used count", cmd_reply,
	 "Show current number of filled receive packet descriptors.", "Used desc count = 0\n"},
	{"show port (port_id) flow_ctrl", cmd_refuse, "Show flow control info of a port.",
	 "Failed to get current flow ctrl information: err = -95\n"},
	{"show port (port_id) rss-hash", cmd_refuse, "Display the RSS hash functions of port.",
	 "dev_info did not provide a valid hash key size\n"},
	{"show port (port_id) rss-hash key", cmd_refuse,
	 "Display the RSS hash functions and RSS hash key of port.",
	 "dev_info did not provide a valid hash key size\n"},
	{"show port (port_id) rss reta (size) (name)", cmd_refuse,
	 "Display the rss redirection table.", "Invalid redirection table size: $5 (1-0)\n"},
	{"show port (port_id) ptypes", cmd_reply, "Show port supported ptypes for a specific port.",
	 "L2 ptypes unsupported\nL3 ptypes unsupported\nL4 ptypes unsupported\n"
	 "Tunnel ptypes unsupported\nInner L2 ptypes unsupported\n"
	 "Inner L3 ptypes unsupported\nInner L4 ptypes unsupported\n"},
	{"show port (port_id) fec_mode", cmd_refuse, "Show fec mode of a port.",
	 "Function not implemented\n"},
	{"show port (port_id) (module_eeprom|eeprom)", cmd_refuse,
	 "Display the module EEPROM or EEPROM information for port_id.",
	 "operation not supported by device\n"},
	{"show port dcb_tc (port_id)", cmd_refuse, "Display DCB information for port_id.",
	 "\n Failed to get dcb infos on port $3 \n"},
};

const struct cli_section cli_display = {
	.name = "display",
	.title = "Display:",
	.summary = "Displaying port, stats and config information.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
