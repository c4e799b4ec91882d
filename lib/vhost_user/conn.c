/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_common.h>

#include "base/spare.h"
#include "vhost_user/conn.h"

#define FDS_OF_A_CALL 253 /* SCM_MAX_FD of the kernel */
#define NS_PER_US UINT64_C(1000)
#define HEADER_LEN ((uint32_t)sizeof(struct vhu_header))
#define OUT_OF_DESCRIPTORS "the limit of open files is reached (see ulimit -n)"

int
vhu_fds_take(struct vhu_fds *f, uint32_t i)
{
	int fd = i < f->n ? f->fd[i] : -1;

	if (fd >= 0)
		f->fd[i] = -1;
	return fd;
}

bool
vhu_fd_is(int fd, const char *kind)
{
	char path[32], name[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, name, sizeof(name));
	return n >= (ssize_t)strlen(kind) && memcmp(name, kind, strlen(kind)) == 0;
}

void
vhu_fds_close(struct vhu_fds *f)
{
	uint32_t i;

	for (i = 0; i < f->n; i++)
		if (f->fd[i] >= 0)
			close(f->fd[i]);
	f->n = 0;
}

bool
vhu_conn_is_open(const struct vhu_conn *c)
{
	return c->loop != NULL && c->src.fd >= 0;
}

bool
vhu_conn_idle(const struct vhu_conn *c)
{
	return vhu_conn_is_open(c) && c->out_n == 0;
}

bool
vhu_conn_left(const struct vhu_conn *c)
{
	struct pollfd p = {.fd = c->src.fd, .events = POLLRDHUP};

	return vhu_conn_is_open(c) && poll(&p, 1, 0) == 1;
}

static void
out_pop(struct vhu_conn *c)
{
	struct vhu_out *o = &c->out[c->out_head];

	vhu_fds_close(&o->fds);
	c->out_head = (c->out_head + 1) % CONN_OUT_MAX;
	c->out_n--;
	c->out_sent = 0;
}

/* --- descriptors that a peer has a hand in --- */

void
vhu_conn_discard(const struct vhu_conn *c, int fd)
{
	if (c->lane == NULL)
		close(fd);
	else
		lane_close(c->lane, fd);
}

static void
discard_in(struct vhu_conn *c)
{
	uint32_t i;

	for (i = 0; i < c->in_fds.n; i++)
		if (c->in_fds.fd[i] >= 0)
			vhu_conn_discard(c, c->in_fds.fd[i]);
	c->in_fds.n = 0;
}

void
vhu_socket_close(struct lane *l, int fd)
{
	char byte;

	shutdown(fd, SHUT_RDWR); /* no more can come */
	if (l != NULL && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
		lane_close(l, fd);
	else
		close(fd);
}

void
vhu_conn_close(struct vhu_conn *c)
{
	if (!vhu_conn_is_open(c))
		return;
	ev_del(&c->src);
	ev_timer_cancel(&c->in_deadline);
	ev_timer_cancel(&c->out_deadline);
	ev_timer_cancel(&c->idle);
	vhu_socket_close(c->lane, c->src.fd);
	c->src.fd = -1;
	discard_in(c);
	while (c->out_n > 0)
		out_pop(c);
}

static void
conn_fail(struct vhu_conn *c, int error, const char *why)
{
	vhu_conn_close(c);
	c->error = error;
	c->ops->closed(c, why);
}

/* --- receiving --- */

/** Take over the descriptors of one recvmsg(). False: not all are there. */
static bool
collect_fds(struct vhu_conn *c, struct msghdr *mh)
{
	bool fit = !(mh->msg_flags & MSG_CTRUNC);
	struct cmsghdr *cm;
	uint32_t i, n;
	int fd;

	for (cm = CMSG_FIRSTHDR(mh); cm != NULL; cm = CMSG_NXTHDR(mh, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (uint32_t)((cm->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(cm) + i * sizeof(int), sizeof(fd));
			if (c->in_fds.n < VHU_FDS_MAX) {
				c->in_fds.fd[c->in_fds.n++] = fd;
			} else {
				vhu_conn_discard(c, fd);
				fit = false;
			}
		}
	}
	return fit;
}

/**
 * The place of the next bytes of the message: the rest of the header, then the rest of the payload.
 */
static struct iovec
in_room(struct vhu_conn *c)
{
	if (c->in_got < HEADER_LEN)
		return (struct iovec){(uint8_t *)&c->in.header + c->in_got, HEADER_LEN - c->in_got};
	return (struct iovec){c->in.payload.bytes + (c->in_got - HEADER_LEN),
			      c->in.header.size - (c->in_got - HEADER_LEN)};
}

static bool
in_complete(const struct vhu_conn *c)
{
	return c->in_got >= HEADER_LEN && c->in_got - HEADER_LEN == c->in.header.size;
}

/** One read. 1: bytes arrived, 0: none are there, -1: failed and closed. */
static int
in_read(struct vhu_conn *c)
{
	union {
		char buf[CMSG_SPACE(FDS_OF_A_CALL * sizeof(int))]; /* the kernel closes none */
		struct cmsghdr align;
	} control;
	struct iovec iov = in_room(c);
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n = recvmsg(c->src.fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	const char *why = NULL;
	int error = -EPROTO;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		error = -ECONNRESET;
	if (n <= 0)
		why = n == 0 ? "the peer closed the connection" : "the connection broke";
	else if (!collect_fds(c, &mh))
		why = c->in_fds.n < VHU_FDS_MAX ? OUT_OF_DESCRIPTORS
						: "more descriptors than a message may have";
	if (why == NULL) {
		c->in_got += (uint32_t)n;
		if (c->in_got >= HEADER_LEN && c->in.header.size > VHU_PAYLOAD_MAX)
			why = "message too long";
	}
	if (why == NULL)
		return 1;
	conn_fail(c, error, why);
	return -1;
}

const char vhu_conn_later[] = "not now";

static bool conn_readable(struct vhu_conn *c);

static void idle(struct vhu_conn *c, uint32_t ms);

/** Whether descriptors are about to be closed, such as one in whose place another came. */
static bool
is_closing(const struct vhu_conn *c)
{
	return c->lane != NULL && lane_is_closing(c->lane);
}

/**
 * Whether spare descriptors that are missing may come back by themselves: others are being closed,
 * or another thread has opened a file for a moment when they were lent. Not for many, however many
 * connections wait for them: a neighbour would go without.
 */
static bool
may_be_repaid(const struct vhu_conn *c, bool closing)
{
	return closing || (spare_missing() <= CONN_OWES_FEW && c->looks < CONN_OWES_LOOKS);
}

/**
 * Whether it has returned the spare descriptors it used. While others of it are closed nothing is
 * read: message by message it would use up those that are left, which are its neighbours'.
 */
static bool
has_repaid(struct vhu_conn *c)
{
	bool closing = is_closing(c); /* before: the last one may be closed any time */

	spare_refill();
	if (spare_count() >= c->owes) {
		c->owes = c->looks = 0;
		return true;
	}
	c->looks++;
	if (may_be_repaid(c, closing))
		idle(c, CONN_CLOSING_MS);
	else
		conn_fail(c, -EMFILE, OUT_OF_DESCRIPTORS);
	return false;
}

static void
on_idle_over(struct ev_timer *t)
{
	struct vhu_conn *c = container_of(t, struct vhu_conn, idle);

	/* what it said last is of no use, and would keep its successor waiting */
	if (vhu_conn_left(c))
		conn_fail(c, -ECONNRESET, "the peer closed the connection");
	else if (c->owes != 0 && !has_repaid(c))
		return;
	else if (ev_add(c->loop, &c->src, c->out_n > c->out_held ? EPOLLIN | EPOLLOUT : EPOLLIN) !=
		 0)
		conn_fail(c, -ENOMEM, "out of memory");
	else if (in_complete(c))
		(void)conn_readable(c);
}

/** Nothing is read for a while. A peer that has left would be reported all the time. */
static void
idle(struct vhu_conn *c, uint32_t ms)
{
	ev_del(&c->src);
	c->idle.cb = on_idle_over;
	ev_timer_arm(c->loop, &c->idle, ms);
}

/** Hand the message over. False when the connection is closed, or the message waits. */
static bool
in_deliver(struct vhu_conn *c)
{
	const uint32_t got = c->in_got;
	const char *why;

	c->in_got = 0;
	ev_timer_cancel(&c->in_deadline);
	why = c->ops->message(c, &c->in, &c->in_fds);
	if (why == vhu_conn_later) {
		c->in_got = got;
		idle(c, CONN_LATER_MS);
		return false;
	}
	discard_in(c);
	if (vhu_conn_is_open(c) && why != NULL)
		conn_fail(c, -EPROTO, why);
	return vhu_conn_is_open(c);
}

/** Whether its descriptors wait to be closed, as many as may do so: it is looked at again later. */
static bool
held_up(struct vhu_conn *c)
{
	if (c->lane == NULL || lane_closing(c->lane) < CONN_CLOSING_MAX)
		return false;
	idle(c, CONN_CLOSING_MS);
	return true;
}

/** Whether a burst of which @p done messages are handled goes on: some wait for all workers. */
static bool
burst_lasts(int done, uint64_t start)
{
	return done == 0 || (done < CONN_BURST && ev_now_ns() - start < CONN_BURST_US * NS_PER_US);
}

/** Messages up to a burst, handled. -1: the connection is closed, or a message waits. */
static int
in_burst(struct vhu_conn *c)
{
	const uint64_t start = ev_now_ns();
	int done = 0;

	while (burst_lasts(done, start) && !held_up(c)) {
		int got = in_complete(c) ? 1 : in_read(c);

		if (got < 0)
			return -1;
		if (got == 0)
			break;
		if (in_complete(c)) {
			if (!in_deliver(c))
				return -1;
			done++;
		}
	}
	return done;
}

/** It has used more descriptors than it gave back: until those being closed are. */
static void
wait_for_room(struct vhu_conn *c)
{
	c->owes = spare_had();
	if (c->idle.loop == NULL)
		idle(c, CONN_CLOSING_MS);
}

/** Read the bytes that are there. False: they were a part of one message. */
static bool
conn_readable(struct vhu_conn *c)
{
	bool closing;
	int done;

	spare_lend();
	done = in_burst(c);
	closing = done >= 0 && is_closing(c); /* before: the last one may be closed any time */
	spare_refill();
	if (!spare_repaid() && done >= 0 && may_be_repaid(c, closing)) {
		wait_for_room(c);
	} else if (!spare_repaid() && done >= 0) {
		conn_fail(c, -EMFILE, OUT_OF_DESCRIPTORS);
		done = -1;
	}
	if (done < 0) {
		spare_refill();
		return true;
	}
	if (c->in_got > 0 && c->in_deadline.loop == NULL)
		ev_timer_arm(c->loop, &c->in_deadline, CONN_DEADLINE_MS);
	return done > 0;
}

/**
 * Whether the peer missed its deadline: not if this process was late, so bytes sent by now count.
 */
static void
in_expired(struct ev_timer *t)
{
	struct vhu_conn *c = container_of(t, struct vhu_conn, in_deadline);

	/* nothing is read while it is idle */
	if (!conn_readable(c) && c->idle.loop == NULL)
		conn_fail(c, -ETIMEDOUT, "a message was not finished in time");
}

/* --- sending --- */

/**
 * Send what is left of the first message in the queue. 1: all of it, 0: the peer is slow, -errno.
 */
static int
out_write(struct vhu_conn *c)
{
	struct vhu_out *o = &c->out[c->out_head];
	uint32_t in_header = RTE_MIN(c->out_sent, HEADER_LEN);
	struct iovec iov[2] = {
		{(uint8_t *)&o->header + in_header, HEADER_LEN - in_header},
		{o->payload + (c->out_sent - in_header),
		 o->header.size - (c->out_sent - in_header)},
	};
	union {
		char buf[CMSG_SPACE(VHU_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct msghdr mh = {.msg_iov = iov, .msg_iovlen = RTE_DIM(iov)};
	size_t fds_len = o->fds.n * sizeof(int);
	ssize_t n;

	if (o->fds.n > 0 && c->out_sent == 0) {
		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(fds_len);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(fds_len);
		memcpy(CMSG_DATA(&control.align), o->fds.fd, fds_len);
	}
	n = sendmsg(c->src.fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	c->out_sent += (uint32_t)n;
	return c->out_sent == HEADER_LEN + o->header.size;
}

/** Messages that may be sent. */
static uint32_t
out_due(const struct vhu_conn *c)
{
	return c->out_n - c->out_held;
}

/** Send until the peer's buffer is full. 0 or -errno. */
static int
out_flush(struct vhu_conn *c)
{
	int ret;

	while (out_due(c) > 0) {
		ret = out_write(c);
		if (ret < 0)
			return ret;
		if (ret == 0)
			break;
		out_pop(c);
	}
	ev_mod(&c->src, out_due(c) > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
	if (out_due(c) == 0)
		ev_timer_cancel(&c->out_deadline);
	else if (!c->patient && c->out_deadline.loop == NULL)
		ev_timer_arm(c->loop, &c->out_deadline, CONN_DEADLINE_MS);
	return 0;
}

/** The same for sending: a peer that has made room by now reads. */
static void
out_expired(struct ev_timer *t)
{
	struct vhu_conn *c = container_of(t, struct vhu_conn, out_deadline);
	uint32_t waiting = out_due(c);

	if (out_flush(c) != 0 || out_due(c) == waiting)
		conn_fail(c, -ETIMEDOUT, "the peer does not read its replies");
}

uint32_t
vhu_conn_room(const struct vhu_conn *c)
{
	return vhu_conn_is_open(c) ? CONN_OUT_MAX - c->out_n : 0;
}

/** Record a message of the owner of @p c. */
static void
note_said(const struct vhu_conn *c, const struct vhu_header *h, const void *payload,
	  const struct vhu_fds *fds)
{
	const struct record_said said = {
		.channel = c->channel,
		.from = RECORD_FROM_US,
		.request = h->request,
		.flags = h->flags,
		.size = h->size,
		.payload = payload,
		.fds = fds->fd,
		.nfds = fds->n,
	};

	record_message(c->record, &said);
}

int
vhu_conn_send_fds(struct vhu_conn *c, const struct vhu_header *h, const void *payload,
		  struct vhu_fds *fds)
{
	struct vhu_out *o = &c->out[(c->out_head + c->out_n) % CONN_OUT_MAX];

	if (vhu_conn_room(c) == 0 || h->size > CONN_OUT_PAYLOAD) {
		vhu_fds_close(fds);
		return -ENOBUFS;
	}
	note_said(c, h, payload, fds);
	o->header = *h;
	if (h->size > 0)
		memcpy(o->payload, payload, h->size);
	o->fds = *fds;
	fds->n = 0;
	c->out_n++;
	if (c->holding)
		c->out_held++;
	/* a connection that broke is noticed by its reader, as one that was closed */
	else if (c->out_n == 1)
		(void)out_flush(c);
	return 0;
}

void
vhu_conn_hold(struct vhu_conn *c)
{
	c->holding = vhu_conn_is_open(c);
}

void
vhu_conn_release(struct vhu_conn *c)
{
	if (!vhu_conn_is_open(c) || !c->holding)
		return;
	c->holding = false;
	c->out_held = 0;
	(void)out_flush(c);
}

int
vhu_conn_send(struct vhu_conn *c, const struct vhu_header *h, const void *payload, int fd)
{
	struct vhu_fds fds = {.n = fd >= 0, .fd = {fd}};

	return vhu_conn_send_fds(c, h, payload, &fds);
}

/* --- both --- */

static void
conn_event(struct ev_source *src, uint32_t events)
{
	struct vhu_conn *c = container_of(src, struct vhu_conn, src);

	if ((events & EPOLLOUT) && out_flush(c) != 0) {
		conn_fail(c, -ECONNRESET, "the connection broke");
		return;
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		conn_readable(c);
}

int
vhu_conn_open(struct vhu_conn *c, struct ev_loop *loop, int fd, const struct vhu_conn_ops *ops,
	      void *ctx)
{
	int ret;

	*c = (struct vhu_conn){
		.src = {.fd = fd, .cb = conn_event},
		.loop = loop,
		.ops = ops,
		.ctx = ctx,
		.in_deadline.cb = in_expired,
		.out_deadline.cb = out_expired,
	};
	ret = ev_add(loop, &c->src, EPOLLIN);
	if (ret != 0) {
		close(fd);
		c->src.fd = -1;
	}
	return ret;
}

void
vhu_conn_resume(struct vhu_conn *c)
{
	if (in_complete(c))
		idle(c, CONN_LATER_MS); /* no more bytes need come to have it handled */
	else if (c->in_got > 0 && c->in_deadline.loop == NULL)
		ev_timer_arm(c->loop, &c->in_deadline, CONN_DEADLINE_MS);
	if (out_due(c) == 0)
		return;
	if (c->idle.loop == NULL)
		ev_mod(&c->src, EPOLLIN | EPOLLOUT);
	if (!c->patient && c->out_deadline.loop == NULL)
		ev_timer_arm(c->loop, &c->out_deadline, CONN_DEADLINE_MS);
}
