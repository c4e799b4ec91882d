/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control. */
#include "switch/ct.h"

#include <errno.h>

#include "base/counter.h"
#include "switch/ct_table.h"

const char *const ct_timeout_names[CT_TIMEOUTS] = {
	[CT_TCP_NEW] = "tcp-new",
	[CT_TCP_ESTABLISHED] = "tcp-established",
	[CT_TCP_CLOSING] = "tcp-closing",
	[CT_TCP_CLOSED] = "tcp-closed",
	[CT_UDP_NEW] = "udp-new",
	[CT_UDP_ESTABLISHED] = "udp-established",
	[CT_ICMP] = "icmp",
};

const struct ct_settings ct_defaults = {
	.total = CT_TOTAL_DEFAULT,
	.timeout =
		{
			[CT_TCP_NEW] = 60,
			[CT_TCP_ESTABLISHED] = 86400,
			[CT_TCP_CLOSING] = 120,
			[CT_TCP_CLOSED] = 30,
			[CT_UDP_NEW] = 30,
			[CT_UDP_ESTABLISHED] = 180,
			[CT_ICMP] = 30,
		},
};

const char *
ct_state_name(enum ct_state s)
{
	static const char *const names[CT_STATES] = {
		[CT_FREE] = "free",
		[CT_BUSY] = "free",
		[CT_NEW] = "new",
		[CT_ANSWERED] = "answered",
		[CT_ESTABLISHED] = "established",
		[CT_CLOSING] = "closing",
		[CT_WAIT] = "time-wait",
		[CT_CLOSED] = "closed",
	};

	return names[s];
}

/* --- settings --- */

/* Until one is set they are zero, which none can be. */
static uint32_t
timeout_of(enum ct_timeout t)
{
	return atomic_load_explicit(&ct_common.timeout[t], memory_order_relaxed);
}

void
ct_settle(void)
{
	if (ct_common.total != 0)
		return;
	ct_common.total = ct_defaults.total;
	for (int t = 0; t < CT_TIMEOUTS; t++)
		atomic_store_explicit(&ct_common.timeout[t], ct_defaults.timeout[t],
				      memory_order_relaxed);
}

void
ct_get_settings(struct ct_settings *s)
{
	ct_settle();
	s->total = ct_common.total;
	for (int t = 0; t < CT_TIMEOUTS; t++)
		s->timeout[t] = timeout_of((enum ct_timeout)t);
}

int
ct_set_timeout(enum ct_timeout t, uint32_t seconds)
{
	if (seconds == 0 || seconds > CT_TIMEOUT_MAX)
		return -ERANGE;
	ct_settle();
	atomic_store_explicit(&ct_common.timeout[t], seconds, memory_order_relaxed);
	return 0;
}

/* --- counters --- */

void
ct_sum(const struct ct *t, struct ct_counts *out)
{
	*out = t->before;
	for (uint32_t i = 0; i < t->nworkers; i++) {
		const struct ct_counts *n = &t->counts[i].n;

		out->hits += counter_read(&n->hits);
		out->related += counter_read(&n->related);
		out->opened += counter_read(&n->opened);
		out->evicted += counter_read(&n->evicted);
		out->full += counter_read(&n->full);
		out->invalid += counter_read(&n->invalid);
	}
}
