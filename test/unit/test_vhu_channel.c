/* SPDX-License-Identifier: BSD-3-Clause */
/* Descriptors offered as the channel for our requests: none keeps a port from its next user. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>

#include "owner.h"
#include "peer.h"
#include "vhost_user/backend.h"
#include "vhost_user/wire.h"

#define PORTS 2
#define TIMES 1000 /* a descriptor is offered in one session */

static struct owner o[PORTS];
static struct transport *port[PORTS];
static char dir[] = "/tmp/test_vhu_channel.XXXXXX";
static int lone; /* a listening socket that is none of ours, and a connection to it */
static unsigned int fds_before;

static struct sockaddr_un
address(const char *name, unsigned int i)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/%s%u", dir, name, i);
	return sa;
}

static int
stream(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	return fd;
}

static int
dial(const char *name, unsigned int i)
{
	const struct sockaddr_un sa = address(name, i);
	int fd = stream();

	assert_int_equal(connect(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void
port_make(unsigned int i)
{
	const struct sockaddr_un sa = address("port", i);
	const struct vhu_config cfg = {
		.path = sa.sun_path,
		.owner = (uid_t)-1,
		.group = (gid_t)-1,
		.options = VHU_OPTION_CONFIG,
		.loop = o[0].loop,
		.dev = o[i].d,
	};
	char err[256];

	port[i] = vhu_backend_new(&cfg, err, sizeof(err));
	assert_non_null(port[i]);
}

static int
setup(void **state)
{
	const struct sockaddr_un sa = address("lone", 0);

	fds_before = open_fds();
	for (unsigned int i = 0; i < PORTS; i++) {
		owner_init(&o[i], NULL);
		vdev_disconnect(o[i].d);
		port_make(i);
	}
	lone = stream();
	assert_int_equal(bind(lone, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(lone, 8), 0);
	return 0;
}

static int
teardown(void **state)
{
	for (unsigned int i = 0; i < PORTS; i++) {
		port[i]->ops->free(port[i]);
		owner_fini(&o[i]);
	}
	unlink(address("lone", 0).sun_path);
	close(lone);
	for (unsigned int i = 0; i < 30000 && open_fds() != fds_before; i++)
		usleep(1000);
	return open_fds() == fds_before ? 0 : -1;
}

static void
iterate(unsigned int n, int timeout_ms)
{
	while (n-- > 0)
		ev_run_once(o[0].loop, timeout_ms);
}

static bool
is_connected(unsigned int i)
{
	struct transport_info info;

	port[i]->ops->info(port[i], &info);
	return info.connected;
}

/* The answer to the message that was sent on @p fd; other threads may be asked first. */
static uint64_t
answer(int fd)
{
	struct vhu_msg m;
	int got = -1;

	for (unsigned int i = 0; i < 3000; i++) {
		if (peer_recv(fd, &m, &got))
			return m.payload.u64;
		iterate(1, 10);
	}
	return UINT64_MAX;
}

static void
begin(int fd)
{
	const uint64_t features = VHU_PF(BACKEND_REQ) | VHU_PF(REPLY_ACK) | VHU_PF(CONFIG);

	peer_send(fd, VHU_SET_PROTOCOL_FEATURES, VHU_VERSION, &features, sizeof(features), NULL, 0);
}

static uint64_t
offer(int fd, int channel)
{
	peer_send(fd, VHU_SET_BACKEND_REQ_FD, VHU_VERSION | VHU_NEED_REPLY, NULL, 0, &channel, 1);
	return answer(fd);
}

/* The port's session is over, and the next front-end is served. */
static void
is_free(unsigned int i)
{
	int fd;

	for (unsigned int k = 0; k < 3000 && is_connected(i); k++)
		iterate(1, 10);
	assert_false(is_connected(i));
	fd = dial("port", i);
	peer_send(fd, VHU_GET_FEATURES, VHU_VERSION, NULL, 0, NULL, 0);
	assert_int_equal(answer(fd), vdev_features_all());
	close(fd);
	for (unsigned int k = 0; k < 3000 && is_connected(i); k++)
		iterate(1, 10);
	assert_false(is_connected(i));
}

/* --- one row each: fd[0] is offered in the session of @p own, fd[1] is kept meanwhile --- */

static void
own_end(int own, int fd[2])
{
	fd[0] = dup(own);
}

static void
end_of_other_port(int own, int fd[2])
{
	fd[0] = dial("port", 1);
	begin(fd[0]);
	iterate(4, 0);
	assert_true(is_connected(1));
}

/* Not accepted yet, or just refused: a second one at the same port. */
static void
second_connection(int own, int fd[2])
{
	fd[0] = dial("port", 0);
}

static void
connection_elsewhere(int own, int fd[2])
{
	fd[0] = dial("lone", 0);
}

static void
accepted_elsewhere(int own, int fd[2])
{
	fd[1] = dial("lone", 0);
	fd[0] = accept(lone, NULL, NULL);
}

static void
listening(int own, int fd[2])
{
	fd[0] = dup(lone);
}

static void
not_connected(int own, int fd[2])
{
	fd[0] = stream();
}

/* A name in the abstract name space, which the kernel gives. */
static void
bound_without_a_path(int own, int fd[2])
{
	const struct sockaddr_un none = {.sun_family = AF_UNIX};

	fd[0] = stream();
	assert_int_equal(bind(fd[0], (const struct sockaddr *)&none, sizeof(none.sun_family)), 0);
}

/* The same at one end of a pair, after it was made. */
static void
pair_with_a_name(int own, int fd[2])
{
	const struct sockaddr_un none = {.sun_family = AF_UNIX};

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	assert_int_equal(bind(fd[1], (const struct sockaddr *)&none, sizeof(none.sun_family)), 0);
}

static void
datagrams(int own, int fd[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fd), 0);
}

static void
packets(int own, int fd[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
}

static void
internet(int own, int fd[2])
{
	fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void
a_pipe(int own, int fd[2])
{
	assert_int_equal(pipe(fd), 0);
}

static void
a_file(int own, int fd[2])
{
	fd[0] = memfd_create("test", MFD_CLOEXEC);
}

static void
an_eventfd(int own, int fd[2])
{
	fd[0] = eventfd(0, EFD_CLOEXEC);
}

static void
pair(int own, int fd[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
}

static void
pair_without_other_end(int own, int fd[2])
{
	pair(own, fd);
	close(fd[1]);
	fd[1] = -1;
}

/* Both ends are ours: they answer each other. */
static void
pair_of_which_we_have_an_end(int own, int fd[2])
{
	pair(own, fd);
	assert_int_equal(offer(own, fd[1]), 0);
}

/* Descriptors wait in it: an end of the session, an end of its own. */
static void
pair_with(int passed, const int fd[2])
{
	const struct vhu_header h = {VHU_BACKEND_IOTLB_MSG, VHU_VERSION | VHU_REPLY, 8};

	assert_int_equal(peer_write(fd[1], &h, sizeof(h), &passed, 1), sizeof(h));
}

static void
pair_that_carries_the_session(int own, int fd[2])
{
	pair(own, fd);
	pair_with(own, fd);
}

static void
pair_that_carries_itself(int own, int fd[2])
{
	pair(own, fd);
	pair_with(fd[0], fd);
	pair_with(fd[1], fd);
}

static const struct {
	const char *name;
	void (*make)(int own, int fd[2]);
	uint64_t answer;
} rows[] = {
	{"own end", own_end, EINVAL},
	{"end of another port's session", end_of_other_port, EINVAL},
	{"second connection to the port", second_connection, EINVAL},
	{"connection to another's socket", connection_elsewhere, EINVAL},
	{"connection accepted at another's socket", accepted_elsewhere, EINVAL},
	{"listening socket", listening, EINVAL},
	{"socket that is not connected", not_connected, EINVAL},
	{"socket with a name of the kernel's", bound_without_a_path, EINVAL},
	{"pair with a name", pair_with_a_name, EINVAL},
	{"datagram pair", datagrams, EINVAL},
	{"packet pair", packets, EINVAL},
	{"internet socket", internet, EINVAL},
	{"pipe", a_pipe, EINVAL},
	{"file", a_file, EINVAL},
	{"eventfd", an_eventfd, EINVAL},
	{"pair", pair, 0},
	{"pair without the other end", pair_without_other_end, 0},
	{"pair, the other end sent first", pair_of_which_we_have_an_end, 0},
	{"pair that carries the session's end", pair_that_carries_the_session, 0},
	{"pair that carries itself", pair_that_carries_itself, 0},
};

static void
let_go(int fd[2])
{
	for (unsigned int i = 0; i < 2; i++)
		if (fd[i] >= 0)
			close(fd[i]);
}

static void
test_any_descriptor(void **state)
{
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		int own = dial("port", 0), fd[2] = {-1, -1};
		uint64_t got;

		begin(own);
		rows[i].make(own, fd);
		got = offer(own, fd[0]);
		if (got != rows[i].answer)
			fail_msg("%s: answer %d", rows[i].name, (int)got);
		let_go(fd);
		close(own);
		is_free(0);
		is_free(1);
	}
}

/* The end of the session comes first, what was offered is released later or not at all. */
static void
test_session_ends_first(void **state)
{
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		int own = dial("port", 0), fd[2] = {-1, -1};

		begin(own);
		rows[i].make(own, fd);
		offer(own, fd[0]);
		shutdown(own, SHUT_RDWR);
		close(own);
		is_free(0);
		let_go(fd);
		is_free(1);
	}
}

/* A kick, a call or an error descriptor is an eventfd or refused; the session goes on. */
static void
test_any_event(void **state)
{
	const uint32_t events[] = {VHU_SET_VRING_KICK, VHU_SET_VRING_CALL, VHU_SET_VRING_ERR};
	const uint64_t ring = 1;

	for (size_t i = 0; i < RTE_DIM(rows) * RTE_DIM(events); i++) {
		int own = dial("port", 0), fd[2] = {-1, -1};
		const size_t row = i / RTE_DIM(events);
		uint64_t want = rows[row].make == an_eventfd ? 0 : EINVAL, got;

		begin(own);
		rows[row].make(own, fd);
		peer_send(own, events[i % RTE_DIM(events)], VHU_VERSION | VHU_NEED_REPLY, &ring,
			  sizeof(ring), fd, 1);
		got = answer(own);
		if (got != want)
			fail_msg("%s as an event: answer %d", rows[row].name, (int)got);
		peer_send(own, VHU_GET_FEATURES, VHU_VERSION, NULL, 0, NULL, 0);
		assert_int_equal(answer(own), vdev_features_all());
		let_go(fd);
		close(own);
		is_free(0);
		is_free(1);
	}
}

static void
test_again_and_again(void **state)
{
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		int own = dial("port", 0), fd[2] = {-1, -1};

		begin(own);
		rows[i].make(own, fd);
		for (unsigned int k = 0; k < TIMES; k++)
			assert_int_equal(offer(own, fd[0]), rows[i].answer);
		let_go(fd);
		close(own);
		is_free(0);
		is_free(1);
	}
}

/* One end, or one each, as the channels of two ports; then either session ends first. */
static void
test_two_ports(void **state)
{
	for (unsigned int way = 0; way < 4; way++) {
		int own[PORTS], fd[2];

		pair(-1, fd);
		for (unsigned int i = 0; i < PORTS; i++) {
			own[i] = dial("port", i);
			begin(own[i]);
			assert_int_equal(offer(own[i], fd[way < 2 ? 0 : i]), 0);
		}
		let_go(fd);
		port[0]->ops->config_changed(port[0]);
		iterate(4, 0);
		close(own[way % 2]);
		is_free(way % 2);
		close(own[1 - way % 2]);
		is_free(1 - way % 2);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(any_descriptor),  T(session_ends_first), T(any_event),
		T(again_and_again), T(two_ports),
	};
	int ret;

	signal(SIGPIPE, SIG_IGN); /* as the program does */
	if (mkdtemp(dir) == NULL)
		return 1;
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return ret;
}
