/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest behind an IOMMU: every page misses when it is first touched, and
 * again after it was revoked. Frames wait for the answer; none is lost,
 * duplicated, reordered or changed, although nothing contiguous for the guest
 * is contiguous for the device.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "eal.h"
#include "model.h"

#define PAGE 4096u

static struct rte_mempool *pool;

/** Answer the miss of @p q, if there is one: with the page it asked for and nothing else. */
static bool
serve_miss(struct model_guest *g, struct model_queue *q)
{
	const uint32_t perm = q->dev->miss[0].perm;
	const uint64_t iova = q->dev->miss[0].iova & ~(uint64_t)(PAGE - 1);
	const struct iotlb *old = g->space.tlb;
	struct iotlb_entry e = {.iova = iova, .size = PAGE, .perm = perm};
	const struct vq_mem *same = &g->space;
	uint64_t page;

	if (atomic_load(&q->dev->misses) == 0)
		return false;
	page = (iova - model_addr_base(g)) / PAGE;
	assert_true(page < g->mem.size / PAGE);
	e.uva = (uintptr_t)g->mem.hva + (uint64_t)g->page_of[page] * PAGE;
	g->space.tlb = iotlb_update(old, &e);
	assert_non_null(g->space.tlb);
	/* no worker runs meanwhile: this is the grace period */
	iotlb_free((struct iotlb *)(uintptr_t)old);
	assert_ptr_equal(vq_swap_mem(q->dev, same), same);
	atomic_store(&q->dev->attention, 0);
	assert_true(vq_miss_over(q->dev));
	return true;
}

/** The guest takes back some of what it allowed. */
static void
revoke_some(struct model_guest *g, struct rng *r)
{
	const struct iotlb *old = g->space.tlb;
	const uint64_t pages = g->mem.size / PAGE;
	const uint64_t first = rng_below(r, (uint32_t)pages), n = 1 + rng_below(r, 50);

	g->space.tlb = iotlb_invalidate(old, model_addr_base(g) + first * PAGE, n * PAGE);
	assert_non_null(g->space.tlb);
	iotlb_free((struct iotlb *)(uintptr_t)old);
}

static void
receive_all(struct model_guest *g, uint64_t *next)
{
	static struct model_frame got, want;

	while (model_receive(g, &got)) {
		frame_make(&want, *next, &g->cfg.mix);
		assert_int_equal(got.len, want.len);
		assert_memory_equal(got.b, want.b, want.len);
		++*next;
	}
}

/** Forward everything, answering misses as they come; returns how many there were. */
static uint32_t
forward_all(struct model_guest *g, struct rng *r)
{
	struct pktq *out = &g->rx.dev->q;
	uint32_t misses = 0;
	bool more = true;

	while (more) {
		bool miss = false;

		/* not more at a time than the queue can hold back */
		more = model_forward(g, g, (uint16_t)(1 + rng_below(r, PKT_BATCH_MAX))) > 0;
		do {
			miss = serve_miss(g, &g->tx) | serve_miss(g, &g->rx);
			misses += miss;
			more |= miss;
			if (out->backlog > 0)
				pktq_ops(out)->flush(out);
		} while (miss || out->backlog > 0);
	}
	return misses;
}

static void
conversation(const struct model_cfg *cfg, uint64_t seed, uint64_t frames)
{
	struct model_guest *g = model_new(cfg, seed);
	struct rng r = rng_seed(seed);
	static struct model_frame f;
	uint64_t seq = 0, next = 0;
	uint32_t misses = 0;

	while (seq < frames) {
		/* buffers for all: then every frame has to arrive */
		while (model_offer(g))
			;
		vqd_publish(&g->rx.drv);
		for (uint32_t n = 1 + rng_below(&r, cfg->size / 8); n > 0; n--) {
			frame_make(&f, seq, &cfg->mix);
			if (!model_send(g, &f))
				break;
			seq++;
		}
		vqd_publish(&g->tx.drv);
		misses += forward_all(g, &r);
		receive_all(g, &next);
		model_reap(g);
		if (rng_one_in(&r, 10))
			revoke_some(g, &r);
	}
	model_check_counters(g, g);
	assert_int_equal(next, seq);
	assert_int_equal(g->tx.drv.outstanding, 0);
	assert_true(misses > 20);
	model_free(g);
}

static void
frames_wait_for_translations(void **state)
{
	const enum vq_layout layout = *(const enum vq_layout *)*state;

	for (uint32_t i = 0; i < MODEL_SCALE(40u); i++) {
		struct rng r = rng_seed(31 * layout + i);
		struct model_cfg cfg = model_cfg_random(&r, layout);

		cfg.features |= F(VIRTIO_F_ACCESS_PLATFORM) | F(VIRTIO_F_VERSION_1);
		cfg.size = RTE_MAX(cfg.size, 64u);
		cfg.start = (struct vq_state){.avail_wrap = true, .used_wrap = true};
		cfg.rx_len = 9100;
		cfg.mix.max_len = 9000;
		cfg.mp = pool;
		conversation(&cfg, i, 2000);
	}
}

static int
setup(void **state)
{
	if (eal_start("0", 64) != 0)
		return -1;
	pool = rte_pktmbuf_pool_create("held", 8191, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	return pool != NULL ? 0 : -1;
}

int
main(void)
{
	static enum vq_layout layouts[] = {VQ_SPLIT, VQ_PACKED};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(frames_wait_for_translations, &layouts[0]),
		cmocka_unit_test_prestate(frames_wait_for_translations, &layouts[1]),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
