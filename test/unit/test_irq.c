/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts that take long, or wait in the kernel: their port pays, and none is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/irq.h"
#include "base/lane.h"

#define SETS 300         /* epoll sets, */
#define COPIES 300       /* with each of so many descriptors of one eventfd */
#define ARRIVES_MS 30000 /* later than that is never */
#define FULL (UINT64_MAX - 1)

/* --- an eventfd the kernel takes milliseconds to signal, with 600 descriptors in use --- */

struct crowd {
	int fd, set[SETS], copy[COPIES];
};

static void
crowd_gather(struct crowd *c)
{
	c->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	for (int i = 0; i < COPIES; i++)
		assert_true((c->copy[i] = dup(c->fd)) >= 0);
	for (int s = 0; s < SETS; s++) {
		assert_true((c->set[s] = epoll_create1(EPOLL_CLOEXEC)) >= 0);
		for (int i = 0; i < COPIES; i++) {
			struct epoll_event e = {.events = EPOLLIN};

			assert_int_equal(epoll_ctl(c->set[s], EPOLL_CTL_ADD, c->copy[i], &e), 0);
		}
	}
}

static void
crowd_leave(struct crowd *c)
{
	for (int s = 0; s < SETS; s++)
		close(c->set[s]);
	for (int i = 0; i < COPIES; i++)
		close(c->copy[i]);
}

static bool
arrives(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t n;

	return poll(&p, 1, ARRIVES_MS) == 1 && read(fd, &n, sizeof(n)) == sizeof(n);
}

static struct irq_info
info_of(const struct irq_group *g)
{
	struct irq_info info;

	irq_group_info(g, &info);
	return info;
}

static void
assert_all_made(struct irq_group *g)
{
	for (uint32_t i = 0; info_of(g).waiting > 0; i++) {
		assert_true(i < ARRIVES_MS);
		usleep(1000);
	}
}

static void
dear_eventfds_are_left_to_the_lane(void **state)
{
	struct irq_group *g = irq_group_new();
	struct crowd c;
	struct irq *irq;

	crowd_gather(&c);
	irq = irq_of_eventfd(g, dup(c.fd));
	/* not even the first is made here */
	assert_true(irq_raise(irq));
	assert_int_equal(info_of(g).left, 1);
	assert_true(arrives(c.fd));
	assert_all_made(g);
	assert_true(info_of(g).apart);
	assert_int_equal(info_of(g).offences, 1);
	/* from here on it is the lane that pays; the guest looks at all there is once it is told */
	for (uint32_t i = 0; i < 50; i++) {
		assert_true(irq_raise(irq));
		irq_signal(g, c.fd);
		assert_true(arrives(c.fd));
	}
	assert_true(info_of(g).left > 0);
	print_message("%u ms apart, %u left\n", info_of(g).apart_ms, (unsigned)info_of(g).left);
	irq_free(irq);
	crowd_leave(&c);
	close(c.fd);
	irq_group_free(g);
}

/** Until the lane has found one quick: it may be preempted, and take long. */
static void
raise_until_quick(struct irq_group *g, struct irq *irq, int fd)
{
	for (uint64_t left = 0; left != info_of(g).left;) {
		left = info_of(g).left;
		assert_true(irq_raise(irq));
		assert_true(arrives(fd));
		assert_all_made(g);
	}
}

/** An eventfd is proven quick by the lane, each one by itself, and again after an offence. */
static void
quick_eventfds_are_signalled_at_once(void **state)
{
	struct irq_group *g = irq_group_new();
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	struct irq *irq = irq_of_eventfd(g, dup(fd)), *of_crowd, *other;
	struct crowd c;
	uint64_t left;

	assert_true(irq_raise(irq));
	assert_int_equal(info_of(g).left, 1);
	assert_true(arrives(fd));
	raise_until_quick(g, irq, fd);
	other = irq_of_eventfd(g, dup(fd));
	left = info_of(g).left;
	assert_true(irq_raise(other));
	assert_int_equal(info_of(g).left, left + 1);
	assert_true(arrives(fd));
	assert_all_made(g);

	crowd_gather(&c);
	of_crowd = irq_of_eventfd(g, dup(c.fd));
	assert_true(irq_raise(of_crowd));
	assert_all_made(g);
	while (info_of(g).apart)
		usleep(10000);
	left = info_of(g).left;
	assert_true(irq_raise(irq));
	assert_int_equal(info_of(g).left, left + 1);
	assert_true(arrives(fd));
	assert_all_made(g);
	raise_until_quick(g, irq, fd);
	irq_free(irq);
	irq_free(other);
	irq_free(of_crowd);
	crowd_leave(&c);
	close(c.fd);
	close(fd);
	irq_group_free(g);
}

/** Raised, and then the ring ends: the guest may wait for it. */
static void
freed_eventfds_are_signalled(void **state)
{
	struct irq_group *g = irq_group_new();

	for (uint32_t i = 0; i < 1000; i++) {
		int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		struct irq *irq = irq_of_eventfd(g, dup(fd));

		assert_true(irq_raise(irq));
		irq_free(irq);
		assert_true(arrives(fd));
		close(fd);
	}
	irq_group_free(g);
}

/** The time apart ends, and is longer when it begins anew. */
static void
trust_comes_back_and_goes_for_longer(void **state)
{
	struct irq_group *g = irq_group_new();
	struct irq_info info;
	struct crowd c;
	struct irq *irq;

	crowd_gather(&c);
	irq = irq_of_eventfd(g, dup(c.fd));
	for (uint32_t offences = 1; offences <= 2; offences++) {
		assert_true(irq_raise(irq));
		assert_int_equal(info_of(g).left, offences);
		assert_all_made(g);
		info = info_of(g);
		assert_int_equal(info.offences, offences);
		assert_true(info.apart);
		while (info_of(g).apart)
			usleep(10000);
		assert_true(arrives(c.fd));
	}
	assert_true(info.apart_ms > IRQ_APART_MS);
	irq_free(irq);
	crowd_leave(&c);
	close(c.fd);
	irq_group_free(g);
}

/** Hundreds of full, blocking ones, of a group that is set apart and of one that is not. */
static void
full_counters_hold_nobody(void **state)
{
	struct irq_group *g = irq_group_new();
	const uint64_t full = FULL;
	struct irq *irq[256];
	struct crowd c;
	int fd[256];

	crowd_gather(&c);
	for (uint32_t i = 0; i < 256; i++) {
		fd[i] = eventfd(0, EFD_CLOEXEC);
		assert_int_equal(write(fd[i], &full, sizeof(full)), sizeof(full));
		irq[i] = irq_of_eventfd(g, dup(fd[i]));
	}
	for (uint32_t round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 256; i++) {
			assert_true(irq_raise(irq[i]));
			irq_signal(g, fd[i]);
		}
		irq_signal(g, c.fd); /* sets it apart */
		assert_all_made(g);
	}
	assert_true(info_of(g).offences > 0);
	assert_true(info_of(g).left > 0);
	/* they do not hold the lane either */
	assert_all_made(g);
	for (uint32_t i = 0; i < 256; i++) {
		irq_free(irq[i]);
		close(fd[i]);
	}
	crowd_leave(&c);
	close(c.fd);
	irq_group_free(g);
}

/* --- ioctls --- */

static struct {
	sem_t go, made;
	pthread_t by;
	atomic_uint calls, refused;
} dev;

static int
slow_ioctl(int fd, unsigned long request, void *arg)
{
	assert_int_equal(request, 17);
	assert_int_equal(*(uint32_t *)arg, 3);
	if (dev.refused > 0) {
		dev.refused--;
		errno = EINVAL;
		return -1;
	}
	dev.by = pthread_self();
	dev.calls++;
	sem_post(&dev.made);
	sem_wait(&dev.go);
	return 0;
}

static int
quick_ioctl(int fd, unsigned long request, void *arg)
{
	sem_post(&dev.made);
	return 0;
}

static void
dev_reset(void)
{
	sem_init(&dev.go, 0, 0);
	sem_init(&dev.made, 0, 0);
	dev.calls = dev.refused = 0;
}

static void
ioctls_that_wait_hold_their_lane_alone(void **state)
{
	struct irq_group *g = irq_group_new(), *neighbour = irq_group_new();
	struct irq *irq, *other;

	dev_reset();
	irq = irq_of_ioctl(g, slow_ioctl, dup(0), 17, 3);
	other = irq_of_ioctl(neighbour, quick_ioctl, dup(0), 17, 3);
	assert_true(irq_raise(irq));
	sem_wait(&dev.made);
	assert_false(pthread_equal(dev.by, pthread_self()));
	for (uint32_t i = 0; i < 1000; i++) {
		assert_true(irq_raise(irq));
		assert_true(irq_raise(other));
		sem_wait(&dev.made);
	}
	assert_true(info_of(g).waiting > 0);
	/* raised while the first was being made: once more, for all of them */
	sem_post(&dev.go);
	sem_wait(&dev.made);
	sem_post(&dev.go);
	assert_all_made(g);
	assert_int_equal(dev.calls, 2);
	assert_int_equal(info_of(g).left, 2);
	irq_free(irq);
	irq_free(other);
	irq_group_free(g);
	irq_group_free(neighbour);
}

static void
refused_ioctls_are_tried_again(void **state)
{
	struct irq_group *g = irq_group_new();
	struct irq *irq;

	dev_reset();
	dev.refused = 5;
	irq = irq_of_ioctl(g, slow_ioctl, dup(0), 17, 3);
	assert_true(irq_raise(irq));
	sem_post(&dev.go);
	sem_wait(&dev.made);
	assert_all_made(g);
	assert_int_equal(dev.calls, 1);
	irq_free(irq);
	irq_group_free(g);
}

/** They hold a descriptor each: who makes more than a guest has rings for has to wait. */
static void
freed_eventfds_are_bounded(void **state)
{
	struct irq_group *g = irq_group_new();
	const struct lane *lane = irq_group_lane(g);
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	struct irq *slow, *irq;
	uint32_t i;

	dev_reset();
	slow = irq_of_ioctl(g, slow_ioctl, dup(0), 17, 3);
	assert_true(irq_raise(slow));
	sem_wait(&dev.made);
	for (i = 0; i < IRQ_FREED_MAX; i += 2) {
		irq = irq_of_eventfd(g, dup(fd));
		assert_true(irq_raise(irq));
		irq_free(irq);
		irq_signal(g, fd);
		assert_int_equal(lane_closing(lane), 0);
	}
	for (i = 0; i < 20; i += 2) {
		irq = irq_of_eventfd(g, dup(fd));
		assert_true(irq_raise(irq));
		irq_free(irq);
		assert_int_equal(lane_closing(lane), i + 1);
		irq_signal(g, fd);
		assert_int_equal(lane_closing(lane), i + 2);
	}
	sem_post(&dev.go);
	assert_true(arrives(fd));
	while (lane_closing(lane) > 0)
		usleep(1000);
	irq_free(slow);
	close(fd);
	irq_group_free(g);
}

/** One that its owner has freed is about to be closed, though its notification is not made yet. */
static void
freed_eventfds_are_about_to_be_closed(void **state)
{
	struct irq_group *g = irq_group_new();
	const struct lane *lane = irq_group_lane(g);
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	struct irq *slow, *irq = irq_of_eventfd(g, dup(fd));

	dev_reset();
	slow = irq_of_ioctl(g, slow_ioctl, dup(0), 17, 3);
	assert_true(irq_raise(slow));
	sem_wait(&dev.made);
	assert_true(irq_raise(irq));
	assert_false(lane_is_closing(lane));
	irq_free(irq);
	assert_true(lane_is_closing(lane));
	assert_int_equal(lane_closing(lane), 0);
	sem_post(&dev.go);
	assert_true(arrives(fd));
	while (lane_is_closing(lane))
		usleep(1000);
	irq_free(slow);
	assert_false(lane_is_closing(lane));
	close(fd);
	irq_group_free(g);
}

/** One that waits behind another is not made once its owner has freed it. */
static void
freed_interrupts_are_not_made(void **state)
{
	struct irq_group *g = irq_group_new();
	struct irq *first, *second;

	dev_reset();
	first = irq_of_ioctl(g, slow_ioctl, dup(0), 17, 3);
	second = irq_of_ioctl(g, slow_ioctl, dup(0), 17, 3);
	assert_true(irq_raise(first));
	sem_wait(&dev.made);
	assert_true(irq_raise(second));
	irq_free(second);
	irq_free(first);
	irq_group_free(g); /* the lane still has it */
	sem_post(&dev.go);
	/* a group made later is served by any thread: nothing of the first may come in between */
	g = irq_group_new();
	first = irq_of_ioctl(g, quick_ioctl, dup(0), 17, 3);
	irq_raise(first);
	sem_wait(&dev.made);
	assert_int_equal(dev.calls, 1);
	irq_free(first);
	irq_group_free(g);
}

/* --- the lane --- */

#define JOBS 20000

struct counted {
	struct lane_job job; /* first member */
	uint32_t number;
};

static struct {
	struct lane lane;
	atomic_uint last, wrong, freed;
	struct counted job[JOBS];
} line;

static void
count(struct lane_job *j)
{
	const struct counted *c = (struct counted *)j;

	if (c->number != line.last++)
		line.wrong++;
}

static void
line_freed(struct lane *l)
{
	line.freed++;
}

static void
jobs_are_done_in_their_order(void **state)
{
	lane_init(&line.lane, line_freed);
	for (uint32_t i = 0; i < JOBS; i++) {
		line.job[i] = (struct counted){.job.fn = count, .number = i};
		lane_submit(&line.lane, &line.job[i].job);
	}
	lane_put(&line.lane);
	while (line.freed == 0)
		usleep(100);
	assert_int_equal(line.last, JOBS);
	assert_int_equal(line.wrong, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dear_eventfds_are_left_to_the_lane),
		cmocka_unit_test(quick_eventfds_are_signalled_at_once),
		cmocka_unit_test(freed_eventfds_are_signalled),
		cmocka_unit_test(trust_comes_back_and_goes_for_longer),
		cmocka_unit_test(full_counters_hold_nobody),
		cmocka_unit_test(ioctls_that_wait_hold_their_lane_alone),
		cmocka_unit_test(refused_ioctls_are_tried_again),
		cmocka_unit_test(freed_eventfds_are_bounded),
		cmocka_unit_test(freed_eventfds_are_about_to_be_closed),
		cmocka_unit_test(freed_interrupts_are_not_made),
		cmocka_unit_test(jobs_are_done_in_their_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
