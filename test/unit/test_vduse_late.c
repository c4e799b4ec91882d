/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests while control has no time: it waits for a worker, or for something else; no memory. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "vduse/gate.h"
#include "vduse/kernel.h"
#include "vduse_model.h"

#define OK VDUSE_REQ_RESULT_OK
#define FAILED VDUSE_REQ_RESULT_FAILED
#define NET (F(VERSION_1) | F(ACCESS_PLATFORM))

static struct vduse_dev_request
status(uint8_t s)
{
	return (struct vduse_dev_request){.type = VDUSE_SET_STATUS, .s.status = s};
}

/** Its answer, without control. */
static uint32_t
answer_without_control(struct vduse_dev_request req)
{
	struct pollfd p = {.events = POLLIN};
	struct vduse_dev_response resp;

	vk_answer_ms = VK_HASTY_MS;
	vk_send(&req);
	p.fd = vk.fd;
	assert_int_equal(poll(&p, 1, -1), 1);
	assert_int_equal(read(vk.fd, &resp, sizeof(resp)), sizeof(resp));
	vk_answer_ms = VK_PATIENT_MS;
	assert_int_equal(resp.request_id, req.request_id);
	return resp.result;
}

/** No request is answered twice. */
static void
assert_no_more_answers(void)
{
	struct vduse_dev_response resp;

	for (int i = 0; i < 20; i++)
		ev_run_once(vk_owner.loop, 10);
	assert_int_equal(read(vk.fd, &resp, sizeof(resp)), -1);
}

static void
a_driver_comes_and_goes_while_control_does_not_look(void **state)
{
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	vk_driver_rings(0);
	/* nothing of this needs workers */
	assert_int_equal(answer_without_control(status(1)), OK);
	assert_no_more_answers();
	assert_int_equal(answer_without_control(status(3)), OK);
	assert_no_more_answers();
	assert_int_equal(answer_without_control(status(0xb)), OK);
	assert_no_more_answers();
	assert_int_equal(answer_without_control(status(STARTED)), OK);
	/* the rings start when control has time */
	assert_false(vk_both_run());
	assert_no_more_answers();
	assert_true(vk_both_run());
	/* workers may have them now */
	assert_int_equal(answer_without_control(status(0)), FAILED);
	assert_true(vk_both_run());
	/* a driver that starts at once would get the memory of the one before touched */
	assert_int_equal(answer_without_control(status(STARTED)), FAILED);
	assert_no_more_answers();
	assert_int_equal(vk_set_status(0), OK);
	assert_false(vk_both_run());
}

/** Offered when the device was made; the limit for which it was is gone. */
static void
an_mtu_is_accepted_without_control(void **state)
{
	vk_owner.d->cfg.features &= ~F(NET_MTU);
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	vk_driver_rings(F(NET_MTU));
	assert_int_equal(vk_set_status(3), OK);
	assert_int_equal(answer_without_control(status(0xb)), OK);
	assert_no_more_answers();
	assert_true(vk_owner.d->features & F(NET_MTU));
}

/* The owner's publication waits for a worker that is held until the answer has come. */
static uint32_t result_meanwhile;
static bool held;

static void
publish_held(struct vdev *d)
{
	struct vduse_dev_response resp;
	struct pollfd p = {.fd = vk.fd, .events = POLLIN};

	if (held) {
		held = false;
		assert_int_equal(poll(&p, 1, -1), 1);
		assert_int_equal(read(vk.fd, &resp, sizeof(resp)), sizeof(resp));
		assert_int_equal(resp.request_id, vk.next_id);
		result_meanwhile = resp.result;
	}
	owner_ops.publish(d);
}

static void
a_request_is_answered_while_a_worker_is_held(void **state)
{
	static struct vdev_ops ops; /* of the device, until the end of the test */
	struct vduse_dev_request reset = status(0);
	struct vduse_dev_request flush = {.type = VDUSE_UPDATE_IOTLB, .iova = {0, UINT64_MAX}};
	struct vduse_dev_request *each[] = {&flush, &reset};

	ops = owner_ops;
	ops.publish = publish_held;
	vk_start(0);
	vk_owner.d->cfg.ops = &ops;
	for (size_t i = 0; i < RTE_DIM(each); i++) {
		held = true;
		vk_answer_ms = VK_HASTY_MS;
		vk_send(each[i]);
		while (held)
			ev_run_once(vk_owner.loop, 1000);
		vk_answer_ms = VK_PATIENT_MS;
		assert_int_equal(result_meanwhile, FAILED);
		assert_no_more_answers();
	}
	/* it was done all the same */
	assert_int_equal(vk_owner.d->nqueues, 0);
	assert_int_equal(vk_set_status(0), OK);
}

/** Any number of requests, none of them left without an answer or with two. */
static void
each_request_has_one_answer(void **state)
{
	struct vduse_dev_request req = {0};
	unsigned int n = 0;

	vk_start(0);
	for (uint32_t type = 0; type < 8; type++, n++) {
		memset(&req, 0, sizeof(req));
		req.type = type;
		answer_without_control(req);
	}
	assert_no_more_answers();
	assert_int_equal(n, 8);
}

/* --- no memory for the gate --- */

static atomic_bool none_left;
static pthread_t control;

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *
__wrap_calloc(size_t n, size_t size)
{
	return none_left && !pthread_equal(pthread_self(), control) ? NULL : __real_calloc(n, size);
}

/** Control carries out what is granted, and what is refused is not done. */
static void
requests_are_answered_without_memory(void **state)
{
	struct vduse_dev_request where = {.type = VDUSE_GET_VQ_STATE};

	control = pthread_self();
	vk_start(0);
	none_left = true;
	assert_int_equal(vk_set_status(0), OK);
	assert_false(vk_both_run());
	assert_int_equal(vk_set_status(3), OK);
	assert_int_equal(vk_set_status(0xb), OK);
	assert_int_equal(vk_set_status(STARTED), OK);
	assert_true(vk_both_run());
	/* one is on its way, and there is none for a second, which control is never told of */
	assert_int_equal(answer_without_control(where), FAILED);
	assert_int_equal(answer_without_control(status(0)), FAILED);
	assert_no_more_answers();
	assert_true(vk_both_run());
	assert_int_equal(vk_set_status(0), OK);
	assert_false(vk_both_run());
	none_left = false;
}

static const struct {
	uint32_t type, word;
	bool busy, owes;
	uint64_t negotiated;
	bool granted;
} rows[] = {
	{VDUSE_SET_STATUS, 0, false, false, 0, true},
	{VDUSE_SET_STATUS, 0, true, false, 0, false},
	{VDUSE_SET_STATUS, 0, false, true, 0, false},
	{VDUSE_SET_STATUS, 1, false, false, 0, true},
	{VDUSE_SET_STATUS, 0xb, false, false, NET, true},
	{VDUSE_SET_STATUS, 0xb, false, false, NET | 1u << VIRTIO_NET_F_CTRL_VQ, false},
	{VDUSE_SET_STATUS, 0xb, false, false, NET | 1u << VIRTIO_NET_F_GUEST_TSO4, true},
	{VDUSE_SET_STATUS, STARTED, true, false, NET, true},
	{VDUSE_SET_STATUS, STARTED, false, true, NET, false},
	{VDUSE_UPDATE_IOTLB, 0, false, false, NET, true},
	{VDUSE_UPDATE_IOTLB, 0, true, false, NET, false},
	{VDUSE_UPDATE_IOTLB, 0, false, true, NET, false},
	{VDUSE_GET_VQ_STATE, 0, false, false, NET, false},
	{VDUSE_K_SET_VQ_GROUP_ASID, 0, false, false, NET, true},
	{VDUSE_K_SET_VQ_GROUP_ASID, 1, false, false, NET, false}, /* another group */
	{VDUSE_K_SET_VQ_GROUP_ASID, 0, true, false, NET, false},
	{VDUSE_K_SET_VQ_READY, 0, false, false, NET, true},
	{VDUSE_K_SET_VQ_READY, 2, false, false, NET, false}, /* no such ring */
	{VDUSE_K_SET_VQ_READY, 0, true, false, NET, false},
	{VDUSE_K_SUSPEND, 0, false, false, NET, true},
	{VDUSE_K_SUSPEND, 0, true, false, NET, false},
	{VDUSE_K_SUSPEND, 0, false, true, NET, false},
	{6, 0, false, false, NET, false},
	{UINT32_MAX, 0, false, false, NET, false},
};

static void
late_answers_claim_nothing_that_is_not_so(void **state)
{
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		const struct vduse_late f = {.offered = vduse_features(vdev_features_all()),
					     .negotiated = rows[i].negotiated,
					     .queues = 2,
					     .groups = 1,
					     .busy = rows[i].busy,
					     .owes = rows[i].owes};
		struct vduse_dev_request req = {.type = rows[i].type};

		req.s.status = (uint8_t)rows[i].word;
		if (vduse_late_granted(&f, &req) != rows[i].granted)
			fail_msg("row %zu", i);
	}
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, vk_setup, vk_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_driver_comes_and_goes_while_control_does_not_look),
		TEST(an_mtu_is_accepted_without_control),
		TEST(a_request_is_answered_while_a_worker_is_held),
		TEST(each_request_has_one_answer),
		TEST(requests_are_answered_without_memory),
		cmocka_unit_test(late_answers_claim_nothing_that_is_not_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
