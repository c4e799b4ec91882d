/* SPDX-License-Identifier: BSD-3-Clause */
#include "pkt/flow.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include <rte_hash_crc.h>
#include <rte_ip.h>

#include "pkt/hdrs.h"

/* The order of the two ends must not matter, or a reply would be another flow. */
static uint32_t
hash_pair(uint64_t a, uint64_t b, uint32_t init)
{
	uint32_t h = rte_hash_crc_8byte(RTE_MIN(a, b), init);

	return rte_hash_crc_8byte(RTE_MAX(a, b), h);
}

static uint64_t
fold_ipv6(const void *addr) /* an array in DPDK 22.11, a struct in 24.11 */
{
	unaligned_uint64_t w[2];

	memcpy(w, addr, sizeof(w));
	return (uint64_t)rte_hash_crc_8byte(w[0], 0) << 32 | rte_hash_crc_8byte(w[1], 1);
}

static uint64_t
fold_mac(const struct rte_ether_addr *a)
{
	uint64_t w = 0;

	memcpy(&w, a->addr_bytes, RTE_ETHER_ADDR_LEN);
	return w;
}

/* The same as of a plain frame, which may be in several fragments here. */
static uint32_t
hash_ipv4(struct pkt_hdrs *h, const uint16_t port[2])
{
	const struct rte_ipv4_hdr *ip = pkt_hdrs_l3(h);

	return pkt_flow_ends(ip->src_addr | (uint64_t)port[0] << 32,
			     ip->dst_addr | (uint64_t)port[1] << 32, ip->next_proto_id);
}

static uint32_t
hash_ipv6(struct pkt_hdrs *h, const uint16_t port[2])
{
	const struct rte_ipv6_hdr *ip6 = pkt_hdrs_l3(h);
	uint32_t lo = RTE_MIN(port[0], port[1]), hi = RTE_MAX(port[0], port[1]);

	return rte_hash_crc_4byte(lo << 16 | hi, hash_pair(fold_ipv6(&ip6->src_addr),
							   fold_ipv6(&ip6->dst_addr), h->proto));
}

/* Not "l4_len != 0": the ports count also where the rest of the header does not fit the copy. */
static bool
has_ports(const struct pkt_hdrs *h)
{
	return (h->proto == IPPROTO_TCP || h->proto == IPPROTO_UDP || h->proto == IPPROTO_SCTP) &&
	       !h->fragment && h->l2_len + h->l3_len + 2 * sizeof(uint16_t) <= h->n;
}

static __rte_noinline uint32_t
hash_any(const struct pkt *p)
{
	struct pkt_hdrs h;
	uint16_t port[2] = {0};

	pkt_hdrs_read(&h, p, PKT_HDRS_L4);
	if (h.l3_len == 0)
		return hash_pair(fold_mac(&p->eth.src_addr), fold_mac(&p->eth.dst_addr),
				 h.ether_type);
	if (has_ports(&h))
		memcpy(port, pkt_hdrs_l4(&h), sizeof(port));
	return h.ether_type == RTE_ETHER_TYPE_IPV4 ? hash_ipv4(&h, port) : hash_ipv6(&h, port);
}

uint32_t
pkt_flow_hash(const struct pkt *p)
{
	struct pkt_plain b;
	uint32_t v;

	if (likely(pkt_plain_read(p, &b)))
		return pkt_plain_hash(&b);
	v = hash_any(p);
	return v != 0 ? v : 1;
}
