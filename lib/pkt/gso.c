/* SPDX-License-Identifier: BSD-3-Clause */
#include "pkt/gso.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include <linux/virtio_net.h>

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_random.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "pkt/copy.h"
#include "pkt/hdrs.h"
#include "pkt/offload.h"

#define FRAG_UNIT 8u /* fragment offsets count in these */

struct gso_kind;

/** One frame being cut up. */
struct gso_job {
	const struct gso_kind *kind;
	struct pkt_hdrs h;   /* the headers every segment starts from */
	struct pkt_cursor c; /* the next payload byte */
	uint32_t hdr_len;    /* bytes of h.b in front of every segment */
	uint32_t size;       /* payload of all segments but the last */
	uint32_t payload;    /* payload of the frame */
	uint32_t off;        /* payload before the current segment */
	uint32_t len;        /* payload of the current segment */
	uint16_t index;      /* of the current segment */
	uint16_t pseudo;     /* sum of the pseudo header without a length */
};

/** What is special about a kind of segmentation. */
struct gso_kind {
	uint16_t need;
	uint16_t csum_offset; /* of the L4 checksum, 0: L4 is payload */
	void (*fix)(const struct gso_job *j, uint8_t *hdr);
};

static bool
is_last(const struct gso_job *j)
{
	return j->off + j->len == j->payload;
}

static void
fix_tcp(const struct gso_job *j, uint8_t *hdr)
{
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(hdr + j->h.l2_len + j->h.l3_len);

	tcp->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(tcp->sent_seq) + j->off);
	if (!is_last(j))
		tcp->tcp_flags &= (uint8_t) ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
	/* the window was reduced once, so it is said once (RFC 3168 6.1.2) */
	if (j->index != 0)
		tcp->tcp_flags &= (uint8_t)~RTE_TCP_CWR_FLAG;
}

static void
fix_udp(const struct gso_job *j, uint8_t *hdr)
{
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(hdr + j->h.l2_len + j->h.l3_len);

	udp->dgram_len = rte_cpu_to_be_16((uint16_t)(sizeof(*udp) + j->len));
}

static void
fix_fragment(const struct gso_job *j, uint8_t *hdr)
{
	uint16_t more = is_last(j) ? 0 : 1;
	struct rte_ipv6_fragment_ext *frag;
	struct rte_ipv4_hdr *ip;

	if (j->h.ether_type == RTE_ETHER_TYPE_IPV4) {
		ip = (struct rte_ipv4_hdr *)(hdr + j->h.l2_len);
		ip->fragment_offset = rte_cpu_to_be_16(
			(uint16_t)(more * RTE_IPV4_HDR_MF_FLAG + j->off / FRAG_UNIT));
	} else {
		frag = (struct rte_ipv6_fragment_ext *)(hdr + j->hdr_len - sizeof(*frag));
		frag->frag_data = rte_cpu_to_be_16((uint16_t)RTE_IPV6_SET_FRAG_DATA(j->off, more));
	}
}

static const struct gso_kind gso_kinds[] = {
	{PKT_NEED_TSO4 | PKT_NEED_TSO6, offsetof(struct rte_tcp_hdr, cksum), fix_tcp},
	{PKT_NEED_USO4 | PKT_NEED_USO6, offsetof(struct rte_udp_hdr, dgram_cksum), fix_udp},
	{PKT_NEED_UFO, 0, fix_fragment},
};

/* Lengths, identification and header checksum of the current segment's IP header. */
static void
fix_ip(const struct gso_job *j, uint8_t *hdr)
{
	uint32_t len = j->hdr_len - j->h.l2_len + j->len;
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(hdr + j->h.l2_len);
	struct rte_ipv6_hdr *ip6 = (struct rte_ipv6_hdr *)(hdr + j->h.l2_len);

	if (j->h.ether_type == RTE_ETHER_TYPE_IPV6) {
		ip6->payload_len = rte_cpu_to_be_16((uint16_t)(len - sizeof(*ip6)));
		return;
	}
	ip->total_length = rte_cpu_to_be_16((uint16_t)len);
	/* fragments share the datagram's number, segments are datagrams of their own */
	if (j->kind->csum_offset != 0)
		ip->packet_id =
			rte_cpu_to_be_16((uint16_t)(rte_be_to_cpu_16(ip->packet_id) + j->index));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, j->h.l3_len);
}

/* Headers and the next len payload bytes in a (chained) mbuf. */
static struct rte_mbuf *
copy_segment(struct gso_job *j, struct rte_mempool *mp)
{
	struct rte_mbuf *head = rte_pktmbuf_alloc(mp), *m = head;
	uint32_t left = j->len, room;

	if (m == NULL || rte_pktmbuf_tailroom(m) < j->hdr_len)
		goto fail;
	memcpy(rte_pktmbuf_mtod(m, uint8_t *), j->h.b, j->hdr_len);
	m->data_len = (uint16_t)j->hdr_len;
	for (;;) {
		room = RTE_MIN(left, (uint32_t)rte_pktmbuf_tailroom(m));
		pkt_copy_next(&j->c, rte_pktmbuf_mtod(m, uint8_t *) + m->data_len, room);
		m->data_len = (uint16_t)(m->data_len + room);
		left -= room;
		if (left == 0)
			break;
		m->next = rte_pktmbuf_alloc(mp);
		if (m->next == NULL)
			goto fail;
		m = m->next;
		head->nb_segs++;
	}
	head->pkt_len = j->hdr_len + j->len;
	return head;
fail:
	rte_pktmbuf_free(head);
	return NULL;
}

/* @p sum with the length of a pseudo header, L4 and payload, added to it. */
static uint16_t
add_len(uint32_t sum, uint32_t len)
{
	sum += rte_cpu_to_be_16((uint16_t)(len >> 16));
	sum += rte_cpu_to_be_16((uint16_t)len);
	return __rte_raw_cksum_reduce(sum);
}

/* The L4 checksum: complete, or left to a receiver that takes it partial. */
static bool
set_csum(const struct gso_job *j, struct gso_out *o, struct rte_mbuf *m, struct pkt_vnet *vnet)
{
	uint16_t start = (uint16_t)(j->h.l2_len + j->h.l3_len);
	uint16_t field = (uint16_t)(start + j->kind->csum_offset);
	uint16_t sum;

	if (j->kind->csum_offset == 0)
		return true;
	sum = add_len(j->pseudo, j->hdr_len - start + j->len);
	memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, field), &sum, sizeof(sum));
	if (!o->partial)
		return pkt_mbuf_finish_csum(m, start, field);
	*vnet = (struct pkt_vnet){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = start,
		.csum_offset = j->kind->csum_offset,
	};
	return true;
}

/* Make the current segment and append it to o. */
static bool
emit(struct gso_job *j, struct gso_out *o, const struct pkt *p)
{
	struct pkt *view = &o->pkts[o->n];
	struct pkt_vnet vnet = {0};
	struct rte_mbuf *m = copy_segment(j, o->mp);
	uint8_t *hdr;

	if (m == NULL)
		return false;
	hdr = rte_pktmbuf_mtod(m, uint8_t *);
	j->kind->fix(j, hdr);
	fix_ip(j, hdr); /* last: it sums the header */
	if (!set_csum(j, o, m, &vnet) || !pkt_from_mbuf(view, m, o->segs, o->nsegs)) {
		rte_pktmbuf_free(m);
		return false;
	}
	o->segs += view->nsegs - 1;
	o->nsegs = (uint16_t)(o->nsegs - (view->nsegs - 1));
	view->vnet = vnet;
	view->need = vnet.flags != 0 ? PKT_NEED_CSUM : 0;
	view->hash = p->hash;
	o->n++;
	return true;
}

/* IPv6 says "fragment" in an extension header of its own, put in front of L4. */
static void
insert_ipv6_fragment_hdr(struct gso_job *j)
{
	struct rte_ipv6_fragment_ext frag = {
		.next_header = j->h.proto,
		.id = (uint32_t)rte_rand(),
	};

	j->h.b[j->h.next_off] = IPPROTO_FRAGMENT;
	memcpy(j->h.b + j->hdr_len, &frag, sizeof(frag));
	j->hdr_len += sizeof(frag);
}

/*
 * The pseudo header's sum, from the headers if they name the final destination, else from what the
 * sender left in the checksum's field for all of its payload.
 */
static void
read_pseudo(struct gso_job *j, const struct pkt *p)
{
	uint32_t start = (uint32_t)j->h.l2_len + j->h.l3_len;
	uint16_t sum;

	if (!pkt_hdrs_pseudo_sum(&j->h, 0, &j->pseudo)) {
		memcpy(&sum, j->h.b + start + j->kind->csum_offset, sizeof(sum));
		j->pseudo = add_len((uint32_t)sum + UINT16_MAX - add_len(0, p->len - start), 0);
	}
}

/* Read the headers and decide on the cuts; false when the frame is not what it claims to be. */
static bool
plan(struct gso_job *j, const struct pkt *p)
{
	bool ip6_fragments;

	pkt_hdrs_read(&j->h, p, PKT_HDRS_MOST);
	ip6_fragments = j->kind->csum_offset == 0 && j->h.ether_type == RTE_ETHER_TYPE_IPV6;
	/* what is a fragment already has its place in another datagram */
	if (j->h.l3_len == 0 || j->h.l4_len == 0 || (ip6_fragments && j->h.frag_hdr))
		return false;
	j->hdr_len = j->h.l2_len + j->h.l3_len;
	j->size = p->vnet.gso_size;
	if (j->kind->csum_offset != 0) {
		j->hdr_len += j->h.l4_len;
		read_pseudo(j, p);
	} else {
		j->size = RTE_ALIGN_FLOOR(j->size, FRAG_UNIT);
	}
	j->payload = p->len - j->hdr_len;
	pkt_cursor_init(&j->c, p);
	pkt_cursor_skip(&j->c, j->hdr_len);
	if (ip6_fragments)
		insert_ipv6_fragment_hdr(j);
	return j->size != 0 && j->hdr_len - j->h.l2_len + j->size <= UINT16_MAX;
}

static const struct gso_kind *
kind_of(const struct pkt *p)
{
	for (uint32_t i = 0; i < RTE_DIM(gso_kinds); i++)
		if ((p->need & gso_kinds[i].need) != 0)
			return &gso_kinds[i];
	return NULL;
}

bool
gso_segment(struct gso_out *o, const struct pkt *p)
{
	struct gso_job j = {.kind = kind_of(p)};

	o->n = 0;
	if (j.kind == NULL || !plan(&j, p) || j.payload > (uint64_t)j.size * o->max)
		return false;
	do {
		j.len = RTE_MIN(j.size, j.payload - j.off);
		if (!emit(&j, o, p)) {
			offload_free(o->pkts, o->n);
			o->n = 0;
			return false;
		}
		j.off += j.len;
		j.index++;
	} while (j.off < j.payload);
	return true;
}
