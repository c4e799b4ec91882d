/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is read out of a frame: headers, flow hash, copies to and from mbufs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/virtio_net.h>

#include <rte_mbuf.h>

#include "eal.h"
#include "frame.h"
#include "pkt/hdrs.h"
#include "pkt/flow.h"
#include "pkt/mbuf.h"
#include "pkt/offload.h"

#define ROUNDS 2000

static struct rte_mempool *pool;
static uint8_t got[PKT_LEN_MAX];

/* --- mbufs --- */

static void
test_mbuf_round_trip(void **state)
{
	static struct frame f;
	struct pkt_seg segs[40];
	struct rte_mbuf *m;
	struct view v;
	struct pkt p;

	for (uint32_t i = 0; i < 500; i++) {
		frame_build(&f, frame_rnd(2), frame_rnd(2), frame_rnd(i % 2 ? 1500 : 65000));
		view_make(&v, &f);
		m = pkt_to_mbuf(pool, &v.p);
		assert_non_null(m);
		rte_mbuf_sanity_check(m, 1);
		assert_true(pkt_from_mbuf(&p, m, segs, RTE_DIM(segs)));
		assert_int_equal(p.len, f.len);
		assert_int_equal(view_flatten(&p, got), f.len);
		assert_memory_equal(got, f.b, f.len);
		assert_memory_equal(p.eth_bytes, f.b, sizeof(p.eth_bytes));
		if (p.nsegs > 1)
			assert_false(pkt_from_mbuf(&p, m, segs, p.nsegs - 2));
		rte_pktmbuf_free(m);
		view_free(&v);
	}
}

static void
test_from_odd_mbuf(void **state)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool), *m2 = rte_pktmbuf_alloc(pool);
	struct pkt_seg segs[2];
	struct pkt p;

	/* an Ethernet header over two mbufs, and one that is not complete */
	memcpy(rte_pktmbuf_append(m, 5), "\x02\x00\x00\x00\x01", 5);
	assert_false(pkt_from_mbuf(&p, m, segs, 2));
	memcpy(rte_pktmbuf_append(m2, 9), "\xaa\x02\x00\x00\x00\x02\xbb\x08\x06", 9);
	assert_int_equal(rte_pktmbuf_chain(m, m2), 0);
	assert_true(pkt_from_mbuf(&p, m, segs, 2));
	assert_memory_equal(p.eth_bytes, "\x02\x00\x00\x00\x01\xaa\x02\x00\x00\x00\x02\xbb\x08\x06",
			    14);
	rte_pktmbuf_free(m);
}

/* --- flows --- */

static void
swap(uint8_t *a, uint8_t *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint8_t t = a[i];

		a[i] = b[i];
		b[i] = t;
	}
}

static uint32_t
hash_of(const struct frame *f)
{
	struct view v;
	uint32_t h;

	view_make(&v, f);
	h = pkt_flow_hash(&v.p);
	view_free(&v);
	return h;
}

static void
reverse(struct frame *f)
{
	uint8_t *ip = f->b + f->l2, *l4 = ip + f->l3;

	swap(f->b, f->b + 6, 6);
	if (f->ip6)
		swap(ip + 8, ip + 24, 16);
	else
		swap(ip + 12, ip + 16, 4);
	swap(l4, l4 + 2, 2);
}

static void
test_flow_symmetric(void **state)
{
	static struct frame f;
	uint32_t h, same = 0;

	for (uint32_t i = 0; i < 2000; i++) {
		frame_build(&f, frame_rnd(2), frame_rnd(2), 10 + frame_rnd(100));
		h = hash_of(&f);
		assert_int_not_equal(h, 0);
		for (uint32_t k = f.l2 + f.l3 + f.l4; k < f.len; k++)
			f.b[k] ^= 0x55; /* payload does not matter */
		reverse(&f);
		assert_int_equal(hash_of(&f), h);
		f.b[f.l2 + f.l3] ^= 1; /* another source port is another flow */
		if (f.l2 + f.l3 + 4 <= PKT_HDRS_L4)
			same += hash_of(&f) == h;
	}
	assert_true(same < 3);
}

/* The TCP options of a SYN must not make it another flow than the rest. */
static void
test_flow_long_header(void **state)
{
	static struct frame f;
	uint32_t h;

	do {
		frame_build(&f, true, true, 100);
	} while (f.l2 + f.l3 > PKT_HDRS_L4 - 20 || f.l2 + f.l3 < 60);
	f.b[f.l2 + f.l3 + 12] = 0x50;
	h = hash_of(&f);
	f.b[f.l2 + f.l3 + 12] = 0xf0;
	assert_int_equal(hash_of(&f), h);
}

static void
test_flow_fragments(void **state)
{
	static struct frame f;
	uint32_t h;

	/* all fragments of a datagram are one flow, with and without ports in them */
	do {
		frame_build(&f, false, false, 100);
	} while (f.l3 != 20);
	frame_put16(f.b + f.l2 + 6, 0x2000);
	h = hash_of(&f);
	frame_put16(f.b + f.l2 + 6, 0x0010);
	frame_put32(f.b + f.l2 + f.l3, (uint32_t)random());
	assert_int_equal(hash_of(&f), h);
	/* not IP: by addresses and type */
	frame_put16(f.b + 12, 0x0806);
	h = hash_of(&f);
	swap(f.b, f.b + 6, 6);
	assert_int_equal(hash_of(&f), h);
	f.b[1] ^= 1;
	assert_int_not_equal(hash_of(&f), h);
}

/* Sizes down to the smallest frame, cut anywhere: the parser stays inside. */
static void
test_short_frames(void **state)
{
	static struct frame f;
	struct pkt_hdrs h;
	struct view v;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		frame_build(&f, frame_rnd(2), frame_rnd(2), 20);
		f.len = 14 + frame_rnd(f.len - 14);
		view_make(&v, &f);
		v.p.vnet.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
		v.p.vnet.gso_size = 1;
		offload_check(&v.p);
		assert_int_not_equal(pkt_flow_hash(&v.p), 0);
		pkt_hdrs_read(&h, &v.p, PKT_HDRS_MAX);
		assert_in_range(h.l2_len + h.l3_len + h.l4_len, 14, f.len);
		assert_true(h.l4_len == 0 || h.l3_len == f.l3);
		view_free(&v);
	}
}

static int
setup(void **state)
{
	if (eal_start("0", 256) != 0)
		return -1;
	srandom(1);
	pool = rte_pktmbuf_pool_create("pool", 2047, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	return pool != NULL ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mbuf_round_trip), cmocka_unit_test(test_from_odd_mbuf),
		cmocka_unit_test(test_flow_symmetric),  cmocka_unit_test(test_flow_long_header),
		cmocka_unit_test(test_flow_fragments),  cmocka_unit_test(test_short_frames),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
