/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * From a forwarding mode to an egress queue. Modes send by these functions only.
 */
#ifndef SWITCH_SEND_H
#define SWITCH_SEND_H

#include "switch/worker.h"

/**
 * Send @p n <= PKT_BATCH_MAX frames of one batch to @p out in order: picks the queue
 * (flow-sticky when there are several), finishes offloads in software when the
 * receiver did not accept them, takes the lock of a shared queue, and keeps the
 * accounts of @p rxq (offered, replicated, drops). Modes send only through this
 * or forward_send_queue(). @p pkts must not be w->q_list.
 */
void forward_send(struct worker *w, const struct dp_port *out, struct pktq *rxq,
		  struct pkt *const *pkts, uint16_t n);

/** forward_send() to a queue the caller has picked. */
void forward_send_queue(struct worker *w, struct pktq *txq, struct pktq *rxq,
			struct pkt *const *pkts, uint16_t n);

/**
 * Send a frame that is segmented here whether its receiver could do that or not; p->need says how.
 * @p accept: PKT_NEED_CSUM when segments may have partial sums, if the receiver takes them.
 */
void forward_send_cut(struct worker *w, struct pktq *txq, struct pktq *rxq, const struct pkt *p,
		      uint32_t accept);

/** forward_send() without copies to captures and mirrors. */
void forward_send_only(struct worker *w, const struct dp_port *out, struct pktq *rxq,
		       struct pkt *const *pkts, uint16_t n);

/**
 * What is done with frames before they are given to a port that is checked (dp_port.checked): those
 * of *@p pkts that it is not to be sent are dropped, the others copied to its capture and mirror.
 * Returns how many those are, in *@p pkts: a list that is valid until the next call.
 */
uint16_t forward_check(struct worker *w, const struct dp_port *out, struct pktq *rxq,
		       struct pkt *const **pkts, uint16_t n);

/**
 * Note which queue of a multiqueue port its flows come from, so that the reverse flows go there.
 */
void forward_learn_queue(const struct dp_port *in, const struct pktq *rxq, struct pkt_batch *batch);

#endif
