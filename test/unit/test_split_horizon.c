/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two kinds of isolation: ports set so by the operator, and ends of tunnels. Each exchanges nothing
 * with its own kind and everything with the other, in VLANs and without.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "eal.h"
#include "fakesw.h"
#include "switch/publish.h"
#include "switch/vlan_table.h"
#include "switch/why.h"

#define LEN 100

/* Ports 0 and 1 are tunnels, 2 is isolated, 3 is neither. */
static void
set_kinds(void)
{
	fake_ports[0].p.tunnel = fake_ports[1].p.tunnel = true;
	fake_ports[2].p.isolated = true;
	sw_publish(&fake_sw);
}

/* Ports, by bit, that a frame of @p from to @p to came out of. */
static uint32_t
reached(uint32_t from, const struct rte_ether_addr *to)
{
	struct rte_ether_addr src = fake_mac(from, 0);
	uint32_t mask = 0;

	fake_clear();
	fake_put(from, &src, to, LEN);
	fake_poll();
	for (uint32_t i = 0; i < FAKE_PORTS; i++) {
		assert_true(fake_ports[i].nout <= 1);
		mask |= fake_ports[i].nout << i;
	}
	fake_check_accounts();
	return mask;
}

static void
check_all(void)
{
	static const uint32_t flooded[FAKE_PORTS] = {0xc, 0xc, 0xb, 0x7};

	for (uint32_t from = 0; from < FAKE_PORTS; from++)
		assert_int_equal(reached(from, &fake_broadcast), flooded[from]);
	for (uint32_t from = 0; from < FAKE_PORTS; from++) {
		for (uint32_t to = 0; to < FAKE_PORTS; to++) {
			struct rte_ether_addr dst = fake_mac(to, 0);

			if (from != to)
				assert_int_equal(reached(from, &dst), flooded[from] & 1u << to);
		}
	}
}

static void
test_plain(void **state)
{
	set_kinds();
	check_all();
}

static void
test_vlan(void **state)
{
	struct vlan_config access = {.on = true, .access = true, .native = 7};

	for (uint32_t i = 0; i < FAKE_PORTS; i++)
		assert_int_equal(port_set_vlan(&fake_ports[i].p, &access), 0);
	set_kinds();
	check_all();
}

static void
test_both(void **state)
{
	fake_ports[0].p.tunnel = fake_ports[0].p.isolated = true;
	fake_ports[1].p.tunnel = true;
	fake_ports[2].p.isolated = true;
	sw_publish(&fake_sw);
	assert_int_equal(reached(0, &fake_broadcast), 0x8);
}

static void
test_why(void **state)
{
	char buf[128];

	set_kinds();
	assert_null(sw_why(&fake_sw, &fake_ports[0].p, buf, sizeof(buf)));
	fake_ports[2].p.started = fake_ports[3].p.started = false;
	sw_publish(&fake_sw);
	assert_non_null(sw_why(&fake_sw, &fake_ports[0].p, buf, sizeof(buf)));
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
		EACH(test_plain),
		EACH(test_vlan),
		EACH(test_both),
		EACH(test_why),
	};

	return cmocka_run_group_tests(tests, start_eal, NULL);
}
