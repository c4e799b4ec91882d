/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * Copies of a port's frames, for a capture and for the port it is mirrored to. Both get the frames
 * the port sends as they came in, before any decision about them, and the frames it is sent as
 * they are handed to it, before its ring can be full.
 */
#ifndef SWITCH_MIRROR_H
#define SWITCH_MIRROR_H

#include "switch/worker.h"

/** Copy frames that come in or go @p out at @p port to its capture and mirror (mirror.c). */
void forward_copy(struct worker *w, const struct dp_port *port, bool out, struct pktq *rxq,
		  struct pkt *const *pkts, uint16_t n);

#endif
