/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The usual tunnel frame, found, checked and stripped in one look: IPv4 without options, whole, in
 * one segment, no UDP checksum, no congestion. outer.h deals with all frames, and says the same of
 * these.
 *
 * No state; any thread, on frames that are its own.
 */
#ifndef VXLAN_PLAIN_H
#define VXLAN_PLAIN_H

#include <netinet/in.h>
#ifdef __AVX512BW__
#include <immintrin.h>
#endif
#include <stddef.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include "pkt/pkt.h"
#include "vxlan/outer.h"

#define PLAIN_ECN 3    /* of the type of service */
#define PLAIN_MARKED 1 /* set in the congestion marks that change the inner frame */

/** Its header, unaligned in the frame: DPDK 24.11 aligns its own structs to two bytes. */
struct plain {
	uint8_t eth[RTE_ETHER_HDR_LEN];
	struct {
		uint8_t version_ihl, type_of_service;
		rte_be16_t total_length, packet_id, fragment_offset;
		uint8_t time_to_live, next_proto_id;
		rte_be16_t hdr_checksum;
		uint8_t src_addr[4], dst_addr[4];
	} __rte_packed ip;
	struct {
		rte_be16_t src_port, dst_port, dgram_len, dgram_cksum;
	} __rte_packed udp;
	struct {
		rte_be32_t vx_flags, vx_vni;
	} __rte_packed vxlan;
} __rte_packed;

static_assert(sizeof(struct plain) == OUTER_LEN_V4, "the header of a plain frame");

/* With the inner Ethernet header behind it, a line. */
#define PLAIN_LINE 64
#define PLAIN_PARTS 4

static_assert(sizeof(struct plain) + RTE_ETHER_HDR_LEN == PLAIN_LINE, "what is looked at at once");

typedef uint8_t plain_part __attribute__((vector_size(16), aligned(1), may_alias));

/** Bits of a frame's first line. */
struct plain_line {
	plain_part part[PLAIN_PARTS];
} __rte_aligned(PLAIN_LINE);

/** The bytes that all frames of one VTEP and VNI to one address of ours have in common. */
struct plain_key {
	struct plain_line line;
	uint64_t sum; /* of those that are in the IPv4 header, as its checksum adds them up */
};

/* clang-format off */
static const struct plain_line plain_mask = {{
	/* Ethernet type, version, type of service */
	{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff},
	/* fragment, protocol; addresses */
	{0, 0, 0, 0, 0xff, 0xff, 0, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	/* rest of them; UDP destination, checksum, VXLAN flag, VNI */
	{0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff, 0x08, 0, 0, 0, 0xff, 0xff},
	{0xff},
}};
/* clang-format on */

/* The words of the IPv4 header that are in no key: length and number; life, protocol and sum. */
static inline uint64_t
plain_free_sum(const struct plain *h)
{
	uint32_t word[2];

	memcpy(&word[0], &h->ip.total_length, sizeof(word[0]));
	memcpy(&word[1], &h->ip.time_to_live, sizeof(word[1]));
	return (uint64_t)word[0] + word[1];
}

static inline void
plain_key_of(const struct plain *h, struct plain_key *key)
{
	const plain_part *b = (const plain_part *)h;

	for (uint32_t i = 0; i < PLAIN_PARTS; i++)
		key->line.part[i] = b[i] & plain_mask.part[i];
	key->sum = 0;
	for (uint32_t i = 0; i < sizeof(h->ip); i += sizeof(uint16_t)) {
		uint16_t word;

		memcpy(&word, (const uint8_t *)&h->ip + i, sizeof(word));
		key->sum += word;
	}
	/* modulo 65535, of which this is a multiple */
	key->sum += 2 * UINT64_C(0xffffffff) - plain_free_sum(h);
}

/** Whether the header of a frame that is long enough has this key. */
static __rte_always_inline bool
plain_has_key(const struct plain *h, const struct plain_key *key)
{
#ifdef __AVX512BW__
	__m512i differ = _mm512_xor_si512(_mm512_loadu_si512(h), _mm512_load_si512(&key->line));

	return _mm512_test_epi8_mask(differ, _mm512_load_si512(&plain_mask)) == 0;
#else
	const plain_part *b = (const plain_part *)h;
	plain_part differ = {0};
	uint64_t word[2];

	for (uint32_t i = 0; i < PLAIN_PARTS; i++)
		differ |= (b[i] & plain_mask.part[i]) ^ key->line.part[i];
	memcpy(word, &differ, sizeof(word));
	return (word[0] | word[1]) == 0;
#endif
}

/** Whether a frame is in one segment with room for an inner frame behind the header. */
static inline bool
plain_fits(const struct pkt *p)
{
	return p->nsegs == 1 && p->len >= PLAIN_LINE && (p->need & PKT_NEED_GSO) == 0;
}

/** Of a frame that fits. */
static inline const struct plain *
plain_header(const struct pkt *p)
{
	return (const struct plain *)p->data;
}

/** Whether the parts in its key are those of a plain frame. */
static inline bool
plain_check(const struct pkt *p, const struct plain *h)
{
	return p->eth.ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4) &&
	       memcmp(h->eth + RTE_ETHER_HDR_LEN - sizeof(p->eth.ether_type), &p->eth.ether_type,
		      sizeof(p->eth.ether_type)) == 0 &&
	       h->ip.version_ihl == RTE_IPV4_VHL_DEF && h->ip.next_proto_id == IPPROTO_UDP &&
	       (h->ip.fragment_offset &
		RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) == 0 &&
	       (h->ip.type_of_service & PLAIN_MARKED) == 0 && h->udp.dgram_cksum == 0 &&
	       (h->vxlan.vx_flags & RTE_BE32(OUTER_VNI_FLAG)) != 0;
}

/** The second half of four bytes. To swap all takes one operation, to swap two takes three. */
static inline uint32_t
plain_low_half(const void *b)
{
	rte_be32_t word;

	memcpy(&word, b, sizeof(word));
	return (uint16_t)rte_be_to_cpu_32(word);
}

/** Bytes of the inner frame, 0: lengths or the header's checksum are wrong. @p key: its own. */
static __rte_always_inline uint32_t
plain_inner_len(const struct pkt *p, const struct plain *h, const struct plain_key *key)
{
	uint32_t total = plain_low_half(&h->ip);
	uint32_t len = plain_low_half(&h->udp.dst_port);

	/* the sum is right if it is 0 modulo 65535; it is not 0 itself */
	if (len < sizeof(h->udp) + sizeof(h->vxlan) + RTE_ETHER_HDR_LEN ||
	    len + (uint32_t)sizeof(h->ip) > total ||
	    len + (uint32_t)(RTE_ETHER_HDR_LEN + sizeof(h->ip)) > p->len ||
	    (key->sum + plain_free_sum(h)) % UINT16_MAX != 0)
		return 0;
	return len - (uint32_t)(sizeof(h->udp) + sizeof(h->vxlan));
}

/** The parts that differ among frames of one template. */
struct plain_frame {
	uint16_t len; /* of the inner frame */
	uint8_t ecn;  /* its congestion mark */
	uint32_t hash;
};

/** As outer_put() with a template that is plain, to @p b. */
static inline void
plain_put(const struct outer *o, uint8_t *b, const struct plain_frame *f)
{
	struct plain *h = (struct plain *)b;
	uint16_t len = (uint16_t)(f->len + sizeof(*h) - RTE_ETHER_HDR_LEN);
	uint32_t sum = (uint32_t)o->ip_sum + rte_cpu_to_be_16(len) + rte_cpu_to_be_16(f->ecn);

	memcpy(b, o->b, sizeof(*h));
	h->ip.type_of_service = f->ecn;
	h->ip.total_length = rte_cpu_to_be_16(len);
	sum = (sum & 0xffff) + (sum >> 16);
	h->ip.hdr_checksum = (uint16_t) ~(sum + (sum >> 16));
	h->udp.src_port = outer_source_port(f->hash);
	h->udp.dgram_len = rte_cpu_to_be_16((uint16_t)(len - sizeof(h->ip)));
}

/** As outer_strip(), of a frame that is plain. */
static inline void
plain_strip(struct pkt *p, uint32_t inner_len)
{
	static const struct {
		struct pkt_vnet vnet;
		uint16_t nsegs;
		uint32_t hash;
	} rest = {.nsegs = 1};

	static_assert(offsetof(struct pkt, vnet) + sizeof(rest) == sizeof(*p), "the rest of it");
	p->data += sizeof(struct plain);
	p->data_len = inner_len;
	p->len = inner_len;
	pkt_read_eth(p, p->data);
	memcpy((uint8_t *)p + offsetof(struct pkt, vnet), &rest, sizeof(rest));
}

/** The same as outer_find() and outer_check() say of the ends of a frame that is plain. */
static inline void
plain_outer(const struct plain *h, struct outer_in *o)
{
	*o = (struct outer_in){.src.len = sizeof(h->ip.src_addr),
			       .dst.len = sizeof(h->ip.dst_addr),
			       .vni = rte_be_to_cpu_32(h->vxlan.vx_vni) >> 8,
			       .port = rte_be_to_cpu_16(h->udp.dst_port)};
	memcpy(o->src.addr, h->ip.src_addr, sizeof(h->ip.src_addr));
	memcpy(o->dst.addr, h->ip.dst_addr, sizeof(h->ip.dst_addr));
}

#endif
