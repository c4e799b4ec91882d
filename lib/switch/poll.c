/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * A worker's poll iteration, and how it goes to sleep.
 */
#include "switch/poll.h"

#include <string.h>

#include <rte_cycles.h>
#include <rte_prefetch.h>
#include <rte_ring.h>
#include <rte_spinlock.h>

#include "switch/cut_run.h"
#include "switch/debt.h"
#include "switch/deferred.h"
#include "switch/rest_run.h"
#include "switch/share.h"
#include "switch/watch_worker.h"

#define OPEN_ITERATIONS_MAX 16 /* busy poll iterations without a quiescent state */

static void
forward(struct worker *w, const struct dataplane *dp, const struct dp_poll *poll)
{
	struct pkt_batch *b = &w->batch;

	if (unlikely(w->watch != NULL) && poll->port != NULL)
		watch_receive(w, poll->port, poll->q, b);
	if (likely(b->n != 0))
		poll->forward(w, dp, poll->port, poll->q, b);
}

/** The cycles since the last one go to @p stage; compiled to nothing where @p timed is false. */
static __rte_always_inline void
stamp(struct worker *w, enum worker_stage stage, uint64_t *last, bool timed)
{
	uint64_t now;

	if (!timed)
		return;
	now = rte_rdtsc();
	counter_add(&w->stage[stage], now - *last);
	*last = now;
}

static uint64_t
sending(const struct worker *w)
{
	return w->stage[STAGE_COPY] + w->stage[STAGE_TX];
}

static void
forward_timed(struct worker *w, const struct dataplane *dp, const struct dp_poll *poll,
	      uint64_t *last)
{
	uint64_t sent = sending(w);

	counter_add(&w->stage_frames, w->batch.n);
	forward(w, dp, poll);
	stamp(w, STAGE_LOOKUP, last, true);
	counter_add(&w->stage[STAGE_LOOKUP], sent - sending(w));
}

static __rte_always_inline uint32_t
poll_one(struct worker *w, const struct dataplane *dp, const struct dp_poll *poll, bool timed)
{
	/* loaded once: control may exchange ops between our rx() and rx_done() */
	const struct pktq_ops *ops = pktq_ops(poll->q);
	uint64_t last = timed ? rte_rdtsc() : 0;
	uint32_t n;

	if (unlikely(dp->mode->generate != NULL) && !poll->discard && !poll->joined)
		dp->mode->generate(w, dp, poll->port, poll->q);
	if (unlikely(dp->mode->forward == NULL) && !poll->joined)
		return 0;
	if (unlikely(w->cut.n != 0) && cut_continue(w, poll->q))
		return 1;
	if (unlikely(w->rests.n != 0) && rest_forward(w, dp, poll->q))
		return 1;
	if (unlikely(debt_of(w, poll->q) != 0))
		return 0;
	n = ops->rx(poll->q, &w->batch);
	debt_received(w, poll->q);
	stamp(w, n == 0 ? STAGE_POLL : STAGE_RX, &last, timed);
	deferred_polled(w, n);
	stamp(w, STAGE_NOTIFY, &last, timed);
	if (n == 0)
		return 0;
	counter_add(&w->frames, w->batch.n); /* rx_done() empties it */
	w->polled = poll->q;
	if (timed)
		forward_timed(w, dp, poll, &last);
	else
		forward(w, dp, poll);
	ops->rx_done(poll->q, &w->batch);
	if (unlikely(w->batch.left != 0)) {
		counter_add(&w->frames, -(uint64_t)w->batch.left);
		w->batch.left = 0;
	}
	deferred_note(w, poll->q);
	stamp(w, STAGE_RX, &last, timed);
	return n;
}

static uint16_t
backlog(const struct pktq *q)
{
	return __atomic_load_n(&q->backlog, __ATOMIC_RELAXED);
}

static bool
waits(const struct pktq *q)
{
	return atomic_load_explicit(&q->waits, memory_order_acquire);
}

static void
flush_one(struct worker *w, struct pktq *q)
{
	uint64_t frames, bytes;

	if (likely(backlog(q) == 0) || debt_of(w, q) != 0)
		return;
	if (q->shared)
		rte_spinlock_lock(&q->lock);
	frames = q->stats.frames;
	bytes = q->stats.bytes;
	pktq_ops(q)->flush(q);
	if (unlikely(q->work > DEBT_FREE))
		debt_charge(w, q, (uint32_t)(q->stats.frames - frames), q->stats.bytes - bytes);
	if (q->shared)
		rte_spinlock_unlock(&q->lock);
	else
		deferred_note(w, q);
}

/* Whether there are frames of control's own. */
static bool
is_injected(const struct dp_worker *dw)
{
	return unlikely(dw->injected != NULL) &&
	       (!rte_ring_empty(dw->injected) || dw->inject.q->flood_next != 0);
}

static void
disarm(struct pktq *q)
{
	const struct pktq_ops *ops = pktq_ops(q);

	if (ops->disarm != NULL)
		ops->disarm(q);
}

/* --- active and idle queues: list[0 .. nactive - 1] and the rest of it --- */

static void
swap(struct dp_poll *list, uint32_t a, uint32_t b)
{
	struct dp_poll tmp = list[a];

	list[a] = list[b];
	list[b] = tmp;
}

/*
 * Whether @p q can be among the idle queues of @p dw at all. A queue that cannot be armed is served
 * by polling only, and a worker that naps polls seldom.
 */
static bool
may_idle(const struct dataplane *dp, const struct dp_worker *dw, const struct pktq *q)
{
	return dw->n > POLL_IDLE_FROM && dp->mode->generate == NULL && pktq_ops(q)->arm != NULL;
}

/* The list of a new snapshot. Control or another worker may have armed some of the active ones. */
static void
begin(struct worker *w, const struct dataplane *dp)
{
	const struct dp_worker *dw = &dp->worker[w->id];

	w->fid = (struct dp_fid){.fid = VLAN_FID_NONE};
	cut_revise(w, dp);
	rest_revise(w, dp);
	w->generation = dp->generation;
	w->watch = dp->watch.flags != 0 ? &dp->watch : NULL;
	w->nactive = 0;
	for (uint32_t i = 0, idle = dw->n; i < dw->n; i++) {
		struct pktq *q = dw->poll[i].q;

		q->flood_next = 0; /* receivers have other numbers */
		if (dw->poll[i].several)
			share_reset(w, q);
		if (q->misses >= POLL_IDLE_AFTER && may_idle(dp, dw, q))
			dw->list[--idle] = dw->poll[i];
		else
			dw->list[w->nactive++] = dw->poll[i];
	}
	worker_disarm(w, dp);
}

static void
account_begin(struct worker *w, const struct dp_poll *poll)
{
	if (poll->several)
		share_begin(w, poll->q);
	w->polled_frames = w->frames;
	w->polled_tsc = poll->joined ? rte_rdtsc() : 0;
}

/** Poll @p was took @p n chains. */
static void
account_end(struct worker *w, const struct dp_poll *was, uint32_t n)
{
	struct port_cost *c = &was->q->cost[w->id];

	if (was->several)
		share_spend(w, was->q, n);
	if (!was->joined || n == 0)
		return;
	counter_add(&c->cycles, rte_rdtsc() - w->polled_tsc);
	counter_add(&c->frames, w->frames - w->polled_frames);
}

/* The same; its cost is accounted if its port has other queues here, or is joined. */
static __rte_always_inline uint32_t
poll_accounted(struct worker *w, const struct dataplane *dp, const struct dp_poll *poll, bool timed)
{
	struct dp_poll was;
	uint32_t n;

	if (likely(!poll->accounted))
		return poll_one(w, dp, poll, timed);
	was = *poll; /* the list may change */
	account_begin(w, &was);
	n = poll_one(w, dp, poll, timed);
	account_end(w, &was, n);
	return n;
}

/* One more poll without a frame. True: it makes list[i] idle, another one is there now. */
static bool
goes_idle(struct worker *w, const struct dataplane *dp, uint32_t i)
{
	const struct dp_worker *dw = &dp->worker[w->id];

	if (likely(++dw->list[i].q->misses < POLL_IDLE_AFTER) || !may_idle(dp, dw, dw->list[i].q))
		return false;
	swap(dw->list, i, --w->nactive);
	return true;
}

static void
wake(struct worker *w, const struct dp_worker *dw, uint32_t i)
{
	dw->list[i].q->misses = 0;
	disarm(dw->list[i].q);
	swap(dw->list, i, w->nactive++);
}

static __rte_always_inline uint32_t
poll_active(struct worker *w, const struct dataplane *dp, bool timed)
{
	struct dp_poll *list = dp->worker[w->id].list;
	uint32_t total = 0;

	for (uint32_t i = 0; i < w->nactive;) {
		uint32_t n;

		if (i + 1 < w->nactive)
			rte_prefetch0(list[i + 1].q);
		if (unlikely(list[i].several) && !share_allows(w, list[i].q)) {
			i++;
			continue;
		}
		n = poll_accounted(w, dp, &list[i], timed);
		total += n;
		if (likely(n != 0))
			list[i].q->misses = 0;
		if (likely(n != 0) || !goes_idle(w, dp, i))
			i++;
	}
	return total;
}

/*
 * An iteration that found @p frames among the active queues pays for looks at the @p n others:
 * their memory is in no cache. Without frames it should not be long either, more are on their way.
 */
static uint32_t
idle_looks(struct worker *w, uint32_t n, uint32_t frames)
{
	uint32_t looks = POLL_IDLE_LOOK;

	if (frames != 0) {
		w->unspent += frames;
		looks = w->unspent / POLL_IDLE_SHARE;
		w->unspent %= POLL_IDLE_SHARE;
	}
	return RTE_MIN(looks, n);
}

static __rte_noinline uint32_t
poll_idle(struct worker *w, const struct dataplane *dp, uint32_t frames)
{
	const struct dp_worker *dw = &dp->worker[w->id];
	uint32_t total = 0;

	for (uint32_t k = idle_looks(w, dw->n - w->nactive, frames); k > 0; k--) {
		uint32_t n, i = w->next_idle < dw->n ? w->next_idle : 0;

		i = RTE_MAX(i, w->nactive);
		if (i == dw->n)
			break;
		w->next_idle = i + 1;
		if (unlikely(dw->list[i].several) && !share_is_left(w, dw->list[i].q))
			continue;
		n = poll_accounted(w, dp, &dw->list[i], false);
		if (n != 0)
			wake(w, dw, i);
		total += n;
	}
	return total;
}

/* The instance that accounts cycles. */
static __rte_noinline uint32_t
poll_active_timed(struct worker *w, const struct dataplane *dp)
{
	return poll_active(w, dp, true);
}

void
worker_time(struct worker *w, bool on)
{
	atomic_store(&w->timed, false);
	dp_grace(w->ctl);
	memset(w->stage, 0, sizeof(w->stage));
	w->stage_frames = 0;
	atomic_store(&w->timed, on);
}

uint32_t
worker_poll(struct worker *w, const struct dataplane *dp)
{
	const struct dp_worker *dw = &dp->worker[w->id];
	const uint16_t burst = atomic_load_explicit(&w->burst, memory_order_relaxed);
	uint32_t total;

	counter_add(&w->iterations, 1);
	if (unlikely(dp->mode == NULL))
		return 0;
	if (unlikely(w->generation != dp->generation))
		begin(w, dp);
	w->flood_left = w->flood_budget != 0 ? w->flood_budget : FLOOD_BUDGET;
	w->flood_least = w->flood_left / FLOOD_LEAST + 1;
	w->batch.max = burst != 0 ? burst : PKT_BATCH_MAX;
	if (unlikely(w->owed))
		debt_pay(w);
	if (worker_timed(w))
		total = poll_active_timed(w, dp);
	else
		total = poll_active(w, dp, false);
	if (unlikely(w->nactive < dw->n))
		total += poll_idle(w, dp, total);
	if (unlikely(is_injected(dw)) || unlikely(w->rests.n != 0 && dw->inject.q != NULL))
		total += poll_one(w, dp, &dw->inject, false);
	for (uint32_t i = 0; i < dw->nflush; i++)
		flush_one(w, dw->flush[i]);
	counter_add(&w->busy_iterations, total != 0);
	return total;
}

void
worker_end_poll(struct worker *w, uint32_t n)
{
	if (n != 0 && !dp_waited_for(w->ctl) && ++w->open_iterations < OPEN_ITERATIONS_MAX)
		return;
	w->open_iterations = 0;
	deferred_notify(w);
	dp_quiescent(w->ctl, w->id);
}

void
worker_disarm(struct worker *w, const struct dataplane *dp)
{
	const struct dp_worker *dw = &dp->worker[w->id];

	if (dp->mode == NULL)
		return;
	for (uint32_t i = 0; i < w->nactive; i++)
		disarm(dw->list[i].q);
}

/* A worker that has something to do other than frames that arrive. */
static bool
is_busy(const struct worker *w, const struct dataplane *dp)
{
	const struct dp_worker *dw = &dp->worker[w->id];

	if (dp->mode->generate != NULL || w->cut.n != 0 || w->rests.n != 0 || is_injected(dw))
		return true;
	for (uint32_t i = 0; i < dw->nflush; i++)
		if (backlog(dw->flush[i]) != 0 && !dw->flush[i]->keep_alive && !waits(dw->flush[i]))
			return true;
	return false;
}

bool
worker_arm(struct worker *w, const struct dataplane *dp)
{
	const struct dp_worker *dw = &dp->worker[w->id];

	if (dp->mode == NULL)
		return false; /* only control can give it work */
	if (unlikely(w->generation != dp->generation))
		begin(w, dp);
	if (is_busy(w, dp) || w->owed)
		return true;
	for (uint32_t i = 0; i < dw->n; i++) {
		struct pktq *q = dw->list[i].q;

		if (pktq_ops(q)->arm == NULL || !pktq_ops(q)->arm(q))
			continue;
		if (i >= w->nactive)
			wake(w, dw, i);
		worker_disarm(w, dp);
		return true;
	}
	return false;
}

bool
worker_idle(struct worker *w, const struct dataplane *dp)
{
	uint64_t generation = dp->generation;

	deferred_notify(w);
	if (worker_arm(w, dp))
		return false;
	counter_add(&w->sleeps, 1);
	dp_sleep(w->ctl, w->id, dp);
	/* dp may be gone; of another snapshot worker_poll() disarms all queues */
	dp = dp_live(w->ctl);
	if (dp->generation == generation)
		worker_disarm(w, dp);
	return true;
}
