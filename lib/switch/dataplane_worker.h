/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers, each with its own id.
 *
 * The workers' half of dataplane.h: quiescent states, sleep.
 */
#ifndef SWITCH_DATAPLANE_WORKER_H
#define SWITCH_DATAPLANE_WORKER_H

#include <sched.h>

#include "switch/dataplane.h"

/** Before the first poll iteration, and to pair dp_offline(). */
static inline void
dp_online(struct dp_ctl *c, uint32_t id)
{
	rte_rcu_qsbr_thread_online(c->qsbr, id);
}

/** After the last poll iteration: control does not wait for this worker any more. */
static inline void
dp_offline(struct dp_ctl *c, uint32_t id)
{
	rte_rcu_qsbr_thread_offline(c->qsbr, id);
}

/** Whether control is waiting for a grace period now. */
static inline bool
dp_waited_for(const struct dp_ctl *c)
{
	return atomic_load_explicit(&c->waiting, memory_order_relaxed);
}

/** Every few iterations at least: nothing seen through dp_live() or the FDB is in use any more. */
static inline void
dp_quiescent(struct dp_ctl *c, uint32_t id)
{
	rte_rcu_qsbr_quiescent(c->qsbr, id);
	if (unlikely(dp_waited_for(c)))
		sched_yield();
}

/**
 * Sleep until a queue of this worker is notified, control publishes something
 * other than @p dp, or dp_wake(); with a queue that cannot notify, no longer than
 * DP_NAP_MS. A quiescent state. The caller has armed its queues.
 */
void dp_sleep(struct dp_ctl *c, uint32_t id, const struct dataplane *dp);

#endif
