/* SPDX-License-Identifier: BSD-3-Clause */
/* Doorbells: memory of a card, named to the front-end, by which the guest notifies it. */
#include <poll.h>
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

static bool
silent(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 0;
}

/** A channel with doorbells; our end of it. */
static int
open_channel(void)
{
	int sv[2];

	w.s.protocol_features = VHU_PF(HOST_NOTIFIER) | VHU_PF(BACKEND_SEND_FD);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(vhu_open_channel(&w.s, sv[1]), 0);
	return sv[0];
}

static void
expect_bell(int sock, uint32_t index)
{
	struct vhu_msg m;
	int fd;

	assert_true(peer_recv(sock, &m, &fd));
	assert_int_equal(m.header.request, VHU_BACKEND_VRING_HOST_NOTIFIER);
	assert_int_equal(m.payload.area.index, index);
	assert_int_equal(fd >= 0, !(index & VHU_VRING_NOFD));
	if (fd >= 0)
		close(fd);
}

/** The rest is over. */
static void
pass_time(void)
{
	assert_non_null(w.s.bells.timer.loop);
	w.s.bells.rested_ns = 0;
	ev_timer_arm(w.o.loop, &w.s.bells.timer, 0);
	ev_run_once(w.o.loop, 1000);
}

/*
 * QEMU ends itself when a doorbell is withdrawn before the mapping of the former one is freed:
 * after any withdrawal the next one waits, also when the front-end withdraws it by itself.
 */
static void
test_rest(void **state)
{
	const struct transport_doorbell bell = {.fd = w.o.memfd, .offset = 8192, .size = 4096};
	const struct transport_doorbell none = {.fd = -1};
	struct transport *t = &w.s.transport;
	const struct vhu_vring_state base = {.index = 0};
	uint64_t from;
	int sock = open_channel();

	assert_true(t->ops->host_notifier(t, 0, &bell));
	expect_bell(sock, 0);
	/* another one in its place: the former goes first */
	from = ev_now_ns();
	assert_true(t->ops->host_notifier(t, 0, &bell));
	expect_bell(sock, 0 | VHU_VRING_NOFD);
	assert_true(silent(sock));
	assert_true(w.s.bells.timer.deadline_ns >= from + VHU_BELL_REST_MS * 1000000ULL);
	/* too early: it waits on */
	ev_timer_arm(w.o.loop, &w.s.bells.timer, 0);
	ev_run_once(w.o.loop, 1000);
	assert_true(silent(sock));
	/* any ring's rests */
	assert_true(t->ops->host_notifier(t, 1, &bell));
	assert_true(silent(sock));
	/* what has not been named is not withdrawn */
	assert_true(t->ops->host_notifier(t, 0, &none));
	assert_true(silent(sock));
	pass_time();
	expect_bell(sock, 1);
	assert_true(silent(sock));
	wire_send(&w, VHU_GET_VRING_BASE, VHU_VERSION, &base, sizeof(base), NULL, 0);
	assert_true(t->ops->host_notifier(t, 0, &bell));
	assert_true(silent(sock));
	pass_time();
	expect_bell(sock, 0);
	/* any ring can have one */
	assert_true(t->ops->host_notifier(t, VDEV_QUEUES_MAX - 1, &bell));
	expect_bell(sock, VDEV_QUEUES_MAX - 1);
	assert_false(t->ops->host_notifier(t, VDEV_QUEUES_MAX, &bell));
	/* the session's end takes one that waits along */
	assert_true(t->ops->host_notifier(t, 0, &none));
	assert_true(t->ops->host_notifier(t, 0, &bell));
	vhu_session_reset(&w.s);
	assert_null(w.s.bells.timer.loop);
	assert_false(w.s.bells.ring[0].waits);
	close(sock);
}

/*
 * A doorbell that waits is the card's to take back also while the front-end has no channel; and a
 * front-end that has given the feature up is told of none.
 */
static void
test_no_channel(void **state)
{
	const struct transport_doorbell bell = {.fd = w.o.memfd, .offset = 8192, .size = 4096};
	const struct transport_doorbell none = {.fd = -1};
	struct transport *t = &w.s.transport;
	int sock = open_channel();

	vhu_bells_rest(&w.s.bells);
	assert_true(t->ops->host_notifier(t, 0, &bell));
	vhu_conn_close(&w.s.req);
	close(sock);
	assert_false(t->ops->host_notifier(t, 0, &none));
	assert_false(w.s.bells.ring[0].waits);
	sock = open_channel();
	pass_time();
	assert_true(silent(sock));

	vhu_bells_rest(&w.s.bells);
	assert_true(t->ops->host_notifier(t, 0, &bell));
	w.s.protocol_features &= ~VHU_PF(HOST_NOTIFIER);
	pass_time();
	assert_true(silent(sock));
	assert_false(w.s.bells.ring[0].waits);
	assert_false(w.s.bells.ring[0].named);
	vhu_session_reset(&w.s);
	close(sock);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_host_notifier, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_channel, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
