/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control. */
#include "switch/inject.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "switch/inject_queue.h"
#include "switch/port.h"
#include "switch/sw.h"

#define RING_SIZE 1024

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
	m->hash.fdir.hi = INJECT_IN;
	if (bucket_take(&ip->bucket, bucket_now(), NULL, 1) == 0 ||
	    rte_ring_sp_enqueue(s->inject->ring, m) != 0) {
		ip->refused++;
		rte_pktmbuf_free(m);
		return false;
	}
	eventfd_write(s->inject->q.event_fd, 1);
	return true;
}

bool
sw_send(struct sw *s, struct port *to, struct rte_mbuf *m)
{
	if (!s->forwarding || s->mode->forward == NULL || !to->started || m->nb_segs > 1) {
		rte_pktmbuf_free(m);
		return false;
	}
	m->port = to->id;
	m->hash.usr = to->inject->serial;
	m->hash.fdir.hi = INJECT_OUT;
	if (rte_ring_sp_enqueue(s->inject->ring, m) != 0) {
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

		if (m->hash.fdir.hi == INJECT_IN && p != NULL && p->inject != NULL &&
		    p->inject->serial == m->hash.usr)
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
