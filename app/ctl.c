/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "app.h"
#include "base/log.h"
#include "show/show.h"
#include "switch/port_ct.h"

#define UPKEEP_BUSY_MS 1    /* addresses are being learned: workers need not wake us */
#define UPKEEP_IDLE_MS 1000 /* ageing only */

struct ctl {
	struct app *app;
	struct ev_source signals;
	struct ev_timer upkeep; /* forwarding database */
	struct ev_source learn; /* a worker has seen a new address */
	struct ev_timer stats;  /* --stats-period */
};

static void
ending_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
}

void
ctl_block_signals(void)
{
	sigset_t set;

	ending_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void
on_signal(struct ev_source *src, uint32_t events)
{
	struct ctl *c = container_of(src, struct ctl, signals);
	struct signalfd_siginfo info;

	if (read(src->fd, &info, sizeof(info)) != sizeof(info))
		return;
	/* with a prompt its terminal has gone; testpmd ends as well */
	if (info.ssi_signo == SIGHUP && !c->app->opt.interactive && !c->app->testpmd)
		c->app->reload(c->app);
	else
		ctl_quit(c->app);
}

/*
 * Learning is part of reception (802.1Q 8.7): the first address wakes control, and while more
 * follow it looks again each millisecond, or as soon as other events have been handled.
 */
static void
upkeep(struct ctl *c)
{
	struct fdb *fdb = c->app->sw.fdb;
	uint32_t n = fdb_maintain(fdb, ev_now_ns());
	uint32_t delay_ms = UPKEEP_IDLE_MS;

	ct_maintain(&c->app->sw, ev_now_ns());
	if (n == FDB_PORTION)
		delay_ms = 0;
	else if (n != 0 || !fdb_await(fdb))
		delay_ms = UPKEEP_BUSY_MS;
	log_tell_owed(ev_now_ns());
	ev_timer_arm(c->app->loop, &c->upkeep, delay_ms);
}

static void
on_upkeep(struct ev_timer *t)
{
	upkeep(container_of(t, struct ctl, upkeep));
}

static void
on_learn(struct ev_source *src, uint32_t events)
{
	uint64_t count;

	if (read(src->fd, &count, sizeof(count)) == sizeof(count))
		upkeep(container_of(src, struct ctl, learn));
}

static void
on_stats(struct ev_timer *t)
{
	struct app *app = container_of(t, struct ctl, stats)->app;

	show_periodic(app, stdout);
	ev_timer_arm(app->loop, t, app->opt.stats_period * 1000);
}

int
ctl_init(struct app *app)
{
	struct ctl *c = calloc(1, sizeof(*c));
	sigset_t set;
	int ret;

	if (c == NULL)
		return -ENOMEM;
	app->ctl = c;
	c->app = app;
	ending_signals(&set);
	c->signals.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (c->signals.fd < 0)
		return -errno;
	c->signals.cb = on_signal;
	c->upkeep.cb = on_upkeep;
	c->stats.cb = on_stats;
	ev_timer_arm(app->loop, &c->upkeep, UPKEEP_BUSY_MS);
	if (app->opt.stats_period != 0 && !app->opt.interactive)
		ev_timer_arm(app->loop, &c->stats, app->opt.stats_period * 1000);
	c->learn.fd = fdb_event_fd(app->sw.fdb);
	c->learn.cb = on_learn;
	ret = ev_add(app->loop, &c->learn, EPOLLIN);
	return ret < 0 ? ret : ev_add(app->loop, &c->signals, EPOLLIN);
}

void
ctl_fini(struct app *app)
{
	struct ctl *c = app->ctl;

	if (c == NULL)
		return;
	ev_timer_cancel(&c->upkeep);
	ev_timer_cancel(&c->stats);
	ev_del(&c->learn);
	ev_del(&c->signals);
	if (c->signals.fd >= 0)
		close(c->signals.fd);
	app->ctl = NULL;
	free(c);
}

void
ctl_quit(struct app *app)
{
	ev_stop(app->loop);
}

/* --- other threads --- */

struct job {
	struct ev_work work;
	struct ev_job queued;
	struct app *app;
	void (*fn)(struct app *app, void *arg);
	void *arg;
	sem_t done;
};

static void
run_job(struct ev_job *e)
{
	struct job *j = container_of(e, struct job, queued);

	j->fn(j->app, j->arg);
	sem_post(&j->done);
}

/* There may be a job of each of many clients. */
static void
on_job(struct ev_work *w)
{
	struct job *j = container_of(w, struct job, work);

	ev_job_queue(j->app->loop, &j->queued);
}

void
ctl_call(struct app *app, void (*fn)(struct app *, void *), void *arg)
{
	struct job j = {
		.work = {.fn = on_job},
		.queued = {.cb = run_job},
		.app = app,
		.fn = fn,
		.arg = arg,
	};

	sem_init(&j.done, 0, 0);
	ev_post(app->loop, &j.work);
	while (sem_wait(&j.done) < 0)
		;
	sem_destroy(&j.done);
}
