/* SPDX-License-Identifier: BSD-3-Clause */
/* The device model: which facts make a queue run, and how they may change. */
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
#include <unistd.h>

#include <cmocka.h>
#include <linux/virtio_net.h>

#include "owner.h"
#include "base/lane.h"
#include "vdev/netcfg.h"

#define MODERN (F(VERSION_1) | F(PROTOCOL_FEATURES))
#define PACKED (MODERN | F(RING_PACKED))
#define PACKED_FRESH 0x80008000u
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

/** An interrupt or notification that is on its way, perhaps by another thread. */
static bool
arrives(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 30000) == 1;
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
	assert_int_equal(owner_kick(&o, 1, -1), 0);
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
		owner_connect(&o);
	}
}

static void
test_why_names_what_is_missing(void **state)
{
	static const char *const text[] = {"memory", "size", "addresses", "not started"};
	unsigned int i;

	assert_non_null(strstr(why(), "not set up a queue"));
	assert_int_equal(vdev_vq_set_enable(o.d, 0, true), 0);
	assert_non_null(strstr(why(), "no features were acked"));
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
	/* another pair is refused: this one carries on */
	assert_int_equal(vdev_vq_set_num(o.d, 3, 3), 0);
	owner_start_ring(&o, 3, 3, 0);
	assert_non_null(strstr(why(), "nothing but for queue 3: "));
	assert_int_equal(vdev_state_set(&o.d, 1, VDEV_STATE_STOP), 0);
	assert_non_null(strstr(why(), "operator"));
	assert_int_equal(vdev_resume(&o.d, 1), 0);
	vdev_disconnect(o.d);
	assert_non_null(strstr(why(), "no front-end"));
}

static unsigned int at_work; /* queues of the last publication that a worker would have */

static void
count_queues(struct vdev *d)
{
	bool enabled;
	uint32_t i;

	for (at_work = i = 0; i < d->cfg.queue_pairs; i++) {
		at_work += vdev_rx_queue(d, i, &enabled) != NULL && enabled;
		at_work += vdev_tx_queue(d, i, &enabled) != NULL && enabled;
	}
}

/* As many queue pairs as a port may have, each with rings of its own. */
static void
test_most_pairs(void **state)
{
	static const struct vdev_ops ops = {.publish = count_queues, .grace = count_queues};
	const struct vdev_config cfg = {
		.name = "most",
		.queue_pairs = VDEV_QUEUE_PAIRS_MAX,
		.features = vdev_features_all(),
		.ops = &ops,
	};
	struct vdev *four = o.d;
	uint32_t i, base;

	o.d = vdev_new(&cfg);
	assert_non_null(o.d);
	owner_connect(&o);
	assert_int_equal(vdev_set_features(o.d, MODERN | F(NET_MQ)), 0);
	owner_give_memory(&o);
	for (i = 0; i < VDEV_QUEUES_MAX; i++) {
		uint64_t at = OWNER_UVA + i * 4096;

		assert_int_equal(vdev_vq_set_num(o.d, i, 64), 0);
		assert_int_equal(vdev_vq_set_addr(o.d, i, at, at + 1024, at + 2048, 0, 0), 0);
		assert_int_equal(vdev_vq_set_enable(o.d, i, true), 0);
		assert_int_equal(owner_kick(&o, i, -1), 0);
		vdev_sync(o.d);
		assert_int_equal(at_work, i + 1);
	}
	assert_int_equal(vdev_vq_set_num(o.d, i, 64), -EINVAL);
	vdev_pause(o.d);
	assert_int_equal(owner_stop(&o, VDEV_QUEUES_MAX - 1, &base), 0);
	vdev_sync(o.d);
	assert_int_equal(at_work, VDEV_QUEUES_MAX - 1);
	vdev_free(o.d, false);
	o.d = four;
}

static void
test_no_such_queue(void **state)
{
	uint32_t beyond[] = {2 * OWNER_PAIRS, VDEV_QUEUES_MAX, UINT32_MAX}, base, i;

	for (i = 0; i < RTE_DIM(beyond); i++) {
		assert_int_equal(vdev_vq_set_num(o.d, beyond[i], 1), -EINVAL);
		assert_int_equal(vdev_vq_set_addr(o.d, beyond[i], 0, 0, 0, 0, 0), -EINVAL);
		assert_int_equal(owner_set_base(&o, beyond[i], 0), -EINVAL);
		assert_int_equal(owner_stop(&o, beyond[i], &base), -EINVAL);
		assert_int_equal(owner_kick(&o, beyond[i], -1), -EINVAL);
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
		assert_int_equal(owner_set_base(&o, 1, bad[i].base), 0);
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
	assert_int_equal(owner_kick(&o, 1, -1), 0);
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
	assert_true(o.rx_enabled[0] && o.tx_enabled[0]);
	vdev_disable(o.d);
	vdev_sync(o.d);
	assert_null(o.rx[0]);
	fact_kick();
	vdev_sync(o.d);
	assert_true(o.rx_enabled[0]);
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
	assert_int_equal(owner_set_base(&o, 1, 7), -EBUSY);
	assert_int_equal(owner_stop(&o, 1, &base), -EBUSY);
	assert_int_equal(owner_kick(&o, 1, -1), -EBUSY);
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
	static const uint32_t after[] = {3, 0x80038003};
	uint32_t base, i, n;
	struct vqd drv;

	for (i = 0; i < RTE_DIM(features); i++) {
		owner_start(&o, features[i], SIZE);
		owner_driver(&o, 1, SIZE, &drv);
		for (n = 0; n < 3; n++)
			assert_int_equal(owner_transmit(&o, 0, &drv), 1);
		vdev_pause(o.d);
		assert_int_equal(owner_stop(&o, 1, &base), 0);
		vdev_sync(o.d);
		assert_int_equal(base, after[i]);
		assert_null(o.rx[0]);
		assert_non_null(o.tx[0]);
		assert_int_equal(owner_stop(&o, 1, &base), 0);
		assert_int_equal(base, after[i]);
		assert_int_equal(owner_set_base(&o, 1, base), 0);
		vdev_sync(o.d);
		assert_null(o.rx[0]);
		fact_kick();
		vdev_sync(o.d);
		assert_int_equal(owner_transmit(&o, 0, &drv), 1);
		vqd_fini(&drv);
		vdev_reset(o.d);
	}
}

/* A front-end that lost the ring's position and says 0: the used index knows better. */
static void
test_split_resumes_at_the_used_index(void **state)
{
	struct vqd drv;
	int call;

	owner_start(&o, MODERN, SIZE);
	owner_driver(&o, 1, SIZE, &drv);
	assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	vdev_disconnect(o.d);
	owner_connect(&o);
	call = eventfd(0, EFD_NONBLOCK);
	assert_int_equal(vdev_vq_set_call(o.d, 1, call), 0);
	owner_start(&o, MODERN, SIZE);
	/* who served it before may have died between a frame and the word about it */
	assert_true(arrives(call));
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
	assert_true(arrives(one));
	assert_int_equal(vdev_vq_set_call(o.d, 1, two), 0);
	assert_int_equal(o.graces, graces + 2);
	assert_int_equal(o.publishes, published);
	while (!lane_all_idle())
		usleep(100);
	assert_false(is_open(one));
	eventfd_read(two, &(eventfd_t){0});
	vqd_arm(&drv);
	assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	assert_true(arrives(two));
	vqd_fini(&drv);
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
	assert_int_equal(owner_stop(&o, 1, &base), 0);
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
	assert_non_null(strstr(why(), "FEATURES_OK was refused: the port's policy"));
	assert_int_equal(vdev_set_features(o.d, MODERN), 0);
	vdev_set_status(o.d, FEATURES_OK);
	assert_int_equal(vdev_get_status(o.d), FEATURES_OK);
	assert_null(o.d->status_why);
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

static uint16_t
read_mtu(void)
{
	uint8_t b[2];

	assert_int_equal(vdev_config_read(o.d, offsetof(struct virtio_net_config, mtu), 2, b), 0);
	return (uint16_t)(b[0] | b[1] << 8);
}

/* The network's limit holds from a session on: a driver that has read its MTU keeps it. */
static void
test_mtu_of_the_network(void **state)
{
	struct transport *t = o.d->transport;

	vdev_disconnect(o.d);
	o.d->cfg.features &= ~VDEV_F(NET_MTU);
	vdev_config_limit_mtu(o.d, 1450);
	assert_int_equal(read_mtu(), 1450);
	assert_true(vdev_features_offered(o.d) & VDEV_F(NET_MTU));
	vdev_connect(o.d, t);
	vdev_config_limit_mtu(o.d, 1400);
	assert_int_equal(read_mtu(), 1450);
	assert_int_equal(vdev_set_features(o.d, MODERN | F(NET_MTU)), 0);
	vdev_reset(o.d);
	assert_int_equal(read_mtu(), 1400);
	/* a driver that was offered it once takes it again */
	vdev_config_limit_mtu(o.d, 0);
	vdev_reset(o.d);
	assert_int_equal(read_mtu(), 1400);
	assert_int_equal(vdev_set_features(o.d, MODERN | F(NET_MTU)), 0);
	/* the operator's own, and a front-end's that exceeds the limit, which is not refused */
	vdev_config_set_mtu(o.d, 9000);
	assert_int_equal(read_mtu(), 1400);
	assert_int_equal(vdev_set_mtu(o.d, 1500), 0);
	assert_int_equal(read_mtu(), 1400);
	vdev_config_limit_mtu(o.d, 0);
	vdev_reset(o.d);
	assert_int_equal(read_mtu(), 9000);
	o.d->cfg.features &= ~VDEV_F(NET_MTU);
	assert_false(vdev_features_offered(o.d) & VDEV_F(NET_MTU));
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(any_order),
		T(why_names_what_is_missing),
		T(most_pairs),
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
		T(features_life_cycle),
		T(status),
		T(status_follows_the_policy),
		T(policy_changes_live),
		T(endian_per_ring),
		T(mtu),
		T(mtu_of_the_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
