/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * Segmentation of frames whose receiver does not take them whole; see cut.h.
 */
#ifndef SWITCH_CUT_RUN_H
#define SWITCH_CUT_RUN_H

#include "switch/worker.h"

/**
 * Segments (cut.h): finish in software what @p txq does not take of @p may_leave, and send; count
 * in the account of @p rxq what could not be.
 */
void cut_send(struct worker *w, struct pktq *txq, struct pktq *rxq, const struct pkt *p,
	      uint32_t may_leave);

/** Go on with the jobs of @p rxq. True: it has some, or had, and is not to be polled this time. */
bool cut_continue(struct worker *w, struct pktq *rxq);

/**
 * In a new snapshot: jobs go on only between queues that are in it and whose ports are members of
 * the frame's FID, the receiver with the tag the frame has, or to a port that is a mirror; others
 * are dropped. Pointers of a job may dangle by then, so they are only compared.
 */
void cut_revise(struct worker *w, const struct dataplane *dp);

#endif
