/* SPDX-License-Identifier: BSD-3-Clause */
/* Why a port passes no traffic: the reasons one by one, the nearest to the cause first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "eal.h"
#include "switch/modes.h"
#include "switch/port.h"
#include "switch/publish.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"
#include "switch/vlan_table.h"
#include "switch/why.h"

#define PORTS 3

struct fakeport {
	struct port p;
	struct pktq rx, tx;
	const char *why;
};

static struct sw sw;
static struct fakeport ports[PORTS];
static char buf[200];

static const struct pktq_ops fake_ops;

static void
fake_queues(struct port *p, struct port_queues *out)
{
	struct fakeport *f = (struct fakeport *)p;

	if (f->why != NULL)
		return;
	out->discard[0] = false;
	out->rx[out->nrx++] = &f->rx;
	out->tx[out->ntx++] = &f->tx;
}

static const char *
fake_why(const struct port *p, char *text, size_t len)
{
	return ((const struct fakeport *)p)->why;
}

static void
fake_close(struct port *p)
{
}

static const struct port_ops fake_port_ops = {
	.kind = "fake",
	.queues = fake_queues,
	.why = fake_why,
	.close = fake_close,
};

static int
setup(void **state)
{
	const struct fdb_config cfg = {.limit = 100};

	if (sw_init(&sw, 1, &cfg, NULL, NULL) != 0)
		return -1;
	memset(ports, 0, sizeof(ports));
	for (uint16_t i = 0; i < PORTS; i++) {
		ports[i].p.ops = &fake_port_ops;
		snprintf(ports[i].p.name, sizeof(ports[i].p.name), "fake%u", i);
		ports[i].rx.event_fd = ports[i].tx.event_fd = -1;
		atomic_init(&ports[i].rx.ops, &fake_ops);
		atomic_init(&ports[i].tx.ops, &fake_ops);
		if (sw_port_add(&sw, &ports[i].p) != 0)
			return -1;
	}
	sw_start(&sw, true);
	return 0;
}

static int
teardown(void **state)
{
	sw_fini(&sw);
	return 0;
}

/* The answer for port 0 once all have been told. */
static const char *
why(void)
{
	sw_publish(&sw);
	return sw_why(&sw, &ports[0].p, buf, sizeof(buf));
}

static void
test_nothing(void **state)
{
	assert_null(why());
	ports[1].why = "one of two others is enough";
	assert_null(why());
}

/* Each reason hides those that were there before it. */
static void
test_order(void **state)
{
	ports[1].why = ports[2].why = "away";
	assert_non_null(strstr(why(), "no other port can exchange frames"));
	sw_start(&sw, false);
	assert_non_null(strstr(why(), "forwarding is stopped"));
	ports[0].why = "its own reason";
	assert_string_equal(why(), "its own reason");
	sw_list_ports(&sw, (const uint16_t[]){1}, 1);
	assert_non_null(strstr(why(), "set portlist"));
	ports[0].p.started = false;
	assert_non_null(strstr(why(), "port start"));
}

static void
test_nobody_in_reach(void **state)
{
	ports[1].p.domain = 1;
	assert_null(why());
	ports[0].p.isolated = ports[2].p.isolated = true;
	assert_non_null(strstr(why(), "isolated"));
	ports[2].p.isolated = false;
	assert_null(why());
}

static void
set_vlan(uint16_t port, uint16_t access, uint16_t trunk)
{
	struct vlan_config c = {.on = true, .access = access != 0, .native = access};

	if (trunk != 0)
		vlan_allow(&c, trunk);
	assert_int_equal(port_set_vlan(&ports[port].p, &c), 0);
}

/* A VLAN is one of a domain, and a port without any is in none of them. */
static void
test_vlans(void **state)
{
	ports[2].why = "away";
	set_vlan(0, 10, 0);
	assert_non_null(strstr(why(), "one of its VLANs"));
	assert_non_null(strstr(sw_why(&sw, &ports[1].p, buf, sizeof(buf)), "have VLANs"));
	set_vlan(1, 0, 20);
	assert_non_null(strstr(why(), "one of its VLANs"));
	set_vlan(1, 0, 10);
	assert_null(why());
	assert_null(sw_why(&sw, &ports[1].p, buf, sizeof(buf)));
	assert_int_equal(port_set_domain(&ports[1].p, 3), 0);
	assert_non_null(strstr(why(), "one of its VLANs"));
	ports[2].why = NULL;
	set_vlan(2, 10, 0);
	assert_null(why());
	ports[0].p.isolated = ports[2].p.isolated = true;
	assert_non_null(strstr(why(), "isolated"));
}

/* A wire has one other end: port 1 of port 0, and port 2 is its own. */
static void
test_peer(void **state)
{
	sw.mode = fwd_mode_by_name("io");
	assert_null(why());
	ports[1].why = "away";
	assert_non_null(strstr(why(), "port 1, where its frames go"));
	assert_null(sw_why(&sw, &ports[2].p, buf, sizeof(buf)));
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

static int
start_eal(void **state)
{
	return eal_start("0", 128);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {T(nothing), T(order), T(nobody_in_reach), T(vlans),
					   T(peer)};

	return cmocka_run_group_tests(tests, start_eal, NULL);
}
