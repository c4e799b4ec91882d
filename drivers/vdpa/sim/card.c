/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: the simulated card's thread, except where control is named. */
#include "vdpa/sim/sim.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bsd/string.h>
#include <rte_mbuf.h>

#include "pkt/mbuf.h"
#include "pkt/offload.h"

#define BURST 32
#define WIRE_MADE 16 /* frames made of one that has to be finished, at a time */
#define NAP_AFTER 64 /* iterations without a frame */
#define NAP_NS 50000
#define SEGS 64

struct sim_card sim_card = {
	.devs = STAILQ_HEAD_INITIALIZER(sim_card.devs),
	.wires = STAILQ_HEAD_INITIALIZER(sim_card.wires),
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint wanted;       /* control waits for the lock */
static atomic_bool off;          /* the thread is to end */
static pthread_t thread;         /* [ctl] while it is on */
static bool is_on;               /* [ctl] */
static struct rte_mempool *pool; /* [card] */
static struct pkt_batch batch;   /* [card] */

/* --- control --- */

void
card_lock(void)
{
	atomic_fetch_add(&wanted, 1);
	pthread_mutex_lock(&lock);
	atomic_fetch_sub(&wanted, 1);
}

void
card_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

void
card_set_pool(struct rte_mempool *mp)
{
	pool = mp;
}

struct sim_wire *
sim_wire_get(const char *name)
{
	struct sim_wire *w;

	STAILQ_FOREACH (w, &sim_card.wires, entry)
		if (strcmp(w->name, name) == 0)
			return w;
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return NULL;
	strlcpy(w->name, name, sizeof(w->name));
	card_lock();
	STAILQ_INSERT_TAIL(&sim_card.wires, w, entry);
	card_unlock();
	return w;
}

/* --- sending --- */

/** A receiver on a wire: a device's ring, or the uplink. */
struct sink {
	struct pktq *q;        /* NULL: the uplink of ... */
	struct sim_wire *wire; /* ... this wire */
};

static void
send_up(struct sim_wire *w, struct pkt *const *pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pool != NULL ? pkt_to_mbuf(pool, pkts[i]) : NULL;

		if (m != NULL && rte_ring_enqueue(w->up, m) == 0)
			continue;
		rte_pktmbuf_free(m);
		w->up_lost++;
	}
}

static void
send_plain(const struct sink *s, struct pkt *const *pkts, uint16_t n)
{
	if (s->q == NULL)
		send_up(s->wire, pkts, n);
	else
		pktq_ops(s->q)->tx(s->q, pkts, n);
}

/** A frame whose checksum or segmentation the receiver does not take over. */
static void
send_finished(const struct sink *s, const struct pkt *p, uint32_t accept)
{
	struct pkt made[WIRE_MADE], *ptr[WIRE_MADE];
	struct pkt_seg segs[SEGS];
	struct offload_work work;
	uint16_t n;

	if (pool == NULL || !offload_begin(&work, pool, p, accept, NULL))
		return;
	for (uint16_t i = 0; i < WIRE_MADE; i++)
		ptr[i] = &made[i];
	while ((n = offload_next(&work, made, WIRE_MADE, segs, SEGS)) != 0) {
		send_plain(s, ptr, n);
		offload_free(made, n);
	}
}

/** Send frames in order: those that need no work in runs between the others. */
static void
send_all(const struct sink *s, struct pkt *pkts, uint16_t n)
{
	uint32_t accept = s->q != NULL ? s->q->offloads : 0;
	struct pkt *run[PKT_BATCH_MAX];
	uint16_t i, k = 0;

	for (i = 0; i < n; i++) {
		if ((pkts[i].need & ~accept) == 0) {
			run[k++] = &pkts[i];
			continue;
		}
		send_plain(s, run, k);
		k = 0;
		send_finished(s, &pkts[i], accept);
	}
	send_plain(s, run, k);
}

/** The ring of @p d the guest receives on, for frames of queue pair @p pair, or NULL. */
static struct pktq *
receiver(const struct sim_dev *d, uint32_t pair)
{
	uint32_t n = 0;

	while (n < SIM_PAIRS_MAX && d->ring[2 * n] != NULL && d->ring[2 * n]->running &&
	       d->ring[2 * n]->enabled)
		n++;
	if (!d->live || n == 0 || d->fault == SIM_FAULT_STALL || d->fault == SIM_FAULT_VANISH)
		return NULL;
	return &d->ring[2 * (pair % n)]->vq.q;
}

/** To all devices on @p w but @p from. */
static void
send_devices(const struct sim_wire *w, const struct sim_dev *from, uint32_t pair, struct pkt *pkts,
	     uint16_t n)
{
	struct sim_dev *d;

	STAILQ_FOREACH (d, &sim_card.devs, entry) {
		struct sink s = {.q = receiver(d, pair)};

		if (d != from && d->wire == w && s.q != NULL)
			send_all(&s, pkts, n);
	}
}

static void
send_wire(const struct sim_dev *from, uint32_t pair, struct pkt *pkts, uint16_t n)
{
	struct sink up = {.wire = from->wire};
	struct sink back = {.q = receiver(from, pair)};

	if (from->wire == NULL) {
		if (back.q != NULL)
			send_all(&back, pkts, n);
		return;
	}
	send_devices(from->wire, from, pair, pkts, n);
	if (from->wire->up != NULL)
		send_all(&up, pkts, n);
}

/* --- receiving --- */

static uint16_t
switch_ring(struct sim_dev *d, uint32_t pair)
{
	struct pktq *q = &d->ring[2 * pair + 1]->vq.q;
	const struct pktq_ops *ops = pktq_ops(q);
	uint16_t n;

	batch.max = BURST;
	batch.left = 0;
	n = ops->rx(q, &batch);
	if (n == 0)
		return 0;
	if (!d->ring[2 * pair + 1]->enabled) {
		pktq_drop(q, DROP_RX_DISABLED, batch.n);
	} else {
		send_wire(d, pair, batch.pkt, batch.n);
		counter_add(&q->stats.offered, batch.n);
	}
	ops->rx_done(q, &batch);
	return n;
}

static uint16_t
switch_dev(struct sim_dev *d)
{
	uint16_t n = 0;

	if (!d->live || d->fault == SIM_FAULT_STALL || d->fault == SIM_FAULT_VANISH)
		return 0;
	for (uint32_t pair = 0; pair < SIM_PAIRS_MAX; pair++)
		if (d->ring[2 * pair + 1] != NULL && d->ring[2 * pair + 1]->running &&
		    !d->ring[2 * pair + 1]->waits)
			n += switch_ring(d, pair);
	return n;
}

/** From the switch to the devices on @p w. */
static uint16_t
switch_uplink(const struct sim_wire *w)
{
	struct rte_mbuf *m[BURST];
	struct pkt_seg segs[SEGS];
	unsigned int n;
	struct pkt p;

	if (w->down == NULL)
		return 0;
	n = rte_ring_dequeue_burst(w->down, (void **)m, BURST, NULL);
	for (unsigned int i = 0; i < n; i++) {
		if (pkt_from_mbuf(&p, m[i], segs, SEGS))
			send_devices(w, NULL, m[i]->hash.rss, &p, 1);
		rte_pktmbuf_free(m[i]);
	}
	return (uint16_t)n;
}

static uint32_t
iterate(void)
{
	struct sim_wire *w;
	struct sim_dev *d;
	uint32_t n = 0;

	/* control does not wait for more than one device's or wire's burst */
	STAILQ_FOREACH (d, &sim_card.devs, entry) {
		n += switch_dev(d);
		if (atomic_load(&wanted) != 0)
			return n + 1;
	}
	STAILQ_FOREACH (w, &sim_card.wires, entry) {
		n += switch_uplink(w);
		if (atomic_load(&wanted) != 0)
			return n + 1;
	}
	return n;
}

static void *
card_run(void *arg)
{
	static const struct timespec nap = {.tv_nsec = NAP_NS};
	uint32_t vain = 0;

	while (!atomic_load(&off)) {
		pthread_mutex_lock(&lock);
		vain = iterate() != 0 ? 0 : vain + 1;
		pthread_mutex_unlock(&lock);
		/* a mutex is not fair: a waiting thread would seldom get it */
		while (atomic_load(&wanted) != 0)
			sched_yield();
		if (vain > NAP_AFTER)
			nanosleep(&nap, NULL);
	}
	return arg;
}

int
card_power_on(void)
{
	cpu_set_t all;
	int ret;

	if (is_on)
		return 0;
	atomic_store(&off, false);
	ret = pthread_create(&thread, NULL, card_run, NULL);
	if (ret != 0)
		return -ret;
	is_on = true;
	pthread_setname_np(thread, "vdpa-sim");
	/* EAL has bound the thread that makes it to one core */
	memset(&all, 0xff, sizeof(all));
	pthread_setaffinity_np(thread, sizeof(all), &all);
	return 0;
}

void
card_power_off(void)
{
	if (!is_on)
		return;
	atomic_store(&off, true);
	pthread_join(thread, NULL);
	is_on = false;
}
