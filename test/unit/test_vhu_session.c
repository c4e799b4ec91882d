/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions as real front-ends lead them, message by message. */
#include <errno.h>
#include <poll.h>
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

#include "vdev/netcfg.h"
#include "wire.h"

#define MODERN (F(VERSION_1) | F(PROTOCOL_FEATURES))
#define PACKED (MODERN | F(RING_PACKED))
#define QEMU_FEATURES 0x17020e783ull /* a modern guest under QEMU 7.2, seen on the wire */
/* what QEMU 7.2 knows of what we offer */
#define QEMU_PROTOCOL (VHU_PF_ALWAYS & 0x1ffff)

static struct wire w;
static unsigned int fds_before;

static int
setup(void **state)
{
	fds_before = open_fds();
	wire_init(&w, 0);
	return 0;
}

static int
teardown(void **state)
{
	wire_fini(&w);
	return open_fds() == fds_before ? 0 : -1;
}

/* Messages QEMU sends without NEED_REPLY. */
static void
say(uint32_t request, const void *payload, uint32_t size, const int *fd)
{
	assert_int_equal(wire_send(&w, request, VHU_VERSION, payload, size, fd, fd != NULL),
			 WIRE_SILENT);
}

static void
say_state(uint32_t request, uint32_t index, uint32_t num)
{
	const struct vhu_vring_state s = {index, num};

	say(request, &s, sizeof(s), NULL);
}

static void
say_u64(uint32_t request, uint64_t value)
{
	say(request, &value, sizeof(value), NULL);
}

static void
say_fd(uint32_t request, uint64_t index)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	say(request, &index, sizeof(index), &fd);
	close(fd);
}

static uint64_t
get(uint32_t request)
{
	return wire_send(&w, request, VHU_VERSION, NULL, 0, NULL, 0);
}

static uint32_t
get_base(uint32_t index)
{
	const struct vhu_vring_state s = {index, 0};

	wire_send(&w, VHU_GET_VRING_BASE, VHU_VERSION, &s, sizeof(s), NULL, 0);
	assert_int_equal(w.reply.payload.state.index, index);
	return w.reply.payload.state.num;
}

static void
say_addr(uint32_t i, uint32_t flags)
{
	const uint64_t at = OWNER_UVA + RING_AT(i);
	const struct vhu_vring_addr a = {i,
					 flags,
					 at,
					 at + RING_DEVICE_OFF,
					 at + RING_DRIVER_OFF,
					 OWNER_GPA + RING_AT(i) + RING_DEVICE_OFF};

	say(VHU_SET_VRING_ADDR, &a, sizeof(a), NULL);
}

/* NUM BASE ADDR KICK CALL, as vhost_virtqueue_start() does. */
static void
qemu_ring(uint32_t i, uint32_t base)
{
	say_state(VHU_SET_VRING_NUM, i, 256);
	say_state(VHU_SET_VRING_BASE, i, base);
	say_addr(i, 0);
	say_fd(VHU_SET_VRING_KICK, i);
	say_fd(VHU_SET_VRING_CALL, i);
}

/* From the connection to the point where QEMU waits for the guest's driver. */
static void
qemu_connect(uint64_t protocol)
{
	uint64_t offered, one = 1;
	int sv[2], i;

	assert_int_equal(get(VHU_GET_FEATURES), vdev_features_all());
	offered = get(VHU_GET_PROTOCOL_FEATURES);
	assert_int_equal(offered & protocol, protocol);
	say_u64(VHU_SET_PROTOCOL_FEATURES, protocol);
	assert_int_equal(get(VHU_GET_QUEUE_NUM), OWNER_PAIRS);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(wire_send(&w, VHU_SET_BACKEND_REQ_FD, VHU_VERSION | VHU_NEED_REPLY, NULL,
				   0, &sv[1], 1),
			 0);
	close(sv[0]);
	close(sv[1]);
	say(VHU_SET_OWNER, NULL, 0, NULL);
	assert_int_equal(get(VHU_GET_FEATURES), vdev_features_all());
	for (i = 0; i < 2; i++) {
		say_fd(VHU_SET_VRING_CALL, (uint64_t)i);
		say_fd(VHU_SET_VRING_ERR, (uint64_t)i);
	}
	for (i = 0; i < 10; i++)
		say_state(VHU_SET_VRING_ENABLE, (uint32_t)i % 2, (uint32_t)one);
}

static void
qemu_memory(void)
{
	const struct vhu_mem_table t = {.n = 1, .r[0] = {OWNER_GPA, OWNER_MEM, OWNER_UVA, 0}};

	assert_int_equal(wire_send(&w, VHU_SET_MEM_TABLE, VHU_VERSION | VHU_NEED_REPLY, &t, 40,
				   &w.o.memfd, 1),
			 0);
}

static void
qemu_start(uint64_t features, uint32_t base)
{
	say_u64(VHU_SET_FEATURES, features);
	assert_int_equal(get(VHU_GET_STATUS) & 0x40, 0);
	say_u64(VHU_SET_STATUS, 0x08);
	qemu_memory();
	qemu_ring(0, base);
	qemu_ring(1, base);
	assert_int_equal(get(VHU_GET_STATUS), 0x08);
	say_u64(VHU_SET_STATUS, 0x0f);
}

static void
transmit(unsigned int n)
{
	static struct vqd drv;

	owner_driver(&w.o, 1, 256, &drv);
	while (n-- > 0)
		assert_int_equal(owner_transmit(&w.o, 0, &drv), 1);
	vqd_fini(&drv);
}

static void
test_qemu_7_2(void **state)
{
	qemu_connect(QEMU_PROTOCOL);
	qemu_start(QEMU_FEATURES, 0);
	assert_true(vdev_link_up(w.o.d));
	assert_int_equal(w.o.rx[0]->hdr_len, 12);
	transmit(5);
	/* the status first, the indices afterwards */
	say_u64(VHU_SET_STATUS, 0);
	assert_null(w.o.rx[0]);
	assert_int_equal(get_base(0), 0);
	assert_int_equal(get_base(1), 5);
	/* a reboot: no message says so, everything comes again */
	memset(w.o.mem, 0, OWNER_MEM);
	qemu_start(QEMU_FEATURES, 0);
	assert_true(vdev_link_up(w.o.d));
	transmit(3);
	assert_int_equal(w.s.count.refused, 0);
	assert_int_equal(w.s.count.unknown, 0);
}

/* Newer ones stop the rings first, and reset the device of a guest that reboots. */
static void
test_qemu_10(void **state)
{
	qemu_connect(QEMU_PROTOCOL);
	qemu_start(PACKED, 0x80008000);
	transmit(300);
	assert_int_equal(get_base(0), 0x80008000);
	assert_int_equal(get_base(1), 0x002c002c);
	say_u64(VHU_SET_STATUS, 0);
	say(VHU_RESET_DEVICE, NULL, 0, NULL);
	say_state(VHU_SET_VRING_ENABLE, 0, 1);
	say_state(VHU_SET_VRING_ENABLE, 1, 1);
	qemu_start(PACKED, 0x80008000);
	assert_true(vdev_link_up(w.o.d));
	transmit(1);
	assert_int_equal(w.s.count.refused, 0);
}

/* Several pairs: features and rings of the second one while the first runs. */
static void
test_multiqueue(void **state)
{
	const uint64_t features = MODERN | F(NET_MQ);
	struct vqd drv;
	uint32_t i;

	qemu_connect(QEMU_PROTOCOL);
	for (i = 0; i < 8; i++)
		say_state(VHU_SET_VRING_ENABLE, i, 1);
	qemu_start(features, 0);
	owner_driver(&w.o, 1, 256, &drv);
	assert_int_equal(owner_transmit(&w.o, 0, &drv), 1);
	for (i = 2; i < 8; i += 2) {
		unsigned int starts = w.o.d->counters.ring_starts;

		say_u64(VHU_SET_FEATURES, features);
		qemu_ring(i, 0);
		qemu_ring(i + 1, 0);
		assert_int_equal(w.o.d->counters.ring_starts, starts + 2);
		assert_int_equal(owner_transmit(&w.o, 0, &drv), 1);
	}
	for (i = 0; i < OWNER_PAIRS; i++)
		assert_true(w.o.rx[i] != NULL && w.o.rx_enabled[i] && w.o.tx[i] != NULL &&
			    w.o.tx_enabled[i]);
	for (i = 2; i < 8; i++)
		say_state(VHU_SET_VRING_ENABLE, i, 0);
	assert_false(w.o.rx_enabled[1]);
	assert_true(w.o.rx_enabled[0]);
	vqd_fini(&drv);
}

/* virtio-user of DPDK: the lower half of a packed base, no status before the queues, no channel. */
static void
test_virtio_user(void **state)
{
	const uint64_t protocol = VHU_PF(MQ) | VHU_PF(REPLY_ACK) | VHU_PF(STATUS);

	say(VHU_SET_OWNER, NULL, 0, NULL);
	get(VHU_GET_FEATURES);
	get(VHU_GET_PROTOCOL_FEATURES);
	say_u64(VHU_SET_PROTOCOL_FEATURES, protocol);
	assert_int_equal(get(VHU_GET_QUEUE_NUM), OWNER_PAIRS);
	assert_int_equal(wire_ask_u64(&w, VHU_SET_STATUS, 0), 0);
	assert_int_equal(wire_ask_u64(&w, VHU_SET_STATUS, 1), 0);
	assert_int_equal(wire_ask_u64(&w, VHU_SET_STATUS, 3), 0);
	say_u64(VHU_SET_FEATURES, PACKED);
	assert_int_equal(wire_ask_u64(&w, VHU_SET_STATUS, 0xb), 0);
	assert_int_equal(get(VHU_GET_STATUS), 0xb);
	say_fd(VHU_SET_VRING_CALL, 0);
	say_fd(VHU_SET_VRING_CALL, 1);
	say_u64(VHU_SET_FEATURES, PACKED);
	qemu_memory();
	qemu_ring(0, 0x8000);
	qemu_ring(1, 0x8000);
	say_state(VHU_SET_VRING_ENABLE, 0, 1);
	say_state(VHU_SET_VRING_ENABLE, 1, 1);
	assert_int_equal(wire_ask_u64(&w, VHU_SET_STATUS, 0xf), 0);
	assert_true(vdev_link_up(w.o.d));
	transmit(300);
	assert_int_equal(get_base(1), 0x002c002c);
}

/* Nothing negotiated but what was there in the beginning. */
static void
test_oldest_frontend(void **state)
{
	say(VHU_SET_OWNER, NULL, 0, NULL);
	get(VHU_GET_FEATURES);
	say_u64(VHU_SET_FEATURES, 0);
	qemu_memory();
	qemu_ring(0, 0);
	qemu_ring(1, 0);
	assert_true(vdev_link_up(w.o.d));
	assert_int_equal(w.o.rx[0]->hdr_len, 10);
	say(VHU_RESET_OWNER, NULL, 0, NULL);
	assert_int_equal(get_base(0), 0);
}

/* A legacy big-endian guest: QEMU names the order before a ring starts, takes it back after. */
static void
test_cross_endian(void **state)
{
	uint32_t i;

	qemu_connect(QEMU_PROTOCOL);
	say_u64(VHU_SET_FEATURES, F(PROTOCOL_FEATURES));
	qemu_memory();
	for (i = 0; i < 2; i++) {
		say_state(VHU_SET_VRING_NUM, i, 256);
		say_state(VHU_SET_VRING_BASE, i, 0);
		assert_int_equal(wire_ask_state(&w, VHU_SET_VRING_ENDIAN, i, 1), 0);
		say_addr(i, 0);
		say_fd(VHU_SET_VRING_KICK, i);
		say_fd(VHU_SET_VRING_CALL, i);
	}
	assert_int_equal(w.o.rx[0]->layout, VQ_SPLIT_SWAP);
	assert_int_equal(w.o.tx[0]->layout, VQ_SPLIT_SWAP);
	/* VERSION_1 or not, the order of the host is as good as any other word */
	for (i = 0; i < 2; i++) {
		get_base(i);
		say_state(VHU_SET_VRING_ENDIAN, i, 0);
	}
	memset(w.o.mem, 0, OWNER_MEM);
	qemu_start(F(PROTOCOL_FEATURES), 0);
	assert_int_equal(w.o.rx[0]->layout, VQ_SPLIT);
	assert_string_equal(vdev_format_name(w.o.d->q[1].format), "legacy-le");
}

/* --- migration --- */

#define LOG_SIZE ((OWNER_GPA + OWNER_MEM) / 4096 / 8)

/* Whether the page of ring 1's used ring is marked; clears the mark. */
static bool
used_ring_logged(int fd)
{
	const uint64_t page = (OWNER_GPA + RING_AT(1) + RING_DEVICE_OFF) / 4096;
	uint8_t byte = 0, zero = 0;

	assert_int_equal(pread(fd, &byte, 1, (off_t)(page / 8)), 1);
	assert_int_equal(pwrite(fd, &zero, 1, (off_t)(page / 8)), 1);
	return byte & (1u << (page % 8));
}

/* Logging on and off under traffic, as often as migrations fail. */
static void
test_migration(void **state)
{
	const struct vhu_log l = {LOG_SIZE, 0};
	int fd = memfd_create("log", MFD_CLOEXEC), i;
	struct vqd drv;

	assert_int_equal(ftruncate(fd, LOG_SIZE), 0);
	qemu_connect(QEMU_PROTOCOL);
	qemu_start(QEMU_FEATURES, 0);
	owner_driver(&w.o, 1, 256, &drv);
	for (i = 0; i < 100; i++) {
		wire_send(&w, VHU_SET_LOG_BASE, VHU_VERSION, &l, sizeof(l), &fd, 1);
		assert_int_equal(w.reply.header.size, sizeof(l));
		say_u64(VHU_SET_FEATURES, QEMU_FEATURES | F(LOG_ALL));
		say_addr(0, 1);
		say_addr(1, 1);
		used_ring_logged(fd);
		assert_int_equal(owner_transmit(&w.o, 0, &drv), 1);
		assert_true(used_ring_logged(fd));
		say_u64(VHU_SET_FEATURES, QEMU_FEATURES);
		say_addr(0, 0);
		say_addr(1, 0);
		used_ring_logged(fd);
		assert_int_equal(owner_transmit(&w.o, 0, &drv), 1);
		assert_false(used_ring_logged(fd));
	}
	assert_int_equal(get_base(1), 200);
	assert_int_equal(wire_send(&w, VHU_SET_LOG_FD, VHU_VERSION, NULL, 0, &fd, 1), WIRE_SILENT);
	vqd_fini(&drv);
	close(fd);
}

static void
test_rarp(void **state)
{
	static const uint8_t mac[8] = {0x52, 0x54, 0, 1, 2, 3, 0, 0};

	qemu_connect(QEMU_PROTOCOL);
	say(VHU_SEND_RARP, mac, sizeof(mac), NULL);
	assert_int_equal(w.o.rarps, 1);
	assert_memory_equal(w.o.mac, mac, 6);
}

static void
test_mtu(void **state)
{
	qemu_connect(QEMU_PROTOCOL);
	assert_int_equal(wire_ask_u64(&w, VHU_NET_SET_MTU, 1500), 0);
	qemu_start(QEMU_FEATURES, 0);
	assert_int_equal(w.o.d->mtu, 1500);
	assert_int_equal(wire_ask_u64(&w, VHU_NET_SET_MTU, 9000), 0);
	assert_true(vdev_link_up(w.o.d));
	assert_int_equal(w.o.d->mtu, 9000);
}

/* Every slot there is, added and taken away under running rings. */
static void
test_slots(void **state)
{
	struct vhu_mem_single m = {0, {OWNER_GPA, 0x100000, OWNER_UVA, 0}};
	unsigned int i, starts;

	qemu_connect(QEMU_PROTOCOL);
	assert_int_equal(get(VHU_GET_MAX_MEM_SLOTS), 256);
	say_u64(VHU_SET_FEATURES, MODERN);
	say(VHU_ADD_MEM_REG, &m, sizeof(m), &w.o.memfd);
	qemu_ring(0, 0);
	qemu_ring(1, 0);
	assert_true(vdev_link_up(w.o.d));
	starts = w.o.d->counters.ring_starts;
	for (i = 1; i < 256; i++) {
		m.r = (struct vhu_mem_region){OWNER_GPA + (i + 1024) * 4096ull, 4096,
					      OWNER_UVA + (i + 1024) * 8192ull, 0x200000};
		say(VHU_ADD_MEM_REG, &m, sizeof(m), &w.o.memfd);
	}
	m.r.gpa = m.r.uva = 0;
	assert_int_equal(wire_send(&w, VHU_ADD_MEM_REG, VHU_VERSION | VHU_NEED_REPLY, &m, sizeof(m),
				   &w.o.memfd, 1),
			 EINVAL);
	for (i = 1; i < 256; i++) {
		m.r = (struct vhu_mem_region){OWNER_GPA + (i + 1024) * 4096ull, 4096,
					      OWNER_UVA + (i + 1024) * 8192ull, 0};
		say(VHU_REM_MEM_REG, &m, sizeof(m), i % 2 ? &w.o.memfd : NULL);
	}
	assert_int_equal(w.o.d->gmem->n, 1);
	assert_int_equal(w.o.d->counters.ring_starts, starts);
	assert_true(vdev_link_up(w.o.d));
}

/* A front-end that keeps its own addresses to itself: they may be anything, 0 as well. */
static void
test_gpa_addresses(void **state)
{
	const struct vhu_mem_table t = {.n = 2,
					.r = {{OWNER_GPA, OWNER_MEM / 2, 0, 0},
					      {OWNER_GPA + OWNER_MEM / 2, OWNER_MEM / 2, 0,
					       OWNER_MEM / 2}}};
	const uint64_t at = OWNER_GPA + RING_AT(1);
	const struct vhu_vring_addr a = {.index = 1,
					 .desc = at,
					 .used = at + RING_DEVICE_OFF,
					 .avail = at + RING_DRIVER_OFF};
	const int fds[] = {w.o.memfd, w.o.memfd};

	qemu_connect(QEMU_PROTOCOL | VHU_PF(GPA_ADDRESSES));
	say_u64(VHU_SET_FEATURES, MODERN);
	assert_int_equal(wire_send(&w, VHU_SET_MEM_TABLE, VHU_VERSION | VHU_NEED_REPLY, &t,
				   8 + 2 * sizeof(t.r[0]), fds, 2),
			 0);
	say_state(VHU_SET_VRING_NUM, 1, 256);
	say(VHU_SET_VRING_ADDR, &a, sizeof(a), NULL);
	say_fd(VHU_SET_VRING_KICK, 1);
	transmit(3);
}

/* --- config space --- */

static void
test_config_change(void **state)
{
	const uint8_t mac[6] = {2, 0, 0, 0, 0, 0x20};
	struct vhu_msg m;
	int sv[2], fd;

	assert_int_equal(wire_ask_u64(&w, VHU_SET_PROTOCOL_FEATURES,
				      QEMU_PROTOCOL | VHU_PF(CONFIG)),
			 0);
	vdev_config_set_mtu(w.o.d, 1400); /* no peer to tell yet */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	say(VHU_SET_BACKEND_REQ_FD, NULL, 0, &sv[1]);
	close(sv[1]);
	vdev_config_set_mtu(w.o.d, 1400);
	assert_false(peer_recv(sv[0], &m, &fd));
	vdev_config_set_mtu(w.o.d, 1500);
	assert_true(peer_recv(sv[0], &m, &fd));
	assert_int_equal(m.header.request, VHU_BACKEND_CONFIG_CHANGE);
	assert_int_equal(m.header.flags, VHU_VERSION);
	assert_int_equal(m.header.size, 0);
	vdev_config_set_mac(w.o.d, mac);
	assert_true(peer_recv(sv[0], &m, &fd));
	assert_int_equal(m.header.request, VHU_BACKEND_CONFIG_CHANGE);
	vdev_config_set_mac(w.o.d, mac);
	assert_false(peer_recv(sv[0], &m, &fd));
	assert_int_equal(wire_ask_u64(&w, VHU_SET_PROTOCOL_FEATURES, QEMU_PROTOCOL), 0);
	vdev_config_set_mtu(w.o.d, 1400);
	assert_false(peer_recv(sv[0], &m, &fd));
	close(sv[0]);
}

/* --- IOMMU --- */

static void
test_iommu(void **state)
{
	const struct vhu_iotlb update = {RING_AT(1), 0x40000,          OWNER_UVA + RING_AT(1),
					 3,          VHU_IOTLB_UPDATE, {0}};
	const struct vhu_iotlb gone = {RING_AT(1), 0x40000, 0, 0, VHU_IOTLB_INVALIDATE, {0}};
	const struct vhu_vring_addr a =
		{1, 0, RING_AT(1), RING_AT(1) + RING_DEVICE_OFF, RING_AT(1) + RING_DRIVER_OFF, 0};
	const struct vhu_header ok = {VHU_BACKEND_IOTLB_MSG, VHU_VERSION | VHU_REPLY, 8};
	struct vhu_msg miss;
	int sv[2], fd, i;

	assert_int_equal(wire_ask_u64(&w, VHU_SET_PROTOCOL_FEATURES, QEMU_PROTOCOL), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	say(VHU_SET_BACKEND_REQ_FD, NULL, 0, &sv[1]);
	close(sv[1]);
	say_u64(VHU_SET_FEATURES, MODERN | F(ACCESS_PLATFORM));
	qemu_memory();
	say_state(VHU_SET_VRING_NUM, 1, 256);
	say(VHU_SET_VRING_ADDR, &a, sizeof(a), NULL);
	assert_int_equal(wire_ask_u64(&w, VHU_SET_VRING_KICK, 1 | VHU_VRING_NOFD), 0);
	assert_null(w.o.rx[0]);
	for (i = 0; i < 3; i++) { /* the three areas, the one that is written first */
		assert_true(peer_recv(sv[0], &miss, &fd));
		assert_int_equal(miss.header.request, VHU_BACKEND_IOTLB_MSG);
		assert_int_equal(miss.header.flags, VHU_VERSION);
		assert_int_equal(miss.payload.iotlb.type, VHU_IOTLB_MISS);
	}
	assert_int_equal(miss.payload.iotlb.iova, RING_AT(1));
	peer_send(sv[0], ok.request, ok.flags, &(uint64_t){0}, 8, NULL, 0);
	assert_int_equal(wire_send(&w, VHU_IOTLB_MSG, VHU_VERSION, &update, sizeof(update), NULL,
				   0),
			 0);
	assert_non_null(w.o.rx[0]);
	assert_false(w.o.rx[0]->suspended);
	assert_int_equal(wire_send(&w, VHU_IOTLB_MSG, VHU_VERSION, &gone, 26, NULL, 0), 0);
	assert_true(w.o.rx[0]->suspended);
	assert_true(peer_recv(sv[0], &miss, &fd));
	/* a request on our channel is not for us: it is closed, the session goes on */
	peer_send(sv[0], 1, VHU_VERSION, NULL, 0, NULL, 0);
	assert_int_equal(get(VHU_GET_FEATURES), vdev_features_all());
	ev_run_once(w.o.loop, 0);
	assert_true(peer_closed(sv[0]));
	close(sv[0]);
}

/* --- display --- */

static char *
shown(void)
{
	static char text[16384];
	FILE *out = fmemopen(text, sizeof(text), "w");

	vdev_show(w.o.d, out);
	vhu_session_show(&w.s, out);
	fclose(out);
	return text;
}

/* Whether the line with @p name says @p what. */
static bool
line_says(const char *text, const char *name, const char *what)
{
	const char *at = strstr(text, name);
	const char *found = at != NULL ? strstr(at, what) : NULL;

	return found != NULL && found < at + strcspn(at, "\n");
}

/* Offered, acked, in effect: what of it, and who dropped the rest. */
static void
test_show(void **state)
{
	char *text;

	qemu_connect(QEMU_PROTOCOL);
	w.o.d->cfg.features &= ~F(NET_MQ);
	text = shown();
	assert_true(line_says(text, "VIRTIO_F_RING_PACKED", " offered: taken with"));
	assert_non_null(strstr(text, "format would be legacy"));
	qemu_start(QEMU_FEATURES & ~F(NET_MQ), 0);
	wire_ask_u64(&w, VHU_NET_SET_MTU, 1);
	text = shown();
	assert_non_null(strstr(text, "state running, the operator wants running"));
	assert_true(line_says(text, "device status", "DRIVER_OK"));
	assert_true(line_says(text, "VIRTIO_NET_F_MRG_RXBUF", "in effect"));
	assert_true(
		line_says(text, "VIRTIO_F_RING_PACKED", "dropped by the front-end or the guest"));
	assert_true(line_says(text, "VIRTIO_NET_F_MQ", "not offered: switched off for the port"));
	assert_true(line_says(text, "VIRTIO_NET_F_MAC", "not offered: the front-end's own"));
	assert_true(line_says(text, " CROSS_ENDIAN", "in effect"));
	assert_true(line_says(text, " FORMAT_MODERN", "offered, dropped by the front-end"));
	assert_true(line_says(text, " CRYPTO_SESSION", "not offered"));
	assert_non_null(strstr(text, "format modern: VIRTIO_F_VERSION_1 was acked"));
	assert_non_null(strstr(text, "desc 0x7f55"));
	assert_non_null(strstr(text, "NET_SET_MTU"));
	assert_non_null(strstr(text, "MTU out of range"));
}

/* Under a policy it is the policy that keeps bits back, and a ring says why it was refused. */
static void
test_show_policy(void **state)
{
	char *text;

	vdev_set_policy(w.o.d, VDEV_POLICY_LEGACY_LE);
	text = shown();
	assert_true(line_says(text, "VIRTIO_F_VERSION_1", "not offered: the port's format policy"));
	assert_true(line_says(text, "FORMAT_MODERN", "not offered: the port's format policy"));
	vdev_set_policy(w.o.d, VDEV_POLICY_MODERN_ONLY);
	owner_give_memory(&w.o);
	owner_start_ring(&w.o, 1, 256, 0);
	text = shown();
	assert_non_null(strstr(text, "format policy modern-only, format bit acked: none"));
	assert_non_null(strstr(text, "format refused: the port's policy does not allow"));
	assert_non_null(strstr(text, "does not run: the port's policy does not allow"));
}

/* Acked is not in effect: what a bit needs, what modern drivers left behind, a log not there. */
static void
test_effective_features(void **state)
{
	static const struct {
		uint64_t acked, effective;
	} table[] = {
		{1 << 7, 0},
		{1 << 7 | 1 << 1, 1 << 7 | 1 << 1},
		{1 << 9 | 1 << 1, 1 << 1},
		{1 << 9 | 1 << 8 | 1 << 1, 1 << 9 | 1 << 8 | 1 << 1},
		{1 << 11, 0},
		{1 << 0 | 1 << 11 | 1 << 13, 1 << 0 | 1 << 11 | 1 << 13},
		{1 << 6 | 1 << 24 | 1 << 27, 1 << 6 | 1 << 24 | 1 << 27},
		{1 << 6 | 1 << 24 | 1 << 27 | F(VERSION_1), F(VERSION_1)},
		{F(VERSION_1) | F(LOG_ALL), F(VERSION_1)},
	};
	char buf[128];

	for (size_t i = 0; i < RTE_DIM(table); i++) {
		assert_int_equal(vdev_set_features(w.o.d, table[i].acked), 0);
		assert_int_equal(vdev_features_effective(w.o.d), table[i].effective);
	}
	assert_string_equal(vdev_feature_outcome(w.o.d, 26, buf, sizeof(buf)),
			    "acked, without effect: there is no log (SET_LOG_BASE)");
	assert_null(vdev_feature_outcome(w.o.d, 4, buf, sizeof(buf)));
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(qemu_7_2),
		T(qemu_10),
		T(multiqueue),
		T(virtio_user),
		T(oldest_frontend),
		T(cross_endian),
		T(migration),

		T(rarp),
		T(mtu),
		T(slots),
		T(gpa_addresses),
		T(config_change),
		T(iommu),
		T(show),
		T(show_policy),
		T(effective_features),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
