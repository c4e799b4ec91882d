/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control. */
#include "switch/port.h"

#include <stddef.h>
#include <stdlib.h>

#include "switch/inject.h"
#include "base/counter.h"
#include "base/ev.h"

/* pktq_stats is nothing but 64-bit counters: they are added and subtracted as an array. */
#define STATS_WORDS (offsetof(struct pktq_stats, drop) / sizeof(uint64_t) + DROP_NUM)

static void
add_queue(struct pktq_stats *sum, const struct pktq_stats *q)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)q;

	for (size_t i = 0; i < STATS_WORDS; i++)
		to[i] += counter_read(&from[i]);
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
