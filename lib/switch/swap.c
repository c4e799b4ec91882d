/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * Mode 5tswap: both ends of a frame change places - MAC and IP addresses, TCP
 * and UDP ports. Sums do not change by that, partial ones neither, unless the
 * addresses of the pseudo header are not those of the IP header.
 */
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "switch/modes.h"
#include "switch/wire.h"

static void
swap(void *a, void *b, size_t len)
{
	uint8_t tmp[16];

	memcpy(tmp, a, len);
	memcpy(a, b, len);
	memcpy(b, tmp, len);
}

static void
swap_ip(struct pkt_hdrs *h)
{
	struct rte_ipv4_hdr *ip = pkt_hdrs_l3(h);
	struct rte_ipv6_hdr *ip6 = pkt_hdrs_l3(h);
	uint16_t *port = pkt_hdrs_l4(h);

	if (h->ether_type == RTE_ETHER_TYPE_IPV4)
		swap(&ip->src_addr, &ip->dst_addr, sizeof(ip->src_addr));
	else
		swap(&ip6->src_addr, &ip6->dst_addr, sizeof(ip6->src_addr));
	if (h->l4_len != 0)
		swap(&port[0], &port[1], sizeof(*port));
}

/* Offsets in L4 of checksums over a pseudo header. */
static const struct {
	uint8_t proto, field;
} sums[] = {
	{IPPROTO_TCP, offsetof(struct rte_tcp_hdr, cksum)},
	{IPPROTO_UDP, offsetof(struct rte_udp_hdr, dgram_cksum)},
	{IPPROTO_ICMPV6, offsetof(struct rte_icmp_hdr, icmp_cksum)},
};

/* The checksum of a datagram's first part, or NULL. */
static uint16_t *
find_sum(struct pkt_hdrs *h, uint16_t *off)
{
	uint32_t l4 = (uint32_t)h->l2_len + h->l3_len;

	for (uint32_t i = 0; i < RTE_DIM(sums); i++) {
		*off = sums[i].field;
		if (sums[i].proto == h->proto && !h->later && l4 + *off + sizeof(uint16_t) <= h->n)
			return (uint16_t *)(h->b + l4 + *off);
	}
	return NULL;
}

/* The addresses of the pseudo header added up to @p old before. */
static void
fix_sum(struct pkt_hdrs *h, const struct pkt *p, uint16_t old)
{
	uint16_t off, now = pkt_hdrs_ends_sum(h), *field = find_sum(h, &off);
	uint32_t sum, more = (uint32_t)now + (uint16_t)~old;
	bool partial;

	if (now == old || field == NULL)
		return;
	partial = (p->need & PKT_NEED_CSUM) != 0 && p->vnet.csum_start == h->l2_len + h->l3_len &&
		  p->vnet.csum_offset == off;
	if (!partial && h->proto == IPPROTO_UDP && *field == 0)
		return; /* there is none */
	sum = more + (partial ? *field : (uint16_t) ~*field);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*field = (uint16_t)(partial ? sum : ~sum);
	if (!partial && *field == 0)
		*field = UINT16_MAX; /* to UDP, 0 says that there is none */
}

static void
swap_ends(struct pkt_hdrs *h, const struct pkt *p)
{
	uint16_t old;

	if (h->plain) {
		swap_ip(h);
		return;
	}
	old = pkt_hdrs_ends_sum(h);
	swap_ip(h);
	fix_sum(h, p, old);
}

void
forward_5tswap(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
	       struct pktq *rxq, struct pkt_batch *batch)
{
	uint16_t n = 0;

	for (uint16_t i = 0; i < batch->n; i++) {
		struct pkt *p = &batch->pkt[i];
		struct pkt_hdrs *h = &w->hdrs[i];

		wire_swap_macs(&p->eth);
		pkt_hdrs_read(h, p, PKT_HDRS_MOST);
		if (h->l3_len != 0) {
			swap_ends(h, p);
			if (!pkt_hdrs_attach(h, p, batch)) {
				pktq_drop(rxq, DROP_RX_NO_MEMORY, 1);
				continue;
			}
		}
		w->list[n++] = p;
	}
	if (n != 0)
		wire_send(w, in->peer, rxq, w->list, n);
}
