/* SPDX-License-Identifier: BSD-3-Clause */
/* Doorbells: memory of a card, named to the front-end, by which the guest notifies it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/lane.h"
#include "vdev/engine.h"
#include "wire.h"

/* what QEMU 7.2 knows of what we offer */
#define QEMU_PROTOCOL (VHU_PF_ALWAYS & 0x1ffff)

static struct wire w;

static int
setup(void **state)
{
	wire_init(&w, 0);
	return 0;
}

static int
teardown(void **state)
{
	wire_fini(&w);
	return 0;
}

static uint64_t
offered(void)
{
	return wire_send(&w, VHU_GET_PROTOCOL_FEATURES, VHU_VERSION, NULL, 0, NULL, 0);
}

static const char *
absent(const struct engine *e, const struct vdev *d)
{
	return "not there";
}

static void
no_engine_closes(struct engine *e, struct vdev *d)
{
}

/* After all signals that are under way. */
static bool
counter_of(int fd, uint64_t *count)
{
	while (!lane_all_idle())
		usleep(100);
	return read(fd, count, sizeof(*count)) == sizeof(*count);
}

/* A doorbell is offered where there is hardware, named, and taken back with an answer. */
static void
test_host_notifier(void **state)
{
	static const struct engine_ops ops = {.check = absent, .close = no_engine_closes};
	static struct engine card = {.ops = &ops, .name = "card", .caps.queue_pairs = 1};
	static struct engine *const list[] = {&card, &soft_engine, NULL};
	const uint64_t protocol = QEMU_PROTOCOL | VHU_PF(HOST_NOTIFIER);
	const struct vhu_header ok = {VHU_BACKEND_VRING_HOST_NOTIFIER, VHU_VERSION | VHU_REPLY, 8};
	struct transport_doorbell bell = {.fd = w.o.memfd, .offset = 8192, .size = 4096};
	struct transport *t = &w.s.transport;
	uint64_t kicks = 0;
	struct vhu_msg m;
	int sv[2], fd;

	assert_int_equal(offered() & VHU_PF(HOST_NOTIFIER), 0);
	vdev_set_engines(w.o.d, list);
	assert_int_equal(offered() & protocol, protocol);
	assert_int_equal(wire_ask_u64(&w, VHU_SET_PROTOCOL_FEATURES, QEMU_PROTOCOL), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	wire_send(&w, VHU_SET_BACKEND_REQ_FD, VHU_VERSION, NULL, 0, &sv[1], 1);
	close(sv[1]);
	assert_false(t->ops->host_notifier(t, 0, &bell)); /* not negotiated */
	assert_int_equal(wire_ask_u64(&w, VHU_SET_PROTOCOL_FEATURES, protocol), 0);
	assert_int_equal(wire_ask_fd(&w, VHU_SET_VRING_KICK, 1, eventfd(0, EFD_NONBLOCK)), 0);
	assert_true(t->ops->host_notifier(t, 1, &bell));
	assert_true(peer_recv(sv[0], &m, &fd));
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(m.header.request, VHU_BACKEND_VRING_HOST_NOTIFIER);
	assert_int_equal(m.header.flags, VHU_VERSION);
	assert_int_equal(m.payload.area.index, 1);
	assert_int_equal(m.payload.area.offset, 8192);
	assert_int_equal(m.payload.area.size, 4096);
	bell = (struct transport_doorbell){.fd = -1};
	assert_true(t->ops->host_notifier(t, 1, &bell));
	assert_true(peer_recv(sv[0], &m, &fd));
	assert_int_equal(fd, -1);
	assert_int_equal(m.header.flags, VHU_VERSION | VHU_NEED_REPLY);
	assert_int_equal(m.payload.area.index, 1 | VHU_VRING_NOFD);
	/* what the guest wrote to the doorbell until now is made up for */
	assert_false(counter_of(w.o.d->q[1].kick_fd, &kicks));
	peer_send(sv[0], ok.request, ok.flags, &(uint64_t){0}, 8, NULL, 0);
	ev_run_once(w.o.loop, 1000);
	assert_true(counter_of(w.o.d->q[1].kick_fd, &kicks));
	assert_int_equal(kicks, 1);
	/* an answer to nothing kicks no ring: a front-end could send any number of them */
	peer_send(sv[0], ok.request, ok.flags, &(uint64_t){0}, 8, NULL, 0);
	ev_run_once(w.o.loop, 1000);
	assert_false(counter_of(w.o.d->q[1].kick_fd, &kicks));
	assert_false(vhu_conn_is_open(&w.s.req));
	close(sv[0]);
	vdev_set_engines(w.o.d, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_host_notifier, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
