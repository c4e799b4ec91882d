/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connection tracking at a port: what rules with allow-related let through afterwards, in both
 * directions, and for how long; what malformed and forged packets make of it; bounds, and what a
 * successor goes on with. Port 0 has the guest, who talks to a station behind port 1.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "eal.h"
#include "station.h"
#include "switch/acl_text.h"
#include "switch/ct_table.h"
#include "switch/port_acl.h"
#include "switch/port_ct.h"
#include "switch/vlan_table.h"

#define NS UINT64_C(1000000000)
#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define ACK 0x10

#define FAR 0x0a000009u
#define TCP_LEN 20

/* The list of port 0 for that direction; a NULL ends its rules. */
static void
set_list(enum acl_dir dir, const char *verdict, const char *const *rules)
{
	static struct acl_config list;
	struct acl_text_error e;

	memset(&list, 0, sizeof(list));
	list.drop = strcmp(verdict, "drop") == 0;
	list.track = strcmp(verdict, "allow-related") == 0;
	for (; *rules != NULL; rules++) {
		assert_true(acl_text_parse(*rules, &list.rule[list.n], &e));
		list.rule[list.n].seq = list.n + 1;
		list.n++;
	}
	assert_int_equal(port_set_acl(&fake_ports[0].p, dir, &list), 0);
}

#define IN(...) set_list(ACL_IN, __VA_ARGS__)
#define OUT(...) set_list(ACL_OUT, __VA_ARGS__)
#define RULES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_RULES ((const char *const[]){NULL})

/* The guest may open anything, others nothing. */
static void
closed_from_outside(void)
{
	IN("allow-related", NO_RULES);
	OUT("drop", NO_RULES);
}

static void
pass_time(uint32_t seconds)
{
	ct_maintain(&fake_sw, ((uint64_t)ct_now() + seconds) * NS);
}

static uint32_t
entries(void)
{
	return port_ct_entries(&fake_ports[0].p);
}

/* --- frames both ways --- */

static enum acl_dir way; /* of the frame in the making */

static void
begin(enum acl_dir dir, uint32_t type)
{
	way = dir;
	if (dir == ACL_IN)
		f = fake_put(0, &me, &peer, 14);
	else
		f = fake_put(1, &peer, &me, 14);
	f->len = 12;
	put16(type);
}

/* A packet between the guest and an address outside. */
static void
ip_between(enum acl_dir dir, uint32_t proto, uint32_t far, uint32_t frag, uint32_t len)
{
	begin(dir, IP4);
	ip4(dir == ACL_IN ? MINE : far, dir == ACL_IN ? far : MINE, proto, frag, len);
}

static void
ip6_between(enum acl_dir dir, uint32_t proto, uint32_t len)
{
	begin(dir, IP6);
	put32(0x60000000);
	put16(len);
	put16(proto << 8 | 64);
	put(dir == ACL_IN ? own6 : other6, 16);
	put(dir == ACL_IN ? other6 : own6, 16);
}

static void
ports(uint32_t guest, uint32_t far)
{
	put16(way == ACL_IN ? guest : far);
	put16(way == ACL_IN ? far : guest);
}

static uint32_t acked = 2; /* what confirms the sequence number of each, 1 */

static void
tcp_rest(uint32_t flags, uint32_t words)
{
	put32(1);
	put32(acked);
	put16(words << 12 | flags);
	put16(100);
	put32(0);
}

static void
tcp(enum acl_dir dir, uint32_t guest, uint32_t far, uint32_t flags)
{
	ip_between(dir, TCP, FAR, 0, TCP_LEN);
	ports(guest, far);
	tcp_rest(flags, 5);
}

static void
udp_packet(enum acl_dir dir, uint32_t guest, uint32_t far)
{
	ip_between(dir, UDP, FAR, 0, 12);
	ports(guest, far);
	put16(12);
	put16(0);
	put32(7);
}

static void
echo(enum acl_dir dir, uint32_t type, uint32_t id)
{
	ip_between(dir, ICMP, FAR, 0, 8);
	put16(type << 8);
	put16(0);
	put16(id);
	put16(1);
}

/* An error with the beginning of a UDP packet that went the other way, from @p src to @p dst. */
static void
unreachable(enum acl_dir dir, uint32_t src, uint32_t dst, uint32_t from, uint32_t to)
{
	uint32_t router = 0x0a0000fe;

	begin(dir, IP4);
	ip4(dir == ACL_IN ? MINE : router, dir == ACL_IN ? FAR : MINE, ICMP, 0, 8 + 20 + 8);
	put16(3 << 8 | 1);
	put16(0);
	put32(0);
	ip4(src, dst, UDP, 0, 12);
	put16(from);
	put16(to);
	put32(0);
}

static uint64_t
dropped(enum drop_reason why)
{
	return fake_ports[0].rx.stats.drop[why] + fake_ports[0].tx.stats.drop[why];
}

static void
is_dropped_for(enum drop_reason why)
{
	uint64_t before = dropped(why);

	fake_clear();
	fake_poll();
	fake_check_accounts();
	assert_int_equal(fake_ports[way == ACL_IN ? 1 : 0].nout, 0);
	assert_int_equal(dropped(why), before + 1);
}

static void
is_dropped(void)
{
	is_dropped_for(way == ACL_IN ? DROP_RX_ACL : DROP_TX_ACL);
}

static void
passes(void)
{
	fake_clear();
	fake_poll();
	fake_check_accounts();
	assert_int_equal(fake_ports[way == ACL_IN ? 1 : 0].nout, 1);
}

#define TCP_PASSES(...)           \
	do {                      \
		tcp(__VA_ARGS__); \
		passes();         \
	} while (0)
#define TCP_DROPPED(...)          \
	do {                      \
		tcp(__VA_ARGS__); \
		is_dropped();     \
	} while (0)

static void
handshake(uint32_t guest, uint32_t far)
{
	TCP_PASSES(ACL_IN, guest, far, SYN);
	TCP_PASSES(ACL_OUT, guest, far, SYN | ACK);
	TCP_PASSES(ACL_IN, guest, far, ACK);
}

/* --- TCP --- */

static void
test_tcp(void **state)
{
	closed_from_outside();
	TCP_DROPPED(ACL_OUT, 5000, 80, ACK);
	handshake(5000, 80);
	assert_int_equal(entries(), 1);
	TCP_PASSES(ACL_OUT, 5000, 80, ACK);
	TCP_DROPPED(ACL_OUT, 5000, 81, ACK);
	TCP_DROPPED(ACL_OUT, 5001, 80, ACK);
	/* who answers may not open one in the other direction */
	TCP_DROPPED(ACL_OUT, 5000, 80, SYN);
	pass_time(86399);
	TCP_PASSES(ACL_OUT, 5000, 80, ACK);
	TCP_PASSES(ACL_OUT, 5000, 80, FIN | ACK);
	TCP_PASSES(ACL_IN, 5000, 80, ACK);
	pass_time(119);
	TCP_PASSES(ACL_IN, 5000, 80, FIN | ACK);
	TCP_PASSES(ACL_OUT, 5000, 80, ACK);
	pass_time(30);
	TCP_DROPPED(ACL_OUT, 5000, 80, ACK);
	assert_int_equal(entries(), 0);
}

static void
test_tcp_timeouts(void **state)
{
	closed_from_outside();
	TCP_PASSES(ACL_IN, 5000, 80, SYN); /* no answer */
	pass_time(60);
	TCP_DROPPED(ACL_OUT, 5000, 80, SYN | ACK);
	TCP_PASSES(ACL_IN, 5000, 80, SYN);
	TCP_PASSES(ACL_OUT, 5000, 80, SYN | ACK);
	pass_time(60); /* the answer is not confirmed */
	TCP_DROPPED(ACL_OUT, 5000, 80, ACK);
	handshake(5000, 80);
	pass_time(86400);
	TCP_DROPPED(ACL_OUT, 5000, 80, ACK);
	assert_int_equal(ct_set_timeout(CT_TCP_ESTABLISHED, 10), 0);
	handshake(5000, 80);
	pass_time(10);
	TCP_DROPPED(ACL_OUT, 5000, 80, ACK);
	assert_int_equal(ct_set_timeout(CT_TCP_ESTABLISHED, 86400), 0);
	assert_int_equal(ct_set_timeout(CT_TCP_NEW, 0), -ERANGE);
	assert_int_equal(ct_set_timeout(CT_TCP_NEW, CT_TIMEOUT_MAX + 1), -ERANGE);
}

static void
test_tcp_reset(void **state)
{
	closed_from_outside();
	TCP_PASSES(ACL_IN, 5000, 80, SYN); /* refused */
	TCP_PASSES(ACL_OUT, 5000, 80, RST | ACK);
	pass_time(30);
	TCP_DROPPED(ACL_OUT, 5000, 80, RST | ACK);
	handshake(5000, 80);
	TCP_PASSES(ACL_OUT, 5000, 80, RST);
	handshake(5000, 80); /* with the same ports */
	pass_time(86399);
	TCP_PASSES(ACL_OUT, 5000, 80, ACK);
	/* a reset that belongs to none opens none */
	TCP_PASSES(ACL_IN, 6000, 80, RST);
	TCP_DROPPED(ACL_OUT, 6000, 80, ACK);
}

/* One that forges SYNs does not see their answers: such a connection is not in use. */
static void
test_tcp_forged(void **state)
{
	IN("allow-related", NO_RULES);
	OUT("drop", RULES("allow-related proto tcp dport 80"));
	TCP_PASSES(ACL_OUT, 80, 5000, SYN);
	TCP_PASSES(ACL_IN, 80, 5000, SYN | ACK);
	acked = 1;
	TCP_PASSES(ACL_OUT, 80, 5000, ACK);
	TCP_PASSES(ACL_IN, 80, 5000, ACK);
	acked = 2;
	handshake(6000, 443);
	pass_time(60);
	assert_int_equal(entries(), 1);
}

/* The switch was started anew: what the guest goes on with is known again. */
static void
test_tcp_picked_up(void **state)
{
	closed_from_outside();
	TCP_PASSES(ACL_IN, 5000, 80, ACK);
	TCP_PASSES(ACL_OUT, 5000, 80, ACK);
	pass_time(86399);
	TCP_PASSES(ACL_OUT, 5000, 80, ACK);
	/* one that is new has to be answered as TCP does */
	TCP_PASSES(ACL_IN, 5001, 80, SYN);
	TCP_PASSES(ACL_OUT, 5001, 80, ACK);
	pass_time(60);
	TCP_DROPPED(ACL_OUT, 5001, 80, ACK);
}

static void
test_from_outside(void **state)
{
	IN("drop", NO_RULES);
	OUT("drop", RULES("allow-related proto tcp dport 22", "allow proto udp dport 53"));
	TCP_DROPPED(ACL_IN, 22, 5000, SYN | ACK);
	TCP_PASSES(ACL_OUT, 22, 5000, SYN);
	TCP_PASSES(ACL_IN, 22, 5000, SYN | ACK);
	TCP_PASSES(ACL_OUT, 22, 5000, ACK);
	TCP_PASSES(ACL_IN, 22, 5000, ACK);
	TCP_DROPPED(ACL_IN, 22, 5000, SYN);
	TCP_DROPPED(ACL_OUT, 23, 5000, SYN);
	/* a rule without it keeps no state */
	udp_packet(ACL_OUT, 53, 5000);
	passes();
	udp_packet(ACL_IN, 53, 5000);
	is_dropped();
	assert_int_equal(entries(), 1);
}

static void
bad_tcp(uint32_t flags, uint32_t words, uint32_t len)
{
	ip_between(ACL_IN, TCP, FAR, 0, len);
	ports(5000, 80);
	tcp_rest(flags, words);
	f->len = 14 + 20 + len;
	is_dropped_for(DROP_RX_CT_INVALID);
}

static void
test_malformed(void **state)
{
	closed_from_outside();
	bad_tcp(SYN, 5, 13);      /* flags are not there, */
	bad_tcp(SYN, 5, 19);      /* nor all of the header */
	bad_tcp(SYN, 4, TCP_LEN); /* a length that none has */
	bad_tcp(SYN, 0, TCP_LEN);
	bad_tcp(SYN, 15, TCP_LEN); /* options behind the end */
	bad_tcp(0, 5, TCP_LEN);
	bad_tcp(FIN, 5, TCP_LEN);
	bad_tcp(SYN | FIN, 5, TCP_LEN);
	bad_tcp(SYN | RST, 5, TCP_LEN);
	bad_tcp(0x3f, 5, TCP_LEN);
	ip_between(ACL_IN, ICMP, FAR, 0, 7);
	more(7);
	is_dropped_for(DROP_RX_CT_INVALID);
	tcp(ACL_IN, 5000, 80, SYN);
	becomes_with_sum(14 + 20 + 12, DROP_RX_CT_INVALID); /* flags that a checksum changes */
	assert_int_equal(entries(), 0);
	/* a rule that does not track lets them through as ever */
	IN("allow-related", RULES("allow proto tcp"));
	ip_between(ACL_IN, TCP, FAR, 0, TCP_LEN);
	ports(5000, 80);
	tcp_rest(SYN | FIN, 4);
	passes();
	/* of a known connection neither */
	IN("allow-related", NO_RULES);
	handshake(5000, 80);
	tcp(ACL_OUT, 5000, 80, SYN | FIN);
	is_dropped();
}

/* --- others --- */

static void
test_udp(void **state)
{
	closed_from_outside();
	udp_packet(ACL_OUT, 5000, 53);
	is_dropped();
	udp_packet(ACL_IN, 5000, 53);
	passes();
	pass_time(29);
	udp_packet(ACL_OUT, 5000, 53);
	passes();
	pass_time(179);
	udp_packet(ACL_OUT, 5000, 53);
	passes();
	pass_time(180);
	udp_packet(ACL_OUT, 5000, 53);
	is_dropped();
	udp_packet(ACL_IN, 5000, 53); /* no answer */
	passes();
	pass_time(30);
	udp_packet(ACL_OUT, 5000, 53);
	is_dropped();
}

static void
test_echo(void **state)
{
	closed_from_outside();
	echo(ACL_OUT, 0, 7);
	is_dropped();
	echo(ACL_IN, 8, 7);
	passes();
	echo(ACL_OUT, 0, 7);
	passes();
	echo(ACL_OUT, 0, 8);
	is_dropped();
	echo(ACL_OUT, 8, 7); /* a request with the number of the guest's */
	is_dropped();
	echo(ACL_IN, 0, 9); /* an answer without a request opens nothing */
	passes();
	echo(ACL_OUT, 8, 9);
	is_dropped();
	assert_int_equal(entries(), 1);
	pass_time(30);
	echo(ACL_OUT, 0, 7);
	is_dropped();
}

static void
test_related(void **state)
{
	struct ct_counts n;

	closed_from_outside();
	unreachable(ACL_OUT, MINE, FAR, 5000, 53);
	is_dropped();
	udp_packet(ACL_IN, 5000, 53);
	passes();
	unreachable(ACL_OUT, MINE, FAR, 5000, 53);
	passes();
	unreachable(ACL_OUT, MINE, FAR, 5000, 54);
	is_dropped();
	unreachable(ACL_OUT, FAR, MINE, 53, 5000); /* of a packet the guest has not sent */
	is_dropped();
	unreachable(ACL_OUT, MINE_TOO, FAR, 5000, 53); /* to another than its sender */
	is_dropped();
	unreachable(ACL_OUT, MINE, FAR, 5000, 53); /* a redirect */
	f->b[34] = 5;
	is_dropped();
	unreachable(ACL_OUT, MINE, FAR, 5000, 53); /* of a fragment that shows no ports */
	f->b[42 + 7] = 2;
	is_dropped();
	unreachable(ACL_OUT, MINE, FAR, 5000, 53);
	f->b[42] = 0x44;
	is_dropped();
	unreachable(ACL_OUT, MINE, FAR, 5000, 53); /* cut off */
	frame_put16(f->b + 16, 20 + 8 + 20 + 7);
	is_dropped();
	port_ct_counts(&fake_ports[0].p, &n);
	assert_int_equal(n.related, 1);
	assert_int_equal(n.opened, 1);
	/* it does not keep the connection alive */
	pass_time(29);
	unreachable(ACL_OUT, MINE, FAR, 5000, 53);
	passes();
	pass_time(1);
	unreachable(ACL_OUT, MINE, FAR, 5000, 53);
	is_dropped();
}

static void
error6(uint32_t type, uint32_t exts)
{
	ip6_between(ACL_OUT, ICMP6, 8 + 40 + 8 * exts + 8);
	put16(type << 8);
	put16(0);
	put32(0);
	put32(0x60000000);
	put16(8 * exts + 100);
	put16((exts != 0 ? DST : TCP) << 8 | 64);
	put(own6, 16);
	put(other6, 16);
	for (uint32_t i = 0; i < exts; i++) {
		put16((i + 1 < exts ? DST : TCP) << 8);
		put16(0x0104);
		put32(0);
	}
	put16(5000);
	put16(80);
	put32(0);
}

static void
tcp6(enum acl_dir dir, uint32_t flags, uint32_t exts)
{
	ip6_between(dir, exts != 0 ? DST : TCP, 8 * exts + TCP_LEN);
	for (uint32_t i = 0; i < exts; i++) {
		put16((i + 1 < exts ? DST : TCP) << 8);
		put16(0x0104);
		put32(0);
	}
	ports(5000, 80);
	tcp_rest(flags, 5);
}

static void
test_ipv6(void **state)
{
	closed_from_outside();
	tcp6(ACL_OUT, SYN | ACK, 0);
	is_dropped();
	tcp6(ACL_IN, SYN, 0);
	passes();
	tcp6(ACL_OUT, SYN | ACK, 2);
	passes();
	tcp6(ACL_IN, ACK, 12);
	passes();
	error6(2, 0);
	passes();
	error6(1, 3);
	passes();
	error6(135, 0); /* no error */
	is_dropped();
	TCP_DROPPED(ACL_OUT, 5000, 80, ACK); /* the other family's */
	pass_time(86399);
	tcp6(ACL_OUT, ACK, 0);
	passes();
	ip6_between(ACL_IN, ICMP6, 8);
	put16(128 << 8);
	put16(0);
	put32(7 << 16);
	passes();
	ip6_between(ACL_OUT, ICMP6, 8);
	put16(129 << 8);
	put16(0);
	put32(7 << 16);
	passes();
}

/* Fragments behind the first have rules of their own. */
static void
test_fragments(void **state)
{
	closed_from_outside();
	udp_packet(ACL_IN, 5000, 53);
	passes();
	ip_between(ACL_OUT, UDP, FAR, 0x2000, 16);
	ports(5000, 53);
	more(12);
	passes();
	ip_between(ACL_OUT, UDP, FAR, 2, 16);
	ports(5000, 53);
	more(12);
	is_dropped();
	OUT("drop", RULES("allow ip proto udp fragments"));
	ip_between(ACL_OUT, UDP, FAR, 2, 16);
	more(16);
	passes();
	assert_int_equal(entries(), 1);
}

static void
tagged_udp(enum acl_dir dir, uint32_t vlan)
{
	begin(dir, TAG);
	put16(vlan);
	put16(IP4);
	ip4(dir == ACL_IN ? MINE : FAR, dir == ACL_IN ? FAR : MINE, UDP, 0, 12);
	ports(5000, 53);
	put32(12 << 16);
	put32(7);
}

static void
test_vlans(void **state)
{
	closed_from_outside();
	tagged_udp(ACL_IN, 5);
	passes();
	tagged_udp(ACL_OUT, 6);
	is_dropped();
	tagged_udp(ACL_OUT, 5);
	passes();
	udp_packet(ACL_OUT, 5000, 53);
	is_dropped();
}

/* --- the table of a port --- */

static void
test_lists_come_and_go(void **state)
{
	const struct port *p = &fake_ports[0].p;

	assert_null(p->ct);
	OUT("drop", NO_RULES);
	assert_null(p->ct);
	IN("allow-related", NO_RULES);
	assert_non_null(p->ct);
	handshake(5000, 80);
	IN("drop", RULES("allow-related proto tcp"));
	TCP_PASSES(ACL_OUT, 5000, 80, ACK);
	/* the list for the other direction is there without rules, too */
	OUT("allow", NO_RULES);
	assert_non_null(p->acl[ACL_OUT]);
	TCP_PASSES(ACL_OUT, 5000, 80, ACK);
	IN("drop", NO_RULES);
	assert_null(p->ct);
	assert_null(p->acl[ACL_OUT]);
	assert_non_null(p->acl[ACL_IN]);
	IN("allow", NO_RULES);
	assert_null(p->acl[ACL_IN]);
}

/* Stations of another domain or VLAN may have the same addresses. */
static void
test_moved(void **state)
{
	struct vlan_config v = {.on = true, .access = true, .native = 5};
	struct port *p = &fake_ports[0].p, *far = &fake_ports[1].p;

	closed_from_outside();
	handshake(5000, 80);
	assert_int_equal(port_set_domain(p, 1), 0);
	assert_int_equal(port_set_domain(far, 1), 0);
	assert_int_equal(entries(), 0);
	TCP_DROPPED(ACL_OUT, 5000, 80, ACK);
	handshake(5000, 80);
	assert_int_equal(port_set_vlan(p, &v), 0);
	assert_int_equal(port_set_vlan(far, &v), 0);
	TCP_DROPPED(ACL_OUT, 5000, 80, ACK);
	v = (struct vlan_config){0};
	for (int i = 0; i < 2; i++) {
		port_set_domain(&fake_ports[i].p, 0);
		port_set_vlan(&fake_ports[i].p, &v);
	}
}

/* One of many, 32 at a time. */
static void
syn_from(uint32_t i)
{
	ip_between(ACL_IN, TCP, 0x0b000000 + i, 0, TCP_LEN);
	ports(i, 80);
	tcp_rest(SYN, 5);
	if (i % 32 != 31)
		return;
	fake_clear();
	fake_poll();
}

static void
test_flood(void **state)
{
	struct port *p = &fake_ports[0].p;
	struct ct_counts n;

	closed_from_outside();
	assert_int_equal(port_set_ct_limit(p, 100), 0);
	handshake(5000, 80);
	for (uint32_t i = 0; i < 2000; i++)
		syn_from(i);
	fake_poll();
	fake_check_accounts();
	assert_in_range(entries(), 90, 100);
	port_ct_counts(p, &n);
	assert_int_equal(n.opened + n.full, 2001);
	assert_true(n.evicted > 1000);
	assert_int_equal(dropped(DROP_RX_CT_FULL), n.full);
	/* those that were answered stay */
	TCP_PASSES(ACL_OUT, 5000, 80, ACK);
}

/* A table full of connections that live takes no other, and says so. */
static void
test_full(void **state)
{
	struct port *p = &fake_ports[0].p;

	closed_from_outside();
	assert_int_equal(port_set_ct_limit(p, 3), 0);
	for (uint32_t i = 0; i < 3; i++)
		handshake(5000 + i, 80);
	tcp(ACL_IN, 6000, 80, SYN);
	is_dropped_for(DROP_RX_CT_FULL);
	TCP_PASSES(ACL_OUT, 5002, 80, RST);
	assert_int_equal(entries(), 3);
	assert_int_equal(port_set_ct_limit(p, 4), 0); /* they stay */
	for (uint32_t i = 0; i < 2; i++)
		TCP_PASSES(ACL_OUT, 5000 + i, 80, ACK);
	handshake(6000, 80);
	assert_int_equal(port_set_ct_limit(p, CT_LIMIT_MAX + 1), -ERANGE);
	port_ct_clear(p);
	assert_int_equal(entries(), 0);
	TCP_DROPPED(ACL_OUT, 5000, 80, ACK);
}

static void
test_shares(void **state)
{
	static struct acl_config track = {.track = true};
	struct port *p = &fake_ports[0].p, *q = &fake_ports[1].p;

	assert_int_equal(ct_set_total(&fake_sw, 1000), 0);
	closed_from_outside();
	assert_int_equal(port_ct_limit(p), 1000);
	assert_int_equal(port_set_acl(q, ACL_IN, &track), 0);
	assert_int_equal(port_ct_limit(p), 500);
	assert_int_equal(port_set_ct_limit(q, 300), 0);
	assert_int_equal(port_ct_limit(q), 300);
	assert_int_equal(port_ct_limit(p), 500);
	track.track = false;
	assert_int_equal(port_set_acl(q, ACL_IN, &track), 0);
	assert_int_equal(port_ct_limit(p), 1000);
	assert_int_equal(ct_set_total(&fake_sw, 0), -ERANGE);
	assert_int_equal(ct_set_total(&fake_sw, CT_TOTAL_MAX + 1), -ERANGE);
	assert_int_equal(ct_set_total(&fake_sw, CT_TOTAL_DEFAULT), 0);
	assert_int_equal(port_ct_limit(p), CT_LIMIT_DEFAULT);
	track.track = true;
}

static void
test_handed_over(void **state)
{
	struct port *p = &fake_ports[0].p;
	struct ct_counts n;
	struct blob b = {0};

	closed_from_outside();
	handshake(5000, 80);
	udp_packet(ACL_IN, 5000, 53);
	passes();
	fake_save(0, &b);
	IN("allow", NO_RULES);
	closed_from_outside();
	TCP_DROPPED(ACL_OUT, 5000, 80, ACK);
	assert_null(fake_load(0, &b));
	assert_int_equal(entries(), 2);
	port_ct_counts(p, &n);
	assert_int_equal(n.opened, 2);
	TCP_PASSES(ACL_OUT, 5000, 80, ACK);
	udp_packet(ACL_OUT, 5000, 53);
	passes();
	pass_time(86399);
	TCP_PASSES(ACL_OUT, 5000, 80, ACK);
	/* a successor whose port does not track has nothing to go on with */
	IN("allow", NO_RULES);
	OUT("allow", NO_RULES);
	assert_null(p->ct);
	blob_free(&b);
}

/* --- */

static int
setup(void **state)
{
	int ret = station_setup(state);

	fake_put(0, &me, &fake_broadcast, 64); /* known, too */
	fake_poll();
	return ret;
}

#define EACH(fn) cmocka_unit_test_setup_teardown(fn, setup, fake_teardown)

static int
start_eal(void **state)
{
	return eal_start("0", 512);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_tcp),           EACH(test_tcp_timeouts), EACH(test_tcp_reset),
		EACH(test_tcp_picked_up), EACH(test_tcp_forged),   EACH(test_from_outside),
		EACH(test_malformed),     EACH(test_udp),          EACH(test_echo),
		EACH(test_related),       EACH(test_ipv6),         EACH(test_fragments),
		EACH(test_vlans),         EACH(test_moved),        EACH(test_lists_come_and_go),
		EACH(test_flood),         EACH(test_full),         EACH(test_shares),
		EACH(test_handed_over),
	};

	return cmocka_run_group_tests(tests, start_eal, NULL);
}
