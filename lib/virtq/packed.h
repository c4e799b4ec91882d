/* SPDX-License-Identifier: BSD-3-Clause */
/* Packed ring (virtio spec 2.8), device side. A part of ring.h. */
#ifndef VIRTQ_PACKED_H
#define VIRTQ_PACKED_H

static __rte_always_inline uint8_t *
packed_slot(const struct vq *vq, uint16_t i)
{
	return area_at(vq->pages[VQ_DESC], vq->desc, (size_t)i * sizeof(struct packed_desc));
}

/** Whether the avail flag is that of the lap and the used flag is not. @p wrap: of a ring_pos. */
static __rte_always_inline bool
packed_flags_avail(uint16_t flags, uint16_t wrap)
{
	return ((flags ^ wrap) & PACKED_F_BOTH) == PACKED_F_USED;
}

static __rte_always_inline bool
packed_is_avail(const struct vq *vq, struct ring_pos pos)
{
	union packed_rest rest = packed_rest_load(packed_slot(vq, pos.idx)); /* [A] */

	return packed_flags_avail(vq16_get(FMT, rest.flags), pos.wrap);
}

/* Two words of eight bytes: {addr} and {len, id, flags}. */
static __rte_always_inline struct vq_desc
packed_desc_make(uint64_t addr, uint64_t rest)
{
	union {
		uint64_t w[2];
		struct packed_desc d;
	} u = {{addr, rest}};

	return (struct vq_desc){vq64_get(FMT, u.d.addr), vq32_get(FMT, u.d.len),
				vq16_get(FMT, u.d.flags), vq16_get(FMT, u.d.id)};
}

/** Entry of an indirect table. */
static __rte_always_inline struct vq_desc
packed_desc_read(const uint8_t *p)
{
	return packed_desc_make(vq_read64(p), vq_read64(p + 8));
}

/** The descriptor at @p slot, which is the place @p pos; false: it is not available. */
static __rte_always_inline bool
packed_slot_read(const uint8_t *slot, struct ring_pos pos, struct vq_desc *d)
{
	uint64_t rest = packed_rest_load(slot).word; /* [A] */

	*d = packed_desc_make(__atomic_load_n((const uint64_t *)slot, __ATOMIC_RELAXED), rest);
	return packed_flags_avail(d->flags, pos.wrap);
}

static __rte_always_inline bool
packed_head(const struct ring_base *rb, struct ring_pos pos, struct vq_desc *d, uint16_t *id)
{
	const uint8_t *slot = area_at(FMT.full ? rb->pages[VQ_DESC] : NULL, rb->desc,
				      (size_t)pos.idx * sizeof(struct packed_desc));
	bool avail = packed_slot_read(slot, pos, d);

	*id = d->link;
	return avail;
}

/** Write a used element. @p wrap: of its place. */
static __rte_always_inline void
packed_put_one(void *slot, const struct pkt_used *u, uint16_t wrap, int order)
{
	uint16_t flags = wrap | (u->len > 0 ? VRING_DESC_F_WRITE : 0);

	packed_rest_store(slot, packed_rest_make(FMT, u->len, u->id, flags), order);
}

/**
 * Write used elements from @p at on; the driver looks at them in order, so
 * storing the first one last makes all of them visible at once [U].
 */
static __rte_always_inline void
packed_put(struct vq *vq, struct ring_pos at, const struct pkt_used *u, uint16_t n)
{
	const struct vq_pages *const pages = FMT.full ? vq->pages[VQ_DESC] : NULL;
	uint8_t *const desc = vq->desc;
	struct ring_pos pos = ring_advance(vq, at, u[0].ndesc);
	const uint32_t size = vq->size;
	uint16_t i;

	for (i = 1; i < n; i++) {
		packed_put_one(area_at(pages, desc, pos.idx * sizeof(struct packed_desc)), &u[i],
			       pos.wrap, __ATOMIC_RELAXED);
		pos = ring_step(size, pos, u[i].ndesc);
	}
	packed_put_one(area_at(pages, desc, at.idx * sizeof(struct packed_desc)), &u[0], at.wrap,
		       __ATOMIC_RELEASE);
}

static inline void
packed_log(const struct vq *vq, const struct vq_mem *mem, struct ring_pos at,
	   const struct pkt_used *u, uint16_t n)
{
	uint16_t i;

	for (i = 0; i < n; i++) {
		ring_log(vq, mem,
			 (struct ring_part){VQ_DESC, at.idx * sizeof(struct packed_desc),
					    sizeof(struct packed_desc)});
		at = ring_advance(vq, at, u[i].ndesc);
	}
}

/** Whether the last @p n slots contain the one the driver named; all do, from one lap on. */
static inline bool
packed_event_passed(const struct vq *vq, uint32_t n, uint16_t off_wrap)
{
	uint16_t event = off_wrap & (uint16_t)~PACKED_WRAP;

	if (!!(off_wrap & PACKED_WRAP) != vq->used_wrap)
		event -= vq->size;
	return n >= vq->size || vq_need_event(event, vq->used, vq->used - n);
}

static inline bool
packed_wants_interrupt(struct vq *vq)
{
	const struct packed_event *e = (const struct packed_event *)vq->driver;
	uint32_t n = vq->unsignalled;
	uint16_t flags =
		vq16_load_acquire(FMT, &e->flags); /* before off_wrap, which is written first */

	vq->unsignalled = 0;
	if (flags == VRING_PACKED_EVENT_FLAG_DISABLE)
		return false;
	if (flags != VRING_PACKED_EVENT_FLAG_DESC || !vq->event_idx)
		return true;
	return packed_event_passed(vq, n, vq16_load(FMT, &e->off_wrap));
}

static inline void
packed_set_notify(struct vq *vq, const struct vq_mem *mem, bool on)
{
	struct packed_event *e = (struct packed_event *)vq->device;
	uint16_t flags = VRING_PACKED_EVENT_FLAG_DISABLE;

	if (on && vq->event_idx) {
		vq16_store(FMT, &e->off_wrap, vq->avail | (vq->avail_wrap ? PACKED_WRAP : 0));
		flags = VRING_PACKED_EVENT_FLAG_DESC;
	} else if (on) {
		flags = VRING_PACKED_EVENT_FLAG_ENABLE;
	}
	vq16_store_release(FMT, &e->flags, flags);
	ring_log(vq, mem, (struct ring_part){VQ_DEVICE, 0, sizeof(*e)});
}

#endif
