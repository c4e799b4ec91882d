/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: workers. */
#ifndef SWITCH_SAMPLE_WORKER_H
#define SWITCH_SAMPLE_WORKER_H

#include "switch/worker.h"

/**
 * Copy those of @p batch, which came in by @p rxq, that are to be samples, to @p w. Before any
 * frame of it is changed; sample_send() is to follow.
 */
void sample_batch(struct worker *w, struct sampling *s, const struct pktq *rxq,
		  const struct pkt_batch *batch);

/**
 * Give them to control when the batch is forwarded. Those of frames that stay in their ring are
 * forgotten: the frames come once more, and are drawn again then.
 */
void sample_send(struct worker *w, struct sampling *s, const struct pktq *rxq,
		 const struct pkt_batch *batch);

#endif
