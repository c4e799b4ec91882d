/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Outer headers of tunnel frames: Ethernet, IPv4 or IPv6, UDP, VXLAN (RFC 7348).
 *
 * Way out: a template for each VTEP and VNI, made once, is written backwards into the headroom of
 * an mbuf that has the inner frame. Way in: outer_find() recognizes a tunnel frame,
 * outer_check() checks it, outer_strip() has the view begin at the inner frame. Only this file
 * knows the headers; the rest deals with VNIs, VTEPs and lengths.
 *
 * No state; any thread, on frames that are its own.
 */
#ifndef VXLAN_OUTER_H
#define VXLAN_OUTER_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_byteorder.h>

#include "evpn/ip.h"
#include "pkt/pkt.h"

struct rte_mbuf;

#define OUTER_LEN_V4 50 /* bytes in front of the inner frame */
#define OUTER_LEN_V6 70
#define OUTER_MAX 128 /* the longest header read: IPv4 with all options, VXLAN */
#define OUTER_VNI_MAX 0xffffff
#define OUTER_VNI_FLAG 0x08000000 /* in the first word of the VXLAN header: it has a VNI */
#define OUTER_VXLAN_PORT 4789

/** A way for frames of a VNI to a VTEP. */
struct outer_config {
	struct rte_ether_addr src_mac, dst_mac;
	struct evpn_ip src, dst; /* of one family */
	uint32_t vni;            /* <= OUTER_VNI_MAX */
	uint16_t port;           /* UDP destination, host order */
	uint32_t mtu;            /* of IP packets on the way */
	bool checksum;           /* UDP's over IPv4, too; over IPv6 there always is one */
};

/** The template. [fixed] */
struct outer {
	uint16_t len;     /* OUTER_LEN_V4 or OUTER_LEN_V6 */
	uint16_t ip_sum;  /* IPv4: of the header without length and ECN, not inverted */
	uint16_t udp_sum; /* of the pseudo header without the length */
	bool checksum;
	bool plain;       /* over IPv4 without UDP's checksum: plain.h */
	uint32_t max_len; /* longest inner frame */
	uint8_t b[OUTER_LEN_V6 + 2] __rte_aligned(16);
};

/** UDP source, network order, for an inner flow (RFC 7348 5: the dynamic ports). */
static inline rte_be16_t
outer_source_port(uint32_t hash)
{
	return rte_cpu_to_be_16((uint16_t)(0xc000 | (hash & 0x3fff)));
}

void outer_make(struct outer *o, const struct outer_config *c);

/** Bytes of the longest inner frame for an MTU of the way, 0: none fits. */
uint32_t outer_room(bool ip6, uint32_t mtu);

/**
 * Put the header in front of the inner frame in @p m, which is the caller's alone and has a
 * headroom of o->len. @p hash: of the inner flow, chooses the source port.
 */
void outer_put(const struct outer *o, struct rte_mbuf *m, uint32_t hash);

/** A tunnel frame, as its header says. */
struct outer_in {
	struct evpn_ip src, dst;
	uint32_t vni;
	uint16_t port;      /* UDP destination, host order */
	uint16_t len;       /* bytes in front of the inner frame */
	uint32_t inner_len; /* set by outer_check() */
	uint8_t ecn;
	uint8_t l3_len;
};

/**
 * The addresses and the port of a UDP datagram, or of the first fragment of one, to @p o. False:
 * @p p is none, or does not have that much; it is not for us.
 */
bool outer_find(const struct pkt *p, struct outer_in *o);

/**
 * Check the header of a frame that outer_find() knows: lengths, checksums, fragments, the VNI flag.
 * False: to be dropped as DROP_RX_OUTER.
 */
bool outer_check(const struct pkt *p, struct outer_in *o);

/**
 * Have the view begin at the inner frame and end with it; the congestion mark of the outer header
 * is put into the inner one (RFC 6040). False: to be dropped as DROP_RX_ECN, @p p is as it was.
 */
bool outer_strip(struct pkt *p, const struct outer_in *o);

#endif
