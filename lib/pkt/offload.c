/* SPDX-License-Identifier: BSD-3-Clause */
#include "pkt/offload.h"

#include <netinet/in.h>
#include <stddef.h>

#include <linux/virtio_net.h>

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "pkt/copy.h"
#include "pkt/gso.h"
#include "pkt/hdrs.h"
#include "pkt/mbuf.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define CSUM_SIZE 2u

/* Frames that a gso type is for. An ether_type of 0 ends the alternatives of a type. */
static const struct gso_type {
	uint16_t ether_type;
	uint8_t proto;
	uint16_t need;
} gso_types[][2] = {
	[VIRTIO_NET_HDR_GSO_TCPV4] = {{RTE_ETHER_TYPE_IPV4, IPPROTO_TCP, PKT_NEED_TSO4}},
	[VIRTIO_NET_HDR_GSO_TCPV6] = {{RTE_ETHER_TYPE_IPV6, IPPROTO_TCP, PKT_NEED_TSO6}},
	[VIRTIO_NET_HDR_GSO_UDP] = {{RTE_ETHER_TYPE_IPV4, IPPROTO_UDP, PKT_NEED_UFO},
				    {RTE_ETHER_TYPE_IPV6, IPPROTO_UDP, PKT_NEED_UFO}},
	[VIRTIO_NET_HDR_GSO_UDP_L4] = {{RTE_ETHER_TYPE_IPV4, IPPROTO_UDP, PKT_NEED_USO4},
				       {RTE_ETHER_TYPE_IPV6, IPPROTO_UDP, PKT_NEED_USO6}},
};

static uint16_t
gso_need(uint8_t type, const struct pkt_hdrs *h)
{
	if (type >= RTE_DIM(gso_types))
		return 0;
	for (uint32_t i = 0; i < RTE_DIM(gso_types[0]); i++) {
		const struct gso_type *t = &gso_types[type][i];

		if (t->ether_type != 0 && t->ether_type == h->ether_type && t->proto == h->proto)
			return t->need;
	}
	return 0;
}

/*
 * Nothing to cut, even if a segment of that size would be more than IP can say. To UFO the
 * UDP header is payload. Linux takes such a frame as one that needs no cutting, too.
 */
static bool
is_one_segment(const struct pkt *p, const struct pkt_hdrs *h)
{
	bool ufo = (p->vnet.gso_type & ~VIRTIO_NET_HDR_GSO_ECN) == VIRTIO_NET_HDR_GSO_UDP;
	uint32_t hdr_len = (uint32_t)h->l2_len + h->l3_len + (ufo ? 0 : h->l4_len);

	return p->len - hdr_len <= p->vnet.gso_size;
}

static bool
check_gso(struct pkt *p)
{
	struct pkt_vnet *v = &p->vnet;
	uint8_t type = v->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
	uint32_t csum_offset;
	struct pkt_hdrs h;
	uint16_t need;

	if (v->gso_size == 0)
		return false;
	pkt_hdrs_read(&h, p, PKT_HDRS_MOST);
	need = gso_need(type, &h);
	if (need == 0 || h.l4_len == 0)
		return false;
	csum_offset = h.proto == IPPROTO_TCP ? offsetof(struct rte_tcp_hdr, cksum)
					     : offsetof(struct rte_udp_hdr, dgram_cksum);
	if (p->need == 0) {
		need |= PKT_NEED_SUM;
		v->csum_start = (uint16_t)(h.l2_len + h.l3_len);
		v->csum_offset = (uint16_t)csum_offset;
	}
	if (v->csum_start != h.l2_len + h.l3_len || v->csum_offset != csum_offset)
		return false;
	if (v->gso_type & VIRTIO_NET_HDR_GSO_ECN) {
		if (h.proto != IPPROTO_TCP)
			return false;
		need |= PKT_NEED_ECN;
	}
	v->hdr_len = (uint16_t)(h.l2_len + h.l3_len + h.l4_len);
	if (unlikely(is_one_segment(p, &h))) {
		v->gso_type = VIRTIO_NET_HDR_GSO_NONE;
		v->gso_size = 0;
		if (p->need == 0)
			*v = (struct pkt_vnet){0};
		return true;
	}
	p->need |= need | (h.plain ? 0 : PKT_NEED_EXT);
	return true;
}

bool
offload_check(struct pkt *p)
{
	struct pkt_vnet *v = &p->vnet;

	/* DATA_VALID is for the receiving side to set; a guest's is not believed */
	v->flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
	p->need = 0;
	if (v->flags != 0) {
		if (unlikely((uint32_t)v->csum_start + v->csum_offset + CSUM_SIZE > p->len ||
			     v->csum_start < RTE_ETHER_HDR_LEN))
			return false;
		p->need = PKT_NEED_CSUM;
	}
	if (unlikely(v->hdr_len > p->len))
		return false;
	return likely(v->gso_type == VIRTIO_NET_HDR_GSO_NONE) || check_gso(p);
}

/* One mbuf-backed view with a complete checksum. */
static uint16_t
finish_csum(struct rte_mempool *mp, const struct pkt *p, struct pkt *out, struct pkt_seg *segs,
	    uint16_t nsegs)
{
	struct rte_mbuf *m = pkt_to_mbuf(mp, p);

	if (m == NULL)
		return 0;
	if (!pkt_mbuf_finish_csum(m, p->vnet.csum_start,
				  (uint32_t)p->vnet.csum_start + p->vnet.csum_offset) ||
	    !pkt_from_mbuf(out, m, segs, nsegs)) {
		rte_pktmbuf_free(m);
		return 0;
	}
	out->hash = p->hash;
	return 1;
}

bool
offload_begin(struct offload_work *o, struct rte_mempool *mp, const struct pkt *p, uint32_t accept,
	      const struct gso_pos *pos)
{
	const uint32_t cuts = PKT_NEED_GSO | PKT_NEED_ECN | PKT_NEED_EXT | PKT_NEED_SUM;
	const struct gso_pos start = {0};

	o->job.mp = mp;
	o->job.p = p;
	o->job.pos = start;
	o->job.partial = (accept & PKT_NEED_CSUM) != 0;
	if (!o->job.partial)
		accept = 0; /* segmentation offloads require it */
	o->cut = pos != NULL || (p->need & cuts & ~accept) != 0;
	o->done = false;
	return !o->cut || gso_begin(&o->job, p, pos != NULL ? pos : &start);
}

uint16_t
offload_next(struct offload_work *o, struct pkt *out, uint16_t max, struct pkt_seg *segs,
	     uint16_t nsegs)
{
	struct gso_out g = {.pkts = out, .max = max, .segs = segs, .nsegs = nsegs};
	uint16_t n;

	if (o->done || max == 0)
		return 0;
	if (!o->cut) {
		n = finish_csum(o->job.mp, o->job.p, out, segs, nsegs);
		o->done = n != 0;
		return n;
	}
	n = gso_next(&o->job, &g);
	o->done = gso_is_done(&o->job);
	return n;
}

void
offload_free(struct pkt *pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		rte_pktmbuf_free(pkts[i].mbuf);
}
