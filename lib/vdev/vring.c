/* SPDX-License-Identifier: BSD-3-Clause */
/* Facts about one ring. */
#include <errno.h>

#include "vdev/engine.h"
#include "vdev/ring.h"
#include "base/irq.h"

/**
 * The queue of a fact, ready to be changed: a running ring is stopped and vdev_sync() starts it
 * again at the same position with the new fact.
 */
static int
ring_edit(struct vdev *d, uint32_t i, struct vdev_queue **out)
{
	struct vdev_queue *q = ring_get(d, i);

	if (q == NULL)
		return -EINVAL;
	if (q->running && !d->paused)
		return -EBUSY;
	ring_halt_changed(d, q);
	*out = q;
	return 0;
}

uint32_t
vdev_vq_index(const struct vdev *d, const struct vdev_queue *q)
{
	return ring_index(d, q);
}

bool
vdev_vq_enabled(const struct vdev *d, uint32_t i)
{
	return i < d->nqueues && ring_enabled(d, &d->q[i]);
}

bool
vdev_vq_awaits_enable(const struct vdev *d, uint32_t i)
{
	return i < d->nqueues && ring_awaits_enable(d, &d->q[i]);
}

bool
vdev_vq_running(const struct vdev *d, uint32_t i)
{
	return i < d->nqueues && d->q[i].running;
}

int
vdev_vq_set_num(struct vdev *d, uint32_t i, uint32_t size)
{
	struct vdev_queue *q;
	int ret;

	/* further demands of a layout are checked at start, when the layout is known */
	if (size == 0 || size > VDEV_RING_SIZE_MAX)
		return -EINVAL;
	ret = ring_edit(d, i, &q);
	if (ret == 0)
		q->size = size;
	return ret;
}

static bool
is_left_behind(const struct vdev *d, const struct vdev_queue *q)
{
	return q->broken && !q->addr_again && !q->ready_again && !ring_enabled(d, q);
}

/**
 * A broken ring that was described and started anew is another driver's: front-ends that reset a
 * device by disabling its rings send no other message in between. Other broken rings that are
 * disabled were its predecessor's, and the new driver may have none in their place; those of which
 * one half was said anew wait for the other.
 */
static void
repair_replaced(struct vdev *d, struct vdev_queue *q)
{
	uint32_t i;

	if (!q->addr_again || !q->ready_again)
		return;
	ring_repair(d, q);
	for (i = 0; i < d->nqueues; i++)
		if (is_left_behind(d, &d->q[i]))
			ring_close(d, &d->q[i]);
}

int
vdev_vq_set_addr(struct vdev *d, uint32_t i, uint64_t desc_uva, uint64_t driver_uva,
		 uint64_t device_uva, uint64_t log_gpa, uint32_t flags)
{
	struct vdev_queue *q;
	int ret;

	if (flags & ~VDEV_ADDR_F_LOG)
		return -EINVAL;
	ret = ring_edit(d, i, &q);
	if (ret != 0)
		return ret;
	q->desc_uva = desc_uva;
	q->driver_uva = driver_uva;
	q->device_uva = device_uva;
	q->log_gpa = log_gpa;
	q->addr_flags = flags;
	q->addr_set = true;
	q->addr_again = q->broken;
	repair_replaced(d, q);
	return 0;
}

int
vdev_vq_set_state(struct vdev *d, uint32_t i, const struct vq_state *s)
{
	struct vdev_queue *q;
	int ret = ring_edit(d, i, &q);

	if (ret != 0)
		return ret;
	q->state = q->said = *s;
	q->state_set = true;
	q->state_ours = false;
	return 0;
}

int
vdev_vq_stop(struct vdev *d, uint32_t i, struct vq_state *s)
{
	struct vdev_queue *q;
	int ret = ring_edit(d, i, &q);

	if (ret != 0)
		return ret;
	ring_close(d, q);
	ring_close_fd(d, q->kick_fd);
	q->kick_fd = -1;
	*s = q->state_set ? q->state : ring_fresh(d);
	return 0;
}

int
vdev_vq_get_state(struct vdev *d, uint32_t i, struct vq_state *s)
{
	struct vdev_queue *q;
	int ret = ring_edit(d, i, &q);

	if (ret == 0)
		*s = q->state_set ? q->state : ring_fresh(d);
	return ret;
}

int
vdev_vq_set_kick(struct vdev *d, uint32_t i, int fd)
{
	struct vdev_queue *q;
	int ret = ring_edit(d, i, &q);

	if (ret != 0) {
		ring_close_fd(d, fd);
		return ret;
	}
	ring_close_fd(d, q->kick_fd);
	q->kick_fd = fd;
	return 0;
}

static void
on_enable_late(struct ev_timer *t)
{
	struct vdev *d = container_of(t, struct vdev, enable_late);
	uint32_t i;

	for (i = 0; i < d->nqueues; i++) {
		d->unpublished |= ring_awaits_enable(d, &d->q[i]);
		d->q[i].enable_due = false;
	}
	vdev_sync(d);
}

void
ring_await_enable(struct vdev *d)
{
	d->enable_late.cb = on_enable_late;
	ev_timer_arm(d->cfg.loop, &d->enable_late, VDEV_ENABLE_MS);
}

/** Without a loop there is no timer for the end of the delay. */
static void
await_enable(struct vdev *d, struct vdev_queue *q)
{
	q->enable_due = d->cfg.loop != NULL && !ring_enabled(d, q);
	if (q->enable_due)
		ring_await_enable(d);
}

int
vdev_vq_set_ready(struct vdev *d, uint32_t i)
{
	struct vdev_queue *q;
	int ret = ring_edit(d, i, &q);

	if (ret != 0)
		return ret;
	q->ready = true;
	q->edited = false;
	q->ready_again = q->broken;
	repair_replaced(d, q);
	await_enable(d, q);
	return 0;
}

int
vdev_vq_clear_ready(struct vdev *d, uint32_t i)
{
	struct vdev_queue *q;
	int ret = ring_edit(d, i, &q);

	if (ret == 0)
		q->ready = false;
	return ret;
}

int
vdev_vq_set_irq(struct vdev *d, uint32_t i, struct irq *irq)
{
	struct vdev_queue *q = ring_get(d, i);
	struct irq *old;

	if (q == NULL) {
		irq_free(irq);
		return -EINVAL;
	}
	old = q->irq;
	q->irq = irq;
	if (q->running) {
		d->engine->ops->set_irq(d->engine, d, q);
		/* one that was raised through the old one in between may be lost */
		irq_raise(irq);
	}
	irq_free(old);
	return 0;
}

int
vdev_vq_set_call(struct vdev *d, uint32_t i, int fd)
{
	struct irq *irq = fd >= 0 ? irq_of_eventfd(d->irqs, fd) : NULL;

	if (fd >= 0 && irq == NULL)
		return -ENOMEM;
	return vdev_vq_set_irq(d, i, irq);
}

int
vdev_vq_set_err(struct vdev *d, uint32_t i, int fd)
{
	struct vdev_queue *q = ring_get(d, i);

	if (q == NULL) {
		ring_close_fd(d, fd);
		return -EINVAL;
	}
	ring_close_fd(d, q->err_fd);
	q->err_fd = fd;
	if (q->broken)
		irq_signal(d->irqs, fd);
	return 0;
}

int
vdev_vq_set_enable(struct vdev *d, uint32_t i, bool on)
{
	struct vdev_queue *q = ring_get(d, i);

	if (q == NULL)
		return -EINVAL;
	/* workers have left it alone and are to discard what it transmits, or use it */
	d->unpublished |= ring_awaits_enable(d, q);
	q->enabled = on;
	q->enable_due = false;
	q->edited = q->edited && !on;
	return 0;
}

int
vdev_vq_set_endian(struct vdev *d, uint32_t i, uint32_t num)
{
	struct vdev_queue *q = num <= 1 ? ring_get(d, i) : NULL;

	if (q == NULL)
		return -EINVAL;
	if (q->running)
		return -EBUSY;
	q->endian_set = true;
	q->big_endian = num == 1;
	return 0;
}
