/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * Work a port owes a worker.
 *
 * What a call of a queue may cost is bounded (virtq/chain.h), but one whose every
 * call costs that much, or a port with many such queues, would still have most of
 * the worker's time. So lookups beyond those its frames warrant are a debt of the
 * port: until it is paid back, a little in every iteration, the worker does not
 * poll the port's queues, and when it is large, frames to the port find no buffer.
 * Ports whose buffers are as drivers make them never owe anything.
 *
 * The worker, on its own account: [worker] fields of struct worker.
 */
#ifndef SWITCH_DEBT_H
#define SWITCH_DEBT_H

#include "switch/worker.h"

#define DEBT_PER_FRAME 8   /* lookups each frame warrants */
#define DEBT_BYTES 256     /* bytes that warrant one more */
#define DEBT_FREE 256      /* lookups of a call that are not accounted */
#define DEBT_BACK 128      /* lookups given back in an iteration */
#define DEBT_SEND_MAX 4096 /* lookups owed beyond which the port gets no frames */

/**
 * The clock of debts, in lookups: what a port can have paid back since the worker began. A debt is
 * the time at which it is paid, so that no list of debtors has to be gone through.
 */
static __rte_always_inline uint64_t
debt_clock(const struct worker *w)
{
	return w->iterations * DEBT_BACK;
}

/** Debt of the port of @p q, in lookups. */
static __rte_always_inline uint64_t
debt_of(const struct worker *w, const struct pktq *q)
{
	uint64_t free_at;

	if (likely(!w->owed) || q->cost == NULL)
		return 0;
	free_at = q->cost[w->id].free_at;
	return free_at > debt_clock(w) ? free_at - debt_clock(w) : 0;
}

/**
 * After a call of @p q for @p frames frames of @p bytes bytes: add the lookups that were not
 * warranted.
 */
static __rte_noinline void
debt_charge(struct worker *w, const struct pktq *q, uint32_t frames, uint64_t bytes)
{
	uint64_t warranted = (uint64_t)frames * DEBT_PER_FRAME + bytes / DEBT_BYTES;
	struct port_cost *c = q->cost != NULL ? &q->cost[w->id] : NULL;

	if (c == NULL || q->work <= warranted)
		return;
	c->free_at = RTE_MAX(c->free_at, debt_clock(w)) + q->work - warranted;
	w->free_at = RTE_MAX(w->free_at, c->free_at);
	w->owed = true;
}

/** After rx() of @p q, which filled the worker's batch. */
static __rte_always_inline void
debt_received(struct worker *w, const struct pktq *q)
{
	uint64_t bytes = 0;

	if (likely(q->work <= DEBT_FREE))
		return;
	for (uint16_t i = 0; i < w->batch.n; i++)
		bytes += w->batch.pkt[i].len;
	debt_charge(w, q, w->batch.ndone, bytes);
}

/** After tx() of @p q. */
static __rte_always_inline void
debt_sent(struct worker *w, const struct pktq *q, struct pkt *const *pkts, uint16_t n)
{
	uint64_t bytes = 0;

	if (likely(q->work <= DEBT_FREE))
		return;
	for (uint16_t i = 0; i < n; i++)
		bytes += pkts[i]->len;
	debt_charge(w, q, n, bytes);
}

/** At the beginning of an iteration in which w->owed is set. */
static inline void
debt_pay(struct worker *w)
{
	w->owed = w->free_at > debt_clock(w);
}

#endif
