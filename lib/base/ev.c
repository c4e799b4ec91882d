/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <rte_common.h>

#include "base/ev.h"

#define EVENTS_PER_ROUND 64
#define SLOTS_FIRST 64
#define NO_SLOT UINT32_MAX
#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS 1000000

/*
 * The kernel is given {gen, slot} instead of a pointer. A source's slot gets
 * a new generation when the source is deleted, so an event that was fetched
 * before cannot reach it, nor the slot's next user.
 */
struct slot {
	struct ev_source *src; /* NULL: free */
	uint32_t gen;
	uint32_t events;    /* what is watched */
	uint32_t next_free; /* while free */
};

TAILQ_HEAD(ev_timers, ev_timer);
TAILQ_HEAD(ev_jobs, ev_job);

struct ev_loop {
	/* [ctl] the loop's thread */
	int epfd;
	uint32_t nslots;
	uint32_t free_slot;
	struct slot *slots;
	struct ev_timers timers; /* ascending deadlines */
	struct ev_jobs jobs;     /* in the order they were queued */
	struct ev_source wake;   /* the eventfd behind ev_post() and ev_stop() */
	/* [atomic] */
	_Atomic(struct ev_work *) posted; /* newest first */
	atomic_bool stop;
};

static inline uint64_t
slot_token(const struct ev_loop *loop, uint32_t slot)
{
	return (uint64_t)loop->slots[slot].gen << 32 | slot;
}

static int
slots_grow(struct ev_loop *loop)
{
	uint32_t n = loop->nslots != 0 ? loop->nslots * 2 : SLOTS_FIRST;
	struct slot *s = reallocarray(loop->slots, n, sizeof(*s));
	uint32_t i;

	if (s == NULL)
		return -ENOMEM;
	for (i = loop->nslots; i < n; i++)
		s[i] = (struct slot){.next_free = i + 1 < n ? i + 1 : NO_SLOT};
	loop->free_slot = loop->nslots;
	loop->slots = s;
	loop->nslots = n;
	return 0;
}

static void
slot_release(struct ev_loop *loop, uint32_t slot)
{
	struct slot *s = &loop->slots[slot];

	s->src = NULL;
	s->gen++;
	s->next_free = loop->free_slot;
	loop->free_slot = slot;
}

static int
slot_ctl(struct ev_loop *loop, int op, uint32_t slot, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.u64 = slot_token(loop, slot)};

	if (epoll_ctl(loop->epfd, op, loop->slots[slot].src->fd, &e) < 0)
		return -errno;
	loop->slots[slot].events = events;
	return 0;
}

int
ev_add(struct ev_loop *loop, struct ev_source *src, uint32_t events)
{
	uint32_t slot;
	int ret;

	if (src->loop != NULL)
		return -EEXIST;
	if (loop->free_slot == NO_SLOT && slots_grow(loop) < 0)
		return -ENOMEM;
	slot = loop->free_slot;
	loop->free_slot = loop->slots[slot].next_free;
	loop->slots[slot].src = src;
	ret = slot_ctl(loop, EPOLL_CTL_ADD, slot, events);
	if (ret < 0) {
		slot_release(loop, slot);
		return ret;
	}
	src->loop = loop;
	src->slot = slot;
	return 0;
}

int
ev_mod(struct ev_source *src, uint32_t events)
{
	if (src->loop == NULL)
		return -ENOENT;
	return slot_ctl(src->loop, EPOLL_CTL_MOD, src->slot, events);
}

void
ev_del(struct ev_source *src)
{
	struct ev_loop *loop = src->loop;

	if (loop == NULL)
		return;
	epoll_ctl(loop->epfd, EPOLL_CTL_DEL, src->fd, NULL);
	slot_release(loop, src->slot);
	src->loop = NULL;
}

void
ev_timer_arm(struct ev_loop *loop, struct ev_timer *t, uint32_t delay_ms)
{
	struct ev_timer *after;

	ev_timer_cancel(t);
	t->loop = loop;
	t->deadline_ns = ev_now_ns() + (uint64_t)delay_ms * NS_PER_MS;
	TAILQ_FOREACH_REVERSE(after, &loop->timers, ev_timers, entry)
	if (after->deadline_ns <= t->deadline_ns)
		break;
	if (after != NULL)
		TAILQ_INSERT_AFTER(&loop->timers, after, t, entry);
	else
		TAILQ_INSERT_HEAD(&loop->timers, t, entry);
}

void
ev_timer_cancel(struct ev_timer *t)
{
	if (t->loop == NULL)
		return;
	TAILQ_REMOVE(&t->loop->timers, t, entry);
	t->loop = NULL;
}

/*
 * Only what was due at the start: a timer that re-arms itself with 0 must not keep the loop here.
 */
static void
timers_fire(struct ev_loop *loop)
{
	uint64_t now = ev_now_ns();
	struct ev_timer *t;

	while ((t = TAILQ_FIRST(&loop->timers)) != NULL && t->deadline_ns <= now) {
		ev_timer_cancel(t);
		t->cb(t);
	}
}

void
ev_job_queue(struct ev_loop *loop, struct ev_job *j)
{
	if (j->loop != NULL)
		return;
	j->loop = loop;
	TAILQ_INSERT_TAIL(&loop->jobs, j, entry);
}

void
ev_job_cancel(struct ev_job *j)
{
	if (j->loop == NULL)
		return;
	TAILQ_REMOVE(&j->loop->jobs, j, entry);
	j->loop = NULL;
}

/* One that is queued again in its callback is behind all others. */
static void
jobs_run(struct ev_loop *loop)
{
	uint64_t end = ev_now_ns() + EV_JOBS_US * NS_PER_US;
	struct ev_job *j;

	while ((j = TAILQ_FIRST(&loop->jobs)) != NULL) {
		ev_job_cancel(j);
		j->cb(j);
		if (ev_now_ns() >= end)
			break;
	}
}

/* How long epoll may wait: until the first timer, rounded up so that it is due then. */
static int
wait_ms(const struct ev_loop *loop, int timeout_ms)
{
	const struct ev_timer *t = TAILQ_FIRST(&loop->timers);
	uint64_t now, ms;

	if (!TAILQ_EMPTY(&loop->jobs))
		return 0;
	if (t == NULL)
		return timeout_ms;
	now = ev_now_ns();
	if (t->deadline_ns <= now)
		return 0;
	ms = (t->deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS;
	if (timeout_ms >= 0)
		ms = RTE_MIN(ms, (uint64_t)timeout_ms);
	return (int)RTE_MIN(ms, (uint64_t)INT_MAX);
}

/* Async-signal-safe. A full counter (EAGAIN) means that the loop is awake already. */
static void
wake(struct ev_loop *loop)
{
	static const uint64_t one = 1;
	int saved = errno;
	ssize_t n = write(loop->wake.fd, &one, sizeof(one));

	(void)n;
	errno = saved;
}

/*
 * Each exchange of the head continues the release of those before it, so posted_run(), which
 * acquires the last one, sees all that the threads did before they posted.
 */
void
ev_post(struct ev_loop *loop, struct ev_work *w)
{
	struct ev_work *head = atomic_load_explicit(&loop->posted, memory_order_relaxed);

	do {
		w->next = head;
	} while (!atomic_compare_exchange_weak_explicit(&loop->posted, &head, w,
							memory_order_release,
							memory_order_relaxed));
	if (head == NULL) /* the post that makes the list non-empty wakes the loop for all */
		wake(loop);
}

static void
posted_run(struct ev_loop *loop)
{
	struct ev_work *w, *next, *head, *ordered = NULL;

	head = atomic_exchange_explicit(&loop->posted, NULL, memory_order_acquire);
	for (w = head; w != NULL; w = next) {
		next = w->next;
		w->next = ordered;
		ordered = w;
	}
	for (w = ordered; w != NULL; w = next) {
		next = w->next; /* fn() may free or post it again */
		w->fn(w);
	}
}

/* The counter is cleared before the list is taken: a later post writes it again. */
static void
wake_cb(struct ev_source *src, uint32_t events)
{
	uint64_t n;
	ssize_t r = read(src->fd, &n, sizeof(n));

	(void)r;
	posted_run(src->loop);
}

static void
dispatch(struct ev_loop *loop, const struct epoll_event *e)
{
	const struct slot *s = &loop->slots[(uint32_t)e->data.u64];
	uint32_t events;

	if (s->gen != e->data.u64 >> 32 || s->src == NULL)
		return;
	/* an earlier callback of this round may have changed what is watched */
	events = e->events & (s->events | EPOLLERR | EPOLLHUP);
	if (events != 0)
		s->src->cb(s->src, events);
}

void
ev_run_once(struct ev_loop *loop, int timeout_ms)
{
	struct epoll_event e[EVENTS_PER_ROUND];
	int i, n;

	n = epoll_wait(loop->epfd, e, EVENTS_PER_ROUND, wait_ms(loop, timeout_ms));
	for (i = 0; i < n; i++)
		dispatch(loop, &e[i]);
	timers_fire(loop);
	if (!TAILQ_EMPTY(&loop->jobs))
		jobs_run(loop);
}

void
ev_run(struct ev_loop *loop)
{
	while (!atomic_exchange_explicit(&loop->stop, false, memory_order_acquire))
		ev_run_once(loop, -1);
}

void
ev_stop(struct ev_loop *loop)
{
	atomic_store_explicit(&loop->stop, true, memory_order_release);
	wake(loop);
}

uint64_t
ev_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

struct ev_loop *
ev_loop_new(void)
{
	struct ev_loop *loop = calloc(1, sizeof(*loop));
	int ret;

	if (loop == NULL)
		return NULL;
	loop->free_slot = NO_SLOT;
	TAILQ_INIT(&loop->timers);
	TAILQ_INIT(&loop->jobs);
	loop->wake.cb = wake_cb;
	loop->wake.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	loop->epfd = epoll_create1(EPOLL_CLOEXEC);
	ret = loop->wake.fd < 0 || loop->epfd < 0 ? -errno : ev_add(loop, &loop->wake, EPOLLIN);
	if (ret < 0) {
		ev_loop_free(loop);
		errno = -ret;
		return NULL;
	}
	return loop;
}

void
ev_loop_free(struct ev_loop *loop)
{
	struct ev_timer *t;
	struct ev_job *job;
	uint32_t i;

	if (loop == NULL)
		return;
	for (i = 0; i < loop->nslots; i++)
		if (loop->slots[i].src != NULL)
			loop->slots[i].src->loop = NULL;
	while ((t = TAILQ_FIRST(&loop->timers)) != NULL)
		ev_timer_cancel(t);
	while ((job = TAILQ_FIRST(&loop->jobs)) != NULL)
		ev_job_cancel(job);
	if (loop->epfd >= 0)
		close(loop->epfd);
	if (loop->wake.fd >= 0)
		close(loop->wake.fd);
	free(loop->slots);
	free(loop);
}
