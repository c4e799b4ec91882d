/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A process that takes over from a running switch (--upgrade-from): the other side of upgrade.h.
 *
 * Nothing it does before the last step is seen from outside, and it ends without a trace when
 * anything fails. Control thread, which may wait: the loop does not run yet.
 */
#ifndef APP_SUCCESSOR_H
#define APP_SUCCESSOR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct app;
struct successor;

/**
 * Ask the switch at control socket @p path to hand over, and receive its first part. NULL with a
 * line in @p err.
 */
struct successor *successor_new(const char *path, char *err, size_t errlen);

/** One more step is done: the predecessor is to be patient. NULL is fine. */
void successor_alive(struct successor *s);

/** Why this process cannot go on, for the predecessor. NULL @p s is fine. */
void successor_fail(struct successor *s, const char *fmt, va_list ap);

/** Make the predecessor's ports; no peer is served yet. 0, or -1 with a line in @p err. */
int successor_make_ports(struct app *app, char *err, size_t errlen);

/** Give the ports the predecessor's settings. 0, or -1 with a line in @p err. */
int successor_configure(struct app *app, char *err, size_t errlen);

/**
 * Say that all is ready, receive the second part, and become the switch: ports run with the
 * publication that the caller makes, which successor_end() tells the predecessor of. 0, or -1 with
 * a line in @p err.
 */
int successor_take_over(struct app *app, char *err, size_t errlen);

/** Whether devices of the predecessor's were opened here. */
bool successor_has_devices(const struct successor *s);

/** The ports run. */
void successor_end(struct app *app);

#endif
