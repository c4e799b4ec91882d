/* SPDX-License-Identifier: BSD-3-Clause */
/* Driver side of packed rings (virtio spec 2.8). */
#include <string.h>

#include "virtq/driver_int.h"

static __rte_always_inline struct packed_desc *
desc_at(const struct vqd *d, uint16_t i)
{
	return (struct packed_desc *)d->desc + i;
}

static __rte_always_inline struct packed_event *
driver_event_of(const struct vqd *d)
{
	return (struct packed_event *)d->driver;
}

static __rte_always_inline struct packed_event *
device_event_of(const struct vqd *d)
{
	return (struct packed_event *)d->device;
}

/** The two wrap bits of a descriptor the device may take. */
static __rte_always_inline uint16_t
avail_bits(bool wrap)
{
	return wrap ? PACKED_F_AVAIL : PACKED_F_USED;
}

/** The two wrap bits of a descriptor that is neither available nor used. */
static __rte_always_inline uint16_t
idle_bits(bool wrap)
{
	return wrap ? 0 : PACKED_F_AVAIL | PACKED_F_USED;
}

static __rte_always_inline void
reset(const struct vq_fmt f, struct vqd *d)
{
	uint32_t i;

	memset(d->desc, 0, d->size * sizeof(struct packed_desc));
	memset(d->driver, 0, sizeof(struct packed_event));
	memset(d->device, 0, sizeof(struct packed_event));
	for (i = 0; i < d->size; i++) {
		/* slots behind the start look used in this lap, the others in the one before */
		desc_at(d, (uint16_t)i)->flags =
			vq16_make(f, idle_bits(i < d->avail ? !d->avail_wrap : d->avail_wrap));
		d->next[i] = (uint16_t)i;
	}
	d->taken = d->avail;
	d->returned = d->avail;
	/* ids are used round robin as well */
	d->free_head = d->avail;
	d->free_tail = d->avail;
}

/**
 * Fill the next ring slot. The first slot since the last publish keeps its
 * old wrap bits until publish(): the device takes slots in order, so that
 * one store shows it the whole burst.
 */
static __rte_always_inline void
ring_put(const struct vq_fmt f, struct vqd *d, uint64_t addr, uint32_t len, uint16_t id,
	 uint16_t flags)
{
	union packed_rest rest = packed_rest_make(f, len, id, flags | avail_bits(d->avail_wrap));
	struct packed_desc *desc = desc_at(d, d->avail);

	/* the device reads slots ahead of what is published, and believes none of it */
	__atomic_store_n(&desc->addr.v, vq64_make(f, addr).v, __ATOMIC_RELAXED);
	if (d->unpublished++ == 0)
		d->head_rest = rest.word;
	else
		packed_rest_store(desc, rest, __ATOMIC_RELAXED);
	d->avail = vqd_next(d, d->avail);
	d->avail_wrap ^= d->avail == 0;
}

static __rte_always_inline uint16_t
buf_flags(const struct vqd_chain *c, uint32_t i)
{
	return (i < c->nout ? 0 : VRING_DESC_F_WRITE) |
	       (i + 1u < (uint32_t)c->nout + c->nin ? VRING_DESC_F_NEXT : 0);
}

static __rte_always_inline void
chain_write_indirect(const struct vq_fmt f, struct vqd *d, const struct vqd_chain *c, uint16_t id)
{
	struct packed_desc *table = vqd_table(d, id);
	uint16_t i, n = c->nout + c->nin;

	for (i = 0; i < n; i++) {
		table[i].addr = vq64_make(f, c->buf[i].addr);
		table[i].len = vq32_make(f, c->buf[i].len);
		table[i].id = vq16_make(f, 0);
		table[i].flags = vq16_make(f, buf_flags(c, i) & VRING_DESC_F_WRITE);
	}
	ring_put(f, d, vqd_table_addr(d, id), n * (uint32_t)sizeof(*table), id,
		 VRING_DESC_F_INDIRECT);
}

static __rte_always_inline int
add(const struct vq_fmt f, struct vqd *d, const struct vqd_chain *c)
{
	int i, n = vqd_chain_ndesc(d, c);
	uint16_t id;

	if (n < 0)
		return n;
	if (n > d->free)
		return -ENOSPC;
	id = d->next[d->free_head];
	d->free_head = vqd_next(d, d->free_head);
	if (c->indirect)
		chain_write_indirect(f, d, c, id);
	else
		for (i = 0; i < n; i++)
			ring_put(f, d, c->buf[i].addr, c->buf[i].len, id, buf_flags(c, i));
	vqd_slot_take(d, id, c, (uint16_t)n);
	return 0;
}

/**
 * Whether the device wants a notification for the slots from d->published to d->avail; after the
 * full barrier that pairs with the device's between its asking and its last look at the ring.
 */
static __rte_always_inline bool
kick_wanted(const struct vq_fmt f, const struct vqd *d)
{
	const struct packed_event *ev = device_event_of(d);
	uint16_t event, flags = vq16_load(f, &ev->flags);

	if (flags != VRING_PACKED_EVENT_FLAG_DESC)
		return flags != VRING_PACKED_EVENT_FLAG_DISABLE;
	event = vq16_load(f, &ev->off_wrap);
	/* positions of the lap before count from below zero */
	if (!!(event & PACKED_WRAP) != d->avail_wrap)
		event = (event & ~PACKED_WRAP) - d->size;
	else
		event &= ~PACKED_WRAP;
	return vq_need_event(event, d->avail, (uint16_t)(d->avail - d->unpublished));
}

static __rte_always_inline bool
publish(const struct vq_fmt f, struct vqd *d)
{
	bool wanted;

	if (d->unpublished == 0)
		return false;
	packed_rest_store(desc_at(d, d->published), (union packed_rest){.word = d->head_rest},
			  __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	wanted = kick_wanted(f, d);
	d->published = d->avail;
	d->unpublished = 0;
	return wanted;
}

/** Whether the slot at d->used is used; pairs with the device's release of its flags. */
static __rte_always_inline bool
slot_used(const struct vq_fmt f, const struct vqd *d)
{
	uint16_t flags = vq16_get(f, packed_rest_load(desc_at(d, d->used)).flags);

	return (flags & (PACKED_F_AVAIL | PACKED_F_USED)) ==
	       (d->used_wrap ? PACKED_F_AVAIL | PACKED_F_USED : 0);
}

static __rte_always_inline bool
pending(const struct vq_fmt f, struct vqd *d)
{
	if (d->broken)
		return false;
	return d->in_batch || (d->free != d->size && slot_used(f, d));
}

static __rte_always_inline void
used_advance(struct vqd *d, uint16_t n)
{
	uint32_t pos = (uint32_t)d->used + n;

	if (pos >= d->size) {
		pos -= d->size;
		d->used_wrap ^= true;
	}
	d->used = (uint16_t)pos;
}

static __rte_always_inline bool
get(const struct vq_fmt f, struct vqd *d, uint64_t *user_data, uint32_t *len)
{
	uint32_t id = 0, written = 0;
	union packed_rest rest;

	if (!pending(f, d))
		return false;
	if (!d->in_batch) {
		rest = packed_rest_load(desc_at(d, d->used));
		id = vq16_get(f, rest.id);
		written = vq32_get(f, rest.len);
	}
	if (!vqd_slot_identify(d, &id, &written))
		return false;
	used_advance(d, d->slot[id].ndesc);
	d->next[d->free_tail] = (uint16_t)id;
	d->free_tail = vqd_next(d, d->free_tail);
	return vqd_slot_return(d, (uint16_t)id, written, user_data, len);
}

static __rte_always_inline bool
arm(const struct vq_fmt f, struct vqd *d)
{
	struct packed_event *ev = driver_event_of(d);
	uint16_t flags = VRING_PACKED_EVENT_FLAG_ENABLE;

	if (d->event_idx) {
		flags = VRING_PACKED_EVENT_FLAG_DESC;
		vq16_store(f, &ev->off_wrap, d->used | (d->used_wrap ? PACKED_WRAP : 0));
	}
	/* release: the device must not read the new flags with an old position */
	vq16_store_release(f, &ev->flags, flags);
	/*
	 * pairs with the device's barrier between its release of the flags of a slot and its look
	 * here
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return pending(f, d);
}

static __rte_always_inline void
disarm(const struct vq_fmt f, struct vqd *d)
{
	vq16_store(f, &driver_event_of(d)->flags, VRING_PACKED_EVENT_FLAG_DISABLE);
}

/* --- net: id i is buffer i --- */

static __rte_always_inline void
net_table_init(const struct vq_fmt f, struct vqd *d, uint16_t id)
{
	const uint16_t dir = d->net.rx ? VRING_DESC_F_WRITE : 0;
	const uint16_t hdr = d->net.hdr_alone ? d->net.hdr_len : 0;
	struct packed_desc *table = vqd_table(d, id);

	memset(table, 0, 2 * sizeof(*table));
	if (hdr != 0) {
		table->addr = vq64_make(f, vqd_net_addr(d, id));
		table->len = vq32_make(f, hdr);
		table->flags = vq16_make(f, dir);
		table++;
	}
	table->addr = vq64_make(f, vqd_net_addr(d, id) + hdr);
	table->len = vq32_make(f, d->net.buf_len - hdr);
	table->flags = vq16_make(f, dir);
}

static __rte_always_inline void
net_init(const struct vq_fmt f, struct vqd *d)
{
	uint32_t i;

	for (i = 0; d->net.indirect && i < d->size; i++)
		net_table_init(f, d, (uint16_t)i);
}

static __rte_always_inline void
net_set_len(const struct vq_fmt f, struct vqd *d, uint16_t id, uint32_t len)
{
	struct packed_desc *table = vqd_table(d, id);

	d->net_len[id] = len;
	if (d->net.hdr_alone) {
		table++;
		len -= d->net.hdr_len;
	}
	table->len = vq32_make(f, len);
}

static __rte_always_inline void
net_post_indirect(const struct vq_fmt f, struct vqd *d, const uint32_t *len, uint16_t n)
{
	const uint32_t table_len = (d->net.hdr_alone ? 2 : 1) * sizeof(struct packed_desc);
	uint16_t i;

	for (i = 0; i < n; i++) {
		const uint16_t id = d->order[d->taken];

		if (len != NULL && d->net_len[id] != len[i])
			net_set_len(f, d, id, len[i]);
		ring_put(f, d, vqd_table_addr(d, id), table_len, id, VRING_DESC_F_INDIRECT);
		d->taken = vqd_next(d, d->taken);
	}
}

static __rte_always_inline void
net_post(const struct vq_fmt f, struct vqd *d, const uint32_t *len, uint16_t n)
{
	const uint16_t dir = d->net.rx ? VRING_DESC_F_WRITE : 0;
	uint16_t i;

	d->free -= n;
	if (d->net.indirect) {
		net_post_indirect(f, d, len, n);
		return;
	}
	for (i = 0; i < n; i++) {
		const uint16_t id = d->order[d->taken];

		ring_put(f, d, vqd_net_addr(d, id), len != NULL ? len[i] : d->net.buf_len, id, dir);
		d->taken = vqd_next(d, d->taken);
	}
}

static __rte_always_inline uint16_t
net_reap(const struct vq_fmt f, struct vqd *d, struct vqd_net_frame *frame, uint16_t max)
{
	const uint32_t given = d->size - d->free;
	uint16_t i, n = (uint16_t)RTE_MIN((uint32_t)max, given);

	if (unlikely(d->broken))
		return 0;
	for (i = 0; i < n; i++) {
		union packed_rest rest;
		uint32_t id = 0, len = 0;

		if (!d->in_batch) {
			if (!slot_used(f, d))
				break;
			rest = packed_rest_load(desc_at(d, d->used));
			id = vq16_get(f, rest.id);
			len = vq32_get(f, rest.len);
		}
		if (unlikely(!vqd_net_identify(d, &id, &len)))
			break;
		if (frame != NULL)
			vqd_net_frame_set(d, &frame[i], (uint16_t)id, len);
		d->returned = vqd_next(d, d->returned);
		used_advance(d, 1);
	}
	d->free += i;
	return i;
}

VQD_INSTANCE(packed, {.packed = true, .swap = VQ_SWAP_LE});
