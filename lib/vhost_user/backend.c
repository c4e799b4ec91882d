/* SPDX-License-Identifier: BSD-3-Clause */
#include <bsd/string.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_common.h>

#include "base/heir.h"
#include "base/irq.h"
#include "base/sock.h"
#include "base/text.h"
#include "vhost_user/backend.h"
#include "vhost_user/handover.h"
#include "vhost_user/session.h"

#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 1000
#define MODE_DEFAULT 0600

struct vhu_backend {
	struct vhu_session session; /* first member; its connection leads back here */
	bool client;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct sock_listener listener; /* not in the client role */
	struct stat socket; /* the file we made: another one at the path is not removed */
	struct ev_timer retry;
	uint32_t retry_ms;
	uint64_t connects;
	const char *last_error;
	bool link_told; /* that the path is a link, which is not followed */
};

static struct vhu_backend *
backend_of(const struct transport *t)
{
	return (struct vhu_backend *)(uintptr_t)t;
}

static const struct {
	uint32_t option;
	uint64_t bit;
} option_bit[] = {
	{VHU_OPTION_CONFIG, VHU_PF(CONFIG)},
	{VHU_OPTION_DEVICE_STATE, VHU_PF(DEVICE_STATE)},
	{VHU_OPTION_BASE_INFLIGHT, VHU_PF(GET_VRING_BASE_INFLIGHT)},
	{VHU_OPTION_GPA_ADDRESSES, VHU_PF(GPA_ADDRESSES)},
	{VHU_OPTION_POSTCOPY, VHU_PF(PAGEFAULT)},
};

static void
retry_later(struct vhu_backend *b)
{
	ev_timer_arm(b->session.loop, &b->retry, b->retry_ms);
	b->retry_ms = RTE_MIN(2 * b->retry_ms, (uint32_t)RETRY_MAX_MS);
}

/* --- the connection --- */

static const char *
on_message(struct vhu_conn *c, struct vhu_msg *m, struct vhu_fds *fds)
{
	struct vhu_backend *b = c->ctx;

	return vhu_dispatch(&b->session, m, fds);
}

static void
on_closed(struct vhu_conn *c, const char *why)
{
	struct vhu_backend *b = c->ctx;
	struct vdev *d = b->session.dev;

	b->last_error = why;
	record_disconnect(b->session.record, why);
	log_peer(&d->log_limit, d->name, "front-end disconnected: %s", why);
	vhu_session_reset(&b->session);
	vdev_disconnect(d);
	if (b->client)
		retry_later(b);
}

static const struct vhu_conn_ops conn_ops = {.message = on_message, .closed = on_closed};

static int
open_session(struct vhu_backend *b, int fd)
{
	struct vhu_session *s = &b->session;
	int ret = vhu_conn_open(&s->conn, s->loop, fd, &conn_ops, b);

	if (ret != 0)
		return ret;
	s->conn.lane = irq_group_lane(s->dev->irqs);
	s->conn.record = s->record;
	record_connect(s->record, fd);
	/* another session of this front-end may have ended with doorbells just now */
	vhu_bells_rest(&s->bells);
	b->connects++;
	b->retry_ms = RETRY_MIN_MS;
	vdev_connect(s->dev, &s->transport);
	return 0;
}

/** Start a session on @p fd, which is taken. */
static int
begin(struct vhu_backend *b, int fd)
{
	int ret = open_session(b, fd);

	if (ret == 0)
		log_peer_info(&b->session.dev->log_limit, b->session.dev->name,
			      "front-end connected at %s", b->path);
	return ret;
}

static void
backend_drop(struct vhu_backend *b, const char *why)
{
	if (!vhu_conn_is_open(&b->session.conn))
		return;
	vhu_conn_close(&b->session.conn);
	on_closed(&b->session.conn, why);
}

/** Its peers have kept us from closing so many descriptors that there is no room for more. */
static bool
is_full(const struct vhu_backend *b)
{
	return lane_closing(irq_group_lane(b->session.dev->irqs)) >= CONN_CLOSING_MAX;
}

static bool
listener_full(const struct sock_listener *l)
{
	return is_full(container_of(l, const struct vhu_backend, listener));
}

static void
on_accept(struct sock_listener *l, int fd)
{
	struct vhu_backend *b = container_of(l, struct vhu_backend, listener);

	/* a successor may connect before the end of its predecessor is noticed */
	if (vhu_conn_left(&b->session.conn))
		backend_drop(b, "the peer closed the connection");
	if (vhu_conn_is_open(&b->session.conn)) {
		/* one owner: a second front-end is refused at once and does not wait in a read */
		vhu_socket_close(b->session.conn.lane, fd);
		log_peer(&b->session.dev->log_limit, b->session.dev->name,
			 "a second front-end at %s was refused", b->path);
		return;
	}
	(void)begin(b, fd);
}

static void
on_retry(struct ev_timer *t)
{
	struct vhu_backend *b = container_of(t, struct vhu_backend, retry);
	int fd = is_full(b) ? -EMFILE : sock_connect_unix(b->path);

	if (fd == -ELOOP && !b->link_told)
		log_peer(&b->session.dev->log_limit, b->session.dev->name,
			 "%s is another user's symbolic link, which is not followed", b->path);
	b->link_told = fd == -ELOOP;
	if (fd < 0 || begin(b, fd) != 0)
		retry_later(b);
}

/* --- the back-end --- */

static bool
listen_at(struct vhu_backend *b, const struct vhu_config *cfg, char *err, size_t errlen)
{
	const struct sock_access access = {
		.mode = cfg->mode != 0 ? cfg->mode : MODE_DEFAULT,
		.owner = cfg->owner,
		.group = cfg->group,
	};
	int fd = sock_listen_unix(b->path, &access, err, errlen);

	if (fd < 0)
		return false;
	b->listener.accepted = on_accept;
	b->listener.full = listener_full;
	b->listener.tag = cfg->dev->name;
	if (stat(b->path, &b->socket) == 0 &&
	    sock_accept_on(&b->listener, b->session.loop, fd) == 0)
		return true;
	snprintf(err, errlen, "socket %s cannot be watched: %s", b->path, strerror(errno));
	return false;
}

static void
remove_socket(const struct vhu_backend *b)
{
	struct stat st;

	if (!heir_pending() && lstat(b->path, &st) == 0 && st.st_ino == b->socket.st_ino &&
	    st.st_dev == b->socket.st_dev)
		unlink(b->path);
}

static void
backend_free(struct transport *t)
{
	struct vhu_backend *b = backend_of(t);

	ev_timer_cancel(&b->retry);
	if (b->listener.loop != NULL)
		remove_socket(b);
	sock_listener_close(&b->listener);
	if (vhu_conn_is_open(&b->session.conn)) {
		vhu_session_reset(&b->session);
		vdev_disconnect(b->session.dev);
	}
	free(b);
}

static uint64_t
optional_bits(uint32_t options)
{
	uint64_t bits = 0;
	size_t i;

	for (i = 0; i < RTE_DIM(option_bit); i++)
		if (options & option_bit[i].option)
			bits |= option_bit[i].bit;
	return bits;
}

struct transport *
vhu_backend_new(const struct vhu_config *cfg, char *err, size_t errlen)
{
	struct vhu_backend *b = calloc(1, sizeof(*b));

	if (b == NULL) {
		snprintf(err, errlen, "out of memory");
		return NULL;
	}
	b->session.transport.ops = &vhu_transport_ops;
	b->session.dev = cfg->dev;
	b->session.loop = cfg->loop;
	b->session.record = cfg->record;
	b->session.extra = optional_bits(cfg->options);
	b->client = cfg->client;
	b->retry.cb = on_retry;
	b->retry_ms = RETRY_MIN_MS;
	if (strlcpy(b->path, cfg->path, sizeof(b->path)) >= sizeof(b->path)) {
		snprintf(err, errlen, "socket path is too long: %s", cfg->path);
		free(b);
		return NULL;
	}
	if (cfg->client && !cfg->closed && cfg->later)
		retry_later(b);
	else if (cfg->client && !cfg->closed)
		on_retry(&b->retry);
	if (!cfg->client && !cfg->closed && !listen_at(b, cfg, err, errlen)) {
		backend_free(&b->session.transport);
		return NULL;
	}
	return &b->session.transport;
}

static void
backend_info(const struct transport *t, struct transport_info *out)
{
	const struct vhu_backend *b = backend_of(t);
	const struct vhu_session *s = &b->session;

	*out = (struct transport_info){
		.kind = "Socket",
		.where = b->path,
		.role = b->client ? "client" : "server",
		.connected = vhu_conn_is_open(&s->conn),
		.connects = b->connects,
		.messages = s->count.messages,
		.refused = s->count.refused,
		.unknown = s->count.unknown,
		.protocol_features = s->protocol_features,
		.last_error = b->last_error,
	};
}

static void
backend_show(const struct transport *t, FILE *out)
{
	const struct vhu_backend *b = backend_of(t);
	char path[TEXT_SHOWN_MAX];

	fprintf(out, "  socket %s (%s), %s, %" PRIu64 " connections",
		text_shown(b->path, path, sizeof(path)), b->client ? "client" : "server",
		vhu_conn_is_open(&b->session.conn) ? "connected" : "not connected", b->connects);
	if (b->last_error != NULL)
		fprintf(out, ", the last one ended: %s", b->last_error);
	fputc('\n', out);
	vhu_session_show(&b->session, out);
}

/** Ring addresses are virtual ones of the front-end's, unless it has an IOMMU. */
static enum vdev_space
backend_space(const struct transport *t, uint64_t features)
{
	return (features & VDEV_F(ACCESS_PLATFORM)) ? VDEV_SPACE_IOVA : VDEV_SPACE_FRONTEND;
}

/** Answers that say so may go. */
static void
backend_published(struct transport *t)
{
	vhu_conn_release(&backend_of(t)->session.conn);
}

/* --- a successor of this process --- */

static const char *
backend_busy(const struct transport *t)
{
	const struct vhu_session *s = &backend_of(t)->session;

	if (s->postcopy.pager != NULL)
		return "a post-copy migration is under way";
	return s->transfer.state == VHU_TRANSFER_ACTIVE ? "the device's state is being moved"
							: NULL;
}

static void
backend_hand_over(const struct transport *t, struct blob *out)
{
	const struct vhu_backend *b = backend_of(t);

	vhu_session_hand_over(&b->session, b->connects, out);
}

static const char *
resume_session(struct vhu_backend *b, const struct hand_record *h)
{
	uint64_t connects;
	const char *why;
	int fd;

	if (vhu_conn_is_open(&b->session.conn))
		return "two sessions of one port";
	why = vhu_session_take_over(&b->session, h, &connects, &fd);
	if (why == NULL && fd >= 0 && open_session(b, fd) != 0)
		why = "a connection cannot be watched";
	if (why == NULL)
		b->connects = connects;
	if (why == NULL && fd >= 0)
		ev_timer_cancel(&b->retry);
	return why;
}

static const char *
backend_take_over(struct transport *t, const struct hand_record *h)
{
	struct vhu_backend *b = backend_of(t);

	return h->r.type == VHU_HAND_SESSION ? resume_session(b, h)
					     : vhu_conns_take_over(&b->session, h);
}

static const char *const lack[] = {
	[VDEV_LACK_MEMORY] = "no guest memory yet (SET_MEM_TABLE)",
	[VDEV_LACK_SIZE] = "ring size not set (SET_VRING_NUM)",
	[VDEV_LACK_ADDRESSES] = "ring addresses not set (SET_VRING_ADDR)",
	[VDEV_LACK_READY] = "ring not started by the front-end (SET_VRING_KICK)",
	[VDEV_LACK_ENABLE] = "disabled by the front-end (SET_VRING_ENABLE 0)",
	[VDEV_LACK_FEATURES] =
		"the guest's driver has not started: no features were acked (SET_FEATURES)",
	[VDEV_LACK_LOG] = "there is no log (SET_LOG_BASE)",
};
static_assert(RTE_DIM(lack) == VDEV_LACK_NUM, "lack[] is incomplete");

static uint32_t
backend_facts(const struct transport *t, struct transport_fact *out)
{
	return vhu_postcopy_facts(vhu_session_of(t), out);
}

const struct transport_ops vhu_transport_ops = {
	.name = "vhost-user",
	.lack = lack,
	.space = backend_space,
	.translate = vhu_send_miss,
	.config_changed = vhu_send_config_change,
	.published = backend_published,
	.host_notifier = vhu_send_host_notifier,
	.info = backend_info,
	.facts = backend_facts,
	.show = backend_show,
	.busy = backend_busy,
	.hand_over = backend_hand_over,
	.take_over = backend_take_over,
	.free = backend_free,
};
