/* SPDX-License-Identifier: BSD-3-Clause */
/* Each function begins an operation of the asynchronous front-end and runs a loop until it ends. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <bsd/string.h>

#include "vhost_user/vhf.h"
#include "base/sock.h"

#define CONNECT_RETRY_MS 20

static int __attribute__((format(printf, 3, 4))) fail(struct vhf *f, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->err, sizeof(f->err), fmt, ap);
	va_end(ap);
	return err;
}

/* --- the session's loop --- */

static uint64_t
on_request(struct vhu_frontend *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	struct vhf *f = s->ctx;

	if (f->nrequests == VHF_REQUESTS_MAX)
		return EBUSY;
	f->requests[f->nrequests++] = *m;
	return 0;
}

static void
on_closed(struct vhu_frontend *s, int error)
{
}

static const struct vhu_frontend_ops session_ops = {.request = on_request, .closed = on_closed};

static void
on_done(struct vhu_frontend *s, void *ctx, int ret, const struct vhu_msg *reply)
{
	struct vhf *f = ctx;

	f->ended = true;
	f->ret = ret;
	if (reply != NULL && f->reply != NULL)
		*f->reply = *reply;
}

/** The end of the operation that is about to begin; its reply goes to @p reply. */
static struct vhu_frontend_done
until_done(struct vhf *f, struct vhu_msg *reply)
{
	f->ended = false;
	f->reply = reply;
	return (struct vhu_frontend_done){.fn = on_done, .ctx = f};
}

/** Wait for the end of the operation that was begun with result @p ret. */
static int
finish(struct vhf *f, int ret)
{
	while (ret == 0 && !f->ended)
		ev_run_once(f->loop, -1);
	if (ret == 0)
		ret = f->ret;
	if (ret != 0)
		strlcpy(f->err, f->s.err, sizeof(f->err));
	return ret;
}

/* --- connection --- */

static int
connect_retry(struct vhf *f)
{
	const uint64_t deadline = ev_now_ns() + (uint64_t)f->timeout_ms * 1000000;
	int fd;

	while ((fd = sock_connect_unix(f->path)) < 0) {
		if (ev_now_ns() >= deadline)
			return fail(f, fd, "%s: %s", f->path, strerror(-fd));
		usleep(CONNECT_RETRY_MS * 1000);
	}
	return fd;
}

static int
listen_at(struct vhf *f)
{
	const struct sock_access access = {0600, (uid_t)-1, (gid_t)-1};

	f->listen_fd = sock_listen_unix(f->path, &access, f->err, sizeof(f->err));
	return f->listen_fd < 0 ? -EADDRINUSE : 0;
}

static int
accept_one(struct vhf *f)
{
	struct pollfd p = {.events = POLLIN};
	int n, ret = f->listen_fd < 0 ? listen_at(f) : 0;

	if (ret != 0)
		return ret;
	p.fd = f->listen_fd;
	do
		n = poll(&p, 1, f->timeout_ms);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return fail(f, -ETIMEDOUT, "%s: no back-end connects", f->path);
	ret = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	return ret >= 0 ? ret : fail(f, -errno, "accept: %s", strerror(errno));
}

int
vhf_reopen(struct vhf *f)
{
	struct vhu_frontend_config cfg = {
		.loop = f->loop,
		.timeout_ms = (uint32_t)f->timeout_ms,
		.ops = &session_ops,
		.ctx = f,
	};
	int fd;

	vhu_frontend_close(&f->s);
	f->nrequests = 0;
	fd = f->server ? accept_one(f) : connect_retry(f);
	return fd < 0 ? fd : vhu_frontend_open(&f->s, &cfg, fd);
}

int
vhf_open(struct vhf *f, const struct vhf_config *cfg)
{
	*f = (struct vhf){
		.listen_fd = -1,
		.timeout_ms = cfg->timeout_ms,
		.server = cfg->server,
	};
	if (strlcpy(f->path, cfg->path, sizeof(f->path)) >= sizeof(f->path))
		return fail(f, -ENAMETOOLONG, "%s: path too long", cfg->path);
	f->requests = calloc(VHF_REQUESTS_MAX, sizeof(f->requests[0]));
	f->loop = ev_loop_new();
	if (f->loop == NULL || f->requests == NULL) {
		vhf_close(f);
		return fail(f, -ENOMEM, "out of memory");
	}
	return vhf_reopen(f);
}

void
vhf_close(struct vhf *f)
{
	vhu_frontend_close(&f->s);
	if (f->listen_fd >= 0) {
		unlink(f->path);
		close(f->listen_fd);
	}
	f->listen_fd = -1;
	ev_loop_free(f->loop);
	free(f->requests);
	f->loop = NULL;
	f->requests = NULL;
	f->s = (struct vhu_frontend){0};
}

/* --- operations --- */

int
vhf_request(struct vhf *f, struct vhu_msg *m, const int *fds, uint32_t nfds)
{
	return finish(f, vhu_frontend_request(&f->s, m, fds, nfds, until_done(f, m)));
}

int
vhf_negotiate(struct vhf *f, const struct vhu_frontend_wish *wish)
{
	return finish(f, vhu_frontend_negotiate(&f->s, wish, until_done(f, NULL)));
}

int
vhf_set_features(struct vhf *f, uint64_t features)
{
	return finish(f, vhu_frontend_set_features(&f->s, features, until_done(f, NULL)));
}

int
vhf_set_mem(struct vhf *f, const struct vhu_mem_region *r, const int *fds, uint32_t n)
{
	return finish(f, vhu_frontend_set_mem(&f->s, r, fds, n, until_done(f, NULL)));
}

int
vhf_ring_start(struct vhf *f, uint32_t i, const struct vhu_frontend_ring *r)
{
	return finish(f, vhu_frontend_ring_start(&f->s, i, r, until_done(f, NULL)));
}

int
vhf_ring_enable(struct vhf *f, uint32_t i, bool on)
{
	return finish(f, vhu_frontend_ring_enable(&f->s, i, on, until_done(f, NULL)));
}

int
vhf_ring_stop(struct vhf *f, uint32_t i, const struct vhu_frontend_ring *r, uint32_t *base)
{
	struct vhu_msg m;
	int ret = finish(f, vhu_frontend_ring_stop(&f->s, i, r, until_done(f, &m)));

	if (ret == 0 && m.payload.state.index != i)
		ret = fail(f, -EPROTO, "GET_VRING_BASE: the answer is about another ring");
	if (ret == 0)
		*base = m.payload.state.num;
	return ret;
}

int
vhf_set_status(struct vhf *f, uint8_t status)
{
	return finish(f, vhu_frontend_set_status(&f->s, status, until_done(f, NULL)));
}

int
vhf_set_log(struct vhf *f, int fd, uint64_t offset, uint64_t size)
{
	const struct vhu_log log = {.size = size, .offset = offset};

	return finish(f, vhu_frontend_set_log(&f->s, fd, &log, until_done(f, NULL)));
}

int
vhf_iotlb(struct vhf *f, const struct vhu_iotlb *msg)
{
	struct vhu_msg m = {.header = {.request = VHU_IOTLB_MSG, .size = sizeof(*msg)}};

	m.payload.iotlb = *msg;
	return vhf_request(f, &m, NULL, 0);
}

int
vhf_backend_request(struct vhf *f, struct vhu_msg *m, int timeout_ms)
{
	const uint64_t deadline = ev_now_ns() + (uint64_t)timeout_ms * 1000000;
	uint64_t now;

	if (!vhu_conn_is_open(&f->s.backend))
		return fail(f, -ENOTCONN, "no back-end channel");
	while (f->nrequests == 0) {
		now = ev_now_ns();
		if (now >= deadline)
			return -EAGAIN;
		ev_run_once(f->loop, (int)((deadline - now) / 1000000) + 1);
	}
	*m = f->requests[0];
	f->nrequests--;
	memmove(&f->requests[0], &f->requests[1], f->nrequests * sizeof(f->requests[0]));
	return 0;
}
