/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost_user/bell.h"

#include <fcntl.h>
#include <unistd.h>

#include <rte_common.h>

#include "base/irq.h"
#include "vhost_user/session.h"

#define NS_PER_MILLI UINT64_C(1000000)

static struct vhu_session *
session_of(struct vhu_bells *b)
{
	return container_of(b, struct vhu_session, bells);
}

void
vhu_bells_rest(struct vhu_bells *b)
{
	b->rested_ns = ev_now_ns() + VHU_BELL_REST_MS * NS_PER_MILLI;
}

static void
stop_waiting(struct vhu_bell *bell)
{
	if (bell->waits)
		close(bell->fd);
	bell->waits = false;
}

void
vhu_bells_reset(struct vhu_bells *b)
{
	uint32_t i;

	ev_timer_cancel(&b->timer);
	for (i = 0; i < VDEV_QUEUES_MAX; i++) {
		stop_waiting(&b->ring[i]);
		b->ring[i].named = false;
	}
	b->unanswered = 0;
}

/** Its descriptor is taken. */
static bool
send_name(struct vhu_session *s, uint32_t queue, const struct vhu_bell *bell)
{
	const struct vhu_header h = {VHU_BACKEND_VRING_HOST_NOTIFIER, VHU_VERSION,
				     sizeof(struct vhu_vring_area)};
	const struct vhu_vring_area area = {.index = queue,
					    .size = bell->size,
					    .offset = bell->offset};

	return vhu_conn_send(&s->req, &h, &area, bell->fd) == 0;
}

static bool
send_withdrawal(struct vhu_session *s, uint32_t queue)
{
	const struct vhu_header h = {VHU_BACKEND_VRING_HOST_NOTIFIER, VHU_VERSION | VHU_NEED_REPLY,
				     sizeof(struct vhu_vring_area)};
	const struct vhu_vring_area area = {.index = queue | VHU_VRING_NOFD};

	if (vhu_conn_send(&s->req, &h, &area, -1) != 0)
		return false;
	s->bells.unanswered++;
	return true;
}

/** Whether the front-end can be told: it may have closed its channel, or given up the feature. */
static bool
can_tell(const struct vhu_session *s)
{
	const uint64_t needs = VHU_PF(HOST_NOTIFIER) | VHU_PF(BACKEND_SEND_FD);

	return (s->protocol_features & needs) == needs && vhu_conn_is_open(&s->req);
}

static void wait_for_rest(struct vhu_bells *b);

static void
on_rested(struct ev_timer *t)
{
	struct vhu_bells *b = container_of(t, struct vhu_bells, timer);
	uint32_t i;

	if (ev_now_ns() < b->rested_ns) {
		wait_for_rest(b);
		return;
	}
	for (i = 0; i < VDEV_QUEUES_MAX; i++) {
		struct vhu_bell *bell = &b->ring[i];

		if (!can_tell(session_of(b)))
			stop_waiting(bell);
		if (bell->waits)
			bell->named = send_name(session_of(b), i, bell);
		bell->waits = false;
	}
}

static void
wait_for_rest(struct vhu_bells *b)
{
	uint64_t now = ev_now_ns();
	uint64_t left = b->rested_ns > now ? b->rested_ns - now : 0;

	b->timer.cb = on_rested;
	ev_timer_arm(session_of(b)->loop, &b->timer, (uint32_t)(left / NS_PER_MILLI + 1));
}

static bool
withdraw(struct vhu_session *s, uint32_t queue)
{
	struct vhu_bell *bell = &s->bells.ring[queue];

	if (!bell->named)
		return true;
	bell->named = false;
	vhu_bells_rest(&s->bells);
	return send_withdrawal(s, queue);
}

static bool
name(struct vhu_session *s, uint32_t queue, const struct transport_doorbell *b)
{
	struct vhu_bell *bell = &s->bells.ring[queue];
	int fd = fcntl(b->fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return false;
	stop_waiting(bell); /* the former one, if any */
	(void)withdraw(s, queue);
	*bell = (struct vhu_bell){.fd = fd, .offset = b->offset, .size = b->size};
	if (ev_now_ns() >= s->bells.rested_ns)
		return bell->named = send_name(s, queue, bell);
	bell->waits = true;
	wait_for_rest(&s->bells);
	return true;
}

bool
vhu_send_host_notifier(struct transport *t, uint32_t queue, const struct transport_doorbell *b)
{
	struct vhu_session *s = vhu_session_of(t);

	if (queue >= VDEV_QUEUES_MAX)
		return false;
	/* also while there is no channel: the next one must not be given what the card has lost */
	if (b->fd < 0)
		stop_waiting(&s->bells.ring[queue]);
	if (!can_tell(s))
		return false;
	return b->fd < 0 ? withdraw(s, queue) : name(s, queue, b);
}

/** The guest notifies by eventfd from now on; writes elsewhere may have been missed. */
static void
kick_all(const struct vdev *d)
{
	uint32_t i;

	for (i = 0; i < d->nqueues; i++)
		irq_signal(d->irqs, d->q[i].kick_fd);
}

const char *
vhu_bells_answer(struct vhu_session *s)
{
	if (s->bells.unanswered == 0)
		return "an answer to no request";
	s->bells.unanswered--;
	kick_all(s->dev);
	return NULL;
}
