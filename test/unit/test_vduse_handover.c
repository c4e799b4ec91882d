/* SPDX-License-Identifier: BSD-3-Clause */
/* A VDUSE device goes on in another process: node, rings and memory are handed over. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "pkt/legend.h"
#include "vdev/handover.h"
#include "vdev/netcfg.h"
#include "vduse/kernel.h"
#include "vduse_model.h"

#define TYPE_LEGEND 1
#define TYPE_END 2 /* as the program has one */
#define SENT 5

static uint64_t layouts[] = {0, F(RING_PACKED)};

/* The device in the process that takes over; its loop is the model's. */
static struct owner to;
static struct transport *successor;

static void
open_successor(void)
{
	owner_init(&to, NULL);
	vk_shape(to.d);
	successor = vk_make_successor(to.d);
	assert_non_null(successor);
}

static void
close_successor(void)
{
	if (successor == NULL)
		return;
	successor->ops->free(successor);
	successor = NULL;
	to.d->cfg.queue_pairs = OWNER_PAIRS;
	owner_fini(&to);
}

static int
setup(void **state)
{
	vk_setup(state);
	open_successor();
	return 0;
}

static int
teardown(void **state)
{
	close_successor();
	return vk_teardown(state);
}

/** The records of the device, whose rings stop. */
static void
hand_over(struct blob *b)
{
	legend_put(b, TYPE_LEGEND);
	vk_transport->ops->hand_stop(vk_transport);
	vdev_hand_stop(vk_owner.d);
	owner_ops.publish(vk_owner.d);
	vk_transport->ops->hand_over(vk_transport, b);
	vdev_hand_over(vk_owner.d, b);
	hand_put(b, TYPE_END, "", 0);
	assert_false(b->failed);
}

/** Have the successor take them. NULL: it has taken all; else the reason. */
static const char *
take_over(struct blob *b)
{
	static struct legend legend;
	struct blob_reader reader = {.blob = b};
	struct hand_record h = {.reader = &reader, .legend = &legend};
	const char *why = NULL;
	bool ended = false;

	legend.n = 0;
	while (why == NULL && (h.data = blob_read(&reader, &h.r)) != NULL) {
		if (h.r.type == TYPE_LEGEND)
			why = legend_read(&legend, h.data, h.r.len) ? NULL : "legend";
		else if (h.r.type == TYPE_END)
			ended = true;
		else if (h.r.type >= TRANSPORT_HAND_FIRST)
			why = successor->ops->take_over(successor, &h);
		else
			why = vdev_take_over(to.d, &h);
	}
	return why != NULL || (ended && blob_at_end(&reader)) ? why : "damaged";
}

/** As the owner of a port does, there or here. */
static void
run(struct vdev *d, struct transport *t)
{
	vdev_sync(d);
	t->ops->hand_run(t);
	vdev_interrupt(d);
}

/** All of it: the first process is gone. */
static void
replace(void)
{
	struct blob b = {0};

	hand_over(&b);
	assert_null(take_over(&b));
	blob_free(&b);
	run(to.d, successor);
	/* the end of a process closes its descriptors, and does no more */
	vk_transport->ops->free(vk_transport);
	vk_transport = NULL;
}

static bool
both_run(void)
{
	return vdev_vq_running(to.d, 0) && vdev_vq_running(to.d, 1);
}

static void
send_frames(struct owner *o, struct vqd *drv)
{
	for (uint32_t i = 0; i < SENT; i++)
		assert_int_equal(owner_transmit(o, 0, drv), 1);
}

static uint64_t
requests(const struct transport *t)
{
	struct transport_info info;

	t->ops->info(t, &info);
	return info.messages;
}

/** The kernel is asked for nothing: not for the node, nor for kicks, nor for memory. */
static void
it_goes_on(void **state)
{
	struct vduse_dev_request where = {.type = VDUSE_GET_VQ_STATE};
	const uint64_t features = *(uint64_t *)*state;
	unsigned int irqs, config_irqs;
	struct vduse_dev_response resp;
	uint64_t before;
	struct vqd drv;

	vk_start(features);
	owner_driver(&vk_owner, 1, RING, &drv);
	send_frames(&vk_owner, &drv);
	before = requests(vk_transport);
	irqs = vk.irqs[1];
	config_irqs = vk.config_irqs;
	vk.created = false;
	replace();
	assert_true(both_run());
	assert_false(vk.created);
	assert_true(vk.exists);
	assert_int_equal(vk.setups, 2);
	assert_int_equal(vk.kicks, 2);
	assert_int_equal(vk.fds_given, 1);
	assert_int_equal(vk.config_irqs, config_irqs);
	assert_int_equal(requests(successor), before);
	/* one that the first process owed may be lost */
	while (vk.irqs[1] == irqs)
		usleep(100);
	owner_ops.publish(to.d);
	send_frames(&to, &drv);
	where.vq_state.index = 1;
	vk_send(&where);
	resp = vk_answer_of(&where);
	assert_int_equal(resp.result, VDUSE_REQ_RESULT_OK);
	assert_int_equal((features & F(RING_PACKED)) ? resp.vq_state.packed.last_avail_idx
						     : resp.vq_state.split.avail_index,
			 2 * SENT);
	assert_int_equal(requests(successor), before + 1);
	/* memory and status are as if it had been here all the time */
	assert_int_equal(vk_update_iotlb(0, UINT64_MAX), VDUSE_REQ_RESULT_OK);
	assert_int_equal(vk.fds_given, 2);
	assert_true(both_run());
	assert_int_equal(vk_set_status(0), VDUSE_REQ_RESULT_OK);
	assert_int_equal(to.d->nqueues, 0);
	assert_int_equal(vk_set_status(3), VDUSE_REQ_RESULT_OK);
	vk_driver_rings(features);
	assert_int_equal(vk_set_status(0xb), VDUSE_REQ_RESULT_OK);
	assert_int_equal(vk_set_status(STARTED), VDUSE_REQ_RESULT_OK);
	assert_true(both_run());
	vqd_fini(&drv);
}

/** No process takes over: rings and requests go on where they were. */
static void
it_comes_back(void **state)
{
	struct blob b = {0};
	unsigned int config_irqs;
	struct vqd drv;

	vk_start(*(uint64_t *)*state);
	owner_driver(&vk_owner, 1, RING, &drv);
	send_frames(&vk_owner, &drv);
	config_irqs = vk.config_irqs;
	for (int times = 0; times < 3; times++) {
		hand_over(&b);
		assert_false(vk_both_run());
		if (times == 1)
			assert_null(take_over(&b));
		blob_free(&b);
		close_successor();
		open_successor();
		run(vk_owner.d, vk_transport);
		assert_true(vk_both_run());
		owner_ops.publish(vk_owner.d);
		send_frames(&vk_owner, &drv);
		assert_int_equal(vk_update_iotlb(0, UINT64_MAX), VDUSE_REQ_RESULT_OK);
	}
	assert_int_equal(vk.config_irqs, config_irqs);
	assert_true(vk.exists);
	assert_int_equal(vk_set_status(0), VDUSE_REQ_RESULT_OK);
	assert_false(vk_both_run());
	vqd_fini(&drv);
}

static bool
is_answered(void)
{
	struct vduse_dev_response resp;

	return recv(vk.fd, &resp, sizeof(resp), MSG_PEEK | MSG_DONTWAIT) > 0;
}

/** One that has come before is answered before; one that comes in between, by the successor. */
static void
requests_are_answered(void **state)
{
	struct vduse_dev_request first = {.type = VDUSE_UPDATE_IOTLB, .iova = {1, 2}},
				 second = {.type = VDUSE_GET_VQ_STATE};
	struct vduse_dev_response resp;
	struct blob b = {0};

	vk_start(0);
	vk_send(&first);
	/* the gate has read it, and control has not come to it */
	usleep(20000);
	hand_over(&b);
	assert_true(is_answered());
	assert_int_equal(read(vk.fd, &resp, sizeof(resp)), sizeof(resp));
	assert_int_equal(resp.request_id, first.request_id);
	assert_int_equal(resp.result, VDUSE_REQ_RESULT_OK);
	vk_send(&second);
	assert_null(take_over(&b));
	blob_free(&b);
	ev_run_once(vk_owner.loop, 50);
	assert_false(is_answered());
	run(to.d, successor);
	assert_int_equal(vk_answer_of(&second).result, VDUSE_REQ_RESULT_OK);
	assert_int_equal(requests(successor), requests(vk_transport) + 1);
}

/** The driver has its answer, control has yet to do what was granted: it is done before. */
static void
what_was_granted_is_done(void **state)
{
	struct vduse_dev_request req = {.type = VDUSE_SET_STATUS, .s.status = STARTED};
	struct vduse_dev_response resp;

	vk_transport = vk_make();
	vk.on_bus = true;
	vk_driver_rings(0);
	assert_int_equal(vk_set_status(3), VDUSE_REQ_RESULT_OK);
	assert_int_equal(vk_set_status(0xb), VDUSE_REQ_RESULT_OK);
	vk_answer_ms = VK_HASTY_MS;
	vk_send(&req);
	while (!is_answered())
		usleep(1000);
	vk_answer_ms = VK_PATIENT_MS;
	assert_int_equal(read(vk.fd, &resp, sizeof(resp)), sizeof(resp));
	assert_int_equal(resp.result, VDUSE_REQ_RESULT_OK);
	replace();
	assert_true(both_run());
	ev_run_once(vk_owner.loop, 10);
	assert_true(both_run());
}

/** A device that no driver has, and one whose driver has come half of the way. */
static void
a_driver_comes_later(void **state)
{
	vk_transport = vk_make();
	vk.on_bus = true;
	assert_int_equal(vk_set_status(3), VDUSE_REQ_RESULT_OK);
	replace();
	vk_driver_rings(0);
	assert_int_equal(vk_set_status(0xb), VDUSE_REQ_RESULT_OK);
	assert_int_equal(vk_set_status(STARTED), VDUSE_REQ_RESULT_OK);
	assert_true(both_run());
}

/** Of newer kernels: the rings stand still there, in the address space they were moved to. */
static void
a_suspended_device_stays_so(void **state)
{
	struct vduse_dev_request req = {.type = VDUSE_K_SUSPEND},
				 space = {.type = VDUSE_K_SET_VQ_GROUP_ASID};
	const union vduse_k_body body = {.group.asid = 1};

	vk.version = 1;
	vk.interface = VDUSE_K_F_SUSPEND;
	vk_start(0);
	memcpy(&space.padding, &body, sizeof(body));
	vk_send(&space);
	assert_int_equal(vk_answer_of(&space).result, VDUSE_REQ_RESULT_OK);
	vk_send(&req);
	assert_int_equal(vk_answer_of(&req).result, VDUSE_REQ_RESULT_OK);
	replace();
	for (int i = 0; i < 30; i++)
		ev_run_once(vk_owner.loop, 10);
	assert_false(vdev_vq_running(to.d, 0));
	assert_false(vdev_vq_running(to.d, 1));
	assert_int_equal(vk_set_status(0), VDUSE_REQ_RESULT_OK);
	vk_driver_rings(0);
	assert_int_equal(vk_set_status(3), VDUSE_REQ_RESULT_OK);
	assert_int_equal(vk_set_status(0xb), VDUSE_REQ_RESULT_OK);
	vk.asid_asked = 7;
	assert_int_equal(vk_set_status(STARTED), VDUSE_REQ_RESULT_OK);
	assert_true(both_run());
	/* which a reset ends, without a word of the kernel's */
	assert_int_equal(vk.asid_asked, 0);
}

/** The kernel has given it up: its port is there, and says so. */
static void
a_device_of_no_use_stays_so(void **state)
{
	struct transport_info info;

	vk_start(0);
	close(vk.fd);
	vk.fd = -1;
	while (vk_owner.d->transport != NULL)
		ev_run_once(vk_owner.loop, 1000);
	replace();
	assert_false(both_run());
	successor->ops->info(successor, &info);
	assert_non_null(info.last_error);
	assert_false(info.connected);
}

/** A request to the bus is not finished: another moment is better. */
static void
a_device_that_is_being_attached_is_busy(void **state)
{
	vk_attach = VDUSE_ATTACH_VHOST;
	vk.bus_held = true;
	vk_transport = vk_make();
	assert_non_null(vk_transport->ops->busy(vk_transport));
	vk.bus_held = false;
	while (vk_transport->ops->busy(vk_transport) != NULL)
		ev_run_once(vk_owner.loop, 100);
}

/** A copy with descriptors of its own. */
static void
copy(const struct blob *b, struct blob *c)
{
	*c = (struct blob){0};
	blob_put(c, b->data, b->len);
	c->fd = calloc(b->nfds + 1, sizeof(int));
	c->nfds = c->fd_room = b->nfds;
	for (uint32_t i = 0; i < b->nfds; i++)
		c->fd[i] = fcntl(b->fd[i], F_DUPFD_CLOEXEC, 0);
}

/** Cut off or wrong anywhere: no harm is done, and the first process goes on. */
static void
damage_is_refused(void **state)
{
	struct blob b = {0}, c;
	unsigned int fds;
	struct vqd drv;

	vk_start(0);
	owner_driver(&vk_owner, 1, RING, &drv);
	hand_over(&b);
	close_successor();
	fds = open_fds();
	for (size_t at = 0; at < 2 * b.len; at++) {
		if (at >= b.len && at % 8 != 0)
			continue;
		open_successor();
		copy(&b, &c);
		if (at < b.len)
			c.data[at] ^= at % 3 == 0 ? 0xff : at % 3 == 1 ? 0x80 : 0x01;
		else
			c.len = at - b.len;
		if (at >= b.len)
			assert_non_null(take_over(&c));
		else
			take_over(&c);
		blob_free(&c);
		close_successor();
	}
	for (int i = 0; open_fds() != fds && i < 5000; i++)
		usleep(1000); /* the lane closes some */
	assert_int_equal(open_fds(), fds);
	blob_free(&b);
	run(vk_owner.d, vk_transport);
	owner_ops.publish(vk_owner.d);
	send_frames(&vk_owner, &drv);
	vqd_fini(&drv);
}

/* --- several queue pairs, and their control queue --- */

#define PAIRS VK_PAIRS_MAX
#define CVQ (2u * PAIRS)

/** Have the driver say that it uses @p n pairs; it kicks. */
static void
say_pairs(struct vqd *drv, uint16_t n)
{
	const uint8_t command[] = {VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, (uint8_t)n,
				   0};
	const struct vqd_buf b[] = {{OWNER_GPA + BUF_AT(0), sizeof(command)},
				    {OWNER_GPA + BUF_AT(1), 1}};
	const struct vqd_chain c = {.buf = b, .nout = 1, .nin = 1};
	const uint64_t one = 1;

	memcpy(vk_owner.mem + BUF_AT(0), command, sizeof(command));
	vk_owner.mem[BUF_AT(1)] = 0xee;
	assert_int_equal(vqd_add(drv, &c), 0);
	vqd_publish(drv);
	assert_int_equal(write(vk.kick_fd, &one, sizeof(one)), sizeof(one));
}

static void
await_answer(struct vqd *drv)
{
	uint64_t data;
	uint32_t len;

	while (!vqd_get(drv, &data, &len)) {
		assert_false(drv->broken);
		ev_run_once(vk_owner.loop, 10);
	}
	assert_int_equal(vk_owner.mem[BUF_AT(1)], VIRTIO_NET_OK);
}

static uint32_t
pairs_used(const struct owner *o)
{
	uint32_t n = 0;

	while (n < PAIRS && o->rx[n] != NULL && o->rx_enabled[n] && o->tx[n] != NULL &&
	       o->tx_enabled[n])
		n++;
	return n;
}

static void
start_multi(uint64_t features, struct vqd *drv)
{
	static const uint8_t steps[] = {0, 1, 3, 0xb, STARTED};

	close_successor();
	vk.pairs = PAIRS;
	vk.takes_ctrl = true;
	vk.version = 1;
	vk.interface = VDUSE_K_F_SUSPEND;
	vk_shape(vk_owner.d);
	open_successor();
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	vk.on_bus = true;
	vk_driver_rings(features | F(NET_MQ) | 1u << VIRTIO_NET_F_CTRL_VQ);
	vk_owner.d->features = vk.features; /* of the driver that is made here */
	owner_driver(&vk_owner, CVQ, RING, drv);
	vk_owner.d->features = 0;
	for (size_t i = 0; i < RTE_DIM(steps); i++)
		assert_int_equal(vk_set_status(steps[i]), VDUSE_REQ_RESULT_OK);
	say_pairs(drv, 3);
	await_answer(drv);
	assert_int_equal(pairs_used(&vk_owner), 3);
}

/** Pairs in use, position, and a command that is on its way. */
static void
a_control_queue_goes_on(void **state)
{
	const struct transport_ops *ops;
	struct transport_info info;
	struct vqd drv;

	start_multi(*(uint64_t *)*state, &drv);
	ops = successor->ops;
	say_pairs(&drv, 2);
	replace();
	assert_int_equal(pairs_used(&to), 3);
	await_answer(&drv);
	assert_int_equal(pairs_used(&to), 2);
	ops->info(successor, &info);
	assert_null(info.few);
	for (uint16_t i = 0; i < 2 * RING; i++) {
		say_pairs(&drv, 1 + i % PAIRS);
		await_answer(&drv);
		assert_int_equal(pairs_used(&to), 1 + i % PAIRS);
	}
	vqd_fini(&drv);
}

/** A ring that is not ready is described to the successor, too. */
static void
a_control_queue_that_stands_still_goes_on(void **state)
{
	struct vduse_dev_request req = {.type = VDUSE_K_SET_VQ_READY};
	union vduse_k_body body = {.ready = {CVQ, 0}};
	struct vqd drv;

	start_multi(*(uint64_t *)*state, &drv);
	for (body.ready.ready = 0; body.ready.ready < 2; body.ready.ready++) {
		vk.vq[CVQ].ready = body.ready.ready;
		memcpy(&req.padding, &body, sizeof(body));
		vk_send(&req);
		assert_int_equal(vk_answer_of(&req).result, VDUSE_REQ_RESULT_OK);
		if (body.ready.ready == 0)
			replace();
	}
	say_pairs(&drv, 2);
	await_answer(&drv);
	assert_int_equal(pairs_used(&to), 2);
	vqd_fini(&drv);
}

static const struct transport_fact *
fact(const struct transport *t, const char *name)
{
	static struct transport_fact f[TRANSPORT_FACTS_MAX];
	uint32_t n = t->ops->facts(t, f);

	for (uint32_t i = 0; i < n; i++)
		if (strcmp(f[i].name, name) == 0)
			return &f[i];
	fail_msg("no fact %s", name);
	return NULL;
}

/** A driver of the only pair uses it, here as there. */
static void
the_only_pair_stays_in_use(void **state)
{
	vk_start(0);
	assert_int_equal(fact(vk_transport, "vduse_queue_pairs_used")->number, 1);
	replace();
	assert_int_equal(fact(successor, "vduse_queue_pairs_used")->number, 1);
	assert_int_equal(vk_set_status(0), VDUSE_REQ_RESULT_OK);
	assert_int_equal(fact(successor, "vduse_queue_pairs_used")->number, 0);
}

/** The successor could not take it. */
static void
a_control_queue_goes_on_here(void **state)
{
	struct blob b = {0};
	struct vqd drv;

	start_multi(*(uint64_t *)*state, &drv);
	hand_over(&b);
	blob_free(&b);
	say_pairs(&drv, 1);
	for (int i = 0; i < 20; i++)
		ev_run_once(vk_owner.loop, 5);
	assert_int_equal(vk_owner.mem[BUF_AT(1)], 0xee);
	run(vk_owner.d, vk_transport);
	await_answer(&drv);
	assert_int_equal(pairs_used(&vk_owner), 1);
	vqd_fini(&drv);
}

/** A driver that has broken it gets no other one by an upgrade. */
static void
a_broken_control_queue_stays_so(void **state)
{
	struct vqd drv;

	start_multi(0, &drv);
	*(uint16_t *)(void *)(vk_owner.mem + RING_AT(CVQ) + RING_DRIVER_OFF + 2) = 1000;
	say_pairs(&drv, 2);
	*(uint16_t *)(void *)(vk_owner.mem + RING_AT(CVQ) + RING_DRIVER_OFF + 2) = 1000;
	while (!(vdev_get_status(vk_owner.d) & VDEV_STATUS_NEEDS_RESET))
		ev_run_once(vk_owner.loop, 10);
	replace();
	assert_true(vdev_get_status(to.d) & VDEV_STATUS_NEEDS_RESET);
	assert_int_equal(pairs_used(&to), 3);
	for (int i = 0; i < 20; i++)
		ev_run_once(vk_owner.loop, 5);
	assert_int_equal(vk.config.status & VIRTIO_NET_S_LINK_UP, 0);
	assert_int_equal(vk_set_status(0), VDUSE_REQ_RESULT_OK);
	assert_false(vdev_get_status(to.d) & VDEV_STATUS_NEEDS_RESET);
	vqd_fini(&drv);
}

/** A port of fewer pairs than its predecessor's is not that device's. */
static void
more_pairs_than_the_port_are_refused(void **state)
{
	struct blob b = {0};
	struct vqd drv;

	start_multi(0, &drv);
	to.d->cfg.queue_pairs = 2;
	hand_over(&b);
	assert_non_null(strstr(take_over(&b), "more queue pairs"));
	blob_free(&b);
	run(vk_owner.d, vk_transport);
	vqd_fini(&drv);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define WITH(f, l) cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, &layouts[l])
#define EACH(f) WITH(f, 0), WITH(f, 1)
	const struct CMUnitTest tests[] = {
		EACH(it_goes_on),
		EACH(it_comes_back),
		TEST(requests_are_answered),
		TEST(what_was_granted_is_done),
		TEST(a_driver_comes_later),
		TEST(a_suspended_device_stays_so),
		TEST(a_device_of_no_use_stays_so),
		TEST(a_device_that_is_being_attached_is_busy),
		TEST(damage_is_refused),
		EACH(a_control_queue_goes_on),
		EACH(a_control_queue_that_stands_still_goes_on),
		EACH(a_control_queue_goes_on_here),
		TEST(the_only_pair_stays_in_use),
		TEST(a_broken_control_queue_stays_so),
		TEST(more_pairs_than_the_port_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
