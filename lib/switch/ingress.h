/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers; control chooses.
 *
 * What a worker calls with the frames of a queue. Internal to lib/switch.
 */
#ifndef SWITCH_INGRESS_H
#define SWITCH_INGRESS_H

#include "switch/forward.h"

/** For dp_poll.forward of a queue of @p in, which is filled in. NULL: nothing is forwarded. */
dp_forward_fn ingress_forward(const struct dataplane *dp, const struct dp_port *in, bool discard);

#endif
