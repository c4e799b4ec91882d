/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dirty log: guest memory is compared page by page before and after the device
 * ran. Each page that changed is marked, and none that the device has no
 * business to write.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model.h"

#define PAGE (1u << DIRTY_PAGE_SHIFT)

struct extent {
	uint64_t gpa, len;
};

static bool
marked(const struct model_guest *g, uint64_t gpa)
{
	const uint64_t page = gpa >> DIRTY_PAGE_SHIFT;

	return g->log_bits[page / 8] & (1u << (page % 8));
}

static bool
page_in(uint64_t page_gpa, const struct extent *e, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (page_gpa < e[i].gpa + e[i].len && e[i].gpa < page_gpa + PAGE)
			return true;
	return false;
}

/** Compare with @p before; returns how many pages changed. */
static uint32_t
compare(const struct model_guest *g, const uint8_t *before)
{
	const struct vq_extent e = vq_extent(g->cfg.layout, g->cfg.size, g->cfg.features);
	const bool packed = g->cfg.layout == VQ_PACKED;
	const struct extent writable[] = {
		{g->tx.ring_gpa[0], packed ? e.desc : 0},
		{g->rx.ring_gpa[0], packed ? e.desc : 0},
		{g->tx.ring_gpa[2], e.device},
		{g->rx.ring_gpa[2], e.device},
		{g->rx.mem_addr, (uint64_t)g->rx.nareas * g->rx.area_len},
	};
	uint32_t changed = 0;

	for (uint64_t off = 0; off < g->mem.size; off += PAGE) {
		const uint64_t gpa = g->mem.gpa + off;

		if (memcmp(before + off, g->mem.hva + off, PAGE) != 0) {
			changed++;
			if (!marked(g, gpa))
				fail_msg("page %#lx changed and is not marked", gpa);
		}
		if (marked(g, gpa) && !page_in(gpa, writable, RTE_DIM(writable)))
			fail_msg("page %#lx is marked, the device must not write there", gpa);
	}
	return changed;
}

/** Actions of a device in one go: forward, and change its mind about notifications. */
static void
device_iteration(struct model_guest *g, struct rng *r)
{
	struct pktq *q = &g->tx.dev->q;

	if (rng_one_in(r, 3))
		pktq_ops(q)->arm(q);
	for (uint32_t n = rng_below(r, 4); n > 0; n--)
		model_forward(g, g, (uint16_t)(1 + rng_below(r, PKT_BATCH_MAX)));
	if (rng_one_in(r, 3))
		pktq_ops(q)->disarm(q);
}

static void
driver_iteration(struct model_guest *g, struct rng *r, uint64_t *seq)
{
	static struct model_frame f;

	while (model_receive(g, &f))
		;
	model_reap(g);
	for (uint32_t n = rng_below(r, 40); n > 0; n--) {
		frame_make(&f, *seq, &g->cfg.mix);
		*seq += model_send(g, &f);
	}
	vqd_publish(&g->tx.drv);
	for (uint32_t n = rng_below(r, 60); n > 0 && model_offer(g); n--)
		;
	vqd_publish(&g->rx.drv);
}

static void
every_changed_page_is_marked(void **state)
{
	const enum vq_layout layout = *(const enum vq_layout *)*state;
	uint32_t changed = 0;

	for (uint32_t i = 0; i < MODEL_SCALE(60u); i++) {
		struct rng r = rng_seed(100 * layout + i);
		struct model_cfg cfg = model_cfg_random(&r, layout);
		struct model_guest *g;
		uint64_t seq = 0;
		uint8_t *before;

		cfg.log = true;
		cfg.size = RTE_MAX(cfg.size / 4, 1u);
		if (layout == VQ_PACKED)
			cfg.start.avail = cfg.start.used = (uint16_t)(cfg.size - 1);
		g = model_new(&cfg, i);
		before = malloc(g->mem.size);
		for (uint32_t pass = 0; pass < 20; pass++) {
			driver_iteration(g, &r, &seq);
			memcpy(before, g->mem.hva, g->mem.size);
			memset(g->log_bits, 0, g->log_len);
			device_iteration(g, &r);
			changed += compare(g, before);
		}
		free(before);
		model_free(g);
	}
	assert_true(changed > MODEL_SCALE(300u));
}

static struct model_cfg
logged(enum vq_layout layout, uint16_t size)
{
	return (struct model_cfg){
		.layout = layout,
		.size = size,
		.features = (layout == VQ_SPLIT_SWAP ? 0 : F(VIRTIO_F_VERSION_1)) |
			    (layout == VQ_PACKED ? F(VIRTIO_F_RING_PACKED) : 0),
		.mix = {.max_len = 1514},
		.rx_len = 1600,
		.log = true,
	};
}

/** Logging begins and ends under a running queue; what was written without it is not marked. */
static void
logging_starts_and_stops_while_running(void **state)
{
	const enum vq_layout layout = *(const enum vq_layout *)*state;
	const struct model_cfg cfg = logged(layout, 64);
	struct model_guest *g = model_new(&cfg, 9);
	const struct vq_mem plain = {.gmem = g->gmem}, logging = g->space;
	const struct vq_mem *spaces[] = {&plain, &logging};
	uint8_t *before = malloc(g->mem.size);
	struct rng r = rng_seed(1);
	uint64_t seq = 0;

	for (uint32_t pass = 0; pass < 100; pass++) {
		const bool log = rng_one_in(&r, 2);

		vq_swap_mem(g->tx.dev, spaces[log]);
		vq_swap_mem(g->rx.dev, spaces[log]);
		driver_iteration(g, &r, &seq);
		memcpy(before, g->mem.hva, g->mem.size);
		memset(g->log_bits, 0, g->log_len);
		device_iteration(g, &r);
		if (log)
			compare(g, before);
		for (uint64_t i = 0; i < g->log_len && !log; i++)
			assert_int_equal(g->log_bits[i], 0);
	}
	free(before);
	model_free(g);
}

static void
assert_ring_marked(const struct model_guest *g, const struct model_queue *q)
{
	const struct vq_extent e = vq_extent(g->cfg.layout, g->cfg.size, g->cfg.features);
	const bool packed = g->cfg.layout == VQ_PACKED;
	const struct extent at[] = {{q->ring_gpa[0], packed ? e.desc : 0},
				    {q->ring_gpa[2], e.device}};

	for (size_t i = 0; i < RTE_DIM(at); i++)
		for (uint64_t off = 0; off < at[i].len; off++)
			assert_true(marked(g, at[i].gpa + off));
}

/**
 * A predecessor may have died between a used element and its mark: a ring that starts, or whose log
 * begins, is marked.
 */
static void
ring_is_marked_when_its_log_begins(void **state)
{
	const enum vq_layout layout = *(const enum vq_layout *)*state;
	const struct model_cfg cfg = logged(layout, 1024);
	struct model_guest *g = model_new(&cfg, 9);
	const struct vq_mem plain = {.gmem = g->gmem}, logging = g->space;

	assert_ring_marked(g, &g->tx);
	assert_ring_marked(g, &g->rx);
	vq_swap_mem(g->tx.dev, &plain);
	memset(g->log_bits, 0, g->log_len);
	vq_swap_mem(g->tx.dev, &logging);
	assert_ring_marked(g, &g->tx);
	model_free(g);
}

int
main(void)
{
	static enum vq_layout layouts[VQ_LAYOUT_NUM] = {VQ_SPLIT, VQ_SPLIT_SWAP, VQ_PACKED};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(every_changed_page_is_marked, &layouts[0]),
		cmocka_unit_test_prestate(every_changed_page_is_marked, &layouts[1]),
		cmocka_unit_test_prestate(every_changed_page_is_marked, &layouts[2]),
		cmocka_unit_test_prestate(logging_starts_and_stops_while_running, &layouts[0]),
		cmocka_unit_test_prestate(ring_is_marked_when_its_log_begins, &layouts[0]),
		cmocka_unit_test_prestate(logging_starts_and_stops_while_running, &layouts[1]),
		cmocka_unit_test_prestate(ring_is_marked_when_its_log_begins, &layouts[1]),
		cmocka_unit_test_prestate(logging_starts_and_stops_while_running, &layouts[2]),
		cmocka_unit_test_prestate(ring_is_marked_when_its_log_begins, &layouts[2]),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
