/* SPDX-License-Identifier: BSD-3-Clause */
/* Why does a port pass no traffic: the switch's part of the answer. */
#include <stdio.h>
#include <string.h>

#include "switch/port.h"

static bool
is_listed(const struct sw *s, uint16_t id)
{
	for (uint16_t i = 0; i < s->nlist; i++)
		if (s->list[i] == id)
			return true;
	return !s->listed;
}

/** Whether frames of @p a may leave at @p b in the mode that learns addresses. */
static bool
may_exchange(const struct dp_port *a, const struct dp_port *b)
{
	return a != b && a->domain == b->domain && !(a->isolated && b->isolated);
}

static const char *
why_alone(const struct dataplane *dp, const struct dp_port *me)
{
	for (uint16_t i = 0; i < dp->nports; i++)
		if (may_exchange(me, dp->ports[i]))
			return NULL;
	return "there is nobody to talk to: no other port of its domain is up";
}

/** The wire modes send all frames to one port. */
static const char *
why_peer(const struct dp_port *me, char *buf, size_t len)
{
	if (me->peer->ntx > 0)
		return NULL;
	snprintf(buf, len, "port %u, where its frames go in this mode, is not up", me->peer->id);
	return buf;
}

const char *
sw_why(struct sw *s, const struct port *p, char *buf, size_t len)
{
	const struct dataplane *dp = dp_live(&s->dp);
	const struct dp_port *me = dp->by_id != NULL ? dp->by_id[p->id] : NULL;
	const char *why;

	if (!p->started)
		return "the port is stopped (\"port start\" starts it)";
	if (!is_listed(s, p->id))
		return "the port is not among those that forward (\"set portlist\")";
	why = p->ops->why != NULL ? p->ops->why(p, buf, len) : NULL;
	if (why != NULL)
		return why;
	if (!s->forwarding)
		return "forwarding is stopped (\"start\" starts it)";
	if (me == NULL)
		return "the switch is out of memory";
	return strcmp(s->mode->name, "switch") == 0 ? why_alone(dp, me) : why_peer(me, buf, len);
}
