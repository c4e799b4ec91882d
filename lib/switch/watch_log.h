/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control and workers.
 *
 * The way of descriptions from workers to control. Internal to lib/switch.
 */
#ifndef SWITCH_WATCH_LOG_H
#define SWITCH_WATCH_LOG_H

#include <stdatomic.h>

#include "base/ev.h"

struct rte_ring;

struct watch_log {
	struct ev_work work;
	struct ev_loop *loop;
	void (*show)(const char *text);
	atomic_bool posted;     /* [atomic] work is on its way */
	atomic_ullong lost;     /* [atomic] bursts that were not described */
	struct rte_ring *texts; /* workers to control */
};

/** Have control show the texts. Any thread. */
static inline void
watch_log_post(struct watch_log *log)
{
	if (!atomic_exchange(&log->posted, true))
		ev_post(log->loop, &log->work);
}

#endif
