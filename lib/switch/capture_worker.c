/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: workers. */
#include "switch/capture_worker.h"

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "pkt/mbuf.h"
#include "switch/capture_ring.h"

static struct rte_mbuf *
copy_frame(const struct capture *c, const struct pkt *p)
{
	struct pkt first = *p;

	first.len = RTE_MIN(p->len, c->snaplen);
	return pkt_to_mbuf(c->mp, &first);
}

void
capture_frames(struct capture_port *p, uint16_t queue, enum pcapng_direction way,
	       struct pkt *const *pkts, uint16_t n)
{
	const struct capture *c = p->capture;
	uint64_t tsc = rte_get_tsc_cycles();
	struct rte_mbuf *m[PKT_BATCH_MAX];
	uint16_t k = 0, sent;

	for (uint16_t i = 0; i < n; i++) {
		struct capture_note *note;

		m[k] = copy_frame(c, pkts[i]);
		if (unlikely(m[k] == NULL))
			break;
		note = rte_mbuf_to_priv(m[k++]);
		*note = (struct capture_note){tsc, p, pkts[i]->len, queue, way};
	}
	sent = (uint16_t)rte_ring_mp_enqueue_burst(c->ring, (void **)m, k, NULL);
	rte_pktmbuf_free_bulk(m + sent, k - sent);
	if (unlikely(sent < n))
		atomic_fetch_add_explicit(&p->lost, n - sent, memory_order_relaxed);
}
