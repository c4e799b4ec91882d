/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * Modes that make frames: txonly (one flow) and flowgen (many, and it consumes received frames).
 * Frames are IPv4 and UDP with zeros in them; each burst counts as replicated by the rx queue whose
 * poll it is made in, so that the queue's account stays balanced.
 */
#include <netinet/in.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_random.h>
#include <rte_udp.h>

#include "switch/modes.h"
#include "switch/wire.h"

#define GEN_LEN_MAX 65535

struct gen_hdrs {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	struct rte_udp_hdr udp;
};
static_assert(sizeof(struct gen_hdrs) == 42, "headers follow each other");

static const uint8_t zeros[GEN_LEN_MAX]; /* payload */

/* Of a frame of that many segments. */
static uint32_t
frame_len(const struct fwd_gen *g, uint16_t nsegs)
{
	uint32_t len = 0;

	for (uint16_t i = 0; i < nsegs; i++)
		len += g->len[i];
	len = RTE_MAX(len, (uint32_t)sizeof(struct gen_hdrs));
	return RTE_MIN(len, (uint32_t)GEN_LEN_MAX);
}

static void
make_headers(struct pkt_hdrs *h, const struct dp_port *out, const struct fwd_gen_flow *f,
	     uint32_t len)
{
	struct gen_hdrs *g = (struct gen_hdrs *)h->b;
	uint32_t ip_len = len - (uint32_t)sizeof(g->eth);

	wire_set_macs(&g->eth, out);
	g->eth.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	g->ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16((uint16_t)ip_len),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = rte_cpu_to_be_32(f->src),
		.dst_addr = rte_cpu_to_be_32(f->dst),
	};
	g->ip.hdr_checksum = rte_ipv4_cksum(&g->ip);
	g->udp = (struct rte_udp_hdr){
		.src_port = rte_cpu_to_be_16(f->sport),
		.dst_port = rte_cpu_to_be_16(f->dport),
		.dgram_len = rte_cpu_to_be_16((uint16_t)(ip_len - sizeof(g->ip))),
	};
}

/* A view on headers and as many zeros as are missing; short frames are one segment. */
static void
make_view(struct pkt *p, struct pkt_hdrs *h, struct pkt_seg *payload, uint32_t len)
{
	*p = (struct pkt){.data = h->b, .len = len, .data_len = len, .segs = payload, .nsegs = 1};
	if (len <= PKT_HDRS_MOST) {
		memset(h->b + sizeof(struct gen_hdrs), 0, len - sizeof(struct gen_hdrs));
	} else {
		p->data_len = sizeof(struct gen_hdrs);
		p->nsegs = 2;
		*payload = (struct pkt_seg){(uint8_t *)(uintptr_t)zeros, len - p->data_len};
	}
	memcpy(p->eth_bytes, h->b, sizeof(p->eth_bytes));
}

static void
send_generated(struct worker *w, const struct dp_port *port, struct pktq *rxq, uint16_t n)
{
	counter_add(&rxq->stats.replicated, n);
	wire_send(w, port->peer, rxq, wire_list(w, &w->batch), n);
}

void
forward_make_frame(struct pkt *p, struct pkt_hdrs *h, struct pkt_seg *payload,
		   const struct fwd_gen *gen, const struct dp_port *out)
{
	uint16_t nsegs = gen->random ? (uint16_t)(1 + rte_rand_max(gen->nsegs)) : gen->nsegs;
	uint32_t len = frame_len(gen, nsegs);

	make_headers(h, out, &gen->flow, len);
	make_view(p, h, payload, len);
}

void
generate_txonly(struct worker *w, const struct dataplane *dp, const struct dp_port *port,
		struct pktq *rxq)
{
	struct pkt_batch *b = &w->batch;
	struct fwd_gen gen = dp->gen;

	/* frames that are equal are made once */
	for (b->n = 0; b->n < b->max; b->n++) {
		if (b->n != 0 && !gen.random && !gen.many) {
			b->pkt[b->n] = b->pkt[0];
			continue;
		}
		if (gen.many)
			gen.flow.src = dp->gen.flow.src | (w->next_flow++ & 0xff) << 8;
		forward_make_frame(&b->pkt[b->n], &w->hdrs[b->n], &b->segs[b->n], &gen, port->peer);
	}
	send_generated(w, port, rxq, b->n);
}

void
generate_flows(struct worker *w, const struct dataplane *dp, const struct dp_port *port,
	       struct pktq *rxq)
{
	uint32_t len = frame_len(&dp->gen, dp->gen.nsegs);
	struct pkt_batch *b = &w->batch;

	for (b->n = 0; b->n < b->max; b->n++) {
		const struct fwd_gen_flow flow = {RTE_IPV4(10, 254, 0, 0),
						  RTE_IPV4(10, 253, 0, 0) + w->next_flow, 1000,
						  1001};

		w->next_flow = (w->next_flow + 1) % dp->gen.flows;
		make_headers(&w->hdrs[b->n], port->peer, &flow, len);
		make_view(&b->pkt[b->n], &w->hdrs[b->n], &b->segs[b->n], len);
	}
	send_generated(w, port, rxq, b->n);
}
