/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tunnels go on in another process: port 0 is below them. The successor is made in the place of the
 * predecessor, whose records are kept.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <rte_common.h>

#include "eal.h"
#include "base/ev.h"
#include "evpn/evpn.h"
#include "fakesw.h"
#include "pkt/legend.h"
#include "switch/handover.h"
#include "switch/sw_ports.h"
#include "vxlan/internal.h"
#include "vxlan/neigh.h"

#define DOMAIN 5
#define VNI 100
#define FIRST 1024 /* number of the first VTEP's port */
#define LEGEND 1   /* types of records, as the program has some */
#define PORT 2
#define SENT 7

static struct port_ops below_ops;
static struct vxlan *x;

static struct evpn_ip
ip_of(const char *text)
{
	struct evpn_ip ip;

	assert_true(evpn_ip_parse(&ip, text));
	return ip;
}

/* "192.0.2.2 192.0.2.3" */
static void
set_list(uint32_t vni, const char *list)
{
	struct vxlan_vni_config n = {.vni = vni, .domain = (uint16_t)(DOMAIN + vni - VNI)};
	char text[128], err[256] = "", *save, *word;

	snprintf(text, sizeof(text), "%s", list);
	for (word = strtok_r(text, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save))
		n.vtep[n.nvteps++] = ip_of(word);
	if (vxlan_set_vni(x, &n, err, sizeof(err)) != 0)
		fail_msg("%s", err);
}

/* Without the kernel VNIs can join EVPN, and the test tells what it tells. */
static void
make_tunnel(bool rehearsal)
{
	const struct vxlan_tunnel_config t = {.name = "vx",
					      .local = ip_of("192.0.2.1"),
					      .udp_port = 4789,
					      .below = "fake0"};
	char err[256] = "";

	x = vxlan_new(&(struct vxlan_config){.sw = &fake_sw, .rehearsal = rehearsal});
	assert_non_null(x);
	if (vxlan_add(x, &t, err, sizeof(err)) != 0)
		fail_msg("%s", err);
}

static int
setup(void **state)
{
	if (fake_setup(state) != 0)
		return -1;
	below_ops = *fake_ports[0].p.ops;
	below_ops.carries_tunnels = true;
	fake_ports[0].p.ops = &below_ops;
	fake_sw.loop = ev_loop_new();
	make_tunnel(false);
	return 0;
}

static int
teardown(void **state)
{
	vxlan_free(x);
	ev_loop_free(fake_sw.loop);
	fake_sw.loop = NULL;
	return fake_teardown(state);
}

static struct vxlan_vtep *
vtep_of(uint32_t vni, const char *text)
{
	struct evpn_ip ip = ip_of(text);

	return vxlan_find_vtep(vxlan_find_vni(x, vni), &ip);
}

static uint16_t
number_of(uint32_t vni, const char *text)
{
	const struct vxlan_vtep *v = vtep_of(vni, text);

	assert_non_null(v);
	assert_ptr_equal(fake_sw.port[v->port->port.id], &v->port->port);
	return v->port->port.id;
}

/* The list of VNI 100 as "show config" has it. */
static void
assert_list(const char *list)
{
	const struct vxlan_vtep *v;
	char text[128] = "", ip[EVPN_IP_TEXT];
	size_t at = 0;

	STAILQ_FOREACH (v, &vxlan_find_vni(x, VNI)->vteps, entry)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", at != 0 ? " " : "",
				       evpn_ip_text(&v->ip, ip));
	assert_string_equal(text, list);
}

/* --- the records --- */

static void
save_port(struct port *p, struct blob *b)
{
	uint16_t id = p->id;

	hand_put(b, PORT, &id, sizeof(id));
	p->ops->handover->save(p, b);
}

static void
hand_over(struct blob *b)
{
	legend_put(b, LEGEND);
	vxlan_hand_over(x, b);
	sw_hand_over(&fake_sw, b);
	vxlan_hand_over_joined(x, b);
	for (uint16_t id = FIRST; id < fake_sw.nports; id++)
		if (fake_sw.port[id] != NULL)
			save_port(fake_sw.port[id], b);
	assert_false(b->failed);
}

static const char *
take(const struct hand_record *h, struct port **p)
{
	uint16_t id;

	if (h->r.type == PORT && hand_get(h, &id, sizeof(id))) {
		*p = id < fake_sw.nports ? fake_sw.port[id] : NULL;
		return *p != NULL ? NULL : "no such port";
	}
	if (h->r.type >= VXLAN_HAND_PORT)
		return *p != NULL ? (*p)->ops->handover->load(*p, h) : "no port";
	if (h->r.type >= VXLAN_HAND_FIRST)
		return vxlan_take_over(x, h);
	return sw_take_over(&fake_sw, h);
}

static const char *
take_over(struct blob *b)
{
	static struct legend legend;
	struct blob_reader reader = {.blob = b};
	struct hand_record h = {.reader = &reader, .legend = &legend};
	struct port *p = NULL;
	const char *why = NULL;

	legend.n = 0;
	while (why == NULL && (h.data = blob_read(&reader, &h.r)) != NULL)
		why = h.r.type != LEGEND                      ? take(&h, &p)
		      : legend_read(&legend, h.data, h.r.len) ? NULL
							      : "legend";
	return why;
}

/* In place of a new process: nothing is left of the old one. */
static void
begin_anew(void)
{
	bool rehearsal = x->cfg.rehearsal;

	vxlan_free(x);
	fdb_flush_port(fake_sw.fdb, FDB_PORT_NONE, true);
	make_tunnel(rehearsal);
}

/* --- tests --- */

/* Ports have the numbers they had, and addresses are behind the same VTEPs. */
static void
test_numbers(void **state)
{
	const struct rte_ether_addr mac = fake_mac(9, 1);
	struct fdb_entry_info e;
	struct blob b = {0};
	uint16_t id;

	set_list(VNI, "192.0.2.2 192.0.2.3");
	set_list(VNI + 1, "192.0.2.3");
	set_list(VNI, "192.0.2.3 192.0.2.4");
	id = number_of(VNI, "192.0.2.3");
	assert_int_equal(id, FIRST + 1);
	assert_int_equal(number_of(VNI, "192.0.2.4"), FIRST);
	assert_true(fdb_learn(fake_sw.fdb, &mac, DOMAIN, id));
	hand_over(&b);

	begin_anew();
	set_list(VNI, "192.0.2.3 192.0.2.4");
	set_list(VNI + 1, "192.0.2.3");
	assert_int_equal(number_of(VNI, "192.0.2.3"), FIRST);
	assert_null(take_over(&b));
	assert_list("192.0.2.3 192.0.2.4");
	assert_int_equal(number_of(VNI, "192.0.2.3"), FIRST + 1);
	assert_int_equal(number_of(VNI, "192.0.2.4"), FIRST);
	assert_int_equal(number_of(VNI + 1, "192.0.2.3"), FIRST + 2);
	assert_true(fdb_find(fake_sw.fdb, &mac, DOMAIN, &e));
	assert_int_equal(e.port, id);
	blob_free(&b);
}

/* A list in the order it was made in has its numbers already: no port is made anew. */
static void
test_same_numbers(void **state)
{
	const struct vxlan_vtep *v;
	struct blob b = {0};

	set_list(VNI, "192.0.2.2 192.0.2.3");
	hand_over(&b);
	begin_anew();
	set_list(VNI, "192.0.2.2 192.0.2.3");
	v = vtep_of(VNI, "192.0.2.2");
	assert_null(take_over(&b));
	assert_ptr_equal(vtep_of(VNI, "192.0.2.2"), v);
	blob_free(&b);
}

/* Frames have a way at once: the kernel is asked later. */
static void
test_hops(void **state)
{
	const struct evpn_hop hop = {.ifindex = 7,
				     .src = fake_mac(9, 2),
				     .dst = fake_mac(9, 3),
				     .via = ip_of("192.0.2.9"),
				     .mtu = 1400};
	const struct evpn_ip near = ip_of("192.0.2.2");
	const struct outer *o;
	struct evpn_stats stats;
	struct blob b = {0};

	set_list(VNI, "192.0.2.2 192.0.2.3");
	evpn_restore_hop(x->evpn, &near, &hop);
	evpn_restore_stats(x->evpn, &(struct evpn_stats){.losses = 3, .refused = 5});
	hand_over(&b);
	begin_anew();
	set_list(VNI, "192.0.2.2 192.0.2.3");
	assert_null(atomic_load(&vtep_of(VNI, "192.0.2.2")->port->outer));
	assert_null(take_over(&b));
	o = atomic_load(&vtep_of(VNI, "192.0.2.2")->port->outer);
	assert_non_null(o);
	assert_memory_equal(o->b, &hop.dst, sizeof(hop.dst));
	assert_int_equal(o->max_len, outer_room(false, 1400));
	assert_null(atomic_load(&vtep_of(VNI, "192.0.2.3")->port->outer));
	vxlan_kernel_stats(x, &stats);
	assert_int_equal(stats.losses, 3);
	assert_int_equal(stats.refused, 5);
	/* the port below may have another MTU by now */
	fake_ports[0].p.mtu = 1300;
	vxlan_run(x);
	o = atomic_load(&vtep_of(VNI, "192.0.2.2")->port->outer);
	assert_int_equal(o->max_len, outer_room(false, 1300));
	fake_ports[0].p.mtu = 0;
	blob_free(&b);
}

/* Counters go on, also those of workers that are no more. */
static void
test_counters(void **state)
{
	struct vtep *v;
	struct port_stats s;
	struct blob b = {0};

	set_list(VNI, "192.0.2.2");
	v = vtep_of(VNI, "192.0.2.2")->port;
	vtep_queue(v, false, 0)->stats.frames = SENT;
	vtep_queue(v, true, 3)->stats.bytes = SENT;
	assert_null(vtep_queue(v, true, DP_QUEUES_MAX));
	assert_null(vtep_queue(v, false, 1));
	hand_over(&b);
	begin_anew();
	set_list(VNI, "192.0.2.2");
	assert_null(take_over(&b));
	port_get_stats(&vtep_of(VNI, "192.0.2.2")->port->port, &s);
	assert_int_equal(s.rx.frames, SENT);
	assert_int_equal(s.tx.bytes, SENT);
	assert_int_equal(vtep_queue(vtep_of(VNI, "192.0.2.2")->port, true, 3)->stats.bytes, SENT);
	blob_free(&b);
}

static void
join_evpn(void)
{
	const struct vxlan_vni_config n = {.vni = VNI, .domain = DOMAIN, .evpn = true};
	char err[256] = "";

	if (vxlan_set_vni(x, &n, err, sizeof(err)) != 0)
		fail_msg("%s", err);
}

/* A VNI that joined EVPN: VTEPs, addresses there and IP addresses here, and what was counted. */
static void
test_joined(void **state)
{
	const struct rte_ether_addr far = fake_mac(9, 1), near = fake_mac(1, 1);
	const struct evpn_ip ip = ip_of("192.168.0.1"), ip6 = ip_of("2001:db8::1");
	const struct evpn_ip a = ip_of("192.0.2.8"), b = ip_of("192.0.2.9");
	const struct evpn_neigh neigh = {.mac = near, .router = true};
	struct neigh_refusals refusals;
	struct vxlan_vni_stats stats;
	struct fdb_entry_info e;
	struct blob records = {0};
	uint16_t id;

	vxlan_free(x);
	make_tunnel(true);
	join_evpn();
	vxlan_evpn_ops.flood(x, VNI, &a, true);
	vxlan_evpn_ops.remote(x, VNI, &far, &b);
	vxlan_evpn_ops.settled(x);
	id = number_of(VNI, "192.0.2.9");
	assert_true(fdb_learn(fake_sw.fdb, &near, DOMAIN, 1));
	assert_true(neigh_restore(x->neigh, DOMAIN, &ip, &neigh));
	assert_true(neigh_restore(x->neigh, DOMAIN, &ip6, &neigh));
	assert_false(neigh_restore(x->neigh, DOMAIN, &ip6, &neigh));
	neigh_restore_answers(x->neigh, DOMAIN, SENT, SENT + 1);
	neigh_restore_refusals(x->neigh, &(struct neigh_refusals){.rate = 3});
	neigh_set_tat(x->neigh, 1, 1234567);
	hand_over(&records);

	begin_anew();
	join_evpn();
	assert_null(take_over(&records));
	assert_int_equal(number_of(VNI, "192.0.2.9"), id);
	assert_true(vtep_of(VNI, "192.0.2.8")->listed);
	assert_false(vtep_of(VNI, "192.0.2.9")->listed);
	assert_true(fdb_find(fake_sw.fdb, &far, DOMAIN, &e));
	assert_int_equal(e.origin, FDB_EXTERN);
	assert_int_equal(e.port, id);
	vxlan_vni_stats(x, vxlan_find_vni(x, VNI), &stats);
	assert_int_equal(stats.ip_ours, 2);
	assert_int_equal(stats.arp, SENT);
	assert_int_equal(stats.nd, SENT + 1);
	vxlan_refusals(x, &refusals);
	assert_int_equal(refusals.rate, 3);
	assert_int_equal(neigh_get_tat(x->neigh, 1), 1234567);
	assert_int_equal(neigh_get_tat(x->neigh, 2), 0);
	blob_free(&records);
}

/* A number that another port has, a VNI that is not there, no address: refused. */
static void
test_refused(void **state)
{
	struct blob b = {0};

	set_list(VNI, "192.0.2.2");
	hand_over(&b);
	begin_anew();
	assert_non_null(take_over(&b)); /* no VNI */
	set_list(VNI + 1, "192.0.2.2");
	assert_non_null(take_over(&b)); /* another one */
	blob_free(&b);
}

/* Any byte may be wrong: refused or something else, and all VTEPs have ports of their own. */
static void
test_damaged(void **state)
{
	static const uint8_t masks[] = {0x01, 0x80, 0xff};
	const struct evpn_hop hop = {.ifindex = 7,
				     .dst = fake_mac(9, 3),
				     .via = ip_of("192.0.2.9")};
	const struct evpn_ip ip = ip_of("192.0.2.2");
	struct blob b = {0}, c;
	size_t legend = 0, at;

	set_list(VNI, "192.0.2.2 192.0.2.3");
	evpn_restore_hop(x->evpn, &ip, &hop);
	legend_put(&b, LEGEND);
	legend = b.len;
	blob_free(&b);
	hand_over(&b);
	for (at = legend; at < b.len; at++) {
		c = (struct blob){0};
		blob_put(&c, b.data, b.len);
		c.data[at] ^= masks[at % RTE_DIM(masks)];
		(void)take_over(&c);
		for (const struct vxlan_vtep *v = STAILQ_FIRST(&vxlan_find_vni(x, VNI)->vteps);
		     v != NULL; v = STAILQ_NEXT(v, entry))
			assert_ptr_equal(fake_sw.port[v->port->port.id], &v->port->port);
		blob_free(&c);
	}
	blob_free(&b);
}

static int
start_eal(void **state)
{
	return eal_start("0", 64) == 0 && fake_pool(255) != NULL ? 0 : -1;
}

int
main(void)
{
#define EACH(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		EACH(test_numbers),  EACH(test_same_numbers), EACH(test_hops),
		EACH(test_counters), EACH(test_refused),      EACH(test_joined),
		EACH(test_damaged),
	};

	return cmocka_run_group_tests(tests, start_eal, NULL);
}
