/* SPDX-License-Identifier: BSD-3-Clause */
/* VDUSE with the interface of newer kernels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

#include <cmocka.h>

#include "vduse/kernel.h"
#include "vduse_model.h"

#define OK VDUSE_REQ_RESULT_OK
#define FAILED VDUSE_REQ_RESULT_FAILED

static uint32_t
ask(uint32_t type, uint64_t a, uint64_t b, uint32_t asid)
{
	struct vduse_dev_request req = {.type = type};
	union vduse_k_body body = {0};

	if (type == VDUSE_UPDATE_IOTLB) {
		body.iova.start = a;
		body.iova.last = b;
		body.iova.asid = asid;
	} else {
		body.group.group = (uint32_t)a;
		body.group.asid = (uint32_t)b;
	}
	memcpy(&req.padding, &body, sizeof(body));
	vk_send(&req);
	return vk_answer_of(&req).result;
}

static uint32_t
set_ready(uint32_t i, bool ready)
{
	uint32_t result = ask(VDUSE_K_SET_VQ_READY, i, ready, 0);

	vk.vq[i].ready = ready; /* the kernel notes it when it has the answer */
	return result;
}

static void
the_newest_that_both_know_is_taken(void **state)
{
	static const uint64_t interface[] = {0, VDUSE_K_F_QUEUE_READY, VDUSE_K_F_SUSPEND,
					     VDUSE_K_F_QUEUE_READY | VDUSE_K_F_SUSPEND, 0xff};

	for (size_t i = 0; i < 2 * RTE_DIM(interface); i++) {
		vk.version = i % 2;
		vk.interface = interface[i / 2];
		vk.taken = 0;
		vk_start(0);
		assert_int_equal(vk.taken,
				 vk.interface & (VDUSE_K_F_QUEUE_READY | VDUSE_K_F_SUSPEND));
		assert_true(vk_both_run());
		vk_kill_switch();
		vk.exists = false;
	}
}

/** Rings move to another address space, before the driver starts and while it runs. */
static void
rings_move_between_address_spaces(void **state)
{
	vk.version = 1;
	for (int old = 0; old < 2; old++) {
		vk.old_entry = old;
		vk_start(0);
		assert_int_equal(vk.asid_asked, 0);
		assert_int_equal(ask(VDUSE_K_SET_VQ_GROUP_ASID, 0, 1, 0), OK);
		assert_int_equal(vk.asid_asked, 1);
		assert_true(vk_both_run());
		/* of the other space nothing is used */
		unsigned int given = vk.fds_given;
		assert_int_equal(ask(VDUSE_UPDATE_IOTLB, 0, UINT64_MAX, 0), OK);
		assert_int_equal(vk.fds_given, given);
		assert_int_equal(ask(VDUSE_UPDATE_IOTLB, 0, UINT64_MAX, 1), OK);
		assert_true(vk.fds_given > given);
		assert_int_equal(vk.asid_asked, 1);
		/* a successor stays there */
		vk_kill_switch();
		vk_transport = vk_make();
		assert_non_null(vk_transport);
		assert_true(vk_both_run());
		assert_int_equal(vk.asid_asked, 1);
		assert_int_equal(ask(VDUSE_K_SET_VQ_GROUP_ASID, 0, 0, 0), OK);
		assert_int_equal(vk.asid_asked, 0);
		vk_kill_switch();
		vk.exists = false;
	}
}

static void
impossible_values_are_refused(void **state)
{
	vk.version = 1;
	vk.interface = VDUSE_K_F_QUEUE_READY | VDUSE_K_F_SUSPEND;
	vk_start(0);
	assert_int_equal(ask(VDUSE_K_SET_VQ_GROUP_ASID, 1, 0, 0), FAILED);
	assert_int_equal(ask(VDUSE_K_SET_VQ_GROUP_ASID, UINT32_MAX, 0, 0), FAILED);
	assert_int_equal(ask(VDUSE_K_SET_VQ_GROUP_ASID, 0, 2, 0), FAILED);
	assert_int_equal(ask(VDUSE_UPDATE_IOTLB, 0, UINT64_MAX, 2), FAILED);
	assert_int_equal(ask(VDUSE_UPDATE_IOTLB, 2, 1, 0), FAILED);
	assert_int_equal(ask(VDUSE_K_SET_VQ_READY, 2, 1, 0), FAILED);
	assert_int_equal(ask(VDUSE_K_SET_VQ_READY, UINT32_MAX, 0, 0), FAILED);
	assert_true(vk_both_run());
}

/** It is done when it is answered, and a look at the kernel's older word does not undo it. */
static void
the_kernel_tells_which_rings_are_ready(void **state)
{
	vk.interface = VDUSE_K_F_QUEUE_READY;
	vk_start(*(uint64_t *)*state);
	assert_int_equal(set_ready(1, false), OK);
	assert_false(vdev_vq_running(vk_owner.d, 1));
	assert_true(vdev_vq_running(vk_owner.d, 0));
	vk.vq[1].ready = 1;
	for (int i = 0; i < 30; i++)
		ev_run_once(vk_owner.loop, 10);
	assert_false(vdev_vq_running(vk_owner.d, 1));
	vk.vq[1].ready = 0;
	assert_int_equal(set_ready(1, true), OK);
	assert_true(vk_both_run());
}

static void
wait_ms(int ms)
{
	for (int i = 0; i < ms / 10; i++)
		ev_run_once(vk_owner.loop, 10);
}

/** A kernel that tells is not asked: its rings wait for the word, also those of a start. */
static void
a_ring_waits_for_the_word(void **state)
{
	vk.interface = VDUSE_K_F_QUEUE_READY;
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	vk_driver_rings(*(uint64_t *)*state);
	/* said before the driver is ready, it is looked at with DRIVER_OK */
	vk.vq[0].ready = vk.vq[1].ready = 0;
	assert_int_equal(set_ready(0, true), OK);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(vk_set_status("\1\3\13\17"[i]), OK);
	assert_true(vdev_vq_running(vk_owner.d, 0));
	vk.vq[1].ready = 1;
	wait_ms(300);
	assert_false(vdev_vq_running(vk_owner.d, 1));
	vk.vq[1].ready = 0;
	assert_int_equal(set_ready(1, true), OK);
	assert_true(vk_both_run());
}

/** Until the reset nothing that the driver says has a ring run. */
static void
a_suspended_device_stays_so(void **state)
{
	vk.version = 1;
	vk.interface = VDUSE_K_F_QUEUE_READY | VDUSE_K_F_SUSPEND;
	/* without a driver there is nothing to stop */
	vk_transport = vk_make();
	assert_int_equal(ask(VDUSE_K_SUSPEND, 0, 0, 0), OK);
	vk_driver_rings(0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(vk_set_status("\1\3\13\17"[i]), OK);
	assert_true(vk_both_run());
	assert_int_equal(ask(VDUSE_K_SUSPEND, 0, 0, 0), OK);
	assert_int_equal(ask(VDUSE_K_SUSPEND, 0, 0, 0), OK);
	assert_int_equal(set_ready(1, true), OK);
	assert_int_equal(ask(VDUSE_UPDATE_IOTLB, 0, UINT64_MAX, 0), OK);
	assert_int_equal(ask(VDUSE_K_SET_VQ_GROUP_ASID, 0, 1, 0), OK);
	assert_int_equal(vk_set_status(STARTED), OK);
	wait_ms(200);
	assert_false(vdev_vq_running(vk_owner.d, 0));
	assert_false(vdev_vq_running(vk_owner.d, 1));
	assert_int_equal(vk_set_status(0), OK);
	vk_driver_rings(0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(vk_set_status("\1\3\13\17"[i]), OK);
	assert_true(vk_both_run());
}

/** Each was read by a process that ended before it answered. */
static void
pending_requests_are_answered_by_the_successor(void **state)
{
	static const struct {
		uint32_t type, a, b;
		bool runs;
	} rows[] = {
		{VDUSE_K_SUSPEND, 0, 0, false},
		{VDUSE_K_SET_VQ_READY, 1, 0, false},
		{VDUSE_K_SET_VQ_GROUP_ASID, 0, 1, true},
	};

	vk.version = 1;
	vk.interface = VDUSE_K_F_QUEUE_READY | VDUSE_K_F_SUSPEND;
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		const union vduse_k_body body = {.group = {rows[i].a, rows[i].b}};

		vk_start(*(uint64_t *)*state);
		vk_kill_switch();
		vk.pending = (struct vduse_dev_request){.type = rows[i].type, .request_id = 1000};
		memcpy(&vk.pending.padding, &body, sizeof(body));
		vk_transport = vk_make();
		assert_non_null(vk_transport);
		assert_int_equal(vk_answer_of(&(struct vduse_dev_request){.request_id = 1000})
					 .result,
				 OK);
		assert_int_equal(vdev_vq_running(vk_owner.d, 1), rows[i].runs);
		if (rows[i].type == VDUSE_K_SET_VQ_GROUP_ASID)
			assert_int_equal(vk.asid_asked, 1);
		vk_kill_switch();
		vk.exists = false;
	}
}

#define SENT 9

/** As QEMU does on vhost-vdpa: the rings stand still, are asked for, and go on elsewhere. */
static void
a_machine_migrates(void **state)
{
	const uint64_t features = *(uint64_t *)*state;
	struct vduse_dev_request where = {.type = VDUSE_GET_VQ_STATE};
	struct vduse_dev_response at[2];
	struct vqd drv;

	vk.version = 1;
	vk.interface = VDUSE_K_F_QUEUE_READY | VDUSE_K_F_SUSPEND;
	vk_start(features);
	owner_driver(&vk_owner, 1, RING, &drv);
	for (int to = 0; to < 4; to++) {
		for (int n = 0; n < SENT; n++)
			assert_int_equal(owner_transmit(&vk_owner, 0, &drv), 1);
		assert_int_equal(ask(VDUSE_K_SUSPEND, 0, 0, 0), OK);
		assert_null(vk_owner.rx[0]);
		for (uint32_t i = 0; i < 2; i++) {
			where.vq_state.index = i;
			vk_send(&where);
			at[i] = vk_answer_of(&where);
			assert_int_equal(at[i].result, OK);
		}
		assert_int_equal(vk_set_status(0), OK);
		/* another host: there is nothing of this device there */
		vk_kill_switch();
		vk.exists = vk.on_bus = false;
		vk_transport = vk_make();
		vk_driver_rings(features);
		for (uint32_t i = 0; i < 2; i++) {
			if (features & F(RING_PACKED))
				vk.vq[i].packed = at[i].vq_state.packed;
			else
				vk.vq[i].split = at[i].vq_state.split;
		}
		for (size_t i = 0; i < 4; i++)
			assert_int_equal(vk_set_status("\1\3\13\17"[i]), OK);
		assert_true(vk_both_run());
	}
	vqd_fini(&drv);
}

static void
a_suspended_device_keeps_its_positions(void **state)
{
	struct vduse_dev_request where = {.type = VDUSE_GET_VQ_STATE};
	const uint64_t features = *(uint64_t *)*state;
	struct vduse_dev_response resp;
	struct vqd drv;

	vk.interface = VDUSE_K_F_SUSPEND;
	vk_start(features);
	owner_driver(&vk_owner, 1, RING, &drv);
	assert_int_equal(owner_transmit(&vk_owner, 0, &drv), 1);
	assert_int_equal(ask(VDUSE_K_SUSPEND, 0, 0, 0), OK);
	assert_false(vdev_vq_running(vk_owner.d, 0));
	assert_false(vdev_vq_running(vk_owner.d, 1));
	/* the rings are ready by the kernel's word, and so they are after a restart */
	for (int killed = 0; killed < 2; killed++) {
		for (int i = 0; i < 30; i++)
			ev_run_once(vk_owner.loop, 10);
		assert_false(vdev_vq_running(vk_owner.d, 1));
		where.vq_state.index = 1;
		vk_send(&where);
		resp = vk_answer_of(&where);
		assert_int_equal(resp.result, OK);
		assert_int_equal((features & F(RING_PACKED)) ? resp.vq_state.packed.last_avail_idx
							     : resp.vq_state.split.avail_index,
				 1);
		vk_kill_switch();
		vk_transport = vk_make();
		assert_non_null(vk_transport);
	}
	/* a reset ends it */
	assert_int_equal(vk_set_status(0), OK);
	vk_driver_rings(features);
	assert_int_equal(vk_set_status(3), OK);
	assert_int_equal(vk_set_status(0xb), OK);
	assert_int_equal(vk_set_status(STARTED), OK);
	assert_true(vk_both_run());
	vqd_fini(&drv);
}

int
main(void)
{
	static uint64_t layouts[] = {0, F(RING_PACKED)};
#define TEST(f) cmocka_unit_test_setup_teardown(f, vk_setup, vk_teardown)
#define WITH(f, l) cmocka_unit_test_prestate_setup_teardown(f, vk_setup, vk_teardown, &layouts[l])
#define EACH(f) WITH(f, 0), WITH(f, 1)
	const struct CMUnitTest tests[] = {
		TEST(the_newest_that_both_know_is_taken),
		TEST(rings_move_between_address_spaces),
		TEST(impossible_values_are_refused),
		EACH(the_kernel_tells_which_rings_are_ready),
		EACH(a_ring_waits_for_the_word),
		TEST(a_suspended_device_stays_so),
		EACH(pending_requests_are_answered_by_the_successor),
		EACH(a_machine_migrates),
		EACH(a_suspended_device_keeps_its_positions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
