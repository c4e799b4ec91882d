/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control. */
#include "switch/watch.h"

#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>
#include <rte_ring.h>

#include "switch/watch_log.h"

#define LOG_BURSTS 1024 /* descriptions on their way to control */
#define LOG_ROUND 16    /* shown before control turns to other things */

/* --- the way to control --- */

static void
show_some(struct watch_log *log, uint32_t most)
{
	void *text;

	while (most-- > 0 && rte_ring_dequeue(log->texts, &text) == 0) {
		log->show(text);
		free(text);
	}
}

void
watch_log_drain(struct watch_log *log)
{
	unsigned long long lost;

	/* no more than that is there, unless workers go on */
	show_some(log, LOG_BURSTS);
	lost = atomic_exchange(&log->lost, 0);
	if (lost != 0) {
		char line[64];

		snprintf(line, sizeof(line), "%llu bursts are not shown\n", lost);
		log->show(line);
	}
}

static void
on_texts(struct ev_work *work)
{
	struct watch_log *log = container_of(work, struct watch_log, work);

	atomic_store(&log->posted, false);
	show_some(log, LOG_ROUND);
	if (rte_ring_empty(log->texts))
		watch_log_drain(log);
	else
		watch_log_post(log);
}

struct watch_log *
watch_log_new(struct ev_loop *loop, void (*show)(const char *text))
{
	struct watch_log *log = calloc(1, sizeof(*log));
	ssize_t size = rte_ring_get_memsize(LOG_BURSTS);

	if (log == NULL)
		return NULL;
	log->work.fn = on_texts;
	log->loop = loop;
	log->show = show;
	log->texts = aligned_alloc(RTE_CACHE_LINE_SIZE,
				   RTE_ALIGN_CEIL((size_t)size, RTE_CACHE_LINE_SIZE));
	if (log->texts == NULL) {
		free(log);
		return NULL;
	}
	rte_ring_init(log->texts, "watch", LOG_BURSTS, RING_F_SC_DEQ);
	return log;
}

void
watch_log_free(struct watch_log *log)
{
	void *text;

	if (log == NULL)
		return;
	while (rte_ring_dequeue(log->texts, &text) == 0)
		free(text);
	free(log->texts);
	free(log);
}
