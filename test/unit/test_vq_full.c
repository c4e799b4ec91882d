/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtqueue, device side: behind an IOMMU, and with a dirty log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_eal.h>
#include <rte_mbuf.h>

#include "eal.h"
#include "gmem/dirty.h"
#include "gmem/iotlb.h"
#include "pkt/copy.h"
#include "ring.h"

#define IOVA 0x4000000000ull /* of RING_GPA */
#define PAGE 4096ull
#define IOMMU (RING_F(VIRTIO_F_ACCESS_PLATFORM) | RING_MODERN)
#define WRITE VRING_DESC_F_WRITE

static struct rte_mempool *pool;
static struct pkt_batch batch;

static enum vq_layout
layout_of(void **state)
{
	return *(enum vq_layout *)*state;
}

/** I/O virtual address of a guest-physical one. */
static uint64_t
iova(uint64_t gpa)
{
	return gpa - RING_GPA + IOVA;
}

/** Map @p n pages from guest-physical @p gpa on, and answer the miss, as control does. */
static void
map(struct ring *r, uint64_t gpa, unsigned int n, uint32_t perm)
{
	unsigned int region = gpa >= RING_GPA + RING_SPLIT_AT;
	const struct iotlb_entry e = {
		.iova = iova(gpa),
		.size = n * PAGE,
		.uva = r->gmem->r[region].uva + (gpa - r->gmem->r[region].gpa),
		.perm = perm,
	};
	struct iotlb *old = (struct iotlb *)(uintptr_t)r->space.tlb;

	r->space.tlb = iotlb_update(old, &e);
	assert_non_null(r->space.tlb);
	iotlb_free(old);
	atomic_store(&r->vq.attention, 0);
	vq_miss_over(&r->vq);
}

static void
iommu_ring(struct ring *r, enum vq_layout l, uint64_t features, bool is_tx)
{
	ring_prepare(r, l, 512, IOMMU | features, is_tx);
	r->space.tlb = iotlb_new();
	r->setup.mp = pool;
	assert_int_equal(vq_start(&r->vq, &r->setup), 0);
}

static void
iommu_fini(struct ring *r)
{
	struct iotlb *t = (struct iotlb *)(uintptr_t)r->space.tlb;

	ring_fini(r);
	iotlb_free(t);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static unsigned int
rx(struct ring *r)
{
	batch.max = PKT_BATCH_MAX;
	return pktq_ops(&r->vq.q)->rx(&r->vq.q, &batch);
}

static void
rx_done(struct ring *r)
{
	pktq_ops(&r->vq.q)->rx_done(&r->vq.q, &batch);
}

/** The queue asked once for @p gpa. */
static void
assert_asked(struct ring *r, uint64_t gpa, uint32_t perm)
{
	assert_int_equal(atomic_load(&r->vq.attention), VQ_ATTN_MISS);
	assert_in_range(atomic_load(&r->vq.misses), 1, VQ_MISS_MAX);
	assert_int_equal(r->vq.miss[0].iova, iova(gpa));
	assert_int_equal(r->vq.miss[0].perm, perm);
}

static void
miss_leaves_the_frame_in_the_ring(void **state)
{
	const uint64_t gpa = RING_BUF(3) + 4000; /* over a page border */
	const struct ring_buf b = {iova(gpa), 212, 0};
	uint8_t want[200], got[256]; /* room for the widest stores a bounds checker considers */
	uint32_t id, len;
	struct ring r;

	if (layout_of(state) == VQ_SPLIT_SWAP)
		return; /* an IOMMU is a modern thing */
	iommu_ring(&r, layout_of(state), 0, false);
	memset(ring_at(&r, gpa), 0, 12);
	ring_frame(want, sizeof(want), 1);
	memcpy(ring_at(&r, gpa + 12), want, sizeof(want));
	ring_post(&r, &b, 1);

	assert_int_equal(rx(&r), 0);
	assert_asked(&r, gpa, IOTLB_RO);
	assert_int_equal(rx(&r), 0);
	assert_int_equal(r.attentions, 1);
	assert_false(pktq_ops(&r.vq.q)->arm(&r.vq.q)); /* nothing to do but wait */
	map(&r, RING_BUF(3), 1, IOTLB_WO);             /* the wrong permission */
	assert_true(pktq_ops(&r.vq.q)->arm(&r.vq.q));
	assert_int_equal(rx(&r), 0);
	assert_int_equal(r.attentions, 2);
	map(&r, RING_BUF(3), 1, IOTLB_RO);
	assert_int_equal(rx(&r), 0);
	assert_asked(&r, RING_BUF(4), IOTLB_RO);
	assert_int_equal(r.vq.q.stats.frames, 0);
	map(&r, RING_BUF(4), 1, IOTLB_RW);
	assert_int_equal(rx(&r), 1);
	assert_int_equal(batch.n, 1);
	pkt_copy(&batch.pkt[0], got);
	assert_memory_equal(got, want, sizeof(want));
	rx_done(&r);
	assert_true(ring_used(&r, &id, &len));
	assert_int_equal(r.vq.q.stats.drop[DROP_RX_BAD_CHAIN], 0);
	iommu_fini(&r);
}

static void
frames_before_a_miss_are_taken(void **state)
{
	struct ring_buf b = {iova(RING_BUF(0)), 112, 0};
	struct ring r;

	if (layout_of(state) == VQ_SPLIT_SWAP)
		return;
	iommu_ring(&r, layout_of(state), 0, false);
	map(&r, RING_BUF(0), 1, IOTLB_RO);
	memset(ring_at(&r, RING_BUF(0)), 0, 112);
	ring_post(&r, &b, 1);
	b.addr = iova(RING_BUF(1));
	ring_post(&r, &b, 1);
	assert_int_equal(rx(&r), 1);
	rx_done(&r);
	assert_int_equal(rx(&r), 0);
	assert_asked(&r, RING_BUF(1), IOTLB_RO);
	iommu_fini(&r);
}

static void
table_behind_a_miss_is_waited_for(void **state)
{
	const struct ring_buf b = {iova(RING_BUF(0)), 112, 0};
	const struct ring_buf t = {iova(RING_TABLE(0)), 16, VRING_DESC_F_INDIRECT};
	struct ring r;

	if (layout_of(state) == VQ_SPLIT_SWAP)
		return;
	iommu_ring(&r, layout_of(state), RING_F(VIRTIO_RING_F_INDIRECT_DESC), false);
	map(&r, RING_BUF(0), 1, IOTLB_RO);
	ring_table(&r, RING_TABLE(0), &b, 1);
	ring_post(&r, &t, 1);
	assert_int_equal(rx(&r), 0);
	assert_asked(&r, RING_TABLE(0), IOTLB_RO);
	map(&r, RING_GPA + 0x38000, 1, IOTLB_RO);
	assert_int_equal(rx(&r), 1);
	assert_int_equal(batch.n, 1);
	rx_done(&r);
	iommu_fini(&r);
}

/** All that is missing was named, and this much of it is needed at once. */
static void
assert_misses(struct ring *r, uint32_t all, uint32_t need)
{
	assert_int_equal(atomic_load(&r->vq.misses), all);
	assert_int_equal(r->vq.miss_need, need);
}

static void
assert_miss(struct ring *r, uint32_t i, uint64_t gpa, uint32_t len)
{
	assert_int_equal(r->vq.miss[i].iova, iova(gpa));
	assert_int_equal(r->vq.miss[i].len, len);
}

/* A frame of many pages must not take as many questions and answers, one after the other. */
static void
chain_names_all_its_misses(void **state)
{
	const struct ring_buf chain[] = {
		{iova(RING_BUF(0)), 12, 0},
		{iova(RING_BUF(1)) + 100, 5000, 0}, /* the first of its pages is there */
		{iova(RING_BUF(4)), 4096, 0},       /* this one, too */
		{iova(RING_BUF(6)), 200, 0},
	};
	const struct ring_buf next = {iova(RING_BUF(8)), 100, 0};
	struct ring r;

	if (layout_of(state) == VQ_SPLIT_SWAP)
		return;
	iommu_ring(&r, layout_of(state), RING_F(VIRTIO_RING_F_INDIRECT_DESC), false);
	map(&r, RING_BUF(1), 1, IOTLB_RO);
	map(&r, RING_BUF(4), 1, IOTLB_RO);
	memset(ring_at(&r, RING_BUF(0)), 0, 12);
	ring_post(&r, chain, RTE_DIM(chain));
	ring_post(&r, &next, 1);
	assert_int_equal(rx(&r), 0);
	assert_misses(&r, 4, 3);
	assert_miss(&r, 0, RING_BUF(0), 12);
	assert_miss(&r, 1, RING_BUF(2), 5000 - (4096 - 100));
	assert_miss(&r, 2, RING_BUF(6), 200);
	assert_miss(&r, 3, RING_BUF(8), 100);
	map(&r, RING_BUF(0), 7, IOTLB_RO);
	assert_int_equal(rx(&r), 1); /* the second one still misses */
	assert_int_equal(batch.pkt[0].len, 5000 + 4096 + 200);
	rx_done(&r);
	assert_int_equal(rx(&r), 0);
	assert_misses(&r, 1, 1);
	iommu_fini(&r);
}

static void
tables_name_all_their_misses(void **state)
{
	const struct ring_buf chain[] = {
		{iova(RING_BUF(0)), 112, 0},
		{iova(RING_BUF(1)), 100, 0},
	};
	struct ring_buf t = {iova(RING_TABLE(0)), 32, VRING_DESC_F_INDIRECT};
	struct ring r;

	if (layout_of(state) == VQ_SPLIT_SWAP)
		return;
	iommu_ring(&r, layout_of(state), RING_F(VIRTIO_RING_F_INDIRECT_DESC), false);
	ring_table(&r, RING_TABLE(0), chain, 2);
	ring_post(&r, &t, 1);
	ring_table(&r, RING_TABLE(8), chain, 2);
	t.addr = iova(RING_TABLE(8)); /* one page further */
	ring_post(&r, &t, 1);
	assert_int_equal(rx(&r), 0);
	assert_misses(&r, 2, 1);
	assert_miss(&r, 0, RING_TABLE(0), 32);
	assert_miss(&r, 1, RING_TABLE(8), 32);
	map(&r, RING_TABLE(0), 1, IOTLB_RO);
	assert_int_equal(rx(&r), 0);
	assert_misses(&r, 3, 2);
	assert_miss(&r, 0, RING_BUF(0), 112);
	assert_miss(&r, 1, RING_BUF(1), 100);
	assert_miss(&r, 2, RING_TABLE(8), 32);
	iommu_fini(&r);
}

/* Two lookups an entry, as without an IOMMU. */
static void
tables_cost_little(void **state)
{
	const struct ring_buf chain[] = {
		{iova(RING_BUF(0)), 12, 0},
		{iova(RING_BUF(1)), 60, 0},
		{iova(RING_BUF(2)), 100, 0},
	};
	const struct ring_buf t = {iova(RING_TABLE(0)), 48, VRING_DESC_F_INDIRECT};
	struct ring r;

	if (layout_of(state) == VQ_SPLIT_SWAP)
		return;
	iommu_ring(&r, layout_of(state), RING_F(VIRTIO_RING_F_INDIRECT_DESC), false);
	map(&r, RING_BUF(0), 3, IOTLB_RO);
	map(&r, RING_TABLE(0), 1, IOTLB_RO);
	ring_table(&r, RING_TABLE(0), chain, RTE_DIM(chain));
	ring_post(&r, &t, 1);
	ring_post(&r, &t, 1);
	assert_int_equal(rx(&r), 2);
	assert_int_equal(batch.n, 2);
	assert_int_equal(r.vq.q.work, 2 * 2 * RTE_DIM(chain));
	rx_done(&r);
	iommu_fini(&r);
}

static void
misses_have_a_limit(void **state)
{
	struct ring_buf chain[VQ_MISS_MAX + 10];
	struct ring r;
	unsigned int i;

	if (layout_of(state) == VQ_SPLIT_SWAP)
		return;
	iommu_ring(&r, layout_of(state), 0, false);
	for (i = 0; i < RTE_DIM(chain); i++)
		chain[i] = (struct ring_buf){iova(RING_BUF(0)) + 8192ull * i, 100, 0};
	ring_post(&r, chain, RTE_DIM(chain));
	assert_int_equal(rx(&r), 0);
	assert_misses(&r, VQ_MISS_MAX, VQ_MISS_MAX);
	iommu_fini(&r);
}

static void
translation_to_nowhere_is_a_bad_chain(void **state)
{
	const struct iotlb_entry e = {.iova = IOVA,
				      .size = PAGE,
				      .uva = 0x666000,
				      .perm = IOTLB_RW};
	const struct ring_buf b = {IOVA, 100, 0};
	struct iotlb *empty;
	struct ring r;

	if (layout_of(state) == VQ_SPLIT_SWAP)
		return;
	iommu_ring(&r, layout_of(state), 0, false);
	empty = (struct iotlb *)(uintptr_t)r.space.tlb;
	r.space.tlb = iotlb_update(empty, &e);
	iotlb_free(empty);
	ring_post(&r, &b, 1);
	assert_int_equal(rx(&r), 1);
	assert_int_equal(batch.n, 0);
	assert_int_equal(r.vq.q.stats.drop[DROP_RX_BAD_CHAIN], 1);
	rx_done(&r);
	iommu_fini(&r);
}

/* --- frames held back --- */

static uint16_t
send_frame(struct ring *r, uint32_t len, uint8_t seed)
{
	static uint8_t bytes[4096];
	struct pkt p = {.data = bytes, .len = len, .data_len = len, .nsegs = 1};
	struct pkt *list[1] = {&p};

	ring_frame(bytes, len, seed);
	memcpy(p.eth_bytes, bytes, RTE_ETHER_HDR_LEN);
	p.vnet.flags = VIRTIO_NET_HDR_F_DATA_VALID;
	return pktq_ops(&r->vq.q)->tx(&r->vq.q, list, 1);
}

static void
flush(struct ring *r)
{
	pktq_ops(&r->vq.q)->flush(&r->vq.q);
}

/** The next used buffer holds the frame made with @p seed. */
static void
assert_received(struct ring *r, uint64_t gpa, uint32_t len, uint8_t seed)
{
	uint32_t id, got, i;
	uint8_t want[4096];

	assert_true(ring_used(r, &id, &got));
	assert_int_equal(got, 12 + len);
	ring_frame(want, len, seed);
	for (i = 0; i < len; i++)
		assert_int_equal(*(uint8_t *)ring_at(r, gpa + 12 + i), want[i]);
	assert_int_equal(*(uint8_t *)ring_at(r, gpa), VIRTIO_NET_HDR_F_DATA_VALID);
}

static void
miss_holds_frames_in_order(void **state)
{
	struct ring_buf b = {0, 1000, WRITE};
	struct ring r;
	unsigned int i;

	if (layout_of(state) == VQ_SPLIT_SWAP)
		return;
	iommu_ring(&r, layout_of(state), RING_F(VIRTIO_NET_F_GUEST_CSUM), true);
	for (i = 0; i < 4; i++) {
		b.addr = iova(RING_BUF(i));
		ring_post(&r, &b, 1);
	}
	map(&r, RING_BUF(0), 1, IOTLB_RW);
	map(&r, RING_BUF(2), 1, IOTLB_RW);
	assert_int_equal(send_frame(&r, 100, 0), 1);
	assert_received(&r, RING_BUF(0), 100, 0);
	assert_int_equal(send_frame(&r, 101, 1), 1);
	assert_asked(&r, RING_BUF(1), IOTLB_WO);
	assert_int_equal(send_frame(&r, 102, 2),
			 1); /* its buffer is there, but not before its turn */
	assert_int_equal(r.vq.q.backlog, 2);
	flush(&r);
	assert_int_equal(r.vq.q.backlog, 2);
	assert_int_equal(r.attentions, 1);
	map(&r, RING_BUF(1), 1, IOTLB_WO);
	flush(&r);
	assert_int_equal(r.vq.q.backlog, 0);
	assert_received(&r, RING_BUF(1), 101, 1);
	assert_received(&r, RING_BUF(2), 102, 2);
	assert_int_equal(send_frame(&r, 103, 3), 1);
	assert_int_equal(r.vq.q.backlog, 1);
	map(&r, RING_BUF(3), 1, IOTLB_WO);
	b.addr = iova(RING_BUF(0));
	ring_post(&r, &b, 1);
	assert_int_equal(send_frame(&r, 104, 4), 1); /* new frames push the held ones */
	assert_received(&r, RING_BUF(3), 103, 3);
	assert_received(&r, RING_BUF(0), 104, 4);
	assert_int_equal(r.vq.q.stats.frames, 5);
	assert_int_equal(r.vq.q.stats.offered, 5);
	iommu_fini(&r);
}

static struct ring *answered;
static struct iotlb *outdated; /* the sender may still look at it */

/** Control is so fast that the sender has not kept its frame yet. */
static void
answer_at_once(const struct vq_host *host, struct vq *vq)
{
	const struct iotlb_entry e = {
		.iova = iova(RING_BUF(0)),
		.size = PAGE,
		.uva = answered->gmem->r[0].uva + (RING_BUF(0) - answered->gmem->r[0].gpa),
		.perm = IOTLB_WO,
	};

	(void)host;
	outdated = (struct iotlb *)(uintptr_t)answered->space.tlb;
	answered->space.tlb = iotlb_update(outdated, &e);
	atomic_store(&vq->attention, 0);
	assert_true(vq_miss_over(vq));
}

/*
 * Several workers send to the queue; the one that flushes it was woken by the answer, found nothing
 * and sleeps again: the sender sees to the frame it kept too late.
 */
static void
answer_before_the_frame_is_kept(void **state)
{
	const struct ring_buf b = {iova(RING_BUF(0)), 1000, WRITE};
	struct ring r;

	if (layout_of(state) == VQ_SPLIT_SWAP)
		return;
	iommu_ring(&r, layout_of(state), RING_F(VIRTIO_NET_F_GUEST_CSUM), true);
	answered = &r;
	r.host.attention = answer_at_once;
	r.vq.q.shared = true;
	ring_post(&r, &b, 1);
	assert_int_equal(send_frame(&r, 100, 0), 1);
	assert_int_equal(r.vq.q.backlog, 0);
	assert_received(&r, RING_BUF(0), 100, 0);
	assert_int_equal(r.vq.q.stats.frames, 1);
	assert_int_equal(r.vq.q.stats.offered, 1);
	iotlb_free(outdated);
	iommu_fini(&r);
}

/* A buffer for the largest frame has many pages; a small frame needs the first. */
static void
buffer_is_asked_for_as_far_as_needed(void **state)
{
	const struct ring_buf chain[] = {
		{iova(RING_BUF(0)), 4096, WRITE},
		{iova(RING_BUF(1)), 4096, WRITE},
		{iova(RING_BUF(2)), 4096, WRITE},
	};
	struct ring r;

	if (layout_of(state) == VQ_SPLIT_SWAP)
		return;
	iommu_ring(&r, layout_of(state), RING_F(VIRTIO_NET_F_GUEST_CSUM), true);
	ring_post(&r, chain, RTE_DIM(chain));
	assert_int_equal(send_frame(&r, 60, 1), 1);
	assert_misses(&r, 1, 1);
	assert_miss(&r, 0, RING_BUF(0), 72);
	map(&r, RING_BUF(0), 1, IOTLB_WO);
	flush(&r);
	assert_received(&r, RING_BUF(0), 60, 1);
	assert_int_equal(r.vq.q.backlog, 0);

	ring_post(&r, chain, RTE_DIM(chain));
	assert_int_equal(send_frame(&r, 4090, 2), 1);
	assert_misses(&r, 1, 1);
	assert_miss(&r, 0, RING_BUF(1), 6);
	map(&r, RING_BUF(1), 1, IOTLB_WO);
	flush(&r);
	assert_received(&r, RING_BUF(0), 4090, 2);
	assert_int_equal(r.vq.q.backlog, 0);
	assert_int_equal(r.vq.q.stats.frames, 2);
	iommu_fini(&r);
}

static void
holding_is_bounded_and_accounted(void **state)
{
	const struct ring_buf b = {iova(RING_BUF(0)), 1000, WRITE};
	struct ring r;
	unsigned int i;

	if (layout_of(state) == VQ_SPLIT_SWAP)
		return;
	iommu_ring(&r, layout_of(state), 0, true);
	ring_post(&r, &b, 1);
	for (i = 0; i < VQ_BACKLOG_MAX; i++)
		assert_int_equal(send_frame(&r, 60, i), 1);
	assert_int_equal(send_frame(&r, 60, 1), 0);
	assert_int_equal(r.vq.q.stats.drop[DROP_TX_IOTLB], 1);
	/* after the translation one has a buffer, the others do not */
	map(&r, RING_BUF(0), 1, IOTLB_WO);
	flush(&r);
	assert_int_equal(r.vq.q.backlog, 0);
	assert_int_equal(r.vq.q.stats.frames, 1);
	assert_int_equal(r.vq.q.stats.drop[DROP_TX_NO_BUFFER], VQ_BACKLOG_MAX - 1);
	iommu_fini(&r);
}

/* Guests that never answer leave the mbufs of the pool to others. */
static void
holding_takes_a_share_of_the_pool(void **state)
{
	const struct ring_buf b = {iova(RING_BUF(0)), 1000, WRITE};
	atomic_uint kept[VQ_BACKLOG_PART];
	struct ring r[VQ_BACKLOG_PART];
	unsigned int i, k, before = 0;

	if (layout_of(state) == VQ_SPLIT_SWAP)
		return;
	for (i = 0; i < VQ_BACKLOG_PART; i++) {
		iommu_ring(&r[i], layout_of(state), 0, true);
		atomic_init(&kept[i], 0);
		r[i].vq.kept = &kept[i];
		ring_post(&r[i], &b, 1);
		for (k = 0; k < VQ_BACKLOG_MAX; k++)
			send_frame(&r[i], 4000, (uint8_t)k);
		assert_in_range(rte_mempool_in_use_count(pool) - before, atomic_load(&kept[i]),
				pool->size / VQ_BACKLOG_PART);
		assert_in_range(rte_mempool_in_use_count(pool), 1,
				pool->size / VQ_BACKLOG_LEAVES + 8);
		assert_int_equal(r[i].vq.q.backlog + r[i].vq.q.stats.drop[DROP_TX_IOTLB],
				 VQ_BACKLOG_MAX);
		before = rte_mempool_in_use_count(pool);
	}
	while (i-- > 0) {
		vq_stop(&r[i].vq);
		assert_int_equal(atomic_load(&kept[i]), 0);
	}
	for (i = 0; i < VQ_BACKLOG_PART; i++)
		iommu_fini(&r[i]);
}

static void
frames_held_at_the_end_are_dropped(void **state)
{
	const struct ring_buf b = {iova(RING_BUF(0)), 1000, WRITE};
	struct ring r;

	if (layout_of(state) == VQ_SPLIT_SWAP)
		return;
	iommu_ring(&r, layout_of(state), 0, true);
	ring_post(&r, &b, 1);
	assert_int_equal(send_frame(&r, 60, 0), 1);
	assert_int_equal(send_frame(&r, 60, 1), 1);
	vq_stop(&r.vq);
	assert_int_equal(r.vq.q.stats.drop[DROP_TX_IOTLB], 2);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	iommu_fini(&r);
}

static void
without_a_pool_a_miss_drops(void **state)
{
	const struct ring_buf b = {iova(RING_BUF(0)), 1000, WRITE};
	struct ring r;

	if (layout_of(state) == VQ_SPLIT_SWAP)
		return;
	ring_prepare(&r, layout_of(state), 8, IOMMU, true);
	r.space.tlb = iotlb_new();
	assert_int_equal(vq_start(&r.vq, &r.setup), 0);
	ring_post(&r, &b, 1);
	assert_int_equal(send_frame(&r, 60, 0), 0);
	assert_int_equal(r.vq.q.stats.drop[DROP_TX_IOTLB], 1);
	iommu_fini(&r);
}

/* --- dirty log --- */

#define LOG_PAGES ((RING_GPA + RING_MEM) / PAGE)

struct log_check {
	uint8_t bits[LOG_PAGES / 8 + 1];
	struct dirty dirty;
	uint8_t before[2][RING_SPLIT_AT];
};

static struct log_check check;

static void
remember(struct ring *r)
{
	unsigned int i;

	memset(check.bits, 0, sizeof(check.bits));
	for (i = 0; i < 2; i++)
		memcpy(check.before[i], r->gmem->r[i].hva, RING_SPLIT_AT);
}

static bool
marked(uint64_t gpa)
{
	return check.bits[gpa / PAGE / 8] >> (gpa / PAGE % 8) & 1;
}

/** Every page that changed since remember() is marked; returns how many are marked. */
static unsigned int
assert_changes_marked(struct ring *r)
{
	unsigned int n = 0;
	uint64_t off;

	for (off = 0; off < RING_MEM; off += PAGE) {
		const uint8_t *was = &check.before[off / RING_SPLIT_AT][off % RING_SPLIT_AT];

		if (memcmp(was, ring_at(r, RING_GPA + off), PAGE) != 0)
			assert_true(marked(RING_GPA + off));
		n += marked(RING_GPA + off);
	}
	return n;
}

static void
logged_ring(struct ring *r, enum vq_layout l, uint64_t features, bool is_tx)
{
	ring_prepare(r, l, 64, features, is_tx);
	check.dirty = (struct dirty){.map = check.bits, .pages = LOG_PAGES};
	r->space.log = &check.dirty;
	r->setup.log_ring = true;
	remember(r);
	assert_int_equal(vq_start(&r->vq, &r->setup), 0);
	assert_changes_marked(r);
}

static void
everything_received_is_logged(void **state)
{
	const struct ring_buf b[2] = {{RING_BUF(0) + 4000, 5000, WRITE},
				      {RING_GPA + RING_SPLIT_AT - 10, 5000, WRITE}};
	uint32_t id, len;
	struct ring r;
	int i;

	logged_ring(&r, layout_of(state), RING_F(VIRTIO_NET_F_MRG_RXBUF), true);
	for (i = 0; i < 100; i++) {
		ring_post(&r, &b[i & 1], 1);
		remember(&r);
		assert_int_equal(send_frame(&r, 60 + 40 * i, i), 1);
		assert_true(assert_changes_marked(&r) >= 2);
		assert_true(ring_used(&r, &id, &len));
	}
	/* three buffers for one frame */
	for (i = 0; i < 3; i++) {
		const struct ring_buf small = {RING_BUF(20 + i), 1000, WRITE};

		ring_post(&r, &small, 1);
	}
	remember(&r);
	assert_int_equal(send_frame(&r, 2500, 1), 1);
	assert_true(assert_changes_marked(&r) >= 4);
	ring_fini(&r);
}

static void
used_elements_and_event_words_are_logged(void **state)
{
	const struct ring_buf b = {RING_BUF(0), 100, 0};
	const struct pktq_ops *ops;
	struct ring r;
	int i;

	for (i = 0; i < 2; i++) {
		logged_ring(&r, layout_of(state), i ? RING_F(VIRTIO_RING_F_EVENT_IDX) : 0, false);
		ops = pktq_ops(&r.vq.q);
		remember(&r);
		ops->arm(&r.vq.q);
		assert_true(assert_changes_marked(&r) == 1);
		ops->disarm(&r.vq.q);
		assert_changes_marked(&r);
		ring_post(&r, &b, 1);
		remember(&r);
		assert_int_equal(rx(&r), 1);
		rx_done(&r);
		assert_true(assert_changes_marked(&r) == 1);
		ring_fini(&r);
	}
}

static void
payload_behind_an_iommu_is_logged_by_its_physical_page(void **state)
{
	const struct ring_buf b = {iova(RING_BUF(7)), 1000, WRITE};
	struct vq_mem logged;
	struct ring r;

	if (layout_of(state) == VQ_SPLIT_SWAP)
		return;
	iommu_ring(&r, layout_of(state), 0, true);
	map(&r, RING_BUF(7), 1, IOTLB_WO);
	check.dirty = (struct dirty){.map = check.bits, .pages = LOG_PAGES};
	logged = r.space;
	logged.log = &check.dirty;
	assert_ptr_equal(vq_swap_mem(&r.vq, &logged), &r.space);
	ring_post(&r, &b, 1);
	remember(&r);
	assert_int_equal(send_frame(&r, 60, 1), 1);
	assert_true(marked(RING_BUF(7)));
	iommu_fini(&r);
}

static void
logging_is_switched_on_and_off_while_running(void **state)
{
	const struct ring_buf b = {RING_BUF(7), 1000, WRITE};
	struct vq_mem logged;
	struct ring r;

	ring_init(&r, layout_of(state), 8, RING_F(VIRTIO_NET_F_MRG_RXBUF), true);
	check.dirty = (struct dirty){.map = check.bits, .pages = LOG_PAGES};
	logged = r.space;
	logged.log = &check.dirty;
	remember(&r);
	ring_post(&r, &b, 1);
	assert_int_equal(send_frame(&r, 60, 1), 1);
	assert_false(marked(RING_BUF(7)));
	vq_swap_mem(&r.vq, &logged);
	ring_post(&r, &b, 1);
	assert_int_equal(send_frame(&r, 60, 1), 1);
	assert_true(marked(RING_BUF(7)));
	assert_ptr_equal(vq_swap_mem(&r.vq, &r.space), &logged);
	remember(&r);
	ring_post(&r, &b, 1);
	assert_int_equal(send_frame(&r, 60, 1), 1);
	assert_false(marked(RING_BUF(7)));
	ring_fini(&r);
}

static int
setup(void **state)
{
	if (eal_start("0", 64) < 0)
		return -1;
	pool = rte_pktmbuf_pool_create("held", 4095, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	return pool == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	rte_mempool_free(pool);
	return rte_eal_cleanup();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON_EVERY_LAYOUT(miss_leaves_the_frame_in_the_ring),
		ON_EVERY_LAYOUT(frames_before_a_miss_are_taken),
		ON_EVERY_LAYOUT(table_behind_a_miss_is_waited_for),
		ON_EVERY_LAYOUT(chain_names_all_its_misses),
		ON_EVERY_LAYOUT(tables_name_all_their_misses),
		ON_EVERY_LAYOUT(tables_cost_little),
		ON_EVERY_LAYOUT(misses_have_a_limit),
		ON_EVERY_LAYOUT(translation_to_nowhere_is_a_bad_chain),
		ON_EVERY_LAYOUT(miss_holds_frames_in_order),
		ON_EVERY_LAYOUT(answer_before_the_frame_is_kept),
		ON_EVERY_LAYOUT(buffer_is_asked_for_as_far_as_needed),
		ON_EVERY_LAYOUT(holding_is_bounded_and_accounted),
		ON_EVERY_LAYOUT(holding_takes_a_share_of_the_pool),
		ON_EVERY_LAYOUT(frames_held_at_the_end_are_dropped),
		ON_EVERY_LAYOUT(without_a_pool_a_miss_drops),
		ON_EVERY_LAYOUT(everything_received_is_logged),
		ON_EVERY_LAYOUT(used_elements_and_event_words_are_logged),
		ON_EVERY_LAYOUT(payload_behind_an_iommu_is_logged_by_its_physical_page),
		ON_EVERY_LAYOUT(logging_is_switched_on_and_off_while_running),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
