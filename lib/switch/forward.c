/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * The learning switch.
 *
 * The destination of a frame depends on its two addresses, its ingress port and the
 * FDB. Decisions are remembered per worker for as long as the FDB's epoch does
 * not change, so a frame of a known flow costs one cache line; the rest of a
 * batch goes through one bulk lookup. An epoch lasts a second at most: then
 * every address is looked up again, which also keeps the entries from ageing.
 */
#include "switch/forward.h"

#include <string.h>

#include <rte_prefetch.h>

#include "switch/fdb_table.h"
#include "switch/fdb_worker.h"
#include "switch/flood.h"
#include "switch/group.h"
#include "switch/mcast_worker.h"
#include "switch/modes.h"
#include "switch/rest_run.h"
#include "switch/wire.h"

#define FLOW_NONE UINT64_MAX /* fwd_flow.rest of none: there is no such port */

static_assert(EGRESS_RESERVED < FORWARD_KEYS, "verdicts that can be grouped have a key");

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

/* --- remembered decisions --- */

/* @p from: from_word(). */
static inline struct fwd_flow
flow_of(const struct pkt *p, uint32_t from)
{
	struct fwd_flow f;
	uint32_t macs2;

	memcpy(&f.macs, p->eth_bytes, sizeof(f.macs));
	memcpy(&macs2, p->eth_bytes + sizeof(f.macs), sizeof(macs2));
	f.rest = macs2 | (uint64_t)from << 32;
	return f;
}

/*
 * The line a flow's decision is remembered in. Guests choose addresses, and most count upwards: all
 * bits have to matter, and no guest may know which flows share a line.
 */
static inline struct fwd_line *
flow_line(struct worker *w, const struct fwd_flow *f)
{
	uint64_t a = f->macs ^ (uint64_t)fdb_secret.a;
	uint64_t b = f->rest ^ (uint64_t)fdb_secret.b;
	unsigned __int128 h = (unsigned __int128)a * b;

	return &w->decided[((uint64_t)(h >> 64) ^ (uint64_t)h) % FORWARD_LINES];
}

static inline bool
flow_equal(const struct fwd_flow *a, const struct fwd_flow *b)
{
	return ((a->macs ^ b->macs) | (a->rest ^ b->rest)) == 0;
}

/* The index of its decision in the line; FORWARD_WAYS: it is not there. */
static inline unsigned int
flow_find(const struct fwd_line *l, const struct fwd_flow *f, uint32_t epoch)
{
	unsigned int found = FORWARD_WAYS;

	for (unsigned int i = 0; i < FORWARD_WAYS; i++)
		found = flow_equal(&l->flow[i], f) ? i : found;
	return likely(l->epoch == epoch) ? found : FORWARD_WAYS;
}

/* @p epoch: read before the lookup the decision is made of. */
static void
flow_remember(struct worker *w, const struct fwd_flow *f, uint32_t epoch, uint16_t egress)
{
	struct fwd_line *l = flow_line(w, f);

	if (l->epoch != epoch) {
		*l = (struct fwd_line){.epoch = epoch};
		for (unsigned int i = 0; i < FORWARD_WAYS; i++)
			l->flow[i].rest = FLOW_NONE;
	}
	/* a flow with several frames in a batch is not to push others out of the line */
	if (flow_find(l, f, epoch) != FORWARD_WAYS)
		return;
	l->flow[l->next] = *f;
	l->egress[l->next] = egress;
	l->next = (l->next + 1) % FORWARD_WAYS;
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

/* Whether the decision holds for an epoch: an unknown address may be learned at any time. */
static inline bool
is_lasting(const struct pkt *p, uint16_t egress)
{
	return egress != EGRESS_FLOOD || rte_is_multicast_ether_addr(&p->eth.dst_addr);
}

/* The frames the flow table does not know: learn their sources, look up their destinations. */
static __rte_noinline void
resolve(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
	const struct pkt_batch *batch, const uint16_t *domain, const uint8_t *miss, uint16_t n)
{
	fdb_key src[PKT_BATCH_MAX], dst[PKT_BATCH_MAX];
	uint16_t port[PKT_BATCH_MAX];
	uint32_t epoch = fdb_epoch(dp->fdb); /* before the lookup */
	uint64_t fresh = 0;                  /* sources that were not seen before */
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

		if (rte_is_valid_assigned_ether_addr(&p->eth.src_addr))
			src[nsrc++] = fdb_key_make(&p->eth.src_addr, d);
		else
			port[i] = EGRESS_BAD_SOURCE;
		if (unlikely(port[i] == EGRESS_FLOOD && is_reserved(in, &p->eth.dst_addr)))
			port[i] = EGRESS_RESERVED;
		w->egress[miss[i]] = port[i];
	}
	if (likely(in->learns))
		fresh = fdb_seen(dp->fdb, w->id, src, nsrc, in->id);
	for (i = 0, nsrc = 0; i < n; i++) {
		const struct pkt *p = &batch->pkt[miss[i]];
		struct fwd_flow f = flow_of(p, from_word(in, domain_of(in, domain, miss[i])));
		bool again = port[i] == EGRESS_BAD_SOURCE || (fresh >> nsrc++ & 1) == 0;

		if (again && is_lasting(p, port[i]))
			flow_remember(w, &f, epoch, port[i]);
	}
}

/* Whether all frames of a batch have the addresses of the first, as those of a steady flow do. */
static __rte_always_inline bool
same_macs(const struct pkt_batch *batch)
{
	const struct fwd_flow first = flow_of(&batch->pkt[0], 0);
	uint64_t differ = 0;

	for (uint16_t i = 1; i < batch->n; i++) {
		struct fwd_flow f = flow_of(&batch->pkt[i], 0);

		differ |= (f.macs ^ first.macs) | (f.rest ^ first.rest);
	}
	return differ == 0;
}

/* Fill in w->egress of the first @p n frames. @p domain: each frame's, or NULL. */
static __rte_always_inline void
decide(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
       const struct pkt_batch *batch, uint16_t n, const uint16_t *domain)
{
	const uint32_t epoch = fdb_epoch(dp->fdb);
	const struct fwd_line *line[PKT_BATCH_MAX];
	struct fwd_flow flow[PKT_BATCH_MAX];
	uint8_t miss[PKT_BATCH_MAX];
	uint16_t nmiss = 0;

	for (uint16_t i = 0; i < n; i++) {
		flow[i] = flow_of(&batch->pkt[i], from_word(in, domain_of(in, domain, i)));
		line[i] = flow_line(w, &flow[i]);
		rte_prefetch0(line[i]);
	}
	for (uint16_t i = 0; i < n; i++) {
		unsigned int way = flow_find(line[i], &flow[i], epoch);

		w->egress[i] = line[i]->egress[way % FORWARD_WAYS];
		miss[nmiss] = (uint8_t)i;
		nmiss += way == FORWARD_WAYS;
	}
	if (unlikely(nmiss != 0))
		resolve(w, dp, in, batch, domain, miss, nmiss);
}

uint16_t
forward_decide(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
	       const struct pkt_batch *batch, const uint16_t *domain, bool same)
{
	uint16_t n = same && same_macs(batch) ? 1 : batch->n;

	decide(w, dp, in, batch, n, domain);
	return n;
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
flood(struct worker *w, const struct dp_members *m, struct flood *f)
{
	uint16_t n = f->n;

	f->n = flood_portion(w, f, m);
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

static inline const struct dp_members *
mcast_list(const struct worker *w, const struct pkt *p)
{
	return w->mcast.list[p - w->batch.pkt];
}

/* The same where multicast is snooped: each has receivers of its own. */
static __rte_noinline uint16_t
flood_snooped(struct worker *w, struct flood *f)
{
	struct pkt *const *pkts = f->pkts;
	uint16_t n = f->n, to, done;

	for (uint16_t from = 0; from < n; from = to) {
		const struct dp_members *m = mcast_list(w, pkts[from]);
		enum drop_reason why = mcast_refusal(m);

		for (to = from + 1; to < n && mcast_list(w, pkts[to]) == m; to++)
			;
		f->pkts = pkts + from;
		f->n = to - from;
		if (why != DROP_NUM) {
			f->rxq->flood_next = 0;
			pktq_drop(f->rxq, why, f->n);
			continue;
		}
		done = flood(w, m, f);
		if (done < to - from)
			return from + done;
	}
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
	if (unlikely(dp->mcast != NULL))
		mcast_choose(w, dp, in, NULL);
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
		i = from + (likely(dp->mcast == NULL) ? flood(w, dp_members_of(dp, in->domain), &f)
						      : flood_snooped(w, &f));
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
