/* SPDX-License-Identifier: BSD-3-Clause */
/* The device model: which facts make a queue run, and what stops it. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "owner.h"

#define MODERN (F(VERSION_1) | F(PROTOCOL_FEATURES))
#define PACKED (MODERN | F(RING_PACKED))
#define PACKED_FRESH 0x80008000u
#define NEEDS_RESET 0x40
#define FEATURES_OK 0x08
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

static bool
signalled(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static bool
is_open(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) >= 0 && !(p.revents & POLLNVAL);
}

/* --- starting --- */

static void
fact_mem(void)
{
	owner_give_memory(&o);
}

static void
fact_num(void)
{
	assert_int_equal(vdev_vq_set_num(o.d, 1, SIZE), 0);
}

static void
fact_addr(void)
{
	uint64_t at = OWNER_UVA + RING_AT(1);

	assert_int_equal(vdev_vq_set_addr(o.d, 1, at, at + RING_DRIVER_OFF, at + RING_DEVICE_OFF, 0,
					  0),
			 0);
}

static void
fact_kick(void)
{
	assert_int_equal(vdev_vq_set_kick(o.d, 1, -1), 0);
}

static void (*const fact[])(void) = {fact_mem, fact_num, fact_addr, fact_kick};

/* In whatever order the four facts come, the queue starts with the last one. */
static void
test_any_order(void **state)
{
	unsigned int order, i, rest, bit;

	for (order = 0; order < 4 * 3 * 2; order++) {
		unsigned int left = 0xf, pick = order;

		for (i = 4; i > 0; i--, pick /= i + 1) {
			rest = pick % i;
			for (bit = 0; !(left & (1u << bit)) || rest-- > 0; bit++)
				;
			left &= ~(1u << bit);
			assert_null(o.rx[0]);
			fact[bit]();
			vdev_sync(o.d);
		}
		assert_non_null(o.rx[0]);
		assert_true(o.rx_enabled[0]);
		vdev_disconnect(o.d);
		assert_null(o.rx[0]);
		vdev_connect(o.d, &owner_transport, NULL);
	}
}

static void
test_why_names_what_is_missing(void **state)
{
	static const char *const text[] = {"memory", "size", "addresses", "SET_VRING_KICK"};
	unsigned int i;

	assert_non_null(strstr(why(), "said nothing"));
	assert_int_equal(vdev_vq_set_enable(o.d, 0, true), 0);
	owner_start_ring(&o, 0, SIZE, 0);
	assert_non_null(strstr(why(), "memory"));
	assert_int_equal(vdev_vq_set_enable(o.d, 1, true), 0);
	for (i = 0; i < RTE_DIM(fact); i++) {
		vdev_sync(o.d);
		assert_non_null(strstr(why(), text[i]));
		fact[i]();
	}
	vdev_sync(o.d);
	assert_non_null(strstr(why(), "nothing:"));
	vdev_stop(o.d);
	assert_non_null(strstr(why(), "operator"));
	vdev_resume(o.d);
	vdev_disconnect(o.d);
	assert_non_null(strstr(why(), "no frontend"));
}

static void
test_no_such_queue(void **state)
{
	uint32_t beyond[] = {2 * OWNER_PAIRS, VDEV_QUEUES_MAX, UINT32_MAX}, base, i;

	for (i = 0; i < RTE_DIM(beyond); i++) {
		assert_int_equal(vdev_vq_set_num(o.d, beyond[i], 1), -EINVAL);
		assert_int_equal(vdev_vq_set_addr(o.d, beyond[i], 0, 0, 0, 0, 0), -EINVAL);
		assert_int_equal(vdev_vq_set_base(o.d, beyond[i], 0), -EINVAL);
		assert_int_equal(vdev_vq_get_base(o.d, beyond[i], &base), -EINVAL);
		assert_int_equal(vdev_vq_set_kick(o.d, beyond[i], -1), -EINVAL);
		assert_int_equal(vdev_vq_set_call(o.d, beyond[i], -1), -EINVAL);
		assert_int_equal(vdev_vq_set_err(o.d, beyond[i], -1), -EINVAL);
		assert_int_equal(vdev_vq_set_enable(o.d, beyond[i], true), -EINVAL);
		assert_int_equal(vdev_vq_set_endian(o.d, beyond[i], 0), -EINVAL);
		assert_false(vdev_vq_running(o.d, beyond[i]));
	}
	assert_int_equal(o.d->nqueues, 0);
}

/* Rings that must not start, each for its own reason. */
static void
test_bad_rings(void **state)
{
	const uint64_t end = OWNER_UVA + OWNER_MEM, at = OWNER_UVA;
	static const uint64_t split = MODERN, packed = PACKED;
	const struct {
		uint64_t features;
		uint32_t size;
		uint64_t desc, driver, device;
		uint32_t base;
		const char *why;
	} bad[] = {
		{split, 100, at, at + 0x10000, at + 0x20000, 0, "power of two"},
		{split, 256, end - 16 * 256 + 16, at, at + 0x20000, 0, "inside"},
		{split, 256, at, end - 256, at + 0x20000, 0, "inside"},
		{split, 256, at, at + 0x10000, end - 2048, 0, "inside"},
		{split, 256, at - 16, at + 0x10000, at + 0x20000, 0, "inside"},
		{split, 256, UINT64_MAX - 15, at + 0x10000, at + 0x20000, 0, "inside"},
		{split, 256, at + 8, at + 0x10000, at + 0x20000, 0, "aligned"},
		{split, 256, at, at + 0x10001, at + 0x20000, 0, "aligned"},
		{split, 256, at, at + 0x10000, at + 0x20002, 0, "aligned"},
		{packed, 256, at, at + 0x10002, at + 0x20000, PACKED_FRESH, "aligned"},
		{packed, 256, at, at + 0x10000, at + 0x20000, 0x80008100, "outside the ring"},
		{packed, 256, at, at + 0x10000, at + 0x20000, 0x81008000, "outside the ring"},
		{F(RING_PACKED), 256, at, at + 0x10000, at + 0x20000, PACKED_FRESH, "VERSION_1"},
	};
	size_t i;

	owner_give_memory(&o);
	for (i = 0; i < RTE_DIM(bad); i++) {
		assert_int_equal(vdev_set_features(o.d, bad[i].features), 0);
		owner_start_ring(&o, 1, bad[i].size, bad[i].base);
		vdev_pause(o.d);
		assert_int_equal(vdev_vq_set_addr(o.d, 1, bad[i].desc, bad[i].driver, bad[i].device,
						  0, 0),
				 0);
		assert_int_equal(vdev_vq_set_base(o.d, 1, bad[i].base), 0);
		vdev_sync(o.d);
		assert_null(o.rx[0]);
		assert_true(o.d->q[1].refused);
		if (strstr(o.d->q[1].why, bad[i].why) == NULL)
			fail_msg("ring %zu: \"%s\" does not say \"%s\"", i, o.d->q[1].why,
				 bad[i].why);
		vdev_reset(o.d);
	}
}

/* The last byte of the last ring area may be the last byte of memory. */
static void
test_ring_at_the_end(void **state)
{
	const uint64_t end = OWNER_UVA + OWNER_MEM;

	assert_int_equal(vdev_set_features(o.d, MODERN), 0);
	owner_give_memory(&o);
	assert_int_equal(vdev_vq_set_num(o.d, 1, 256), 0);
	assert_int_equal(vdev_vq_set_addr(o.d, 1, OWNER_UVA, end - 8192, end - 4 - 8 * 256, 0, 0),
			 0);
	assert_int_equal(vdev_vq_set_kick(o.d, 1, -1), 0);
	vdev_sync(o.d);
	assert_non_null(o.rx[0]);
}

static void
test_packed_any_size(void **state)
{
	owner_start(&o, PACKED, 100);
	assert_non_null(o.rx[0]);
	assert_int_equal(o.rx[0]->layout, VQ_PACKED);
}

/* Without F_PROTOCOL_FEATURES rings start enabled; with it they wait for SET_VRING_ENABLE. */
static void
test_enable(void **state)
{
	unsigned int published;

	owner_start(&o, F(VERSION_1), SIZE);
	vdev_disable(o.d);
	vdev_sync(o.d);
	assert_true(o.rx_enabled[0] && o.tx_enabled[0]);
	vdev_reset(o.d);
	owner_start(&o, MODERN, SIZE);
	published = o.publishes;
	assert_int_equal(vdev_vq_set_enable(o.d, 0, false), 0);
	vdev_sync(o.d);
	assert_int_equal(o.publishes, published + 1);
	assert_non_null(o.tx[0]);
	assert_false(o.tx_enabled[0]);
	assert_false(vdev_link_up(o.d));
	assert_non_null(strstr(why(), "disabled"));
	assert_int_equal(vdev_vq_set_enable(o.d, 0, true), 0);
	vdev_sync(o.d);
	assert_true(vdev_link_up(o.d));
	vdev_sync(o.d);
	assert_int_equal(o.publishes, published + 2);
}

/* Before anything else is known, as QEMU does. */
static void
test_enable_first(void **state)
{
	assert_int_equal(vdev_vq_set_enable(o.d, 0, true), 0);
	assert_int_equal(vdev_vq_set_enable(o.d, 1, true), 0);
	vdev_sync(o.d);
	assert_int_equal(vdev_set_features(o.d, MODERN), 0);
	fact_mem();
	fact_num();
	fact_addr();
	fact_kick();
	vdev_sync(o.d);
	assert_non_null(o.rx[0]);
	assert_true(o.rx_enabled[0]);
}

/* --- changing what runs --- */

static void
test_live_setters_need_a_pause(void **state)
{
	struct vqd drv;
	uint32_t base;

	owner_start(&o, MODERN, SIZE);
	owner_driver(&o, 1, SIZE, &drv);
	assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	assert_int_equal(vdev_vq_set_num(o.d, 1, 128), -EBUSY);
	assert_int_equal(vdev_vq_set_addr(o.d, 1, 0, 0, 0, 0, 0), -EBUSY);
	assert_int_equal(vdev_vq_set_base(o.d, 1, 7), -EBUSY);
	assert_int_equal(vdev_vq_get_base(o.d, 1, &base), -EBUSY);
	assert_int_equal(vdev_vq_set_kick(o.d, 1, -1), -EBUSY);
	assert_int_equal(vdev_set_mtu(o.d, 1500), -EBUSY);
	vdev_sync(o.d);
	assert_non_null(o.rx[0]);
	assert_int_equal(o.d->q[1].size, SIZE);
	assert_int_equal(owner_transmit(&o, 0, &drv), 1);

	vdev_pause(o.d);
	assert_null(o.rx[0]);
	assert_null(o.tx[0]);
	assert_null(vdev_rx_queue(o.d, 0, NULL));
	fact_addr();
	vdev_sync(o.d);
	assert_non_null(o.rx[0]);
	assert_non_null(o.tx[0]);
	assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	vqd_fini(&drv);
}

static void
test_pause_alone_changes_nothing(void **state)
{
	unsigned int published, starts;

	owner_start(&o, MODERN, SIZE);
	published = o.publishes;
	starts = o.d->counters.ring_starts;
	vdev_pause(o.d);
	vdev_pause(o.d);
	assert_int_equal(o.publishes, published + 1);
	vdev_sync(o.d);
	assert_int_equal(o.publishes, published + 2);
	assert_int_equal(o.d->counters.ring_starts, starts);
	assert_non_null(o.rx[0]);
}

static void
test_get_base_stops_one_ring(void **state)
{
	static const uint64_t features[] = {MODERN, PACKED};
	static const uint32_t fresh[] = {0, PACKED_FRESH}, after[] = {3, 0x80038003};
	uint32_t base, i, n;
	struct vqd drv;

	for (i = 0; i < RTE_DIM(features); i++) {
		owner_start(&o, features[i], SIZE);
		owner_driver(&o, 1, SIZE, &drv);
		for (n = 0; n < 3; n++)
			assert_int_equal(owner_transmit(&o, 0, &drv), 1);
		vdev_pause(o.d);
		assert_int_equal(vdev_vq_get_base(o.d, 1, &base), 0);
		vdev_sync(o.d);
		assert_int_equal(base, after[i]);
		assert_null(o.rx[0]);
		assert_non_null(o.tx[0]);
		assert_int_equal(vdev_vq_get_base(o.d, 1, &base), 0);
		assert_int_equal(base, after[i]);
		assert_int_equal(vdev_vq_set_base(o.d, 1, base), 0);
		vdev_sync(o.d);
		assert_null(o.rx[0]);
		fact_kick();
		vdev_sync(o.d);
		assert_int_equal(owner_transmit(&o, 0, &drv), 1);
		vqd_fini(&drv);
		assert_int_equal(fresh[i], i == 0 ? 0 : PACKED_FRESH);
		vdev_reset(o.d);
	}
}

/* A frontend that lost the ring's position and says 0: the used index knows better. */
static void
test_split_resumes_at_the_used_index(void **state)
{
	struct vqd drv;

	owner_start(&o, MODERN, SIZE);
	owner_driver(&o, 1, SIZE, &drv);
	assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	vdev_disconnect(o.d);
	vdev_connect(o.d, &owner_transport, NULL);
	owner_start(&o, MODERN, SIZE);
	assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	vqd_fini(&drv);
}

static void
test_call_changes_live(void **state)
{
	int one = eventfd(0, EFD_NONBLOCK), two = eventfd(0, EFD_NONBLOCK);
	unsigned int graces, published;
	struct vqd drv;

	owner_start(&o, MODERN, SIZE);
	owner_driver(&o, 1, SIZE, &drv);
	graces = o.graces;
	published = o.publishes;
	assert_int_equal(vdev_vq_set_call(o.d, 1, one), 0);
	assert_true(signalled(one));
	assert_int_equal(vdev_vq_set_call(o.d, 1, two), 0);
	assert_int_equal(o.graces, graces + 2);
	assert_int_equal(o.publishes, published);
	assert_false(is_open(one));
	eventfd_read(two, &(eventfd_t){0});
	vqd_arm(&drv);
	assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	assert_true(signalled(two));
	vqd_fini(&drv);
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

/* Slots come and go under a running ring; only losing its own memory stops it, and gaining it starts it again. */
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

/* --- features and status --- */

static void
test_features_life_cycle(void **state)
{
	assert_int_equal(vdev_set_features(o.d, 1ull << 63), -EINVAL);
	assert_int_equal(vdev_set_features(o.d, F(RING_PACKED)), 0); /* the upper half first */
	assert_int_equal(vdev_set_features(o.d, 0), 0);
	owner_start(&o, MODERN, SIZE);
	assert_int_equal(vdev_set_features(o.d, MODERN), 0);
	assert_int_equal(vdev_set_features(o.d, PACKED), -EBUSY);
	assert_int_equal(vdev_set_features(o.d, 0), -EBUSY);
	assert_int_equal(o.d->features, MODERN);
	assert_int_equal(o.d->counters.features_refused, 3);
	assert_int_equal(vdev_set_features(o.d, MODERN | F(LOG_ALL)), 0);
	assert_int_equal(vdev_set_features(o.d, MODERN), 0);
	vdev_set_status(o.d, 0);
	vdev_sync(o.d);
	assert_int_equal(vdev_set_features(o.d, 0), 0);
}

static void
test_status(void **state)
{
	uint32_t base;
	struct vqd drv;

	owner_start(&o, MODERN, SIZE);
	owner_driver(&o, 1, SIZE, &drv);
	vdev_set_status(o.d, 0x0f);
	assert_int_equal(vdev_get_status(o.d), 0x0f);
	assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	vdev_set_status(o.d, 0);
	vdev_sync(o.d);
	assert_null(o.rx[0]);
	assert_int_equal(vdev_vq_get_base(o.d, 1, &base), 0);
	assert_int_equal(base, 1);
	assert_int_equal(vdev_set_features(o.d, F(RING_PACKED)), 0);
	vdev_set_status(o.d, 0x0b);
	assert_int_equal(vdev_get_status(o.d), 0x03);
	assert_int_equal(vdev_set_features(o.d, PACKED), 0);
	vdev_set_status(o.d, 0x0b);
	assert_int_equal(vdev_get_status(o.d), 0x0b);
	vqd_fini(&drv);
}

static void
test_status_follows_the_policy(void **state)
{
	assert_int_equal(vdev_set_features(o.d, 0), 0);
	vdev_set_policy(o.d, VDEV_POLICY_MODERN_ONLY);
	vdev_set_status(o.d, FEATURES_OK);
	assert_int_equal(vdev_get_status(o.d), 0);
	assert_int_equal(vdev_set_features(o.d, MODERN), 0);
	vdev_set_status(o.d, FEATURES_OK);
	assert_int_equal(vdev_get_status(o.d), FEATURES_OK);
	vdev_set_policy(o.d, VDEV_POLICY_LEGACY_BE);
	assert_int_equal(vdev_features_offered(o.d) >> 32, 0);
	vdev_set_status(o.d, FEATURES_OK);
	assert_int_equal(vdev_get_status(o.d), 0);
}

static void
test_policy_changes_live(void **state)
{
	owner_start(&o, MODERN, SIZE);
	vdev_set_policy(o.d, VDEV_POLICY_LEGACY_LE);
	vdev_sync(o.d);
	assert_null(o.rx[0]);
	assert_non_null(strstr(why(), "guest is modern"));
	vdev_set_policy(o.d, VDEV_POLICY_AUTO);
	vdev_sync(o.d);
	assert_non_null(o.rx[0]);
	assert_string_equal(vdev_format_name(o.d->q[1].format), "modern");
}

/* Two rings of one device may differ, and a started one keeps what it has. */
static void
test_endian_per_ring(void **state)
{
	assert_int_equal(vdev_set_features(o.d, 0), 0);
	owner_give_memory(&o);
	assert_int_equal(vdev_vq_set_endian(o.d, 1, 2), -EINVAL);
	assert_int_equal(vdev_vq_set_endian(o.d, 1, 1), 0);
	owner_start_ring(&o, 0, SIZE, 0);
	owner_start_ring(&o, 1, SIZE, 0);
	assert_int_equal(o.tx[0]->layout, VQ_SPLIT);
	assert_int_equal(o.rx[0]->layout, VQ_SPLIT_SWAP);
	vdev_pause(o.d);
	assert_int_equal(vdev_vq_set_endian(o.d, 1, 0), -EBUSY);
	vdev_sync(o.d);
	assert_int_equal(o.rx[0]->layout, VQ_SPLIT_SWAP);
}

static void
test_mtu(void **state)
{
	assert_int_equal(vdev_set_mtu(o.d, 67), -EINVAL);
	assert_int_equal(vdev_set_mtu(o.d, 0), -EINVAL);
	assert_int_equal(vdev_set_mtu(o.d, 9000), 0);
	owner_start(&o, MODERN, SIZE);
	assert_int_equal(vdev_set_mtu(o.d, 9000), 0);
	assert_true(o.tx[0]->q.max_len >= 9014);
}

/* --- trouble --- */

static void
break_ring(uint32_t i)
{
	/* the available index jumps beyond the ring: idx is the second word of the driver area */
	uint16_t far = 1000;
	struct pkt_batch *b = calloc(1, sizeof(*b));
	struct pktq *q = &o.rx[i / 2]->q;

	memcpy(o.mem + RING_AT(i) + RING_DRIVER_OFF + 2, &far, sizeof(far));
	b->max = PKT_BATCH_MAX;
	assert_int_equal(pktq_ops(q)->rx(q, b), 0);
	pktq_ops(q)->rx_done(q, b);
	free(b);
}

static void
test_broken_ring(void **state)
{
	int err = eventfd(0, EFD_NONBLOCK), late = eventfd(0, EFD_NONBLOCK);
	uint32_t base;
	struct vqd drv;

	owner_start(&o, MODERN, SIZE);
	owner_start_ring(&o, 3, SIZE, 0);
	assert_int_equal(vdev_vq_set_err(o.d, 1, err), 0);
	owner_driver(&o, 3, SIZE, &drv);
	break_ring(1);
	ev_run_once(o.loop, 0);
	assert_null(o.rx[0]);
	assert_non_null(o.tx[0]);
	assert_non_null(o.rx[1]);
	assert_true(signalled(err));
	assert_int_equal(vdev_get_status(o.d), NEEDS_RESET);
	assert_int_equal(o.d->counters.ring_errors, 1);
	assert_non_null(strstr(o.d->q[1].why, "more than a ring ahead"));
	vdev_set_status(o.d, 0x0f);
	assert_int_equal(vdev_get_status(o.d), 0x0f | NEEDS_RESET);
	assert_int_equal(vdev_vq_set_err(o.d, 1, late), 0);
	assert_true(signalled(late));
	assert_int_equal(owner_transmit(&o, 1, &drv), 1);
	vqd_fini(&drv);

	assert_int_equal(vdev_vq_set_num(o.d, 1, SIZE), 0);
	vdev_sync(o.d);
	assert_null(o.rx[0]);
	assert_int_equal(vdev_vq_get_base(o.d, 1, &base), 0);
	owner_driver(&o, 1, SIZE, &drv);
	fact_kick();
	vdev_sync(o.d);
	assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	vqd_fini(&drv);
}

/* The call is still queued in the loop when the device goes. */
static void
test_attention_outlives_the_device(void **state)
{
	owner_start(&o, MODERN, SIZE);
	break_ring(1);
	owner_restart(&o, NULL);
	assert_int_equal(o.d->counters.ring_errors, 0);
}

static void
test_truncated_memory(void **state)
{
	owner_start(&o, MODERN, SIZE);
	atomic_store(&o.d->fault.dead, true);
	ev_run_once(o.loop, 300);
	assert_null(o.rx[0]);
	assert_null(o.tx[0]);
	assert_int_equal(o.d->counters.faults, 1);
	assert_non_null(strstr(why(), "truncated"));
	fact_kick();
	vdev_sync(o.d);
	assert_null(o.rx[0]);
	vdev_disconnect(o.d);
	vdev_connect(o.d, &owner_transport, NULL);
	owner_start(&o, MODERN, SIZE);
	assert_non_null(o.rx[0]);
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
	assert_int_equal(vdev_vq_set_kick(o.d, 1, -1), 0);
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
	atomic_store(&vq->miss_iova, 0x777000);
	atomic_store(&vq->miss_perm, IOTLB_WO);
	atomic_store(&vq->attention, VQ_ATTN_MISS);
	vq->host->attention(vq->host, vq);
	vq->host->attention(vq->host, vq);
	ev_run_once(o.loop, 0);
	assert_int_equal(o.miss_iova, 0x777000);
	assert_int_equal(o.miss_perm, IOTLB_WO);
	translate(0x777000, 4096, 0x300000);
	assert_int_equal(atomic_load(&vq->miss_perm), 0);
	assert_int_equal(o.d->counters.iotlb_misses, 1 + 1);
}

static void
test_iommu_only_if_negotiated(void **state)
{
	const struct iotlb_entry e = {0, 4096, OWNER_UVA, IOTLB_RW};

	owner_start(&o, MODERN, SIZE);
	assert_int_equal(vdev_iotlb_update(o.d, &e), -ENOTSUP);
	assert_int_equal(vdev_iotlb_invalidate(o.d, 0, 4096), -ENOTSUP);
}

/* --- endings --- */

static void
test_reset_keeps_memory(void **state)
{
	int call = eventfd(0, EFD_NONBLOCK), err = eventfd(0, EFD_NONBLOCK);
	uint32_t base = 1;

	owner_start(&o, MODERN, SIZE);
	vdev_vq_set_call(o.d, 1, call);
	vdev_vq_set_err(o.d, 1, err);
	vdev_set_status(o.d, 0x0f);
	vdev_reset(o.d);
	vdev_sync(o.d);
	assert_null(o.rx[0]);
	assert_non_null(o.d->gmem);
	assert_int_equal(o.d->features, 0);
	assert_int_equal(vdev_get_status(o.d), 0);
	assert_int_equal(o.d->q[1].call_fd, call);
	assert_int_equal(o.d->q[1].err_fd, err);
	assert_int_equal(vdev_vq_get_base(o.d, 1, &base), 0);
	assert_int_equal(base, 0);
	assert_int_equal(o.d->q[1].size, 0);
}

static void
test_disconnect_leaves_nothing(void **state)
{
	unsigned int before = open_fds(), i;

	for (i = 0; i < 10; i++) {
		owner_start(&o, MODERN, SIZE);
		vdev_pause(o.d);
		vdev_vq_set_kick(o.d, 0, eventfd(0, EFD_NONBLOCK));
		vdev_vq_set_kick(o.d, 1, eventfd(0, EFD_NONBLOCK));
		vdev_vq_set_call(o.d, 1, eventfd(0, EFD_NONBLOCK));
		vdev_vq_set_call(o.d, 1, eventfd(0, EFD_NONBLOCK));
		vdev_vq_set_err(o.d, 2, eventfd(0, EFD_NONBLOCK));
		vdev_vq_set_endian(o.d, 3, 1);
		vdev_sync(o.d);
		vdev_disconnect(o.d);
		assert_null(o.rx[0]);
		assert_null(o.d->gmem);
		assert_false(o.d->q[3].endian_set);
		assert_int_equal(open_fds(), before);
		vdev_connect(o.d, &owner_transport, NULL);
	}
}

static void
test_stop_and_resume(void **state)
{
	struct vqd drv;

	owner_start(&o, PACKED, SIZE);
	owner_driver(&o, 1, SIZE, &drv);
	assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	vdev_stop(o.d);
	assert_null(o.rx[0]);
	vdev_resume(o.d);
	assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	vqd_fini(&drv);
}

/* Killed and started again under a guest that kept running, on a ring whose position only we knew. */
static void
test_journal(void **state)
{
	char path[] = "/tmp/test_vdev.XXXXXX";
	int fd = mkstemp(path);
	struct vqd drv;
	unsigned int i;

	close(fd);
	owner_restart(&o, path);
	owner_start(&o, PACKED, SIZE);
	owner_driver(&o, 1, SIZE, &drv);
	for (i = 0; i < SIZE + 5; i++)
		assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	owner_restart(&o, path);
	owner_start(&o, PACKED, SIZE);
	for (i = 0; i < 5; i++)
		assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	vdev_free(o.d, false);
	assert_int_equal(access(path, F_OK), -1);
	o.d = NULL;
	owner_restart(&o, NULL);
	vqd_fini(&drv);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(any_order),
		T(why_names_what_is_missing),
		T(no_such_queue),
		T(bad_rings),
		T(ring_at_the_end),
		T(packed_any_size),
		T(enable),
		T(enable_first),
		T(live_setters_need_a_pause),
		T(pause_alone_changes_nothing),
		T(get_base_stops_one_ring),
		T(split_resumes_at_the_used_index),
		T(call_changes_live),
		T(memory_slots),
		T(new_table_moves_rings),
		T(dirty_log_changes_live),
		T(features_life_cycle),
		T(status),
		T(status_follows_the_policy),
		T(policy_changes_live),
		T(endian_per_ring),
		T(mtu),
		T(broken_ring),
		T(attention_outlives_the_device),
		T(truncated_memory),
		T(iommu_start_is_deferred),
		T(iommu_ring_in_pieces),
		T(iommu_invalidate),
		T(iommu_remap_moves_the_ring),
		T(iommu_miss_of_a_worker),
		T(iommu_only_if_negotiated),
		T(reset_keeps_memory),
		T(disconnect_leaves_nothing),
		T(stop_and_resume),
		T(journal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
