/* SPDX-License-Identifier: BSD-3-Clause */
/* "show ... json": for machines, from the same source as telemetry. */
#include <string.h>

#include "app.h"
#include "cli.h"
#include "show/json.h"

void
cmd_json(struct cmd *c, json_t *value)
{
	if (value == NULL || json_dumpf(value, c->out, JSON_INDENT(2)) != 0)
		c->failed = true;
	else
		cmd_print(c, "\n");
	json_decref(value);
}

/* --- ports --- */

void
cmd_json_ports(struct cmd *c, unsigned int word, json_t *(*fn)(struct cmd *c, const struct port *p))
{
	struct port *one;
	json_t *list;

	if (cmd_num(c, word) != CLI_PORT_ALL) {
		one = cmd_port(c, word);
		if (one != NULL)
			cmd_json(c, fn(c, one));
		return;
	}
	list = json_array();
	for (uint16_t id = 0; id < c->app->sw.nports; id++)
		if (c->app->sw.port[id] != NULL)
			json_array_append_new(list, fn(c, c->app->sw.port[id]));
	cmd_json(c, list);
}

static json_t *
one_port(struct cmd *c, const struct port *p)
{
	static const uint32_t parts[] = {
		REPORT_INFO | REPORT_DETAILS, /* info */
		REPORT_STATS,                 /* stats */
		REPORT_INFO,                  /* summary */
		REPORT_STATS | REPORT_QUEUES, /* xstats */
	};

	return report_port(c->app, p, parts[cmd_choice(c, 2, RTE_DIM(parts))]);
}

static void
cmd_port_json(struct cmd *c)
{
	cmd_json_ports(c, 3, one_port);
}

static json_t *
one_negotiation(struct cmd *c, const struct port *p)
{
	return report_port(c->app, p, REPORT_DETAILS);
}

static void
cmd_negotiation_json(struct cmd *c)
{
	cmd_json_ports(c, 2, one_negotiation);
}

static json_t *
one_drops(struct cmd *c, const struct port *p)
{
	return report_drops(p);
}

static void
cmd_drops_json(struct cmd *c)
{
	cmd_json_ports(c, 2, one_drops);
}

/* --- the switch --- */

static void
cmd_fdb_json(struct cmd *c)
{
	fdb_maintain(c->app->sw.fdb, ev_now_ns());
	cmd_json(c, report_fdb_entries(c->app));
}

static void
cmd_worker_json(struct cmd *c)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < c->app->nworkers; i++)
		json_array_append_new(list, report_worker(c->app, i));
	cmd_json(c, list);
}

static void
cmd_switch_json(struct cmd *c)
{
	cmd_json(c, report_switch(c->app));
}

static const struct cli_row rows[] = {
	{"show switch json", cmd_switch_json,
	 "The running program: version, mode, numbers of things."},
	{"show port (info|stats|summary|xstats) (port_id|all) json", cmd_port_json,
	 "A port, or all in an array; xstats by queue."},
	{"show port (port_id|all) negotiation json", cmd_negotiation_json,
	 "Socket and features of a vhost port."},
	{"show drops (port_id|all) json", cmd_drops_json, "Why frames were dropped."},
	{"show fdb json", cmd_fdb_json, "Counters and addresses of the forwarding database."},
	{"show worker json", cmd_worker_json, "Counters and queues of each worker."},
};

const struct cli_section cli_json = {
	.name = "json",
	.title = "For machines:",
	.summary = "Displaying as JSON.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
