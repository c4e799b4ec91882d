/* SPDX-License-Identifier: BSD-3-Clause */
/* Decisions of the learning switch about many flows at once: all right, and remembered apart. */
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
#include "switch/forward.h"

#define FLOWS_MANY 250000u /* more than there is room for */
#define EGRESS_PORTS 1000u

static struct rte_rcu_qsbr *qsbr;
static struct dataplane dp;
static struct worker *w;
static struct pkt_batch batch;
static const struct dp_port in = {.id = 2000, .learns = true};

/* Number @p i of a vendor. */
static struct rte_ether_addr
mac_of(uint32_t i)
{
	struct rte_ether_addr a = {{2, 0}};
	uint32_t low = rte_cpu_to_be_32(i);

	memcpy(a.addr_bytes + 2, &low, sizeof(low));
	return a;
}

static uint16_t
port_of(uint32_t flow)
{
	return (uint16_t)(flow % EGRESS_PORTS);
}

static bool
learn_all(void)
{
	for (uint32_t i = 0; i < FLOWS_MANY; i++) {
		struct rte_ether_addr mac = mac_of(i);

		if (!fdb_learn(dp.fdb, &mac, 0, port_of(i)))
			return false;
	}
	return true;
}

static int
setup(void **state)
{
	struct fdb_config cfg = {.limit = 4 * FLOWS_MANY, .ageing_s = 300, .workers = 1};
	size_t size = rte_rcu_qsbr_get_memsize(1);

	if (eal_start("0", 128) != 0)
		return -1;
	qsbr = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN(size, RTE_CACHE_LINE_SIZE));
	w = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*w));
	if (qsbr == NULL || w == NULL || rte_rcu_qsbr_init(qsbr, 1) != 0)
		return -1;
	cfg.qsbr = qsbr;
	dp.fdb = fdb_new(&cfg);
	memset(w, 0, sizeof(*w));
	return dp.fdb != NULL && learn_all() ? 0 : -1;
}

static int
teardown(void **state)
{
	fdb_free(dp.fdb);
	free(w);
	free(qsbr);
	return 0;
}

/* Frames of flows @p first on, which go to hosts with their numbers from one. */
static void
fill(uint32_t first, uint16_t n)
{
	const struct rte_ether_addr src = mac_of(FLOWS_MANY);

	batch.n = n;
	for (uint16_t i = 0; i < n; i++) {
		batch.pkt[i].eth.dst_addr = mac_of(first + i);
		batch.pkt[i].eth.src_addr = src;
	}
}

static uint32_t
lines_used(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < FORWARD_LINES; i++)
		n += w->decided[i].epoch != 0;
	return n;
}

/* Addresses differ in their last bytes only; so each of few flows has a line of its own. */
static void
test_few_flows_apart(void **state)
{
	for (uint32_t i = 0; i < 1000; i += 50) {
		fill(i, 50);
		forward_decide(w, &dp, &in, &batch, NULL, false);
	}
	assert_in_range(lines_used(), 900, 1000);
}

/* The decisions about flow @p i that are remembered. */
static uint32_t
times_remembered(uint32_t i)
{
	uint64_t macs;
	uint32_t n = 0;

	fill(i, 1);
	memcpy(&macs, batch.pkt[0].eth_bytes, sizeof(macs));
	for (uint32_t k = 0; k < FORWARD_LINES; k++)
		for (uint32_t way = 0; way < FORWARD_WAYS; way++)
			n += w->decided[k].epoch == fdb_epoch(dp.fdb) &&
			     w->decided[k].flow[way].macs == macs;
	return n;
}

/* However many frames of a burst are a flow's, it has one place: others may share its line. */
static void
test_burst_takes_one_place(void **state)
{
	fdb_new_epoch(dp.fdb);
	fill(0, 8);
	for (uint16_t i = 0; i < 7; i++)
		batch.pkt[i] = batch.pkt[0];
	forward_decide(w, &dp, &in, &batch, NULL, false);
	assert_int_equal(times_remembered(0), 1);
	assert_int_equal(times_remembered(7), 1);
}

static void
decide_all(uint32_t flows)
{
	for (uint32_t i = 0; i < flows; i += 50) {
		fill(i, 50);
		forward_decide(w, &dp, &in, &batch, NULL, false);
		for (uint16_t k = 0; k < 50; k++)
			assert_int_equal(w->egress[k], port_of(i + k));
	}
}

/* Whether decisions are remembered, replaced by others or made anew, they are the same. */
static void
test_many_flows(void **state)
{
	decide_all(FLOWS_MANY);
	decide_all(FLOWS_MANY);
	decide_all(100);
	decide_all(100);
	fdb_new_epoch(dp.fdb);
	decide_all(1000);
}

/* A decision holds for the port a frame came in at and the FID it is looked up in. */
static void
test_ports_and_fids_apart(void **state)
{
	struct dp_port other = in;
	uint16_t fid[50];

	fill(0, 50);
	forward_decide(w, &dp, &in, &batch, NULL, false);
	other.domain = 1;
	forward_decide(w, &dp, &other, &batch, NULL, false);
	assert_int_equal(w->egress[7], EGRESS_FLOOD);
	for (uint16_t i = 0; i < 50; i++)
		fid[i] = i % 2;
	for (int k = 0; k < 2; k++) {
		forward_decide(w, &dp, &in, &batch, fid, false);
		for (uint16_t i = 0; i < 50; i++)
			assert_int_equal(w->egress[i], i % 2 != 0 ? EGRESS_FLOOD : port_of(i));
	}
}

/* A remembered decision ends when the address moves or goes. */
static void
test_moves_are_noticed(void **state)
{
	struct rte_ether_addr mac = mac_of(3);

	fill(0, 8);
	forward_decide(w, &dp, &in, &batch, NULL, false);
	assert_int_equal(w->egress[3], port_of(3));
	assert_true(fdb_learn(dp.fdb, &mac, 0, port_of(3) + 1));
	forward_decide(w, &dp, &in, &batch, NULL, false);
	assert_int_equal(w->egress[3], port_of(3) + 1);
	assert_int_equal(w->egress[4], port_of(4));
	assert_int_equal(fdb_del(dp.fdb, &mac, 0), 0);
	forward_decide(w, &dp, &in, &batch, NULL, false);
	assert_int_equal(w->egress[3], EGRESS_FLOOD);
}

/* An address that is in no entry is looked up each time: an entry may be added at any time. */
static void
test_unknown_is_not_remembered(void **state)
{
	struct rte_ether_addr mac = mac_of(FLOWS_MANY + 7);
	uint32_t epoch;

	fdb_new_epoch(dp.fdb);
	fill(FLOWS_MANY + 7, 1);
	for (int k = 0; k < 3; k++)
		forward_decide(w, &dp, &in, &batch, NULL, false);
	assert_int_equal(w->egress[0], EGRESS_FLOOD);
	assert_int_equal(times_remembered(FLOWS_MANY + 7), 0);
	epoch = fdb_epoch(dp.fdb);
	assert_true(fdb_learn(dp.fdb, &mac, 0, 5));
	assert_int_equal(fdb_epoch(dp.fdb), epoch);
	forward_decide(w, &dp, &in, &batch, NULL, false);
	assert_int_equal(w->egress[0], 5);
	assert_int_equal(times_remembered(FLOWS_MANY + 7), 1);
}

/* A group is in no entry. */
static void
test_groups_are_remembered(void **state)
{
	uint32_t used;

	fdb_new_epoch(dp.fdb);
	fill(0, 1);
	batch.pkt[0].eth.dst_addr = (struct rte_ether_addr){{1, 0, 0x5e, 1, 2, 3}};
	memset(w->decided, 0, sizeof(w->decided));
	for (int k = 0; k < 2; k++) /* the first asks for its source */
		forward_decide(w, &dp, &in, &batch, NULL, false);
	used = lines_used();
	assert_int_equal(w->egress[0], EGRESS_FLOOD);
	assert_int_equal(used, 1);
}

/*
 * A guest makes up source addresses, more than there is room for: the decisions of its neighbours
 * stay, and a source whose request found no room asks again with the next frame.
 */
static void
test_made_up_sources(void **state)
{
	uint32_t next = 1u << 24, epoch;

	fdb_maintain(dp.fdb, 0);
	fill(50, 50);
	forward_decide(w, &dp, &in, &batch, NULL, false);
	epoch = fdb_epoch(dp.fdb);
	for (int ms = 0; ms < 100; ms++) {
		for (int burst = 0; burst < 100; burst++) {
			fill(7, 50);
			for (uint16_t i = 0; i < 50; i++)
				batch.pkt[i].eth.src_addr = mac_of(next++);
			forward_decide(w, &dp, &in, &batch, NULL, false);
		}
		assert_int_equal(fdb_epoch(dp.fdb), epoch);
		while (fdb_maintain(dp.fdb, (uint64_t)ms * 400000) == FDB_PORTION)
			;
	}
	for (uint32_t i = 50; i < 100; i++)
		assert_int_equal(times_remembered(i), 1);
	fill(50, 1);
	batch.pkt[0].eth.src_addr = mac_of(next - 1); /* one of those that found no room */
	forward_decide(w, &dp, &in, &batch, NULL, false);
	assert_int_equal(fdb_maintain(dp.fdb, 0), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few_flows_apart),
		cmocka_unit_test(test_burst_takes_one_place),
		cmocka_unit_test(test_many_flows),
		cmocka_unit_test(test_ports_and_fids_apart),
		cmocka_unit_test(test_moves_are_noticed),
		cmocka_unit_test(test_unknown_is_not_remembered),
		cmocka_unit_test(test_groups_are_remembered),
		cmocka_unit_test(test_made_up_sources),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
