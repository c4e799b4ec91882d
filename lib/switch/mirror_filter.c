/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: workers. */
#include "switch/mirror_filter.h"

#include <rte_ip.h>

#include "pkt/hdrs.h"
#include "switch/dataplane.h"
#include "switch/vlan.h"

#define TCI_ID_MASK 0x0fff

static uint16_t
vlan_of(const struct dp_port *port, const struct pkt_hdrs *h)
{
	uint16_t id = 0;

	if (h->l2_len >= RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN && h->n > RTE_ETHER_HDR_LEN + 1)
		id = (uint16_t)((h->b[RTE_ETHER_HDR_LEN] << 8 | h->b[RTE_ETHER_HDR_LEN + 1]) &
				TCI_ID_MASK);
	return id == 0 && port->vlan != NULL ? port->vlan->native : id;
}

static bool
has_address(const struct mirror_filter *f, const uint8_t *addr, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (((addr[i] ^ f->ip.addr[i]) & f->mask[i]) != 0)
			return false;
	return true;
}

static bool
ip_fits(const struct mirror_filter *f, struct pkt_hdrs *h)
{
	const uint8_t *ip = pkt_hdrs_l3(h);
	uint32_t left = h->n > h->l2_len ? (uint32_t)h->n - h->l2_len : 0;

	if (!f->ip.ip6)
		return h->ether_type == RTE_ETHER_TYPE_IPV4 &&
		       left >= sizeof(struct rte_ipv4_hdr) &&
		       (has_address(f, ip + 12, 4) || has_address(f, ip + 16, 4));
	return h->ether_type == RTE_ETHER_TYPE_IPV6 && left >= sizeof(struct rte_ipv6_hdr) &&
	       (has_address(f, ip + 8, 16) || has_address(f, ip + 24, 16));
}

bool
mirror_filter_fits(const struct mirror_filter *f, const struct dp_port *port, const struct pkt *p)
{
	struct pkt_hdrs h;

	if (f->has_mac && !rte_is_same_ether_addr(&f->mac, &p->eth.src_addr) &&
	    !rte_is_same_ether_addr(&f->mac, &p->eth.dst_addr))
		return false;
	if (f->vlan == 0 && !f->has_ip)
		return true;
	pkt_hdrs_read(&h, p, PKT_HDRS_L4);
	if (f->vlan != 0 && vlan_of(port, &h) != f->vlan)
		return false;
	return !f->has_ip || ip_fits(f, &h);
}
