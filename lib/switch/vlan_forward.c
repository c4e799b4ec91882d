/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * The learning switch for ports that have VLANs. Decisions are made and
 * remembered as for others (forward.c); the domain is the frame's.
 */
#include <string.h>

#include <rte_byteorder.h>

#include "switch/flood.h"
#include "switch/forward.h"
#include "switch/mcast_worker.h"
#include "switch/modes.h"
#include "switch/rest_run.h"
#include "switch/send.h"
#include "switch/vlan_tag.h"

#define TCI_ID_MASK 0x0fff
#define TYPE_AT (2 * RTE_ETHER_ADDR_LEN) /* of a tag in a header */

static bool
is_tag(rte_be16_t type)
{
	return type == RTE_BE16(RTE_ETHER_TYPE_VLAN) || type == RTE_BE16(RTE_ETHER_TYPE_QINQ);
}

/* --- incoming frames --- */

/* Whether a tag of this type is not the port's but its customers': data. */
static bool
is_customers(const struct dp_vlan *v, rte_be16_t type)
{
	return v->qinq && (v->access || type != v->type);
}

/*
 * The tag of a frame, which has it no more afterwards. A tag behind the tag is refused unless the
 * port takes it: on another port's native VLAN it would be taken for the only one.
 */
static bool
take_tag(const struct dp_vlan *v, struct pkt *p, uint16_t *tci)
{
	*tci = v->native;
	if (likely(!is_tag(p->eth.ether_type)) || is_customers(v, p->eth.ether_type))
		return true;
	if (p->eth.ether_type != v->type || !vlan_pop(p, tci) ||
	    (is_tag(p->eth.ether_type) && !v->qinq))
		return false;
	if ((*tci & TCI_ID_MASK) != 0)
		return !v->access;
	*tci |= v->native; /* only a priority */
	return true;
}

static bool
any_tag(const struct pkt_batch *b)
{
	unsigned int any = 0;

	for (uint16_t i = 0; i < b->n; i++)
		any |= is_tag(b->pkt[i].eth.ether_type);
	return any != 0;
}

/* Frames without a tag are in the port's native VLAN. */
static void
classify_native(struct vlan_scratch *s, const struct dp_vlan *v, struct pktq *rxq,
		struct pkt_batch *b)
{
	const uint16_t fid = v->fid[v->native];

	s->popped = s->tagged = s->inner = 0;
	if (unlikely(fid == 0)) {
		pktq_drop(rxq, DROP_RX_VLAN, b->n);
		b->n = 0;
	}
	for (uint16_t i = 0; i < b->n; i++) {
		s->fid[i] = fid;
		s->tci[i] = v->native;
	}
}

/* Find out each frame's VLAN; those of none that the port has are dropped. */
static void
classify(struct vlan_scratch *s, const struct dp_vlan *v, struct pktq *rxq, struct pkt_batch *b)
{
	uint16_t n = 0;

	s->popped = s->inner = 0;
	for (uint16_t i = 0; i < b->n; i++) {
		struct pkt *p = &b->pkt[i];
		uint64_t has_tag = is_tag(p->eth.ether_type) && !is_customers(v, p->eth.ether_type);
		uint16_t tci, fid;

		fid = take_tag(v, p, &tci) ? v->fid[tci & TCI_ID_MASK] : 0;
		if (unlikely(fid == 0)) {
			pktq_drop(rxq, DROP_RX_VLAN, 1);
			continue;
		}
		s->fid[n] = fid;
		s->tci[n] = tci;
		s->popped |= has_tag << n;
		s->inner |= (uint64_t)is_tag(p->eth.ether_type) << n;
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

/* The view of frame @p i with its tag, made once for all receivers but for the tag's type. */
static struct pkt *
tagged(struct worker *w, uint16_t i, rte_be16_t type)
{
	struct vlan_scratch *s = &w->vlan;

	if ((s->tagged >> i & 1) == 0 &&
	    !vlan_push(&s->view[i], &w->batch.pkt[i], s->header[i], s->tci[i], &w->batch))
		return NULL;
	s->tagged |= UINT64_C(1) << i;
	memcpy(s->header[i] + TYPE_AT, &type, sizeof(type));
	s->view[i].eth.ether_type = type;
	return &s->view[i];
}

/* Whether a frame may leave with a tag behind the port's own, or in the place of it. */
static bool
takes_inner(const struct dp_vlan *v, const struct pkt *p, bool untagged)
{
	return v->qinq && (!untagged || v->access || p->eth.ether_type != v->type);
}

static void
send_run(struct worker *w, const struct run *r, const struct dp_port *out)
{
	bool untagged = out->vlan->native == r->f.vlan;
	uint16_t n = 0;

	for (uint16_t i = r->from; i < r->to; i++) {
		struct pkt *p = &w->batch.pkt[i];

		if (unlikely((w->vlan.inner >> i & 1) != 0) &&
		    !takes_inner(out->vlan, p, untagged)) {
			pktq_drop(r->rxq, DROP_RX_VLAN, 1);
			continue;
		}
		if (!untagged)
			p = tagged(w, i, out->vlan->type);
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
	send_run(w, ((const struct run_flood *)f)->r, out);
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
		memcpy(header + TYPE_AT, &r->in->vlan->type, sizeof(r->in->vlan->type));
		view.eth.ether_type = r->in->vlan->type;
		p = &view;
	}
	return rest_keep(w, r->in, r->rxq, p);
}

/* Moves r->to to the first of the frames that have to be left, if there are any. */
static void
flood(struct worker *w, const struct dp_members *m, struct run *r)
{
	struct pkt *pkts[PKT_BATCH_MAX];
	struct run_flood x = {
		.f = {.in = r->in, .rxq = r->rxq, .pkts = pkts, .may_leave = r->may_leave},
		.r = r,
	};
	uint16_t to = r->to;

	for (x.f.n = 0; x.f.n < r->to - r->from; x.f.n++)
		pkts[x.f.n] = &w->batch.pkt[r->from + x.f.n];
	x.f.n = flood_portion(w, &x.f, m);
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

/* The receivers of the run's frames. */
static const struct dp_members *
receivers(const struct worker *w, const struct dataplane *dp, const struct run *r)
{
	return likely(dp->mcast == NULL) ? dp_members_of(dp, r->f.fid) : w->mcast.list[r->from];
}

static void
multicast(struct worker *w, const struct dataplane *dp, struct run *r)
{
	const struct dp_members *m = receivers(w, dp, r);
	enum drop_reason why = likely(dp->mcast == NULL) ? DROP_NUM : mcast_refusal(m);

	if (likely(why == DROP_NUM)) {
		flood(w, m, r);
		return;
	}
	r->rxq->flood_next = 0;
	pktq_drop(r->rxq, why, r->to - r->from);
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
		send_run(w, r, out);
}

/* The first frame behind r->from that has another destination. @p n were decided about. */
static __rte_always_inline uint16_t
run_end(const struct worker *w, const struct dataplane *dp, const struct run *r, uint16_t n)
{
	const uint16_t egress = w->egress[r->from];
	uint16_t to = r->from + 1;
	bool lists;

	if (n == 1)
		return w->batch.n;
	lists = egress == EGRESS_FLOOD && dp->mcast != NULL;
	while (to < n && w->egress[to] == egress && w->vlan.fid[to] == r->f.fid &&
	       (likely(!lists) || w->mcast.list[to] == w->mcast.list[r->from]))
		to++;
	return to;
}

void
forward_vlan(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
	     struct pktq *rxq, struct pkt_batch *batch)
{
	struct vlan_scratch *s = &w->vlan;
	struct run r = {.in = in, .rxq = rxq};
	const bool same = !any_tag(batch);
	uint16_t decided;

	if (likely(same))
		classify_native(s, in->vlan, rxq, batch);
	else
		classify(s, in->vlan, rxq, batch);
	if (unlikely(batch->n == 0))
		return;
	r.may_leave = flood_may_leave(w, in, batch);
	if (in->flows != NULL)
		forward_learn_queue(in, rxq, batch);
	decided = forward_decide(w, dp, in, batch, s->fid, same);
	if (unlikely(rxq->flood_next != 0) && w->egress[0] != EGRESS_FLOOD)
		rxq->flood_next = 0; /* the frame that some receivers got does not flood any more */
	if (unlikely(dp->mcast != NULL)) {
		for (; decided < batch->n; decided++)
			w->egress[decided] = w->egress[0];
		mcast_choose(w, dp, in, s->fid);
	}
	for (; r.from < batch->n; r.from = r.to) {
		uint16_t egress = w->egress[r.from], to;

		r.f.fid = s->fid[r.from];
		r.f.vlan = s->tci[r.from] & TCI_ID_MASK;
		to = r.to = run_end(w, dp, &r, decided);
		w->fid = r.f;
		if (egress == EGRESS_FLOOD)
			multicast(w, dp, &r);
		else
			unicast(w, dp, &r, egress);
		if (unlikely(r.to < to)) {
			leave(w, rxq, batch, r.to);
			return;
		}
	}
}
