/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * The table of snoop.h is in the order of the keys, as the lists are.
 */
#include "switch/mcast_build.h"

#include <stdlib.h>
#include <string.h>

#include "switch/mcast.h"
#include "switch/port.h"
#include "switch/snoop_table.h"
#include "switch/sw.h"
#include "switch/vlan_table.h"

/** Lists in the making. */
struct build {
	const struct sw *s;
	const struct snoop *t;
	const struct dataplane *dp;
	struct dp_mcast *mc;
	uint32_t nsnooped; /* FIDs */
	uint16_t nalways;  /* ports that have routers, by setting, and tunnels */
	const struct dp_port *always[DP_PORTS_MAX];
	uint16_t n; /* of list */
	const struct dp_port *list[DP_PORTS_MAX];
	bool listed[DP_PORTS_MAX], router[DP_PORTS_MAX]; /* by id */
	/* where the next ones go */
	struct dp_group *group;
	const struct dp_group **ref;
	const struct dp_port **port;
};

static const struct snoop_domain *
domain_of(const struct build *b, uint32_t fid, uint16_t *vlan)
{
	uint16_t domain;

	vlan_of_fid(b->s, (uint16_t)fid, &domain, vlan);
	return snoop_domain_of(b->t, domain);
}

/* Hosts behind other switches are known to those only, whose queries need not say that they ask. */
static bool
is_always(const struct port *p)
{
	return p->snoop.router == SNOOP_ROUTER_ALWAYS ||
	       (p->tunnel && !port_has_no_mcast_router(p));
}

static void
survey(struct build *b)
{
	const struct dataplane *dp = b->dp;
	uint16_t vlan;

	for (uint32_t fid = 0; fid < dp->fids->n; fid++)
		b->nsnooped += dp->fids->list[fid] != 0 && domain_of(b, fid, &vlan) != NULL;
	for (uint16_t i = 0; i < dp->nports; i++)
		if (is_always(b->s->port[dp->ports[i]->id]))
			b->always[b->nalways++] = dp->ports[i];
}

static bool
allocate(struct build *b)
{
	const uint32_t n = b->t->n, kinds = DP_ISOLATIONS;
	const size_t lists = (size_t)b->nsnooped + n; /* of ports: each group's, each FID's */
	const size_t ports = n + (size_t)b->nsnooped * b->nalways;
	const size_t fids = (b->nsnooped + 1u) * sizeof(struct dp_mcast_fid);
	const size_t groups = n * sizeof(struct dp_mcast_group);
	/* an entry is in one group of ports, so there are no more than ports of them */
	const size_t parts = RTE_MIN(lists * kinds, ports) * sizeof(struct dp_group);
	const size_t refs = lists * 2 * kinds * sizeof(struct dp_group *);
	struct dp_mcast *mc = calloc(1, sizeof(*mc) + fids + groups + parts + refs +
						ports * sizeof(struct dp_port *) +
						b->dp->fids->n * sizeof(uint16_t));
	uint8_t *at;

	if (mc == NULL)
		return false;
	at = (uint8_t *)(mc + 1);
	b->mc = mc;
	mc->group = (struct dp_mcast_group *)at;
	mc->fid = (struct dp_mcast_fid *)(at += groups);
	b->group = (struct dp_group *)(at += fids);
	b->ref = (const struct dp_group **)(at += parts);
	b->port = (const struct dp_port **)(at += refs);
	mc->index = (uint16_t *)(at + ports * sizeof(struct dp_port *));
	mc->nfids = b->dp->fids->n;
	mc->ring = b->t->ring;
	return true;
}

/* @p p, unless it is in the list. */
static void
add(struct build *b, const struct dp_port *p)
{
	if (b->listed[p->id])
		return;
	b->listed[p->id] = true;
	b->list[b->n++] = p;
}

/* The port of an entry, if it can be sent to in @p f. */
static void
add_entry(struct build *b, const struct snoop_entry *e, struct dp_fid f)
{
	const struct dp_port *p = b->dp->by_id[e->port];
	bool refused = p != NULL && e->group.len == 0 && p->no_mcast_router;

	if (p != NULL && p->id == e->port && p->ntx > 0 && !refused && dp_is_member(p, f))
		add(b, p);
}

static bool
any_checked(const struct dp_port **from, const struct dp_port **end)
{
	while (from < end)
		if ((*from++)->checked)
			return true;
	return false;
}

/* The list's ports of one kind of isolation, as a group of @p m; there may be none. */
static void
take_kind(struct build *b, struct dp_members *m, uint8_t isolated)
{
	const struct dp_port **port = b->port;

	for (uint16_t i = 0; i < b->n; i++)
		if (b->list[i]->isolated == isolated)
			*b->port++ = b->list[i];
	if (b->port == port)
		return;
	*b->group = (struct dp_group){.isolated = isolated,
				      .checked = any_checked(port, b->port),
				      .n = (uint16_t)(b->port - port),
				      .port = port};
	m->group[m->ngroups++] = b->group++;
	b->ref++;
}

/* The ports of the list to groups of their own, by isolation; the list is empty then. */
static void
take_list(struct build *b, struct dp_members *m)
{
	for (uint8_t isolated = 0; isolated < DP_ISOLATIONS; isolated++)
		take_kind(b, m, isolated);
	for (uint16_t i = 0; i < b->n; i++)
		b->listed[b->list[i]->id] = false;
	b->n = 0;
}

/* The ports of entries @p from on, up to *@p to, that are of the same key. */
static void
list_key(struct build *b, uint32_t from, uint32_t *to, struct dp_fid f)
{
	const struct snoop *t = b->t;

	for (*to = from; *to < t->n && t->entry[*to]->key == t->entry[from]->key; ++*to)
		if (!b->router[t->entry[*to]->port])
			add_entry(b, t->entry[*to], f);
}

static void
fill_group(struct build *b, const struct dp_mcast_fid *mf, fdb_key key)
{
	struct dp_mcast_group *g = &b->mc->group[b->mc->ngroups];

	b->mc->ngroups++;
	g->key = key;
	g->m.group = b->ref;
	take_list(b, &g->m);
	memcpy(b->ref, mf->routers.group, mf->routers.ngroups * sizeof(*b->ref));
	g->m.ngroups += mf->routers.ngroups;
	b->ref += mf->routers.ngroups;
}

static void
fill_routers(struct build *b, struct dp_mcast_fid *mf, uint32_t *at, struct dp_fid f)
{
	uint32_t to = *at;

	if (*at < b->t->n && b->t->entry[*at]->key == snoop_router_key(f.fid))
		list_key(b, *at, &to, f);
	*at = to;
	for (uint16_t i = 0; i < b->nalways; i++)
		if (dp_is_member(b->always[i], f))
			add(b, b->always[i]);
	mf->routers.group = b->ref;
	take_list(b, &mf->routers);
}

static void
mark_routers(struct build *b, const struct dp_mcast_fid *mf, bool on)
{
	for (uint16_t i = 0; i < mf->routers.ngroups; i++)
		for (uint16_t k = 0; k < mf->routers.group[i]->n; k++)
			b->router[mf->routers.group[i]->port[k]->id] = on;
}

/* A key has the FID in front: an FID's entries are side by side, routers first. */
static void
fill_fid(struct build *b, struct dp_mcast_fid *mf, struct dp_fid f)
{
	uint32_t at = snoop_table_first(b->t, snoop_router_key(f.fid)), to;

	fill_routers(b, mf, &at, f);
	mark_routers(b, mf, true);
	for (; at < b->t->n && b->t->entry[at]->key >> 48 == f.fid; at = to) {
		list_key(b, at, &to, f);
		fill_group(b, mf, b->t->entry[at]->key);
	}
	mark_routers(b, mf, false);
}

static void
fill(struct build *b)
{
	const struct dp_fids *fids = b->dp->fids;
	uint16_t n = 0;

	for (uint32_t fid = 0; fid < fids->n; fid++) {
		struct dp_fid f = {.fid = (uint16_t)fid};
		const struct snoop_domain *d = domain_of(b, fid, &f.vlan);

		if (fids->list[fid] == 0 || d == NULL)
			continue;
		b->mc->index[fid] = ++n;
		b->mc->fid[n].flood = d->set.flood;
		fill_fid(b, &b->mc->fid[n], f);
	}
}

bool
mcast_build(const struct sw *s, struct dataplane *dp)
{
	struct build *b;
	bool done;

	if (s->snoop == NULL || s->snoop->non == 0)
		return true;
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return false;
	b->s = s;
	b->t = s->snoop;
	b->dp = dp;
	survey(b);
	done = allocate(b);
	if (done) {
		fill(b);
		dp->mcast = b->mc;
	}
	free(b);
	return done;
}
