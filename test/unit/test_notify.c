/* SPDX-License-Identifier: BSD-3-Clause */
/* Notifying a peer that does its worst with the eventfd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_lcore.h>
#include <rte_per_lcore.h>

#include "base/notify.h"

#define FULL (UINT64_MAX - 1)

static void
notification_arrives(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	uint64_t n = 0;

	assert_true(notify_write(fd));
	assert_true(notify_write(fd));
	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	assert_int_equal(n, 2);
	assert_int_equal(notify_stuck(0), -1);
	close(fd);
}

static void
full_counter_is_not_waited_for(void **state)
{
	const uint64_t full = FULL;
	int fd = eventfd(0, 0); /* blocking */

	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	assert_false(notify_write(fd));
	close(fd);
}

static void
closed_descriptor_is_survived(void **state)
{
	int fd = eventfd(0, 0);

	close(fd);
	assert_false(notify_write(fd));
}

/* --- a worker that loses its CPU --- */

static atomic_bool preempting; /* the next write is the last thing its thread does for a while */
static atomic_bool preempted;

ssize_t
write(int fd, const void *buf, size_t len)
{
	ssize_t n = syscall(SYS_write, fd, buf, len);

	if (atomic_load(&preempting)) {
		atomic_store(&preempted, true);
		while (atomic_load(&preempting))
			usleep(10);
	}
	return n;
}

static void *
notify_once(void *arg)
{
	const int *fd = arg;

	RTE_PER_LCORE(_lcore_id) = 4;
	assert_true(notify_write(*fd));
	return NULL;
}

/** It has written and does not come to say so: what it wrote is the peer's, not control's. */
static void
preempted_worker_is_left_alone(void **state)
{
	int fd = eventfd(0, 0);
	uint64_t n = 0;
	pthread_t t;

	atomic_store(&preempting, true);
	assert_int_equal(pthread_create(&t, NULL, notify_once, &fd), 0);
	while (!atomic_load(&preempted))
		usleep(10);
	assert_int_equal(notify_stuck(0), -1);
	assert_int_equal(notify_rescue(0), -1);
	atomic_store(&preempting, false);
	pthread_join(t, NULL);
	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	assert_int_equal(n, 1);
	close(fd);
}

/* --- control --- */

static bool lying;

/** What notify_tell() asks before it writes: a peer that races with it makes the answer a lie. */
int
poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	const struct timespec ts = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};

	if (!lying)
		return ppoll(fds, n, timeout_ms < 0 ? NULL : &ts, NULL);
	fds[0].revents = POLLOUT;
	return 1;
}

static void
control_is_not_held(void **state)
{
	const uint64_t full = FULL;
	int fd = eventfd(0, 0); /* blocking */
	uint64_t n = 0;

	assert_true(notify_tell(fd));
	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	assert_int_equal(n, 1);
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	assert_true(notify_tell(fd)); /* it will be told already */
	lying = true;
	assert_false(notify_tell(fd));
	assert_false(notify_tell(fd));
	lying = false;
	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	assert_int_equal(n, FULL);
	assert_true(notify_tell(fd));
	close(fd);
}

/* The worker that is attacked. */
struct victim {
	int fd;
	atomic_bool stop;
	atomic_uint turns;
};

static void *
victim_run(void *arg)
{
	struct victim *v = arg;

	RTE_PER_LCORE(_lcore_id) = 3;
	while (!atomic_load(&v->stop)) {
		notify_write(v->fd);
		atomic_fetch_add(&v->turns, 1);
	}
	return NULL;
}

/** Wait until the victim is stuck, or has evidently got away. */
static bool
gets_stuck(struct victim *v)
{
	unsigned int turns = atomic_load(&v->turns);

	while (atomic_load(&v->turns) < turns + 2) {
		if (notify_stuck(2000000) == v->fd)
			return true;
		usleep(10);
	}
	return false;
}

/**
 * The peer fills the counter of a blocking eventfd between the worker's look
 * at it and its write. Control sees that, and frees the worker by reading.
 */
static void
stuck_worker_is_seen_and_freed(void **state)
{
	struct victim v = {.fd = eventfd(0, 0)};
	uint64_t full, n;
	pthread_t t;
	int tries;

	assert_int_equal(pthread_create(&t, NULL, victim_run, &v), 0);
	for (tries = 0; tries < 100000; tries++) {
		assert_int_equal(read(v.fd, &n, sizeof(n)), sizeof(n));
		full = FULL; /* less what the victim has added since; must not block us */
		fcntl(v.fd, F_SETFL, O_NONBLOCK);
		while (write(v.fd, &full, sizeof(full)) < 0)
			full--;
		fcntl(v.fd, F_SETFL, 0);
		if (gets_stuck(&v))
			break;
	}
	assert_true(tries < 100000);
	assert_int_equal(notify_stuck(3600ull * 1000000000u), -1);
	atomic_store(&v.stop, true);
	assert_int_equal(notify_rescue(2000000), v.fd);
	pthread_join(t, NULL);
	assert_int_equal(notify_rescue(0), -1);
	assert_int_equal(notify_stuck(0), -1);
	close(v.fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(notification_arrives),
		cmocka_unit_test(full_counter_is_not_waited_for),
		cmocka_unit_test(closed_descriptor_is_survived),
		cmocka_unit_test(preempted_worker_is_left_alone),
		cmocka_unit_test(control_is_not_held),
		cmocka_unit_test(stuck_worker_is_seen_and_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
