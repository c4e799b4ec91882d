/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flooding within the budget of a poll iteration: what does not fit stays in
 * its ring and comes later, whole, in order and once; others are served in each
 * iteration meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <linux/virtio_net.h>

#include <rte_arp.h>
#include <rte_mbuf.h>

#include "eal.h"
#include "fakesw.h"
#include "switch/acl.h"
#include "switch/flood.h"
#include "switch/inject.h"
#include "switch/modes.h"
#include "switch/port_acl.h"
#include "switch/port_limits.h"
#include "switch/publish.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"
#include "switch/vlan_table.h"

#define LEN 100
#define COST (LEN + FLOOD_COPY)
#define RECEIVERS (FAKE_PORTS - 1)
#define BYTEWISE 40 /* segments of a frame */

static const struct rte_ether_addr from = {{2, 0, 0, 0, 0, 1}};
static struct rte_mempool *pool;

/* As in a switch with so many ports that only @p n copies fit an iteration. */
static void
allow(uint32_t n)
{
	fake_worker->flood_budget = n * COST;
}

static void
put_broadcasts(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		fake_put(0, &from, &fake_broadcast, LEN)->b[20] = (uint8_t)i;
}

/* All have the first @p n frames, in their order. */
static void
expect_all(uint32_t n)
{
	for (uint32_t port = 1; port < FAKE_PORTS; port++) {
		assert_int_equal(fake_ports[port].nout, n);
		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(fake_ports[port].out[i].b[20], i);
	}
}

static uint32_t
copies(void)
{
	uint32_t n = 0;

	for (uint32_t port = 1; port < FAKE_PORTS; port++)
		n += fake_ports[port].nout;
	return n;
}

/* More than fits comes in portions of whole frames. */
static void
test_portions(void **state)
{
	uint32_t fit = 7, n = 2 * fit + 3;

	allow(fit * RECEIVERS + 1);
	put_broadcasts(n);
	fake_poll();
	expect_all(fit);
	fake_check_accounts();
	fake_poll();
	expect_all(2 * fit);
	fake_check_accounts();
	fake_poll();
	expect_all(n);
	fake_check_accounts();
	assert_int_equal(fake_ports[0].rx.stats.frames, n);
	assert_int_equal(fake_ports[0].rx.stats.broadcast, n);
	assert_int_equal(fake_ports[0].rx.stats.bytes, n * LEN);
	assert_int_equal(fake_worker->frames, n);
}

/* Frames of others in between, before and after keep their order. */
static void
test_mixed(void **state)
{
	const struct rte_ether_addr to = fake_mac(1, 9), nobody = fake_mac(2, 77);
	uint32_t fit = 10, n = 0;

	fake_put(1, &to, &fake_broadcast, LEN);
	fake_poll();
	fake_clear();
	allow(fit * RECEIVERS);
	for (uint32_t i = 0; i < 3; i++) {
		fake_put(0, &from, &to, LEN)->b[20] = (uint8_t)n++;
		for (uint32_t k = 0; k < fit; k++)
			fake_put(0, &from, k % 2 ? &fake_broadcast : &nobody, LEN)->b[20] =
				(uint8_t)n++;
	}
	for (uint32_t i = 0; i < 4; i++) {
		fake_poll();
		fake_check_accounts();
	}
	assert_int_equal(fake_ports[0].nin, 0);
	assert_int_equal(fake_ports[1].nout, n);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(fake_ports[1].out[i].b[20], i);
	assert_int_equal(fake_ports[2].nout, 3 * fit);
}

/* A frame whose copies alone are too many goes to some receivers at a time. */
static void
test_one_in_parts(void **state)
{
	allow(1);
	put_broadcasts(3);
	for (uint32_t i = 1; i <= 3 * RECEIVERS; i++) {
		fake_poll();
		assert_int_equal(copies(), i);
		fake_check_accounts();
		assert_int_equal(fake_ports[0].rx.stats.frames, i / RECEIVERS);
	}
	expect_all(3);
	assert_int_equal(fake_ports[0].nin, 0);
}

/* A poll iteration's copies, and no more than @p most of them, until there are @p n. */
static void
expect_portions(uint32_t n, uint32_t most)
{
	uint32_t before, polls = 0;

	for (before = 0; before < n; before = copies()) {
		fake_poll();
		assert_in_range(copies() - before, 1, most);
		fake_check_accounts();
		assert_true(++polls <= n);
	}
	assert_int_equal(copies(), n);
}

/* Bytes are not all a copy costs: fragments cost, too. */
static void
test_fragments(void **state)
{
	struct fake_frame *f = fake_put(0, &from, &fake_broadcast, LEN);

	f->split = RTE_ETHER_HDR_LEN;
	f->b[20] = 0;
	f->step = 1;
	allow(8);
	expect_portions(RECEIVERS, 1);
	expect_all(1);
}

/* A TCP segment of 40 bytes to be cut to bytes. */
static void
put_bytewise(void)
{
	struct fake_frame *f = fake_put(0, &from, &fake_broadcast, 54 + BYTEWISE);

	memset(f->b + 12, 0, 42);
	f->b[12] = 8;
	f->b[14] = 0x45;
	f->b[14 + 9] = 6;
	f->b[34 + 12] = 0x50;
	f->need = PKT_NEED_CSUM | PKT_NEED_TSO4;
	f->vnet = (struct pkt_vnet){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				    .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
				    .gso_size = 1,
				    .hdr_len = 54,
				    .csum_start = 34,
				    .csum_offset = 16};
}

/* Nor copies: what counts is how many frames they become. */
static void
test_segments(void **state)
{
	for (uint32_t port = 1; port < FAKE_PORTS; port++)
		fake_ports[port].tx.offloads = 0;
	put_bytewise();
	allow(16);
	expect_portions(RECEIVERS * BYTEWISE, BYTEWISE);
}

/* Those who are sent copies of a receiver's frames cost as much as the receiver. */
static void
test_mirrored(void **state)
{
	for (uint32_t port = 1; port < FAKE_PORTS - 1; port++)
		assert_int_equal(sw_mirror(&fake_ports[port].p, &fake_ports[FAKE_PORTS - 1].p), 0);
	put_broadcasts(1);
	allow(2);
	expect_portions(RECEIVERS + 2, 2);
}

/* Many frames for them are no cheaper: all fit without mirrors. */
static void
test_many_mirrored(void **state)
{
	for (uint32_t port = 1; port < FAKE_PORTS - 1; port++)
		assert_int_equal(sw_mirror(&fake_ports[port].p, &fake_ports[FAKE_PORTS - 1].p), 0);
	put_broadcasts(20);
	allow(20 * RECEIVERS);
	expect_portions(20 * (RECEIVERS + 2), 20 * RECEIVERS);
}

/* Access lists of receivers cost as much as copies do, and more while there is no trie. */
static void
test_lists(void **state)
{
	struct acl_config list = {.n = ACL_RULES_MAX};
	const uint32_t cost = FLOOD_LIST + ACL_TRIE_MIN * FLOOD_RULE;
	struct acl *a;

	for (uint32_t i = 0; i < list.n; i++)
		list.rule[i] = (struct acl_rule){.seq = i + 1, .has_proto = true, .proto = 99};
	a = acl_new(&list, 1);
	assert_int_equal(acl_effort(a), ACL_RULES_MAX);
	acl_free(a);
	list.n = ACL_TRIE_MIN - 1;
	for (uint32_t port = 1; port < FAKE_PORTS; port++)
		assert_int_equal(port_set_acl(&fake_ports[port].p, ACL_OUT, &list), 0);
	sw_publish(&fake_sw);
	put_broadcasts(20);
	allow(20 * RECEIVERS);
	expect_portions(20 * RECEIVERS, 20 * RECEIVERS * COST / (COST + cost));
}

/* With a new snapshot it begins anew: some get it twice, none is left out. */
static void
test_new_snapshot(void **state)
{
	allow(1);
	put_broadcasts(1);
	fake_poll();
	fake_poll();
	assert_int_equal(copies(), 2);
	sw_publish(&fake_sw);
	for (uint32_t i = 0; i < RECEIVERS; i++)
		fake_poll();
	assert_int_equal(fake_ports[1].nout, 2);
	assert_int_equal(fake_ports[3].nout, 1);
	assert_int_equal(fake_ports[0].nin, 0);
	fake_check_accounts();
}

/* The rest of a frame's receivers does not fall to the next one, if its own goes elsewhere now. */
static void
test_learned_meanwhile(void **state)
{
	const struct rte_ether_addr to = fake_mac(3, 1);

	allow(1);
	fake_put(0, &from, &to, LEN);
	put_broadcasts(1);
	fake_poll();
	assert_int_equal(copies(), 1);
	assert_true(fdb_learn(fake_sw.fdb, &to, 0, 3));
	for (uint32_t i = 0; i < 1 + RECEIVERS; i++)
		fake_poll();
	assert_int_equal(fake_ports[2].nout, 1);
	assert_int_equal(fake_ports[1].nout, 2);
	assert_int_equal(fake_ports[3].nout, 2);
	fake_check_accounts();
}

/* Control's own frames are worth no more. */
static void
test_injected(void **state)
{
	fake_worker->flood_budget = 1;
	assert_true(sw_inject(&fake_sw, &fake_ports[0].p, rte_net_make_rarp_packet(pool, &from)));
	for (uint32_t i = 1; i <= RECEIVERS; i++) {
		fake_poll();
		assert_int_equal(copies(), i);
		fake_check_accounts();
	}
	fake_poll();
	assert_int_equal(copies(), RECEIVERS);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

/* Others are served in every iteration. */
static void
test_neighbour(void **state)
{
	const struct rte_ether_addr a = fake_mac(2, 1), b = fake_mac(3, 1);
	uint32_t iterations = 0;

	fake_put(3, &b, &fake_broadcast, LEN);
	fake_poll();
	fake_clear();
	allow(3 * RECEIVERS);
	while (iterations < 100) {
		if (fake_ports[0].nin < FAKE_IN / 2)
			put_broadcasts(FAKE_IN / 2);
		fake_put(2, &a, &b, LEN);
		fake_poll();
		iterations++;
		assert_int_equal(fake_ports[2].nin, 0);
		assert_true(copies() <= 3 * RECEIVERS + 1);
		fake_check_accounts();
		fake_clear();
	}
	assert_int_equal(fake_ports[2].rx.stats.offered, iterations);
}

/* A frame refused to a port with limits is dropped: its tokens are spent. */
static void
test_limited(void **state)
{
	const struct limits l = {.pps = 1000000};
	uint32_t fit = 4;

	assert_int_equal(port_set_limits(&fake_ports[0].p, &l), 0);
	allow(fit * RECEIVERS);
	put_broadcasts(fit + 5);
	fake_poll();
	expect_all(fit);
	assert_int_equal(fake_ports[0].nin, 0);
	assert_int_equal(fake_dropped(0, DROP_RX_FLOOD), 5);
	fake_check_accounts();
}

/* --- frames that cannot stay in their ring: the rest of one at a time is kept --- */

static const struct limits some = {.pps = 1000000};

static void
limit(uint32_t port)
{
	assert_int_equal(port_set_limits(&fake_ports[port].p, &some), 0);
}

static void
expect_nothing_kept(void)
{
	assert_int_equal(fake_worker->rests.n, 0);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	fake_check_accounts();
}

static void
test_limited_in_parts(void **state)
{
	limit(0);
	for (uint32_t i = 0; i < 3; i++) {
		fake_clear();
		put_broadcasts(1);
		allow(1);
		expect_portions(RECEIVERS, 1);
		expect_all(1);
	}
	assert_int_equal(fake_ports[0].rx.stats.frames, 3);
	assert_int_equal(fake_ports[0].rx.stats.bytes, 3 * LEN);
	assert_int_equal(fake_ports[0].rx.stats.broadcast, 3);
	expect_nothing_kept();
}

/* Limits and a mirror see a frame once, and those behind it wait in the ring. */
static void
test_limited_once(void **state)
{
	limit(0);
	assert_int_equal(sw_mirror(&fake_ports[0].p, &fake_ports[3].p), 0);
	put_broadcasts(1);
	allow(1);
	fake_poll();
	put_broadcasts(1);
	while (fake_worker->rests.n != 0) {
		assert_int_equal(fake_ports[0].nin, 1);
		fake_poll();
	}
	assert_int_equal(fake_ports[1].nout, 1);
	assert_int_equal(fake_ports[2].nout, 1);
	assert_int_equal(fake_ports[3].nout, 2); /* and the mirror's copy */
	do {
		fake_poll();
	} while (fake_worker->rests.n != 0);
	assert_int_equal(fake_ports[0].nin, 0);
	assert_int_equal(copies(), 2 * (RECEIVERS + 1));
	expect_nothing_kept();
}

/* Frames to be finished or cut in software as any others. */
static void
test_limited_segments(void **state)
{
	limit(0);
	for (uint32_t port = 1; port < FAKE_PORTS; port++)
		fake_ports[port].tx.offloads = 0;
	put_bytewise();
	allow(16);
	expect_portions(RECEIVERS * BYTEWISE, BYTEWISE);
	for (uint32_t port = 1; port < FAKE_PORTS; port++)
		for (uint32_t i = 0; i < BYTEWISE; i++)
			assert_int_equal(fake_ports[port].out[i].b[41], i);
	expect_nothing_kept();
}

/* A frame with this tag, none: 0, is given to all in portions; they get it @p tagged or not. */
static void
expect_tag(const char *tag, bool tagged)
{
	struct fake_frame *f = fake_put(0, &from, &fake_broadcast, LEN);
	uint32_t len = LEN - (tag != NULL ? 4u : 0u) + (tagged ? 4u : 0u);

	if (tag != NULL)
		memcpy(f->b + 12, tag, 4);
	fake_clear();
	fake_worker->flood_budget = LEN;
	expect_portions(RECEIVERS, 1);
	for (uint32_t port = 1; port < FAKE_PORTS; port++) {
		assert_int_equal(fake_ports[port].out[0].len, len);
		assert_int_equal(fake_ports[port].out[0].b[len - 1], LEN - 1);
	}
}

static void
test_limited_in_vlans(void **state)
{
	struct vlan_config trunk = {.on = true, .native = 10};
	struct vlan_config access = {.on = true, .access = true, .native = 10};

	vlan_allow(&trunk, 10);
	vlan_allow(&trunk, 20);
	vlan_allow(&access, 10);
	limit(0);
	for (uint32_t port = 0; port < FAKE_PORTS; port++)
		assert_int_equal(port_set_vlan(&fake_ports[port].p, &trunk), 0);
	expect_tag("\x81\x00\x20\x0a", false);
	expect_tag("\x81\x00\x20\x00", false);
	expect_tag("\x81\x00\x20\x14", true);
	expect_tag(NULL, false);
	assert_int_equal(port_set_vlan(&fake_ports[0].p, &access), 0);
	expect_tag("\x81\x00\x20\x00", false); /* only a priority */
	expect_tag(NULL, false);
	assert_int_equal(fake_ports[0].rx.stats.bytes, 6 * LEN);
	expect_nothing_kept();
}

/* Receivers are counted anew; a frame is never sent to another domain; what goes takes its rest. */
static void
test_limited_new_snapshot(void **state)
{
	limit(0);
	allow(1);
	put_broadcasts(1);
	fake_poll();
	fake_poll();
	assert_int_equal(copies(), 2);
	sw_publish(&fake_sw);
	while (fake_worker->rests.n != 0)
		fake_poll();
	assert_int_equal(fake_ports[1].nout, 2);
	assert_int_equal(fake_ports[3].nout, 1);
	put_broadcasts(1);
	fake_poll();
	assert_int_equal(fake_worker->rests.n, 1);
	assert_int_equal(port_set_domain(&fake_ports[0].p, 7), 0);
	fake_poll();
	assert_int_equal(copies(), 2 + RECEIVERS + 1);
	assert_int_equal(fake_dropped(0, DROP_RX_NO_EGRESS), 1);
	assert_int_equal(port_set_domain(&fake_ports[0].p, 0), 0);
	put_broadcasts(1);
	fake_poll();
	assert_int_equal(fake_worker->rests.n, 1);
	assert_int_equal(fake_worker->abandoned, 0);
	sw_port_remove(&fake_sw, &fake_ports[0].p);
	fake_poll();
	assert_int_equal(fake_worker->rests.n, 0);
	assert_int_equal(fake_worker->abandoned, 1);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

/* A frame that has gone to receivers in one VLAN does not go to those in another. */
static void
test_limited_new_vlan(void **state)
{
	struct vlan_config trunk = {.on = true, .native = 10};

	vlan_allow(&trunk, 10);
	vlan_allow(&trunk, 20);
	limit(0);
	for (uint32_t port = 0; port < FAKE_PORTS; port++)
		assert_int_equal(port_set_vlan(&fake_ports[port].p, &trunk), 0);
	allow(1);
	put_broadcasts(1);
	fake_poll();
	assert_int_equal(copies(), 1);
	assert_int_equal(fake_worker->rests.n, 1);
	trunk.native = 20;
	assert_int_equal(port_set_vlan(&fake_ports[0].p, &trunk), 0);
	while (fake_worker->rests.n != 0)
		fake_poll();
	assert_int_equal(copies(), 1);
	assert_int_equal(fake_dropped(0, DROP_RX_NO_EGRESS), 1);
	expect_nothing_kept();
}

/* Without memory for it, its rest is a drop. */
static void
test_limited_no_memory(void **state)
{
	struct rte_mbuf *m[63];

	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, m, RTE_DIM(m)), 0);
	limit(0);
	allow(1);
	put_broadcasts(1);
	fake_poll();
	assert_int_equal(copies(), 1);
	assert_int_equal(fake_dropped(0, DROP_RX_FLOOD), 1);
	rte_pktmbuf_free_bulk(m, RTE_DIM(m));
	expect_nothing_kept();
}

/* Tags that were taken off are there again. */
static void
test_vlan(void **state)
{
	struct vlan_config trunk = {.on = true};
	uint32_t fit = 4, n = fit + 3;

	vlan_allow(&trunk, 10);
	for (uint32_t port = 0; port < FAKE_PORTS; port++)
		assert_int_equal(port_set_vlan(&fake_ports[port].p, &trunk), 0);
	allow(fit * RECEIVERS);
	for (uint32_t i = 0; i < n; i++) {
		struct fake_frame *f = fake_put(0, &from, &fake_broadcast, LEN);

		memcpy(f->b + 12, "\x81\x00\x00\x0a\x88\xb5", 6);
		f->b[20] = (uint8_t)i;
	}
	fake_poll();
	expect_all(fit);
	fake_check_accounts();
	fake_poll();
	expect_all(n);
	fake_check_accounts();
	assert_int_equal(fake_ports[0].rx.stats.bytes, n * LEN);
	assert_int_equal(fake_ports[1].out[n - 1].len, LEN);
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, fake_setup, fake_teardown)

static int
start_eal(void **state)
{
	if (eal_start("0", 128) != 0)
		return -1;
	pool = fake_pool(63);
	return pool != NULL ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_portions),
		EACH(test_mixed),
		EACH(test_one_in_parts),
		EACH(test_fragments),
		EACH(test_segments),
		EACH(test_mirrored),
		EACH(test_many_mirrored),
		EACH(test_lists),
		EACH(test_new_snapshot),
		EACH(test_learned_meanwhile),
		EACH(test_injected),
		EACH(test_neighbour),
		EACH(test_limited),
		EACH(test_limited_in_parts),
		EACH(test_limited_once),
		EACH(test_limited_segments),
		EACH(test_limited_in_vlans),
		EACH(test_limited_new_snapshot),
		EACH(test_limited_new_vlan),
		EACH(test_limited_no_memory),
		EACH(test_vlan),
	};

	return cmocka_run_group_tests(tests, start_eal, NULL);
}
