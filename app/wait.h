/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting for something on behalf of a command, without holding up anything:
 * a timer looks at the port, and the command ends when it finds what it waits
 * for, when the time is up, or when somebody cancels it.
 *
 * Control thread. Zero-initialised is valid: not waiting.
 */
#ifndef APP_WAIT_H
#define APP_WAIT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/ev.h"

struct app;
struct port;

struct wait {
	struct ev_timer timer;
	/* whoever carries it: where output goes, and what to do in the end */
	FILE *out;
	bool dots; /* one a second, for somebody who looks on */
	void (*done)(struct wait *w, bool ok);
	/* wait_start() */
	struct app *app; /* NULL: not waiting */
	uint16_t port;
	const struct port *p; /* to notice that the number is another one's now */
	bool up;
	uint32_t seconds; /* 0: for ever */
	uint64_t start_ns, dot_ns;
};

static inline bool
wait_active(const struct wait *w)
{
	return w->app != NULL;
}

/** Until the link of port @p id is up, or down, @p seconds at most (0: for ever). */
void wait_start(struct wait *w, struct app *app, uint16_t id, bool up, uint32_t seconds);

/** End it; it has failed. */
void wait_cancel(struct wait *w);

/** Forget it without a word: nobody is there any more. */
void wait_drop(struct wait *w);

#endif
