/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VLANs: who gets a frame, with or without a tag, byte by byte; that nothing
 * gets into a VLAN its port does not have; and the accounts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include <linux/virtio_net.h>

#include <rte_arp.h>
#include <rte_mbuf.h>

#include "eal.h"
#include "fakesw.h"
#include "switch/inject.h"
#include "switch/publish.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"
#include "switch/vlan_table.h"

#define LEN 100

static struct rte_mempool *pool;
static struct rte_ether_addr host[FAKE_PORTS];

/* --- settings --- */

static void
access_port(uint32_t port, uint16_t id)
{
	const struct vlan_config c = {.on = true, .access = true, .native = id};

	assert_int_equal(port_set_vlan(&fake_ports[port].p, &c), 0);
}

static void
trunk_port(uint32_t port, uint16_t native, uint16_t first, uint16_t last)
{
	struct vlan_config c = {.on = true, .native = native};

	for (uint16_t id = first; id <= last; id++)
		vlan_allow(&c, id);
	assert_int_equal(port_set_vlan(&fake_ports[port].p, &c), 0);
}

/* Ports 0 and 1 are in VLAN 10, 2 in 20, 3 is a trunk of both with 20 untagged. */
static void
usual(void)
{
	access_port(0, 10);
	access_port(1, 10);
	access_port(2, 20);
	trunk_port(3, 20, 10, 20);
}

/* --- frames --- */

static void
set16(uint8_t *b, uint32_t v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

static uint32_t
get16(const uint8_t *b)
{
	return (uint32_t)b[0] << 8 | b[1];
}

/* A frame with a tag in front of type 0x88b5. */
static struct fake_frame *
put_tagged(uint32_t port, const struct rte_ether_addr *dst, uint16_t tci)
{
	struct fake_frame *f = fake_put(port, &host[port], dst, LEN);

	set16(f->b + 12, 0x8100);
	set16(f->b + 14, tci);
	set16(f->b + 16, 0x88b5);
	return f;
}

static void
expect_untagged(uint32_t port, uint32_t i, uint32_t len)
{
	const struct fake_frame *f = &fake_ports[port].out[i];

	assert_true(i < fake_ports[port].nout);
	assert_int_equal(f->len, len);
	assert_int_equal(get16(f->b + 12), 0x88b5);
}

static void
expect_tagged(uint32_t port, uint32_t i, uint16_t tci, uint32_t len)
{
	const struct fake_frame *f = &fake_ports[port].out[i];

	assert_true(i < fake_ports[port].nout);
	assert_int_equal(f->len, len);
	assert_int_equal(get16(f->b + 12), 0x8100);
	assert_int_equal(get16(f->b + 14), tci);
	assert_int_equal(get16(f->b + 16), 0x88b5);
}

static void
expect_counts(uint32_t n0, uint32_t n1, uint32_t n2, uint32_t n3)
{
	const uint32_t n[] = {n0, n1, n2, n3};

	for (uint32_t i = 0; i < FAKE_PORTS; i++)
		assert_int_equal(fake_ports[i].nout, n[i]);
	fake_check_accounts();
}

/* --- tests --- */

static void
test_flood(void **state)
{
	usual();
	fake_put(0, &host[0], &fake_broadcast, LEN);
	fake_poll();
	expect_counts(0, 1, 0, 1);
	expect_untagged(1, 0, LEN);
	expect_tagged(3, 0, 10, LEN + 4);
	for (uint32_t i = 14; i < LEN; i++) {
		assert_int_equal(fake_ports[1].out[0].b[i], i);
		assert_int_equal(fake_ports[3].out[0].b[i + 4], i);
	}
	fake_put(2, &host[2], &fake_broadcast, LEN);
	fake_poll();
	expect_counts(0, 1, 0, 2);
	expect_untagged(3, 1, LEN);
}

static void
test_from_a_trunk(void **state)
{
	usual();
	put_tagged(3, &fake_broadcast, 0x6000 | 10); /* with a priority */
	put_tagged(3, &fake_broadcast, 20);          /* its native one may have a tag, too */
	put_tagged(3, &fake_broadcast, 0xe000);      /* only a priority: the native one */
	fake_put(3, &host[3], &fake_broadcast, LEN);
	put_tagged(3, &fake_broadcast, 21);
	put_tagged(3, &fake_broadcast, 4095);
	fake_poll();
	assert_int_equal(fake_dropped(3, DROP_RX_VLAN), 2);
	expect_counts(1, 1, 3, 0);
	expect_untagged(0, 0, LEN - 4);
	expect_untagged(2, 0, LEN - 4);
	expect_untagged(2, 1, LEN - 4);
	expect_untagged(2, 2, LEN);
	for (uint32_t i = 18; i < LEN; i++)
		assert_int_equal(fake_ports[0].out[0].b[i - 4], i);
}

/* Between trunks the tag stays, priority and all. */
static void
test_between_trunks(void **state)
{
	trunk_port(0, 0, 1, 4094);
	trunk_port(1, 5, 1, 4094);
	put_tagged(0, &fake_broadcast, 0xa000 | 4094);
	put_tagged(0, &fake_broadcast, 5);
	fake_put(0, &host[0], &fake_broadcast, LEN); /* no native VLAN */
	fake_poll();
	assert_int_equal(fake_dropped(0, DROP_RX_VLAN), 1);
	expect_counts(0, 2, 0, 0);
	expect_tagged(1, 0, 0xa000 | 4094, LEN);
	expect_untagged(1, 1, LEN - 4);
}

/* A guest on an access port gets into no other VLAN, nor does one behind a trunk by two tags. */
static void
test_no_way_in(void **state)
{
	struct fake_frame *f;

	usual();
	put_tagged(0, &fake_broadcast, 20);
	put_tagged(0, &fake_broadcast, 10);
	f = put_tagged(3, &fake_broadcast, 10);
	set16(f->b + 16, 0x8100);
	f = put_tagged(3, &fake_broadcast, 10);
	set16(f->b + 16, 0x88a8);
	f = fake_put(0, &host[0], &fake_broadcast, LEN);
	set16(f->b + 12, 0x88a8);
	f = put_tagged(3, &fake_broadcast, 10);
	f->len = 17; /* ends in its tag */
	fake_poll();
	assert_int_equal(fake_dropped(0, DROP_RX_VLAN), 3);
	assert_int_equal(fake_dropped(3, DROP_RX_VLAN), 3);
	expect_counts(0, 0, 0, 0);
	/* a priority tag on an access port says nothing about a VLAN */
	put_tagged(0, &fake_broadcast, 0x2000);
	fake_poll();
	expect_counts(0, 1, 0, 1);
	expect_untagged(1, 0, LEN - 4);
	expect_tagged(3, 0, 0x2000 | 10, LEN);
}

/* The same address in two VLANs is two addresses. */
static void
test_learns_by_vlan(void **state)
{
	usual();
	put_tagged(3, &fake_broadcast, 10);
	fake_put(2, &host[3], &fake_broadcast, LEN); /* 3's address, in VLAN 20 */
	fake_poll();
	fake_clear();
	fake_put(0, &host[0], &host[3], LEN);
	fake_poll();
	expect_counts(0, 0, 0, 1);
	expect_tagged(3, 0, 10, LEN + 4);
	fake_put(3, &host[1], &host[3], LEN); /* untagged: 20 */
	fake_poll();
	expect_counts(0, 0, 1, 1);
	/* mixed in one batch: each by its own VLAN */
	fake_clear();
	put_tagged(3, &host[0], 10);
	fake_put(3, &host[3], &host[0], LEN);
	put_tagged(3, &host[0], 10);
	fake_poll();
	expect_counts(2, 0, 1, 0);
	assert_int_equal(fake_dropped(3, DROP_RX_NO_EGRESS), 0);
}

/* Ports without settings have a world of their own, tags included. */
static void
test_others(void **state)
{
	access_port(0, 10);
	trunk_port(1, 10, 10, 10);
	put_tagged(2, &fake_broadcast, 10);
	fake_poll();
	expect_counts(0, 0, 0, 1);
	expect_tagged(3, 0, 10, LEN);
	fake_put(0, &host[0], &fake_broadcast, LEN);
	fake_poll();
	expect_counts(0, 1, 0, 1);
	/* an address pinned across the border is no way over it */
	assert_int_equal(fdb_add_static(fake_sw.fdb, &host[0], 0, 0), 0);
	fake_put(2, &host[2], &host[0], LEN);
	fake_poll();
	expect_counts(0, 1, 0, 1);
	assert_int_equal(fake_dropped(2, DROP_RX_NO_EGRESS), 1);
}

static void
test_domains(void **state)
{
	usual();
	assert_int_equal(port_set_domain(&fake_ports[1].p, 3), 0);
	fake_put(0, &host[0], &fake_broadcast, LEN);
	fake_poll();
	expect_counts(0, 0, 0, 1);
	assert_int_equal(port_set_domain(&fake_ports[1].p, VLAN_DOMAINS), -EINVAL);
	assert_int_equal(port_set_domain(&fake_ports[1].p, 0), 0);
	fake_ports[0].p.isolated = fake_ports[1].p.isolated = true;
	sw_publish(&fake_sw);
	fake_put(0, &host[0], &fake_broadcast, LEN);
	fake_poll();
	expect_counts(0, 0, 0, 2);
}

/* The offsets in the virtio-net header move with the tag. */
static void
test_offload(void **state)
{
	struct fake_frame *f;

	usual();
	f = fake_put(0, &host[0], &fake_broadcast, LEN);
	f->need = PKT_NEED_CSUM;
	f->vnet = (struct pkt_vnet){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				    .csum_start = 34,
				    .csum_offset = 16,
				    .hdr_len = 54};
	fake_poll();
	assert_int_equal(fake_ports[1].out[0].vnet.csum_start, 34);
	assert_int_equal(fake_ports[3].out[0].vnet.csum_start, 38);
	assert_int_equal(fake_ports[3].out[0].vnet.csum_offset, 16);
	assert_int_equal(fake_ports[3].out[0].vnet.hdr_len, 58);
	f = put_tagged(3, &fake_broadcast, 10);
	f->need = PKT_NEED_CSUM;
	f->vnet = fake_ports[3].out[0].vnet;
	fake_poll();
	assert_int_equal(fake_ports[0].out[0].vnet.csum_start, 34);
	assert_int_equal(fake_ports[0].out[0].vnet.hdr_len, 54);
	/* a sum of the tag itself has no meaning without it */
	f = put_tagged(3, &fake_broadcast, 10);
	f->need = PKT_NEED_CSUM;
	f->vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	f->vnet.csum_start = 16;
	fake_poll();
	assert_int_equal(fake_dropped(3, DROP_RX_VLAN), 1);
	fake_check_accounts();
}

/* Wherever the frame is cut in fragments. */
static void
test_fragments(void **state)
{
	usual();
	for (uint32_t split = 1; split < 30; split++) {
		fake_clear();
		put_tagged(3, &fake_broadcast, 10)->split = split;
		fake_put(0, &host[0], &fake_broadcast, LEN)->split = split;
		fake_poll();
		expect_counts(1, 2, 0, 1);
		expect_untagged(0, 0, LEN - 4);
		expect_tagged(3, 0, 10, LEN + 4);
		for (uint32_t i = 14; i < LEN - 4; i++) {
			assert_int_equal(fake_ports[0].out[0].b[i], i + 4);
			assert_int_equal(fake_ports[3].out[0].b[i + 4], i);
		}
	}
	/* and when there is nothing behind the header */
	fake_clear();
	fake_put(0, &host[0], &fake_broadcast, 14);
	fake_poll();
	assert_int_equal(fake_ports[3].out[0].len, 18);
}

static void
test_refused(void **state)
{
	struct vlan_config c = {.on = true, .access = true};
	uint16_t fid, domain, id;

	assert_int_equal(port_set_vlan(&fake_ports[0].p, &c), -EINVAL);
	c.native = 4095;
	assert_int_equal(port_set_vlan(&fake_ports[0].p, &c), -EINVAL);
	assert_null(fake_ports[0].p.vlans);
	assert_int_equal(vlan_fid(&fake_sw, 7, 9, &fid), 0);
	vlan_of_fid(&fake_sw, fid, &domain, &id);
	assert_int_equal(domain, 7);
	assert_int_equal(id, 9);
	/* there are numbers for fifteen full domains */
	for (uint16_t d = 0; d < 15; d++)
		for (id = 1; id <= VLAN_ID_MAX; id++)
			assert_int_equal(vlan_fid(&fake_sw, d, id, &fid), 0);
	for (id = 1; id < 100; id++)
		if (vlan_fid(&fake_sw, 100, id, &fid) != 0)
			break;
	assert_int_equal(vlan_fid(&fake_sw, 100, id, &fid), -ENOSPC);
}

/* Settings go as they came. */
static void
test_off(void **state)
{
	const struct vlan_config off = {0};

	usual();
	for (uint32_t i = 0; i < FAKE_PORTS; i++)
		assert_int_equal(port_set_vlan(&fake_ports[i].p, &off), 0);
	put_tagged(0, &fake_broadcast, 77);
	fake_poll();
	expect_counts(0, 1, 1, 1);
	expect_tagged(2, 0, 77, LEN);
}

/* Nothing is learned from a port that does not, with VLANs or without; what it had is forgotten. */
static void
test_no_learning(void **state)
{
	const struct vlan_config off = {0};

	for (uint32_t round = 0; round < 2; round++) {
		if (round == 0)
			usual();
		else
			for (uint32_t i = 0; i < FAKE_PORTS; i++)
				assert_int_equal(port_set_vlan(&fake_ports[i].p, &off), 0);
		sw_set_learning(&fake_ports[0].p, true);
		fake_put(0, &host[0], &fake_broadcast, LEN);
		fake_poll();
		assert_int_equal(fdb_port_count(fake_sw.fdb, 0), 1);
		sw_set_learning(&fake_ports[0].p, false);
		assert_int_equal(fdb_port_count(fake_sw.fdb, 0), 0);
		fake_put(0, &host[0], &fake_broadcast, LEN);
		fake_put(0, &host[0], &host[1], LEN);
		fake_poll();
		assert_int_equal(fdb_port_count(fake_sw.fdb, 0), 0);
	}
}

static void
set_qinq(uint32_t port, uint16_t type)
{
	struct vlan_config c = fake_ports[port].p.vlan;

	c.qinq = type;
	assert_int_equal(port_set_vlan(&fake_ports[port].p, &c), 0);
}

/* The tags of a frame that came out, from the outside in, and nothing behind them. */
static void
expect_tags(uint32_t port, uint32_t i, const uint32_t *tag, uint32_t n)
{
	const uint8_t *b = fake_ports[port].out[i].b + 12;

	assert_true(i < fake_ports[port].nout);
	for (uint32_t k = 0; k < n; k++, b += 4)
		assert_int_equal(get16(b) << 16 | get16(b + 2), tag[k]);
	assert_int_equal(get16(b), 0x88b5);
	assert_int_equal(fake_ports[port].out[i].len, LEN);
}

/* Customers' tags go through ports that take them, as they are, and to no other one. */
static void
test_qinq(void **state)
{
	static const uint32_t customer[] = {0x81000063}, both[] = {0x88a8000a, 0x81000063};
	struct vlan_config c = {.on = true, .access = true, .native = 10, .qinq = 0x9100};
	struct fake_frame *f;

	assert_int_equal(port_set_vlan(&fake_ports[0].p, &c), -EINVAL);
	usual();
	access_port(2, 10);
	put_tagged(0, &fake_broadcast, 99);
	fake_poll();
	expect_counts(0, 0, 0, 0);
	assert_int_equal(fake_dropped(0, DROP_RX_VLAN), 1);
	set_qinq(0, 0x88a8);
	set_qinq(1, 0x88a8);
	set_qinq(3, 0x88a8);
	put_tagged(0, &fake_broadcast, 99);
	fake_poll();
	expect_counts(0, 1, 0, 1); /* port 2 would take the tag for its own */
	expect_tags(1, 0, customer, 1);
	assert_int_equal(fake_ports[3].out[0].len, LEN + 4);
	fake_ports[3].out[0].len = LEN;
	expect_tags(3, 0, both, 2);
	fake_clear();
	f = fake_put(3, &host[3], &fake_broadcast, LEN + 4);
	for (uint32_t i = 0; i < 2; i++) {
		set16(f->b + 12 + 4 * i, both[i] >> 16);
		set16(f->b + 14 + 4 * i, both[i]);
	}
	set16(f->b + 20, 0x88b5);
	fake_poll();
	expect_counts(1, 1, 0, 0);
	expect_tags(0, 0, customer, 1);
	/* a customer's tag without one of the trunk's is in its native VLAN, where no port is */
	fake_clear();
	put_tagged(3, &fake_broadcast, 10);
	fake_poll();
	expect_counts(0, 0, 0, 0);
}

/* On a trunk's native VLAN a customer's tag must not be taken for the trunk's. */
static void
test_qinq_native(void **state)
{
	usual();
	trunk_port(3, 10, 10, 20);
	set_qinq(0, 0x8100);
	set_qinq(3, 0x8100);
	put_tagged(0, &fake_broadcast, 20);
	fake_poll();
	expect_counts(0, 0, 0, 0);
	set_qinq(3, 0x88a8);
	put_tagged(0, &fake_broadcast, 20);
	fake_poll();
	expect_counts(0, 0, 0, 1);
	expect_tags(3, 0, (const uint32_t[]){0x81000014}, 1);
}

static void
test_inject(void **state)
{
	struct rte_mbuf *m = rte_net_make_rarp_packet(pool, &host[0]);
	uint32_t len = m->pkt_len;

	usual();
	assert_true(sw_inject(&fake_sw, &fake_ports[0].p, m));
	fake_poll();
	expect_counts(0, 1, 0, 1);
	assert_int_equal(fake_ports[1].out[0].len, len);
	assert_int_equal(fake_ports[3].out[0].len, len + 4);
	assert_int_equal(get16(fake_ports[3].out[0].b + 14), 10);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, setup, fake_teardown)

static int
setup(void **state)
{
	for (uint16_t i = 0; i < FAKE_PORTS; i++)
		host[i] = fake_mac(i, 1);
	return fake_setup(state);
}

static int
start_eal(void **state)
{
	if (eal_start("0", 64) != 0)
		return -1;
	pool = fake_pool(63);
	return pool != NULL ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_flood),
		EACH(test_from_a_trunk),
		EACH(test_between_trunks),
		EACH(test_no_way_in),
		EACH(test_learns_by_vlan),
		EACH(test_others),
		EACH(test_domains),
		EACH(test_offload),
		EACH(test_fragments),
		EACH(test_refused),
		EACH(test_off),
		EACH(test_no_learning),
		EACH(test_qinq),
		EACH(test_qinq_native),
		EACH(test_inject),
	};

	return cmocka_run_group_tests(tests, start_eal, NULL);
}
