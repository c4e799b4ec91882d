/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The position of a packed ring whose device is gone, read from the ring (virtio spec 2.8).
 *
 * A device writes one used descriptor for each buffer, into the buffer's first slot. So a ring
 * whose buffers have one slot each is, from the beginning of a lap: used in this lap, then
 * available, then used in the lap before; or, when the driver is ahead by the end of the ring:
 * available for the next lap, used in this one, available for this one. The position is where the
 * available ones begin. Slots of longer buffers behind their first one stay as the driver wrote
 * them, which breaks this order: such a ring tells no position.
 *
 * That leaves the last used buffer: the slot behind it may be its second one. A buffer of its own
 * has another id, unless the driver had taken the id back meanwhile.
 */
#include <stdlib.h>

#include "virtq/fmt.h"
#include "virtq/internal.h"
#include "virtq/journal.h"

static const struct vq_fmt little = {.packed = true, .swap = VQ_SWAP_LE};

/* Both flags of a slot: AVAIL is bit 0, USED bit 1. */
enum mark {
	USED_IN_0 = 0, /* by the device in a lap of wrap counter 0; a slot never written, too */
	AVAIL_IN_1 = 1,
	AVAIL_IN_0 = 2,
	USED_IN_1 = 3,
};

struct look {
	const struct vq_setup *s;
	uint8_t *mark; /* of each slot, read once: the driver may be writing */
};

static const struct packed_desc *
slot_at(const struct vq_setup *s, uint32_t i)
{
	const size_t off = i * sizeof(struct packed_desc);

	return s->pages[VQ_DESC] != NULL ? (const void *)vq_pages_at(s->pages[VQ_DESC], off)
					 : (const void *)((const uint8_t *)s->desc + off);
}

static uint16_t
flags_at(const struct vq_setup *s, uint32_t i)
{
	return vq16_load_acquire(little, &slot_at(s, i)->flags);
}

static uint16_t
id_at(const struct vq_setup *s, uint32_t i)
{
	return vq16_load(little, &slot_at(s, i)->id);
}

static enum mark
mark_of(uint16_t flags)
{
	return (flags & PACKED_F_AVAIL ? AVAIL_IN_1 : 0) | (flags & PACKED_F_USED ? AVAIL_IN_0 : 0);
}

/** The first slot from @p i on without this mark. */
static uint32_t
skip(const struct look *l, uint32_t i, enum mark m)
{
	while (i < l->s->size && l->mark[i] == m)
		i++;
	return i;
}

/** The position, should the device be in a lap of this wrap counter. */
static bool
find_in_lap(const struct look *l, bool wrap, struct vq_state *out)
{
	const enum mark avail = wrap ? AVAIL_IN_1 : AVAIL_IN_0;
	const enum mark next = wrap ? AVAIL_IN_0 : AVAIL_IN_1;
	const enum mark used = wrap ? USED_IN_1 : USED_IN_0;
	const enum mark before = wrap ? USED_IN_0 : USED_IN_1;
	const bool ahead = l->mark[0] == next;
	uint32_t at, end;

	at = skip(l, skip(l, 0, next), used);
	end = skip(l, at, avail);
	if (!ahead)
		end = skip(l, end, before);
	if (end != l->s->size)
		return false;
	if (at == l->s->size) {
		at = 0;
		wrap = !wrap;
	}
	*out = (struct vq_state){(uint16_t)at, (uint16_t)at, wrap, wrap};
	return true;
}

static bool
is_used(enum mark m)
{
	return m == USED_IN_0 || m == USED_IN_1;
}

/** The id of the available buffer that begins at slot @p i, which its last slot has. */
static uint16_t
buffer_id(const struct vq_setup *s, uint32_t i)
{
	uint32_t n = s->size;

	while (n-- > 1 && (flags_at(s, i) & VRING_DESC_F_NEXT))
		i = i + 1 < s->size ? i + 1 : 0;
	return id_at(s, i);
}

/**
 * How many slots have been written; 0 if an available buffer is seen to have several. One that was
 * never written has no address.
 */
static uint32_t
count_single(const struct look *l)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < l->s->size; i++) {
		if (!is_used(l->mark[i]) && (flags_at(l->s, i) & VRING_DESC_F_NEXT))
			return 0;
		n += slot_at(l->s, i)->addr.v != 0;
	}
	return n;
}

/** Whether slot @p at begins a buffer, and is not the second one of the buffer before. */
static bool
begins_buffer(const struct look *l, uint32_t at)
{
	const struct vq_setup *s = l->s;
	const uint32_t last = at > 0 ? at - 1 : s->size - 1;

	if (is_used(l->mark[at]))
		return true;
	/* all look available: the first or the last of them may be left of a long buffer */
	if (!is_used(l->mark[last]))
		return count_single(l) != 0;
	if (buffer_id(s, at) != id_at(s, last))
		return true;
	/* drivers that may use tables use them for long buffers */
	return VQ_HAS(s->features, VIRTIO_RING_F_INDIRECT_DESC) && count_single(l) > 2;
}

/** The one position that fits the marks. */
static bool
find(const struct look *l, struct vq_state *out)
{
	struct vq_state other;
	const bool in_0 = find_in_lap(l, false, out);
	const bool in_1 = find_in_lap(l, true, in_0 ? &other : out);

	if (in_0 && in_1)
		return other.avail == out->avail && other.avail_wrap == out->avail_wrap;
	return in_0 || in_1;
}

bool
vq_packed_find(const struct vq_setup *s, struct vq_state *out)
{
	struct look l = {.s = s};
	bool known;

	/* a device that may give back several buffers by one descriptor leaves gaps */
	if (VQ_HAS(s->features, VIRTIO_F_IN_ORDER))
		return false;
	l.mark = malloc(s->size);
	if (l.mark == NULL)
		return false;
	for (uint32_t i = 0; i < s->size; i++)
		l.mark[i] = mark_of(flags_at(s, i));
	known = find(&l, out) && begins_buffer(&l, out->avail);
	free(l.mark);
	return known;
}
