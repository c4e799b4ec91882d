/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which queues a worker polls in an iteration: the active ones always, of the idle
 * ones a few, and none is forgotten. The test is the worker.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>

#include "switch/poll.h"

#define QUEUES 100
#define BURST 32u
#define ITERATIONS_PER_LOOK (POLL_IDLE_SHARE / BURST)
#define ROUND (QUEUES / POLL_IDLE_LOOK + 1) /* idle iterations to look at all */

struct fakeq {
	struct pktq q;
	uint32_t frames; /* waiting */
	uint32_t polled;
	uint32_t work; /* what a poll of it costs */
	bool armed;
};

static struct fakeq queues[QUEUES];
static struct port_cost costs[QUEUES]; /* by port, of the one worker */
static struct dp_poll poll[QUEUES], list[QUEUES];
static struct dataplane dp;
static struct worker *w;

static uint16_t
fake_rx(struct pktq *q, struct pkt_batch *b)
{
	struct fakeq *f = (struct fakeq *)q;

	f->polled++;
	q->work = f->work;
	b->n = b->ndone = (uint16_t)RTE_MIN(f->frames, (uint32_t)b->max);
	f->frames -= b->n;
	return b->n;
}

static void
fake_rx_done(struct pktq *q, struct pkt_batch *b)
{
	b->n = b->ndone = 0;
}

static bool
fake_arm(struct pktq *q)
{
	struct fakeq *f = (struct fakeq *)q;

	f->armed = true;
	return f->frames != 0;
}

static void
fake_disarm(struct pktq *q)
{
	((struct fakeq *)q)->armed = false;
}

static const struct pktq_ops ops = {
	.rx = fake_rx,
	.rx_done = fake_rx_done,
	.arm = fake_arm,
	.disarm = fake_disarm,
};
static const struct pktq_ops deaf_ops = {.rx = fake_rx, .rx_done = fake_rx_done};

static void
swallow(struct worker *worker, const struct dataplane *plane, const struct dp_port *in,
	struct pktq *rxq, struct pkt_batch *batch)
{
}

static void
make_nothing(struct worker *worker, const struct dataplane *plane, const struct dp_port *port,
	     struct pktq *rxq)
{
}

static const struct fwd_mode mode = {.name = "test", .forward = swallow};
static const struct fwd_mode generator = {.name = "generator",
					  .forward = swallow,
					  .generate = make_nothing};

static int
setup(void **state)
{
	w = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*w));
	memset(w, 0, sizeof(*w));
	w->burst = BURST;
	memset(queues, 0, sizeof(queues));
	memset(costs, 0, sizeof(costs));
	memset(list, 0, sizeof(list));
	dp = (struct dataplane){.generation = 1, .mode = &mode, .nworkers = 1};
	dp.worker[0] = (struct dp_worker){.n = QUEUES, .poll = poll, .list = list};
	for (uint32_t i = 0; i < QUEUES; i++) {
		atomic_init(&queues[i].q.ops, &ops);
		queues[i].q.cost = &costs[0];
		poll[i] = (struct dp_poll){.q = &queues[i].q, .forward = swallow};
	}
	return 0;
}

static int
teardown(void **state)
{
	free(w);
	return 0;
}

static void
forget_polls(void)
{
	for (uint32_t i = 0; i < QUEUES; i++)
		queues[i].polled = 0;
}

/* Iterations in which queues[0] has a burst each. */
static void
busy_iterations(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		queues[0].frames += BURST;
		assert_true(worker_poll(w, &dp) >= BURST);
	}
}

static void
idle_iterations(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(worker_poll(w, &dp), 0);
}

/* All but queues[0] have become idle. */
static void
all_idle(void)
{
	busy_iterations(POLL_IDLE_AFTER);
	assert_int_equal(w->nactive, 1);
	forget_polls();
}

static void
test_few_are_always_polled(void **state)
{
	dp.worker[0].n = POLL_IDLE_FROM;
	busy_iterations(10 * POLL_IDLE_AFTER);
	assert_int_equal(w->frames, 10 * POLL_IDLE_AFTER * BURST);
	for (uint32_t i = 0; i < POLL_IDLE_FROM; i++)
		assert_int_equal(queues[i].polled, 10 * POLL_IDLE_AFTER);
}

/* No queue is idle before its time, and a frame in between starts it anew. */
static void
test_goes_idle(void **state)
{
	busy_iterations(POLL_IDLE_AFTER - 1);
	assert_int_equal(w->nactive, QUEUES);
	queues[50].frames = 1;
	busy_iterations(1);
	assert_int_equal(w->nactive, 2);
	assert_int_equal(queues[50].frames, 0);
	busy_iterations(POLL_IDLE_AFTER - 1);
	assert_int_equal(w->nactive, 2);
	busy_iterations(1);
	assert_int_equal(w->nactive, 1);
}

/* A busy iteration looks at few of the others, whatever their number, and at each as often. */
static void
test_busy_iteration_is_cheap(void **state)
{
	uint32_t looks = 0, least = UINT32_MAX, most = 0;

	all_idle();
	busy_iterations(1000);
	assert_int_equal(queues[0].polled, 1000);
	for (uint32_t i = 1; i < QUEUES; i++) {
		looks += queues[i].polled;
		least = RTE_MIN(least, queues[i].polled);
		most = RTE_MAX(most, queues[i].polled);
	}
	assert_int_equal(looks, 1000 / ITERATIONS_PER_LOOK);
	assert_in_range(most - least, 0, 1);
}

/* With nothing else to do, frames of an idle queue are found soon. */
static void
test_idle_iteration_looks_around(void **state)
{
	uint32_t looks = 0;

	all_idle();
	idle_iterations(1);
	for (uint32_t i = 1; i < QUEUES; i++)
		looks += queues[i].polled;
	assert_int_equal(looks, POLL_IDLE_LOOK);
	idle_iterations(ROUND - 1);
	for (uint32_t i = 1; i < QUEUES; i++)
		assert_in_range(queues[i].polled, 1, 2);
}

static void
test_wakes(void **state)
{
	all_idle();
	queues[70].frames = 1;
	queues[70].armed = true;
	for (uint32_t i = 0; queues[70].frames != 0; i++) {
		assert_true(i < QUEUES * ITERATIONS_PER_LOOK);
		busy_iterations(1);
	}
	assert_false(queues[70].armed);
	assert_int_equal(w->nactive, 2);
	forget_polls();
	busy_iterations(10);
	assert_int_equal(queues[70].polled, 10);
}

/* All at once: each is served, and they share out the worker as before. */
static void
test_all_wake(void **state)
{
	all_idle();
	for (uint32_t i = 0; i < QUEUES; i++)
		queues[i].frames = 1000 * BURST;
	for (uint32_t i = 0; i < QUEUES; i++)
		worker_poll(w, &dp);
	assert_int_equal(w->nactive, QUEUES);
	forget_polls();
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(worker_poll(w, &dp), QUEUES * BURST);
	for (uint32_t i = 0; i < QUEUES; i++)
		assert_int_equal(queues[i].polled, 10);
}

/* Between two naps idle queues stay armed; one that has frames is active at once. */
static void
test_sleep(void **state)
{
	all_idle();
	assert_false(worker_arm(w, &dp));
	for (uint32_t i = 0; i < QUEUES; i++)
		assert_true(queues[i].armed);
	worker_disarm(w, &dp);
	assert_false(queues[0].armed);
	for (uint32_t i = 1; i < QUEUES; i++)
		assert_true(queues[i].armed);
	queues[99].frames = 1;
	assert_true(worker_arm(w, &dp));
	assert_false(queues[0].armed);
	assert_false(queues[99].armed);
	assert_true(queues[1].armed);
	assert_int_equal(w->nactive, 2);
	assert_int_equal(worker_poll(w, &dp), 1);
	assert_int_equal(queues[99].frames, 0);
}

/*
 * The list belongs to a snapshot. Idle queues are idle in the next one, too, and stay armed: a peer
 * that causes one snapshot after the other does not have all of them polled.
 */
static void
test_new_snapshot(void **state)
{
	uint32_t looks = 0;

	all_idle();
	assert_false(worker_arm(w, &dp));
	worker_disarm(w, &dp);
	dp.worker[0].n = QUEUES - 1; /* a queue has gone */
	for (uint32_t i = 0; i < 100; i++) {
		dp.generation++;
		busy_iterations(1);
	}
	assert_int_equal(w->nactive, 1);
	assert_int_equal(queues[0].polled, 100);
	assert_false(queues[0].armed);
	for (uint32_t i = 1; i < QUEUES - 1; i++) {
		looks += queues[i].polled;
		assert_true(queues[i].armed);
	}
	assert_int_equal(looks, 100 / ITERATIONS_PER_LOOK);
	assert_int_equal(queues[QUEUES - 1].polled, 0);
}

/* However often the snapshot changes, each idle queue is looked at. */
static void
test_new_snapshots_reach_all(void **state)
{
	all_idle();
	for (uint32_t i = 0; i < QUEUES * ITERATIONS_PER_LOOK; i++) {
		dp.generation++;
		busy_iterations(1);
	}
	for (uint32_t i = 1; i < QUEUES; i++)
		assert_in_range(queues[i].polled, 1, 2);
}

/* A queue that is new, or comes from another worker, is active and disarmed. */
static void
test_new_queue(void **state)
{
	all_idle();
	assert_false(worker_arm(w, &dp));
	dp.generation++;
	queues[40].q.misses = 0;
	busy_iterations(1);
	assert_int_equal(w->nactive, 2);
	assert_false(queues[40].armed);
	assert_int_equal(queues[40].polled, 1);
}

/* Every queue of a generator has something to do in each iteration. */
static void
test_generator(void **state)
{
	dp.mode = &generator;
	idle_iterations(2 * POLL_IDLE_AFTER);
	assert_int_equal(w->nactive, QUEUES);
}

/* A queue that cannot be armed is polled as long as the worker is awake. */
static void
test_deaf(void **state)
{
	atomic_store(&queues[7].q.ops, &deaf_ops);
	busy_iterations(POLL_IDLE_AFTER);
	assert_int_equal(w->nactive, 2);
	forget_polls();
	busy_iterations(10);
	assert_int_equal(queues[7].polled, 10);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

/*
 * A port with three queues, each of whose polls costs 10,000 lookups without a frame: for each of
 * them the worker comes by 78 times before it looks at any of the three again. Its neighbours, and
 * ports whose work is warranted by their frames, are polled in each iteration.
 */
static void
test_debt_goes_in_iterations(void **state)
{
	const uint32_t work = 10000, iterations = 1000;

	for (uint32_t i = 0; i < QUEUES; i++)
		queues[i].q.cost = &costs[i];
	for (uint32_t i = 5; i < 8; i++) {
		queues[i].q.cost = &costs[5];
		queues[i].work = work;
	}
	queues[8].work = BURST * 8; /* chains of several descriptors */
	for (uint32_t n = 0; n < iterations; n++) {
		for (uint32_t i = 8; i < 16; i++)
			queues[i].frames = BURST;
		worker_poll(w, &dp);
	}
	assert_true((queues[5].polled + queues[6].polled + queues[7].polled) * work <=
		    iterations * 128 + work);
	assert_true(queues[5].polled + queues[6].polled + queues[7].polled > 0);
	for (uint32_t i = 8; i < 16; i++)
		assert_int_equal(queues[i].polled, iterations);
}

/* A worker that is owed something does not sleep: the debt goes in iterations. */
static void
test_debtor_is_not_forgotten(void **state)
{
	uint32_t polled;

	queues[3].work = 1000;
	worker_poll(w, &dp);
	polled = queues[3].polled;
	assert_true(worker_arm(w, &dp));
	for (uint32_t n = 0; n < 1000 / 128 + 1; n++)
		worker_poll(w, &dp);
	assert_int_equal(queues[3].polled, polled + 1);
	queues[3].work = 0;
	for (uint32_t n = 0; n < 1000 / 128 + 1; n++)
		worker_poll(w, &dp);
	assert_false(worker_arm(w, &dp));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_few_are_always_polled),
		TEST(test_goes_idle),
		TEST(test_busy_iteration_is_cheap),
		TEST(test_idle_iteration_looks_around),
		TEST(test_wakes),
		TEST(test_all_wake),
		TEST(test_sleep),
		TEST(test_new_snapshot),
		TEST(test_new_snapshots_reach_all),
		TEST(test_new_queue),
		TEST(test_generator),
		TEST(test_deaf),
		TEST(test_debt_goes_in_iterations),
		TEST(test_debtor_is_not_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
