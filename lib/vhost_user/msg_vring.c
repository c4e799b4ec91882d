/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages about one ring. The row has checked its index. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "vhost_user/session.h"

int
vhu_set_vring_num(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	const struct vhu_vring_state *v = &m->payload.state;

	if (vdev_vq_set_num(s->dev, v->index, v->num) != 0)
		return vhu_refuse(s, EINVAL, "ring size out of range");
	return 0;
}

int
vhu_set_vring_addr(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	const struct vhu_vring_addr *a = &m->payload.addr;

	return vdev_vq_set_addr(s->dev, a->index, a->desc, a->avail, a->used, a->log, a->flags);
}

/** A vring base depends on the kind of ring only. */
static enum vq_layout
base_layout(const struct vdev *d)
{
	return (d->features & VDEV_F(RING_PACKED)) ? VQ_PACKED : VQ_SPLIT;
}

static int
set_base(struct vhu_session *s, uint32_t i)
{
	const struct vq_state state = vq_state_from_word(base_layout(s->dev), s->base[i]);

	return vdev_vq_set_state(s->dev, i, &state);
}

int
vhu_set_vring_base(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	s->base[m->payload.state.index] = m->payload.state.num;
	return set_base(s, m->payload.state.index);
}

void
vhu_bases_again(struct vhu_session *s)
{
	uint32_t i;

	for (i = 0; i < s->dev->nqueues; i++)
		if (s->dev->q[i].state_set && !s->dev->q[i].state_ours)
			(void)set_base(s, i);
}

int
vhu_get_vring_base(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	struct vhu_vring_state *v = &m->payload.state;
	struct vq_state state;
	int ret = vdev_vq_stop(s->dev, v->index, &state);

	vhu_bells_rest(&s->bells); /* the front-end withdraws this ring's by itself */
	v->num = vq_state_to_word(base_layout(s->dev), &state);
	return ret;
}

/** The message's descriptor to @p out, -1 when it states that there is none. 0 or refused. */
static int
take_eventfd(struct vhu_session *s, const struct vhu_msg *m, struct vhu_fds *fds, int *out)
{
	bool none = m->payload.u64 & VHU_VRING_NOFD;

	if (m->payload.u64 & ~(uint64_t)(VHU_VRING_INDEX_MASK | VHU_VRING_NOFD))
		return vhu_refuse(s, EINVAL, "unknown flags");
	if (fds->n != (none ? 0 : 1))
		return vhu_refuse(s, EBADMSG, "descriptor and flags do not agree");
	*out = -1;
	if (none)
		return 0;
	/* a pipe or a file can be polled, but may block, fill up or be readable always */
	if (!vhu_fd_is(fds->fd[0], "anon_inode:[eventfd]"))
		return vhu_refuse(s, EINVAL, "not an eventfd");
	/* the peer can undo this; notify_peer() does not depend on it */
	if (fcntl(fds->fd[0], F_SETFL, O_RDWR | O_NONBLOCK) != 0)
		return -errno;
	*out = vhu_fds_take(fds, 0);
	return 0;
}

static int
set_fd(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds,
       int (*set)(struct vdev *d, uint32_t i, int fd))
{
	int fd, ret;

	ret = take_eventfd(s, m, fds, &fd);
	if (ret != 0)
		return ret;
	return set(s->dev, (uint32_t)(m->payload.u64 & VHU_VRING_INDEX_MASK), fd);
}

int
vhu_set_vring_kick(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	int ret = set_fd(s, m, fds, vdev_vq_set_kick);

	if (ret == 0)
		ret = vdev_vq_set_ready(s->dev, (uint32_t)(m->payload.u64 & VHU_VRING_INDEX_MASK));
	return ret;
}

int
vhu_set_vring_call(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	return set_fd(s, m, fds, vdev_vq_set_call);
}

int
vhu_set_vring_err(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	return set_fd(s, m, fds, vdev_vq_set_err);
}

/**
 * After SET_VRING_KICK: whether the ring started or waits for a fact; refused: it never can as it
 * is.
 */
int
vhu_vring_started(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	const struct vdev_queue *q = &s->dev->q[m->payload.u64 & VHU_VRING_INDEX_MASK];

	return q->refused ? vhu_refuse(s, EPERM, q->why) : 0;
}

int
vhu_set_vring_enable(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	const struct vhu_vring_state *v = &m->payload.state;

	if (v->num > 1)
		return vhu_refuse(s, EINVAL, "neither enable nor disable");
	return vdev_vq_set_enable(s->dev, v->index, v->num == 1);
}

int
vhu_set_vring_endian(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	const struct vhu_vring_state *v = &m->payload.state;
	int ret = vdev_vq_set_endian(s->dev, v->index, v->num);

	if (ret == -EINVAL)
		s->why = "byte order is neither 0 nor 1";
	else if (ret == -EBUSY)
		s->why = "byte order of a started ring";
	return ret;
}
