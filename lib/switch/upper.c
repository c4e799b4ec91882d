/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: workers. */
#include "switch/upper.h"

#include <netinet/in.h>

#include <rte_byteorder.h>
#include <rte_ip.h>

#define TYPE_LEAST 0x600 /* less is a length, LLC follows */
#define LLC_SNAP 0xaaaa03u
#define LLC_SNAP_LEN 8
#define EXT_MIN 8

static uint16_t
get16(const uint8_t *b)
{
	return (uint16_t)(b[0] << 8 | b[1]);
}

void
upper_read(struct pkt_hdrs *h, const struct pkt *p)
{
	pkt_hdrs_read(h, p, PKT_HDRS_L4);
	/* of IPv6 that is more */
	if (h->ether_type == RTE_ETHER_TYPE_IPV6 &&
	    (!h->plain || h->proto == IPPROTO_ICMPV6 || h->l3_len == 0))
		pkt_hdrs_read(h, p, PKT_HDRS_MOST);
}

/* The packet ends at @p end as its header has it. */
static void
set_end(const struct pkt_hdrs *h, struct upper *u, uint32_t end)
{
	u->end = RTE_MIN(end, (uint32_t)h->n);
}

bool
upper_find4(struct pkt_hdrs *h, struct upper *u)
{
	const struct rte_ipv4_hdr *ip = pkt_hdrs_l3(h);
	uint16_t total;

	if (h->l3_len == 0)
		return false;
	total = rte_be_to_cpu_16(ip->total_length);
	set_end(h, u, total != 0 ? (uint32_t)h->l2_len + total : UINT32_MAX);
	u->at = (uint32_t)h->l2_len + h->l3_len;
	u->proto = h->proto;
	u->later = h->later;
	u->frag_hdr = false;
	return u->at <= u->end;
}

/* Find the end of the extension headers, also behind that of a first fragment. */
static bool
skip_extensions(const struct pkt_hdrs *h, struct upper *u)
{
	const uint8_t *ext;
	uint32_t len;
	uint8_t next;

	for (; u->at <= u->end && pkt_ext_read(h->b + u->at, u->proto, &next, &len);) {
		bool is_frag = u->proto == IPPROTO_FRAGMENT;

		ext = h->b + u->at;
		if (u->at + EXT_MIN > u->end)
			return false;
		u->at += len;
		u->proto = next;
		u->frag_hdr |= is_frag;
		if (is_frag && (get16(ext + 2) & RTE_IPV6_EHDR_FO_MASK) != 0) {
			u->later = true;
			return true;
		}
	}
	return u->at <= u->end;
}

bool
upper_find6(struct pkt_hdrs *h, struct upper *u)
{
	const struct rte_ipv6_hdr *ip = pkt_hdrs_l3(h);
	uint32_t payload = (uint32_t)h->l2_len + sizeof(*ip);

	if (payload > h->n || (ip->vtc_flow & RTE_BE32(0xf0000000)) != RTE_BE32(0x60000000))
		return false;
	if (ip->payload_len != 0 || ip->proto != IPPROTO_HOPOPTS)
		set_end(h, u, payload + rte_be_to_cpu_16(ip->payload_len));
	else
		set_end(h, u, UINT32_MAX); /* a jumbogram */
	u->at = payload;
	u->proto = ip->proto;
	u->later = u->frag_hdr = false;
	return skip_extensions(h, u);
}

/* Some stations take IP in LLC and SNAP (RFC 1042) for what it is. */
static bool
is_snap(const struct pkt_hdrs *h)
{
	const uint8_t *b = h->b + h->l2_len;

	return h->l2_len + 3u <= h->n && (uint32_t)(get16(b) << 8 | b[2]) == LLC_SNAP;
}

bool
upper_hides(const struct pkt_hdrs *h, const struct pkt *p)
{
	/* a checksum there could make a tag's type, or LLC and SNAP, what they are not now */
	if (upper_written(p) < h->l2_len + (uint32_t)LLC_SNAP_LEN)
		return true;
	if (h->ether_type < TYPE_LEAST)
		return is_snap(h);
	/* more tags than are looked behind */
	return h->ether_type == RTE_ETHER_TYPE_VLAN || h->ether_type == RTE_ETHER_TYPE_QINQ;
}
