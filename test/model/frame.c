/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames of the model: a function of their number. */
#include <string.h>

#include <rte_ip.h>
#include <rte_tcp.h>

#include "model.h"

#define L4_OFF (RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr))
#define TCP_HDRS (L4_OFF + sizeof(struct rte_tcp_hdr))
#define MSS 1400

struct rng
rng_seed(uint64_t seed)
{
	/* neighbouring seeds must not give neighbouring streams; 0 is no state */
	return (struct rng){(seed + 1) * 0x9e3779b97f4a7c15ull | 1};
}

uint64_t
rng_next(struct rng *r)
{
	r->s ^= r->s >> 12;
	r->s ^= r->s << 25;
	r->s ^= r->s >> 27;
	return r->s * 0x2545f4914f6cdd1dull;
}

uint32_t
rng_below(struct rng *r, uint32_t n)
{
	return (uint32_t)((rng_next(r) >> 32) * n >> 32);
}

bool
rng_one_in(struct rng *r, uint32_t n)
{
	return rng_below(r, n) == 0;
}

/** Mostly small, sometimes as long as allowed; never too short for Ethernet and the number. */
static uint32_t
random_len(struct rng *r, uint32_t max)
{
	const uint32_t min = RTE_ETHER_HDR_LEN + sizeof(uint64_t);

	switch (rng_below(r, 8)) {
	case 0:
		return max;
	case 1:
		return min + rng_below(r, 8);
	case 2:
	case 3:
		return min + rng_below(r, max - min + 1);
	default:
		return min + rng_below(r, RTE_MIN(max - min + 1, 128u));
	}
}

static void
ip_tcp(struct model_frame *f)
{
	struct rte_ipv4_hdr ip = {
		.version_ihl = 0x45,
		.time_to_live = 64,
		.next_proto_id = IPPROTO_TCP,
		.total_length = rte_cpu_to_be_16((uint16_t)(f->len - RTE_ETHER_HDR_LEN)),
	};
	struct rte_tcp_hdr tcp = {.data_off = 5 << 4};

	memcpy(f->b + 12, (uint8_t[]){0x08, 0x00}, 2);
	memcpy(f->b + RTE_ETHER_HDR_LEN, &ip, sizeof(ip));
	memcpy(f->b + L4_OFF, &tcp, sizeof(tcp));
	f->vnet = (struct pkt_vnet){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = L4_OFF,
		.csum_offset = offsetof(struct rte_tcp_hdr, cksum),
	};
}

static void
fill(struct model_frame *f, struct rng *r)
{
	uint64_t word = rng_next(r);
	uint32_t at;

	for (at = 0; at + sizeof(word) <= f->len; at += sizeof(word), word += 0x0101010101010101ull)
		memcpy(f->b + at, &word, sizeof(word));
	memcpy(f->b + at, &word, f->len - at);
	/* neither multicast nor the zero address; the last EtherType of all */
	f->b[0] &= 0xfe;
	f->b[6] = (f->b[6] & 0xfc) | 2;
	memset(f->b + 12, 0xff, 2);
}

void
frame_make(struct model_frame *f, uint64_t seq, const struct frame_mix *mix)
{
	struct rng r = rng_seed(seq);
	const uint32_t kind = mix->offload ? rng_below(&r, 4) : 0;

	f->seq = seq;
	f->vnet = (struct pkt_vnet){0};
	f->len = random_len(&r, mix->max_len);
	if (kind == 3 && mix->tso_len != 0)
		f->len = MSS + rng_below(&r, mix->tso_len - MSS + 1);
	if (kind != 0)
		f->len = RTE_MAX(f->len, (uint32_t)(TCP_HDRS + sizeof(seq)));
	fill(f, &r);
	if (kind != 0)
		ip_tcp(f);
	if (kind == 3 && mix->tso_len != 0) {
		f->vnet.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
		f->vnet.hdr_len = TCP_HDRS;
		f->vnet.gso_size = MSS;
	}
	memcpy(f->b + f->len - sizeof(seq), &seq, sizeof(seq));
}
