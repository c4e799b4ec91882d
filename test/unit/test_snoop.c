/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Multicast goes to those who have joined. Four ports in domain 0, hosts behind each; port 3 is the
 * one with the router where a test says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "eal.h"
#include "fakesnoop.h"
#include "base/ev.h"
#include "pkt/hand.h"
#include "pkt/legend.h"
#include "switch/handover.h"
#include "switch/mcast_msg.h"
#include "switch/port_guard.h"
#include "switch/publish.h"
#include "switch/snoop_table.h"
#include "switch/sw_ports.h"
#include "switch/vlan_table.h"
#include "switch/why.h"

#define ROUTER 3
#define MEMBER_LEN 28 /* of a member in a record */
#define LEGEND 1      /* a type of record that the switch does not have */

static struct rte_mempool *pool;
static uint64_t now;

static int
setup(void **state)
{
	int rc = fake_setup(state);

	now = ev_now_ns();
	if (rc == 0)
		set(false, true, false);
	return rc;
}

static int
teardown(void **state)
{
	fake_teardown(state);
	return rte_mempool_in_use_count(pool) == 0 ? 0 : -1;
}

/* --- tests --- */

static void
only_members(void **state)
{
	assert_int_equal(send_to_group(0, group), 0xe);
	join(1, group);
	assert_int_equal(got(), 0); /* no router, no report */
	assert_int_equal(fake_dropped(1, DROP_RX_MCAST_NONE), 1);
	assert_int_equal(send_to_group(0, group), 0x2);
	assert_int_equal(send_to_group(0, other), 0xe);
	assert_int_equal(send_to_group(0, (const uint8_t[]){224, 0, 0, 251}), 0xe);
	assert_int_equal(send_to_group(0, (const uint8_t[]){238, 129, 2, 3}),
			 0x2); /* the same MAC */
	assert_int_equal(send_to_group(1, group), 0);
	join(2, group);
	assert_int_equal(send_to_group(0, group), 0x6);
	assert_int_equal(send_to_group(1, group), 0x4);
	assert_int_equal(stats().groups, 2);
	set(false, false, false);
	assert_int_equal(send_to_group(0, other), 0);
	assert_int_equal(fake_dropped(0, DROP_RX_MCAST_NONE), 1);
}

static void
routers(void **state)
{
	query(ROUTER);
	assert_int_equal(got(), 0x7);
	assert_int_equal(stats().routers, 1);
	join(1, group);
	assert_int_equal(got(), 0x8);
	assert_int_equal(send_to_group(0, group), 0xa);
	join(ROUTER, group); /* once, though it is in both lists */
	assert_int_equal(send_to_group(0, group), 0xa);
	assert_int_equal(fake_ports[ROUTER].nout, 1);
	join(ROUTER, other); /* it goes to no port but the router's */
	assert_int_equal(send_to_group(0, other), 0x8);
	set(false, false, false);
	assert_int_equal(send_to_group(0, third), 0x8);
	snoop_set_router(&fake_ports[ROUTER].p, SNOOP_ROUTER_NEVER);
	assert_int_equal(send_to_group(0, third), 0);
	query(ROUTER);
	assert_int_equal(got(), 0);
	assert_int_equal(fake_dropped(ROUTER, DROP_RX_MCAST_QUERY), 1);
	snoop_set_router(&fake_ports[0].p, SNOOP_ROUTER_ALWAYS);
	assert_int_equal(send_to_group(1, third), 0x1);
}

/* The guard against router advertisements goes for these, too. */
static void
guarded(void **state)
{
	struct guard_config g = {.checks = GUARD_RA};

	assert_int_equal(port_set_guard(&fake_ports[0].p, &g), 0);
	query(0);
	assert_int_equal(got(), 0);
	assert_int_equal(fake_dropped(0, DROP_RX_MCAST_QUERY), 1);
	join(0, group);
	assert_int_equal(send_to_group(1, group), 0x1);
}

static void
times(void **state)
{
	join(1, group);
	snoop_tick(&fake_sw, now + 265 * SECOND);
	assert_int_equal(send_to_group(0, group), 0x2);
	join(1, group);
	snoop_tick(&fake_sw, now + 280 * SECOND);
	assert_int_equal(send_to_group(0, group), 0xe);
	assert_int_equal(stats().aged, 1);
	join(1, group);
	leave(1, group); /* another one is to ask */
	assert_int_equal(send_to_group(0, group), 0x2);
	set(false, true, true);
	leave(1, group);
	assert_int_equal(send_to_group(0, group), 0xe);
}

/* A port that leaves is asked, and stays if it answers. */
static void
last_member(void **state)
{
	struct mcast_msg m;

	set(true, true, false);
	join(1, group);
	join(2, group);
	leave(1, group);
	assert_int_equal(got(), 0x2);
	mcast_read(fake_ports[1].out[0].b + 14, fake_ports[1].out[0].len - 14, 0x800, &m);
	assert_int_equal(m.kind, MCAST_QUERY);
	assert_memory_equal(m.group.addr, group, 4);
	join(1, group);
	tick(ev_now_ns() + 3 * SECOND);
	assert_int_equal(send_to_group(0, group), 0x6);
	leave(1, group);
	tick(ev_now_ns() + 3 * SECOND);
	assert_int_equal(send_to_group(0, group), 0x4);
	fake_check_accounts();
}

/* The last query gives hosts as long to answer as the first one, also when it is sent late. */
static void
last_query(void **state)
{
	uint64_t t;

	set(true, true, false);
	join(1, group);
	leave(1, group);
	t = ev_now_ns();
	tick(t + 1400 * SNOOP_NS_PER_MS);
	tick(t + 2300 * SNOOP_NS_PER_MS);
	assert_int_equal(stats().groups, 1);
	tick(t + 2500 * SNOOP_NS_PER_MS);
	assert_int_equal(stats().groups, 0);
}

/* All ports are asked, three times in the beginning, until another one does it. */
static void
querier(void **state)
{
	set(true, true, false);
	fake_clear();
	tick(now);
	assert_int_equal(got(), 0xf);
	assert_true(stats().sent >= 8);
	query(ROUTER);
	fake_clear();
	tick(ev_now_ns() + 100 * SECOND);
	for (uint32_t i = 0; i < FAKE_PORTS; i++)
		for (uint32_t k = 0; k < fake_ports[i].nout; k++)
			assert_int_equal(fake_ports[i].out[k].b[0], 0x33); /* IPv6 is still ours */
	assert_int_equal(snoop_querier(&fake_sw, 0, 0, 0).len, 4);
	assert_int_equal(snoop_querier(&fake_sw, 0, 0, 1).len, 0);
	fake_check_accounts();
}

static void
limits(void **state)
{
	uint8_t g[4] = {239, 2, 0, 0};

	char buf[128];

	assert_int_equal(snoop_set_limit(&fake_ports[1].p, 3), 0);
	assert_null(sw_why(&fake_sw, &fake_ports[1].p, buf, sizeof(buf)));
	assert_int_equal(snoop_set_limit(&fake_ports[1].p, SNOOP_MAX + 1), -EINVAL);
	for (g[3] = 1; g[3] <= 5; g[3]++)
		join(1, g);
	assert_int_equal(stats().groups, 3);
	assert_int_equal(fake_ports[1].p.snoop.refused, 2);
	assert_non_null(strstr(sw_why(&fake_sw, &fake_ports[1].p, buf, sizeof(buf)), "groups"));
	join(2, group);
	assert_int_equal(send_to_group(0, group), 0x4);
	snoop_forget_port(&fake_ports[1].p);
	assert_int_equal(stats().groups, 1);
}

static void
join_many(uint32_t port, uint8_t net, uint8_t n)
{
	uint8_t g[4] = {239, 3, net, 0};

	for (g[3] = 1; g[3] <= n; g[3]++)
		join(port, g);
}

/* A port that finds no room takes that of one which has more, and no more. */
static void
fair(void **state)
{
	struct snoop_config c = snoop_get(&fake_sw, 0);

	c.limit = SNOOP_MAX + 1;
	assert_int_equal(snoop_set(&fake_sw, 0, &c), -EINVAL);
	c.limit = 8;
	assert_int_equal(snoop_set(&fake_sw, 0, &c), 0);
	join_many(0, 0, 9);
	assert_int_equal(fake_ports[0].p.snoop.n, 8);
	assert_int_equal(stats().refused_domain, 1);
	join_many(1, 1, 8);
	assert_int_equal(fake_ports[0].p.snoop.n, 4);
	assert_int_equal(fake_ports[1].p.snoop.n, 4);
	assert_int_equal(stats().evicted, 4);
	assert_int_equal(stats().groups, 8);
	join_many(0, 2, 3);
	assert_int_equal(stats().groups, 8);
	assert_int_equal(stats().evicted, 4);
	assert_int_equal(send_to_group(3, (const uint8_t[]){239, 3, 1, 1}), 0x2);
}

/* The same for all together. */
static void
full(void **state)
{
	struct snoop_info i = {.port = 0, .group = {.len = 4, .addr = {239, 8}}, .left_s = 100};
	uint32_t n;

	assert_int_equal(snoop_set_limit(&fake_ports[0].p, SNOOP_MAX), 0);
	for (n = 0; n < SNOOP_MAX; n++) {
		i.group.addr[2] = (uint8_t)(n >> 8);
		i.group.addr[3] = (uint8_t)n;
		assert_true(snoop_restore(&fake_sw, &i));
	}
	i.group.addr[1] = 9;
	assert_false(snoop_restore(&fake_sw, &i));
	join(1, group);
	assert_int_equal(stats().groups, SNOOP_MAX);
	assert_int_equal(stats().evicted, 1);
	assert_int_equal(stats().refused_port, 1);
	assert_int_equal(send_to_group(2, group), 0x2);
	snoop_forget_port(&fake_ports[0].p);
	assert_int_equal(stats().groups, 1);
}

/* Places that ports with routers in many FIDs have are not theirs for ever. */
static void
full_of_routers(void **state)
{
	struct snoop_config c = snoop_get(&fake_sw, 0);
	struct snoop_info i = {.port = 0, .left_s = 100};

	c.limit = 8;
	assert_int_equal(snoop_set(&fake_sw, 0, &c), 0);
	for (i.vlan = 1; i.vlan <= 8; i.vlan++)
		assert_true(snoop_restore(&fake_sw, &i));
	assert_int_equal(stats().routers, 8);
	join(1, group);
	assert_int_equal(stats().evicted, 1);
	assert_int_equal(send_to_group(2, group), 0x2);
}

/* Another process counts on. */
static void
counted_on(void **state)
{
	struct snoop_stats before, after;
	struct blob b = {0};
	struct blob_reader reader = {.blob = &b};
	struct hand_record h = {.reader = &reader};

	join(1, group);
	atomic_store(&fake_sw.snoop->ring->full, 7);
	before = stats();
	sw_hand_over(&fake_sw, &b);
	snoop_forget_port(&fake_ports[1].p);
	fake_sw.snoop->stats = (struct snoop_stats){0};
	atomic_store(&fake_sw.snoop->ring->full, 0);
	while ((h.data = blob_read(&reader, &h.r)) != NULL)
		assert_null(sw_take_over(&fake_sw, &h));
	after = stats();
	assert_memory_equal(&after, &before, sizeof(before));
	blob_free(&b);
}

/* One that floods control with reports does not keep it from hearing others. */
static void
loud(void **state)
{
	static const uint8_t join0[] = {0x16, 0, 0, 0, 239, 1, 2, 3};

	fake_clear();
	for (uint32_t round = 0; round < 1000; round++) {
		put_packet(0, group, 2, join0);
		put_packet(1, group, 2, join0);
		put_packet(2, group, 2, join0);
		fake_poll();
	}
	assert_true(stats().lost > 2000);
	put_packet(ROUTER, group, 2, join0);
	fake_poll();
	snoop_take_in(&fake_sw);
	assert_int_equal(stats().groups, 4);
	fake_check_accounts();
}

/* A port that has no router any more is believed nothing, not even what it said before. */
static void
dismissed(void **state)
{
	const struct guard_config g = {.checks = GUARD_RA};

	set(true, false, false);
	query(0);
	assert_int_equal(snoop_querier(&fake_sw, 0, 0, 0).len, 4);
	assert_int_equal(send_to_group(1, other), 0x1);
	assert_int_equal(port_set_guard(&fake_ports[0].p, &g), 0);
	assert_int_equal(send_to_group(1, other), 0);
	/* what a worker says that does not know it yet */
	snoop_set_router(&fake_ports[ROUTER].p, SNOOP_ROUTER_AUTO);
	fake_clear();
	put_packet(ROUTER, (const uint8_t[]){224, 0, 0, 1}, 2,
		   (const uint8_t[]){0x11, 100, 0, 0, 0, 0, 0, 0});
	fake_poll();
	snoop_set_router(&fake_ports[ROUTER].p, SNOOP_ROUTER_NEVER);
	snoop_take_in(&fake_sw);
	assert_int_equal(send_to_group(1, other), 0);
}

/* Queries that do not reach others, or give them long to answer, end and replace nothing. */
static void
pretender(void **state)
{
	uint8_t slow[] = {0x11, 200, 0, 0, 239, 1, 2, 3};

	set(true, true, false);
	fake_ports[0].p.isolated = fake_ports[1].p.isolated = true;
	sw_publish(&fake_sw);
	join(1, group);
	join(2, group);
	query(0);
	assert_int_equal(got() & 0xf, 0xc);
	assert_int_equal(snoop_querier(&fake_sw, 0, 0, 0).len, 0);
	say(0, 0x11, group, group);
	snoop_tick(&fake_sw, ev_now_ns() + 21 * SECOND);
	assert_int_equal(stats().aged, 1); /* port 2, which was asked and did not answer */
	join(2, group);
	fake_ports[0].p.isolated = false;
	sw_publish(&fake_sw);
	put_packet(0, group, 2, slow);
	settle();
	snoop_tick(&fake_sw, ev_now_ns() + 39 * SECOND);
	assert_int_equal(stats().aged, 1);
	memset(slow + 4, 0, 4);
	put_packet(0, (const uint8_t[]){224, 0, 0, 1}, 2, slow);
	settle();
	assert_int_equal(snoop_querier(&fake_sw, 0, 0, 0).len, 0);
	query(0);
	assert_int_equal(snoop_querier(&fake_sw, 0, 0, 0).len, 4);
	fake_check_accounts();
}

/* Nor do those that hosts do not listen to, by their IP or by their Ethernet destination. */
static void
whisperer(void **state)
{
	const uint8_t all[] = {224, 0, 0, 1}, one[] = {0x11, 10, 0, 0, 239, 1, 2, 3};
	const uint8_t general[8] = {0x11, 100};

	set(true, true, false);
	join(1, group);
	say(0, 0x11, other, group);
	say(0, 0x11, other, (const uint8_t[4]){0});
	fake_clear();
	put_packet(0, group, 2, one)->b[5] ^= 1;
	settle();
	put_packet(0, all, 2, general)->b[5] ^= 4;
	settle();
	assert_int_equal(got(), 0);
	assert_int_equal(fake_dropped(0, DROP_RX_MCAST_BAD), 4);
	assert_int_equal(snoop_querier(&fake_sw, 0, 0, 0).len, 0);
	assert_int_equal(stats().routers, 0);
	snoop_tick(&fake_sw, ev_now_ns() + 30 * SECOND);
	assert_int_equal(stats().aged, 0);
	fake_check_accounts();
}

/* Leaves beyond those that hosts can be asked about count for nothing. */
static void
hasty(void **state)
{
	uint32_t left;

	set(true, true, false);
	join_many(1, 0, 40);
	for (uint8_t i = 1; i <= 40; i++) {
		const uint8_t g[4] = {239, 3, 0, i};
		const uint8_t msg[8] = {0x17, 0, 0, 0, 239, 3, 0, i};

		put_packet(1, g, 2, msg);
		fake_poll();
	}
	settle();
	left = fake_ports[1].nout;
	assert_in_range(left, 1, 39);
	snoop_tick(&fake_sw, ev_now_ns() + 3 * SECOND);
	assert_int_equal(stats().groups, 40 - left);
}

/* A message that says nothing true reaches no one, and nothing is learned of it. */
static void
malformed(void **state)
{
	struct fake_frame *f;

	fake_clear();
	f = put_packet(1, group, 2, (const uint8_t[]){0x16, 0, 0, 0, 239, 1, 2, 3});
	f->b[14 + 26] ^= 1;
	settle();
	assert_int_equal(fake_dropped(1, DROP_RX_MCAST_BAD), 1);
	/* its sum would be finished on the way */
	f = put_packet(1, group, 2, (const uint8_t[]){0x16, 0, 0, 0, 239, 1, 2, 3});
	f->need = PKT_NEED_CSUM;
	f->vnet = (struct pkt_vnet){.flags = 1, .csum_start = 38, .csum_offset = 2};
	settle();
	assert_int_equal(fake_dropped(1, DROP_RX_MCAST_BAD), 2);
	/* the protocol would be */
	f = put_packet(1, group, 17, (const uint8_t[8]){0});
	f->need = PKT_NEED_CSUM;
	f->vnet = (struct pkt_vnet){.flags = 1, .csum_start = 14, .csum_offset = 8};
	settle();
	assert_int_equal(fake_dropped(1, DROP_RX_MCAST_BAD), 3);
	assert_int_equal(got(), 0);
	assert_int_equal(stats().groups, 0);
	fake_check_accounts();
}

static void
lengthen(struct fake_frame *f)
{
	uint8_t *b = f->b + 14;
	uint16_t s;

	f->len = FAKE_LEN;
	b[2] = (FAKE_LEN - 14) >> 8;
	b[3] = (FAKE_LEN - 14) & 0xff;
	memset(b + 10, 0, 2);
	s = sum(b, 24);
	b[10] = (uint8_t)(s >> 8);
	b[11] = (uint8_t)s;
}

/* A frame that is longer than what is looked at is data, or dropped. */
static void
longer(void **state)
{
	static const uint8_t udp[8] = {0, 9, 0, 9, 0, 8, 0, 0};
	static const uint8_t ask[] = {0x11, 100, 0, 0, 0, 0, 0, 0};

	join(1, group);
	fake_clear();
	lengthen(put_packet(0, group, 17, udp));
	lengthen(put_packet(0, group, 2, ask));
	lengthen(put_packet(0, group, 103, ask));
	settle();
	assert_int_equal(got(), 0x2);
	assert_int_equal(fake_ports[1].nout, 2);
	assert_int_equal(fake_ports[1].out[0].len, FAKE_LEN);
	assert_int_equal(fake_dropped(0, DROP_RX_MCAST_BAD), 1);
	assert_int_equal(stats().queries, 0);
	/* the end of the frame is not in the packet */
	put_packet(0, (const uint8_t[]){224, 0, 0, 1}, 2, ask)->len = FAKE_LEN;
	settle();
	assert_int_equal(got(), 0xe);
	assert_int_equal(stats().queries, 1);
	fake_check_accounts();
}

/* A message in two fragments is delivered as it was checked. */
static void
split(void **state)
{
	struct fake_frame *f, sent;

	query(ROUTER);
	fake_clear();
	f = put_packet(1, group, 2, (const uint8_t[]){0x16, 0, 0, 0, 239, 1, 2, 3});
	f->split = 30;
	sent = *f; /* the port forgets it */
	settle();
	assert_int_equal(got(), 0x8);
	assert_memory_equal(fake_ports[ROUTER].out[0].b, sent.b, LEN);
	assert_int_equal(send_to_group(0, group), 0xa);
}

/* Each VLAN by itself, and one batch with data and messages for several lists. */
static void
vlans(void **state)
{
	struct vlan_config c = {.on = true, .access = true, .native = 7};

	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(port_set_vlan(&fake_ports[i].p, &c), 0);
	c = (struct vlan_config){.on = true};
	vlan_allow(&c, 7);
	vlan_allow(&c, 8);
	assert_int_equal(port_set_vlan(&fake_ports[ROUTER].p, &c), 0);
	join(1, group);
	assert_int_equal(stats().groups, 1);
	fake_clear();
	put_packet(0, group, 17, (const uint8_t[8]){0});
	put_packet(0, other, 17, (const uint8_t[8]){0});
	put_packet(0, group, 17, (const uint8_t[8]){0});
	fake_poll();
	assert_int_equal(fake_ports[1].nout, 3);
	assert_int_equal(fake_ports[2].nout, 1);
	assert_int_equal(fake_ports[ROUTER].nout, 1);
	set(true, true, false);
	fake_clear();
	tick(now);
	assert_true(fake_ports[0].nout > 0 && fake_ports[ROUTER].nout > 0);
	assert_int_equal(fake_ports[0].out[0].b[12], 8);         /* no tag */
	assert_int_equal(fake_ports[ROUTER].out[0].b[12], 0x81); /* a tag */
	fake_check_accounts();
}

/*
 * The records of a blob to the switch, but those of this length a byte shorter. NULL, or why one of
 * them was refused.
 */
static const char *
take_over(struct blob *b, uint32_t cut)
{
	static struct legend legend;
	struct blob_reader reader = {.blob = b};
	struct hand_record h = {.reader = &reader, .legend = &legend};
	const char *why = NULL;

	legend.n = 0;
	while (why == NULL && (h.data = blob_read(&reader, &h.r)) != NULL) {
		h.r.len -= h.r.len == cut;
		if (h.r.type != LEGEND)
			why = sw_take_over(&fake_sw, &h);
		else
			assert_true(legend_read(&legend, h.data, h.r.len));
	}
	return why;
}

/* To a successor, what is left of their time, too; unless it does not snoop there. */
static void
handed_over(void **state)
{
	struct snoop_config c = snoop_get(&fake_sw, 0);
	struct mcast_ip ip6 = {.len = 16, .addr = {0xff, 0x15, [15] = 1}};
	struct snoop_info i = {.port = 2, .group = ip6, .left_s = 7}, out;
	struct blob b = {0};

	join(1, group);
	query(ROUTER);
	assert_true(snoop_restore(&fake_sw, &i));
	legend_put(&b, LEGEND);
	sw_hand_over(&fake_sw, &b);
	assert_false(b.failed);
	c.on = false;
	assert_int_equal(snoop_set(&fake_sw, 0, &c), 0);
	assert_null(take_over(&b, UINT32_MAX));
	assert_int_equal(stats().groups, 0);
	set(false, false, false);
	assert_int_equal(stats().groups, 0);
	assert_null(take_over(&b, UINT32_MAX));
	assert_int_equal(stats().groups, 2);
	assert_int_equal(stats().routers, 1);
	assert_int_equal(send_to_group(0, group), 0xa);
	for (uint32_t at = 0; snoop_entry(&fake_sw, at, &out) && out.port != 2; at++)
		;
	assert_memory_equal(&out.group, &ip6, sizeof(ip6));
	assert_in_range(out.left_s, 5, 7);
	assert_non_null(take_over(&b, 3 * MEMBER_LEN));
	blob_free(&b);
}

/* Off again, nothing is left of it. */
static void
off(void **state)
{
	struct snoop_config c = snoop_get(&fake_sw, 0);

	join(1, group);
	c.on = false;
	assert_int_equal(snoop_set(&fake_sw, 0, &c), 0);
	assert_int_equal(stats().groups, 0);
	assert_int_equal(send_to_group(0, group), 0xe);
	join(1, group);
	assert_int_equal(got(), 0xd);
	assert_null(dp_live(&fake_sw.dp)->mcast);
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
		TEST(only_members), TEST(routers),
		TEST(guarded),      TEST(times),
		TEST(last_member),  TEST(querier),
		TEST(limits),       TEST(malformed),
		TEST(split),        TEST(vlans),
		TEST(handed_over),  TEST(off),
		TEST(fair),         TEST(full),
		TEST(loud),         TEST(counted_on),
		TEST(dismissed),    TEST(pretender),
		TEST(hasty),        TEST(longer),
		TEST(whisperer),    TEST(full_of_routers),
		TEST(last_query),
	};

	return cmocka_run_group_tests(tests, start_eal, NULL);
}
