/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copying a frame: from the fragments of a view to the fragments of a buffer.
 * The first 14 bytes always come from the copied Ethernet header, so the addresses of the lookup
 * are those that are delivered, also when the sender writes to its buffer meanwhile.
 */
#ifndef PKT_COPY_H
#define PKT_COPY_H

#include <stdint.h>
#include <string.h>

#include <rte_memcpy.h>

#include "pkt/pkt.h"

/** Position in a frame that is copied in several parts. */
struct pkt_cursor {
	const struct pkt *p;
	uint32_t done;    /* bytes of the frame copied */
	uint32_t seg;     /* fragment the next byte is in, 0: p->data */
	uint32_t seg_off; /* offset of the next byte in that fragment */
};

static inline void
pkt_cursor_init(struct pkt_cursor *c, const struct pkt *p)
{
	*c = (struct pkt_cursor){.p = p};
}

/** Copy the next @p len bytes of the frame to @p dst; the caller keeps done + len <= p->len. */
void pkt_copy_next(struct pkt_cursor *c, uint8_t *dst, uint32_t len);

/** Advance by @p len bytes without copying; the same condition holds. */
void pkt_cursor_skip(struct pkt_cursor *c, uint32_t len);

/* Bytes of a block, which the compiler keeps in one vector register or in several. */
#define PKT_BLOCK 64
typedef uint8_t pkt_block __attribute__((vector_size(PKT_BLOCK), aligned(1), may_alias));

#define PKT_HALF 32
typedef uint8_t pkt_half __attribute__((vector_size(PKT_HALF), aligned(1), may_alias));

/** Copy @p n <= PKT_BLOCK bytes, the rest of a small frame: in two halves that may overlap. */
static __rte_always_inline void
pkt_copy_few(uint8_t *dst, const uint8_t *src, uint32_t n)
{
	pkt_half first, last;

	if (unlikely(n < PKT_HALF)) {
		rte_memcpy(dst, src, n);
		return;
	}
	first = *(const pkt_half *)src;
	last = *(const pkt_half *)(src + n - PKT_HALF);
	*(pkt_half *)dst = first;
	*(pkt_half *)(dst + n - PKT_HALF) = last;
}

/**
 * Copy @p n bytes in blocks, all but the first and the last to aligned addresses: headers before
 * them leave frames aligned to 4 bytes at best.
 */
static __rte_always_inline void
pkt_copy_bytes(uint8_t *dst, const uint8_t *src, uint32_t n)
{
	uint32_t i, last = n - PKT_BLOCK;

	if (n <= PKT_BLOCK) {
		pkt_copy_few(dst, src, n);
		return;
	}
	*(pkt_block *)dst = *(const pkt_block *)src;
	for (i = PKT_BLOCK - (uintptr_t)dst % PKT_BLOCK; i < last; i += PKT_BLOCK)
		*(pkt_block *)(dst + i) = *(const pkt_block *)(src + i);
	*(pkt_block *)(dst + last) = *(const pkt_block *)(src + last);
}

/** pkt_copy() of a frame in one fragment. */
static __rte_always_inline void
pkt_copy_one(const struct pkt *p, uint8_t *dst)
{
	memcpy(dst, p->eth_bytes, RTE_ETHER_HDR_LEN);
	pkt_copy_bytes(dst + RTE_ETHER_HDR_LEN, p->data + RTE_ETHER_HDR_LEN,
		       p->len - RTE_ETHER_HDR_LEN);
}

/** pkt_copy() of a frame in several fragments. */
void pkt_copy_parts(const struct pkt *p, uint8_t *dst);

/**
 * Copy a whole frame to @p dst, which has room for p->len bytes. Inlined, as most frames have one
 * fragment and a call costs as much as a tenth of their copy.
 */
static __rte_always_inline void
pkt_copy(const struct pkt *p, uint8_t *dst)
{
	if (likely(p->nsegs == 1))
		pkt_copy_one(p, dst);
	else
		pkt_copy_parts(p, dst);
}

/** Let the view begin @p n bytes later; the frame is longer. The caller adapts p->len. */
static inline void
pkt_advance(struct pkt *p, uint32_t n)
{
	while (n >= p->data_len && p->nsegs > 1) {
		n -= p->data_len;
		p->data = p->segs->data;
		p->data_len = p->segs->len;
		p->segs++;
		p->nsegs--;
	}
	p->data += n;
	p->data_len -= n;
}

#endif
