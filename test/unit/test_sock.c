/* SPDX-License-Identifier: BSD-3-Clause */
/* Connecting to unix sockets: what is there, what is not, and links of others. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/sock.h"

#define SOMEBODY 64001

static struct {
	char path[64], link[80];
	int listener;
} w;

static int
setup(void **state)
{
	const struct sock_access access = {0600, (uid_t)-1, (gid_t)-1};
	char err[200];

	snprintf(w.path, sizeof(w.path), "/tmp/test_sock.%d", getpid());
	snprintf(w.link, sizeof(w.link), "%s.link", w.path);
	w.listener = sock_listen_unix(w.path, &access, err, sizeof(err));
	return w.listener < 0 ? -1 : 0;
}

static int
teardown(void **state)
{
	if (w.listener >= 0)
		close(w.listener);
	unlink(w.link);
	unlink(w.path);
	return 0;
}

/* The connection is one to the listener: it has a peer there, and passes a byte. */
static void
expect_connects(const char *path)
{
	int fd = sock_connect_unix(path), peer;
	char byte = 'x';

	assert_true(fd >= 0);
	peer = accept(w.listener, NULL, NULL);
	assert_true(peer >= 0);
	assert_int_equal(send(fd, &byte, 1, 0), 1);
	assert_int_equal(recv(peer, &byte, 1, 0), 1);
	close(peer);
	close(fd);
}

static void
test_socket(void **state)
{
	expect_connects(w.path);
}

static void
test_nothing(void **state)
{
	assert_int_equal(sock_connect_unix(w.link), -ENOENT);
	assert_int_equal(sock_connect_unix("/dev/null"), -ECONNREFUSED);
	close(w.listener);
	w.listener = -1;
	assert_int_equal(sock_connect_unix(w.path), -ECONNREFUSED);
}

/* An operator's links lead to sockets, and to links of his. */
static void
test_own_link(void **state)
{
	char second[96];

	assert_int_equal(symlink(w.path, w.link), 0);
	expect_connects(w.link);
	snprintf(second, sizeof(second), "%s.second", w.link);
	assert_int_equal(symlink(w.link, second), 0);
	expect_connects(second);
	unlink(second);
	assert_int_equal(symlink(strrchr(w.link, '/') + 1, second), 0); /* in the same folder */
	expect_connects(second);
	unlink(second);
	unlink(w.path);
	assert_int_equal(sock_connect_unix(w.link), -ENOENT);
	assert_int_equal(symlink(w.link, w.path), 0);
	assert_int_equal(sock_connect_unix(w.link), -ELOOP);
}

static void
test_link_of_another_user(void **state)
{
	char second[96];
	int fd;

	if (geteuid() != 0)
		skip();
	assert_int_equal(symlink(w.path, w.link), 0);
	assert_int_equal(lchown(w.link, SOMEBODY, (gid_t)-1), 0);
	assert_int_equal(sock_connect_unix(w.link), -ELOOP);
	assert_int_equal(accept(w.listener, NULL, NULL), -1);
	/* an operator's link may lead to it */
	snprintf(second, sizeof(second), "%s.second", w.link);
	assert_int_equal(symlink(w.link, second), 0);
	fd = sock_connect_unix(second);
	unlink(second);
	assert_int_equal(fd, -ELOOP);
	assert_int_equal(accept(w.listener, NULL, NULL), -1);
}

/* In any place of the path: a folder above that of the socket may be a front-end's, too. */
static void
test_links_in_the_middle(void **state)
{
	char path[200], at[80];

	snprintf(at, sizeof(at), "%s.folder", w.path);
	assert_int_equal(mkdir(at, 0700), 0);
	snprintf(path, sizeof(path), "%s/../%s", at, strrchr(w.path, '/') + 1);
	expect_connects(path);
	assert_int_equal(rmdir(at), 0);
	snprintf(path, sizeof(path), "/proc/self/root%s", w.path);
	expect_connects(path);
	assert_int_equal(symlink("/tmp", w.link), 0);
	snprintf(path, sizeof(path), "%s/.//%s", w.link, strrchr(w.path, '/') + 1);
	expect_connects(path);
	snprintf(path, sizeof(path), "%s/nothing", w.path);
	assert_int_equal(sock_connect_unix(path), -ENOTDIR);
	assert_int_equal(sock_connect_unix(""), -ENOENT);
	if (geteuid() != 0)
		skip();
	snprintf(path, sizeof(path), "%s/%s", w.link, strrchr(w.path, '/') + 1);
	assert_int_equal(lchown(w.link, SOMEBODY, (gid_t)-1), 0);
	assert_int_equal(sock_connect_unix(path), -ELOOP);
	assert_int_equal(accept(w.listener, NULL, NULL), -1);
}

/* A name that no file can have is not cut to one that a file has. */
static void
test_long_name(void **state)
{
	char name[NAME_MAX + 1], folder[NAME_MAX + 8], path[2 * NAME_MAX];
	int ret;

	ret = snprintf(name, sizeof(name), "%s", strrchr(w.path, '/') + 1);
	memset(name + ret, 'a', sizeof(name) - 1 - (size_t)ret);
	name[NAME_MAX] = '\0';
	snprintf(folder, sizeof(folder), "/tmp/%s", name);
	assert_int_equal(mkdir(folder, 0700), 0);
	snprintf(path, sizeof(path), "%sa/../%s", folder, strrchr(w.path, '/') + 1);
	ret = symlink(path, w.link) == 0 ? sock_connect_unix(w.link) : 0;
	rmdir(folder);
	assert_int_equal(ret, -ENAMETOOLONG);
	assert_int_equal(accept(w.listener, NULL, NULL), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_socket, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_own_link, setup, teardown),
		cmocka_unit_test_setup_teardown(test_link_of_another_user, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links_in_the_middle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_name, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
