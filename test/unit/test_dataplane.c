/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Publication: what control may rely on after dp_publish(), and how workers
 * sleep and wake. Workers are plain threads, queues are fakes that notice when
 * two threads use one at the same time or after it was taken away.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_mbuf.h>

#include "eal.h"
#include "switch/dataplane_worker.h"
#include "switch/poll.h"
#include "switch/port.h"
#include "switch/publish.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"

#define WORKERS 3
#define PORTS 8
#define PAIRS 4
#define ROUNDS 300

/* --- queues that watch their owner --- */

struct fakeq {
	struct pktq q;
	atomic_int users;  /* threads inside, at most one */
	atomic_bool taken; /* control owns it: no worker may come */
	atomic_uint polled;
	atomic_uint frames; /* waiting */
	atomic_bool armed;
	uint32_t notified;
};

static atomic_uint violations;

static void
enter(struct fakeq *f)
{
	if (atomic_fetch_add(&f->users, 1) != 0 || atomic_load(&f->taken))
		atomic_fetch_add(&violations, 1);
}

static void
leave(struct fakeq *f)
{
	atomic_fetch_sub(&f->users, 1);
}

static uint16_t
fake_rx(struct pktq *q, struct pkt_batch *b)
{
	struct fakeq *f = (struct fakeq *)q;

	enter(f);
	atomic_fetch_add(&f->polled, 1);
	b->n = b->ndone = (uint16_t)atomic_exchange(&f->frames, 0);
	sched_yield(); /* let others make mistakes */
	leave(f);
	return b->n;
}

static void
fake_rx_done(struct pktq *q, struct pkt_batch *b)
{
	enter((struct fakeq *)q);
	q->deferred = q->can_defer;
	leave((struct fakeq *)q);
}

static void
fake_notify(struct pktq *q)
{
	struct fakeq *f = (struct fakeq *)q;

	enter(f);
	f->notified += q->deferred;
	q->deferred = false;
	leave(f);
}

static bool
fake_arm(struct pktq *q)
{
	struct fakeq *f = (struct fakeq *)q;

	enter(f);
	atomic_store(&f->armed, true);
	leave(f);
	return atomic_load(&f->frames) != 0;
}

static void
fake_disarm(struct pktq *q)
{
	struct fakeq *f = (struct fakeq *)q;

	enter(f);
	atomic_store(&f->armed, false);
	leave(f);
}

static uint16_t
fake_tx(struct pktq *q, struct pkt *const *pkts, uint16_t n)
{
	return n;
}

static void
fake_flush(struct pktq *q)
{
}

static const struct pktq_ops fake_ops = {
	.rx = fake_rx,
	.rx_done = fake_rx_done,
	.tx = fake_tx,
	.arm = fake_arm,
	.disarm = fake_disarm,
	.notify = fake_notify,
	.flush = fake_flush,
};

static void
swallow(struct worker *w, const struct dataplane *dp, const struct dp_port *in, struct pktq *rxq,
	struct pkt_batch *batch)
{
	rxq->stats.drop[DROP_RX_NO_EGRESS] += batch->n;
}

static const struct fwd_mode test_mode = {.name = "test", .forward = swallow};

/* --- ports of such queues --- */

struct fakeport {
	struct port p;
	struct fakeq rx[PAIRS], tx[PAIRS];
	bool running[PAIRS];
	bool closed;
};

static struct sw sw;
static struct fakeport ports[PORTS];
static struct worker *workers[WORKERS];
static pthread_t threads[WORKERS];
static atomic_bool stop, may_sleep;

static void
fake_queues(struct port *p, struct port_queues *out)
{
	struct fakeport *f = (struct fakeport *)p;

	for (uint32_t i = 0; i < PAIRS; i++) {
		if (!f->running[i])
			continue;
		out->discard[out->nrx] = false;
		out->rx[out->nrx++] = &f->rx[i].q;
		out->tx[out->ntx++] = &f->tx[i].q;
	}
}

static const struct pktq *
fake_queue(const struct port *p, bool tx, uint16_t index)
{
	const struct fakeport *f = (const struct fakeport *)p;

	if (index >= PAIRS)
		return NULL;
	return tx ? &f->tx[index].q : &f->rx[index].q;
}

static bool
fake_queue_stats(const struct port *p, bool tx, uint16_t index, struct pktq_stats *out)
{
	return port_read_queue(fake_queue(p, tx, index), out);
}

static void
fake_close(struct port *p)
{
	((struct fakeport *)p)->closed = true;
}

static const struct port_ops fake_port_ops = {
	.kind = "fake",
	.queues = fake_queues,
	.stats = fake_queue_stats,
	.close = fake_close,
};

static void
fakeq_init(struct fakeq *f, uint16_t port, uint16_t index)
{
	*f = (struct fakeq){.q = {.port = port, .index = index, .event_fd = -1}};
	atomic_init(&f->q.ops, &fake_ops);
}

static void
fakeport_init(struct fakeport *f, uint16_t n)
{
	memset(f, 0, sizeof(*f));
	f->p.ops = &fake_port_ops;
	snprintf(f->p.name, sizeof(f->p.name), "fake%u", n);
	for (uint16_t i = 0; i < PAIRS; i++) {
		fakeq_init(&f->rx[i], n, i);
		fakeq_init(&f->tx[i], n, i);
		f->tx[i].q.can_backlog = i % 2 == 0;
		f->rx[i].q.event_fd = eventfd(0, EFD_NONBLOCK);
	}
}

/* --- workers --- */

static void *
worker_main(void *arg)
{
	struct worker *w = arg;

	dp_online(w->ctl, w->id);
	while (!atomic_load(&stop)) {
		uint32_t n = worker_poll(w, dp_live(w->ctl));

		worker_end_poll(w, n);
		if (n == 0 && atomic_load(&may_sleep))
			worker_idle(w, dp_live(w->ctl));
	}
	worker_end_poll(w, 0);
	dp_offline(w->ctl, w->id);
	return NULL;
}

static int
start(uint32_t nworkers, bool sleepy)
{
	const struct fdb_config cfg = {.limit = 1000, .ageing_s = 300};

	atomic_store(&violations, 0);
	atomic_store(&stop, false);
	atomic_store(&may_sleep, sleepy);
	if (sw_init(&sw, nworkers, &cfg, NULL, NULL) != 0)
		return -1;
	sw.mode = &test_mode;
	for (uint16_t i = 0; i < PORTS; i++) {
		fakeport_init(&ports[i], i);
		if (sw_port_add(&sw, &ports[i].p) != 0)
			return -1;
	}
	for (uint32_t i = 0; i < nworkers; i++) {
		workers[i] = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(struct worker));
		memset(workers[i], 0, sizeof(struct worker));
		workers[i]->id = i;
		workers[i]->ctl = &sw.dp;
		pthread_create(&threads[i], NULL, worker_main, workers[i]);
	}
	return 0;
}

static int
setup_polling(void **state)
{
	return start(WORKERS, false);
}

static int
setup_sleepy(void **state)
{
	return start(1, true);
}

static int
teardown(void **state)
{
	uint32_t n = sw.dp.nworkers;

	atomic_store(&stop, true);
	dp_wake(&sw.dp);
	for (uint32_t i = 0; i < n; i++) {
		pthread_join(threads[i], NULL);
		free(workers[i]);
	}
	sw_fini(&sw);
	for (uint16_t i = 0; i < PORTS; i++) {
		assert_true(ports[i].closed);
		for (uint16_t k = 0; k < PAIRS; k++)
			close(ports[i].rx[k].q.event_fd);
	}
	assert_int_equal(violations, 0);
	return 0;
}

#define WAIT_ROUNDS 60000 /* of a millisecond, and more on a busy machine */

/* Wait until @p v changes from @p from; false when it does not. */
static bool
changes(atomic_uint *v, unsigned int from)
{
	for (uint32_t i = 0; i < WAIT_ROUNDS; i++) {
		if (atomic_load(v) != from)
			return true;
		usleep(1000);
	}
	return false;
}

static bool
asleep(void)
{
	for (uint32_t i = 0; i < WAIT_ROUNDS; i++) {
		if (atomic_load(&sw.dp.worker[0].asleep))
			return true;
		usleep(1000);
	}
	return false;
}

/* --- ownership --- */

/* After dp_publish() a queue that is not in the snapshot is control's. */
static void
test_taken_away(void **state)
{
	sw_start(&sw, true);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		struct fakeport *f = &ports[random() % PORTS];
		uint32_t k = (uint32_t)random() % PAIRS;

		for (uint32_t j = 0; j < PORTS; j++)
			atomic_store(&ports[j].rx[random() % PAIRS].frames, 1);
		f->running[k] ^= true;
		if (f->running[k])
			atomic_store(&f->rx[k].taken, false);
		sw_publish(&sw);
		if (!f->running[k])
			atomic_store(&f->rx[k].taken, true);
	}
	assert_int_equal(violations, 0);
}

static void
run_all(void)
{
	for (uint32_t i = 0; i < PORTS; i++)
		memset(ports[i].running, true, sizeof(ports[i].running));
	sw_publish(&sw);
}

static uint32_t
polls_of(uint32_t worker)
{
	return dp_live(&sw.dp)->worker[worker].n;
}

/* Queues change workers all the time: never two at once, and none is forgotten. */
static void
test_moves_between_workers(void **state)
{
	run_all();
	sw_start(&sw, true);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		for (uint32_t k = 0; k < 5; k++)
			ports[random() % PORTS].p.placed[random() % PAIRS] =
				(uint8_t)(random() % WORKERS);
		sw_publish(&sw);
		assert_int_equal(polls_of(0) + polls_of(1) + polls_of(2), PORTS * PAIRS);
	}
	for (uint32_t i = 0; i < PORTS; i++)
		for (uint32_t k = 0; k < PAIRS; k++)
			assert_true(changes(&ports[i].rx[k].polled,
					    atomic_load(&ports[i].rx[k].polled)));
	assert_int_equal(violations, 0);
}

static void
test_placement(void **state)
{
	const struct dataplane *dp;

	run_all();
	for (uint32_t w = 0; w < WORKERS; w++)
		assert_in_range(polls_of(w), PORTS * PAIRS / WORKERS, PORTS * PAIRS / WORKERS + 1);
	/* a queue that goes and comes stays with its worker */
	ports[3].running[1] = false;
	sw_publish(&sw);
	ports[3].running[1] = true;
	ports[4].running[0] = false;
	sw_publish(&sw);
	dp = dp_live(&sw.dp);
	assert_int_equal(ports[3].p.owner[1], ports[3].p.placed[1]);
	assert_int_equal(ports[4].p.owner[0], PORT_WORKER_NONE);
	assert_int_equal(dp->by_id[4]->nrx, PAIRS - 1);
	assert_true(ports[0].tx[0].q.shared);
	/* fewer workers get queues */
	sw.nactive = 1;
	sw_publish(&sw);
	assert_int_equal(polls_of(0), PORTS * PAIRS - 1);
	assert_int_equal(polls_of(1) + polls_of(2), 0);
	for (uint32_t i = 0; i < polls_of(0); i++)
		assert_true(dp_live(&sw.dp)->worker[0].poll[i].several);
	/* others than the first */
	sw.nactive = 2;
	sw.active[0] = 2;
	sw.active[1] = 1;
	sw_publish(&sw);
	assert_int_equal(polls_of(0), 0);
	assert_in_range(polls_of(1), PORTS * PAIRS / 2 - 1, PORTS * PAIRS / 2 + 1);
	assert_int_equal(polls_of(1) + polls_of(2), PORTS * PAIRS - 1);
}

static void
test_stopped_is_not_touched(void **state)
{
	unsigned int polled;

	run_all();
	sw_start(&sw, true);
	assert_true(changes(&ports[0].rx[0].polled, 0));
	sw_start(&sw, false);
	polled = atomic_load(&ports[0].rx[0].polled);
	usleep(5000);
	assert_int_equal(ports[0].rx[0].polled, polled);
}

/* --- the snapshot's contents --- */

static uint16_t
peer(uint16_t port)
{
	return dp_live(&sw.dp)->by_id[port]->peer->id;
}

static void
test_topology(void **state)
{
	static const uint16_t list[] = {5, 2, 7};

	ports[0].running[0] = true;
	sw_publish(&sw);
	assert_int_equal(peer(0), 1);
	assert_int_equal(peer(1), 0);
	assert_int_equal(peer(7), 6);
	assert_int_equal(dp_live(&sw.dp)->nports, 1); /* nothing else can be sent to */
	sw.topology = SW_CHAINED;
	sw_publish(&sw);
	assert_int_equal(peer(0), 1);
	assert_int_equal(peer(7), 0);
	sw.topology = SW_LOOP;
	sw_publish(&sw);
	assert_int_equal(peer(5), 5);
	sw.topology = SW_PAIRED;
	sw_list_ports(&sw, list, RTE_DIM(list));
	sw_publish(&sw);
	assert_int_equal(peer(5), 2);
	assert_int_equal(peer(2), 5);
	assert_int_equal(peer(7), 7); /* odd one out */
	assert_null(dp_live(&sw.dp)->by_id[0]);
	assert_int_equal(ports[0].p.owner[0], PORT_WORKER_NONE);
	sw_list_ports(&sw, list, 0); /* an empty list is a list */
	sw_publish(&sw);
	assert_null(dp_live(&sw.dp)->by_id[5]);
}

static void
test_ports_come_and_go(void **state)
{
	static struct fakeport more, same;

	fakeport_init(&more, 100);
	fakeport_init(&same, 100);
	more.running[0] = more.running[1] = true;
	assert_int_equal(sw_port_add(&sw, &more.p), 0);
	assert_int_equal(more.p.id, PORTS);
	assert_int_equal(sw_port_add(&sw, &same.p), -EEXIST);
	sw_publish(&sw);
	assert_non_null(dp_live(&sw.dp)->by_id[PORTS]->flows);
	assert_ptr_equal(sw_port_by_name(&sw, "fake100"), &more.p);
	sw_port_remove(&sw, &more.p);
	assert_true(more.closed);
	assert_null(dp_live(&sw.dp)->by_id[PORTS]);
	assert_null(sw_port_by_name(&sw, "fake100"));
	same.p.id = PORTS + 3;
	assert_int_equal(sw_port_add(&sw, &same.p), 0);
	assert_int_equal(same.p.id, PORTS + 3);
	sw_port_remove(&sw, &same.p);
	for (uint32_t i = 0; i < PAIRS; i++) {
		close(more.rx[i].q.event_fd);
		close(same.rx[i].q.event_fd);
	}
}

static void
test_stats(void **state)
{
	struct baseline started = {0};
	struct port_stats s;
	struct pktq_stats q;

	ports[0].rx[0].q.stats.frames = 10;
	ports[0].rx[3].q.stats.frames = 5;
	ports[0].rx[3].q.stats.drop[DROP_NUM - 1] = 3;
	ports[0].tx[1].q.stats.bytes = 7;
	port_get_stats(&ports[0].p, &s);
	assert_int_equal(s.rx.frames, 15);
	assert_int_equal(s.rx.drop[DROP_NUM - 1], 3);
	assert_int_equal(s.tx.bytes, 7);
	baseline_take(&ports[0].p.cleared, &ports[0].p);
	ports[0].rx[0].q.stats.frames = 11;
	port_get_stats(&ports[0].p, &s);
	assert_int_equal(s.rx.frames, 1);
	assert_int_equal(s.rx.drop[DROP_NUM - 1], 0);
	/* queues count from there, too, and two baselines do not touch each other */
	baseline_take(&started, &ports[0].p);
	ports[0].rx[0].q.stats.frames = 15;
	assert_true(baseline_queue(&ports[0].p.cleared, &ports[0].p, false, 0, &q));
	assert_int_equal(q.frames, 5);
	assert_true(baseline_queue(&started, &ports[0].p, false, 0, &q));
	assert_int_equal(q.frames, 4);
	assert_false(baseline_queue(&started, &ports[0].p, false, 1000, &q));
	baseline_stats(&started, &ports[0].p, &s);
	assert_int_equal(s.rx.frames, 4);
	baseline_free(&started);
	assert_true(baseline_queue(&started, &ports[0].p, false, 0, &q));
	assert_int_equal(q.frames, 15);
}

/* --- sleeping --- */

static void
notify(struct fakeq *f)
{
	eventfd_write(f->q.event_fd, 1);
}

/* The worker has come to rest: it sleeps and nothing wakes it. */
static unsigned int
settled(struct fakeq *f)
{
	unsigned int polled;

	do {
		polled = atomic_load(&f->polled);
		usleep(3000);
	} while (!asleep() || atomic_load(&f->polled) != polled);
	return polled;
}

/* The worker sleeps and has armed the queue; it may wake once more in between. */
static bool
sleeps_armed(const struct fakeq *f)
{
	for (uint32_t i = 0; i < WAIT_ROUNDS && !(asleep() && atomic_load(&f->armed)); i++)
		usleep(1000);
	return atomic_load(&f->armed);
}

static void
test_wakes_on_notification(void **state)
{
	unsigned int polled;

	run_all();
	sw_start(&sw, true);
	settled(&ports[0].rx[0]); /* publishing may wake it once more than needed */
	for (uint32_t i = 0; i < 50; i++) {
		struct fakeq *f = &ports[i % PORTS].rx[i % PAIRS];

		assert_true(sleeps_armed(f));
		polled = atomic_load(&f->polled);
		atomic_store(&f->frames, 1);
		notify(f);
		assert_true(changes(&f->polled, polled));
	}
	assert_true(asleep());
	assert_int_equal(ports[1].rx[1].q.stats.drop[DROP_RX_NO_EGRESS], 7);
}

static void
test_wakes_on_publish(void **state)
{
	uint64_t generation;

	run_all();
	sw_start(&sw, true);
	for (uint32_t i = 0; i < 50; i++) {
		assert_true(asleep());
		ports[0].running[0] ^= true;
		generation = dp_live(&sw.dp)->generation;
		sw_publish(&sw);
		assert_true(dp_live(&sw.dp)->generation > generation);
		assert_true(
			changes(&ports[1].rx[0].polled, atomic_load(&ports[1].rx[0].polled) - 1));
	}
}

/* A process that still holds the eventfd of a queue that is gone cannot wake the worker with it. */
static void
test_gone_queue_is_silent(void **state)
{
	struct fakeq *gone = &ports[0].rx[0], *stays = &ports[0].rx[1];
	unsigned int polled;
	int dup_fd = dup(gone->q.event_fd);

	ports[0].running[0] = ports[0].running[1] = true;
	sw_start(&sw, true);
	ports[0].running[0] = false;
	sw_publish(&sw);
	close(gone->q.event_fd);
	gone->q.event_fd = -1;
	polled = settled(stays);
	for (uint32_t i = 0; i < 5; i++) {
		eventfd_write(dup_fd, 1);
		usleep(2000);
	}
	assert_int_equal(stays->polled, polled);
	notify(stays);
	assert_true(changes(&stays->polled, polled));
	close(dup_fd);
}

/* Two queues may have one eventfd: as long as one of them runs, it wakes. */
static void
test_common_event_fd(void **state)
{
	struct fakeq *a = &ports[0].rx[0], *b = &ports[0].rx[1];
	int own = b->q.event_fd;
	unsigned int polled;

	b->q.event_fd = a->q.event_fd;
	ports[0].running[0] = ports[0].running[1] = true;
	sw_start(&sw, true);
	assert_false(dp_live(&sw.dp)->worker[0].must_poll);
	ports[0].running[0] = false;
	sw_publish(&sw);
	polled = settled(b);
	notify(b);
	assert_true(changes(&b->polled, polled));
	ports[0].running[1] = false;
	sw_publish(&sw);
	b->q.event_fd = own;
}

/* Something epoll does not take, or no event fd at all: the worker naps, and looks. */
static void
test_unwatchable_must_poll(void **state)
{
	struct fakeq *f = &ports[0].rx[0];
	int own = f->q.event_fd;
	uint64_t sleeps;
	int file = open("/proc/self/exe", O_RDONLY);

	ports[0].running[0] = true;
	f->q.event_fd = file;
	sw_start(&sw, true);
	assert_true(dp_live(&sw.dp)->worker[0].must_poll);
	assert_true(changes(&f->polled, atomic_load(&f->polled)));
	sw_start(&sw, false);
	f->q.event_fd = -1;
	sw_start(&sw, true);
	assert_true(dp_live(&sw.dp)->worker[0].must_poll);
	sleeps = __atomic_load_n(&workers[0]->sleeps, __ATOMIC_RELAXED);
	for (int i = 0; i < 10; i++)
		assert_true(changes(&f->polled, atomic_load(&f->polled)));
	assert_true(__atomic_load_n(&workers[0]->sleeps, __ATOMIC_RELAXED) > sleeps);
	sw_start(&sw, false);
	f->q.event_fd = own;
	sw_start(&sw, true);
	assert_false(dp_live(&sw.dp)->worker[0].must_poll);
	assert_true(asleep());
	close(file);
}

/* Frames that come between the last poll and arming: not slept through, their queue is disarmed. */
static void
test_arm_finds_frames(void **state)
{
	const struct dataplane *dp;

	run_all();
	sw_start(&sw, true);
	settled(&ports[0].rx[0]);
	atomic_store(&may_sleep, false);
	notify(&ports[0].rx[0]);
	while (atomic_load(&sw.dp.worker[0].asleep))
		usleep(1000);
	/* this thread is the worker for a moment */
	atomic_store(&stop, true);
	pthread_join(threads[0], NULL);
	dp = dp_live(&sw.dp);
	assert_false(worker_arm(workers[0], dp));
	assert_true(atomic_load(&ports[3].rx[2].armed));
	worker_disarm(workers[0], dp);
	/* queues that hold nothing back are not looked at */
	assert_true(dp->worker[0].nflush > 0);
	for (uint32_t i = 0; i < dp->worker[0].nflush; i++)
		assert_true(dp->worker[0].flush[i]->can_backlog);
	/* frames held back are tried again, unless only control can change anything */
	dp->worker[0].flush[0]->backlog = 1;
	assert_true(worker_arm(workers[0], dp));
	atomic_store(&dp->worker[0].flush[0]->waits, true);
	assert_false(worker_arm(workers[0], dp));
	worker_disarm(workers[0], dp);
	atomic_store(&dp->worker[0].flush[0]->waits, false);
	dp->worker[0].flush[0]->backlog = 0;
	atomic_store(&ports[3].rx[2].frames, 1);
	assert_true(worker_arm(workers[0], dp));
	assert_false(atomic_load(&ports[3].rx[2].armed));
	assert_int_equal(worker_poll(workers[0], dp), 1);
	atomic_store(&stop, false);
	pthread_create(&threads[0], NULL, worker_main, workers[0]);
}

/* This thread is the worker: one poll iteration, in which @p f gets a frame. */
static void
iterate_with(struct fakeq *f)
{
	atomic_store(&f->frames, 1);
	assert_int_equal(worker_poll(workers[0], dp_live(&sw.dp)), 1);
}

/* Decisions to notify wait for the next frames, a few idle queues or a quiescent state. */
static void
test_decisions_wait(void **state)
{
	struct fakeq *first, *last;
	const struct dp_worker *dw;

	run_all();
	sw_start(&sw, true);
	atomic_store(&stop, true);
	dp_wake(&sw.dp);
	pthread_join(threads[0], NULL);
	dw = &dp_live(&sw.dp)->worker[0];
	for (uint32_t i = 0; i < dw->n; i++)
		dw->poll[i].q->misses = 0;
	workers[0]->generation = 0; /* none is idle in its list */
	first = (struct fakeq *)dw->poll[0].q;
	last = (struct fakeq *)dw->poll[dw->n - 1].q;
	iterate_with(last);
	worker_end_poll(workers[0], 1);
	assert_int_equal(last->notified, 0);
	iterate_with(first);
	assert_int_equal(last->notified, 1);
	assert_int_equal(first->notified, 1); /* after it came idle queues */
	iterate_with(last);
	worker_end_poll(workers[0], 0);
	assert_int_equal(last->notified, 2);
	iterate_with(last);
	for (uint32_t i = 0; last->notified == 2; i++) {
		assert_in_range(i, 0, 100);
		worker_end_poll(workers[0], 1);
	}
	iterate_with(last);
	worker_end_poll(workers[0], 0);
	assert_int_equal(last->notified, 4);
	atomic_store(&stop, false);
	pthread_create(&threads[0], NULL, worker_main, workers[0]);
}

static int
setup(void **state)
{
	srandom(1);
	return eal_start("0", 256);
}

#define POLLING(t) cmocka_unit_test_setup_teardown(t, setup_polling, teardown)
#define SLEEPY(t) cmocka_unit_test_setup_teardown(t, setup_sleepy, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		POLLING(test_taken_away),      POLLING(test_moves_between_workers),
		POLLING(test_placement),       POLLING(test_stopped_is_not_touched),
		POLLING(test_topology),        POLLING(test_ports_come_and_go),
		POLLING(test_stats),           SLEEPY(test_wakes_on_notification),
		SLEEPY(test_wakes_on_publish), SLEEPY(test_gone_queue_is_silent),
		SLEEPY(test_common_event_fd),  SLEEPY(test_unwatchable_must_poll),
		SLEEPY(test_arm_finds_frames), SLEEPY(test_decisions_wait),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
