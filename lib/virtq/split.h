/* SPDX-License-Identifier: BSD-3-Clause */
/* Split ring (virtio spec 2.7), device side. A part of ring.h. */
#ifndef VIRTQ_SPLIT_H
#define VIRTQ_SPLIT_H

static __rte_always_inline struct split_avail *
split_avail(const struct vq *vq)
{
	return (struct split_avail *)vq->driver;
}

static __rte_always_inline struct split_used *
split_used(const struct vq *vq)
{
	return (struct split_used *)vq->device;
}

static __rte_always_inline const uint8_t *
split_slot(const struct vq *vq, uint16_t i)
{
	return area_at(vq->pages[VQ_DESC], vq->desc, (size_t)i * sizeof(struct split_desc));
}

static __rte_always_inline const vq16_t *
split_avail_idx(const struct vq *vq)
{
	return (const vq16_t *)area_at(vq->pages[VQ_DRIVER], vq->driver,
				       offsetof(struct split_avail, idx));
}

/** Word behind the avail ring: where the driver wants its next interrupt. */
static __rte_always_inline const vq16_t *
split_used_event(const struct vq *vq)
{
	return (const vq16_t *)area_at(vq->pages[VQ_DRIVER], vq->driver,
				       offsetof(struct split_avail, ring[vq->size]));
}

/** Word behind the used ring: where we want the next notification. */
static __rte_always_inline vq16_t *
split_avail_event(const struct vq *vq)
{
	return (vq16_t *)area_at(vq->pages[VQ_DEVICE], vq->device,
				 offsetof(struct split_used, ring[vq->size]));
}

static __rte_always_inline struct vq_desc
split_desc_read(const uint8_t *p)
{
	union {
		uint64_t w[2];
		struct split_desc d;
	} u = {{vq_read64(p), vq_read64(p + 8)}};

	return (struct vq_desc){vq64_get(FMT, u.d.addr), vq32_get(FMT, u.d.len),
				vq16_get(FMT, u.d.flags), vq16_get(FMT, u.d.next)};
}

/**
 * Load avail->idx only when the value seen last is not enough: the line bounces between two cores.
 */
static __rte_always_inline uint16_t
split_available(struct vq *vq, uint16_t pos, uint16_t want)
{
	uint16_t left = vq->avail_seen - pos;
	uint16_t idx;

	if (left < want) {
		idx = vq16_load_acquire(FMT, split_avail_idx(vq)); /* [A] */
		if (unlikely((uint16_t)(idx - vq->avail) > vq->size)) {
			vq_break(vq, "available index is more than a ring ahead");
			return 0;
		}
		vq->avail_seen = idx;
		left = idx - pos;
	}
	return RTE_MIN(left, want);
}

/** Entry @p i of the available ring. */
static __rte_always_inline const vq16_t *
split_entry(const struct ring_base *rb, uint16_t i)
{
	if (FMT.full && unlikely(rb->pages[VQ_DRIVER] != NULL))
		return (const vq16_t *)vq_pages_at(rb->pages[VQ_DRIVER],
						   offsetof(struct split_avail, ring[i]));
	return &rb->avail[i];
}

static __rte_always_inline bool
split_head(const struct ring_base *rb, uint16_t pos, struct vq_desc *d, uint16_t *id)
{
	uint16_t head = vq16_load(FMT, split_entry(rb, pos & (rb->size - 1)));

	if (unlikely(head >= rb->size))
		return false;
	*d = split_desc_read(area_at(FMT.full ? rb->pages[VQ_DESC] : NULL, rb->desc,
				     (size_t)head * sizeof(struct split_desc)));
	*id = head;
	return true;
}

/** Prefetch the lines split_put() will write: the driver's core has read them last. */
static __rte_always_inline void
split_prefetch_used(const struct vq *vq, uint16_t n)
{
	const uint32_t per_line = RTE_CACHE_LINE_SIZE / sizeof(struct split_used_elem);
	const struct split_used_elem *ring = split_used(vq)->ring;
	uint32_t i;

	if (FMT.full && unlikely(vq->pages[VQ_DEVICE] != NULL))
		return;
	for (i = 0; i < n; i += per_line)
		rte_prefetch0_write(&ring[(uint16_t)(vq->used + i) & (vq->size - 1)]);
}

/** The same where pages lie apart; an element may begin in one and end in the next. */
static __rte_noinline void
split_put_apart(const struct vq *vq, uint16_t at, const struct pkt_used *u, uint16_t n)
{
	const struct vq_pages *pages = vq->pages[VQ_DEVICE];
	uint16_t i;

	for (i = 0; i < n; i++) {
		uint32_t slot = (at + i) & (vq->size - 1);
		size_t off = offsetof(struct split_used, ring[slot]);

		*(vq32_t *)vq_pages_at(pages, off) = vq32_make(FMT, u[i].id);
		*(vq32_t *)vq_pages_at(pages, off + sizeof(vq32_t)) = vq32_make(FMT, u[i].len);
	}
}

/** Write @p n used elements from used index @p at on; not visible yet. */
static __rte_always_inline void
split_put(const struct vq *vq, uint16_t at, const struct pkt_used *u, uint16_t n)
{
	struct split_used_elem *ring = split_used(vq)->ring;
	const uint32_t mask = vq->size - 1;
	uint16_t i;

	if (FMT.full && unlikely(vq->pages[VQ_DEVICE] != NULL)) {
		split_put_apart(vq, at, u, n);
		return;
	}
	for (i = 0; i < n; i++)
		ring[(at + i) & mask] =
			(struct split_used_elem){vq32_make(FMT, u[i].id), vq32_make(FMT, u[i].len)};
}

/** @p n used elements from slot @p first on. */
static inline struct ring_part
split_written(uint32_t first, uint32_t n)
{
	return (struct ring_part){VQ_DEVICE, offsetof(struct split_used, ring[first]),
				  n * sizeof(struct split_used_elem)};
}

static inline void
split_log(const struct vq *vq, const struct vq_mem *mem, uint16_t at, uint16_t n)
{
	uint32_t first = at & (vq->size - 1);
	uint32_t fit = RTE_MIN((uint32_t)n, vq->size - first);

	ring_log(vq, mem, split_written(first, fit));
	ring_log(vq, mem, split_written(0, n - fit));
	ring_log(vq, mem, (struct ring_part){VQ_DEVICE, 0, offsetof(struct split_used, ring)});
}

static inline bool
split_wants_interrupt(struct vq *vq)
{
	uint32_t n = vq->unsignalled;

	vq->unsignalled = 0;
	if (vq->notify_on_empty && vq16_load(FMT, split_avail_idx(vq)) == vq->avail)
		return true;
	if (!vq->event_idx)
		return !(vq16_load(FMT, &split_avail(vq)->flags) & VRING_AVAIL_F_NO_INTERRUPT);
	return n >= VQ_UNSIGNALLED_ANY ||
	       vq_need_event(vq16_load(FMT, split_used_event(vq)), vq->used, vq->used - n);
}

/** Ask for a notification at the next chain, or for none. */
static inline void
split_set_notify(struct vq *vq, const struct vq_mem *mem, bool on)
{
	if (vq->event_idx) {
		/* an event just behind us is 65535 chains away */
		vq16_store(FMT, split_avail_event(vq), on ? vq->avail : vq->avail - 1);
		ring_log(vq, mem,
			 (struct ring_part){VQ_DEVICE, offsetof(struct split_used, ring[vq->size]),
					    sizeof(vq16_t)});
	} else {
		vq16_store(FMT, &split_used(vq)->flags, on ? 0 : VRING_USED_F_NO_NOTIFY);
		ring_log(vq, mem, (struct ring_part){VQ_DEVICE, 0, sizeof(vq16_t)});
	}
}

#endif
