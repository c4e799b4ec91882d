/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Port states of a device. The operator quiesces and stops, the front-end starts and stops rings,
 * logs writes and moves state, the guest breaks rings. The state is derived from all three; only
 * the operator's part is stored, so that none overwrites another.
 */
#include <errno.h>

#include "vdev/ring.h"

static bool
logging(const struct vdev *d)
{
	return d->log != NULL && (d->features & VDEV_F(LOG_ALL));
}

/** The variant of a running state while writes are logged. */
static enum vdev_state
logged(const struct vdev *d, enum vdev_state s)
{
	if (!logging(d))
		return s;
	return s == VDEV_STATE_RUNNING ? VDEV_STATE_PRE_COPY : VDEV_STATE_PRE_COPY_P2P;
}

enum vdev_state
vdev_state(const struct vdev *d)
{
	if (d->fault_seen || (d->status & VDEV_STATUS_NEEDS_RESET))
		return VDEV_STATE_ERROR;
	if (d->transfer != VDEV_STATE_RUNNING)
		return d->transfer;
	if (d->stopping)
		return logged(d, VDEV_STATE_RUNNING);
	if (d->wanted == VDEV_STATE_RUNNING_P2P)
		return logged(d, VDEV_STATE_RUNNING_P2P);
	if (d->wanted != VDEV_STATE_RUNNING)
		return d->wanted;
	return ring_any_runs(d) ? logged(d, VDEV_STATE_RUNNING) : VDEV_STATE_STOP;
}

/** The stored part of a state: without the part the front-end decides. */
static enum vdev_state
operators_part(enum vdev_state s)
{
	if (s == VDEV_STATE_PRE_COPY)
		return VDEV_STATE_RUNNING;
	return s == VDEV_STATE_PRE_COPY_P2P ? VDEV_STATE_RUNNING_P2P : s;
}

static bool
is_running_state(enum vdev_state s)
{
	return operators_part(s) == VDEV_STATE_RUNNING ||
	       operators_part(s) == VDEV_STATE_RUNNING_P2P;
}

static bool
reachable(const struct vdev *d, enum vdev_state to)
{
	int s = (int)vdev_state(d);

	if (d->transfer != VDEV_STATE_RUNNING)
		return false; /* the front-end moves its state */
	if (is_running_state(to) && to != logged(d, operators_part(to)))
		return false;
	while (s >= 0 && s != (int)to)
		s = vdev_state_next((enum vdev_state)s, to);
	return s >= 0 && s != VDEV_STATE_ERROR;
}

static void
publish_all(struct vdev *const *d, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		sync_publish(d[i]);
}

/** The same for all: @p to, or with @p adapt its variant that fits each device's logging. */
static int
drive(struct vdev *const *d, uint32_t n, enum vdev_state to, bool adapt)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (!reachable(d[i], adapt ? logged(d[i], to) : to))
			return -EINVAL;
	for (i = 0; i < n; i++)
		d[i]->wanted = operators_part(to);
	/* the first publication shows all devices of one owner; vdev_published() says so */
	if (!is_running_state(to)) {
		for (i = 0; i < n; i++)
			sync_pause(d[i]);
		publish_all(d, n);
	}
	for (i = 0; i < n; i++)
		sync_derive(d[i]);
	publish_all(d, n);
	return 0;
}

int
vdev_state_set(struct vdev *const *d, uint32_t n, enum vdev_state to)
{
	return drive(d, n, to, false);
}

int
vdev_quiesce(struct vdev *const *d, uint32_t n)
{
	return drive(d, n, VDEV_STATE_RUNNING_P2P, true);
}

int
vdev_resume(struct vdev *const *d, uint32_t n)
{
	return drive(d, n, VDEV_STATE_RUNNING, true);
}

int
vdev_transfer_begin(struct vdev *d, enum vdev_state how)
{
	if (vdev_state(d) != VDEV_STATE_STOP)
		return -EINVAL;
	d->transfer = how;
	return 0;
}

void
vdev_transfer_end(struct vdev *d)
{
	d->transfer = VDEV_STATE_RUNNING;
}
