/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ways front-ends reset a device between two drivers, each as one row, with
 * the next driver taking the same or other features, after a ring that was
 * intact or broken, from and to split and packed rings: the next driver's rings
 * run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "wire.h"

#define MODERN (F(VERSION_1) | F(PROTOCOL_FEATURES))
#define PACKED (MODERN | F(RING_PACKED))
#define MRG (1ull << 15) /* VIRTIO_NET_F_MRG_RXBUF: other features, the same kind of ring */
#define SIZE 256

static struct wire w;
static unsigned int fds_before;

static int
setup(void **state)
{
	fds_before = open_fds();
	return 0;
}

static int
teardown(void **state)
{
	return open_fds() == fds_before ? 0 : -1;
}

/* --- what is said in a reset --- */

static void
disable(void)
{
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(wire_ask_state(&w, VHU_SET_VRING_ENABLE, i, 0), 0);
}

static void
get_base(void)
{
	for (uint32_t i = 0; i < 2; i++) {
		const struct vhu_vring_state s = {i, 0};

		wire_send(&w, VHU_GET_VRING_BASE, VHU_VERSION, &s, sizeof(s), NULL, 0);
		assert_int_equal(w.reply.payload.state.index, i);
	}
}

static void
reset_owner(void)
{
	assert_int_equal(wire_ask(&w, VHU_RESET_OWNER, NULL, 0), 0);
}

static void
reset_device(void)
{
	assert_int_equal(wire_ask(&w, VHU_RESET_DEVICE, NULL, 0), 0);
}

static void
status_0(void)
{
	assert_int_equal(wire_ask_u64(&w, VHU_SET_STATUS, 0), 0);
}

static void
features_0(void)
{
	assert_int_equal(wire_ask_u64(&w, VHU_SET_FEATURES, 0), 0);
}

#define STEPS_MAX 4

/* clang-format off: a table */
static const struct {
	const char *who;
	void (*step[STEPS_MAX])(void);
} way[] = {
	{"QEMU 7.2", {status_0, get_base}},
	{"QEMU 7.2 without STATUS, virtio-user without STATUS", {get_base}},
	{"QEMU 10", {disable, get_base, status_0, reset_device}},
	{"virtio-user", {disable, get_base, status_0}},
	{"crosvm", {disable, get_base}},
	{"crosvm, cloud-hypervisor as it stops", {disable, get_base, reset_owner}},
	{"cloud-hypervisor since 2020", {disable, reset_owner}},
	{"front-ends that only disable", {disable}},
	{"the oldest front-ends", {reset_owner}},
	{"the oldest front-ends as they stop", {reset_owner, get_base}},
	{"features of the firmware's driver given back", {disable, features_0}},
	{"RESET_DEVICE alone", {reset_device}},
};
/* clang-format on */

/* --- the drivers --- */

static void
drive(uint64_t features)
{
	struct vqd drv;

	memset(w.o.mem, 0, OWNER_MEM);
	owner_driver(&w.o, 1, SIZE, &drv);
	for (int n = 0; n < 3; n++)
		assert_int_equal(owner_transmit(&w.o, 0, &drv), 1);
	vqd_fini(&drv);
	/* the next one's memory is not this one's */
	memset(w.o.mem, 0, OWNER_MEM);
}

/* As a worker reports it. */
static void
break_rings(void)
{
	for (uint32_t i = 0; i < 2; i++) {
		struct vq *vq = w.o.d->q[i].vq;

		atomic_store(&vq->why, "broken by the test");
		atomic_fetch_or(&vq->attention, VQ_ATTN_BROKEN);
	}
	vdev_attention(w.o.d);
	assert_null(w.o.rx[0]);
}

static void
one(size_t row, uint64_t first, uint64_t second, bool broken)
{
	wire_init(&w, WIRE_ALL);
	wire_start(&w, first);
	drive(first);
	if (broken)
		break_rings();
	for (size_t k = 0; k < STEPS_MAX && way[row].step[k] != NULL; k++)
		way[row].step[k]();
	wire_start(&w, second);
	if (w.o.rx[0] == NULL || !w.o.rx_enabled[0] || !w.o.tx_enabled[0] ||
	    vdev_state(w.o.d) != VDEV_STATE_RUNNING)
		fail_msg("%s, 0x%llx then 0x%llx, ring %s: %s", way[row].who,
			 (unsigned long long)first, (unsigned long long)second,
			 broken ? "broken" : "intact",
			 w.o.d->q[1].why != NULL ? w.o.d->q[1].why : "not in state running");
	drive(second);
	wire_fini(&w);
}

static void
test_every_way(void **state)
{
	static const uint64_t pair[][2] = {
		{MODERN, MODERN},
		{MODERN, MODERN | MRG},
		{PACKED, PACKED},
		{PACKED, PACKED | MRG},
		{MODERN, PACKED},
		{PACKED, MODERN},
		{F(PROTOCOL_FEATURES), MODERN},
	};

	for (size_t row = 0; row < RTE_DIM(way); row++)
		for (size_t p = 0; p < RTE_DIM(pair); p++)
			for (int broken = 0; broken < 2; broken++)
				one(row, pair[p][0], pair[p][1], broken);
}

/* A driver that is there keeps its features: one of its rings is enabled. */
static void
test_not_under_a_driver(void **state)
{
	wire_init(&w, WIRE_ALL);
	wire_start(&w, MODERN);
	assert_int_equal(wire_ask_state(&w, VHU_SET_VRING_ENABLE, 1, 0), 0);
	assert_int_not_equal(wire_ask_u64(&w, VHU_SET_FEATURES, MODERN | MRG), 0);
	assert_non_null(w.o.rx[0]);
	/* a pause of the virtual machine: disabled, logged, enabled again without a kick */
	assert_int_equal(wire_ask_state(&w, VHU_SET_VRING_ENABLE, 0, 0), 0);
	assert_int_equal(wire_ask_u64(&w, VHU_SET_FEATURES, MODERN | F(LOG_ALL)), 0);
	assert_int_equal(wire_ask_u64(&w, VHU_SET_FEATURES, MODERN), 0);
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(wire_ask_state(&w, VHU_SET_VRING_ENABLE, i, 1), 0);
	assert_true(vdev_link_up(w.o.d));
	drive(MODERN);
	wire_fini(&w);
}

/* One half of a new description is not another ring: address or kick alone leave it broken. */
static void
test_half_is_not_enough(void **state)
{
	const uint64_t at = OWNER_UVA + RING_AT(1);
	const struct vhu_vring_addr a = {
		.index = 1,
		.desc = at,
		.avail = at + RING_DRIVER_OFF,
		.used = at + RING_DEVICE_OFF,
	};

	for (int half = 0; half < 2; half++) {
		wire_init(&w, WIRE_ALL);
		wire_start(&w, MODERN);
		break_rings();
		if (half == 0)
			wire_ask(&w, VHU_SET_VRING_ADDR, &a, sizeof(a));
		else
			wire_ask_fd(&w, VHU_SET_VRING_KICK, 1, eventfd(0, 0));
		assert_null(w.o.rx[0]);
		assert_int_equal(vdev_state(w.o.d), VDEV_STATE_ERROR);
		wire_fini(&w);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_way),
		T(not_under_a_driver),
		T(half_is_not_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
