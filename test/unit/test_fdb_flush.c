/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port that goes with all the addresses the forwarding database holds: control forgets them in
 * portions, which are counted, and what is learned meanwhile stays.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_rcu_qsbr.h>

#include "eal.h"
#include "switch/fdb.h"
#include "switch/fdb_worker.h"

#define LIMIT 20000
#define GOES 1
#define STAYS 2
#define PORTION 512 /* entries removed by one call */
#define SECOND 1000000000ull

static struct rte_rcu_qsbr *qsbr;
static struct fdb *fdb;
static uint64_t now = 1000 * SECOND;

static struct rte_ether_addr
mac_of(uint32_t n)
{
	return (struct rte_ether_addr){
		{2, 0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};
}

static void
learn(uint32_t from, uint32_t to, uint16_t port)
{
	for (; from < to; from++) {
		struct rte_ether_addr mac = mac_of(from);

		assert_true(fdb_learn(fdb, &mac, 0, port));
	}
}

static uint16_t
lookup(uint32_t n)
{
	struct rte_ether_addr mac = mac_of(n);
	fdb_key k = fdb_key_make(&mac, 0);
	uint16_t port;

	fdb_lookup(fdb, &k, 1, &port);
	return port;
}

static uint32_t
entries(void)
{
	struct fdb_stats s;

	fdb_get_stats(fdb, &s);
	return (uint32_t)s.entries;
}

/* Until all is gone: each call removes a portion at most. Returns how many calls. */
static uint32_t
maintain(void)
{
	uint32_t calls = 0;

	while (!fdb_await(fdb)) {
		uint32_t before = entries();

		fdb_maintain(fdb, now);
		assert_in_range(before - entries(), 0, PORTION);
		calls++;
	}
	return calls;
}

static int
setup(void **state)
{
	const struct fdb_config cfg = {.limit = LIMIT, .ageing_s = 300, .workers = 1, .qsbr = qsbr};

	fdb = fdb_new(&cfg);
	assert_non_null(fdb);
	fdb_maintain(fdb, now);
	maintain();
	return 0;
}

static int
teardown(void **state)
{
	fdb_free(fdb);
	return 0;
}

/* At once what is usual, the rest in portions; others keep theirs. */
static void
in_portions(void **state)
{
	uint64_t start, longest = 0;
	uint32_t before;

	learn(0, PORTION, GOES);
	learn(LIMIT, LIMIT + 100, STAYS);
	fdb_forget_port(fdb, GOES);
	assert_int_equal(entries(), 100);
	learn(0, LIMIT - 100, GOES);
	start = rte_rdtsc();
	before = entries();
	fdb_forget_port(fdb, GOES);
	longest = rte_rdtsc() - start;
	assert_int_equal(before - entries(), PORTION);
	assert_int_equal(fdb_port_count(fdb, GOES), 0);
	assert_in_range(maintain(), (LIMIT - 100) / PORTION, LIMIT / PORTION + 2);
	assert_int_equal(entries(), 100);
	assert_int_equal(fdb_port_count(fdb, STAYS), 100);
	for (uint32_t i = 0; i < LIMIT - 100; i++)
		assert_int_equal(lookup(i), FDB_PORT_NONE);
	print_message("%u addresses: control is back after %.3f ms\n", LIMIT - 100,
		      (double)longest * 1e3 / (double)rte_get_tsc_hz());
}

/* Of all ports together as of one; none of what leaves is listed. */
static void
all_in_portions(void **state)
{
	struct fdb_entry_info e;
	struct rte_ether_addr mac = mac_of(LIMIT + 1);
	uint32_t at = 0, before;

	assert_int_equal(fdb_add_static(fdb, &mac, 0, STAYS), 0);
	learn(0, LIMIT / 2, GOES);
	learn(LIMIT / 2, LIMIT - 1, STAYS);
	before = entries();
	assert_int_equal(fdb_forget_all(fdb), LIMIT - 1);
	assert_int_equal(before - entries(), PORTION);
	assert_true(fdb_next(fdb, &at, &e));
	assert_int_equal(e.origin, FDB_STATIC);
	assert_false(fdb_next(fdb, &at, &e));
	learn(0, 10, GOES);
	maintain();
	assert_int_equal(entries(), 11);
	assert_int_equal(fdb_forget_all(fdb), 10);
	assert_int_equal(entries(), 1);
}

/* Learned behind the port while it is forgotten, as by its next guest. */
static void
learned_meanwhile_stays(void **state)
{
	learn(0, 5000, GOES);
	assert_int_equal(fdb_set_port_limit(fdb, GOES, 50), 0);
	fdb_forget_port(fdb, GOES);
	learn(10000, 10050, GOES);
	assert_int_equal(fdb_port_count(fdb, GOES), 50);
	maintain();
	assert_int_equal(entries(), 50);
	for (uint32_t i = 10000; i < 10050; i++)
		assert_int_equal(lookup(i), GOES);
	fdb_forget_port(fdb, GOES);
	assert_int_equal(entries(), 0);
}

/* The next guest's addresses end while those of the last one leave: none of the latter stays. */
static void
gone_meanwhile(void **state)
{
	struct rte_ether_addr mac;

	learn(0, 5000, GOES);
	fdb_forget_port(fdb, GOES);
	learn(10000, 10100, GOES);
	learn(10000, 10050, STAYS);
	for (uint32_t i = 10050; i < 10075; i++) {
		mac = mac_of(i);
		assert_int_equal(fdb_del(fdb, &mac, 0), 0);
		mac = mac_of(i + 25);
		assert_int_equal(fdb_add_static(fdb, &mac, 0, GOES), 0);
	}
	assert_int_equal(fdb_port_count(fdb, GOES), 0);
	maintain();
	for (uint32_t i = 0; i < 5000; i++)
		assert_int_equal(lookup(i), FDB_PORT_NONE);
	assert_int_equal(fdb_port_count(fdb, GOES), 0);
	assert_int_equal(entries(), 75);
}

/* Some of what leaves is seen elsewhere, is evicted, flushed or forgotten once more. */
static void
other_ends(void **state)
{
	learn(0, 5000, GOES);
	fdb_forget_port(fdb, GOES);
	learn(4000, 4100, STAYS);
	assert_int_equal(fdb_set_limits(fdb, 2000, 0, 300), 0);
	learn(6000, 6010, STAYS);
	fdb_forget_port(fdb, GOES);
	maintain();
	assert_int_equal(fdb_port_count(fdb, STAYS), 110);
	assert_int_equal(entries(), 110);
	assert_int_equal(fdb_set_limits(fdb, LIMIT, 0, 300), 0);
	learn(0, 4000, GOES);
	fdb_forget_port(fdb, GOES);
	assert_int_equal(fdb_flush_port(fdb, GOES, false), 4000 - PORTION);
	assert_true(fdb_await(fdb));
	assert_int_equal(fdb_port_count(fdb, GOES), 0);
	learn(0, 10, GOES);
	assert_int_equal(fdb_port_count(fdb, GOES), 10);
}

static int
group_setup(void **state)
{
	size_t size = rte_rcu_qsbr_get_memsize(1);

	if (eal_start("0", 256) != 0)
		return -1;
	qsbr = aligned_alloc(RTE_CACHE_LINE_SIZE, size);
	return qsbr != NULL ? rte_rcu_qsbr_init(qsbr, 1) : -1;
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(in_portions),    T(all_in_portions), T(learned_meanwhile_stays),
		T(gone_meanwhile), T(other_ends),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
