/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages as a front-end would send them, but in any order: whatever a session
 * was given is given back with its end, and rings that run run in memory that
 * is there.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "wire.h"

#define SESSIONS 400
#define MESSAGES 120 /* of a session */
#define RINGS 4
#define SLOT_SIZE (OWNER_MEM / 8)

static struct wire w;
static unsigned int seed;

static uint32_t
any(uint32_t n)
{
	return (uint32_t)rand_r(&seed) % n;
}

/* --- what messages say --- */

static uint32_t
say_nothing(union peer_value *v)
{
	return 0;
}

static uint32_t
say_features(union peer_value *v)
{
	static const uint64_t extra[] = {0, F(RING_PACKED), F(LOG_ALL), F(ACCESS_PLATFORM)};

	v->u64 = F(PROTOCOL_FEATURES) | (any(8) > 0 ? F(VERSION_1) | extra[any(4)] : 0);
	return sizeof(v->u64);
}

static struct vhu_mem_region
slot(uint32_t i)
{
	const struct gmem_desc d = owner_region(i * SLOT_SIZE, SLOT_SIZE);

	return (struct vhu_mem_region){d.gpa, d.size, d.uva, d.mmap_offset};
}

static uint32_t
say_table(union peer_value *v)
{
	const struct gmem_desc d = owner_region(0, OWNER_MEM);

	v->table.n = 1;
	v->table.r[0] = (struct vhu_mem_region){d.gpa, d.size, d.uva, d.mmap_offset};
	if (any(2) > 0) {
		v->table.n = 2;
		v->table.r[0] = slot(any(4));
		v->table.r[1] = slot(4 + any(4));
	}
	return offsetof(struct vhu_mem_table, r[v->table.n]);
}

static uint32_t
say_slot(union peer_value *v)
{
	v->mem.r = slot(any(8));
	return sizeof(v->mem);
}

static uint32_t
say_log(union peer_value *v)
{
	v->log.size = 4096;
	return sizeof(v->log);
}

static uint32_t
say_size(union peer_value *v)
{
	static const uint32_t size[] = {256, 128, 100, 0};

	v->state = (struct vhu_vring_state){any(RINGS), size[any(4)]};
	return sizeof(v->state);
}

static uint32_t
say_switch(union peer_value *v)
{
	v->state = (struct vhu_vring_state){any(RINGS), any(2)};
	return sizeof(v->state);
}

static uint32_t
say_addr(union peer_value *v)
{
	uint32_t i = any(RINGS);
	uint64_t at = OWNER_UVA + RING_AT(i);

	v->addr = (struct vhu_vring_addr){
		.index = i,
		.flags = any(2),
		.desc = at,
		.avail = at + RING_DRIVER_OFF,
		.used = at + RING_DEVICE_OFF,
		.log = OWNER_GPA + RING_AT(i) + RING_DEVICE_OFF,
	};
	return sizeof(v->addr);
}

static uint32_t
say_ring(union peer_value *v)
{
	v->u64 = any(RINGS);
	return sizeof(v->u64);
}

static uint32_t
say_translation(union peer_value *v)
{
	uint64_t at = any(8) * SLOT_SIZE;

	v->iotlb = (struct vhu_iotlb){
		.iova = OWNER_UVA + at,
		.size = SLOT_SIZE,
		.uva = OWNER_UVA + at,
		.perm = 3,
		.type = any(4) > 0 ? VHU_IOTLB_UPDATE : VHU_IOTLB_INVALIDATE,
	};
	return sizeof(v->iotlb);
}

static uint32_t
say_status(union peer_value *v)
{
	v->u64 = any(4) > 0 ? 15 : 0;
	return sizeof(v->u64);
}

static uint32_t
say_inflight(union peer_value *v)
{
	v->inflight = (struct vhu_inflight){.num_queues = 2, .queue_size = 128};
	return sizeof(v->inflight);
}

static uint32_t
say_direction(union peer_value *v)
{
	v->device_state.direction = any(2);
	return sizeof(v->device_state);
}

static uint32_t
say_mtu(union peer_value *v)
{
	v->u64 = 1000 + any(500);
	return sizeof(v->u64);
}

/* --- descriptors: the one to send, and what has to be closed with it --- */

static void
no_fd(int fd[2])
{
}

static void
memory_fd(int fd[2])
{
	fd[0] = dup(w.o.memfd);
}

static void
event_fd(int fd[2])
{
	fd[0] = eventfd(0, EFD_NONBLOCK);
}

static void
socket_fd(int fd[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
}

static void
pipe_fd(int fd[2])
{
	assert_int_equal(pipe(fd), 0);
}

static const struct {
	uint32_t request;
	uint32_t (*say)(union peer_value *v);
	void (*give)(int fd[2]);
	uint32_t weight;
} kinds[] = {
	{VHU_SET_FEATURES, say_features, no_fd, 3},
	{VHU_SET_OWNER, say_nothing, no_fd, 1},
	{VHU_RESET_OWNER, say_nothing, no_fd, 1},
	{VHU_SET_MEM_TABLE, say_table, memory_fd, 3},
	{VHU_SET_LOG_BASE, say_log, memory_fd, 2},
	{VHU_SET_LOG_FD, say_nothing, event_fd, 1},
	{VHU_SET_VRING_NUM, say_size, no_fd, 6},
	{VHU_SET_VRING_ADDR, say_addr, no_fd, 6},
	{VHU_SET_VRING_BASE, say_switch, no_fd, 2},
	{VHU_GET_VRING_BASE, say_switch, no_fd, 1},
	{VHU_SET_VRING_KICK, say_ring, event_fd, 6},
	{VHU_SET_VRING_CALL, say_ring, event_fd, 4},
	{VHU_SET_VRING_ERR, say_ring, event_fd, 2},
	{VHU_SET_VRING_ENABLE, say_switch, no_fd, 4},
	{VHU_SET_VRING_ENDIAN, say_switch, no_fd, 1},
	{VHU_NET_SET_MTU, say_mtu, no_fd, 1},
	{VHU_SET_BACKEND_REQ_FD, say_nothing, socket_fd, 1},
	{VHU_IOTLB_MSG, say_translation, no_fd, 6},
	{VHU_GET_INFLIGHT_FD, say_inflight, no_fd, 1},
	{VHU_SET_INFLIGHT_FD, say_inflight, memory_fd, 1},
	{VHU_RESET_DEVICE, say_nothing, no_fd, 1},
	{VHU_ADD_MEM_REG, say_slot, memory_fd, 6},
	{VHU_REM_MEM_REG, say_slot, no_fd, 3},
	{VHU_SET_STATUS, say_status, no_fd, 2},
	{VHU_SET_DEVICE_STATE_FD, say_direction, pipe_fd, 2},
	{VHU_CHECK_DEVICE_STATE, say_nothing, no_fd, 1},
};

static size_t
any_kind(void)
{
	uint32_t i = 0, left, sum = 0;

	do {
		sum += kinds[i].weight;
	} while (++i < RTE_DIM(kinds));
	left = any(sum);
	for (i = 0; left >= kinds[i].weight; i++)
		left -= kinds[i].weight;
	return i;
}

/* --- sessions --- */

struct held {
	unsigned int fds, mappings;
};

static struct held
held(void)
{
	struct held h = {.fds = open_fds()};
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		h.mappings += strstr(line, "memfd:") != NULL;
	fclose(f);
	return h;
}

/** Its memory is not behind the back of a ring. Returns how many run. */
static uint32_t
check_rings(void)
{
	const struct vdev *d = w.o.d;
	uint32_t i, n = 0;

	for (i = 0; i < d->nqueues; i++) {
		const struct vdev_queue *q = &d->q[i];

		if (!q->running)
			continue;
		n++;
		assert_non_null(d->gmem);
		assert_true(q->size > 0 && q->addr_set && q->ready && !q->broken);
		assert_ptr_equal(q->vq->fault, &d->fault);
		if (!(d->features & F(ACCESS_PLATFORM)))
			assert_ptr_equal(gmem_uva_to_hva(d->gmem, q->device_uva, 4, NULL),
					 q->map.area[VQ_DEVICE].hva);
	}
	return n;
}

/** False: the session ended. */
static bool
say_something(void)
{
	size_t k = any_kind();
	int fd[2] = {-1, -1}, fds[2];
	union peer_value v = {.bytes = {0}};
	uint32_t size = kinds[k].say(&v), n = 0;
	uint64_t ret;

	kinds[k].give(fd);
	/* a descriptor for each region of a table; sometimes there is none at all */
	while (fd[0] >= 0 && any(32) > 0 &&
	       n < (kinds[k].request == VHU_SET_MEM_TABLE ? v.table.n : 1))
		fds[n++] = fd[0];
	ret = wire_send(&w, kinds[k].request, VHU_VERSION | (any(8) > 0 ? VHU_NEED_REPLY : 0), &v,
			size, fds, n);
	for (n = 0; n < 2; n++)
		if (fd[n] >= 0)
			close(fd[n]);
	return ret != WIRE_GONE;
}

static void
any_order_leaves_nothing(void **state)
{
	struct held before;
	uint32_t i, k, ran = 0;

	wire_init(&w, WIRE_ALL);
	before = held();
	for (i = 0; i < SESSIONS; i++) {
		struct held after;

		seed = i + 1;
		for (k = 0; k < MESSAGES && say_something(); k++)
			ran += check_rings();
		wire_reconnect(&w, WIRE_ALL);
		/* another thread closes what may make its closer wait */
		for (k = 0; k < 30000 && open_fds() != before.fds; k++)
			usleep(1000);
		after = held();
		if (after.fds != before.fds || after.mappings != before.mappings)
			fail_msg("session %u left %d descriptors and %d mappings", i,
				 (int)(after.fds - before.fds),
				 (int)(after.mappings - before.mappings));
	}
	assert_true(ran > SESSIONS); /* rings did run, or this shows nothing */
	wire_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(any_order_leaves_nothing)};

	signal(SIGPIPE, SIG_IGN); /* as the program does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
