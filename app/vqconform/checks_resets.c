/* SPDX-License-Identifier: BSD-3-Clause */
/* Rings that are stopped, devices that are reset, sessions that end. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "frame.h"
#include "link.h"
#include "outcome.h"

#define PACKED_POSITION 0xffffu /* of a vring base: available index and wrap counter */
#define STILL_MS 400
#define TIMES 10

static const struct station_wish modern = {.features = MODERN};
static const struct station_wish packed = {.features = PACKED};
static const struct station_wish legacy = {.features = 0};
static const struct station_wish mergeable = {.features = MODERN | BIT(VIRTIO_NET_F_MRG_RXBUF)};

/** Frames of the other guest, which none may take. */
static void
shout(struct link *l)
{
	if (l->there == &l->here)
		return;
	for (int i = 0; i < 16; i++)
		station_send(l->there, ++l->seq, FRAME_MIN, NULL);
}

/** The device was reset: whatever is sent to it, it writes nothing any more. */
static void
expect_still(struct link *l)
{
	uint64_t before;

	station_barrier(&l->here);
	before = station_checksum(&l->here);
	shout(l);
	usleep(STILL_MS * 1000);
	if (station_checksum(&l->here) != before)
		outcome_fail("memory has changed after a reset");
}

/** A ring stands where the driver has got its last buffer back. */
static void
base(const void *arg)
{
	struct link l;

	link_open(&l, arg);
	link_exchange(&l, 48);
	for (unsigned int i = 0; i < STATION_QUEUES; i++) {
		const uint32_t mask = PACKED_POSITION;
		const uint32_t want = vqd_resume_base(&l.here.q[i].d) & mask;
		const uint32_t got = station_stop(&l.here, i) & mask;

		if (got != want)
			outcome_fail("ring %u: the base is %#x instead of %#x", i, got, want);
	}
}

static void
stopped_is_still(const void *arg)
{
	uint64_t before;
	struct link l;

	link_open(&l, arg);
	link_exchange(&l, 16);
	for (unsigned int i = 0; i < STATION_QUEUES; i++)
		station_stop(&l.here, i);
	before = station_checksum(&l.here);
	shout(&l);
	usleep(STILL_MS * 1000);
	if (station_checksum(&l.here) != before)
		outcome_fail("memory has changed after the rings were stopped");
}

static void
stop_and_start(const void *arg)
{
	struct link l;

	link_open(&l, arg);
	for (int i = 0; i < TIMES; i++) {
		const unsigned int first = (unsigned int)i % STATION_QUEUES;

		link_exchange(&l, 16);
		(void)station_stop(&l.here, first);
		(void)station_stop(&l.here, !first);
		station_run(&l.here);
		link_probe(&l);
	}
	link_exchange(&l, 16);
	link_close(&l);
}

/** One ring at a time, the other one goes on. */
static void
stop_one(const void *arg)
{
	struct link l;

	link_open(&l, arg);
	for (int i = 0; i < TIMES; i++) {
		const unsigned int queue = (unsigned int)i % STATION_QUEUES;

		link_exchange(&l, 16);
		(void)station_stop(&l.here, queue);
		station_start_one(&l.here, queue);
		station_enable(&l.here, true);
		station_ready(&l.here);
		link_probe(&l);
	}
	link_exchange(&l, 16);
	link_close(&l);
}

struct change {
	const struct station_wish *from, *to;
};

/** A guest that boots something else: firmware, another kernel. */
static void
another_driver(const void *arg)
{
	const struct change *c = arg;
	struct link l;

	link_open(&l, c->from);
	for (int i = 0; i < 3; i++) {
		link_exchange(&l, 16);
		station_again(&l.here, i % 2 == 0 ? c->to : c->from);
		link_probe(&l);
	}
	link_exchange(&l, 16);
	link_close(&l);
}

static void
reset_device(const void *arg)
{
	const struct station_wish wish = {.features = MODERN, .protocol = VHU_PF(RESET_DEVICE)};
	const struct vhu_msg m = {.header = {.request = VHU_RESET_DEVICE}};
	struct link l;

	link_open(&l, &wish);
	link_exchange(&l, 16);
	station_request(&l.here, &m, NULL, 0);
	expect_still(&l);
	station_again(&l.here, &wish);
	link_finish(&l);
}

/** Either ignored, or all rings are disabled; features and memory are kept. */
static void
reset_owner(const void *arg)
{
	const struct vhu_msg m = {.header = {.request = VHU_RESET_OWNER}};
	struct link l;

	link_open(&l, arg);
	link_exchange(&l, 16);
	station_request(&l.here, &m, NULL, 0);
	station_barrier(&l.here);
	station_run(&l.here);
	link_finish(&l);
}

/** Other memory at the same addresses. */
static void
memory_replaced(const void *arg)
{
	struct link l;
	struct gm *mem = &l.here.mem;
	uint8_t *copy;

	link_open(&l, arg);
	link_exchange(&l, 16);
	for (unsigned int i = 0; i < STATION_QUEUES; i++)
		(void)station_stop(&l.here, i);
	copy = malloc(mem->size);
	if (copy == NULL)
		outcome_fail("out of memory");
	memcpy(copy, mem->hva, mem->size);
	close(mem->fd);
	mem->fd = memfd_create("other", MFD_CLOEXEC);
	if (mem->fd < 0 || ftruncate(mem->fd, (off_t)mem->size) != 0 ||
	    mmap(mem->hva, mem->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, mem->fd, 0) ==
		    MAP_FAILED)
		outcome_fail("no other memory");
	memcpy(mem->hva, copy, mem->size);
	free(copy);
	station_announce(&l.here);
	station_run(&l.here);
	link_finish(&l);
}

static void
reset_status(const void *arg)
{
	const struct station_wish wish = {.features = MODERN, .protocol = VHU_PF(STATUS)};
	struct link l;

	link_open(&l, &wish);
	link_exchange(&l, 16);
	if (vhf_set_status(&l.here.vhf, 0) != 0)
		outcome_fail("%s", l.here.vhf.err);
	expect_still(&l);
	station_again(&l.here, &wish);
	link_finish(&l);
}

static void
reconnect(const void *arg)
{
	struct link l;

	link_open(&l, arg);
	for (int i = 0; i < 3; i++) {
		link_exchange(&l, 16);
		for (unsigned int q = 0; q < STATION_QUEUES; q++)
			(void)station_stop(&l.here, q);
		station_reconnect(&l.here);
		link_probe(&l);
	}
	link_exchange(&l, 16);
	link_close(&l);
}

static void
reconnect_abruptly(const void *arg)
{
	struct link l;

	link_open(&l, arg);
	for (int i = 0; i < 3; i++) {
		link_exchange(&l, 16);
		station_reconnect(&l.here);
		link_probe(&l);
	}
	link_exchange(&l, 16);
	link_close(&l);
}

/** Sessions that end before they began. */
static void
reconnect_often(const void *arg)
{
	struct station s;
	struct link l;

	for (int i = 0; i < TIMES; i++) {
		station_connect(&s, 0, arg);
		vhf_close(&s.vhf);
		usleep((useconds_t)station_target.settle_ms * 1000);
	}
	link_open(&l, arg);
	link_exchange(&l, 16);
	link_close(&l);
}

static void
part_of_a_message(const void *arg)
{
	const struct vhu_header h = {VHU_GET_FEATURES, VHU_VERSION, 0};
	struct station s;
	struct link l;

	station_connect(&s, 0, arg);
	if (send(s.vhf.s.conn.src.fd, &h, sizeof(h) / 2, MSG_NOSIGNAL) < 0)
		outcome_fail("the back-end does not read");
	vhf_close(&s.vhf);
	usleep((useconds_t)station_target.settle_ms * 1000);
	link_open(&l, arg);
	link_exchange(&l, 16);
	link_close(&l);
}

/** A message that comes in parts is one message. */
static void
message_in_parts(const void *arg)
{
	const struct vhu_header h = {VHU_GET_FEATURES, VHU_VERSION, 0};
	const uint8_t *byte = (const uint8_t *)&h;
	struct vhu_msg m;
	struct station s;

	station_connect(&s, 0, arg);
	for (size_t i = 0; i < sizeof(h); i++) {
		if (send(s.vhf.s.conn.src.fd, &byte[i], 1, MSG_NOSIGNAL) != 1)
			outcome_fail("the back-end has ended the session at byte %zu", i);
		usleep(2000);
	}
	if (!station_hear(&s, &m))
		outcome_fail("the message is not answered");
}

/** No memory of a guest that has gone is written. */
static void
gone_is_still(const void *arg)
{
	uint64_t before;
	struct link l;

	link_open(&l, arg);
	link_exchange(&l, 16);
	vhu_frontend_close(&l.here.vhf.s);
	usleep((useconds_t)station_target.settle_ms * 1000 + 200000);
	before = station_checksum(&l.here);
	shout(&l);
	usleep(STILL_MS * 1000);
	if (station_checksum(&l.here) != before)
		outcome_fail("memory has changed after the end of the session");
}

#define CHANGE(a, b)           \
	&(const struct change) \
	{                      \
		&(a), &(b)     \
	}

static const struct check checks[] = {
	{"reset.base", "vhost-user: VHOST_USER_GET_VRING_BASE", base, &modern},
	{"reset.base-packed", "vhost-user: VHOST_USER_GET_VRING_BASE", base, &packed},
	{"reset.stopped-is-still", "vhost-user: Ring states: stopped", stopped_is_still, &modern},
	{"reset.stopped-is-still-packed", "vhost-user: Ring states: stopped", stopped_is_still,
	 &packed},
	{"reset.stop-and-start", "vhost-user: Starting and stopping rings", stop_and_start,
	 &modern},
	{"reset.stop-and-start-packed", "vhost-user: Starting and stopping rings", stop_and_start,
	 &packed},
	{"reset.stop-one", "vhost-user: Starting and stopping rings", stop_one, &modern},
	{"reset.stop-one-packed", "vhost-user: Starting and stopping rings", stop_one, &packed},
	{"reset.same-driver", "virtio 2.4.2: device reset", another_driver, CHANGE(modern, modern)},
	{"reset.legacy-then-modern", "virtio 2.4.2: device reset", another_driver,
	 CHANGE(legacy, modern)},
	{"reset.split-then-packed", "virtio 2.4.2: device reset", another_driver,
	 CHANGE(modern, packed)},
	{"reset.packed-then-mergeable", "virtio 2.4.2: device reset", another_driver,
	 CHANGE(packed, mergeable)},
	{"reset.memory-replaced", "vhost-user: VHOST_USER_SET_MEM_TABLE", memory_replaced, &modern},
	{"reset.device", "vhost-user: VHOST_USER_RESET_DEVICE", reset_device},
	{"reset.status", "vhost-user: VHOST_USER_SET_STATUS, virtio 2.1.2, 2.4.1", reset_status},
	{"reset.owner", "vhost-user: VHOST_USER_RESET_OWNER", reset_owner, &modern},
	{"reconnect.stopped", "vhost-user: Communication: reconnection", reconnect, &modern},
	{"reconnect.stopped-packed", "vhost-user: Communication: reconnection", reconnect, &packed},
	{"reconnect.abrupt", "vhost-user: Communication: reconnection", reconnect_abruptly,
	 &modern},
	{"reconnect.abrupt-packed", "vhost-user: Communication: reconnection", reconnect_abruptly,
	 &packed},
	{"reconnect.often", "vhost-user: Communication: reconnection", reconnect_often, &modern},
	{"reconnect.part-of-a-message", "vhost-user: Communication: reconnection",
	 part_of_a_message, &modern},
	{"reconnect.message-in-parts", "vhost-user: Header", message_in_parts, &modern},
	{"reconnect.gone-is-still", "vhost-user: Ring states", gone_is_still, &modern},
	{"reconnect.gone-is-still-packed", "vhost-user: Ring states", gone_is_still, &packed},
};

CHECK_GROUP(checks_of_resets, checks);
