/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Notifications in both directions: the side that asked is told of the next thing to
 * happen, and two threads that sleep whenever they may never sleep for good.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_pause.h>

#include "model.h"
#include "base/irq.h"
#include "virtq/vq.h"

#define LOST_MS 5000 /* asleep for so long: the wake-up was lost */

static struct model_cfg
plain_cfg(enum vq_layout layout, bool event_idx, uint32_t size)
{
	return (struct model_cfg){
		.layout = layout,
		.size = size,
		.features = (layout == VQ_SPLIT_SWAP ? 0 : F(VIRTIO_F_VERSION_1)) |
			    (layout == VQ_PACKED ? F(VIRTIO_F_RING_PACKED) : 0) |
			    (event_idx ? F(VIRTIO_RING_F_EVENT_IDX) : 0),
		.plain = true,
		.start = {.avail_wrap = layout == VQ_PACKED, .used_wrap = layout == VQ_PACKED},
		.mix = {.max_len = 64},
		.rx_len = 128,
	};
}

/* Every test runs for each of these; the state is the case. */
static const struct notify_case {
	enum vq_layout layout;
	bool event_idx;
} cases[] = {
	{VQ_SPLIT, false},     {VQ_SPLIT, true},   {VQ_SPLIT_SWAP, false},
	{VQ_SPLIT_SWAP, true}, {VQ_PACKED, false}, {VQ_PACKED, true},
};

static void
send_n(struct model_guest *g, uint32_t n)
{
	struct model_frame f;

	frame_make(&f, 0, &g->cfg.mix);
	while (n-- > 0)
		assert_true(model_send(g, &f));
}

/** A device that arms or not and a driver that publishes twice, at every position of the ring. */
static void
driver_kicks_a_device_that_armed(void **state)
{
	const struct notify_case *c = *state;
	const struct model_cfg cfg =
		plain_cfg(c->layout, c->event_idx, c->layout == VQ_PACKED ? 7 : 8);
	struct model_guest *g = model_new(&cfg, 1), *sink = model_new(&cfg, 2);
	struct pktq *q = &g->tx.dev->q;
	struct rng r = rng_seed(3);

	for (uint32_t i = 0; i < 70000; i++) {
		const bool arm = rng_one_in(&r, 2);
		const uint32_t first = 1 + rng_below(&r, 3), second = rng_below(&r, 3);
		bool kick;

		if (arm)
			assert_false(pktq_ops(q)->arm(q));
		else
			pktq_ops(q)->disarm(q);
		send_n(g, first);
		kick = vqd_publish(&g->tx.drv);
		/* with EVENT_IDX a split ring cannot say "never": a kick every 2^16 is allowed */
		if (arm || !c->event_idx || c->layout == VQ_PACKED)
			assert_int_equal(kick, arm);
		send_n(g, second);
		kick = vqd_publish(&g->tx.drv);
		/* once is enough where the driver can tell */
		if (c->event_idx)
			assert_false(kick && arm);
		pktq_ops(q)->disarm(q);
		assert_int_equal(model_forward(g, sink, PKT_BATCH_MAX), first + second);
		assert_int_equal(model_reap(g), first + second);
	}
	model_free(g);
	model_free(sink);
}

/** The device interrupts by @p fd, which stays the caller's. Free the result. */
static struct irq *
interrupt_by(struct vq *vq, int fd)
{
	struct irq *irq = irq_of_eventfd(NULL, dup(fd));

	assert_non_null(irq);
	assert_null(vq_set_irq(vq, irq));
	return irq;
}

static uint64_t
interrupts(int fd)
{
	uint64_t n;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void
device_interrupts_a_driver_that_armed(void **state)
{
	const struct notify_case *c = *state;
	const struct model_cfg cfg =
		plain_cfg(c->layout, c->event_idx, c->layout == VQ_PACKED ? 7 : 8);
	struct model_guest *g = model_new(&cfg, 1), *sink = model_new(&cfg, 2);
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct irq *irq = interrupt_by(g->tx.dev, fd);
	struct rng r = rng_seed(3);

	for (uint32_t i = 0; i < MODEL_SCALE(70000); i++) {
		const bool arm = rng_one_in(&r, 2);
		const uint32_t n = 1 + rng_below(&r, 4);

		send_n(g, n);
		vqd_publish(&g->tx.drv);
		if (arm)
			assert_false(vqd_arm(&g->tx.drv));
		else
			vqd_disarm(&g->tx.drv);
		assert_int_equal(model_forward(g, sink, PKT_BATCH_MAX), n);
		if (arm || !c->event_idx || c->layout == VQ_PACKED)
			assert_int_equal(interrupts(fd), arm);
		else
			interrupts(fd);
		assert_int_equal(vqd_arm(&g->tx.drv), true);
		vqd_disarm(&g->tx.drv);
		assert_int_equal(model_reap(g), n);
	}
	model_free(g);
	model_free(sink);
	irq_free(irq);
	close(fd);
}

/** Frames reach a driver that takes each at once; then it arms, and @p more arrive. */
static void
pass_and_arm(struct model_guest *g, struct model_guest *sink, uint32_t taken, uint32_t more)
{
	struct model_frame f;

	for (uint32_t i = 0; i < taken + more; i++) {
		if (i == taken)
			assert_false(vqd_arm(&sink->rx.drv));
		send_n(g, 1);
		vqd_publish(&g->tx.drv);
		assert_int_equal(model_forward(g, sink, 1), 1);
		assert_int_equal(model_reap(g), 1);
		if (i >= taken)
			continue;
		assert_true(model_receive(sink, &f));
		assert_true(model_offer(sink));
		vqd_publish(&sink->rx.drv);
	}
}

/** A decision that was put off for laps finds a driver that armed at any position meanwhile. */
static void
deferred_decision_interrupts_a_driver_that_armed(void **state)
{
	const struct notify_case *c = *state;
	const uint32_t size = c->layout == VQ_PACKED ? 7 : 8;
	const struct model_cfg cfg = plain_cfg(c->layout, c->event_idx, size);
	struct model_guest *g = model_new(&cfg, 1), *sink = model_new(&cfg, 2);
	struct pktq *q = &sink->rx.dev->q;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct irq *irq = interrupt_by(sink->rx.dev, fd);
	struct rng r = rng_seed(5);
	struct model_frame f;

	q->can_defer = true;
	while (model_offer(sink))
		;
	vqd_publish(&sink->rx.drv);
	for (uint32_t i = 0; i < MODEL_SCALE(20000); i++) {
		const uint32_t more = 1 + rng_below(&r, 4);

		vqd_disarm(&sink->rx.drv);
		pass_and_arm(g, sink, rng_below(&r, 3 * size), more);
		assert_int_equal(interrupts(fd), 0);
		pktq_notify_deferred(q);
		assert_true(interrupts(fd) > 0);
		for (uint32_t n = 0; n < more; n++) {
			assert_true(model_receive(sink, &f));
			assert_true(model_offer(sink));
		}
		vqd_publish(&sink->rx.drv);
	}
	model_free(g);
	model_free(sink);
	irq_free(irq);
	close(fd);
}

static double
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/*
 * --- two threads in lockstep: one asks to be told while the other has something to tell ---
 *
 * Without one of the fences a try is lost about every two hundred times, if the
 * threads run at the same time.
 */

#define LITMUS_TRIES 300000
#define LITMUS_MAX_S MODEL_SCALE(1.5) /* enough when they do */

struct litmus {
	struct model_guest *g, *sink;
	bool device_arms; /* else the driver does */
	atomic_uint ready[2];
	atomic_bool stop;
	bool told; /* by the device thread: what its call returned */
};

/** Wait for the other thread; the two leave within a few cycles of each other. */
static void
meet(struct litmus *l, int self)
{
	const uint32_t n = atomic_fetch_add(&l->ready[self], 1) + 1;
	uint32_t spins = 0;

	while ((int32_t)(atomic_load(&l->ready[!self]) - n) < 0) {
		rte_pause();
		if (++spins % 1024 == 0)
			sched_yield();
	}
}

static void
stagger(struct rng *r)
{
	for (uint32_t n = rng_below(r, 400); n > 0; n--)
		rte_compiler_barrier();
}

static void *
litmus_device(void *arg)
{
	struct litmus *l = arg;
	struct pktq *q = &l->g->tx.dev->q;
	struct rng r = rng_seed(7);

	while (meet(l, 1), !atomic_load(&l->stop)) {
		stagger(&r);
		if (l->device_arms)
			l->told = pktq_ops(q)->arm(q);
		else
			model_forward(l->g, l->sink, 1);
		meet(l, 1);
	}
	return NULL;
}

/** One try; whether the side that asked learned of it, in one way or the other. */
static bool
litmus_try(struct litmus *l, int call, struct rng *r)
{
	struct vqd *d = &l->g->tx.drv;
	bool told;

	vqd_disarm(d);
	pktq_ops(&l->g->tx.dev->q)->disarm(&l->g->tx.dev->q);
	send_n(l->g, 1);
	if (!l->device_arms)
		vqd_publish(d);
	meet(l, 0);
	stagger(r);
	told = l->device_arms ? vqd_publish(d) : vqd_arm(d);
	meet(l, 0);
	if (l->device_arms) {
		told |= l->told;
		model_forward(l->g, l->sink, 1);
	}
	told |= interrupts(call) > 0;
	model_reap(l->g);
	return told;
}

static void
litmus_run(const struct notify_case *c, bool device_arms)
{
	const struct model_cfg cfg = plain_cfg(c->layout, c->event_idx, 16);
	struct litmus l = {.g = model_new(&cfg, 1),
			   .sink = model_new(&cfg, 2),
			   .device_arms = device_arms};
	int call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint32_t tries = 0, lost = 0;
	struct rng r = rng_seed(8);
	double end = seconds() + LITMUS_MAX_S;
	struct irq *irq = interrupt_by(l.g->tx.dev, call);
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, litmus_device, &l), 0);
	while (tries < LITMUS_TRIES && (tries % 64 != 0 || seconds() < end)) {
		lost += !litmus_try(&l, call, &r);
		tries++;
	}
	atomic_store(&l.stop, true);
	meet(&l, 0);
	pthread_join(thread, NULL);
	print_message("%u tries, %u lost\n", tries, lost);
	assert_int_equal(lost, 0);
	model_free(l.g);
	model_free(l.sink);
	irq_free(irq);
	close(call);
}

static void
arming_driver_misses_no_used_chain(void **state)
{
	litmus_run(*state, false);
}

static void
arming_device_misses_no_available_chain(void **state)
{
	litmus_run(*state, true);
}

/* --- two threads that sleep --- */

/** A guest whose frames come back to it. */
struct echo {
	struct model_guest *g;
	int kick, call;
	atomic_bool stop;
	atomic_uint lost_kicks;
	uint32_t device_sleeps;
};

/** Sleep until @p fd is written. False: nothing came. */
static bool
await(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (poll(&p, 1, LOST_MS) <= 0)
		return false;
	interrupts(fd);
	return true;
}

static void
dawdle(struct rng *r)
{
	for (uint32_t n = rng_below(r, 200); n > 0; n--)
		rte_pause();
}

static void *
device_thread(void *arg)
{
	struct echo *e = arg;
	struct pktq *q = &e->g->tx.dev->q;
	struct rng r = rng_seed(77);

	while (!atomic_load(&e->stop)) {
		if (model_forward(e->g, e->g, (uint16_t)(1 + rng_below(&r, 8))) > 0)
			continue;
		dawdle(&r);
		if (pktq_ops(q)->arm(q))
			continue;
		e->device_sleeps++;
		if (!await(e->kick) && !atomic_load(&e->stop))
			atomic_fetch_add(&e->lost_kicks, 1);
		pktq_ops(q)->disarm(q);
	}
	return NULL;
}

/** Send a few, sleep until all are back; returns whether they came. */
static bool
round_trip(struct echo *e, struct rng *r, uint32_t *sleeps)
{
	const uint32_t n = 1 + rng_below(r, 8);
	static struct model_frame f;
	uint32_t back = 0;

	send_n(e->g, n);
	vqd_flush(&e->g->tx.drv);
	while (back < n) {
		if (model_receive(e->g, &f)) {
			back++;
			continue;
		}
		dawdle(r);
		if (vqd_arm(&e->g->rx.drv))
			continue;
		++*sleeps;
		if (!await(e->call))
			return false;
		vqd_disarm(&e->g->rx.drv);
	}
	while (model_offer(e->g))
		;
	vqd_flush(&e->g->rx.drv);
	while (e->g->tx.drv.outstanding > 0)
		model_reap(e->g);
	return true;
}

/* Interrupts by an ioctl: how often it was made, and the eventfd it writes in place of a driver. */
static atomic_uint ioctls;

static int
interrupt_ioctl(int fd, unsigned long request, void *arg)
{
	atomic_fetch_add(&ioctls, 1);
	return eventfd_write(fd, 1);
}

/** The same as interrupt_by(), by an ioctl of @p group. */
static struct irq *
interrupt_by_ioctl(struct irq_group *group, struct vq *vq, int fd)
{
	struct irq *irq = irq_of_ioctl(group, interrupt_ioctl, dup(fd), 0, 0);

	assert_non_null(irq);
	assert_null(vq_set_irq(vq, irq));
	atomic_store(&ioctls, 0);
	return irq;
}

static void
print_rates(const struct notify_case *c, const struct pktq_stats *s)
{
	print_message("event index %s: %.0f interrupts decided on for 1000 frames, %.0f ioctls\n",
		      c->event_idx ? "on" : "off", 1e3 * (double)s->notified / (double)s->frames,
		      1e3 * (double)atomic_load(&ioctls) / (double)s->frames);
}

/** Echo for a while; @p group: interrupts are ioctls of it, NULL: eventfds. */
static void
echo_run(const struct notify_case *c, struct irq_group *group)
{
	const struct model_cfg cfg =
		plain_cfg(c->layout, c->event_idx, c->layout == VQ_PACKED ? 27 : 32);
	struct echo e = {.g = model_new(&cfg, 1)};
	struct rng r = rng_seed(5);
	uint32_t rounds = 0, sleeps = 0;
	double end = seconds() + MODEL_SCALE(1.0);
	struct irq *irq;
	pthread_t thread;
	bool ok = true;

	e.kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e.call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e.g->tx.drv.kick_fd = e.kick;
	irq = group != NULL ? interrupt_by_ioctl(group, e.g->rx.dev, e.call)
			    : interrupt_by(e.g->rx.dev, e.call);
	while (model_offer(e.g))
		;
	vqd_publish(&e.g->rx.drv);
	assert_int_equal(pthread_create(&thread, NULL, device_thread, &e), 0);
	for (; ok && (rounds < 100 || seconds() < end); rounds++)
		ok = round_trip(&e, &r, &sleeps);
	atomic_store(&e.stop, true);
	vqd_kick(&e.g->tx.drv);
	pthread_join(thread, NULL);
	print_message("%u round trips, driver slept %u times, device %u times\n", rounds, sleeps,
		      e.device_sleeps);
	assert_true(ok);
	assert_int_equal(e.lost_kicks, 0);
	assert_true(sleeps > 0 && e.device_sleeps > 0);
	if (group != NULL) {
		print_rates(c, &e.g->rx.dev->q.stats);
		/* suppressed before it is made, and made once for all that were raised meanwhile */
		assert_true(atomic_load(&ioctls) <= e.g->rx.dev->q.stats.notified);
	}
	model_free(e.g);
	irq_free(irq);
	close(e.kick);
	close(e.call);
}

static void
nobody_sleeps_for_good(void **state)
{
	echo_run(*state, NULL);
}

/** The driver is a kernel's, the interrupt an ioctl that a thread of the device's makes. */
static void
nobody_sleeps_for_good_by_ioctl(void **state)
{
	struct irq_group *group = irq_group_new();

	echo_run(*state, group);
	irq_group_free(group);
}

int
main(void)
{
	static const struct {
		const char *name;
		CMUnitTestFunction fn;
	} kinds[] = {
		{"driver_kicks_whoever_armed", driver_kicks_a_device_that_armed},
		{"device_interrupts_whoever_armed", device_interrupts_a_driver_that_armed},
		{"late_decision_interrupts_whoever_armed",
		 deferred_decision_interrupts_a_driver_that_armed},
		{"arming_driver_misses_no_used_chain", arming_driver_misses_no_used_chain},
		{"arming_device_misses_no_available_chain",
		 arming_device_misses_no_available_chain},
		{"nobody_sleeps_for_good", nobody_sleeps_for_good},
		{"nobody_sleeps_for_good_by_ioctl", nobody_sleeps_for_good_by_ioctl},
	};
	struct CMUnitTest tests[RTE_DIM(kinds) * RTE_DIM(cases)] = {0};

	for (size_t i = 0; i < RTE_DIM(tests); i++) {
		tests[i].name = kinds[i / RTE_DIM(cases)].name;
		tests[i].test_func = kinds[i / RTE_DIM(cases)].fn;
		tests[i].initial_state = (void *)(uintptr_t)&cases[i % RTE_DIM(cases)];
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
