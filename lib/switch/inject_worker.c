/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: the worker that polls the queue. */
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "base/ev.h"
#include "pkt/mbuf.h"
#include "switch/ingress.h"
#include "switch/inject.h"
#include "switch/inject_queue.h"
#include "switch/send.h"
#include "switch/watch_worker.h"

static struct inject *
of_queue(struct pktq *q)
{
	return container_of(q, struct inject, q);
}

/* One frame at a time: it may be copied to all ports. */
static uint16_t
inject_rx(struct pktq *q, struct pkt_batch *b)
{
	struct inject *i = of_queue(q);

	b->n = b->ndone = b->nsegs = 0;
	if (i->m == NULL && rte_ring_sc_dequeue(i->ring, (void **)&i->m) != 0)
		return 0;
	pkt_from_mbuf(&b->pkt[0], i->m, b->segs, PKT_SEGS_MAX);
	b->n = b->ndone = 1;
	return 1;
}

static void
inject_rx_done(struct pktq *q, struct pkt_batch *b)
{
	struct inject *i = of_queue(q);

	q->flood_next = b->ndone == 0;
	if (b->ndone == 0)
		return;
	rte_pktmbuf_free(i->m);
	i->m = NULL;
	b->n = b->ndone = 0;
}

const struct pktq_ops inject_ops = {.rx = inject_rx, .rx_done = inject_rx_done};

/* The account is the queue's: it is no frame of the port's peer. */
static void
send_out(struct worker *w, const struct dp_port *out, struct pktq *rxq, struct pkt_batch *batch)
{
	struct pkt *list[] = {&batch->pkt[0]};

	pktq_count(&rxq->stats, list[0]);
	if (out == NULL || out->ntx == 0) {
		pktq_drop(rxq, DROP_RX_NO_EGRESS, 1);
		return;
	}
	w->fid = (struct dp_fid){.fid = VLAN_FID_MIRROR}; /* it may go wherever it is sent */
	forward_send(w, out, rxq, list, 1);
}

/* Forward a frame as one of the port it is sent for; that one may be gone. */
void
inject_forward(struct worker *w, const struct dataplane *dp, const struct dp_port *none,
	       struct pktq *rxq, struct pkt_batch *batch)
{
	const struct rte_mbuf *m = batch->pkt[0].mbuf;
	struct inject_port *from = m->port < dp->ninject ? dp->inject[m->port] : NULL;
	const struct dp_port *in = dp->by_id[m->port];

	if (from == NULL || from->serial != m->hash.usr) {
		pktq_count(&rxq->stats, &batch->pkt[0]);
		pktq_drop(rxq, DROP_RX_NO_EGRESS, 1);
		return;
	}
	if (m->hash.fdir.hi == INJECT_OUT) {
		send_out(w, in, rxq, batch);
		return;
	}
	if (of_queue(rxq)->generation != dp->generation)
		from->q.flood_next = 0; /* receivers have other numbers */
	of_queue(rxq)->generation = dp->generation;
	pktq_count(&from->q.stats, &batch->pkt[0]);
	if (in == NULL) {
		pktq_drop(&from->q, DROP_RX_NO_EGRESS, 1);
		return;
	}
	if (w->watch != NULL)
		watch_receive(w, in, &from->q, batch);
	ingress_forward(dp, in, false)(w, dp, in, &from->q, batch);
}
