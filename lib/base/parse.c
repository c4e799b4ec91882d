/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/parse.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
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

int
parse_mode(const char *text, mode_t *mode)
{
	uint64_t v;

	if (!parse_whole(text, 8, 1, 0777, &v))
		return -EINVAL;
	*mode = (mode_t)v;
	return 0;
}

int
parse_user(const char *text, uid_t *user)
{
	const struct passwd *pw = getpwnam(text);
	uint64_t v;

	if (pw == NULL && !parse_whole(text, 0, 0, INT_MAX, &v))
		return -EINVAL;
	*user = pw != NULL ? pw->pw_uid : (uid_t)v;
	return 0;
}

int
parse_group(const char *text, gid_t *group)
{
	const struct group *gr = getgrnam(text);
	uint64_t v;

	if (gr == NULL && !parse_whole(text, 0, 0, INT_MAX, &v))
		return -EINVAL;
	*group = gr != NULL ? gr->gr_gid : (gid_t)v;
	return 0;
}
