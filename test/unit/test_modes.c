/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * testpmd's forwarding modes: what leaves is compared byte by byte with what
 * came in, and the sender's memory is never written to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>

#include <linux/virtio_net.h>

#include "eal.h"
#include "frame.h"
#include "pkt/copy.h"
#include "pkt/offload.h"
#include "switch/modes.h"
#include "switch/worker.h"

#define ROUNDS 3000

/* Two ports joined, two queues each; what is sent is kept. */
static struct pktq rxq, txq[2][2];
static struct pktq *tx_list[2][2] = {{&txq[0][0], &txq[0][1]}, {&txq[1][0], &txq[1][1]}};
static struct dp_port port[2];
static struct dataplane dp;
static struct worker *worker;

static struct {
	const struct pktq *q;
	uint8_t b[PKT_LEN_MAX];
	uint32_t len;
	struct pkt_vnet vnet;
} sent[PKT_BATCH_MAX];
static uint16_t nsent;

static uint16_t
keep(struct pktq *q, struct pkt *const *pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct pkt_cursor c;

		assert_in_range(pkts[i]->nsegs, 1, 70);
		pkt_cursor_init(&c, pkts[i]);
		pkt_copy_next(&c, sent[nsent].b, pkts[i]->len);
		sent[nsent].q = q;
		sent[nsent].len = pkts[i]->len;
		sent[nsent++].vnet = pkts[i]->vnet;
	}
	q->stats.offered += n;
	q->stats.frames += n;
	return n;
}

static const struct pktq_ops ops = {.tx = keep};

static uint64_t
drops(void)
{
	uint64_t n = 0;

	for (uint32_t r = 0; r < DROP_NUM; r++)
		n += rxq.stats.drop[r];
	return n;
}

/* Run one frame through a mode; whether something left. Its own memory must stay as it is. */
static bool
pass(const char *mode, const struct frame *f)
{
	const struct fwd_mode *m = fwd_mode_by_name(mode);
	static uint8_t after[PKT_LEN_MAX];
	struct pkt_batch *b = &worker->batch;
	struct view v, copy;

	assert_non_null(m);
	view_make(&v, f);
	copy = v; /* lists of fragments may be rearranged, what they point to not */
	copy.p.segs = copy.segs;
	b->n = b->ndone = 1;
	b->nsegs = 0;
	b->pkt[0] = v.p;
	if (f->vnet.flags != 0)
		assert_true(offload_check(&b->pkt[0]));
	nsent = 0;
	rxq.stats.frames++;
	m->forward(worker, &dp, &port[0], &rxq, b);
	assert_int_equal(view_flatten(&copy.p, after), f->len);
	assert_memory_equal(after, f->b, f->len);
	view_free(&v);
	assert_int_equal(rxq.stats.frames, rxq.stats.offered - rxq.stats.replicated + drops());
	return nsent == 1;
}

static struct frame f, want;

static void
expect(void)
{
	assert_int_equal(nsent, 1);
	assert_int_equal(sent[0].len, want.len);
	assert_memory_equal(sent[0].b, want.b, want.len);
	assert_memory_equal(&sent[0].vnet, &want.vnet, sizeof(want.vnet));
}

/* Give the frame complete and right checksums. */
static void
complete(struct frame *fr)
{
	uint8_t *ip = fr->b + fr->l2, *l4 = ip + fr->l3, *field = l4 + (fr->tcp ? 16 : 6);
	uint32_t len = fr->len - fr->l2 - fr->l3, sum;

	memset(&fr->vnet, 0, sizeof(fr->vnet));
	if (!fr->ip6) {
		frame_put16(ip + 10, 0);
		frame_put16(ip + 10, frame_sum(ip, fr->l3, 0) ^ 0xffff);
	}
	frame_put16(field, 0);
	sum = frame_sum(l4, len, frame_pseudo_sum(fr, fr->b, len)) ^ 0xffff;
	frame_put16(field, sum == 0 ? 0xffff : sum);
}

static void
random_frame(void)
{
	bool ip6 = frame_rnd(2), tcp = frame_rnd(2);

	if (frame_rnd(2) != 0)
		frame_build(&f, ip6, tcp, frame_rnd(2000));
	else
		frame_build_routed(&f, ip6, tcp, frame_rnd(2000));
}

static void
mac_to(struct frame *fr, const struct dp_port *out)
{
	memcpy(fr->b, &out->eth_peer, 6);
	memcpy(fr->b + 6, &out->mac, 6);
}

static void
swap(uint8_t *a, uint8_t *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint8_t t = a[i];

		a[i] = b[i];
		b[i] = t;
	}
}

/* --- wires --- */

static void
test_wires(void **state)
{
	for (uint32_t i = 0; i < ROUNDS / 10; i++) {
		rxq.index = (uint16_t)(i % 5);
		random_frame();
		want = f;
		assert_true(pass("io", &f));
		assert_ptr_equal(sent[0].q, &txq[1][rxq.index % 2]);
		expect();
		mac_to(&want, &port[1]);
		assert_true(pass("mac", &f));
		expect();
		want = f;
		swap(want.b, want.b + 6, 6);
		assert_true(pass("macswap", &f));
		expect();
		assert_false(pass("rxonly", &f));
		assert_false(pass("shared-rxq", &f));
	}
	assert_int_equal(rxq.stats.drop[DROP_RX_CONSUMED], ROUNDS / 10 * 2);
}

static void
test_no_peer_queue(void **state)
{
	random_frame();
	port[1].ntx = 0;
	assert_false(pass("io", &f));
	assert_false(pass("5tswap", &f));
	assert_int_equal(rxq.stats.drop[DROP_RX_NO_EGRESS], 2);
	port[1].ntx = 2;
}

/* The ends of a frame whose addresses changed places: a home address and a route stay. */
static void
read_ends(struct frame *fr)
{
	const uint8_t *ip = fr->b + fr->l2;

	if (!fr->home)
		memcpy(fr->src, ip + (fr->ip6 ? 8 : 12), fr->ip6 ? 16 : 4);
	memcpy(fr->dst, ip + (fr->ip6 ? 24 : 16), fr->prefix);
}

static void
test_5tswap(void **state)
{
	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint8_t *ip, *l4;

		random_frame();
		if (frame_rnd(2) != 0)
			complete(&f);
		want = f;
		ip = want.b + f.l2;
		l4 = ip + f.l3;
		swap(want.b, want.b + 6, 6);
		if (f.ip6)
			swap(ip + 8, ip + 24, 16);
		else
			swap(ip + 12, ip + 16, 4);
		swap(l4, l4 + 2, 2);
		if (f.routed) {
			read_ends(&want);
			if (f.vnet.flags == 0)
				complete(&want);
			else
				frame_put16(l4 + f.vnet.csum_offset,
					    frame_pseudo_sum(&want, want.b, f.len - f.l2 - f.l3));
		}
		assert_true(pass("5tswap", &f));
		expect();
	}
	f.b[f.l2 - 2] = 0x88; /* not IP: MACs only */
	f.vnet.flags = 0;
	want = f;
	swap(want.b, want.b + 6, 6);
	assert_true(pass("5tswap", &f));
	expect();
}

/* --- checksums --- */

static void
test_csum_repairs(void **state)
{
	uint64_t bad_ip = 0, bad_l4 = 0;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		random_frame();
		complete(&f);
		mac_to(&f, &port[1]); /* pseudo headers do not contain it */
		want = f;
		memset(f.b, 2, 12);
		if (!f.ip6 && frame_rnd(3) == 0) {
			f.b[f.l2 + 10] ^= (uint8_t)(1 + frame_rnd(255));
			bad_ip++;
		}
		if (frame_rnd(3) == 0) {
			f.b[f.l2 + f.l3 + (f.tcp ? 16 : 6)] ^= 0x10;
			bad_l4++;
		}
		assert_true(pass("csum", &f));
		expect();
		assert_int_equal(rxq.stats.bad_ip_csum, bad_ip);
		assert_int_equal(rxq.stats.bad_l4_csum, bad_l4);
	}
	assert_true(bad_ip > 0 && bad_l4 > 0);
}

/* Sums left to the receiver and absent ones stay so; padding is not part of the datagram. */
static void
test_csum_leaves_alone(void **state)
{
	port[1].csum.hw = 0xff;
	for (uint32_t i = 0; i < 300; i++) {
		random_frame();
		if (!f.ip6) {
			frame_put16(f.b + f.l2 + 10, 0);
			frame_put16(f.b + f.l2 + 10, frame_sum(f.b + f.l2, f.l3, 0) ^ 0xffff);
		}
		want = f;
		mac_to(&want, &port[1]);
		assert_true(pass("csum", &f));
		expect();
		complete(&f);
		if (!f.tcp)
			frame_put16(f.b + f.l2 + f.l3 + 6, 0);
		for (uint32_t pad = 1 + frame_rnd(20); pad > 0; pad--)
			f.b[f.len++] = (uint8_t)random();
		want = f;
		mac_to(&want, &port[1]);
		assert_true(pass("csum", &f));
		expect();
	}
	port[1].csum.hw = 0;
	assert_int_equal(rxq.stats.bad_ip_csum, 0);
	assert_int_equal(rxq.stats.bad_l4_csum, 0);
}

/* --- icmpecho --- */

static void
build_echo(void)
{
	uint8_t *icmp;

	frame_build(&f, false, false, 56);
	memset(&f.vnet, 0, sizeof(f.vnet));
	f.b[f.l2 + 9] = 1;
	icmp = f.b + f.l2 + f.l3;
	icmp[0] = 8;
	icmp[1] = 0;
	frame_put16(icmp + 2, 0);
	frame_put16(icmp + 2, frame_sum(icmp, f.len - f.l2 - f.l3, 0) ^ 0xffff);
}

static void
test_icmp_echo(void **state)
{
	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint8_t *ip, *icmp;

		build_echo();
		want = f;
		ip = want.b + f.l2;
		icmp = ip + f.l3;
		swap(want.b, want.b + 6, 6);
		swap(ip + 12, ip + 16, 4);
		icmp[0] = 0;
		assert_true(pass("icmpecho", &f));
		assert_ptr_equal(sent[0].q, &txq[0][rxq.index % 2]); /* back where it came from */
		/* the sum verifies; its bytes may be either representation of zero */
		assert_int_equal(frame_sum(sent[0].b + f.l2 + f.l3, f.len - f.l2 - f.l3, 0),
				 0xffff);
		memcpy(icmp + 2, sent[0].b + f.l2 + f.l3 + 2, 2);
		expect();
	}
	f.b[f.l2 + f.l3] = 0; /* a reply is not answered */
	assert_false(pass("icmpecho", &f));
	random_frame(); /* nor is anything else */
	assert_false(pass("icmpecho", &f));
	assert_int_equal(rxq.stats.drop[DROP_RX_CONSUMED], 2);
}

static void
test_arp(void **state)
{
	static const uint8_t request[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,  1, 1, 1, 1, 1, 8, 6, /* Ethernet */
		0,    1,    8,    0,    6,    4,    0,  1,       /* Ethernet, IPv4, request */
		2,    1,    1,    1,    1,    1,    10, 0, 0, 1, /* from */
		0,    0,    0,    0,    0,    0,    10, 0, 0, 2, /* for */
	};
	uint8_t *m;

	memset(&f, 0, sizeof(f));
	f.len = 60;
	memcpy(f.b, request, sizeof(request));
	want = f;
	memcpy(want.b, request + 6, 6);
	memcpy(want.b + 6, &port[0].mac, 6);
	m = want.b + 14;
	m[7] = 2;
	memcpy(m + 8, &port[0].mac, 6);
	memcpy(m + 14, request + 38, 4);
	memcpy(m + 18, request + 22, 10);
	assert_true(pass("icmpecho", &f));
	expect();
	f.len = sizeof(request) - 1; /* cut off */
	assert_false(pass("icmpecho", &f));
	f.len = 60;
	f.b[21] = 2; /* a reply */
	assert_false(pass("icmpecho", &f));
}

/* --- generators --- */

static void
generate(const char *mode, uint16_t max)
{
	nsent = 0;
	worker->batch.max = max;
	fwd_mode_by_name(mode)->generate(worker, &dp, &port[0], &rxq);
	assert_int_equal(nsent, max);
	assert_int_equal(rxq.stats.frames, rxq.stats.offered - rxq.stats.replicated);
}

static void
check_generated(uint16_t i, uint32_t len)
{
	const uint8_t *b = sent[i].b, *ip = b + 14;

	assert_int_equal(sent[i].len, len);
	assert_memory_equal(b, &port[1].eth_peer, 6);
	assert_memory_equal(b + 6, &port[1].mac, 6);
	assert_int_equal(frame_sum(ip, 20, 0), 0xffff);
	assert_int_equal(frame_get16(ip + 2), len - 14);
	assert_int_equal(frame_get16(ip + 24), len - 34);
	for (uint32_t k = 42; k < len; k++)
		assert_int_equal(b[k], 0);
}

static void
test_txonly(void **state)
{
	static const uint32_t lens[] = {64, 42, 256, 257, 1518, 9000, 65535};

	for (uint32_t i = 0; i < RTE_DIM(lens); i++) {
		dp.gen = (struct fwd_gen){.nsegs = 2, .len = {(uint16_t)(lens[i] - 20), 20}};
		memset(worker->hdrs, 0xff, sizeof(worker->hdrs));
		generate("txonly", 32);
		for (uint16_t k = 0; k < 32; k++)
			check_generated(k, lens[i]);
	}
	dp.gen = (struct fwd_gen){.nsegs = 1, .len = {10}}; /* no room for headers */
	generate("txonly", 1);
	check_generated(0, 42);
	dp.gen = (struct fwd_gen){.nsegs = 2, .len = {65535, 65535}};
	generate("txonly", 1);
	check_generated(0, 65535);
}

/* "set txsplit rand" and --txonly-multi-flow. */
static void
test_txonly_varied(void **state)
{
	uint32_t lens[3] = {0};
	bool src[256] = {false};

	dp.gen = (struct fwd_gen){
		.nsegs = 3,
		.len = {64, 100, 200},
		.random = true,
		.many = true,
		.flow = FWD_GEN_FLOW,
	};
	worker->next_flow = 0;
	for (uint32_t burst = 0; burst < 4; burst++) {
		generate("txonly", 64);
		for (uint16_t k = 0; k < 64; k++) {
			uint32_t len = sent[k].len;

			assert_true(len == 64 || len == 164 || len == 364);
			check_generated(k, len);
			lens[len == 64 ? 0 : len == 164 ? 1 : 2]++;
			assert_int_equal(frame_get16(sent[k].b + 26), 198 << 8 | 18);
			src[sent[k].b[28]] = true;
		}
	}
	for (uint32_t i = 0; i < RTE_DIM(lens); i++)
		assert_true(lens[i] > 20);
	for (uint32_t i = 0; i < RTE_DIM(src); i++)
		assert_true(src[i]);
}

static void
test_flowgen(void **state)
{
	uint8_t seen[1024] = {0};

	dp.gen = (struct fwd_gen){.nsegs = 1, .len = {100}, .flows = FWD_GEN_FLOWS};
	for (uint32_t burst = 0; burst < 32; burst++) {
		generate("flowgen", 64);
		for (uint16_t k = 0; k < 64; k++) {
			check_generated(k, 100);
			seen[frame_get16(sent[k].b + 32) % 1024]++;
		}
	}
	for (uint32_t i = 0; i < 1024; i++)
		assert_int_equal(seen[i], 2);
}

/* --- anything at all --- */

static void
test_any_frame(void **state)
{
	for (uint32_t i = 0; i < ROUNDS; i++) {
		random_frame();
		memset(&f.vnet, 0, sizeof(f.vnet));
		f.len = 14 + frame_rnd(f.len - 14);
		for (uint32_t k = frame_rnd(20); k > 0; k--)
			f.b[frame_rnd(RTE_MIN(f.len, 100u))] = (uint8_t)random();
		for (const struct fwd_mode *m = fwd_modes + 1; m->name != NULL; m++)
			if (m->forward != NULL)
				pass(m->name, &f);
	}
}

static int
setup(void **state)
{
	memset(&rxq, 0, sizeof(rxq));
	return 0;
}

static int
group_setup(void **state)
{
	srandom(1);
	if (eal_start("0", 64) < 0) /* random numbers need it */
		return -1;
	worker = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*worker));
	memset(worker, 0, sizeof(*worker));
	for (uint16_t i = 0; i < 2; i++) {
		port[i] = (struct dp_port){
			.id = i,
			.ntx = 2,
			.tx = tx_list[i],
			.peer = &port[1 - i],
			.mac = {{2, 0, 0, 0, 0, (uint8_t)(i + 1)}},
			.eth_peer = {{2, 0, 0, 0, 0x99, (uint8_t)i}},
		};
		for (uint16_t k = 0; k < 2; k++) {
			atomic_init(&txq[i][k].ops, &ops);
			txq[i][k].offloads = UINT32_MAX;
		}
	}
	return 0;
}

static int
group_teardown(void **state)
{
	free(worker);
	return 0;
}

#define TEST(t) cmocka_unit_test_setup(t, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_wires),
		TEST(test_no_peer_queue),
		TEST(test_5tswap),
		TEST(test_csum_repairs),
		TEST(test_csum_leaves_alone),
		TEST(test_icmp_echo),
		TEST(test_arp),
		TEST(test_txonly),
		TEST(test_txonly_varied),
		TEST(test_flowgen),
		TEST(test_any_frame),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
