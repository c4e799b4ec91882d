/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flow that a frame belongs to. Any thread.
 */
#ifndef PKT_FLOW_H
#define PKT_FLOW_H

#include <stdint.h>

#include "pkt/pkt.h"

/**
 * Symmetric flow hash (A->B equals B->A) over IP addresses and ports, MACs for the rest. Never 0.
 */
uint32_t pkt_flow_hash(const struct pkt *p);

#endif
