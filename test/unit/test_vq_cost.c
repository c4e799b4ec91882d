/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtqueue, device side: a poll takes frames up to a cost, in every format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pkt/offload.h"
#include "ring.h"

#define FRAME_LEN 1500

static struct pkt_batch batch = {.max = PKT_BATCH_MAX};

/* A TCP segment of FRAME_LEN bytes to be cut into segments of 8. */
static struct ring_buf
costly(struct ring *r, unsigned int buf)
{
	const struct vq_fmt f = ring_fmt(r);
	struct ring_buf b = {RING_BUF(buf), r->vq.hdr_len + FRAME_LEN, 0};
	uint8_t *p = ring_at(r, b.addr), *ip = p + r->vq.hdr_len + 14;
	const struct net_hdr h = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = vq16_make(f, 8),
		.csum_start = vq16_make(f, 34),
		.csum_offset = vq16_make(f, 16),
	};

	memcpy(p, &h, r->vq.hdr_len);
	ring_frame(p + r->vq.hdr_len, FRAME_LEN, 0);
	memset(ip - 2, 0, 42);
	ip[-2] = 8;
	ip[0] = 0x45;
	ip[9] = 6;
	ip[20 + 12] = 0x50;
	return b;
}

#define COSTLY 20

/* The frame that makes a batch cost too much is its last; the others stay, each is taken once. */
static void
costly_batches_end_early(void **state)
{
	const uint64_t features = RING_F(VIRTIO_NET_F_CSUM) | RING_F(VIRTIO_NET_F_HOST_TSO4);
	unsigned int frames = 0, rounds = 0, n = 0, i;
	uint32_t got, len;
	uint16_t id[2 * COSTLY];
	struct ring_buf b;
	struct ring r;

	ring_init(&r, *(enum vq_layout *)*state, 64, features, false);
	for (i = 0; i < COSTLY; i++) {
		b = costly(&r, i);
		id[n++] = ring_post(&r, &b, 1);
		b = (struct ring_buf){RING_BUF(i), i % 8, 0}; /* no header */
		if (i % 3 == 0)
			id[n++] = ring_post(&r, &b, 1);
		b = (struct ring_buf){1, 100, 0}; /* nowhere */
		if (i % 4 == 0)
			id[n++] = ring_post(&r, &b, 1);
	}
	while (pktq_ops(&r.vq.q)->rx(&r.vq.q, &batch) != 0) {
		uint32_t cost = 0;

		for (i = 0; i < batch.n; i++) {
			assert_true(cost < PKT_BATCH_COST);
			assert_int_equal(batch.pkt[i].need, PKT_NEED_CSUM | PKT_NEED_TSO4);
			cost += offload_cost(&batch.pkt[i]);
		}
		frames += batch.n;
		rounds++;
		pktq_ops(&r.vq.q)->rx_done(&r.vq.q, &batch);
	}
	assert_int_equal(frames, COSTLY);
	assert_int_equal(rounds, 2);
	assert_int_equal(r.vq.q.stats.drop[DROP_RX_BAD_CHAIN], n - COSTLY);
	assert_int_equal(r.vq.q.stats.frames, n);
	assert_int_equal(r.vq.q.stats.bytes, COSTLY * FRAME_LEN);
	for (i = 0; i < n; i++) {
		assert_true(ring_used(&r, &got, &len));
		assert_int_equal(got, id[i]);
		assert_int_equal(len, 0);
	}
	assert_false(ring_used(&r, &got, &len));
	ring_fini(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON_EVERY_LAYOUT(costly_batches_end_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
