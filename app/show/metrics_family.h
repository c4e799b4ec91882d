/* SPDX-License-Identifier: BSD-3-Clause */
/* Families of metrics, for the files that have their samples. Control thread. */
#ifndef APP_SHOW_METRICS_FAMILY_H
#define APP_SHOW_METRICS_FAMILY_H

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/counter.h"
#include "switch/port.h"

struct app;

/** The destination of a family's samples; one of its labels is nearly always the port. */
struct sink {
	struct app *app;
	FILE *out;
	const char *name;
};

/** One metric family. */
struct family {
	const char *name;
	const char *type;
	const char *unit; /* NULL: none; the name ends with it */
	const char *help;
	/* one of these: all samples, or those of a port */
	void (*samples)(struct sink *s, const struct family *f);
	void (*of_port)(struct sink *s, const struct family *f, const struct port *p);
	size_t offset; /* of the counter, for families that differ in nothing else */
};

static inline uint64_t
counter_at(const void *base, size_t offset)
{
	return counter_read((const uint64_t *)((const char *)base + offset));
}

/* A label's value: the text format escapes three characters. */
static inline void
put_value(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\n') {
			fputs("\\n", out);
			continue;
		}
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
}

/* "name_suffix{port="..."", to which other labels may be added */
static inline void
begin(struct sink *s, const char *suffix, const struct port *p)
{
	fprintf(s->out, "%s%s{port=\"", s->name, suffix);
	put_value(s->out, p->name);
	fputc('"', s->out);
}

static inline void
end(struct sink *s, uint64_t value)
{
	fprintf(s->out, "} %" PRIu64 "\n", value);
}

/* metrics_acl.c: of rules, by offset in struct acl_count, and of connections, struct ct_counts */
void acl_samples(struct sink *s, const struct family *f, const struct port *p);
void conntrack_samples(struct sink *s, const struct family *f, const struct port *p);
void conntrack_entries_samples(struct sink *s, const struct family *f, const struct port *p);

#endif
