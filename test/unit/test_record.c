/* SPDX-License-Identifier: BSD-3-Clause */
/* Recordings: what is written is read; files, disks and limits in the way; bad files. */
#include <errno.h>
#include <fcntl.h>
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>

#include "base/lane.h"
#include "base/record.h"
#include "base/recording.h"
#include "owner.h"
#include "peer.h"
#include "vhost_user/backend.h"

#define SETTLE_MS 60000
#define MIB (UINT64_C(1) << 20)

static char dir[] = "/tmp/test_record.XXXXXX";
static char path[64], old[72], sock[64];
static char err[600];

static int
group_setup(void **state)
{
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/rec", dir);
	snprintf(old, sizeof(old), "%s/rec.1", dir);
	snprintf(sock, sizeof(sock), "%s/sock", dir);
	return 0;
}

static int
group_teardown(void **state)
{
	return rmdir(dir);
}

static int
teardown(void **state)
{
	unlink(path);
	unlink(old);
	unlink(sock);
	return 0;
}

static struct record *
open_record(uint64_t limit)
{
	const struct record_config cfg = {
		.path = path,
		.limit = limit,
		.port = "net_vhost0",
		.transport = RECORD_VHOST_USER,
		.queues = 2,
	};

	return record_open(&cfg, err, sizeof(err));
}

static void
say(struct record *r, uint32_t request, const void *payload, uint32_t size)
{
	const struct record_said said = {
		.request = request,
		.flags = VHU_VERSION,
		.size = size,
		.payload = payload,
	};

	record_message(r, &said);
}

/* The file's events. */
static struct recording_event events[64];
static uint32_t nevents;
static uint8_t *bytes;
static size_t nbytes;

static void
read_events(void)
{
	const char *why = NULL;
	struct recording r;
	int ret;

	record_settle(SETTLE_MS);
	free(bytes);
	bytes = recording_load(path, &nbytes, err, sizeof(err));
	assert_non_null(bytes);
	assert_null(recording_begin(&r, bytes, nbytes));
	nevents = 0;
	while ((ret = recording_next(&r, &events[nevents % RTE_DIM(events)], &why)) == 1)
		nevents++;
	assert_int_equal(ret, 0);
}

static uint32_t
count(enum record_type type)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < nevents && i < RTE_DIM(events); i++)
		n += events[i].type == type;
	return n;
}

static void
test_written_is_read(void **state)
{
	const int memfd = memfd_create("m", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	const int fds[] = {memfd, eventfd(0, 0), memfd};
	const struct record_said said = {
		.channel = RECORD_BACKEND,
		.from = RECORD_FROM_US,
		.request = 5,
		.flags = VHU_VERSION,
		.size = 3,
		.payload = "abc",
		.fds = fds,
		.nfds = 3,
	};
	struct record *r = open_record(MIB);
	struct stat st;

	assert_non_null(r);
	assert_int_equal(ftruncate(memfd, 8192), 0);
	record_connect(r, -1);
	record_message(r, &said);
	record_verdict(r, 5, EPERM, "not now");
	record_disconnect(r, "gone");
	record_close(r, "over");
	read_events();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(nevents, 6);
	assert_int_equal(events[0].type, RECORD_BEGIN);
	assert_string_equal(events[0].u.begin.port, "net_vhost0");
	assert_int_equal(events[1].u.connect.session, 1);
	assert_int_equal(events[2].u.message.request, 5);
	assert_int_equal(events[2].u.message.channel, RECORD_BACKEND);
	assert_int_equal(events[2].u.message.nfds, 3);
	assert_int_equal(events[2].fd[0].kind, RECORD_FD_MEMORY);
	assert_int_equal(events[2].fd[0].size, 8192);
	assert_int_equal(events[2].fd[1].kind, RECORD_FD_EVENTFD);
	assert_int_not_equal(events[2].fd[0].file, 0);
	assert_int_equal(events[2].fd[0].file, events[2].fd[2].file);
	assert_memory_equal(events[2].payload, "abc", 3);
	assert_int_equal(events[3].u.verdict.error, EPERM);
	assert_string_equal(events[3].text, "not now");
	assert_string_equal(events[4].text, "gone");
	assert_string_equal(events[5].text, "over");
	close(fds[0]);
	close(fds[1]);
}

static void
test_payload_left_out(void **state)
{
	struct record *r = open_record(MIB);

	say(r, 99, NULL, 100);
	record_close(r, "over");
	read_events();
	assert_int_equal(events[1].u.message.size, 100);
	assert_int_equal(events[1].u.message.flags, RECORD_NO_PAYLOAD);
	assert_null(events[1].payload);
}

static void
test_limit(void **state)
{
	static const uint8_t payload[4096];
	struct record *r = open_record(64 << 10);
	struct record_info info;
	struct stat st;

	for (uint32_t i = 0; i < 100; i++)
		say(r, 1, payload, sizeof(payload));
	assert_true(record_get_info(r, &info));
	assert_true(info.full);
	record_close(r, "over");
	read_events();
	assert_int_equal(count(RECORD_END), 1);
	assert_string_equal(events[nevents - 1].text, "the limit of its size is reached");
	assert_int_equal(stat(path, &st), 0);
	assert_in_range(st.st_size, 60 << 10, (64 << 10) + 64);
}

static void
put_text(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* A recording takes no file of another: not the one behind its name, not that of another port. */
static void
test_files_of_others(void **state)
{
	struct record *r;
	char text[8] = "";
	int fd;

	put_text(old, "precious");
	record_close(open_record(MIB), "first");
	record_settle(SETTLE_MS);
	assert_null(open_record(MIB));
	assert_non_null(strstr(err, "rec.1: there is a file that is no recording"));
	assert_int_equal(access(path, F_OK), 0);
	fd = open(old, O_RDONLY);
	assert_int_equal(read(fd, text, 8), 8);
	assert_memory_equal(text, "precious", 8);
	close(fd);
	unlink(old);

	r = open_record(MIB);
	assert_non_null(r);
	assert_null(open_record(MIB));
	assert_non_null(strstr(err, "another port is recorded there"));
	record_close(r, "over");
	/* at once, also if not all of it is written yet */
	r = open_record(MIB);
	assert_non_null(r);
	record_close(r, "over");
	record_settle(SETTLE_MS);
}

/* A successor touches no file before its predecessor has left, and does not end without one. */
static void
test_later(void **state)
{
	const struct record_config cfg = {
		.path = path,
		.limit = MIB,
		.port = "net_vhost0",
		.transport = RECORD_VHOST_USER,
		.queues = 2,
		.later = true,
	};
	struct record *before = open_record(MIB), *r;
	struct record_info info;

	record_close(record_open(&cfg, err, sizeof(err)), "has failed");
	assert_int_not_equal(access(old, F_OK), 0);
	r = record_open(&cfg, err, sizeof(err));
	assert_non_null(r);
	record_connect(r, -1);
	say(r, 1, NULL, 0);
	say(before, 2, NULL, 0);
	assert_int_not_equal(access(old, F_OK), 0);
	record_start(r);
	assert_int_equal(access(old, F_OK), 0);
	say(r, 3, NULL, 0);
	record_start(r);
	record_close(before, "over");
	record_close(r, "over");
	read_events();
	assert_int_equal(nevents, 3);
	assert_int_equal(events[0].type, RECORD_BEGIN);
	assert_int_equal(events[1].u.message.request, 3);
	unlink(path);

	assert_int_equal(symlink(old, path), 0);
	r = record_open(&cfg, err, sizeof(err));
	assert_true(record_get_info(r, &info));
	assert_null(info.why);
	record_start(r);
	say(r, 1, NULL, 0);
	assert_true(record_get_info(r, &info));
	assert_int_equal(info.bytes, 0);
	assert_non_null(strstr(info.why, "symbolic link"));
	unlink(path);
	record_start(r);
	assert_true(record_get_info(r, &info));
	assert_null(info.why);
	record_close(r, "over");
}

/* The last one is kept; what is no recording, or a link, is left alone. */
static void
test_files(void **state)
{
	char text[8] = "";
	int fd;

	record_close(open_record(MIB), "first");
	record_settle(SETTLE_MS);
	record_close(open_record(MIB), "second");
	read_events();
	assert_string_equal(events[nevents - 1].text, "second");
	assert_int_equal(access(old, F_OK), 0);
	unlink(path);

	assert_int_equal(symlink(old, path), 0);
	assert_null(open_record(MIB));
	assert_non_null(strstr(err, "symbolic link"));
	unlink(path);

	fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_int_equal(write(fd, "precious", 8), 8);
	assert_null(open_record(MIB));
	assert_non_null(strstr(err, "no recording"));
	assert_int_equal(pread(fd, text, 8, 0), 8);
	assert_memory_equal(text, "precious", 8);
	close(fd);
	unlink(path);

	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(open_record(MIB));
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_null(open_record(MIB));
	rmdir(path);
}

static void
say_and_wait(struct record *r, uint32_t n)
{
	static const uint8_t payload[1000];

	for (uint32_t i = 0; i < n; i++)
		say(r, 1, payload, sizeof(payload));
	do
		usleep(1000);
	while (!lane_all_idle());
}

static uint64_t
lost_in_file(void)
{
	uint64_t lost = 0;

	for (uint32_t i = 0; i < nevents; i++)
		if (events[i].type == RECORD_LOST)
			lost += events[i].u.lost.records;
	return lost;
}

/*
 * A disk that is full leaves whole records only, and the file says how many are missing, also those
 * while there was no room to say so.
 */
static void
test_full_disk(void **state)
{
	struct record *r = open_record(MIB);
	struct rlimit before, small = {4096, 4096};
	struct record_info info;
	struct stat st;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	say_and_wait(r, 10);
	say_and_wait(r, 2);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_true(record_get_info(r, &info));
	assert_in_range(info.lost, 7, 11);
	say_and_wait(r, 1);
	assert_true(record_get_info(r, &info));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(info.bytes, st.st_size);
	record_close(r, "over");
	read_events();
	assert_int_equal(count(RECORD_LOST), 1);
	assert_int_equal(lost_in_file(), info.lost);
	assert_int_equal(count(RECORD_MESSAGE) + info.lost, 13);
}

/* A reader does not go beyond what there is, and knows a whole recording from a part of one. */
static void
test_cut_off_anywhere(void **state)
{
	struct record *r = open_record(MIB);
	struct recording_event e;
	const char *why;
	uint32_t whole = 0;

	say(r, 1, "12345678", 8);
	record_verdict(r, 1, 1, "because");
	record_close(r, "over");
	read_events();
	for (size_t len = 0; len <= nbytes; len++) {
		uint8_t *part = malloc(len + 1);
		struct recording it;
		int ret = 1;

		memcpy(part, bytes, len);
		if (recording_begin(&it, part, len) != NULL)
			ret = -1;
		while (ret == 1)
			ret = recording_next(&it, &e, &why);
		whole += ret == 0;
		free(part);
	}
	/* behind the head and behind each of its records */
	assert_int_equal(whole, nevents + 1);
}

static void
test_unknown_records(void **state)
{
	struct record_head head = {.type = 999, .len = 8};
	const uint8_t data[8] = {0};
	struct recording_event e;
	const char *why = NULL;
	struct recording it;
	uint8_t file[64];

	record_close(open_record(MIB), "over");
	read_events();
	for (int must = 0; must < 2; must++) {
		head.flags = must ? RECORD_MUST_KNOW : 0;
		memcpy(file, bytes, sizeof(struct record_file_head));
		memcpy(file + 16, &head, 8);
		memcpy(file + 24, data, 8);
		assert_null(recording_begin(&it, file, 32));
		assert_int_equal(recording_next(&it, &e, &why), must ? -1 : 0);
	}
	file[8] = 2;
	assert_non_null(recording_begin(&it, file, 32));
}

/* --- a session --- */

static int
dial(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(sa.sun_path, sock, strlen(sock));
	assert_int_equal(connect(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void
iterate(struct owner *o)
{
	for (uint32_t i = 0; i < 4; i++)
		ev_run_once(o->loop, 0);
}

static void
test_session(void **state)
{
	const uint8_t secret[40] = "key of a guest";
	struct record *r = open_record(MIB);
	struct vhu_config cfg = {.path = sock, .owner = (uid_t)-1, .group = (gid_t)-1};
	struct transport *t;
	struct owner o;
	uint64_t features = ~UINT64_C(0);
	int fd;

	owner_init(&o, NULL);
	vdev_disconnect(o.d);
	cfg.loop = o.loop;
	cfg.dev = o.d;
	cfg.record = r;
	t = vhu_backend_new(&cfg, err, sizeof(err));
	assert_non_null(t);
	fd = dial();
	peer_send(fd, VHU_GET_FEATURES, VHU_VERSION, NULL, 0, NULL, 0);
	peer_send(fd, VHU_CREATE_CRYPTO_SESSION, VHU_VERSION, secret, sizeof(secret), NULL, 0);
	peer_send(fd, VHU_SET_FEATURES, VHU_VERSION, &features, sizeof(features), NULL, 0);
	iterate(&o);
	close(fd);
	iterate(&o);
	t->ops->free(t);
	record_close(r, "over");
	owner_fini(&o);
	read_events();
	assert_int_equal(count(RECORD_CONNECT), 1);
	assert_int_equal(events[1].u.connect.pid, getpid());
	assert_int_equal(events[2].u.message.request, VHU_GET_FEATURES);
	assert_int_equal(events[3].type, RECORD_VERDICT);
	assert_int_equal(events[4].u.message.from, RECORD_FROM_US);
	assert_int_equal(events[4].u.message.size, 8);
	/* not known here: its contents stay out */
	assert_int_equal(events[5].u.message.request, VHU_CREATE_CRYPTO_SESSION);
	assert_null(events[5].payload);
	assert_int_equal(events[6].u.verdict.error, ENOTSUP);
	assert_int_equal(events[7].u.message.request, VHU_SET_FEATURES);
	assert_true(events[8].u.verdict.error != 0 && events[8].text[0] != '\0');
	assert_int_equal(count(RECORD_DISCONNECT), 1);
	for (size_t i = 0; i + 14 <= nbytes; i++)
		assert_memory_not_equal(bytes + i, secret, 14);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_written_is_read, teardown),
		cmocka_unit_test_teardown(test_payload_left_out, teardown),
		cmocka_unit_test_teardown(test_limit, teardown),
		cmocka_unit_test_teardown(test_files_of_others, teardown),
		cmocka_unit_test_teardown(test_later, teardown),
		cmocka_unit_test_teardown(test_files, teardown),
		cmocka_unit_test_teardown(test_full_disk, teardown),
		cmocka_unit_test_teardown(test_cut_off_anywhere, teardown),
		cmocka_unit_test_teardown(test_unknown_records, teardown),
		cmocka_unit_test_teardown(test_session, teardown),
	};
	int ret = cmocka_run_group_tests(tests, group_setup, group_teardown);

	free(bytes);
	return ret;
}
