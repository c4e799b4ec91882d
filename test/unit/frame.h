/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random TCP and UDP frames as a guest hands them over - checksum left to the
 * device, any options and extensions - and views on them in random fragments.
 * Byte by byte on purpose: what is tested must not check itself.
 */
#ifndef TEST_FRAME_H
#define TEST_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "pkt/pkt.h"

struct frame {
	uint8_t b[PKT_LEN_MAX];
	uint32_t len;
	uint32_t l2, l3, l4; /* header lengths */
	uint32_t next_off;   /* IPv6: where the L4 protocol's number is */
	bool ip6, tcp;
	bool routed;              /* the ends' addresses need not be those of the IP header */
	bool frag_hdr;            /* IPv6: says that it is a fragment, the only one */
	bool hops;                /* IPv4: there is a source route that goes on */
	bool home;                /* the source is not the header's */
	uint32_t prefix;          /* bytes of the destination that are the header's */
	uint8_t src[16], dst[16]; /* of the pseudo header; IPv4: the first four bytes */
	struct pkt_vnet vnet;
};

struct view {
	struct pkt p;
	struct pkt_seg segs[64];
	uint8_t *mem[64];
};

/** 0..n-1; seed with srandom(). */
uint32_t frame_rnd(uint32_t n);

/* big-endian, unaligned */
void frame_put16(uint8_t *b, uint32_t v);
uint32_t frame_get16(const uint8_t *b);
void frame_put32(uint8_t *b, uint32_t v);
uint32_t frame_get32(const uint8_t *b);

/** Ones' complement sum of @p len bytes, folded; and of the pseudo header of a frame at @p b. */
uint32_t frame_sum(const uint8_t *b, uint32_t len, uint32_t sum);
uint32_t frame_pseudo_sum(const struct frame *f, const uint8_t *b, uint32_t l4_len);

/** A frame with @p payload bytes behind its headers; bits that may be anything are random. */
void frame_build(struct frame *f, bool ip6, bool tcp, uint32_t payload);

/**
 * The same with IPv6 routing headers, home addresses and other extensions, or an IPv4 source route.
 */
void frame_build_routed(struct frame *f, bool ip6, bool tcp, uint32_t payload);

/** A view on a copy of @p f in one to five fragments, each exactly as large as its memory. */
void view_make(struct view *v, const struct frame *f);
void view_free(struct view *v);

/** The frame a view stands for, as one segment; returns its length. */
uint32_t view_flatten(const struct pkt *p, uint8_t *b);

#endif
