/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * Publishing the state of a switch and its ports to the workers.
 */
#ifndef SWITCH_PUBLISH_H
#define SWITCH_PUBLISH_H

#include <stdbool.h>

struct dataplane;
struct sw;

/**
 * Rebuild the snapshot from the ports and publish it. On return no worker uses
 * a queue that is not running any more.
 */
void sw_publish(struct sw *s);

/**
 * sw_publish() before the control loop waits again, once however often it is asked for; at once
 * without a loop. For changes without a waiting caller: rings that start, are enabled or disabled.
 */
void sw_publish_soon(struct sw *s);

/** Start or stop forwarding. Stopped, queues stay published but no worker touches one. */
void sw_start(struct sw *s, bool on);

/** A snapshot without ports, to be freed with dp_free(). NULL: out of memory. */
struct dataplane *sw_empty_snapshot(const struct sw *s);

#endif
