/* SPDX-License-Identifier: BSD-3-Clause */
/* Leaving and staying: hosts of old versions, of single sources, routers, other switches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "eal.h"
#include "fakesnoop.h"
#include "pkt/hand.h"
#include "switch/handover.h"
#include "switch/publish.h"

#define ROUTER 3
#define ALLOW 5
#define BLOCK 6
#define ADVERTISEMENT 0x30
#define TERMINATION 0x32

static struct rte_mempool *pool;
static const uint8_t snoopers[4] = {224, 0, 0, 106};

static int
setup(void **state)
{
	int rc = fake_setup(state);

	if (rc == 0)
		set(true, true, false);
	return rc;
}

static int
teardown(void **state)
{
	fake_teardown(state);
	return rte_mempool_in_use_count(pool) == 0 ? 0 : -1;
}

static void
put_sum(uint8_t *b, uint32_t at, uint32_t len)
{
	uint16_t s;

	b[at] = b[at + 1] = 0;
	s = sum(b, len);
	b[at] = (uint8_t)(s >> 8);
	b[at + 1] = (uint8_t)s;
}

/* A report of version 3 with a record of this type for one source of the group. */
static void
record(uint32_t port, uint8_t type)
{
	const uint8_t body[12] = {type,     0,        0,        1,  group[0],
				  group[1], group[2], group[3], 10, [11] = 1};
	uint8_t *b;

	fake_clear();
	b = put_packet(port, (const uint8_t[]){224, 0, 0, 22}, 2, (const uint8_t[8]){0x22, [7] = 1})
		    ->b;
	b += 14;
	b[3] = 44;
	put_sum(b, 10, 24);
	memcpy(b + 32, body, sizeof(body));
	put_sum(b + 24, 2, 20);
	settle();
}

/* A message of a router with this address, by its last byte. */
static void
router_says(uint32_t port, uint8_t type, uint8_t from)
{
	uint8_t *b;

	fake_clear();
	b = put_packet(port, snoopers, 2, (const uint8_t[8]){type, 20})->b + 14;
	b[15] = from;
	put_sum(b, 10, 24);
	settle();
}

/* --- tests --- */

/* RFC 2236 6: hosts of version 1 do not answer such queries; while there are any nothing ends. */
static void
old_host(void **state)
{
	say(1, 0x12, group, group);
	join(1, group);
	join(2, group);
	leave(1, group);
	assert_int_equal(got(), 0);
	say(ROUTER, 0x11, group, group);
	tick(ev_now_ns() + 30 * SECOND);
	assert_int_equal(send_to_group(0, group), 0xa);
	set(true, true, true);
	leave(1, group);
	assert_int_equal(send_to_group(0, group), 0xa);
	tick(ev_now_ns() + 280 * SECOND);
	assert_int_equal(stats().groups, 0);
}

/* A host that wants nothing of a source any more may want the group from another one, or none. */
static void
blocked(void **state)
{
	record(1, ALLOW);
	record(1, BLOCK);
	assert_int_equal(got(), 0x2);
	record(1, ALLOW);
	tick(ev_now_ns() + 3 * SECOND);
	assert_int_equal(send_to_group(0, group), 0x2);
	set(true, true, true);
	record(1, BLOCK);
	assert_int_equal(stats().groups, 1);
	tick(ev_now_ns() + 3 * SECOND);
	assert_int_equal(stats().groups, 0);
	set(false, true, false); /* another one asks */
	record(1, ALLOW);
	record(1, BLOCK);
	tick(ev_now_ns() + 3 * SECOND);
	assert_int_equal(stats().groups, 1);
}

/* RFC 4286: the last router behind a port says that it is one no more. */
static void
router_ends(void **state)
{
	const struct snoop_info i = {.port = ROUTER, .left_s = 100};

	router_says(ROUTER, ADVERTISEMENT, 1);
	assert_int_equal(stats().routers, 1);
	router_says(1, TERMINATION, 1);
	assert_int_equal(stats().routers, 1);
	router_says(ROUTER, TERMINATION, 1);
	assert_int_equal(got(), 0x7);
	assert_int_equal(stats().routers, 0);
	router_says(ROUTER, ADVERTISEMENT, 1);
	router_says(ROUTER, ADVERTISEMENT, 2);
	router_says(ROUTER, TERMINATION, 1);
	router_says(ROUTER, TERMINATION, 2);
	assert_int_equal(stats().routers, 1);
	snoop_forget_port(&fake_ports[ROUTER].p);
	assert_true(snoop_restore(&fake_sw, &i)); /* with any routers */
	router_says(ROUTER, ADVERTISEMENT, 1);
	router_says(ROUTER, TERMINATION, 1);
	assert_int_equal(stats().routers, 1);
	snoop_set_router(&fake_ports[ROUTER].p, SNOOP_ROUTER_NEVER);
	router_says(ROUTER, TERMINATION, 1);
	assert_int_equal(got(), 0);
	assert_int_equal(fake_dropped(ROUTER, DROP_RX_MCAST_QUERY), 1);
}

/* Other switches have hosts that this one does not hear of: groups and reports go there. */
static void
tunnels(void **state)
{
	set(false, false, false);
	fake_ports[2].p.tunnel = fake_ports[3].p.tunnel = true;
	sw_publish(&fake_sw);
	join(1, group);
	assert_int_equal(got(), 0xc);
	assert_int_equal(send_to_group(0, group), 0xe);
	assert_int_equal(send_to_group(0, other), 0xc);
	assert_int_equal(send_to_group(2, group), 0x2);
	join(3, group);
	assert_int_equal(send_to_group(2, group), 0x2);
	leave(3, group);
	assert_int_equal(send_to_group(0, group), 0xe);
	snoop_set_router(&fake_ports[2].p, SNOOP_ROUTER_NEVER);
	assert_int_equal(send_to_group(0, other), 0x8);
	fake_check_accounts();
}

static bool up;

static bool
is_up(const struct port *p)
{
	return up;
}

/* Hosts behind a link that was down are asked at once. */
static void
link_again(void **state)
{
	static struct port_ops ops; /* the port is closed by it */
	uint64_t now = ev_now_ns();

	ops = *fake_ports[1].p.ops;
	ops.link_up = is_up;
	fake_ports[1].p.ops = &ops;
	up = true;
	tick(now);
	for (int i = 1; i < 6; i++) {
		up = i != 2 && i != 3;
		fake_clear();
		tick(now + (uint64_t)i * SECOND);
		assert_int_equal(got(), i == 4 ? 0x2 : 0);
	}
}

/* NULL, or why the switch refused a record; those of this length are a byte shorter. */
static const char *
take_over(struct blob *b, uint32_t cut)
{
	struct blob_reader reader = {.blob = b};
	struct hand_record h = {.reader = &reader};
	const char *why = NULL;

	while (why == NULL && (h.data = blob_read(&reader, &h.r)) != NULL) {
		h.r.len -= h.r.len == cut;
		why = sw_take_over(&fake_sw, &h);
	}
	return why;
}

/* A successor knows hosts of version 1, the only router behind a port, and that this one asks. */
static void
handed_over(void **state)
{
	struct blob b = {0};

	say(1, 0x12, group, group);
	query(ROUTER);
	sw_hand_over(&fake_sw, &b);
	assert_false(b.failed);
	fake_teardown(state);
	fake_setup(state);
	assert_null(take_over(&b, 0)); /* it does not snoop */
	assert_int_equal(snoop_querier(&fake_sw, 0, 0, 0).len, 0);
	set(true, true, true);
	assert_null(take_over(&b, 0));
	assert_int_equal(snoop_querier(&fake_sw, 0, 0, 0).len, 4);
	leave(1, group);
	assert_int_equal(send_to_group(0, group), 0xa);
	router_says(ROUTER, TERMINATION, 1);
	assert_int_equal(stats().routers, 0);
	tick(ev_now_ns() + 280 * SECOND);
	assert_int_equal(stats().groups, 0);
	assert_non_null(take_over(&b, 2 * 64)); /* hosts */
	assert_non_null(take_over(&b, 32));     /* queriers */
	blob_free(&b);
}

static int
start_eal(void **state)
{
	if (eal_start("0", 128) != 0)
		return -1;
	pool = fake_pool(1024);
	return pool != NULL ? 0 : -1;
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(old_host), TEST(blocked),    TEST(router_ends),
		TEST(tunnels),  TEST(link_again), TEST(handed_over),
	};

	return cmocka_run_group_tests(tests, start_eal, NULL);
}
