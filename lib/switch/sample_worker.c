/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: workers. */
#include "switch/sample_worker.h"

#include <rte_mbuf.h>
#include <rte_random.h>
#include <rte_ring.h>

#include "pkt/mbuf.h"
#include "pkt/pool_order.h"
#include "switch/sample_ring.h"

/* NULL: there is no buffer. */
static struct rte_mbuf *
copy_first(struct sampling *s, const struct pktq *rxq, const struct pkt *p)
{
	struct pkt first = *p;
	struct sample_note *note;
	struct rte_mbuf *m;

	first.len = RTE_MIN(p->len, s->header);
	m = pkt_to_mbuf(s->mp, &first);
	if (unlikely(m == NULL))
		return NULL;
	note = rte_mbuf_to_priv(m);
	*note = (struct sample_note){.len = p->len, .port = rxq->port};
	return m;
}

static void
give(struct sampling *s, struct rte_mbuf *m)
{
	if (likely(m != NULL && rte_ring_mp_enqueue(s->ring, m) == 0))
		return;
	if (m != NULL)
		pool_give(m);
	atomic_fetch_add_explicit(&s->lost, 1, memory_order_relaxed);
}

/* One of 1 to 2 * rate - 1 frames from here, each as likely: which is next cannot be foreseen. */
static uint32_t
draw(const struct sampling *s)
{
	return 1 + (uint32_t)rte_rand_max(2 * (uint64_t)s->rate - 1);
}

void
sample_batch(struct worker *w, struct sampling *s, const struct pktq *rxq,
	     const struct pkt_batch *batch)
{
	struct port_cost *c = &rxq->cost[w->id];
	struct samples *to = &w->samples;
	uint16_t i = 0;

	to->n = 0;
	to->frames = batch->n;
	if (unlikely(c->until_sample == 0 || c->sample_rate != s->rate)) {
		c->sample_rate = s->rate;
		c->until_sample = draw(s);
	}
	while (c->until_sample <= (uint32_t)batch->n - i) {
		i = (uint16_t)(i + c->until_sample);
		to->at[to->n] = i - 1;
		to->mbuf[to->n++] = copy_first(s, rxq, &batch->pkt[i - 1]);
		c->until_sample = draw(s);
	}
	c->until_sample -= (uint32_t)batch->n - i;
}

void
sample_send(struct worker *w, struct sampling *s, const struct pktq *rxq,
	    const struct pkt_batch *batch)
{
	struct port_cost *c = &rxq->cost[w->id];
	const struct samples *from = &w->samples;
	uint16_t i = 0, gone = from->frames - batch->left;

	while (i < from->n && from->at[i] < gone)
		give(s, from->mbuf[i++]);
	if (likely(batch->left == 0))
		return;
	if (i == from->n)
		c->until_sample += batch->left;
	else
		c->until_sample = from->at[i] + 1u - gone;
	for (; i < from->n; i++)
		if (from->mbuf[i] != NULL)
			pool_give(from->mbuf[i]);
}
