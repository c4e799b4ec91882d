/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: any thread.
 *
 * A message counts only if those who receive it would take it: its lengths, its checksum, and that
 * no router has passed it on (TTL or hop limit 1), for one that is believed must come from this
 * network.
 */
#include "switch/mcast_msg.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>

#include "pkt/hdrs.h"

/* types */
#define IGMP_QUERY 0x11
#define IGMP1_REPORT 0x12
#define IGMP2_REPORT 0x16
#define IGMP_LEAVE 0x17
#define IGMP3_REPORT 0x22
#define IGMP_ROUTER 0x30
#define IGMP_SOLICIT 0x31
#define IGMP_BYE 0x32
#define MLD_QUERY 130
#define MLD1_REPORT 131
#define MLD_DONE 132
#define MLD2_REPORT 143
#define MLD_ROUTER 151
#define MLD_BYE 153
#define PIM_HELLO 0x20 /* version and type */

/* group records */
#define IS_INCLUDE 1
#define IS_EXCLUDE 2
#define TO_INCLUDE 3
#define TO_EXCLUDE 4
#define ALLOW_SOURCES 5
#define BLOCK_SOURCES 6

#define IP4_FRAGMENT 0x3fffu /* more of them, or not the first */
#define OPT4_END 0
#define OPT4_NOP 1
#define OPT4_ALERT 148
#define OPT6_PAD1 0
#define OPT6_ALERT 5
#define EXT_MIN 8
#define ICMP6_GROUP 8    /* offset of the group in messages of MLD */
#define RESP_V1_MS 10000 /* RFC 2236 4: to a query of version 1 */
#define SUPPRESS 0x08    /* of a query: those who are told keep their timers */

/** A packet and what was found in it. */
struct look {
	const uint8_t *ip;
	uint32_t at, end; /* of the message */
	uint32_t sum;     /* of the pseudo header */
	bool alert;       /* it has the router alert option */
	bool ip6;
	uint8_t hops; /* 0: of a message that is not in this packet as a whole */
};

static uint16_t
get16(const uint8_t *b)
{
	return (uint16_t)(b[0] << 8 | b[1]);
}

static void
set_ip(struct mcast_ip *ip, const uint8_t *addr, uint16_t len)
{
	*ip = (struct mcast_ip){.len = len};
	memcpy(ip->addr, addr, len);
}

static bool
is_zero(const uint8_t *b, uint32_t n)
{
	while (n > 0)
		if (b[--n] != 0)
			return false;
	return true;
}

bool
mcast_is_group(const struct mcast_ip *ip)
{
	return ip->len == 4 ? (ip->addr[0] & 0xf0) == 0xe0 : ip->len == 16 && ip->addr[0] == 0xff;
}

static bool
same_ip(const struct mcast_ip *a, const struct mcast_ip *b)
{
	return a->len == b->len && memcmp(a->addr, b->addr, a->len) == 0;
}

/* Ones' complement sum, not folded, of bytes at any address. */
static uint32_t
sum_of(const uint8_t *b, uint32_t n, uint32_t sum)
{
	for (; n > 1; n -= 2, b += 2)
		sum += get16(b);
	return n != 0 ? sum + (uint32_t)(b[0] << 8) : sum;
}

static uint16_t
fold(uint32_t sum)
{
	while (sum > UINT16_MAX)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)sum;
}

/* --- messages --- */

static enum mcast_kind
bad_unless(bool good, enum mcast_kind kind)
{
	return good ? kind : MCAST_BAD;
}

/* The length of all records of a report must fit. */
static bool
records_fit(struct mcast_msg *m, const uint8_t *end, uint32_t addr_len)
{
	const uint8_t *r = m->record;

	for (uint32_t i = 0; i < m->nrecords; i++) {
		uint32_t len;

		if (end - r < (int)m->record_min)
			return false;
		len = m->record_min + get16(r + 2) * addr_len + r[1] * 4u;
		if ((uint32_t)(end - r) < len)
			return false;
		r += len;
	}
	return true;
}

/* A time as one byte of IGMP version 3 or two of MLD version 2 code it. */
static uint32_t
decode(uint32_t code, unsigned int bits)
{
	uint32_t mant = code & ((1u << bits) - 1);

	if (code < 1u << (bits + 3))
		return code;
	return (mant | 1u << bits) << ((code >> bits & 7) + 3);
}

static enum mcast_kind
one_group(struct mcast_msg *m, const uint8_t *group, bool join)
{
	m->join = join;
	set_ip(&m->group, group, m->to.len);
	/* a report is sent to the group it joins, and hosts go by where it was sent */
	return bad_unless(mcast_is_group(&m->group) && (!join || same_ip(&m->group, &m->to)),
			  MCAST_REPORT);
}

/* 224.0.0.1 or ff02::1. */
static bool
is_all_hosts(const struct mcast_ip *ip)
{
	static const struct mcast_ip all[] = {{.len = 4, .addr = {224, 0, 0, 1}},
					      {.len = 16, .addr = {0xff, 2, [15] = 1}}};

	return same_ip(ip, &all[ip->len == 16]);
}

/*
 * @p more: NULL, or what the newer version adds: flags, and at 2 the number of sources. Those who
 * want the group from other sources do not answer a query for some. One that is sent to others than
 * those who are to answer asks no host, but would end what they have joined.
 */
static enum mcast_kind
asked(struct mcast_msg *m, const uint8_t *group, const uint8_t *more)
{
	bool to_all = is_all_hosts(&m->to);

	if (is_zero(group, m->to.len))
		return bad_unless(to_all, MCAST_QUERY);
	set_ip(&m->group, group, m->to.len);
	m->last = more == NULL || ((more[0] & SUPPRESS) == 0 && get16(more + 2) == 0);
	return bad_unless(mcast_is_group(&m->group) && (to_all || same_ip(&m->group, &m->to)),
			  MCAST_QUERY);
}

/* 224.0.0.106 or ff02::6a, to which routers say that they end (RFC 4286 5). */
static bool
is_all_snoopers(const struct mcast_ip *ip)
{
	static const struct mcast_ip all[] = {{.len = 4, .addr = {224, 0, 0, 106}},
					      {.len = 16, .addr = {0xff, 2, [15] = 0x6a}}};

	return same_ip(ip, &all[ip->len == 16]);
}

static enum mcast_kind
igmp_query(const struct look *l, struct mcast_msg *m, const uint8_t *b, uint32_t len)
{
	if (len > 8 && (len < 12 || !l->alert || 12u + 4u * get16(b + 10) > len))
		return MCAST_BAD;
	m->max_resp_ms = len > 8 ? decode(b[1], 4) * 100 : b[1] * 100u;
	if (b[1] == 0)
		m->max_resp_ms = RESP_V1_MS;
	return asked(m, b + 4, len > 8 ? b + 8 : NULL);
}

static uint32_t
igmp_min(const uint8_t *b, uint32_t len)
{
	return len >= 4 && (b[0] == IGMP_BYE || b[0] == IGMP_SOLICIT) ? 4 : 8;
}

static enum mcast_kind
read_igmp(const struct look *l, struct mcast_msg *m)
{
	const uint8_t *b = l->ip + l->at;
	uint32_t len = l->end - l->at;

	if (len < igmp_min(b, len) || l->hops != 1 || fold(sum_of(b, len, 0)) != UINT16_MAX)
		return MCAST_BAD;
	switch (b[0]) {
	case IGMP_QUERY:
		return igmp_query(l, m, b, len);
	case IGMP1_REPORT:
	case IGMP2_REPORT:
		m->old = b[0] == IGMP1_REPORT;
		return one_group(m, b + 4, true);
	case IGMP_LEAVE:
		return one_group(m, b + 4, false);
	case IGMP3_REPORT:
		m->nrecords = get16(b + 6);
		m->record_min = 8;
		m->record = b + 8;
		return bad_unless(l->alert && records_fit(m, b + len, 4), MCAST_REPORT);
	case IGMP_ROUTER:
		return MCAST_HELLO;
	case IGMP_BYE:
		return bad_unless(l->alert && is_all_snoopers(&m->to), MCAST_BYE);
	default:
		return MCAST_DATA;
	}
}

static bool
is_link_local(const struct mcast_ip *ip)
{
	return ip->addr[0] == 0xfe && (ip->addr[1] & 0xc0) == 0x80;
}

static enum mcast_kind
mld_query(struct mcast_msg *m, const uint8_t *b, uint32_t len)
{
	if (!is_link_local(&m->from) ||
	    (len != 24 && (len < 28 || 28u + 16u * get16(b + 26) > len)))
		return MCAST_BAD;
	m->max_resp_ms = len > 24 ? decode(get16(b + 4), 12) : get16(b + 4);
	return asked(m, b + ICMP6_GROUP, len > 24 ? b + 24 : NULL);
}

static enum mcast_kind
mld_message(struct mcast_msg *m, const uint8_t *b, uint32_t len)
{
	if (b[0] == MLD_ROUTER)
		return bad_unless(is_link_local(&m->from), MCAST_HELLO);
	if (b[0] == MLD_BYE)
		return bad_unless(len >= 4 && is_link_local(&m->from) && is_all_snoopers(&m->to),
				  MCAST_BYE);
	if (b[0] == MLD2_REPORT) {
		if (len < 8)
			return MCAST_BAD;
		m->nrecords = get16(b + 6);
		m->record_min = 20;
		m->record = b + 8;
		return bad_unless(records_fit(m, b + len, 16), MCAST_REPORT);
	}
	if (len < 24)
		return MCAST_BAD;
	if (b[0] == MLD_QUERY)
		return mld_query(m, b, len);
	return one_group(m, b + ICMP6_GROUP, b[0] == MLD1_REPORT);
}

/* RFC 3590 has hosts without an address report from the unspecified one. */
static enum mcast_kind
read_icmp6(const struct look *l, struct mcast_msg *m)
{
	const uint8_t *b = l->ip + l->at;
	uint32_t len = l->end - l->at;

	if (len < 1)
		return MCAST_BAD; /* it could be any */
	if (b[0] != MLD_QUERY && b[0] != MLD1_REPORT && b[0] != MLD_DONE && b[0] != MLD2_REPORT &&
	    b[0] != MLD_ROUTER && b[0] != MLD_BYE)
		return MCAST_DATA;
	if (l->hops != 1 || !l->alert ||
	    fold(sum_of(b, len, l->sum + IPPROTO_ICMPV6 + len)) != UINT16_MAX ||
	    (!is_link_local(&m->from) && !is_zero(m->from.addr, 16)))
		return MCAST_BAD;
	return mld_message(m, b, len);
}

/* RFC 7761 4.9: the sum is of the whole message, and of a pseudo header with IPv6. */
static enum mcast_kind
read_pim(const struct look *l)
{
	const uint8_t *b = l->ip + l->at;
	uint32_t len = l->end - l->at;

	if (len < 1)
		return MCAST_BAD; /* it could be any */
	if (b[0] != PIM_HELLO)
		return MCAST_DATA;
	return bad_unless(len >= 4 && l->hops == 1 &&
				  fold(sum_of(b, len, l->ip6 ? l->sum + IPPROTO_PIM + len : 0)) ==
					  UINT16_MAX,
			  MCAST_HELLO);
}

/* --- IPv4 --- */

static bool
has_alert4(const uint8_t *opt, uint32_t len)
{
	for (uint32_t at = 0, n; at < len && opt[at] != OPT4_END; at += n) {
		if (opt[at] == OPT4_ALERT)
			return at + 4 <= len && opt[at + 1] == 4;
		n = opt[at] == OPT4_NOP ? 1 : at + 1 < len ? opt[at + 1] : 0;
		if (n == 0 || (opt[at] != OPT4_NOP && n < 2))
			return false;
	}
	return false;
}

static enum mcast_kind
read4(struct look *l, uint32_t len, struct mcast_msg *m)
{
	const uint8_t *ip = l->ip;

	if (len < sizeof(struct rte_ipv4_hdr) || ip[0] >> 4 != 4)
		return MCAST_DATA; /* to no host it is a packet */
	l->at = (ip[0] & 0xfu) * 4;
	l->end = get16(ip + 2);
	if (ip[9] != IPPROTO_IGMP && ip[9] != IPPROTO_PIM)
		return MCAST_DATA;
	l->hops = l->end > len || (get16(ip + 6) & IP4_FRAGMENT) != 0 ? 0 : ip[8];
	l->end = RTE_MIN(l->end, len);
	if (l->at < sizeof(struct rte_ipv4_hdr) || l->end < l->at ||
	    fold(sum_of(ip, l->at, 0)) != UINT16_MAX)
		return MCAST_BAD;
	l->alert = has_alert4(ip + sizeof(struct rte_ipv4_hdr),
			      l->at - (uint32_t)sizeof(struct rte_ipv4_hdr));
	set_ip(&m->from, ip + 12, 4);
	set_ip(&m->to, ip + 16, 4);
	if (mcast_is_group(&m->from) || !mcast_is_group(&m->to))
		return MCAST_BAD;
	return ip[9] == IPPROTO_IGMP ? read_igmp(l, m) : read_pim(l);
}

/* --- IPv6 --- */

/* The router alert option of MLD (RFC 2711), whose value is 0. */
static bool
has_alert6(const uint8_t *ext, uint32_t len)
{
	for (uint32_t at = 2, n; at < len; at += n) {
		if (ext[at] == OPT6_PAD1) {
			n = 1;
			continue;
		}
		if (at + 2 > len)
			return false;
		n = 2u + ext[at + 1];
		if (ext[at] == OPT6_ALERT)
			return n == 4 && at + n <= len && get16(ext + at + 2) == 0;
	}
	return false;
}

/*
 * Walk to the payload of a packet that is not the later part of one; false: it is, and no message
 * without its first part. Behind an end that was not reached there could be anything.
 */
static bool
skip_extensions(struct look *l, uint8_t *proto, bool *hidden)
{
	uint8_t next;
	uint32_t n;

	*hidden = false;
	for (bool first = true;; first = false) {
		const uint8_t *ext = l->ip + l->at;
		uint8_t pad[EXT_MIN] = {0};

		if (!pkt_ext_read(l->at + EXT_MIN <= l->end ? ext : pad, *proto, &next, &n))
			return true;
		*hidden = l->at + EXT_MIN > l->end || l->at + n > l->end;
		if (*hidden)
			return true;
		if (*proto == IPPROTO_FRAGMENT && (get16(ext + 2) & RTE_IPV6_EHDR_FO_MASK) != 0)
			return false;
		if (*proto == IPPROTO_FRAGMENT)
			l->hops = 0;
		if (*proto == IPPROTO_HOPOPTS && first)
			l->alert = has_alert6(ext, n);
		l->at += n;
		*proto = next;
	}
}

static enum mcast_kind
read6(struct look *l, uint32_t len, struct mcast_msg *m)
{
	const uint32_t head = sizeof(struct rte_ipv6_hdr);
	const uint8_t *ip = l->ip;
	uint8_t proto;
	bool hidden;

	if (len < head || ip[0] >> 4 != 6)
		return MCAST_DATA;
	proto = ip[6];
	l->ip6 = true;
	l->at = head;
	l->end = head + get16(ip + 4);
	l->hops = l->end > len ? 0 : ip[7];
	l->end = RTE_MIN(l->end, len); /* data may be longer than what is looked at */
	set_ip(&m->from, ip + 8, 16);
	set_ip(&m->to, ip + 24, 16);
	if (!skip_extensions(l, &proto, &hidden))
		return MCAST_DATA;
	if (hidden)
		return MCAST_BAD;
	if (proto != IPPROTO_ICMPV6 && proto != IPPROTO_PIM)
		return MCAST_DATA;
	if (!mcast_is_group(&m->to))
		return MCAST_BAD;
	l->sum = sum_of(ip + 8, 32, 0);
	return proto == IPPROTO_ICMPV6 ? read_icmp6(l, m) : read_pim(l);
}

void
mcast_read(const uint8_t *ip, uint32_t len, uint16_t ether_type, struct mcast_msg *m)
{
	struct look l = {.ip = ip};

	*m = (struct mcast_msg){.kind = MCAST_DATA};
	if (ether_type == RTE_ETHER_TYPE_IPV4)
		m->kind = read4(&l, len, m);
	else if (ether_type == RTE_ETHER_TYPE_IPV6)
		m->kind = read6(&l, len, m);
}

/* --- groups of a report --- */

/* A record says that a host joins or leaves; false: neither. */
static bool
read_record(const uint8_t *r, uint16_t addr_len, struct mcast_change *c)
{
	uint16_t sources = get16(r + 2);

	*c = (struct mcast_change){.some = r[0] == BLOCK_SOURCES};
	set_ip(&c->group, r + 4, addr_len);
	switch (r[0]) {
	case IS_EXCLUDE:
	case TO_EXCLUDE:
		c->join = true;
		return true;
	case IS_INCLUDE:
	case ALLOW_SOURCES:
		c->join = true;
		return sources > 0;
	case TO_INCLUDE:
		c->join = sources > 0;
		return true;
	default: /* to a host that wants the group from some sources those may have been the last */
		return c->some && sources > 0;
	}
}

bool
mcast_next(struct mcast_msg *m, struct mcast_change *c)
{
	if (m->kind != MCAST_REPORT)
		return false;
	if (m->record_min == 0) {
		*c = (struct mcast_change){.group = m->group, .join = m->join, .old = m->old};
		m->kind = MCAST_DATA; /* that was all */
		return true;
	}
	while (m->nrecords > 0) {
		const uint8_t *r = m->record;
		uint16_t addr_len = m->record_min == 8 ? 4 : 16;

		m->nrecords--;
		m->record += m->record_min + get16(r + 2) * addr_len + r[1] * 4u;
		if (read_record(r, addr_len, c) && mcast_is_group(&c->group))
			return true;
	}
	return false;
}

/* --- addresses --- */

struct rte_ether_addr
mcast_mac(const struct mcast_ip *group)
{
	const uint8_t *a = group->addr;

	if (group->len == 4)
		return (struct rte_ether_addr){{0x01, 0x00, 0x5e, a[1] & 0x7f, a[2], a[3]}};
	return (struct rte_ether_addr){{0x33, 0x33, a[12], a[13], a[14], a[15]}};
}

bool
mcast_mac_is_open(const struct rte_ether_addr *mac)
{
	const uint8_t *b = mac->addr_bytes;

	if (b[0] == 0x33 && b[1] == 0x33)
		return b[2] == 0 && b[3] == 0 && b[4] == 0 && b[5] == 1;
	return b[0] != 0x01 || b[1] != 0x00 || b[2] != 0x5e || (b[3] & 0x80) != 0 ||
	       (b[3] == 0 && b[4] == 0);
}

/* --- queries --- */

static void
put16(uint8_t *b, uint32_t v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

static uint32_t
query4(const struct mcast_query *q, uint8_t *ip)
{
	static const uint8_t head[] = {0x46, 0xc0, 0, 36, 0, 0, 0, 0, 1, IPPROTO_IGMP};
	static const uint8_t alert[] = {OPT4_ALERT, 4, 0, 0}, all[] = {224, 0, 0, 1};
	uint8_t *b = ip + 24;

	memcpy(ip, head, sizeof(head));
	memcpy(ip + 12, q->from.addr, 4);
	memcpy(ip + 16, q->group.len != 0 ? q->group.addr : all, 4);
	memcpy(ip + 20, alert, sizeof(alert));
	put16(ip + 10, ~(uint32_t)fold(sum_of(ip, 24, 0)));
	b[0] = IGMP_QUERY;
	b[1] = (uint8_t)(q->max_resp_ms / 100);
	memcpy(b + 4, q->group.addr, 4);
	b[8] = 2; /* robustness */
	b[9] = (uint8_t)q->interval_s;
	put16(b + 2, ~(uint32_t)fold(sum_of(b, 12, 0)));
	return 36;
}

static uint32_t
query6(const struct mcast_query *q, uint8_t *ip)
{
	static const uint8_t head[] = {0x60, 0, 0, 0, 0, 36, IPPROTO_HOPOPTS, 1};
	static const uint8_t hop[] = {IPPROTO_ICMPV6, 0, OPT6_ALERT, 2, 0, 0, 1, 0};
	static const uint8_t all[16] = {0xff, 2, [15] = 1};
	uint8_t *b = ip + 48;

	memcpy(ip, head, sizeof(head));
	memcpy(ip + 8, q->from.addr, 16);
	memcpy(ip + 24, q->group.len != 0 ? q->group.addr : all, 16);
	memcpy(ip + 40, hop, sizeof(hop));
	b[0] = MLD_QUERY;
	put16(b + 4, q->max_resp_ms);
	memcpy(b + ICMP6_GROUP, q->group.addr, 16);
	b[24] = 2;
	b[25] = (uint8_t)q->interval_s;
	put16(b + 2, ~(uint32_t)fold(sum_of(b, 28, sum_of(ip + 8, 32, IPPROTO_ICMPV6 + 28))));
	return 76;
}

uint32_t
mcast_query(const struct mcast_query *q, uint8_t *frame)
{
	bool ip6 = q->from.len == 16;
	struct mcast_ip to = {.len = q->from.len, .addr = {224, 0, 0, 1}};
	struct rte_ether_addr dst;

	if (q->group.len != 0)
		to = q->group;
	dst = mcast_mac(&to);
	if (ip6 && q->group.len == 0)
		dst = (struct rte_ether_addr){{0x33, 0x33, 0, 0, 0, 1}};
	memset(frame, 0, MCAST_QUERY_MAX);
	memcpy(frame, &dst, RTE_ETHER_ADDR_LEN);
	memcpy(frame + RTE_ETHER_ADDR_LEN, &q->src, RTE_ETHER_ADDR_LEN);
	put16(frame + 2 * RTE_ETHER_ADDR_LEN, ip6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);
	frame += RTE_ETHER_HDR_LEN;
	return RTE_ETHER_HDR_LEN + (ip6 ? query6(q, frame) : query4(q, frame));
}
