/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: any thread. */
#include "switch/balance.h"

#include <stddef.h>
#include <stdlib.h>

#include <rte_common.h>

int
balance_by_serial(const void *a, const void *b)
{
	const struct balance_queue *x = a, *y = b;

	return (x->serial > y->serial) - (x->serial < y->serial);
}

void
balance_since(struct balance_load *l, const struct balance_queue *before, uint32_t n)
{
	for (uint32_t i = 0; i < l->n; i++) {
		struct balance_queue *q = &l->q[i];
		const struct balance_queue *old =
			n == 0 ? NULL : bsearch(q, before, n, sizeof(*q), balance_by_serial);

		q->work = old != NULL ? q->total - old->total : 0;
	}
}

void
balance_share(struct balance_load *l)
{
	uint64_t work[DP_WORKERS_MAX] = {0};
	uint32_t i;

	for (i = 0; i < l->n; i++)
		work[l->q[i].worker] += l->q[i].work;
	for (i = 0; i < l->n; i++) {
		struct balance_queue *q = &l->q[i];
		double part =
			work[q->worker] == 0 ? 0.0 : (double)q->work / (double)work[q->worker];

		q->cost = (uint64_t)(part * (double)l->busy[q->worker]);
	}
}

/* How busy the busier of the two workers is when the queue has moved. */
static uint64_t
busier(const struct balance_load *l, const struct balance_queue *q, uint8_t to)
{
	return RTE_MAX(l->busy[q->worker] - q->cost, l->busy[to] + q->cost);
}

const struct balance_queue *
balance_choose(struct balance_load *l, uint8_t *from)
{
	uint8_t most = l->active[0], least = l->active[0];
	struct balance_queue *best = NULL;
	uint32_t i;

	for (i = 1; i < l->nactive; i++) {
		if (l->busy[l->active[i]] > l->busy[most])
			most = l->active[i];
		if (l->busy[l->active[i]] < l->busy[least])
			least = l->active[i];
	}
	if (l->busy[most] < l->length / 100 * BALANCE_BUSY_MIN)
		return NULL;
	for (i = 0; i < l->n; i++) {
		struct balance_queue *q = &l->q[i];

		if (q->worker == most && !q->fixed &&
		    (best == NULL || busier(l, q, least) < busier(l, best, least)))
			best = q;
	}
	if (best == NULL ||
	    busier(l, best, least) + l->length / 100 * BALANCE_GAIN_MIN > l->busy[most])
		return NULL;
	l->busy[most] -= best->cost;
	l->busy[least] += best->cost;
	*from = most;
	best->worker = least;
	return best;
}
