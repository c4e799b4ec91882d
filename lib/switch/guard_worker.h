/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * The workers' half of guard.h.
 */
#ifndef SWITCH_GUARD_WORKER_H
#define SWITCH_GUARD_WORKER_H

#include "switch/guard.h"
#include "switch/worker.h"

/**
 * Remove from @p batch, and count in @p rxq, frames that @p g does not let through. Headers of the
 * others are those that were checked, whatever their sender writes to its memory meanwhile: views
 * begin in @p w, until the next call.
 */
void guard_apply(struct worker *w, const struct guard *g, struct pktq *rxq,
		 struct pkt_batch *batch);

#endif
