/* SPDX-License-Identifier: BSD-3-Clause */
/* Why does a device pass no traffic: one sentence from the facts. */
#include <stdio.h>

#include "vdev/ring.h"

/**
 * The first queue of a pair that keeps the link down, seen by someone who asks why: the reason
 * nearest to the cause.
 */
static const char *
why_queue(const struct vdev *d, uint32_t i, char *buf, size_t len)
{
	const struct vdev_queue *q = &d->q[i];
	const char *why = q->why != NULL ? q->why : ring_blocked(d, q);

	if (!q->running)
		snprintf(buf, len, "queue %u: %s", i, why != NULL ? why : "not started yet");
	else
		snprintf(buf, len, "queue %u is disabled by the frontend (SET_VRING_ENABLE 0)", i);
	return buf;
}

const char *
vdev_why(const struct vdev *d, char *buf, size_t len)
{
	bool enabled;

	if (vdev_link_up(d))
		return "nothing: at least one queue pair runs";
	if (d->wanted == VDEV_STATE_RUNNING_P2P)
		return "the port was quiesced by the operator";
	if (d->wanted != VDEV_STATE_RUNNING)
		return "the port was stopped by the operator";
	if (d->transport == NULL)
		return "no frontend is connected";
	if (d->fault_seen)
		return "guest memory is gone: its file was truncated";
	if (d->nqueues == 0)
		return "the frontend is connected but has said nothing about its queues yet";
	if (vdev_tx_queue(d, 0, &enabled) == NULL || !enabled)
		return why_queue(d, 0, buf, len);
	return why_queue(d, 1, buf, len);
}
