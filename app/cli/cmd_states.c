/* SPDX-License-Identifier: BSD-3-Clause */
/* Port states, and why a port passes no traffic. */
#include <string.h>

#include <bsd/string.h>
#include <rte_common.h>

#include "app.h"
#include "list.h"
#include "show/show.h"
#include "cli.h"
#include "nodes.h"
#include "switch/port_kind.h"
#include "wait.h"
#include "switch/why.h"

#define HARDWARE_SECONDS 10 /* to release rings */

/* --- the ports of a VM --- */

/** Ports that change their state at the same moment. */
struct group {
	uint32_t n;
	struct port *port[DP_PORTS_MAX];
};

static bool
is_member(const struct port *p, const char *vm)
{
	return p != NULL && p->ops->states != NULL &&
	       (vm == NULL || strcmp(p->ops->states->vm(p), vm) == 0);
}

/* Every port that has states, or those of a VM. */
static void
group_of(const struct app *app, const char *vm, struct group *g)
{
	for (uint16_t id = 0; id < app->sw.nports; id++)
		if (is_member(app->sw.port[id], vm))
			g->port[g->n++] = app->sw.port[id];
}

/** NULL, or the number of a port that has no states, in @p bad. */
static const uint32_t *
group_listed(const struct app *app, const char *text, struct group *g, uint32_t *bad)
{
	const struct list_kind ports = {.max = UINT16_MAX, .ranges = true, .names = &app->sw};
	uint32_t ids[DP_PORTS_MAX];
	int n = list_parse(text, &ports, ids, RTE_DIM(ids));

	for (int i = 0; i < n; i++) {
		struct port *p = app_port(app, ids[i]);

		if (!is_member(p, NULL)) {
			*bad = ids[i];
			return bad;
		}
		g->port[g->n++] = p;
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

	if (group_find(c->app, text, g, &bad) != NULL)
		cmd_fail(c, "Port %u has no states\n", bad);
	else if (g->n == 0)
		cmd_fail(c, "'%s' names no port with states\n", text);
	return !c->failed;
}

static const char *
state_of(const struct port *p)
{
	return p->ops->states->get(p);
}

static void
show_states(FILE *out, const struct group *g)
{
	for (uint32_t i = 0; i < g->n; i++)
		fprintf(out, "Port %u: %s\n", g->port[i]->id, state_of(g->port[i]));
}

/* Those that change together; NULL after a refusal. */
static const struct port_state_ops *
common_states(struct cmd *c, const struct group *g)
{
	const struct port_state_ops *states = g->port[0]->ops->states;

	for (uint32_t i = 1; i < g->n; i++) {
		if (g->port[i]->ops->states == states)
			continue;
		cmd_fail(c, "Refused: ports %u and %u cannot change at the same moment\n",
			 g->port[0]->id, g->port[i]->id);
		return NULL;
	}
	return states;
}

static void
group_driven(struct cmd *c, const struct group *g, int ret)
{
	if (ret < 0)
		cmd_fail(c, "Refused, no state has changed: not every port can get there\n");
	show_states(c->out, g);
}

/* --- waiting for a state --- */

/** Whether a port is not in a state; in none in which frames stand still, if none is named. */
static bool
is_missing(const struct port *p, const char *wanted)
{
	if (*wanted != '\0')
		return strcmp(state_of(p), wanted) != 0;
	return p->ops->states->moves(state_of(p));
}

/* How many are not there yet; the first of them in @p *first. Ports that are gone never will be. */
static int
count_missing(const struct wait *w, struct group *g, uint32_t *first)
{
	uint32_t bad;
	int n = 0;

	if (group_find(w->app, w->on.state.ports, g, &bad) != NULL || g->n == 0)
		return -1;
	for (uint32_t i = g->n; i-- > 0;) {
		if (!is_missing(g->port[i], w->on.state.state))
			continue;
		*first = i;
		n++;
	}
	return n;
}

static enum wait_end
look_states(struct wait *w)
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
			 g.port[first]->id, state_of(g.port[first]), n, g.n);
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
	strlcpy(w->on.state.state, cmd_str(c, 3), sizeof(w->on.state.state));
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

/** Hardware may need a while to release rings. */
static void
wait_for_hardware(struct cmd *c, const struct group *g)
{
	struct wait *w;
	uint32_t i;

	for (i = 0; i < g->n && !is_missing(g->port[i], ""); i++)
		;
	w = i < g->n ? cmd_wait(c) : NULL;
	if (w == NULL)
		return;
	strlcpy(w->on.state.ports, cmd_str(c, 2), sizeof(w->on.state.ports));
	w->on.state.state[0] = '\0';
	wait_start(w, c->app, &wait_states, HARDWARE_SECONDS);
}

static void
cmd_quiesce(struct cmd *c)
{
	const struct port_state_ops *s;
	struct group g;

	if (!group_named(c, 2, &g) || (s = common_states(c, &g)) == NULL)
		return;
	group_driven(c, &g, s->quiesce(g.port, g.n));
	if (!c->failed)
		wait_for_hardware(c, &g);
}

static void
cmd_resume(struct cmd *c)
{
	const struct port_state_ops *s;
	struct group g;

	if (group_named(c, 2, &g) && (s = common_states(c, &g)) != NULL)
		group_driven(c, &g, s->resume(g.port, g.n));
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
	const struct port_state_ops *s;
	struct group g;

	if (!group_named(c, 2, &g) || (s = common_states(c, &g)) == NULL)
		return;
	group_driven(c, &g, s->set(g.port, g.n, cmd_str(c, 3)));
	if (!c->failed && s->moves(cmd_str(c, 3)))
		return;
	if (!c->failed)
		wait_for_hardware(c, &g);
}

/* Settings of a port may be what keeps its frames. */
static void
print_refused(struct cmd *c, const struct port *p)
{
	static const enum drop_reason reasons[] = {
		DROP_RX_VLAN,       DROP_RX_LOCKED,       DROP_RX_GUARD,      DROP_RX_GUARD_DHCP,
		DROP_RX_GUARD_RA,   DROP_RX_GUARD_HIDDEN, DROP_RX_STORM,      DROP_RX_RATE,
		DROP_RX_ACL,        DROP_RX_ACL_HIDDEN,   DROP_TX_ACL,        DROP_TX_ACL_HIDDEN,
		DROP_TX_RATE,       DROP_RX_CT_FULL,      DROP_RX_CT_INVALID, DROP_TX_CT_FULL,
		DROP_TX_CT_INVALID,
	};
	const char *before = "  frames dropped for what is set:";
	struct port_stats st;

	port_get_stats(p, &st);
	for (size_t i = 0; i < RTE_DIM(reasons); i++) {
		uint64_t n = st.rx.drop[reasons[i]] + st.tx.drop[reasons[i]];

		if (n == 0)
			continue;
		cmd_print(c, "%s %s %" PRIu64, before, drop_name(reasons[i]), n);
		before = ",";
	}
	if (before[0] == ',')
		cmd_print(c, "\n");
}

static void
why(struct cmd *c, struct port *p)
{
	char buf[256];
	const char *said = sw_why(&c->app->sw, p, buf, sizeof(buf));

	cmd_print(c, "Port %u (%s): %s\n", p->id, p->name,
		  said != NULL ? said : "nothing keeps it from passing traffic");
	if (p->ops->datapath != NULL)
		p->ops->datapath(p, c->out);
	print_refused(c, p);
	said = nodes_advice(c->app, p, buf, sizeof(buf));
	if (said != NULL)
		cmd_print(c, "It could be faster: %s\n", said);
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
	 "under way; it waits 10 seconds at most for hardware. A list has numbers, ranges and "
	 "names of ports; vm=NAME: the ports with that "
	 "device argument."},
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
	 "Say in one sentence what keeps a port from passing traffic, and how many of its frames "
	 "were dropped for what is set: VLANs, locks, guards, acls, limits. On a machine of "
	 "several "
	 "NUMA nodes also whether a worker polls it from another node than its memory's."},
};

const struct cli_section cli_states = {
	.name = "states",
	.title = "Port States:",
	.summary = "Quiescing ports, and what keeps them from passing traffic.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
