/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <unistd.h>

#include <rte_common.h>

#include "base/ev.h"
#include "base/lane.h"
#include "gmem/reaper.h"

/** The rest of a mapping. */
struct remnant {
	STAILQ_ENTRY(remnant) entry;
	struct reaper_mapping left;
	unsigned int owed; /* to its lane */
};

static struct {
	struct ev_loop *loop; /* NULL: unmap at once */
	struct ev_timer timer;
	STAILQ_HEAD(, remnant) remnants; /* the timer is armed while there are any */
} reaper = {.remnants = STAILQ_HEAD_INITIALIZER(reaper.remnants)};

/** The last use of a file frees its pages: about a second for each 4 GiB. */
static void
close_file(const struct reaper_mapping *m)
{
	if (m->fd < 0)
		return;
	if (m->lane != NULL)
		lane_close(m->lane, m->fd);
	else
		close(m->fd);
}

static void
remnant_free(struct remnant *r)
{
	close_file(&r->left);
	if (r->left.lane != NULL) {
		lane_settle(r->left.lane, r->owed);
		lane_put(r->left.lane);
	}
	free(r);
}

/** Unmap one portion of the mapping whose turn it is. */
static void
unmap_portion(void)
{
	struct remnant *r = STAILQ_FIRST(&reaper.remnants);
	struct reaper_mapping *m = &r->left;
	size_t len = RTE_MIN(REAPER_PAGES * m->page_size, m->len);

	STAILQ_REMOVE_HEAD(&reaper.remnants, entry);
	munmap(m->base, len);
	m->base = (uint8_t *)m->base + len;
	m->len -= len;
	if (m->len != 0)
		STAILQ_INSERT_TAIL(&reaper.remnants, r, entry);
	else
		remnant_free(r);
}

/* The time is looked at because portions differ: one without pages takes a microsecond. */
static void
on_timer(struct ev_timer *t)
{
	const uint64_t end = ev_now_ns() + REAPER_NS;

	do {
		unmap_portion();
	} while (!STAILQ_EMPTY(&reaper.remnants) && ev_now_ns() < end);
	if (!STAILQ_EMPTY(&reaper.remnants))
		ev_timer_arm(reaper.loop, t, 0);
}

void
reaper_init(struct ev_loop *loop)
{
	reaper.loop = loop;
	reaper.timer.cb = on_timer;
}

void
reaper_fini(void)
{
	ev_timer_cancel(&reaper.timer);
	while (!STAILQ_EMPTY(&reaper.remnants))
		unmap_portion();
	reaper.loop = NULL;
}

void
reaper_unmap(const struct reaper_mapping *m)
{
	struct remnant *r = reaper.loop != NULL ? malloc(sizeof(*r)) : NULL;

	if (r == NULL) {
		munmap(m->base, m->len);
		close_file(m);
		return;
	}
	*r = (struct remnant){.left = *m, .owed = 1 + (unsigned int)(m->len / REAPER_DEBT_BYTES)};
	if (m->lane != NULL) {
		lane_get(m->lane);
		lane_owe(m->lane, r->owed);
	}
	if (STAILQ_EMPTY(&reaper.remnants))
		ev_timer_arm(reaper.loop, &reaper.timer, 0);
	STAILQ_INSERT_TAIL(&reaper.remnants, r, entry);
}
