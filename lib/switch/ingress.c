/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers; control chooses.
 *
 * Checks of a batch between its queue and the forwarding mode. Most queues need none: the snapshot
 * has them call the mode itself (dp_poll.forward).
 */
#include "switch/ingress.h"

#include "switch/acl_worker.h"
#include "switch/guard_worker.h"
#include "switch/limit_worker.h"
#include "switch/mirror.h"
#include "switch/modes.h"
#include "switch/sample_worker.h"
#include "switch/watch_worker.h"
#include "switch/wire.h"

static void
ingress_discard(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
		struct pktq *rxq, struct pkt_batch *batch)
{
	pktq_drop(rxq, DROP_RX_DISABLED, batch->n);
}

static dp_forward_fn
mode_of(const struct dataplane *dp, const struct dp_port *in)
{
	if (in->joined)
		return forward_joined;
	return in->vlan != NULL && dp->mode->vlan != NULL ? dp->mode->vlan : dp->mode->forward;
}

/* The mode, or the intercept in front of it. */
static dp_forward_fn
first_of(const struct dataplane *dp, const struct dp_port *in)
{
	if (in->intercept != NULL && dp->mode->forward == forward_switch)
		return in->intercept->fn;
	return mode_of(dp, in);
}

static void
ingress_checked(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
		struct pktq *rxq, struct pkt_batch *batch)
{
	bool sampled = in->sampling != NULL && rxq->cost != NULL;

	w->fid = (struct dp_fid){.fid = VLAN_FID_NONE}; /* until the mode finds it */
	if (sampled)
		sample_batch(w, in->sampling, rxq, batch);
	if (in->copied)
		forward_copy(w, in, false, rxq, wire_list(w, batch), batch->n);
	if (in->guard != NULL)
		guard_apply(w, in->guard, rxq, batch);
	if (in->acl_in != NULL)
		acl_receive(w, in, rxq, batch);
	if (in->limiter != NULL)
		limiter_apply(in->limiter, rxq, batch);
	if (likely(batch->n != 0))
		first_of(dp, in)(w, dp, in, rxq, batch);
	if (sampled)
		sample_send(w, in->sampling, rxq, batch);
}

static __rte_noinline void
count(struct pktq *rxq, const struct pkt_batch *batch)
{
	uint32_t len[RTE_ALIGN_CEIL(PKT_BATCH_MAX, PKTQ_COUNT_ROUND)];

	for (uint16_t i = 0; i < batch->n; i++) {
		len[i] = batch->pkt[i].len;
		pktq_count_cast(&rxq->stats, &batch->pkt[i]);
	}
	pktq_count_sizes(&rxq->stats, len, batch->n);
}

void
ingress_receive(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
		struct pktq *rxq, struct pkt_batch *batch, uint32_t len)
{
	counter_add(&rxq->stats.frames, batch->n);
	if (likely(len != 0)) {
		counter_add(&rxq->stats.bytes, (uint64_t)len * batch->n);
		counter_add(&rxq->stats.size[pktq_size_bin(len)], batch->n);
	} else {
		count(rxq, batch);
	}
	if (unlikely(w->watch != NULL))
		watch_receive(w, in, rxq, batch);
	ingress_forward(dp, in, false)(w, dp, in, rxq, batch);
}

void
ingress_rest(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
	     struct pktq *rxq, struct pkt_batch *batch)
{
	mode_of(dp, in)(w, dp, in, rxq, batch);
}

dp_forward_fn
ingress_forward(const struct dataplane *dp, const struct dp_port *in, bool discard)
{
	if (discard)
		return ingress_discard;
	if (in->limiter != NULL || in->guard != NULL || in->acl_in != NULL || in->copied ||
	    in->sampling != NULL)
		return ingress_checked;
	return dp->mode != NULL ? first_of(dp, in) : NULL;
}
