/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_cycles.h>

#include "base/irq.h"
#include "base/lane.h"
#include "base/notify.h"

#define AGAIN 16        /* a group that repeats it within so many of its times apart */
#define IOCTL_TRIES 100 /* of a millisecond each */
#define NS_PER_MS 1000000
#define REST_TIMES 4        /* the lane rests after a long one, so many times its length, */
#define REST_MAX_MS 100     /* so long at most */
#define UNPROVEN UINT32_MAX /* no group has so many offences */

struct irq_group {
	struct lane lane; /* first member: the reference count is its */
	/* [atomic] TSC, relaxed: threads that charge at once may forget less than a budget */
	_Atomic uint64_t since;     /* the window began */
	_Atomic uint64_t spent;     /* in that window */
	_Atomic uint64_t until;     /* set apart until then; 0: never was */
	_Atomic uint64_t apart_for; /* the last time */
	_Atomic uint64_t left;
	_Atomic uint32_t offences;
	atomic_uint busy;  /* interrupts in the lane */
	atomic_uint freed; /* eventfds that irq_free() has left to the lane */
};

struct irq {
	struct lane_job job; /* first member */
	/* [fixed] */
	struct irq_group *group;
	int fd;
	int (*ioctl)(int fd, unsigned long request, void *arg); /* NULL: fd is an eventfd */
	unsigned long request;
	uint32_t index;
	/* [ctl] of irq_free(); of the last reference afterwards */
	bool counted; /* in the group's freed */
	bool owed;    /* counts as a descriptor to close */
	/* [atomic] */
	_Atomic uint32_t proven; /* offences of the group when the lane last found it quick */
	atomic_bool pending;     /* in the lane */
	atomic_bool ended;       /* irq_free() */
	atomic_uint refs;
};

/* [fixed] once lcores run. EAL does not know before it is started, nor in tests without it. */
static uint64_t cycles_per_us = 3000;

void
irq_init(void)
{
	cycles_per_us = RTE_MAX(rte_get_tsc_hz() / US_PER_S, UINT64_C(1));
}

static uint64_t
ms(uint64_t n)
{
	return n * 1000 * cycles_per_us;
}

/* --- groups --- */

static void
group_release(struct lane *l)
{
	free(l);
}

struct irq_group *
irq_group_new(void)
{
	struct irq_group *g = calloc(1, sizeof(*g));

	if (g != NULL)
		lane_init(&g->lane, group_release);
	return g;
}

void
irq_group_free(struct irq_group *g)
{
	if (g != NULL)
		lane_put(&g->lane);
}

struct lane *
irq_group_lane(struct irq_group *g)
{
	return &g->lane;
}

static bool
is_apart(const struct irq_group *g)
{
	const uint64_t until = atomic_load_explicit(&g->until, memory_order_relaxed);

	return unlikely(until != 0) && rte_rdtsc() < until;
}

void
irq_group_info(const struct irq_group *g, struct irq_info *out)
{
	const uint64_t now = rte_rdtsc();
	const uint64_t until = atomic_load_explicit(&g->until, memory_order_relaxed);

	*out = (struct irq_info){
		.apart = now < until,
		.apart_ms = now < until ? (uint32_t)((until - now) / ms(1)) : 0,
		.offences = atomic_load_explicit(&g->offences, memory_order_relaxed),
		.left = atomic_load_explicit(&g->left, memory_order_relaxed),
		.waiting = atomic_load_explicit(&g->busy, memory_order_acquire),
	};
}

/* --- accounts --- */

static void
set_apart(struct irq_group *g, uint64_t now)
{
	const uint64_t until = atomic_load_explicit(&g->until, memory_order_relaxed);
	uint64_t length = atomic_load_explicit(&g->apart_for, memory_order_relaxed);

	if (now < until) /* another thread did */
		return;
	if (until == 0 || now - until > AGAIN * length)
		length = ms(IRQ_APART_MS);
	else
		length = RTE_MIN(2 * length, ms(IRQ_APART_MAX_MS));
	atomic_store_explicit(&g->apart_for, length, memory_order_relaxed);
	atomic_store_explicit(&g->until, now + length, memory_order_relaxed);
	atomic_fetch_add_explicit(&g->offences, 1, memory_order_relaxed);
}

/** A notification was made from @p start to @p end. */
static void
charge(struct irq_group *g, uint64_t start, uint64_t end)
{
	const uint64_t cost = end - start;

	if (likely(cost <= IRQ_ORDINARY_US * cycles_per_us))
		return;
	if (end - atomic_load_explicit(&g->since, memory_order_relaxed) > ms(IRQ_WINDOW_MS)) {
		atomic_store_explicit(&g->since, end, memory_order_relaxed);
		atomic_store_explicit(&g->spent, 0, memory_order_relaxed);
	}
	if (atomic_fetch_add_explicit(&g->spent, cost, memory_order_relaxed) + cost >
	    IRQ_BUDGET_US * cycles_per_us)
		set_apart(g, end);
}

static bool
notify_charged(struct irq_group *g, int fd)
{
	const uint64_t start = rte_rdtsc();

	if (!notify_peer(fd))
		return false;
	charge(g, start, rte_rdtsc());
	return true;
}

/** Whether the thread that raises it may make it: the lane has found that it is quick. */
static bool
is_direct(const struct irq *irq)
{
	return atomic_load_explicit(&irq->proven, memory_order_relaxed) ==
		       atomic_load_explicit(&irq->group->offences, memory_order_relaxed) &&
	       !is_apart(irq->group);
}

/* --- interrupts --- */

static void
irq_put(struct irq *irq)
{
	struct irq_group *g = irq->group;

	if (atomic_fetch_sub_explicit(&irq->refs, 1, memory_order_acq_rel) != 1)
		return;
	/* a device of the kernel's closes at once, and its owner counts on that */
	if (irq->counted) {
		atomic_fetch_sub_explicit(&g->freed, 1, memory_order_relaxed);
		lane_close(&g->lane, irq->fd);
		lane_let_go(&g->lane);
	} else {
		close(irq->fd);
	}
	if (irq->owed)
		lane_settle(&g->lane, 1);
	if (g != NULL)
		lane_put(&g->lane);
	free(irq);
}

/** The kernel refuses one that it has not been told the driver is ready for yet. */
static void
make_ioctl(struct irq *irq)
{
	const struct timespec pause = {.tv_nsec = NS_PER_MS};
	uint32_t index = irq->index;
	int i;

	for (i = 0; i < IOCTL_TRIES && !atomic_load(&irq->ended); i++) {
		if (irq->ioctl(irq->fd, irq->request, &index) == 0 || errno != EINVAL)
			return;
		nanosleep(&pause, NULL);
	}
}

/** The kernel's work has stopped the CPU, with interrupts off: leave it to others for a while. */
static void
rest_after(uint64_t cost)
{
	const uint64_t us = REST_TIMES * cost / cycles_per_us;
	const struct timespec pause = {.tv_nsec = (long)RTE_MIN(us, REST_MAX_MS * 1000ul) * 1000};

	nanosleep(&pause, NULL);
}

/** A quick one is made by those who raise it, until the group offends again. */
static void
make_eventfd(struct irq *irq)
{
	const uint32_t offences = atomic_load_explicit(&irq->group->offences, memory_order_relaxed);
	const uint64_t one = 1, start = rte_rdtsc();
	uint64_t cost;

	/* this thread may wait; asynchronous operations may be used up by other programs */
	if (!notify_peer(irq->fd))
		(void)!write(irq->fd, &one, sizeof(one));
	cost = rte_rdtsc() - start;
	charge(irq->group, start, start + cost);
	if (cost <= IRQ_QUICK_US * cycles_per_us)
		atomic_store_explicit(&irq->proven, offences, memory_order_relaxed);
	else if (is_apart(irq->group))
		rest_after(cost);
}

/** In the lane. An interrupt that is raised from here on is another one. */
static void
make(struct lane_job *j)
{
	struct irq *irq = (struct irq *)j;
	struct irq_group *g = irq->group;

	atomic_exchange_explicit(&irq->pending, false, memory_order_acq_rel);
	if (irq->ioctl != NULL)
		make_ioctl(irq);
	else
		make_eventfd(irq);
	lane_get(&g->lane);
	irq_put(irq);
	atomic_fetch_sub_explicit(&g->busy, 1, memory_order_release);
	lane_put(&g->lane);
}

/** Have it made in the lane, unless that is about to happen. */
static void
leave(struct irq *irq)
{
	struct irq_group *g = irq->group;

	if (atomic_exchange_explicit(&irq->pending, true, memory_order_acq_rel))
		return;
	atomic_fetch_add_explicit(&irq->refs, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&g->busy, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&g->left, 1, memory_order_relaxed);
	lane_submit(&g->lane, &irq->job);
}

struct irq *
irq_of_ioctl(struct irq_group *g, int (*fn)(int fd, unsigned long request, void *arg), int fd,
	     unsigned long request, uint32_t index)
{
	struct irq *irq = calloc(1, sizeof(*irq));

	if (irq == NULL) {
		close(fd);
		return NULL;
	}
	if (g != NULL)
		lane_get(&g->lane);
	irq->job.fn = make;
	irq->group = g;
	irq->fd = fd;
	irq->ioctl = fn;
	irq->request = request;
	irq->index = index;
	atomic_init(&irq->proven, UNPROVEN);
	atomic_init(&irq->refs, 1);
	return irq;
}

struct irq *
irq_of_eventfd(struct irq_group *g, int fd)
{
	return irq_of_ioctl(g, NULL, fd, 0, 0);
}

/** The lane may have others to make first: those of a peer that makes many are as many to close. */
static void
count_freed(struct irq *irq)
{
	struct irq_group *g = irq->group;

	if (g == NULL || irq->ioctl != NULL)
		return;
	irq->counted = true;
	lane_hold(&g->lane);
	irq->owed = atomic_fetch_add_explicit(&g->freed, 1, memory_order_relaxed) >= IRQ_FREED_MAX;
	if (irq->owed)
		lane_owe(&g->lane, 1);
}

void
irq_free(struct irq *irq)
{
	if (irq == NULL)
		return;
	atomic_store(&irq->ended, true);
	count_freed(irq);
	irq_put(irq);
}

int
irq_eventfd(const struct irq *irq)
{
	return irq == NULL || irq->ioctl != NULL ? -1 : irq->fd;
}

bool
irq_raise(struct irq *irq)
{
	if (irq == NULL)
		return false;
	if (irq->group == NULL)
		return notify_peer(irq->fd);
	if (likely(is_direct(irq)))
		return notify_charged(irq->group, irq->fd);
	leave(irq);
	return true;
}

void
irq_signal(struct irq_group *g, int fd)
{
	int copy = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	struct irq *irq = copy >= 0 ? irq_of_eventfd(g, copy) : NULL;

	if (irq == NULL) {
		(void)notify_charged(g, fd);
		return;
	}
	leave(irq);
	irq_free(irq);
}
