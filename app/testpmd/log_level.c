/* SPDX-License-Identifier: BSD-3-Clause */
#include "log_level.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <rte_log.h>

#include "cli/escape.h"

struct setting {
	STAILQ_ENTRY(setting) entry;
	uint32_t level;
	char pattern[];
};

static STAILQ_HEAD(, setting) settings = STAILQ_HEAD_INITIALIZER(settings);

/* The setting of that pattern, taken out of the list, or a new one. */
static struct setting *
take(const char *pattern)
{
	size_t len = strlen(pattern) + 1;
	struct setting *s;

	STAILQ_FOREACH (s, &settings, entry) {
		if (strcmp(s->pattern, pattern) == 0) {
			STAILQ_REMOVE(&settings, s, setting, entry);
			return s;
		}
	}
	s = malloc(sizeof(*s) + len);
	if (s != NULL)
		memcpy(s->pattern, pattern, len);
	return s;
}

static int
apply(const char *pattern, uint32_t level)
{
	if (strcmp(pattern, "global") != 0)
		return rte_log_set_level_pattern(pattern, level);
	rte_log_set_global_level(level);
	return 0;
}

int
log_level_set(const char *pattern, uint32_t level)
{
	struct setting *s = take(pattern);

	if (s == NULL)
		return -ENOMEM;
	s->level = level;
	STAILQ_INSERT_TAIL(&settings, s, entry);
	return apply(pattern, level) < 0 ? -ENOMEM : 0;
}

void
log_level_print(FILE *out)
{
	const struct setting *s;

	STAILQ_FOREACH (s, &settings, entry) {
		fputs("set log ", out);
		cli_escape(out, s->pattern);
		fprintf(out, " %u\n", s->level);
	}
}
