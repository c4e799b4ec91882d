/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers, but for worker_time().
 *
 * The poll iteration of a worker, and how it goes to sleep.
 */
#ifndef SWITCH_POLL_H
#define SWITCH_POLL_H

#include "switch/dataplane_worker.h"
#include "switch/worker.h"

#define POLL_IDLE_AFTER 64 /* polls without a frame after which a queue is idle */
#define POLL_IDLE_FROM 8   /* with no more queues than these, none does */
#define POLL_IDLE_LOOK 8   /* idle queues looked at in an iteration without frames */
#define POLL_IDLE_SHARE 64 /* frames for which one idle queue is looked at */

/**
 * Have @p w account its cycles by stage from now on, starting at 0, or not any
 * more. Switched off, it costs a test per poll iteration and per tx(). Control.
 */
void worker_time(struct worker *w, bool on);

/**
 * One poll iteration: poll every active queue of the worker once, and some of the idle ones, so
 * that the cost of a frame does not depend on the number of silent guests. Returns the number of
 * chains handled, for worker_end_poll().
 */
uint32_t worker_poll(struct worker *w, const struct dataplane *dp);

/**
 * After a poll iteration that handled @p n chains. Usually a quiescent state; while frames
 * keep coming and control does not wait for one, only once in a few iterations, which
 * lets deferred notifications wait until they are cheap. Load the snapshot anew.
 */
void worker_end_poll(struct worker *w, uint32_t n);

/**
 * Nothing to do: ask all peers for notifications and sleep until one comes or
 * control wakes the worker. Returns at once when a queue has a backlog or got
 * frames in the meantime, and soon when one cannot notify. A quiescent state: load the
 * snapshot anew. True: it slept.
 */
bool worker_idle(struct worker *w, const struct dataplane *dp);

/**
 * The two halves of worker_idle(). arm: true when frames arrived and the worker must not sleep.
 * disarm, also after that: the active queues; idle ones stay armed until they have frames.
 */
bool worker_arm(struct worker *w, const struct dataplane *dp);
void worker_disarm(struct worker *w, const struct dataplane *dp);

#endif
