/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_lcore.h>

#include "base/notify.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid /* glibc before 2.39 has the member, not the name */
#endif

/**
 * What an lcore is writing to; one writer each, read by control. start is
 * stored after fd, so a start that is not 0 belongs to the fd or to a later one.
 */
struct notify_guard {
	atomic_int fd;
	_Atomic uint64_t start; /* CLOCK_MONOTONIC, ns; 0: not writing */
} __rte_cache_aligned;

/* Threads that are no lcore - control, unit tests - have nobody to watch them and share nothing. */
static struct notify_guard guards[RTE_MAX_LCORE];

static uint64_t
notify_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static bool
notify_would_block(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	return poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT);
}

static bool
notify_write_once(int fd)
{
	const uint64_t one = 1;
	ssize_t n;

	do
		n = write(fd, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
	return n == sizeof(one);
}

bool
notify_write(int fd)
{
	unsigned int lcore = rte_lcore_id();
	bool written;

	if (notify_would_block(fd))
		return false;
	if (lcore >= RTE_MAX_LCORE)
		return notify_write_once(fd);
	atomic_store_explicit(&guards[lcore].fd, fd, memory_order_relaxed);
	atomic_store_explicit(&guards[lcore].start, notify_now(), memory_order_release);
	written = notify_write_once(fd);
	atomic_store_explicit(&guards[lcore].start, 0, memory_order_release);
	return written;
}

/* A stray one is ignored by default, too. */
#define HELD_SIGNAL SIGURG
#define HELD_NS 1000000

static void
on_held(int sig)
{
}

/** A timer whose signals interrupt the system calls of this thread. */
static bool
timer_for_us(timer_t *t)
{
	const struct sigaction interrupt = {.sa_handler = on_held}; /* no SA_RESTART */
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = HELD_SIGNAL};

	ev.sigev_notify_thread_id = gettid();
	return sigaction(HELD_SIGNAL, &interrupt, NULL) == 0 &&
	       timer_create(CLOCK_MONOTONIC, &ev, t) == 0;
}

bool
notify_tell(int fd)
{
	/* again and again: the first signal may come just before the write */
	const struct itimerspec ticks = {{0, HELD_NS}, {0, HELD_NS}};
	const uint64_t one = 1;
	bool held;
	timer_t t;

	if (notify_would_block(fd) || !timer_for_us(&t))
		return true;
	timer_settime(t, 0, &ticks, NULL);
	/* an eventfd is interrupted only if it waits */
	held = write(fd, &one, sizeof(one)) < 0 && errno == EINTR;
	timer_delete(t);
	return !held;
}

int
notify_stuck(uint64_t ns)
{
	uint64_t now = notify_now();
	unsigned int i;

	for (i = 0; i < RTE_MAX_LCORE; i++) {
		uint64_t start = atomic_load_explicit(&guards[i].start, memory_order_acquire);
		int fd = atomic_load_explicit(&guards[i].fd, memory_order_relaxed);

		/* a write that takes long without need is of a thread that lost its CPU */
		if (start != 0 && start + ns <= now && notify_would_block(fd) &&
		    atomic_load_explicit(&guards[i].start, memory_order_relaxed) == start)
			return fd;
	}
	return -1;
}

int
notify_rescue(uint64_t ns)
{
	uint64_t count;
	struct iovec room = {&count, sizeof(count)};
	int fd = notify_stuck(ns);

	/*
	 * The peer loses nothing: the write that goes on now notifies it. Nothing
	 * there: the peer was faster, and the thread is free.
	 */
	if (fd >= 0)
		(void)!preadv2(fd, &room, 1, -1, RWF_NOWAIT);
	return fd;
}
