/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a check ends. Each check is a process of its own: the functions below tell the runner and
 * end it, and its sockets and its memory go with it.
 */
#ifndef VQCONFORM_OUTCOME_H
#define VQCONFORM_OUTCOME_H

#include <stdbool.h>

#define OUTCOME_TEXT_MAX 400

enum outcome_kind { OUTCOME_PASSED, OUTCOME_FAILED, OUTCOME_SKIPPED, OUTCOME_UNREACHABLE };

/** As it goes through the pipe to the runner. */
struct outcome {
	enum outcome_kind kind;
	char text[OUTCOME_TEXT_MAX]; /* why, one line */
};

/** In the process of a check: the pipe to the runner, which becomes its own. */
void outcome_to(int fd);

/** The peer keeps to the paragraph. */
void outcome_pass(void) __attribute__((noreturn));

/** The peer does not. */
void outcome_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/** The peer does not offer it. */
void outcome_skip(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/** There is no peer. */
void outcome_unreachable(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
