/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mode 5tswap: both ends of a frame change places - MAC and IP addresses, TCP
 * and UDP ports. Sums do not change by that, partial ones neither.
 */
#include <string.h>

#include <rte_ip.h>

#include "switch/modes.h"

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

void
forward_5tswap(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
	       struct pktq *rxq, struct pkt_batch *batch)
{
	uint16_t n = 0;

	for (uint16_t i = 0; i < batch->n; i++) {
		struct pkt *p = &batch->pkt[i];
		struct pkt_hdrs *h = &w->hdrs[i];

		wire_swap_macs(&p->eth);
		pkt_hdrs_read(h, p, PKT_HDRS_MAX);
		if (h->l3_len != 0) {
			swap_ip(h);
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
