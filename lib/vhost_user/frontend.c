/* SPDX-License-Identifier: BSD-3-Clause */
/* The vhost-user front-end: operations made of messages, answered in order. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_common.h>

#include "vhost_user/frontend.h"
#include "vhost_user/session.h"

/* SET_VRING_ENDIAN */
#define ENDIAN_LITTLE 0
#define ENDIAN_BIG 1

#define PROTOCOL (UINT64_C(1) << VHU_F_PROTOCOL_FEATURES)

/* How a message is answered. */
enum answer {
	ANSWER_NONE,
	ANSWER_ACK,   /* a u64: 0 or why not */
	ANSWER_WORD,  /* eight bytes of its own */
	ANSWER_REPLY, /* its own payload */
};

static int __attribute__((format(printf, 3, 4)))
fail(struct vhu_frontend *f, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->err, sizeof(f->err), fmt, ap);
	va_end(ap);
	return err;
}

/* --- messages on their way --- */

/** Take the oldest message out of the list and, at an operation's end, call its owner. */
static void
call_end(struct vhu_frontend *f, int ret, const struct vhu_msg *reply)
{
	const struct vhu_frontend_call c = f->call[f->first];

	f->first = (f->first + 1) % VHU_FRONTEND_CALLS_MAX;
	f->ncalls--;
	if (f->failed == 0)
		f->failed = ret;
	if (c.more)
		return;
	ret = f->failed;
	f->failed = 0;
	if (c.done.fn != NULL)
		c.done.fn(f, c.done.ctx, ret, reply);
}

/** Messages without an answer end as soon as those before them have. */
static void
calls_settle(struct vhu_frontend *f)
{
	while (f->ncalls > 0 && f->call[f->first].kind == ANSWER_NONE)
		call_end(f, 0, NULL);
	if (f->ncalls == 0)
		ev_timer_cancel(&f->deadline);
	else if (vhu_conn_is_open(&f->conn))
		ev_timer_arm(f->loop, &f->deadline, f->timeout_ms);
}

/** End them all with the first reason. */
static void
calls_fail(struct vhu_frontend *f, int error)
{
	uint32_t n = f->ncalls; /* an owner may begin a new operation, which is refused */

	ev_timer_cancel(&f->deadline);
	while (n-- > 0)
		call_end(f, error, NULL);
}

static void
session_end(struct vhu_frontend *f, int error)
{
	vhu_conn_close(&f->conn);
	vhu_conn_close(&f->backend);
	calls_fail(f, error);
	f->ops->closed(f, error);
}

static void
on_deadline(struct ev_timer *t)
{
	struct vhu_frontend *f = container_of(t, struct vhu_frontend, deadline);

	fail(f, -ETIMEDOUT, "%s: no answer", vhu_request_name(f->call[f->first].request));
	session_end(f, -ETIMEDOUT);
}

/** Whether @p n more messages can be sent. 0 or -errno. */
static int
room_for(struct vhu_frontend *f, uint32_t n)
{
	if (!vhu_conn_is_open(&f->conn))
		return fail(f, -ENOTCONN, "no back-end is connected");
	if (f->ncalls + n > VHU_FRONTEND_CALLS_MAX || vhu_conn_room(&f->conn) < n)
		return fail(f, -ENOBUFS, "the back-end does not keep up with what it is sent");
	return 0;
}

static int
dup_fds(struct vhu_frontend *f, const int *fds, uint32_t n, struct vhu_fds *out)
{
	out->n = 0;
	if (n > VHU_FDS_MAX)
		return fail(f, -E2BIG, "too many descriptors");
	for (; out->n < n; out->n++) {
		out->fd[out->n] = fcntl(fds[out->n], F_DUPFD_CLOEXEC, 0);
		if (out->fd[out->n] < 0) {
			vhu_fds_close(out);
			return fail(f, -errno, "descriptor %d: %s", fds[out->n], strerror(errno));
		}
	}
	return 0;
}

/** Descriptors beside a message; they stay the caller's. */
struct fd_list {
	const int *fd;
	uint32_t n;
};

/** Send one message. @p c says how it ends. */
static int
call(struct vhu_frontend *f, const struct vhu_msg *m, struct fd_list list,
     struct vhu_frontend_call c)
{
	struct vhu_header h = m->header;
	struct vhu_fds fds;
	int ret = room_for(f, 1);

	if (ret == 0)
		ret = dup_fds(f, list.fd, list.n, &fds);
	if (ret != 0)
		return ret;
	h.flags = VHU_VERSION | (c.kind == ANSWER_ACK ? VHU_NEED_REPLY : 0);
	c.request = h.request;
	ret = vhu_conn_send_fds(&f->conn, &h, &m->payload, &fds);
	if (ret != 0)
		return fail(f, ret, "%s: too long", vhu_request_name(h.request));
	f->call[(f->first + f->ncalls++) % VHU_FRONTEND_CALLS_MAX] = c;
	if (f->ncalls == 1)
		calls_settle(f);
	return 0;
}

/** The way a message that may be acknowledged is answered. */
static struct vhu_frontend_call
acked(const struct vhu_frontend *f, struct vhu_frontend_done done)
{
	return (struct vhu_frontend_call){
		.kind = (f->protocol_features & VHU_PF(REPLY_ACK)) ? ANSWER_ACK : ANSWER_NONE,
		.done = done,
	};
}

/** The same for one that is not the last of its operation. */
static struct vhu_frontend_call
part(const struct vhu_frontend *f)
{
	struct vhu_frontend_call c = acked(f, (struct vhu_frontend_done){0});

	c.more = true;
	return c;
}

/** An operation of which only a part could be sent ends with the connection. */
static int
cut_short(struct vhu_frontend *f, int ret)
{
	if (ret != 0 && f->ncalls > 0)
		f->call[(f->first + f->ncalls - 1) % VHU_FRONTEND_CALLS_MAX].more = false;
	return ret;
}

int
vhu_frontend_request(struct vhu_frontend *f, const struct vhu_msg *m, const int *fds, uint32_t nfds,
		     struct vhu_frontend_done done)
{
	return call(f, m, (struct fd_list){fds, nfds}, acked(f, done));
}

/** A message whose reply is eight bytes long. */
static int
ask(struct vhu_frontend *f, const struct vhu_msg *m, struct vhu_frontend_done done)
{
	return call(f, m, (struct fd_list){0},
		    (struct vhu_frontend_call){.kind = ANSWER_WORD, .done = done});
}

static int
set_u64(struct vhu_frontend *f, uint32_t request, uint64_t v, struct vhu_frontend_call c)
{
	struct vhu_msg m;

	m.header = (struct vhu_header){.request = request, .size = sizeof(v)};
	m.payload.u64 = v;
	return call(f, &m, (struct fd_list){0}, c);
}

static int
set_state(struct vhu_frontend *f, uint32_t request, struct vhu_vring_state state,
	  struct vhu_frontend_call c)
{
	struct vhu_msg m;

	m.header = (struct vhu_header){.request = request, .size = sizeof(state)};
	m.payload.state = state;
	return call(f, &m, (struct fd_list){0}, c);
}

/** An operation without a message ends in the order of operations, too. */
static int
nothing(struct vhu_frontend *f, struct vhu_frontend_done done)
{
	int ret = room_for(f, 1);

	if (ret != 0)
		return ret;
	f->call[(f->first + f->ncalls++) % VHU_FRONTEND_CALLS_MAX] =
		(struct vhu_frontend_call){.kind = ANSWER_NONE, .done = done};
	if (f->ncalls == 1)
		calls_settle(f);
	return 0;
}

/* --- answers --- */

/** The fault of a reply as such, static text; NULL: none. */
static const char *
reply_fault(const struct vhu_frontend *f, const struct vhu_msg *m)
{
	const struct vhu_frontend_call *c = &f->call[f->first];

	if (f->ncalls == 0)
		return "an answer to nothing";
	if (m->header.request != c->request)
		return "an answer to another message";
	if (m->header.flags != (VHU_VERSION | VHU_REPLY))
		return "an answer with wrong flags";
	if (c->kind != ANSWER_REPLY && m->header.size != sizeof(m->payload.u64))
		return "an answer of wrong size";
	return NULL;
}

static const char *
on_message(struct vhu_conn *conn, struct vhu_msg *m, struct vhu_fds *fds)
{
	struct vhu_frontend *f = conn->ctx;
	const char *fault = reply_fault(f, m);
	int ret = 0;

	if (fault != NULL)
		return fault;
	if (f->call[f->first].kind == ANSWER_ACK && m->payload.u64 != 0)
		ret = -EREMOTEIO;
	if (ret != 0 && f->failed == 0)
		fail(f, ret, "%s: back-end refused (%llu)", vhu_request_name(m->header.request),
		     (unsigned long long)m->payload.u64);
	call_end(f, ret, m);
	calls_settle(f);
	return NULL;
}

static void
on_closed(struct vhu_conn *conn, const char *why)
{
	struct vhu_frontend *f = conn->ctx;

	fail(f, conn->error, "%s%s%s",
	     f->ncalls > 0 ? vhu_request_name(f->call[f->first].request) : "",
	     f->ncalls > 0 ? ": " : "", why);
	session_end(f, conn->error);
}

static const struct vhu_conn_ops conn_ops = {.message = on_message, .closed = on_closed};

static const char *
on_backend_message(struct vhu_conn *conn, struct vhu_msg *m, struct vhu_fds *fds)
{
	struct vhu_header h = {m->header.request, VHU_VERSION | VHU_REPLY, sizeof(uint64_t)};
	struct vhu_frontend *f = conn->ctx;
	const bool asked = m->header.flags & VHU_NEED_REPLY;
	uint64_t result;

	if ((m->header.flags & VHU_VERSION_MASK) != VHU_VERSION || (m->header.flags & VHU_REPLY))
		return "not a vhost-user request";
	result = f->ops->request(f, m, fds);
	if (asked && vhu_conn_is_open(conn) && vhu_conn_send(conn, &h, &result, -1) != 0)
		return "the peer does not read its replies";
	return NULL;
}

/** The session goes on without the channel: requests on it are not answered. */
static void
on_backend_closed(struct vhu_conn *conn, const char *why)
{
}

static const struct vhu_conn_ops backend_ops = {
	.message = on_backend_message,
	.closed = on_backend_closed,
};

/* --- negotiation --- */

static void step_done(struct vhu_frontend *f, void *ctx, int ret, const struct vhu_msg *reply);

static struct vhu_frontend_call
step_call(const struct vhu_frontend *f)
{
	return acked(f, (struct vhu_frontend_done){.fn = step_done});
}

static int
set_protocol(struct vhu_frontend *f)
{
	struct vhu_frontend_call c = step_call(f);
	const uint64_t pf = f->protocol_offered & f->wish.protocol_features;

	f->protocol_features = pf;
	return set_u64(f, VHU_SET_PROTOCOL_FEATURES, pf, c);
}

static int
open_channel(struct vhu_frontend *f)
{
	const struct vhu_msg m = {.header = {.request = VHU_SET_BACKEND_REQ_FD}};
	int pair[2], ret;

	/* librte_vhost reads the answer to its request at once: its end has to block */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return fail(f, -errno, "socketpair: %s", strerror(errno));
	ret = vhu_conn_open(&f->backend, f->loop, pair[0], &backend_ops, f);
	if (ret == 0)
		ret = call(f, &m, (struct fd_list){&pair[1], 1}, step_call(f));
	close(pair[1]);
	return ret;
}

static int
set_owner(struct vhu_frontend *f)
{
	const struct vhu_msg m = {.header = {.request = VHU_SET_OWNER}};

	return call(f, &m, (struct fd_list){0}, step_call(f));
}

static int
set_wished(struct vhu_frontend *f)
{
	const uint64_t want = f->wish.features | f->wish.required | PROTOCOL;
	const uint64_t lacking = f->wish.required & ~f->offered;

	if (lacking != 0)
		return fail(f, -ENOTSUP, "back-end does not offer features %#llx",
			    (unsigned long long)lacking);
	if (f->wish.queue_pairs > f->max_queue_pairs)
		return fail(f, -ENOTSUP, "back-end has %llu queue pairs",
			    (unsigned long long)f->max_queue_pairs);
	return vhu_frontend_set_features(f, f->offered & want,
					 (struct vhu_frontend_done){.fn = step_done});
}

/** One message of the negotiation: a question for a u64, or what send() sends. */
struct step {
	uint32_t ask;
	size_t into;    /* offset of the answer in struct vhu_frontend */
	uint64_t needs; /* protocol feature */
	bool protocol;  /* only where protocol features exist */
	int (*send)(struct vhu_frontend *f);
};

#define INTO(field) offsetof(struct vhu_frontend, field)

static const struct step steps[] = {
	{.ask = VHU_GET_FEATURES, .into = INTO(offered)},
	{.ask = VHU_GET_PROTOCOL_FEATURES, .into = INTO(protocol_offered), .protocol = true},
	{.send = set_protocol, .protocol = true},
	{.ask = VHU_GET_QUEUE_NUM, .into = INTO(max_queue_pairs), .needs = VHU_PF(MQ)},
	{.ask = VHU_GET_MAX_MEM_SLOTS,
	 .into = INTO(max_mem_slots),
	 .needs = VHU_PF(CONFIGURE_MEM_SLOTS)},
	{.send = open_channel, .needs = VHU_PF(BACKEND_REQ)},
	{.send = set_owner},
	{.send = set_wished},
};

static bool
step_wanted(const struct vhu_frontend *f, const struct step *s)
{
	return (!s->protocol || (f->offered & PROTOCOL)) && (s->needs & ~f->protocol_features) == 0;
}

static void
negotiate_end(struct vhu_frontend *f, int ret)
{
	if (f->negotiated.fn != NULL)
		f->negotiated.fn(f, f->negotiated.ctx, ret, NULL);
}

/** Send the message of the next step there is. 0 or -errno; 1: there is none. */
static int
step_next(struct vhu_frontend *f)
{
	const struct step *s = &steps[f->step];

	while (f->step < RTE_DIM(steps) && !step_wanted(f, s))
		s = &steps[++f->step];
	if (f->step == RTE_DIM(steps))
		return 1;
	if (s->send != NULL)
		return s->send(f);
	return ask(f, &(struct vhu_msg){.header = {.request = s->ask}},
		   (struct vhu_frontend_done){.fn = step_done});
}

static void
step_done(struct vhu_frontend *f, void *ctx, int ret, const struct vhu_msg *reply)
{
	const struct step *s = &steps[f->step++];

	if (ret == 0 && s->ask != 0)
		memcpy((char *)f + s->into, &reply->payload.u64, sizeof(reply->payload.u64));
	if (ret == 0)
		ret = step_next(f);
	if (ret != 0)
		negotiate_end(f, RTE_MIN(ret, 0));
}

int
vhu_frontend_negotiate(struct vhu_frontend *f, const struct vhu_frontend_wish *wish,
		       struct vhu_frontend_done done)
{
	f->wish = *wish;
	f->negotiated = done;
	f->step = 0;
	return step_next(f);
}

int
vhu_frontend_set_features(struct vhu_frontend *f, uint64_t features, struct vhu_frontend_done done)
{
	const uint64_t before = f->features;
	int ret;

	/* an acknowledgement may come before the call returns */
	f->features = features;
	ret = set_u64(f, VHU_SET_FEATURES, features, acked(f, done));
	if (ret != 0)
		f->features = before;
	return ret;
}

/* --- memory --- */

static int
mem_slot(struct vhu_frontend *f, const struct vhu_mem_region *r, int fd, struct vhu_frontend_call c)
{
	struct vhu_msg m;

	m.header = (struct vhu_header){.request = fd < 0 ? VHU_REM_MEM_REG : VHU_ADD_MEM_REG,
				       .size = sizeof(m.payload.mem)};
	m.payload.mem = (struct vhu_mem_single){.r = *r};
	return call(f, &m, (struct fd_list){&fd, fd >= 0}, c);
}

static int
mem_slots(struct vhu_frontend *f, const struct vhu_mem_region *r, const int *fds, uint32_t n,
	  struct vhu_frontend_done done)
{
	int ret = room_for(f, n);
	uint32_t i;

	for (i = 0; i + 1 < n && ret == 0; i++)
		ret = mem_slot(f, &r[i], fds[i], part(f));
	if (ret == 0)
		ret = mem_slot(f, &r[i], fds[i], acked(f, done));
	return cut_short(f, ret);
}

int
vhu_frontend_set_mem(struct vhu_frontend *f, const struct vhu_mem_region *r, const int *fds,
		     uint32_t n, struct vhu_frontend_done done)
{
	struct vhu_msg m;

	if (n == 0)
		return fail(f, -EINVAL, "no memory to announce");
	if (f->protocol_features & VHU_PF(CONFIGURE_MEM_SLOTS))
		return mem_slots(f, r, fds, n, done);
	if (n > VHU_MEM_TABLE_MAX)
		return fail(f, -E2BIG, "back-end takes %u regions", VHU_MEM_TABLE_MAX);
	m.header = (struct vhu_header){
		.request = VHU_SET_MEM_TABLE,
		.size = (uint32_t)(offsetof(struct vhu_mem_table, r) + n * sizeof(*r)),
	};
	m.payload.mem_table.n = n;
	m.payload.mem_table.padding = 0;
	memcpy(m.payload.mem_table.r, r, n * sizeof(*r));
	return call(f, &m, (struct fd_list){fds, n}, acked(f, done));
}

/* --- rings --- */

static int
ring_addr(struct vhu_frontend *f, uint32_t i, const struct vhu_frontend_ring *r)
{
	struct vhu_msg m;

	m.header =
		(struct vhu_header){.request = VHU_SET_VRING_ADDR, .size = sizeof(m.payload.addr)};
	m.payload.addr = (struct vhu_vring_addr){
		.index = i,
		.flags = r->log ? VHU_VRING_F_LOG : 0,
		.desc = r->desc,
		.avail = r->driver,
		.used = r->device,
		.log = r->log_gpa,
	};
	return call(f, &m, (struct fd_list){0}, part(f));
}

static int
ring_fd(struct vhu_frontend *f, uint32_t request, uint32_t i, int fd, struct vhu_frontend_call c)
{
	struct vhu_msg m;

	m.header = (struct vhu_header){.request = request, .size = sizeof(m.payload.u64)};
	m.payload.u64 = i | (fd < 0 ? VHU_VRING_NOFD : 0);
	return call(f, &m, (struct fd_list){&fd, fd >= 0}, c);
}

#define RING_MESSAGES 7

int
vhu_frontend_ring_start(struct vhu_frontend *f, uint32_t i, const struct vhu_frontend_ring *r,
			struct vhu_frontend_done done)
{
	int ret = room_for(f, RING_MESSAGES);

	if (ret == 0 && r->big_endian && !(f->protocol_features & VHU_PF(CROSS_ENDIAN)))
		ret = fail(f, -ENOTSUP, "back-end cannot serve a foreign byte order");
	if (ret == 0)
		ret = set_state(f, VHU_SET_VRING_NUM, (struct vhu_vring_state){i, r->size},
				part(f));
	if (ret == 0)
		ret = set_state(f, VHU_SET_VRING_BASE, (struct vhu_vring_state){i, r->base},
				part(f));
	if (ret == 0 && r->big_endian)
		ret = set_state(f, VHU_SET_VRING_ENDIAN, (struct vhu_vring_state){i, ENDIAN_BIG},
				part(f));
	if (ret == 0)
		ret = ring_addr(f, i, r);
	if (ret == 0 && r->err_fd >= 0)
		ret = ring_fd(f, VHU_SET_VRING_ERR, i, r->err_fd, part(f));
	if (ret == 0)
		ret = ring_fd(f, VHU_SET_VRING_CALL, i, r->call_fd, part(f));
	if (ret == 0)
		ret = ring_fd(f, VHU_SET_VRING_KICK, i, r->kick_fd, acked(f, done));
	return cut_short(f, ret);
}

int
vhu_frontend_ring_enable(struct vhu_frontend *f, uint32_t i, bool on, struct vhu_frontend_done done)
{
	if (!(f->features & PROTOCOL))
		return nothing(f, done);
	return set_state(f, VHU_SET_VRING_ENABLE, (struct vhu_vring_state){i, on}, acked(f, done));
}

int
vhu_frontend_ring_stop(struct vhu_frontend *f, uint32_t i, const struct vhu_frontend_ring *r,
		       struct vhu_frontend_done done)
{
	struct vhu_msg m;
	int ret = room_for(f, 2);

	if (ret != 0)
		return ret;
	m.header =
		(struct vhu_header){.request = VHU_GET_VRING_BASE, .size = sizeof(m.payload.state)};
	m.payload.state = (struct vhu_vring_state){.index = i};
	ret = ask(f, &m, done);
	/* stated once per start; a back-end of the host's byte order needs no message */
	if (ret == 0 && r->big_endian && vhu_conn_is_open(&f->conn))
		(void)set_state(f, VHU_SET_VRING_ENDIAN, (struct vhu_vring_state){i, ENDIAN_LITTLE},
				acked(f, (struct vhu_frontend_done){0}));
	return ret;
}

/* --- the rest --- */

int
vhu_frontend_set_status(struct vhu_frontend *f, uint8_t status, struct vhu_frontend_done done)
{
	if (!(f->protocol_features & VHU_PF(STATUS)))
		return nothing(f, done);
	return set_u64(f, VHU_SET_STATUS, status, acked(f, done));
}

int
vhu_frontend_set_log(struct vhu_frontend *f, int fd, const struct vhu_log *log,
		     struct vhu_frontend_done done)
{
	struct vhu_msg m;

	if (!(f->protocol_features & VHU_PF(LOG_SHMFD)))
		return fail(f, -ENOTSUP, "back-end takes no dirty log");
	m.header = (struct vhu_header){.request = VHU_SET_LOG_BASE, .size = sizeof(m.payload.log)};
	m.payload.log = *log;
	/* answered with a payload of its own, acknowledgements or not */
	return call(f, &m, (struct fd_list){&fd, 1},
		    (struct vhu_frontend_call){.kind = ANSWER_REPLY, .done = done});
}

int
vhu_frontend_barrier(struct vhu_frontend *f, struct vhu_frontend_done done)
{
	return ask(f, &(struct vhu_msg){.header = {.request = VHU_GET_FEATURES}}, done);
}

/* --- without the loop --- */

static struct pollfd
poll_of(const struct vhu_conn *c)
{
	return (struct pollfd){
		.fd = vhu_conn_is_open(c) ? c->src.fd : -1,
		.events = vhu_conn_idle(c) ? POLLIN : POLLIN | POLLOUT,
	};
}

/** poll has the same values for events as epoll (POLLIN, POLLOUT, POLLERR, POLLHUP). */
static void
serve(struct vhu_conn *c, const struct pollfd *p)
{
	if (p->revents != 0 && vhu_conn_is_open(c))
		c->src.cb(&c->src, (uint32_t)p->revents);
}

int
vhu_frontend_wait(struct vhu_frontend *f, uint32_t timeout_ms)
{
	const uint64_t end = ev_now_ns() + timeout_ms * UINT64_C(1000000);
	uint64_t now;

	static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLERR == EPOLLERR &&
			      POLLHUP == EPOLLHUP,
		      "one set of names");
	while (f->ncalls > 0) {
		struct pollfd p[] = {poll_of(&f->backend), poll_of(&f->conn)};

		now = ev_now_ns();
		if (now >= end)
			return -ETIMEDOUT;
		if (poll(p, RTE_DIM(p), (int)((end - now) / 1000000) + 1) <= 0)
			continue;
		serve(&f->backend, &p[0]);
		serve(&f->conn, &p[1]);
	}
	return 0;
}

int
vhu_frontend_open(struct vhu_frontend *f, const struct vhu_frontend_config *cfg, int fd)
{
	*f = (struct vhu_frontend){
		.loop = cfg->loop,
		.ops = cfg->ops,
		.ctx = cfg->ctx,
		.timeout_ms = cfg->timeout_ms,
		.deadline.cb = on_deadline,
		.max_queue_pairs = 1,
		.max_mem_slots = VHU_MEM_TABLE_MAX,
	};
	return vhu_conn_open(&f->conn, cfg->loop, fd, &conn_ops, f);
}

void
vhu_frontend_close(struct vhu_frontend *f)
{
	vhu_conn_close(&f->conn);
	vhu_conn_close(&f->backend);
	if (f->ncalls > 0)
		fail(f, -ECANCELED, "the session was ended");
	if (f->loop != NULL)
		calls_fail(f, -ECANCELED);
}
