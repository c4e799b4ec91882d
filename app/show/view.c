/* SPDX-License-Identifier: BSD-3-Clause */
#include "view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "base/ev.h"
#include "base/parse.h"
#include "json.h"

#define PART 4096     /* bytes, beyond which no item is added to a part */
#define PART_ITEMS 64 /* likewise */

/** A view: one value, or an array of items. */
struct view_kind {
	const char *words; /* '*' stands for a port */
	/* the value, or for an array of which it is a member the rest; NULL: the array is all */
	json_t *(*whole)(struct app *app);
	/* of an array: that of a port, or the one at or behind *at, which it moves; NULL: none */
	json_t *(*of_port)(const struct app *app, const struct port *p);
	json_t *(*next)(struct app *app, uint32_t *at);
};

enum stage { VIEW_BEGIN, VIEW_ITEMS, VIEW_DONE };

struct view {
	struct app *app;
	const struct view_kind *kind;
	enum stage stage;
	bool one;         /* port at, instead of all */
	uint32_t at, end; /* the next item; ports are those below end */
	uint32_t items;   /* so far */
	FILE *out;        /* into text: the last part made, of which taken bytes are */
	char *text;
	size_t len, taken;
};

/* --- the views --- */

static json_t *
port_info(const struct app *app, const struct port *p)
{
	return report_port(app, p, REPORT_INFO | REPORT_DETAILS);
}

static json_t *
port_stats(const struct app *app, const struct port *p)
{
	return report_port(app, p, REPORT_STATS);
}

static json_t *
port_summary(const struct app *app, const struct port *p)
{
	return report_port(app, p, REPORT_INFO);
}

static json_t *
port_xstats(const struct app *app, const struct port *p)
{
	return report_port(app, p, REPORT_STATS | REPORT_QUEUES);
}

static json_t *
port_negotiation(const struct app *app, const struct port *p)
{
	return report_port(app, p, REPORT_DETAILS);
}

static json_t *
port_drops(const struct app *app, const struct port *p)
{
	return report_drops(p);
}

static json_t *
whole_switch(struct app *app)
{
	return report_switch(app);
}

static json_t *
next_worker(struct app *app, uint32_t *at)
{
	return *at < app->nworkers ? report_worker(app, (*at)++) : NULL;
}

static json_t *
whole_fdb(struct app *app)
{
	json_t *d;

	fdb_maintain(app->sw.fdb, ev_now_ns());
	d = report_fdb(app);
	json_object_set_new(d, "addresses", json_array());
	return d;
}

static json_t *
next_address(struct app *app, uint32_t *at)
{
	struct fdb_entry_info e;

	return fdb_next(app->sw.fdb, at, &e) ? report_fdb_entry(app, &e) : NULL;
}

static const struct view_kind kinds[] = {
	{"switch", whole_switch, NULL, NULL},
	{"worker", NULL, NULL, next_worker},
	{"fdb", whole_fdb, NULL, next_address},
	{"drops/*", NULL, port_drops, NULL},
	{"port/info/*", NULL, port_info, NULL},
	{"port/stats/*", NULL, port_stats, NULL},
	{"port/summary/*", NULL, port_summary, NULL},
	{"port/xstats/*", NULL, port_xstats, NULL},
	{"port/*/negotiation", NULL, port_negotiation, NULL},
	{"port/*/why", NULL, report_why, NULL},
};

/* --- which one is meant --- */

/* The port in @p words, if they are those of @p pattern: they have none if it is @p words. */
static const char *
match(const char *pattern, const char *words)
{
	const char *port = words;

	for (; *pattern != '\0'; pattern++) {
		if (*pattern == '*') {
			port = words;
			words += strcspn(words, "/");
		} else if (*pattern != *words++) {
			return NULL;
		}
	}
	return *words == '\0' ? port : NULL;
}

/* Have the view begin and end where its port does. False: there is no such port. */
static bool
take_port(struct view *v, const char *text)
{
	const char *rest;
	uint64_t id;

	v->end = UINT32_MAX;
	if (v->kind->of_port == NULL)
		return true;
	if (strncmp(text, "all", 3) == 0 && (text[3] == '\0' || text[3] == '/'))
		return true;
	v->one = parse_number(text, 10, DP_PORTS_MAX - 1, &id, &rest) &&
		 (*rest == '\0' || *rest == '/') && app_port(v->app, id) != NULL;
	v->at = v->one ? (uint32_t)id : 0;
	v->end = v->at + 1;
	return v->one;
}

static bool
find(struct view *v, const char *words)
{
	for (size_t i = 0; i < RTE_DIM(kinds); i++) {
		const char *port = match(kinds[i].words, words);

		v->kind = &kinds[i];
		if (port != NULL)
			return take_port(v, port);
	}
	return false;
}

struct view *
view_new(struct app *app, const char *words)
{
	struct view *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return NULL;
	v->app = app;
	if (!find(v, words)) {
		free(v);
		errno = ENOENT;
		return NULL;
	}
	v->out = open_memstream(&v->text, &v->len);
	if (v->out != NULL)
		return v;
	free(v);
	errno = ENOMEM;
	return NULL;
}

void
view_free(struct view *v)
{
	if (v == NULL)
		return;
	fclose(v->out);
	free(v->text);
	free(v);
}

/* --- its text --- */

/* Write a value, each of its lines behind @p indent; without its last @p less bytes. */
static bool
write_value(struct view *v, json_t *value, const char *indent, size_t less)
{
	char *text = value != NULL ? json_dumps(value, JSON_INDENT(2)) : NULL;
	const char *line = text;

	json_decref(value);
	if (text == NULL)
		return false;
	text[strlen(text) - less] = '\0';
	for (size_t n; *line != '\0'; line += n) {
		n = strcspn(line, "\n");
		n += line[n] == '\n';
		fprintf(v->out, "%s%.*s", line == text ? "" : indent, (int)n, line);
	}
	free(text);
	return true;
}

/* The array is the value, or the last member of an object. */
static const char *
indent_of(const struct view *v)
{
	return v->kind->whole != NULL ? "    " : "  ";
}

static bool
begin(struct view *v)
{
	bool array = v->kind->of_port != NULL || v->kind->next != NULL;

	v->stage = array ? VIEW_ITEMS : VIEW_DONE;
	if (v->one)
		return true;
	if (v->kind->whole == NULL)
		return fputc('[', v->out) != EOF;
	/* of a value that ends with an empty array all that is in front of its end */
	return write_value(v, v->kind->whole(v->app), "", array ? strlen("]\n}") : 0);
}

static json_t *
next_item(struct view *v)
{
	const struct port *p = NULL;

	if (v->kind->next != NULL)
		return v->kind->next(v->app, &v->at);
	while (p == NULL && v->at < v->app->sw.nports && v->at < v->end)
		p = v->app->sw.port[v->at++];
	return p != NULL ? v->kind->of_port(v->app, p) : NULL;
}

static bool
write_item(struct view *v)
{
	json_t *item = next_item(v);

	if (item == NULL) {
		v->stage = VIEW_DONE;
		if (v->one)
			return true;
		if (v->items > 0)
			fprintf(v->out, "\n%s", indent_of(v) + 2);
		return fputs(v->kind->whole != NULL ? "]\n}" : "]", v->out) != EOF;
	}
	if (v->one)
		return write_value(v, item, "", 0);
	fprintf(v->out, "%s\n%s", v->items > 0 ? "," : "", indent_of(v));
	v->items++;
	return write_value(v, item, indent_of(v), 0);
}

/* Make the next part, of which nothing is taken. False: no memory. */
static bool
next_part(struct view *v)
{
	bool ok = true;

	rewind(v->out);
	v->taken = v->len = 0;
	for (uint32_t i = 0; ok && i < PART_ITEMS && v->len < PART && v->stage != VIEW_DONE; i++) {
		ok = v->stage == VIEW_BEGIN ? begin(v) : write_item(v);
		if (v->stage == VIEW_DONE)
			fputc('\n', v->out);
		fflush(v->out);
	}
	return ok && !ferror(v->out);
}

ssize_t
view_read(struct view *v, char *buf, size_t max)
{
	size_t n;

	while (v->taken == v->len && v->stage != VIEW_DONE)
		if (!next_part(v))
			return -1;
	n = RTE_MIN(max, v->len - v->taken);
	memcpy(buf, v->text + v->taken, n);
	v->taken += n;
	return (ssize_t)n;
}
