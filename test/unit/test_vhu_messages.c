/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every message said wrongly: refused, nothing changed, nothing leaked, and the
 * session survives or ends as it should. The right outcome is written down here
 * once more, so that the table is not its own judge.
 */
#include <errno.h>
#include <fcntl.h>
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
#include <unistd.h>

#include <cmocka.h>

#include "wire.h"

#define MODERN (F(VERSION_1) | F(PROTOCOL_FEATURES))
#define ASK (VHU_VERSION | VHU_NEED_REPLY)

/* The form of each message: sizes, descriptors, negotiated bit, whether it is always answered. */
static const struct spec {
	uint32_t id;
	uint32_t size_min, size_max;
	uint32_t fds_min, fds_max;
	uint64_t needs;
	bool answered;
	bool ring;
} spec[] = {
	{1, 0, 0, 0, 0, 0, true, false},
	{2, 8, 8, 0, 0, 0, false, false},
	{3, 0, 0, 0, 0, 0, false, false},
	{4, 0, 0, 0, 0, 0, false, false},
	{5, 40, 264, 1, 8, 0, false, false},
	{6, 16, 16, 1, 1, 1ull << 1, true, false},
	{7, 0, 8, 0, 1, 0, false, false},
	{8, 8, 8, 0, 0, 0, false, true},
	{9, 40, 40, 0, 0, 0, false, true},
	{10, 8, 8, 0, 0, 0, false, true},
	{11, 8, 8, 0, 0, 0, true, true},
	{12, 8, 8, 0, 1, 0, false, true},
	{13, 8, 8, 0, 1, 0, false, true},
	{14, 8, 8, 0, 1, 0, false, true},
	{15, 0, 0, 0, 0, 0, true, false},
	{16, 8, 8, 0, 0, 0, false, false},
	{17, 0, 0, 0, 0, 1ull << 0, true, false},
	{18, 8, 8, 0, 0, 0, false, true},
	{19, 8, 8, 0, 0, 1ull << 2, false, false},
	{20, 8, 8, 0, 0, 1ull << 4, false, false},
	{21, 0, 0, 1, 1, 1ull << 5, false, false},
	{22, 26, 32, 0, 0, 0, false, false},
	{23, 8, 8, 0, 0, 1ull << 6, false, true},
	{24, 12, 268, 0, 0, 1ull << 9, true, false},
	{25, 12, 268, 0, 0, 1ull << 9, false, false},
	{31, 20, 24, 0, 0, 1ull << 12, true, false},
	{32, 20, 24, 1, 1, 1ull << 12, false, false},
	{34, 0, 0, 0, 0, 1ull << 13, false, false},
	{36, 0, 0, 0, 0, 1ull << 15, true, false},
	{37, 40, 40, 1, 1, 1ull << 15, false, false},
	{38, 40, 40, 0, 1, 1ull << 15, false, false},
	{39, 8, 8, 0, 0, 1ull << 16, false, false},
	{40, 0, 0, 0, 0, 1ull << 16, true, false},
	{42, 8, 8, 1, 1, 1ull << 19, false, false},
	{43, 0, 0, 0, 0, 1ull << 19, false, false},
};

static struct wire w;
static unsigned int fds_before;

static int
setup(void **state)
{
	fds_before = open_fds();
	wire_init(&w, WIRE_ALL);
	return 0;
}

static int
teardown(void **state)
{
	wire_fini(&w);
	return open_fds() == fds_before ? 0 : -1;
}

/* Messages whose reply can say no, asked for or not. */
static bool
has_result(uint32_t id)
{
	return id == VHU_IOTLB_MSG || id == VHU_SET_DEVICE_STATE_FD || id == VHU_CHECK_DEVICE_STATE;
}

/* Everything a message could change. */
struct facts {
	struct vdev_queue q[VDEV_QUEUES_MAX];
	uint64_t features, protocol_features;
	const void *gmem, *log;
	uint32_t formats;
	uint16_t mtu;
	uint8_t status;
	bool tx_up, rx_up;
};

static struct facts *
facts(void)
{
	const struct vdev *d = w.o.d;
	struct facts *f = calloc(1, sizeof(*f));

	memcpy(f->q, d->q, 2 * (size_t)d->cfg.queue_pairs * sizeof(f->q[0]));
	f->features = d->features;
	f->protocol_features = w.s.protocol_features;
	f->gmem = d->gmem;
	f->log = d->log;
	f->formats = d->formats_needed;
	f->mtu = d->mtu;
	f->status = d->status;
	f->tx_up = w.o.tx[0] != NULL && w.o.tx_enabled[0];
	f->rx_up = w.o.rx[0] != NULL && w.o.rx_enabled[0];
	return f;
}

static void
check_unchanged(struct facts *before, const char *what, uint32_t id)
{
	struct facts *after = facts();

	if (memcmp(before, after, sizeof(*after)) != 0)
		fail_msg("%s %s changed something", vhu_request_name(id), what);
	free(before);
	free(after);
}

static void
memory_fds(int *fds, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		fds[i] = w.o.memfd;
}

/* One wrong message, with and without NEED_REPLY, the connection made anew where it ends. */
static void
wrong(const struct spec *s, uint32_t size, uint32_t nfds, const void *payload, const char *what,
      bool running)
{
	static const uint32_t flags[] = {VHU_VERSION, ASK};
	unsigned int open = open_fds();
	uint64_t refused;
	int fds[VHU_FDS_MAX];
	size_t i;

	memory_fds(fds, nfds);
	for (i = 0; i < RTE_DIM(flags); i++) {
		bool told = (flags[i] & VHU_NEED_REPLY) || has_result(s->id);
		struct facts *before = facts();
		uint64_t ret;

		refused = w.s.count.refused;
		ret = wire_send(&w, s->id, flags[i], payload, size, fds, nfds);
		if (w.s.count.refused != refused + 1)
			fail_msg("%s %s was not refused", vhu_request_name(s->id), what);
		if ((ret == WIRE_GONE) != (s->answered || !told))
			fail_msg("%s %s: the session %s", vhu_request_name(s->id), what,
				 ret == WIRE_GONE ? "ended" : "went on");
		if (ret != WIRE_GONE) {
			assert_int_equal(w.reply.header.size, 8);
			assert_int_not_equal(ret, 0);
			check_unchanged(before, what, s->id);
			continue;
		}
		free(before);
		wire_reconnect(&w, WIRE_ALL);
		if (running)
			wire_start(&w, MODERN);
	}
	assert_int_equal(open_fds(), open);
}

static void
wrong_forms(bool running)
{
	static uint8_t zero[512];
	size_t i;

	for (i = 0; i < RTE_DIM(spec); i++) {
		const struct spec *s = &spec[i];

		if (s->size_min > 0)
			wrong(s, s->size_min - 1, s->fds_min, zero, "one byte short", running);
		wrong(s, s->size_max + 1, s->fds_min, zero, "one byte long", running);
		if (s->fds_min > 0)
			wrong(s, s->size_min, s->fds_min - 1, zero, "one descriptor short",
			      running);
		if (s->fds_max < VHU_FDS_MAX)
			wrong(s, s->size_min, s->fds_max + 1, zero, "one descriptor more", running);
	}
}

static void
test_wrong_forms(void **state)
{
	wrong_forms(false);
}

static void
test_wrong_forms_while_running(void **state)
{
	wire_start(&w, MODERN);
	wrong_forms(true);
	assert_non_null(w.o.rx[0]);
}

static void
test_bad_index(void **state)
{
	static const uint32_t index[] = {2 * OWNER_PAIRS, 255, 256, UINT32_MAX};
	size_t i, k;

	wire_start(&w, MODERN);
	for (i = 0; i < RTE_DIM(spec); i++) {
		bool word = spec[i].id >= 12 && spec[i].id <= 14;

		for (k = 0; spec[i].ring && k < (word ? 2 : RTE_DIM(index)); k++) {
			const struct vhu_vring_addr a = {.index = index[k]};
			const uint64_t no_fd = index[k] | VHU_VRING_NOFD;

			wrong(&spec[i], spec[i].size_min, 0, word ? (const void *)&no_fd : &a,
			      "with a bad index", true);
		}
	}
}

/* Each message without the protocol feature it needs: refused; survived unless it is a question. */
static void
test_not_negotiated(void **state)
{
	static uint8_t zero[512];
	size_t i;

	for (i = 0; i < RTE_DIM(spec); i++) {
		const struct spec *s = &spec[i];
		int fds[1] = {w.o.memfd};
		uint64_t ret;

		if (s->needs == 0)
			continue;
		wire_reconnect(&w, WIRE_ALL & ~s->needs);
		ret = wire_send(&w, s->id, VHU_VERSION, zero, s->size_min, fds, s->fds_min);
		if (has_result(s->id))
			assert_int_equal(ret, ENOTSUP);
		else
			assert_int_equal(ret, s->answered ? WIRE_GONE : WIRE_SILENT);
		assert_string_equal(wire_why(&w), "its protocol feature was not negotiated");
		wire_reconnect(&w, WIRE_ALL & ~s->needs);
		ret = wire_send(&w, s->id, ASK, zero, s->size_min, fds, s->fds_min);
		if (!s->answered)
			assert_int_equal(ret, ENOTSUP);
	}
}

static void
test_unknown_ids(void **state)
{
	static const uint32_t id[] = {0,  26, 27, 28, 29, 30, 33,       35,        41,
				      42, 43, 44, 45, 46, 99, 1u << 16, UINT32_MAX};
	uint8_t payload[64] = {0};
	int fd = eventfd(0, 0);
	size_t i;

	wire_start(&w, MODERN);
	for (i = 0; i < RTE_DIM(id); i++) {
		if (vhu_row(id[i]) != NULL)
			continue;
		assert_int_equal(wire_send(&w, id[i], VHU_VERSION, payload, sizeof(payload), &fd,
					   1),
				 WIRE_SILENT);
		assert_int_equal(wire_send(&w, id[i], ASK, payload, sizeof(payload), &fd, 1),
				 ENOTSUP);
	}
	assert_true(w.s.count.unknown >= 20);
	assert_non_null(w.o.rx[0]);
	close(fd);
}

static void
test_bad_flags(void **state)
{
	static const uint32_t flags[] = {0, 2, 3, VHU_VERSION | VHU_REPLY, VHU_NEED_REPLY};
	size_t i;

	for (i = 0; i < RTE_DIM(flags); i++) {
		assert_int_equal(wire_send(&w, VHU_GET_FEATURES, flags[i], NULL, 0, NULL, 0),
				 WIRE_GONE);
		wire_reconnect(&w, WIRE_ALL);
	}
}

/* --- values --- */

/* Right in form, wrong in what they say; f: the guest's memory goes along, e: an eventfd. */
static const struct {
	const char *what;
	uint32_t id, size;
	char fd;
	const char *why;
	union peer_value v;
} bad[] = {
	{"features not offered", 2, 8, 0, "not offered", {.u64 = 1ull << 63}},
	{"protocol features not offered", 16, 8, 0, "not offered", {.u64 = VHU_PF(PAGEFAULT)}},
	{"in-band notifications", 16, 8, 0, "not offered", {.u64 = VHU_PF(INBAND_NOTIFICATIONS)}},
	{"two formats", 16, 8, 0, "more than one", {.u64 = 3ull << 61}},
	{"three formats", 16, 8, 0, "more than one", {.u64 = 7ull << 61}},
	{"size 0", 8, 8, 0, "size", {.state = {2, 0}}},
	{"size too large", 8, 8, 0, "size", {.state = {2, 32769}}},
	{"size way too large", 8, 8, 0, "size", {.state = {2, UINT32_MAX}}},
	{"address flags", 9, 40, 0, "nvalid", {.addr = {.index = 2, .flags = 2}}},
	{"enable 2", 18, 8, 0, "neither", {.state = {2, 2}}},
	{"endian 2", 23, 8, 0, "neither", {.state = {2, 2}}},
	{"kick without descriptor", 12, 8, 0, "agree", {.u64 = 2}},
	{"kick with one too many", 12, 8, 'e', "agree", {.u64 = 2 | 256}},
	{"kick with flags", 12, 8, 'e', "flags", {.u64 = 2 | 512}},
	{"kick with flags in the upper half", 12, 8, 'e', "flags", {.u64 = 2 | 1ull << 63}},
	{"kick with a file", 12, 8, 'f', "eventfd", {.u64 = 2}},
	{"kick with a pipe", 12, 8, 'p', "eventfd", {.u64 = 2}},
	{"kick with a socket", 12, 8, 's', "eventfd", {.u64 = 2}},
	{"kick with a directory", 12, 8, 'd', "eventfd", {.u64 = 2}},
	{"call with a file", 13, 8, 'f', "eventfd", {.u64 = 2}},
	{"err with a file", 14, 8, 'f', "eventfd", {.u64 = 2}},
	{"call without descriptor", 13, 8, 0, "agree", {.u64 = 2}},
	{"rarp from a group", 19, 8, 0, "station", {.u64 = 0x0000060504030201}},
	{"rarp from the zero address", 19, 8, 0, "station", {.u64 = 0}},
	{"mtu 67", 20, 8, 0, "MTU", {.u64 = 67}},
	{"mtu 65536", 20, 8, 0, "MTU", {.u64 = 65536}},
	{"mtu huge", 20, 8, 0, "MTU", {.u64 = 1ull << 40 | 1500}},
	{"channel is a file", 21, 0, 'f', "socket", {.u64 = 0}},
	{"channel is a datagram socket", 21, 0, 'D', "socket", {.u64 = 0}},
	{"iotlb without ACCESS_PLATFORM",
	 22,
	 32,
	 0,
	 "ACCESS_PLATFORM",
	 {.iotlb = {0, 4096, OWNER_UVA, 3, VHU_IOTLB_UPDATE, {0}}}},
	{"iotlb miss from the front-end", 22, 32, 0, "neither", {.iotlb = {0, 1, 0, 3, 1, {0}}}},
	{"iotlb batch", 22, 32, 0, "neither", {.iotlb = {0, 1, 0, 3, 5, {0}}}},
	{"iotlb type 0", 22, 32, 0, "neither", {.iotlb = {0, 1, 0, 3, 0, {0}}}},
	{"log beyond its file", 6, 16, 'f', "", {.log = {OWNER_MEM, 4096}}},
	{"log of nothing", 6, 16, 'f', "", {.log = {0, 0}}},
	{"log that wraps", 6, 16, 'f', "", {.log = {UINT64_MAX, 4096}}},
	{"log in a pipe", 6, 16, 'p', "", {.log = {4096, 0}}},
	{"table of no regions", 5, 40, 'f', "agree", {.table = {.n = 0}}},
	{"table of two regions in one", 5, 40, 'f', "agree", {.table = {.n = 2}}},
	{"table of many regions", 5, 40, 'f', "agree", {.table = {.n = UINT32_MAX}}},
	{"region of nothing", 5, 40, 'f', "size 0", {.table = {1, 0, {{0, 0, 0, 0}}}}},
	{"region beyond its file", 5, 40, 'f', "", {.table = {1, 0, {{0, OWNER_MEM, 0, 4096}}}}},
	{"region that wraps",
	 5,
	 40,
	 'f',
	 "wraps",
	 {.table = {1, 0, {{UINT64_MAX - 4095, 8192, 0, 0}}}}},
	{"offset that wraps",
	 5,
	 40,
	 'f',
	 "wraps",
	 {.table = {1, 0, {{0, 8192, 0, UINT64_MAX - 4095}}}}},
	{"memory in a pipe", 5, 40, 'p', "", {.table = {1, 0, {{0, 4096, 0, 0}}}}},
	{"memory in an eventfd", 5, 40, 'e', "", {.table = {1, 0, {{0, 4096, 0, 0}}}}},
	{"memory in a directory", 5, 40, 'd', "", {.table = {1, 0, {{0, 4096, 0, 0}}}}},
	{"slot that overlaps",
	 37,
	 40,
	 'f',
	 "overlap",
	 {.mem = {0, {OWNER_GPA + 4096, 4096, 0, 0}}}},
	{"slot that overlaps for the front-end",
	 37,
	 40,
	 'f',
	 "overlap",
	 {.mem = {0, {0, 4096, OWNER_UVA + 4096, 0}}}},
	{"slot that is not there", 38, 40, 0, "no such", {.mem = {0, {0, 4096, 0, 0}}}},
	{"slot of another size",
	 38,
	 40,
	 0,
	 "no such",
	 {.mem = {0, {OWNER_GPA, 4096, OWNER_UVA, 0}}}},
	{"slot at another address",
	 38,
	 40,
	 0,
	 "no such",
	 {.mem = {0, {OWNER_GPA, OWNER_MEM, 0, 0}}}},
	{"status of nine bits", 39, 8, 0, "status", {.u64 = 0x100}},
	{"config write by the guest", 25, 13, 0, "migration", {.config = {0, 1, 0, {0}}}},
	{"config write with unknown flags", 25, 13, 0, "migration", {.config = {0, 1, 2, {0}}}},
	{"config size and payload", 25, 14, 0, "agree", {.config = {0, 1, 1, {0}}}},
	{"config size that wraps", 25, 12, 0, "agree", {.config = {0, UINT32_MAX, 1, {0}}}},
	{"config beyond its end", 25, 13, 0, "nvalid", {.config = {24, 1, 1, {0}}}},
	{"config offset that wraps", 25, 13, 0, "nvalid", {.config = {UINT32_MAX, 1, 1, {0}}}},
	{"inflight of no queues", 32, 24, 'f', "fit", {.inflight = {65536, 0, 0, 256, {0}}}},
	{"inflight of many queues", 32, 24, 'f', "fit", {.inflight = {65536, 0, 9, 256, {0}}}},
	{"inflight of empty queues", 32, 24, 'f', "fit", {.inflight = {65536, 0, 2, 0, {0}}}},
	{"inflight of large queues", 32, 24, 'f', "fit", {.inflight = {65536, 0, 2, 32769, {0}}}},
	{"inflight too small", 32, 24, 'f', "fit", {.inflight = {8000, 0, 2, 256, {0}}}},
	{"inflight beyond its file",
	 32,
	 24,
	 'f',
	 "file",
	 {.inflight = {65536, OWNER_MEM, 2, 256, {0}}}},
	{"inflight that wraps", 32, 24, 'f', "fit", {.inflight = {65536, UINT64_MAX, 2, 256, {0}}}},
	{"inflight in a pipe", 32, 24, 'p', "file", {.inflight = {65536, 0, 2, 256, {0}}}},
};

/* A descriptor of the kind, and what has to be closed with it. */
static int
make_fd(char kind, int *other)
{
	int pair[2] = {-1, -1};

	*other = -1;
	switch (kind) {
	case 'f':
		return dup(w.o.memfd);
	case 'e':
		return eventfd(0, 0);
	case 'd':
		return open("/", O_RDONLY | O_DIRECTORY);
	case 'p':
		assert_int_equal(pipe(pair), 0);
		break;
	case 's':
	case 'D':
		assert_int_equal(socketpair(AF_UNIX, kind == 's' ? SOCK_STREAM : SOCK_DGRAM, 0,
					    pair),
				 0);
		break;
	default:
		return -1;
	}
	*other = pair[1];
	return pair[0];
}

static void
bad_value(size_t i, uint32_t flags)
{
	int other, fd = make_fd(bad[i].fd, &other);
	struct facts *before = facts();
	bool answered = bad[i].id == VHU_SET_LOG_BASE;
	uint64_t ret;

	ret = wire_send(&w, bad[i].id, flags, &bad[i].v, bad[i].size, &fd, fd >= 0);
	if (strstr(wire_why(&w), bad[i].why) == NULL || *wire_why(&w) == '\0')
		fail_msg("%s: refused for \"%s\", not \"%s\"", bad[i].what, wire_why(&w),
			 bad[i].why);
	if ((flags & VHU_NEED_REPLY) && !answered && (ret == 0 || ret >= WIRE_SILENT))
		fail_msg("%s: the front-end was not told", bad[i].what);
	if (ret == WIRE_GONE) {
		free(before);
		wire_reconnect(&w, WIRE_ALL);
		wire_start(&w, MODERN);
	} else {
		check_unchanged(before, bad[i].what, bad[i].id);
	}
	if (fd >= 0)
		close(fd);
	if (other >= 0)
		close(other);
}

static void
test_bad_values(void **state)
{
	unsigned int open;
	size_t i;

	wire_start(&w, MODERN);
	for (i = 0; i < RTE_DIM(bad); i++) {
		open = open_fds();
		bad_value(i, ASK);
		bad_value(i, VHU_VERSION);
		if (open_fds() != open)
			fail_msg("%s leaves a descriptor", bad[i].what);
	}
	assert_non_null(w.o.rx[0]);
}

/* Refused because of the time, not of what they say: the session goes on, asked or not. */
static void
test_bad_times(void **state)
{
	const struct vhu_vring_state endian = {1, 1};
	const uint64_t features = 0, format = WIRE_ALL | VHU_PF(FORMAT_MODERN);
	struct facts *before;

	wire_start(&w, MODERN);
	before = facts();
	assert_int_equal(wire_send(&w, VHU_SET_FEATURES, VHU_VERSION, &features, 8, NULL, 0),
			 WIRE_SILENT);
	assert_int_equal(wire_ask_u64(&w, VHU_SET_FEATURES, 0), EBUSY);
	assert_int_equal(wire_send(&w, VHU_SET_VRING_ENDIAN, VHU_VERSION, &endian, 8, NULL, 0),
			 WIRE_SILENT);
	assert_int_equal(wire_ask_state(&w, VHU_SET_VRING_ENDIAN, 1, 1), EBUSY);
	assert_int_equal(wire_send(&w, VHU_SET_PROTOCOL_FEATURES, VHU_VERSION, &format, 8, NULL, 0),
			 WIRE_SILENT);
	assert_int_equal(w.s.count.refused, 5);
	check_unchanged(before, "at a bad time", VHU_SET_FEATURES);
}

/* A ring that can never run as it is set up: the front-end is told, the session goes on. */
static void
test_refused_start(void **state)
{
	const uint64_t kick = 1 | VHU_VRING_NOFD;

	assert_int_equal(wire_ask_u64(&w, VHU_SET_FEATURES, MODERN), 0);
	wire_give_memory(&w);
	wire_start_ring(&w, 0, 256, 0);
	assert_int_equal(wire_ask_state(&w, VHU_SET_VRING_NUM, 1, 100), 0);
	assert_int_equal(wire_ask(&w, VHU_SET_VRING_ADDR,
				  &(struct vhu_vring_addr){1, 0, OWNER_UVA, OWNER_UVA, OWNER_UVA,
							   0},
				  sizeof(struct vhu_vring_addr)),
			 0);
	assert_int_equal(wire_ask_u64(&w, VHU_SET_VRING_KICK, kick), EPERM);
	assert_non_null(strstr(wire_why(&w), "power of two"));
	assert_int_equal(wire_send(&w, VHU_SET_VRING_KICK, VHU_VERSION, &kick, 8, NULL, 0),
			 WIRE_SILENT);
	assert_non_null(w.o.tx[0]);
}

static void
test_config_reads(void **state)
{
	struct vhu_config_msg c = {.offset = 8, .size = 2};

	assert_int_not_equal(wire_ask(&w, VHU_GET_CONFIG, &c, 14), WIRE_GONE);
	assert_int_equal(w.reply.header.size, 14);
	assert_int_equal(w.reply.payload.config.data[0], OWNER_PAIRS);
	c.offset = 23;
	wire_ask(&w, VHU_GET_CONFIG, &c, 14);
	assert_int_equal(w.reply.header.size, 0);
	c = (struct vhu_config_msg){.offset = 0, .size = 200};
	wire_ask(&w, VHU_GET_CONFIG, &c, 14);
	assert_int_equal(w.reply.header.size, 0);
}

static void
test_inflight(void **state)
{
	struct vhu_inflight f = {0, 0, 2, 256, {0}};
	uint64_t word = 1;
	int fd;

	wire_ask(&w, VHU_GET_INFLIGHT_FD, &f, sizeof(f));
	assert_true(w.reply_fd >= 0);
	f = w.reply.payload.inflight;
	assert_int_equal(f.mmap_size, 2 * (64 + 4096));
	assert_int_equal(pread(w.reply_fd, &word, 8, 8), 8);
	assert_int_equal(word, 1 | 256 << 16);
	fd = dup(w.reply_fd);
	assert_int_equal(wire_send(&w, VHU_SET_INFLIGHT_FD, ASK, &f, 20, &fd, 1), 0);
	close(fd);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(wrong_forms),   T(wrong_forms_while_running),
		T(bad_index),     T(not_negotiated),
		T(unknown_ids),   T(bad_flags),
		T(bad_values),    T(bad_times),
		T(refused_start), T(config_reads),
		T(inflight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
