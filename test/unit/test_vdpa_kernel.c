/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest's rings under a vhost-vdpa device of the kernel's, and back, against a model of the
 * kernel with a device behind it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <cmocka.h>
#include <rte_common.h>

#include "base/irq.h"
#include "base/lane.h"
#include "eal.h"
#include "kicks.h"
#include "node_model.h"
#include "owner.h"
#include "vdev/engine.h"
#include "vdpa/kernel/node.h"
#include "vdpa/vdpa.h"

#define FEATURES (F(VERSION_1) | F(PROTOCOL_FEATURES))
#define BACKEND_PLAIN 0xeu    /* as VDUSE of Linux 6.12 */
#define BACKEND_SUSPEND 0x1eu /* with SUSPEND */
#define BACKEND_RESUME 0x3eu  /* with SUSPEND and RESUME */
#define SIZE 64
#define LEN 76
#define PATIENCE_NS (60 * UINT64_C(1000000000))

static struct owner o;
static struct engine *list[3];
static struct vqd rx, tx;
static uint32_t sent, got, held;

/* --- the guest --- */

static uint64_t
buf_at(uint32_t ring, uint32_t i)
{
	return 0x200000 + (ring * SIZE + i) * 2048ull;
}

static void
post(struct vqd *d, uint32_t ring, uint64_t slot)
{
	const struct vqd_buf b = {OWNER_GPA + buf_at(ring, (uint32_t)slot), LEN};
	const struct vqd_chain c = {.buf = &b,
				    .nout = ring == 1,
				    .nin = ring == 0,
				    .user_data = slot};

	assert_int_equal(vqd_add(d, &c), 0);
	vqd_publish(d);
}

/** Ring @p i is where ring @p place would be. */
static void
start_ring(uint32_t i, uint32_t size, uint32_t place)
{
	const uint64_t a = OWNER_UVA + RING_AT(place);
	const struct vq_state fresh = {.avail_wrap = o.d->features & F(RING_PACKED),
				       .used_wrap = o.d->features & F(RING_PACKED)};

	vdev_pause(o.d);
	vdev_vq_set_num(o.d, i, size);
	vdev_vq_set_state(o.d, i, &fresh);
	vdev_vq_set_addr(o.d, i, a, a + RING_DRIVER_OFF, a + RING_DEVICE_OFF, 0, 0);
	vdev_vq_set_call(o.d, i, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	owner_kick(&o, i, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	vdev_vq_set_enable(o.d, i, true);
	vdev_sync(o.d);
}

/** A worker's part while software moves the frames. */
static void
echo(void)
{
	static struct pkt_batch batch;
	struct pkt *list_of[PKT_BATCH_MAX];
	struct pktq *in, *out;

	if (o.rx[0] == NULL || o.tx[0] == NULL)
		return;
	in = &o.rx[0]->q;
	out = &o.tx[0]->q;
	batch.max = 8;
	if (pktq_ops(in)->rx(in, &batch) == 0)
		return;
	for (uint16_t i = 0; i < batch.n; i++)
		list_of[i] = &batch.pkt[i];
	pktq_ops(out)->tx(out, list_of, batch.n);
	pktq_ops(in)->rx_done(in, &batch);
}

static void
send_more(void)
{
	uint64_t slot;
	uint32_t len;

	while (vqd_get(&tx, &slot, &len))
		held--;
	while (held < SIZE / 2) {
		uint8_t *b = o.mem + buf_at(1, sent % SIZE);

		memset(b, 0, LEN);
		b[12] = b[18] = 2;
		memcpy(b + LEN - 4, &sent, 4);
		post(&tx, 1, sent++ % SIZE);
		held++;
	}
	vqd_kick(&tx);
}

/** Frames come in the order they were sent, each once. */
static void
receive(void)
{
	uint64_t slot;
	uint32_t len, number;

	while (vqd_get(&rx, &slot, &len)) {
		memcpy(&number, o.mem + buf_at(0, (uint32_t)slot) + LEN - 4, 4);
		assert_int_equal(len, LEN);
		assert_int_equal(number, got);
		got++;
		post(&rx, 0, slot);
	}
	assert_false(rx.broken || tx.broken);
}

static void
iterate(void)
{
	const uint32_t before = got;

	send_more();
	ev_run_once(o.loop, 0);
	echo();
	device_run();
	receive();
	if (got == before)
		usleep(20); /* for the lane */
}

static const char *
reason(void)
{
	static char buf[ENGINE_WHY_MAX];
	const char *why = engine_against(list[0], o.d, buf, sizeof(buf));

	return why != NULL ? why : "";
}

static void
check_time(uint64_t end)
{
	if (ev_now_ns() > end)
		fail_msg("%s moves the frames, %u have come, '%s'", o.d->engine->name, got,
			 reason());
}

/** Traffic until @p e is in charge, its device runs if it is one, and @p frames more have come. */
static void
run_until(const struct engine *e, uint32_t frames)
{
	const uint64_t end = ev_now_ns() + PATIENCE_NS;
	uint32_t want;

	while (o.d->engine != e) {
		iterate();
		check_time(end);
	}
	for (want = got + frames; got < want;) {
		iterate();
		check_time(end);
	}
}

static void
run_until_reason(const char *why)
{
	const uint64_t end = ev_now_ns() + PATIENCE_NS;

	while (strstr(reason(), why) == NULL) {
		iterate();
		if (ev_now_ns() > end)
			fail_msg("'%s' in place of '%s'", reason(), why);
	}
}

static void
offload(bool on)
{
	vdev_set_hw(o.d, on ? VDEV_HW_PREFER : VDEV_HW_NEVER);
	vdev_sync(o.d);
}

static void
retry(void)
{
	list[0]->ops->retry(list[0], o.d);
	vdev_sync(o.d);
}

/** A guest that negotiated @p features, with a device of that kernel in its port's list. */
static void
begin(uint64_t features, uint64_t backend)
{
	char err[128];

	k.backend = backend;
	node_sys = &model;
	list[0] = vdpa_open(PATH, o.d, err, sizeof(err));
	assert_non_null(list[0]);
	vdev_set_engines(o.d, list);
	retry();
	assert_int_equal(vdev_set_features(o.d, features), 0);
	vdev_use_enable(o.d, true);
	owner_give_memory(&o);
	k.mem.gmem = o.d->gmem;
	owner_driver(&o, 0, SIZE, &rx);
	owner_driver(&o, 1, SIZE, &tx);
	sent = got = held = 0;
	for (uint32_t i = 0; i < SIZE; i++)
		post(&rx, 0, i);
	start_ring(0, SIZE, 0);
	start_ring(1, SIZE, 1);
}

static unsigned int fds_before;

static int
setup(void **state)
{
	memset(&k, 0, sizeof(k));
	k.offered = FEATURES | BIT(VIRTIO_F_ACCESS_PLATFORM) | F(RING_PACKED) |
		    BIT(VIRTIO_NET_F_MAC) | F(NET_MQ);
	k.range.last = UINT64_MAX;
	for (int i = 0; i < 2; i++) {
		k.ring[i].vq = aligned_alloc(RTE_CACHE_LINE_SIZE,
					     RTE_ALIGN(sizeof(struct vq), RTE_CACHE_LINE_SIZE));
		assert_non_null(k.ring[i].vq);
		memset(k.ring[i].vq, 0, sizeof(struct vq));
	}
	list[1] = &soft_engine;
	fds_before = open_fds();
	owner_init(&o, NULL);
	kicks_watch(&o);
	return 0;
}

static struct node *
node(void)
{
	return node_next(NULL);
}

static int
teardown(void **state)
{
	offload(false);
	while (o.d->engine != &soft_engine)
		iterate();
	assert_int_equal(kicks_by_control(), 0);
	kicks_watch(NULL);
	vdev_disconnect(o.d);
	while (node()->busy || node()->phase != NODE_SHUT)
		ev_run_once(o.loop, 10);
	vqd_fini(&rx);
	vqd_fini(&tx);
	vdpa_fini(); /* no job reaches the loop, which ends */
	owner_fini(&o);
	for (int i = 0; i < 2; i++) {
		irq_free(k.ring[i].irq);
		free(k.ring[i].vq);
	}
	while (!lane_all_idle())
		usleep(100);
	assert_int_equal(open_fds(), fds_before);
	return 0;
}

/* --- moving --- */

static void
there_and_back(uint32_t times)
{
	run_until(&soft_engine, 20);
	for (uint32_t n = 0; n < times; n++) {
		uint32_t moved = k.moved;

		offload(true);
		run_until(list[0], 50);
		assert_true(k.moved > moved);
		offload(false);
		run_until(&soft_engine, 50);
	}
}

/* A device without SUSPEND is reset: its rings say where it stood. */
static void
test_there_and_back(void **state)
{
	begin(FEATURES, BACKEND_PLAIN);
	there_and_back(20);
	assert_int_equal(k.resumes, 0);
	assert_true(k.resets >= 20);
	/* of the guest's features, without those of vhost-user, and its addresses are IOVAs */
	assert_int_equal(k.features, F(VERSION_1) | BIT(VIRTIO_F_ACCESS_PLATFORM));
	assert_int_equal(k.region.iova, OWNER_GPA);
	assert_int_equal(k.updates, k.batches);
}

/* One with SUSPEND tells where it stood, and without RESUME its session begins anew. */
static void
test_suspend(void **state)
{
	begin(FEATURES | F(RING_PACKED), BACKEND_SUSPEND);
	there_and_back(20);
	assert_int_equal(k.resumes, 0);
}

static void
test_resume(void **state)
{
	begin(FEATURES, BACKEND_RESUME);
	there_and_back(20);
	assert_true(k.resumes > 0);
}

static void
test_resume_packed(void **state)
{
	begin(FEATURES | F(RING_PACKED), BACKEND_RESUME);
	there_and_back(20);
	assert_true(k.resumes > 0);
}

/* Without batches each region is said by itself. */
static void
test_no_batches(void **state)
{
	begin(FEATURES, 0x2);
	there_and_back(2);
	assert_int_equal(k.batches, 0);
	assert_true(k.updates > 0);
}

/* A suspended device is closed when it is not given its rings again. */
static void
test_suspended_in_vain(void **state)
{
	begin(FEATURES, BACKEND_RESUME);
	offload(true);
	run_until(list[0], 50);
	offload(false);
	run_until(&soft_engine, 50);
	while (node()->phase != NODE_SHUT)
		iterate();
	assert_null(node()->gmem);
	there_and_back(1);
}

/* Another ring in the place of the old one: a suspended device is not told of it. */
static void
test_other_rings(void **state)
{
	uint32_t word, resumes, opens;

	begin(FEATURES, BACKEND_RESUME);
	offload(true);
	run_until(list[0], 50);
	while (!vdev_let_go(o.d))
		iterate();
	receive();
	resumes = k.resumes;
	opens = k.opens;
	vdev_pause(o.d);
	assert_int_equal(owner_stop(&o, 0, &word), 0);
	vqd_fini(&rx);
	owner_driver(&o, 2, SIZE, &rx);
	for (uint32_t i = 0; i < SIZE; i++)
		post(&rx, 0, i);
	start_ring(0, SIZE, 2);
	run_until(list[0], 50);
	assert_int_equal(k.resumes, resumes);
	assert_true(k.opens > opens);
}

/* --- what may fail --- */

#define R(request)                          \
	{                                   \
#request, request, 1, false \
	}

/* From the node that is opened to the device that runs. */
static const struct failure at_start[] = {
	{"open", OPEN, 1, false},
	R(VHOST_VDPA_GET_DEVICE_ID),
	R(VHOST_SET_OWNER),
	{"reset", VHOST_VDPA_SET_STATUS, 1, false},
	R(VHOST_GET_FEATURES),
	R(VHOST_GET_BACKEND_FEATURES),
	R(VHOST_SET_BACKEND_FEATURES),
	R(VHOST_VDPA_GET_IOVA_RANGE),
	R(VHOST_VDPA_GET_VRING_NUM),
	{"an old kernel", VHOST_VDPA_GET_VQS_COUNT, 1, true},
	R(VHOST_VDPA_GET_CONFIG_SIZE),
	{"ACKNOWLEDGE", VHOST_VDPA_SET_STATUS, 2, false},
	{"DRIVER", VHOST_VDPA_SET_STATUS, 3, false},
	R(VHOST_SET_FEATURES),
	{"FEATURES_OK", VHOST_VDPA_SET_STATUS, 4, false},
	R(VHOST_VDPA_GET_STATUS),
	{"BATCH_BEGIN", WRITE, 1, false},
	{"UPDATE", WRITE, 2, false},
	{"BATCH_END", WRITE, 3, false},
	R(VHOST_SET_VRING_NUM),
	R(VHOST_SET_VRING_BASE),
	R(VHOST_SET_VRING_ADDR),
	R(VHOST_SET_VRING_CALL),
	R(VHOST_SET_VRING_KICK),
	{"the second ring", VHOST_SET_VRING_KICK, 2, false},
	R(VHOST_VDPA_SET_VRING_ENABLE),
	{"the second ring", VHOST_VDPA_SET_VRING_ENABLE, 2, false},
	{"DRIVER_OK", VHOST_VDPA_SET_STATUS, 5, false},
	{"a status after DRIVER_OK", VHOST_VDPA_GET_STATUS, 2, false},
};

/* The kernel refuses a request: software moves the frames, and the reason is told. */
static void
test_each_request_fails(void **state)
{
	begin(FEATURES, BACKEND_RESUME);
	offload(false);
	run_until(&soft_engine, 20);
	for (size_t i = 0; i < RTE_DIM(at_start); i++) {
		while (node()->phase != NODE_SHUT)
			iterate();
		fail_at(&at_start[i]);
		offload(true);
		while (!has_failed())
			iterate();
		if (!at_start[i].harmless) {
			run_until_reason("Input/output error");
			run_until(&soft_engine, 20);
			retry();
		}
		run_until(list[0], 20);
		offload(false);
		run_until(&soft_engine, 20);
	}
}

static const struct failure at_stop[] = {
	R(VHOST_VDPA_SUSPEND),
	R(VHOST_GET_VRING_BASE),
	{"the second ring", VHOST_GET_VRING_BASE, 2, false},
};

/* A split ring goes on at its used index, whether or not the device tells where it stood. */
static void
test_each_request_fails_at_the_stop(void **state)
{
	begin(FEATURES, BACKEND_RESUME);
	for (size_t i = 0; i < RTE_DIM(at_stop); i++) {
		offload(true);
		run_until(list[0], 20);
		fail_at(&at_stop[i]);
		offload(false);
		run_until(&soft_engine, 20);
		assert_true(has_failed());
	}
	offload(true);
	run_until(list[0], 20);
	fail_at(&(struct failure){"reset", VHOST_VDPA_SET_STATUS, 1, false});
	offload(false);
	run_until(&soft_engine, 20);
	while (node()->phase != NODE_SHUT)
		iterate();
	assert_true(has_failed());
}

/* A packed ring whose position is not told stops until its driver starts anew. */
static void
test_packed_position_is_lost(void **state)
{
	begin(FEATURES | F(RING_PACKED), BACKEND_RESUME);
	offload(true);
	run_until(list[0], 20);
	fail_at(&at_stop[1]);
	offload(false);
	while (o.d->engine != &soft_engine)
		iterate();
	assert_null(o.rx[0]);
	assert_string_equal(o.d->q[0].why, "ring base is outside the ring");
}

static const struct failure at_resume[] = {
	R(VHOST_SET_VRING_BASE),
	R(VHOST_SET_VRING_CALL),
	{"VHOST_VDPA_RESUME", VDPA_RESUME, 1, false},
};

static void
test_each_request_fails_at_the_resumption(void **state)
{
	begin(FEATURES, BACKEND_RESUME);
	offload(true);
	run_until(list[0], 20);
	for (size_t i = 0; i < RTE_DIM(at_resume); i++) {
		offload(false);
		while (node()->phase != NODE_PREPARED)
			iterate();
		fail_at(&at_resume[i]);
		offload(true);
		run_until_reason("Input/output error");
		run_until(&soft_engine, 20);
		retry();
		run_until(list[0], 20);
	}
}

/* While it runs: it says that it is broken, it moves nothing, its node goes. */
static void
test_trouble_while_it_runs(void **state)
{
	static const struct {
		bool *trouble;
		const char *why;
	} rows[] = {
		{&k.needs_reset, "needs a reset"},
		{&k.stuck, "it stalled"},
		{&k.gone, "the device is gone"},
	};

	begin(FEATURES, BACKEND_PLAIN);
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		offload(true);
		run_until(list[0], 20);
		model_lock();
		*rows[i].trouble = true;
		model_unlock();
		run_until_reason(rows[i].why);
		run_until(&soft_engine, 20);
		model_lock();
		*rows[i].trouble = false;
		model_unlock();
		retry();
		run_until(list[0], 20);
	}
}

/* A device that is not there narrows nothing, is looked for, and narrows when it has come. */
static void
test_comes_later(void **state)
{
	k.gone = true;
	begin(FEATURES, BACKEND_PLAIN);
	run_until_reason("No such file");
	assert_true(vdev_features_offered(o.d) & F(NET_MQ));
	model_lock();
	k.gone = false;
	model_unlock();
	run_until(list[0], 20);
	assert_int_equal(vdev_features_offered(o.d) & ~vdev_features_all(), 0);
	assert_false(vdev_features_offered(o.d) & F(NET_MQ));
	assert_false(vdev_features_offered(o.d) & F(RING_PACKED));
}

/* Rings have one owner: software waits for a device that does not stop, control does not. */
static void
test_does_not_stop(void **state)
{
	begin(FEATURES, BACKEND_PLAIN);
	offload(true);
	run_until(list[0], 50);
	atomic_store(&slow, true);
	offload(false);
	for (uint32_t n = 0; n < 1000; n++) {
		iterate();
		assert_ptr_equal(o.d->engine, list[0]);
		assert_null(o.rx[0]);
		assert_true(o.d->stopping);
	}
	atomic_store(&slow, false);
	run_until(&soft_engine, 50);
}

/* A guest that comes back meets a device that still writes to its memory: its rings wait. */
static void
test_guest_returns_before_it_has_stopped(void **state)
{
	begin(FEATURES, BACKEND_PLAIN);
	offload(true);
	run_until(list[0], 50);
	atomic_store(&slow, true);
	vdev_disconnect(o.d);
	owner_connect(&o);
	assert_int_equal(vdev_set_features(o.d, FEATURES), 0);
	vdev_use_enable(o.d, true);
	owner_give_memory(&o);
	start_ring(0, SIZE, 0);
	start_ring(1, SIZE, 1);
	for (uint32_t n = 0; n < 100; n++) {
		ev_run_once(o.loop, 0);
		device_run();
		assert_null(o.rx[0]);
		assert_non_null(strstr(o.d->q[0].why, "has not released"));
	}
	model_lock();
	k.mem.gmem = o.d->gmem;
	model_unlock();
	atomic_store(&slow, false);
	run_until(list[0], 50);
}

/* The guest's interrupt changes while the device runs. */
static void
test_interrupts(void **state)
{
	begin(FEATURES, BACKEND_PLAIN);
	offload(true);
	run_until(list[0], 50);
	for (int i = 0; i < 100; i++) {
		int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), copy = dup(fd);
		eventfd_t n;

		assert_int_equal(vdev_vq_set_call(o.d, 0, fd), 0);
		vdev_sync(o.d);
		run_until(list[0], 10);
		/* at the change at the latest, and by the device from then on */
		while (eventfd_read(copy, &n) != 0)
			iterate();
		close(copy);
	}
	fail_at(&(struct failure){"call", VHOST_SET_VRING_CALL, 1, false});
	assert_int_equal(vdev_vq_set_call(o.d, 0, -1), 0);
	run_until_reason("Input/output error");
	run_until(&soft_engine, 20);
}

/* Two ports name one device: the second has it when the first has released it. */
static void
test_two_ports(void **state)
{
	struct engine *other[3] = {NULL, &soft_engine, NULL};
	struct owner second;
	char err[128], buf[ENGINE_WHY_MAX];
	const char *why;

	begin(FEATURES, BACKEND_PLAIN);
	offload(true);
	run_until(list[0], 20);
	owner_init(&second, NULL);
	other[0] = vdpa_open(PATH, o.d, err, sizeof(err));
	assert_non_null(other[0]);
	assert_ptr_equal(node_named(PATH, o.loop, node()->changed), node()); /* there is one loop */
	vdev_set_engines(second.d, other);
	owner_start(&second, FEATURES, SIZE);
	vdev_pause(second.d);
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(owner_kick(&second, i, eventfd(0, EFD_CLOEXEC)), 0);
	vdev_sync(second.d);
	why = engine_against(other[0], second.d, buf, sizeof(buf));
	assert_non_null(why);
	assert_string_equal(why, "it moves the frames of another port");
	owner_fini(&second);
}

static const struct {
	const char *why;
	uint64_t features;
	uint64_t last; /* of what the device reaches */
	uint32_t size;
	bool disabled;
} refusals[] = {
	{"which it cannot serve", FEATURES | F(RING_PACKED), UINT64_MAX, SIZE, false},
	{"does not reach all", FEATURES, OWNER_GPA + OWNER_MEM - 2, SIZE, false},
	{"more entries than it takes", FEATURES, UINT64_MAX, 2 * RING_MAX, false},
	{"not started and enabled yet", FEATURES, UINT64_MAX, SIZE, true},
};

static void
test_refusals(void **state)
{
	for (size_t i = 0; i < RTE_DIM(refusals); i++) {
		if (i != 0)
			setup(state);
		k.range.last = refusals[i].last;
		begin(refusals[i].features, BACKEND_PLAIN);
		if (refusals[i].size != SIZE) {
			uint32_t word;

			vdev_pause(o.d);
			assert_int_equal(owner_stop(&o, 0, &word), 0);
			start_ring(0, refusals[i].size, 0);
		}
		vdev_vq_set_enable(o.d, 0, !refusals[i].disabled);
		vdev_sync(o.d);
		offload(true);
		while (strstr(reason(), refusals[i].why) == NULL)
			ev_run_once(o.loop, 10);
		assert_ptr_equal(o.d->engine, &soft_engine);
		if (i + 1 < RTE_DIM(refusals)) {
			vdev_pause(o.d);
			vdev_disconnect(o.d);
			teardown(state);
		}
	}
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_there_and_back),
		T(test_suspend),
		T(test_resume),
		T(test_resume_packed),
		T(test_no_batches),
		T(test_suspended_in_vain),
		T(test_other_rings),
		T(test_each_request_fails),
		T(test_each_request_fails_at_the_stop),
		T(test_packed_position_is_lost),
		T(test_each_request_fails_at_the_resumption),
		T(test_trouble_while_it_runs),
		T(test_comes_later),
		T(test_does_not_stop),
		T(test_guest_returns_before_it_has_stopped),
		T(test_interrupts),
		T(test_two_ports),
		T(test_refusals),
	};

	if (eal_start("0", 64) != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
