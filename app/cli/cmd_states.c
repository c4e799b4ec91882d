/* SPDX-License-Identifier: BSD-3-Clause */
/* Port states, and why a port passes no traffic. */
#include <string.h>

#include <bsd/string.h>
#include <rte_common.h>

#include "app.h"
#include "show/show.h"
#include "cli.h"
#include "vdev/vdev.h"
#include "wait.h"

/* --- the ports of a VM --- */

/** Ports that change their state at the same moment. */
struct group {
	uint32_t n;
	const struct port *port[DP_PORTS_MAX];
	struct vdev *dev[DP_PORTS_MAX];
};

static void
group_add(struct group *g, struct port *p)
{
	g->port[g->n] = p;
	g->dev[g->n++] = virtio_port_device(p);
}

static bool
is_member(const struct port *p, const char *vm)
{
	return p != NULL && p->ops == &virtio_port_ops &&
	       (vm == NULL || strcmp(virtio_port_devargs(p)->vm, vm) == 0);
}

/* Every vhost port, or those of a VM. */
static void
group_of(const struct app *app, const char *vm, struct group *g)
{
	for (uint16_t id = 0; id < app->sw.nports; id++)
		if (is_member(app->sw.port[id], vm))
			group_add(g, app->sw.port[id]);
}

/** NULL, or the number of a port that is none of ours, in @p bad. */
static const uint32_t *
group_listed(const struct app *app, const char *text, struct group *g, uint32_t *bad)
{
	uint32_t ids[DP_PORTS_MAX];
	int n = options_parse_list(text, ids, RTE_DIM(ids));

	for (int i = 0; i < n; i++) {
		struct port *p = app_port(app, ids[i]);

		if (!is_member(p, NULL)) {
			*bad = ids[i];
			return bad;
		}
		group_add(g, p);
	}
	return NULL;
}

/** The ports @p text stands for; the same result. */
static const uint32_t *
group_find(const struct app *app, const char *text, struct group *g, uint32_t *bad)
{
	g->n = 0;
	if (strncmp(text, "vm=", 3) != 0 && strcmp(text, "all") != 0)
		return group_listed(app, text, g, bad);
	group_of(app, *text == 'v' ? text + 3 : NULL, g);
	return NULL;
}

/** The ports a command names at @p word. False: none, after saying so. */
static bool
group_named(struct cmd *c, unsigned int word, struct group *g)
{
	const char *text = cmd_str(c, word);
	uint32_t bad;

	c->failed = true;
	if (group_find(c->app, text, g, &bad) != NULL)
		cmd_print(c, "Port %u is not a vhost port\n", bad);
	else if (g->n == 0)
		cmd_print(c, "'%s' names no vhost port\n", text);
	else
		c->failed = false;
	return !c->failed;
}

static void
show_states(FILE *out, const struct group *g)
{
	for (uint32_t i = 0; i < g->n; i++)
		fprintf(out, "Port %u: %s\n", g->port[i]->id,
			vdev_state_name(vdev_state(g->dev[i])));
}

static void
group_driven(struct cmd *c, const struct group *g, int ret)
{
	if (ret < 0)
		cmd_print(c, "Refused, no state has changed: not every port can get there\n");
	c->failed = ret < 0;
	show_states(c->out, g);
}

/* --- waiting for a state --- */

/* How many are not there yet; the first of them in @p *first. Ports that are gone never will be. */
static int
count_missing(const struct wait *w, struct group *g, uint32_t *first)
{
	uint32_t bad;
	int n = 0;

	if (group_find(w->app, w->on.state.ports, g, &bad) != NULL || g->n == 0)
		return -1;
	for (uint32_t i = g->n; i-- > 0;) {
		if ((int)vdev_state(g->dev[i]) == w->on.state.state)
			continue;
		*first = i;
		n++;
	}
	return n;
}

static enum wait_end
look_states(const struct wait *w)
{
	struct group g;
	uint32_t first;
	int n = count_missing(w, &g, &first);

	if (n < 0)
		return WAIT_GONE;
	return n == 0 ? WAIT_DONE : WAIT_ON;
}

static void
say_states(const struct wait *w, enum wait_end end)
{
	struct group g;
	uint32_t first;

	if (count_missing(w, &g, &first) < 0) {
		fprintf(w->out, "A port of '%s' is gone\n", w->on.state.ports);
		return;
	}
	if (end == WAIT_LATE)
		fprintf(w->out, "After %" PRIu64 " s:\n", w->seconds);
	show_states(w->out, &g);
}

static void
progress_states(const struct wait *w, char *line, size_t len)
{
	struct group g;
	uint32_t first = 0;
	int n = count_missing(w, &g, &first);

	if (n > 0)
		snprintf(line, len, "%" PRIu64 " s, port %u: %s, %d of %u to go", wait_seconds(w),
			 g.port[first]->id, vdev_state_name(vdev_state(g.dev[first])), n, g.n);
}

static const struct wait_kind wait_states = {
	.look = look_states,
	.say = say_states,
	.progress = progress_states,
};

static void
wait_state(struct cmd *c, uint64_t seconds)
{
	struct group g;
	struct wait *w = group_named(c, 2, &g) ? cmd_wait(c) : NULL;

	if (w == NULL)
		return;
	strlcpy(w->on.state.ports, cmd_str(c, 2), sizeof(w->on.state.ports));
	w->on.state.state = vdev_state_parse(cmd_str(c, 3));
	wait_start(w, c->app, &wait_states, seconds);
}

/* --- commands --- */

static void
cmd_wait_state(struct cmd *c)
{
	wait_state(c, WAIT_FOREVER);
}

static void
cmd_wait_state_for(struct cmd *c)
{
	wait_state(c, cmd_num(c, 4));
}

static void
cmd_quiesce(struct cmd *c)
{
	struct group g;

	if (group_named(c, 2, &g))
		group_driven(c, &g, vdev_quiesce(g.dev, g.n));
}

static void
cmd_resume(struct cmd *c)
{
	struct group g;

	if (group_named(c, 2, &g))
		group_driven(c, &g, vdev_resume(g.dev, g.n));
}

static void
cmd_show_state(struct cmd *c)
{
	struct group g;

	if (group_named(c, 2, &g))
		show_states(c->out, &g);
}

static void
cmd_set_state(struct cmd *c)
{
	int state = vdev_state_parse(cmd_str(c, 3));
	struct group g;

	if (group_named(c, 2, &g))
		group_driven(c, &g, vdev_state_set(g.dev, g.n, (enum vdev_state)state));
}

static void
why(struct cmd *c, struct port *p)
{
	char buf[256];
	const char *said = sw_why(&c->app->sw, p, buf, sizeof(buf));

	cmd_print(c, "Port %u (%s): %s\n", p->id, p->name,
		  said != NULL ? said : "nothing keeps it from passing traffic");
}

static void
cmd_why(struct cmd *c)
{
	if (!cmd_each_port(c, 2, why))
		show_valid_ports(c->app, c->out);
}

#define WAIT_STATES "(error|stop|running|running-p2p|pre-copy|pre-copy-p2p|stop-copy|resuming)"

static const struct cli_row rows[] = {
	{"port quiesce (x[,y]*|all|vm=NAME)", cmd_quiesce,
	 "Quiesce ports, all at the same moment: they keep their connections and take what guests "
	 "and front-ends say, but nothing is copied. Returns when no copy from or to any of them "
	 "is "
	 "under way. vm=NAME: the ports with that device argument."},
	{"port resume (x[,y]*|all|vm=NAME)", cmd_resume,
	 "Let quiesced or stopped ports run again."},
	{"port state (x[,y]*|all|vm=NAME)", cmd_show_state, "Show the state ports are in."},
	{"port state (x[,y]*|all|vm=NAME) "
	 "(stop|running|running-p2p|pre-copy|pre-copy-p2p|stop-copy|resuming)",
	 cmd_set_state,
	 "Drive ports to a state, all at the same moment; refused for all when one cannot get "
	 "there. running-p2p is what \"port quiesce\" leads to; pre-copy instead of running while "
	 "the front-end has writes logged."},
	{"wait state (x[,y]*|all|vm=NAME) " WAIT_STATES, cmd_wait_state,
	 "Wait until ports are in a state, as in the course of a migration, and show meanwhile "
	 "which one is not yet; ^C ends it."},
	{"wait state (x[,y]*|all|vm=NAME) " WAIT_STATES " (seconds)", cmd_wait_state_for,
	 "Wait no longer than that; 0: look once."},
	{"why port (port_id|all)", cmd_why,
	 "Say in one sentence what keeps a port from passing traffic."},
};

const struct cli_section cli_states = {
	.name = "states",
	.title = "Port States:",
	.summary = "Quiescing ports, and what keeps them from passing traffic.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
