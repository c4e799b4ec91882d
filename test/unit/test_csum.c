/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mode csum with what can be set for it: whose sums are made where, tunnels,
 * SCTP, segmentation and joining. Sums are checked byte by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>

#include <linux/virtio_net.h>

#include <rte_mbuf.h>

#include "eal.h"
#include "frame.h"
#include "pkt/copy.h"
#include "pkt/offload.h"
#include "switch/modes.h"
#include "switch/worker.h"

#define ROUNDS 1000
#define SENT_MAX 600
#define ALL_HW 0xff

static struct pktq rxq, txq;
static struct pktq *tx_list[] = {&txq};
static struct dp_port port[2];
static struct dataplane dp;
static struct worker *worker;
static struct rte_mempool *pool;

static struct {
	uint8_t b[PKT_LEN_MAX];
	uint32_t len;
	uint16_t need;
	struct pkt_vnet vnet;
} sent[SENT_MAX];
static uint16_t nsent;

static uint16_t
keep(struct pktq *q, struct pkt *const *pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++, nsent++) {
		struct pkt_cursor c;

		assert_int_equal(pkts[i]->need & ~q->offloads, 0);
		pkt_cursor_init(&c, pkts[i]);
		pkt_copy_next(&c, sent[nsent].b, pkts[i]->len);
		sent[nsent].len = pkts[i]->len;
		sent[nsent].need = pkts[i]->need;
		sent[nsent].vnet = pkts[i]->vnet;
	}
	q->stats.offered += n;
	q->stats.frames += n;
	return n;
}

static const struct pktq_ops ops = {.tx = keep};

/* Run a batch through the mode. Memory of the senders must stay as it is. */
static void
pass_batch(const struct frame *f, uint16_t n)
{
	static struct view v[PKT_BATCH_MAX];
	static uint8_t after[PKT_LEN_MAX];
	struct pkt_batch *b = &worker->batch;
	uint64_t drops = 0;

	b->n = b->ndone = n;
	b->nsegs = 0;
	for (uint16_t i = 0; i < n; i++) {
		view_make(&v[i], &f[i]);
		memcpy(&b->segs[b->nsegs], v[i].segs, (v[i].p.nsegs - 1u) * sizeof(b->segs[0]));
		b->pkt[i] = v[i].p;
		/* as receivers leave it */
		b->pkt[i].segs = v[i].p.nsegs > 1 ? &b->segs[b->nsegs] : NULL;
		b->nsegs = (uint16_t)(b->nsegs + v[i].p.nsegs - 1);
		assert_true(offload_check(&b->pkt[i]));
	}
	nsent = 0;
	rxq.stats.frames += n;
	fwd_mode_by_name("csum")->forward(worker, &dp, &port[0], &rxq, b);
	for (uint16_t i = 0; i < n; i++) {
		assert_int_equal(view_flatten(&v[i].p, after), f[i].len);
		assert_memory_equal(after, f[i].b, f[i].len);
		view_free(&v[i]);
	}
	for (uint32_t r = 0; r < DROP_NUM; r++)
		drops += rxq.stats.drop[r];
	assert_int_equal(rxq.stats.frames, rxq.stats.offered - rxq.stats.replicated + drops);
}

static void
pass(const struct frame *f)
{
	pass_batch(f, 1);
	assert_int_equal(nsent, 1);
}

/* --- frames --- */

static uint32_t
l4_sum(const struct frame *f, const uint8_t *b, uint32_t len)
{
	uint32_t l4_len = len - f->l2 - f->l3;

	return frame_sum(b + f->l2 + f->l3, l4_len, frame_pseudo_sum(f, b, l4_len));
}

static uint8_t *
field_of(struct frame *f)
{
	return f->b + f->l2 + f->l3 + (f->tcp ? 16 : 6);
}

static void
set_ip_sum(uint8_t *ip, uint32_t l3)
{
	frame_put16(ip + 10, 0);
	frame_put16(ip + 10, frame_sum(ip, l3, 0) ^ 0xffff);
}

/* A frame as a guest leaves it, right but for its checksum, which is partial. */
static void
finish_frame(struct frame *f)
{
	memcpy(f->b, &port[1].eth_peer, 6);
	memcpy(f->b + 6, &port[1].mac, 6);
	f->vnet.hdr_len = 0;
	if (!f->ip6)
		set_ip_sum(f->b + f->l2, f->l3);
}

static void
partial_frame(struct frame *f, bool ip6, bool tcp, uint32_t payload)
{
	frame_build(f, ip6, tcp, payload);
	finish_frame(f);
}

/* Now and then with a route. */
static void
partial_any(struct frame *f, uint32_t payload)
{
	bool ip6 = frame_rnd(2), tcp = frame_rnd(2);

	if (frame_rnd(2) != 0)
		frame_build(f, ip6, tcp, payload);
	else
		frame_build_routed(f, ip6, tcp, payload);
	finish_frame(f);
}

static void
complete(struct frame *f)
{
	uint32_t sum;

	memset(&f->vnet, 0, sizeof(f->vnet));
	frame_put16(field_of(f), 0);
	sum = l4_sum(f, f->b, f->len) ^ 0xffff;
	frame_put16(field_of(f), sum == 0 ? 0xffff : sum);
}

static void
expect(uint16_t i, const struct frame *f)
{
	assert_int_equal(sent[i].len, f->len);
	assert_memory_equal(sent[i].b, f->b, f->len);
	assert_memory_equal(&sent[i].vnet, &f->vnet, sizeof(f->vnet));
	assert_int_equal(sent[i].need, f->vnet.flags != 0 ? PKT_NEED_CSUM : 0);
}

static struct frame f, want;

/* --- who makes the sums --- */

static void
test_software(void **state)
{
	for (uint32_t i = 0; i < ROUNDS; i++) {
		partial_any(&f, frame_rnd(2000));
		want = f;
		complete(&want);
		pass(&f);
		expect(0, &want);
	}
	assert_int_equal(rxq.stats.bad_l4_csum, 0); /* what was left undone was not wrong */
}

static void
test_receiver(void **state)
{
	port[1].csum.hw = ALL_HW;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		partial_any(&want, frame_rnd(2000));
		f = want;
		if (frame_rnd(2))
			complete(&f);
		pass(&f);
		expect(0, &want);
		complete(&want);
		txq.offloads = 0; /* it does not take them */
		pass(&f);
		expect(0, &want);
		txq.offloads = UINT32_MAX;
	}
}

static void
test_by_layer(void **state)
{
	for (uint32_t i = 0; i < ROUNDS / 10; i++) {
		bool tcp = frame_rnd(2);

		port[1].csum.hw = 1u << CSUM_TCP;
		partial_frame(&f, frame_rnd(2), tcp, 100);
		want = f;
		if (!tcp)
			complete(&want);
		pass(&f);
		expect(0, &want);
	}
}

/* A receiver would sum up what is not part of the datagram. */
static void
test_padding(void **state)
{
	port[1].csum.hw = ALL_HW;
	for (uint32_t i = 0; i < 100; i++) {
		partial_any(&f, frame_rnd(20));
		complete(&f);
		for (uint32_t pad = 1 + frame_rnd(20); pad > 0; pad--)
			f.b[f.len++] = (uint8_t)random();
		pass(&f);
		expect(0, &f);
	}
}

static uint32_t
crc32c(const uint8_t *b, uint32_t len)
{
	uint32_t crc = UINT32_MAX;

	for (uint32_t i = 0; i < len; i++) {
		crc ^= b[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static void
test_sctp(void **state)
{
	uint8_t *l4;
	uint32_t crc;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		partial_frame(&f, false, false, 20 + frame_rnd(1000));
		memset(&f.vnet, 0, sizeof(f.vnet));
		f.b[f.l2 + 9] = 132;
		set_ip_sum(f.b + f.l2, f.l3);
		l4 = f.b + f.l2 + f.l3;
		memset(l4 + 8, 0, 4);
		want = f;
		crc = crc32c(l4, f.len - f.l2 - f.l3);
		for (int k = 0; k < 4; k++)
			want.b[f.l2 + f.l3 + 8 + k] = (uint8_t)(crc >> 8 * k);
		pass(&f);
		expect(0, &want);
		pass(&want); /* right already */
		expect(0, &want);
	}
	assert_int_equal(rxq.stats.bad_l4_csum, ROUNDS);
}

/* --- tunnels --- */

/* Put @p f into a tunnel of that kind. Returns where it begins. */
static uint32_t
wrap(struct frame *out, uint32_t kind)
{
	static const uint8_t protos[] = {17, 17, 47, 47, 4};
	static const uint32_t hdrs[] = {8 + 8, 8 + 8 + 12, 4, 4 + 8, 0};
	uint32_t skip = kind == 4 ? f.l2 : 0, off = 14 + 20 + hdrs[kind];
	uint8_t *ip = out->b + 14, *l4 = ip + 20;

	memset(out, 0, sizeof(*out));
	memcpy(out->b, f.b, 12);
	frame_put16(out->b + 12, 0x0800);
	ip[0] = 0x45;
	ip[9] = protos[kind];
	memcpy(out->b + off, f.b + skip, f.len - skip);
	out->len = off + f.len - skip;
	out->l2 = 14;
	out->l3 = 20;
	frame_put16(ip + 2, out->len - 14);
	set_ip_sum(ip, 20);
	if (kind < 2) {
		frame_put16(l4 + 2, kind == 0 ? 4789 : 6081);
		frame_put16(l4 + 4, out->len - 34);
		l4[8] = kind == 0 ? 8 : 3; /* flags of VXLAN, options of Geneve */
		frame_put16(l4 + 10, kind == 0 ? 0 : 0x6558);
		complete(out);
	} else if (kind < 4) {
		frame_put16(l4, kind == 2 ? 0 : 0xa000); /* checksum and key */
		frame_put16(l4 + 2, 0x6558);
	}
	return off - skip;
}

static void
test_tunnels(void **state)
{
	static struct frame outer, right;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint32_t kind = frame_rnd(5), off;

		do
			partial_frame(&f, kind != 4 && frame_rnd(2), frame_rnd(2), frame_rnd(500));
		while (f.l2 + f.l3 + f.l4 >
		       190); /* the headers have to be within those looked at */
		complete(&f);
		wrap(&right, kind);
		field_of(&f)[0] ^= 0x40;
		off = wrap(&outer, kind);
		port[1].csum.tunnels = false;
		pass(&outer);
		expect(0, &outer);
		port[1].csum.tunnels = true;
		pass(&outer);
		/* outside, the old sum was right for the wrong one inside */
		expect(0, &right);
		assert_true(off > 0);
	}
	assert_true(rxq.stats.bad_l4_csum >= ROUNDS);
}

/* --- segmentation --- */

static void
test_tso(void **state)
{
	port[1].csum.tso_segsz = 500;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		bool ip6 = frame_rnd(2);

		partial_frame(&f, ip6, true, 400 + frame_rnd(300));
		want = f;
		if (frame_rnd(2))
			complete(&f);
		pass(&f);
		if (f.len - f.l2 - f.l3 - f.l4 <= 500) {
			complete(&want);
			expect(0, &want);
			continue;
		}
		assert_memory_equal(sent[0].b, want.b, f.len);
		assert_int_equal(sent[0].need, PKT_NEED_CSUM |
						       (ip6 ? PKT_NEED_TSO6 : PKT_NEED_TSO4) |
						       (ip6 && f.l3 != 40 ? PKT_NEED_EXT : 0));
		assert_int_equal(sent[0].vnet.gso_size, 500);
		assert_int_equal(sent[0].vnet.gso_type,
				 ip6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4);
		assert_int_equal(sent[0].vnet.hdr_len, f.l2 + f.l3 + f.l4);
		txq.offloads = 0; /* the switch has to */
		pass_batch(&f, 1);
		assert_int_equal(nsent, 2);
		txq.offloads = UINT32_MAX;
	}
}

/* The segments have the whole payload in order, right sums, and fits. */
static void
check_cut(uint32_t max)
{
	uint32_t at = f.l2 + f.l3 + (f.tcp ? f.l4 : 0);
	struct frame g = f;

	complete(&g);
	for (uint16_t i = 0; i < nsent; i++) {
		const uint8_t *b = sent[i].b;
		uint32_t hdr = f.l2 + f.l3 + (f.tcp ? f.l4 : f.ip6 ? 8 : 0);

		assert_in_range(sent[i].len, hdr + 1, max);
		assert_memory_equal(b + hdr, g.b + at, sent[i].len - hdr);
		if (f.tcp)
			assert_int_equal(l4_sum(&f, b, sent[i].len), 0xffff);
		if (!f.ip6)
			assert_int_equal(frame_sum(b + f.l2, f.l3, 0), 0xffff);
		assert_int_equal(sent[i].need, 0);
		at += sent[i].len - hdr;
	}
	assert_int_equal(at, f.len);
}

static void
test_gso(void **state)
{
	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint32_t max = 600 + frame_rnd(1000);

		partial_frame(&f, frame_rnd(2), frame_rnd(2), frame_rnd(9000));
		if (frame_rnd(2))
			complete(&f);
		port[1].csum.gso_len = (uint16_t)max;
		pass_batch(&f, 1);
		if (f.len <= max)
			assert_int_equal(nsent, 1);
		else
			check_cut(max);
	}
	assert_int_equal(rxq.stats.drop[DROP_RX_SOFT_OFFLOAD], 0);
}

/* The length holds for frames the sender wants segmented, wherever that could be done. */
static void
test_gso_of_tso(void **state)
{
	port[1].csum.gso_len = 1000;
	for (uint32_t i = 0; i < ROUNDS / 10; i++) {
		bool ip6 = frame_rnd(2);

		partial_frame(&f, ip6, true, 1000 + frame_rnd(30000));
		f.vnet.gso_type = ip6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
		f.vnet.gso_size = 1400;
		pass_batch(&f, 1);
		check_cut(1000);
	}
}

/* --- joining --- */

static struct frame stream[PKT_BATCH_MAX];

/* A stream of @p n segments of @p size bytes, the last one shorter. */
static void
make_stream(struct frame *s, uint16_t n, uint32_t size)
{
	partial_frame(&f, false, true, size);
	f.b[f.l2] = 0x45;
	memmove(f.b + f.l2 + 20, f.b + f.l2 + f.l3, f.len - f.l2 - f.l3);
	f.len -= f.l3 - 20;
	f.l3 = 20;
	f.b[f.l2 + f.l3 + 13] = 0x10; /* ACK */
	for (uint16_t i = 0; i < n; i++) {
		uint8_t *seq = f.b + f.l2 + f.l3 + 4;

		s[i] = f;
		s[i].len -= i + 1 == n ? 1 + frame_rnd(size - 1) : 0;
		frame_put16(s[i].b + f.l2 + 2, s[i].len - f.l2);
		set_ip_sum(s[i].b + f.l2, 20);
		complete(&s[i]);
		frame_put32(seq, frame_get32(seq) + size);
		frame_put16(f.b + f.l2 + 4, (frame_get16(f.b + f.l2 + 4) + 1) & 0xffff);
	}
}

/* Frame @p i of those sent, cut into segments again, is these @p n frames. */
static void
expect_joined(uint16_t i, const struct frame *s, uint16_t n, uint32_t size)
{
	static struct pkt out[PKT_BATCH_MAX];
	static struct pkt_seg segs[PKT_BATCH_MAX];
	struct pkt p = {.data = sent[i].b, .len = sent[i].len, .data_len = sent[i].len, .nsegs = 1};
	static uint8_t b[PKT_LEN_MAX];
	struct offload_work o;

	assert_int_equal(sent[i].need, PKT_NEED_CSUM | PKT_NEED_TSO4);
	assert_int_equal(sent[i].vnet.gso_size, size);
	memcpy(p.eth_bytes, p.data, sizeof(p.eth_bytes));
	p.vnet = sent[i].vnet;
	assert_true(offload_check(&p));
	assert_true(offload_begin(&o, pool, &p, 0, NULL));
	assert_int_equal(offload_next(&o, out, RTE_DIM(out), segs, RTE_DIM(segs)), n);
	assert_true(o.done);
	for (uint16_t k = 0; k < n; k++) {
		assert_int_equal(view_flatten(&out[k], b), s[k].len);
		assert_memory_equal(b, s[k].b, s[k].len);
	}
	offload_free(out, n);
}

static void
test_join(void **state)
{
	port[0].csum.gro = true;
	for (uint32_t i = 0; i < ROUNDS / 5; i++) {
		uint16_t n = (uint16_t)(2 + frame_rnd(30));
		uint32_t size = 2 + frame_rnd(1000);

		port[1].csum.hw = frame_rnd(2) ? ALL_HW : 0;
		make_stream(stream, n, size);
		rxq.stats.drop[DROP_RX_MERGED] = rxq.stats.offered = rxq.stats.frames = 0;
		pass_batch(stream, n);
		assert_int_equal(nsent, 1);
		assert_int_equal(rxq.stats.drop[DROP_RX_MERGED], n - 1);
		expect_joined(0, stream, n, size);
	}
}

static void
test_join_two_flows(void **state)
{
	static struct frame a[8], b[8];

	port[0].csum.gro = true;
	make_stream(a, 8, 100);
	make_stream(b, 8, 200);
	for (uint16_t i = 0; i < 8; i++) {
		stream[2 * i] = a[i];
		stream[2 * i + 1] = b[i];
	}
	pass_batch(stream, 16);
	assert_int_equal(nsent, 2);
	expect_joined(0, a, 8, 100);
	expect_joined(1, b, 8, 200);
}

static void
check_apart(uint16_t first, uint16_t second)
{
	pass_batch(stream, 8);
	assert_int_equal(nsent, 2);
	expect_joined(0, stream, first, 100);
	expect_joined(1, stream + first, second, 100);
}

/* Segments that do not continue the one before, or have other headers. */
static void
test_not_joined(void **state)
{
	uint8_t *l4;

	port[0].csum.gro = true;
	make_stream(stream, 8, 100);
	l4 = stream[3].b + f.l2 + f.l3;
	l4[13] |= 8; /* PSH: the last of its frame */
	complete(&stream[3]);
	check_apart(4, 4);
	make_stream(stream, 8, 100);
	for (uint16_t i = 5; i < 8; i++) {
		l4 = stream[i].b + f.l2 + f.l3;
		l4[8] ^= 1; /* another acknowledgment */
		complete(&stream[i]);
	}
	check_apart(5, 3);
	make_stream(stream, 8, 100);
	for (uint16_t i = 2; i < 8; i++) {
		l4 = stream[i].b + f.l2 + f.l3;
		frame_put32(l4 + 4, frame_get32(l4 + 4) + 1); /* a gap */
		complete(&stream[i]);
	}
	check_apart(2, 6);
	make_stream(stream, 8, 100);
	stream[4].b[f.l2 + f.l3 + 17] ^= 1; /* wrong checksum */
	pass_batch(stream, 8);
	assert_int_equal(nsent, 3);
	assert_int_equal(rxq.stats.bad_l4_csum, 1);
	txq.offloads = PKT_NEED_CSUM; /* it would have to be cut again */
	pass_batch(stream, 8);
	assert_int_equal(nsent, 8);
}

/* --- anything at all --- */

static void
test_any(void **state)
{
	for (uint32_t i = 0; i < 3 * ROUNDS; i++) {
		uint16_t n = (uint16_t)(1 + frame_rnd(4));

		for (uint16_t k = 0; k < n; k++) {
			partial_frame(&stream[k], frame_rnd(2), frame_rnd(2), frame_rnd(3000));
			memset(&stream[k].vnet, 0, sizeof(f.vnet));
			stream[k].len = 14 + frame_rnd(stream[k].len - 14);
			for (uint32_t m = frame_rnd(20); m > 0; m--)
				stream[k].b[frame_rnd(RTE_MIN(stream[k].len, 100u))] =
					(uint8_t)random();
		}
		port[0].csum.gro = frame_rnd(2);
		port[1].csum = (struct fwd_csum){
			.hw = (uint8_t)random(),
			.tunnels = frame_rnd(2),
			.tso_segsz = (uint16_t)frame_rnd(2000),
			.gso_len = (uint16_t)frame_rnd(2000),
		};
		txq.offloads = frame_rnd(2) ? UINT32_MAX : 0;
		pass_batch(stream, n);
	}
}

static int
setup(void **state)
{
	memset(&rxq, 0, sizeof(rxq));
	txq.offloads = UINT32_MAX;
	for (uint16_t i = 0; i < 2; i++)
		port[i] = (struct dp_port){
			.id = i,
			.ntx = 1,
			.tx = tx_list,
			.peer = &port[1 - i],
			.mac = {{2, 0, 0, 0, 0, (uint8_t)(i + 1)}},
			.eth_peer = {{2, 0, 0, 0, 0x99, (uint8_t)i}},
		};
	return 0;
}

static int
teardown(void **state)
{
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	return 0;
}

static int
group_setup(void **state)
{
	srandom(1);
	if (eal_start("0", 256) < 0)
		return -1;
	pool = rte_pktmbuf_pool_create("test", 2047, 0, 0, 2176, SOCKET_ID_ANY);
	worker = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*worker));
	if (pool == NULL || worker == NULL)
		return -1;
	memset(worker, 0, sizeof(*worker));
	worker->mp = pool;
	atomic_init(&txq.ops, &ops);
	return 0;
}

static int
group_teardown(void **state)
{
	free(worker);
	rte_mempool_free(pool);
	return 0;
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_software),
		TEST(test_receiver),
		TEST(test_by_layer),
		TEST(test_padding),
		TEST(test_sctp),
		TEST(test_tunnels),
		TEST(test_tso),
		TEST(test_gso),
		TEST(test_gso_of_tso),
		TEST(test_join),
		TEST(test_join_two_flows),
		TEST(test_not_joined),
		TEST(test_any),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
