/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IP addresses of a network that joined EVPN: learned from frames of guests, told of other hosts,
 * and answered for. Four ports in domain 0, the network is that domain.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_arp.h>
#include <rte_ip.h>

#include "eal.h"
#include "fakesw.h"
#include "frame.h"
#include "base/ev.h"
#include "switch/publish.h"
#include "switch/sw_ports.h"
#include "switch/vlan_table.h"
#include "vxlan/neigh_table.h"

#define NET 0
#define ARP_LEN 42
#define ND_LEN (14 + 40 + 24 + 8)
#define ND_AT (14 + 40)
#define NS 135
#define NA 136
#define RA 134
#define ROUTER 0x80
#define VLAN 7
#define LOG_MAX 4096

static struct neigh *table;
static char said[LOG_MAX];

static void
on_ours(void *ctx, uint16_t fid, const struct evpn_ip *ip, const struct evpn_neigh *n)
{
	size_t at = strlen(said);
	char text[EVPN_IP_TEXT];

	snprintf(said + at, sizeof(said) - at, "%s%s%s ", n != NULL ? "" : "-",
		 evpn_ip_text(ip, text), n != NULL && n->router ? "(router)" : "");
}

static void
assert_said(const char *what)
{
	assert_string_equal(said, what);
	said[0] = '\0';
}

static int
setup(void **state)
{
	if (fake_setup(state) != 0)
		return -1;
	fake_sw.loop = ev_loop_new();
	table = neigh_new(&(struct neigh_config){.sw = &fake_sw, .ours = on_ours});
	if (fake_sw.loop == NULL || table == NULL || neigh_add_net(table, NET) != 0)
		return -1;
	sw_intercept_domain(&fake_sw, 0, neigh_intercept(table));
	sw_publish(&fake_sw);
	said[0] = '\0';
	return 0;
}

static int
teardown(void **state)
{
	sw_intercept_domain(&fake_sw, 0, NULL);
	sw_publish(&fake_sw);
	neigh_free(table);
	ev_loop_free(fake_sw.loop);
	fake_sw.loop = NULL;
	return fake_teardown(state);
}

static struct evpn_ip
ip_of(const char *text)
{
	struct evpn_ip ip;

	assert_true(evpn_ip_parse(&ip, text));
	return ip;
}

/* The frames that were put in, and all that control has to do for them. */
static void
run(void)
{
	fake_clear();
	fake_poll();
	do
		ev_run_once(fake_sw.loop, table->again.loop != NULL ? 20 : 0);
	while (table->again.loop != NULL);
}

/* The ports, by bit, that frames came out of. */
static uint32_t
reached(void)
{
	uint32_t mask = 0;

	for (uint32_t i = 0; i < FAKE_PORTS; i++)
		mask |= (uint32_t)(fake_ports[i].nout != 0) << i;
	return mask;
}

/* --- frames --- */

static struct fake_frame *
put_arp(uint32_t port, const struct rte_ether_addr *src, const char *sip, const char *tip)
{
	struct fake_frame *f = fake_put(port, src, &fake_broadcast, ARP_LEN);
	struct rte_arp_hdr arp = {
		.arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER),
		.arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4),
		.arp_hlen = RTE_ETHER_ADDR_LEN,
		.arp_plen = 4,
		.arp_opcode = RTE_BE16(RTE_ARP_OP_REQUEST),
		.arp_data.arp_sha = *src,
	};
	struct evpn_ip s = ip_of(sip), t = ip_of(tip);

	memcpy(&arp.arp_data.arp_sip, s.addr, 4);
	memcpy(&arp.arp_data.arp_tip, t.addr, 4);
	frame_put16(f->b + 12, RTE_ETHER_TYPE_ARP);
	memcpy(f->b + 14, &arp, sizeof(arp));
	return f;
}

/* Have a frame be a reply, to one station. */
static void
make_reply(struct fake_frame *f, const struct rte_ether_addr *dst)
{
	memcpy(f->b, dst, sizeof(*dst));
	frame_put16(f->b + 14 + 6, RTE_ARP_OP_REPLY);
}

static void
set_nd_checksum(struct fake_frame *f)
{
	struct rte_ipv6_hdr ip;

	memcpy(&ip, f->b + 14, sizeof(ip));
	memset(f->b + ND_AT + 2, 0, 2);
	ip.payload_len = rte_cpu_to_be_16((uint16_t)(f->len - ND_AT));
	rte_be16_t sum = rte_ipv6_udptcp_cksum(&ip, f->b + ND_AT);

	memcpy(f->b + ND_AT + 2, &sum, sizeof(sum));
}

/* Neighbour discovery with one option. RA has no target and another header in front of it. */
static struct fake_frame *
put_nd(uint32_t port, const struct rte_ether_addr *src, uint8_t type, const char *sip,
       const char *target)
{
	static const struct rte_ether_addr group = {{0x33, 0x33, 0xff, 0, 0, 1}};
	uint32_t hdr = type == RA ? 16 : 24;
	struct fake_frame *f = fake_put(port, src, &group, ND_AT + hdr + 8);
	struct evpn_ip s = ip_of(sip), t = ip_of(target), d = ip_of("ff02::1:ff00:1");

	memset(f->b + 14, 0, f->len - 14);
	frame_put16(f->b + 12, RTE_ETHER_TYPE_IPV6);
	f->b[14] = 0x60;
	frame_put16(f->b + 14 + 4, hdr + 8);
	f->b[14 + 6] = 58;
	f->b[14 + 7] = 255;
	memcpy(f->b + 14 + 8, s.addr, 16);
	memcpy(f->b + 14 + 24, d.addr, 16);
	f->b[ND_AT] = type;
	if (type != RA)
		memcpy(f->b + ND_AT + 8, t.addr, 16);
	f->b[ND_AT + hdr] = type == NA ? 2 : 1;
	f->b[ND_AT + hdr + 1] = 1;
	memcpy(f->b + ND_AT + hdr + 2, src, 6);
	set_nd_checksum(f);
	return f;
}

/* A VLAN tag between the addresses and the rest. */
static void
tag(struct fake_frame *f, uint16_t vlan)
{
	memmove(f->b + 16, f->b + 12, f->len - 12);
	frame_put16(f->b + 12, RTE_ETHER_TYPE_VLAN);
	frame_put16(f->b + 14, vlan);
	f->len += 4;
}

static struct neigh_stats
stats(void)
{
	struct neigh_stats s;

	neigh_get_stats(table, NET, &s);
	return s;
}

static struct neigh_refusals
refusals(void)
{
	struct neigh_refusals r;

	neigh_get_refusals(table, &r);
	return r;
}

/* Guest @p port has @p ip, learned from a request. */
static struct rte_ether_addr
guest(uint32_t port, const char *ip)
{
	struct rte_ether_addr mac = fake_mac(port, 1);

	put_arp(port, &mac, ip, "192.0.2.250");
	run();
	said[0] = '\0';
	return mac;
}

/* The one frame that came out of @p port, and nothing from the others. */
static const struct fake_frame *
answer_at(uint32_t port)
{
	assert_int_equal(reached(), 1u << port);
	assert_int_equal(fake_ports[port].nout, 1);
	fake_check_accounts();
	return &fake_ports[port].out[0];
}

/* --- tests --- */

static void
request_is_answered_once_the_address_is_known(void **state)
{
	struct rte_ether_addr a = fake_mac(1, 1), b = fake_mac(2, 1);
	const struct fake_frame *f;

	put_arp(1, &a, "192.0.2.1", "192.0.2.2");
	run();
	assert_int_equal(reached(), 0xd); /* unknown: to all */
	assert_said("192.0.2.1 ");
	put_arp(2, &b, "192.0.2.2", "192.0.2.1");
	run();
	assert_said("192.0.2.2 ");
	f = answer_at(2);
	assert_memory_equal(f->b, &b, 6);
	assert_memory_equal(f->b + 6, &a, 6);
	assert_int_equal(frame_get16(f->b + 14 + 6), RTE_ARP_OP_REPLY);
	assert_memory_equal(f->b + 14 + 8, &a, 6);
	assert_memory_equal(f->b + 14 + 14, ((uint8_t[]){192, 0, 2, 1}), 4);
	assert_memory_equal(f->b + 14 + 18, &b, 6);
	assert_memory_equal(f->b + 14 + 24, ((uint8_t[]){192, 0, 2, 2}), 4);
	assert_int_equal(stats().arp, 1);
	assert_int_equal(stats().ours, 2);
	/* the sender of a frame that was answered is known all the same */
	assert_true(fdb_find(fake_sw.fdb, &b, NET, &(struct fdb_entry_info){0}));
}

/* A guest that never asks says its address when it is asked. */
static void
reply_to_one_station_is_heard(void **state)
{
	struct rte_ether_addr a = fake_mac(1, 1), b = fake_mac(2, 1);

	put_arp(1, &a, "192.0.2.1", "192.0.2.2");
	run();
	make_reply(put_arp(2, &b, "192.0.2.2", "192.0.2.1"), &a);
	run();
	assert_int_equal(reached(), 1 << 1);
	assert_said("192.0.2.1 192.0.2.2 ");
}

static void
probes_and_announcements_are_flooded(void **state)
{
	struct rte_ether_addr a = guest(1, "192.0.2.1"), b = fake_mac(2, 1);

	put_arp(2, &b, "0.0.0.0", "192.0.2.1");
	run();
	assert_int_equal(reached(), 0xb);
	put_arp(1, &a, "192.0.2.1", "192.0.2.1");
	run();
	assert_int_equal(reached(), 0xd);
	put_nd(2, &b, NS, "::", "2001:db8::1");
	run();
	assert_int_equal(reached(), 0xb);
	assert_said("");
	put_arp(2, &b, "192.0.2.2", "192.0.2.1");
	memcpy(fake_ports[2].in[0].b, &a, 6); /* is it still there? */
	run();
	assert_int_equal(reached(), 1 << 1);
	assert_int_equal(stats().arp + stats().nd, 0);
}

/* Behind one port stations answer each other; isolated ports do not. */
static void
address_that_the_asker_cannot_reach_is_not_answered(void **state)
{
	struct rte_ether_addr a = guest(1, "192.0.2.1"), b = fake_mac(1, 2), c = fake_mac(2, 1);

	put_arp(1, &b, "192.0.2.9", "192.0.2.1");
	run();
	assert_int_equal(reached(), 0xd);
	fake_ports[1].p.isolated = fake_ports[2].p.isolated = true;
	sw_publish(&fake_sw);
	put_arp(2, &c, "192.0.2.2", "192.0.2.1");
	run();
	assert_int_equal(reached(), 0x9);
	assert_int_equal(stats().arp, 0);
	assert_int_equal(a.addr_bytes[4], 1);
}

static void
lies_are_not_learned(void **state)
{
	struct rte_ether_addr a = fake_mac(1, 1), other = fake_mac(3, 3);
	struct fake_frame *f = put_arp(1, &a, "192.0.2.1", "192.0.2.2");

	memcpy(f->b + 14 + 8, &other, 6); /* the MAC of another station */
	run();
	f = put_nd(1, &a, NS, "2001:db8::1", "2001:db8::2");
	memcpy(f->b + ND_AT + 24 + 2, &other, 6);
	set_nd_checksum(f);
	run();
	put_nd(1, &a, NS, "2001:db8::1", "2001:db8::2")->b[ND_AT + 3] ^= 1; /* checksum */
	run();
	f = put_nd(1, &a, NS, "2001:db8::1", "2001:db8::2");
	f->b[14 + 7] = 254; /* from beyond a router */
	set_nd_checksum(f);
	run();
	put_arp(1, &a, "224.0.0.1", "192.0.2.2");
	run();
	put_arp(1, &a, "127.0.0.1", "192.0.2.2");
	run();
	assert_said("");
	assert_int_equal(stats().ours, 0);
}

static void
short_frames_are_none(void **state)
{
	struct rte_ether_addr a = fake_mac(1, 1);
	struct evpn_neigh far = {.mac = fake_mac(9, 9)};
	struct evpn_ip ip4 = ip_of("192.0.2.2"), ip6 = ip_of("2001:db8::2");
	struct fake_frame *f;

	/* whole ones would be answered */
	assert_true(neigh_set_remote(table, NET, &ip4, &far));
	assert_true(neigh_set_remote(table, NET, &ip6, &far));
	for (uint32_t len = 14; len < ARP_LEN; len++) {
		put_arp(1, &a, "192.0.2.1", "192.0.2.2")->len = len;
		run();
	}
	for (uint32_t len = 14; len < ND_LEN; len++) {
		put_nd(1, &a, NS, "2001:db8::1", "2001:db8::2")->len = len;
		run();
	}
	assert_said("");
	assert_int_equal(stats().arp + stats().nd, 0);
	/* options of no length, and longer than the frame */
	for (uint32_t len = 0; len < 3; len += 2) {
		f = put_nd(1, &a, NS, "2001:db8::1", "2001:db8::2");
		f->b[ND_AT + 24] = 99;
		f->b[ND_AT + 25] = (uint8_t)len;
		set_nd_checksum(f);
		run();
	}
	assert_said("2001:db8::1 ");
	assert_int_equal(stats().nd, 2);
}

static void
solicitation_is_answered(void **state)
{
	struct rte_ether_addr a = fake_mac(1, 1);
	struct evpn_neigh far = {.mac = fake_mac(9, 9), .router = true};
	struct evpn_ip ip = ip_of("2001:db8::9");
	const struct fake_frame *f;
	struct rte_ipv6_hdr hdr;

	assert_true(neigh_set_remote(table, NET, &ip, &far));
	put_nd(1, &a, NS, "2001:db8::1", "2001:db8::9");
	run();
	assert_said("2001:db8::1 ");
	f = answer_at(1);
	assert_int_equal(f->len, ND_LEN);
	assert_memory_equal(f->b + 6, &far.mac, 6);
	memcpy(&hdr, f->b + 14, sizeof(hdr));
	assert_int_equal(rte_ipv6_udptcp_cksum_verify(&hdr, f->b + ND_AT), 0);
	assert_memory_equal(&hdr.src_addr, ip.addr, 16);
	assert_memory_equal(&hdr.dst_addr, ip_of("2001:db8::1").addr, 16);
	assert_int_equal(hdr.hop_limits, 255);
	assert_int_equal(f->b[ND_AT], NA);
	assert_int_equal(f->b[ND_AT + 4], 0xe0); /* router, solicited, override */
	assert_memory_equal(f->b + ND_AT + 8, ip.addr, 16);
	assert_memory_equal(f->b + ND_AT + 24, ((uint8_t[]){2, 1}), 2);
	assert_memory_equal(f->b + ND_AT + 26, &far.mac, 6);
	assert_int_equal(stats().nd, 1);
	assert_int_equal(stats().remote, 1);
	assert_true(neigh_set_remote(table, NET, &ip, NULL));
	put_nd(1, &a, NS, "2001:db8::1", "2001:db8::9");
	run();
	assert_int_equal(reached(), 0xd);
	assert_int_equal(stats().remote, 0);
}

/* A host that is told that a router is none loses its default route. */
static void
router_is_known_as_one(void **state)
{
	struct rte_ether_addr a = fake_mac(1, 1), b = fake_mac(2, 1);

	put_nd(1, &a, NS, "fe80::1", "fe80::9");
	run();
	assert_said("fe80::1 ");
	put_nd(1, &a, RA, "fe80::1", "::1");
	run();
	assert_said("fe80::1(router) ");
	put_nd(1, &a, NS, "fe80::1", "fe80::9");
	run();
	assert_said("");
	put_nd(2, &b, NS, "fe80::2", "fe80::1");
	run();
	assert_int_equal(answer_at(2)->b[ND_AT + 4] & ROUTER, ROUTER);
	said[0] = '\0';
	put_nd(1, &a, NA, "fe80::1", "fe80::1");
	run();
	assert_said("fe80::1 ");
}

static void
address_goes_with_its_mac(void **state)
{
	struct rte_ether_addr a = guest(1, "192.0.2.1");
	struct evpn_ip ip = ip_of("192.0.2.1");

	put_arp(1, &a, "192.0.2.2", "192.0.2.250");
	run();
	assert_said("192.0.2.2 ");
	/* from port to port */
	fake_put(2, &a, &fake_broadcast, 60);
	run();
	neigh_mac(table, &(struct fdb_entry_info){.mac = a, .fid = NET, .port = 2}, true);
	assert_int_equal(table->port[1].n, 0);
	assert_int_equal(table->port[2].n, 2);
	assert_int_equal(neigh_port_of_word(neigh_find(table, NET, &ip)), 2);
	assert_said("");
	assert_int_equal(stats().ours, 2);
	fdb_del(fake_sw.fdb, &a, NET);
	neigh_mac(table, &(struct fdb_entry_info){.mac = a, .fid = NET, .port = 2}, false);
	assert_said("-192.0.2.1 -192.0.2.2 ");
	assert_int_equal(stats().ours, 0);
	assert_int_equal(table->port[1].n + table->port[2].n, 0);
}

/* The kernel tells of the new place of an address; the former one has it no more. */
static void
address_moves_away_and_back(void **state)
{
	struct rte_ether_addr a = guest(1, "192.0.2.1"), b = fake_mac(2, 1);
	struct evpn_neigh far = {.mac = fake_mac(9, 9)};
	struct evpn_ip ip = ip_of("192.0.2.1");

	assert_true(neigh_set_remote(table, NET, &ip, &far));
	assert_said("-192.0.2.1 ");
	assert_int_equal(stats().ours, 0);
	assert_int_equal(stats().remote, 1);
	put_arp(2, &b, "192.0.2.2", "192.0.2.1");
	run();
	assert_memory_equal(answer_at(2)->b + 6, &far.mac, 6);
	said[0] = '\0';
	put_arp(1, &a, "192.0.2.1", "192.0.2.250");
	run();
	assert_said("192.0.2.1 ");
	assert_int_equal(stats().ours, 2);
	assert_int_equal(stats().remote, 0);
	/* the other host's withdrawal comes late */
	assert_true(neigh_set_remote(table, NET, &ip, NULL));
	assert_int_equal(stats().ours, 2);
	assert_said("");
}

/* A guest that moved here and has only been announced, without its IP addresses. */
static void
address_follows_its_mac_here(void **state)
{
	struct evpn_neigh far = {.mac = fake_mac(1, 7)};
	struct evpn_ip ip = ip_of("192.0.2.1");

	assert_true(neigh_set_remote(table, NET, &ip, &far));
	assert_true(fdb_learn(fake_sw.fdb, &far.mac, NET, 1));
	assert_true(neigh_set_remote(table, NET, &ip, NULL));
	assert_said("192.0.2.1 ");
	assert_int_equal(stats().ours, 1);
	assert_int_equal(stats().remote, 0);
}

static void
port_has_a_limit(void **state)
{
	struct rte_ether_addr a = fake_mac(1, 1), b = fake_mac(2, 1);
	char ip[32];

	for (uint32_t i = 0; i < NEIGH_PORT_MAX + 10; i++) {
		snprintf(ip, sizeof(ip), "10.0.0.%u", i + 1);
		put_arp(1, &a, ip, "192.0.2.250");
		run();
	}
	assert_int_equal(stats().ours, NEIGH_PORT_MAX);
	assert_int_equal(refusals().port_limit, 10);
	said[0] = '\0';
	put_arp(2, &b, "192.0.2.2", "192.0.2.250");
	run();
	assert_said("192.0.2.2 ");
}

/* Two ports that both say they have an address move it for all hosts each time. */
static void
changes_have_a_rate(void **state)
{
	struct rte_ether_addr mac[] = {fake_mac(1, 1), fake_mac(2, 1)};
	uint32_t i = 0;

	while (refusals().rate == 0 && i < 100 * NEIGH_PORT_MAX) {
		put_arp(1 + i % 2, &mac[i % 2], "192.0.2.1", "192.0.2.250");
		i++;
		run();
		said[0] = '\0';
	}
	assert_int_equal(refusals().rate, 1);
	assert_int_equal(stats().ours, 1);
}

/* A guest that claims one address after the other does not keep those of others from control. */
static void
requests_of_a_port_have_a_limit(void **state)
{
	struct rte_ether_addr a = fake_mac(1, 1), b = fake_mac(2, 1);
	char ip[32];

	for (uint32_t i = 0; i < 800; i++) {
		snprintf(ip, sizeof(ip), "10.0.%u.%u", i / 200, i % 200 + 1);
		put_arp(1, &a, ip, "192.0.2.250");
		if (i % 8 == 7) {
			fake_clear();
			fake_poll();
		}
	}
	put_arp(2, &b, "192.0.2.2", "192.0.2.250");
	run();
	assert_non_null(strstr(said, "192.0.2.2 "));
	assert_int_equal(atomic_load(&table->waiting[1]), 0);
	assert_int_equal(atomic_load(&table->waiting[2]), 0);
	assert_true(refusals().full > 0);
}

/* The kernel's devices of the network were not there yet. */
static void
addresses_are_told_once_more(void **state)
{
	struct rte_ether_addr a = guest(1, "192.0.2.1");

	put_arp(1, &a, "192.0.2.2", "192.0.2.250");
	run();
	assert_said("192.0.2.2 ");
	neigh_retell(table, NET);
	assert_said("192.0.2.1 192.0.2.2 ");
	neigh_retell(table, NET + 1);
	assert_said("");
}

/* Of another host: a table cannot be filled with them, nor a guest be given one. */
static void
address_at_no_station_is_none(void **state)
{
	static const struct evpn_neigh bad[] = {
		{.mac = {{0}}},
		{.mac = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}},
		{.mac = {{1, 0, 0x5e, 0, 0, 1}}},
	};
	struct evpn_neigh far = {.mac = fake_mac(9, 9)};
	struct evpn_ip ip = ip_of("192.0.2.9");
	struct rte_ether_addr a = fake_mac(1, 1);

	for (size_t i = 0; i < RTE_DIM(bad); i++) {
		assert_true(neigh_set_remote(table, NET, &ip, &far));
		assert_true(neigh_set_remote(table, NET, &ip, &bad[i]));
		assert_true(neigh_set_remote(table, NET, &ip, &bad[i]));
		assert_int_equal(stats().remote, 0);
		put_arp(1, &a, "192.0.2.1", "192.0.2.9");
		run();
		assert_int_equal(reached(), 0xd);
	}
}

/* Their limit holds for an address that a guest of this host had, too. */
static void
other_hosts_have_a_limit(void **state)
{
	struct evpn_neigh far = {.mac = fake_mac(9, 9)};
	struct evpn_ip ip = {.len = 4}, moved = ip_of("192.0.2.1");
	struct rte_ether_addr a = guest(1, "192.0.2.1");

	for (uint32_t i = 0; i < NEIGH_REMOTE_MAX; i++) {
		memcpy(ip.addr, ((uint8_t[]){10, 0, (uint8_t)(i >> 8), (uint8_t)i}), 4);
		assert_true(neigh_set_remote(table, NET, &ip, &far));
	}
	assert_int_equal(stats().remote, NEIGH_REMOTE_MAX);
	assert_false(neigh_set_remote(table, NET, &moved, &far));
	assert_said("-192.0.2.1 ");
	assert_int_equal(stats().ours, 0);
	assert_int_equal(stats().remote, NEIGH_REMOTE_MAX);
	assert_true(neigh_find(table, NET, &moved) == 0);
	/* it is no guest's either, until one says so */
	put_arp(1, &a, "192.0.2.1", "192.0.2.250");
	run();
	assert_said("192.0.2.1 ");
}

static void
tag_of_a_vlan(void **state)
{
	struct vlan_config trunk = {.on = true, .native = 1};
	struct rte_ether_addr a = fake_mac(1, 1), far = fake_mac(9, 9);
	struct evpn_ip ip = ip_of("192.0.2.9");
	const struct fake_frame *f;
	uint16_t fid;

	/* a tag where there are no VLANs is part of the frame */
	tag(put_arp(1, &a, "192.0.2.1", "192.0.2.9"), VLAN);
	run();
	assert_said("");
	assert_int_equal(vlan_fid(&fake_sw, 0, VLAN, &fid), 0);
	assert_int_equal(neigh_add_net(table, fid), 0);
	vlan_allow(&trunk, 1);
	vlan_allow(&trunk, VLAN);
	for (uint32_t i = 0; i < FAKE_PORTS; i++)
		assert_int_equal(port_set_vlan(&fake_ports[i].p, &trunk), 0);
	sw_publish(&fake_sw);
	assert_true(neigh_set_remote(table, fid, &ip, &(struct evpn_neigh){.mac = far}));
	tag(put_arp(1, &a, "192.0.2.1", "192.0.2.9"), VLAN);
	run();
	assert_said("192.0.2.1 ");
	f = answer_at(1);
	assert_int_equal(frame_get16(f->b + 12), RTE_ETHER_TYPE_VLAN);
	assert_int_equal(frame_get16(f->b + 14), VLAN);
	assert_int_equal(frame_get16(f->b + 16), RTE_ETHER_TYPE_ARP);
	assert_memory_equal(f->b + 18 + 8, &far, 6);
	put_arp(1, &a, "192.0.2.1", "192.0.2.9"); /* in the native VLAN it is not known */
	run();
	assert_int_equal(reached(), 0xd);
	free(neigh_del_net(table, fid));
	assert_said("-192.0.2.1 ");
}

static bool
list(const struct sw_station *i, void *arg)
{
	uint32_t *n = arg;
	struct evpn_ip ip;
	char text[EVPN_IP_TEXT];

	assert_true(evpn_ip_set(&ip, i->addr, i->len));
	snprintf(said + strlen(said), sizeof(said) - strlen(said), "%02x %s%s ",
		 i->mac.addr_bytes[4], evpn_ip_text(&ip, text), i->router ? "(router)" : "");
	return --*n != 0;
}

/* As a port saves them, and as they arrive: within the limits of frames. */
static void
guest_that_migrates(void **state)
{
	struct rte_ether_addr a = guest(1, "192.0.2.1"), b = fake_mac(2, 1);
	struct sw_stations *s = fake_sw.stations;
	struct sw_station i = {.mac = b, .fid = NET, .len = 4, .addr = {192, 0, 2, 9}};
	struct evpn_neigh far = {.mac = b};
	struct evpn_ip ip = ip_of("192.0.2.9");
	uint32_t n = 9;

	put_arp(1, &a, "192.0.2.2", "192.0.2.8");
	fake_poll(); /* control has not seen it yet */
	s->walk(s, 1, list, &n);
	assert_said("192.0.2.2 01 192.0.2.1 01 192.0.2.2 ");
	n = 1;
	s->walk(s, 1, list, &n);
	assert_said("01 192.0.2.1 ");
	s->walk(s, 2, list, &n);
	assert_said("");
	assert_true(neigh_set_remote(table, NET, &ip, &far));
	s->learn(s, 2, &i); /* its MAC address is not known here */
	assert_said("");
	assert_true(fdb_learn(fake_sw.fdb, &b, NET, 2));
	s->learn(s, 2, &i);
	assert_said("192.0.2.9 ");
	i.addr[0] = 224; /* no host's */
	s->learn(s, 2, &i);
	i.len = 5;
	s->learn(s, 2, &i);
	i = (struct sw_station){.mac = b, .fid = VLAN, .len = 4, .addr = {192, 0, 2, 9}};
	s->learn(s, 2, &i); /* not a network */
	assert_said("");
	i.fid = NET;
	for (n = 0; n < 300; n++) {
		i.addr[3] = (uint8_t)n;
		s->learn(s, 2, &i);
	}
	assert_int_equal(table->port[2].n, NEIGH_PORT_MAX);
	said[0] = '\0';
}

static void
end_of_a_network(void **state)
{
	struct evpn_neigh far = {.mac = fake_mac(9, 9)};
	struct evpn_ip ip = ip_of("192.0.2.9");
	struct rte_ether_addr a = guest(1, "192.0.2.1"), b = fake_mac(2, 1);

	assert_true(neigh_set_remote(table, NET, &ip, &far));
	free(neigh_del_net(table, NET));
	assert_said("-192.0.2.1 ");
	assert_int_equal(table->ours + table->remote, 0);
	put_arp(2, &b, "192.0.2.2", "192.0.2.1");
	run();
	assert_int_equal(reached(), 0xb);
	assert_said("");
	assert_int_equal(a.addr_bytes[4], 1);
	assert_int_equal(neigh_add_net(table, NET), 0);
	put_arp(2, &b, "192.0.2.2", "192.0.2.9");
	run();
	assert_int_equal(reached(), 0xb);
}

static int
start_eal(void **state)
{
	return eal_start("0", 64);
}

#define EACH(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(request_is_answered_once_the_address_is_known),
		EACH(reply_to_one_station_is_heard),
		EACH(probes_and_announcements_are_flooded),
		EACH(address_that_the_asker_cannot_reach_is_not_answered),
		EACH(lies_are_not_learned),
		EACH(short_frames_are_none),
		EACH(solicitation_is_answered),
		EACH(router_is_known_as_one),
		EACH(address_goes_with_its_mac),
		EACH(address_moves_away_and_back),
		EACH(address_follows_its_mac_here),
		EACH(port_has_a_limit),
		EACH(changes_have_a_rate),
		EACH(requests_of_a_port_have_a_limit),
		EACH(addresses_are_told_once_more),
		EACH(address_at_no_station_is_none),
		EACH(other_hosts_have_a_limit),
		EACH(tag_of_a_vlan),
		EACH(guest_that_migrates),
		EACH(end_of_a_network),
	};

	return cmocka_run_group_tests(tests, start_eal, NULL);
}
