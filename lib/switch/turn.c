/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker's turn, and how it goes to sleep.
 */
#include <rte_prefetch.h>
#include <rte_spinlock.h>

#include "switch/forward.h"

static void
forward(struct worker *w, const struct dataplane *dp, const struct dp_poll *poll)
{
	struct pkt_batch *b = &w->batch;

	if (unlikely(poll->discard))
		pktq_drop(poll->q, DROP_RX_DISABLED, b->n);
	else if (likely(b->n != 0))
		dp->mode->forward(w, dp, poll->port, poll->q, b);
}

static uint32_t
poll_one(struct worker *w, const struct dataplane *dp, const struct dp_poll *poll)
{
	/* loaded once: control may exchange ops between our rx() and rx_done() */
	const struct pktq_ops *ops = pktq_ops(poll->q);
	uint32_t n;

	if (unlikely(dp->mode->generate != NULL) && !poll->discard)
		dp->mode->generate(w, dp, poll->port, poll->q);
	if (unlikely(dp->mode->forward == NULL))
		return 0;
	n = ops->rx(poll->q, &w->batch);
	if (n == 0)
		return 0;
	forward(w, dp, poll);
	ops->rx_done(poll->q, &w->batch);
	w->frames += w->batch.n;
	return n;
}

static uint16_t
held(const struct pktq *q)
{
	return __atomic_load_n(&q->held, __ATOMIC_RELAXED);
}

static bool
waits(const struct pktq *q)
{
	return atomic_load_explicit(&q->waits, memory_order_acquire);
}

static void
flush_one(struct pktq *q)
{
	if (likely(held(q) == 0))
		return;
	if (q->shared)
		rte_spinlock_lock(&q->lock);
	pktq_ops(q)->flush(q);
	if (q->shared)
		rte_spinlock_unlock(&q->lock);
}

uint32_t
worker_turn(struct worker *w, const struct dataplane *dp)
{
	const struct dp_worker *dw = &dp->worker[w->id];
	uint32_t total = 0;

	w->turns++;
	if (unlikely(dp->mode == NULL))
		return 0;
	if (unlikely(w->generation != dp->generation)) {
		/* queues that are new here may have been armed by control or another worker */
		w->generation = dp->generation;
		worker_disarm(w, dp);
	}
	w->batch.max = w->burst != 0 ? w->burst : PKT_BATCH_MAX;
	for (uint32_t i = 0; i < dw->n; i++) {
		if (i + 1 < dw->n)
			rte_prefetch0(dw->poll[i + 1].q);
		total += poll_one(w, dp, &dw->poll[i]);
	}
	for (uint32_t i = 0; i < dw->nflush; i++)
		flush_one(dw->flush[i]);
	w->busy_turns += total != 0;
	return total;
}

static void
disarm(struct pktq *q)
{
	const struct pktq_ops *ops = pktq_ops(q);

	if (ops->disarm != NULL)
		ops->disarm(q);
}

void
worker_disarm(struct worker *w, const struct dataplane *dp)
{
	const struct dp_worker *dw = &dp->worker[w->id];

	if (dp->mode == NULL)
		return;
	for (uint32_t i = 0; i < dw->n; i++)
		disarm(dw->poll[i].q);
}

/* A worker that has something to do other than frames that arrive. */
static bool
is_busy(const struct dataplane *dp, const struct dp_worker *dw)
{
	if (dp->mode->generate != NULL)
		return true;
	for (uint32_t i = 0; i < dw->nflush; i++)
		if (held(dw->flush[i]) != 0 && !waits(dw->flush[i]))
			return true;
	return false;
}

bool
worker_arm(struct worker *w, const struct dataplane *dp)
{
	const struct dp_worker *dw = &dp->worker[w->id];

	if (dp->mode == NULL)
		return false; /* only control can give it something to do */
	if (is_busy(dp, dw))
		return true;
	for (uint32_t i = 0; i < dw->n; i++) {
		struct pktq *q = dw->poll[i].q;

		if (pktq_ops(q)->arm == NULL || !pktq_ops(q)->arm(q))
			continue;
		while (true) {
			disarm(dw->poll[i].q);
			if (i-- == 0)
				return true;
		}
	}
	return false;
}

bool
worker_idle(struct worker *w, const struct dataplane *dp)
{
	uint64_t generation = dp->generation;

	if (worker_arm(w, dp))
		return false;
	w->sleeps++;
	dp_sleep(w->ctl, w->id, dp);
	/* dp may be gone; of another snapshot worker_turn() disarms all queues */
	dp = dp_live(w->ctl);
	if (dp->generation == generation)
		worker_disarm(w, dp);
	return true;
}
