/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_lcore.h>

#include "virtq/notify.h"

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

int
notify_stuck(uint64_t ns)
{
	uint64_t now = notify_now();
	unsigned int i;

	for (i = 0; i < RTE_MAX_LCORE; i++) {
		uint64_t start = atomic_load_explicit(&guards[i].start, memory_order_acquire);
		int fd = atomic_load_explicit(&guards[i].fd, memory_order_relaxed);

		if (start != 0 && start + ns <= now &&
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

	/* nothing there: the peer was faster, and the thread is free */
	if (fd >= 0)
		(void)!preadv2(fd, &room, 1, -1, RWF_NOWAIT);
	return fd;
}
