/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Joined ports: whatever comes in at one goes out at the other, in each mode, and no third port has
 * a part in it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "eal.h"
#include "fakesw.h"
#include "switch/fdb.h"
#include "switch/join.h"
#include "switch/modes.h"
#include "switch/port_kind.h"
#include "switch/publish.h"
#include "switch/why.h"

#define LEN 100
#define GUEST 0
#define DEVICE 1

static struct port_ops guest_ops, device_ops;
static struct fake_port *target[FAKE_PORTS]; /* of ports with guest_ops; NULL: not there */

static bool
joins(const struct port *p, const struct port **with)
{
	*with = target[p->id] != NULL ? &target[p->id]->p : NULL;
	return true;
}

static void
make_guest(uint32_t port, struct fake_port *to)
{
	guest_ops.joins = joins;
	target[port] = to;
	fake_ports[port].p.ops = &guest_ops;
}

static int
setup(void **state)
{
	int ret = fake_setup(state);

	guest_ops = device_ops = *fake_ports[0].p.ops;
	device_ops.joinable = true;
	fake_ports[DEVICE].p.ops = &device_ops;
	memset(target, 0, sizeof(target));
	return ret;
}

static void
join_two(void)
{
	make_guest(GUEST, &fake_ports[DEVICE]);
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
	for (uint32_t i = 0; i < FAKE_PORTS; i++)
		mask |= (fake_ports[i].nout != 0) << i;
	fake_check_accounts();
	return mask;
}

static void
test_alone(void **state)
{
	const struct rte_ether_addr guest = fake_mac(GUEST, 0), other = fake_mac(2, 0);

	join_two();
	for (int i = 0; i < 2; i++) { /* no address is learned */
		assert_int_equal(reached(GUEST, &fake_broadcast), 1u << DEVICE);
		assert_int_equal(reached(DEVICE, &fake_broadcast), 1u << GUEST);
		assert_int_equal(reached(2, &fake_broadcast), 1u << 3);
		assert_int_equal(reached(2, &guest), 1u << 3);
		assert_int_equal(reached(GUEST, &other), 1u << DEVICE);
	}
	assert_int_equal(fdb_port_count(fake_sw.fdb, GUEST), 0);
}

static void
test_address_of_before(void **state)
{
	const struct rte_ether_addr device = fake_mac(DEVICE, 0);

	assert_int_equal(reached(DEVICE, &fake_broadcast), 0xd);
	assert_int_equal(reached(2, &device), 1u << DEVICE);
	join_two();
	assert_int_equal(reached(2, &device), 1u << 3);
}

static void
test_static_address(void **state)
{
	const struct rte_ether_addr there = fake_mac(DEVICE, 5);

	assert_int_equal(fdb_add_static(fake_sw.fdb, &there, 0, DEVICE), 0);
	join_two();
	assert_int_equal(reached(2, &there), 0);
	assert_int_equal(fake_dropped(2, DROP_RX_NO_EGRESS), 1);
}

static void
test_modes(void **state)
{
	join_two();
	for (const struct fwd_mode *m = fwd_modes; m->name != NULL; m++) {
		fake_sw.mode = m;
		sw_publish(&fake_sw);
		assert_int_equal(reached(GUEST, &fake_broadcast) & 0x3, 1u << DEVICE);
		assert_int_equal(fake_ports[DEVICE].nout, 1);
		assert_int_equal(reached(DEVICE, &fake_broadcast) & 0x3, 1u << GUEST);
		assert_int_equal(fake_ports[GUEST].nout, 1);
	}
}

/* The others pair without them, whatever their numbers. */
static void
test_pairs(void **state)
{
	make_guest(2, &fake_ports[DEVICE]);
	fake_sw.mode = fwd_mode_by_name("io");
	sw_publish(&fake_sw);
	assert_int_equal(reached(0, &fake_broadcast), 1u << 3);
	assert_int_equal(reached(3, &fake_broadcast), 1u << 0);
	assert_int_equal(reached(2, &fake_broadcast), 1u << DEVICE);
	fake_sw.topology = SW_CHAINED;
	sw_publish(&fake_sw);
	assert_int_equal(reached(3, &fake_broadcast), 1u << 0);
}

static void
test_nobody_there(void **state)
{
	char buf[256];

	make_guest(GUEST, NULL);
	sw_publish(&fake_sw);
	assert_int_equal(reached(GUEST, &fake_broadcast), 0);
	assert_int_equal(fake_dropped(GUEST, DROP_RX_NO_EGRESS), 1);
	assert_int_equal(reached(2, &fake_broadcast), 0xa);
	assert_string_equal(sw_why(&fake_sw, &fake_ports[GUEST].p, buf, sizeof(buf)),
			    "the port it is joined to is not there");
}

/* A port that has no device of its own cannot be joined. */
static void
test_no_device(void **state)
{
	make_guest(GUEST, &fake_ports[2]);
	sw_publish(&fake_sw);
	assert_int_equal(reached(GUEST, &fake_broadcast), 0);
	assert_int_equal(reached(2, &fake_broadcast), 0xa);
}

static void
test_two_guests(void **state)
{
	join_two();
	make_guest(3, &fake_ports[DEVICE]);
	sw_publish(&fake_sw);
	assert_int_equal(reached(3, &fake_broadcast), 0);
	assert_int_equal(reached(DEVICE, &fake_broadcast), 1u << GUEST);
	make_guest(GUEST, NULL);
	sw_publish(&fake_sw);
	assert_int_equal(reached(3, &fake_broadcast), 1u << DEVICE);
	assert_int_equal(reached(DEVICE, &fake_broadcast), 1u << 3);
}

static void
test_device_stopped(void **state)
{
	char buf[256];

	join_two();
	fake_ports[DEVICE].p.started = false;
	sw_publish(&fake_sw);
	assert_int_equal(reached(GUEST, &fake_broadcast), 0);
	assert_int_equal(fake_dropped(GUEST, DROP_RX_NO_EGRESS), 1);
	assert_non_null(strstr(sw_why(&fake_sw, &fake_ports[GUEST].p, buf, sizeof(buf)),
			       "with which alone it exchanges frames, is not up"));
}

static void
test_cost(void **state)
{
	struct port_detail d[PORT_DETAILS_MAX];
	struct join_cost c;

	join_two();
	for (uint32_t i = 0; i < 3; i++)
		reached(GUEST, &fake_broadcast);
	join_get_cost(&fake_ports[GUEST].p, &c);
	assert_int_equal(c.frames, 3);
	assert_true(c.cycles != 0);
	join_get_cost(&fake_ports[DEVICE].p, &c);
	assert_int_equal(c.frames, 0);
	assert_int_equal(join_details(&fake_ports[GUEST].p, d), 3);
	assert_string_equal(d[0].text, fake_ports[DEVICE].p.name);
	assert_int_equal(join_details(&fake_ports[2].p, d), 0);
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, setup, fake_teardown)

static int
start_eal(void **state)
{
	return eal_start("0", 64);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_alone),          EACH(test_address_of_before),
		EACH(test_static_address), EACH(test_modes),
		EACH(test_pairs),          EACH(test_nobody_there),
		EACH(test_no_device),      EACH(test_two_guests),
		EACH(test_device_stopped), EACH(test_cost),
	};

	return cmocka_run_group_tests(tests, start_eal, NULL);
}
