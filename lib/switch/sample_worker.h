/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: workers. */
#ifndef SWITCH_SAMPLE_WORKER_H
#define SWITCH_SAMPLE_WORKER_H

#include "switch/worker.h"

/** Copy those of @p batch, which came in by @p rxq, that are to be samples. */
void sample_batch(const struct worker *w, struct sampling *s, const struct pktq *rxq,
		  const struct pkt_batch *batch);

#endif
