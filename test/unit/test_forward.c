/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Forwarding with queues that make random traffic and check what they get: no frame is lost without
 * being counted, none overtakes another to its egress, flows stick to the queue their peer uses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <linux/virtio_net.h>
#include <rte_mbuf.h>

#include "eal.h"
#include "frame.h"
#include "pkt/offload.h"
#include "switch/dataplane_worker.h"
#include "switch/modes.h"
#include "switch/port.h"
#include "switch/poll.h"
#include "switch/publish.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"

#define PORTS 6
#define PAIRS 3  /* of the multiqueue ports: the even ones */
#define HOSTS 20 /* addresses behind each port */
#define FRAME_LEN 100
#define TSO_LEN 6000
#define TSO_MSS 1000
#define SECOND 1000000000ull

/* Description of a frame, behind the Ethernet header. */
struct tag {
	uint32_t port, queue; /* where it came in */
	uint32_t seq;
	uint32_t dst_port; /* where it must go, or one of these */
};
#define TO_ALL 1000u
#define TO_NOBODY 1001u

struct fakeq {
	struct pktq q;
	struct sw *sw;
	bool drops;    /* tx: loses frames at random */
	bool endless;  /* rx: makes frames for ever */
	uint32_t left; /* rx: frames to come */
	uint32_t seq;
	uint32_t last_seq[PORTS][PAIRS]; /* tx: of each ingress queue */
	uint64_t got;
	uint32_t rnd;
	atomic_int users;
	uint8_t mem[PKT_BATCH_MAX][TSO_LEN];
};

struct fakeport {
	struct port p;
	uint16_t pairs;
	struct fakeq rx[PAIRS], tx[PAIRS];
};

static struct rte_mempool *pool;
static struct sw sw;
static struct fakeport ports[PORTS];
static struct worker *workers[2];
static uint64_t now = 1000 * SECOND;
static atomic_uint errors, arrived;

static void
wrong(bool is)
{
	if (is)
		atomic_fetch_add(&errors, 1);
}

/* --- traffic --- */

static struct rte_ether_addr
host_mac(uint32_t port, uint32_t host)
{
	return (struct rte_ether_addr){{2, 0, 0, 0, (uint8_t)port, (uint8_t)host}};
}

static uint32_t
rnd(struct fakeq *f, uint32_t n)
{
	f->rnd = f->rnd * 1103515245 + 12345;
	return (f->rnd >> 8) % n;
}

/* A destination, and what that means for the frame. */
static uint32_t
pick_destination(struct fakeq *f, struct rte_ether_addr *dst)
{
	uint32_t port = rnd(f, PORTS);

	if (rnd(f, 16) == 0) {
		memset(dst, 0xff, sizeof(*dst));
		return TO_ALL;
	}
	if (rnd(f, 16) == 0) {
		*dst = host_mac(port, 200); /* never sends: unknown */
		return TO_ALL;
	}
	*dst = host_mac(port, rnd(f, HOSTS));
	return port == f->q.port ? TO_NOBODY : port;
}

static void
make_frame(struct fakeq *f, struct pkt *p, uint8_t *mem)
{
	struct tag tag = {.port = f->q.port, .queue = f->q.index};
	struct rte_ether_hdr eth = {.ether_type = RTE_BE16(0x88b5)};

	tag.dst_port = pick_destination(f, &eth.dst_addr);
	eth.src_addr = host_mac(f->q.port, rnd(f, HOSTS));
	if (rnd(f, 64) == 0) {
		memset(&eth.src_addr, rnd(f, 2) ? 0xff : 0, sizeof(eth.src_addr));
		tag.dst_port = TO_NOBODY;
	}
	tag.seq = ++f->seq;
	memcpy(mem, &eth, sizeof(eth));
	memcpy(mem + sizeof(eth), &tag, sizeof(tag));
	*p = (struct pkt){.data = mem,
			  .data_len = FRAME_LEN,
			  .len = FRAME_LEN,
			  .eth = eth,
			  .nsegs = 1};
}

static uint16_t
fake_rx(struct pktq *q, struct pkt_batch *b)
{
	struct fakeq *f = (struct fakeq *)q;
	uint32_t n = rnd(f, b->max + 1u);

	wrong(atomic_fetch_add(&f->users, 1) != 0);
	b->n = b->ndone = 0;
	if (!f->endless)
		n = RTE_MIN(n, f->left);
	for (uint32_t i = 0; i < n; i++) {
		struct pkt *p = &b->pkt[b->n];

		make_frame(f, p, f->mem[i]);
		pktq_count(&q->stats, p);
		b->ndone++;
		if (rnd(f, 50) == 0)
			pktq_drop(q, DROP_RX_BAD_CHAIN, 1); /* the queue's own drops */
		else
			b->n++;
	}
	f->left -= f->endless ? 0 : n;
	if (n == 0)
		atomic_fetch_sub(&f->users, 1);
	return b->ndone;
}

static void
fake_rx_done(struct pktq *q, struct pkt_batch *b)
{
	atomic_fetch_sub(&((struct fakeq *)q)->users, 1);
}

static void
check_arrival(struct fakeq *f, const struct pkt *p)
{
	struct tag tag;

	memcpy(&tag, p->data + RTE_ETHER_HDR_LEN, sizeof(tag));
	wrong(tag.port == f->q.port);
	wrong(tag.dst_port != TO_ALL && tag.dst_port != f->q.port);
	/* between two queues, for any flow: one ingress batch after the other */
	wrong(tag.seq <= f->last_seq[tag.port][tag.queue]);
	f->last_seq[tag.port][tag.queue] = tag.seq;
}

static uint16_t
fake_tx(struct pktq *q, struct pkt *const *pkts, uint16_t n)
{
	struct fakeq *f = (struct fakeq *)q;
	uint16_t sent = 0;

	wrong(atomic_fetch_add(&f->users, 1) != 0);
	wrong(n == 0 || n > PKT_BATCH_MAX);
	q->stats.offered += n;
	if (rnd(f, 64) == 0)
		sched_yield(); /* let the other worker make mistakes */
	for (uint16_t i = 0; i < n; i++) {
		wrong((pkts[i]->need & ~q->offloads) != 0);
		if (pkts[i]->eth.ether_type == RTE_BE16(0x88b5))
			check_arrival(f, pkts[i]);
		if (f->drops && rnd(f, 8) == 0) {
			pktq_drop(q, DROP_TX_NO_BUFFER, 1);
			continue;
		}
		pktq_count(&q->stats, pkts[i]);
		sent++;
	}
	atomic_fetch_sub(&f->users, 1);
	atomic_fetch_add(&arrived, n);
	return sent;
}

static const struct pktq_ops fake_ops = {.rx = fake_rx, .rx_done = fake_rx_done, .tx = fake_tx};

/* --- ports --- */

static void
fake_queues(struct port *p, struct port_queues *out)
{
	struct fakeport *f = (struct fakeport *)p;

	for (uint16_t i = 0; i < f->pairs; i++) {
		out->discard[i] = false;
		out->rx[out->nrx++] = &f->rx[i].q;
		out->tx[out->ntx++] = &f->tx[i].q;
	}
}

static void
fake_close(struct port *p)
{
}

static const struct port_ops fake_port_ops = {.kind = "fake",
					      .queues = fake_queues,
					      .close = fake_close};

static void
fakeq_init(struct fakeq *f, uint16_t port, uint16_t index)
{
	memset(f, 0, sizeof(*f));
	f->q.port = port;
	f->q.index = index;
	f->q.event_fd = -1;
	f->rnd = port * 100 + index;
	atomic_init(&f->q.ops, &fake_ops);
}

static int
start(uint32_t nworkers)
{
	const struct fdb_config cfg = {.limit = 10000, .ageing_s = 300};

	atomic_store(&errors, 0);
	if (sw_init(&sw, nworkers, &cfg, pool, NULL) != 0)
		return -1;
	fdb_maintain(sw.fdb, now);
	for (uint16_t i = 0; i < PORTS; i++) {
		memset(&ports[i].p, 0, sizeof(ports[i].p));
		ports[i].p.ops = &fake_port_ops;
		ports[i].pairs = i % 2 == 0 ? PAIRS : 1;
		snprintf(ports[i].p.name, sizeof(ports[i].p.name), "fake%u", i);
		for (uint16_t k = 0; k < PAIRS; k++) {
			fakeq_init(&ports[i].rx[k], i, k);
			fakeq_init(&ports[i].tx[k], i, k);
		}
		sw_port_add(&sw, &ports[i].p);
	}
	for (uint32_t i = 0; i < nworkers; i++) {
		workers[i] = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(struct worker));
		memset(workers[i], 0, sizeof(struct worker));
		workers[i]->id = i;
		workers[i]->ctl = &sw.dp;
		workers[i]->mp = pool;
	}
	sw_start(&sw, true);
	return 0;
}

static int
setup_one(void **state)
{
	return start(1);
}

static int
setup_two(void **state)
{
	return start(2);
}

static int
teardown(void **state)
{
	uint32_t n = sw.dp.nworkers;

	assert_int_equal(errors, 0);
	sw_fini(&sw);
	for (uint32_t i = 0; i < n; i++)
		free(workers[i]);
	return 0;
}

/* One poll iteration of the only worker, and of control. */
static void
iterate(void)
{
	dp_online(&sw.dp, 0);
	worker_poll(workers[0], dp_live(&sw.dp));
	dp_offline(&sw.dp, 0);
	fdb_maintain(sw.fdb, now);
}

/* --- the accounts --- */

static uint64_t
drops(const struct pktq_stats *s)
{
	uint64_t n = 0;

	for (uint32_t r = 0; r < DROP_NUM; r++)
		n += s->drop[r];
	return n;
}

/* The equations of drop.h, queue by queue, and what connects the two sides. */
static uint64_t
check_accounts(void)
{
	uint64_t handed = 0, offered = 0, delivered = 0;

	for (uint32_t i = 0; i < PORTS; i++) {
		for (uint32_t k = 0; k < PAIRS; k++) {
			const struct pktq_stats *rx = &ports[i].rx[k].q.stats;
			const struct pktq_stats *tx = &ports[i].tx[k].q.stats;

			assert_int_equal(rx->frames, rx->offered - rx->replicated + drops(rx));
			assert_int_equal(tx->offered, tx->frames + drops(tx));
			handed += rx->offered;
			offered += tx->offered;
			delivered += tx->frames;
		}
	}
	assert_int_equal(handed, offered);
	return delivered;
}

static uint64_t
rx_dropped(enum drop_reason r)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < PORTS * PAIRS; i++)
		n += ports[i / PAIRS].rx[i % PAIRS].q.stats.drop[r];
	return n;
}

/* All ports send from every address once, so that all are known. */
static void
introduce(void)
{
	for (uint32_t p = 0; p < PORTS; p++) {
		for (uint32_t h = 0; h < HOSTS; h++) {
			struct rte_ether_addr mac = host_mac(p, h);

			fdb_add_static(sw.fdb, &mac, 0, (uint16_t)p);
		}
	}
}

static void
test_conservation(void **state)
{
	introduce();
	for (uint32_t i = 0; i < PORTS; i++)
		for (uint32_t k = 0; k < PAIRS; k++)
			ports[i].tx[k].drops = i % 3 == 0;
	for (uint32_t round = 0; round < 300; round++) {
		for (uint32_t i = 0; i < PORTS; i++)
			for (uint32_t k = 0; k < ports[i].pairs; k++)
				ports[i].rx[k].left += 100;
		iterate();
		if (round % 10 == 0)
			check_accounts();
		if (round % 50 == 0)
			sw_publish(&sw);
		now += SECOND / 4;
	}
	assert_true(check_accounts() > 10000);
	assert_true(rx_dropped(DROP_RX_SAME_PORT) > 0);
	assert_true(rx_dropped(DROP_RX_BAD_SOURCE) > 0);
	assert_true(rx_dropped(DROP_RX_BAD_CHAIN) > 0);
	assert_int_equal(rx_dropped(DROP_RX_NO_EGRESS), 0);
}

/* Learning by doing: addresses are unknown at first, so nothing is said about the destination. */
static void
test_learns(void **state)
{
	struct fdb_stats s;

	for (uint32_t round = 0; round < 100; round++) {
		for (uint32_t i = 0; i < PORTS; i++)
			ports[i].rx[0].left += 60;
		iterate();
	}
	fdb_get_stats(sw.fdb, &s);
	assert_int_equal(s.entries, PORTS * HOSTS);
	assert_int_equal(s.moved, 0);
	check_accounts();
	atomic_store(&errors, 0); /* the floods before went to ports the tags do not name */
	for (uint32_t round = 0; round < 100; round++) {
		ports[round % PORTS].rx[0].left += 60;
		iterate();
	}
	check_accounts();
}

/* --- single frames --- */

static struct pkt_batch batch;

/* Forward one frame as if port @p in had sent it on queue @p pair. */
static void
inject(uint32_t in, uint32_t pair, const struct pkt *p)
{
	const struct dataplane *dp = dp_live(&sw.dp);
	struct pktq *rxq = &ports[in].rx[pair].q;

	dp_online(&sw.dp, 0);
	batch.n = batch.ndone = 1;
	batch.pkt[0] = *p;
	pktq_count(&rxq->stats, p);
	workers[0]->flood_left = FLOOD_BUDGET;
	forward_switch(workers[0], dp, dp->by_id[in], rxq, &batch);
	dp_offline(&sw.dp, 0);
	fdb_maintain(sw.fdb, now);
}

static struct pkt
frame(const struct rte_ether_addr *src, const struct rte_ether_addr *dst)
{
	static uint8_t mem[FRAME_LEN];
	struct pkt p = {.data = mem, .data_len = FRAME_LEN, .len = FRAME_LEN, .nsegs = 1};

	p.eth.src_addr = *src;
	p.eth.dst_addr = *dst;
	memcpy(mem, &p.eth, sizeof(p.eth));
	return p;
}

static uint64_t
delivered_to(uint32_t port)
{
	uint64_t n = 0;

	for (uint32_t k = 0; k < PAIRS; k++)
		n += ports[port].tx[k].q.stats.frames;
	return n;
}

/* Send from one host to another; a bit for each port that got it. */
static uint32_t
reached(uint32_t src_port, uint32_t src_host, uint32_t dst_port, uint32_t dst_host)
{
	struct rte_ether_addr src = host_mac(src_port, src_host);
	struct rte_ether_addr dst = host_mac(dst_port, dst_host);
	struct pkt p = frame(&src, &dst);
	uint64_t before[PORTS];
	uint32_t bits = 0;

	for (uint32_t i = 0; i < PORTS; i++)
		before[i] = delivered_to(i);
	inject(src_port, 0, &p);
	for (uint32_t i = 0; i < PORTS; i++)
		bits |= (uint32_t)(delivered_to(i) != before[i]) << i;
	return bits;
}

#define ALL_BUT(p) (((1u << PORTS) - 1) & ~(1u << (p)))

static void
test_flood_then_unicast(void **state)
{
	assert_int_equal(reached(1, 0, 3, 0), ALL_BUT(1));
	assert_int_equal(ports[1].rx[0].q.stats.replicated, PORTS - 2);
	assert_int_equal(reached(3, 0, 1, 0), 1u << 1);
	assert_int_equal(reached(1, 0, 3, 0), 1u << 3);
	check_accounts();
}

/* A remembered decision must not outlive the entry it was made from. */
static void
test_cache_follows_fdb(void **state)
{
	struct rte_ether_addr mac = host_mac(3, 0);

	reached(3, 0, 1, 0);
	assert_int_equal(reached(1, 0, 3, 0), 1u << 3);
	/* the host moves: seen on port 4 now */
	struct pkt p = frame(&mac, &(struct rte_ether_addr){{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}});

	inject(4, 0, &p);
	assert_int_equal(reached(1, 0, 3, 0), 1u << 4);
	fdb_flush_port(sw.fdb, 4, false);
	assert_int_equal(reached(1, 0, 3, 0), ALL_BUT(1));
	fdb_add_static(sw.fdb, &mac, 0, 5);
	assert_int_equal(reached(1, 0, 3, 0), 1u << 5);
	fdb_del(sw.fdb, &mac, 0);
	assert_int_equal(reached(1, 0, 3, 0), ALL_BUT(1));
}

/* A flow in steady state keeps its entries from ageing, though it needs no lookup. */
static void
test_steady_flow_does_not_age(void **state)
{
	reached(1, 0, 3, 0);
	reached(3, 0, 1, 0);
	for (uint32_t i = 0; i < 700; i++) {
		now += SECOND;
		fdb_maintain(sw.fdb, now);
		assert_int_equal(reached(1, 0, 3, 0), i < 299 ? 1u << 3 : ALL_BUT(1));
	}
}

static void
test_domains_and_isolation(void **state)
{
	ports[2].p.domain = 1;
	ports[3].p.domain = 1;
	ports[4].p.isolated = true;
	ports[5].p.isolated = true;
	sw_publish(&sw);
	assert_int_equal(reached(2, 0, 3, 0), 1u << 3);
	assert_int_equal(reached(0, 0, 3, 0), 1u << 1 | 1u << 4 | 1u << 5);
	assert_int_equal(reached(4, 0, 3, 0), 1u << 0 | 1u << 1);
	/* known is not allowed */
	assert_int_equal(reached(5, 0, 4, 0), 0);
	assert_int_equal(ports[5].rx[0].q.stats.drop[DROP_RX_NO_EGRESS], 1);
	assert_int_equal(reached(1, 0, 4, 0), 1u << 4);
	/* the port moves to the other bridge: what was remembered is worth nothing */
	assert_int_equal(reached(0, 0, 1, 0), 1u << 1);
	ports[0].p.domain = 1;
	sw_publish(&sw);
	assert_int_equal(reached(0, 0, 1, 0), 1u << 2 | 1u << 3);
	check_accounts();
}

static void
test_no_egress(void **state)
{
	struct rte_ether_addr mac = host_mac(3, 0);

	fdb_add_static(sw.fdb, &mac, 0, 3);
	ports[3].pairs = 0;
	sw_publish(&sw);
	assert_int_equal(reached(1, 0, 3, 0), 0);
	ports[3].p.started = false;
	sw_publish(&sw);
	assert_int_equal(reached(1, 0, 3, 0), 0);
	for (uint32_t i = 0; i < PORTS; i++)
		ports[i].p.started = i == 1;
	sw_publish(&sw);
	assert_int_equal(reached(1, 0, 4, 0), 0); /* no port to flood to */
	assert_int_equal(ports[1].rx[0].q.stats.drop[DROP_RX_NO_EGRESS], 3);
	check_accounts();
}

/* --- several queues --- */

static void
to_port(struct frame *f, struct view *v, uint32_t src_port, uint32_t dst_port)
{
	struct rte_ether_addr src = host_mac(src_port, 0), dst = host_mac(dst_port, 0);

	memcpy(f->b, &dst, sizeof(dst));
	memcpy(f->b + 6, &src, sizeof(src));
	view_make(v, f);
}

static void
swap_ends(struct frame *f)
{
	uint8_t *ip = f->b + f->l2, tmp[16];
	uint32_t n = f->ip6 ? 16 : 4;
	uint8_t *a = ip + (f->ip6 ? 8 : 12), *b = a + n;

	memcpy(tmp, a, n);
	memcpy(a, b, n);
	memcpy(b, tmp, n);
	a = ip + f->l3;
	memcpy(tmp, a, 2);
	memcpy(a, a + 2, 2);
	memcpy(a + 2, tmp, 2);
}

/* Replies come to the queue the flow is sent from, and follow it when it changes. */
static void
test_flow_sticks_to_queue(void **state)
{
	uint32_t used[PAIRS] = {0};
	static struct frame f;
	struct view v;

	introduce();
	for (uint32_t i = 0; i < 200; i++) {
		frame_build(&f, false, true, 10);
		for (uint32_t k = 0; k < PAIRS; k++) {
			to_port(&f, &v, 2, 1);
			inject(2, (i + k) % PAIRS, &v.p);
			view_free(&v);
			swap_ends(&f);
			to_port(&f, &v, 1, 2);
			used[(i + k) % PAIRS] =
				(uint32_t)ports[2].tx[(i + k) % PAIRS].q.stats.frames;
			inject(1, 0, &v.p);
			assert_int_equal(ports[2].tx[(i + k) % PAIRS].q.stats.frames,
					 used[(i + k) % PAIRS] + 1);
			view_free(&v);
			swap_ends(&f);
		}
	}
	check_accounts();
}

/* Flows without a frame so far use all queues, each always the same one. */
static void
test_unknown_flows_spread(void **state)
{
	static struct frame f;
	struct view v;
	uint64_t before;

	introduce();
	for (uint32_t i = 0; i < 300; i++) {
		frame_build(&f, true, false, 10);
		to_port(&f, &v, 1, 2);
		for (uint32_t k = 0; k < 3; k++)
			inject(1, 0, &v.p);
		view_free(&v);
		for (uint32_t k = 0; k < PAIRS; k++)
			assert_int_equal(ports[2].tx[k].q.stats.frames % 3, 0);
	}
	for (uint32_t k = 0; k < PAIRS; k++)
		assert_in_range(ports[2].tx[k].q.stats.frames, 150, 450);
	/* a queue goes away: its flows go elsewhere */
	ports[2].pairs = 2;
	sw_publish(&sw);
	before = ports[2].tx[2].q.stats.frames;
	for (uint32_t i = 0; i < 100; i++) {
		frame_build(&f, true, false, 10);
		to_port(&f, &v, 1, 2);
		inject(1, 0, &v.p);
		view_free(&v);
	}
	assert_int_equal(ports[2].tx[2].q.stats.frames, before);
	check_accounts();
}

/* --- offloads --- */

static void
test_offload_per_receiver(void **state)
{
	uint32_t before = rte_mempool_avail_count(pool);
	static struct frame f;
	struct view v;

	introduce();
	ports[3].tx[0].q.offloads = PKT_NEED_CSUM | PKT_NEED_TSO4;
	for (uint32_t i = 0; i < 100; i++) {
		frame_build(&f, false, true, 5500);
		f.vnet.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
		f.vnet.gso_size = TSO_MSS;
		to_port(&f, &v, 1, 3);
		assert_true(offload_check(&v.p));
		inject(1, 0, &v.p); /* accepts it whole */
		view_free(&v);
		to_port(&f, &v, 1, 5);
		assert_true(offload_check(&v.p));
		inject(1, 0, &v.p); /* gets six segments */
		view_free(&v);
	}
	assert_int_equal(ports[3].tx[0].q.stats.frames, 100);
	assert_int_equal(ports[5].tx[0].q.stats.frames, 600);
	assert_int_equal(ports[1].rx[0].q.stats.replicated, 500);
	check_accounts();
	assert_int_equal(rte_mempool_avail_count(pool), before);
}

/* Frames of both kinds in one batch keep their order; what cannot be cut is counted. */
static void
test_offload_in_a_batch(void **state)
{
	const struct dataplane *dp = dp_live(&sw.dp);
	struct pktq *rxq = &ports[1].rx[0].q;
	static struct frame f;
	static struct view v[32];

	introduce();
	ports[1].tx[0].q.offloads = PKT_NEED_CSUM;
	for (uint32_t i = 0; i < 32; i++) {
		frame_build(&f, false, true, 700);
		if (i % 3 != 0) {
			f.vnet.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
			f.vnet.gso_size = i % 3 == 1 ? 100 : 1; /* 1: 700 segments */
		}
		to_port(&f, &v[i], 1, 5);
		assert_true(offload_check(&v[i].p));
		v[i].p.vnet.hdr_len += i == 8 ? 4 : 0; /* the frame has others when it is cut */
		batch.pkt[i] = v[i].p;
		pktq_count(&rxq->stats, &v[i].p);
	}
	batch.n = batch.ndone = 32;
	dp_online(&sw.dp, 0);
	workers[0]->flood_left = FLOOD_BUDGET;
	forward_switch(workers[0], dp, dp->by_id[1], rxq, &batch);
	dp_offline(&sw.dp, 0);
	assert_int_equal(ports[5].tx[0].q.stats.frames, 11 + 11 * 7 + 9 * 700);
	assert_int_equal(rxq->stats.drop[DROP_RX_SOFT_OFFLOAD], 1);
	check_accounts();
	for (uint32_t i = 0; i < 32; i++)
		view_free(&v[i]);
}

/* --- two workers --- */

static atomic_bool stop;

static void *
worker_main(void *arg)
{
	struct worker *w = arg;

	dp_online(w->ctl, w->id);
	while (!atomic_load(&stop)) {
		worker_poll(w, dp_live(w->ctl));
		dp_quiescent(w->ctl, w->id);
	}
	dp_offline(w->ctl, w->id);
	return NULL;
}

/* Both send to the same queues; control learns, flushes and publishes meanwhile. */
static void
test_two_workers(void **state)
{
	pthread_t t[2];

	introduce();
	for (uint32_t i = 0; i < PORTS; i++)
		for (uint32_t k = 0; k < PAIRS; k++)
			ports[i].rx[k].endless = true;
	atomic_store(&stop, false);
	for (uint32_t i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, worker_main, workers[i]);
	atomic_store(&arrived, 0);
	for (uint32_t i = 0; i < 100 || atomic_load(&arrived) < 20000; i++) {
		ports[i % PORTS].p.placed[0] = (uint8_t)(i / 2 % 2);
		now += SECOND;
		fdb_maintain(sw.fdb, now);
		fdb_flush_port(sw.fdb, FDB_PORT_NONE, false);
		sw_publish(&sw);
	}
	atomic_store(&stop, true);
	for (uint32_t i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	assert_true(check_accounts() > 10000);
}

static int
setup(void **state)
{
	if (eal_start("0", 256) != 0)
		return -1;
	srandom(1);
	pool = rte_pktmbuf_pool_create("pool", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	return pool != NULL ? 0 : -1;
}

#define ONE(t) cmocka_unit_test_setup_teardown(t, setup_one, teardown)
#define TWO(t) cmocka_unit_test_setup_teardown(t, setup_two, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ONE(test_conservation),
		ONE(test_learns),
		ONE(test_flood_then_unicast),
		ONE(test_cache_follows_fdb),
		ONE(test_steady_flow_does_not_age),
		ONE(test_domains_and_isolation),
		ONE(test_no_egress),
		ONE(test_flow_sticks_to_queue),
		ONE(test_unknown_flows_spread),
		ONE(test_offload_per_receiver),
		ONE(test_offload_in_a_batch),
		TWO(test_two_workers),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
