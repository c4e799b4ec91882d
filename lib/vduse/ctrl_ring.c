/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ring of the control queue. A few commands in a driver's life: each access translates its
 * address, there are no tables to keep. All that the driver can change is read once.
 */
#include <errno.h>
#include <string.h>

#include <linux/virtio_ring.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#include "base/irq.h"
#include "vduse/dev.h"
#include "virtq/fmt.h"
#include "virtq/journal.h"

#define SPLIT_RING 4u /* bytes before the entries of the available and used rings */
#define USED_ELEM 8u
#define DESC 16u
#define ACK_LEN 1u

static bool
broken(struct vduse *v, const char *why)
{
	v->ctrl.why = why;
	return false;
}

static const struct gmem_region *
find(const struct vduse_ctrl *c, uint64_t iova, uint32_t access)
{
	const struct gmem_region *r = NULL;

	for (uint32_t perm = access; perm < RTE_DIM(c->mem) && r == NULL; perm++)
		if ((perm & access) == access && c->mem[perm] != NULL)
			r = gmem_find(c->mem[perm], iova);
	return r;
}

/**
 * The first of @p len bytes at @p iova, for @p access (VDUSE_ACCESS_RO, VDUSE_ACCESS_WO), and how
 * many lie behind it. NULL: they are not there, or the driver does not allow it.
 */
static uint8_t *
part(struct vduse *v, uint64_t iova, uint64_t len, uint32_t access, uint64_t *got)
{
	struct vduse_ctrl *c = &v->ctrl;
	const struct gmem_region *r = find(c, iova, access);

	if (r == NULL) {
		vduse_mem_extend(v, vduse_ctrl_asid(v), iova, c->mem, &c->fault);
		r = find(c, iova, access);
	}
	if (r == NULL) {
		c->missing = iova;
		c->waits = true;
		return NULL;
	}
	*got = RTE_MIN(len, r->size - (iova - r->gpa));
	return r->hva + (iova - r->gpa);
}

/** @p len bytes at @p iova for @p access. NULL, with ctrl->missing: they are not there. */
static uint8_t *
bytes_at(struct vduse *v, uint64_t iova, uint32_t len, uint32_t access)
{
	uint64_t got = 0;
	uint8_t *p = part(v, iova, len, access, &got);

	if (p != NULL && got < len) {
		v->ctrl.missing = iova + got;
		v->ctrl.waits = true;
		return NULL;
	}
	return p;
}

/* Fields are aligned, by the check when the ring was described. */
static bool
load16(struct vduse *v, uint64_t iova, uint16_t *out)
{
	const uint16_t *p =
		(const uint16_t *)(const void *)bytes_at(v, iova, sizeof(*p), VDUSE_ACCESS_RO);

	if (p != NULL)
		*out = rte_le_to_cpu_16(__atomic_load_n(p, __ATOMIC_ACQUIRE));
	return p != NULL;
}

static bool
store16(struct vduse *v, uint64_t iova, uint16_t value)
{
	uint16_t *p = (uint16_t *)(void *)bytes_at(v, iova, sizeof(*p), VDUSE_ACCESS_WO);

	if (p != NULL)
		__atomic_store_n(p, rte_cpu_to_le_16(value), __ATOMIC_RELEASE);
	return p != NULL;
}

/** A descriptor of either layout, in our byte order. */
struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next; /* split */
	uint16_t id;   /* packed */
};

/** @p len bytes, read once; of any alignment, and across regions. */
static bool
copy(struct vduse *v, uint64_t iova, void *out, uint32_t len)
{
	const volatile uint8_t *p;
	uint64_t got = 0, done;

	for (done = 0; done < len; done += got) {
		p = part(v, iova + done, len - done, VDUSE_ACCESS_RO, &got);
		if (p == NULL)
			return false;
		for (uint64_t i = 0; i < got; i++)
			((uint8_t *)out)[done + i] = p[i];
	}
	return true;
}

static bool
read_desc(struct vduse *v, uint64_t iova, struct desc *d)
{
	uint8_t raw[DESC];
	uint16_t last[2];
	uint64_t addr;
	uint32_t len;

	if (!copy(v, iova, raw, sizeof(raw)))
		return false;
	memcpy(&addr, raw, sizeof(addr));
	memcpy(&len, raw + 8, sizeof(len));
	memcpy(last, raw + 12, sizeof(last));
	*d = (struct desc){.addr = rte_le_to_cpu_64(addr), .len = rte_le_to_cpu_32(len)};
	if (v->ctrl.layout == VQ_PACKED) {
		d->id = rte_le_to_cpu_16(last[0]);
		d->flags = rte_le_to_cpu_16(last[1]);
	} else {
		d->flags = rte_le_to_cpu_16(last[0]);
		d->next = rte_le_to_cpu_16(last[1]);
	}
	return true;
}

/* --- chains --- */

/** Add a buffer. False: the ring is broken, or memory is missing. */
static bool
add_buffer(struct vduse *v, struct vduse_ctrl_chain *c, const struct desc *d)
{
	uint32_t want;

	if (d->len != 0 && d->addr + (d->len - 1) < d->addr)
		return broken(v, "a buffer of the control queue wraps");
	if (d->flags & VRING_DESC_F_WRITE) {
		if (d->len != 0 && !c->has_ack) {
			c->ack = d->addr;
			c->has_ack = true;
		}
		return true;
	}
	if (c->has_ack)
		return broken(v, "a command of the control queue goes on behind its answer");
	if (c->len < sizeof(c->head)) {
		want = (uint32_t)RTE_MIN((uint64_t)d->len, sizeof(c->head) - c->len);
		if (!copy(v, d->addr, c->head + c->len, want))
			return false;
	}
	c->len += d->len;
	return true;
}

/** A chain in a table, or in the ring of split layout: @p n descriptors at @p table. */
static bool walk_linked(struct vduse *v, uint64_t table, uint32_t n, uint16_t first, bool inner,
			struct vduse_ctrl_chain *c);

static bool
walk_indirect(struct vduse *v, const struct desc *d, struct vduse_ctrl_chain *c)
{
	const uint32_t n = d->len / DESC;

	if (!VQ_HAS(v->ctrl.features, VIRTIO_RING_F_INDIRECT_DESC))
		return broken(v,
			      "the control queue has an indirect table, which was not negotiated");
	if (n == 0 || d->len % DESC != 0 || n > v->ctrl.size)
		return broken(v, "an indirect table of the control queue has an impossible size");
	if (d->flags & VRING_DESC_F_NEXT)
		return broken(v, "an indirect table of the control queue is not the last");
	if (d->addr + (d->len - 1) < d->addr)
		return broken(v, "an indirect table of the control queue wraps");
	if (v->ctrl.layout != VQ_PACKED)
		return walk_linked(v, d->addr, n, 0, true, c);
	for (uint32_t i = 0; i < n; i++) {
		struct desc in;

		if (!read_desc(v, d->addr + i * DESC, &in))
			return false;
		if (in.flags & VRING_DESC_F_INDIRECT)
			return broken(v, "an indirect table of the control queue has another");
		if (!add_buffer(v, c, &in))
			return false;
	}
	return true;
}

static bool
walk_linked(struct vduse *v, uint64_t table, uint32_t n, uint16_t first, bool inner,
	    struct vduse_ctrl_chain *c)
{
	struct desc d = {.flags = VRING_DESC_F_NEXT, .next = first};

	for (uint32_t i = 0; i < n && (d.flags & VRING_DESC_F_NEXT); i++) {
		if (d.next >= n)
			return broken(v, "a chain of the control queue leaves its ring");
		if (!read_desc(v, table + d.next * DESC, &d))
			return false;
		if ((d.flags & VRING_DESC_F_INDIRECT) && inner)
			return broken(v, "an indirect table of the control queue has another");
		if (d.flags & VRING_DESC_F_INDIRECT)
			return walk_indirect(v, &d, c);
		if (!add_buffer(v, c, &d))
			return false;
	}
	return !(d.flags & VRING_DESC_F_NEXT) ||
	       broken(v, "a chain of the control queue is a loop");
}

/** Whether the available index is not where the ring stands. */
static bool
split_find(struct vduse *v, struct vduse_ctrl_chain *c, bool *any)
{
	const struct vduse_ctrl *q = &v->ctrl;
	uint16_t idx, head;

	if (!load16(v, q->driver + 2, &idx))
		return false;
	*any = idx != q->at.avail;
	if (!*any)
		return true;
	if ((uint16_t)(idx - q->at.avail) > q->size)
		return broken(v, "the control queue has more available than it is long");
	if (!load16(v, q->driver + SPLIT_RING + 2ull * (q->at.avail % q->size), &head))
		return false;
	c->id = head;
	c->slots = 1;
	return walk_linked(v, q->desc, q->size, head, false, c);
}

static uint64_t
packed_slot(const struct vduse_ctrl *q, uint32_t slot)
{
	return q->desc + (uint64_t)(slot % q->size) * DESC;
}

/** Whether @p flags are of a descriptor that the driver has made available in this round. */
static bool
is_available(uint16_t flags, bool wrap)
{
	const bool avail = flags & (1u << VRING_PACKED_DESC_F_AVAIL);
	const bool used = flags & (1u << VRING_PACKED_DESC_F_USED);

	return avail == wrap && used != wrap;
}

static bool
packed_find(struct vduse *v, struct vduse_ctrl_chain *c, bool *any)
{
	const struct vduse_ctrl *q = &v->ctrl;
	struct desc d;
	uint16_t flags;

	if (!load16(v, packed_slot(q, q->at.avail) + 14, &flags))
		return false;
	*any = is_available(flags, q->at.avail_wrap);
	for (uint32_t i = 0; *any; i++) {
		if (i == q->size)
			return broken(v, "a chain of the control queue is a loop");
		if (!read_desc(v, packed_slot(q, q->at.avail + i), &d))
			return false;
		c->id = d.id;
		c->slots = (uint16_t)(i + 1);
		if ((d.flags & VRING_DESC_F_INDIRECT) && i > 0)
			return broken(v, "an indirect table of the control queue is not the first");
		if (d.flags & VRING_DESC_F_INDIRECT)
			return walk_indirect(v, &d, c);
		if (!add_buffer(v, c, &d))
			return false;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return true;
	}
	return true;
}

/* --- a successor --- */

void
vduse_ctrl_log_position(struct vduse *v)
{
	const struct vq_journal_key key = vduse_ctrl_key(v);
	struct vq_journal *j = vdev_journal_spare(v->dev);

	if (j != NULL)
		vq_journal_start(j, &key, &v->ctrl.at);
}

/** By the driver's memory: one command at a time, so those with an answer were carried out. */
static bool
recover_split(struct vduse *v)
{
	struct vduse_ctrl *q = &v->ctrl;
	uint16_t used;

	if (!load16(v, q->device + 2, &used))
		return false;
	q->at.avail = q->at.used = used;
	return true;
}

static bool
recover_packed(struct vduse *v)
{
	const struct vq_journal_key key = vduse_ctrl_key(v);
	const struct vq_journal *j = vdev_journal_spare(v->dev);
	struct vduse_ctrl *q = &v->ctrl;
	uint16_t flags;

	if (j == NULL || j->running != 1 || memcmp(&j->key, &key, sizeof(key)) != 0 ||
	    j->state.avail >= q->size || j->next.avail >= q->size)
		return true;
	if (j->pending != 1) {
		q->at = j->state;
		return true;
	}
	/* the slot has the answer, or what came after it: it was given */
	if (!load16(v, packed_slot(q, j->state.avail) + 14, &flags))
		return false;
	q->at = is_available(flags, j->state.avail_wrap) ? j->state : j->next;
	return true;
}

bool
vduse_ctrl_find(struct vduse *v)
{
	struct vduse_ctrl *q = &v->ctrl;

	if (!q->lost)
		return true;
	if (!(q->layout == VQ_PACKED ? recover_packed(v) : recover_split(v)))
		return false;
	q->lost = false;
	vduse_ctrl_log_position(v);
	return true;
}

/* --- the next command --- */

enum vduse_ctrl_look
vduse_ctrl_look(struct vduse *v, struct vduse_ctrl_chain *out)
{
	struct vduse_ctrl *q = &v->ctrl;
	bool any = false, ok;

	*out = (struct vduse_ctrl_chain){0};
	q->waits = false;
	ok = vduse_ctrl_find(v) &&
	     (q->layout == VQ_PACKED ? packed_find(v, out, &any) : split_find(v, out, &any));
	if (ok && any && (!out->has_ack || out->len < 2))
		ok = broken(v, out->has_ack ? "a command of the control queue has no class"
					    : "a command of the control queue has no room for "
					      "an answer");
	/* its owner has truncated it: all that was read means nothing */
	if (atomic_load(&q->fault.dead))
		ok = broken(v, "memory file truncated by its owner");
	if (q->why != NULL)
		return VDUSE_CTRL_BROKEN;
	if (!ok)
		return VDUSE_CTRL_WAITS;
	return any ? VDUSE_CTRL_ONE : VDUSE_CTRL_NONE;
}

/* --- answers --- */

static void
advance(struct vduse_ctrl *q, uint16_t slots, struct vq_state *s)
{
	*s = q->at;
	if (q->layout != VQ_PACKED) {
		s->avail = s->used = (uint16_t)(s->avail + 1);
		return;
	}
	s->avail = (uint16_t)(s->avail + slots);
	if (s->avail >= q->size) {
		s->avail = (uint16_t)(s->avail - q->size);
		s->avail_wrap = !s->avail_wrap;
	}
	s->used = s->avail;
	s->used_wrap = s->avail_wrap;
}

/** Places that are written for a chain, which are known to be there. */
struct places {
	uint8_t *ack, *elem, *index;
};

static bool
find_places(struct vduse *v, const struct vduse_ctrl_chain *c, struct places *p)
{
	const struct vduse_ctrl *q = &v->ctrl;

	p->ack = bytes_at(v, c->ack, ACK_LEN, VDUSE_ACCESS_WO);
	if (q->layout == VQ_PACKED) {
		p->elem = bytes_at(v, packed_slot(q, q->at.used), DESC, VDUSE_ACCESS_WO);
		p->index = p->elem;
	} else {
		p->elem = bytes_at(v,
				   q->device + SPLIT_RING +
					   (uint64_t)USED_ELEM * (q->at.used % q->size),
				   USED_ELEM, VDUSE_ACCESS_WO);
		p->index = bytes_at(v, q->device + 2, 2, VDUSE_ACCESS_WO);
	}
	return p->ack != NULL && p->elem != NULL && p->index != NULL;
}

static void
write_split(const struct vduse_ctrl *q, const struct vduse_ctrl_chain *c, const struct places *p)
{
	const uint32_t elem[2] = {rte_cpu_to_le_32(c->id), rte_cpu_to_le_32(ACK_LEN)};

	memcpy(p->elem, elem, sizeof(elem));
	__atomic_store_n((uint16_t *)(void *)p->index, rte_cpu_to_le_16((uint16_t)(q->at.used + 1)),
			 __ATOMIC_RELEASE);
}

static void
write_packed(const struct vduse_ctrl *q, const struct vduse_ctrl_chain *c, const struct places *p)
{
	const uint16_t bits =
		q->at.used_wrap ? 1u << VRING_PACKED_DESC_F_AVAIL | 1u << VRING_PACKED_DESC_F_USED
				: 0;
	const uint32_t len = rte_cpu_to_le_32(ACK_LEN);
	const uint16_t id = rte_cpu_to_le_16(c->id);

	memcpy(p->elem + 8, &len, sizeof(len));
	memcpy(p->elem + 12, &id, sizeof(id));
	__atomic_store_n((uint16_t *)(void *)(p->elem + 14),
			 rte_cpu_to_le_16(bits | VRING_DESC_F_WRITE), __ATOMIC_RELEASE);
}

/** An interrupt too many is none that a driver minds. */
static void
interrupt(struct vduse *v)
{
	const struct vduse_ctrl *q = &v->ctrl;
	uint16_t flags = 0;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (q->layout == VQ_PACKED) {
		if (load16(v, q->driver + 2, &flags) &&
		    (flags & 3) == VRING_PACKED_EVENT_FLAG_DISABLE)
			return;
	} else if (!VQ_HAS(q->features, VIRTIO_RING_F_EVENT_IDX) && load16(v, q->driver, &flags) &&
		   (flags & VRING_AVAIL_F_NO_INTERRUPT)) {
		return;
	}
	irq_raise(q->irq);
}

bool
vduse_ctrl_answer(struct vduse *v, const struct vduse_ctrl_chain *c, uint8_t result)
{
	struct vq_journal *j = vdev_journal_spare(v->dev);
	struct vduse_ctrl *q = &v->ctrl;
	struct vq_state next;
	struct places p;

	if (!find_places(v, c, &p))
		return false;
	advance(q, c->slots, &next);
	if (j != NULL) {
		j->next = next;
		__atomic_store_n(&j->pending, 1, __ATOMIC_SEQ_CST);
	}
	*(volatile uint8_t *)p.ack = result;
	if (q->layout == VQ_PACKED)
		write_packed(q, c, &p);
	else
		write_split(q, c, &p);
	q->at = next;
	if (j != NULL) {
		j->state = next;
		__atomic_store_n(&j->pending, 0, __ATOMIC_SEQ_CST);
	}
	interrupt(v);
	return true;
}

bool
vduse_ctrl_arm(struct vduse *v)
{
	const struct vduse_ctrl *q = &v->ctrl;
	uint16_t now = 0;

	if (q->layout == VQ_PACKED) {
		store16(v, q->device + 2, VRING_PACKED_EVENT_FLAG_ENABLE);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		return load16(v, packed_slot(q, q->at.avail) + 14, &now) &&
		       is_available(now, q->at.avail_wrap);
	}
	if (VQ_HAS(q->features, VIRTIO_RING_F_EVENT_IDX))
		store16(v, q->device + SPLIT_RING + (uint64_t)USED_ELEM * q->size, q->at.avail);
	else
		store16(v, q->device, 0);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return load16(v, q->driver + 2, &now) && now != q->at.avail;
}
