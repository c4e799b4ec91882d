/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest's state from one port to another, by a front-end's messages: what the
 * switch had learned of it arrives, what is damaged changes nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_hash_crc.h>

#include "eal.h"
#include "gmem/gm.h"
#include "vdev/save.h"
#include "vdev/vdev.h"
#include "virtio/port.h"
#include "vhost_user/vhf.h"
#include "switch/fdb_worker.h"
#include "switch/port_guard.h"
#include "switch/port_limits.h"
#include "switch/stations.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"
#include "switch/vlan_table.h"

#define ADDRESSES 3
#define PINNED 3 /* one address more, which is pinned to the source */
#define LIMIT 50
#define FRAMES 12345
#define GPA 0x40000000ull
#define HEADER 16
#define PROTOCOL (VHU_PF(REPLY_ACK) | VHU_PF(DEVICE_STATE) | VHU_PF(CONFIG))

enum { SOURCE, TARGET, PORTS };

static char dir[] = "/tmp/test_vhost_state.XXXXXX";
static char path[PORTS][64];
static struct sw sw;
static struct port *port[PORTS];
static pthread_t control;
static atomic_bool stop;
static struct gm mem;
static uint8_t *state;
static size_t len;
static uint32_t early; /* addresses of the target before its rings ran */

/* --- who keeps IP addresses: those of the source, and the ones the target was said to have --- */

static struct sw_station kept[100];
static uint32_t nkept;
static struct sw_station heard[100];
static uint32_t nheard, early_ips;

static void
walk_kept(struct sw_stations *s, uint16_t from, bool (*fn)(const struct sw_station *i, void *arg),
	  void *arg)
{
	for (uint32_t i = 0; i < nkept && from == SOURCE; i++)
		if (!fn(&kept[i], arg))
			break;
}

static void
hear(struct sw_stations *s, uint16_t at, const struct sw_station *i)
{
	assert_int_equal(at, TARGET);
	assert_in_range(nheard, 0, RTE_DIM(heard) - 1);
	heard[nheard++] = *i;
}

static struct sw_stations stations = {.walk = walk_kept, .learn = hear};

/* --- the switch: control has a thread, there is no worker --- */

static void *
control_thread(void *arg)
{
	while (!atomic_load(&stop))
		ev_run_once(sw.loop, 1);
	return NULL;
}

static void
control_start(void)
{
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&control, NULL, control_thread, NULL), 0);
}

/* From here on the test is control. */
static void
control_stop(void)
{
	atomic_store(&stop, true);
	pthread_join(control, NULL);
}

static struct port *
new_port(uint32_t i, const char *more)
{
	const struct virtio_env env = {.sw = &sw};
	struct virtio_devargs a;
	char text[200], err[200];

	virtio_devargs_init(&a);
	snprintf(text, sizeof(text), "net_vhost%u,iface=%s%s", i, path[i], more);
	assert_int_equal(virtio_devargs_parse(text, &a, err, sizeof(err)), 0);
	return virtio_port_new(&env, &a, err, sizeof(err));
}

static struct rte_ether_addr
address(uint32_t i)
{
	return (struct rte_ether_addr){{2, 0, 0, 0, 0, (uint8_t)i}};
}

static uint16_t
whereabouts_in(uint32_t i, uint16_t fid)
{
	const struct rte_ether_addr mac = address(i);
	fdb_key key = fdb_key_make(&mac, fid);
	uint16_t found;

	fdb_lookup(sw.fdb, &key, 1, &found);
	return found;
}

static uint16_t
whereabouts(uint32_t i)
{
	return whereabouts_in(i, 0);
}

static const struct limits source_limits = {.pps = 1000,
					    .storm = 10,
					    .locked = true,
					    .nmac = 1,
					    .mac = {{{2, 0, 0, 0, 0, 0}}}};

static int
setup(void **ctx)
{
	const struct fdb_config cfg = {.limit = 100, .ageing_s = 300};
	struct rte_ether_addr mac;

	if (sw_init(&sw, 1, &cfg, NULL, ev_loop_new()) != 0)
		return -1;
	sw.stations = &stations;
	nkept = nheard = 0;
	for (uint32_t i = 0; i < PORTS; i++)
		port[i] = new_port(i, ",device-state=1");
	fdb_maintain(sw.fdb, ev_now_ns()); /* addresses are as old as the time is late */
	for (uint32_t i = 0; i < ADDRESSES; i++) {
		mac = address(i);
		assert_true(fdb_learn(sw.fdb, &mac, 0, SOURCE));
	}
	mac = address(PINNED);
	assert_int_equal(fdb_add_static(sw.fdb, &mac, 0, SOURCE), 0);
	fdb_set_port_limit(sw.fdb, SOURCE, LIMIT);
	assert_int_equal(port_set_limits(port[SOURCE], &source_limits), 0);
	return gm_init(&mem, GPA, 1u << 20, false);
}

static int
teardown(void **ctx)
{
	struct ev_loop *loop = sw.loop;

	sw_fini(&sw);
	ev_loop_free(loop);
	gm_fini(&mem);
	free(state);
	state = NULL;
	return 0;
}

/* --- the front-end --- */

/* The end of a connection has been noticed, and what was learned there is forgotten. */
static void
gone(uint32_t i)
{
	struct transport_info info;

	do {
		ev_run_once(sw.loop, 10);
		virtio_port_info(port[i], &info);
	} while (info.connected);
}

static void
attach(struct vhf *f, uint32_t i)
{
	const struct vhf_config cfg = {.path = path[i], .timeout_ms = 5000};
	const struct vhu_frontend_wish wish = {.required = 1ull << VDEV_BIT_VERSION_1,
					       .protocol_features = PROTOCOL,
					       .queue_pairs = 1};
	const struct vhu_mem_region r = {mem.gpa, mem.size, (uintptr_t)mem.hva, 0};

	memset(f, 0, sizeof(*f));
	assert_int_equal(vhf_open(f, &cfg), 0);
	assert_int_equal(vhf_negotiate(f, &wish), 0);
	assert_int_equal(vhf_set_mem(f, &r, &mem.fd, 1), 0);
}

static struct vhu_frontend_ring
ring_number(uint32_t i)
{
	const uint64_t at = (uintptr_t)mem.hva + i * 0x10000;

	return (struct vhu_frontend_ring){false, 64,    0,  at, at + 0x1000, at + 0x2000,
					  0,     false, -1, -1, -1};
}

/* The two rings of a guest that has just booted. */
static void
start_and_stop(struct vhf *f)
{
	for (uint32_t i = 0; i < 2; i++) {
		const struct vhu_frontend_ring ring = ring_number(i);
		uint32_t base;

		assert_int_equal(vhf_ring_start(f, i, &ring), 0);
		assert_int_equal(vhf_ring_stop(f, i, &ring, &base), 0);
	}
}

/* The guest goes on. */
static void
start(struct vhf *f)
{
	for (uint32_t i = 0; i < 2; i++) {
		const struct vhu_frontend_ring ring = ring_number(i);

		assert_int_equal(vhf_ring_start(f, i, &ring), 0);
	}
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(vhf_ring_enable(f, i, true), 0);
	assert_int_equal(vhf_set_status(f, 15), 0);
}

/* SET_DEVICE_STATE_FD; what the back-end answers. */
static uint64_t
state_fd(struct vhf *f, uint32_t direction, int fd)
{
	struct vhu_msg m = {.header = {VHU_SET_DEVICE_STATE_FD, 0, sizeof(struct vhu_device_state)},
			    .payload.device_state = {direction, VHU_STATE_PHASE_STOPPED}};

	vhf_request(f, &m, &fd, 1);
	return m.payload.u64;
}

static uint64_t
check_state(struct vhf *f)
{
	struct vhu_msg m = {.header = {VHU_CHECK_DEVICE_STATE, 0, 0}};

	vhf_request(f, &m, NULL, 0);
	return m.payload.u64;
}

/* A guest that ran at the source stops there and its state is fetched. */
static void
save(void)
{
	struct vhf f;
	ssize_t n;
	int p[2];

	state = calloc(1, VDEV_SAVE_MAX);
	len = 0;
	control_start();
	attach(&f, SOURCE);
	start_and_stop(&f);
	control_stop();
	virtio_port_vdev(port[SOURCE])->q[1].vq->q.stats.frames = FRAMES;
	control_start();
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(state_fd(&f, VHU_STATE_SAVE, p[1]), VHU_STATE_NOFD);
	close(p[1]);
	while ((n = read(p[0], state + len, VDEV_SAVE_MAX - len)) > 0)
		len += (size_t)n;
	close(p[0]);
	assert_int_equal(check_state(&f), 0);
	vhf_close(&f);
	control_stop();
	gone(SOURCE);
	assert_true(len > HEADER);
}

/* CHECK_DEVICE_STATE after the state was moved to the target, which is still there. */
static uint64_t
load(void)
{
	uint64_t verdict;
	size_t done = 0;
	struct vhf f;
	int p[2];

	gone(TARGET); /* from the last time */
	control_start();
	attach(&f, TARGET);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(state_fd(&f, VHU_STATE_LOAD, p[0]), VHU_STATE_NOFD);
	close(p[0]);
	while (done < len) {
		ssize_t n = write(p[1], state + done, len - done);

		assert_true(n > 0);
		done += (size_t)n;
	}
	close(p[1]);
	verdict = check_state(&f);
	control_stop();
	early = fdb_port_count(sw.fdb, TARGET);
	early_ips = nheard;
	control_start();
	start(&f);
	check_state(&f); /* control has seen the rings */
	control_stop();
	vhf_close(&f);
	return verdict;
}

static void
reseal(void)
{
	uint32_t n = (uint32_t)len;
	uint32_t crc = rte_hash_crc(state + HEADER, n - HEADER, 0);

	memcpy(state + 8, &n, 4);
	memcpy(state + 12, &crc, 4);
}

/* --- tests --- */

static void
test_moves_with_the_guest(void **ctx)
{
	struct limits l = {0};
	struct port_stats s;

	assert_int_equal(port_set_limits(port[SOURCE], &l), 0);
	save();
	assert_int_equal(load(), 0);
	assert_int_equal(early, 0);
	for (uint32_t i = 0; i < ADDRESSES; i++)
		assert_int_equal(whereabouts(i), TARGET);
	assert_int_equal(whereabouts(PINNED), SOURCE);
	assert_int_equal(fdb_port_limit(sw.fdb, TARGET), LIMIT);
	port_get_stats(port[TARGET], &s);
	assert_int_equal(s.rx.frames, FRAMES);
}

/* Limits come along and hold at once; where the target has stricter ones, those stay. */
static void
test_limits(void **ctx)
{
	const struct limits own = {.pps = 5, .bps = 7000};
	struct limits l;

	assert_int_equal(port_set_limits(port[TARGET], &own), 0);
	save();
	assert_int_equal(load(), 0);
	port_limits_in_force(port[TARGET], &l);
	assert_int_equal(l.pps, 5);
	assert_int_equal(l.bps, 7000);
	assert_int_equal(l.storm, 10);
	assert_true(l.locked);
	assert_int_equal(l.nmac, 1);
	assert_memory_equal(l.mac, source_limits.mac, sizeof(l.mac[0]));
	assert_int_equal(whereabouts(0), TARGET);
	assert_int_equal(whereabouts(1), FDB_PORT_NONE); /* it may not send there */
}

/* They were the guest's: what the operator has set stays when it leaves, the rest goes. */
static void
test_limits_leave_with_the_guest(void **ctx)
{
	const struct limits own = {.pps = 2000, .bps = 7000};
	struct limits l;

	assert_int_equal(port_set_limits(port[TARGET], &own), 0);
	save();
	assert_int_equal(load(), 0);
	port_get_limits(port[TARGET], &l);
	assert_memory_equal(&l, &own, sizeof(l));
	port_limits_in_force(port[TARGET], &l);
	assert_int_equal(l.pps, 1000);
	assert_int_equal(fdb_port_limit(sw.fdb, TARGET), LIMIT);
	gone(TARGET);
	port_limits_in_force(port[TARGET], &l);
	assert_memory_equal(&l, &own, sizeof(l));
	assert_int_equal(fdb_port_limit(sw.fdb, TARGET), 0);
}

/* The port is removed while they hold. */
static void
test_limits_go_with_the_port(void **ctx)
{
	save();
	assert_int_equal(load(), 0);
	sw_port_remove(&sw, port[TARGET]);
	assert_int_equal(fdb_port_limit(sw.fdb, TARGET), 0);
	port[TARGET] = new_port(TARGET, "");
}

static void
set_vlan(uint32_t i, uint16_t domain, uint16_t native, uint16_t trunk)
{
	struct vlan_config c = {.on = true, .native = native, .access = trunk == 0};

	if (trunk != 0)
		vlan_allow(&c, trunk);
	assert_int_equal(port_set_vlan(port[i], &c), 0);
	assert_int_equal(port_set_domain(port[i], domain), 0);
}

static uint16_t
fid(uint16_t domain, uint16_t vlan)
{
	uint16_t f;

	assert_int_equal(vlan_fid(&sw, domain, vlan, &f), 0);
	return f;
}

/* An address moves with the guest's tag; the VLAN behind no tag is the target's. */
static void
test_vlans(void **ctx)
{
	const struct limits none = {0};
	struct rte_ether_addr mac[] = {address(0x10), address(0x11), address(0x12)};

	assert_int_equal(port_set_limits(port[SOURCE], &none), 0);
	set_vlan(SOURCE, 2, 5, 10);
	assert_true(fdb_learn(sw.fdb, &mac[0], fid(2, 5), SOURCE));
	assert_true(fdb_learn(sw.fdb, &mac[1], fid(2, 10), SOURCE));
	assert_true(fdb_learn(sw.fdb, &mac[2], fid(3, 10), SOURCE)); /* of another domain */
	save();
	set_vlan(TARGET, 4, 7, 10);
	assert_int_equal(load(), 0);
	assert_int_equal(whereabouts_in(0x10, fid(4, 7)), TARGET);
	assert_int_equal(whereabouts_in(0x11, fid(4, 10)), TARGET);
	assert_int_equal(fdb_port_count(sw.fdb, TARGET), 2);
	set_vlan(TARGET, 4, 8, 0);
	assert_int_equal(load(), 0);
	assert_int_equal(whereabouts_in(0x10, fid(4, 8)), TARGET);
	assert_int_equal(fdb_port_count(sw.fdb, TARGET), 1);
	set_vlan(TARGET, 4, 0, 11);
	assert_int_equal(load(), 0);
	assert_int_equal(fdb_port_count(sw.fdb, TARGET), 0);
}

static struct sw_station
station(uint32_t mac, const char *ip, uint8_t n)
{
	struct sw_station s = {.mac = address(mac), .len = (uint8_t)strlen(ip)};

	memcpy(s.addr, ip, s.len);
	s.addr[s.len - 1] = n;
	return s;
}

#define IP4 "\xc0\x01\x02\x03"
#define IP6 "\x20\x01\x0d\xb8zzzzzzzzzzzz"

/* IP addresses go along with the guest's tags, and are told when its rings run. */
static void
test_ips(void **ctx)
{
	const struct limits none = {0};

	assert_int_equal(port_set_limits(port[SOURCE], &none), 0);
	set_vlan(SOURCE, 2, 5, 10);
	set_vlan(TARGET, 4, 7, 10);
	kept[nkept++] = station(0, IP4, 1);
	kept[nkept++] = station(1, IP6, 2);
	kept[nkept++] = station(2, IP4, 3); /* of another domain */
	kept[0].fid = fid(2, 5);
	kept[1].fid = fid(2, 10);
	kept[1].router = true;
	kept[2].fid = fid(3, 10);
	save();
	assert_int_equal(load(), 0);
	assert_int_equal(early_ips, 0);
	assert_int_equal(nheard, 2);
	kept[0].fid = fid(4, 7);
	kept[1].fid = fid(4, 10);
	assert_memory_equal(heard, kept, 2 * sizeof(kept[0]));
}

/* One told twice, or with no ring that runs, is the same one guest's. */
static void
test_ips_go_with_the_guest(void **ctx)
{
	struct vhf f;

	kept[nkept++] = station(0, IP4, 1);
	save();
	assert_int_equal(load(), 0);
	assert_int_equal(nheard, 1);
	gone(TARGET);
	control_start();
	attach(&f, TARGET); /* another guest */
	start(&f);
	check_state(&f);
	control_stop();
	vhf_close(&f);
	assert_int_equal(nheard, 1);
}

/* An address that the guest may not send from is none of its own. */
static void
test_ips_it_may_not_have(void **ctx)
{
	struct guard_config g = {.checks = GUARD_ADDRESSES | GUARD_RA, .n = 1};

	g.pair[0].mac = address(0);
	assert_true(guard_parse("192.1.2.0/31", &g.pair[0].ip));
	assert_int_equal(port_set_guard(port[TARGET], &g), 0);
	kept[nkept++] = station(0, IP4, 1);
	kept[nkept++] = station(0, IP4, 2);
	kept[nkept++] = station(1, IP4, 1); /* the source is locked to the first one, too */
	kept[nkept++] = station(0, IP6, 1);
	kept[nkept++] = (struct sw_station){.mac = address(0),
					    .len = 16,
					    .addr = {0xfe, 0x80, [8] = 0, 0, 0, 0xff, 0xfe}};
	kept[0].router = true;
	save();
	assert_int_equal(load(), 0);
	assert_int_equal(nheard, 2);
	assert_int_equal(heard[0].addr[3], 1);
	assert_false(heard[0].router);
	assert_int_equal(heard[1].addr[0], 0xfe);
}

/* A switch that keeps none, here or there. */
static void
test_ips_unknown(void **ctx)
{
	kept[nkept++] = station(0, IP4, 1);
	save();
	sw.stations = NULL;
	assert_int_equal(load(), 0);
	assert_int_equal(whereabouts(0), TARGET);
	free(state);
	save();
	sw.stations = &stations;
	assert_int_equal(load(), 0);
	assert_int_equal(nheard, 0);
}

/* The state with one record of IP addresses, @p n items of @p item bytes in @p bytes. */
static void
make_ips(uint32_t item, uint32_t n, uint32_t bytes)
{
	const uint32_t head[] = {VDEV_SAVE_OWNER + 2, bytes, item, 0};
	const struct rte_ether_addr mac = address(0);

	len = HEADER;
	memcpy(state + len, head, sizeof(head));
	memset(state + len + sizeof(head), 0, RTE_ALIGN(bytes, 8));
	for (uint32_t i = 0; i < n; i++) {
		uint8_t *at = state + len + sizeof(head) + (size_t)i * item;

		memcpy(at, &mac, sizeof(mac));
		memcpy(at + 8, (const uint8_t[]){10, 0, 0, (uint8_t)i}, 4);
		at[24] = 4;
	}
	len += 8 + RTE_ALIGN(bytes, 8u);
	reseal();
}

/* Lists made up by a front-end: too many, of no length, of a later version. */
static void
test_ips_made_up(void **ctx)
{
	static const struct {
		uint32_t item, n, bytes, expected;
	} lists[] = {
		{32, 90, 8 + 90 * 32, 64},
		{48, 2, 8 + 2 * 48, 2},
		{32, 1, 8 + 63, 1},
		{32, 0, 8, 0},
		{0, 0, 8 + 64, 0},
		{31, 0, 8 + 64, 0},
		{UINT32_MAX, 0, 72, 0},
		{UINT32_MAX - 7, 0, 72, 0},
		{32, 0, 4, 0},
		{32, 0, 0, 0},
	};

	save();
	for (uint32_t i = 0; i < RTE_DIM(lists); i++) {
		make_ips(lists[i].item, lists[i].n, lists[i].bytes);
		nheard = 0;
		assert_int_equal(load(), 0);
		assert_int_equal(nheard, lists[i].expected);
	}
	make_ips(32, 2, 8 + 64);
	state[HEADER + 16 + 24] = 5; /* the length of an address */
	state[HEADER + 16 + 32 + 24] = 0;
	reseal();
	nheard = 0;
	assert_int_equal(load(), 0);
	assert_int_equal(nheard, 0);
}

static void
test_damage_changes_nothing(void **ctx)
{
	struct port_stats s;

	save();
	for (size_t at = HEADER; at < len; at += len / 7) {
		state[at] ^= 1;
		assert_int_equal(load(), EINVAL);
		assert_int_equal(fdb_port_count(sw.fdb, TARGET), 0);
		state[at] ^= 1;
	}
	len--;
	assert_int_equal(load(), EINVAL);
	for (uint32_t i = 0; i < ADDRESSES; i++)
		assert_int_equal(whereabouts(i), FDB_PORT_NONE);
	assert_int_equal(whereabouts(PINNED), SOURCE);
	assert_int_equal(fdb_port_limit(sw.fdb, TARGET), 0);
	port_get_stats(port[TARGET], &s);
	assert_int_equal(s.rx.frames, 0);
}

/* A record of a version to come is skipped, what is around it is taken. */
static void
test_unknown_parts(void **ctx)
{
	const uint32_t head[2] = {VDEV_SAVE_OWNER + 0x77, 8};

	save();
	memcpy(state + len, head, sizeof(head));
	len += sizeof(head) + 8;
	reseal();
	assert_int_equal(load(), 0);
	assert_int_equal(whereabouts(0), TARGET);
}

/* A state made up by a front-end: no multicast, no limit lifted, none exceeded. */
static void
test_made_up(void **ctx)
{
	static const uint8_t macs[][8] = {{2, 0, 0, 0, 0, 0x80},
					  {3, 0, 0, 0, 0, 1},
					  {0},
					  {2, 0, 0, 0, 0, 0x81}};
	const uint32_t records[2][2] = {{VDEV_SAVE_OWNER, 88}, {VDEV_SAVE_OWNER + 1, sizeof(macs)}};
	const uint32_t limits[22] = {1000, 2, [2] = UINT32_MAX, UINT32_MAX, [8] = 255};
	struct limits l;

	fdb_set_port_limit(sw.fdb, TARGET, 1);
	save();
	len = HEADER;
	memcpy(state + len, records[0], 8);
	memcpy(state + len + 8, limits, 88);
	memcpy(state + len + 96, records[1], 8);
	memcpy(state + len + 104, macs, sizeof(macs));
	len += 104 + sizeof(macs);
	reseal();
	assert_int_equal(load(), 0);
	assert_int_equal(fdb_port_limit(sw.fdb, TARGET), 1);
	port_limits_in_force(port[TARGET], &l);
	assert_int_equal(l.pps, 0);
	assert_false(l.locked);
	assert_int_equal(whereabouts(0x80), TARGET);
	assert_int_equal(whereabouts(0x81), FDB_PORT_NONE);
	assert_int_equal(fdb_port_count(sw.fdb, TARGET), 1);
}

/* A feature that an option has to ask for is not offered without it. */
static void
test_only_by_option(void **ctx)
{
	struct vhf f;

	sw_port_remove(&sw, port[TARGET]);
	port[TARGET] = new_port(TARGET, "");
	control_start();
	attach(&f, TARGET);
	assert_int_equal(f.s.protocol_offered & (VHU_PF(DEVICE_STATE) | VHU_PF(CONFIG)), 0);
	vhf_close(&f);
	control_stop();
	sw_port_remove(&sw, port[TARGET]);
	port[TARGET] = new_port(TARGET, ",config=1");
	control_start();
	attach(&f, TARGET);
	assert_int_equal(f.s.protocol_offered & (VHU_PF(DEVICE_STATE) | VHU_PF(CONFIG)),
			 VHU_PF(CONFIG));
	vhf_close(&f);
	control_stop();
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

static int
group_setup(void **ctx)
{
	if (mkdtemp(dir) == NULL)
		return -1;
	for (uint32_t i = 0; i < PORTS; i++)
		snprintf(path[i], sizeof(path[i]), "%s/%u", dir, i);
	return eal_start("0", 128);
}

static int
group_teardown(void **ctx)
{
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(moves_with_the_guest),
		T(limits),
		T(limits_leave_with_the_guest),
		T(limits_go_with_the_port),
		T(vlans),
		T(ips),
		T(ips_go_with_the_guest),
		T(ips_it_may_not_have),
		T(ips_unknown),
		T(ips_made_up),
		T(damage_changes_nothing),
		T(unknown_parts),
		T(made_up),
		T(only_by_option),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
