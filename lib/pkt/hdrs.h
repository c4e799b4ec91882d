/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The protocol headers of one frame: a private copy and where each one starts.
 *
 * A guest may rewrite its frame at any moment, so no decision depends on bytes in guest memory: the
 * first bytes are copied once, headers are found in and bounded by that copy. The Ethernet header
 * is the one rx() copied.
 */
#ifndef PKT_HDRS_H
#define PKT_HDRS_H

#include <stdbool.h>
#include <stdint.h>

#include "pkt/pkt.h"

#define PKT_HDRS_MAX 1024 /* longest headers that are handled */
#define PKT_HDRS_MOST 256 /* bytes copied unless IPv6 extensions continue behind them */
#define PKT_HDRS_L4 96    /* enough for the ports behind all but long IPv6 extension chains */
#define PKT_HDRS_MORE 8   /* room behind the copy: headers may grow by a fragment header */

struct pkt_hdrs {
	uint16_t n;      /* bytes copied, <= len of the frame */
	uint16_t l2_len; /* Ethernet and VLAN tags */
	uint16_t l3_len; /* IP with options or extensions; 0: not IP, or does not fit the copy */
	uint16_t l4_len; /* TCP or UDP; 0: neither, a fragment, or does not fit */
	uint16_t ether_type; /* behind the VLAN tags, host order */
	uint16_t next_off;   /* IPv6: where the number of the L4 protocol is */
	uint8_t proto;       /* behind the IP header, valid when l3_len is not 0 */
	bool fragment;       /* a fragment that is a part of its IP datagram only */
	bool later;          /* a fragment other than the first */
	bool frag_hdr;       /* IPv6: has a fragment header */
	bool plain;          /* no IPv6 extension header, no IPv4 source route with hops left */
	/* aligned, and so are the fields of the headers in it, whose lengths are even */
	uint8_t b[PKT_HDRS_MAX + PKT_HDRS_MORE] __rte_aligned(16);
};

/**
 * Copy the first @p max bytes of @p p, PKT_HDRS_L4 or PKT_HDRS_MOST, and find the headers in them.
 * With the latter more is copied, up to PKT_HDRS_MAX, when IPv6 extensions reach beyond it. Worker.
 */
void pkt_hdrs_read(struct pkt_hdrs *h, const struct pkt *p, uint32_t max);

/**
 * Let @p h describe the inner headers of a tunnel (VXLAN, Geneve, GRE, IP in IP); l2_len is then
 * the length of all bytes before the inner IP header. False: no tunnel, or the copy has no inner IP
 * header; @p h is unchanged.
 */
bool pkt_hdrs_enter(struct pkt_hdrs *h);

/**
 * Ones' complement sum, not inverted, of the pseudo header (RFC 8200 8.1) for @p l4_len bytes of
 * proto; needs l3_len. Its addresses are those of the ends: routing headers, source routes and home
 * addresses are looked at. False: the final destination is not in the frame or the route is
 * malformed; the sum then lacks it. Worker.
 */
bool pkt_hdrs_pseudo_sum(const struct pkt_hdrs *h, uint32_t l4_len, uint16_t *sum);

/** Sum of the two addresses in the pseudo header; an unknown one counts as 0. Worker. */
uint16_t pkt_hdrs_ends_sum(const struct pkt_hdrs *h);

/**
 * Read the IPv6 extension header of number @p proto at @p ext, 8 bytes of which are readable: its
 * length and the number of the header behind it. False: @p proto is no extension header. For
 * lib/pkt.
 */
bool pkt_ext_read(const uint8_t *ext, uint8_t proto, uint8_t *next, uint32_t *len);

/**
 * The source route option (RFC 791) of an IPv4 header of @p len bytes if the route has hops left,
 * or NULL. For lib/pkt.
 */
const uint8_t *pkt_ipv4_source_route(const uint8_t *ip, uint32_t len);

/**
 * Let @p p begin with @p h->b instead of its owner's memory, so that headers can
 * be rewritten: the frame is sent with the bytes that @p h has then. @p h must live as
 * long as the view; fragments come from @p batch. False: it has no room for one more.
 * p->eth stays the first 14 bytes and is rewritten separately.
 */
bool pkt_hdrs_attach(struct pkt_hdrs *h, struct pkt *p, struct pkt_batch *batch);

/**
 * The same for another view of a frame that others are sent, too: @p p and its fragments stay as
 * they are. False: @p batch has no room for the fragments.
 */
bool pkt_hdrs_view(struct pkt_hdrs *h, const struct pkt *p, struct pkt *view,
		   struct pkt_batch *batch);

/** Ones' complement sum, not inverted, of bytes [off, off + len), which lie inside the frame. */
uint16_t pkt_sum(const struct pkt *p, uint32_t off, uint32_t len);

static inline void *
pkt_hdrs_l3(struct pkt_hdrs *h)
{
	return h->b + h->l2_len;
}

static inline void *
pkt_hdrs_l4(struct pkt_hdrs *h)
{
	return h->b + h->l2_len + h->l3_len;
}

#endif
