/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <rte_common.h>

#include "base/ev.h"
#include "base/log.h"

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
	*swallowed = l->suppressed;
	l->suppressed = 0;
	return true;
}

/* Names and texts may come from a peer: it must not forge a line or drive a terminal. */
static void
scrub(char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			*s = '?';
}

bool
log_enabled(uint32_t level)
{
	return rte_log_can_log((uint32_t)vqs_logtype, level);
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

	*swallowed = 0;
	if (type < 0 || type == vqs_logtype || rte_log_cur_msg_loglevel() > (int)RTE_LOG_INFO)
		return true;
	return log_limit_pass(&of_type[RTE_MIN(type, TYPES_MAX - 1)], swallowed);
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
	if (fwrite(text, 1, len, behind) != len || fflush(behind) != 0)
		return 0;
	return (ssize_t)len;
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
