/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One ring of a device, inside lib/vdev: from facts to a ring that an engine runs and back. All
 * functions here need a ring that no worker uses: it is not running, or the device is paused.
 * Control thread.
 */
#ifndef VDEV_RING_H
#define VDEV_RING_H

#include "vdev/engine.h"
#include "vdev/transport.h"
#include "vdev/vdev.h"

static inline uint32_t
ring_index(const struct vdev *d, const struct vdev_queue *q)
{
	return (uint32_t)(q - d->q);
}

/** The missing fact @p lack, in the terms of the device's transport. Static text. */
const char *vdev_lack_text(const struct vdev *d, enum vdev_lack lack);

/** The position of a ring without a stated one. */
struct vq_state ring_fresh(const struct vdev *d);

/** Whether any ring of @p d runs, quiesced or not. */
bool ring_any_runs(const struct vdev *d);

/** Queue @p i, counted in nqueues from now on; NULL when the device has no such queue. */
struct vdev_queue *ring_get(struct vdev *d, uint32_t i);

/** Names the ring in the journal; its layout is known. */
struct vq_journal_key ring_key(const struct vdev *d, const struct vdev_queue *q);

/**
 * The reason why @p q must not run, as far as the facts tell before a start; NULL: try. Static
 * text.
 */
const char *ring_blocked(const struct vdev *d, const struct vdev_queue *q);

/**
 * Start @p q if the facts allow it; else q->why has the reason and q->refused tells whether it is
 * final.
 */
void ring_start(struct vdev *d, struct vdev_queue *q);

/** Stop a running ring and remember its position; it can be started again from there. */
void ring_halt(struct vdev *d, struct vdev_queue *q);

/**
 * ring_halt() for a change by the front-end. A ring that is disabled is not started again before it
 * is enabled or ready: its driver may be gone, and starting writes to its memory.
 */
void ring_halt_changed(struct vdev *d, struct vdev_queue *q);

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

/** Whether the front-end may still be about to enable @p q, which has just become ready. */
static inline bool
ring_awaits_enable(const struct vdev *d, const struct vdev_queue *q)
{
	return q->enable_due && !ring_enabled(d, q);
}

/** A ring of @p d, which has a loop, awaits to be enabled: for VDEV_ENABLE_MS from now on. */
void ring_await_enable(struct vdev *d);

/** Forget the facts about @p q, but not its descriptors. Not running. */
void ring_forget(struct vdev_queue *q);

/** Close a peer's eventfd (-1: none), which may take the kernel long, in the device's lane. */
void ring_close_fd(struct vdev *d, int fd);
void ring_close_fds(struct vdev *d, struct vdev_queue *q);

/* --- ring_place.c: the places of a ring's areas --- */

/**
 * Find the areas of @p q and remember them in q->map. NULL, or the reason why they cannot be used;
 * q->waits: a translation is missing and has been requested.
 */
const char *ring_place(struct vdev *d, struct vdev_queue *q, enum vq_layout layout);

/** The change of a running ring's areas since it was started. */
enum ring_move {
	RING_STAYS,
	RING_MISSING, /* the translation of a part is gone */
	RING_MOVED,   /* at another place, or unmapped */
};
enum ring_move ring_moved(const struct vdev *d, const struct vdev_queue *q);

/** Whether a running ring has a part in [iova, last], addresses as the front-end gave them. */
bool ring_touches(const struct vdev *d, const struct vdev_queue *q, uint64_t iova, uint64_t last);

/** Request the translations of the ring that are missing. */
void ring_request_translations(struct vdev *d, const struct vdev_queue *q, enum vq_layout layout);

/**
 * A ring was closed: the next one at the same addresses may lie elsewhere, and not every front-end
 * announces it. With the last ring all translations are forgotten.
 */
void ring_forget_translations(struct vdev *d, const struct vdev_queue *q, enum vq_layout layout);

/** Forget the places of the areas. */
void ring_map_clear(struct vdev_ring_map *map);

/* --- sync.c: the halves of vdev_sync() for several devices --- */

/** vdev_pause() without the publication: d->unpublished says whether one is needed. */
void sync_pause(struct vdev *d);

/** Derive what runs from the facts; ends a pause. d->unpublished says whether something changed. */
void sync_derive(struct vdev *d);

/** Publish what is unpublished and tell the owner; returns after the grace period. */
void sync_publish(struct vdev *d);

/* --- reasons.c: engines --- */

/** The engine in charge, for workers; NULL: they do not see its rings, or there is none. */
const struct engine_polled_ops *ring_polled(const struct vdev *d);

/** The first engine of the list whose rings workers poll; NULL: there is none. */
const struct engine *engine_of_workers(const struct vdev *d);

/* --- addr_space.c: the meaning of guest addresses --- */

/** The lifetime of translations is known from the transport only. */
void space_fresh(struct vdev *d);

/** Whether addresses are IOVAs. */
bool space_translated(const struct vdev *d);

/**
 * Replace memory map, translations and log by these (each may be the present one). The old ones are
 * freed when no worker uses them any more. On failure (-ENOMEM) the new ones are freed instead and
 * nothing changed.
 */
int space_change(struct vdev *d, struct gmem *m, struct iotlb *t, struct dirty *log);

/** space_change() with the present ones: after a change of features. */
int space_refresh(struct vdev *d);

/**
 * The place of the ring area [addr, addr + len). 0, -EFAULT when it is not mapped as a whole,
 * -EAGAIN when a translation is missing, -EXDEV when its segments are smaller than a page, -ENOMEM.
 */
int space_area(const struct vdev *d, uint64_t addr, uint64_t len, uint32_t perm,
	       struct vdev_ring_area *area);

/** Forget translations without an invalidation by the front-end. */
void space_forget(struct vdev *d, uint64_t iova, uint64_t size);

/** Go on with the suspended rings whose areas are there again. */
void space_resume(struct vdev *d);

/* --- pages.c: pages that a post-copy migration has yet to bring --- */

/** Whether some may be missing. */
bool pages_absent(const struct vdev *d);

/**
 * Have the absent pages of @p m brought, as far as it is translated by an answer to request number
 * @p since or a later one. Whether there are any.
 */
bool pages_request(const struct vdev *d, uint32_t ring, const struct vq_miss *m, uint64_t since);

/** Likewise those of the areas of @p q, whose places are known. */
bool pages_request_ring(const struct vdev *d, const struct vdev_queue *q);

/* --- iotlb_miss.c: translations requested of the front-end --- */

/**
 * Request the missing translations of [iova, iova + len), each page once until it is answered or
 * forgotten. Whether any is missing.
 */
bool iotlb_request(struct vdev *d, uint64_t iova, uint64_t len, uint32_t perm);

/** Likewise those that no answer to request number @p since or a later one has given. */
bool iotlb_request_since(struct vdev *d, const struct vq_miss *m, uint64_t since);

/**
 * The latest request that a translation which has just arrived may answer: each request has one
 * answer at most, and they arrive in order. That request is forgotten. 0: none was made.
 */
uint64_t iotlb_request_serial(struct vdev *d, const struct iotlb_entry *e);

/** Translations have arrived: let the queues that waited for them go on. */
void iotlb_requests_answered(struct vdev *d);

/** Periodically: requests without an answer are repeated after a while. */
void iotlb_requests_again(struct vdev *d);

/** No request can be answered any more: forget all. */
void iotlb_requests_forget(struct vdev *d);

/** Pending requests are obsolete, but may still be answered. */
void iotlb_requests_disown(struct vdev *d);

#endif
