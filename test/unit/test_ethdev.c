/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ethdev ports behind a running switch: ring devices whose other ends the test
 * holds, a port that stands for a guest, and devices that come and go. Every
 * test ends with all mbufs back in their pool and the accounts even.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "base/ev.h"
#include "eal.h"
#include "ethdev/ethdev.h"
#include "frame.h"
#include "pkt/copy.h"
#include "switch/poll.h"
#include "switch/port_kind.h"
#include "switch/publish.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"

#define WIRES 3
#define RING_SIZE 128 /* one less fits */
#define GUEST_FRAMES 256

/** The far end of a ring device. */
struct wire {
	struct rte_ring *in[2]; /* what we put here the device receives, by queue */
	struct rte_ring *out[2];
	uint16_t dev;
	struct port *port;
};

/** A port whose frames are not mbufs. */
struct guest {
	struct port port;
	struct pktq rx, tx;
	struct view *send[GUEST_FRAMES]; /* what its driver has for us */
	uint16_t nsend;
	uint8_t *got[GUEST_FRAMES]; /* what it received */
	uint32_t got_len[GUEST_FRAMES];
	uint16_t ngot;
};

static struct rte_mempool *mp;
static struct ev_loop *loop;
static struct sw sw;
static struct worker *w;
static struct wire wire[WIRES];
static struct guest guest;
static unsigned int avail; /* mbufs in the pool before the test */

/* --- the guest --- */

static uint16_t
guest_rx(struct pktq *q, struct pkt_batch *b)
{
	b->n = 0;
	b->nsegs = 0;
	for (uint16_t i = 0; i < RTE_MIN(guest.nsend, b->max); i++) {
		struct pkt *p = &b->pkt[b->n++];

		*p = guest.send[i]->p;
		pktq_count(&q->stats, p);
	}
	b->ndone = b->n;
	return b->n;
}

static void
guest_rx_done(struct pktq *q, struct pkt_batch *b)
{
	for (uint16_t i = 0; i < b->ndone; i++) {
		view_free(guest.send[i]);
		free(guest.send[i]);
	}
	guest.nsend -= b->ndone;
	memmove(guest.send, guest.send + b->ndone, guest.nsend * sizeof(guest.send[0]));
}

static uint16_t
guest_tx(struct pktq *q, struct pkt *const *pkts, uint16_t n)
{
	q->stats.offered += n;
	for (uint16_t i = 0; i < n; i++) {
		uint8_t *b = malloc(pkts[i]->len);

		pkt_copy(pkts[i], b);
		guest.got[guest.ngot] = b;
		guest.got_len[guest.ngot++] = pkts[i]->len;
		pktq_count(&q->stats, pkts[i]);
	}
	return n;
}

static const struct pktq_ops guest_rx_ops = {.rx = guest_rx, .rx_done = guest_rx_done};
static const struct pktq_ops guest_tx_ops = {.tx = guest_tx};

static void
guest_queues(struct port *p, struct port_queues *out)
{
	out->nrx = 1;
	out->ntx = 1;
	out->rx[0] = &guest.rx;
	out->tx[0] = &guest.tx;
	out->discard[0] = false;
}

static const struct pktq *
guest_queue(const struct port *p, bool tx, uint16_t index)
{
	return index > 0 ? NULL : tx ? &guest.tx : &guest.rx;
}

static bool
guest_queue_stats(const struct port *p, bool tx, uint16_t index, struct pktq_stats *out)
{
	return port_read_queue(guest_queue(p, tx, index), out);
}

static bool
guest_link(const struct port *p)
{
	return true;
}

static void
guest_close(struct port *p)
{
}

static const struct port_ops guest_ops = {
	.kind = "guest",
	.queues = guest_queues,
	.stats = guest_queue_stats,
	.link_up = guest_link,
	.close = guest_close,
};

/* --- set-up --- */

static void
wire_make(struct wire *x, int n)
{
	char name[32];

	for (int q = 0; q < 2; q++) {
		snprintf(name, sizeof(name), "in%d_%d", n, q);
		x->in[q] = rte_ring_create(name, RING_SIZE, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
		snprintf(name, sizeof(name), "out%d_%d", n, q);
		x->out[q] = rte_ring_create(name, RING_SIZE, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
		assert_non_null(x->in[q]);
		assert_non_null(x->out[q]);
	}
	snprintf(name, sizeof(name), "wire%d", n);
	x->dev = (uint16_t)rte_eth_from_rings(name, x->in, 2, x->out, 2, 0);
}

static void
wire_free(struct wire *x)
{
	for (int q = 0; q < 2; q++) {
		rte_ring_free(x->in[q]);
		rte_ring_free(x->out[q]);
	}
}

static int
group_setup(void **state)
{
	if (eal_start("0", 128) < 0)
		return -1;
	mp = rte_pktmbuf_pool_create("mbufs", 2047, 32, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	w = rte_zmalloc("worker", sizeof(*w), RTE_CACHE_LINE_SIZE);
	return mp != NULL && w != NULL ? 0 : -1;
}

static void
guest_make(void)
{
	memset(&guest, 0, sizeof(guest));
	guest.port.ops = &guest_ops;
	strcpy(guest.port.name, "guest");
	guest.rx.event_fd = -1;
	atomic_store(&guest.rx.ops, &guest_rx_ops);
	atomic_store(&guest.tx.ops, &guest_tx_ops);
	assert_int_equal(sw_port_add(&sw, &guest.port), 0);
	guest.rx.port = guest.port.id;
	guest.tx.port = guest.port.id;
}

static int
setup(void **state)
{
	const struct fdb_config fdb = {.limit = 1024, .ageing_s = 300};
	const struct ethdev_config one = {0};
	char err[256];

	avail = rte_mempool_avail_count(mp);
	loop = ev_loop_new();
	assert_int_equal(sw_init(&sw, 1, &fdb, mp, loop), 0);
	memset(w, 0, sizeof(*w));
	w->ctl = &sw.dp;
	w->mp = mp;
	for (int i = 0; i < WIRES; i++) {
		wire_make(&wire[i], i);
		wire[i].port = ethdev_port_new(&sw, wire[i].dev, &one, err, sizeof(err));
		assert_non_null(wire[i].port);
	}
	guest_make();
	sw_start(&sw, true);
	return 0;
}

static int
teardown(void **state)
{
	sw_fini(&sw);
	for (int i = 0; i < WIRES; i++)
		wire_free(&wire[i]);
	for (uint16_t i = 0; i < guest.ngot; i++)
		free(guest.got[i]);
	ev_loop_free(loop);
	assert_int_equal(rte_mempool_avail_count(mp), avail);
	return 0;
}

/* --- frames --- */

static void
mac_of(struct rte_ether_addr *mac, uint16_t port)
{
	*mac = (struct rte_ether_addr){{2, 0, 0, 0, 0, (uint8_t)port}};
}

/** Random bytes from port @p from's station to @p to's; UINT16_MAX: broadcast. */
static struct frame *
frame_from(uint16_t from, uint16_t to, uint32_t len)
{
	struct frame *f = calloc(1, sizeof(*f));
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)f->b;

	for (uint32_t i = 0; i < len; i++)
		f->b[i] = (uint8_t)random();
	mac_of(&eth->src_addr, from);
	mac_of(&eth->dst_addr, to);
	if (to == UINT16_MAX)
		memset(&eth->dst_addr, 0xff, sizeof(eth->dst_addr));
	f->len = len;
	return f;
}

/** In a chain of @p nsegs mbufs. */
static struct rte_mbuf *
mbuf_of(const struct frame *f, uint16_t nsegs)
{
	struct rte_mbuf *head = NULL, *m;
	uint32_t off = 0, n;

	for (uint16_t i = 0; i < nsegs; i++) {
		n = i + 1 == nsegs ? f->len - off : f->len / nsegs;
		m = rte_pktmbuf_alloc(mp);
		memcpy(rte_pktmbuf_append(m, (uint16_t)n), f->b + off, n);
		off += n;
		if (head == NULL)
			head = m;
		else
			rte_pktmbuf_chain(head, m);
	}
	return head;
}

static void
wire_put(struct wire *x, struct rte_mbuf *m)
{
	assert_int_equal(rte_ring_enqueue(x->in[0], m), 0);
}

/** A frame that left by @p x, from any queue; NULL: nothing. */
static struct rte_mbuf *
wire_get(struct wire *x)
{
	void *m = NULL;

	for (int q = 0; q < 2 && m == NULL; q++)
		rte_ring_dequeue(x->out[q], &m);
	return m;
}

static void
assert_frame(const struct rte_mbuf *m, const struct frame *f)
{
	uint8_t b[PKT_LEN_MAX];
	const void *got;

	assert_non_null(m);
	assert_int_equal(m->pkt_len, f->len);
	got = rte_pktmbuf_read(m, 0, f->len, b);
	assert_memory_equal(got, f->b, f->len);
}

static void
guest_put(const struct frame *f)
{
	struct view *v = calloc(1, sizeof(*v));

	view_make(v, f);
	guest.send[guest.nsend++] = v;
}

static void
know(uint16_t port)
{
	struct rte_ether_addr mac;

	mac_of(&mac, port);
	assert_int_equal(fdb_add_static(sw.fdb, &mac, 0, port), 0);
}

static void
know_all(void)
{
	for (uint16_t i = 0; i < sw.nports; i++)
		know(i);
}

static void
iterate(void)
{
	while (worker_poll(w, dp_live(&sw.dp)) != 0)
		;
}

static uint64_t
rx_drops(const struct pktq_stats *s)
{
	uint64_t n = 0;

	for (int i = 0; i < DROP_NUM; i++)
		n += s->drop[i];
	return n;
}

/** The account drop.h promises, for every port. */
static void
assert_accounts(void)
{
	struct port_stats st;

	for (uint16_t i = 0; i < sw.nports; i++) {
		port_get_stats(sw.port[i], &st);
		assert_int_equal(st.rx.frames, st.rx.offered - st.rx.replicated + rx_drops(&st.rx));
		assert_int_equal(st.tx.offered, st.tx.frames + rx_drops(&st.tx));
	}
}

/* --- tests --- */

/* A frame between two devices leaves in the mbuf it came in. */
static void
device_to_device_is_not_copied(void **state)
{
	uint32_t lens[] = {60, 64, 1514, 2000, 9000};

	know_all();
	for (uint32_t i = 0; i < RTE_DIM(lens); i++) {
		struct frame *f = frame_from(0, 1, lens[i]);
		struct rte_mbuf *m = mbuf_of(f, (uint16_t)(1 + lens[i] / 1900)), *got;

		wire_put(&wire[0], m);
		iterate();
		got = wire_get(&wire[1]);
		assert_ptr_equal(got, m);
		assert_int_equal(rte_mbuf_refcnt_read(got), 1);
		assert_frame(got, f);
		rte_pktmbuf_free(got);
		free(f);
	}
	assert_null(wire_get(&wire[2]));
	assert_accounts();
}

static void
guest_to_device_is_copied_once(void **state)
{
	know_all();
	for (uint32_t i = 0; i < 200; i++) {
		struct frame *f =
			frame_from(guest.port.id, 0, 14 + frame_rnd(i < 190 ? 3000 : 60000));
		struct rte_mbuf *m;

		guest_put(f);
		iterate();
		m = wire_get(&wire[0]);
		assert_frame(m, f);
		rte_pktmbuf_free(m);
		free(f);
	}
	assert_accounts();
}

static void
device_to_guest_is_byte_exact(void **state)
{
	know_all();
	for (uint16_t i = 0; i < 100; i++) {
		struct frame *f = frame_from(2, guest.port.id, 14 + frame_rnd(6000));

		wire_put(&wire[2], mbuf_of(f, (uint16_t)(4 + frame_rnd(3))));
		iterate();
		assert_int_equal(guest.ngot, i + 1);
		assert_int_equal(guest.got_len[i], f->len);
		assert_memory_equal(guest.got[i], f->b, f->len);
		free(f);
	}
	assert_accounts();
}

/* One mbuf to two devices and a guest: three owners, one buffer. */
static void
flooding_shares_one_mbuf(void **state)
{
	struct rte_mbuf *a, *b, *m;
	struct frame *f;

	for (uint16_t i = 0; i < 200; i++) {
		f = frame_from(0, UINT16_MAX, 60 + frame_rnd(3000));
		m = mbuf_of(f, (uint16_t)(2 + frame_rnd(2)));
		wire_put(&wire[0], m);
		iterate();
		a = wire_get(&wire[1]);
		b = wire_get(&wire[2]);
		assert_ptr_equal(a, m);
		assert_ptr_equal(b, m);
		assert_int_equal(rte_mbuf_refcnt_read(m), 2);
		assert_frame(m, f);
		assert_int_equal(guest.ngot, i + 1);
		assert_memory_equal(guest.got[i], f->b, f->len);
		rte_pktmbuf_free(a);
		rte_pktmbuf_free(b);
		assert_null(wire_get(&wire[0]));
		free(f);
	}
	assert_accounts();
}

/* Frames a full device does not take are freed and counted, also if the mbuf is shared. */
static void
full_device_costs_no_mbuf(void **state)
{
	struct port_stats st;
	struct rte_mbuf *m;
	struct frame *f;
	uint32_t n = 0;

	for (int i = 0; i < 300; i++) {
		f = frame_from(0, UINT16_MAX, 100);
		wire_put(&wire[0], mbuf_of(f, 1));
		free(f);
		iterate();
		rte_pktmbuf_free(wire_get(&wire[2]));
		if (i < 200)
			continue;
		f = frame_from(guest.port.id, UINT16_MAX, 100);
		guest_put(f);
		free(f);
		iterate();
		rte_pktmbuf_free(wire_get(&wire[2]));
		rte_pktmbuf_free(wire_get(&wire[0]));
		if (i % 10 == 0)
			for (uint16_t k = 0; k < guest.ngot; k++)
				free(guest.got[k]);
		if (i % 10 == 0)
			guest.ngot = 0;
	}
	while ((m = wire_get(&wire[1])) != NULL) {
		rte_pktmbuf_free(m);
		n++;
	}
	assert_int_equal(n, RING_SIZE - 1);
	port_get_stats(wire[1].port, &st);
	assert_int_equal(st.tx.frames, n);
	assert_int_equal(st.tx.drop[DROP_TX_NO_BUFFER], 400 - n);
	assert_accounts();
}

static void
empty_pool_is_counted(void **state)
{
	struct rte_mbuf *all[2048];
	struct frame *f = frame_from(guest.port.id, 0, 100);
	struct port_stats st;
	uint32_t n = 0;

	know_all();
	while ((all[n] = rte_pktmbuf_alloc(mp)) != NULL)
		n++;
	guest_put(f);
	iterate();
	port_get_stats(wire[0].port, &st);
	assert_int_equal(st.tx.drop[DROP_TX_NO_MEMORY], 1);
	assert_null(wire_get(&wire[0]));
	assert_accounts();
	rte_pktmbuf_free_bulk(all, n);
	guest_put(f);
	iterate();
	rte_pktmbuf_free(wire_get(&wire[0]));
	port_get_stats(wire[0].port, &st);
	assert_int_equal(st.tx.frames, 1);
	free(f);
}

static void
runts_and_giants_are_counted(void **state)
{
	struct frame *f = frame_from(0, 1, 13);
	struct rte_mbuf *m;
	struct port_stats st;

	know_all();
	wire_put(&wire[0], mbuf_of(f, 1));
	free(f);
	f = frame_from(0, 1, 60);
	m = mbuf_of(f, 1);
	m->pkt_len = PKT_LEN_MAX + 1; /* a driver's mistake */
	wire_put(&wire[0], m);
	free(f);
	iterate();
	port_get_stats(wire[0].port, &st);
	assert_int_equal(st.rx.drop[DROP_RX_RUNT], 1);
	assert_int_equal(st.rx.drop[DROP_RX_TOO_LONG], 1);
	assert_int_equal(st.rx.frames, 2);
	assert_accounts();
}

/* A burst smaller than what a queue holds already. */
static void
small_bursts_keep_the_rest(void **state)
{
	know_all();
	w->burst = 3;
	for (uint8_t i = 0; i < 50; i++) {
		struct frame *f = frame_from(0, 1, 60 + i);

		wire_put(&wire[0], mbuf_of(f, 1));
		free(f);
	}
	iterate();
	for (uint8_t i = 0; i < 50; i++) {
		struct rte_mbuf *m = wire_get(&wire[1]);

		assert_non_null(m);
		assert_int_equal(m->pkt_len, 60 + i);
		rte_pktmbuf_free(m);
	}
	assert_accounts();
}

static void
stopped_port_restarts_with_other_queues(void **state)
{
	const struct ethdev_config two = {.rxq = 2, .txq = 2};
	const struct ethdev_config many = {.rxq = 64, .txq = 64};
	struct port *p = wire[0].port;
	struct port_facts facts;
	struct frame *f = frame_from(0, 1, 60);
	struct pktq_stats st;

	know_all();
	assert_int_equal(ethdev_port_configure(p, &two), -EBUSY);
	p->started = false;
	sw_publish(&sw);
	p->ops->stop(p);
	assert_false(p->ops->link_up(p));
	assert_int_equal(ethdev_port_configure(p, &two), 0);
	assert_int_equal(p->ops->start(p), 0);
	p->started = true;
	sw_publish(&sw);
	assert_true(p->ops->link_up(p));
	p->ops->facts(p, NULL, &facts);
	assert_int_equal(facts.nrx, 2);
	assert_int_equal(facts.ntx, 2);
	assert_int_equal(rte_ring_enqueue(wire[0].in[1], mbuf_of(f, 1)), 0);
	iterate();
	rte_pktmbuf_free(wire_get(&wire[1]));
	assert_true(port_queue_stats(p, false, 1, &st));
	assert_int_equal(st.frames, 1);
	assert_false(port_queue_stats(p, false, 2, &st));

	/* more than the device has */
	p->started = false;
	sw_publish(&sw);
	p->ops->stop(p);
	assert_int_equal(ethdev_port_configure(p, &many), 0);
	assert_int_equal(p->ops->start(p), 0);
	p->ops->facts(p, NULL, &facts);
	assert_int_equal(facts.nrx, 2);
	free(f);
}

static void
devices_come_and_go(void **state)
{
	const struct ethdev_config cfg = {.rxq = 4, .txq = 4};
	struct port_facts facts;
	char err[256];
	struct port *p;

	for (int i = 0; i < 3; i++) {
		p = ethdev_port_attach(&sw, "net_null7,copy=1", &cfg, err, sizeof(err));
		assert_non_null(p);
		assert_string_equal(p->name, "net_null7");
		assert_ptr_equal(p, sw_port_by_name(&sw, "net_null7"));
		assert_true(p->ops->link_up(p));
		p->ops->facts(p, NULL, &facts);
		assert_int_equal(facts.nrx, 4);
		/* its frames come from nowhere and have no source address */
		assert_true(worker_poll(w, dp_live(&sw.dp)) > 0);
		assert_null(ethdev_port_attach(&sw, "net_null7", &cfg, err, sizeof(err)));
		assert_true(err[0] != '\0');
		ethdev_port_detach(p);
		assert_null(sw_port_by_name(&sw, "net_null7"));
	}
	assert_null(ethdev_port_attach(&sw, "net_nosuch0", &cfg, err, sizeof(err)));
	assert_non_null(strstr(err, "net_nosuch0"));
	assert_accounts();
}

/** Is told of ports; refuses the next one. */
struct listener {
	struct sw_listener l;
	int added, leaving;
	bool refuses;
};

static int
on_added(struct sw_listener *l, struct port *p)
{
	struct listener *k = container_of(l, struct listener, l);

	k->added++;
	return k->refuses ? -ENOMEM : 0;
}

static void
on_leaving(struct sw_listener *l, struct port *p)
{
	container_of(l, struct listener, l)->leaving++;
}

/* The program's part of a port ends with it, also when a device goes by itself. */
static void
program_hears_of_all_ports(void **state)
{
	struct listener k = {.l = {.added = on_added, .leaving = on_leaving}};
	const struct ethdev_config cfg = {.rxq = 1, .txq = 1};
	uint16_t nports = sw.nports;
	char err[256];
	struct port *p;

	sw.listener = &k.l;
	p = ethdev_port_attach(&sw, "net_null7", &cfg, err, sizeof(err));
	assert_non_null(p);
	assert_int_equal(k.added, 1);
	ethdev_port_detach(p);
	assert_int_equal(k.leaving, 1);
	k.refuses = true;
	assert_null(ethdev_port_attach(&sw, "net_null7", &cfg, err, sizeof(err)));
	assert_int_equal(k.added, 2);
	assert_int_equal(k.leaving, 1);
	assert_int_equal(sw.nports, nports);
	sw.listener = NULL;
}

static void
rings_take_any_mtu(void **state)
{
	struct port *p = wire[1].port;

	assert_int_equal(p->ops->set_mtu(p, 9000), 0);
	assert_int_equal(p->mtu, 9000);
	assert_true(p->started);
	assert_int_equal(p->ops->set_promisc(p, true), 0);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(device_to_device_is_not_copied),
		T(guest_to_device_is_copied_once),
		T(device_to_guest_is_byte_exact),
		T(flooding_shares_one_mbuf),
		T(full_device_costs_no_mbuf),
		T(empty_pool_is_counted),
		T(runts_and_giants_are_counted),
		T(small_bursts_keep_the_rest),
		T(stopped_port_restarts_with_other_queues),
		T(devices_come_and_go),
		T(program_hears_of_all_ports),
		T(rings_take_any_mtu),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
