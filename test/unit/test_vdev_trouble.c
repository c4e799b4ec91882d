/* SPDX-License-Identifier: BSD-3-Clause */
/* The device model: broken rings, vanished memory, and every way to end. */
#include <errno.h>
#include <poll.h>
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

#include "owner.h"
#include "base/irq.h"

#define MODERN (F(VERSION_1) | F(PROTOCOL_FEATURES))
#define PACKED (MODERN | F(RING_PACKED))
#define NEEDS_RESET 0x40
#define SIZE 256

static struct owner o;

static int
setup(void **state)
{
	owner_init(&o, NULL);
	return 0;
}

static int
teardown(void **state)
{
	owner_fini(&o);
	return 0;
}

static const char *
why(void)
{
	static char buf[160];

	return vdev_why(o.d, buf, sizeof(buf));
}

/** An interrupt or notification that is on its way, perhaps by another thread. */
static bool
arrives(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 30000) == 1;
}

static bool
signalled(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

/* --- trouble --- */

static void
kick(void)
{
	assert_int_equal(owner_kick(&o, 1, -1), 0);
}

static void
break_ring(uint32_t i)
{
	/* the available index jumps beyond the ring: idx is the second word of the driver area */
	uint16_t far = 1000;
	struct pkt_batch *b = calloc(1, sizeof(*b));
	struct pktq *q = &o.rx[i / 2]->q;

	memcpy(o.mem + RING_AT(i) + RING_DRIVER_OFF + 2, &far, sizeof(far));
	b->max = PKT_BATCH_MAX;
	assert_int_equal(pktq_ops(q)->rx(q, b), 0);
	pktq_ops(q)->rx_done(q, b);
	free(b);
}

static void
test_broken_ring(void **state)
{
	int err = eventfd(0, EFD_NONBLOCK), late = eventfd(0, EFD_NONBLOCK);
	uint32_t base;
	struct vqd drv;

	owner_start(&o, MODERN, SIZE);
	owner_start_ring(&o, 3, SIZE, 0);
	assert_int_equal(vdev_vq_set_err(o.d, 1, err), 0);
	owner_driver(&o, 3, SIZE, &drv);
	break_ring(1);
	ev_run_once(o.loop, 0);
	assert_null(o.rx[0]);
	assert_non_null(o.tx[0]);
	assert_non_null(o.rx[1]);
	assert_true(arrives(err));
	assert_int_equal(vdev_get_status(o.d), NEEDS_RESET);
	assert_int_equal(o.d->counters.ring_errors, 1);
	assert_non_null(strstr(o.d->q[1].why, "more than a ring ahead"));
	vdev_set_status(o.d, 0x0f);
	assert_int_equal(vdev_get_status(o.d), 0x0f | NEEDS_RESET);
	assert_int_equal(vdev_vq_set_err(o.d, 1, late), 0);
	assert_true(arrives(late));
	assert_int_equal(owner_transmit(&o, 1, &drv), 1);
	vqd_fini(&drv);

	assert_int_equal(vdev_vq_set_num(o.d, 1, SIZE), 0);
	vdev_sync(o.d);
	assert_null(o.rx[0]);
	assert_int_equal(owner_stop(&o, 1, &base), 0);
	owner_driver(&o, 1, SIZE, &drv);
	kick();
	vdev_sync(o.d);
	assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	vqd_fini(&drv);
}

/* The call is still queued in the loop when the device goes. */
static void
test_attention_outlives_the_device(void **state)
{
	owner_start(&o, MODERN, SIZE);
	break_ring(1);
	owner_restart(&o, NULL);
	assert_int_equal(o.d->counters.ring_errors, 0);
}

static void
test_truncated_memory(void **state)
{
	owner_start(&o, MODERN, SIZE);
	atomic_store(&o.d->fault.dead, true);
	ev_run_once(o.loop, 300);
	assert_null(o.rx[0]);
	assert_null(o.tx[0]);
	assert_int_equal(o.d->counters.faults, 1);
	assert_non_null(strstr(why(), "truncated"));
	kick();
	vdev_sync(o.d);
	assert_null(o.rx[0]);
	vdev_disconnect(o.d);
	owner_connect(&o);
	owner_start(&o, MODERN, SIZE);
	assert_non_null(o.rx[0]);
}

/* --- endings --- */

static void
test_reset_keeps_memory(void **state)
{
	int call = eventfd(0, EFD_NONBLOCK), err = eventfd(0, EFD_NONBLOCK);
	uint32_t base = 1;

	owner_start(&o, MODERN, SIZE);
	vdev_vq_set_call(o.d, 1, call);
	vdev_vq_set_err(o.d, 1, err);
	vdev_set_status(o.d, 0x0f);
	vdev_reset(o.d);
	vdev_sync(o.d);
	assert_null(o.rx[0]);
	assert_non_null(o.d->gmem);
	assert_int_equal(o.d->features, 0);
	assert_int_equal(vdev_get_status(o.d), 0);
	assert_int_equal(irq_eventfd(o.d->q[1].irq), call);
	assert_int_equal(o.d->q[1].err_fd, err);
	assert_int_equal(owner_stop(&o, 1, &base), 0);
	assert_int_equal(base, 0);
	assert_int_equal(o.d->q[1].size, 0);
}

static void
test_disconnect_leaves_nothing(void **state)
{
	unsigned int before = open_fds(), i;

	for (i = 0; i < 10; i++) {
		owner_start(&o, MODERN, SIZE);
		vdev_pause(o.d);
		owner_kick(&o, 0, eventfd(0, EFD_NONBLOCK));
		owner_kick(&o, 1, eventfd(0, EFD_NONBLOCK));
		vdev_vq_set_call(o.d, 1, eventfd(0, EFD_NONBLOCK));
		vdev_vq_set_call(o.d, 1, eventfd(0, EFD_NONBLOCK));
		vdev_vq_set_err(o.d, 2, eventfd(0, EFD_NONBLOCK));
		vdev_vq_set_endian(o.d, 3, 1);
		vdev_sync(o.d);
		vdev_disconnect(o.d);
		assert_null(o.rx[0]);
		assert_null(o.d->gmem);
		assert_false(o.d->q[3].endian_set);
		assert_int_equal(open_fds(), before);
		owner_connect(&o);
	}
}

static void
test_stop_and_resume(void **state)
{
	struct vqd drv;

	owner_start(&o, PACKED, SIZE);
	owner_driver(&o, 1, SIZE, &drv);
	assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	assert_int_equal(vdev_state_set(&o.d, 1, VDEV_STATE_STOP), 0);
	assert_null(o.rx[0]);
	assert_int_equal(vdev_resume(&o.d, 1), 0);
	assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	vqd_fini(&drv);
}

/* Killed and started again under a running guest, on a ring whose position only we knew. */
static void
test_journal(void **state)
{
	char path[] = "/tmp/test_vdev.XXXXXX";
	int fd = mkstemp(path), call[2];
	struct vqd drv;
	unsigned int i;

	close(fd);
	owner_restart(&o, path);
	owner_start(&o, PACKED, SIZE);
	owner_driver(&o, 1, SIZE, &drv);
	for (i = 0; i < SIZE + 5; i++)
		assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	owner_restart(&o, path);
	for (i = 0; i < 2; i++) {
		call[i] = eventfd(0, EFD_NONBLOCK);
		assert_int_equal(vdev_vq_set_call(o.d, i, call[i]), 0);
	}
	vq_journal_stop(vq_journal_get(o.d->journal, 0));
	owner_start(&o, PACKED, SIZE);
	assert_true(arrives(call[1]));    /* its guest may wait for an interrupt it was not sent */
	assert_false(signalled(call[0])); /* a ring that begins here has nothing to tell */
	for (i = 0; i < 5; i++)
		assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	vdev_free(o.d, false); /* the guest is still there */
	assert_int_equal(access(path, F_OK), 0);
	o.d = NULL;
	owner_restart(&o, path);
	owner_start(&o, PACKED, SIZE);
	assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	vdev_set_status(o.d, 0);
	vdev_free(o.d, false);
	assert_int_equal(access(path, F_OK), -1);
	o.d = NULL;
	owner_restart(&o, NULL);
	vqd_fini(&drv);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(broken_ring),
		T(attention_outlives_the_device),
		T(truncated_memory),
		T(reset_keeps_memory),
		T(disconnect_leaves_nothing),
		T(stop_and_resume),
		T(journal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
