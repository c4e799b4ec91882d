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

/** Remove from @p batch, and count in @p rxq, frames over the limits. */
void limiter_apply(struct limiter *lim, struct pktq *rxq, struct pkt_batch *batch);

#endif
