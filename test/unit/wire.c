/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vhost_user/backend.h"
#include "wire.h"

#define RING_SIZE 256

static const char *
on_message(struct vhu_conn *c, struct vhu_msg *m, struct vhu_fds *fds)
{
	struct wire *w = c->ctx;

	return vhu_dispatch(&w->s, m, fds);
}

static void
on_closed(struct vhu_conn *c, const char *why)
{
	struct wire *w = c->ctx;

	w->closed++;
	w->closed_why = why;
	vhu_session_reset(&w->s);
	vdev_disconnect(w->o.d);
}

static const struct vhu_conn_ops conn_ops = {.message = on_message, .closed = on_closed};

static void
connect_pair(struct wire *w, uint64_t protocol_features)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) != 0 ||
	    vhu_conn_open(&w->s.conn, w->o.loop, sv[0], &conn_ops, w) != 0)
		abort();
	w->peer = sv[1];
	w->s.transport.ops = &vhu_transport_ops;
	vdev_connect(w->o.d, &w->s.transport);
	if (protocol_features != 0 &&
	    wire_ask_u64(w, VHU_SET_PROTOCOL_FEATURES, protocol_features) != 0)
		abort();
}

void
wire_init(struct wire *w, uint64_t protocol_features)
{
	memset(w, 0, sizeof(*w));
	w->reply_fd = -1;
	owner_init(&w->o, NULL);
	w->s.dev = w->o.d;
	w->s.loop = w->o.loop;
	w->s.extra = WIRE_EXTRA;
	connect_pair(w, protocol_features);
}

static void
drop_reply_fd(struct wire *w)
{
	if (w->reply_fd >= 0)
		close(w->reply_fd);
	w->reply_fd = -1;
}

void
wire_reconnect(struct wire *w, uint64_t protocol_features)
{
	drop_reply_fd(w);
	close(w->peer);
	while (vhu_conn_is_open(&w->s.conn))
		ev_run_once(w->o.loop, 0);
	connect_pair(w, protocol_features);
}

void
wire_fini(struct wire *w)
{
	drop_reply_fd(w);
	vhu_session_reset(&w->s);
	close(w->peer);
	owner_fini(&w->o);
}

uint64_t
wire_send(struct wire *w, uint32_t request, uint32_t flags, const void *payload, uint32_t size,
	  const int *fds, uint32_t n)
{
	drop_reply_fd(w);
	peer_send(w->peer, request, flags, payload, size, fds, n);
	ev_run_once(w->o.loop, 0);
	if (!vhu_conn_is_open(&w->s.conn))
		return WIRE_GONE;
	if (!peer_recv(w->peer, &w->reply, &w->reply_fd))
		return WIRE_SILENT;
	if (w->reply.header.request != request ||
	    w->reply.header.flags != (VHU_VERSION | VHU_REPLY))
		abort();
	return w->reply.payload.u64;
}

uint64_t
wire_ask(struct wire *w, uint32_t request, const void *payload, uint32_t size)
{
	return wire_send(w, request, VHU_VERSION | VHU_NEED_REPLY, payload, size, NULL, 0);
}

uint64_t
wire_ask_u64(struct wire *w, uint32_t request, uint64_t value)
{
	return wire_ask(w, request, &value, sizeof(value));
}

uint64_t
wire_ask_state(struct wire *w, uint32_t request, uint32_t index, uint32_t num)
{
	const struct vhu_vring_state s = {index, num};

	return wire_ask(w, request, &s, sizeof(s));
}

uint64_t
wire_ask_fd(struct wire *w, uint32_t request, uint64_t value, int fd)
{
	uint64_t ret =
		wire_send(w, request, VHU_VERSION | VHU_NEED_REPLY, &value, sizeof(value), &fd, 1);

	close(fd);
	return ret;
}

const char *
wire_why(const struct wire *w)
{
	const struct vhu_event *e = &w->s.history[(w->s.events - 1) % VHU_HISTORY];

	return e->why != NULL ? e->why : "";
}

static void
must(uint64_t ret)
{
	if (ret != 0)
		abort();
}

void
wire_give_memory(struct wire *w)
{
	const struct vhu_mem_table t = {
		.n = 1,
		.r[0] = {OWNER_GPA, OWNER_MEM, OWNER_UVA, 0},
	};

	must(wire_send(w, VHU_SET_MEM_TABLE, VHU_VERSION | VHU_NEED_REPLY, &t, 8 + sizeof(t.r[0]),
		       &w->o.memfd, 1));
}

void
wire_start_ring(struct wire *w, uint32_t i, uint32_t size, uint32_t base)
{
	const uint64_t at = OWNER_UVA + RING_AT(i);
	const struct vhu_vring_addr a = {
		.index = i,
		.desc = at,
		.avail = at + RING_DRIVER_OFF,
		.used = at + RING_DEVICE_OFF,
	};

	must(wire_ask_state(w, VHU_SET_VRING_NUM, i, size));
	must(wire_ask_state(w, VHU_SET_VRING_BASE, i, base));
	must(wire_ask(w, VHU_SET_VRING_ADDR, &a, sizeof(a)));
	must(wire_ask_fd(w, VHU_SET_VRING_KICK, i, eventfd(0, 0)));
	must(wire_ask_fd(w, VHU_SET_VRING_CALL, i, eventfd(0, 0)));
}

void
wire_start(struct wire *w, uint64_t features)
{
	uint32_t base = (features & F(RING_PACKED)) ? 0x80008000u : 0, i;

	must(wire_ask_u64(w, VHU_SET_FEATURES, features));
	wire_give_memory(w);
	for (i = 0; i < 2; i++) {
		must(wire_ask_state(w, VHU_SET_VRING_ENABLE, i, 1));
		wire_start_ring(w, i, RING_SIZE, base);
	}
}
