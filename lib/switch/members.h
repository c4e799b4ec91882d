/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers look up; control builds.
 *
 * Members of an FID: the ports whose frames and addresses it holds, and the one rule that says
 * from which port to which a frame of it may go.
 *
 * A snapshot lists the members of each FID, so that flooding looks at them and at no other port.
 * Ports that are in the same FIDs and isolated in the same way are one group; an FID lists groups.
 * A thousand trunks with the same thousand VLANs are thus one group that a thousand FIDs list.
 *
 * Only ports that can be sent to are in a list: they are started, forward, and have a tx queue.
 * Joined ports are in none.
 */
#ifndef SWITCH_MEMBERS_H
#define SWITCH_MEMBERS_H

#include "switch/dataplane.h"
#include "switch/vlan.h"

/** Ports with the same FIDs and the same kinds of isolation. [fixed] */
struct dp_group {
	uint8_t isolated; /* DP_ISOLATED_* */
	bool checked;     /* a port of it is: dp_port.checked */
	uint16_t n;
	const struct dp_port **port;
};

/** The members of an FID. [fixed] */
struct dp_members {
	uint16_t ngroups;
	const struct dp_group **group;
};

/** The members of all FIDs of a snapshot. [fixed] */
struct dp_fids {
	uint32_t n;                     /* FIDs from here on have no members */
	uint16_t *list;                 /* n, by FID: index of members[]; 0: none */
	struct dp_members *members;     /* [0] has no groups */
	const struct dp_group **groups; /* of all members, one behind the other */
	struct dp_group *group;
	const struct dp_port **ports; /* of all groups, one behind the other */
};

/** The FID of frames that come in at a port without VLANs. */
static inline struct dp_fid
dp_plain_fid(const struct dp_port *in)
{
	return (struct dp_fid){.fid = in->domain};
}

static inline const struct dp_members *
dp_members_of(const struct dataplane *dp, uint16_t fid)
{
	return &dp->fids->members[fid < dp->fids->n ? dp->fids->list[fid] : 0];
}

/** Whether frames pass between ports that are isolated so (DP_ISOLATED_*). */
static inline bool
dp_isolation_passes(uint8_t a, uint8_t b)
{
	return (a & b) == 0;
}

/** Whether @p p is a member. A port with VLANs is in their FIDs, another one in its domain's. */
static inline bool
dp_is_member(const struct dp_port *p, struct dp_fid f)
{
	if (f.vlan == 0)
		return p->domain == f.fid;
	return p->vlan != NULL && p->vlan->fid[f.vlan] == f.fid;
}

/** Whether a frame of @p f that came in at @p in may go out at @p out, another port. */
static inline bool
dp_may_pass(const struct dp_port *in, const struct dp_port *out, struct dp_fid f)
{
	return dp_isolation_passes(in->isolated, out->isolated) && dp_is_member(out, f);
}

/** Whether dp_may_pass() holds for frames of any FID. */
static inline bool
dp_may_pass_any(const struct dp_port *in, const struct dp_port *out)
{
	if (in->vlan == NULL)
		return dp_may_pass(in, out, dp_plain_fid(in));
	for (uint16_t id = 1; id <= VLAN_ID_MAX; id++) {
		struct dp_fid f = {.fid = in->vlan->fid[id], .vlan = id};

		if (f.fid != 0 && dp_may_pass(in, out, f))
			return true;
	}
	return false;
}

/**
 * Whether a frame of @p f that came in at @p in may go on to @p out in another snapshot than the
 * one it came in, with its tag or without, as it is.
 */
static inline bool
dp_may_go_on(const struct dp_port *in, const struct dp_port *out, struct dp_fid f, bool tagged)
{
	if (f.fid == VLAN_FID_NONE)
		return dp_may_pass_any(in, out);
	return dp_is_member(in, f) && dp_may_pass(in, out, f) &&
	       (f.vlan == 0 || (out->vlan->native != f.vlan) == tagged);
}

/**
 * How many ports of a list frames of @p in go to, at least 1. It may be in the list itself: a port
 * that sends to others like it always is in its FID's, but not in that of each multicast group.
 */
static inline uint32_t
dp_receivers(const struct dp_members *m, const struct dp_port *in)
{
	const uint32_t own = in->isolated == 0 && in->ntx > 0;
	uint32_t n = 0;

	for (uint16_t i = 0; i < m->ngroups; i++)
		if (dp_isolation_passes(in->isolated, m->group[i]->isolated))
			n += m->group[i]->n;
	return RTE_MAX(n, own + 1) - own;
}

/** Build the lists from dp->ports: one block, freed with free(). NULL: out of memory. Control. */
struct dp_fids *members_build(const struct dataplane *dp);

#endif
