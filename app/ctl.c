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
#include "show/show.h"

#define UPKEEP_BUSY_MS 10   /* some worker is awake: learned addresses wait */
#define UPKEEP_IDLE_MS 1000 /* all sleep: ageing only */

struct ctl {
	struct app *app;
	struct ev_source signals;
	struct ev_timer upkeep; /* forwarding database */
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

	if (read(src->fd, &info, sizeof(info)) == sizeof(info))
		ctl_quit(c->app);
}

static bool
all_asleep(const struct app *app)
{
	for (uint32_t i = 0; i < app->nworkers; i++) {
		if (!atomic_load(&app->sw.dp.worker[i].asleep))
			return false;
	}
	return true;
}

static void
on_upkeep(struct ev_timer *t)
{
	struct app *app = container_of(t, struct ctl, upkeep)->app;

	fdb_maintain(app->sw.fdb, ev_now_ns());
	ev_timer_arm(app->loop, t, all_asleep(app) ? UPKEEP_IDLE_MS : UPKEEP_BUSY_MS);
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
	return ev_add(app->loop, &c->signals, EPOLLIN);
}

void
ctl_fini(struct app *app)
{
	struct ctl *c = app->ctl;

	if (c == NULL)
		return;
	ev_timer_cancel(&c->upkeep);
	ev_timer_cancel(&c->stats);
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
	struct app *app;
	void (*fn)(struct app *app, void *arg);
	void *arg;
	sem_t done;
};

static void
run_job(struct ev_work *w)
{
	struct job *j = container_of(w, struct job, work);

	j->fn(j->app, j->arg);
	sem_post(&j->done);
}

void
ctl_call(struct app *app, void (*fn)(struct app *, void *), void *arg)
{
	struct job j = {.work = {.fn = run_job}, .app = app, .fn = fn, .arg = arg};

	sem_init(&j.done, 0, 0);
	ev_post(app->loop, &j.work);
	while (sem_wait(&j.done) < 0)
		;
	sem_destroy(&j.done);
}
