/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtqueue, device side: giving frames to a guest, in every format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ring.h"

#define MRG RING_F(VIRTIO_NET_F_MRG_RXBUF)
#define INDIRECT RING_F(VIRTIO_RING_F_INDIRECT_DESC)
#define WRITE VRING_DESC_F_WRITE

static enum vq_layout
layout_of(void **state)
{
	return *(enum vq_layout *)*state;
}

/** A frame in our memory in up to 4 fragments, and views on it. */
struct frame {
	struct pkt p;
	struct pkt_seg segs[3];
	uint8_t bytes[PKT_LEN_MAX + 100];
};

static struct frame frames[4];

static void
make_frame(struct frame *f, uint32_t len, uint8_t seed)
{
	ring_frame(f->bytes, len, seed);
	f->p = (struct pkt){.data = f->bytes, .len = len, .data_len = len, .nsegs = 1};
	memcpy(f->p.eth_bytes, f->bytes, RTE_ETHER_HDR_LEN);
}

/** Cut the frame into fragments of @p a, @p b bytes and the rest. */
static void
cut_frame(struct frame *f, uint32_t a, uint32_t b)
{
	f->p.data_len = a;
	f->segs[0] = (struct pkt_seg){f->bytes + a, b};
	f->segs[1] = (struct pkt_seg){f->bytes + a + b, f->p.len - a - b};
	f->p.segs = f->segs;
	f->p.nsegs = 3;
}

static uint16_t
tx(struct ring *r, unsigned int n)
{
	struct pkt *list[RTE_DIM(frames)];
	unsigned int i;

	for (i = 0; i < n; i++)
		list[i] = &frames[i].p;
	return pktq_ops(&r->vq.q)->tx(&r->vq.q, list, n);
}

static uint64_t
drops(const struct ring *r, enum drop_reason why)
{
	return r->vq.q.stats.drop[why];
}

static void
assert_accounts(const struct ring *r)
{
	uint64_t sum = r->vq.q.stats.frames;
	unsigned int i;

	for (i = 0; i < DROP_NUM; i++)
		sum += r->vq.q.stats.drop[i];
	assert_int_equal(r->vq.q.stats.offered, sum);
}

/** Post a buffer of one descriptor, filled with 0xaa. */
static uint16_t
post_buf(struct ring *r, unsigned int i, uint32_t len)
{
	const struct ring_buf b = {RING_BUF(i), len, WRITE};

	memset(ring_at(r, b.addr), 0xaa, len);
	return ring_post(r, &b, 1);
}

/** The next used element is @p id with @p len bytes. */
static void
assert_used(struct ring *r, uint16_t id, uint32_t len)
{
	uint32_t got, n;

	assert_true(ring_used(r, &got, &n));
	assert_int_equal(got, id);
	assert_int_equal(n, len);
}

static void
assert_nothing_used(struct ring *r)
{
	uint32_t id, len;

	assert_false(ring_used(r, &id, &len));
}

static void
assert_num_buffers(struct ring *r, uint64_t addr, uint16_t n)
{
	const struct net_hdr *h = ring_at(r, addr);

	assert_int_equal(vq16_get(ring_fmt(r), h->num_buffers), n);
}

static void
frame_goes_to_one_buffer(void **state)
{
	const uint64_t features[] = {0, MRG};
	struct ring r;
	unsigned int i;
	uint16_t id;

	for (i = 0; i < RTE_DIM(features); i++) {
		ring_init(&r, layout_of(state), 8, features[i], true);
		id = post_buf(&r, 0, 1600);
		make_frame(&frames[0], 1500, 1);
		if (i == 1)
			cut_frame(&frames[0], 9, 20); /* Ethernet header in two fragments */
		memset(frames[0].bytes, 0, 14);       /* the copy counts, not what is there now */
		assert_int_equal(tx(&r, 1), 1);
		assert_used(&r, id, r.vq.hdr_len + 1500);
		assert_nothing_used(&r);
		ring_frame(frames[0].bytes, 1500, 1);
		assert_memory_equal((uint8_t *)ring_at(&r, RING_BUF(0)) + r.vq.hdr_len,
				    frames[0].bytes, 1500);
		/* not a byte more */
		assert_int_equal(((uint8_t *)ring_at(&r, RING_BUF(0)))[r.vq.hdr_len + 1500], 0xaa);
		if (r.vq.hdr_len == NET_HDR_LEN)
			assert_num_buffers(&r, RING_BUF(0), 1);
		assert_memory_equal(ring_at(&r, RING_BUF(0)), "\0\0\0\0\0\0\0\0\0\0", 10);
		assert_accounts(&r);
		ring_fini(&r);
	}
}

static void
header_is_rendered_in_guest_order(void **state)
{
	const uint8_t le[10] = {1, 0x81, 54, 0, 0x34, 0x12, 34, 0, 16, 0};
	const uint8_t be[10] = {1, 0x81, 0, 54, 0x12, 0x34, 0, 34, 0, 16};
	const struct pkt_vnet vnet = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				      .gso_type = 0x81,
				      .hdr_len = 54,
				      .gso_size = 0x1234,
				      .csum_start = 34,
				      .csum_offset = 16};
	struct ring r;

	ring_init(&r, layout_of(state), 8, RING_F(VIRTIO_NET_F_GUEST_CSUM), true);
	post_buf(&r, 0, 1000);
	make_frame(&frames[0], 100, 1);
	frames[0].p.vnet = vnet;
	assert_int_equal(tx(&r, 1), 1);
	assert_memory_equal(ring_at(&r, RING_BUF(0)), layout_of(state) == VQ_SPLIT_SWAP ? be : le,
			    10);
	ring_fini(&r);
}

static void
checked_checksums_are_told_to_those_who_accept_it(void **state)
{
	const uint64_t features[] = {0, RING_F(VIRTIO_NET_F_GUEST_CSUM)};
	unsigned int i;
	struct ring r;

	for (i = 0; i < RTE_DIM(features); i++) {
		ring_init(&r, layout_of(state), 8, features[i], true);
		post_buf(&r, 0, 1000);
		make_frame(&frames[0], 100, 1);
		frames[0].p.vnet.flags = VIRTIO_NET_HDR_F_DATA_VALID;
		assert_int_equal(tx(&r, 1), 1);
		assert_int_equal(*(uint8_t *)ring_at(&r, RING_BUF(0)),
				 i == 0 ? 0 : VIRTIO_NET_HDR_F_DATA_VALID);
		ring_fini(&r);
	}
}

static void
frame_is_merged_over_buffers(void **state)
{
	uint32_t total = 5000, done = 0, k;
	uint16_t id[3];
	struct ring r;
	unsigned int i;

	ring_init(&r, layout_of(state), 8, MRG, true);
	for (i = 0; i < 3; i++)
		id[i] = post_buf(&r, i, 2048);
	make_frame(&frames[0], total, 3);
	assert_int_equal(tx(&r, 1), 1);
	assert_num_buffers(&r, RING_BUF(0), 3);
	for (i = 0; i < 3; i++) {
		uint32_t hdr = i == 0 ? 12 : 0;

		k = RTE_MIN(2048 - hdr, total - done);
		assert_used(&r, id[i], hdr + k);
		assert_memory_equal((uint8_t *)ring_at(&r, RING_BUF(i)) + hdr,
				    frames[0].bytes + done, k);
		done += k;
	}
	assert_int_equal(done, total);
	assert_nothing_used(&r);
	assert_accounts(&r);
	ring_fini(&r);
}

static void
frame_without_enough_buffers_takes_none(void **state)
{
	struct ring r;
	uint16_t id[2];

	ring_init(&r, layout_of(state), 8, MRG, true);
	id[0] = post_buf(&r, 0, 2048);
	id[1] = post_buf(&r, 1, 2048);
	make_frame(&frames[0], 5000, 1);
	make_frame(&frames[1], 3000, 2);
	make_frame(&frames[2], 60, 3);
	assert_int_equal(tx(&r, 3), 1); /* the second fits what the first did not take */
	assert_int_equal(drops(&r, DROP_TX_NO_BUFFER), 2);
	assert_used(&r, id[0], 2048);
	assert_used(&r, id[1], 3012 - 2048);
	assert_nothing_used(&r);
	assert_accounts(&r);
	/* nothing is lost: later buffers are found */
	id[0] = post_buf(&r, 2, 2048);
	assert_int_equal(tx(&r, 0), 0);
	make_frame(&frames[0], 60, 4);
	assert_int_equal(tx(&r, 1), 1);
	assert_used(&r, id[0], 72);
	ring_fini(&r);
}

static void
frame_too_big_for_a_buffer_leaves_it(void **state)
{
	struct ring r;
	uint16_t id;

	ring_init(&r, layout_of(state), 8, 0, true);
	id = post_buf(&r, 0, 200);
	make_frame(&frames[0], 201, 1);
	make_frame(&frames[1], 100, 2);
	assert_int_equal(tx(&r, 2), 1);
	assert_int_equal(drops(&r, DROP_TX_TOO_BIG), 1);
	assert_used(&r, id, r.vq.hdr_len + 100);
	assert_accounts(&r);
	ring_fini(&r);
}

static void
mtu_limits_what_is_not_segmented_later(void **state)
{
	struct ring r;

	ring_prepare(&r, layout_of(state), 8, MRG | RING_F(VIRTIO_NET_F_GUEST_TSO4), true);
	r.setup.mtu = 1000;
	assert_int_equal(vq_start(&r.vq, &r.setup), 0);
	post_buf(&r, 0, 4000);
	post_buf(&r, 1, 4000);
	make_frame(&frames[0], 1019, 1);
	make_frame(&frames[1], 1018, 1);
	make_frame(&frames[2], 3000, 1);
	frames[2].p.vnet.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	frames[2].p.need = PKT_NEED_TSO4;
	assert_int_equal(tx(&r, 3), 2);
	assert_int_equal(drops(&r, DROP_TX_TOO_BIG), 1);
	ring_fini(&r);
}

/** Header over descriptors, Windows' header alone, tables, a buffer over two regions. */
static void
any_buffer_layout_is_filled(void **state)
{
	static const uint32_t cuts[][6] = {
		{12}, {10}, {4, 8, 3}, {1, 1, 1, 1, 20, 100}, {12, 0, 0, 7}, {12 + 14, 1},
	};
	uint8_t got[2000];
	unsigned int i, k, n, table;
	struct ring_buf b[8];
	uint16_t id;
	struct ring r;

	ring_init(&r, layout_of(state), 64, INDIRECT, true);
	for (i = 0; i < 2 * RTE_DIM(cuts); i++) {
		uint32_t at = 0, room = 0;

		table = i % 2;
		for (n = 0; n < RTE_DIM(cuts[0]); n++) {
			uint32_t len = cuts[i / 2][n];

			b[n] = (struct ring_buf){RING_BUF(n), len, WRITE};
			if (n == 3)
				b[n].addr = RING_GPA + RING_SPLIT_AT - len / 2;
		}
		b[n++] = (struct ring_buf){RING_BUF(8), 1000, WRITE};
		id = table ? ring_post_table(&r, RING_TABLE(0), b, n) : ring_post(&r, b, n);
		make_frame(&frames[0], 700, i);
		cut_frame(&frames[0], 300, 399);
		assert_int_equal(tx(&r, 1), 1);
		assert_used(&r, id, r.vq.hdr_len + 700);
		for (k = 0; k < n; k++)
			room += b[k].len;
		assert_true(room > r.vq.hdr_len + 700u);
		for (k = 0; k < n; k++) {
			uint32_t j;

			for (j = 0; j < b[k].len; j++)
				got[at++] = *(uint8_t *)ring_at(&r, b[k].addr + j);
		}
		assert_memory_equal(got + r.vq.hdr_len, frames[0].bytes, 700);
	}
	assert_accounts(&r);
	ring_fini(&r);
}

struct bad_buffer {
	const char *what;
	struct ring_buf b[2];
	unsigned int n;
};

static const struct bad_buffer bad_buffers[] = {
	{"readable", {{RING_BUF(1), 1000}}, 1},
	{"readable tail", {{RING_BUF(1), 20, WRITE}, {RING_BUF(2), 100}}, 2},
	{"outside memory", {{5, 1000, WRITE}}, 1},
	{"ends outside memory", {{RING_GPA + RING_MEM - 50, 1000, WRITE}}, 1},
	{"shorter than the header", {{RING_BUF(1), 9, WRITE}}, 1},
	{"empty", {{RING_BUF(1), 0, WRITE}}, 1},
	{"table not negotiated", {{RING_TABLE(0), 16, VRING_DESC_F_INDIRECT}}, 1},
};

static void
bad_buffer_costs_one_frame(enum vq_layout l, const struct bad_buffer *bad)
{
	uint16_t id[3];
	struct ring r;

	ring_init(&r, l, 8, MRG, true);
	id[0] = post_buf(&r, 0, 200);
	id[1] = ring_post(&r, bad->b, bad->n);
	id[2] = post_buf(&r, 3, 200);
	make_frame(&frames[0], 60, 1);
	make_frame(&frames[1], 60, 2);
	make_frame(&frames[2], 60, 3);
	assert_int_equal(tx(&r, 3), 2);
	assert_int_equal(drops(&r, DROP_TX_BAD_CHAIN), 1);
	assert_used(&r, id[0], 72);
	assert_used(&r, id[1], 0);
	assert_used(&r, id[2], 72);
	assert_nothing_used(&r);
	assert_false(r.vq.broken);
	assert_accounts(&r);
	ring_fini(&r);
}

static void
bad_buffers_cost_one_frame_each(void **state)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(bad_buffers); i++) {
		print_message("  %s\n", bad_buffers[i].what);
		bad_buffer_costs_one_frame(layout_of(state), &bad_buffers[i]);
	}
}

static void
bad_buffer_in_a_merged_frame_takes_the_ones_before(void **state)
{
	const struct ring_buf bad = {RING_BUF(1), 1000, 0};
	uint16_t id[3];
	struct ring r;

	ring_init(&r, layout_of(state), 8, MRG, true);
	id[0] = post_buf(&r, 0, 200);
	id[1] = ring_post(&r, &bad, 1);
	id[2] = post_buf(&r, 3, 200);
	make_frame(&frames[0], 300, 1);
	make_frame(&frames[1], 60, 2);
	assert_int_equal(tx(&r, 2), 1);
	assert_used(&r, id[0], 0);
	assert_used(&r, id[1], 0);
	assert_used(&r, id[2], 72);
	assert_accounts(&r);
	ring_fini(&r);
}

static void
broken_ring_is_counted(void **state)
{
	struct ring r;

	ring_init(&r, layout_of(state), 8, 0, true);
	if (layout_of(state) == VQ_PACKED) {
		const struct ring_buf b = {RING_BUF(0), 100, WRITE | VRING_DESC_F_NEXT};

		ring_post(&r, &b, 1);
	} else {
		ring_avail(&r, 8);
	}
	make_frame(&frames[0], 60, 1);
	make_frame(&frames[1], 60, 1);
	assert_int_equal(tx(&r, 2), 0);
	assert_int_equal(drops(&r, DROP_TX_BROKEN), 2);
	assert_int_equal(tx(&r, 1), 0);
	assert_int_equal(drops(&r, DROP_TX_BROKEN), 3);
	assert_int_equal(r.attentions, 1);
	assert_nothing_used(&r);
	assert_accounts(&r);
	ring_fini(&r);
}

/** More buffers per burst, and per frame, than are given back in one go. */
static void
many_small_buffers(void **state)
{
	uint32_t id, len, sum = 0;
	unsigned int i, n = 0;
	struct ring r;

	ring_init(&r, layout_of(state), 1024, MRG, true);
	for (i = 0; i < 600; i++)
		post_buf(&r, i % 40, 100);
	make_frame(&frames[0], 250 * 100 - 12, 1);
	make_frame(&frames[1], 257 * 100 - 12, 1); /* too many for one frame */
	make_frame(&frames[2], 256 * 100 - 12, 1);
	assert_int_equal(tx(&r, 3), 2);
	assert_int_equal(drops(&r, DROP_TX_TOO_BIG), 1);
	while (ring_used(&r, &id, &len)) {
		sum += len;
		n++;
	}
	assert_int_equal(n, 250 + 256);
	assert_int_equal(sum, n * 100);
	assert_accounts(&r);
	ring_fini(&r);
}

static void
longest_chain_is_no_obstacle(void **state)
{
	struct ring_buf b[1000];
	struct ring r;
	unsigned int i;

	ring_init(&r, layout_of(state), 1024, 0, true);
	for (i = 0; i < RTE_DIM(b); i++)
		b[i] = (struct ring_buf){RING_BUF(i % 40), 1 + i % 3, WRITE};
	for (i = 0; i < 3; i++)
		ring_post(&r, b, 300);
	for (i = 0; i < 3; i++)
		make_frame(&frames[i], 500, i);
	assert_int_equal(tx(&r, 3), 3);
	assert_accounts(&r);
	ring_fini(&r);
}

static void
positions_wrap(void **state)
{
	enum vq_layout l = layout_of(state);
	unsigned int pass, k;
	uint16_t id[3];
	struct ring r;

	ring_prepare(&r, l, l == VQ_PACKED ? 5 : 8, MRG, true);
	if (l != VQ_PACKED)
		r.setup.state.avail = r.setup.state.used = r.avail = r.used = 65500;
	assert_int_equal(vq_start(&r.vq, &r.setup), 0);
	for (pass = 0; pass < 50; pass++) {
		for (k = 0; k < 3; k++)
			id[k] = post_buf(&r, k, 100);
		make_frame(&frames[0], 150, pass);
		make_frame(&frames[1], 70, pass);
		assert_int_equal(tx(&r, 2), 2);
		assert_used(&r, id[0], 100);
		assert_used(&r, id[1], 62);
		assert_used(&r, id[2], 82);
		assert_nothing_used(&r);
	}
	ring_fini(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON_EVERY_LAYOUT(frame_goes_to_one_buffer),
		ON_EVERY_LAYOUT(header_is_rendered_in_guest_order),
		ON_EVERY_LAYOUT(checked_checksums_are_told_to_those_who_accept_it),
		ON_EVERY_LAYOUT(frame_is_merged_over_buffers),
		ON_EVERY_LAYOUT(frame_without_enough_buffers_takes_none),
		ON_EVERY_LAYOUT(frame_too_big_for_a_buffer_leaves_it),
		ON_EVERY_LAYOUT(mtu_limits_what_is_not_segmented_later),
		ON_EVERY_LAYOUT(any_buffer_layout_is_filled),
		ON_EVERY_LAYOUT(bad_buffers_cost_one_frame_each),
		ON_EVERY_LAYOUT(bad_buffer_in_a_merged_frame_takes_the_ones_before),
		ON_EVERY_LAYOUT(broken_ring_is_counted),
		ON_EVERY_LAYOUT(many_small_buffers),
		ON_EVERY_LAYOUT(longest_chain_is_no_obstacle),
		ON_EVERY_LAYOUT(positions_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
