/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * The workers' half of limit.h.
 */
#ifndef SWITCH_LIMIT_WORKER_H
#define SWITCH_LIMIT_WORKER_H

#include "pkt/pktq.h"
#include "switch/limit.h"
#include "switch/worker.h"

/** Remove from @p batch, and count in @p rxq, frames over the limits. */
void limiter_apply(struct limiter *lim, struct pktq *rxq, struct pkt_batch *batch);

/**
 * How many of @p n frames, from the first on, @p out may be sent; it has a queue. The others are
 * dropped as that queue's.
 */
uint16_t limiter_send(const struct dp_port *out, struct pktq *rxq, struct pkt *const *pkts,
		      uint16_t n);

#endif
