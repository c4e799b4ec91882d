/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flow that a frame belongs to. Any thread.
 */
#ifndef PKT_FLOW_H
#define PKT_FLOW_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_hash_crc.h>
#include <rte_ip.h>

#include "pkt/pkt.h"

/**
 * Symmetric flow hash (A->B equals B->A) over IP addresses and ports, MACs for the rest. Never 0.
 */
uint32_t pkt_flow_hash(const struct pkt *p);

/**
 * For lib/pkt: of two ends, an address and a port behind it each. Their order does not matter, or
 * a reply would be another flow.
 */
static inline uint32_t
pkt_flow_ends(uint64_t a, uint64_t b, uint8_t proto)
{
	return rte_hash_crc_8byte(RTE_MAX(a, b), rte_hash_crc_8byte(RTE_MIN(a, b), proto));
}

/**
 * A copy of the beginning of most frames, behind the Ethernet header: IPv4 without options, then
 * the ports of TCP or UDP. In words, as it is taken apart in registers: version to fragment; life,
 * protocol, sum and source; destination and ports.
 */
struct pkt_plain {
	uint64_t word[3];
};

/* Of the first word: version, length of the header, no fragment */
#define PKT_PLAIN_MASK \
	((uint64_t)RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK) << 48 | 0xff)
#define PKT_PLAIN_PORT_MASK (UINT64_C(0xffff) << 32)

static inline uint8_t
pkt_plain_tos(const struct pkt_plain *b)
{
	return (uint8_t)(b->word[0] >> 8);
}

static inline uint8_t
pkt_plain_proto(const struct pkt_plain *b)
{
	return (uint8_t)(b->word[1] >> 8);
}

/** Whether a frame begins like that; the same memory, read once, to @p b. */
static inline bool
pkt_plain_read(const struct pkt *p, struct pkt_plain *b)
{
	if (p->eth.ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4) ||
	    p->data_len < RTE_ETHER_HDR_LEN + sizeof(*b))
		return false;
	for (unsigned int i = 0; i < RTE_DIM(b->word); i++)
		memcpy(&b->word[i], p->data + RTE_ETHER_HDR_LEN + i * sizeof(b->word[i]),
		       sizeof(b->word[i]));
	return (b->word[0] & PKT_PLAIN_MASK) == RTE_IPV4_VHL_DEF &&
	       (pkt_plain_proto(b) == IPPROTO_TCP || pkt_plain_proto(b) == IPPROTO_UDP);
}

/** As pkt_flow_hash() of that frame. */
static inline uint32_t
pkt_plain_hash(const struct pkt_plain *b)
{
	uint64_t src = b->word[1] >> 32 | (b->word[2] & PKT_PLAIN_PORT_MASK);
	uint64_t dst = (uint32_t)b->word[2] | (b->word[2] >> 16 & PKT_PLAIN_PORT_MASK);
	uint32_t v = pkt_flow_ends(src, dst, pkt_plain_proto(b));

	return v != 0 ? v : 1;
}

#endif
