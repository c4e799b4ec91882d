/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control thread: signals, housekeeping timers, and the way in for threads
 * that are not ours (telemetry clients, EAL's interrupt thread).
 */
#ifndef APP_CTL_H
#define APP_CTL_H

#include <stdbool.h>

#include "base/ev.h"

struct app;

struct ctl {
	struct ev_source signals;
	struct ev_timer upkeep; /* forwarding database */
	struct ev_timer stats;  /* --stats-period */
};

/** Block the signals that end the program; before any thread is made. */
void ctl_block_signals(void);

/** Watch signals and arm the timers. 0 or -errno. */
int ctl_init(struct app *app);
void ctl_fini(struct app *app);

/** Run @p fn on the control thread, soon. Any thread. False: out of memory. */
bool ctl_post(struct app *app, void (*fn)(struct app *app, void *arg), void *arg);

/** The same, and wait until it has run. Any thread but control. False: out of memory. */
bool ctl_call(struct app *app, void (*fn)(struct app *app, void *arg), void *arg);

#endif
