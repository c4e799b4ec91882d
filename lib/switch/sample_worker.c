/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: workers. */
#include "switch/sample_worker.h"

#include <rte_mbuf.h>
#include <rte_random.h>
#include <rte_ring.h>

#include "pkt/mbuf.h"
#include "switch/sample_ring.h"

static void
sample_frame(struct sampling *s, const struct pktq *rxq, const struct pkt *p)
{
	struct pkt first = *p;
	struct sample_note *note;
	struct rte_mbuf *m;

	first.len = RTE_MIN(p->len, s->header);
	m = pkt_to_mbuf(s->mp, &first);
	if (likely(m != NULL)) {
		note = rte_mbuf_to_priv(m);
		*note = (struct sample_note){.len = p->len, .port = rxq->port};
		if (likely(rte_ring_mp_enqueue(s->ring, m) == 0))
			return;
		rte_pktmbuf_free(m);
	}
	atomic_fetch_add_explicit(&s->lost, 1, memory_order_relaxed);
}

/* One of 1 to 2 * rate - 1 frames from here, each as likely: which is next cannot be foreseen. */
static uint32_t
draw(const struct sampling *s)
{
	return 1 + (uint32_t)rte_rand_max(2 * (uint64_t)s->rate - 1);
}

void
sample_batch(const struct worker *w, struct sampling *s, const struct pktq *rxq,
	     const struct pkt_batch *batch)
{
	struct port_cost *c = &rxq->cost[w->id];
	uint32_t i = 0;

	if (unlikely(c->until_sample == 0 || c->sample_rate != s->rate)) {
		c->sample_rate = s->rate;
		c->until_sample = draw(s);
	}
	while (c->until_sample <= batch->n - i) {
		i += c->until_sample;
		sample_frame(s, rxq, &batch->pkt[i - 1]);
		c->until_sample = draw(s);
	}
	c->until_sample -= batch->n - i;
}
