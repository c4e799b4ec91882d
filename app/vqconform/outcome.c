/* SPDX-License-Identifier: BSD-3-Clause */
/* One struct outcome, written at once: a pipe keeps it whole. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "outcome.h"

static int pipe_fd = -1;

void
outcome_to(int fd)
{
	pipe_fd = fd;
}

static bool told;

static void __attribute__((format(printf, 2, 0)))
tell(enum outcome_kind kind, const char *fmt, va_list ap)
{
	struct outcome o = {.kind = kind};

	vsnprintf(o.text, sizeof(o.text), fmt, ap);
	told = write(pipe_fd, &o, sizeof(o)) == (ssize_t)sizeof(o);
}

/** The runner takes a check that tells nothing for a failed one. */
static void __attribute__((noreturn)) end(void)
{
	_exit(told ? 0 : 1);
}

static void __attribute__((format(printf, 2, 3)))
tell_words(enum outcome_kind kind, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell(kind, fmt, ap);
	va_end(ap);
}

void
outcome_pass(void)
{
	tell_words(OUTCOME_PASSED, "%s", "");
	end();
}

void
outcome_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell(OUTCOME_FAILED, fmt, ap);
	va_end(ap);
	end();
}

void
outcome_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell(OUTCOME_SKIPPED, fmt, ap);
	va_end(ap);
	end();
}

void
outcome_unreachable(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell(OUTCOME_UNREACHABLE, fmt, ap);
	va_end(ap);
	end();
}
