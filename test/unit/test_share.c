/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port of many queues, all full of frames that cost much, beside one with a queue of small ones:
 * in a poll iteration all of its queues cost as much as one may, each has its turn, and the
 * neighbour's frame leaves in every iteration. The test is the worker.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <linux/virtio_net.h>
#include <stdlib.h>

#include <rte_mbuf.h>

#include "eal.h"
#include "frame.h"
#include "pkt/offload.h"
#include "switch/flood.h"
#include "switch/poll.h"
#include "switch/send.h"
#include "switch/share.h"

#define QUEUES 96
#define EMPTY 5 /* each fifth has nothing */
#define ITERATIONS 1000

/* A kind of costly frames: how many a poll takes, and what such a poll costs. */
struct kind {
	uint16_t n;
	uint32_t len;
	uint32_t gso_size;
	uint32_t copies; /* bytes of copies flooded */
	uint32_t work;
	uint32_t cost;
};

static struct rte_mempool *pool;
static struct worker *w;
static struct dataplane dp;
static struct dp_poll poll[QUEUES + 1], list[QUEUES + 1];
static struct dp_port ports[3];
static const struct dp_port *dense[3];
static struct pktq rx[QUEUES + 1], sink;
static struct pktq *txs[] = {&sink};
static struct frame big;
static struct view view;
static const struct kind *kind;
static uint32_t polls[QUEUES + 1], made;

static bool
is_empty(const struct pktq *q)
{
	return q->port == 0 && q->index % EMPTY == 0;
}

static uint16_t
take(struct pktq *q, struct pkt_batch *b)
{
	const struct kind one = {.n = 1, .len = 60}, *k = q->port == 0 ? kind : &one;

	polls[q - rx]++;
	b->n = b->ndone = b->nsegs = 0;
	q->work = 0;
	if (is_empty(q))
		return 0;
	for (uint16_t i = 0; i < k->n; i++) {
		b->pkt[i] = view.p;
		b->pkt[i].len = k->len;
		if (k->gso_size == 0) {
			b->pkt[i].need = 0;
			b->pkt[i].vnet = (struct pkt_vnet){0};
		}
		pktq_count(&q->stats, &b->pkt[i]);
	}
	b->n = b->ndone = k->n;
	q->work = k->work;
	return b->ndone;
}

static void
give_back(struct pktq *q, struct pkt_batch *b)
{
	b->n = b->ndone = 0;
}

static uint16_t
swallow(struct pktq *q, struct pkt *const *pkts, uint16_t n)
{
	made += n;
	return n;
}

static const struct pktq_ops rx_ops = {.rx = take, .rx_done = give_back};
static const struct pktq_ops tx_ops = {.tx = swallow};

static void
spend(struct worker *worker, const struct dataplane *plane, const struct dp_port *in,
      struct pktq *rxq, struct pkt_batch *b)
{
	struct pkt *p[] = {&b->pkt[0]};

	if (in->id != 0)
		return;
	if (kind->gso_size != 0)
		forward_send_queue(worker, &sink, rxq, p, 1);
	flood_spend(worker, kind->copies);
}

static const struct fwd_mode mode = {.name = "test", .forward = spend};

static struct port_cost costs[2]; /* by port, of the one worker */

static int
setup(void **state)
{
	memset(rx, 0, sizeof(rx));
	memset(costs, 0, sizeof(costs));
	memset(polls, 0, sizeof(polls));
	made = 0;
	for (uint16_t i = 0; i <= QUEUES; i++) {
		atomic_init(&rx[i].ops, &rx_ops);
		rx[i].port = i == QUEUES;
		rx[i].index = rx[i].port == 0 ? i : 0;
		rx[i].cost = &costs[rx[i].port];
		poll[i] = (struct dp_poll){.q = &rx[i],
					   .port = &ports[rx[i].port],
					   .forward = spend,
					   .several = rx[i].port == 0,
					   .accounted = rx[i].port == 0};
	}
	atomic_init(&sink.ops, &tx_ops);
	for (uint16_t i = 0; i < RTE_DIM(ports); i++) {
		ports[i] = (struct dp_port){.id = i, .ntx = 1, .tx = txs};
		dense[i] = &ports[i];
	}
	w = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*w));
	memset(w, 0, sizeof(*w));
	w->mp = pool;
	dp = (struct dataplane){.generation = 1,
				.mode = &mode,
				.nworkers = 1,
				.nports = 3,
				.ports = dense};
	dp.worker[0] = (struct dp_worker){.n = QUEUES + 1, .poll = poll, .list = list};
	return 0;
}

static int
teardown(void **state)
{
	dp.worker[0].n = 0;
	dp.generation++;
	worker_poll(w, &dp); /* it forgets what is not finished */
	free(w);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	return 0;
}

static uint32_t
greedy_polls(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < QUEUES; i++)
		if (!is_empty(&rx[i]))
			n += polls[i];
	return n;
}

static void
expect_fair(void)
{
	uint32_t most = 0, least = UINT32_MAX;

	for (uint32_t i = 0; i < QUEUES; i++) {
		most = RTE_MAX(most, polls[i]);
		least = RTE_MIN(least, polls[i]);
	}
	assert_in_range(most - least, 0, 1);
	assert_true(least > 0);
}

/* Kinds whose every poll costs the same. */
static void
share_is_kept(void **state)
{
	uint32_t most, before;

	kind = *state;
	most = (SHARE_COST + kind->cost - 1) / kind->cost;
	for (uint32_t i = 1; i <= ITERATIONS; i++) {
		before = greedy_polls();
		worker_poll(w, &dp);
		assert_in_range(greedy_polls() - before, 0, most);
		assert_int_equal(polls[QUEUES], i);
	}
	assert_true(greedy_polls() >= ITERATIONS / 2);
	expect_fair();
}

/* A frame that is cut over several iterations: the others wait as well. */
static void
segments_are_shared(void **state)
{
	static const struct kind cut = {.n = 1, .len = 60054, .gso_size = 8};
	uint32_t before;

	kind = &cut;
	for (uint32_t i = 1; i <= ITERATIONS; i++) {
		before = made;
		worker_poll(w, &dp);
		assert_in_range(made - before, 0, 2 * PKT_BATCH_COST);
		assert_int_equal(polls[QUEUES], i);
	}
	for (uint32_t i = 0; i < QUEUES; i++)
		assert_true(polls[i] > 0);
}

/* With one queue nothing is accounted. */
static void
single_queue_is_not_limited(void **state)
{
	static const struct kind bytes = {.n = 32, .len = 65536};

	kind = &bytes;
	for (uint32_t i = 0; i < QUEUES; i++)
		poll[i].several = poll[i].accounted = false;
	worker_poll(w, &dp);
	assert_int_equal(greedy_polls(), QUEUES - (QUEUES + EMPTY - 1) / EMPTY);
}

static int
group_setup(void **state)
{
	if (eal_start("0", 256) != 0)
		return -1;
	srandom(1);
	pool = rte_pktmbuf_pool_create("pool", 8191, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	frame_build(&big, false, true, 60000);
	big.vnet.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	big.vnet.gso_size = 8;
	view_make(&view, &big);
	return pool != NULL && offload_check(&view.p) ? 0 : -1;
}

int
main(void)
{
	static struct kind kinds[] = {
		{.n = 64, .len = 60, .cost = 64 + 3},
		{.n = 64, .len = 16384, .cost = 64 + 1024},
		{.n = 32, .len = 65536, .cost = 32 + 2048},
		{.n = 1, .len = 60, .copies = FLOOD_BUDGET, .cost = 1 + FLOOD_BUDGET / 1024},
		{.n = 64, .len = 60, .work = 256, .cost = 64 + 3 + 32},
	};
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define K(name, i)                                                                \
	{                                                                         \
		"share_is_kept: " name, share_is_kept, setup, teardown, &kinds[i] \
	}
	const struct CMUnitTest tests[] = {
		K("frames", 0),
		K("bytes", 1),
		K("large frames", 2),
		K("copies", 3),
		K("lookups", 4),
		T(segments_are_shared),
		T(single_queue_is_not_limited),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
