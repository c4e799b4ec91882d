/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Outer headers of tunnels: byte for byte as the RFCs have them, back and forth with any inner
 * frame in any fragments, and every way in which they can be wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/virtio_net.h>

#include <rte_ip.h>
#include <rte_mbuf.h>

#include "eal.h"
#include "frame.h"
#include "pkt/mbuf.h"
#include "vxlan/outer.h"

#define VNI 0x123456
#define ROOM 2048
#define TOS (14 + 1) /* of the inner frames here */

static struct rte_mempool *pool;

static struct outer_config
config(const char *src, const char *dst)
{
	struct outer_config c = {
		.src_mac = {{2, 0, 0, 0, 0, 1}},
		.dst_mac = {{2, 0, 0, 0, 0, 2}},
		.vni = VNI,
		.port = OUTER_VXLAN_PORT,
		.mtu = 1500,
	};

	assert_true(evpn_ip_parse(&c.src, src));
	assert_true(evpn_ip_parse(&c.dst, dst));
	return c;
}

static const char *const ends[2][2] = {
	{"192.0.2.1", "192.0.2.2"},
	{"2001:db8::1", "2001:db8::2"},
};

static struct rte_mbuf *
mbuf_of(const void *data, uint32_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), data, len);
	return m;
}

/* An IPv4 frame of @p len bytes whose ECN bits are @p ecn; its header's sum is right. */
static void
inner_v4(uint8_t *b, uint32_t len, uint8_t ecn)
{
	static const uint8_t head[] = {0x52, 0x54, 0, 0, 0, 2, 0x52, 0x54, 0, 0, 0, 1, 8, 0, 0x45};

	memset(b, 0xa5, len);
	memcpy(b, head, sizeof(head));
	b[TOS] = (uint8_t)(0xb8 | ecn);
	frame_put16(b + 14 + 10, 0);
	frame_put16(b + 14 + 10, ~frame_sum(b + 14, 20, 0) & 0xffff);
}

/* The mbuf with a header of a template from @p c. */
static struct rte_mbuf *
wrapped(const struct outer_config *c, const void *inner, uint32_t len)
{
	struct rte_mbuf *m = mbuf_of(inner, len);
	struct outer o;

	outer_make(&o, c);
	outer_put(&o, m, 0xffff1234);
	return m;
}

/* --- way out --- */

static void
test_bytes_v4(void **state)
{
	static const uint8_t
		want[OUTER_LEN_V4] =
			{
				2,    0,    0,    0,    0,    2,    2,    0,
				0,    0,    0,    1,    8,    0, /* Ethernet */
				0x45, 0,    0,    136,  0,    0,    0x40, 0,
				64,   17,   0xb6, 0x61, 192,  0,    2,    1, /* IPv4 */
				192,  0,    2,    2,                         /* to */
				0xd2, 0x34, 0x12, 0xb5, 0,    116,  0,    0, /* UDP */
				8,    0,    0,    0,    0x12, 0x34, 0x56, 0, /* VXLAN */
			};
	struct outer_config c = config(ends[0][0], ends[0][1]);
	uint8_t inner[100];
	struct rte_mbuf *m;

	inner_v4(inner, sizeof(inner), 0);
	m = wrapped(&c, inner, sizeof(inner));
	assert_int_equal(m->pkt_len, sizeof(want) + sizeof(inner));
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), want, sizeof(want));
	assert_memory_equal(rte_pktmbuf_mtod_offset(m, uint8_t *, sizeof(want)), inner,
			    sizeof(inner));
	rte_pktmbuf_free(m);
}

/* The sum over IPv6 is as RFC 8200 says; over IPv4 there is one if asked for. */
static void
test_udp_sum(void **state)
{
	uint8_t inner[1000], *b;

	for (uint32_t v6 = 0; v6 < 2; v6++) {
		struct outer_config c = config(ends[v6][0], ends[v6][1]);
		uint32_t ip = v6 ? 40 : 20, addr = v6 ? 8 : 12;

		c.checksum = true;
		for (uint32_t len = 64; len < 200; len += 7) {
			struct rte_mbuf *m;
			uint32_t udp_len = len + 16;

			inner_v4(inner, len, 0);
			m = wrapped(&c, inner, len);
			b = rte_pktmbuf_mtod(m, uint8_t *) + 14;
			assert_int_equal(frame_get16(b + ip + 4), udp_len);
			assert_int_equal(frame_sum(b + ip, udp_len,
						   17 + udp_len +
							   frame_sum(b + addr, v6 ? 32 : 8, 0)),
					 0xffff);
			rte_pktmbuf_free(m);
		}
	}
}

static void
test_source_port(void **state)
{
	struct outer_config c = config(ends[0][0], ends[0][1]);
	uint8_t inner[64];
	struct outer o;

	inner_v4(inner, sizeof(inner), 0);
	outer_make(&o, &c);
	for (uint64_t hash = 0; hash <= UINT32_MAX; hash += 0x10203) {
		struct rte_mbuf *m = mbuf_of(inner, sizeof(inner));

		outer_put(&o, m, (uint32_t)hash);
		assert_true(frame_get16(rte_pktmbuf_mtod(m, uint8_t *) + 34) >= 49152);
		rte_pktmbuf_free(m);
	}
}

static void
test_room(void **state)
{
	assert_int_equal(outer_room(false, 1500), 1464);
	assert_int_equal(outer_room(true, 1500), 1444);
	assert_int_equal(outer_room(false, 50), 0);
	assert_int_equal(outer_room(false, 0), 0);
	assert_true(outer_room(false, UINT32_MAX) + 50 <= 65535 + 14);
}

/* --- back again --- */

/* All steps with a view. */
static const char *
strip(struct pkt *v)
{
	struct outer_in o;

	if (!outer_find(v, &o))
		return "not found";
	if (!outer_check(v, &o))
		return "bad";
	if (o.vni != VNI || o.port != OUTER_VXLAN_PORT)
		return "other";
	return outer_strip(v, &o) ? NULL : "ecn";
}

/* The same with @p m, in two fragments if @p first says so; the view goes to @p v. */
static const char *
unwrap(struct rte_mbuf *m, struct pkt *v, struct pkt_seg *segs, uint32_t first)
{
	assert_true(pkt_from_mbuf(v, m, segs, 8));
	if (first != 0 && first < v->len) { /* in two fragments */
		segs[0] = (struct pkt_seg){v->data + first, v->len - first};
		v->data_len = first;
		v->nsegs = 2;
	}
	return strip(v);
}

static void
test_round_trip(void **state)
{
	struct frame *f = malloc(sizeof(*f));
	uint8_t *flat = malloc(ROOM);
	struct pkt_seg segs[8];
	struct pkt v;

	assert_non_null(f);
	assert_non_null(flat);
	for (uint32_t i = 0; i < 4000; i++) {
		struct outer_config c = config(ends[i & 1][0], ends[i & 1][1]);
		struct rte_mbuf *m;

		c.checksum = (i & 2) != 0;
		frame_build(f, (i & 4) != 0, (i & 8) != 0, frame_rnd(900));
		if (f->len > 1400)
			continue;
		m = wrapped(&c, f->b, f->len);
		if ((i & 16) != 0) /* padding, as of short frames */
			memset(rte_pktmbuf_append(m, 18), 0xee, 18);
		assert_null(unwrap(m, &v, segs, frame_rnd(m->pkt_len)));
		assert_int_equal(view_flatten(&v, flat), f->len);
		assert_memory_equal(flat, f->b, f->len);
		assert_memory_equal(v.eth_bytes, f->b, 14);
		assert_int_equal(v.need, 0);
		rte_pktmbuf_free(m);
	}
	free(flat);
	free(f);
}

/* --- what is wrong --- */

struct fault {
	const char *name;
	uint8_t off, value; /* of the outer frame over IPv4 */
	bool fix;           /* the IP header's sum is made right again */
	const char *want;
};

static const struct fault faults[] = {
	{"another protocol", 14 + 9, 6, true, "not found"},
	{"version", 14, 0x65, true, "not found"},
	{"header length", 14, 0x44, true, "not found"},
	{"a later fragment", 14 + 7, 1, true, "not found"},
	{"the first fragment", 14 + 6, 0x20, true, "bad"},
	{"IP sum", 14 + 8, 63, false, "bad"},
	{"IP length too short", 14 + 3, 20, true, "bad"},
	{"IP length less than the datagram's", 14 + 3, 135, true, "bad"},
	{"options that are not there", 14, 0x4f, true, "bad"},
	{"UDP length beyond the frame", 14 + 20 + 4, 0xff, true, "bad"},
	{"UDP length without a frame", 14 + 20 + 5, 16 + 13, true, "bad"},
	{"UDP length 0", 14 + 20 + 5, 0, true, "bad"},
	{"UDP sum", 14 + 20 + 6, 0x55, true, "bad"},
	{"no VNI", 14 + 28, 0x00, true, "bad"},
	{"another VNI", 14 + 28 + 4, 1, true, "other"},
	{"reserved flags", 14 + 28, 0xff, true, NULL},
	{"reserved bits", 14 + 28 + 7, 0xff, true, NULL},
	{"TOS", 14 + 1, 0xb8, true, NULL},
	{"TTL", 14 + 8, 1, true, NULL},
};

static void
test_faults(void **state)
{
	struct outer_config c = config(ends[0][0], ends[0][1]);
	uint8_t inner[100];

	inner_v4(inner, sizeof(inner), 0);
	for (size_t i = 0; i < RTE_DIM(faults); i++) {
		const struct fault *f = &faults[i];
		struct rte_mbuf *m = wrapped(&c, inner, sizeof(inner));
		uint8_t *b = rte_pktmbuf_mtod(m, uint8_t *);
		struct pkt_seg segs[8];
		const char *got;
		struct pkt v;

		b[f->off] = f->value;
		if (f->fix) {
			frame_put16(b + 24, 0);
			frame_put16(b + 24, ~frame_sum(b + 14, (b[14] & 15) * 4u, 0) & 0xffff);
		}
		got = unwrap(m, &v, segs, 0);
		if (f->want == NULL ? got != NULL : got == NULL || strcmp(got, f->want) != 0)
			fail_msg("%s: %s", f->name, got != NULL ? got : "taken");
		rte_pktmbuf_free(m);
	}
}

/* The headers' lengths are those of a frame of @p len bytes, and UDP has no sum (RFC 6935). */
static void
adapt_lengths(uint8_t *b, uint32_t len, bool v6)
{
	uint32_t l3 = v6 ? 40 : 20;

	if (len < 14 + l3 + 8)
		return;
	frame_put16(b + 14 + l3 + 4, len - 14 - l3);
	frame_put16(b + 14 + l3 + 6, 0);
	frame_put16(b + 14 + (v6 ? 4 : 2), len - 14 - (v6 ? l3 : 0));
	if (v6)
		return;
	frame_put16(b + 24, 0);
	frame_put16(b + 24, ~frame_sum(b + 14, 20, 0) & 0xffff);
}

/* A frame cut to @p len bytes, in memory that ends there for ASan. */
static void
check_truncated(struct rte_mbuf *m, uint32_t len, bool v6, bool adapt)
{
	uint8_t *copy = malloc(len);
	struct pkt_seg segs[8];
	const char *why;
	struct pkt v;

	assert_non_null(copy);
	memcpy(copy, rte_pktmbuf_mtod(m, uint8_t *), len);
	if (adapt)
		adapt_lengths(copy, len, v6);
	assert_true(pkt_from_mbuf(&v, m, segs, 8));
	v.data = copy;
	v.mbuf = NULL;
	why = strip(&v);
	if ((why == NULL) != (adapt && len >= (v6 ? OUTER_LEN_V6 : OUTER_LEN_V4) + 14u))
		fail_msg("%u bytes, v6 %d, adapt %d: %s", len, v6, adapt,
			 why != NULL ? why : "taken");
	free(copy);
}

/* Every length up to the whole frame, with the lengths in the headers as they were or adapted. */
static void
test_truncated(void **state)
{
	uint8_t inner[60];

	inner_v4(inner, sizeof(inner), 0);
	for (uint32_t v6 = 0; v6 < 2; v6++) {
		struct outer_config c = config(ends[v6][0], ends[v6][1]);
		uint32_t full = (v6 ? OUTER_LEN_V6 : OUTER_LEN_V4) + sizeof(inner);

		for (uint32_t len = 14; len < full; len++) {
			struct rte_mbuf *m = wrapped(&c, inner, sizeof(inner));

			rte_pktmbuf_trim(m, (uint16_t)(full - len));
			check_truncated(m, len, v6 != 0, false);
			check_truncated(m, len, v6 != 0, true);
			rte_pktmbuf_free(m);
		}
	}
}

/* A sum that the device verified or the sender left out is not looked at, a cut one refused. */
static void
test_offloads(void **state)
{
	struct outer_config c = config(ends[0][0], ends[0][1]);
	struct rte_mbuf *m;
	uint8_t inner[64];
	struct outer_in o;
	struct pkt v;

	inner_v4(inner, sizeof(inner), 0);
	m = wrapped(&c, inner, sizeof(inner));
	rte_pktmbuf_mtod(m, uint8_t *)[14 + 20 + 6] = 0x55;
	assert_true(pkt_from_mbuf(&v, m, NULL, 0));
	assert_true(outer_find(&v, &o));
	assert_false(outer_check(&v, &o));
	v.vnet.flags = VIRTIO_NET_HDR_F_DATA_VALID;
	assert_true(outer_check(&v, &o));
	v.vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	v.need = PKT_NEED_CSUM;
	assert_true(outer_check(&v, &o));
	assert_true(outer_strip(&v, &o));
	assert_int_equal(v.need, 0);
	assert_int_equal(v.vnet.flags, 0);
	assert_true(pkt_from_mbuf(&v, m, NULL, 0));
	v.need = PKT_NEED_TSO4;
	assert_false(outer_check(&v, &o));
	rte_pktmbuf_free(m);
}

/* --- congestion: RFC 6040 --- */

static void
test_ecn(void **state)
{
	/* by inner and outer bits: the inner ones afterwards, -1: dropped */
	static const int want[4][4] = {{0, 0, 0, -1}, {1, 1, 1, 3}, {2, 1, 2, 3}, {3, 3, 3, 3}};
	struct outer_config c = config(ends[0][0], ends[0][1]);
	uint8_t inner[100];

	for (uint32_t i = 0; i < 16; i++) {
		uint8_t in = (uint8_t)(i / 4), out = (uint8_t)(i % 4), *b;
		struct rte_mbuf *m;
		struct pkt v;
		bool passed;

		inner_v4(inner, sizeof(inner), in);
		m = wrapped(&c, inner, sizeof(inner));
		b = rte_pktmbuf_mtod(m, uint8_t *);
		assert_int_equal(b[15], in); /* way out: copied, and nothing else of the octet */
		b[15] = out;
		frame_put16(b + 24, 0);
		frame_put16(b + 24, ~frame_sum(b + 14, 20, 0) & 0xffff);
		passed = unwrap(m, &v, NULL, 0) == NULL;
		assert_int_equal(passed, want[in][out] >= 0);
		if (passed) {
			assert_int_equal(v.data[TOS], 0xb8 | want[in][out]);
			assert_int_equal(frame_sum(v.data + 14, 20, 0), 0xffff);
		}
		rte_pktmbuf_free(m);
	}
}

/* Behind a tag, over IPv6, and where there is no header to mark. */
static void
test_ecn_elsewhere(void **state)
{
	struct outer_config c = config(ends[1][0], ends[1][1]);
	struct rte_mbuf *m;
	uint8_t inner[100] = {0}, *b;
	struct pkt v;

	frame_put16(inner + 12, 0x8100);
	frame_put16(inner + 16, 0x86dd);
	frame_put32(inner + 18, 0x6ba00000); /* traffic class 0xba: ECT(0) */
	m = wrapped(&c, inner, sizeof(inner));
	b = rte_pktmbuf_mtod(m, uint8_t *);
	assert_int_equal(frame_get32(b + 14), 0x60200000);
	frame_put32(b + 14, 0x60300000);
	assert_null(unwrap(m, &v, NULL, 0));
	assert_int_equal(frame_get32(v.data + 18), 0x6bb00000);
	rte_pktmbuf_free(m);

	frame_put16(inner + 12, 0x0806);
	m = wrapped(&c, inner, sizeof(inner));
	frame_put32(rte_pktmbuf_mtod(m, uint8_t *) + 14, 0x60300000);
	assert_null(unwrap(m, &v, NULL, 0));
	rte_pktmbuf_free(m);
}

/* Memory that others see as well is not written to: congestion is a loss then. */
static void
test_ecn_shared(void **state)
{
	struct outer_config c = config(ends[0][0], ends[0][1]);
	uint8_t inner[100], *b;
	struct rte_mbuf *m;
	struct pkt v;

	inner_v4(inner, sizeof(inner), 2);
	m = wrapped(&c, inner, sizeof(inner));
	b = rte_pktmbuf_mtod(m, uint8_t *);
	b[15] = 3;
	frame_put16(b + 24, 0);
	frame_put16(b + 24, ~frame_sum(b + 14, 20, 0) & 0xffff);
	rte_mbuf_refcnt_update(m, 1);
	assert_string_equal(unwrap(m, &v, NULL, 0), "ecn");
	assert_int_equal(b[OUTER_LEN_V4 + TOS], 0xba);
	rte_mbuf_refcnt_update(m, -1);
	rte_pktmbuf_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_v4),    cmocka_unit_test(test_udp_sum),
		cmocka_unit_test(test_source_port), cmocka_unit_test(test_room),
		cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_faults),
		cmocka_unit_test(test_truncated),   cmocka_unit_test(test_offloads),
		cmocka_unit_test(test_ecn),         cmocka_unit_test(test_ecn_elsewhere),
		cmocka_unit_test(test_ecn_shared),
	};

	srandom(1);
	if (eal_start("0", 64) < 0)
		return 1;
	pool = rte_pktmbuf_pool_create("outer", 255, 0, 0, RTE_PKTMBUF_HEADROOM + ROOM, 0);
	return pool == NULL ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
