/* SPDX-License-Identifier: BSD-3-Clause */
#include "events.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app.h"
#include "base/log.h"
#include "base/log_tail.h"
#include "base/text.h"
#include "monitor.h"
#include "show/json.h"
#include "switch/fdb.h"
#include "switch/port_kind.h"

#define SECOND_NS UINT64_C(1000000000)
#define US_NS 1000
#define TIME_LEN 40

struct events {
	struct app *app;
	struct monitors monitors;
	struct fdb_listener fdb;
	uint64_t log_at; /* the next line of the log to be told */
};

/* --- an event --- */

static void
add_text(json_t *d, const char *name, const char *text)
{
	char ascii[TEXT_SHOWN_MAX];
	json_t *value = json_string(text);

	if (value == NULL)
		value = json_string(text_ascii(text, ascii, sizeof(ascii)));
	json_object_set_new(d, name, value);
}

static json_t *
event_at(const char *kind, uint64_t wall_ns)
{
	time_t s = (time_t)(wall_ns / SECOND_NS);
	json_t *d = json_object();
	char text[TIME_LEN];
	struct tm tm = {0};
	size_t n;

	gmtime_r(&s, &tm);
	n = strftime(text, sizeof(text), "%FT%T", &tm);
	snprintf(text + n, sizeof(text) - n, ".%06" PRIu64 "Z", wall_ns % SECOND_NS / US_NS);
	json_object_set_new(d, "time", json_string(text));
	json_object_set_new(d, "event", json_string(kind));
	return d;
}

/* An event of now; NULL: no client has room for it. */
static json_t *
event(const struct events *e, const char *kind)
{
	struct timespec now;

	if (!monitor_any_room(&e->monitors))
		return NULL;
	clock_gettime(CLOCK_REALTIME, &now);
	return event_at(kind, (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec);
}

static json_t *
port_event(const struct events *e, const char *kind, const struct port *p)
{
	json_t *d = event(e, kind);

	json_object_set_new(d, "port", json_integer(p->id));
	if (d != NULL)
		add_text(d, "name", p->name);
	return d;
}

static bool
followed(const struct events *e)
{
	return e != NULL && !LIST_EMPTY(&e->monitors);
}

/* --- ports --- */

static void
read_facts(struct port *p, struct app_told *out)
{
	struct port_detail list[PORT_DETAILS_MAX];
	const struct {
		const char *name;
		uint64_t *value;
	} wanted[] = {{"features", &out->features}, {"protocol_features", &out->protocol_features}};
	uint32_t n = p->ops->details != NULL ? p->ops->details(p, list) : 0;

	*out = (struct app_told){
		.up = p->ops->link_up(p),
		.hardware = p->ops->in_hardware != NULL && p->ops->in_hardware(p),
	};
	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(list[i].name, "connected") == 0)
			out->connected = list[i].number != 0;
		for (size_t k = 0; k < RTE_DIM(wanted); k++)
			if (strcmp(list[i].name, wanted[k].name) == 0)
				*wanted[k].value = list[i].number;
	}
}

static void
tell_connection(struct events *e, struct port *p, const struct app_told *now)
{
	const struct app_told *was = &p->app->told;

	if (now->connected != was->connected)
		monitor_tell(&e->monitors,
			     port_event(e, now->connected ? "connected" : "disconnected", p));
}

static void
add_bits(json_t *d, const char *name, uint64_t bits)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, bits);
	json_object_set_new(d, name, json_string(text));
}

static void
tell_negotiation(struct events *e, struct port *p, const struct app_told *now)
{
	const struct app_told *was = &p->app->told;
	json_t *d;

	/* the end of a connection says that nothing is agreed upon any more */
	if (!now->connected ||
	    (now->features == was->features && now->protocol_features == was->protocol_features))
		return;
	d = port_event(e, "negotiated", p);
	add_bits(d, "features", now->features);
	add_bits(d, "protocol_features", now->protocol_features);
	monitor_tell(&e->monitors, d);
}

static void
tell_datapath(struct events *e, struct port *p, const struct app_told *now)
{
	json_t *d;

	if (now->hardware == p->app->told.hardware)
		return;
	d = port_event(e, "datapath", p);
	json_object_set_new(d, "moved_by", json_string(now->hardware ? "hardware" : "workers"));
	monitor_tell(&e->monitors, d);
}

static void
tell_link(struct events *e, struct port *p, const struct app_told *now)
{
	json_t *d;

	if (now->up == p->app->told.up)
		return;
	d = port_event(e, "link", p);
	json_object_set_new(d, "up", json_boolean(now->up));
	monitor_tell(&e->monitors, d);
}

/* The log has the reason of a change, written before it. */
static void
tell_log(struct events *e)
{
	static const char *const levels[] = {
		[RTE_LOG_EMERG] = "emergency", [RTE_LOG_ALERT] = "alert",
		[RTE_LOG_CRIT] = "critical",   [RTE_LOG_ERR] = "error",
		[RTE_LOG_WARNING] = "warning",
	};
	struct log_tail_line line;

	while (log_tail_next(&e->log_at, &line)) {
		json_t *d;

		if (line.level >= RTE_DIM(levels) || levels[line.level] == NULL)
			continue;
		d = monitor_any_room(&e->monitors) ? event_at("log", line.wall_ns) : NULL;
		json_object_set_new(d, "level", json_string(levels[line.level]));
		if (d != NULL && line.tag[0] != '\0')
			add_text(d, "name", line.tag);
		if (d != NULL)
			add_text(d, "text", line.text);
		monitor_tell(&e->monitors, d);
	}
}

void
events_port_changed(struct app *app, struct port *p)
{
	struct events *e = app->events;
	struct app_told now;

	if (!followed(e) || p->app == NULL)
		return;
	read_facts(p, &now);
	tell_log(e);
	tell_connection(e, p, &now);
	tell_negotiation(e, p, &now);
	tell_datapath(e, p, &now);
	tell_link(e, p, &now);
	p->app->told = now;
}

static void
tell_port(struct app *app, const struct port *p, const char *kind)
{
	if (followed(app->events))
		monitor_tell(&app->events->monitors, port_event(app->events, kind, p));
}

void
events_port_added(struct app *app, struct port *p)
{
	tell_port(app, p, "port-added");
}

void
events_port_leaving(struct app *app, struct port *p)
{
	tell_port(app, p, "port-removed");
}

/* --- addresses --- */

static const char *
kind_of_change(const struct fdb_entry_info *info, bool there)
{
	if (!there)
		return "forgotten";
	if (info->origin == FDB_STATIC)
		return "static";
	return info->moves != 0 ? "moved" : "learned";
}

static void
on_address(struct fdb_listener *l, const struct fdb_entry_info *info, bool there)
{
	struct events *e = container_of(l, struct events, fdb);
	json_t *d = event(e, kind_of_change(info, there)), *facts;
	const struct port *p = app_port(e->app, info->port);

	facts = d != NULL ? report_fdb_entry(e->app, info) : NULL;
	json_object_update(d, facts);
	json_decref(facts);
	if (d != NULL && p != NULL)
		add_text(d, "name", p->name);
	monitor_tell(&e->monitors, d);
}

/* --- upgrades --- */

void
events_upgrade(struct app *app, const char *stage, const char *text)
{
	struct events *e = app->events;
	json_t *d;

	if (!followed(e))
		return;
	d = event(e, "upgrade");
	json_object_set_new(d, "stage", json_string(stage));
	if (d != NULL && text != NULL)
		add_text(d, "text", text);
	monitor_tell(&e->monitors, d);
}

/* --- following --- */

/* The first one is told of what changes from now on. */
static void
begin(struct events *e)
{
	struct app *app = e->app;

	e->log_at = log_tail_end();
	for (uint16_t id = 0; id < app->sw.nports; id++)
		if (app->sw.port[id] != NULL && app->sw.port[id]->app != NULL)
			read_facts(app->sw.port[id], &app->sw.port[id]->app->told);
	fdb_listen(app->sw.fdb, &e->fdb);
}

bool
events_are_full(const struct app *app)
{
	return monitors_are_full(&app->events->monitors);
}

struct monitor *
events_follow(struct app *app, const struct wait *w, bool json)
{
	struct events *e = app->events;
	const bool first = !followed(e);
	struct monitor *m = monitor_start(&e->monitors, w, json);

	if (m != NULL && first)
		begin(e);
	return m;
}

void
events_leave(struct app *app, struct monitor *m)
{
	monitor_end(m);
	if (!followed(app->events))
		fdb_unlisten(app->sw.fdb, &app->events->fdb);
}

void
events_serve(struct app *app, struct monitor *m)
{
	tell_log(app->events);
	monitor_flush(m);
}

void
events_last_words(struct app *app)
{
	if (!followed(app->events))
		return;
	tell_log(app->events);
	monitor_flush_all(&app->events->monitors);
}

struct events *
events_new(struct app *app)
{
	struct events *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->app = app;
	LIST_INIT(&e->monitors);
	e->fdb.fn = on_address;
	return e;
}

void
events_free(struct events *e)
{
	free(e);
}
