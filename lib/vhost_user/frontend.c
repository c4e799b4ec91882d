/* SPDX-License-Identifier: BSD-3-Clause */
/* The vhost-user front-end: one function per thing a VMM says. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <bsd/string.h>

#include <rte_common.h>

#include "base/ev.h"
#include "vhost_user/frontend.h"
#include "virtq/fmt.h"

#define CONNECT_RETRY_MS 20

/* SET_VRING_ENDIAN */
#define ENDIAN_LITTLE 0
#define ENDIAN_BIG 1

static const char *const request_names[VHU_REQUEST_NUM] = {
#define X(id, name) [id] = #name,
	VHU_REQUESTS(X)
#undef X
};

static const char *
request_name(uint32_t request)
{
	const char *name = request < RTE_DIM(request_names) ? request_names[request] : NULL;

	return name != NULL ? name : "unknown message";
}

static int __attribute__((format(printf, 3, 4))) fail(struct vhf *f, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->err, sizeof(f->err), fmt, ap);
	va_end(ap);
	return err;
}

/* --- connection --- */

static int
address(struct vhf *f, struct sockaddr_un *sa)
{
	*sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlcpy(sa->sun_path, f->path, sizeof(sa->sun_path)) >= sizeof(sa->sun_path))
		return fail(f, -ENAMETOOLONG, "%s: path too long", f->path);
	return 0;
}

static int
connect_retry(struct vhf *f)
{
	const uint64_t deadline = ev_now_ns() + (uint64_t)f->timeout_ms * 1000000;
	struct sockaddr_un sa;
	int fd, ret = address(f, &sa);

	if (ret != 0)
		return ret;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail(f, -errno, "socket: %s", strerror(errno));
	while (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0) {
		ret = -errno;
		if (ev_now_ns() >= deadline) {
			close(fd);
			return fail(f, ret, "%s: %s", f->path, strerror(-ret));
		}
		usleep(CONNECT_RETRY_MS * 1000);
	}
	f->fd = fd;
	return 0;
}

static int
listen_at(struct vhf *f)
{
	struct sockaddr_un sa;
	int fd, ret = address(f, &sa);

	if (ret != 0)
		return ret;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail(f, -errno, "socket: %s", strerror(errno));
	unlink(f->path);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 || listen(fd, 1) != 0) {
		ret = fail(f, -errno, "%s: %s", f->path, strerror(errno));
		close(fd);
		return ret;
	}
	f->listen_fd = fd;
	return 0;
}

static int
wait_readable(struct vhf *f, int fd, int timeout_ms, const char *what)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int n;

	do
		n = poll(&p, 1, timeout_ms);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return fail(f, -ETIMEDOUT, "%s: no answer from %s", what, f->path);
	return n < 0 ? -errno : 0;
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
forget_session(struct vhf *f)
{
	close_fd(&f->fd);
	close_fd(&f->backend_fd);
	f->offered = 0;
	f->features = 0;
	f->protocol_offered = 0;
	f->protocol_features = 0;
	f->max_queue_pairs = 1;
	f->max_mem_slots = VHU_MEM_TABLE_MAX;
}

int
vhf_reopen(struct vhf *f)
{
	int ret;

	forget_session(f);
	if (!f->server)
		return connect_retry(f);
	if (f->listen_fd < 0) {
		ret = listen_at(f);
		if (ret != 0)
			return ret;
	}
	ret = wait_readable(f, f->listen_fd, f->timeout_ms, "waiting for a back-end");
	if (ret != 0)
		return ret;
	f->fd = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	return f->fd >= 0 ? 0 : fail(f, -errno, "accept: %s", strerror(errno));
}

int
vhf_open(struct vhf *f, const struct vhf_config *cfg)
{
	*f = (struct vhf){
		.fd = -1,
		.listen_fd = -1,
		.backend_fd = -1,
		.timeout_ms = cfg->timeout_ms,
		.server = cfg->server,
	};
	if (strlcpy(f->path, cfg->path, sizeof(f->path)) >= sizeof(f->path))
		return fail(f, -ENAMETOOLONG, "%s: path too long", cfg->path);
	return vhf_reopen(f);
}

void
vhf_close(struct vhf *f)
{
	forget_session(f);
	if (f->listen_fd >= 0)
		unlink(f->path);
	close_fd(&f->listen_fd);
}

/* --- messages --- */

static int
send_msg(struct vhf *f, int fd, struct vhu_msg *m, const int *fds, uint32_t nfds)
{
	struct iovec iov[2] = {
		{.iov_base = &m->header, .iov_len = sizeof(m->header)},
		{.iov_base = &m->payload, .iov_len = m->header.size},
	};
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(VHU_FDS_MAX * sizeof(int))];
	} ctl = {0};
	struct msghdr mh = {.msg_iov = iov, .msg_iovlen = 2};
	ssize_t n;

	if (nfds > VHU_FDS_MAX)
		return fail(f, -E2BIG, "too many descriptors");
	if (nfds > 0) {
		mh.msg_control = ctl.buf;
		mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		ctl.align.cmsg_len = CMSG_LEN(nfds * sizeof(int));
		ctl.align.cmsg_level = SOL_SOCKET;
		ctl.align.cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(&ctl.align), fds, nfds * sizeof(int));
	}
	do
		n = sendmsg(fd, &mh, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EPIPE)
		return fail(f, -ECONNRESET, "%s: back-end closed the connection",
			    request_name(m->header.request));
	/* a message is far smaller than the socket buffer: it goes as a whole or not at all */
	if (n != (ssize_t)(sizeof(m->header) + m->header.size))
		return fail(f, n < 0 ? -errno : -EIO, "%s: send: %s",
			    request_name(m->header.request), n < 0 ? strerror(errno) : "short");
	return 0;
}

static int
recv_all(struct vhf *f, int fd, void *buf, size_t len, const char *what)
{
	size_t done = 0;
	ssize_t n;
	int ret;

	while (done < len) {
		ret = wait_readable(f, fd, f->timeout_ms, what);
		if (ret != 0)
			return ret;
		n = recv(fd, (char *)buf + done, len - done, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail(f, -ECONNRESET, "%s: back-end closed the connection", what);
		done += (size_t)n;
	}
	return 0;
}

static int
recv_msg(struct vhf *f, int fd, struct vhu_msg *m, const char *what)
{
	int ret = recv_all(f, fd, &m->header, sizeof(m->header), what);

	if (ret != 0)
		return ret;
	if (m->header.size > sizeof(m->payload))
		return fail(f, -EPROTO, "%s: payload of %u bytes", what, m->header.size);
	return recv_all(f, fd, &m->payload, m->header.size, what);
}

static int
recv_reply(struct vhf *f, struct vhu_msg *m, uint32_t request)
{
	const char *what = request_name(request);
	int ret = recv_msg(f, f->fd, m, what);

	if (ret != 0)
		return ret;
	if (m->header.request != request || m->header.flags != (VHU_VERSION | VHU_REPLY))
		return fail(f, -EPROTO, "%s: answered with message %u, flags %#x", what,
			    m->header.request, m->header.flags);
	return 0;
}

int
vhf_query(struct vhf *f, struct vhu_msg *m)
{
	int ret;

	m->header.flags = VHU_VERSION;
	ret = send_msg(f, f->fd, m, NULL, 0);
	return ret != 0 ? ret : recv_reply(f, m, m->header.request);
}

int
vhf_request(struct vhf *f, struct vhu_msg *m, const int *fds, uint32_t nfds)
{
	const uint32_t request = m->header.request;
	bool ack = f->protocol_features & VHU_PF(REPLY_ACK);
	int ret;

	m->header.flags = VHU_VERSION | (ack ? VHU_NEED_REPLY : 0);
	ret = send_msg(f, f->fd, m, fds, nfds);
	if (ret != 0 || !ack)
		return ret;
	ret = recv_reply(f, m, request);
	if (ret != 0)
		return ret;
	if (m->header.size != sizeof(m->payload.u64))
		return fail(f, -EPROTO, "%s: acknowledgement of %u bytes", request_name(request),
			    m->header.size);
	if (m->payload.u64 != 0)
		return fail(f, -EREMOTEIO, "%s: back-end refused (%llu)", request_name(request),
			    (unsigned long long)m->payload.u64);
	return 0;
}

static int
set_u64(struct vhf *f, uint32_t request, uint64_t v)
{
	struct vhu_msg m = {.header = {.request = request, .size = sizeof(v)}};

	m.payload.u64 = v;
	return vhf_request(f, &m, NULL, 0);
}

static int
get_u64(struct vhf *f, uint32_t request, uint64_t *v)
{
	struct vhu_msg m = {.header = {.request = request}};
	int ret = vhf_query(f, &m);

	if (ret == 0 && m.header.size != sizeof(*v))
		ret = fail(f, -EPROTO, "%s: reply of %u bytes", request_name(request),
			   m.header.size);
	if (ret == 0)
		*v = m.payload.u64;
	return ret;
}

static int
set_state(struct vhf *f, uint32_t request, uint32_t index, uint32_t num)
{
	struct vhu_msg m = {.header = {.request = request, .size = sizeof(m.payload.state)}};

	m.payload.state = (struct vhu_vring_state){.index = index, .num = num};
	return vhf_request(f, &m, NULL, 0);
}

/* --- negotiation --- */

static int
negotiate_protocol(struct vhf *f, const struct vhf_wish *wish)
{
	int ret = get_u64(f, VHU_GET_PROTOCOL_FEATURES, &f->protocol_offered);
	uint64_t acked = f->protocol_offered & wish->protocol_features;

	if (ret == 0)
		ret = set_u64(f, VHU_SET_PROTOCOL_FEATURES, acked);
	if (ret != 0)
		return ret;
	f->protocol_features = acked;
	if (acked & VHU_PF(MQ))
		ret = get_u64(f, VHU_GET_QUEUE_NUM, &f->max_queue_pairs);
	if (ret == 0 && acked & VHU_PF(CONFIGURE_MEM_SLOTS))
		ret = get_u64(f, VHU_GET_MAX_MEM_SLOTS, &f->max_mem_slots);
	return ret;
}

static int
open_backend_channel(struct vhf *f)
{
	struct vhu_msg m = {.header = {.request = VHU_SET_BACKEND_REQ_FD}};
	int ret, pair[2];

	if (!(f->protocol_features & VHU_PF(BACKEND_REQ)))
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return fail(f, -errno, "socketpair: %s", strerror(errno));
	f->backend_fd = pair[0];
	ret = vhf_request(f, &m, &pair[1], 1);
	close(pair[1]);
	return ret;
}

int
vhf_set_features(struct vhf *f, uint64_t features)
{
	int ret = set_u64(f, VHU_SET_FEATURES, features);

	if (ret == 0)
		f->features = features;
	return ret;
}

int
vhf_negotiate(struct vhf *f, const struct vhf_wish *wish)
{
	struct vhu_msg owner = {.header = {.request = VHU_SET_OWNER}};
	int ret = get_u64(f, VHU_GET_FEATURES, &f->offered);

	if (ret == 0 && VQ_HAS(f->offered, VHU_F_PROTOCOL_FEATURES))
		ret = negotiate_protocol(f, wish);
	if (ret == 0)
		ret = open_backend_channel(f);
	if (ret == 0)
		ret = vhf_request(f, &owner, NULL, 0);
	if (ret != 0)
		return ret;
	if (wish->required & ~f->offered)
		return fail(f, -ENOTSUP, "back-end does not offer features %#llx",
			    (unsigned long long)(wish->required & ~f->offered));
	if (wish->queue_pairs > f->max_queue_pairs)
		return fail(f, -ENOTSUP, "back-end has %llu queue pairs",
			    (unsigned long long)f->max_queue_pairs);
	return vhf_set_features(f, f->offered & (wish->features | wish->required |
						 (1ull << VHU_F_PROTOCOL_FEATURES)));
}

/* --- memory --- */

static int
mem_slot(struct vhf *f, uint32_t request, const struct vhu_mem_region *r, const int *fd)
{
	struct vhu_msg m = {.header = {.request = request, .size = sizeof(m.payload.mem)}};

	m.payload.mem = (struct vhu_mem_single){.r = *r};
	return vhf_request(f, &m, fd, fd != NULL);
}

int
vhf_add_mem(struct vhf *f, const struct vhu_mem_region *r, int fd)
{
	return mem_slot(f, VHU_ADD_MEM_REG, r, &fd);
}

int
vhf_remove_mem(struct vhf *f, const struct vhu_mem_region *r)
{
	return mem_slot(f, VHU_REM_MEM_REG, r, NULL);
}

int
vhf_set_mem(struct vhf *f, const struct vhu_mem_region *r, const int *fds, uint32_t n)
{
	struct vhu_msg m = {.header = {.request = VHU_SET_MEM_TABLE}};
	int ret = 0;
	uint32_t i;

	if (f->protocol_features & VHU_PF(CONFIGURE_MEM_SLOTS)) {
		for (i = 0; i < n && ret == 0; i++)
			ret = vhf_add_mem(f, &r[i], fds[i]);
		return ret;
	}
	if (n > VHU_MEM_TABLE_MAX)
		return fail(f, -E2BIG, "back-end takes %u regions", VHU_MEM_TABLE_MAX);
	m.header.size = (uint32_t)(offsetof(struct vhu_mem_table, r) + n * sizeof(*r));
	m.payload.mem_table.n = n;
	memcpy(m.payload.mem_table.r, r, n * sizeof(*r));
	return vhf_request(f, &m, fds, n);
}

/* --- rings --- */

static int
ring_addr(struct vhf *f, uint32_t i, const struct vhf_ring *r)
{
	struct vhu_msg m = {
		.header = {.request = VHU_SET_VRING_ADDR, .size = sizeof(m.payload.addr)}};

	m.payload.addr = (struct vhu_vring_addr){
		.index = i,
		.flags = r->log ? VHU_VRING_F_LOG : 0,
		.desc = r->desc,
		.avail = r->driver,
		.used = r->device,
		.log = r->log_gpa,
	};
	return vhf_request(f, &m, NULL, 0);
}

static int
ring_fd(struct vhf *f, uint32_t request, uint32_t i, int fd)
{
	struct vhu_msg m = {.header = {.request = request, .size = sizeof(m.payload.u64)}};

	m.payload.u64 = i | (fd < 0 ? VHU_VRING_NOFD : 0);
	return vhf_request(f, &m, &fd, fd >= 0);
}

/** The guest's byte order, where it is neither modern nor the host's. */
static bool
ring_foreign(const struct vhf *f, const struct vhf_ring *r)
{
	return r->layout == VQ_SPLIT_SWAP && !VQ_HAS(f->features, VIRTIO_F_VERSION_1);
}

int
vhf_ring_start(struct vhf *f, uint32_t i, const struct vhf_ring *r)
{
	int ret = set_state(f, VHU_SET_VRING_NUM, i, r->size);

	if (ret == 0)
		ret = set_state(f, VHU_SET_VRING_BASE, i, r->base);
	if (ret == 0 && ring_foreign(f, r)) {
		if (!(f->protocol_features & VHU_PF(CROSS_ENDIAN)))
			return fail(f, -ENOTSUP, "back-end cannot serve a foreign byte order");
		ret = set_state(f, VHU_SET_VRING_ENDIAN, i, ENDIAN_BIG);
	}
	if (ret == 0)
		ret = ring_addr(f, i, r);
	if (ret == 0)
		ret = ring_fd(f, VHU_SET_VRING_KICK, i, r->kick_fd);
	if (ret == 0)
		ret = ring_fd(f, VHU_SET_VRING_CALL, i, r->call_fd);
	if (ret == 0 && r->err_fd >= 0)
		ret = ring_fd(f, VHU_SET_VRING_ERR, i, r->err_fd);
	return ret;
}

int
vhf_ring_enable(struct vhf *f, uint32_t i, bool on)
{
	if (!VQ_HAS(f->features, VHU_F_PROTOCOL_FEATURES))
		return 0; /* such a ring is enabled when it starts */
	return set_state(f, VHU_SET_VRING_ENABLE, i, on);
}

int
vhf_ring_stop(struct vhf *f, uint32_t i, const struct vhf_ring *r, uint32_t *base)
{
	struct vhu_msg m = {
		.header = {.request = VHU_GET_VRING_BASE, .size = sizeof(m.payload.state)}};
	int ret;

	m.payload.state = (struct vhu_vring_state){.index = i};
	ret = vhf_query(f, &m);
	if (ret != 0)
		return ret;
	if (m.header.size != sizeof(m.payload.state) || m.payload.state.index != i)
		return fail(f, -EPROTO, "GET_VRING_BASE: malformed reply");
	*base = m.payload.state.num;
	return ring_foreign(f, r) ? set_state(f, VHU_SET_VRING_ENDIAN, i, ENDIAN_LITTLE) : 0;
}

/* --- the rest --- */

int
vhf_set_status(struct vhf *f, uint8_t status)
{
	if (!(f->protocol_features & VHU_PF(STATUS)))
		return 0;
	return set_u64(f, VHU_SET_STATUS, status);
}

int
vhf_get_status(struct vhf *f, uint8_t *status)
{
	uint64_t v = 0;
	int ret = 0;

	if (f->protocol_features & VHU_PF(STATUS))
		ret = get_u64(f, VHU_GET_STATUS, &v);
	*status = (uint8_t)v;
	return ret;
}

int
vhf_set_log(struct vhf *f, int fd, uint64_t offset, uint64_t size)
{
	struct vhu_msg m = {.header = {.request = VHU_SET_LOG_BASE,
				       .flags = VHU_VERSION,
				       .size = sizeof(m.payload.log)}};
	int ret;

	if (!(f->protocol_features & VHU_PF(LOG_SHMFD)))
		return fail(f, -ENOTSUP, "back-end takes no dirty log");
	m.payload.log = (struct vhu_log){.size = size, .offset = offset};
	/* answered with a payload of its own, acknowledgements or not */
	ret = send_msg(f, f->fd, &m, &fd, 1);
	return ret != 0 ? ret : recv_reply(f, &m, VHU_SET_LOG_BASE);
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
	struct vhu_msg ack = {.header = {.flags = VHU_VERSION | VHU_REPLY, .size = 8}};
	int ret;

	if (f->backend_fd < 0)
		return fail(f, -ENOTCONN, "no back-end channel");
	ret = wait_readable(f, f->backend_fd, timeout_ms, "back-end channel");
	if (ret == -ETIMEDOUT)
		return -EAGAIN;
	if (ret == 0)
		ret = recv_msg(f, f->backend_fd, m, "back-end channel");
	if (ret != 0 || !(m->header.flags & VHU_NEED_REPLY))
		return ret;
	ack.header.request = m->header.request;
	ack.payload.u64 = 0;
	return send_msg(f, f->backend_fd, &ack, NULL, 0);
}
