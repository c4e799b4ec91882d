/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * Which packet a frame is to those who receive it: for decisions about what gets through. Internal
 * to lib/switch.
 *
 * IP has a length of its own: what is behind it in the frame is nothing. A payload that cannot be
 * seen, because it is cut off or behind more tags, options or extension headers than are looked at,
 * could be anything: the caller drops such frames, as RFC 7113 has it for router advertisements.
 *
 * Finishing a partial checksum writes to the frame, at a place its sender chose. If that is among
 * the bytes that were looked at, the frame that arrives is not the one that was.
 */
#ifndef SWITCH_UPPER_H
#define SWITCH_UPPER_H

#include <stdbool.h>
#include <stdint.h>

#include "pkt/hdrs.h"

/** The payload of an IP packet. */
struct upper {
	uint32_t end;  /* of the IP packet, or of the copy if that ends before it */
	uint32_t at;   /* where it begins, <= end */
	uint8_t proto; /* of a later IPv6 fragment the number its fragment header has */
	bool later;    /* what is there is the middle of it */
	bool frag_hdr; /* IPv6: there is a fragment header */
};

/** Copy as much of a frame as it takes to see all headers. Worker. */
void upper_read(struct pkt_hdrs *h, const struct pkt *p);

/**
 * Find the payload of the IPv4 or IPv6 packet that upper_read() has found. False: the header is
 * malformed, or the payload is not in the copy or not in the packet. Worker.
 */
bool upper_find4(struct pkt_hdrs *h, struct upper *u);
bool upper_find6(struct pkt_hdrs *h, struct upper *u);

/** Whether a frame that is of neither type may be IP to some receivers. Worker. */
bool upper_hides(const struct pkt_hdrs *h, const struct pkt *p);

/** The offset in a frame that its checksum is written to; UINT32_MAX: nothing is. */
static inline uint32_t
upper_written(const struct pkt *p)
{
	if ((p->need & PKT_NEED_CSUM) == 0)
		return UINT32_MAX;
	return (uint32_t)p->vnet.csum_start + p->vnet.csum_offset;
}

#endif
