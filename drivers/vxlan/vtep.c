/* SPDX-License-Identifier: BSD-3-Clause */
#include "vxlan/vtep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include <rte_mbuf.h>

#include "pkt/flow.h"
#include "pkt/mbuf.h"
#include "switch/port_kind.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"
#include "switch/vlan_table.h"
#include "vxlan/plain.h"

#define FIRST_ID 1024 /* ports that commands make have lower numbers, and keep them */

/** A tx queue; its frames leave by one of the port below. */
struct vtep_txq {
	struct pktq q; /* first member */
	/* [fixed] while published */
	const struct vtep *v;
	struct pktq *below;
	struct rte_mempool *mp;
	uint16_t room; /* bytes that fit one mbuf of it */
};

/** A burst in the making. */
struct burst {
	const struct outer *outer;
	uint16_t n, nspare;
	struct rte_mbuf *mbuf[PKT_BATCH_MAX], *spare[PKT_BATCH_MAX];
	uint32_t len[RTE_ALIGN_CEIL(PKT_BATCH_MAX, PKTQ_COUNT_ROUND)];
};

/* --- workers --- */

static void
send_burst(struct vtep_txq *t, struct burst *b)
{
	struct pktq *q = t->below;

	if (q->shared)
		rte_spinlock_lock(&q->lock);
	pktq_ops(q)->tx_mbufs(q, b->mbuf, b->n);
	if (q->shared)
		rte_spinlock_unlock(&q->lock);
	counter_add(&t->q.stats.frames, b->n);
	pktq_count_sizes(&t->q.stats, b->len, b->n);
}

/* A frame that fits one mbuf, of which there is one, behind a header over IPv4. */
static __rte_always_inline struct rte_mbuf *
wrap_plain(const struct vtep_txq *t, struct burst *b, const struct pkt *p)
{
	struct pkt_plain inner;
	struct rte_mbuf *m;
	uint8_t *at;

	if (unlikely(!b->outer->plain || b->nspare == 0 || p->len > t->room ||
		     !pkt_plain_read(p, &inner)))
		return NULL;
	m = b->spare[--b->nspare];
	at = pkt_mbuf_begin(m, RTE_PKTMBUF_HEADROOM - OUTER_LEN_V4,
			    (uint16_t)(p->len + OUTER_LEN_V4));
	pkt_copy(p, at + OUTER_LEN_V4);
	plain_put(b->outer, at,
		  &(struct plain_frame){
			  .len = (uint16_t)p->len,
			  .ecn = pkt_plain_tos(&inner) & PLAIN_ECN,
			  .hash = p->hash != 0 ? p->hash : pkt_plain_hash(&inner),
		  });
	return m;
}

static void
give_back_spares(const struct vtep_txq *t, struct burst *b)
{
	if (b->nspare != 0)
		rte_mempool_put_bulk(t->mp, (void **)b->spare, b->nspare);
	b->nspare = 0;
}

/* NULL: out of mbufs; those taken for frames to come are not kept from this one. */
static __rte_noinline struct rte_mbuf *
wrap(const struct vtep_txq *t, struct burst *b, const struct pkt *p)
{
	struct rte_mbuf *m = pkt_to_mbuf_of(t->mp, p, t->room);

	if (m == NULL && b->nspare != 0) {
		give_back_spares(t, b);
		m = pkt_to_mbuf_of(t->mp, p, t->room);
	}
	if (m != NULL)
		outer_put(b->outer, m, p->hash != 0 ? p->hash : pkt_flow_hash(p));
	return m;
}

static void
add(struct vtep_txq *t, struct burst *b, const struct pkt *p)
{
	struct rte_mbuf *m;

	if (unlikely(p->len > b->outer->max_len)) {
		pktq_drop(&t->q, DROP_TX_MTU, 1);
		return;
	}
	m = wrap_plain(t, b, p);
	if (unlikely(m == NULL))
		m = wrap(t, b, p);
	if (unlikely(m == NULL)) {
		pktq_drop(&t->q, DROP_TX_NO_MEMORY, 1);
		return;
	}
	pktq_count_cast(&t->q.stats, p);
	b->len[b->n] = p->len;
	b->mbuf[b->n++] = m;
}

/* Up to PKT_BATCH_MAX frames; of mbufs there may be fewer. */
static uint16_t
tx_some(struct vtep_txq *t, const struct outer *o, struct pkt *const *pkts, uint16_t n)
{
	struct burst b;

	b.outer = o;
	b.n = 0;
	b.nspare = rte_mempool_get_bulk(t->mp, (void **)b.spare, n) == 0 ? n : 0;
	for (uint16_t i = 0; i < n; i++)
		add(t, &b, pkts[i]);
	if (likely(b.n != 0))
		send_burst(t, &b);
	give_back_spares(t, &b);
	return b.n;
}

static uint16_t
vtep_tx(struct pktq *q, struct pkt *const *pkts, uint16_t n)
{
	struct vtep_txq *t = (struct vtep_txq *)q;
	const struct outer *o = atomic_load_explicit(&t->v->outer, memory_order_acquire);
	uint16_t sent = 0;

	counter_add(&q->stats.offered, n);
	if (unlikely(o == NULL)) {
		pktq_drop(q, DROP_TX_NO_HOP, n);
		return 0;
	}
	for (uint16_t i = 0; i < n; i += PKT_BATCH_MAX)
		sent += tx_some(t, o, pkts + i, (uint16_t)RTE_MIN(n - i, PKT_BATCH_MAX));
	return sent;
}

static const struct pktq_ops tx_ops = {.tx = vtep_tx};

/* --- queues --- */

static struct vtep *
to_vtep(const struct port *p)
{
	return (struct vtep *)(uintptr_t)p;
}

struct port *
vtep_below(const struct vtep *v)
{
	return sw_port_by_name(v->port.sw, v->below);
}

static struct pktq *
make_queue(const struct vtep *v, size_t size, uint16_t index)
{
	struct pktq *q = aligned_alloc(RTE_CACHE_LINE_SIZE,
				       RTE_ALIGN_CEIL(size, (size_t)RTE_CACHE_LINE_SIZE));

	if (q == NULL)
		return NULL;
	memset(q, 0, size);
	q->port = v->port.id;
	q->index = index;
	q->event_fd = -1;
	rte_spinlock_init(&q->lock);
	return q;
}

static struct vtep_txq *
make_txq(struct vtep *v)
{
	struct vtep_txq *t = (struct vtep_txq *)make_queue(v, sizeof(*t), v->ntx);

	if (t == NULL)
		return NULL;
	atomic_init(&t->q.ops, &tx_ops);
	t->v = v;
	t->mp = v->port.sw->mp;
	t->room = (uint16_t)(rte_pktmbuf_data_room_size(t->mp) - RTE_PKTMBUF_HEADROOM);
	v->tx[v->ntx++] = t;
	return t;
}

struct pktq *
vtep_queue(struct vtep *v, bool tx, uint16_t index)
{
	if (!tx)
		return index < v->nrx ? v->rx[index] : NULL;
	while (index < DP_QUEUES_MAX && v->ntx <= index)
		if (make_txq(v) == NULL)
			return NULL;
	return index < v->ntx ? &v->tx[index]->q : NULL;
}

/* The reason for which frames do not pass between @p v and the port below; static, NULL: none. */
static const char *
unusable(const struct vtep *v, const struct port *below)
{
	if (below == NULL)
		return "not there";
	if (!below->started)
		return "stopped";
	if (!sw_port_listed(below))
		return "not among those that forward";
	if (below->tunnel)
		return "the end of a tunnel itself";
	/* its flooded frames would go round by the tunnel */
	return below->domain == v->port.domain ? "in the domain of the VNI itself" : NULL;
}

/* As many as the port below has, each to one of its. */
static void
vtep_queues(struct port *p, struct port_queues *out)
{
	struct pktq *rx[DP_QUEUES_MAX], *tx[DP_QUEUES_MAX];
	bool discard[DP_QUEUES_MAX];
	struct port_queues q = {.max = DP_QUEUES_MAX, .rx = rx, .tx = tx, .discard = discard};
	struct vtep *v = to_vtep(p);
	struct port *below = vtep_below(v);

	out->nrx = 0;
	out->ntx = 0;
	if (unusable(v, below) != NULL || v->short_of_memory)
		return;
	below->ops->queues(below, &q);
	while (out->ntx < RTE_MIN(q.ntx, out->max)) {
		struct vtep_txq *t = out->ntx < v->ntx ? v->tx[out->ntx] : make_txq(v);

		/* a build asks twice, and the second answer must not have more than the first */
		v->short_of_memory = t == NULL;
		if (t == NULL)
			return;
		if (t->below != tx[out->ntx])
			t->below = tx[out->ntx]; /* workers read it: not written without need */
		out->tx[out->ntx++] = &t->q;
	}
}

/* The next build may try again. */
static void
vtep_published(struct port *p)
{
	to_vtep(p)->short_of_memory = false;
}

static bool
vtep_stats(const struct port *p, bool tx, uint16_t index, struct pktq_stats *out)
{
	const struct vtep *v = to_vtep(p);
	const struct pktq *q = NULL;

	if (tx && index < v->ntx)
		q = &v->tx[index]->q;
	else if (!tx && index < v->nrx)
		q = v->rx[index];
	return port_read_queue(q, out);
}

/* --- the port --- */

static bool
vtep_link_up(const struct port *p)
{
	const struct vtep *v = to_vtep(p);
	const struct port *below = vtep_below(v);

	return atomic_load_explicit(&to_vtep(p)->outer, memory_order_relaxed) != NULL &&
	       unusable(v, below) == NULL && below->ops->link_up(below);
}

static const char *
vtep_why(const struct port *p, char *buf, size_t len)
{
	const struct vtep *v = to_vtep(p);
	const struct port *below = vtep_below(v);
	const char *why = unusable(v, below);

	if (why != NULL) {
		snprintf(buf, len, "the port below, %s, is %s", v->below, why);
		return buf;
	}
	if (v->why == NULL)
		return below->ops->why != NULL ? below->ops->why(below, buf, len) : NULL;
	snprintf(buf, len, "no way to VTEP %s: %s", v->text, v->why);
	return buf;
}

/* The way takes shorter packets than guests of the domain are told. */
static const char *
vtep_why_some(const struct port *p, char *buf, size_t len)
{
	const struct outer *o = atomic_load_explicit(&to_vtep(p)->outer, memory_order_relaxed);
	uint32_t told = p->sw->mtu_most[p->domain];

	if (o == NULL || o->max_len >= told + RTE_ETHER_HDR_LEN)
		return NULL;
	snprintf(buf, len,
		 "packets of more than %u bytes do not fit the MTU of the way to VTEP %s;"
		 " guests may send %u (\"show vxlan vni\")",
		 o->max_len - RTE_ETHER_HDR_LEN, to_vtep(p)->text, told);
	return buf;
}

static void
vtep_show(const struct port *p, FILE *out)
{
	const struct vtep *v = to_vtep(p);
	const struct outer *o = atomic_load_explicit(&to_vtep(p)->outer, memory_order_relaxed);

	fprintf(out, "Tunnel: VNI %u, VTEP %s, over %s, longest frame %u\n", v->vni, v->text,
		v->below, o != NULL ? o->max_len : 0);
}

/* No device argument makes it; "show config" has the VNI instead. */
static void
vtep_argument(const struct port *p, FILE *out)
{
	fputs(p->name, out);
}

static bool
vtep_same(const struct port *p, const struct port_request *r)
{
	return false;
}

static void
vtep_facts(const struct port *p, const struct port_defaults *d, struct port_facts *out)
{
	const struct vtep *v = to_vtep(p);

	*out = (struct port_facts){
		.info =
			{
				.driver_name = "vxlan",
				.max_rx_pktlen = UINT32_MAX,
				.max_rx_queues = v->nrx,
				.max_tx_queues = DP_QUEUES_MAX,
				.switch_info.domain_id = RTE_ETH_DEV_SWITCH_DOMAIN_ID_INVALID,
			},
		.link =
			{
				.link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
				.link_status = vtep_link_up(p),
			},
		.nrx = v->nrx,
		.ntx = v->ntx,
		.promisc = true,
		.allmulti = true,
		.is_eal_vdev = true,
	};
}

static uint32_t
vtep_details(const struct port *p, struct port_detail *out)
{
	const struct vtep *v = to_vtep(p);

	out[0] = (struct port_detail){.name = "vni", .number = v->vni};
	out[1] = (struct port_detail){.name = "vtep", .text = v->text};
	out[2] = (struct port_detail){.name = "below", .text = v->below};
	return 3;
}

static void
vtep_free(struct vtep *v)
{
	for (uint16_t i = 0; i < v->nrx; i++)
		free(v->rx[i]);
	for (uint16_t i = 0; i < v->ntx; i++)
		free(v->tx[i]);
	free((void *)(uintptr_t)atomic_load(&v->outer));
	free(v);
}

static void
vtep_close(struct port *p)
{
	vtep_free(to_vtep(p));
}

static const struct port_ops vtep_ops = {
	.kind = "vxlan",
	.queues = vtep_queues,
	.stats = vtep_stats,
	.link_up = vtep_link_up,
	.why = vtep_why,
	.why_some = vtep_why_some,
	.close = vtep_close,
	.argument = vtep_argument,
	.same = vtep_same,
	.facts = vtep_facts,
	.show = vtep_show,
	.details = vtep_details,
	.published = vtep_published,
	.handover = &vtep_handover,
};

const struct outer *
vtep_set_outer(struct vtep *v, const struct outer *o, const char *why)
{
	v->why = why;
	return atomic_exchange(&v->outer, o);
}

/* --- life --- */

/* The number of workers is that of the accounts. */
static bool
make_accounts(struct vtep *v)
{
	uint32_t n = RTE_MAX(v->port.sw->dp.nworkers, 1u);

	while (v->nrx < n) {
		struct pktq *q = make_queue(v, sizeof(*q), v->nrx);

		if (q == NULL)
			return false;
		v->rx[v->nrx++] = q;
	}
	return true;
}

/* Other hosts say how many VTEPs that do not learn there are: those leave lower numbers alone. */
static int
add_port(struct sw *sw, struct vtep *v, const uint16_t *id)
{
	int ret;

	v->port.id = id != NULL ? *id : FIRST_ID;
	ret = sw_port_add(sw, &v->port);
	if (ret != -ENOSPC || v->port.no_learning || id != NULL)
		return ret;
	v->port.id = 0;
	return sw_port_add(sw, &v->port);
}

/* Domain and VLAN, which take effect with the next publication. */
static int
join_domain(struct vtep *v, const struct vtep_config *c)
{
	struct vlan_config vlan = {.on = c->vlan != 0, .access = true, .native = c->vlan};

	return port_begin_vlan(&v->port, c->domain,
			       c->vlan != 0 ? &vlan : &(struct vlan_config){0});
}

struct vtep *
vtep_new(struct sw *sw, const struct vtep_config *c)
{
	struct vtep *v = calloc(1, sizeof(*v));
	int ret;

	if (v == NULL)
		return NULL;
	v->port.ops = &vtep_ops;
	v->port.sw = sw;
	v->port.tunnel = true;
	v->port.no_learning = !c->learns;
	v->ip = c->ip;
	evpn_ip_text(&c->ip, v->text);
	v->vni = c->vni;
	v->why = "without a VTEP nothing has looked for it";
	strlcpy(v->port.name, c->name, sizeof(v->port.name));
	strlcpy(v->below, c->below, sizeof(v->below));
	ret = add_port(sw, v, c->id);
	if (ret == 0) {
		ret = make_accounts(v) ? join_domain(v, c) : -ENOMEM;
		if (ret == 0)
			return v;
		sw_port_remove(sw, &v->port);
	} else {
		vtep_free(v);
	}
	errno = -ret;
	return NULL;
}
