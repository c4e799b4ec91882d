/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest behind an IOMMU that reuses I/O virtual addresses at once, and front-ends that tell of it
 * in every way they are known to: each page, everything now and then, or nothing at all. A wrong
 * translation is never used: each frame the device takes is the one the guest sent, and each it
 * writes is in the guest's buffer, in any order of requests, answers and invalidations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "owner.h"
#include "vdev/ring.h"

#define MODERN (F(VERSION_1) | F(PROTOCOL_FEATURES) | F(ACCESS_PLATFORM))
#define SIZE 64
#define RING_IOVA 0x10000ull
#define RING_STEP 0x100000ull
#define BUF_IOVA 0x800000ull
#define PAGES 24 /* I/O virtual ones for buffers: fewer than frames under way want */
#define FRAMES ((OWNER_MEM - BUFS_OFF) / 4096)
#define BUFS_OFF 0x200000u
#define FRAME_LEN 76u
#define STALE 0xdeadu /* in memory the guest has taken back */

enum teller {
	TELLS_PAGES,      /* an invalidation for each page that is unmapped */
	TELLS_EVERYTHING, /* one for all, before any address is used again */
	TELLS_NOTHING,
	TELLERS
};

struct request {
	uint64_t iova, uva; /* uva: of the answer, 0: not looked up yet */
	uint32_t perm;
};

static struct owner o;

static struct {
	enum teller teller;
	uint32_t rand;
	uint32_t frame_of[PAGES];    /* memory page behind an I/O virtual one, FRAMES: none */
	bool resting[PAGES];         /* unmapped, not to be used again before a flush */
	bool busy[FRAMES];           /* memory page in use */
	struct request request[512]; /* in order: first the ones answered, not delivered */
	uint32_t nrequests, nanswered;
	struct vqd drv[2];
	uint32_t sent, taken;    /* by the guest's transmit queue */
	uint32_t wrote, checked; /* into its receive queue */
} g;

static uint32_t
below(uint32_t n)
{
	g.rand = g.rand * 1664525u + 1013904223u;
	return (g.rand >> 8) % n;
}

/* --- the front-end --- */

static bool
on_miss(struct transport *t, uint64_t iova, uint32_t perm)
{
	(void)t;
	if (g.nrequests == RTE_DIM(g.request))
		return false;
	g.request[g.nrequests++] = (struct request){.iova = iova, .perm = perm};
	return true;
}

static enum vdev_space
space(const struct transport *t, uint64_t features)
{
	(void)t, (void)features;
	return VDEV_SPACE_IOVA;
}

static const struct transport_ops asks = {.name = "test", .space = space, .translate = on_miss};

static void
say(uint64_t iova, uint64_t uva, uint64_t size)
{
	const struct iotlb_entry e = {.iova = iova, .size = size, .uva = uva, .perm = IOTLB_RW};

	assert_int_equal(vdev_iotlb_update(o.d, &e), 0);
	vdev_sync(o.d);
}

/** Look the next request up in the guest's table, as it is now. */
static void
look_up(void)
{
	struct request *r = &g.request[g.nanswered];
	uint32_t page;

	if (g.nanswered == g.nrequests)
		return;
	if (r->iova < BUF_IOVA) { /* the rings */
		uint64_t off = r->iova - RING_IOVA;

		r->uva = OWNER_UVA + RING_AT(off / RING_STEP) + off % RING_STEP;
		g.nanswered++;
		return;
	}
	page = (uint32_t)((r->iova - BUF_IOVA) / 4096);
	assert_true(page < PAGES);
	if (g.frame_of[page] < FRAMES) {
		r->uva = OWNER_UVA + BUFS_OFF + g.frame_of[page] * 4096ull;
		g.nanswered++;
	} else { /* there is no answer */
		memmove(r, r + 1, (g.nrequests - g.nanswered - 1) * sizeof(*r));
		g.nrequests--;
	}
}

static void
deliver(void)
{
	struct request r = g.request[0];

	if (g.nanswered == 0)
		return;
	memmove(g.request, g.request + 1, --g.nrequests * sizeof(r));
	g.nanswered--;
	say(r.iova & ~4095ull, r.uva & ~4095ull, 4096);
}

/** A message of the front-end's, who answers what it was asked before. */
static void
invalidate(uint64_t iova, uint64_t size)
{
	while (g.nanswered > 0)
		deliver();
	assert_int_equal(vdev_iotlb_invalidate(o.d, iova, size), 0);
	vdev_sync(o.d);
}

static void
flush(void)
{
	invalidate(0xfef00000, UINT64_MAX - 0xfef00000);
	invalidate(0, 0xfee00000);
	memset(g.resting, 0, sizeof(g.resting));
}

/* --- the guest --- */

static uint8_t *
memory(uint32_t frame)
{
	return o.mem + BUFS_OFF + frame * 4096;
}

/** Map some page at some address. PAGES: none is free. */
static uint32_t
map(void)
{
	uint32_t page = below(PAGES), frame = below(FRAMES), i;

	for (i = 0; i < PAGES && (g.frame_of[page] < FRAMES || g.resting[page]); i++)
		page = (page + 1) % PAGES;
	if (i == PAGES)
		return PAGES;
	while (g.busy[frame])
		frame = (frame + 1) % FRAMES;
	g.busy[frame] = true;
	g.frame_of[page] = frame;
	return page;
}

static void
unmap(uint32_t page)
{
	uint32_t frame = g.frame_of[page];
	uint32_t *p = (uint32_t *)memory(frame), i;

	g.frame_of[page] = FRAMES;
	g.busy[frame] = false;
	for (i = 0; i < 1024; i++)
		p[i] = STALE;
	if (g.teller == TELLS_PAGES)
		invalidate(BUF_IOVA + page * 4096ull, 4096);
	g.resting[page] = g.teller == TELLS_EVERYTHING;
}

static void
guest_adds(uint32_t q)
{
	uint32_t page = map();
	struct vqd_buf buf = {BUF_IOVA + page * 4096ull + 128, FRAME_LEN};
	const struct vqd_chain chain = {.buf = &buf,
					.nout = q == 1,
					.nin = q == 0,
					.user_data = page};
	uint32_t number;
	uint8_t *p;

	if (page == PAGES)
		return;
	p = memory(g.frame_of[page]) + 128;
	memset(p, 0, FRAME_LEN);
	if (q == 1) {
		number = g.sent++;
		memcpy(p + 40, &number, sizeof(number));
	}
	assert_int_equal(vqd_add(&g.drv[q], &chain), 0);
	vqd_publish(&g.drv[q]);
}

static void
guest_takes_back(uint32_t q)
{
	uint64_t page;
	uint32_t len, seq;

	while (vqd_get(&g.drv[q], &page, &len)) {
		if (q == 0) {
			memcpy(&seq, memory(g.frame_of[page]) + 128 + 40, 4);
			assert_int_equal(seq, g.checked);
			g.checked++;
		}
		unmap((uint32_t)page);
	}
}

/* The device wrote nowhere else. */
static void
check_stale(void)
{
	uint32_t i, k;

	for (i = 0; i < FRAMES; i++)
		for (k = 0; k < 1024 && !g.busy[i]; k++)
			assert_int_equal(((uint32_t *)memory(i))[k], STALE);
}

/* --- the worker --- */

static void
device_takes(void)
{
	static struct pkt_batch batch;
	struct pktq *q = &o.d->q[1].vq->q;
	uint32_t seq;
	uint16_t i;

	memset(&batch, 0, offsetof(struct pkt_batch, pkt));
	batch.max = 8;
	if (atomic_load(&q->waits) || pktq_ops(q)->rx(q, &batch) == 0)
		return;
	assert_int_equal(batch.n, batch.ndone);
	for (i = 0; i < batch.n; i++) {
		memcpy(&seq, batch.pkt[i].data + 40 - 12, 4);
		assert_int_equal(seq, g.taken);
		g.taken++;
	}
	pktq_ops(q)->rx_done(q, &batch);
}

static void
device_writes(void)
{
	uint8_t bytes[FRAME_LEN - 12] = {0};
	struct pkt p = {.data = bytes, .len = sizeof(bytes), .data_len = sizeof(bytes), .nsegs = 1};
	struct pkt *list = &p;
	struct pktq *q = &o.d->q[0].vq->q;

	memcpy(bytes + 40 - 12, &g.wrote, 4);
	if (!atomic_load(&q->waits))
		g.wrote += pktq_ops(q)->tx(q, &list, 1);
}

/* --- any order of all that --- */

static void
step(void)
{
	uint32_t q = below(2);

	switch (below(8)) {
	case 0:
	case 1:
		guest_adds(q);
		break;
	case 2:
		guest_takes_back(q);
		break;
	case 3:
		device_takes();
		break;
	case 4:
		device_writes();
		break;
	case 5:
		vdev_attention(o.d);
		break;
	case 6:
		look_up();
		break;
	default:
		deliver();
	}
	if (g.teller == TELLS_EVERYTHING && below(100) == 0)
		flush();
	if (below(500) == 0) /* time passes */
		iotlb_requests_again(o.d);
}

static void
start_ring(uint32_t i, uint64_t features)
{
	uint64_t at = RING_IOVA + i * RING_STEP;

	vdev_vq_set_num(o.d, i, SIZE);
	owner_set_base(&o, i, features & F(RING_PACKED) ? 0x80008000u : 0);
	vdev_vq_set_addr(o.d, i, at, at + RING_DRIVER_OFF, at + RING_DEVICE_OFF, 0, 0);
	owner_kick(&o, i, -1);
	vdev_vq_set_enable(o.d, i, true);
	owner_driver(&o, i, SIZE, &g.drv[i]);
	vdev_sync(o.d);
}

static void
start(enum teller teller, uint64_t features)
{
	uint32_t i;

	owner_init(&o, NULL);
	o.transport.ops = &asks;
	memset(&g, 0, sizeof(g));
	g.teller = teller;
	g.rand = teller + 1;
	for (i = 0; i < PAGES; i++)
		g.frame_of[i] = FRAMES;
	for (i = 0; i < FRAMES * 1024; i++)
		((uint32_t *)memory(0))[i] = STALE;
	assert_int_equal(vdev_set_features(o.d, features), 0);
	owner_give_memory(&o);
	start_ring(0, features);
	start_ring(1, features);
	while (!vdev_vq_running(o.d, 0) || !vdev_vq_running(o.d, 1)) {
		look_up();
		deliver();
	}
}

static void
run(enum teller teller, uint64_t features)
{
	uint32_t i;

	start(teller, features);
	for (i = 0; i < 60000; i++)
		step();
	check_stale();
	print_message("teller %d: %u frames sent, %u received\n", teller, g.taken, g.checked);
	assert_true(g.taken > 500);
	assert_true(g.checked > 500);
	vqd_fini(&g.drv[0]);
	vqd_fini(&g.drv[1]);
	owner_fini(&o);
}

static void
test_wrong_translation_is_never_used(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < TELLERS; i++) {
		run(i, MODERN);
		run(i, MODERN | F(RING_PACKED));
	}
}

/*
 * A front-end waits for our answer with its guest. Nothing that workers may still find is wrong
 * after a translation is added, so they are waited for once for many; before the answer to one that
 * is changed, narrowed or taken back each time.
 */
static void
test_added_translations_wait_for_no_worker(void **state)
{
	const struct iotlb_entry read_only = {BUF_IOVA, 4096, OWNER_UVA + BUFS_OFF, IOTLB_RO, 0};
	unsigned int before;
	uint32_t i;

	(void)state;
	start(TELLS_PAGES, MODERN);
	flush();
	before = o.graces;
	for (i = 0; i < 4 * VDEV_RETIRED_MAX; i++)
		say(BUF_IOVA + i * 4096ull, OWNER_UVA + BUFS_OFF + i * 4096ull, 4096);
	assert_in_range(o.graces - before, 1, 4);
	before = o.graces;
	say(BUF_IOVA, OWNER_UVA + BUFS_OFF, 8192); /* as it is */
	assert_in_range(o.graces - before, 0, 1);
	before = o.graces;
	assert_int_equal(vdev_iotlb_update(o.d, &read_only), 0);
	assert_int_equal(o.graces, before + 1);
	say(BUF_IOVA, OWNER_UVA + BUFS_OFF + 4096, 4096);
	assert_int_equal(o.graces, before + 2);
	assert_int_equal(vdev_iotlb_invalidate(o.d, BUF_IOVA, 4096), 0);
	assert_int_equal(o.graces, before + 3);
	assert_int_equal(o.d->nretired, 0);
	vqd_fini(&g.drv[0]);
	vqd_fini(&g.drv[1]);
	owner_fini(&o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrong_translation_is_never_used),
		cmocka_unit_test(test_added_translations_wait_for_no_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
