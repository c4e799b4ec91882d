/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * The last step to an egress queue: its lock, its tx(), its deferred notification and
 * the work its port owes then. Internal to lib/switch.
 */
#ifndef SWITCH_TRANSMIT_H
#define SWITCH_TRANSMIT_H

#include <rte_cycles.h>
#include <rte_spinlock.h>

#include "switch/debt.h"
#include "switch/deferred.h"
#include "switch/watch_worker.h"
#include "switch/worker.h"

static inline void
transmit_timed(struct worker *w, struct pktq *txq, struct pkt *const *pkts, uint16_t n)
{
	uint64_t copied = 0, start = rte_rdtsc();

	txq->copy_cycles = &copied;
	pktq_ops(txq)->tx(txq, pkts, n);
	txq->copy_cycles = NULL;
	counter_add(&w->stage[STAGE_COPY], copied);
	counter_add(&w->stage[STAGE_TX], rte_rdtsc() - start - copied);
}

static inline void
transmit_now(struct worker *w, struct pktq *txq, struct pkt *const *pkts, uint16_t n)
{
	if (unlikely(debt_of(w, txq) > DEBT_SEND_MAX)) {
		counter_add(&txq->stats.offered, n);
		pktq_drop(txq, DROP_TX_NO_BUFFER, n);
		return;
	}
	if (worker_timed(w))
		transmit_timed(w, txq, pkts, n);
	else
		pktq_ops(txq)->tx(txq, pkts, n);
	debt_sent(w, txq, pkts, n);
}

/** Give @p n frames of @p rxq to a queue that takes them as they are. */
static inline void
forward_transmit(struct worker *w, struct pktq *txq, struct pktq *rxq, struct pkt *const *pkts,
		 uint16_t n)
{
	counter_add(&rxq->stats.offered, n);
	if (unlikely(w->watch != NULL)) {
		watch_transmit(w, txq, pkts, n);
	} else if (txq->shared) {
		rte_spinlock_lock(&txq->lock);
		transmit_now(w, txq, pkts, n);
		rte_spinlock_unlock(&txq->lock);
	} else {
		transmit_now(w, txq, pkts, n);
		deferred_note(w, txq);
	}
}

/** Account for @p n frames that end in front of a queue as for those that the queue drops. */
static inline void
forward_refuse(struct pktq *txq, struct pktq *rxq, enum drop_reason why, uint64_t n)
{
	if (likely(n == 0))
		return;
	counter_add(&rxq->stats.offered, n);
	if (txq->shared)
		rte_spinlock_lock(&txq->lock);
	counter_add(&txq->stats.offered, n);
	pktq_drop(txq, why, n);
	if (txq->shared)
		rte_spinlock_unlock(&txq->lock);
}

#endif
