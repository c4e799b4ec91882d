/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: workers. */
#include "switch/cut_run.h"

#include <string.h>

#include <rte_mbuf.h>

#include "pkt/hdrs.h"
#include "pkt/mbuf.h"
#include "pkt/offload.h"
#include "switch/members.h"
#include "switch/transmit.h"

/*
 * Make frames and send them until they have cost @p limit or all are made. True: there are more to
 * make. A frame of which no more can be made counts as dropped, however much of it was sent.
 */
static bool
run(struct worker *w, const struct cut_job *j, struct offload_work *o, uint32_t limit)
{
	struct cut *c = &w->cut;
	struct pkt *list[CUT_PORTION];
	uint32_t spent = 0;

	do {
		uint16_t n = offload_next(o, c->pkt, CUT_PORTION, c->seg, RTE_DIM(c->seg));

		if (unlikely(n == 0)) {
			pktq_drop(j->rxq, DROP_RX_SOFT_OFFLOAD, 1);
			return false;
		}
		for (uint16_t i = 0; i < n; i++)
			list[i] = &c->pkt[i];
		counter_add(&j->rxq->stats.replicated, n - (o->done ? 1u : 0));
		spent += n * offload_frame_cost(c->pkt[0].len);
		forward_transmit(w, j->txq, j->rxq, list, n);
		offload_free(c->pkt, n);
	} while (!o->done && spent < limit);
	w->cost += spent;
	return !o->done;
}

/* --- frames that are not finished at once --- */

static bool
is_copy_of(const struct cut_job *j, const struct pkt *p)
{
	return j->data == p->data && j->copy->pkt_len == p->len &&
	       memcmp(rte_pktmbuf_mtod(j->copy, uint8_t *), p->eth_bytes, RTE_ETHER_HDR_LEN) == 0;
}

/* A sender may have written to its frame since, and a receiver was asked for as it is now. */
static bool
has_same_headers(const struct rte_mbuf *copy, const struct pkt *p)
{
	uint32_t n = RTE_MIN(p->data_len, (uint32_t)copy->data_len);

	n = RTE_MIN(n, (uint32_t)PKT_HDRS_MAX);
	return n <= RTE_ETHER_HDR_LEN ||
	       memcmp(rte_pktmbuf_mtod_offset(copy, const uint8_t *, RTE_ETHER_HDR_LEN),
		      p->data + RTE_ETHER_HDR_LEN, n - RTE_ETHER_HDR_LEN) == 0;
}

/*
 * A copy of the frame: one for all jobs of a queue, which were begun in one batch. NULL: there is
 * none, or the frame is another by now: a receiver's rules were not asked about the copy.
 */
static struct rte_mbuf *
get_copy(const struct worker *w, const struct pktq *rxq, const struct pkt *p)
{
	const struct cut *c = &w->cut;
	uint32_t jobs = 0;

	for (uint32_t i = 0; i < c->n; i++) {
		if (c->job[i].rxq != rxq)
			continue;
		if (++jobs == CUT_JOBS_QUEUE)
			return NULL;
		if (is_copy_of(&c->job[i], p)) {
			if (!has_same_headers(c->job[i].copy, p))
				return NULL;
			rte_pktmbuf_refcnt_update(c->job[i].copy, 1);
			return c->job[i].copy;
		}
	}
	return c->n < CUT_JOBS_MAX ? pkt_to_mbuf(w->mp, p) : NULL;
}

static void
put_off(struct worker *w, struct cut_job *j, const struct pkt *p)
{
	j->copy = get_copy(w, j->rxq, p);
	if (unlikely(j->copy == NULL)) {
		pktq_drop(j->rxq, DROP_RX_SOFT_OFFLOAD, 1);
		return;
	}
	j->data = p->data;
	j->hash = p->hash;
	j->need = p->need;
	j->vnet = p->vnet;
	w->cut.job[w->cut.n++] = *j;
}

void
cut_send(struct worker *w, struct pktq *txq, struct pktq *rxq, const struct pkt *p,
	 uint32_t may_leave)
{
	struct cut_job j = {
		.rxq = rxq,
		.txq = txq,
		.rx_serial = rxq->serial,
		.tx_serial = txq->serial,
		.fid = w->fid,
		.may_leave = may_leave,
	};
	uint32_t cost = offload_cost(p);
	struct offload_work o;

	if (!offload_begin(&o, w->mp, p, may_leave & txq->offloads, NULL)) {
		pktq_drop(rxq, DROP_RX_SOFT_OFFLOAD, 1);
		return;
	}
	/* smaller ones have others of their batch behind them */
	if (run(w, &j, &o, cost < PKT_BATCH_COST ? UINT32_MAX : PKT_BATCH_COST)) {
		j.pos = offload_pos(&o);
		put_off(w, &j, p);
	}
}

/* True: there is more to do. */
static bool
go_on(struct worker *w, struct cut_job *j)
{
	struct offload_work o;
	bool more = false;
	struct pkt p;

	/* no batch is at work */
	if (pkt_from_mbuf(&p, j->copy, w->batch.segs, RTE_DIM(w->batch.segs))) {
		p.need = j->need;
		p.vnet = j->vnet;
		p.hash = j->hash;
		if (offload_begin(&o, w->mp, &p, j->may_leave & j->txq->offloads, &j->pos)) {
			more = run(w, j, &o, PKT_BATCH_COST);
			j->pos = offload_pos(&o);
			return more;
		}
	}
	pktq_drop(j->rxq, DROP_RX_SOFT_OFFLOAD, 1);
	return false;
}

static void
end_job(struct cut *c, uint32_t i)
{
	rte_pktmbuf_free(c->job[i].copy);
	memmove(&c->job[i], &c->job[i + 1], (--c->n - i) * sizeof(c->job[0]));
}

bool
cut_continue(struct worker *w, struct pktq *rxq)
{
	struct cut *c = &w->cut;

	for (uint32_t i = 0; i < c->n; i++) {
		if (c->job[i].rxq != rxq)
			continue;
		if (!go_on(w, &c->job[i]))
			end_job(c, i);
		return true;
	}
	return false;
}

/* --- a new snapshot --- */

static const struct dp_port *
port_of_rxq(const struct dp_worker *dw, const struct cut_job *j)
{
	for (uint32_t i = 0; i < dw->n; i++)
		if (dw->poll[i].q == j->rxq && j->rxq->serial == j->rx_serial)
			return dw->poll[i].port;
	return NULL;
}

static const struct dp_port *
port_of_txq(const struct dataplane *dp, const struct cut_job *j)
{
	for (uint16_t i = 0; i < dp->nports; i++)
		for (uint16_t k = 0; k < dp->ports[i]->ntx; k++)
			if (dp->ports[i]->tx[k] == j->txq && j->txq->serial == j->tx_serial)
				return dp->ports[i];
	return NULL;
}

/* A frame of a VLAN that has a tag is of a trunk's; another one's tag is its contents. */
static bool
is_tagged(const struct cut_job *j)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(j->copy, const struct rte_ether_hdr *);

	return eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_VLAN);
}

/* A mirror need not be a member; it has to be one still. */
static bool
is_mirror(const struct dataplane *dp, const struct dp_port *out)
{
	for (uint16_t i = 0; i < dp->nports; i++)
		if (dp->ports[i]->mirror == out)
			return true;
	return false;
}

static bool
may_go_on(const struct dataplane *dp, const struct dp_port *in, const struct dp_port *out,
	  const struct cut_job *j)
{
	if (j->fid.fid == VLAN_FID_MIRROR)
		return is_mirror(dp, out);
	return dp_may_go_on(in, out, j->fid, is_tagged(j));
}

void
cut_revise(struct worker *w, const struct dataplane *dp)
{
	struct cut *c = &w->cut;

	for (uint32_t i = 0; i < c->n;) {
		struct cut_job *j = &c->job[i];
		const struct dp_port *in = port_of_rxq(&dp->worker[w->id], j);
		const struct dp_port *out = port_of_txq(dp, j);

		if (in != NULL && out != NULL && may_go_on(dp, in, out, j)) {
			i++;
			continue;
		}
		if (in != NULL)
			pktq_drop(j->rxq, DROP_RX_NO_EGRESS, 1);
		else /* the queue is not ours any more */
			counter_add(&w->abandoned, 1);
		end_job(c, i);
	}
}
