/* SPDX-License-Identifier: BSD-3-Clause */
/* The format-independent part of a virtqueue's driver side: set-up, net bursts, notification. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "virtq/driver_int.h"

static const struct vqd_ops *const vqd_ops_of[] = {
	[VQ_SPLIT] = &vqd_split_ops,
	[VQ_SPLIT_SWAP] = &vqd_split_swap_ops,
	[VQ_PACKED] = &vqd_packed_ops,
};
static_assert(RTE_DIM(vqd_ops_of) == VQ_LAYOUT_NUM, "a layout without a driver");

static bool
setup_valid(const struct vqd_setup *s)
{
	if (s->layout >= VQ_LAYOUT_NUM || s->size == 0 || s->size > 32768)
		return false;
	if (s->layout != VQ_PACKED && (s->size & (s->size - 1)) != 0)
		return false;
	if (s->layout == VQ_PACKED && s->state.avail >= s->size)
		return false;
	return s->state.avail == s->state.used && s->state.avail_wrap == s->state.used_wrap;
}

static int
alloc_books(struct vqd *d)
{
	d->slot = calloc(d->size, sizeof(*d->slot));
	d->next = calloc(d->size, sizeof(*d->next));
	d->order = calloc(d->size, sizeof(*d->order));
	d->net_len = calloc(d->size, sizeof(*d->net_len));
	if (d->slot == NULL || d->next == NULL || d->order == NULL || d->net_len == NULL) {
		vqd_fini(d);
		return -ENOMEM;
	}
	return 0;
}

int
vqd_init(struct vqd *d, const struct vqd_setup *s)
{
	int ret;

	if (!setup_valid(s))
		return -EINVAL;
	*d = (struct vqd){
		.ops = vqd_ops_of[s->layout],
		.desc = s->desc,
		.driver = s->driver,
		.device = s->device,
		.indirect = s->indirect,
		.indirect_addr = s->indirect_addr,
		.indirect_max = s->indirect == NULL ? 0 : s->indirect_max,
		.size = s->size,
		.layout = s->layout,
		.features = s->features,
		.event_idx = VQ_HAS(s->features, VIRTIO_RING_F_EVENT_IDX),
		.in_order = VQ_HAS(s->features, VIRTIO_F_IN_ORDER),
		.kick_fd = s->kick_fd,
		.avail = s->state.avail,
		.used = s->state.used,
		.avail_wrap = s->state.avail_wrap,
		.used_wrap = s->state.used_wrap,
		.published = s->state.avail,
		.free = (uint16_t)s->size,
	};
	ret = alloc_books(d);
	if (ret != 0)
		return ret;
	d->ops->reset(d);
	vqd_disarm(d);
	return 0;
}

void
vqd_fini(struct vqd *d)
{
	free(d->slot);
	free(d->next);
	free(d->order);
	free(d->net_len);
	d->slot = NULL;
	d->next = NULL;
	d->order = NULL;
	d->net_len = NULL;
}

uint32_t
vqd_resume_base(const struct vqd *d)
{
	const struct vq_state s = {
		.avail = d->used,
		.used = d->used,
		.avail_wrap = d->used_wrap,
		.used_wrap = d->used_wrap,
	};

	return vq_state_to_word(d->layout, &s);
}

void
vqd_kick(struct vqd *d)
{
	const uint64_t one = 1;

	d->kicks++;
	/* a full counter (EAGAIN) means that a notification is pending anyway */
	if (d->kick_fd >= 0 && write(d->kick_fd, &one, sizeof(one)) != sizeof(one))
		return;
}

int
vqd_net_init(struct vqd *d, const struct vqd_net *n)
{
	uint16_t entries = n->hdr_alone ? 2 : 1;
	uint32_t i;

	if (d->outstanding != 0 || n->buf_len <= n->hdr_len || n->buf_len > n->stride)
		return -EINVAL;
	if (n->indirect ? d->indirect_max < entries : n->hdr_alone)
		return -EINVAL;
	d->net = *n;
	/* the buffer at a ring position is the one with the position's number */
	d->taken = d->layout == VQ_PACKED ? d->avail : d->avail & (d->size - 1);
	d->returned = d->taken;
	for (i = 0; i < d->size; i++) {
		d->order[i] = (uint16_t)i;
		d->net_len[i] = n->buf_len;
	}
	d->ops->net_init(d);
	return 0;
}

uint16_t
vqd_net_room(struct vqd *d)
{
	if (d->free != d->size)
		d->ops->net_reap(d, NULL, (uint16_t)d->size);
	return d->free;
}

void
vqd_net_send(struct vqd *d, const uint32_t *len, uint16_t n)
{
	d->ops->net_post(d, len, n);
	vqd_flush(d);
}

void
vqd_net_refill(struct vqd *d, uint16_t n)
{
	d->ops->net_post(d, NULL, n);
	vqd_flush(d);
}
