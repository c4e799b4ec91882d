/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * Interrupt decisions a worker has put off (pktq_ops.decide).
 *
 * To read the driver's wish right after publishing costs a full fence, which
 * waits until the lines just written have come from the driver's core. So the
 * worker lists the queues it has published to and decides when the next frames
 * have been looked at - by then the stores have arrived - or a few idle queues
 * later, and in any case before it sleeps or reports a quiescent state: the list
 * never outlives the snapshot its queues were in.
 */
#ifndef SWITCH_LATE_H
#define SWITCH_LATE_H

#include "switch/forward.h"

#define LATE_POLLS 8 /* idle queues looked at before decisions are made anyway */

/** After tx(), rx_done() or flush(): remember @p q if it put a decision off. Its owner. */
static inline void
late_note(struct worker *w, struct pktq *q)
{
	if (!q->undecided || q->listed)
		return;
	if (unlikely(w->nlate == WORKER_LATE_MAX)) {
		pktq_decide(q);
		return;
	}
	q->listed = true;
	w->late[w->nlate++] = q;
}

/** Make the decisions that are due. */
static inline void
late_settle(struct worker *w)
{
	for (uint32_t i = 0; i < w->nlate; i++) {
		w->late[i]->listed = false;
		pktq_decide(w->late[i]);
	}
	w->nlate = 0;
	w->late_polls = 0;
}

/** A queue was polled and gave @p n chains: make the decisions if it is time. */
static inline void
late_polled(struct worker *w, uint32_t n)
{
	if (w->nlate != 0 && (n != 0 || ++w->late_polls == LATE_POLLS))
		late_settle(w);
}

#endif
