/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Software offloads against a reference that cuts and sums byte by byte and
 * shares no code with the library.
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
#include "pkt/offload.h"

#define ROUNDS 1200
#define OUT_MAX 512
#define GSO_UDP_L4 5

static struct rte_mempool *pool;
static struct pkt out[OUT_MAX];
static struct pkt_seg out_segs[2 * OUT_MAX];

/*
 * Finish a frame in portions of any size, stopped and taken up again now and then. Fragments of
 * views go to @p nsegs entries of out_segs. Returns the number of views in out, 0 if not all.
 */
static uint16_t
finish(struct rte_mempool *mp, const struct pkt *p, uint32_t accept, uint16_t nsegs)
{
	struct offload_work o;
	struct gso_pos pos;
	uint16_t n = 0, used = 0, k;

	if (!offload_begin(&o, mp, p, accept, NULL))
		return 0;
	do {
		k = offload_next(&o, out + n,
				 (uint16_t)RTE_MIN(1 + frame_rnd(64), (uint32_t)OUT_MAX - n),
				 out_segs + used, (uint16_t)(nsegs - used));
		for (uint16_t i = 0; i < k; i++)
			used = (uint16_t)(used + out[n + i].nsegs - 1);
		n = (uint16_t)(n + k);
		if (!o.cut || o.done || frame_rnd(3) != 0)
			continue;
		pos = offload_pos(&o);
		assert_true(offload_begin(&o, mp, p, accept, &pos));
	} while (k != 0 && !o.done);
	if (o.done)
		return n;
	offload_free(out, n);
	return 0;
}

/* --- the reference --- */

static void
ref_ip(const struct frame *f, uint8_t *b, uint32_t len, uint32_t index, bool same_id)
{
	uint8_t *ip = b + f->l2;

	if (f->ip6) {
		frame_put16(ip + 4, len - f->l2 - 40);
		return;
	}
	frame_put16(ip + 2, len - f->l2);
	if (!same_id)
		frame_put16(ip + 4, (frame_get16(ip + 4) + index) & 0xffff);
	frame_put16(ip + 10, 0);
	frame_put16(ip + 10, ~frame_sum(ip, f->l3, 0) & 0xffff);
}

static void
ref_csum(const struct frame *f, uint8_t *b, uint32_t len)
{
	uint8_t *l4 = b + f->l2 + f->l3, *field = l4 + f->vnet.csum_offset;
	uint32_t l4_len = len - f->l2 - f->l3, sum;

	frame_put16(field, 0);
	sum = frame_sum(l4, l4_len, frame_pseudo_sum(f, b, l4_len)) ^ 0xffff;
	frame_put16(field, sum == 0 ? 0xffff : sum);
}

/* Segment @p index of a TSO or USO frame. */
static uint32_t
ref_segment(const struct frame *f, uint32_t index, uint8_t *b)
{
	uint32_t hdr = f->l2 + f->l3 + f->l4, size = f->vnet.gso_size, off = index * size;
	uint32_t len = RTE_MIN(size, f->len - hdr - off);
	uint8_t *l4 = b + f->l2 + f->l3;

	memcpy(b, f->b, hdr);
	memcpy(b + hdr, f->b + hdr + off, len);
	ref_ip(f, b, hdr + len, index, false);
	if (f->tcp) {
		frame_put32(l4 + 4, frame_get32(l4 + 4) + off);
		if (hdr + off + len != f->len)
			l4[13] &= 0xf6; /* neither PSH nor FIN */
		if (index != 0)
			l4[13] &= 0x7f; /* no CWR */
	} else {
		frame_put16(l4 + 4, 8 + len);
	}
	ref_csum(f, b, hdr + len);
	return hdr + len;
}

/* Fragment @p index of a UFO frame; @p whole has its checksum. */
static uint32_t
ref_fragment(const struct frame *f, const uint8_t *whole, uint32_t index, const uint8_t *id,
	     uint8_t *b)
{
	uint32_t hdr = f->l2 + f->l3, size = f->vnet.gso_size & ~7u, off = index * size;
	uint32_t len = RTE_MIN(size, f->len - hdr - off);
	uint32_t more = hdr + off + len != f->len;

	memcpy(b, whole, hdr);
	if (f->ip6) {
		b[hdr] = b[f->next_off];
		b[f->next_off] = 44;
		b[hdr + 1] = 0;
		frame_put16(b + hdr + 2, off | more);
		memcpy(b + hdr + 4, id, 4);
		hdr += 8;
	} else {
		frame_put16(b + f->l2 + 6, off / 8 | (more ? 0x2000 : 0));
	}
	memcpy(b + hdr, whole + f->l2 + f->l3 + off, len);
	ref_ip(f, b, hdr + len, index, true);
	return hdr + len;
}

/* --- comparing --- */

static uint8_t want[PKT_LEN_MAX + 64], got[PKT_LEN_MAX + 64], whole[PKT_LEN_MAX];

static void
expect_frame(const struct pkt *p, uint32_t len)
{
	assert_int_equal(p->len, len);
	assert_non_null(p->mbuf);
	assert_int_equal(view_flatten(p, got), len);
	assert_memory_equal(got, want, len);
}

/* Complete the checksum of a segment that was left partial, as its receiver would. */
static void
expect_partial(const struct frame *f, const struct pkt *p, uint32_t len)
{
	uint32_t start = p->vnet.csum_start, field = start + p->vnet.csum_offset, sum;

	assert_int_equal(p->need, PKT_NEED_CSUM);
	assert_int_equal(p->vnet.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(p->vnet.gso_type, VIRTIO_NET_HDR_GSO_NONE);
	assert_int_equal(start, f->l2 + f->l3);
	assert_int_equal(view_flatten(p, got), len);
	sum = frame_sum(got + start, len - start, 0) ^ 0xffff;
	frame_put16(got + field, sum == 0 ? 0xffff : sum);
	assert_memory_equal(got, want, len);
}

static void
check_segments(const struct frame *f, uint16_t n, bool partial)
{
	uint32_t hdr = f->l2 + f->l3 + f->l4;
	uint32_t expected = (f->len - hdr + f->vnet.gso_size - 1) / f->vnet.gso_size;

	assert_int_equal(n, RTE_MAX(expected, 1u));
	for (uint16_t i = 0; i < n; i++) {
		uint32_t len = ref_segment(f, i, want);

		if (partial) {
			expect_partial(f, &out[i], len);
		} else {
			assert_int_equal(out[i].need, 0);
			assert_int_equal(out[i].vnet.flags, 0);
			expect_frame(&out[i], len);
		}
	}
}

static void
check_fragments(const struct frame *f, uint16_t n)
{
	uint32_t size = f->vnet.gso_size & ~7u;

	assert_int_equal(n, (f->len - f->l2 - f->l3 + size - 1) / size);
	memcpy(whole, f->b, f->len);
	ref_csum(f, whole, f->len);
	view_flatten(&out[0], got);
	for (uint16_t i = 0; i < n; i++) {
		uint8_t id[4];

		memcpy(id, got + f->l2 + f->l3 + 4, sizeof(id)); /* any number, but one for all */
		assert_int_equal(out[i].need, 0);
		expect_frame(&out[i], ref_fragment(f, whole, i, id, want));
	}
}

/* --- every type, random frames --- */

static const struct gso_case {
	uint8_t type;
	bool ip6, tcp;
	uint16_t need;
} gso_cases[] = {
	{VIRTIO_NET_HDR_GSO_TCPV4, false, true, PKT_NEED_TSO4},
	{VIRTIO_NET_HDR_GSO_TCPV6, true, true, PKT_NEED_TSO6},
	{VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN, false, true,
	 PKT_NEED_TSO4 | PKT_NEED_ECN},
	{VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN, true, true,
	 PKT_NEED_TSO6 | PKT_NEED_ECN},
	{GSO_UDP_L4, false, false, PKT_NEED_USO4},
	{GSO_UDP_L4, true, false, PKT_NEED_USO6},
	{VIRTIO_NET_HDR_GSO_UDP, false, false, PKT_NEED_UFO},
	{VIRTIO_NET_HDR_GSO_UDP, true, false, PKT_NEED_UFO},
};

/* IP fragments of what says that it is a fragment already are not made. */
static void
build_for(struct frame *f, const struct gso_case *c, bool routed, uint32_t payload)
{
	do {
		if (routed)
			frame_build_routed(f, c->ip6, c->tcp, payload);
		else
			frame_build(f, c->ip6, c->tcp, payload);
	} while (f->frag_hdr && (c->need & PKT_NEED_UFO) != 0);
}

static uint16_t
need_of(const struct frame *f, const struct gso_case *c)
{
	bool plain = f->ip6 ? f->l3 == 40 : !f->hops;

	return (uint16_t)(c->need | PKT_NEED_CSUM | (plain ? 0 : PKT_NEED_EXT));
}

static void
one_gso(const struct gso_case *c, bool routed)
{
	static struct frame f;
	uint32_t before = rte_mempool_avail_count(pool);
	uint32_t accept = frame_rnd(3) == 0 ? PKT_NEED_CSUM : 0;
	uint32_t size = 8 + frame_rnd(frame_rnd(8) == 0 ? 9000 : 1500);
	uint32_t payload = 1 + size + frame_rnd(RTE_MIN(56000u, (size & ~7u) * (OUT_MAX - 5)));
	struct view v;
	uint16_t n;

	build_for(&f, c, routed, payload);
	f.vnet.gso_type = c->type;
	f.vnet.gso_size = (uint16_t)size;
	view_make(&v, &f);
	assert_true(offload_check(&v.p));
	assert_int_equal(v.p.need, need_of(&f, c));
	n = finish(pool, &v.p, accept, RTE_DIM(out_segs));
	assert_true(n > 0);
	if ((c->need & PKT_NEED_UFO) != 0)
		check_fragments(&f, n);
	else
		check_segments(&f, n, accept != 0);
	offload_free(out, n);
	assert_int_equal(rte_mempool_avail_count(pool), before);
	view_free(&v);
}

static void
test_gso(void **state)
{
	for (uint32_t i = 0; i < ROUNDS; i++)
		one_gso(&gso_cases[i % RTE_DIM(gso_cases)], false);
}

/* The final destination is behind the next hop, the home behind a care-of address. */
static void
test_gso_routed(void **state)
{
	for (uint32_t i = 0; i < ROUNDS; i++)
		one_gso(&gso_cases[i % RTE_DIM(gso_cases)], true);
}

/* A route only its sender knows: the sums are made from the one it left. */
static void
test_gso_unknown_route(void **state)
{
	static const uint8_t types[] = {1, 5, 6, 253, 0, 2, 3, 4};
	static struct frame f;
	struct view v;

	for (uint32_t i = 0; i < RTE_DIM(types); i++) {
		uint8_t *ip;

		do {
			frame_build(&f, true, true, 10000);
		} while (f.l3 != 48);
		ip = f.b + f.l2;
		ip[6] = 43; /* its extension of 8 bytes becomes a route */
		ip[41] = 0;
		ip[42] = types[i];
		ip[43] = 1;
		f.routed = true;
		f.vnet.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
		f.vnet.gso_size = 1000;
		memcpy(f.src, ip + 8, 16);
		for (uint32_t k = 0; k < 16; k++)
			f.dst[k] = (uint8_t)random();
		frame_put16(ip + 48 + 16, frame_pseudo_sum(&f, f.b, f.len - f.l2 - f.l3));
		view_make(&v, &f);
		assert_true(offload_check(&v.p));
		assert_int_equal(finish(pool, &v.p, 0, RTE_DIM(out_segs)), 10);
		check_segments(&f, 10, false);
		offload_free(out, 10);
		view_free(&v);
	}
}

static void
test_csum(void **state)
{
	static struct frame f;
	struct view v;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		frame_build(&f, frame_rnd(2), frame_rnd(2), frame_rnd(9000));
		view_make(&v, &f);
		v.p.hash = i + 1;
		assert_true(offload_check(&v.p));
		assert_int_equal(v.p.need, PKT_NEED_CSUM);
		assert_int_equal(finish(pool, &v.p, 0, 64), 1);
		memcpy(want, f.b, f.len);
		ref_csum(&f, want, f.len);
		assert_int_equal(out[0].need, 0);
		assert_int_equal(out[0].hash, i + 1);
		expect_frame(&out[0], f.len);
		offload_free(out, 1);
		view_free(&v);
	}
}

/* A receiver that takes TSO but not ECN gets segments. */
static void
test_accept(void **state)
{
	static struct frame f;
	struct view v;

	frame_build(&f, false, true, 10000);
	f.vnet.gso_type = VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN;
	f.vnet.gso_size = 1000;
	view_make(&v, &f);
	assert_true(offload_check(&v.p));
	assert_int_equal(finish(pool, &v.p, PKT_NEED_CSUM | PKT_NEED_TSO4, RTE_DIM(out_segs)), 10);
	check_segments(&f, 10, true);
	offload_free(out, 10);
	/* without checksums, accepting TSO means nothing */
	assert_int_equal(finish(pool, &v.p, PKT_NEED_TSO4 | PKT_NEED_ECN, RTE_DIM(out_segs)), 10);
	check_segments(&f, 10, false);
	offload_free(out, 10);
	view_free(&v);
}

/* --- headers that do not fit their frame --- */

static bool
check_with(const struct frame *f, const struct pkt_vnet *vnet)
{
	struct view v;
	bool ok;

	view_make(&v, f);
	v.p.vnet = *vnet;
	ok = offload_check(&v.p);
	view_free(&v);
	return ok;
}

static void
test_check_csum(void **state)
{
	static struct frame f;
	struct pkt_vnet v;

	frame_build(&f, false, true, 100);
	v = f.vnet;
	assert_true(check_with(&f, &v));
	v.csum_start = (uint16_t)(f.len - 2 - v.csum_offset);
	assert_true(check_with(&f, &v));
	v.csum_start++;
	assert_false(check_with(&f, &v));
	v.csum_start = 0xffff;
	v.csum_offset = 0xffff;
	assert_false(check_with(&f, &v));
	v = f.vnet;
	v.csum_start = 13; /* would rewrite the Ethernet header */
	assert_false(check_with(&f, &v));
	v = f.vnet;
	v.hdr_len = (uint16_t)(f.len + 1);
	assert_false(check_with(&f, &v));
	/* other flags are not for a guest to set: dropped, and nothing is needed */
	v = (struct pkt_vnet){.flags = VIRTIO_NET_HDR_F_DATA_VALID | 0xf0, .csum_start = 0xffff};
	assert_true(check_with(&f, &v));
}

static void
test_check_flags_cleared(void **state)
{
	static struct frame f;
	struct view v;

	frame_build(&f, false, true, 100);
	view_make(&v, &f);
	v.p.vnet.flags = 0xff;
	assert_true(offload_check(&v.p));
	assert_int_equal(v.p.vnet.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	v.p.vnet = (struct pkt_vnet){.flags = VIRTIO_NET_HDR_F_DATA_VALID};
	v.p.need = 0xffff;
	assert_true(offload_check(&v.p));
	assert_int_equal(v.p.vnet.flags, 0);
	assert_int_equal(v.p.need, 0);
	view_free(&v);
}

/* Any type with any frame: only the matching ones pass. */
static void
test_check_type(void **state)
{
	static struct frame f;

	for (uint32_t type = 0; type < 256; type++) {
		for (uint32_t kind = 0; kind < 4; kind++) {
			bool valid = type == 0;

			frame_build(&f, kind & 1, kind & 2, 3000);
			f.vnet.gso_type = (uint8_t)type;
			f.vnet.gso_size = 1000;
			for (uint32_t i = 0; i < RTE_DIM(gso_cases); i++)
				valid |= gso_cases[i].type == type && gso_cases[i].ip6 == f.ip6 &&
					 gso_cases[i].tcp == f.tcp;
			assert_int_equal(check_with(&f, &f.vnet), valid);
		}
	}
}

static void
test_check_gso(void **state)
{
	static struct frame f;
	struct pkt_vnet v;

	frame_build(&f, false, true, 3000);
	f.vnet.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	f.vnet.gso_size = 1000;
	assert_true(check_with(&f, &f.vnet));
	v = f.vnet;
	v.gso_size = 0;
	assert_false(check_with(&f, &v));
	v = f.vnet;
	v.csum_start += 4;
	assert_false(check_with(&f, &v));
	v = f.vnet;
	v.csum_offset = 6;
	assert_false(check_with(&f, &v));
	f.b[f.l2 + 7] = 1; /* a later fragment */
	assert_false(check_with(&f, &f.vnet));
	f.b[f.l2 + 7] = 0;
	f.b[f.l2] = 0x44; /* header length below 20 */
	assert_false(check_with(&f, &f.vnet));
	f.b[f.l2] = (uint8_t)(0x40 | f.l3 / 4);
	f.b[f.l2 + f.l3 + 12] = 0x40; /* TCP header length below 20 */
	assert_false(check_with(&f, &f.vnet));
	f.b[f.l2 + f.l3 + 12] = 0xf0; /* beyond the frame */
	f.len = f.l2 + f.l3 + 40;
	f.vnet.hdr_len = 0;
	assert_false(check_with(&f, &f.vnet));
}

/* The guest rewrites everything between the check and the use: any result but a crash or a leak. */
static void
test_changing_frame(void **state)
{
	uint32_t before = rte_mempool_avail_count(pool);
	static struct frame f;
	struct view v;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		const struct gso_case *c = &gso_cases[i % RTE_DIM(gso_cases)];
		uint16_t n;

		frame_build(&f, c->ip6, c->tcp, frame_rnd(5000));
		f.vnet.gso_type = c->type;
		f.vnet.gso_size = (uint16_t)(1 + frame_rnd(3000));
		view_make(&v, &f);
		assert_true(offload_check(&v.p));
		for (uint32_t k = frame_rnd(40); k > 0; k--)
			if (v.p.data_len > 0)
				v.mem[0][frame_rnd(RTE_MIN(v.p.data_len, 100u))] =
					(uint8_t)random();
		n = finish(pool, &v.p, 0, RTE_DIM(out_segs));
		for (uint16_t k = 0; k < n; k++)
			assert_memory_equal(out[k].eth_bytes, f.b, 12);
		offload_free(out, n);
		view_free(&v);
	}
	assert_int_equal(rte_mempool_avail_count(pool), before);
}

/* --- limits --- */

/* Any number of segments, a few at a time. */
static void
test_many_segments(void **state)
{
	static const uint16_t sizes[] = {1, 7, 8, 36, 100, 127};
	uint32_t before = rte_mempool_avail_count(pool);
	static struct frame f;
	struct offload_work o;
	struct view v;

	for (uint32_t i = 0; i < RTE_DIM(sizes) * RTE_DIM(gso_cases); i++) {
		const struct gso_case *c = &gso_cases[i % RTE_DIM(gso_cases)];
		uint32_t index = 0;
		uint16_t n;

		if ((c->need & PKT_NEED_UFO) != 0)
			continue;
		frame_build(&f, c->ip6, c->tcp, sizes[i / RTE_DIM(gso_cases)] < 8 ? 6000 : 64000);
		f.vnet.gso_type = c->type;
		f.vnet.gso_size = sizes[i / RTE_DIM(gso_cases)];
		view_make(&v, &f);
		assert_true(offload_check(&v.p));
		assert_true(offload_begin(&o, pool, &v.p, 0, NULL));
		while (!o.done) {
			n = offload_next(&o, out, 64, out_segs, RTE_DIM(out_segs));
			assert_in_range(n, 1, 64);
			for (uint16_t k = 0; k < n; k++)
				expect_frame(&out[k], ref_segment(&f, index++, want));
			offload_free(out, n);
		}
		assert_int_equal(offload_next(&o, out, 64, out_segs, RTE_DIM(out_segs)), 0);
		n = f.vnet.gso_size;
		assert_int_equal(index, (f.len - f.l2 - f.l3 - f.l4 + n - 1) / n);
		/* what it costs is known before, more or less */
		assert_in_range(offload_cost(&v.p), index, 4 * index);
		view_free(&v);
	}
	assert_int_equal(rte_mempool_avail_count(pool), before);
}

/* Room for nothing, or for fewer fragments than one segment has. */
static void
test_no_room(void **state)
{
	static struct frame f;
	struct offload_work o;
	struct view v;

	frame_build(&f, false, true, 10000);
	f.vnet.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	f.vnet.gso_size = 5000;
	view_make(&v, &f);
	assert_true(offload_check(&v.p));
	assert_true(offload_begin(&o, pool, &v.p, 0, NULL));
	assert_int_equal(offload_next(&o, out, 0, out_segs, 64), 0);
	assert_int_equal(offload_next(&o, out, 2, out_segs, 1), 0);
	assert_int_equal(offload_next(&o, out, 2, out_segs, 3), 1);
	assert_false(o.done);
	offload_free(out, 1);
	assert_int_equal(offload_next(&o, out, 2, out_segs, 3), 1);
	assert_true(o.done);
	offload_free(out, 1);
	view_free(&v);
}

/* Without NEEDS_CSUM: segments have a right checksum, also if the frame had a wrong one. */
static void
test_unfinished_without_csum(void **state)
{
	static struct frame f;
	struct view v;
	uint16_t n;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		const struct gso_case *c = &gso_cases[i % RTE_DIM(gso_cases)];
		bool partial = frame_rnd(2);

		uint32_t size = 100 + frame_rnd(1500);

		build_for(&f, c, i & 8, 1 + size + frame_rnd(9000));
		f.vnet.gso_type = c->type;
		f.vnet.gso_size = (uint16_t)size;
		ref_csum(&f, f.b, f.len);
		if ((c->need & PKT_NEED_UFO) == 0 && frame_rnd(2) != 0)
			frame_put16(f.b + f.l2 + f.l3 + f.vnet.csum_offset, 1 + frame_rnd(65535));
		view_make(&v, &f);
		v.p.vnet.flags = 0;
		v.p.vnet.csum_start = (uint16_t)random();
		v.p.vnet.csum_offset = (uint16_t)random();
		assert_true(offload_check(&v.p));
		assert_int_equal(v.p.need, (need_of(&f, c) & ~PKT_NEED_CSUM) | PKT_NEED_SUM);
		n = finish(pool, &v.p, partial ? UINT32_MAX & ~PKT_NEED_SUM : 0, RTE_DIM(out_segs));
		assert_true(n > 0);
		if ((c->need & PKT_NEED_UFO) != 0)
			check_fragments(&f, n);
		else
			check_segments(&f, n, partial);
		offload_free(out, n);
		view_free(&v);
	}
}

/* UDP without a checksum stays so. */
static void
test_unfinished_without_any(void **state)
{
	static struct frame f;
	struct view v;
	uint16_t n;

	for (uint32_t i = 0; i < 100; i++) {
		frame_build(&f, i & 1, false, 3000);
		f.vnet.gso_type = i & 2 ? VIRTIO_NET_HDR_GSO_UDP : GSO_UDP_L4;
		f.vnet.gso_size = 1000;
		frame_put16(f.b + f.l2 + f.l3 + 6, 0);
		view_make(&v, &f);
		v.p.vnet.flags = 0;
		assert_true(offload_check(&v.p));
		n = finish(pool, &v.p, 0, RTE_DIM(out_segs));
		assert_int_equal(n, i & 2 ? 4 : 3);
		for (uint16_t k = 0; k < (i & 2 ? 1 : n); k++) {
			view_flatten(&out[k], got);
			assert_int_equal(frame_get16(got + f.l2 + f.l3 + (i & 3) / 3 * 8 + 6), 0);
		}
		offload_free(out, n);
		view_free(&v);
	}
}

/* Without NEEDS_CSUM and with a route that does not name its end, there is nothing to go by. */
static void
test_unfinished_unknown_route(void **state)
{
	static struct frame f;
	struct view v;
	uint8_t *ip;

	do {
		frame_build(&f, true, true, 3000);
	} while (f.l3 != 48);
	ip = f.b + f.l2;
	ip[6] = 43;
	ip[41] = 0;
	ip[42] = 253;
	ip[43] = 1;
	f.vnet.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
	f.vnet.gso_size = 1000;
	view_make(&v, &f);
	v.p.vnet.flags = 0;
	assert_true(offload_check(&v.p));
	assert_int_equal(finish(pool, &v.p, 0, 64), 0);
	view_free(&v);
}

/* The longest datagrams IP has are fragmented, and longer ones are not. */
static void
test_longest_datagrams(void **state)
{
	static struct frame f;
	struct view v;
	uint16_t n;

	for (uint32_t i = 0; i < 4; i++) {
		bool ip6 = i & 1, too_long = i & 2;

		do
			frame_build(&f, ip6, false, 1);
		while (f.l2 != 14 || f.l3 != (ip6 ? 40 : 20));
		f.len = 14 + UINT16_MAX + (ip6 ? 40 : 0) + too_long;
		f.vnet.gso_type = VIRTIO_NET_HDR_GSO_UDP;
		f.vnet.gso_size = 1480;
		frame_put16(f.b + 34 + (ip6 ? 20 : 0) + 6,
			    frame_pseudo_sum(&f, f.b, f.len - f.l2 - f.l3));
		view_make(&v, &f);
		assert_true(offload_check(&v.p));
		n = finish(pool, &v.p, 0, RTE_DIM(out_segs));
		if (too_long) {
			assert_int_equal(n, 0);
		} else {
			check_fragments(&f, n);
			offload_free(out, n);
		}
		view_free(&v);
	}
}

/* A segment whose length IP cannot say. */
static void
test_too_large_segments(void **state)
{
	static struct frame f;
	struct view v;

	for (uint32_t i = 0; i < RTE_DIM(gso_cases); i++) {
		frame_build(&f, gso_cases[i].ip6, gso_cases[i].tcp, 65200);
		f.vnet.gso_type = gso_cases[i].type;
		f.vnet.gso_size = 65528;
		f.len = f.l2 + f.l3 + 8 + f.vnet.gso_size + 1 + (f.l4 - 8);
		view_make(&v, &f);
		assert_true(offload_check(&v.p));
		assert_int_equal(finish(pool, &v.p, 0, 64), 0);
		view_free(&v);
	}
}

static void
test_out_of_mbufs(void **state)
{
	struct rte_mempool *small;
	static struct frame f;
	struct view v;

	small = rte_pktmbuf_pool_create("few", 15, 0, 0, 2048, SOCKET_ID_ANY);
	assert_non_null(small);
	for (uint32_t i = 0; i < 200; i++) {
		const struct gso_case *c = &gso_cases[i % RTE_DIM(gso_cases)];

		frame_build(&f, c->ip6, c->tcp, 40000);
		f.vnet.gso_type = c->type;
		f.vnet.gso_size = (uint16_t)(1000 + frame_rnd(3000));
		view_make(&v, &f);
		assert_true(offload_check(&v.p));
		assert_int_equal(finish(small, &v.p, 0, 1024), 0);
		v.p.need = PKT_NEED_CSUM;
		assert_int_equal(finish(small, &v.p, 0, 1024), 0);
		assert_int_equal(rte_mempool_avail_count(small), 15);
		view_free(&v);
	}
	rte_mempool_free(small);
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
		cmocka_unit_test(test_gso),
		cmocka_unit_test(test_gso_routed),
		cmocka_unit_test(test_gso_unknown_route),
		cmocka_unit_test(test_csum),
		cmocka_unit_test(test_accept),
		cmocka_unit_test(test_check_csum),
		cmocka_unit_test(test_check_flags_cleared),
		cmocka_unit_test(test_check_type),
		cmocka_unit_test(test_check_gso),
		cmocka_unit_test(test_changing_frame),
		cmocka_unit_test(test_many_segments),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_longest_datagrams),
		cmocka_unit_test(test_unfinished_without_csum),
		cmocka_unit_test(test_unfinished_without_any),
		cmocka_unit_test(test_unfinished_unknown_route),
		cmocka_unit_test(test_too_large_segments),
		cmocka_unit_test(test_out_of_mbufs),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
