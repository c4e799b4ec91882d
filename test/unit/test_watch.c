/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames described, bursts counted, full rings tried again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>

#include <bsd/string.h>
#include <rte_mbuf.h>

#include "base/ev.h"
#include "eal.h"
#include "switch/port.h"
#include "switch/publish.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"
#include "switch/watch_worker.h"

#define QUEUE 1 /* the one in use, of two */

/** A ring that is full for a number of attempts. */
struct fullq {
	struct pktq q;
	uint32_t full;
	uint32_t attempts;
};

static struct rte_mempool *pool;
static struct ev_loop *loop;
static struct sw sw;
static struct worker *worker;
static struct port port;
static struct fullq rings[2];
static char said[4096]; /* last */
static uint32_t nsaid;

static uint16_t
ring_tx(struct pktq *q, struct pkt *const *pkts, uint16_t n)
{
	struct fullq *f = (struct fullq *)q;
	uint16_t sent = 0;

	f->attempts++;
	q->stats.offered += n;
	for (uint16_t i = 0; i < n; i++) {
		if (f->full > 0) {
			f->full--;
			pktq_drop(q, DROP_TX_NO_BUFFER, 1);
			continue;
		}
		pktq_count(&q->stats, pkts[i]);
		sent++;
	}
	return sent;
}

static const struct pktq_ops ring_ops = {.tx = ring_tx};

static void
port_queues(struct port *p, struct port_queues *out)
{
	for (int i = 0; i < 2; i++)
		out->tx[out->ntx++] = &rings[i].q;
}

static const struct pktq *
port_queue(const struct port *p, bool tx, uint16_t index)
{
	return index < 2 ? &rings[index].q : NULL;
}

static bool
guest_stats(const struct port *p, bool tx, uint16_t index, struct pktq_stats *out)
{
	return port_read_queue(port_queue(p, tx, index), out);
}

static void
port_close(struct port *p)
{
}

static const struct port_ops port_ops = {
	.kind = "test",
	.queues = port_queues,
	.stats = guest_stats,
	.close = port_close,
};

static void
say(const char *text)
{
	assert_true(strlcpy(said, text, sizeof(said)) < sizeof(said));
	nsaid++;
}

static void
watch(uint32_t flags)
{
	sw.watch.flags = flags;
	sw.watch.retry_num = 5;
	sw.watch.retry_us = 1;
	sw_publish(&sw);
	worker->watch = &dp_live(&sw.dp)->watch;
	said[0] = '\0';
}

static const uint8_t bytes[64] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45};

static void
fill_batch(struct pkt_batch *b, uint16_t n)
{
	b->n = n;
	for (uint16_t i = 0; i < n; i++) {
		b->pkt[i] = (struct pkt){.data = (uint8_t *)(uintptr_t)bytes,
					 .len = sizeof(bytes),
					 .data_len = sizeof(bytes),
					 .nsegs = 1};
		memcpy(b->pkt[i].eth_bytes, bytes, sizeof(b->pkt[i].eth_bytes));
	}
}

static void
transmit(uint16_t n)
{
	struct pkt *list[PKT_BATCH_MAX];

	fill_batch(&worker->batch, n);
	for (uint16_t i = 0; i < n; i++)
		list[i] = &worker->batch.pkt[i];
	watch_transmit(worker, &rings[QUEUE].q, list, n);
}

static const struct pktq_stats *
stats(void)
{
	return &rings[QUEUE].q.stats;
}

static int
setup(void **state)
{
	memset(rings, 0, sizeof(rings));
	for (uint16_t i = 0; i < 2; i++) {
		atomic_init(&rings[i].q.ops, &ring_ops);
		rings[i].q.index = i;
		rings[i].q.event_fd = -1;
	}
	return 0;
}

/* --- retry --- */

static void
test_full_ring_is_tried_again(void **state)
{
	watch(WATCH_RETRY);
	rings[QUEUE].full = 4;
	transmit(3);
	assert_int_equal(stats()->frames, 3);
	assert_int_equal(stats()->offered, 3);
	assert_int_equal(stats()->drop[DROP_TX_NO_BUFFER], 0);
	assert_int_equal(rings[QUEUE].attempts, 7);
}

static void
test_attempts_end(void **state)
{
	watch(WATCH_RETRY);
	rings[QUEUE].full = 1000;
	transmit(3);
	assert_int_equal(stats()->frames, 0);
	assert_int_equal(stats()->offered, 3); /* the account is balanced */
	assert_int_equal(stats()->drop[DROP_TX_NO_BUFFER], 3);
	assert_int_equal(rings[QUEUE].attempts, 6); /* five, and the rest at once */
}

static void
test_waiting_is_bounded(void **state)
{
	uint64_t start = ev_now_ns();

	watch(WATCH_RETRY);
	sw.watch.retry_num = sw.watch.retry_us = UINT32_MAX;
	sw_publish(&sw);
	worker->watch = &dp_live(&sw.dp)->watch;
	rings[QUEUE].full = UINT32_MAX;
	transmit(64);
	assert_int_equal(stats()->drop[DROP_TX_NO_BUFFER], 64);
	assert_true(ev_now_ns() - start < 60ull * 1000000000); /* and not an hour */
}

/* --- bursts --- */

static void
test_bursts_are_counted(void **state)
{
	watch(WATCH_BURSTS);
	sw_clear_bursts(&sw);
	worker->watch = &dp_live(&sw.dp)->watch;
	fill_batch(&worker->batch, 7);
	watch_receive(worker, dp_live(&sw.dp)->by_id[0], &rings[QUEUE].q, &worker->batch);
	rings[QUEUE].full = 2;
	transmit(8);
	assert_int_equal(port.bursts->n, 2);
	assert_int_equal(port.bursts->q[QUEUE].rx[7], 1);
	assert_int_equal(port.bursts->q[QUEUE].tx[6], 1);
	assert_int_equal(port.bursts->q[0].rx[7], 0);
	sw_clear_bursts(&sw);
	assert_int_equal(port.bursts->q[QUEUE].rx[7], 0);
	assert_int_equal(said[0], '\0');
}

/* --- descriptions --- */

static void
test_frames_are_described(void **state)
{
	watch(WATCH_SHOW_RX | WATCH_SHOW_TX);
	fill_batch(&worker->batch, 1);
	watch_receive(worker, dp_live(&sw.dp)->by_id[0], &rings[QUEUE].q, &worker->batch);
	assert_int_equal(said[0], '\0'); /* not on the worker */
	ev_run_once(loop, 0);
	assert_string_equal(said,
			    "port 0/queue 1: received 1 packets\n"
			    "  src=02:00:00:00:00:02 - dst=02:00:00:00:00:01 - pool=watch - "
			    "type=0x0800 - length=64 - nb_segs=1 - sw ptype: L2_ETHER L3_IPV4  - "
			    "l2_len=14 - l3_len=20 - Receive queue=0x1\n"
			    "  ol_flags: RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN "
			    "RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN "
			    "RTE_MBUF_F_RX_OUTER_L4_CKSUM_UNKNOWN \n");
	said[0] = '\0';
	transmit(2);
	watch_log_drain(sw.watch.log);
	assert_non_null(strstr(said, "port 0/queue 1: sent 2 packets\n"));
	assert_non_null(strstr(said, " - Send queue=0x1\n  ol_flags: RTE_MBUF_F_TX_L4_NO_CKSUM"));
}

static void
test_a_flood_is_cut_short(void **state)
{
	watch(WATCH_SHOW_TX);
	for (int i = 0; i < 3000; i++)
		transmit(1);
	assert_int_equal(stats()->frames, 3000);
	nsaid = 0;
	watch_log_drain(sw.watch.log);
	assert_int_equal(nsaid, 1024); /* the ring takes 1023 */
	assert_string_equal(said, "1977 bursts are not shown\n");
	transmit(1);
	watch_log_drain(sw.watch.log);
	assert_non_null(strstr(said, ": sent 1 packets\n"));
}

static int
start(void **state)
{
	static const struct fdb_config cfg = {.limit = 16};

	if (eal_start("0", 64) != 0)
		return -1;
	pool = rte_pktmbuf_pool_create("watch", 63, 0, 0, 2048, SOCKET_ID_ANY);
	loop = ev_loop_new();
	worker = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*worker));
	if (pool == NULL || loop == NULL || worker == NULL ||
	    sw_init(&sw, 1, &cfg, pool, loop) != 0)
		return -1;
	memset(worker, 0, sizeof(*worker));
	worker->ctl = &sw.dp;
	worker->mp = pool;
	setup(NULL);
	port.ops = &port_ops;
	strlcpy(port.name, "test", sizeof(port.name));
	sw.watch.log = watch_log_new(loop, say);
	return sw.watch.log == NULL ? -1 : sw_port_add(&sw, &port);
}

static int
end(void **state)
{
	sw_fini(&sw);
	ev_loop_free(loop);
	free(worker);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_full_ring_is_tried_again, setup),
		cmocka_unit_test_setup(test_attempts_end, setup),
		cmocka_unit_test_setup(test_waiting_is_bounded, setup),
		cmocka_unit_test_setup(test_bursts_are_counted, setup),
		cmocka_unit_test_setup(test_frames_are_described, setup),
		cmocka_unit_test_setup(test_a_flood_is_cut_short, setup),
	};

	return cmocka_run_group_tests(tests, start, end);
}
