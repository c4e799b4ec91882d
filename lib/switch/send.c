/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * From a forwarding mode to an egress queue: which queue, whether the receiver
 * takes the frame as it is, and the accounts.
 */
#include "switch/send.h"

#include "pkt/flow.h"
#include "switch/cut_run.h"
#include "switch/group.h"
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

static uint32_t
flow_of(struct pkt *p)
{
	if (p->hash == 0)
		p->hash = pkt_flow_hash(p);
	return p->hash;
}

/* The queue on which the peer last sent the reverse flow; flows without one are spread. */
static uint16_t
pick_queue(const struct dp_port *out, struct pkt *p)
{
	uint32_t hash = flow_of(p);
	uint8_t q = atomic_load_explicit(&out->flows->queue[hash % DP_FLOWS], memory_order_relaxed);

	/* usually all queue pairs run and position and number are the same */
	if (likely(q < out->ntx && out->tx[q]->index == q))
		return q;
	return (uint16_t)((uint64_t)hash * out->ntx >> 32);
}

static void
send_multiqueue(struct worker *w, const struct dp_port *out, struct pktq *rxq,
		struct pkt *const *pkts, uint16_t n)
{
	uint8_t tail[DP_QUEUES_MAX] = {0};
	uint16_t key[PKT_BATCH_MAX];
	struct groups g;
	uint16_t m;

	for (uint16_t i = 0; i < n; i++)
		key[i] = pick_queue(out, pkts[i]);
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

void
forward_send(struct worker *w, const struct dp_port *out, struct pktq *rxq, struct pkt *const *pkts,
	     uint16_t n)
{
	if (likely(out->plain)) {
		forward_send_queue(w, out->tx[0], rxq, pkts, n);
		return;
	}
	if (out->copied)
		forward_copy(w, out, true, rxq, pkts, n);
	forward_send_only(w, out, rxq, pkts, n);
}

void
forward_learn_queue(const struct dp_port *in, const struct pktq *rxq, struct pkt_batch *batch)
{
	for (uint16_t i = 0; i < batch->n; i++) {
		atomic_uchar *q = &in->flows->queue[flow_of(&batch->pkt[i]) % DP_FLOWS];

		if (atomic_load_explicit(q, memory_order_relaxed) != rxq->index)
			atomic_store_explicit(q, (uint8_t)rxq->index, memory_order_relaxed);
	}
}
