/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * From a forwarding mode to an egress queue: which queue, whether the receiver
 * takes the frame as it is, and the accounts.
 */
#include "switch/send.h"

#include <rte_cycles.h>

#include "pkt/flow.h"
#include "switch/acl_worker.h"
#include "switch/cut_run.h"
#include "switch/group.h"
#include "switch/limit_worker.h"
#include "switch/mirror.h"
#include "switch/transmit.h"

/* --- one queue --- */

static bool
accepts(const struct pktq *txq, const struct pkt *p)
{
	return (p->need & ~txq->offloads) == 0;
}

void
forward_send_queue(struct worker *w, struct pktq *txq, struct pktq *rxq, struct pkt *const *pkts,
		   uint16_t n)
{
	uint32_t need = 0;
	uint16_t i, end;

	for (i = 0; i < n; i++)
		need |= pkts[i]->need;
	if (likely((need & ~txq->offloads) == 0)) {
		forward_transmit(w, txq, rxq, pkts, n);
		return;
	}
	for (i = 0; i < n; i = end) {
		end = i;
		while (end < n && accepts(txq, pkts[end]))
			end++;
		if (end > i)
			forward_transmit(w, txq, rxq, pkts + i, (uint16_t)(end - i));
		else
			cut_send(w, txq, rxq, pkts[end++], UINT32_MAX);
	}
}

void
forward_send_cut(struct worker *w, struct pktq *txq, struct pktq *rxq, const struct pkt *p,
		 uint32_t accept)
{
	cut_send(w, txq, rxq, p, accept & PKT_NEED_CSUM);
}

/* --- several queues --- */

/* Inline for the usual frame: the hashes of a burst are then made side by side. */
static __rte_always_inline uint32_t
flow_of(struct pkt *p)
{
	struct pkt_plain b;

	if (p->hash == 0)
		p->hash = likely(pkt_plain_read(p, &b)) ? pkt_plain_hash(&b) : pkt_flow_hash(p);
	return p->hash;
}

/*
 * dp_flows.busy: the number of a period, and a bit for each queue that has sent in the one before
 * and in this one. A queue shares its bit with others: two busy ones may count as one.
 */
#define PERIOD_SHIFT 33 /* of the TSC: some seconds */
#define BUSY_BITS 24
#define BUSY_MASK ((UINT64_C(1) << BUSY_BITS) - 1)
#define BUSY_PERIOD (2 * BUSY_BITS)

/* Note that a queue sends, and tell whether others of its port do. */
static bool
others_send(struct dp_flows *f, uint16_t index)
{
	const uint64_t period = rte_rdtsc() >> PERIOD_SHIFT & UINT16_MAX;
	uint64_t was = atomic_load_explicit(&f->busy, memory_order_relaxed), now = was;
	const uint64_t passed = (period - (was >> BUSY_PERIOD)) & UINT16_MAX;

	if (passed != 0)
		now = period << BUSY_PERIOD | (passed == 1 ? (was & BUSY_MASK) << BUSY_BITS : 0);
	now |= UINT64_C(1) << index % BUSY_BITS;
	/* where another worker is first, the next burst of this queue notes it */
	if (now != was)
		atomic_compare_exchange_strong_explicit(&f->busy, &was, now, memory_order_relaxed,
							memory_order_relaxed);
	return __builtin_popcountll((now | now >> BUSY_BITS) & BUSY_MASK) > 1;
}

/* Whether the port of @p rxq has spread its flows itself, over as many queues as @p out has. */
static bool
has_spread(const struct worker *w, const struct pktq *rxq, const struct dp_port *out)
{
	const struct dp_port *in =
		rxq->port < DP_PORTS_MAX ? dp_live(w->ctl)->by_id[rxq->port] : NULL;

	return in != NULL && in->nrx >= out->ntx && in->flows != NULL &&
	       others_send(in->flows, rxq->index);
}

/*
 * Find the queues frames go to: the one on which the peer last sent the reverse flow. Flows of
 * which it has sent none are spread by their hash, unless the sender has spread them itself: then
 * those of one of its queues stay together in queue @p unknown, or each burst would be torn into as
 * many parts as the peer has queues. Returns whether the queues differ.
 */
static bool
pick_queues(const struct dp_port *out, int32_t unknown, struct pkt *const *pkts, uint16_t n,
	    uint16_t *key)
{
	const atomic_uchar *queue = out->flows->queue;
	struct pktq *const *tx = out->tx;
	const uint32_t ntx = out->ntx;
	uint16_t differ = 0;

	key[0] = 0;
	for (uint16_t i = 0; i < n; i++) {
		uint32_t hash = flow_of(pkts[i]);
		uint8_t q = atomic_load_explicit(&queue[hash % DP_FLOWS], memory_order_relaxed);

		/* usually all queue pairs run and position and number are the same */
		if (q < ntx && tx[q]->index == q)
			key[i] = q;
		else if (unknown >= 0)
			key[i] = (uint16_t)unknown;
		else
			key[i] = (uint16_t)((uint64_t)hash * ntx >> 32);
		differ |= key[i] ^ key[0];
	}
	return differ != 0;
}

static void
send_multiqueue(struct worker *w, const struct dp_port *out, struct pktq *rxq,
		struct pkt *const *pkts, uint16_t n)
{
	uint8_t tail[DP_QUEUES_MAX] = {0};
	uint16_t key[PKT_BATCH_MAX];
	int32_t unknown = -1; /* queue of flows whose reverse is not known; -1: by hash */
	struct groups g;
	uint16_t m;

	if (has_spread(w, rxq, out))
		unknown = rxq->index % out->ntx;
	if (!pick_queues(out, unknown, pkts, n, key)) {
		forward_send_queue(w, out->tx[key[0]], rxq, pkts, n);
		return;
	}
	group_by(&g, key, 0, n, tail);
	for (uint16_t k = 0; k < g.n; k++) {
		m = group_list(&g, k, pkts, w->q_list);
		forward_send_queue(w, out->tx[key[g.first[k]]], rxq, w->q_list, m);
	}
}

void
forward_send_only(struct worker *w, const struct dp_port *out, struct pktq *rxq,
		  struct pkt *const *pkts, uint16_t n)
{
	if (out->ntx == 1)
		forward_send_queue(w, out->tx[0], rxq, pkts, n);
	else if (out->ntx == 0)
		pktq_drop(rxq, DROP_RX_NO_EGRESS, n);
	else
		send_multiqueue(w, out, rxq, pkts, n);
}

uint16_t
forward_check(struct worker *w, const struct dp_port *out, struct pktq *rxq,
	      struct pkt *const **pkts, uint16_t n)
{
	if (out->acl_out != NULL && out->ntx > 0)
		n = acl_send(w, out, rxq, pkts, n);
	if (out->egress_limiter != NULL && out->ntx > 0)
		n = limiter_send(out, rxq, *pkts, n);
	if (out->copied && n > 0)
		forward_copy(w, out, true, rxq, *pkts, n);
	return n;
}

void
forward_send(struct worker *w, const struct dp_port *out, struct pktq *rxq, struct pkt *const *pkts,
	     uint16_t n)
{
	if (likely(out->plain)) {
		forward_send_queue(w, out->tx[0], rxq, pkts, n);
		return;
	}
	if (out->checked)
		n = forward_check(w, out, rxq, &pkts, n);
	if (n > 0)
		forward_send_only(w, out, rxq, pkts, n);
}

void
forward_learn_queue(const struct dp_port *in, const struct pktq *rxq, struct pkt_batch *batch)
{
	/* the compiler keeps none of these in registers by itself, beside atomics */
	atomic_uchar *queue = in->flows->queue;
	const uint8_t index = (uint8_t)rxq->index;
	const uint16_t n = batch->n;

	for (uint16_t i = 0; i < n; i++) {
		atomic_uchar *q = &queue[flow_of(&batch->pkt[i]) % DP_FLOWS];

		if (atomic_load_explicit(q, memory_order_relaxed) != index)
			atomic_store_explicit(q, index, memory_order_relaxed);
	}
}
