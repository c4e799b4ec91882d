/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * A frame is checked up to its end as its receiver sees it: IP has a length of its own, and what is
 * behind it in the frame is nothing. Headers that cannot be seen because they are cut off, in a
 * later fragment, or behind more tags or options than are looked at, could be anything: such frames
 * are dropped, as RFC 7113 has it for router advertisements.
 */
#include "switch/guard_worker.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include <rte_arp.h>
#include <rte_byteorder.h>
#include <rte_ip.h>

#include "switch/limit.h"

#define PASS DROP_NUM /* no reason */

#define TYPE_LEAST 0x600 /* less is a length, LLC follows */
#define LLC_SNAP 0xaaaa03u

#define DHCP4_SERVER 67
#define DHCP4_CLIENT 68
#define DHCP6_CLIENT 546
#define DHCP6_SERVER 547

#define ICMP4_REDIRECT 5
#define ICMP4_ROUTER 9

/* ICMPv6 types: RFC 4861, 2710, 3810 */
#define MLD_REPORT 131
#define MLD_DONE 132
#define ND_RS 133
#define ND_RA 134
#define ND_NS 135
#define ND_NA 136
#define ND_REDIRECT 137
#define MLD2_REPORT 143

#define ND_RS_LEN 8
#define ND_NS_LEN 24 /* of solicitations and advertisements, with a target */
#define ND_TARGET 8
#define OPT_SOURCE 1
#define OPT_TARGET 2
#define EXT_MIN 8

/** A frame that is looked at. */
struct look {
	const struct guard *g;
	struct pkt_hdrs *h;
	const struct rte_ether_addr *src;
	uint64_t mac; /* the same as a word */
	uint32_t end; /* of the IP packet, or of the copy if that ends before it */
	/* behind the IP headers, unless it is a later fragment */
	uint8_t proto;
	uint32_t l4;   /* where it begins */
	bool frag_hdr; /* IPv6: there is a fragment header */
};

static uint16_t
get16(const uint8_t *b)
{
	return (uint16_t)(b[0] << 8 | b[1]);
}

/* --- addresses --- */

static bool
matches(const struct guard *g, uint16_t from, uint16_t to, const uint64_t addr[2], uint64_t mac)
{
	for (uint16_t i = from; i < to; i++) {
		const struct guard_match *m = &g->m[i];

		if ((((addr[0] ^ m->addr[0]) & m->mask[0]) |
		     ((addr[1] ^ m->addr[1]) & m->mask[1])) == 0 &&
		    (m->mac == 0 || m->mac == mac))
			return true;
	}
	return false;
}

/* A prefix may have addresses in it that are no host's. */
static bool
is_own4(const struct look *l, const void *addr)
{
	uint64_t a[2] = {0};

	memcpy(a, addr, sizeof(uint32_t));
	return a[0] != 0 && (*(const uint8_t *)addr & 0xe0) != 0xe0 &&
	       matches(l->g, 0, l->g->n4, a, l->mac);
}

/* Whether a station with the frame's MAC address may be there. */
static bool
is_station(const struct look *l)
{
	for (uint16_t i = 0; !l->g->any_mac && i < l->g->n; i++)
		if (l->g->m[i].mac == l->mac)
			return true;
	return l->g->any_mac;
}

/* The link-local address that is made of the MAC address (RFC 4291 appendix A). */
static bool
is_link_local(const struct look *l, const uint8_t *addr)
{
	const uint8_t *m = l->src->addr_bytes;
	const uint8_t own[16] = {0xfe,     0x80, 0,    0,    0,    0,    0,    0,
				 m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]};

	return memcmp(addr, own, sizeof(own)) == 0 && is_station(l);
}

static bool
is_unspecified(const uint8_t *addr)
{
	static const uint8_t none[16];

	return memcmp(addr, none, sizeof(none)) == 0;
}

static bool
is_own6(const struct look *l, const uint8_t *addr)
{
	uint64_t a[2];

	memcpy(a, addr, sizeof(a));
	return addr[0] != 0xff && !is_unspecified(addr) &&
	       (matches(l->g, l->g->n4, l->g->n, a, l->mac) || is_link_local(l, addr));
}

/* --- ARP and RARP --- */

static bool
arp_is_own(const struct look *l, const struct rte_arp_hdr *arp)
{
	const struct rte_arp_ipv4 *a = &arp->arp_data;

	if (arp->arp_hardware != RTE_BE16(RTE_ARP_HRD_ETHER) ||
	    arp->arp_protocol != RTE_BE16(RTE_ETHER_TYPE_IPV4) ||
	    arp->arp_hlen != RTE_ETHER_ADDR_LEN || arp->arp_plen != sizeof(a->arp_sip) ||
	    !rte_is_same_ether_addr(&a->arp_sha, l->src))
		return false;
	if (a->arp_sip != 0)
		return is_own4(l, &a->arp_sip);
	/* a probe (RFC 5227) makes another that probes for the same give it up */
	if (arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST))
		return is_own4(l, &a->arp_tip);
	/* the announcement of a guest that has moved */
	return arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REVREQUEST) && is_station(l);
}

static enum drop_reason
check_arp(struct look *l)
{
	struct rte_arp_hdr arp;

	if ((l->g->checks & GUARD_ADDRESSES) == 0)
		return PASS;
	if (l->h->l2_len + sizeof(arp) > l->h->n)
		return DROP_RX_GUARD_HIDDEN;
	memcpy(&arp, l->h->b + l->h->l2_len, sizeof(arp));
	return arp_is_own(l, &arp) ? PASS : DROP_RX_GUARD;
}

/* --- behind IP --- */

static enum drop_reason
check_udp(const struct look *l, uint16_t client, uint16_t server)
{
	const uint8_t *udp = l->h->b + l->l4;

	if ((l->g->checks & GUARD_DHCP) == 0)
		return PASS;
	if (l->l4 + 2 * sizeof(uint16_t) > l->end)
		return DROP_RX_GUARD_HIDDEN;
	/* clients take replies from any port */
	return get16(udp) == server || get16(udp + 2) == client ? DROP_RX_GUARD_DHCP : PASS;
}

/* From an address that is not known yet. */
static bool
is_dhcp_request(const struct look *l)
{
	const uint8_t *udp = l->h->b + l->l4;

	return l->proto == IPPROTO_UDP && l->l4 + 2 * sizeof(uint16_t) <= l->end &&
	       get16(udp) == DHCP4_CLIENT && get16(udp + 2) == DHCP4_SERVER && is_station(l);
}

static enum drop_reason
check_icmp4(const struct look *l)
{
	uint8_t type;

	if ((l->g->checks & GUARD_RA) == 0)
		return PASS;
	if (l->l4 >= l->end)
		return DROP_RX_GUARD_HIDDEN;
	type = l->h->b[l->l4];
	return type == ICMP4_REDIRECT || type == ICMP4_ROUTER ? DROP_RX_GUARD_RA : PASS;
}

/* Options from @p off on: link-layer addresses of kind @p kind are the frame's source. */
static enum drop_reason
check_options(const struct look *l, uint32_t off, uint8_t kind)
{
	const uint8_t *opt;
	uint32_t len;

	for (; off < l->end; off += len) {
		opt = l->h->b + off;
		if (off + EXT_MIN > l->end)
			return DROP_RX_GUARD_HIDDEN;
		len = opt[1] * 8u;
		if (len == 0)
			return DROP_RX_GUARD_HIDDEN;
		if (opt[0] == kind && memcmp(opt + 2, l->src, sizeof(*l->src)) != 0)
			return DROP_RX_GUARD;
	}
	return off == l->end ? PASS : DROP_RX_GUARD_HIDDEN;
}

/* The length of a message before its options, 0: it is none that speaks for a station. */
static uint32_t
nd_len(uint8_t type)
{
	if (type == ND_RS)
		return ND_RS_LEN;
	return type == ND_NS || type == ND_NA ? ND_NS_LEN : 0;
}

static enum drop_reason
check_nd(const struct look *l, uint8_t type, const uint8_t *from)
{
	const uint8_t *target = l->h->b + l->l4 + ND_TARGET;
	uint32_t options = l->l4 + nd_len(type);

	/* receivers ignore them in fragments (RFC 6980), as far as they know that */
	if (options > l->end || l->frag_hdr)
		return DROP_RX_GUARD_HIDDEN;
	if (type == ND_NA && !is_own6(l, target))
		return DROP_RX_GUARD;
	if (type == ND_NS && is_unspecified(from)) /* duplicate address detection */
		return is_own6(l, target) && options == l->end ? PASS : DROP_RX_GUARD;
	return check_options(l, options, type == ND_NA ? OPT_TARGET : OPT_SOURCE);
}

static enum drop_reason
check_icmp6(const struct look *l, const uint8_t *from)
{
	uint8_t type;

	if (l->l4 >= l->end)
		return DROP_RX_GUARD_HIDDEN;
	type = l->h->b[l->l4];
	if ((type == ND_RA || type == ND_REDIRECT) && (l->g->checks & GUARD_RA) != 0)
		return DROP_RX_GUARD_RA;
	if ((l->g->checks & GUARD_ADDRESSES) != 0 && nd_len(type) != 0)
		return check_nd(l, type, from);
	return PASS;
}

/* --- IP --- */

/* The packet ends at @p end as its header has it. */
static void
set_end(struct look *l, uint32_t end)
{
	l->end = RTE_MIN(end, (uint32_t)l->h->n);
}

static enum drop_reason
check_ipv4(struct look *l)
{
	const struct rte_ipv4_hdr *ip = pkt_hdrs_l3(l->h);
	uint16_t total;

	if (l->h->l3_len == 0)
		return DROP_RX_GUARD_HIDDEN;
	total = rte_be_to_cpu_16(ip->total_length);
	set_end(l, total != 0 ? (uint32_t)l->h->l2_len + total : UINT32_MAX);
	l->l4 = (uint32_t)l->h->l2_len + l->h->l3_len;
	l->proto = l->h->later ? IPPROTO_NONE : l->h->proto;
	if (l->l4 > l->end)
		return DROP_RX_GUARD_HIDDEN;
	if ((l->g->checks & GUARD_ADDRESSES) != 0 && !is_own4(l, &ip->src_addr) &&
	    (ip->src_addr != 0 || ip->dst_addr != RTE_BE32(UINT32_MAX) || !is_dhcp_request(l)))
		return DROP_RX_GUARD;
	if (l->proto == IPPROTO_UDP)
		return check_udp(l, DHCP4_CLIENT, DHCP4_SERVER);
	return l->proto == IPPROTO_ICMP ? check_icmp4(l) : PASS;
}

/*
 * Find what is behind the extension headers, also behind that of a first fragment. False: it is not
 * in the copy, or not in the packet.
 */
static bool
find_upper(struct look *l, uint8_t proto)
{
	const uint8_t *ext;
	uint32_t len;
	uint8_t next;

	for (; l->l4 <= l->end && pkt_ext_read(l->h->b + l->l4, proto, &next, &len); proto = next) {
		ext = l->h->b + l->l4;
		if (l->l4 + EXT_MIN > l->end)
			return false;
		l->l4 += len;
		if (proto != IPPROTO_FRAGMENT)
			continue;
		l->frag_hdr = true;
		if ((get16(ext + 2) & RTE_IPV6_EHDR_FO_MASK) != 0) {
			l->proto = IPPROTO_NONE;
			return true;
		}
	}
	l->proto = proto;
	return l->l4 <= l->end;
}

/* A message of a station that has no address yet. */
static bool
is_from_nowhere(const struct look *l)
{
	uint8_t type;

	if (l->proto != IPPROTO_ICMPV6 || l->l4 >= l->end || !is_station(l))
		return false;
	type = l->h->b[l->l4];
	return type == ND_NS || type == ND_RS || type == MLD_REPORT || type == MLD_DONE ||
	       type == MLD2_REPORT;
}

static enum drop_reason
check_ipv6(struct look *l)
{
	const struct rte_ipv6_hdr *ip = pkt_hdrs_l3(l->h);
	uint32_t payload = (uint32_t)l->h->l2_len + sizeof(*ip);
	const uint8_t *from = (const uint8_t *)&ip->src_addr;

	if (payload > l->h->n || (ip->vtc_flow & RTE_BE32(0xf0000000)) != RTE_BE32(0x60000000))
		return DROP_RX_GUARD_HIDDEN;
	if (ip->payload_len != 0 || ip->proto != IPPROTO_HOPOPTS)
		set_end(l, payload + rte_be_to_cpu_16(ip->payload_len));
	else
		set_end(l, UINT32_MAX); /* a jumbogram */
	l->l4 = payload;
	if (!find_upper(l, ip->proto))
		return DROP_RX_GUARD_HIDDEN;
	if ((l->g->checks & GUARD_ADDRESSES) != 0 && !is_own6(l, from) &&
	    !(is_unspecified(from) && is_from_nowhere(l)))
		return DROP_RX_GUARD;
	if (l->proto == IPPROTO_UDP)
		return check_udp(l, DHCP6_CLIENT, DHCP6_SERVER);
	return l->proto == IPPROTO_ICMPV6 ? check_icmp6(l, from) : PASS;
}

/* --- frames --- */

/* Some stations take IP in LLC and SNAP (RFC 1042) for what it is. */
static enum drop_reason
check_llc(struct look *l)
{
	const uint8_t *b = l->h->b + l->h->l2_len;

	if (l->h->l2_len + 3u > l->h->n)
		return PASS;
	return (uint32_t)(get16(b) << 8 | b[2]) == LLC_SNAP ? DROP_RX_GUARD_HIDDEN : PASS;
}

static enum drop_reason
check_tag(struct look *l)
{
	return DROP_RX_GUARD_HIDDEN; /* more of them than are looked behind */
}

static const struct {
	uint16_t type;
	enum drop_reason (*check)(struct look *l);
} types[] = {
	{RTE_ETHER_TYPE_IPV4, check_ipv4}, {RTE_ETHER_TYPE_IPV6, check_ipv6},
	{RTE_ETHER_TYPE_ARP, check_arp},   {RTE_ETHER_TYPE_RARP, check_arp},
	{RTE_ETHER_TYPE_VLAN, check_tag},  {RTE_ETHER_TYPE_QINQ, check_tag},
};

/* Copy as much of the frame as it takes to see all headers: of IPv6 that is more. */
static void
read_headers(struct pkt_hdrs *h, const struct pkt *p)
{
	pkt_hdrs_read(h, p, PKT_HDRS_L4);
	if (h->ether_type == RTE_ETHER_TYPE_IPV6 &&
	    (!h->plain || h->proto == IPPROTO_ICMPV6 || h->l3_len == 0))
		pkt_hdrs_read(h, p, PKT_HDRS_MOST);
}

static enum drop_reason
check_frame(const struct guard *g, struct pkt_hdrs *h, const struct pkt *p)
{
	struct look l = {.g = g, .h = h, .src = &p->eth.src_addr};

	read_headers(h, p);
	l.mac = limiter_mac_word(l.src);
	for (size_t i = 0; i < RTE_DIM(types); i++)
		if (types[i].type == h->ether_type)
			return types[i].check(&l);
	return h->ether_type < TYPE_LEAST ? check_llc(&l) : PASS;
}

void
guard_apply(struct worker *w, const struct guard *g, struct pktq *rxq, struct pkt_batch *batch)
{
	uint16_t n = 0;

	for (uint16_t i = 0; i < batch->n; i++) {
		struct pkt *p = &batch->pkt[i];
		struct pkt_hdrs *h = &w->guarded[i];
		enum drop_reason why = check_frame(g, h, p);

		/* an mbuf is ours, a guest's memory is not */
		if (why == PASS && p->mbuf == NULL && !pkt_hdrs_attach(h, p, batch))
			why = DROP_RX_NO_MEMORY;
		if (unlikely(why != PASS)) {
			pktq_drop(rxq, why, 1);
			continue;
		}
		if (n != i)
			batch->pkt[n] = *p;
		n++;
	}
	batch->n = n;
}
