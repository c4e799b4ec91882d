/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers; only where w->watch is set.
 *
 * The workers' half of watch.h.
 */
#ifndef SWITCH_WATCH_WORKER_H
#define SWITCH_WATCH_WORKER_H

#include "switch/worker.h"

/** A batch of @p rxq is about to be forwarded. */
void watch_receive(struct worker *w, const struct dp_port *in, const struct pktq *rxq,
		   struct pkt_batch *batch);

/** pktq_ops.tx with the queue's lock, in the watched way. */
void watch_transmit(struct worker *w, struct pktq *txq, struct pkt *const *pkts, uint16_t n);

#endif
