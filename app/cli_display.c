/* SPDX-License-Identifier: BSD-3-Clause */
/* "show" and "clear" of what testpmd has, too. */
#include <string.h>

#include "app.h"

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
	show_port_summary(p, c->out);
}

static void
cmd_show_port(struct cmd *c)
{
	static const struct {
		const char *what;
		void (*fn)(struct cmd *c, struct port *p);
	} table[] = {
		{"info", one_info},
		{"stats", one_stats},
		{"xstats", one_xstats},
		{"summary", one_summary},
	};
	size_t i = 0;

	while (strcmp(table[i].what, cmd_str(c, 2)) != 0)
		i++;
	if (table[i].fn == one_summary)
		show_port_summary_head(c->app, c->out);
	if (!cmd_each_port(c, 3, table[i].fn))
		show_valid_ports(c->app, c->out);
}

static void
clear_one(struct cmd *c, struct port *p)
{
	port_clear_stats(p);
	cmd_print(c, "\n  NIC statistics for port %u cleared\n", p->id);
}

static void
cmd_clear_port(struct cmd *c)
{
	if (!cmd_each_port(c, 3, clear_one))
		show_valid_ports(c->app, c->out);
}

static const struct cli_row rows[] = {
	{"show port (info|stats|summary|xstats) (port_id|all)", cmd_show_port,
	 "Display information for port_id, or all."},
	{"clear port (stats|xstats) (port_id|all)", cmd_clear_port,
	 "Clear information for port_id, or all."},
};

const struct cli_section cli_display = {
	.name = "display",
	.title = "Display:",
	.summary = "Displaying port, stats and config information.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
