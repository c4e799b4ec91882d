/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When workers look up again what they remember: when an entry they found is not true any more, and
 * not when a guest makes up addresses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_byteorder.h>
#include <rte_rcu_qsbr.h>

#include "eal.h"
#include "switch/fdb.h"
#include "switch/fdb_worker.h"

#define MS UINT64_C(1000000)
#define LIMIT 256u

static struct rte_rcu_qsbr *qsbr;
static struct fdb *fdb;
static uint64_t now;

static struct rte_ether_addr
mac_of(uint32_t n)
{
	struct rte_ether_addr mac = {{2, 0}};
	uint32_t low = rte_cpu_to_be_32(n);

	memcpy(mac.addr_bytes + 2, &low, sizeof(low));
	return mac;
}

static void
seen(uint32_t n, uint16_t port)
{
	struct rte_ether_addr mac = mac_of(n);
	fdb_key k = fdb_key_make(&mac, 0);

	fdb_seen(fdb, 0, &k, 1, port);
}

static void
learn(uint32_t n, uint16_t port)
{
	seen(n, port);
	fdb_maintain(fdb, now);
}

/* Whether the epoch is another one than the last time. */
static bool
is_new(void)
{
	static uint32_t last;
	uint32_t epoch = fdb_epoch(fdb);
	bool changed = epoch != last;

	assert_int_not_equal(epoch, 0);
	last = epoch;
	return changed;
}

static int
make(void **state)
{
	const struct fdb_config cfg = {.limit = LIMIT, .ageing_s = 300, .workers = 1, .qsbr = qsbr};

	fdb = fdb_new(&cfg);
	if (fdb == NULL)
		return -1;
	now = 1000000 * MS;
	fdb_maintain(fdb, now);
	is_new();
	return 0;
}

static int
unmake(void **state)
{
	fdb_free(fdb);
	return 0;
}

static void
test_added(void **state)
{
	struct rte_ether_addr mac;

	learn(1, 1);
	learn(2, 2);
	mac = mac_of(3);
	assert_true(fdb_learn(fdb, &mac, 0, 3));
	mac = mac_of(4);
	assert_int_equal(fdb_add_static(fdb, &mac, 0, 3), 0);
	mac = mac_of(5);
	assert_int_equal(fdb_add_extern(fdb, &mac, 0, 3), 0);
	assert_false(is_new());
	learn(1, 1);
	assert_false(is_new());
}

static void
test_changed(void **state)
{
	struct rte_ether_addr mac = mac_of(1);

	learn(1, 1);
	learn(1, 2);
	assert_true(is_new());
	assert_true(fdb_learn(fdb, &mac, 0, 3));
	assert_true(is_new());
	assert_int_equal(fdb_add_extern(fdb, &mac, 0, 4), 0);
	assert_true(is_new());
	assert_int_equal(fdb_add_static(fdb, &mac, 0, 5), 0);
	assert_true(is_new());
	assert_int_equal(fdb_del(fdb, &mac, 0), 0);
	assert_true(is_new());
	fdb_flush_port(fdb, 2, false);
	assert_true(is_new());
	fdb_forget_port(fdb, 2);
	assert_true(is_new());
	now += 1000 * MS;
	fdb_maintain(fdb, now);
	assert_true(is_new());
}

static void
test_aged(void **state)
{
	learn(1, 1);
	now += 300 * 1000 * MS;
	fdb_maintain(fdb, now);
	assert_true(is_new());
	assert_int_equal(fdb_port_count(fdb, 1), 0);
}

/* In a full table each address that is made up pushes out another of the same port. */
static void
test_made_up_in_full_table(void **state)
{
	uint32_t next = 0, changes = 0;

	while (next < LIMIT)
		learn(next++, 1);
	assert_false(is_new());
	for (int ms = 0; ms < 500; ms++) {
		now += MS;
		for (int i = 0; i < 100; i++)
			seen(next++, 1);
		while (fdb_maintain(fdb, now) != 0)
			;
		changes += is_new();
	}
	/* one in 50 ms: addresses that are in use and were pushed out are learned again then */
	assert_in_range(changes, 9, 11);
}

/* An address that was pushed out and is learned at another port is looked up there at once. */
static void
test_evicted_and_moved(void **state)
{
	uint32_t next = 0;

	while (next < LIMIT)
		learn(next++, 1);
	learn(next, 1); /* number 0 goes */
	assert_false(is_new());
	learn(0, 2);
	assert_true(is_new());
	/* and so that control comes again though nothing more is learned */
	learn(next + 1, 1);
	assert_false(fdb_await(fdb));
	now += 51 * MS;
	fdb_maintain(fdb, now);
	assert_true(is_new());
	while (!fdb_await(fdb))
		fdb_maintain(fdb, now);
	assert_false(is_new());
}

/* Of several ports entries are evicted: what any of them learns may be what another has lost. */
static void
test_evicted_of_two(void **state)
{
	uint32_t next = 0;

	for (; next < LIMIT; next++)
		learn(next, 1 + next % 2);
	for (int i = 0; i < 2; i++)
		seen(next++, 3);
	fdb_maintain(fdb, now);
	is_new();
	seen(next++, 1);
	seen(next++, 2);
	seen(next++, 1);
	fdb_maintain(fdb, now);
	assert_true(is_new());
}

static int
setup(void **state)
{
	size_t size = rte_rcu_qsbr_get_memsize(1);

	if (eal_start("0", 128) != 0)
		return -1;
	qsbr = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN(size, RTE_CACHE_LINE_SIZE));
	return qsbr == NULL ? -1 : rte_rcu_qsbr_init(qsbr, 1);
}

static int
teardown(void **state)
{
	free(qsbr);
	return 0;
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, make, unmake)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_added),
		TEST(test_changed),
		TEST(test_aged),
		TEST(test_made_up_in_full_table),
		TEST(test_evicted_and_moved),
		TEST(test_evicted_of_two),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
