/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ways front-ends reset a device between two drivers and start the next one, each
 * as one row: with the same or other features, fewer rings, other memory, after rings
 * that were intact or broken, from and to split and packed rings, with the connection
 * lost in between. The next driver's rings run.
 */
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
#define PACKED (MODERN | F(RING_PACKED))
#define MRG (1ull << 15) /* VIRTIO_NET_F_MRG_RXBUF: other features, the same kind of ring */
#define SIZE 256

static struct wire w;
static unsigned int fds_before;

static int
setup(void **state)
{
	fds_before = open_fds();
	return 0;
}

static int
teardown(void **state)
{
	return open_fds() == fds_before ? 0 : -1;
}

/* --- words of a front-end --- */

static struct {
	uint64_t features, before; /* of the driver that starts and of its predecessor */
	int memfd;                 /* the driver's memory */
	uint64_t uva;
} now;

static void
say_ok(uint64_t ret)
{
	if (ret != 0)
		fail_msg("message %u refused: %s",
			 w.s.history[(w.s.events - 1) % VHU_HISTORY].request, wire_why(&w));
}

static void
say_owner(uint32_t i)
{
	say_ok(wire_ask(&w, VHU_SET_OWNER, NULL, 0));
}

static void
say_protocol_features(uint32_t i)
{
	say_ok(wire_ask_u64(&w, VHU_SET_PROTOCOL_FEATURES, WIRE_ALL));
}

static void
say_channel(uint32_t i)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	say_ok(wire_send(&w, VHU_SET_BACKEND_REQ_FD, VHU_VERSION | VHU_NEED_REPLY, NULL, 0, &sv[1],
			 1));
	close(sv[0]);
	close(sv[1]);
}

static void
say_features(uint32_t i)
{
	say_ok(wire_ask_u64(&w, VHU_SET_FEATURES, now.features));
}

static void
say_changed_features(uint32_t i)
{
	if (now.features != now.before)
		say_features(i);
}

static void
say_no_features(uint32_t i)
{
	say_ok(wire_ask_u64(&w, VHU_SET_FEATURES, 0));
}

static void
say_memory(uint32_t i)
{
	const struct vhu_mem_table t = {
		.n = 1,
		.r[0] = {OWNER_GPA, OWNER_MEM, now.uva, 0},
	};

	say_ok(wire_send(&w, VHU_SET_MEM_TABLE, VHU_VERSION | VHU_NEED_REPLY, &t,
			 8 + sizeof(t.r[0]), &now.memfd, 1));
}

static void
say_inflight(uint32_t i)
{
	struct vhu_inflight f = {.num_queues = 2, .queue_size = SIZE};
	int fd;

	wire_send(&w, VHU_GET_INFLIGHT_FD, VHU_VERSION, &f, sizeof(f), NULL, 0);
	f = w.reply.payload.inflight;
	fd = dup(w.reply_fd);
	say_ok(wire_send(&w, VHU_SET_INFLIGHT_FD, VHU_VERSION | VHU_NEED_REPLY, &f, sizeof(f), &fd,
			 1));
	close(fd);
}

static void
say_num(uint32_t i)
{
	say_ok(wire_ask_state(&w, VHU_SET_VRING_NUM, i, SIZE));
}

static void
say_base(uint32_t i)
{
	say_ok(wire_ask_state(&w, VHU_SET_VRING_BASE, i,
			      now.features & F(RING_PACKED) ? 0x80008000u : 0));
}

/* The lower half alone, as DPDK's driver has it. */
static void
say_half_base(uint32_t i)
{
	say_ok(wire_ask_state(&w, VHU_SET_VRING_BASE, i,
			      now.features & F(RING_PACKED) ? 0x8000u : 0));
}

static void
say_addr(uint32_t i)
{
	const uint64_t at = now.uva + RING_AT(i);
	const struct vhu_vring_addr a = {
		.index = i,
		.desc = at,
		.avail = at + RING_DRIVER_OFF,
		.used = at + RING_DEVICE_OFF,
	};

	say_ok(wire_ask(&w, VHU_SET_VRING_ADDR, &a, sizeof(a)));
}

static void
say_kick(uint32_t i)
{
	say_ok(wire_ask_fd(&w, VHU_SET_VRING_KICK, i, eventfd(0, 0)));
}

static void
say_call(uint32_t i)
{
	say_ok(wire_ask_fd(&w, VHU_SET_VRING_CALL, i, eventfd(0, 0)));
}

static void
say_enable(uint32_t i)
{
	say_ok(wire_ask_state(&w, VHU_SET_VRING_ENABLE, i, 1));
}

static void
say_disable(uint32_t i)
{
	say_ok(wire_ask_state(&w, VHU_SET_VRING_ENABLE, i, 0));
}

static void
say_get_base(uint32_t i)
{
	const struct vhu_vring_state s = {i, 0};

	wire_send(&w, VHU_GET_VRING_BASE, VHU_VERSION, &s, sizeof(s), NULL, 0);
	assert_int_equal(w.reply.payload.state.index, i);
}

static void
say_features_ok(uint32_t i)
{
	say_ok(wire_ask_u64(&w, VHU_SET_STATUS, 11));
}

static void
say_driver_ok(uint32_t i)
{
	say_ok(wire_ask_u64(&w, VHU_SET_STATUS, 15));
}

static void
say_status_0(uint32_t i)
{
	say_ok(wire_ask_u64(&w, VHU_SET_STATUS, 0));
}

static void
say_reset_owner(uint32_t i)
{
	say_ok(wire_ask(&w, VHU_RESET_OWNER, NULL, 0));
}

static void
say_reset_device(uint32_t i)
{
	say_ok(wire_ask(&w, VHU_RESET_DEVICE, NULL, 0));
}

/* The letters of a script. Those between two bars are said for each ring, the ring's number known.
 */
static void (*const letter[128])(uint32_t i) = {
	['O'] = say_owner,
	['p'] = say_protocol_features,
	['Q'] = say_channel,
	['F'] = say_features,
	['f'] = say_changed_features,
	['0'] = say_no_features,
	['M'] = say_memory,
	['I'] = say_inflight,
	['N'] = say_num,
	['B'] = say_base,
	['b'] = say_half_base,
	['A'] = say_addr,
	['K'] = say_kick,
	['C'] = say_call,
	['E'] = say_enable,
	['D'] = say_disable,
	['G'] = say_get_base,
	['s'] = say_features_ok,
	['S'] = say_driver_ok,
	['Z'] = say_status_0,
	['W'] = say_reset_owner,
	['R'] = say_reset_device,
};

static void
say_part(const char *part, size_t len, uint32_t ring)
{
	for (size_t k = 0; k < len; k++) {
		void (*word)(uint32_t i) = letter[(unsigned char)part[k]];

		if (word == NULL)
			abort();
		word(ring);
	}
}

/* "F|NB|S": features, then size and base of ring 0, size and base of ring 1, then the status. */
static void
say(const char *script, uint32_t rings)
{
	for (bool each = false;; each = !each) {
		size_t len = strcspn(script, "|");

		for (uint32_t i = 0; i < (each ? rings : 1); i++)
			say_part(script, len, i);
		if (script[len] == '\0')
			return;
		script += len + 1;
	}
}

/*
 * Each is what the front-end's source says, by the functions named here.
 *
 * QEMU 7.2: vhost_dev_stop() begins with vhost_user_dev_start(false), SET_STATUS 0 for the last
 * queue pair, and has vhost_virtqueue_stop() get the bases; nothing is disabled. vhost_net_start()
 * enables the rings of a pair before it says their features.
 * QEMU 10: vhost_dev_stop() ends with vhost_user_reset_status(), and virtio_reset() goes on with
 * vhost_user_reset_device(). vhost_net_virtqueue_reset() and vhost_net_virtqueue_restart() are
 * those of one ring.
 * DPDK's virtio-user, 22.11 to 26.07: virtio_user_stop_device() disables all pairs, then gets all
 * bases. SET_STATUS 0 is not sent: vhost_user_set_status() looks for FEATURES_OK in the status
 * that virtio_user_dev_set_status() has just set to 0. virtio_user_dev_set_features() and
 * virtio_user_start_device() send the call eventfds first and a packed base without its upper half.
 * Up to 20.11 virtio_user_stop_device() disables and sends RESET_OWNER.
 * cloud-hypervisor, reset_vhost_user(): to 0.13 it disables and gets the base ring by ring, then
 * sends RESET_OWNER; from 0.14.0 (2021) to 25.0 it gets no bases; from 26.0 (2022) to 53.0 it
 * disables and gets the base ring by ring and sends nothing else. setup_vhost_user() sends sizes
 * and the inflight area first and enables all rings at the end.
 * crosvm, deactivate_vring(), in all versions since 2021: ring by ring. activate() sends features
 * that differ from the last ones, only, since April 2026.
 * libkrun (2026): VhostUserDevice::reset() disables and sends nothing else. activate_vhost_user()
 * announces an owner and a channel again, and the memory before the features.
 * Firecracker resets no vhost-user device. rust-vmm's vhost library has a method for each message
 * and no order of its own.
 */
static const struct {
	const char *who, *stop, *start;
	bool features_stay; /* those of the predecessor are not said again */
} way[] = {
	{"QEMU 7.2", "Z|G|", "|E|FsM|NBAKC|S"},
	{"QEMU 7.2 without STATUS", "|G|", "|E|FM|NBAKC|"},
	{"QEMU 10", "|G|ZR", "|E|FsM|NBAKC|S"},
	{"QEMU 10 without RESET_DEVICE", "|G|Z", "|E|FsM|NBAKC|S"},
	{"QEMU with a ring's reset", "|G|", "|NBAKC|", .features_stay = true},
	{"virtio-user", "|D||G|", "O|C|FsM|NbAK||E|S"},
	{"virtio-user 17.11 to 20.11", "|D|W", "O|C|FM|NbAK||E|"},
	{"cloud-hypervisor to 0.13", "|DG|W", "FM|N|Q|ABCK||E|"},
	{"cloud-hypervisor 0.14 to 25.0", "|D|W", "FM|N|I|ABCK||E|Q"},
	{"cloud-hypervisor since 26.0", "|DG|", "FM|N|I|ABCK||E|Q"},
	{"crosvm", "|DG|", "fM|NABCKE|"},
	{"libkrun", "|D|", "OQMF|NBAKCE|"},
	{"front-ends that only disable", "|D|", "F|E|M|NBAKC|"},
	{"the oldest front-ends", "W", "OFM|NBAKC||E|"},
	{"the oldest front-ends as they stop", "W|G|", "OFM|NBAKC||E|"},
	{"features of the firmware's driver given back", "|D|0", "F|E|M|NBAKC|"},
	{"RESET_DEVICE alone", "R", "F|E|M|NBAKC|"},
	{"RESET_DEVICE, protocol features again", "R", "OpF|E|M|NBAKC|"},
	{"SET_STATUS alone", "Z", "|E|FsM|NBAKC|S"},
	{"disabled, an inflight area in between", "|D|I", "FM|N|I|ABCK||E|"},
};

/* --- the drivers --- */

static void
drive(uint64_t features)
{
	struct vqd drv[2];

	memset(w.o.mem, 0, OWNER_MEM);
	for (uint32_t i = 0; i < 2; i++)
		owner_driver(&w.o, i, SIZE, &drv[i]);
	for (int n = 0; n < 3; n++) {
		assert_int_equal(owner_receive(&w.o, 0, &drv[0]), 1);
		assert_int_equal(owner_transmit(&w.o, 0, &drv[1]), 1);
	}
	for (uint32_t i = 0; i < 2; i++)
		vqd_fini(&drv[i]);
	/* the next one's memory is not this one's */
	memset(w.o.mem, 0, OWNER_MEM);
}

/* As a worker reports it. */
static void
break_rings(uint32_t rings)
{
	for (uint32_t i = 0; i < rings; i++) {
		struct vq *vq = w.o.d->q[i].vq;

		atomic_store(&vq->why, "broken by the test");
		atomic_fetch_or(&vq->attention, VQ_ATTN_BROKEN);
	}
	vdev_attention(w.o.d);
	assert_null(w.o.rx[0]);
}

/* The first driver's life with @p rings; its rings are intact or broken at the end. */
static void
first_driver(uint64_t features, uint32_t rings, bool broken)
{
	now.memfd = w.o.memfd;
	now.uva = OWNER_UVA;
	now.features = features;
	now.before = 0;
	say("|E|FM|NBAKC|", rings);
	drive(features);
	if (broken)
		break_rings(rings);
}

static void
must_run(size_t row, uint64_t first, bool broken)
{
	if (w.o.rx[0] == NULL || !w.o.rx_enabled[0] || !w.o.tx_enabled[0] ||
	    vdev_state(w.o.d) != VDEV_STATE_RUNNING)
		fail_msg("%s, 0x%llx then 0x%llx, rings %s: %s", way[row].who,
			 (unsigned long long)first, (unsigned long long)now.features,
			 broken ? "broken" : "intact",
			 w.o.d->q[1].why != NULL ? w.o.d->q[1].why : "not in state running");
}

/* The predecessor's rings have not been started again in the memory of the next driver's. */
static void
must_be_new(uint64_t features)
{
	for (uint32_t i = 0; i < 2; i++) {
		uint16_t used;

		memcpy(&used, w.o.mem + RING_AT(i) + RING_DEVICE_OFF + 2, sizeof(used));
		if (!(features & F(RING_PACKED)))
			assert_int_equal(used, 0);
	}
}

/* Rings of both drivers; the second may have fewer. */
static void
one(size_t row, const uint64_t features[2], uint32_t rings, bool broken)
{
	wire_init(&w, WIRE_ALL);
	first_driver(features[0], rings, broken);
	say(way[row].stop, rings);
	now.before = features[0];
	now.features = features[1];
	say(way[row].start, 2);
	if (way[row].features_stay)
		say("|E|", 2);
	must_run(row, features[0], broken);
	must_be_new(features[1]);
	drive(features[1]);
	wire_fini(&w);
}

static void
test_every_way(void **state)
{
	static const uint64_t pair[][2] = {
		{MODERN, MODERN},
		{PACKED, PACKED},
		{MODERN, MODERN | MRG},
		{PACKED, PACKED | MRG},
		{MODERN, PACKED},
		{PACKED, MODERN},
		{F(PROTOCOL_FEATURES), MODERN},
		{MODERN, F(PROTOCOL_FEATURES)},
	};

	for (size_t row = 0; row < RTE_DIM(way); row++)
		for (size_t p = 0; p < (way[row].features_stay ? 2 : RTE_DIM(pair)); p++)
			for (uint32_t rings = 2; rings <= 4; rings += 2)
				for (int broken = 0; broken < 2; broken++)
					one(row, pair[p], rings, broken);
}

/* The second driver's memory is another file at other addresses of the front-end. */
static void
other_memory(size_t row, uint64_t features, bool broken)
{
	const int first = w.o.memfd;
	uint8_t *const mem = w.o.mem;

	first_driver(features, 2, broken);
	say(way[row].stop, 2);
	/* from here on the predecessor's rings are the guest's for other use */
	memset(mem, 0, OWNER_MEM);
	w.o.memfd = now.memfd = memfd_create("second", MFD_CLOEXEC);
	assert_int_equal(ftruncate(now.memfd, OWNER_MEM), 0);
	w.o.mem = mmap(NULL, OWNER_MEM, PROT_READ | PROT_WRITE, MAP_SHARED, now.memfd, 0);
	assert_ptr_not_equal(w.o.mem, MAP_FAILED);
	now.uva = OWNER_UVA + 0x100000000;
	now.before = features;
	now.features = features;
	say(way[row].start, 2);
	must_run(row, features, broken);
	drive(features);
	munmap(w.o.mem, OWNER_MEM);
	close(w.o.memfd);
	w.o.mem = mem;
	w.o.memfd = first;
	for (size_t k = 0; k < OWNER_MEM; k++)
		assert_int_equal(mem[k], 0);
}

static void
test_other_memory(void **state)
{
	for (size_t row = 0; row < RTE_DIM(way); row++) {
		for (int broken = 0; broken < 2 && !way[row].features_stay; broken++) {
			wire_init(&w, WIRE_ALL);
			other_memory(row, MODERN, broken);
			wire_fini(&w);
		}
	}
}

/* The connection ends after any message of the reset or of the next driver's start. */
static void
test_disconnect_in_between(void **state)
{
	char part[64];

	for (size_t row = 0; row < RTE_DIM(way); row++) {
		const char *script[] = {way[row].stop, way[row].start};

		for (size_t cut = 1; cut <= strlen(script[0]) + strlen(script[1]); cut++) {
			wire_init(&w, WIRE_ALL);
			first_driver(MODERN, 2, cut % 2);
			now.before = MODERN;
			for (size_t k = 0, left = cut; k < 2 && left > 0; k++) {
				snprintf(part, sizeof(part), "%.*s", (int)left, script[k]);
				left -= strlen(part);
				say(part, 2);
			}
			wire_reconnect(&w, WIRE_ALL);
			memset(w.o.mem, 0, OWNER_MEM);
			now.features = MODERN | MRG;
			say("|E|FM|NBAKC|", 2);
			must_run(row, MODERN, cut % 2);
			drive(now.features);
			wire_fini(&w);
		}
	}
}

/*
 * What looks like the beginning of a reset and is none: the driver goes on where it was.
 * virtio_user_mem_event_cb() of DPDK, pause_vhost_user() of cloud-hypervisor, crosvm asleep.
 */
static void
test_no_reset(void **state)
{
	static const char *const script[] = {"|D|M|E|", "|D||E|", "|D|F|E|", "O",
					     "p",       "F",      "Q",       "M"};

	for (size_t k = 0; k < RTE_DIM(script); k++) {
		for (int packed = 0; packed < 2; packed++) {
			struct vqd drv[2];

			wire_init(&w, WIRE_ALL);
			now.memfd = w.o.memfd;
			now.uva = OWNER_UVA;
			now.features = packed ? PACKED : MODERN;
			say("|E|FM|NBAKC|", 2);
			memset(w.o.mem, 0, OWNER_MEM);
			for (uint32_t i = 0; i < 2; i++)
				owner_driver(&w.o, i, SIZE, &drv[i]);
			for (int n = 0; n < 9; n++) {
				assert_int_equal(owner_receive(&w.o, 0, &drv[0]), 1);
				assert_int_equal(owner_transmit(&w.o, 0, &drv[1]), 1);
				if (n % 3 == 2)
					say(script[k], 2);
			}
			for (uint32_t i = 0; i < 2; i++)
				vqd_fini(&drv[i]);
			wire_fini(&w);
		}
	}
}

/* A driver that is there keeps its features: one of its rings is enabled. */
static void
test_not_under_a_driver(void **state)
{
	wire_init(&w, WIRE_ALL);
	wire_start(&w, MODERN);
	assert_int_equal(wire_ask_state(&w, VHU_SET_VRING_ENABLE, 1, 0), 0);
	assert_int_not_equal(wire_ask_u64(&w, VHU_SET_FEATURES, MODERN | MRG), 0);
	assert_non_null(w.o.rx[0]);
	/* a pause of the virtual machine: disabled, logged, enabled again without a kick */
	assert_int_equal(wire_ask_state(&w, VHU_SET_VRING_ENABLE, 0, 0), 0);
	assert_int_equal(wire_ask_u64(&w, VHU_SET_FEATURES, MODERN | F(LOG_ALL)), 0);
	assert_int_equal(wire_ask_u64(&w, VHU_SET_FEATURES, MODERN), 0);
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(wire_ask_state(&w, VHU_SET_VRING_ENABLE, i, 1), 0);
	assert_true(vdev_link_up(w.o.d));
	drive(MODERN);
	wire_fini(&w);
}

/* One half of a new description is not another ring: address or kick alone leave it broken. */
static void
test_half_is_not_enough(void **state)
{
	const uint64_t at = OWNER_UVA + RING_AT(1);
	const struct vhu_vring_addr a = {
		.index = 1,
		.desc = at,
		.avail = at + RING_DRIVER_OFF,
		.used = at + RING_DEVICE_OFF,
	};

	for (int half = 0; half < 2; half++) {
		wire_init(&w, WIRE_ALL);
		wire_start(&w, MODERN);
		break_rings(2);
		if (half == 0)
			wire_ask(&w, VHU_SET_VRING_ADDR, &a, sizeof(a));
		else
			wire_ask_fd(&w, VHU_SET_VRING_KICK, 1, eventfd(0, 0));
		assert_null(w.o.rx[0]);
		assert_int_equal(vdev_state(w.o.d), VDEV_STATE_ERROR);
		wire_fini(&w);
	}
}

/* Bit 0 to 4: that word of the five was said. */
static bool
is_order(uint32_t code, char order[5])
{
	static const char words[] = "NBAKE";
	uint32_t said = 0;

	for (int k = 0; k < 5; k++, code /= 5) {
		order[k] = words[code % 5];
		said |= 1u << code % 5;
	}
	return said == 31;
}

/*
 * The next driver's messages in any order, each for all rings before the next, or all for a ring,
 * after a reset that is none but for its disabled rings, and one that is.
 */
static void
start_in_order(const char *stop, uint64_t features, const char o[5], bool broken, bool each)
{
	char start[32];

	if (each)
		snprintf(start, sizeof(start), "FM|%c||%c||%c||%c||%cC|", o[0], o[1], o[2], o[3],
			 o[4]);
	else
		snprintf(start, sizeof(start), "FM|%c%c%c%c%cC|", o[0], o[1], o[2], o[3], o[4]);
	wire_init(&w, WIRE_ALL);
	first_driver(features, 2, broken);
	say(stop, 2);
	say(start, 2);
	if (w.o.rx[0] == NULL || !vdev_link_up(w.o.d))
		fail_msg("%s then %s, rings %s: %s", stop, start, broken ? "broken" : "intact",
			 w.o.d->q[1].why);
	drive(features);
	wire_fini(&w);
}

static void
test_every_order(void **state)
{
	char o[5];

	for (uint32_t code = 0; code < 3125; code++) {
		if (!is_order(code, o))
			continue;
		start_in_order("|D|", MODERN, o, true, true);
		start_in_order("|D|", PACKED, o, code % 2, code % 3 != 0);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_way),          T(other_memory),       T(disconnect_in_between), T(no_reset),
		T(not_under_a_driver), T(half_is_not_enough), T(every_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
