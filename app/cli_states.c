/* SPDX-License-Identifier: BSD-3-Clause */
/* Port states, and why a port passes no traffic. */
#include <string.h>

#include <rte_common.h>

#include "app.h"
#include "vdev/vdev.h"

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
	g->dev[g->n++] = vhost_port_device(p);
}

static bool
is_member(const struct port *p, const char *vm)
{
	return p != NULL && p->ops == &vhost_port_ops &&
	       (vm == NULL || strcmp(vhost_port_devargs(p)->vm, vm) == 0);
}

/* Every vhost port, or those of a VM. */
static void
group_of(const struct app *app, const char *vm, struct group *g)
{
	for (uint16_t id = 0; id < app->sw.nports; id++)
		if (is_member(app->sw.port[id], vm))
			group_add(g, app->sw.port[id]);
}

static bool
group_listed(struct cmd *c, const char *text, struct group *g)
{
	uint32_t ids[DP_PORTS_MAX];
	int n = options_parse_list(text, ids, RTE_DIM(ids));

	for (int i = 0; i < n; i++) {
		struct port *p = app_port(c->app, ids[i]);

		if (!is_member(p, NULL)) {
			cmd_print(c, "Port %u is not a vhost port\n", ids[i]);
			return false;
		}
		group_add(g, p);
	}
	return true;
}

/** The ports a command names at @p word. False: none, after saying so. */
static bool
group_named(struct cmd *c, unsigned int word, struct group *g)
{
	const char *text = cmd_str(c, word);
	bool ok = true;

	g->n = 0;
	if (strcmp(text, "all") == 0)
		group_of(c->app, NULL, g);
	else if (strncmp(text, "vm=", 3) == 0)
		group_of(c->app, text + 3, g);
	else
		ok = group_listed(c, text, g);
	if (ok && g->n == 0)
		cmd_print(c, "'%s' names no vhost port\n", text);
	c->failed = !ok || g->n == 0;
	return !c->failed;
}

static void
show_states(struct cmd *c, const struct group *g)
{
	for (uint32_t i = 0; i < g->n; i++)
		cmd_print(c, "Port %u: %s\n", g->port[i]->id,
			  vdev_state_name(vdev_state(g->dev[i])));
}

static void
group_driven(struct cmd *c, const struct group *g, int ret)
{
	if (ret < 0)
		cmd_print(c, "Refused, no state has changed: not every port can get there\n");
	c->failed = ret < 0;
	show_states(c, g);
}

/* --- commands --- */

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
		show_states(c, &g);
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

static const struct cli_row rows[] = {
	{"port quiesce (x[,y]*|all|vm=NAME)", cmd_quiesce,
	 "Quiesce ports, all at the same moment: they keep their connections and take what guests "
	 "and frontends say, but nothing is copied. Returns when no copy from or to any of them is "
	 "under way. vm=NAME: the ports with that device argument."},
	{"port resume (x[,y]*|all|vm=NAME)", cmd_resume,
	 "Let quiesced or stopped ports run again."},
	{"port state (x[,y]*|all|vm=NAME)", cmd_show_state, "Show the state ports are in."},
	{"port state (x[,y]*|all|vm=NAME) "
	 "(stop|running|running-p2p|pre-copy|pre-copy-p2p|stop-copy|resuming)",
	 cmd_set_state,
	 "Drive ports to a state, all at the same moment; refused for all when one cannot get "
	 "there. running-p2p is what \"port quiesce\" leads to; pre-copy instead of running while "
	 "the frontend has writes logged."},
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
