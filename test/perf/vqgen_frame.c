/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames of vqgen: Ethernet, IPv4, UDP (or TCP for segmentation), a tag, a pattern. */
#include <string.h>

#include "vqgen.h"

#define TAG_MAGIC 0x5647     /* "VG" */
#define ANNOUNCE_TYPE 0x88b5 /* local experimental EtherType */
#define UDP_PORT_BASE 1024
#define TSO_MSS 1448
#define IP_SRC 0x0a000000u /* 10.0.0.port */

struct ipv4 {
	uint8_t version_ihl, tos;
	rte_be16_t total_length, id, frag;
	uint8_t ttl, proto;
	rte_be16_t csum;
	rte_be32_t src, dst;
} __attribute__((packed));

struct udp {
	rte_be16_t sport, dport, len, csum;
} __attribute__((packed));

struct tcp {
	rte_be16_t sport, dport;
	rte_be32_t seq, ack;
	uint8_t off, flags;
	rte_be16_t window, csum, urgent;
} __attribute__((packed));

struct headers {
	struct rte_ether_hdr eth;
	struct ipv4 ip;
	union {
		struct udp udp;
		struct tcp tcp;
	};
} __attribute__((packed, aligned(2)));

#define L4_OFF (sizeof(struct rte_ether_hdr) + sizeof(struct ipv4))

static uint32_t
tag_off(const struct options *o)
{
	return L4_OFF + (o->tso ? sizeof(struct tcp) : sizeof(struct udp));
}

static struct rte_ether_addr
mac_of(uint32_t port, uint32_t mac)
{
	return (struct rte_ether_addr){{0x02, (uint8_t)(port >> 8), (uint8_t)port,
					(uint8_t)(mac >> 16), (uint8_t)(mac >> 8), (uint8_t)mac}};
}

/** Ones' complement sum of @p len bytes, an even number; 64 KiB do not overflow it. */
static uint32_t
sum16(const void *p, uint32_t len, uint32_t sum)
{
	const uint8_t *b = p;

	for (uint32_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)b[i] << 8 | b[i + 1];
	return sum;
}

static uint16_t
fold(uint32_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void
ip_set(struct ipv4 *ip, const struct stream *s, uint32_t len, bool tso)
{
	*ip = (struct ipv4){
		.version_ihl = 0x45,
		.total_length = rte_cpu_to_be_16((uint16_t)(len - sizeof(struct rte_ether_hdr))),
		.ttl = 64,
		.proto = tso ? 6 : 17,
		.src = rte_cpu_to_be_32(IP_SRC + s->from->id),
		.dst = rte_cpu_to_be_32(IP_SRC + s->to->id),
	};
	ip->csum = rte_cpu_to_be_16((uint16_t)~fold(sum16(ip, sizeof(*ip), 0)));
}

/** The checksum a receiver or a segmenting device starts from: that of the pseudo header. */
static rte_be16_t
pseudo_csum(const struct ipv4 *ip, uint32_t l4_len)
{
	uint32_t sum = sum16(&ip->src, 8, ip->proto + l4_len);

	return rte_cpu_to_be_16(fold(sum));
}

static rte_be16_t
sport_of(uint32_t flow)
{
	/* beyond 60000 flows it is the MAC addresses that differ */
	return rte_cpu_to_be_16((uint16_t)(UDP_PORT_BASE + flow % 60000));
}

static void
l4_set(struct headers *h, uint32_t flow, uint32_t len, bool tso)
{
	const uint16_t l4_len = (uint16_t)(len - L4_OFF);
	const rte_be16_t sport = sport_of(flow);

	if (!tso) {
		h->udp = (struct udp){sport, RTE_BE16(9), rte_cpu_to_be_16(l4_len), 0};
		return;
	}
	h->tcp = (struct tcp){
		.sport = sport,
		.dport = RTE_BE16(9),
		.off = 5 << 4,
		.flags = 0x10,
		.window = RTE_BE16(0xffff),
		.csum = pseudo_csum(&h->ip, l4_len),
	};
}

static void
vnet_set(uint8_t *buf, uint16_t hdr_len, uint32_t len, const struct options *o)
{
	const struct vq_fmt f = {.swap = o->layout == VQ_SPLIT_SWAP ? VQ_SWAP_BE : VQ_SWAP_LE};
	struct pkt_vnet v = {0};
	struct net_hdr h;

	if (o->tso) {
		v.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		v.csum_start = L4_OFF;
		v.csum_offset = offsetof(struct tcp, csum);
		if (len > L4_OFF + sizeof(struct tcp) + TSO_MSS) {
			v.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
			v.hdr_len = L4_OFF + sizeof(struct tcp);
			v.gso_size = TSO_MSS;
		}
	}
	h = net_hdr_make(f, &v, 0);
	memcpy(buf, &h, hdr_len);
}

static void
headers_set(struct headers *h, const struct stream *s, uint32_t flow, uint32_t len,
	    const struct options *o)
{
	h->eth.dst_addr = mac_of(s->to->id, flow % o->macs);
	h->eth.src_addr = mac_of(s->from->id, flow % o->macs);
	h->eth.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	ip_set(&h->ip, s, len, o->tso);
	l4_set(h, flow, len, o->tso);
}

void
frame_headers(uint8_t *buf, const struct stream *s, uint32_t flow, uint32_t len,
	      const struct options *o)
{
	vnet_set(buf, s->from->hdr_len, len, o);
	headers_set((struct headers *)(buf + s->from->hdr_len), s, flow, len, o);
}

void
frame_patch(uint8_t *frame, const struct stream *s, uint32_t flow, const struct options *o)
{
	struct headers *h = (struct headers *)frame;

	h->eth.dst_addr = mac_of(s->to->id, flow % o->macs);
	h->eth.src_addr = mac_of(s->from->id, flow % o->macs);
	/* sport is at the same place in TCP and UDP; neither checksum covers it here */
	h->udp.sport = sport_of(flow);
}

void
frame_tag(uint8_t *frame, const struct stream *s, uint32_t flow, uint32_t seq, uint64_t tsc,
	  const struct options *o)
{
	const struct tag t = {TAG_MAGIC, s->id, flow, seq, tsc};

	memcpy(frame + tag_off(o), &t, sizeof(t));
}

void
frame_fill(uint8_t *frame, uint32_t len, uint32_t seq, const struct options *o)
{
	uint32_t at = tag_off(o) + sizeof(struct tag);
	uint64_t word = seq * 0x9e3779b97f4a7c15ull;

	for (; at + sizeof(word) <= len; at += sizeof(word), word++)
		memcpy(frame + at, &word, sizeof(word));
	memcpy(frame + at, &word, len - at);
}

bool
frame_parse(const uint8_t *frame, uint32_t len, struct tag *t, const struct options *o)
{
	uint32_t off = tag_off(o);

	if (len < off + sizeof(*t))
		return false;
	memcpy(t, frame + off, sizeof(*t));
	return t->magic == TAG_MAGIC;
}

/**
 * A TCP checksum is as it was sent, still to be finished, or was finished on
 * the way; then it is taken over into @p want.
 */
static bool
csum_accept(struct headers *want, const struct headers *got, uint32_t len)
{
	const uint32_t l4_len = len - (uint32_t)L4_OFF;
	const rte_be16_t csum = got->tcp.csum;
	uint32_t sum;

	if (csum == want->tcp.csum)
		return true;
	sum = sum16(&got->ip.src, 8, got->ip.proto + l4_len);
	sum = sum16(&got->tcp, l4_len & ~1u, sum);
	if (l4_len & 1)
		sum += (uint32_t)((const uint8_t *)got)[len - 1] << 8;
	want->tcp.csum = csum;
	return fold(sum) == 0xffff;
}

bool
frame_intact(const uint8_t *frame, uint32_t len, const struct tag *t, const struct stream *s,
	     const struct options *o)
{
	static uint8_t want[FRAME_MAX] __rte_cache_aligned;
	uint16_t total;

	if (len > FRAME_MAX)
		return false;
	/* the length that was sent is in the IP header, so a frame cut short shows */
	memcpy(&total, frame + sizeof(struct rte_ether_hdr) + offsetof(struct ipv4, total_length),
	       sizeof(total));
	if (rte_be_to_cpu_16(total) + sizeof(struct rte_ether_hdr) != len)
		return false;
	headers_set((struct headers *)want, s, t->flow, len, o);
	frame_tag(want, s, t->flow, t->seq, t->tsc, o);
	frame_fill(want, len, t->seq, o);
	if (o->tso && !csum_accept((struct headers *)want, (const struct headers *)frame, len))
		return false;
	return memcmp(want, frame, len) == 0;
}

uint32_t
frame_announce(uint8_t *buf, uint16_t hdr_len, uint32_t port, uint32_t mac)
{
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)(buf + hdr_len);

	memset(buf, 0, hdr_len + FRAME_MIN);
	memset(&eth->dst_addr, 0xff, sizeof(eth->dst_addr));
	eth->src_addr = mac_of(port, mac);
	eth->ether_type = RTE_BE16(ANNOUNCE_TYPE);
	return FRAME_MIN;
}

bool
frame_is_announce(const uint8_t *frame, uint32_t len)
{
	const struct rte_ether_hdr *eth = (const struct rte_ether_hdr *)frame;

	return len >= sizeof(*eth) && eth->ether_type == RTE_BE16(ANNOUNCE_TYPE);
}
