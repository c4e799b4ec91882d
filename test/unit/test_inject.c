/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A frame of control's own reaches every port that could have got it from the
 * port it is sent for, is learned there, and is accounted for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include <rte_arp.h>
#include <rte_mbuf.h>

#include "eal.h"
#include "switch/forward.h"
#include "switch/port.h"

#define PORTS 4
#define ELSEWHERE 3 /* a port of another domain */

struct fakeport {
	struct port p;
	struct pktq rx, tx;
};

static struct rte_mempool *pool;
static struct sw sw;
static struct fakeport ports[PORTS];
static const struct rte_ether_addr mac = {{2, 0, 0, 0, 0, 7}};

static uint16_t
fake_rx(struct pktq *q, struct pkt_batch *b)
{
	b->n = b->ndone = 0;
	return 0;
}

static uint16_t
fake_tx(struct pktq *q, struct pkt *const *pkts, uint16_t n)
{
	q->stats.offered += n;
	for (uint16_t i = 0; i < n; i++) {
		assert_memory_equal(&pkts[i]->eth.src_addr, &mac, sizeof(mac));
		assert_true(rte_is_broadcast_ether_addr(&pkts[i]->eth.dst_addr));
		assert_int_equal(pkts[i]->eth.ether_type, RTE_BE16(RTE_ETHER_TYPE_RARP));
		pktq_count(&q->stats, pkts[i]);
	}
	return n;
}

static const struct pktq_ops fake_ops = {.rx = fake_rx, .tx = fake_tx};

static void
fake_queues(struct port *p, struct port_queues *out)
{
	struct fakeport *f = (struct fakeport *)p;

	out->discard[0] = false;
	out->rx[out->nrx++] = &f->rx;
	out->tx[out->ntx++] = &f->tx;
}

static void
fake_close(struct port *p)
{
}

static const struct port_ops fake_port_ops = {.kind = "fake",
					      .queues = fake_queues,
					      .close = fake_close};

static void
fakeq_init(struct pktq *q, uint16_t port)
{
	memset(q, 0, sizeof(*q));
	q->port = port;
	q->event_fd = -1;
	atomic_init(&q->ops, &fake_ops);
}

static int
setup(void **state)
{
	const struct fdb_config cfg = {.limit = 100, .ageing_s = 300};

	if (sw_init(&sw, 1, &cfg, pool, NULL) != 0)
		return -1;
	for (uint16_t i = 0; i < PORTS; i++) {
		memset(&ports[i], 0, sizeof(ports[i]));
		ports[i].p.ops = &fake_port_ops;
		ports[i].p.domain = i == ELSEWHERE;
		snprintf(ports[i].p.name, sizeof(ports[i].p.name), "fake%u", i);
		fakeq_init(&ports[i].rx, i);
		fakeq_init(&ports[i].tx, i);
		if (sw_port_add(&sw, &ports[i].p) != 0)
			return -1;
	}
	sw_start(&sw, true);
	return 0;
}

static int
teardown(void **state)
{
	sw_fini(&sw);
	return rte_mempool_in_use_count(pool) == 0 ? 0 : -1;
}

static bool
inject(uint32_t port)
{
	return sw_inject(&sw, &ports[port].p, rte_net_make_rarp_packet(pool, &mac));
}

static void
test_reaches_the_domain(void **state)
{
	fdb_key key = fdb_key_make(&mac, 0);
	uint16_t port;

	assert_true(inject(1));
	assert_true(sw.forwarding);
	for (uint32_t i = 0; i < PORTS; i++)
		assert_int_equal(ports[i].tx.stats.frames, i != 1 && i != ELSEWHERE);
	assert_int_equal(ports[1].rx.stats.frames, 1);
	assert_int_equal(ports[1].rx.stats.offered, 2);
	assert_int_equal(ports[1].rx.stats.replicated, 1);
	fdb_maintain(sw.fdb, 1000);
	fdb_lookup(sw.fdb, &key, 1, &port);
	assert_int_equal(port, 1);
}

static void
test_nowhere_is_a_drop(void **state)
{
	assert_true(inject(ELSEWHERE));
	assert_int_equal(ports[ELSEWHERE].rx.stats.frames, 1);
	assert_int_equal(ports[ELSEWHERE].rx.stats.offered, 0);
	assert_int_equal(ports[ELSEWHERE].rx.stats.drop[DROP_RX_NO_EGRESS], 1);
}

static void
test_not_while_stopped(void **state)
{
	sw_start(&sw, false);
	assert_false(inject(1));
	assert_false(sw.forwarding);
	assert_int_equal(ports[0].tx.stats.offered, 0);
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static int
start_eal(void **state)
{
	if (eal_start("0", 128) != 0)
		return -1;
	pool = rte_pktmbuf_pool_create("pool", 63, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	return pool != NULL ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_reaches_the_domain),
		EACH(test_nowhere_is_a_drop),
		EACH(test_not_while_stopped),
	};

	return cmocka_run_group_tests(tests, start_eal, NULL);
}
