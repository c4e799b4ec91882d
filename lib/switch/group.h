/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * Grouping the frames of a batch by a small key, in linear time, keeping the
 * order within a group. Groups come in the order of their first frame.
 */
#ifndef SWITCH_GROUP_H
#define SWITCH_GROUP_H

#include <stdint.h>

#include "pkt/pkt.h"

#define GROUP_END 0xff

/** Chains of frame indices, one per group. */
struct groups {
	uint16_t n;
	uint8_t first[PKT_BATCH_MAX]; /* of each group */
	uint8_t next[PKT_BATCH_MAX];  /* of each frame: the next one of its group, or GROUP_END */
};

/**
 * Group the frames @p from to @p to - 1 by key[i]. @p tail has an entry for
 * every possible key, all 0; they are so again afterwards.
 */
static inline void
group_by(struct groups *g, const uint16_t *key, uint16_t from, uint16_t to, uint8_t *tail)
{
	g->n = 0;
	for (uint16_t i = from; i < to; i++) {
		uint8_t last = tail[key[i]]; /* the group's last frame so far, plus one */

		if (last == 0)
			g->first[g->n++] = (uint8_t)i;
		else
			g->next[last - 1] = (uint8_t)i;
		tail[key[i]] = (uint8_t)(i + 1);
		g->next[i] = GROUP_END;
	}
	for (uint16_t k = 0; k < g->n; k++)
		tail[key[g->first[k]]] = 0;
}

/** Put the frames of group @p k, in order, into @p list; returns how many. */
static inline uint16_t
group_list(const struct groups *g, uint16_t k, struct pkt *const *pkts, struct pkt **list)
{
	uint16_t n = 0;

	for (uint8_t i = g->first[k]; i != GROUP_END; i = g->next[i])
		list[n++] = pkts[i];
	return n;
}

#endif
