/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control. */
#include "switch/join.h"

#include <stddef.h>

#include "base/counter.h"
#include "switch/fdb.h"
#include "switch/port.h"
#include "switch/port_kind.h"
#include "switch/sw.h"
#include "switch/worker.h"

static void
join(struct port *p, struct port *to)
{
	p->joined = true;
	if (to == NULL || !to->ops->joinable || to->joined)
		return;
	p->partner = to;
	to->joined = true;
	to->partner = p;
}

void
join_update(struct sw *s)
{
	const struct port *to;

	for (uint16_t i = 0; i < s->nports; i++) {
		if (s->port[i] == NULL)
			continue;
		s->port[i]->joined = false;
		s->port[i]->partner = NULL;
	}
	for (uint16_t i = 0; i < s->nports; i++) {
		struct port *p = s->port[i];

		to = NULL;
		if (p != NULL && p->ops->joins != NULL && p->ops->joins(p, &to))
			join(p, to != NULL ? s->port[to->id] : NULL);
	}
}

void
join_settle(struct sw *s)
{
	for (uint16_t i = 0; i < s->nports; i++) {
		struct port *p = s->port[i];

		if (p == NULL || p->joined == p->was_joined)
			continue;
		p->was_joined = p->joined;
		if (p->joined)
			fdb_forget_port(s->fdb, p->id);
	}
}

void
join_forget(const struct port *p)
{
	struct sw *s = p->sw;

	if (p->partner != NULL && s->port[p->partner->id] != NULL)
		s->port[p->partner->id]->partner = NULL;
}

void
join_get_cost(const struct port *p, struct join_cost *out)
{
	*out = (struct join_cost){0};
	for (uint32_t w = 0; p->cost != NULL && w < p->sw->dp.nworkers; w++) {
		out->cycles += counter_read(&p->cost[w].cycles);
		out->frames += counter_read(&p->cost[w].frames);
	}
}

uint32_t
join_details(const struct port *p, struct port_detail *out)
{
	struct join_cost cost;

	if (p->partner == NULL)
		return 0;
	join_get_cost(p, &cost);
	out[0] = (struct port_detail){"shadow", p->partner->name, 0};
	out[1] = (struct port_detail){"shadow_cycles", NULL, cost.cycles};
	out[2] = (struct port_detail){"shadow_frames", NULL, cost.frames};
	return 3;
}
