/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames that a forwarding mode leaves in the ring (pkt_batch.left): the chains
 * before them are given back, they come with the next rx() once more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ring.h"

#define N 6
#define LEN 64

static struct pkt_batch batch;

/* Chains of one and of two descriptors, of which @p table are indirect. */
static void
post(struct ring *r, uint16_t *id, bool table)
{
	for (uint32_t i = 0; i < N; i++) {
		uint8_t *p = ring_at(r, RING_BUF(i));
		struct ring_buf b[2] = {
			{RING_BUF(i), r->vq.hdr_len + 20u, 0},
			{RING_BUF(i) + r->vq.hdr_len + 20, LEN - 20, 0},
		};

		memset(p, 0, r->vq.hdr_len);
		ring_frame(p + r->vq.hdr_len, LEN, (uint8_t)i);
		if (i % 2 == 0)
			b[0].len += LEN - 20;
		if (table && i % 3 == 1)
			id[i] = ring_post_table(r, RING_TABLE(i), b, 2);
		else
			id[i] = ring_post(r, b, i % 2 == 0 ? 1 : 2);
	}
}

/* rx() gives the frames from @p first on; all but @p keep of them are done with. */
static void
take(struct ring *r, uint32_t first, uint32_t keep)
{
	batch.max = PKT_BATCH_MAX;
	assert_int_equal(pktq_ops(&r->vq.q)->rx(&r->vq.q, &batch), N - first);
	assert_int_equal(batch.n, N - first);
	for (uint32_t i = 0; i < batch.n; i++)
		assert_int_equal(batch.pkt[i].eth_bytes[1], (uint8_t)(first + i + 7));
	batch.left = (uint16_t)keep;
	batch.ndone = batch.n = (uint16_t)(batch.n - keep);
	pktq_ops(&r->vq.q)->rx_done(&r->vq.q, &batch);
	batch.left = 0;
}

static void
expect_used(struct ring *r, const uint16_t *id, uint32_t from, uint32_t to)
{
	uint32_t got, len;

	for (; from < to; from++) {
		assert_true(ring_used(r, &got, &len));
		assert_int_equal(got, id[from]);
		assert_int_equal(len, 0);
	}
	assert_false(ring_used(r, &got, &len));
}

static void
left_ones_come_again(void **state)
{
	enum vq_layout layout = *(enum vq_layout *)*state;
	uint16_t id[N];
	struct ring r;

	for (uint32_t table = 0; table < 2; table++) {
		uint64_t features = table != 0 ? RING_F(VIRTIO_RING_F_INDIRECT_DESC) : 0;

		ring_init(&r, layout, 16, features, false);
		for (uint32_t lap = 0; lap < 5; lap++) {
			post(&r, id, table != 0);
			take(&r, 0, N); /* nothing is done with */
			expect_used(&r, id, 0, 0);
			take(&r, 0, 2);
			expect_used(&r, id, 0, N - 2);
			take(&r, N - 2, 1);
			expect_used(&r, id, N - 2, N - 1);
			take(&r, N - 1, 0);
			expect_used(&r, id, N - 1, N);
		}
		assert_false(r.vq.broken);
		ring_fini(&r);
	}
}

static void
in_order(void **state)
{
	uint32_t got, len;
	uint16_t id[N];
	struct ring r;

	if (*(enum vq_layout *)*state != VQ_PACKED)
		return;
	ring_init(&r, VQ_PACKED, 16, RING_F(VIRTIO_F_IN_ORDER), false);
	post(&r, id, false);
	take(&r, 0, 2);
	assert_true(ring_used(&r, &got, &len));
	assert_int_equal(got, id[N - 3]);
	assert_int_equal(r.vq.used, 6); /* slots of the first four */
	r.used = r.vq.used;
	take(&r, N - 2, 0);
	assert_true(ring_used(&r, &got, &len));
	assert_int_equal(got, id[N - 1]);
	assert_int_equal(r.vq.used, r.vq.avail);
	ring_fini(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON_EVERY_LAYOUT(left_ones_come_again),
		ON_EVERY_LAYOUT(in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
