/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * The workers' half of a capture.
 */
#ifndef SWITCH_CAPTURE_WORKER_H
#define SWITCH_CAPTURE_WORKER_H

#include "pkt/pkt.h"
#include "switch/pcapng.h"

struct capture_port;

/** Copies of @p n frames. Any worker. */
void capture_frames(struct capture_port *p, uint16_t queue, enum pcapng_direction way,
		    struct pkt *const *pkts, uint16_t n);

#endif
