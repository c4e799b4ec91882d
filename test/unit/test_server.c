/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients of a stream socket: as many as there may be, each with a deadline for what it owes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>

#include "base/server.h"

#define MAX 3
#define REFUSAL "no\n"

static struct {
	struct ev_loop *loop;
	struct server server;
	struct server_client client[MAX];
	char path[64];
} w;

static void
accepted(struct server *s, int fd)
{
	assert_ptr_equal(s, &w.server);
	for (uint32_t i = 0; i < MAX; i++) {
		if (w.client[i].server != NULL)
			continue;
		server_join(s, &w.client[i], fd);
		return;
	}
	fail();
}

static int
setup(void **state)
{
	const struct sock_access access = {0600, (uid_t)-1, (gid_t)-1};
	char err[200];

	memset(&w, 0, sizeof(w));
	w.loop = ev_loop_new();
	w.server = (struct server){
		.accepted = accepted,
		.tag = "test",
		.max = MAX,
		.refusal = REFUSAL,
		.refusal_len = strlen(REFUSAL),
	};
	snprintf(w.path, sizeof(w.path), "/tmp/test_server.%d", getpid());
	return server_listen(&w.server, w.loop, w.path, &access, err, sizeof(err));
}

static void
end(struct server_client *c)
{
	int fd = c->fd;

	server_leave(c);
	close(fd);
}

static int
teardown(void **state)
{
	struct server_client *c;

	while ((c = server_first(&w.server)) != NULL)
		end(c);
	server_close(&w.server);
	ev_loop_free(w.loop);
	assert_int_equal(access(w.path, F_OK), -1);
	return 0;
}

static int
join(void)
{
	int fd = sock_connect_unix(w.path);

	assert_true(fd >= 0);
	ev_run_once(w.loop, 1000);
	return fd;
}

/** Bytes it got; 0: the end; -1: nothing, and it is open. */
static ssize_t
got(int fd, char *buf, size_t size)
{
	ssize_t n = recv(fd, buf, size, MSG_DONTWAIT);

	assert_true(n >= 0 || errno == EAGAIN);
	return n;
}

static void
one_too_many_is_refused(void **state)
{
	char said[16];
	int fd[MAX], further;

	for (uint32_t i = 0; i < MAX; i++) {
		fd[i] = join();
		assert_int_equal(w.server.nclients, i + 1);
	}
	further = join();
	assert_int_equal(w.server.nclients, MAX);
	assert_int_equal(got(further, said, sizeof(said)), strlen(REFUSAL));
	assert_memory_equal(said, REFUSAL, strlen(REFUSAL));
	assert_int_equal(got(further, said, sizeof(said)), 0);
	close(further);
	for (uint32_t i = 0; i < MAX; i++)
		assert_int_equal(got(fd[i], said, sizeof(said)), -1);
	/* one goes, another one has room */
	end(&w.client[1]);
	server_leave(&w.client[1]);
	assert_int_equal(w.server.nclients, MAX - 1);
	close(fd[1]);
	fd[1] = join();
	assert_int_equal(w.server.nclients, MAX);
	for (uint32_t i = 0; i < MAX; i++)
		close(fd[i]);
}

/** The timer's own time is not waited for: that it is set, kept and cleared, and its effect. */
static void
debts_have_a_deadline(void **state)
{
	struct server_client *c = &w.client[0];
	uint64_t deadline;
	char said[16];
	int fd = join();

	assert_null(c->deadline.loop);
	server_client_owes(c);
	assert_ptr_equal(c->deadline.loop, w.loop);
	deadline = c->deadline.deadline_ns;
	usleep(2000);
	server_client_owes(c);
	assert_int_equal(c->deadline.deadline_ns, deadline);
	server_client_done(c);
	assert_null(c->deadline.loop);
	server_client_owes(c);
	assert_true(c->deadline.deadline_ns > deadline);
	c->deadline.cb(&c->deadline);
	assert_int_equal(got(fd, said, sizeof(said)), 0);
	assert_int_equal(got(c->fd, said, sizeof(said)), 0);
	end(c);
	assert_null(c->deadline.loop);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_too_many_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(debts_have_a_deadline, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
