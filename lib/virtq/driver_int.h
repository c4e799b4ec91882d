/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shared by the driver sides of all formats: guest-order access, barriers, and the bookkeeping of
 * outstanding chains. For driver*.c only.
 */
#ifndef VIRTQ_DRIVER_INT_H
#define VIRTQ_DRIVER_INT_H

#include <errno.h>

#include <rte_common.h>

#include "virtq/driver.h"
#include "virtq/fmt.h"

extern const struct vqd_ops vqd_split_ops, vqd_split_swap_ops, vqd_packed_ops;

/** Mark the queue unusable; the first reason stays. */
static inline void
vqd_break(struct vqd *d, const char *why)
{
	if (!d->broken)
		d->why = why;
	d->broken = true;
}

/** The position after @p i in a ring of size entries that need not be a power of two. */
static __rte_always_inline uint16_t
vqd_next(const struct vqd *d, uint16_t i)
{
	return ++i == d->size ? 0 : i;
}

static inline uint32_t
vqd_chain_in_len(const struct vqd_chain *c)
{
	uint32_t sum = 0;
	uint16_t i;

	for (i = c->nout; i < c->nout + c->nin; i++)
		sum += c->buf[i].len;
	return sum;
}

/** Ring descriptors @p c takes, or -EINVAL. */
static inline int
vqd_chain_ndesc(const struct vqd *d, const struct vqd_chain *c)
{
	uint32_t n = (uint32_t)c->nout + c->nin;

	/* a chain is never longer than the queue, through a table or not (spec 2.7.5.3.1) */
	if (n == 0 || n > d->size || (c->indirect && n > d->indirect_max))
		return -EINVAL;
	return c->indirect ? 1 : (int)n;
}

static inline void
vqd_slot_take(struct vqd *d, uint16_t id, const struct vqd_chain *c, uint16_t ndesc)
{
	struct vqd_slot *s = &d->slot[id];

	s->user_data = c->user_data;
	s->in_len = vqd_chain_in_len(c);
	s->ndesc = ndesc;
	d->order[d->taken] = id;
	d->taken = vqd_next(d, d->taken);
	d->outstanding++;
	d->free -= ndesc;
}

/**
 * The chain a used element {id, len} returns next: its own, or with in-order use the oldest chain
 * of the batch that ends with it (spec 2.7.10, 2.8.9). Returns the id of the chain and its length;
 * false: broken.
 */
static inline bool
vqd_slot_identify(struct vqd *d, uint32_t *id, uint32_t *len)
{
	if (!d->in_batch) {
		if (*id >= d->size || d->slot[*id].ndesc == 0) {
			vqd_break(d, "device returned a chain it was not given");
			return false;
		}
		d->batch_id = (uint16_t)*id;
		d->batch_len = *len;
	}
	if (!d->in_order)
		return true;
	*id = d->order[d->returned];
	d->returned = vqd_next(d, d->returned);
	d->in_batch = *id != d->batch_id;
	*len = d->in_batch ? d->slot[*id].in_len : d->batch_len;
	return true;
}

/**
 * Take chain @p id out of the books; returns false when the device claims to have written beyond
 * it.
 */
static inline bool
vqd_slot_return(struct vqd *d, uint16_t id, uint32_t written, uint64_t *user_data, uint32_t *len)
{
	struct vqd_slot *s = &d->slot[id];

	/*
	 * the length is meaningless for a chain without device-writable buffers (legacy devices
	 * give a wrong one)
	 */
	*len = s->in_len == 0 ? 0 : written;
	*user_data = s->user_data;
	d->outstanding--;
	d->free += s->ndesc;
	s->ndesc = 0;
	if (*len > s->in_len)
		vqd_break(d, "device wrote more than the chain holds");
	return !d->broken;
}

/**
 * Id of the net buffer used element {id, len} stands for, in-order batches as above; false: broken.
 */
static __rte_always_inline bool
vqd_net_identify(struct vqd *d, uint32_t *id, uint32_t *len)
{
	if (unlikely(!d->in_batch && (*id >= d->size || (d->net.rx && *len > d->net.buf_len)))) {
		vqd_break(d, "device returned a buffer it was not given, or wrote beyond it");
		return false;
	}
	if (likely(!d->in_order)) {
		d->order[d->returned] = (uint16_t)*id;
		return true;
	}
	if (!d->in_batch) {
		d->batch_id = (uint16_t)*id;
		d->batch_len = *len;
	}
	*id = d->order[d->returned];
	d->in_batch = *id != d->batch_id;
	*len = d->in_batch ? d->net.buf_len : d->batch_len;
	return true;
}

static __rte_always_inline void
vqd_net_frame_set(const struct vqd *d, struct vqd_net_frame *f, uint16_t id, uint32_t len)
{
	f->data = d->net.hva + (size_t)id * d->net.stride;
	f->len = len;
	f->id = id;
}

/** The ring descriptor of net buffer @p id: the buffer itself, or its indirect table. */
static __rte_always_inline uint64_t
vqd_net_addr(const struct vqd *d, uint16_t id)
{
	return d->net.addr + (uint64_t)id * d->net.stride;
}

static inline uint64_t
vqd_table_addr(const struct vqd *d, uint16_t id)
{
	return d->indirect_addr + (uint64_t)id * d->indirect_max * sizeof(struct split_desc);
}

static inline void *
vqd_table(const struct vqd *d, uint16_t id)
{
	return d->indirect + (size_t)id * d->indirect_max * sizeof(struct split_desc);
}

/**
 * The functions of one format: the bodies of the same names, with the constant
 * format folded in, and their table.
 */
#define VQD_INSTANCE(name, ...)                                                                \
	static const struct vq_fmt name##_fmt = __VA_ARGS__;                                   \
	static void name##_reset(struct vqd *d)                                                \
	{                                                                                      \
		reset(name##_fmt, d);                                                          \
	}                                                                                      \
	static int name##_add(struct vqd *d, const struct vqd_chain *c)                        \
	{                                                                                      \
		return add(name##_fmt, d, c);                                                  \
	}                                                                                      \
	static bool name##_publish(struct vqd *d)                                              \
	{                                                                                      \
		return publish(name##_fmt, d);                                                 \
	}                                                                                      \
	static bool name##_get(struct vqd *d, uint64_t *user_data, uint32_t *len)              \
	{                                                                                      \
		return get(name##_fmt, d, user_data, len);                                     \
	}                                                                                      \
	static bool name##_pending(struct vqd *d)                                              \
	{                                                                                      \
		return pending(name##_fmt, d);                                                 \
	}                                                                                      \
	static bool name##_arm(struct vqd *d)                                                  \
	{                                                                                      \
		return arm(name##_fmt, d);                                                     \
	}                                                                                      \
	static void name##_disarm(struct vqd *d)                                               \
	{                                                                                      \
		disarm(name##_fmt, d);                                                         \
	}                                                                                      \
	static void name##_net_init(struct vqd *d)                                             \
	{                                                                                      \
		net_init(name##_fmt, d);                                                       \
	}                                                                                      \
	static void name##_net_post(struct vqd *d, const uint32_t *len, uint16_t n)            \
	{                                                                                      \
		net_post(name##_fmt, d, len, n);                                               \
	}                                                                                      \
	static uint16_t name##_net_reap(struct vqd *d, struct vqd_net_frame *fr, uint16_t max) \
	{                                                                                      \
		return net_reap(name##_fmt, d, fr, max);                                       \
	}                                                                                      \
	const struct vqd_ops vqd_##name##_ops = {                                              \
		.reset = name##_reset,                                                         \
		.add = name##_add,                                                             \
		.publish = name##_publish,                                                     \
		.get = name##_get,                                                             \
		.pending = name##_pending,                                                     \
		.arm = name##_arm,                                                             \
		.disarm = name##_disarm,                                                       \
		.net_init = name##_net_init,                                                   \
		.net_post = name##_net_post,                                                   \
		.net_reap = name##_net_reap,                                                   \
	}

#endif
