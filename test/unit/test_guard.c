/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guard: IPv4 and ARP of a station that minds its own business, and each way to speak for
 * another one; frames that are changed while they are checked; settings.
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
#include "switch/modes.h"
#include "switch/port_guard.h"

/* --- IPv4 --- */

static void
from4(uint32_t src, enum drop_reason why)
{
	eth(IP4);
	ip4(src, OTHERS, TCP, 0, 20);
	more(20);
	becomes(why);
}

static void
test_ipv4(void **state)
{
	from4(MINE, PASSES);
	from4(NET | 77, PASSES);
	from4(NET | 0x177, DROP_RX_GUARD);
	from4(OTHERS, DROP_RX_GUARD);
	from4(MINE_TOO, DROP_RX_GUARD);
	from4(0, DROP_RX_GUARD);
	from4(ALL4, DROP_RX_GUARD);
	eth_from(&other, IP4);
	ip4(MINE_TOO, OTHERS, TCP, 0, 0);
	becomes_once(PASSES);
	/* later fragments come from somewhere, too */
	eth(IP4);
	ip4(OTHERS, MINE, UDP, 100, 20);
	more(20);
	becomes(DROP_RX_GUARD);
}

static void
test_any_address_of_a_family(void **state)
{
	memset(&set, 0, sizeof(set));
	guard_allow("0.0.0.0/0", NULL);
	guard_put(GUARD_ALL);
	from4(OTHERS, PASSES);
	from4(0, DROP_RX_GUARD);
	from4(0xe0000001, DROP_RX_GUARD);
	from4(ALL4, DROP_RX_GUARD);
	eth(IP6);
	ip6(own6, TCP, 0);
	becomes(DROP_RX_GUARD);
}

static void
malformed4(uint32_t first, uint32_t total, uint32_t there)
{
	eth(IP4);
	ip4(MINE, OTHERS, UDP, 0, 12);
	frame_put16(f->b + 14, first);
	frame_put16(f->b + 16, total);
	f->len = 14 + there;
	memset(f->b + 14 + 20, 0, 40);
	becomes(DROP_RX_GUARD_HIDDEN);
}

static void
test_malformed_ipv4(void **state)
{
	malformed4(0x4500, 32, 19);
	malformed4(0x4400, 32, 32);
	malformed4(0x6500, 32, 32);
	malformed4(0x4600, 32, 20);
	malformed4(0x4500, 19, 32);
	malformed4(0x4500, 23, 60); /* what is behind the packet are no ports */
	malformed4(0x4900, 39, 60);
}

/* --- ARP --- */

static void
arps(uint32_t op, uint32_t spa, uint32_t tpa, enum drop_reason why)
{
	eth(ARP);
	arp(op, &me, spa, tpa);
	more(18);
	becomes(why);
}

static void
test_arp(void **state)
{
	for (uint32_t op = 1; op <= 2; op++) {
		arps(op, MINE, OTHERS, PASSES);
		arps(op, MINE, MINE, PASSES);
		arps(op, OTHERS, MINE, DROP_RX_GUARD);
		arps(op, MINE_TOO, OTHERS, DROP_RX_GUARD);
		eth(ARP);
		arp(op, &other, MINE, OTHERS);
		becomes(DROP_RX_GUARD);
	}
	arps(1, 0, MINE, PASSES);
	arps(1, 0, OTHERS, DROP_RX_GUARD);
	arps(2, 0, MINE, DROP_RX_GUARD);
	eth_from(&other, ARP);
	arp(2, &other, MINE_TOO, OTHERS);
	becomes_once(PASSES);
	eth(ARP);
	arp(1, &me, MINE, OTHERS);
	f->len--;
	becomes(DROP_RX_GUARD_HIDDEN);
	eth(ARP);
	arp(1, &me, MINE, OTHERS);
	f->b[14 + 5] = 16; /* of another protocol's addresses */
	becomes(DROP_RX_GUARD);
	/* what a hypervisor sends after a migration, and what a server answers */
	eth(RARP);
	arp(3, &me, 0, 0);
	becomes(PASSES);
	eth(RARP);
	arp(4, &me, 0, 0);
	becomes(DROP_RX_GUARD);
}

/* --- the rest --- */

static void
test_other_protocols(void **state)
{
	eth(0x88cc);
	more(46);
	becomes(PASSES);
	eth(38); /* a length: spanning tree's LLC */
	put16(0x4242);
	put16(0x0300);
	more(40);
	becomes(PASSES);
	eth(60); /* a length: SNAP, and IPv4 in it */
	put16(0xaaaa);
	put16(0x0300);
	put16(0);
	put16(IP4);
	ip4(OTHERS, MINE, UDP, 0, 0);
	becomes(DROP_RX_GUARD_HIDDEN);
	eth(TAG); /* and nothing in it */
	becomes_once(DROP_RX_GUARD_HIDDEN);
}

/* A checksum that the sender has the switch finish must not write to what was checked. */
static void
test_partial_sums(void **state)
{
	for (uint32_t to = 14; to < 45; to++) {
		eth(IP4);
		ip4(MINE, OTHERS, UDP, 0, 12);
		udp(7, 9);
		becomes_with_sum(to, to < 38 ? DROP_RX_GUARD_HIDDEN : PASSES);
		eth(IP4);
		ip4(MINE, OTHERS, UDP, 2, 12);
		udp(7, 9);
		becomes_with_sum(to, to < 34 ? DROP_RX_GUARD_HIDDEN : PASSES);
		eth(IP4);
		ip4(MINE, OTHERS, ICMP, 0, 12);
		icmp(8);
		more(4);
		becomes_with_sum(to, to < 38 && to != 36 ? DROP_RX_GUARD_HIDDEN : PASSES);
		eth(ARP);
		arp(1, &me, MINE, OTHERS);
		more(18);
		becomes_with_sum(to, DROP_RX_GUARD_HIDDEN);
	}
	for (uint32_t to = 16; to < 84; to++) {
		eth(IP6);
		ip6(own6, ICMP6, 32);
		nd(135, other6);
		nd_option(1, &me);
		becomes_with_sum(to, to == 56 ? PASSES : DROP_RX_GUARD_HIDDEN);
		eth(TAG);
		put16(5);
		put16(0x88b5); /* it could be made 0x0800 */
		more(80);
		becomes_with_sum(to, to < 26 ? DROP_RX_GUARD_HIDDEN : PASSES);
	}
}

/* The frame's owner writes to it as soon as it was checked. */
static const struct pktq_ops *quick;

static uint16_t
tx_late(struct pktq *q, struct pkt *const *pkts, uint16_t n)
{
	for (uint32_t i = 0; i < fake_ports[0].nin; i++)
		memset(fake_ports[0].in[i].b, 0x77, fake_ports[0].in[i].len);
	return quick->tx(q, pkts, n);
}

static void
test_written_meanwhile(void **state)
{
	static struct pktq_ops late;
	uint8_t b[FAKE_LEN];

	quick = pktq_ops(&fake_ports[1].tx);
	late = *quick;
	late.tx = tx_late;
	atomic_store(&fake_ports[1].tx.ops, &late);
	for (uint32_t split = 0; split <= 40; split += 20) {
		eth(IP6);
		ip6(own6, HOP, 8 + 32);
		ext(ICMP6, 1);
		nd(135, other6);
		nd_option(1, &me);
		f->split = split;
		f->step = 7;
		memcpy(b, f->b, f->len);
		fake_clear();
		fake_poll();
		assert_int_equal(fake_ports[1].nout, 1);
		assert_memory_equal(fake_ports[1].out[0].b, b, 14 + 40 + 8 + 32);
	}
}

/* Frames that pass keep their order, also between others, and the guard can be taken away. */
static void
test_mixed(void **state)
{
	for (uint32_t i = 0; i < 60; i++) {
		eth(IP4);
		ip4(i % 3 == 0 ? OTHERS : MINE, OTHERS, TCP, 0, 20);
		put32(i);
		more(16);
	}
	fake_poll();
	fake_check_accounts();
	assert_int_equal(fake_dropped(0, DROP_RX_GUARD), 20);
	assert_int_equal(fake_ports[1].nout, 40);
	for (uint32_t i = 0; i < 40; i++)
		assert_int_equal(frame_get32(fake_ports[1].out[i].b + 34), i / 2 * 3 + 1 + i % 2);
	fake_sw.mode = fwd_mode_by_name("io"); /* in other modes, too */
	guard_put(GUARD_ALL);
	from4(OTHERS, DROP_RX_GUARD);
	from4(MINE, PASSES);
	fake_sw.mode = fwd_mode_by_name("switch");
	assert_int_equal(port_set_guard(&fake_ports[0].p, &(struct guard_config){0}), 0);
	assert_null(fake_ports[0].p.guard);
	eth(IP4);
	ip4(OTHERS, MINE, TCP, 0, 0);
	becomes_once(PASSES);
	fake_put(2, &other, &peer, 60); /* others have none */
	fake_clear();
	fake_poll();
	assert_int_equal(fake_ports[1].nout, 1);
}

/* --- settings --- */

static void
parses(const char *text, const char *as)
{
	struct ip_prefix p;
	char buf[IP_PREFIX_TEXT];

	assert_int_equal(guard_parse(text, &p), as != NULL);
	if (as != NULL)
		assert_string_equal(ip_prefix_text(&p, buf, sizeof(buf)), as);
}

static void
test_text(void **state)
{
	parses("192.0.2.1", "192.0.2.1");
	parses("192.0.2.1/32", "192.0.2.1");
	parses("192.0.2.128/25", "192.0.2.128/25");
	parses("0.0.0.0/0", "0.0.0.0/0");
	parses("::/0", "::/0");
	parses("2001:DB8:0::1", "2001:db8::1");
	parses("fe80::/10", "fe80::/10");
	parses("2001:db8::1/128", "2001:db8::1");
	parses("", NULL);
	parses("192.0.2", NULL);
	parses("192.0.2.1/", NULL);
	parses("192.0.2.1/33", NULL);
	parses("192.0.2.1/-1", NULL);
	parses("192.0.2.1/24", NULL);
	parses("192.0.2.1/ 32", NULL);
	parses("2001:db8::1/64", NULL);
	parses("2001:db8::/129", NULL);
	parses("0.0.0.0", NULL);
	parses("::", NULL);
	parses("::/8", NULL);
	parses("224.0.0.1", NULL);
	parses("255.255.255.255", NULL);
	parses("ff02::1", NULL);
	parses("guest", NULL);
	parses("2001:0db8:0000:0000:0000:0000:0000:0001:0000:0000:0000", NULL);
}

static void
test_refused(void **state)
{
	struct guard_config c = set;
	struct guard *before = fake_ports[0].p.guard;

	c.n = GUARD_PAIRS_MAX + 1;
	assert_int_equal(port_set_guard(&fake_ports[0].p, &c), -ERANGE);
	c = set;
	c.pair[0].any_mac = false;
	c.pair[0].mac = fake_broadcast;
	assert_int_equal(port_set_guard(&fake_ports[0].p, &c), -EINVAL);
	assert_ptr_equal(fake_ports[0].p.guard, before);
	assert_memory_equal(&fake_ports[0].p.guard_set, &set, sizeof(set));
}

#define EACH(fn) cmocka_unit_test_setup_teardown(fn, guard_setup, fake_teardown)

static int
start_eal(void **state)
{
	return eal_start("0", 64);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_ipv4),
		EACH(test_any_address_of_a_family),
		EACH(test_malformed_ipv4),
		EACH(test_arp),
		EACH(test_other_protocols),
		EACH(test_written_meanwhile),
		EACH(test_mixed),
		cmocka_unit_test(test_text),
		EACH(test_refused),
		EACH(test_partial_sums),
	};

	return cmocka_run_group_tests(tests, start_eal, NULL);
}
