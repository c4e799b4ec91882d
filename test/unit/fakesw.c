/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "fakesw.h"
#include "pkt/copy.h"
#include "pkt/mbuf.h"
#include "pkt/hand.h"
#include "pkt/legend.h"
#include "switch/dataplane_worker.h"
#include "switch/handover.h"
#include "switch/inject_queue.h"
#include "switch/poll.h"
#include "switch/publish.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"

struct sw fake_sw;
struct worker *fake_worker;
struct fake_port fake_ports[FAKE_PORTS];
const struct rte_ether_addr fake_broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

static struct rte_mempool *pool;
static uint64_t now = 1000000000;

/* --- queues --- */

static void
make_view(struct pkt *p, struct fake_frame *f, struct pkt_batch *b)
{
	*p = (struct pkt){.data = f->b,
			  .data_len = f->len,
			  .len = f->len,
			  .need = f->need,
			  .vnet = f->vnet,
			  .segs = &b->segs[b->nsegs],
			  .nsegs = 1};
	memcpy(p->eth_bytes, f->b, RTE_ETHER_HDR_LEN);
	if (f->split == 0)
		return;
	p->data_len = f->split;
	for (uint32_t n, at = f->split; at < f->len; at += n, p->nsegs++) {
		n = f->step != 0 ? RTE_MIN(f->step, f->len - at) : f->len - at;
		b->segs[b->nsegs++] = (struct pkt_seg){f->b + at, n};
	}
}

static uint16_t
fake_rx(struct pktq *q, struct pkt_batch *b)
{
	struct fake_port *f = &fake_ports[q->port];

	b->n = b->nsegs = 0;
	while (b->n < RTE_MIN(f->nin, (uint32_t)b->max)) {
		make_view(&b->pkt[b->n], &f->in[b->n], b);
		pktq_count(&q->stats, &b->pkt[b->n++]);
	}
	b->ndone = b->n;
	return b->ndone;
}

static void
fake_rx_done(struct pktq *q, struct pkt_batch *b)
{
	struct fake_port *f = &fake_ports[q->port];

	f->nin -= b->ndone;
	memmove(f->in, f->in + b->ndone, f->nin * sizeof(f->in[0]));
	/* the owner may use its memory again */
	memset(f->in + f->nin, 0xee, (FAKE_IN - f->nin) * sizeof(f->in[0]));
	b->ndone = 0;
}

static uint16_t
fake_tx(struct pktq *q, struct pkt *const *pkts, uint16_t n)
{
	struct fake_port *f = &fake_ports[q->port];

	q->stats.offered += n;
	for (uint16_t i = 0; i < n; i++) {
		struct fake_frame *out = &f->out[f->nout++];

		assert_true(f->nout <= FAKE_OUT && pkts[i]->len <= FAKE_LEN);
		assert_int_equal(pkts[i]->need & ~q->offloads, 0);
		pkt_copy(pkts[i], out->b);
		out->len = pkts[i]->len;
		out->split = pkts[i]->nsegs;
		out->need = pkts[i]->need;
		out->vnet = pkts[i]->vnet;
		pktq_count(&q->stats, pkts[i]);
	}
	return n;
}

/* They come out like views on them. */
static uint16_t
fake_tx_mbufs(struct pktq *q, struct rte_mbuf **m, uint16_t n)
{
	struct pkt_seg segs[PKT_BATCH_MAX];
	struct pkt p, *list = &p;

	for (uint16_t i = 0; i < n; i++) {
		assert_true(pkt_from_mbuf(&p, m[i], segs, RTE_DIM(segs)));
		fake_tx(q, &list, 1);
		rte_pktmbuf_free(m[i]);
	}
	return n;
}

static const struct pktq_ops fake_ops = {
	.rx = fake_rx,
	.rx_done = fake_rx_done,
	.tx = fake_tx,
	.tx_mbufs = fake_tx_mbufs,
};

/* --- ports --- */

static void
fake_queues(struct port *p, struct port_queues *out)
{
	struct fake_port *f = &fake_ports[p->id];

	out->discard[0] = false;
	out->rx[out->nrx++] = &f->rx;
	out->tx[out->ntx++] = &f->tx;
}

static const struct pktq *
fake_queue(const struct port *p, bool tx, uint16_t index)
{
	if (index > 0)
		return NULL;
	return tx ? &fake_ports[p->id].tx : &fake_ports[p->id].rx;
}

static bool
fake_queue_stats(const struct port *p, bool tx, uint16_t index, struct pktq_stats *out)
{
	return port_read_queue(fake_queue(p, tx, index), out);
}

static void
fake_close(struct port *p)
{
}

static const struct port_ops fake_port_ops = {
	.kind = "fake",
	.queues = fake_queues,
	.stats = fake_queue_stats,
	.close = fake_close,
};

static void
init_queue(struct pktq *q, uint16_t port)
{
	q->port = port;
	q->event_fd = -1;
	q->offloads = PKT_NEED_CSUM | PKT_NEED_GSO;
	atomic_init(&q->ops, &fake_ops);
}

struct rte_mempool *
fake_pool(uint32_t mbufs)
{
	pool = rte_pktmbuf_pool_create("pool", mbufs, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	return pool;
}

int
fake_setup(void **state)
{
	const struct fdb_config cfg = {.limit = 1000, .ageing_s = 300};

	if (sw_init(&fake_sw, 1, &cfg, pool, NULL) != 0)
		return -1;
	memset(fake_ports, 0, sizeof(fake_ports));
	for (uint16_t i = 0; i < FAKE_PORTS; i++) {
		struct fake_port *f = &fake_ports[i];

		f->p.ops = &fake_port_ops;
		snprintf(f->p.name, sizeof(f->p.name), "fake%u", i);
		init_queue(&f->rx, i);
		init_queue(&f->tx, i);
		if (sw_port_add(&fake_sw, &f->p) != 0)
			return -1;
	}
	fake_worker = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*fake_worker));
	memset(fake_worker, 0, sizeof(*fake_worker));
	fake_worker->ctl = &fake_sw.dp;
	fake_worker->mp = pool;
	sw_start(&fake_sw, true);
	return 0;
}

int
fake_teardown(void **state)
{
	sw_fini(&fake_sw);
	free(fake_worker);
	return 0;
}

/* --- traffic --- */

struct rte_ether_addr
fake_mac(uint32_t port, uint32_t host)
{
	return (struct rte_ether_addr){{2, 0, 0, 0, (uint8_t)port, (uint8_t)host}};
}

struct fake_frame *
fake_put(uint32_t port, const struct rte_ether_addr *src, const struct rte_ether_addr *dst,
	 uint32_t len)
{
	struct rte_ether_hdr eth = {.src_addr = *src, .ether_type = RTE_BE16(0x88b5)};
	struct fake_frame *f = &fake_ports[port].in[fake_ports[port].nin++];

	assert_true(fake_ports[port].nin <= FAKE_IN && len <= FAKE_LEN);
	eth.dst_addr = *dst;
	f->len = len;
	f->split = 0;
	f->step = 0;
	f->need = 0;
	f->vnet = (struct pkt_vnet){0};
	for (uint32_t i = 0; i < len; i++)
		f->b[i] = (uint8_t)i;
	memcpy(f->b, &eth, sizeof(eth));
	return f;
}

void
fake_poll(void)
{
	dp_online(&fake_sw.dp, 0);
	worker_poll(fake_worker, dp_live(&fake_sw.dp));
	dp_offline(&fake_sw.dp, 0);
	fdb_maintain(fake_sw.fdb, now += 1000000);
}

void
fake_clear(void)
{
	for (uint32_t i = 0; i < FAKE_PORTS; i++)
		fake_ports[i].nout = 0;
}

/* --- the accounts --- */

static uint64_t
drops(const struct pktq_stats *s)
{
	uint64_t n = 0;

	for (uint32_t r = 0; r < DROP_NUM; r++)
		n += s->drop[r];
	return n;
}

void
fake_check_accounts(void)
{
	/* what is sent to one port by sw_send() is in the account of its own queue */
	uint64_t handed = fake_sw.inject->q.stats.offered, offered = 0;

	for (uint32_t i = 0; i < FAKE_PORTS; i++) {
		struct port_stats s;

		if (fake_ports[i].p.inject == NULL)
			continue; /* removed */
		port_get_stats(&fake_ports[i].p, &s);
		assert_int_equal(s.rx.frames, s.rx.offered - s.rx.replicated + drops(&s.rx));
		assert_int_equal(s.tx.offered, s.tx.frames + drops(&s.tx));
		handed += s.rx.offered;
		offered += s.tx.offered;
	}
	assert_int_equal(handed, offered);
}

uint64_t
fake_dropped(uint32_t port, enum drop_reason why)
{
	return fake_ports[port].rx.stats.drop[why];
}

/* --- upgrades --- */

#define LEGEND 1 /* a type of record that ports do not have */

void
fake_save(uint32_t port, struct blob *b)
{
	legend_put(b, LEGEND);
	port_hand_over(&fake_ports[port].p, b);
	assert_false(b->failed);
}

const char *
fake_load(uint32_t port, struct blob *b)
{
	static struct legend legend;
	struct blob_reader reader = {.blob = b};
	struct hand_record h = {.reader = &reader, .legend = &legend};
	const char *why = NULL;

	legend.n = 0;
	while (why == NULL && (h.data = blob_read(&reader, &h.r)) != NULL) {
		if (h.r.type != LEGEND)
			why = port_take_over(&fake_ports[port].p, &h, NULL, 0);
		else if (!legend_read(&legend, h.data, h.r.len))
			why = "legend";
	}
	return why;
}
