/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control. */
#include "switch/port.h"

#include <errno.h>
#include <stddef.h>

/* pktq_stats is nothing but 64-bit counters: they are added and subtracted as an array. */
#define STATS_WORDS (offsetof(struct pktq_stats, drop) / sizeof(uint64_t) + DROP_NUM)

/* --- limits --- */

static int
check_limits(const struct limits *l)
{
	if (l->pps > LIMIT_RATE_MAX || l->bps > LIMIT_RATE_MAX || l->storm > LIMIT_RATE_MAX)
		return -ERANGE;
	if (l->nmac > LIMIT_MACS_MAX)
		return -ERANGE;
	for (uint8_t i = 0; i < l->nmac; i++)
		if (!rte_is_valid_assigned_ether_addr(&l->mac[i]))
			return -EINVAL;
	return 0;
}

static bool
limits_anything(const struct limits *l)
{
	return l->pps != 0 || l->bps != 0 || l->storm != 0 || l->locked;
}

static uint64_t
lower(uint64_t a, uint64_t b)
{
	return b != 0 && (a == 0 || b < a) ? b : a;
}

static struct limits
both(const struct limits *set, const struct limits *migrated)
{
	struct limits all = set->locked ? *set : *migrated;

	all.pps = lower(set->pps, migrated->pps);
	all.bps = lower(set->bps, migrated->bps);
	all.storm = lower(set->storm, migrated->storm);
	return all;
}

/* Both of these hold from now on. */
static int
limit(struct port *p, const struct limits *set, const struct limits *migrated)
{
	struct limiter *old = p->limiter, *now = NULL;
	struct limits all = both(set, migrated);

	/* the address that was the first to send stays the one locked to */
	if (old != NULL && all.locked && all.nmac == 0)
		limiter_macs(old, &all);
	if (limits_anything(&all)) {
		now = limiter_new(&all, old);
		if (now == NULL)
			return -ENOMEM;
	}
	p->limits = *set;
	p->migrated = *migrated;
	p->limiter = now;
	sw_publish(p->sw);
	limiter_free(old);
	return 0;
}

int
port_set_limits(struct port *p, const struct limits *l)
{
	int ret = check_limits(l);

	return ret == 0 ? limit(p, l, &p->migrated) : ret;
}

int
port_set_migrated_limits(struct port *p, const struct limits *l)
{
	static const struct limits none;
	int ret;

	if (l == NULL)
		l = &none;
	if (!limits_anything(l) && !limits_anything(&p->migrated))
		return 0;
	ret = check_limits(l);
	return ret == 0 ? limit(p, &p->limits, l) : ret;
}

void
port_get_limits(const struct port *p, struct limits *out)
{
	*out = p->limits;
	if (p->limiter != NULL && out->locked)
		limiter_macs(p->limiter, out);
}

void
port_limits_in_force(const struct port *p, struct limits *out)
{
	*out = both(&p->limits, &p->migrated);
	if (p->limiter != NULL)
		limiter_macs(p->limiter, out);
}

/* --- statistics --- */

static void
add_queue(struct pktq_stats *sum, const struct pktq_stats *q)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)q;

	for (size_t i = 0; i < STATS_WORDS; i++)
		to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

bool
port_read_queue(const struct pktq *q, struct pktq_stats *out)
{
	*out = (struct pktq_stats){0};
	if (q != NULL)
		add_queue(out, &q->stats);
	return q != NULL;
}

bool
port_queue_stats(const struct port *p, bool tx, uint16_t index, struct pktq_stats *out)
{
	return p->ops->stats(p, tx, index, out);
}

uint16_t
port_queue_count(const struct port *p, bool tx)
{
	struct pktq_stats s;
	uint16_t n = 0;

	while (p->ops->stats(p, tx, n, &s))
		n++;
	return n;
}

static void
sum_direction(const struct port *p, bool tx, struct pktq_stats *sum)
{
	struct pktq_stats s;

	for (uint16_t i = 0; p->ops->stats(p, tx, i, &s); i++)
		add_queue(sum, &s);
}

void
port_sum_stats(const struct port *p, struct port_stats *out)
{
	*out = (struct port_stats){0};
	sum_direction(p, false, &out->rx);
	sum_direction(p, true, &out->tx);
	add_queue(&out->rx, &p->inject->q.stats);
	out->rx.frames += p->inject->refused;
	out->rx.drop[DROP_RX_INJECT] += p->inject->refused;
}

static void
subtract(struct pktq_stats *s, const struct pktq_stats *before)
{
	uint64_t *to = (uint64_t *)s;
	const uint64_t *from = (const uint64_t *)before;

	for (size_t i = 0; i < sizeof(*s) / sizeof(*to); i++)
		to[i] -= from[i];
}

static void
take_queues(struct baseline *b, const struct port *p, bool tx)
{
	uint16_t n = port_queue_count(p, tx);

	b->q[tx] = calloc(n + 1u, sizeof(*b->q[tx]));
	b->n[tx] = b->q[tx] != NULL ? n : 0;
	for (uint16_t i = 0; i < b->n[tx]; i++)
		port_queue_stats(p, tx, i, &b->q[tx][i]);
}

void
baseline_take_sum(struct baseline *b, const struct port *p)
{
	baseline_free(b);
	b->ns = ev_now_ns();
	port_sum_stats(p, &b->sum);
}

void
baseline_take(struct baseline *b, const struct port *p)
{
	baseline_take_sum(b, p);
	take_queues(b, p, false);
	take_queues(b, p, true);
}

void
baseline_stats(const struct baseline *b, const struct port *p, struct port_stats *out)
{
	port_sum_stats(p, out);
	subtract(&out->rx, &b->sum.rx);
	subtract(&out->tx, &b->sum.tx);
}

bool
baseline_queue(const struct baseline *b, const struct port *p, bool tx, uint16_t index,
	       struct pktq_stats *out)
{
	if (!port_queue_stats(p, tx, index, out))
		return false;
	if (index < b->n[tx])
		subtract(out, &b->q[tx][index]);
	return true;
}

void
baseline_free(struct baseline *b)
{
	free(b->q[0]);
	free(b->q[1]);
	*b = (struct baseline){0};
}

void
port_get_stats(const struct port *p, struct port_stats *out)
{
	baseline_stats(&p->cleared, p, out);
}
