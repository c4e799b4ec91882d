/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups that a bridge does not relay (802.1Q 8.6.3): dropped for their own
 * reason, tagged or not, unless the operator lets them through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "eal.h"
#include "fakesw.h"
#include "switch/fdb_worker.h"
#include "switch/modes.h"
#include "switch/publish.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"
#include "switch/vlan_table.h"

#define GROUPS 16
#define LEN 60

static const struct rte_ether_addr from = {{2, 0, 0, 0, 0, 1}};

static struct fake_frame *
put_group(uint8_t last)
{
	const struct rte_ether_addr to = {{0x01, 0x80, 0xc2, 0x00, 0x00, last}};

	return fake_put(0, &from, &to, LEN);
}

static void
put_tagged(uint8_t last, uint16_t id)
{
	struct fake_frame *f = put_group(last);

	f->b[12] = 0x81;
	f->b[13] = 0x00;
	f->b[14] = (uint8_t)(id >> 8);
	f->b[15] = (uint8_t)id;
	f->b[16] = 0x88;
	f->b[17] = 0xcc;
}

/* The groups that have reached port 1 since the last call, by bit. */
static uint32_t
arrived(void)
{
	uint32_t mask = 0;

	fake_poll();
	for (uint32_t i = 0; i < fake_ports[1].nout; i++)
		mask |= 1u << fake_ports[1].out[i].b[5];
	fake_clear();
	fake_check_accounts();
	return mask;
}

static uint32_t
relayed(void)
{
	for (uint8_t i = 0; i < GROUPS; i++)
		put_group(i);
	return arrived();
}

static void
test_not_relayed(void **state)
{
	fdb_key key = fdb_key_make(&from, 0);
	uint16_t port;

	assert_int_equal(relayed(), 0);
	assert_int_equal(fake_dropped(0, DROP_RX_RESERVED), GROUPS);
	fdb_lookup(fake_sw.fdb, &key, 1, &port);
	assert_int_equal(port, 0);
}

static void
test_neighbours_are(void **state)
{
	static const uint8_t others[][6] = {
		{0x01, 0x80, 0xc2, 0x00, 0x00, 0x10}, {0x01, 0x80, 0xc2, 0x00, 0x00, 0x21},
		{0x01, 0x80, 0xc2, 0x00, 0x01, 0x00}, {0x01, 0x80, 0xc2, 0x01, 0x00, 0x0e},
		{0x01, 0x80, 0xc3, 0x00, 0x00, 0x0e}, {0x03, 0x80, 0xc2, 0x00, 0x00, 0x0e},
	};

	for (uint32_t i = 0; i < RTE_DIM(others); i++)
		fake_put(0, &from, (const struct rte_ether_addr *)others[i], LEN);
	fake_poll();
	assert_int_equal(fake_ports[1].nout, RTE_DIM(others));
	assert_int_equal(fake_dropped(0, DROP_RX_RESERVED), 0);
}

static void
test_tagged(void **state)
{
	for (uint8_t i = 0; i < GROUPS; i++)
		put_tagged(i, 10);
	assert_int_equal(arrived(), 0);
	assert_int_equal(fake_dropped(0, DROP_RX_RESERVED), GROUPS);
}

static void
test_vlans(void **state)
{
	struct vlan_config trunk = {.on = true, .native = 1};

	vlan_allow(&trunk, 10);
	assert_int_equal(port_set_vlan(&fake_ports[0].p, &trunk), 0);
	assert_int_equal(port_set_vlan(&fake_ports[1].p, &trunk), 0);
	for (uint8_t i = 0; i < GROUPS; i++)
		put_tagged(i, 10);
	assert_int_equal(arrived(), 0);
	assert_int_equal(relayed(), 0);
	assert_int_equal(fake_dropped(0, DROP_RX_RESERVED), 2 * GROUPS);
	assert_int_equal(sw_set_group_fwd(&fake_sw, NULL, 1u << 14), 0);
	assert_int_equal(relayed(), 1u << 14);
}

/* At once, although what was decided before is remembered. */
static void
test_mask(void **state)
{
	assert_int_equal(relayed(), 0);
	assert_int_equal(sw_set_group_fwd(&fake_sw, &fake_ports[0].p, 1u << 14), 0);
	assert_int_equal(relayed(), 1u << 14);
	assert_int_equal(sw_set_group_fwd(&fake_sw, NULL, 1u << 2), 0);
	assert_int_equal(relayed(), 1u << 14 | 1u << 2);
	assert_int_equal(sw_set_group_fwd(&fake_sw, &fake_ports[0].p, 0), 0);
	assert_int_equal(relayed(), 1u << 2);
	assert_int_equal(sw_set_group_fwd(&fake_sw, NULL, SW_GROUP_FWD_MAX), 0);
	assert_int_equal(relayed(), SW_GROUP_FWD_MAX);
	assert_int_equal(sw_set_group_fwd(&fake_sw, NULL, 0), 0);
	assert_int_equal(relayed(), 0);
}

static void
test_mask_of_another_port(void **state)
{
	assert_int_equal(sw_set_group_fwd(&fake_sw, &fake_ports[1].p, SW_GROUP_FWD_MAX), 0);
	assert_int_equal(relayed(), 0);
}

static void
test_refused(void **state)
{
	assert_int_equal(sw_set_group_fwd(&fake_sw, NULL, 2), -EINVAL);
	assert_int_equal(sw_set_group_fwd(&fake_sw, NULL, 0xffff), -EINVAL);
	assert_int_equal(sw_set_group_fwd(&fake_sw, &fake_ports[0].p, 0x10000), -EINVAL);
	assert_int_equal(sw_set_group_fwd(&fake_sw, NULL, UINT64_MAX), -EINVAL);
}

/* The other modes are wires. */
static void
test_wire(void **state)
{
	fake_sw.mode = fwd_mode_by_name("io");
	sw_publish(&fake_sw);
	assert_int_equal(relayed(), 0xffff);
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, fake_setup, fake_teardown)

static int
start_eal(void **state)
{
	return eal_start("0", 64);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_not_relayed), EACH(test_neighbours_are), EACH(test_tagged),
		EACH(test_vlans),       EACH(test_mask),           EACH(test_mask_of_another_port),
		EACH(test_refused),     EACH(test_wire),
	};

	return cmocka_run_group_tests(tests, start_eal, NULL);
}
