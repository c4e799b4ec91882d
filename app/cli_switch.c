/* SPDX-License-Identifier: BSD-3-Clause */
/* What dpdk-testpmd does not have: the switch itself. */
#include <string.h>

#include <rte_lcore.h>

#include "app.h"

/* --- forwarding database --- */

static bool
print_entry(const struct fdb_entry_info *e, void *arg)
{
	struct cmd *c = arg;

	cmd_print(c, RTE_ETHER_ADDR_PRT_FMT "  %6u  %5u  ", RTE_ETHER_ADDR_BYTES(&e->mac),
		  e->domain, e->port);
	if (e->is_static)
		cmd_print(c, "static\n");
	else
		cmd_print(c, "%5us  %5u\n", e->age_s, e->moves);
	return true;
}

static void
cmd_show_fdb(struct cmd *c)
{
	struct fdb_stats s;

	fdb_maintain(c->app->sw.fdb, ev_now_ns());
	fdb_get_stats(c->app->sw.fdb, &s);
	cmd_print(c, "MAC address        Domain   Port     Age  Moves\n");
	fdb_walk(c->app->sw.fdb, print_entry, c);
	cmd_print(c,
		  "Entries: %" PRIu64 ", learned: %" PRIu64 ", aged: %" PRIu64 ", moved: %" PRIu64
		  ", refused: %" PRIu64 " (limit) %" PRIu64 " (port limit), ring full: %" PRIu64
		  "\n",
		  s.entries, s.learned, s.aged, s.moved, s.refused_limit, s.refused_port_limit,
		  s.ring_full);
}

static void
cmd_flush_fdb(struct cmd *c)
{
	cmd_print(c, "%u addresses forgotten\n",
		  fdb_flush_port(c->app->sw.fdb, FDB_PORT_NONE, false));
}

/* --- drops --- */

static void
drops_of(struct cmd *c, struct port *p)
{
	struct port_stats s;
	uint64_t n;

	port_get_stats(p, &s);
	for (int r = 0; r < DROP_NUM; r++) {
		n = s.rx.drop[r] + s.tx.drop[r];
		if (n != 0)
			cmd_print(c, "%-4u %-16s %14" PRIu64 "  %s\n", p->id, drop_name(r), n,
				  drop_text(r));
	}
}

static void
cmd_show_drops(struct cmd *c)
{
	cmd_print(c, "%-4s %-16s %14s  %s\n", "Port", "Reason", "Frames", "Meaning");
	if (!cmd_each_port(c, 2, drops_of))
		show_valid_ports(c->app, c->out);
}

/* --- workers --- */

static void
cmd_show_worker(struct cmd *c)
{
	const struct app *app = c->app;
	const struct dataplane *dp = dp_live((struct dp_ctl *)(uintptr_t)&app->sw.dp);

	cmd_print(c, "%-6s %-5s %-6s %16s %16s %14s %10s  %s\n", "Worker", "Lcore", "State",
		  "Turns", "Busy turns", "Frames", "Sleeps", "Queues");
	for (uint32_t i = 0; i < app->nworkers; i++) {
		const struct worker *w = app->worker[i];

		cmd_print(c,
			  "%-6u %-5u %-6s %16" PRIu64 " %16" PRIu64 " %14" PRIu64 " %10" PRIu64 " ",
			  i, w->lcore,
			  atomic_load(&app->sw.dp.worker[i].asleep) ? "asleep" : "awake", w->turns,
			  w->busy_turns, w->frames, w->sleeps);
		for (uint32_t q = 0; dp != NULL && q < dp->worker[i].n; q++)
			cmd_print(c, " %u/%u", dp->worker[i].poll[q].port->id,
				  dp->worker[i].poll[q].q->index);
		cmd_print(c, "\n");
	}
}

static const struct cli_row rows[] = {
	{"show fdb", cmd_show_fdb, "Show the addresses learned and where they are."},
	{"clear fdb", cmd_flush_fdb, "Forget all learned addresses."},
	{"show drops (port_id|all)", cmd_show_drops, "Show why frames were dropped."},
	{"show worker", cmd_show_worker, "Show what each worker polls, and how busy it is."},
};

const struct cli_section cli_switching = {
	.name = "switch",
	.title = "Switch:",
	.summary = "Addresses, drops and workers of the switch.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
