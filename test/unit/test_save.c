/* SPDX-License-Identifier: BSD-3-Clause */
/* Saved state: what is put in comes out, what is damaged or foreign does not get in. */
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
#include <unistd.h>

#include <cmocka.h>

#include <rte_hash_crc.h>

#include "base/blob.h"
#include "vdev/save.h"
#include "wire.h"

#define MODERN (F(VERSION_1) | F(PROTOCOL_FEATURES))
#define PACKED (MODERN | F(RING_PACKED))
#define OWN_TYPE (VDEV_SAVE_OWNER + 1)
#define HEADER 16

static char owners[16]; /* what the owner found in loaded state */

static void
on_save(struct vdev *d, struct blob *b)
{
	blob_put_record(b, &(struct blob_record){OWN_TYPE, 0, 8}, "seven b");
	blob_put_record(b, &(struct blob_record){OWN_TYPE + 1, 0, 3}, "odd");
}

static void
on_load(struct vdev *d, uint16_t type, const void *data, uint32_t len)
{
	if (type == OWN_TYPE)
		memcpy(owners, data, len);
}

static struct vdev_ops ops;
static struct wire w;
static unsigned int fds_before;

static int
setup(void **state)
{
	ops = owner_ops;
	ops.save = on_save;
	ops.load = on_load;
	memset(owners, 0, sizeof(owners));
	fds_before = open_fds();
	wire_init(&w, WIRE_ALL);
	w.o.d->cfg.ops = &ops;
	return 0;
}

static int
teardown(void **state)
{
	wire_fini(&w);
	return open_fds() == fds_before ? 0 : -1;
}

/* A device that carried traffic and stands still. */
static void
used_device(uint64_t features)
{
	struct vqd drv;
	uint32_t i;

	wire_start(&w, features);
	owner_driver(&w.o, 1, 256, &drv);
	for (i = 0; i < 5; i++)
		assert_int_equal(owner_transmit(&w.o, 0, &drv), 1);
	vqd_fini(&drv);
	for (i = 0; i < 2; i++)
		wire_ask_state(&w, VHU_GET_VRING_BASE, i, 0);
	assert_int_equal(vdev_state(w.o.d), VDEV_STATE_STOP);
}

static void
reseal(struct blob *b)
{
	uint32_t len = (uint32_t)b->len;
	uint32_t crc = rte_hash_crc(b->data + HEADER, len - HEADER, 0);

	memcpy(b->data + 8, &len, 4);
	memcpy(b->data + 12, &crc, 4);
}

static void
test_there_and_back(void **state)
{
	struct blob b = {0};
	const char *why;

	used_device(PACKED);
	memcpy(w.o.d->cfg.mac, "\x52\x54\0\1\2\3", 6);
	assert_int_equal(vdev_save(w.o.d, &b), 0);
	wire_reconnect(&w, WIRE_ALL);
	memset(w.o.d->cfg.mac, 0, 6);
	memset(&w.o.d->q[1].vq->q.stats, 0, sizeof(w.o.d->q[1].vq->q.stats));
	assert_int_equal(vdev_load(w.o.d, b.data, b.len, &why), 0);
	assert_int_equal(vq_state_to_word(VQ_PACKED, &w.o.d->q[1].state), 0x80058005);
	assert_int_equal(vq_state_to_word(VQ_PACKED, &w.o.d->q[0].state), 0x80008000);
	assert_memory_equal(w.o.d->cfg.mac, "\x52\x54\0\1\2\3", 6);
	assert_int_equal(w.o.d->q[1].vq->q.stats.frames, 5);
	assert_string_equal(owners, "seven b");
	blob_free(&b);
}

/* Every bit of it counts: no flipped one goes unnoticed, no shorter one is read beyond its end. */
static void
test_damage(void **state)
{
	struct blob b = {0};
	const char *why;
	uint8_t *copy;
	size_t i;

	used_device(MODERN);
	assert_int_equal(vdev_save(w.o.d, &b), 0);
	for (i = 0; i < b.len * 8; i++) {
		if (i / 8 == 6 || i / 8 == 7)
			continue; /* not used yet */
		b.data[i / 8] ^= (uint8_t)(1u << (i % 8));
		assert_int_equal(vdev_load(w.o.d, b.data, b.len, &why), -EINVAL);
		assert_non_null(why);
		b.data[i / 8] ^= (uint8_t)(1u << (i % 8));
	}
	for (i = 0; i < b.len; i++) {
		copy = malloc(i + 1);
		memcpy(copy, b.data, i);
		assert_int_equal(vdev_load(w.o.d, copy, i, &why), -EINVAL);
		free(copy);
	}
	assert_int_equal(*owners, 0);
	assert_int_equal(vdev_load(w.o.d, b.data, b.len, &why), 0);
	blob_free(&b);
}

/* With a good checksum, too, lengths are not believed. */
static void
test_lengths(void **state)
{
	static const uint32_t bad[] = {0x7fffffff, UINT32_MAX, UINT32_MAX - 7, 1u << 20};
	struct blob b = {0};
	const char *why;
	size_t i;

	used_device(MODERN);
	assert_int_equal(vdev_save(w.o.d, &b), 0);
	for (i = 0; i < RTE_DIM(bad); i++) {
		memcpy(b.data + HEADER + 4, &bad[i], 4);
		reseal(&b);
		assert_int_equal(vdev_load(w.o.d, b.data, b.len, &why), -EINVAL);
		assert_string_equal(why, "the state is damaged");
	}
	blob_free(&b);
}

/* One record of a kind behind a good header. */
static const char *
judge(uint16_t type, uint16_t flags, const void *data, uint32_t len)
{
	const uint32_t head[2] = {type | (uint32_t)flags << 16, len};
	struct blob b = {0};
	uint8_t header[HEADER] = {'V', 'Q', 'S', 'D', 1};
	const char *why;
	int ret;

	blob_put(&b, header, sizeof(header));
	blob_put(&b, head, sizeof(head));
	blob_put(&b, data, len);
	reseal(&b);
	ret = vdev_load(w.o.d, b.data, b.len, &why);
	assert_int_equal(ret, why == NULL ? 0 : -EINVAL);
	blob_free(&b);
	return why;
}

static void
test_foreign_records(void **state)
{
	const uint64_t features[2] = {1ull << 63, 1};
	const uint64_t pairs[2] = {0, OWNER_PAIRS + 1};
	const uint32_t queue[4] = {2 * OWNER_PAIRS, 256, 0, 0};
	const uint32_t size[4] = {0, 32769, 0, 0};
	const uint32_t format[4] = {0, 256, 0, 3};
	const uint32_t legacy[4] = {0, 256, 0, VDEV_LEGACY_BE};

	assert_null(judge(77, 0, "whatever", 8));
	assert_non_null(strstr(judge(77, 1, "whatever", 8), "not known"));
	assert_non_null(strstr(judge(1, 1, features, 16), "features"));
	assert_non_null(strstr(judge(1, 1, pairs, 16), "more queues"));
	assert_non_null(strstr(judge(1, 1, features, 8), "too short"));
	assert_non_null(strstr(judge(2, 1, queue, 16), "queue"));
	assert_non_null(strstr(judge(2, 1, size, 16), "ring"));
	assert_non_null(strstr(judge(2, 1, format, 16), "format"));
	assert_null(judge(2, 1, legacy, 16));
	vdev_set_policy(w.o.d, VDEV_POLICY_MODERN_ONLY);
	assert_non_null(strstr(judge(2, 1, legacy, 16), "policy"));
	assert_null(judge(3, 0, "counters of another version", 24));
}

/* --- over the wire --- */

static uint64_t
state_fd(uint32_t direction, uint32_t phase, int fd)
{
	const struct vhu_device_state x = {direction, phase};

	return wire_send(&w, VHU_SET_DEVICE_STATE_FD, VHU_VERSION, &x, sizeof(x), &fd, 1);
}

static uint64_t
check(void)
{
	return wire_send(&w, VHU_CHECK_DEVICE_STATE, VHU_VERSION, NULL, 0, NULL, 0);
}

static size_t
save_over_wire(uint8_t *buf, size_t len)
{
	size_t got = 0;
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(state_fd(VHU_STATE_SAVE, 0, p[1]), VHU_STATE_NOFD);
	close(p[1]);
	assert_int_equal(vdev_state(w.o.d), VDEV_STATE_STOP_COPY);
	for (;;) {
		ssize_t n = read(p[0], buf + got, len - got);

		if (n == 0)
			break;
		got += n > 0 ? (size_t)n : 0;
		ev_run_once(w.o.loop, 0);
	}
	close(p[0]);
	assert_int_equal(check(), 0);
	assert_int_equal(vdev_state(w.o.d), VDEV_STATE_STOP);
	return got;
}

static uint64_t
load_over_wire(const uint8_t *buf, size_t len, size_t at_once)
{
	size_t put = 0;
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(state_fd(VHU_STATE_LOAD, 0, p[0]), VHU_STATE_NOFD);
	close(p[0]);
	assert_int_equal(vdev_state(w.o.d), VDEV_STATE_RESUMING);
	for (; put < len; put += at_once) {
		size_t n = RTE_MIN(at_once, len - put);

		assert_int_equal(write(p[1], buf + put, n), n);
		ev_run_once(w.o.loop, 0);
	}
	close(p[1]);
	return check();
}

static void
test_over_the_wire(void **state)
{
	static uint8_t buf[65536];
	size_t len;

	used_device(PACKED);
	len = save_over_wire(buf, sizeof(buf));
	assert_true(len > HEADER);
	wire_reconnect(&w, WIRE_ALL);
	assert_int_equal(load_over_wire(buf, len, 100), 0);
	assert_int_equal(vq_state_to_word(VQ_PACKED, &w.o.d->q[1].state), 0x80058005);
	wire_reconnect(&w, WIRE_ALL);
	assert_int_equal(load_over_wire(buf, len, len), 0);
	wire_reconnect(&w, WIRE_ALL);
	assert_int_equal(load_over_wire(buf, len - 1, 1000), EINVAL);
	assert_non_null(strstr(wire_why(&w), "damaged"));
	assert_int_equal(vdev_state(w.o.d), VDEV_STATE_STOP);
	assert_false(w.o.d->q[1].state_set);
	/* rings start as if nothing had been tried */
	wire_start(&w, MODERN);
	assert_non_null(w.o.rx[0]);
}

/* More than a pipe holds, and a reader that takes its time. */
static void
test_slow_reader(void **state)
{
	static uint8_t buf[200];
	bool complete;
	int p[2];

	used_device(MODERN);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	fcntl(p[1], F_SETPIPE_SZ, 4096);
	assert_int_equal(state_fd(VHU_STATE_SAVE, 0, p[1]), VHU_STATE_NOFD);
	/* it can be made blocking any number of times: it is not the one that is written to */
	fcntl(p[1], F_SETFL, 0);
	ev_run_once(w.o.loop, 0);
	assert_int_equal(wire_ask_u64(&w, VHU_SET_FEATURES, MODERN), 0);
	assert_true(read(p[0], buf, sizeof(buf)) > 0);
	/* the reader gives up */
	close(p[1]);
	close(p[0]);
	ev_run_once(w.o.loop, 0);
	complete = w.s.transfer.state == VHU_TRANSFER_COMPLETE; /* check() ends the transfer */
	assert_int_equal(check() == 0, complete);
}

static void
test_refused(void **state)
{
	int p[2], ev = eventfd(0, 0);

	assert_int_equal(check(), EINVAL);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(state_fd(2, 0, p[1]), EINVAL);
	assert_int_equal(state_fd(VHU_STATE_SAVE, 1, p[1]), EINVAL);
	assert_int_equal(state_fd(VHU_STATE_SAVE, 0, w.o.memfd), EINVAL);
	assert_int_equal(state_fd(VHU_STATE_LOAD, 0, ev), EINVAL);
	wire_start(&w, MODERN);
	assert_int_equal(state_fd(VHU_STATE_SAVE, 0, p[1]), EBUSY);
	assert_int_equal(state_fd(VHU_STATE_LOAD, 0, p[0]), EBUSY);
	assert_non_null(w.o.rx[0]);
	close(p[0]);
	close(p[1]);
	close(ev);
}

/* A transfer that never ends is given up with the connection, or with the next one. */
static void
test_abandoned(void **state)
{
	int p[2], q[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(pipe2(q, O_CLOEXEC), 0);
	assert_int_equal(state_fd(VHU_STATE_LOAD, 0, p[0]), VHU_STATE_NOFD);
	assert_int_equal(state_fd(VHU_STATE_LOAD, 0, q[0]), VHU_STATE_NOFD);
	assert_int_equal(check(), EIO);
	assert_int_equal(state_fd(VHU_STATE_LOAD, 0, q[0]), VHU_STATE_NOFD);
	wire_reconnect(&w, WIRE_ALL);
	assert_int_equal(vdev_state(w.o.d), VDEV_STATE_STOP);
	close(p[0]);
	close(p[1]);
	close(q[0]);
	close(q[1]);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(there_and_back), T(damage),      T(lengths), T(foreign_records),
		T(over_the_wire),  T(slow_reader), T(refused), T(abandoned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
