/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * Choosing whom a multicast frame goes to. Internal to lib/switch.
 */
#ifndef SWITCH_MCAST_WORKER_H
#define SWITCH_MCAST_WORKER_H

#include "switch/mcast.h"
#include "switch/worker.h"

/**
 * Choose the receivers of the frames of w->batch that flood by w->egress, to w->mcast.list, and
 * have control told of what they say. @p fid: of each frame, NULL: its port's. Headers
 * that a guest could change are copies from then on.
 */
void mcast_choose(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
		  const uint16_t *fid);

/** The drop reason that stands in the place of a list of receivers; DROP_NUM: it is a list. */
enum drop_reason mcast_refusal(const struct dp_members *m);

#endif
