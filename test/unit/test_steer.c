/* SPDX-License-Identifier: BSD-3-Clause */
/* The receive queue that a flow without a reverse goes to, by the queues of the sender. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#include "base/ev.h"
#include "eal.h"
#include "switch/fdb.h"
#include "switch/poll.h"
#include "switch/port.h"
#include "switch/publish.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"

#define PAIRS 4
#define FLOWS PKT_BATCH_MAX
#define FRAME_LEN 64

struct steered {
	struct port port;
	struct pktq rx[PAIRS], tx[PAIRS];
	uint16_t pairs;
};

enum { SENDER, RECEIVER };

static struct sw sw;
static struct worker *w;
static struct steered *ports;
static uint8_t frames[FLOWS][FRAME_LEN];
static const struct pktq *speaks; /* rx(): the queue with a frame of each flow, once */

static struct rte_ether_addr
mac_of(uint16_t port)
{
	return (struct rte_ether_addr){{2, 0, 0, 0, 0, (uint8_t)port}};
}

static uint16_t
steered_rx(struct pktq *q, struct pkt_batch *b)
{
	b->n = b->nsegs = b->ndone = 0;
	if (q != speaks)
		return 0;
	speaks = NULL;
	for (uint16_t i = 0; i < FLOWS; i++) {
		b->pkt[i] = (struct pkt){.data = frames[i],
					 .len = FRAME_LEN,
					 .data_len = FRAME_LEN,
					 .nsegs = 1};
		memcpy(b->pkt[i].eth_bytes, frames[i], RTE_ETHER_HDR_LEN);
	}
	b->n = b->ndone = FLOWS;
	return b->ndone;
}

static void
steered_rx_done(struct pktq *q, struct pkt_batch *b)
{
	b->ndone = 0;
}

static uint16_t
steered_tx(struct pktq *q, struct pkt *const *pkts, uint16_t n)
{
	counter_add(&q->stats.frames, n);
	return n;
}

static const struct pktq_ops steered_ops = {
	.rx = steered_rx,
	.rx_done = steered_rx_done,
	.tx = steered_tx,
};

static void
steered_queues(struct port *p, struct port_queues *out)
{
	struct steered *s = (struct steered *)p;

	for (uint16_t i = 0; i < s->pairs; i++) {
		out->discard[i] = false;
		out->rx[out->nrx++] = &s->rx[i];
		out->tx[out->ntx++] = &s->tx[i];
	}
}

static void
steered_close(struct port *p)
{
}

static const struct port_ops steered_port_ops = {
	.kind = "steered",
	.queues = steered_queues,
	.close = steered_close,
};

static int
add_port(uint16_t i)
{
	struct rte_ether_addr mac = mac_of(i);
	struct steered *s = &ports[i];

	s->pairs = PAIRS;
	s->port.ops = &steered_port_ops;
	snprintf(s->port.name, sizeof(s->port.name), "steered%u", i);
	if (sw_port_add(&sw, &s->port) != 0)
		return -1;
	for (uint16_t k = 0; k < PAIRS; k++) {
		s->rx[k].port = s->tx[k].port = s->port.id;
		s->rx[k].index = s->tx[k].index = k;
		s->rx[k].event_fd = -1;
		atomic_init(&s->rx[k].ops, &steered_ops);
		atomic_init(&s->tx[k].ops, &steered_ops);
	}
	return fdb_learn(sw.fdb, &mac, 0, s->port.id) ? 0 : -1;
}

static void
make_frames(void)
{
	const struct rte_ether_hdr eth = {.dst_addr = mac_of(RECEIVER),
					  .src_addr = mac_of(SENDER),
					  .ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4)};
	const struct rte_ipv4_hdr ip = {.version_ihl = RTE_IPV4_VHL_DEF,
					.next_proto_id = IPPROTO_UDP,
					.src_addr = RTE_BE32(0x0a000001),
					.dst_addr = RTE_BE32(0x0a000002)};

	for (uint16_t i = 0; i < FLOWS; i++) {
		struct rte_udp_hdr udp = {.src_port = rte_cpu_to_be_16((uint16_t)(1024 + i))};

		memcpy(frames[i], &eth, sizeof(eth));
		memcpy(frames[i] + sizeof(eth), &ip, sizeof(ip));
		memcpy(frames[i] + sizeof(eth) + sizeof(ip), &udp, sizeof(udp));
	}
}

static int
setup(void **state)
{
	const struct fdb_config cfg = {.limit = 100, .ageing_s = 300};
	struct rte_mempool *mp;

	if (eal_start("0", 64) != 0)
		return -1;
	mp = rte_pktmbuf_pool_create("pool", 255, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	ports = aligned_alloc(RTE_CACHE_LINE_SIZE, 2 * sizeof(*ports));
	w = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*w));
	if (mp == NULL || ports == NULL || w == NULL || sw_init(&sw, 1, &cfg, mp, ev_loop_new()))
		return -1;
	memset(ports, 0, 2 * sizeof(*ports));
	memset(w, 0, sizeof(*w));
	w->ctl = &sw.dp;
	w->mp = mp;
	make_frames();
	if (add_port(SENDER) != 0 || add_port(RECEIVER) != 0)
		return -1;
	sw_start(&sw, true);
	return 0;
}

/* A burst of all flows from a queue of the sender; sets got[] to the frames each queue received. */
static void
burst(uint16_t queue, uint64_t *got)
{
	uint64_t before[PAIRS];

	for (uint16_t i = 0; i < PAIRS; i++)
		before[i] = ports[RECEIVER].tx[i].stats.frames;
	speaks = &ports[SENDER].rx[queue];
	worker_poll(w, dp_live(&sw.dp));
	for (uint16_t i = 0; i < PAIRS; i++)
		got[i] = ports[RECEIVER].tx[i].stats.frames - before[i];
}

/* A sender with as many queues that has used one: it has spread nothing. */
static void
test_one_busy(void **state)
{
	uint64_t got[PAIRS];

	sw_publish(&sw);
	for (uint16_t n = 0; n < 3; n++) {
		burst(2, got);
		for (uint16_t i = 0; i < PAIRS; i++)
			assert_in_range(got[i], 1, FLOWS / 2);
	}
}

/* One that uses them: the flows of each stay together. */
static void
test_as_many(void **state)
{
	uint64_t got[PAIRS];

	sw_publish(&sw);
	for (uint16_t i = 0; i < PAIRS; i++)
		burst(i, got);
	for (uint16_t i = 0; i < PAIRS; i++) {
		burst(i, got);
		assert_int_equal(got[i], FLOWS);
	}
}

/* A sender with fewer: its flows are spread over all queues. */
static void
test_fewer(void **state)
{
	uint64_t got[PAIRS];

	ports[SENDER].pairs = PAIRS - 1;
	sw_publish(&sw);
	burst(0, got);
	for (uint16_t i = 0; i < PAIRS; i++)
		assert_in_range(got[i], 1, FLOWS / 2);
	ports[SENDER].pairs = PAIRS;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_busy),
		cmocka_unit_test(test_as_many),
		cmocka_unit_test(test_fewer),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
