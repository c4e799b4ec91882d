/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * Keeping the rests of flooded frames, and going on with them; see rest.h.
 */
#ifndef SWITCH_REST_RUN_H
#define SWITCH_REST_RUN_H

#include "switch/worker.h"

/**
 * Keep @p p, as it came in at @p in, for the receivers from number rxq->flood_next on; false: it
 * cannot be kept. Its accounts are those of a frame left in its ring.
 */
bool rest_keep(struct worker *w, const struct dp_port *in, struct pktq *rxq, const struct pkt *p);

/** Go on with the rest at @p polled. True: there was one, and the queue is not to be polled. */
bool rest_forward(struct worker *w, const struct dataplane *dp, const struct pktq *polled);

/**
 * In a new snapshot: rests whose queue and port are in it begin anew, as receivers have other
 * numbers; others, and those of tunnels, are dropped. Queues may be gone already, so they are only
 * compared.
 */
void rest_revise(struct worker *w, const struct dataplane *dp);

#endif
