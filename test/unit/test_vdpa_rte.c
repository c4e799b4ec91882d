/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest's rings under a mock rte_vdpa device, through librte_vhost, and back. */
#include <errno.h>
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

#include "eal.h"
#include "kicks.h"
#include "mock_vdpa.h"
#include "owner.h"
#include "vdev/engine.h"
#include "vdev/transport.h"
#include "vdpa/rte/relay.h"
#include "vdpa/vdpa.h"

#define FEATURES (F(VERSION_1) | F(PROTOCOL_FEATURES))
#define SIZE 64
#define LEN 76
#define PATIENCE_NS (60 * UINT64_C(1000000000))

static struct owner o;
static struct engine *list[3];
static struct vqd rx, tx;
static uint32_t sent, got, held;

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

static void
start_ring(uint32_t i)
{
	const uint64_t a = OWNER_UVA + RING_AT(i);

	vdev_pause(o.d);
	vdev_vq_set_num(o.d, i, SIZE);
	owner_set_base(&o, i, 0);
	vdev_vq_set_addr(o.d, i, a, a + RING_DRIVER_OFF, a + RING_DEVICE_OFF, 0, 0);
	vdev_vq_set_call(o.d, i, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	owner_kick(&o, i, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	vdev_vq_set_enable(o.d, i, true);
	vdev_sync(o.d);
}

static int
setup(void **state)
{
	char err[128];

	owner_init(&o, NULL);
	kicks_watch(&o);
	list[0] = vdpa_open(MOCK_NAME, o.d, err, sizeof(err));
	assert_non_null(list[0]);
	list[1] = &soft_engine;
	assert_int_equal(vdev_set_features(o.d, FEATURES), 0);
	vdev_use_enable(o.d, true);
	owner_give_memory(&o);
	owner_driver(&o, 0, SIZE, &rx);
	owner_driver(&o, 1, SIZE, &tx);
	sent = got = held = 0;
	for (uint32_t i = 0; i < SIZE; i++)
		post(&rx, 0, i);
	start_ring(0);
	start_ring(1);
	return 0;
}

static int
teardown(void **state)
{
	assert_int_equal(kicks_by_control(), 0);
	kicks_watch(NULL);
	vdev_set_engines(o.d, list);
	vqd_fini(&rx);
	vqd_fini(&tx);
	owner_fini(&o);
	mock.fail_conf = 0;
	mock.dead = mock.wrong_base = false;
	mock.slow_ms = 0;
	mock.goes_on = false;
	return 0;
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
	send_more();
	ev_run_once(o.loop, 0);
	echo();
	receive();
}

/** Traffic until @p e is in charge and @p frames more have come. */
static void
run_until(const struct engine *e, uint32_t frames)
{
	const uint64_t end = ev_now_ns() + PATIENCE_NS;
	uint32_t want;

	while (o.d->engine != e) {
		iterate();
		assert_true(ev_now_ns() < end);
	}
	for (want = got + frames; got < want;) {
		iterate();
		assert_true(ev_now_ns() < end);
	}
}

static void
offload(bool on)
{
	vdev_set_engines(o.d, on ? list : NULL);
	vdev_sync(o.d);
}

static const char *
reason(void)
{
	static char buf[ENGINE_WHY_MAX];
	const char *why = engine_against(list[0], o.d, buf, sizeof(buf));

	return why != NULL ? why : "";
}

/** Iterations of the loop while the device has been told to stop and goes on. */
#define ITERATIONS 3000

static void
note_state(const struct vdpa_info *i, void *ctx)
{
	if (strcmp(i->name, MOCK_NAME) == 0)
		*(const char **)ctx = i->state;
}

static void
assert_state(const char *wanted)
{
	const char *is = "not listed";

	vdpa_list(note_state, &is);
	assert_string_equal(is, wanted);
}

/** Whether it comes to be shown so. */
static bool
run_until_state(const char *wanted)
{
	const uint64_t end = ev_now_ns() + PATIENCE_NS;
	const char *is = "";

	while (strcmp(is, wanted) != 0 && ev_now_ns() < end) {
		iterate();
		vdpa_list(note_state, &is);
	}
	return strcmp(is, wanted) == 0;
}

/* First of all tests: the driver is not asked for counters of queues that it has not run. */
static void
test_counters(void **state)
{
	struct vdpa_counter c[VDPA_COUNTERS_MAX];

	assert_state("free");
	assert_int_equal(vdpa_counters(MOCK_NAME, c), 0);
	offload(true);
	run_until(list[0], 200);
	while (vdpa_counters(MOCK_NAME, c) == 0) /* until the device has shown that it runs */
		iterate();
	assert_int_equal(vdpa_counters(MOCK_NAME, c), 4);
	assert_string_equal(c[3].name, "completed_descriptors");
	assert_int_equal(c[3].queue, 1);
	assert_true(c[3].value >= 200);
	assert_state("runs");
	offload(false);
	run_until(&soft_engine, 200);
	assert_int_equal(vdpa_counters(MOCK_NAME, c), 4);
	assert_int_equal(c[0].value, atomic_load(&mock.moved));
	assert_int_equal(mock.refused_stats, 0);
	assert_state("free");
}

static void
test_there_and_back(void **state)
{
	run_until(&soft_engine, 100);
	for (uint32_t n = 0; n < 100; n++) {
		unsigned int moved = mock.moved;

		offload(true);
		run_until(list[0], 200);
		assert_true(mock.moved > moved);
		offload(false);
		run_until(&soft_engine, 200);
	}
}

static void
test_positions_are_read_from_the_rings(void **state)
{
	mock.wrong_base = true;
	test_there_and_back(state);
}

/* A device that takes the rings and does nothing, or fails to start: software goes on. */
static void
test_failures(void **state)
{
	for (int how = 0; how < 2; how++) {
		mock.dead = how == 0;
		mock.fail_conf = how == 1;
		offload(true);
		run_until(list[0], 0);
		run_until(&soft_engine, 200);
		mock.dead = false;
		list[0]->ops->retry(list[0], o.d);
		vdev_sync(o.d);
		run_until(list[0], 200);
		offload(false);
		run_until(&soft_engine, 200);
	}
}

/* It fails after it has consumed the rings' kicks: those do not show that it serves the rings. */
static void
test_fails_late(void **state)
{
	run_until(&soft_engine, 100);
	mock.fail_late = true;
	offload(true);
	run_until(list[0], 0);
	run_until(&soft_engine, 200);
	assert_non_null(strstr(reason(), "does not serve"));
	list[0]->ops->retry(list[0], o.d);
	vdev_sync(o.d);
	run_until(list[0], 200);
	offload(false);
	run_until(&soft_engine, 200);
}

/* It ceases to serve the rings long after it has shown that it does: software goes on. */
static void
test_ceases_to_serve(void **state)
{
	run_until(&soft_engine, 100);
	offload(true);
	run_until(list[0], 200);
	assert_true(run_until_state("runs"));
	mock.dead = true;
	run_until(&soft_engine, 200);
	assert_non_null(strstr(reason(), "ceased to serve"));
	mock.dead = false;
	list[0]->ops->retry(list[0], o.d);
	vdev_sync(o.d);
	run_until(list[0], 200);
	offload(false);
	run_until(&soft_engine, 200);
}

/* Taken back before it has shown that it runs: it is told to stop once, and does not run again. */
static void
test_taken_back_at_once(void **state)
{
	const uint64_t begin = ev_now_ns();

	run_until(&soft_engine, 100);
	mock.goes_on = true;
	offload(true);
	run_until(list[0], 0);
	offload(false);
	for (uint32_t n = 0; n < ITERATIONS || ev_now_ns() - begin < UINT64_C(100000000); n++) {
		iterate();
		assert_state("stops");
	}
	assert_int_equal(SLIST_FIRST(&relays)->session.ncalls, 1);
	mock.goes_on = false;
	run_until(&soft_engine, 200);
	assert_state("free");
}

/* Software has the rings when the command returns; the device is found again when it is there. */
static void
test_detached(void **state)
{
	char err[256];
	int ret;

	offload(true);
	run_until(list[0], 200);
	while ((ret = vdpa_detach(MOCK_NAME, err, sizeof(err))) == -EAGAIN)
		iterate();
	/* DPDK did not probe the mock, so it cannot remove it */
	assert_int_equal(ret, -ENOENT);
	assert_ptr_equal(o.d->engine, &soft_engine);
	mock_vdpa_unregister();
	run_until(&soft_engine, 200);
	assert_int_equal(list[0]->caps.queue_pairs, 0);
	assert_int_equal(mock_vdpa_register(), 0);
	run_until(list[0], 200);
	offload(false);
	run_until(&soft_engine, 200);
}

static void
note_owner(const struct vdpa_info *i, void *ctx)
{
	if (strcmp(i->name, MOCK_NAME) == 0)
		*(bool *)ctx = i->owner != NULL;
}

/** Until the device is a port's, or is not any more. */
static void
run_until_owned(bool wanted)
{
	const uint64_t end = ev_now_ns() + PATIENCE_NS;
	bool owned = !wanted;

	while (owned != wanted) {
		iterate();
		vdpa_list(note_owner, &owned);
		assert_true(ev_now_ns() < end);
	}
}

/* The session is prepared anew at once, not after the delay of a failure. */
static void
test_facts_change_during_preparation(void **state)
{
	run_until(&soft_engine, 100);
	offload(true);
	run_until_owned(true);
	vdev_pause(o.d);
	assert_int_equal(vdev_set_mtu(o.d, 1400), 0);
	vdev_sync(o.d);
	assert_null(strstr(reason(), "does not take"));
	run_until(list[0], 200);
	offload(false);
	run_until(&soft_engine, 200);
}

/* A session that is not prepared in time is made anew, and other ports may have the device. */
static void
test_preparation_times_out(void **state)
{
	run_until(&soft_engine, 100);
	mock.slow_ms = 2500;
	offload(true);
	while (strstr(reason(), "does not take") == NULL)
		iterate();
	mock.slow_ms = 0;
	run_until_owned(false);
	list[0]->ops->retry(list[0], o.d);
	vdev_sync(o.d);
	run_until(list[0], 200);
	offload(false);
	run_until(&soft_engine, 200);
}

/* The operator chooses software while the session is prepared: other ports may have the device. */
static void
test_preparation_is_in_vain(void **state)
{
	run_until(&soft_engine, 100);
	offload(true);
	run_until_owned(true);
	vdev_set_hw(o.d, VDEV_HW_NEVER);
	vdev_sync(o.d);
	run_until_owned(false);
	vdev_set_hw(o.d, VDEV_HW_PREFER);
	vdev_sync(o.d);
	run_until(list[0], 200);
	offload(false);
	run_until(&soft_engine, 200);
}

/* The rings have one owner: software waits for a device that does not stop, control does not. */
static void
test_does_not_stop(void **state)
{
	const unsigned int stops = mock.stops, closes = mock.closes;
	const uint64_t begin = ev_now_ns();

	offload(true);
	run_until(list[0], 200);
	mock.goes_on = true;
	offload(false);
	/* until after the session has ended without an answer, and then some */
	for (uint32_t n = 0; n < ITERATIONS || ev_now_ns() - begin < 3 * UINT64_C(1000000000);
	     n++) {
		iterate();
		assert_ptr_equal(o.d->engine, list[0]);
		assert_null(o.rx[0]);
		assert_true(o.d->stopping);
	}
	assert_int_equal(mock.stops, stops + 1);
	assert_int_equal(mock.closes, closes);
	assert_string_equal(reason(), "it has not released the guest's rings yet");
	mock.goes_on = false;
	run_until(&soft_engine, 200);
	list[0]->ops->retry(list[0], o.d);
	offload(true);
	run_until(list[0], 200);
	offload(false);
	run_until(&soft_engine, 200);
}

/* The port is told to quiesce: its state says so when nothing is in flight. */
static void
test_quiesced_when_it_has_stopped(void **state)
{
	offload(true);
	run_until(list[0], 200);
	mock.goes_on = true;
	assert_int_equal(vdev_quiesce(&o.d, 1), 0);
	for (uint32_t n = 0; n < 100; n++) {
		iterate();
		assert_int_equal(vdev_state(o.d), VDEV_STATE_RUNNING);
	}
	mock.goes_on = false;
	while (vdev_state(o.d) != VDEV_STATE_RUNNING_P2P)
		iterate();
	assert_int_equal(vdev_resume(&o.d, 1), 0);
	run_until(list[0], 200);
	offload(false);
	run_until(&soft_engine, 200);
}

static void
say_all(void)
{
	assert_int_equal(vdev_set_features(o.d, FEATURES), 0);
	vdev_use_enable(o.d, true);
	owner_give_memory(&o);
	start_ring(0);
	start_ring(1);
}

/* A guest that comes back meets a device that still writes to its memory: its rings wait. */
static void
test_guest_returns_before_it_has_stopped(void **state)
{
	offload(true);
	run_until(list[0], 200);
	mock.goes_on = true;
	vdev_disconnect(o.d);
	owner_connect(&o);
	say_all();
	for (uint32_t n = 0; n < 100; n++) {
		iterate();
		assert_null(o.rx[0]);
		assert_non_null(strstr(o.d->q[0].why, "has not released"));
	}
	mock.goes_on = false;
	run_until(list[0], 200);
	offload(false);
	run_until(&soft_engine, 200);
}

/** Another guest's memory and rings. */
static void
another_guest(void)
{
	vqd_fini(&rx);
	vqd_fini(&tx);
	munmap(o.mem, OWNER_MEM);
	close(o.memfd);
	o.memfd = memfd_create("another", MFD_CLOEXEC);
	assert_int_equal(ftruncate(o.memfd, OWNER_MEM), 0);
	o.mem = mmap(NULL, OWNER_MEM, PROT_READ | PROT_WRITE, MAP_SHARED, o.memfd, 0);
	assert_ptr_not_equal(o.mem, MAP_FAILED);
	assert_int_equal(vdev_set_features(o.d, FEATURES), 0);
	owner_driver(&o, 0, SIZE, &rx);
	owner_driver(&o, 1, SIZE, &tx);
	sent = got = held = 0;
	for (uint32_t i = 0; i < SIZE; i++)
		post(&rx, 0, i);
	say_all();
}

/* The device writes to the last guest's memory: software serves the next guest meanwhile. */
static void
test_next_guest_before_it_has_stopped(void **state)
{
	offload(true);
	run_until(list[0], 200);
	mock.goes_on = true;
	vdev_disconnect(o.d);
	owner_connect(&o);
	another_guest();
	run_until(&soft_engine, 1000);
	mock.goes_on = false;
	run_until(list[0], 200);
	offload(false);
	run_until(&soft_engine, 200);
}

/* It is not removed while it may write to a guest's memory, and is when it may not. */
static void
test_detached_before_it_has_stopped(void **state)
{
	char err[256];

	offload(true);
	run_until(list[0], 200);
	mock.goes_on = true;
	assert_int_equal(vdpa_detach(MOCK_NAME, err, sizeof(err)), -EAGAIN);
	assert_ptr_equal(o.d->engine, list[0]);
	for (uint32_t n = 0; n < 100; n++)
		iterate();
	assert_int_equal(vdpa_detach(MOCK_NAME, err, sizeof(err)), -EAGAIN);
	mock.goes_on = false;
	run_until(&soft_engine, 200);
	while (vdpa_detach(MOCK_NAME, err, sizeof(err)) == -EAGAIN)
		iterate();
	run_until(list[0], 200);
	offload(false);
	run_until(&soft_engine, 200);
}

/* The port goes while the device does not stop; the next one of the same guest waits for it. */
static void
test_port_ends_before_it_has_stopped(void **state)
{
	char err[128];

	offload(true);
	run_until(list[0], 200);
	mock.goes_on = true;
	owner_restart(&o, NULL);
	list[0] = vdpa_open(MOCK_NAME, o.d, err, sizeof(err));
	assert_non_null(list[0]);
	offload(true);
	say_all();
	for (uint32_t n = 0; n < 100; n++) {
		iterate();
		assert_null(o.rx[0]);
	}
	mock.goes_on = false;
	run_until(list[0], 200);
	offload(false);
	run_until(&soft_engine, 200);
}

/** Under way as many messages as may be. */
static void
leave_no_room(void)
{
	struct relay *r = SLIST_FIRST(&relays);

	offload(true);
	/* while the proof is waited for nothing is said: what changes is, later */
	do {
		run_until(list[0], 200);
	} while (r->phase != PHASE_RUNS);
	while (vhu_frontend_barrier(&r->session, (struct vhu_frontend_done){0}) == 0)
		;
}

/* It cannot be told to stop: it stops with its session. */
static void
test_stopped_without_room(void **state)
{
	leave_no_room();
	offload(false);
	run_until(&soft_engine, 200);
}

/* Nor can it be told of another interrupt: software takes over. */
static void
test_interrupt_without_room(void **state)
{
	leave_no_room();
	assert_int_equal(vdev_vq_set_call(o.d, 0, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), 0);
	run_until(&soft_engine, 200);
}

/* --- doorbells --- */

static uint32_t named, revoked; /* rings, a bit each */

static bool
take_doorbell(struct transport *t, uint32_t queue, const struct transport_doorbell *b)
{
	if (b->fd < 0)
		revoked |= 1u << queue;
	else if (b->offset == 4096 * queue && b->size == 4096)
		named |= 1u << queue;
	return true;
}

static enum vdev_space
own_space(const struct transport *t, uint64_t features)
{
	return VDEV_SPACE_FRONTEND;
}

/* The driver waits for the answer: it is told that the front-end has its doorbells. */
static void
test_doorbells(void **state)
{
	static const char *const lack[VDEV_LACK_NUM];
	static const struct transport_ops ops = {.lack = lack,
						 .space = own_space,
						 .host_notifier = take_doorbell};
	struct transport fake = {.ops = &ops}, *own = o.d->transport;

	o.d->transport = &fake;
	named = revoked = 0;
	mock.has_doorbells = true;
	offload(true);
	run_until(list[0], 0);
	while (mock.doorbells + mock.doorbell_errors < 2)
		iterate();
	assert_int_equal(mock.doorbells, 2);
	assert_int_equal(named, 3);
	run_until(list[0], 200);
	assert_int_equal(revoked, 0);
	offload(false);
	run_until(&soft_engine, 200);
	assert_int_equal(revoked, 3);
	o.d->transport = own;
	mock.has_doorbells = false;
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(counters),
		T(there_and_back),
		T(positions_are_read_from_the_rings),
		T(failures),
		T(fails_late),
		T(ceases_to_serve),
		T(taken_back_at_once),
		T(detached),
		T(facts_change_during_preparation),
		T(preparation_times_out),
		T(preparation_is_in_vain),
		T(does_not_stop),
		T(quiesced_when_it_has_stopped),
		T(guest_returns_before_it_has_stopped),
		T(next_guest_before_it_has_stopped),
		T(detached_before_it_has_stopped),
		T(port_ends_before_it_has_stopped),
		T(doorbells),
		T(stopped_without_room),
		T(interrupt_without_room),
	};

	if (eal_start("0", 64) != 0 || mock_vdpa_register() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
