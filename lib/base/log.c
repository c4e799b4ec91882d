/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <bsd/string.h>
#include <rte_common.h>

#include "base/ev.h"
#include "base/log.h"
#include "base/log_tail.h"

#define LINE_LEN 1024
#define TYPES_MAX 512 /* log types with a bucket of their own */
#define NS_PER_TOKEN (UINT64_C(1000000000) / LOG_LIMIT_PER_SEC)

RTE_LOG_REGISTER(vqs_logtype, vqswitch, INFO);

bool
log_limit_pass(struct log_limit *l, uint32_t *swallowed)
{
	uint64_t now = ev_now_ns();
	uint64_t earned;

	if (l->refill_ns == 0) {
		l->refill_ns = now;
		l->tokens = LOG_LIMIT_BURST;
	}
	earned = (now - l->refill_ns) / NS_PER_TOKEN;
	l->refill_ns += earned * NS_PER_TOKEN;
	l->tokens = (uint32_t)RTE_MIN(earned + l->tokens, (uint64_t)LOG_LIMIT_BURST);
	if (l->tokens == 0) {
		l->suppressed++;
		return false;
	}
	l->tokens--;
	*swallowed = log_collect(l);
	return true;
}

/* Names and texts may come from a peer: it must not forge a line or drive a terminal. */
static char
scrubbed(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f ? '?' : c;
}

static void
scrub(char *s)
{
	for (; *s != '\0'; s++)
		*s = scrubbed(*s);
}

bool
log_enabled(uint32_t level)
{
	return rte_log_can_log((uint32_t)vqs_logtype, level);
}

/* Of a line that begins with @p tag and ends with what is said about it, from @p at on. */
static void
keep(uint32_t level, const char *tag, const char *line, size_t at)
{
	char name[LOG_TAIL_TAG_MAX];

	strlcpy(name, tag != NULL ? tag : "", sizeof(name));
	scrub(name);
	log_tail_add(level, name, line + at);
}

void
log_write(uint32_t level, const char *tag, const char *fmt, ...)
{
	char line[LINE_LEN];
	va_list ap;
	int n = 0;

	if (!log_enabled(level))
		return;
	if (tag != NULL)
		n = snprintf(line, sizeof(line), "%s: ", tag);
	n = RTE_MIN(n, LINE_LEN - 1);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	va_end(ap);
	scrub(line);
	keep(level, tag, line, (size_t)n);
	rte_log(level, (uint32_t)vqs_logtype, "vqswitch: %s\n", line);
}

/* --- lines of DPDK's --- */

/* Under the lock of the stream that passed_on() serves. */
static struct log_limit of_type[TYPES_MAX];
static FILE *front, *behind; /* front: NULL where there are no buckets */

static bool
may_pass(uint32_t *swallowed)
{
	const int type = rte_log_cur_msg_logtype();
	struct log_limit *l;

	*swallowed = 0;
	if (type < 0 || type == vqs_logtype || rte_log_cur_msg_loglevel() > (int)RTE_LOG_INFO)
		return true;
	l = &of_type[RTE_MIN(type, TYPES_MAX - 1)];
	if (log_limit_pass(l, swallowed))
		return true;
	log_owe(l, RTE_LOG_INFO, "DPDK");
	return false;
}

/** Libraries end lines themselves, and some indent with tabs. False: it could not be written. */
static bool
write_scrubbed(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const char c = text[i];

		if (fputc(c == '\n' || c == '\t' ? c : scrubbed(c), behind) == EOF)
			return false;
	}
	return fflush(behind) == 0;
}

/** A line, or a part of one. */
static ssize_t
passed_on(void *unused, const char *text, size_t len)
{
	uint32_t swallowed;

	(void)unused;
	if (!may_pass(&swallowed))
		return (ssize_t)len;
	if (swallowed != 0)
		fprintf(behind, "vqswitch: %u lines as the next one suppressed\n", swallowed);
	return write_scrubbed(text, len) ? (ssize_t)len : 0;
}

int
log_limit_dpdk(void)
{
	static const cookie_io_functions_t functions = {.write = passed_on};

	front = fopencookie(NULL, "w", functions);
	if (front == NULL)
		return -ENOMEM;
	behind = rte_log_get_stream();
	setvbuf(front, NULL, _IOLBF, 0);
	rte_openlog_stream(front);
	return 0;
}

void
log_limit_end(void)
{
	if (front == NULL)
		return;
	rte_openlog_stream(NULL);
	fclose(front);
	front = NULL;
}
