/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine of a kernel's vhost-vdpa device: a port's claim to a node.
 *
 * While software moves the frames the session is prepared: features and memory. check() objects
 * until that is done. The rings follow in one job that ends with DRIVER_OK; a device that can be
 * resumed keeps its session when it stops, and goes on from other positions.
 *
 * A session is for one set of facts. When memory, features or the set of rings change, or the guest
 * disables a ring, check() objects: software takes the rings, and a new session is prepared.
 * Rings are never enabled after DRIVER_OK: few devices are told of that.
 */
#include "vdpa/kernel/claim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>
#include <rte_common.h>

#include "base/irq.h"
#include "base/log.h"
#include "gmem/gmem.h"
#include "vdpa/kernel/node.h"

#define PAGE 4096u
#define SETTLE_MS 10   /* facts come one by one */
#define ABSENT_MS 1000 /* to look for a device that is not there, or busy */
#define RETRY_MS 10000 /* after a failure */
#define LOOK_MS 500    /* at a device that runs, or waits for its rings */
#define STALL_MS 3000  /* without progress before the rings are taken back */

/** A ring a session was started with: a device that is resumed is not told of another one. */
struct ring_facts {
	uint32_t size;
	uint64_t desc, driver, device;
};

struct claim {
	struct engine engine; /* first member */
	struct node *node;
	struct vdev *dev;
	bool ring[NODE_RINGS]; /* it is to run, or runs */
	bool stale;            /* a ring came while it ran: another session is due */
	bool irq_changed;
	bool kicked; /* the device has been told that the guest may have sent frames */
	char failed[160];
	/* of the session */
	const struct gmem *gmem;
	uint64_t features;
	struct ring_facts started[NODE_RINGS]; /* size 0: not yet */
	uint16_t seen;                         /* used index of the guest's transmission ring */
	uint32_t still_ms;                     /* it has not moved for so long, and frames wait */
	struct ev_timer settle, again, changed, look;
	SLIST_ENTRY(claim) entry;
};

static SLIST_HEAD(, claim) claims = SLIST_HEAD_INITIALIZER(claims);

static struct claim *
claim_of(const struct engine *e)
{
	return (struct claim *)(uintptr_t)e;
}

const struct vdev *
claim_device(const void *owner)
{
	return owner != NULL ? ((const struct claim *)owner)->dev : NULL;
}

static bool
is_owner(const struct claim *c)
{
	return c->node->owner == c;
}

static void
arm(struct claim *c, struct ev_timer *t, uint32_t ms)
{
	if (c->dev->cfg.loop != NULL && t->loop == NULL)
		ev_timer_arm(c->dev->cfg.loop, t, ms);
}

/** Until its capabilities are known. */
static void
look_for_it(struct claim *c)
{
	if (c->engine.caps.queue_pairs != 0)
		return;
	node_probe(c->node);
	arm(c, &c->again, ABSENT_MS);
}

/* --- failures --- */

/** Give up for a while. The rings are taken back by vdev_sync(). */
static void
fail(struct claim *c, const char *why, uint32_t retry_ms)
{
	if (strcmp(c->failed, why) != 0)
		log_peer(&c->dev->log_limit, c->dev->name, "%s: %s", c->node->path, why);
	strlcpy(c->failed, why, sizeof(c->failed));
	ev_timer_cancel(&c->again);
	arm(c, &c->again, retry_ms);
	arm(c, &c->changed, 0);
}

static void
on_again(struct ev_timer *t)
{
	struct claim *c = container_of(t, struct claim, again);

	c->failed[0] = '\0';
	look_for_it(c);
	vdev_sync(c->dev);
}

static void
on_changed(struct ev_timer *t)
{
	vdev_sync(container_of(t, struct claim, changed)->dev);
}

/* --- what keeps it from the rings --- */

static const char *
rings_against(const struct claim *c, const struct vdev *d)
{
	uint32_t i;

	for (i = 0; i < NODE_RINGS; i++) {
		if (i >= d->nqueues || !d->q[i].ready || !vdev_vq_enabled(d, i))
			return "the guest's first two rings are not started and enabled yet";
		if (d->q[i].kick_fd < 0)
			return "the guest gives a ring without a kick eventfd";
		if (d->q[i].size > c->node->limits.ring_max)
			return "the guest's rings have more entries than it takes";
	}
	return NULL;
}

static const char *
memory_against(const struct claim *c, const struct vdev *d)
{
	uint32_t i;

	for (i = 0; d->gmem != NULL && i < d->gmem->n; i++) {
		const struct gmem_region *r = &d->gmem->r[i];

		if ((r->gpa | r->size | (uintptr_t)r->hva) % PAGE != 0)
			return "a region of the guest's memory is not of whole pages";
		if (r->gpa < c->node->limits.iova_first ||
		    r->gpa + r->size - 1 > c->node->limits.iova_last)
			return "it does not reach all of the guest's memory";
	}
	return d->gmem == NULL ? "the guest has said no memory yet" : NULL;
}

static struct ring_facts
ring_facts(const struct vdev_queue *q)
{
	return (struct ring_facts){q->size, q->desc_uva, q->driver_uva, q->device_uva};
}

/** Whether the rings are those the session was started with, if it was. */
static bool
same_rings(const struct claim *c, const struct vdev *d)
{
	uint32_t i;

	for (i = 0; i < NODE_RINGS && c->started[i].size != 0; i++) {
		const struct ring_facts *then = &c->started[i];
		const struct vdev_queue *q = &d->q[i];

		if (q->size != then->size || q->desc_uva != then->desc ||
		    q->driver_uva != then->driver || q->device_uva != then->device)
			return false;
	}
	return true;
}

static bool
same_facts(const struct claim *c, const struct vdev *d)
{
	return c->gmem == d->gmem && c->features == d->features && !c->stale && same_rings(c, d);
}

static const char *
session_against(struct claim *c, const struct vdev *d)
{
	struct node *n = c->node;

	if (n->owner != NULL && !is_owner(c))
		return "it moves the frames of another port";
	if (is_owner(c) && !same_facts(c, d)) {
		/* one that runs is ended when the rings have been taken back */
		if (n->phase < NODE_STARTING)
			node_end(n);
		return "its session is made anew, since the guest's has changed";
	}
	/* vdev has not recorded the positions yet */
	if (n->phase < NODE_STARTING && (c->ring[0] || c->ring[1]))
		return "it has stopped, its rings are taken back";
	if (is_owner(c) && n->phase >= NODE_PREPARED && n->phase != NODE_ENDING && !n->end_due)
		return NULL;
	if (n->phase == NODE_SHUT)
		arm(c, &c->settle, SETTLE_MS);
	return "its session is being prepared";
}

static const char *
claim_check(const struct engine *e, const struct vdev *d)
{
	struct claim *c = claim_of(e);
	const char *why;

	if (is_owner(c) && node_stops(c->node))
		return "it has not released the guest's rings yet";
	if (c->failed[0] != '\0')
		return c->failed;
	if (e->caps.queue_pairs == 0)
		return c->node->err[0] != '\0' ? c->node->err : "it is being opened";
	why = rings_against(c, d);
	if (why == NULL)
		why = memory_against(c, d);
	if (why == NULL)
		return session_against(c, d);
	if (is_owner(c) && c->node->phase < NODE_STARTING)
		node_end(c->node);
	return why;
}

static const char *
claim_holds(const struct engine *e, const struct vdev *d)
{
	struct node *n = claim_of(e)->node;

	if (!node_stops(n) || !held_any(&n->held, d->gmem))
		return NULL;
	return "a vDPA device has not released the guest's rings yet";
}

/* --- the session --- */

static void
on_settled(struct ev_timer *t)
{
	struct claim *c = container_of(t, struct claim, settle);
	const struct vdev *d = c->dev;

	if (c->node->busy || c->node->phase != NODE_SHUT || d->gmem == NULL)
		return;
	c->gmem = d->gmem;
	c->features = d->features;
	c->stale = false;
	memset(c->started, 0, sizeof(c->started));
	node_prepare(c->node, c, d->gmem, d->features);
}

/** Frames wait in the guest's transmission ring and none has been taken since the last look. */
static bool
stands_still(struct claim *c)
{
	const struct vdev_queue *q = &c->dev->q[1];
	uint16_t used, avail;

	/* a packed ring does not tell */
	if (!q->running || q->layout == VQ_PACKED)
		return false;
	used = vq_split_used_idx(q->layout, q->map.area[VQ_DEVICE].hva);
	/* the available index is at the same place of its area */
	avail = vq_split_used_idx(q->layout, q->map.area[VQ_DRIVER].hva);
	if (used == avail || used != c->seen) {
		c->seen = used;
		return false;
	}
	return true;
}

/** Look at a device that runs; release one that waits for rings it will not get. */
static void
on_look(struct ev_timer *t)
{
	struct claim *c = container_of(t, struct claim, look);

	if (!is_owner(c))
		return;
	arm(c, t, LOOK_MS);
	if (c->node->phase == NODE_PREPARED && c->dev->engine != &c->engine)
		node_end(c->node);
	if (c->node->phase != NODE_RUNS)
		return;
	c->still_ms = stands_still(c) ? c->still_ms + LOOK_MS : 0;
	if (c->still_ms >= STALL_MS)
		fail(c, "it stalled: the guest's frames were not taken for three seconds",
		     RETRY_MS);
	node_look(c->node);
}

static void
say_calls(struct claim *c)
{
	int fd[NODE_RINGS];
	uint32_t i;

	for (i = 0; i < NODE_RINGS; i++)
		fd[i] = irq_eventfd(c->dev->q[i].irq);
	c->irq_changed = false;
	if (!node_calls(c->node, fd))
		fail(c, "there is no descriptor for its interrupts", RETRY_MS);
	/* one may have come by the old way meanwhile; the next look is after the job */
	c->kicked = false;
}

/** The device runs: frames that were sent, and interrupts that were due, meanwhile are not lost. */
static void
runs(struct claim *c)
{
	uint32_t i;

	for (i = 0; i < NODE_RINGS && !c->kicked; i++) {
		irq_signal(c->dev->irqs, c->dev->q[i].kick_fd);
		irq_raise(c->dev->q[i].irq);
	}
	c->kicked = true;
	if (c->irq_changed)
		say_calls(c);
}

static void
owner_changed(struct claim *c)
{
	struct node *n = c->node;

	arm(c, &c->look, LOOK_MS);
	if (n->result != 0)
		fail(c, n->err, n->result == -EBUSY || n->result == -ENOENT ? ABSENT_MS : RETRY_MS);
	else if (n->phase == NODE_RUNS && !n->stop_due && !n->end_due)
		runs(c);
}

/** A job of the node is done. */
static void
node_changed(struct node *n)
{
	struct claim *c;

	SLIST_FOREACH (c, &claims, entry) {
		if (c->node != n)
			continue;
		c->engine.caps = n->limits.caps;
		if (is_owner(c))
			owner_changed(c);
		/* it has gone */
		if (n->limits.caps.queue_pairs == 0)
			arm(c, &c->again, ABSENT_MS);
		arm(c, &c->changed, 0);
	}
}

/* --- the switch-over --- */

static void
switch_over(struct claim *c)
{
	struct chardev_ring r[NODE_RINGS];
	uint32_t i;

	for (i = 0; i < NODE_RINGS; i++) {
		const struct vdev_queue *q = &c->dev->q[i];

		c->started[i] = ring_facts(q);
		r[i] = (struct chardev_ring){
			.size = q->size,
			.base = vq_state_to_word(q->layout, &q->state),
			.desc = q->map.area[VQ_DESC].gpa,
			.driver = q->map.area[VQ_DRIVER].gpa,
			.device = q->map.area[VQ_DEVICE].gpa,
			.kick_fd = q->kick_fd,
			.call_fd = irq_eventfd(q->irq),
		};
	}
	c->kicked = c->irq_changed = false;
	c->still_ms = 0;
	if (!node_start(c->node, r))
		fail(c, "there is no descriptor for its eventfds", RETRY_MS);
}

static void
claim_commit(struct engine *e, struct vdev *d)
{
	struct claim *c = claim_of(e);

	if (is_owner(c) && c->node->phase == NODE_PREPARED && !c->node->end_due && c->ring[0] &&
	    c->ring[1])
		switch_over(c);
}

static const char *
claim_vq_start(struct engine *e, struct vdev *d, struct vdev_queue *q)
{
	struct claim *c = claim_of(e);
	uint32_t i = vdev_vq_index(d, q);

	if (i >= NODE_RINGS)
		return "the device has one queue pair";
	c->stale |= c->node->phase >= NODE_STARTING;
	if (c->node->phase < NODE_STARTING)
		c->node->found = NODE_UNTOUCHED;
	c->ring[i] = true;
	return NULL;
}

static bool
claim_let_go(struct engine *e, struct vdev *d)
{
	struct claim *c = claim_of(e);

	if (!is_owner(c) || c->node->phase < NODE_STARTING)
		return true;
	node_stop(c->node);
	return false;
}

/** A ring whose position is lost gets one outside of it: its driver has to start anew. */
static struct vq_state
claim_vq_stop(struct engine *e, struct vdev *d, struct vdev_queue *q)
{
	struct claim *c = claim_of(e);
	struct vq_state s = q->state;
	uint32_t i = vdev_vq_index(d, q);

	c->ring[i] = false;
	irq_raise(q->irq); /* an interrupt may have been lost on the way */
	if (q->layout != VQ_PACKED || c->started[i].size == 0)
		return s;
	if (c->node->phase < NODE_STARTING && c->node->found == NODE_KNOWN)
		s = vq_state_from_word(q->layout, c->node->base[i]);
	else if (c->node->phase >= NODE_STARTING || c->node->found == NODE_LOST)
		s.avail = s.used = (uint16_t)q->size;
	return s;
}

static int
claim_set_mem(struct engine *e, struct vdev *d)
{
	if (claim_of(e)->gmem != d->gmem)
		(void)claim_let_go(e, d);
	return 0;
}

static void
claim_set_irq(struct engine *e, struct vdev *d, struct vdev_queue *q)
{
	struct claim *c = claim_of(e);

	c->irq_changed = true;
	if (is_owner(c) && c->node->phase == NODE_RUNS && !c->node->busy)
		say_calls(c);
}

static const struct pktq_stats *
claim_stats(const struct engine *e, const struct vdev_queue *q)
{
	return NULL;
}

/** The device may be another one by now, of the same name. */
static void
claim_retry(struct engine *e, struct vdev *d)
{
	struct claim *c = claim_of(e);

	c->failed[0] = '\0';
	node_probe(c->node);
	look_for_it(c);
}

static void
claim_close(struct engine *e, struct vdev *d)
{
	struct claim *c = claim_of(e);

	SLIST_REMOVE(&claims, c, claim, entry);
	ev_timer_cancel(&c->settle);
	ev_timer_cancel(&c->again);
	ev_timer_cancel(&c->changed);
	ev_timer_cancel(&c->look);
	if (is_owner(c))
		node_leave(c->node);
	free(c);
}

static const struct engine_ops claim_ops = {
	.check = claim_check,
	.let_go = claim_let_go,
	.holds = claim_holds,
	.set_mem = claim_set_mem,
	.vq_start = claim_vq_start,
	.vq_stop = claim_vq_stop,
	.set_irq = claim_set_irq,
	.commit = claim_commit,
	.stats = claim_stats,
	.retry = claim_retry,
	.close = claim_close,
};

struct engine *
claim_open(const char *device, struct vdev *d, char *err, size_t errlen)
{
	struct node *n = node_named(device, d->cfg.loop, node_changed);
	struct claim *c = n != NULL ? calloc(1, sizeof(*c)) : NULL;

	if (c == NULL) {
		snprintf(err, errlen, "%.64s: out of memory", device);
		return NULL;
	}
	*c = (struct claim){
		.engine = {.ops = &claim_ops, .name = n->path, .caps = n->limits.caps},
		.node = n,
		.dev = d,
		.settle.cb = on_settled,
		.again.cb = on_again,
		.changed.cb = on_changed,
		.look.cb = on_look,
	};
	SLIST_INSERT_HEAD(&claims, c, entry);
	return &c->engine;
}
