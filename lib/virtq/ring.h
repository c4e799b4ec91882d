/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ring access of one instance, split or packed. Included by body.h only, after the instance has
 * defined FMT, its constant format.
 *
 * Barrier pairs, by the letter used at both ends of the device side:
 *  [A] driver's release of avail->idx or of a head's flags / our acquire of it
 *  [U] our release of used->idx or of the first used element's flags / driver's acquire
 *  [E] our full fence between publishing and reading the driver's wish for
 *      interrupts / driver's between writing that wish and looking at the ring
 *  [N] our full fence between arming notifications and looking at the ring
 *      again / driver's between publishing and reading our wish
 *
 * Between our own threads (vq.c):
 *  [W] a sender's full fence between keeping frames and looking whether the queue still waits /
 *      control's exchange that ends the wait, after which it wakes the worker that flushes
 */
#ifndef VIRTQ_RING_H
#define VIRTQ_RING_H

#include <stdatomic.h>

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "virtq/fmt.h"
#include "gmem/dirty.h"
#include "gmem/iotlb.h"
#include "virtq/internal.h"
#include "virtq/vq.h"

/** A descriptor in host order. */
struct vq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t link; /* split: next, packed: id */
};

/**
 * The place of the ring: a copy for loops, which need not load it again after each of their stores.
 */
struct ring_base {
	const uint8_t *desc;
	const vq16_t *avail; /* split: entries of the available ring */
	uint32_t size;
	const struct vq_pages *const *pages; /* looked at behind an IOMMU only */
};

/** A place in a ring: of the next chain, or of the next used element. */
struct ring_pos {
	uint16_t idx;  /* split: free-running, packed: slot */
	uint16_t wrap; /* packed: the two flags of a used element there, PACKED_F_BOTH or none */
};

/** Outcome of looking at the next part of a ring, a chain or memory. */
enum vq_step {
	VQ_OK,
	VQ_END,    /* no further one */
	VQ_BAD,    /* malformed chain: give it back, go on */
	VQ_LONG,   /* chain that costs more than it may: likewise */
	VQ_MISS,   /* a translation or a page is missing: try again later */
	VQ_BROKEN, /* the ring cannot be used any more */
	VQ_FULL,   /* no scratch space left */
};

static __rte_always_inline struct ring_pos
ring_avail_pos(const struct vq *vq)
{
	return (struct ring_pos){vq->avail, vq->avail_wrap ? PACKED_F_BOTH : 0};
}

static __rte_always_inline struct ring_pos
ring_used_pos(const struct vq *vq)
{
	return (struct ring_pos){vq->used, vq->used_wrap ? PACKED_F_BOTH : 0};
}

/** @p n ring slots (packed) or chains (split) further. */
static __rte_always_inline struct ring_pos
ring_step(uint32_t size, struct ring_pos pos, uint16_t n)
{
	pos.idx += n;
	if (FMT.packed && pos.idx >= size) {
		pos.idx -= size;
		pos.wrap ^= PACKED_F_BOTH;
	}
	return pos;
}

static __rte_always_inline struct ring_pos
ring_advance(const struct vq *vq, struct ring_pos pos, uint16_t n)
{
	return ring_step(vq->size, pos, n);
}

/** Byte @p off of the area @p pages, or of the one that is at @p base as a whole. */
static __rte_always_inline uint8_t *
area_at(const struct vq_pages *pages, const void *base, size_t off)
{
	if (FMT.full && unlikely(pages != NULL))
		return vq_pages_at(pages, off);
	return (uint8_t *)(uintptr_t)base + off;
}

/** Bytes of a ring area. */
struct ring_part {
	enum vq_area area;
	uint32_t off, len;
};

static __rte_noinline void
ring_log_part(const struct vq *vq, const struct dirty *log, struct ring_part w)
{
	const struct vq_pages *p = vq->pages[w.area];
	uint64_t gpa = w.area == VQ_DESC ? vq->desc_gpa
		       : FMT.packed      ? vq->device_gpa
					 : vq->log_used_gpa;
	uint32_t n;

	if (p == NULL) {
		dirty_mark(log, gpa + w.off, w.len);
		return;
	}
	for (w.off += p->in_page; w.len > 0; w.off += n, w.len -= n) {
		n = RTE_MIN(w.len, VQ_PAGE - w.off % VQ_PAGE);
		dirty_mark(log, p->page[w.off / VQ_PAGE].gpa + w.off % VQ_PAGE, n);
	}
}

/*
 * Log the ring memory that was written as dirty; after the store, as the front-end copies at any
 * time.
 */
static __rte_always_inline void
ring_log(const struct vq *vq, const struct vq_mem *mem, struct ring_part written)
{
	if (FMT.full && unlikely(mem->log != NULL && vq->log_ring))
		ring_log_part(vq, mem->log, written);
}

#include "virtq/split.h"

#include "virtq/packed.h"

/**
 * How many chains, up to @p want, may be looked at from @p pos on; packed rings tell chain by
 * chain.
 */
static __rte_always_inline uint16_t
ring_available(struct vq *vq, struct ring_pos pos, uint16_t want)
{
	return FMT.packed ? want : split_available(vq, pos.idx, want);
}

static __rte_always_inline struct ring_base
ring_base(const struct vq *vq)
{
	return (struct ring_base){vq->desc, split_avail(vq)->ring, vq->size, vq->pages};
}

/** Prefetch: @p n chains are going to be given back. */
static __rte_always_inline void
ring_prefetch_used(const struct vq *vq, uint16_t n)
{
	if (!FMT.packed)
		split_prefetch_used(vq, n);
}

/**
 * Read the first descriptor of the chain at @p pos, which ring_available()
 * allows; id identifies the chain where it is a single descriptor. False: there
 * is none, ring_no_head() knows why.
 */
static __rte_always_inline bool
ring_head(const struct ring_base *rb, struct ring_pos pos, struct vq_desc *d, uint16_t *id)
{
	if (FMT.packed)
		return packed_head(rb, pos, d, id);
	return split_head(rb, pos.idx, d, id);
}

/** Why there is no head where ring_available() had allowed one. */
static inline enum vq_step
ring_no_head(struct vq *vq)
{
	if (FMT.packed)
		return VQ_END;
	vq_break(vq, "available ring names a descriptor beyond the table");
	return VQ_BROKEN;
}

/**
 * Whether the next chain lacks a translation or a page not there yet: looking is useless until
 * then.
 */
static __rte_always_inline bool
ring_waits(struct vq *vq)
{
	vq->q.work = 0;
	return atomic_load_explicit(&vq->q.waits, memory_order_acquire);
}

/** Whether a chain is available: by a fresh load, not a cached index. */
static inline bool
ring_pending(struct vq *vq)
{
	if (FMT.packed)
		return packed_is_avail(vq, ring_avail_pos(vq));
	return vq16_load_acquire(FMT, split_avail_idx(vq)) != vq->avail;
}

#endif
