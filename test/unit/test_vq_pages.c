/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtqueue, device side: behind an IOMMU the pages of a ring lie apart, and a migration's dirty
 * log knows them by their physical addresses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gmem/dirty.h"
#include "gmem/iotlb.h"
#include "ring.h"

#define PAGE 4096u
#define SIZE 1024
#define FRAMES 600 /* used elements in two pages, descriptors in three */
#define FRAME_LEN 60u
#define APART(i) (0x30000u + (i)*2 * PAGE) /* places of pages of a ring */
#define NAPART 4u
#define IOVA 0x4000000000ull
#define LOG_PAGES ((RING_GPA + RING_MEM) / PAGE)

static uint8_t bits[LOG_PAGES / 8 + 1];
static uint8_t before[RING_SPLIT_AT];

/** The area that the device writes, used ring or descriptors. */
static struct vq_pages *
lay_apart(struct ring *r)
{
	const bool packed = r->layout == VQ_PACKED;
	struct vq_pages *p = calloc(1, sizeof(*p) + NAPART * sizeof(p->page[0]));
	uint32_t i;

	assert_non_null(p);
	p->n = NAPART;
	for (i = 0; i < NAPART; i++)
		p->page[i] = (struct vq_page){r->mem + APART(i), RING_GPA + APART(i)};
	r->setup.pages[packed ? VQ_DESC : VQ_DEVICE] = p;
	*(packed ? &r->setup.desc : &r->setup.device) = p->page[0].hva;
	return p;
}

static void
start(struct ring *r, const struct dirty *log)
{
	const struct iotlb_entry e = {.iova = IOVA, .size = PAGE, .perm = IOTLB_WO};
	struct iotlb_entry buffer = e;
	struct iotlb *none = iotlb_new();

	buffer.uva = r->gmem->r[0].uva + (RING_BUF(0) - RING_GPA);
	r->space.tlb = iotlb_update(none, &buffer);
	iotlb_free(none);
	r->space.log = log;
	r->setup.log_ring = true;
	assert_int_equal(vq_start(&r->vq, &r->setup), 0);
	r->setup.desc = r->mem; /* the driver's own copy in one segment */
}

/** The driver makes a buffer available as descriptor @p i. */
static void
post(struct ring *r, const struct vq_pages *p, uint32_t i)
{
	const struct ring_buf b = {IOVA, 1000, VRING_DESC_F_WRITE};

	ring_post(r, &b, 1);
	if (r->layout == VQ_PACKED)
		memcpy(p->page[i / 256].hva + i % 256 * 16, r->mem + i * 16, 16);
}

static void
send_one(struct ring *r)
{
	uint8_t bytes[FRAME_LEN] = {0};
	struct pkt p = {.data = bytes, .len = FRAME_LEN, .data_len = FRAME_LEN, .nsegs = 1};
	struct pkt *list[1] = {&p};

	ring_frame(bytes, FRAME_LEN, 1);
	assert_int_equal(pktq_ops(&r->vq.q)->tx(&r->vq.q, list, 1), 1);
}

/** Every page that differs from before is marked; the number of those. */
static uint32_t
changes_marked(const struct ring *r)
{
	uint32_t off, n = 0;

	for (off = 0; off < RING_SPLIT_AT; off += PAGE) {
		uint64_t page = (RING_GPA + off) / PAGE;

		if (memcmp(before + off, r->mem + off, PAGE) == 0)
			continue;
		assert_true(bits[page / 8] >> (page % 8) & 1);
		n++;
	}
	return n;
}

static void
pages_that_lie_apart_are_logged(void **state)
{
	const enum vq_layout layout = *(enum vq_layout *)*state;
	const struct dirty log = {.map = bits, .pages = LOG_PAGES};
	struct vq_pages *p;
	struct ring r;
	uint32_t i;

	if (layout == VQ_SPLIT_SWAP) /* legacy guests have no IOMMU */
		return;
	ring_prepare(&r, layout, SIZE, RING_F(VIRTIO_F_ACCESS_PLATFORM) | RING_MODERN, true);
	p = lay_apart(&r);
	start(&r, &log);
	for (i = 0; i < FRAMES; i++) {
		post(&r, p, i);
		memset(bits, 0, sizeof(bits));
		memcpy(before, r.mem, sizeof(before));
		send_one(&r);
		assert_in_range(changes_marked(&r), i == 0 ? 2 : 1, 3);
	}
	assert_int_equal(r.vq.q.stats.frames, FRAMES);
	ring_fini(&r);
	iotlb_free((struct iotlb *)(uintptr_t)r.space.tlb);
	free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON_EVERY_LAYOUT(pages_that_lie_apart_are_logged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
