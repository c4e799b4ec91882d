/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VNI that joined EVPN: port 0 is below the tunnel, port 1 is a guest of it. The test tells what
 * lib/evpn tells from the kernel's tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_common.h>

#include "eal.h"
#include "base/ev.h"
#include "evpn/evpn.h"
#include "fakesw.h"
#include "switch/sw_ports.h"
#include "vxlan/internal.h"
#include "vxlan/neigh.h"
#include "vxlan/vtep.h"

#define DOMAIN 5
#define VNI 100
#define GUEST 1
#define FIRST_VTEP 1024 /* ports of VTEPs begin there */
#define FDB_LIMIT 1000  /* of fakesw.c */

static const struct evpn_ip none;
static struct port_ops below_ops;
static struct vxlan *x;

static struct evpn_ip
ip_of(const char *text)
{
	struct evpn_ip ip;

	assert_true(evpn_ip_parse(&ip, text));
	return ip;
}

static struct evpn_ip
vtep_number(uint32_t i)
{
	char text[EVPN_IP_TEXT];

	snprintf(text, sizeof(text), "198.51.%u.%u", i / 250, i % 250 + 1);
	return ip_of(text);
}

/* Without the kernel: the test is in its place. */
static int
setup(void **state)
{
	const struct vxlan_tunnel_config t = {.name = "vx",
					      .local = ip_of("192.0.2.1"),
					      .udp_port = 4789,
					      .below = "fake0"};
	const struct vxlan_vni_config n = {.vni = VNI, .domain = DOMAIN, .evpn = true};
	char err[256] = "";

	if (fake_setup(state) != 0)
		return -1;
	below_ops = *fake_ports[0].p.ops;
	below_ops.carries_tunnels = true;
	fake_ports[0].p.ops = &below_ops;
	fake_ports[GUEST].p.domain = DOMAIN;
	fake_sw.loop = ev_loop_new();
	x = vxlan_new(&(struct vxlan_config){.sw = &fake_sw, .rehearsal = true});
	assert_non_null(x);
	if (vxlan_add(x, &t, err, sizeof(err)) != 0 || vxlan_set_vni(x, &n, err, sizeof(err)) != 0)
		fail_msg("%s", err);
	return 0;
}

static int
teardown(void **state)
{
	x->evpn = NULL; /* without the kernel, a test may have had one of its own */
	vxlan_free(x);
	ev_loop_free(fake_sw.loop);
	fake_sw.loop = NULL;
	return fake_teardown(state);
}

/* --- what EVPN tells --- */

static void
remote(const struct rte_ether_addr *mac, const struct evpn_ip *vtep)
{
	vxlan_evpn_ops.remote(x, VNI, mac, vtep);
}

static void
flood(const struct evpn_ip *vtep, bool on)
{
	vxlan_evpn_ops.flood(x, VNI, vtep, on);
}

static void
settled(void)
{
	vxlan_evpn_ops.settled(x);
}

/* --- what is told to EVPN --- */

bool __wrap_evpn_retell(struct evpn *e);
int __wrap_evpn_have_mac(struct evpn *e, uint32_t vni, const struct rte_ether_addr *mac);
int __wrap_evpn_have_ip(struct evpn *e, uint32_t vni, const struct evpn_ip *ip,
			const struct evpn_neigh *n);

static uint32_t portions;  /* that evpn_retell() has left */
static uint32_t announced; /* MAC addresses */
static char said[64];      /* IP addresses */

bool
__wrap_evpn_retell(struct evpn *e)
{
	return portions-- > 1;
}

int
__wrap_evpn_have_mac(struct evpn *e, uint32_t vni, const struct rte_ether_addr *mac)
{
	announced++;
	return 0;
}

int
__wrap_evpn_have_ip(struct evpn *e, uint32_t vni, const struct evpn_ip *ip,
		    const struct evpn_neigh *n)
{
	evpn_ip_text(ip, said);
	return 0;
}

/* Time for @p t, which is armed for it to come within @p ms. */
static void
fire(struct ev_timer *t, uint32_t ms)
{
	assert_non_null(t->loop);
	assert_in_range(t->deadline_ns, 0, ev_now_ns() + ms * UINT64_C(1000000));
	ev_timer_cancel(t);
	t->cb(t);
}

/* --- the outcome --- */

static struct vxlan_vtep *
find(const struct evpn_ip *vtep)
{
	return vxlan_find_vtep(vxlan_find_vni(x, VNI), vtep);
}

static uint32_t
count_vteps(void)
{
	const struct vxlan_vtep *v;
	uint32_t n = 0;

	STAILQ_FOREACH (v, &vxlan_find_vni(x, VNI)->vteps, entry)
		n++;
	return n;
}

/* The port an address is behind. */
static uint16_t
port_of(const struct rte_ether_addr *mac, enum fdb_origin origin)
{
	struct fdb_entry_info e;

	if (!fdb_find(fake_sw.fdb, mac, DOMAIN, &e))
		return FDB_PORT_NONE;
	assert_int_equal(e.origin, origin);
	return e.port;
}

/* --- tests --- */

/* A VTEP has a port while it is in the flood list. */
static void
test_flood_list(void **state)
{
	struct evpn_ip a = vtep_number(1), b = vtep_number(2);

	flood(&a, true);
	flood(&b, true);
	settled();
	assert_int_equal(count_vteps(), 2);
	flood(&a, false);
	flood(&vxlan_find_vni(x, VNI)->tunnel->local, false);
	settled();
	assert_null(find(&a));
	assert_non_null(find(&b));
	assert_null(fake_sw.port[FIRST_VTEP]);
}

/* Or while an address is behind it. */
static void
test_addresses(void **state)
{
	struct evpn_ip a = vtep_number(1), b = vtep_number(2);
	struct rte_ether_addr m1 = fake_mac(9, 1), m2 = fake_mac(9, 2);

	remote(&m1, &a);
	remote(&m2, &a);
	settled();
	assert_int_equal(port_of(&m1, FDB_EXTERN), find(&a)->port->port.id);
	remote(&m1, &b);
	settled();
	assert_int_equal(port_of(&m1, FDB_EXTERN), find(&b)->port->port.id);
	assert_non_null(find(&a));
	remote(&m2, &none);
	settled();
	assert_null(find(&a));
	assert_int_equal(port_of(&m2, FDB_EXTERN), FDB_PORT_NONE);
	/* in the list, without an address */
	flood(&b, true);
	remote(&m1, &none);
	settled();
	assert_non_null(find(&b));
}

/* A guest takes an address, and keeps it when the other host has it no more. */
static void
test_guest(void **state)
{
	struct evpn_ip a = vtep_number(1);
	struct rte_ether_addr mac = fake_mac(9, 1);

	remote(&mac, &a);
	settled();
	assert_true(fdb_learn(fake_sw.fdb, &mac, DOMAIN, GUEST));
	remote(&mac, &none);
	settled();
	assert_int_equal(port_of(&mac, FDB_LEARNED), GUEST);
	assert_null(find(&a));
	remote(&mac, &a);
	settled();
	assert_int_equal(port_of(&mac, FDB_EXTERN), find(&a)->port->port.id);
	/* the operator's word counts */
	assert_int_equal(fdb_add_static(fake_sw.fdb, &mac, DOMAIN, GUEST), 0);
	remote(&mac, &a);
	settled();
	assert_int_equal(port_of(&mac, FDB_STATIC), GUEST);
}

/* All of it goes with the VNI; what is told of others is not heard. */
static void
test_vni_ends(void **state)
{
	struct evpn_ip a = vtep_number(1);
	struct rte_ether_addr mac = fake_mac(9, 1);
	char err[256];

	remote(&mac, &a);
	settled();
	assert_int_equal(vxlan_remove_vni(x, VNI, err, sizeof(err)), 0);
	assert_int_equal(port_of(&mac, FDB_EXTERN), FDB_PORT_NONE);
	assert_null(fake_sw.port[FIRST_VTEP]);
	remote(&mac, &a);
	flood(&a, true);
	settled();
	assert_null(fake_sw.port[FIRST_VTEP]);
}

/* This switch itself, and what is no address of a host that the tunnel reaches, is no VTEP. */
static void
test_no_vtep(void **state)
{
	static const char *const bad[] = {"192.0.2.1", "2001:db8::2", "224.0.0.1",
					  "127.0.0.1", "0.0.0.0",     "255.255.255.255"};
	struct rte_ether_addr mac = fake_mac(9, 1);

	for (size_t i = 0; i < RTE_DIM(bad); i++) {
		struct evpn_ip ip = ip_of(bad[i]);

		flood(&ip, true);
		remote(&mac, &ip);
		settled();
		if (count_vteps() != 0)
			fail_msg("%s is a VTEP", bad[i]);
		assert_int_equal(port_of(&mac, FDB_EXTERN), FDB_PORT_NONE);
	}
}

/* An address that no station can have is none: it is not tried again and again. */
static void
test_no_station(void **state)
{
	static const struct rte_ether_addr bad[] = {
		{{0}},
		{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
		{{0x33, 0x33, 0, 0, 0, 1}},
	};
	struct evpn_ip a = vtep_number(1);

	for (size_t i = 0; i < RTE_DIM(bad); i++) {
		remote(&bad[i], &a);
		settled();
		assert_null(x->retry.loop);
		assert_int_equal(count_vteps(), 0);
	}
}

/* However many addresses other hosts have, guests of this one keep theirs. */
static void
test_many_addresses(void **state)
{
	struct evpn_ip a = vtep_number(1);

	for (uint8_t i = 0; i < 100; i++) {
		struct rte_ether_addr mac = fake_mac(GUEST, i);

		assert_true(fdb_learn(fake_sw.fdb, &mac, DOMAIN, GUEST));
	}
	for (uint32_t i = 0; i < 2 * FDB_LIMIT; i++) {
		struct rte_ether_addr mac = {{2, 1, 1, 1, (uint8_t)(i >> 8), (uint8_t)i}};

		remote(&mac, &a);
	}
	settled();
	assert_int_equal(fdb_port_count(fake_sw.fdb, GUEST), 100);
	/* and learn others */
	for (uint8_t i = 0; i < 200; i++) {
		struct rte_ether_addr mac = fake_mac(2, i);

		assert_true(fdb_learn(fake_sw.fdb, &mac, DOMAIN, 2));
	}
	assert_int_equal(fdb_port_count(fake_sw.fdb, GUEST), 100);
}

/* However many VTEPs there are, commands can make ports. */
static void
test_many_vteps(void **state)
{
	for (uint32_t i = 0; i < DP_PORTS_MAX; i++) {
		struct evpn_ip ip = vtep_number(i);

		flood(&ip, true);
	}
	settled();
	assert_int_equal(count_vteps(), DP_PORTS_MAX - FIRST_VTEP);
	assert_non_null(x->retry.loop); /* the others are told again */
	for (uint16_t i = FAKE_PORTS; i < FIRST_VTEP; i++)
		assert_null(fake_sw.port[i]);
}

/* All that was refused is told again in portions, and again as long as some of it is refused. */
static void
test_told_again(void **state)
{
	uint8_t kernel;
	struct evpn_ip ip;

	for (uint32_t i = 0; i < DP_PORTS_MAX; i++) {
		ip = vtep_number(i);
		flood(&ip, true);
	}
	settled();
	x->evpn = (struct evpn *)&kernel; /* not used but by functions of this test */
	portions = 2;
	fire(&x->retry, 10000);
	ip = vtep_number(DP_PORTS_MAX - 1);
	flood(&ip, true); /* there is no room yet */
	fire(&x->retry, 50);
	assert_int_equal(portions, 0);
	portions = 1;
	fire(&x->retry, 10000);
	assert_null(x->retry.loop);
}

/* VTEPs that go one after the other leave room, and do not put off what waits for it. */
static void
test_told_again_soon(void **state)
{
	struct evpn_ip ip;
	uint64_t deadline;

	for (uint32_t i = 0; i < DP_PORTS_MAX; i++) {
		ip = vtep_number(i);
		flood(&ip, true);
	}
	settled();
	ip = vtep_number(0);
	flood(&ip, false);
	settled();
	deadline = x->retry.deadline_ns;
	assert_in_range(deadline, 0, ev_now_ns() + UINT64_C(100000000));
	ev_run_once(fake_sw.loop, 2);
	ip = vtep_number(1);
	flood(&ip, false);
	settled();
	assert_true(x->retry.deadline_ns == deadline);
}

/* A burst of VTEPs, each with an address, is one publication; none points to a port before it. */
static void
test_one_publication(void **state)
{
	uint64_t before = fake_sw.generation;

	for (uint8_t i = 0; i < 50; i++) {
		struct evpn_ip ip = vtep_number(i);
		struct rte_ether_addr mac = {{2, 1, 1, 1, 0, i}};

		flood(&ip, true);
		remote(&mac, &ip);
		assert_int_equal(port_of(&mac, FDB_EXTERN), FDB_PORT_NONE);
	}
	settled();
	assert_int_equal(fake_sw.generation, before + 1);
	for (uint8_t i = 0; i < 50; i++) {
		struct evpn_ip ip = vtep_number(i);
		struct rte_ether_addr mac = {{2, 1, 1, 1, 0, i}};

		assert_int_equal(port_of(&mac, FDB_EXTERN), find(&ip)->port->port.id);
	}
	/* and all go in one */
	for (uint8_t i = 0; i < 50; i++) {
		struct evpn_ip ip = vtep_number(i);
		struct rte_ether_addr mac = {{2, 1, 1, 1, 0, i}};

		flood(&ip, false);
		remote(&mac, &none);
	}
	settled();
	assert_int_equal(fake_sw.generation, before + 2);
	assert_int_equal(count_vteps(), 0);
	assert_null(fake_sw.port[FIRST_VTEP]);
}

/* Of several changes of an address in one burst the last one counts. */
static void
test_last_change_counts(void **state)
{
	struct evpn_ip a = vtep_number(1), b = vtep_number(2);
	struct rte_ether_addr m1 = fake_mac(9, 1), m2 = fake_mac(9, 2);

	remote(&m1, &a);
	remote(&m2, &a);
	remote(&m1, &b);
	remote(&m2, &none);
	settled();
	assert_int_equal(port_of(&m1, FDB_EXTERN), find(&b)->port->port.id);
	assert_int_equal(port_of(&m2, FDB_EXTERN), FDB_PORT_NONE);
	assert_null(find(&a));
}

static void
learn(uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		struct rte_ether_addr mac = {{2, 1, 1, 1, (uint8_t)(i >> 8), (uint8_t)i}};

		assert_true(fdb_learn(fake_sw.fdb, &mac, DOMAIN, GUEST));
	}
}

/* A port that has too many addresses when the kernel is ready has some announced. */
static void
test_ready_with_too_many(void **state)
{
	uint8_t kernel;

	assert_int_equal(fdb_set_limits(fake_sw.fdb, 4 * VXLAN_PORT_MACS, 0, 300), 0);
	learn(0, VXLAN_PORT_MACS + 10);
	x->evpn = (struct evpn *)&kernel;
	announced = 0;
	vxlan_evpn_ops.ready(x, VNI);
	assert_int_equal(announced, VXLAN_PORT_MACS);
}

/* Addresses learned before the kernel is ready are announced then. */
static void
test_ready(void **state)
{
	struct evpn_neigh guest = {.mac = fake_mac(GUEST, 1)};
	struct evpn_ip ip = ip_of("192.0.2.77");
	uint8_t kernel;

	assert_true(neigh_set_remote(x->neigh, DOMAIN, &ip, &guest));
	assert_true(fdb_learn(fake_sw.fdb, &guest.mac, DOMAIN, GUEST));
	assert_true(neigh_set_remote(x->neigh, DOMAIN, &ip, NULL));
	x->evpn = (struct evpn *)&kernel;
	announced = 0;
	said[0] = '\0';
	vxlan_evpn_ops.ready(x, VNI);
	assert_int_equal(announced, 1);
	assert_string_equal(said, "192.0.2.77");
}

/* Addresses that were not announced are when the port has not too many any more. */
static void
test_fewer_again(void **state)
{
	struct rte_ether_addr mac = {{2, 1, 1, 1, 0, 0}};
	uint8_t kernel;

	assert_int_equal(fdb_set_limits(fake_sw.fdb, 4 * VXLAN_PORT_MACS, 0, 300), 0);
	x->evpn = (struct evpn *)&kernel;
	announced = 0;
	learn(0, VXLAN_PORT_MACS + 1);
	assert_int_equal(announced, VXLAN_PORT_MACS);
	fire(&x->recount, 10000);
	assert_int_equal(announced, VXLAN_PORT_MACS);
	x->evpn = NULL; /* it is not told that the address goes */
	assert_int_equal(fdb_del(fake_sw.fdb, &mac, DOMAIN), 0);
	x->evpn = (struct evpn *)&kernel;
	announced = 0;
	fire(&x->recount, 10000);
	assert_int_equal(announced, VXLAN_PORT_MACS); /* all that are left */
	assert_null(x->recount.loop);
}

#define EACH(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static int
start_eal(void **state)
{
	return eal_start("0", 64) == 0 && fake_pool(255) != NULL ? 0 : -1;
}

/* The way to a VTEP, which @p mtu fits; 0: there is none. */
static void
set_way(const struct evpn_ip *to, uint16_t mtu)
{
	const struct outer_config c = {.src = ip_of("192.0.2.1"),
				       .dst = *to,
				       .vni = VNI,
				       .port = OUTER_VXLAN_PORT,
				       .mtu = mtu};
	struct outer *o = NULL;

	if (mtu != 0) {
		o = aligned_alloc(__alignof__(*o), sizeof(*o));
		assert_non_null(o);
		outer_make(o, &c);
	}
	free((void *)(uintptr_t)vtep_set_outer(find(to)->port, o, o != NULL ? NULL : "no route"));
}

/* The first VTEP takes short frames only, the second none: that is told. */
static void
test_why_narrow_and_none(void **state)
{
	struct evpn_ip narrow = vtep_number(1), none_at_all = vtep_number(2);
	struct vxlan_vni *n = vxlan_find_vni(x, VNI);
	char buf[256];

	flood(&narrow, true);
	flood(&none_at_all, true);
	settled();
	n->evpn = false; /* which has reasons of its own */
	fake_sw.mtu_most[DOMAIN] = 1500;
	set_way(&narrow, 1400);
	set_way(&none_at_all, 1550);
	assert_non_null(strstr(vxlan_why(x, n, buf, sizeof(buf)), "do not fit"));
	set_way(&none_at_all, 0);
	assert_non_null(strstr(vxlan_why(x, n, buf, sizeof(buf)), "no route"));
	n->evpn = true;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_flood_list),
		EACH(test_addresses),
		EACH(test_guest),
		EACH(test_vni_ends),
		EACH(test_no_vtep),
		EACH(test_no_station),
		EACH(test_many_addresses),
		EACH(test_many_vteps),
		EACH(test_ready),
		EACH(test_ready_with_too_many),
		EACH(test_fewer_again),
		EACH(test_told_again),
		EACH(test_told_again_soon),
		EACH(test_one_publication),
		EACH(test_last_change_counts),
		EACH(test_why_narrow_and_none),
	};

	return cmocka_run_group_tests(tests, start_eal, NULL);
}
