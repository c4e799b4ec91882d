/* SPDX-License-Identifier: BSD-3-Clause */
/* The life cycle of features, formats and config space, by the messages of a front-end. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "wire.h"

#define MODERN (F(VERSION_1) | F(PROTOCOL_FEATURES))
#define LEGACY F(PROTOCOL_FEATURES)
#define FEATURES_OK 0x08
#define RING 1
#define SIZE 256

static struct wire w;

static int
setup(void **state)
{
	wire_init(&w, WIRE_ALL);
	return 0;
}

static int
teardown(void **state)
{
	wire_fini(&w);
	return 0;
}

static uint64_t
kick(void)
{
	return wire_ask_fd(&w, VHU_SET_VRING_KICK, RING, eventfd(0, 0));
}

static void
stop(void)
{
	wire_ask_state(&w, VHU_GET_VRING_BASE, RING, 0);
	assert_null(w.o.rx[0]);
}

/* --- SET_VRING_ENDIAN among the other messages --- */

static void
say_features(uint64_t features)
{
	assert_int_equal(wire_ask_u64(&w, VHU_SET_FEATURES, features), 0);
}

static void
say_size(uint64_t features)
{
	assert_int_equal(wire_ask_state(&w, VHU_SET_VRING_NUM, RING, SIZE), 0);
	assert_int_equal(wire_ask_state(&w, VHU_SET_VRING_BASE, RING, 0), 0);
}

static void
say_endian(uint64_t features)
{
	assert_int_equal(wire_ask_state(&w, VHU_SET_VRING_ENDIAN, RING, 1), 0);
}

static void
say_addr(uint64_t features)
{
	const uint64_t at = OWNER_UVA;
	const struct vhu_vring_addr a = {RING, 0, at, at + RING_DEVICE_OFF, at + RING_DRIVER_OFF,
					 0};

	assert_int_equal(wire_ask(&w, VHU_SET_VRING_ADDR, &a, sizeof(a)), 0);
}

static void
say_memory(uint64_t features)
{
	wire_give_memory(&w);
}

/* The @p order-th permutation of everything before the kick. */
static void
say_all(unsigned int order, uint64_t features)
{
	static void (*const say[])(uint64_t) = {say_features, say_size, say_endian, say_addr,
						say_memory};
	unsigned int left = (1u << RTE_DIM(say)) - 1, n, bit, skip;

	for (n = RTE_DIM(say); n > 0; n--) {
		skip = order % n;
		order /= n;
		for (bit = 0; !(left & (1u << bit)) || skip-- > 0; bit++)
			;
		left &= ~(1u << bit);
		say[bit](features);
	}
}

/* In whatever order it is said, VERSION_1 overrides the byte order and nothing else does. */
static void
test_endian_in_any_order(void **state)
{
	unsigned int order;
	int modern;

	for (order = 0; order < 5 * 4 * 3 * 2; order++) {
		for (modern = 0; modern < 2; modern++) {
			say_all(order, modern ? MODERN : LEGACY);
			assert_int_equal(kick(), 0);
			assert_int_equal(w.o.rx[0]->layout, modern ? VQ_SPLIT : VQ_SPLIT_SWAP);
			assert_int_equal(w.o.d->q[RING].format,
					 modern ? VDEV_MODERN : VDEV_LEGACY_BE);
			wire_reconnect(&w, WIRE_ALL);
		}
	}
}

/* It is said for one start. A front-end may put the default back or leave it: it is back. */
static void
test_endian_is_for_one_start(void **state)
{
	static const struct {
		int restored, said; /* 0, 1; -1: nothing */
		uint64_t features;
		enum vdev_format format;
	} table[] = {
		{0, -1, LEGACY, VDEV_LEGACY_LE},  {0, 1, LEGACY, VDEV_LEGACY_BE},
		{0, -1, MODERN, VDEV_MODERN},     {0, 1, MODERN, VDEV_MODERN},
		{-1, -1, LEGACY, VDEV_LEGACY_LE}, {-1, 0, LEGACY, VDEV_LEGACY_LE},
		{-1, 1, LEGACY, VDEV_LEGACY_BE},  {-1, -1, MODERN, VDEV_MODERN},
	};
	size_t i;

	for (i = 0; i < RTE_DIM(table); i++) {
		say_all(0, LEGACY);
		assert_int_equal(kick(), 0);
		assert_int_equal(w.o.d->q[RING].format, VDEV_LEGACY_BE);
		/* not while it runs, and that changes nothing */
		assert_int_equal(wire_ask_state(&w, VHU_SET_VRING_ENDIAN, RING, 0), EBUSY);
		assert_int_equal(w.o.rx[0]->layout, VQ_SPLIT_SWAP);
		stop();
		if (table[i].restored >= 0)
			assert_int_equal(wire_ask_state(&w, VHU_SET_VRING_ENDIAN, RING, 0), 0);
		say_features(table[i].features);
		if (table[i].said >= 0)
			assert_int_equal(wire_ask_state(&w, VHU_SET_VRING_ENDIAN, RING,
							(uint32_t)table[i].said),
					 0);
		assert_int_equal(kick(), 0);
		if (w.o.d->q[RING].format != table[i].format)
			fail_msg("row %zu: %s", i, vdev_format_name(w.o.d->q[RING].format));
		wire_reconnect(&w, WIRE_ALL);
	}
}

/* --- features --- */

/* Halves in any order, any number of times: the last one counts, 0 is a reset and no error. */
static void
test_features_before_start(void **state)
{
	const uint64_t high = MODERN & ~(uint64_t)UINT32_MAX, low = MODERN & UINT32_MAX;
	const uint64_t said[] = {high, MODERN, low, 0, low, MODERN, 0, high, 0};
	size_t i;

	for (i = 0; i < RTE_DIM(said); i++) {
		say_features(said[i]);
		assert_int_equal(w.o.d->features, said[i]);
	}
	/* 0 said last: a legacy guest of the host's order, whose ring is enabled from the start */
	say_size(0);
	say_addr(0);
	say_memory(0);
	assert_int_equal(kick(), 0);
	assert_int_equal(w.o.d->q[RING].format, VDEV_LEGACY_LE);
	assert_int_equal(w.o.rx[0]->hdr_len, 10);
	assert_true(w.o.rx_enabled[0]);
	/* not while it runs, but at any time it does not */
	say_features(0);
	assert_int_equal(wire_ask_u64(&w, VHU_SET_FEATURES, MODERN), EBUSY);
	stop();
	say_features(MODERN);
	say_features(0);
	assert_int_equal(w.o.d->counters.features_refused, 1);
}

/* Of all bits only LOG_ALL changes while a ring runs; each other attempt is counted. */
static void
test_only_logging_while_running(void **state)
{
	const uint64_t offered = vdev_features_offered(w.o.d);
	uint64_t refused = 0;
	unsigned int bit;

	wire_start(&w, MODERN);
	for (bit = 0; bit < 64; bit++) {
		if (!(offered & (1ull << bit)))
			continue;
		if (bit == VDEV_BIT_LOG_ALL) {
			say_features(MODERN | F(LOG_ALL));
			say_features(MODERN);
			continue;
		}
		assert_int_equal(wire_ask_u64(&w, VHU_SET_FEATURES, MODERN ^ (1ull << bit)), EBUSY);
		refused++;
		assert_int_equal(w.o.d->features, MODERN);
		assert_non_null(w.o.rx[0]);
	}
	assert_int_equal(w.o.d->counters.features_refused, refused);
	assert_int_equal(w.s.count.refused, refused);
	assert_true(refused > 20);
}

/* --- a policy, and how a guest is told of it --- */

static void
test_modern_only_is_told(void **state)
{
	vdev_set_policy(w.o.d, VDEV_POLICY_MODERN_ONLY);
	say_all(0, LEGACY);
	assert_int_equal(wire_ask_u64(&w, VHU_SET_STATUS, 0x03 | FEATURES_OK), 0);
	wire_ask(&w, VHU_GET_STATUS, NULL, 0);
	assert_int_equal(w.reply.payload.u64, 0x03);
	assert_non_null(strstr(w.o.d->status_why, "policy"));
	assert_int_equal(kick(), EPERM);
	assert_non_null(strstr(wire_why(&w), "policy"));
	assert_null(w.o.rx[0]);
	assert_int_equal(w.s.count.refused, 1);
	/* the same guest, after it was told to be modern */
	say_features(MODERN);
	assert_int_equal(wire_ask_u64(&w, VHU_SET_STATUS, 0x03 | FEATURES_OK), 0);
	wire_ask(&w, VHU_GET_STATUS, NULL, 0);
	assert_int_equal(w.reply.payload.u64, 0x03 | FEATURES_OK);
	assert_int_equal(kick(), 0);
	assert_non_null(w.o.rx[0]);
}

/* A forced format holds before anything is known of the guest, until it is taken back. */
static void
test_forced_before_features(void **state)
{
	struct vhu_config_msg c = {.offset = 8, .size = 2};

	vdev_set_policy(w.o.d, VDEV_POLICY_LEGACY_BE);
	wire_ask(&w, VHU_GET_CONFIG, &c, 14);
	assert_memory_equal(w.reply.payload.config.data, "\0\4", 2);
	assert_int_equal(vdev_vq_format(w.o.d, RING).format, VDEV_LEGACY_BE);
	vdev_set_policy(w.o.d, VDEV_POLICY_AUTO);
	wire_ask(&w, VHU_GET_CONFIG, &c, 14);
	assert_memory_equal(w.reply.payload.config.data, "\4\0", 2);
	assert_int_equal(vdev_vq_format(w.o.d, RING).format, VDEV_LEGACY_LE);
}

/* --- config space --- */

/* Reading is possible and changes nothing; writing is for migrations, all else is counted. */
static void
config_space(const char *when)
{
	struct vhu_config_msg c = {.offset = 0, .size = 12};
	struct vdev *before = test_malloc(sizeof(*before));
	uint64_t refused = w.s.count.refused;

	memcpy(before, w.o.d, sizeof(*before));
	wire_ask(&w, VHU_GET_CONFIG, &c, 24);
	if (w.reply.header.size != 24)
		fail_msg("config space cannot be read %s", when);
	assert_int_equal(wire_ask(&w, VHU_SET_CONFIG, &c, 24), EPERM);
	assert_int_equal(w.s.count.refused, refused + 1);
	/* a lost and refilled allowance of log lines aside */
	before->log_limit = w.o.d->log_limit;
	if (memcmp(before, w.o.d, sizeof(*before)) != 0)
		fail_msg("config space changed the device %s", when);
	test_free(before);
}

static void
test_config_at_any_time(void **state)
{
	config_space("before features");
	say_features(MODERN);
	config_space("with features");
	say_features(0);
	config_space("after a reset of features");
	wire_start(&w, MODERN);
	config_space("while rings run");
	assert_int_equal(wire_ask_u64(&w, VHU_SET_STATUS, 0), 0);
	config_space("after a reset");
	stop();
	config_space("while rings are stopped");
	assert_int_equal(wire_ask(&w, VHU_RESET_DEVICE, NULL, 0), 0);
	config_space("after RESET_DEVICE");
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(endian_in_any_order),   T(endian_is_for_one_start),
		T(features_before_start), T(only_logging_while_running),
		T(modern_only_is_told),   T(forced_before_features),
		T(config_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
