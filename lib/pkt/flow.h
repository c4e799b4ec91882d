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

/* The order of the two ends must not matter, or a reply would be another flow. */

/** For lib/pkt: the part of an IPv4 header in the hash. */
static inline uint32_t
pkt_flow_ipv4(const struct rte_ipv4_hdr *ip)
{
	uint64_t lo = RTE_MIN(ip->src_addr, ip->dst_addr), hi = RTE_MAX(ip->src_addr, ip->dst_addr);

	return rte_hash_crc_8byte(lo << 32 | hi, ip->next_proto_id);
}

/** For lib/pkt: the part of the ports, after that of the addresses. */
static inline uint32_t
pkt_flow_ports(const uint16_t port[2], uint32_t hash)
{
	uint32_t lo = RTE_MIN(port[0], port[1]), hi = RTE_MAX(port[0], port[1]);

	return rte_hash_crc_4byte(lo << 16 | hi, hash);
}

/**
 * A copy of the beginning of most frames, behind the Ethernet header: IPv4 without options, then
 * the ports of TCP or UDP.
 */
struct pkt_plain {
	struct rte_ipv4_hdr ip;
	uint16_t port[2];
};

/** Whether a frame begins like that; the same memory, read once, to @p b. */
static inline bool
pkt_plain_read(const struct pkt *p, struct pkt_plain *b)
{
	if (p->eth.ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4) ||
	    p->data_len < RTE_ETHER_HDR_LEN + sizeof(*b))
		return false;
	memcpy(b, p->data + RTE_ETHER_HDR_LEN, sizeof(*b));
	return b->ip.version_ihl == RTE_IPV4_VHL_DEF &&
	       (b->ip.fragment_offset &
		RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) == 0 &&
	       (b->ip.next_proto_id == IPPROTO_TCP || b->ip.next_proto_id == IPPROTO_UDP);
}

/** As pkt_flow_hash() of that frame. */
static inline uint32_t
pkt_plain_hash(const struct pkt_plain *b)
{
	uint32_t v = pkt_flow_ports(b->port, pkt_flow_ipv4(&b->ip));

	return v != 0 ? v : 1;
}

#endif
