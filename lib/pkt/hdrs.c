/* SPDX-License-Identifier: BSD-3-Clause */
#include "pkt/hdrs.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "pkt/copy.h"

#define VLAN_TAGS_MAX 2
#define EXT_MIN 8          /* bytes of the smallest extension header */
#define FRAG_OFFSET 0xfff8 /* in an IPv6 fragment header's third and fourth byte */
#define FRAG_MORE 0x0001

static uint16_t
get_be16(const uint8_t *b)
{
	return (uint16_t)(b[0] << 8 | b[1]);
}

/* @p off: offset of the Ethernet header, which lies in the copy. */
static void
find_l2(struct pkt_hdrs *h, uint16_t off)
{
	h->l2_len = (uint16_t)(off + RTE_ETHER_HDR_LEN);
	h->ether_type = get_be16(h->b + off + offsetof(struct rte_ether_hdr, ether_type));
	for (int i = 0; i < VLAN_TAGS_MAX; i++) {
		if (h->ether_type != RTE_ETHER_TYPE_VLAN && h->ether_type != RTE_ETHER_TYPE_QINQ)
			return;
		if (h->l2_len + RTE_VLAN_HLEN > h->n)
			return;
		h->ether_type = get_be16(h->b + h->l2_len + 2);
		h->l2_len += RTE_VLAN_HLEN;
	}
}

static void
find_ipv4(struct pkt_hdrs *h)
{
	const struct rte_ipv4_hdr *ip = pkt_hdrs_l3(h);
	uint32_t left = h->n - h->l2_len;

	if (left < sizeof(*ip) || (ip->version_ihl >> 4) != 4 ||
	    rte_ipv4_hdr_len(ip) < sizeof(*ip) || rte_ipv4_hdr_len(ip) > left)
		return;
	h->l3_len = rte_ipv4_hdr_len(ip);
	h->proto = ip->next_proto_id;
	h->fragment = (ip->fragment_offset &
		       RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) != 0;
	h->later = (ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK)) != 0;
	h->plain = h->l3_len == sizeof(*ip) ||
		   pkt_ipv4_source_route((const uint8_t *)ip, h->l3_len) == NULL;
}

bool
pkt_ext_read(const uint8_t *ext, uint8_t proto, uint8_t *next, uint32_t *len)
{
	size_t ext_len = 0;
	int n = rte_ipv6_get_next_ext(ext, proto, &ext_len);

	if (n < 0)
		return false;
	*next = (uint8_t)n;
	*len = (uint32_t)ext_len;
	return true;
}

/* A datagram in one fragment is whole (RFC 6946). */
static void
find_fragment(struct pkt_hdrs *h, const uint8_t *ext)
{
	const struct rte_ipv6_fragment_ext *frag = (const struct rte_ipv6_fragment_ext *)ext;

	h->fragment = (frag->frag_data & RTE_BE16(FRAG_MORE | FRAG_OFFSET)) != 0;
	h->later = (frag->frag_data & RTE_BE16(FRAG_OFFSET)) != 0;
	h->frag_hdr = true;
}

static void
find_ipv6(struct pkt_hdrs *h)
{
	const struct rte_ipv6_hdr *ip = pkt_hdrs_l3(h);
	uint32_t off = h->l2_len + sizeof(*ip), len;
	uint8_t proto = ip->proto, next;

	if (off > h->n || (ip->vtc_flow & RTE_BE32(0xf0000000)) != RTE_BE32(0x60000000))
		return;
	h->next_off = (uint16_t)(h->l2_len + offsetof(struct rte_ipv6_hdr, proto));
	/*
	 * Every extension begins with its successor's number and, except for fragments, a length.
	 * A fragment need not have another header behind its fragment header.
	 */
	while (!h->fragment && off + EXT_MIN <= h->n &&
	       pkt_ext_read(h->b + off, proto, &next, &len)) {
		if (proto == IPPROTO_FRAGMENT)
			find_fragment(h, h->b + off);
		h->next_off = (uint16_t)off;
		off += len;
		proto = next;
		h->plain = false;
	}
	if (off > h->n)
		return;
	h->l3_len = (uint16_t)(off - h->l2_len);
	h->proto = proto;
}

static void
find_l4(struct pkt_hdrs *h)
{
	uint32_t left = (uint32_t)h->n - h->l2_len - h->l3_len;
	const struct rte_tcp_hdr *tcp = pkt_hdrs_l4(h);
	uint32_t len;

	if (h->fragment)
		return;
	if (h->proto == IPPROTO_UDP && left >= sizeof(struct rte_udp_hdr)) {
		h->l4_len = sizeof(struct rte_udp_hdr);
	} else if (h->proto == IPPROTO_TCP && left >= sizeof(*tcp)) {
		len = (tcp->data_off >> 4) * 4u;
		if (len >= sizeof(*tcp) && len <= left)
			h->l4_len = (uint16_t)len;
	}
}

/* Find the headers behind l2_len. */
static void
find_ip(struct pkt_hdrs *h)
{
	h->l3_len = 0;
	h->l4_len = 0;
	h->next_off = 0;
	h->proto = 0;
	h->fragment = false;
	h->later = false;
	h->frag_hdr = false;
	h->plain = true;
	if (h->ether_type == RTE_ETHER_TYPE_IPV4)
		find_ipv4(h);
	else if (h->ether_type == RTE_ETHER_TYPE_IPV6)
		find_ipv6(h);
	if (h->l3_len != 0)
		find_l4(h);
}

static void
copy_and_find(struct pkt_hdrs *h, const struct pkt *p, uint32_t max)
{
	struct pkt_cursor c;

	h->n = (uint16_t)RTE_MIN(p->len, max);
	pkt_cursor_init(&c, p);
	pkt_copy_next(&c, h->b, h->n);
	find_l2(h, 0);
	find_ip(h);
}

/* Whether there may be a TCP or UDP header behind the end of the copy. */
static bool
goes_on(const struct pkt_hdrs *h)
{
	return h->ether_type == RTE_ETHER_TYPE_IPV6 && !h->plain && !h->fragment && h->l4_len == 0;
}

void
pkt_hdrs_read(struct pkt_hdrs *h, const struct pkt *p, uint32_t max)
{
	copy_and_find(h, p, max);
	if (unlikely(goes_on(h)) && max == PKT_HDRS_MOST && p->len > max)
		copy_and_find(h, p, PKT_HDRS_MAX);
}

/* --- tunnels --- */

#define VXLAN_PORT 4789
#define GENEVE_PORT 6081
#define UDP_TUNNEL_HDRS 16 /* UDP, and VXLAN or Geneve without options: 8 bytes each */

/*
 * Read a tunnel's header at @p b, which has @p left bytes: its length, up to the inner frame, and
 * the inner frame's type. False: not a tunnel.
 */
typedef bool (*tunnel_fn)(const uint8_t *b, uint32_t left, uint32_t *len, uint16_t *type);

static bool
udp_tunnel(const uint8_t *b, uint32_t left, uint32_t *len, uint16_t *type)
{
	uint16_t port;

	if (left < UDP_TUNNEL_HDRS)
		return false;
	port = get_be16(b + offsetof(struct rte_udp_hdr, dst_port));
	*len = UDP_TUNNEL_HDRS;
	*type = RTE_ETHER_TYPE_TEB;
	if (port == GENEVE_PORT) {
		*len += (b[sizeof(struct rte_udp_hdr)] & 0x3f) * 4u;
		*type = get_be16(b + sizeof(struct rte_udp_hdr) + 2);
	}
	return port == VXLAN_PORT || port == GENEVE_PORT;
}

/* Checksum, key and sequence number: four bytes each, if there. */
static bool
gre_tunnel(const uint8_t *b, uint32_t left, uint32_t *len, uint16_t *type)
{
	uint16_t flags;

	if (left < 4)
		return false;
	flags = get_be16(b);
	*len = 4u + 4u * ((flags >> 15) + (flags >> 13 & 1u) + (flags >> 12 & 1u));
	*type = get_be16(b + 2);
	return (flags & 0x4007) == 0; /* no routing, version 0 */
}

static bool
ip4_tunnel(const uint8_t *b, uint32_t left, uint32_t *len, uint16_t *type)
{
	*len = 0;
	*type = RTE_ETHER_TYPE_IPV4;
	return true;
}

static bool
ip6_tunnel(const uint8_t *b, uint32_t left, uint32_t *len, uint16_t *type)
{
	*len = 0;
	*type = RTE_ETHER_TYPE_IPV6;
	return true;
}

static const struct {
	uint8_t proto;
	tunnel_fn parse;
} tunnels[] = {
	{IPPROTO_UDP, udp_tunnel},
	{IPPROTO_GRE, gre_tunnel},
	{IPPROTO_IPIP, ip4_tunnel},
	{IPPROTO_IPV6, ip6_tunnel},
};

static bool
find_tunnel(const struct pkt_hdrs *h, uint32_t *len, uint16_t *type)
{
	uint32_t off = (uint32_t)h->l2_len + h->l3_len;

	if (h->l3_len == 0 || h->fragment)
		return false;
	for (uint32_t i = 0; i < RTE_DIM(tunnels); i++)
		if (tunnels[i].proto == h->proto)
			return tunnels[i].parse(h->b + off, h->n - off, len, type);
	return false;
}

bool
pkt_hdrs_enter(struct pkt_hdrs *h)
{
	uint8_t outer[offsetof(struct pkt_hdrs, b)];
	uint32_t off, len;
	uint16_t type;

	if (!find_tunnel(h, &len, &type))
		return false;
	off = (uint32_t)h->l2_len + h->l3_len + len;
	memcpy(outer, h, sizeof(outer));
	h->ether_type = type;
	h->l2_len = (uint16_t)off;
	if (type == RTE_ETHER_TYPE_TEB && off + RTE_ETHER_HDR_LEN <= h->n)
		find_l2(h, (uint16_t)off);
	if (h->l2_len < h->n)
		find_ip(h);
	else
		h->l3_len = 0;
	if (h->l3_len != 0)
		return true;
	memcpy(h, outer, sizeof(outer));
	return false;
}

/* Fragment @p i of a frame. */
static struct pkt_seg
fragment(const struct pkt *p, uint32_t i)
{
	return i == 0 ? (struct pkt_seg){p->data, p->data_len} : p->segs[i - 1];
}

/* How many fragments the copy covers, and *@p skip bytes of the next one. */
static uint32_t
covered(const struct pkt_hdrs *h, const struct pkt *p, uint32_t *skip)
{
	uint32_t first = 0;

	for (*skip = h->n; first < p->nsegs && fragment(p, first).len <= *skip; first++)
		*skip -= fragment(p, first).len;
	return first;
}

/* @p n places for fragments, to *@p segs. False: there is no room for so many. */
static bool
take_segs(struct pkt_batch *batch, uint32_t n, struct pkt_seg **segs)
{
	if (batch->nsegs + n > PKT_SEGS_MAX)
		return false;
	*segs = &batch->segs[batch->nsegs];
	batch->nsegs = (uint16_t)(batch->nsegs + n);
	return true;
}

/* @p segs: for fragments from number @p first on; p->segs, too: they stay or move forwards. */
static void
attach(struct pkt_hdrs *h, struct pkt *p, struct pkt_seg *segs, uint32_t first, uint32_t skip)
{
	uint32_t rest = p->nsegs - first;

	for (uint32_t i = 0; i < rest; i++) {
		struct pkt_seg s = fragment(p, first + i);

		segs[i] = (struct pkt_seg){s.data + skip, s.len - skip};
		skip = 0;
	}
	p->segs = segs;
	p->data = h->b;
	p->data_len = h->n;
	p->nsegs = (uint16_t)(rest + 1);
}

bool
pkt_hdrs_attach(struct pkt_hdrs *h, struct pkt *p, struct pkt_batch *batch)
{
	uint32_t skip, first = covered(h, p, &skip);
	struct pkt_seg *segs = p->segs;

	if (first == 0 && !take_segs(batch, p->nsegs, &segs))
		return false;
	attach(h, p, segs, first, skip);
	return true;
}

bool
pkt_hdrs_view(struct pkt_hdrs *h, const struct pkt *p, struct pkt *view, struct pkt_batch *batch)
{
	uint32_t skip, first = covered(h, p, &skip);
	struct pkt_seg *segs;

	if (!take_segs(batch, p->nsegs - first, &segs))
		return false;
	*view = *p;
	attach(h, view, segs, first, skip);
	return true;
}

uint16_t
pkt_sum(const struct pkt *p, uint32_t off, uint32_t len)
{
	uint32_t sum = 0, done = 0;

	for (uint32_t i = 0; i < p->nsegs && len > 0; i++) {
		struct pkt_seg s = fragment(p, i);
		uint32_t n;
		uint16_t part;

		if (off >= s.len) {
			off -= s.len;
			continue;
		}
		n = RTE_MIN(s.len - off, len);
		part = rte_raw_cksum(s.data + off, n);
		/* behind an odd number of bytes, high and low byte are swapped */
		sum += (done & 1) != 0 ? rte_bswap16(part) : part;
		done += n;
		len -= n;
		off = 0;
	}
	return __rte_raw_cksum_reduce(sum);
}
