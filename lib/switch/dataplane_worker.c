/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: workers. */
#include "switch/dataplane_worker.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"

#define SLEEP_EVENTS 16 /* the event alone matters, not its source */

/* The eventfd is ours alone and non-blocking: nothing to read is fine. */
static void
drain_wake(const struct dp_wait *wait, uint32_t id)
{
	uint64_t count;

	if (read(wait->wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		log_err("dataplane", "worker %u: eventfd: %s", id, strerror(errno));
}

static void
wait_event(struct dp_wait *wait, uint32_t id, int timeout_ms)
{
	struct epoll_event ev[SLEEP_EVENTS];
	int n = epoll_wait(wait->epfd, ev, SLEEP_EVENTS, timeout_ms);

	if (n < 0 && errno != EINTR)
		log_err("dataplane", "worker %u: epoll_wait: %s", id, strerror(errno));
	for (int i = 0; i < n; i++)
		if (ev[i].data.fd == wait->wake_fd)
			drain_wake(wait, id);
}

void
dp_sleep(struct dp_ctl *c, uint32_t id, const struct dataplane *dp)
{
	int timeout_ms = dp->worker[id].must_poll ? DP_NAP_MS : -1;
	struct dp_wait *wait = &c->worker[id];

	/*
	 * A notification since arm() is an edge that waits in the epoll set, however early it came;
	 * what came before it arm() has found in the ring. Wake-ups by control stay in the counter
	 * of wake_fd until they are read, and what control changed before is seen after that.
	 */
	/* still online, so that another snapshot cannot have dp's address */
	atomic_store_explicit(&wait->asleep, true, memory_order_seq_cst);
	if (atomic_load_explicit(&c->live, memory_order_seq_cst) == dp) {
		dp_offline(c, id);
		wait_event(wait, id, timeout_ms);
		dp_online(c, id);
	}
	atomic_store_explicit(&wait->asleep, false, memory_order_relaxed);
}
