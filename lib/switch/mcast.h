/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers look up; control builds (mcast_build.h).
 *
 * Who is sent the frames of a multicast group, where that is snooped (snoop.h): the lists of a
 * snapshot. They are members of an FID, like those of all its ports (members.h).
 *
 * By MAC address: of the 32 groups of IPv4 that share one each gets the others' frames, which hosts
 * filter. Each list ends with the ports that have routers, which are one list of the FID's.
 */
#ifndef SWITCH_MCAST_H
#define SWITCH_MCAST_H

#include "switch/fdb.h"
#include "switch/members.h"

struct snoop_ring;

/** A group in an FID. [fixed] */
struct dp_mcast_group {
	fdb_key key;
	struct dp_members m; /* routers last */
};

/** An FID that is snooped. [fixed] */
struct dp_mcast_fid {
	bool flood;                /* groups that no port has joined go to all ports */
	struct dp_members routers; /* ports that have some */
};

/** All that is snooped. [fixed] */
struct dp_mcast {
	struct snoop_ring *ring; /* what workers hear of hosts and routers; outlives snapshots */
	uint32_t nfids;          /* FIDs from here on are not snooped */
	uint16_t *index;         /* nfids, of fid[]; 0: not snooped */
	struct dp_mcast_fid *fid;
	uint32_t ngroups;
	struct dp_mcast_group *group; /* ascending by key */
};

/** NULL: the FID is not snooped. */
static inline const struct dp_mcast_fid *
mcast_fid(const struct dp_mcast *mc, uint16_t fid)
{
	uint16_t i = fid < mc->nfids ? mc->index[fid] : 0;

	return i != 0 ? &mc->fid[i] : NULL;
}

/** The members of a group; NULL: no port has joined. Guests choose them: no hash, a search. */
static inline const struct dp_members *
mcast_find(const struct dp_mcast *mc, fdb_key key)
{
	uint32_t from = 0, to = mc->ngroups;

	while (from < to) {
		uint32_t mid = from + (to - from) / 2;

		if (mc->group[mid].key == key)
			return &mc->group[mid].m;
		if (mc->group[mid].key < key)
			from = mid + 1;
		else
			to = mid;
	}
	return NULL;
}

/** Whether a frame of @p in that goes to these reaches another port than itself. */
static inline bool
mcast_reaches(const struct dp_members *m, const struct dp_port *in)
{
	for (uint16_t i = 0; i < m->ngroups; i++) {
		const struct dp_group *g = m->group[i];

		if (dp_isolation_passes(in->isolated, g->isolated) &&
		    (g->n > 1 || g->port[0] != in))
			return true;
	}
	return false;
}

#endif
