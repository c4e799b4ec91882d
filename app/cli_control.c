/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting, stopping and leaving. */
#include "app.h"

static void
cmd_start(struct cmd *c)
{
	if (c->app->sw.forwarding) {
		cmd_print(c, "Packet forwarding already started\n");
		return;
	}
	sw_start(&c->app->sw, true);
}

static void
cmd_stop(struct cmd *c)
{
	if (!c->app->sw.forwarding) {
		cmd_print(c, "Packet forwarding not started\n");
		return;
	}
	cmd_print(c, "Telling cores to stop...\nWaiting for lcores to finish...\n");
	sw_start(&c->app->sw, false);
	cmd_print(c, "\nDone.\n");
}

static void
cmd_quit(struct cmd *c)
{
	cli_quit(c->cli);
}

static void
cmd_help(struct cmd *c)
{
	cli_help(c->cli, c->out, NULL);
}

static void
cmd_help_section(struct cmd *c)
{
	cli_help(c->cli, c->out, cmd_str(c, 1));
}

static const struct cli_row rows[] = {
	{"start", cmd_start, "Start packet forwarding with current configuration."},
	{"stop", cmd_stop, "Stop packet forwarding, and display accumulated statistics."},
	{"quit", cmd_quit, "Quit to prompt."},
	{"help", cmd_help, "List the sections of the help."},
	{"help (control|display|config|ports|switch|all)", cmd_help_section,
	 "Show the commands of a section."},
};

const struct cli_section cli_control = {
	.name = "control",
	.title = "Control forwarding:",
	.summary = "Start and stop forwarding.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
