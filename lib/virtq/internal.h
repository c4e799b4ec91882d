/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the files of the device side only. */
#ifndef VIRTQ_INTERNAL_H
#define VIRTQ_INTERNAL_H

#include <stdatomic.h>

#include "gmem/gmem.h"
#include "pkt/pktq.h"
#include "virtq/vq.h"

struct rte_mbuf;

/** A frame in the backlog: it waits for the translation, or a page, of the buffer it goes to. */
struct vq_backlog_frame {
	struct rte_mbuf *m;
	struct pkt_vnet vnet;
	uint16_t need;
};

/** Byte @p off of an area whose pages lie apart. */
static inline uint8_t *
vq_pages_at(const struct vq_pages *p, size_t off)
{
	off += p->in_page;
	return p->page[off / VQ_PAGE].hva + off % VQ_PAGE;
}

/** One instance of the datapath. */
struct vq_instance {
	struct pktq_ops rx;
	struct pktq_ops tx;
	/** Tell the driver whether it is to notify us; used when the queue starts. */
	void (*set_notify)(struct vq *vq, bool on);
	/** Mark all of the ring that the device writes; used when its log begins. */
	void (*mark)(struct vq *vq);
};

/* By instruction set, isa.h; all have the same source. */
#define VQ_INSTANCES(isa)                                                                  \
	extern const struct vq_instance vq_split##isa, vq_split_swap##isa, vq_packed##isa, \
		vq_split_full##isa, vq_split_swap_full##isa, vq_packed_full##isa

VQ_INSTANCES();
VQ_INSTANCES(_v3);
VQ_INSTANCES(_v4);

/** The instance for a layout, plain or full, of the instruction set in use. */
const struct vq_instance *vq_instance_of(enum vq_layout layout, bool full);

static inline const struct vq_mem *
vq_mem(const struct vq *vq)
{
	return atomic_load_explicit(&((struct vq *)(uintptr_t)vq)->mem, memory_order_acquire);
}

/* vq.unsignalled from here on: the driver's event index, at any value, is among them. */
#define VQ_UNSIGNALLED_ANY 0x10000u

/** The ring must not be touched: the guest broke it, or its memory is gone. */
static inline bool
vq_unusable(const struct vq *vq)
{
	return vq->broken || atomic_load_explicit(&vq->fault->dead, memory_order_relaxed);
}

/** The ring itself is malformed: stop serving it and tell control. @p why is static text. Owner. */
void vq_break(struct vq *vq, const char *why);

/**
 * Have control request the @p n > 0 segments in vq->miss, none of which is requested yet. Owner.
 */
void vq_ask(struct vq *vq, uint32_t n);

/**
 * Append frames to the backlog until flush(); those that do not fit are counted as dropped. Returns
 * the number appended. Owner.
 */
uint16_t vq_backlog_add(struct vq *vq, struct pkt *const *pkts, uint16_t n);

/**
 * View on the @p i-th frame of the backlog. @p segs has room for @p nsegs fragments. False: too
 * many. Owner.
 */
bool vq_backlog_view(const struct vq *vq, uint16_t i, struct pkt *p, struct pkt_seg *segs,
		     uint16_t nsegs);

/** Free the first @p n frames of the backlog. Owner, or control after the queue was unpublished. */
void vq_backlog_free(struct vq *vq, uint16_t n);

/* --- journal.c, see journal.h --- */

/**
 * Record the elements about to be published: @p n elements that take the used position to @p next.
 * Owner.
 */
void vq_journal_begin(struct vq *vq, const struct pkt_used *u, uint16_t n,
		      const struct vq_state *next);

/** They have been published. Owner. */
void vq_journal_end(struct vq *vq);

#endif
