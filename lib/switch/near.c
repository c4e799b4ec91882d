/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control. */
#include "switch/near.h"

#include <stdbool.h>
#include <stdio.h>

#include "switch/port.h"

static bool
is_far(const struct near_nodes *n, uint8_t worker)
{
	return worker < n->nworkers && n->worker[worker] >= 0 && n->worker[worker] != n->other;
}

/* The worker that polls the first such queue, and how many such queues there are. */
static uint32_t
find_far(const struct port *p, const struct near_nodes *n, uint16_t *first)
{
	uint32_t found = 0;

	for (uint16_t q = 0; q < DP_QUEUES_MAX; q++) {
		if (p->owner[q] == PORT_WORKER_NONE || !is_far(n, p->owner[q]))
			continue;
		if (found++ == 0)
			*first = q;
	}
	return found;
}

/* Which worker would be near, to @p buf. */
static void
propose(const struct port *p, const struct near_nodes *n, uint16_t queue, char *buf, size_t len)
{
	for (uint32_t w = 0; w < n->nworkers; w++) {
		if (n->worker[w] != n->other)
			continue;
		snprintf(buf, len, "worker %u is there (\"set port %u rxq %u worker %u\")", w,
			 p->id, queue, w);
		return;
	}
	snprintf(buf, len, "no worker is there (EAL's option -l)");
}

const char *
near_advice(const struct port *p, const struct near_nodes *n, char *buf, size_t len)
{
	char also[32] = "", better[96];
	uint16_t queue = 0;
	uint32_t found;

	if (n->what == NULL || n->other < 0)
		return NULL;
	found = find_far(p, n, &queue);
	if (found == 0)
		return NULL;
	if (found > 1)
		snprintf(also, sizeof(also), " (%u queues are far)", found);
	propose(p, n, queue, better, sizeof(better));
	snprintf(buf, len, "worker %u polls queue %u from NUMA node %d, %s is on node %d%s: %s",
		 p->owner[queue], queue, n->worker[p->owner[queue]], n->what, n->other, also,
		 better);
	return buf;
}
