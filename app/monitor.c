/* SPDX-License-Identifier: BSD-3-Clause */
#include "monitor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cli/wait.h"

#define ROOM 4096 /* more than an event takes */

struct monitor {
	LIST_ENTRY(monitor) entry;
	FILE *out;       /* at the prompt, where sock is NULL: events are written at once */
	const int *sock; /* the client's connection, which its owner closes */
	bool json;
	uint64_t lost; /* events, since the client was told */
	size_t len;
	char text[MONITOR_QUEUE_MAX]; /* lines, without what was sent of the first one */
};

struct monitor *
monitor_start(struct monitors *all, const struct wait *w, bool json)
{
	struct monitor *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->out = w->out;
	m->sock = w->client;
	m->json = json;
	LIST_INSERT_HEAD(all, m, entry);
	return m;
}

bool
monitors_are_full(const struct monitors *all)
{
	const struct monitor *m;
	unsigned int n = 0;

	LIST_FOREACH (m, all, entry)
		n++;
	return n >= MONITORS_MAX;
}

void
monitor_end(struct monitor *m)
{
	if (m == NULL)
		return;
	LIST_REMOVE(m, entry);
	free(m);
}

/* --- lines --- */

/* Whether it reads as one word, and does nothing to a terminal. */
static bool
is_word(const char *text)
{
	const char *c = text;

	while (*c > ' ' && *c < 0x7f && strchr("\"=\\", *c) == NULL)
		c++;
	return c != text && *c == '\0';
}

static void
print_value(FILE *out, const json_t *v)
{
	const char *text = json_string_value(v);

	if (text != NULL && is_word(text))
		fputs(text, out);
	else
		json_dumpf(v, out, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
}

/* The time and the kind of event, and "NAME=VALUE" for all that it says. */
static void
print_words(FILE *out, json_t *event)
{
	const char *name, *blank = "";
	json_t *v;

	json_object_foreach(event, name, v)
	{
		bool bare = strcmp(name, "time") == 0 || strcmp(name, "event") == 0;

		fprintf(out, "%s%s%s", blank, bare ? "" : name, bare ? "" : "=");
		print_value(out, v);
		blank = " ";
	}
}

/* A line, to be freed; NULL: no memory. */
static char *
line_of(json_t *event, bool json)
{
	char *line = NULL;
	size_t len;
	FILE *out = open_memstream(&line, &len);

	if (out == NULL)
		return NULL;
	if (json)
		json_dumpf(event, out, JSON_COMPACT);
	else
		print_words(out, event);
	fputc('\n', out);
	if (fclose(out) == 0)
		return line;
	free(line);
	return NULL;
}

/* --- queues --- */

static bool
put(struct monitor *m, const char *line)
{
	size_t n = strlen(line);

	if (n > sizeof(m->text) - m->len)
		return false;
	memcpy(m->text + m->len, line, n);
	m->len += n;
	return true;
}

/* The loss is a line among the others: where it happened. */
static bool
put_loss(struct monitor *m)
{
	char line[64];

	snprintf(line, sizeof(line),
		 m->json ? "{\"event\":\"lost\",\"events\":%llu}\n" : "lost events=%llu\n",
		 (unsigned long long)m->lost);
	if (m->lost != 0 && !put(m, line))
		return false;
	m->lost = 0;
	return true;
}

/* For another event. */
static bool
has_room(const struct monitor *m)
{
	return sizeof(m->text) - m->len >= ROOM;
}

static void
print(struct monitor *m)
{
	fwrite(m->text, 1, m->len, m->out);
	fflush(m->out);
	m->len = 0;
}

/* A connection that has ended takes nothing more: its owner is about to notice. */
static void
send_some(struct monitor *m)
{
	ssize_t n = send(*m->sock, m->text, m->len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		n = (ssize_t)m->len;
	if (n <= 0)
		return;
	m->len -= (size_t)n;
	memmove(m->text, m->text + n, m->len);
}

void
monitor_flush(struct monitor *m)
{
	if (has_room(m))
		put_loss(m);
	if (m->len == 0)
		return;
	if (m->sock == NULL)
		print(m);
	else
		send_some(m);
}

void
monitor_flush_all(struct monitors *all)
{
	struct monitor *m;

	LIST_FOREACH (m, all, entry)
		monitor_flush(m);
}

bool
monitor_any_room(const struct monitors *all)
{
	const struct monitor *m;

	LIST_FOREACH (m, all, entry)
		if (has_room(m))
			return true;
	return false;
}

static void
tell(struct monitor *m, const char *line)
{
	/* one line for many losses: not before there is room for what follows */
	if (line == NULL || !has_room(m) || !put_loss(m) || !put(m, line))
		m->lost++;
}

void
monitor_tell(struct monitors *all, json_t *event)
{
	char *lines[2] = {NULL, NULL};
	struct monitor *m;

	LIST_FOREACH (m, all, entry) {
		if (lines[m->json] == NULL && event != NULL && has_room(m))
			lines[m->json] = line_of(event, m->json);
		tell(m, lines[m->json]);
	}
	free(lines[false]);
	free(lines[true]);
	json_decref(event);
}
