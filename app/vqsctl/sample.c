/* SPDX-License-Identifier: BSD-3-Clause */
#include "sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "vqsctl.h"

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* The value that a command prints; NULL: it was refused, is none, or the switch is gone. */
static json_t *
ask_json(int fd, const char *line)
{
	char *text = answer_to(fd, line);
	json_t *value = text != NULL ? json_loads(text, 0, NULL) : NULL;

	free(text);
	return value;
}

static uint64_t
number(const json_t *d, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(d, name));
}

/* Text of the switch, whose bytes a terminal must not take for its own commands. */
static void
copy_text(char *to, size_t size, const json_t *value)
{
	const char *text = json_is_string(value) ? json_string_value(value) : "";
	size_t n = 0;

	for (; n < size - 1 && text[n] != '\0'; n++)
		to[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
	to[n] = '\0';
	if (text[n] != '\0' && n > 0)
		to[n - 1] = '>';
}

/* Growth in a second; a counter that was cleared begins anew. */
static double
rate(uint64_t new, uint64_t old, double seconds)
{
	return seconds > 0 && new >= old ? (double)(new - old) / seconds : 0;
}

/* --- ports --- */

static int
by_id(const void *a, const void *b)
{
	const struct sample_port *p = a, *q = b;

	return (p->id > q->id) - (p->id < q->id);
}

static struct sample_port *
find_port(const struct sample *s, uint32_t id)
{
	const struct sample_port key = {.id = id};

	return s->nports > 0 ? bsearch(&key, s->ports, s->nports, sizeof(key), by_id) : NULL;
}

/* The same port in the sample before: another one may have its number since. */
static const struct sample_port *
find_before(const struct sample *before, const struct sample_port *p)
{
	const struct sample_port *old = before != NULL ? find_port(before, p->id) : NULL;

	return old != NULL && strcmp(old->name, p->name) == 0 ? old : NULL;
}

static uint64_t
sum_drops(const json_t *way)
{
	uint64_t n = 0;
	const char *name;
	json_t *v;

	json_object_foreach(json_object_get(way, "drops"), name, v) n +=
		(uint64_t)json_integer_value(v);
	return n;
}

static void
fill_port(struct sample_port *p, const json_t *d)
{
	const json_t *rx = json_object_get(d, "rx"), *tx = json_object_get(d, "tx");

	p->id = (uint32_t)number(d, "id");
	copy_text(p->name, sizeof(p->name), json_object_get(d, "name"));
	p->rx_frames = number(rx, "frames");
	p->tx_frames = number(tx, "frames");
	p->rx_bytes = number(rx, "bytes");
	p->tx_bytes = number(tx, "bytes");
	p->drops = sum_drops(rx) + sum_drops(tx);
}

static void
fill_rates(struct sample_port *p, const struct sample_port *old, double seconds)
{
	p->rx_pps = rate(p->rx_frames, old->rx_frames, seconds);
	p->tx_pps = rate(p->tx_frames, old->tx_frames, seconds);
	p->rx_bps = 8 * rate(p->rx_bytes, old->rx_bytes, seconds);
	p->tx_bps = 8 * rate(p->tx_bytes, old->tx_bytes, seconds);
	p->drop_pps = rate(p->drops, old->drops, seconds);
}

/* The value of port @p id in an array of ports that ascends by id, from *@p at on. */
static const json_t *
port_value(const json_t *list, size_t *at, uint32_t id)
{
	const json_t *d;

	while ((d = json_array_get(list, *at)) != NULL && number(d, "id") < id)
		++*at;
	return d != NULL && number(d, "id") == id ? d : NULL;
}

/* The reason whose counter has grown most since @p old, NULL: since the beginning. */
static void
fill_reason(struct sample_port *p, const json_t *d, const json_t *old)
{
	static const char *const ways[] = {"rx", "tx"};
	uint64_t most = 0;

	for (size_t i = 0; i < 2; i++) {
		const json_t *before = json_object_get(json_object_get(old, ways[i]), "drops");
		const char *name;
		json_t *v;

		json_object_foreach(json_object_get(json_object_get(d, ways[i]), "drops"), name, v)
		{
			uint64_t n = (uint64_t)json_integer_value(v), was = number(before, name);

			if (n < was || n - was <= most)
				continue;
			most = n - was;
			snprintf(p->reason, sizeof(p->reason), "%s", name);
		}
	}
}

static bool
take_ports(struct sample *s, const struct sample *before, int fd)
{
	json_t *list = ask_json(fd, "show port stats all json\n");
	json_t *links = ask_json(fd, "show port summary all json\n");
	size_t old_at = 0, link_at = 0;

	s->raw = list;
	s->ports = calloc(json_array_size(list) + 1, sizeof(*s->ports));
	for (size_t i = 0; s->ports != NULL && i < json_array_size(list); i++) {
		struct sample_port *p = &s->ports[s->nports++];
		const json_t *d = json_array_get(list, i), *old = NULL;
		const struct sample_port *was;

		fill_port(p, d);
		p->up = number(port_value(links, &link_at, p->id), "link_up") != 0;
		was = find_before(before, p);
		if (was != NULL) {
			fill_rates(p, was, s->seconds);
			old = port_value(before->raw, &old_at, p->id);
		}
		fill_reason(p, d, old);
	}
	json_decref(links);
	return json_is_array(list) && s->ports != NULL;
}

/* --- workers --- */

static void
join_queues(struct sample_worker *w, const json_t *list)
{
	size_t len = 0, i;
	json_t *v;

	json_array_foreach(list, i, v)
	{
		char text[16];

		copy_text(text, sizeof(text), v);
		if (len + strlen(text) + 5 >= sizeof(w->queues)) {
			snprintf(w->queues + len, sizeof(w->queues) - len, " ...");
			return;
		}
		len += (size_t)snprintf(w->queues + len, sizeof(w->queues) - len, "%s%s",
					i > 0 ? " " : "", text);
	}
}

static bool
take_workers(struct sample *s, const struct sample *before, int fd)
{
	json_t *list = ask_json(fd, "show worker json\n");
	bool ok;

	s->workers = calloc(json_array_size(list) + 1, sizeof(*s->workers));
	for (size_t i = 0; s->workers != NULL && i < json_array_size(list); i++) {
		struct sample_worker *w = &s->workers[s->nworkers++];
		const json_t *d = json_array_get(list, i);

		w->lcore = (uint32_t)number(d, "lcore");
		w->asleep = number(d, "asleep") != 0;
		w->busy_us = number(d, "busy_us");
		w->frames = number(d, "frames");
		join_queues(w, json_object_get(d, "queues"));
		if (before == NULL || i >= before->nworkers)
			continue;
		w->load = rate(w->busy_us, before->workers[i].busy_us, s->seconds) / 1e6;
		w->pps = rate(w->frames, before->workers[i].frames, s->seconds);
	}
	ok = json_is_array(list) && s->workers != NULL;
	json_decref(list);
	return ok;
}

/* --- the whole --- */

static bool
take_switch(struct sample *s, int fd)
{
	json_t *d = ask_json(fd, "show switch json\n");
	char version[32], mode[16];
	bool ok = json_is_object(d);

	copy_text(version, sizeof(version), json_object_get(d, "version"));
	copy_text(mode, sizeof(mode), json_object_get(d, "mode"));
	snprintf(s->about, sizeof(s->about),
		 "vqswitch %s, mode %s, %s, %ju ports, %ju workers, %ju buffers free", version,
		 mode, number(d, "forwarding") ? "forwarding" : "not forwarding",
		 (uintmax_t)number(d, "ports"), (uintmax_t)number(d, "workers"),
		 (uintmax_t)number(d, "mbufs_free"));
	json_decref(d);
	return ok;
}

bool
sample_take(struct sample *s, const struct sample *before, int fd)
{
	*s = (struct sample){.when = now()};
	s->seconds = before != NULL ? s->when - before->when : 0;
	if (take_switch(s, fd) && take_ports(s, before, fd) && take_workers(s, before, fd))
		return true;
	sample_clear(s);
	return false;
}

void
sample_clear(struct sample *s)
{
	json_decref(s->raw);
	free(s->ports);
	free(s->workers);
	*s = (struct sample){0};
}
