/* SPDX-License-Identifier: BSD-3-Clause */
/* The control queue: its commands, its life; see control.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <rte_common.h>

#include "base/irq.h"
#include "base/record.h"
#include "vduse/dev.h"
#include "virtq/journal.h"

struct vq_journal_key
vduse_ctrl_key(const struct vduse *v)
{
	const struct vduse_ctrl *c = &v->ctrl;

	return (struct vq_journal_key){
		.desc_uva = c->desc,
		.driver_uva = c->driver,
		.device_uva = c->device,
		.features = c->features,
		.size = c->size,
		.base = c->base,
	};
}

/** The driver has broken it: the device needs a reset, which the driver sees by its link. */
static void
broke(struct vduse *v, const char *why)
{
	struct vduse_ctrl *c = &v->ctrl;
	struct vdev *d = v->dev;

	c->broken = true;
	c->why = why;
	c->step = VDUSE_CTRL_IDLE;
	v->last_error = why;
	ev_timer_cancel(&c->next);
	ev_del(&c->kick);
	d->status |= VDEV_STATUS_NEEDS_RESET;
	d->counters.ring_errors++;
	log_peer(&d->log_limit, d->name, "control queue %u is broken and stopped: %s",
		 vduse_ctrl_index(v), why);
	vduse_config_update(v);
}

/* --- commands --- */

void
vduse_ctrl_use_pairs(struct vduse *v, uint32_t n)
{
	v->ctrl.pairs = n;
	vduse_note(v);
	vdev_use_enable(v->dev, true);
	for (uint32_t i = 0; i < vduse_data_queues(v); i++)
		vdev_vq_set_enable(v->dev, i, i / 2 < n);
}

/** Whether it is granted, and the device told. */
static bool
carry_out(struct vduse *v, const struct vduse_ctrl_chain *c)
{
	const uint32_t n = c->head[2] | (uint32_t)c->head[3] << 8;

	if (c->head[0] != VIRTIO_NET_CTRL_MQ || c->head[1] != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET ||
	    c->len != VDUSE_CTRL_HEAD)
		return false;
	if (n == 0 || 2 * n > vduse_data_queues(v) || !(v->dev->features & VDEV_F(NET_MQ)))
		return false;
	if (n != v->ctrl.pairs)
		vduse_ctrl_use_pairs(v, n);
	return true;
}

static void
record_command(const struct vduse *v, const struct vduse_ctrl_chain *c)
{
	const struct record_said said = {
		.channel = RECORD_CONTROL,
		.from = RECORD_FROM_PEER,
		.request = (uint32_t)c->head[0] << 8 | c->head[1],
		.size = (uint32_t)RTE_MIN(c->len - 2, (uint64_t)UINT32_MAX),
		/* others have data of a driver's, such as its filters */
		.payload = c->len == VDUSE_CTRL_HEAD ? c->head + 2 : NULL,
	};

	record_message(v->record, &said);
}

static void
record_answer(const struct vduse *v, const struct vduse_ctrl_chain *c, uint8_t result)
{
	const struct record_said said = {
		.channel = RECORD_CONTROL,
		.from = RECORD_FROM_US,
		.request = (uint32_t)c->head[0] << 8 | c->head[1],
		.size = 1,
		.payload = &result,
	};

	record_message(v->record, &said);
}

static void
begin_command(struct vduse *v)
{
	struct vduse_ctrl *c = &v->ctrl;
	bool granted;

	c->commands++;
	record_command(v, &c->chain);
	granted = carry_out(v, &c->chain);
	c->refused += !granted;
	c->result = granted ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
	c->step = VDUSE_CTRL_APPLYING;
	vduse_sync(v);
	/* workers see it already, or it is none of their business */
	if (c->step == VDUSE_CTRL_APPLYING && !v->dev->unpublished)
		c->step = VDUSE_CTRL_ANSWERS;
}

/** False: nothing more can be done now. */
static bool
end_command(struct vduse *v)
{
	struct vduse_ctrl *c = &v->ctrl;

	c->waits = false;
	if (c->step != VDUSE_CTRL_ANSWERS || !vduse_ctrl_answer(v, &c->chain, c->result))
		return false;
	c->step = VDUSE_CTRL_IDLE;
	record_answer(v, &c->chain, c->result);
	return true;
}

/* --- a few commands at a time --- */

/** Whether there is something to do after this. */
static bool
one(struct vduse *v)
{
	struct vduse_ctrl *c = &v->ctrl;

	if (c->step == VDUSE_CTRL_IDLE) {
		switch (vduse_ctrl_look(v, &c->chain)) {
		case VDUSE_CTRL_NONE:
			return vduse_ctrl_arm(v);
		case VDUSE_CTRL_WAITS:
			return false;
		case VDUSE_CTRL_BROKEN:
			broke(v, c->why);
			return false;
		case VDUSE_CTRL_ONE:
			begin_command(v);
		}
	}
	return end_command(v);
}

static bool
runs(const struct vduse *v)
{
	return v->ctrl.ready && !v->ctrl.broken && !v->asleep;
}

static void
on_next(struct ev_timer *t)
{
	struct vduse *v = container_of(t, struct vduse, ctrl.next);
	struct vduse_ctrl *c = &v->ctrl;
	uint32_t n = 0;

	while (n < VDUSE_CTRL_BATCH && runs(v) && one(v))
		n++;
	c->looked_ns = ev_now_ns();
	if (n == VDUSE_CTRL_BATCH)
		ev_timer_arm(v->loop, &c->next, VDUSE_CTRL_PAUSE_MS);
	if (runs(v) && c->kick.loop == NULL)
		ev_add(v->loop, &c->kick, EPOLLIN);
}

/** Kicks are the driver's to write, as fast as it can: one is noticed for each look. */
static void
on_kick(struct ev_source *s, uint32_t events)
{
	struct vduse *v = container_of(s, struct vduse, ctrl.kick);
	uint64_t n;

	ev_del(s);
	if (read(s->fd, &n, sizeof(n)) == sizeof(n))
		vduse_ctrl_kick(v);
	else if (runs(v))
		ev_add(v->loop, s, EPOLLIN);
}

void
vduse_ctrl_kick(struct vduse *v)
{
	struct vduse_ctrl *c = &v->ctrl;
	const bool soon = ev_now_ns() - c->looked_ns < VDUSE_CTRL_PAUSE_MS * UINT64_C(1000000);

	if (c->ready && !c->broken && c->next.loop == NULL)
		ev_timer_arm(v->loop, &c->next, soon ? VDUSE_CTRL_PAUSE_MS : 0);
}

void
vduse_ctrl_published(struct vduse *v)
{
	struct vduse_ctrl *c = &v->ctrl;

	if (c->step != VDUSE_CTRL_APPLYING)
		return;
	c->step = VDUSE_CTRL_ANSWERS;
	/* not from here: others are being told of the same publication */
	ev_timer_arm(v->loop, &c->next, 0);
}

static void
unmap(struct vduse_ctrl *c)
{
	for (uint32_t perm = 0; perm < RTE_DIM(c->mem); perm++) {
		gmem_put(c->mem[perm]);
		c->mem[perm] = NULL;
	}
}

void
vduse_ctrl_flush(struct vduse *v)
{
	unmap(&v->ctrl);
	vduse_ctrl_kick(v);
}

/* --- life --- */

static int
set_kick(struct vduse *v)
{
	struct vduse_ctrl *c = &v->ctrl;
	struct vduse_vq_eventfd e = {.index = vduse_ctrl_index(v),
				     .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};

	if (e.fd < 0 || v->sys->ioctl(v->fd, VDUSE_VQ_SETUP_KICKFD, &e) < 0) {
		int ret = -errno;

		if (e.fd >= 0)
			close(e.fd);
		return ret;
	}
	c->kick = (struct ev_source){.fd = e.fd, .cb = on_kick};
	c->kick_fd = e.fd;
	return ev_add(v->loop, &c->kick, EPOLLIN);
}

static int
set_irq(struct vduse *v)
{
	int fd = fcntl(v->fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	v->ctrl.irq = irq_of_ioctl(v->dev->irqs, v->sys->ioctl, fd, VDUSE_VQ_INJECT_IRQ,
				   vduse_ctrl_index(v));
	return v->ctrl.irq == NULL ? -ENOMEM : 0;
}

/** Its kicks and interrupts, unless they are there. 0 or -errno. */
static int
open_ctrl(struct vduse *v)
{
	struct vduse_ctrl *c = &v->ctrl;
	int ret = 0;

	c->next.cb = on_next;
	if (c->irq == NULL)
		ret = set_irq(v);
	if (ret == 0 && c->kick_fd < 0)
		ret = set_kick(v);
	return ret;
}

static const char *
check_places(const struct vduse_ctrl *c)
{
	const struct vq_extent len = vq_extent(c->layout, c->size, c->features);
	const struct vq_extent align = vq_alignment(c->layout);

	if (c->desc % align.desc != 0 || c->driver % align.driver != 0 ||
	    c->device % align.device != 0)
		return "ring addresses are not aligned";
	if (c->desc + (len.desc - 1) < c->desc || c->driver + (len.driver - 1) < c->driver ||
	    c->device + (len.device - 1) < c->device)
		return "ring addresses wrap";
	return NULL;
}

/** As @p info and the driver's features say. Whether such a ring can be served. */
static bool
describe(struct vduse *v, const struct vduse_vq_info *info)
{
	struct vduse_ctrl *c = &v->ctrl;
	const bool packed = v->dev->features & VDEV_F(RING_PACKED);
	const char *why;

	c->layout = packed ? VQ_PACKED : VQ_SPLIT;
	c->features = v->dev->features;
	c->size = info->num;
	c->desc = info->desc_addr;
	c->driver = info->driver_addr;
	c->device = info->device_addr;
	why = info->num > VDUSE_RING_SIZE ? "its ring is longer than the device allows"
					  : vq_check(c->layout, c->size, c->features);
	if (why == NULL && packed && c->at.avail >= c->size)
		why = "ring base is outside the ring";
	if (why == NULL)
		why = check_places(c);
	if (why != NULL)
		broke(v, why);
	return why == NULL;
}

static void
begin(struct vduse *v, const struct vduse_vq_info *info)
{
	const bool packed = v->dev->features & VDEV_F(RING_PACKED);
	struct vduse_ctrl *c = &v->ctrl;

	c->at = vduse_state_of(v, info);
	c->base = vq_state_to_word(packed ? VQ_PACKED : VQ_SPLIT, &c->at);
	c->at.used = c->at.avail;
	c->at.used_wrap = c->at.avail_wrap;
	if (!describe(v, info))
		return;
	c->lost = v->resuming;
	if (c->lost)
		vduse_ctrl_find(v);
	else
		vduse_ctrl_log_position(v);
}

void
vduse_ctrl_ready(struct vduse *v, const struct vduse_vq_info *info, bool another)
{
	struct vduse_ctrl *c = &v->ctrl;

	if (another && !c->broken)
		begin(v, info);
	if (!c->broken && open_ctrl(v) != 0)
		broke(v, "no descriptor for it");
	c->ready = !c->broken;
	vduse_ctrl_kick(v);
	/* a predecessor may have answered without an interrupt */
	if (c->ready && v->resuming)
		irq_raise(c->irq);
}

void
vduse_ctrl_go_on(struct vduse *v)
{
	struct vduse_ctrl *c = &v->ctrl;

	if (!vduse_has_ctrl(v) || !v->q[vduse_ctrl_index(v)].loaded) {
		c->ready = false;
		return;
	}
	if (c->broken || !describe(v, &v->q[vduse_ctrl_index(v)].info))
		return;
	if (c->ready && open_ctrl(v) != 0)
		broke(v, "no descriptor for it");
	vduse_ctrl_kick(v);
}

void
vduse_ctrl_unready(struct vduse *v)
{
	struct vduse_ctrl *c = &v->ctrl;

	c->ready = false;
	c->step = VDUSE_CTRL_IDLE;
	ev_timer_cancel(&c->next);
}

void
vduse_ctrl_forget(struct vduse *v)
{
	struct vduse_ctrl *c = &v->ctrl;

	ev_timer_cancel(&c->next);
	ev_del(&c->kick);
	if (c->kick_fd >= 0)
		close(c->kick_fd);
	c->kick_fd = -1;
	irq_free(c->irq);
	c->irq = NULL;
	unmap(c);
	c->ready = c->broken = c->waits = c->lost = false;
	c->why = NULL;
	c->step = VDUSE_CTRL_IDLE;
	c->pairs = 0;
	atomic_store(&c->fault.dead, false);
}

const char *
vduse_ctrl_state(const struct vduse *v)
{
	const struct vduse_ctrl *c = &v->ctrl;

	if (!v->control)
		return v->few != NULL ? "refused by the kernel" : "none";
	if (c->broken)
		return c->why;
	if (!c->ready)
		return "not ready";
	return c->waits ? "waits for memory that the driver has not mapped" : "in use";
}
