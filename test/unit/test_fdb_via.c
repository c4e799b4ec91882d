/* SPDX-License-Identifier: BSD-3-Clause */
/* The forwarding database, for ports whose frames come in at an uplink, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <rte_rcu_qsbr.h>

#include "eal.h"
#include "switch/fdb.h"
#include "switch/fdb_worker.h"

#define UPLINK 0
#define PORT 3
#define OTHER 4

static struct rte_rcu_qsbr *qsbr;
static struct fdb *fdb;
static const struct rte_ether_addr mac = {{2, 0, 0, 0, 0, 1}};

static int
setup(void **state)
{
	const struct fdb_config cfg = {.limit = 100, .ageing_s = 300, .workers = 1};
	struct fdb_config c = cfg;
	size_t size = rte_rcu_qsbr_get_memsize(1);

	if (eal_start("0", 64) != 0)
		return -1;
	qsbr = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN(size, RTE_CACHE_LINE_SIZE));
	if (qsbr == NULL || rte_rcu_qsbr_init(qsbr, 1) != 0)
		return -1;
	c.qsbr = qsbr;
	fdb = fdb_new(&c);
	return fdb != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	fdb_free(fdb);
	free(qsbr);
	return 0;
}

static uint16_t
seen_at(uint16_t port)
{
	fdb_key k = fdb_key_make(&mac, 0);

	fdb_new_epoch(fdb); /* a worker tells control once an epoch */
	fdb_seen(fdb, 0, &k, 1, port);
	fdb_take_in(fdb);
	fdb_lookup(fdb, &k, 1, &port);
	return port;
}

/* Seen at the uplink it stays with its port; at any other port it moves as ever. */
static void
test_stays(void **state)
{
	assert_int_equal(seen_at(PORT), PORT);
	fdb_set_via(fdb, PORT, UPLINK);
	assert_int_equal(seen_at(UPLINK), PORT);
	assert_int_equal(seen_at(OTHER), OTHER);
	assert_int_equal(seen_at(UPLINK), UPLINK);
	assert_int_equal(seen_at(PORT), PORT);
	fdb_set_via(fdb, PORT, FDB_PORT_NONE);
	assert_int_equal(seen_at(UPLINK), UPLINK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stays),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
