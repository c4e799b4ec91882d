/* SPDX-License-Identifier: BSD-3-Clause */
/* Following what happens, and the lines of the log. */
#include <time.h>

#include "app.h"
#include "base/log_tail.h"
#include "cli.h"
#include "events.h"
#include "wait.h"

#define SECOND_NS UINT64_C(1000000000)
#define MS_NS 1000000

/* --- monitor --- */

static enum wait_end
look_monitor(struct wait *w)
{
	if (w->on.monitor == NULL)
		return WAIT_DONE;
	events_serve(w->app, w->on.monitor);
	return WAIT_ON;
}

static void
say_monitor(const struct wait *w, enum wait_end end)
{
}

static void
end_monitor(struct wait *w)
{
	events_leave(w->app, w->on.monitor);
	w->on.monitor = NULL;
}

static const struct wait_kind wait_monitor = {
	.look = look_monitor,
	.say = say_monitor,
	.end = end_monitor,
	.talks = true,
};

static void
monitor(struct cmd *c, bool json)
{
	struct wait *w = NULL;

	if (events_are_full(c->app))
		cmd_fail(c, "As many clients follow events as may\n");
	else
		w = cmd_wait(c);
	if (w == NULL)
		return;
	w->on.monitor = events_follow(c->app, w, json);
	if (w->on.monitor == NULL)
		cmd_fail(c, "Out of memory\n");
	else
		wait_start(w, c->app, &wait_monitor, WAIT_FOREVER);
}

static void
cmd_monitor(struct cmd *c)
{
	monitor(c, false);
}

static void
cmd_monitor_json(struct cmd *c)
{
	monitor(c, true);
}

/* --- log --- */

static void
print_line(struct cmd *c, const struct log_tail_line *l)
{
	const time_t s = (time_t)(l->wall_ns / SECOND_NS);
	char when[32];
	struct tm tm = {0};

	gmtime_r(&s, &tm);
	strftime(when, sizeof(when), "%F %T", &tm);
	cmd_print(c, "%s.%03u %s%s%s\n", when, (unsigned int)(l->wall_ns % SECOND_NS / MS_NS),
		  l->tag, l->tag[0] != '\0' ? ": " : "", l->text);
}

static void
cmd_log(struct cmd *c)
{
	struct log_tail_line l;
	uint64_t at = 0, end = log_tail_end();

	while (at < end && log_tail_next(&at, &l))
		print_line(c, &l);
}

static const struct cli_row rows[] = {
	{"monitor", cmd_monitor,
	 "Follow events: ports, links, connections, addresses, upgrades, errors; a line each."},
	{"monitor json", cmd_monitor_json, "The same, each as a JSON object."},
	{"show log", cmd_log, "The last lines of the switch's own that were logged, in UTC."},
};

const struct cli_section cli_events = {
	.name = "events",
	.title = "Events:",
	.summary = "Following what happens.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
