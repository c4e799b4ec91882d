/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The forwarding database, with a clock the test moves and, at the end, a
 * reader that runs against a control thread which never stops changing things.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <rte_rcu_qsbr.h>

#include "eal.h"
#include "switch/dataplane.h"
#include "switch/fdb.h"

#define SECOND 1000000000ull
#define RING 2047 /* usable slots of a learn ring */

static struct rte_rcu_qsbr *qsbr;
static struct fdb *fdb;
static uint64_t now = 1000 * SECOND;

static fdb_key
key(uint32_t n)
{
	struct rte_ether_addr mac = {
		{2, 0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};

	return fdb_key_make(&mac, 0);
}

static struct rte_ether_addr
mac_of(uint32_t n)
{
	struct rte_ether_addr mac;
	fdb_key k = key(n);

	memcpy(&mac, &k, sizeof(mac));
	return mac;
}

static uint16_t
lookup(uint32_t n)
{
	fdb_key k = key(n);
	uint16_t port;

	fdb_lookup(fdb, &k, 1, &port);
	return port;
}

static void
seen(uint32_t n, uint16_t port)
{
	fdb_key k = key(n);

	fdb_seen(fdb, 0, &k, 1, port);
}

static void
learn(uint32_t n, uint16_t port)
{
	seen(n, port);
	fdb_maintain(fdb, now);
}

static struct fdb_stats
stats(void)
{
	struct fdb_stats s;

	fdb_get_stats(fdb, &s);
	return s;
}

static void
make(uint32_t limit, uint32_t port_limit, uint32_t ageing_s)
{
	const struct fdb_config cfg = {
		.limit = limit,
		.port_limit = port_limit,
		.ageing_s = ageing_s,
		.workers = 2,
		.qsbr = qsbr,
	};

	fdb = fdb_new(&cfg);
	assert_non_null(fdb);
	fdb_maintain(fdb, now);
}

static int
make_default(void **state)
{
	make(1000, 0, 300);
	return 0;
}

static int
teardown(void **state)
{
	fdb_free(fdb);
	return 0;
}

static void
test_learn_and_look_up(void **state)
{
	fdb_key keys[FDB_BULK_MAX];
	uint16_t ports[FDB_BULK_MAX];

	assert_int_equal(lookup(1), FDB_PORT_NONE);
	for (uint32_t i = 0; i < FDB_BULK_MAX; i++) {
		keys[i] = key(i);
		seen(i, (uint16_t)(i % 7));
	}
	assert_int_equal(lookup(1), FDB_PORT_NONE); /* workers add nothing themselves */
	fdb_maintain(fdb, now);
	keys[5] = key(999);
	fdb_lookup(fdb, keys, FDB_BULK_MAX, ports);
	for (uint32_t i = 0; i < FDB_BULK_MAX; i++)
		assert_int_equal(ports[i], i == 5 ? FDB_PORT_NONE : i % 7);
	assert_int_equal(stats().entries, FDB_BULK_MAX);
	assert_int_equal(stats().learned, FDB_BULK_MAX);
	assert_int_equal(fdb_port_count(fdb, 6), 9);
}

static void
test_domains_are_separate(void **state)
{
	struct rte_ether_addr mac = mac_of(1);
	fdb_key k[2] = {fdb_key_make(&mac, 1), fdb_key_make(&mac, 2)};
	uint16_t ports[2];

	fdb_seen(fdb, 0, &k[0], 1, 10);
	fdb_seen(fdb, 1, &k[1], 1, 20);
	fdb_maintain(fdb, now);
	fdb_lookup(fdb, k, 2, ports);
	assert_int_equal(ports[0], 10);
	assert_int_equal(ports[1], 20);
	assert_int_equal(lookup(1), FDB_PORT_NONE);
}

static void
test_move(void **state)
{
	learn(1, 3);
	learn(1, 4);
	assert_int_equal(lookup(1), 4);
	assert_int_equal(stats().moved, 1);
	assert_int_equal(stats().entries, 1);
	assert_int_equal(fdb_port_count(fdb, 3), 0);
	assert_int_equal(fdb_port_count(fdb, 4), 1);
	learn(1, 4);
	assert_int_equal(stats().moved, 1);
}

static void
test_static(void **state)
{
	struct rte_ether_addr mac = mac_of(1), group = {{1, 0, 0x5e, 0, 0, 1}}, zero = {{0}};

	assert_int_equal(fdb_add_static(fdb, &group, 0, 1), -EINVAL);
	assert_int_equal(fdb_add_static(fdb, &zero, 0, 1), -EINVAL);
	assert_int_equal(fdb_add_static(fdb, &mac, 0, DP_PORTS_MAX), -EINVAL);
	assert_int_equal(fdb_add_static(fdb, &mac, 0, 5), 0);
	assert_int_equal(lookup(1), 5);
	learn(1, 6); /* no frame moves it */
	assert_int_equal(lookup(1), 5);
	assert_int_equal(stats().moved, 0);
	now += 10000 * SECOND; /* nor does time remove it */
	fdb_maintain(fdb, now);
	assert_int_equal(lookup(1), 5);
	assert_int_equal(fdb_flush_port(fdb, 5, false), 0);
	assert_int_equal(fdb_add_static(fdb, &mac, 0, 7), 0);
	assert_int_equal(lookup(1), 7);
	assert_int_equal(fdb_flush_port(fdb, 7, true), 1);
	assert_int_equal(lookup(1), FDB_PORT_NONE);
	/* a learned entry becomes static and leaves the port's count */
	learn(1, 8);
	assert_int_equal(fdb_add_static(fdb, &mac, 0, 8), 0);
	assert_int_equal(fdb_port_count(fdb, 8), 0);
	assert_int_equal(fdb_del(fdb, &mac, 0), 0);
	assert_int_equal(fdb_del(fdb, &mac, 0), -ENOENT);
	assert_int_equal(stats().entries, 0);
}

static void
test_ageing(void **state)
{
	learn(1, 1);
	learn(2, 2);
	for (uint32_t i = 0; i < 10; i++) {
		now += 60 * SECOND;
		seen(2, 2);
		fdb_maintain(fdb, now);
		assert_int_equal(lookup(1), i < 4 ? 1 : FDB_PORT_NONE);
		assert_int_equal(lookup(2), 2);
	}
	assert_int_equal(stats().aged, 1);
	assert_int_equal(fdb_port_count(fdb, 1), 0);
	assert_int_equal(fdb_set_limits(fdb, 1000, 0, 0), 0); /* from now on nothing ages */
	now += 100000 * SECOND;
	fdb_maintain(fdb, now);
	assert_int_equal(lookup(2), 2);
	assert_int_equal(fdb_set_limits(fdb, 1000, 0, 1), 0);
	now += SECOND;
	fdb_maintain(fdb, now);
	assert_int_equal(lookup(2), FDB_PORT_NONE);
}

static void
test_limit(void **state)
{
	for (uint32_t i = 0; i < 1500; i++)
		learn(i, 1);
	assert_int_equal(stats().entries, 1000);
	assert_int_equal(stats().refused_limit, 500);
	assert_int_equal(lookup(999), 1);
	assert_int_equal(lookup(1000), FDB_PORT_NONE);
	learn(5, 2); /* a move needs no room */
	assert_int_equal(lookup(5), 2);
	assert_int_equal(fdb_set_limits(fdb, FDB_LIMIT_DEFAULT + 1, 0, 0), -ERANGE);
	assert_int_equal(fdb_set_limits(fdb, 1001, 0, 300), 0);
	now += SECOND; /* another epoch: it may be pushed again */
	learn(1000, 1);
	learn(1000, 1);
	assert_int_equal(lookup(1000), 1);
	assert_int_equal(fdb_flush_port(fdb, FDB_PORT_NONE, false), 1001);
	assert_int_equal(stats().entries, 0);
}

static void
test_port_limit(void **state)
{
	assert_int_equal(fdb_set_limits(fdb, 1000, 10, 300), 0);
	assert_int_equal(fdb_set_port_limit(fdb, 2, 20), 0);
	assert_int_equal(fdb_set_port_limit(fdb, DP_PORTS_MAX, 1), -EINVAL);
	for (uint32_t i = 0; i < 100; i++) {
		learn(i, 1);
		learn(1000 + i, 2);
	}
	assert_int_equal(fdb_port_count(fdb, 1), 10);
	assert_int_equal(fdb_port_count(fdb, 2), 20);
	assert_int_equal(stats().refused_port_limit, 170);
	/* a full port takes no address over from another one either */
	learn(1000, 1);
	assert_int_equal(lookup(1000), 2);
	assert_int_equal(fdb_flush_port(fdb, 1, false), 10);
	learn(1000, 1);
	assert_int_equal(lookup(1000), 1);
}

/* Addresses pushed by a port that is gone must not come back after the flush. */
static void
test_flush_takes_requests_in(void **state)
{
	seen(1, 9);
	assert_int_equal(fdb_flush_port(fdb, 9, true), 1);
	fdb_maintain(fdb, now);
	assert_int_equal(lookup(1), FDB_PORT_NONE);
	assert_int_equal(fdb_port_count(fdb, 9), 0);
}

static void
test_ring(void **state)
{
	/* the same address again and again takes one slot */
	for (uint32_t i = 0; i < 10 * RING; i++)
		seen(1, 1);
	assert_int_equal(stats().ring_full, 0);
	fdb_maintain(fdb, now);
	assert_int_equal(fdb_set_limits(fdb, 10000, 0, 300), 0);
	for (uint32_t i = 10; i < 10 + RING + 100; i++)
		seen(i, 1);
	assert_int_equal(stats().ring_full, 100);
	fdb_maintain(fdb, now);
	assert_int_equal(stats().entries, 1 + RING);
	/* what did not fit is tried again, not remembered as pushed */
	for (uint32_t i = 10; i < 10 + RING + 100; i++)
		seen(i, 1);
	fdb_maintain(fdb, now);
	assert_int_equal(stats().entries, 1 + RING + 100);
}

static void
test_epoch(void **state)
{
	struct rte_ether_addr mac = mac_of(2);
	uint32_t epoch;

	learn(1, 1);
	epoch = fdb_epoch(fdb);
	assert_int_not_equal(epoch, 0);
	seen(1, 1);
	fdb_maintain(fdb, now + SECOND / 2);
	assert_int_equal(fdb_epoch(fdb), epoch); /* nothing happened */
	learn(1, 2);
	assert_int_not_equal(fdb_epoch(fdb), epoch);
	epoch = fdb_epoch(fdb);
	now += SECOND;
	fdb_maintain(fdb, now);
	assert_int_not_equal(fdb_epoch(fdb), epoch);
	epoch = fdb_epoch(fdb);
	fdb_add_static(fdb, &mac, 0, 1);
	assert_int_not_equal(fdb_epoch(fdb), epoch);
	epoch = fdb_epoch(fdb);
	fdb_del(fdb, &mac, 0);
	assert_int_not_equal(fdb_epoch(fdb), epoch);
	epoch = fdb_epoch(fdb);
	fdb_flush_port(fdb, 2, false);
	assert_int_not_equal(fdb_epoch(fdb), epoch);
}

struct walk {
	uint32_t n, statics, age;
	uint32_t stop_after;
};

static bool
count_entry(const struct fdb_entry_info *e, void *arg)
{
	struct walk *w = arg;

	w->n++;
	w->statics += e->is_static;
	w->age = RTE_MAX(w->age, e->age_s);
	if (e->is_static) {
		struct rte_ether_addr mac = mac_of(77);

		assert_true(rte_is_same_ether_addr(&e->mac, &mac));
		assert_int_equal(e->domain, 42);
		assert_int_equal(e->port, 3);
	} else {
		assert_int_equal(e->moves, 1);
	}
	return w->n != w->stop_after;
}

static void
test_walk(void **state)
{
	struct rte_ether_addr mac = mac_of(77);
	struct walk w = {0};

	fdb_walk(fdb, count_entry, &w);
	assert_int_equal(w.n, 0);
	for (uint32_t i = 0; i < 10; i++) {
		learn(i, 1);
		learn(i, 2);
	}
	fdb_add_static(fdb, &mac, 42, 3);
	now += 5 * SECOND;
	fdb_maintain(fdb, now);
	fdb_walk(fdb, count_entry, &w);
	assert_int_equal(w.n, 11);
	assert_int_equal(w.statics, 1);
	assert_int_equal(w.age, 5);
	w = (struct walk){.stop_after = 4};
	fdb_walk(fdb, count_entry, &w);
	assert_int_equal(w.n, 4);
}

/* --- a reader that never stops --- */

#define STABLE 32 /* keys that stay where they are */
#define MOVING 32 /* keys on port 1 or 2 */
#define ROUNDS 300

static atomic_bool stop;
static atomic_uint bad, batches;

static void
read_once(void)
{
	fdb_key keys[STABLE + MOVING];
	uint16_t ports[STABLE + MOVING];

	for (uint32_t i = 0; i < STABLE + MOVING; i++)
		keys[i] = key(i);
	fdb_lookup(fdb, keys, STABLE + MOVING, ports);
	for (uint32_t i = 0; i < STABLE; i++)
		if (ports[i] != 7)
			atomic_fetch_add(&bad, 1);
	for (uint32_t i = STABLE; i < STABLE + MOVING; i++)
		if (ports[i] != 1 && ports[i] != 2)
			atomic_fetch_add(&bad, 1);
	fdb_seen(fdb, 1, keys, STABLE, 7);
	atomic_fetch_add(&batches, 1);
}

static void *
reader(void *arg)
{
	rte_rcu_qsbr_thread_online(qsbr, 0);
	while (!atomic_load(&stop)) {
		read_once();
		rte_rcu_qsbr_quiescent(qsbr, 0);
	}
	rte_rcu_qsbr_thread_offline(qsbr, 0);
	return NULL;
}

/* Fill the table to its limit and empty it again, while the moving keys move. */
static void
churn(uint32_t round)
{
	for (uint32_t i = 0; i < 936; i++)
		seen(1000 + round * 1000 + i, 5);
	for (uint32_t i = STABLE; i < STABLE + MOVING; i++)
		seen(i, (uint16_t)(1 + round % 2));
	fdb_maintain(fdb, now);
	assert_int_equal(fdb_port_count(fdb, (uint16_t)(1 + round % 2)), MOVING);
	assert_int_equal(fdb_flush_port(fdb, 5, false), 936);
}

static void
test_concurrent_reader(void **state)
{
	pthread_t t;

	for (uint32_t i = 0; i < STABLE + MOVING; i++)
		learn(i, i < STABLE ? 7 : 1);
	assert_int_equal(pthread_create(&t, NULL, reader, NULL), 0);
	for (uint32_t i = 1; i <= ROUNDS; i++)
		churn(i);
	atomic_store(&stop, true);
	pthread_join(t, NULL);
	assert_int_equal(bad, 0);
	assert_true(batches > 10);
	assert_int_equal(stats().entries, STABLE + MOVING);
	assert_int_equal(stats().refused_limit, 0);
}

static int
setup(void **state)
{
	size_t size;

	if (eal_start("0", 256) != 0)
		return -1;
	size = rte_rcu_qsbr_get_memsize(2);
	qsbr = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(size, RTE_CACHE_LINE_SIZE));
	rte_rcu_qsbr_init(qsbr, 2);
	return rte_rcu_qsbr_thread_register(qsbr, 0);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, make_default, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_learn_and_look_up),
		TEST(test_domains_are_separate),
		TEST(test_move),
		TEST(test_static),
		TEST(test_ageing),
		TEST(test_limit),
		TEST(test_port_limit),
		TEST(test_flush_takes_requests_in),
		TEST(test_ring),
		TEST(test_epoch),
		TEST(test_walk),
		TEST(test_concurrent_reader),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
