/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control, and one worker the queue. */
#include "switch/inject.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "base/ev.h"
#include "pkt/offload.h"
#include "switch/forward.h"
#include "switch/ingress.h"
#include "switch/port.h"

#define RING_SIZE 1024

struct inject {
	struct pktq q;         /* its counters are of frames whose port is gone */
	struct rte_ring *ring; /* SP: control, SC: a worker, or control while none polls it */
	struct rte_mbuf *m;    /* [worker] the frame at hand; after rx_done(): it was left */
	uint64_t generation;   /* [worker] of the snapshot it was handed on in */
	uint32_t serial;       /* [ctl] of the newest port */
};

/* --- the queue, a worker's --- */

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

static const struct pktq_ops inject_ops = {.rx = inject_rx, .rx_done = inject_rx_done};

/* Forward a frame as one of the port it is sent for; that one may be gone. */
static void
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

/* --- control --- */

static bool
has_rx_queue(struct port *p)
{
	struct pktq *rx[DP_QUEUES_MAX], *tx[DP_QUEUES_MAX];
	bool discard[DP_QUEUES_MAX];
	struct port_queues q = {.max = DP_QUEUES_MAX, .rx = rx, .tx = tx, .discard = discard};

	p->ops->queues(p, &q);
	return q.nrx > 0;
}

bool
sw_inject(struct sw *s, struct port *from, struct rte_mbuf *m)
{
	struct inject_port *ip = from->inject;

	if (!s->forwarding || s->mode->forward == NULL || !from->started || m->nb_segs > 1 ||
	    !has_rx_queue(from)) {
		rte_pktmbuf_free(m);
		return false;
	}
	m->port = from->id;
	m->hash.usr = ip->serial;
	if (bucket_take(&ip->bucket, bucket_now(), NULL, 1) == 0 ||
	    rte_ring_sp_enqueue(s->inject->ring, m) != 0) {
		ip->refused++;
		rte_pktmbuf_free(m);
		return false;
	}
	eventfd_write(s->inject->q.event_fd, 1);
	return true;
}

/* Control's while no worker polls the queue. */
static struct rte_mbuf *
next_frame(struct inject *i)
{
	struct rte_mbuf *m = i->m;

	i->m = NULL;
	i->q.flood_next = 0;
	return m != NULL || rte_ring_sc_dequeue(i->ring, (void **)&m) == 0 ? m : NULL;
}

void
inject_drain(struct sw *s)
{
	struct rte_mbuf *m;

	while ((m = next_frame(s->inject)) != NULL) {
		struct port *p = s->port[m->port];

		if (p != NULL && p->inject != NULL && p->inject->serial == m->hash.usr)
			p->inject->refused++;
		rte_pktmbuf_free(m);
	}
}

void
inject_poll(struct inject *i, struct dp_worker *dw)
{
	/* without a port there is nothing to be generated or to be watched */
	dw->inject = (struct dp_poll){.q = &i->q, .forward = inject_forward, .discard = true};
	dw->injected = i->ring;
}

struct inject_port *
inject_port_new(struct inject *i, uint16_t id)
{
	struct inject_port *ip = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*ip));

	if (ip == NULL)
		return NULL;
	memset(ip, 0, sizeof(*ip));
	ip->q.port = id;
	ip->q.event_fd = -1;
	ip->serial = ++i->serial;
	bucket_init(&ip->bucket, INJECT_RATE, INJECT_BURST, bucket_now());
	return ip;
}

struct inject *
inject_new(void)
{
	struct inject *i = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*i));
	char name[RTE_RING_NAMESIZE];

	if (i == NULL)
		return NULL;
	memset(i, 0, sizeof(*i));
	snprintf(name, sizeof(name), "inject_%p", (void *)i);
	i->q.port = FDB_PORT_NONE;
	i->q.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	atomic_init(&i->q.ops, &inject_ops);
	i->ring = rte_ring_create(name, RING_SIZE, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (i->q.event_fd < 0 || i->ring == NULL) {
		inject_free(i);
		return NULL;
	}
	return i;
}

void
inject_free(struct inject *i)
{
	struct rte_mbuf *m;

	if (i == NULL)
		return;
	while (i->ring != NULL && (m = next_frame(i)) != NULL)
		rte_pktmbuf_free(m);
	if (i->q.event_fd >= 0)
		close(i->q.event_fd);
	rte_ring_free(i->ring);
	free(i);
}
