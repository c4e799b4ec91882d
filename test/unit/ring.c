/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "ring.h"

enum vq_layout ring_layouts[VQ_LAYOUT_NUM] = {VQ_SPLIT, VQ_SPLIT_SWAP, VQ_PACKED};

#define RING_DESC_AT 0
#define RING_DRIVER_AT 0x8000
#define RING_DEVICE_AT 0xa000
#define RING_PACKED_ID 1000

struct vq_fmt
ring_fmt(const struct ring *r)
{
	return (struct vq_fmt){
		.packed = r->layout == VQ_PACKED,
		.swap = r->layout == VQ_SPLIT_SWAP ? VQ_SWAP_BE : VQ_SWAP_LE,
	};
}

static void
ring_attention(const struct vq_host *host, struct vq *vq)
{
	struct ring *r = (struct ring *)((uintptr_t)host - offsetof(struct ring, host));

	r->attentions++;
}

/* Two regions, adjacent for the guest and apart for us; a child process can be the device. */
static struct gmem *
ring_gmem(void)
{
	static uint16_t by_uva[] = {0, 1};
	struct gmem *m = calloc(1, sizeof(*m) + 2 * sizeof(m->r[0]));
	unsigned int i;

	if (m == NULL)
		abort();
	m->refs = 1;
	m->n = 2;
	m->by_uva = by_uva;
	m->r[0] = (struct gmem_region){.gpa = RING_GPA, .size = RING_SPLIT_AT, .uva = 0x7000000};
	m->r[1] = (struct gmem_region){.gpa = RING_GPA + RING_SPLIT_AT,
				       .size = RING_MEM - RING_SPLIT_AT,
				       .uva = 0x9000000};
	for (i = 0; i < m->n; i++) {
		m->r[i].hva = mmap(NULL, m->r[i].size, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (m->r[i].hva == MAP_FAILED)
			abort();
	}
	return m;
}

/** Memory of its own, and r->setup's pointers into it. */
static void
ring_own_memory(struct ring *r)
{
	r->gmem = ring_gmem();
	r->mem = r->gmem->r[0].hva;
	r->space = (struct vq_mem){.gmem = r->gmem};
	r->host.attention = ring_attention;
	r->setup.desc = r->mem + RING_DESC_AT;
	r->setup.driver = r->mem + RING_DRIVER_AT;
	r->setup.device = r->mem + RING_DEVICE_AT;
	r->setup.mem = &r->space;
	r->setup.fault = &r->fault;
	r->setup.host = &r->host;
}

void
ring_prepare(struct ring *r, enum vq_layout layout, uint32_t size, uint64_t features, bool tx)
{
	bool packed = layout == VQ_PACKED;

	memset(r, 0, sizeof(*r));
	r->layout = layout;
	r->size = size;
	r->avail_wrap = r->used_wrap = true;
	if (packed)
		features |= RING_F(VIRTIO_F_RING_PACKED) | RING_MODERN;
	r->setup = (struct vq_setup){
		.layout = layout,
		.size = size,
		.features = features,
		.tx = tx,
		.log_used_gpa = RING_GPA + RING_DEVICE_AT,
		.desc_gpa = RING_GPA + RING_DESC_AT,
		.device_gpa = RING_GPA + RING_DEVICE_AT,
		.kick_fd = -1,
		.state = {.avail_wrap = packed, .used_wrap = packed},
	};
	ring_own_memory(r);
}

void
ring_clone(struct ring *r, const struct ring *from)
{
	*r = *from;
	ring_own_memory(r);
	memcpy(r->gmem->r[0].hva, from->gmem->r[0].hva, RING_SPLIT_AT);
	memcpy(r->gmem->r[1].hva, from->gmem->r[1].hva, RING_MEM - RING_SPLIT_AT);
}

void
ring_init(struct ring *r, enum vq_layout layout, uint32_t size, uint64_t features, bool tx)
{
	ring_prepare(r, layout, size, features, tx);
	if (vq_start(&r->vq, &r->setup) != 0)
		abort();
}

void
ring_fini(struct ring *r)
{
	vq_stop(&r->vq);
	munmap(r->gmem->r[0].hva, r->gmem->r[0].size);
	munmap(r->gmem->r[1].hva, r->gmem->r[1].size);
	free(r->gmem);
}

void *
ring_at(struct ring *r, uint64_t gpa)
{
	unsigned int i = gpa >= RING_GPA + RING_SPLIT_AT;

	return r->gmem->r[i].hva + (gpa - r->gmem->r[i].gpa);
}

static struct split_desc
ring_make_split(struct ring *r, const struct ring_buf *b, uint16_t flags, uint16_t next)
{
	const struct vq_fmt f = ring_fmt(r);

	return (struct split_desc){vq64_make(f, b->addr), vq32_make(f, b->len),
				   vq16_make(f, b->flags | flags), vq16_make(f, next)};
}

void
ring_desc(struct ring *r, uint16_t i, const struct ring_buf *b, uint16_t next)
{
	((struct split_desc *)r->setup.desc)[i] = ring_make_split(r, b, 0, next);
}

void
ring_avail(struct ring *r, uint16_t head)
{
	const struct vq_fmt f = ring_fmt(r);
	struct split_avail *a = r->setup.driver;

	a->ring[r->avail % r->size] = vq16_make(f, head);
	vq16_store_release(f, &a->idx, ++r->avail);
}

static uint16_t
ring_post_split(struct ring *r, const struct ring_buf *b, unsigned int n)
{
	uint16_t head = r->free;
	unsigned int i;

	for (i = 0; i < n; i++) {
		uint16_t next = (r->free + 1) % r->size;

		((struct split_desc *)r->setup.desc)[r->free] =
			ring_make_split(r, &b[i], i + 1 < n ? VRING_DESC_F_NEXT : 0, next);
		r->free = next;
	}
	ring_avail(r, head);
	return head;
}

static uint16_t
ring_post_packed(struct ring *r, const struct ring_buf *b, unsigned int n)
{
	const struct vq_fmt f = ring_fmt(r);
	struct packed_desc *d = r->setup.desc, *first = &d[r->avail];
	uint16_t id = r->avail + RING_PACKED_ID, first_flags = 0;
	unsigned int i;

	r->ndesc[r->avail] = n;
	for (i = 0; i < n; i++) {
		struct packed_desc *p = &d[r->avail];
		uint16_t flags = b[i].flags | (r->avail_wrap ? PACKED_F_AVAIL : PACKED_F_USED) |
				 (i + 1 < n ? VRING_DESC_F_NEXT : 0);

		p->addr = vq64_make(f, b[i].addr);
		p->len = vq32_make(f, b[i].len);
		p->id = vq16_make(f, id);
		if (i == 0)
			first_flags = flags;
		else
			vq16_store(f, &p->flags, flags);
		if (++r->avail == r->size) {
			r->avail = 0;
			r->avail_wrap = !r->avail_wrap;
		}
	}
	vq16_store_release(f, &first->flags, first_flags);
	return id;
}

uint16_t
ring_post(struct ring *r, const struct ring_buf *b, unsigned int n)
{
	return r->layout == VQ_PACKED ? ring_post_packed(r, b, n) : ring_post_split(r, b, n);
}

void
ring_table(struct ring *r, uint64_t table, const struct ring_buf *b, unsigned int n)
{
	const struct vq_fmt f = ring_fmt(r);
	uint64_t words[2];
	unsigned int i, k;

	for (i = 0; i < n; i++) {
		if (f.packed) {
			const struct packed_desc d = {vq64_make(f, b[i].addr),
						      vq32_make(f, b[i].len), vq16_make(f, 0),
						      vq16_make(f, b[i].flags)};
			memcpy(words, &d, sizeof(d));
		} else {
			const struct split_desc d =
				ring_make_split(r, &b[i], i + 1 < n ? VRING_DESC_F_NEXT : 0, i + 1);
			memcpy(words, &d, sizeof(d));
		}
		for (k = 0; k < sizeof(words); k++) /* a table may lie in two regions */
			*(uint8_t *)ring_at(r, table + i * sizeof(words) + k) =
				((const uint8_t *)words)[k];
	}
}

uint16_t
ring_post_table(struct ring *r, uint64_t table, const struct ring_buf *b, unsigned int n)
{
	const struct ring_buf d = {table, n * sizeof(struct split_desc), VRING_DESC_F_INDIRECT};

	ring_table(r, table, b, n);
	return ring_post(r, &d, 1);
}

static bool
ring_used_split(struct ring *r, uint32_t *id, uint32_t *len)
{
	const struct vq_fmt f = ring_fmt(r);
	const struct split_used *u = r->setup.device;

	if (vq16_load_acquire(f, &u->idx) == r->used)
		return false;
	*id = vq32_get(f, u->ring[r->used % r->size].id);
	*len = vq32_get(f, u->ring[r->used % r->size].len);
	r->used++;
	return true;
}

static bool
ring_used_packed(struct ring *r, uint32_t *id, uint32_t *len)
{
	const struct vq_fmt f = ring_fmt(r);
	const struct packed_desc *d = (const struct packed_desc *)r->setup.desc + r->used;
	uint16_t flags = vq16_load_acquire(f, &d->flags);

	if (!!(flags & PACKED_F_AVAIL) != r->used_wrap || !!(flags & PACKED_F_USED) != r->used_wrap)
		return false;
	*id = vq16_get(f, d->id);
	*len = flags & VRING_DESC_F_WRITE ? vq32_get(f, d->len) : 0;
	r->used += r->ndesc[r->used];
	if (r->used >= r->size) {
		r->used -= r->size;
		r->used_wrap = !r->used_wrap;
	}
	return true;
}

bool
ring_used(struct ring *r, uint32_t *id, uint32_t *len)
{
	return r->layout == VQ_PACKED ? ring_used_packed(r, id, len) : ring_used_split(r, id, len);
}

void
ring_frame(uint8_t *dst, uint32_t len, uint8_t seed)
{
	uint32_t i;

	for (i = 0; i < len; i++)
		dst[i] = (uint8_t)(seed + i * 7 + (i >> 8));
	if (len > 0)
		dst[0] &= 0xfe; /* unicast */
}
