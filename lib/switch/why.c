/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * Why does a port pass no traffic: the switch's part of the answer.
 */
#include "switch/why.h"

#include <stdio.h>
#include <string.h>

#include "switch/members.h"
#include "switch/port.h"
#include "switch/port_acl.h"
#include "switch/snoop.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"

/**
 * Whether frames of @p fid pass between @p me and another member, or *@p isolated: there are others
 * and isolation keeps frames from all of them.
 */
static bool
has_company(const struct dataplane *dp, const struct dp_port *me, uint16_t fid, bool *isolated)
{
	const struct dp_members *m = dp_members_of(dp, fid);

	for (uint16_t i = 0; i < m->ngroups; i++) {
		const struct dp_group *g = m->group[i];

		if (g->n == 1 && g->port[0] == me)
			continue;
		if (dp_isolation_passes(me->isolated, g->isolated))
			return true;
		*isolated = true;
	}
	return false;
}

/** Whether a port of the same domain is up, whatever VLANs it is in. */
static bool
has_neighbour(const struct sw *s, const struct dataplane *dp, const struct port *p)
{
	for (uint16_t i = 0; i < dp->nports; i++) {
		const struct port *other = s->port[dp->ports[i]->id];

		if (other != NULL && other != p && other->domain == p->domain && !other->joined)
			return true;
	}
	return false;
}

static const char *
why_alone(const struct sw *s, const struct dataplane *dp, const struct port *p)
{
	const struct dp_port *me = dp->by_id[p->id];
	bool isolated = false;

	if (p->intercept != NULL) /* tunnels are over it */
		return NULL;
	if (me->vlan == NULL && has_company(dp, me, me->domain, &isolated))
		return NULL;
	for (uint16_t i = 0; me->vlan != NULL && i < me->vlan->nfids; i++)
		if (has_company(dp, me, me->vlan->fids[i], &isolated))
			return NULL;
	if (isolated)
		return "no other port can exchange frames with it: the others are isolated as it "
		       "is";
	if (me->vlan != NULL)
		return "no other port can exchange frames with it: no other port in one of its "
		       "VLANs is up";
	if (has_neighbour(s, dp, p))
		return "no other port can exchange frames with it: the other ports of its domain "
		       "that are up "
		       "have VLANs, it has none";
	return "no other port can exchange frames with it: no other port of its domain is up";
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

/** Nor do joined ports send to any other. */
static const char *
why_partner(const struct port *p, const struct dp_port *me, char *buf, size_t len)
{
	if (me->peer != NULL && me->peer->ntx > 0)
		return NULL;
	if (p->partner == NULL)
		return "the port it is joined to is not there";
	snprintf(buf, len, "port %u (%s), with which alone it exchanges frames, is not up",
		 p->partner->id, p->partner->name);
	return buf;
}

/** No IP, that is, and no answers either. */
static bool
lets_nothing_through(const struct port *p, enum acl_dir dir)
{
	const struct acl_config *c = port_get_acl(p, dir);

	if (p->ct != NULL)
		return false;
	for (uint32_t i = 0; i < c->n; i++)
		if (!c->rule[i].drop)
			return false;
	return c->drop;
}

/** Not all of what it wants, that is. */
static const char *
why_groups(const struct port *p, char *buf, size_t len)
{
	if (p->snoop.refused == 0 || p->snoop.n < snoop_limit(p))
		return NULL;
	snprintf(buf, len,
		 "it has joined as many multicast groups as it may, %u (\"set port N snooping "
		 "limit\")",
		 snoop_limit(p));
	return buf;
}

const char *
sw_why_none(struct sw *s, const struct port *p, char *buf, size_t len)
{
	const struct dataplane *dp = dp_live(&s->dp);
	const struct dp_port *me = dp->by_id != NULL ? dp->by_id[p->id] : NULL;
	const char *why;

	if (!p->started)
		return "the port is stopped (\"port start\" starts it)";
	if (!sw_port_listed(p))
		return "the port is not among those that forward (\"set portlist\")";
	why = p->ops->why != NULL ? p->ops->why(p, buf, len) : NULL;
	if (why != NULL)
		return why;
	if (!s->forwarding)
		return "forwarding is stopped (\"start\" starts it)";
	if (me == NULL)
		return "the switch is out of memory";
	if ((p->guard_set.checks & GUARD_ADDRESSES) != 0 && p->guard_set.n == 0)
		return "its guard has no address to let through (\"set port N guard add\")";
	if (lets_nothing_through(p, ACL_IN))
		return "its acl lets nothing in (\"set port N acl in\")";
	if (lets_nothing_through(p, ACL_OUT))
		return "its acl lets nothing out (\"set port N acl out\")";
	if (me->joined)
		return why_partner(p, me, buf, len);
	return strcmp(s->mode->name, "switch") == 0 ? why_alone(s, dp, p) : why_peer(me, buf, len);
}

const char *
sw_why(struct sw *s, const struct port *p, char *buf, size_t len)
{
	const char *why = sw_why_none(s, p, buf, len);

	if (why == NULL && p->ops->why_some != NULL)
		why = p->ops->why_some(p, buf, len);
	return why == NULL ? why_groups(p, buf, len) : why;
}
