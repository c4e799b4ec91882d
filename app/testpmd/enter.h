/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dpdk-testpmd without a prompt but with a terminal: "Press enter to exit".
 * Control thread.
 */
#ifndef APP_TESTPMD_ENTER_H
#define APP_TESTPMD_ENTER_H

struct app;

/**
 * Say so and end the program at the first line, or at the end of the input. Nothing when standard
 * input is no terminal: there the program goes on until a signal. 0 or -errno.
 */
int enter_watch(struct app *app);

/** Undo it; harmless without. */
void enter_unwatch(void);

#endif
