/* SPDX-License-Identifier: BSD-3-Clause */
/* The socket of a back-end: both roles, any order of starting, one front-end, no file left. */
#include <errno.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>

#include "owner.h"
#include "peer.h"
#include "base/irq.h"
#include "base/lane.h"
#include "vhost_user/backend.h"
#include "vhost_user/conn.h"
#include "vhost_user/wire.h"

static struct owner o;
static char dir[] = "/tmp/test_backend.XXXXXX";
static char path[64];
static unsigned int fds_before;
static char err[256];

static int
group_setup(void **state)
{
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/sock", dir);
	return 0;
}

static int
group_teardown(void **state)
{
	return rmdir(dir);
}

static int
setup(void **state)
{
	fds_before = open_fds();
	owner_init(&o, NULL);
	vdev_disconnect(o.d);
	*err = '\0';
	return 0;
}

static int
teardown(void **state)
{
	owner_fini(&o);
	unlink(path);
	/* some are closed by another thread */
	for (uint32_t i = 0; i < 30000 && open_fds() != fds_before; i++)
		usleep(1000);
	return open_fds() == fds_before ? 0 : -1;
}

static struct vhu_config
config(bool client)
{
	return (struct vhu_config){
		.path = path,
		.client = client,
		.owner = (uid_t)-1,
		.group = (gid_t)-1,
		.loop = o.loop,
		.dev = o.d,
	};
}

static struct transport *
backend(bool client)
{
	const struct vhu_config cfg = config(client);

	return vhu_backend_new(&cfg, err, sizeof(err));
}

static struct sockaddr_un
address(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	memcpy(sa.sun_path, path, strlen(path));
	return sa;
}

/* A front-end that connects, or -1. */
static int
dial(void)
{
	const struct sockaddr_un sa = address();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* A front-end that listens. */
static int
serve(void)
{
	const struct sockaddr_un sa = address();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void
iterate(unsigned int n, int timeout_ms)
{
	while (n-- > 0)
		ev_run_once(o.loop, timeout_ms);
}

static bool
answers(int fd)
{
	struct vhu_msg m;
	int got;

	peer_send(fd, VHU_GET_FEATURES, VHU_VERSION, NULL, 0, NULL, 0);
	iterate(3, 0);
	return peer_recv(fd, &m, &got) && m.payload.u64 == vdev_features_all();
}

static bool
connected(const struct transport *b)
{
	struct transport_info info;

	b->ops->info(b, &info);
	return info.connected;
}

static void
test_server(void **state)
{
	struct transport *b = backend(false);
	struct stat st;
	int i, fd;

	assert_non_null(b);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	for (i = 0; i < 5; i++) {
		fd = dial();
		assert_true(answers(fd));
		assert_true(connected(b));
		assert_non_null(o.d->transport);
		close(fd);
		iterate(2, 0);
		assert_false(connected(b));
		assert_null(o.d->transport);
	}
	b->ops->free(b);
	assert_int_equal(access(path, F_OK), -1);
}

static void
test_second_frontend_is_refused(void **state)
{
	struct transport *b = backend(false);
	int first = dial(), second;

	assert_true(answers(first));
	second = dial();
	iterate(2, 0);
	assert_true(peer_closed(second));
	assert_true(answers(first));
	close(first);
	close(second);
	b->ops->free(b);
}

/* QEMU killed and started again, before the loop knows of the first one's end. */
static void
test_successor_is_not_refused(void **state)
{
	struct transport *b = backend(false);
	int first = dial(), second;

	iterate(2, 0);
	assert_true(answers(first));
	second = dial();
	close(first);
	iterate(3, 0);
	assert_true(answers(second));
	close(second);
	iterate(2, 0);
	assert_false(connected(b));
	b->ops->free(b);
}

static void
test_mode_and_group(void **state)
{
	struct vhu_config cfg = config(false);
	struct transport *b;
	struct stat st;

	cfg.mode = 0660;
	cfg.group = getegid();
	b = vhu_backend_new(&cfg, err, sizeof(err));
	assert_non_null(b);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(st.st_gid, getegid());
	b->ops->free(b);
}

static void
test_stale_socket_is_replaced(void **state)
{
	struct transport *b;
	int fd = serve();

	close(fd); /* its process died: the file stays */
	b = backend(false);
	assert_non_null(b);
	fd = dial();
	assert_true(answers(fd));
	close(fd);
	b->ops->free(b);
}

static void
test_live_socket_is_left_alone(void **state)
{
	int fd = serve();

	assert_null(backend(false));
	assert_non_null(strstr(err, "in use"));
	close(fd);
	assert_int_equal(access(path, F_OK), 0);
}

static void
test_other_file_is_left_alone(void **state)
{
	FILE *f = fopen(path, "w");

	fclose(f);
	assert_null(backend(false));
	assert_non_null(strstr(err, "not a socket"));
	assert_int_equal(access(path, F_OK), 0);
}

static void
test_impossible_paths(void **state)
{
	struct vhu_config cfg = config(false);
	char longer[200];

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	cfg.path = longer;
	assert_null(vhu_backend_new(&cfg, err, sizeof(err)));
	assert_non_null(strstr(err, "too long"));
	cfg.path = "/nonexistent/sock";
	assert_null(vhu_backend_new(&cfg, err, sizeof(err)));
	assert_non_null(strstr(err, "No such file"));
}

/* Another process replaced our socket file: theirs stays. */
static void
test_foreign_socket_is_not_removed(void **state)
{
	struct transport *b = backend(false);
	int fd;

	unlink(path);
	fd = serve();
	b->ops->free(b);
	assert_int_equal(access(path, F_OK), 0);
	close(fd);
}

/* Waits for the front-end, survives its restarts, keeps trying. */
static void
test_client(void **state)
{
	struct transport *b = backend(true);
	int listener, fd, i;

	assert_non_null(b);
	iterate(1, 0);
	for (i = 0; i < 3; i++) {
		listener = serve();
		for (fd = -1; fd < 0;) {
			iterate(1, 100);
			fd = accept(listener, NULL, NULL);
		}
		assert_true(answers(fd));
		assert_true(connected(b));
		close(fd);
		close(listener);
		unlink(path);
		iterate(2, 0);
		assert_false(connected(b));
	}
	b->ops->free(b);
}

static void
test_client_finds_a_waiting_frontend(void **state)
{
	int listener = serve(), fd;
	struct transport *b = backend(true);

	assert_true(connected(b));
	fd = accept(listener, NULL, NULL);
	assert_true(answers(fd));
	b->ops->free(b);
	assert_true(peer_closed(fd));
	close(fd);
	close(listener);
	assert_int_equal(access(path, F_OK), 0);
}

/* A bad message costs the connection; the next one is as good as new. */
static void
test_bad_message(void **state)
{
	struct transport *b = backend(false);
	const uint64_t junk[4] = {UINT64_MAX, UINT64_MAX, 0, 1};
	struct transport_info info;
	int fd = dial();

	peer_write(fd, junk, sizeof(junk), NULL, 0);
	iterate(3, 0);
	assert_true(peer_closed(fd));
	b->ops->info(b, &info);
	assert_non_null(info.last_error);
	close(fd);
	fd = dial();
	assert_true(answers(fd));
	close(fd);
	b->ops->free(b);
}

/* Silent or slow, no client keeps the others waiting, and not for ever. */
static void
test_half_a_message(void **state)
{
	struct transport *b = backend(false);
	int fd = dial(), i;

	peer_write(fd, "\1\0\0", 3, NULL, 0);
	for (i = 0; i < 30 && !peer_closed(fd); i++)
		iterate(1, 100);
	assert_in_range(i, 10, 29);
	close(fd);
	b->ops->free(b);
}

static void
test_optional_features(void **state)
{
	struct vhu_config cfg = config(false);
	struct transport *b;
	struct vhu_msg m;
	int fd, got;

	cfg.options = VHU_OPTION_CONFIG | VHU_OPTION_GPA_ADDRESSES;
	b = vhu_backend_new(&cfg, err, sizeof(err));
	fd = dial();
	peer_send(fd, VHU_GET_PROTOCOL_FEATURES, VHU_VERSION, NULL, 0, NULL, 0);
	iterate(3, 0);
	assert_true(peer_recv(fd, &m, &got));
	assert_true(m.payload.u64 & VHU_PF(CONFIG));
	assert_true(m.payload.u64 & VHU_PF(GPA_ADDRESSES));
	assert_false(m.payload.u64 & VHU_PF(DEVICE_STATE));
	assert_false(m.payload.u64 & VHU_PF(GET_VRING_BASE_INFLIGHT));
	assert_false(m.payload.u64 & VHU_PF(PAGEFAULT));
	assert_false(m.payload.u64 & VHU_PF(INBAND_NOTIFICATIONS));
	close(fd);
	b->ops->free(b);
}

static void
test_show(void **state)
{
	struct transport *b = backend(false);
	char *text = NULL;
	size_t len = 0;
	FILE *out;
	int fd = dial();

	assert_true(answers(fd));
	out = open_memstream(&text, &len);
	b->ops->show(b, out);
	fclose(out);
	assert_non_null(strstr(text, path));
	assert_non_null(strstr(text, "GET_FEATURES"));
	free(text);
	close(fd);
	b->ops->free(b);
}

/* The u64 of the answer to SET_BACKEND_REQ_FD with @p channel, on connection @p fd. */
static uint64_t
offer(int fd, int channel)
{
	const uint64_t features = VHU_PF(BACKEND_REQ) | VHU_PF(REPLY_ACK);
	struct vhu_msg m;
	int got;

	peer_send(fd, VHU_SET_PROTOCOL_FEATURES, VHU_VERSION, &features, sizeof(features), NULL, 0);
	peer_send(fd, VHU_SET_BACKEND_REQ_FD, VHU_VERSION | VHU_NEED_REPLY, NULL, 0, &channel, 1);
	iterate(4, 0);
	return peer_recv(fd, &m, &got) ? m.payload.u64 : UINT64_MAX;
}

/* The session is over, once another thread has closed the descriptors that hold it. */
static bool
ends(const struct transport *b)
{
	for (uint32_t i = 0; i < 3000 && connected(b); i++)
		iterate(1, 10);
	return !connected(b);
}

/* A session ends with its connection, whatever its front-end made us hold. */
static void
test_own_end_as_channel(void **state)
{
	const uint64_t features = VHU_PF(BACKEND_REQ);
	struct transport *b = backend(false);
	int fd, other, sv[2], lone;

	fd = dial();
	assert_int_equal(offer(fd, fd), EINVAL);
	close(fd);
	assert_true(ends(b));
	/* without asking for an answer */
	fd = dial();
	peer_send(fd, VHU_SET_PROTOCOL_FEATURES, VHU_VERSION, &features, sizeof(features), NULL, 0);
	peer_send(fd, VHU_SET_BACKEND_REQ_FD, VHU_VERSION, NULL, 0, &fd, 1);
	iterate(4, 0);
	assert_true(ends(b));
	close(fd);
	/* a connection that waits to be refused, and sockets that lead nowhere */
	fd = dial();
	assert_true(answers(fd));
	other = dial();
	assert_int_equal(offer(fd, other), EINVAL);
	close(other);
	lone = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(offer(fd, lone), EINVAL);
	close(lone);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(offer(fd, sv[0]), 0);
	close(sv[0]);
	close(sv[1]);
	close(fd);
	assert_true(ends(b));
	fd = dial();
	assert_true(answers(fd));
	close(fd);
	b->ops->free(b);
}

/* The same with a front-end that listens: its end has the socket's name. */
static void
test_own_end_as_channel_of_a_client(void **state)
{
	int listener = serve(), fd;
	struct transport *b = backend(true);

	assert_non_null(b);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(offer(fd, fd), EINVAL);
	close(fd);
	assert_true(ends(b));
	close(listener);
	b->ops->free(b);
}

/* --- descriptors whose peer decides when they are closed --- */

#define LINGERERS (CONN_CLOSING_MAX + 8)
#define LINGER_S 20

/* Sockets whose close() waits for what was sent to be read, for LINGER_S. */
struct lingerers {
	uint32_t n;
	int fd[LINGERERS], peer[LINGERERS];
};

static void
lingerer_make(int *fd, int *peer)
{
	const struct linger linger = {1, LINGER_S};
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int one = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(at);
	const char bytes[4096] = {0};

	assert_int_equal(bind(one, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(one, 1), 0);
	assert_int_equal(getsockname(one, (struct sockaddr *)&at, &len), 0);
	*fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(*fd, (struct sockaddr *)&at, len), 0);
	*peer = accept(one, NULL, NULL);
	close(one);
	assert_int_equal(setsockopt(*fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	while (send(*fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

static void
lingerers_make(struct lingerers *l, uint32_t n)
{
	l->n = n;
	for (uint32_t i = 0; i < n; i++)
		lingerer_make(&l->fd[i], &l->peer[i]);
}

static void
lingerers_release(const struct lingerers *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		close(l->peer[i]);
}

/* Our copy goes: the back-end's is the last. */
static void
send_lingerer(int fd, uint32_t flags, int lingerer)
{
	const uint64_t ring = 0;

	peer_send(fd, VHU_SET_VRING_ERR, VHU_VERSION | flags, &ring, sizeof(ring), &lingerer, 1);
	close(lingerer);
}

/* Of a message that is refused, of one that ends the connection, of those not read by then. */
static void
test_lingering_descriptors(void **state)
{
	struct transport *b = backend(false);
	uint64_t begin = ev_now_ns();
	struct lingerers l;
	int fd;

	lingerers_make(&l, CONN_CLOSING_MAX / 2);
	for (uint32_t i = 0; i < l.n; i++) {
		fd = dial();
		if (i % 2 == 0)
			peer_send(fd, VHU_SET_OWNER, VHU_VERSION, &i, sizeof(i), NULL, 0);
		send_lingerer(fd, 0, l.fd[i]);
		iterate(4, 0);
		close(fd);
		iterate(1, 0);
	}
	assert_true(ev_now_ns() - begin < UINT64_C(1000000000) * LINGER_S);
	lingerers_release(&l);
	b->ops->free(b);
}

/* They are a peer's own affair, up to a number: then its messages wait, and it goes on later. */
static void
test_lingering_descriptors_are_few(void **state)
{
	struct transport *b = backend(false);
	struct lingerers l;
	uint32_t answered = 0;
	struct vhu_msg m;
	int fd = dial(), none;

	lingerers_make(&l, LINGERERS);
	for (uint32_t i = 0; i < LINGERERS; i++) {
		send_lingerer(fd, VHU_NEED_REPLY, l.fd[i]);
		iterate(2, 0);
		answered += peer_recv(fd, &m, &none);
	}
	assert_true(answered < LINGERERS);
	assert_true(lane_closing(irq_group_lane(o.d->irqs)) <= CONN_CLOSING_MAX);
	lingerers_release(&l);
	while (answered < LINGERERS) {
		iterate(1, 10);
		while (peer_recv(fd, &m, &none))
			answered++;
	}
	assert_true(answers(fd));
	close(fd);
	iterate(1, 1000);
	b->ops->free(b);
}

struct stopper {
	struct lane_job job; /* first member */
	sem_t go;
};

static void
stop(struct lane_job *j)
{
	sem_wait(&((struct stopper *)j)->go);
}

/* Freeing a file, or letting an eventfd go from epoll sets, may take the kernel seconds. */
static void
test_descriptors_are_closed_in_the_lane(void **state)
{
	static const struct {
		uint32_t request;
		bool memory;
		unsigned int closed;
	} sent[] = {
		{VHU_SET_VRING_CALL, true, 1},  {VHU_SET_OWNER, false, 1},
		{VHU_SET_VRING_KICK, false, 0}, {VHU_SET_VRING_KICK, false, 1},
		{VHU_SET_VRING_CALL, false, 0}, {VHU_SET_VRING_CALL, false, 1},
		{VHU_SET_VRING_ERR, false, 0},  {VHU_SET_VRING_ERR, false, 1},
	};
	struct lane *lane = irq_group_lane(o.d->irqs);
	struct stopper s = {.job.fn = stop};
	struct transport *b = backend(false);
	unsigned int waiting = 0;
	const uint64_t ring = 0;
	struct vhu_msg m;
	int fd = dial(), none, one;
	size_t i;

	sem_init(&s.go, 0, 0);
	lane_submit(lane, &s.job);
	for (i = 0; i < RTE_DIM(sent); i++) {
		one = sent[i].memory ? memfd_create("test", MFD_CLOEXEC) : eventfd(0, EFD_CLOEXEC);
		peer_send(fd, sent[i].request, VHU_VERSION | VHU_NEED_REPLY, &ring, sizeof(ring),
			  &one, 1);
		close(one);
		iterate(2, 0);
		assert_true(peer_recv(fd, &m, &none));
		waiting += sent[i].closed;
		assert_int_equal(lane_closing(lane), waiting);
	}
	close(fd);
	assert_true(ends(b));
	assert_int_equal(lane_closing(lane), waiting + 3);
	sem_post(&s.go);
	while (!lane_all_idle())
		usleep(1000);
	assert_int_equal(lane_closing(lane), 0);
	sem_destroy(&s.go);
	b->ops->free(b);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(server),
		T(second_frontend_is_refused),
		T(successor_is_not_refused),
		T(mode_and_group),
		T(stale_socket_is_replaced),
		T(live_socket_is_left_alone),
		T(other_file_is_left_alone),
		T(impossible_paths),
		T(foreign_socket_is_not_removed),
		T(client),
		T(client_finds_a_waiting_frontend),
		T(bad_message),
		T(half_a_message),
		T(optional_features),
		T(show),
		T(lingering_descriptors),
		T(lingering_descriptors_are_few),
		T(descriptors_are_closed_in_the_lane),
		T(own_end_as_channel),
		T(own_end_as_channel_of_a_client),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
