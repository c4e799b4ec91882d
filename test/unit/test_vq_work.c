/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtqueue, device side: buffers made to cost as much as can be. Work is
 * counted in lookups (pktq.work) and must be bounded whatever a guest or its
 * front-end does; what costs too much is given back and counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gmem/iotlb.h"
#include "ring.h"

#define IOVA 0x4000000000ull /* of RING_GPA */
#define BYTES 65536u         /* translated one by one, from RING_BUF(0) on */
#define WRITE VRING_DESC_F_WRITE
#define FEATURES                                                                  \
	(RING_F(VIRTIO_F_ACCESS_PLATFORM) | RING_F(VIRTIO_RING_F_INDIRECT_DESC) | \
	 RING_F(VIRTIO_NET_F_MRG_RXBUF) | RING_MODERN)
#define SIZE 1024

/*
 * Of one call: a chain costs 2,112 descriptors and as many translations, and as much again when
 * the missing ones are noted; a call begins no further chain after 4,224.
 */
#define WORK_MAX (4224u + 4224u + 2112u)

static struct pkt_batch batch;

static uint64_t
iova(uint64_t gpa)
{
	return gpa - RING_GPA + IOVA;
}

/** Every byte of the buffers has an entry, but for those from @p hole on; the tables have one. */
static struct iotlb *
byte_entries(const struct gmem *m, uint32_t hole)
{
	struct iotlb *t = malloc(sizeof(*t) + (BYTES + 1) * sizeof(t->e[0]));
	const uint64_t bytes = RING_BUF(0) - RING_GPA, tables = RING_TABLE(0) - RING_GPA;
	uint32_t i;

	assert_non_null(t);
	for (i = 0; i < hole; i++)
		t->e[i] = (struct iotlb_entry){iova(RING_BUF(i / 4096)) + i % 4096, 1,
					       m->r[0].uva + bytes + i, IOTLB_RW};
	t->e[i++] = (struct iotlb_entry){iova(RING_TABLE(0)), RING_SPLIT_AT - tables,
					 m->r[0].uva + tables, IOTLB_RW};
	t->n = i;
	return t;
}

static void
start(struct ring *r, enum vq_layout l, bool tx, uint32_t hole)
{
	ring_prepare(r, l, SIZE, FEATURES, tx);
	r->space.tlb = byte_entries(r->gmem, hole);
	assert_int_equal(vq_start(&r->vq, &r->setup), 0);
	batch.max = PKT_BATCH_MAX;
}

static void
stop(struct ring *r)
{
	struct iotlb *t = (struct iotlb *)(uintptr_t)r->space.tlb;

	ring_fini(r);
	free(t);
}

/** One poll: its work is bounded, and counted. */
static uint16_t
poll_once(struct ring *r)
{
	uint16_t n = pktq_ops(&r->vq.q)->rx(&r->vq.q, &batch);

	assert_true(r->vq.q.work <= WORK_MAX);
	if (n > 0)
		pktq_ops(&r->vq.q)->rx_done(&r->vq.q, &batch);
	return n;
}

/* A chain through a table of @p entries segments of @p len bytes, all of them the same memory. */
static void
post_table(struct ring *r, uint32_t entries, uint32_t len, uint16_t flags)
{
	struct ring_buf b[SIZE], d = {iova(RING_TABLE(0)), entries * 16, VRING_DESC_F_INDIRECT};
	uint32_t i;

	for (i = 0; i < entries; i++)
		b[i] = (struct ring_buf){iova(RING_BUF(0)), len, flags};
	ring_table(r, RING_TABLE(0), b, entries);
	ring_post(r, &d, 1);
}

/** All @p posted chains come back, none as a frame, for the reason @p why. */
static void
all_come_back(struct ring *r, uint32_t posted, enum drop_reason why)
{
	uint32_t back = 0, polls = 0;

	while (back < posted) {
		back += poll_once(r);
		assert_true(++polls <= posted);
	}
	assert_int_equal(back, posted);
	assert_int_equal(r->vq.q.stats.drop[why], posted);
	assert_false(r->vq.broken);
}

static void
descriptor_of_many_translations(void **state)
{
	const struct ring_buf b = {iova(RING_BUF(0)), 60000, 0};
	struct ring r;
	int i;

	start(&r, *(enum vq_layout *)*state, false, BYTES);
	for (i = 0; i < 100; i++)
		ring_post(&r, &b, 1);
	all_come_back(&r, 100, DROP_RX_TOO_LONG);
	stop(&r);
}

static void
chain_of_many_translations(void **state)
{
	struct ring_buf b[SIZE];
	struct ring r;
	uint32_t i;

	start(&r, *(enum vq_layout *)*state, false, BYTES);
	for (i = 0; i < SIZE; i++)
		b[i] = (struct ring_buf){iova(RING_BUF(0)) + i, 60, 0};
	ring_post(&r, b, SIZE);
	all_come_back(&r, 1, DROP_RX_TOO_LONG);
	stop(&r);
}

static void
tables_of_many_translations(void **state)
{
	struct ring r;
	int i;

	start(&r, *(enum vq_layout *)*state, false, BYTES);
	for (i = 0; i < 100; i++)
		post_table(&r, 512, 60, 0);
	all_come_back(&r, 100, DROP_RX_TOO_LONG);
	stop(&r);
}

static void
tables_of_nothing(void **state)
{
	struct ring r;
	int i;

	start(&r, *(enum vq_layout *)*state, false, BYTES);
	for (i = 0; i < 100; i++)
		post_table(&r, SIZE, 0, 0);
	all_come_back(&r, 100, DROP_RX_BAD_CHAIN);
	stop(&r);
}

/* Two lookups an entry, whichever regions tables and frames are in. */
static void
usual_tables_cost_little(void **state)
{
	const uint64_t far = RING_GPA + RING_SPLIT_AT; /* the second region */
	const uint64_t table[] = {RING_TABLE(0), far + 4096, RING_TABLE(1)};
	struct ring_buf b[] = {{RING_BUF(0), 0, 0}, {RING_BUF(1), 60, 0}, {far, 100, 0}};
	struct ring r;
	uint32_t i;

	ring_init(&r, *(enum vq_layout *)*state, 8, RING_F(VIRTIO_RING_F_INDIRECT_DESC), false);
	b[0].len = r.vq.hdr_len;
	for (i = 0; i < RTE_DIM(table); i++)
		ring_post_table(&r, table[i], b, RTE_DIM(b));
	batch.max = PKT_BATCH_MAX;
	assert_int_equal(pktq_ops(&r.vq.q)->rx(&r.vq.q, &batch), RTE_DIM(table));
	assert_int_equal(batch.n, RTE_DIM(table));
	for (i = 0; i < batch.n; i++) {
		assert_int_equal(batch.pkt[i].len, 160);
		assert_ptr_equal(batch.pkt[i].data, ring_at(&r, b[1].addr));
		assert_ptr_equal(batch.pkt[i].segs[0].data, ring_at(&r, b[2].addr));
	}
	assert_int_equal(r.vq.q.work, RTE_DIM(table) * 2 * RTE_DIM(b));
	ring_fini(&r);
}

/** A translation far into the chain is missing and does not come: polls cost nothing. */
static void
missing_translation_is_waited_for(void **state)
{
	const struct ring_buf b = {iova(RING_BUF(0)), 3000, 0};
	struct ring r;
	int i;

	start(&r, *(enum vq_layout *)*state, false, 2000);
	for (i = 0; i < 8; i++)
		ring_post(&r, &b, 1);
	assert_int_equal(poll_once(&r), 0);
	assert_true(r.vq.q.waits);
	for (i = 0; i < 100; i++) {
		assert_int_equal(poll_once(&r), 0);
		assert_int_equal(r.vq.q.work, 0);
	}
	stop(&r);
}

/* --- buffers of a receiver --- */

/** @p n frames of @p len bytes are sent; returns how many. */
static uint16_t
send_frames(struct ring *r, uint16_t n, uint32_t len)
{
	static uint8_t bytes[PKT_LEN_MAX];
	struct pkt frame = {.data = bytes, .len = len, .data_len = len, .nsegs = 1};
	struct pkt *list[PKT_BATCH_MAX];
	uint16_t i, sent;

	for (i = 0; i < n; i++)
		list[i] = &frame;
	sent = pktq_ops(&r->vq.q)->tx(&r->vq.q, list, n);
	assert_true(r->vq.q.work <= WORK_MAX);
	return sent;
}

static void
buffers_of_many_translations(void **state)
{
	const struct ring_buf b = {iova(RING_BUF(0)), 1600, WRITE};
	uint64_t given_up;
	struct ring r;
	int i;

	start(&r, *(enum vq_layout *)*state, true, BYTES);
	for (i = 0; i < 500; i++)
		ring_post(&r, &b, 1);
	for (i = 0; i < 10; i++)
		send_frames(&r, PKT_BATCH_MAX, 1500);
	given_up = r.vq.q.stats.drop[DROP_TX_NO_BUFFER] + r.vq.q.stats.drop[DROP_TX_TOO_BIG];
	assert_int_equal(r.vq.q.stats.frames + given_up, 10 * PKT_BATCH_MAX);
	assert_true(given_up > 0);
	stop(&r);
}

static void
buffers_of_a_few_bytes(void **state)
{
	const struct ring_buf b = {iova(RING_BUF(0)), 13, WRITE};
	struct ring r;
	int i;

	start(&r, *(enum vq_layout *)*state, true, BYTES);
	for (i = 0; i < 1000; i++)
		ring_post(&r, &b, 1);
	for (i = 0; i < 10; i++)
		send_frames(&r, PKT_BATCH_MAX, 1500);
	stop(&r);
}

/* Buffers that a frame does not fit are looked at for nothing: they count, and that ends, too. */
static void
buffers_in_vain_are_counted(void **state)
{
	const struct ring_buf b = {RING_BUF(0), 13, WRITE};
	const uint32_t len[] = {13 * VQ_USED_MAX, 60000};
	struct ring r;
	uint32_t i, k;

	for (k = 0; k < RTE_DIM(len); k++) {
		ring_init(&r, *(enum vq_layout *)*state, SIZE, RING_F(VIRTIO_NET_F_MRG_RXBUF),
			  true);
		for (i = 0; i < SIZE; i++)
			ring_post(&r, &b, 1);
		for (i = 0; i < 10; i++) {
			assert_int_equal(send_frames(&r, PKT_BATCH_MAX, len[k]), 0);
			assert_in_range(r.vq.q.work, 4224, 4224 + VQ_USED_MAX);
		}
		assert_int_equal(r.vq.q.stats.drop[DROP_TX_TOO_BIG] +
					 r.vq.q.stats.drop[DROP_TX_NO_BUFFER],
				 10 * PKT_BATCH_MAX);
		ring_fini(&r);
	}
}

static void
receive_tables_of_nothing(void **state)
{
	struct ring r;
	int i;

	start(&r, *(enum vq_layout *)*state, true, BYTES);
	for (i = 0; i < 500; i++)
		post_table(&r, SIZE, 0, WRITE);
	for (i = 0; i < 10; i++)
		assert_int_equal(send_frames(&r, PKT_BATCH_MAX, 60), 0);
	stop(&r);
}

/** The unused rest of a buffer costs nothing: a large one takes short frames as a small one. */
static void
rest_of_a_buffer_is_not_looked_at(void **state)
{
	struct ring r;
	int i;

	start(&r, *(enum vq_layout *)*state, true, BYTES);
	for (i = 0; i < 500; i++)
		post_table(&r, 100, 40, WRITE);
	assert_true(send_frames(&r, 1, 60) == 1);
	assert_true(r.vq.q.work <= 2 + 72 + 1);
	stop(&r);
}

#define ON_BOTH(f)                                        \
	{#f ": split", f, NULL, NULL, &layouts[0]},       \
	{                                                 \
#f ": packed", f, NULL, NULL, &layouts[1] \
	}

int
main(void)
{
	static enum vq_layout layouts[] = {VQ_SPLIT, VQ_PACKED};
	const struct CMUnitTest tests[] = {
		ON_BOTH(descriptor_of_many_translations),
		ON_BOTH(chain_of_many_translations),
		ON_BOTH(tables_of_many_translations),
		ON_BOTH(tables_of_nothing),
		ON_BOTH(usual_tables_cost_little),
		ON_BOTH(missing_translation_is_waited_for),
		ON_BOTH(buffers_of_many_translations),
		ON_BOTH(buffers_of_a_few_bytes),
		ON_BOTH(buffers_in_vain_are_counted),
		ON_BOTH(receive_tables_of_nothing),
		ON_BOTH(rest_of_a_buffer_is_not_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
