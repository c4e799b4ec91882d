/* SPDX-License-Identifier: BSD-3-Clause */
/* Records with descriptors: built, read, sent over a socket; from a hostile peer, too. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>

#include "base/blob.h"
#include "owner.h"
#include "peer.h"

#define MAGIC 0x42535156u
#define MAX (1u << 20)
#define LONG_MS 60000

struct header {
	uint32_t magic;
	uint16_t version, zero;
	uint32_t len, nfds;
};

static int file[3]; /* different files */
static int pair[2];
static unsigned int fds_before;

static int
setup(void **state)
{
	uint32_t i;

	fds_before = open_fds();
	for (i = 0; i < RTE_DIM(file); i++)
		file[i] = memfd_create("blob", MFD_CLOEXEC);
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
}

static int
teardown(void **state)
{
	uint32_t i;

	for (i = 0; i < RTE_DIM(file); i++)
		close(file[i]);
	for (i = 0; i < RTE_DIM(pair); i++)
		if (pair[i] >= 0)
			close(pair[i]);
	assert_int_equal(open_fds(), fds_before);
	return 0;
}

static bool
same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino;
}

/** Three records: one descriptor, none, two. */
static struct blob
three(void)
{
	struct blob b = {0};

	blob_put_fds(&b, &(struct blob_record){1, 0, 3, 1}, "abc", file);
	blob_put_record(&b, &(struct blob_record){2, BLOB_MUST_KNOW, 8, 0}, "12345678");
	blob_put_fds(&b, &(struct blob_record){3, 0, 0, 2}, NULL, file + 1);
	assert_false(b.failed);
	return b;
}

static void
check_three(struct blob *b)
{
	struct blob_reader reader = {.blob = b};
	struct blob_record r;
	int fd;

	assert_memory_equal(blob_read(&reader, &r), "abc", 3);
	assert_int_equal(r.type, 1);
	assert_int_equal(r.nfds, 1);
	fd = blob_take_fd(&reader, 0);
	assert_true(same_file(fd, file[0]));
	close(fd);
	assert_int_equal(blob_take_fd(&reader, 0), -1); /* taken already */
	assert_int_equal(blob_take_fd(&reader, 1), -1);
	assert_memory_equal(blob_read(&reader, &r), "12345678", 8);
	assert_int_equal(r.flags, BLOB_MUST_KNOW);
	assert_int_equal(blob_take_fd(&reader, 0), -1);
	assert_false(blob_at_end(&reader));
	assert_non_null(blob_read(&reader, &r));
	assert_int_equal(r.len, 0);
	fd = blob_take_fd(&reader, 1); /* the other one is closed with the blob */
	assert_true(same_file(fd, file[2]));
	close(fd);
	assert_true(blob_at_end(&reader));
	assert_null(blob_read(&reader, &r));
}

static void
descriptors_belong_to_their_records(void **state)
{
	struct blob b = three();

	check_three(&b);
	blob_free(&b);
}

/* The bytes may claim more descriptors than came along, or fewer. */
static void
number_of_descriptors_is_checked(void **state)
{
	struct blob b = three();
	struct blob_reader reader = {.blob = &b};
	struct blob_record r;

	b.data[3] = 4; /* of the first record: three came */
	assert_null(blob_read(&reader, &r));
	assert_false(blob_at_end(&reader));
	b.data[3] = 0;
	while (blob_read(&reader, &r) != NULL)
		;
	assert_false(blob_at_end(&reader));
	blob_free(&b);
}

/* A state that came without descriptors has no record with one. */
static void
bytes_alone_have_no_descriptors(void **state)
{
	struct blob b = three();
	struct blob_record r;
	size_t pos = 0;

	assert_null(blob_next(b.data, b.len, &pos, &r));
	blob_free(&b);
}

static void
what_cannot_be_recorded_fails(void **state)
{
	int many[BLOB_RECORD_FDS + 1], closed = open("/dev/null", O_RDONLY);
	struct blob b = {0};

	memset(many, 0, sizeof(many));
	blob_put_fds(&b, &(struct blob_record){1, 0, 0, BLOB_RECORD_FDS + 1}, NULL, many);
	assert_true(b.failed);
	assert_int_equal(blob_send(pair[0], &b, LONG_MS), -E2BIG);
	blob_free(&b);
	close(closed);
	blob_put_fds(&b, &(struct blob_record){1, 0, 0, 1}, NULL, &closed);
	assert_true(b.failed);
	assert_int_equal(blob_send(pair[0], &b, LONG_MS), -EBADF);
	blob_free(&b);
}

struct sending {
	const struct blob *b;
	int ret;
};

static void *
send_it(void *arg)
{
	struct sending *s = arg;

	s->ret = blob_send(pair[0], s->b, LONG_MS);
	return NULL;
}

/* Longer than any socket's buffer, with descriptors for several messages. */
static void
large_blob_arrives(void **state)
{
	static uint8_t bytes[300000];
	struct blob b = three(), got = {0};
	struct sending s = {.b = &b};
	int fds[BLOB_RECORD_FDS];
	pthread_t thread;
	uint32_t i;

	for (i = 0; i < RTE_DIM(fds); i++)
		fds[i] = file[i % RTE_DIM(file)];
	blob_put_fds(&b, &(struct blob_record){4, 0, 0, BLOB_RECORD_FDS}, NULL, fds);
	blob_put_fds(&b, &(struct blob_record){5, 0, sizeof(bytes), 100}, bytes, fds);
	assert_false(b.failed);
	assert_int_equal(pthread_create(&thread, NULL, send_it, &s), 0);
	assert_int_equal(blob_receive(pair[1], &got, MAX, LONG_MS), 0);
	pthread_join(thread, NULL);
	assert_int_equal(s.ret, 0);
	assert_int_equal(got.len, b.len);
	assert_memory_equal(got.data, b.data, b.len);
	assert_int_equal(got.nfds, b.nfds);
	for (i = 0; i < got.nfds; i++)
		assert_true(same_file(got.fd[i], b.fd[i]));
	blob_free(&got);
	blob_free(&b);
}

static void
small_blob_arrives(void **state)
{
	struct blob b = three(), got = {0}, none = {0};

	assert_int_equal(blob_send(pair[0], &b, LONG_MS), 0);
	assert_int_equal(blob_send(pair[0], &none, LONG_MS), 0);
	assert_int_equal(blob_receive(pair[1], &got, MAX, LONG_MS), 0);
	check_three(&got);
	blob_free(&got);
	assert_int_equal(blob_receive(pair[1], &got, MAX, LONG_MS), 0);
	assert_int_equal(got.len, 0);
	blob_free(&got);
	blob_free(&b);
}

/* Inputs a peer may send instead; the result, and no descriptor is left. */
static void
hostile_peer_is_refused(void **state)
{
	static const struct {
		struct header h;
		uint32_t bytes, fds; /* that follow the header */
		int ret;
	} bad[] = {
		{{MAGIC + 1, 1, 0, 8, 0}, 8, 0, -EPROTO},
		{{MAGIC, 2, 0, 8, 0}, 8, 0, -EPROTO},
		{{MAGIC, 1, 0, 8, BLOB_FDS_MAX + 1}, 8, 0, -EPROTO},
		{{MAGIC, 1, 0, MAX + 1, 0}, 8, 0, -EFBIG},
		{{MAGIC, 1, 0, UINT32_MAX, 0}, 8, 0, -EFBIG},
		{{MAGIC, 1, 0, 16, 0}, 8, 0, -ECONNRESET},
		{{MAGIC, 1, 0, 8, 2}, 8, 1, -EPROTO},
		{{MAGIC, 1, 0, 8, 0}, 8, 1, -EPROTO},
		{{MAGIC, 1, 0, 8, 1}, 8, 3, -EPROTO},
	};
	struct blob got = {0};
	uint32_t i;

	for (i = 0; i < RTE_DIM(bad); i++) {
		static const uint8_t bytes[8];

		close(pair[0]);
		close(pair[1]);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		assert_int_equal(write(pair[0], &bad[i].h, sizeof(bad[i].h)), sizeof(bad[i].h));
		peer_write(pair[0], bytes, bad[i].bytes, file, bad[i].fds);
		close(pair[0]);
		pair[0] = -1;
		assert_int_equal(blob_receive(pair[1], &got, MAX, LONG_MS), bad[i].ret);
		assert_null(got.data);
		assert_int_equal(got.nfds, 0);
	}
}

static void
silent_peer_is_given_up(void **state)
{
	struct blob got = {0};

	assert_int_equal(blob_receive(pair[1], &got, MAX, 1), -ETIMEDOUT);
}

/* A peer that does not read, and one that is gone. */
static void
sender_is_not_stuck(void **state)
{
	static uint8_t bytes[1 << 20];
	struct blob b = {0};

	blob_put_record(&b, &(struct blob_record){1, 0, sizeof(bytes), 0}, bytes);
	assert_int_equal(blob_send(pair[0], &b, 1), -ETIMEDOUT);
	close(pair[1]);
	pair[1] = -1;
	assert_int_equal(blob_send(pair[0], &b, LONG_MS), -EPIPE);
	blob_free(&b);
}

/* The limit of open files is reached while descriptors arrive. */
static void
lost_descriptors_are_noticed(void **state)
{
	struct blob b = three(), got = {0};
	struct rlimit old, low;

	assert_int_equal(blob_send(pair[0], &b, LONG_MS), 0);
	blob_free(&b);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)pair[1] + 2;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(blob_receive(pair[1], &got, MAX, LONG_MS), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(descriptors_belong_to_their_records),
		T(number_of_descriptors_is_checked),
		T(bytes_alone_have_no_descriptors),
		T(what_cannot_be_recorded_fails),
		T(small_blob_arrives),
		T(large_blob_arrives),
		T(hostile_peer_is_refused),
		T(silent_peer_is_given_up),
		T(sender_is_not_stuck),
		T(lost_descriptors_are_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
