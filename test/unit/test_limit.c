/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a port may send: buckets let through what their rate says and no more,
 * however many threads take from them, and everything refused is counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>

#include <rte_cycles.h>

#include "eal.h"
#include "fakesw.h"
#include "switch/bucket.h"
#include "switch/modes.h"
#include "switch/port_limits.h"
#include "switch/sw_ports.h"

#define SLOW 1 /* a rate that adds nothing to a bucket while a test runs */
#define BURST 32u
#define THREADS 4

static struct rte_ether_addr me, peer;

static uint64_t
seconds(double s)
{
	return (uint64_t)(s * (double)rte_get_tsc_hz() * 16);
}

/* --- a bucket --- */

/* Whether about @p rate units pass in a second in which every sender always has more. */
static void
check_rate(uint64_t rate, const uint32_t *units, uint32_t unit)
{
	uint64_t start = bucket_now(), passed = 0;
	struct bucket b;

	bucket_init(&b, rate, BURST, start);
	for (uint32_t ms = 0; ms < 1000; ms++)
		for (uint32_t i = 0; i < 4; i++)
			passed += (uint64_t)unit * bucket_take(&b, start + ms * seconds(0.001),
							       units, PKT_BATCH_MAX);
	/* a full bucket at the start, and the last frame on credit */
	assert_in_range(passed, rate - rate / 100, rate + RTE_MAX(rate / 50, BURST) + unit);
}

static void
test_rate(void **state)
{
	uint32_t bits[PKT_BATCH_MAX];

	check_rate(10, NULL, 1);
	check_rate(1000, NULL, 1);
	check_rate(150000, NULL, 1);
	for (uint32_t i = 0; i < PKT_BATCH_MAX; i++)
		bits[i] = 12000;
	check_rate(1000000, bits, 12000);
	check_rate(3000000000, bits, 12000);
	for (uint32_t i = 0; i < PKT_BATCH_MAX; i++)
		bits[i] = 8 * PKT_LEN_MAX;
	check_rate(LIMIT_RATE_MAX, bits, 8 * PKT_LEN_MAX);
	/* longer than what comes in a hundredth of a second */
	check_rate(10000000, bits, 8 * PKT_LEN_MAX);
}

/* At any rate, rounding costs no frame of those that may come at once. */
static void
test_burst_is_whole(void **state)
{
	struct bucket b;

	for (uint64_t rate = 1; rate < 3000; rate++) {
		bucket_init(&b, rate, BURST, 0);
		assert_int_equal(bucket_take(&b, 0, NULL, BURST + 10), BURST);
	}
}

static void
test_burst(void **state)
{
	uint64_t start = bucket_now();
	struct bucket b;

	bucket_init(&b, 100, BURST, start);
	assert_int_equal(bucket_take(&b, start, NULL, 60), BURST);
	assert_int_equal(bucket_take(&b, start, NULL, 60), 0);
	assert_int_equal(bucket_take(&b, start + seconds(0.0101), NULL, 60), 1);
	/* after any time, no more than the bucket holds */
	assert_int_equal(bucket_take(&b, start + seconds(3600), NULL, 60), BURST);
	/* another core's clock may be a little behind */
	assert_int_equal(bucket_take(&b, start + seconds(3599), NULL, 60), 0);
}

static uint64_t at;

static void *
take_all(void *arg)
{
	struct bucket *b = arg;
	uint64_t taken = 0;

	for (uint32_t i = 0; i < 1000; i++)
		taken += bucket_take(b, at, NULL, 3);
	return (void *)(uintptr_t)taken;
}

static void
test_threads(void **state)
{
	pthread_t thread[THREADS];
	uint64_t taken = 0;
	struct bucket b;
	void *ret;

	at = bucket_now();
	bucket_init(&b, 1000, 2000, at);
	for (uint32_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, take_all, &b), 0);
	for (uint32_t i = 0; i < THREADS; i++) {
		pthread_join(thread[i], &ret);
		taken += (uintptr_t)ret;
	}
	/* prices are rounded down, and the last one of every thread is on credit */
	assert_in_range(taken, 2000, 2000 + 3 * THREADS);
}

/* --- in the switch --- */

static void
put(uint32_t n, const struct rte_ether_addr *src, const struct rte_ether_addr *dst)
{
	while (n-- > 0)
		fake_put(0, src, dst, 100);
}

static void
expect(uint32_t delivered, enum drop_reason why, uint64_t dropped)
{
	assert_int_equal(fake_ports[1].nout, delivered);
	assert_int_equal(fake_dropped(0, why), dropped);
	fake_check_accounts();
}

static void
test_frames_per_second(void **state)
{
	struct limits l = {.pps = SLOW};

	assert_int_equal(port_set_limits(&fake_ports[0].p, &l), 0);
	put(50, &me, &peer);
	fake_poll();
	expect(BURST, DROP_RX_RATE, 50 - BURST);
	put(50, &me, &peer);
	fake_poll();
	expect(BURST, DROP_RX_RATE, 100 - BURST);
	/* others are not limited */
	fake_put(2, &me, &peer, 100);
	fake_poll();
	expect(BURST + 1, DROP_RX_RATE, 100 - BURST);
	l.pps = 0;
	assert_int_equal(port_set_limits(&fake_ports[0].p, &l), 0);
	assert_null(fake_ports[0].p.limiter);
	put(50, &me, &peer);
	fake_poll();
	expect(BURST + 51, DROP_RX_RATE, 100 - BURST);
}

static void
test_bits_per_second(void **state)
{
	/* in a hundredth of a second: two frames and the beginning of a third */
	const struct limits l = {.bps = 100 * 1700};
	struct port_stats s;

	assert_int_equal(port_set_limits(&fake_ports[0].p, &l), 0);
	put(50, &me, &peer);
	fake_poll();
	expect(3, DROP_RX_RATE, 47);
	port_get_stats(&fake_ports[0].p, &s);
	assert_int_equal(s.rx.drop[DROP_RX_RATE], 47);
}

static void
test_storm(void **state)
{
	const struct limits l = {.storm = SLOW};
	const struct rte_ether_addr group = {{0x33, 0x33, 0, 0, 0, 1}};

	assert_int_equal(port_set_limits(&fake_ports[0].p, &l), 0);
	for (uint32_t i = 0; i < 20; i++) {
		put(1, &me, &peer);
		put(1, &me, &fake_broadcast);
		put(1, &me, &group);
	}
	fake_poll();
	expect(20 + BURST, DROP_RX_STORM, 40 - BURST);
	/* of those that are left, each is where it was between the others */
	for (uint32_t i = 0; i < 48; i++)
		assert_int_equal(fake_ports[1].out[i].b[0], i % 3 == 0   ? 2
							    : i % 3 == 1 ? 0xff
									 : 0x33);
	put(10, &me, &fake_broadcast);
	fake_poll();
	expect(20 + BURST, DROP_RX_STORM, 50 - BURST);
}

static void
test_locked_to_the_first(void **state)
{
	const struct limits on = {.locked = true};
	struct rte_ether_addr other = fake_mac(0, 2), none = {0};
	struct limits now;

	assert_int_equal(port_set_limits(&fake_ports[0].p, &on), 0);
	port_get_limits(&fake_ports[0].p, &now);
	assert_int_equal(now.nmac, 0);
	put(1, &fake_broadcast, &peer); /* an address without a host */
	put(1, &none, &peer);
	put(3, &me, &peer);
	put(2, &other, &peer);
	put(1, &me, &peer);
	fake_poll();
	expect(4, DROP_RX_LOCKED, 4);
	port_get_limits(&fake_ports[0].p, &now);
	assert_int_equal(now.nmac, 1);
	assert_memory_equal(&now.mac[0], &me, sizeof(me));
	/* other limits change: it stays the first */
	now.pps = 1000000;
	assert_int_equal(port_set_limits(&fake_ports[0].p, &now), 0);
	put(1, &other, &peer);
	put(1, &me, &peer);
	fake_poll();
	expect(5, DROP_RX_LOCKED, 5);
}

static void
test_locked_to_some(void **state)
{
	struct limits l = {.locked = true, .nmac = LIMIT_MACS_MAX};
	struct rte_ether_addr other = fake_mac(0, LIMIT_MACS_MAX);

	for (uint8_t i = 0; i < LIMIT_MACS_MAX; i++)
		l.mac[i] = fake_mac(0, i);
	assert_int_equal(port_set_limits(&fake_ports[0].p, &l), 0);
	for (uint8_t i = 0; i <= LIMIT_MACS_MAX; i++) {
		put(1, &other, &peer);
		put(1, &l.mac[i % LIMIT_MACS_MAX], &peer);
	}
	fake_poll();
	expect(LIMIT_MACS_MAX + 1, DROP_RX_LOCKED, LIMIT_MACS_MAX + 1);
}

/* A frame refused for one reason costs nothing of the next limit. */
static void
test_together(void **state)
{
	const struct limits l = {.pps = SLOW,
				 .storm = SLOW,
				 .locked = true,
				 .nmac = 1,
				 .mac = {me}};
	struct rte_ether_addr other = fake_mac(0, 2);

	assert_int_equal(port_set_limits(&fake_ports[0].p, &l), 0);
	put(30, &other, &fake_broadcast);
	put(34, &me, &fake_broadcast);
	fake_poll();
	expect(BURST, DROP_RX_STORM, 2);
	assert_int_equal(fake_dropped(0, DROP_RX_LOCKED), 30);
	assert_int_equal(fake_dropped(0, DROP_RX_RATE), 0);
	put(10, &me, &peer);
	fake_poll();
	expect(BURST, DROP_RX_RATE, 10);
}

/* A guest's limits hold beside those that are set, and the first sender stays the first. */
static void
test_migrated(void **state)
{
	const struct limits set = {.bps = 1000, .storm = 5, .locked = true};
	struct limits migrated = {.pps = SLOW, .storm = 9, .locked = true, .nmac = 1};
	struct port *p = &fake_ports[0].p;
	struct limits now;

	migrated.mac[0] = peer;
	assert_int_equal(port_set_limits(p, &set), 0);
	put(1, &me, &peer);
	fake_poll();
	assert_int_equal(port_set_migrated_limits(p, &migrated), 0);
	port_limits_in_force(p, &now);
	assert_int_equal(now.pps, SLOW);
	assert_int_equal(now.bps, 1000);
	assert_int_equal(now.storm, 5);
	assert_int_equal(now.nmac, 1);
	assert_memory_equal(&now.mac[0], &me, sizeof(me));
	port_get_limits(p, &now);
	assert_int_equal(now.pps, 0);
	assert_memory_equal(&now.mac[0], &me, sizeof(me));
	assert_int_equal(port_set_limits(p, &(struct limits){0}), 0);
	port_limits_in_force(p, &now);
	assert_int_equal(now.storm, 9);
	assert_memory_equal(&now.mac[0], &peer, sizeof(peer));
	migrated.mac[0] = fake_broadcast;
	assert_int_equal(port_set_migrated_limits(p, &migrated), -EINVAL);
	assert_int_equal(port_set_migrated_limits(p, NULL), 0);
	assert_null(p->limiter);
}

/* New limits are no new credit, be they the same or others. */
static void
test_debts_stay(void **state)
{
	const struct limits slow = {.pps = 2 * SLOW, .storm = 5}, slower = {.pps = SLOW};
	struct port *p = &fake_ports[0].p;

	assert_int_equal(port_set_limits(p, &(struct limits){.pps = 2 * SLOW}), 0);
	put(BURST, &me, &peer);
	fake_poll();
	expect(BURST, DROP_RX_RATE, 0);
	assert_int_equal(port_set_limits(p, &slow), 0);
	put(10, &me, &peer);
	fake_poll();
	expect(BURST, DROP_RX_RATE, 10);
	assert_int_equal(port_set_migrated_limits(p, &slower), 0);
	put(5, &me, &peer);
	fake_poll();
	expect(BURST, DROP_RX_RATE, 15);
	assert_int_equal(port_set_migrated_limits(p, NULL), 0);
	put(5, &me, &peer);
	fake_poll();
	expect(BURST, DROP_RX_RATE, 20);
	/* what a low rate would take long to forgive is soon paid at a high one */
	assert_int_equal(port_set_limits(p, &(struct limits){.pps = 1000000}), 0);
	rte_delay_ms(11);
	put(10, &me, &peer);
	fake_poll();
	expect(BURST + 10, DROP_RX_RATE, 20);
}

static void
test_refused(void **state)
{
	struct limits l = {.pps = LIMIT_RATE_MAX + 1};

	assert_int_equal(port_set_limits(&fake_ports[0].p, &l), -ERANGE);
	l = (struct limits){.locked = true, .nmac = LIMIT_MACS_MAX + 1};
	assert_int_equal(port_set_limits(&fake_ports[0].p, &l), -ERANGE);
	l = (struct limits){.locked = true, .nmac = 1, .mac = {fake_broadcast}};
	assert_int_equal(port_set_limits(&fake_ports[0].p, &l), -EINVAL);
	assert_null(fake_ports[0].p.limiter);
}

/* In other modes frames are limited as well. */
static void
test_wire(void **state)
{
	const struct limits l = {.pps = SLOW};

	fake_sw.mode = fwd_mode_by_name("io");
	assert_int_equal(port_set_limits(&fake_ports[0].p, &l), 0);
	put(50, &me, &peer);
	fake_poll();
	expect(BURST, DROP_RX_RATE, 50 - BURST);
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, setup, fake_teardown)

static int
setup(void **state)
{
	me = fake_mac(0, 1);
	peer = fake_mac(1, 1);
	if (fake_setup(state) != 0)
		return -1;
	return fdb_add_static(fake_sw.fdb, &peer, 0, 1);
}

/* --- what a port is sent --- */

static void
send_to_peer(uint32_t port, uint32_t n, uint32_t len)
{
	struct rte_ether_addr from = fake_mac(port, 1);

	for (uint32_t i = 0; i < n; i++)
		fake_put(port, &from, &peer, len);
	fake_poll();
	fake_check_accounts();
}

static uint64_t
over_rate(uint32_t port)
{
	return fake_ports[port].tx.stats.drop[DROP_TX_RATE];
}

/* All senders together get through what the receiver's limit lets. */
static void
test_egress_frames(void **state)
{
	assert_int_equal(port_set_egress_limits(&fake_ports[1].p, SLOW, 0), 0);
	send_to_peer(0, 20, 60);
	send_to_peer(2, 20, 60);
	assert_int_equal(fake_ports[1].nout, BURST);
	assert_int_equal(over_rate(1), 40 - BURST);
	/* others get theirs */
	fake_clear();
	for (uint32_t i = 0; i < 20; i++)
		fake_put(0, &me, &fake_broadcast, 60);
	fake_poll();
	fake_check_accounts();
	assert_int_equal(fake_ports[1].nout, 0);
	assert_int_equal(fake_ports[2].nout, 20);
	/* set again, it lets through no more */
	assert_int_equal(port_set_egress_limits(&fake_ports[1].p, SLOW + 1, 0), 0);
	send_to_peer(0, 5, 60);
	assert_int_equal(fake_ports[1].nout, 0);
	assert_int_equal(port_set_egress_limits(&fake_ports[1].p, 0, 0), 0);
	assert_null(fake_ports[1].p.egress_limiter);
	send_to_peer(0, 40, 60);
	assert_int_equal(fake_ports[1].nout, 40);
}

static void
test_egress_bits(void **state)
{
	const uint64_t bps = 8 * 1000 * 100 * 5; /* 5 frames at once */

	assert_int_equal(port_set_egress_limits(&fake_ports[1].p, 0, bps), 0);
	send_to_peer(0, 40, 1000);
	assert_in_range(fake_ports[1].nout, 5, 6);
	assert_int_equal(over_rate(1), 40 - fake_ports[1].nout);
	fake_sw.mode = fwd_mode_by_name("io"); /* in other modes, too */
	send_to_peer(0, 40, 1000);
	assert_in_range(fake_ports[1].nout, 5, 12);
	fake_sw.mode = fwd_mode_by_name("switch");
}

/* A mirror gets no more than it may be sent. */
static void
test_egress_of_mirror(void **state)
{
	assert_int_equal(port_set_egress_limits(&fake_ports[3].p, SLOW, 0), 0);
	assert_int_equal(sw_mirror(&fake_ports[0].p, &fake_ports[3].p), 0);
	send_to_peer(0, 40, 60);
	assert_int_equal(fake_ports[1].nout, 40);
	assert_int_equal(fake_ports[3].nout, BURST);
	assert_int_equal(over_rate(3), 40 - BURST);
}

/* An upgrade lets no more through. */
static void
test_egress_is_handed_over(void **state)
{
	struct port *p = &fake_ports[1].p;
	struct blob b = {0};

	assert_int_equal(port_set_egress_limits(p, SLOW, 0), 0);
	send_to_peer(0, 40, 60);
	assert_int_equal(fake_ports[1].nout, BURST);
	fake_save(1, &b);
	assert_int_equal(port_set_egress_limits(p, 0, 0), 0);
	assert_int_equal(port_set_egress_limits(p, SLOW, 0), 0);
	assert_null(fake_load(1, &b));
	fake_clear();
	send_to_peer(0, 5, 60);
	assert_int_equal(fake_ports[1].nout, 0);
	blob_free(&b);
}

static void
test_egress_refused(void **state)
{
	struct port *p = &fake_ports[0].p;

	assert_int_equal(port_set_egress_limits(p, LIMIT_RATE_MAX + 1, 0), -ERANGE);
	assert_int_equal(port_set_egress_limits(p, 0, LIMIT_RATE_MAX + 1), -ERANGE);
	assert_null(fake_ports[0].p.egress_limiter);
}

static int
start_eal(void **state)
{
	return eal_start("0", 64);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_burst_is_whole),
		cmocka_unit_test(test_burst),
		cmocka_unit_test(test_threads),
		EACH(test_frames_per_second),
		EACH(test_bits_per_second),
		EACH(test_storm),
		EACH(test_locked_to_the_first),
		EACH(test_locked_to_some),
		EACH(test_together),
		EACH(test_migrated),
		EACH(test_debts_stay),
		EACH(test_refused),
		EACH(test_wire),
		EACH(test_egress_frames),
		EACH(test_egress_bits),
		EACH(test_egress_of_mirror),
		EACH(test_egress_is_handed_over),
		EACH(test_egress_refused),
	};

	return cmocka_run_group_tests(tests, start_eal, NULL);
}
