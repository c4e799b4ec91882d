/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers; control chooses.
 *
 * The function a worker calls with the frames of a queue.
 */
#ifndef SWITCH_INGRESS_H
#define SWITCH_INGRESS_H

#include "switch/worker.h"

/** For dp_poll.forward of a queue of @p in, which is filled in. NULL: nothing is forwarded. */
dp_forward_fn ingress_forward(const struct dataplane *dp, const struct dp_port *in, bool discard);

/**
 * Frames that an intercept (dp_intercept) took out of another port's queue, as if they had come in
 * at @p in. @p rxq has the accounts, frames are counted as received there; it is @p in's and only
 * this worker's. @p batch is w->batch. @p len: of each frame if they are all alike and for one
 * receiver each; 0: look.
 */
void ingress_receive(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
		     struct pktq *rxq, struct pkt_batch *batch, uint32_t len);

/** Frames an intercept of @p in does not take. */
void ingress_rest(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
		  struct pktq *rxq, struct pkt_batch *batch);

#endif
