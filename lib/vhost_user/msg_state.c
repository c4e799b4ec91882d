/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's own state through a pipe of the front-end's (SET_DEVICE_STATE_FD,
 * CHECK_DEVICE_STATE). It is moved in the background, as fast as the other end
 * reads or writes; the check at the end says whether all of it arrived and fits.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <rte_common.h>

#include "vhost_user/session.h"

#define CHUNK 65536

/** The peer may have made that long, by waiting for the pipe many times. */
static void
pipe_close(struct vhu_transfer *t)
{
	ev_del(&t->src);
	vhu_conn_discard(&container_of(t, struct vhu_session, transfer)->conn, t->src.fd);
	t->src.fd = -1;
}

void
vhu_transfer_stop(struct vhu_transfer *t)
{
	if (t->state == VHU_TRANSFER_NONE)
		return;
	if (t->src.fd >= 0)
		pipe_close(t);
	blob_free(&t->blob);
	*t = (struct vhu_transfer){.src.fd = -1};
}

/** The transfer has ended or failed: stop watching the pipe. */
static void
pipe_done(struct vhu_transfer *t, enum vhu_transfer_state state)
{
	pipe_close(t);
	t->state = state;
}

static void
pipe_write(struct vhu_transfer *t)
{
	ssize_t n = write(t->src.fd, t->blob.data + t->done, t->blob.len - t->done);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		t->done += (size_t)n;
	if (n <= 0)
		pipe_done(t, VHU_TRANSFER_FAILED);
	else if (t->done == t->blob.len)
		pipe_done(t, VHU_TRANSFER_COMPLETE);
}

/** Read one chunk of the bytes that are there. False: none are left now, or the end. */
static bool
pipe_read(struct vhu_transfer *t)
{
	static uint8_t chunk[CHUNK];
	ssize_t n = read(t->src.fd, chunk, sizeof(chunk));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n > 0)
		blob_put(&t->blob, chunk, (size_t)n);
	if (n < 0 || t->blob.failed || t->blob.len > VDEV_SAVE_MAX)
		pipe_done(t, VHU_TRANSFER_FAILED);
	else if (n == 0)
		pipe_done(t, VHU_TRANSFER_COMPLETE);
	return n > 0 && t->src.fd >= 0;
}

static void
on_pipe(struct ev_source *src, uint32_t events)
{
	struct vhu_transfer *t = container_of(src, struct vhu_transfer, src);

	(void)events;
	if (t->load)
		pipe_read(t);
	else
		pipe_write(t);
}

/**
 * The pipe behind @p fd opened once more: the front-end shares the one it sent
 * and could make that one blocking at any time. -1: not a pipe.
 */
static int
own_pipe(int fd, int mode)
{
	char path[32];

	if (!vhu_fd_is(fd, "pipe:["))
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, mode | O_NONBLOCK | O_CLOEXEC);
}

static int
transfer_start(struct vhu_session *s, bool load, int fd)
{
	struct vhu_transfer *t = &s->transfer;
	int ret = load ? 0 : vdev_save(s->dev, &t->blob);

	t->src = (struct ev_source){.fd = fd, .cb = on_pipe};
	t->load = load;
	t->state = VHU_TRANSFER_ACTIVE;
	if (ret == 0)
		ret = ev_add(s->loop, &t->src, load ? EPOLLIN : EPOLLOUT);
	if (ret == 0)
		ret = vdev_transfer_begin(s->dev,
					  load ? VDEV_STATE_RESUMING : VDEV_STATE_STOP_COPY);
	if (ret != 0)
		vhu_transfer_stop(t);
	return ret;
}

int
vhu_set_device_state_fd(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	const struct vhu_device_state *x = &m->payload.device_state;
	bool load = x->direction == VHU_STATE_LOAD;
	int fd, ret;

	if (x->direction > VHU_STATE_LOAD || x->phase != VHU_STATE_PHASE_STOPPED)
		return vhu_refuse(s, EINVAL, "no such direction or phase");
	vhu_transfer_stop(&s->transfer);
	vdev_transfer_end(s->dev);
	if (vdev_state(s->dev) != VDEV_STATE_STOP)
		return vhu_refuse(s, EBUSY, "state is moved while the device is stopped");
	fd = own_pipe(fds->fd[0], load ? O_RDONLY : O_WRONLY);
	if (fd < 0)
		return vhu_refuse(s, EINVAL, "not a pipe that can be used");
	ret = transfer_start(s, load, fd);
	if (ret == 0)
		s->result = VHU_STATE_NOFD;
	return ret;
}

/** Whether the transfer before this was complete; a loaded state is taken over now. */
int
vhu_check_device_state(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	struct vhu_transfer *t = &s->transfer;
	int ret = 0;

	if (t->state == VHU_TRANSFER_NONE)
		return vhu_refuse(s, EINVAL, "no state was moved");
	/* the front-end has closed its end: the pipe has all of the state */
	while (t->state == VHU_TRANSFER_ACTIVE && t->load && pipe_read(t))
		;
	if (t->state != VHU_TRANSFER_COMPLETE)
		ret = vhu_refuse(s, EIO, "the state was not moved to its end");
	else if (t->load)
		ret = vdev_load(s->dev, t->blob.data, t->blob.len, &s->why);
	vhu_transfer_stop(t);
	vdev_transfer_end(s->dev);
	return ret;
}
