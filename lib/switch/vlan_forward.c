/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * The learning switch for ports that have VLANs. Decisions are made and
 * remembered as for others (forward.c); the domain is the frame's.
 */
#include <rte_byteorder.h>

#include "switch/flood.h"
#include "switch/forward.h"
#include "switch/modes.h"
#include "switch/rest_run.h"
#include "switch/send.h"
#include "switch/vlan_tag.h"

#define TCI_ID_MASK 0x0fff

static bool
is_tag(rte_be16_t type)
{
	return type == RTE_BE16(RTE_ETHER_TYPE_VLAN) || type == RTE_BE16(RTE_ETHER_TYPE_QINQ);
}

/* --- incoming frames --- */

/*
 * The tag of a frame, which has none afterwards. A tag behind the tag is
 * refused: on another port's native VLAN it would be taken for the only one.
 */
static bool
take_tag(const struct dp_vlan *v, struct pkt *p, uint16_t *tci)
{
	*tci = v->native;
	if (likely(!is_tag(p->eth.ether_type)))
		return true;
	if (p->eth.ether_type != RTE_BE16(RTE_ETHER_TYPE_VLAN) || !vlan_pop(p, tci) ||
	    is_tag(p->eth.ether_type))
		return false;
	if ((*tci & TCI_ID_MASK) != 0)
		return !v->access;
	*tci |= v->native; /* only a priority */
	return true;
}

/* Find out each frame's VLAN; those of none that the port has are dropped. */
static void
classify(struct vlan_scratch *s, const struct dp_vlan *v, struct pktq *rxq, struct pkt_batch *b)
{
	uint16_t n = 0;

	s->popped = 0;
	for (uint16_t i = 0; i < b->n; i++) {
		struct pkt *p = &b->pkt[i];
		uint64_t has_tag = is_tag(p->eth.ether_type);
		uint16_t tci, fid;

		fid = take_tag(v, p, &tci) ? v->fid[tci & TCI_ID_MASK] : 0;
		if (unlikely(fid == 0)) {
			pktq_drop(rxq, DROP_RX_VLAN, 1);
			continue;
		}
		s->fid[n] = fid;
		s->tci[n] = tci;
		s->popped |= has_tag << n;
		if (n != i)
			b->pkt[n] = *p;
		n++;
	}
	b->n = n;
	s->tagged = 0;
}

/* --- outgoing frames --- */

/** Frames of one batch with the same destination and VLAN: from to to - 1. */
struct run {
	const struct dp_port *in;
	struct pktq *rxq;
	uint16_t from, to;
	struct dp_fid f;
	bool may_leave;
};

/* The view of frame @p i with its tag, made once for all receivers. */
static struct pkt *
tagged(struct worker *w, uint16_t i)
{
	struct vlan_scratch *s = &w->vlan;

	if ((s->tagged >> i & 1) == 0 &&
	    !vlan_push(&s->view[i], &w->batch.pkt[i], s->header[i], s->tci[i], &w->batch))
		return NULL;
	s->tagged |= UINT64_C(1) << i;
	return &s->view[i];
}

static void
send(struct worker *w, const struct run *r, const struct dp_port *out)
{
	bool untagged = out->vlan->native == r->f.vlan;
	uint16_t n = 0;

	for (uint16_t i = r->from; i < r->to; i++) {
		struct pkt *p = untagged ? &w->batch.pkt[i] : tagged(w, i);

		if (likely(p != NULL))
			w->list[n++] = p;
		else
			pktq_drop(r->rxq, DROP_RX_NO_MEMORY, 1);
	}
	if (n != 0)
		forward_send(w, out, r->rxq, w->list, n);
}

/** Frames of a run that flood. */
struct run_flood {
	struct flood f; /* first member */
	const struct run *r;
};

static void
flood_one(struct worker *w, const struct flood *f, const struct dp_port *out)
{
	send(w, ((const struct run_flood *)f)->r, out);
}

/* Keep frame @p i, with the tag it came with; the native VLAN's need not be named. */
static bool
keep(struct worker *w, const struct run *r, uint16_t i)
{
	const struct vlan_scratch *s = &w->vlan;
	const struct pkt *p = &w->batch.pkt[i];
	uint8_t header[VLAN_TAGGED_LEN];
	uint16_t tci = s->tci[i];
	struct pkt view;

	if ((s->popped >> i & 1) != 0) {
		if (r->f.vlan == r->in->vlan->native)
			tci &= (uint16_t)~TCI_ID_MASK;
		if (!vlan_push(&view, p, header, tci, &w->batch)) {
			r->rxq->flood_next = 0;
			return false;
		}
		p = &view;
	}
	return rest_keep(w, r->in, r->rxq, p);
}

/* Moves r->to to the first of the frames that have to be left, if there are any. */
static void
flood(struct worker *w, const struct dataplane *dp, struct run *r)
{
	struct pkt *pkts[PKT_BATCH_MAX];
	struct run_flood x = {
		.f = {.in = r->in, .rxq = r->rxq, .pkts = pkts, .may_leave = r->may_leave},
		.r = r,
	};
	const struct dp_members *m = dp_members_of(dp, r->f.fid);
	uint16_t to = r->to;

	for (x.f.n = 0; x.f.n < r->to - r->from; x.f.n++)
		pkts[x.f.n] = &w->batch.pkt[r->from + x.f.n];
	x.f.n = flood_portion(w, &x.f, dp_receivers(m, r->in));
	r->to = r->from + x.f.n;
	if (!flood_to(w, &x.f, m, flood_one)) {
		if (r->may_leave)
			r->to = r->from;
		else if (!keep(w, r, r->from))
			pktq_drop(r->rxq, DROP_RX_FLOOD, 1);
	}
	if (likely(r->to == to) || r->may_leave)
		return;
	pktq_drop(r->rxq, DROP_RX_FLOOD, to - r->to);
	r->to = to;
}

/* The frames from number @p from on, which are as they came but for their tags. */
static void
leave(struct worker *w, struct pktq *rxq, struct pkt_batch *batch, uint16_t from)
{
	for (uint16_t i = from; i < batch->n; i++)
		if ((w->vlan.popped >> i & 1) != 0)
			batch->pkt[i].len += RTE_VLAN_HLEN;
	flood_leave(rxq, batch, from);
}

static void
unicast(struct worker *w, const struct dataplane *dp, const struct run *r, uint16_t egress)
{
	const struct dp_port *out = NULL;

	if (likely(egress < DP_PORTS_MAX && egress != r->in->id))
		out = dp->by_id[egress];
	if (unlikely(out == r->in)) /* the uplink of the port it is for */
		pktq_drop(r->rxq, DROP_RX_SAME_PORT, r->to - r->from);
	else if (unlikely(out == NULL || !dp_may_pass(r->in, out, r->f)))
		pktq_drop(r->rxq, egress_drop(r->in, egress), r->to - r->from);
	else
		send(w, r, out);
}

void
forward_vlan(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
	     struct pktq *rxq, struct pkt_batch *batch)
{
	struct vlan_scratch *s = &w->vlan;
	struct run r = {.in = in, .rxq = rxq};

	classify(s, in->vlan, rxq, batch);
	r.may_leave = flood_may_leave(w, in, batch);
	if (in->flows != NULL)
		forward_learn_queue(in, rxq, batch);
	forward_decide(w, dp, in, batch, s->fid);
	if (unlikely(rxq->flood_next != 0) && batch->n > 0 && w->egress[0] != EGRESS_FLOOD)
		rxq->flood_next = 0; /* the frame that some receivers got does not flood any more */
	for (; r.from < batch->n; r.from = r.to) {
		uint16_t egress = w->egress[r.from], to;

		r.f.fid = s->fid[r.from];
		r.f.vlan = s->tci[r.from] & TCI_ID_MASK;
		for (r.to = r.from + 1; r.to < batch->n; r.to++)
			if (w->egress[r.to] != egress || s->fid[r.to] != r.f.fid)
				break;
		w->fid = r.f;
		to = r.to;
		if (egress == EGRESS_FLOOD)
			flood(w, dp, &r);
		else
			unicast(w, dp, &r, egress);
		if (unlikely(r.to < to)) {
			leave(w, rxq, batch, r.to);
			return;
		}
	}
}
