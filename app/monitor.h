/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clients that follow events ("monitor"), and the events each of them has still to be sent.
 *
 * An event is a JSON object with a member "event", its kind. A client gets it as that, or as words
 * "NAME=VALUE", a line either way, with the time in front. A client may leave MONITOR_QUEUE_MAX
 * bytes unread; what comes then is lost for it alone, and it is told how much was.
 *
 * Life cycle: monitor_start() to monitor_end(), which the wait of the command calls.
 *
 * Control thread.
 */
#ifndef APP_MONITOR_H
#define APP_MONITOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <jansson.h>

struct app;
struct monitor;
struct wait;

#define MONITOR_QUEUE_MAX 65536

/** Fewer than the control socket has clients: others can still give commands. */
#define MONITORS_MAX 24

LIST_HEAD(monitors, monitor);

/** Follow events on behalf of the command that @p w is of; NULL: out of memory. */
struct monitor *monitor_start(struct monitors *all, const struct wait *w, bool json);

/** Whether there are MONITORS_MAX. */
bool monitors_are_full(const struct monitors *all);

/** No more of them; NULL is fine. */
void monitor_end(struct monitor *m);

/** Send what the client takes. */
void monitor_flush(struct monitor *m);
void monitor_flush_all(struct monitors *all);

/** Whether one of them has room: an event that no client can take need not be made. */
bool monitor_any_room(const struct monitors *all);

/** Tell all of them of @p event, which is released; NULL: it was not made, and is lost for all. */
void monitor_tell(struct monitors *all, json_t *event);

#endif
