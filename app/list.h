/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists of numbers, "0,4-7", as arguments of options and commands. Control thread. */
#ifndef APP_LIST_H
#define APP_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct sw;

/** The members a list may have. */
struct list_kind {
	uint32_t min, max;
	bool ranges;            /* "4-7", and blanks between members */
	const struct sw *names; /* ports by name, too; NULL: numbers only */
};

/** "64,128": numbers of any size, no ranges. */
extern const struct list_kind list_of_numbers;

/**
 * The next member of the list at *@p text, which moves behind it: *@p first to *@p last. 1, or 0 at
 * the end, or -EINVAL.
 */
int list_next(const char **text, const struct list_kind *k, uint64_t *first, uint64_t *last);

/** All numbers of the list, ranges written out: how many, from 1 to @p max, or -EINVAL. */
int list_parse(const char *text, const struct list_kind *k, uint32_t *list, uint32_t max);

/** Print the list, ascending neighbours as ranges. */
void list_print(FILE *out, const uint32_t *list, uint32_t n);

/** The number of the port called the @p len bytes at @p name. False: there is none. */
bool list_port_named(const struct sw *s, const char *name, size_t len, uint16_t *id);

#endif
