/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: workers. */
#include "switch/ct_packet.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>

#include "switch/acl_text.h"

#define TCP_SEEN 14 /* bytes of its header that are looked at */
#define TCP_LEAST 20
#define ICMP_HEAD 8
#define PORTS 4
#define TAG_LEN 4
#define VLAN_MASK 0x0fff

/* Words of a key. */
enum { W_GUEST = 0, W_FAR = 2, W_PORTS = 4, W_VLAN = 5 };

static uint16_t
get16(const uint8_t *b)
{
	return (uint16_t)(b[0] << 8 | b[1]);
}

static enum acl_dir
other(enum acl_dir dir)
{
	return dir == ACL_IN ? ACL_OUT : ACL_IN;
}

/* --- keys --- */

/** The parts of a key, as the packet has them. */
struct parts {
	const void *src, *dst;
	uint16_t sport, dport;
	uint8_t proto;
	bool ip6;
};

static uint64_t
tags_of(const struct pkt_hdrs *h)
{
	uint64_t vlan = 0;
	const uint8_t *tag = h->b + RTE_ETHER_HDR_LEN;

	if (h->l2_len >= RTE_ETHER_HDR_LEN + TAG_LEN)
		vlan = get16(tag) & VLAN_MASK;
	if (h->l2_len >= RTE_ETHER_HDR_LEN + 2 * TAG_LEN)
		vlan |= (uint64_t)(get16(tag + TAG_LEN) & VLAN_MASK) << 16;
	return vlan;
}

/* The key of a packet that goes @p dir: the guest is its source, or its destination. */
static void
make_key(struct ct_packet *c, enum acl_dir dir, const struct parts *x, const struct pkt_hdrs *h)
{
	const size_t len = x->ip6 ? 16 : 4;
	const bool in = dir == ACL_IN;

	memset(&c->key, 0, sizeof(c->key));
	memcpy(&c->key.word[W_GUEST], in ? x->src : x->dst, len);
	memcpy(&c->key.word[W_FAR], in ? x->dst : x->src, len);
	c->key.word[W_PORTS] = (uint64_t)(in ? x->sport : x->dport) << 16 |
			       (in ? x->dport : x->sport) | (uint64_t)x->proto << 32 |
			       (uint64_t)x->ip6 << 40;
	c->key.word[W_VLAN] = tags_of(h);
}

void
ct_ends(const struct ct_key *k, struct ct_ends *out)
{
	memcpy(out->guest, &k->word[W_GUEST], sizeof(out->guest));
	memcpy(out->far, &k->word[W_FAR], sizeof(out->far));
	out->guest_port = (uint16_t)(k->word[W_PORTS] >> 16);
	out->far_port = (uint16_t)k->word[W_PORTS];
	out->proto = (uint8_t)(k->word[W_PORTS] >> 32);
	out->ip6 = (k->word[W_PORTS] >> 40 & 1) != 0;
	out->vlan[0] = k->word[W_VLAN] & UINT16_MAX;
	out->vlan[1] = (uint16_t)(k->word[W_VLAN] >> 16);
}

/* --- ICMP --- */

static bool
is_icmp(uint8_t proto, bool ip6)
{
	return proto == (ip6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

static bool
is_error(uint8_t type, bool ip6)
{
	if (ip6)
		return type >= ICMP6_DST_UNREACH && type <= ICMP6_PARAM_PROB;
	return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED ||
	       type == ICMP_PARAMETERPROB;
}

/*
 * An echo has one number instead of two ports; who asks is in the place of the other, or a request
 * from outside with the number of one from inside would be taken for its answer. False: no echo.
 */
static bool
echo_ports(struct parts *x, enum acl_dir dir, const uint8_t *icmp, bool *answer)
{
	enum acl_dir asks = dir;
	uint16_t id = get16(icmp + 4);

	*answer = icmp[0] == (x->ip6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY);
	if (!*answer && icmp[0] != (x->ip6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO))
		return false;
	if (*answer)
		asks = other(dir);
	x->sport = dir == ACL_IN ? id : asks;
	x->dport = dir == ACL_IN ? asks : id;
	return true;
}

/* --- the packet in an error --- */

/* Find what is behind the IP header at @p at; 0: it is not there, or in another fragment. */
static uint32_t
inner4(struct parts *x, const struct pkt_hdrs *h, uint32_t at, uint32_t end)
{
	const uint8_t *ip = h->b + at;
	uint32_t len;

	if (at + sizeof(struct rte_ipv4_hdr) > end || ip[0] >> 4 != 4)
		return 0;
	len = (uint32_t)(ip[0] & 0xf) * 4;
	if (len < sizeof(struct rte_ipv4_hdr) || (get16(ip + 6) & RTE_IPV4_HDR_OFFSET_MASK) != 0)
		return 0;
	x->src = ip + offsetof(struct rte_ipv4_hdr, src_addr);
	x->dst = ip + offsetof(struct rte_ipv4_hdr, dst_addr);
	x->proto = ip[9];
	return at + len;
}

static uint32_t
inner6(struct parts *x, const struct pkt_hdrs *h, uint32_t at, uint32_t end)
{
	const uint8_t *ip = h->b + at;
	uint32_t len;
	uint8_t next;

	if (at + sizeof(struct rte_ipv6_hdr) > end || ip[0] >> 4 != 6)
		return 0;
	x->src = ip + offsetof(struct rte_ipv6_hdr, src_addr);
	x->dst = ip + offsetof(struct rte_ipv6_hdr, dst_addr);
	x->proto = ip[6];
	for (at += sizeof(struct rte_ipv6_hdr); at + ICMP_HEAD <= end; at += len) {
		const uint8_t *ext = h->b + at;

		if (!pkt_ext_read(ext, x->proto, &next, &len))
			return at;
		if (x->proto == IPPROTO_FRAGMENT && (get16(ext + 2) & RTE_IPV6_EHDR_FO_MASK) != 0)
			return 0;
		x->proto = next;
	}
	return 0;
}

/*
 * An error goes to who sent the packet in it, and that one went the other way: both have to be so,
 * or the error is about something else.
 */
static bool
read_error(struct ct_packet *c, enum acl_dir dir, const struct acl_key *k, struct pkt_hdrs *h,
	   const struct upper *u)
{
	struct parts x = {.ip6 = c->ip6};
	uint32_t at = u->at + ICMP_HEAD;
	bool answer;

	at = x.ip6 ? inner6(&x, h, at, u->end) : inner4(&x, h, at, u->end);
	if (at == 0 || at + ICMP_HEAD > u->end ||
	    memcmp(x.src, &k->word[ACL_WORD_DST], x.ip6 ? 16 : 4) != 0)
		return false;
	if (is_icmp(x.proto, x.ip6)) {
		if (!echo_ports(&x, other(dir), h->b + at, &answer))
			return false;
	} else if (acl_has_ports(x.proto)) {
		x.sport = get16(h->b + at);
		x.dport = get16(h->b + at + 2);
	}
	c->proto = x.proto;
	make_key(c, other(dir), &x, h);
	return true;
}

/* --- the packet itself --- */

/* Those of TCP; other combinations are there to get past filters. */
static bool
are_flags(uint32_t flags)
{
	static const uint8_t good[] = {
		CT_SYN,          CT_SYN | CT_URG, CT_SYN | CT_ACK,
		CT_RST,          CT_RST | CT_ACK, CT_ACK,
		CT_ACK | CT_URG, CT_FIN | CT_ACK, CT_FIN | CT_ACK | CT_URG,
	};

	flags &= CT_FIN | CT_SYN | CT_RST | CT_ACK | CT_URG;
	for (size_t i = 0; i < sizeof(good); i++)
		if (good[i] == flags)
			return true;
	return false;
}

static enum ct_kind
read_tcp(struct ct_packet *c, const struct pkt_hdrs *h, const struct upper *u, const struct pkt *p)
{
	const uint8_t *tcp = h->b + u->at;
	uint32_t len, end = u->end < h->n ? u->end : p->len;

	if (u->at + TCP_SEEN > u->end || upper_written(p) < u->at + TCP_SEEN)
		return CT_INVALID;
	len = (uint32_t)(tcp[12] >> 4) * 4;
	if (len < TCP_LEAST || u->at + len > end || !are_flags(tcp[13]))
		return CT_INVALID;
	c->flags = CT_IS_TCP | tcp[13];
	c->seq = (uint32_t)get16(tcp + 4) << 16 | get16(tcp + 6);
	c->ack = (uint32_t)get16(tcp + 8) << 16 | get16(tcp + 10);
	if ((tcp[13] & (CT_SYN | CT_ACK)) == CT_SYN)
		c->flags |= CT_OPENS;
	else if ((tcp[13] & (CT_SYN | CT_RST)) != 0)
		c->flags |= CT_ANSWERS;
	return CT_PACKET;
}

static enum ct_kind
read_icmp(struct ct_packet *c, enum acl_dir dir, struct parts *x, struct pkt_hdrs *h,
	  const struct acl_key *k, const struct upper *u, const struct pkt *p)
{
	const uint8_t *icmp = h->b + u->at;
	bool answer;

	/* its own checksum lies before what is looked at behind the type */
	if (u->at + ICMP_HEAD > u->end ||
	    (upper_written(p) < u->end && upper_written(p) != u->at + 2))
		return CT_INVALID;
	if (is_error(icmp[0], x->ip6))
		return read_error(c, dir, k, h, u) ? CT_RELATED : CT_NONE;
	if (!echo_ports(x, dir, icmp, &answer))
		return CT_NONE;
	c->flags = answer ? CT_ANSWERS : 0;
	return CT_PACKET;
}

void
ct_packet_read(struct ct_packet *c, enum acl_dir dir, enum acl_family f, struct pkt_hdrs *h,
	       const struct acl_key *k, const struct upper *u, const struct pkt *p)
{
	struct parts x = {.src = &k->word[ACL_WORD_SRC],
			  .dst = &k->word[ACL_WORD_DST],
			  .proto = u->proto,
			  .ip6 = f == ACL_IP6};

	c->flags = 0;
	c->proto = u->proto;
	c->ip6 = x.ip6;
	c->kind = CT_NONE;
	if (u->later)
		return;
	if (is_icmp(u->proto, x.ip6)) {
		c->kind = (uint8_t)read_icmp(c, dir, &x, h, k, u, p);
	} else {
		c->kind = u->proto == IPPROTO_TCP ? (uint8_t)read_tcp(c, h, u, p) : CT_PACKET;
		if (acl_has_ports(u->proto)) {
			x.sport = get16(h->b + u->at);
			x.dport = get16(h->b + u->at + 2);
		}
	}
	if (c->kind == CT_PACKET)
		make_key(c, dir, &x, h);
}
