/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting for something on behalf of a command, without holding up anything:
 * a timer looks, shows how far it is at a terminal, and the command
 * ends when there is nothing left to wait for, when the time is up, or when
 * the caller cancels it.
 *
 * Control thread. Zero-initialised is valid: not waiting.
 */
#ifndef APP_CLI_WAIT_H
#define APP_CLI_WAIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmdline_parse_string.h>

#include "base/ev.h"
#include "switch/port_kind.h"

struct app;
struct monitor;
struct port;
struct view;
struct wait;

enum wait_end {
	WAIT_ON,   /* not the end */
	WAIT_DONE, /* it is there */
	WAIT_GONE, /* it will never be */
	WAIT_LATE, /* the time is up */
};

/** An end to wait for. */
struct wait_kind {
	/** Never WAIT_LATE. */
	enum wait_end (*look)(struct wait *w);
	/** The last words, to w->out. */
	void (*say)(const struct wait *w, enum wait_end end);
	/** Its output shows that it goes on: nothing is shown for that. */
	bool talks;
	/** look() makes a part of its output: it is called again in the next round of the loop. */
	bool busy;
	/** How far it is. NULL: not known. */
	void (*progress)(const struct wait *w, char *line, size_t len);
	/**
	 * The waiting was interrupted: end it. The result of look() then tells how it ended. NULL:
	 * it goes on by itself.
	 */
	void (*end)(struct wait *w);
};

struct wait {
	struct ev_timer timer;
	/* set by its owner: where output goes, and the work in the end */
	FILE *out;
	bool seen; /* at a terminal: progress is shown once a second */
	void (*done)(struct wait *w, bool ok);
	/* a descriptor that came with the command, NULL: there can be none, -1: there is none */
	int *passed;
	const int *client; /* the connection the command came by; NULL: by none */
	/* what for */
	union {
		struct {
			uint16_t id;
			const struct port *p; /* the number may become another one's */
			bool up;
		} link;
		struct {
			cmdline_fixed_string_t ports;
			char state[PORT_STATE_MAX];
		} state;
		uint32_t capture; /* sw_capture.serial */
		cmdline_fixed_string_t vdpa;
		struct view *view;       /* NULL: interrupted */
		uint32_t address;        /* the next one, of the forwarding database */
		struct monitor *monitor; /* NULL: nothing is followed any more */
	} on;
	/* wait_start() */
	const struct wait_kind *kind;
	struct app *app;  /* NULL: not waiting */
	uint64_t seconds; /* or WAIT_FOREVER */
	uint64_t start_ns, shown_ns;
	int width; /* of the longest line shown */
};

static inline bool
wait_active(const struct wait *w)
{
	return w->app != NULL;
}

/** Whole seconds since wait_start(). */
uint64_t wait_seconds(const struct wait *w);

#define WAIT_FOREVER UINT64_MAX

/** For what w->on says, @p seconds at most; 0: look once. */
void wait_start(struct wait *w, struct app *app, const struct wait_kind *kind, uint64_t seconds);

/** Look now: the end has come, and the loop may not run again. */
void wait_look(struct wait *w);

/** End it; unless it is of a kind that ends like that, it has failed. */
void wait_cancel(struct wait *w);

/** End it without an answer: the client is gone. */
void wait_drop(struct wait *w);

#endif
