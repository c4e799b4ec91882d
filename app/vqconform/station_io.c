/* SPDX-License-Identifier: BSD-3-Clause */
/* Buffers of a guest: cut, filled, given to the device, looked at when they come back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_net.h>

#include "base/ev.h"

#include "frame.h"
#include "outcome.h"
#include "station.h"

#define GAP 16u        /* bytes around a segment */
#define UNTOUCHED 0xa5 /* what they have */
#define LATE_MS 20     /* for the rest of a frame of several buffers */

/* One segment within its slot. */
struct part {
	uint32_t at, len;
};

/** Cut @p len bytes. Returns the number of parts. */
static uint32_t
cut(const struct station_shape *shape, uint32_t len, struct part *part)
{
	const uint32_t n = RTE_MAX(shape->n, 1u);
	uint32_t at = GAP, have = 0;

	for (uint32_t i = 0; i < n; i++) {
		part[i].at = at;
		part[i].len = i + 1 < n ? shape->len[i] : len - have;
		have += part[i].len;
		at += part[i].len + GAP;
	}
	if (n > STATION_PARTS_MAX || at > STATION_SLOT || have != len)
		abort(); /* a check asks for what there is no room for */
	return n;
}

static uint8_t *
slot_of(const struct station_queue *q, uint32_t slot)
{
	return q->slot + (size_t)slot * STATION_SLOT;
}

uint64_t
station_checksum(const struct station *s)
{
	const uint64_t *word = (const uint64_t *)(const void *)s->mem.hva;
	uint64_t sum = 0;

	for (uint64_t i = 0; i < s->mem.size / sizeof(*word); i++)
		sum = (sum ^ __atomic_load_n(&word[i], __ATOMIC_RELAXED)) *
		      UINT64_C(0x9e3779b97f4a7c15);
	return sum;
}

/* --- giving --- */

static struct split_desc *
split_desc_of(const struct vqd *d, uint16_t i)
{
	return (struct split_desc *)d->desc + i;
}

/** The flags of split descriptor @p i that the driver has written get these, too. */
static void
add_flags(const struct vqd *d, uint16_t i, uint16_t flags)
{
	const struct vq_fmt f = {.swap = d->layout == VQ_SPLIT_SWAP ? VQ_SWAP_BE : VQ_SWAP_LE};
	struct split_desc *desc = split_desc_of(d, i);

	desc->flags = vq16_make(f, vq16_get(f, desc->flags) | flags);
}

/** A table of the last parts, in the chain's own memory of tables. */
static struct vqd_buf
table_of(const struct vqd *d, uint32_t slot, const struct vqd_buf *buf, uint16_t n)
{
	const struct vq_fmt f = {.swap = d->layout == VQ_SPLIT_SWAP ? VQ_SWAP_BE : VQ_SWAP_LE};
	const size_t at = (size_t)slot * d->indirect_max * sizeof(struct split_desc);
	struct split_desc *t = (struct split_desc *)(d->indirect + at);

	for (uint16_t i = 0; i < n; i++)
		t[i] = (struct split_desc){
			.addr = vq64_make(f, buf[i].addr),
			.len = vq32_make(f, buf[i].len),
			.flags = vq16_make(f, i + 1 < n ? VRING_DESC_F_NEXT : 0),
			.next = vq16_make(f, (uint16_t)(i + 1)),
		};
	return (struct vqd_buf){d->indirect_addr + at, n * (uint32_t)sizeof(*t)};
}

/** Descriptors, then a table: no driver of ours makes such a chain, but a device has to take it. */
static int
add_mixed(struct vqd *d, uint32_t slot, struct vqd_chain c, struct vqd_buf *buf, uint16_t direct)
{
	int ret;

	buf[direct] = table_of(d, slot, &buf[direct], (uint16_t)(c.nout - direct));
	c.nout = direct + 1;
	c.indirect = false;
	ret = vqd_add(d, &c);
	if (ret == 0)
		add_flags(d, d->slot[d->order[(d->taken + d->size - 1) % d->size]].tail,
			  VRING_DESC_F_INDIRECT);
	return ret;
}

/** Give the device slot @p slot, cut into these parts. */
static void
give(struct station *s, struct station_queue *q, uint32_t slot, const struct part *part, uint32_t n)
{
	const struct station_shape *shape = &q->given[slot].shape;
	const bool rx = q == &s->q[STATION_RX];
	struct vqd_buf buf[STATION_PARTS_MAX];
	struct vqd_chain c = {.buf = buf,
			      .nout = rx ? 0 : (uint16_t)n,
			      .nin = rx ? (uint16_t)n : 0,
			      .indirect = shape->indirect,
			      .user_data = slot};
	int ret;

	for (uint32_t i = 0; i < n; i++)
		buf[i] = (struct vqd_buf){gm_gpa(&s->mem, slot_of(q, slot) + part[i].at),
					  part[i].len};
	ret = shape->direct > 0 ? add_mixed(&q->d, slot, c, buf, shape->direct)
				: vqd_add(&q->d, &c);
	if (ret != 0)
		outcome_fail("a chain of %u segments: %s", n, strerror(-ret));
	if (shape->table_is_written)
		add_flags(&q->d, q->d.order[(q->d.taken + q->d.size - 1) % q->d.size],
			  VRING_DESC_F_WRITE);
}

static uint32_t
take_slot(struct station_queue *q)
{
	const uint32_t slot = q->fifo[q->head];

	q->head = (q->head + 1) % q->nslots;
	q->room--;
	return slot;
}

static void
free_slot(struct station_queue *q, uint32_t slot)
{
	q->fifo[(q->head + q->room++) % q->nslots] = slot;
}

/** Ring descriptors that a buffer takes. */
static uint32_t
descriptors(const struct station_shape *shape)
{
	if (shape->direct > 0)
		return shape->direct + 1u;
	return shape->indirect ? 1 : RTE_MAX(shape->n, 1u);
}

static uint32_t
rx_len(const struct station *s)
{
	return s->wish.rx_len != 0 ? s->wish.rx_len : s->hdr_len + FRAME_MAX;
}

void
station_post(struct station *s)
{
	struct station_queue *q = &s->q[STATION_RX];
	struct part part[STATION_PARTS_MAX];

	while (q->room > 0 && q->d.free >= descriptors(&s->wish.rx)) {
		const uint32_t slot = take_slot(q);

		memset(slot_of(q, slot), UNTOUCHED, STATION_SLOT);
		q->given[slot].len = rx_len(s);
		q->given[slot].shape = s->wish.rx;
		give(s, q, slot, part, cut(&s->wish.rx, rx_len(s), part));
	}
	vqd_flush(&q->d);
}

/* --- sending --- */

static void
reap(struct station *s)
{
	struct station_queue *q = &s->q[STATION_TX];
	uint64_t slot;

	while (vqd_get(&q->d, &slot, &q->last_used)) {
		q->last_slot = (uint32_t)slot;
		q->returned++;
		if (memcmp(slot_of(q, q->last_slot), q->copy + slot * STATION_SLOT, STATION_SLOT) !=
		    0)
			outcome_fail("the device has changed a buffer that it may only read");
		free_slot(q, q->last_slot);
	}
	if (q->d.broken)
		outcome_fail("transmit ring: %s", q->d.why);
}

/** A free slot, and as many descriptors. */
static uint32_t
tx_slot(struct station *s, uint32_t ndesc)
{
	const uint64_t end = ev_now_ns() + (uint64_t)station_target.timeout_ms * 1000000;
	struct station_queue *q = &s->q[STATION_TX];

	for (;;) {
		reap(s);
		if (q->room > 0 && q->d.free >= ndesc)
			return take_slot(q);
		if (ev_now_ns() > end)
			outcome_fail("the device takes no buffers from the transmit ring");
		station_idle(s);
	}
}

void
station_send(struct station *s, uint32_t seq, uint32_t len, const struct station_shape *shape)
{
	static const struct station_shape whole;
	struct station_queue *q = &s->q[STATION_TX];
	const uint32_t slot = tx_slot(s, descriptors(shape != NULL ? shape : &whole));
	uint8_t bytes[STATION_SLOT] = {0}; /* header and frame */
	struct part part[STATION_PARTS_MAX];
	uint32_t n, have = 0;

	q->given[slot].shape = shape != NULL ? *shape : whole;
	q->given[slot].len = s->hdr_len + len;
	frame_make(bytes + s->hdr_len, len, s->side, seq);
	n = cut(&q->given[slot].shape, s->hdr_len + len, part);
	memset(slot_of(q, slot), UNTOUCHED, STATION_SLOT);
	for (uint32_t i = 0; i < n; i++) {
		memcpy(slot_of(q, slot) + part[i].at, bytes + have, part[i].len);
		have += part[i].len;
	}
	memcpy(q->copy + (size_t)slot * STATION_SLOT, slot_of(q, slot), STATION_SLOT);
	give(s, q, slot, part, n);
	vqd_flush(&q->d);
}

void
station_drain(struct station *s)
{
	const uint64_t end = ev_now_ns() + (uint64_t)station_target.timeout_ms * 1000000;
	struct station_queue *q = &s->q[STATION_TX];

	for (;;) {
		reap(s);
		if (q->d.outstanding == 0)
			return;
		if (ev_now_ns() > end)
			outcome_fail("%u buffers of the transmit ring do not come back",
				     q->d.outstanding);
		station_idle(s);
	}
}

/* --- receiving --- */

/** Bytes around the segments are as they were. */
static void
check_gaps(const struct station_queue *q, uint32_t slot, const struct part *part, uint32_t n)
{
	const uint8_t *bytes = slot_of(q, slot);
	uint32_t at = 0;

	for (uint32_t i = 0; i <= n; i++) {
		const uint32_t end = i < n ? part[i].at : STATION_SLOT;

		for (; at < end; at++)
			if (bytes[at] != UNTOUCHED)
				outcome_fail("the device has written byte %u of a slot, outside of "
					     "its buffer",
					     at);
		at = i < n ? part[i].at + part[i].len : end;
	}
}

/** Append @p len bytes of a buffer to what there is. Returns how many there are then. */
static uint32_t
gather(struct station *s, uint32_t slot, uint32_t len, uint32_t have)
{
	const struct station_queue *q = &s->q[STATION_RX];
	struct part part[STATION_PARTS_MAX];
	const uint32_t n = cut(&q->given[slot].shape, q->given[slot].len, part);

	check_gaps(q, slot, part, n);
	for (uint32_t i = 0; i < n && len > 0; i++) {
		const uint32_t take = RTE_MIN(len, part[i].len);

		if (have + take > STATION_RECEIVED_MAX)
			outcome_fail("a frame of more than %u bytes", STATION_RECEIVED_MAX);
		memcpy(s->assembly + have, slot_of(q, slot) + part[i].at, take);
		have += take;
		len -= take;
	}
	return have;
}

/** The next used buffer, within @p ms. */
static bool
next_used(struct station *s, uint32_t *slot, uint32_t *len, int ms)
{
	const uint64_t end = ev_now_ns() + (uint64_t)ms * 1000000;
	struct station_queue *q = &s->q[STATION_RX];
	uint64_t data;

	while (!vqd_get(&q->d, &data, len)) {
		if (q->d.broken)
			outcome_fail("receive ring: %s", q->d.why);
		if (ev_now_ns() >= end)
			return false;
		station_idle(s);
	}
	*slot = (uint32_t)data;
	q->last_slot = *slot;
	q->last_used = *len;
	q->returned++;
	return true;
}

static void
read_header(const struct station *s, struct station_received *r)
{
	const struct vq_fmt f = {.swap = s->q[0].d.layout == VQ_SPLIT_SWAP ? VQ_SWAP_BE
									   : VQ_SWAP_LE};
	struct net_hdr h = {0};

	memcpy(&h, s->assembly, s->hdr_len);
	r->flags = h.flags;
	r->gso_type = h.gso_type;
	r->num_buffers = s->hdr_len == sizeof(h) ? vq16_get(f, h.num_buffers) : 1;
}

/** The other buffers of a frame. Returns its length with the header. */
static uint32_t
receive_rest(struct station *s, struct station_received *r, uint32_t have)
{
	uint32_t slot, len;

	while (r->buffers < r->num_buffers) {
		if (!vqd_pending(&s->q[STATION_RX].d))
			r->together = false;
		if (!next_used(s, &slot, &len, LATE_MS))
			outcome_fail("a frame has %u buffers, and %u came", r->num_buffers,
				     r->buffers);
		have = gather(s, slot, len, have);
		r->buffers++;
		if (r->buffers < r->num_buffers && len != rx_len(s))
			r->full = false;
		free_slot(&s->q[STATION_RX], slot);
	}
	return have;
}

/** One frame, of ours or of the network's. */
static bool
receive_any(struct station *s, struct station_received *r, int ms)
{
	const bool mergeable = VQ_HAS(s->vhf.s.features, VIRTIO_NET_F_MRG_RXBUF);
	uint32_t slot, len, have;

	if (!next_used(s, &slot, &len, ms))
		return false;
	*r = (struct station_received){.buffers = 1, .together = true, .full = true};
	have = gather(s, slot, len, 0);
	free_slot(&s->q[STATION_RX], slot);
	if (have < s->hdr_len)
		outcome_fail("a used receive buffer has %u bytes", have);
	read_header(s, r);
	if (mergeable && r->num_buffers > 1) {
		r->full = len == rx_len(s);
		have = receive_rest(s, r, have);
	}
	r->frame = s->assembly + s->hdr_len;
	r->len = have - s->hdr_len;
	if (!s->holds)
		station_post(s);
	return true;
}

bool
station_receive(struct station *s, struct station_received *r, int ms)
{
	const uint64_t end = ev_now_ns() + (uint64_t)ms * 1000000;
	uint64_t now = ev_now_ns();

	do {
		if (!receive_any(s, r, now < end ? (int)((end - now) / 1000000) + 1 : 0))
			return false;
		if (frame_is_ours(r->frame, r->len, &r->seq) && r->seq != FRAME_PROBE)
			return true;
		s->probes += r->seq == FRAME_PROBE;
		now = ev_now_ns();
	} while (now < end);
	return false;
}

void
station_collect(struct station *s)
{
	struct station_received r;

	reap(s);
	while (vqd_pending(&s->q[STATION_RX].d))
		(void)station_receive(s, &r, 0);
}
