/* SPDX-License-Identifier: BSD-3-Clause */
#include "list.h"

#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "switch/port.h"
#include "switch/sw.h"

const struct list_kind list_of_numbers = {.max = UINT32_MAX};

bool
list_port_named(const struct sw *s, const char *name, size_t len, uint16_t *id)
{
	for (uint16_t i = 0; i < s->nports; i++) {
		const struct port *p = s->port[i];

		if (p == NULL || strlen(p->name) != len || memcmp(p->name, name, len) != 0)
			continue;
		*id = i;
		return true;
	}
	return false;
}

static const char *
skip_blanks(const char *text, const struct list_kind *k)
{
	return k->ranges ? text + strspn(text, " \t") : text;
}

static bool
parse_member(const char *text, const struct list_kind *k, uint64_t *first, uint64_t *last,
	     const char **end)
{
	size_t len = strcspn(text, ", \t");
	uint16_t id;

	if (!k->ranges) {
		if (!parse_number(text, 10, k->max, first, end) || *first < k->min)
			return false;
		*last = *first;
		return true;
	}
	if (parse_range(text, k->min, k->max, first, last, end) && strchr(", \t", **end) != NULL)
		return true;
	if (k->names == NULL || !list_port_named(k->names, text, len, &id))
		return false;
	*first = *last = id;
	*end = text + len;
	return true;
}

int
list_next(const char **text, const struct list_kind *k, uint64_t *first, uint64_t *last)
{
	const char *end;

	if (**text == '\0')
		return 0;
	if (!parse_member(*text, k, first, last, &end))
		return -EINVAL;
	end = skip_blanks(end, k);
	if (*end == ',' && end[1] != '\0')
		end = skip_blanks(end + 1, k);
	else if (*end != '\0')
		return -EINVAL;
	*text = end;
	return 1;
}

int
list_parse(const char *text, const struct list_kind *k, uint32_t *list, uint32_t max)
{
	uint64_t first, last;
	uint32_t n = 0;
	int ret;

	while ((ret = list_next(&text, k, &first, &last)) > 0) {
		if (last - first >= max - n)
			return -EINVAL;
		while (first <= last)
			list[n++] = (uint32_t)first++;
	}
	return ret == 0 && n > 0 ? (int)n : -EINVAL;
}

void
list_print(FILE *out, const uint32_t *list, uint32_t n)
{
	uint32_t last;

	for (uint32_t i = 0; i < n; i = last + 1) {
		last = i;
		while (last + 1 < n && list[last + 1] == list[last] + 1)
			last++;
		fprintf(out, "%s%u", i > 0 ? "," : "", list[i]);
		if (last > i)
			fprintf(out, "-%u", list[last]);
	}
}
