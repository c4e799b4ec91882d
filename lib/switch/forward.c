/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * The learning switch.
 *
 * The destination of a frame depends on its two addresses, its ingress port and the
 * FDB. Decisions are remembered per worker for as long as the FDB's epoch does
 * not change, so a steady flow costs two compares per frame; the rest of a
 * batch goes through one bulk lookup. An epoch lasts a second at most: then
 * every address is looked up again, which also keeps the entries from ageing.
 */
#include "switch/forward.h"

#include <string.h>

#include "switch/fdb_worker.h"
#include "switch/flood.h"
#include "switch/group.h"
#include "switch/modes.h"
#include "switch/rest_run.h"
#include "switch/wire.h"

static_assert(EGRESS_RESERVED < FORWARD_KEYS, "verdicts that can be grouped have a key");

/** Destination and source of a frame as two words. */
struct macs {
	uint64_t lo;
	uint32_t hi;
};

static inline struct macs
load_macs(const struct pkt *p)
{
	struct macs m;

	memcpy(&m.lo, p->eth_bytes, sizeof(m.lo));
	memcpy(&m.hi, p->eth_bytes + sizeof(m.lo), sizeof(m.hi));
	return m;
}

static inline uint32_t
flow_slot(struct macs m)
{
	uint64_t h = (m.lo ^ (uint64_t)m.hi << 29) * 0x9e3779b97f4a7c15ull;

	return (uint32_t)(h >> 32) % FORWARD_FLOWS;
}

/* A frame's domain: the port's, unless each frame has its own. */
static __rte_always_inline uint16_t
domain_of(const struct dp_port *in, const uint16_t *domain, uint16_t i)
{
	return domain != NULL ? domain[i] : in->domain;
}

static inline uint32_t
from_word(const struct dp_port *in, uint16_t domain)
{
	return in->id | (uint32_t)domain << 16;
}

/* --- destinations --- */

/*
 * Whether a bridge keeps a frame with this destination to itself: 802.1Q 8.6.3, table 8-1, but for
 * the groups the operator lets through. Its source is learned like any other.
 */
static bool
is_reserved(const struct dp_port *in, const struct rte_ether_addr *dst)
{
	static const uint8_t prefix[] = {0x01, 0x80, 0xc2, 0x00, 0x00};
	uint8_t last = dst->addr_bytes[5];

	return memcmp(dst->addr_bytes, prefix, sizeof(prefix)) == 0 && last < 16 &&
	       (in->group_fwd >> last & 1) == 0;
}

/* The frames the flow table does not know: learn their sources, look up their destinations. */
static __rte_noinline void
resolve(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
	const struct pkt_batch *batch, const uint16_t *domain, const uint8_t *miss, uint16_t n)
{
	fdb_key src[PKT_BATCH_MAX], dst[PKT_BATCH_MAX];
	uint16_t port[PKT_BATCH_MAX];
	uint32_t epoch = fdb_epoch(dp->fdb); /* before the lookup */
	uint16_t i = 0, nsrc = 0;

	do {
		dst[i] = fdb_key_make(&batch->pkt[miss[i]].eth.dst_addr,
				      domain_of(in, domain, miss[i]));
	} while (++i < n);
	/* a group address is in no entry, so it floods like an unknown one */
	fdb_lookup(dp->fdb, dst, n, port);
	for (i = 0; i < n; i++) {
		const struct pkt *p = &batch->pkt[miss[i]];
		uint16_t d = domain_of(in, domain, miss[i]);
		struct macs m = load_macs(p);

		if (rte_is_valid_assigned_ether_addr(&p->eth.src_addr))
			src[nsrc++] = fdb_key_make(&p->eth.src_addr, d);
		else
			port[i] = EGRESS_BAD_SOURCE;
		if (unlikely(port[i] == EGRESS_FLOOD && is_reserved(in, &p->eth.dst_addr)))
			port[i] = EGRESS_RESERVED;
		w->egress[miss[i]] = port[i];
		w->flow[flow_slot(m)] = (struct fwd_flow){
			.macs = m.lo,
			.macs2 = m.hi,
			.from = from_word(in, d),
			.epoch = epoch,
			.egress = port[i],
		};
	}
	if (likely(in->learns))
		fdb_seen(dp->fdb, w->id, src, nsrc, in->id);
}

/* Whether all frames of a batch have the addresses of the first, as those of a steady flow do. */
static __rte_always_inline bool
same_macs(const struct pkt_batch *batch)
{
	const struct macs first = load_macs(&batch->pkt[0]);
	uint64_t differ = 0;

	for (uint16_t i = 1; i < batch->n; i++) {
		struct macs m = load_macs(&batch->pkt[i]);

		differ |= (m.lo ^ first.lo) | (m.hi ^ first.hi);
	}
	return differ == 0;
}

/* Fill in w->egress of the first @p n frames. @p domain: each frame's, or NULL. */
static __rte_always_inline void
decide(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
       const struct pkt_batch *batch, uint16_t n, const uint16_t *domain)
{
	uint32_t epoch = fdb_epoch(dp->fdb), from = from_word(in, in->domain);
	struct macs last = {0};
	uint16_t egress = EGRESS_FLOOD, nmiss = 0;
	uint8_t miss[PKT_BATCH_MAX];
	bool known = false;

	for (uint16_t i = 0; i < n; i++) {
		struct macs m = load_macs(&batch->pkt[i]);

		if (domain != NULL) {
			known &= from == from_word(in, domain[i]);
			from = from_word(in, domain[i]);
		}
		if (unlikely(!known || m.lo != last.lo || m.hi != last.hi)) {
			const struct fwd_flow *f = &w->flow[flow_slot(m)];

			known = f->macs == m.lo && f->macs2 == m.hi && f->from == from &&
				f->epoch == epoch;
			last = m;
			egress = f->egress;
		}
		w->egress[i] = egress;
		if (unlikely(!known))
			miss[nmiss++] = (uint8_t)i;
	}
	if (unlikely(nmiss != 0))
		resolve(w, dp, in, batch, domain, miss, nmiss);
}

void
forward_decide(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
	       const struct pkt_batch *batch, const uint16_t *domain)
{
	decide(w, dp, in, batch, batch->n, domain);
}

/* --- sending --- */

static void
unicast(struct worker *w, const struct dataplane *dp, const struct dp_port *in, struct pktq *rxq,
	uint16_t egress, struct pkt *const *pkts, uint16_t n)
{
	const struct dp_port *out;

	if (unlikely(egress >= DP_PORTS_MAX || egress == in->id)) {
		pktq_drop(rxq, egress_drop(in, egress), n);
		return;
	}
	out = dp->by_id[egress];
	if (unlikely(out == in)) /* the uplink of the port it is for */
		pktq_drop(rxq, DROP_RX_SAME_PORT, n);
	else if (unlikely(out == NULL || !dp_may_pass(in, out, dp_plain_fid(in))))
		pktq_drop(rxq, DROP_RX_NO_EGRESS, n);
	else
		forward_send(w, out, rxq, pkts, n);
}

static void
flood_one(struct worker *w, const struct flood *f, const struct dp_port *out)
{
	forward_send(w, out, f->rxq, f->pkts, f->n);
}

/* Returns how many of the frames are done with; the others have to be left. */
static uint16_t
flood(struct worker *w, const struct dataplane *dp, struct flood *f)
{
	const struct dp_members *m = dp_members_of(dp, f->in->domain);
	uint16_t n = f->n;

	f->n = flood_portion(w, f, dp_receivers(m, f->in));
	if (!flood_to(w, f, m, flood_one)) {
		if (f->may_leave)
			return 0;
		if (!rest_keep(w, f->in, f->rxq, f->pkts[0]))
			pktq_drop(f->rxq, DROP_RX_FLOOD, 1);
	}
	if (likely(f->n == n) || f->may_leave)
		return f->n;
	pktq_drop(f->rxq, DROP_RX_FLOOD, n - f->n);
	return n;
}

/* The frames from to to - 1, none of which floods, one group per egress. */
static void
unicast_groups(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
	       struct pktq *rxq, struct pkt *const *pkts, uint16_t from, uint16_t to)
{
	struct groups g;
	uint16_t n;

	group_by(&g, w->egress, from, to, w->tail);
	for (uint16_t k = 0; k < g.n; k++) {
		n = group_list(&g, k, pkts, w->list);
		unicast(w, dp, in, rxq, w->egress[g.first[k]], w->list, n);
	}
}

/*
 * A batch with frames to several destinations or to all. Flooding goes to every egress, so what
 * came before it has to be sent first and what came after it last: it cuts the
 * batch in parts, and only within a part frames are grouped.
 */
static __rte_noinline void
deliver_mixed(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
	      struct pktq *rxq, struct pkt_batch *batch)
{
	struct flood f = {.in = in, .rxq = rxq, .may_leave = flood_may_leave(w, in, batch)};
	struct pkt *pkts[PKT_BATCH_MAX];
	uint16_t i, from, to;

	for (i = 0; i < batch->n; i++)
		pkts[i] = &batch->pkt[i];
	for (from = 0; from < batch->n; from = to) {
		bool floods = w->egress[from] == EGRESS_FLOOD;

		to = from + 1;
		while (to < batch->n && (w->egress[to] == EGRESS_FLOOD) == floods)
			to++;
		if (!floods) {
			unicast_groups(w, dp, in, rxq, pkts, from, to);
			continue;
		}
		f.pkts = pkts + from;
		f.n = to - from;
		i = from + flood(w, dp, &f);
		if (unlikely(i < to)) {
			flood_leave(rxq, batch, i);
			return;
		}
	}
}

/* The first frame does not flood any more, though some receivers got it. */
static inline void
forget_flood(struct pktq *rxq, uint16_t egress)
{
	if (unlikely(rxq->flood_next != 0) && egress != EGRESS_FLOOD)
		rxq->flood_next = 0;
}

void
forward_switch(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
	       struct pktq *rxq, struct pkt_batch *batch)
{
	uint16_t i, n = batch->n, decided = same_macs(batch) ? 1 : n;

	w->fid = dp_plain_fid(in);
	if (in->flows != NULL)
		forward_learn_queue(in, rxq, batch);
	decide(w, dp, in, batch, decided, NULL);
	forget_flood(rxq, w->egress[0]);
	for (i = 1; i < decided && w->egress[i] == w->egress[0]; i++)
		;
	if (likely(i >= decided && w->egress[0] != EGRESS_FLOOD)) {
		unicast(w, dp, in, rxq, w->egress[0], wire_list(w, batch), n);
		return;
	}
	for (i = decided; i < n; i++)
		w->egress[i] = w->egress[0];
	deliver_mixed(w, dp, in, rxq, batch);
}
