/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One ring of a device, inside lib/vdev: from facts to a ring that an engine runs
 * and back. Everything here wants the ring out of the workers' hands: not running,
 * or the device paused. Control thread.
 */
#ifndef VDEV_RING_H
#define VDEV_RING_H

#include "vdev/transport.h"
#include "vdev/vdev.h"

static inline uint32_t
ring_index(const struct vdev *d, const struct vdev_queue *q)
{
	return (uint32_t)(q - d->q);
}

/** What @p d waits for, in the words of its transport. Static text. */
const char *vdev_lack_text(const struct vdev *d, enum vdev_lack lack);

/** Where a ring that was never said to stand anywhere does. */
struct vq_state ring_fresh(const struct vdev *d);

/** Whether any ring of @p d runs, quiesced or not. */
bool ring_any_runs(const struct vdev *d);

/** Queue @p i, remembered as seen; NULL when the device has no such queue. */
struct vdev_queue *ring_get(struct vdev *d, uint32_t i);

/** Names the ring in the journal; its layout is known. */
struct vq_journal_key ring_key(const struct vdev *d, const struct vdev_queue *q);

/** Why @p q must not run as things are, short of trying; NULL: try. Static text. */
const char *ring_blocked(const struct vdev *d, const struct vdev_queue *q);

/**
 * Start @p q if the facts allow it; else q->why says what is missing and q->refused whether it is
 * final.
 */
void ring_start(struct vdev *d, struct vdev_queue *q);

/** Take the state out of a running ring; it can be started again from there. */
void ring_halt(struct vdev *d, struct vdev_queue *q);

/**
 * ring_halt(), and the peer knows: nothing to recover, no start before the ring is ready again.
 */
void ring_close(struct vdev *d, struct vdev_queue *q);

/** @p q is not broken any more; the device is not in error if that was the last one. */
void ring_repair(struct vdev *d, struct vdev_queue *q);

/** Whether @p q is enabled, by its own enable or because rings are not enabled one by one. */
static inline bool
ring_enabled(const struct vdev *d, const struct vdev_queue *q)
{
	return q->enabled || !d->enable_used;
}

/** Forget what was said about @p q, but not its descriptors. Not running. */
void ring_forget(struct vdev_queue *q);
void ring_close_fds(struct vdev_queue *q);

/* --- ring_place.c: where the areas of a ring are --- */

/**
 * Find the areas of @p q and remember them in q->map. NULL, or why they cannot be had; q->waits
 * says that a translation is missing, which has been asked for.
 */
const char *ring_place(struct vdev *d, struct vdev_queue *q, enum vq_layout layout);

/** What became of a running ring's areas since it was started. */
enum ring_move {
	RING_STAYS,
	RING_MISSING, /* the translation of a part is gone */
	RING_MOVED,   /* elsewhere, or nowhere */
};
enum ring_move ring_moved(const struct vdev *d, const struct vdev_queue *q);

/** Whether a running ring has a part in [iova, last], which are addresses as it was given them. */
bool ring_touches(const struct vdev *d, const struct vdev_queue *q, uint64_t iova, uint64_t last);

/** Ask for the translations of the ring that are missing. */
void ring_request_translations(struct vdev *d, const struct vdev_queue *q, enum vq_layout layout);

/**
 * A ring was given up: the next at the same addresses may lie elsewhere, and not every front-end
 * says so. With the last ring all translations go.
 */
void ring_forget_translations(struct vdev *d, const struct vdev_queue *q, enum vq_layout layout);

/** Forget where the areas are. */
void ring_map_clear(struct vdev_ring_map *map);

/* --- sync.c: the halves of vdev_sync() for several devices --- */

/** vdev_pause() without the publication: d->unpublished says whether one is needed. */
void sync_pause(struct vdev *d);

/** Derive what runs from the facts; ends a pause. d->unpublished says whether something changed. */
void sync_derive(struct vdev *d);

/** Publish what is unpublished and tell the owner; returns after the grace period. */
void sync_publish(struct vdev *d);

/* --- soft.c: queues that workers poll, their IOTLB misses and their attention --- */

/** The queue object, made on first use; it lives on when the ring stops, for its counters. */
struct vq *soft_vq(struct vdev_queue *q);

/** Running @p q is not touched until soft_resume(): vq_suspend(). */
void soft_suspend(struct vdev_queue *q);

/** Suspended @p q goes on where it was, and sleepers must be woken. */
void soft_resume(struct vdev_queue *q);

/** What a worker reported of @p q since the last call: VQ_ATTN_*. */
uint32_t soft_attention(struct vdev_queue *q);

/** Why the guest's ring is broken, static text, or NULL. */
const char *soft_why(const struct vdev_queue *q);

/** Ask for what @p q waits for. Whether it can go on, and sleepers must be woken. */
bool soft_request_misses(struct vdev *d, struct vdev_queue *q);

/**
 * Translations have come: let queues go on that have all they need; with @p again those ask anew
 * that could not ask before. Whether sleepers must be woken.
 */
bool soft_misses_answered(struct vdev *d, bool again);

/** Whether running @p q waits for a translation. */
bool soft_waits(const struct vdev_queue *q);

/** Let @p q look again, so that it asks again. Whether it did wait. */
bool soft_retry(struct vdev_queue *q);

/* --- addr_space.c: what guest addresses mean --- */

/** Whether addresses are IOVAs. */
bool space_translated(const struct vdev *d);

/**
 * Replace memory map, translations and log by these (each may be the present
 * one). The old ones are freed when nobody uses them. On failure (-ENOMEM) the
 * new ones are freed instead and nothing changed.
 */
int space_change(struct vdev *d, struct gmem *m, struct iotlb *t, struct dirty *log);

/** space_change() with what is there: after a change of features. */
int space_refresh(struct vdev *d);

/**
 * Where the ring area [addr, addr + len) is. 0, -EFAULT when it is not mapped as a whole, -EAGAIN
 * when a translation is missing, -EXDEV when it is in pieces smaller than a page, -ENOMEM.
 */
int space_area(const struct vdev *d, uint64_t addr, uint64_t len, uint32_t perm,
	       struct vdev_ring_area *area);

/** Forget translations on our own account. */
void space_forget(struct vdev *d, uint64_t iova, uint64_t size);

/** Go on with the suspended rings whose areas are there again. */
void space_resume(struct vdev *d);

/* --- iotlb_miss.c: translations the front-end is asked for --- */

/**
 * Ask for what is missing of [iova, iova + len), each page once until it is answered or forgotten.
 * Whether something is missing.
 */
bool iotlb_request(struct vdev *d, uint64_t iova, uint64_t len, uint32_t perm);

/** Likewise what no answer to request number @p since or a later one has told. */
bool iotlb_request_since(struct vdev *d, const struct vq_miss *m, uint64_t since);

/**
 * The request that a translation which has just come may answer, at the latest: each request has
 * one answer at most, and they come in order. That request is forgotten. 0: none was made.
 */
uint64_t iotlb_request_serial(struct vdev *d, const struct iotlb_entry *e);

/** Translations have come: let those go on who waited for them. */
void iotlb_requests_answered(struct vdev *d);

/** Now and then: what was not answered for a while is asked for again. */
void iotlb_requests_again(struct vdev *d);

/** No answer to anything that was asked for can come any more. */
void iotlb_requests_forget(struct vdev *d);

/** What was asked for does not matter any more, but may be answered yet. */
void iotlb_requests_disown(struct vdev *d);

#endif
