/* SPDX-License-Identifier: BSD-3-Clause */
/* "show ... json": for machines, from the same source as telemetry. */
#include <inttypes.h>
#include <string.h>

#include "app.h"
#include "cli.h"
#include "show/view.h"
#include "wait.h"

#define PARTS_AT_ONCE 8 /* of 4 KiB */

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

/* The next bytes of a view. 0: the end, -1: no memory. */
static ssize_t
print_part(struct view *v, FILE *out)
{
	char buf[4096];
	ssize_t n = view_read(v, buf, sizeof(buf));

	if (n > 0)
		fwrite(buf, 1, (size_t)n, out);
	return n;
}

static enum wait_end
look_view(struct wait *w)
{
	ssize_t n = w->on.view != NULL ? print_part(w->on.view, w->out) : -1;

	return n > 0 ? WAIT_ON : n == 0 ? WAIT_DONE : WAIT_GONE;
}

static void
say_view(const struct wait *w, enum wait_end end)
{
	view_free(w->on.view);
}

static void
end_view(struct wait *w)
{
	view_free(w->on.view);
	w->on.view = NULL;
}

static const struct wait_kind wait_view = {
	.look = look_view,
	.say = say_view,
	.end = end_view,
	.talks = true,
	.busy = true,
};

/* Small ones at once; the rest of a large one for a client in parts, as others have to wait. */
static void
print_whole(struct cmd *c, struct view *v)
{
	struct wait *w = cmd_parts(c);
	ssize_t n = 1;

	for (int i = 0; n > 0 && (w == NULL || i < PARTS_AT_ONCE); i++)
		n = print_part(v, c->out);
	if (n > 0) {
		w->on.view = v;
		wait_start(w, c->app, &wait_view, WAIT_FOREVER);
		return;
	}
	c->failed = n < 0;
	view_free(v);
}

/* Print a view; @p words of it have a '*' where the port of word @p word is. */
static void
print_view(struct cmd *c, const char *words, unsigned int word)
{
	size_t at = strcspn(words, "*");
	char port[24] = "all", path[64];
	struct view *v;

	if (words[at] == '*' && cmd_num(c, word) != CLI_PORT_ALL) {
		if (cmd_port(c, word) == NULL)
			return;
		snprintf(port, sizeof(port), "%" PRIu64, cmd_num(c, word));
	}
	snprintf(path, sizeof(path), "%.*s%s%s", (int)at, words, words[at] == '*' ? port : "",
		 words[at] == '*' ? words + at + 1 : "");
	v = view_new(c->app, path);
	if (v == NULL)
		c->failed = true;
	else
		print_whole(c, v);
}

static void
cmd_port_json(struct cmd *c)
{
	static const char *const views[] = {"port/info/*", "port/stats/*", "port/summary/*",
					    "port/xstats/*"};

	print_view(c, views[cmd_choice(c, 2, RTE_DIM(views))], 3);
}

static void
cmd_port_part_json(struct cmd *c)
{
	static const char *const views[] = {"port/*/negotiation", "port/*/why"};

	print_view(c, views[cmd_choice(c, 3, RTE_DIM(views))], 2);
}

static void
cmd_drops_json(struct cmd *c)
{
	print_view(c, "drops/*", 2);
}

static void
cmd_fdb_json(struct cmd *c)
{
	print_view(c, "fdb", 0);
}

static void
cmd_worker_json(struct cmd *c)
{
	print_view(c, "worker", 0);
}

static void
cmd_switch_json(struct cmd *c)
{
	print_view(c, "switch", 0);
}

static const struct cli_row rows[] = {
	{"show switch json", cmd_switch_json,
	 "The running program: version, mode, numbers of things."},
	{"show port (info|stats|summary|xstats) (port_id|all) json", cmd_port_json,
	 "A port, or all in an array; xstats by queue."},
	{"show port (port_id|all) (negotiation|why) json", cmd_port_part_json,
	 "Socket and features of a vhost port; the sentence of \"why port\"."},
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
