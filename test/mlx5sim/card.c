/* SPDX-License-Identifier: BSD-3-Clause */
/* The functions there are, the lock, and the hardware's thread. */
#include "card.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define IDLE_NS 50000

struct card cards[CARDS_MAX];
uint32_t ncards;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint waiting; /* commands */

struct card *
card_of(const struct ibv_context *c)
{
	return container_of(c, struct card, verbs.context);
}

void
card_lock(void)
{
	atomic_fetch_add(&waiting, 1);
	pthread_mutex_lock(&lock);
	atomic_fetch_sub(&waiting, 1);
}

void
card_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

static bool
iterate(void)
{
	bool busy = false;

	pthread_mutex_lock(&lock);
	order_look();
	for (uint32_t i = 0; i < ncards; i++)
		busy |= !cards[i].gone && cards[i].doorbell != NULL && virtq_iterate(&cards[i]);
	pthread_mutex_unlock(&lock);
	return busy;
}

static void *
run(void *arg)
{
	const struct timespec idle = {.tv_nsec = IDLE_NS};
	cpu_set_t all;

	/* EAL binds the thread that starts this one to a core */
	memset(&all, 0xff, sizeof(all));
	(void)pthread_setaffinity_np(pthread_self(), sizeof(all), &all);
	for (;;) {
		if (atomic_load(&waiting) != 0 || iterate())
			sched_yield();
		else
			nanosleep(&idle, NULL);
	}
	return NULL;
}

static void
start(void)
{
	sigset_t all, old;
	pthread_t t;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&t, NULL, run, NULL) == 0) {
		pthread_setname_np(t, "mlx5sim");
		pthread_detach(t);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void
card_power_on(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, start);
}

static bool
plug(struct card *c, const char *folder, const char *name)
{
	int n;

	if (strlen(name) != 12 || strchr(name, ':') == NULL)
		return false;
	snprintf(c->name, sizeof(c->name), "%.*s", (int)sizeof(c->name) - 1, name);
	snprintf(c->device.name, sizeof(c->device.name), "mlx5_%u", ncards);
	snprintf(c->device.dev_name, sizeof(c->device.dev_name), "uverbs%u", ncards);
	n = snprintf(c->device.ibdev_path, sizeof(c->device.ibdev_path), "%s/%s", folder, name);
	return n > 0 && (size_t)n < sizeof(c->device.ibdev_path);
}

static __attribute__((constructor)) void
find_cards(void)
{
	const char *folder = getenv("MLX5SIM");
	struct dirent **list;
	int n = folder != NULL ? scandir(folder, &list, NULL, alphasort) : 0;

	for (int i = 0; i < n; i++) {
		if (ncards < CARDS_MAX && plug(&cards[ncards], folder, list[i]->d_name))
			ncards++;
		free(list[i]);
	}
	if (n > 0)
		free(list);
}
