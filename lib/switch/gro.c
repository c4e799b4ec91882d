/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: workers. */
#include "switch/gro.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include <linux/virtio_net.h>

#include <rte_ip.h>
#include <rte_tcp.h>

#define IP_LEN_MAX UINT16_MAX
#define NONE UINT16_MAX

/** The place of a segment in its flow, in host order. */
struct gro_segment {
	struct pkt_hdrs *h;
	uint32_t seq;
	uint16_t hdr_len; /* Ethernet to TCP with options */
	uint16_t len;     /* payload */
	bool ends;        /* nothing is to be joined to it */
};

/** Segments being joined; its first frame stands for all. */
struct gro_run {
	struct pkt *p;
	struct pkt_hdrs *h;
	uint32_t next;                /* sequence number that would go on */
	uint16_t size;                /* payload of each but the last */
	uint16_t first, last, frames; /* in the batch */
	bool closed;
};

/** All of a batch. */
struct gro_table {
	uint16_t n;
	struct gro_run run[PKT_BATCH_MAX];
	uint16_t next[PKT_BATCH_MAX]; /* frame of the same run, by frame */
};

/* A segment with nothing but data, without padding behind it. */
static bool
read_segment(struct gro_segment *s, struct pkt_hdrs *h, const struct pkt *p)
{
	const struct rte_ipv4_hdr *ip = pkt_hdrs_l3(h);
	const struct rte_tcp_hdr *tcp = pkt_hdrs_l4(h);
	uint8_t flags;

	if (h->ether_type != RTE_ETHER_TYPE_IPV4 || h->proto != IPPROTO_TCP || h->l4_len == 0 ||
	    (p->need & ~PKT_NEED_CSUM) != 0 || h->l3_len != sizeof(*ip) ||
	    (uint32_t)h->l2_len + rte_be_to_cpu_16(ip->total_length) != p->len)
		return false;
	flags = tcp->tcp_flags;
	s->h = h;
	s->hdr_len = (uint16_t)(h->l2_len + h->l3_len + h->l4_len);
	s->len = (uint16_t)(p->len - s->hdr_len);
	s->seq = rte_be_to_cpu_32(tcp->sent_seq);
	s->ends = (flags & RTE_TCP_PSH_FLAG) != 0;
	return s->len != 0 && (flags & (uint8_t)~RTE_TCP_PSH_FLAG) == RTE_TCP_ACK_FLAG;
}

/* Addresses and ports are the same; @p b is IPv4 without options. */
static bool
same_flow(struct pkt_hdrs *a, struct pkt_hdrs *b)
{
	const struct rte_ipv4_hdr *x = pkt_hdrs_l3(a), *y = pkt_hdrs_l3(b);

	return a->l3_len == b->l3_len && a->ether_type == b->ether_type &&
	       x->src_addr == y->src_addr && x->dst_addr == y->dst_addr &&
	       memcmp(pkt_hdrs_l4(a), pkt_hdrs_l4(b), 2 * sizeof(uint16_t)) == 0;
}

/* All that segmentation would make of one header is the same: what it copies. */
static bool
same_headers(struct pkt_hdrs *a, struct pkt_hdrs *b)
{
	const struct rte_ipv4_hdr *x = pkt_hdrs_l3(a), *y = pkt_hdrs_l3(b);
	const struct rte_tcp_hdr *s = pkt_hdrs_l4(a), *t = pkt_hdrs_l4(b);

	return a->l2_len == b->l2_len && a->l4_len == b->l4_len &&
	       memcmp(a->b + RTE_ETHER_HDR_LEN, b->b + RTE_ETHER_HDR_LEN,
		      a->l2_len - RTE_ETHER_HDR_LEN) == 0 &&
	       x->type_of_service == y->type_of_service && x->time_to_live == y->time_to_live &&
	       x->fragment_offset == y->fragment_offset && s->recv_ack == t->recv_ack &&
	       s->rx_win == t->rx_win && memcmp(s + 1, t + 1, a->l4_len - sizeof(*s)) == 0;
}

static bool
continues(const struct gro_run *r, const struct gro_segment *s, const struct pkt *p)
{
	return !r->closed && s->seq == r->next && s->len <= r->size && same_headers(r->h, s->h) &&
	       p->eth.ether_type == r->p->eth.ether_type &&
	       rte_is_same_ether_addr(&p->eth.src_addr, &r->p->eth.src_addr) &&
	       rte_is_same_ether_addr(&p->eth.dst_addr, &r->p->eth.dst_addr) &&
	       r->p->len - r->h->l2_len + s->len <= IP_LEN_MAX;
}

static void
begin(struct gro_table *t, const struct gro_segment *s, struct pkt *p, uint16_t i)
{
	t->next[i] = NONE;
	t->run[t->n++] = (struct gro_run){
		.p = p,
		.h = s->h,
		.next = s->seq + s->len,
		.size = s->len,
		.first = i,
		.last = i,
		.frames = 1,
		.closed = s->ends,
	};
}

static void
append(struct gro_table *t, struct gro_run *r, const struct gro_segment *s, uint16_t i)
{
	struct rte_tcp_hdr *head = pkt_hdrs_l4(r->h);
	const struct rte_tcp_hdr *tcp = pkt_hdrs_l4(s->h);

	t->next[r->last] = i;
	t->next[i] = NONE;
	r->last = i;
	r->frames++;
	r->next += s->len;
	r->p->len += s->len;
	r->closed = s->ends || s->len < r->size;
	head->tcp_flags |= tcp->tcp_flags;
}

/* True: the frame has become part of an earlier one. */
static bool
join(struct gro_table *t, struct pkt *p, struct pkt_hdrs *h, uint16_t i, bool sound)
{
	struct gro_segment s = {0};
	bool whole = sound && read_segment(&s, h, p);

	if (h->l4_len == 0)
		return false;
	for (uint16_t k = 0; k < t->n; k++) {
		struct gro_run *r = &t->run[k];

		if (r->closed || !same_flow(r->h, h))
			continue;
		if (whole && continues(r, &s, p)) {
			append(t, r, &s, i);
			return true;
		}
		r->closed = true; /* a flow keeps its order */
	}
	if (whole)
		begin(t, &s, p, i);
	return false;
}

/* --- from a run to a frame --- */

static uint16_t
add_payload(struct pkt_seg *segs, const struct pkt *p, uint32_t skip)
{
	uint16_t n = 0;

	if (p->data_len > skip)
		segs[n++] = (struct pkt_seg){p->data + skip, p->data_len - skip};
	for (uint16_t i = 1; i < p->nsegs; i++)
		segs[n++] = p->segs[i - 1];
	return n;
}

static void
set_headers(struct gro_run *r)
{
	struct rte_ipv4_hdr *ip = pkt_hdrs_l3(r->h);
	struct rte_tcp_hdr *tcp = pkt_hdrs_l4(r->h);
	uint16_t l4_off = (uint16_t)(r->h->l2_len + r->h->l3_len), sum;

	ip->total_length = rte_cpu_to_be_16((uint16_t)(r->p->len - r->h->l2_len));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, r->h->l3_len);
	pkt_hdrs_pseudo_sum(r->h, r->p->len - l4_off, &sum); /* without options: known */
	tcp->cksum = sum;
	r->p->need = PKT_NEED_CSUM | PKT_NEED_TSO4;
	r->p->vnet = (struct pkt_vnet){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = (uint16_t)(l4_off + r->h->l4_len),
		.gso_size = r->size,
		.csum_start = l4_off,
		.csum_offset = offsetof(struct rte_tcp_hdr, cksum),
	};
}

/* The headers of the first frame, then the payload of all. */
static void
make_frame(const struct gro_table *t, struct gro_run *r, struct pkt_batch *b)
{
	uint32_t hdr_len = (uint32_t)r->h->l2_len + r->h->l3_len + r->h->l4_len;
	struct pkt_seg *segs = &b->segs[b->nsegs];
	uint16_t n = 0;

	for (uint16_t i = r->first; i != NONE; i = t->next[i])
		n = (uint16_t)(n + add_payload(&segs[n], &b->pkt[i], hdr_len));
	b->nsegs = (uint16_t)(b->nsegs + n);
	r->p->data_len = hdr_len;
	r->p->segs = segs;
	r->p->nsegs = (uint16_t)(n + 1);
	set_headers(r);
}

/* Whether there is room for the fragments of all frames once more. */
static bool
has_room(const struct worker *w, uint16_t n)
{
	uint32_t nsegs = w->batch.nsegs;

	for (uint16_t k = 0; k < n; k++)
		nsegs += w->list[k]->nsegs;
	return nsegs <= PKT_SEGS_MAX;
}

uint16_t
gro_join(struct worker *w, struct pktq *rxq, uint64_t sound, uint16_t n)
{
	struct gro_table t;
	uint16_t kept = 0;

	if (!has_room(w, n))
		return n;
	t.n = 0;
	for (uint16_t k = 0; k < n; k++) {
		uint16_t i = (uint16_t)(w->list[k] - w->batch.pkt);

		if (join(&t, w->list[k], &w->hdrs[i], i, (sound >> i & 1) != 0))
			pktq_drop(rxq, DROP_RX_MERGED, 1);
		else
			w->list[kept++] = w->list[k];
	}
	for (uint16_t k = 0; k < t.n; k++)
		if (t.run[k].frames > 1)
			make_frame(&t, &t.run[k], &w->batch);
	return kept;
}
