/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Members of FIDs: flooding looks at them only, however many ports there are, and a frame reaches
 * the ports that the rule lets it go to, each once, flooded or not, in one iteration or in many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "eal.h"
#include "switch/members.h"
#include "switch/poll.h"
#include "switch/port.h"
#include "switch/publish.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"
#include "switch/vlan_table.h"

#define PORTS 1000
#define LEN 64
#define FEW 24 /* ports of random settings */

struct fake {
	struct port p;
	struct pktq rx, tx;
	uint8_t frame[LEN];
	bool has; /* a frame waits */
	uint32_t got;
};

static struct rte_mempool *pool;
static struct sw sw;
static struct worker *worker;
static struct fake *ports;
static const struct rte_ether_addr all = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

/* --- ports --- */

static uint16_t
fake_rx(struct pktq *q, struct pkt_batch *b)
{
	struct fake *f = &ports[q->port];

	b->n = b->ndone = b->nsegs = 0;
	if (!f->has)
		return 0;
	b->pkt[0] = (struct pkt){.data = f->frame,
				 .data_len = LEN,
				 .len = LEN,
				 .segs = b->segs,
				 .nsegs = 1};
	memcpy(b->pkt[0].eth_bytes, f->frame, RTE_ETHER_HDR_LEN);
	pktq_count(&q->stats, &b->pkt[0]);
	b->n = b->ndone = 1;
	return 1;
}

static void
fake_rx_done(struct pktq *q, struct pkt_batch *b)
{
	if (b->ndone != 0)
		ports[q->port].has = false;
	b->ndone = 0;
}

static uint16_t
fake_tx(struct pktq *q, struct pkt *const *pkts, uint16_t n)
{
	ports[q->port].got += n;
	counter_add(&q->stats.offered, n);
	for (uint16_t i = 0; i < n; i++)
		pktq_count(&q->stats, pkts[i]);
	return n;
}

static const struct pktq_ops queue_ops = {.rx = fake_rx, .rx_done = fake_rx_done, .tx = fake_tx};

static uint32_t asked; /* ports that were asked for their queues */

static void
fake_queues(struct port *p, struct port_queues *out)
{
	asked++;
	struct fake *f = &ports[p->id];

	out->discard[0] = false;
	out->rx[out->nrx++] = &f->rx;
	out->tx[out->ntx++] = &f->tx;
}

static bool
fake_stats(const struct port *p, bool tx, uint16_t index, struct pktq_stats *out)
{
	const struct fake *f = &ports[p->id];

	return port_read_queue(index > 0 ? NULL : tx ? &f->tx : &f->rx, out);
}

static void
fake_close(struct port *p)
{
}

static const struct port_ops port_ops = {.kind = "fake",
					 .queues = fake_queues,
					 .stats = fake_stats,
					 .close = fake_close};

static void
init_queue(struct pktq *q, uint16_t port)
{
	q->port = port;
	q->event_fd = -1;
	atomic_init(&q->ops, &queue_ops);
}

static int
setup(void **state)
{
	const struct fdb_config cfg = {.limit = 4 * PORTS};

	ports = aligned_alloc(RTE_CACHE_LINE_SIZE, PORTS * sizeof(*ports));
	worker = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*worker));
	memset(ports, 0, PORTS * sizeof(*ports));
	memset(worker, 0, sizeof(*worker));
	if (sw_init(&sw, 1, &cfg, pool, NULL) != 0)
		return -1;
	worker->ctl = &sw.dp;
	worker->mp = pool;
	for (uint16_t i = 0; i < PORTS; i++) {
		ports[i].p.ops = &port_ops;
		snprintf(ports[i].p.name, sizeof(ports[i].p.name), "p%u", i);
		init_queue(&ports[i].rx, i);
		init_queue(&ports[i].tx, i);
		if (sw_port_add(&sw, &ports[i].p) != 0)
			return -1;
	}
	sw_start(&sw, true);
	return 0;
}

static int
teardown(void **state)
{
	asked = 0;
	sw_fini(&sw);
	free(worker);
	free(ports);
	/* ports go at once, not one by one with those that are left published each time */
	return asked <= PORTS ? 0 : -1;
}

/* --- frames --- */

static void
poll_all(void)
{
	dp_online(&sw.dp, 0);
	worker_poll(worker, dp_live(&sw.dp));
	dp_offline(&sw.dp, 0);
}

/* Send a frame from port @p from, in VLAN @p vlan with a tag; 0: without. */
static void
put(uint16_t from, const struct rte_ether_addr *to, uint16_t vlan)
{
	uint8_t *b = ports[from].frame;

	memset(b, 0, LEN);
	memcpy(b, to, sizeof(*to));
	b[6] = 2;
	b[10] = (uint8_t)(from >> 8);
	b[11] = (uint8_t)from;
	if (vlan != 0)
		memcpy(b + 12, (const uint8_t[]){0x81, 0, (uint8_t)(vlan >> 8), (uint8_t)vlan}, 4);
	ports[from].has = true;
	for (uint16_t i = 0; i < PORTS; i++)
		ports[i].got = 0;
	worker->flood_looks = 0;
}

/* Until the frame of @p from is on its way to all. */
static void
deliver(uint16_t from)
{
	do
		poll_all();
	while (ports[from].has || worker->rests.n != 0);
}

static uint32_t
sum_of_got(void)
{
	uint32_t n = 0;

	for (uint16_t i = 0; i < PORTS; i++)
		n += ports[i].got;
	return n;
}

/* A broadcast of @p from looks at @p looks ports and goes to @p n. */
static void
expect(uint16_t from, uint16_t vlan, uint32_t n, uint32_t looks)
{
	worker->flood_budget = 1u << 30;
	put(from, &all, vlan);
	deliver(from);
	assert_int_equal(sum_of_got(), n);
	assert_int_equal(worker->flood_looks, looks);
}

static void
access_port(uint16_t port, uint16_t id)
{
	const struct vlan_config c = {.on = true, .access = true, .native = id};

	assert_int_equal(port_set_vlan(&ports[port].p, &c), 0);
}

/* --- looks --- */

static void
domain_of_two(void **state)
{
	ports[3].p.domain = ports[997].p.domain = 7;
	sw_publish(&sw);
	expect(3, 0, 1, 2);
	assert_int_equal(ports[997].got, 1);
	expect(0, 0, PORTS - 3, PORTS - 2);
}

static void
vlan_of_two(void **state)
{
	const struct vlan_config trunk = {.on = true, .allowed = {1u << 10}};

	for (uint16_t i = 0; i < PORTS; i++)
		access_port(i, i == 5 || i == 800 ? 10 : 11);
	expect(5, 0, 1, 2);
	assert_int_equal(ports[800].got, 1);
	assert_int_equal(port_set_vlan(&ports[900].p, &trunk), 0);
	expect(5, 0, 2, 3);
	expect(900, 10, 2, 3);
}

/* All are isolated but one: the others are not looked at. */
static void
isolated(void **state)
{
	for (uint16_t i = 1; i < PORTS; i++)
		ports[i].p.isolated = i % 2 == 0;
	for (uint16_t i = 1; i < PORTS; i++)
		ports[i].p.tunnel = i % 2 != 0;
	sw_publish(&sw);
	expect(2, 0, 1 + PORTS / 2, 1 + PORTS / 2);
	expect(3, 0, PORTS / 2, PORTS / 2);
	expect(0, 0, PORTS - 1, PORTS);
	for (uint16_t i = 1; i < PORTS; i++)
		ports[i].p.tunnel = ports[i].p.isolated = true;
	sw_publish(&sw);
	expect(2, 0, 1, 1);
}

static void
stopped(void **state)
{
	for (uint16_t i = 2; i < PORTS; i++)
		ports[i].p.started = false;
	sw_publish(&sw);
	expect(0, 0, 1, 2);
}

/* A thousand trunks of the same VLANs are one group with one table. */
static void
equal_trunks(void **state)
{
	struct vlan_config c = {.on = true, .native = 1};

	memset(c.allowed, 0xff, sizeof(c.allowed));
	for (uint16_t i = 0; i < PORTS; i++)
		assert_int_equal(port_set_vlan(&ports[i].p, &c), 0);
	assert_ptr_equal(ports[0].p.vlans, ports[PORTS - 1].p.vlans);
	assert_int_equal(dp_members_of(dp_live(&sw.dp), ports[0].p.vlans->fid[4094])->ngroups, 1);
	expect(1, 4094, PORTS - 1, PORTS);
	/* one leaves, and the table stays with the others */
	access_port(0, 4094);
	expect(1, 4094, PORTS - 1, PORTS);
	assert_int_equal(ports[1].p.vlans->nports, PORTS - 1);
	assert_int_equal(port_set_domain(&ports[1].p, 9), 0);
	expect(1, 4094, 0, 1);
}

/* A thousand trunks no two of which have the same VLANs: each VLAN is in a thousand groups. */
static void
distinct_trunks(void **state)
{
	struct vlan_config c = {.on = true};
	uint64_t start;

	for (uint16_t i = 0; i < PORTS; i++) {
		memset(c.allowed, 0xff, sizeof(c.allowed));
		c.allowed[i / 64] &= ~(UINT64_C(1) << i % 64);
		ports[i].p.started = false; /* one publication with all is enough */
		assert_int_equal(port_set_vlan(&ports[i].p, &c), 0);
	}
	for (uint16_t i = 0; i < PORTS; i++)
		ports[i].p.started = true;
	start = rte_rdtsc();
	sw_publish(&sw);
	print_message("a publication takes %.1f ms\n",
		      (double)(rte_rdtsc() - start) * 1e3 / (double)rte_get_tsc_hz());
	assert_int_equal(dp_members_of(dp_live(&sw.dp), ports[0].p.vlans->fid[4094])->ngroups,
			 PORTS);
	expect(1, 4094, PORTS - 1, PORTS);
	expect(1, 2, PORTS - 2, PORTS - 1);
}

/* As the program does at its end. */
static void
all_leave(void **state)
{
	uint64_t generation;

	sw_leave_all(&sw);
	generation = sw.generation;
	asked = 0;
	for (uint16_t i = 0; i < PORTS; i++)
		sw_port_remove(&sw, &ports[i].p);
	assert_int_equal(sw.generation, generation);
	assert_int_equal(sw.nports, 0);
	assert_int_equal(asked, 0);
}

/* --- the rule, against one of its own --- */

static bool
has_vlan(const struct port *p, uint16_t vlan)
{
	return p->vlan.on &&
	       (p->vlan.native == vlan || (!p->vlan.access && vlan_is_allowed(&p->vlan, vlan)));
}

static bool
may_go(const struct port *in, const struct port *out, uint16_t vlan)
{
	if (in == out || !out->started || in->domain != out->domain)
		return false;
	if ((in->isolated && out->isolated) || (in->tunnel && out->tunnel))
		return false;
	return vlan != 0 ? has_vlan(out, vlan) : !out->vlan.on;
}

static void
set_randomly(struct port *p)
{
	struct vlan_config c = {.on = random() % 3 > 0, .access = random() % 2 > 0};

	c.native = (uint16_t)(1 + random() % 3);
	for (uint16_t id = 1; id <= 3 && !c.access; id++)
		if (random() % 2 > 0)
			vlan_allow(&c, id);
	assert_int_equal(port_set_vlan(p, &c), 0);
	assert_int_equal(port_set_domain(p, (uint16_t)(random() % 2)), 0);
	p->isolated = random() % 3 == 0;
	p->tunnel = random() % 3 == 0;
	p->started = random() % 8 > 0;
}

/* The frame of port @p from in @p vlan has come to those it may go to. */
static void
check_receivers(uint16_t from, uint16_t vlan, uint16_t to)
{
	for (uint16_t i = 0; i < FEW; i++)
		assert_int_equal(ports[i].got, (to == i || to == PORTS) &&
						       may_go(&ports[from].p, &ports[i].p, vlan));
	assert_int_equal(ports[from].rx.stats.frames,
			 ports[from].rx.stats.offered - ports[from].rx.stats.replicated +
				 ports[from].rx.stats.drop[DROP_RX_NO_EGRESS] +
				 ports[from].rx.stats.drop[DROP_RX_SAME_PORT]);
}

static void
check_from(uint16_t from, uint16_t vlan)
{
	bool untagged = vlan == ports[from].p.vlan.native || vlan == 0;
	uint16_t fid, to = (uint16_t)(random() % FEW);
	struct rte_ether_addr mac = {{2, 9, 0, 0, 0, (uint8_t)to}};

	put(from, &all, untagged ? 0 : vlan);
	deliver(from);
	check_receivers(from, vlan, PORTS);
	assert_int_equal(vlan_fid(&sw, ports[from].p.domain, vlan, &fid), 0);
	assert_int_equal(fdb_add_static(sw.fdb, &mac, fid, to), 0);
	put(from, &mac, untagged ? 0 : vlan);
	deliver(from);
	check_receivers(from, vlan, to);
}

static void
random_settings(void **state)
{
	srandom(1);
	for (uint16_t i = FEW; i < PORTS; i++)
		ports[i].p.started = false;
	for (uint32_t round = 0; round < 40; round++) {
		for (uint16_t i = 0; i < FEW; i++)
			set_randomly(&ports[i].p);
		sw_publish(&sw);
		worker->flood_budget = round % 2 == 0 ? 1u << 30 : 1; /* all at once, one by one */
		for (uint16_t i = 0; i < FEW; i++) {
			const struct port *p = &ports[i].p;

			if (!p->started)
				continue;
			for (uint16_t vlan = 1; vlan <= 3 && p->vlan.on; vlan++)
				if (has_vlan(p, vlan))
					check_from(i, vlan);
			if (!p->vlan.on)
				check_from(i, 0);
		}
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static int
start_eal(void **state)
{
	if (eal_start("0", 64) != 0)
		return -1;
	pool = rte_pktmbuf_pool_create("pool", 63, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	return pool != NULL ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(domain_of_two), T(vlan_of_two),     T(isolated),  T(stopped),
		T(equal_trunks),  T(distinct_trunks), T(all_leave), T(random_settings),
	};

	return cmocka_run_group_tests(tests, start_eal, NULL);
}
