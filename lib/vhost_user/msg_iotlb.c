/* SPDX-License-Identifier: BSD-3-Clause */
/* vIOMMU translations, and the channel over which they are requested. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/irq.h"
#include "vhost_user/session.h"

static void
note_answer(const struct vhu_session *s, const struct vhu_msg *m, const struct vhu_fds *fds)
{
	const struct record_said said = {
		.channel = RECORD_BACKEND,
		.from = RECORD_FROM_PEER,
		.request = m->header.request,
		.flags = m->header.flags,
		.size = m->header.size,
		.payload = m->header.size <= sizeof(m->payload.u64) ? m->payload.bytes : NULL,
		.fds = fds->fd,
		.nfds = fds->n,
	};

	record_message(s->record, &said);
}

/** Messages on our channel are answers; only those about doorbells matter. */
static const char *
req_message(struct vhu_conn *c, struct vhu_msg *m, struct vhu_fds *fds)
{
	struct vhu_session *s = c->ctx;

	note_answer(s, m, fds);
	if ((m->header.flags & VHU_VERSION_MASK) != VHU_VERSION || !(m->header.flags & VHU_REPLY))
		return "not a vhost-user reply";
	if (m->header.request != VHU_BACKEND_VRING_HOST_NOTIFIER)
		return NULL;
	return vhu_bells_answer(s);
}

static void
req_closed(struct vhu_conn *c, const char *why)
{
	struct vhu_session *s = c->ctx;

	log_peer_debug(&s->dev->log_limit, s->dev->name,
		       "the channel for our requests is closed: %s", why);
}

static const struct vhu_conn_ops req_ops = {.message = req_message, .closed = req_closed};

static bool
is_unix_stream(int fd)
{
	int domain = 0, type = 0;
	socklen_t len = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

/** Whether @p fd has a name or its peer has one; also when it has no peer. */
static bool
is_named(int fd)
{
	struct sockaddr_un own, peer;
	socklen_t own_len = sizeof(own), peer_len = sizeof(peer);

	return getsockname(fd, (struct sockaddr *)&own, &own_len) != 0 ||
	       getpeername(fd, (struct sockaddr *)&peer, &peer_len) != 0 ||
	       own_len > offsetof(struct sockaddr_un, sun_path) ||
	       peer_len > offsetof(struct sockaddr_un, sun_path);
}

/*
 * The channel is one end of a socket pair. A front-end's end of a connection to one of our sockets,
 * this session's or another's, must not be it: as long as we hold it, that connection does not end
 * and its port is taken. Such an end has a name on one side, that of the socket where the
 * connection was accepted, for as long as it lives; an end of a pair has none.
 */
int
vhu_set_backend_req_fd(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	if (!is_unix_stream(fds->fd[0]))
		return vhu_refuse(s, EINVAL, "not a unix stream socket");
	if (is_named(fds->fd[0]))
		return vhu_refuse(s, EINVAL, "not an end of a socket pair");
	vhu_conn_close(&s->req);
	s->bells.unanswered = 0;
	return vhu_open_channel(s, vhu_fds_take(fds, 0));
}

int
vhu_open_channel(struct vhu_session *s, int fd)
{
	int ret = vhu_conn_open(&s->req, s->loop, fd, &req_ops, s);

	s->req.patient = true;
	s->req.record = s->record;
	s->req.channel = RECORD_BACKEND;
	s->req.lane = irq_group_lane(s->dev->irqs);
	return ret;
}

void
vhu_send_config_change(struct transport *t)
{
	struct vhu_session *s = vhu_session_of(t);
	const struct vhu_header h = {VHU_BACKEND_CONFIG_CHANGE, VHU_VERSION, 0};

	if (s->protocol_features & VHU_PF(CONFIG))
		(void)vhu_conn_send(&s->req, &h, NULL, -1);
}

bool
vhu_send_miss(struct transport *t, uint64_t iova, uint32_t perm)
{
	struct vhu_session *s = vhu_session_of(t);
	const struct vhu_iotlb miss = {
		.iova = iova,
		.perm = (uint8_t)perm,
		.type = VHU_IOTLB_MISS,
	};
	const struct vhu_header h = {VHU_BACKEND_IOTLB_MSG, VHU_VERSION, sizeof(miss)};

	if (!vhu_conn_idle(&s->req) || vhu_conn_send(&s->req, &h, &miss, -1) != 0)
		return false;
	s->count.misses++;
	return true;
}

int
vhu_iotlb_msg(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	const struct vhu_iotlb *t = &m->payload.iotlb;
	const struct iotlb_entry e = {t->iova, t->size, t->uva, t->perm};
	int ret;

	if (t->type == VHU_IOTLB_UPDATE)
		ret = vdev_iotlb_update(s->dev, &e);
	else if (t->type == VHU_IOTLB_INVALIDATE)
		ret = vdev_iotlb_invalidate(s->dev, t->iova, t->size);
	else
		return vhu_refuse(s, EINVAL, "neither an update nor an invalidation");
	if (ret == -ENOTSUP)
		s->why = "ACCESS_PLATFORM was not negotiated";
	return ret;
}
