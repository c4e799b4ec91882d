/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: workers. */
#include "switch/rest_run.h"

#include <rte_mbuf.h>

#include "pkt/mbuf.h"
#include "switch/ingress.h"
#include "switch/members.h"

static struct rest *
find(struct rests *s, const struct pktq *polled)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->rest[i].polled == polled)
			return &s->rest[i];
	return NULL;
}

static void
end(struct rests *s, struct rest *r)
{
	rte_pktmbuf_free(r->copy);
	*r = s->rest[--s->n];
}

bool
rest_keep(struct worker *w, const struct dp_port *in, struct pktq *rxq, const struct pkt *p)
{
	struct rests *s = &w->rests;
	struct rest r = {
		.polled = w->polled,
		.rxq = rxq,
		.serial = w->polled->serial,
		.fid = w->fid,
		.native = in->vlan != NULL && in->vlan->native == w->fid.vlan,
		.in = in->id,
		.next = rxq->flood_next,
		.need = p->need,
		.vnet = p->vnet,
		.hash = p->hash,
	};

	rxq->flood_next = 0;
	if (s->n == RESTS_MAX || find(s, r.polled) != NULL)
		return false;
	r.copy = pkt_to_mbuf(w->mp, p);
	if (unlikely(r.copy == NULL))
		return false;
	pktq_uncount(&rxq->stats, p);
	s->rest[s->n++] = r;
	return true;
}

/* The batch of one frame that a rest is. */
static bool
take(struct pkt_batch *b, const struct rest *r)
{
	struct pkt *p = &b->pkt[0];

	b->n = b->ndone = 1;
	b->nsegs = (uint16_t)(r->copy->nb_segs - 1u);
	if (!pkt_from_mbuf(p, r->copy, b->segs, RTE_DIM(b->segs)))
		return false;
	p->need = r->need;
	p->vnet = r->vnet;
	p->hash = r->hash;
	pktq_count(&r->rxq->stats, p);
	r->rxq->flood_next = r->next;
	return true;
}

bool
rest_forward(struct worker *w, const struct dataplane *dp, const struct pktq *polled)
{
	struct rests *s = &w->rests;
	struct rest *r = find(s, polled);
	struct pkt_batch *b = &w->batch;

	if (r == NULL)
		return false;
	if (likely(take(b, r))) {
		s->at_work = true;
		ingress_rest(w, dp, dp->by_id[r->in], r->rxq, b);
		s->at_work = false;
		r->next = r->rxq->flood_next;
		r->rxq->flood_next = 0;
	}
	if (b->left == 0)
		end(s, r);
	b->n = b->ndone = b->left = 0;
	return true;
}

static bool
is_polled(const struct dp_worker *dw, const struct rest *r)
{
	if (r->polled == dw->inject.q)
		return true;
	for (uint32_t i = 0; i < dw->n; i++)
		if (dw->poll[i].q == r->polled)
			return r->polled->serial == r->serial;
	return false;
}

/* Whether the frame would be found to be of the same FID once more. */
static bool
is_of_fid(const struct rest *r, const struct dp_port *in)
{
	return dp_is_member(in, r->fid) && (!r->native || in->vlan->native == r->fid.vlan);
}

void
rest_revise(struct worker *w, const struct dataplane *dp)
{
	struct rests *s = &w->rests;

	for (uint32_t i = s->n; i-- > 0;) {
		struct rest *r = &s->rest[i];
		const struct dp_port *in = dp->by_id[r->in];
		bool polled = is_polled(&dp->worker[w->id], r);

		r->next = 0;
		if (polled && r->rxq == r->polled && in != NULL && in->id == r->in &&
		    is_of_fid(r, in))
			continue;
		if (polled) {
			counter_add(&r->polled->stats.frames, 1);
			pktq_drop(r->polled, DROP_RX_NO_EGRESS, 1);
		} else { /* the queue is not ours any more */
			counter_add(&w->abandoned, 1);
		}
		end(s, r);
	}
}
