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
#include "switch/upper.h"

#define PASS DROP_NUM /* no reason */

#define DHCP4_SERVER 67
#define DHCP4_CLIENT 68
#define DHCP6_CLIENT 546
#define DHCP6_SERVER 547

#define ICMP4_REDIRECT 5
#define ICMP4_ROUTER 9
#define ICMP_SUM 2 /* where both families have their checksum */

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
	const struct pkt *p;
	struct pkt_hdrs *h;
	const struct rte_ether_addr *src;
	uint64_t mac; /* the same as a word */
	struct upper u;
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
	if (l->h->l2_len + sizeof(arp) > l->h->n || upper_written(l->p) != UINT32_MAX)
		return DROP_RX_GUARD_HIDDEN;
	memcpy(&arp, l->h->b + l->h->l2_len, sizeof(arp));
	return arp_is_own(l, &arp) ? PASS : DROP_RX_GUARD;
}

/* --- behind IP --- */

static enum drop_reason
check_udp(const struct look *l, uint16_t client, uint16_t server)
{
	const uint8_t *udp = l->h->b + l->u.at;

	if ((l->g->checks & GUARD_DHCP) == 0)
		return PASS;
	if (l->u.at + 2 * sizeof(uint16_t) > l->u.end)
		return DROP_RX_GUARD_HIDDEN;
	/* clients take replies from any port */
	return get16(udp) == server || get16(udp + 2) == client ? DROP_RX_GUARD_DHCP : PASS;
}

/* A later fragment has a payload of none. */
static bool
is_upper(const struct look *l, uint8_t proto)
{
	return l->u.proto == proto && !l->u.later;
}

/* From an address that is not known yet. */
static bool
is_dhcp_request(const struct look *l)
{
	const uint8_t *udp = l->h->b + l->u.at;

	return is_upper(l, IPPROTO_UDP) && l->u.at + 2 * sizeof(uint16_t) <= l->u.end &&
	       get16(udp) == DHCP4_CLIENT && get16(udp + 2) == DHCP4_SERVER && is_station(l);
}

static enum drop_reason
check_icmp4(const struct look *l)
{
	uint8_t type;

	if ((l->g->checks & GUARD_RA) == 0)
		return PASS;
	if (l->u.at >= l->u.end)
		return DROP_RX_GUARD_HIDDEN;
	type = l->h->b[l->u.at];
	return type == ICMP4_REDIRECT || type == ICMP4_ROUTER ? DROP_RX_GUARD_RA : PASS;
}

/* Options from @p off on: link-layer addresses of kind @p kind are the frame's source. */
static enum drop_reason
check_options(const struct look *l, uint32_t off, uint8_t kind)
{
	const uint8_t *opt;
	uint32_t len;

	for (; off < l->u.end; off += len) {
		opt = l->h->b + off;
		if (off + EXT_MIN > l->u.end)
			return DROP_RX_GUARD_HIDDEN;
		len = opt[1] * 8u;
		if (len == 0)
			return DROP_RX_GUARD_HIDDEN;
		if (opt[0] == kind && memcmp(opt + 2, l->src, sizeof(*l->src)) != 0)
			return DROP_RX_GUARD;
	}
	return off == l->u.end ? PASS : DROP_RX_GUARD_HIDDEN;
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
	const uint8_t *target = l->h->b + l->u.at + ND_TARGET;
	uint32_t options = l->u.at + nd_len(type);

	/* receivers ignore them in fragments (RFC 6980), as far as they know that */
	if (options > l->u.end || l->u.frag_hdr)
		return DROP_RX_GUARD_HIDDEN;
	if (type == ND_NA && !is_own6(l, target))
		return DROP_RX_GUARD;
	if (type == ND_NS && is_unspecified(from)) /* duplicate address detection */
		return is_own6(l, target) && options == l->u.end ? PASS : DROP_RX_GUARD;
	return check_options(l, options, type == ND_NA ? OPT_TARGET : OPT_SOURCE);
}

static enum drop_reason
check_icmp6(const struct look *l, const uint8_t *from)
{
	uint8_t type;

	if (l->u.at >= l->u.end)
		return DROP_RX_GUARD_HIDDEN;
	type = l->h->b[l->u.at];
	if ((type == ND_RA || type == ND_REDIRECT) && (l->g->checks & GUARD_RA) != 0)
		return DROP_RX_GUARD_RA;
	if ((l->g->checks & GUARD_ADDRESSES) != 0 && nd_len(type) != 0)
		return check_nd(l, type, from);
	return PASS;
}

/* --- IP --- */

/* Whether all that is looked at stays when a partial checksum is finished. */
static bool
stays(const struct look *l)
{
	uint32_t to = upper_written(l->p), at = l->u.at;

	if (l->u.later || to == UINT32_MAX)
		return to >= at;
	if (l->u.proto == IPPROTO_ICMPV6)
		return to == at + ICMP_SUM;
	if (l->u.proto == IPPROTO_ICMP && to == at + ICMP_SUM)
		return true;
	return to >= at + 2 * sizeof(uint16_t); /* ports */
}

static enum drop_reason
check_ipv4(struct look *l)
{
	const struct rte_ipv4_hdr *ip = pkt_hdrs_l3(l->h);

	if (!upper_find4(l->h, &l->u) || !stays(l))
		return DROP_RX_GUARD_HIDDEN;
	if ((l->g->checks & GUARD_ADDRESSES) != 0 && !is_own4(l, &ip->src_addr) &&
	    (ip->src_addr != 0 || ip->dst_addr != RTE_BE32(UINT32_MAX) || !is_dhcp_request(l)))
		return DROP_RX_GUARD;
	if (is_upper(l, IPPROTO_UDP))
		return check_udp(l, DHCP4_CLIENT, DHCP4_SERVER);
	return is_upper(l, IPPROTO_ICMP) ? check_icmp4(l) : PASS;
}

/* A message of a station that has no address yet. */
static bool
is_from_nowhere(const struct look *l)
{
	uint8_t type;

	if (!is_upper(l, IPPROTO_ICMPV6) || l->u.at >= l->u.end || !is_station(l))
		return false;
	type = l->h->b[l->u.at];
	return type == ND_NS || type == ND_RS || type == MLD_REPORT || type == MLD_DONE ||
	       type == MLD2_REPORT;
}

static enum drop_reason
check_ipv6(struct look *l)
{
	const struct rte_ipv6_hdr *ip = pkt_hdrs_l3(l->h);
	const uint8_t *from = (const uint8_t *)&ip->src_addr;

	if (!upper_find6(l->h, &l->u) || !stays(l))
		return DROP_RX_GUARD_HIDDEN;
	if ((l->g->checks & GUARD_ADDRESSES) != 0 && !is_own6(l, from) &&
	    !(is_unspecified(from) && is_from_nowhere(l)))
		return DROP_RX_GUARD;
	if (is_upper(l, IPPROTO_UDP))
		return check_udp(l, DHCP6_CLIENT, DHCP6_SERVER);
	return is_upper(l, IPPROTO_ICMPV6) ? check_icmp6(l, from) : PASS;
}

/* --- frames --- */

static const struct {
	uint16_t type;
	enum drop_reason (*check)(struct look *l);
} types[] = {
	{RTE_ETHER_TYPE_IPV4, check_ipv4},
	{RTE_ETHER_TYPE_IPV6, check_ipv6},
	{RTE_ETHER_TYPE_ARP, check_arp},
	{RTE_ETHER_TYPE_RARP, check_arp},
};

static enum drop_reason
check_frame(const struct guard *g, struct pkt_hdrs *h, const struct pkt *p)
{
	struct look l = {.g = g, .p = p, .h = h, .src = &p->eth.src_addr};

	upper_read(h, p);
	l.mac = limiter_mac_word(l.src);
	for (size_t i = 0; i < RTE_DIM(types); i++)
		if (types[i].type == h->ether_type)
			return types[i].check(&l);
	return upper_hides(h, p) ? DROP_RX_GUARD_HIDDEN : PASS;
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
