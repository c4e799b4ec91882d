/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guard: IPv6 and neighbour discovery; servers and routers of both versions, in fragments and
 * behind extension headers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "eal.h"
#include "station.h"

/* --- DHCP --- */

static void
dhcp4(uint32_t src, uint32_t dst, uint32_t from, uint32_t to, enum drop_reason why)
{
	eth(IP4);
	ip4(src, dst, UDP, 0, 12);
	udp(from, to);
	becomes(why);
}

static void
dhcp6(uint32_t from, uint32_t to, enum drop_reason why)
{
	eth(IP6);
	ip6(lla, UDP, 12);
	udp(from, to);
	becomes(why);
	eth(IP6);
	ip6(lla, HOP, 8 + 16 + 12);
	ext(DST, 1);
	ext(UDP, 2);
	udp(from, to);
	becomes(why);
	eth(IP6);
	ip6(lla, FRAG, 8 + 8 + 12);
	frag6(DST, 0, false);
	ext(UDP, 1);
	udp(from, to);
	becomes(why);
}

static void
test_dhcp(void **state)
{
	dhcp4(0, ALL4, 68, 67, PASSES);
	dhcp4(MINE, OTHERS, 68, 67, PASSES);
	dhcp4(0, OTHERS, 68, 67, DROP_RX_GUARD);
	dhcp4(0, ALL4, 69, 67, DROP_RX_GUARD);
	dhcp4(0, ALL4, 68, 69, DROP_RX_GUARD);
	dhcp4(MINE, ALL4, 67, 68, DROP_RX_GUARD_DHCP);
	dhcp4(MINE, OTHERS, 1067, 68, DROP_RX_GUARD_DHCP);
	dhcp4(MINE, OTHERS, 67, 67, DROP_RX_GUARD_DHCP);
	dhcp4(MINE, OTHERS, 53, 1068, PASSES);
	dhcp6(546, 547, PASSES);
	dhcp6(547, 546, DROP_RX_GUARD_DHCP);
	dhcp6(1547, 546, DROP_RX_GUARD_DHCP);
	dhcp6(547, 547, DROP_RX_GUARD_DHCP);
	dhcp6(53, 1546, PASSES);
	guard_put(GUARD_ALL & ~GUARD_DHCP);
	dhcp4(MINE, ALL4, 67, 68, PASSES);
	dhcp6(547, 546, PASSES);
	guard_put(GUARD_DHCP);
	dhcp4(OTHERS, ALL4, 67, 68, DROP_RX_GUARD_DHCP);
	dhcp4(OTHERS, ALL4, 68, 67, PASSES);
}

/* A first fragment has all headers, and a later one is no first. */
static void
test_fragments(void **state)
{
	eth(IP4);
	ip4(MINE, ALL4, UDP, 0x2000, 3);
	more(60);
	becomes(DROP_RX_GUARD_HIDDEN);
	eth(IP4);
	ip4(MINE, ALL4, ICMP, 0x2000, 0);
	more(60);
	becomes(DROP_RX_GUARD_HIDDEN);
	eth(IP4);
	ip4(MINE, ALL4, UDP, 0x2000, 8);
	udp(67, 68);
	becomes(DROP_RX_GUARD_DHCP);
	eth(IP4);
	ip4(MINE, ALL4, UDP, 1, 12);
	udp(67, 68); /* payload that looks like it */
	becomes(PASSES);
	eth(IP6);
	ip6(own6, FRAG, 8); /* the next header is in the next fragment */
	frag6(UDP, 0, false);
	udp(53, 53);
	becomes(DROP_RX_GUARD_HIDDEN);
	eth(IP6);
	ip6(own6, FRAG, 16);
	frag6(DST, 0, false);
	ext(UDP, 2); /* ends in the next one */
	becomes(DROP_RX_GUARD_HIDDEN);
	eth(IP6);
	ip6(own6, FRAG, 8 + 12);
	frag6(UDP, 8, true);
	udp(547, 546);
	becomes(PASSES);
	eth(IP6);
	ip6(other6, FRAG, 8 + 12);
	frag6(UDP, 8, true);
	udp(53, 53);
	becomes(DROP_RX_GUARD);
}

/* --- IPv6 --- */

static void
from6(const uint8_t *src, enum drop_reason why)
{
	eth(IP6);
	ip6(src, TCP, 20);
	more(20);
	becomes(why);
	eth(IP6);
	ip6(src, HOP, 8 + 20);
	ext(TCP, 1);
	more(20);
	becomes(why);
}

static void
test_ipv6(void **state)
{
	from6(own6, PASSES);
	from6(lla, PASSES);
	from6(other6, DROP_RX_GUARD);
	from6(none6, DROP_RX_GUARD);
	from6(nodes6, DROP_RX_GUARD);
	eth_from(&other, IP6);
	ip6(own6, NONE, 0);
	becomes_once(DROP_RX_GUARD);
	eth_from(&other, IP6);
	ip6(lla, NONE, 0);
	becomes_once(DROP_RX_GUARD);
}

/* All addresses have a MAC address: a third one has none, not even its own link-local. */
static void
test_strangers(void **state)
{
	struct rte_ether_addr third = fake_mac(0, 3);
	uint8_t its[16];

	memcpy(its, lla, sizeof(its));
	its[15] = 3;
	eth_from(&third, IP6);
	ip6(its, NONE, 0);
	becomes_once(PASSES);
	memset(&set, 0, sizeof(set));
	guard_allow("10.0.0.5", &me);
	guard_put(GUARD_ALL);
	eth_from(&third, IP6);
	ip6(its, NONE, 0);
	becomes_once(DROP_RX_GUARD);
	eth_from(&third, IP4);
	ip4(0, ALL4, UDP, 0, 12);
	udp(68, 67);
	becomes_once(DROP_RX_GUARD);
	eth_from(&third, RARP);
	arp(3, &third, 0, 0);
	becomes_once(DROP_RX_GUARD);
	from6(lla, PASSES);
	dhcp4(0, ALL4, 68, 67, PASSES);
}

static void
malformed6(uint32_t next, uint32_t payload, uint32_t there)
{
	eth(IP6);
	ip6(own6, next, payload);
	more(there);
	becomes(DROP_RX_GUARD_HIDDEN);
}

static void
test_malformed_ipv6(void **state)
{
	malformed6(UDP, 3, 40);
	malformed6(UDP, 12, 3);
	malformed6(ICMP6, 0, 40);
	malformed6(HOP, 7, 40);
	malformed6(DST, 8, 7);
	malformed6(FRAG, 4, 40);
	eth(IP6);
	ip6(own6, NONE, 0);
	f->len--;
	becomes(DROP_RX_GUARD_HIDDEN);
	eth(IP6);
	ip6(own6, NONE, 0);
	f->b[14] = 0x45;
	becomes(DROP_RX_GUARD_HIDDEN);
	/* a chain that goes on behind all that is looked at */
	eth(IP6);
	ip6(own6, DST, 8 * 150 + 8);
	for (uint32_t i = 0; i < 150; i++)
		ext(i + 1 < 150 ? DST : ICMP6, 1);
	icmp(134);
	becomes(DROP_RX_GUARD_HIDDEN);
}

/* --- neighbour discovery --- */

static void
solicits(const uint8_t *src, const uint8_t *target, const struct rte_ether_addr *mac,
	 enum drop_reason why)
{
	eth(IP6);
	ip6(src, ICMP6, mac != NULL ? 32 : 24);
	nd(135, target);
	if (mac != NULL)
		nd_option(1, mac);
	becomes(why);
}

static void
advertises(const uint8_t *target, const struct rte_ether_addr *mac, enum drop_reason why)
{
	eth(IP6);
	ip6(own6, ICMP6, 40);
	nd(136, target);
	nd_option(14, &peer); /* a nonce */
	nd_option(2, mac);
	becomes(why);
}

static void
test_neighbours(void **state)
{
	solicits(own6, other6, &me, PASSES);
	solicits(own6, other6, &other, DROP_RX_GUARD);
	solicits(other6, own6, &me, DROP_RX_GUARD);
	/* whose address is it? */
	solicits(none6, own6, NULL, PASSES);
	solicits(none6, lla, NULL, PASSES);
	solicits(none6, other6, NULL, DROP_RX_GUARD);
	solicits(none6, own6, &me, DROP_RX_GUARD);
	advertises(own6, &me, PASSES);
	advertises(lla, &me, PASSES);
	advertises(other6, &me, DROP_RX_GUARD);
	advertises(own6, &other, DROP_RX_GUARD);
}

static void
test_hidden_options(void **state)
{
	eth(IP6);
	ip6(own6, ICMP6, 24 + 248 + 8);
	nd(136, own6);
	ext(14, 31);
	f->b[f->len - 248] = 14;
	nd_option(2, &other); /* behind one of 248 bytes */
	becomes(DROP_RX_GUARD_HIDDEN);
	eth(IP6);
	ip6(own6, ICMP6, 32);
	nd(136, own6);
	put16(0x0200); /* without a length */
	put(&me, 6);
	becomes(DROP_RX_GUARD_HIDDEN);
	eth(IP6);
	ip6(own6, ICMP6, 28);
	nd(136, own6);
	nd_option(2, &me);
	becomes(DROP_RX_GUARD_HIDDEN);
	eth(IP6);
	ip6(own6, ICMP6, 23);
	nd(136, own6);
	becomes(DROP_RX_GUARD_HIDDEN);
	/* in a fragment, which is the only one */
	eth(IP6);
	ip6(own6, FRAG, 8 + 24);
	frag6(ICMP6, 0, true);
	nd(136, own6);
	becomes(DROP_RX_GUARD_HIDDEN);
}

/* Messages of a station that has no address yet. */
static void
test_from_nowhere(void **state)
{
	static const uint32_t types[] = {131, 132, 133, 143};

	for (size_t i = 0; i < RTE_DIM(types); i++) {
		eth(IP6);
		ip6(none6, HOP, 16);
		ext(ICMP6, 1);
		icmp(types[i]);
		becomes(PASSES);
	}
	eth(IP6);
	ip6(none6, ICMP6, 8);
	icmp(128);
	becomes(DROP_RX_GUARD);
	eth(IP6);
	ip6(lla, ICMP6, 16);
	icmp(133);
	nd_option(1, &me);
	becomes(PASSES);
	eth(IP6);
	ip6(lla, ICMP6, 16);
	icmp(133);
	nd_option(1, &other);
	becomes(DROP_RX_GUARD);
}

/* --- routers --- */

static void
router(uint32_t type, enum drop_reason why)
{
	eth(IP6);
	ip6(lla, ICMP6, 8);
	icmp(type);
	becomes(why);
	eth(IP6);
	ip6(lla, HOP, 8 + 16 + 8 + 8);
	ext(DST, 1);
	ext(FRAG, 2);
	frag6(ICMP6, 0, true);
	icmp(type);
	becomes(why);
}

static void
router4(uint32_t type, enum drop_reason why)
{
	eth(IP4);
	ip4(MINE, ALL4, ICMP, 0, 8);
	icmp(type);
	becomes(why);
}

static void
test_routers(void **state)
{
	router(134, DROP_RX_GUARD_RA);
	router(137, DROP_RX_GUARD_RA);
	router(128, PASSES);
	router4(5, DROP_RX_GUARD_RA);
	router4(9, DROP_RX_GUARD_RA);
	router4(8, PASSES);
	guard_put(GUARD_ALL & ~GUARD_RA);
	router(134, PASSES);
	router4(5, PASSES);
	guard_put(GUARD_RA);
	router(134, DROP_RX_GUARD_RA);
	from6(other6, PASSES);
	eth(ARP);
	arp(1, &me, OTHERS, MINE);
	becomes(PASSES);
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
		EACH(test_ipv6),       EACH(test_strangers),      EACH(test_malformed_ipv6),
		EACH(test_neighbours), EACH(test_hidden_options), EACH(test_from_nowhere),
		EACH(test_dhcp),       EACH(test_fragments),      EACH(test_routers),
	};

	return cmocka_run_group_tests(tests, start_eal, NULL);
}
