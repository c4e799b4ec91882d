/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Walking a descriptor chain: direct, indirect, a mixture, over any regions. Each descriptor is
 * read once into a local, and the local is checked. Included by body.h only (FMT, see ring.h).
 */
#ifndef VIRTQ_CHAIN_H
#define VIRTQ_CHAIN_H

#include "gmem/present.h"
#include "virtq/ring.h"

#define CHAIN_READ false /* the device reads: the guest transmits */
#define CHAIN_WRITE true

/*
 * Work is counted in lookups: a descriptor read, an address translated. Limits of one chain, enough
 * for a frame in PKT_SEGS_MAX fragments; a chain that needs more is given back unused.
 */
#define CHAIN_LOOKUPS_MAX (PKT_SEGS_MAX + 64)
#define CHAIN_SLOTS_PER_WORK 8 /* ring slots passed over, one after the other, per lookup */

/** A segment of guest memory at one host address. */
struct vq_segment {
	uint8_t *data;
	uint32_t len;
	uint64_t gpa; /* for the dirty log; guest-physical also behind an IOMMU */
};

struct chain {
	struct vq *vq;
	const struct vq_mem *mem;
	uint64_t addr; /* rest of the current descriptor */
	uint32_t left;
	uint16_t next;    /* descriptor to read next: ring slot or table entry */
	bool more;        /* a next descriptor exists */
	bool ring_more;   /* packed: likewise in the ring, table or not */
	uint16_t wrap;    /* packed: ring_pos.wrap at ring slot next */
	bool indirect;    /* in an indirect table */
	uint64_t table;   /* its guest address */
	uint32_t entries; /* size of the table */
	uint32_t limit;   /* of descriptors */
	uint32_t descs;   /* descriptors read */
	uint32_t lookups; /* translations made */
	uint32_t slots;   /* packed: slots it may still take */
	uint16_t id;      /* to give it back with */
	uint16_t ndesc;
};

/** Memory at byte @c off of a region, at most @c len bytes. */
struct xlated {
	const struct gmem_region *r;
	uint64_t off, len;
};

/** Translate through the IOTLB, if there is one. r is NULL if the address is in no region. */
static bool
xlate_find(const struct vq_mem *mem, const struct iotlb_query *q, struct xlated *x)
{
	uint64_t uva, got;

	*x = (struct xlated){0};
	if (mem->tlb == NULL) {
		x->r = gmem_find(mem->gmem, q->iova);
		if (x->r != NULL)
			x->off = q->iova - x->r->gpa;
		got = q->len;
	} else {
		if (!iotlb_find(mem->tlb, q, &uva, &got))
			return false;
		x->r = gmem_find_uva(mem->gmem, uva);
		if (x->r != NULL)
			x->off = uva - x->r->uva;
	}
	if (x->r != NULL)
		x->len = RTE_MIN(got, x->r->size - x->off);
	return true;
}

/** Translate to a host address, where a translation, or the page, may be missing. */
static __rte_noinline enum vq_step
xlate_checked(const struct vq_mem *mem, const struct iotlb_query *q, struct vq_segment *out)
{
	struct xlated x;

	if (!xlate_find(mem, q, &x))
		return VQ_MISS;
	if (x.r == NULL)
		return VQ_BAD;
	if (mem->present != NULL) {
		x.len = present_bytes(&mem->present->r[x.r - mem->gmem->r], x.off, x.len);
		if (x.len == 0)
			return VQ_MISS;
	}
	*out = (struct vq_segment){x.r->hva + x.off, x.len, x.r->gpa + x.off};
	return VQ_OK;
}

/** Whether each access has to be checked for a translation, or a page, that is missing. */
static __rte_always_inline bool
xlate_may_miss(const struct vq_mem *mem)
{
	return FMT.full && (mem->tlb != NULL || mem->present != NULL);
}

/** The first segment of guest memory [addr, addr + len), len > 0. */
static __rte_always_inline enum vq_step
xlate(struct vq *vq, const struct vq_mem *mem, uint64_t addr, uint32_t len, bool write,
      struct vq_segment *out)
{
	uint64_t got;

	if (xlate_may_miss(mem)) {
		const struct iotlb_query q = {addr, len, vq->since_now,
					      write ? IOTLB_WO : IOTLB_RO};

		return xlate_checked(mem, &q, out);
	}
	out->data = gmem_translate(mem->gmem, addr, len, &vq->hint, &got);
	if (unlikely(out->data == NULL))
		return VQ_BAD;
	out->len = got;
	out->gpa = addr;
	return VQ_OK;
}

/** The region most descriptors of a burst point into, for registers; empty if any may miss. */
static __rte_always_inline struct gmem_region
xlate_region(const struct vq *vq, const struct vq_mem *mem)
{
	if (xlate_may_miss(mem) || vq->hint >= mem->gmem->n)
		return (struct gmem_region){0};
	return mem->gmem->r[vq->hint];
}

/** Host address of all of [addr, addr + len), or NULL if it is not in @p r. */
static __rte_always_inline uint8_t *
xlate_in(const struct gmem_region *r, uint64_t addr, uint32_t len)
{
	uint64_t off = addr - r->gpa;

	return likely(off < r->size && r->size - off >= len) ? r->hva + off : NULL;
}

/** Make the region of @p addr the usual one. False: there is none, or it already is. */
static __rte_noinline bool
xlate_switch(struct vq *vq, const struct vq_mem *mem, uint64_t addr)
{
	const struct gmem_region *r = gmem_find(mem->gmem, addr);
	uint32_t hint = vq->hint;

	if (xlate_may_miss(mem) || r == NULL)
		return false;
	vq->hint = r - mem->gmem->r;
	return vq->hint != hint;
}

/** xlate_in() with the region that has all of the range, if there is one. */
static __rte_always_inline uint8_t *
xlate_whole(struct vq *vq, const struct vq_mem *mem, struct gmem_region *r, uint64_t addr,
	    uint32_t len)
{
	uint8_t *p = xlate_in(r, addr, len);

	if (unlikely(p == NULL) && xlate_switch(vq, mem, addr)) {
		*r = xlate_region(vq, mem);
		p = xlate_in(r, addr, len);
	}
	return p;
}

/** xlate(), counted as work of the chain. */
static __rte_always_inline enum vq_step
chain_xlate(struct chain *c, uint64_t addr, uint32_t len, bool write, struct vq_segment *out)
{
	if (unlikely(c->lookups++ == CHAIN_LOOKUPS_MAX))
		return VQ_LONG;
	return xlate(c->vq, c->mem, addr, len, write, out);
}

/** Copy guest memory that lies in several regions. */
static __rte_noinline enum vq_step
chain_gather(struct chain *c, uint64_t addr, uint8_t *dst, uint32_t len)
{
	struct vq_segment p;
	enum vq_step r;

	while (len > 0) {
		r = chain_xlate(c, addr, len, CHAIN_READ, &p);
		if (r != VQ_OK)
			return r;
		memcpy(dst, p.data, p.len);
		dst += p.len;
		addr += p.len;
		len -= p.len;
	}
	return VQ_OK;
}

static __rte_always_inline struct vq_desc
desc_read(const uint8_t *p)
{
	return FMT.packed ? packed_desc_read(p) : split_desc_read(p);
}

/** Next descriptor of the indirect table. */
static __rte_always_inline enum vq_step
chain_read_table(struct chain *c, struct vq_desc *d)
{
	uint8_t copy[sizeof(struct split_desc)];
	struct vq_segment p;
	enum vq_step r;
	uint64_t addr;

	if (unlikely(c->next >= c->entries))
		return VQ_BAD;
	addr = c->table + (uint64_t)c->next * sizeof(copy);
	r = xlate(c->vq, c->mem, addr, sizeof(copy), CHAIN_READ, &p);
	if (unlikely(r != VQ_OK))
		return r;
	if (unlikely(p.len < sizeof(copy))) {
		r = chain_gather(c, addr, copy, sizeof(copy));
		if (r != VQ_OK)
			return r;
		p.data = copy;
	}
	*d = desc_read(p.data);
	c->next = FMT.packed ? c->next + 1 : d->link;
	c->more = FMT.packed ? c->next < c->entries : d->flags & VRING_DESC_F_NEXT;
	return VQ_OK;
}

/** Next descriptor of the ring. */
static __rte_always_inline enum vq_step
chain_read_ring(struct chain *c, struct vq_desc *d)
{
	struct ring_pos pos = {c->next, c->wrap};

	if (FMT.packed) {
		if (unlikely(c->slots-- == 0 ||
			     !packed_slot_read(packed_slot(c->vq, pos.idx), pos, d))) {
			vq_break(c->vq, "chain runs into descriptors that are not available");
			return VQ_BROKEN;
		}
		pos = ring_advance(c->vq, pos, 1);
		c->wrap = pos.wrap;
		c->next = pos.idx;
		c->id = d->link;
		c->ndesc++;
	} else {
		if (unlikely(c->next >= c->vq->size))
			return VQ_BAD;
		*d = split_desc_read(split_slot(c->vq, c->next));
		c->next = d->link;
	}
	c->more = c->ring_more = d->flags & VRING_DESC_F_NEXT;
	return VQ_OK;
}

/** The chain continues, and ends, in the indirect table @p d refers to. */
static __rte_always_inline enum vq_step
chain_enter_table(struct chain *c, const struct vq_desc *d)
{
	uint32_t entries = d->len / sizeof(struct split_desc);

	if (c->indirect || !c->vq->indirect || d->flags & VRING_DESC_F_NEXT)
		return VQ_BAD;
	if (entries == 0 || d->len % sizeof(struct split_desc) != 0)
		return VQ_BAD;
	c->table = d->addr;
	c->entries = entries;
	c->next = 0;
	c->indirect = true;
	c->more = true;
	return VQ_OK;
}

/**
 * Whether @p d may be used in this direction. DPDK's virtio driver transmits with the first entry
 * of its packed indirect tables, the header, marked device-writable; reading it is harmless.
 */
static __rte_always_inline bool
chain_allows(const struct chain *c, const struct vq_desc *d, bool write)
{
	if (!!(d->flags & VRING_DESC_F_WRITE) == write)
		return true;
	return FMT.packed && c->indirect && c->next == 1 && !write;
}

/** Go to the next descriptor that has data, or none; checks it against the direction. */
static __rte_always_inline enum vq_step
chain_next(struct chain *c, bool write)
{
	struct vq_desc d;
	enum vq_step r;

	if (unlikely(c->descs++ == c->limit))
		return c->vq->size > CHAIN_LOOKUPS_MAX ? VQ_LONG : VQ_BAD;
	r = c->indirect ? chain_read_table(c, &d) : chain_read_ring(c, &d);
	if (unlikely(r != VQ_OK))
		return r;
	if (d.flags & VRING_DESC_F_INDIRECT) {
		c->descs--; /* the table itself is no part of the chain's length */
		return chain_enter_table(c, &d);
	}
	if (unlikely(!chain_allows(c, &d, write)))
		return VQ_BAD;
	c->addr = d.addr;
	c->left = d.len;
	return VQ_OK;
}

/** The next segment of the chain's memory; VQ_END after the last. */
static __rte_always_inline enum vq_step
chain_segment(struct chain *c, bool write, struct vq_segment *out)
{
	enum vq_step r;

	while (c->left == 0) {
		if (!c->more)
			return VQ_END;
		r = chain_next(c, write);
		if (unlikely(r != VQ_OK))
			return r;
	}
	r = chain_xlate(c, c->addr, c->left, write, out);
	if (likely(r == VQ_OK)) {
		c->addr += out->len;
		c->left -= out->len;
	}
	return r;
}

/** Whether a chain that may take @p left slots is among those that were asked for. */
static inline bool
chain_leased(const struct vq *vq, uint32_t left)
{
	return vq->size - left < vq->leased && vq->since != IOTLB_KEPT;
}

/** The oldest translations that are valid for the chain. */
static inline uint64_t
chain_since(const struct vq *vq, const struct vq_mem *mem, uint32_t left)
{
	if (!mem->per_chain)
		return 0;
	return chain_leased(vq, left) ? vq->since : IOTLB_KEPT;
}

/**
 * Begin with the chain at @p pos, whose head ring_head() has read; @p head is its id there, and @p
 * left how many ring slots it may take.
 */
static __rte_always_inline void
chain_start(struct chain *c, struct vq *vq, const struct vq_mem *mem, struct ring_pos pos,
	    uint16_t head, uint32_t left)
{
	if (FMT.full)
		vq->since_now = chain_since(vq, mem, left);
	*c = (struct chain){
		.vq = vq,
		.mem = mem,
		.next = FMT.packed ? pos.idx : head,
		.wrap = pos.wrap,
		.more = true,
		.limit = RTE_MIN(vq->size, (uint32_t)CHAIN_LOOKUPS_MAX),
		.slots = left,
		.id = head,
		.ndesc = FMT.packed ? 0 : 1,
	};
}

/**
 * A chain that cannot be used, for the reason @p r, or is not read further: find its end in the
 * ring, so that it can be given back. Returns @p r or VQ_BROKEN.
 */
static __rte_noinline enum vq_step
chain_skip(struct chain *c, enum vq_step r)
{
	uint16_t before = c->ndesc;
	struct vq_desc d;

	while (FMT.packed && c->ring_more)
		if (chain_read_ring(c, &d) != VQ_OK)
			return VQ_BROKEN;
	c->vq->q.work += (uint16_t)(c->ndesc - before) / CHAIN_SLOTS_PER_WORK;
	return r;
}

/** Add the lookups of a chain to the queue's. */
static __rte_always_inline void
chain_account(const struct chain *c)
{
	c->vq->q.work += c->descs + c->lookups;
}

/* --- after a miss: find all that is missing, so that it is requested at once --- */

#define ASK_CHAINS 8    /* chains looked at ahead */
#define LEASE_CHAINS 32 /* where each has to be requested */

struct ask {
	struct vq *vq;
	uint32_t n;    /* segments found */
	uint32_t left; /* lookups it may still cost */
};

static void
ask_note(struct ask *a, uint64_t iova, uint32_t len, uint32_t perm)
{
	if (a->n < VQ_MISS_MAX)
		a->vq->miss[a->n++] = (struct vq_miss){iova, len, perm};
}

/** Find what is missing of the next @p len bytes of a chain's present descriptor. */
static void
ask_segment(struct ask *a, const struct chain *c, uint32_t len, uint32_t perm)
{
	struct vq_segment part;
	uint64_t done;

	for (done = 0; done < len && a->left > 0; done += part.len) {
		const struct iotlb_query q = {c->addr + done, len - done, c->vq->since_now, perm};
		enum vq_step r = xlate_checked(c->mem, &q, &part);

		a->left--;
		if (r == VQ_MISS)
			ask_note(a, c->addr + done, len - done, perm);
		if (r != VQ_OK)
			break;
	}
}

/** Find what is missing of the first @p want bytes of a chain. False: it cannot be followed. */
static bool
ask_chain(struct ask *a, struct chain *c, bool write, uint32_t want)
{
	enum vq_step r = VQ_OK;

	while (c->more && (r = chain_next(c, write)) == VQ_OK) {
		uint32_t len = RTE_MIN(c->left, want);

		ask_segment(a, c, len, write ? IOTLB_WO : IOTLB_RO);
		want -= len;
		c->left = 0;
	}
	if (r == VQ_MISS)
		ask_note(a, c->table + (uint64_t)c->next * sizeof(struct split_desc),
			 (c->entries - c->next) * sizeof(struct split_desc), IOTLB_RO);
	return r == VQ_OK || r == VQ_MISS;
}

/**
 * Have control request what is missing of the first @p want bytes of the chain at @p pos, which
 * missed, and of some chains that follow; they take @p left ring slots at most.
 */
static __rte_noinline void
chain_ask(struct vq *vq, const struct vq_mem *mem, struct ring_pos pos, uint32_t left, bool write,
	  uint32_t want)
{
	const struct ring_base rb = ring_base(vq);
	const bool lease = mem->per_chain && !chain_leased(vq, left);
	struct ask a = {.vq = vq, .left = CHAIN_LOOKUPS_MAX};
	struct chain c;
	struct vq_desc d;
	bool followed = true;
	uint16_t i, id, n;

	if (atomic_load_explicit(&vq->misses, memory_order_acquire) != 0)
		return;
	n = ring_available(vq, pos, lease ? LEASE_CHAINS : ASK_CHAINS);
	for (i = 0; i < n && left > 0 && a.n < VQ_MISS_MAX && followed; i++) {
		if (mem->per_chain && !lease && !chain_leased(vq, left))
			break;
		if (!ring_head(&rb, pos, &d, &id))
			break;
		chain_start(&c, vq, mem, pos, id, left);
		c.limit = RTE_MIN(c.limit, a.left);
		followed = ask_chain(&a, &c, write, want);
		a.left -= RTE_MIN(a.left, c.descs);
		if (i == 0)
			vq->miss_need = a.n;
		pos = ring_advance(vq, pos, c.ndesc);
		left -= c.ndesc;
	}
	vq->q.work += CHAIN_LOOKUPS_MAX - a.left;
	if (a.n == 0)
		return;
	if (lease) {
		vq->leased = vq->size - left;
		vq->since = IOTLB_KEPT; /* until control has requested it */
	}
	vq_ask(vq, a.n);
}

#endif
