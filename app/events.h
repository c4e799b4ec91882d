/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Events of the switch for the clients that follow them (monitor.h): ports that come and go, their
 * links, connections, negotiations and datapaths, addresses, upgrades, lines of the log.
 *
 * Of a port the facts are compared with those that were told last whenever the port says that they
 * may have changed. While no client follows nothing is done.
 *
 * Control thread.
 */
#ifndef APP_EVENTS_H
#define APP_EVENTS_H

#include <stdbool.h>

struct app;
struct events;
struct monitor;
struct port;
struct wait;

struct events *events_new(struct app *app);

/** After the last event, when no client follows; NULL is fine. */
void events_free(struct events *e);

/** Whether as many follow events as may. */
bool events_are_full(const struct app *app);

/** Follow events on behalf of the command that @p w is of. NULL: no memory. */
struct monitor *events_follow(struct app *app, const struct wait *w, bool json);

/** No more of them. */
void events_leave(struct app *app, struct monitor *m);

/** Take in what no event announces, and send what @p m takes. At least every 20 ms. */
void events_serve(struct app *app, struct monitor *m);

/** The same for all, before the process ends. */
void events_last_words(struct app *app);

/** Port @p p is there; is about to leave; may be another way than it was. */
void events_port_added(struct app *app, struct port *p);
void events_port_leaving(struct app *app, struct port *p);
void events_port_changed(struct app *app, struct port *p);

/** An upgrade has come to @p stage: "begun", "failed", "done"; @p text NULL: nothing to add. */
void events_upgrade(struct app *app, const char *stage, const char *text);

#endif
