/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages in other orders, and while rings run. */
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "check.h"
#include "frame.h"
#include "link.h"
#include "outcome.h"

#define REGIONS 8

static const struct station_wish modern = {.features = MODERN};
static const struct station_wish packed = {.features = PACKED};

/** The guests, of which the one under test has a session and nothing else. */
static void
begin(struct link *l, const struct station_wish *wish)
{
	*l = (struct link){0};
	link_other(l);
	station_connect(&l->here, 0, wish);
	station_negotiate(&l->here);
	station_prepare(&l->here);
}

/** As QEMU does: descriptors and enabling before memory and rings, features twice. */
static void
as_qemu(const void *arg)
{
	struct link l;

	begin(&l, arg);
	for (unsigned int i = 0; i < STATION_QUEUES; i++)
		station_notifier(&l.here, VHU_SET_VRING_CALL, i, l.here.q[i].ring.call_fd);
	station_enable(&l.here, true);
	station_set_features(&l.here, l.here.vhf.s.features);
	station_announce(&l.here);
	station_start(&l.here);
	station_ready(&l.here);
	link_finish(&l);
}

/** Enabled while there is no memory. */
static void
enabled_first(const void *arg)
{
	struct link l;

	begin(&l, arg);
	station_enable(&l.here, true);
	station_announce(&l.here);
	station_start(&l.here);
	station_ready(&l.here);
	link_finish(&l);
}

static void
transmit_first(const void *arg)
{
	struct link l;

	begin(&l, arg);
	station_announce(&l.here);
	station_start_one(&l.here, STATION_TX);
	station_start_one(&l.here, STATION_RX);
	station_enable(&l.here, true);
	station_ready(&l.here);
	link_finish(&l);
}

/** Receive buffers are there before the rings are started. */
static void
buffers_first(const void *arg)
{
	struct link l;

	begin(&l, arg);
	station_post(&l.here);
	station_announce(&l.here);
	station_run(&l.here);
	link_finish(&l);
}

static void
call_changed(const void *arg)
{
	const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct link l;

	link_open(&l, arg);
	link_exchange(&l, 16);
	station_notifier(&l.here, VHU_SET_VRING_CALL, STATION_RX, fd);
	station_barrier(&l.here);
	close(l.here.q[STATION_RX].ring.call_fd);
	l.here.q[STATION_RX].ring.call_fd = fd;
	link_exchange(&l, 16);
	station_clear_interrupts(&l.here, STATION_RX);
	(void)vqd_arm(&l.here.q[STATION_RX].d);
	station_send(l.there, ++l.seq, FRAME_MIN, NULL);
	if (!station_interrupted(&l.here, STATION_RX, station_target.timeout_ms))
		outcome_fail("no notification on the new descriptor");
	link_expect(&l.here, l.seq, FRAME_MIN, NULL);
	link_close(&l);
}

/** The memory in regions, each of another part of the file. */
static void
announce_parts(struct station *s, uint32_t n)
{
	struct vhu_msg m = {.header = {.request = VHU_SET_MEM_TABLE}};
	const uint64_t each = s->mem.size / n / 4096 * 4096;
	int fds[REGIONS];

	m.header.size =
		(uint32_t)(offsetof(struct vhu_mem_table, r) + n * sizeof(struct vhu_mem_region));
	m.payload.mem_table.n = n;
	for (uint32_t i = 0; i < n; i++) {
		const uint64_t at = i * each;

		m.payload.mem_table.r[i] = (struct vhu_mem_region){
			.gpa = s->mem.gpa + at,
			.size = i + 1 < n ? each : s->mem.size - at,
			.uva = (uintptr_t)s->mem.hva + at,
			.mmap_offset = at,
		};
		fds[i] = s->mem.fd;
	}
	station_request(s, &m, fds, n);
}

/** Each region is contiguous with the next one, so areas and buffers may lie in two. */
static void
regions(const void *arg)
{
	struct link l;

	begin(&l, arg);
	announce_parts(&l.here, REGIONS);
	station_run(&l.here);
	link_finish(&l);
}

/** The same memory once more, while rings run. */
static void
memory_again(const void *arg)
{
	struct link l;

	link_open(&l, arg);
	for (int i = 0; i < 4; i++) {
		link_exchange(&l, 16);
		announce_parts(&l.here, 1);
	}
	link_finish(&l);
}

static void
receives_nothing(struct link *l)
{
	for (int i = 0; i < 8; i++)
		station_send(l->there, ++l->seq, FRAME_MIN, NULL);
	link_silent(&l->here, 300);
}

/** A ring that is not enabled: nothing is received, and what is sent is thrown away. */
static void
disabled(const void *arg)
{
	struct link l;

	link_open(&l, arg);
	link_exchange(&l, 16);
	station_enable(&l.here, false);
	station_barrier(&l.here);
	receives_nothing(&l);
	station_enable(&l.here, true);
	link_finish(&l);
}

static void
disabled_transmit(const void *arg)
{
	struct link l;

	link_open(&l, arg);
	station_enable(&l.here, false);
	station_barrier(&l.here);
	for (int i = 0; i < 8; i++)
		station_send(&l.here, ++l.seq, FRAME_MIN, NULL);
	if (l.there != &l.here)
		link_silent(l.there, 300);
	station_drain(&l.here);
	link_close(&l);
}

static const struct check checks[] = {
	{"order.as-qemu", "vhost-user: Ring states", as_qemu, &modern},
	{"order.as-qemu-packed", "vhost-user: Ring states", as_qemu, &packed},
	{"order.enabled-first", "vhost-user: VHOST_USER_SET_VRING_ENABLE", enabled_first, &modern},
	{"order.transmit-first", "vhost-user: Starting and stopping rings", transmit_first,
	 &modern},
	{"order.buffers-first", "virtio 3.1.1: device initialization", buffers_first, &modern},
	{"order.buffers-first-packed", "virtio 3.1.1: device initialization", buffers_first,
	 &packed},
	{"order.call-changed", "vhost-user: Ring states: configuration on the fly", call_changed,
	 &modern},
	{"order.regions", "vhost-user: VHOST_USER_SET_MEM_TABLE", regions, &modern},
	{"order.regions-packed", "vhost-user: VHOST_USER_SET_MEM_TABLE", regions, &packed},
	{"order.memory-again", "vhost-user: Ring states: configuration on the fly", memory_again,
	 &modern},
	{"order.disabled", "vhost-user: Ring states: started but disabled", disabled, &modern},
	{"order.disabled-packed", "vhost-user: Ring states: started but disabled", disabled,
	 &packed},
	{"order.disabled-transmit", "vhost-user: Ring states: started but disabled",
	 disabled_transmit, &modern},
};

CHECK_GROUP(checks_of_order, checks);
