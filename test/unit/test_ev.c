/* SPDX-License-Identifier: BSD-3-Clause */
/* The event loop: stale events, timers, posting from other threads, stopping from a signal. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>

#include "base/ev.h"

#define MS UINT64_C(1000000)

struct pipe_src {
	struct ev_source src;
	struct pipe_src *victim; /* deleted by our callback */
	int wfd;
	unsigned int calls;
	uint32_t last;
};

static int
setup(void **state)
{
	*state = ev_loop_new();
	return *state == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	ev_loop_free(*state);
	return 0;
}

static void
pipe_cb(struct ev_source *src, uint32_t events)
{
	struct pipe_src *p = container_of(src, struct pipe_src, src);

	p->calls++;
	p->last = events;
	if (p->victim != NULL)
		ev_del(&p->victim->src);
}

static void
pipe_open(struct pipe_src *p)
{
	int fds[2];

	*p = (struct pipe_src){0};
	assert_int_equal(pipe(fds), 0);
	p->src.fd = fds[0];
	p->src.cb = pipe_cb;
	p->wfd = fds[1];
}

static void
pipe_close(struct pipe_src *p)
{
	ev_del(&p->src);
	close(p->src.fd);
	close(p->wfd);
}

static void
poke(const struct pipe_src *p)
{
	assert_int_equal(write(p->wfd, "x", 1), 1);
}

static void
test_readable_is_level_triggered(void **state)
{
	struct ev_loop *loop = *state;
	struct pipe_src p;

	pipe_open(&p);
	assert_int_equal(ev_add(loop, &p.src, EPOLLIN), 0);
	assert_int_equal(ev_add(loop, &p.src, EPOLLIN), -EEXIST);
	ev_run_once(loop, 0);
	assert_int_equal(p.calls, 0);
	poke(&p);
	ev_run_once(loop, 0);
	ev_run_once(loop, 0);
	assert_int_equal(p.calls, 2);
	assert_int_equal(p.last, EPOLLIN);
	assert_int_equal(ev_mod(&p.src, 0), 0);
	ev_run_once(loop, 0);
	assert_int_equal(p.calls, 2);
	pipe_close(&p);
	assert_null(p.src.loop);
	assert_int_equal(ev_mod(&p.src, EPOLLIN), -ENOENT);
	ev_del(&p.src);
}

static void
test_add_reports_errors(void **state)
{
	struct ev_source bad = {.fd = -1, .cb = pipe_cb};
	struct pipe_src p;

	assert_int_equal(ev_add(*state, &bad, EPOLLIN), -EBADF);
	assert_null(bad.loop);
	/* the slot it had is usable again */
	pipe_open(&p);
	assert_int_equal(ev_add(*state, &p.src, EPOLLIN), 0);
	poke(&p);
	ev_run_once(*state, 0);
	assert_int_equal(p.calls, 1);
	pipe_close(&p);
}

static void
test_deleted_source_gets_no_fetched_event(void **state)
{
	struct pipe_src a, b;

	pipe_open(&a);
	pipe_open(&b);
	a.victim = &b;
	b.victim = &a;
	assert_int_equal(ev_add(*state, &a.src, EPOLLIN), 0);
	assert_int_equal(ev_add(*state, &b.src, EPOLLIN), 0);
	poke(&a);
	poke(&b);
	ev_run_once(*state, 0);
	assert_int_equal(a.calls + b.calls, 1);
	pipe_close(&a);
	pipe_close(&b);
}

static struct pipe_src newcomer;

static void
replace_cb(struct ev_source *src, uint32_t events)
{
	struct pipe_src *p = container_of(src, struct pipe_src, src);
	struct ev_loop *loop = src->loop;

	p->calls++;
	ev_del(&p->victim->src);
	assert_int_equal(ev_add(loop, &newcomer.src, EPOLLIN), 0);
	ev_del(src);
}

/* The newcomer takes the slot of a source whose event is already fetched. */
static void
test_slot_reuse_within_a_round(void **state)
{
	struct pipe_src a, b;

	pipe_open(&a);
	pipe_open(&b);
	pipe_open(&newcomer);
	a.src.cb = b.src.cb = replace_cb;
	a.victim = &b;
	b.victim = &a;
	assert_int_equal(ev_add(*state, &a.src, EPOLLIN), 0);
	assert_int_equal(ev_add(*state, &b.src, EPOLLIN), 0);
	poke(&a);
	poke(&b);
	ev_run_once(*state, 0);
	assert_int_equal(a.calls + b.calls, 1);
	assert_int_equal(newcomer.calls, 0);
	assert_true(newcomer.src.slot == a.src.slot || newcomer.src.slot == b.src.slot);
	poke(&newcomer);
	ev_run_once(*state, 0);
	assert_int_equal(newcomer.calls, 1);
	pipe_close(&a);
	pipe_close(&b);
	pipe_close(&newcomer);
}

static void
unwatch_cb(struct ev_source *src, uint32_t events)
{
	struct pipe_src *p = container_of(src, struct pipe_src, src);

	p->calls++;
	assert_int_equal(ev_mod(&p->victim->src, 0), 0);
}

static void
test_unwatched_event_of_this_round_is_dropped(void **state)
{
	struct pipe_src a, b;

	pipe_open(&a);
	pipe_open(&b);
	a.src.cb = b.src.cb = unwatch_cb;
	a.victim = &b;
	b.victim = &a;
	assert_int_equal(ev_add(*state, &a.src, EPOLLIN), 0);
	assert_int_equal(ev_add(*state, &b.src, EPOLLIN), 0);
	poke(&a);
	poke(&b);
	ev_run_once(*state, 0);
	assert_int_equal(a.calls + b.calls, 1);
	pipe_close(&a);
	pipe_close(&b);
}

static void
test_many_sources(void **state)
{
	static struct pipe_src p[300];
	unsigned int i, round, calls = 0;

	for (i = 0; i < RTE_DIM(p); i++) {
		pipe_open(&p[i]);
		assert_int_equal(ev_add(*state, &p[i].src, EPOLLIN), 0);
	}
	for (i = 0; i < RTE_DIM(p); i += 2)
		ev_del(&p[i].src);
	for (i = 0; i < RTE_DIM(p); i += 2)
		assert_int_equal(ev_add(*state, &p[i].src, EPOLLIN), 0);
	for (i = 0; i < RTE_DIM(p); i++)
		poke(&p[i]);
	for (round = 0; round < 10; round++)
		ev_run_once(*state, 0);
	for (i = 0; i < RTE_DIM(p); i++) {
		assert_true(p[i].calls > 0);
		calls += p[i].calls;
		pipe_close(&p[i]);
	}
	assert_int_equal(calls, 10 * 64); /* all of what one round fetches */
}

struct seq_timer {
	struct ev_timer t;
	unsigned int fired;
	unsigned int order;
	uint64_t at;
};

static unsigned int timer_seq;

static void
seq_cb(struct ev_timer *t)
{
	struct seq_timer *s = container_of(t, struct seq_timer, t);

	assert_null(t->loop);
	s->fired++;
	s->order = ++timer_seq;
	s->at = ev_now_ns();
}

static void
test_timers_fire_in_order_and_not_early(void **state)
{
	struct seq_timer late = {.t.cb = seq_cb}, soon = {.t.cb = seq_cb}, never = {.t.cb = seq_cb};
	uint64_t start = ev_now_ns();

	timer_seq = 0;
	ev_timer_arm(*state, &late.t, 30);
	ev_timer_arm(*state, &never.t, 5);
	ev_timer_arm(*state, &soon.t, 50);
	ev_timer_arm(*state, &soon.t, 10); /* moves the deadline */
	ev_timer_cancel(&never.t);
	ev_timer_cancel(&never.t);
	while (late.fired == 0)
		ev_run_once(*state, -1);
	assert_int_equal(soon.fired, 1);
	assert_int_equal(late.fired, 1);
	assert_int_equal(never.fired, 0);
	assert_true(soon.order < late.order);
	assert_true(soon.at - start >= 10 * MS);
	assert_true(late.at - start >= 30 * MS);
}

static void
test_round_waits_until_the_timer_is_due(void **state)
{
	struct seq_timer s = {.t.cb = seq_cb};
	unsigned int i;

	for (i = 1; i <= 10; i++) {
		ev_timer_arm(*state, &s.t, 1);
		ev_run_once(*state, -1);
		assert_int_equal(s.fired, i);
	}
}

static struct ev_loop *rearm_loop;

static void
rearm_now_cb(struct ev_timer *t)
{
	container_of(t, struct seq_timer, t)->fired++;
	ev_timer_arm(rearm_loop, t, 0);
}

static void
test_timer_rearmed_at_once_does_not_hold_the_round(void **state)
{
	struct seq_timer s = {.t.cb = rearm_now_cb};
	unsigned int i;

	rearm_loop = *state;
	ev_timer_arm(*state, &s.t, 0);
	for (i = 0; i < 100; i++)
		ev_run_once(*state, -1);
	assert_int_equal(s.fired, 100);
	ev_timer_cancel(&s.t);
}

#define POSTERS 3
#define POSTS 20000

struct post {
	struct ev_work w;
	unsigned int poster, seq;
};

static struct post posts[POSTERS][POSTS];
static unsigned int next_seq[POSTERS], misordered, posted_left;
static struct ev_loop *post_loop;

static void
post_fn(struct ev_work *w)
{
	struct post *p = container_of(w, struct post, w);

	misordered += p->seq != next_seq[p->poster];
	next_seq[p->poster] = p->seq + 1;
	if (--posted_left == 0)
		ev_stop(post_loop);
}

static void *
poster(void *arg)
{
	struct post *p = arg;
	unsigned int i;

	for (i = 0; i < POSTS; i++)
		ev_post(post_loop, &p[i].w);
	return NULL;
}

static void
test_posts_from_threads_arrive_once_and_in_order(void **state)
{
	pthread_t t[POSTERS];
	unsigned int i, j;

	post_loop = *state;
	posted_left = POSTERS * POSTS;
	for (i = 0; i < POSTERS; i++)
		for (j = 0; j < POSTS; j++)
			posts[i][j] = (struct post){.w.fn = post_fn, .poster = i, .seq = j};
	for (i = 0; i < POSTERS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, poster, posts[i]), 0);
	ev_run(*state);
	for (i = 0; i < POSTERS; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(next_seq[i], POSTS);
	}
	assert_int_equal(misordered, 0);
}

static unsigned int reposts;

static void
repost_fn(struct ev_work *w)
{
	if (++reposts < 3)
		ev_post(post_loop, w);
}

static void
test_work_may_post_itself(void **state)
{
	struct ev_work w = {.fn = repost_fn};

	post_loop = *state;
	reposts = 0;
	ev_post(*state, &w);
	ev_run_once(*state, 0);
	assert_int_equal(reposts, 1); /* the next time is the next round's */
	ev_run_once(*state, 0);
	ev_run_once(*state, 0);
	ev_run_once(*state, 0);
	assert_int_equal(reposts, 3);
}

static void
on_signal(int sig)
{
	ev_stop(post_loop);
}

static struct ev_loop *jobs_loop;

/** It takes long, asks for another one, or gives one up. */
struct long_job {
	struct ev_job t;
	uint64_t ns;
	unsigned int taken;
	bool again;
	struct ev_job *victim;
};

static void
job_cb(struct ev_job *t)
{
	struct long_job *l = container_of(t, struct long_job, t);
	uint64_t end = ev_now_ns() + l->ns;

	l->taken++;
	while (ev_now_ns() < end)
		;
	if (l->victim != NULL)
		ev_job_cancel(l->victim);
	if (l->again)
		ev_job_queue(jobs_loop, t);
}

/* Of long ones a round takes one, so that each event is handled behind one at most. */
static void
test_jobs_are_behind_events(void **state)
{
	struct long_job l[3] = {};
	struct pipe_src p;

	jobs_loop = *state;
	pipe_open(&p);
	assert_int_equal(ev_add(*state, &p.src, EPOLLIN), 0);
	for (int i = 0; i < 3; i++) {
		l[i] = (struct long_job){.t.cb = job_cb, .ns = 1000 * EV_JOBS_US, .again = true};
		ev_job_queue(*state, &l[i].t);
		ev_job_queue(*state, &l[i].t); /* once */
	}
	for (unsigned int round = 1; round <= 7; round++) {
		poke(&p);
		ev_run_once(*state, -1); /* does not wait */
		assert_int_equal(p.calls, round);
		assert_int_equal(l[0].taken + l[1].taken + l[2].taken, round);
	}
	assert_int_equal(l[0].taken, 3);
	assert_int_equal(l[1].taken, 2);
	for (int i = 0; i < 3; i++)
		ev_job_cancel(&l[i].t);
	ev_run_once(*state, 0);
	assert_int_equal(l[0].taken + l[1].taken + l[2].taken, 7);
	ev_del(&p.src);
	pipe_close(&p);
}

static void
test_job_is_given_up(void **state)
{
	struct long_job victim = {.t.cb = job_cb};
	struct long_job first = {.t.cb = job_cb, .victim = &victim.t};

	jobs_loop = *state;
	ev_job_cancel(&first.t);
	ev_job_queue(*state, &first.t);
	ev_job_queue(*state, &victim.t);
	ev_run_once(*state, -1);
	ev_run_once(*state, 0);
	assert_int_equal(first.taken, 1);
	assert_int_equal(victim.taken, 0);
}

static void
test_stop_from_a_signal_and_before_the_run(void **state)
{
	struct seq_timer guard = {.t.cb = seq_cb};

	post_loop = *state;
	ev_stop(*state);
	ev_run(*state); /* returns: the stop came before */
	signal(SIGALRM, on_signal);
	ualarm(20000, 0);
	ev_run(*state); /* returns: stopped while it waits */
	signal(SIGALRM, SIG_DFL);
	/* and the loop is usable after a stop */
	ev_timer_arm(*state, &guard.t, 1);
	while (guard.fired == 0)
		ev_run_once(*state, -1);
}

static void
test_free_forgets_sources_and_timers(void **state)
{
	struct ev_loop *loop = ev_loop_new();
	struct long_job job = {.t.cb = job_cb};
	struct seq_timer s = {.t.cb = seq_cb};
	struct pipe_src p;

	pipe_open(&p);
	assert_int_equal(ev_add(loop, &p.src, EPOLLIN), 0);
	ev_timer_arm(loop, &s.t, 1000);
	ev_job_queue(loop, &job.t);
	ev_loop_free(loop);
	ev_job_cancel(&job.t);
	ev_timer_cancel(&s.t);
	poke(&p); /* still open */
	pipe_close(&p);
	ev_loop_free(NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		T(test_readable_is_level_triggered),
		T(test_add_reports_errors),
		T(test_deleted_source_gets_no_fetched_event),
		T(test_slot_reuse_within_a_round),
		T(test_unwatched_event_of_this_round_is_dropped),
		T(test_many_sources),
		T(test_timers_fire_in_order_and_not_early),
		T(test_round_waits_until_the_timer_is_due),
		T(test_timer_rearmed_at_once_does_not_hold_the_round),
		T(test_posts_from_threads_arrive_once_and_in_order),
		T(test_work_may_post_itself),
		T(test_jobs_are_behind_events),
		T(test_job_is_given_up),
		T(test_stop_from_a_signal_and_before_the_run),
		T(test_free_forgets_sources_and_timers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
