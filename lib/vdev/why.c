/* SPDX-License-Identifier: BSD-3-Clause */
/* The reason why a device passes no traffic: one sentence from the facts. */
#include <stdio.h>

#include <assert.h>

#include <rte_common.h>

#include "vdev/ring.h"

static const char *const lack_text[] = {
#define X(sym, text) [VDEV_LACK_##sym] = (text),
	VDEV_LACKS(X)
#undef X
};
static_assert(RTE_DIM(lack_text) == VDEV_LACK_NUM, "every missing fact has its text");

const char *
vdev_lack_text(const struct vdev *d, enum vdev_lack lack)
{
	const char *const *own = d->transport != NULL ? d->transport->ops->lack : NULL;

	return own != NULL && own[lack] != NULL ? own[lack] : lack_text[lack];
}

/** The queue of a pair that keeps the link down, with the reason nearest to the cause. */
static const char *
why_queue(const struct vdev *d, uint32_t i, char *buf, size_t len)
{
	const struct vdev_queue *q = &d->q[i];
	const char *why = q->why != NULL ? q->why : ring_blocked(d, q);

	if (!q->running)
		snprintf(buf, len, "queue %u: %s", i, why != NULL ? why : "not started yet");
	else
		snprintf(buf, len, "queue %u is %s", i, vdev_lack_text(d, VDEV_LACK_ENABLE));
	return buf;
}

/** The link is up, but one of the other queues may have been stopped. */
static const char *
why_partly(const struct vdev *d, char *buf, size_t len)
{
	uint32_t i;

	for (i = 0; i < d->nqueues; i++) {
		if (d->q[i].running || !(d->q[i].refused || d->q[i].broken))
			continue;
		snprintf(buf, len, "nothing but for queue %u: %s", i, d->q[i].why);
		return buf;
	}
	return "nothing: at least one queue pair runs";
}

/** Front-ends send enable and call messages long before the guest's driver comes. */
static bool
any_described(const struct vdev *d)
{
	uint32_t i;

	for (i = 0; i < d->nqueues; i++)
		if (d->q[i].size != 0 || d->q[i].addr_set || d->q[i].ready)
			return true;
	return false;
}

/** No queue pair has any fact: the fact the session as a whole lacks, or NULL. */
static const char *
why_session(const struct vdev *d, char *buf, size_t len)
{
	if (d->transport == NULL)
		return "no front-end is connected";
	if (d->fault_seen)
		return "guest memory is gone: its file was truncated";
	if (d->status_why != NULL) {
		snprintf(buf, len, "FEATURES_OK was refused: %s", d->status_why);
		return buf;
	}
	if (d->nqueues == 0)
		return "the front-end is connected but has not set up a queue yet";
	if (!d->features_set && !any_described(d))
		return vdev_lack_text(d, VDEV_LACK_FEATURES);
	return NULL;
}

const char *
vdev_why(const struct vdev *d, char *buf, size_t len)
{
	const char *why;
	bool enabled;

	if (vdev_link_up(d))
		return why_partly(d, buf, len);
	if (d->wanted == VDEV_STATE_RUNNING_P2P)
		return "the port was quiesced by the operator";
	if (d->wanted != VDEV_STATE_RUNNING)
		return "the port was stopped by the operator";
	why = why_session(d, buf, len);
	if (why != NULL)
		return why;
	if (vdev_tx_queue(d, 0, &enabled) == NULL || !enabled)
		return why_queue(d, 0, buf, len);
	return why_queue(d, 1, buf, len);
}
