/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting, stopping and leaving. */
#include <inttypes.h>
#include <string.h>

#include "app.h"
#include "cli.h"
#include "kept_config.h"
#include "testpmd/fwd.h"
#include "show/running_config.h"
#include "wait.h"

static void
cmd_start(struct cmd *c)
{
	fwd_start(c->app, 0, c->out);
}

static void
cmd_start_tx_first(struct cmd *c)
{
	fwd_start(c->app, 1, c->out);
}

static void
cmd_start_tx_first_n(struct cmd *c)
{
	fwd_start(c->app, (uint32_t)cmd_num(c, 2), c->out);
}

static void
cmd_stop(struct cmd *c)
{
	fwd_stop(c->app, c->out);
}

static void
cmd_quit(struct cmd *c)
{
	cli_quit(c->cli);
}

static void
cmd_load(struct cmd *c)
{
	if (cli_load(c->cli, c->words->rest, c->out) == 0)
		cmd_print(c, "Read CLI commands from %s\n", c->words->rest);
	else
		c->failed = true;
}

static void
save(struct cmd *c, const char *path)
{
	int ret = c->app->opt.check ? 0 : config_save(c->app, path);

	if (ret < 0)
		cmd_fail(c, "%s: %s; \"show config\" prints what it would hold\n", path,
			 strerror(-ret));
	else
		cmd_print(c, "Configuration saved to %s\n", path);
	if (ret == 0)
		kept_config_file_changed(c->app->kept);
}

static void
cmd_save(struct cmd *c)
{
	if (c->app->opt.cmdline_file != NULL) {
		save(c, c->app->opt.cmdline_file);
		return;
	}
	cmd_fail(c, "No file was given by --cmdline-file: save config FILE\n");
}

static void
cmd_save_as(struct cmd *c)
{
	save(c, c->words->rest);
}

/* --- waiting for a peer --- */

static const char *
link_name(bool up)
{
	return up ? "up" : "down";
}

static enum wait_end
look_link(struct wait *w)
{
	const struct port *p = app_port(w->app, w->on.link.id);

	if (p == NULL || p != w->on.link.p)
		return WAIT_GONE;
	return p->ops->link_up(p) == w->on.link.up ? WAIT_DONE : WAIT_ON;
}

static void
say_link(const struct wait *w, enum wait_end end)
{
	bool up = w->on.link.up;

	if (end == WAIT_GONE)
		fprintf(w->out, "Port %u is gone\n", w->on.link.id);
	else if (end == WAIT_LATE)
		fprintf(w->out, "Port %u is %s after %" PRIu64 " s\n", w->on.link.id,
			link_name(!up), w->seconds);
	else
		fprintf(w->out, "Port %u is %s\n", w->on.link.id, link_name(up));
}

static const struct wait_kind wait_link = {.look = look_link, .say = say_link};

static void
wait_port(struct cmd *c, uint64_t seconds)
{
	const struct port *p = cmd_port(c, 2);
	struct wait *w = p != NULL ? cmd_wait(c) : NULL;

	if (w == NULL)
		return;
	w->on.link.id = p->id;
	w->on.link.p = p;
	w->on.link.up = cmd_on(c, 3);
	wait_start(w, c->app, &wait_link, seconds);
}

static void
cmd_wait_port(struct cmd *c)
{
	wait_port(c, WAIT_FOREVER);
}

static void
cmd_wait_port_for(struct cmd *c)
{
	wait_port(c, cmd_num(c, 4));
}

/* --- the rest --- */

void
control_running(const struct app *app, FILE *out)
{
	if (app->sw.forwarding)
		fputs("start\n", out);
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
	{"start tx_first", cmd_start_tx_first,
	 "Start packet forwarding with current config after sending one burst of packets."},
	{"start tx_first (bursts)", cmd_start_tx_first_n,
	 "Start packet forwarding after sending that many bursts of packets, 10000 at most."},
	{"stop", cmd_stop, "Stop packet forwarding, and display accumulated statistics."},
	{"wait port (port_id) (up|down)", cmd_wait_port,
	 "Wait until a port has a peer, or has none; ^C ends it."},
	{"wait port (port_id) (up|down) (seconds)", cmd_wait_port_for,
	 "Wait no longer than that; 0: look once."},
	{"load (path)", cmd_load, "Execute the commands in a file."},
	{"save config", cmd_save,
	 "Write what \"show config\" prints to the file of --cmdline-file, whole or not at all."},
	{"save config (path)", cmd_save_as, "The same to another file."},
	{"quit", cmd_quit, "Quit to prompt."},
	{"help", cmd_help, "List the sections of the help."},
	{"help (section|all)", cmd_help_section, "Show the commands of a section."},
};

const struct cli_section cli_control = {
	.name = "control",
	.title = "Control forwarding:",
	.summary = "Start and stop forwarding.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
