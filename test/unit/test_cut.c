/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest whose frames become thousands of segments here, beside one on the same worker whose
 * frames are small. The test is the worker; what a poll costs is counted in segments.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <linux/virtio_net.h>
#include <stdlib.h>

#include <rte_mbuf.h>

#include "eal.h"
#include "frame.h"
#include "pkt/offload.h"
#include "switch/members.h"
#include "switch/mirror.h"
#include "switch/poll.h"
#include "switch/send.h"

#define GREEDY 0 /* queues and ports */
#define MODEST 1
#define MSS 8
#define PAYLOAD 60000
#define SEGMENTS (PAYLOAD / MSS)
/* made in one poll at most: what the frames before the last cost, and as much of the last one */
#define POLL_MAX (2 * PKT_BATCH_COST)

struct outq {
	struct pktq q;
	uint32_t frames;
	uint32_t next_seq; /* of TCP */
	bool ordered;
	uint32_t port; /* of the first frame's sender */
	bool same_port;
};

static struct rte_mempool *pool;
static struct worker *w;
static struct dataplane dp;
static struct dp_poll poll[2], list[2];
static struct dp_port ports[4];
static const struct dp_port *dense[4];
static struct pktq *txs[4];
static struct pktq rx[2];
static struct outq outs[4]; /* 0 and 2: the greedy one's receivers; 1: the modest one's */
static struct frame big, small;
static struct view views[2];
static uint32_t waiting[2]; /* frames in the rings */
static uint32_t receivers;
static struct dp_fid fid; /* the frames' */
static bool rewritten;    /* the greedy one's frame, between its receivers */

/* As rings do: a frame that costs so much is the last of its batch. */
static uint16_t
take(struct pktq *q, struct pkt_batch *b)
{
	uint32_t i = q == &rx[MODEST];

	b->n = b->ndone = b->nsegs = 0;
	if (waiting[i] == 0)
		return 0;
	waiting[i]--;
	b->pkt[0] = views[i].p;
	b->n = b->ndone = 1;
	pktq_count(&q->stats, &b->pkt[0]);
	return 1;
}

static void
give_back(struct pktq *q, struct pkt_batch *b)
{
	b->n = b->ndone = 0;
}

static bool
arm(struct pktq *q)
{
	return false;
}

static const struct pktq_ops rx_ops = {.rx = take, .rx_done = give_back, .arm = arm};

static uint16_t
collect(struct pktq *q, struct pkt *const *pkts, uint16_t n)
{
	struct outq *o = (struct outq *)q;

	q->stats.offered += n;
	for (uint16_t i = 0; i < n; i++) {
		uint32_t hdr = big.l2 + big.l3 + big.l4, seq, port;

		pktq_count(&q->stats, pkts[i]);
		o->frames++;
		if (o == &outs[1])
			continue;
		port = frame_get16(pkts[i]->data + big.l2 + big.l3);
		o->port = o->frames == 1 ? port : o->port;
		o->same_port &= port == o->port;
		seq = frame_get32(pkts[i]->data + big.l2 + big.l3 + 4);
		o->ordered &= seq == o->next_seq;
		o->next_seq = seq + pkts[i]->len - hdr;
		if (o->frames % SEGMENTS == 0)
			o->next_seq = frame_get32(big.b + big.l2 + big.l3 + 4);
	}
	return n;
}

static const struct pktq_ops tx_ops = {.tx = collect};

static void
send_all(struct worker *worker, const struct dataplane *plane, const struct dp_port *in,
	 struct pktq *rxq, struct pkt_batch *b)
{
	struct pkt *p[] = {&b->pkt[0]};
	uint32_t n = rxq == &rx[MODEST] ? 1 : receivers;

	rxq->stats.replicated += n - 1;
	worker->fid = fid;
	if (rxq == &rx[GREEDY])
		forward_copy(worker, &ports[0], true, rxq, p, 1);
	for (uint32_t i = 0; i < n; i++) {
		if (rewritten && i > 0)
			big.b[big.l2 + big.l3] ^= 1;
		forward_send_queue(worker, rxq == &rx[MODEST] ? &outs[1].q : &outs[2 * i].q, rxq, p,
				   1);
	}
}

static const struct fwd_mode mode = {.name = "test", .forward = send_all};

static void
make_ports(void)
{
	for (uint16_t i = 0; i < 4; i++) {
		memset(&outs[i], 0, sizeof(outs[i]));
		outs[i].ordered = outs[i].same_port = true;
		outs[i].next_seq = frame_get32(big.b + big.l2 + big.l3 + 4);
		atomic_init(&outs[i].q.ops, &tx_ops);
		txs[i] = &outs[i].q;
		ports[i] = (struct dp_port){.id = i, .ntx = 1, .tx = &txs[i]};
		dense[i] = &ports[i];
	}
	for (uint16_t i = 0; i < 2; i++) {
		memset(&rx[i], 0, sizeof(rx[i]));
		atomic_init(&rx[i].ops, &rx_ops);
		poll[i] = (struct dp_poll){.q = &rx[i], .port = &ports[3], .forward = send_all};
	}
}

static bool no_tags; /* in the frames; else there may be some */

static int
setup(void **state)
{
	do
		frame_build(&big, false, true, PAYLOAD);
	while (no_tags && big.l2 != RTE_ETHER_HDR_LEN);
	big.vnet.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	big.vnet.gso_size = MSS;
	frame_build(&small, true, false, 100);
	small.vnet = (struct pkt_vnet){0};
	view_make(&views[GREEDY], &big);
	view_make(&views[MODEST], &small);
	if (!offload_check(&views[GREEDY].p))
		return -1;
	make_ports();
	w = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*w));
	memset(w, 0, sizeof(*w));
	w->mp = pool;
	receivers = 1;
	rewritten = false;
	fid = (struct dp_fid){.fid = VLAN_FID_NONE};
	waiting[0] = waiting[1] = 0;
	dp = (struct dataplane){.generation = 1,
				.mode = &mode,
				.nworkers = 1,
				.nports = 4,
				.ports = dense};
	dp.worker[0] = (struct dp_worker){.n = 2, .poll = poll, .list = list};
	return 0;
}

static int
setup_no_tags(void **state)
{
	no_tags = true;
	return setup(state);
}

static int
teardown(void **state)
{
	no_tags = false;
	free(w);
	view_free(&views[0]);
	view_free(&views[1]);
	assert_int_equal(rte_mempool_avail_count(pool), pool->size);
	return 0;
}

static void
check_account(const struct pktq *q)
{
	uint64_t drops = 0;

	for (uint32_t r = 0; r < DROP_NUM; r++)
		drops += q->stats.drop[r];
	assert_int_equal(q->stats.frames, q->stats.offered - q->stats.replicated + drops);
}

/* A poll iteration: the modest guest's frame leaves in it, and the greedy one's their due. */
static void
iterate(void)
{
	uint32_t greedy = outs[0].frames + outs[2].frames, modest = outs[1].frames;

	waiting[MODEST]++;
	worker_poll(w, &dp);
	assert_int_equal(outs[1].frames, modest + 1);
	assert_in_range(outs[0].frames + outs[2].frames - greedy, 0, receivers * POLL_MAX);
}

static void
neighbours_do_not_wait(void **state)
{
	uint32_t iterations = 0;

	waiting[GREEDY] = 20;
	while (waiting[GREEDY] > 0 || w->cut.n > 0) {
		iterate();
		iterations++;
	}
	/* and nothing was lost, and all in order */
	assert_in_range(iterations, 20 * SEGMENTS / POLL_MAX, 20 * (SEGMENTS / PKT_BATCH_COST + 2));
	assert_int_equal(outs[0].frames, 20 * SEGMENTS);
	assert_true(outs[0].ordered);
	assert_int_equal(outs[1].frames, iterations);
	check_account(&rx[GREEDY]);
	check_account(&rx[MODEST]);
}

/* While a frame is unfinished nothing is taken from its ring, and the worker does not sleep. */
static void
later_frames_stay_in_the_ring(void **state)
{
	waiting[GREEDY] = 2;
	iterate();
	assert_int_equal(w->cut.n, 1);
	assert_int_equal(waiting[GREEDY], 1);
	assert_true(worker_arm(w, &dp));
	iterate();
	assert_int_equal(waiting[GREEDY], 1);
	while (waiting[GREEDY] > 0 || w->cut.n > 0)
		iterate();
	assert_int_equal(outs[0].frames, 2 * SEGMENTS);
	assert_false(worker_arm(w, &dp));
}

/* Two receivers: one copy. */
static void
flooded_frames_are_copied_once(void **state)
{
	uint32_t used;

	receivers = 2;
	waiting[GREEDY] = 3;
	iterate();
	assert_int_equal(w->cut.n, 2);
	used = pool->size - rte_mempool_avail_count(pool);
	assert_in_range(used, 1, PAYLOAD / 2048 + 2);
	while (waiting[GREEDY] > 0 || w->cut.n > 0)
		iterate();
	for (uint32_t i = 0; i < 4; i += 2) {
		assert_int_equal(outs[i].frames, 3 * SEGMENTS);
		assert_true(outs[i].ordered);
	}
	check_account(&rx[GREEDY]);
}

/*
 * A guest writes to a frame between two receivers, one of which may have been asked whether it
 * takes it: the rest of the one is not sent in place of that of the other.
 */
static void
rewritten_frames_end(void **state)
{
	struct pkt *p = &views[GREEDY].p;

	p->data = big.b;
	p->data_len = big.len;
	p->nsegs = 1;
	receivers = 2;
	rewritten = true;
	waiting[GREEDY] = 1;
	while (waiting[GREEDY] > 0 || w->cut.n > 0)
		iterate();
	assert_int_equal(outs[0].frames, SEGMENTS);
	assert_in_range(outs[2].frames, 1, POLL_MAX);
	assert_true(outs[0].same_port && outs[2].same_port);
	assert_int_equal(outs[0].port ^ outs[2].port, 0x100);
	assert_int_equal(rx[GREEDY].stats.drop[DROP_RX_SOFT_OFFLOAD], 1);
	check_account(&rx[GREEDY]);
}

/* A receiver that goes takes its unfinished frames along; those of others go on. */
static void
receivers_may_go(void **state)
{
	receivers = 2;
	waiting[GREEDY] = 1;
	iterate();
	dense[2] = &ports[3];
	dp.nports = 3;
	dp.generation++;
	while (w->cut.n > 0)
		iterate();
	assert_int_equal(outs[0].frames, SEGMENTS);
	assert_in_range(outs[2].frames, 1, POLL_MAX);
	assert_int_equal(rx[GREEDY].stats.drop[DROP_RX_NO_EGRESS], 1);
	check_account(&rx[GREEDY]);
}

/* No port gets the rest of the frame in a new snapshot. */
static void
rest_is_dropped(void)
{
	dp.generation++;
	iterate();
	assert_int_equal(w->cut.n, 0);
	assert_int_equal(rx[GREEDY].stats.drop[DROP_RX_NO_EGRESS], 1);
	check_account(&rx[GREEDY]);
}

static void
receivers_may_move_to_another_domain(void **state)
{
	waiting[GREEDY] = 1;
	iterate();
	ports[0].domain = 1;
	rest_is_dropped();
}

/* The rest of a frame is subject to the rule that the frame was: isolation, and VLANs. */
static void
receivers_may_be_isolated(void **state)
{
	waiting[GREEDY] = 1;
	iterate();
	assert_true(w->cut.n != 0);
	for (uint32_t i = 0; i < RTE_DIM(ports); i++)
		ports[i].isolated = DP_ISOLATED_SET;
	rest_is_dropped();
}

static void
receivers_may_move_to_another_vlan(void **state)
{
	static struct dp_vlan vlans[4];

	waiting[GREEDY] = 1;
	iterate();
	assert_true(w->cut.n != 0);
	for (uint16_t i = 0; i < RTE_DIM(ports); i++) {
		vlans[i].fid[i + 1] = (uint16_t)(VLAN_FID_FIRST + i);
		ports[i].vlan = &vlans[i];
		ports[i].domain = VLAN_FID_NONE;
	}
	rest_is_dropped();
}

/* A trunk's frame of VLAN 10 is not for a port of VLAN 20, which the trunk carries as well. */
static void
receivers_may_move_within_a_trunk(void **state)
{
	static struct dp_vlan trunk, access[2];

	for (uint16_t i = 0; i < 2; i++) {
		trunk.fid[10 * (i + 1)] = VLAN_FID_FIRST + i;
		access[i] = (struct dp_vlan){.access = true, .native = 10 * (i + 1)};
		access[i].fid[10 * (i + 1)] = VLAN_FID_FIRST + i;
	}
	fid = (struct dp_fid){.fid = VLAN_FID_FIRST, .vlan = 10};
	ports[3].vlan = &trunk;
	ports[0].vlan = &access[0];
	ports[3].domain = ports[0].domain = VLAN_FID_NONE;
	waiting[GREEDY] = 2;
	iterate();
	dp.generation++; /* nothing of it has changed */
	while (waiting[GREEDY] > 0)
		iterate();
	assert_int_equal(w->cut.n, 1);
	assert_in_range(outs[0].frames, SEGMENTS, 2 * SEGMENTS - 1);
	ports[0].vlan = &access[1];
	rest_is_dropped();
}

/* The rest of a frame has no tag, which a trunk of that VLAN would take for its native one's. */
static void
receivers_may_become_trunks(void **state)
{
	static struct dp_vlan sender, receiver;

	sender.fid[10] = receiver.fid[10] = VLAN_FID_FIRST;
	receiver.native = 10;
	fid = (struct dp_fid){.fid = VLAN_FID_FIRST, .vlan = 10};
	ports[3].vlan = &sender;
	ports[0].vlan = &receiver;
	ports[3].domain = ports[0].domain = VLAN_FID_NONE;
	waiting[GREEDY] = 1;
	iterate();
	assert_int_equal(w->cut.n, 1);
	receiver.native = 20;
	rest_is_dropped();
}

/* A mirror gets frames of any FID, as long as it is one. */
static void
mirrors_need_not_be_members(void **state)
{
	fid = dp_plain_fid(&ports[3]);
	ports[1].domain = 7;
	ports[0].mirror = &ports[1];
	waiting[GREEDY] = 1;
	worker_poll(w, &dp);
	assert_int_equal(w->cut.n, 2);
	dp.generation++;
	while (w->cut.n > 0)
		worker_poll(w, &dp);
	assert_int_equal(outs[0].frames, SEGMENTS);
	assert_int_equal(outs[1].frames, SEGMENTS);
	waiting[GREEDY] = 1;
	worker_poll(w, &dp);
	ports[0].mirror = NULL;
	dp.generation++;
	while (w->cut.n > 0)
		worker_poll(w, &dp);
	assert_int_equal(outs[0].frames, 2 * SEGMENTS);
	assert_in_range(outs[1].frames, SEGMENTS + 1, 2 * SEGMENTS - 1);
	assert_int_equal(rx[GREEDY].stats.drop[DROP_RX_NO_EGRESS], 1);
	check_account(&rx[GREEDY]);
}

/* A sender that goes is not touched any more; the worker counts its frame. */
static void
senders_may_go(void **state)
{
	waiting[GREEDY] = 1;
	iterate();
	poll[0] = poll[1];
	dp.worker[0].n = 1;
	dp.generation++;
	memset(&rx[GREEDY], 0xee, sizeof(rx[GREEDY]));
	iterate();
	assert_int_equal(w->cut.n, 0);
	assert_int_equal(w->abandoned, 1);
	for (uint32_t i = 0; i < sizeof(rx[GREEDY]); i++)
		assert_int_equal(((uint8_t *)&rx[GREEDY])[i], 0xee);
}

/* A new queue where the sender's or the receiver's was is neither: it may be another tenant's. */
static void
others_at_their_places_get_nothing(void **state)
{
	struct pktq *const taken[] = {&rx[GREEDY], &outs[0].q};
	uint32_t made;

	for (uint32_t i = 0; i < 2; i++) {
		waiting[GREEDY] = 1;
		iterate();
		assert_int_equal(w->cut.n, 1);
		made = outs[0].frames;
		taken[i]->serial = 100 + i;
		dp.generation++;
		iterate();
		assert_int_equal(w->cut.n, 0);
		assert_int_equal(outs[0].frames, made);
	}
}

/* Without memory for the copy the rest of the frame is a drop, and is counted. */
static void
memory_may_run_out(void **state)
{
	struct rte_mempool *few = rte_pktmbuf_pool_create("few", 65, 0, 0, 2048, SOCKET_ID_ANY);

	/* enough for segments, a few at a time, but not for the copy */
	assert_non_null(few);
	for (uint32_t i = 0; i < 45; i++)
		assert_non_null(rte_pktmbuf_alloc(few));
	w->mp = few;
	waiting[GREEDY] = 1;
	iterate();
	assert_int_equal(w->cut.n, 0);
	assert_in_range(outs[0].frames, PKT_BATCH_COST, POLL_MAX);
	assert_int_equal(rx[GREEDY].stats.drop[DROP_RX_SOFT_OFFLOAD], 1);
	check_account(&rx[GREEDY]);
	assert_int_equal(rte_mempool_avail_count(few), 20);
	rte_mempool_free(few);
}

static int
group_setup(void **state)
{
	if (eal_start("0", 256) != 0)
		return -1;
	srandom(1);
	pool = rte_pktmbuf_pool_create("pool", 511, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	return pool != NULL ? 0 : -1;
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(neighbours_do_not_wait),
		T(later_frames_stay_in_the_ring),
		T(flooded_frames_are_copied_once),
		T(rewritten_frames_end),
		T(receivers_may_go),
		T(receivers_may_move_to_another_domain),
		T(receivers_may_be_isolated),
		T(receivers_may_move_to_another_vlan),
		cmocka_unit_test_setup_teardown(receivers_may_move_within_a_trunk, setup_no_tags,
						teardown),
		cmocka_unit_test_setup_teardown(receivers_may_become_trunks, setup_no_tags,
						teardown),
		T(mirrors_need_not_be_members),
		T(senders_may_go),
		T(others_at_their_places_get_nothing),
		T(memory_may_run_out),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
