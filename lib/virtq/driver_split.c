/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Driver side of split rings (virtio spec 2.7): native order and, for legacy big-endian guests,
 * swapped.
 */
#include <string.h>

#include "virtq/driver_int.h"

static __rte_always_inline struct split_desc *
desc_at(const struct vqd *d, uint16_t i)
{
	return (struct split_desc *)d->desc + i;
}

static __rte_always_inline struct split_avail *
avail_of(const struct vqd *d)
{
	return (struct split_avail *)d->driver;
}

static __rte_always_inline struct split_used *
used_of(const struct vqd *d)
{
	return (struct split_used *)d->device;
}

static __rte_always_inline vq16_t *
used_event_of(const struct vqd *d)
{
	return &avail_of(d)->ring[d->size];
}

static __rte_always_inline vq16_t *
avail_event_of(const struct vqd *d)
{
	return (vq16_t *)&used_of(d)->ring[d->size];
}

static __rte_always_inline uint16_t
ring_pos(const struct vqd *d, uint16_t i)
{
	return i & (uint16_t)(d->size - 1);
}

/** Used chains the device has published beyond d->used; pairs with its release of used->idx. */
static __rte_always_inline uint16_t
used_count(const struct vq_fmt f, struct vqd *d)
{
	return (uint16_t)(vq16_load_acquire(f, &used_of(d)->idx) - d->used);
}

static __rte_always_inline void
reset(const struct vq_fmt f, struct vqd *d)
{
	const struct vq_extent e = vq_extent(d->layout, d->size, d->features);
	uint32_t i;

	memset(d->desc, 0, e.desc);
	memset(d->driver, 0, e.driver);
	memset(d->device, 0, e.device);
	avail_of(d)->idx = vq16_make(f, d->avail);
	used_of(d)->idx = vq16_make(f, d->used);
	/* descriptors are used round robin, as in-order use demands */
	for (i = 0; i < d->size; i++)
		d->next[i] = ring_pos(d, (uint16_t)(i + 1));
	d->free_head = ring_pos(d, d->avail);
	d->free_tail = ring_pos(d, (uint16_t)(d->avail - 1));
}

static __rte_always_inline void
desc_set(const struct vq_fmt f, struct split_desc *desc, const struct vqd_buf *b, uint16_t flags)
{
	desc->addr = vq64_make(f, b->addr);
	desc->len = vq32_make(f, b->len);
	desc->flags = vq16_make(f, flags);
}

static __rte_always_inline uint16_t
buf_flags(const struct vqd_chain *c, uint32_t i)
{
	return (i < c->nout ? 0 : VRING_DESC_F_WRITE) |
	       (i + 1u < (uint32_t)c->nout + c->nin ? VRING_DESC_F_NEXT : 0);
}

static __rte_always_inline void
chain_write(const struct vq_fmt f, struct vqd *d, const struct vqd_chain *c, uint16_t n)
{
	uint16_t i, id = d->free_head, last = id;

	for (i = 0; i < n; i++, id = d->next[id]) {
		desc_set(f, desc_at(d, id), &c->buf[i], buf_flags(c, i));
		desc_at(d, id)->next = vq16_make(f, d->next[id]);
		last = id;
	}
	d->slot[d->free_head].tail = last;
	d->free_head = id;
}

static __rte_always_inline void
chain_write_indirect(const struct vq_fmt f, struct vqd *d, const struct vqd_chain *c)
{
	uint16_t i, id = d->free_head, n = c->nout + c->nin;
	const struct vqd_buf b = {vqd_table_addr(d, id), n * (uint32_t)sizeof(struct split_desc)};
	struct split_desc *table = vqd_table(d, id);

	for (i = 0; i < n; i++) {
		desc_set(f, &table[i], &c->buf[i], buf_flags(c, i));
		table[i].next = vq16_make(f, i + 1);
	}
	desc_set(f, desc_at(d, id), &b, VRING_DESC_F_INDIRECT);
	d->slot[id].tail = id;
	d->free_head = d->next[id];
}

static __rte_always_inline int
add(const struct vq_fmt f, struct vqd *d, const struct vqd_chain *c)
{
	int n = vqd_chain_ndesc(d, c);
	uint16_t id = d->free_head;

	if (n < 0)
		return n;
	if (n > d->free)
		return -ENOSPC;
	if (c->indirect)
		chain_write_indirect(f, d, c);
	else
		chain_write(f, d, c, (uint16_t)n);
	vqd_slot_take(d, id, c, (uint16_t)n);
	avail_of(d)->ring[ring_pos(d, d->avail)] = vq16_make(f, id);
	d->avail++;
	return 0;
}

/**
 * Whether the device wants a notification; after the full barrier that pairs with the device's
 * between its asking and its last look at avail->idx.
 */
static __rte_always_inline bool
kick_wanted(const struct vq_fmt f, const struct vqd *d, uint16_t old)
{
	if (!d->event_idx)
		return !(vq16_load(f, &used_of(d)->flags) & VRING_USED_F_NO_NOTIFY);
	return vq_need_event(vq16_load(f, avail_event_of(d)), d->avail, old);
}

static __rte_always_inline bool
publish(const struct vq_fmt f, struct vqd *d)
{
	uint16_t old = d->published;

	if (d->avail == old)
		return false;
	d->published = d->avail;
	vq16_store_release(f, &avail_of(d)->idx, d->avail);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return kick_wanted(f, d, old);
}

static __rte_always_inline void
chain_free(struct vqd *d, uint16_t id)
{
	if (d->free == 0)
		d->free_head = id;
	else
		d->next[d->free_tail] = id;
	d->free_tail = d->slot[id].tail;
}

static __rte_always_inline bool
get(const struct vq_fmt f, struct vqd *d, uint64_t *user_data, uint32_t *len)
{
	uint16_t n = used_count(f, d);
	const struct split_used_elem *e = &used_of(d)->ring[ring_pos(d, d->used)];
	uint32_t id, written;

	if (n == 0 || d->broken)
		return false;
	if (n > d->outstanding) {
		vqd_break(d, "device used more chains than it was given");
		return false;
	}
	id = vq32_get(f, e->id);
	written = vq32_get(f, e->len);
	if (!vqd_slot_identify(d, &id, &written))
		return false;
	d->used++;
	chain_free(d, (uint16_t)id);
	return vqd_slot_return(d, (uint16_t)id, written, user_data, len);
}

static __rte_always_inline bool
pending(const struct vq_fmt f, struct vqd *d)
{
	return used_count(f, d) != 0 && !d->broken;
}

static __rte_always_inline bool
arm(const struct vq_fmt f, struct vqd *d)
{
	vq16_t *word = d->event_idx ? used_event_of(d) : &avail_of(d)->flags;

	vq16_store(f, word, d->event_idx ? d->used : 0);
	/*
	 * pairs with the device's barrier between its release of used->idx and its look at the word
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return pending(f, d);
}

static __rte_always_inline void
disarm(const struct vq_fmt f, struct vqd *d)
{
	vq16_t *word = d->event_idx ? used_event_of(d) : &avail_of(d)->flags;
	/* with EVENT_IDX there is no "never": the index furthest away is written */
	uint16_t v = d->event_idx ? d->used - 1 : VRING_AVAIL_F_NO_INTERRUPT;

	vq16_store(f, word, v);
}

/* --- net: descriptor i is buffer i, written once; only lengths and out-of-order ids change --- */

static __rte_always_inline void
net_table_init(const struct vq_fmt f, struct vqd *d, uint16_t id, uint16_t dir)
{
	const uint16_t hdr = d->net.hdr_alone ? d->net.hdr_len : 0;
	const struct vqd_buf head = {vqd_net_addr(d, id), hdr};
	const struct vqd_buf data = {head.addr + hdr, d->net.buf_len - hdr};
	struct split_desc *table = vqd_table(d, id);

	if (hdr != 0) {
		desc_set(f, table, &head, dir | VRING_DESC_F_NEXT);
		table->next = vq16_make(f, 1);
		table++;
	}
	desc_set(f, table, &data, dir);
}

static __rte_always_inline void
net_init(const struct vq_fmt f, struct vqd *d)
{
	const uint16_t entries = d->net.hdr_alone ? 2 : 1;
	const uint16_t dir = d->net.rx ? VRING_DESC_F_WRITE : 0;
	struct vqd_buf b;
	uint32_t i;

	for (i = 0; i < d->size; i++) {
		uint16_t id = (uint16_t)i;

		if (d->net.indirect) {
			net_table_init(f, d, id, dir);
			b = (struct vqd_buf){vqd_table_addr(d, id), entries * 16u};
			desc_set(f, desc_at(d, id), &b, VRING_DESC_F_INDIRECT);
		} else {
			b = (struct vqd_buf){vqd_net_addr(d, id), d->net.buf_len};
			desc_set(f, desc_at(d, id), &b, dir);
		}
		avail_of(d)->ring[id] = vq16_make(f, id);
	}
}

static __rte_always_inline void
net_set_len(const struct vq_fmt f, struct vqd *d, uint16_t id, uint32_t len)
{
	struct split_desc *desc = desc_at(d, id);

	d->net_len[id] = len;
	if (d->net.indirect) {
		desc = vqd_table(d, id);
		if (d->net.hdr_alone) {
			desc++;
			len -= d->net.hdr_len;
		}
	}
	desc->len = vq32_make(f, len);
}

static __rte_always_inline void
net_post(const struct vq_fmt f, struct vqd *d, const uint32_t *len, uint16_t n)
{
	struct split_avail *avail = avail_of(d);
	uint16_t i;

	for (i = 0; i < n; i++) {
		const uint16_t pos = ring_pos(d, d->avail);
		const uint16_t id = d->order[d->taken];
		const vq16_t entry = vq16_make(f, id);

		if (len != NULL && d->net_len[id] != len[i])
			net_set_len(f, d, id, len[i]);
		/* an unchanged entry is not written: the device's copy of the line stays valid */
		if (unlikely(avail->ring[pos].v != entry.v))
			avail->ring[pos] = entry;
		d->taken = vqd_next(d, d->taken);
		d->avail++;
	}
	d->free -= n;
}

static __rte_always_inline uint16_t
net_reap(const struct vq_fmt f, struct vqd *d, struct vqd_net_frame *frame, uint16_t max)
{
	const struct split_used_elem *ring = used_of(d)->ring;
	uint16_t i, n = used_count(f, d);

	if (unlikely(n > d->size - d->free))
		vqd_break(d, "device used more buffers than it was given");
	if (unlikely(d->broken))
		return 0;
	n = RTE_MIN(n, max);
	for (i = 0; i < n; i++) {
		const struct split_used_elem *e = &ring[ring_pos(d, d->used)];
		uint32_t id = vq32_get(f, e->id), len = vq32_get(f, e->len);

		if (unlikely(!vqd_net_identify(d, &id, &len)))
			break;
		if (frame != NULL)
			vqd_net_frame_set(d, &frame[i], (uint16_t)id, len);
		d->returned = vqd_next(d, d->returned);
		d->used++;
	}
	d->free += i;
	return i;
}

VQD_INSTANCE(split, {.swap = VQ_SWAP_LE});
VQD_INSTANCE(split_swap, {.swap = VQ_SWAP_BE});
