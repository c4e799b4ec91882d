/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_lcore.h>

#include "base/lane.h"

/* Lanes with work: workers push, threads take all. [atomic] */
static _Atomic(struct lane *) arrived; /* newest first */
static sem_t waiting;                  /* counts the lanes of both lists */

/* Of the threads, under their lock. Workers and control never take it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct lane *ordered; /* oldest first */
static unsigned int threads, idle;

/* CPUs the program was given, before EAL gave the main thread one of them. */
static cpu_set_t given;

RTE_INIT(note_cpus)
{
	sched_getaffinity(0, sizeof(given), &given);
	sem_init(&waiting, 0, 0);
}

/** To the CPUs no lcore runs on, if there are any: the kernel's work may keep one busy. */
static void
leave_lcores(void)
{
	cpu_set_t set = given, busy;
	unsigned int lcore;

	RTE_LCORE_FOREACH (lcore) {
		busy = rte_lcore_cpuset(lcore);
		CPU_AND(&busy, &busy, &set);
		CPU_XOR(&set, &set, &busy);
	}
	if (CPU_COUNT(&set) == 0)
		set = given;
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void
lane_queue(struct lane *l)
{
	struct lane *head = atomic_load_explicit(&arrived, memory_order_relaxed);

	do {
		l->next = head;
	} while (!atomic_compare_exchange_weak_explicit(&arrived, &head, l, memory_order_release,
							memory_order_relaxed));
	sem_post(&waiting);
}

/** All jobs, oldest first. */
static struct lane_job *
take_jobs(struct lane *l)
{
	struct lane_job *j = atomic_exchange_explicit(&l->jobs, NULL, memory_order_acquire);
	struct lane_job *next, *oldest = NULL;

	for (; j != NULL; j = next) {
		next = j->next;
		j->next = oldest;
		oldest = j;
	}
	return oldest;
}

static void
serve(struct lane *l)
{
	struct lane_job *j, *next;

	for (j = take_jobs(l); j != NULL; j = next) {
		next = j->next;
		j->fn(j);
	}
	atomic_store_explicit(&l->queued, false, memory_order_seq_cst);
	if (atomic_load_explicit(&l->jobs, memory_order_seq_cst) != NULL &&
	    !atomic_exchange_explicit(&l->queued, true, memory_order_seq_cst))
		lane_queue(l);
	else
		lane_put(l);
}

/** The lane that has waited longest; there is one for each count of the semaphore. */
static struct lane *
take_lane(void)
{
	struct lane *l, *next;

	if (ordered == NULL) {
		l = atomic_exchange_explicit(&arrived, NULL, memory_order_acquire);
		for (; l != NULL; l = next) {
			next = l->next;
			l->next = ordered;
			ordered = l;
		}
	}
	l = ordered;
	ordered = l->next;
	return l;
}

static void *run(void *unused);

/** One thread more. Without memory for one the others go on, and it is tried with the next lane. */
static void
start_thread(void)
{
	sigset_t all, before;
	pthread_t thread;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&thread, NULL, run, NULL) == 0) {
		pthread_detach(thread);
		threads++;
		idle++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void *
run(void *unused)
{
	(void)unused;
	pthread_setname_np(pthread_self(), "vqs-lane");
	leave_lcores();
	for (;;) {
		struct lane *l;

		while (sem_wait(&waiting) != 0 && errno == EINTR)
			;
		pthread_mutex_lock(&lock);
		l = take_lane();
		if (--idle == 0)
			start_thread();
		pthread_mutex_unlock(&lock);
		serve(l);
		pthread_mutex_lock(&lock);
		idle++;
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static void
start_first(void)
{
	pthread_mutex_lock(&lock);
	start_thread();
	pthread_mutex_unlock(&lock);
}

void
lane_init(struct lane *l, void (*release)(struct lane *l))
{
	static pthread_once_t first = PTHREAD_ONCE_INIT;

	pthread_once(&first, start_first);
	l->free = release;
	atomic_init(&l->jobs, NULL);
	atomic_init(&l->queued, false);
	atomic_init(&l->refs, 1);
	atomic_init(&l->closing, 0);
	atomic_init(&l->held, 0);
	l->next = NULL;
}

void
lane_get(struct lane *l)
{
	atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
}

void
lane_put(struct lane *l)
{
	if (atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) == 1)
		l->free(l);
}

void
lane_submit(struct lane *l, struct lane_job *j)
{
	struct lane_job *head = atomic_load_explicit(&l->jobs, memory_order_relaxed);

	do {
		j->next = head;
	} while (!atomic_compare_exchange_weak_explicit(&l->jobs, &head, j, memory_order_seq_cst,
							memory_order_relaxed));
	if (atomic_exchange_explicit(&l->queued, true, memory_order_seq_cst))
		return;
	lane_get(l);
	lane_queue(l);
}

bool
lane_all_idle(void)
{
	bool is_idle;

	pthread_mutex_lock(&lock);
	is_idle = ordered == NULL && idle == threads &&
		  atomic_load_explicit(&arrived, memory_order_acquire) == NULL;
	pthread_mutex_unlock(&lock);
	return is_idle;
}

/* --- closing --- */

void
lane_owe(struct lane *l, unsigned int n)
{
	atomic_fetch_add_explicit(&l->closing, n, memory_order_relaxed);
}

void
lane_settle(struct lane *l, unsigned int n)
{
	atomic_fetch_sub_explicit(&l->closing, n, memory_order_release);
}

void
lane_hold(struct lane *l)
{
	atomic_fetch_add_explicit(&l->held, 1, memory_order_relaxed);
}

void
lane_let_go(struct lane *l)
{
	atomic_fetch_sub_explicit(&l->held, 1, memory_order_release);
}

struct closing {
	struct lane_job job; /* first member */
	struct lane *lane;
	int fd;
};

static void
make_closed(struct lane_job *j)
{
	struct closing *c = (struct closing *)j;

	close(c->fd);
	lane_settle(c->lane, 1);
	free(c);
}

void
lane_close(struct lane *l, int fd)
{
	struct closing *c = malloc(sizeof(*c));

	if (c == NULL) {
		close(fd);
		return;
	}
	*c = (struct closing){.job.fn = make_closed, .lane = l, .fd = fd};
	lane_owe(l, 1);
	lane_submit(l, &c->job);
}
