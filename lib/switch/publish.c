/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control. */
#include "switch/publish.h"

#include <stdlib.h>

#include "base/log.h"
#include "switch/inject.h"
#include "switch/join.h"
#include "switch/snapshot.h"
#include "switch/sw.h"
#include "switch/port.h"

struct dataplane *
sw_empty_snapshot(const struct sw *s)
{
	struct dataplane *dp = calloc(1, sizeof(*dp));

	if (dp != NULL)
		dp->nworkers = s->dp.nworkers;
	return dp;
}

/*
 * Whether there is a spare snapshot. While there is none an empty one is live, and stays: another
 * one could not be taken back when memory runs out once more.
 */
static bool
need_spare(struct sw *s)
{
	if (s->spare == NULL)
		s->spare = sw_empty_snapshot(s);
	return s->spare != NULL;
}

static void
publish_once(struct sw *s, bool *again)
{
	static struct log_limit limit; /* a peer can cause any number of publications */
	struct dataplane *dp = need_spare(s) ? snapshot_build(s, again) : NULL;

	if (dp != NULL) {
		dp_publish(&s->dp, dp);
		return;
	}
	/* rather no traffic than a queue that its owner believes to be taken away */
	log_peer(&limit, "switch", "out of memory: forwarding stops until the next change");
	*again = false;
	if (s->spare != NULL) {
		s->spare->generation = ++s->generation;
		dp_publish(&s->dp, s->spare);
		s->spare = sw_empty_snapshot(s);
	}
}

void
sw_publish(struct sw *s)
{
	bool again = false;

	ev_timer_cancel(&s->soon);
	join_update(s);
	publish_once(s, &again);
	if (again)
		publish_once(s, &again);
	join_settle(s);
	if (!s->forwarding || s->mode->forward == NULL)
		inject_drain(s);
	for (uint16_t i = 0; i < s->nports; i++)
		if (s->port[i] != NULL && s->port[i]->ops->published != NULL)
			s->port[i]->ops->published(s->port[i]);
}

static void
on_soon(struct ev_timer *t)
{
	sw_publish(container_of(t, struct sw, soon));
}

void
sw_publish_soon(struct sw *s)
{
	if (s->loop == NULL) {
		sw_publish(s);
		return;
	}
	s->soon.cb = on_soon;
	if (s->soon.loop == NULL)
		ev_timer_arm(s->loop, &s->soon, 0);
}

void
sw_start(struct sw *s, bool on)
{
	s->forwarding = on;
	sw_publish(s);
}
