/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stdio.h>

#include <rte_common.h>

#include "base/ev.h"
#include "base/log.h"

#define LINE_LEN 1024
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
