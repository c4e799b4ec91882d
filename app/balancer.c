/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control. */
#include "balancer.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_common.h>
#include <rte_cycles.h>

#include "app.h"
#include "base/counter.h"
#include "base/log.h"
#include "switch/balance.h"
#include "switch/port.h"
#include "switch/publish.h"
#include "switch/worker.h"

#define MS_PER_SECOND 1000

/** Queues and cycles at one time. */
struct view {
	uint64_t tsc;
	uint64_t busy[DP_WORKERS_MAX]; /* worker.busy_cycles */
	struct balance_queue *q;       /* by serial */
	uint32_t n;
};

struct balancer {
	struct app *app;
	struct ev_timer timer;
	struct balancer_report done;
	struct log_limit log_limit; /* guests make the load */
	struct view before;         /* when the interval began */
};

/* --- an interval --- */

static struct balance_queue
look_at(const struct app *app, const struct pktq *q, uint8_t worker)
{
	return (struct balance_queue){
		.port = q->port,
		.index = q->index,
		.worker = worker,
		.fixed = app->sw.port[q->port]->wanted[q->index] != PORT_WORKER_NONE,
		.serial = q->serial,
		.total = counter_read(&q->stats.frames) + counter_read(&q->stats.bytes) / 1024,
	};
}

/* Without memory there are no queues in it, and the next interval decides nothing. */
static struct view
look(struct app *app)
{
	const struct dataplane *dp = dp_live(&app->sw.dp);
	struct view v = {.tsc = rte_rdtsc()};
	uint32_t w, i, all = 0;

	for (w = 0; w < app->nworkers; w++) {
		v.busy[w] = counter_read(&app->worker[w]->busy_cycles);
		all += dp->worker[w].n;
	}
	v.q = calloc(RTE_MAX(all, 1u), sizeof(*v.q));
	for (w = 0; v.q != NULL && w < app->nworkers; w++)
		for (i = 0; i < dp->worker[w].n; i++)
			v.q[v.n++] = look_at(app, dp->worker[w].poll[i].q, (uint8_t)w);
	if (v.q != NULL)
		qsort(v.q, v.n, sizeof(*v.q), balance_by_serial);
	return v;
}

static void
begin(struct balancer *b, struct view v)
{
	free(b->before.q);
	b->before = v;
	ev_timer_arm(b->app->loop, &b->timer, b->done.period_s * MS_PER_SECOND);
}

/* The work done between two views, in the queues of the later one. */
static struct balance_load
load_between(const struct balancer *b, const struct view *now, uint8_t *active)
{
	const struct view *before = &b->before;
	struct balance_load l = {
		.length = now->tsc - before->tsc,
		.nactive = sw_active_workers(&b->app->sw),
		.active = active,
		.q = now->q,
		.n = now->n,
	};

	for (uint32_t i = 0; i < l.nactive; i++)
		active[i] = sw_active_worker(&b->app->sw, i);
	for (uint32_t w = 0; w < b->app->nworkers; w++)
		l.busy[w] = now->busy[w] - before->busy[w];
	balance_since(&l, before->q, before->n);
	balance_share(&l);
	return l;
}

/* --- moving --- */

static void
move(struct balancer *b, const struct balance_queue *q, uint8_t from)
{
	struct port *p = b->app->sw.port[q->port];

	p->placed[q->index] = q->worker;
	b->done.moves++;
	b->done.last = (struct balancer_move){q->port, q->index, from, q->worker, ev_now_ns()};
	log_peer_info(&b->log_limit, p->name,
		      "receive queue %u moves from worker %u to worker %u, which has less to do",
		      q->index, from, q->worker);
}

static void
on_interval(struct ev_timer *t)
{
	struct balancer *b = container_of(t, struct balancer, timer);
	struct view now = look(b->app);
	uint8_t active[DP_WORKERS_MAX], from;
	struct balance_load l = load_between(b, &now, active);
	const struct balance_queue *q;
	uint32_t moves = 0;

	while (moves < BALANCE_MOVES_MAX && (q = balance_choose(&l, &from)) != NULL) {
		move(b, q, from);
		moves++;
	}
	if (moves != 0)
		sw_publish(&b->app->sw);
	begin(b, now);
}

/* --- settings --- */

static struct balancer *
balancer_new(struct app *app)
{
	struct balancer *b = calloc(1, sizeof(*b));

	if (b != NULL) {
		b->app = app;
		b->timer.cb = on_interval;
	}
	return b;
}

int
balancer_set(struct app *app, uint32_t period_s)
{
	if (period_s > BALANCER_PERIOD_MAX_S)
		return -EINVAL;
	if (app->balancer == NULL && period_s == 0)
		return 0;
	if (app->balancer == NULL && (app->balancer = balancer_new(app)) == NULL)
		return -ENOMEM;
	app->balancer->done.period_s = period_s;
	if (period_s == 0)
		ev_timer_cancel(&app->balancer->timer);
	else
		begin(app->balancer, look(app));
	return 0;
}

struct balancer_report
balancer_report(const struct app *app)
{
	return app->balancer != NULL ? app->balancer->done : (struct balancer_report){0};
}

void
balancer_free(struct app *app)
{
	if (app->balancer == NULL)
		return;
	ev_timer_cancel(&app->balancer->timer);
	free(app->balancer->before.q);
	free(app->balancer);
	app->balancer = NULL;
}
