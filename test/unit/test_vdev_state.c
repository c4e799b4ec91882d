/* SPDX-License-Identifier: BSD-3-Clause */
/* Port states of a device: every (state, request) pair, groups, and the others who have a say. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "owner.h"

#define MODERN (F(VERSION_1) | F(PROTOCOL_FEATURES))
#define SIZE 256

static struct owner o;
static struct vqd drv;
static int log_fd;

static int
setup(void **state)
{
	log_fd = memfd_create("log", MFD_CLOEXEC);
	if (ftruncate(log_fd, 0x100000) != 0)
		return -1;
	owner_init(&o, NULL);
	memset(&drv, 0, sizeof(drv));
	return 0;
}

static int
teardown(void **state)
{
	vqd_fini(&drv);
	owner_fini(&o);
	return close(log_fd);
}

static void
begin(bool logging)
{
	const char *why;

	memset(o.mem, 0, OWNER_MEM); /* a guest that boots */
	owner_start(&o, MODERN, SIZE);
	vqd_fini(&drv);
	owner_driver(&o, 1, SIZE, &drv);
	if (!logging)
		return;
	assert_int_equal(vdev_set_log(o.d, dirty_new(log_fd, 0, 0x100000, &o.d->fault, &why)), 0);
	assert_int_equal(vdev_set_features(o.d, MODERN | F(LOG_ALL)), 0);
}

static void
end(void)
{
	o.d->wanted = VDEV_STATE_RUNNING;
	vdev_disconnect(o.d);
	owner_connect(&o);
}

static bool
request(enum vdev_state to)
{
	return vdev_state_set(&o.d, 1, to) == 0;
}

static bool
runs(enum vdev_state s)
{
	return s == VDEV_STATE_RUNNING || s == VDEV_STATE_RUNNING_P2P || s == VDEV_STATE_PRE_COPY ||
	       s == VDEV_STATE_PRE_COPY_P2P;
}

static bool
copies(enum vdev_state s)
{
	return s == VDEV_STATE_RUNNING || s == VDEV_STATE_PRE_COPY;
}

/* Columns: STOP, RUNNING, STOP_COPY, RESUMING, RUNNING_P2P, PRE_COPY, PRE_COPY_P2P as requested. */
static const struct {
	enum vdev_state from;
	const char plain[8], logging[8]; /* x: refused, -: no such state without or with the log */
} arcs[] = {
	{VDEV_STATE_STOP, "+++++xx", "+x++x++"},      {VDEV_STATE_RUNNING, "+++++xx", "-"},
	{VDEV_STATE_STOP_COPY, "+++++xx", "+x++xxx"}, {VDEV_STATE_RESUMING, "+++++xx", "+x++x++"},
	{VDEV_STATE_RUNNING_P2P, "+++++xx", "-"},     {VDEV_STATE_PRE_COPY, "-", "+x++x++"},
	{VDEV_STATE_PRE_COPY_P2P, "-", "+x++x++"},
};

static void
one_pair(enum vdev_state from, enum vdev_state to, bool logging, bool allowed)
{
	begin(logging);
	if (from != vdev_state(o.d) && !request(from))
		fail_msg("%s cannot be reached", vdev_state_name(from));
	assert_int_equal(vdev_state(o.d), from);
	if (request(to) != allowed)
		fail_msg("%s to %s is %s", vdev_state_name(from), vdev_state_name(to),
			 allowed ? "refused" : "allowed");
	if (!allowed)
		to = from;
	assert_int_equal(vdev_state(o.d), to);
	assert_int_equal(o.rx[0] != NULL, copies(to));
	assert_int_equal(vdev_vq_running(o.d, 1), runs(to));
	if (copies(to))
		assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	end();
}

static void
test_every_pair(void **state)
{
	size_t i;
	int to;

	for (i = 0; i < RTE_DIM(arcs); i++) {
		for (to = 1; to < VDEV_STATE_NUM; to++) {
			if (*arcs[i].plain != '-')
				one_pair(arcs[i].from, to, false, arcs[i].plain[to - 1] == '+');
			if (*arcs[i].logging != '-')
				one_pair(arcs[i].from, to, true, arcs[i].logging[to - 1] == '+');
		}
		assert_false(request(VDEV_STATE_ERROR));
		assert_false(request(VDEV_STATE_NUM));
	}
}

/* Out of the error state leads nothing an operator can ask for, but a reset. */
static void
test_error(void **state)
{
	int to;

	begin(false);
	atomic_store(&o.d->fault.dead, true);
	vdev_attention(o.d);
	assert_int_equal(vdev_state(o.d), VDEV_STATE_ERROR);
	for (to = 0; to < VDEV_STATE_NUM; to++)
		assert_false(request(to));
	end();
	begin(false);
	assert_int_equal(vdev_state(o.d), VDEV_STATE_RUNNING);
}

/* The way there and back keeps the ring's position. */
static void
test_round_trip(void **state)
{
	static const enum vdev_state way[] = {VDEV_STATE_RUNNING_P2P, VDEV_STATE_STOP,
					      VDEV_STATE_STOP_COPY,   VDEV_STATE_STOP,
					      VDEV_STATE_RESUMING,    VDEV_STATE_RUNNING};
	unsigned int pass;
	size_t i;

	begin(false);
	for (pass = 0; pass < 100; pass++) {
		for (i = 0; i < RTE_DIM(way); i++)
			assert_true(request(way[i]));
		assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	}
	assert_int_equal(drv.used, 100);
}

/* A quiesced port takes everything the front-end says and starts nothing. */
static void
test_frontend_while_quiesced(void **state)
{
	uint32_t base;
	char buf[100];

	begin(false);
	assert_int_equal(vdev_quiesce(&o.d, 1), 0);
	assert_false(vdev_link_up(o.d));
	assert_non_null(strstr(vdev_why(o.d, buf, sizeof(buf)), "quiesced"));
	owner_start_ring(&o, 3, SIZE, 0);
	assert_null(o.rx[1]);
	vdev_pause(o.d);
	assert_int_equal(owner_stop(&o, 1, &base), 0);
	vdev_sync(o.d);
	assert_int_equal(vdev_resume(&o.d, 1), 0);
	assert_non_null(o.rx[1]);
	assert_null(o.rx[0]);
}

static void
test_quiesce_while_logging(void **state)
{
	begin(true);
	assert_int_equal(vdev_quiesce(&o.d, 1), 0);
	assert_int_equal(vdev_state(o.d), VDEV_STATE_PRE_COPY_P2P);
	assert_int_equal(vdev_set_features(o.d, MODERN), 0);
	assert_int_equal(vdev_state(o.d), VDEV_STATE_RUNNING_P2P);
	assert_int_equal(vdev_resume(&o.d, 1), 0);
	assert_int_equal(vdev_state(o.d), VDEV_STATE_RUNNING);
}

/* The front-end stops rings, and while it moves state no other side may steer. */
static void
test_frontend_stops(void **state)
{
	uint32_t base, i;

	begin(false);
	assert_int_equal(vdev_transfer_begin(o.d, VDEV_STATE_STOP_COPY), -EINVAL);
	vdev_pause(o.d);
	for (i = 0; i < 2; i++)
		assert_int_equal(owner_stop(&o, i, &base), 0);
	vdev_sync(o.d);
	assert_int_equal(vdev_state(o.d), VDEV_STATE_STOP);
	assert_int_equal(vdev_transfer_begin(o.d, VDEV_STATE_RESUMING), 0);
	assert_int_equal(vdev_state(o.d), VDEV_STATE_RESUMING);
	assert_false(request(VDEV_STATE_RUNNING));
	owner_start_ring(&o, 1, SIZE, base);
	assert_null(o.rx[0]);
	vdev_transfer_end(o.d);
	vdev_sync(o.d);
	assert_non_null(o.rx[0]);
}

/* --- groups --- */

static struct vdev *member[2];
static unsigned int seen_one_of_two;

/* A worker would see both of them or none, at every moment. */
static void
see(struct vdev *d)
{
	bool a = vdev_rx_queue(member[0], 0, NULL) != NULL;
	bool b = vdev_rx_queue(member[1], 0, NULL) != NULL;

	seen_one_of_two += a != b;
	owner_ops.publish(d);
}

static void
test_group(void **state)
{
	struct vdev_ops ops = owner_ops;
	struct owner other;

	ops.publish = see;
	owner_init(&other, NULL);
	begin(false);
	owner_start(&other, MODERN, SIZE);
	member[0] = o.d;
	member[1] = other.d;
	o.d->cfg.ops = other.d->cfg.ops = &ops;
	seen_one_of_two = 0;
	assert_int_equal(vdev_quiesce(member, 2), 0);
	assert_int_equal(seen_one_of_two, 0);
	assert_null(o.rx[0]);
	assert_null(other.rx[0]);
	assert_int_equal(vdev_resume(member, 2), 0);
	assert_int_equal(seen_one_of_two, 0);
	assert_non_null(o.rx[0]);
	assert_non_null(other.rx[0]);
	/* one cannot: none does */
	atomic_store(&other.d->fault.dead, true);
	vdev_attention(other.d);
	assert_int_equal(vdev_quiesce(member, 2), -EINVAL);
	assert_int_equal(vdev_state(o.d), VDEV_STATE_RUNNING);
	assert_non_null(o.rx[0]);
	o.d->cfg.ops = other.d->cfg.ops = &owner_ops;
	owner_fini(&other);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_pair),
		T(error),
		T(round_trip),
		T(frontend_while_quiesced),
		T(quiesce_while_logging),
		T(frontend_stops),
		T(group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
