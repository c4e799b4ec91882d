/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Giving chains back: used elements, journal, dirty log, interrupt decision,
 * and the other way round asking the driver for notifications. Included by
 * body.h only (FMT, see ring.h).
 */
#ifndef VIRTQ_PUBLISH_H
#define VIRTQ_PUBLISH_H

#include "virtq/ring.h"

/**
 * Write and make visible @p n > 0 used elements from @p at on; @p to is the position after them.
 */
static __rte_always_inline void
publish_elems(struct vq *vq, const struct vq_mem *mem, const struct pkt_used *u, uint16_t n,
	      struct ring_pos to)
{
	struct ring_pos at = ring_used_pos(vq);

	if (FMT.packed) {
		packed_put(vq, at, u, n);
		if (FMT.full)
			packed_log(vq, mem, at, u, n);
	} else {
		split_put(vq, at.idx, u, n);
		vq16_store_release(FMT, &split_used(vq)->idx, to.idx); /* [U] */
		if (FMT.full)
			split_log(vq, mem, at.idx, n);
	}
}

/**
 * Give back @p n > 0 chains that take @p slots ring slots (split: n), and
 * move both positions past them.
 */
static __rte_always_inline void
publish(struct vq *vq, const struct vq_mem *mem, const struct pkt_used *u, uint16_t n,
	uint16_t slots)
{
	struct ring_pos avail = ring_advance(vq, ring_avail_pos(vq), slots);
	struct ring_pos used = ring_advance(vq, ring_used_pos(vq), slots);

	if (unlikely(vq->journal != NULL)) {
		const struct vq_state next = {avail.idx, used.idx, avail.wrap, used.wrap};

		vq_journal_begin(vq, u, n, &next);
		publish_elems(vq, mem, u, n, used);
		vq_journal_end(vq);
	} else {
		publish_elems(vq, mem, u, n, used);
	}
	vq->avail = avail.idx;
	vq->avail_wrap = avail.wrap;
	vq->used = used.idx;
	vq->used_wrap = used.wrap;
	vq->unsignalled += slots;
	if (FMT.full)
		vq->leased -= RTE_MIN(vq->leased, slots);
}

/**
 * Interrupt the driver if it wants that for the used elements published since the last decision.
 */
static __rte_always_inline void
publish_notify(struct vq *vq)
{
	vq->q.deferred = false;
	atomic_thread_fence(memory_order_seq_cst); /* [E] */
	if (FMT.packed ? packed_wants_interrupt(vq) : split_wants_interrupt(vq))
		vq_signal(vq);
}

/**
 * After publish(): a fence now would wait for the lines just written to come from
 * the driver's core, so the decision is deferred where the owner calls notify().
 */
static __rte_always_inline void
publish_notify_later(struct vq *vq)
{
	if (vq->q.can_defer)
		vq->q.deferred = true;
	else
		publish_notify(vq);
}

/** pktq_ops.notify */
static void
publish_deferred(struct pktq *q)
{
	if (q->deferred && !vq_unusable((struct vq *)q))
		publish_notify((struct vq *)q);
	q->deferred = false;
}

static void
publish_set_notify(struct vq *vq, bool on)
{
	const struct vq_mem *mem = vq_mem(vq);

	if (FMT.packed)
		packed_set_notify(vq, mem, on);
	else
		split_set_notify(vq, mem, on);
	vq->armed = on;
}

/*
 * A predecessor that was killed may have written used elements and not marked them, and the journal
 * has written the rest of its last batch: nothing tells what it was, so all of the ring is marked.
 */
static void
publish_mark(struct vq *vq)
{
	const struct vq_extent e = vq_extent(vq->layout, vq->size, vq->features);
	const struct vq_mem *mem = vq_mem(vq);

	if (FMT.packed)
		ring_log(vq, mem, (struct ring_part){VQ_DESC, 0, (uint32_t)e.desc});
	ring_log(vq, mem, (struct ring_part){VQ_DEVICE, 0, (uint32_t)e.device});
}

/** pktq_ops.arm */
static bool
publish_arm(struct pktq *q)
{
	struct vq *vq = (struct vq *)q;

	if (vq_unusable(vq))
		return false;
	if (q->deferred)
		publish_notify(vq);
	publish_set_notify(vq, true);
	atomic_thread_fence(memory_order_seq_cst); /* [N] */
	return ring_pending(vq) && !atomic_load_explicit(&q->waits, memory_order_acquire);
}

/** pktq_ops.disarm */
static void
publish_disarm(struct pktq *q)
{
	struct vq *vq = (struct vq *)q;

	if (vq->armed && !vq_unusable(vq))
		publish_set_notify(vq, false);
}

#endif
