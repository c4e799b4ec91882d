/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * Building the lists of members: ports are put in groups, and each FID of a group lists it. Takes
 * time for each port and for each FID of each group.
 */
#include "switch/members.h"

#include <stdlib.h>
#include <string.h>

static_assert(VLAN_GROUPS == DP_ISOLATIONS, "a group for each kind of isolation");

/** Lists in the making. The number of a group is one more than its index, 0: none so far. */
struct build {
	const struct dataplane *dp;
	struct dp_fids *fids;
	uint32_t nfids;
	uint16_t ngroups;
	uint32_t npairs;                             /* of a group and an FID that lists it */
	uint16_t plain[VLAN_DOMAINS][DP_ISOLATIONS]; /* groups of ports without VLANs */
	uint16_t group_of[DP_PORTS_MAX];             /* by index of dp->ports */
	const struct dp_port *first[DP_PORTS_MAX];   /* of each group */
	uint16_t count[DP_PORTS_MAX];                /* ports of each group */
};

/** The FIDs of @p p, to *@p fid. */
static uint16_t
fids_of(const struct dp_port *p, const uint16_t **fid)
{
	*fid = p->vlan != NULL ? p->vlan->fids : &p->domain;
	return p->vlan != NULL ? p->vlan->nfids : 1;
}

static uint16_t *
group_number(struct build *b, const struct dp_port *p)
{
	return p->vlan != NULL ? &p->vlan->group[p->isolated] : &b->plain[p->domain][p->isolated];
}

static uint16_t
add_group(struct build *b, const struct dp_port *p)
{
	const uint16_t *fid;
	uint16_t n = fids_of(p, &fid);

	for (uint16_t i = 0; i < n; i++)
		b->nfids = RTE_MAX(b->nfids, fid[i] + 1u);
	b->npairs += n;
	b->first[b->ngroups++] = p;
	return b->ngroups;
}

static void
find_groups(struct build *b)
{
	const struct dataplane *dp = b->dp;

	for (uint16_t i = 0; i < dp->nports; i++)
		if (dp->ports[i]->vlan != NULL)
			memset(dp->ports[i]->vlan->group, 0, sizeof(dp->ports[i]->vlan->group));
	for (uint16_t i = 0; i < dp->nports; i++) {
		uint16_t *number;

		if (dp->ports[i]->joined)
			continue;
		number = group_number(b, dp->ports[i]);
		if (*number == 0)
			*number = add_group(b, dp->ports[i]);
		b->group_of[i] = (uint16_t)(*number - 1);
		b->count[b->group_of[i]]++;
	}
}

/* One block for all; lists of two-byte numbers at its end. */
static struct dp_fids *
allocate(const struct build *b)
{
	const size_t members = (RTE_MIN(b->npairs, b->nfids) + 1u) * sizeof(struct dp_members);
	const size_t groups = b->npairs * sizeof(struct dp_group *);
	const size_t group = b->ngroups * sizeof(struct dp_group);
	const size_t ports = b->dp->nports * sizeof(struct dp_port *);
	struct dp_fids *f = calloc(1, sizeof(*f) + members + groups + group + ports +
					      b->nfids * sizeof(uint16_t));
	uint8_t *at;

	if (f == NULL)
		return NULL;
	at = (uint8_t *)(f + 1);
	f->n = b->nfids;
	f->members = (struct dp_members *)at;
	f->groups = (const struct dp_group **)(at += members);
	f->group = (struct dp_group *)(at += groups);
	f->ports = (const struct dp_port **)(at += group);
	f->list = (uint16_t *)(at + ports);
	return f;
}

static void
fill_groups(struct build *b)
{
	struct dp_fids *f = b->fids;
	uint32_t at = 0;

	for (uint16_t g = 0; g < b->ngroups; g++) {
		f->group[g].isolated = b->first[g]->isolated;
		f->group[g].port = &f->ports[at];
		at += b->count[g];
	}
	for (uint16_t i = 0; i < b->dp->nports; i++) {
		struct dp_group *g = &f->group[b->group_of[i]];

		if (b->dp->ports[i]->joined)
			continue;
		g->port[g->n++] = b->dp->ports[i];
		g->checked |= b->dp->ports[i]->checked;
	}
}

/* The list of @p fid, which has one group more. */
static struct dp_members *
list_of(struct dp_fids *f, uint16_t fid, uint32_t *nlists)
{
	if (f->list[fid] == 0)
		f->list[fid] = (uint16_t)++ * nlists;
	return &f->members[f->list[fid]];
}

static void
fill_lists(struct build *b)
{
	struct dp_fids *f = b->fids;
	uint32_t nlists = 0, at = 0;
	struct dp_members *m;
	const uint16_t *fid;

	for (uint16_t g = 0; g < b->ngroups; g++)
		for (uint16_t n = fids_of(b->first[g], &fid); n > 0; n--)
			list_of(f, fid[n - 1], &nlists)->ngroups++;
	for (uint32_t i = 1; i <= nlists; i++) {
		f->members[i].group = &f->groups[at];
		at += f->members[i].ngroups;
		f->members[i].ngroups = 0;
	}
	for (uint16_t g = 0; g < b->ngroups; g++) {
		for (uint16_t n = fids_of(b->first[g], &fid); n > 0; n--) {
			m = list_of(f, fid[n - 1], &nlists);
			m->group[m->ngroups++] = &f->group[g];
		}
	}
}

struct dp_fids *
members_build(const struct dataplane *dp)
{
	struct build *b = calloc(1, sizeof(*b));
	struct dp_fids *f;

	if (b == NULL)
		return NULL;
	b->dp = dp;
	find_groups(b);
	f = b->fids = allocate(b);
	if (f != NULL) {
		fill_groups(b);
		fill_lists(b);
	}
	free(b);
	return f;
}
