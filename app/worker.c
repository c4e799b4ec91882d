/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loop of a worker. It owns the queues of its poll list in the live
 * snapshot; at the end of a poll iteration it holds nothing and says so. A worker that
 * has found nothing for a while asks its queues for notifications and sleeps
 * until one of them, or control, wakes it.
 */
#include "worker.h"

#include <errno.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include "app.h"
#include "switch/dataplane_worker.h"
#include "switch/poll.h"

/** Cycles of polling without a frame after which a worker sleeps; UINT64_MAX: never. */
static uint64_t
patience(const struct options *o)
{
	return o->poll ? UINT64_MAX : o->idle_us * (rte_get_tsc_hz() / US_PER_S);
}

static int
worker_main(void *arg)
{
	struct worker *w = arg;
	const struct app *app = container_of(w->ctl, struct app, sw.dp);
	uint64_t limit = patience(&app->opt), idle = 0, now = rte_rdtsc();

	dp_online(w->ctl, w->id);
	while (!atomic_load_explicit(&app->stop, memory_order_relaxed)) {
		const struct dataplane *dp = dp_live(w->ctl);
		uint32_t n = worker_poll(w, dp);
		uint64_t cycles = rte_rdtsc() - now;

		now += cycles;
		if (unlikely(cycles > counter_read(&w->longest)))
			counter_set(&w->longest, cycles);
		if (n != 0) {
			counter_add(&w->busy_cycles, cycles);
			idle = 0;
		} else if ((idle += cycles) > limit) {
			/* without frames it stays idle: to have been woken is no reason to poll */
			worker_idle(w, dp);
			now = rte_rdtsc();
		}
		worker_end_poll(w, n);
	}
	worker_end_poll(w, 0);
	dp_offline(w->ctl, w->id);
	return 0;
}

static struct worker *
worker_new(struct app *app, unsigned int lcore)
{
	struct worker *w;

	w = rte_zmalloc_socket("worker", sizeof(*w), RTE_CACHE_LINE_SIZE,
			       (int)rte_lcore_to_socket_id(lcore));
	if (w == NULL)
		return NULL;
	w->id = app->nworkers;
	w->lcore = lcore;
	w->ctl = &app->sw.dp;
	w->mp = app->mp;
	return w;
}

int
workers_init(struct app *app)
{
	unsigned int lcore;

	RTE_LCORE_FOREACH_WORKER (lcore) {
		if (app->nworkers == DP_WORKERS_MAX)
			return -E2BIG;
		app->worker[app->nworkers] = worker_new(app, lcore);
		if (app->worker[app->nworkers] == NULL)
			return -ENOMEM;
		app->nworkers++;
	}
	return 0;
}

void
workers_launch(struct app *app)
{
	for (uint32_t i = 0; i < app->nworkers; i++)
		rte_eal_remote_launch(worker_main, app->worker[i], app->worker[i]->lcore);
}

void
workers_join(struct app *app)
{
	atomic_store(&app->stop, true);
	dp_wake(&app->sw.dp);
	rte_eal_mp_wait_lcore();
}

void
workers_fini(struct app *app)
{
	for (uint32_t i = 0; i < app->nworkers; i++)
		rte_free(app->worker[i]);
	app->nworkers = 0;
}
