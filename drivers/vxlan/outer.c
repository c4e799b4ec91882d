/* SPDX-License-Identifier: BSD-3-Clause */
#include "vxlan/outer.h"

#include <netinet/in.h>
#include <string.h>

#include <linux/virtio_net.h>

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>
#include <rte_vxlan.h>

#include "pkt/mbuf.h"
#include "pkt/copy.h"
#include "pkt/hdrs.h"

#define ETH_LEN RTE_ETHER_HDR_LEN
#define ENCAP_LEN (sizeof(struct rte_udp_hdr) + sizeof(struct rte_vxlan_hdr))
#define TTL 64
#define VNI_FLAG RTE_BE32(OUTER_VNI_FLAG)
#define IPV4_MF 0x2000
#define IPV4_OFFSET 0x1fff

enum ecn { ECN_NONE, ECN_ECT1, ECN_ECT0, ECN_CE, ECN_MASK = 3 };

static uint16_t
fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

/* --- the template --- */

static void
make_ipv4(struct outer *o, const struct outer_config *c)
{
	struct rte_ipv4_hdr ip = {
		.version_ihl = RTE_IPV4_VHL_DEF,
		.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = TTL,
		.next_proto_id = IPPROTO_UDP,
	};

	memcpy(&ip.src_addr, c->src.addr, sizeof(ip.src_addr));
	memcpy(&ip.dst_addr, c->dst.addr, sizeof(ip.dst_addr));
	o->ip_sum = rte_raw_cksum(&ip, sizeof(ip));
	o->udp_sum = fold(rte_raw_cksum(&ip.src_addr, 2 * sizeof(ip.src_addr)) +
			  (uint32_t)RTE_BE16(IPPROTO_UDP));
	memcpy(o->b + ETH_LEN, &ip, sizeof(ip));
}

static void
make_ipv6(struct outer *o, const struct outer_config *c)
{
	struct rte_ipv6_hdr ip = {
		.vtc_flow = RTE_BE32(6u << 28),
		.proto = IPPROTO_UDP,
		.hop_limits = TTL,
	};

	memcpy(&ip.src_addr, c->src.addr, sizeof(ip.src_addr));
	memcpy(&ip.dst_addr, c->dst.addr, sizeof(ip.dst_addr));
	o->udp_sum = fold(rte_raw_cksum(&ip.src_addr, 2 * sizeof(ip.src_addr)) +
			  (uint32_t)RTE_BE16(IPPROTO_UDP));
	memcpy(o->b + ETH_LEN, &ip, sizeof(ip));
}

uint32_t
outer_room(bool ip6, uint32_t mtu)
{
	uint32_t head = (ip6 ? OUTER_LEN_V6 : OUTER_LEN_V4) - ETH_LEN;

	return mtu > head + ETH_LEN ? RTE_MIN(mtu, UINT32_C(65535)) - head : 0;
}

void
outer_make(struct outer *o, const struct outer_config *c)
{
	bool ip6 = evpn_ip_family(&c->dst) == AF_INET6;
	struct rte_ether_hdr eth = {
		.src_addr = c->src_mac,
		.dst_addr = c->dst_mac,
		.ether_type = ip6 ? RTE_BE16(RTE_ETHER_TYPE_IPV6) : RTE_BE16(RTE_ETHER_TYPE_IPV4),
	};
	struct rte_udp_hdr udp = {.dst_port = rte_cpu_to_be_16(c->port)};
	struct rte_vxlan_hdr vxlan = {.vx_flags = VNI_FLAG,
				      .vx_vni = rte_cpu_to_be_32(c->vni << 8)};

	*o = (struct outer){
		.len = ip6 ? OUTER_LEN_V6 : OUTER_LEN_V4,
		.checksum = c->checksum || ip6,
		.plain = !c->checksum && !ip6,
		.max_len = outer_room(ip6, c->mtu),
	};
	memcpy(o->b, &eth, sizeof(eth));
	if (ip6)
		make_ipv6(o, c);
	else
		make_ipv4(o, c);
	memcpy(o->b + o->len - ENCAP_LEN, &udp, sizeof(udp));
	memcpy(o->b + o->len - sizeof(vxlan), &vxlan, sizeof(vxlan));
}

/* --- way out --- */

/* The offset of a frame's IP header, behind its VLAN tags; @p len: bytes there are. 0: nowhere. */
static uint32_t
find_ip(const uint8_t *b, uint32_t len)
{
	uint32_t at = ETH_LEN;
	uint16_t type;

	for (; at + sizeof(struct rte_ipv4_hdr) <= len; at += RTE_VLAN_HLEN) {
		memcpy(&type, b + at - sizeof(type), sizeof(type));
		if (type == RTE_BE16(RTE_ETHER_TYPE_IPV4) && b[at] >> 4 == 4)
			return at;
		if (type == RTE_BE16(RTE_ETHER_TYPE_IPV6) && b[at] >> 4 == 6)
			return at;
		if (type != RTE_BE16(RTE_ETHER_TYPE_VLAN) && type != RTE_BE16(RTE_ETHER_TYPE_QINQ))
			return 0;
	}
	return 0;
}

/* The ECN bits of the IP header at @p ip. */
static uint8_t
get_ecn(const uint8_t *ip)
{
	return (ip[0] >> 4 == 4 ? ip[1] : ip[1] >> 4) & ECN_MASK;
}

/* Those of a frame, which is most often IPv4 without a tag. */
static inline uint8_t
frame_ecn(const uint8_t *b, uint32_t len)
{
	uint16_t type;
	uint32_t at;

	memcpy(&type, b + ETH_LEN - sizeof(type), sizeof(type));
	if (likely(type == RTE_BE16(RTE_ETHER_TYPE_IPV4) &&
		   len >= ETH_LEN + sizeof(struct rte_ipv4_hdr) && b[ETH_LEN] >> 4 == 4))
		return b[ETH_LEN + 1] & ECN_MASK;
	at = find_ip(b, len);
	return at != 0 ? get_ecn(b + at) : (uint8_t)ECN_NONE;
}

static void
put_ipv4(const struct outer *o, uint8_t *b, uint16_t len, uint8_t ecn)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(b + ETH_LEN);
	uint16_t ip_len = rte_cpu_to_be_16((uint16_t)(len - ETH_LEN));

	ip->type_of_service = ecn;
	ip->total_length = ip_len;
	ip->hdr_checksum = (uint16_t)~fold((uint32_t)o->ip_sum + ip_len + rte_cpu_to_be_16(ecn));
}

static void
put_ipv6(uint8_t *b, uint16_t len, uint8_t ecn)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(b + ETH_LEN);

	ip->vtc_flow = rte_cpu_to_be_32(6u << 28 | (uint32_t)ecn << 20);
	ip->payload_len = rte_cpu_to_be_16((uint16_t)(len - ETH_LEN - sizeof(*ip)));
}

static void
put_checksum(const struct outer *o, struct rte_mbuf *m, struct rte_udp_hdr *udp)
{
	uint32_t at = o->len - ENCAP_LEN;
	uint16_t sum;

	sum = (uint16_t)~fold((uint32_t)pkt_mbuf_sum(m, at) + o->udp_sum + udp->dgram_len);
	udp->dgram_cksum = sum != 0 ? sum : 0xffff;
}

void
outer_put(const struct outer *o, struct rte_mbuf *m, uint32_t hash)
{
	uint8_t ecn = frame_ecn(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
	uint8_t *b = (uint8_t *)rte_pktmbuf_prepend(m, o->len);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(b + o->len - ENCAP_LEN);
	uint16_t len = (uint16_t)m->pkt_len; /* max_len keeps it within 16 bits */

	if (likely(o->len == OUTER_LEN_V4)) {
		memcpy(b, o->b, OUTER_LEN_V4);
		put_ipv4(o, b, len, ecn);
	} else {
		memcpy(b, o->b, OUTER_LEN_V6);
		put_ipv6(b, len, ecn);
	}
	udp->src_port = outer_source_port(hash);
	udp->dgram_len = rte_cpu_to_be_16((uint16_t)(len - (o->len - ENCAP_LEN)));
	if (o->checksum)
		put_checksum(o, m, udp);
}

/* --- way in --- */

/* The beginning of a frame in one segment: in place if it is, else copied to @p room. */
static const uint8_t *
beginning(const struct pkt *p, uint8_t room[OUTER_MAX], uint32_t *len)
{
	struct pkt_cursor c;

	if (likely(p->data_len >= OUTER_MAX || p->nsegs == 1)) {
		*len = p->data_len;
		return p->data;
	}
	*len = RTE_MIN(p->len, (uint32_t)OUTER_MAX);
	pkt_cursor_init(&c, p);
	pkt_copy_next(&c, room, *len);
	return room;
}

static bool
find_ipv4(const uint8_t *b, uint32_t len, struct outer_in *o)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(b + ETH_LEN);

	if (len < ETH_LEN + sizeof(*ip) || ip->version_ihl >> 4 != 4 ||
	    ip->next_proto_id != IPPROTO_UDP || (ip->fragment_offset & RTE_BE16(IPV4_OFFSET)) != 0)
		return false;
	o->l3_len = rte_ipv4_hdr_len(ip);
	o->ecn = ip->type_of_service & ECN_MASK;
	o->src = (struct evpn_ip){.len = sizeof(ip->src_addr)};
	o->dst = (struct evpn_ip){.len = sizeof(ip->dst_addr)};
	memcpy(o->src.addr, &ip->src_addr, sizeof(ip->src_addr));
	memcpy(o->dst.addr, &ip->dst_addr, sizeof(ip->dst_addr));
	return o->l3_len >= sizeof(*ip);
}

static bool
find_ipv6(const uint8_t *b, uint32_t len, struct outer_in *o)
{
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)(b + ETH_LEN);

	if (len < ETH_LEN + sizeof(*ip) || b[ETH_LEN] >> 4 != 6 || ip->proto != IPPROTO_UDP)
		return false;
	o->l3_len = sizeof(*ip);
	o->ecn = get_ecn(b + ETH_LEN);
	o->src.len = sizeof(o->src.addr);
	o->dst.len = sizeof(o->dst.addr);
	memcpy(o->src.addr, &ip->src_addr, sizeof(o->src.addr));
	memcpy(o->dst.addr, &ip->dst_addr, sizeof(o->dst.addr));
	return true;
}

bool
outer_find(const struct pkt *p, struct outer_in *o)
{
	const struct rte_udp_hdr *udp;
	uint8_t room[OUTER_MAX];
	uint32_t len;
	const uint8_t *b;

	b = beginning(p, room, &len);
	if (p->eth.ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4)) {
		if (!find_ipv4(b, len, o))
			return false;
	} else if (p->eth.ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV6) || !find_ipv6(b, len, o)) {
		return false;
	}
	if (len < (uint32_t)ETH_LEN + o->l3_len + sizeof(*udp))
		return false;
	udp = (const struct rte_udp_hdr *)(b + ETH_LEN + o->l3_len);
	o->port = rte_be_to_cpu_16(udp->dst_port);
	o->len = (uint16_t)(ETH_LEN + o->l3_len + ENCAP_LEN);
	return true;
}

/* Bytes of the datagram as the IP header says, 0: it is malformed, or a fragment. */
static uint32_t
ip_payload(const uint8_t *b, const struct outer_in *o)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(b + ETH_LEN);
	const struct rte_ipv6_hdr *ip6 = (const struct rte_ipv6_hdr *)(b + ETH_LEN);
	uint32_t len;

	if (o->src.len == sizeof(o->src.addr))
		return rte_be_to_cpu_16(ip6->payload_len);
	len = rte_be_to_cpu_16(ip->total_length);
	if ((ip->fragment_offset & RTE_BE16(IPV4_MF)) != 0 || len < o->l3_len ||
	    rte_raw_cksum(ip, o->l3_len) != 0xffff)
		return 0;
	return len - o->l3_len;
}

/* Flags of a device that has verified the sum, or of a sender on this machine that left it out. */
static bool
is_sum_right(const struct pkt *p, const struct outer_in *o, uint32_t udp_len)
{
	uint32_t at = ETH_LEN + (uint32_t)o->l3_len, sum;

	if ((p->vnet.flags & (VIRTIO_NET_HDR_F_DATA_VALID | VIRTIO_NET_HDR_F_NEEDS_CSUM)) != 0)
		return true;
	sum = rte_raw_cksum(o->src.addr, o->src.len);
	sum += rte_raw_cksum(o->dst.addr, o->dst.len);
	sum += rte_cpu_to_be_16(IPPROTO_UDP) + (uint32_t)rte_cpu_to_be_16((uint16_t)udp_len);
	return fold(fold(sum) + (uint32_t)pkt_sum(p, at, udp_len)) == 0xffff;
}

bool
outer_check(const struct pkt *p, struct outer_in *o)
{
	const struct rte_vxlan_hdr *vxlan;
	const struct rte_udp_hdr *udp;
	uint8_t room[OUTER_MAX];
	uint32_t have, len;
	const uint8_t *b = beginning(p, room, &have);

	if (have < o->len || (p->need & PKT_NEED_GSO) != 0)
		return false;
	udp = (const struct rte_udp_hdr *)(b + o->len - ENCAP_LEN);
	vxlan = (const struct rte_vxlan_hdr *)(b + o->len - sizeof(*vxlan));
	len = rte_be_to_cpu_16(udp->dgram_len);
	if (len < ENCAP_LEN + ETH_LEN || len > ip_payload(b, o) ||
	    len > p->len - ETH_LEN - o->l3_len || (vxlan->vx_flags & VNI_FLAG) == 0)
		return false;
	/* none over IPv6 is against RFC 8200 unless both ends agree (RFC 6935), as they do here */
	if (udp->dgram_cksum != 0 && !is_sum_right(p, o, len))
		return false;
	o->vni = rte_be_to_cpu_32(vxlan->vx_vni) >> 8;
	o->inner_len = (uint32_t)(len - ENCAP_LEN);
	return true;
}

/* RFC 6040 figure 4: the bits of the inner header by its own and the outer one's. */
static const uint8_t ecn_out[4][4] = {
	[ECN_NONE] = {ECN_NONE, ECN_NONE, ECN_NONE, ECN_NONE /* dropped */},
	[ECN_ECT1] = {ECN_ECT1, ECN_ECT1, ECN_ECT1, ECN_CE},
	[ECN_ECT0] = {[ECN_NONE] = ECN_ECT0,
		      [ECN_ECT1] = ECN_ECT1,
		      [ECN_ECT0] = ECN_ECT0,
		      [ECN_CE] = ECN_CE},
	[ECN_CE] = {ECN_CE, ECN_CE, ECN_CE, ECN_CE},
};

static void
set_ecn(uint8_t *ip, uint8_t ecn)
{
	struct rte_ipv4_hdr *v4 = (struct rte_ipv4_hdr *)ip;
	uint32_t sum;
	uint8_t old = ip[1];

	if (ip[0] >> 4 == 6) {
		ip[1] = (uint8_t)((old & ~(ECN_MASK << 4)) | ecn << 4);
		return;
	}
	ip[1] = (uint8_t)((old & ~ECN_MASK) | ecn);
	/* RFC 1624: HC' = ~(~HC + ~m + m') */
	sum = (uint16_t)~v4->hdr_checksum;
	sum += (uint16_t)~rte_cpu_to_be_16(old) + (uint32_t)rte_cpu_to_be_16(ip[1]);
	v4->hdr_checksum = (uint16_t)~fold(sum);
}

/* The inner frame's ECN bits; @p p begins there. False: congestion that cannot be passed on. */
static __rte_noinline bool
pass_ecn(struct pkt *p, uint8_t outer)
{
	uint8_t room[OUTER_MAX], inner, out;
	uint32_t len, at;
	const uint8_t *b;

	b = beginning(p, room, &len);
	at = find_ip(b, len);
	if (at == 0)
		return true;
	inner = get_ecn(b + at);
	out = ecn_out[inner][outer];
	if (outer == ECN_CE && inner == ECN_NONE)
		return false;
	if (out == inner)
		return true;
	/* others use the same memory, or it is in a further segment: a loss signals the same */
	if (at + sizeof(struct rte_ipv4_hdr) > p->data_len || p->mbuf == NULL ||
	    rte_mbuf_refcnt_read(p->mbuf) != 1 || !RTE_MBUF_DIRECT(p->mbuf))
		return outer != ECN_CE;
	set_ecn(p->data + at, out);
	return true;
}

/* Let the view end after @p len bytes: behind the datagram there may be padding. */
static void
trim(struct pkt *p, uint32_t len)
{
	uint32_t i, have = p->data_len;

	p->len = len;
	if (have >= len) {
		p->data_len = len;
		p->nsegs = 1;
		return;
	}
	for (i = 0; have + p->segs[i].len < len; i++)
		have += p->segs[i].len;
	p->segs[i].len = len - have;
	p->nsegs = (uint16_t)(i + 2);
}

bool
outer_strip(struct pkt *p, const struct outer_in *o)
{
	struct pkt v = *p;
	struct pkt_cursor c;

	pkt_advance(&v, o->len);
	trim(&v, o->inner_len);
	/* outer ECT(0) and not-ECT change nothing */
	if (unlikely((o->ecn & ECN_ECT1) != 0) && !pass_ecn(&v, o->ecn))
		return false;
	if (likely(v.data_len >= ETH_LEN)) {
		memcpy(v.eth_bytes, v.data, ETH_LEN);
	} else {
		pkt_cursor_init(&c, p);
		pkt_cursor_skip(&c, o->len);
		pkt_copy_next(&c, v.eth_bytes, ETH_LEN);
	}
	v.need = 0;
	v.vnet = (struct pkt_vnet){0};
	v.hash = 0;
	*p = v;
	return true;
}
