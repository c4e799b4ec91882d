/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copying a frame: from the fragments of a view to the fragments of a buffer.
 * The first 14 bytes always come from the copied Ethernet header, so what was
 * looked up is what is delivered, whatever the sender does meanwhile.
 */
#ifndef PKT_COPY_H
#define PKT_COPY_H

#include <stdint.h>
#include <string.h>

#include <rte_memcpy.h>

#include "pkt/pkt.h"

/** Where in a frame a copy in several pieces has got to. */
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

/** pkt_copy() of a frame in one fragment. */
static __rte_always_inline void
pkt_copy_one(const struct pkt *p, uint8_t *dst)
{
	rte_memcpy(dst, p->data, p->len);
	memcpy(dst, p->eth_bytes, RTE_ETHER_HDR_LEN);
}

/** Copy a whole frame to @p dst, which has room for p->len bytes. */
static inline void
pkt_copy(const struct pkt *p, uint8_t *dst)
{
	struct pkt_cursor c;

	if (likely(p->nsegs == 1)) {
		pkt_copy_one(p, dst);
		return;
	}
	pkt_cursor_init(&c, p);
	pkt_copy_next(&c, dst, p->len);
}

#endif
