/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * Building the lists of mcast.h. Internal to lib/switch.
 */
#ifndef SWITCH_MCAST_BUILD_H
#define SWITCH_MCAST_BUILD_H

#include <stdbool.h>

struct dataplane;
struct sw;

/**
 * Build the lists from dp->ports, dp->by_id and what is known of @p s, to dp->mcast: one block,
 * freed with free(), or NULL, nothing is snooped. False: out of memory. Control.
 */
bool mcast_build(const struct sw *s, struct dataplane *dp);

#endif
