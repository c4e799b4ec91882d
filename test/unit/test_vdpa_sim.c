/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The simulated device: a guest's rings move to it and back while frames with
 * serial numbers pass, and each of its failures gives them back to software.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_cycles.h>

#include "base/lane.h"
#include "eal.h"
#include "owner.h"
#include "vdpa/vdpa.h"

#define MODERN (F(VERSION_1) | F(PROTOCOL_FEATURES))
#define PACKED (MODERN | F(RING_PACKED))
#define SIZE 64
#define FRAME 64
#define HDR 12
#define STRIDE 256
#define WAIT_ROUNDS 20000 /* of half a millisecond: what a busy machine may take, and more */

/* A guest whose frames come back to it: on the wire "back", or by the test in software's place. */
struct guest {
	struct owner o;
	struct vqd rx, tx; /* the guest's view */
	struct engine *sim;
	struct engine *list[3];
	uint32_t sent, got;
};

static struct guest g;
static struct pkt_batch batch;

static void
set(const char *key, const char *value)
{
	char err[160];

	assert_int_equal(vdpa_set("sim0", key, value, err, sizeof(err)), 0);
}

static int
setup(void **state)
{
	char err[160];

	memset(&g, 0, sizeof(g));
	owner_init(&g.o, NULL);
	g.sim = vdpa_open("sim0", g.o.d, err, sizeof(err));
	assert_non_null(g.sim);
	g.list[0] = g.sim;
	g.list[1] = &soft_engine;
	vdev_set_engines(g.o.d, g.list);
	vdev_set_hw(g.o.d, VDEV_HW_NEVER);
	set("wire", "back");
	return 0;
}

static int
teardown(void **state)
{
	set("fault", "none");
	set("pairs", "8");
	vqd_fini(&g.rx);
	vqd_fini(&g.tx);
	owner_fini(&g.o);
	return 0;
}

static void
net_init(struct vqd *drv, uint32_t at, bool rx)
{
	const struct vqd_net n = {
		.hva = g.o.mem + at,
		.addr = OWNER_GPA + at,
		.stride = STRIDE,
		.buf_len = STRIDE,
		.hdr_len = HDR,
		.rx = rx,
	};

	assert_int_equal(vqd_net_init(drv, &n), 0);
}

static void
start(uint64_t features)
{
	assert_int_equal(vdev_set_features(g.o.d, features), 0);
	owner_driver(&g.o, 0, SIZE, &g.rx);
	owner_driver(&g.o, 1, SIZE, &g.tx);
	net_init(&g.rx, 0x300000, true);
	net_init(&g.tx, 0x310000, false);
	owner_start(&g.o, features, SIZE);
	vqd_net_refill(&g.rx, SIZE);
}

static void
to(enum vdev_hw hw)
{
	vdev_set_hw(g.o.d, hw);
	vdev_sync(g.o.d);
}

/* Up to @p n frames with the next serial numbers, as many as the ring has room for. */
static void
guest_send(uint32_t n)
{
	uint32_t len[SIZE];
	uint16_t i, room = vqd_net_room(&g.tx);

	n = RTE_MIN(n, room);
	for (i = 0; i < n; i++) {
		uint8_t *buf = vqd_net_buf(&g.tx, i);

		memset(buf, 0, HDR + FRAME);
		buf[HDR] = 2;
		buf[HDR + 6] = 2;
		memcpy(buf + HDR + 14, &g.sent, sizeof(g.sent));
		g.sent++;
		len[i] = HDR + FRAME;
	}
	vqd_net_send(&g.tx, len, (uint16_t)n);
}

/* Frames that came back have the serial numbers that are due, one by one. */
static void
guest_receive(void)
{
	struct vqd_net_frame f[SIZE];
	uint16_t i, n = vqd_net_recv(&g.rx, f, SIZE);
	uint32_t serial;

	for (i = 0; i < n; i++) {
		memcpy(&serial, f[i].data + HDR + 14, sizeof(serial));
		assert_int_equal(serial, g.got);
		g.got++;
	}
	vqd_net_refill(&g.rx, n);
}

/* In a worker's place: send back the frames that have come. */
static void
software_iteration(void)
{
	struct pktq *rx = g.o.rx[0] != NULL ? &g.o.rx[0]->q : NULL;
	struct pkt *ptr[PKT_BATCH_MAX];

	if (rx == NULL || g.o.tx[0] == NULL)
		return;
	batch.max = 8;
	if (pktq_ops(rx)->rx(rx, &batch) == 0)
		return;
	for (uint16_t i = 0; i < batch.n; i++)
		ptr[i] = &batch.pkt[i];
	pktq_ops(&g.o.tx[0]->q)->tx(&g.o.tx[0]->q, ptr, batch.n);
	pktq_ops(rx)->rx_done(rx, &batch);
}

static void
iterate(void)
{
	static const struct timespec ms = {.tv_nsec = 500000};

	ev_run_once(g.o.loop, 0);
	software_iteration();
	guest_receive();
	nanosleep(&ms, NULL);
}

/* Until all that was sent has come back. */
static void
drain(void)
{
	for (uint32_t i = 0; i < WAIT_ROUNDS && g.got != g.sent; i++)
		iterate();
	assert_int_equal(g.got, g.sent);
}

static bool
in_hardware(void)
{
	return g.o.d->engine == g.sim;
}

/* Frames on their way while the rings change hands, 100 times there and back. */
static void
test_moves(void **state)
{
	static const uint64_t features[] = {MODERN, PACKED};
	uint64_t before, worst;

	for (size_t k = 0; k < RTE_DIM(features); k++) {
		start(features[k]);
		worst = 0;
		for (uint32_t n = 0; n < 200; n++) {
			guest_send(1 + n % 24);
			before = rte_rdtsc();
			to(n % 2 == 0 ? VDEV_HW_PREFER : VDEV_HW_NEVER);
			worst = RTE_MAX(worst, rte_rdtsc() - before);
			assert_int_equal(in_hardware(), n % 2 == 0);
			guest_send(7);
			if (n % 5 == 0)
				iterate();
			if (g.sent - g.got > SIZE / 2)
				drain();
		}
		drain();
		printf("%s: longest move %.0f us\n", k == 0 ? "split" : "packed",
		       (double)worst * 1e6 / (double)rte_get_tsc_hz());
		vqd_fini(&g.rx);
		vqd_fini(&g.tx);
		g.sent = g.got = 0;
		vdev_reset(g.o.d);
		vdev_sync(g.o.d);
	}
}

/* The port is back in software, for the reason given, and frames pass. */
static void
assert_fallen(const char *why)
{
	char buf[ENGINE_WHY_MAX];

	for (uint32_t i = 0; i < WAIT_ROUNDS && in_hardware(); i++)
		iterate();
	assert_ptr_equal(g.o.d->engine, &soft_engine);
	assert_non_null(strstr(engine_against(g.sim, g.o.d, buf, sizeof(buf)), why));
	guest_send(5);
	drain();
}

static void
test_faults_before(void **state)
{
	static const struct {
		const char *fault, *why;
	} row[] = {
		{"refuse", "refuses"},
		{"halfway", "half-way"},
		{"vanish", "gone"},
	};

	start(MODERN);
	for (size_t i = 0; i < RTE_DIM(row); i++) {
		set("fault", row[i].fault);
		guest_send(5);
		to(VDEV_HW_PREFER);
		assert_fallen(row[i].why);
		set("fault", "none");
		for (uint32_t k = 0; k < WAIT_ROUNDS && !in_hardware(); k++)
			iterate();
		assert_true(in_hardware());
		guest_send(5);
		drain();
		to(VDEV_HW_NEVER);
	}
}

/* Features a device that is gone cannot serve are offered all the same. */
static void
test_gone_narrows_nothing(void **state)
{
	start(MODERN);
	set("features", "0x100000000");
	to(VDEV_HW_PREFER);
	assert_int_equal(vdev_features_offered(g.o.d) & F(RING_PACKED), 0);
	set("fault", "vanish");
	iterate();
	assert_true(vdev_features_offered(g.o.d) & F(RING_PACKED));
	set("fault", "none");
	iterate();
	assert_int_equal(vdev_features_offered(g.o.d) & F(RING_PACKED), 0);
	set("features", "0xffffffffffffffff");
}

static void
test_faults_under_way(void **state)
{
	static const uint64_t features[] = {MODERN, PACKED};
	static const struct {
		const char *fault, *why;
	} row[] = {
		{"stall", "stalled"},
		{"vanish", "gone"},
	};

	for (size_t k = 0; k < RTE_DIM(features); k++) {
		start(features[k]);
		for (size_t i = 0; i < RTE_DIM(row); i++) {
			to(VDEV_HW_PREFER);
			guest_send(5);
			drain();
			assert_true(in_hardware());
			guest_send(5);
			set("fault", row[i].fault);
			guest_send(5);
			assert_fallen(row[i].why);
			set("fault", "none");
			to(VDEV_HW_NEVER);
		}
		vqd_fini(&g.rx);
		vqd_fini(&g.tx);
		g.sent = g.got = 0;
		vdev_reset(g.o.d);
		vdev_sync(g.o.d);
	}
}

/* A device that names a position it only fetched is not believed: the ring says what was done. */
static void
test_wrong_index(void **state)
{
	start(MODERN);
	set("fault", "index");
	for (uint32_t n = 0; n < 20; n++) {
		to(VDEV_HW_PREFER);
		assert_true(in_hardware());
		guest_send(9);
		if (n % 2 == 0)
			drain();
		to(VDEV_HW_NEVER);
		guest_send(3);
		drain();
	}
}

/* Whether there was one, after all that are under way. */
static bool
was_called(int call)
{
	uint64_t n;

	while (!lane_all_idle())
		usleep(100);
	return read(call, &n, sizeof(n)) == sizeof(n);
}

/* The interrupts a device forgot come when the rings are taken back. */
static void
test_forgotten_interrupt(void **state)
{
	int call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	start(MODERN);
	assert_int_equal(vdev_vq_set_call(g.o.d, 0, call), 0);
	set("fault", "interrupt");
	to(VDEV_HW_PREFER);
	guest_send(5);
	drain();
	(void)was_called(call);
	guest_send(5);
	drain();
	assert_false(was_called(call));
	to(VDEV_HW_NEVER);
	assert_true(was_called(call));
}

/* Reasons against the device are found before a ring stops. */
static void
test_limits(void **state)
{
	char buf[ENGINE_WHY_MAX];

	start(MODERN);
	set("features", "0x100000000");
	for (uint32_t i = 0; i < 3; i++)
		iterate();
	to(VDEV_HW_PREFER);
	assert_true(in_hardware());
	assert_int_equal(vdev_features_offered(g.o.d) & ~(F(LOG_ALL) | F(PROTOCOL_FEATURES)),
			 F(VERSION_1));
	set("features", "0");
	for (uint32_t i = 0; i < WAIT_ROUNDS && in_hardware(); i++)
		iterate();
	assert_non_null(strstr(engine_against(g.sim, g.o.d, buf, sizeof(buf)), "VERSION_1"));
	guest_send(5);
	drain();
	set("features", "0xffffffffffffffff");
}

/* A quiesced port holds nothing in flight: hardware has released its rings. */
static void
test_quiesce(void **state)
{
	struct pktq_stats before;
	uint32_t i;

	start(MODERN);
	to(VDEV_HW_PREFER);
	guest_send(5);
	drain();
	assert_int_equal(vdev_quiesce(&g.o.d, 1), 0);
	assert_int_equal(vdev_state(g.o.d), VDEV_STATE_RUNNING_P2P);
	before = *g.sim->ops->stats(g.sim, &g.o.d->q[1]);
	guest_send(5);
	for (i = 0; i < 20; i++)
		iterate();
	assert_int_equal(g.sim->ops->stats(g.sim, &g.o.d->q[1])->frames, before.frames);
	assert_int_equal(vdev_resume(&g.o.d, 1), 0);
	assert_true(in_hardware());
	drain();
}

/* A guest that breaks its ring breaks no card: software says what is wrong with it. */
static void
test_broken_ring(void **state)
{
	start(MODERN);
	to(VDEV_HW_PREFER);
	guest_send(5);
	drain();
	((uint16_t *)(void *)(g.o.mem + RING_AT(1) + RING_DRIVER_OFF))[1] += 1000;
	for (uint32_t i = 0; i < WAIT_ROUNDS && !g.o.d->q[1].broken; i++) {
		iterate();
		vdev_attention(g.o.d);
	}
	assert_true(g.o.d->q[1].broken);
	assert_int_equal(vdev_state(g.o.d), VDEV_STATE_ERROR);
}

/** The switch begins anew, with a device that may move the frames if @p hw. */
static void
begin_anew(const char *state_path, bool hw)
{
	char err[160];

	owner_restart(&g.o, state_path);
	g.sim = vdpa_open("sim0", g.o.d, err, sizeof(err));
	assert_non_null(g.sim);
	g.list[0] = g.sim;
	vdev_set_engines(g.o.d, g.list);
	vdev_set_hw(g.o.d, hw ? VDEV_HW_PREFER : VDEV_HW_NEVER);
}

/*
 * The switch is killed while either has the rings, and the next one goes on from them, though a
 * front-end says the position at which the driver set them up.
 */
static void
test_killed(void **state)
{
	static const uint64_t features[] = {MODERN, PACKED,
					    PACKED | (UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC)};
	char path[64];

	snprintf(path, sizeof(path), "/tmp/test_vdpa_sim.%d.rings", getpid());
	for (size_t k = 0; k < RTE_DIM(features); k++) {
		unlink(path);
		begin_anew(path, true);
		start(features[k]);
		for (uint32_t n = 0; n < 60; n++) {
			guest_send(1 + n % 24);
			if (n % 3 == 0)
				drain();
			begin_anew(path, n % 2 == 0);
			owner_start(&g.o, features[k], SIZE);
			assert_int_equal(in_hardware(), n % 2 == 0);
			if (g.sent - g.got > SIZE / 2)
				drain();
		}
		drain();
		vqd_fini(&g.rx);
		vqd_fini(&g.tx);
		g.sent = g.got = 0;
		vdev_reset(g.o.d);
		vdev_sync(g.o.d);
	}
	unlink(path);
}

/** A packed ring that does not tell where hardware stood waits for its driver, and says so. */
static void
test_killed_and_lost(void **state)
{
	const uint64_t features = PACKED | (UINT64_C(1) << VIRTIO_F_IN_ORDER);
	char path[64];

	snprintf(path, sizeof(path), "/tmp/test_vdpa_sim.%d.lost", getpid());
	unlink(path);
	begin_anew(path, true);
	start(features);
	guest_send(5);
	drain();
	begin_anew(path, true);
	owner_start(&g.o, features, SIZE);
	assert_false(g.o.d->q[0].running);
	assert_non_null(g.o.d->q[0].why);
	assert_non_null(strstr(g.o.d->q[0].why, "hardware had it"));
	/* its driver begins anew */
	vqd_fini(&g.rx);
	vqd_fini(&g.tx);
	g.sent = g.got = 0;
	vdev_reset(g.o.d);
	vdev_sync(g.o.d);
	start(features);
	guest_send(5);
	drain();
	unlink(path);
}

static int
start_eal(void **state)
{
	return eal_start("0", 64);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(moves),       T(faults_before),       T(faults_under_way),
		T(wrong_index), T(forgotten_interrupt), T(limits),
		T(quiesce),     T(broken_ring),         T(gone_narrows_nothing),
		T(killed),      T(killed_and_lost),
	};

	return cmocka_run_group_tests(tests, start_eal, NULL);
}
