/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which queues run: the level-triggered half of the device model.
 *
 * Facts may arrive in any order and any number of times; this file looks only at their present
 * values. A queue given to workers is taken back by publishing a set without it, which waits for
 * the grace period, and never otherwise.
 *
 * Two halves: sync_derive() decides which queues are to run, sync_publish() tells the workers. Only
 * a queue that is taken back must be published at once; queues that start, are enabled or disabled
 * are published once per round of the control loop, for all devices together.
 */
#include <bsd/string.h>
#include <errno.h>

#include "vdev/engine.h"
#include "vdev/ring.h"
#include "base/irq.h"

/** Rings keep their state, workers do not see them. */
static bool
quiesced(const struct vdev *d)
{
	return d->wanted != VDEV_STATE_RUNNING;
}

#define ENGINE_TRIES 8 /* more than a port has engines */

static struct vq *
running_queue(const struct vdev *d, uint32_t i, bool *enabled)
{
	const struct vdev_queue *q;

	if (i >= d->nqueues || d->paused || quiesced(d) || !d->q[i].running ||
	    ring_polled(d) == NULL)
		return NULL;
	q = &d->q[i];
	if (enabled != NULL)
		*enabled = ring_enabled(d, q);
	return ring_polled(d)->queue(q);
}

void
vdev_published(struct vdev *d)
{
	uint32_t i;

	d->unpublished = false;
	for (i = 0; i < d->nqueues; i++)
		d->q[i].live = running_queue(d, i, NULL) != NULL;
	if (d->transport != NULL && d->transport->ops->published != NULL)
		d->transport->ops->published(d->transport);
}

static void
publish(struct vdev *d)
{
	d->cfg.ops->publish(d);
	vdev_published(d);
}

static void
tell_changed(struct vdev *d)
{
	if (d->cfg.ops->changed != NULL)
		d->cfg.ops->changed(d);
}

void
sync_publish(struct vdev *d)
{
	if (d->unpublished)
		publish(d);
	tell_changed(d);
}

/** Queues that were shown and never published need no publication to be taken back. */
void
sync_pause(struct vdev *d)
{
	uint32_t i;

	if (d->paused)
		return;
	d->paused = true;
	for (i = 0; i < d->nqueues; i++) {
		d->unpublished |= d->q[i].live;
		d->q[i].shown_running = false;
	}
}

void
vdev_pause(struct vdev *d)
{
	uint32_t i;

	if (d->paused)
		return;
	sync_pause(d);
	for (i = 0; i < d->nqueues; i++) {
		if (d->q[i].live) {
			publish(d);
			return;
		}
	}
}

bool
vdev_let_go(struct vdev *d)
{
	struct engine *e = d->engine;

	if (e == NULL || e->ops->let_go == NULL || !ring_any_runs(d))
		return true;
	return e->ops->let_go(e, d);
}

/** False: hardware has not released a ring that is to stop. */
static bool
stop_blocked(struct vdev *d)
{
	const char *why;
	uint32_t i;

	for (i = 0; i < d->nqueues; i++) {
		if (!d->q[i].running)
			continue;
		why = ring_blocked(d, &d->q[i]);
		if (why == NULL)
			continue;
		if (!vdev_let_go(d))
			return false;
		vdev_pause(d);
		ring_halt(d, &d->q[i]);
		d->q[i].why = why;
	}
	return true;
}

/** Note what is about to be published of @p q; whether it differs from the last publication. */
static bool
show(const struct vdev *d, struct vdev_queue *q)
{
	bool enabled = ring_enabled(d, q);
	bool running = q->running && !quiesced(d);
	bool differs = running != q->shown_running || (running && enabled != q->shown_enabled);

	q->shown_running = running;
	q->shown_enabled = enabled;
	return differs;
}

/* --- the engine in charge --- */

/** Put @p e in charge: rings, which hardware has released, stop. False: no memory. */
static bool
take_over(struct vdev *d, struct engine *e)
{
	uint32_t i;

	if (e == d->engine)
		return true;
	d->engine_next = e; /* the publication is made by it already */
	vdev_pause(d);
	for (i = 0; i < d->nqueues; i++) {
		/* an interrupt that hardware owes is not lost with it */
		if (d->q[i].running && ring_polled(d) == NULL)
			irq_raise(d->q[i].irq);
		ring_halt(d, &d->q[i]);
	}
	d->engine = e;
	return e == NULL || e->ops->set_mem(e, d) == 0;
}

/**
 * The first engine of the list that has no reason against it takes over. False: the one in charge
 * has not released the rings.
 */
static bool
choose_engine(struct vdev *d)
{
	struct engine *const *e;
	char buf[ENGINE_WHY_MAX];

	for (e = d->cfg.engines; *e != NULL; e++) {
		const char *why = engine_against(*e, d, buf, sizeof(buf));

		if (why == NULL && *e != d->engine && !vdev_let_go(d))
			return false;
		if (why == NULL && take_over(d, *e))
			return true;
		strlcpy(d->engine_why, why != NULL ? why : "no memory for its engine",
			sizeof(d->engine_why));
	}
	return vdev_let_go(d) && take_over(d, NULL);
}

void
vdev_set_engines(struct vdev *d, struct engine *const *engines)
{
	static struct engine *const software[] = {&soft_engine, NULL};

	d->cfg.engines = engines != NULL ? engines : software;
}

/**
 * Start all rings that can run, under the engine in charge. False: it has a reason against it now.
 */
static bool
start_all(struct vdev *d)
{
	char buf[ENGINE_WHY_MAX];
	uint32_t i;

	for (i = 0; i < d->nqueues; i++)
		if (!d->q[i].running)
			ring_start(d, &d->q[i]);
	if (d->engine != NULL && d->engine->ops->commit != NULL)
		d->engine->ops->commit(d->engine, d);
	return d->engine == NULL || engine_against(d->engine, d, buf, sizeof(buf)) == NULL;
}

void
sync_derive(struct vdev *d)
{
	uint32_t i, tries = 0;

	/* an engine that fails has a reason in its check(); the next one of the list is tried */
	do {
		d->stopping = !choose_engine(d) || !stop_blocked(d);
	} while (!d->stopping && !start_all(d) && tries++ < ENGINE_TRIES);
	space_resume(d);
	d->paused = false;
	for (i = 0; i < d->nqueues; i++)
		d->unpublished |= show(d, &d->q[i]);
}

void
vdev_sync(struct vdev *d)
{
	sync_derive(d);
	if (!d->unpublished)
		return;
	if (d->cfg.ops->publish_soon == NULL) {
		sync_publish(d);
		return;
	}
	d->cfg.ops->publish_soon(d);
	tell_changed(d);
}

void
vdev_reset(struct vdev *d)
{
	uint32_t i;

	vdev_pause(d);
	for (i = 0; i < d->nqueues; i++) {
		ring_close(d, &d->q[i]);
		ring_forget(&d->q[i]);
	}
	d->features = 0;
	d->features_set = d->enable_used = false;
	space_fresh(d);
	d->status = 0;
	d->status_why = NULL;
	d->mtu = 0;
	/* what was offered may be taken again: a front-end need not ask a second time */
	if (d->mtu_next != 0 || (d->cfg.features & VDEV_F(NET_MTU)))
		d->mtu_most = d->mtu_next;
	space_refresh(d);
}

void
vdev_disable(struct vdev *d)
{
	uint32_t i;

	vdev_pause(d);
	for (i = 0; i < d->nqueues; i++) {
		d->q[i].enabled = false;
		ring_close(d, &d->q[i]);
	}
}

/* --- attention of the workers --- */

static void
ring_broke(struct vdev *d, struct vdev_queue *q)
{
	const char *why = ring_polled(d)->why(q);

	vdev_pause(d);
	ring_halt(d, q);
	q->broken = true;
	q->why = why != NULL ? why : "the guest broke the ring";
	d->status |= VDEV_STATUS_NEEDS_RESET;
	d->counters.ring_errors++;
	log_peer(&d->log_limit, d->name, "queue %u is broken and stopped: %s", ring_index(d, q),
		 q->why);
	irq_signal(d->irqs, q->err_fd);
	if (d->transport != NULL && d->transport->ops->ring_error != NULL)
		d->transport->ops->ring_error(d->transport, ring_index(d, q));
}

static void
ring_missed(struct vdev *d, struct vdev_queue *q)
{
	if (ring_polled(d)->request_misses(d, q) && d->cfg.ops->wake != NULL)
		d->cfg.ops->wake(d);
}

static void
ring_attention(struct vdev *d, struct vdev_queue *q)
{
	/* a ring that has stopped, or runs in hardware by now, has nothing to report */
	uint32_t bits = q->running && ring_polled(d) != NULL ? ring_polled(d)->attention(q) : 0;

	if (bits & VQ_ATTN_MISS)
		ring_missed(d, q);
	/*
	 * a truncated file looks like a broken ring to a worker, but the guest's driver did not
	 * cause it
	 */
	if ((bits & VQ_ATTN_BROKEN) && !atomic_load(&d->fault.dead))
		ring_broke(d, q);
}

static void
check_fault(struct vdev *d)
{
	if (d->fault_seen || !atomic_load_explicit(&d->fault.dead, memory_order_acquire))
		return;
	d->fault_seen = true;
	d->counters.faults++;
	d->status |= VDEV_STATUS_NEEDS_RESET;
	log_peer(&d->log_limit, d->name, "memory file truncated by its owner; the port stops");
}

void
vdev_attention(struct vdev *d)
{
	uint32_t i;

	for (i = 0; i < d->nqueues; i++)
		ring_attention(d, &d->q[i]);
	check_fault(d);
	vdev_sync(d);
}

/* --- what the owner publishes --- */

struct vq *
vdev_rx_queue(const struct vdev *d, uint32_t pair, bool *enabled)
{
	return running_queue(d, 2 * pair + 1, enabled);
}

struct vq *
vdev_tx_queue(const struct vdev *d, uint32_t pair, bool *enabled)
{
	return running_queue(d, 2 * pair, enabled);
}

bool
vdev_link_up(const struct vdev *d)
{
	bool up[2] = {false, false};
	uint32_t i;

	for (i = 0; i < d->nqueues && !quiesced(d); i++)
		if (d->q[i].running && ring_enabled(d, &d->q[i]))
			up[i % 2] = true;
	return up[0] && up[1];
}
