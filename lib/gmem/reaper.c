/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/queue.h>

#include <rte_common.h>

#include "base/ev.h"
#include "gmem/reaper.h"

/** The rest of a mapping. */
struct remnant {
	STAILQ_ENTRY(remnant) entry;
	uint8_t *base;
	size_t len;
	size_t portion;
};

static struct {
	struct ev_loop *loop; /* NULL: unmap at once */
	struct ev_timer timer;
	STAILQ_HEAD(, remnant) remnants; /* the timer is armed while there are any */
} reaper = {.remnants = STAILQ_HEAD_INITIALIZER(reaper.remnants)};

/** Unmap one portion of the oldest remnant. */
static void
unmap_portion(void)
{
	struct remnant *r = STAILQ_FIRST(&reaper.remnants);
	size_t len = RTE_MIN(r->portion, r->len);

	munmap(r->base, len);
	r->base += len;
	r->len -= len;
	if (r->len != 0)
		return;
	STAILQ_REMOVE_HEAD(&reaper.remnants, entry);
	free(r);
}

static void
on_timer(struct ev_timer *t)
{
	unmap_portion();
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
reaper_unmap(void *base, size_t len, size_t page_size)
{
	struct remnant *r = reaper.loop != NULL ? malloc(sizeof(*r)) : NULL;

	if (r == NULL) {
		munmap(base, len);
		return;
	}
	*r = (struct remnant){.base = base, .len = len, .portion = REAPER_PAGES * page_size};
	if (STAILQ_EMPTY(&reaper.remnants))
		ev_timer_arm(reaper.loop, &reaper.timer, 0);
	STAILQ_INSERT_TAIL(&reaper.remnants, r, entry);
}
