/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Work that may wait for a peer, done by threads that may.
 *
 * Jobs of one lane are done in their order and one at a time, so the peer behind a lane holds one
 * thread at most. There is always one thread more than lanes that are busy, so no lane waits for
 * another. The threads run where no lcore does; they are started when they are needed and stay.
 *
 * Life cycle: a lane is embedded in its owner, counted, and freed by the last lane_put(), which a
 * thread may make. A job belongs to the lane from lane_submit() until it is called.
 */
#ifndef BASE_LANE_H
#define BASE_LANE_H

#include <stdatomic.h>
#include <stdbool.h>

struct lane_job {
	/** Called once for each lane_submit(); the job may be submitted again or freed in it. */
	void (*fn)(struct lane_job *j);
	struct lane_job *next;
};

struct lane {
	/** The last reference is gone. Any thread. */
	void (*free)(struct lane *l);
	/* [atomic] */
	_Atomic(struct lane_job *) jobs; /* newest first */
	atomic_bool queued;              /* in a list of lanes, or served */
	atomic_uint refs;
	atomic_uint closing; /* lane_closing() */
	atomic_uint held;    /* lane_hold() */
	struct lane *next;   /* while queued */
};

/** A lane of one reference without a job. Starts the first thread. Control. */
void lane_init(struct lane *l, void (*release)(struct lane *l));

/** A reference more, of one who has one. Any thread. */
void lane_get(struct lane *l);

/** A reference less. Any thread. */
void lane_put(struct lane *l);

/**
 * Close @p fd, whose last user may have to wait: for gigabytes of a file in memory to be freed, for
 * hundreds of thousands of epoll sets to let an eventfd go, a socket that lingers, a file of a
 * peer's file system. Without memory it is closed at once. Any thread that has a reference.
 */
void lane_close(struct lane *l, int fd);

/**
 * Count @p n more as waiting to be closed, until lane_settle() of the same number: a mapping that
 * is going, of a file that is closed here afterwards. Any thread that has a reference.
 */
void lane_owe(struct lane *l, unsigned int n);
void lane_settle(struct lane *l, unsigned int n);

/**
 * How many descriptors wait to be closed: of lane_close(), and of lane_owe(). Any thread that has a
 * reference.
 */
static inline unsigned int
lane_closing(const struct lane *l)
{
	return atomic_load_explicit(&l->closing, memory_order_acquire);
}

/**
 * Count a descriptor that is to be closed as soon as the jobs that use it are done, until
 * lane_let_go(): no reason to wait, but one to expect room. Any thread that has a reference.
 */
void lane_hold(struct lane *l);
void lane_let_go(struct lane *l);

/** Whether any descriptor is about to be closed: held, or waiting. As lane_closing(). */
static inline bool
lane_is_closing(const struct lane *l)
{
	return atomic_load_explicit(&l->held, memory_order_acquire) != 0 || lane_closing(l) != 0;
}

/** Have j->fn(j) called by a thread. Any thread that has a reference; lock-free, never blocks. */
void lane_submit(struct lane *l, struct lane_job *j);

/** Whether no lane has a job and none is being done. For tests. Not workers. */
bool lane_all_idle(void);

#endif
