/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * Notifications a worker has deferred (pktq_ops.notify).
 *
 * To read the driver's wish right after publishing costs a full fence, which
 * waits until the lines just written have come from the driver's core. So the
 * worker lists the queues it has published to and notifies when the next frames
 * have been looked at - by then the stores have arrived - or a few idle queues
 * later, and in any case before it sleeps or reports a quiescent state: the list
 * never outlives the snapshot its queues were in.
 */
#ifndef SWITCH_DEFERRED_H
#define SWITCH_DEFERRED_H

#include "switch/worker.h"

#define DEFERRED_POLLS 8 /* idle queues looked at before peers are notified anyway */

/** After tx(), rx_done() or flush(): remember @p q if it deferred its notification. Its owner. */
static inline void
deferred_note(struct worker *w, struct pktq *q)
{
	if (!q->deferred || q->deferred_listed)
		return;
	if (unlikely(w->ndeferred == WORKER_DEFERRED_MAX)) {
		pktq_notify_deferred(q);
		return;
	}
	q->deferred_listed = true;
	w->deferred[w->ndeferred++] = q;
}

/** Make the notifications that are due. */
static inline void
deferred_notify(struct worker *w)
{
	for (uint32_t i = 0; i < w->ndeferred; i++) {
		w->deferred[i]->deferred_listed = false;
		pktq_notify_deferred(w->deferred[i]);
	}
	w->ndeferred = 0;
	w->deferred_polls = 0;
}

/** A queue was polled and gave @p n chains: make the notifications if it is time. */
static inline void
deferred_polled(struct worker *w, uint32_t n)
{
	if (w->ndeferred != 0 && (n != 0 || ++w->deferred_polls == DEFERRED_POLLS))
		deferred_notify(w);
}

#endif
