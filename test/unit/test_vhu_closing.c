/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Control closes no descriptor whose last user may have to wait for the peer, or for as long as
 * the peer decides: an eventfd in its epoll sets, a pipe, a socket, a lot of memory.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/irq.h"
#include "gmem/reaper.h"
#include "wire.h"

#define MODERN (F(VERSION_1) | F(PROTOCOL_FEATURES))
#define REGION_BYTES (2u << 20) /* of memory: more than control closes */

int __real_close(int fd);
int __wrap_close(int fd);

static struct wire w;
static _Atomic pid_t control; /* 0: closes are not looked at */
static unsigned int faults;

/* An eventfd, a pipe, or memory that takes long. */
static bool
may_last(int fd)
{
	struct stat st;

	if (fcntl(fd, F_GET_SEALS) >= 0)
		return fstat(fd, &st) == 0 && (uint64_t)st.st_blocks * 512 > REGION_BYTES / 2;
	return vhu_fd_is(fd, "anon_inode:[eventfd]") || vhu_fd_is(fd, "pipe:[");
}

int
__wrap_close(int fd)
{
	if (gettid() == control && may_last(fd))
		faults++;
	return __real_close(fd);
}

static int
setup(void **state)
{
	faults = 0;
	wire_init(&w, WIRE_ALL);
	w.s.conn.lane = irq_group_lane(w.o.d->irqs);
	reaper_init(w.o.loop);
	return 0;
}

static int
teardown(void **state)
{
	control = 0;
	reaper_fini();
	wire_fini(&w);
	return 0;
}

static uint64_t
say(uint32_t request, const void *payload, uint32_t size, const int *fds, uint32_t n)
{
	uint64_t ret;

	control = gettid();
	ret = wire_send(&w, request, VHU_VERSION | VHU_NEED_REPLY, payload, size, fds, n);
	control = 0;
	return ret;
}

/* A new eventfd whose only owner is the device, from now on. */
static uint64_t
say_fd(uint32_t request, uint64_t word)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	uint64_t ret = say(request, &word, sizeof(word), &fd, 1);

	close(fd);
	return ret;
}

static void
eventfds_of_rings(void **state)
{
	static const uint32_t requests[] = {VHU_SET_VRING_KICK, VHU_SET_VRING_CALL,
					    VHU_SET_VRING_ERR};
	const struct vhu_vring_state base = {0, 0};

	wire_start(&w, MODERN);
	for (uint32_t round = 0; round < 2; round++)
		for (uint32_t i = 0; i < RTE_DIM(requests); i++)
			assert_int_equal(say_fd(requests[i], 0), 0);
	say(VHU_GET_VRING_BASE, &base, sizeof(base), NULL, 0);
	assert_int_equal(faults, 0);
	control = gettid();
	vdev_disconnect(w.o.d);
	control = 0;
	assert_int_equal(faults, 0);
}

static void
descriptors_not_taken(void **state)
{
	int fds[3], pipes[2];

	assert_int_equal(pipe(pipes), 0);
	fds[0] = eventfd(0, 0);
	fds[1] = pipes[0];
	fds[2] = memfd_create("guest", MFD_CLOEXEC);
	assert_int_equal(fallocate(fds[2], 0, 0, REGION_BYTES), 0);
	assert_int_not_equal(say(VHU_SET_OWNER, NULL, 0, fds, RTE_DIM(fds)), 0);
	assert_int_not_equal(say(VHU_SET_VRING_CALL, &(uint64_t){0}, 8, fds, 2), 0);
	assert_int_equal(faults, 0);
	for (uint32_t i = 0; i < RTE_DIM(fds); i++)
		close(fds[i]);
	close(pipes[1]);
}

static void
pipes_of_transfers(void **state)
{
	const struct vhu_device_state load = {1, 0};
	int pipes[2];

	assert_int_equal(pipe(pipes), 0);
	say(VHU_SET_DEVICE_STATE_FD, &load, sizeof(load), pipes, 1);
	say(VHU_SET_DEVICE_STATE_FD, &load, sizeof(load), pipes, 1);
	close(pipes[0]);
	close(pipes[1]);
	say(VHU_CHECK_DEVICE_STATE, NULL, 0, NULL, 0);
	assert_int_equal(faults, 0);
}

/* The device keeps the memory alive: the guest's process is gone. */
static void
memory_of_regions(void **state)
{
	const struct vhu_mem_single m = {
		.r = {.gpa = 1ull << 40, .size = REGION_BYTES, .uva = 1ull << 40}};
	int fd = memfd_create("guest", MFD_CLOEXEC);

	assert_int_equal(fallocate(fd, 0, 0, REGION_BYTES), 0);
	assert_int_equal(say(VHU_ADD_MEM_REG, &m, sizeof(m), &fd, 1), 0);
	close(fd);
	assert_int_equal(say(VHU_REM_MEM_REG, &m, sizeof(m), NULL, 0), 0);
	control = gettid();
	for (uint32_t i = 0; i < 4; i++)
		ev_run_once(w.o.loop, 10);
	control = 0;
	assert_int_equal(faults, 0);
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(eventfds_of_rings),
		EACH(descriptors_not_taken),
		EACH(pipes_of_transfers),
		EACH(memory_of_regions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
