/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control thread: signals, housekeeping timers, and the way in for threads
 * that are not ours (telemetry clients, EAL's interrupt thread).
 */
#ifndef APP_CTL_H
#define APP_CTL_H

struct app;

/** Block the signals that end the program; before any thread is made. */
void ctl_block_signals(void);

/** Watch signals and arm the timers. 0 or -errno. */
int ctl_init(struct app *app);

/** Undo ctl_init(); harmless without it. */
void ctl_fini(struct app *app);

/** End the event loop, and with it the program. Control thread. */
void ctl_quit(struct app *app);

/** Run @p fn on the control thread and wait until it has run. Any thread but control. */
void ctl_call(struct app *app, void (*fn)(struct app *app, void *arg), void *arg);

#endif
