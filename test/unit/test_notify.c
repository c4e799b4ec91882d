/* SPDX-License-Identifier: BSD-3-Clause */
/* Notifying a peer that does its worst with the eventfd: no call may wait for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/notify.h"

#define FULL (UINT64_MAX - 1) /* the most that write(2) makes of a counter */
#define MANY 10000            /* notifications: more than results fit anywhere */

static uint64_t
count_of(int fd)
{
	uint64_t n = 0;

	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	return n;
}

static void
fill(int fd)
{
	const uint64_t full = FULL;

	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
}

static void
every_notification_arrives(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	for (uint32_t i = 0; i < MANY; i++)
		assert_true(notify_peer(fd));
	assert_int_equal(count_of(fd), MANY);
	close(fd);
}

/** A full counter says that a notification is pending, and the peer reads it as ever. */
static void
full_counter_stays_full(void **state)
{
	int fd = eventfd(0, 0); /* blocking */

	fill(fd);
	for (uint32_t i = 0; i < MANY; i++)
		assert_true(notify_peer(fd));
	assert_true(count_of(fd) >= FULL);
	assert_true(notify_peer(fd));
	assert_int_equal(count_of(fd), 1);
	close(fd);
}

static void
what_is_no_eventfd_is_not_notified(void **state)
{
	int closed = eventfd(0, 0), ends[2];

	close(closed);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	for (uint32_t i = 0; i < MANY; i++) {
		assert_false(notify_peer(-1));
		assert_false(notify_peer(closed));
		assert_false(notify_peer(ends[1]));
	}
	close(ends[0]);
	close(ends[1]);
}

/** Hundreds of full, blocking ones, one after the other. */
static void
many_full_counters_hold_nobody(void **state)
{
	int fd[512];

	for (uint32_t i = 0; i < 512; i++) {
		fd[i] = eventfd(0, 0);
		fill(fd[i]);
	}
	for (uint32_t i = 0; i < 512; i++)
		assert_true(notify_peer(fd[i]));
	for (uint32_t i = 0; i < 512; i++)
		close(fd[i]);
}

/* --- a peer that fills, empties, and makes it blocking, all the time --- */

struct peer {
	int fd;
	atomic_bool stop;
};

static void *
peer_run(void *arg)
{
	const uint64_t full = FULL;
	struct peer *p = arg;
	uint64_t n;

	while (!atomic_load(&p->stop)) {
		fcntl(p->fd, F_SETFL, O_NONBLOCK); /* for its own calls only */
		if (read(p->fd, &n, sizeof(n)) == sizeof(n))
			(void)!write(p->fd, &full, sizeof(full));
		fcntl(p->fd, F_SETFL, 0);
	}
	return NULL;
}

static void *
notify_often(void *arg)
{
	struct peer *p = arg;

	for (uint32_t i = 0; i < MANY; i++)
		assert_true(notify_peer(p->fd));
	return NULL;
}

/** A notification that waited would wait for ever: the peer ends after the last one. */
static void
peer_that_plays_with_it_holds_nobody(void **state)
{
	struct peer p = {.fd = eventfd(0, 0)};
	pthread_t peer, worker[2];

	assert_int_equal(pthread_create(&peer, NULL, peer_run, &p), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&worker[i], NULL, notify_often, &p), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(worker[i], NULL);
	atomic_store(&p.stop, true);
	pthread_join(peer, NULL);
	close(p.fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_notification_arrives),
		cmocka_unit_test(full_counter_stays_full),
		cmocka_unit_test(what_is_no_eventfd_is_not_notified),
		cmocka_unit_test(many_full_counters_hold_nobody),
		cmocka_unit_test(peer_that_plays_with_it_holds_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
