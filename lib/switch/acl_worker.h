/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * The workers' half of acl.h.
 */
#ifndef SWITCH_ACL_WORKER_H
#define SWITCH_ACL_WORKER_H

#include "switch/acl.h"
#include "switch/worker.h"

/**
 * Remove from @p batch, and count in @p rxq, frames that in->acl_in does not let in. Headers of the
 * others are those that were looked at: views begin in @p w, until the next call.
 */
void acl_receive(struct worker *w, const struct dp_port *in, struct pktq *rxq,
		 struct pkt_batch *batch);

/**
 * The frames of *@p pkts that out->acl_out lets out, to *@p pkts, and their number; the others are
 * dropped as frames of the first queue of @p out, which has one. The list and views that begin with
 * the headers looked at are valid until the next call.
 */
uint16_t acl_send(struct worker *w, const struct dp_port *out, struct pktq *rxq,
		  struct pkt *const **pkts, uint16_t n);

/**
 * Number of the first rule of @p a that a packet fits, 0: none. As acl_receive() finds it, without
 * a trie. Any thread.
 */
uint16_t acl_first(const struct acl *a, enum acl_family f, const struct acl_key *k);

#endif
