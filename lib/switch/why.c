/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * Why does a port pass no traffic: the switch's part of the answer.
 */
#include "switch/why.h"

#include <stdio.h>
#include <string.h>

#include "switch/port.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"

static bool
share_vlan(const struct dp_vlan *a, const struct dp_vlan *b)
{
	for (uint16_t id = 1; id <= VLAN_ID_MAX; id++)
		if (a->fid[id] != 0 && a->fid[id] == b->fid[id])
			return true;
	return false;
}

/** Whether, but for isolation, frames of @p a may leave at @p b in the mode that learns. */
static bool
is_reachable(const struct dp_port *a, const struct dp_port *b)
{
	if (a->vlan != NULL && b->vlan != NULL)
		return share_vlan(a->vlan, b->vlan);
	return a->domain == b->domain;
}

/** Whether a port of the same domain is up, whatever VLANs it is in. */
static bool
has_neighbour(const struct sw *s, const struct dataplane *dp, const struct port *p)
{
	for (uint16_t i = 0; i < dp->nports; i++) {
		const struct port *other = s->port[dp->ports[i]->id];

		if (other != NULL && other != p && other->domain == p->domain)
			return true;
	}
	return false;
}

static const char *
why_alone(const struct sw *s, const struct dataplane *dp, const struct port *p)
{
	const struct dp_port *me = dp->by_id[p->id];
	bool isolated = false;

	for (uint16_t i = 0; i < dp->nports; i++) {
		if (dp->ports[i] == me || !is_reachable(me, dp->ports[i]))
			continue;
		if ((me->isolated & dp->ports[i]->isolated) == 0)
			return NULL;
		isolated = true;
	}
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

const char *
sw_why(struct sw *s, const struct port *p, char *buf, size_t len)
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
	return strcmp(s->mode->name, "switch") == 0 ? why_alone(s, dp, p) : why_peer(me, buf, len);
}
