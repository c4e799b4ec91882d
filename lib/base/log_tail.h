/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lines that were logged last, for those who look later: "show log", events, a report.
 *
 * Any thread that may log. A line has a number: the first of the process is 0.
 */
#ifndef BASE_LOG_TAIL_H
#define BASE_LOG_TAIL_H

#include <stdbool.h>
#include <stdint.h>

#define LOG_TAIL_LINES 1024   /* kept */
#define LOG_TAIL_TAG_MAX 64   /* with its NUL; a longer one is cut */
#define LOG_TAIL_TEXT_MAX 256 /* likewise */

struct log_tail_line {
	uint64_t number;
	uint64_t wall_ns;           /* CLOCK_REALTIME */
	uint32_t level;             /* RTE_LOG_ERR ... */
	char tag[LOG_TAIL_TAG_MAX]; /* the object it is about; "": the program */
	char text[LOG_TAIL_TEXT_MAX];
};

/** Keep a line; @p tag NULL: of the program. Texts have no control characters. */
void log_tail_add(uint32_t level, const char *tag, const char *text);

/** The number that the next line will have. */
uint64_t log_tail_end(void);

/**
 * Copy the first line kept whose number is *@p at or higher; *@p at is then the number behind it.
 * False: there is none yet.
 */
bool log_tail_next(uint64_t *at, struct log_tail_line *out);

#endif
