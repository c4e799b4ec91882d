/* SPDX-License-Identifier: BSD-3-Clause */
#include "lists.h"

#include <errno.h>
#include <string.h>

#include "app.h"
#include "base/parse.h"

bool
cli_port_named(const struct app *app, const char *name, size_t len, uint16_t *id)
{
	for (uint16_t i = 0; i < app->sw.nports; i++) {
		const struct port *p = app->sw.port[i];

		if (p == NULL || strlen(p->name) != len || memcmp(p->name, name, len) != 0)
			continue;
		*id = i;
		return true;
	}
	return false;
}

/* One member of a list. */
static bool
parse_member(const char *text, const struct app *names, uint64_t *first, uint64_t *last,
	     const char **end)
{
	size_t len = strcspn(text, ", \t");
	uint16_t id;

	if (parse_range(text, 0, UINT16_MAX, first, last, end) && strchr(", \t", **end) != NULL)
		return true;
	if (names == NULL || !cli_port_named(names, text, len, &id))
		return false;
	*first = *last = id;
	*end = text + len;
	return true;
}

int
cli_list(const char *text, const struct app *names, uint32_t *list, uint32_t max)
{
	uint32_t n = 0;

	while (*text != '\0') {
		uint64_t first, last;
		const char *end;

		if (!parse_member(text, names, &first, &last, &end) || last - first >= max - n)
			return -EINVAL;
		while (first <= last)
			list[n++] = (uint32_t)first++;
		text = end + strspn(end, " \t");
		if (*text == ',' && text[1] != '\0')
			text += 1 + strspn(text + 1, " \t");
		else if (*text != '\0')
			return -EINVAL;
	}
	return n > 0 ? (int)n : -EINVAL;
}
