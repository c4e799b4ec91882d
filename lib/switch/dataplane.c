/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control. */
#include "switch/dataplane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"

/* --- interest lists --- */

static int
cmp_fd(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* The event fds worker @p dw wants to be woken by, ascending and each once. */
static uint32_t
collect_fds(const struct dataplane *dp, const struct dp_worker *dw, int *fds)
{
	uint32_t n = 0, unique = 0;

	if (dp->mode == NULL)
		return 0;
	for (uint32_t i = 0; i < dw->n; i++)
		if (dw->poll[i].q->event_fd >= 0)
			fds[n++] = dw->poll[i].q->event_fd;
	if (dw->inject.q != NULL)
		fds[n++] = dw->inject.q->event_fd;
	qsort(fds, n, sizeof(*fds), cmp_fd);
	for (uint32_t i = 0; i < n; i++)
		if (unique == 0 || fds[unique - 1] != fds[i])
			fds[unique++] = fds[i];
	return unique;
}

/*
 * Edge-triggered: every notification of the peer wakes once, and the counter
 * of an eventfd - an fd the peer controls - never needs to be read by a worker.
 */
static int
watch(int epfd, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.fd = fd};

	return epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) == 0 ? 0 : -errno;
}

/* Watch each fd that is only in b; both ascend. False: one could not be watched. */
static bool
add_new(int epfd, const int *a, uint32_t na, const int *b, uint32_t nb)
{
	bool ok = true;

	for (uint32_t i = 0, j = 0; j < nb; j++) {
		while (i < na && a[i] < b[j])
			i++;
		if (i == na || a[i] != b[j])
			ok &= watch(epfd, b[j]) == 0;
	}
	return ok;
}

/*
 * Stop watching each fd that is only in a. Closing it would not do: the peer
 * holds the same open file description, so the kernel would go on reporting it.
 */
static void
del_old(int epfd, const int *a, uint32_t na, const int *b, uint32_t nb)
{
	for (uint32_t i = 0, j = 0; i < na; i++) {
		while (j < nb && b[j] < a[i])
			j++;
		if (j == nb || b[j] != a[i])
			epoll_ctl(epfd, EPOLL_CTL_DEL, a[i], NULL);
	}
}

/* Watch the descriptors that are new in @p dp for one worker; returns the list to keep. */
static int *
watch_worker(struct dp_wait *wait, const struct dataplane *dp, struct dp_worker *dw, uint32_t *n)
{
	int *fds = calloc(dw->n + 1, sizeof(*fds));

	*n = 0;
	if (fds != NULL)
		*n = collect_fds(dp, dw, fds);
	if (fds == NULL || !add_new(wait->epfd, wait->fds, wait->nfds, fds, *n))
		dw->must_poll = true; /* a worker that is not notified must not sleep */
	return fds;
}

/* --- publication --- */

static void
wake_one(struct dp_wait *wait)
{
	uint64_t one = 1;

	/* a full counter wakes as well */
	if (write(wait->wake_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		log_err("dataplane", "wake a worker: %s", strerror(errno));
}

void
dp_wake(struct dp_ctl *c)
{
	for (uint32_t i = 0; i < c->nworkers; i++)
		wake_one(&c->worker[i]);
}

void
dp_grace(struct dp_ctl *c)
{
	uint64_t token = rte_rcu_qsbr_start(c->qsbr);

	if (rte_rcu_qsbr_check(c->qsbr, token, false) == 1)
		return;
	/* control and a worker may share one CPU: each gives way to the other */
	atomic_store_explicit(&c->waiting, true, memory_order_relaxed);
	while (rte_rcu_qsbr_check(c->qsbr, token, false) == 0)
		sched_yield();
	atomic_store_explicit(&c->waiting, false, memory_order_relaxed);
}

void
dp_publish(struct dp_ctl *c, struct dataplane *dp)
{
	struct dataplane *old = atomic_load_explicit(&c->live, memory_order_relaxed);
	const uint32_t nworkers = c->nworkers;
	int *fds[DP_WORKERS_MAX];
	uint32_t nfds[DP_WORKERS_MAX];

	for (uint32_t i = 0; i < nworkers; i++)
		fds[i] = watch_worker(&c->worker[i], dp, &dp->worker[i], &nfds[i]);
	/* pairs with dp_sleep(): either the worker sees dp or we see it asleep */
	atomic_store_explicit(&c->live, dp, memory_order_seq_cst);
	for (uint32_t i = 0; i < nworkers; i++)
		if (atomic_load_explicit(&c->worker[i].asleep, memory_order_seq_cst))
			wake_one(&c->worker[i]);
	dp_grace(c);
	for (uint32_t i = 0; i < nworkers; i++) {
		struct dp_wait *wait = &c->worker[i];

		del_old(wait->epfd, wait->fds, wait->nfds, fds[i], nfds[i]);
		free(wait->fds);
		wait->fds = fds[i];
		wait->nfds = nfds[i];
	}
	dp_free(old);
}

void
dp_free(struct dataplane *dp)
{
	if (dp == NULL)
		return;
	free(dp->fids);
	free(dp->mcast);
	free(dp->arena);
	free(dp);
}

/* --- life cycle --- */

static int
wait_init(struct dp_wait *wait)
{
	struct epoll_event ev = {.events = EPOLLIN};

	wait->epfd = epoll_create1(EPOLL_CLOEXEC);
	wait->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ev.data.fd = wait->wake_fd;
	if (wait->epfd < 0 || wait->wake_fd < 0 ||
	    epoll_ctl(wait->epfd, EPOLL_CTL_ADD, wait->wake_fd, &ev) != 0)
		return -errno;
	return 0;
}

static void
wait_fini(struct dp_wait *wait)
{
	if (wait->epfd >= 0)
		close(wait->epfd);
	if (wait->wake_fd >= 0)
		close(wait->wake_fd);
	free(wait->fds);
}

static int
qsbr_init(struct dp_ctl *c)
{
	size_t size = rte_rcu_qsbr_get_memsize(c->nworkers);

	c->qsbr = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(size, RTE_CACHE_LINE_SIZE));
	if (c->qsbr == NULL)
		return -ENOMEM;
	if (rte_rcu_qsbr_init(c->qsbr, c->nworkers) != 0)
		return -EINVAL;
	for (uint32_t i = 0; i < c->nworkers; i++)
		if (rte_rcu_qsbr_thread_register(c->qsbr, i) != 0)
			return -EINVAL;
	return 0;
}

int
dp_ctl_init(struct dp_ctl *c, uint32_t nworkers)
{
	struct dataplane *dp;
	int rc;

	if (nworkers == 0 || nworkers > DP_WORKERS_MAX)
		return -EINVAL;
	memset(c, 0, sizeof(*c));
	c->nworkers = nworkers;
	for (uint32_t i = 0; i < nworkers; i++)
		c->worker[i].epfd = c->worker[i].wake_fd = -1;
	rc = qsbr_init(c);
	for (uint32_t i = 0; i < nworkers && rc == 0; i++)
		rc = wait_init(&c->worker[i]);
	dp = calloc(1, sizeof(*dp));
	atomic_init(&c->live, dp);
	if (rc == 0 && dp == NULL)
		rc = -ENOMEM;
	if (rc != 0)
		dp_ctl_fini(c);
	else
		dp->nworkers = nworkers;
	return rc;
}

void
dp_ctl_fini(struct dp_ctl *c)
{
	for (uint32_t i = 0; i < c->nworkers; i++)
		wait_fini(&c->worker[i]);
	dp_free(atomic_load_explicit(&c->live, memory_order_relaxed));
	free(c->qsbr);
	memset(c, 0, sizeof(*c));
}
