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
#include "pkt/mbuf.h"

#define FRAG_UNIT 8u /* fragment offsets count in these */

/** The differences between kinds of segmentation. */
struct gso_kind {
	uint16_t need;
	uint16_t csum_offset; /* of the L4 checksum, 0: L4 is payload */
	void (*fix)(const struct gso_job *j, uint8_t *hdr);
};

static bool
is_last(const struct gso_job *j)
{
	return j->pos.off + j->len == j->payload;
}

static void
fix_tcp(const struct gso_job *j, uint8_t *hdr)
{
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(hdr + j->h.l2_len + j->h.l3_len);

	tcp->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(tcp->sent_seq) + j->pos.off);
	if (!is_last(j))
		tcp->tcp_flags &= (uint8_t) ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
	/* the sender reduced its window once, so one segment has CWR (RFC 3168 6.1.2) */
	if (j->pos.index != 0)
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

	if (j->pos.index == 0 && j->set_sum)
		memcpy(hdr + j->hdr_len + offsetof(struct rte_udp_hdr, dgram_cksum), &j->sum,
		       sizeof(j->sum));
	if (j->h.ether_type == RTE_ETHER_TYPE_IPV4) {
		ip = (struct rte_ipv4_hdr *)(hdr + j->h.l2_len);
		ip->fragment_offset = rte_cpu_to_be_16(
			(uint16_t)(more * RTE_IPV4_HDR_MF_FLAG + j->pos.off / FRAG_UNIT));
	} else {
		frag = (struct rte_ipv6_fragment_ext *)(hdr + j->hdr_len - sizeof(*frag));
		frag->frag_data =
			rte_cpu_to_be_16((uint16_t)RTE_IPV6_SET_FRAG_DATA(j->pos.off, more));
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
		ip->packet_id = rte_cpu_to_be_16(
			(uint16_t)(rte_be_to_cpu_16(ip->packet_id) + j->pos.index));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, j->h.l3_len);
}

/* Headers and the next len payload bytes in a (chained) mbuf. */
static struct rte_mbuf *
copy_segment(struct gso_job *j)
{
	struct rte_mbuf *head = rte_pktmbuf_alloc(j->mp), *m = head;
	uint32_t left = j->len, room;

	if (m == NULL || rte_pktmbuf_tailroom(m) < j->hdr_len + FRAG_UNIT)
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
		m->next = rte_pktmbuf_alloc(j->mp);
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
set_csum(const struct gso_job *j, struct rte_mbuf *m, struct pkt_vnet *vnet)
{
	uint16_t start = (uint16_t)(j->h.l2_len + j->h.l3_len);
	uint16_t field = (uint16_t)(start + j->kind->csum_offset);
	uint16_t sum;

	if (j->kind->csum_offset == 0 || j->no_sum)
		return true;
	sum = add_len(j->pseudo, j->hdr_len - start + j->len);
	memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, field), &sum, sizeof(sum));
	if (!j->partial)
		return pkt_mbuf_finish_csum(m, start, field);
	*vnet = (struct pkt_vnet){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = start,
		.csum_offset = j->kind->csum_offset,
	};
	return true;
}

/* A view on the current segment, appended to o. */
static bool
append(const struct gso_job *j, struct gso_out *o, struct rte_mbuf *m)
{
	struct pkt *view = &o->pkts[o->n];
	struct pkt_vnet vnet = {0};

	if (!set_csum(j, m, &vnet) || !pkt_from_mbuf(view, m, o->segs, o->nsegs))
		return false;
	o->segs += view->nsegs - 1;
	o->nsegs = (uint16_t)(o->nsegs - (view->nsegs - 1));
	view->vnet = vnet;
	view->need = vnet.flags != 0 ? PKT_NEED_CSUM : 0;
	view->hash = j->p->hash;
	o->n++;
	return true;
}

/* Make the current segment. */
static bool
emit(struct gso_job *j, struct gso_out *o)
{
	struct pkt_cursor at = j->c;
	struct rte_mbuf *m = copy_segment(j);
	uint8_t *hdr;

	if (m == NULL) {
		j->c = at;
		return false;
	}
	hdr = rte_pktmbuf_mtod(m, uint8_t *);
	j->kind->fix(j, hdr);
	fix_ip(j, hdr); /* last: it sums the header */
	if (!append(j, o, m)) {
		rte_pktmbuf_free(m);
		j->c = at;
		return false;
	}
	j->pos.off += j->len;
	j->pos.index++;
	return true;
}

/* IPv6 has an extension header for fragments; it goes in front of L4. */
static void
insert_ipv6_fragment_hdr(struct gso_job *j)
{
	struct rte_ipv6_fragment_ext frag = {
		.next_header = j->h.proto,
		.id = j->pos.id,
	};

	if (j->pos.index == 0)
		j->pos.id = frag.id = (uint32_t)rte_rand();
	j->h.b[j->h.next_off] = IPPROTO_FRAGMENT;
	memcpy(j->h.b + j->hdr_len, &frag, sizeof(frag));
	j->hdr_len += sizeof(frag);
}

static const struct gso_kind *
kind_of(const struct pkt *p)
{
	for (uint32_t i = 0; i < RTE_DIM(gso_kinds); i++)
		if ((p->need & gso_kinds[i].need) != 0)
			return &gso_kinds[i];
	return NULL;
}

/*
 * The pseudo header's sum, from the headers if they name the final destination, else from what the
 * sender left in the checksum's field for all of its payload. Without either, false.
 */
static bool
read_pseudo(struct gso_job *j)
{
	uint32_t start = (uint32_t)j->h.l2_len + j->h.l3_len;
	bool left = (j->p->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0;
	uint16_t field;

	memcpy(&field, j->h.b + start + j->kind->csum_offset, sizeof(field));
	j->no_sum = !left && field == 0 && j->h.proto == IPPROTO_UDP;
	if (j->no_sum || pkt_hdrs_pseudo_sum(&j->h, 0, &j->pseudo))
		return true;
	j->pseudo = add_len((uint32_t)field + UINT16_MAX - add_len(0, j->p->len - start), 0);
	return left;
}

/* Fragments are made below UDP, so its one checksum has to be complete before. */
static void
sum_datagram(struct gso_job *j)
{
	uint32_t start = (uint32_t)j->h.l2_len + j->h.l3_len;
	uint16_t sum;

	if ((j->p->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0 || j->pos.index != 0)
		return;
	sum = pkt_sum(j->p, start, j->p->len - start);
	j->sum = sum == UINT16_MAX ? UINT16_MAX : (uint16_t)~sum;
	j->set_sum = true;
}

static bool
plan_segments(struct gso_job *j)
{
	j->hdr_len = j->h.l2_len + j->h.l3_len + j->h.l4_len;
	return read_pseudo(j);
}

static bool
plan_fragments(struct gso_job *j)
{
	bool ip6 = j->h.ether_type == RTE_ETHER_TYPE_IPV6;
	uint32_t most = UINT16_MAX + (ip6 ? sizeof(struct rte_ipv6_hdr) : 0);

	/* the frame is a fragment itself, or its end is beyond the largest offset */
	if (j->h.frag_hdr || j->p->len - j->h.l2_len > most)
		return false;
	j->hdr_len = j->h.l2_len + j->h.l3_len;
	j->size = RTE_ALIGN_FLOOR(j->size, FRAG_UNIT);
	sum_datagram(j);
	if (ip6)
		insert_ipv6_fragment_hdr(j);
	return true;
}

bool
gso_begin(struct gso_job *j, const struct pkt *p, const struct gso_pos *pos)
{
	uint32_t skip;

	j->p = p;
	j->kind = kind_of(p);
	j->pos = *pos;
	j->size = p->vnet.gso_size;
	j->set_sum = false;
	j->no_sum = false;
	pkt_hdrs_read(&j->h, p, PKT_HDRS_MOST);
	/* headers other than those offload_check() saw: the batch has not paid for such a frame */
	if (j->kind == NULL || j->h.l4_len == 0 ||
	    p->vnet.hdr_len != j->h.l2_len + j->h.l3_len + j->h.l4_len)
		return false;
	if (!(j->kind->csum_offset != 0 ? plan_segments(j) : plan_fragments(j)))
		return false;
	skip = (uint32_t)j->h.l2_len + j->h.l3_len + (j->kind->csum_offset != 0 ? j->h.l4_len : 0);
	j->payload = p->len - skip;
	/* the guest may have made the headers longer since the last portion */
	j->pos.off = RTE_MIN(j->pos.off, j->payload);
	pkt_cursor_init(&j->c, p);
	pkt_cursor_skip(&j->c, skip + j->pos.off);
	return j->size != 0 && j->hdr_len - j->h.l2_len + j->size <= UINT16_MAX;
}

/* Whether the views on all mbufs of the current segment fit. */
static bool
fits(const struct gso_job *j, const struct gso_out *o)
{
	uint32_t room = rte_pktmbuf_data_room_size(j->mp) - RTE_PKTMBUF_HEADROOM;

	return o->n < o->max && (j->hdr_len + j->len) / room <= o->nsegs;
}

uint16_t
gso_next(struct gso_job *j, struct gso_out *o)
{
	o->n = 0;
	while (!gso_is_done(j)) {
		j->len = RTE_MIN(j->size, j->payload - j->pos.off);
		if (!fits(j, o) || !emit(j, o))
			break;
	}
	return o->n;
}
