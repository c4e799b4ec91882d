/* SPDX-License-Identifier: BSD-3-Clause */
/* The hardware's part of a guest's split rings. Odd queues send, even ones receive. */
#include "card.h"

#include <string.h>

#define BURST 32
#define RUNG UINT32_MAX /* no queue has this number: the doorbell page is as it was left */
#define DESC_NEXT 1
#define DESC_WRITE 2
#define AVAIL_NO_INTERRUPT 1
#define HDR_NEEDS_CSUM 1
#define HDR_NUM_BUFFERS 10 /* the last two bytes of a modern header */
#define EVENT_QP 1

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct elem {
	uint32_t id, len;
};

/** The rings where they are mapped. */
struct rings {
	const struct desc *desc;
	const _Atomic uint16_t *avail; /* flags, index, entries */
	_Atomic uint16_t *used;        /* flags, index */
	struct elem *elem;
};

static void *
at(const struct virtq *q, uint64_t gpa, uint64_t len)
{
	uint64_t room;
	uint8_t *p = key_at(q->key, gpa, &room);

	return p != NULL && room >= len ? p : NULL;
}

static bool
rings_of(const struct virtq *q, struct rings *r)
{
	r->desc = at(q, q->desc_gpa, 16ull * q->size);
	r->avail = at(q, q->avail_gpa, 4 + 2ull * q->size);
	r->used = at(q, q->used_gpa, 4 + 8ull * q->size);
	r->elem = (struct elem *)((uintptr_t)r->used + 4);
	return r->desc != NULL && r->avail != NULL && r->used != NULL;
}

static uint32_t
header_len(const struct virtq *q)
{
	return q->version_1 ? 12 : 10;
}

static struct counters *
counters_of(const struct virtq *q)
{
	static struct counters nowhere;
	struct object *o = object_at(q->counters, KIND_COUNTERS);

	return o != NULL ? &o->counters : &nowhere;
}

static void
fail(struct virtq *q, uint32_t *counter)
{
	(*counter)++;
	q->state = STATE_ERROR;
	q->error = 1;
	if (q->channel != NULL)
		event_post(q->channel, q->cookie);
}

/** The buffers of a chain, one after the other. */
struct walk {
	uint16_t head, next;
	uint16_t left; /* descriptors it may still have */
	bool more;
};

static bool
begin(struct virtq *q, const struct rings *r, struct walk *w)
{
	if (atomic_load(&r->avail[1]) == q->avail)
		return false;
	w->head = w->next = atomic_load(&r->avail[2 + q->avail % q->size]);
	w->left = q->size;
	w->more = true;
	return true;
}

/** The next buffer, which must be for reading or for writing as @p flags says. */
static uint8_t *
step(struct virtq *q, const struct rings *r, struct walk *w, uint16_t flags, uint32_t *len)
{
	struct desc d;
	uint8_t *p;

	if (w->left-- == 0) {
		fail(q, &counters_of(q)->chain);
		return NULL;
	}
	if (w->next >= q->size) {
		fail(q, &counters_of(q)->bad);
		return NULL;
	}
	d = r->desc[w->next];
	p = at(q, d.addr, d.len);
	if (p == NULL || (d.flags & ~DESC_NEXT) != flags) {
		fail(q, p == NULL ? &counters_of(q)->invalid : &counters_of(q)->bad);
		return NULL;
	}
	w->more = d.flags & DESC_NEXT;
	w->next = d.next;
	*len = d.len;
	return p;
}

static void
use(struct virtq *q, const struct rings *r, uint16_t head, uint32_t len)
{
	r->elem[q->used % q->size] = (struct elem){head, len};
	q->used++;
	q->avail++;
	atomic_store(&r->used[1], q->used);
	q->owes = true;
	counters_of(q)->received++;
	counters_of(q)->completed++;
}

/* --- to the wire --- */

/** As the header asks. */
static void
checksum(const uint8_t *header, uint8_t *frame, uint32_t len)
{
	uint16_t start, offset;
	uint64_t sum = 0;

	memcpy(&start, header + 6, 2);
	memcpy(&offset, header + 8, 2);
	if (!(header[0] & HDR_NEEDS_CSUM) || start + offset + 2u > len)
		return;
	for (uint32_t i = start; i < len; i++)
		sum += (uint32_t)frame[i] << ((i - start) % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	if (sum == 0) /* UDP's way to say that there is none */
		sum = 0xffff;
	frame[start + offset] = (uint8_t)(sum >> 8);
	frame[start + offset + 1] = (uint8_t)sum;
}

static bool
send_one(struct card *c, struct virtq *q, const struct rings *r)
{
	static uint8_t all[FRAME_MAX + 12];
	const uint32_t header = header_len(q);
	uint32_t n = 0, len;
	struct walk w;

	if (!begin(q, r, &w))
		return false;
	while (w.more) {
		const uint8_t *p = step(q, r, &w, 0, &len);

		if (p == NULL)
			return false;
		if (len > sizeof(all) - n) {
			fail(q, &counters_of(q)->invalid);
			return false;
		}
		memcpy(all + n, p, len);
		n += len;
	}
	if (n > header) {
		if (q->tx_csum)
			checksum(all, all + header, n - header);
		if (!wire_send(c, all + header, n - header))
			return false;
	}
	use(q, r, w.head, 0);
	return true;
}

/* --- from the wire --- */

/** Frames of a flow go to one ring. */
static struct object *
ring_for(const struct card *c, const uint8_t *frame, uint32_t len)
{
	const struct object *t = object_at(c->rqt, KIND_RQT);
	uint32_t hash = 0;

	if (t == NULL || c->rules == 0 || t->rqt.n == 0)
		return NULL;
	for (uint32_t i = 26; i < 38 && i < len; i++)
		hash = hash * 31 + frame[i];
	return object_at(t->rqt.entry[hash % t->rqt.n], KIND_VIRTQ);
}

/** Whether the chain has room; nothing is written yet. */
static bool
has_room(struct virtq *q, const struct rings *r, struct walk w, uint32_t need)
{
	uint32_t n = 0, len;

	while (w.more) {
		if (step(q, r, &w, DESC_WRITE, &len) == NULL)
			return false;
		n += len;
	}
	return n >= need;
}

static void
fill(struct virtq *q, const struct rings *r, struct walk w, const uint8_t *from, uint32_t left)
{
	uint32_t len;

	while (left > 0) {
		uint8_t *p = step(q, r, &w, DESC_WRITE, &len);

		if (p == NULL)
			return;
		len = len < left ? len : left;
		memcpy(p, from, len);
		from += len;
		left -= len;
	}
}

enum accept
virtq_accept(struct card *c, const uint8_t *frame, uint32_t len)
{
	static uint8_t all[FRAME_MAX + 12];
	struct object *o = ring_for(c, frame, len);
	struct virtq *q = o != NULL ? &o->virtq : NULL;
	struct rings r;
	struct walk w;
	uint32_t n;

	if (q == NULL || q->state != STATE_RDY || c->stalled || !rings_of(q, &r) ||
	    !begin(q, &r, &w))
		return ACCEPT_LATER;
	n = header_len(q) + len;
	if (n > sizeof(all) || !has_room(q, &r, w, n))
		return q->state == STATE_RDY ? ACCEPT_NEVER : ACCEPT_LATER;
	memset(all, 0, header_len(q));
	if (q->version_1)
		all[HDR_NUM_BUFFERS] = 1;
	memcpy(all + header_len(q), frame, len);
	fill(q, &r, w, all, n);
	if (q->state != STATE_RDY) /* the guest has changed the chain meanwhile */
		return ACCEPT_NEVER;
	use(q, &r, w.head, n);
	return ACCEPT_TAKEN;
}

/* --- all queues --- */

static bool
send_burst(struct card *c, struct virtq *q, bool rung)
{
	struct rings r;
	uint32_t n = 0;

	q->look |= rung;
	if (!q->look || q->index % 2 == 0 || q->state != STATE_RDY || !rings_of(q, &r))
		return false;
	while (n < BURST && send_one(c, q, &r))
		n++;
	q->look = atomic_load(&r.avail[1]) != q->avail;
	return n > 0;
}

/** Unless the guest says it looks by itself. */
static void
interrupt(struct virtq *q)
{
	struct rings r;

	if (!q->owes || q->event_mode != EVENT_QP || !rings_of(q, &r))
		return;
	atomic_thread_fence(memory_order_seq_cst); /* after the index, see use() */
	if ((atomic_load(&r.avail[0]) & AVAIL_NO_INTERRUPT) || event_send(q->event_qp))
		q->owes = false;
}

bool
virtq_iterate(struct card *c)
{
	/* one word for all queues: a ring may have hidden another one */
	bool rung = atomic_exchange(c->doorbell, RUNG) != RUNG;
	bool busy = false;
	struct object *o;

	for (uint32_t i = 1; i < OBJECTS_MAX && !c->stalled; i++)
		if ((o = object_nth(c, i, KIND_VIRTQ)) != NULL)
			busy |= send_burst(c, &o->virtq, rung);
	for (uint32_t i = 1; i < OBJECTS_MAX; i++) {
		if ((o = object_nth(c, i, KIND_VIRTQ)) != NULL)
			interrupt(&o->virtq);
		if ((o = object_nth(c, i, KIND_CQ)) != NULL)
			event_look(o);
	}
	return busy;
}

void
virtq_error(struct card *c, uint16_t index)
{
	static uint32_t nowhere;
	struct object *o;

	for (uint32_t i = 1; i < OBJECTS_MAX; i++)
		if ((o = object_nth(c, i, KIND_VIRTQ)) != NULL && o->virtq.index == index)
			fail(&o->virtq, &nowhere);
}
