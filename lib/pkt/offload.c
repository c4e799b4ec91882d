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
	p->need |= need | (h.plain ? 0 : PKT_NEED_EXT);
	v->hdr_len = (uint16_t)(h.l2_len + h.l3_len + h.l4_len);
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

struct rte_mbuf *
pkt_to_mbuf(struct rte_mempool *mp, const struct pkt *p)
{
	struct rte_mbuf *head = NULL, **link = &head, *m;
	struct pkt_cursor c;
	uint32_t len;

	pkt_cursor_init(&c, p);
	do {
		m = rte_pktmbuf_alloc(mp);
		if (unlikely(m == NULL)) {
			rte_pktmbuf_free(head);
			return NULL;
		}
		len = RTE_MIN(p->len - c.done, (uint32_t)rte_pktmbuf_tailroom(m));
		pkt_copy_next(&c, rte_pktmbuf_mtod(m, uint8_t *), len);
		m->data_len = (uint16_t)len;
		*link = m;
		link = &m->next;
		if (m != head)
			head->nb_segs++;
	} while (c.done < p->len);
	head->pkt_len = p->len;
	return head;
}

bool
pkt_from_mbuf(struct pkt *p, struct rte_mbuf *m, struct pkt_seg *segs, uint16_t nsegs)
{
	const struct rte_ether_hdr *eth;

	*p = (struct pkt){
		.data = rte_pktmbuf_mtod(m, uint8_t *),
		.segs = segs,
		.mbuf = m,
		.len = m->pkt_len,
		.data_len = m->data_len,
		.nsegs = m->nb_segs,
	};
	if (unlikely(m->nb_segs - 1u > nsegs))
		return false;
	eth = rte_pktmbuf_read(m, 0, sizeof(*eth), &p->eth);
	if (unlikely(eth == NULL))
		return false;
	if (likely(eth != &p->eth))
		p->eth = *eth;
	while ((m = m->next) != NULL)
		*segs++ = (struct pkt_seg){rte_pktmbuf_mtod(m, uint8_t *), m->data_len};
	return true;
}

/* Store a 16-bit word at any offset of a chain; the caller has checked that it lies inside. */
static void
mbuf_put16(struct rte_mbuf *m, uint32_t off, uint16_t val)
{
	const uint8_t *b = (const uint8_t *)&val;

	for (uint32_t i = 0; i < sizeof(val); i++, off++) {
		for (; off >= m->data_len; m = m->next)
			off -= m->data_len;
		*rte_pktmbuf_mtod_offset(m, uint8_t *, off) = b[i];
	}
}

/*
 * Ones' complement sum from @p off to the end of a chain. rte_raw_cksum_mbuf()
 * of 22.11 loses carries behind a segment of odd length.
 */
uint16_t
pkt_mbuf_sum(const struct rte_mbuf *m, uint32_t off)
{
	uint32_t sum = 0, done = 0;
	uint16_t part;

	for (; m != NULL; m = m->next) {
		if (off >= m->data_len) {
			off -= m->data_len;
			continue;
		}
		part = rte_raw_cksum(rte_pktmbuf_mtod_offset(m, uint8_t *, off), m->data_len - off);
		sum += (done & 1) != 0 ? rte_bswap16(part) : part;
		done += m->data_len - off;
		off = 0;
	}
	return __rte_raw_cksum_reduce(sum);
}

bool
pkt_mbuf_finish_csum(struct rte_mbuf *m, uint32_t start, uint32_t field)
{
	uint16_t sum;

	if (field + CSUM_SIZE > m->pkt_len || start >= m->pkt_len)
		return false;
	sum = pkt_mbuf_sum(m, start);
	/* 0 means "no checksum" to UDP; 0xffff is the same sum for all protocols */
	mbuf_put16(m, field, sum == 0xffff ? 0xffff : (uint16_t)~sum);
	return true;
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
