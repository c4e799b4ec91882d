/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mode csum: verify the checksums of what comes in, count the bad ones, and
 * send everything on with right ones, addressed as in mode mac. A checksum the
 * sender left to its device stays so; the egress decides who completes it.
 */
#include <netinet/in.h>
#include <stddef.h>

#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "switch/modes.h"

#define SUM_OK 0xffff /* a sum over data and its right checksum */

/* Sums are of words as they are in memory, so a checksum is stored as it is. */
static uint16_t
checksum_for(uint16_t sum, uint16_t old)
{
	uint32_t v = (uint32_t)sum + (uint16_t)~old; /* without what was there */

	v = (v & 0xffff) + (v >> 16);
	return (uint16_t)~v;
}

static void
fix_ip(struct pktq *rxq, struct pkt_hdrs *h)
{
	struct rte_ipv4_hdr *ip = pkt_hdrs_l3(h);
	uint16_t sum;

	if (h->ether_type != RTE_ETHER_TYPE_IPV4)
		return;
	sum = rte_raw_cksum(ip, h->l3_len);
	if (sum == SUM_OK)
		return;
	rxq->stats.bad_ip_csum++;
	ip->hdr_checksum = checksum_for(sum, ip->hdr_checksum);
}

/* TCP or UDP bytes the IP header announces, 0: more than there are or than the header needs. */
static uint32_t
l4_bytes(struct pkt_hdrs *h, const struct pkt *p)
{
	const struct rte_ipv4_hdr *ip = pkt_hdrs_l3(h);
	const struct rte_ipv6_hdr *ip6 = pkt_hdrs_l3(h);
	uint32_t end;

	if (h->ether_type == RTE_ETHER_TYPE_IPV4)
		end = rte_be_to_cpu_16(ip->total_length);
	else
		end = (uint32_t)sizeof(*ip6) + rte_be_to_cpu_16(ip6->payload_len);
	if (end < (uint32_t)h->l3_len + h->l4_len || h->l2_len + end > p->len)
		return 0;
	return end - h->l3_len;
}

static void
fix_l4(struct pktq *rxq, struct pkt_hdrs *h, const struct pkt *p)
{
	bool udp = h->proto == IPPROTO_UDP;
	uint8_t *l4 = pkt_hdrs_l4(h);
	uint16_t *field = (uint16_t *)(l4 + (udp ? offsetof(struct rte_udp_hdr, dgram_cksum)
						 : offsetof(struct rte_tcp_hdr, cksum)));
	uint32_t len, sum;

	if (h->l4_len == 0 || p->need != 0 || (udp && *field == 0))
		return;
	len = l4_bytes(h, p);
	if (len == 0)
		return;
	sum = (uint32_t)pkt_sum(p, h->l2_len + h->l3_len, len) + pkt_hdrs_pseudo_sum(h, len);
	sum = (sum & 0xffff) + (sum >> 16);
	if (sum == SUM_OK)
		return;
	rxq->stats.bad_l4_csum++;
	*field = checksum_for((uint16_t)sum, *field);
	if (*field == 0)
		*field = SUM_OK; /* 0 would say that there is none */
}

void
forward_csum(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
	     struct pktq *rxq, struct pkt_batch *batch)
{
	uint16_t n = 0;

	for (uint16_t i = 0; i < batch->n; i++) {
		struct pkt *p = &batch->pkt[i];
		struct pkt_hdrs *h = &w->hdrs[i];

		if (!in->peer->keep_macs)
			wire_set_macs(&p->eth, in->peer);
		pkt_hdrs_read(h, p, PKT_HDRS_MAX);
		if (h->l3_len != 0) {
			/* first, so that what is summed is what is sent */
			if (!pkt_hdrs_attach(h, p, batch)) {
				pktq_drop(rxq, DROP_RX_NO_MEMORY, 1);
				continue;
			}
			fix_ip(rxq, h);
			fix_l4(rxq, h, p);
		}
		w->list[n++] = p;
	}
	if (n != 0)
		wire_send(w, in->peer, rxq, w->list, n);
}
