/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Doorbells: memory of a card that the front-end maps into its guest, by which the guest notifies
 * hardware without an exit (VHOST_USER_BACKEND_VRING_HOST_NOTIFIER_MSG).
 *
 * QEMU (7.2 to 10) frees a mapping an RCU grace period after it was withdrawn, and ends itself by
 * an assertion when the next one of that ring is withdrawn before. So doorbells rest: for
 * VHU_BELL_REST_MS after any was withdrawn, after GET_VRING_BASE, in which QEMU withdraws the
 * ring's own, and after the session's begin, since the one before may have been the same QEMU's.
 * Meanwhile the guest notifies by eventfd, and a doorbell that is named waits here.
 */
#ifndef VHOST_USER_BELL_H
#define VHOST_USER_BELL_H

#include "base/ev.h"
#include "vdev/transport.h"
#include "vdev/vdev.h"

#define VHU_BELL_REST_MS 10000

/** A ring's. */
struct vhu_bell {
	bool waits; /* fd is a descriptor of ours, offset and size belong to it */
	bool named; /* the front-end has it */
	int fd;
	uint64_t offset, size;
};

/** [ctl] Zero-initialised is valid: no doorbell, none rests. */
struct vhu_bells {
	struct ev_timer timer; /* armed while one waits */
	uint64_t rested_ns;    /* no doorbell is named before, by ev_now_ns() */
	uint32_t unanswered;   /* withdrawals that the front-end has yet to answer */
	struct vhu_bell ring[VDEV_QUEUES_MAX];
};

struct vhu_session;

/** The front-end has lost doorbells, or may have: the next ones wait. */
void vhu_bells_rest(struct vhu_bells *b);

/** The session ends: none waits any more, none is named. The channel is closed by the caller. */
void vhu_bells_reset(struct vhu_bells *b);

/** An answer to a withdrawal: NULL, or the reason for which the channel is closed; static text. */
const char *vhu_bells_answer(struct vhu_session *s);

/** See struct transport_ops; @p b is sent now or after the rest. */
bool vhu_send_host_notifier(struct transport *t, uint32_t queue,
			    const struct transport_doorbell *b);

#endif
