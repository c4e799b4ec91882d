/* SPDX-License-Identifier: BSD-3-Clause */
/* Several queue pairs of a VDUSE device, and its control queue, of kernels that take one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/record.h"
#include "base/recording.h"
#include "vduse/kernel.h"
#include "virtq/journal.h"
#include "vduse_ctrl_driver.h"

/* --- kernels --- */

static void
a_kernel_without_control_queues_has_one_pair(void **state)
{
	struct transport_info info;

	vk.pairs = PAIRS;
	vk_shape(vk_owner.d);
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	assert_int_equal(vk.creates, 2);
	assert_int_equal(vk.nvq, 2);
	assert_int_equal(vk.config.max_virtqueue_pairs, 1);
	cvq_start(0);
	assert_true(vk_both_run());
	vk_transport->ops->info(vk_transport, &info);
	assert_int_equal(info.pairs, 1);
	assert_non_null(strstr(info.few, "refuses a control queue"));
	assert_string_equal(cvq_fact("vduse_queue_pairs_why")->text, info.few);
	assert_string_equal(cvq_fact("vduse_control_queue")->text, "refused by the kernel");
	/* and a successor, which cannot know what the kernel said then */
	vk_kill_switch();
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	assert_true(vk_both_run());
	vk_transport->ops->info(vk_transport, &info);
	assert_non_null(info.few);
}

/** Nothing else is answered by trying without. */
static void
other_errors_are_no_reason_for_one_pair(void **state)
{
	static const int errs[] = {EPERM, ENOMEM, EEXIST};

	vk.pairs = PAIRS;
	vk.takes_ctrl = true;
	vk_shape(vk_owner.d);
	for (size_t i = 0; i < RTE_DIM(errs); i++) {
		vk.create_err = errs[i];
		assert_null(vk_make());
	}
	vk.create_err = EINVAL;
	assert_null(vk_make());
	vk.create_err = 0;
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	assert_int_equal(vk.nvq, CVQ + 1);
}

static void
one_pair_asks_for_no_control_queue(void **state)
{
	vk.takes_ctrl = true;
	vk_start(0);
	assert_int_equal(vk.creates, 1);
	assert_int_equal(vk.nvq, 2);
	assert_false(vk.offered & MULTI);
	assert_string_equal(cvq_fact("vduse_control_queue")->text, "none");
}

/** Its queues are a group of their own, where there are groups. */
static void
it_is_made_with_a_control_queue(void **state)
{
	for (vk.version = 0; vk.version < 2; vk.version++) {
		cvq_start_multi(0);
		assert_int_equal(vk.nvq, CVQ + 1);
		assert_int_equal(vk.config.max_virtqueue_pairs, PAIRS);
		for (uint32_t i = 0; i <= CVQ; i++)
			assert_int_equal(vk.group[i], i == CVQ && vk.version == 1);
		assert_int_equal(cvq_fact("vduse_queue_pairs")->number, PAIRS);
		assert_string_equal(cvq_fact("vduse_queue_pairs_why")->text, "");
		vk_kill_switch();
		vk.exists = false;
	}
	vk.version = 0;
	cvq_start_multi(0);
}

static void
pairs_take_a_control_queue(void **state)
{
	vk.pairs = PAIRS;
	vk.takes_ctrl = true;
	vk_shape(vk_owner.d);
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	vk_driver_rings(F(NET_MQ));
	assert_int_equal(vk_set_status(3), OK);
	assert_int_equal(vk_set_status(0xb), FAILED);
	/* a control queue alone follows the only pair */
	vk_driver_rings(1u << VIRTIO_NET_F_CTRL_VQ);
	assert_int_equal(vk_set_status(0), OK);
	cvq_mem = vk_owner.mem;
	cvq_mem_at = OWNER_GPA;
	cvq_make_driver(2);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(vk_set_status("\1\3\13\17"[i]), OK);
	assert_int_equal(cvq_set_pairs(1), VIRTIO_NET_ERR);
	assert_true(vk_both_run());
	assert_int_equal(cvq_pairs_used(), 1);
}

/* --- commands --- */

static void
the_driver_says_how_many_pairs(void **state)
{
	cvq_start_multi(*(uint64_t *)*state);
	assert_int_equal(cvq_pairs_used(), 1);
	for (uint16_t round = 0; round < 3 * RING; round++) {
		const uint16_t n = 1 + round % PAIRS;

		assert_int_equal(cvq_set_pairs(n), VIRTIO_NET_OK);
		assert_int_equal(cvq_pairs_used(), n);
	}
	assert_int_equal(cvq_fact("vduse_control_commands")->number, 3 * RING);
	assert_int_equal(cvq_fact("vduse_queue_pairs_used")->number, 1 + (3 * RING - 1) % PAIRS);
	/* a driver that comes anew begins with one */
	cvq_start(*(uint64_t *)*state | MULTI);
	assert_int_equal(cvq_pairs_used(), 1);
	assert_int_equal(cvq_set_pairs(2), VIRTIO_NET_OK);
	assert_int_equal(cvq_pairs_used(), 2);
}

static void
what_is_not_offered_is_refused(void **state)
{
	static const struct {
		uint8_t class, cmd;
		uint16_t n;
	} rows[] = {
		{VIRTIO_NET_CTRL_MQ, 0, 0},       {VIRTIO_NET_CTRL_MQ, 0, PAIRS + 1},
		{VIRTIO_NET_CTRL_MQ, 0, 0x8000},  {VIRTIO_NET_CTRL_MQ, 0, 0xffff},
		{VIRTIO_NET_CTRL_MQ, 0, 0x100},   {VIRTIO_NET_CTRL_MQ, 1, 1},
		{VIRTIO_NET_CTRL_MQ, 0xff, 1},    {VIRTIO_NET_CTRL_RX, 0, 1},
		{VIRTIO_NET_CTRL_MAC, 0, 1},      {VIRTIO_NET_CTRL_VLAN, 0, 1},
		{VIRTIO_NET_CTRL_ANNOUNCE, 0, 1}, {0xff, 0xff, 0xffff},
	};
	static const struct vqd_buf longer[] = {{HEAD_AT, 2}, {DATA_AT, 3}, {ACK_AT, 1}},
				    shorter[] = {{HEAD_AT, 2}, {DATA_AT, 1}, {ACK_AT, 1}},
				    bare[] = {{HEAD_AT, 2}, {ACK_AT, 1}};

	cvq_start_multi(*(uint64_t *)*state);
	assert_int_equal(cvq_set_pairs(2), VIRTIO_NET_OK);
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		assert_int_equal(cvq_command(rows[i].class, rows[i].cmd, rows[i].n),
				 VIRTIO_NET_ERR);
		assert_int_equal(cvq_pairs_used(), 2);
	}
	cvq_put(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 1);
	cvq_add(longer, 2, 1, false);
	assert_int_equal(cvq_answer(), VIRTIO_NET_ERR);
	cvq_put(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 1);
	cvq_add(shorter, 2, 1, false);
	assert_int_equal(cvq_answer(), VIRTIO_NET_ERR);
	cvq_put(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 1);
	cvq_add(bare, 1, 1, false);
	assert_int_equal(cvq_answer(), VIRTIO_NET_ERR);
	assert_int_equal(cvq_pairs_used(), 2);
	assert_int_equal(cvq_fact("vduse_control_refused")->number, RTE_DIM(rows) + 3);
}

/** Of any shape: the parts of a command are where the driver has put them. */
static void
chains_have_any_shape(void **state)
{
	struct vqd_buf many[RING];
	static const struct vqd_buf bytes[] = {{HEAD_AT, 1},     {HEAD_AT + 1, 1}, {DATA_AT, 1},
					       {DATA_AT + 1, 1}, {ACK_AT, 1},      {ACK_AT + 1, 7}},
				    wide[] = {{HEAD_AT, 2}, {DATA_AT, 2}, {ACK_AT, 64}},
				    empty[] = {{HEAD_AT, 0}, {HEAD_AT, 2}, {HEAD_AT, 0},
					       {DATA_AT, 2}, {ACK_AT, 0},  {ACK_AT, 1}};

	cvq_start_multi(*(uint64_t *)*state);
	for (int indirect = 0; indirect < 2; indirect++) {
		cvq_put(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 2);
		cvq_add(bytes, 4, 2, indirect);
		assert_int_equal(cvq_answer(), VIRTIO_NET_OK);
		assert_int_equal(cvq_pairs_used(), 2);
		cvq_put(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 3);
		cvq_add(wide, 2, 1, indirect);
		assert_int_equal(cvq_answer(), VIRTIO_NET_OK);
		assert_int_equal(cvq_pairs_used(), 3);
		cvq_put(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 1);
		cvq_add(empty, 4, 2, indirect);
		assert_int_equal(cvq_answer(), VIRTIO_NET_OK);
		assert_int_equal(cvq_pairs_used(), 1);
	}
	/* as long as the ring */
	for (uint32_t i = 0; i < RING; i++)
		many[i] = (struct vqd_buf){ACK_AT, 1};
	memcpy(many, bytes, 4 * sizeof(many[0]));
	cvq_put(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 2);
	cvq_add(many, 4, RING - 4, false);
	assert_int_equal(cvq_answer(), VIRTIO_NET_OK);
	assert_int_equal(cvq_pairs_used(), 2);
}

/** One that is not there yet is looked for again, and nothing waits for it. */
static void
a_command_waits_for_its_memory(void **state)
{
	uint64_t last = vk.region_last;

	cvq_start_multi(*(uint64_t *)*state);
	assert_int_equal(cvq_set_pairs(2), VIRTIO_NET_OK);
	vk.region_last = 0;
	assert_int_equal(cvq_ask(VDUSE_UPDATE_IOTLB, 0, UINT64_MAX, 0), OK);
	cvq_put(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 3);
	cvq_add(cvq_usual, 2, 1, false);
	cvq_kick();
	cvq_rest(100);
	assert_false(cvq_answered());
	assert_int_equal(cvq_mem[ACK_AT], NO_ANSWER);
	assert_string_equal(cvq_fact("vduse_control_queue")->text,
			    "waits for memory that the driver has not mapped");
	vk.region_last = last;
	while (!cvq_answered())
		ev_run_once(vk_owner.loop, 10);
	assert_int_equal(cvq_mem[ACK_AT], VIRTIO_NET_OK);
	assert_int_equal(cvq_pairs_used(), 3);
}

/** A driver that keeps its ring full has the others wait for a few commands at a time. */
static void
work_is_bounded(void **state)
{
	uint32_t before;

	cvq_start_multi(0);
	cvq_put(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 2);
	for (int i = 0; i < RING / 3; i++)
		cvq_add(cvq_usual, 2, 1, false);
	cvq_kick();
	while (cvq_fact("vduse_control_commands")->number == 0)
		ev_run_once(vk_owner.loop, 0);
	while (cvq_fact("vduse_control_commands")->number < RING / 3) {
		before = (uint32_t)cvq_fact("vduse_control_commands")->number;
		ev_run_once(vk_owner.loop, 10);
		assert_true(cvq_fact("vduse_control_commands")->number - before <= 8);
	}
}

static unsigned int due; /* publications */

static void
publish_later(struct vdev *d)
{
	due++;
}

/** The answer means that workers have seen it: they send nothing on a queue that is left. */
static void
an_answer_comes_when_workers_see_it(void **state)
{
	const struct vdev_ops *was = vk_owner.d->cfg.ops;
	struct vdev_ops ops = *was;

	ops.publish_soon = publish_later;
	cvq_start_multi(*(uint64_t *)*state);
	assert_int_equal(cvq_set_pairs(3), VIRTIO_NET_OK);
	vk_owner.d->cfg.ops = &ops;
	cvq_put(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 1);
	cvq_add(cvq_usual, 2, 1, false);
	cvq_kick();
	while (due == 0)
		ev_run_once(vk_owner.loop, 10);
	cvq_rest(20);
	assert_false(cvq_answered());
	vk_owner.d->cfg.ops->publish(vk_owner.d);
	vdev_published(vk_owner.d);
	while (!cvq_answered())
		ev_run_once(vk_owner.loop, 10);
	assert_int_equal(cvq_pairs_used(), 1);
	assert_int_equal(cvq_mem[ACK_AT], VIRTIO_NET_OK);
	/* a driver that leaves meanwhile gets none */
	cvq_put(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 2);
	cvq_add(cvq_usual, 2, 1, false);
	cvq_kick();
	due = 0;
	while (due == 0)
		ev_run_once(vk_owner.loop, 10);
	vk_owner.d->cfg.ops = was;
	assert_int_equal(vk_set_status(0), OK);
	cvq_rest(20);
	assert_false(cvq_answered());
}

/* --- newer kernels, and a successor --- */

static void
ready_and_suspend_are_for_it_too(void **state)
{
	const uint64_t features = *(uint64_t *)*state;
	struct vduse_dev_request req = {.type = VDUSE_GET_VQ_STATE, .vq_state.index = CVQ};
	struct vduse_dev_response resp;

	vk.version = 1;
	vk.interface = VDUSE_K_F_QUEUE_READY | VDUSE_K_F_SUSPEND;
	cvq_start_multi(features);
	for (uint16_t i = 0; i < 5; i++)
		assert_int_equal(cvq_set_pairs(2), VIRTIO_NET_OK);
	assert_int_equal(cvq_ask(VDUSE_K_SET_VQ_READY, CVQ, 0, 0), OK);
	vk.vq[CVQ].ready = 0;
	cvq_put(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 3);
	cvq_add(cvq_usual, 2, 1, false);
	cvq_kick();
	cvq_rest(20);
	assert_false(cvq_answered());
	assert_int_equal(cvq_ask(VDUSE_K_SET_VQ_READY, CVQ, 1, 0), OK);
	vk.vq[CVQ].ready = 1;
	while (!cvq_answered())
		ev_run_once(vk_owner.loop, 10);
	assert_int_equal(cvq_pairs_used(), 3);
	assert_int_equal(cvq_ask(VDUSE_K_SUSPEND, 0, 0, 0), OK);
	cvq_put(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 1);
	cvq_add(cvq_usual, 2, 1, false);
	cvq_kick();
	cvq_rest(100);
	assert_false(cvq_answered());
	/* where it stands, for another host: behind six commands */
	vk_send(&req);
	resp = vk_answer_of(&req);
	assert_int_equal(resp.result, OK);
	if (features & F(RING_PACKED))
		assert_int_equal(resp.vq_state.packed.last_avail_idx, 6 * 3);
	else
		assert_int_equal(resp.vq_state.split.avail_index, 6);
	/* there it goes on */
	assert_int_equal(vk_set_status(0), OK);
	vk_driver_rings(features | MULTI);
	if (features & F(RING_PACKED))
		vk.vq[CVQ].packed = resp.vq_state.packed;
	else
		vk.vq[CVQ].split = resp.vq_state.split;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(vk_set_status("\1\3\13\17"[i]), OK);
	while (!cvq_answered())
		ev_run_once(vk_owner.loop, 10);
	assert_int_equal(cvq_pairs_used(), 1);
}

/** Pairs, position and a command that came meanwhile, at any place of the ring. */
static void
a_successor_of_one_that_was_killed_goes_on(void **state)
{
	cvq_start_multi(*(uint64_t *)*state);
	for (uint16_t round = 0; round < RING; round++) {
		const uint16_t n = 1 + round % PAIRS;

		assert_int_equal(cvq_set_pairs(n), VIRTIO_NET_OK);
		vk_kill_switch();
		cvq_put(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 1 + n % PAIRS);
		if (round % 2 == 0)
			cvq_add(cvq_usual, 2, 1, false);
		vk_transport = vk_make();
		assert_non_null(vk_transport);
		assert_int_equal(cvq_pairs_used(), n);
		while (round % 2 == 0 && !cvq_answered())
			ev_run_once(vk_owner.loop, 10);
		if (round % 2 == 0)
			assert_int_equal(cvq_pairs_used(), 1 + n % PAIRS);
	}
}

/** It cannot know where the ring stands before it has its memory. */
static void
a_successor_waits_for_memory(void **state)
{
	const uint64_t last = vk.region_last;
	struct vq_journal *j;
	struct vq_state before;

	cvq_start_multi(*(uint64_t *)*state);
	for (uint16_t round = 0; round < RING; round++) {
		j = vdev_journal_spare(vk_owner.d);
		before = j->state;
		assert_int_equal(cvq_set_pairs(1), VIRTIO_NET_OK);
		/* killed in the middle of that, too, and a second time */
		j->next = j->state;
		j->state = round % 2 == 0 ? before : j->next;
		j->pending = round % 2 == 0;
		vk.region_last = 0;
		for (int times = 0; times < 2; times++) {
			vk_kill_switch();
			vk_transport = vk_make();
			assert_non_null(vk_transport);
			cvq_rest(3);
		}
		vk.region_last = last;
		assert_int_equal(cvq_set_pairs(1 + round % PAIRS), VIRTIO_NET_OK);
		assert_int_equal(cvq_fact("vduse_control_commands")->number, 1);
		assert_int_equal(cvq_fact("vduse_queue_pairs_used")->number, 1 + round % PAIRS);
	}
}

/** Killed between the answer and its note, or before the answer: it is given once. */
static void
an_answer_that_was_begun_is_given_once(void **state)
{
	struct vq_journal *j;
	struct vq_state before;

	cvq_start_multi(F(RING_PACKED));
	for (uint16_t round = 0; round < RING; round++) {
		j = vdev_journal_spare(vk_owner.d);
		before = j->state;
		assert_int_equal(cvq_set_pairs(1 + round % PAIRS), VIRTIO_NET_OK);
		j->next = j->state;
		j->state = before;
		j->pending = 1;
		vk_kill_switch();
		vk_transport = vk_make();
		assert_non_null(vk_transport);
		cvq_rest(2);
		assert_int_equal(cvq_fact("vduse_control_commands")->number, 0);
		/* and before */
		j = vdev_journal_spare(vk_owner.d);
		j->next = (struct vq_state){(uint16_t)((j->state.avail + 3) % RING),
					    (uint16_t)((j->state.avail + 3) % RING),
					    j->state.avail_wrap != (j->state.avail + 3 >= RING),
					    j->state.avail_wrap != (j->state.avail + 3 >= RING)};
		j->pending = 1;
		cvq_put(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 3);
		cvq_add(cvq_usual, 2, 1, false);
		vk_kill_switch();
		vk_transport = vk_make();
		assert_non_null(vk_transport);
		while (!cvq_answered())
			ev_run_once(vk_owner.loop, 10);
		assert_int_equal(cvq_pairs_used(), 3);
	}
}

/** While there was no switch the kernel gave it up: the port is there to be told of that. */
static void
a_device_that_was_given_up_is_found(void **state)
{
	for (uint32_t several = 0; several < 2; several++) {
		if (several)
			cvq_start_multi(0);
		else
			vk_start(0);
		vk_kill_switch();
		vk.given_up = true;
		vk_transport = vk_make();
		assert_non_null(vk_transport);
		assert_null(vk_owner.d->transport);
		vk_kill_switch();
		vk.given_up = false;
		vk.exists = false;
		vk.on_bus = false;
	}
	cvq_start_multi(0);
	assert_int_equal(cvq_set_pairs(2), VIRTIO_NET_OK);
}

/** Commands and answers are recorded, of unknown ones no data; so is what the kernel says. */
static void
commands_are_recorded(void **state)
{
	static const struct {
		enum record_from from;
		uint32_t request, size;
		int first; /* byte; -1: left out */
	} want[] = {
		{RECORD_FROM_PEER, VIRTIO_NET_CTRL_MQ << 8, 2, 2},
		{RECORD_FROM_US, VIRTIO_NET_CTRL_MQ << 8, 1, VIRTIO_NET_OK},
		{RECORD_FROM_PEER, VIRTIO_NET_CTRL_MQ << 8, 2, 9},
		{RECORD_FROM_US, VIRTIO_NET_CTRL_MQ << 8, 1, VIRTIO_NET_ERR},
		{RECORD_FROM_PEER, VIRTIO_NET_CTRL_MAC << 8, 60, -1},
		{RECORD_FROM_US, VIRTIO_NET_CTRL_MAC << 8, 1, VIRTIO_NET_ERR},
	};
	static const struct vqd_buf filter[] = {{HEAD_AT, 2}, {DATA_AT, 60}, {ACK_AT, 1}};
	struct record_config cfg = {.limit = 1 << 20, .transport = RECORD_VDUSE, .port = "test"};
	char path[64], err[200];
	struct recording_event e;
	const char *why = NULL;
	struct recording r;
	uint32_t n = 0, facts[RECORD_MEMORY + 1] = {0};
	uint8_t *data;
	size_t len;
	int ret;

	snprintf(path, sizeof(path), "/tmp/vduse_ctrl.%d.rec", getpid());
	cfg.path = path;
	vk_record = record_open(&cfg, err, sizeof(err));
	assert_non_null(vk_record);
	cvq_start_multi(0);
	assert_int_equal(cvq_set_pairs(2), VIRTIO_NET_OK);
	assert_int_equal(cvq_set_pairs(9), VIRTIO_NET_ERR);
	cvq_put(VIRTIO_NET_CTRL_MAC, 0, 0);
	cvq_add(filter, 2, 1, false);
	assert_int_equal(cvq_answer(), VIRTIO_NET_ERR);
	vk_transport->ops->free(vk_transport);
	vk_transport = NULL;
	record_close(vk_record, "the end");
	record_settle(60000);
	data = recording_load(path, &len, err, sizeof(err));
	unlink(path);
	assert_non_null(data);
	assert_null(recording_begin(&r, data, len));
	while ((ret = recording_next(&r, &e, &why)) == 1) {
		if (e.type == RECORD_MESSAGE && e.u.message.channel == RECORD_KERNEL) {
			assert_in_range(e.u.message.request, RECORD_FEATURES, RECORD_MEMORY);
			assert_int_equal(e.u.message.nfds, e.u.message.request == RECORD_MEMORY);
			facts[e.u.message.request]++;
		}
		if (e.type != RECORD_MESSAGE || e.u.message.channel != RECORD_CONTROL)
			continue;
		assert_true(n < RTE_DIM(want));
		assert_int_equal(e.u.message.from, want[n].from);
		assert_int_equal(e.u.message.request, want[n].request);
		assert_int_equal(e.u.message.size, want[n].size);
		assert_int_equal(e.payload == NULL ? -1 : e.payload[0], want[n].first);
		n++;
	}
	assert_int_equal(ret, 0);
	assert_int_equal(n, RTE_DIM(want));
	for (n = RECORD_FEATURES; n <= RECORD_MEMORY; n++)
		assert_int_not_equal(facts[n], 0);
	free(data);
}

/** Its port asks for other queues than it has. */
static void
a_device_with_other_queues_is_found(void **state)
{
	cvq_start_multi(0);
	assert_int_equal(cvq_set_pairs(3), VIRTIO_NET_OK);
	vk.pairs = 2;
	vk_kill_switch();
	assert_null(vk_make());
	assert_non_null(strstr(vk_err, "has not the queues of its port"));
	vk.pairs = PAIRS;
	vk_shape(vk_owner.d);
	close(vk.fd);
	vk.fd = -1;
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	assert_int_equal(cvq_pairs_used(), 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_kernel_without_control_queues_has_one_pair),
		TEST(other_errors_are_no_reason_for_one_pair),
		TEST(one_pair_asks_for_no_control_queue),
		TEST(it_is_made_with_a_control_queue),
		TEST(pairs_take_a_control_queue),
		EACH(the_driver_says_how_many_pairs),
		EACH(what_is_not_offered_is_refused),
		EACH(chains_have_any_shape),
		EACH(a_command_waits_for_its_memory),
		TEST(work_is_bounded),
		EACH(an_answer_comes_when_workers_see_it),
		EACH(ready_and_suspend_are_for_it_too),
		EACH(a_successor_of_one_that_was_killed_goes_on),
		EACH(a_successor_waits_for_memory),
		TEST(an_answer_that_was_begun_is_given_once),
		TEST(a_device_that_was_given_up_is_found),
		TEST(commands_are_recorded),
		TEST(a_device_with_other_queues_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
