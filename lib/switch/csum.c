/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * Mode csum: verify the checksums of what comes in, count the bad ones, and
 * send everything on with right ones, addressed as in mode mac.
 *
 * "csum set LAYER hw PORT" leaves a sum to the receiver behind that port if it
 * takes partial ones, "sw" completes it here, also one the sender left to its
 * device. An IP header's is always written here: virtio has no other way, and
 * to a device saying so would take longer than doing it.
 */
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include <linux/virtio_net.h>

#include <rte_hash_crc.h>
#include <rte_ip.h>
#include <rte_sctp.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "switch/gro.h"
#include "switch/modes.h"
#include "switch/wire.h"

#define SUM_OK 0xffff  /* a sum over data and its right checksum */
#define FRAGMENT_MIN 8 /* offsets of fragments count in that */

/** A batch on its way from one port to another. */
struct csum_pass {
	struct pktq *rxq;
	const struct fwd_csum *set; /* of the port it leaves at */
	uint32_t accepts;           /* PKT_NEED_* of the queue it leaves on */
	bool gro;                   /* TCP segments are to be joined */
	uint64_t sound;  /* by frame: TCP whose checksum was right, or is yet to be made */
	uint64_t tunnel; /* by frame: it was looked into */
};

/** A frame of it, and the checksum of its TCP or UDP. */
struct csum_frame {
	struct pkt *p;
	struct pkt_hdrs *h;
	uint16_t i;            /* in the batch */
	enum csum_layer layer; /* whose setting applies to TCP and UDP */
	bool inner;            /* h has the headers inside a tunnel */
	uint16_t *field;
	uint16_t field_off;      /* from where L4 begins */
	uint16_t pseudo;         /* sum of the pseudo header */
	uint32_t l4_off, l4_len; /* payload included */
};

/* Sums are of words as they are in memory, so a checksum is stored as it is. */
static uint16_t
checksum_for(uint16_t sum, uint16_t old)
{
	uint32_t v = (uint32_t)sum + (uint16_t)~old; /* without the word that was there */

	v = (v & 0xffff) + (v >> 16);
	return (uint16_t)~v;
}

static void
fix_ip(struct csum_pass *c, struct pkt_hdrs *h)
{
	struct rte_ipv4_hdr *ip = pkt_hdrs_l3(h);
	uint16_t sum;

	if (h->ether_type != RTE_ETHER_TYPE_IPV4)
		return;
	sum = rte_raw_cksum(ip, h->l3_len);
	if (sum == SUM_OK)
		return;
	counter_add(&c->rxq->stats.bad_ip_csum, 1);
	ip->hdr_checksum = checksum_for(sum, ip->hdr_checksum);
}

/*
 * Bytes behind the IP header by its own length field; 0: more than there are, or fewer than @p
 * least
 */
static uint32_t
l4_bytes(struct pkt_hdrs *h, const struct pkt *p, uint32_t least)
{
	const struct rte_ipv4_hdr *ip = pkt_hdrs_l3(h);
	const struct rte_ipv6_hdr *ip6 = pkt_hdrs_l3(h);
	uint32_t end;

	if (h->ether_type == RTE_ETHER_TYPE_IPV4)
		end = rte_be_to_cpu_16(ip->total_length);
	else
		end = (uint32_t)sizeof(*ip6) + rte_be_to_cpu_16(ip6->payload_len);
	if (end < h->l3_len + least || h->l2_len + end > p->len)
		return 0;
	return end - h->l3_len;
}

/* --- SCTP: a CRC32c, which no sender leaves to its device --- */

/* rte_hash_crc() reads words where the bytes happen to be. */
static uint32_t
crc_bytes(const uint8_t *b, uint32_t len, uint32_t crc)
{
	for (; len > 0 && !rte_is_aligned(b, sizeof(uint64_t)); len--)
		crc = rte_hash_crc_1byte(*b++, crc);
	return rte_hash_crc(b, len, crc);
}

static uint32_t
crc_frame(const struct pkt *p, uint32_t off, uint32_t len)
{
	uint32_t crc = UINT32_MAX, n;

	for (uint32_t i = 0; i < p->nsegs && len > 0; i++) {
		uint8_t *data = i == 0 ? p->data : p->segs[i - 1].data;
		uint32_t size = i == 0 ? p->data_len : p->segs[i - 1].len;

		if (off >= size) {
			off -= size;
			continue;
		}
		n = RTE_MIN(size - off, len);
		crc = crc_bytes(data + off, n, crc);
		len -= n;
		off = 0;
	}
	return rte_cpu_to_le_32(~crc);
}

static void
fix_sctp(struct csum_pass *c, const struct csum_frame *f)
{
	struct rte_sctp_hdr *sctp = pkt_hdrs_l4(f->h);
	uint32_t off = (uint32_t)f->h->l2_len + f->h->l3_len;
	uint32_t len = l4_bytes(f->h, f->p, sizeof(*sctp)), old, crc;

	if (f->h->fragment || f->p->need != 0 || len == 0 || off + sizeof(*sctp) > f->h->n)
		return;
	old = sctp->cksum;
	sctp->cksum = 0;
	crc = crc_frame(f->p, off, len);
	if (crc != old)
		counter_add(&c->rxq->stats.bad_l4_csum, 1);
	sctp->cksum = crc;
}

/* --- TCP and UDP --- */

/* Whether it is the checksum found here that the sender left to others. */
static bool
is_partial(const struct csum_frame *f)
{
	const struct pkt_vnet *v = &f->p->vnet;

	return f->p->need != 0 && v->csum_start == f->l4_off && v->csum_offset == f->field_off;
}

/* The sum of the pseudo header: where the final destination is not in the frame, the sender's. */
static bool
find_pseudo(struct csum_frame *f)
{
	if (pkt_hdrs_pseudo_sum(f->h, f->l4_len, &f->pseudo))
		return true;
	f->pseudo = *f->field;
	return is_partial(f);
}

static bool
find_field(struct csum_frame *f)
{
	struct pkt_hdrs *h = f->h;

	if (h->l4_len == 0)
		return false;
	f->field_off = h->proto == IPPROTO_UDP ? offsetof(struct rte_udp_hdr, dgram_cksum)
					       : offsetof(struct rte_tcp_hdr, cksum);
	f->field = (uint16_t *)((uint8_t *)pkt_hdrs_l4(h) + f->field_off);
	f->l4_off = (uint32_t)h->l2_len + h->l3_len;
	f->l4_len = l4_bytes(h, f->p, h->l4_len);
	return f->l4_len != 0 && find_pseudo(f);
}

/* Whether the frame has a checksum to be verified here. */
static bool
is_ours(const struct csum_frame *f)
{
	if (f->p->need == 0) /* UDP may be without one */
		return f->h->proto != IPPROTO_UDP || *f->field != 0;
	/* frames still to be segmented get their sums then */
	return f->p->need == PKT_NEED_CSUM && is_partial(f);
}

/* Write the right checksum. False, and counted: there was a wrong one. */
static bool
complete(struct csum_pass *c, const struct csum_frame *f)
{
	bool partial = f->p->need != 0;
	uint32_t sum = (uint32_t)pkt_sum(f->p, f->l4_off, f->l4_len) + f->pseudo;

	sum = (sum & 0xffff) + (sum >> 16);
	f->p->need = 0;
	f->p->vnet = (struct pkt_vnet){0};
	if (sum == SUM_OK && !partial)
		return true;
	*f->field = checksum_for((uint16_t)sum, *f->field);
	if (*f->field == 0)
		*f->field = SUM_OK; /* 0 would say that there is none */
	if (!partial)
		counter_add(&c->rxq->stats.bad_l4_csum, 1);
	return partial;
}

/* As a sender leaves it to its device: the field holds the sum of the pseudo header. */
static void
leave(const struct csum_frame *f)
{
	*f->field = f->pseudo;
	f->p->need |= PKT_NEED_CSUM;
	f->p->vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	f->p->vnet.csum_start = (uint16_t)f->l4_off;
	f->p->vnet.csum_offset = f->field_off;
}

/* The receiver will sum up to the end of the frame, padding and all. */
static bool
may_leave(const struct csum_pass *c, const struct csum_frame *f)
{
	return (c->set->hw >> f->layer & 1) != 0 && (c->accepts & PKT_NEED_CSUM) != 0 &&
	       !f->inner && f->l4_off + f->l4_len == f->p->len;
}

static void
fix_l4(struct csum_pass *c, struct csum_frame *f)
{
	bool tcp = f->h->proto == IPPROTO_TCP, sound;

	if (f->h->proto == IPPROTO_SCTP)
		fix_sctp(c, f);
	if (!find_field(f) || !is_ours(f))
		return;
	if (!may_leave(c, f)) {
		sound = complete(c, f);
	} else {
		/* frames with a wrong checksum are not joined: it would get lost */
		sound = f->p->need != 0 || (c->gro && tcp && complete(c, f));
		leave(f);
	}
	if (sound && tcp && !f->inner)
		c->sound |= UINT64_C(1) << f->i;
}

static enum csum_layer
l4_layer(const struct pkt_hdrs *h)
{
	return h->proto == IPPROTO_UDP ? CSUM_UDP : CSUM_TCP;
}

/* The frame in a tunnel first: sums outside cover it. */
static void
fix_tunnelled(struct csum_pass *c, struct csum_frame *f)
{
	uint8_t outer[offsetof(struct pkt_hdrs, b)];

	memcpy(outer, f->h, sizeof(outer));
	if (!pkt_hdrs_enter(f->h))
		return;
	c->tunnel |= UINT64_C(1) << f->i;
	f->inner = true;
	f->layer = l4_layer(f->h);
	fix_ip(c, f->h);
	fix_l4(c, f);
	f->inner = false;
	f->layer = CSUM_OUTER_UDP;
	memcpy(f->h, outer, sizeof(outer));
}

static void
fix(struct csum_pass *c, struct pkt *p, struct pkt_hdrs *h, uint16_t i)
{
	struct csum_frame f = {.p = p, .h = h, .i = i, .layer = l4_layer(h)};

	if (c->set->tunnels)
		fix_tunnelled(c, &f);
	fix_ip(c, h);
	fix_l4(c, &f);
}

/* --- segmentation: "tso set" for the receiver to do, "set port N gso" for us --- */

/* Have a TCP frame that carries more than @p size bytes cut into segments of that. */
static bool
ask_tcp(struct pkt *p, const struct csum_frame *f, uint32_t size)
{
	bool ip4 = f->h->ether_type == RTE_ETHER_TYPE_IPV4;
	uint32_t hdr_len = f->l4_off + f->h->l4_len;

	if (size == 0 || p->len - hdr_len <= size)
		return false;
	if ((p->need & PKT_NEED_GSO) == 0) {
		leave(f);
		p->need |= (ip4 ? PKT_NEED_TSO4 : PKT_NEED_TSO6) | (f->h->plain ? 0 : PKT_NEED_EXT);
		p->vnet.gso_type = ip4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
		p->vnet.hdr_len = (uint16_t)hdr_len;
	}
	p->vnet.gso_size = (uint16_t)size;
	return true;
}

/* UDP datagrams become IP fragments, unless their sender said where each ends. */
static bool
ask_udp(struct pkt *p, const struct csum_frame *f, uint32_t size)
{
	bool ip6 = f->h->ether_type == RTE_ETHER_TYPE_IPV6;
	uint32_t more = ip6 ? sizeof(struct rte_ipv6_fragment_ext) : 0; /* in every fragment */

	if ((p->need & PKT_NEED_GSO) != 0)
		return true;
	if (size < FRAGMENT_MIN + more || f->h->frag_hdr)
		return false;
	size -= more;
	leave(f);
	p->need |= PKT_NEED_UFO;
	p->vnet.hdr_len = (uint16_t)(f->l4_off + f->h->l4_len);
	p->vnet.gso_type = VIRTIO_NET_HDR_GSO_UDP;
	p->vnet.gso_size = (uint16_t)size;
	return true;
}

/* True: it is to be cut here. */
static bool
segment(const struct csum_pass *c, struct pkt *p, struct pkt_hdrs *h, uint16_t i)
{
	struct csum_frame f = {.p = p, .h = h};
	uint32_t max = c->set->gso_len;
	bool tcp = h->proto == IPPROTO_TCP;

	if ((c->set->tso_segsz | max) == 0 || (c->tunnel >> i & 1) != 0 || h->l3_len == 0 ||
	    !find_field(&f) || f.l4_off + f.l4_len != p->len || (p->need != 0 && !is_partial(&f)))
		return false;
	if (tcp && c->set->tso_segsz != 0)
		ask_tcp(p, &f, c->set->tso_segsz);
	if (max == 0 || p->len <= max)
		return false;
	if (tcp)
		return max > f.l4_off + h->l4_len && ask_tcp(p, &f, max - f.l4_off - h->l4_len);
	return max > f.l4_off && ask_udp(p, &f, max - f.l4_off);
}

/* --- the batch --- */

/* Send frames; those that are cut here one by one, in their order among the others. */
static void
send_on(struct worker *w, struct csum_pass *c, const struct dp_port *to, uint16_t n)
{
	uint16_t from = 0;

	for (uint16_t k = 0; k < n; k++) {
		struct pkt *const *one = &w->list[k];
		struct pkt *p = w->list[k];
		uint16_t i = (uint16_t)(p - w->batch.pkt);

		if (!segment(c, p, &w->hdrs[i], i) || to->ntx == 0)
			continue;
		if (k > from)
			wire_send(w, to, c->rxq, w->list + from, (uint16_t)(k - from));
		from = (uint16_t)(k + 1);
		if (to->checked && forward_check(w, to, c->rxq, &one, 1) == 0)
			continue;
		forward_send_cut(w, wire_queue(to, c->rxq), c->rxq, one[0],
				 (c->set->hw >> l4_layer(&w->hdrs[i]) & 1) != 0 ? PKT_NEED_CSUM
										: 0);
	}
	if (n > from)
		wire_send(w, to, c->rxq, w->list + from, (uint16_t)(n - from));
}

void
forward_csum(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
	     struct pktq *rxq, struct pkt_batch *batch)
{
	const struct dp_port *to = in->peer;
	struct csum_pass c = {.rxq = rxq, .set = &to->csum, .gro = in->csum.gro};
	uint16_t n = 0;

	c.accepts = to->ntx != 0 ? wire_queue(to, rxq)->offloads : 0;
	for (uint16_t i = 0; i < batch->n; i++) {
		struct pkt *p = &batch->pkt[i];
		struct pkt_hdrs *h = &w->hdrs[i];

		if (!c.set->keep_macs)
			wire_set_macs(&p->eth, to);
		pkt_hdrs_read(h, p, PKT_HDRS_MOST);
		if (h->l3_len != 0) {
			/* first, so that the sums are of the frame that is sent */
			if (!pkt_hdrs_attach(h, p, batch)) {
				pktq_drop(rxq, DROP_RX_NO_MEMORY, 1);
				continue;
			}
			fix(&c, p, h, i);
		}
		w->list[n++] = p;
	}
	/* a receiver that takes no large segments would have them cut again */
	if (c.gro && (c.accepts & PKT_NEED_TSO4) != 0)
		n = gro_join(w, rxq, c.sound, n);
	send_on(w, &c, to, n);
}
