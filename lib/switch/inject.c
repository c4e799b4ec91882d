/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A frame of control's own, sent in the name of a port.
 *
 * Forwarding is stopped for as long as that takes - two grace periods - which
 * makes control the owner of every egress queue. Right for the rare frame that
 * tells others about a move; nothing else should come this way.
 */
#include <rte_mbuf.h>

#include "pkt/offload.h"
#include "switch/forward.h"
#include "switch/port.h"

struct inject {
	struct pktq *rx[DP_QUEUES_MAX], *tx[DP_QUEUES_MAX];
	bool discard[DP_QUEUES_MAX];
	struct port_queues q;
};

static void
ask(struct inject *i, struct port *p)
{
	i->q = (struct port_queues){.max = DP_QUEUES_MAX,
				    .rx = i->rx,
				    .tx = i->tx,
				    .discard = i->discard};
	p->ops->queues(p, &i->q);
}

/* The domain, or number of the VLAN, of what a port sends without a tag. 0 with VLANs: none. */
static uint16_t
fid_of(const struct port *p)
{
	return p->vlans != NULL ? p->vlans->fid[p->vlans->native] : p->domain;
}

static bool
same_bridge(const struct port *from, const struct port *to)
{
	if (from->vlans == NULL || to->vlans == NULL)
		return from->vlans == to->vlans && from->domain == to->domain;
	return fid_of(from) != 0 && to->vlans->fid[from->vlans->native] == fid_of(from);
}

static bool
reaches(const struct port *from, const struct port *to)
{
	return to != NULL && to != from && to->started && same_bridge(from, to) &&
	       !(from->isolated && to->isolated);
}

/* Whether @p to wants the frames of @p from with a tag. */
static bool
wants_tag(const struct port *from, const struct port *to)
{
	return to->vlans != NULL && to->vlans->native != from->vlans->native;
}

/* A copy with the tag of the native VLAN of @p from; NULL: it has no VLANs, or no mbuf. */
static struct rte_mbuf *
tagged_copy(const struct port *from, struct rte_mbuf *m)
{
	struct rte_mbuf *copy;

	if (from->vlans == NULL)
		return NULL;
	copy = rte_pktmbuf_copy(m, m->pool, 0, UINT32_MAX);
	if (copy == NULL)
		return NULL;
	copy->vlan_tci = from->vlans->native;
	if (rte_vlan_insert(&copy) == 0)
		return copy;
	rte_pktmbuf_free(copy);
	return NULL;
}

/* Number of ports it was handed to. */
static uint32_t
send_all(struct sw *s, const struct port *from, struct pkt *p)
{
	struct rte_mbuf *copy = tagged_copy(from, p->mbuf);
	struct pkt tagged, *one;
	struct inject to;
	uint32_t copies = 0;

	if (copy != NULL && !pkt_from_mbuf(&tagged, copy, NULL, 0)) {
		rte_pktmbuf_free(copy);
		copy = NULL;
	}
	for (uint16_t id = 0; id < s->nports; id++) {
		if (!reaches(from, s->port[id]))
			continue;
		one = wants_tag(from, s->port[id]) ? (copy != NULL ? &tagged : NULL) : p;
		ask(&to, s->port[id]);
		if (to.q.ntx == 0 || one == NULL)
			continue;
		pktq_ops(to.tx[0])->tx(to.tx[0], &one, 1);
		pktq_decide(to.tx[0]);
		copies++;
	}
	rte_pktmbuf_free(copy);
	return copies;
}

/* The accounts of drop.h take it for a frame that came in at the port. */
static void
account(struct pktq *rx, const struct pkt *p, uint32_t copies)
{
	pktq_count(&rx->stats, p);
	rx->stats.offered += copies;
	if (copies == 0)
		pktq_drop(rx, DROP_RX_NO_EGRESS, 1);
	else
		rx->stats.replicated += copies - 1;
}

bool
sw_inject(struct sw *s, struct port *from, struct rte_mbuf *m)
{
	struct inject in;
	struct pkt p;
	fdb_key key;
	bool ok;

	ask(&in, from);
	ok = s->forwarding && in.q.nrx > 0 && pkt_from_mbuf(&p, m, NULL, 0) &&
	     (from->vlans == NULL || fid_of(from) != 0);
	if (ok) {
		sw_start(s, false);
		key = fdb_key_make(&p.eth.src_addr, fid_of(from));
		fdb_seen(s->fdb, 0, &key, 1, from->id);
		account(in.rx[0], &p, send_all(s, from, &p));
		sw_start(s, true);
	}
	rte_pktmbuf_free(m);
	return ok;
}
