/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * Segmentation of frames whose receiver does not take them whole.
 *
 * One frame can become as many as it has bytes. One that costs more than PKT_BATCH_COST is copied
 * to an mbuf, and goes on each time its queue is polled; meanwhile nothing is taken from that
 * queue, so its frames keep their order, and its neighbours on the worker wait for one portion
 * only. Such a frame is the last of its batch.
 *
 * Each worker has its own. The functions are in cut_run.h.
 */
#ifndef SWITCH_CUT_H
#define SWITCH_CUT_H

#include <stdint.h>

#include "pkt/gso.h"
#include "pkt/pktq.h"
#include "switch/vlan.h"

struct rte_mbuf;

#define CUT_PORTION PKT_BATCH_MAX /* frames made before they are sent */
#define CUT_JOBS_MAX 256          /* of a worker */
#define CUT_JOBS_QUEUE 64         /* of one receive queue: receivers of a flooded frame */

/** A frame that is not wholly on its way to one receiver. */
struct cut_job {
	struct pktq *rxq, *txq;
	uint64_t rx_serial, tx_serial; /* theirs: one of them may be gone */
	struct rte_mbuf *copy;
	const uint8_t *data; /* of the frame copied */
	struct dp_fid fid;   /* the frame's */
	uint32_t may_leave;  /* PKT_NEED_* the receiver is left if it takes them */
	uint32_t hash;
	uint16_t need;
	struct pkt_vnet vnet;
	struct gso_pos pos;
};

/** Jobs, and the scratch memory of all cutting. */
struct cut {
	uint32_t n;
	struct cut_job job[CUT_JOBS_MAX];
	struct pkt pkt[CUT_PORTION];
	struct pkt_seg seg[2 * CUT_PORTION];
};

#endif
