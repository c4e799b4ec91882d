/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * A port's share of a poll iteration.
 *
 * What one poll of a queue may cost is bounded, but a port can have DP_QUEUES_MAX of them. So the
 * queues a worker polls of one port have together, in each iteration, what one poll may cost; those
 * left out come first in the next one. Nothing is accounted for ports with a single queue.
 *
 * Costs are in frames of the smallest size, as PKT_BATCH_COST.
 */
#ifndef SWITCH_SHARE_H
#define SWITCH_SHARE_H

#include "switch/worker.h"

#define SHARE_COST PKT_BATCH_COST /* spent, after which no further queue is polled */
#define SHARE_BYTES 1024u         /* copied for as much as the smallest frame */
#define SHARE_LOOKUPS 8u          /* made for as much */

/** Whether the port of @p q has not spent its share. */
static inline bool
share_is_left(const struct worker *w, const struct pktq *q)
{
	const struct port_cost *c = &q->cost[w->id];

	return c->iteration != (uint32_t)w->iterations || c->spent < SHARE_COST;
}

/** Whether @p q, whose port has others, is polled in this iteration. */
static inline bool
share_allows(struct worker *w, const struct pktq *q)
{
	struct port_cost *c = &q->cost[w->id];
	uint32_t key = q->index + 1u;

	if (c->next != 0 && c->next != key)
		return false;
	c->next = share_is_left(w, q) ? 0 : key;
	return c->next == 0;
}

/** Before such a poll. */
static inline void
share_begin(struct worker *w, struct pktq *q)
{
	w->cost = 0;
	w->polled_bytes = q->stats.bytes;
	q->work = 0;
}

/** After it: @p n chains were taken. */
static inline void
share_spend(struct worker *w, const struct pktq *q, uint32_t n)
{
	/* a frame that is left in its ring is not counted any more */
	struct port_cost *c = &q->cost[w->id];
	uint64_t bytes = q->stats.bytes > w->polled_bytes ? q->stats.bytes - w->polled_bytes : 0;

	if (c->iteration != (uint32_t)w->iterations) {
		c->iteration = (uint32_t)w->iterations;
		c->spent = 0;
	}
	c->spent += w->cost + n + (uint32_t)(bytes / SHARE_BYTES) + q->work / SHARE_LOOKUPS;
}

/** Forget which queue of the port of @p q comes first: its queues are others. */
static inline void
share_reset(const struct worker *w, struct pktq *q)
{
	q->cost[w->id].next = 0;
}

#endif
