/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

bool
parse_number(const char *text, int base, uint64_t max, uint64_t *value, const char **end)
{
	unsigned char c = (unsigned char)*text;
	char *stop;

	if (base == 16 ? !isxdigit(c) : !isdigit(c))
		return false;
	errno = 0;
	*value = strtoull(text, &stop, base);
	*end = stop;
	return errno == 0 && *value <= max;
}

bool
parse_whole(const char *text, int base, uint64_t min, uint64_t max, uint64_t *value)
{
	const char *end;

	return parse_number(text, base, max, value, &end) && *value >= min && *end == '\0';
}

bool
parse_range(const char *text, uint64_t min, uint64_t max, uint64_t *first, uint64_t *last,
	    const char **end)
{
	if (!parse_number(text, 10, max, first, end))
		return false;
	*last = *first;
	if (**end == '-' && !parse_number(*end + 1, 10, max, last, end))
		return false;
	return *first >= min && *last >= *first;
}
