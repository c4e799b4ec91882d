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
	assert_int_equal(o.misses, 1);
	assert_int_equal(o.miss_iova, IOVA);
	assert_non_null(strstr(o.d->q[1].why, "translation"));
	vdev_sync(o.d);
	assert_int_equal(o.misses, 1);
	translate(IOVA, 4096, RING_AT(1));
	assert_int_equal(o.miss_iova, IOVA + 0x10000);
	translate(IOVA + 0x10000, 4096, RING_AT(1) + RING_DRIVER_OFF);
	assert_int_equal(o.miss_iova, IOVA + 0x20000);
	assert_null(o.rx[0]);
	translate(IOVA + 0x20000, 4096, RING_AT(1) + RING_DEVICE_OFF);
	assert_non_null(o.rx[0]);
	assert_int_equal(o.misses, 3);
}

/* Each area may come in pieces as long as they end up next to each other. */
static void
test_iommu_ring_in_pieces(void **state)
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
	assert_non_null(strstr(o.d->q[1].why, "inside guest memory"));
}

static void
test_iommu_invalidate(void **state)
{
	unsigned int published;

	start_iommu_ring();
	translate(IOVA, 0x30000, RING_AT(1));
	translate(0x900000, 4096, 0x300000);
	assert_non_null(o.rx[0]);
	published = o.publishes;
	assert_int_equal(vdev_iotlb_invalidate(o.d, 0x900000, 4096), 0);
	vdev_sync(o.d);
	assert_int_equal(o.publishes, published);
	assert_int_equal(vdev_iotlb_invalidate(o.d, IOVA + 0x20000, 4096), 0);
	assert_null(o.rx[0]); /* gone before the invalidation is acknowledged */
	vdev_sync(o.d);
	assert_null(o.rx[0]);
	assert_int_equal(o.miss_iova, IOVA + 0x20000);
	translate(IOVA + 0x20000, 4096, RING_AT(1) + RING_DEVICE_OFF);
	assert_non_null(o.rx[0]);
	assert_int_equal(vdev_iotlb_invalidate(o.d, 0, 0), -EINVAL);
	assert_int_equal(vdev_iotlb_invalidate(o.d, UINT64_MAX, 2), -EINVAL);
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
	assert_int_equal(o.d->counters.iotlb_misses, 1 + 1);
	/*
	 * taken back by a change of translations before control came to it: look again, ask nothing
	 */
	atomic_store(&vq->q.waits, true);
	atomic_store(&vq->attention, VQ_ATTN_MISS);
	vq->host->attention(vq->host, vq);
	ev_run_once(o.loop, 0);
	assert_int_equal(o.misses, 1 + 1);
	assert_false(atomic_load(&vq->q.waits));
	assert_int_equal(o.wakes, 2);
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

/* The frontend says nothing about what the guest has not mapped yet, or for less than we need. */
static void
test_iommu_asks_again(void **state)
{
	static const struct vq_miss m = {0x777000, 1, IOTLB_WO};
	const struct iotlb_entry read_only = {0x777000, 4096, OWNER_UVA, IOTLB_RO};
	unsigned int before;

	start_iommu_ring();
	assert_int_equal(o.misses, 1);
	ask_again(o.d);
	assert_int_equal(o.misses, 1);
	ask_again(o.d);
	assert_int_equal(o.misses, 2); /* the ring still wants to start */
	translate(IOVA, 0x30000, RING_AT(1));
	assert_non_null(o.rx[0]);

	before = o.misses;
	miss(&m, 1, 1);
	assert_int_equal(vdev_iotlb_update(o.d, &read_only), 0);
	assert_true(waiting());
	ask_again(o.d);
	assert_true(waiting());
	assert_int_equal(o.misses, before + 1);
	ask_again(o.d);
	assert_false(waiting());
	assert_int_equal(o.wakes, 1);
	miss(&m, 1, 1);
	assert_int_equal(o.misses, before + 2);
}

/* A frontend that does not keep up is asked for the rest when it has answered something. */
static void
test_iommu_asks_are_bounded(void **state)
{
	static const struct vq_miss many = {0x1000000, (VDEV_ASKS_MAX + 2) * 4096, IOTLB_WO};
	static const struct vq_miss m = {0x777000, 1, IOTLB_WO};
	unsigned int before;

	start_iommu_ring();
	translate(IOVA, 0x30000, RING_AT(1));
	before = o.misses;
	miss(&many, 1, 1);
	assert_int_equal(o.misses, before + VDEV_ASKS_MAX);
	translate(0x1000000, 4096, 0x300000);
	assert_int_equal(o.misses, before + VDEV_ASKS_MAX + 1);
	translate(0x1001000, VDEV_ASKS_MAX * 4096, 0x200000);
	assert_int_equal(o.misses, before + VDEV_ASKS_MAX + 2);
	translate(0x1081000, 4096, 0x300000);
	assert_false(waiting());

	o.deaf = true;
	miss(&m, 1, 1);
	o.deaf = false;
	assert_int_equal(o.misses, before + VDEV_ASKS_MAX + 2);
	translate(0x888000, 4096, 0x300000);
	assert_int_equal(o.misses, before + VDEV_ASKS_MAX + 3);
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
		T(iommu_ring_in_pieces),
		T(iommu_invalidate),
		T(iommu_remap_moves_the_ring),
		T(iommu_miss_of_a_worker),
		T(iommu_asks_once),
		T(iommu_asks_again),
		T(iommu_asks_are_bounded),
		T(iommu_only_if_negotiated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
