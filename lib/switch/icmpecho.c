/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * Mode icmpecho: answer ARP requests (for any address) and ICMP echo requests out of the port they
 * came in at; consume all other frames.
 */
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include <rte_arp.h>
#include <rte_icmp.h>
#include <rte_ip.h>

#include "switch/modes.h"
#include "switch/wire.h"

static bool
answer_arp(struct pkt_hdrs *h, struct rte_ether_hdr *eth, const struct dp_port *in)
{
	struct rte_arp_hdr *arp = pkt_hdrs_l3(h);
	struct rte_arp_ipv4 *data = &arp->arp_data;
	uint32_t ip;

	if (h->l2_len + sizeof(*arp) > h->n || arp->arp_hardware != RTE_BE16(RTE_ARP_HRD_ETHER) ||
	    arp->arp_protocol != RTE_BE16(RTE_ETHER_TYPE_IPV4) ||
	    arp->arp_hlen != RTE_ETHER_ADDR_LEN || arp->arp_plen != sizeof(uint32_t) ||
	    arp->arp_opcode != RTE_BE16(RTE_ARP_OP_REQUEST))
		return false;
	eth->dst_addr = eth->src_addr;
	eth->src_addr = in->mac;
	arp->arp_opcode = RTE_BE16(RTE_ARP_OP_REPLY);
	data->arp_tha = data->arp_sha;
	data->arp_sha = in->mac;
	ip = data->arp_sip;
	data->arp_sip = data->arp_tip;
	data->arp_tip = ip;
	return true;
}

/* A checksum after a word of what it covers became smaller by @p less (RFC 1624, in host order). */
static uint16_t
csum_after_decrease(uint16_t csum, uint16_t less)
{
	uint32_t v = (uint32_t)rte_be_to_cpu_16(csum) + less;

	v = (v & 0xffff) + (v >> 16);
	return rte_cpu_to_be_16((uint16_t)v);
}

static bool
answer_echo(struct pkt_hdrs *h, struct rte_ether_hdr *eth)
{
	struct rte_ipv4_hdr *ip = pkt_hdrs_l3(h);
	struct rte_icmp_hdr *icmp = pkt_hdrs_l4(h);
	uint32_t addr;

	if (h->ether_type != RTE_ETHER_TYPE_IPV4 || h->l3_len == 0 || h->proto != IPPROTO_ICMP ||
	    h->fragment || (uint32_t)h->l2_len + h->l3_len + sizeof(*icmp) > h->n ||
	    icmp->icmp_type != ICMP_ECHO || icmp->icmp_code != 0)
		return false;
	wire_swap_macs(eth);
	addr = ip->src_addr;
	ip->src_addr = ip->dst_addr;
	ip->dst_addr = addr;
	icmp->icmp_type = ICMP_ECHOREPLY;
	icmp->icmp_cksum = csum_after_decrease(icmp->icmp_cksum, ICMP_ECHO << 8);
	return true;
}

static bool
answer(struct pkt_hdrs *h, struct pkt *p, const struct dp_port *in)
{
	pkt_hdrs_read(h, p, PKT_HDRS_MOST);
	if (h->ether_type == RTE_ETHER_TYPE_ARP)
		return answer_arp(h, &p->eth, in);
	return answer_echo(h, &p->eth);
}

void
forward_icmpecho(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
		 struct pktq *rxq, struct pkt_batch *batch)
{
	uint16_t n = 0;

	for (uint16_t i = 0; i < batch->n; i++) {
		struct pkt *p = &batch->pkt[i];

		if (!answer(&w->hdrs[i], p, in))
			pktq_drop(rxq, DROP_RX_CONSUMED, 1);
		else if (!pkt_hdrs_attach(&w->hdrs[i], p, batch))
			pktq_drop(rxq, DROP_RX_NO_MEMORY, 1);
		else
			w->list[n++] = p;
	}
	if (n != 0)
		wire_send(w, in, rxq, w->list, n);
}
