/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Control and workers wait for each other as little as can be: control for the
 * iteration a worker is in, a worker for nothing. Iterations are counted, not time: this
 * thread is the worker and takes one when the test says so, another is control.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "owner.h"
#include "switch/dataplane.h"
#include "switch/dataplane_worker.h"

#define MODERN (F(VERSION_1) | F(PROTOCOL_FEATURES))
#define SIZE 256
#define PAIR 1 /* the one the worker is busy with */

static struct owner o;
static struct dp_ctl ctl;
static struct vqd drv;
static struct vdev_ops ops;

static void
publish(struct vdev *d)
{
	struct dataplane *dp = calloc(1, sizeof(*dp));

	owner_ops.publish(d);
	if (dp == NULL)
		abort();
	dp->nworkers = 1;
	dp_publish(&ctl, dp);
}

static void
grace(struct vdev *d)
{
	dp_grace(&ctl);
}

static int
setup(void **state)
{
	owner_init(&o, NULL);
	if (dp_ctl_init(&ctl, 1) != 0)
		return -1;
	ops = owner_ops;
	ops.publish = publish;
	ops.grace = grace;
	o.d->cfg.ops = &ops;
	owner_start(&o, MODERN, SIZE);
	owner_start_ring(&o, 2 * PAIR + 1, SIZE, 0);
	owner_driver(&o, 2 * PAIR + 1, SIZE, &drv);
	dp_online(&ctl, 0);
	return 0;
}

static int
teardown(void **state)
{
	dp_offline(&ctl, 0);
	vqd_fini(&drv);
	owner_fini(&o);
	dp_ctl_fini(&ctl);
	return 0;
}

/* The work of message handlers, from pausing the ring to vdev_sync(). */
static void
get_base(void)
{
	uint32_t base;

	vdev_pause(o.d);
	assert_int_equal(owner_stop(&o, 1, &base), 0);
	vdev_sync(o.d);
}

static void
disable(void)
{
	assert_int_equal(vdev_vq_set_enable(o.d, 1, false), 0);
	vdev_sync(o.d);
}

static void
change_call(void)
{
	assert_int_equal(vdev_vq_set_call(o.d, 1, -1), 0);
	vdev_sync(o.d);
}

static void
change_memory(void)
{
	const struct gmem_desc more = {.gpa = OWNER_GPA + OWNER_MEM, .size = 4096, .uva = 0x1000};
	const char *why;
	struct gmem *m = gmem_add(o.d->gmem, &more, o.memfd, &o.d->fault, &why);

	assert_non_null(m);
	assert_int_equal(vdev_set_mem(o.d, m), 0);
	vdev_sync(o.d);
}

static void
disconnect(void)
{
	vdev_disconnect(o.d);
}

struct control {
	void (*act)(void);
	atomic_bool done;
	uint64_t seen; /* the grace period we have ended last */
};

static void *
control_main(void *arg)
{
	struct control *c = arg;

	c->act();
	atomic_store(&c->done, true);
	return NULL;
}

/** Until control waits for us once more, or has not done so and is through. */
static bool
control_waits(struct control *c)
{
	uint64_t token = c->seen;

	while (!atomic_load(&c->done)) {
		if (atomic_load(&ctl.waiting))
			token = __atomic_load_n(&ctl.qsbr->token, __ATOMIC_ACQUIRE);
		if (token != c->seen) {
			c->seen = token;
			return true;
		}
		sched_yield();
	}
	return false;
}

/** More bursts than a worker can have in a poll iteration; control gets nothing meanwhile. */
static void
long_iteration(void)
{
	unsigned int i;

	for (i = 0; i < 1000; i++)
		assert_int_equal(owner_transmit(&o, PAIR, &drv), 1);
}

/** How many ends of iterations control waits for, each of them after a long one. */
static unsigned int
iterations_waited(void (*act)(void))
{
	struct control c = {.act = act, .seen = ctl.qsbr->token};
	unsigned int iterations = 0;
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, control_main, &c), 0);
	while (control_waits(&c)) {
		if (iterations == 0 && o.rx[PAIR] != NULL)
			long_iteration();
		iterations++;
		dp_quiescent(&ctl, 0);
	}
	pthread_join(t, NULL);
	return iterations;
}

static void
test_one_iteration_is_waited_for(void **state)
{
	assert_int_equal(iterations_waited(disable), 1);
	assert_int_equal(iterations_waited(change_call), 1);
	assert_int_equal(iterations_waited(change_memory), 1);
	/* pausing takes all rings away, which is one iteration; the others come back: one more */
	assert_int_equal(iterations_waited(get_base), 2);
	assert_int_equal(iterations_waited(disconnect), 1);
}

/* Facts that change nothing a worker sees are recorded without any wait. */
static void
test_most_messages_wait_for_nobody(void **state)
{
	uint32_t base;

	assert_int_equal(iterations_waited(disable), 1);
	assert_int_equal(iterations_waited(disable), 0);
	assert_int_equal(iterations_waited(get_base), 2);
	assert_int_equal(vdev_vq_set_num(o.d, 1, SIZE), 0);
	assert_int_equal(owner_set_base(&o, 1, 5), 0);
	assert_int_equal(owner_stop(&o, 1, &base), 0);
	assert_int_equal(base, 5);
	vdev_sync(o.d);
	assert_false(atomic_load(&ctl.waiting));
}

/* Control is not there at all: what a worker has to tell it is left for later. */
static void
test_worker_waits_for_nobody(void **state)
{
	static struct pkt_batch batch;
	struct pktq *bad = &o.rx[0]->q;
	uint16_t far = 1000;

	memcpy(o.mem + RING_AT(1) + RING_DRIVER_OFF + 2, &far, sizeof(far));
	batch.max = PKT_BATCH_MAX;
	assert_int_equal(pktq_ops(bad)->rx(bad, &batch), 0);
	pktq_ops(bad)->rx_done(bad, &batch);
	long_iteration();
	assert_int_equal(o.d->counters.ring_errors, 0);
	dp_offline(&ctl, 0);
	ev_run_once(o.loop, 0);
	assert_int_equal(o.d->counters.ring_errors, 1);
	dp_online(&ctl, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(one_iteration_is_waited_for),
		T(most_messages_wait_for_nobody),
		T(worker_waits_for_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
