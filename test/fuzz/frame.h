/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames for fuzzers of code that looks at them. */
#ifndef FUZZ_FRAME_H
#define FUZZ_FRAME_H

#include <string.h>

#include "fuzz/fuzz.h"
#include "pkt/pkt.h"

/** Its fragments, each in memory of its own, as large as it is. */
struct fuzz_frame {
	uint8_t *mem[2];
};

static inline uint8_t *
fuzz_copy(const uint8_t *data, uint32_t size)
{
	uint8_t *copy = malloc(size);

	CHECK(copy != NULL);
	memcpy(copy, data, size);
	return copy;
}

/**
 * Make @p p the @p len bytes of @p data, an Ethernet header at least. A @p split other than 0 says
 * at which byte a second fragment begins, for which @p seg has room.
 */
static inline struct fuzz_frame
fuzz_frame_new(struct pkt *p, struct pkt_seg *seg, uint8_t split, const uint8_t *data, uint32_t len)
{
	uint32_t first = split == 0 ? len : 1 + split % len;
	struct fuzz_frame f = {{fuzz_copy(data, first), NULL}};

	*p = (struct pkt){.len = len, .data = f.mem[0], .data_len = first, .nsegs = 1, .segs = seg};
	memcpy(p->eth_bytes, data, RTE_ETHER_HDR_LEN);
	if (first < len) {
		f.mem[1] = fuzz_copy(data + first, len - first);
		*seg = (struct pkt_seg){f.mem[1], len - first};
		p->nsegs = 2;
	}
	return f;
}

static inline void
fuzz_frame_free(struct fuzz_frame *f)
{
	free(f->mem[0]);
	free(f->mem[1]);
}

#endif
