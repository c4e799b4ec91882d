/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * Decisions of the learning switch, for ports without VLANs (forward.c) and with
 * (vlan_forward.c). Internal to lib/switch.
 */
#ifndef SWITCH_FORWARD_H
#define SWITCH_FORWARD_H

#include "switch/worker.h"

/* Verdicts of forward_decide() beside port ids. */
#define EGRESS_FLOOD FDB_PORT_NONE
#define EGRESS_BAD_SOURCE DP_PORTS_MAX
#define EGRESS_RESERVED (DP_PORTS_MAX + 1)

/** Why a frame that came in at @p in with verdict @p egress, no other port's id, is dropped. */
static inline enum drop_reason
egress_drop(const struct dp_port *in, uint16_t egress)
{
	if (egress == EGRESS_BAD_SOURCE)
		return DROP_RX_BAD_SOURCE;
	if (egress == EGRESS_RESERVED)
		return DROP_RX_RESERVED;
	return egress == in->id ? DROP_RX_SAME_PORT : DROP_RX_NO_EGRESS;
}

/**
 * Decide about the frames, of which there are some, to w->egress. @p domain: of each. @p same: they
 * are all equal. Returns about how many it decided: 1 if the addresses are all equal, too, and so
 * is the decision.
 */
uint16_t forward_decide(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
			const struct pkt_batch *batch, const uint16_t *domain, bool same);

#endif
