/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control thread's event loop: file descriptors, timers, jobs, and work posted
 * by other threads. One loop, one thread; only ev_post() and ev_stop() may be
 * called from elsewhere. Callbacks may add, change and delete any source or timer,
 * themselves included: a source deleted in a callback gets no further
 * callback, also when its event was already fetched from the kernel.
 */
#ifndef BASE_EV_H
#define BASE_EV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct ev_loop;

/** A descriptor to watch. Embedded in its owner; the loop never owns the fd. */
struct ev_source {
	int fd;
	void (*cb)(struct ev_source *src, uint32_t events); /* EPOLLIN, EPOLLOUT, ... */
	/* set by ev_add() */
	struct ev_loop *loop; /* NULL: not watched */
	uint32_t slot;
};

/** A one-shot timer; re-arm it in its callback for a period. */
struct ev_timer {
	void (*cb)(struct ev_timer *t);
	/* set by ev_timer_arm() */
	struct ev_loop *loop; /* NULL: not armed */
	uint64_t deadline_ns; /* CLOCK_MONOTONIC */
	TAILQ_ENTRY(ev_timer) entry;
};

/**
 * Work of one who can wait, such as an operator's command. Jobs are done in order behind the
 * events and timers of a round, for EV_JOBS_US at most and then the one that has begun, so peers
 * wait no longer however many jobs there are.
 */
struct ev_job {
	void (*cb)(struct ev_job *j);
	/* set by ev_job_queue() */
	struct ev_loop *loop; /* NULL: not queued */
	TAILQ_ENTRY(ev_job) entry;
};

#define EV_JOBS_US 500

/** Work handed over by ev_post(); embedded in the object it concerns. */
struct ev_work {
	void (*fn)(struct ev_work *w);
	struct ev_work *next;
};

/** A new loop, or NULL with errno set. */
struct ev_loop *ev_loop_new(void);

/**
 * Free a loop; NULL is fine. Sources, timers and jobs are forgotten (their fds stay open),
 * posted work is not called.
 */
void ev_loop_free(struct ev_loop *loop);

/**
 * Watch src->fd for @p events (EPOLL*). 0 or -errno. @p src must stay valid until ev_del() or
 * ev_loop_free().
 */
int ev_add(struct ev_loop *loop, struct ev_source *src, uint32_t events);

/** Change what is watched. 0 or -errno. */
int ev_mod(struct ev_source *src, uint32_t events);

/** Stop watching; harmless on a source that is not watched. Call before closing the fd. */
void ev_del(struct ev_source *src);

/** Call t->cb once, @p delay_ms from now; re-arming moves the deadline. */
void ev_timer_arm(struct ev_loop *loop, struct ev_timer *t, uint32_t delay_ms);

/** Disarm; harmless when not armed. */
void ev_timer_cancel(struct ev_timer *t);

/** Call j->cb once, when those are done that were queued before; nothing if it is queued. */
void ev_job_queue(struct ev_loop *loop, struct ev_job *j);

/** Give it up; harmless when not queued. */
void ev_job_cancel(struct ev_job *j);

/**
 * Have w->fn(w) called on the loop's thread, soon and in order of posting.
 * Any thread, lock-free, never blocks. @p w belongs to the loop until called.
 */
void ev_post(struct ev_loop *loop, struct ev_work *w);

/** Wait for events and dispatch them until ev_stop(). */
void ev_run(struct ev_loop *loop);

/** One round: wait at most @p timeout_ms (-1: without limit), dispatch what is there. */
void ev_run_once(struct ev_loop *loop, int timeout_ms);

/**
 * Make ev_run() return after the current round, or the next one at once. Async-signal-safe, any
 * thread.
 */
void ev_stop(struct ev_loop *loop);

/** Monotonic nanoseconds. Any thread. */
uint64_t ev_now_ns(void);

#endif
