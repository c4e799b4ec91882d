/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * The costs of flooding.
 *
 * One frame may become two thousand copies of 64 KiB. So copies are counted against an iteration's
 * budget (worker.flood_left), frames that do not fit stay in their ring, and one that exceeds the
 * budget by itself is copied to some receivers in each iteration. Internal to lib/switch.
 */
#ifndef SWITCH_FLOOD_H
#define SWITCH_FLOOD_H

#include "pkt/offload.h"
#include "switch/acl.h"
#include "switch/members.h"
#include "switch/worker.h"

/* Costs in bytes copied. */
#define FLOOD_COPY 512u     /* a copy, beside its bytes */
#define FLOOD_FRAGMENT 64u  /* and each fragment it is collected from */
#define FLOOD_FINISH 8u     /* times as much: its checksum is finished in software */
#define FLOOD_LIST 256u     /* a receiver's access list: headers copied, a view made */
#define FLOOD_RULE 64u      /* and each rule they are compared with */
#define FLOOD_SEGMENT 1024u /* a segment of the smallest size made in software */

/** Frames of a batch with the same source queue that all flood. */
struct flood {
	const struct dp_port *in;
	struct pktq *rxq;
	struct pkt *const *pkts;
	uint16_t n;
	bool may_leave; /* frames that do not fit stay in the ring; else one is kept (rest.h) */
};

/** The bytes @p p stands for when it is sent to a receiver that takes PKT_NEED_* @p offloads. */
static inline uint32_t
flood_cost(const struct pkt *p, uint32_t offloads)
{
	uint32_t cost = p->len + FLOOD_COPY + (p->nsegs - 1u) * FLOOD_FRAGMENT;

	if (likely((p->need & ~offloads) == 0))
		return cost;
	return RTE_MAX(cost * FLOOD_FINISH, offload_cost(p) * FLOOD_SEGMENT);
}

/** The same for captures and mirrors of frames that @p out is sent. */
static inline uint32_t
flood_cost_copied(const struct pkt *p, const struct dp_port *out)
{
	const struct dp_port *m = out->mirror;
	uint32_t cost = out->capture != NULL ? flood_cost(p, UINT32_MAX) : 0;

	return m != NULL && m->ntx > 0 ? cost + flood_cost(p, m->tx[0]->offloads) : cost;
}

/** The same for its access list: for each frame alike. */
static inline uint32_t
flood_cost_list(const struct dp_port *out)
{
	return out->acl_out != NULL ? FLOOD_LIST + acl_effort(out->acl_out) * FLOOD_RULE : 0;
}

/** Bytes a queue may use now. */
static inline uint32_t
flood_budget(const struct worker *w)
{
	return RTE_MAX(w->flood_left, w->flood_least);
}

static inline void
flood_spend(struct worker *w, uint64_t cost)
{
	w->flood_left -= (uint32_t)RTE_MIN(cost, w->flood_left);
	w->cost += (uint32_t)(cost / FLOOD_SEGMENT);
}

/** Costs of any frame beside those of copies to receivers; and copies of those. */
struct flood_extra {
	uint64_t lists;
	uint32_t copies;
};

static inline struct flood_extra
flood_extra(const struct dp_members *m, const struct dp_port *in)
{
	struct flood_extra x = {0};

	for (uint16_t k = 0; k < m->ngroups; k++) {
		const struct dp_group *g = m->group[k];

		if (likely(!g->checked) || !dp_isolation_passes(in->isolated, g->isolated))
			continue;
		for (uint16_t i = 0; i < g->n; i++) {
			x.lists += flood_cost_list(g->port[i]);
			x.copies += (g->port[i]->capture != NULL) + (g->port[i]->mirror != NULL);
		}
	}
	return x;
}

/** How many of the frames, one at least, may be copied to all members @p m they may go to. */
static inline uint16_t
flood_portion(const struct worker *w, const struct flood *f, const struct dp_members *m)
{
	const struct flood_extra x = flood_extra(m, f->in);
	const uint64_t copies = dp_receivers(m, f->in) + (uint64_t)x.copies;
	uint64_t cost = 0, budget = flood_budget(w);
	uint16_t i;

	for (i = 0; i < f->n; i++) {
		cost += x.lists + copies * flood_cost(f->pkts[i], 0);
		if (cost > budget)
			break;
	}
	return f->rxq->flood_next != 0 ? 1 : RTE_MAX(i, (uint16_t)1);
}

/** The cost of copies of all of them to @p out. */
static inline uint64_t
flood_costs(const struct flood *f, const struct dp_port *out)
{
	uint64_t cost = (uint64_t)f->n * flood_cost_list(out);

	for (uint16_t i = 0; i < f->n; i++)
		cost += flood_cost(f->pkts[i], out->tx[0]->offloads);
	for (uint16_t i = 0; i < f->n && unlikely(out->copied); i++)
		cost += flood_cost_copied(f->pkts[i], out);
	return cost;
}

/** The cost that their copies may have now. */
static inline uint64_t
flood_limit(const struct worker *w, const struct flood *f)
{
	return f->n == 1 ? flood_budget(w) : UINT64_MAX;
}

/**
 * @p copies were made for @p cost, and receivers from number @p next on, 0: none, are left. False:
 * there are such.
 */
static inline bool
flood_account(struct worker *w, const struct flood *f, uint32_t copies, uint64_t cost,
	      uint16_t next)
{
	bool begun = f->rxq->flood_next != 0;

	flood_spend(w, cost);
	counter_add(&f->rxq->stats.replicated, (uint64_t)copies * f->n);
	f->rxq->flood_next = next;
	if (next != 0)
		return false;
	/* one copy is the frame itself */
	if (copies == 0 && !begun)
		pktq_drop(f->rxq, DROP_RX_NO_EGRESS, f->n);
	else
		counter_add(&f->rxq->stats.replicated, -(uint64_t)f->n);
	return true;
}

/** Send the frames of @p f to @p out: a constant where flood_to() is instantiated. */
typedef void (*flood_send_fn)(struct worker *w, const struct flood *f, const struct dp_port *out);

/**
 * Send them to those members @p m of their FID that they may go to, from number flood_next on.
 * False: there are receivers left for the next iteration.
 */
static __rte_always_inline bool
flood_to(struct worker *w, const struct flood *f, const struct dp_members *m, flood_send_fn send)
{
	uint64_t cost = 0, limit = flood_limit(w, f);
	uint32_t copies = 0, number = 0, next = f->rxq->flood_next;
	bool left = false;

	for (uint16_t k = 0; k < m->ngroups && !left; k++) {
		const struct dp_group *g = m->group[k];
		uint32_t i = next > number ? next - number : 0;

		for (; dp_isolation_passes(f->in->isolated, g->isolated) && i < g->n; i++) {
			left = cost >= limit;
			if (left) {
				next = number + i;
				break;
			}
			w->flood_looks++;
			if (g->port[i] == f->in)
				continue;
			send(w, f, g->port[i]);
			cost += flood_costs(f, g->port[i]);
			copies++;
		}
		number += g->n;
	}
	return flood_account(w, f, copies, cost, left ? (uint16_t)next : 0);
}

/**
 * Whether frames of the batch can stay in their ring, to be seen once more: nothing was done with
 * them so far, all of its chains are frames, and the ring is that of the port they come from. A
 * rest stays where it is.
 */
static inline bool
flood_may_leave(const struct worker *w, const struct dp_port *in, const struct pkt_batch *b)
{
	if (unlikely(w->rests.at_work))
		return true;
	return b->n == b->ndone && in->limiter == NULL && in->guard == NULL && in->acl_in == NULL &&
	       !in->copied && w->watch == NULL && (in->isolated & DP_ISOLATED_TUNNEL) == 0;
}

/** Leave all frames from number @p from on. */
static inline void
flood_leave(struct pktq *rxq, struct pkt_batch *b, uint16_t from)
{
	for (uint16_t i = from; i < b->n; i++)
		pktq_uncount(&rxq->stats, &b->pkt[i]);
	b->left = b->n - from;
	b->n = b->ndone = from;
}

#endif
