/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections: messages in any parts, limits, deadlines, and no descriptor left behind. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/lane.h"
#include "base/spare.h"
#include "owner.h"
#include "peer.h"
#include "vhost_user/conn.h"

static struct ev_loop *loop;
static struct vhu_conn conn;
static int peer;
static unsigned int messages, closed, fds_before;
static const char *closed_why, *answer;
static struct vhu_msg last;
static uint32_t last_nfds;
static bool take_first, close_inside, slow;
static uint32_t keeps; /* so many descriptors of a message */
static int kept[VHU_FDS_MAX];

static const char *
on_message(struct vhu_conn *c, struct vhu_msg *m, struct vhu_fds *fds)
{
	messages++;
	last = *m;
	last_nfds = fds->n;
	if (slow)
		usleep(2 * CONN_BURST_US);
	if (take_first)
		close(vhu_fds_take(fds, 0));
	for (uint32_t i = 0; i < keeps; i++)
		kept[i] = vhu_fds_take(fds, i);
	if (close_inside)
		vhu_conn_close(c);
	return answer;
}

static void
on_closed(struct vhu_conn *c, const char *why)
{
	closed++;
	closed_why = why;
	assert_false(vhu_conn_is_open(c));
}

static const struct vhu_conn_ops ops = {.message = on_message, .closed = on_closed};

static int
setup(void **state)
{
	int sv[2];

	loop = ev_loop_new();
	messages = closed = 0;
	answer = closed_why = NULL;
	take_first = close_inside = slow = false;
	keeps = 0;
	fds_before = open_fds();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) != 0)
		return -1;
	peer = sv[1];
	return vhu_conn_open(&conn, loop, sv[0], &ops, NULL);
}

static int
teardown(void **state)
{
	vhu_conn_close(&conn);
	vhu_conn_close(&conn);
	close(peer);
	if (open_fds() != fds_before)
		return -1;
	ev_loop_free(loop);
	return 0;
}

static void
iterate(void)
{
	ev_run_once(loop, 0);
}

/* Descriptors left open beside the two ends of the connection. */
static int
leaked(void)
{
	return (int)(open_fds() - fds_before) - (vhu_conn_is_open(&conn) ? 2 : 1);
}

static void
test_whole_message(void **state)
{
	const uint64_t word = 0x1122334455667788;

	peer_send(peer, 42, VHU_VERSION, &word, sizeof(word), NULL, 0);
	iterate();
	assert_int_equal(messages, 1);
	assert_int_equal(last.header.request, 42);
	assert_int_equal(last.payload.u64, word);
	assert_int_equal(last_nfds, 0);
}

/* Others are served after each message that takes long, not after a burst of them. */
static void
test_slow_messages(void **state)
{
	unsigned int i;

	slow = true;
	for (i = 0; i < CONN_BURST; i++)
		peer_send(peer, 42, VHU_VERSION, NULL, 0, NULL, 0);
	for (i = 1; i <= CONN_BURST; i++) {
		iterate();
		assert_int_equal(messages, i);
	}
}

/** Iterations until the message was handed over @p n times. */
static void
iterate_until(unsigned int n)
{
	while (messages < n)
		ev_run_once(loop, 10);
}

/* The same message with its descriptors again, and nothing is read before it was handled. */
static void
test_later(void **state)
{
	uint64_t word = 5;
	int fd = eventfd(0, 0);

	answer = vhu_conn_later;
	peer_send(peer, 42, VHU_VERSION, &word, sizeof(word), &fd, 1);
	word = 6;
	peer_send(peer, 43, VHU_VERSION, &word, sizeof(word), NULL, 0);
	close(fd);
	for (unsigned int n = 1; n < 4; n++) {
		iterate_until(n);
		assert_int_equal(last.header.request, 42);
		assert_int_equal(last.payload.u64, 5);
		assert_int_equal(last_nfds, 1);
		assert_int_equal(leaked(), 1);
	}
	answer = NULL;
	iterate_until(messages + 2);
	assert_int_equal(last.header.request, 43);
	assert_int_equal(leaked(), 0);
}

/* The peer leaves while its message waits. */
static void
test_later_and_left(void **state)
{
	int fd = eventfd(0, 0);

	answer = vhu_conn_later;
	peer_send(peer, 42, VHU_VERSION, NULL, 0, &fd, 1);
	close(fd);
	iterate_until(2);
	shutdown(peer, SHUT_RDWR);
	while (closed == 0)
		ev_run_once(loop, 10);
	assert_int_equal(leaked(), 0);
}

static void
test_byte_by_byte(void **state)
{
	const struct vhu_header h = {7, VHU_VERSION, 8};
	int fd = eventfd(0, 0);
	uint8_t bytes[sizeof(h) + 8] = {0};
	size_t i;

	memcpy(bytes, &h, sizeof(h));
	memset(bytes + sizeof(h), 0x5a, 8);
	for (i = 0; i < sizeof(bytes); i++) {
		assert_int_equal(messages, 0);
		assert_int_equal(peer_write(peer, &bytes[i], 1, &fd, i == 0), 1);
		iterate();
		assert_int_equal(leaked(), i + 1 < sizeof(bytes) ? 2 : 1);
		assert_int_equal(conn.in_deadline.loop != NULL, i + 1 < sizeof(bytes));
	}
	assert_int_equal(messages, 1);
	assert_int_equal(last_nfds, 1);
	assert_int_equal(last.payload.u64, 0x5a5a5a5a5a5a5a5a);
	close(fd);
	assert_int_equal(leaked(), 0);
}

static void
test_header_then_payload(void **state)
{
	const struct vhu_header h = {7, VHU_VERSION, sizeof(struct vhu_mem_table)};
	static const struct vhu_mem_table table = {.n = 8};

	peer_write(peer, &h, sizeof(h), NULL, 0);
	iterate();
	assert_int_equal(messages, 0);
	peer_write(peer, &table, sizeof(table), NULL, 0);
	iterate();
	assert_int_equal(messages, 1);
	assert_int_equal(last.payload.mem_table.n, 8);
}

/* Several in one part, and never so many at once that others starve. */
static void
test_burst_is_bounded(void **state)
{
	struct vhu_header h[3 * CONN_BURST];
	size_t i;

	for (i = 0; i < RTE_DIM(h); i++)
		h[i] = (struct vhu_header){(uint32_t)i, VHU_VERSION, 0};
	peer_write(peer, h, sizeof(h), NULL, 0);
	while (messages < RTE_DIM(h)) {
		unsigned int before = messages;

		iterate();
		assert_in_range(messages - before, 1, CONN_BURST);
	}
	assert_int_equal(last.header.request, RTE_DIM(h) - 1);
}

static void
test_too_long(void **state)
{
	const struct vhu_header h = {7, VHU_VERSION, VHU_PAYLOAD_MAX + 1};

	peer_write(peer, &h, sizeof(h), NULL, 0);
	iterate();
	assert_int_equal(closed, 1);
	assert_string_equal(closed_why, "message too long");
	assert_true(peer_closed(peer));
}

static void
test_longest(void **state)
{
	static const uint8_t payload[VHU_PAYLOAD_MAX];

	peer_send(peer, 1, VHU_VERSION, payload, sizeof(payload), NULL, 0);
	iterate();
	assert_int_equal(messages, 1);
}

static void
test_fds_not_taken_are_closed(void **state)
{
	const struct vhu_header h = {7, VHU_VERSION, 0};
	int fds[VHU_FDS_MAX], i;

	for (i = 0; i < VHU_FDS_MAX; i++)
		fds[i] = eventfd(0, 0);
	take_first = true;
	peer_write(peer, &h, sizeof(h), fds, VHU_FDS_MAX);
	iterate();
	assert_int_equal(last_nfds, VHU_FDS_MAX);
	assert_int_equal(leaked(), VHU_FDS_MAX);
	for (i = 0; i < VHU_FDS_MAX; i++)
		close(fds[i]);
}

static void
test_too_many_fds(void **state)
{
	const struct vhu_header h = {7, VHU_VERSION, 0};
	int fds[VHU_FDS_MAX + 1], i;

	for (i = 0; i <= VHU_FDS_MAX; i++)
		fds[i] = eventfd(0, 0);
	peer_write(peer, &h, sizeof(h), fds, VHU_FDS_MAX + 1);
	iterate();
	assert_int_equal(messages, 0);
	assert_int_equal(closed, 1);
	for (i = 0; i <= VHU_FDS_MAX; i++)
		close(fds[i]);
	assert_int_equal(leaked(), 0);
}

/* The same in two parts of one message. */
static void
test_too_many_fds_in_parts(void **state)
{
	const struct vhu_header h = {7, VHU_VERSION, 0};
	int fds[VHU_FDS_MAX], i;

	for (i = 0; i < VHU_FDS_MAX; i++)
		fds[i] = eventfd(0, 0);
	peer_write(peer, &h, 4, fds, VHU_FDS_MAX);
	peer_write(peer, (const uint8_t *)&h + 4, 8, fds, 1);
	iterate();
	assert_int_equal(messages, 0);
	assert_int_equal(closed, 1);
	for (i = 0; i < VHU_FDS_MAX; i++)
		close(fds[i]);
	assert_int_equal(leaked(), 0);
}

static void
test_deadline(void **state)
{
	const struct vhu_header h = {7, VHU_VERSION, 8};
	int fd = eventfd(0, 0);
	uint64_t left;

	peer_write(peer, &h, 5, &fd, 1);
	iterate();
	assert_non_null(conn.in_deadline.loop);
	left = conn.in_deadline.deadline_ns - ev_now_ns();
	assert_in_range(left, 1, CONN_DEADLINE_MS * 1000000ull);
	/* more bytes do not buy more time */
	peer_write(peer, (const uint8_t *)&h + 5, 5, NULL, 0);
	iterate();
	assert_in_range(conn.in_deadline.deadline_ns - ev_now_ns(), 1, left);
	conn.in_deadline.deadline_ns = 1;
	iterate();
	assert_int_equal(closed, 1);
	close(fd);
	assert_int_equal(leaked(), 0);
}

/* The loop got round to its timer before it got round to the socket. */
static void
expire(struct ev_timer *t)
{
	assert_non_null(t->loop);
	ev_timer_cancel(t);
	t->cb(t);
}

/* A deadline is the peer's, not that of a process which had no CPU. */
static void
test_deadline_missed_by_us(void **state)
{
	const struct vhu_header h = {7, VHU_VERSION, 8};
	const uint64_t word = 1;

	peer_write(peer, &h, 5, NULL, 0);
	iterate();
	peer_write(peer, (const uint8_t *)&h + 5, sizeof(h) - 5, NULL, 0);
	peer_write(peer, &word, sizeof(word), NULL, 0);
	peer_write(peer, &h, 5, NULL, 0);
	expire(&conn.in_deadline);
	assert_int_equal(messages, 1);
	assert_int_equal(closed, 0);
	peer_write(peer, (const uint8_t *)&h + 5, 1, NULL, 0);
	expire(&conn.in_deadline);
	assert_int_equal(closed, 1);
}

static void
keep(struct lane *l)
{
}

/* Nor is it while nothing is read, because descriptors wait to be closed. */
static void
test_deadline_held_up(void **state)
{
	const struct vhu_header h = {7, VHU_VERSION, 0};
	static struct lane lane;

	lane_init(&lane, keep);
	conn.lane = &lane;
	peer_write(peer, &h, 5, NULL, 0);
	iterate();
	lane_owe(&lane, CONN_CLOSING_MAX);
	peer_write(peer, (const uint8_t *)&h + 5, sizeof(h) - 5, NULL, 0);
	expire(&conn.in_deadline);
	assert_int_equal(closed, 0);
	lane_settle(&lane, CONN_CLOSING_MAX);
	expire(&conn.idle);
	iterate();
	assert_int_equal(messages, 1);
	assert_int_equal(closed, 0);
	conn.lane = NULL;
	lane_put(&lane);
}

static struct lane spare_lane;
static struct rlimit limit_before;

/* At the limit of open files the peer has @n descriptors kept by us, one more is being closed. */
static void
keep_at_limit(int fd, uint32_t n)
{
	int fds[VHU_FDS_MAX];
	const struct vhu_header h = {7, VHU_VERSION, 0};
	struct rlimit limit;
	int next = dup(fd);

	lane_init(&spare_lane, keep);
	conn.lane = &spare_lane;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit_before), 0);
	limit = limit_before;
	limit.rlim_cur = (rlim_t)next;
	close(next);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	lane_owe(&spare_lane, 1);
	for (uint32_t i = 0; i < n; i++)
		fds[i] = fd;
	keeps = n;
	peer_write(peer, &h, sizeof(h), fds, n);
	iterate();
	keeps = 0;
	assert_int_equal(messages, 1);
}

static void
end_limit(void)
{
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit_before), 0);
	while (lane_closing(&spare_lane) != 0)
		usleep(1000);
	assert_true(spare_refill());
	conn.lane = NULL;
	lane_put(&spare_lane);
}

/*
 * A peer whose descriptors wait to be closed uses spare ones for one burst: nothing more is read
 * until they are there again, which is what others have them for.
 */
static void
test_spare_descriptors(void **state)
{
	const struct vhu_header h = {8, VHU_VERSION, 0};
	const uint32_t spares = spare_count();
	int fd = eventfd(0, 0);

	keep_at_limit(fd, 1);
	for (int i = 0; i < 20; i++) {
		peer_write(peer, &h, sizeof(h), &fd, 1);
		expire(&conn.idle);
		iterate();
		assert_int_equal(messages, 1);
		assert_int_equal(spare_count(), spares - 1);
	}
	close(kept[0]); /* as the lane does */
	expire(&conn.idle);
	iterate();
	assert_in_range(messages, 2, 1 + CONN_BURST);
	assert_int_equal(closed, 0);
	lane_settle(&spare_lane, 1);
	end_limit();
	close(fd);
}

/* One that is not being closed is its peer's end. */
static void
test_spare_descriptor_kept(void **state)
{
	int fd = eventfd(0, 0);

	keep_at_limit(fd, 1);
	lane_settle(&spare_lane, 1);
	for (int i = 1; i < CONN_OWES_LOOKS; i++)
		expire(&conn.idle);
	assert_int_equal(closed, 0);
	expire(&conn.idle);
	assert_int_equal(closed, 1);
	close(kept[0]);
	end_limit();
	close(fd);
}

/* Many that are not are more than others can do without, also if two connections have them. */
static void
test_spare_descriptors_kept(void **state)
{
	const struct vhu_header h = {7, VHU_VERSION, 0};
	int fd = eventfd(0, 0), first[CONN_OWES_FEW], sv[2];
	struct vhu_conn other = {0};

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(vhu_conn_open(&other, loop, sv[0], &ops, NULL), 0);
	keep_at_limit(fd, CONN_OWES_FEW);
	memcpy(first, kept, sizeof(first));
	lane_settle(&spare_lane, 1);
	expire(&conn.idle);
	assert_int_equal(closed, 0);
	keeps = 1;
	peer_write(sv[1], &h, sizeof(h), &fd, 1);
	iterate();
	assert_int_equal(messages, 2);
	assert_int_equal(closed, 1);
	assert_false(vhu_conn_is_open(&other));
	close(kept[0]);
	for (uint32_t i = 0; i < CONN_OWES_FEW; i++)
		close(first[i]);
	vhu_conn_close(&other);
	close(sv[1]);
	end_limit();
	spare_lend(); /* one has the number that the connection had: the lowest are free then */
	assert_true(spare_refill());
	close(fd);
}

/* Its next message is read, now that there is room. */
static void
expect_room(int fd)
{
	expire(&conn.idle);
	iterate();
	assert_int_equal(closed, 0);
	assert_int_equal(messages, 2);
	end_limit();
	close(fd);
}

/* One that another thread has taken for a moment is waited for. */
static void
test_spare_descriptor_taken(void **state)
{
	const struct vhu_header h = {8, VHU_VERSION, 0};
	int fd = eventfd(0, 0);

	keep_at_limit(fd, 1);
	lane_settle(&spare_lane, 1);
	peer_write(peer, &h, sizeof(h), NULL, 0);
	for (int i = 0; i < 20; i++)
		expire(&conn.idle);
	assert_int_equal(messages, 1);
	close(kept[0]);
	expect_room(fd);
}

/* One that a notification still uses is waited for as one that is being closed. */
static void
test_spare_descriptor_held(void **state)
{
	const struct vhu_header h = {8, VHU_VERSION, 0};
	int fd = eventfd(0, 0);

	keep_at_limit(fd, 1);
	lane_hold(&spare_lane);
	lane_settle(&spare_lane, 1);
	peer_write(peer, &h, sizeof(h), NULL, 0);
	expire(&conn.idle);
	iterate();
	assert_int_equal(closed, 0);
	assert_int_equal(messages, 1);
	close(kept[0]);
	lane_let_go(&spare_lane);
	expect_room(fd);
}

static void
test_peer_leaves(void **state)
{
	const struct vhu_header h = {7, VHU_VERSION, 8};
	int fd = eventfd(0, 0);

	peer_write(peer, &h, sizeof(h), &fd, 1);
	close(fd);
	shutdown(peer, SHUT_RDWR);
	iterate();
	iterate();
	assert_int_equal(closed, 1);
	assert_string_equal(closed_why, "the peer closed the connection");
	assert_int_equal(leaked(), 0);
}

static void
test_handler_ends_it(void **state)
{
	const struct vhu_header h[2] = {{7, VHU_VERSION, 0}, {8, VHU_VERSION, 0}};

	answer = "because";
	peer_write(peer, h, sizeof(h), NULL, 0);
	iterate();
	assert_int_equal(messages, 1);
	assert_int_equal(closed, 1);
	assert_string_equal(closed_why, "because");
}

static void
test_handler_closes_it(void **state)
{
	const struct vhu_header h[2] = {{7, VHU_VERSION, 0}, {8, VHU_VERSION, 0}};

	close_inside = true;
	answer = "not heard any more";
	peer_write(peer, h, sizeof(h), NULL, 0);
	iterate();
	iterate();
	assert_int_equal(messages, 1);
	assert_int_equal(closed, 0);
	assert_true(peer_closed(peer));
}

static void
test_send_with_fd(void **state)
{
	const struct vhu_header h = {9, VHU_VERSION | VHU_REPLY, 8};
	const uint64_t word = 77;
	struct vhu_msg m;
	int fd;

	assert_int_equal(vhu_conn_send(&conn, &h, &word, eventfd(5, 0)), 0);
	assert_int_equal(leaked(), 0);
	assert_true(peer_recv(peer, &m, &fd));
	assert_int_equal(m.payload.u64, 77);
	assert_int_equal(eventfd_read(fd, &(eventfd_t){0}), 0);
	close(fd);
}

/* Fill the socket, then the queue. Returns how many messages were accepted. */
static uint32_t
fill(uint32_t size)
{
	static uint8_t payload[CONN_OUT_PAYLOAD];
	uint32_t n;

	for (n = 0; n < 1000; n++) {
		const struct vhu_header h = {n, VHU_VERSION | VHU_REPLY, size};

		memset(payload, (int)n, size);
		if (vhu_conn_send(&conn, &h, payload, eventfd(n, EFD_NONBLOCK)) != 0)
			break;
	}
	return n;
}

/* Questions of ours that the peer does not read are nothing to part over. */
static void
test_patience(void **state)
{
	int small = 4096;

	setsockopt(conn.src.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	conn.patient = true;
	assert_true(vhu_conn_idle(&conn));
	assert_in_range(fill(8), CONN_OUT_MAX, 999);
	assert_false(vhu_conn_idle(&conn));
	assert_null(conn.out_deadline.loop);
	while (!vhu_conn_idle(&conn)) {
		struct vhu_msg m;
		int fd;

		assert_true(peer_recv(peer, &m, &fd));
		close(fd);
		iterate();
	}
	assert_int_equal(closed, 0);
}

static void
test_replies_not_read(void **state)
{
	int small = 4096;

	setsockopt(conn.src.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	assert_in_range(fill(CONN_OUT_PAYLOAD), CONN_OUT_MAX, 100);
	assert_int_equal(leaked(), CONN_OUT_MAX);
	assert_non_null(conn.out_deadline.loop);
	iterate();
	assert_int_equal(closed, 0);
	conn.out_deadline.deadline_ns = 1;
	iterate();
	assert_int_equal(closed, 1);
	assert_int_equal(leaked(), 0);
}

static void
test_replies_read_in_time(void **state)
{
	int small = 4096, fd;
	struct vhu_msg m;

	setsockopt(conn.src.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	fill(CONN_OUT_PAYLOAD);
	while (peer_recv(peer, &m, &fd))
		close(fd);
	expire(&conn.out_deadline);
	assert_int_equal(closed, 0);
	assert_in_range(conn.out_n, 1, CONN_OUT_MAX - 1);
	expire(&conn.out_deadline);
	assert_int_equal(closed, 1);
	while (peer_recv(peer, &m, &fd))
		close(fd);
	assert_int_equal(leaked(), 0);
}

/* A slow reader gets everything in the end, each descriptor with its message. */
static void
test_replies_read_late(void **state)
{
	int small = 4096, fd;
	struct vhu_msg m;
	uint32_t n, i;
	eventfd_t value;

	setsockopt(conn.src.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	n = fill(CONN_OUT_PAYLOAD);
	for (i = 0; i < n; i++) {
		if (!peer_recv(peer, &m, &fd)) {
			iterate();
			assert_true(peer_recv(peer, &m, &fd));
		}
		assert_int_equal(m.header.request, i);
		assert_int_equal(m.payload.bytes[CONN_OUT_PAYLOAD - 1], (uint8_t)i);
		assert_int_equal(eventfd_read(fd, &value), i == 0 ? -1 : 0);
		assert_true(i == 0 || value == i);
		close(fd);
		iterate();
	}
	assert_null(conn.out_deadline.loop);
	assert_int_equal(leaked(), 0);
}

static void
test_send_to_nobody(void **state)
{
	static const uint8_t payload[CONN_OUT_PAYLOAD + 1];
	const struct vhu_header h = {1, VHU_VERSION, 0}, big = {1, VHU_VERSION, sizeof(payload)};

	assert_int_equal(vhu_conn_send(&conn, &big, payload, eventfd(0, 0)), -ENOBUFS);
	vhu_conn_close(&conn);
	assert_int_equal(vhu_conn_send(&conn, &h, NULL, eventfd(0, 0)), -ENOBUFS);
	assert_int_equal(leaked(), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(whole_message),
		T(later),
		T(later_and_left),
		T(byte_by_byte),
		T(header_then_payload),
		T(burst_is_bounded),
		T(slow_messages),
		T(too_long),
		T(longest),
		T(fds_not_taken_are_closed),
		T(too_many_fds),
		T(too_many_fds_in_parts),
		T(deadline),
		T(deadline_missed_by_us),
		T(deadline_held_up),
		T(spare_descriptors),
		T(spare_descriptor_kept),
		T(spare_descriptors_kept),
		T(spare_descriptor_taken),
		T(spare_descriptor_held),
		T(peer_leaves),
		T(handler_ends_it),
		T(handler_closes_it),
		T(send_with_fd),
		T(patience),
		T(replies_not_read),
		T(replies_read_in_time),
		T(replies_read_late),
		T(send_to_nobody),
	};

	spare_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
