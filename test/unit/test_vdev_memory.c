/* SPDX-License-Identifier: BSD-3-Clause */
/* The device model: memory, dirty log and translations change under running queues. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "owner.h"
#include "vdev/ring.h"

#define MODERN (F(VERSION_1) | F(PROTOCOL_FEATURES))
#define SIZE 256

static struct owner o;

static int
setup(void **state)
{
	owner_init(&o, NULL);
	return 0;
}

static int
teardown(void **state)
{
	owner_fini(&o);
	return 0;
}

static const char *
why(void)
{
	static char buf[160];

	return vdev_why(o.d, buf, sizeof(buf));
}

/* --- memory --- */

static int
give(uint64_t offset, uint64_t size)
{
	const struct gmem_desc d = owner_region(offset, size);
	const char *reason;
	struct gmem *m = gmem_new(), *n;

	n = gmem_add(o.d->gmem != NULL ? o.d->gmem : m, &d, o.memfd, &o.d->fault, &reason);
	gmem_put(m);
	assert_non_null(n);
	return vdev_set_mem(o.d, n);
}

static int
take(uint64_t offset, uint64_t size)
{
	const struct gmem_desc d = owner_region(offset, size);
	struct gmem *n = gmem_remove(o.d->gmem, &d);

	assert_non_null(n);
	return vdev_set_mem(o.d, n);
}

/* Slots come and go under a running ring; only losing its own memory stops it, for a while. */
static void
test_memory_slots(void **state)
{
	unsigned int published, graces;
	struct vqd drv;

	assert_int_equal(vdev_set_features(o.d, MODERN), 0);
	assert_int_equal(give(0, 0x80000), 0);
	owner_start_ring(&o, 0, SIZE, 0);
	owner_start_ring(&o, 1, SIZE, 0);
	published = o.publishes;
	graces = o.graces;
	assert_int_equal(give(0x200000, 0x200000), 0);
	vdev_sync(o.d);
	assert_int_equal(o.publishes, published);
	assert_int_equal(o.graces, graces + 1);
	assert_ptr_equal(atomic_load(&o.rx[0]->mem)->gmem, o.d->gmem);
	owner_driver(&o, 1, SIZE, &drv);
	assert_int_equal(owner_transmit(&o, 0, &drv), 1);

	assert_int_equal(take(0, 0x80000), 0);
	vdev_sync(o.d);
	assert_null(o.rx[0]);
	assert_null(o.tx[0]);
	assert_non_null(strstr(why(), "inside guest memory"));
	assert_int_equal(give(0, 0x80000), 0);
	vdev_sync(o.d);
	assert_non_null(o.rx[0]);
	assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	vqd_fini(&drv);
}

static void
test_new_table_moves_rings(void **state)
{
	struct vqd drv;

	owner_start(&o, MODERN, SIZE);
	owner_driver(&o, 1, SIZE, &drv);
	assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	owner_give_memory(&o);
	assert_non_null(o.rx[0]);
	assert_ptr_equal(o.rx[0]->desc, o.d->gmem->r[0].hva + RING_AT(1));
	assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	vqd_fini(&drv);
}

static void
test_dirty_log_changes_live(void **state)
{
	int fd = memfd_create("log", MFD_CLOEXEC);
	unsigned int published, i;
	const char *reason;
	struct dirty *log;
	struct vqd drv;

	assert_int_equal(ftruncate(fd, 0x100000), 0);
	owner_start(&o, MODERN, SIZE);
	owner_driver(&o, 1, SIZE, &drv);
	published = o.publishes;
	for (i = 0; i < 100; i++) {
		log = dirty_new(fd, 0, 0x100000, &o.d->fault, &reason);
		assert_non_null(log);
		assert_int_equal(vdev_set_log(o.d, log), 0);
		assert_null(atomic_load(&o.rx[0]->mem)->log);
		assert_int_equal(vdev_set_features(o.d, MODERN | F(LOG_ALL)), 0);
		assert_ptr_equal(atomic_load(&o.rx[0]->mem)->log, log);
		assert_int_equal(owner_transmit(&o, 0, &drv), 1);
		assert_int_equal(vdev_set_features(o.d, MODERN), 0);
		assert_null(atomic_load(&o.rx[0]->mem)->log);
		assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	}
	vdev_sync(o.d);
	assert_int_equal(o.publishes, published);
	vqd_fini(&drv);
	close(fd);
}

/* --- IOMMU --- */

#define IOVA 0x10000ull
#define WITH_IOMMU (MODERN | F(ACCESS_PLATFORM))

static void
translate(uint64_t iova, uint64_t size, uint64_t offset)
{
	const struct iotlb_entry e = {iova, size, OWNER_UVA + offset, IOTLB_RW};

	assert_int_equal(vdev_iotlb_update(o.d, &e), 0);
	vdev_sync(o.d);
}

static void
start_iommu_ring(void)
{
	assert_int_equal(vdev_set_features(o.d, WITH_IOMMU), 0);
	owner_give_memory(&o);
	assert_int_equal(vdev_vq_set_num(o.d, 1, SIZE), 0);
	assert_int_equal(vdev_vq_set_addr(o.d, 1, IOVA, IOVA + 0x10000, IOVA + 0x20000, 0, 0), 0);
	assert_int_equal(owner_kick(&o, 1, -1), 0);
	vdev_sync(o.d);
}

static void
test_iommu_start_is_deferred(void **state)
{
	start_iommu_ring();
	assert_null(o.rx[0]);
	assert_int_equal(o.misses, 3); /* all areas at once */
	assert_int_equal(o.miss_iova, IOVA);
	assert_non_null(strstr(o.d->q[1].why, "translation"));
	vdev_sync(o.d);
	assert_int_equal(o.misses, 3);
	translate(IOVA, 4096, RING_AT(1));
	translate(IOVA + 0x10000, 4096, RING_AT(1) + RING_DRIVER_OFF);
	assert_null(o.rx[0]);
	translate(IOVA + 0x20000, 4096, RING_AT(1) + RING_DEVICE_OFF);
	assert_non_null(o.rx[0]);
	assert_int_equal(o.misses, 3);
}

/* Segments of any size that end up next to each other are fine, others have to be whole pages. */
static void
test_iommu_ring_in_segments(void **state)
{
	start_iommu_ring();
	translate(IOVA, 1024, RING_AT(1));
	translate(IOVA + 1024, 0x30000, RING_AT(1) + 1024);
	assert_non_null(o.rx[0]);
	vdev_reset(o.d);
	start_iommu_ring();
	translate(IOVA, 1024, RING_AT(1));
	translate(IOVA + 1024, 0x30000, RING_AT(1) + 2048);
	assert_null(o.rx[0]);
	assert_non_null(strstr(o.d->q[1].why, "whole pages"));
}

/*
 * A guest whose I/O virtual pages are anywhere in its memory, which it sees in
 * the order of their addresses, at o.mem.
 */
#define APART_LEN 0x40000u
#define APART_PAGES (APART_LEN / 4096)

static uint64_t
apart_offset(uint32_t page, uint32_t shift)
{
	/* 37 has no factor in common with the number of pages */
	return RING_AT(1) + (page * 37 + shift) % APART_PAGES * 4096ull;
}

static void
apart_view(uint32_t shift)
{
	uint32_t i;

	for (i = 0; i < APART_PAGES; i++)
		assert_ptr_not_equal(mmap(o.mem + RING_AT(1) + i * 4096ull, 4096,
					  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, o.memfd,
					  (off_t)apart_offset(i, shift)),
				     MAP_FAILED);
}

static void
apart_translate(uint32_t shift)
{
	uint32_t i;

	for (i = 0; i < APART_PAGES; i++)
		translate(IOVA + i * 4096ull, 4096, apart_offset(i, shift));
	translate(OWNER_GPA, OWNER_MEM, 0);
}

/** Everything queue 1 needs but translations. */
static void
apart_start(uint64_t features, uint32_t size)
{
	bool packed = features & F(RING_PACKED);

	assert_int_equal(vdev_set_features(o.d, features), 0);
	owner_give_memory(&o);
	assert_int_equal(vdev_vq_set_num(o.d, 1, size), 0);
	assert_int_equal(owner_set_base(&o, 1, packed ? 0x80008000u : 0), 0);
	assert_int_equal(vdev_vq_set_addr(o.d, 1, IOVA, IOVA + RING_DRIVER_OFF,
					  IOVA + RING_DEVICE_OFF, 0, 0),
			 0);
	assert_int_equal(owner_kick(&o, 1, -1), 0);
	vdev_sync(o.d);
}

static void
apart_check(uint64_t features, uint32_t size)
{
	struct vqd drv;
	uint32_t i;

	apart_view(0);
	apart_start(features, size);
	owner_driver(&o, 1, size, &drv);
	assert_null(o.rx[0]);
	apart_translate(0);
	assert_non_null(o.rx[0]);
	for (i = 0; i < 3 * size + 7; i++)
		assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	vqd_fini(&drv);
	vdev_reset(o.d);
	vdev_sync(o.d);
	assert_null(o.rx[0]);
}

static void
test_iommu_ring_pages_apart(void **state)
{
	static const uint32_t sizes[] = {256, 512, 1024, 4096};
	uint32_t i;

	for (i = 0; i < RTE_DIM(sizes); i++) {
		apart_check(WITH_IOMMU, sizes[i]);
		apart_check(WITH_IOMMU | F(RING_PACKED), sizes[i]);
	}
}

/* Only what the device wrote is dirty, by guest-physical page. */
static void
test_iommu_ring_pages_apart_logged(void **state)
{
	static uint8_t bits[0x200000 / 8];
	const uint64_t features = WITH_IOMMU | F(LOG_ALL);
	int fd = memfd_create("log", MFD_CLOEXEC);
	const uint32_t size = 1024;
	const char *reason;
	struct vqd drv;
	uint32_t i, n = 0;

	assert_int_equal(ftruncate(fd, sizeof(bits)), 0);
	apart_view(0);
	apart_start(features, size);
	assert_int_equal(vdev_vq_set_addr(o.d, 1, IOVA, IOVA + RING_DRIVER_OFF,
					  IOVA + RING_DEVICE_OFF, 0, VDEV_ADDR_F_LOG),
			 0);
	assert_int_equal(vdev_set_log(o.d, dirty_new(fd, 0, sizeof(bits), &o.d->fault, &reason)),
			 0);
	owner_driver(&o, 1, size, &drv);
	apart_translate(0);
	for (i = 0; i < size; i++)
		assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	assert_int_equal(pread(fd, bits, sizeof(bits), 0), sizeof(bits));
	for (i = 0; i < 3; i++) {
		uint64_t gpa = OWNER_GPA + apart_offset((RING_DEVICE_OFF >> 12) + i, 0);

		assert_true(bits[gpa / 4096 / 8] & 1u << gpa / 4096 % 8);
	}
	for (i = 0; i < sizeof(bits); i++)
		n += (uint32_t)__builtin_popcount(bits[i]);
	assert_int_equal(n, 3); /* used elements of 8 KiB, and the words before and behind */
	vqd_fini(&drv);
	close(fd);
}

static void
take_back(uint64_t iova, uint64_t size)
{
	assert_int_equal(vdev_iotlb_invalidate(o.d, iova, size), 0);
}

/** A worker of queue 1 misses these stretches, and can do nothing without the first @p need. */
static void
miss(const struct vq_miss *m, uint32_t n, uint32_t need)
{
	struct vq *vq = o.d->q[1].vq;

	memcpy(vq->miss, m, n * sizeof(*m));
	vq->miss_need = need;
	atomic_store(&vq->misses, n);
	atomic_store(&vq->q.waits, true);
	atomic_store(&vq->attention, VQ_ATTN_MISS);
	vdev_attention(o.d);
}

static bool
waiting(void)
{
	return atomic_load(&o.d->q[1].vq->q.waits);
}

/* A running ring that loses a page of its own is not touched until the page is back. */
static void
test_iommu_invalidate(void **state)
{
	unsigned int published, asked;
	struct vqd drv;
	struct vq *vq;

	start_iommu_ring();
	translate(IOVA, 0x30000, RING_AT(1));
	translate(0x900000, 4096, 0x300000);
	vq = o.rx[0];
	assert_non_null(vq);
	owner_driver(&o, 1, SIZE, &drv);
	published = o.publishes;
	take_back(0x900000, 4096);
	vdev_sync(o.d);
	assert_false(vq->suspended);
	asked = o.misses;
	take_back(IOVA + 0x20000, 4096);
	assert_true(vq->suspended); /* before the invalidation is acknowledged */
	assert_int_equal(owner_transmit(&o, 0, &drv), 0);
	vdev_sync(o.d);
	assert_ptr_equal(o.rx[0], vq);
	assert_int_equal(o.misses, asked + 1);
	assert_int_equal(o.miss_iova, IOVA + 0x20000);
	translate(OWNER_GPA, OWNER_MEM, 0);
	assert_true(vq->suspended);
	translate(IOVA + 0x20000, 4096, RING_AT(1) + RING_DEVICE_OFF);
	assert_false(vq->suspended);
	assert_int_equal(o.publishes, published);
	assert_int_equal(owner_transmit(&o, 0, &drv), 2); /* the one that came meanwhile, too */
	vqd_fini(&drv);
}

/* A miss answered meanwhile does not let a suspended queue go on, nor hide that it waits. */
static void
test_iommu_answer_while_suspended(void **state)
{
	static const struct vq_miss m = {0x777000, 1, IOTLB_RO};
	unsigned int wakes;

	start_iommu_ring();
	translate(IOVA, 0x30000, RING_AT(1));
	miss(&m, 1, 1);
	take_back(IOVA, 4096);
	translate(0x777000, 4096, 0x300000);
	assert_true(waiting());
	wakes = o.wakes;
	translate(IOVA, 4096, RING_AT(1));
	assert_false(waiting());
	assert_int_equal(o.wakes, wakes + 1);
}

/* Everything at once: as front-ends say it, in two halves, as size 0, or with an end that wraps. */
static void
test_iommu_invalidate_everything(void **state)
{
	static const struct {
		uint64_t iova, size;
	} flush[] = {{0, 0}, {1, UINT64_MAX}, {4096, 0}, {0x8000, UINT64_MAX - 1}};
	uint32_t i;

	start_iommu_ring();
	for (i = 0; i < RTE_DIM(flush); i++) {
		translate(IOVA, 0x30000, RING_AT(1));
		translate(UINT64_MAX - 4095, 4096, 0);
		assert_false(o.rx[0]->suspended);
		take_back(flush[i].iova, flush[i].size);
		assert_true(o.rx[0]->suspended);
		assert_int_equal(o.d->tlb->n, 0);
		vdev_sync(o.d);
	}
}

/* A ring that comes back elsewhere is another one; one that is given up meanwhile stays so. */
static void
test_iommu_suspended_ring_moves_or_stops(void **state)
{
	struct vq_state at;

	start_iommu_ring();
	translate(IOVA, 0x30000, RING_AT(1));
	take_back(0, 0);
	vdev_sync(o.d);
	assert_true(o.rx[0]->suspended);
	translate(IOVA, 0x30000, RING_AT(3));
	assert_false(o.rx[0]->suspended);
	assert_ptr_equal(o.rx[0]->desc, o.d->gmem->r[0].hva + RING_AT(3));
	take_back(0, 0);
	vdev_pause(o.d);
	assert_int_equal(vdev_vq_stop(o.d, 1, &at), 0);
	vdev_sync(o.d);
	assert_null(o.rx[0]);
	translate(IOVA, 0x30000, RING_AT(3));
	assert_null(o.rx[0]);
}

static void
test_iommu_remap_moves_the_ring(void **state)
{
	start_iommu_ring();
	translate(IOVA, 0x30000, RING_AT(1));
	assert_non_null(o.rx[0]);
	translate(IOVA, 0x30000, RING_AT(3));
	assert_non_null(o.rx[0]);
	assert_ptr_equal(o.rx[0]->desc, o.d->gmem->r[0].hva + RING_AT(3));
}

static void
test_iommu_miss_of_a_worker(void **state)
{
	struct vq *vq;

	start_iommu_ring();
	translate(IOVA, 0x30000, RING_AT(1));
	vq = o.rx[0];
	vq->miss[0] = (struct vq_miss){0x777000, 1, IOTLB_WO};
	vq->miss_need = 1;
	atomic_store(&vq->misses, 1);
	atomic_store(&vq->q.waits, true);
	atomic_store(&vq->attention, VQ_ATTN_MISS);
	vq->host->attention(vq->host, vq);
	vq->host->attention(vq->host, vq);
	ev_run_once(o.loop, 0);
	assert_int_equal(o.miss_iova, 0x777000);
	assert_int_equal(o.miss_perm, IOTLB_WO);
	translate(0x777000, 4096, 0x300000);
	assert_int_equal(atomic_load(&vq->misses), 0);
	assert_false(atomic_load(&vq->q.waits));
	assert_int_equal(o.wakes, 1);
	translate(0x888000, 4096, 0x300000);
	assert_int_equal(o.wakes, 1); /* no queue waited */
	assert_int_equal(o.d->counters.iotlb_misses, 3 + 1);
	/*
	 * taken back by a change of translations before control came to it: look again, ask nothing
	 */
	atomic_store(&vq->q.waits, true);
	atomic_store(&vq->attention, VQ_ATTN_MISS);
	vq->host->attention(vq->host, vq);
	ev_run_once(o.loop, 0);
	assert_int_equal(o.misses, 3 + 1);
	assert_false(atomic_load(&vq->q.waits));
	assert_int_equal(o.wakes, 2);
}

/* No translation is asked for twice, and only answers that matter let a queue go on. */
static void
test_iommu_asks_once(void **state)
{
	static const struct vq_miss m[] = {
		{0x777800, 0x2000, IOTLB_WO}, /* three pages */
		{0x900000, 1, IOTLB_RO},
	};
	unsigned int before;

	start_iommu_ring();
	translate(IOVA, 0x30000, RING_AT(1));
	before = o.misses;
	miss(m, 2, 1);
	assert_int_equal(o.misses, before + 4);
	assert_int_equal(o.miss_iova, 0x900000);
	miss(m, 2, 1);
	assert_int_equal(o.misses, before + 4);
	translate(0x777000, 4096, 0x300000);
	translate(0x888000, 4096, 0x300000); /* no queue waits for that */
	translate(0x778000, 4096, 0x301000);
	assert_true(waiting());
	assert_int_equal(o.wakes, 0);
	translate(0x779000, 4096, 0x302000);
	assert_false(waiting());
	assert_int_equal(o.wakes, 1);
	assert_int_equal(o.misses, before + 4);
	/* it comes to the next chain before its answer does */
	miss(&m[1], 1, 1);
	assert_int_equal(o.misses, before + 4);
	translate(0x900000, 4096, 0x303000);
	assert_false(waiting());
	/* revoked, it is asked for anew */
	assert_int_equal(vdev_iotlb_invalidate(o.d, 0x900000, 4096), 0);
	miss(&m[1], 1, 1);
	assert_int_equal(o.misses, before + 5);
}

/* The front-end says nothing about what the guest has not mapped yet, or for less than we need. */
static void
test_iommu_asks_again(void **state)
{
	static const struct vq_miss m = {0x777000, 1, IOTLB_WO};
	const struct iotlb_entry read_only = {0x777000, 4096, OWNER_UVA, IOTLB_RO};
	unsigned int before;

	start_iommu_ring();
	assert_int_equal(o.misses, 3);
	iotlb_requests_again(o.d);
	assert_int_equal(o.misses, 3);
	iotlb_requests_again(o.d);
	assert_int_equal(o.misses, 6); /* the ring still wants to start */
	translate(IOVA, 0x30000, RING_AT(1));
	assert_non_null(o.rx[0]);

	before = o.misses;
	miss(&m, 1, 1);
	assert_int_equal(vdev_iotlb_update(o.d, &read_only), 0);
	assert_true(waiting());
	iotlb_requests_again(o.d);
	assert_true(waiting());
	assert_int_equal(o.misses, before + 1);
	iotlb_requests_again(o.d);
	assert_false(waiting());
	assert_int_equal(o.wakes, 1);
	miss(&m, 1, 1);
	assert_int_equal(o.misses, before + 2);
}

/* A front-end that does not keep up is asked for the rest when it has answered something. */
static void
test_iommu_asks_are_bounded(void **state)
{
	static const struct vq_miss many = {0x1000000, (VDEV_IOTLB_REQUESTS_MAX + 2) * 4096,
					    IOTLB_WO};
	static const struct vq_miss m = {0x777000, 1, IOTLB_WO};
	unsigned int before;

	start_iommu_ring();
	translate(IOVA, 0x30000, RING_AT(1));
	before = o.misses;
	miss(&many, 1, 1);
	assert_int_equal(o.misses, before + VDEV_IOTLB_REQUESTS_MAX);
	translate(0x1000000, 4096, 0x300000);
	assert_int_equal(o.misses, before + VDEV_IOTLB_REQUESTS_MAX + 1);
	translate(0x1001000, VDEV_IOTLB_REQUESTS_MAX * 4096, 0x200000);
	assert_int_equal(o.misses, before + VDEV_IOTLB_REQUESTS_MAX + 2);
	translate(0x1081000, 4096, 0x300000);
	assert_false(waiting());

	o.deaf = true;
	miss(&m, 1, 1);
	o.deaf = false;
	assert_int_equal(o.misses, before + VDEV_IOTLB_REQUESTS_MAX + 2);
	translate(0x888000, 4096, 0x300000);
	assert_int_equal(o.misses, before + VDEV_IOTLB_REQUESTS_MAX + 3);
	assert_int_equal(o.miss_iova, 0x777000);
}

static void
test_iommu_only_if_negotiated(void **state)
{
	const struct iotlb_entry e = {0, 4096, OWNER_UVA, IOTLB_RW};

	owner_start(&o, MODERN, SIZE);
	assert_int_equal(vdev_iotlb_update(o.d, &e), -ENOTSUP);
	assert_int_equal(vdev_iotlb_invalidate(o.d, 0, 4096), -ENOTSUP);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(memory_slots),
		T(new_table_moves_rings),
		T(dirty_log_changes_live),
		T(iommu_start_is_deferred),
		T(iommu_ring_in_segments),
		T(iommu_ring_pages_apart),
		T(iommu_ring_pages_apart_logged),
		T(iommu_invalidate),
		T(iommu_answer_while_suspended),
		T(iommu_invalidate_everything),
		T(iommu_suspended_ring_moves_or_stops),
		T(iommu_remap_moves_the_ring),
		T(iommu_miss_of_a_worker),
		T(iommu_asks_once),
		T(iommu_asks_again),
		T(iommu_asks_are_bounded),
		T(iommu_only_if_negotiated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
