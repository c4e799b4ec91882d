/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers in text, as digits only: strtoul() also accepts blanks, signs and numbers that wrap
 * around. Any thread; control alone asks for users and groups.
 */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * The number at the beginning of @p text, at most @p max; *@p end is the text behind it. @p base as
 * of strtoul(). False: no digit is there, or the number is larger.
 */
bool parse_number(const char *text, int base, uint64_t max, uint64_t *value, const char **end);

/** The same for a text that is a number and nothing else, from @p min to @p max. */
bool parse_whole(const char *text, int base, uint64_t min, uint64_t max, uint64_t *value);

/** A range "5" or "5-7" of numbers from @p min to @p max; *@p end is the text behind it. */
bool parse_range(const char *text, uint64_t min, uint64_t max, uint64_t *first, uint64_t *last,
		 const char **end);

/** Octal permissions of a file, 1 to 0777. 0 or -EINVAL. */
int parse_mode(const char *text, mode_t *mode);

/** A user or a group by name or number. 0 or -EINVAL. */
int parse_user(const char *text, uid_t *user);
int parse_group(const char *text, gid_t *group);

#endif
