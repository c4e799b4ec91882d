/* SPDX-License-Identifier: BSD-3-Clause */
#include "vxlan/neigh_msg.h"

#include <string.h>

#include <netinet/icmp6.h>
#include <netinet/in.h>

#include <rte_arp.h>
#include <rte_ip.h>

#define LONGEST PKT_HDRS_MOST /* messages are short; longer frames are none */
#define HOPS 255              /* of neighbour discovery: not from beyond a router */
#define FRAME_MIN 60          /* the shortest on a wire, without its checksum */
#define NEXT_HEADER 6         /* where an IPv6 header has the number of what follows */
#define OPTION_UNIT 8         /* lengths of options are in units of it */
#define VERSION_6 0x60000000u

/** An option with a link-layer address. */
struct option {
	uint8_t type, len;
	struct rte_ether_addr mac;
};

/** The fixed part in front of the options of messages 135 and 136: header, target. */
struct nd_hdr {
	struct icmp6_hdr icmp;
	uint8_t target[16];
};

/** An advertisement made here. */
struct answer {
	struct rte_ipv6_hdr ip;
	struct nd_hdr nd;
	struct option mac;
};
static_assert(sizeof(struct answer) == 72, "without gaps");

bool
neigh_msg_maybe(const struct pkt *p)
{
	uint32_t at = RTE_ETHER_HDR_LEN;
	rte_be16_t type = p->eth.ether_type;

	if (p->len > LONGEST)
		return false;
	if (type == RTE_BE16(RTE_ETHER_TYPE_VLAN) && p->data_len >= at + RTE_VLAN_HLEN) {
		memcpy(&type, p->data + at + sizeof(type), sizeof(type));
		at += RTE_VLAN_HLEN;
	}
	if (type == RTE_BE16(RTE_ETHER_TYPE_ARP))
		return true;
	return type == RTE_BE16(RTE_ETHER_TYPE_IPV6) &&
	       (p->data_len <= at + NEXT_HEADER || p->data[at + NEXT_HEADER] == IPPROTO_ICMPV6);
}

/* --- reading --- */

/* Not that of a host: it says nothing. */
static void
set_ip(struct evpn_ip *ip, const void *addr, size_t len)
{
	if (!evpn_ip_set(ip, addr, len) || !evpn_ip_is_host(ip))
		*ip = (struct evpn_ip){0};
}

static bool
says_anything(const struct neigh_msg *m)
{
	return evpn_ip_is_set(&m->ip) || evpn_ip_is_set(&m->target);
}

static bool
read_arp(struct pkt_hdrs *h, const struct pkt *p, struct neigh_msg *m)
{
	const struct rte_arp_hdr *arp = pkt_hdrs_l3(h);
	const struct rte_arp_ipv4 *d = &arp->arp_data;

	if (h->l2_len + sizeof(*arp) > h->n || arp->arp_hardware != RTE_BE16(RTE_ARP_HRD_ETHER) ||
	    arp->arp_protocol != RTE_BE16(RTE_ETHER_TYPE_IPV4) ||
	    arp->arp_hlen != RTE_ETHER_ADDR_LEN || arp->arp_plen != sizeof(d->arp_sip))
		return false;
	/* what a station says of others is theirs to say */
	if (rte_is_same_ether_addr(&d->arp_sha, &m->mac))
		set_ip(&m->ip, &d->arp_sip, sizeof(d->arp_sip));
	if (arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY))
		return says_anything(m);
	if (arp->arp_opcode != RTE_BE16(RTE_ARP_OP_REQUEST))
		return false;
	/* a probe comes from no address, an announcement asks for its sender's */
	if (evpn_ip_is_set(&m->ip) && d->arp_sip != d->arp_tip &&
	    rte_is_multicast_ether_addr(&p->eth.dst_addr))
		set_ip(&m->target, &d->arp_tip, sizeof(d->arp_tip));
	return says_anything(m);
}

/* The address in the first option of @p type behind @p at; false: there is none. */
static bool
find_option(const struct pkt_hdrs *h, uint32_t at, uint8_t type, struct rte_ether_addr *mac)
{
	struct option o;

	for (; at + sizeof(o) <= h->n; at += (uint32_t)o.len * OPTION_UNIT) {
		memcpy(&o, h->b + at, sizeof(o));
		if (o.len == 0)
			return false;
		if (o.type == type && o.len * OPTION_UNIT == sizeof(o)) {
			*mac = o.mac;
			return true;
		}
	}
	return false;
}

/* The address is the sender's if the option of @p type behind @p at says so, or there is none. */
static void
claim(struct neigh_msg *m, const struct pkt_hdrs *h, uint32_t at, uint8_t type)
{
	const uint8_t *ip = h->b + h->l2_len;
	uint32_t from = type == ND_OPT_TARGET_LINKADDR
				? sizeof(struct rte_ipv6_hdr) + offsetof(struct nd_hdr, target)
				: offsetof(struct rte_ipv6_hdr, src_addr);
	struct rte_ether_addr mac = m->mac;

	(void)find_option(h, at, type, &mac);
	if (rte_is_same_ether_addr(&mac, &m->mac))
		set_ip(&m->ip, ip + from, sizeof(struct in6_addr));
}

static bool
read_nd(struct pkt_hdrs *h, const struct pkt *p, struct neigh_msg *m)
{
	uint32_t at = (uint32_t)h->l2_len + sizeof(struct rte_ipv6_hdr);
	struct nd_hdr nd; /* not aligned in the copy */

	memcpy(&nd, h->b + at, sizeof(nd));
	switch (nd.icmp.icmp6_type) {
	case ND_NEIGHBOR_SOLICIT:
		claim(m, h, at + sizeof(nd), ND_OPT_SOURCE_LINKADDR);
		/* without a source it is a probe */
		if (evpn_ip_is_set(&m->ip) && rte_is_multicast_ether_addr(&p->eth.dst_addr))
			set_ip(&m->target, nd.target, sizeof(nd.target));
		break;
	case ND_NEIGHBOR_ADVERT:
		claim(m, h, at + sizeof(nd), ND_OPT_TARGET_LINKADDR);
		m->router = nd.icmp.icmp6_data32[0] & ND_NA_FLAG_ROUTER ? NEIGH_ROUTER_YES
									: NEIGH_ROUTER_NO;
		break;
	case ND_ROUTER_ADVERT:
		claim(m, h, at + sizeof(struct nd_router_advert), ND_OPT_SOURCE_LINKADDR);
		m->router = NEIGH_ROUTER_YES;
		break;
	default:
		break;
	}
	return says_anything(m);
}

/* Whether it is ICMPv6 that hosts would look at, all of it in the copy. */
static bool
is_nd(struct pkt_hdrs *h, const struct pkt *p)
{
	const struct rte_ipv6_hdr *ip = pkt_hdrs_l3(h);
	uint32_t at = (uint32_t)h->l2_len + sizeof(*ip), len;

	if (h->l3_len != sizeof(*ip) || h->proto != IPPROTO_ICMPV6 || h->fragment ||
	    ip->hop_limits != HOPS)
		return false;
	len = rte_be_to_cpu_16(ip->payload_len);
	if (len < sizeof(struct nd_hdr) || at + len > h->n)
		return false;
	h->n = (uint16_t)(at + len);
	return (p->need & PKT_NEED_CSUM) != 0 ||
	       rte_ipv6_udptcp_cksum_verify(ip, pkt_hdrs_l4(h)) == 0;
}

bool
neigh_msg_read(struct pkt_hdrs *h, const struct pkt *p, struct neigh_msg *m)
{
	*m = (struct neigh_msg){.mac = p->eth.src_addr};
	if (!rte_is_valid_assigned_ether_addr(&m->mac))
		return false;
	pkt_hdrs_read(h, p, PKT_HDRS_MOST);
	if (h->ether_type == RTE_ETHER_TYPE_ARP)
		return read_arp(h, p, m);
	return h->ether_type == RTE_ETHER_TYPE_IPV6 && is_nd(h, p) && read_nd(h, p, m);
}

/* --- answering --- */

static uint32_t
answer_arp(struct pkt_hdrs *h, const struct neigh_msg *m, const struct evpn_neigh *n)
{
	struct rte_arp_hdr *arp = pkt_hdrs_l3(h);
	struct rte_arp_ipv4 *d = &arp->arp_data;

	arp->arp_opcode = RTE_BE16(RTE_ARP_OP_REPLY);
	d->arp_sha = n->mac;
	memcpy(&d->arp_sip, m->target.addr, sizeof(d->arp_sip));
	d->arp_tha = m->mac;
	memcpy(&d->arp_tip, m->ip.addr, sizeof(d->arp_tip));
	return sizeof(*arp);
}

static uint32_t
answer_nd(struct pkt_hdrs *h, const struct neigh_msg *m, const struct evpn_neigh *n)
{
	struct answer a = {
		.ip = {.vtc_flow = RTE_BE32(VERSION_6),
		       .payload_len = RTE_BE16(sizeof(a) - sizeof(a.ip)),
		       .proto = IPPROTO_ICMPV6,
		       .hop_limits = HOPS},
		.nd.icmp.icmp6_type = ND_NEIGHBOR_ADVERT,
		.nd.icmp.icmp6_data32[0] = ND_NA_FLAG_SOLICITED | ND_NA_FLAG_OVERRIDE |
					   (n->router ? ND_NA_FLAG_ROUTER : 0),
		.mac = {ND_OPT_TARGET_LINKADDR, sizeof(a.mac) / OPTION_UNIT, n->mac},
	};

	memcpy(&a.ip.src_addr, m->target.addr, sizeof(a.ip.src_addr));
	memcpy(&a.ip.dst_addr, m->ip.addr, sizeof(a.ip.dst_addr));
	memcpy(a.nd.target, m->target.addr, sizeof(a.nd.target));
	a.nd.icmp.icmp6_cksum = rte_ipv6_udptcp_cksum(&a.ip, &a.nd);
	memcpy(h->b + h->l2_len, &a, sizeof(a));
	return sizeof(a);
}

void
neigh_msg_answer(struct pkt_hdrs *h, const struct neigh_msg *m, const struct evpn_neigh *n,
		 struct pkt *out)
{
	uint32_t len = h->l2_len;

	len += m->target.len == sizeof(uint32_t) ? answer_arp(h, m, n) : answer_nd(h, m, n);
	if (len < FRAME_MIN) {
		memset(h->b + len, 0, FRAME_MIN - len);
		len = FRAME_MIN;
	}
	*out = (struct pkt){.data = h->b, .len = len, .data_len = len, .nsegs = 1};
	memcpy(out->eth_bytes, h->b, RTE_ETHER_HDR_LEN);
	out->eth.dst_addr = m->mac;
	out->eth.src_addr = n->mac;
	memcpy(h->b, out->eth_bytes, RTE_ETHER_HDR_LEN);
}
