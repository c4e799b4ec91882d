/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A frame of control's own reaches every port that could have got it from the
 * port it is sent for, is learned there, and is accounted for; and however many
 * there are, others lose nothing by it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_arp.h>
#include <rte_mbuf.h>

#include "eal.h"
#include "fakesw.h"
#include "switch/bucket.h"
#include "switch/fdb_worker.h"
#include "switch/inject.h"
#include "switch/lldp.h"
#include "switch/modes.h"
#include "switch/port_limits.h"
#include "switch/publish.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"
#include "switch/vlan_table.h"

#define MANY 10000
#define ELSEWHERE 3 /* a port of another domain */

static struct rte_mempool *pool;
static const struct rte_ether_addr mac = {{2, 0, 0, 0, 0, 7}};

static int
setup(void **state)
{
	int rc = fake_setup(state);

	return rc != 0 ? rc : port_set_domain(&fake_ports[ELSEWHERE].p, 1);
}

static int
teardown(void **state)
{
	fake_teardown(state);
	return rte_mempool_in_use_count(pool) == 0 ? 0 : -1;
}

static bool
inject(uint32_t port)
{
	return sw_inject(&fake_sw, &fake_ports[port].p, rte_net_make_rarp_packet(pool, &mac));
}

static struct pktq_stats
rx_stats(uint32_t port)
{
	struct port_stats s;

	port_get_stats(&fake_ports[port].p, &s);
	return s.rx;
}

static void
test_reaches_the_domain(void **state)
{
	fdb_key key = fdb_key_make(&mac, 0);
	struct pktq_stats rx;
	uint16_t port;

	assert_true(inject(1));
	fake_poll();
	for (uint32_t i = 0; i < FAKE_PORTS; i++)
		assert_int_equal(fake_ports[i].nout, i != 1 && i != ELSEWHERE);
	assert_memory_equal(fake_ports[0].out[0].b + 6, &mac, sizeof(mac));
	assert_memory_equal(fake_ports[0].out[0].b, &fake_broadcast, sizeof(mac));
	rx = rx_stats(1);
	assert_int_equal(rx.frames, 1);
	assert_int_equal(rx.broadcast, 1);
	assert_int_equal(rx.offered, 2);
	assert_int_equal(rx.replicated, 1);
	fake_check_accounts();
	fdb_lookup(fake_sw.fdb, &key, 1, &port);
	assert_int_equal(port, 1);
}

static void
test_nowhere_is_a_drop(void **state)
{
	struct pktq_stats rx;

	assert_true(inject(ELSEWHERE));
	fake_poll();
	rx = rx_stats(ELSEWHERE);
	assert_int_equal(rx.frames, 1);
	assert_int_equal(rx.offered, 0);
	assert_int_equal(rx.drop[DROP_RX_NO_EGRESS], 1);
	fake_check_accounts();
}

static void
test_not_while_stopped(void **state)
{
	sw_start(&fake_sw, false);
	assert_false(inject(1));
	assert_false(fake_sw.forwarding);
	fake_poll();
	assert_int_equal(fake_ports[0].nout, 0);
}

/* An announcement that is old when forwarding goes on again would be wrong by then. */
static void
test_stop_drops(void **state)
{
	assert_true(inject(1));
	sw_start(&fake_sw, false);
	sw_start(&fake_sw, true);
	fake_poll();
	assert_int_equal(fake_ports[0].nout, 0);
	assert_int_equal(rx_stats(1).drop[DROP_RX_INJECT], 1);
	fake_check_accounts();
}

static void
test_port_stopped_meanwhile(void **state)
{
	assert_true(inject(1));
	fake_ports[1].p.started = false;
	sw_publish(&fake_sw);
	fake_poll();
	assert_int_equal(fake_ports[0].nout, 0);
	assert_int_equal(rx_stats(1).drop[DROP_RX_NO_EGRESS], 1);
	fake_check_accounts();
}

/* The next port with its number does not speak for it. */
static void
test_port_gone(void **state)
{
	assert_true(inject(1));
	sw_port_remove(&fake_sw, &fake_ports[1].p);
	assert_int_equal(sw_port_add(&fake_sw, &fake_ports[1].p), 0);
	assert_int_equal(fake_ports[1].p.id, 1);
	sw_publish(&fake_sw);
	fake_poll();
	assert_int_equal(fake_ports[0].nout, 0);
	assert_int_equal(rx_stats(1).frames, 0);
}

/* A mode that hands frames to one port does so with these, too. */
static void
test_other_mode(void **state)
{
	fake_sw.mode = fwd_mode_by_name("io");
	sw_publish(&fake_sw);
	assert_true(inject(1));
	fake_poll();
	assert_int_equal(fake_ports[0].nout, 1);
	assert_int_equal(fake_ports[2].nout, 0);
	fake_check_accounts();
}

static void
test_mode_that_takes_nothing(void **state)
{
	fake_sw.mode = fwd_mode_by_name("txonly");
	sw_publish(&fake_sw);
	assert_false(inject(1));
}

/* The port's limits hold for what is sent in its name. */
static void
test_locked(void **state)
{
	const struct limits lock = {.locked = true, .nmac = 1, .mac = {fake_mac(1, 1)}};

	assert_int_equal(port_set_limits(&fake_ports[1].p, &lock), 0);
	assert_true(inject(1));
	fake_poll();
	assert_int_equal(fake_ports[0].nout, 0);
	assert_int_equal(rx_stats(1).drop[DROP_RX_LOCKED], 1);
	fake_check_accounts();
}

/*
 * Frames without end in the name of one port: nothing is published for them, others get all they
 * are sent in each poll iteration, and few copies besides.
 */
static void
test_many(void **state)
{
	const struct rte_ether_addr from = fake_mac(0, 1), to = fake_mac(2, 1);
	uint64_t generation = fake_sw.generation, start = bucket_now(), allowed;
	uint32_t accepted = 0, sent = 0, copies = 0;
	struct pktq_stats rx;

	fake_put(2, &to, &fake_broadcast, 60);
	fake_poll();
	fake_clear();
	for (uint32_t i = 0; i < MANY; i++) {
		accepted += inject(1);
		if (i % 16 != 0)
			continue;
		fake_put(0, &from, &to, 60);
		sent++;
		fake_poll();
		assert_in_range(fake_ports[2].nout, 1, 2); /* its own and a copy at most */
		copies += fake_ports[2].nout - 1;
		fake_clear();
	}
	rx = rx_stats(1);
	allowed = INJECT_BURST + 1 + (bucket_now() - start) / 16 * INJECT_RATE / rte_get_tsc_hz();
	assert_int_equal(fake_sw.generation, generation);
	assert_in_range(accepted, INJECT_BURST, allowed);
	assert_int_equal(copies, accepted);
	assert_int_equal(rx.frames, MANY);
	assert_int_equal(rx.drop[DROP_RX_INJECT], MANY - accepted);
	assert_int_equal(fake_ports[2].tx.stats.frames, sent + copies);
	fake_check_accounts();
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static int
start_eal(void **state)
{
	if (eal_start("0", 128) != 0)
		return -1;
	pool = fake_pool(63);
	return pool != NULL ? 0 : -1;
}

/* A port's LLDP goes out there and nowhere else, whatever its VLANs. */
static void
test_lldp(void **state)
{
	const struct lldp_facts f = {.system = "host", .description = "switch", .ttl_s = 120};
	static const uint8_t said[] = {0x01, 0x80, 0xc2, 0, 0, 0x0e, 0,   0,   0,   0,   0,
				       0,    0x88, 0xcc, 2, 5, 7,    'h', 'o', 's', 't', 4};
	uint8_t frame[LLDP_FRAME_MAX];
	uint32_t len = lldp_frame(&fake_ports[1].p, &f, frame);
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	assert_in_range(len, 60, LLDP_FRAME_MAX);
	assert_memory_equal(frame, said, 6);
	assert_memory_equal(frame + 12, said + 12, sizeof(said) - 12);
	assert_memory_equal(frame + len - 2, "\0\0", 2);
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), frame, len);
	assert_true(sw_send(&fake_sw, &fake_ports[1].p, m));
	fake_poll();
	for (uint32_t i = 0; i < FAKE_PORTS; i++)
		assert_int_equal(fake_ports[i].nout, i == 1);
	assert_memory_equal(fake_ports[1].out[0].b, frame, len);
	assert_int_equal(rx_stats(1).frames, 0);
	m = rte_pktmbuf_alloc(pool);
	rte_pktmbuf_append(m, 60);
	assert_true(sw_send(&fake_sw, &fake_ports[1].p, m));
	fake_ports[1].p.started = false; /* meanwhile */
	sw_publish(&fake_sw);
	fake_poll();
	assert_int_equal(fake_ports[1].nout, 1);
	fake_ports[1].p.started = true;
	sw_publish(&fake_sw);
	/* no port has sent it: not fake_check_accounts(), which compares what all sent and got */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_reaches_the_domain),
		EACH(test_nowhere_is_a_drop),
		EACH(test_not_while_stopped),
		EACH(test_stop_drops),
		EACH(test_port_stopped_meanwhile),
		EACH(test_port_gone),
		EACH(test_other_mode),
		EACH(test_mode_that_takes_nothing),
		EACH(test_locked),
		EACH(test_many),
		EACH(test_lldp),
	};

	return cmocka_run_group_tests(tests, start_eal, NULL);
}
