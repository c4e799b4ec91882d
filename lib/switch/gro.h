/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * Joining TCP/IPv4 segments of a batch that follow each other into one large
 * frame, as a receiver with TSO takes it ("set port N gro on"). Nothing is
 * copied: the fragments of one view become fragments of another.
 *
 * A view does not outlive its batch, so no frame is delayed for segments to come.
 */
#ifndef SWITCH_GRO_H
#define SWITCH_GRO_H

#include <stdint.h>

#include "switch/worker.h"

/**
 * Join what can be among the first @p n frames of w->list, which are frames of w->batch that begin
 * with their headers in w->hdrs. @p sound: bit by frame of the batch, TCP whose checksum is known
 * to be right. Returns how many frames are left in w->list; the others are counted as
 * DROP_RX_MERGED.
 */
uint16_t gro_join(struct worker *w, struct pktq *rxq, uint64_t sound, uint16_t n);

#endif
