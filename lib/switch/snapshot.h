/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * Building a snapshot. Internal to lib/switch.
 */
#ifndef SWITCH_SNAPSHOT_H
#define SWITCH_SNAPSHOT_H

#include <stdbool.h>

struct dataplane;
struct sw;

/**
 * The snapshot for the ports' state now. @p *again: a queue changes workers; publish
 * and build once more.
 */
struct dataplane *snapshot_build(struct sw *s, bool *again);

#endif
